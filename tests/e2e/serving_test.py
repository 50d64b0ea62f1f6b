"""A third-party-style client against the real daemon: answers, metadata, health, reflection, metrics."""
import os
import subprocess
import sys
import unittest

import numpy
from google.protobuf import descriptor_pb2

import harness
from harness import inference_pb2, logits, request
from proto import health_pb2, health_pb2_grpc, reflection_pb2, reflection_pb2_grpc


class ServingTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(harness.temporary_folder())
        cls.fixture = harness.make_fixture(cls.folder)
        cls.daemon = cls.enterClassContext(harness.Daemon(cls.fixture.repository, "--server-name", "triton"))
        cls.stub = cls.daemon.stub

    def test_answers_are_the_references_bits_at_every_batch(self):
        pixels, expected = self.fixture.pixels, self.fixture.logits
        self.assertGreater(len({row.tobytes() for row in expected}), 1)
        for batch in range(1, len(pixels) + 1):
            response = self.stub.ModelInfer(request(pixels[:batch]))
            numpy.testing.assert_array_equal(logits(response), expected[:batch])
            self.assertEqual((response.model_name, response.model_version, response.id), ("sample", "1", "7"))

    def test_float_pixels_and_nhwc_give_the_same_answers(self):
        pixels, expected = self.fixture.pixels, self.fixture.logits
        response = self.stub.ModelInfer(request(pixels, datatype="FP32"))
        numpy.testing.assert_array_equal(logits(response), expected)
        interleaved = numpy.ascontiguousarray(pixels[:4].transpose(0, 2, 3, 1))
        for datatype in ("UINT8", "FP32"):
            response = self.stub.ModelInfer(request(interleaved, model="nhwc", datatype=datatype))
            numpy.testing.assert_array_equal(logits(response), expected[:4])
            self.assertEqual(response.model_version, "3")

    def test_normalized_floats_are_the_networks_real_inputs(self):
        mean = numpy.float32([0.5, 0.45, 0.4]).reshape(3, 1, 1)
        stddev = numpy.float32([0.25, 0.25, 0.3]).reshape(3, 1, 1)
        real = (self.fixture.pixels.astype(numpy.float32) / numpy.float32(255) - mean) / stddev
        message = request(real, datatype="FP32")
        message.inputs[0].parameters["normalized"].bool_param = True
        numpy.testing.assert_array_equal(logits(self.stub.ModelInfer(message)), self.fixture.logits)
        for i in range(3):  # a model without normalisation and without batching takes the same numbers as they are
            response = self.stub.ModelInfer(request(real[i], model="plain", datatype="FP32"))
            numpy.testing.assert_array_equal(logits(response), self.fixture.logits[i])

    def test_typed_contents_are_answered_raw(self):
        message = request(self.fixture.pixels[:2])
        del message.raw_input_contents[:]
        message.inputs[0].contents.uint_contents.extend(int(v) for v in self.fixture.pixels[:2].ravel())
        response = self.stub.ModelInfer(message)
        numpy.testing.assert_array_equal(logits(response), self.fixture.logits[:2])
        self.assertFalse(response.outputs[0].HasField("contents"))

    def test_classification(self):
        message = request(self.fixture.pixels[:2])
        output = message.outputs.add(name="logits")
        output.parameters["classification"].int64_param = 2
        response = self.stub.ModelInfer(message)
        self.assertEqual((response.outputs[0].datatype, list(response.outputs[0].shape)), ("BYTES", [2, 2]))
        raw, texts = response.raw_output_contents[0], []
        while raw:
            size = int.from_bytes(raw[:4], "little")
            texts.append(raw[4:4 + size].decode())
            raw = raw[4 + size:]
        names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
        expected = []
        for row in self.fixture.logits[:2]:
            expected += [f"{row[i]:.6f}:{i}:{names[i]}" for i in numpy.argsort(-row, kind="stable")[:2]]
        self.assertEqual(texts, expected)

    def test_metadata_and_configuration(self):
        server = self.stub.ServerMetadata(inference_pb2.ServerMetadataRequest())
        self.assertEqual(server.name, "triton")
        self.assertIn("classification", server.extensions)
        self.assertTrue(self.stub.ServerLive(inference_pb2.ServerLiveRequest()).live)
        self.assertTrue(self.stub.ServerReady(inference_pb2.ServerReadyRequest()).ready)
        model = self.stub.ModelMetadata(inference_pb2.ModelMetadataRequest(name="nhwc"))
        self.assertEqual((model.platform, list(model.versions)), ("msq", ["3"]))
        self.assertEqual((model.inputs[0].name, model.inputs[0].datatype, list(model.inputs[0].shape)),
                         ("pixels", "UINT8", [-1, 8, 8, 3]))
        self.assertEqual((model.outputs[0].name, model.outputs[0].datatype, list(model.outputs[0].shape)),
                         ("logits", "FP32", [-1, 10]))
        plain = self.stub.ModelMetadata(inference_pb2.ModelMetadataRequest(name="plain"))
        self.assertEqual((plain.inputs[0].datatype, list(plain.inputs[0].shape)), ("FP32", [3, 8, 8]))
        config = self.stub.ModelConfig(inference_pb2.ModelConfigRequest(name="nhwc")).config
        self.assertEqual((config.max_batch_size, config.input[0].format, list(config.input[0].dims)), (4, 1, [8, 8, 3]))
        index = self.stub.RepositoryIndex(inference_pb2.RepositoryIndexRequest())
        self.assertEqual([(m.name, m.version, m.state) for m in index.models],
                         [("nhwc", "3", "READY"), ("plain", "1", "READY"), ("sample", "1", "READY")])

    def test_unknown_configuration_fields_are_named_in_the_log(self):
        self.assertTrue(any("no_such_field" in line for line in self.daemon.log))

    def test_health(self):
        stub = health_pb2_grpc.HealthStub(self.daemon.channel)
        for service in ("", "inference.GRPCInferenceService", "model:sample"):
            answer = stub.Check(health_pb2.HealthCheckRequest(service=service))
            self.assertEqual(answer.status, health_pb2.HealthCheckResponse.SERVING)

    def test_reflection_describes_every_service(self):
        stub = reflection_pb2_grpc.ServerReflectionStub(self.daemon.channel)
        ask = reflection_pb2.ServerReflectionRequest

        def answers(*requests):
            return list(stub.ServerReflectionInfo(iter(requests), timeout=20))

        services = {s.name for s in answers(ask(list_services=""))[0].list_services_response.service}
        self.assertEqual({"inference.GRPCInferenceService", "grpc.health.v1.Health",
                          "grpc.reflection.v1alpha.ServerReflection"}, services)
        for service in ("inference.GRPCInferenceService", "grpc.health.v1.Health"):
            answer = answers(ask(file_containing_symbol=service))[0]
            files = [descriptor_pb2.FileDescriptorProto.FromString(f)
                     for f in answer.file_descriptor_response.file_descriptor_proto]
            names = {f"{f.package}.{s.name}" for f in files for s in f.service}
            self.assertIn(service, names)
            self.assertLessEqual({d for f in files for d in f.dependency}, {f.name for f in files})
            self.assertEqual(answers(ask(file_by_filename=files[0].name))[0].file_descriptor_response,
                             answer.file_descriptor_response)

        extension = reflection_pb2.ExtensionRequest(containing_type="inference.ModelInferRequest", extension_number=5)
        missing = answers(ask(file_containing_symbol="no.Such"), ask(file_by_filename="no.proto"),
                          ask(file_containing_extension=extension), ask(all_extension_numbers_of_type="no.Such"), ask())
        self.assertEqual(
            [(a.error_response.error_code, a.error_response.error_message) for a in missing],
            [(5, "symbol 'no.Such' is not known"), (5, "file 'no.proto' is not known"),
             (5, "extension 5 of 'inference.ModelInferRequest' is not known"), (5, "type 'no.Such' is not known"),
             (3, "the request asks nothing that this protocol knows")])
        numbers = answers(ask(all_extension_numbers_of_type="inference.ModelInferRequest"))[0]
        self.assertEqual(numbers.all_extension_numbers_response.base_type_name, "inference.ModelInferRequest")

    def test_metrics_pass_promtool_and_count(self):
        before = self.daemon.metric("msq_images_total", backend="cpu", model="sample", version="1")
        self.stub.ModelInfer(request(self.fixture.pixels[:5]))
        after = self.daemon.metric("msq_images_total", backend="cpu", model="sample", version="1")
        self.assertEqual(after - before, 5)
        text = self.daemon.metrics()
        check = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=30)
        self.assertEqual((check.returncode, check.stdout, check.stderr), (0, "", ""))
        for phase in ("decode", "queue", "compute", "encode", "total"):
            self.assertGreater(self.daemon.metric("msq_request_duration_seconds_count", backend="cpu", model="sample",
                                                  phase=phase, version="1"), 0)
        self.assertEqual(self.daemon.metric("msq_model_ready", model="nhwc", version="3"), 1)

    def test_stock_tritonclient(self):
        path = os.environ.get("MSQ_TRITONCLIENT_PYTHONPATH")
        if not path:
            self.skipTest("MSQ_TRITONCLIENT_PYTHONPATH is not set: NOT checked against the stock client")
        # In a process of its own: its stubs bear the same protobuf names as ours.
        program = (
            "import sys, numpy, tritonclient.grpc as t\n"
            "client = t.InferenceServerClient(sys.argv[1])\n"
            "assert client.is_server_live() and client.is_server_ready() and client.is_model_ready('sample')\n"
            "assert client.get_server_metadata().name == 'triton'\n"
            "assert client.get_model_config('sample').config.max_batch_size == 64\n"
            "pixels, expected = numpy.load(sys.argv[2] + '/pixels.npy'), numpy.load(sys.argv[2] + '/logits.npy')\n"
            "tensor = t.InferInput('pixels', pixels.shape, 'UINT8')\n"
            "tensor.set_data_from_numpy(pixels)\n"
            "answer = client.infer('sample', [tensor], outputs=[t.InferRequestedOutput('logits')])\n"
            "assert (answer.as_numpy('logits') == expected).all()\n"
            "classes = client.infer('sample', [tensor], outputs=[t.InferRequestedOutput('logits', class_count=3)])\n"
            "assert classes.as_numpy('logits').shape == (len(pixels), 3)\n")
        environment = {**os.environ, "PYTHONPATH": path}
        result = subprocess.run([sys.executable, "-c", program, self.daemon.url, str(self.folder)], env=environment,
                                capture_output=True, text=True, timeout=60)
        self.assertEqual(result.returncode, 0, result.stderr)


if __name__ == "__main__":
    unittest.main()
