#!/usr/bin/env python3
"""Gradients of the tiny models by PyTorch autograd in fp32: tests/goldens/models/NAME/gradients.safetensors.

The loss is sum(d_log_prob * log_prob) + sum(d_entropy * entropy) over the scored tokens of three sequences. Gradients
are kept as bf16 (2^-9 of each element): the test's bounds are wider.

    python3 tools/oracle/make_gradient_goldens.py     needs torch, transformers, safetensors
"""
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

MODELS = Path(__file__).resolve().parents[2] / "tests" / "goldens" / "models"
# Tokens, the first of them that is scored, temperature: a page and an attention block are crossed.
SEQUENCES = [(37, 1, 1.0), (300, 120, 0.75), (12, 11, 1.5)]


def golden(name):
    folder = MODELS / name
    torch.manual_seed(20261122)
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder), attn_implementation="eager").float()
    weights = {k: v.float() for k, v in load_file(folder / "model.safetensors").items()}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert not unexpected and all(k == "lm_head.weight" for k in missing), (missing, unexpected)
    model.tie_weights()
    out, loss = {}, 0
    for i, (length, begin, temperature) in enumerate(SEQUENCES):
        tokens = torch.randint(0, model.config.vocab_size, (length,))
        d_log_prob = torch.randn(length - begin)
        d_entropy = 0.1 * torch.randn(length - begin)
        logits = model(tokens[None]).logits[0, begin - 1:-1] / temperature
        log_p = torch.log_softmax(logits, -1)
        log_prob = log_p.gather(1, tokens[begin:, None])[:, 0]
        entropy = -(log_p.exp() * log_p).sum(-1)
        loss = loss + (d_log_prob * log_prob).sum() + (d_entropy * entropy).sum()
        out |= {f"in.{i}.tokens": tokens.int(), f"in.{i}.scored_begin": torch.tensor([begin]).int(),
                f"in.{i}.temperature": torch.tensor([temperature]), f"in.{i}.d_log_prob": d_log_prob,
                f"in.{i}.d_entropy": d_entropy, f"out.{i}.log_prob": log_prob.detach(),
                f"out.{i}.entropy": entropy.detach()}
    loss.backward()
    for key, parameter in model.named_parameters():
        out[key] = parameter.grad.bfloat16()
    save_file({k: v.contiguous() for k, v in out.items()}, folder / "gradients.safetensors")
    print(name, sum(v.numel() for v in out.values()))


if __name__ == "__main__":
    for model in ("llama", "qwen2", "qwen3"):
        golden(model)
