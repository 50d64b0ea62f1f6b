"""What clients can make the daemon hold: by messages that grow when they are read, and by answers that nobody reads."""
import queue
import time
import unittest

import grpc

import harness
from harness import inference_pb2, request
from silent_client import SilentClient

MIB = 1 << 20
TINY_INPUTS = b"\x2a\x00" * (8 * MIB)  # two bytes each, and two hundred in memory


class Limits(unittest.TestCase):

    def start(self, *arguments):
        self.fixture = harness.make_fixture(self.enterContext(harness.temporary_folder()))
        self.daemon = self.enterContext(harness.Daemon(self.fixture.repository, *arguments))
        self.stub = self.daemon.stub

    def resident_bytes(self, key="VmRSS"):
        return self.daemon.resident_bytes(key)

    def eventually(self, condition):
        end = time.monotonic() + 30
        while not condition():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)

    def refused(self, call, message, **options):
        with self.assertRaises(grpc.RpcError) as caught:
            call(message, timeout=30, **options)
        return caught.exception

    def answered(self):
        return self.daemon.metric("msq_requests_total", model="sample", version="1", backend="cpu")


class MessagesTest(Limits):

    def method(self, name):
        """Of a message in bytes."""
        channel = grpc.insecure_channel(self.daemon.url, options=[("grpc.max_send_message_length", -1)])
        self.addCleanup(channel.close)
        return channel.unary_unary(f"/inference.GRPCInferenceService/{name}")

    def test_nothing_is_read_of_somebody_without_a_token(self):
        tokens = self.enterContext(harness.temporary_folder()) / "tokens.json"
        tokens.write_text('{"tokens": [{"name": "me", "token": "mine", "models": ["sample"]}]}')
        tokens.chmod(0o600)
        self.start("--tokens", tokens)
        for name in ("ModelInfer", "ModelMetadata", "RepositoryModelLoad", "SystemSharedMemoryRegister"):
            error = self.refused(self.method(name), TINY_INPUTS)
            self.assertEqual(error.code(), grpc.StatusCode.UNAUTHENTICATED, error.details())
        for message in (TINY_INPUTS, b"\xff\xff\xff"):
            stream = self.daemon.channel.stream_stream(
                "/inference.GRPCInferenceService/ModelStreamInfer",
                response_deserializer=inference_pb2.ModelStreamInferResponse.FromString)
            answer = next(stream(iter([message[:MIB]]), timeout=30))
            self.assertIn("a token is needed", answer.error_message)
        self.assertEqual(len(self.method("ServerLive")(TINY_INPUTS, timeout=30)), 2)  # needs no token, reads nothing
        self.assertLess(self.resident_bytes("VmHWM"), 200 * MIB)
        metadata = [("authorization", "Bearer mine")]
        error = self.refused(self.method("ModelInfer"), TINY_INPUTS, metadata=metadata)
        self.assertEqual(error.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertEqual(self.stub.ModelInfer(request(self.fixture.pixels[:1]), metadata=metadata).model_name, "sample")

    def test_reflection_reads_no_more_than_a_question(self):
        self.start()
        call = self.daemon.channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
        with self.assertRaises(grpc.RpcError) as caught:
            next(call(iter([b"\xfb\x01\xfc\x01" * MIB]), timeout=30))
        self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT, caught.exception.details())
        self.assertLess(self.resident_bytes("VmHWM"), 100 * MIB)

    def test_small_parts_are_bounded_by_the_memory_that_they_take(self):
        self.start("--max-message-bytes", 20 * MIB)
        for name in ("ModelInfer", "RepositoryModelLoad"):
            error = self.refused(self.method(name), TINY_INPUTS if name == "ModelInfer" else b"\x1a\x00" * (8 * MIB))
            self.assertEqual(error.code(), grpc.StatusCode.INVALID_ARGUMENT, error.details())
            self.assertEqual(error.details(), f"the message has {16 * MIB} bytes, and "
                                              f"would take more than {80 * MIB} bytes of memory")
        self.assertLess(self.resident_bytes("VmHWM"), 150 * MIB)
        self.assertEqual(self.stub.ModelInfer(request(self.fixture.pixels[:1])).model_name, "sample")


class UnreadAnswersTest(Limits):

    def test_requests_are_let_go_when_they_are_computed(self):
        self.start("--max-message-bytes", MIB, "--max-queued-bytes", 4 * MIB)
        message = request(self.fixture.pixels[:1])
        message.parameters["mine"].string_param = "x" * (MIB // 2)
        before = self.resident_bytes()
        client = SilentClient(self.daemon.url)
        self.addCleanup(client.close)
        for i in range(100):
            client.call("ModelInfer", message.SerializeToString())
            self.eventually(lambda: self.answered() == i + 1)
        self.assertLess(self.resident_bytes() - before, 25 * MIB)

    def test_answers_count_until_they_are_read(self):
        self.start("--max-queued-bytes", 16384)
        message = request(self.fixture.pixels.repeat(8, axis=0)[:32])
        for method in ("ModelInfer", "ModelStreamInfer"):
            client = SilentClient(self.daemon.url)
            before = self.answered()
            for i in range(20):
                client.call(method, message.SerializeToString())
                self.eventually(lambda: self.answered() == before + i + 1)
            error = self.refused(self.stub.ModelInfer, message)
            self.assertEqual((error.code(), error.details()),
                             (grpc.StatusCode.UNAVAILABLE, "Exceeds maximum queue size"))
            self.assertIn(("x-msq-reason", "queue_full"), [tuple(pair) for pair in error.trailing_metadata()])
            client.close()
            self.eventually(lambda: self.serves(message))

    @harness.not_emulated("twenty answers take longer than the time to read them")
    def test_who_does_not_read_in_time_is_cut_off(self):
        self.start("--max-queued-bytes", 16384, "--answer-timeout-seconds", 4)
        message = request(self.fixture.pixels.repeat(8, axis=0)[:32])
        for method in ("ModelInfer", "ModelStreamInfer"):
            client = SilentClient(self.daemon.url)
            self.addCleanup(client.close)
            before = self.answered()
            for i in range(20):
                client.call(method, message.SerializeToString())
                self.eventually(lambda: self.answered() == before + i + 1)
            self.assertFalse(self.serves(message))
            self.eventually(lambda: self.serves(message))  # though the client stays
        stream = self.daemon.channel.stream_stream(
            "/inference.GRPCInferenceService/ModelStreamInfer", request_serializer=lambda request: request,
            response_deserializer=inference_pb2.ModelStreamInferResponse.FromString)
        requests = queue.Queue()
        answers = stream(iter(requests.get, None), timeout=30)
        for pause in (0, 4.5):  # a stream may rest for as long as it likes
            time.sleep(pause)
            requests.put(message.SerializeToString())
            self.assertEqual(next(answers).error_message, "")
        requests.put(None)

    def serves(self, message):
        try:
            return self.stub.ModelInfer(message, timeout=30).model_name == "sample"
        except grpc.RpcError as error:
            self.assertEqual(error.details(), "Exceeds maximum queue size")
            return False

    def test_they_keep_no_model(self):
        self.start("--model-control-mode", "explicit", "--load-model", "*")
        client = SilentClient(self.daemon.url)
        self.addCleanup(client.close)
        message = request(self.fixture.pixels[:1]).SerializeToString()
        client.call("ModelInfer", message)
        client.call("ModelStreamInfer", message)
        self.eventually(lambda: self.answered() == 2)
        self.stub.RepositoryModelUnload(inference_pb2.RepositoryModelUnloadRequest(model_name="sample"))
        index = inference_pb2.RepositoryIndexRequest()
        self.eventually(lambda: [(model.state, model.reason) for model in self.stub.RepositoryIndex(index).models
                                 if model.name == "sample"] == [("UNAVAILABLE", "unloaded")])


if __name__ == "__main__":
    unittest.main()
