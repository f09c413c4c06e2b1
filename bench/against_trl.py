#!/usr/bin/env python3
"""A step of GRPO by Invar beside TRL's on PyTorch: the same machine, model (bf16 weights), threads, number of prompts,
samples of each, prompt and response lengths (no response may end early), and one AdamW update of all weights.

The two run in turn, A B A B ..., and each figure is a median over the pairs, with the ratio pair by pair: the speed of
a shared machine drifts. TRL gets the setting that is the fastest of those tried here: fp32, fp32 with bf16 autocast
(its default), bf16 weights; all without gradient checkpointing and in as large a batch as there is.

    python3 -m venv venv && venv/bin/pip install torch transformers trl gguf
    venv/bin/python bench/against_trl.py build/invar MODEL [threads [pairs [settings [profile]]]]

MODEL: a .gguf of SmolLM2's kind, which is made a folder for both, or such a folder (safetensors, tokenizer.json).
settings: a list out of fp32,autocast,bf16 (all of them if there is none). profile: of Invar; fma32 if there is none.
"""
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import gguf
import tokenizers
import torch
import transformers
import trl
from datasets import Dataset

PROMPTS, SAMPLES, PROMPT, RESPONSE = 8, 8, 32, 32
LEARNING_RATE = 1e-6

CONFIG = """
[model]
path = "{model}"
profile = "{profile}"
[run]
seed = 1
steps = {steps}
eval_every = 0
[data]
file = "{data}"
chat_template = false
[rollout]
groups = {prompts}
samples = {samples}
max_tokens = {response}
ignore_eos = true
[reward]
kind = "regex"
pattern = "[jqxz]"
[algorithm]
advantage = "grpo"
[optimizer]
learning_rate = {rate}
"""


def make_prompts(tokenizer, count):
    """Texts of exactly PROMPT tokens each."""
    words = [text for text in (tokenizer.decode([i]) for i in range(300, 6000))
             if text.startswith(" ") and text[1:].isascii() and text[1:].isalpha()]
    draw = random.Random(1)
    texts = []
    while len(texts) < count:
        text = "".join(draw.choice(words) for _ in range(PROMPT))
        if len(tokenizer(text)["input_ids"]) == PROMPT:
            texts.append(text)
    return texts


def peak_memory(pid):
    """Of a child that runs, in bytes; 0 of one that has ended. (getrusage would count this program's own too, which the
    child begins as.)"""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


class Invar:
    """Each call is a process of a few steps; the first touches its memory for the first time, and is left out."""

    STEPS = 2

    def __init__(self, binary, model, folder, texts, threads, profile):
        self.binary, self.threads, self.config = binary, threads, folder / "config.toml"
        data = folder / "data.jsonl"
        data.write_text("".join(json.dumps({"input": text, "label": ""}) + "\n" for text in texts))
        self.config.write_text(CONFIG.format(model=model, profile=profile, steps=self.STEPS, data=data, prompts=PROMPTS,
                                             samples=SAMPLES, response=RESPONSE, rate=LEARNING_RATE))

    def step(self):
        """(seconds of a step, of its rollout, of its update, peak memory in bytes)."""
        command = [self.binary, "train", str(self.config), "--json", "-t", str(self.threads)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            ends, lines, peak = [], [], 0
            for line in process.stdout:
                ends.append(time.perf_counter())
                peak = max(peak, peak_memory(process.pid))
                lines.append(json.loads(line))
                print(f"Invar, step {len(lines)}: rollout {lines[-1]['rollout_s']:.2f} s, update "
                      f"{lines[-1]['update_s']:.2f} s", file=sys.stderr, flush=True)
        if process.returncode != 0 or len(lines) != self.STEPS:
            sys.exit(f"{' '.join(command)}: exit code {process.returncode}")
        for line in lines:
            if line["length"] != RESPONSE or line["differing_log_probs"] != 0 or line["gradient_norm"] == 0:
                sys.exit(f"not the step that was asked for: {line}")
        return ((ends[-1] - ends[0]) / (self.STEPS - 1), statistics.mean(line["rollout_s"] for line in lines[1:]),
                statistics.mean(line["update_s"] for line in lines[1:]), peak)


def reward(completions, **_):
    return [float(text.count("a") + text.count("e")) for text in completions]


class Trl:
    def __init__(self, model, folder, texts, setting):
        self.model, self.folder, self.texts, self.setting = model, folder, texts, setting
        self.rollouts, self.steps = [], []

    def train(self, steps, between):
        """Takes steps, and calls between() behind each but the first; seconds are left in self.steps, self.rollouts."""
        dtype = torch.bfloat16 if self.setting == "bf16" else torch.float32
        model = transformers.AutoModelForCausalLM.from_pretrained(self.model, dtype=dtype)
        tokenizer = transformers.AutoTokenizer.from_pretrained(self.model)
        arguments = trl.GRPOConfig(
            output_dir=str(self.folder / "trl"), use_cpu=True, bf16=self.setting == "autocast", max_steps=steps,
            per_device_train_batch_size=PROMPTS * SAMPLES, gradient_accumulation_steps=1, num_generations=SAMPLES,
            max_completion_length=RESPONSE, generation_kwargs={"min_new_tokens": RESPONSE}, temperature=1.0, beta=0.0,
            num_iterations=1, learning_rate=LEARNING_RATE, gradient_checkpointing=False, save_strategy="no",
            logging_strategy="no", report_to=[], disable_tqdm=True, seed=1)
        timer = self

        class Between(transformers.TrainerCallback):
            def on_step_begin(self, args, state, control, **kwargs):
                self.begin = time.perf_counter()

            def on_step_end(self, args, state, control, **kwargs):
                timer.steps.append(time.perf_counter() - self.begin)
                print(f"TRL {timer.setting}, step {state.global_step}: {timer.steps[-1]:.2f} s, rollout "
                      f"{timer.rollouts[-1]:.2f} s", file=sys.stderr, flush=True)
                if state.global_step > 1:
                    between()

        trainer = trl.GRPOTrainer(model=model, reward_funcs=reward, args=arguments, processing_class=tokenizer,
                                  train_dataset=Dataset.from_dict({"prompt": self.texts}), callbacks=[Between()])
        roll_out = trainer._generate_and_score_completions

        def timed(inputs):
            begin = time.perf_counter()
            output = roll_out(inputs)
            timer.rollouts.append(time.perf_counter() - begin)
            shapes = [tuple(output[key].shape) for key in ("prompt_ids", "completion_ids")]
            wanted = [(PROMPTS * SAMPLES, PROMPT), (PROMPTS * SAMPLES, RESPONSE)]
            if shapes != wanted or not output["completion_mask"].all():
                sys.exit(f"not the rollout that was asked for: {shapes}")
            return output

        trainer._generate_and_score_completions = timed
        trainer.train()


def export(source, folder):
    """The model of a GGUF as a folder that both read: bf16 weights, tokenizer."""
    model = transformers.AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float32)
    weights = {name: tensor.bfloat16() for name, tensor in model.state_dict().items()}
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config  # of the file, not of the model that was made of it
    plain = transformers.AutoModelForCausalLM.from_config(model.config, dtype=torch.bfloat16)
    plain.load_state_dict(weights)
    plain.save_pretrained(folder)
    tokenizer_of(source).save_pretrained(folder)
    return folder


def tokenizer_of(path):
    """Of a GGUF with byte-level BPE that splits digits, as SmolLM2's is."""
    fields = gguf.GGUFReader(path).fields
    tokens, merges = (fields[f"tokenizer.ggml.{name}"].contents() for name in ("tokens", "merges"))
    bpe = tokenizers.Tokenizer(tokenizers.models.BPE(vocab={token: i for i, token in enumerate(tokens)},
                                                     merges=[tuple(merge.split(" ")) for merge in merges]))
    bpe.pre_tokenizer = tokenizers.pre_tokenizers.Sequence([
        tokenizers.pre_tokenizers.Digits(individual_digits=True),
        tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)])
    bpe.decoder = tokenizers.decoders.ByteLevel()
    end = tokens[fields["tokenizer.ggml.eos_token_id"].contents()]
    return transformers.PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token=end, pad_token=end)


def text(values, unit="s"):
    return f"{statistics.median(values):6.2f} {unit} ({min(values):.2f} to {max(values):.2f})"


def main():
    binary, model = sys.argv[1:3]
    threads = int(sys.argv[3]) if len(sys.argv) > 3 else os.cpu_count()
    pairs = int(sys.argv[4]) if len(sys.argv) > 4 else 3
    settings = sys.argv[5].split(",") if len(sys.argv) > 5 else ["fp32", "autocast", "bf16"]
    profile = sys.argv[6] if len(sys.argv) > 6 else "fma32"
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        path = pathlib.Path(model)
        if path.is_file():
            path = export(path, folder / "model")
        texts = make_prompts(transformers.AutoTokenizer.from_pretrained(path), 64)
        invar = Invar(binary, path, folder, texts, threads, profile)
        print(f"GRPO, {PROMPTS} prompts x {SAMPLES} samples, {PROMPT} + {RESPONSE} tokens; {threads} threads; TRL "
              f"{trl.__version__}, PyTorch {torch.__version__}, transformers {transformers.__version__}", flush=True)
        for setting in settings:
            ours = []
            peer = Trl(path, folder, texts, setting)
            peer.train(pairs + 1, lambda: ours.append(invar.step()))
            steps, rollouts = peer.steps[1:], peer.rollouts[1:]
            updates = [step - rollout for step, rollout in zip(steps, rollouts)]
            ratios = [theirs / mine[0] for theirs, mine in zip(steps, ours)]
            print(f"TRL {setting:8}: step {text(steps)}, rollout {text(rollouts)}, update {text(updates)}\n"
                  f"Invar {profile:6}: step {text([o[0] for o in ours])}, rollout {text([o[1] for o in ours])}, update "
                  f"{text([o[2] for o in ours])}, peak memory {max(o[3] for o in ours) / 2**30:.2f} GiB\n"
                  f"Invar is {statistics.median(ratios):.2f} times as fast ({min(ratios):.2f} to {max(ratios):.2f})",
                  flush=True)


main()
