#!/usr/bin/env bash
# From a fresh clone to passed tests: set-up, build, CTest.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/steps.sh"

usage() {
  cat <<END
usage: scripts/test.sh [--release] [--asan] [--tsan] [--asan-learning] [--cuda-build] [--all] [--label L]... [--cpu | --cuda]

  --release        every test, optimised build (the default)
  --asan           AddressSanitizer and UBSan, the rooms without LibTorch
  --tsan           ThreadSanitizer, the rooms without LibTorch
  --asan-learning  AddressSanitizer and UBSan, every room (slow to build)
  --cuda-build     compiles and links the programs of the CUDA variant and the tests that use LibTorch, not optimised, into build/cuda and
                   runs nothing: what a machine with nvcc and without a GPU can check. Brings LibTorch with NVIDIA's libraries (5 GB)
                   into build/cuda/venv; the set-up of the other builds stays as it is. Without nvcc it is skipped. With a GPU:
                   scripts/gpu-check.sh
  --all            --release --cuda-build --asan --tsan
  --label L        only tests of this label: unit, golden, contract, fault, e2e (may be given again)
  --cpu, --cuda    passed to scripts/setup.sh
Golden tests read the cases in tests/golden/cases, or in the folder that DRIFTLOOP_GOLDEN_DIR names.
END
}

builds=()
labels=()
setup=()
while (($#)); do
  case $1 in
    --release | --asan | --tsan | --asan-learning | --cuda-build) builds+=("${1#--}") ;;
    --all) builds+=(release cuda-build asan tsan) ;;
    --label) (($# > 1)) || die "--label needs a name"; labels+=("$2"); shift ;;
    --cpu | --cuda) setup+=("$1") ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; die "unknown argument '$1'" ;;
  esac
  shift
done
((${#builds[@]})) || builds=(release)

# run_tests FOLDER: two at a time, as a test that trains uses every core by itself.
run_tests() {
  local select=()
  ((${#labels[@]})) && select=(-L "^($(IFS='|'; echo "${labels[*]}"))\$")
  ctest --test-dir "$1" --output-on-failure --no-tests=error --timeout 900 -j 2 "${select[@]}"
}

# A script that skips itself says why in a line of its own; CTest shows the name alone.
skipped_because() { sed -n 's/^skipped: /    skipped: /p' "$1/Testing/Temporary/LastTest.log" 2>/dev/null || true; }

# Compiles and links the CUDA variant where that can be done. Sets what_was_done.
build_cuda_variant() {
  local folder=$root/build/cuda
  if ! find_nvcc >/dev/null; then
    what_was_done="skipped: no nvcc on this machine"
    return
  fi
  # Where the repository's own set-up is the CUDA variant, its LibTorch serves.
  grep -qs 'DRIFTLOOP_CUDA ON' "$setup_cache" || "$root/scripts/setup.sh" --cuda --for "$folder"
  # Without optimisation, as nothing of it runs here, and without the tests that have no LibTorch inside: they are those of the other builds.
  # gpu-check.sh builds the whole folder optimised.
  step "Configure build/cuda" configure "$folder" cuda -DDRIFTLOOP_TESTS=ON -DCMAKE_CXX_FLAGS_RELEASE=-O0
  step "Build the CUDA variant and its tests (the first time 12 to 20 minutes on 2 cores)" build_all "$folder" \
    --target driftloop driftloopd driftloop-bench driftloop_learning_tests
  what_was_done="compiled and linked in $((SECONDS - start)) s"
}

[[ ${builds[*]} == cuda-build ]] || "$root/scripts/setup.sh" --tests "${setup[@]}"
results=()
failed=no
for name in "${builds[@]}"; do
  start=$SECONDS
  folder=$root/build/$name
  case $name in
    release)
      step "Configure build/$name" configure "$folder" release -DDRIFTLOOP_TESTS=ON
      step "Build everything (the first time 15 to 25 minutes on 2 cores, seconds with ccache)" build_all "$folder"
      ;;
    cuda-build)
      build_cuda_variant
      results+=("cuda-build: $what_was_done")
      continue
      ;;
    asan | tsan)
      step "Configure build/$name" configure "$folder" "$name" -DDRIFTLOOP_LEARNING=OFF
      step "Build the rooms without LibTorch under $name (the first time 3 to 6 minutes on 2 cores)" build_rooms "$folder"
      ;;
    asan-learning)
      step "Configure build/$name" configure "$folder" asan
      step "Build every room under asan (the first time 20 to 40 minutes on 2 cores)" build_all "$folder"
      ;;
  esac
  say "==> Test build/$name"
  if run_tests "$folder"; then
    results+=("$name: passed in $((SECONDS - start)) s")
  else
    results+=("$name: FAILED (ctest --test-dir build/$name --rerun-failed --output-on-failure)")
    failed=yes
  fi
  skipped_because "$folder"
done
printf '%s\n' "${results[@]}"
[[ $failed == no ]]
