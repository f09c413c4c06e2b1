#!/usr/bin/env python3
"""Checks that transformers reads our checkpoints as the models they were saved from: equal logits, bit for bit.

    mkdir kept && INVAR_KEEP_CHECKPOINTS=kept [INVAR_SMOLLM2_GGUF=SmolLM2-135M-Instruct.Q4_1.gguf] build/train_tests
    python tools/oracle/checkpoint_logits.py kept tests/goldens/models [SmolLM2-135M-Instruct.Q4_1.gguf]

(needs torch, transformers, safetensors, and gguf for the last)
"""
import pathlib
import sys

import torch
from transformers import AutoModelForCausalLM


def logits(model):
    model = model.eval()
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(0, model.config.vocab_size, (1, 100), generator=generator)
    with torch.no_grad():
        return model(tokens).logits


def load(path, dtype=torch.float32, **options):
    return AutoModelForCausalLM.from_pretrained(path, dtype=dtype, attn_implementation="eager", **options)


kept, goldens = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
pairs = [(folder.name, folder, lambda folder=folder: load(goldens / folder.name))
         for folder in sorted(kept.iterdir()) if folder.name != "smollm2"]
if len(sys.argv) > 3:
    gguf = pathlib.Path(sys.argv[3])

    def from_gguf():  # rounded to bf16 once, as ours are
        model = load(gguf.parent, gguf_file=gguf.name)
        weights = {name: tensor.bfloat16().float() for name, tensor in model.state_dict().items()}
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config  # of the file, not of the model that was made of it
        plain = AutoModelForCausalLM.from_config(model.config, dtype=torch.float32, attn_implementation="eager")
        plain.load_state_dict(weights)
        return plain
    pairs.append(("smollm2", kept / "smollm2", from_gguf))
if not pairs:
    sys.exit(f"{kept}: no checkpoints")
failed = False
for name, folder, before in pairs:
    ours = load(folder)
    equal = torch.equal(logits(before()), logits(ours))
    dtype = AutoModelForCausalLM.from_pretrained(folder, dtype="auto").dtype
    print(f"{name}: logits {'equal' if equal else 'DIFFER'}; of dtype {dtype} where nothing is asked for")
    failed |= not equal
sys.exit(failed)
