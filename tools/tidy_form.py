"""Form: lengths, names, white space, contract ids, and what must not be in a public tree."""
import re

from tidy_source import Finding, functions, is_about_rules

FILE_LINES_MAX = 600
LINE_COLUMNS_MAX = 120
FUNCTION_LINES_MAX = 70
KERNEL_LINES_MAX = 120  # kernels and tests: long tables of cases and long, flat loops
FILE_BYTES_MAX = 1 << 20
GOLDEN_BYTES_MAX = 4 << 20

_BAD_NAME = re.compile(r"^(utils?|helpers?|misc|common|stuff)(_|$)|_(utils?|helpers?|misc)(_|$)")
_MACHINE_PATH = re.compile(r"(?<![\w.$}~/-])/(work|home|root|mnt|scratch|Users)/[\w.]")


def _is_code(source):
    return source.is_cpp or source.path.endswith((".py", ".cmake", ".sh")) or source.name in ("dev", "CMakeLists.txt")


def check_files(tree):
    for path, size in tree.big_files:
        limit = GOLDEN_BYTES_MAX if path.startswith("tests/goldens/") else FILE_BYTES_MAX
        if size > limit:
            yield Finding(path, 1, "file-size", f"{size} bytes; at most {limit}: data is fetched or made")
    for path in sorted(tree.paths):
        name = path.rsplit("/", 1)[-1].split(".")[0]
        if _BAD_NAME.search(name):
            yield Finding(path, 1, "file-name", "names say what is inside: no utils, helpers, misc or common")
        if path.startswith("src/") and re.search(r"[^a-z0-9_/.]", path) and not path.endswith("CMakeLists.txt"):
            yield Finding(path, 1, "file-name", "file names are snake_case")


def check_lines(tree):
    for source in tree.sources:
        if not _is_code(source):
            continue
        if source.text and not source.text.endswith("\n"):
            yield Finding(source.path, len(source.lines), "white-space", "the last line does not end")
        if len(source.lines) - 1 > FILE_LINES_MAX:
            yield Finding(source.path, FILE_LINES_MAX, "file-length",
                          f"{len(source.lines) - 1} lines; at most {FILE_LINES_MAX}: divide it by what its parts do")
        for number, line in enumerate(source.lines, 1):
            if len(line) > LINE_COLUMNS_MAX and not source.path.startswith("tools/oracle/"):  # sample texts
                yield Finding(source.path, number, "line-length", f"{len(line)} columns; at most {LINE_COLUMNS_MAX}")
            if line != line.rstrip():
                yield Finding(source.path, number, "white-space", "space at the end of the line")
            if "\t" in line:
                yield Finding(source.path, number, "white-space", "tab")
        if source.is_header and not re.search(r"^#pragma once$", source.text, re.MULTILINE):
            yield Finding(source.path, 1, "pragma-once", "a header begins with its comment and #pragma once")


def check_functions(tree):
    for source in tree.starting("src/", "tests/", "bench/"):
        if not source.is_cpp:
            continue
        limit = KERNEL_LINES_MAX if source.folder == "kernels" or source.is_test else FUNCTION_LINES_MAX
        for line, length, head in functions(source):
            if length > limit:
                yield Finding(source.path, line, "function-length", f"{length} lines; at most {limit}: ...{head}")


def check_contract_ids(tree):
    """An id that code cites is defined in docs/numerics.md."""
    spec = tree.get("docs/numerics.md")
    if spec is None:
        yield Finding("docs/numerics.md", 1, "contract-id", "expected the numerics contract here; found no file")
        return
    defined = set(re.findall(r"NUM-[A-Z0-9]+", spec.text))
    for source in tree.starting("src/"):
        for number, line in enumerate(source.lines, 1):
            for name in re.findall(r"\bNUM-[A-Z0-9]+", line):
                if name not in defined:
                    yield Finding(source.path, number, "contract-id", f"{name} is not defined in docs/numerics.md")


def check_machine_paths(tree):
    for source in tree.sources:
        if is_about_rules(source):
            continue
        for number, line in enumerate(source.lines, 1):
            match = _MACHINE_PATH.search(line)
            if match:
                path = line[match.start():].split()[0]
                yield Finding(source.path, number, "machine-path", f"'{path}': exists on one machine alone")


def check(tree):
    yield from check_files(tree)
    yield from check_lines(tree)
    yield from check_functions(tree)
    yield from check_contract_ids(tree)
    yield from check_machine_paths(tree)
