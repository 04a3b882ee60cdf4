#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""The device side against a broker that we did not write: Debian's mosquitto with mutual TLS, and a
CA and certificates that openssl made. Bundles are made by hand, as a user of another broker would.
What works here does not lean on anything that only our own server does."""
import json
import re
import signal

import station
from desk import Device, case, check, endpoint_free, main, mosquitto_options, need


class Broker:
    def __init__(self, scene):
        self.scene, self.port, self.process = scene, endpoint_free(), None
        self.make_ca()
        self.make_certificate("broker", "subjectAltName=DNS:localhost")
        self.conf = scene.path("mosquitto.conf")
        self.conf.write_text(
            f"listener {self.port} localhost\ncafile {self.ca}\n"
            f"certfile {scene.path('broker.pem')}\nkeyfile {scene.path('broker.key')}\n"
            "require_certificate true\nuse_identity_as_username true\nallow_anonymous false\n"
            "persistence false\nuser root\nlog_type all\n")

    def make_ca(self):
        key = self.scene.make_key("ca")
        self.ca = self.scene.path("ca.pem")
        self.scene.openssl("req", "-x509", "-new", "-key", key, "-subj", "/CN=A CA by openssl",
                           "-days", "30", "-addext", "keyUsage=critical,keyCertSign", "-out",
                           self.ca)

    def make_certificate(self, name, extension="extendedKeyUsage=clientAuth"):
        key = self.scene.make_key(name)
        csr = self.scene.make_csr(name, key)
        extensions = self.scene.path("extensions")
        extensions.write_text(extension + "\n")
        cert = self.scene.path(f"{name}.pem")
        self.scene.openssl("x509", "-req", "-in", csr, "-CA", self.ca, "-CAkey",
                           self.scene.path("ca.key"), "-CAcreateserial", "-days", "30",
                           "-extfile", extensions, "-out", cert)
        return Device(name, cert, key, "", "")

    def configure(self, line):
        self.conf.write_text(self.conf.read_text() + line + "\n")

    def start(self):
        self.process = self.scene.start("mosquitto", "-c", self.conf)
        need(self.process.wait_line(r"mosquitto version .* running"), "mosquitto runs",
             self.process.text())

    def stop(self):
        check(self.process.end() == 0, "mosquitto has ended", self.process.text())

    def bundle(self, name):
        """A folder with the four files of a bundle, written by hand."""
        device = self.make_certificate(name)
        folder = self.scene.path(f"bundle-{name}")
        folder.mkdir()
        (folder / "ca.pem").write_bytes(self.ca.read_bytes())
        (folder / "cert.pem").write_bytes(device.cert.read_bytes())
        (folder / "key.pem").write_bytes(device.key.read_bytes())
        (folder / "key.pem").chmod(0o600)
        (folder / "config.json").write_text(json.dumps(
            {"thingName": name, "clientId": name, "host": "localhost", "port": self.port,
             "prefix": f"shed/{name}"}))
        return folder

    def sub(self, device, topic, *options):
        process = self.scene.start(
            "stdbuf", "-oL", "mosquitto_sub",
            *mosquitto_options("localhost", self.port, self.ca, device), "-d", "-t", topic, "-q",
            "1", "-F", "MSG %t %q %r %p", *options)
        need(process.wait_line("^Subscribed "), f"mosquitto_sub is subscribed to {topic}",
             process.text())
        return process

    def pub(self, device, topic, message, *options):
        result = self.scene.run("mosquitto_pub",
                                *mosquitto_options("localhost", self.port, self.ca, device,
                                                   f"{device.name}-pub"),
                                "-t", topic, "-m", message, "-q", "1", *options)
        check(result.code == 0, f"mosquitto_pub sends to {topic}", result.err)


@case
def telemetry_and_command(scene):
    """what comes up arrives, what goes down is obeyed and answered"""
    broker = Broker(scene)
    broker.start()
    person = broker.make_certificate("person")
    sub = broker.sub(person, "shed/#")
    device = station.run(scene, broker.bundle("pump"))
    station.wait_online(device)
    need(station.wait_seq(sub, 2), "telemetry arrives at mosquitto_sub", sub.text())
    check(sub.wait_line(r'^MSG shed/pump/state 1 0 .*"led":"off"'), "and the state", sub.text())
    check(broker.process.wait_line(r"New client connected .* as pump \(p\d, c1.*u'pump'\)"),
          "mosquitto saw the certificate's name", broker.process.text())
    broker.pub(person, "shed/pump/cmd", station.command({"id": "c1", "led": "on"}))
    check(sub.wait_line(r'^MSG shed/pump/reply 1 0 \{"id":"c1","ok":true\}$'),
          "the command is answered", sub.text())
    check(sub.wait_line(r'^MSG shed/pump/state 1 0 .*"led":"on"'), "the state follows", sub.text())
    broker.pub(person, "shed/pump/cmd", station.command({"id": "c2", "led": "purple"}))
    check(sub.wait_line(r'^MSG shed/pump/reply 1 0 \{"id":"c2","ok":false,"error":'),
          "a command that makes no sense is answered with an error", sub.text())
    code = device.end(signal.SIGTERM)
    check(code == 0, "the device ends with 0, everything delivered", f"{code}\n{device.text()}")


@case
def broker_restarts(scene):
    """the broker goes away; the device queues, comes back and delivers in order"""
    broker = Broker(scene)
    broker.start()
    person = broker.make_certificate("person")
    before = broker.sub(person, "shed/pump/telemetry")
    device = station.run(scene, broker.bundle("pump"))
    need(station.wait_seq(before, 2), "telemetry arrives", before.text())
    since = device.mark()
    broker.stop()
    need(device.wait_line("^offline ", since), "the device notices", device.text())
    need(device.wait_for(lambda: len(station.queued(device, since)) >= 4),
         "it goes on measuring and queues", device.text())
    seen = station.heard(before)
    station.freeze(device)
    broker.start()
    after = broker.sub(person, "shed/pump/telemetry")
    station.thaw(device)
    station.wait_online(device, since)
    last = station.made(device)
    need(station.wait_seq(after, last + 1), "the queue arrives, and what is new after it",
         after.text())
    station.check_unbroken(seen + station.seqs(after), 1, last + 1, "before and after together")
    check(device.matching(r"trying again in \d+\.\d s"), "it said when it would try again",
          device.text())
    code = device.end()
    check(code == 0, "the device ends with 0", f"{code}\n{device.text()}")


@case
def broker_killed(scene):
    """kill -9 on the broker under traffic: still nothing is skipped"""
    broker = Broker(scene)
    broker.start()
    person = broker.make_certificate("person")
    before = broker.sub(person, "shed/pump/telemetry")
    device = station.run(scene, broker.bundle("pump"))
    need(station.wait_seq(before, 2), "telemetry arrives", before.text())
    since = device.mark()
    broker.process.end(signal.SIGKILL)
    need(device.wait_for(lambda: len(station.queued(device, since)) >= 2), "the device queues",
         device.text())
    seen = station.heard(before)
    station.freeze(device)
    broker.start()
    after = broker.sub(person, "shed/pump/telemetry")
    station.thaw(device)
    station.wait_online(device, since)
    need(station.wait_seq(after, station.made(device)), "the queue arrives", after.text())
    # mosquitto may have acknowledged its last message before handing it on: at most that one.
    numbers = station.seqs(after)
    check(seen[-1] <= numbers[0] <= seen[-1] + 2, "it goes on where it was", (seen, numbers))
    station.check_unbroken(numbers, numbers[0], numbers[-1], "after the crash")
    device.end()


@case
def sub_and_pub(scene):
    """elo sub and elo pub with --bundle"""
    broker = Broker(scene)
    broker.start()
    one, two = broker.bundle("one"), broker.bundle("two")
    sub = scene.start_elo("sub", "shed/#", "--bundle", one, "-C", "2", "--json")
    need(sub.wait_line("^Subscribed$"), "elo sub says Subscribed", sub.text())
    for qos in ("1", "0"):
        sent = scene.elo("pub", "shed/word", "-m", f"hello {qos}", "-q", qos, "--bundle", two)
        check(sent.code == 0, f"elo pub with QoS {qos} ends with 0", sent.err)
    check(sub.wait_end() == 0, "elo sub ends with 0 after two messages", sub.text())
    got = [json.loads(line) for line in sub.lines if line.startswith("{")]
    check([(m["topic"], m["payload"], m["qos"]) for m in got] ==
          [("shed/word", "hello 1", 1), ("shed/word", "hello 0", 0)], "with what was sent", got)
    sent = scene.elo("pub", "shed/kept", "-", "--retain", "--bundle", two, stdin="from a pipe")
    check(sent.code == 0, "elo pub - --retain ends with 0", sent.err)
    late = scene.elo("sub", "shed/kept", "-C", "1", "--bundle", one)
    check(late.code == 0 and late.out == "shed/kept (retained) from a pipe\n",
          "elo sub shows a retained message as such", late)
    none = scene.elo("sub", "shed/silence", "-C", "1", "-W", "1", "--bundle", one)
    check(none.code == 9, "elo sub -C 1 -W 1 ends with 9 when nothing comes", none)


@case
def mqtt5_telemetry_and_command(scene):
    """MQTT 5: the same road, with topic aliases and the broker's terms"""
    broker = Broker(scene)
    broker.configure("max_keepalive 30")
    broker.start()
    person = broker.make_certificate("person")
    sub = broker.sub(person, "shed/#", "-k", "30")  # 3.1.1 cannot be told a shorter one
    device = station.run(scene, broker.bundle("pump"), "--mqtt5", "--persistent")
    station.wait_online(device)
    check(broker.process.wait_line(r"New client connected .* as pump \(p5, c0.*u'pump'\)"),
          "mosquitto saw MQTT 5", broker.process.text())
    need(station.wait_seq(sub, 3), "telemetry arrives at mosquitto_sub", sub.text())
    station.check_unbroken(station.seqs(sub), 1, 3, "telemetry under an alias")
    broker.pub(person, "shed/pump/cmd", station.command({"id": "c1", "led": "on"}), "-V", "5",
               "-D", "PUBLISH", "response-topic", "shed/answer", "-D", "PUBLISH",
               "user-property", "k", "v", "-D", "PUBLISH", "message-expiry-interval", "60")
    check(sub.wait_line(r'^MSG shed/pump/reply 1 0 \{"id":"c1","ok":true\}$'),
          "the command is answered", sub.text())
    code = device.end(signal.SIGTERM)
    check(code == 0, "the device ends with 0, everything delivered", f"{code}\n{device.text()}")


@case
def mqtt5_broker_restarts(scene):
    """MQTT 5: the queue of an outage arrives in order, its aliases made anew"""
    broker = Broker(scene)
    broker.start()
    person = broker.make_certificate("person")
    before = broker.sub(person, "shed/pump/telemetry")
    device = station.run(scene, broker.bundle("pump"), "--mqtt5")
    need(station.wait_seq(before, 2), "telemetry arrives", before.text())
    since = device.mark()
    broker.stop()
    need(device.wait_for(lambda: len(station.queued(device, since)) >= 3),
         "it goes on measuring and queues", device.text())
    seen = station.heard(before)
    station.freeze(device)
    broker.configure("max_topic_alias 0")
    broker.start()
    after = broker.sub(person, "shed/pump/telemetry")
    station.thaw(device)
    station.wait_online(device, since)
    last = station.made(device)
    need(station.wait_seq(after, last + 1), "the queue arrives at a broker that takes no aliases",
         after.text())
    station.check_unbroken(seen + station.seqs(after), 1, last + 1, "before and after together")
    code = device.end()
    check(code == 0, "the device ends with 0", f"{code}\n{device.text()}")


@case
def mqtt5_reasons(scene):
    """MQTT 5: a publish that the broker's ACL forbids is refused by name and not sent again"""
    broker = Broker(scene)
    acl = scene.path("acl")
    acl.write_text("pattern read #\npattern write shed/open/#\n")
    broker.configure(f"acl_file {acl}")
    broker.start()
    one = broker.bundle("one")
    good = scene.elo("pub", "shed/open/a", "-m", "b", "--bundle", one, "--mqtt5")
    check(good.code == 0, "what is allowed is sent", good.err)
    bad = scene.elo("pub", "shed/closed", "-m", "b", "--bundle", one, "--mqtt5")
    check(bad.code == 5 and "E-PUBACK" in bad.err and "reason 0x87" in bad.err,
          "what is not is refused, with the reason code", bad)
    device = station.run(scene, broker.bundle("pump"), "--mqtt5", "--count", "2")
    check(device.wait_end() == 5, "a device whose telemetry is refused ends with 5", device.text())
    check(len(device.matching(r"^not sent    E-PUBACK: .*reason 0x87")) >= 2, "and says so",
          device.text())


@case
def mqtt5_terms(scene):
    """MQTT 5: what the broker's terms do not allow is not sent to it"""
    broker = Broker(scene)
    broker.configure("max_packet_size 200\nmax_qos 0")
    broker.start()
    one = broker.bundle("one")
    sent = scene.elo("pub", "shed/word", "-m", "x" * 100, "-q", "0", "--bundle", one, "--mqtt5")
    check(sent.code == 0, "what fits is sent", sent.err)
    sent = scene.elo("pub", "shed/word", "-m", "x" * 200, "-q", "0", "--bundle", one, "--mqtt5")
    check(sent.code != 0 and "E-QUOTA-SIZE" in sent.err, "what is over Maximum Packet Size is not",
          sent)
    sent = scene.elo("pub", "shed/word", "-m", "x", "--bundle", one, "--mqtt5")
    check(sent.code != 0 and "E-UNSUPPORTED" in sent.err, "nor what is over Maximum QoS", sent)


@case
def mqtt5_sub_and_pub(scene):
    """elo sub and elo pub with MQTT 5, among mosquitto's clients of MQTT 5"""
    broker = Broker(scene)
    broker.start()
    person = broker.make_certificate("person")
    one = broker.bundle("one")
    sub = scene.start_elo("sub", "shed/#", "--bundle", one, "-C", "2", "--json", "--mqtt5")
    need(sub.wait_line("^Subscribed$"), "elo sub says Subscribed", sub.text())
    sent = scene.elo("pub", "shed/word", "-m", "hello", "-q", "0", "--bundle", broker.bundle("two"),
                     "--mqtt5")
    check(sent.code == 0, "elo pub with QoS 0 ends with 0", sent.err)
    broker.pub(person, "shed/word", "there", "-V", "5", "-D", "PUBLISH", "content-type", "text")
    check(sub.wait_end() == 0, "elo sub ends with 0 after two messages", sub.text())
    got = [json.loads(line) for line in sub.lines if line.startswith("{")]
    check([m["payload"] for m in got] == ["hello", "there"], "with what was sent", got)


@case
def refused(scene):
    """what the broker refuses, the device refuses, or is not there"""
    broker = Broker(scene)
    broker.start()
    stranger = broker.bundle("stranger")
    cert, key = scene.make_self_signed("stranger-own")
    (stranger / "cert.pem").write_bytes(cert.read_bytes())
    (stranger / "key.pem").write_bytes(key.read_bytes())
    result = scene.elo("pub", "a", "-m", "b", "--bundle", stranger)
    check(result.code in (5, 7) and re.search("elo: E-(CERT-REFUSED|TLS-ALERT|ROOT)", result.err),
          f"a certificate of no known CA is refused by the broker ({result.code})", result)
    suspicious = broker.bundle("suspicious")
    other, _ = scene.make_self_signed("other-ca")
    (suspicious / "ca.pem").write_bytes(other.read_bytes())
    result = scene.elo("pub", "a", "-m", "b", "--bundle", suspicious)
    check(result.code == 7 and "elo: E-ROOT" in result.err,
          "a broker of no known CA is refused by us", result)
    elsewhere = broker.bundle("elsewhere")
    config = json.loads((elsewhere / "config.json").read_text())
    (elsewhere / "config.json").write_text(json.dumps({**config, "serverName": "other.example"}))
    result = scene.elo("pub", "a", "-m", "b", "--bundle", elsewhere)
    check(result.code == 7 and "elo: E-SERVER-NAME" in result.err,
          "a broker of another name is refused by us", result)
    good = broker.bundle("good")
    check(scene.elo("pub", "a", "-m", "b", "--bundle", good).code == 0, "and the right one is not")
    broker.stop()
    result = scene.elo("pub", "a", "-m", "b", "--bundle", good)
    check(result.code == 6 and "elo: E-PORT-REFUSED" in result.err,
          "a broker that is not there", result)


if __name__ == "__main__":
    main()
