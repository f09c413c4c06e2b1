#!/usr/bin/env python3
"""Makes tests/goldens/rope_inv_freq.txt: rotary frequencies for numerics/rope_table_test.cc.

For each case: fp32 bits of the exact value (mpmath, 60 digits, rounded once) and of what transformers computes (fp32
throughout). The formulas follow transformers' modeling_rope_utils.py; the exact ones are written again here.

Usage: python tools/oracle/rope_inv_freq.py > tests/goldens/rope_inv_freq.txt   (needs torch, transformers, mpmath)
"""
import struct

import mpmath as mp
import transformers
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

mp.mp.dps = 60

# name: (head_dim, theta, rope parameters). Keep in step with rope_table_test.cc.
CASES = {
    "smollm2": (64, 10000.0, {"rope_type": "default"}),
    "qwen3": (128, 1000000.0, {"rope_type": "default"}),
    "linear": (96, 10000.0, {"rope_type": "linear", "factor": 4.0}),
    "llama3_8b": (128, 500000.0, {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                                  "original_max_position_embeddings": 8192}),
    "llama3_1b": (64, 500000.0, {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                                 "original_max_position_embeddings": 8192}),
    "qwen3_yarn": (128, 1000000.0, {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}),
    "deepseek_yarn": (64, 10000.0, {"rope_type": "yarn", "factor": 40.0, "original_max_position_embeddings": 4096,
                                    "beta_fast": 32, "beta_slow": 1, "mscale": 1.0, "mscale_all_dim": 0.707}),
    "yarn_no_truncate": (64, 150000.0, {"rope_type": "yarn", "factor": 32.0, "original_max_position_embeddings": 4096,
                                        "truncate": False}),
}


def bits(value):
    return struct.unpack("<I", struct.pack("<f", value))[0]


def round_to_f32(x):
    """Nearest fp32 of an mpf; values here are normal."""
    mantissa, exponent = mp.frexp(x)
    return float(mp.nint(mantissa * 2**24)) * 2.0 ** (int(exponent) - 24)


def exact(dim, theta, p):
    kind = p["rope_type"]
    freqs = [mp.power(theta, mp.mpf(-2 * i) / dim) for i in range(dim // 2)]
    if kind == "linear":
        return [f / p["factor"] for f in freqs], mp.mpf(1)
    if kind == "llama3":
        low, high, factor = p["low_freq_factor"], p["high_freq_factor"], p["factor"]
        context = mp.mpf(p["original_max_position_embeddings"])
        scaled = []
        for f in freqs:
            wavelength = 2 * mp.pi / f
            if wavelength < context / high:
                scaled.append(f)
            elif wavelength > context / low:
                scaled.append(f / factor)
            else:
                smooth = (context / wavelength - low) / (high - low)
                scaled.append((1 - smooth) * f / factor + smooth * f)
        return scaled, mp.mpf(1)
    if kind == "yarn":
        factor, context = p["factor"], p["original_max_position_embeddings"]

        def correction(rotations):
            return dim * mp.log(context / (rotations * 2 * mp.pi)) / (2 * mp.log(theta))

        def magnitude(scale):
            return mp.mpf(1) if factor <= 1 else mp.mpf("0.1") * scale * mp.log(factor) + 1

        low, high = correction(p.get("beta_fast", 32)), correction(p.get("beta_slow", 1))
        if p.get("truncate", True):
            low, high = mp.floor(low), mp.ceil(high)
        low, high = max(low, 0), min(high, dim - 1)
        scaled = []
        for i, f in enumerate(freqs):
            ramp = min(max((i - low) / (high - low), 0), 1)
            scaled.append(f / factor * ramp + f * (1 - ramp))
        if p.get("mscale") and p.get("mscale_all_dim"):
            return scaled, magnitude(p["mscale"]) / magnitude(p["mscale_all_dim"])
        return scaled, magnitude(1)
    return freqs, mp.mpf(1)


def transformers_values(dim, theta, p):
    config = LlamaConfig(hidden_size=dim * 4, num_attention_heads=4, head_dim=dim, max_position_embeddings=131072,
                         rope_parameters={"rope_theta": theta, **p})
    if p["rope_type"] == "default":
        from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding
        inv_freq, attention_factor = LlamaRotaryEmbedding.compute_default_rope_parameters(config)
    else:
        inv_freq, attention_factor = ROPE_INIT_FUNCTIONS[p["rope_type"]](config)
    return inv_freq.tolist(), attention_factor


def main():
    print(f"# tools/oracle/rope_inv_freq.py, transformers {transformers.__version__}")
    print("# case <name> <values>, attention factor, then inv_freq by rising index: exact bits, transformers' bits")
    for name, (dim, theta, p) in CASES.items():
        ours, our_factor = exact(dim, theta, p)
        theirs, their_factor = transformers_values(dim, theta, p)
        print(f"case {name} {dim // 2}")
        print(f"{bits(round_to_f32(our_factor)):08x} {bits(their_factor):08x}")
        for a, b in zip(ours, theirs, strict=True):
            print(f"{bits(round_to_f32(a)):08x} {bits(b):08x}")


if __name__ == "__main__":
    main()
