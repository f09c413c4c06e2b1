"""Goldens of the tokenizers: what HF `tokenizers` (and `sentencepiece`) answer.

  python tools/oracle/make_tokenizer_goldens.py [--only NAME,NAME] [SmolLM2.gguf]      (from the repository root)

Writes tests/goldens/tokenizer_*.json. Ids are kept as hashes: SHA-256 (first 8 hex digits) over the int32 ids, -1 after
each text. The C++ test makes the same texts: every code point alone and in a context, and strings drawn from FRAGMENTS
by SplitMix64.
"""

import hashlib
import io
import json
import struct
import sys

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from tokenizer_zoo import FRAGMENTS, GPT2, TEXTS, corpus, zoo

OUT = "tests/goldens/"
BLOCK = 0x2000  # code points a hash
FUZZ, FUZZ_BLOCK = 4000, 100
DECODES, DECODE_BLOCK = 2000, 100


class SplitMix64:
    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & (2**64 - 1)
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
        return z ^ (z >> 31)


def fuzz_text(rng):
    out = []
    for _ in range(rng.next() % 48):
        x = rng.next()
        if x % 8 == 0:
            c = (x >> 8) % 0x110000
            if not 0xD800 <= c < 0xE000:
                out.append(chr(c))
        else:
            out.append(FRAGMENTS[(x >> 8) % len(FRAGMENTS)])
    return "".join(out)


def pack(ids):
    return struct.pack("<%di" % (len(ids) + 1), *ids, -1)


def hashes(items, block, to_bytes):
    out = []
    for i in range(0, len(items), block):
        digest = hashlib.sha256()
        for item in items[i : i + block]:
            digest.update(to_bytes(item))
        out.append(digest.hexdigest()[:8])
    return out


def golden_of(tok):
    """code_points, texts, fuzz: of encode; decode: of random ids."""
    plain = lambda text: pack(tok.encode(text, add_special_tokens=False).ids)

    def both(text):
        tok.encode_special_tokens = True
        first = plain(text)
        tok.encode_special_tokens = False
        return first + pack(tok.encode(text).ids)

    def one_code_point(c):
        if 0xD800 <= c < 0xE000:
            return b""
        ch = chr(c)
        return plain(ch) + plain("a" + ch + "b 1" + ch + "'" + ch + "\n" + ch + "  " + ch)

    rng = SplitMix64(1)
    golden = {
        "texts": hashes(TEXTS, 1, both),
        "fuzz": hashes([fuzz_text(rng) for _ in range(FUZZ)], FUZZ_BLOCK, both),
    }
    size = 1 + max(tok.get_vocab().values())
    rng = SplitMix64(2)
    sequences = [[rng.next() % (size + 3) for _ in range(rng.next() % 40)] for _ in range(DECODES)]
    decoded = (
        lambda ids: b"\0".join(tok.decode(ids, skip_special_tokens=s).encode() for s in (False, True))
        + b"\xff"
    )
    golden["decode"] = hashes(sequences, DECODE_BLOCK, decoded)
    golden["code_points"] = hashes(list(range(0x110000)), BLOCK, one_code_point)
    golden["vocab_size"] = size
    return golden


def write(name, data):
    with open(OUT + "tokenizer_" + name + ".json", "w") as f:
        json.dump(data, f, ensure_ascii=True, separators=(",", ":"))


def with_string_merges(data):
    """The older spelling of merges."""
    data["model"]["merges"] = [" ".join(m) for m in data["model"]["merges"]]
    return data


def smollm2(path):
    from gguf import GGUFReader

    fields = GGUFReader(path).fields
    vocab, merges, types = (
        fields["tokenizer.ggml." + k].contents() for k in ("tokens", "merges", "token_type")
    )
    tok = Tokenizer(
        models.BPE(vocab={t: i for i, t in enumerate(vocab)}, merges=[tuple(m.split(" ")) for m in merges])
    )
    tok.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(False)]
    )
    tok.decoder = decoders.ByteLevel()
    tok.add_special_tokens(
        [AddedToken(t, special=True, normalized=False) for t, k in zip(vocab, types) if k == 3]
    )
    return tok


def steps():
    """Pre-tokenizers and normalizers one by one, with their pieces written out."""
    P, N = pre_tokenizers, normalizers
    texts = [
        "",
        "the-final--countdown",
        "--a-",
        "a1b22 ٣½ c333",
        " x  y ",
        "Ab\u0130ǅ e\u0301 ﬁ \u3000",
        "▁a b▁",
        "\r\n\ta \u180eb",
    ]
    pre = [
        P.Split("-", b, invert)
        for b in ("removed", "isolated", "contiguous", "merged_with_previous", "merged_with_next")
        for invert in (False, True)
    ]
    pre += [
        P.Split(Regex(r"[\s-]+"), "isolated"),
        P.Split(Regex(r"x*"), "isolated"),
        P.Split(Regex(r"[\p{L}\p{M}]+|\p{Nd}+$"), "removed", True),
        P.Split(Regex(r"\s"), "removed"),
        P.Split(Regex(GPT2), "isolated"),
        P.Split(Regex(GPT2), "contiguous"),
        P.Split(Regex(GPT2), "removed", True),
        P.Digits(False),
        P.Digits(True),
        P.WhitespaceSplit(),
        P.Metaspace("▁", "always", True),
        P.Metaspace("▁", "never", True),
        P.Metaspace("▁", "first", False),
        P.Sequence([P.WhitespaceSplit(), P.Metaspace("▁", "first", True)]),
        P.Sequence([P.Digits(True), P.Split("-", "merged_with_next")]),
    ]
    norm = [
        N.NFC(),
        N.NFD(),
        N.NFKC(),
        N.NFKD(),
        N.Lowercase(),
        N.Strip(),
        N.Strip(True, False),
        N.Strip(False, True),
        N.Prepend("▁"),
        N.Replace(" ", "▁"),
        N.Replace("--", ""),
        N.Replace(Regex(r"\s+"), " "),
        N.Replace(Regex(r"^"), ">"),
        N.Sequence([N.NFKD(), N.Lowercase(), N.Replace("a", "aa")]),
    ]

    def setting(key, step):
        tok = Tokenizer(models.BPE())
        setattr(tok, key, step)
        return json.loads(tok.to_str())[key]

    return {
        "texts": texts,
        "pre_tokenizers": [
            {
                "step": setting("pre_tokenizer", p),
                "pieces": [[x for x, _ in p.pre_tokenize_str(t)] for t in texts],
            }
            for p in pre
        ],
        "normalizers": [
            {"step": setting("normalizer", n), "results": [n.normalize_str(t) for t in texts]} for n in norm
        ],
    }


def sentencepiece_golden():
    import sentencepiece as spm

    model = io.BytesIO()
    lines = [line for text in corpus() for line in text.split("\n") if line.strip()]
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        model_type="bpe",
        vocab_size=700,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=True,
        user_defined_symbols=["<mask>", "▁▁"],
        character_coverage=0.995,
        minloglevel=2,
        num_threads=1,
    )
    sp = spm.SentencePieceProcessor(model_proto=model.getvalue())
    kind = lambda i: (
        6 if sp.is_byte(i) else 3 if sp.is_control(i) else 2 if sp.is_unknown(i) else 4 if i in user else 1
    )
    user = {sp.piece_to_id(t) for t in ("<mask>", "▁▁")}
    size = sp.get_piece_size()
    rng = SplitMix64(1)
    clean = lambda text: text.replace("<s>", "").replace("</s>", "").replace("<unk>", "")
    texts = [clean(t) for t in TEXTS] + [clean(fuzz_text(rng)) for _ in range(FUZZ)]
    return {
        "pieces": [sp.id_to_piece(i) for i in range(size)],
        "scores": [sp.get_score(i) for i in range(size)],
        "types": [kind(i) for i in range(size)],
        "texts": hashes(texts, 20, lambda t: pack(sp.encode(t))),
    }


def main():
    args = sys.argv[1:]
    only = args[1].split(",") if args[:1] == ["--only"] else None
    paths = args[2:] if only else args
    wanted = lambda name: only is None or name in only
    if wanted("texts"):
        write("texts", {"tokenizers": tokenizers.__version__, "texts": TEXTS, "fragments": FRAGMENTS})
    if wanted("steps"):
        write("steps", steps())
    if wanted("sentencepiece"):
        write("sentencepiece", sentencepiece_golden())
    for name, tok in zoo().items():
        if not wanted(name):
            continue
        data = json.loads(tok.to_str())
        if name in ("gpt2", "llama2"):
            data = with_string_merges(data)
        tok = Tokenizer.from_str(json.dumps(data))
        write(name, {**golden_of(tok), "tokenizer": data})
        print(name, flush=True)
    if paths and wanted("smollm2"):
        write("smollm2", golden_of(smollm2(paths[0])))


main()
