"""Writes tests/goldens/smollm2_135m_q4_1.weights_digest: the weights_digest (src/model/weights.h) of a GGUF model as
transformers loads it: dequantised by gguf-py, rows of q and k put back, rounded to bf16 by PyTorch.

    python tools/oracle/gguf_weights.py SmolLM2-135M-Instruct.Q4_1.gguf     (needs torch, transformers, gguf)
"""
import hashlib
import pathlib
import struct
import sys

import torch
from transformers import AutoModelForCausalLM

model_path = pathlib.Path(sys.argv[1])
model = AutoModelForCausalLM.from_pretrained(model_path.parent, gguf_file=model_path.name, dtype=torch.float32)
state = model.state_dict()
if model.config.tie_word_embeddings:
    state.pop("lm_head.weight", None)

digest = hashlib.sha256()
for name in sorted(state):
    tensor = state[name].to(torch.bfloat16).contiguous()
    encoded = name.encode()
    digest.update(struct.pack("<Q", len(encoded)) + encoded + struct.pack("<Q", tensor.dim()))
    digest.update(b"".join(struct.pack("<Q", dim) for dim in tensor.shape))
    digest.update(hashlib.sha256(tensor.view(torch.uint8).numpy().tobytes()).digest())

out = pathlib.Path(__file__).resolve().parents[2] / "tests/goldens/smollm2_135m_q4_1.weights_digest"
out.write_text(digest.hexdigest() + "\n")
print(len(state), "weights", digest.hexdigest())
