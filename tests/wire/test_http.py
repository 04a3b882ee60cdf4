#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""Hostile and odd clients on every port: HTTP that is none, too much or too slow, TLS that is old
or asks for the wrong thing, bytes that are no MQTT. Each gets the answer that is meant for it, and
the desk serves everyone else as before."""
import http.client
import random
import re
import socket
import ssl

import mqtt
from desk import PATIENCE, case, check, main, need

KIB = 1024


class Raw:
    """A TCP connection to the HTTP port on which nothing is sent but what the test says."""

    def __init__(self, desk, port=None):
        self.desk = desk
        self.socket = socket.create_connection(("127.0.0.1", port or desk.http_port), PATIENCE)
        self.file = self.socket.makefile("rb")  # one for all replies: it reads ahead

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data if isinstance(data, bytes) else data.encode())
        except ConnectionError:
            pass  # it may hang up on us; what it answered can still be read

    def reply(self, method="GET"):
        """The next reply: (status, headers, body); None if the connection ends instead."""
        try:
            status = re.match(rb"HTTP/1\.1 (\d{3}) ", self.file.readline())
            headers = http.client.parse_headers(self.file)
            length = 0 if method == "HEAD" else int(headers["content-length"])
            body = self.file.read(length)
            return int(status[1]), {k.lower(): v for k, v in headers.items()}, body.decode()
        except (TypeError, ValueError, OSError):
            return None

    def ended(self):
        """Whether the other side hangs up, with nothing more to say."""
        try:
            return self.file.read(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False


def signed(desk, method, target, body=None, extra=()):
    """A whole signed request as bytes. `extra`: header lines that are not signed."""
    headers, raw = desk.caller().prepare(method, target, body)
    if raw:
        headers["Content-Length"] = str(len(raw))
    lines = [f"{method} {target} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items()), *extra]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + raw


def alive(desk, text="the desk serves others as before"):
    check(desk.call("GET", "/things").status == 200, text)


def expect(desk, data, status, text, ends=True):
    """One request, the status of its answer, and whether the connection ends then."""
    with Raw(desk) as raw:
        raw.send(data)
        reply = raw.reply()
        good = reply is not None and reply[0] == status
        check(good, f"{text}: {status}", reply)
        if good and ends:
            check(raw.ended(), "and the connection ends")


@case
def no_http(scene):
    """bytes that are no request"""
    desk = scene.desk()
    generator = random.Random(1)
    for text, data in (("a word", b"hello\r\n\r\n"), ("binary", bytes(range(256)) * 4),
                       ("a TLS ClientHello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20),
                       ("an MQTT CONNECT", b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03abc"),
                       ("HTTP/9.9", b"GET / HTTP/9.9\r\n\r\n"),
                       ("two lengths", b"GET / HTTP/1.1\r\nContent-Length: 1\r\n"
                                       b"Content-Length: 2\r\n\r\nab"),
                       ("length and chunks", b"POST /things/x HTTP/1.1\r\nContent-Length: 2\r\n"
                                             b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
                       ("a negative length", b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
                       ("an endless length", b"POST / HTTP/1.1\r\nContent-Length: "
                                             b"99999999999999999999999999\r\n\r\n"),
                       ("a bad chunk", b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                                       b"zz\r\n"),
                       ("a NUL in a header", b"GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n"),
                       ("a folded header", b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n"),
                       ("folded by a tab", b"GET / HTTP/1.1\r\nHost: a\r\n\tX: b\r\n\r\n"),
                       ("folded, nothing before", b"GET / HTTP/1.1\r\nX:\r\n b\r\n\r\n"),
                       ("folded by a bare LF", b"GET / HTTP/1.1\nHost: a\n b\n\n"),
                       ("no colon", b"GET / HTTP/1.1\r\nHost\r\n\r\n")):
        expect(desk, data, 400, text)
    with Raw(desk) as raw:
        for byte in b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n":
            raw.send(bytes([byte]))
        reply = raw.reply()
        check(reply and reply[0] == 400, "a folded header, a byte at a time: 400", reply)
    with Raw(desk) as raw:
        raw.send(b"\r\n" + signed(desk, "GET", "/things") + signed(desk, "GET", "/things") +
                 b"GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n")
        statuses = [reply[0] for reply in iter(raw.reply, None)]
        check(statuses == [200, 200, 400], "a fold in the third of three: 200, 200, 400", statuses)
    for i in range(200):
        with Raw(desk) as raw:
            raw.send(generator.randbytes(generator.randrange(1, 2000)))
            raw.socket.shutdown(socket.SHUT_WR)
            raw.reply()
    alive(desk, "after 200 random ones the desk serves others as before")


@case
def too_much(scene):
    """headers, targets and bodies over the limits, and just within them"""
    desk = scene.desk()
    expect(desk, "GET / HTTP/1.1\r\nAccept: */*\r\nExpect: 100-continue\r\nX: " +
           "a" * 17 * KIB + "\r\n\r\n", 431, "17 KiB of header")
    expect(desk, "GET / HTTP/1.1\r\n" + "".join(f"X-{i}: y\r\n" for i in range(65)) + "\r\n", 431,
           "65 headers")
    expect(desk, "GET /" + "a" * 17 * KIB + " HTTP/1.1\r\n\r\n", 414, "a target of 17 KiB")
    expect(desk, b"POST /things/x HTTP/1.1\r\nContent-Length: 524289\r\n\r\n" + b"x" * 524289, 413,
           "a body of 512 KiB and a byte")
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    expect(desk, b"POST /things/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 9 +
           b"0\r\n\r\n", 413, "nine chunks of 64 KiB")
    expect(desk, "GET / HTTP/1.1\r\nX: " + "a" * 15 * KIB + "\r\n\r\n", 403,
           "15 KiB of header are read, only unsigned", ends=False)
    expect(desk, b"POST /things/x HTTP/1.1\r\nContent-Length: 524288\r\n\r\n" + b"x" * 524288, 403,
           "512 KiB of body are read, only unsigned", ends=False)
    headers, raw = desk.caller().prepare("POST", "/things/x", b" " * 400000 + b"{}")
    reply = desk.caller().send("POST", "/things/x", headers, raw)
    check(reply.status == 200, "a signed body of 400 KB is taken", reply)
    alive(desk)


@case
def in_pieces(scene):
    """a request a byte at a time, halves that never end, connections that only stay open"""
    desk = scene.desk()
    whole = signed(desk, "POST", "/things/slow", {"attributePayload": {"attributes": {"a": "b"}}})
    idle = [Raw(desk) for _ in range(300)]
    with Raw(desk) as raw, Raw(desk) as half, Raw(desk, desk.mqtts_port) as hello:
        half.send(whole[:len(whole) // 2])
        hello.send(b"\x16\x03\x01\x02")
        for i in range(len(whole)):
            raw.send(whole[i:i + 1])
        reply = raw.reply()
        check(reply and reply[0] == 200, "a byte at a time is a request like any other", reply)
        alive(desk, "300 idle connections and two halves hold nobody up")
    for connection in idle:
        connection.socket.close()
    for cut in range(1, len(whole), 37):
        with Raw(desk) as raw:
            raw.send(whole[:cut])
    alive(desk, "requests cut off anywhere are forgotten")
    for method, target, body in (("GET", "/things", None), ("POST", "/things/half", {})):
        with Raw(desk) as raw:
            raw.send(signed(desk, method, target, body))
            raw.socket.shutdown(socket.SHUT_WR)
            reply = raw.reply()
            check(reply and reply[0] == 200,
                  f"{method}: who hangs up one way still gets the answer", reply)


@case
def pipelining(scene):
    """several requests in one segment are answered in order, changes included"""
    desk = scene.desk()
    names = [f"pipe-{i}" for i in range(20)]
    with Raw(desk) as raw:
        raw.send(b"".join(signed(desk, "POST", f"/things/{n}", {}) +
                          signed(desk, "GET", f"/things/{n}") for n in names))
        answers = []
        for name in names:
            answers += [raw.reply(), raw.reply()]
        bodies = [a and a[2] for a in answers]
        good = all(a and a[0] == 200 for a in answers) and \
            all(f'"{n}"' in bodies[2 * i] and f'"{n}"' in bodies[2 * i + 1]
                for i, n in enumerate(names))
        check(good, "forty requests, forty answers, in order", answers[:4])
        raw.send(signed(desk, "GET", "/things", extra=["Connection: close"]) +
                 signed(desk, "GET", "/things"))
        reply = raw.reply()
        check(reply and reply[0] == 200 and reply[1]["connection"] == "close" and raw.ended(),
              "after Connection: close nothing more is answered", reply)
    with Raw(desk) as raw:
        raw.send(signed(desk, "GET", "/things") + b"garbage\r\n\r\n")
        first, second = raw.reply(), raw.reply()
        check(first and first[0] == 200 and second and second[0] == 400 and raw.ended(),
              "garbage behind a good request: 200, 400, the end", (first, second))


@case
def methods_and_bodies(scene):
    """HEAD, chunks, Expect, HTTP/1.0, and targets of other forms"""
    desk = scene.desk()
    with Raw(desk) as raw:
        raw.send(signed(desk, "HEAD", "/things"))
        reply = raw.reply("HEAD")
        check(reply and reply[0] == 405 and reply[2] == "", "HEAD: 405 without a body", reply)
        raw.send(signed(desk, "GET", "/things"))
        reply = raw.reply()
        check(reply and reply[0] == 200, "and the connection goes on", reply)
    headers, raw_body = desk.caller().prepare("POST", "/things/chunked", {})
    lines = [f"{k}: {v}" for k, v in headers.items()]
    with Raw(desk) as raw:
        raw.send("\r\n".join(["POST /things/chunked HTTP/1.1", *lines,
                              "Transfer-Encoding: chunked"]).encode() +
                 b"\r\n\r\n1\r\n{\r\n1;ext=1\r\n}\r\n0\r\nTrailer: x\r\n\r\n")
        reply = raw.reply()
        check(reply and reply[0] == 200, "a chunked body with extension and trailer", reply)
    with Raw(desk) as raw:
        lines.append(f"Content-Length: {len(raw_body)}")
        raw.send("\r\n".join(["POST /things/chunked HTTP/1.1", *lines, "Expect: 100-continue"]) +
                 "\r\n\r\n")
        line = raw.file.readline() + raw.file.readline()
        check(line == b"HTTP/1.1 100 Continue\r\n\r\n", "Expect: 100-continue is told to go on",
              line)
        raw.send(raw_body)
        reply = raw.reply()
        check(reply and reply[0] == 200, "and then answered", reply)
    with Raw(desk) as raw:
        raw.send(signed(desk, "GET", "/things").replace(b"HTTP/1.1", b"HTTP/1.0", 1))
        reply = raw.reply()
        check(reply and reply[0] == 200 and raw.ended(), "HTTP/1.0: an answer and the end", reply)
    for line in ("GET http://127.0.0.1/things HTTP/1.1", "OPTIONS * HTTP/1.1",
                 "CONNECT example.org:443 HTTP/1.1", "GET //things HTTP/1.1",
                 "GET /things/../things HTTP/1.1", "BREW / HTTP/1.1", "GET /%0d%0aX:y HTTP/1.1"):
        with Raw(desk) as raw:
            raw.send(line + "\r\nHost: x\r\n\r\n")
            reply = raw.reply()
            check(reply and 400 <= reply[0] < 500 and "x" not in reply[1],
                  f"{line[:40]}: {reply and reply[0]}", reply)
    with Raw(desk) as raw:
        raw.send(b"GET /things HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket"
                 b"\r\n\r\n")
        reply = raw.reply()
        check(reply and reply[0] in (400, 403, 426), "an upgrade without a signature", reply)
    alive(desk)


# --- TLS -----------------------------------------------------------------------------------------


def s_client(scene, desk, *options, port=None, device=None):
    """openssl s_client to the end of its input."""
    identity = ["-cert", device.cert, "-key", device.key] if device else []
    return scene.run("openssl", "s_client", "-connect", f"localhost:{port or desk.mqtts_port}",
                     "-CAfile", desk.ca, *identity, *options, stdin="")


@case
def tls_versions(scene):
    """TLS 1.2 and 1.3, nothing older, none of the suites AWS has not"""
    desk = scene.desk()
    device = desk.make_device("tls", desk.make_policy("all", ("iot:*", "*")))
    for option, name in (("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")):
        result = s_client(scene, desk, option, device=device)
        check("Verify return code: 0 (ok)" in result.out and f"{name}, Cipher is" in result.out,
              f"{name} is spoken, and the chain verifies", result.out[-2000:] + result.err)
    for option in ("-tls1_1", "-tls1"):
        since = desk.log_mark()
        result = s_client(scene, desk, option, "-cipher", "ALL:@SECLEVEL=0", device=device)
        check(result.code != 0 and "alert protocol version" in result.err,
              f"openssl s_client {option} is refused with an alert", result.err)
        desk.expect_record("older than 1.2", since, code="E-TLS",
                           details=re.compile("older than 1.2"))
    since = desk.log_mark()
    result = s_client(scene, desk, "-tls1_2", "-cipher", "AES128-SHA:DHE-RSA-AES128-SHA",
                      device=device)
    check(result.code != 0 and "Cipher is (NONE)" in result.out, "no shared suite is refused",
          result.out[-500:] + result.err)
    desk.expect_record("cipher suites", since, code="E-TLS", details=re.compile("cipher suites"))
    result = s_client(scene, desk, "-tls1_2", "-maxfraglen", "1024", "-tlsextdebug", device=device)
    check('TLS server extension "max fragment length"' in result.out and
          "Cipher is (NONE)" not in result.out, "a maximum fragment length is agreed",
          result.out[:3000])


@case
def alpn(scene):
    """ALPN decides what is spoken on the HTTPS port"""
    desk = scene.desk()
    device = desk.make_device("alpn", desk.make_policy("all", ("iot:*", "*")))
    for port in (desk.mqtts_port, desk.https_port):
        with mqtt.client_of(desk, device, "x-amzn-mqtt-ca", port) as c:
            check(c.socket.selected_alpn_protocol() == "x-amzn-mqtt-ca" and
                  c.connect("alpn") == (0, False), "x-amzn-mqtt-ca: MQTT on either port")
            c.disconnect()
    for port, names, wanted in ((desk.https_port, ["http/1.1"], "http/1.1"),
                                (desk.https_port, ["h2", "http/1.1"], "http/1.1"),
                                (desk.mqtts_port, ["http/1.1"], "http/1.1"),
                                (desk.mqtts_port, ["x-amzn-http-ca"], "x-amzn-http-ca"),
                                (desk.https_port, ["mqtt"], "mqtt"),
                                (desk.mqtts_port, ["mqtt"], "mqtt")):
        with mqtt.client_of(desk, device, names, port) as c:
            check(c.socket.selected_alpn_protocol() == wanted, f"{names}: {wanted} is chosen")
    for port, name in ((desk.mqtts_port, "h2"), (desk.https_port, "h2"),
                       (desk.mqtts_port, "x-amzn-mqtt-c")):
        since = desk.log_mark()
        try:
            with mqtt.client_of(desk, device, name, port) as c:
                c.connect("alpn")
            check(False, f"ALPN {name} is refused on {port}")
        except (ssl.SSLError, mqtt.Closed) as error:
            check("NO_APPLICATION_PROTOCOL" in str(error).upper().replace(" ", "_"),
                  f"ALPN {name} alone is refused: {error}")
        desk.expect_record("E-ALPN", since, code="E-ALPN")
    since = desk.log_mark()
    try:
        with mqtt.client_of(desk, None, "x-amzn-mqtt-ca", desk.https_port) as c:
            answer = c.connect("nobody")
        check(False, "MQTT on the HTTPS port needs a certificate too", answer)
    except (ssl.SSLError, mqtt.Closed):
        check(True, "MQTT on the HTTPS port needs a certificate too")
    desk.expect_record("E-CERT-MISSING", since, code="E-CERT-MISSING")


@case
def https(scene):
    """the AWS API over HTTPS, without and with a client certificate"""
    desk = scene.desk()
    device = desk.make_device("device", thing=False)
    for identity in (None, device):
        context = mqtt.tls_context(desk.ca, identity)
        connection = http.client.HTTPSConnection("localhost", desk.https_port, timeout=40,
                                                 context=context)
        caller = desk.caller()
        caller.host, caller.port = "localhost", desk.https_port
        headers, _ = caller.prepare("GET", "/things")
        for _ in range(3):
            connection.request("GET", "/things", headers=headers)
            reply = connection.getresponse()
            body = reply.read().decode()
            check((reply.status, body) == (200, '{"things":[]}'), "a signed request over HTTPS",
                  (reply.status, body))
        connection.close()


@case
def not_tls(scene):
    """what is no TLS on the TLS ports, and handshakes that stop half-way"""
    desk = scene.desk()
    for port in (desk.mqtts_port, desk.https_port):
        since = desk.log_mark()
        with Raw(desk, port) as raw:
            raw.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            raw.socket.shutdown(socket.SHUT_WR)
            raw.ended()
        desk.expect_record("a plain HTTP request", since, code="E-TLS",
                           details=re.compile("plain HTTP"), protocol="TLS")
        since = desk.log_mark()
        with Raw(desk, port) as raw:
            raw.send(b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03abc" * 20)
            raw.ended()
        desk.expect_record("not TLS", since, code="E-TLS",
                           details=re.compile("does not speak TLS"))
    generator = random.Random(2)
    for i in range(100):
        with Raw(desk, desk.mqtts_port) as raw:
            raw.send(b"\x16\x03\x01" + generator.randbytes(generator.randrange(0, 600)))
    alive(desk)


@case
def mqtt_without_alpn(scene):
    """MQTT to the ports that speak HTTP: ended, and the log and `elo why` tell which port is meant"""
    desk = scene.desk()
    device = desk.make_device("odd", desk.make_policy("all", ("iot:*", "*")))
    for name, port, context in (("HTTPS", desk.https_port, mqtt.tls_context(desk.ca, device)),
                                ("HTTP", desk.http_port, None)):
        since = desk.log_mark()
        with mqtt.Client("localhost", port, context) as c:
            c.send(mqtt.packet(1, 0, mqtt.text("MQTT") + b"\x04\x02\x00\x3c" + mqtt.text("odd")))
            try:
                while c.read():
                    pass
            except (mqtt.Closed, OSError):
                check(True, f"{name}: the end")
        desk.expect_record(name, since, status="Failure", code="E-ALPN",
                           details=re.compile(f"MQTT came to the {name} port"))
    since = desk.log_mark()
    with Raw(desk) as raw:
        raw.send(b"hello\r\n\r\n")
        raw.reply()
    desk.expect_record("no HTTP", since, status="Failure", protocol="HTTP",
                       details=re.compile("no HTTP request"))
    told = scene.elo("why", "127.0.0.1", "--data", desk.data).out
    check("E-ALPN" in told, "`elo why` knows", told)


@case
def server_name(scene):
    """whatever SNI says is fine unless a switch says otherwise; who is refused is told why"""
    for options, without, wrong in (((), True, True),
                                    (("--compat", "missing-sni=refuse"), False, True),
                                    (("--compat", "unknown-sni=refuse"), True, False)):
        desk = scene.desk(*options, data=scene.path("desk" + "-".join(options[1:])))
        device = desk.make_device("kitchen", desk.make_policy("all", ("iot:*", "*")))
        context = mqtt.tls_context(desk.ca, device)
        context.check_hostname = False
        for name, welcome in (("localhost", True), (None, without), ("else.example", wrong)):
            since = desk.log_mark()
            try:
                with mqtt.Client("localhost", desk.mqtts_port, context, server_name=name) as c:
                    got = c.connect(device.name)[0] == 0
            except (ssl.SSLError, mqtt.Closed) as error:
                got = False
                check("UNRECOGNIZED_NAME" in str(error), "by the alert unrecognized_name", error)
                desk.expect_record(str(name), since, eventType="Connect", code="E-TLS",
                                   details=re.compile("no server name" if name is None else
                                                      f"none of this server's: {name}"))
            check(got == welcome, f"SNI {name} {' '.join(options)}: "
                  f"{'welcome' if welcome else 'refused'}")


# --- MQTT ----------------------------------------------------------------------------------------


@case
def not_mqtt(scene):
    """what is no MQTT, after a good handshake"""
    desk = scene.desk()
    device = desk.make_device("odd", desk.make_policy("all", ("iot:*", "*")))
    connect = mqtt.packet(1, 0, mqtt.text("MQTT") + b"\x04\x02\x00\x3c" + mqtt.text("odd"))
    for text, data, answers in (
            ("HTTP", b"GET / HTTP/1.1\r\n\r\n", 0),
            ("a PUBLISH before CONNECT", mqtt.packet(3, 0, mqtt.text("a") + b"b"), 0),
            ("a length that never ends", b"\x10\xff\xff\xff\xff\x01", 0),
            ("a packet of 256 MB", b"\x10\xff\xff\xff\x7f", 0),
            ("another protocol", mqtt.packet(1, 0, mqtt.text("MQIsdp") + b"\x03\x02\x00\x3c" +
                                             mqtt.text("odd")), None),
            ("a second CONNECT", connect + connect, 1),
            ("a topic with a wildcard", connect + mqtt.packet(3, 0, mqtt.text("a/#") + b"b"), 1),
            ("a topic that is not UTF-8", connect + mqtt.packet(3, 0, mqtt.text(b"\xff") + b"b"),
             1),
            ("an empty SUBSCRIBE", connect + mqtt.packet(8, 2, b"\x00\x01"), 1),
            ("nine filters", connect + mqtt.packet(8, 2, b"\x00\x01" + b"".join(
                mqtt.text(f"a/{i}") + b"\x00" for i in range(9))), 1),
            ("a payload over 128 KB", connect + mqtt.packet(3, 0, mqtt.text("a") + b"x" * 131073),
             1),
            ("reserved packet 0", connect + b"\x00\x00", 1)):
        since = desk.log_mark()
        with mqtt.client_of(desk, device) as c:
            try:
                c.send(data)
            except mqtt.Closed:
                pass
            packets = c.wait_closed()
        check(answers is None or len(packets) == answers, f"{text}: the connection is ended",
              packets)
        desk.expect_record("a failure", since, status="Failure", protocol="MQTT")
    with mqtt.client_of(desk, device) as c:
        need(c.connect("odd")[0] == 0, "a good one is served as before")
        c.subscribe(("big", 1))
        c.publish("big", b"x" * 131072, qos=1)
        got = c.message()
        check(len(got[1]) == 131072, "128 KB go through")
    generator = random.Random(3)
    for _ in range(60):
        with mqtt.client_of(desk, device) as c:
            try:
                c.send((connect if generator.random() < 0.7 else b"") +
                       generator.randbytes(generator.randrange(1, 300)))
            except mqtt.Closed:
                pass
    alive(desk)


if __name__ == "__main__":
    main()
