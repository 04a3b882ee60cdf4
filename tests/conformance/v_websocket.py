# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""MQTT over WebSocket (RFC 6455), as far as the MQTT specifications speak of it."""
import os
import struct

import wire
from suite import Failure, same, test, true

BINARY, TEXT, CLOSE, PING, PONG = 2, 1, 8, 9, 10


def frame(opcode, payload, final=True):
    mask = os.urandom(4)
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + struct.pack(">H", size)
    return bytes([(0x80 if final else 0) | opcode]) + length + mask + bytes(
        c ^ mask[i % 4] for i, c in enumerate(payload))


class Socket:
    """A WebSocket that looks like a socket to suite.Conn: each send is one binary frame."""

    def __init__(self, raw, input_so_far=b""):
        self.raw, self.input, self.family = raw, input_so_far, None

    def settimeout(self, seconds):
        self.raw.settimeout(seconds)

    def send_frame(self, opcode, payload, final=True):
        self.raw.sendall(frame(opcode, payload, final))

    def sendall(self, payload):
        self.send_frame(BINARY, payload)

    def _take(self, count):
        while len(self.input) < count:
            more = self.raw.recv(65536)
            if not more:
                return None
            self.input += more
        piece, self.input = self.input[:count], self.input[count:]
        return piece

    def recv(self, _):
        while True:
            head = self._take(2)
            if head is None:
                return b""
            if head[0] & 0x70 or head[1] & 0x80:
                raise wire.Illegal(f"a server's frame begins with {head.hex()}")
            size = head[1] & 0x7F
            if size == 126:
                size = struct.unpack(">H", self._take(2))[0]
            elif size == 127:
                size = struct.unpack(">Q", self._take(8))[0]
            payload = self._take(size)
            opcode = head[0] & 15
            if opcode in (BINARY, 0):
                return payload
            if opcode == CLOSE or payload is None:
                return b""
            if opcode == TEXT:
                raise wire.Illegal("[MQTT-6.0.0-1] a text frame")

    def shutdown(self, _):
        self.send_frame(CLOSE, struct.pack(">H", 1000))

    def close(self):
        self.raw.close()


class OverWebSocket:
    """A server that suite.Conn can dial."""

    def __init__(self, server, protocol="mqtt"):
        self.server, self.protocol = server, protocol

    def dial(self):
        raw, head, rest = self.server.upgrade(self.protocol)
        self.head = head
        if not head.startswith("HTTP/1.1 101"):
            raise Failure(f"the upgrade is answered {head}")
        return Socket(raw, rest)


@test(v3="6.0.0-4", v5="6.0.0-4")
def websocket_subprotocol(b):
    """mqtt is selected when it is offered, also beside others"""
    for offered in ("mqtt", "chat, mqtt"):
        server = OverWebSocket(b.server, offered)
        b.client(server=server).sync()
        chosen = [line.split(":")[1].strip() for line in server.head.splitlines()
                  if line.lower().startswith("sec-websocket-protocol:")]
        same(chosen, ["mqtt"], "the subprotocol")


@test(v3="6.0.0-1 6.0.0-2", v5="6.0.0-1 6.0.0-2")
def websocket_frames(b):
    """packets cut into frames of a byte, several packets in a frame, fragments, pings between"""
    server = OverWebSocket(b.server)
    c = b.client(server=server)
    c.subscribe((b.topic(), 1))
    raw = wire.publish(b.version, b.topic(), b"one", 1, packet_id=1)
    for i in range(len(raw)):
        c.socket.send_frame(BINARY, raw[i:i + 1])
        c.socket.send_frame(PING, b"!") if i % 5 == 0 else None
    same(c.expect(wire.PUBACK).id, 1, "the PUBACK")
    both = b"".join(wire.publish(b.version, b.topic(), p, 1, packet_id=n)
                    for n, p in ((2, b"two"), (3, b"three")))
    c.send(both + wire.PING)
    same([c.expect(wire.PUBACK).id for _ in "23"], [2, 3], "the PUBACKs")
    c.expect(wire.PINGRESP)
    half = len(both) // 2
    c.socket.send_frame(BINARY, both[:half], final=False)
    c.socket.send_frame(0, both[half:])
    same([c.expect(wire.PUBACK).id for _ in "23"], [2, 3], "the PUBACKs")
    same([m.payload for m in c.messages()], [b"one", b"two", b"three", b"two", b"three"],
         "messages")


@test(v3="6.0.0-1", v5="6.0.0-1")
def websocket_text_frame(b):
    c = b.client(server=OverWebSocket(b.server))
    c.socket.send_frame(TEXT, wire.PING)
    if b.deviates("text_frames_are_taken"):
        c.expect(wire.PINGRESP)
    else:
        true(c.refused() is None or b.v5, "closed")
