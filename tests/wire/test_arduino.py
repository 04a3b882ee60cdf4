#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""Sketches as programs, with the board of tests/arduino/host under them: the library's examples as
the Arduino IDE builds them, over lwIP calls that end in this machine's sockets. Their clock runs
three times as fast as ours, but where a portal has its patience with visitors."""
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading

import station
from desk import PATIENCE, case, check, endpoint_free, endpoints_free, main, need
from line import Line, Person

SSID, PASSWORD = "home", "tell no one"
SKETCHES = os.path.join(os.path.dirname(os.path.abspath(sys.argv[1])), "arduino")
FAST = "3"
VECTORS = pathlib.Path(__file__).parents[1] / "vectors"


def bundle(scene, desk, name="kitchen", **wifi):
    """What `elo add` writes, and the Wi-Fi's name beside it: a sketch's folder `data`."""
    folder = scene.path(name)
    added = scene.elo("add", name, "--out", folder, "--data", desk.data)
    need(added.code == 0, f"elo add {name}", added.err)
    wifi = {"ssid": SSID, "password": PASSWORD, **wifi}
    (folder / "wifi.json").write_text(json.dumps(wifi))
    return folder


def wide_bundle(scene, desk, name="kitchen"):
    """The same by hand, for a device that may do everything."""
    device = desk.make_device(name, desk.make_policy("wide", ("iot:*", "*")))
    folder = scene.path(f"{name}-data")
    folder.mkdir()
    for target, source in (("ca.pem", desk.ca), ("cert.pem", device.cert), ("key.pem", device.key)):
        (folder / target).write_bytes(pathlib.Path(source).read_bytes())
    (folder / "config.json").write_text(json.dumps({
        "clientId": name, "host": desk.host, "port": desk.mqtts_port, "prefix": f"elo/{name}",
        "ssid": SSID, "password": PASSWORD}))
    return folder


def sketch(scene, name, folder, **env):
    return scene.start(os.path.join(SKETCHES, name), stdin=subprocess.PIPE, env={
        "FAKE_FS": str(folder), "FAKE_SSID": SSID, "FAKE_PASSWORD": PASSWORD, "FAKE_FAST": FAST,
        "FAKE_RTC": str(scene.path("rtc")), **env})


def tell(board, line):
    board.popen.stdin.write(line + "\n")
    board.popen.stdin.flush()


def expect(board, pattern, what, since=0, patience=station.BACKOFF_PATIENCE):
    need(board.wait_line(pattern, since, patience), what, board.text(since))


def watch(scene, desk):
    sub = scene.start_elo("sub", "elo/#", "--json", "--data", desk.data)
    need(sub.wait_line("^Subscribed$"), "elo sub is subscribed", sub.text())
    return sub


def end(board):
    tell(board, "end")
    check(board.wait_end() == 0, "the sketch ends clean", board.text())


class Resuming:
    """A TLS 1.2 server with a session cache and just enough MQTT: what neither AWS nor the desk is.
    `reused` says of each handshake whether it was a short one."""

    def __init__(self, certificate, key):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.maximum_version = ssl.TLSVersion.TLSv1_2
        self.context.options |= ssl.OP_NO_TICKET
        self.context.load_cert_chain(str(certificate), str(key))
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.reused = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                plain, _ = self.socket.accept()
            except OSError:
                return
            try:
                with self.context.wrap_socket(plain, server_side=True) as stream:
                    self.reused.append(stream.session_reused)
                    self.serve(stream)
                    stream.unwrap()
            except OSError:
                pass

    @staticmethod
    def serve(stream):
        data = b""
        while True:
            got = stream.recv(4096)
            if not got:
                return
            data += got
            while len(data) > 2 and len(data) >= 2 + data[1] and data[1] < 128:
                kind, body, data = data[0], data[2:2 + data[1]], data[2 + data[1]:]
                if kind >> 4 == 1:
                    stream.sendall(b"\x20\x02\0\0")
                elif kind >> 4 == 8:
                    stream.sendall(b"\x90\x03" + body[:2] + b"\x01")
                elif kind >> 4 == 14:
                    return
                elif kind >> 4 == 3:
                    at = 2 + int.from_bytes(body[:2], "big")
                    stream.sendall(b"\x40\x02" + body[at:at + 2])


@case
def telemetry(scene):
    """the example Telemetry: a reading up, a command down"""
    desk = scene.desk()
    folder = bundle(scene, desk)
    sub = watch(scene, desk)
    board = sketch(scene, "Telemetry", folder)
    expect(board, r"^online$", "it says that it is online")
    need(sub.wait_line(r'"topic":"elo/kitchen/telemetry","qos":1,.*analog\\":512'),
         "a reading arrives", sub.text())
    for word, level in (("on", "low"), ("off", "high")):
        since = board.mark()
        scene.elo("pub", "elo/kitchen/cmd", "-m", word, "--data", desk.data)
        expect(board, f"^pin 2 {level}$", f"the LED obeys {word}", since)
    text = board.text()
    check("PRIVATE" not in text and PASSWORD not in text, "it prints no secret", text)
    end(board)


@case
def nothing_is_lost(scene):
    """numbered messages through a server that goes away and comes back, and a Wi-Fi that does"""
    ports = endpoints_free()
    desk = scene.desk(ports=ports)
    folder = wide_bundle(scene, desk)
    board = sketch(scene, "Sequence", folder)
    expect(board, "^status online", "it is online")
    sub = watch(scene, desk)
    numbers = lambda: [int(m[1]) for m in sub.matching(r'telemetry.*seq\\":(\d+)')]
    need(sub.wait_for(numbers), "numbers arrive", sub.text())
    since = board.mark()
    station.freeze(board)
    desk.end(signal.SIGKILL)
    need(sub.wait_line("Trying again in"), "elo sub has told all that came", sub.text())
    last = numbers()[-1]
    sub.end()
    station.thaw(board)
    expect(board, "^status .* / E-(CLOSED|PORT-REFUSED|PING|ACK|TLS)", "it says why", since)
    expect(board, "^refused: ", "the outbox fills and says so", since)
    station.freeze(board)
    desk = scene.desk(data=desk.data, ports=ports)
    sub = watch(scene, desk)
    station.thaw(board)
    expect(board, "^status online", "it comes back by itself", since)
    need(sub.wait_for(lambda: len(numbers()) > 20), "numbers arrive again", sub.text())
    first = numbers()[0]
    station.check_unbroken(numbers(), first, numbers()[-1], "after the outage")
    # The desk may have acknowledged what it did not live to hand on: eight are on their way at most.
    check(first <= last + 9, "from where it was", (last, numbers()[:5]))
    since = board.mark()
    tell(board, "wifi down")
    expect(board, "^status joining the Wi-Fi network / the access point is out of reach",
           "without Wi-Fi it says so", since)
    tell(board, "wifi up")
    expect(board, "^status online", "and comes back", since)
    count = len(numbers())
    need(sub.wait_for(lambda: len(numbers()) > count + 20), "numbers arrive once more", sub.text())
    station.check_unbroken(numbers(), first, numbers()[-1], "over both")
    end(board)


@case
def handlers(scene):
    """wildcards, publishing inside a handler, payloads with NULs, and one that is too large"""
    desk = scene.desk()
    folder = wide_bundle(scene, desk)
    sub = watch(scene, desk)
    board = sketch(scene, "Sequence", folder)
    expect(board, "^status online", "it is online")

    def send(*message):
        sent = scene.elo("pub", "elo/kitchen/cmd", *message, "--data", desk.data)
        check(sent.code == 0, "a command is sent", sent.err)
    send("-m", "hello there")
    expect(board, "^echo 11 bytes, taken 1", "the handler has it")
    expect(board, "^any elo/kitchen/cmd hello there$", "and so has the one with a wildcard")
    need(sub.wait_line('"topic":"elo/kitchen/reply","qos":1,.*"payload":"hello there"'),
         "what it published arrives", sub.text())
    since = board.mark()
    payload = scene.path("nul")
    payload.write_bytes(b"ab\0cd")
    send("-f", payload)
    expect(board, "^echo 5 bytes, taken 1", "a payload with a NUL is whole", since)
    need(sub.wait_line('"topic":"elo/kitchen/reply","qos":1,.*"payload":"ab"'),
         "as a C string it ends at the NUL", sub.text())
    since = board.mark()
    send("-m", "")
    expect(board, "^echo 0 bytes, taken 1", "so is an empty one", since)
    since = board.mark()
    send("-m", "x" * 200)
    expect(board, "^status online / E-QUOTA-SIZE", "one larger than the buffer is told", since)
    send("-m", "after")
    expect(board, "^echo 5 bytes, taken 1", "and the next is taken", since)
    end(board)


@case
def reasons(scene):
    """what is wrong is said in words, and mended without a restart where that can be"""
    desk = scene.desk()
    other = scene.desk(data=scene.path("other"))
    good = bundle(scene, desk)
    board = sketch(scene, "Sequence", good, FAKE_CLOCK="1")
    expect(board, "^status asking for the time", "without the time it waits for it")
    expect(board, "^status waiting before the next attempt / E-CLOCK", "and says so")
    tell(board, "time")
    expect(board, "^status online", "with the time it connects")
    end(board)
    board = sketch(scene, "Sequence", good, FAKE_PASSWORD="changed")
    expect(board, "/ the password is wrong", "a wrong Wi-Fi password is named")
    end(board)
    board = sketch(scene, "Sequence", good, FAKE_SSID="elsewhere")
    expect(board, "/ no network of that name is in reach", "so is a wrong network")
    end(board)
    foreign = bundle(scene, other, "foreign")
    for name, files, pattern in (
            ("root", {"ca.pem": (foreign / "ca.pem").read_text()}, "/ E-ROOT"),
            ("pair", {"key.pem": (foreign / "key.pem").read_text()}, "^cannot begin: E-KEYPAIR"),
            ("pem", {"cert.pem": "-----BEGIN CERTIFICATE-----\nAAAA"}, "^cannot begin: E-PEM"),
            ("json", {"config.json": '{"host":'}, "^cannot begin: E-MALFORMED"),
            ("long", {"config.json": json.dumps({"host": "h" * 600})}, "^cannot begin: E-BUFFER"),
            ("none", {"cert.pem": None}, "^cannot begin: E-NOT-FOUND"),
            ("empty", {"config.json": "{}"}, "^cannot begin: E-USAGE")):
        folder = scene.path(name)
        folder.mkdir()
        for path in good.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        for path, text in files.items():
            (folder / path).unlink() if text is None else (folder / path).write_text(text)
        board = sketch(scene, "Sequence", folder)
        expect(board, pattern, f"{name}: {pattern}")
        end(board)


@case
def ended_early(scene):
    """end() before there is a network: it does not connect when there is one"""
    desk = scene.desk()
    board = sketch(scene, "Ends", bundle(scene, desk))
    expect(board, "^status ended$", "it says so")
    check(not board.matching("^status (looking|online)"), "and stays away", board.text())
    end(board)


@case
def deep_sleep(scene):
    """the example DeepSleep: what RTC memory keeps makes the second wake shorter"""
    desk = scene.desk()
    folder = bundle(scene, desk)
    sub = watch(scene, desk)
    board = sketch(scene, "DeepSleep", folder)
    expect(board, "^deep sleep 300$", "it sends and sleeps")
    check(board.matching("^wifi begin home channel 0$"), "first it has to search the network")
    check(board.matching("^delivered after .*; 0 of 1 handshakes resumed"), "delivered",
          board.text())
    board = sketch(scene, "DeepSleep", folder, FAKE_WOKE="1", FAKE_CLOCK="1")
    expect(board, "^deep sleep 300$", "it wakes, sends and sleeps, no time server needed")
    check(board.matching("^wifi begin home channel 6$"), "it goes straight to its access point")
    check(board.matching("^delivered after .*; 0 of 2 handshakes resumed"),
          "the desk, like AWS, resumes no session, and it says so", board.text())
    need(sub.wait_line(r'telemetry.*sent\\":1,\\"lost\\":0'), "it counts", sub.text())


@case
def session_over_sleep(scene):
    """a TLS session kept in RTC memory, with a server that resumes; not under another identity,
    nor with other roots"""
    desk = scene.desk()
    server = Resuming(desk.data / "server.pem", desk.data / "server.key")
    for name in ("kitchen", "other"):
        folder = bundle(scene, desk, name)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "port": server.port}))
    told = []

    def wake(name, **env):
        board = sketch(scene, "DeepSleep", scene.path(name), **env)
        expect(board, "^deep sleep 300$", f"{name} sends and sleeps")
        told.extend(m[1] for m in board.matching(r"^delivered .*; (\d+ of \d+) handshakes resumed"))

    wake("kitchen")
    wake("kitchen", FAKE_WOKE="1")
    wake("kitchen", FAKE_WOKE="1")
    # Its first wake is far from home: nothing comes of it but that it sleeps again.
    wake("other", FAKE_WOKE="1", FAKE_SSID="elsewhere", FAKE_FAST="20")
    wake("other", FAKE_WOKE="1")
    with open(scene.path("other") / "ca.pem", "a") as roots:
        roots.write((VECTORS / "pki/field-ca.crt.pem").read_text())
    wake("other", FAKE_WOKE="1")
    check(server.reused == [False, True, True, False, False], "the server resumed what it should",
          server.reused)
    check(told == ["0 of 1", "1 of 2", "2 of 3", "2 of 4", "2 of 5"], "and the board counts it", told)
    server.socket.close()


@case
def session_of_a_name(scene):
    """EloSecureClient resumes a session for the name that it was made for, and for no other"""
    desk = scene.desk()
    server = Resuming(desk.data / "server.pem", desk.data / "server.key")
    folder = bundle(scene, desk)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "port": server.port}))
    board = sketch(scene, "Names", folder)
    expect(board, "^whole$", "it connects")
    expect(board, "^short$", "again, with the session")
    expect(board, "^E-SERVER-NAME", "the certificate has no such name")
    end(board)
    server.socket.close()


@case
def secure_client(scene):
    """EloSecureClient under an MQTT library: bytes, reconnections, reasons"""
    desk = scene.desk(ports=endpoints_free())
    board = sketch(scene, "Secure", wide_bundle(scene, desk))
    expect(board, "^connack 0, whole handshake$", "it connects")
    expect(board, "^back 2$", "messages come back")
    expect(board, "^back 5$", "and after a reconnection too")
    since = board.mark()
    desk.send_signal(signal.SIGKILL)
    expect(board, "^E-PORT-REFUSED", "without a server it says why", since)
    end(board)


def registers():
    """A BME280's, as the vectors have them, and what they mean."""
    text = (VECTORS / "sensor/bme280.txt").read_text()
    block = text.split("[the same in a BME280]")[1].split("[")[0]
    return " ".join(re.findall(r"^hex +(.*)$", block, re.M)), "25.08", "50.80"


class Whole:
    """The example Station on a line: a board that is flashed, and told nothing yet."""

    def __init__(self, scene):
        self.scene, self.flash = scene, scene.path("flash")
        self.http, self.dns = endpoint_free(), endpoint_free()
        self.plug()

    def plug(self):
        hex_bytes, _, _ = registers()
        self.line = Line(self.scene, ["/usr/bin/env", "FAKE_LINE=1", f"FAKE_FLASH={self.flash}",
                                      f"FAKE_HTTP={self.http}", f"FAKE_DNS={self.dns}",
                                      f"FAKE_SSID={SSID}", f"FAKE_PASSWORD={PASSWORD}",
                                      f"FAKE_BME280={hex_bytes}", os.path.join(SKETCHES, "Station")])
        self.at = 0

    def wait_told(self, pattern, what):
        """Waits until the board has told this, after what was waited for last."""
        self.at = self.line.wait_said(pattern, what, self.at, station.BACKOFF_PATIENCE)

    def ask_page(self, path="/", host="192.168.4.1"):
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=PATIENCE)
        connection.request("GET", path, headers={"Host": host})
        reply = connection.getresponse()
        return reply, reply.read().decode()

    def post(self, body):
        """To /try, in the name of nobody; the status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=PATIENCE)
        connection.request("POST", "/try", body, {
            "Host": "192.168.4.1", "Content-Type": "application/x-www-form-urlencoded"})
        return connection.getresponse().status

    def half_closed(self):
        """What a visitor gets who sends no more after his request."""
        with socket.create_connection(("127.0.0.1", self.http), timeout=PATIENCE) as s:
            s.sendall(b"GET / HTTP/1.1\r\nHost: 192.168.4.1\r\n\r\n")
            s.shutdown(socket.SHUT_WR)
            return s.makefile("rb").read()

    def ask_name(self, name):
        """The addresses that the board's name server has for it."""
        query = b"\x12\x34\x01\x00\x00\x01" + bytes(6)
        query += b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\x00"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(PATIENCE)
            s.sendto(query + b"\x00\x01\x00\x01", ("127.0.0.1", self.dns))
            answer = s.recv(512)
        return socket.inet_ntoa(answer[-4:]) if answer[:2] == query[:2] else answer


@case
def whole_station(scene):
    """the example Station: set up over the serial line, time from a server, a BME280, commands, and
    a queue in flash that survives the power"""
    ports = endpoints_free()
    desk, board = scene.desk(ports=ports), Whole(scene)
    sub = watch(scene, desk)
    numbers = lambda: [int(m[1]) for m in sub.matching(r'kitchen/telemetry.*seq\\":(\d+)')]
    board.wait_told(r"^access point elo-123456 [2-9a-kmnp-z]{12}$", "its own Wi-Fi is open, with a password")
    board.wait_told("^names answered$", "and its portal")
    opened = re.search("^access point.*$", board.line.board_said(), re.M)[0]
    check(board.ask_name("connectivitycheck.gstatic.com") == "192.168.4.1", "every name is the board")
    reply, _ = board.ask_page("/generate_204", "connectivitycheck.gstatic.com")
    check((reply.status, reply.headers["Location"]) == (302, "http://192.168.4.1/"),
          "a phone is sent to the page", reply.status)
    idle = [socket.create_connection(("127.0.0.1", board.http)) for _ in range(9)]
    for _ in range(200):
        reply, page = board.ask_page()
        if "home" in page:
            break
    check(reply.status == 200 and "home" in page and "neighbour" in page,
          "the page has the networks, whoever connects and says nothing", page[-400:])
    for connection in idle:
        connection.close()
    check(board.post(b"t=guessed&bundle=" + b"a" * 12000) == 403,
          "a stranger's form is refused, and he sees that though he was still sending")
    whole = board.half_closed()
    check(whole.startswith(b"HTTP/1.1 200 ") and whole.endswith(b"</html>"),
          "who sends no more still gets the page, whole", whole[-200:])
    secret = scene.path("pass")
    secret.write_text(PASSWORD + "\n")
    added = scene.elo("add", "kitchen", "--data", desk.data, "--port", board.line.path, "--host",
                      "127.0.0.1", "--wifi", SSID, "--wifi-pass-file", secret, "--interval", "1s",
                      "--sensor", "bme280")
    need(added.code == 0 and added.out == "elo-123456\n", "elo add --port", (added, board.line.board_said()))
    board.wait_told("^restart$", "it restarts")
    _, celsius, humidity = registers()
    need(sub.wait_line(rf'kitchen/telemetry.*celsius\\":{celsius}.*source\\":\\"BME280.*humidity\\":{humidity}.*'
                       r'hPa\\":1006\.6', patience=station.BACKOFF_PATIENCE),
       "the BME280's values arrive", (sub.text()[-600:], board.line.board_said()[-600:]))
    command = json.dumps({"id": "a", "relay": "on", "interval": 1})
    scene.elo("pub", "elo/kitchen/cmd", "-m", command, "--data", desk.data)
    board.wait_told("^pin 14 high$", "the relay obeys")
    need(sub.wait_line(r'kitchen/reply.*id\\":\\"a\\",\\"ok\\":true'), "it replies", sub.text())
    need(sub.wait_line(r'kitchen/state.*relay\\":\\"on'), "and tells its state", sub.text())
    need(sub.wait_for(lambda: len(numbers()) > 3), "telemetry goes on", sub.text())
    station.freeze(board.line)
    desk.end(signal.SIGKILL)
    need(sub.wait_line("Trying again in"), "elo sub has told all that came", sub.text())
    sub.end()
    station.thaw(board.line)
    person = Person(board.line)
    person.sees(rb"E-(PORT-REFUSED|TCP-CLOSED|SERVER)", "the serial line says why it is offline")
    made = 0
    while made < max(numbers()) + 8:
        made = int(person.sees(rb'"seq":(\d+)', "it goes on measuring")[1])
    board.line.end(power_cut=True)
    desk = scene.desk(data=desk.data, ports=ports)
    before, sub = numbers(), watch(scene, desk)
    board.plug()
    need(sub.wait_for(lambda: numbers() and max(numbers()) >= made, station.BACKOFF_PATIENCE),
         "what was measured before the power went arrives after it", sub.text())
    station.check_unbroken(numbers(), min(numbers()), made, "from flash")
    # The desk may have acknowledged its last message before handing it on: at most that one.
    check(min(numbers()) <= max(before) + 2, "and nothing in between is missing", (before, numbers()))
    person = Person(board.line)
    person.types(b"\rforget yes\r")
    person.sees(b"Forgotten", "it forgets when it is told to")
    board.wait_told("^" + opened + "$", "and waits to be set up again, with the same password")
    board.line.end()


main()
