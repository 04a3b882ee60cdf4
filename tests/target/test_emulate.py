#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""`elo device --emulate` against our own desk: in the words and with the promises of `elo device`.
What it needs and has not got is told, and it leaves nothing behind."""
import json
import os
import shutil
import signal

import lx106
from lx106 import check, endpoint_free, need
from desk import case, main, occupy_usual_ports

import station


class House:
    """A desk, a bundle, someone who listens, and a place where temporary files would be seen."""

    def __init__(self, scene):
        need(lx106.image("station").exists(), "the image is built (tools/test lx106)")
        need(shutil.which("qemu-system-xtensa"), "qemu-system-xtensa is installed")
        self.scene, self.desk = scene, scene.desk()
        self.bundle, self.tmp = scene.path("shed"), scene.path("tmp")
        self.tmp.mkdir()
        made = scene.elo("add", "shed", "--out", self.bundle, "--data", self.desk.data)
        need(made.code == 0, "elo add shed", made.err)
        self.desk.make_policy("all", ("iot:*", "*"))
        self.sub = self.desk.sub(self.desk.make_device("person", "all"), "elo/#", "-q", "1")
        self.env = {"TMPDIR": str(self.tmp), "XDG_RUNTIME_DIR": ""}

    def argv(self, *options, bundle=None):
        return ("device", "--bundle", bundle or self.bundle, "--emulate", *options)

    def start(self, *options):
        return self.scene.start_elo(*self.argv("--interval", "1s", *options), env=self.env)

    def run(self, *options, bundle=None, env=None):
        return self.scene.elo(*self.argv(*options, bundle=bundle), env={**self.env, **(env or {})})

    def command(self, **fields):
        sent = self.scene.elo("pub", "elo/shed/cmd", "-m", station.command(fields), "--data",
                              self.desk.data)
        need(sent.code == 0, f"a command: {fields}", sent.err)

    def check_clean(self):
        check(os.listdir(self.tmp) == [], "no temporary file is left", os.listdir(self.tmp))


def qemu_of(process):
    """The emulators below a process: their ids."""
    path = f"/proc/{process.popen.pid}/task/{process.popen.pid}/children"
    with open(path, encoding="ascii") as file:
        return [int(pid) for pid in file.read().split()]


@case
def telemetry_command_and_the_end(scene):
    """telemetry up, a command down, a restart; Ctrl-C ends it in order and leaves nothing"""
    house = House(scene)
    board = house.start()
    station.wait_online(board)
    need(board.matching(r"^board +an ESP8266's CPU \(lx106\) in QEMU runs .*station\.elf$"),
         "it says what runs", board.text())
    need(station.wait_seq(house.sub, 2), "telemetry arrives", house.sub.text())
    house.check_clean()
    house.command(id="c1", led="on", relay="on")
    check(house.sub.wait_line(r'^MSG elo/shed/reply 1 0 \{"id":"c1","ok":true\}$'),
          "a command is answered", house.sub.text())
    for line in ("command +obeyed", r"pin +LED \(GPIO2\) on", r"pin +relay \(GPIO5\) on",
                 'state +.*"led":"on","relay":"on"'):
        check(board.wait_line(f"^{line}"), f"and shown: {line}", board.text())
    house.command(id="c2", led="purple")
    check(board.wait_line("^command +refused"), "one that makes no sense is refused", board.text())
    since = board.mark()
    house.command(id="c3", restart=True)
    need(board.wait_line("^restart ", since), "it restarts when it is told to", board.text())
    station.wait_online(board, since)
    qemu = qemu_of(board)
    check(len(qemu) == 1, "there is one emulator", qemu)
    board.send_signal(signal.SIGINT)
    check(board.wait_end() == 0, "Ctrl-C ends it with 0", board.text())
    check(board.matching("^offline +said goodbye$"), "after a goodbye", board.text())
    check(not any(os.path.exists(f"/proc/{pid}") for pid in qemu), "the emulator is gone", qemu)
    house.check_clean()


@case
def outbox(scene):
    """what was measured offline arrives after the next start, in order; --count and --quiet"""
    house = House(scene)
    config = json.loads((house.bundle / "config.json").read_text())
    away = {**config, "port": endpoint_free()}
    (house.bundle / "config.json").write_text(json.dumps(away))
    board = house.start()
    need(board.wait_line("^offline +E-PORT-REFUSED: "), "it says why it is offline", board.text())
    need(board.wait_for(lambda: len(station.queued(board, 0)) >= 3), "it queues", board.text())
    busy = house.run()
    check(busy.code == 10 and "another board's flash" in busy.err, "a second one is refused", busy)
    board.kill()
    last = station.made(board)
    (house.bundle / "config.json").write_text(json.dumps(config))
    ran = house.run("--interval", "1s", "--count", str(last + 2), "--quiet")
    check(ran.code == 0, "the next one delivers and ends with 0", ran.out + ran.err)
    check(f"outbox      {last} messages wait from before" in ran.out, "it knows of them", ran.out)
    need(station.wait_seq(house.sub, last + 2), "all arrive", house.sub.text())
    station.check_unbroken(station.seqs(house.sub), 1, last + 2, "over the kill")
    house.check_clean()
    gone = scene.start_elo(*house.argv(bundle=away_bundle(scene, house, away)), env=house.env)
    need(gone.wait_line("^offline +E-PORT-REFUSED: "), "nor is another", gone.text())
    check(gone.end() == 6, "never online: exit code 6", gone.text())


def away_bundle(scene, house, config):
    other = scene.path("away")
    shutil.copytree(house.bundle, other)
    (other / "config.json").write_text(json.dumps(config))
    return other


@case
def what_is_missing(scene):
    """the image, QEMU, or room on the board: what and the cure, and nothing is made"""
    house = House(scene)
    (scene.path("nothing")).mkdir()
    alone = scene.path("alone")
    shutil.copy(scene.elo_path, alone)  # beside which there is no image
    text, foreign = scene.path("text"), scene.path("foreign")
    text.write_text("not an image at all, but long enough")
    shutil.copy("/bin/true", foreign)
    said = scene.run(alone, *house.argv(), env=house.env)
    check(said.code == 4 and "no image" in said.err and "make image" in said.err,
          "no image: 4, and how to get one", said)
    for path, code in ((scene.path("absent.elf"), 4), (text, 1), (foreign, 1)):
        said = house.run("--image", path)
        check(said.code == code and str(path) in said.err, f"--image {path.name}: {code}", said)
    said = house.run(env={"PATH": str(scene.path("nothing"))})
    check(said.code == 4 and "qemu-system-misc" in said.err, "no QEMU: 4, and what to install",
          said)
    said = house.run("--image", lx106.image("probe"))
    check(said.code == 8, "another image: 8", said)
    check("serial      usage: probe" in said.out, "what it says is shown", said.out)
    for option in (["--mqtt5"], ["--persistent"], ["--outbox", "8192"]):
        said = house.run(*option)
        check(said.code == 2 and "not for --emulate" in said.err, f"{option[0]}: 2", said.err)
    said = scene.elo("device", "--bundle", house.bundle, "--image", text)
    check(said.code == 2, "--image without --emulate: 2", said.err)
    said = house.run("--flash", text)
    check(said.code == 1 and "no emulated board's flash" in said.err, "a file that is no flash: 1",
          said.err)
    two = away_bundle(scene, house, json.loads((house.bundle / "config.json").read_text()))
    root = (two / "ca.pem").read_text()
    (two / "ca.pem").write_text(root + root)
    said = house.run(bundle=two)
    check(said.code == 1 and "one root" in said.err, "two roots: 1", said)
    house.check_clean()


@case
def the_demo(scene):
    """elo demo --emulate; and without an emulator it shows the device of before"""
    need(lx106.image("station").exists(), "the image is built (tools/test lx106)")
    occupy_usual_ports(scene)
    shown = scene.elo("demo", "--emulate", "--for", "6s", "--data", scene.path("demo"))
    check(shown.code == 0 and "device   board" in shown.out and '"ok":true' in shown.out,
          "it shows the emulated board", shown.out + shown.err)
    (scene.path("nothing")).mkdir()
    shown = scene.elo("demo", "--emulate", "--for", "6s", "--data", scene.path("demo"),
                      env={"PATH": str(scene.path("nothing"))})
    check(shown.code == 0 and "device   instead" in shown.out and '"ok":true' in shown.out,
          "without QEMU the device is a program on this machine", shown.out + shown.err)


main()
