"""msq-inspect on the demo's artifact: the JSON says what the text says, and options that exclude each other are refused."""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

MODEL = pathlib.Path(__file__).resolve().parents[2] / "demo/repository/characters/1/model.msq"


def inspect(*arguments):
    program = pathlib.Path(os.environ["MSQ_BIN"]) / "msq-inspect"
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)


class InspectTest(unittest.TestCase):
    def good(self, *arguments):
        run = inspect(MODEL, *arguments)
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout

    def test_prints_the_artifact(self):
        said = json.loads(self.good("--json"))
        self.assertIn(f"{said['name']}: {said['weights']} weights, {said['macs'] / 1e6:.1f} M", self.good())

    def test_target_as_json_is_the_table(self):
        said = json.loads(self.good("--target", "z020", "--json"))
        table, total = self.good("--target", "z020").split("\n\n")
        rows = []
        for layer in said["layers"]:
            lanes = f"{layer['dsp_rows']} DSP, {layer['any_rows']} any"
            rows.append([layer["node"][:28], layer["kind"][:24], lanes if layer["dsp_rows"] + layer["any_rows"] else "",
                         str(layer["tiles"]), str(layer["passes"]), str(layer["steps"]), str(layer["cycles"]),
                         f"{100 * layer['dsp_busy']:.1f}%", f"{100 * layer['lut_busy']:.1f}%",
                         f"{layer['dram_bytes'] / 1e3:.1f}"])
        self.assertGreater(len(rows), 3)
        self.assertEqual([" ".join(row).split() for row in rows], [line.split() for line in table.split("\n")[1:]])
        self.assertEqual(total, f"{said['config']}: {said['cycles']} cycles predicted, {said['latency_ms']:.3f} ms at "
                                f"{said['clock_mhz']} MHz, {said['dram_bytes'] / 1e6:.2f} MB of DRAM\n")
        self.assertGreater(said["cycles"], 0)
        self.assertAlmostEqual(said["latency_ms"], said["cycles"] / 1e5)

    def test_says_which_targets_there_are_not(self):
        run = inspect(MODEL, "--target", "z999", "--json")
        self.assertEqual((run.returncode, run.stdout), (1, ""))
        self.assertIn("'z999'", run.stderr)

    def test_compares(self):
        self.assertEqual(self.good("--diff", MODEL), "")

    def test_options_that_exclude_each_other(self):
        for other in (["--target", "z020"], ["--json"], ["--target", "z020", "--json"]):
            run = inspect(MODEL, "--diff", MODEL, *other)
            self.assertEqual((run.returncode, run.stdout), (2, ""), other)
            self.assertIn("excludes", run.stderr)

    def test_what_cannot_be_read(self):
        with tempfile.NamedTemporaryFile() as file:
            for arguments in ([file.name], [MODEL, "--diff", file.name], [file.name, "--target", "z020"]):
                run = inspect(*arguments)
                self.assertEqual((run.returncode, run.stdout), (1, ""))
                self.assertIn("msq-inspect: ", run.stderr)


if __name__ == "__main__":
    unittest.main()
