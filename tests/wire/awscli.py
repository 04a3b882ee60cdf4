# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""The AWS CLI as a test's hand: what must succeed, what must be refused and how."""
import datetime
import json
import os
import re
import shutil
import subprocess
import time

from desk import Failure, check

ARN = re.compile(r"^arn:aws:iot:us-east-1:000000000000:(\w+)/(.+)$")
UUID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
HEX64 = re.compile(r"^[0-9a-f]{64}$")


class Cli:
    """One AWS CLI, pointed at a desk as its user would."""

    def __init__(self, scene, desk, path):
        self.scene, self.desk, self.path = scene, desk, path
        version = scene.run(path, "--version", env={"PATH": os.environ["PATH"],
                                                    "HOME": os.environ.get("HOME", "/")})
        self.version = (version.out + version.err).strip()
        self.error_code = 255 if self.version.startswith("aws-cli/1") else 254
        self.env = {"AWS_ACCESS_KEY_ID": desk.key_id, "AWS_SECRET_ACCESS_KEY": desk.secret,
                    "AWS_DEFAULT_REGION": desk.region, "AWS_MAX_ATTEMPTS": "1",
                    "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
        if not path.startswith("/usr/bin/"):
            # A CLI that was installed elsewhere may need its own PATH and HOME to be found.
            self.env.update(PATH=os.environ["PATH"], HOME=os.environ.get("HOME", "/"))

    def run(self, service, *args):
        return self.scene.run(self.path, "--endpoint-url", self.desk.endpoints["http"], service,
                              *args, env=self.env)

    def ok(self, *args, service="iot"):
        """Must succeed; the JSON it printed, {} if it printed nothing."""
        result = self.run(service, *args)
        if not check(result.code == 0, f"{service} {args[0]}", result.out + result.err):
            raise Failure(args[0])
        return json.loads(result.out) if result.out.strip() else {}

    def refused(self, error, *args, service="iot"):
        result = self.run(service, *args)
        check(result.code == self.error_code and f"An error occurred ({error})" in result.err,
              f"{service} {' '.join(map(str, args))[:70]}: {self.error_code}, {error}",
              f"{result.code}\n{result.out}{result.err}")

    def silent(self, *args, service="iot"):
        """Must succeed and print nothing, as operations without output do."""
        check(self.ok(*args, service=service) == {}, f"{service} {args[0]} prints nothing")


def is_(value, wanted, text):
    check(value == wanted, text, f"got    {value}\nwanted {wanted}")


def recent(when):
    """A timestamp as the CLI prints it: text in CLI v2, a number in v1."""
    if isinstance(when, (int, float)):
        seconds = when
    else:
        seconds = datetime.datetime.fromisoformat(when.replace("Z", "+00:00")).timestamp()
    return abs(time.time() - seconds) < 3600


def other_cli():
    """The path of a CLI on the caller's PATH with another version than Debian's; None."""
    path = shutil.which("aws")
    if path is None or os.path.realpath(path) == "/usr/bin/aws":
        return None

    def version(p):
        return subprocess.run([p, "--version"], capture_output=True, text=True).stdout.split()[:1]
    return path if version(path) != version("/usr/bin/aws") else None
