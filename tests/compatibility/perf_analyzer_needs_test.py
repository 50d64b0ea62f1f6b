"""What Triton's perf_analyzer asks of a server, call by call; the program itself is not needed."""
import concurrent.futures
import contextlib
import os
import pathlib
import unittest

import grpc
import numpy

import harness
import toy_models
from harness import inference_pb2

SHM = pathlib.Path("/dev/shm")
TENSOR_BYTES = 16 * 4


def simple_request(first, second, **parameters):
    """A request of the model `simple`, whose answers are sum and difference."""
    message = inference_pb2.ModelInferRequest(model_name="simple", id="1")
    for name, values in (("INPUT0", first), ("INPUT1", second)):
        message.inputs.add(name=name, datatype="INT32", shape=[1, 16])
        message.raw_input_contents.append(numpy.asarray(values, numpy.int32).tobytes())
    for name in ("OUTPUT0", "OUTPUT1"):
        message.outputs.add(name=name)
    for key, value in parameters.items():
        message.parameters[key].uint64_param = value
    return message


def step(sequence, value, start=False, end=False, model="simple_sequence"):
    """A step of a sequence as perf_analyzer sends it; the sequence's id is a number or a text."""
    message = inference_pb2.ModelInferRequest(model_name=model, id=f"{sequence}_{value}")
    message.inputs.add(name="INPUT", datatype="INT32", shape=[1, 1])
    message.raw_input_contents.append(numpy.int32(value).tobytes())
    if isinstance(sequence, str):
        message.parameters["sequence_id"].string_param = sequence
    else:
        message.parameters["sequence_id"].int64_param = sequence
    message.parameters["sequence_start"].bool_param = start
    message.parameters["sequence_end"].bool_param = end
    message.parameters["triton_enable_empty_final_response"].bool_param = True
    return message


def integers(response):
    return [numpy.frombuffer(raw, numpy.int32).tolist() for raw in response.raw_output_contents]


@contextlib.contextmanager
def shared_object(name, size):
    """A POSIX shared memory object as a writable file."""
    path = SHM / name
    path.write_bytes(bytes(size))
    try:
        yield path
    finally:
        path.unlink()


class PerfAnalyzerNeedsTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        folder = cls.enterClassContext(harness.temporary_folder())
        cls.daemon = cls.enterClassContext(toy_models.daemon(toy_models.make_repository(folder)))
        cls.stub = cls.daemon.stub

    def statistics(self, model, version=""):
        request = inference_pb2.ModelStatisticsRequest(name=model, version=version)
        [statistics] = self.stub.ModelStatistics(request).model_stats
        return statistics

    def test_server_tells_its_extensions(self):
        metadata = self.stub.ServerMetadata(inference_pb2.ServerMetadataRequest())
        needed = {"model_configuration", "statistics", "schedule_policy", "sequence", "system_shared_memory",
                  "binary_tensor_data", "classification", "parameters", "model_repository"}
        self.assertEqual(needed - set(metadata.extensions), set())

    def test_metadata_and_configuration_agree(self):
        for model in ("simple", "simple_sequence", toy_models.IMAGE_MODEL):
            metadata = self.stub.ModelMetadata(inference_pb2.ModelMetadataRequest(name=model))
            config = self.stub.ModelConfig(inference_pb2.ModelConfigRequest(name=model)).config
            self.assertEqual((metadata.name, config.name, list(metadata.versions)), (model, model, ["1"]))
            for told, configured in ((metadata.inputs, config.input), (metadata.outputs, config.output)):
                batch = [-1] if config.max_batch_size > 0 else []
                self.assertEqual([(t.name, list(t.shape)) for t in told],
                                 [(t.name, batch + list(t.dims)) for t in configured])
            self.assertFalse(config.model_transaction_policy.decoupled)
            self.assertEqual(config.HasField("sequence_batching"), model == "simple_sequence")

    def test_statistics_rise_by_what_was_asked(self):
        before = self.statistics("simple")
        for i in range(5):
            self.stub.ModelInfer(simple_request([i] * 16, [1] * 16, priority=1))
        after = self.statistics("simple", version="1")
        self.assertEqual(after.inference_count - before.inference_count, 5)
        self.assertGreater(after.execution_count, before.execution_count)
        for duration in ("success", "queue", "compute_input", "compute_infer", "compute_output"):
            earlier, later = (getattr(stats.inference_stats, duration) for stats in (before, after))
            self.assertEqual(later.count - earlier.count, 5, duration)
            self.assertGreaterEqual(later.ns, earlier.ns, duration)
        self.assertGreater(after.inference_stats.success.ns, before.inference_stats.success.ns)
        self.assertGreaterEqual(after.last_inference, before.last_inference)
        names = {stats.name for stats in self.stub.ModelStatistics(inference_pb2.ModelStatisticsRequest()).model_stats}
        self.assertEqual(names, {model.name for model in toy_models.MODELS.iterdir()})

    def test_system_shared_memory(self):
        self.stub.SystemSharedMemoryUnregister(inference_pb2.SystemSharedMemoryUnregisterRequest())
        key = f"msq_perf_{os.getpid()}"
        with shared_object(key, 4 * TENSOR_BYTES) as path:
            first, second = numpy.arange(16, dtype=numpy.int32), numpy.full(16, 3, numpy.int32)
            with open(path, "r+b") as file:
                file.write(first.tobytes() + second.tobytes())
            self.stub.SystemSharedMemoryRegister(inference_pb2.SystemSharedMemoryRegisterRequest(
                name="data", key=f"/{key}", offset=0, byte_size=4 * TENSOR_BYTES))
            status = self.stub.SystemSharedMemoryStatus(inference_pb2.SystemSharedMemoryStatusRequest())
            self.assertEqual([(r.name, r.byte_size) for r in status.regions.values()], [("data", 4 * TENSOR_BYTES)])
            message = simple_request(first, second)
            message.ClearField("raw_input_contents")
            for i, tensor in enumerate([*message.inputs, *message.outputs]):
                tensor.parameters["shared_memory_region"].string_param = "data"
                tensor.parameters["shared_memory_byte_size"].int64_param = TENSOR_BYTES
                tensor.parameters["shared_memory_offset"].int64_param = i * TENSOR_BYTES
            response = self.stub.ModelInfer(message)
            self.assertEqual(list(response.raw_output_contents), [b"", b""])
            for i, output in enumerate(response.outputs):
                parameters = output.parameters
                self.assertEqual(parameters["shared_memory_region"].string_param, "data")
                self.assertEqual(parameters["shared_memory_byte_size"].int64_param, TENSOR_BYTES)
                self.assertEqual(parameters["shared_memory_offset"].int64_param, (2 + i) * TENSOR_BYTES)
            written = numpy.frombuffer(path.read_bytes(), numpy.int32).reshape(4, 16)
            self.assertEqual(written[2].tolist(), (first + second).tolist())
            self.assertEqual(written[3].tolist(), (first - second).tolist())
            self.stub.SystemSharedMemoryUnregister(inference_pb2.SystemSharedMemoryUnregisterRequest(name="data"))
            status = self.stub.SystemSharedMemoryStatus(inference_pb2.SystemSharedMemoryStatusRequest())
            self.assertEqual(len(status.regions), 0)

    def test_cuda_shared_memory_can_be_unregistered_and_no_more(self):
        self.stub.CudaSharedMemoryUnregister(inference_pb2.CudaSharedMemoryUnregisterRequest())
        status = self.stub.CudaSharedMemoryStatus(inference_pb2.CudaSharedMemoryStatusRequest())
        self.assertEqual(len(status.regions), 0)
        with self.assertRaises(grpc.RpcError) as raised:
            self.stub.CudaSharedMemoryRegister(inference_pb2.CudaSharedMemoryRegisterRequest(name="data"))
        self.assertEqual(raised.exception.code(), grpc.StatusCode.UNIMPLEMENTED)

    def test_sequences_interleaved_on_a_stream(self):
        sent = [step(7, 10, start=True), step(8, 20, start=True), step(7, 1), step(8, 2), step(8, 3, end=True),
                step(7, 4, end=True)]
        received = list(self.stub.ModelStreamInfer(iter(sent)))
        self.assertEqual([one.error_message for one in received], [""] * len(sent))
        answers = [one.infer_response for one in received]
        self.assertEqual([answer.id for answer in answers], [message.id for message in sent])
        self.assertEqual([integers(answer)[0] for answer in answers], [[11], [21], [1], [2], [3], [4]])
        self.assertTrue(all(answer.parameters["triton_final_response"].bool_param for answer in answers))

    def test_each_sequence_has_a_state_of_its_own(self):
        model = "simple_string_dyna_sequence"  # the sum so far, and at the end the id on top
        sent = [step("7", 10, start=True, model=model), step(8, 20, start=True, model=model),
                step("7", 1, model=model), step(8, 2, end=True, model=model), step("7", 2, end=True, model=model)]
        received = list(self.stub.ModelStreamInfer(iter(sent)))
        self.assertEqual([one.error_message for one in received], [""] * len(sent))
        sums = [integers(one.infer_response)[0] for one in received]
        self.assertEqual(sums, [[10], [20], [11], [22 + 8], [13 + 7]])

    def test_an_error_leaves_the_stream_open(self):
        good, bad = simple_request([1] * 16, [2] * 16), simple_request([1] * 16, [2] * 16)
        bad.raw_input_contents[1] = b""
        bad.id = "bad"
        received = list(self.stub.ModelStreamInfer(iter([good, bad, good])))
        self.assertEqual([bool(one.error_message) for one in received], [False, True, False])
        self.assertEqual(received[1].infer_response.id, "bad")
        self.assertEqual(integers(received[2].infer_response), [[3] * 16, [-1] * 16])

    def test_answers_do_not_change_under_load(self):
        image = numpy.random.default_rng(5).standard_normal((3, 224, 224)).astype(numpy.float32)
        message = inference_pb2.ModelInferRequest(model_name=toy_models.IMAGE_MODEL)
        message.inputs.add(name="data_0", datatype="FP32", shape=image.shape)
        message.raw_input_contents.append(image.tobytes())
        expected = self.stub.ModelInfer(message).raw_output_contents[0]
        self.assertEqual(len(expected), 10 * 4)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: self.stub.ModelInfer(message).raw_output_contents[0], range(64)))
        self.assertEqual(set(answers), {expected})


if __name__ == "__main__":
    unittest.main()
