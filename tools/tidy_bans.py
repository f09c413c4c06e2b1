"""Banned constructs (STYLE.md rule 2), each a pattern, where it applies and what to do instead."""
import re
from dataclasses import dataclass
from typing import Callable

from tidy_source import Finding, Source, is_about_rules

# Folders whose results are bits of the contract.
NUMERIC = {"numerics", "kernels", "comm", "kv", "nn", "model", "sampling", "engine", "train", "rl"}


@dataclass(frozen=True)
class Ban:
    rule: str
    pattern: re.Pattern
    where: Callable[[Source], bool]
    message: str


def _ban(rule, pattern, where, message):
    return Ban(rule, re.compile(pattern, re.MULTILINE), where, message)


def is_build_file(s):
    """Files that can hand flags to a compiler."""
    return (s.name == "CMakeLists.txt" or s.path.endswith(".cmake") or s.path in ("CMakePresets.json", "dev")
            or s.path.startswith(".ci/"))


def _cpp(s):
    return s.is_cpp


def _any_code(s):
    return s.is_cpp or is_build_file(s)


def _numeric(s):
    return s.is_cpp and s.folder in NUMERIC and not s.is_test


def _clock_free(s):
    return (s.is_cpp and s.path.startswith(("src/", "tests/")) and s.folder != "cli"
            and not s.path.startswith("src/base/clock"))


def _outside_p2(s):
    """Everything but the kernels that hold the P2 primitive: linear and attention, and the header they share."""
    return (s.is_cpp and not s.is_test
            and not re.match(r"src/kernels/cpu/(linear|attention|p2|dot|ftz|flush)[a-z0-9_]*\.", s.path))


_LIBM = (r"(?:exp|exp2|exp10|expm1|log|log2|log10|log1p|pow|sin|cos|tan|sincos|sinh|cosh|tanh|asin|acos|atan|atan2"
         r"|asinh|acosh|atanh|erf|erfc|lgamma|tgamma|cbrt|hypot)")
_LIBM_MESSAGE = "libm's last bit differs between versions; call num:: of numerics/functions.h"

BANS = [
    _ban("fast-math",
         r"-ffast-math|-Ofast|-funsafe-math|-fassociative-math|-freciprocal-math|-ffinite-math-only"
         r"|-fno-signed-zeros|-mrecip\b|-?-use_fast_math|-mdaz-ftz|#\s*pragma\s+(STDC\s+FP_CONTRACT|GCC\s+optimize)"
         r"|#\s*pragma\s+clang\s+fp\b|__attribute__\s*\(\(\s*(__)?optimize",
         _any_code, "changes bits behind the code's back; write the operations you mean"),
    _ban("fp-flags",
         r"-f(no-)?(fp-contract|float-store|rounding-math|trapping-math|excess-precision|fp-model)\b"
         r"|-march=|-mtune=|-mfma\b|-mavx|-mf16c|-mfpmath|-mprefer-vector-width|-?-fmad|-?-ftz="
         r"|-?-prec-(div|sqrt)",
         lambda s: is_build_file(s) and s.path != "cmake/fp_flags.cmake",
         "floating-point and instruction-set flags live in cmake/fp_flags.cmake alone"),
    _ban("isa-by-name", r"__attribute__\s*\(\(\s*(__)?target\b|\[\[\s*gnu::target|#\s*pragma\s+GCC\s+target",
         _cpp,
         "an instruction set comes from the file's name (*_avx2.cc, *_avx512.cc), not from an attribute"),
    _ban("float-atomic",
         r"\batomic(_ref)?\s*<\s*(float|double|long\s+double|bf16|half|__half|__nv_bfloat16)\b"
         r"|\b(red|atom)\b[.\w:]*\.add\.[.\w:]*(f16|f32|f64|bf16)|\batomicAdd\s*\(\s*(\(\s*)?(float|double)",
         _cpp, "the order of arrival would change bits; add 64-bit integers on a fixed grid"),
    _ban("parallel-reduce",
         r"\bstd::(reduce|transform_reduce|execution)\b|#\s*pragma\s+omp\b|\b#include\s*<execution>",
         _cpp, "the order of the sum is unspecified; write the loop"),
    _ban("libm", rf"(?<![\w:])(?:std::|::){_LIBM}[fl]?\s*\(|(?<![\w.>:]){_LIBM}[fl]\s*\(", _numeric, _LIBM_MESSAGE),
    # Inside namespace invar::num an unqualified name is our own function; elsewhere it could be either.
    _ban("libm", rf"(?<![\w.>:]){_LIBM}\s*\(", lambda s: _numeric(s) and s.folder != "numerics", _LIBM_MESSAGE),
    _ban("approximate-instruction",
         r"\b_mm\d*_(mask_|maskz_)?(rcp|rsqrt|exp|log|sin|cos|pow)\w*_[ps][sd]\s*\("
         r"|\b__(expf|exp10f|logf|log2f|log10f|sinf|cosf|tanhf|powf|fdividef|frsqrt_rn)\s*\("
         r"|\b(ex2|lg2|rcp|rsqrt|sin|cos|tanh)\.approx",
         _cpp, "differs between vendors of CPUs; divide and take roots exactly"),
    _ban("tf32", r"(?<![A-Za-z0-9])(tf32|TF32)|CUBLAS_COMPUTE_32F_FAST", _cpp,
         "rounds inputs to 10 bits; bf16 or fp32 only"),
    _ban("random", r"(?<![\w.:>])(std::)?s?rand\s*\(|\bdrand48\b|\barc4random",
         _cpp, "every draw comes from a seed (numerics/philox.h)"),
    # A test may start from a seed of its own, as it prints it and takes it back.
    _ban("random", r"\brandom_device\b", lambda s: s.is_cpp and not s.is_test,
         "every draw comes from a seed (numerics/philox.h)"),
    _ban("distribution", r"\b(uniform_real|uniform_int|normal|bernoulli|exponential|discrete|gamma)_distribution\b"
         r"|\bstd::s(huffle|ample)\b",
         _numeric, "its results differ between standard libraries; draw from numerics/philox.h"),
    _ban("clock",
         r"\b(system|steady|high_resolution)_clock\b|\bgettimeofday\b|\bclock_gettime\b|\b__rdtscp?\b"
         r"|(?<![\w.:>])(std::)?time\s*\(\s*(nullptr|NULL|0|&)|(?<![\w.:>])(std::)?clock\s*\(\s*\)"
         r"|\b__(DATE|TIME|TIMESTAMP)__\b",
         _clock_free, "no decision may depend on time; take the clock port of base/clock.h"),
    _ban("hash-order", r"\bunordered_(multi)?(map|set)\b", lambda s: s.is_cpp and s.folder in NUMERIC and not s.is_test,
         "its order differs between libraries and runs; use std::map, a sorted vector or an index"),
    _ban("pointer-order", r"\b(map|set)\s*<\s*(const\s+)?[\w:]+\s*(const\s*)?\*|\bhash\s*<\s*[\w:\s]+\*",
         lambda s: s.is_cpp and s.path.startswith("src/"), "addresses differ between runs; key by an id"),
    _ban("thread-identity", r"\bthread_local\b|\bthis_thread::get_id\b|\bpthread_self\b|\bgettid\b|\bsched_getcpu\b",
         _numeric, "a result must not know which thread made it"),
    _ban("flush-to-zero",
         r"\b_mm_setcsr\b|\b_MM_SET_(FLUSH_ZERO|DENORMALS_ZERO|ROUNDING)_MODE\b|\bldmxcsr\b"
         r"|\b(fesetround|fesetenv|feupdateenv)\b",
         _outside_p2, "subnormals are kept; flushing belongs to NUM-P2 in kernels/cpu/{linear,attention,p2}*"),
    _ban("goto", r"\bgoto\b", _cpp, "write a loop or a function"),
    _ban("using-namespace", r"^\s*using\s+namespace\b", lambda s: s.is_header,
         "a header must not open a namespace for its includers"),
]

# Collectives that add floating-point numbers, whatever else stands in the call.
_REDUCTION_CALL = re.compile(
    r"\b(MPI_\w*[Rr]educe\w*|MPI_Scan|ncclAllReduce|ncclReduce|ncclReduceScatter)\s*\(([^;]*);")
_FLOAT_TYPE = re.compile(r"\bMPI_(FLOAT|DOUBLE|LONG_DOUBLE)\b|\bnccl(Float\w*|Half|Double|Bfloat16)\b")


def check(tree):
    for source in tree.sources:
        if is_about_rules(source):
            continue
        for ban in BANS:
            if not ban.where(source):
                continue
            for match in ban.pattern.finditer(source.code):
                # A match may begin with the white space of the line.
                offset = match.start() + len(match[0]) - len(match[0].lstrip())
                found = " ".join(match[0].split())
                yield Finding(source.path, source.line_at(offset), ban.rule, f"'{found}': {ban.message}")
        if source.is_cpp:
            for match in _REDUCTION_CALL.finditer(source.code):
                if _FLOAT_TYPE.search(match[2]):
                    yield Finding(source.path, source.line_at(match.start()), "float-collective",
                                  f"{match[1]} of floating-point numbers: collectives move bytes and add integers")
