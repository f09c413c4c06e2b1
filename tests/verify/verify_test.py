"""`invar verify` as its users meet it: a tiny model, and servers that keep their bits or do not.

Usage: verify_test.py INVAR [unittest options]
"""
import contextlib
import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import time
import unittest
from pathlib import Path

INVAR = sys.argv.pop(1)
HERE = Path(__file__).resolve().parent
MODEL = HERE.parent / "goldens" / "models" / "llama"


def verify(*args):
    return subprocess.run([INVAR, "verify", *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=200)


@contextlib.contextmanager
def server(fault=""):
    """The URL of a fake server that lives as long as the block."""
    process = subprocess.Popen([sys.executable, HERE / "fake_server.py", fault], stdout=subprocess.PIPE, text=True)
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.communicate()


class Case(unittest.TestCase):
    def refuse(self, result, *needles, code=1):
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        lines = result.stderr.splitlines()
        self.assertEqual(len(lines), 1, result.stderr)
        for needle in ("invar: ", *needles):
            self.assertIn(needle, lines[0])


class Model(Case):
    def test_json_counts_what_ran_and_every_request_has_one_output(self):
        result = verify("-m", MODEL, "--quick", "--json", "--profile", "fma32", "--axis", "chunk", "--axis", "restart")
        self.assertEqual(result.returncode, 0, result.stderr)
        report = json.loads(result.stdout)
        self.assertTrue(report["pass"])
        rows = {row["axis"]: row for row in report["targets"][0]["rows"]}
        self.assertEqual(sorted(rows), ["chunk", "restart"])
        for row in rows.values():
            self.assertEqual(row["distinct"], 1)
            self.assertEqual(row["verdict"], "pass")
            self.assertGreater(row["outputs"], 0)

    def test_a_seed_gives_the_same_table_twice(self):
        tables = [verify("-m", MODEL, "--quick", "--axis", "product", "--profile", "fma32", "--seed", "9").stdout
                  for _ in range(2)]
        self.assertIn("seed 9", tables[0])
        self.assertEqual(tables[0].splitlines()[:-1], tables[1].splitlines()[:-1])

    def test_bad_options_are_one_line(self):
        self.refuse(verify(), "--model", "--url")
        self.refuse(verify("-m", MODEL, "--axis", "colour"), "--axis", "chunk", "colour")
        self.refuse(verify("-m", MODEL, "--profile", "bf16"), "--profile", "bf16")
        self.refuse(verify("-m", MODEL, "--samples", "-1"), "--samples")
        self.refuse(verify("-m", "no/such/model"), "no/such/model")
        self.refuse(verify("-m", MODEL, "--url", "http://x"), "--url", code=2)


class Progress(Case):
    """The proof with a terminal for its standard error."""

    def setUp(self):
        try:
            self.terminal, self.theirs = pty.openpty()
        except OSError as error:
            raise unittest.SkipTest(f"this machine has no pseudo-terminals ({error})") from error
        self.addCleanup(os.close, self.terminal)
        self.seen = ""

    def start(self, *args):
        process = subprocess.Popen([INVAR, "verify", "-m", MODEL, "--profile", "fma32", *args], stderr=self.theirs,
                                   stdout=subprocess.PIPE, text=True)
        os.close(self.theirs)
        self.addCleanup(process.kill)
        return process

    def read_until(self, done, seconds=60):
        end = time.monotonic() + seconds
        while not done(self.seen):
            ready, *_ = select.select([self.terminal], [], [], max(0, end - time.monotonic()))
            self.assertTrue(ready, self.seen)
            try:
                self.seen += os.read(self.terminal, 65536).decode()
            except OSError:  # the other end is closed
                return

    def test_says_how_far_it_is_and_how_long_it_takes_and_clears_the_line(self):
        process = self.start("--quick")
        out = process.communicate(timeout=100)[0]
        self.read_until(lambda seen: False)
        self.assertEqual(process.returncode, 0, self.seen)
        self.assertRegex(self.seen, r"fma32 \d+ %: \w+, run \d+ of \d+")
        self.assertRegex(self.seen, r", about \d+:\d\d left")
        self.assertTrue(self.seen.endswith("\r\033[K"), self.seen[-80:])
        self.assertIn("PASS: ", out)

    def test_ctrl_c_ends_it_soon_with_one_line_and_130(self):
        process = self.start("--samples", "100000")
        self.read_until(lambda seen: "run 3 of" in seen)
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        out = process.communicate(timeout=60)[0]
        self.assertLess(time.monotonic() - begin, 10)
        self.read_until(lambda seen: "not complete" in seen)
        self.assertEqual(process.returncode, 130, self.seen)
        self.assertIn("interrupted; the proof is not complete", self.seen)
        self.assertNotIn("PASS", out)


class Server(Case):
    def test_a_server_that_keeps_its_bits_passes_in_both_apis(self):
        for api, fault, name in (("auto", "", "SGLang's API"), ("openai", "", "OpenAI's API"),
                                 ("auto", "openai", "OpenAI's API")):
            with self.subTest(api=api, fault=fault), server(fault) as url:
                result = verify("--url", url, "--api", api, "--quick")
                self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
                self.assertIn(name, result.stdout)
                self.assertIn("PASS: ", result.stdout)
                self.assertEqual("skipped" in result.stdout, "OpenAI" in name)

    def test_answers_that_follow_the_batch_fail_and_name_the_axis(self):
        with server("batch") as url:
            result = verify("--url", url, "--quick")
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertRegex(result.stdout, r"axis: batch\n +smallest: batch \d+; 3 requests")
        self.assertIn("FAIL: axis: batch;", result.stdout)

    def test_prompts_scored_otherwise_than_drawn_fail_and_name_decode(self):
        with server("scored") as url:
            result = verify("--url", url, "--quick")
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("FAIL: axis: decode;", result.stdout)

    def test_each_fault_of_the_server_is_one_line(self):
        for fault, needles in {"html": ("/generate", "byte"), "status": ("/generate", "200", "503", "overloaded"),
                               "missing": ("output_token_logprobs", "expected")}.items():
            with self.subTest(fault=fault), server(fault) as url:
                self.refuse(verify("--url", url, "--api", "sglang", "--quick"), *needles)

    def test_addresses_that_lead_nowhere_are_one_line(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # nobody listens
            self.refuse(verify("--url", f"http://127.0.0.1:{taken.getsockname()[1]}"), "cannot connect", "refused")
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            self.refuse(verify("--url", f"http://127.0.0.1:{silent.getsockname()[1]}", "--timeout", "1"), "1 s",
                        "--timeout")
        self.refuse(verify("--url", "https://localhost"), "https")
        self.refuse(verify("--url", "localhost:30000"), "http://HOST")
        self.refuse(verify("--url", "http://localhost:0"), "http://HOST")
        self.refuse(verify("--url", "http://localhost", "--api", "grpc"), "--api", "grpc")


if __name__ == "__main__":
    unittest.main()
