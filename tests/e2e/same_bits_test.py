"""The demo's model answers a fixed request with the bytes that are written down here, whatever processor msqd runs on."""
import hashlib
import pathlib
import unittest

import numpy

import harness
from harness import inference_pb2

REPOSITORY = pathlib.Path(__file__).resolve().parents[2] / "demo" / "repository"
MODEL = "characters"
BATCH = 8
# SHA-256 of the scores, from x86-64, where every row of kernels gave it.
ANSWER = "8c48497ff5975b3a1f1d310db3be673935b059068409f0259fef5c298705cacd"


class SameBitsTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.daemon = cls.enterClassContext(harness.Daemon(REPOSITORY, "--fpga-device", "emulated,configuration=tiny"))
        cls.metadata = cls.daemon.stub.ModelMetadata(inference_pb2.ModelMetadataRequest(name=MODEL))

    def answer(self, datatype, backend):
        """The hash of the scores for a batch of pixels that look random: the bytes of a power series."""
        pixel_input = self.metadata.inputs[0]
        shape = [BATCH, *pixel_input.shape[1:]]
        count = int(numpy.prod(shape))
        powers = (numpy.full(count, 75, numpy.uint64).cumprod() % 2**32) >> 7
        pixels = (powers % 256).astype({"UINT8": numpy.uint8, "FP32": numpy.float32}[datatype])
        message = inference_pb2.ModelInferRequest(model_name=MODEL)
        message.inputs.add(name=pixel_input.name, datatype=datatype, shape=shape)
        message.raw_input_contents.append(pixels.tobytes())
        message.parameters["backend"].string_param = backend
        scores = self.daemon.stub.ModelInfer(message, timeout=60).raw_output_contents[0]
        self.assertGreater(len(set(scores)), 100)
        return hashlib.sha256(scores).hexdigest()

    def test_bits_on_the_cpu(self):
        self.assertEqual(self.answer("UINT8", "cpu"), ANSWER)

    def test_bits_from_real_numbers(self):
        self.assertEqual(self.answer("FP32", "cpu"), ANSWER)

    def test_bits_on_the_accelerator(self):
        self.assertEqual(self.answer("UINT8", "fpga"), ANSWER)


if __name__ == "__main__":
    unittest.main()
