#!/usr/bin/env python3
"""What README.md and docs/*.md name is there: links, files of the repository, scripts and programs with their subcommands and options, settings.

usage: docs_check.py REPOSITORY BUILD_FOLDER | docs_check.py --self-test REPOSITORY BUILD_FOLDER
The programs are asked for their --help, so only what is built is checked; without driftloop nothing is (exit 77: skipped).
"""
import functools
import re
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAMS = ("driftloop", "driftloopd", "driftloop-station")
TOP = ("adapt", "capture", "cmake", "config", "daemon", "docs", "scripts", "station", "systemd", "tests", "uplink", ".ci")
SECTIONS = ("camera", "gate", "store", "link", "engine", "evaluation", "loop", "labels")
HIDDEN = {"driftloop": {"arm"}}  # bench and demo call it themselves


@functools.lru_cache(maxsize=None)
def say(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def subcommands(help_text):
    return set(re.findall(r"^  ([a-z]+)\s", help_text.partition("Subcommands:")[2], re.M))


def options(help_text):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", help_text))


def keys_of(yaml):
    """Dotted keys of block YAML; those of a list's elements below the list's."""
    keys, path = set(), []
    for line in yaml.splitlines():
        match = re.match(r"([ -]*)([a-z_]+):", line)
        if match:
            indent = len(match[1])
            path = [outer for outer in path if outer[0] < indent] + [(indent, match[2])]
            keys.add(".".join(key for _, key in path))
    return keys


class World:
    """The repository and what was built of it."""

    def __init__(self, repository, build):
        self.repository, self.build = repository, build
        self.settings = keys_of((repository / "systemd/etc/station.yaml").read_text(encoding="utf-8"))
        for command in (("driftloopd", "--show-config"), ("driftloop", "config", "show")):
            self.settings |= keys_of(say(str(build / command[0]), *command[1:]))

    def command_problems(self, words):
        """Of a command line whose first word is one of our programs or scripts."""
        name = Path(words[0]).name
        if name.endswith(".sh"):
            script = self.repository / "scripts" / name
            if not script.is_file():
                return [f"there is no scripts/{name}"]
            known, where = options(say(str(script), "--help")) | {"--help"}, f"scripts/{name}"
        else:
            program = str(self.build / name)
            chain = []
            for word in words[1:]:
                help_text = say(program, *chain, "--help")
                below = subcommands(help_text)
                if not below or word.startswith("-"):
                    break
                if word not in below and "Positionals:" in help_text:  # as the preset of bench
                    break
                if word not in below:
                    return [f"{' '.join([name] + chain)} has no subcommand {word}"]
                chain.append(word)
            known, where = options(say(program, *chain, "--help")), " ".join([name] + chain)
        used = [word.partition("=")[0] for word in words[1:] if re.match(r"--[a-z]", word)]
        return [f"{where} has no option {option}" for option in used if option not in known]

    def code_problems(self, code):
        """Of one code span or one line of a block."""
        words = re.sub(r"[\[\]]", " ", code.split(" #")[0]).split()
        problems = []
        for i, word in enumerate(words):
            ours = Path(word).name in PROGRAMS and (word in PROGRAMS or word.startswith("build/"))
            # 'systemctl reload driftloopd', '--target driftloop' and the like name a unit or a target, not a call.
            starts = i == 0 or words[i - 1] in ("sudo", "&&", "|") or "=" in words[i - 1]
            if starts and (ours or re.fullmatch(r"scripts/[a-z-]+\.sh", word)):
                end = next((j for j in range(i, len(words)) if words[j] in ("&&", "|", ">", "\\")), len(words))
                problems += self.command_problems(words[i:end])
        if re.fullmatch(rf"({'|'.join(TOP)})/[\w./-]+(?<!\.sh)", code) and not (self.repository / code).exists():
            problems.append(f"there is no {code}")
        if re.fullmatch(rf"({'|'.join(SECTIONS)})(\.[a-z_]+)+", code) and code not in self.settings:
            if not re.fullmatch(r".*\.(cpp|h|json|jsonl|yaml|safetensors)", code):
                problems.append(f"there is no setting {code}")
        return problems

    def page_problems(self, page):
        problems, in_block = [], False
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
            if line.startswith("```"):
                in_block = line not in ("```",) and not in_block  # only blocks with a language are commands
                continue
            found = self.code_problems(line) if in_block else []
            if not in_block:
                for code in re.findall(r"`([^`]+)`", line):
                    found += self.code_problems(code)
                for target in re.findall(r"\]\(([^)#]+)[^)]*\)", line):
                    if "://" not in target and not (page.parent / target).exists():
                        found.append(f"the link to {target} leads nowhere")
                # The table of programs: what the row of driftloop names in code are subcommands of it.
                row = re.match(r"\| `driftloop` \|(.*)", line)
                for code in re.findall(r"`([a-z ]+)`", row[1]) if row else ():
                    found += self.command_problems(["driftloop"] + code.split())
            problems += [f"{page.name}:{number}: {problem}" for problem in found]
        return problems


def check(world, repository):
    pages = [repository / "README.md", *sorted((repository / "docs").glob("*.md"))]
    return [problem for page in pages for problem in world.page_problems(page)]


PLANTED = [
    ("`driftloop dctor`", "has no subcommand dctor"),
    ("`sudo driftloop status --colour`", "has no option --colour"),
    ("`driftloop config shwo`", "driftloop config has no subcommand shwo"),
    ("| `driftloop` | anywhere | `demo`, `healer` |", "has no subcommand healer"),
    ("```sh\nbuild/release/driftloop bench streetsim --ouput x   # comment\n```", "has no option --ouput"),
    ("```sh\nSTATE_DIRECTORY=/x driftloopd --chek-config\n```", "has no option --chek-config"),
    ("`scripts/tset.sh`", "there is no scripts/tset.sh"),
    ("`scripts/test.sh --relase`", "has no option --relase"),
    ("`adapt/enginee.cpp`", "there is no adapt/enginee.cpp"),
    ("`link.station_endpont`", "there is no setting link.station_endpont"),
    ("[x](docs/nowhere.md)", "leads nowhere"),
]
CLEAN = """[x](clean.md) `driftloop bench PRESET --out DIR [--seed N]` `driftloopd` `adapt/<name>.cpp` `camera.uri` `loop.rounds`
| `driftloop` | anywhere | `demo`, `config show` |
```sh
sudo systemctl reload driftloopd --no-block
cmake --build build/release --target driftloopd driftloop
sudo driftloop-station status --state /x   # --nonsense
```
"""


LISTS = "a:\n  b: 1\nrounds:\n  - at: 0\n    strategy:\n      name: x\n    steps: 3\n  - at: 4\nlosses:\n  - plain\nend: 1\n"
LISTS_KEYS = {"a", "a.b", "rounds", "rounds.at", "rounds.strategy", "rounds.strategy.name", "rounds.steps", "losses", "end"}


def self_test(world):
    failures = 0
    if keys_of(LISTS) != LISTS_KEYS:
        failures += 1
        print(f"keys of a list: expected {sorted(LISTS_KEYS)}, found {sorted(keys_of(LISTS))}")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "clean.md")
        for text, expected in [("", "")] + PLANTED:
            page.write_text(CLEAN + text + "\n", encoding="utf-8")
            problems = world.page_problems(page)
            if not (len(problems) == 1 and expected in problems[0] if text else not problems):
                failures += 1
                print(f"planted {text!r}: expected {expected!r} once, found {problems}")
    print(f"{len(PLANTED) + 2} cases, {failures} failed")
    return 1 if failures else 0


def main(arguments):
    testing = arguments[:1] == ["--self-test"]
    if len(arguments) != 2 + testing:
        print(__doc__, file=sys.stderr)
        return 2
    repository, build = (Path(argument).resolve() for argument in arguments[-2:])
    missing = [name for name in PROGRAMS if not (build / name).is_file()]
    if missing:
        print(f"skipped: not built: {', '.join(missing)}")
        return 77
    world = World(repository, build)
    if testing:
        return self_test(world)
    problems = check(world, repository)
    print("\n".join(problems + [f"{len(problems)} things are promised that are not there"]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
