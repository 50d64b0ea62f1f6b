"""The systemd unit: understood by systemd, as closed as intended, and spoken to by a real msqd as Type=notify wants it.

No service manager runs here: what it would send and receive is this test's. That system calls are filtered as the unit says
is therefore not seen at work.
"""
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
import unittest

import harness

UNITS = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "systemd"
# Of systemd-analyze security: 0 is a service that can do nothing, 10 one without any protection.
MOST_EXPOSED = 1.5
WATCHDOG_SECONDS = 1.5


class UnitTest(unittest.TestCase):

    def setUp(self):
        """A root folder with the unit and the programs that it names."""
        self.root = self.enterContext(harness.temporary_folder())
        self.units = self.root / "etc/systemd/system"
        self.units.mkdir(parents=True)
        shutil.copytree("/usr/lib/systemd/system", self.root / "usr/lib/systemd/system", symlinks=True)
        shutil.copy(UNITS / "msqd.service", self.units)
        for program in ("usr/bin/msqd", "bin/kill"):
            (self.root / program).parent.mkdir(parents=True, exist_ok=True)
            (self.root / program).write_text("#!/bin/sh\n")
            (self.root / program).chmod(0o755)

    def verify(self):
        """What systemd says of the unit. Its exit status is 0 for settings that it does not know, too."""
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", f"--root={self.root}", "msqd.service"],
                              capture_output=True, text=True, timeout=60)
        return done.returncode, done.stderr + done.stdout

    def add_drop_in(self, name):
        folder = self.units / "msqd.service.d"
        folder.mkdir(exist_ok=True)
        shutil.copy(UNITS / name, folder)

    def exposure(self):
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", f"--root={self.root}",
                               "msqd.service"], capture_output=True, text=True, timeout=60)
        return float(re.search(r"Overall exposure level for msqd.service: ([\d.]+)", done.stdout)[1])

    def test_it_is_understood(self):
        self.assertEqual(self.verify(), (0, ""))
        for name in ("board.conf", "rapl.conf"):
            self.add_drop_in(name)
        self.assertEqual(self.verify(), (0, ""))

    def test_a_wrong_one_is_found(self):
        unit = self.units / "msqd.service"
        text = unit.read_text()
        unit.write_text(text.replace("Type=notify", "Type=notyfi"))
        self.assertIn("Failed to parse service type", self.verify()[1])
        unit.write_text(text)
        (self.root / "usr/bin/msqd").unlink()
        self.assertIn("Command /usr/bin/msqd is not executable", self.verify()[1])

    def test_it_is_closed(self):
        self.assertLessEqual(self.exposure(), MOST_EXPOSED)
        for name in ("board.conf", "rapl.conf"):
            self.add_drop_in(name)
        self.assertLessEqual(self.exposure(), MOST_EXPOSED + 1)

    def test_its_options_are_msqds(self):
        text = "".join((UNITS / name).read_text() for name in ("msqd.service", "msqd.env"))
        known = subprocess.run([harness.BIN / "msqd", "--help"], capture_output=True, text=True, timeout=30).stdout
        for option in set(re.findall(r"(?<!systemctl )--[a-z-]+", text)) - {"--help"}:
            self.assertIn(f"{option} ", known)


class NotifyTest(unittest.TestCase):

    def setUp(self):
        self.folder = self.enterContext(harness.temporary_folder())
        self.fixture = harness.make_fixture(self.folder / "fixture")
        self.socket = self.enterContext(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        self.socket.bind(str(self.folder / "notify"))
        self.socket.settimeout(20)
        self.program = self.folder / "started"
        self.program.write_text(f'#!/bin/sh\nexport NOTIFY_SOCKET="{self.folder}/notify" '
                                f'WATCHDOG_USEC={int(WATCHDOG_SECONDS * 1e6)} WATCHDOG_PID=$$\n'
                                f'exec "{harness.BIN / "msqd"}" "$@"\n')
        self.program.chmod(0o755)

    def receive(self):
        return self.socket.recv(1000).decode()

    def test_ready_watchdog_and_stop(self):
        with harness.Daemon(self.fixture.repository, "--drain-delay-seconds", "1", program=self.program) as daemon:
            self.assertEqual(self.receive(), f"READY=1\nSTATUS=Serving {daemon.ready_line.removeprefix('ready ').strip()}")
            start = time.monotonic()
            for _ in range(4):
                self.assertEqual(self.receive(), "WATCHDOG=1")
            self.assertGreater(time.monotonic() - start, WATCHDOG_SECONDS * 0.9)  # a third of its time each
            daemon.process.send_signal(signal.SIGSTOP)  # it hangs
            self.socket.settimeout(WATCHDOG_SECONDS)
            with self.assertRaises(TimeoutError):
                while True:
                    self.assertEqual(self.receive(), "WATCHDOG=1")
            daemon.process.send_signal(signal.SIGCONT)
            self.socket.settimeout(20)
            self.assertEqual(self.receive(), "WATCHDOG=1")
            daemon.process.send_signal(signal.SIGTERM)
            said = [self.receive()]
            while said[-1] == "WATCHDOG=1":
                said.append(self.receive())
            self.assertEqual(said[-1], "STOPPING=1\nSTATUS=Answering what was accepted")
            self.assertEqual(self.receive(), "WATCHDOG=1")  # while it drains
            self.assertEqual(daemon.process.wait(timeout=30), 0)

    def test_not_to_be_ready_is_no_reason_to_start_anew(self):
        shutil.copytree(self.fixture.damaged / "cut_3", self.fixture.repository / "broken")
        with harness.Daemon(self.fixture.repository, program=self.program) as daemon:
            self.assertFalse(daemon.stub.ServerReady(harness.inference_pb2.ServerReadyRequest()).ready)
            self.assertIn("READY=1", self.receive())  # the others are served
            for _ in range(3):
                self.assertEqual(self.receive(), "WATCHDOG=1")

    def test_a_manager_that_is_gone_and_an_environment_that_cannot_be(self):
        (self.folder / "notify").unlink()
        with harness.Daemon(self.fixture.repository, program=self.program) as daemon:
            daemon.stub.ModelInfer(harness.request(self.fixture.pixels))  # it serves all the same
        self.assertTrue(any("cannot be told" in line for line in daemon.log), daemon.log)
        done = subprocess.run([harness.BIN / "msqd", "--model-repository", self.fixture.repository], capture_output=True,
                              text=True, timeout=30, env={"NOTIFY_SOCKET": "nonsense"})
        self.assertEqual((done.returncode, done.stderr), (
            1, "msqd: NOTIFY_SOCKET 'nonsense' is neither a path nor an abstract name\n"))


if __name__ == "__main__":
    unittest.main()
