"""What the tests of the command line share: a tiny model, and ways to run invar on it."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

from tiny_model import make

INVAR = os.path.abspath(sys.argv.pop(1))  # before unittest.main reads the arguments
with open(INVAR, "rb") as program:
    PROGRAM = program.read()
SANITIZED = b"__asan_init" in PROGRAM or b"__tsan_init" in PROGRAM


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.model = make(os.path.join(cls.folder.name, "tiny"))

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def path(self, name):
        return os.path.join(self.folder.name, f"{self._testMethodName}-{name}")

    def invar(self, *args, stdin=b"", timeout=60):
        return subprocess.run([INVAR, *map(str, args)], input=stdin, capture_output=True, timeout=timeout, check=False)

    def shell(self, script, timeout=60):
        return subprocess.run(["bash", "-c", script, "bash", INVAR, self.model], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=timeout, check=False)

    def assert_refused(self, result, *needles, code=1):
        """Nothing on standard output, one line "invar: ..." on standard error that has all of `needles`."""
        error = result.stderr.decode()
        self.assertEqual(result.returncode, code, error)
        self.assertEqual(result.stdout, b"")
        self.assertRegex(error, r"\Ainvar: [^\n]{10,400}\n\Z")
        for needle in needles:
            self.assertIn(needle, error)

    def refuse(self, *args, needles, stdin=b"", code=1):
        self.assert_refused(self.invar(*args, stdin=stdin), *needles, code=code)

    def generate(self, *args, model=None, stdin=b""):
        """Lines of --json, parsed."""
        result = self.invar("generate", "-m", model or self.model, "--json", *args, stdin=stdin)
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        return [json.loads(line) for line in result.stdout.splitlines()]
