#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""Peers who mean harm: too slow, too many, too much, too strange. Each is bounded, told of in the
log where somebody would ask, and a good device beside them is served as if they were not there.
SECURITY.md has the table of it."""
import contextlib
import random
import re
import resource
import socket
import struct
import time

import mqtt
import websocket
from desk import Device, case, check, main, need, skip

MIB = 1 << 20


def memory(desk):
    """Resident bytes of the desk's process."""
    with open(f"/proc/{desk.popen.pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1]) * 1024


def sanitized(desk):
    """Under a sanitizer memory and time say nothing: its shadow is terabytes."""
    with open(f"/proc/{desk.popen.pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmSize:\s+(\d+)", f.read())[1]) > 1 << 30


def grew(desk, before, most, text):
    if sanitized(desk):
        skip(f"{text}: memory, under a sanitizer")
        return
    grown = memory(desk) - before
    check(grown < most, f"{text}: memory grew by less than {most // MIB} MiB",
          f"{grown / MIB:.1f} MiB")


def plain_desk(s, *options, **more):
    """A desk with a plain port: what is tried here has nothing to do with TLS."""
    desk = s.desk("--plain-port", "0", *options, **more)
    desk.plain_port = int(desk.endpoints["mqtt"].rsplit(":", 1)[1])
    return desk


def plain(desk, client_id=None, **options):
    client = mqtt.Client("127.0.0.1", desk.plain_port, None)
    if client_id is not None:
        need(client.connect(client_id, **options)[0] == 0, f"{client_id} is connected")
    return client


def quietly(desk, client_id, **options):
    """plain() without a line in the transcript."""
    client = mqtt.Client("127.0.0.1", desk.plain_port, None)
    code = client.connect(client_id, **options)[0]
    if code != 0:
        check(False, f"{client_id} is connected", code)
    return client


def tcp(port):
    return socket.create_connection(("127.0.0.1", port), timeout=40)


def ended(sock):
    """The other side hangs up, whatever it says before."""
    try:
        while sock.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:  # a reset, or TLS without its goodbye
        pass
    return True


class Good:
    """A device on mutual TLS that has a topic of its own."""

    def __init__(self, desk, name="good"):
        device = desk.make_device(name, desk.make_policy(f"all-{name}", ("iot:*", "*")))
        self.client, self.name = mqtt.client_of(desk, device), name
        need(self.client.connect(name)[0] == 0, "a good device is connected")
        self.client.subscribe((f"{name}/echo", 1))
        self.count = 0

    def works(self, text):
        self.count += 1
        payload = str(self.count).encode()
        self.client.publish(f"{self.name}/echo", payload, qos=1)
        got = self.client.message()
        check(got[1] == payload, f"{text}: the good device is served", got)


@case
def slow(s):
    """who begins and does not go on: in TCP, TLS, CONNECT, HTTP, WebSocket; 20 of each"""
    desk = plain_desk(s)
    good = Good(desk)
    device = desk.make_device("slow", desk.make_policy("all", ("iot:*", "*")))
    hello = mqtt.client_hello()
    host = f"127.0.0.1:{desk.http_port}"
    connect = mqtt.packet(1, 0, mqtt.text("MQTT") + b"\x04\x02\x00\x3c" + mqtt.text("slow"))
    soon, late = [], []  # which are ended within the 10 s of the first; in a minute
    before = memory(desk)
    for _ in range(20):
        for data in (b"", hello[:1], hello[:100], hello):
            sock = tcp(desk.mqtts_port)
            sock.sendall(data)
            soon.append(sock)
        for data in (b"", connect[:1], connect[:-1]):
            client = plain(desk)
            client.send(data)
            soon.append(client.socket)
        secure = mqtt.client_of(desk, device)
        secure.send(connect[:5])
        soon.append(secure.socket)
        ws = websocket.Socket(desk.http_port, websocket.presign(desk, host), host)
        ws.raw(ws.frame(websocket.BINARY, connect)[:9])
        soon.append(ws.socket)
        for data in (b"", b"GET /things HTT", b"GET / HTTP/1.1\r\nHost: a\r\nX-A: b",
                     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{"):
            sock = tcp(desk.http_port)
            sock.sendall(data)
            late.append(sock)
    good.works(f"beside {len(soon) + len(late)} who say nothing more")
    check(desk.call("GET", "/things").status == 200, "the API, too")
    grew(desk, before, 32 * MIB, "half-open connections")
    check(all(ended(sock) for sock in soon), "TLS, CONNECT and WebSocket are ended after 10 s")
    desk.expect_record("a handshake", details=re.compile("handshake was not done in 10 seconds"))
    desk.expect_record("a CONNECT", details=re.compile("no CONNECT came in 10 seconds"))
    good.works("after them")
    for sock in soon + late:
        sock.close()


@case
def crowd(s):
    """connects by the hundred from one address: begun and left, reset, and more than are taken"""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 5000:
        skip(f"this needs 5,000 file descriptors, and {hard} are allowed")
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 5000), hard))
    desk = s.desk()
    good = Good(desk)
    before = memory(desk)
    hello = mqtt.client_hello()
    crowd = [tcp(desk.mqtts_port) for _ in range(2100)]
    desk.expect_record("who is too many", details=re.compile("2048 unfinished TLS handshakes of one address"))
    good.works("2,100 handshakes that do not go on")
    for sock in crowd:
        sock.close()
    for _ in range(500):
        sock = tcp(desk.mqtts_port)
        sock.sendall(hello)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()  # a reset
    good.works("500 handshakes reset")
    good.works("after them")
    grew(desk, before, 128 * MIB, "2,600 connects")


@case
def strange_hellos(s):
    """ClientHellos with names that are absurd, and 400 that are damaged anywhere"""
    desk = s.desk()
    good = Good(desk)
    before = memory(desk)
    hello = mqtt.client_hello()
    name = hello.index(b"localhost")
    strange = [hello[:name] + b"local\x00ost" + hello[name + 9:],  # SNI with a NUL
               hello[:name] + b"\xff" * 9 + hello[name + 9:],
               mqtt.client_hello(".".join(["a" * 60] * 4)),
               mqtt.client_hello(alpn=["a" * 255] * 200),
               mqtt.client_hello(alpn=["x-amzn-mqtt-ca\x00"]),
               mqtt.client_hello()[:5] + b"\x00" * 500, b"\x16\x03\x01\xff\xff" + b"\x01" * 65535,
               b"\x80\x2e\x01\x00\x02" + b"\x00" * 41,  # SSL 2
               b"\x16\x03\x01\x00\x00" * 1000, b"\x14\x03\x03\x00\x01\x01" * 1000,
               b"\x15\x03\x03\x00\x02\x01\x5a" * 1000, b"\x17\x03\x03\x00\x01\x00" * 1000]
    generator = random.Random(5)
    for _ in range(400):
        damaged = bytearray(hello)
        for _ in range(generator.randrange(1, 6)):
            damaged[generator.randrange(5, len(damaged))] = generator.randrange(256)
        strange.append(bytes(damaged[:generator.randrange(5, len(damaged))])
                       if generator.random() < 0.2 else bytes(damaged))
    socks = []
    for data in strange:
        for port in (desk.mqtts_port, desk.https_port):
            sock = tcp(port)
            with contextlib.suppress(ConnectionError):
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
            socks.append(sock)
    check(all(ended(sock) for sock in socks), f"all {len(socks)} are ended")
    for sock in socks:
        sock.close()
    good.works("after them")
    grew(desk, before, 32 * MIB, "strange ClientHellos")


@case
def strange_certificates(s):
    """certificates with a thousand names, a subject of 60 KB, and more than TLS takes"""
    desk = s.desk()
    good = Good(desk)
    before = memory(desk)
    san = ",".join(f"DNS:n{i}.example" for i in range(1000))
    many = ("-addext", f"subjectAltName={san}")
    subject = "".join(f"/OU={i:04d}{'x' * 56}" for i in range(800))
    huge = ("-addext", "nsComment=" + "x" * 120000)
    for text, extra in (("1,000 names", many), ("a subject of 60 KB", ("-subj", subject)),
                        ("a comment of 120 KB", huge)):
        cert, key = s.make_self_signed("odd", *extra)
        since = desk.log_mark()
        device = Device("odd", cert, key, None, None)
        try:
            with mqtt.client_of(desk, device) as client:
                client.send(mqtt.packet(1, 0, mqtt.text("MQTT") + b"\x04\x02\x00\x3c" + mqtt.text("odd")))
                packets = client.wait_closed()
        except (OSError, mqtt.Closed):
            packets = []
        check(not [p for p in packets if p[0] == 2 and p[2][1] == 0],
              f"{text}: not let in", packets)
        desk.expect_record(text, since, status="Failure")
        good.works(text)
        pem = cert.read_text(encoding="ascii")
        reply = desk.call("POST", "/certificate/register-no-ca", {"certificatePem": pem,
                                                                  "status": "ACTIVE"})
        check(reply.status in (200, 400), f"{text}: registered, or refused in words",
              f"{reply.status} {reply.text[:200]}")
    grew(desk, before, 32 * MIB, "strange certificates")


@case
def subscription_bomb(s):
    """40 sessions of 50 wildcard filters 8 levels deep, and messages that match all of them"""
    desk = plain_desk(s)
    good = Good(desk)
    before = memory(desk)
    shapes = ["/".join("+" if shape >> i & 1 else "a" for i in range(7)) + "/#" for shape in
              range(128)]
    clients = []
    for n in range(40):
        client = quietly(desk, f"bomb-{n}")
        for at in range(0, 48, 8):
            client.subscribe(*((shapes[(n * 48 + at + i) % 128], 0) for i in range(8)))
        client.subscribe(("+/+/+/+/+/+/+/+", 0), ("#", 0))
        clients.append(client)
    grew(desk, before, 16 * MIB, "2,000 wildcard subscriptions")
    try:
        clients[0].subscribe(("one/more", 0))
        full = clients[0].subscribe(("and/more", 0)) == [128]
    except mqtt.Closed:
        full = True
    check(full, "more than 50 are refused")
    begin, source = desk.cpu(), plain(desk, "source")
    for _ in range(100):
        source.publish("a/a/a/a/a/a/a/a", b"x")
    source.ping()
    for client in clients[1:]:
        while client.message()[0] != "a/a/a/a/a/a/a/a":
            pass
    used = desk.cpu() - begin
    check(used < 4 or sanitized(desk), "100 messages to 40 clients, each matched by 50 filters: CPU < 1 ms a delivery",
          f"{used:.2f} s")
    good.works("under the bomb")
    for client in clients + [source]:
        client.close()
    good.works("after it")


@case
def topics_without_end(s):
    """20,000 topics from one client, 5,200 retained messages"""
    desk = plain_desk(s)
    good = Good(desk)
    before = memory(desk)
    device = desk.make_device("wide", desk.make_policy("all", ("iot:*", "*")))
    with mqtt.client_of(desk, device) as client:  # by TLS: policies are asked
        client.connect("wide")
        for n in range(20000):
            client.send(mqtt.packet(3, 0, mqtt.text(f"wide/{n}/{'x' * 200}") + b"x"))
        client.ping()
        grew(desk, before, 8 * MIB, "a decision for each of 20,000 topics")
    with plain(desk, "keeper") as client:
        for n in range(5200):
            client.send(mqtt.packet(3, 1, mqtt.text(f"kept/{n}") + b"x" * 100))
        client.ping()
    with plain(desk, "reader") as client:
        client.subscribe(("kept/#", 0))
        client.ping()
        check(not client.held, "a wildcard brings none of them: AWS sends none")
        client.subscribe(*((f"kept/{n}", 0) for n in (0, 4999, 5000, 5199)))
        client.ping()
        got = sorted(c[2][2:11] for c in client.held)
        check(got == [b"kept/0xxx", b"kept/4999"], "5,000 are kept: AWS's quota", got)
    desk.expect_record("the 5,001st", details=re.compile("retained", re.I), status="Failure")
    good.works("beside them")
    grew(desk, before, 48 * MIB, "retained messages")


@case
def who_never_reads(s):
    """five subscribers that read nothing of 60 MB, and one that reads all of it"""
    desk = plain_desk(s)
    good = Good(desk)
    before = memory(desk)
    deaf = []
    for n in range(5):
        client = mqtt.Client("127.0.0.1", desk.plain_port, None)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(f"deaf-{n}", clean=n % 2 == 0)
        client.subscribe(("fire/hose", n % 2))
        deaf.append(client)
    reader, source = plain(desk, "reader"), plain(desk, "source")
    reader.subscribe(("fire/hose", 0))
    most = 0
    for n in range(500):
        source.publish("fire/hose", struct.pack(">I", n) + b"x" * 120000, qos=1)
        check(reader.message()[1][:4] == struct.pack(">I", n), f"message {n}") if n % 100 == 99 \
            else reader.message()
        most = max(most, memory(desk))
    check(most - before < 160 * MIB or sanitized(desk), "five times 60 MB were not kept: 4 MiB of output each, and "
          "16 MiB of a persistent session's", f"{(most - before) / MIB:.1f} MiB")
    desk.expect_record("a slow consumer", eventType=re.compile("Disconnect|Publish-Out"),
                       status="Failure", clientId=re.compile("deaf"))
    good.works("beside them")
    for client in deaf + [reader, source]:
        client.close()


@case
def take_overs(s):
    """the same client id 100 times at once, without AWS's throttle and with it"""
    desk = plain_desk(s)
    good = Good(desk)
    first = plain(desk, "twin", clean=False)
    first.subscribe(("to/twin", 1))
    before, clients = memory(desk), [first]
    for _ in range(100):
        client = mqtt.Client("127.0.0.1", desk.plain_port, None)
        client.send(mqtt.packet(1, 0, mqtt.text("MQTT") + b"\x04\x00\x00\x3c" + mqtt.text("twin")))
        clients.append(client)
    answers = []
    for client in clients[1:]:
        with contextlib.suppress(mqtt.Closed):
            answers.append(client.expect(2))
    check(answers and all(a == b"\x01\x00" for a in answers), "each finds the session", answers)
    good.client.publish("to/twin", b"still there", qos=1)
    got = []
    for client in clients:  # whose CONNECT was read last is the server's business
        with contextlib.suppress(mqtt.Closed):
            got.append(client.message()[1])
    check(got == [b"still there"], "one has it, and the others are gone", got)
    grew(desk, before, 16 * MIB, "100 take-overs")
    desk.stop()

    desk = plain_desk(s, "--limits", "aws", data=s.path("throttled"))
    begin, refused = time.monotonic(), 0
    first = plain(desk, "twin")
    for _ in range(20):
        with mqtt.Client("127.0.0.1", desk.plain_port, None) as client:
            try:
                refused += client.connect("twin")[0] != 0
            except mqtt.Closed:
                refused += 1
    taken, seconds = 20 - refused, time.monotonic() - begin
    check(refused and taken <= seconds, "one a second is taken, the others are refused", (taken, seconds))
    desk.expect_record("why", status="Failure", eventType="Connect", clientId="twin",
                       reason=re.compile("THROTTLED|throttl", re.I))


def v5(kind, flags, body):
    return mqtt.packet(kind, flags, body)


def v5_connect(client_id, properties=b"", will=None):
    flags, tail = 2, mqtt.text(client_id)
    if will is not None:
        flags |= 4
        tail += will
    return v5(1, 0, mqtt.text("MQTT") + bytes([5, flags]) + b"\x00\x3c" + variable(properties) + tail)


def variable(properties):
    length, digits = len(properties), b""
    while True:
        length, digit = divmod(length, 128)
        digits += bytes([digit | (0x80 if length else 0)])
        if not length:
            return digits + properties


@case
def abuse_of_mqtt(s):
    """packet ids, aliases, properties: what each is answered with"""
    desk = plain_desk(s)
    good = Good(desk)
    topic, user = mqtt.text("a"), b"\x26" + mqtt.text("k") + mqtt.text("v" * 1000)
    alias = lambda n: b"\x23" + struct.pack(">H", n)
    publish = lambda properties, name=topic, flags=0, at=b"": v5(3, flags, name + at + variable(properties) + b"x")
    for text, reason, data in (
            ("alias 0", 0x94, publish(alias(0))),
            ("alias 9 of 8", 0x94, publish(alias(9))),
            ("an alias nobody has set", 0x82, publish(alias(3), b"\x00\x00")),
            ("no topic and no alias", 0x82, publish(b"", b"\x00\x00")),
            ("an alias twice in one packet", 0x82, publish(alias(1) + alias(2))),
            ("20 user properties of 1 KB", None, publish(user * 20)),
            ("a property of CONNECT in PUBLISH", None, publish(b"\x21\x00\x05")),
            ("a property that is none", None, publish(b"\x7f\x00")),
            ("properties longer than the packet", None, v5(3, 0, topic + b"\xff\xff\x7f")),
            ("packet id 0", None, publish(b"", topic, 2, b"\x00\x00")),
            ("a SUBSCRIBE with packet id 0", None, v5(8, 2, b"\x00\x00\x00" + topic + b"\x00")),
            ("5,000 user properties of 2 bytes", None, publish((b"\x26" + mqtt.text("k") * 2) * 5000)),
            ("a second AUTH", None, v5(15, 0, b"\x18\x00"))):
        with mqtt.Client("127.0.0.1", desk.plain_port, None) as client:
            client.send(v5_connect("abuser"))
            need(client.expect(2)[1] == 0, f"{text}: connected")
            with contextlib.suppress(mqtt.Closed):
                client.send(data)
            packets = client.wait_closed()
            last = packets[-1] if packets else (0, 0, b"")
            check(last[0] == 14 and (reason is None or last[2][0] == reason) and last[2][0] >= 0x80,
                  f"{text}: DISCONNECT {reason or 0:#x}", packets)
    with mqtt.Client("127.0.0.1", desk.plain_port, None) as client:
        client.send(v5_connect("abuser", user * 20))
        packets = client.wait_closed()
        check(packets and packets[0][0] == 2 and packets[0][2][1] >= 0x80,
              "CONNECT with 20 KB of user properties: refused", packets)
    with plain(desk, "again") as client:
        same = mqtt.packet(3, 2, mqtt.text("a") + b"\x00\x07" + b"x")
        client.send(same * 200)
        acks = [client.expect(4) for _ in range(200)]
        check(acks == [b"\x00\x07"] * 200, "a packet id used again and again is acknowledged each time")
    good.works("after all that")


@case
def will_bomb(s):
    """100 clients with wills of 60 KB die at once"""
    desk = plain_desk(s)
    good = Good(desk)
    before = memory(desk)
    with plain(desk, "heir") as heir:
        heir.subscribe(("will/#", 1))  # QoS 0 would be shed: 6 MB are more than a reader may be behind
        doomed = [quietly(desk, f"doomed-{n}", will=(f"will/{n}", b"w" * 60000, 1, False))
                  for n in range(100)]
        grew(desk, before, 24 * MIB, "100 wills of 60 KB")
        for client in doomed:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        heard = {heir.message()[0] for _ in range(100)}
        check(len(heard) == 100, "each will comes", len(heard))
    good.works("after them")


if __name__ == "__main__":
    main()
