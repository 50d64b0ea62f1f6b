"""The protocol's extensions on a real daemon, with the rows of the error table that belong to them: sequences, streams,
shared memory, loads, settings, tokens and TLS."""
import hashlib
import json
import os
import pathlib
import queue
import re
import shutil
import signal
import subprocess
import time
import unittest
import urllib.request

import grpc

import harness
from harness import inference_pb2, inference_pb2_grpc, request

INVALID = grpc.StatusCode.INVALID_ARGUMENT


class Extensions(unittest.TestCase):

    def expect(self, code, text, call, message, **options):
        with self.assertRaises(grpc.RpcError) as caught:
            call(message, timeout=30, **options)
        self.assertEqual(caught.exception.code(), code, caught.exception.details())
        self.assertIn(text, caught.exception.details())

    @classmethod
    def start(cls, *arguments, models=()):
        """A fixture whose sample is there under more names, each with a configuration, and a daemon on it."""
        cls.folder = cls.enterClassContext(harness.temporary_folder())
        cls.fixture = harness.make_fixture(cls.folder)
        for name, config in models:
            shutil.copytree(cls.fixture.repository / "sample", cls.fixture.repository / name)
            (cls.fixture.repository / name / "config.pbtxt").write_text(config)
        cls.daemon = cls.enterClassContext(harness.Daemon(cls.fixture.repository, *arguments))
        cls.stub = cls.daemon.stub

    def sample(self, model="sample", **parameters):
        message = request(self.fixture.pixels[:1], model=model)
        for key, value in parameters.items():
            kind = {bool: "bool_param", int: "int64_param", str: "string_param"}[type(value)]
            setattr(message.parameters[key], kind, value)
        return message


class SchedulingTest(Extensions):

    @classmethod
    def setUpClass(cls):
        cls.start(models=[
            ("steps", "max_batch_size: 4 sequence_batching { max_sequence_idle_microseconds: 200000 direct {} }"),
            ("cached", "max_batch_size: 4 response_cache { enable: true } dynamic_batching { bogus: 1 }")])

    def test_sequences_have_an_id_and_a_start(self):
        self.expect(INVALID, "must specify a non-zero or non-empty correlation ID", self.stub.ModelInfer,
                    self.sample("steps"))
        self.expect(INVALID, "must specify the START flag", self.stub.ModelInfer, self.sample("steps", sequence_id=5))
        for flags in ({"sequence_start": True}, {}, {"sequence_end": True}):
            answer = self.stub.ModelInfer(self.sample("steps", sequence_id=5, **flags), timeout=30)
            self.assertEqual(answer.raw_output_contents[0], self.fixture.logits[:1].tobytes())
        self.expect(INVALID, "must specify the START flag", self.stub.ModelInfer, self.sample("steps", sequence_id=5))

    def test_statistics_are_true(self):
        self.stub.ModelInfer(self.sample(), timeout=30)
        before = self.stub.ModelStatistics(inference_pb2.ModelStatisticsRequest(name="sample")).model_stats[0]
        for _ in range(3):
            self.stub.ModelInfer(request(self.fixture.pixels[:2]), timeout=30)
        self.expect(INVALID, "unexpected inference input", self.stub.ModelInfer, self.misnamed())
        after = self.stub.ModelStatistics(inference_pb2.ModelStatisticsRequest(name="sample")).model_stats[0]
        self.assertEqual(after.inference_count - before.inference_count, 6)
        self.assertEqual(after.execution_count - before.execution_count, 3)
        self.assertEqual(after.inference_stats.success.count - before.inference_stats.success.count, 3)
        self.assertEqual(after.inference_stats.fail.count - before.inference_stats.fail.count, 1)
        self.assertGreater(after.inference_stats.compute_infer.ns, before.inference_stats.compute_infer.ns)
        self.assertLessEqual({1, 2}, {batch.batch_size for batch in after.batch_stats})

    def misnamed(self):
        message = self.sample()
        message.inputs[0].name = "pixel"
        return message

    def test_unknown_fields_are_warned_of(self):
        self.assertTrue(any("bogus" in line and "WARNING" in line for line in self.daemon.log))
        self.assertEqual(self.stub.ModelInfer(self.sample("cached"), timeout=30).model_name, "cached")

    def test_streams_answer_in_order_and_survive_errors(self):
        sent = queue.SimpleQueue()
        answers = self.stub.ModelStreamInfer(iter(sent.get, None), timeout=30)
        for i in range(20):
            message = self.misnamed() if i == 7 else self.sample()
            message.id = str(i)
            sent.put(message)
        for i in range(20):
            answer = next(answers)
            self.assertEqual(answer.infer_response.id, str(i))
            self.assertTrue(answer.infer_response.parameters["triton_final_response"].bool_param)
            self.assertEqual("unexpected inference input" in answer.error_message, i == 7)
        sent.put(None)
        self.assertEqual(list(answers), [])
        self.assertEqual(answers.code(), grpc.StatusCode.OK)

    def test_streams_end_at_errors_where_the_client_asks_for_that(self):
        sent = iter([self.sample(), self.misnamed(), self.sample()])
        answers = self.stub.ModelStreamInfer(sent, timeout=30, metadata=[("triton_grpc_error", "true")])
        self.assertEqual(next(answers).infer_response.model_name, "sample")
        with self.assertRaises(grpc.RpcError) as caught:
            next(answers)
        self.assertEqual(caught.exception.code(), INVALID)

    def test_a_cancelled_stream_harms_nobody(self):
        sent = queue.SimpleQueue()
        answers = self.stub.ModelStreamInfer(iter(sent.get, None), timeout=30)
        for _ in range(50):
            sent.put(self.sample())
        next(answers)
        answers.cancel()
        sent.put(None)
        self.assertEqual(self.stub.ModelInfer(self.sample(), timeout=30).model_name, "sample")


class HostileTest(Extensions):

    @classmethod
    def setUpClass(cls):
        cls.start()

    def test_compressed_messages_are_not_inflated(self):
        message = self.sample()
        message.raw_input_contents[0] = bytes(100 << 20)
        before = self.daemon.resident_bytes("VmHWM")
        self.expect(grpc.StatusCode.UNIMPLEMENTED, "ompress", self.stub.ModelInfer, message,
                    compression=grpc.Compression.Gzip)
        self.assertLess(self.daemon.resident_bytes("VmHWM") - before, 50 << 20)

    def test_a_client_that_does_not_read_is_not_read_from(self):
        message = self.sample()
        message.raw_input_contents[0] = bytes(4 << 20)  # too many bytes: refused
        sent = []

        def requests():
            for _ in range(200):
                sent.append(1)
                yield message
        before = self.daemon.resident_bytes("VmHWM")
        answers = self.stub.ModelStreamInfer(requests(), timeout=60)
        seen = -1
        while seen != len(sent):  # until nothing moves any more
            seen = len(sent)
            time.sleep(0.5)
        self.assertLess(self.daemon.resident_bytes("VmHWM") - before, 300 << 20)
        answers.cancel()


class SharedMemoryTest(Extensions):

    @classmethod
    def setUpClass(cls):
        cls.start()
        cls.key = f"/msq_e2e_{os.getpid()}"
        cls.file = pathlib.Path("/dev/shm" + cls.key)
        cls.addClassCleanup(lambda: cls.file.unlink(missing_ok=True))

    def setUp(self):
        self.file.write_bytes(self.fixture.pixels[:1].tobytes().ljust(4096, b"\0"))
        self.stub.SystemSharedMemoryUnregister(inference_pb2.SystemSharedMemoryUnregisterRequest())
        self.register = inference_pb2.SystemSharedMemoryRegisterRequest(name="r", key=self.key, byte_size=4096)
        self.stub.SystemSharedMemoryRegister(self.register)

    def in_region(self, size=192, offset=0, region="r", output_size=40):
        message = self.sample()
        del message.raw_input_contents[:]
        output = message.outputs.add(name="logits")
        for tensor, at, bytes_ in ((message.inputs[0], offset, size), (output, 1024, output_size)):
            tensor.parameters["shared_memory_region"].string_param = region
            tensor.parameters["shared_memory_offset"].int64_param = at
            tensor.parameters["shared_memory_byte_size"].int64_param = bytes_
        return message

    def test_tensors_are_read_and_written_in_place(self):
        answer = self.stub.ModelInfer(self.in_region(), timeout=30)
        self.assertEqual(answer.raw_output_contents[0], b"")
        self.assertEqual(answer.outputs[0].parameters["shared_memory_region"].string_param, "r")
        self.assertEqual(self.file.read_bytes()[1024:1064], self.fixture.logits[:1].tobytes())
        regions = self.stub.SystemSharedMemoryStatus(inference_pb2.SystemSharedMemoryStatusRequest()).regions
        self.assertEqual((regions["r"].key, regions["r"].byte_size), (self.key, 4096))

    def test_errors(self):
        self.expect(grpc.StatusCode.ALREADY_EXISTS, "'r' already", self.stub.SystemSharedMemoryRegister, self.register)
        self.expect(INVALID, "Unable to open shared memory region", self.stub.SystemSharedMemoryRegister,
                    inference_pb2.SystemSharedMemoryRegisterRequest(name="x", key="/msq_there_is_none", byte_size=1))
        self.expect(grpc.StatusCode.NOT_FOUND, "Unable to find", self.stub.SystemSharedMemoryStatus,
                    inference_pb2.SystemSharedMemoryStatusRequest(name="x"))
        self.expect(grpc.StatusCode.NOT_FOUND, "'x'", self.stub.ModelInfer, self.in_region(region="x"))
        self.expect(INVALID, "Invalid offset", self.stub.ModelInfer, self.in_region(offset=4000))
        self.expect(INVALID, "must be an int64 >= 0", self.stub.ModelInfer, self.in_region(offset=-1))
        self.expect(INVALID, "should be at least 40 bytes", self.stub.ModelInfer, self.in_region(output_size=39))

    @harness.not_emulated("it tells the handler of a SIGBUS an address of the host's")
    def test_a_truncated_region_is_an_error_and_no_crash(self):
        os.truncate(self.file, 0)
        self.expect(INVALID, "was truncated", self.stub.ModelInfer, self.in_region())
        self.assertEqual(self.stub.ModelInfer(self.sample(), timeout=30).model_name, "sample")

    def test_cuda_memory_is_answered_as_specified(self):
        self.assertEqual(len(self.stub.CudaSharedMemoryStatus(inference_pb2.CudaSharedMemoryStatusRequest()).regions), 0)
        self.stub.CudaSharedMemoryUnregister(inference_pb2.CudaSharedMemoryUnregisterRequest())
        self.expect(grpc.StatusCode.UNIMPLEMENTED, "CUDA shared memory is not supported",
                    self.stub.CudaSharedMemoryRegister, inference_pb2.CudaSharedMemoryRegisterRequest(name="c"))


class RepositoryTest(Extensions):

    @classmethod
    def setUpClass(cls):
        cls.start("--model-control-mode", "explicit", "--load-model", "sample",
                  models=[("other", "max_batch_size: 2")])

    def test_load_and_unload(self):
        ready = lambda: self.stub.ModelReady(inference_pb2.ModelReadyRequest(name="other")).ready
        self.assertFalse(ready())
        load = inference_pb2.RepositoryModelLoadRequest(model_name="other")
        load.parameters["config"].string_param = json.dumps({"max_batch_size": "16"})
        self.stub.RepositoryModelLoad(load, timeout=30)
        self.assertTrue(ready())
        config = self.stub.ModelConfig(inference_pb2.ModelConfigRequest(name="other")).config
        self.assertEqual(config.max_batch_size, 16)
        # KServe's clients send the name in the first field and read the name and a flag.
        answer = self.stub.RepositoryModelUnload(inference_pb2.RepositoryModelUnloadRequest(repository_name="other"))
        self.assertEqual((answer.model_name, answer.is_unloaded), ("other", True))
        self.assertFalse(ready())
        index = self.stub.RepositoryIndex(inference_pb2.RepositoryIndexRequest()).models
        self.assertEqual([model.reason for model in index if model.name == "other"], ["unloaded"])

    def test_errors(self):
        load = inference_pb2.RepositoryModelLoadRequest
        self.expect(grpc.StatusCode.INTERNAL, "failed to load 'nope', failed to poll from model repository",
                    self.stub.RepositoryModelLoad, load(model_name="nope"))
        self.expect(INVALID, "failed to load '../sample': a model's name is 1 to 255 printable ASCII characters",
                    self.stub.RepositoryModelLoad, load(model_name="../sample"))
        bad = load(model_name="sample")
        bad.parameters["config"].string_param = "{"
        self.expect(INVALID, "failed to load 'sample'", self.stub.RepositoryModelLoad, bad)
        self.expect(grpc.StatusCode.NOT_FOUND, "failed to unload 'nope'", self.stub.RepositoryModelUnload,
                    inference_pb2.RepositoryModelUnloadRequest(model_name="nope"))
        self.assertEqual(self.stub.ModelInfer(self.sample(), timeout=30).model_name, "sample")


class SettingsTest(Extensions):

    @classmethod
    def setUpClass(cls):
        cls.start("--trace-file", str(pathlib.Path(cls.enterClassContext(harness.temporary_folder())) / "trace.json"))
        cls.trace = pathlib.Path(cls.daemon.process.args[cls.daemon.process.args.index("--trace-file") + 1])

    def test_traces_are_switched_on_and_off(self):
        message = inference_pb2.TraceSettingRequest()
        message.settings["trace_level"].value.append("TIMESTAMPS")
        message.settings["trace_rate"].value.append("1")
        self.assertEqual(self.stub.TraceSetting(message).settings["trace_level"].value, ["TIMESTAMPS"])
        self.stub.ModelInfer(self.sample(), timeout=30)
        message.settings["trace_level"].value[:] = ["OFF"]
        self.stub.TraceSetting(message)
        names = [stamp["name"] for trace in json.loads(self.trace.read_text()) for stamp in trace.get("timestamps", [])]
        self.assertIn("COMPUTE_START", names)
        self.assertIn("REQUEST_END", names)

    def test_files_are_not_chosen_over_the_network(self):
        trace = inference_pb2.TraceSettingRequest()
        trace.settings["trace_file"].value.append("/tmp/elsewhere")
        self.expect(grpc.StatusCode.UNIMPLEMENTED, "can not be updated through network protocol",
                    self.stub.TraceSetting, trace)
        log = inference_pb2.LogSettingsRequest()
        log.settings["log_file"].string_param = "/tmp/elsewhere"
        self.expect(grpc.StatusCode.UNIMPLEMENTED, "can not be updated through network protocol",
                    self.stub.LogSettings, log)

    def test_unknown_settings(self):
        trace = inference_pb2.TraceSettingRequest()
        trace.settings["trace_colour"].value.append("red")
        self.expect(INVALID, "trace_colour", self.stub.TraceSetting, trace)

    def test_log_levels(self):
        log = inference_pb2.LogSettingsRequest()
        log.settings["log_verbose_level"].uint32_param = 1
        self.assertEqual(self.stub.LogSettings(log).settings["log_verbose_level"].uint32_param, 1)
        self.stub.ModelReady(inference_pb2.ModelReadyRequest(name="sample"))
        with urllib.request.urlopen(f"http://{self.daemon.http_url}/v2/health/live", timeout=10):
            pass
        log.settings["log_verbose_level"].uint32_param = 0
        self.stub.LogSettings(log)
        for line in (r"INFO gRPC \S+:\d+ ModelReady: OK", r"INFO HTTP 127.0.0.1:\d+ GET /v2/health/live: 200"):
            self.await_log(line)

    def await_log(self, pattern):
        deadline = time.monotonic() + 10
        while not any(re.search(pattern, line) for line in self.daemon.log):
            self.assertLess(time.monotonic(), deadline, pattern)
            time.sleep(0.01)


class TokensTest(Extensions):

    @classmethod
    def setUpClass(cls):
        cls.tokens = pathlib.Path(cls.enterClassContext(harness.temporary_folder())) / "tokens.json"
        cls.tokens.write_text(json.dumps({"tokens": [
            {"name": "reader", "token": "r", "models": ["other*"]},
            {"name": "user", "sha256": hashlib.sha256(b"u").hexdigest()},
            {"name": "operator", "token": "o", "admin": True}]}))
        cls.tokens.chmod(0o600)
        cls.start("--tokens", str(cls.tokens), "--model-control-mode", "explicit", "--load-model", "sample")

    def bearer(self, token):
        return [("authorization", f"Bearer {token}")]

    def test_who_may_do_what(self):
        denied, unknown = grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED
        infer, load = self.stub.ModelInfer, self.stub.RepositoryModelLoad
        self.expect(unknown, "", infer, self.sample())
        self.expect(unknown, "", infer, self.sample(), metadata=self.bearer("wrong"))
        self.expect(denied, "sample", infer, self.sample(), metadata=self.bearer("r"))
        infer(self.sample(), metadata=self.bearer("u"), timeout=30)
        again = inference_pb2.RepositoryModelLoadRequest(model_name="sample")
        self.expect(denied, "", load, again, metadata=self.bearer("u"))
        load(again, metadata=self.bearer("o"), timeout=30)
        answers = list(self.stub.ModelStreamInfer(iter([self.sample()]), timeout=30))
        self.assertNotEqual(answers[0].error_message, "")
        self.assertTrue(self.stub.ServerReady(inference_pb2.ServerReadyRequest()).ready)  # probes have no token

    def test_a_hangup_reads_the_tokens_again(self):
        before = self.tokens.read_text()
        self.addCleanup(self.reload, before)
        self.reload(json.dumps({"tokens": [{"name": "new", "token": "n"}]}))
        self.stub.ModelInfer(self.sample(), metadata=self.bearer("n"), timeout=30)
        self.reload("{")  # a broken file changes nothing
        self.stub.ModelInfer(self.sample(), metadata=self.bearer("n"), timeout=30)

    def reload(self, text):
        self.tokens.write_text(text)
        seen = len(self.daemon.log)
        self.daemon.process.send_signal(signal.SIGHUP)
        while not any("tokens" in line for line in self.daemon.log[seen:]):
            self.assertIsNone(self.daemon.process.poll())


class TlsTest(Extensions):

    @classmethod
    def setUpClass(cls):
        cls.keys = pathlib.Path(cls.enterClassContext(harness.temporary_folder()))
        for name in ("server", "stranger"):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                            "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
                            "-keyout", cls.keys / f"{name}.key", "-out", cls.keys / f"{name}.pem"],
                           check=True, capture_output=True)
        cls.start("--tls-certificate", cls.keys / "server.pem", "--tls-key", cls.keys / "server.key",
                  "--tls-client-ca", cls.keys / "server.pem")

    def infer_with(self, client=None):
        read = lambda name: (self.keys / name).read_bytes()
        own = {"private_key": read(f"{client}.key"), "certificate_chain": read(f"{client}.pem")} if client else {}
        credentials = grpc.ssl_channel_credentials(read("server.pem"), **own)
        with grpc.secure_channel(self.daemon.url, credentials) as channel:
            return inference_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(self.sample(), timeout=10)

    def test_only_known_clients_are_served(self):
        self.assertEqual(self.infer_with("server").model_name, "sample")
        for client in (None, "stranger"):
            with self.assertRaises(grpc.RpcError) as caught:
                self.infer_with(client)
            self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)
        with self.assertRaises(grpc.RpcError):
            self.stub.ServerLive(inference_pb2.ServerLiveRequest(), timeout=10)  # in clear


if __name__ == "__main__":
    unittest.main()
