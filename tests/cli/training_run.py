"""What the tests of training runs share: a configuration of tiny steps, and what a run's folder holds."""

import glob
import json
import os
import sqlite3
import subprocess

from case import INVAR, Case

# Over-sampling and dynamic filtering, so that a step draws a number of prompts that depends on its samples.
CONFIG = """
[model]
path = "{model}"
[run]
seed = 5
steps = 6
eval_every = 2
[data]
task = "reverse"
eval_prompts = 2
[rollout]
groups = 2
samples = 2
groups_a_round = 3
rounds_max = 3
drop_equal = true
max_tokens = 5
temperature = 1.25
kv_mib = 4
[reward]
kind = "regex"
pattern = "[a-m]"
[optimizer]
learning_rate = 1e-3
weight_decay = 0.1
[checkpoint]
every = 2
"""
# All that the run computed; the tables `runs` and `timings` say when and how fast.
TABLES = ("steps", "hashes", "rollouts", "metrics", "evals")


def open_ledger(folder):
    return sqlite3.connect(os.path.join(folder, "run.db"))


def rows(folder):
    """Every row of every table that a stopped run must have in common with one that was not."""
    db = open_ledger(folder)
    found = {table: db.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in TABLES}
    db.close()
    return found


def starts(folder):
    db = open_ledger(folder)
    found = [row[0] for row in db.execute("SELECT first_step FROM runs ORDER BY id")]
    db.close()
    return found


def checkpoints(folder):
    return sorted(os.path.basename(path) for path in glob.glob(os.path.join(folder, "checkpoint-*")))


def files(folder):
    """The bytes of every file of a folder, by name."""
    found = {}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as file:
            found[name] = file.read()
    return found


class TrainingCase(Case):
    @classmethod
    def record(cls, name, *sets):
        """The folder of a whole run, for all tests of the class to copy."""
        folder = os.path.join(cls.folder.name, name)
        config = folder + ".toml"
        with open(config, "w", encoding="utf-8") as file:
            file.write(CONFIG.replace("{model}", cls.model))
        args = [arg for text in (f"run.folder={folder}", *sets) for arg in ("--set", text)]
        subprocess.run([INVAR, "train", config, *args], check=True, capture_output=True, timeout=100)
        return folder

    def config(self, text=None):
        path = self.path("config.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write((text or CONFIG).replace("{model}", self.model))
        return path

    def train(self, folder, *sets, code=0, text=None):
        """Runs or resumes the run of a folder; returns what it said on standard error."""
        args = [arg for text_of_one in sets for arg in ("--set", text_of_one)]
        result = self.invar("train", self.config(text), "--json", "--set", f"run.folder={folder}", *args, timeout=200)
        self.lines = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual(result.returncode, code, result.stderr.decode())
        return result.stderr.decode()

    def assert_same_run(self, a, b):
        """Ledger and last checkpoint, byte for byte."""
        in_a, in_b = rows(a), rows(b)
        for table in TABLES:
            self.assertEqual(in_a[table], in_b[table], table)
        last = checkpoints(a)[-1]
        self.assertEqual(checkpoints(b)[-1], last)
        self.assertEqual(files(os.path.join(a, last)), files(os.path.join(b, last)))
