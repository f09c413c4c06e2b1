"""plant.py: an edit that does not fit is refused, and only a named failure of a test counts as caught."""
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import plant  # noqa: E402

PLANT = "A fault.\nsource: a.cc\nexpect: axis: threads\n\n--- old\na + b\n--- new\nb + a\n"
FAILED = "[  FAILED  ] Matrix.Bits\n"
FAILED_PROOF = "chunk  512, 16  FAIL\n           axis: threads\n\nFAIL: axis: threads; 0:01\n"


class Apply(unittest.TestCase):
    def test_an_edit_is_made_where_its_text_stands(self):
        self.assertEqual(plant.apply(PLANT, "x = a + b;\ny = 1;\n"), "x = b + a;\ny = 1;\n")

    def test_a_text_that_is_not_there_exactly_once_is_refused(self):
        for source in ("x = a - b;\n", "x = a + b;\ny = a + b;\n"):
            with self.assertRaisesRegex(plant.PlantError, "expected once, found [02] times"):
                plant.apply(PLANT, source)

    def test_every_edit_of_a_plant_is_made(self):
        self.assertEqual(plant.apply(PLANT + "\n--- old\nc\n--- new\nd\n", "a + b; c"), "b + a; d")

    def test_a_plant_without_edits_needs_flags(self):
        with self.assertRaises(plant.PlantError):
            plant.apply("source: a.cc\n", "x")
        self.assertEqual(plant.apply("source: a.cc\nflags: -O3\n", "x"), "x")


class Verdict(unittest.TestCase):
    def test_a_failure_that_names_the_fault_is_caught(self):
        self.assertIsNone(plant.verdict("axis: threads", 1, FAILED + "axis: threads x tier"))
        self.assertIsNone(plant.verdict("axis: threads", 1, FAILED_PROOF))

    def test_a_pass_a_crash_and_an_unnamed_failure_are_not(self):
        self.assertIn("not caught", plant.verdict("axis", 0, "axis"))
        self.assertIn("crash", plant.verdict("axis", -6, FAILED + "axis"))
        self.assertIn("crash", plant.verdict("axis", 127, "axis"))
        self.assertIn("crash", plant.verdict("axis", 1, "axis"))
        self.assertIn("does not name", plant.verdict("axis: threads", 1, FAILED + "axis: batch"))

    def test_a_control_passes(self):
        self.assertIsNone(plant.verdict("pass", 0, "[  PASSED  ] 3 tests."))
        self.assertIsNone(plant.verdict("pass", 0, "\nPASS: 3 outputs"))
        self.assertIn("control", plant.verdict("pass", 1, FAILED))
        self.assertIn("control", plant.verdict("pass", 0, ""))


if __name__ == "__main__":
    unittest.main()
