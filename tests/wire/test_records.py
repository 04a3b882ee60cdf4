#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""TLS records between the desk and TLS that others wrote: GnuTLS with each cipher, the device's
BearSSL, and `openssl s_client`, which renews keys and renegotiates on command. All of it with our
own record layer and with OpenSSL's (--tls-records)."""
import shutil
import subprocess
import threading
import time

import mqtt
from desk import PATIENCE, case, check, main, need, skip

CIPHERS = {"TLS1.2": ["AES-128-GCM", "AES-256-GCM", "AES-128-CBC", "AES-256-CBC"],
           "TLS1.3": ["AES-128-GCM", "AES-256-GCM", "CHACHA20-POLY1305"]}
PING, PONG = b"\xc0\x00", b"\xd0\x00"


class Pipe:
    """A program whose input and output are bytes. Nobody sleeps: a wait is for its output."""

    def __init__(self, *argv, env=None):
        self.popen = subprocess.Popen([str(a) for a in argv], stdin=subprocess.PIPE, env=env,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        self.out, self.err, self.ended = b"", b"", 0
        self.changed = threading.Condition()
        self.readers = [threading.Thread(target=self._read, args=(stream, name), daemon=True)
                        for stream, name in ((self.popen.stdout, "out"), (self.popen.stderr, "err"))]
        for reader in self.readers:
            reader.start()

    def _read(self, stream, name):
        while more := stream.read(65536):
            with self.changed:
                setattr(self, name, getattr(self, name) + more)
                self.changed.notify_all()
        with self.changed:
            self.ended += 1
            self.changed.notify_all()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.popen.kill()
        self.popen.wait()
        # Before the descriptors are closed: the next program gets their numbers, and a reader that
        # is still on its way into read() would take that program's bytes.
        for reader in self.readers:
            reader.join()
        for stream in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            stream.close()

    def say(self, data):
        self.popen.stdin.write(data)

    def wait(self, found):
        """Whether found(self) becomes true before it ends, and in time."""
        deadline = time.monotonic() + PATIENCE
        with self.changed:
            while not found(self):
                left = deadline - time.monotonic()
                if left <= 0 or self.ended == 2:
                    return False
                self.changed.wait(left)
        return True

    def told(self):
        return f"out {self.out[-300:]}\nerr {self.err[-600:].decode(errors='replace')}"


def connect(name):
    return mqtt.packet(1, 0, mqtt.text("MQTT") + b"\x04\x02\x00\x3c" + mqtt.text(name))


def desks(s):
    """A desk with each kind of records, and a device that may do everything on it."""
    for records in ("own", "openssl"):
        desk = s.desk("--tls-records", records, data=s.path(records))
        yield records, desk, desk.make_device("peer", desk.make_policy("all", ("iot:*", "*")))
        desk.stop()


@case
def gnutls(s):
    """GnuTLS: each version and cipher, with requests and replies in records of many lengths"""
    if not shutil.which("gnutls-cli"):
        skip("gnutls-cli is not installed (Debian: gnutls-bin)")
        return
    # Its command line is for text, so this is HTTP.
    requests = "".join(f"GET /things HTTP/1.1\r\nHost: a\r\nX-Filler: {'#' * 400 * n}\r\n\r\n"
                       for n in range(10)).encode()
    for records, desk, device in desks(s):
        for version, ciphers in CIPHERS.items():
            for cipher in ciphers:
                priority = f"NORMAL:-VERS-ALL:+VERS-{version}:-CIPHER-ALL:+{cipher}:+SHA1:+SHA256"
                with Pipe("gnutls-cli", "--x509cafile", desk.ca, "--x509certfile", device.cert,
                          "--x509keyfile", device.key, "--priority", priority, "--port",
                          desk.https_port, "localhost", env=s.env) as peer:
                    peer.say(requests)
                    check(peer.wait(lambda p: p.out.count(b"HTTP/1.1 403 ") == 10) and
                          f"({version}".encode() in peer.out and f"({cipher})".encode() in peer.out,
                          f"{records}: {version} {cipher}", peer.told())


@case
def openssl(s):
    """openssl s_client: keys renewed by either wish, a renegotiation declined, no byte lost"""
    for records, desk, device in desks(s):
        base = ["openssl", "s_client", "-connect", f"localhost:{desk.mqtts_port}", "-CAfile",
                desk.ca, "-cert", device.cert, "-key", device.key]

        def ping(peer, text):
            before = peer.out.count(PONG)
            peer.say(PING)
            check(peer.wait(lambda p: p.out.count(PONG) > before), f"{records}: {text}", peer.told())
        with Pipe(*base, "-tls1_3", env=s.env) as peer:
            need(peer.wait(lambda p: b"Verify return code" in p.out), "TLS 1.3", peer.told())
            peer.say(connect("peer"))
            need(peer.wait(lambda p: b"\x20\x02\x00\x00" in p.out), "connected", peer.told())
            for round, command in enumerate("KkKKkK"):
                peer.say(command.encode() + b"\n")
                need(peer.wait(lambda p, n=round + 1: p.err.count(b"KEYUPDATE") == n), "a new key",
                     peer.told())
                ping(peer, f"after KeyUpdate {round + 1} ({command})")
        with Pipe(*base, "-tls1_2", env=s.env) as peer:
            need(peer.wait(lambda p: b"Verify return code" in p.out), "TLS 1.2", peer.told())
            peer.say(connect("peer"))
            need(peer.wait(lambda p: b"\x20\x02\x00\x00" in p.out), "connected", peer.told())
            peer.say(b"R\n")
            check(peer.wait(lambda p: b"no renegotiation" in p.err), f"{records}: no renegotiation",
                  peer.told())


@case
def bearssl(s):
    """the virtual device: BearSSL with an ESP8266's buffers"""
    for records, desk, _ in desks(s):
        folder = s.path(f"bundle-{records}")
        need(s.elo("add", "kitchen", "--out", folder, "--data", desk.data).code == 0, "elo add")
        for more in ((), ("--mqtt5",)):
            result = s.elo("device", "--bundle", folder, "--interval", "1s", "--count", "2",
                           *more)
            check(result.code == 0, f"{records}: telemetry {' '.join(more)}", result.err)


if __name__ == "__main__":
    main()
