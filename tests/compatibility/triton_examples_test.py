"""The stock Python examples of Triton's clients, unmodified, against the daemon.

They and the client library that they import are found by two environment variables; without them nothing is tested:
MSQ_TRITON_EXAMPLES         the folder of the examples: src/python/examples of Triton's client repository
MSQ_TRITONCLIENT_PYTHONPATH a folder to import tritonclient from; empty where Python finds it anyway
"""
import os
import pathlib
import subprocess
import sys
import unittest

import harness
import toy_models

EXAMPLES = os.environ.get("MSQ_TRITON_EXAMPLES")
CLIENT_PATH = os.environ.get("MSQ_TRITONCLIENT_PYTHONPATH")
SKIPPED = 77  # what ctest takes for "skipped"
EXAMPLE_SECONDS = 60


# Each run is an example and the arguments that it gets after the address.
GRPC_RUNS = [
    ("grpc_client.py",),
    ("grpc_explicit_byte_content_client.py",),
    ("grpc_explicit_int8_content_client.py",),
    ("grpc_explicit_int_content_client.py",),
    ("reuse_infer_objects_client.py", "-i", "grpc"),
    ("simple_grpc_aio_infer_client.py",),
    ("simple_grpc_aio_sequence_stream_infer_client.py",),
    ("simple_grpc_aio_sequence_stream_infer_client.py", "--dyna"),
    ("simple_grpc_async_infer_client.py",),
    ("simple_grpc_custom_args_client.py",),
    ("simple_grpc_health_metadata.py",),
    ("simple_grpc_infer_client.py",),
    ("simple_grpc_infer_client.py", "--grpc-compression-algorithm", "gzip"),
    ("simple_grpc_keepalive_client.py",),
    ("simple_grpc_sequence_stream_infer_client.py",),
    ("simple_grpc_sequence_stream_infer_client.py", "--dyna"),
    ("simple_grpc_sequence_sync_infer_client.py",),
    ("simple_grpc_sequence_sync_infer_client.py", "--dyna"),
    ("simple_grpc_shm_client.py",),
    ("simple_grpc_shm_string_client.py",),
    ("simple_grpc_string_infer_client.py",),
]
GRPC_CONTROL_RUNS = [("simple_grpc_model_control.py",)]
HTTP_RUNS = [
    ("reuse_infer_objects_client.py", "-i", "http"),
    ("simple_http_aio_infer_client.py",),
    ("simple_http_async_infer_client.py",),
    ("simple_http_health_metadata.py",),
    ("simple_http_infer_client.py",),
    ("simple_http_sequence_sync_infer_client.py",),
    ("simple_http_sequence_sync_infer_client.py", "--dyna"),
    ("simple_http_shm_client.py",),
    ("simple_http_shm_string_client.py",),
    ("simple_http_string_infer_client.py",),
]
HTTP_CONTROL_RUNS = [("simple_http_model_control.py",)]
# Clients for images: one picture or a folder of them, against any model.
IMAGE_RUNS = [(*client, *how)
              for client in (("image_client.py", "-i", "grpc"), ("grpc_image_client.py",))
              for how in ((), ("--async",), ("--streaming",))]
# Examples that make no sense here, and why.
NOT_APPLICABLE = {
    "ensemble_image_client.py": "an ensemble that decodes JPEG: the daemon serves networks one by one",
    "memory_growth_test.py": "a leak test of the client with the address built in",
    "simple_grpc_cudashm_client.py": "no CUDA: the daemon computes on CPUs and FPGAs",
    "simple_grpc_custom_repeat.py": "a decoupled model: a network answers a request once",
    "simple_http_cudashm_client.py": "no CUDA: the daemon computes on CPUs and FPGAs",
}


class ExamplesTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(harness.temporary_folder())

    def check(self, url, script, *arguments):
        """Most examples say PASS at their end; the others have a good exit status, and that must do."""
        path = pathlib.Path(EXAMPLES) / script
        command = [sys.executable, "-B", *map(str, [path, "-u", url, *arguments])]
        # The stubs that other tests use must not be among what an example imports.
        environment = {**os.environ, "PYTHONPATH": CLIENT_PATH}
        with self.subTest(" ".join(map(str, [script, *arguments]))):
            result = subprocess.run(command, capture_output=True, text=True, timeout=EXAMPLE_SECONDS, env=environment)
            everything = (result.stdout + result.stderr)[-4000:]
            self.assertEqual(result.returncode, 0, everything)
            if 'print("PASS' in path.read_text():
                self.assertRegex(result.stdout.rstrip().splitlines()[-1], "^PASS", everything)

    def check_all(self, runs, port, *arguments, without=()):
        repository = toy_models.make_repository(self.folder / self._testMethodName, without)
        with toy_models.daemon(repository, "--server-name", "triton", *arguments) as daemon:
            for run in runs:
                self.check(getattr(daemon, port), *run)
            self.assertIsNone(daemon.process.poll(), "the daemon ended")

    def test_every_example_has_a_verdict(self):
        runs = [*GRPC_RUNS, *GRPC_CONTROL_RUNS, *HTTP_RUNS, *HTTP_CONTROL_RUNS, *IMAGE_RUNS]
        here = {path.name for path in pathlib.Path(EXAMPLES).glob("*.py")}
        self.assertEqual(here, {run[0] for run in runs} | set(NOT_APPLICABLE))

    def test_grpc_examples(self):
        self.check_all(GRPC_RUNS, "url")

    def test_grpc_examples_over_mutual_tls(self):
        certificate, key = self.folder / "certificate.pem", self.folder / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=test",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
                       check=True, capture_output=True, timeout=60)
        client = ("--ssl", "-r", certificate, "-p", key, "-x", certificate)
        self.check_all([("simple_grpc_infer_client.py", *client), ("simple_grpc_aio_infer_client.py", *client)], "url",
                       "--tls-certificate", certificate, "--tls-key", key, "--tls-client-ca", certificate)

    def test_grpc_model_control(self):
        self.check_all(GRPC_CONTROL_RUNS, "url", "--model-control-mode", "explicit")

    def test_http_examples(self):
        self.check_all(HTTP_RUNS, "http_url")

    def test_http_model_control(self):
        # It counts the models, and knows of one less than the example over gRPC.
        self.check_all(HTTP_CONTROL_RUNS, "http_url", "--model-control-mode", "explicit",
                       without=[toy_models.IMAGE_MODEL])

    def test_image_examples(self):
        fixture = harness.make_fixture(self.folder / "fixture")
        (fixture.pictures / "labels.csv").unlink()  # the clients take every file of a folder for a picture
        picture = fixture.pictures / "picture_0.png"
        self.check_all([(*run, "-m", toy_models.IMAGE_MODEL, "-s", "INCEPTION", "-c", "3", picture)
                        for run in IMAGE_RUNS], "url")
        with harness.Daemon(fixture.repository) as daemon:
            for model in ("sample", "nhwc"):
                for run in IMAGE_RUNS:
                    self.check(daemon.url, *run, "-m", model, "-b", "3", "-c", "2", fixture.pictures)


if __name__ == "__main__":
    if EXAMPLES is None or CLIENT_PATH is None:
        print("SKIPPED: the stock examples of Triton's clients are not here; set MSQ_TRITON_EXAMPLES (the folder "
              "src/python/examples of the client repository) and MSQ_TRITONCLIENT_PYTHONPATH (a folder to import "
              "tritonclient from, or empty)")
        sys.exit(SKIPPED)
    unittest.main()
