"""msq bench against the real daemon: figures that agree with each other, and plain words where there are none."""
import concurrent.futures
import contextlib
import csv
import json
import pathlib
import shutil
import threading
import unittest

import grpc

import harness
from harness import inference_pb2, inference_pb2_grpc, msq

DEVICE = "emulated,configuration=tiny"
QUICK = ["--rounds", 1, "--warmup", 0.1, "--sample-interval-seconds", 0.1]


class Liar(inference_pb2_grpc.GRPCInferenceServiceServicer):
    """A server whose backend `fpga` answers with other bits than all others."""

    def ServerMetadata(self, request, context):
        return inference_pb2.ServerMetadataResponse(name="liar", version="1")

    def ModelMetadata(self, request, context):
        answer = inference_pb2.ModelMetadataResponse(name=request.name, versions=["1"])
        answer.inputs.add(name="pixels", datatype="UINT8", shape=[4])
        return answer

    def ModelConfig(self, request, context):
        return inference_pb2.ModelConfigResponse()

    def ModelInfer(self, request, context):
        answer = inference_pb2.ModelInferResponse(model_name=request.model_name)
        answer.outputs.add(name="logits", datatype="UINT8", shape=[2])
        answer.raw_output_contents.append(b"ab" if request.parameters["backend"].string_param == "fpga" else b"aa")
        return answer


@contextlib.contextmanager
def serving(servicer):
    """The address of a server in this process."""
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    inference_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None)


class BenchTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(harness.temporary_folder())
        cls.fixture = harness.make_fixture(cls.folder)

    def setUp(self):
        self.reports = pathlib.Path(self.enterContext(harness.temporary_folder()))
        self.sysfs = self.reports / "sys"
        self.chip = self.sysfs / "class/hwmon/hwmon0"
        self.chip.mkdir(parents=True)
        (self.chip / "name").write_text("ina226\n")
        (self.chip / "power1_input").write_text("1500000\n")
        self.daemon = self.enterContext(harness.Daemon(
            self.fixture.repository, "--fpga-device", DEVICE, "--sysfs-root", self.sysfs, "--power-interval-ms", 100))

    def bench(self, *arguments, duration=0.5, metrics=True):
        """The process, and its JSON if it wrote some."""
        files = [part for kind in ("json", "csv", "html") if f"--{kind}" not in arguments
                 for part in (f"--{kind}", self.reports / f"r.{kind}")]
        where = ["--metrics-url", f"http://{self.daemon.metrics_url}/metrics"] if metrics else []
        result = msq("bench", "sample", "--url", self.daemon.url, *where, *files, *QUICK,
                     "--duration", duration, *arguments)
        text = (self.reports / "r.json").read_text()
        return result, json.loads(text) if text else None

    def check_lines(self, result):
        """In a pipe there is no progress: stdout is the table and the verdict, stderr notes and perhaps an error."""
        self.assertNotIn("\r", result.stdout + result.stderr)
        self.assertRegex(result.stdout.splitlines()[-1], r"^\d+ answers compared, \d+ differ$")
        for line in result.stderr.splitlines():
            self.assertRegex(line, "^(note|msq): ")

    def test_backends_side_by_side(self):
        result, document = self.bench("--backend", "cpu,fpga", "--concurrency", "1:2")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.check_lines(result)
        rows = document["rows"]
        self.assertEqual([(r["backend"], r["concurrency"]) for r in rows],
                         [("cpu", 1), ("fpga", 1), ("cpu", 2), ("fpga", 2)])
        self.assertGreaterEqual(document["answers_compared"], sum(r["answers"] for r in rows))
        self.assertEqual(document["answers_wrong"], 0)
        for row in rows:
            self.assertEqual((row["wrong"], row["errors"], row["mode"]), (0, {}, "closed"))
            self.assertAlmostEqual(row["images_per_s"], row["answers"] / 0.5, places=6)
            self.assertLessEqual(row["min_ms"], row["p50_ms"])
            self.assertLessEqual(row["p50_ms"], row["max_ms"])
            self.assertGreaterEqual(row["batch_sizes"]["mean"], 1)
            self.assertGreater(row["phases_ms"]["compute"], 0)
            (energy,) = row["energy"]
            self.assertEqual((energy["source"], energy["estimate"]),
                             ("hwmon", False) if row["backend"] == "cpu" else ("model", True))
            self.assertAlmostEqual(energy["joules_per_image"], energy["joules"] / energy["images"])
            if row["backend"] == "cpu":  # 1.5 W for some half a second
                self.assertTrue(0.3 < energy["joules"] < 3, energy)
        self.assertEqual({(p["backend"], p["source"]) for p in document["power"]}, {("cpu", "hwmon"), ("fpga", "model")})
        with open(self.reports / "r.csv", newline="") as file:
            table = list(csv.DictReader(file))
        self.assertEqual([float(r["images_per_s"]) for r in table], [r["images_per_s"] for r in rows])
        self.assertEqual(table[1]["joules_per_image_cpu_hwmon"], "")
        page = (self.reports / "r.html").read_text()
        self.assertIn(f"{document['answers_compared']:,} answers compared, 0 differ", page)
        self.assertNotRegex(page, r"https?://(?!127\.0\.0\.1)|src=|<script")

    def test_a_sensor_that_vanishes_leaves_no_figure_and_a_note(self):
        timer = threading.Timer(1.5, (self.chip / "power1_input").unlink)
        timer.start()
        result, document = self.bench("--backend", "cpu", "--concurrency", 1, duration=3)
        timer.join()
        self.assertEqual(result.returncode, 0, result.stderr)
        (row,) = document["rows"]
        self.assertEqual(row["energy"], [])
        self.assertGreater(row["images_per_s"], 0)
        self.assertIn("note: cpu, concurrency 1: no energy by hwmon: the sensor ina226", result.stderr)
        watts = next(p["watts"] for p in document["power"] if p["source"] == "hwmon")
        self.assertEqual((watts[0][1], watts[-1][1]), (1.5, None))
        page = (self.reports / "r.html").read_text()
        self.assertIn("a sensor vanished after", page)
        self.assertIn("Energy an image</dt><dd>not measured", page)

    def test_open_loop(self):
        result, document = self.bench("--rate", "40,80", duration=1)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.check_lines(result)
        for row, rate in zip(document["rows"], [40, 80], strict=True):
            self.assertEqual((row["mode"], row["rate_per_s"], row["rate_reached"]), ("open", rate, True))
            self.assertIsNone(row["concurrency"])
            self.assertTrue(0.5 * rate < row["due"] < 1.6 * rate, row["due"])

    def test_a_rate_that_cannot_be_offered(self):
        result, document = self.bench("--rate", 1000000)
        self.assertEqual(result.returncode, 1)
        self.assertIn("msq: any, rate 1000000/s: the rate was not reached", result.stderr)
        self.assertFalse(document["rows"][0]["rate_reached"])
        self.assertTrue("(not reached)" in (self.reports / "r.html").read_text())

    def test_without_metrics(self):
        result, document = self.bench("--concurrency", 1, "--metrics-url", "", metrics=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        (row,) = document["rows"]
        self.assertEqual((row["backend"], row["phases_ms"], row["batch_sizes"], row["energy"]), ("", {}, None, []))
        self.assertIn("no figures of the server and no energy", document["notes"][-1])

    def test_a_difference_before_the_load_is_the_report(self):
        files = {kind: self.reports / f"r.{kind}" for kind in ("json", "csv", "html")}
        for file in files.values():
            file.write_text("of another day")
        with serving(Liar()) as url:
            result = msq("bench", "sample", "--url", url, "--backend", "cpu,fpga", "--metrics-url", "",
                         *[part for kind, file in files.items() for part in (f"--{kind}", file)])
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stdout, "16 answers compared, 16 differ\n")
        difference = "backend 'fpga', question 0, output 'logits' from byte 1 on"
        self.assertIn(f"msq: 16 answers differ from the first backend's; the first one: {difference}", result.stderr)
        document = json.loads(files["json"].read_text())
        self.assertEqual((document["answers_wrong"], document["first_difference"], document["rows"]),
                         (16, difference, []))
        self.assertIn("nothing was measured: answers differed before there was any load", document["notes"])
        self.assertEqual(len(files["csv"].read_text().splitlines()), 1)
        self.assertIn("16 answers compared, 16 differ", files["html"].read_text())

    def test_an_old_report_does_not_outlive_a_run_without_one(self):
        report = self.reports / "r.html"
        report.write_text("of another day")
        result = msq("bench", "sample", "--url", "127.0.0.1:1", "--html", report)
        self.assertEqual((result.returncode, report.read_text()), (1, ""))

    def test_a_response_cache_that_answers_is_told(self):
        repository = self.reports / "repository"
        shutil.copytree(self.fixture.repository / "sample", repository / "sample")
        (repository / "sample" / "config.pbtxt").write_text("max_batch_size: 4 response_cache { enable: true }\n")
        with harness.Daemon(repository, "--response-cache-bytes", 1 << 20) as cached:
            def bench(*arguments):
                file = self.reports / "cached.json"
                result = msq("bench", "sample", "--url", cached.url, "--metrics-url", "", *QUICK, "--concurrency", 1,
                             "--json", file, *arguments)
                self.assertEqual(result.returncode, 0, result.stderr)
                return result.stderr, json.loads(file.read_text())
            said, document = bench()
            self.assertGreater(document["cache_hits"], 0)
            self.assertIn(f"note: the server answered {document['cache_hits']} requests out of its response cache", said)
            said, document = bench("--backend", "cpu")
            self.assertEqual(document["cache_hits"], 0)
            self.assertNotIn("cache", said)

    def test_metrics_of_another_server_are_refused(self):
        with harness.Daemon(self.fixture.repository) as other:
            result, _ = self.bench("--metrics-url", f"http://{other.metrics_url}/metrics", metrics=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("these metrics do not count the requests to", result.stderr)

    def test_a_server_that_goes_away(self):
        timer = threading.Timer(1.5, self.daemon.process.kill)
        timer.start()
        result, document = self.bench("--backend", "cpu,fpga", "--concurrency", "1:4", duration=3)
        timer.join()
        self.assertEqual(result.returncode, 1)
        self.assertIn("note: the server went away", result.stderr)
        self.assertRegex(result.stderr, "msq: requests failed; the first one: ")
        self.assertIsNone(document["rows"][0]["images_per_s"])
        self.assertLess(len(document["rows"]), 6)

    def test_bad_input(self):
        for text, *arguments in [
                ("no backend 'gpu'", "--backend", "cpu,gpu"),
                ("batches of", "--batch", "100000"),
                ("http://127.0.0.1:1/metrics: Connection refused", "--metrics-url", "http://127.0.0.1:1/metrics"),
                ("such.html: No such file or directory", "--html", self.reports / "no" / "such.html")]:
            result = msq("bench", "sample", "--url", self.daemon.url, *arguments)
            self.assertEqual((result.returncode, result.stdout), (1, ""), arguments)
            self.assertIn(text, result.stderr)
            self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        result = msq("bench", "sample", "--url", "127.0.0.1:1")
        self.assertEqual((result.returncode, result.stdout, result.stderr),
                         (1, "", "msq: 127.0.0.1:1: no server answers there\n"))

    def test_what_cannot_be_asked_for(self):
        old = self.reports / "r.json"
        old.write_text("of another day")
        for text, *arguments in [
                ("excludes", "--rate", 5, "--concurrency", 5),
                ("'cpu' is named twice", "--backend", "cpu,cpu"),
                ("concurrency '4:2' is neither", "--concurrency", "4:2"),
                ("concurrency '2000000000' is neither N nor FIRST:LAST nor N,N,... in 1..1024", "--concurrency", 2000000000),
                *[(f"rate '{rate}' is neither R nor R,R,...: requests per second, 0.0001 to 1000000", "--rate", rate)
                  for rate in ("", "0", "nan", "inf", "1e300", "1e-300")],
                *[(f"{option}: '{number}' is not a number in [{least} - 86400]", option, number)
                  for option, least in (("--duration", 0.01), ("--warmup", 0), ("--timeout-seconds", 0.001))
                  for number in ("1e300", "inf", "nan", "86401", "-1")],
                ("'nan' is not a number in [0 - 100]", "--stability-percent", "nan"),
                ("'nan' is not a number in [0.05 - 3600]", "--sample-interval-seconds", "nan"),
                ("'2000000000' is not a number in [1 - 1000]", "--rounds", 2000000000),
                ("'0' is not a number in [1 - 1000]", "--max-rounds", 0),
                ("'100001' is not a number in [1 - 100000]", "--max-under-way", 100001),
                ("--max-rounds is less than --rounds", "--rounds", 4, "--max-rounds", 3),
                ("two reports cannot be written to one file", "--json", old, "--csv", f"{self.reports}/./r.json"),
                ("two reports cannot be written to one file", "--csv", self.reports / "new", "--html",
                 self.reports / "no" / ".." / "new")]:
            result = msq("bench", "sample", "--url", self.daemon.url, *arguments)
            self.assertEqual((result.returncode, result.stdout), (2, ""), arguments)
            self.assertIn(text, result.stderr)
        self.assertEqual(old.read_text(), "of another day")
        self.assertEqual([file.name for file in self.reports.iterdir() if file.is_file()], ["r.json"])

    def test_a_report_that_cannot_be_written_loses_no_other(self):
        result, document = self.bench("--concurrency", 1, "--csv", "/dev/full")
        self.assertEqual(result.returncode, 1)
        self.assertIn("msq: cannot write /dev/full: No space left on device\n", result.stderr)
        self.assertEqual(document["answers_wrong"], 0)
        self.assertIn("Written by msq bench", (self.reports / "r.html").read_text())

    def test_a_rate_at_which_nothing_is_due(self):
        result, document = self.bench("--rate", 0.001)
        self.assertEqual((result.returncode, result.stdout.splitlines()[-1]), (1, "no answer was compared"))
        nothing = "any, rate 0.001/s: nothing was measured: no request was due within the measured time\n"
        self.assertIn(f"note: {nothing}", result.stderr)
        self.assertIn(f"msq: {nothing}", result.stderr)
        (row,) = document["rows"]
        self.assertEqual((row["due"], row["rate_reached"], row["images_per_s"], document["answers_wrong"]),
                         (0, None, None, None))
        self.assertIn("No answer was compared", (self.reports / "r.html").read_text())

    def test_an_open_loop_whose_server_goes_away(self):
        timer = threading.Timer(1, self.daemon.process.kill)
        timer.start()
        result, document = self.bench("--rate", 200, duration=5)
        timer.join()
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, "note: any, rate 200/s: round 1 ended early and does not count: nothing but "
                                        "errors came in the end, such as: .*127.0.0.1")
        (row,) = document["rows"]
        self.assertEqual((row["due"], row["rate_reached"], row["rounds"], row["rounds_used"]),
                         (0, None, [{"images_per_s": None, "p50_ms": None}], 0))


if __name__ == "__main__":
    unittest.main()
