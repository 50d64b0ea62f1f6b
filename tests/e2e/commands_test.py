"""The real msq command against the real daemon."""
import json
import os
import shutil
import unittest

import numpy

import harness
from harness import msq

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


class CommandsTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(harness.temporary_folder())
        cls.fixture = harness.make_fixture(cls.folder)
        cls.daemon = cls.enterClassContext(harness.Daemon(cls.fixture.repository))
        cls.url = ["--url", cls.daemon.url]

    def run_json(self, *arguments):
        result = msq(*arguments, *self.url, "--json")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return json.loads(result.stdout)

    def fail_with(self, text, *arguments):
        result = msq(*arguments)
        self.assertEqual((result.returncode, result.stdout), (1, ""), result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertIn(text, result.stderr)

    def check_classes(self, results, top_k):
        self.assertEqual(len(results), len(self.fixture.logits))
        for row, result in zip(self.fixture.logits, results):
            order = numpy.argsort(-row, kind="stable")[:top_k]
            self.assertEqual([c["index"] for c in result["classes"]], list(order))
            self.assertEqual([c["label"] for c in result["classes"]], [NAMES[i] for i in order])
            numpy.testing.assert_allclose([c["score"] for c in result["classes"]], row[order], atol=1e-6)
            self.assertGreater(result["latency_ms"], 0)

    def test_infer_pictures(self):
        files = sorted(self.fixture.pictures.glob("*.png"))
        document = self.run_json("infer", "sample", *files, "--top-k", 3)
        self.check_classes(document["results"], 3)
        self.assertEqual([r["file"] for r in document["results"]], [str(f) for f in files])
        self.assertEqual({r["batch"] for r in document["results"]}, {9})

    def test_infer_splits_by_the_models_batch_size_and_lays_out_pixels(self):
        files = sorted(self.fixture.pictures.glob("*.png"))
        results = self.run_json("infer", "nhwc", *files, "--backend", "cpu")["results"]
        self.check_classes(results, 1)
        self.assertEqual([r["batch"] for r in results], [4] * 8 + [1])

    def test_infer_arrays(self):
        self.check_classes(self.run_json("infer", "sample", self.folder / "pixels.npy")["results"], 1)
        one = self.folder / "one.npy"
        numpy.save(one, self.fixture.pixels[3].astype(numpy.float32))
        result = self.run_json("infer", "sample", one)["results"][0]
        self.assertEqual(result["classes"][0]["index"], int(self.fixture.logits[3].argmax()))

    def test_infer_text(self):
        picture = self.fixture.pictures / "picture_0.png"
        result = msq("infer", "sample", picture, "--top-k", 2, *self.url)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        lines = result.stdout.splitlines()
        self.assertEqual(len(lines), 3)
        best = int(self.fixture.logits[0].argmax())
        self.assertTrue(lines[1].startswith(str(picture)) and lines[1].endswith(NAMES[best]), lines)

    def test_infer_errors(self):
        picture = self.fixture.pictures / "picture_0.png"
        self.fail_with("Request for unknown model: 'nope' is not found", "infer", "nope", picture, *self.url)
        self.fail_with("missing.png", "infer", "sample", self.folder / "missing.png", *self.url)
        unreadable = self.folder / "unreadable.png"
        unreadable.write_bytes(picture.read_bytes()[:40])
        self.fail_with("unreadable.png", "infer", "sample", unreadable, *self.url)
        self.fail_with("has no backend 'fpga'", "infer", "sample", picture, "--backend", "fpga", *self.url)
        self.fail_with("give a .npy file", "infer", "plain", picture, *self.url)
        shape = self.folder / "shape.npy"
        numpy.save(shape, numpy.zeros((3, 8, 9), numpy.uint8))
        self.fail_with("shape [3,8,9] does not fit the model's [3,8,8]", "infer", "sample", shape, *self.url)
        self.fail_with("127.0.0.1:1: no server answers there", "infer", "sample", picture, "--url", "127.0.0.1:1")

    def test_eval_folder_with_names_and_archive_with_indices(self):
        truth = self.fixture.logits.argmax(axis=1)
        labels = self.fixture.pictures / "labels.csv"
        rows = labels.read_text().splitlines()
        wrong = rows[1].split(",")[0] + "," + NAMES[int(self.fixture.logits[0].argsort()[0])]  # the very last class
        labels.write_text("\n".join([rows[0], wrong, *rows[2:]]) + "\n")
        document = self.run_json("eval", "sample", "--dataset", self.fixture.pictures, "--batch", 4)
        self.assertEqual(document["images"], 9)
        self.assertAlmostEqual(document["top1"], 8 / 9)
        self.assertAlmostEqual(document["top5"], 8 / 9)

        second = self.fixture.logits.argsort(axis=1)[:, -2]
        archive = self.folder / "set.npz"
        numpy.savez(archive, images=self.fixture.pixels.transpose(0, 2, 3, 1),
                    labels=numpy.where(numpy.arange(9) < 3, second, truth))
        document = self.run_json("eval", "nhwc", "--dataset", archive)
        self.assertAlmostEqual(document["top1"], 6 / 9)
        self.assertAlmostEqual(document["top5"], 1)
        document = self.run_json("eval", "nhwc", "--dataset", archive, "--limit", 3)
        self.assertEqual((document["images"], document["top1"], document["top5"]), (3, 0, 1))
        self.fail_with("nowhere", "eval", "sample", "--dataset", self.folder / "nowhere", *self.url)

    def test_eval_refuses_labels_that_no_class_has(self):
        archive = self.folder / "strange.npz"
        numpy.savez(archive, images=self.fixture.pixels.transpose(0, 2, 3, 1), labels=numpy.arange(9) + 70)
        self.fail_with("class 70, but there are 10 class names", "eval", "nhwc", "--dataset", archive, *self.url)

    def test_names_that_are_no_utf8_are_printed_with_replacements(self):
        folder = self.folder / os.fsdecode(b"set\xff")
        shutil.copytree(self.fixture.pictures, folder)
        document = self.run_json("eval", "sample", "--dataset", folder)
        self.assertTrue(document["dataset"].endswith("set\ufffd"), document["dataset"])
        results = self.run_json("infer", "sample", folder / "picture_0.png")["results"]
        self.assertTrue(results[0]["file"].endswith("set\ufffd/picture_0.png"), results)

    def test_models_and_status(self):
        models = self.run_json("models")["models"]
        self.assertEqual([(m["name"], m["version"], m["state"]) for m in models],
                         [("nhwc", "3", "READY"), ("plain", "1", "READY"), ("sample", "1", "READY")])
        self.assertEqual(models[0]["inputs"], [{"name": "pixels", "datatype": "UINT8", "shape": [-1, 8, 8, 3]}])
        self.assertIn("pixels UINT8 [-1,8,8,3] -> logits FP32 [-1,10]", msq("models", *self.url).stdout)
        status = self.run_json("status")
        self.assertEqual((status["live"], status["ready"], status["models"], status["models_ready"]), (True, True, 3, 3))
        self.assertIn("ready, 3 of 3 models ready", msq("status", *self.url).stdout)

    def test_usage(self):
        self.assertNotEqual(msq().returncode, 0)
        self.assertNotEqual(msq("infer", "sample").returncode, 0)
        for command in ("infer", "eval", "models", "status"):
            self.assertIn("--json", msq(command, "--help").stdout)


if __name__ == "__main__":
    unittest.main()
