#!/usr/bin/env python3
"""Keeps the house in order: reads every #include in the rooms and refuses those that docs/architecture.md does not allow.

usage: include_check.py REPOSITORY   exit 1 and one line per violation; sizes far over the house's are only warned of
       include_check.py --self-test  plants one violation of each kind and fails when it is not found
"""
import re
import sys
import tempfile
from pathlib import Path

# Who may include whom, besides itself.
ALLOWED = {
    "config": set(),
    "capture": {"config"},
    "uplink": {"config"},
    "adapt": {"config"},
    "station": {"config", "uplink"},
    "daemon": {"config", "capture", "uplink", "adapt"},
    "tests": {"config", "capture", "uplink", "adapt", "station", "daemon"},
}
# The floors of daemon/: which of them each may include. What lies in daemon/ itself is open to all and may include
# FLOORS[""]; the main files may include everything. The two loops, live/ and bench/, know nothing of each other.
FLOORS = {
    "": {"report"},
    "report": set(),
    "live": {"report"},
    "bench": {"report"},
    "commands": {"bench", "live", "report"},
    "demo": {"bench", "commands", "live", "report"},
    "doctor": {"commands", "live"},
}
# Built without LibTorch, for the rooms and the sanitizers that do without it.
WITHOUT_LIBTORCH = "adapt/data/streetsim/"

PROGRAMS = r"daemon/|station/(station_main|service)\.cpp"
# Third-party header -> the only files that may include it. Tests may include what their room may.
THIRD_PARTY = [
    ("GStreamer", r"gst/|glib", r"capture/gst_"),
    ("ZeroMQ", r"zmq", r"uplink/zmq_"),
    ("LibTorch", r"torch/|ATen/|c10/|caffe2/", r"adapt/"),
    ("CUDA", r"cuda|cub/|thrust/|nccl", r"adapt/"),
    ("cpp-httplib", r"httplib\.h", r"station/http_"),
    ("spdlog", r"spdlog/", PROGRAMS),
    ("sd-daemon", r"systemd/", PROGRAMS),
    ("CLI11", r"CLI/", PROGRAMS),
    ("yaml-cpp", r"yaml-cpp/", r"config/"),
    ("mustache", r"kainjow/", r"daemon/report/"),
    ("protobuf", r"google/protobuf/", r"uplink/"),
    ("an OpenCV module other than core, imgproc, imgcodecs", r"opencv2/(?!(core|imgproc|imgcodecs)([./]|$))", r"(?!)"),
]
FORBIDDEN_FOLDERS = {"common", "utils"}
SUFFIXES = {".h", ".hpp", ".cpp", ".cu", ".cuh"}
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')
# The house aims at 120 and 300 lines; a warning begins a third above that.
WARN_LINES = {".h": 160, ".hpp": 160, ".cuh": 160, ".cpp": 400, ".cu": 400}


def floor_of(path):
    """The floor of daemon/ that path lies on, "" for daemon/ itself, None outside daemon/ and for main files."""
    parts = path.split("/")
    return None if parts[0] != "daemon" or path.endswith("_main.cpp") else "/".join(parts[1:-1])


def check_floors(path, header):
    """The reason why path may not include header of another floor, or None."""
    floor, target = floor_of(path), floor_of(header)
    if floor is None or target in (None, "", floor):
        return None
    if floor not in FLOORS:
        return f"daemon/{floor}/ is no floor of this house: give it a line in FLOORS and in docs/architecture.md"
    if target not in FLOORS[floor]:
        may = ", ".join(f"{name}/" for name in sorted(FLOORS[floor])) or "no other floor"
        here = f"daemon/{floor}" if floor else "daemon/ itself"
        return f"{here} may not include daemon/{target} (it may include: {may})"
    return None


def check_include(path, quoted, header):
    """The reason why the file at path (from the root of the repository) may not include header, or None."""
    room = path.split("/", 1)[0]
    target = header.split("/", 1)[0]
    if ".." in header.split("/"):
        return f'write the path from the root of the repository, not "{header}"'
    if quoted and target not in ALLOWED and not header.endswith(".pb.h"):
        return f'"{header}" is in no room: write our headers from the root of the repository, others in <>'
    if target in ALLOWED and target != room and target not in ALLOWED[room]:
        may = ", ".join(sorted(ALLOWED[room])) or "no other room"
        return f"{room}/ may not include {target}/ (it may include: {may})"
    if quoted and (reason := check_floors(path, header)):
        return reason
    if path.startswith(WITHOUT_LIBTORCH) and target == "adapt" and not header.startswith(WITHOUT_LIBTORCH):
        return f"{WITHOUT_LIBTORCH} is built without LibTorch and includes nothing else of adapt/"
    if quoted:
        return None
    for name, pattern, home in THIRD_PARTY:
        if not re.match(pattern, header):
            continue
        if path.startswith(WITHOUT_LIBTORCH) and name in ("LibTorch", "CUDA"):
            return f"{WITHOUT_LIBTORCH} is built without LibTorch"
        # tests/adapt/x_test.cpp stands in adapt/; what several rooms' tests share may use what it tests with.
        if room != "tests" and not re.match(home, path):
            return f"{name} (<{header}>) stays in its room"
        if room == "tests" and home == r"(?!)":
            return f"{name} (<{header}>) is not among the dependencies"
    return None


def check(root):
    """(violations, warnings), each a list of lines 'file:line: reason'."""
    violations, warnings = [], []
    for room in ALLOWED:
        for file in sorted((root / room).rglob("*")):
            path = file.relative_to(root).as_posix()
            if file.is_dir():
                if file.name in FORBIDDEN_FOLDERS:
                    violations.append(f"{path}/: no {file.name}/ in this house; a type belongs to its producer")
                continue
            if file.suffix not in SUFFIXES:
                continue
            lines = file.read_text(encoding="utf-8").splitlines()
            if len(lines) > WARN_LINES[file.suffix]:
                warnings.append(f"{path}: {len(lines)} lines, far above what the house aims at")
            for number, line in enumerate(lines, 1):
                found = INCLUDE.match(line)
                reason = found and check_include(path, found[1] == '"', found[2])
                if reason:
                    violations.append(f"{path}:{number}: {reason}")
    for name in sorted(FORBIDDEN_FOLDERS):
        if (root / name).is_dir():
            violations.append(f"{name}/: no {name}/ in this house; a type belongs to its producer")
    return violations, warnings


PLANTED = [
    ("config/x.cpp", '#include "uplink/outbox.h"', "config/ may not include uplink/"),
    ("capture/x.h", '#include "adapt/engine.h"', "capture/ may not include adapt/"),
    ("uplink/x.cpp", '#include "station/ledger.h"', "uplink/ may not include station/"),
    ("adapt/model/x.cpp", '#include "daemon/live/live_loop.h"', "adapt/ may not include daemon/"),
    ("station/x.cpp", '#include "adapt/region.h"', "station/ may not include adapt/"),
    ("daemon/x.cpp", '#include "station/ledger.h"', "daemon/ may not include station/"),
    ("daemon/x.cpp", '#include "tests/support/temp_folder.h"', "daemon/ may not include tests/"),
    ("daemon/live/x.cpp", '#include "daemon/bench/arm_table.h"', "daemon/live may not include daemon/bench"),
    ("daemon/bench/x.h", '#include "daemon/live/live_loop.h"', "daemon/bench may not include daemon/live"),
    ("daemon/report/x.cpp", '#include "daemon/bench/arm_table.h"', "daemon/report may not include daemon/bench"),
    ("daemon/progress.h", '#include "daemon/live/health.h"', "daemon/ itself may not include daemon/live"),
    ("daemon/attic/x.cpp", '#include "daemon/report/report.h"', "is no floor"),
    ("capture/frame_store.cpp", "#include <gst/gst.h>", "GStreamer"),
    ("uplink/link.h", "#  include <zmq.hpp>", "ZeroMQ"),
    ("daemon/x.cpp", "#include <torch/torch.h>", "LibTorch"),
    ("daemon/x.cpp", "#include <ATen/ATen.h>", "LibTorch"),
    ("adapt/data/streetsim/x.cpp", "#include <c10/util/Optional.h>", "without LibTorch"),
    ("adapt/data/streetsim/x.cpp", '#include "adapt/engine.h"', "without LibTorch"),
    ("station/web.cpp", "#include <httplib.h>", "cpp-httplib"),
    ("adapt/engine.cpp", "#include <spdlog/spdlog.h>", "spdlog"),
    ("daemon/live/x.cpp", "#include <kainjow/mustache.hpp>", "mustache"),
    ("station/ledger.cpp", "#include <systemd/sd-daemon.h>", "sd-daemon"),
    ("adapt/x.cpp", "#include <opencv2/opencv.hpp>", "OpenCV"),
    ("tests/capture/x.cpp", "#include <opencv2/highgui.hpp>", "OpenCV"),
    ("capture/x.cpp", '#include "frame.h"', "in no room"),
    ("capture/x.cpp", '#include "../config/check.h"', "from the root"),
    ("adapt/common/x.h", "", "no common/"),
    ("utils/x.h", "", "no utils/"),
]
CLEAN = [
    ("capture/gst_source.cpp", '#include <gst/gst.h>\n#include <glib.h>\n#include "config/check.h"\n#include <opencv2/core.hpp>'),
    ("uplink/zmq_link.cpp", '#include <zmq.hpp>\n#include "protocol.pb.h"\n#include <opencv2/imgcodecs.hpp>'),
    ("adapt/train/x.cu", '#include <ATen/cuda/CUDAContext.h>\n#include "adapt/data/streetsim/world.h"'),
    ("station/station_main.cpp", '#include <spdlog/spdlog.h>\n#include "uplink/receipt.h"\n// #include "adapt/engine.h"'),
    ("daemon/demo/x.cpp", '#include "daemon/bench/arm_jobs.h"\n#include "daemon/progress.h"\n#include "daemon/demo/x.h"'),
    ("daemon/driftloopd_main.cpp", '#include "daemon/live/live_loop.h"\n#include <systemd/sd-daemon.h>\n#include "capture/frame.h"\n#include "adapt/engine.h"'),
    ("tests/adapt/x_test.cpp", '#include <torch/torch.h>\n#include "station/oracle.h"'),
]


def plant(root, path, text):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text + "\n", encoding="utf-8")


def self_test():
    failures = 0
    for path, text, expected in PLANTED + [("", "", "")]:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for clean_path, clean_text in CLEAN:
                plant(root, clean_path, clean_text)
            if path:
                plant(root, path, text)
            violations, _ = check(root)
        right = len(violations) == 1 and violations[0].startswith((path, path.split("/")[0])) and expected in violations[0]
        if not (right if path else not violations):
            failures += 1
            print(f"planted {path or 'nothing'} {text!r}: expected {expected!r} once, found {violations}")
    with tempfile.TemporaryDirectory() as folder:
        plant(Path(folder), "config/long.h", "\n" * 200)
        if len(check(Path(folder))[1]) != 1:
            failures += 1
            print("a header of 200 lines gave no warning")
    print(f"{len(PLANTED) + 2} cases, {failures} failed")
    return 1 if failures else 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    if len(arguments) != 1 or not Path(arguments[0], "config").is_dir():
        print(__doc__, file=sys.stderr)
        return 2
    violations, warnings = check(Path(arguments[0]))
    print("\n".join([f"warning: {line}" for line in warnings] + violations))
    print(f"{len(violations)} violations, {len(warnings)} warnings")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
