#!/usr/bin/env python3
"""invar train on a folder that has a run: it goes on, or says in one line why not; its checkpoints are models.

usage: train_resume_test.py PATH_OF_INVAR [unittest options]
"""

import glob
import json
import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import unittest

from case import INVAR
from tiny_model import make
from training_run import CONFIG, TrainingCase, checkpoints, files, open_ledger, rows, starts

# Dies where the first file is; makes it of the second one after as many answers as that says.
REWARD = """
import hashlib, json, os, sys
gone, soon = sys.argv[1:]
left = int(open(soon).read()) if os.path.exists(soon) else 0
for line in sys.stdin:
    if os.path.exists(gone):
        sys.exit(3)
    item = json.loads(line)
    reward = hashlib.sha256(json.dumps([item["prompt"], item["response"]]).encode()).digest()[0] % 2
    left -= 1
    if left == 0:
        os.rename(soon, gone)
    print(json.dumps({"id": item["id"], "reward": reward}), flush=True)
"""


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at


def fields(data):
    """The fields of a protobuf message, as (number, value)."""
    at, found = 0, []
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        else:
            size = {1: 8, 5: 4}.get(key & 7)
            if size is None:
                size, at = varint(data, at)
            value, at = data[at:at + size], at + size
        found.append((key >> 3, value))
    return found


def events(path):
    """(step, {tag: value}) of each event of a TensorBoard file; the value of a start of a session is None."""
    with open(path, "rb") as file:
        data = file.read()
    at, found = 0, []
    while at < len(data):
        size = struct.unpack_from("<Q", data, at)[0]
        event = dict(fields(data[at + 12:at + 12 + size]))
        at += 16 + size
        if 7 in event:
            found.append((event.get(2, 0), None))
        if 5 in event:
            values = [dict(fields(value)) for _, value in fields(event[5])]
            found.append((event.get(2, 0), {v[1].decode(): struct.unpack("<f", v[2])[0] for v in values}))
    return found


class Resume(TrainingCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.straight = cls.record("straight")

    def copy(self, name="run"):
        return shutil.copytree(self.straight, self.path(name))

    def refuse_train(self, folder, *sets, needles):
        """The run is refused in one line, and stays as it was."""
        before, names = rows(folder), checkpoints(folder)
        args = [arg for text in sets for arg in ("--set", text)]
        result = self.invar("train", self.config(), "--set", f"run.folder={folder}", *args)
        self.assert_refused(result, *needles)
        self.assertEqual((rows(folder), checkpoints(folder)), (before, names))

    def test_a_complete_run_says_so_and_stays_as_it_is(self):
        folder = self.copy()
        self.assertEqual(checkpoints(folder), ["checkpoint-000004", "checkpoint-000006"])
        before = rows(folder)
        self.assertIn("complete: 6 of 6 steps", self.train(folder))
        self.assertEqual((self.lines, rows(folder), starts(folder)), ([], before, [0]))

    def test_after_ctrl_c_the_same_command_goes_on(self):
        self.interrupt_and_go_on(signal.SIGINT, code=130)

    def test_after_sigterm_the_same_command_goes_on(self):
        self.interrupt_and_go_on(signal.SIGTERM, code=143)

    def interrupt_and_go_on(self, number, code):
        folder, pieces = self.path("run"), 0
        while pieces < 3:
            process = subprocess.Popen([INVAR, "train", self.config(), "--json", "--set", f"run.folder={folder}",
                                        "--set", "checkpoint.every=0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            process.stdout.readline()
            process.send_signal(number)
            error = process.communicate(timeout=60)[1].decode()
            if process.returncode == 0:
                break
            self.assertEqual(process.returncode, code, error)
            self.assertRegex(error, r"interrupted after \d of 6 steps; the same command goes on from there")
            pieces += 1
            last = max(row[0] for row in rows(folder)["steps"])
            self.assertEqual(checkpoints(folder)[-1], f"checkpoint-{last:06}")
        said = self.train(folder)
        self.assertGreater(pieces, 0)
        self.assertTrue("goes on after step" in said or "complete" in said, said)
        self.assert_same_run(self.straight, folder)

    def test_a_run_may_become_longer_and_be_cut_and_threaded_otherwise(self):
        folder = self.path("run")
        self.train(folder, "run.steps=4", "train.micro_batch_rows=120", "rollout.max_running=3")
        said = self.train(folder, "rollout.prefill_rows=7", "checkpoint.every=1", "checkpoint.keep_last=3")
        self.assertIn("goes on after step 4 from", said)
        self.assertEqual([line["step"] for line in self.lines], [5, 6, 6])
        self.assertEqual(starts(folder), [0, 5])
        self.assert_same_run(self.straight, folder)
        self.assertEqual(checkpoints(folder), ["checkpoint-000004", "checkpoint-000005", "checkpoint-000006"])

    def test_samples_that_a_step_left_unfinished_go_on_after_a_resume(self):
        sets = ("rollout.token_budget=14", "rollout.rounds_max=1")
        self.train(self.path("straight"), *sets)
        folder = self.path("run")
        self.train(folder, *sets, "run.steps=4")
        carried = dict(open_ledger(folder).execute("SELECT step, value FROM metrics WHERE name = 'carried_samples'"))
        self.assertGreater(carried[4], 0)
        self.train(folder, *sets)
        self.assert_same_run(self.path("straight"), folder)
        for step in (5, 6):
            result = self.invar("replay", folder, "--step", step)
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_a_run_of_ranks_that_keeps_near_a_reference_goes_on_by_other_ranks(self):
        budget = ("rollout.token_budget=14", "rollout.rounds_max=1")
        for i, sets in enumerate((("algorithm.kl_in=loss",), ("algorithm.kl_in=reward", *budget))):
            with self.subTest(sets=sets):
                sets += ("algorithm.kl_coefficient=0.2",)
                straight, folder = self.path(f"straight-{i}"), self.path(f"run-{i}")
                self.train(straight, *sets)
                for ranks, steps in ((2, 2), (3, 4), (2, 6)):
                    said = self.train(folder, *sets, f"train.ranks={ranks}", f"run.steps={steps}")
                    self.assertEqual("goes on after step" in said, steps > 2, said)
                self.assertEqual(starts(folder), [0, 3, 5])
                self.assert_same_run(straight, folder)
                kl = dict(open_ledger(folder).execute("SELECT step, value FROM metrics WHERE name = 'kl'"))
                self.assertGreater(kl[6], 0)  # to the model of the start, not to that of a checkpoint

    def test_the_lines_of_a_resumed_run_are_those_of_a_straight_one(self):
        self.train(self.path("a"))
        straight = self.lines
        folder = self.path("b")
        self.train(folder, "run.steps=4")
        first = self.lines[:4]
        self.train(folder)
        for lines in (straight, first, self.lines):
            for line in lines:
                line.pop("rollout_s", None), line.pop("update_s", None)
        self.assertEqual(first + self.lines, straight)

    def test_kept_checkpoints_are_the_last_ones_and_every_nth(self):
        folder = self.path("run")
        self.train(folder, "checkpoint.every=1", "checkpoint.keep_last=1", "checkpoint.keep_every=3")
        self.assertEqual(checkpoints(folder), ["checkpoint-000003", "checkpoint-000006"])
        self.train(self.path("end"), "checkpoint.every=0")
        self.assertEqual(checkpoints(self.path("end")), ["checkpoint-000006"])

    def test_what_is_part_of_the_run_may_not_change(self):
        folder = self.copy()
        for text, needles in {"run.seed=6": ("run.seed: this run began with 5, found 6",),
                              "model.profile=tc16": ("model.profile", '"fma32"', '"tc16"'),
                              "rollout.samples=3": ("rollout.samples", "began with 2, found 3"),
                              "optimizer.eps=1e-7": ("optimizer.eps",)}.items():
            with self.subTest(text=text):
                self.refuse_train(folder, text, "run.steps=9", needles=needles)
        other = make(self.path("other"), golden="qwen2")
        self.refuse_train(folder, f"model.path={other}", "run.steps=9", needles=("began with the model",))
        db = open_ledger(folder)
        db.execute("UPDATE runs SET numerics_version = 77")
        db.commit()
        db.close()
        self.refuse_train(folder, "run.steps=9", needles=("numerics version 77",))
        linear = self.path("linear")
        self.train(linear, "run.steps=2", "optimizer.decay=linear")
        self.refuse_train(linear, "optimizer.decay=linear", needles=("run.steps: this run began with 2, found 6",
                                                                     "learning rate"))

    def test_another_file_of_prompts_is_refused(self):
        data, folder = self.path("data.jsonl"), self.path("run")
        text = CONFIG.replace('task = "reverse"', f'file = "{data}"')
        for label in "ab":
            with open(data, "w", encoding="utf-8") as file:
                for i in range(5):
                    file.write(json.dumps({"input": f"say {i}", "label": label}) + "\n")
            if label == "a":
                self.train(folder, "run.steps=2", text=text)
        self.assertIn("data: this run began with the prompts", self.train(folder, text=text, code=1))

    def test_a_damaged_checkpoint_is_passed_over_and_named(self):
        seed = random.getrandbits(32)
        print(f"seed {seed}")
        draw = random.Random(seed)
        names = sorted(os.listdir(os.path.join(self.straight, "checkpoint-000006")))
        self.assertIn("optimizer.safetensors", names)
        for i, name in enumerate(draw.sample(names, 4)):
            folder = self.copy(str(i))
            path = os.path.join(folder, "checkpoint-000006", name)
            with open(path, "rb") as file:
                data = bytearray(file.read())
            if i % 2 == 0:
                data = data[:draw.randrange(len(data))]
            else:
                data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
            with open(path, "wb") as file:
                file.write(data)
            with self.subTest(name=name, cut=i % 2 == 0):
                said = self.train(folder)
                self.assertIn("skipped a checkpoint that is not whole", said)
                self.assertIn("checkpoint-000006", said)
                self.assertIn("goes on after step 4", said)
                self.assert_same_run(self.straight, folder)

    def test_without_a_checkpoint_it_starts_again(self):
        folder = self.copy()
        for name in checkpoints(folder):
            shutil.rmtree(os.path.join(folder, name))
        os.mkdir(os.path.join(folder, "checkpoint-000006.tmp-0"))
        said = self.train(folder)
        self.assertIn("removed 1 unfinished checkpoint", said)
        self.assertIn("starts again from the model; 6 recorded steps", said)
        self.assertEqual(starts(folder), [0, 0])
        self.assert_same_run(self.straight, folder)

    def test_a_checkpoint_of_another_history_is_refused(self):
        other = self.path("other")
        self.train(other, "run.seed=6")
        folder = self.copy()
        shutil.rmtree(os.path.join(folder, "checkpoint-000006"))
        shutil.copytree(os.path.join(other, "checkpoint-000006"), os.path.join(folder, "checkpoint-000006"))
        self.refuse_train(folder, needles=("checkpoint-000006", "chain hash", "not of one run"))
        folder = self.copy("short")
        db = open_ledger(folder)
        for table in ("steps", "hashes", "rollouts", "metrics", "evals", "timings"):
            db.execute(f"DELETE FROM {table} WHERE step > 3")
        db.commit()
        db.close()
        self.refuse_train(folder, needles=("checkpoint-000006", "found step 6"))
        os.remove(os.path.join(folder, "run.db"))
        result = self.invar("train", self.config(), "--set", f"run.folder={folder}")
        self.assert_refused(result, "has checkpoints and no recorded run")

    def test_two_processes_do_not_write_one_run(self):
        folder = self.path("run")
        process = subprocess.Popen([INVAR, "train", self.config(), "--json", "--set", f"run.folder={folder}", "--set",
                                    "run.steps=100000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdout.readline()
        self.assert_refused(self.invar("train", self.config(), "--set", f"run.folder={folder}"), "another process")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)

    def test_a_checkpoint_is_a_model(self):
        last = os.path.join(self.straight, "checkpoint-000006")
        digest = json.loads(self.invar("inspect", last, "--digest", "--json").stdout)
        recorded = dict(open_ledger(self.straight).execute("SELECT step, weights FROM hashes"))
        self.assertIn(recorded[6], json.dumps(digest))
        trained, = self.generate("-p", "abc", "--max-tokens", 8, "--logprobs", model=last)
        original, = self.generate("-p", "abc", "--max-tokens", 8, "--logprobs")
        self.assertNotEqual(trained, original)

    def test_tensorboard_shows_one_line_of_all_steps(self):
        folder = self.path("run")
        self.train(folder, "run.steps=5", "checkpoint.every=2")
        shutil.rmtree(os.path.join(folder, "checkpoint-000005"))
        self.train(folder)
        paths = sorted(glob.glob(os.path.join(folder, "tensorboard", "events.out.tfevents.*")))
        self.assertEqual(len(paths), 2)
        first, second = map(events, paths)
        self.assertEqual([step for step, _ in first], [0, *range(6)])
        self.assertEqual([step for step, _ in second], [5, 5, 6])  # a start at 5: what the first says of it is void
        rewards = dict(open_ledger(folder).execute("SELECT step, value FROM metrics WHERE name = 'reward'"))
        shown = {step: values["train/reward"] for step, values in first + second
                 if values is not None and "train/reward" in values}
        self.assertEqual(sorted(shown), list(range(1, 7)))
        for step, value in shown.items():
            self.assertAlmostEqual(value, rewards[step], places=6)
        self.assertIn("eval/held-out", first[1][1])

    def test_what_a_failed_reward_interrupts_goes_on_when_it_works_again(self):
        program, gone, soon = self.path("reward.py"), self.path("gone"), self.path("soon")
        with open(program, "w", encoding="utf-8") as file:
            file.write(REWARD)
        sets = ("reward.kind=program", f'reward.command=["python3", "{program}", "{gone}", "{soon}"]',
                "checkpoint.every=0", "run.eval_every=0")
        self.train(self.path("straight"), *sets, "reward.workers=2")
        folder = self.path("run")
        with open(soon, "w", encoding="utf-8") as file:
            file.write("25")
        said = self.train(folder, *sets, code=1)
        self.assertRegex(said.splitlines()[-1], r"\Ainvar: .*")
        os.remove(gone)
        last = max(row[0] for row in rows(folder)["steps"])
        self.assertGreater(last, 0)
        self.assertEqual(checkpoints(folder), [f"checkpoint-{last:06}"])
        self.assertIn(f"goes on after step {last}", self.train(folder, *sets))
        self.assert_same_run(self.path("straight"), folder)


class FullDisk(TrainingCase):
    def limited(self, folder, limit, *sets):
        """Runs with no file larger than `limit` bytes: writing fails as on a full disk."""
        args = [arg for text in (*sets, f"run.folder={folder}") for arg in ("--set", text)]
        result = subprocess.run([INVAR, "train", self.config(), "--json", *args], capture_output=True, timeout=100,
                                restore_signals=False, check=False,
                                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        error = result.stderr.decode()
        self.assertEqual(result.returncode, 1, error)
        self.assertRegex(error.splitlines()[-1], r"\Ainvar: [^\n]{10,400}\Z")
        return error

    def test_a_checkpoint_that_does_not_fit_ends_the_run_in_one_line_and_it_goes_on_later(self):
        straight, folder = self.path("straight"), self.path("run")
        self.train(straight)
        size = os.stat(os.path.join(straight, "checkpoint-000006", "optimizer.safetensors")).st_size
        self.assertIn("File too large", self.limited(folder, size - 1))
        self.assertEqual(checkpoints(folder), [])
        self.assertIn("starts again", self.train(folder))
        self.assert_same_run(straight, folder)

    def test_a_step_that_the_ledger_cannot_hold_ends_the_run_in_one_line_and_it_goes_on_later(self):
        straight, folder = self.path("straight"), self.path("run")
        self.train(straight)
        self.train(folder, "run.steps=4")
        before = rows(folder)
        # Room for the shared memory of the ledger's log and for its first pages.
        error = self.limited(folder, 40_000)
        self.assertIn("run.db", error)
        after = rows(folder)
        for table, found in before.items():
            self.assertEqual(after[table][:len(found)], found)
        self.train(folder)
        self.assert_same_run(straight, folder)

    def test_a_full_file_system_is_no_other_case(self):
        disk, straight = self.path("disk"), self.path("straight")
        os.mkdir(disk)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk], capture_output=True,
                          check=False).returncode != 0:
            self.skipTest("needs the right to mount")
        self.addCleanup(subprocess.run, ["umount", disk], check=True)
        self.train(straight, "checkpoint.every=1")
        checkpoint_bytes = sum(map(len, files(os.path.join(straight, "checkpoint-000006")).values()))
        subprocess.run(["mount", "-o", f"remount,size={5 * checkpoint_bytes // 2}", disk], check=True)
        folder = os.path.join(disk, "run")
        said = self.train(folder, "checkpoint.every=1", "checkpoint.keep_last=9", code=1)
        self.assertRegex(said.splitlines()[-1], r"\Ainvar: .*(No space left|is full)")
        subprocess.run(["mount", "-o", "remount,size=1g", disk], check=True)
        self.train(folder, "checkpoint.every=1")
        self.assert_same_run(straight, folder)


if __name__ == "__main__":
    unittest.main()
