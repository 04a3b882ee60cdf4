#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""The conformance suite. README.md beside this tells what it is.

    run.py PATH-OF-ELO                      everything, against mosquitto and elo
    run.py PATH-OF-ELO --server mosquitto   against one of them
    run.py PATH-OF-ELO NAME...              these tests only
    run.py PATH-OF-ELO --doc FILE           writes the summary, too (docs/conformance.md)
    run.py PATH-OF-ELO --check FILE         fails when FILE is not that summary
"""
import argparse
import concurrent.futures
import os
import pathlib
import socket
import ssl
import sys
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "wire")]

import desk  # noqa: E402
import statements  # noqa: E402
import suite  # noqa: E402
import wire  # noqa: E402
import websocket  # noqa: E402

KNOWN_MOSQUITTO = "2.0.11"  # Debian 12's, whose deviations deviations.txt has
SLOW = 0.5  # seconds from which a test's duration is told

for module in sorted(HERE.glob("v_*.py")):
    __import__(module.stem)


class Server:
    def __init__(self, name, port, deviations):
        self.name, self.address = name, ("127.0.0.1", port)
        self.known, self.as_known = deviations, True

    def dial(self):
        return socket.create_connection(self.address, timeout=suite.PATIENCE)

    def speaks(self, version):
        """Whether the server takes CONNECTs of this version at all."""
        with self.dial() as s:
            s.sendall(wire.connect(version, "probe"))
            return s.recv(4)[3:] not in (b"\x01", b"\x84")

    def upgrade(self, protocol):
        """A WebSocket handshake: (socket, head of the answer, what came after it)."""
        raw, target, host = self.websocket()
        raw.settimeout(suite.PATIENCE)
        raw.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
                    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                    f"Sec-WebSocket-Protocol: {protocol}\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head and (more := raw.recv(4096)):
            head += more
        head, _, rest = head.partition(b"\r\n\r\n")
        return raw, head.decode(), rest

    def deviates(self, name, version):
        row = self.known.get(name)
        return row is not None and version in row.servers.get(self.name, ())


def start_mosquitto(scene, deviations, options=""):
    port, websocket = desk.endpoint_free(), desk.endpoint_free()
    conf = scene.path(f"mosquitto{port}.conf")
    conf.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
                    f"user root\n{options}\n"
                    f"listener {websocket} 127.0.0.1\nprotocol websockets\n")
    process = scene.start("mosquitto", "-c", conf)
    desk.need(process.wait_line("mosquitto version .* running"), "mosquitto runs", process.text())
    server = Server("mosquitto", port, deviations)
    server.as_known = bool(process.matching(f"mosquitto version {KNOWN_MOSQUITTO} running"))
    server.websocket = lambda: (socket.create_connection(("127.0.0.1", websocket)), "/mqtt",
                                "localhost")
    return server


def start_elo(scene, deviations, *options):
    at = scene.desk("--plain-port", "0", *options, data=scene.path(f"desk{len(scene.processes)}"))
    server = Server("elo", int(at.endpoints["mqtt"].rsplit(":", 1)[1]), deviations)
    server.without_qos2 = server
    server.websocket = lambda: signed_websocket(at)
    return server


def signed_websocket(at):
    """MQTT over WebSocket as AWS has it: TLS, and a signature in the query."""
    context = ssl.create_default_context(cafile=at.ca)
    raw = socket.create_connection((at.host, at.https_port), timeout=suite.PATIENCE)
    host = f"{at.host}:{at.https_port}"
    return (context.wrap_socket(raw, server_hostname=at.host),
            websocket.presign(at, host), host)


def judge(test, server, version, used):
    """None, or what went wrong. A server of another version than the one whose deviations are known
    may have lost them: it is right in either way."""
    asked = set()
    problem = attempt(test, server, version, asked)
    used |= asked
    if problem and asked and not server.as_known:
        problem = attempt(test, server, version, set(), deviations=False)
    return problem


def attempt(test, server, version, used, deviations=True):
    """None, or what went wrong."""
    bench = suite.Bench(server, version, used, deviations)
    try:
        test.function(bench)
    except suite.Failure as error:
        where = traceback.extract_tb(error.__traceback__)
        own = [f for f in where if os.path.basename(f.filename).startswith("v_")]
        return f"{error} (line {own[-1].lineno if own else '?'})"
    except (wire.Illegal, suite.Closed, OSError) as error:
        where = traceback.extract_tb(error.__traceback__)
        own = [f for f in where if os.path.basename(f.filename).startswith("v_")]
        return f"{type(error).__name__}: {error} (line {own[-1].lineno if own else '?'})"
    except Exception:
        return traceback.format_exc()
    finally:
        bench.clean_up()
    return None


def run(server, wanted, results, used):
    for version in (4, 5):
        chosen = [t for t in wanted if server.takes(t) and t.statements[version]]
        began = time.monotonic()
        failed = 0
        for test in chosen:
            start = time.monotonic()
            problem = judge(test, server, version, used)
            if (took := time.monotonic() - start) > SLOW:
                print(f"slow {took:.1f} s: {server.name}, MQTT {statements.SPEC[version]}, "
                      f"{test.name}")
            results[test.name, server.name, version] = problem
            if problem:
                failed += 1
                print(f"FAIL {server.name}, MQTT {statements.SPEC[version]}, {test.name} "
                      f"[{' '.join(test.statements[version])}]")
                for line in problem.splitlines():
                    print(f"         | {line[:400]}")
        print(f"---- {server.name}, MQTT {statements.SPEC[version]}: {len(chosen)} tests, "
              f"{failed} failed, {time.monotonic() - began:.1f} s", flush=True)


def start_servers(scene, only, deviations, with_quotas):
    """Those that are asked for; each takes() some of the tests."""
    servers = []
    if only != "elo":
        server = start_mosquitto(scene, deviations)
        server.without_qos2 = start_mosquitto(scene, deviations,
                                              "max_qos 1\nretain_available false")
        servers.append(server)
    if only != "mosquitto":
        # Where AWS is not known for certain and a switch knows the specification: that way here,
        # AWS's likeliest way with the quotas.
        servers.append(start_elo(scene, deviations, "--limits", "off", "--compat",
                                 "v5-will-delay=honour", "--compat",
                                 "v5-unsuback-unknown=no-subscription"))
    for server in servers:
        server.takes = lambda t: not t.aws
    if only != "mosquitto" and with_quotas:
        servers.append(start_elo(scene, deviations, "--limits", "aws"))
        servers[-1].takes = lambda t: t.aws
    return servers


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("elo")
    parser.add_argument("tests", nargs="*")
    parser.add_argument("--server", choices=("mosquitto", "elo"))
    parser.add_argument("--doc", type=pathlib.Path)
    parser.add_argument("--check", type=pathlib.Path)
    options = parser.parse_intermixed_args()
    deviations = statements.load_deviations(HERE / "deviations.txt")
    tables = {4: statements.load(HERE / "mqtt-3.1.1.txt"), 5: statements.load(HERE / "mqtt-5.txt")}
    names = set(options.tests)
    unknown = names - {t.name for t in suite.TESTS}
    if unknown:
        sys.exit(f"no such test: {', '.join(sorted(unknown))}")
    wanted = [t for t in suite.TESTS if not names or t.name in names]
    results, used = {}, set()
    complaints = statements.judge(tables, deviations, suite.TESTS)
    with desk.Scene(os.path.abspath(options.elo)) as scene:
        servers = start_servers(scene, options.server, deviations, any(t.aws for t in wanted))
        with concurrent.futures.ThreadPoolExecutor(len(servers)) as pool:
            for done in [pool.submit(run, s, wanted, results, used) for s in servers]:
                done.result()
    if not names and not options.server:
        spoken = {(server, version) for _, server, version in results}
        complaints += statements.unused(deviations, used, {
            (s, v) for s, v in spoken if all(x.as_known for x in servers if x.name == s)})
    summary = statements.summary(tables, deviations, suite.TESTS, results)
    print("\n".join(summary.table))
    text = summary.document()
    if options.doc:
        options.doc.write_text(text, encoding="utf-8")
    if options.check and all(s.as_known for s in servers) and (
            options.check.read_text(encoding="utf-8") != text):
        complaints.append(f"{options.check} is out of date: run this with --doc {options.check}")
    for complaint in complaints:
        print(f"FAIL {complaint}")
    failed = [key for key, problem in results.items() if problem]
    failed_checks = desk._count["failed"]
    print(f"---- {len(results)} runs of {len(wanted)} tests, {len(failed)} failed, "
          f"{len(complaints)} complaints")
    sys.exit(1 if failed or complaints or failed_checks or not results else 0)


if __name__ == "__main__":
    main()
