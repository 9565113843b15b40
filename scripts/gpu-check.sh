#!/bin/sh
# What only a machine with a GPU can check: builds the cuda preset, runs the tests that need one, and the benchmarks.
# Usage: scripts/gpu-check.sh [build jobs]
set -eu
cd "$(dirname "$0")/.."
jobs=${1:-$(nproc)}

if ! nvidia-smi -L; then
  echo "gpu-check: no NVIDIA GPU found (nvidia-smi); run this on a machine that has one" >&2
  exit 1
fi
if ! ls .venv/lib/python3*/site-packages/torch/lib/libtorch_cuda.so >/dev/null 2>&1 && [ -z "${Torch_DIR:-}" ]; then
  echo "gpu-check: no LibTorch with CUDA; run scripts/setup.sh --cuda first" >&2
  exit 1
fi

cmake --preset cuda
cmake --build --preset cuda -j "$jobs"

# Tests whose GPU half skips itself elsewhere. Here a skip is a failure: it would mean that the build has no CUDA.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
for test in build/cuda/tests/*_test; do
  "$test" --gtest_filter='*Gpu*:*Cuda*' >"$log" 2>&1 || status=1
  grep -q 'Running 0 tests' "$log" && continue
  echo "== $(basename "$test")"
  grep -E '^\[ +(OK|FAILED|SKIPPED) ' "$log" || cat "$log"
  if grep -q 'SKIPPED' "$log"; then
    echo "gpu-check: a GPU test skipped itself: LibTorch sees no GPU" >&2
    status=1
  fi
done
ctest --preset cuda -L golden || status=1

build/cuda/bench/region_bench --benchmark_filter=region_score || status=1
exit $status
