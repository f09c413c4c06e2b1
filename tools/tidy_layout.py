"""What may include what, and which files an op must have (docs/architecture.md, tools/layers.txt)."""
import re

from tidy_source import Finding

LAYERS = "tools/layers.txt"
_OP = re.compile(r"^\s*void\s+([a-z0-9_]+)\s*\(\s*Queue\s*&\s*\w*\s*,\s*const\s+\w+Args\s*&", re.MULTILINE)
ISA_SUFFIX = re.compile(r"_(avx2|avx512|avx512bf16|amx)$")
# The tiers of the kernel matrix: where an op's file of that tier is, seen from src/kernels/.
TIERS = ("ref/{op}.cc", "cpu/{op}_avx2.cc", "cpu/{op}_avx512.cc", "cuda/{op}.cu")


def read_layers(tree):
    """({folder: the folders it may include}, findings)."""
    source, layers, findings = tree.get(LAYERS), {}, []
    if source is None:
        return layers, [Finding(LAYERS, 1, "layers", "expected the law of arrows here; found no file")]
    for number, line in enumerate(source.lines, 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        match = re.fullmatch(r"([a-z]+):((?:\s+[a-z]+)*)", line)
        if not match:
            findings.append(Finding(LAYERS, number, "layers", f"expected 'folder: folders'; found '{line}'"))
            continue
        for below in match[2].split():
            # Folders are listed from the bottom up, so a line names only earlier ones and no cycle can be written.
            if below not in layers:
                findings.append(Finding(LAYERS, number, "layers", f"'{below}' must stand on an earlier line"))
        layers[match[1]] = set(match[2].split())
    return layers, findings


def check_layers(tree):
    layers, findings = read_layers(tree)
    yield from findings
    for source in tree.starting("src/"):
        if not source.is_cpp:
            continue
        if source.folder not in layers:
            yield Finding(source.path, 1, "layers", f"folder 'src/{source.folder}' is not in {LAYERS}")
            continue
        for line, path, quoted in source.includes:
            if quoted:
                yield from _check_arrow(tree, layers, source, line, path)
            elif path.startswith(("gtest/", "gmock/")) and not source.is_test:
                yield Finding(source.path, line, "layers", f"<{path}> belongs in *_test.cc and *_testing.h")


def _check_arrow(tree, layers, source, line, path):
    target = path.split("/")[0] if "/" in path else ""
    if target not in layers:
        yield Finding(source.path, line, "layers", f'"{path}": quote a path below src/, as in "base/check.h"')
    elif target != source.folder and target not in layers[source.folder]:
        may = " ".join(sorted(layers[source.folder])) or "nothing"
        yield Finding(source.path, line, "layers", f'"{path}": {source.folder} may include {may} ({LAYERS})')
    elif f"src/{path}" not in tree.paths:
        yield Finding(source.path, line, "layers", f'"{path}": no such file below src/')
    elif re.search(r"_(test|fuzz|testing)\.", path) and not source.is_test:
        yield Finding(source.path, line, "layers", f'"{path}": only tests may include test code')


def check_kernel_includes(tree):
    """ref/ is the specification, from numerics/ alone; an ISA file must not compile others' inline functions."""
    for source in tree.starting("src/kernels/"):
        sub = source.path.split("/")[2]
        if not source.is_cpp or source.is_test:
            continue
        if sub == "ref":
            rule, allowed = "kernels-ref", r"kernels/[a-z0-9_]+\.h|kernels/ref/.*|numerics/.*"
            reason = "kernels/ref includes its op header and numerics/, nothing else"
        elif sub == "cpu" and ISA_SUFFIX.search(source.stem):
            op = ISA_SUFFIX.sub("", source.stem)
            # kv_write is declared in attention.h: an op file may take the header of its matrix row.
            headers = {op} | {header for header, ops in op_headers(tree).items() if op in ops}
            rule, allowed = "kernels-isa", rf"kernels/cpu/.*|kernels/({'|'.join(sorted(headers))})\.h|numerics/.*"
            reason = "an ISA file includes kernels/cpu/, its op header, numerics/ and system headers"
        elif sub in ("cpu", "cuda"):
            other = "cuda" if sub == "cpu" else "cpu"
            rule, allowed = "kernels-tiers", rf"(?!kernels/{other}/).*"
            reason = "cpu and cuda never include each other"
        else:
            continue
        for line, path, quoted in source.includes:
            if quoted and not re.fullmatch(allowed, path):
                yield Finding(source.path, line, rule, f'"{path}": {reason}')
            elif rule == "kernels-isa" and not quoted and path.startswith(("fmt/", "nlohmann/", "gtest/")):
                yield Finding(source.path, line, rule, f"<{path}>: its inline functions would leak into the baseline")


def op_headers(tree):
    """{header stem: its ops}: the headers in src/kernels/ that declare `void op(Queue& queue, const OpArgs& args)`."""
    found = {}
    for source in tree.starting("src/kernels/"):
        if source.is_header and source.path.count("/") == 2:
            ops = _OP.findall(source.code)
            if ops:
                found[source.stem] = set(ops)
    return found


def read_absent(tree, folder):
    """({file: line}, findings) of src/kernels/<folder>/absent.txt, lines `file: reason`."""
    path, absent, findings = f"src/kernels/{folder}/absent.txt", {}, []
    source = tree.get(path)
    for number, line in enumerate(source.lines if source else [], 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = re.fullmatch(r"([a-z0-9_]+\.(?:cc|cu)):\s+(\S.*)", line)
        if not match:
            findings.append(Finding(path, number, "kernel-matrix", f"expected 'file: reason'; found '{line}'"))
        else:
            absent[match[1]] = number
    return absent, findings


def check_kernel_matrix(tree):
    """Each op has its dispatch, its test and a file in every tier, or a reason in that tier's absent.txt."""
    headers, expected = op_headers(tree), {}
    for op in sorted(headers):
        for path in (f"src/kernels/{op}.cc", f"src/kernels/{op}_test.cc"):
            if path not in tree.paths:
                yield Finding(f"src/kernels/{op}.h", 1, "kernel-matrix", f"op '{op}' has no {path}")
        for tier in TIERS:
            folder, file = tier.format(op=op).split("/")
            expected.setdefault(folder, set()).add(file)
    for folder, files in sorted(expected.items()):
        absent, findings = read_absent(tree, folder)
        yield from findings
        for file in sorted(files):
            if f"src/kernels/{folder}/{file}" not in tree.paths and file not in absent:
                yield Finding(f"src/kernels/{folder}/{file}", 1, "kernel-matrix",
                              f"missing; write it, or give the reason in src/kernels/{folder}/absent.txt")
        for file, line in absent.items():
            if folder == "ref":
                problem = "every op has its specification"
            elif file not in files:
                problem = "no op has such a file"
            elif f"src/kernels/{folder}/{file}" in tree.paths:
                problem = "the file is there"
            else:
                continue
            path = f"src/kernels/{folder}/absent.txt"
            yield Finding(path, line, "kernel-matrix", f"'{file}': {problem}; remove the line")


def check(tree):
    yield from check_layers(tree)
    yield from check_kernel_includes(tree)
    yield from check_kernel_matrix(tree)
