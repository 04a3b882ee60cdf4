# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""A board on a pseudo-terminal: what runs behind it and what happens to the bytes on the way."""
import os
import pathlib
import pty
import re
import select
import signal
import threading
import time
import tty

from desk import PATIENCE, SANITIZER, check, need


class Line:
    """The cable to a board, argv (in build/*/tests, or anywhere by its path): elo's end is a
    pseudo-terminal, the board's two pipes. `to_board` and `to_desk` may change what passes: bytes
    in, bytes out."""

    def __init__(self, scene, argv, to_board=None, to_desk=None):
        self.to_board, self.to_desk = to_board or (lambda b: b), to_desk or (lambda b: b)
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.path = os.ttyname(self.slave)
        self.passed = {"board": 0, "desk": 0}
        self.after = []  # (bytes to the board, order): given once so many have passed
        read_in, self.into = os.pipe()
        self.out, write_out = os.pipe()
        orders, self.orders = os.pipe()
        player = pathlib.Path(scene.elo_path).parent / "tests" / argv[0]
        self.log = scene.path("board.log")
        self.log.write_text("")
        self.board = os.fork()
        if self.board == 0:
            try:
                os.dup2(read_in, 0)
                os.dup2(write_out, 1)
                os.dup2(os.open(self.log, os.O_WRONLY | os.O_APPEND), 2)
                os.dup2(orders, 3)
                for fd in (0, 1, 2, 3):
                    os.set_inheritable(fd, True)
                os.closerange(4, 256)
                os.execv(player, [str(player), *map(str, argv[1:])])
            except OSError as error:
                os.write(2, f"{player}: {error}\n".encode())
            finally:
                os._exit(127)
        for fd in (read_in, write_out, orders):
            os.close(fd)
        self.closing = threading.Event()
        self.pump = threading.Thread(target=self.run, daemon=True)
        self.pump.start()

    def order(self, words):
        os.write(self.orders, (words + "\n").encode())

    def send_signal(self, number):
        """To the board."""
        os.kill(self.board, number)

    def run(self):
        while not self.closing.is_set():
            ready, _, _ = select.select([self.master, self.out], [], [], 0.05)
            try:
                if self.master in ready:
                    self.forward(os.read(self.master, 256))
                if self.out in ready:
                    data = os.read(self.out, 256)
                    if not data:
                        return
                    self.passed["desk"] += len(data)
                    os.write(self.master, self.to_desk(data))
            except OSError:
                return

    def forward(self, data):
        self.passed["board"] += len(data)
        os.write(self.into, self.to_board(data))
        while self.after and self.passed["board"] >= self.after[0][0]:
            self.order(self.after.pop(0)[1])

    def board_said(self):
        return self.log.read_text(errors="replace")

    def wait_said(self, pattern, what, since=0, patience=PATIENCE):
        """Waits until the board has told this; where it was told."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            found = re.search(pattern, self.board_said()[since:], re.M)
            if found:
                check(True, what)
                return since + found.end()
            time.sleep(0.02)
        need(False, what, self.board_said())
        return 0

    def end(self, power_cut=False):
        if power_cut:
            os.kill(self.board, signal.SIGKILL)
        os.close(self.into)
        os.waitpid(self.board, 0)
        self.closing.set()
        self.pump.join()
        for fd in (self.master, self.slave, self.out, self.orders):
            os.close(fd)
        if SANITIZER.search(self.board_said()):
            check(False, "no sanitizer complains on the board", self.board_said())


class Person:
    """Who sits at the terminal."""

    def __init__(self, line):
        self.line, self.heard = line, b""

    def types(self, text):
        os.write(self.line.slave, text)

    def sees(self, pattern, what):
        """Waits for it among what has been written since; the match."""
        end = time.monotonic() + PATIENCE
        while not re.search(pattern, self.heard) and time.monotonic() < end:
            ready, _, _ = select.select([self.line.slave], [], [], 0.2)
            if ready:
                self.heard += os.read(self.line.slave, 256)
        found = re.search(pattern, self.heard)
        need(found, what, self.heard.decode("utf-8", "replace"))
        self.heard = b""
        return found
