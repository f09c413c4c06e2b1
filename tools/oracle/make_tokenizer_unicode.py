"""Probes HF `tokenizers` for its Unicode tables and writes ours from what it answers.

  python tools/oracle/make_tokenizer_unicode.py      (from the repository root)

Needs `tokenizers` and Debian's unicode-data.

Writes src/text/unicode_tables.inc and tests/goldens/tokenizer_unicode.json.

`tokenizers` mixes four Unicode versions: Oniguruma's classes (regex splits), Rust's `char` (digits, white space,
lower case), the `regex` crate's \\w (single-word added tokens) and an old normalisation crate. We follow the probe, code point
by code point; Debian's UCD only says which code points are worth asking the normaliser about, and names the versions.
"""

import hashlib
import json
import re
import unicodedata

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

UCD = "/usr/share/unicode/"
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
CATEGORIES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co".split()


def regex_set(pattern):
    removed = pre_tokenizers.Split(Regex(pattern), "removed")
    return {c for c in CODE_POINTS if not removed.pre_tokenize_str(chr(c))}


def ages():
    """code point -> Unicode version that assigned it, as a tuple; absent when unassigned in Debian's UCD."""
    age = {}
    for line in open(UCD + "DerivedAge.txt"):
        m = re.match(r"([0-9A-F]+)(?:\.\.([0-9A-F]+))?\s*;\s*(\d+)\.(\d+)", line)
        if m:
            for c in range(int(m[1], 16), int(m[2] or m[1], 16) + 1):
                age[c] = (int(m[3]), int(m[4]))
    return age


def word_set():
    """\\w of the `regex` crate: after the single-word token Q, a word character forbids the match."""
    tok = Tokenizer(models.BPE(vocab={"x": 0}, merges=[]))
    tok.add_tokens([AddedToken("Q", single_word=True, normalized=False)])
    q = tok.token_to_id("Q")
    return {c for c in CODE_POINTS if c != 0x51 and q not in tok.encode("Q" + chr(c)).ids} | {0x51}


def normalizer_inert():
    """Code points with a decomposition, combining class or composition in UCD 15 that `tokenizers` does not know."""
    nfd, nfkd, nfc = normalizers.NFD(), normalizers.NFKD(), normalizers.NFC()
    inert = set()
    for line in open(UCD + "UnicodeData.txt"):
        f = line.split(";")
        c, ccc, decomposition = int(f[0], 16), int(f[3]), f[5]
        if 0xD800 <= c < 0xE000:
            continue
        if decomposition:
            parts = [int(x, 16) for x in decomposition.split() if not x.startswith("<")]
            if nfkd.normalize_str(chr(c)) == chr(c):
                inert.add(c)
                if not decomposition.startswith("<"):
                    text = "".join(map(chr, parts))
                    assert nfc.normalize_str(text) == text, hex(c)
                    inert.update(parts)
        if ccc and not decomposition:
            low, high = "\u0334", "\u0345"  # combining classes 1 and 240
            known = (
                (nfd.normalize_str("a" + chr(c) + low) == "a" + low + chr(c))
                if ccc > 1
                else (nfd.normalize_str("a" + high + chr(c)) == "a" + chr(c) + high)
            )
            if not known:
                inert.add(c)
    age = ages()
    assert all(age[c] > (9, 0) for c in inert), [hex(c) for c in inert if age[c] <= (9, 0)]
    return inert


def lower_ranges(lower):
    """[first, last, step, delta] of the single code point mappings."""
    single = {c: ord(s) for c, s in lower.items() if len(s) == 1}
    ranges = []
    for c in sorted(single):
        delta = single[c] - c
        if ranges and ranges[-1][3] == delta:
            r = ranges[-1]
            step = c - r[1]
            if (r[0] == r[1] and step <= 2) or step == r[2]:
                r[1], r[2] = c, step
                continue
        ranges.append([c, c, 1, delta])
    return ranges


def mask_ranges(mask):
    """[first, last, value] of equal non-zero values; surrogates count as 0."""
    ranges = []
    for c in range(0x110000):
        v = mask.get(c, 0)
        if v and ranges and ranges[-1][1] == c - 1 and ranges[-1][2] == v:
            ranges[-1][1] = c
        elif v:
            ranges.append([c, c, v])
    return ranges


def proxies(onig_category, han):
    """Code points whose category PCRE2 10.42 (Unicode 14, as this Python) sees differently -> a stand-in.

    A stand-in has the category and the UTF-8 length of the original, and is Han if and only if the original is.
    """
    assert unicodedata.unidata_version.startswith("14.")
    pools = {}

    def pool_key(c, category, is_han):
        return category, len(chr(c).encode()), is_han

    is_han_name = lambda c: unicodedata.name(chr(c), "").startswith("CJK UNIFIED")
    for c in CODE_POINTS:
        category = unicodedata.category(chr(c))
        if (
            c >= 0x80
            and c != 0x180E
            and category == onig_category.get(c, "Cn")
            and not (unicodedata.bidirectional(chr(c)) == "" and category != "Cn")
        ):
            pools.setdefault(pool_key(c, category, c in han and is_han_name(c)), c)
    table = {}
    for c in CODE_POINTS:
        category = onig_category.get(c, "Cn")
        if unicodedata.category(chr(c)) != category or c == 0x180E:
            table[c] = pools[pool_key(c, category, c in han)]
    return table


def emit(out, name, type_, rows, comment):
    out.append(f"// {comment}")
    out.append(f"constexpr {type_} {name}[] = {{")
    line = ""
    for row in rows:
        item = "{" + ",".join(hex(v) if 0 <= i < 2 and v > 9 else str(v) for i, v in enumerate(row)) + "},"
        if len(line) + len(item) > 100:
            out.append(line)
            line = ""
        line += item
    out.extend([line, "};"] if line else ["};"])


def sha(values):
    return hashlib.sha256("\n".join(values).encode()).hexdigest()


def main():
    letters, numbers, spaces = regex_set(r"\p{L}"), regex_set(r"\p{N}"), regex_set(r"\s")
    onig = {c: k for k in CATEGORIES for c in regex_set(r"\p{%s}" % k)}
    han = regex_set(r"\p{Han}")
    digits = pre_tokenizers.Digits(individual_digits=True)
    numeric = {c for c in CODE_POINTS if len(digits.pre_tokenize_str("a" + chr(c))) > 1}
    strip, lowercase = normalizers.Strip(), normalizers.Lowercase()
    assert spaces == {c for c in CODE_POINTS if strip.normalize_str(chr(c)) == ""}
    lower = {c: s for c in CODE_POINTS if (s := lowercase.normalize_str(chr(c))) != chr(c)}
    words = word_set()
    inert = normalizer_inert()
    assert {c: s for c, s in lower.items() if len(s) > 1} == {0x130: "i\u0307"}

    sets = [
        ("letter", letters),
        ("number", numbers),
        ("space", spaces),
        ("rust_numeric", numeric),
        ("word", words),
    ]
    mask = {}
    for bit, (_, members) in enumerate(sets):
        for c in members:
            mask[c] = mask.get(c, 0) | 1 << bit
    ucd = re.search(r"DerivedAge-(\S+)\.txt", open(UCD + "DerivedAge.txt").readline())[1]
    out = [
        f"// Generated by tools/oracle/make_tokenizer_unicode.py from tokenizers {tokenizers.__version__}; do not edit.",
        f"// {len(letters)} letters and {len(numbers)} numbers: Oniguruma 6.9.10, Unicode 16.0. {len(numeric)} numeric and",
        f"// {len(lower)} lower-cased: Rust, Unicode 17.0. Normalisation: Unicode 9.0 (asked about UCD {ucd}).",
    ]
    emit(
        out,
        "kClassRanges",
        "ClassRange",
        mask_ranges(mask),
        "first, last, bits: 1 letter, 2 number, 4 space, 8 Rust numeric, 16 word",
    )
    emit(
        out,
        "kLowerRanges",
        "LowerRange",
        lower_ranges(lower),
        "first, last, step, delta; U+0130 (two code points) is in the code",
    )
    emit(
        out,
        "kRegexStandIns",
        "StandInRange",
        mask_ranges(proxies(onig, han)),
        "first, last, a code point PCRE2 10.42 sees as Oniguruma sees these",
    )
    emit(
        out,
        "kNormalizerInert",
        "InertRange",
        [r[:2] for r in mask_ranges({c: 1 for c in inert})],
        "first, last: unknown to the Unicode 9 normaliser, known to utf8proc",
    )
    open("src/text/unicode_tables.inc", "w").write("\n".join(out) + "\n")

    golden = {"tokenizers": tokenizers.__version__, "sets": {}}
    for name, members in sets + [(f"regex_{k}", {c for c in onig if onig[c] == k}) for k in CATEGORIES]:
        golden["sets"][name] = {"count": len(members), "sha256": sha(str(c) for c in sorted(members))}
    golden["lower"] = {
        "count": len(lower),
        "sha256": sha(f"{c}:{','.join(str(ord(x)) for x in lower[c])}" for c in sorted(lower)),
    }
    # Each code point between marks of several classes, and with what it may compose with.
    golden["normalize"] = {}
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        n = getattr(normalizers, form)()
        digest = hashlib.sha256()
        for c in CODE_POINTS:
            text = "e\u0301" + chr(c) + "\u0345\u0301\u0334\u0316" + chr(c) + "\u1161\u11a8\u0300"
            digest.update(n.normalize_str(text).encode() + b"\n")
        golden["normalize"][form] = digest.hexdigest()
    json.dump(golden, open("tests/goldens/tokenizer_unicode.json", "w"), indent=1)


main()
