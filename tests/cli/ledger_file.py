"""Ledgers of runs as src/rl/ledger_hashes.h and ledger_schema.h describe them, written without invar's code."""

import hashlib
import os
import random
import re
import sqlite3
import struct

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HASHES = ("weights", "optimizer", "rollouts", "rewards", "gradients")


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def schema():
    with open(os.path.join(SOURCE, "src", "rl", "ledger_schema.h"), encoding="utf-8") as file:
        return re.search(r'R"sql\((.*?)\)sql"', file.read(), re.DOTALL)[1]


def f64_bits(value):
    return struct.unpack("<q", struct.pack("<d", value))[0]


def f32_bits(value):
    return struct.unpack("<I", struct.pack("<f", value))[0]


def ints(values):
    return struct.pack(f"<{len(values)}i", *values)


def floats(values):
    return struct.pack(f"<{len(values)}f", *values)


def hash_rollouts(samples):
    data = struct.pack("<Q", len(samples))
    for s in samples:
        data += struct.pack("<qqQ", s["prompt_id"], s["sample"], s["seed"])
        data += struct.pack("<Q", len(s["prompt"])) + ints(s["prompt"])
        data += struct.pack("<Q", len(s["tokens"])) + ints(s["tokens"])
        data += struct.pack("<Q", len(s["log_probs"])) + floats(s["log_probs"])
        data += struct.pack("<Q", len(s["finish"].encode())) + s["finish"].encode()
    return sha256(data)


def hash_rewards(samples):
    data = struct.pack("<Q", len(samples))
    for s in samples:
        data += struct.pack("<dQQ", s["reward"], f32_bits(s["advantage"]), s["kept"])
    return sha256(data)


def chain_hash(previous, step, hashes):
    lines = ["invar ledger 2", f"previous {previous}", f"step {step}", *(f"{name} {hashes[name]}" for name in HASHES)]
    return sha256("".join(line + "\n" for line in lines).encode())


def make_step(step, samples=4):
    """A step as a dict; the same for the same number."""
    draw = random.Random(step)
    rollouts = []
    for index in range(samples):
        words = ["The ", "answer ", "is ", str(draw.randrange(100)), "."][:2 + index]
        rollouts.append({"prompt_id": index // 2, "sample": index % 2, "seed": draw.getrandbits(64),
                         "prompt": [1, 2, 3], "tokens": [draw.randrange(49152) for _ in words],
                         "log_probs": [-draw.random() * 5 for _ in words], "reward": draw.randrange(5) / 4 + step / 40,
                         "advantage": draw.randrange(-4, 5) / 4, "kept": 1, "finish": "stop", "text": "".join(words),
                         "label": "42", "prompt_text": f"What is {index} + {step}?", "ends": words})
    return {"step": step, "rollouts": rollouts,
            "metrics": {"reward": sum(s["reward"] for s in rollouts) / max(1, samples), "kl": step / 1000,
                        "entropy": 2 - step / 50, "length": 3.5, "bits_differing": 0.0},
            "evals": {"held-out": step / 40} if step % 5 == 0 else {},
            "timings": {"tokens/s": 100 + random.random(), "seconds": random.random()},
            "weights": sha256(b"w%d" % step), "optimizer": sha256(b"o%d" % step), "gradients": sha256(b"g%d" % step)}


def write_ledger(folder, steps, seed=7, config="lr = 1e-6\nthreads = 2\n", model="models/tiny"):
    """Makes folder/run.db of the given steps; returns its path."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "run.db")
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.executescript(schema())
    db.execute("INSERT INTO runs VALUES (1, 0, ?, ?, ?, 1, 'fma32', ?, '2026-01-02 03:04:05 UTC')",
               (config, model, sha256(b"model"), seed))
    chain = "0" * 64
    for record in steps:
        step, rollouts = record["step"], record["rollouts"]
        hashes = {name: record.get(name) for name in HASHES}
        hashes |= {"rollouts": hash_rollouts(rollouts), "rewards": hash_rewards(rollouts)}
        chain = chain_hash(chain, step, hashes)
        db.execute("INSERT INTO steps VALUES (?, ?, ?)", (step, len(rollouts), sum(len(s["tokens"]) for s in rollouts)))
        db.execute("INSERT INTO hashes VALUES (?, ?, ?, ?, ?, ?, ?)", (step, *(hashes[name] for name in HASHES), chain))
        for i, s in enumerate(rollouts):
            ends = [len("".join(s["ends"][:t + 1]).encode()) for t in range(len(s["ends"]))]
            seed_bits = struct.unpack("<q", struct.pack("<Q", s["seed"]))[0]
            db.execute(f"INSERT INTO rollouts VALUES ({', '.join('?' * 18)})",
                       (step, i, s["prompt_id"], s["sample"], seed_bits, ints(s["prompt"]), ints(s["tokens"]),
                        floats(s["log_probs"]), s["reward"], f64_bits(s["reward"]), s["advantage"],
                        f32_bits(s["advantage"]), s["kept"], s["finish"], s["text"], s["label"], s["prompt_text"],
                        ints(ends)))
        for table in ("metrics", "timings"):
            for i, (name, value) in enumerate(record[table].items()):
                db.execute(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?)", (step, i, name, value, f64_bits(value)))
        for i, (name, value) in enumerate(record["evals"].items()):
            db.execute("INSERT INTO evals VALUES (?, ?, ?, 64, ?, ?)", (step, i, name, value, f64_bits(value)))
    db.commit()
    db.close()
    return path
