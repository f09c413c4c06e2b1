#!/usr/bin/env python3
"""The command line as its users meet it: what is refused, in which words, and that no speed option changes a bit.

usage: cli_test.py PATH_OF_INVAR [unittest options]
"""

import json
import os
import random
import signal
import struct
import subprocess
import time
import unittest

import tiny_model
from case import INVAR, SANITIZED, Case
from tiny_model import make, write

REAL_MODEL = os.path.join(tiny_model.SOURCE, "models", "SmolLM2-135M-Instruct")


class Options(Case):
    def test_bad_values_name_the_option_and_what_was_expected(self):
        cases = {
            ("--temperature", "nan"): ("temperature", "finite", "nan"),
            ("--temperature", "-1"): ("temperature", "-1"),
            ("--temperature", "inf"): ("temperature", "inf"),
            ("--top-p", "0"): ("top_p", "found 0"),
            ("--top-p", "1.5"): ("top_p", "1.5"),
            ("--top-k", "-5"): ("top_k", "-5"),
            ("--min-p", "2"): ("min_p", "2"),
            ("--repetition-penalty", "0"): ("repetition_penalty",),
            ("--n", "0"): ("n: expected 1 to", "found 0"),
            ("--n", "1000000000"): ("n: expected 1 to", "1000000000"),
            ("--max-tokens", "-1"): ("max_tokens", "found -1"),
            ("--min-tokens", "300"): ("min_tokens", "300"),
            ("--stop-token-ids", "5000"): ("stop_token_ids", "0 to 198", "5000"),
            ("--stop-token-ids", "-1"): ("stop_token_ids", "-1"),
            ("--threads", "-1"): ("--threads", "-1"),
            ("--threads", "100000"): ("--threads", "100000"),
            ("--page-size", "7"): ("--page-size", "16, 32, 64 or 128", "7"),
            ("--isa", "sse2"): ("--isa", "avx2", "sse2"),
            ("--profile", "bf16"): ("--profile", "fma32, tc16 or amx32", "bf16"),
            ("--chunked-prefill-size", "0"): ("--chunked-prefill-size",),
            ("--max-running-requests", "0"): ("--max-running-requests",),
            ("--kv-cache-mib", "0"): ("--kv-cache-mib",),
            ("--logit-bias", "5000:1"): ("logit_bias", "0 to 198", "5000"),
            ("--logit-bias", "3:101"): ("logit_bias", "-100 to 100", "101", "token 3"),
            ("--logit-bias", "3:nan"): ("logit_bias", "nan"),
            ("--logit-bias", "3:1", "--logit-bias", "3:2"): ("logit_bias", "token 3 twice"),
            ("--sampling-defaults", "mine"): ("--sampling-defaults", "model or greedy", "mine"),
        }
        for option, needles in cases.items():
            with self.subTest(option=option):
                self.refuse("generate", "-m", self.model, "-p", "hi", *option, needles=needles)

    def test_what_is_no_number_or_no_option_is_a_usage_error(self):
        cases = {
            ("--seed", "-1"): ("--seed", "from 0 to 18446744073709551615", "-1"),
            ("--seed", "99999999999999999999999"): ("--seed", "99999999999999999999999"),
            ("--n", "many"): ("--n", "whole number", "many"),
            ("--n", "1.5"): ("--n", "1.5"),
            ("--top-k", "5000000000"): ("--top-k", "5000000000"),
            ("--temperature", "warm"): ("--temperature", "expected a number", "warm"),
            ("--temperature",): ("--temperature",),
            ("--logit-bias", "42"): ("--logit-bias", "expected ID:BIAS", "42"),
            ("--logit-bias", "a:1"): ("--logit-bias", "expected ID:BIAS", "a:1"),
            ("--logit-bias", "42:"): ("--logit-bias", "expected ID:BIAS", "42:"),
            ("--logit-bias", "42:1x"): ("--logit-bias", "expected ID:BIAS", "42:1x"),
            ("--nope",): ("--nope",),
            ("--nope\n\x1b[31m",): ("--nope",),
        }
        for option, needles in cases.items():
            with self.subTest(option=option):
                self.refuse("generate", "-m", self.model, "-p", "hi", *option, code=2,
                            needles=(*needles, "see invar generate --help"))

    def test_a_missing_or_unknown_command_lists_the_commands(self):
        commands = "generate, chat, inspect, bench, verify, train, eval, replay, runs, show, diff or report"
        self.refuse(code=2, needles=(commands,))
        self.refuse("nope", code=2, needles=(commands,))
        self.refuse("generate", "-p", "x", code=2, needles=("--model",))

    def test_help_and_version_go_to_standard_output(self):
        for args in [["--help"], ["--version"], ["generate", "--help"], ["chat", "--help"], ["inspect", "--help"],
                     ["bench", "--help"], ["verify", "--help"]]:
            result = self.invar(*args)
            self.assertEqual((result.returncode, result.stderr), (0, b""))
            for line in result.stdout.decode().splitlines():
                self.assertLessEqual(len(line), 130, line)

    def test_bench_refuses_what_it_does_not_measure(self):
        self.refuse("bench", "speed", needles=("bench", "speed"))
        self.refuse("bench", "--seconds", "0", needles=("--seconds", "found 0"))
        self.refuse("bench", "prefill", needles=("--model",))


class Prompts(Case):
    def test_an_empty_prompt_is_refused(self):
        self.refuse("generate", "-m", self.model, needles=("no prompt",))
        self.refuse("generate", "-m", self.model, "-p", "", needles=("prompt 0", "found nothing"))
        self.refuse("generate", "-m", self.model, "-p", "a", "-f", "-", needles=("prompt 1", "found nothing"))

    def test_a_prompt_that_is_not_utf8_is_refused(self):
        for options in [[], ["--no-chat-template"]]:
            self.refuse("generate", "-m", self.model, "-f", "-", *options, stdin=b"abc\xff",
                        needles=("prompt 0", "UTF-8"))

    def test_a_prompt_longer_than_the_context_is_refused(self):
        self.refuse("generate", "-m", self.model, "-f", "-", stdin=b"ab " * 4000,
                    needles=("prompt 0", "context", "2048"))
        self.refuse("generate", "-m", self.model, "--no-chat-template", "-f", "-", stdin=b"a" * 2048,
                    needles=("2048 tokens",))
        lines = self.generate("--no-chat-template", "-f", "-", "--ignore-eos", stdin=b"a" * 2047)
        self.assertEqual((len(lines[0]["tokens"]), lines[0]["finish_reason"]), (1, "length"))

    def test_a_prompt_file_of_a_gibibyte_is_refused_quickly(self):
        path = self.path("sparse")
        with open(path, "wb") as file:
            file.truncate(1 << 30)
        self.refuse("generate", "-m", self.model, "-f", path, needles=("longer than 64 MiB",))
        os.remove(path)

    def test_endless_standard_input_is_refused(self):
        self.assert_refused(self.shell('head -c 1G /dev/zero | "$1" generate -m "$2" -f -'), "longer than 64 MiB")
        result = self.shell('head -c 1G /dev/zero | "$1" chat -m "$2"')
        self.assert_refused(result, "longer than 64 MiB")

    def test_a_prompt_file_that_cannot_be_read_is_refused(self):
        self.refuse("generate", "-m", self.model, "-f", self.path("none"), needles=("--prompt-file", "No such file"))
        self.refuse("generate", "-m", self.model, "-f", self.folder.name, needles=("--prompt-file", "cannot read"))

    def test_more_cache_than_allowed_is_refused(self):
        self.refuse("generate", "-m", make(self.path("m"), config={"max_position_embeddings": 100000}), "-p", "hi",
                    "--max-tokens", "90000", "--kv-cache-mib", "1", needles=("KV cache", "limit"))


class Models(Case):
    def refuse_model(self, path, *needles):
        self.refuse("generate", "-m", path, "-p", "hi", needles=needles)

    def test_a_path_without_a_model_is_refused(self):
        empty = self.path("empty")
        os.mkdir(empty)
        self.refuse_model(self.path("missing"), "missing")
        self.refuse_model(empty, "empty")
        self.refuse_model("/dev/null", "/dev/null")
        self.refuse("inspect", self.path("missing"), needles=("missing",))
        self.refuse("chat", "-m", empty, needles=("empty",))

    def test_a_model_without_weights_or_configuration_is_refused(self):
        for name in ["model.safetensors", "config.json", "tokenizer.json"]:
            folder = make(self.path(name))
            os.remove(os.path.join(folder, name))
            with self.subTest(name=name):
                self.refuse_model(folder, name.split(".", maxsplit=1)[0])

    @unittest.skipIf(os.geteuid() == 0, "root may read everything")
    def test_an_unreadable_file_is_refused(self):
        folder = make(self.path("m"))
        os.chmod(os.path.join(folder, "model.safetensors"), 0)
        self.refuse_model(folder, "Permission denied")

    def test_safetensors_cut_short_are_refused_at_every_length(self):
        folder = make(self.path("m"))
        path = os.path.join(folder, "model.safetensors")
        with open(path, "rb") as file:
            whole = file.read()
        for length in [0, 1, 7, 8, 9, 100, len(whole) // 2, len(whole) - 1]:
            with self.subTest(length=length):
                write(path, whole[:length])
                self.refuse_model(folder, "model.safetensors")
        write(path, whole + b"x")
        self.refuse_model(folder, "model.safetensors")
        write(path, struct.pack("<Q", 1 << 60) + whole[8:])
        self.refuse_model(folder, "model.safetensors")

    def test_weights_of_another_dtype_or_shape_are_refused(self):
        folder = make(self.path("m"))
        path = os.path.join(folder, "model.safetensors")
        with open(path, "rb") as file:
            whole = file.read()
        size = struct.unpack("<Q", whole[:8])[0]
        header = json.loads(whole[8:8 + size])
        name = next(key for key in header if key.endswith("q_proj.weight"))

        def change(**entries):
            changed = dict(header)
            changed[name] = header[name] | entries
            text = json.dumps(changed).encode()
            write(path, struct.pack("<Q", len(text)) + text + whole[8 + size:])

        change(dtype={"BF16": "I16", "F16": "I16", "F32": "I32"}[header[name]["dtype"]])
        self.refuse_model(folder, name)
        change(dtype="X9")
        self.refuse_model(folder, "X9")
        change(shape=[2, 1])
        self.refuse_model(folder, name)
        change(shape=[1 << 40, 1 << 40])
        self.refuse_model(folder, name)

    def test_weights_that_are_not_numbers_end_in_an_error_or_an_answer_never_a_crash(self):
        folder = make(self.path("m"))
        path = os.path.join(folder, "model.safetensors")
        with open(path, "rb") as file:
            whole = file.read()
        size = struct.unpack("<Q", whole[:8])[0]
        write(path, whole[:8 + size] + b"\xff" * (len(whole) - 8 - size))
        for options in [[], ["--temperature", "1", "--top-p", "0.9"], ["--logprobs", "--json"]]:
            result = self.invar("generate", "-m", folder, "-p", "hi", "--max-tokens", "4", *options)
            self.assertIn(result.returncode, (0, 1), result.stderr.decode())

    def test_gguf_cut_short_is_refused_at_every_length(self):
        def text(value):
            return struct.pack("<Q", len(value)) + value.encode()

        whole = b"GGUF" + struct.pack("<IQQ", 3, 1, 3)
        whole += text("general.architecture") + struct.pack("<I", 8) + text("llama")
        whole += text("llama.block_count") + struct.pack("<II", 4, 2)
        whole += text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 3) + text("a") + text("b") + text("c")
        whole += text("token_embd.weight") + struct.pack("<IQQIQ", 2, 32, 4, 0, 0)
        whole += b"\0" * (-len(whole) % 32) + b"\0" * 512
        path = self.path("m.gguf")
        for length in [*range(0, 160, 13), len(whole) - 513, len(whole) - 1, len(whole)]:
            with self.subTest(length=length):
                write(path, whole[:length])
                self.refuse_model(path, "m.gguf")

    def test_sizes_beyond_all_models_are_refused(self):
        cases = [{"vocab_size": 10**18}, {"vocab_size": -1}, {"vocab_size": 0}, {"hidden_size": 10**9},
                 {"intermediate_size": 10**12}, {"num_hidden_layers": 10**6}, {"num_attention_heads": 0},
                 {"num_key_value_heads": 3}, {"head_dim": 10**9}, {"head_dim": 15}, {"max_position_embeddings": 10**12},
                 {"max_position_embeddings": 0}, {"rms_norm_eps": -1}, {"vocab_size": "199"}, {"hidden_size": 64.5},
                 {"hidden_size": 10**30}, {"hidden_size": 131072}, {"num_hidden_layers": 1024}]
        for i, config in enumerate(cases):
            with self.subTest(config=config):
                self.refuse_model(make(self.path(str(i)), config=config))

    def test_an_unknown_architecture_or_a_broken_configuration_is_refused(self):
        self.refuse_model(make(self.path("a"), config={"architectures": ["MambaForCausalLM"]}), "MambaForCausalLM",
                          "Llama")
        self.refuse_model(make(self.path("b"), config={"hidden_act": "gelu"}), "hidden_act", "gelu")
        folder = make(self.path("c"))
        for broken in [b"", b"{", b"[]", b"\xff", b'{"a":1,"a":2}', b"[" * 100000]:
            write(os.path.join(folder, "config.json"), broken)
            self.refuse_model(folder, "config.json")

    def test_a_tokenizer_larger_than_the_model_is_refused(self):
        folder = make(self.path("m"))
        tokenizer = tiny_model.tokenizer_json()
        tokenizer["model"]["vocab"]["extra"] = 500
        write(os.path.join(folder, "tokenizer.json"), tokenizer)
        self.refuse_model(folder, "tokenizer")
        for broken in [b"", b"{}", b"null"]:
            write(os.path.join(folder, "tokenizer.json"), broken)
            self.refuse_model(folder, "tokenizer.json")

    def test_a_template_that_loops_or_breaks_is_refused(self):
        cases = {"{% for i in range(10**9) %}{% endfor %}": "",
                 "{% for i in range(1000000000) %}x{% endfor %}": "",
                 "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}": "",
                 "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}": "",
                 "{{ 'x' * 10000000000 }}": "",
                 "{% if %}": "line 1",
                 "{{ messages | nofilter }}": "nofilter",
                 "{{ raise_exception('not\nlike this') }}": "like this",
                 "{{ messages[7].content.x }}": "",
                 "(" * 100000 + "{{" + "(" * 100000: ""}
        for i, (template, needle) in enumerate(cases.items()):
            with self.subTest(template=template[:60]):
                begin = time.monotonic()
                self.refuse_model(make(self.path(str(i)), template=template), needle)
                self.assertLess(time.monotonic() - begin, 10)

    def test_a_model_without_a_template_says_what_to_do(self):
        folder = make(self.path("m"), template=None)
        self.refuse_model(folder, "--no-chat-template")
        self.refuse("chat", "-m", folder, needles=("--no-chat-template",))
        self.assertEqual(len(self.generate("-p", "hi", "--no-chat-template", model=folder)), 1)


class Output(Case):
    def test_a_reader_that_leaves_gets_no_garbage(self):
        result = self.shell('"$1" generate -m "$2" -p hi -n 200 --temperature 1 --max-tokens 20 | head -1')
        self.assertEqual(result.stdout.count(b"\n"), 1)
        self.assertLessEqual(result.stderr.count(b"\n"), 1, result.stderr.decode())

    def test_a_full_disk_is_an_error(self):
        for options in ["", "--json", "--no-stream", "-n 2"]:
            result = self.shell(f'"$1" generate -m "$2" -p hi {options} > /dev/full')
            self.assertEqual(result.returncode, 1)
            self.assertRegex(result.stderr.decode().splitlines()[-1], "^invar: .*No space left")
        self.assertEqual(self.shell('"$1" inspect "$2" > /dev/full').returncode, 1)
        self.assertEqual(self.shell('"$1" --help > /dev/full').returncode, 1)

    def test_a_closed_standard_output_is_an_error(self):
        result = self.shell('"$1" generate -m "$2" -p hi >&-')
        self.assertEqual(result.returncode, 1)
        self.assertIn("invar: ", result.stderr.decode())

    @unittest.skipIf(SANITIZED, "a sanitizer reserves terabytes of addresses")
    def test_little_memory_is_an_error_never_a_crash(self):
        for kib in range(20000, 400000, 38000):
            result = self.shell(f'ulimit -v {kib}; "$1" generate -m "$2" -p hi --threads 8')
            error = result.stderr.decode()
            with self.subTest(kib=kib, error=error):
                # 127: the dynamic linker found no room before the program began.
                self.assertIn(result.returncode, (0, 1, 127))
                self.assertNotIn("terminate", error)

    def test_json_lines_have_the_documented_fields(self):
        lines = self.generate("-p", "one", "-p", "two", "-n", "2", "--temperature", "1", "--max-tokens", "5",
                              "--logprobs", "--prompt-logprobs", "--ignore-eos")
        self.assertEqual([(x["prompt"], x["sample"]) for x in lines], [(0, 0), (0, 1), (1, 0), (1, 1)])
        for line in lines:
            self.assertEqual(len(line["tokens"]), 5)
            self.assertEqual(len(line["log_probs"]), 5)
            self.assertEqual(len(line["prompt_log_probs"]), line["prompt_tokens"] - 1)
            self.assertEqual((line["finish_reason"], line["seed"], line["profile"]), ("length", 0, "fma32"))
            self.assertRegex(line["fingerprint"], "^[0-9a-f]{64}$")
        (other,) = self.generate("-p", "one", "--max-tokens", "1", "--profile", "tc16")
        self.assertRegex(other["fingerprint"], "^[0-9a-f]{64}$")
        self.assertEqual(len({line["fingerprint"] for line in [*lines, other]}), 2)

    def test_log_probs_are_printed_with_their_bits(self):
        result = self.invar("generate", "-m", self.model, "-p", "hi", "--max-tokens", "3", "--ignore-eos", "--logprobs")
        table = result.stdout.decode().splitlines()[-3:]
        (line,) = self.generate("-p", "hi", "--max-tokens", "3", "--ignore-eos", "--logprobs")
        for row, token, log_prob in zip(table, line["tokens"], line["log_probs"], strict=True):
            fields = row.split()
            self.assertEqual(int(fields[0]), token)
            self.assertEqual(struct.unpack(">f", bytes.fromhex(fields[2]))[0], log_prob)

    def test_streamed_text_is_the_text(self):
        options = ["generate", "-m", self.model, "-p", "hi", "--max-tokens", "40", "--ignore-eos", "--temperature", "1"]
        streamed = self.invar(*options)
        self.assertEqual(streamed.returncode, 0)
        self.assertEqual(streamed.stdout, self.invar(*options, "--no-stream").stdout)
        (line,) = self.generate(*options[3:])
        self.assertEqual(streamed.stdout.decode(), line["text"].removesuffix("\n") + "\n")

    def test_a_stop_string_ends_the_text_before_it(self):
        options = ["-p", "hi", "--max-tokens", "60", "--ignore-eos", "--temperature", "1"]
        (whole,) = self.generate(*options)
        stop = whole["text"][20:22]
        (cut,) = self.generate(*options, "--stop", stop, "--stop", "never\x01this")
        self.assertEqual(cut["text"], whole["text"][:whole["text"].index(stop)])
        self.assertEqual(cut["finish_reason"], "stop")
        self.assertEqual(cut["tokens"], whole["tokens"][:len(cut["tokens"])])

    def test_a_logit_bias_forces_or_forbids_a_token(self):
        options = ["-p", "hi", "--max-tokens", "6", "--ignore-eos"]
        (plain,) = self.generate(*options)
        first = plain["tokens"][0]
        (forbidden,) = self.generate(*options, "--logit-bias", f"{first}:-100")
        self.assertNotIn(first, forbidden["tokens"])
        other = forbidden["tokens"][0]
        (forced,) = self.generate(*options, "--logit-bias", f"{first}:-100", "--logit-bias", f"{other}:100")
        self.assertEqual(forced["tokens"], [other] * 6)

    def test_the_models_own_sampling_is_used_when_asked_for(self):
        folder = make(self.path("m"), generation={"do_sample": True, "temperature": 0.7, "top_k": 20,
                                                  "repetition_penalty": 1.3})
        options = ["-p", "hi", "--max-tokens", "20", "--ignore-eos"]
        explicit = ["--temperature", "0.7", "--top-k", "20", "--repetition-penalty", "1.3"]
        greedy = self.generate(*options, model=folder)
        self.assertEqual(greedy, self.generate(*options, "--temperature", "0"))
        asked = self.generate(*options, "--sampling-defaults", "model", model=folder)
        self.assertEqual(asked, self.generate(*options, *explicit))
        self.assertNotEqual(asked, greedy)
        self.assertEqual(self.generate(*options, "--sampling-defaults", "model", "--top-k", "3", model=folder),
                         self.generate(*options, *explicit, "--top-k", "3"))
        defaults = json.loads(self.invar("inspect", folder, "--json").stdout)["sampling_defaults"]
        self.assertEqual(defaults, {"do_sample": True, "temperature": 0.7, "top_k": 20, "repetition_penalty": 1.3})

    def test_inspect_works_without_a_tokenizer(self):
        folder = make(self.path("m"), tokenizer=False, template=None)
        found = json.loads(self.invar("inspect", folder, "--json", "--digest", "--tensors").stdout)
        self.assertEqual((found["vocab_size"], len(found["weights_sha256"]), found["rms_eps"]), (199, 64, 1e-05))
        self.assertIn("tokenizer", found)
        self.assertEqual(found["parameters"], sum(_product(t["shape"]) for t in found["tensors"]))
        self.assertIn(b"llama", self.invar("inspect", folder).stdout.lower())

    def test_an_interrupt_ends_an_answer_with_what_it_has(self):
        with subprocess.Popen([INVAR, "generate", "-m", self.model, "-p", "hi", "--max-tokens", "2000",
                               "--ignore-eos", "--threads", "1", "--isa", "ref"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
            first = run.stdout.read(1)
            run.send_signal(signal.SIGINT)
            rest, error = run.communicate(timeout=30)
        self.assertEqual((len(first), run.returncode), (1, 130), error.decode())
        self.assertIn("interrupted", error.decode())
        self.assertTrue(rest.endswith(b"\n"))


def _product(shape):
    product = 1
    for size in shape:
        product *= size
    return product


class Bits(Case):
    PROMPTS = ["hi", "The quick brown fox jumps over the lazy dog. " * 9, "Zürich, 1+1=2\n\n\tx", "a" * 200]
    SAMPLING = ["-n", "2", "--temperature", "0.9", "--top-p", "0.95", "--top-k", "60", "--repetition-penalty", "1.1",
                "--seed", "12345", "--max-tokens", "24", "--ignore-eos", "--logprobs", "--prompt-logprobs"]
    TIERS = ["ref", "avx2", "avx512", "avx512bf16", "amx"]

    def tiers(self):
        refused = [tier for tier in self.TIERS if b"this CPU has no" in
                   self.invar("generate", "-m", self.model, "-p", "x", "--max-tokens", "1", "--isa", tier).stderr]
        return [tier for tier in self.TIERS if tier not in refused]

    def prompts(self, prompts):
        return [argument for prompt in prompts for argument in ("-p", prompt)]

    def check(self, settings, model, sampling, prompts, profiles):
        for profile in profiles:
            options = [*sampling, "--profile", profile]
            expected = self.generate(*self.prompts(prompts), *options, model=model)
            for setting in settings:
                with self.subTest(profile=profile, setting=setting):
                    self.assertEqual(self.generate(*self.prompts(prompts), *options, *setting, model=model), expected)
            for i, prompt in enumerate(prompts):
                alone = self.generate("-p", prompt, *options, model=model)
                self.assertEqual([x | {"prompt": i} for x in alone], [x for x in expected if x["prompt"] == i])

    def test_no_speed_option_changes_a_line_of_json(self):
        values = {"--threads": ["1", "2", "3", "5"], "--isa": self.tiers(),
                  "--chunked-prefill-size": ["1", "7", "64", "4096"],
                  "--page-size": ["16", "32", "64", "128"], "--max-running-requests": ["1", "3", "64"]}
        # Every value of every axis alone, then some of all axes together.
        settings = [[name, value] for name, list_ in values.items() for value in list_]
        draw = random.Random(7)
        settings += [[x for name, list_ in values.items() for x in (name, draw.choice(list_))] for _ in range(6)]
        self.check(settings, self.model, self.SAMPLING, self.PROMPTS, ["fma32", "tc16", "amx32"])

    @unittest.skipUnless(os.path.isdir(REAL_MODEL), "no models/SmolLM2-135M-Instruct; ./dev model fetches it")
    def test_no_speed_option_changes_a_line_of_json_of_a_real_model(self):
        settings = [["--threads", "1", "--isa", "avx2", "--chunked-prefill-size", "9", "--page-size", "16",
                     "--max-running-requests", "1"]]
        sampling = ["--temperature", "0.8", "--seed", "3", "--max-tokens", "6", "--logprobs", "--prompt-logprobs"]
        self.check(settings, REAL_MODEL, sampling, ["Name a colour."], ["fma32"])


if __name__ == "__main__":
    unittest.main()
