#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""From blank flash to telemetry by hand: the firmware's set-up and Station with the portal as the
only way in, Debian's chromium in front of it, a bundle of `elo add` and the real desk behind it.
What does not work is told on the page and not saved.

    tests/web/test_portal_board.py build/dev/elo [case]
"""
import pathlib
import shutil
import socket
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "wire"))

from browser import Browser, need_chromium
from desk import PATIENCE, case, check, main, need
from line import Line
from plain import ask
from station import freeze, thaw, wait_seq

PASSPHRASE = "segredo-bom"


class Board:
    """A board with its portal open; its flash stays in the scene's folder."""

    def __init__(self, scene):
        self.folder = scene.path("board")
        self.folder.mkdir()
        self.line = Line(scene, ["station_board", self.folder])
        scene.undo.callback(self.line.end)
        self.at = 0
        self.wait("^boot set-up", "blank flash: it waits to be set up")
        said = dict(line.split() for line in self.line.board_said().splitlines())
        self.url = f"http://127.0.0.1:{said['portal']}"
        self.dns = ("127.0.0.1", int(said["dns"]))

    def wait(self, pattern, what):
        self.at = self.line.wait_said(pattern, what, self.at)

    def order(self, words):
        self.line.order(words)
        self.wait(f"^{words}$", f"the board is {words}")

    def holds(self, text):
        return text.encode() in (self.folder / "slots.flash").read_bytes()


class Person:
    """With a phone on the board's network."""

    def __init__(self, scene, board):
        self.browser = Browser()
        scene.undo.callback(self.browser.close)
        self.browser.go(board.url + "/")
        self.sees("two networks", lambda: self.browser.count("label.n") == 3)

    def sees(self, what, condition):
        self.browser.wait(what, condition)
        check(True, what)

    def brings(self, bundle):
        files = "\n".join(str(path) for path in sorted(bundle.iterdir()))
        self.browser.type("#files", files)
        self.sees("the bundle is complete",
                  lambda: self.browser.text("#bsay") == "The bundle is complete.")

    def tries(self, passphrase):
        """The strongest network, and a reading every second."""
        self.browser.click("label.n:first-of-type")
        self.browser.type("#pass", passphrase)
        self.browser.run("document.querySelector('[name=interval]').value = 1")
        self.browser.submit("button.w")

    def is_told(self, words):
        self.sees(f"the page says: {words}", lambda: words in self.browser.text("[role=alert]"))

    def sees_stage(self, words):
        self.sees(f"the page says: {words}", lambda: self.browser.text("#say") == words)

    def sees_saved(self):
        self.sees("the page says: Saved", lambda: self.browser.text("h1") == "Saved")
        said = self.browser.complaints()
        check(not said, "the browser has nothing to complain about", "\n".join(said))


def make_bundle(scene, desk):
    folder = scene.path("kitchen")
    made = scene.elo("add", "kitchen", "--out", folder, "--data", desk.data)
    need(made.code == 0, "elo add makes a bundle", made)
    return folder


def with_root(scene, bundle, root):
    """The same bundle, but it trusts somebody else."""
    folder = scene.path("stranger")
    shutil.copytree(bundle, folder)
    shutil.copy(root, folder / "ca.pem")
    return folder


def subscribe(desk):
    laptop = desk.make_device("laptop", desk.make_policy("watcher", ("iot:*", "*")))
    return desk.sub(laptop, "elo/kitchen/telemetry", "-q", "1")


def works(board, sub):
    board.wait("^portal closed\nrestart\nboot run", "it restarts and runs, its portal closed")
    board.wait("^online\n(.*\n)*delivered", "it is online, telemetry is delivered")
    check(wait_seq(sub, 2), "and arrives at a subscriber", sub.text())


@case
def good_way(scene):
    """blank flash, a phone, the bundle as files, the stages of the test, telemetry"""
    desk = scene.desk()
    bundle, sub, board = make_bundle(scene, desk), subscribe(desk), Board(scene)
    person = Person(scene, board)
    check(person.browser.text("label.n:first-of-type bdi") == "Casa da Ana",
          "the strongest network is first")
    person.brings(bundle)
    board.order("far")
    person.tries(PASSPHRASE)
    person.sees("it is being tested",
                lambda: person.browser.text("h1") == "Testing the connection")
    person.sees_stage("joining the Wi-Fi")
    check(not board.holds(PASSPHRASE), "nothing is saved before it has worked")
    freeze(desk)
    board.order("near")
    person.sees_stage("proving identities (TLS)")
    thaw(desk)
    person.sees_saved()
    check(board.holds("Casa da Ana") and board.holds(PASSPHRASE), "it is in flash")
    works(board, sub)


@case
def pasted(scene):
    """the same with the bundle pasted into the page"""
    desk = scene.desk()
    bundle, sub, board = make_bundle(scene, desk), subscribe(desk), Board(scene)
    person = Person(scene, board)
    text = "".join((bundle / name).read_text() + "\n"
                   for name in ("config.json", "ca.pem", "cert.pem", "key.pem"))
    person.browser.run("document.getElementById('bundle').value = arguments[0]", text)
    person.tries(PASSPHRASE)
    person.sees_saved()
    works(board, sub)


@case
def bad_endings(scene):
    """a wrong passphrase, a root that is not the desk's: told, not saved; then the right ones"""
    desk = scene.desk()
    bundle, sub, board = make_bundle(scene, desk), subscribe(desk), Board(scene)
    root, _ = scene.make_self_signed("stranger")
    person = Person(scene, board)
    person.brings(bundle)
    person.tries("wrong-pass")
    person.is_told("does not accept this passphrase")
    check("kitchen" in person.browser.text("main") and
          person.browser.value("[name=interval]") == "1",
          "the bundle and the rest of the form are kept for the next try")
    person.brings(with_root(scene, bundle, root))
    person.tries(PASSPHRASE)
    person.is_told("not one that this bundle trusts")
    for secret in ("wrong-pass", PASSPHRASE, "kitchen"):
        check(not board.holds(secret), f"nothing is saved: '{secret}' is not in flash")
    check("boot run" not in board.line.board_said(), "it is in set-up still")
    person.brings(bundle)
    person.tries(PASSPHRASE)
    person.sees_saved()
    works(board, sub)


# --- a phone that has just joined ----------------------------------------------------------------


def query(name, kind):
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack(">6H", 0x4F22, 0x0100, 1, 0, 0, 0) + labels + struct.pack(">x2H", kind, 1)


def look_up(board, name, kind):
    """Does it answer the question; its code, its number of answers, its last four bytes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(PATIENCE)
        s.connect(board.dns)
        s.send(query(name, kind))
        answer = s.recv(512)
    number, flags, _, answers = struct.unpack(">4H", answer[:8])
    return number == 0x4F22 and flags >> 15 == 1, flags & 15, answers, answer[-4:]


@case
def phones_find_it(scene):
    """every name is the board, every probe leads to the page"""
    board = Board(scene)
    for name in ("connectivitycheck.gstatic.com", "captive.apple.com", "a.b"):
        check(look_up(board, name, 1) == (True, 0, 1, b"\x7f\0\0\1"), f"{name} is the board")
    good, code, answers, _ = look_up(board, "captive.apple.com", 28)
    check((good, code, answers) == (True, 0, 0), "it has no IPv6 address, and says so")
    for host, path in (("connectivitycheck.gstatic.com", "/generate_204"),
                       ("captive.apple.com", "/hotspot-detect.html"),
                       ("www.msftconnecttest.com", "/connecttest.txt")):
        status, headers, _ = ask(board.url, path, Host=host)
        check(status == 302 and headers["Location"] == "http://127.0.0.1/",
              f"http://{host}{path} leads to the portal", (status, headers))
    silent = [socket.create_connection(board.url[7:].split(":")) for _ in range(3)]
    status, _, page = ask(board.url, "/")
    check(status == 200 and page.endswith("</html>"), "three who say nothing are in nobody's way")
    for s in silent:
        s.close()

# --- a visitor who does not keep to the form -----------------------------------------------------


def begin_post(board, length, body):
    """A POST of the form that has come so far; its socket."""
    s = socket.create_connection(board.url[7:].split(":"), PATIENCE)
    s.sendall((f"POST /try HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n"
               f"Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}").encode())
    return s


def read_all(s):
    """Until the other side has closed; "reset" if it did not wait for us."""
    got = b""
    with s:
        try:
            while part := s.recv(4096):
                got += part
        except ConnectionResetError:
            return "reset"
    return got.decode()


@case
def odd_visitors(scene):
    """too much, no token, gone in the middle: each is answered, and so is the next one"""
    board = Board(scene)
    token = ask(board.url, "/")[2].split("name=t id=t value=")[1].split(">")[0]
    answer = read_all(begin_post(board, 100000, "x" * 100000))
    check(answer.startswith("HTTP/1.1 413"), "too much is refused, and the refusal arrives",
          answer)
    answer = read_all(begin_post(board, 200, f"x=1&t={token}"))
    check(answer.startswith("HTTP/1.1 403"), "so is who does not begin with the token", answer)
    begin_post(board, 9000, f"t={token}&bundle=-----BEGIN").close()
    check(ask(board.url, "/status")[0] == 200, "somebody leaves in the middle of a form")
    status, _, _ = ask(board.url, "/try", {"t": token, "net": "", "ssid": ""})
    check(status == 303, "which then is free for the next", status)
    answers = [ask(board.url, "/status") for _ in range(20)]
    check(all(status == 200 and '"failed"' in text for status, _, text in answers),
          "who is told what is missing", answers)


need_chromium()
main()
