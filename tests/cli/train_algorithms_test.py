#!/usr/bin/env python3
"""invar train and eval on a tiny model: token budgets, KL to a reference, held-out scores, interrupts.

usage: train_algorithms_test.py PATH_OF_INVAR [unittest options]
"""

import json
import os
import re
import signal
import subprocess
import time
import unittest

from case import INVAR
from tiny_model import make, tokenizer_json, write
from train_lines import TrainLines

CONFIG = """
[model]
path = "{model}"
[run]
seed = 5
steps = 4
eval_every = 0
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
"""


class TrainAlgorithms(TrainLines):
    CONFIG = CONFIG

    def sets(self, **values):
        return [x for key, value in values.items() for x in ("--set", f"{key.replace('__', '.')}={value}")]

    def train(self, *args, text=None, **values):
        return super().train(*args, *self.sets(**values), text=text)

    def test_a_token_budget_gives_one_ledger_whatever_surrounds_the_run(self):
        folders = []
        for args in ([], ["--threads", 1, *self.sets(rollout__max_running=2, train__micro_batch_rows=130)],
                     ["--threads", 3, *self.sets(rollout__prefill_rows=5, rollout__max_running=7)]):
            folders.append(self.path(f"run{len(folders)}"))
            lines = self.train(*args, run__folder=folders[-1], rollout__token_budget=50)
            self.assertTrue(all(0 < line["drawn_tokens"] <= 50 for line in lines))
            self.assertTrue(all(line["differing_log_probs"] == 0 for line in lines))
            self.assertGreater(sum(line["off_policy_tokens"] for line in lines), 0)
            self.assertGreater(lines[0]["carried_samples"], 0)
            if len(folders) > 1:
                same = self.invar("diff", folders[0], folders[-1])
                self.assertEqual(same.returncode, 0, same.stdout + same.stderr)
        for values, needle in (({"rollout__token_budget": 11}, "each of the 12 samples"),
                               ({"rollout__token_budget": 50, "rollout__rounds_max": 2}, "rollout.rounds_max")):
            self.assert_refused(self.invar("train", self.config(), *self.sets(**values)), needle)

    def test_kl_to_the_starting_model_is_exactly_zero_at_the_first_step(self):
        folder = self.path("run")
        for kind in ("k1", "k2", "k3"):
            for where in ("loss", "reward"):
                lines = self.train(algorithm__kl_coefficient=0.1, algorithm__kl_kind=kind, algorithm__kl_in=where,
                                   run__steps=3, **({"run__folder": folder} if kind + where == "k3loss" else {}))
                self.assertEqual(lines[0]["kl"], 0)
                self.assertNotEqual(lines[2]["kl"], 0)
        shown = self.invar("show", folder, "--json")
        self.assertIn("\"kl\"", shown.stdout.decode(), shown.stderr)
        # The table has a column of it.
        table = self.invar("train", self.config(), *self.sets(algorithm__kl_coefficient=0.1, run__steps=1))
        self.assertRegex(table.stdout.decode(), r"\Astep|entropy +kl")
        for values, needle in (({"algorithm__kl_kind": "k4"}, "algorithm.kl_kind"),
                               ({"algorithm__kl_in": "both"}, "algorithm.kl_in"),
                               ({"reference__path": "/no/such"}, "/no/such")):
            self.assert_refused(self.invar("train", self.config(), *self.sets(**values)), needle)

    def test_a_reference_with_other_tokens_is_refused(self):
        other = make(self.path("other"))
        tokenizer = tokenizer_json()
        vocab = tokenizer["model"]["vocab"]
        vocab["a"], vocab["b"] = vocab["b"], vocab["a"]
        write(os.path.join(other, "tokenizer.json"), tokenizer)
        result = self.invar("train", self.config(), *self.sets(reference__path=other))
        self.assert_refused(result, "tokenizer of the model that is trained")

    def test_ctrl_c_waits_for_no_reward_program(self):
        program = self.path("reward.sh")
        write(program, "touch \"$0.asked\"; while true; do sleep 5; done\n")
        process = subprocess.Popen(
            [INVAR, "train", self.config(), *self.sets(reward__kind="program", reward__timeout_s=600,
                                                       reward__command=json.dumps(["sh", program]))],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while not os.path.exists(program + ".asked"):
            time.sleep(0.05)
        time.sleep(2)  # rollouts are short: it waits for the program
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
        self.assertLess(time.monotonic() - begin, 5)
        self.assertEqual(process.returncode, 130, error)

    def evaluate(self, *args):
        result = self.invar("eval", *args, "--json")
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        return json.loads(result.stdout)

    def test_eval_scores_a_model_to_the_same_digest_whatever_surrounds_it(self):
        model = ["-m", self.model, "--task", "reverse", "--reward", "regex", "--set", 'reward.pattern="[a-m]"',
                 "--prompts", 6, "--max-tokens", 9, "--seed", 3]
        greedy = self.evaluate(*model)
        self.assertEqual((greedy["prompts"], greedy["samples"], len(greedy["answers"])), (6, 1, 4))
        self.assertEqual(greedy["reward"], greedy["pass@1"])
        sampled = self.evaluate(*model, "-n", 4, "--temperature", 1.25)
        self.assertEqual(sampled, self.evaluate(*model, "-n", 4, "--temperature", 1.25, "--threads", 1,
                                                "--max-running-requests", 3, "--chunked-prefill-size", 7))
        self.assertNotEqual(sampled["digest"], greedy["digest"])
        self.assertLessEqual(sampled["pass@1"], sampled["pass@2"])
        self.assertLessEqual(sampled["pass@2"], sampled["pass@4"])
        self.assertGreater(sampled["reward_error"], 0)
        # A configuration says the same, and its own evaluation of the untrained model is this one.
        straight = self.train(run__eval_every=1, run__steps=1)
        self.assertEqual(self.evaluate(self.config())["reward"], straight[0]["eval_reward"])
        text = self.invar("eval", self.config(), "-n", 2, "--temperature", 1)
        self.assertRegex(text.stdout.decode(), r"reverse, difficulty 1: 4 held-out prompts, 2 samples of each(.|\n)*"
                                               r"reward +0\.\d+ . 0\.\d+\npass@1(.|\n)*digest +[0-9a-f]{64}\n")
        data = self.path("data.jsonl")
        write(data, '{"input": "say a", "label": "a"}\n')
        self.assertEqual(self.evaluate("-m", self.model, "--file", data, "--max-tokens", 3)["prompts"], 1)
        self.refuse("eval", needles=("--task",))
        self.refuse("eval", "-m", self.model, "--task", "chess", needles=("chess",))
        self.refuse("eval", "-m", self.model, "--task", "reverse", "-n", 3, needles=("temperature 0",))
        self.refuse("eval", "-m", self.model, "--task", "reverse", "--prompts", 0, needles=("eval_prompts",))
        self.refuse("eval", "-m", "/no/model", "--task", "reverse", needles=("/no/model",))

    def test_fine_tuning_learns_answers_and_nothing_around_it_changes_a_bit(self):
        data = self.path("data.jsonl")
        rows = [{"input": f"say {word}", "label": word} for word in ("tree", "house", "river", "cloud", "stone")]
        chat = [{"role": "user", "content": "say \u00e9t\u00e9"}, {"role": "assistant", "content": "\u00e9t\u00e9"}]
        write(data, "".join(json.dumps(row) + "\n" for row in [*rows, {"input": chat}]))
        text = CONFIG.replace('task = "reverse"', f'file = "{data}"\neval_file = "{data}@[0:3]"')
        sets = self.sets(algorithm__objective="sft", run__steps=30, run__eval_every=30, rollout__groups=4,
                         optimizer__learning_rate=3e-3)

        def run(*args):
            return self.train(*sets, *args, text=text)

        lines = run()
        losses = [line["loss"] for line in lines if "loss" in line]
        self.assertLess(sum(losses[-3:]), 0.5 * sum(losses[:3]), losses)
        self.assertLess(lines[0]["eval_reward"], lines[-1]["eval_reward"] - 1)  # mean log-prob of held-out answers
        self.assertEqual(run("--threads", 1, *self.sets(train__micro_batch_rows=60)), lines)
        self.assertEqual(run("--threads", 3, *self.sets(train__micro_batch_rows=45)), lines)
        write(data, '{"input": "say a"}\n')
        result = self.invar("train", self.config(text.replace("@[0:3]", "")), *sets)
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr.decode(), r"\Ainvar: held-out prompt 0: expected an answer[^\n]+\n\Z")

    def test_the_report_shows_answers_as_text_with_each_tokens_log_prob(self):
        folder, page = self.path("run"), self.path("page.html")
        self.train(run__folder=folder, run__steps=1)
        report = self.invar("report", folder, "-o", page)
        self.assertEqual(report.returncode, 0, report.stderr)
        with open(page, encoding="utf-8") as file:
            html = file.read()
        self.assertNotIn('class="id ', html)
        self.assertRegex(html, re.compile(r'<span class="s\d" title="token 0: id \d+, log-prob -'))


if __name__ == "__main__":
    unittest.main()
