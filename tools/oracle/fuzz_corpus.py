"""Writes tests/corpus/<fuzzer>/: a few tiny valid files for each fuzzer to start from. Those of formats that others
have are made by the formats' own packages, so that they also show that we read what others write.

    python tools/oracle/fuzz_corpus.py      (needs numpy, gguf, safetensors)
"""
import hashlib
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

# What invar train writes and reads itself.
def digest(data):
    return hashlib.sha256(data).hexdigest()


def sample(tokens, finish="", reward=0):
    return {"tokens": tokens, "log_probs": [0xbf800000 + t for t in tokens], "finish": finish, "reward": reward}


rollouts = folder("rollout_state_fuzz")
(rollouts / "carried.json").write_text(json.dumps([
    {"ordinal": 3, "step": 1, "scored": False, "samples": [sample([18, 19, 14, 15], "stop"), sample([26, 27])]},
    {"ordinal": 5, "step": 2, "scored": True, "samples": [sample([26, 27, 28, 0], "length", 0x3f800000),
                                                          sample([25], "stop")]}]))
(rollouts / "none.json").write_text("[]")
checkpoints = folder("checkpoint_format_fuzz")
state = {"format": 1, "step": 6, "numerics_version": 1, "profile": "fma32", "chain": "0" * 64, "source": "model",
         "cursor": {"data": "task reverse 1", "step": {"taken": 4, "carried": []}}, "buffers": None}
(checkpoints / "files.json").write_text(json.dumps(
    state | {"files": {"config.json": digest(b"{}"), "optimizer.safetensors": digest(b"")}}))
(checkpoints / "damaged.json").write_text(json.dumps(
    state | {"files": {"config.json": digest(b"{"), "optimizer.safetensors": "", "model.safetensors": "0"}}))
(checkpoints / "name.json").write_text(json.dumps(state | {"files": {"a\nb": 3}}))
toml = folder("train_config_fuzz")
least = '[model]\npath = "m"\n[data]\ntask = "arithmetic"\n'
(toml / "least.toml").write_text(least)
(toml / "sets.toml").write_text(least + '[reward]\nkind = "regex"\npattern = \'[a-m]\'\n' + "\0".join([
    "", "run.steps=7", "run.folder=runs/\u00e9", 'rollout.stop=["\\n", "a"]', "optimizer.learning_rate=1e-3",
    "data.shuffle=false", "rollout.token_budget=64", "algorithm.advantage=rloo"]))
print(sum(path.stat().st_size for path in root.rglob("*") if path.is_file()), "bytes")
