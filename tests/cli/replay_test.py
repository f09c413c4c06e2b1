#!/usr/bin/env python3
"""invar replay makes any step of a run again; invar diff finds one bit of a model, a swapped sample and the tensor.

usage: replay_test.py PATH_OF_INVAR [unittest options]
"""

import json
import os
import random
import shutil
import struct
import unittest

from ledger_file import HASHES, chain_hash, hash_rollouts
from training_run import TrainingCase, files, open_ledger


def all_files(folder):
    """The bytes of every file below a folder; without the index of the ledger's log, which every reader makes."""
    found = {}
    for at, _, _ in os.walk(folder):
        for name in os.listdir(at):
            path = os.path.join(at, name)
            if os.path.isfile(path) and not name.endswith("-shm"):
                with open(path, "rb") as file:
                    found[path] = file.read()
    return {path: data for path, data in found.items() if data or not path.endswith("-wal")}


def flip(path, byte, bit):
    with open(path, "r+b") as file:
        file.seek(byte)
        value = file.read(1)[0] ^ 1 << bit
        file.seek(byte)
        file.write(bytes([value]))


def hash_again(db):
    """Makes hashes and chain those of the recorded samples, as somebody would who hides a change."""
    chain = "0" * 64
    for row in db.execute(f"SELECT step, {', '.join(HASHES)} FROM hashes ORDER BY step").fetchall():
        step, hashes = row[0], dict(zip(HASHES, row[1:]))
        samples = []
        for prompt_id, sample, seed, prompt, tokens, log_probs, finish in db.execute(
                "SELECT prompt_id, sample, seed, prompt, tokens, log_probs, finish FROM rollouts WHERE step = ? "
                "ORDER BY idx", (step,)):
            samples.append({"prompt_id": prompt_id, "sample": sample, "seed": seed & (1 << 64) - 1,
                            "prompt": struct.unpack(f"<{len(prompt) // 4}i", prompt),
                            "tokens": struct.unpack(f"<{len(tokens) // 4}i", tokens),
                            "log_probs": struct.unpack(f"<{len(log_probs) // 4}f", log_probs), "finish": finish})
        hashes["rollouts"] = hash_rollouts(samples)
        chain = chain_hash(chain, step, hashes)
        db.execute("UPDATE hashes SET rollouts = ?, chain = ? WHERE step = ?", (hashes["rollouts"], chain, step))


class Recorded(TrainingCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.run_folder = cls.record("recorded", "checkpoint.keep_every=2")

    def copy(self, name="run"):
        return shutil.copytree(self.run_folder, self.path(name))


class Replay(Recorded):
    def replay(self, folder, step, *args, code=0):
        result = self.invar("replay", folder, "--step", step, "--json", *args)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        self.said = result.stderr.decode()
        return json.loads(result.stdout)

    def plant(self, folder, step, index):
        """Flips a bit of a recorded log-prob; returns the database."""
        db = open_ledger(folder)
        data, = db.execute("SELECT log_probs FROM rollouts WHERE step = ? AND idx = ?", (step, index)).fetchone()
        data = bytearray(data)
        data[4] ^= 1  # of the second token
        db.execute("UPDATE rollouts SET log_probs = ? WHERE step = ? AND idx = ?", (bytes(data), step, index))
        return db

    def test_every_recorded_step_is_made_again_and_nothing_is_written(self):
        before = all_files(self.run_folder)
        recorded = {row[0]: row[1:] for row in open_ledger(self.run_folder).execute(
            f"SELECT step, {', '.join(HASHES)}, chain FROM hashes")}
        self.assertEqual(sorted(recorded), list(range(7)))
        for step, hashes in recorded.items():
            with self.subTest(step=step):
                found = self.replay(self.run_folder, step)
                self.assertEqual((found["step"], found["equal"], found["difference"]), (step, True, None))
                self.assertEqual(found["hashes"], dict(zip((*HASHES, "chain"), hashes)))
                # Checkpoints are of the steps 2, 4 and 6.
                checkpoint = f"checkpoint-{(step - 1) // 2 * 2:06}" if step > 2 else None
                self.assertEqual(found["from"] and os.path.basename(found["from"]), checkpoint)
        self.assertEqual(all_files(self.run_folder), before)
        text = self.invar("replay", self.run_folder, "--step", 5).stdout.decode()
        self.assertIn("step 5, made again from checkpoint-000004: equal", text)
        self.assertIn(recorded[5][-1], text)

    def test_speed_settings_change_nothing_and_a_broken_checkpoint_only_takes_longer(self):
        folder = self.copy()
        flip(os.path.join(folder, "checkpoint-000004", "model.safetensors"), 3000, 2)
        args = ["--threads", 1, "--isa", "avx2"]
        for key, value in {"rollout.max_running": 1, "rollout.prefill_rows": 5, "train.micro_batch_rows": 100}.items():
            args += ["--set", f"{key}={value}"]
        found = self.replay(folder, 6, *args)
        self.assertTrue(found["equal"])
        self.assertEqual((found["first"], os.path.basename(found["from"])), (3, "checkpoint-000002"))
        self.assertIn("checkpoint-000004/model.safetensors", self.said)

    def test_one_bit_of_a_recorded_sample_is_named(self):
        for hidden in (False, True):
            folder = self.copy(str(hidden))
            db = self.plant(folder, 5, 2)
            if hidden:
                hash_again(db)
                for name in os.listdir(folder):  # they have the chain of before
                    if name.startswith("checkpoint"):
                        shutil.rmtree(os.path.join(folder, name))
            db.commit()
            db.close()
            found = self.replay(folder, 6 if hidden else 5, code=1)
            difference = found["difference"]
            self.assertEqual((found["equal"], difference["step"]), (False, 5))
            self.assertEqual(difference["differing_hashes"], ["rollouts"] if hidden else [])
            self.assertEqual(difference["altered"], [] if hidden else ["a"])
            self.assertEqual((difference["sample"]["index"], difference["sample"]["token"]["position"]), (2, 1))
            self.assertTrue(self.replay(folder, 4)["equal"])
            text = self.invar("replay", folder, "--step", 5)
            self.assertEqual(text.returncode, 1)
            self.assertIn("token 1 of the answer: the same token with another log-prob (1 bit", text.stdout.decode())

    def test_what_cannot_be_replayed_is_one_line(self):
        def refuse(*args, needles, folder=self.run_folder):
            self.refuse("replay", folder, *args, needles=needles, code=2)

        refuse("--step", 7, needles=("--step", "0 to 6", "found 7"))
        refuse("--step", -1, needles=("--step",))
        refuse("--step", 2, "--set", "run.seed=6", needles=("run.seed", "made with 5, found 6"))
        refuse("--step", 2, "--set", "run.steps=9", needles=("run.steps",))
        refuse("--step", 2, folder=self.path("none"), needles=("no such file",))
        folder = self.copy()
        db = open_ledger(folder)
        db.execute("UPDATE runs SET fingerprint = ?", ("ab" * 32,))
        db.commit()
        db.close()
        refuse("--step", 2, folder=folder, needles=("began with the model abab",))


class Diff(Recorded):
    def diff(self, b):
        text = self.invar("diff", self.run_folder, b)
        self.assertEqual(text.returncode, 1, text.stdout + text.stderr)
        return text.stdout.decode(), json.loads(self.invar("diff", self.run_folder, b, "--json").stdout)

    def test_one_bit_of_one_weight_of_the_first_model_is_found(self):
        seed = random.getrandbits(32)
        print(f"seed {seed}")
        model = shutil.copytree(self.model, self.path("model"))
        path = os.path.join(model, "model.safetensors")
        size = os.stat(path).st_size
        with open(path, "rb") as file:
            header, = struct.unpack("<Q", file.read(8))
        flip(path, random.Random(seed).randrange(8 + header, size) & ~1, 0)  # the last bit of a bf16
        self.train(self.path("run"), f"model.path={model}")
        text, found = self.diff(self.path("run"))
        self.assertEqual([setting["name"] for setting in found["settings"]], ["model"])
        self.assertEqual(found["difference"]["step"], 0)
        self.assertEqual(found["difference"]["differing_hashes"], ["weights", "optimizer"])
        self.assertIn("first difference: step 0", text)

    def test_the_tensor_is_named_where_both_runs_have_a_checkpoint_of_the_step(self):
        folder = self.path("run")
        self.train(self.path("every"), "checkpoint.every=1", "checkpoint.keep_last=9")
        self.train(folder, "checkpoint.every=1", "checkpoint.keep_last=9", "optimizer.weight_decay=0.2")
        text = self.invar("diff", self.path("every"), folder)
        self.assertEqual(text.returncode, 1)
        found = json.loads(self.invar("diff", self.path("every"), folder, "--json").stdout)["difference"]
        self.assertEqual((found["step"], found["sample"]), (1, None))
        # The numbers that both checkpoints have, read without invar's code.
        is_weight = not found["tensor"]["name"].startswith(("master.", "first_moment.", "second_moment."))
        name, width = ("model.safetensors", 2) if is_weight else ("optimizer.safetensors", 4)
        numbers = []
        for run in (self.path("every"), folder):
            part = files(os.path.join(run, "checkpoint-000001"))[name]
            header, = struct.unpack_from("<Q", part)
            entry = json.loads(part[8:8 + header])[found["tensor"]["name"]]
            begin, end = entry["data_offsets"]
            numbers.append((entry["shape"], part[8 + header + begin:8 + header + end]))
        (shape, a), (_, b) = numbers
        differing = [i for i in range(len(a) // width) if a[i * width:][:width] != b[i * width:][:width]]
        self.assertEqual(found["tensor"]["shape"], shape)
        self.assertEqual((found["tensor"]["index"], found["tensor"]["elements_differing"]),
                         (differing[0], len(differing)))
        self.assertIn(f"tensor {found['tensor']['name']}, the first of", text.stdout.decode())

    def test_two_swapped_samples_are_found(self):
        folder = self.copy()
        db = open_ledger(folder)
        for old, new in ((1, -1), (3, 1), (-1, 3)):
            db.execute("UPDATE rollouts SET idx = ? WHERE step = 3 AND idx = ?", (new, old))
        db.commit()
        db.close()
        text, found = self.diff(folder)
        self.assertEqual((found["difference"]["step"], found["difference"]["altered"]), (3, ["b"]))
        self.assertEqual((found["difference"]["sample"]["index"], found["difference"]["sample"]["moved_to"]), (1, 3))
        self.assertIn("B has this sample as its sample 3: the order differs", text)


if __name__ == "__main__":
    unittest.main()
