#!/usr/bin/env bash
# Names the distribution's packages that the built programs need to run, for a machine that does not build them.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/steps.sh"

if [[ ${1:-} == -h || ${1:-} == --help || $# -gt 1 ]]; then
  cat <<END
usage: scripts/runtime-packages.sh [BUILD_FOLDER]

On one line: what to apt-get install where driftloopd, driftloop and driftloop-station of this build folder (default: build/release) are to run.
LibTorch is not among them. GStreamer loads its plugins by name, so these are named here: base and good (v4l2, rtsp, files, pictures).
END
  exit 0
fi
build=${1:-$root/build/release}

programs=()
for program in driftloopd driftloop driftloop-station; do
  [[ ! -x $build/$program ]] || programs+=("$build/$program")
done
((${#programs[@]})) || die "no driftloop program in $build: build first"

# What a program names itself; what those libraries need in turn is the package manager's business.
direct=" $(readelf -d "${programs[@]}" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort -u | tr '\n' ' ')"
owner_of() {  # of a file; dpkg may know it under /lib where the loader says /usr/lib, and the other way round
  dpkg-query -S "$1" 2>/dev/null || dpkg-query -S "/usr$1" 2>/dev/null || dpkg-query -S "${1#/usr}" 2>/dev/null
}
packages=()
[[ ! -x $build/driftloopd ]] || packages+=(gstreamer1.0-plugins-base gstreamer1.0-plugins-good)
libraries=$(ldd "${programs[@]}" | awk '$2 == "=>" && $3 ~ /^\// {print $1, $3}' | sort -u)
torch=$(awk '$1 == "libtorch_cpu.so" {print $2; exit}' <<<"$libraries")
wheels=${torch:+$(realpath "$(dirname "$torch")/../..")/}  # LibTorch and NVIDIA's libraries beside it
while read -r name file; do
  [[ $direct == *" $name "* ]] || continue
  [[ -z $wheels || $(realpath "$file") != "$wheels"* ]] || continue
  owner=$(owner_of "$file") || die "$file is of no package: is it built from source? Take it to the other machine by hand"
  packages+=("${owner%%[:,]*}")
done <<<"$libraries"
mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)
echo "${packages[*]}"
