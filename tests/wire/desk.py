# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""What the wire tests share: cases and their transcript, child processes read line by line, a desk.

A test is a script that is given the path of `elo` and, if wanted, names of cases to run. It imports
this, marks functions with @case, and ends with main(). Each case gets a Scene: a folder of its own
in which everything it starts lives and dies.

Nothing here sleeps. A wait is for an event - a line, a log record, a packet, a process's end - and
has a deadline (PATIENCE) after which the case fails; a fast machine never waits for it.
"""
import collections
import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import sigv4

PATIENCE = 40.0  # seconds until an event that has not come counts as never coming
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Failure(Exception):
    """A case cannot go on: what it needs did not happen."""


# --- the transcript ------------------------------------------------------------------------------

_cases = []
_count = collections.Counter()


def case(function):
    """Marks a function of one argument, its Scene, as a case. Cases run in the order written."""
    _cases.append(function)
    return function


def check(good, text, detail=""):
    """One line of the transcript. Returns whether it was good, and goes on either way."""
    _count["checks"] += 1
    print(f"{'ok  ' if good else 'FAIL'} {_count['checks']:3d} {text}")
    if not good:
        _count["failed"] += 1
        for line in str(detail).splitlines()[-40:]:
            print(f"         | {line}")
    sys.stdout.flush()
    return bool(good)


def check_sanitizers(argv, text):
    """A complaint is shown from its first line on: what happened, and where."""
    found = SANITIZER.search(text)
    if found:
        lines = text[found.start():].splitlines()
        check(False, f"no sanitizer complains in {argv}", "\n".join(lines[:40]))


def need(good, text, detail=""):
    """A check without which the rest of the case makes no sense."""
    if not check(good, text, detail):
        raise Failure(text)


def note(text):
    print(f"     {text}")
    sys.stdout.flush()


def skip(text):
    """Says aloud that something was not tested, and why."""
    _count["skipped"] += 1
    print(f"skip     {text}")


def main():
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} PATH-OF-ELO [CASE...]")
    elo = os.path.abspath(sys.argv[1])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    wanted = [f for f in _cases if len(sys.argv) == 2 or f.__name__ in sys.argv[2:]]
    started = time.monotonic()
    for function in wanted:
        print(f"---- {function.__name__}: {(function.__doc__ or '').strip()}")
        failed = _count["failed"]
        scene = Scene(elo)
        try:
            with scene:
                function(scene)
        except Failure:
            pass
        except Exception:
            check(False, "the case ran to its end", traceback.format_exc())
        if _count["failed"] > failed:
            scene.tell()
    seconds = time.monotonic() - started
    print(f"---- {len(wanted)} cases, {_count['checks']} checks, {_count['failed']} failed, "
          f"{_count['skipped']} skipped, {seconds:.1f} s")
    sys.exit(1 if _count["failed"] or not _count["checks"] else 0)


# --- processes -----------------------------------------------------------------------------------

Result = collections.namedtuple("Result", "code out err")


def plain_environment(home):
    """Nothing of the caller's taste: no proxies, no AWS profile, no desk of their own."""
    keep = {k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS") or k == "TZ"}
    return {**keep, "PATH": SYSTEM_PATH, "HOME": str(home), "LANG": "C.UTF-8",
            "AWS_EC2_METADATA_DISABLED": "true", "AWS_PAGER": ""}


class Process:
    """A child whose stdout and stderr are read line by line as they come."""

    def __init__(self, argv, env, cwd, stdin=subprocess.DEVNULL, preexec=None):
        self.argv = [str(a) for a in argv]
        self.lines = []  # of both streams, in the order of arrival
        self.changed = threading.Condition()
        self.popen = subprocess.Popen(self.argv, env=env, cwd=cwd, stdin=stdin, text=True,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      encoding="utf-8", errors="backslashreplace", bufsize=1,
                                      start_new_session=True, preexec_fn=preexec)
        self.readers = [threading.Thread(target=self._read, args=(s,), daemon=True)
                        for s in (self.popen.stdout, self.popen.stderr)]
        for reader in self.readers:
            reader.start()

    def _read(self, stream):
        for line in stream:
            with self.changed:
                self.take(line.rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.readers_done = getattr(self, "readers_done", 0) + 1
            self.changed.notify_all()

    def take(self, line):
        self.lines.append(line)

    def _silent(self):
        return getattr(self, "readers_done", 0) == 2

    def wait_for(self, found, patience=PATIENCE):
        """Waits until found() gives something true, and gives it; None when nothing more comes."""
        deadline = time.monotonic() + patience
        with self.changed:
            while not (it := found()):
                left = deadline - time.monotonic()
                if left <= 0 or self._silent():
                    return None
                self.changed.wait(left)
            return it

    def wait_line(self, pattern, since=0, patience=PATIENCE):
        """The first match of `pattern` in a line from number `since` on, or None."""
        compiled = re.compile(pattern)
        return self.wait_for(
            lambda: next(filter(None, map(compiled.search, self.lines[since:])), None), patience)

    def mark(self):
        with self.changed:
            return len(self.lines)

    def text(self, since=0):
        with self.changed:
            return "\n".join(self.lines[since:])

    def matching(self, pattern, since=0):
        """Every match of `pattern` in the lines so far."""
        with self.changed:
            return [m for m in map(re.compile(pattern).search, self.lines[since:]) if m]

    def send_signal(self, number):
        self.popen.send_signal(number)

    def wait_end(self, patience=PATIENCE):
        """The exit code, when every line has been read; None if it does not end."""
        try:
            code = self.popen.wait(patience)
        except subprocess.TimeoutExpired:
            return None
        for reader in self.readers:
            reader.join(patience)
        return code

    def end(self, number=signal.SIGTERM, patience=PATIENCE):
        """The exit code after this signal. One that does not end is a failure, and None."""
        if self.popen.poll() is None:
            self.send_signal(number)
        code = self.wait_end(patience)
        if code is None:
            check(False, f"{' '.join(self.argv[:2])} ends on signal {number}", self.text())
        return code

    def kill(self):
        if self.popen.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.popen.pid, signal.SIGKILL)
        self.wait_end()
        for stream in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            if stream is not None:
                stream.close()


# --- the scene -----------------------------------------------------------------------------------


class Scene:
    """One case's folder, processes and desks."""

    def __init__(self, elo):
        self.elo_path = elo
        self.processes = []
        self.undo = contextlib.ExitStack()

    def __enter__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="elo-wire-"))
        self.undo.callback(shutil.rmtree, self.dir, ignore_errors=True)
        home = self.dir / "home"
        home.mkdir()
        self.env = plain_environment(home)
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            if isinstance(process, Desk) and process.popen.poll() is None:
                process.stop()
            process.kill()
        self.undo.close()
        for process in self.processes:
            check_sanitizers(process.argv[:2], process.text())

    def tell(self):
        """After a failure: the last words of what ran last."""
        for process in self.processes[-5:]:
            print(f"     > {' '.join(process.argv)[:300]}  exit {process.popen.poll()}")
            for line in process.lines[-12:]:
                print(f"         | {line[:300]}")

    def path(self, *parts):
        return self.dir.joinpath(*parts)

    def start(self, *argv, env=None, **options):
        process = Process(argv, {**self.env, **(env or {})}, self.dir, **options)
        self.processes.append(process)
        return process

    def run(self, *argv, env=None, stdin=None, patience=3 * PATIENCE, cwd=None):
        """Runs to the end: longer than a wait for one event. stdout and stderr are text."""
        done = subprocess.run([str(a) for a in argv], env={**self.env, **(env or {})},
                              cwd=cwd or self.dir, input=stdin, capture_output=True,
                              encoding="utf-8", errors="backslashreplace", timeout=patience,
                              **({} if stdin is not None else {"stdin": subprocess.DEVNULL}))
        result = Result(done.returncode, done.stdout, done.stderr)
        check_sanitizers(argv, result.err)
        return result

    def elo(self, *args, **options):
        return self.run(self.elo_path, *args, **options)

    def start_elo(self, *args, **options):
        return self.start(self.elo_path, *args, **options)

    def desk(self, *args, data=None, ready=True, ports=(0, 0, 0), env=None, preexec=None):
        """A running server, on free ports unless told. With ready=False it may fail to start."""
        data = pathlib.Path(data or self.path("desk"))
        desk = Desk(self, data, args, ports, env, preexec)
        self.processes.append(desk)
        if ready:
            need(desk.wait_ready(), "the desk is ready", desk.text())
        return desk

    def openssl(self, *args, stdin=None, good=True):
        result = self.run("openssl", *args, stdin=stdin)
        if good and result.code != 0:
            raise Failure(f"openssl {args}: {result.err}")
        return result

    def make_key(self, name):
        """An EC P-256 key as AWS's guides make one; its path."""
        path = self.path(f"{name}.key")
        self.openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path)
        return path

    def make_csr(self, name, key, subject=None):
        path = self.path(f"{name}.csr")
        self.openssl("req", "-new", "-key", key, "-subj", subject or f"/CN={name}", "-out", path)
        return path

    def make_self_signed(self, name, *extra):
        """(certificate, key) that no one has registered."""
        key = self.make_key(name)
        path = self.path(f"{name}.pem")
        self.openssl("req", "-x509", "-new", "-key", key, "-subj", f"/CN={name}", "-days", "30",
                     "-out", path, *extra)
        return path, key


# --- the desk ------------------------------------------------------------------------------------


class Desk(Process):
    """`elo serve` with a data folder of its own. Its stderr is a log of JSON records."""

    def __init__(self, scene, data, args, ports, env, preexec):
        self.scene = scene
        self.data = data
        self.records = []
        self.noise = []  # lines that are no record: `elo: ...`, or a sanitizer
        self.stopped = None
        mqtts, https, http = map(str, ports)
        argv = [scene.elo_path, "serve", "--data", data, "--mqtts-port", mqtts, "--https-port",
                https, "--http-port", http]
        if not any(str(a).startswith("--limit") for a in args):
            argv += ["--limit", "throttles=none"]  # tests are in a hurry
        argv += args
        super().__init__(argv, {**scene.env, **(env or {})}, scene.dir, preexec=preexec)

    def take(self, line):
        self.lines.append(line)
        try:
            record = json.loads(line)
            self.records.append(record if isinstance(record, dict) else {"text": line})
        except ValueError:
            self.noise.append(line)

    def wait_ready(self, patience=PATIENCE):
        """The record "ready" comes after endpoints.json is in its place."""
        found = self.wait_record(0, patience, eventType="Server", details=re.compile("^ready"))
        if not found:
            return False
        with open(self.data / "endpoints.json", encoding="utf-8") as f:
            self.endpoints = json.load(f)
        self.host, port = self.endpoints["mqtts"].rsplit(":", 1)
        self.mqtts_port = int(port)
        self.https_port = int(self.endpoints["https"].rsplit(":", 1)[1])
        self.http_port = int(self.endpoints["http"].rsplit(":", 1)[1])
        self.ports = (self.mqtts_port, self.https_port, self.http_port)
        self.ca = self.data / "ca.pem"
        profile = (self.data / "credentials").read_text(encoding="utf-8")
        self.key_id = re.search(r"aws_access_key_id *= *(\S+)", profile)[1]
        self.secret = re.search(r"aws_secret_access_key *= *(\S+)", profile)[1]
        identity = json.loads((self.data / "desk.json").read_text(encoding="utf-8"))
        self.region, self.account = identity["region"], identity["account"]
        return True

    def log_mark(self):
        with self.changed:
            return len(self.records)

    @staticmethod
    def _fits(record, wanted):
        for key, value in wanted.items():
            have = record.get(key)
            if isinstance(value, re.Pattern):
                if not isinstance(have, str) or not value.search(have):
                    return False
            elif have != value:
                return False
        return True

    def wait_record(self, since=0, patience=PATIENCE, **wanted):
        """The first log record from number `since` on with these members; None if none comes."""
        return self.wait_for(
            lambda: next((r for r in self.records[since:] if self._fits(r, wanted)), None),
            patience)

    def expect_record(self, text, since=0, **wanted):
        """A check that the log says so; the record, or {}."""
        record = self.wait_record(since, **wanted)
        recent = "\n".join(json.dumps(r) for r in self.records[since:])
        check(record, f"the log says why: {text}", f"wanted {wanted} in:\n{recent}")
        return record or {}

    def stop(self, number=signal.SIGTERM):
        """Ends it politely; a check that it ended as it should."""
        begin = time.monotonic()
        code = self.end(number)
        took = time.monotonic() - begin
        good = code == 0 and not self.noise
        check(good, f"the desk ended with 0 ({took:.2f} s), and its stderr was all log records",
              f"exit {code}\n" + "\n".join(self.noise[-60:]))
        self.stopped = took
        return code

    def cpu(self):
        """Seconds of processor time that it has used: what its work takes, whoever else is busy."""
        with open(f"/proc/{self.popen.pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    # The AWS API, three ways: by hand with our own signer, by `elo aws`, by the CLI itself.

    def call(self, method, target, body=None, **options):
        """One signed request; a sigv4.Reply."""
        return self.caller().call(method, target, body, **options)

    def caller(self):
        return sigv4.Caller("127.0.0.1", self.http_port, self.key_id, self.secret, self.region)

    def must(self, method, target, body=None, **options):
        reply = self.call(method, target, body, **options)
        if reply.status != 200:
            raise Failure(f"{method} {target}: {reply.status} {reply.error} {reply.text}")
        return reply.json

    def elo_aws(self, *args, **options):
        return self.scene.elo("aws", "--data", self.data, *args, **options)

    def arn(self, resource):
        return f"arn:aws:iot:{self.region}:{self.account}:{resource}"

    # Identities.

    def make_policy(self, name, *statements):
        """statements: (action or list of them, resource or list of them)"""
        document = policy_document(*statements)
        self.must("POST", f"/policies/{name}", {"policyDocument": document})
        return name

    def make_device(self, name, policy=None, status="ACTIVE", thing=True):
        """A registered certificate with its key; a Device."""
        key = self.scene.make_key(name)
        csr = self.scene.make_csr(name, key).read_text()
        active = "true" if status == "ACTIVE" else "false"
        made = self.must("POST", f"/certificates?setAsActive={active}",
                         {"certificateSigningRequest": csr})
        if status == "REVOKED":
            self.must("PUT", f"/certificates/{made['certificateId']}?newStatus=REVOKED")
        cert = self.scene.path(f"{name}.pem")
        cert.write_text(made["certificatePem"])
        device = Device(name, cert, key, made["certificateId"], made["certificateArn"])
        if thing:
            self.must("POST", f"/things/{name}", {})
            self.must("PUT", f"/things/{name}/principals",
                      headers={"x-amzn-principal": device.arn})
        if policy:
            self.must("PUT", f"/target-policies/{policy}", {"target": device.arn})
        return device

    # mosquitto's clients.

    def mosquitto(self, device, client_id=None):
        """What both clients are given to reach this desk as this device."""
        return mosquitto_options(self.host, self.mqtts_port, self.ca, device, client_id)

    def pub(self, device, topic, message, *options, client_id=None):
        return self.scene.run("mosquitto_pub", *self.mosquitto(device, client_id), "-d", "-t",
                              topic, "-m", message, *options)

    def sub(self, device, topic, *options, client_id=None, ready=True):
        """mosquitto_sub, running; each message is a line "MSG topic qos retained payload"."""
        process = self.scene.start(
            "stdbuf", "-oL", "mosquitto_sub", *self.mosquitto(device, client_id), "-d", "-t",
            topic, "-F", "MSG %t %q %r %p", *options)
        if ready:
            need(process.wait_line(r"^Subscribed "), f"mosquitto_sub is subscribed to {topic}",
                 process.text())
        return process


Device = collections.namedtuple("Device", "name cert key id arn")


def mosquitto_options(host, port, ca, device, client_id=None):
    return ["-h", host, "-p", str(port), "--cafile", ca, "--cert", device.cert, "--key",
            device.key, "-i", client_id or device.name]


def policy_document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": action, "Resource": resource}
        for action, resource in statements]})


_claims = []  # sockets whose names say which ports are this test's


def endpoint_free(host="127.0.0.1"):
    """A port for software that cannot be given port 0, or that must come back on the one it had. It
    is this test's until the test ends: the kernel gives it to nobody who asks for any port, and no
    other test takes it."""
    first, last = map(int, pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    ports = [p for p in range(10000, 65536) if not first <= p <= last]
    for port in random.sample(ports, len(ports)):
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0elo-test-port-{port}")
            with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
                tcp.bind((host, port))
                udp.bind((host, port))
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        return port
    raise Failure("no port is free")


def endpoints_free():
    """Ports of a desk that is to be found there again after its end, and nobody else meanwhile."""
    return tuple(endpoint_free() for _ in range(3))


def occupy_usual_ports(scene):
    """For the verbs that take a desk's usual ports where they are free, and look before they take:
    of two at a time one could fail. Any number of tests may hold these."""
    for port in (8883, 8443, 8080):
        holder = scene.undo.enter_context(socket.socket())
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with contextlib.suppress(OSError):  # somebody has it: as good
            holder.bind(("127.0.0.1", port))
