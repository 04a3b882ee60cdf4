# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""An MQTT 3.1.1 client that shows every packet, for what mosquitto's clients do not show: that a
server closed instead of answering, which SUBACK code came, that a message did NOT come.

It is written from the OASIS specification, apart from the project's codec.
"""
import contextlib
import socket
import ssl
import struct

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 1, 2, 3, 4, 8, 9
UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT = 10, 11, 12, 13, 14


class Closed(Exception):
    """The server ended the connection."""


def text(value):
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack(">H", len(raw)) + raw


def packet(kind, flags, body):
    length, left = b"", len(body)
    while True:
        left, digit = divmod(left, 128)
        length += bytes([digit | (0x80 if left else 0)])
        if not left:
            return bytes([kind << 4 | flags]) + length + body


def tls_context(ca, device=None, alpn=None, maximum=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=str(ca))
    if device is not None:
        context.load_cert_chain(str(device.cert), str(device.key))
    if alpn:
        context.set_alpn_protocols([alpn] if isinstance(alpn, str) else alpn)
    if maximum:
        context.maximum_version = maximum
    return context


def client_hello(server_name="localhost", alpn=None):
    """The bytes of a ClientHello, by Python's own TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(alpn)
    out = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=server_name)
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return out.read()


class Client:
    """With `context` None it speaks without TLS, as on the plain port."""

    def __init__(self, host, port, context, server_name="localhost", patience=40):
        plain = socket.create_connection((host, port), timeout=patience)
        try:
            self.socket = plain
            if context is not None:
                self.socket = context.wrap_socket(plain, server_hostname=server_name)
        except (ssl.SSLError, OSError):
            plain.close()
            raise
        self.input = b""
        self.held = []  # messages that came while an answer was waited for
        self.next_id = 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.close()

    def send(self, raw):
        try:
            self.socket.sendall(raw)
        except (ssl.SSLError, ConnectionError) as error:
            raise Closed(str(error)) from error

    def _fill(self, count):
        while len(self.input) < count:
            try:
                more = self.socket.recv(65536)
            except (ssl.SSLError, ConnectionError) as error:
                raise Closed(str(error)) from error
            if not more:
                raise Closed("end of stream")
            self.input += more

    def read(self):
        """(type, flags, body) of the next packet."""
        at, length, shift = 1, 0, 0
        while True:
            self._fill(at + 1)
            digit = self.input[at]
            length |= (digit & 0x7F) << shift
            shift += 7
            at += 1
            if not digit & 0x80:
                break
        self._fill(at + length)
        first, body = self.input[0], self.input[at:at + length]
        self.input = self.input[at + length:]
        return first >> 4, first & 15, body

    def expect(self, kind):
        """The answer of this type; messages before it are kept for message()."""
        while True:
            got, flags, body = self.read()
            if got == kind:
                return body
            if got != PUBLISH:
                raise AssertionError(f"packet type {got} where {kind} was expected")
            self.held.append((got, flags, body))

    def packet_id(self):
        self.next_id += 1
        return struct.pack(">H", self.next_id - 1)

    # What a client says, and the answer it gets.

    def connect(self, client_id, clean=True, keep_alive=60, will=None):
        """The CONNACK's (return code, session present); Closed if the server hung up instead."""
        flags = 2 if clean else 0
        tail = text(client_id)
        if will is not None:
            topic, payload, qos, retain = will
            flags |= 4 | qos << 3 | (32 if retain else 0)
            tail += text(topic) + text(payload)
        self.send(packet(CONNECT, 0, text("MQTT") + bytes([4, flags]) +
                         struct.pack(">H", keep_alive) + tail))
        body = self.expect(CONNACK)
        return body[1], bool(body[0] & 1)

    def subscribe(self, *filters):
        """[(filter, qos)...]; the return codes."""
        self.send(packet(SUBSCRIBE, 2, self.packet_id() +
                         b"".join(text(f) + bytes([q]) for f, q in filters)))
        return list(self.expect(SUBACK)[2:])

    def publish(self, topic, payload=b"", qos=0, retain=False):
        """With QoS 1 it waits for the PUBACK."""
        body = text(topic) + (self.packet_id() if qos else b"") + payload
        self.send(packet(PUBLISH, qos << 1 | (1 if retain else 0), body))
        if qos:
            self.expect(PUBACK)

    def ping(self):
        self.send(packet(PINGREQ, 0, b""))
        self.expect(PINGRESP)

    def disconnect(self):
        self.send(packet(DISCONNECT, 0, b""))
        self.close()

    def message(self):
        """The next PUBLISH: (topic, payload, qos, retain, dup); acknowledged if QoS 1."""
        kind, flags, body = self.held.pop(0) if self.held else self.read()
        if kind != PUBLISH:
            raise AssertionError(f"packet type {kind} where a PUBLISH was expected")
        length = struct.unpack(">H", body[:2])[0]
        topic, rest, qos = body[2:2 + length].decode(), body[2 + length:], flags >> 1 & 3
        if qos:
            self.send(packet(PUBACK, 0, rest[:2]))
            rest = rest[2:]
        return topic, rest, qos, bool(flags & 1), bool(flags & 8)

    def wait_closed(self):
        """Reads until the server hangs up; the packets that came before."""
        packets = []
        try:
            while True:
                packets.append(self.read())
        except Closed:
            return packets


def client_of(desk, device, alpn=None, port=None):
    """A client on the desk's MQTT port, as this device (None: without a certificate)."""
    return Client(desk.host, port or desk.mqtts_port, tls_context(desk.ca, device, alpn))
