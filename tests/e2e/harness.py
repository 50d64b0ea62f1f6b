"""What the end-to-end tests share: the fixture, a running daemon, requests, the msq command."""
import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import threading
import unittest
import urllib.request

import grpc
import numpy

from proto import inference_pb2, inference_pb2_grpc

BIN = pathlib.Path(os.environ["MSQ_BIN"])
FIXTURE = os.environ["MSQ_E2E_FIXTURE"]
START_SECONDS = 60
EMULATED = bool(os.environ.get("MSQ_EMULATED"))


def not_emulated(reason):
    """Leaves a test out when the daemon runs under qemu-user."""
    return unittest.skipIf(EMULATED, f"under an emulator: {reason}")


def make_fixture(folder):
    subprocess.run([FIXTURE, str(folder)], check=True, timeout=60)
    return Fixture(folder)


class Fixture:
    """The folder that e2e-fixture wrote."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.repository = self.folder / "repository"
        self.damaged = self.folder / "damaged"
        self.pictures = self.folder / "pictures"
        self.pixels = numpy.load(self.folder / "pixels.npy")
        self.logits = numpy.load(self.folder / "logits.npy")


class Daemon:
    """A real msqd, or another program with its command line, on free ports; stops with the context."""

    def __init__(self, repository, *arguments, program=BIN / "msqd", grpc_address="127.0.0.1:0"):
        command = [program, "--model-repository", repository, "--grpc-address", grpc_address,
                   "--http-address", "127.0.0.1:0", "--metrics-address", "127.0.0.1:0", *arguments]
        self.process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.log = []
        self._reader = threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True)
        self._reader.start()
        timer = threading.Timer(START_SECONDS, self.process.kill)
        timer.start()
        self.ready_line = self.process.stdout.readline()
        timer.cancel()
        found = re.fullmatch(r"ready grpc=(\S+:\d+) http=(\S+:\d+) metrics=(\S+:\d+)\n", self.ready_line)
        if not found:
            self.process.kill()
            self._reader.join()
            raise AssertionError(f"msqd did not start: {self.ready_line!r} {''.join(self.log)}")
        self.url, self.http_url, self.metrics_url = found.groups()
        self.channel = grpc.insecure_channel(self.url)
        self.stub = inference_pb2_grpc.GRPCInferenceServiceStub(self.channel)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()
        self.stop()

    def stop(self):
        """SIGTERM if it still runs; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join()
        self.process.stdout.close()
        self.process.stderr.close()
        return self.process.returncode

    def resident_bytes(self, key="VmRSS"):
        """Now, or with VmHWM the most so far. 0 under a sanitizer, whose own memory would hide the daemon's."""
        if os.environ.get("MSQ_SANITIZE"):
            return 0
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(rf"{key}:\s+(\d+) kB", status.read())[1]) * 1024

    def metrics(self):
        with urllib.request.urlopen(f"http://{self.metrics_url}/metrics", timeout=10) as page:
            return page.read().decode()

    def metric(self, name, **labels):
        """The value of one series."""
        text = ",".join(f'{key}="{labels[key]}"' for key in sorted(labels))
        for line in self.metrics().splitlines():
            if line.startswith(f"{name}{{{text}}} " if labels else f"{name} "):
                return float(line.split()[-1])
        raise AssertionError(f"no series {name}{{{text}}}")


def msq(*arguments, timeout=60):
    """Runs the msq command; a CompletedProcess."""
    return subprocess.run([str(BIN / "msq"), *map(str, arguments)], capture_output=True, text=True, timeout=timeout)


def request(pixels, model="sample", version="", datatype="UINT8"):
    """A ModelInferRequest with raw contents for an array in the model's layout."""
    message = inference_pb2.ModelInferRequest(model_name=model, model_version=version, id="7")
    kinds = {"UINT8": numpy.uint8, "FP32": numpy.float32}
    message.inputs.add(name="pixels", datatype=datatype, shape=pixels.shape)
    message.raw_input_contents.append(pixels.astype(kinds[datatype]).tobytes())
    return message


def logits(response):
    """The FP32 tensor of a response."""
    return numpy.frombuffer(response.raw_output_contents[0], numpy.float32).reshape(response.outputs[0].shape)


def free_address():
    """Of a port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return "%s:%d" % server.getsockname()


@contextlib.contextmanager
def temporary_folder():
    with tempfile.TemporaryDirectory(prefix="msq_e2e_") as folder:
        yield pathlib.Path(folder)
