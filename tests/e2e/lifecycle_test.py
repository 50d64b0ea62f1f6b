"""Starting and stopping: damaged models, missing repository, taken ports, SIGTERM under load."""
import collections
import json
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest
import urllib.request

import grpc

import harness
from harness import inference_pb2, request


class LifecycleTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(harness.temporary_folder())
        cls.fixture = harness.make_fixture(cls.folder)

    def fail_to_start(self, *arguments):
        result = subprocess.run([str(harness.BIN / "msqd"), *map(str, arguments)], capture_output=True, text=True,
                                timeout=60)
        self.assertEqual((result.returncode, result.stdout), (1, ""), result.stderr)
        errors = [line for line in result.stderr.splitlines() if line.startswith("msqd: ")]
        self.assertEqual(len(errors), 1, result.stderr)
        return errors[0]

    def test_missing_repository(self):
        error = self.fail_to_start("--model-repository", self.folder / "nowhere", "--grpc-address", "127.0.0.1:0",
                                   "--http-address", "127.0.0.1:0", "--metrics-address", "127.0.0.1:0")
        self.assertIn("nowhere: No such file or directory", error)

    def test_taken_ports(self):
        with harness.Daemon(self.fixture.repository) as daemon:
            taken_ports = {"--grpc-address": daemon.url, "--http-address": daemon.http_url,
                           "--metrics-address": daemon.metrics_url}
            options = dict.fromkeys(taken_ports, "127.0.0.1:0")
            for option, taken in taken_ports.items():
                pairs = [part for pair in {**options, option: taken}.items() for part in pair]
                error = self.fail_to_start("--model-repository", self.fixture.repository, *pairs)
                self.assertIn(f"{taken}: the port is in use", error)

    def test_damaged_models_leave_the_others_alone(self):
        repository = self.folder / "mixed"
        shutil.copytree(self.fixture.damaged, repository)
        shutil.copytree(self.fixture.repository / "sample", repository / "sample")
        damaged = sorted(path.name for path in self.fixture.damaged.iterdir())
        self.assertGreaterEqual(len(damaged), 24 + 16)
        with harness.Daemon(repository) as daemon:
            response = daemon.stub.ModelInfer(request(self.fixture.pixels))
            self.assertEqual(response.raw_output_contents[0], self.fixture.logits.tobytes())
            index = daemon.stub.RepositoryIndex(inference_pb2.RepositoryIndexRequest())
            reasons = {m.name: m.reason for m in index.models if m.state == "UNAVAILABLE"}
            self.assertEqual(sorted(reasons), damaged)
            for name, reason in reasons.items():
                self.assertIn("header", reason, name)
                self.assertFalse(daemon.stub.ModelReady(inference_pb2.ModelReadyRequest(name=name)).ready)
                self.assertEqual(daemon.metric("msq_model_ready", model=name, version="1"), 0)
                self.assertTrue(any(f"model '{name}' version 1 is not loaded" in line for line in daemon.log))

    def test_options_that_have_no_effect_are_refused(self):
        ports = [part for name in ("grpc", "http", "metrics") for part in (f"--{name}-address", "127.0.0.1:0")]
        for options, text in ((("--response-cache-bytes", "-1"), "response cache bytes must not be negative"),
                              (("--load-model", "sample"), "load-model needs model-control-mode explicit")):
            self.assertIn(text, self.fail_to_start("--model-repository", self.fixture.repository, *ports, *options))

    def test_connections_do_not_use_up_the_descriptors(self):
        program = self.folder / "limited"
        program.write_text(f'#!/bin/sh\nulimit -n 128\nexec "{harness.BIN / "msqd"}" "$@"\n')
        program.chmod(0o755)
        with harness.Daemon(self.fixture.repository, program=program) as daemon:
            daemon.stub.ModelInfer(request(self.fixture.pixels), timeout=30)
            host, port = daemon.url.split(":")
            idle = [socket.create_connection((host, int(port)), timeout=30) for _ in range(200)]
            self.assertEqual(idle[-1].recv(1000), b"")  # closed
            daemon.metrics()  # these ports have their share
            with urllib.request.urlopen(f"http://{daemon.http_url}/v2/health/live", timeout=30) as page:
                self.assertEqual(page.status, 200)
            daemon.stub.ModelInfer(request(self.fixture.pixels), timeout=30)
            for connection in idle:
                connection.close()
            with grpc.insecure_channel(daemon.url, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
                stub = harness.inference_pb2_grpc.GRPCInferenceServiceStub(channel)
                response = stub.ModelInfer(request(self.fixture.pixels), timeout=30, wait_for_ready=True)
                self.assertEqual(response.raw_output_contents[0], self.fixture.logits.tobytes())
        self.assertTrue(any("new gRPC connections are refused" in line for line in daemon.log), daemon.log)

    def test_a_warm_up_does_not_hold_up_the_end(self):
        config = {"model_warmup": [{"name": "w", "batch_size": 64, "count": 65536, "inputs": {"pixels": {
            "data_type": "TYPE_UINT8", "dims": [3, 8, 8], "zero_data": True}}}] * 20}
        load = inference_pb2.RepositoryModelLoadRequest(model_name="sample")
        load.parameters["config"].string_param = json.dumps(config)
        with harness.Daemon(self.fixture.repository, "--model-control-mode", "explicit", "--drain-grace-seconds",
                            "2") as daemon:
            call = daemon.stub.RepositoryModelLoad.future(load)
            time.sleep(1)
            self.assertFalse(call.done())
            start = time.monotonic()
            self.assertEqual(daemon.stop(), 0)
            self.assertLess(time.monotonic() - start, 10)
            self.assertEqual(call.exception().code(), grpc.StatusCode.UNAVAILABLE)

    def test_sigint_stops_as_sigterm(self):
        with harness.Daemon(self.fixture.repository) as daemon:
            daemon.process.send_signal(signal.SIGINT)
            self.assertEqual(daemon.process.wait(timeout=30), 0)

    def test_sigterm_under_load_loses_no_accepted_request(self):
        with harness.Daemon(self.fixture.repository, "--queue-capacity", "1000") as daemon:
            outcomes, lock = collections.Counter(), threading.Lock()
            message, expected = request(self.fixture.pixels), self.fixture.logits.tobytes()

            def load():
                with grpc.insecure_channel(daemon.url, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
                    stub = harness.inference_pb2_grpc.GRPCInferenceServiceStub(channel)
                    stopped = False
                    while not stopped:
                        calls = [stub.ModelInfer.future(message, timeout=30) for _ in range(8)]
                        for call in calls:
                            error = call.exception()
                            right = error is None and call.result().raw_output_contents[0] == expected
                            outcome = "ok" if right else error.code() if error else "wrong"
                            stopped |= outcome != "ok"
                            with lock:
                                outcomes[outcome] += 1

            threads = [threading.Thread(target=load) for _ in range(4)]
            for thread in threads:
                thread.start()
            time.sleep(1)
            self.assertEqual(daemon.stop(), 0)
            for thread in threads:
                thread.join(60)
                self.assertFalse(thread.is_alive())
            self.assertGreater(outcomes["ok"], 0)
            # What was not accepted was refused at the door; everything else was answered.
            # CANCELLED: it reached the connection while that closed.
            refusals = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
            self.assertLessEqual(set(outcomes), {"ok"} | refusals, outcomes)
            drained = [line for line in daemon.log if "drained: " in line]
            self.assertEqual(len(drained), 1)
            self.assertIn(f"drained: {outcomes['ok']} requests accepted, {outcomes['ok']} answered", drained[0])


if __name__ == "__main__":
    unittest.main()
