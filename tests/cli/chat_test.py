#!/usr/bin/env python3
"""invar chat, with lines from a pipe and with keys at a terminal.

usage: chat_test.py PATH_OF_INVAR [unittest options]
"""

import json
import os
import pty
import random
import select
import signal
import time
import unittest

from case import INVAR, Case


class Chat(Case):
    def chat(self, text, *args, code=0):
        result = self.invar("chat", "-m", self.model, "--max-tokens", "12", *args, stdin=text.encode())
        self.assertEqual(result.returncode, code, result.stderr.decode())
        return result.stdout.decode(), result.stderr.decode()

    def conversation(self, text, *args, code=0):
        path = self.path(f"chat-{random.getrandbits(32)}.json")
        output, error = self.chat(f"{text}/save {path}\n", *args, code=code)
        with open(path, encoding="utf-8") as file:
            return json.load(file), output, error

    def test_piped_lines_are_messages_and_the_answers_alone_are_printed(self):
        saved, output, error = self.conversation("hi\n\nand you\n")
        self.assertEqual([m["role"] for m in saved], ["user", "assistant"] * 2)
        self.assertEqual(output, "".join(m["content"] + "\n" for m in saved if m["role"] == "assistant"))
        self.assertEqual(error, "")

    def test_the_same_lines_give_the_same_conversation(self):
        for args in [[], ["--seed", "5"], ["--threads", "1", "--isa", "ref", "--page-size", "16"]]:
            first, *_ = self.conversation("hi\nmore\n", *args)
            again, *_ = self.conversation("hi\nmore\n", *args, "--chunked-prefill-size", "3")
            self.assertEqual(first, again)

    def test_undo_again_reset_and_system_change_the_conversation(self):
        saved, *_ = self.conversation("hi\nmore\n/undo\n")
        self.assertEqual(saved, self.conversation("hi\n")[0])
        saved, *_ = self.conversation("hi\n/again\n", "--temperature", "1")
        self.assertEqual(len(saved), 2)
        self.assertNotEqual(saved[1], self.conversation("hi\n", "--temperature", "1")[0][1])
        saved, *_ = self.conversation("hi\n/reset\n")
        self.assertEqual(saved, [])
        saved, *_ = self.conversation("hi\n/system be kind\nhi\n")
        self.assertEqual(saved[0], {"role": "system", "content": "be kind"})
        self.assertEqual(saved, self.conversation("hi\n", "--system", "be kind")[0])
        saved, *_ = self.conversation("/seed 5\nhi\n")
        self.assertEqual(saved, self.conversation("hi\n", "--seed", "5")[0])

    def test_a_line_that_ends_in_a_backslash_goes_on(self):
        saved, *_ = self.conversation("one\\\ntwo\n")
        self.assertEqual(saved[0]["content"], "one\ntwo")

    def test_refused_commands_say_why_and_the_exit_code_tells(self):
        for line, needle in [("/nope", "/nope"), ("/again", "/again"), ("/undo", "/undo"), ("/save", "/save"),
                             ("/save /dev/full", "/dev/full"), ("/save /nowhere/x", "/nowhere/x"), ("/seed x", "/seed"),
                             ("/seed -1", "/seed"), ("/temperature hot", "hot"), ("/temperature -1", "temperature"),
                             ("/save /", "/save")]:
            with self.subTest(line=line):
                result = self.invar("chat", "-m", self.model, stdin=line.encode() + b"\n")
                self.assert_refused(result, needle)

    def test_a_message_that_cannot_be_answered_is_not_part_of_the_conversation(self):
        saved, _, error = self.conversation("hi\n" + "long " * 1000 + "\n", code=1)
        self.assertEqual(len(saved), 2)
        self.assertIn("/reset", error)
        result = self.invar("chat", "-m", self.model, stdin=b"abc\xff\n")
        self.assert_refused(result, "UTF-8")

    def test_help_lists_every_command(self):
        output, _ = self.chat("/help\n/quit\nhi\n")
        for command in ["/again", "/undo", "/reset", "/system", "/temperature", "/seed", "/save", "/quit", "Ctrl-C"]:
            self.assertIn(command, output)


class Keyboard:
    """invar chat at a terminal of its own."""

    def __init__(self, *args):
        # So high that the lines of a test are never broken at the terminal's edge.
        environment = os.environ | {"TERM": "vt100", "COLUMNS": "400", "NO_COLOR": "1"}
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execve(INVAR, [INVAR, *args], environment)
        self.seen = b""

    def type(self, keys):
        os.write(self.terminal, keys.encode())

    def expect(self, needle, seconds=60):
        """Waits until the terminal shows `needle`, and forgets what came up to there."""
        end = time.monotonic() + seconds
        while needle.encode() not in self.seen:
            ready, *_ = select.select([self.terminal], [], [], max(0, end - time.monotonic()))
            if not ready:
                raise AssertionError(f"expected {needle!r}, found {self.seen!r}")
            self.seen += os.read(self.terminal, 65536)
        before, self.seen = self.seen.split(needle.encode(), 1)
        return before.decode(errors="replace")

    def finish(self):
        """Its exit code; for one that does not end by itself, the failure to."""
        try:
            for _ in range(600):
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid != 0:
                    return os.waitstatus_to_exitcode(status)
                time.sleep(0.05)
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            raise AssertionError(f"still running; the terminal shows {self.seen!r}")
        finally:
            os.close(self.terminal)


class Terminal(Case):
    CTRL_C, CTRL_D = "\x03", "\x04"
    HINT = "Ctrl-C again, or Ctrl-D, leaves"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        try:
            for end in pty.openpty():
                os.close(end)
        except OSError as error:
            raise unittest.SkipTest(f"this machine has no pseudo-terminals ({error})") from error

    def start(self, *args):
        keyboard = Keyboard("chat", "-m", self.model, *args)
        keyboard.expect("leaves.")
        keyboard.expect("> ")
        return keyboard

    def leave(self, keyboard):
        keyboard.type(self.CTRL_D)
        self.assertEqual(keyboard.finish(), 0)

    def test_ctrl_c_clears_the_line_and_leaves_when_given_twice(self):
        keyboard = self.start()
        keyboard.type("/nonsense")
        keyboard.expect("/nonsense")
        keyboard.type(self.CTRL_C)
        keyboard.expect(self.HINT)
        keyboard.expect("> ")
        keyboard.type("/sampling\r")  # the line before it is gone
        keyboard.expect("temperature")
        keyboard.expect("> ")
        for hint in [self.HINT, None]:
            keyboard.type(self.CTRL_C)
            if hint:
                keyboard.expect(hint)
                keyboard.expect("> ")
        self.assertEqual(keyboard.finish(), 0)

    def test_typing_between_two_ctrl_c_keeps_the_program(self):
        keyboard = self.start()
        for keys in ["some", "words", "and more"]:
            keyboard.type(keys)
            keyboard.expect(keys)
            keyboard.type(self.CTRL_C)
            keyboard.expect(self.HINT)
            keyboard.expect("> ")
        self.leave(keyboard)

    def test_ctrl_c_drops_all_lines_of_an_unfinished_message(self):
        keyboard = self.start()
        keyboard.type("one\\\r")
        keyboard.expect("  ")
        keyboard.type("two" + self.CTRL_C)
        keyboard.expect(self.HINT)
        keyboard.expect("> ")
        keyboard.type("/undo\r")
        keyboard.expect("there is no message yet")
        keyboard.expect("> ")
        self.leave(keyboard)

    def test_ctrl_c_stops_an_answer_and_nothing_else(self):
        keyboard = self.start("--max-tokens", "2000", "--isa", "ref", "--threads", "1", "--temperature", "1",
                              "--logit-bias", "0:-100", "--logit-bias", "1:-100", "--logit-bias", "2:-100")
        keyboard.type("hi\r")
        keyboard.expect("hi\r\n")
        time.sleep(0.5)
        keyboard.type(self.CTRL_C)
        shown = keyboard.expect("> ")
        self.assertIn("stopped", shown)
        keyboard.type("/undo\r")
        keyboard.expect("taken back; 0 messages are left")
        keyboard.expect("> ")
        self.leave(keyboard)

    def test_characters_beyond_ascii_can_be_typed_and_edited(self):
        path = self.path("saved.json")
        keyboard = self.start("--max-tokens", "2")
        keyboard.type("Züriß\x7fch\r")
        keyboard.expect("tokens")
        keyboard.expect("> ")
        keyboard.type(f"/save {path}\r")
        keyboard.expect("saved 2 messages")
        keyboard.expect("> ")
        self.leave(keyboard)
        with open(path, encoding="utf-8") as file:
            self.assertEqual(json.load(file)[0]["content"], "Zürich")


if __name__ == "__main__":
    unittest.main()
