"""A gRPC client that lets no answer in: it speaks just enough HTTP/2 to call, and leaves the server no window."""
import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 4, 6, 8
ACK = END_STREAM = 1
END_HEADERS = 4
INITIAL_WINDOW_SIZE = 4


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def header(name, value):
    """As a literal that is not indexed, without Huffman coding."""
    return b"\0" + b"".join(bytes([len(text)]) + text.encode() for text in (name, value))


class SilentClient:

    def __init__(self, address):
        host, port = address.split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=30)
        self.socket.sendall(PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", INITIAL_WINDOW_SIZE, 0)))
        self.received = b""
        self.stream = -1
        self.first_window = 65535
        self.windows = {0: 65535}  # what we may send: on the connection (0), and on each stream

    def close(self):
        self.socket.close()

    def call(self, method, message):
        """Sends a request whole, and takes nothing."""
        self.stream += 2
        self.windows[self.stream] = self.first_window
        headers = {":method": "POST", ":scheme": "http", ":path": f"/inference.GRPCInferenceService/{method}",
                   ":authority": "test", "te": "trailers", "content-type": "application/grpc"}
        block = b"".join(header(name, value) for name, value in headers.items())
        self.socket.sendall(frame(HEADERS, END_HEADERS, self.stream, block))
        data = b"\0" + struct.pack(">I", len(message)) + message
        while data:
            while min(self.windows[0], self.windows[self.stream]) <= 0:
                self._receive()
            size = min(len(data), self.windows[0], self.windows[self.stream], 16384)
            self.socket.sendall(frame(DATA, END_STREAM if size == len(data) else 0, self.stream, data[:size]))
            self.windows[0] -= size
            self.windows[self.stream] -= size
            data = data[size:]

    def _receive(self):
        piece = self.socket.recv(1 << 16)
        if not piece:
            raise EOFError("the server has closed the connection")
        self.received += piece
        while len(self.received) >= 9:
            size = int.from_bytes(self.received[:3], "big")
            if len(self.received) < 9 + size:
                return
            kind, flags, stream = self.received[3], self.received[4], int.from_bytes(self.received[5:9], "big")
            self._handle(kind, flags, stream, self.received[9:9 + size])
            self.received = self.received[9 + size:]

    def _handle(self, kind, flags, stream, payload):
        if kind == SETTINGS and not flags & ACK:
            for i in range(0, len(payload), 6):
                key, value = struct.unpack(">HI", payload[i:i + 6])
                if key == INITIAL_WINDOW_SIZE:
                    for one in self.windows:
                        self.windows[one] += value - self.first_window if one else 0
                    self.first_window = value
            self.socket.sendall(frame(SETTINGS, ACK, 0, b""))
        elif kind == WINDOW_UPDATE:
            self.windows[stream] = self.windows.get(stream, 0) + int.from_bytes(payload, "big")
        elif kind == PING and not flags & ACK:
            self.socket.sendall(frame(PING, ACK, 0, payload))
