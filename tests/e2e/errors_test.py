"""The error table in docs/operating.md over the wire, but for the rows that need a worker held: those are C++ tests."""
import unittest

import grpc

import harness
from harness import inference_pb2, request


class ErrorsTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        folder = cls.enterClassContext(harness.temporary_folder())
        cls.fixture = harness.make_fixture(folder)
        broken = cls.fixture.repository / "broken" / "1"
        broken.mkdir(parents=True)
        (broken / "model.msq").write_bytes(b"this is no artifact")
        cls.daemon = cls.enterClassContext(
            harness.Daemon(cls.fixture.repository, "--max-message-bytes", "65536", "--workers", "1"))
        cls.stub = cls.daemon.stub

    def tearDown(self):
        response = self.stub.ModelInfer(request(self.fixture.pixels[:1]))  # whatever happened, it serves on
        self.assertEqual(response.raw_output_contents[0], self.fixture.logits[:1].tobytes())

    def expect(self, code, text, call, message, **options):
        with self.assertRaises(grpc.RpcError) as caught:
            call(message, **options)
        self.assertEqual(caught.exception.code(), code, caught.exception.details())
        self.assertIn(text, caught.exception.details())
        return caught.exception

    def rejected(self, text, message):
        self.rejected_by(self.stub.ModelInfer, text, message)

    def rejected_by(self, call, text, message):
        self.expect(grpc.StatusCode.INVALID_ARGUMENT, text, call, message)

    def sample(self, batch=1):
        return request(self.fixture.pixels[:batch])

    def test_unknown_model(self):
        text, code = "Request for unknown model: 'nope' is not found", grpc.StatusCode.NOT_FOUND
        self.expect(code, text, self.stub.ModelInfer, request(self.fixture.pixels, model="nope"))
        self.expect(code, text, self.stub.ModelMetadata, inference_pb2.ModelMetadataRequest(name="nope"))
        self.expect(code, text, self.stub.ModelConfig, inference_pb2.ModelConfigRequest(name="nope"))
        self.assertNotIn("nope", self.daemon.metrics())

    def test_unknown_version(self):
        self.expect(grpc.StatusCode.NOT_FOUND, "'sample' version 99 is not found", self.stub.ModelInfer,
                    request(self.fixture.pixels, version="99"))

    def test_version_that_is_none(self):
        self.rejected("version should be an integral value > 0", request(self.fixture.pixels, version="latest"))

    def test_broken_model(self):
        self.expect(grpc.StatusCode.NOT_FOUND, "'broken' has no available versions", self.stub.ModelInfer,
                    request(self.fixture.pixels, model="broken"))
        error = self.expect(grpc.StatusCode.UNAVAILABLE, "version 1 is not at ready state", self.stub.ModelInfer,
                            request(self.fixture.pixels, model="broken", version="1"))
        self.assertIn(("x-msq-reason", "model_not_ready"), [tuple(pair) for pair in error.trailing_metadata()])

    def test_readiness_of_unknown_and_broken_models_is_no_error(self):
        for name in ("nope", "broken"):
            self.assertFalse(self.stub.ModelReady(inference_pb2.ModelReadyRequest(name=name)).ready)
        self.assertTrue(self.stub.ModelReady(inference_pb2.ModelReadyRequest(name="sample")).ready)
        self.assertFalse(self.stub.ServerReady(inference_pb2.ServerReadyRequest()).ready)

    def test_input_name(self):
        message = self.sample()
        message.inputs[0].name = "pixel"
        self.rejected("unexpected inference input 'pixel' for model 'sample'", message)

    def test_input_count(self):
        message = self.sample()
        del message.inputs[:]
        self.rejected("expected 1 inputs but got 0 inputs for model 'sample'", message)

    def test_input_shape(self):
        message = self.sample()
        message.inputs[0].shape[3] = 7
        self.rejected("unexpected shape for input 'pixels' for model 'sample'. Expected [-1,3,8,8], got [1,3,8,7].",
                      message)

    def test_batch_size(self):
        message = request(self.fixture.pixels.transpose(0, 2, 3, 1), model="nhwc")
        self.rejected("inference request batch-size must be <= 4 for 'nhwc'", message)

    def test_input_datatype(self):
        message = self.sample()
        message.inputs[0].datatype = "INT64"
        self.rejected("inference input 'pixels' data-type is 'INT64', but model 'sample' expects 'UINT8'", message)

    def test_input_size(self):
        message = self.sample()
        message.raw_input_contents[0] += b"x"
        self.rejected("input byte size mismatch for input 'pixels' for model 'sample'. Expected 192, got 193", message)

    def test_raw_and_typed_contents_together(self):
        message = self.sample()
        message.inputs[0].contents.uint_contents.append(1)
        self.rejected("contents field must not be specified when using raw_input_contents", message)

    def test_input_without_data(self):
        message = self.sample()
        del message.raw_input_contents[:]
        self.rejected("unable to find data for input tensor 'pixels'", message)

    def test_output_name(self):
        message = self.sample()
        message.outputs.add(name="logit")
        self.rejected("unexpected inference output 'logit' for model 'sample'", message)

    def test_parameters(self):
        message = self.sample()
        message.parameters["triton_x"].bool_param = True
        self.rejected("'triton_'", message)
        message = self.sample()
        message.parameters["backend"].string_param = "abacus"
        self.rejected("has no backend 'abacus'; it has: cpu", message)

    def test_hostile_sizes_do_no_harm(self):
        for batch in (0, -1, 2**62):
            message = self.sample()
            message.inputs[0].shape[0] = batch
            self.expect(grpc.StatusCode.INVALID_ARGUMENT, "", self.stub.ModelInfer, message)
        message = self.sample()
        message.inputs[0].name = "é" * 20000
        error = self.expect(grpc.StatusCode.INVALID_ARGUMENT, "éé", self.stub.ModelInfer, message)
        self.assertLess(len(error.details().encode()), 4096)

    def test_message_over_the_limit(self):
        message = self.sample()
        message.raw_input_contents[0] = bytes(100000)
        self.expect(grpc.StatusCode.RESOURCE_EXHAUSTED, "larger than max", self.stub.ModelInfer, message)

    def test_bytes_that_are_no_message(self):
        text = "the bytes are no message inference.ModelInferRequest: they are corrupt or cut off"
        infer = self.daemon.channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        stream = self.daemon.channel.stream_stream(
            "/inference.GRPCInferenceService/ModelStreamInfer",
            response_deserializer=inference_pb2.ModelStreamInferResponse.FromString)
        whole = self.sample().SerializeToString()
        for message in (b"\xff\xff\xff", whole[:-5]):
            self.rejected_by(infer, text, message)
            answers = list(stream(iter([message, whole]), timeout=30))  # an error is an answer, and the stream goes on
            self.assertIn(text, answers[0].error_message)
            self.assertEqual([answer.error_message == "" for answer in answers], [False, True])
        with self.assertRaises(grpc.RpcError) as caught:
            list(stream(iter([whole[:-5]]), metadata=[("triton_grpc_error", "true")], timeout=30))
        self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertIn(text, caught.exception.details())
        load = self.daemon.channel.unary_unary("/inference.GRPCInferenceService/RepositoryModelLoad")
        self.rejected_by(load, "the bytes are no message inference.RepositoryModelLoadRequest", b"\xff")

    def test_message_in_too_many_small_parts(self):
        infer = self.daemon.channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        self.rejected_by(infer, "the message has 60000 bytes, and would take more than", b"\x2a\x00" * 30000)

    def test_cuda_shared_memory(self):
        self.expect(grpc.StatusCode.UNIMPLEMENTED, "CUDA shared memory is not supported",
                    self.stub.CudaSharedMemoryRegister, inference_pb2.CudaSharedMemoryRegisterRequest(name="region"))


if __name__ == "__main__":
    unittest.main()
