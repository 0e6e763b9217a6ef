"""A client of the collector's gRPC port that says what no agent would: HTTP/2, gRPC and protobuf by hand, as little as
it takes.
"""

import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 7, 8
ACK, END_STREAM, END_HEADERS = 1, 1, 4
INITIAL_WINDOW = 4


def varint(number):
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def field(number, value):
    """One field of a protobuf message: an int as a varint, bytes or text with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def fixed64(number, value):
    return varint(number << 3 | 1) + struct.pack("<Q", value)


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def header(name, value):
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def grpc_message(payload, length=None):
    return b"\0" + struct.pack(">I", len(payload) if length is None else length) + payload


class WireClient:
    """One stream of the agents' method, on a connection of its own."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.window = {0: 65535, 1: 65535}  # of the connection and of the stream: what may be sent
        self.initial = 65535
        self.message = self.ended = False
        headers = b"".join(header(*pair) for pair in (
            (b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/ppmm.wire.Telemetry/Stream"),
            (b":authority", b"localhost"), (b"content-type", b"application/grpc"), (b"te", b"trailers")))
        self.socket.sendall(PREFACE + frame(SETTINGS, 0, 0, b"") + frame(HEADERS, END_HEADERS, 1, headers))

    def send(self, payload, length=None):
        """One gRPC message, as far as it is taken; `length` is what its prefix claims."""
        data = grpc_message(payload, length)
        while data and not self.ended:
            room = min(16384, *self.window.values())
            if room <= 0:
                self.take()
                continue
            piece, data = data[:room], data[room:]
            for stream in self.window:
                self.window[stream] -= len(piece)
            try:
                self.socket.sendall(frame(DATA, 0, 1, piece))
            except OSError:
                self.ended = True

    def read(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def take(self):
        """Takes one frame of the collector."""
        try:
            head = self.read(9)
            payload = self.read(int.from_bytes(head[:3], "big"))
        except (OSError, EOFError):
            self.ended = True
            return
        kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
        if kind == SETTINGS and not flags & ACK:
            for at in range(0, len(payload), 6):
                if int.from_bytes(payload[at:at + 2], "big") == INITIAL_WINDOW:
                    value = int.from_bytes(payload[at + 2:at + 6], "big")
                    self.window[1] += value - self.initial
                    self.initial = value
            self.socket.sendall(frame(SETTINGS, ACK, 0, b""))
        elif kind == WINDOW_UPDATE and stream in self.window:
            self.window[stream] += int.from_bytes(payload, "big")
        elif kind == DATA:
            self.message = self.message or bool(payload)
        elif kind in (RST_STREAM, GOAWAY) or (kind == HEADERS and flags & END_STREAM):
            self.ended = True

    def welcomed(self):
        """Whether the collector says something before it ends the stream."""
        while not self.message and not self.ended:
            self.take()
        return self.message

    def until_end(self):
        while not self.ended:
            self.take()

    def close(self):
        self.socket.close()


def hello(wall_us, agent=b"H" * 16, name="hostile", epoch=7):
    body = (field(1, 1) + field(2, "0") + field(3, agent) + field(4, agent) + field(5, agent[:15] + b"d") +
            field(6, name) + field(7, "default") + fixed64(10, epoch))
    return field(1, body) + field(15, wall_us)


def batch(wall_us, seq=1, epoch=7, columns=b"", crc=0, samples=0):
    """A batch of one step of now, with the checksum and the number of samples that the caller claims."""
    body = (fixed64(1, epoch) + field(2, seq) + field(3, wall_us // 1_000_000) + field(4, 1) + field(5, 1) +
            field(8, columns) + varint(9 << 3 | 5) + struct.pack("<I", crc) + field(10, samples))
    return field(3, body) + field(15, wall_us)
