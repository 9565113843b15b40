#!/usr/bin/env bash
# From a fresh clone to a report: set-up, build, 'driftloop demo'.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/steps.sh"

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
  cat <<END
usage: scripts/demo.sh [arguments of 'driftloop demo']

Installs what is missing (scripts/setup.sh), builds, and runs 'driftloop demo' with the arguments given: --out DIR (default: out/demo in the
repository), --seed N, --target camvid:DIR, --minutes M. All of them: build/release/driftloop demo --help
The first time takes about 5 minutes of set-up and 10 to 20 of compiling on 2 cores, later times seconds; the demo itself about 8 (slower machines more: it says how long), on CamVid 15.
Environment: DRIFTLOOP_VARIANT=cpu|cuda and the others of scripts/setup.sh --help
END
  exit 0
fi

out=
expect_out=no
for argument in "$@"; do
  if [[ $expect_out == yes ]]; then out=$argument; fi
  expect_out=no
  case $argument in
    --out) expect_out=yes ;;
    --out=*) out=${argument#--out=} ;;
  esac
done
arguments=("$@")
if [[ -z $out ]]; then
  out=$root/out/demo
  arguments+=(--out "$out")
fi

"$root/scripts/setup.sh"
build=$root/build/release
step "Configure build/release" configure "$build" release
step "Build the three programs (the first time 10 to 20 minutes on 2 cores)" build_all "$build" --target driftloop driftloopd driftloop-station
say "==> driftloop demo ${arguments[*]} (on 2 cores without a GPU about 8 minutes, on CamVid 15)"
start=$SECONDS
"$build/driftloop" demo "${arguments[@]}" || die "the demo failed after $((SECONDS - start)) s (the cause is above; logs of its processes are in $out)"
say "    done in $((SECONDS - start)) s"
[[ -s $out/report.html ]] || die "the demo ended without $out/report.html"
say "The report: $(cd "$out" && pwd)/report.html (open it in a browser; it needs no network). The same in numbers: report.json beside it."
