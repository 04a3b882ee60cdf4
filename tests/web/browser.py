# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""Debian's chromium through its chromedriver: the few WebDriver commands that the tests need, over
the standard library's HTTP client."""
import base64
import http.client
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "wire"))

from desk import PATIENCE, endpoint_free  # noqa: E402

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-dev-shm-usage", "--hide-scrollbars", "--no-proxy-server"]
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Failure(Exception):
    pass


def need_chromium():
    for tool in ("chromium", "chromedriver"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is not installed: apt-get install chromium chromium-driver")


class Browser:
    def __init__(self, width=390, height=844, language="en-US", dark=False, scripts=True):
        self.profile = tempfile.TemporaryDirectory(prefix="elo-web-",
                                                   ignore_cleanup_errors=True)
        # With port 0 it takes any port of IPv6 and ends if somebody has that one of IPv4.
        self.port = endpoint_free()
        self.driver = subprocess.Popen(["chromedriver", f"--port={self.port}"],
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                       start_new_session=True)
        said = []
        while not said or "success" not in said[-1]:
            said.append(self.driver.stdout.readline())
            if not said[-1]:
                raise Failure(f"chromedriver did not start: {' '.join(said)}")
        prefs = {"intl.accept_languages": language}
        if not scripts:
            prefs["profile.managed_default_content_settings.javascript"] = 2
        args = FLAGS + [f"--user-data-dir={self.profile.name}", f"--window-size={width},{height}",
                        f"--accept-lang={language}"]
        if dark:
            args.append("--force-dark-mode")
        options = {"args": args, "prefs": prefs}
        if width < 600:
            options["mobileEmulation"] = {"deviceMetrics": {"width": width, "height": height,
                                                            "pixelRatio": 2.0, "touch": True}}
        answer = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"}}}})
        self.session = "/session/" + answer["sessionId"]

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None,
                               {"Content-Type": "application/json"})
            value = json.loads(connection.getresponse().read())["value"]
        except OSError as error:
            raise Failure(f"{method} {path}: {error}") from error
        finally:
            connection.close()
        if isinstance(value, dict) and "error" in value:
            raise Failure(f"{value['error']}: {value['message'].splitlines()[0]}")
        return value

    def do(self, method, path, body=None):
        return self.call(method, self.session + path, body)

    def go(self, url):
        self.do("POST", "/url", {"url": url})

    def run(self, script, *args):
        return self.do("POST", "/execute/sync", {"script": script, "args": list(args)})

    def find(self, css):
        return self.do("POST", "/element", {"using": "css selector", "value": css})[ELEMENT]

    def count(self, css):
        return len(self.do("POST", "/elements", {"using": "css selector", "value": css}))

    def text(self, css):
        text = self.run("let e=document.querySelector(arguments[0]);return e&&e.innerText", css)
        if text is None:
            raise Failure(f"there is no {css}")
        return text

    def click(self, css):
        self.do("POST", f"/element/{self.find(css)}/click", {})

    def submit(self, css):
        """A click that asks for another page, until that page is there: what is looked for next
        cannot be found on the one before."""
        self.run("window.before = true")
        self.click(css)
        self.wait("another page", lambda: not self.run("return window.before === true"))

    def type(self, css, text):
        self.do("POST", f"/element/{self.find(css)}/value", {"text": text})

    def value(self, css):
        return self.do("GET", f"/element/{self.find(css)}/property/value")

    def picture(self, path, whole=False):
        """A screenshot; `whole`: of the page to its end."""
        if whole:
            size = self.run("return [document.documentElement.scrollWidth,"
                            "document.documentElement.scrollHeight]")
            shot = self.do("POST", "/goog/cdp/execute", {"cmd": "Page.captureScreenshot", "params": {
                "captureBeyondViewport": True,
                "clip": {"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1}}})["data"]
        else:
            shot = self.do("GET", "/screenshot")
        with open(path, "wb") as f:
            f.write(base64.b64decode(shot))

    def complaints(self):
        """What the browser's console says: errors of scripts, things the page's policy forbade."""
        return [e["message"] for e in self.do("POST", "/se/log", {"type": "browser"})
                if e["level"] == "SEVERE"]

    def wait(self, what, condition):
        """Until condition() is true; a page that is being replaced has no elements for a moment."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                if condition():
                    return
            except Failure:
                pass
            if time.monotonic() > end:
                raise Failure(f"waited {PATIENCE} s for {what}")
            time.sleep(0.05)

    def close(self):
        try:
            self.do("DELETE", "")
        except Failure:
            pass
        finally:
            os.killpg(self.driver.pid, signal.SIGKILL)
            self.driver.wait()
            self.driver.stdout.close()
            self.profile.cleanup()
