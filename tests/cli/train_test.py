#!/usr/bin/env python3
"""invar train on a tiny model: two runs are one, whatever surrounds them; what is wrong is one line.

usage: train_test.py PATH_OF_INVAR [unittest options]
"""

import json
import random
import signal
import subprocess
import time
import unittest

from case import INVAR
from train_lines import TrainLines

CONFIG = """
[model]
path = "{model}"
[run]
seed = 5
steps = 3
eval_every = 2
[data]
task = "reverse"
eval_prompts = 4
[rollout]
groups = 3
samples = 4
max_tokens = 9
temperature = 1.25
[reward]
kind = "regex"
pattern = "[a-m]"
[optimizer]
learning_rate = 1e-3
weight_decay = 0.1
"""


class Train(TrainLines):
    CONFIG = CONFIG

    def test_nothing_around_a_run_changes_a_number_of_it(self):
        straight = self.train()
        self.assertEqual(len(straight), 4)  # three steps, and the last evaluation
        self.assertEqual(len({line["weights"] for line in straight[:3]}), 3)
        self.assertTrue(all(line["gradient_norm"] > 0 for line in straight[:3]))
        seed = random.getrandbits(32)
        print(f"seed {seed}")
        draw = random.Random(seed)
        for _ in range(6):
            args = ["--threads", draw.choice([1, 2, 3]), "--isa", draw.choice(["avx2", "best"])]
            for key, values in {"train.micro_batch_rows": [120, 300, 4096], "train.ranks": [1, 2, 3],
                                "train.activations_mib": [0, 1, 1024], "rollout.max_running": [1, 3, 64],
                                "rollout.prefill_rows": [7, 64, 512]}.items():
                args += ["--set", f"{key}={draw.choice(values)}"]
            with self.subTest(args=args):
                self.assertEqual(self.train(*args), straight)
        self.assertNotEqual(self.train("--set", "run.seed=6")[0]["weights"], straight[0]["weights"])

    def test_the_trainers_log_probs_are_the_samplers(self):
        for line in self.train("--set", "rollout.temperature=0.7")[:3]:
            self.assertEqual((line["differing_log_probs"], line["kl_old"], line["ratio_max"]), (0, 0, 1))

    def test_a_reward_that_can_be_learnt_rises(self):
        # Of nine random bytes, one is among five letters a fifth of the time.
        lines = self.train("--set", "run.steps=25", "--set", "run.eval_every=0", "--set", "rollout.groups=6",
                           "--set", "optimizer.learning_rate=3e-3", "--set", 'reward.pattern="[a-e]"')
        rewards = [line["reward"] for line in lines]
        self.assertGreater(sum(rewards[-5:]), sum(rewards[:5]) + 1, rewards)

    def test_every_algorithm_takes_a_step(self):
        for advantage in ("grpo", "dr_grpo", "rloo", "reinforce_plus_plus", "reinforce_plus_plus_baseline",
                          "reinforce"):
            with self.subTest(advantage=advantage):
                lines = self.train("--set", f"algorithm.advantage={advantage}", "--set", "run.steps=1")
                self.assertEqual(len(lines), 2)
        for objective in ("clip", "gspo", "cispo", "reinforce"):
            for aggregation in ("token", "sequence", "constant_length"):
                with self.subTest(objective=objective, aggregation=aggregation):
                    lines = self.train("--set", f"algorithm.objective={objective}", "--set", "run.steps=2", "--set",
                                       f"algorithm.aggregation={aggregation}", "--set", "algorithm.updates=2", "--set",
                                       "algorithm.entropy_coefficient=0.01", "--set", "run.eval_every=0")
                    self.assertEqual([line["differing_log_probs"] for line in lines], [0, 0])

    def test_prompts_come_from_a_file_of_json_lines(self):
        data = self.path("data.jsonl")
        with open(data, "w", encoding="utf-8") as file:
            for i in range(5):
                file.write(json.dumps({"input": f"say {i}", "label": str(i)}) + "\n")
        text = CONFIG.replace('task = "reverse"', f'file = "{data}"\neval_file = "{data}@[0:2]"')
        first = self.train(text=text)
        self.assertEqual(first, self.train("--threads", 1, text=text))
        self.assertIn("eval_reward", first[0])

    def test_a_system_message_comes_before_every_prompt(self):
        run = self.path("run")
        self.train("--set", 'data.system="Be brief."', "--set", "run.steps=1", "--set", f"run.folder={run}")
        shown = self.invar("show", run, "--step", 1, "--sample", 0, "--json")
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertRegex(json.loads(shown.stdout)["prompt_text"], r"(?s)system.*Be brief\..*user")

    def test_its_ledger_is_the_same_twice_and_names_the_first_difference(self):
        runs = {}
        for name, args in {"a": [], "b": ["--threads", 1, "--set", "rollout.max_running=3"],
                           "c": ["--set", "optimizer.eps=1e-7"]}.items():
            runs[name] = self.path(name)
            self.train("--set", f"run.folder={runs[name]}", *args)
        same = self.invar("diff", runs["a"], runs["b"])
        self.assertEqual(same.returncode, 0, same.stdout + same.stderr)
        self.assertIn(b"identical", same.stdout)
        other = self.invar("diff", runs["a"], runs["c"])
        self.assertEqual(other.returncode, 1, other.stdout + other.stderr)
        self.assertIn(b"step 1", other.stdout)
        self.assertIn(b"weights", other.stdout)
        shown = self.invar("show", runs["a"], "--json")
        self.assertEqual(shown.returncode, 0, shown.stderr)
        # A score stands with the step whose weights it is of: before training, after the second step, at the end.
        evals = json.loads(shown.stdout)["evals"]
        self.assertEqual([e["step"] for e in evals], [0, 2, 3])
        printed = [line["eval_reward"] for line in self.train() if "eval_reward" in line]
        self.assertEqual([e["score"] for e in evals], printed)
        page = self.path("page.html")
        report = self.invar("report", runs["a"], runs["b"], "-o", page)
        self.assertEqual(report.returncode, 0, report.stderr)
        with open(page, encoding="utf-8") as file:
            self.assertIn("<svg", file.read())

    def test_what_is_wrong_is_one_line(self):
        def refuse(*args, needles, text=None):
            self.assert_refused(self.invar("train", self.config(text), *args), *needles)

        self.refuse("train", "no/such.toml", needles=("no/such.toml",))
        self.refuse("train", needles=("config",), code=2)
        refuse(text="[run\n", needles=("config.toml:1",))
        refuse("--set", "run.step=3", needles=("run.step", "unknown key"))
        refuse("--set", "rollout.samples=many", needles=("rollout.samples", "an integer"))
        refuse("--set", "model.path=/no/model", needles=("/no/model",))
        refuse("--set", "data.task=chess", needles=("chess", "arithmetic"))
        refuse("--set", "reward.kind=magic", needles=("magic",))
        empty = self.path("empty.jsonl")
        open(empty, "w", encoding="utf-8").close()
        refuse(text=CONFIG.replace('task = "reverse"', f'file = "{empty}"'), needles=("empty.jsonl",))
        # These come after the table's head has been printed.
        for args, needles in {("rollout.samples=1",): ("rollout.samples", "2 or more"),
                              ("train.micro_batch_rows=8",): ("rows in a micro-batch", "at most 8"),
                              ("rollout.max_tokens=5000",): ("exceed this model's context",),
                              ("reward.kind=numeric",): ("number",),
                              ("reward.kind=program", 'reward.command=["/no/such/program"]'): ("/no/such/program",),
                              ("optimizer.beta1=1",): ("beta1",)}.items():
            with self.subTest(args=args):
                sets = [x for arg in args for x in ("--set", arg)]
                result = self.invar("train", self.config(), *sets)
                error = result.stderr.decode()
                self.assertEqual(result.returncode, 1, error)
                self.assertRegex(error, r"\Ainvar: [^\n]{10,400}\n\Z")
                for needle in needles:
                    self.assertIn(needle, error)

    def test_a_reward_program_that_prints_rubbish_stops_the_run_with_one_line(self):
        result = self.invar("train", self.config(), "--set", "reward.kind=program", "--set",
                            'reward.command=["/bin/echo", "rubbish"]', "--set", "reward.timeout_s=2")
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr.decode(), r"\Ainvar: [^\n]+\n\Z")

    def test_ctrl_c_ends_it_soon(self):
        process = subprocess.Popen([INVAR, "train", self.config(), "--set", "run.steps=100000"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        for _ in range(3):
            process.stdout.readline()
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
        self.assertLess(time.monotonic() - begin, 20)
        self.assertEqual(process.returncode, 130, error)
        self.assertRegex(error, r"interrupted after \d+ of 100000 steps")


if __name__ == "__main__":
    unittest.main()
