"""msqd with emulated accelerators: the CPU's bits, and clients that see nothing of devices that fail under load."""
import os
import pathlib
import time
import unittest

import grpc
import numpy

import harness
from harness import logits, request
from load import Load

DEVICE = "emulated,configuration=tiny"


def pinned(message, backend):
    message.parameters["backend"].string_param = backend
    return message


class FpgaTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(harness.temporary_folder())
        cls.fixture = harness.make_fixture(cls.folder)

    def daemon(self, *arguments):
        return self.enterContext(harness.Daemon(self.fixture.repository, *arguments))

    def wait_for(self, done, seconds=30):
        end = time.monotonic() + seconds
        while not done():
            self.assertLess(time.monotonic(), end, "it did not happen")
            time.sleep(0.05)

    def run_load_until(self, daemon, done):
        with Load(daemon, self.fixture) as load:
            self.wait_for(done)
            answers = load.answers
            self.wait_for(lambda: load.answers > answers + 20)  # and it goes on
        self.assertEqual(load.errors, [])
        return load

    def metric(self, daemon, name, device="emulated-tiny-0"):
        return daemon.metric(name, backend="fpga", device=device)

    def test_the_accelerator_serves_the_references_bits(self):
        daemon = self.daemon("--fpga-device", DEVICE)
        for backend in ("fpga", "cpu"):
            response = daemon.stub.ModelInfer(pinned(request(self.fixture.pixels), backend))
            numpy.testing.assert_array_equal(logits(response), self.fixture.logits)
        self.assertEqual(self.metric(daemon, "msq_device_runs_total"), 1)
        self.assertEqual(self.metric(daemon, "msq_device_ready"), 1)
        self.assertGreater(self.metric(daemon, "msq_device_cycles_total"), 0)
        self.assertGreater(self.metric(daemon, "msq_device_dram_bytes_total"), 0)
        for engine in ("dsp", "lut"):
            self.assertGreater(daemon.metric("msq_device_engine_busy_cycles_total", backend="fpga",
                                             device="emulated-tiny-0", engine=engine), 0)

    def test_a_device_that_hangs_under_load_is_replaced_by_the_cpu(self):
        daemon = self.daemon("--fpga-device", DEVICE + ",faults=hang@30+,hang-ms=200", "--probe-seconds", "3600")
        load = self.run_load_until(daemon, lambda: self.metric(daemon, "msq_device_ready") == 0)
        self.assertEqual(load.wrong, 0)
        self.assertEqual(self.metric(daemon, "msq_device_quarantines_total"), 1)
        self.assertGreater(daemon.metric("msq_failovers_total", backend="fpga", model="sample", version="1"), 0)
        self.assertTrue(any("is quarantined" in line for line in daemon.log), daemon.log)
        with self.assertRaises(grpc.RpcError) as context:  # who insists on the board is told
            daemon.stub.ModelInfer(pinned(request(self.fixture.pixels[:1]), "fpga"))
        self.assertEqual(context.exception.code(), grpc.StatusCode.UNAVAILABLE)
        self.assertIn("every accelerator is quarantined", context.exception.details())

    def test_a_device_with_bus_errors_comes_back(self):
        daemon = self.daemon("--fpga-device", DEVICE + ",faults=slverr@20", "--probe-seconds", "0.1")
        load = self.run_load_until(daemon, lambda: self.metric(daemon, "msq_device_quarantines_total") >= 2)
        self.assertEqual(load.wrong, 0)
        self.wait_for(lambda: self.metric(daemon, "msq_device_ready") == 1)

    def test_another_device_takes_over(self):
        daemon = self.daemon("--fpga-device", DEVICE + ",faults=hang@30+,hang-ms=200", "--fpga-device", DEVICE,
                             "--probe-seconds", "3600")
        load = self.run_load_until(daemon, lambda: self.metric(daemon, "msq_device_ready") == 0)
        self.assertEqual(load.wrong, 0)
        self.assertEqual(self.metric(daemon, "msq_device_ready", "emulated-tiny-1"), 1)
        self.assertEqual(daemon.metric("msq_failovers_total", backend="fpga", model="sample", version="1"), 0)

    def test_silent_corruption_is_found(self):
        daemon = self.daemon("--fpga-device", DEVICE + ",faults=flip@40+", "--verify-fraction", "1",
                             "--probe-seconds", "3600")
        load = self.run_load_until(daemon,
                                   lambda: daemon.metric("msq_verification_mismatches_total", backend="fpga") > 0)
        self.assertEqual(self.metric(daemon, "msq_device_ready"), 0)
        self.assertGreater(daemon.metric("msq_verified_answers_total", backend="fpga"), 0)
        self.assertGreater(load.wrong, 0)  # that is what verification is for: those before it was noticed
        self.assertTrue(any("to the input with hash" in line for line in daemon.log), daemon.log)

    def test_a_device_of_another_design_does_not_start(self):
        with self.assertRaisesRegex(AssertionError, "register build_id reads 0x"):
            self.daemon("--fpga-device", DEVICE + ",faults=wrong_build_id")

    def test_bad_devices_are_named(self):
        for text, cause in [("board", "is neither 'emulated' nor 'xrt'"), ("emulated,configuration=big", "there is no 'big'"),
                            ("emulated,faults=fire", "is not one of hang@N"),
                            ("emulated,backend=cpu", "device .*: backend: .cpu. is the processor.s")]:
            with self.assertRaisesRegex(AssertionError, cause):
                self.daemon("--fpga-device", text)
        with self.assertRaisesRegex(AssertionError, "XRT's board 0 is another device already"):
            self.daemon("--fpga-device", "xrt,xclbin=a.xclbin", "--fpga-device", "xrt,xclbin=b.xclbin,backend=other")
        with self.assertRaisesRegex(AssertionError, "name another with backend=NAME"):
            self.daemon("--fpga-device", "emulated,configuration=tiny", "--fpga-device", "emulated,configuration=z020")

    def test_backends_of_several_configurations(self):
        daemon = self.daemon("--fpga-device", "emulated,configuration=tiny",
                             "--fpga-device", "emulated,configuration=z020,backend=large")
        for backend in ("fpga", "large", "cpu"):
            response = daemon.stub.ModelInfer(pinned(request(self.fixture.pixels), backend))
            numpy.testing.assert_array_equal(logits(response), self.fixture.logits)

    def xrt_device(self, faults=""):
        xclbin = pathlib.Path(os.environ["MSQ_XCLBIN_DIR"]) / "tiny_test.xclbin"
        if not (harness.BIN.parent / "lib" / "libmsq_xrt_emulation.so").exists():
            self.skipTest("XRT is not there, so its emulation was not built")
        return f"xrt,xclbin={xclbin},configuration=tiny,hang-ms=500,driver=emu:,fidelity=model" + faults

    def test_a_board_through_xrt(self):
        daemon = self.daemon("--fpga-device", self.xrt_device())
        response = daemon.stub.ModelInfer(pinned(request(self.fixture.pixels), "fpga"))
        numpy.testing.assert_array_equal(logits(response), self.fixture.logits)
        self.assertEqual(self.metric(daemon, "msq_device_runs_total", "xrt-tiny-0"), 1)

    def test_a_board_that_fails_under_load_comes_back(self):
        daemon = self.daemon("--fpga-device", self.xrt_device(",fault=hang@20;slverr@40"), "--probe-seconds", "0.1")
        load = self.run_load_until(
            daemon, lambda: self.metric(daemon, "msq_device_quarantines_total", "xrt-tiny-0") >= 1)
        self.assertEqual(load.wrong, 0)
        self.wait_for(lambda: self.metric(daemon, "msq_device_ready", "xrt-tiny-0") == 1)

    def test_metrics_are_well_formed(self):
        daemon = self.daemon("--fpga-device", DEVICE)
        self.assertIn("# TYPE msq_device_cycles_total counter", daemon.metrics())


if __name__ == "__main__":
    unittest.main()
