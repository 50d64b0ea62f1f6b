"""The REST protocol of a real daemon: answers, errors, limits, TLS, tokens, shutdown, and the manual's curl commands."""
import http.client
import json
import pathlib
import re
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time
import unittest

import numpy

import harness
from harness import logits, request

MANUAL = pathlib.Path(__file__).resolve().parents[2] / "docs" / "operating.md"


class Client:
    """One connection to the REST port; ask() gives status, headers and the body, decoded where it is JSON."""

    def __init__(self, address, **options):
        kind = http.client.HTTPSConnection if "context" in options else http.client.HTTPConnection
        self.connection = kind(address, timeout=30, **options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def ask(self, method, path, body=None, headers={}):
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        content = answer.read()
        if content and answer.headers.get("Content-Type") == "application/json":
            content = json.loads(content)
        return answer.status, answer.headers, content


def picture_input(pixels, **members):
    return {"name": "pixels", "datatype": "UINT8", "shape": list(pixels.shape), **members}


def make_certificate(folder):
    """A certificate for localhost that signed itself, and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", str(certificate),
                    "-keyout", str(key)], check=True, capture_output=True, timeout=60)
    key.chmod(0o600)
    return certificate, key


class HttpTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(harness.temporary_folder())
        cls.fixture = harness.make_fixture(cls.folder)
        cls.daemon = cls.enterClassContext(harness.Daemon(cls.fixture.repository, "--max-message-bytes", "100000"))

    def setUp(self):
        self.client = self.enterContext(Client(self.daemon.http_url))

    def good(self, *arguments):
        status, _, body = self.client.ask(*arguments)
        self.assertEqual(status, 200, body)
        return body

    def bad(self, status, text, *arguments):
        got, headers, body = self.client.ask(*arguments)
        self.assertEqual(got, status, body)
        self.assertIn(text, body["error"])
        return headers

    def test_health_and_metadata(self):
        self.assertEqual(self.good("GET", "/v2/health/live"), {"live": True})
        self.assertEqual(self.good("GET", "/v2/health/ready"), {"ready": True})
        self.assertEqual(self.good("GET", "/v2/models/sample/ready"), {"name": "sample", "ready": True})
        self.assertEqual(self.client.ask("GET", "/v2/models/absent/ready")[0], 503)
        self.assertEqual(self.client.ask("HEAD", "/v2/health/ready")[0], 200)
        self.assertIn("binary_tensor_data", self.good("GET", "/v2")["extensions"])
        model = self.good("GET", "/v2/models/nhwc")
        self.assertEqual(model["inputs"], [{"name": "pixels", "datatype": "UINT8", "shape": [-1, 8, 8, 3]}])
        self.assertEqual(self.good("GET", "/v2/models/nhwc/config")["max_batch_size"], 4)
        names = [entry["name"] for entry in self.good("POST", "/v2/repository/index")]
        self.assertEqual(names, ["nhwc", "plain", "sample"])

    def test_json_in_json_out_are_grpcs_bits(self):
        pixels, expected = self.fixture.pixels[:2], self.fixture.logits[:2]
        for data in (pixels.tolist(), pixels.ravel().tolist()):
            body = self.good("POST", "/v2/models/sample/infer", {"id": "7", "inputs": [picture_input(pixels, data=data)]})
            self.assertEqual((body["model_name"], body["model_version"], body["id"]), ("sample", "1", "7"))
            output = body["outputs"][0]
            self.assertEqual((output["name"], output["datatype"], output["shape"]), ("logits", "FP32", [2, 10]))
            numpy.testing.assert_array_equal(numpy.float32(output["data"]).reshape(2, 10), expected)

    def test_binary_data_in_both_directions(self):
        pixels, expected = self.fixture.pixels, self.fixture.logits
        head = json.dumps({"inputs": [picture_input(pixels, parameters={"binary_data_size": pixels.nbytes})],
                           "outputs": [{"name": "logits", "parameters": {"binary_data": True}}]}).encode()
        status, headers, body = self.client.ask("POST", "/v2/models/sample/infer", head + pixels.tobytes(),
                                                {"Inference-Header-Content-Length": str(len(head))})
        self.assertEqual((status, headers["Content-Type"]), (200, "application/octet-stream"))
        size = int(headers["Inference-Header-Content-Length"])
        output = json.loads(body[:size])["outputs"][0]
        self.assertEqual(output["parameters"], {"binary_data_size": expected.nbytes})
        self.assertEqual(body[size:], expected.tobytes())

    def test_a_body_can_be_the_tensor_itself(self):
        body = self.good("POST", "/v2/models/sample/infer", self.fixture.pixels[:3].tobytes(),
                         {"Inference-Header-Content-Length": "0", "Accept": "application/json"})
        numpy.testing.assert_array_equal(numpy.float32(body["outputs"][0]["data"]).reshape(3, 10),
                                         self.fixture.logits[:3])

    def test_classes(self):
        message = {"inputs": [picture_input(self.fixture.pixels[:1], data=self.fixture.pixels[0].ravel().tolist())],
                   "outputs": [{"name": "logits", "parameters": {"classification": 1}}]}
        best = int(self.fixture.logits[0].argmax())
        data = self.good("POST", "/v2/models/sample/infer", message)["outputs"][0]["data"]
        self.assertRegex(data[0], rf"^-?[\d.]+:{best}:\w+$")

    def test_errors(self):
        infer = "/v2/models/sample/infer"
        self.bad(404, "Request for unknown model: 'x y' is not found", "GET", "/v2/models/x%20y")
        self.bad(404, "there is no endpoint /v3", "GET", "/v3")
        self.assertEqual(self.bad(405, "takes POST, not GET", "GET", infer)["Allow"], "POST")
        self.bad(400, "the JSON is not valid: parse error at line 1", "POST", infer, "{")
        pixels = self.fixture.pixels[:1]
        self.bad(400, "inputs[0].data[0]: 300 is out of range for UINT8", "POST", infer,
                 {"inputs": [picture_input(pixels, data=[300])]})
        self.bad(400, "input byte size mismatch", "POST", infer, {"inputs": [picture_input(pixels, data=[3])]})
        self.bad(400, "unexpected inference input 'x'", "POST", infer,
                 {"inputs": [{"name": "x", "datatype": "UINT8", "shape": [1, 3, 8, 8], "data": pixels.ravel().tolist()}]})
        self.bad(415, "Content-Encoding 'gzip'", "POST", infer, b"x", {"Content-Encoding": "gzip"})

    def test_bodies_over_the_limit_are_refused_and_the_daemon_serves_on(self):
        with Client(self.daemon.http_url) as other:
            status, _, body = other.ask("POST", "/v2/models/sample/infer", b" " * 100001)
            self.assertEqual((status, body), (413, {"error": "the body is larger than 100000 bytes"}))
        self.assertEqual(self.good("GET", "/v2/health/live"), {"live": True})

    def test_statistics_count_what_http_asks(self):
        def count():
            return self.good("GET", "/v2/models/plain/stats")["model_stats"][0]["inference_count"]

        before, pixels = count(), self.fixture.pixels[0]
        self.good("POST", "/v2/models/plain/infer", {"inputs": [
            {"name": "pixels", "datatype": "FP32", "shape": [3, 8, 8], "data": (pixels / 255).ravel().tolist()}]})
        self.assertEqual(count(), before + 1)

    def test_the_manuals_curl_commands(self):
        section = MANUAL.read_text().split("\n## HTTP\n")[1].split("\n## ")[0]
        blocks = re.findall(r"```sh\n(.*?)```", section, re.S)
        self.assertGreaterEqual("".join(blocks).count("curl "), 8)
        (self.folder / "pixels.raw").write_bytes(self.fixture.pixels[0].tobytes())
        script = "set -euo pipefail\ncurl() { command curl --fail-with-body \"$@\"; echo; }\n" + "".join(blocks)
        for manual, here in (("localhost:8000", self.daemon.http_url), ("resnet20", "sample"), ("3,32,32", "3,8,8"),
                             ("3072", "192")):
            self.assertIn(manual, script)
            script = script.replace(manual, here)
        result = subprocess.run(["bash", "-c", script], cwd=self.folder, capture_output=True, timeout=60)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        answers = [json.loads(line) for line in result.stdout.decode().splitlines() if line]
        inferences = [answer["outputs"][0]["data"] for answer in answers if "outputs" in answer and "model_name" in answer]
        self.assertEqual(len(inferences), 3)
        for data in inferences:
            if isinstance(data[0], float):
                numpy.testing.assert_array_equal(numpy.float32(data), self.fixture.logits[0])


class HttpLifecycleTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(harness.temporary_folder())
        cls.fixture = harness.make_fixture(cls.folder)

    def test_tls_and_tokens(self):
        certificate, key = make_certificate(self.folder)
        tokens = self.folder / "tokens.json"
        tokens.write_text(json.dumps({"tokens": [{"name": "a", "token": "secret", "models": ["sample"]}]}))
        tokens.chmod(0o600)
        context = ssl.create_default_context(cafile=str(certificate))
        with harness.Daemon(self.fixture.repository, "--tls-certificate", certificate, "--tls-key", key,
                            "--tokens", tokens) as daemon:
            with Client(daemon.http_url, context=context) as client:
                self.assertEqual(client.ask("GET", "/v2/health/ready")[0], 200)
                status, headers, _ = client.ask("GET", "/v2/models/sample")
                self.assertEqual((status, headers["WWW-Authenticate"]), (401, "Bearer"))
                token = {"Authorization": "Bearer secret"}
                self.assertEqual(client.ask("GET", "/v2/models/sample", headers=token)[0], 200)
                self.assertEqual(client.ask("GET", "/v2/models/plain", headers=token)[0], 403)
            with Client(daemon.http_url) as plain, self.assertRaises((http.client.HTTPException, OSError)):
                plain.ask("GET", "/v2/health/live")

    def test_bodies_without_a_token_are_refused_before_they_come(self):
        tokens = self.folder / "secret.json"
        tokens.write_text(json.dumps({"tokens": [{"name": "a", "token": "secret"}]}))
        tokens.chmod(0o600)
        with harness.Daemon(self.fixture.repository, "--tokens", tokens, "--max-message-bytes", "100000") as daemon:
            host, port = daemon.http_url.split(":")
            for method, path, status in (("POST", "/v2/models/sample/infer", 401), ("POST", "/v2/logging", 401),
                                         ("POST", "/v3", 404), ("GET", "/v2/health/live", 413)):
                with socket.create_connection((host, int(port)), timeout=30) as connection:
                    connection.sendall(f"{method} {path} HTTP/1.1\r\nContent-Length: 99999\r\n\r\n".encode())
                    self.assertIn(f"HTTP/1.1 {status} ".encode(), connection.recv(4096))

    @harness.not_emulated("it measures time")
    def test_probes_get_through_between_idle_connections_and_large_bodies(self):
        body = b'{"inputs":[{"name":"pixels","datatype":"UINT8","shape":[1,3,8,8],"data":[' + b"0," * (5 << 20) + b"0]}]}"
        with harness.Daemon(self.fixture.repository) as daemon:
            host, port = daemon.http_url.split(":")
            idle = [socket.create_connection((host, int(port)), timeout=30) for _ in range(600)]
            statuses, times = [], []

            def post():
                with Client(daemon.http_url) as client:
                    statuses.append(client.ask("POST", "/v2/models/sample/infer", body)[0])

            threads = [threading.Thread(target=post) for _ in range(6)]
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads):
                start = time.monotonic()
                with Client(daemon.http_url) as client:
                    self.assertEqual(client.ask("GET", "/v2/health/live")[0], 200)
                times.append(time.monotonic() - start)
                time.sleep(0.01)
            for connection in idle:
                connection.close()
            self.assertEqual(statuses, [400] * 6)
            self.assertLess(sorted(times)[len(times) // 2], 0.2)
            self.assertLess(max(times), 2)

    def test_sigterm_closes_idle_connections_and_answers_the_others(self):
        with harness.Daemon(self.fixture.repository) as daemon:
            idle = self.enterContext(Client(daemon.http_url))
            idle.ask("GET", "/v2/health/live")
            outcomes, pixels = [], self.fixture.pixels[:1].tobytes()

            def load():
                while not outcomes or outcomes[-1] == 200:
                    try:
                        with Client(daemon.http_url) as client:
                            outcomes.append(client.ask("POST", "/v2/models/sample/infer", pixels,
                                                       {"Inference-Header-Content-Length": "0"})[0])
                    except (http.client.HTTPException, OSError):
                        outcomes.append("closed")

            thread = threading.Thread(target=load)
            thread.start()
            time.sleep(0.3)
            start = time.monotonic()
            daemon.process.send_signal(signal.SIGTERM)
            self.assertEqual(daemon.process.wait(timeout=30), 0)
            self.assertLess(time.monotonic() - start, 5)
            thread.join(30)
            self.assertGreater(outcomes.count(200), 0)
            self.assertIn(outcomes[-1], (503, "closed"))
            with self.assertRaises((http.client.HTTPException, OSError)):
                idle.ask("GET", "/v2/health/live")

    def test_hostile_bytes_leave_it_serving(self):
        infer = b"POST /v2/models/sample/infer HTTP/1.1\r\n"
        hostile = [b"\0" * 1000, b"GET / HTTP/9.9\r\n\r\n", b"GET " + b"a" * 100000, infer + b"Content-Length: -1\r\n\r\n",
                   infer + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
                   infer + b"Content-Length: 20\r\n\r\n" + b"[" * 20,
                   infer + b"Inference-Header-Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
                   struct.pack(">BHH", 22, 0x0301, 5) + b"hello"]
        with harness.Daemon(self.fixture.repository) as daemon:
            host, port = daemon.http_url.split(":")
            for bytes_ in hostile:
                with socket.create_connection((host, int(port)), timeout=30) as connection:
                    connection.sendall(bytes_)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(4096):
                        pass
            with Client(daemon.http_url) as client:
                self.assertEqual(client.ask("GET", "/v2/health/live")[0], 200)
            numpy.testing.assert_array_equal(logits(daemon.stub.ModelInfer(request(self.fixture.pixels))),
                                             self.fixture.logits)


if __name__ == "__main__":
    unittest.main()
