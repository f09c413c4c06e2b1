#!/usr/bin/env python3
"""Invar beside llama.cpp on the same machine, model (bf16), threads and moment: prefill and single-stream decode.

The two run in turn, A B A B ..., and each figure is a median over the pairs, with the ratio pair by pair: the speed of
a shared machine drifts. llama.cpp is llama-cpp-python built from source for this CPU:

    python3 -m venv venv && CMAKE_ARGS=-DGGML_NATIVE=ON venv/bin/pip install llama-cpp-python gguf numpy
    venv/bin/python bench/against_llama_cpp.py build/invar MODEL.gguf [threads [pairs]]

The GGUF is dequantised to bf16 once, so that both engines read the same bf16 weights.
"""
import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import gguf
import llama_cpp
import numpy as np

PROMPT, OUTPUT = 512, 128


def to_bf16(source, target):
    """Writes `source` with every matrix as BF16 (nearest even) and every vector as F32."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", "general.file_type"):
            continue
        kind = field.types[0]
        element = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, field.contents(), kind, sub_type=element)
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        if values.ndim < 2:
            writer.add_tensor(tensor.name, values)
        else:
            data = gguf.quants.quantize(values, gguf.GGMLQuantizationType.BF16)
            writer.add_tensor(tensor.name, data, raw_dtype=gguf.GGMLQuantizationType.BF16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


class LlamaCpp:
    def __init__(self, path, threads):
        self.quiet = llama_cpp.llama_log_callback(lambda level, text, data: None)
        llama_cpp.llama_log_set(self.quiet, ctypes.c_void_p())
        self.llama = llama_cpp.Llama(path, n_ctx=2048, n_batch=512, n_ubatch=512, n_threads=threads,
                                     n_threads_batch=threads, verbose=False, flash_attn=True)
        self.vocab = self.llama.n_vocab()

    def prefill(self, seed):
        """Tokens/s of one prompt."""
        tokens = np.random.default_rng(seed).integers(20, self.vocab, PROMPT).tolist()
        self.llama.reset()
        begin = time.perf_counter()
        self.llama.eval(tokens)
        return PROMPT / (time.perf_counter() - begin)

    def decode(self, seed):
        """Tokens/s of greedy decoding after a prompt of 8."""
        tokens = np.random.default_rng(seed).integers(20, self.vocab, 8).tolist()
        self.llama.reset()
        self.llama.eval(tokens)
        begin = time.perf_counter()
        for _ in range(OUTPUT):
            logits = llama_cpp.llama_get_logits_ith(self.llama.ctx, -1)
            token = int(np.ctypeslib.as_array(logits, (self.vocab,)).argmax())
            self.llama.eval([token])
        return OUTPUT / (time.perf_counter() - begin)


def invar(binary, model, threads, what):
    """Tokens/s of one short `invar bench`."""
    command = [binary, "bench", what, "--json", "--seconds", "0.5", "-m", model, "-t", str(threads)]
    if what == "decode":
        command += ["--max-running-requests", "1"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines = [json.loads(line) for line in output.splitlines()]
    shape = f"{PROMPT} tokens" if what == "prefill" else "batch 1"
    return next(line["tokens_s"] for line in lines if line["what"] == what and line["shape"] == shape)


def main():
    binary, model = sys.argv[1:3]
    threads = int(sys.argv[3]) if len(sys.argv) > 3 else os.cpu_count()
    pairs = int(sys.argv[4]) if len(sys.argv) > 4 else 5
    with tempfile.TemporaryDirectory() as folder:
        bf16 = os.path.join(folder, "model.bf16.gguf")
        to_bf16(model, bf16)
        peer = LlamaCpp(bf16, threads)
        print(f"llama.cpp by llama-cpp-python {llama_cpp.__version__}; {threads} threads; medians of {pairs} pairs")
        for what in ("prefill", "decode"):
            run = getattr(peer, what)
            run(0)
            ours, theirs = [], []
            for i in range(pairs):
                ours.append(invar(binary, bf16, threads, what))
                theirs.append(statistics.median(run(3 * i + j) for j in range(3)))
            ratio = statistics.median(a / b for a, b in zip(ours, theirs))
            shape = f"{PROMPT} tokens" if what == "prefill" else f"{OUTPUT} tokens, batch 1"
            print(f"{what:8} {shape:22} invar {statistics.median(ours):8.1f} tokens/s   "
                  f"llama.cpp {statistics.median(theirs):8.1f} tokens/s   ratio {ratio:.2f} "
                  f"({min(a / b for a, b in zip(ours, theirs)):.2f} to {max(a / b for a, b in zip(ours, theirs)):.2f})")


main()
