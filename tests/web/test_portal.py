#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""The captive portal in a real browser: Debian's chromium against the handler of lib/ on the PC.

    tests/web/test_portal.py build/dev/tests/portal_server [case]

Screenshots go to $SHOTS, if that is set."""
import os
import shutil
import subprocess
import sys
import tempfile
import time

from browser import Browser, Failure, need_chromium
from plain import ask

CASES = []
SHOTS = os.environ.get("SHOTS")
WRONG = "-140"
HERE = os.path.dirname(os.path.abspath(__file__))
BUNDLE = os.path.join(HERE, "..", "vectors", "setup", "bundle")


def case(f):
    CASES.append(f)
    return f


class Board(str):
    """Its URL, and orders: what happens behind it waits for who looks."""

    def __new__(cls, process):
        return super().__new__(cls, f"http://127.0.0.1:{int(process.stdout.readline())}")

    def __init__(self, process):
        self.process = process

    def order(self, letter):
        self.process.stdin.write(letter)
        self.process.stdin.flush()

    def hold(self):
        self.order("h")

    def stage(self):
        """While it is held: one stage on."""
        self.order("s")

    def go(self):
        self.order("g")


class Scene:
    def __init__(self, server):
        self.server, self.checks, self.failed, self.things = server, 0, 0, []

    def board(self, kind=0, failure=0):
        board = subprocess.Popen([self.server, "0", str(kind), str(failure)],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.things.append(lambda: (board.stdin.close(), board.wait(40)))
        return Board(board)

    def browser(self, **options):
        browser = Browser(**options)
        self.things.append(browser.close)
        return browser

    def check(self, good, text, *particulars):
        self.checks += 1
        if not good:
            self.failed += 1
            print(f"  FAILED {text}", *particulars, sep="\n    ")

    def shot(self, browser, name, whole=True):
        if SHOTS:
            browser.picture(os.path.join(SHOTS, name + ".png"), whole)

    def quiet(self, browser):
        said = browser.complaints()
        self.check(not said, "the browser has nothing to complain about", *said)

    def fits(self, browser):
        wide = browser.run("return document.documentElement.scrollWidth - innerWidth")
        self.check(wide <= 0, f"the page is as wide as the screen (+{wide})")

    def open(self, browser, url, rows):
        browser.go(url + "/")
        browser.wait(f"{rows} networks", lambda: browser.count("label.n") == rows + 1)

    def end(self):
        for thing in reversed(self.things):
            thing()


@case
def good_way(s):
    """a phone: choose, type, test, saved"""
    board, b = s.board(), s.browser()
    s.check("Searching for networks" in ask(board, "/")[2], "it searches at first")
    if SHOTS:
        b.go(s.board() + "/")
        s.shot(b, "phone-searching", whole=False)
    s.open(b, board, 4)
    s.check(b.text("h1") == "Set up this board", "English")
    s.check(b.text("label.n:first-of-type bdi") == "Casa da Ana", "the strongest is first")
    s.check(b.count("svg[aria-label='needs a passphrase']") == 3, "three locks, one open")
    s.fits(b)
    s.shot(b, "phone-form")
    b.click("label.n:first-of-type")
    b.type("#pass", "segredo-bom")
    s.check(b.run("return document.getElementById('pass').type") == "password", "hidden")
    b.click("#show")
    s.check(b.run("return document.getElementById('pass').type") == "text" and
            b.text("#show") == "Hide", "shown when asked")
    board.hold()
    b.submit("button.w")
    b.wait("the test", lambda: b.text("h1") == "Testing the connection")
    b.wait("its first stage", lambda: "Wi-Fi" in b.text("#say"))
    for _ in range(4):
        board.stage()
    b.wait("a later stage", lambda: "TLS" in b.text("#say"))
    s.shot(b, "phone-testing", whole=False)
    board.go()
    b.wait("the end", lambda: b.text("h1") == "Saved")
    s.shot(b, "phone-saved")
    s.quiet(b)


@case
def reasons(s):
    """what failed before is told; what fails now, too; nothing is typed twice for nothing"""
    url, b = s.board(failure=WRONG), s.browser()
    s.open(b, url, 4)
    s.check("does not accept this passphrase" in b.text("[role=alert]"), "why it is here",
            b.text("main"))
    s.shot(b, "phone-failed-before")
    for ssid, password, words in ((None, "wrong-pass", "passphrase"), (None, "no-address", "DHCP"),
                                  (None, "no-internet", "name was not found"),
                                  (None, "bad-root", "not one that this bundle trusts"),
                                  (None, "bad-policy", "policy"),
                                  ("nowhere", "whatever1", "No Wi-Fi of this name")):
        if ssid:
            b.click("#other")
            b.type("#ssid", ssid)
        else:
            b.click("label.n:first-of-type")
        b.type("#pass", password)
        b.submit("button.w")
        b.wait(words, lambda: words in b.text("[role=alert]"))
        s.check(b.value("#pass") == "", "the passphrase does not come back")
    s.check(b.value("#ssid") == "nowhere", "the name is still there")
    b.run("document.getElementById('ssid').value = ''")
    b.click("label.n:first-of-type")
    b.type("#pass", "short")
    b.submit("button.w")
    b.wait("the setting", lambda: "8 to 63" in b.text("[role=alert]"))
    s.shot(b, "phone-short-passphrase")
    b.click("summary")
    b.run("let f=document.querySelector('[name=relayPin]');f.value='2'")
    b.click("label.n:first-of-type")
    b.type("#pass", "segredo-bom")
    b.run("let o=document.createElement('option');o.value='6';o.selected=true;"
          "document.querySelector('[name=relayPin]').append(o)")
    b.submit("button.w")
    b.wait("the pin", lambda: "relayPin" in b.text("[role=alert]"))
    s.check("flash memory" in b.text("[role=alert]"), "and why that pin is none")
    s.quiet(b)


@case
def bundle(s):
    """the bundle: picked as files, pasted, refused with words"""
    url, b = s.board(), s.browser()
    s.open(b, url, 4)
    with tempfile.TemporaryDirectory() as folder:
        for name in os.listdir(BUNDLE):
            shutil.copy(os.path.join(BUNDLE, name), folder)
        names = [os.path.join(folder, n) for n in ("config.json", "ca.pem")]
        b.type("#files", "\n".join(names))
        b.wait("a missing part", lambda: "cert.pem" in b.text("#bsay"))
        s.shot(b, "phone-bundle-missing")
        b.type("#files", os.path.join(folder, "cert.pem"))
        b.wait("three files", lambda: b.text("#bsay") == "The bundle is complete.")
    b.click("label.n:first-of-type")
    b.type("#pass", "bad-root")
    b.submit("button.w")
    b.wait("the failure", lambda: "trusts" in b.text("[role=alert]"))
    s.check("kitchen" in b.text("main"), "the bundle is kept", b.text("main"))
    s.shot(b, "phone-bundle-kept")
    b.type("#pass", "segredo-bom")
    b.submit("button.w")
    b.wait("the end", lambda: b.text("h1") == "Saved")
    s.quiet(b)


@case
def hostile(s):
    """names of networks that mean harm"""
    url, b = s.board(kind=2), s.browser()
    s.open(b, url, 7)
    names = [b.run(f"return document.querySelectorAll('label.n bdi')[{i}].textContent")
             for i in range(7)]
    s.check(names[0] == "<script>alert(1)</script>", "shown as it is", names[0])
    s.check(names[1] == '"><img src=x onerror=alert(2)>', "and this", names[1])
    s.check(b.count("img") == 0 and b.count("script") == 1, "nothing became markup")
    s.fits(b)
    s.shot(b, "phone-hostile")
    b.click("label.n:nth-of-type(1)")
    b.type("#pass", "wrong-pass")
    b.submit("button.w")
    b.wait("the failure", lambda: "passphrase" in b.text("[role=alert]"))
    s.check(b.run("return document.querySelector('label.n input').checked"),
            "a strange name comes back as it went")
    s.quiet(b)


@case
def portuguese(s):
    """Portuguese, at night, on a desk"""
    url, b = s.board(failure=WRONG), s.browser(width=1280, height=900, language="pt-BR", dark=True)
    s.open(b, url, 4)
    s.check(b.text("h1") == "Configurar esta placa", "in Portuguese")
    s.check("não aceitou esta senha" in b.text("[role=alert]"), "the reason too")
    s.check(b.run("return document.documentElement.lang") == "pt-BR", "and it says so")
    s.check(b.run("return matchMedia('(prefers-color-scheme:dark)').matches"), "dark")
    b.click("summary")
    s.fits(b)
    s.shot(b, "desk-portuguese-dark")
    b.click("label.n:first-of-type")
    b.type("#pass", "segredo-bom")
    b.submit("button.w")
    b.wait("the end", lambda: b.text("h1") == "Gravado")
    s.quiet(b)


@case
def many(s):
    """twenty networks; none; a narrow screen"""
    board, b = s.board(kind=1), s.browser(width=320, height=568)
    s.open(b, board, 20)
    s.fits(b)
    b.click("summary")
    s.shot(b, "small-twenty")
    board = s.board(kind=3)
    b.go(board + "/")
    b.wait("none", lambda: "No network was heard" in b.text("main"))
    board.hold()
    b.submit("button[form=again]")
    b.wait("searching", lambda: "Searching" in b.text("main"))
    board.go()
    b.wait("none", lambda: "No network was heard" in b.text("main"))
    s.quiet(b)


@case
def without_scripts(s):
    """a browser without scripts; the probes of phones; who may not"""
    board = s.board()
    page = ask(board, "/")[2]
    s.check("<noscript><meta http-equiv=refresh" in page, "it reloads by itself while it searches")
    token = page.split("name=t id=t value=")[1].split(">")[0]
    home = {"t": token, "net": "", "ssid": "Home", "pass": "segredo-bom"}
    s.check(ask(board, "/try", {**home, "t": "0" * 16})[0] == 403, "not without the token")
    s.check(ask(board, "/try", {"ssid": "Home", "t": token})[0] == 403, "which comes first")
    s.check(ask(board, "/try", home, Host="evil.example")[0] == 403, "not under another name")
    for probe in ("/generate_204", "/hotspot-detect.html", "/ncsi.txt", "/connecttest.txt",
                  "/canonical.html", "/success.txt"):
        status, headers, _ = ask(board, probe, Host="captive.apple.com")
        s.check(status == 302 and headers["Location"] == "http://127.0.0.1/", probe, status)
    board.hold()
    status, headers, _ = ask(board, "/try", home)
    s.check(status == 303 and headers["Location"] == "/", "the form is taken", status)
    s.check(ask(board, "/try", home)[0] == 409, "one at a time")
    board.go()
    end = time.monotonic() + 30
    while "<h1>Saved" not in page and time.monotonic() < end:
        page = ask(board, "/")[2]
    s.check("<h1>Saved" in page, "and saved", page[-300:])


def main():
    server, only = os.path.abspath(sys.argv[1]), sys.argv[2:]
    need_chromium()
    if SHOTS:
        os.makedirs(SHOTS, exist_ok=True)
    checks = failed = 0
    for f in CASES:
        if only and f.__name__ not in only:
            continue
        print(f"{f.__name__}: {f.__doc__}", flush=True)
        s = Scene(server)
        try:
            f(s)
        except Failure as failure:
            s.failed += 1
            print(f"  FAILED {failure}")
        finally:
            s.end()
        checks += s.checks
        failed += s.failed
    print(f"{checks} checks, {failed} failed")
    sys.exit(1 if failed or not checks else 0)


main()
