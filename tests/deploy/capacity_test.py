"""The capacity model says what its page says, and refuses what cannot be."""
import pathlib
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def capacity(*arguments):
    return subprocess.run([ROOT / "deploy" / "capacity.py", *arguments], capture_output=True, text=True, timeout=30)


class CapacityTest(unittest.TestCase):

    def test_the_page_has_its_table(self):
        page = (ROOT / "docs" / "scaling.md").read_text()
        for part in capacity().stdout.strip().split("\n\n"):
            self.assertIn(f"\n{part}\n", page)

    def test_one_node_and_twice_the_load(self):
        def nodes(rate):
            return [int(line.split("|")[3].replace(",", "")) for line in capacity("--rate", rate).stdout.splitlines()[2:5]]
        self.assertEqual(nodes("10"), [1, 1, 1])
        for one, two in zip(nodes("1e6"), nodes("2e6")):
            self.assertAlmostEqual(two / one, 2, delta=0.01)

    def test_what_cannot_be(self):
        for arguments in (("--rate", "0"), ("--utilization", "0"), ("--utilization", "1.1"), ("--rate", "nan"),
                          ("--rate", "inf"), ("--utilization", "nan")):
            done = capacity(*arguments)
            self.assertEqual(done.returncode, 2)
            self.assertIn("--rate must be positive, up to 1e12, and --utilization in 0..1", done.stderr)


if __name__ == "__main__":
    unittest.main()
