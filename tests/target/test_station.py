#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""The whole firmware on the ESP8266's CPU, against our desk: telemetry up, a command down, and what
was measured arrives in order, whether the network, the desk or the power was away meanwhile."""
import json
import signal
import subprocess

from lx106 import POWER, RESTART, Board, check, credentials, need
from desk import case, main


class Station:
    """A station that is set up, its desk, and who listens."""

    def __init__(self, scene):
        self.scene, self.board, self.desk = scene, Board(scene), scene.desk()
        self.desk.make_policy("all", ("iot:*", "*"))
        device = self.desk.make_device("shed", "all")
        self.folder = credentials(scene, self.desk.ca, device)
        self.sub = self.desk.sub(self.desk.make_device("person", "all"), "elo/#", "-q", "1")
        self.flash = scene.path("flash.bin")

    def start(self, *more, speed=20, count=False):
        return self.board.start("station", self.flash, self.folder, "localhost",
                                self.desk.mqtts_port, "shed", "elo/shed", "interval=1", *more,
                                options=["--speed", str(speed)], stdin=subprocess.PIPE,
                                count=count)

    def seqs(self):
        return [json.loads(m[1])["seq"]
                for m in self.sub.matching(r"^MSG elo/shed/telemetry 1 0 (.*)$")]

    def wait_seq(self, number):
        return self.sub.wait_for(lambda: number in self.seqs())

    def command(self, **fields):
        sent = self.desk.elo_aws("iot-data", "publish", "--topic", "elo/shed/cmd", "--qos", "1",
                                 "--cli-binary-format", "raw-in-base64-out", "--payload",
                                 json.dumps(fields))
        check(sent.code == 0, f"a command by the API: {fields}", sent.err)

    def check_unbroken(self, first, last):
        """Each number for the first time in order; one may come again."""
        highest, good = first - 1, True
        for n in self.seqs():
            good = good and n <= highest + 1
            highest = max(highest, n)
        check(good and highest >= last, f"{first} to {last} in order, none is missing", self.seqs())


def press(process, keys):
    process.popen.stdin.write(keys)
    process.popen.stdin.flush()


def measured(process):
    """The number of the newest telemetry that the board says it has made."""
    return max([int(m[1]) for m in process.matching(r'^telemetry \{"seq":(\d+)')], default=0)


def finish(process, text="the board ends with 0"):
    press(process, "q")
    check(process.wait_end() == 0, text, process.text())


@case
def telemetry_and_command(scene):
    """up, down, answered, and the pins move; nothing that the chip would not bear"""
    station = Station(scene)
    board = station.start(count=True)
    need(board.wait_line("^online"), "the station is online", board.text())
    need(station.wait_seq(3), "telemetry arrives", station.sub.text())
    first = station.sub.matching(r"^MSG elo/shed/telemetry 1 0 (.*)$")[0][1]
    check('"celsius":21.50' in first and '"source":"simulated DHT22"' in first, first)
    check(station.sub.wait_line(r'^MSG elo/shed/describe \d [01] \{'), "it describes itself",
          station.sub.text())
    station.command(id="c1", led="on", relay="on")
    check(station.sub.wait_line(r'^MSG elo/shed/reply 1 0 \{"id":"c1","ok":true\}$'),
          "the command is answered", station.sub.text())
    check(board.wait_line(r"^pin 5 1$") and board.wait_line(r"^pin 2 1$"), "relay and LED are on",
          board.text())
    station.command(id="c2", led="purple")
    check(station.sub.wait_line(r'^MSG elo/shed/reply 1 0 \{"id":"c2","ok":false,"error":'),
          "one that makes no sense is answered with an error", station.sub.text())
    press(board, "s")
    check(board.wait_line(r"^mqtt: "), "the status in words", board.text())
    finish(board)
    station.check_unbroken(1, 3)
    counts = board.counts()
    check(counts.misuse() == [0, 0, 0],
          "narrow flash loads, flash stores, strays: none", counts.places)


@case
def network_away(scene):
    """the network is taken away and comes back"""
    station = Station(scene)
    board = station.start()
    need(station.wait_seq(2), "telemetry arrives", station.sub.text())
    board.send_signal(signal.SIGUSR1)
    need(board.wait_line("^offline "), "the board notices", board.text())
    since = measured(board)
    need(board.wait_for(lambda: measured(board) >= since + 8), "it goes on measuring",
         board.text())
    mark = board.mark()
    board.send_signal(signal.SIGUSR2)
    need(board.wait_line("^online", mark), "it is online again", board.text())
    last = measured(board)
    need(station.wait_seq(last + 2), "what waited arrives, and what came after it",
         station.sub.text())
    station.check_unbroken(1, last + 2)
    check(station.sub.matching(f'"seq":{since + 3},"time":\\d+'),
          "what was measured offline carries its time", station.sub.text())
    finish(board)


@case
def power_away(scene):
    """the power goes in the middle of a word of flash, again and again"""
    station = Station(scene)
    cuts = 0
    for words in (90, 140, 201, 262, 333):
        board = station.start(f"cut={words}")
        code = board.wait_end()
        cuts += code == POWER
        check(code == POWER and "the power is cut" in board.text(), f"cut at word {words}",
              (code, board.text()))
    need(cuts == 5, "the power went five times")
    board = station.start()
    need(board.wait_line("^online"), "the station is online after all that", board.text())
    need(board.wait_line(r"^telemetry "), "it measures", board.text())
    last = measured(board)
    need(station.wait_seq(last), "and delivers", station.sub.text())
    seen = station.seqs()
    again = [b for a, b in zip(seen, seen[1:]) if b > a + 1]
    check(not again, "no number was skipped", seen)
    finish(board)


@case
def restart(scene):
    """a command restarts the board; it is not obeyed a second time"""
    station = Station(scene)
    board = station.start()
    need(station.wait_seq(1), "telemetry arrives", station.sub.text())
    station.command(id="r1", restart=True)
    check(station.sub.wait_line(r'^MSG elo/shed/reply 1 0 \{"id":"r1","ok":true\}$'),
          "the command is answered first", station.sub.text())
    check(board.wait_end() == RESTART, "the board restarts", board.text())
    board = station.start()
    need(board.wait_line("^online"), "and is back", board.text())
    station.command(id="r1", restart=True)
    station.command(id="c3", led="on")
    check(station.sub.wait_line(r'^MSG elo/shed/reply 1 0 \{"id":"c3","ok":true\}$'),
          "the same command again does not restart it", station.sub.text())
    finish(board)


main()
