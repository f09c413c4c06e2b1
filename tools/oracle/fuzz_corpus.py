"""Writes tests/corpus/<fuzzer>/: a few tiny valid files for each fuzzer to start from, made by the formats' own
packages, so that they also show that we read what others write.

    python tools/oracle/fuzz_corpus.py      (needs numpy, gguf, safetensors)
"""
import json
import pathlib

import gguf
import numpy as np
from safetensors.numpy import save_file

root = pathlib.Path(__file__).resolve().parents[2] / "tests/corpus"


def folder(name):
    path = root / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def small_gguf(path, arch):
    writer = gguf.GGUFWriter(path, arch)
    writer.add_block_count(1)
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(32)
    writer.add_head_count(2)
    writer.add_head_count_kv(1)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_eos_token_id(1)
    writer.add_token_list(["a", "b"])
    writer.add_token_scores([0.0, -1.0])
    writer.add_token_types([1, 3])
    writer.add_bool("tokenizer.ggml.add_bos_token", False)
    if arch == "qwen2":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(4.0)
        writer.add_rope_scaling_orig_ctx_len(16)
    values = np.linspace(-1, 1, 64, dtype=np.float32).reshape(2, 32)
    kind = {"llama": gguf.GGMLQuantizationType.Q8_0, "qwen2": gguf.GGMLQuantizationType.Q4_1,
            "qwen3": gguf.GGMLQuantizationType.Q5_0}[arch]
    writer.add_tensor("token_embd.weight", gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.add_tensor("output_norm.weight", np.ones(32, dtype=np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


for arch in ("llama", "qwen2", "qwen3"):
    small_gguf(folder("gguf_fuzz") / f"{arch}.gguf", arch)
    (folder("config_fuzz") / f"{arch}.gguf").write_bytes((root / f"gguf_fuzz/{arch}.gguf").read_bytes())

save_file({"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros((0, 4), dtype=np.int8),
           "c": np.array(True), "d": np.ones(3, dtype=np.float16)},
          folder("safetensors_fuzz") / "four.safetensors", metadata={"format": "pt"})
save_file({"w": np.arange(2, dtype=np.int64)}, folder("safetensors_fuzz") / "one.safetensors")

common = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
          "num_key_value_heads": 2, "vocab_size": 256, "max_position_embeddings": 512, "hidden_act": "silu",
          "rms_norm_eps": 1e-5, "eos_token_id": [1, 2], "bos_token_id": 0}
configs = {
    "llama3": {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "rope_theta": 500000.0, "rope_scaling": {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 128}},
    "qwen2": {"architectures": ["Qwen2ForCausalLM"], "use_sliding_window": False, "tie_word_embeddings": True,
              "rope_scaling": {"type": "linear", "factor": 2}},
    "qwen3": {"architectures": ["Qwen3ForCausalLM"], "head_dim": 128, "layer_types": ["full_attention"] * 2,
              "rope_parameters": {"rope_type": "yarn", "rope_theta": 1e6, "factor": 4.0, "truncate": False,
                                  "original_max_position_embeddings": 128}},
}
generation = {"do_sample": True, "temperature": 0.6, "top_p": 0.95, "top_k": 20, "eos_token_id": 3}
for name, config in configs.items():
    text = json.dumps(common | config).encode()
    (folder("config_fuzz") / f"{name}.json").write_bytes(text)
    (folder("config_fuzz") / f"{name}_generation.json").write_bytes(text + b"\0" + json.dumps(generation).encode())
    (folder("json_fuzz") / f"{name}.json").write_bytes(text)
(folder("json_fuzz") / "values.json").write_text(
    '{"a": [1, -2.5e-3, true, null, "\\u00e9\\ud83d\\ude00\\n", 18446744073709551615], "": {"b": []}}')
print(sum(path.stat().st_size for path in root.rglob("*") if path.is_file()), "bytes")
