"""Clients that keep a daemon busy while a test looks at it."""
import threading

import grpc
import numpy

from harness import logits, request

THREADS = 4


class Load:
    """Clients that ask until they are told to stop, and compare every answer."""

    def __init__(self, daemon, fixture):
        self.daemon, self.fixture = daemon, fixture
        self.answers, self.wrong, self.errors = 0, 0, []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(i,)) for i in range(THREADS)]

    def _run(self, number):
        count = len(self.fixture.pixels)
        turn = number
        while not self._stop.is_set():
            first, batch = turn % count, 1 + turn % 3
            pixels = self.fixture.pixels[first:first + batch]
            turn += 1
            try:
                response = self.daemon.stub.ModelInfer(request(pixels), timeout=30)
            except grpc.RpcError as error:
                with self._lock:
                    self.errors.append(str(error))
                continue
            right = numpy.array_equal(logits(response), self.fixture.logits[first:first + len(pixels)])
            with self._lock:
                self.answers += 1
                self.wrong += not right

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()
