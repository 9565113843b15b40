#!/usr/bin/env bash
# Both services as docs/install.md installs them, in a booted systemd: the units as shipped, with their users, keys, credentials and seccomp
# filters. The commands are taken from that page, so neither can go its own way.
# usage: boot_test.sh BUILD_FOLDER LIBTORCH_FOLDER    (exit 77: skipped)
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
page=$repository/docs/install.md
build=$1 torch=$2
# shellcheck source=tests/systemd/machine.sh
source "$(dirname "${BASH_SOURCE[0]}")/machine.sh"

# Seconds. The first three are what docs/install.md and the units promise; the others are patience.
kHangToRestart=30 kStop=5 kReload=1 kReady=60 kPromotion=300

check_means
# What is mounted and started below is gone with this process, whatever ends it.
if [[ ${DRIFTLOOP_BOOT_TEST_INSIDE:-} != yes ]]; then
  DRIFTLOOP_BOOT_TEST_INSIDE=yes exec unshare --mount --propagation private --pid --mount-proc --fork --kill-child=KILL "$0" "$@"
fi

used=()
doc_block() {  # NAME: the block of the page that is marked so
  awk -v mark="<!-- tested: $1 -->" '$0 == mark {found = 1; next} found && /^```/ {if (inside) exit; inside = 1; next} inside' "$page"
}
walk() {  # NAME [inside | here]: runs the block, here for what a machine without a compiler cannot do
  local commands
  used+=("$1")
  commands=$(doc_block "$1")
  [[ -n $commands ]] || fail "docs/install.md has no block marked 'tested: $1'"
  say "docs/install.md, $1: $(head -n 1 <<<"$commands" | sed 's/ *#.*//')"
  if [[ ${2:-inside} == here ]]; then
    (cd "$repository" && DESTDIR=$machine bash -euo pipefail -c 'sudo() { "$@"; }'$'\n'"$commands") >"$work/walk" 2>&1
  else
    inside "$commands" >"$work/walk" 2>&1
  fi || { cat "$work/walk"; give_up "the block '$1' of docs/install.md"; }
}

property() { inside "systemctl show --property $2 --value $1"; }
journal() { inside "journalctl --no-pager --output=cat --unit $1"; }
rounds() { inside 'cat /var/lib/driftloop/rounds.jsonl 2>/dev/null || true'; }
give_up() {
  inside 'journalctl --no-pager --lines=60' || true
  fail "$1"
}
# eventually SECONDS WHAT COMMAND...
eventually() {
  local limit=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    ((SECONDS < limit)) || give_up "$what"
    sleep 0.2
  done
}
now_ms() { date +%s%3N; }
is_active() { [[ $(property "$1" ActiveState) == active ]]; }
has_rounds() { (($(rounds | wc -l) >= $1)); }
promoted() { rounds | grep -q '"verdict":"promoted"'; }

# What a person types into the editor: paths and addresses of this machine, and small images, so that a round takes seconds.
write_editor() {
  editor=/root/editor
  cat >"$machine/root/vehicle.sed" <<'END'
s|uri: v4l2.*|uri: images:///srv/driftloop/drive/images|
s|station_endpoint: .*|station_endpoint: tcp://127.0.0.1:5555|
s|quota_bytes: .*|quota_bytes: 50000000|
s|ballast_bytes: .*|ballast_bytes: 0|
s|device: auto.*|device: cpu\n  threads: 1\n  guard: {share: 0.25, min_pixels: 64}|
s|input: {work_long.*|input: {crop_width_px: 64, crop_height_px: 48}|
s|train: {optimiser.*|train: {optimiser: adamw, rate: 0.0005, batch_source: 2, batch_target: 1}|
s|selftrain: {batch.*|selftrain: {batch: 1}|
s|region_px: .*|region_px: 8|
s|- {times: none, .*|- {times: none, steps: 12, budget: {regions: 16}}|
s|regions_per_day: .*|regions_per_day: none|
s|label_seconds_per_day: .*|label_seconds_per_day: none|
s|# live_hook: .*|live_hook: cp "$DRIFTLOOP_LIVE/model.safetensors" /run/driftloop/ \&\& echo "round $DRIFTLOOP_ROUND copied"|
s|replay: .*|replay: streetsim:game?frames=8\&width=96\&height=64|
s|warmup_steps: .*|warmup_steps: 6\n  min_frames: 20\n  label_wait_s: 20|
$agate: {min_sharpness: 0, min_difference: 0, min_brightness: 0, max_brightness: 255}
END
  echo 's|folder: /srv/driftloop/truth|folder: /srv/driftloop/drive/labels|' >"$machine/root/station.sed"
  cat >"$machine/root/editor" <<'END'
#!/bin/bash
case $1 in *station*) rules=station ;; *) rules=vehicle ;; esac
exec sed -i -f "/root/$rules.sed" "$1"
END
  chmod +x "$machine/root/editor"
}

install_and_configure() {
  walk install here
  walk users
  walk drive
  walk station-key
  walk vehicle-key
  walk exchange
  walk station-settings
  walk station-start
  walk vehicle-settings
  walk vehicle-start
}

check_confinement() {  # UNIT: the kernel's own account of the process
  local status
  status=$(inside "cat /proc/$(property "$1" MainPID)/status")
  grep -q '^Seccomp:[[:space:]]2$' <<<"$status" || fail "$1 runs without its seccomp filter"
  grep -q '^NoNewPrivs:[[:space:]]1$' <<<"$status" || fail "$1 runs without NoNewPrivileges"
  grep -q '^CapEff:[[:space:]]0*$' <<<"$status" || fail "$1 has capabilities"
  grep -q '^Uid:[[:space:]]0' <<<"$status" && fail "$1 runs as root"
  inside "grep -qE '^Max core file size +0 +0 ' /proc/$(property "$1" MainPID)/limits" || fail "$1 may leave a core file"
  inside "! sudo -u ${1/driftloopd/driftloop} cat /etc/driftloop/keys/*.key" 2>/dev/null || fail "the user of $1 can read the keys' folder"
}

check_exposure() {  # UNIT TENTHS: as this systemd sees the loaded unit
  inside "systemd-analyze security --no-pager --threshold=$2 $1" >"$work/exposure" 2>&1 || { cat "$work/exposure"; fail "$1 is more exposed than $2/10"; }
  say "$(tail -n 1 "$work/exposure" | tr -cd '[:print:]')"
}

check_running() {
  local unit
  for unit in driftloop-station driftloopd; do
    is_active "$unit" || fail "$unit is not active after 'systemctl enable --now'"
    check_confinement "$unit"
  done
  check_exposure driftloopd 15
  check_exposure driftloop-station 12
  eventually "$kPromotion" "no model went live" promoted
  say "a model went live: $(rounds | tail -n 1 | cut -c 1-150)"
  inside 'cd "$(realpath /var/lib/driftloop/live)" && grep -q "\"sha256\": \"$(sha256sum <model.safetensors | cut -d" " -f1)\"" manifest.json' ||
    fail "the live model is not what its manifest says"
  inside 'cmp /var/lib/driftloop/live/model.safetensors /run/driftloop/model.safetensors' || fail "the hook did not run for the live model"
  walk vehicle-look
  grep -q 'round' "$work/walk" || fail "'driftloop status' does not name the round: $(cat "$work/walk")"
  walk station-look
  grep -qE 'labelled [1-9]' "$work/walk" || fail "the station has labelled nothing: $(cat "$work/walk")"
  for unit in driftloop-station driftloopd; do
    [[ $(property "$unit" NRestarts) == 0 ]] || give_up "$unit was restarted $(property "$unit" NRestarts) times"
  done
  [[ $(inside 'stat -c "%a %U:%G" /run/driftloop') == '750 driftloop:driftloop' ]] || fail "/run/driftloop is not open to its group alone"
  # A person of the group, without root: status and live model, and nothing else of the state.
  inside 'useradd --groups driftloop looker' >/dev/null 2>&1 || true
  inside 'sudo -u looker driftloop status' | grep -q 'round' || fail "the group cannot read 'driftloop status'"
  inside 'sudo -u looker cat /var/lib/driftloop/live/manifest.json >/dev/null' || fail "the group cannot read the live model"
  inside '! sudo -u looker ls /var/lib/driftloop/ /var/lib/driftloop/frames' 2>/dev/null || fail "the group can look into the state"
}

check_reload() {
  local start took
  inside "sed -i 's/steps: 12/steps: 10/' /etc/driftloop/driftloopd.yaml"
  start=$(now_ms)
  inside 'systemctl reload driftloopd'
  eventually "$kReload" "a reload was not heard within $kReload s" eval 'journal driftloopd | grep -q "settings read again"'
  took=$(($(now_ms) - start))
  ((took <= kReload * 1000)) || fail "a reload took $took ms"
  is_active driftloopd || fail "driftloopd is not active after a reload"
  say "reload: $took ms"
}

# The learner alone: capture, link and main go on, so that only the watchdog can see it.
check_watchdog() {
  local before pid start took
  before=$(rounds)
  pid=$(property driftloopd MainPID)
  inside "/usr/local/bin/freeze_thread $pid adapt" >"$work/freezer" 2>&1 &
  eventually 10 "the learner could not be frozen: $(cat "$work/freezer")" grep -q frozen "$work/freezer"
  start=$(now_ms)
  say "the learner is frozen"
  eventually "$kHangToRestart" "a frozen learner was not seen within $kHangToRestart s" \
    eval '[[ $(property driftloopd MainPID) != '"$pid"' ]]'
  took=$(($(now_ms) - start))
  journal driftloopd | grep -q "Failed with result 'watchdog'" || give_up "driftloopd ended, but not by its watchdog"
  say "ended by the watchdog after $took ms"
  eventually "$kReady" "driftloopd did not come back" is_active driftloopd
  eventually "$kPromotion" "the loop did not go on" has_rounds $(($(wc -l <<<"$before") + 2))
  [[ $(rounds) == "$before"* ]] || give_up "the rounds before the restart are not those after it"
  [[ $(property driftloopd NRestarts) == 1 ]] || give_up "driftloopd was restarted $(property driftloopd NRestarts) times"
}

check_stop() {
  local unit start took
  for unit in driftloopd driftloop-station; do
    start=$(now_ms)
    inside "systemctl stop $unit"
    took=$(($(now_ms) - start))
    [[ $(property "$unit" Result) == success ]] || give_up "$unit did not end well: $(property "$unit" Result)"
    ((took <= kStop * 1000)) || give_up "the stop of $unit took $took ms"
    say "stop of $unit: $took ms"
  done
}

check_journal() {
  local complaints
  complaints=$({ journal driftloopd; journal driftloop-station; } |
    grep -iE 'not permitted|permission denied|read-only file|seccomp|SIGSYS|failed to set up|ignoring|dumped core|suppressed' || true)
  [[ -z $complaints ]] || fail "the journal complains:"$'\n'"$complaints"
}

check_page() {
  local marked
  marked=$(sed -n 's/^<!-- tested: \(.*\) -->$/\1/p' "$page" | sort)
  [[ $marked == "$(printf '%s\n' "${used[@]}" | sort)" ]] || fail "marked 'tested' in docs/install.md: ${marked//$'\n'/ }; run: ${used[*]}"
}

packages=$("$repository/scripts/runtime-packages.sh" "$build")
# shellcheck disable=SC2086  # a list of words
bare_system "$repository/build/deps/systemd-root" $packages
trap 'power_off; cd /; umount --lazy "$work/machine" "$work" 2>/dev/null; rmdir "$work" 2>/dev/null || true' EXIT
throw_away_machine
write_editor
install -m 755 "$build/tests/freeze_thread" "$machine/usr/local/bin/"
libraries=(--bind-ro="$torch:/usr/local/lib/driftloop/torch")
[[ ! -d $torch/../nvidia ]] || libraries+=(--bind-ro="$(cd "$torch/../nvidia" && pwd):/usr/local/lib/driftloop/nvidia")
boot "${libraries[@]}"
say "booted: $(inside 'systemctl --version | head -n 1')"

install_and_configure
check_running
check_reload
check_watchdog
check_stop
check_journal
check_page
say "all of it passed"
