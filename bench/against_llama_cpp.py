#!/usr/bin/env python3
"""Invar beside llama.cpp on the same machine, model (bf16), threads and moment: prefill, single-stream decode, and
offline throughput (64 requests of 128 tokens in and 128 out, given at once).

The two run in turn, A B A B ..., and each figure is a median over the pairs, with the ratio pair by pair: the speed of
a shared machine drifts. llama.cpp is llama-cpp-python built from source for this CPU:

    python3 -m venv venv && CMAKE_ARGS=-DGGML_NATIVE=ON venv/bin/pip install llama-cpp-python gguf numpy
    venv/bin/python bench/against_llama_cpp.py build/invar MODEL.gguf [threads [pairs [prefill|decode|throughput]]]

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
REQUESTS, IN, OUT = 64, 128, 128
SHAPES = {"prefill": f"{PROMPT} tokens", "decode": f"{OUTPUT} tokens, batch 1",
          "throughput": f"{REQUESTS} x {IN} in, {OUT} out"}


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

    def close(self):
        self.llama.close()

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


class Batched:
    """llama.cpp's batched decoding, `parallel` requests at a time: prompts in full batches, then steps of all
    sequences, as its batched-bench does."""

    def __init__(self, path, threads, parallel):
        self.parallel = parallel
        self.model = llama_cpp.llama_model_load_from_file(path.encode(), llama_cpp.llama_model_default_params())
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = parallel * (IN + OUT)
        params.n_batch = params.n_ubatch = 512
        params.n_seq_max = parallel
        params.n_threads = params.n_threads_batch = threads
        params.kv_unified = False
        params.flash_attn_type = 1
        self.context = llama_cpp.llama_init_from_model(self.model, params)
        self.vocab = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))

    def close(self):
        llama_cpp.llama_free(self.context)
        llama_cpp.llama_model_free(self.model)

    def decode(self, rows):
        """rows: (token, position, sequence, whether its logits are wanted)."""
        batch = llama_cpp.llama_batch_init(len(rows), 0, 1)
        batch.n_tokens = len(rows)
        for i, (token, position, sequence, wanted) in enumerate(rows):
            batch.token[i] = token
            batch.pos[i] = position
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = sequence
            batch.logits[i] = wanted
        if llama_cpp.llama_decode(self.context, batch) != 0:
            sys.exit("llama_decode failed")
        llama_cpp.llama_batch_free(batch)

    def greedy(self, row):
        logits = llama_cpp.llama_get_logits_ith(self.context, row)
        return int(np.ctypeslib.as_array(logits, (self.vocab,)).argmax())

    def wave(self, prompts):
        """One request for each prompt, from the first prompt row to the last token."""
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)
        tokens = []
        for first in range(0, len(prompts), 512 // IN):
            some = list(enumerate(prompts))[first:first + 512 // IN]
            rows = [(token, i, sequence, i == IN - 1) for sequence, prompt in some for i, token in enumerate(prompt)]
            self.decode(rows)
            tokens += [self.greedy(i) for i, row in enumerate(rows) if row[3]]
        for step in range(1, OUT):
            self.decode([(token, IN + step - 1, sequence, True) for sequence, token in enumerate(tokens)])
            tokens = [self.greedy(i) for i in range(len(prompts))]

    def throughput(self, seed, requests=REQUESTS):
        """Drawn tokens/s."""
        prompts = np.random.default_rng(seed).integers(20, self.vocab, (requests, IN)).tolist()
        begin = time.perf_counter()
        for first in range(0, requests, self.parallel):
            self.wave(prompts[first:first + self.parallel])
        return requests * OUT / (time.perf_counter() - begin)


def best_batched(path, threads):
    """With the number of sequences at a time that is the fastest here."""
    best, best_rate = None, 0
    for parallel in (4, 8, 16, 64):
        peer = Batched(path, threads, parallel)
        rate = peer.throughput(0, requests=parallel)
        print(f"llama.cpp, {parallel} sequences at a time: {rate:.1f} tokens/s", flush=True)
        if rate > best_rate:
            if best:
                best.close()
            best, best_rate = peer, rate
        else:
            peer.close()
    return best


def invar(binary, model, threads, what):
    """Tokens/s of one short `invar bench`."""
    command = [binary, "bench", what, "--json", "--seconds", "0.5", "-m", model, "-t", str(threads)]
    if what == "decode":
        command += ["--max-running-requests", "1"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines = [json.loads(line) for line in output.splitlines()]
    shape = "batch 1" if what == "decode" else SHAPES[what]
    return next(line["tokens_s"] for line in lines if line["what"] == what and line["shape"] == shape)


def main():
    binary, model = sys.argv[1:3]
    threads = int(sys.argv[3]) if len(sys.argv) > 3 else os.cpu_count()
    pairs = int(sys.argv[4]) if len(sys.argv) > 4 else 5
    wanted = sys.argv[5:] or list(SHAPES)
    with tempfile.TemporaryDirectory() as folder:
        bf16 = os.path.join(folder, "model.bf16.gguf")
        to_bf16(model, bf16)
        print(f"llama.cpp by llama-cpp-python {llama_cpp.__version__}; {threads} threads; medians of {pairs} pairs")
        for what in wanted:
            peer = best_batched(bf16, threads) if what == "throughput" else LlamaCpp(bf16, threads)
            run, times = getattr(peer, what), 1 if what == "throughput" else 3
            run(0)
            ours, theirs = [], []
            for i in range(pairs):
                ours.append(invar(binary, bf16, threads, what))
                theirs.append(statistics.median(run(3 * i + j) for j in range(times)))
            ratios = [a / b for a, b in zip(ours, theirs)]
            print(f"{what:10} {SHAPES[what]:22} invar {statistics.median(ours):8.1f} tokens/s   "
                  f"llama.cpp {statistics.median(theirs):8.1f} tokens/s   ratio {statistics.median(ratios):.2f} "
                  f"({min(ratios):.2f} to {max(ratios):.2f})", flush=True)
            peer.close()


main()
