# Sourced by the scripts beside it: what they print, and how they configure and build.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
setup_cache=$root/build/setup.cmake  # written by setup.sh, read by cmake -C

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# step TITLE COMMAND...: says what begins, runs it, says how long it took. Not "command || die": that would switch set -e off in the command.
step() {
  local start=$SECONDS
  current_step=$1
  shift
  say "==> $current_step"
  "$@"
  current_step=
  say "    done in $((SECONDS - start)) s"
}
current_step=
trap '[[ -z $current_step ]] || printf "%s: failed: %s (the cause is above)\n" "$(basename "$0")" "$current_step" >&2' EXIT

# jobs_for MIB: parallel jobs that fit the cores and, at MIB of memory each, the memory that is free now.
jobs_for() {
  local cores free_mib fit
  cores=$(nproc)
  free_mib=$(awk '/^MemAvailable:/ {print int($2 / 1024)}' /proc/meminfo)
  fit=$((free_mib / $1))
  ((fit < 1)) && fit=1
  echo $((fit < cores ? fit : cores))
}

# A desktop driver makes its device nodes on first use, but names its GPUs in /proc from the start.
find_gpu() { [[ -e /dev/nvidiactl || -e /dev/nvhost-gpu || -e /dev/nvgpu ]] || compgen -G '/proc/driver/nvidia/gpus/*' >/dev/null; }
# default_variant [LIBTORCH]: cuda where there is a GPU, and the LibTorch that a person brought, if any, can use it. nvcc does not ask for it.
default_variant() { if find_gpu && [[ -z ${1:-} || -e $1/lib/libtorch_cuda.so ]]; then echo cuda; else echo cpu; fi; }
find_nvcc() { command -v nvcc || { [[ -x /usr/local/cuda/bin/nvcc ]] && echo /usr/local/cuda/bin/nvcc; }; }

# configure FOLDER PRESET [cmake arguments]: quiet when it works, the whole log when it does not. A set-up of the folder's own
# (setup.sh --for FOLDER) goes before the repository's.
configure() {
  local folder=$1 preset=$2 log=$1/configure.log cache=$1/setup.cmake
  shift 2
  [[ -e $cache ]] || cache=$setup_cache
  mkdir -p "$folder"
  (cd "$root" && cmake -C "$cache" --preset "$preset" -B "$folder" "$@") >"$log" 2>&1 || { cat "$log" >&2; return 1; }
  grep -E '^-- (LibTorch|CUDA|No nvcc)' "$log" | sed 's/^--/   /' || true
}

# A file that includes LibTorch takes the compiler about 1.5 GiB, any other about half of that.
build_all() { NINJA_STATUS='[%f/%t, %es] ' cmake --build "$1" -j "$(jobs_for 1600)" "${@:2}"; }
build_rooms() { NINJA_STATUS='[%f/%t, %es] ' cmake --build "$1" -j "$(jobs_for 800)"; }
