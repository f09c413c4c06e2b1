"""What the tests of invar train by its lines of --json share."""

import json

from case import Case
from tiny_model import write

TIMES = ("rollout_s", "update_s")


class TrainLines(Case):
    CONFIG = None  # a configuration with {model} for the model's path

    def config(self, text=None):
        path = self.path("config.toml")
        write(path, (text or self.CONFIG).replace("{model}", self.model))
        return path

    def train(self, *args, text=None):
        """The lines of --json, without wall times."""
        result = self.invar("train", self.config(text), "--json", *args, timeout=200)
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        return [{k: v for k, v in line.items() if k not in TIMES} for line in lines]
