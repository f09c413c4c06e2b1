"""The tree under check: its files, and C++ text with comments and strings blanked out."""
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

CPP_SUFFIXES = (".cc", ".h", ".cu", ".cuh")

# One alternative a kind of text that is not code; in this order: a raw string may hold quotes, a string may hold //.
_NOT_CODE = re.compile(
    r"""(?P<raw>(?:u8|[uUL])?R"(?P<delimiter>[^()\\\s]{0,16})\(.*?\)(?P=delimiter)")
      | (?P<line>//(?:\\\n|[^\n])*)
      | (?P<block>/\*.*?\*/)
      | (?P<string>"(?:\\.|[^"\\\n])*")
      | (?P<char>(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])*')""",
    re.DOTALL | re.VERBOSE,
)


def _blank(text):
    return re.sub(r"[^\n]", " ", text)


def blank_comments(text):
    """C++ text with comments blanked, strings kept; offsets and line numbers stay."""
    return _NOT_CODE.sub(lambda m: _blank(m[0]) if m.lastgroup in ("line", "block") else m[0], text)


def blank_not_code(text):
    """C++ text with comments and the insides of strings and characters blanked; offsets and line numbers stay."""
    return _NOT_CODE.sub(lambda m: _blank(m[0]), text)


@dataclass(frozen=True, order=True)
class Finding:
    path: str
    line: int
    rule: str
    message: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


@dataclass
class Source:
    """One text file; `path` is relative to the root, with forward slashes."""

    path: str
    text: str

    @cached_property
    def lines(self):
        return self.text.split("\n")

    @property
    def name(self):
        return self.path.rsplit("/", 1)[-1]

    @property
    def stem(self):
        return self.name.split(".")[0]

    @property
    def is_cpp(self):
        return self.path.endswith(CPP_SUFFIXES)

    @property
    def is_header(self):
        return self.path.endswith((".h", ".cuh"))

    @property
    def is_test(self):
        return self.path.startswith("tests/") or self.stem.endswith(("_test", "_fuzz", "_testing"))

    @property
    def folder(self):
        """The folder below src/, "" for files outside src/."""
        parts = self.path.split("/")
        return parts[1] if parts[0] == "src" and len(parts) > 2 else ""

    @cached_property
    def code(self):
        return blank_not_code(self.text) if self.is_cpp else self.text

    @cached_property
    def includes(self):
        """(line, path, quoted) of each #include."""
        found = []
        for number, line in enumerate(blank_comments(self.text).split("\n"), 1):
            match = re.match(r'\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', line)
            if match:
                found.append((number, match[1] or match[2], match[1] is not None))
        return found

    def line_at(self, offset):
        return self.text.count("\n", 0, offset) + 1


@dataclass
class Tree:
    root: Path
    sources: list = field(default_factory=list)
    big_files: list = field(default_factory=list)  # (path, bytes) of files that are not read
    paths: set = field(default_factory=set)

    def starting(self, *prefixes):
        return [s for s in self.sources if s.path.startswith(prefixes)]

    def get(self, path):
        return next((s for s in self.sources if s.path == path), None)


READ_BYTES_MAX = 1 << 20


def load(root):
    """The files git would carry (tracked, or neither tracked nor ignored); every file where there is no git."""
    root = Path(root)
    tree = Tree(root)
    for path in sorted(_list_files(root)):
        file = root / path
        if not file.is_file() or file.is_symlink():
            continue
        tree.paths.add(path)
        size = file.stat().st_size
        if size > READ_BYTES_MAX:
            tree.big_files.append((path, size))
            continue
        data = file.read_bytes()
        try:
            tree.sources.append(Source(path, data.decode("utf-8")))
        except UnicodeDecodeError:
            pass  # binary: goldens and such
    return tree


def _list_files(root):
    if (root / ".git").exists() and shutil.which("git"):
        listed = subprocess.run(
            ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            capture_output=True, check=False)
        if listed.returncode == 0:
            return {name for name in listed.stdout.decode().split("\0") if name}
    skip = {".git", ".venv", "build", "models", "runs"}
    return {str(file.relative_to(root)) for top in root.iterdir() if top.name not in skip
            for file in (top.rglob("*") if top.is_dir() else [top])}


def is_about_rules(source):
    """The rules and their tests, which spell out what they forbid."""
    return source.path.startswith("tools/tidy") or source.path == "tests/tidy_test.py"


_BODY_HEAD = re.compile(r"\)\s*(const|noexcept|override|final|mutable|->[^;{}]*|:\s[^;{}]*|&{1,2}|\s)*$")


def functions(source):
    """(first line, lines, head) of each function body: an outermost block that follows a parameter list."""
    code, found, position, opened = source.code, [], 0, []
    for match in re.finditer(r"[{};]", code):
        if match[0] == "{":
            head = code[position:match.start()].strip()
            inside = any(body for body, _, _ in opened)
            opened.append((not inside and bool(_BODY_HEAD.search(head)), match.start(), head))
        elif match[0] == "}" and opened:
            body, start, head = opened.pop()
            if body:
                first = source.line_at(start)
                found.append((first, source.line_at(match.start()) - first + 1, " ".join(head.split())[-60:]))
        position = match.end()
    return found
