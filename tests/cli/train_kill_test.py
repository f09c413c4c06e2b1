#!/usr/bin/env python3
"""invar train killed at any moment, resumed and killed again: the run is the one that was never stopped, byte for byte.

usage: train_kill_test.py PATH_OF_INVAR [unittest options]

Environment: INVAR_SLOW_TESTS=1 for 50 kills instead of 20, INVAR_SEED for the seed of an earlier run.
"""

import collections
import glob
import os
import random
import shutil
import signal
import subprocess
import time
import unittest

from case import INVAR
from training_run import TrainingCase

KILLS = 50 if os.environ.get("INVAR_SLOW_TESTS") else 20
SETS = ("run.steps=8", "checkpoint.every=1")
MOMENTS = ("any time", "checkpoint", "ledger")


def state(path):
    """Bytes and time of the last change of a file; zeros where there is none."""
    try:
        found = os.stat(path)
        return found.st_size, found.st_mtime_ns
    except FileNotFoundError:
        return 0, 0


class Watch:
    """Says when the process has come to the moment that was chosen."""

    def __init__(self, folder, moment, draw, duration_s):
        self.folder, self.moment = folder, moment
        self.begin, self.after_s = time.monotonic(), draw.uniform(0, duration_s)
        self.count = draw.randrange(1, 6)  # this temporary folder, or this change of the log
        self.seen = set(glob.glob(os.path.join(folder, "*.tmp-*")))
        self.log = os.path.join(folder, "run.db-wal")
        self.log_state = state(self.log)

    def reached(self):
        if self.moment == "any time":
            return time.monotonic() - self.begin >= self.after_s
        if self.moment == "checkpoint":
            new = set(glob.glob(os.path.join(self.folder, "*.tmp-*"))) - self.seen
            self.seen |= new
            self.count -= len(new)
        else:
            now = state(self.log)
            self.count -= now != self.log_state
            self.log_state = now
        return self.count <= 0


class Kill(TrainingCase):
    def start(self, folder):
        sets = [arg for text in (*self.sets, f"run.folder={folder}") for arg in ("--set", text)]
        return subprocess.Popen([INVAR, "train", self.config(), "--threads", "1", *sets], stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE)

    def run_until(self, folder, watch, delay_s):
        """Kills the process at the moment; whether it was still running."""
        process = self.start(folder)
        while process.poll() is None and not watch.reached():
            time.sleep(0.0003)
        time.sleep(delay_s)
        process.send_signal(signal.SIGKILL)
        error = process.communicate()[1].decode()
        if process.returncode == -signal.SIGKILL:
            return True
        self.assertEqual(process.returncode, 0, error)
        return False

    def test_a_run_that_is_killed_again_and_again_is_the_run_that_was_not(self):
        self.kill_again_and_again(SETS)

    def test_so_it_is_with_rollouts_that_are_carried_from_step_to_step(self):
        self.kill_again_and_again((*SETS, "rollout.token_budget=14", "rollout.rounds_max=1"))

    def kill_again_and_again(self, sets):
        self.sets = sets
        seed = int(os.environ.get("INVAR_SEED") or random.getrandbits(32))
        print(f"seed {seed}, {KILLS} kills")
        draw = random.Random(seed)
        straight = self.path("straight")
        begin = time.monotonic()
        self.train(straight, *sets)
        duration_s = time.monotonic() - begin
        killed, found, runs = collections.Counter(), collections.Counter(), 0
        while sum(killed.values()) < KILLS:
            folder, runs = self.path(f"run-{runs}"), runs + 1
            alive = True
            while alive and sum(killed.values()) < KILLS:
                moment = min(MOMENTS, key=lambda name: killed[name])
                watch = Watch(folder, moment, draw, duration_s / 2)
                alive = self.run_until(folder, watch, draw.choice([0, draw.uniform(0, 0.01)]))
                if alive:
                    killed[moment] += 1
                    found["unfinished checkpoint"] += bool(glob.glob(os.path.join(folder, "*.tmp-*")))
                    found["log of the ledger"] += state(os.path.join(folder, "run.db-wal"))[0] > 0
            self.train(folder, *sets)
            self.assert_same_run(straight, folder)
            self.assertEqual(glob.glob(os.path.join(folder, "*.tmp-*")), [])
            shutil.rmtree(folder)
        print(f"{dict(killed)} in {runs} runs of {duration_s:.2f} s; the kill left {dict(found)}")
        self.assertEqual(set(killed), set(MOMENTS))
        self.assertGreater(found["unfinished checkpoint"], KILLS // 10)


if __name__ == "__main__":
    unittest.main()
