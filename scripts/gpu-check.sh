#!/usr/bin/env bash
# What only a machine with a GPU can check: the CUDA variant's tests that need one, the golden cases on it, and the benchmarks.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/steps.sh"

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
  echo "usage: scripts/gpu-check.sh    (a machine with an NVIDIA GPU, its driver and nvcc; build folder: build/cuda)"
  exit 0
fi
(($# == 0)) || die "unknown argument '$1'"
nvidia-smi -L || die "no NVIDIA GPU found (nvidia-smi): run this on a machine that has one"
find_nvcc >/dev/null || die "no nvcc: without a CUDA toolkit our kernels are not built, and there is nothing of ours to check"

build=$root/build/cuda
if [[ ! -e $build/setup.cmake ]]; then  # else 'test.sh --cuda-build' made one
  "$root/scripts/setup.sh" --cuda
fi
step "Configure build/cuda" configure "$build" cuda -DDRIFTLOOP_TESTS=ON
step "Build the CUDA variant (the first time 15 to 25 minutes on 2 cores)" build_all "$build"

# Tests whose GPU half skips itself elsewhere. Here a skip is a failure: it would mean that the build has no CUDA.
log=$build/gpu-check.log
failed=()
ran=0
for test in "$build"/tests/*_test; do
  name=$(basename "$test")
  cases=$("$test" --gtest_list_tests --gtest_filter='*Gpu*:*Cuda*' | grep -c '^ ' || true)
  ((cases)) || continue
  say "==> $name, $cases cases"
  "$test" --gtest_filter='*Gpu*:*Cuda*' >"$log" 2>&1 || failed+=("$name")
  grep -E '^\[ +(OK|FAILED|SKIPPED) ' "$log" || cat "$log"
  if grep -q SKIPPED "$log"; then
    say "$name: a GPU test skipped itself: LibTorch sees no GPU"
    failed+=("$name")
  fi
  ran=$((ran + cases))
done
((ran)) || failed+=("no test has Gpu or Cuda in its name")
ctest --test-dir "$build" -L golden --output-on-failure --no-tests=error || failed+=("the golden cases")
"$build/driftloop-bench" --benchmark_filter=region_score || failed+=("driftloop-bench")

# A training step beside the same one in PyTorch: the package that LibTorch is from, and what its Python side needs beside it.
say "==> a training step beside PyTorch's"
torch_root=$(sed -n 's/^set(DRIFTLOOP_TORCH_ROOT "\([^"]*\)".*/\1/p' "$build/setup.cmake")
python=${torch_root%/lib/python*}/bin/python
if "$python" -m pip install -q typing_extensions sympy networkx jinja2 filelock fsspec; then
  "$python" "$root/tests/bench/peer_step.py" --device cuda --ours "$build/driftloop-bench" || failed+=("peer_step.py")
else
  failed+=("PyTorch's Python packages")
fi

((${#failed[@]} == 0)) || die "failed: ${failed[*]}"
say "gpu-check: $ran GPU cases, the golden cases and the benchmarks passed"
