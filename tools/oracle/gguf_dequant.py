"""Writes tests/goldens/gguf_dequant.safetensors: random blocks of every supported ggml type and the fp32 values that
gguf-py makes of them. `<type>.blocks` [n, block bytes] U8, `<type>.values` [n, block elements] F32.

    python tools/oracle/gguf_dequant.py      (needs numpy, gguf, safetensors)
"""
import pathlib

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as T
from gguf.quants import dequantize
from safetensors.numpy import save_file

BLOCKS = 12
# Byte offsets of the fp16 numbers in a block.
HALVES = {T.Q8_0: [0], T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2],
          T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208], T.F16: [0], T.BF16: [], T.F32: []}

rng = np.random.default_rng(20240607)
tensors = {}
for kind, offsets in HALVES.items():
    elements, size = GGML_QUANT_SIZES[kind]
    count = BLOCKS if elements > 1 else 64
    blocks = rng.integers(0, 256, (count, size), dtype=np.uint8)
    for offset in offsets:
        halves = rng.normal(0, 0.05, count).astype(np.float16)
        # Zero, subnormal, smallest normal, largest: the corners of the widening.
        halves[:6] = np.array([0x0000, 0x8001, 0x03ff, 0x0400, 0x7bff, 0xfbff], dtype=np.uint16).view(np.float16)
        rng.shuffle(halves)
        blocks[:, offset:offset + 2] = halves.view(np.uint8).reshape(count, 2)
    if kind == T.F32:
        blocks = rng.normal(0, 1, count).astype(np.float32).view(np.uint8).reshape(count, 4)
    if kind == T.BF16:
        blocks = rng.normal(0, 1, count).astype(np.float32).view(np.uint8).reshape(count, 4)[:, 2:].copy()
    with np.errstate(over="ignore"):
        values = dequantize(blocks, kind)
    assert np.isfinite(values).all(), kind
    tensors[f"{kind.name}.blocks"] = blocks
    tensors[f"{kind.name}.values"] = np.ascontiguousarray(values, dtype=np.float32).reshape(count, elements)

out = pathlib.Path(__file__).resolve().parents[2] / "tests/goldens/gguf_dequant.safetensors"
out.parent.mkdir(parents=True, exist_ok=True)
save_file(tensors, out)
print(out, out.stat().st_size, "bytes")
