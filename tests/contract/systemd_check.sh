#!/usr/bin/env bash
# The units as an installation of this build has them: systemd accepts every line of them with the programs they start, and finds them closed
# enough; the example configurations load in the programs they are for. That they start is seen in tests/systemd/boot_test.sh.
# usage: systemd_check.sh units|vehicle-config|station-config BUILD_FOLDER    (exit 77: skipped)
set -euo pipefail
what=$1 programs=$2 running=
etc=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../systemd/etc" && pwd)

check_units() {
  local unit exposure file program checked=0
  command -v systemd-analyze >/dev/null || { echo "skipped: no systemd-analyze"; exit 77; }
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  DESTDIR=$work/root cmake --install "$programs" >"$work/install.log" || { cat "$work/install.log"; exit 1; }
  for unit in driftloopd:15 driftloop-station:12; do  # exposure x 10 at the most
    exposure=${unit#*:} unit=${unit%:*}.service
    file=$(find "$work/root" -name "$unit")
    program=$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$file")
    if [[ $unit == driftloopd.service && ! -x $programs/driftloopd ]]; then
      echo "$unit: not verified, as this build has no driftloopd"
      continue
    fi
    [[ -x $work/root$program ]] || { echo "$unit starts $program, which the installation does not have"; exit 1; }
    # The same program, where this installation has it: verify --root= is not in systemd 249.
    sed "s|^ExecStart=|&$work/root|" "$file" >"$work/$unit"
    systemd-analyze --man=no verify "$work/$unit" 2>&1 | tee "$work/verify.log"
    # verify exits 0 on an unknown key; it only says so.
    if grep -E "^$work/$unit" "$work/verify.log"; then echo "$unit: see above"; exit 1; fi
    if systemd-analyze --help | grep -q -- --offline; then
      systemd-analyze security --no-pager --offline=true --threshold="$exposure" "$work/$unit" | tail -n 1
    else
      echo "exposure of $unit skipped: this systemd-analyze has no --offline (systemd 250 has)"
    fi
    checked=$((checked + 1))
  done
  ((checked))
}

# The example as it is, but for the paths and the port that a test may not use: the station must get as far as listening.
check_station_config() {
  local station=$programs/driftloop-station
  [[ -x $station ]] || { echo "skipped: driftloop-station is not built"; exit 77; }
  work=$(mktemp -d)
  trap 'kill "$running" 2>/dev/null || true; rm -rf "$work"' EXIT
  mkdir "$work/allow" "$work/truth"
  "$station" keygen --out "$work" >/dev/null
  "$station" run --config "$etc/station.yaml" --state "$work/state" --key "$work/station.key" --allow "$work/allow" \
    --oracle "$work/truth" --bind 'tcp://127.0.0.1:*' --endpoint-file "$work/endpoint" &
  running=$!
  for _ in {1..300}; do
    [[ -s $work/endpoint ]] && break
    kill -0 "$running" 2>/dev/null || { echo "driftloop-station refused $etc/station.yaml (its reason is above)"; exit 1; }
    sleep 0.1
  done
  [[ -s $work/endpoint ]] || { echo "driftloop-station did not begin to listen within 30 s"; exit 1; }
  kill -TERM "$running"
  wait "$running"
}

check_vehicle_config() {
  local daemon=$programs/driftloopd
  [[ -x $daemon ]] || { echo "skipped: driftloopd is not built"; exit 77; }
  # The example as it is, but for the station's key, which a real machine has as a file, and the folder that systemd names.
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  echo 'rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7' >"$work/station.pub"
  STATE_DIRECTORY=$work/state "$daemon" --config "$etc/driftloopd.yaml" --set "link.station_public_key=$work/station.pub" --check-config
}

case $what in
  units) check_units ;;
  vehicle-config) check_vehicle_config ;;
  station-config) check_station_config ;;
  *) echo "unknown check '$what'" >&2; exit 2 ;;
esac
