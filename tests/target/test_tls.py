#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""lib/ on the ESP8266's CPU: mutual TLS and MQTT against Debian's mosquitto and against our own
desk; and what must fail, fails for its reason."""
import json
import signal
import subprocess

from lx106 import Board, Chain, Device, Mosquitto, check, credentials, need, to_der
from desk import case, main

CLOCK, EXPIRED, ROOT, NAME, PEM, REFUSED = 30, 31, 32, 33, 40, 38


def press(process, keys):
    """Types on the board's serial line."""
    process.popen.stdin.write(keys)
    process.popen.stdin.flush()


@case
def mosquitto(scene):
    """telemetry and a command, against mosquitto with an RSA chain"""
    board, broker = Board(scene), Mosquitto(scene, chain := Chain(scene))
    sub = broker.sub("elo/#")
    probe = board.start("probe", chain.thing("thing"), "localhost", broker.port, "thing",
                        "count=3", "commands=1")
    need(probe.wait_line("^published 3"), "three messages are acknowledged", probe.text())
    check(sub.wait_for(lambda: len(sub.matching(r"^MSG elo/thing/telemetry 1 0 .{100}$")) == 3),
          "and arrive, 100 bytes each", sub.text())
    broker.pub("elo/thing/cmd", "switch it on")
    check(sub.wait_line(r'^MSG elo/thing/reply 1 0 \{"ok":true\}$'), "the command is answered",
          sub.text())
    check(probe.wait_line("^command switch it on$"), "and had arrived whole", probe.text())
    check(probe.wait_end() == 0, "the board ends with 0", probe.text())
    check(broker.process.wait_line(r"New client connected .* as thing \(p2, c1.*u'thing'\)"),
          "mosquitto saw the certificate's name", broker.process.text())
    check(probe.wait_line("^handshake done, fragments of 512"), "fragments were 512 bytes")


@case
def refusals(scene):
    """a wrong name, a wrong root, a clock that is not set, a certificate that is over"""
    board, broker = Board(scene), Mosquitto(scene, chain := Chain(scene))
    thing = chain.thing("thing")
    other, _ = scene.make_self_signed("other")
    to_der(scene, other, thing / "other.der")
    (thing / "broken.der").write_bytes((thing / "other.der").read_bytes()[:-9])
    for what, option, code in (
            ("a wrong name", "name=example.org", NAME),
            ("another root", "ca=other.der", ROOT),
            ("a damaged root", "ca=broken.der", PEM),
            ("no root", "ca=none.der", PEM),
            ("a clock before its floor", "now=1000000000", CLOCK),
            ("a clock before the certificate", "now=1767225601", CLOCK),
            ("a clock behind the certificate", "now=4000000000", EXPIRED)):
        result = board.run("probe", thing, "localhost", broker.port, "thing", option)
        check(result.code == 1 and f"failed -{code}\n" in result.out, f"{what}: error -{code}",
              result)
        check("online" not in result.out, "and nothing was sent in confidence", result.out)
    result = board.run("probe", thing, "localhost", broker.port, "thing")
    check(result.code == 0, "without any of it the same board connects", result)
    stranger = credentials(scene, chain.root, Device("stranger", *scene.make_self_signed("own"),
                                                     "", ""))
    result = board.run("probe", stranger, "localhost", broker.port, "stranger")
    check(result.code == 1 and "online" not in result.out, "a stranger is turned away", result)
    note = result.out.strip().splitlines()[-1]
    check(note in ("failed -38", "failed -35"), f"and knows why: {note}", result)


@case
def oversize(scene):
    """a message larger than the device's buffers goes by"""
    board, broker = Board(scene), Mosquitto(scene, chain := Chain(scene))
    probe = board.start("probe", chain.thing("thing"), "localhost", broker.port, "thing",
                        "commands=2")
    need(probe.wait_line("^published 1"), "the board is there", probe.text())
    broker.pub("elo/thing/cmd", "x" * 5000)
    check(probe.wait_line(r"^oversize 50\d\d"), "5,000 bytes are said to be too many", probe.text())
    broker.pub("elo/thing/cmd", "still there?")
    check(probe.wait_line(r"^command still there\?"), "and the next command arrives", probe.text())
    check(probe.wait_end() == 0, "the board ends with 0", probe.text())


@case
def network_gone(scene):
    """the network goes; the board queues, waits longer each time, comes back, delivers in order"""
    board, broker = Board(scene), Mosquitto(scene, chain := Chain(scene))
    sub = broker.sub("elo/thing/telemetry")
    # Its waits pass ten times faster than ours; a PUBACK that took a second would be late.
    probe = board.start("probe", chain.thing("thing"), "localhost", broker.port, "thing", "serial",
                        options=["--speed", "10"], stdin=subprocess.PIPE)
    need(probe.wait_line("^online thing"), "the board is online", probe.text())
    press(probe, "pp")
    need(probe.wait_line("^published 2"), "two messages are acknowledged", probe.text())
    probe.send_signal(signal.SIGUSR1)
    need(probe.wait_line("^network down"), "the network is taken away", probe.text())
    need(probe.wait_line(r"^offline 23$"), "the board notices", probe.text())
    press(probe, "ppp")
    need(probe.wait_for(lambda: len(probe.matching(r"^offline 24$")) >= 2),
         "and tries again, in vain", probe.text())
    since = probe.mark()
    probe.send_signal(signal.SIGUSR2)
    need(probe.wait_line("^online thing", since), "with the network it is online again",
         probe.text())
    need(probe.wait_line("^published 5"), "what was queued is acknowledged", probe.text())
    press(probe, "p")
    need(probe.wait_line("^published 6"), "and what comes after it", probe.text())
    press(probe, "q")
    check(probe.wait_end() == 0, "the board ends with 0", probe.text())
    seen = [m[1] for m in sub.matching(r'^MSG elo/thing/telemetry 1 0 \{"seq":(\d)')]
    check(seen == list("123456"), "every message once, in order", seen)


@case
def broker_killed(scene):
    """the broker dies in the middle of it; nothing that was not acknowledged is lost"""
    board, broker = Board(scene), Mosquitto(scene, chain := Chain(scene))
    probe = board.start("probe", chain.thing("thing"), "localhost", broker.port, "thing", "serial",
                        options=["--speed", "10"], stdin=subprocess.PIPE)
    press(probe, "p")
    need(probe.wait_line("^published 1"), "a message is acknowledged", probe.text())
    broker.process.end(signal.SIGKILL)
    need(probe.wait_line(r"^offline \d+$"), "the board notices", probe.text())
    press(probe, "pp")
    broker.start()
    press(probe, "p")
    need(probe.wait_line("^published 4"), "all is acknowledged by its successor", probe.text())
    press(probe, "q")
    check(probe.wait_end() == 0, "the board ends with 0", probe.text())
    got = broker.process.matching(r"Received PUBLISH from thing \(d(\d), q1")
    check(len(got) == 3, "three messages were its", broker.process.text())


@case
def desk(scene):
    """against our own server, whose chain is EC"""
    board = Board(scene)
    d = scene.desk()
    d.make_policy("all", ("iot:*", "*"))
    device = d.make_device("thing", "all")
    folder = credentials(scene, d.ca, device)
    sub = d.sub(d.make_device("person", "all"), "elo/#")
    probe = board.start("probe", folder, "localhost", d.mqtts_port, "thing", "count=2",
                        "commands=1")
    need(probe.wait_line("^published 2"), "two messages are acknowledged", probe.text())
    check(sub.wait_line(r"^MSG elo/thing/telemetry \d 0 .{100}$"), "and arrive", sub.text())
    result = d.elo_aws("iot-data", "publish", "--topic", "elo/thing/cmd", "--qos", "1",
                       "--cli-binary-format", "raw-in-base64-out", "--payload",
                       json.dumps({"id": "1"}))
    check(result.code == 0, "a command by the API", result.err)
    check(sub.wait_line(r'^MSG elo/thing/reply \d 0 \{"ok":true\}$'), "is answered", sub.text())
    check(probe.wait_end() == 0, "the board ends with 0", probe.text())


main()
