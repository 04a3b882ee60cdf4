#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""A device from nothing, on our own desk: `elo add`, `elo device`, `elo sub`, `elo pub`. The desk
stops for half a minute and comes back; and bundles that are wrong in one thing each."""
import json
import os
import re
import shutil
import signal
import stat
import time

import station
from desk import case, check, endpoint_free, endpoints_free, main, need, note

OUTAGE = 30.0  # seconds; the one place in these tests where real time has to pass


def add(scene, desk, name):
    """`elo add`; the bundle's folder."""
    folder = scene.path(name)
    result = scene.elo("add", name, "--out", folder, "--data", desk.data)
    need(result.code == 0, f"elo add {name}", result.err)
    check(result.out == f"{folder}\n", "it prints the folder", result.out)
    return folder


def watcher(desk):
    """An identity that may see and say everything, for mosquitto's clients."""
    policy = desk.make_policy("watcher", ("iot:*", "*"))
    return desk.make_device("watcher", policy)


@case
def from_nothing(scene):
    """add, device, sub, pub: telemetry up, a command down, an answer up"""
    desk = scene.desk()
    folder = add(scene, desk, "kitchen")
    check(sorted(os.listdir(folder)) == ["ca.pem", "cert.pem", "config.json", "key.pem"],
          "the bundle has its four files", os.listdir(folder))
    check(stat.S_IMODE((folder / "key.pem").stat().st_mode) == 0o600, "the key is private")
    config = json.loads((folder / "config.json").read_text())
    check((config["clientId"], config["port"]) == ("kitchen", desk.mqtts_port),
          "config.json says where and as whom", config)
    sub = scene.start_elo("sub", "elo/#", "--json", "--data", desk.data)
    need(sub.wait_line("^Subscribed$"), "elo sub is subscribed", sub.text())
    device = station.run(scene, folder)
    station.wait_online(device)

    def wait(kind, member):
        line = rf'^{{.*"topic":"elo/kitchen/{kind}","qos":1,.*{re.escape(member)}'
        return check(sub.wait_line(line), f"{kind} arrives with {member}", sub.text())
    wait("telemetry", r'\"seq\":1,')
    wait("state", r'\"led\":\"off\"')
    check(sub.wait_line(r'^{.*"topic":"elo/kitchen/describe".*"retain":(true|false).*controls'),
          "it describes itself", sub.text())
    sent = scene.elo("pub", "elo/kitchen/cmd", "-m", station.command({"id": "a", "led": "on"}),
                     "--data", desk.data)
    check(sent.code == 0, "elo pub sends a command", sent.err)
    wait("reply", r'\"id\":\"a\",\"ok\":true')
    wait("state", r'\"led\":\"on\"')
    scene.elo("pub", "elo/kitchen/cmd", "-m", station.command({"id": "b", "led": "on", "x": 1}),
              "--data", desk.data)
    wait("reply", r'\"id\":\"b\",\"ok\":false')
    late = scene.elo("sub", "elo/kitchen/describe", "-C", "1", "-W", "30s", "--json", "--data", desk.data)
    check(late.code == 0 and '"retain":true' in late.out and "interval" in late.out,
          "who comes later reads its description", late)
    since = device.mark()
    scene.elo("pub", "elo/kitchen/cmd", "-m", station.command({"id": "c", "restart": True}),
              "--data", desk.data)
    wait("reply", r'\"id\":\"c\",\"ok\":true')
    check(device.wait_line("^restart ", since), "it restarts when it is told to", device.text())
    check(device.wait_line("^offline +said goodbye", since) and
          device.wait_line(r"^telemetry .*\"seq\":1,", since), "and begins anew", device.text())
    check(device.end() == 0, "the device ends with 0", device.text())
    check(sub.end() in (143, -signal.SIGTERM), "elo sub ends", sub.text())
    counted = scene.elo("device", "--bundle", folder, "--interval", "1s", "--count", "2")
    check(counted.code == 0 and len(re.findall("^telemetry", counted.out, re.M)) == 2,
          "elo device --count 2 delivers two and ends with 0", counted)


@case
def mqtt5(scene):
    """the same road with MQTT 5: telemetry under aliases, a command down, and reasons by code"""
    desk = scene.desk()
    folder = add(scene, desk, "kitchen")
    sub = scene.start_elo("sub", "elo/#", "--json", "--mqtt5", "--data", desk.data)
    need(sub.wait_line("^Subscribed$"), "elo sub is subscribed", sub.text())
    device = station.run(scene, folder, "--mqtt5", "--persistent")
    station.wait_online(device)
    for seq in (1, 2, 3):
        check(sub.wait_line(rf'^{{.*"topic":"elo/kitchen/telemetry".*"seq\\":{seq},'),
              f"telemetry {seq} arrives", sub.text())
    sent = scene.elo("pub", "elo/kitchen/cmd", "-m", station.command({"id": "a", "led": "on"}),
                     "--mqtt5", "--data", desk.data)
    check(sent.code == 0, "elo pub sends a command", sent.err)
    check(sub.wait_line(r'^{.*"topic":"elo/kitchen/reply".*\\"ok\\":true'), "and is answered",
          sub.text())
    check(device.end() == 0, "the device ends with 0", device.text())
    refused = scene.elo("pub", "elo/garage/cmd", "-m", "x", "--mqtt5", "--bundle", folder)
    check(refused.code == 5 and "E-PUBACK" in refused.err and "reason 0x87" in refused.err,
          "a publish that the policy forbids is refused by its reason code", refused)
    refused = scene.elo("sub", "elo/garage/cmd", "--mqtt5", "--bundle", folder)
    check(refused.code == 5 and "E-SUBACK" in refused.err and "reason 0x87" in refused.err,
          "so is a subscription", refused)
    refused = scene.elo("pub", "a", "-m", "x", "--mqtt5", "--bundle", folder, "--client-id",
                        "somebody")
    check(refused.code == 5 and "E-NOT-AUTHORIZED" in refused.err and "reason 0x87" in refused.err,
          "so is a client id", refused)
    first = scene.start_elo("sub", "elo/kitchen/cmd", "--mqtt5", "--bundle", folder)
    need(first.wait_line("^Subscribed$"), "one client", first.text())
    second = scene.start_elo("sub", "elo/kitchen/cmd", "--mqtt5", "--bundle", folder)
    check(first.wait_line("reason 0x8E"), "is told that another took its place", first.text())
    check(first.wait_end() == 5, "and ends with 5", first.text())
    second.end()


@case
def add_is_whole_or_not(scene):
    """elo add on what exists already, under bad names, into places that cannot be written"""
    desk = scene.desk()
    folder = add(scene, desk, "kitchen")
    key = (folder / "key.pem").read_bytes()
    again = scene.elo("add", "kitchen", "--out", folder, "--data", desk.data)
    check(again.code == 10 and (folder / "key.pem").read_bytes() == key,
          "a folder that is there is left alone, exit code 10", again)

    def desk_has():
        return (desk.must("GET", "/things")["things"],
                [c["certificateId"] for c in desk.must("GET", "/certificates")["certificates"]],
                [p["policyName"] for p in desk.must("GET", "/policies")["policies"]])
    before = desk_has()
    nowhere = scene.elo("add", "cellar", "--out", scene.path("no", "such", "place"), "--data",
                        desk.data)
    check(nowhere.code != 0 and desk_has() == before,
          "when the folder cannot be written, nothing stays on the desk", nowhere)
    for bad in ("a b", "a/b", "ä", "", "x" * 129):
        result = scene.elo("add", bad, "--out", scene.path("bad"), "--data", desk.data)
        check(result.code == 2, f"'{bad[:10]}' is no name, exit code 2", result)
    check(desk_has() == before and not scene.path("bad").exists(), "and nothing was made")
    other = add(scene, desk, "cellar")
    check(len(desk.must("GET", "/policies")["policies"]) == 1,
          "a second device shares the first one's policy")
    stolen = scene.elo("pub", "elo/kitchen/telemetry", "-m", "{}", "--bundle", other)
    check(stolen.code == 5 or "E-POLICY-TOPIC" in stolen.err,
          "and yet cannot speak in its place", stolen)


@case
def outage(scene):
    """the desk is away for half a minute: the device queues, and nothing is lost or out of order"""
    ports = endpoints_free()
    desk = scene.desk(ports=ports)
    folder = add(scene, desk, "kitchen")
    person = watcher(desk)
    before = desk.sub(person, "elo/kitchen/telemetry", "-q", "1")
    device = station.run(scene, folder)
    need(station.wait_seq(before, 3), "telemetry arrives", before.text())
    since = device.mark()
    desk.stop()
    gone = time.monotonic()
    need(device.wait_line("^offline ", since), "the device notices", device.text())
    left = OUTAGE - (time.monotonic() - gone)
    note(f"waiting for {left:.0f} s of outage, as a user's router would be away")
    device.wait_for(lambda: time.monotonic() - gone >= OUTAGE, OUTAGE)
    waiting = station.queued(device, since)
    check(len(waiting) >= OUTAGE * 0.8, f"{len(waiting)} messages wait in the outbox", waiting)
    seen = station.heard(before)
    station.freeze(device)
    desk = scene.desk(ports=ports)
    check(desk.ports == ports, "the desk is back on the same ports", desk.ports)
    after = desk.sub(person, "elo/kitchen/telemetry", "-q", "1")
    station.thaw(device)
    station.wait_online(device, since)
    last = station.made(device)
    need(station.wait_seq(after, last + 2), "the queue arrives, and what is new after it",
         after.text())
    station.check_unbroken(seen + station.seqs(after), 1, last + 2, "before and after together")
    check(not device.matching("older messages dropped"), "nothing was dropped", device.text())
    sent = scene.elo("pub", "elo/kitchen/cmd", "-m", station.command({"id": 7, "relay": "on"}),
                     "--data", desk.data)
    check(sent.code == 0 and device.wait_line("^command .*relay on", since),
          "and commands reach it again", device.text())
    check(device.end() == 0, "the device ends with 0", device.text())


@case
def killed_desk(scene):
    """kill -9 on the desk under traffic: what was acknowledged is there, the device goes on"""
    ports = endpoints_free()
    desk = scene.desk(ports=ports)
    folder = add(scene, desk, "kitchen")
    person = watcher(desk)
    before = desk.sub(person, "elo/kitchen/telemetry", "-q", "1")
    device = station.run(scene, folder)
    need(station.wait_seq(before, 2), "telemetry arrives", before.text())
    since = device.mark()
    desk.end(signal.SIGKILL)
    need(device.wait_for(lambda: len(station.queued(device, since)) >= 2), "the device queues",
         device.text())
    seen = station.heard(before)
    station.freeze(device)
    desk = scene.desk(ports=ports)
    after = desk.sub(person, "elo/kitchen/telemetry", "-q", "1")
    station.thaw(device)
    station.wait_online(device, since)
    last = station.made(device)
    need(station.wait_seq(after, last), "the queue arrives", after.text())
    numbers = station.seqs(after)
    check(seen[-1] <= numbers[0] <= seen[-1] + 2, "it goes on where it was", (seen, numbers))
    station.check_unbroken(numbers, numbers[0], last, "after the crash")
    check(device.end() == 0, "the device ends with 0", device.text())


@case
def killed_device(scene):
    """kill -9 on the device with the desk away: what it had queued arrives after its next start"""
    ports = endpoints_free()
    desk = scene.desk(ports=ports)
    folder = add(scene, desk, "kitchen")
    person = watcher(desk)
    before = desk.sub(person, "elo/kitchen/telemetry", "-q", "1")
    device = station.run(scene, folder)
    need(station.wait_seq(before, 2), "telemetry arrives", before.text())
    since = device.mark()
    desk.stop()
    need(device.wait_for(lambda: len(station.queued(device, since)) >= 3), "the device queues",
         device.text())
    device.end(signal.SIGKILL)
    seen = station.heard(before)
    last = station.made(device)
    second = station.run(scene, folder)
    need(second.wait_line(r"^outbox +([3-9]|\d\d+) messages wait from before"), "its next life knows of them",
         second.text())
    need(second.wait_for(lambda: len(station.queued(second, 0)) >= 2), "and queues more",
         second.text())
    check(station.queued(second, 0)[0] == last + 1, "with the numbers that follow", second.text())
    second.end(signal.SIGKILL)
    last = station.made(second)
    desk = scene.desk(ports=ports)
    after = desk.sub(person, "elo/kitchen/telemetry", "-q", "1")
    third = station.run(scene, folder)
    need(station.wait_seq(after, last + 2), "all of it arrives, and what is new after it",
         after.text())
    station.check_unbroken(seen + station.seqs(after), 1, last + 2, "over two kills")
    check(third.end() == 0, "the device ends with 0", third.text())
    fourth = station.run(scene, folder, "--count", "1")
    need(fourth.wait_end() == 0, "nothing waits any more", fourth.text())
    check(station.made(fourth) == 1, "and numbers begin anew", fourth.text())


@case
def full_outbox(scene):
    """an outbox too small for the outage drops the oldest, says so, and keeps the order"""
    ports = endpoints_free()
    desk = scene.desk(ports=ports)
    folder = add(scene, desk, "kitchen")
    person = watcher(desk)
    device = station.run(scene, folder, "--outbox", "600")
    station.wait_online(device)
    since = device.mark()
    desk.stop()
    need(device.wait_line(r"^outbox +full: \d+ older", since), "it drops the oldest and says so",
         device.text())
    station.freeze(device)
    desk = scene.desk(ports=ports)
    after = desk.sub(person, "elo/kitchen/telemetry", "-q", "1")
    station.thaw(device)
    station.wait_online(device, since)
    last = station.made(device)
    need(station.wait_seq(after, last + 1), "the newest arrive", after.text())
    numbers = station.seqs(after)
    check(numbers == sorted(set(numbers)) and numbers[0] > 1, "in order, the oldest are missing",
          numbers)
    check(device.end() == 0, "the device ends with 0", device.text())


@case
def count_over_a_full_outbox(scene):
    """--count counts what is delivered: what a full outbox dropped is measured anew"""
    ports = endpoints_free()
    desk = scene.desk(ports=ports)
    folder = add(scene, desk, "kitchen")
    person = watcher(desk)
    desk.stop()
    device = station.run(scene, folder, "--outbox", "256", "--count", "3")
    need(device.wait_line(r"^outbox +full: \d+ older"), "two fit: the third drops the first",
         device.text())
    station.freeze(device)
    desk = scene.desk(ports=ports)
    after = desk.sub(person, "elo/kitchen/telemetry", "-q", "1")
    station.thaw(device)
    check(device.wait_end(station.BACKOFF_PATIENCE) == 0, "it ends with 0", device.text())
    check(len(station.seqs(after)) >= 3, "when three are delivered", after.text())


@case
def flash(scene):
    """a flash that cannot be: its own words, not those of things and regions"""
    desk = scene.desk()
    folder = add(scene, desk, "kitchen")
    odd = scene.path("odd")
    odd.write_text("no flash")
    one = station.run(scene, folder)
    station.wait_online(one)
    for place, code, words in ((scene.path("no", "such"), 4, "No such file"),
                               (folder, 1, "Is a directory"), ("/dev/null", 1, "it is no file"),
                               (odd, 1, "its size"),
                               (folder / "flash.bin", 10, "another board's flash")):
        result = scene.elo("device", "--bundle", folder, "--flash", place, "--for", "1s")
        check(result.code == code and f"{place}" in result.err and words in result.err and
              "region" not in result.err, f"--flash {place}: {code}, {words}", result)
    check(odd.read_text() == "no flash", "and is left alone")
    check(one.end() == 0, "the device ends with 0", one.text())


def variant(scene, folder, name, **change):
    """A copy of the bundle with config members changed."""
    other = scene.path(name)
    shutil.copytree(folder, other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, **change}))
    return other


def expect(scene, bundle, code, slug, text):
    """The device cannot connect: it says so in its transcript, and its exit code does."""
    device = scene.start_elo("device", "--bundle", bundle)
    tries_again = device.wait_line("^offline ")  # else it has ended by itself
    ended = device.end() if tries_again else device.wait_end()
    said = device.text()
    check(ended == code, f"{text}: exit code {code}", f"{ended}\n{said}")
    check(slug in said, f"and the word {slug}", said)
    check("Traceback" not in said and len(said.splitlines()) < 60, "in few words", said)


@case
def wrong_bundles(scene):
    """each with one thing wrong: exit codes and messages"""
    desk = scene.desk()
    folder = add(scene, desk, "kitchen")
    other = add(scene, desk, "cellar")
    foreign, _ = scene.make_self_signed("foreign")

    wrong_ca = variant(scene, folder, "wrong-ca")
    (wrong_ca / "ca.pem").write_bytes(foreign.read_bytes())
    expect(scene, wrong_ca, 7, "E-ROOT", "another CA")
    wrong_name = variant(scene, folder, "wrong-name", serverName="iot.example")
    expect(scene, wrong_name, 7, "E-SERVER-NAME", "another server name")
    wrong_key = variant(scene, folder, "wrong-key")
    shutil.copy(other / "key.pem", wrong_key / "key.pem")
    expect(scene, wrong_key, 7, "E-KEYPAIR", "another device's key")
    for name in ("ca.pem", "cert.pem", "key.pem"):
        broken = variant(scene, folder, f"broken-{name}")
        (broken / name).write_text("-----BEGIN NONSENSE-----\nAAAA\n-----END NONSENSE-----\n")
        (broken / name).chmod(0o600)
        expect(scene, broken, 7, "E-PEM", f"a broken {name}")
        (broken / name).unlink()
        result = scene.elo("device", "--bundle", broken, "--for", "1s")
        check(result.code == 1 and name in result.err, f"no {name}: exit code 1", result)
    expect(scene, variant(scene, folder, "foreign-id", clientId="cellar"), 5, "E-REFUSED",
           "another device's client id")
    expect(scene, variant(scene, folder, "no-port", port=endpoint_free()), 6, "E-PORT-REFUSED",
           "a port where nobody listens")
    expect(scene, variant(scene, folder, "no-host", host="no-such-host.invalid"), 6, "E-DNS",
           "a host that is not there")
    open_key = variant(scene, folder, "open-key")
    (open_key / "key.pem").chmod(0o644)
    result = scene.elo("device", "--bundle", open_key, "--for", "1s")
    check(result.code == 1 and "chmod 600" in result.err, "a key that others can read", result)
    for text in ("", "{", "[]", '{"clientId":"kitchen"}', '{"clientId":1}'):
        bad = variant(scene, folder, f"config-{len(text)}")
        (bad / "config.json").write_text(text)
        result = scene.elo("device", "--bundle", bad, "--for", "1s")
        check(result.code == 1 and "config.json" in result.err, f"config.json is {text!r}", result)
    result = scene.elo("device", "--bundle", scene.path("nothing-here"), "--for", "1s")
    check(result.code == 1 and "nothing-here" in result.err and "elo add" in result.err,
          "no bundle there, and what makes one", result)
    result = scene.elo("device", "--bundle", folder / "config.json", "--for", "1s")
    check(result.code == 1 and "its folder" in result.err, "a file of it is not the folder", result)
    good = scene.elo("device", "--bundle", folder, "--count", "1")
    check(good.code == 0, "and the right one connects", good)


@case
def status_changes(scene):
    """a certificate made INACTIVE under a running device; ACTIVE again, it comes back by itself"""
    desk = scene.desk()
    folder = add(scene, desk, "kitchen")
    device = station.run(scene, folder)
    station.wait_online(device)
    identity = desk.must("GET", "/certificates")["certificates"]
    since = device.mark()
    desk.must("PUT", f"/certificates/{identity[0]['certificateId']}?newStatus=INACTIVE")
    check(device.wait_line("^offline +E-", since), "the device is put out", device.text())
    check(device.wait_line("^offline +E-REFUSED", since), "and refused when it tries again",
          device.text())
    since = device.mark()
    desk.must("PUT", f"/certificates/{identity[0]['certificateId']}?newStatus=ACTIVE")
    station.wait_online(device, since)
    check(device.end() == 0, "the device ends with 0", device.text())


if __name__ == "__main__":
    main()
