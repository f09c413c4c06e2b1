"""Tiny models for tests of the command line: golden weights with a byte-level tokenizer and a chat template."""

import json
import os
import shutil

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GOLDENS = os.path.join(SOURCE, "tests", "goldens", "models")
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
VOCAB = 199  # of the golden models
TEMPLATE = ("{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
            "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")


def byte_characters():
    """GPT-2's character for each byte: printable ones stand for themselves."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    return {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(others)}


def tokenizer_json():
    """One token for each byte, as far as the golden models' 199 ids go: ASCII first, then UTF-8's other bytes."""
    characters = byte_characters()
    order = [10, *range(32, 127), *range(128, 192), *range(194, 256)]
    vocab = {text: i for i, text in enumerate(SPECIAL)}
    for byte in order[:VOCAB - len(SPECIAL)]:
        vocab[characters[byte]] = len(vocab)
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": i, "content": text, "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": True} for i, text in enumerate(SPECIAL)],
        "normalizer": None, "pre_tokenizer": byte_level, "post_processor": None, "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": vocab, "merges": []}}


def write(path, value):
    data = value if isinstance(value, bytes) else (value if isinstance(value, str) else json.dumps(value)).encode()
    with open(path, "wb") as file:
        file.write(data)


def make(folder, golden="llama", template=TEMPLATE, config=None, generation=None, tokenizer=True):
    """A model folder; `config` changes entries of config.json (None removes one). Returns its path."""
    os.makedirs(folder)
    source = os.path.join(GOLDENS, golden)
    shutil.copy(os.path.join(source, "model.safetensors"), folder)
    with open(os.path.join(source, "config.json")) as file:
        entries = json.load(file)
    entries.update(config or {})
    write(os.path.join(folder, "config.json"), {k: v for k, v in entries.items() if v is not None})
    if tokenizer:
        write(os.path.join(folder, "tokenizer.json"), tokenizer_json())
        write(os.path.join(folder, "tokenizer_config.json"), {"bos_token": SPECIAL[1], "eos_token": SPECIAL[2]})
    if template is not None:
        write(os.path.join(folder, "chat_template.jinja"), template)
    if generation is not None:
        write(os.path.join(folder, "generation_config.json"), generation)
    return folder
