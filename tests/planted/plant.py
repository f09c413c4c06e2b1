#!/usr/bin/env python3
"""Plants a fault into a copy of a source file, and judges whether a test program caught it.

The format of a plant is in CMakeLists.txt.

Usage: plant.py apply PLANT SOURCE OUT
       plant.py judge PLANT PROGRAM [ARGUMENT...]
"""
import re
import subprocess
import sys
from pathlib import Path

SECONDS_MAX = 240
# What the last lines of GoogleTest and of `invar verify` say.
PASSED = re.compile(r"^\[  PASSED  \]|^PASS: ", re.MULTILINE)
FAILED = re.compile(r"^\[  FAILED  \]|^FAIL: ", re.MULTILINE)


class PlantError(Exception):
    pass


def fields(text):
    """name -> value of the lines before the first edit."""
    head = text.split("\n--- old\n", 1)[0]
    return dict(re.findall(r"^([a-z]+): *(.*\S)", head, re.MULTILINE))


def edits(text):
    """(old, new) pairs, whole lines without the last line's end."""
    pairs = []
    for part in text.split("\n--- old\n")[1:]:
        old, separator, new = part.partition("\n--- new\n")
        if not separator:
            raise PlantError("an edit without a line '--- new'")
        pairs.append((old, new.rstrip("\n")))
    return pairs


def apply(text, source):
    """The source with every edit made. Each old text must stand in it exactly once."""
    pairs = edits(text)
    if not pairs and "flags" not in fields(text):
        raise PlantError("neither an edit nor flags")
    for old, new in pairs:
        found = source.count(old)
        if found != 1:
            raise PlantError(f"expected once, found {found} times, in the source that the plant changes:\n{old}\n"
                             "the source has changed: make the plant fit it again")
        source = source.replace(old, new)
    return source


def verdict(expect, code, output):
    """None when the run is what the plant expects, otherwise what is wrong."""
    if expect == "pass":
        return None if code == 0 and PASSED.search(output) else f"the control did not pass (exit status {code})"
    if code == 0:
        return "not caught: every test passed"
    if code != 1 or not FAILED.search(output):
        return f"exit status {code}: a crash is no failure of a test"
    if not re.search(expect, output):
        return f"a test failed, but the output does not name the fault: no match of '{expect}'"
    return None


def judge(plant, command):
    values = fields(plant.read_text())
    try:
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                             timeout=SECONDS_MAX)
    except subprocess.TimeoutExpired:
        print(f"{plant.stem}: the test still ran after {SECONDS_MAX} s: {' '.join(command)}")
        return 1
    wrong = verdict(values["expect"], run.returncode, run.stdout)
    if wrong:
        print(run.stdout[-6000:])
        print(f"{plant.stem}: {wrong}")
        return 1
    found = re.search(values["expect"], run.stdout)
    print(f"{plant.stem}: " + ("passes" if values["expect"] == "pass" else f"caught: {found[0]}"))
    return 0


def main():
    if len(sys.argv) < 4 or sys.argv[1] not in ("apply", "judge"):
        sys.exit(__doc__)
    plant = Path(sys.argv[2])
    if sys.argv[1] == "judge":
        return judge(plant, sys.argv[3:])
    source, out = Path(sys.argv[3]), Path(sys.argv[4])
    try:
        planted = apply(plant.read_text(), source.read_text())
    except PlantError as error:
        sys.exit(f"{plant}: {error}")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(planted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
