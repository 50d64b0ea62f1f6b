"""msqd's metrics: complete, as documented, and clean for promtool under both sets of names; power out of a tree of files."""
import pathlib
import re
import shutil
import subprocess
import time
import unittest

import harness
from harness import request

DEVICE = "emulated,configuration=tiny"
OPERATING = pathlib.Path(__file__).resolve().parents[2] / "docs" / "operating.md"
RAPL = {"backend": "cpu", "device": "package-0", "rail": "package", "source": "rapl"}
MODEL = {"backend": "fpga", "device": "emulated-tiny-0", "source": "model"}
# What a metric must not be called, says promtool; Triton's are.
TRITONS_NAMES = re.compile(
    r'nv_\w+ (counter metrics should have "_total" suffix|metric names should not contain abbreviated units'
    r'|non-histogram and non-summary metrics should not have "_count" suffix)')


def families(text):
    """name -> type of every metric family of a scrape."""
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))


def documented():
    """Names in the first column of the tables of operating.md's chapter on metrics."""
    chapter = OPERATING.read_text().split("\n## Metrics\n")[1].split("\n## ")[0]
    return {name for row in re.findall(r"^\| (`[^|]*) \|", chapter, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}


def promtool(text):
    return subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=30)


def pinned(message, backend):
    message.parameters["backend"].string_param = backend
    return message


class Sysfs:
    """A tree of sensors: one processor package, and a board's INA226."""

    def __init__(self, root):
        self.root = root
        self.package = root / "class/powercap/intel-rapl:0"
        self.chip = root / "class/hwmon/hwmon0"
        self.package.mkdir(parents=True)
        self.chip.mkdir(parents=True)
        (self.package / "name").write_text("package-0\n")
        (self.package / "max_energy_range_uj").write_text("100000000\n")
        (self.chip / "name").write_text("ina226\n")
        (self.chip / "power1_input").write_text("1500000\n")
        self.set_joules(0)

    def set_joules(self, joules):
        (self.package / "energy_uj").write_text(f"{int(joules * 1e6)}\n")


class MetricsTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(harness.temporary_folder())
        cls.fixture = harness.make_fixture(cls.folder)

    def setUp(self):
        self.sysfs = Sysfs(self.enterContext(harness.temporary_folder()) / "sys")

    def daemon(self, *arguments, repository=None):
        return self.enterContext(
            harness.Daemon(repository or self.fixture.repository, "--sysfs-root", self.sysfs.root, *arguments))

    def busy_daemon(self, *arguments, repository=None):
        """One that has done a little of everything."""
        daemon = self.daemon("--fpga-device", DEVICE, "--verify-fraction", "1", "--power-interval-ms", "100", *arguments,
                             repository=repository)
        time.sleep(1.5)  # so that it knows what idling takes
        for backend in ("fpga", "cpu"):
            daemon.stub.ModelInfer(pinned(request(self.fixture.pixels), backend))
        self.wait_for(lambda: daemon.metric("msq_verified_answers_total", backend="fpga") > 0)
        daemon.metrics()
        time.sleep(0.3)
        return daemon

    def wait_for(self, done, seconds=30):
        end = time.monotonic() + seconds
        while not done():
            self.assertLess(time.monotonic(), end, "it did not happen")
            time.sleep(0.05)

    def test_every_metric_is_documented_and_passes_promtool(self):
        text = self.busy_daemon().metrics()
        check = promtool(text)
        self.assertEqual((check.returncode, check.stdout, check.stderr), (0, "", ""))
        self.assertEqual(set(families(text)), {name for name in documented() if not name.startswith("nv_")})

    def test_tritons_names_are_documented_and_the_only_ones_that_promtool_minds(self):
        # The response cache has its series where a model has one.
        repository = self.enterContext(harness.temporary_folder()) / "repository"
        shutil.copytree(self.fixture.repository, repository)
        with open(repository / "nhwc" / "config.pbtxt", "a") as config:
            config.write("response_cache { enable: true }\n")
        text = self.busy_daemon("--triton-metrics", repository=repository).metrics()
        self.assertEqual(set(families(text)), documented())
        check = promtool(text)
        self.assertEqual(check.returncode, 3, check.stderr)  # that it was read, and names are complained of
        for line in check.stderr.splitlines() + check.stdout.splitlines():
            self.assertRegex(line, TRITONS_NAMES)
        for name in ("nv_gpu_power_usage", "nv_gpu_utilization", "nv_gpu_memory_used_bytes", "nv_energy_consumption"):
            self.assertRegex(text, rf'(?m)^{name}{{gpu_uuid="FPGA-emulated-tiny-0"}} \d')
        for name, kind in families(text).items():
            if name.startswith("nv_inference") and not name.endswith("pending_request_count"):
                self.assertEqual(kind, "counter", name)
        self.assertRegex(text, r'(?m)^nv_inference_request_failure{model="sample",reason="REJECTED",version="1"} 0$')

    def test_tritons_names_are_opt_in(self):
        self.assertNotIn("nv_", self.daemon().metrics())

    def test_figures_of_a_model_on_the_accelerator(self):
        daemon = self.busy_daemon()
        labels = {"backend": "fpga", "model": "sample", "version": "1"}
        self.assertGreater(daemon.metric("msq_model_cycles_total", **labels), 0)
        self.assertGreater(daemon.metric("msq_model_dram_bytes_total", **labels), 0)
        self.assertGreater(daemon.metric("msq_model_weight_bytes", **labels), 0)
        for engine in ("dsp", "lut"):
            self.assertGreater(daemon.metric("msq_model_engine_busy_cycles_total", engine=engine, **labels), 0)
        self.assertGreater(daemon.metric("msq_model_load_duration_seconds", model="sample", version="1"), 0)
        device = {"backend": "fpga", "device": "emulated-tiny-0"}
        self.assertEqual(daemon.metric("msq_device_clock_hertz", **device), 100e6)
        self.assertEqual(daemon.metric("msq_device_memory_bytes", **device), 64 << 20)
        self.assertGreater(daemon.metric("msq_device_memory_used_bytes", **device), 0)
        running = daemon.metric("msq_device_running_seconds_total", **device)
        self.assertTrue(0 < running <= daemon.metric("msq_device_busy_seconds_total", **device), running)

    def test_energy_of_inferences(self):
        daemon = self.busy_daemon()
        share = daemon.metric("msq_inference_active_energy_joules_total", backend="fpga", model="sample", source="model",
                              version="1")
        self.assertGreater(share, 0)
        self.assertLess(share, daemon.metric("msq_inference_energy_joules_total", backend="fpga", model="sample",
                                             source="model", version="1"))
        self.assertAlmostEqual(share, daemon.metric("msq_active_energy_joules_total", **MODEL), places=9)
        self.assertEqual(daemon.metric("msq_idle_power_watts", **MODEL), 1.6)
        self.assertLess(daemon.metric("msq_power_sample_interval_seconds", **MODEL), 5)

    def test_a_scrape_has_what_lies_before_it(self):
        daemon = self.daemon("--power-interval-ms", "60000")
        before = daemon.metric("msq_energy_joules_total", **RAPL)
        self.sysfs.set_joules(99)
        time.sleep(0.1)
        self.assertEqual(daemon.metric("msq_energy_joules_total", **RAPL) - before, 99)
        self.sysfs.set_joules(3)  # it wraps around at 100
        time.sleep(0.1)
        self.assertEqual(daemon.metric("msq_energy_joules_total", **RAPL) - before, 103)

    def test_sensors_come_and_go(self):
        daemon = self.daemon("--power-rail", "ina226/power1=cpu/VCCINT")
        hwmon = {"backend": "cpu", "device": "ina226", "rail": "VCCINT", "source": "hwmon"}
        self.assertEqual(daemon.metric("msq_power_watts", **hwmon), 1.5)
        (self.sysfs.chip / "power1_input").unlink()
        (self.sysfs.package / "energy_uj").unlink()
        (self.sysfs.package / "energy_uj").mkdir()  # it cannot be read
        time.sleep(0.1)
        text = daemon.metrics()
        self.assertNotIn('source="hwmon"', text)
        self.assertNotIn('source="rapl"', text)
        told = lambda: sum("energy_uj: Is a directory" in line for line in daemon.log)
        self.wait_for(lambda: told() > 0)  # what the daemon has written we read a little later
        self.assertEqual(told(), 1, daemon.log)
        gone = "hwmon does not tell rail 'VCCINT' of 'ina226', backend 'cpu' any more"
        self.wait_for(lambda: any(gone in line for line in daemon.log))
        (self.sysfs.chip / "power1_input").write_text("2500000\n")
        time.sleep(0.1)
        self.assertEqual(daemon.metric("msq_power_watts", **hwmon), 2.5)
        back = "hwmon tells rail 'VCCINT' of 'ina226', backend 'cpu' again"
        self.wait_for(lambda: any(back in line for line in daemon.log))
        self.assertEqual(sum(gone in line for line in daemon.log), 1)

    def test_no_source_no_series(self):
        shutil.rmtree(self.sysfs.root)
        daemon = self.daemon()
        daemon.stub.ModelInfer(request(self.fixture.pixels))
        self.assertFalse([name for name in families(daemon.metrics()) if "energy" in name or "power" in name])
        daemon = self.daemon("--power-interval-ms", "0", "--fpga-device", DEVICE)
        self.assertFalse([name for name in families(daemon.metrics()) if "energy" in name or "power" in name])

    def test_a_bad_rule_is_refused(self):
        done = subprocess.run([harness.BIN / "msqd", "--model-repository", self.fixture.repository, "--power-rail", "x"],
                              capture_output=True, text=True, timeout=30)
        self.assertEqual((done.returncode, done.stderr),
                         (1, "msqd: power rail 'x': is not CHIP/RAIL=BACKEND[/NAME]\n"))


if __name__ == "__main__":
    unittest.main()
