#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""The edge: ports, transports, and what it takes from peers that are many, slow or hostile."""
import contextlib
import os
import pathlib
import re
import resource
import select
import shutil
import socket
import ssl
import sys
import time

import mqtt
from desk import PATIENCE, case, check, main, need, skip

# A sanitizer's shadow is not the desk's memory.
SANITIZED = b"__asan_init" in pathlib.Path(sys.argv[1]).read_bytes() if len(sys.argv) > 1 else False
SANITIZED = SANITIZED or (len(sys.argv) > 1 and
                          b"__tsan_init" in pathlib.Path(sys.argv[1]).read_bytes())


@case
def plain_port(s):
    """Off unless asked for; then on loopback only, for everybody and every topic, and shouted."""
    desk = s.desk()
    check("mqtt" not in desk.endpoints, "by default there is no plain port", desk.endpoints)
    desk.stop()

    desk = s.desk("--plain-port", "0", "--listen", "0.0.0.0")
    host, port = desk.endpoints["mqtt"].rsplit(":", 1)
    check(host == "127.0.0.1", "endpoints.json names it, on loopback", desk.endpoints)
    desk.expect_record("what it opens and for what it is", logLevel="WARN",
                       details=re.compile("^--plain-port: every program on this machine may.*tools only$"))
    with socket.socket() as other:
        other.settimeout(5)
        refused = other.connect_ex((own_address(), int(port))) != 0
    check(refused, f"{own_address()} has no such port")

    policy = desk.make_policy("all", ("iot:*", "*"))
    device = desk.make_device("kitchen", policy)
    context = mqtt.tls_context(desk.ca, device)
    with mqtt.Client("127.0.0.1", int(port), None) as plain, \
            mqtt.Client("localhost", desk.mqtts_port, context) as secure:
        check(plain.connect("anybody") == (0, False), "a client without a certificate is taken")
        check(secure.connect("kitchen") == (0, False), "and a device beside it")
        check(plain.subscribe(("#", 1)) == [1], "every topic may be subscribed")
        secure.publish("any/topic", b"21.5", 1)
        got = plain.message()
        check(got[:2] == ("any/topic", b"21.5"), "they share one broker", got)
    desk.stop()


# --- TLS -----------------------------------------------------------------------------------------

POLICY_13_12 = "IoTSecurityPolicy_TLS13_1_2_2022_10"
POLICY_13 = "IoTSecurityPolicy_TLS13_1_3_2022_10"
POLICY_12 = "IoTSecurityPolicy_TLS12_1_2_2022_10"

SUITES_13 = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]
ENDS = ["AES128-GCM-SHA256", "AES128-SHA256", "AES128-SHA", "AES256-GCM-SHA384", "AES256-SHA384",
        "AES256-SHA"]
SUITES_RSA = ["AES128-GCM-SHA256", "AES128-SHA256", "AES128-SHA", "AES256-GCM-SHA384",
              "AES256-SHA256", "AES256-SHA"]


def s_client(s, desk, *options, device=None, stdin=""):
    """openssl s_client to the end of its input."""
    identity = ["-cert", device.cert, "-key", device.key] if device else []
    return s.run("openssl", "s_client", "-connect", f"localhost:{desk.mqtts_port}", "-CAfile",
                 desk.ca, *identity, *options, stdin=stdin)


def spoken(result):
    """(version, suite) that were agreed on; None: the handshake failed."""
    found = re.search(r"New, (\S+), Cipher is (\S+)", result.out)
    return found.groups() if found and found[2] != "(NONE)" else None


def device_of(desk, name="tls"):
    return desk.make_device(name, desk.make_policy("all", ("iot:*", "*")))


def connects(desk, device, suite, version, name="tls"):
    """Whether MQTT goes both ways over that suite."""
    context = mqtt.tls_context(desk.ca, device)
    context.minimum_version = context.maximum_version = version
    if version == ssl.TLSVersion.TLSv1_2:
        context.set_ciphers(suite + ":@SECLEVEL=0")
    with mqtt.Client(desk.host, desk.mqtts_port, context) as c:
        if c.socket.cipher()[0] != suite and version == ssl.TLSVersion.TLSv1_2:
            return False
        c.connect(name)
        c.subscribe(("t", 0))
        for size in (1, 1000, 100000):
            c.publish("t", b"x" * size)
            if c.message()[1] != b"x" * size:
                return False
        c.disconnect()
    return True


@case
def tls_policies(s):
    """--tls-policy by AWS's names: which versions are spoken"""
    for policy, versions in ((None, ("-tls1_2", "-tls1_3")),
                             (POLICY_13_12, ("-tls1_2", "-tls1_3")), (POLICY_13, ("-tls1_3",)),
                             (POLICY_12, ("-tls1_2",))):
        desk = s.desk(*(["--tls-policy", policy] if policy else []))
        device = device_of(desk)
        for option in ("-tls1_2", "-tls1_3"):
            since = desk.log_mark()
            result = s_client(s, desk, option, device=device)
            if option in versions:
                check(spoken(result), f"{policy}: {option} is spoken", result.err)
            else:
                check(not spoken(result) and "protocol version" in result.err,
                      f"{policy}: {option} is refused by an alert", result.err)
                desk.expect_record("the policy", since, details=re.compile("--tls-policy"))
        desk.stop()
        shutil.rmtree(desk.data)
    result = s.elo("serve", "--data", s.path("desk"), "--mqtts-port", "0", "--https-port", "0",
                   "--http-port", "0", "--tls-policy", "IoTSecurityPolicy_TLS12_1_0_2016_01")
    check(result.code == 2 and POLICY_13 in result.err, "another name: what there is", result.err)


@case
def suites(s):
    """AWS's cipher suites, each of them, and no other"""
    desk = s.desk()
    device = device_of(desk)
    for suite in SUITES_13:
        result = s_client(s, desk, "-tls1_3", "-ciphersuites", suite, device=device)
        check(spoken(result) == ("TLSv1.3", suite), suite, result.out[-300:])
    for end in ENDS:
        suite = "ECDHE-ECDSA-" + end
        check(connects(desk, device, suite, ssl.TLSVersion.TLSv1_2), f"{suite}: MQTT over it")
    for suite in ("ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-CCM",
                  "ECDHE-ECDSA-CAMELLIA128-SHA256", "AES128-GCM-SHA256"):
        result = s_client(s, desk, "-tls1_2", "-cipher", suite, device=device)
        check(not spoken(result) and "handshake failure" in result.err,
              f"{suite}: refused by an alert", result.err)
    desk.stop()

    # The same desk with a server certificate of RSA, as its owner may put there.
    names = s.openssl("x509", "-in", desk.data / "server.pem", "-noout", "-ext", "subjectAltName")
    alt = "subjectAltName=" + ",".join(
        n.strip().replace("IP Address", "IP") for n in names.out.splitlines()[1].split(","))
    s.path("san").write_text(alt + "\nextendedKeyUsage=serverAuth\n", encoding="utf-8")
    s.openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout",
              desk.data / "server.key", "-out", s.path("rsa.csr"))
    s.openssl("x509", "-req", "-in", s.path("rsa.csr"), "-CA", desk.ca, "-CAkey",
              desk.data / "ca.key", "-days", "300", "-extfile", s.path("san"), "-out",
              desk.data / "server.pem")
    desk = s.desk(data=desk.data)
    for suite in ["ECDHE-RSA-" + end for end in ENDS] + SUITES_RSA:
        check(connects(desk, device, suite, ssl.TLSVersion.TLSv1_2), f"{suite}: MQTT over it")
    for suite in ("DHE-RSA-AES256-SHA", "ECDHE-RSA-CHACHA20-POLY1305"):
        result = s_client(s, desk, "-tls1_2", "-cipher", suite + ":@SECLEVEL=0", device=device)
        check(not spoken(result), f"{suite}: refused", result.err)


@case
def no_resumption(s):
    """every handshake is a full one: neither session ids nor tickets, of either version"""
    desk = s.desk()
    device = device_of(desk)
    for option in ("-tls1_2", "-tls1_3"):
        result = s_client(s, desk, option, "-reconnect", device=device)
        handshakes = re.findall(r"^(New|Reused), TLS", result.out, re.M)
        check(len(handshakes) >= 5 and "Reused" not in handshakes,
              f"{option} -reconnect: nothing is reused", handshakes)
        check("Ticket" not in result.out.replace("TLS session ticket:", "Ticket"),
              f"{option}: no ticket comes", result.out[-2000:])
    saved = s.path("session")
    s_client(s, desk, "-tls1_2", "-sess_out", saved, device=device)
    if saved.exists():
        result = s_client(s, desk, "-tls1_2", "-sess_in", saved, device=device)
        check(re.search(r"^New, TLS", result.out, re.M), "a saved session is not taken up",
              result.out[-1000:])


@case
def fragment_lengths(s):
    """a maximum fragment length is agreed to and kept: no record is longer"""
    desk = s.desk()
    device = device_of(desk)
    for version in ("-tls1_2", "-tls1_3"):
        for size in (512, 1024, 2048, 4096):
            result = s_client(s, desk, version, "-maxfraglen", str(size), "-tlsextdebug",
                              device=device)
            check(spoken(result) and 'extension "max fragment length"' in result.out,
                  f"{version}: {size} is agreed to", result.out[:500])


# --- crowds --------------------------------------------------------------------------------------


@case
def a_crowd(s):
    """thousands of idle connections by mutual TLS (CROWD=N in the environment), all served"""
    count = int(os.environ.get("CROWD", "2000"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < count + 100:
        skip(f"this process may not open {count} files")
    desk = s.desk()
    device = device_of(desk)
    context = mqtt.tls_context(desk.ca, device)
    before = memory_kb(desk)
    with contextlib.ExitStack() as crowd:
        clients = []
        for i in range(count):
            clients.append(crowd.enter_context(
                mqtt.Client("localhost", desk.mqtts_port, context)))
            clients[-1].connect(f"crowd-{i}", keep_alive=1200)
        each = (memory_kb(desk) - before) / count
        check(each < 8 or SANITIZED, f"{count} connections, {each:.1f} KB each: less than 8 KB")
        clients[0].subscribe(("crowd", 0))
        for i in range(0, count, max(1, count // 50)):
            clients[i].publish("crowd", str(i).encode())
            check(clients[0].message()[1] == str(i).encode(), f"connection {i} is served")
    with mqtt.Client("localhost", desk.mqtts_port, context) as last:
        check(last.connect("last") == (0, False), "and one more, when all have gone at once")
    desk.stop()


def memory_kb(desk):
    status = pathlib.Path(f"/proc/{desk.popen.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1])


@case
def io_threads(s):
    """--io-threads: none, one, four; the same is served, and the threads are there"""
    for count in (0, 1, 4):
        desk = s.desk("--io-threads", count, data=s.path(f"desk-{count}"))
        device = device_of(desk)
        context = mqtt.tls_context(desk.ca, device)
        with contextlib.ExitStack() as crowd:
            slow = [crowd.enter_context(socket.create_connection(("127.0.0.1", desk.mqtts_port),
                                                                 timeout=PATIENCE))
                    for _ in range(8)]
            for one in slow:
                one.sendall(mqtt.client_hello())
            check(all(one.recv(1) for one in slow), "8 are answered")  # so each thread has begun
            nice = niceness(desk)
            if nice[0] < 19:  # the loop's
                check(sum(n > nice[0] for n in nice) == count, f"{count} threads of lower priority",
                      nice)
            clients = [crowd.enter_context(mqtt.Client("localhost", desk.mqtts_port, context))
                       for _ in range(12)]
            for i, client in enumerate(clients):
                client.connect(f"c{i}", keep_alive=1200)
                client.subscribe((f"t/{i}", 1))
            for i, client in enumerate(clients):
                clients[i - 1].publish(f"t/{i}", b"hello", qos=1)
                if client.message()[1] != b"hello":
                    check(False, f"client {i} gets its message")
            check(slow and clients, f"--io-threads {count}: 12 served while 8 say no more")
        try:
            mqtt.client_of(desk, None).connect("nobody")
            check(False, "who has no certificate is refused")
        except (ssl.SSLError, mqtt.Closed, OSError):
            desk.expect_record("no certificate", code="E-CERT-MISSING")
        need(desk.stop() == 0, "and it ends")


def niceness(desk):
    """Of each of its threads, the oldest first."""
    tasks = pathlib.Path(f"/proc/{desk.popen.pid}/task")
    return [int((task / "stat").read_text().rsplit(")", 1)[1].split()[16])
            for task in sorted(tasks.iterdir(), key=lambda task: int(task.name))]


@case
def few_descriptors(s):
    """a hard limit that is too low for a crowd is told at the start, with the cure; and met"""
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
    desk = s.desk("--log-level", "debug", preexec=limit)
    desk.expect_record("how many, and the cure", logLevel="WARN",
                       details=re.compile("may open 200 files.*ulimit -Hn"))
    device = device_of(desk)
    context = mqtt.tls_context(desk.ca, device)
    crowd = []
    with mqtt.Client("localhost", desk.mqtts_port, context) as before:
        before.connect("before")
        for _ in range(220):
            crowd.append(socket.create_connection(("127.0.0.1", desk.mqtts_port)))
        desk.expect_record("when it is met", code="E-IO", details=re.compile("may open 200 files"))
        before.ping()
        check(True, "who is connected is served")
        for one in crowd:
            one.close()
        wait_left(desk, 100)
        with mqtt.Client("localhost", desk.mqtts_port, context) as after:
            check(after.connect("after") == (0, False), "and others again when there is room")


@case
def half_open(s):
    """handshakes that are begun and left: bounded for each address, and nobody else feels it"""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    most = 2048  # LIMIT_HANDSHAKES_PER_IP
    desk = s.desk("--log-level", "debug")
    device = device_of(desk)
    context = mqtt.tls_context(desk.ca, device)
    with mqtt.Client("localhost", desk.mqtts_port, context) as before:
        before.connect("before")
        begin = time.monotonic()
        crowd = [socket.create_connection(("127.0.0.1", desk.mqtts_port), timeout=PATIENCE)
                 for _ in range(most + 10)]
        desk.expect_record("too many", code="E-OVERLOAD",
                           details=re.compile(f"from 127.0.0.1: {most} unfinished TLS handshakes"))
        ended = sum(is_closed(one) for one in crowd[-10:])
        check(ended == 10, "the ten newest are refused", ended)
        check(not is_closed(crowd[0], 0) or time.monotonic() - begin > 10,
              "the oldest still has its time")
        before.ping()
        check(True, "who is connected is served")
        with mqtt.Client("::1", desk.mqtts_port, context) as other:
            check(other.connect("other") == (0, False), "another address gets in")
        for one in crowd:
            one.close()
        wait_left(desk, most)
        with mqtt.Client("127.0.0.1", desk.mqtts_port, context) as after:
            check(after.connect("after") == (0, False), "this one, too, when they are gone")


def is_closed(one, patience=PATIENCE):
    """Whether the server has hung up; waits a little only for the answer that it has."""
    poll = select.poll()
    poll.register(one, select.POLLIN)
    try:
        return bool(poll.poll(patience * 1000)) and one.recv(1) == b""
    except ConnectionError:
        return True


def wait_left(desk, count):
    """Until so many unfinished handshakes have been given up (the log's level is debug)."""
    gone = re.compile("the client went away|handshake was not done in 10 seconds")
    need(desk.wait_for(lambda: len([1 for r in list(desk.records)
                                    if gone.search(r.get("details", ""))]) >= count),
         f"{count} handshakes are given up")


def own_address():
    """An address of this machine that is not loopback's, or a loopback address but 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))
            return s.getsockname()[0]
        except OSError:
            return "127.0.0.2"


if __name__ == "__main__":
    main()
