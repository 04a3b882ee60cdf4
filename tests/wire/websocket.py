# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""WebSocket from the client's side, frame by frame (RFC 6455), and the signed URL that opens one on
AWS IoT: written from their descriptions, apart from the project's code."""
import base64
import contextlib
import datetime
import hashlib
import hmac
import http.client
import os
import socket
import struct
import urllib.parse

BINARY, TEXT, CONTINUATION, CLOSE, PING, PONG = 2, 1, 0, 8, 9, 10
MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def _mac(key, value):
    return hmac.new(key, value.encode(), hashlib.sha256).digest()


def presign(desk, host, service="iotdevicegateway", expires=None, at=None, secret=None, region=None):
    """The path and query of a signed upgrade."""
    now = at or datetime.datetime.now(datetime.timezone.utc)
    stamp, region = now.strftime("%Y%m%dT%H%M%SZ"), desk.region if region is None else region
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    pairs = {"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": f"{desk.key_id}/{scope}",
             "X-Amz-Date": stamp, "X-Amz-SignedHeaders": "host"}
    if expires is not None:
        pairs["X-Amz-Expires"] = str(expires)
    query = "&".join(f"{k}={urllib.parse.quote(v, safe='-_.~')}" for k, v in sorted(pairs.items()))
    canonical = f"GET\n/mqtt\n{query}\nhost:{host}\n\nhost\n{hashlib.sha256(b'').hexdigest()}"
    key = ("AWS4" + (secret or desk.secret)).encode()
    for part in scope.split("/"):
        key = _mac(key, part)
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    return f"/mqtt?{query}&X-Amz-Signature={_mac(key, text).hex()}"


class Refused(Exception):
    """Another answer than 101: (status, [(name, value)...] in order, body)."""

    def __init__(self, status, headers, body):
        super().__init__(f"{status} {body}")
        self.status, self.headers, self.body = status, headers, body


class Socket:
    """One connection. `context`: TLS. Raises Refused if the upgrade is."""

    def __init__(self, port, target, host, context=None, protocol="mqtt", extra=(), behind=b"",
                 version="13", patience=40):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=patience)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {target} HTTP/1.1", f"Host: {host}", "Upgrade: websocket",
                 "Connection: keep-alive, Upgrade", f"Sec-WebSocket-Version: {version}",
                 f"Sec-WebSocket-Key: {key}", *extra]
        if protocol:
            lines.append(f"Sec-WebSocket-Protocol: {protocol}")
        self.socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + behind)
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        self.raw_headers = b""
        while (line := self.file.readline()).strip():
            self.raw_headers += line
        self.headers = [tuple(h.split(": ", 1)) for h in self.raw_headers.decode().splitlines()]
        fields = dict(self.headers)
        if self.status != 101:
            body = self.file.read(int(fields.get("content-length", 0))).decode()
            self.close()
            raise Refused(self.status, self.headers, body)
        digest = hashlib.sha1((key + MAGIC).encode()).digest()
        assert fields["sec-websocket-accept"] == base64.b64encode(digest).decode()
        self.protocol = fields.get("sec-websocket-protocol")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.file.close()
            self.socket.close()

    @staticmethod
    def frame(opcode, payload, fin=True, mask=True, rsv=0, length=None):
        n = len(payload) if length is None else length
        head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
        bit = 0x80 if mask else 0
        head += (bytes([bit | n]) if n < 126 else bytes([bit | 126]) + struct.pack(">H", n)
                 if n < 65536 else bytes([bit | 127]) + struct.pack(">Q", n))
        if not mask:
            return head + payload
        key = os.urandom(4)
        return head + key + bytes(b ^ key[i % 4] for i, b in enumerate(payload))

    def send(self, payload, opcode=BINARY, **options):
        self.socket.sendall(self.frame(opcode, payload, **options))

    def raw(self, data):
        self.socket.sendall(data)

    def read(self):
        """(opcode, fin, payload) of the next frame; None at the end of the stream."""
        try:
            head = self.file.read(2)
            if len(head) < 2:
                return None
            n = head[1] & 127
            if n > 125:
                n = int.from_bytes(self.file.read(2 if n == 126 else 8), "big")
            assert not head[1] & 128, "a server masks nothing"
            assert not head[0] & 0x70, "no extension was agreed on"
            return head[0] & 15, bool(head[0] & 128), self.file.read(n)
        except ConnectionError:
            return None
