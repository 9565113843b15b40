#!/usr/bin/env bash
# Which LibTorch scripts/setup.sh chooses, that a build folder's own set-up leaves the repository's alone, and that CI runs what the README says.
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $*"; exit 1; }

mkdir -p "$work"/{bin,repository,own/torch/{lib,share/cmake/Torch}}
touch "$work/own/torch/share/cmake/Torch/TorchConfig.cmake"
cp -r "$repository/scripts" "$work/repository/"
printf '#!/bin/sh\nexit 0\n' >"$work/bin/nvcc"
printf '#!/bin/sh\nexit 1\n' >"$work/bin/apt-get"  # nothing is installed by this test
chmod +x "$work"/bin/*
export PATH=$work/bin:$PATH
unset DRIFTLOOP_VARIANT DRIFTLOOP_VENV CMAKE_PREFIX_PATH

variant_with() {  # GPU LIBTORCH: true or false, a folder or nothing
  # shellcheck source=scripts/steps.sh
  (source "$work/repository/scripts/steps.sh" && eval "find_gpu() { $1; }" && default_variant "$2")
}
[[ $(variant_with false '') == cpu ]] || fail "a toolkit without a GPU gets CUDA"
[[ $(variant_with true '') == cuda ]] || fail "a GPU does not get CUDA"
[[ $(variant_with true "$work/own/torch") == cpu ]] || fail "a LibTorch without CUDA is taken for one that has it"

(cd "$repository" && grep -qx 'scripts/test.sh' .ci/run) || fail ".ci/run does not run 'scripts/test.sh' as a user types it"
(cd "$repository" && grep -qx 'scripts/test.sh --cuda-build' .ci/run) || fail ".ci/run does not build the CUDA variant"

export Torch_DIR=$work/own/torch/share/cmake/Torch
"$work/repository/scripts/setup.sh" --cpu >"$work/log" 2>&1 || { cat "$work/log"; echo "skipped: this machine lacks packages of scripts/setup.sh"; exit 77; }
"$work/repository/scripts/setup.sh" --cuda --for "$work/repository/build/cuda" >"$work/log" 2>&1 || { cat "$work/log"; fail "setup.sh --for"; }
grep -q 'DRIFTLOOP_CUDA OFF' "$work/repository/build/setup.cmake" || fail "'setup.sh --for' changed the repository's own set-up"
grep -q 'DRIFTLOOP_CUDA ON' "$work/repository/build/cuda/setup.cmake" || fail "'setup.sh --for' wrote no set-up for its folder"
