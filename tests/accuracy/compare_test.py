"""scripts/bench compare on the demo's network, and what it says where something is missing. MSQ_BIN: our programs."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

COMPARE = pathlib.Path(__file__).with_name("compare.py")


def compare(*arguments, binaries=os.environ["MSQ_BIN"]):
    return subprocess.run([sys.executable, "-B", COMPARE, "--bin", binaries, *arguments], capture_output=True, text=True,
                          check=False, timeout=120)


class CompareTest(unittest.TestCase):

    def test_the_demo(self):
        with tempfile.TemporaryDirectory() as folder:
            report = pathlib.Path(folder) / "rows.json"
            result = compare("characters", "--seconds", "0.2", "--json", str(report))
            self.assertEqual(result.returncode, 0, result.stderr)
            cpu, fpga = json.loads(report.read_text())["rows"]
        self.assertEqual((cpu["backend"], fpga["backend"]), ("cpu", "fpga"))
        self.assertGreater(cpu["top1"], 0.97)
        self.assertEqual((cpu["top1"], cpu["pictures"]), (fpga["top1"], fpga["pictures"]))
        self.assertGreater(fpga["compared"], 0)
        self.assertAlmostEqual(fpga["device_ms"], 0.24, delta=0.05)
        self.assertEqual(fpga["joules_source"], "model")
        self.assertIsNone(cpu["device_ms"])
        self.assertEqual(len(result.stdout.splitlines()), 4)

    def test_data_that_is_not_there(self):
        result = compare("resnet20_cifar10", "--data", "/nowhere")
        self.assertEqual(result.returncode, 1)
        self.assertIn("there is no /nowhere/models/resnet20_cifar10.onnx", result.stderr)
        self.assertEqual(result.stdout, "")

    def test_a_daemon_that_does_not_start(self):
        with tempfile.TemporaryDirectory() as folder:
            msqd = pathlib.Path(folder) / "msqd"
            msqd.write_text("#!/bin/sh\necho 'why it does not' >&2\nexit 1\n")
            msqd.chmod(0o755)
            result = compare("characters", binaries=folder)
        self.assertEqual(result.returncode, 1)
        self.assertIn("msqd did not start:\nwhy it does not", result.stderr)


if __name__ == "__main__":
    unittest.main()
