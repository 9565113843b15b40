# Sourced by boot_test.sh: a bare system of this machine's own distribution, made once, and one throw-away machine booted from it.
# shellcheck shell=bash

skip() { echo "skipped: $*"; exit 77; }
fail() { echo "FAILED: $*"; exit 1; }
say() { printf '%4d s  %s\n' "$SECONDS" "$*"; }

# What a test of this kind needs. To be called before the namespace is left for one of our own.
check_means() {
  local tool
  ((EUID == 0)) || skip "not root: a system cannot be booted"
  PATH+=:/usr/sbin:/sbin  # not in the path of every root
  for tool in systemd-nspawn debootstrap nsenter; do
    command -v "$tool" >/dev/null || skip "no $tool (scripts/setup.sh installs debootstrap and systemd-container)"
  done
  grep -qw cgroup2 /proc/filesystems || skip "this kernel has no cgroup v2"
  grep -qw overlay /proc/filesystems || modprobe overlay 2>/dev/null || skip "this kernel has no overlayfs"
  unshare --mount --pid --fork true 2>/dev/null || skip "mount and process namespaces are not allowed here"
}

# bare_system CACHE PACKAGE...: sets `system` to a folder with this distribution, systemd and the packages; nothing of driftloop.
bare_system() {
  local cache=$1 suite mirror components sources key log
  shift
  suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
  # The mirror of this machine, as apt has it; the main part alone has the toolchain's libraries, on Ubuntu they are in two.
  sources=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' | awk -v s="$suite" '$2 == s')
  mirror=$(awk 'NR == 1 {print $1}' <<<"$sources")
  components=$(awk '{print $3}' <<<"$sources" | sort -u | paste -sd,)
  [[ -n $mirror ]] || skip "apt-get names no package source for $suite"
  key=$(echo "$suite $components $*" | sha256sum | cut -c 1-16)
  system=$cache/$suite-$key
  mkdir -p "$cache"
  exec 9>"$cache/lock"
  flock 9
  if [[ ! -e $system/.complete ]]; then
    say "a bare $suite with $# packages into $system (once; two minutes on a fast line)"
    log=$cache/making.log
    rm -rf --one-file-system "$cache/$suite"-*
    if ! debootstrap --variant=minbase --components="$components" --include=systemd,systemd-sysv,sudo "$suite" "$system" "$mirror" >"$log" 2>&1; then
      grep -q 'Failed getting release' "$log" && skip "no package source can be reached ($mirror)"
      tail -n 20 "$log"
      fail "debootstrap (above)"
    fi
    chroot "$system" sh -c 'apt-get update -q && apt-get install -qy --no-install-recommends "$@" && apt-get clean' sh "$@" \
      >"$log" 2>&1 </dev/null || { tail -n 20 "$log"; fail "installing the programs' packages (above)"; }
    touch "$system/.complete"
  fi
  flock -u 9
}

# throw_away_machine: sets `machine` to a root folder that begins as $system; what is written goes into memory and is gone with this process.
throw_away_machine() {
  work=$(mktemp -d)
  mount -t tmpfs -o size=2g,mode=755 driftloop-test "$work"
  mkdir "$work"/{upper,work,machine}
  mount -t overlay -o "lowerdir=$system,upperdir=$work/upper,workdir=$work/work" driftloop-test "$work/machine"
  machine=$work/machine
  echo localhost >"$machine/etc/hostname"  # not the name of the machine that made it, which nothing there resolves
}

# boot [nspawn arguments]: sets `leader`, the machine's first process as this machine numbers it.
boot() {
  local state=
  SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn --quiet --boot --directory="$machine" --machine="driftloop-test-$$" \
    --register=no --keep-unit --private-network --console=read-only "$@" >"$work/console" 2>&1 </dev/null &
  nspawn=$!
  for _ in {1..300}; do
    leader=$(pgrep -P "$nspawn" | head -n 1 || true)
    if ! kill -0 "$nspawn" 2>/dev/null; then
      cat "$work/console"
      grep -qiE 'cgroup|Operation not permitted' "$work/console" && skip "systemd-nspawn may not boot here (its words are above)"
      fail "systemd-nspawn ended (its words are above)"
    fi
    [[ -z $leader ]] || state=$(inside 'systemctl is-system-running' 2>/dev/null || true)
    case $state in
      running) return ;;
      degraded) inside 'systemctl --failed --no-pager --plain'; fail "units of the bare system failed (above)" ;;
    esac
    sleep 0.2
  done
  cat "$work/console"
  fail "the system did not come up within 60 s (its console is above)"
}

# inside COMMANDS: in the booted machine, as root.
inside() { nsenter --target "$leader" --all env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
  SUDO_EDITOR="${editor:-}" bash -euo pipefail -c "$1"; }

power_off() {
  [[ -n ${nspawn:-} ]] || return 0
  [[ -z ${leader:-} ]] || kill -s RTMIN+4 "$leader" 2>/dev/null || true
  for _ in {1..100}; do
    kill -0 "$nspawn" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -KILL "$nspawn" 2>/dev/null || true
}
