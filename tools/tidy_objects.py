#!/usr/bin/env python3
"""Checks that no inline function compiled for a wide instruction set can end up in the baseline program.

Of a function that several objects define weakly (inline functions, templates) the linker keeps one copy, any. If that
is the copy of an *_avx512.cc file, a CPU without AVX-512 dies in code that never asked for it.

Usage: tidy_objects.py LIBRARY.a...
"""
import re
import subprocess
import sys
from collections import defaultdict

BASELINE = "baseline"


def tier_of(object_name):
    """"avx512" of "linear_avx512.cc.o"; files named *_avx2 need no more than the baseline has."""
    match = re.search(r"_(avx512[a-z0-9]*)\.[a-z]+\.o", object_name)
    return match[1] if match else BASELINE


def shared_weak_symbols(libraries):
    """{symbol: its objects} of the functions that objects of different tiers define weakly."""
    objects = defaultdict(set)
    for library in libraries:
        listing = subprocess.run(["nm", "--defined-only", "--demangle", "--print-file-name", library],
                                 capture_output=True, text=True, check=True)
        for line in listing.stdout.splitlines():
            # library.a:object.o:address W symbol
            match = re.match(r"(?:.*:)?([^:/ ]+\.o):[0-9a-f]* W (.*)", line)
            if match:
                objects[match[2]].add(match[1])
    return {symbol: sorted(names) for symbol, names in objects.items() if len({tier_of(n) for n in names}) > 1}


def main():
    leaks = shared_weak_symbols(sys.argv[1:])
    for symbol, names in sorted(leaks.items()):
        print(f"{symbol}: defined weakly in {', '.join(names)}: make it static or always inline in the wide tier")
    print(f"tidy_objects: {len(leaks)} functions leak between instruction sets" if leaks else "tidy_objects: no leaks")
    return 1 if leaks else 0


if __name__ == "__main__":
    sys.exit(main())
