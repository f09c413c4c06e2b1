"""Small tokenizers with the settings of real ones, trained with `tokenizers`; make_tokenizer_goldens.py asks them."""

import pydoc_data.topics
import random

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
GPT4O = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
DEEPSEEK3 = (
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

MULTILINGUAL = """
The quick brown fox doesn't jump; they'll say it's 1234567 times. I'VE SEEN IT, WE'LL SEE.
Der Fluß fließt über die Brücke, größer als 3,14 Äpfel. Où est l'été ? Ça coûte 20 €.
Быстрая лиса прыгает через ленивую собаку. Η γρήγορη αλεπού πηδά πάνω από τον σκύλο.
敏捷的棕色狐狸跳过了懒狗。速い茶色の狐がのろまな犬を飛び越える。빠른 갈색 여우가 게으른 개를 뛰어넘습니다.
तेज भूरी लोमड़ी आलसी कुत्ते पर कूदती है। الثعلب البني السريع يقفز فوق الكلب الكسول ١٢٣. สุนัขจิ้งจอกสีน้ำตาล
השועל החום המהיר קופץ מעל הכלב העצלן. Tiếng Việt có dấu. İstanbul'da ılık bir gün. ελληνικά
😀 👍🏽 👨‍👩‍👧‍👦 🏳️‍🌈 🇩🇪 ✨ → ≠ ∑ ½ ² Ⅳ ① ﬁ ﷺ Å Å é é 한 한
def f(x):\n    return {"a": [1, 2.5e-3, 0xFF], 'b': x ** 2}  # comment\n\n\tif x != y && z <= 10: pass;
"""

TEXTS = (
    [
        "",
        " ",
        "  ",
        "a",
        "Hello, world!",
        "Hello  world",
        " leading",
        "trailing ",
        "it's we'LL I'VE he'd they'RE 'S ''s",
        "'\u017f 'ſs a'ſ",
        "\u00a0\u2003x\u3000y\u0085z\u180ew",
        "1234567890 12 3.14 1,000,000",
        "٣٤٥ ½²Ⅳ①७",
        "\r\n\r\n",
        "a\r\nb\n\n\nc\r\r d",
        "   \n  \t x",
        "\t\tif (x) {\r\n\t\t\treturn;\r\n\t\t}",
        "x" * 300,
        " " * 300,
        "\n" * 77,
        "ab" * 150,
        "éèê" * 40,
        "<|im_start|>user\nhi<|im_end|>\n",
        "<|endoftext|><|endoftext|>",
        "a<|im_end|>b <|im_end|> c",
        "<|im_end",
        "<s>x</s>",
        "<s> <unk>y",
        "<tool_call>{}</tool_call>",
        "foo <mask> bar",
        "foo<mask>bar",
        "  <mask>  <mask>",
        "word wordy aword word",
        "Word WORD word",
        "▁ already ▁▁ marks",
        "<0x41><0xE4>",
        "e\u0301 \u0041\u030a \u1100\u1161\u11a8",
        "\u0000\u0001\u007f\u0080",
        "\ufeffbom",
        "\U0010ffff\ufffd\ufffe",
        "\u1e9e\u0130ıẞ",
        "ﬁﬀﬃ ℌ ①",
        "zalgo: a\u0301\u0316\u0323\u0308\u0345\u0334",
        "\U00011935\U00011930",
        "\U00032310\u1c89\U00010d50",
    ]
    + [line for line in MULTILINGUAL.strip().split("\n")]
    + [MULTILINGUAL]
)

FRAGMENTS = [
    " ",
    "  ",
    "\n",
    "\r\n",
    "\t",
    "\r",
    "\u00a0",
    "\u3000",
    "\u180e",
    "\u0085",
    "a",
    "B",
    "the",
    " the",
    "ing",
    "é",
    "e",
    "\u0301",
    "ß",
    "я",
    "中",
    "文",
    "あ",
    "한",
    "ह",
    "ि",
    "ع",
    "\u0e19\u0e49",
    "1",
    "23",
    "٣",
    "½",
    "²",
    "Ⅳ",
    ".",
    ",",
    "'",
    "'s",
    "'S",
    "'ll",
    "'Re",
    "'ſ",
    "!",
    "?!",
    "(",
    ")",
    "_",
    "-",
    "/",
    "\\",
    '"',
    "{",
    "}",
    "=",
    "+",
    "$",
    "€",
    "😀",
    "\u200d",
    "🏽",
    "\ufe0f",
    "🇩",
    "🇪",
    "▁",
    "\u2028",
    "\u0000",
    "<",
    ">",
    "<|im_start|>",
    "<|im_end|>",
    "<|endoftext|>",
    "<s>",
    "</s>",
    "<unk>",
    "<mask>",
    "word",
    "<tool_call>",
    "<0x0A>",
    "\u1100",
    "\u1161",
    "\u11a8",
    "K",
    "Å",
    "ǅ",
    "ʰ",
]


def corpus(seed=7):
    rng = random.Random(seed)
    topics = sorted(pydoc_data.topics.topics.values())
    return [MULTILINGUAL] * 8 + TEXTS + [t[:4000] for t in rng.sample(topics, 30)]


def byte_level(vocab, pre, special, normalizer=None, **model):
    tok = Tokenizer(models.BPE(**model))
    tok.pre_tokenizer = pre
    tok.decoder = decoders.ByteLevel()
    if normalizer:
        tok.normalizer = normalizer
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=special,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tok.train_from_iterator(corpus(), trainer)
    return tok


def split_then_bytes(*patterns):
    steps = [pre_tokenizers.Split(Regex(p), "isolated") for p in patterns]
    return pre_tokenizers.Sequence(steps + [pre_tokenizers.ByteLevel(False, use_regex=False)])


def characters(vocab, special, normalizer, pre=None, byte_tokens=True, **model):
    tok = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=byte_tokens, **model))
    tok.normalizer = normalizer
    if pre:
        tok.pre_tokenizer = pre
    bytes_ = ["<0x%02X>" % b for b in range(256)] if byte_tokens else []
    trainer = trainers.BpeTrainer(
        vocab_size=vocab, special_tokens=special + bytes_, show_progress=False, limit_alphabet=90
    )
    split = [piece + " " for text in corpus() for piece in text.split(" ")]
    tok.train_from_iterator(split, trainer)
    data = tok.to_str()
    import json

    data = json.loads(data)
    data["added_tokens"] = [t for t in data["added_tokens"] if not t["content"].startswith("<0x")]
    return Tokenizer.from_str(json.dumps(data))


def zoo():
    """name -> Tokenizer"""
    out = {}
    chat = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    out["gpt2"] = byte_level(700, pre_tokenizers.ByteLevel(False), chat[:1])
    out["prefix_space"] = byte_level(400, pre_tokenizers.ByteLevel(True), ["<s>", "</s>"])
    out["prefix_space"].post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    out["smollm"] = byte_level(
        700, pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(False)]), chat
    )
    llama3 = byte_level(700, split_then_bytes(LLAMA3), chat, ignore_merges=True)
    bos = llama3.token_to_id("<|endoftext|>")
    llama3.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(
                single="<|endoftext|> $A",
                pair="<|endoftext|> $A <|endoftext|> $B",
                special_tokens=[("<|endoftext|>", bos)],
            ),
        ]
    )
    out["llama3"] = llama3
    qwen2 = byte_level(700, split_then_bytes(QWEN2), [], normalizers.NFC())
    qwen2.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in chat])
    qwen2.add_tokens(
        [AddedToken("<tool_call>", normalized=False), AddedToken("</tool_call>", normalized=False)]
    )
    out["qwen2"] = qwen2
    out["gpt4o"] = byte_level(500, split_then_bytes(GPT4O), chat)
    out["deepseek3"] = byte_level(500, split_then_bytes(r"\p{N}{1,3}", r"[一-龥぀-ゟ゠-ヿ]+", DEEPSEEK3), chat)

    specials = ["<unk>", "<s>", "</s>"]
    llama2 = characters(
        600,
        specials,
        normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]),
        fuse_unk=True,
    )
    llama2.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    llama2.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    out["llama2"] = llama2
    gemma = characters(
        600,
        specials,
        normalizers.Replace(" ", "▁"),
        pre_tokenizers.Split(" ", "merged_with_previous"),
        fuse_unk=True,
    )
    gemma.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    out["gemma"] = gemma
    metaspace = characters(
        400,
        specials,
        normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase(), normalizers.Strip()]),
        pre_tokenizers.Metaspace("▁", "first", True),
        byte_tokens=False,
        fuse_unk=False,
    )
    metaspace.decoder = decoders.Metaspace("▁", "first", True)
    metaspace.add_tokens(
        [
            AddedToken("<mask>", lstrip=True, rstrip=True, normalized=False, special=True),
            AddedToken("word", single_word=True, normalized=True),
            AddedToken("Foo", normalized=True, lstrip=True),
        ]
    )
    out["metaspace"] = metaspace
    return out
