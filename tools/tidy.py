#!/usr/bin/env python3
"""Checks the source tree against STYLE.md and tools/layers.txt; prints one line a finding, exits 1 if there is any.

Usage: tidy.py [--root DIR]
"""
import argparse
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import tidy_bans  # noqa: E402
import tidy_form  # noqa: E402
import tidy_layout  # noqa: E402
from tidy_source import load  # noqa: E402


def check(root):
    """The findings of the tree at `root`, sorted by place."""
    tree = load(root)
    return sorted({finding for part in (tidy_layout, tidy_bans, tidy_form) for finding in part.check(tree)})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    root = parser.parse_args().root
    findings = check(root)
    for finding in findings:
        print(finding)
    print(f"tidy: {len(findings)} findings in {root}" if findings else "tidy: no findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
