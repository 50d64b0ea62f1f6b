"""msqd's status page: its figures are those of the metrics, as documented, and a browser shows them.

The tests with a browser are skipped, and say so, where there is no Chromium (scripts/bootstrap browser).
"""
import hashlib
import html.parser
import http.server
import json
import pathlib
import re
import shutil
import subprocess
import threading
import time
import unittest
import urllib.error
import urllib.request

import harness
from harness import request
from load import Load

DEVICE = "emulated,configuration=tiny"
OPERATING = pathlib.Path(__file__).resolve().parents[2] / "docs" / "operating.md"
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
ODD_NAME = "<img src=x onerror=alert(1)>"


def documented():
    """Members in the first column of the table of operating.md's chapter on the status page."""
    chapter = OPERATING.read_text().split("\n## Status page\n")[1].split("\n## ")[0]
    return {name for row in re.findall(r"^\| (`[^|]*) \|", chapter, re.MULTILINE) for name in re.findall(r"`([^`]+)`", row)}


def members(value, path=""):
    """Paths of everything in the JSON that is neither object nor list: "models[].backends[].images"."""
    if isinstance(value, dict):
        return {name for key, member in value.items() for name in members(member, f"{path}.{key}".lstrip("."))}
    if isinstance(value, list):
        return {name for member in value for name in members(member, path + "[]")}
    return {path}


class Texts(html.parser.HTMLParser):
    """The texts of a page's elements with a data-field, by field, and the names of all its elements; no templates."""

    def __init__(self, page):
        super().__init__()
        self.fields, self.elements = {}, set()
        self._template, self._field = False, None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self._template = self._template or tag == "template"
        if not self._template:
            self.elements.add(tag)
            self._field = dict(attributes).get("data-field")
            if self._field:
                self.fields.setdefault(self._field, []).append("")

    def handle_endtag(self, tag):
        self._template = self._template and tag != "template"
        self._field = None

    def handle_data(self, data):
        if self._field and not self._template:
            self.fields[self._field][-1] += data


class SlowRelay:
    """Stands between browser and daemon: remembers what was asked for, and lets time pass before each look at the
    figures, for the browser's own clock runs as fast as it can. `daemon_at` tells who answers a look, counted from 1;
    None: nobody, the connection is closed."""

    def __init__(self, daemon, daemon_at=None):
        self.paths = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):

            def do_GET(self):
                outer.paths.append(self.path)
                answers = daemon
                if self.path == "/status.json":
                    if daemon_at is not None:
                        answers = daemon_at(outer.paths.count(self.path))
                    if answers is None:
                        self.connection.close()
                        return
                    time.sleep(0.3)
                with urllib.request.urlopen(f"http://{answers.metrics_url}{self.path}", timeout=10) as answer:
                    body = answer.read()
                    self.send_response(answer.status)
                    for name, value in answer.headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class StatusTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(harness.temporary_folder())
        cls.fixture = harness.make_fixture(cls.folder)
        shutil.copytree(cls.fixture.repository / "sample", cls.fixture.repository / ODD_NAME)
        broken = cls.fixture.repository / "broken" / "1"
        broken.mkdir(parents=True)
        (broken / "model.msq").write_bytes(b"no artifact")

    def setUp(self):
        self.sysfs = self.enterContext(harness.temporary_folder())
        package = self.sysfs / "class/powercap/intel-rapl:0"
        package.mkdir(parents=True)
        (package / "name").write_text("package-0\n")
        (package / "max_energy_range_uj").write_text("100000000\n")
        (package / "energy_uj").write_text("0\n")

    def daemon(self, *arguments, power_interval_ms=100):
        return self.enterContext(harness.Daemon(self.fixture.repository, "--sysfs-root", self.sysfs, "--power-interval-ms",
                                                power_interval_ms, *arguments))

    def tokens(self):
        path = self.folder / "tokens.json"
        path.write_text(json.dumps({"tokens": [{"name": "a", "sha256": hashlib.sha256(b"secret").hexdigest()}]}))
        return path

    def ask(self, daemon, path, method="GET"):
        return urllib.request.urlopen(urllib.request.Request(f"http://{daemon.metrics_url}{path}", method=method), timeout=10)

    def status(self, daemon):
        with self.ask(daemon, "/status.json") as answer:
            self.assertEqual(answer.headers["Content-Type"], "application/json")
            return json.load(answer)

    def wait_for(self, done, seconds=30):
        end = time.monotonic() + seconds
        while not done():
            self.assertLess(time.monotonic(), end, "it did not happen")
            time.sleep(0.05)

    def load_until(self, daemon, done):
        with Load(daemon, self.fixture) as load:
            self.wait_for(lambda: done() and load.answers > 100)
        self.assertEqual((load.errors, load.wrong), ([], 0))

    def compare_models(self, daemon, status):
        for model in status["models"]:
            for backend in model["backends"]:
                labels = {"backend": backend["name"], "model": model["name"], "version": model["version"]}
                for name, member in [("msq_requests_total", "requests"), ("msq_images_total", "images"),
                                     ("msq_failovers_total", "failovers"), ("msq_queued_requests", "waiting")]:
                    self.assertEqual(backend[member], daemon.metric(name, **labels), (name, labels))
                total = dict(labels, phase="total")
                latency = backend["latency"]
                self.assertAlmostEqual(latency["seconds"], daemon.metric("msq_request_duration_seconds_sum", **total))
                self.assertEqual(latency["within"][-1], daemon.metric("msq_request_duration_seconds_count", **total))
                for reason, count in backend["failures"].items():
                    self.assertEqual(count, daemon.metric("msq_request_failures_total", reason=reason, **labels))

    def compare_devices(self, daemon, status):
        for backend in status["backends"]:
            for device in backend["devices"]:
                labels = {"backend": backend["name"], "device": device["name"]}
                for member in ("runs", "quarantines", "cycles", "dram_bytes", "running_seconds", "busy_seconds"):
                    self.assertAlmostEqual(device[member], daemon.metric(f"msq_device_{member}_total", **labels), msg=member)
                self.assertEqual(device["ready"], daemon.metric("msq_device_ready", **labels) == 1)

    def test_figures_are_those_of_the_metrics(self):
        daemon = self.daemon("--fpga-device", DEVICE + ",faults=hang@40+,hang-ms=200", "--fpga-device", DEVICE,
                             "--probe-seconds", "3600")
        self.load_until(daemon, lambda: self.status(daemon)["backends"][0]["devices"][0]["quarantines"] == 1)
        wrong = request(self.fixture.pixels[:1])
        wrong.inputs[0].name = "nothing"
        with self.assertRaises(harness.grpc.RpcError):
            daemon.stub.ModelInfer(wrong)
        status = self.status(daemon)
        self.compare_models(daemon, status)
        self.compare_devices(daemon, status)
        sample = next(model for model in status["models"] if model["name"] == "sample")
        self.assertGreater(sum(backend["images"] for backend in sample["backends"]), 100)
        self.assertEqual(sum(backend["failures"]["bad_request"] for backend in sample["backends"]), 1)
        quarantined, other = status["backends"][0]["devices"]
        self.assertIn("the program has not ended", quarantined["why"])
        self.assertEqual((other["ready"], other["why"], quarantined["ready"]), (True, "", False))
        self.assertEqual([backend["name"] for backend in status["backends"]], ["fpga", "cpu"])
        watts = {(rail["backend"], rail["source"]): rail["watts"] for rail in status["power"] if rail["present"]}
        self.assertEqual(set(watts), {("cpu", "rapl"), ("fpga", "model")})
        # From the next sample on a device in quarantine has no reading, which is told.
        present = lambda: {rail["device"]: rail["present"] for rail in self.status(daemon)["power"] if rail["source"] == "model"}
        self.wait_for(lambda: present() == {quarantined["name"]: False, other["name"]: True})

    def test_every_member_is_documented(self):
        daemon = self.daemon("--fpga-device", DEVICE, "--verify-fraction", "1")
        time.sleep(1.5)  # so that it knows what idling takes
        daemon.stub.ModelInfer(request(self.fixture.pixels))
        time.sleep(0.5)
        self.assertEqual(members(self.status(daemon)), documented())

    def test_readiness_and_messages(self):
        daemon = self.daemon(power_interval_ms=0)
        status = self.status(daemon)
        self.assertEqual((status["server"]["ready"], status["server"]["why"]), (False, "waits for model 'broken' version 1"))
        self.assertIn("model.msq", next(m for m in status["models"] if m["name"] == "broken")["reason"])
        self.assertIn(ODD_NAME, [model["name"] for model in status["models"]])
        self.assertTrue(any("no_such_field" in line["message"] for line in status["log"]), status["log"])
        self.assertEqual(status["power"], [])

    def test_messages_are_not_for_everybody_where_tokens_are_asked_for(self):
        tokens = self.tokens()
        for arguments, shown in [([], False), (["--status-details", "true"], True)]:
            status = self.status(self.daemon("--tokens", tokens, *arguments))
            self.assertEqual(status["server"]["details"], shown)
            self.assertEqual(bool(status["log"]), shown)
            self.assertEqual(any(model["reason"] for model in status["models"]), shown)

    def test_the_endpoint(self):
        daemon = self.daemon()
        with self.ask(daemon, "/") as answer:
            page = answer.read().decode()
            self.assertEqual(answer.headers["Content-Type"], "text/html; charset=utf-8")
            self.assertIn("default-src 'none'", answer.headers["Content-Security-Policy"])
        self.assertIn("<title>MSQ Serve</title>", page)
        with self.ask(daemon, "/", "HEAD") as answer:
            self.assertEqual((answer.status, answer.read()), (200, b""))
        for path, method, status in [("/favicon.ico", "GET", 404), ("/", "POST", 405), ("/status.json", "DELETE", 405)]:
            with self.assertRaises(urllib.error.HTTPError) as context:
                self.ask(daemon, path, method)
            self.assertEqual(context.exception.code, status)
            context.exception.close()

    def browse(self, url, milliseconds):
        """The page as it is when its clock has run for so long, and what the browser's console said."""
        if BROWSER is None:
            self.skipTest("there is no Chromium: scripts/bootstrap browser")
        profile = self.enterContext(harness.temporary_folder())
        # No sandbox: tests may run as root, where it does not work, and what is looked at is ours.
        done = subprocess.run([BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
                               f"--user-data-dir={profile}", f"--virtual-time-budget={milliseconds}", "--dump-dom", url],
                              capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout, re.findall(r"CONSOLE.*", done.stderr)

    def test_a_browser_shows_it(self):
        daemon = self.daemon("--fpga-device", DEVICE)
        with SlowRelay(daemon) as relay, Load(daemon, self.fixture):
            page, console = self.browse(relay.url, 8000)
        self.assertEqual(console, [])
        self.assertEqual(set(relay.paths), {"/", "/status.json"})
        self.assertGreater(len(relay.paths), 4)
        texts = Texts(page)
        self.assertNotIn("img", texts.elements)
        names = texts.fields["name"]
        for name in ("sample", "nhwc", "plain", "broken", ODD_NAME, "emulated-tiny-0", "cpu", "fpga"):
            self.assertIn(name, names)
        self.assertIn("unavailable", texts.fields["state"])
        self.assertIn("waits for model 'broken' version 1", texts.fields["why"])
        speed = texts.fields["speed"][[n for n in names if n in ("sample", "nhwc", "plain", ODD_NAME, "broken")].index("sample")]
        self.assertRegex(speed, r"^[1-9][\d,.]*$")
        self.assertTrue(any("no_such_field" in message for message in texts.fields["message"]))
        self.assertRegex(page, r'<path class="line" d="M[\d.]+ [\d.]+L')
        self.assertNotIn('class="stale"', page)

    def add_chips(self, *watts):
        """INA226s, each with a rail; their folders."""
        chips = [self.sysfs / f"class/hwmon/hwmon{i}" for i in range(len(watts))]
        for i, chip in enumerate(chips):
            chip.mkdir(parents=True)
            (chip / "name").write_text("ina226\n")
            (chip / "power1_input").write_text(f"{round(1e6 * watts[i])}\n")
            (chip / "device").symlink_to(f"../../4-004{i}")
        return chips

    def test_a_browser_adds_neither_sources_nor_a_part_of_one(self):
        chips = self.add_chips(1.5, 2.75)
        daemon = self.daemon("--fpga-device", DEVICE, "--power-rail", "ina226/*=fpga")
        with SlowRelay(daemon) as relay:
            texts = Texts(self.browse(relay.url, 6000)[0])
        self.assertEqual(texts.fields["title"], ["Power (hwmon)"])
        self.assertIn("4.25 W", texts.fields["value"])
        self.assertIn("hwmon: fpga 4.25 W\nrapl: cpu 0 mW\nestimated: fpga 1.60 W", texts.fields["note"])
        self.assertEqual(texts.fields["watts"], ["0 mW", "4.25 W", "1.60 W"])
        shutil.rmtree(chips[1])
        rails = lambda: {rail["device"]: rail["present"] for rail in self.status(daemon)["power"] if rail["source"] == "hwmon"}
        self.wait_for(lambda: rails() == {"ina226@4-0040": True, "ina226@4-0041": False})
        with SlowRelay(daemon) as relay:
            texts = Texts(self.browse(relay.url, 6000)[0])
        self.assertEqual(texts.fields["title"], ["Power (hwmon)"])
        self.assertNotIn("1.50 W", texts.fields["value"])
        self.assertIn("hwmon: fpga – (a rail is missing)\nrapl: cpu 0 mW\nestimated: fpga 1.60 W", texts.fields["note"])
        self.assertEqual(texts.fields["watts"], ["0 mW", "–", "1.60 W"])
        self.assertIn("no reading of ina226@4-0041 power1 any more; no sums without it", texts.fields["reason"])
        self.assertTrue(any("hwmon does not tell rail 'power1' of 'ina226@4-0041'" in text for text in texts.fields["message"]))

    def test_a_browser_says_that_the_daemon_is_gone(self):
        daemon = self.daemon()
        with SlowRelay(daemon, lambda look: daemon if look <= 3 else None) as relay:
            page, _ = self.browse(relay.url, 8000)
        self.assertRegex(page, r"The daemon does not answer \(it cannot be reached\)\. What is shown is as of \d\d:\d\d:\d\d\.")
        self.assertIn('<main id="main" class="stale">', page)
        self.assertIn("sample", Texts(page).fields["name"])  # the last picture stays

    def test_a_browser_follows_a_daemon_that_starts_again(self):
        first = self.daemon()
        first.stub.ModelInfer(request(self.fixture.pixels))
        second = self.daemon("--server-name", "second", "--tokens", self.tokens())
        with SlowRelay(first, lambda look: first if look <= 3 else None if look <= 5 else second) as relay:
            page, _ = self.browse(relay.url, 10000)
        self.assertGreater(relay.paths.count("/status.json"), 6)
        self.assertRegex(page, r">second [\d.]+, up ")
        self.assertNotIn('class="stale"', page)
        self.assertIn('id="outage" role="alert" hidden=""', page)
        self.assertIn('<p class="notice" id="withheld">', page)  # this one asks for tokens
        texts = Texts(page)
        self.assertNotIn("message", texts.fields)
        self.assertEqual(set(texts.fields["counts"]), {"0 images\n0 requests"})


if __name__ == "__main__":
    unittest.main()
