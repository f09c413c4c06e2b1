#!/usr/bin/env python3
"""Makes the model goldens: tiny random models of each architecture, and SmolLM2-135M-Instruct, by Hugging Face transformers.

For each model: fp32 logits of transformers over bf16 weights ("logits_f32", the oracle), and how far transformers' own bf16
forward is from them ("bf16_rms": root mean square of the difference over the root mean square of the centred logits). Invar's
logits must be at most 1.5 times as far: that is what "within bf16 error" means in tests/models/model_golden_test.cc.

    python3 -m venv venv && venv/bin/pip install torch transformers safetensors gguf accelerate
    venv/bin/python tools/oracle/make_model_goldens.py tests/goldens/models [path/to/SmolLM2-135M-Instruct.Q4_1.gguf]
"""
import json
import os
import sys

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config, Qwen3Config

TINY = dict(hidden_size=64, intermediate_size=160, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
            vocab_size=199, max_position_embeddings=2048, rms_norm_eps=1e-5)
KEPT = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
        "vocab_size", "max_position_embeddings", "rms_norm_eps", "tie_word_embeddings", "hidden_act",
        "rope_parameters", "head_dim", "model_type", "attention_bias", "mlp_bias", "use_sliding_window")


def rope(theta, **scaling):
    return dict(rope_parameters=dict(rope_theta=theta, rope_type=scaling.pop("rope_type", "default"), **scaling))


CASES = {
    "llama": LlamaConfig(**TINY, tie_word_embeddings=True, **rope(10000.0)),
    "llama3-rope": LlamaConfig(**TINY, tie_word_embeddings=False, head_dim=32,
                               **rope(500000.0, rope_type="llama3", factor=8.0, low_freq_factor=1.0,
                                      high_freq_factor=4.0, original_max_position_embeddings=128)),
    "qwen2": Qwen2Config(**TINY, tie_word_embeddings=False, **rope(1000000.0)),
    "qwen3": Qwen3Config(**TINY, tie_word_embeddings=True, head_dim=48, **rope(1000000.0)),
    "qwen3-yarn": Qwen3Config(**TINY, tie_word_embeddings=False, head_dim=32,
                              **rope(10000.0, rope_type="yarn", factor=4.0, original_max_position_embeddings=64)),
}


def randomise(model, seed):
    """Weights with some spread, rounded to bf16; norms around 1, biases around 0."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if "norm" in name:
                value = 1 + 0.2 * noise
            elif parameter.dim() == 1:
                value = 0.3 * noise
            else:
                value = noise / parameter.shape[-1] ** 0.5
            parameter.copy_(value.bfloat16().float())


def run(model, tokens):
    with torch.no_grad():
        f32 = model.float()(tokens[None]).logits[0].clone()
        bf16 = model.bfloat16()(tokens[None]).logits[0].float()
    centred = f32 - f32.mean(-1, keepdim=True)
    rms = ((bf16 - f32).pow(2).mean().sqrt() / centred.pow(2).mean().sqrt()).item()
    return f32, rms


def make_tiny(name, config, seed, out):
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config).eval()
    randomise(model, seed)
    tokens = torch.randint(0, config.vocab_size, (150,), generator=torch.Generator().manual_seed(seed))
    weights = {k: v.detach().bfloat16().contiguous().clone() for k, v in model.state_dict().items()
               if not (config.tie_word_embeddings and k == "lm_head.weight")}
    logits, rms = run(model, tokens)
    folder = os.path.join(out, name)
    os.makedirs(folder, exist_ok=True)
    save_file(weights, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
    full = config.to_dict()
    settings = {key: full[key] for key in KEPT if full.get(key) is not None}
    settings["architectures"] = [type(model).__name__]
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump(settings, file, indent=1, sort_keys=True)
    # Every 7th row is enough to notice a wrong position, and keeps the file small.
    rows = torch.arange(0, len(tokens), 7)
    save_file({"tokens": tokens.int(), "rows": rows.int(), "logits_f32": logits[rows].contiguous(),
               "bf16_rms": torch.tensor([rms])}, os.path.join(folder, "golden.safetensors"))
    print(f"{name}: bf16 forward of transformers is {rms:.4f} of the logits' spread away from fp32")


def make_smollm2(gguf, out):
    loaded = AutoModelForCausalLM.from_pretrained(os.path.dirname(gguf), gguf_file=os.path.basename(gguf),
                                                  dtype=torch.float32)
    # A plain model of the same weights: one that was loaded from GGUF cannot change its dtype.
    loaded.config.quantization_config = None
    del loaded.config.quantization_config
    model = AutoModelForCausalLM.from_config(loaded.config, attn_implementation="eager").eval()
    model.load_state_dict(loaded.state_dict())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.bfloat16().float())
    tokens = torch.randint(20, 49152, (300,), generator=torch.Generator().manual_seed(7))
    logits, rms = run(model, tokens)
    rows, columns = torch.arange(0, 300, 23), torch.arange(0, 49152, 61)
    save_file({"tokens": tokens.int(), "rows": rows.int(), "columns": columns.int(),
               "logits_f32": logits[rows][:, columns].contiguous(), "bf16_rms": torch.tensor([rms])},
              os.path.join(out, "smollm2-135m-instruct.safetensors"))
    print(f"SmolLM2: {rms:.4f}")


def main():
    out, gguf = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
    os.makedirs(out, exist_ok=True)
    for seed, (name, config) in enumerate(CASES.items()):
        make_tiny(name, config, seed, out)
    if gguf:
        make_smollm2(gguf, out)


main()
