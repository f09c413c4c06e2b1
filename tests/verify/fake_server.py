"""A server with SGLang's and OpenAI's API whose answers are a hash of the request: an engine to prove from outside.

Usage: fake_server.py [FAULT]; prints its port. FAULT: batch (answers follow the number of prompts of a request), scored
(a prompt's log-probs differ from drawn ones), html, status, missing; openai (no /generate).
"""
import hashlib
import json
import struct
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FAULT = sys.argv[1] if len(sys.argv) > 1 else ""


def number(*parts):
    """A 64-bit hash of the parts."""
    return struct.unpack("<Q", hashlib.sha256(repr(parts).encode()).digest()[:8])[0]


def log_prob(tokens):
    """Of the last token after the others, as a model at temperature 1 would give it."""
    return -(number("log-prob", tokens) % 10**9) / 10**8


def encode(text):
    return [number("word", word) % 1000 for word in text.split(" ")]


def generate(tokens, sampling, count, salt):
    """The drawn tokens and their log-probs."""
    drawn, log_probs = [], []
    for _ in range(count):
        drawn.append(number("draw", tokens + drawn, sampling, salt) % 1000)
        log_probs.append(log_prob(tokens + drawn) - (1e-9 if salt else 0))
    return drawn, log_probs


def text_of(tokens):
    return " ".join(map(str, tokens))


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/v1/models":
            return self.answer({"object": "list", "data": [{"id": "fake"}]})
        return self.answer({"error": "no such path"}, 404)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if FAULT == "html":
            return self.send(b"<html>", 200)
        if FAULT == "status":
            return self.answer({"error": "overloaded"}, 503)
        if self.path == "/generate" and FAULT != "openai":
            return self.answer(self.sglang(body))
        if self.path == "/v1/completions":
            return self.answer(self.openai(body))
        return self.answer({"error": "no such path"}, 404)

    def sglang(self, body):
        if "input_ids" in body:
            prompts, single = [body["input_ids"]], True
        else:
            single = isinstance(body["text"], str)
            prompts = [encode(text) for text in ([body["text"]] if single else body["text"])]
        samplings = body["sampling_params"]
        samplings = samplings if isinstance(samplings, list) else [samplings] * len(prompts)
        salt = len(prompts) if FAULT == "batch" and len(prompts) > 2 else 0
        answers = []
        for tokens, sampling in zip(prompts, samplings):
            drawn, log_probs = generate(tokens, sorted(sampling.items()), sampling["max_new_tokens"], salt)
            shift = 1e-9 if FAULT == "scored" else 0
            scored = [[log_prob(tokens[: i + 1]) + shift if i else None, t, None] for i, t in enumerate(tokens)]
            meta = {"input_token_logprobs": scored,
                    "output_token_logprobs": [[p, t, None] for p, t in zip(log_probs, drawn)]}
            if FAULT == "missing":
                del meta["output_token_logprobs"]
            answers.append({"text": text_of(drawn), "meta_info": meta})
        return answers[0] if single else answers

    def openai(self, body):
        prompts = [encode(text) for text in body["prompt"]]
        sampling = sorted((k, v) for k, v in body.items() if k not in ("prompt", "model"))
        choices = []
        for index, tokens in enumerate(prompts):
            drawn, log_probs = generate(tokens, sampling, body["max_tokens"], 0)
            choices.append({"index": index, "text": text_of(drawn),
                            "logprobs": {"token_logprobs": log_probs, "tokens": [str(t) for t in drawn]}})
        # The order of the list is the server's affair; the index counts.
        return {"object": "text_completion", "choices": choices[::-1]}

    def answer(self, value, status=200):
        self.send(json.dumps(value).encode(), status)

    def send(self, data, status):
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
