"""The real Prometheus, configured as deploy/prometheus has it, scrapes a real msqd under load on both backends: every
query of every dashboard returns data, every variable has values, every rule is healthy."""
import contextlib
import json
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import time
import unittest
import urllib.parse
import urllib.request

import harness

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
sys.path.insert(0, str(DEPLOY / "grafana"))
import check_dashboards  # noqa: E402

WAIT_SECONDS = 90
RATE_INTERVAL = "20s"  # the test scrapes each second


class Prometheus:
    """Debian's, with our configuration but for its intervals, and one daemon as its target."""

    def __init__(self, folder, target):
        shutil.copytree(DEPLOY / "prometheus", folder)
        config = folder / "prometheus.yml"
        config.write_text(re.sub(r"(?m)^(  (scrape_interval|scrape_timeout|evaluation_interval):) \w+$", r"\1 1s",
                                 config.read_text()))
        (folder / "targets" / "local.yml").write_text(f'- targets: ["{target}"]\n')
        address = harness.free_address()
        self.url = f"http://{address}"
        self.log = folder / "log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
                 f"--web.listen-address={address}"], stdout=log, stderr=subprocess.STDOUT)

    def __enter__(self):
        end = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.url}/-/ready", timeout=5).close()
                return self
            if self.process.poll() is not None or time.monotonic() > end:
                self.__exit__()
                raise AssertionError(f"Prometheus did not start: {self.log.read_text()}")
            time.sleep(0.1)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)

    def get(self, path, **parameters):
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}", timeout=30) as page:
            return json.load(page)["data"]


class Package:
    """A tree of sensors with one processor package that takes 20 W."""

    def __init__(self, root):
        self.folder = root / "class/powercap/intel-rapl:0"
        self.folder.mkdir(parents=True)
        (self.folder / "name").write_text("package-0\n")
        (self.folder / "max_energy_range_uj").write_text("100000000000\n")
        self.tick()

    def tick(self):
        counter = self.folder / "next"
        counter.write_text(f"{int(time.monotonic() * 20e6) % 100000000000}\n")
        counter.rename(self.folder / "energy_uj")


class MonitoringTest(unittest.TestCase):

    def setUp(self):
        self.folder = self.enterContext(harness.temporary_folder())
        fixture = harness.make_fixture(self.folder / "fixture")
        package = Package(self.folder / "sys")
        self.daemon = self.enterContext(harness.Daemon(
            fixture.repository, "--fpga-device", "emulated,configuration=tiny", "--verify-fraction", "0.5",
            "--power-interval-ms", "100", "--sysfs-root", self.folder / "sys"))
        self.stop = threading.Event()
        self.failures = []
        self.threads = [threading.Thread(target=self.keep, args=(package.tick, 0.05))]
        self.prometheus = self.enterContext(Prometheus(self.folder / "prometheus", self.daemon.metrics_url))
        for backend in ("cpu", "fpga"):
            message = harness.request(fixture.pixels)
            message.parameters["backend"].string_param = backend
            self.threads.append(threading.Thread(target=self.keep, args=(
                lambda message=message: self.daemon.stub.ModelInfer(message, timeout=30), 0.02)))
        self.addCleanup(self.end_threads)
        self.threads[0].start()
        time.sleep(1.5)  # it gets to know what idling takes
        for thread in self.threads[1:]:
            thread.start()

    def keep(self, action, pause):
        while not self.stop.wait(pause):
            try:
                action()
            except Exception as error:  # whatever it is, the test says so
                self.failures.append(repr(error))
                return

    def end_threads(self):
        self.stop.set()
        for thread in self.threads:
            if thread.ident:
                thread.join()

    def rules(self):
        return [rule for group in self.prometheus.get("rules")["groups"] for rule in group["rules"]]

    def rules_have_data(self):
        return all(rule["health"] == "ok" and (rule["type"] != "recording" or check_dashboards.ask(
            self.prometheus.url, rule["name"])) for rule in self.rules())

    def test_dashboards_variables_and_rules(self):
        problems = subprocess.run(
            [DEPLOY / "grafana" / "check_dashboards.py", "--prometheus", self.prometheus.url, "--rate-interval",
             RATE_INTERVAL, "--range", RATE_INTERVAL, "--wait", str(WAIT_SECONDS)],
            capture_output=True, text=True, timeout=240)
        self.assertEqual((problems.returncode, problems.stdout, problems.stderr), (0, "", ""))

        for file in sorted((DEPLOY / "grafana" / "dashboards").glob("*.json")):
            for variable in json.loads(file.read_text())["templating"]["list"]:
                metric, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
                values = self.prometheus.get(f"label/{label}/values", **{"match[]": metric})
                self.assertTrue(values, f"{file.name}: {variable['name']}")

        end = time.monotonic() + WAIT_SECONDS
        while not self.rules_have_data() and time.monotonic() < end:
            time.sleep(0.5)
        rules = self.rules()
        self.assertGreater(len(rules), 15)
        for rule in rules:
            self.assertEqual((rule["health"], rule.get("lastError", "")), ("ok", ""), rule["name"])
            if rule["type"] == "recording":
                self.assertTrue(check_dashboards.ask(self.prometheus.url, rule["name"]), rule["name"])
            else:
                self.assertEqual(rule["state"], "inactive", rule["name"])
        self.assertEqual(self.failures, [])

    def test_a_dead_query_and_a_wrong_one_are_found(self):
        dashboard = json.loads((DEPLOY / "grafana" / "dashboards" / "overview.json").read_text())
        dashboard["panels"] = dashboard["panels"][:3]
        for panel, expression in zip(dashboard["panels"], ("msq_no_such_metric", "sum(", "vector(0) / vector(0)")):
            panel["targets"][0]["expr"] = expression
        file = self.folder / "dead.json"
        file.write_text(json.dumps(dashboard))
        found = subprocess.run([DEPLOY / "grafana" / "check_dashboards.py", file, "--prometheus", self.prometheus.url],
                               capture_output=True, text=True, timeout=60)
        self.assertEqual(found.returncode, 1)
        titles = [panel["title"] for panel in dashboard["panels"]]
        self.assertRegex(found.stdout, rf"panel '{titles[0]}': no data: msq_no_such_metric\n")
        self.assertRegex(found.stdout, rf"panel '{titles[1]}': .*parse error.*: sum\(\n")
        self.assertRegex(found.stdout, rf"panel '{titles[2]}': only NaN: vector")

    def test_a_page_that_is_no_prometheus(self):
        found = subprocess.run([DEPLOY / "grafana" / "check_dashboards.py", "--prometheus",
                                f"http://{self.daemon.http_url}"], capture_output=True, text=True, timeout=60)
        self.assertEqual(found.returncode, 1)
        self.assertIn("is this a Prometheus?", found.stderr)


if __name__ == "__main__":
    unittest.main()
