#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""`elo add --port`: a board on a pseudo-terminal, played by the console code of lib/ on the PC. The
line between loses, damages, doubles and invents bytes; the board is reset in the middle. It works,
or says why, and then nothing is left behind."""
import os
import pathlib
import random
import re
import select
import threading

from desk import PATIENCE, case, check, main, note
from line import Line as Cable

ROOT = pathlib.Path(__file__).resolve().parents[2]
CSR = ROOT / "tests/vectors/setup/kitchen.csr"
HOST = "192.168.1.20"


def Line(scene, to_board=None, to_desk=None, step=20):
    return Cable(scene, ["serial_board", CSR, step], to_board, to_desk)


def add(scene, desk, line, *options, name="kitchen", password="segredo-bom", ssid="Casa da Ana"):
    secret = scene.path("pass")
    secret.write_text(password + "\n")
    return scene.elo("add", name, "--data", desk.data, "--port", line.path, "--host", HOST,
                     "--wifi", ssid, "--wifi-pass-file", secret, *options)


def things(desk):
    listed = desk.must("GET", "/things")["things"]
    certificates = desk.must("GET", "/certificates")["certificates"]
    return len(listed), len(certificates)


def works(scene, desk, line, result, text):
    check(result.code == 0 and result.out == "elo-4f22a1\n", f"{text}: 0, the board's id", result)
    check("saved with a bundle wifi=Casa da Ana thing=kitchen" in line.board_said(),
          "the board has saved Wi-Fi and bundle", line.board_said())
    check(things(desk) == (1, 1), "one thing, one certificate", things(desk))


@case
def good_way(scene):
    """a quiet line"""
    desk, line = scene.desk(), Line(scene)
    result = add(scene, desk, line, "--sensor", "dht22", "--interval", "30s")
    works(scene, desk, line, result, "elo add --port")
    for words in ("elo-4f22a1", "iot:CreateThing", "iot:CreateCertificateFromCsr",
                  "iot:AttachPolicy", "iot:AttachThingPrincipal", "joining the Wi-Fi",
                  "elo sub 'elo/kitchen/#'"):
        check(words in result.err, f"says {words}", result.err)
    check("segredo" not in result.out + result.err, "but not the passphrase")
    again = add(scene, desk, line)
    check(again.code == 10 and "has a certificate" in again.err, "twice the same name: 10", again)
    line.end()


@case
def bad_endings(scene):
    """what the board finds is told, and nothing is left behind"""
    desk, line = scene.desk(), Line(scene)
    for password, code, slug in (("wrong-pass", 6, "E-WIFI-PASSPHRASE"), ("no-address", 6, "E-WIFI-DHCP"),
                                 ("no-internet", 6, "E-DNS"), ("bad-root", 7, "E-ROOT"),
                                 ("bad-policy", 5, "E-REFUSED")):
        result = add(scene, desk, line, password=password)
        check(result.code == code and slug in result.err and "elo-4f22a1 says:" in result.err,
              f"{password}: {code}, {slug}", result)
        check(things(desk) == (0, 0), "no thing, no certificate is left", things(desk))
    check("saved" not in line.board_said(), "the board has saved nothing", line.board_said())
    result = add(scene, desk, line)
    works(scene, desk, line, result, "then the right passphrase")
    line.end()


@case
def usage(scene):
    """what cannot work is told before anything is done"""
    desk, line = scene.desk(), Line(scene)
    data = ("--data", desk.data)
    for words, code, hint in (
            (["--port", "/dev/nothing-here", "--host", HOST], 8, "cannot open"),
            (["--port", "/etc/hostname", "--host", HOST], 8, "no serial line"),
            (["--port", line.path], 2, "cannot reach"),
            (["--port", line.path, "--host", HOST, "--wifi", "x" * 33], 2, "too long"),
            (["--port", line.path, "--host", "a b"], 2, "character"),
            (["--port", line.path, "--host", HOST, "--sensor", "nose"], 2, "sensor"),
            (["--port", line.path, "--host", HOST, "--wifi", "Home"], 2, "--wifi-pass-file"),
            (["--port", line.path, "--out", "x"], 2, "one of them"),
            (["--wifi", "Home"], 2, "--port")):
        result = scene.elo("add", "kitchen", *data, *words)
        check(result.code == code and hint in result.err, f"{' '.join(words)[:60]}: {code}", result)
    short = add(scene, desk, line, password="short")
    check(short.code == 2 and "8 to 63" in short.err, "a passphrase that is none", short)
    check(things(desk) == (0, 0), "nothing was made")
    line.end()


@case
def nobody(scene):
    """a line on which nobody answers"""
    desk, line = scene.desk(), Line(scene, to_board=lambda b: b"")
    result = add(scene, desk, line)
    check(result.code == 8 and "E-SERIAL" in result.err, "8, E-SERIAL", result)
    check(things(desk) == (0, 0), "nothing was made")
    line.end()


def noisy(rng, rate):
    def change(data):
        out = bytearray()
        for byte in data:
            dice = rng.random()
            if dice < rate:
                continue  # lost
            if dice < 2 * rate:
                byte ^= 1 << rng.randrange(8)
            out.append(byte)
            if dice > 1 - rate:
                out += bytes(rng.randrange(256) for _ in range(rng.randrange(1, 30)))
        return bytes(out)
    return change


@case
def noise(scene):
    """bytes lost, damaged, invented, both ways"""
    seed = int(os.environ.get("SEED", "4711"))
    note(f"SEED={seed}")
    rng = random.Random(seed)
    for rate in (0.0003, 0.001):
        desk = scene.desk(data=scene.path(f"desk{rate}"))
        line = Line(scene, noisy(rng, rate), noisy(rng, rate))
        result = add(scene, desk, line)
        works(scene, desk, line, result, f"one byte in {round(1 / rate / 3)} hurt")
        line.end()
        desk.stop()
        note(f"{line.passed} bytes")


@case
def doubled(scene):
    """every line comes twice"""
    def twice():
        kept = bytearray()

        def change(data):
            out = bytearray()
            for byte in data:
                kept.append(byte)
                if byte == 10:
                    out += kept + kept
                    kept.clear()
            return bytes(out)
        return change
    desk, line = scene.desk(), Line(scene, twice(), twice())
    works(scene, desk, line, add(scene, desk, line), "all of it doubled")
    line.end()


@case
def resets(scene):
    """the board is reset: while its CSR is read, twice in the bundle, while it tests"""
    for at in ((60,), (400, 900), (700, 1700, 2400)):
        desk = scene.desk(data=scene.path(f"desk{at[0]}"))
        line = Line(scene, step=100)
        line.after = [(n, "reset") for n in at]
        result = add(scene, desk, line)
        works(scene, desk, line, result, f"reset after {at} bytes")
        if at[0] > 100:
            check("was reset" in result.err, "it says so", result.err)
        line.end()
        desk.stop()


@case
def reset_in_the_test(scene):
    """the board is reset while it tries what it was given, twice"""
    desk, line = scene.desk(), Line(scene, step=100)
    line.order("resets 2")
    result = add(scene, desk, line)
    works(scene, desk, line, result, "reset while testing")
    check(result.err.count("was reset") == 2, "it says so, twice", result.err)
    line.end()


@case
def a_bad_supply(scene):
    """the board is reset whenever it uses its radio"""
    desk, line = scene.desk(), Line(scene, step=100)
    line.order("resets 10")
    result = add(scene, desk, line)
    check(result.code == 8 and "power supply" in result.err, "8, and a guess why", result)
    check(things(desk) == (0, 0), "what was made is taken back", things(desk))
    line.end()


@case
def unplugged(scene):
    """the cable is pulled out in the middle"""
    desk, line = scene.desk(), Line(scene)
    line.to_board = lambda b: b"" if line.passed["board"] > 900 else b
    result = add(scene, desk, line)
    check(result.code == 8 and "E-SERIAL" in result.err, "no answer from then on: 8", result)
    check(things(desk) == (0, 0), "what was made is taken back", things(desk))
    line.end()


@case
def a_person(scene):
    """words typed at the board"""
    line = Line(scene)
    heard = bytearray()

    def until(pattern, what):
        end = threading.Event()

        def look():
            fd = line.slave
            while not re.search(pattern, heard):
                ready, _, _ = select.select([fd], [], [], PATIENCE)
                if not ready:
                    return
                heard.extend(os.read(fd, 256))
            end.set()
        look()
        check(end.is_set(), what, bytes(heard).decode("utf-8", "replace"))
        heard.clear()

    def type_(text):
        os.write(line.slave, text)
    until(rb"type help\r\n> ", "it says who it is, after the rubbish")
    type_(b"hekp\x08\x08lp\r")
    until(rb"lp\r\nhelp (?s:.*)forget yes(?s:.*)> ", "help, with a backspace")
    type_(b"scan\n")
    until(rb"-49 dBm +Casa da Ana\r\n(?s:.*)open  Caf", "scan")
    type_(b'wifi "Casa da Ana" wrong-pass\r\n')
    until(rb"joining the Wi-Fi(?s:.*)does not accept this passphrase", "wifi, and why not")
    type_(b"why\r")
    until(rb"\(-140\)\r\n> ", "why")
    type_(b'wifi "Casa da Ana"\r')
    until(rb"open network\): ", "it asks")
    type_(b"segredo-bom\r")
    until(rb"\*{11}\r\n(?s:.*)works and is saved", "stars, and it works")
    type_(b"\xff\x00\x9c\x81 rubbish \xfe\r\nstatus\r")
    until(rb"type help\r\n> ", "it restarts by itself")
    type_(b"\xff\x00\x9c\x81 rubbish \xfe\r\nstatus\r")
    until(rb"Wi-Fi +Casa da Ana\r\n", "rubbish is passed over, status follows")
    check("saved wifi=Casa da Ana" in line.board_said(), "it was saved", line.board_said())
    line.end()


main()
