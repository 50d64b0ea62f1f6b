"""Three real daemons, two on the CPU and one on an emulated accelerator, behind the real HAProxy and the real nginx,
configured as deploy/ has them. One is killed under load and comes back: no request of a client with a retry policy fails,
every answer is right bit for bit, and sequences stay where they are."""
import collections
import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import time
import unittest

import grpc

import harness
from harness import inference_pb2, inference_pb2_grpc

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"
NODES = (("127.0.0.1:8101", ()), ("127.0.0.1:8102", ("--fpga-device", "emulated,configuration=tiny")),
         ("127.0.0.1:8103", ()))
FRONT = "127.0.0.1:8001"
CLIENTS = 3  # with a retry policy, and as many without
SEQUENCES = 60
# CANCELLED: it reached the connection while that closed, and was not accepted.
MAY_BE_SENT_AGAIN = {"UNAVAILABLE", "CANCELLED"}
RETRY = json.dumps({"methodConfig": [{"name": [{"service": "inference.GRPCInferenceService"}], "retryPolicy": {
    "maxAttempts": 5, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2,
    "retryableStatusCodes": sorted(MAY_BE_SENT_AGAIN)}}]})
SKIPPED = 77


class Cluster:
    """The daemons, and a balancer in front of them."""

    def __init__(self, folder, start_balancer):
        self.stack = contextlib.ExitStack()
        self.fixture = harness.make_fixture(folder / "fixture")
        steps = self.fixture.repository / "steps"
        shutil.copytree(self.fixture.repository / "sample", steps)
        (steps / "config.pbtxt").write_text(
            "max_batch_size: 4 sequence_batching { max_sequence_idle_microseconds: 60000000 "
            "oldest { max_candidate_sequences: 100 } }\n")
        self.nodes = [self.start(index) for index in range(len(NODES))]
        self.stack.callback(self.kill_nodes)
        ports = dict(zip([address for address, _ in NODES], [node.url for node in self.nodes]))
        self.url = ports[FRONT] = harness.free_address()
        self.process = start_balancer(folder, lambda text: re.sub(
            "|".join(map(re.escape, ports)), lambda match: ports[match[0]], text))
        self.stack.callback(self.stop_balancer)
        self.wait_for(lambda: self.ask(retry=True)[0] == "ok")

    def start(self, index, address="127.0.0.1:0"):
        return harness.Daemon(self.fixture.repository, *NODES[index][1], "--drain-delay-seconds", "5",
                              grpc_address=address)

    def kill_nodes(self):
        for node in self.nodes:
            node.process.kill()  # not stopped: draining takes its time
            node.__exit__()

    def stop_balancer(self):
        self.process.terminate()
        self.process.wait(timeout=30)

    def channel(self, retry):
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.service_config", RETRY if retry else "{}")]
        return grpc.insecure_channel(self.url, options=options)

    def ask(self, retry, stub=None, message=None, metadata=()):
        """("ok", "") or what went wrong: "wrong", or status code and details."""
        with contextlib.ExitStack() as stack:
            if stub is None:
                stub = inference_pb2_grpc.GRPCInferenceServiceStub(stack.enter_context(self.channel(retry)))
            try:
                answer = stub.ModelInfer(message or harness.request(self.fixture.pixels), timeout=20, metadata=metadata)
            except grpc.RpcError as error:
                return error.code().name, error.details()
        pictures = answer.outputs[0].shape[0]
        expected = self.fixture.logits[:pictures].tobytes()
        return ("ok" if answer.raw_output_contents[0] == expected else "wrong"), ""

    def counts(self, model):
        """Requests that each node answered."""
        def total(node):
            lines = re.findall(rf'(?m)^msq_requests_total{{.*model="{model}".*}} (\d+)', node.metrics())
            return sum(map(int, lines))
        return [total(node) for node in self.nodes]

    @staticmethod
    def wait_for(done, seconds=30):
        end = time.monotonic() + seconds
        while not done():
            if time.monotonic() > end:
                raise AssertionError("it did not happen")
            time.sleep(0.1)


class Load:
    """Clients that ask without a pause, until the context ends."""

    def __init__(self, cluster):
        self.cluster, self.done = cluster, threading.Event()
        self.outcomes = {True: collections.Counter(), False: collections.Counter()}  # by whether they send again
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.ask, args=(retry,)) for retry in (True, False)
                        for _ in range(CLIENTS)]

    def ask(self, retry):
        with self.cluster.channel(retry) as channel:
            stub = inference_pb2_grpc.GRPCInferenceServiceStub(channel)
            while not self.done.is_set():
                outcome = self.cluster.ask(retry, stub)
                with self.lock:
                    self.outcomes[retry][outcome] += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        for thread in self.threads:
            thread.join()


class BalancerTests:
    """What holds for both."""

    def setUp(self):
        self.folder = self.enterContext(harness.temporary_folder())
        self.cluster = Cluster(self.folder, self.start_balancer)
        self.enterContext(self.cluster.stack)

    def check(self, load):
        print(f"{type(self).__name__}.{self._testMethodName}: with a retry policy {dict(load.outcomes[True])}, "
              f"without {dict(load.outcomes[False])}", file=sys.stderr)
        self.assertEqual(set(load.outcomes[True]), {("ok", "")})
        self.assertGreater(load.outcomes[True][("ok", "")], 100)
        # Without one only what may be sent again fails, and little of it.
        self.assertLessEqual({code for code, _ in load.outcomes[False]}, {"ok"} | MAY_BE_SENT_AGAIN)

    def test_a_node_is_killed_under_load_and_comes_back(self):
        with Load(self.cluster) as load:
            self.cluster.wait_for(lambda: min(self.cluster.counts("sample")) > 20)
            for index in (0, 1):
                killed = self.cluster.nodes[index]
                killed.process.kill()
                time.sleep(3)
                killed.stop()
                self.cluster.nodes[index] = self.cluster.start(index, killed.url)
                self.cluster.wait_for(lambda: min(self.cluster.counts("sample")) > 20)
        self.check(load)

    def test_a_node_is_stopped_under_load(self):
        with Load(self.cluster) as load:
            self.cluster.wait_for(lambda: min(self.cluster.counts("sample")) > 20)
            self.assertEqual(self.cluster.nodes[2].stop(), 0)
            time.sleep(1)
            self.cluster.nodes[2] = self.cluster.start(2, self.cluster.nodes[2].url)
            self.cluster.wait_for(lambda: min(self.cluster.counts("sample")) > 20)
        self.check(load)

    def steps(self, stub, ids, metadata=True, **flags):
        """Outcomes of one step of each sequence. What is hashed may be any text, so also "0"."""
        outcomes = collections.Counter()
        for number in ids:
            message = harness.request(self.cluster.fixture.pixels[:1], model="steps")
            message.parameters["sequence_id"].int64_param = number
            for flag, value in flags.items():
                message.parameters[flag].bool_param = value
            outcomes[self.cluster.ask(True, stub, message, [("x-msq-sequence", str(number - 1))] if metadata else [])] += 1
        return outcomes

    def test_sequences_keep_their_node(self):
        ids = range(1, SEQUENCES + 1)
        with self.cluster.channel(retry=True) as channel:
            stub = inference_pb2_grpc.GRPCInferenceServiceStub(channel)
            self.assertEqual(self.steps(stub, ids, sequence_start=True), {("ok", ""): SEQUENCES})
            started = self.cluster.counts("steps")
            self.assertEqual(sum(started), SEQUENCES)
            self.assertGreater(min(started), 0)
            for _ in range(3):
                self.assertEqual(self.steps(stub, ids), {("ok", ""): SEQUENCES})
            self.assertEqual(self.cluster.counts("steps"), [4 * count for count in started])

            self.cluster.nodes[1].process.kill()
            time.sleep(4)
            outcomes = self.steps(stub, ids)
            lost = [text for (code, text), count in outcomes.items() for _ in range(count) if code != "ok"]
            self.assertEqual(len(lost), started[1], outcomes)  # those that lived there, no others
            for text in lost:
                self.assertIn("must specify the START flag", text)  # said, not computed with another state
            self.assertEqual(self.steps(stub, ids, sequence_start=True), {("ok", ""): SEQUENCES})
            self.assertEqual(self.steps(stub, ids, sequence_end=True), {("ok", ""): SEQUENCES})

    def test_sequences_without_the_metadata_are_lost(self):
        with self.cluster.channel(retry=True) as channel:
            stub = inference_pb2_grpc.GRPCInferenceServiceStub(channel)
            ids = range(1, 11)  # no multiple of the nodes: taken in turn, each would meet its own again
            self.steps(stub, ids, metadata=False, sequence_start=True)
            self.assertGreater(sum(count for (code, _), count in self.steps(stub, ids, metadata=False).items()
                                   if code == "INVALID_ARGUMENT"), 0)

    def test_a_stream_passes(self):
        messages = [harness.request(self.cluster.fixture.pixels[:1]) for _ in range(5)]
        with self.cluster.channel(retry=True) as channel:
            stub = inference_pb2_grpc.GRPCInferenceServiceStub(channel)
            answers = [answer.infer_response for answer in stub.ModelStreamInfer(iter(messages), timeout=20)]
        self.assertEqual([answer.raw_output_contents[0] for answer in answers],
                         [self.cluster.fixture.logits[:1].tobytes()] * 5)

    def test_where_no_node_answers_it_says_so(self):
        for node in self.cluster.nodes:
            node.process.kill()
        with self.cluster.channel(retry=False) as channel:
            stub = inference_pb2_grpc.GRPCInferenceServiceStub(channel)
            for metadata in ([], [("x-msq-sequence", "7")]):
                code, text = self.cluster.ask(False, stub, metadata=metadata)
                self.assertEqual(code, "UNAVAILABLE", metadata)
                self.assertIn(self.NOBODY, text, metadata)


class HaproxyTest(BalancerTests, unittest.TestCase):
    NOBODY = ""  # a page or a reset stream, for which clients have words of their own

    def start_balancer(self, folder, place):
        config = folder / "haproxy.cfg"
        config.write_text(place((DEPLOY / "haproxy" / "haproxy.cfg").read_text()).replace(
            "global\n", f"global\n  stats socket {folder}/haproxy.sock\n", 1))
        subprocess.run(["haproxy", "-c", "-q", "-f", config], check=True, timeout=30)
        return subprocess.Popen(["haproxy", "-q", "-f", config], stderr=subprocess.DEVNULL)

    def test_a_node_that_is_not_ready_gets_no_requests(self):
        node = self.cluster.nodes[0]
        shutil.copytree(self.cluster.fixture.damaged / "cut_3", self.cluster.fixture.repository / "broken")
        node.stop()
        self.cluster.nodes[0] = self.cluster.start(0, node.url)  # serves, but says NOT_SERVING
        time.sleep(4)
        before = self.cluster.counts("sample")
        for _ in range(9):
            self.assertEqual(self.cluster.ask(retry=False), ("ok", ""))
        after = self.cluster.counts("sample")
        self.assertEqual((after[0] - before[0], sum(after) - sum(before)), (0, 9))


class NginxTest(BalancerTests, unittest.TestCase):
    NOBODY = "no node answers"

    def start_balancer(self, folder, place):
        config = folder / "nginx.conf"
        (folder / "temporary").mkdir()
        places = "".join(f"  {kind}_temp_path {folder}/temporary/{kind};\n"
                         for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = f"user {os.environ.get('USER', 'root')};\n" if os.geteuid() == 0 else ""
        text = place((DEPLOY / "nginx" / "nginx.conf").read_text()).replace("http {\n", "http {\n" + places, 1)
        config.write_text(f"{user}daemon off;\npid {folder}/nginx.pid;\n{text}")
        subprocess.run(["nginx", "-t", "-q", "-c", config], check=True, timeout=30)
        with open(folder / "nginx.log", "w") as log:
            return subprocess.Popen(["nginx", "-c", config], stderr=log)


if __name__ == "__main__":
    for program in ("haproxy", "nginx"):
        if shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin") is None:
            print(f"SKIPPED: there is no {program} here; scripts/bootstrap deploy installs it", file=sys.stderr)
            sys.exit(SKIPPED)
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    unittest.main()
