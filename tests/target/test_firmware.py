#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""The whole road on the ESP8266's CPU, from blank flash: the key is made on the board, `elo add
--port` provisions it over the serial line from the real desk, telemetry goes up, a command comes
down, the connection is cut, and what was measured meanwhile is delivered in order."""
import json
import os
import re
import signal
import time

from lx106 import Board, Counts, check, image, need, symbol
from desk import PATIENCE, case, main
from line import Line
import station

SLOW = 4 * PATIENCE  # the CPU makes a key and three handshakes


class Firmware:
    """The board on its line, the desk, and who listens."""

    def __init__(self, scene):
        self.scene, self.desk = scene, scene.desk()
        self.board = Board(scene)
        self.flash = scene.path("flash.bin")
        person = self.desk.make_device("person", self.desk.make_policy("all", ("iot:*", "*")))
        self.sub = self.desk.sub(person, "elo/#", "-q", "1")
        self.plug()

    def plug(self):
        self.counts = self.scene.path("counts")
        self.line = Line(self.scene, [self.board.runner, "--line", "--plugin",
                                      f"{self.board.plugin},out={self.counts}", image("firmware"),
                                      self.flash])
        self.at = 0

    def check_memory(self, what):
        """What the plugin wrote when the board restarted."""
        counts = Counts(self.counts)
        self.counts.unlink()
        check(counts.misuse() == [0, 0, 0],
              f"{what}: narrow flash loads, flash stores, strays: none",
              [(symbol("firmware", pc), n, kind) for pc, n, kind in counts.places])

    def wait_told(self, pattern, what):
        """Waits until the board has told this, after what was waited for last."""
        self.at = self.line.wait_said(pattern, what, self.at, SLOW)

    def add(self, name, *options, host="127.0.0.1"):
        secret = self.scene.path("pass")
        secret.write_text("segredo-bom\n")
        return self.scene.elo("add", name, "--data", self.desk.data, "--port", self.line.path,
                              "--host", host, "--wifi", "Casa da Ana", "--wifi-pass-file",
                              secret, "--interval", "1s", *options)

    def command(self, **fields):
        sent = self.scene.elo("pub", "elo/kitchen/cmd", "-m", json.dumps(fields), "--data",
                              self.desk.data)
        need(sent.code == 0, f"a command: {fields}", sent.err)

    def signal(self, number):
        os.kill(self.line.board, number)

    def measured(self):
        return max([int(n) for n in re.findall(r'^telemetry \{"seq":(\d+)',
                                               self.line.board_said(), re.M)], default=0)


@case
def the_road(scene):
    """serial bundle, handshake, telemetry, command, cut, outbox in order; the power goes"""
    board = Firmware(scene)
    board.wait_told("^boot set-up", "blank flash: it waits to be set up")
    added = board.add("kitchen")
    need(added.code == 0 and added.out == "elo-lx106\n", "elo add --port: 0",
         (added, board.line.board_said()))
    board.wait_told("^boot run", "it restarts with what it was given")
    board.check_memory("set-up")
    board.wait_told("^online\n(.*\n)*delivered", "it is online, telemetry is delivered")
    need(station.wait_seq(board.sub, 2), "and arrives at a subscriber", board.sub.text())
    board.command(id="c1", led="on", relay="on")
    check(board.sub.wait_line(r'^MSG elo/kitchen/reply 1 0 \{"id":"c1","ok":true\}$'),
          "a command is answered", board.sub.text())
    board.wait_told("^pin 5 1$", "and obeyed")

    board.signal(signal.SIGUSR1)
    board.wait_told("^offline ", "the connection is cut, and it notices")
    since = board.measured()
    while board.measured() < since + 5:
        time.sleep(0.05)
    board.signal(signal.SIGUSR2)
    board.wait_told("^online", "it is online again")
    last = board.measured()
    need(board.sub.wait_for(lambda: last + 1 in station.seqs(board.sub), SLOW),
         "what waited arrives, and what came after it", board.sub.text())
    station.check_unbroken(station.seqs(board.sub), 1, last + 1, "over the cut")

    board.command(id="r1", restart=True)
    board.wait_told("^boot run", "a command restarts it")
    board.check_memory("a Station's life")
    board.line.end(power_cut=True)
    board.plug()
    board.wait_told("^boot run\n(.*\n)*delivered", "after a power cut it goes on by itself")
    board.line.end()


@case
def what_does_not_work(scene):
    """a server that is not the desk is told and nothing is kept; the reset button; the same key"""
    board = Firmware(scene)
    board.wait_told("^boot set-up", "blank flash: it waits to be set up")
    failed = board.add("kitchen", host="127.0.0.2")
    check(failed.code == 6 and "E-" in failed.err, "an endpoint where nobody is", failed)
    board.line.order("reset")
    board.wait_told("^boot set-up", "nothing was kept over the reset button")
    added = board.add("kitchen")
    need(added.code == 0, "then the right one", (added, board.line.board_said()))
    board.wait_told("^boot run\n(.*\n)*delivered", "works")
    board.line.end()


main()
