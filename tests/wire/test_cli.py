#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""The command line: help, options, exit codes; what is said when there is no desk, no port, no
permission, no space, no sound file; and how a desk ends."""
import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import threading
import time

import mqtt
from desk import (Failure, PATIENCE, SYSTEM_PATH, case, check, endpoints_free, main, need, note,
                  occupy_usual_ports, skip)

VERBS = ["demo", "up", "add", "device", "sub", "pub", "aws", "env", "serve", "why", "explain"]
ANY_PORTS = ["--mqtts-port", "0", "--https-port", "0", "--http-port", "0"]


def said(result, code, *words):
    """The exit code, every word on stderr, and nothing that looks like an accident."""
    return result.code == code and all(w in result.err for w in words) and \
        result.err.startswith("elo: ")


def refuses(scene, data, code, text, *words, options=(), env=None):
    """`elo serve` does not start, says why, and leaves no endpoints.json."""
    result = scene.elo("serve", "--data", data, *ANY_PORTS, *options, env=env)
    check(said(result, code, *words), f"{text}: exit code {code}, {', '.join(words)}", result)
    check(len(result.err.splitlines()) <= 4, "in few lines", result.err)
    check(not os.path.exists(f"{data}/endpoints.json"), "and no endpoints.json is left")
    return result


@case
def help_and_version(scene):
    """--help of everything"""
    top = scene.elo("--help")
    check(top.code == 0 and top.err == "", "elo --help", top)
    check(re.findall(r"^  (\w+) +\w", top.out.split("Verbs:")[1], re.M) == VERBS,
          "lists every verb", top.out)
    for way in ((), ("-h",), ("help",)):
        result = scene.elo(*way)
        check(result == top, f"elo {' '.join(way)} is the same", result)
    for verb in VERBS:
        one, two = scene.elo(verb, "--help"), scene.elo(verb, "-h")
        check(one == two and one.code == 0 and one.err == "" and
              one.out.startswith(f"elo {verb}"), f"elo {verb} --help", one)
        wide = [line for line in one.out.splitlines() if len(line) > 100]
        check(not wide, f"elo {verb} --help fits in 100 columns", wide)
    version = scene.elo("--version")
    check(version.code == 0 and re.fullmatch(r"elo \d+\.\d+\.\d+\S*\n", version.out),
          "elo --version", version)
    in_a_pipe = scene.run("sh", "-c", f"'{scene.elo_path}' explain | head -1")
    check(in_a_pipe.out.count("\n") == 1 and "Sanitizer" not in in_a_pipe.err,
          "a pipe that closes is no drama", in_a_pipe)


@case
def wrong_words(scene):
    """verbs and options that are not there: exit code 2, a hint, nothing done"""
    for words, hint in ((["srve"], "did you mean `elo serve`"), (["frobnicate"], "elo --help"),
                        ([""], "no verb ''"), (["x" * 500], "elo --help"), (["--verbose"], "elo")):
        result = scene.elo(*words)
        check(said(result, 2, hint), f"elo {words[0][:12]}: 2, {hint}", result)
    for words in (["serve", "--prot", "1"], ["serve", "extra"], ["serve", "--mqtts-port"],
                  ["serve", "--mqtts-port", "65536"], ["serve", "--mqtts-port", "-1"],
                  ["serve", "--mqtts-port", "12x"], ["serve", "--mqtts-port", ""],
                  ["serve", "--log", "xml"], ["serve", "--log-level", "loud"],
                  ["serve", "--compat", "nothing=1"], ["serve", "--compat", "missing-sni=perhaps"],
                  ["up", "--nothing"], ["add"], ["add", "a", "b"], ["add", "--nothing"],
                  ["add", "a", "--out"],
                  ["add", "a", "--port", "x", "--interval", "1500ms"], ["device"], ["device", "--bundle"],
                  ["device", "--bundle", "x", "--interval", "0"],
                  ["device", "--bundle", "x", "--interval", "1500ms"],
                  ["device", "--bundle", "x", "--interval", "2h"],
                  ["device", "--bundle", "x", "--outbox", "7"],
                  ["device", "--bundle", "x", "--count", "0"], ["sub"], ["sub", "a", "-q", "2"],
                  ["sub", "a", "-C", "x"], ["pub"], ["pub", "a"], ["pub", "a", "-m"],
                  ["pub", "a", "-m", "b", "-f", "c"], ["pub", "a", "b", "-m", "c"],
                  ["env", "--nothing"], ["explain", "a", "b"], ["demo", "--nothing"],
                  ["demo", "--for", "soon"]):
        result = scene.elo(*words)
        check(said(result, 2, words[0]), f"elo {' '.join(words)}: 2", result)
    check(os.listdir(scene.path("home")) == [], "nothing was made at home")


@case
def explain(scene):
    """every code has a cause and a cure"""
    everything = scene.elo("explain")
    slugs = re.findall(r"^(E-[A-Z0-9-]+) \((-\d+), ELO_E_\w+\)$", everything.out, re.M)
    check(everything.code == 0 and len(slugs) > 60, f"{len(slugs)} codes", everything.out[:500])
    check(everything.out.count("\n  cause: ") == everything.out.count("\n  cure: ") == len(slugs),
          "each with cause and cure")
    check(len({s for s, _ in slugs}) == len({n for _, n in slugs}) == len(slugs),
          "no word and no number stands for two things")
    one = scene.elo("explain", "E-CLOCK")
    check(one.code == 0 and one.out.startswith("E-CLOCK (-30, ELO_E_CLOCK)\n"), "by word", one)
    check(scene.elo("explain", "-30") == one and scene.elo("explain", "e-clock") == one,
          "by number, in small letters")
    for nothing in ("E-NOTHING", "-9999", ""):
        result = scene.elo("explain", nothing)
        check(said(result, 4, "no code"), f"elo explain '{nothing}': 4", result)
    page = scene.elo("explain", "--markdown")
    check(page.code == 0 and all(f"`{s}`" in page.out for s, _ in slugs), "as a page of Markdown")


@case
def no_desk(scene):
    """what needs a desk says how to start one"""
    data = scene.path("nowhere")
    for words in (["env"], ["aws", "iot", "list-things"], ["add", "a"], ["sub", "a"],
                  ["pub", "a", "-m", "b"]):
        verb, rest = words[0], words[1:]
        result = scene.elo(verb, "--data", data, *rest)
        check(said(result, 6, "no desk runs", "elo up"), f"elo {verb} without a desk: 6", result)
        result = scene.elo(*words, env={"ELO_DATA": str(data)})
        check(said(result, 6, str(data)), f"also with $ELO_DATA, which it names", result)
    check(not data.exists(), "nobody made the folder")
    desk = scene.desk(ports=endpoints_free())
    desk.end(signal.SIGKILL)
    check((desk.data / "endpoints.json").exists(), "a killed desk leaves endpoints.json behind")
    for words in (["add", "a"], ["pub", "a", "-m", "b"]):
        result = scene.elo(words[0], "--data", desk.data, *words[1:])
        check(said(result, result.code, "does not answer", "elo up") and result.code in (1, 6),
              f"elo {words[0]} after that says so: {result.code}", result)
    check(not scene.path("a").exists(), "and no bundle is half-made")
    scene.desk()


@case
def environment(scene):
    """elo env for a shell, elo aws for a command, where the data folder is looked for"""
    desk = scene.desk()
    shell = scene.run("sh", "-c", f"eval \"$('{scene.elo_path}' env --data '{desk.data}')\"; "
                                  "echo $AWS_ENDPOINT_URL $AWS_ACCESS_KEY_ID $AWS_DEFAULT_REGION "
                                  "$AWS_PROFILE.", env={"AWS_PROFILE": "other"})
    check(shell.out == f"{desk.endpoints['http']} {desk.key_id} us-east-1 .\n",
          "eval \"$(elo env)\" sets endpoint, key, region, and no profile", shell)
    shell = scene.run("sh", "-c", f"eval \"$('{scene.elo_path}' env --data '{desk.data}')\"; "
                                  f"eval \"$('{scene.elo_path}' env --unset)\"; "
                                  "echo $AWS_ENDPOINT_URL$AWS_ACCESS_KEY_ID$AWS_DEFAULT_REGION.")
    check(shell.out == ".\n", "eval \"$(elo env --unset)\" takes it back", shell)
    result = desk.elo_aws("iot", "describe-thing", "--thing-name", "nobody")
    check(result.code == 254, "elo aws hands on the exit code", result)
    result = scene.elo("aws", "--data", desk.data, "iot", "list-things", env={"PATH": "/nowhere"})
    check(said(result, 4, "not installed", "apt install awscli"), "without an AWS CLI: 4", result)
    folder = scene.path("home", ".local", "share", "elo")
    folder.parent.mkdir(parents=True)
    folder.symlink_to(desk.data)
    check(scene.elo("env").code == 0, "~/.local/share/elo is where it is looked for")
    other = scene.path("xdg")
    other.mkdir()
    (other / "elo").symlink_to(desk.data)
    folder.unlink()
    check(scene.elo("env", env={"XDG_DATA_HOME": str(other)}).code == 0, "or $XDG_DATA_HOME/elo")
    check(scene.elo("env", env={"ELO_DATA": str(desk.data)}).code == 0, "or $ELO_DATA")


@case
def data_folder(scene):
    """what a desk makes, and who may read it"""
    desk = scene.desk("--region", "eu-west-1", "--account", "123456789012",
                      data=scene.path("a", "b", "desk"))
    modes = {n: stat.S_IMODE((desk.data / n).stat().st_mode) for n in os.listdir(desk.data)}
    check(stat.S_IMODE(desk.data.stat().st_mode) == 0o700, "the folder is private")
    for name in ("credentials", "ca.key", "server.key", "elo.db"):
        check(modes.get(name) == 0o600, f"{name} is private", modes)
    for name in ("ca.pem", "endpoints.json"):
        check(modes.get(name) == 0o644, f"{name} is for everyone", modes)
    check(json.loads((desk.data / "desk.json").read_text()) ==
          {"region": "eu-west-1", "account": "123456789012"}, "desk.json keeps region and account")
    profile = scene.run("/usr/bin/aws", "--endpoint-url", desk.endpoints["http"], "--profile",
                        "elo", "iot", "list-things",
                        env={"AWS_SHARED_CREDENTIALS_FILE": str(desk.data / "credentials")})
    check(profile.code == 0, "credentials is an AWS profile file", profile)
    ca = (desk.data / "ca.pem").read_bytes()
    keys = (desk.data / "credentials").read_bytes()
    desk.stop()
    check(not (desk.data / "endpoints.json").exists(), "endpoints.json goes with the desk")
    refuses(scene, desk.data, 2, "another region", "eu-west-1", "--region",
            options=["--region", "us-east-1"])
    refuses(scene, desk.data, 2, "another account", "123456789012", "--account",
            options=["--account", "000000000000"])
    again = scene.desk(data=desk.data)
    check(again.region == "eu-west-1", "without options it is what it was")
    check((again.data / "ca.pem").read_bytes() == ca and
          (again.data / "credentials").read_bytes() == keys, "with the same CA and the same keys")
    refuses(scene, scene.path("new1"), 2, "a region that is none", "region",
            options=["--region", "EU West"])
    refuses(scene, scene.path("new2"), 2, "an account that is none", "twelve digits",
            options=["--account", "12345"])


@case
def a_first_start_that_fails(scene):
    """it settles nothing: the next may be another region's and another account's"""
    data = scene.path("desk")
    refuses(scene, data, 2, "an address that is none", "--listen",
            options=["--region", "eu-west-1", "--account", "123456789012", "--listen",
                     "no-such-host.invalid"])
    check(not (data / "desk.json").exists() and not (data / "credentials").exists(),
          "there is neither desk.json nor credentials", os.listdir(data))
    desk = scene.desk("--region", "us-west-2", "--account", "210987654321", data=data)
    check(json.loads((data / "desk.json").read_text()) ==
          {"region": "us-west-2", "account": "210987654321"}, "the next start decides")
    check("region = us-west-2" in (data / "credentials").read_text(), "for the credentials, too")
    arn = desk.call("POST", "/things/first", {}).json["thingArn"]
    check(arn == "arn:aws:iot:us-west-2:210987654321:thing/first", "and every ARN", arn)
    desk.stop()
    refuses(scene, data, 2, "from then on it is settled", "us-west-2",
            options=["--region", "eu-west-1"])


@case
def ports(scene):
    """a port in use, a port nobody may have, an address that is not ours"""
    desk = scene.desk()
    for option, port in (("--mqtts-port", desk.mqtts_port), ("--https-port", desk.https_port),
                         ("--http-port", desk.http_port)):
        refuses(scene, scene.path("other"), 1, f"{option} in use", str(port), option, "in use",
                options=[option, port])
    refuses(scene, scene.path("other"), 2, "an address of another machine", "192.0.2.1",
            "--listen", options=["--listen", "192.0.2.1"])
    refuses(scene, scene.path("other"), 2, "an address that is none", "--listen",
            options=["--listen", "no-such-host.invalid"])
    check(desk.call("GET", "/things").status == 200, "the first desk does not mind")


@case
def listening(scene):
    """loopback unless told; told, the certificate has this machine's names"""
    addresses = re.findall(r"inet (\d+\.\d+\.\d+\.\d+)/", scene.run(
        "ip", "-4", "-o", "addr", "show", "scope", "global", env={"PATH": SYSTEM_PATH}).out) \
        if shutil.which("ip", path=SYSTEM_PATH) else []
    desk = scene.desk()

    def open_on(address, port):
        try:
            with mqtt.socket.create_connection((address, port), timeout=5):
                return True
        except OSError:
            return False
    check(open_on("127.0.0.1", desk.mqtts_port), "without --listen it is on loopback")
    for address in addresses[:1]:
        check(not any(open_on(address, p) for p in desk.ports), f"and not on {address}")
    wide = scene.desk("--listen", "0.0.0.0", data=scene.path("wide"))
    text = scene.openssl("x509", "-in", wide.data / "server.pem", "-noout", "-ext",
                         "subjectAltName").out
    for name in ("DNS:localhost", "IP Address:127.0.0.1", "DNS:elo-desk"):
        check(name in text, f"the certificate has {name}", text)
    if not addresses:
        skip("--listen on another address: this machine has none, or no `ip` to tell")
        return
    address = addresses[0]
    check(f"IP Address:{address}" in text, f"and {address}", text)
    check(open_on(address, wide.mqtts_port) and open_on(address, wide.https_port),
          f"MQTT and HTTPS are on {address}")
    check(not open_on(address, wide.http_port), "the plain HTTP port is still on loopback")
    check(wide.endpoints["mqtts"] == f"{address}:{wide.mqtts_port}", "endpoints.json says so",
          wide.endpoints)
    folder = scene.path("far")
    made = scene.elo("add", "far", "--out", folder, "--data", wide.data)
    need(made.code == 0, "elo add on such a desk", made)
    result = scene.elo("device", "--bundle", folder, "--count", "1")
    check(result.code == 0, "and its device connects by address", result)


@case
def second_server(scene):
    """two desks on one folder: the second touches nothing"""
    desk = scene.desk()
    before = {n: (desk.data / n).read_bytes() for n in ("endpoints.json", "ca.pem", "desk.json",
                                                        "credentials", "server.pem")}
    result = scene.elo("serve", "--data", desk.data, *ANY_PORTS)
    check(said(result, 1, "in use by another process"), "the second is refused", result)
    check({n: (desk.data / n).read_bytes() for n in before} == before, "and has changed nothing")
    check(desk.call("GET", "/things").status == 200, "the first goes on")


@case
def unwritable(scene):
    """folders that cannot be made or written, as a user without privileges"""
    if os.getuid() != 0:
        skip("not root: cannot become nobody")
        check(True, "nothing to do")
        return
    scene.dir.chmod(0o711)
    elo = scene.path("elo")
    shutil.copy(scene.elo_path, elo)
    elo.chmod(0o755)
    readonly = scene.path("readonly")
    readonly.mkdir(mode=0o755)
    desk = scene.desk()
    desk.stop()

    def as_nobody(*args):
        return scene.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", elo,
                         *args, cwd="/")
    for text, data in (("a folder that cannot be made", readonly / "new"),
                       ("a folder that cannot be written", readonly),
                       ("another user's folder", desk.data)):
        result = as_nobody("serve", "--data", data, *ANY_PORTS)
        check(said(result, 1, "ermission denied", str(data)), f"{text}: 1, its name", result)
    result = as_nobody("env", "--data", desk.data)
    check(result.code != 0 and result.err.startswith("elo: "), "elo env on another user's desk",
          result)
    low = as_nobody("serve", "--data", "/tmp/elo-wire-nobody-%d" % os.getpid(), "--mqtts-port",
                    "80", "--https-port", "0", "--http-port", "0")
    shutil.rmtree("/tmp/elo-wire-nobody-%d" % os.getpid(), ignore_errors=True)
    if low.code == 0 or "ermission" not in low.err:
        skip(f"port 80: nobody may have it here ({low.err.strip()[:80]})")
    else:
        check(said(low, 1, "over 1023", "--mqtts-port"), "port 80 needs privileges", low)
    file = scene.path("file")
    file.write_text("x")
    refuses(scene, file / "desk", 1, "a file where a folder should be", "file")


def ruin(scene, name, damage, code, *words):
    """A desk whose file `name` is damaged while it is down: the start is refused, nothing changes,
    and with the file put back all is as before."""
    data = scene.path(f"ruin-{name}-{damage.__name__}")
    desk = scene.desk(data=data, ready=False)
    need(desk.wait_ready(), f"a desk to ruin {name} of")
    desk.must("POST", "/things/precious", {})
    desk.end()
    good = {n: (data / n).read_bytes() for n in os.listdir(data)}
    damage(data / name)
    ruined = {n: (data / n).read_bytes() for n in os.listdir(data) if n in good}
    result = refuses(scene, data, code, f"{name}, {damage.__name__}", name, *words)
    check({n: (data / n).read_bytes() for n in ruined} == ruined, "and no file was changed",
          sorted(os.listdir(data)))
    for n, content in good.items():
        (data / n).write_bytes(content)
    for n in set(os.listdir(data)) - set(good):
        (data / n).unlink()
    desk = scene.desk(data=data, ready=False)
    need(desk.wait_ready(), "put back, it starts", desk.text())
    check(desk.call("GET", "/things/precious").status == 200, "and everything is there")
    desk.end()
    return result


def garbage(path):
    path.write_bytes(b"This is not the file you are looking for.\n" * 100)


def flipped(path):
    data = bytearray(path.read_bytes())
    for i in range(100, len(data), 97):
        data[i] ^= 0x55
    path.write_bytes(data)


def cut(path):
    path.write_bytes(path.read_bytes()[:len(path.read_bytes()) // 2])


def emptied(path):
    path.write_bytes(b"")


def newer(path):
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 1000")
    db.commit()
    db.close()


def foreign(path):
    path.unlink()
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE music (title TEXT)")
    db.commit()
    db.close()


@case
def damaged_files(scene):
    """every file of the data folder, damaged in several ways"""
    for damage in (garbage, cut, flipped):
        ruin(scene, "elo.db", damage, 1, "backup")
    ruin(scene, "elo.db", newer, 1, "newer")
    ruin(scene, "elo.db", foreign, 1, "not Elo's")
    ruin(scene, "desk.json", garbage, 1)
    for damage in (cut, emptied):
        ruin(scene, "desk.json", damage, 1, "damaged")
    for damage in (garbage, emptied):
        ruin(scene, "credentials", damage, 1, "credentials")
    for name in ("ca.pem", "ca.key"):
        for damage in (garbage, cut, emptied):
            ruin(scene, name, damage, 1)


@case
def expired_ca(scene):
    """a CA whose dates are over, or have not begun"""
    for text, begin, end, code, word in (
            ("over", "20200101000000Z", "20210101000000Z", 1, "move ca.pem"),
            ("not yet begun", "20900101000000Z", "20910101000000Z", 7, "clock")):
        data = scene.path("desk-" + text.split()[0])
        desk = scene.desk(data=data, ready=False)
        need(desk.wait_ready(), f"a desk whose CA's dates will be {text}")
        desk.end()
        remake_ca(scene, data, begin, end)
        ca = (data / "ca.pem").read_bytes()
        refuses(scene, data, code, f"a CA whose dates are {text}", "ca.pem", word)
        check((data / "ca.pem").read_bytes() == ca, "and the CA is left alone")


def remake_ca(scene, data, begin, end):
    """The desk's own CA key, in a certificate with other dates, made by `openssl ca`."""
    work = scene.path("remake-" + begin)
    work.mkdir()
    (work / "index.txt").touch()
    (work / "serial").write_text("01\n")
    (work / "conf").write_text(
        f"[ca]\ndefault_ca=d\n[d]\ndatabase={work}/index.txt\nnew_certs_dir={work}\n"
        f"serial={work}/serial\ndefault_md=sha256\npolicy=p\nx509_extensions=x\n"
        "[p]\ncommonName=supplied\norganizationName=optional\n"
        "[x]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
        "subjectKeyIdentifier=hash\n")
    csr = work / "csr"
    scene.openssl("req", "-new", "-key", data / "ca.key", "-subj", "/CN=Elo desk CA", "-out", csr)
    scene.openssl("ca", "-batch", "-config", work / "conf", "-selfsign", "-keyfile",
                  data / "ca.key", "-in", csr, "-out", data / "ca.pem", "-notext", "-startdate",
                  begin, "-enddate", end)


@case
def lost_files(scene):
    """what can be made again is made again; what cannot is not made up"""
    desk = scene.desk()
    device = desk.make_device("old", desk.make_policy("all", ("iot:*", "*")))
    desk.stop()
    (desk.data / "server.pem").unlink()
    (desk.data / "server.key").unlink()
    again = scene.desk(data=desk.data)
    check(again.pub(device, "a", "b", "-q", "1").code == 0,
          "without server.pem a new one is made, and old devices trust it")
    again.stop()
    (desk.data / "ca.key").unlink()
    refuses(scene, desk.data, 1, "ca.pem without ca.key", "ca.key")


@case
def endings(scene):
    """SIGTERM and Ctrl-C end a desk with 0 within two seconds, whoever is connected"""
    for number, name in ((signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "SIGINT")):
        desk = scene.desk(data=scene.path(name))
        device = desk.make_device(f"d-{name}", desk.make_policy("all", ("iot:*", "*")))
        caller = desk.caller()
        caller.keep = True
        caller.call("GET", "/things")
        with mqtt.client_of(desk, device) as c, \
                mqtt.socket.create_connection(("127.0.0.1", desk.mqtts_port)) as half:
            c.connect(device.name)
            c.subscribe(("#", 1))
            half.send(b"\x16\x03\x01")
            desk.stop(number)
            check(desk.stopped < 2.0, f"{name}: it took {desk.stopped:.2f} s", desk.stopped)
            check(c.wait_closed() == [], "the device was told by the end of its connection")
        caller.close()
        check(any("stopping" in r.get("details", "") for r in desk.records), "the log says so")
    up = scene.start_elo("up", "--data", scene.path("up"), *ANY_PORTS)
    need(up.wait_line("AWS API +http://127"), "elo up says where it is, for people", up.text())
    check("\x1b" not in up.text(), "without colours in a pipe", up.text())
    up.wait_line("Ctrl-C ends it")
    check(up.end(signal.SIGINT) == 0, "Ctrl-C ends elo up with 0", up.text())
    sub_desk = scene.desk(data=scene.path("sub"))
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        sub = scene.start_elo("sub", "#", "--data", sub_desk.data)
        need(sub.wait_line("^Subscribed"), "elo sub", sub.text())
        got = sub.end(number)
        check(got == code, f"elo sub ended by signal {number}: {code}", got)


@case
def ends_at_once(scene):
    """SIGTERM as soon as endpoints.json is there, which is what a script waits for"""
    # The log is a full pipe: the desk cannot get on from saying "ready" before we have signalled.
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while os.write(writer, b"\n" * 4096):
            pass
    except BlockingIOError:
        os.set_blocking(writer, True)
    data = scene.path("desk")
    desk = subprocess.Popen([scene.elo_path, "serve", "--data", data, *ANY_PORTS], stderr=writer,
                            env=scene.env, cwd=scene.dir)
    scene.undo.callback(desk.kill)
    os.close(writer)
    deadline = time.monotonic() + PATIENCE
    while not (data / "endpoints.json").exists() and time.monotonic() < deadline:
        threading.Event().wait(0.002)
    desk.send_signal(signal.SIGTERM)
    with open(reader, encoding="utf-8") as log:
        text = log.read().strip()
    code = desk.wait(PATIENCE)
    check(code == 0, "it ends with 0", f"{code}\n{text}")
    check(not (data / "endpoints.json").exists(), "and takes endpoints.json with it")


@case
def demo(scene):
    """elo demo shows it all in one go"""
    occupy_usual_ports(scene)
    result = scene.elo("demo", "--for", "6s", "--data", scene.path("demo"), cwd=scene.dir)
    check(result.code == 0, "elo demo --for 6s ends with 0", result.out + result.err)
    words = result.out + result.err
    check("celsius" in words and '"ok":true' in words, "telemetry and an answered command", words)
    left = subprocess.run(["pgrep", "-f", str(scene.path("demo"))], capture_output=True, text=True)
    check(left.stdout == "", "and leaves no process behind", left.stdout)


# --- a full disk ---------------------------------------------------------------------------------


def small_disk(scene, size):
    """A file system of its own, as small as said; None and a word if that cannot be had."""
    place = scene.path("small")
    place.mkdir()
    mounted = scene.run("mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", place)
    if mounted.code != 0:
        skip(f"a full disk: no tmpfs can be mounted here ({mounted.err.strip()[:80]})")
        return None
    scene.undo.callback(subprocess.run, ["umount", "-l", str(place)], check=False)
    return place


def fill(place, keep=0):
    """Takes all space there is but `keep` bytes; meanwhile a desk finds no less."""
    path = place / "ballast"
    with open(path, "wb", buffering=0) as f, contextlib.suppress(OSError):
        room = os.statvfs(place)
        left = room.f_bavail * room.f_frsize - keep
        while left > 0:
            left -= f.write(b"x" * min(4096, left))
    return path


@case
def full_disk(scene):
    """the disk fills up under a desk: refused is refused, kept is kept, and it goes on by itself"""
    place = small_disk(scene, "3m")
    if place is None:
        check(True, "nothing to do")
        return
    desk = scene.desk(data=place / "desk")
    taken, refused = {}, {}

    def create(i):
        body = {"attributePayload": {"attributes": {"text": f"{i}-" + "x" * 700}}}
        reply = desk.call("POST", f"/things/t-{i:04d}", body)
        (taken if reply.status == 200 else refused)[f"t-{i:04d}"] = reply
        return reply
    for i in range(5):
        create(i)
    need(len(taken) == 5, "with room, things are made")
    ballast = fill(place, keep=64 * 1024)
    i = 5
    while len(refused) < 5 and i < 2000:
        create(i)
        i += 1
    need(len(refused) == 5, f"after {len(taken)} things the disk is full", (len(taken), i))
    statuses = {(r.status, r.error) for r in refused.values()}
    check(statuses <= {(500, "InternalFailureException"), (503, "ServiceUnavailableException")},
          f"the API answers {statuses}", statuses)
    desk.expect_record("E-DISK-FULL", code="E-DISK-FULL")

    def compare(text):
        names, token = [], ""
        while token is not None:
            page = desk.must("GET", "/things?maxResults=250" + (f"&nextToken={token}" if token
                                                                else ""))
            names += [t["thingName"] for t in page["things"]]
            token = page.get("nextToken", "").replace("+", "%2B").replace("/", "%2F").replace(
                "=", "%3D") or None
        check(names == sorted(taken), text, sorted(set(names) ^ set(taken)))
    compare("what was refused is not there, what was taken is")
    ballast.unlink()
    again = create(i)
    check(again.status == 200, "with space freed it takes changes again, by itself", again)
    compare("and is consistent")
    note(f"{len(taken)} taken, {len(refused)} refused")
    desk.stop()
    desk = scene.desk(data=place / "desk")
    compare("also after a restart")
    fill(place)
    desk.end(signal.SIGKILL)
    desk = scene.desk(data=place / "desk", ready=False)
    if desk.wait_ready():
        compare("killed and started on a full disk it can read")
    else:
        check(desk.wait_end() == 1 and "space" in desk.text(),
              "killed, it cannot start on a full disk and says so", desk.text())
    (place / "ballast").unlink()
    desk.end()
    desk.noise.clear()
    desk = scene.desk(data=place / "desk")
    compare("and with space again everything is there")


@case
def full_disk_of_messages(scene):
    """the disk fills up under QoS 1: no PUBACK, a word about messages only, and it goes on by itself"""
    place = small_disk(scene, "3m")
    if place is None:
        check(True, "nothing to do")
        return
    desk = scene.desk("--plain-port", "0", data=place / "desk")
    port = int(desk.endpoints["mqtt"].rsplit(":", 1)[1])
    with mqtt.Client("127.0.0.1", port, None) as keeper:
        keeper.connect("keeper", clean=False)
        keeper.subscribe(("t/#", 1))
    ballast = fill(place, keep=256 * 1024)
    since = desk.log_mark()
    acked, refused = [], 0
    while refused < 5 and len(acked) < 5000:
        try:
            with mqtt.Client("127.0.0.1", port, None) as publisher:
                publisher.connect(f"p{refused}")
                while len(acked) < 5000:
                    text = f"{len(acked)}-{refused}"
                    publisher.publish("t/1", text.encode() + b"x" * 2000, qos=1)
                    acked.append(text)
        except mqtt.Closed:
            refused += 1
    check(refused == 5 and acked, f"{len(acked)} acknowledged, then no more", refused)
    desk.expect_record("why", since, code="E-DISK-FULL", eventType="Disconnect",
                       disconnectReason="SERVER_ERROR")
    desk.expect_record("what is done about it", since, code="E-DISK-FULL", eventType="Server",
                       details=re.compile("tried again every second"))
    ballast.unlink()
    desk.expect_record("it goes on", since, details=re.compile("takes changes again"))
    check(desk.wait_record(since, 0, details=re.compile("taken back")) is None,
          "nothing is said to have been taken back", desk.text())
    with mqtt.Client("127.0.0.1", port, None) as keeper:
        check(keeper.connect("keeper", clean=False) == (0, True), "the session is there")
        got = []
        while acked[-1:] != got[-1:] and len(got) < 5000:
            got.append(keeper.message()[1].decode().rstrip("x"))
    check([g for g in got if g in acked] == acked, "with all that was acknowledged, in order",
          (acked[-5:], got[-5:]))


@case
def full_disk_at_first(scene):
    """a first start on a full disk leaves nothing half-made"""
    place = small_disk(scene, "1m")
    if place is None:
        check(True, "nothing to do")
        return
    ballast = place / "ballast"
    refusals = 0
    for keep in (0, 4096, 12288, 20480, 40960, 61440, 81920, 102400):
        fill(place, keep)
        result = scene.start_elo("serve", "--data", place / "desk", *ANY_PORTS)
        ready = result.wait_line('"details":"ready')
        code = result.end()
        if not ready:
            refusals += 1
            check(code == 1 and "space" in result.text(), f"{keep} bytes free: refused, 1, a word "
                  "about space", f"{code} {result.text()}")
        ballast.unlink()
    check(refusals > 0, f"{refusals} starts were refused")
    desk = scene.desk(data=place / "desk")
    check(desk.call("POST", "/things/first", {}).status == 200, "with space it is a desk")
    for name in ("ca.pem", "ca.key", "credentials", "desk.json"):
        if (desk.data / name).stat().st_size == 0:
            raise Failure(f"{name} is empty")


if __name__ == "__main__":
    main()
