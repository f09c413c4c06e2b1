#!/usr/bin/env python3
"""invar runs, show, diff and report, on ledgers that were written without invar's code.

usage: ledger_test.py PATH_OF_INVAR [unittest options]
"""

import html.parser
import json
import os
import random
import shutil
import sqlite3
import struct
import unittest

from case import Case
from ledger_file import make_step, write_ledger

VOID = {"meta", "br"}


class Page(html.parser.HTMLParser):
    """Checks that tags nest, and collects what the page loads."""

    def __init__(self, text):
        super().__init__()
        self.open, self.errors, self.tags, self.loads, self.ids = [], [], {}, [], []
        self.feed(text)
        self.close()
        if self.open:
            self.errors.append(f"not closed: {self.open}")

    def handle_starttag(self, tag, attrs):
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.loads += [value for name, value in attrs if name in ("src", "href", "srcset", "data", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags[tag] = self.tags.get(tag, 0) + 1

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.errors.append(f"</{tag}> at {self.getpos()}")


class Ledgers(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.a = os.path.join(cls.folder.name, "runs", "a")
        cls.b = os.path.join(cls.folder.name, "runs", "b")
        write_ledger(cls.a, [make_step(step) for step in range(1, 13)])
        write_ledger(cls.b, [make_step(step) for step in range(1, 13)], config="lr = 1e-6\nthreads = 1\n")

    def changed(self, name, change, step=7):
        """The folder of a run like a, but for change(record) in every step from `step` on."""
        steps = [make_step(i) for i in range(1, 13)]
        for record in steps:
            if record["step"] >= step:
                change(record)
        write_ledger(self.path(name), steps)
        return self.path(name)

    def diff(self, a, b, code):
        text = self.invar("diff", a, b)
        self.assertEqual(text.returncode, code, text.stdout.decode() + text.stderr.decode())
        result = self.invar("diff", a, b, "--json")
        self.assertEqual(result.returncode, code)
        return text.stdout.decode(), json.loads(result.stdout)


class Diff(Ledgers):
    def test_equal_runs_are_identical_whatever_their_speed(self):
        text, found = self.diff(self.a, self.b, 0)
        self.assertIn("identical through step 12", text)
        self.assertIn("only in B's config: threads = 1", text)
        self.assertEqual((found["identical"], found["identical_through"], found["difference"]), (True, 12, None))

    def test_one_bit_of_one_log_prob_is_found_wherever_it_is(self):
        draw = random.Random(5)
        for trial in range(6):
            step, sample = draw.randrange(1, 13), draw.randrange(4)
            token, bit = draw.randrange(2 + min(sample, 3)), draw.randrange(23)

            def flip(record):
                values = record["rollouts"][sample]["log_probs"]
                bits = struct.unpack("<I", struct.pack("<f", values[token]))[0] ^ 1 << bit
                values[token] = struct.unpack("<f", struct.pack("<I", bits))[0]

            run = self.changed(str(trial), flip, step)
            text, found = self.diff(self.a, run, 1)
            with self.subTest(step=step, sample=sample, token=token, text=text):
                difference = found["difference"]
                self.assertEqual(difference["step"], step)
                self.assertEqual(found["identical_through"], step - 1 if step > 1 else None)
                self.assertEqual(difference["differing_hashes"], ["rollouts"])
                found = difference["sample"]
                self.assertEqual((found["index"], found["samples_differing"]), (sample, 1))
                sides = found["token"]
                self.assertEqual(sides["position"], token)
                self.assertEqual(int(sides["a"]["log_prob_bits"], 16) ^ int(sides["b"]["log_prob_bits"], 16), 1 << bit)
                self.assertIn(f"first difference: step {step}", text)
                self.assertIn(f"token {token} of the answer: the same token with another log-prob (1 bit", text)

    def test_a_swapped_sample_is_found(self):
        def swap(record):
            record["rollouts"][0], record["rollouts"][2] = record["rollouts"][2], record["rollouts"][0]

        text, found = self.diff(self.a, self.changed("swap", swap), 1)
        self.assertIn("B has this sample as its sample 2: the order differs", text)
        self.assertEqual(found["difference"]["sample"]["moved_to"], 2)

    def test_a_weight_is_named_by_its_hash(self):
        text, found = self.diff(self.a, self.changed("weight", lambda record: record.update(weights="ab" * 32)), 1)
        self.assertEqual(found["difference"]["differing_hashes"], ["weights"])
        self.assertIn("all samples are equal; what differs was computed from them: weights", text)

    def test_a_file_changed_under_its_hashes_is_found(self):
        run = self.path("altered")
        shutil.copytree(self.b, run)
        db = sqlite3.connect(os.path.join(run, "run.db"))
        blob = bytearray(db.execute("SELECT log_probs FROM rollouts WHERE step = 4 AND idx = 1").fetchone()[0])
        blob[5] ^= 1
        db.execute("UPDATE rollouts SET log_probs = ? WHERE step = 4 AND idx = 1", (bytes(blob),))
        db.commit()
        db.close()
        text, found = self.diff(self.a, run, 1)
        self.assertIn("B's recorded samples do not have the hash that B recorded", text)
        self.assertEqual(found["difference"]["altered"], ["b"])
        self.assertEqual(found["difference"]["sample"]["token"]["position"], 1)
        db = sqlite3.connect(os.path.join(run, "run.db"))
        db.execute("UPDATE hashes SET weights = ? WHERE step = 6", ("0" * 64,))
        db.commit()
        db.close()
        self.refuse("diff", self.a, run, needles=("step 6", "chain hash", "changed after it was written"), code=2)

    def test_what_cannot_be_compared_has_an_exit_code_of_its_own(self):
        self.refuse("diff", self.a, self.path("none"), needles=("none", "no such file"), code=2)
        write_ledger(self.path("late"), [make_step(step) for step in range(20, 22)])
        self.refuse("diff", self.a, self.path("late"), needles=("both runs have", "1 to 12", "20 to 21"), code=2)
        self.assertEqual(self.invar("diff", self.a).returncode, 2)


class Show(Ledgers):
    def test_runs_lists_the_runs_below_a_folder_and_those_that_are_damaged(self):
        folder = self.path("runs")
        shutil.copytree(self.a, os.path.join(folder, "good"))
        os.makedirs(os.path.join(folder, "torn"))
        with open(os.path.join(self.a, "run.db"), "rb") as file:
            whole = file.read()
        with open(os.path.join(folder, "torn", "run.db"), "wb") as file:
            file.write(whole[:9000])
        write_ledger(os.path.join(folder, "fresh"), [])
        result = self.invar("runs", folder)
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        lines = result.stdout.decode().splitlines()
        self.assertEqual(len(lines), 4)
        self.assertRegex(lines[0], r"^run +model +steps +reward +held-out +started$")
        self.assertRegex(lines[1], r"fresh +tiny +0 +- +- +2026-01-02")
        self.assertRegex(lines[2], r"good +tiny +12 +[0-9.]+ +0.25 +2026-01-02 03:04:05 UTC$")
        self.assertRegex(lines[3], r"torn .*(malformed|damaged)")
        found = [json.loads(line) for line in self.invar("runs", folder, "--json").stdout.splitlines()]
        self.assertEqual([run.get("last_step") for run in found], [None, 12, None])
        self.assertIn("error", found[2])
        self.refuse("runs", self.path("none"), needles=("none",))

    def test_show_prints_the_run_a_step_and_a_sample(self):
        text = self.invar("show", self.a).stdout.decode()
        for needle in ("seed       7", "steps      1 to 12, 48 samples", "profile fma32", "held-out", "tokens/s"):
            self.assertIn(needle, text)
        run = json.loads(self.invar("show", self.a, "--json").stdout)
        self.assertEqual((run["seed"], len(run["steps"]), len(run["evals"])), (7, 12, 2))
        self.assertIn(run["steps"][-1]["hashes"]["chain"], text)
        record = make_step(3)
        text = self.invar("show", self.a, "--step", 3).stdout.decode()
        self.assertIn(record["weights"], text)
        self.assertIn(record["rollouts"][1]["text"], text)
        step = json.loads(self.invar("show", self.a, "--step", 3, "--json").stdout)
        self.assertEqual([s["tokens"] for s in step["rollouts"]], [s["tokens"] for s in record["rollouts"]])
        self.assertEqual(step["rollouts"][2]["seed"], record["rollouts"][2]["seed"])
        text = self.invar("show", self.a, "--step", 3, "--sample", 3).stdout.decode()
        for needle in ('"answer "', str(record["rollouts"][3]["tokens"][4]), "What is 3 + 3?"):
            self.assertIn(needle, text)
        sample = json.loads(self.invar("show", self.a, "--sample", 0, "--json").stdout)
        self.assertEqual(sample["step"], 12)
        bits = [struct.unpack("<f", bytes.fromhex(x)[::-1])[0] for x in sample["log_prob_bits"]]
        self.assertEqual(len(bits), len(sample["tokens"]))

    def test_show_refuses_what_is_not_there(self):
        self.refuse("show", self.a, "--step", 13, needles=("--step", "1 to 12", "13"))
        self.refuse("show", self.a, "--step", 2, "--sample", 4, needles=("--sample", "0 to 3", "4"))
        self.refuse("show", self.path("none"), needles=("no such file",))
        with open(self.path("text"), "wb") as file:
            file.write(b"text " * 2000)
        self.refuse("show", self.path("text"), needles=("not a database",))

    def test_texts_of_a_model_cannot_move_the_cursor(self):
        def curse(record):
            for sample in record["rollouts"]:
                sample["text"] = "\x1b[2J\x07\r\n" + sample["text"]
                sample["ends"] = []

        run = self.changed("cursed", curse, 1)
        for args in ([], ["--step", 2], ["--step", 2, "--sample", 1]):
            text = self.invar("show", run, *args).stdout
            self.assertEqual(sum(byte < 32 and byte != 10 for byte in text), 0)
        self.assertNotIn(b"\x1b", self.invar("diff", self.a, run).stdout)

    def test_reading_leaves_the_ledger_as_it_is(self):
        with open(os.path.join(self.a, "run.db"), "rb") as file:
            before = file.read()
        for args in (["show", self.a], ["diff", self.a, self.b], ["report", self.a, "-o", self.path("r.html")]):
            self.assertEqual(self.invar(*args).returncode, 0)
        with open(os.path.join(self.a, "run.db"), "rb") as file:
            self.assertEqual(file.read(), before)


class Report(Ledgers):
    def report(self, *runs):
        path = self.path("report.html")
        result = self.invar("report", *runs, "-o", path)
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        self.assertEqual(result.stdout.decode(), path + "\n")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        page = Page(text)
        self.assertEqual(page.errors, [])
        self.assertEqual(page.loads, [])
        self.assertNotIn("script", page.tags)
        return text, page

    def test_the_page_is_well_formed_and_loads_nothing(self):
        text, page = self.report(self.a, self.b)
        self.assertIn("= identical</strong> through step 12", text)
        self.assertGreaterEqual(page.tags["svg"], 8)
        self.assertIn("prefers-color-scheme: dark", text)
        self.assertIn("width=device-width", text)
        for title in ("Reward", "Held-out score", "KL to the reference", "Entropy, nats", "Length, tokens",
                      "tokens/s"):
            self.assertIn(f"<h3>{title}</h3>", text)
        for step in (1, 7, 12):
            self.assertIn(f"<strong>Step {step}</strong>", text)
        self.assertIn("log-prob", text)
        self.report(self.a)
        self.report(*[self.a, self.b] * 4)
        named = self.changed("named", lambda record: record.update(evals={"sums of two": 0.5}), step=10)
        text, _ = self.report(self.a, named)
        for title in ("Held-out score", "Held-out score: sums of two"):
            self.assertIn(f"<h3>{title}</h3>", text)

    def test_runs_that_differ_are_marked(self):
        run = self.changed("weight", lambda record: record.update(weights="ab" * 32))
        text, _ = self.report(self.a, self.b, run)
        self.assertIn("different</strong> from step 7", text)
        self.assertIn("\u2260 ababababab", text)

    def test_texts_are_escaped(self):
        evil = "<script>alert('x')</script></svg>&amp;\x00\u202e"

        def curse(record):
            for sample in record["rollouts"]:
                sample.update(text=evil, label=evil, prompt_text=evil, finish=evil, ends=[])
            record["metrics"][evil] = 1.0

        steps = [make_step(step) for step in range(1, 4)]
        for record in steps:
            curse(record)
        write_ledger(self.path("evil<b>"), steps, config=evil, model=evil)
        text, page = self.report(self.path("evil<b>"), self.a)
        self.assertNotIn("b", page.tags)
        self.assertNotIn("\x00", text)

    def test_standard_output_and_what_cannot_be_written(self):
        result = self.invar("report", self.a, "-o", "-")
        self.assertTrue(result.stdout.startswith(b"<!DOCTYPE html>"))
        self.refuse("report", self.a, "-o", self.path("none/r.html"), needles=("none",))
        self.refuse("report", self.path("missing"), needles=("missing",))


if __name__ == "__main__":
    unittest.main()
