#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""What the desk tells of itself: /metrics in Prometheus' formats, /health, /elo/memory, SIGUSR1; and
of its devices: /elo/timeline and `elo why`."""
import contextlib
import http.client
import json
import pathlib
import re
import signal
import socket
import ssl
import subprocess

import mqtt
import websocket
from desk import PATIENCE, case, check, main, need

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"^({NAME})(?:\{{((?:{LABEL},?)*)\}})? ([-+]?(?:[0-9.eE+-]+|Inf|NaN))$")
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("", "_total"), "gauge": ("",),
            "info": ("_info",)}


def get(desk, target, host=None, accept=None, method="GET"):
    c = http.client.HTTPConnection("127.0.0.1", desk.http_port, timeout=PATIENCE)
    headers = {} if host is None else {"Host": host}
    if accept:
        headers["Accept"] = accept
    c.request(method, target, headers=headers)
    r = c.getresponse()
    body = r.read().decode()
    c.close()
    return r.status, r.headers.get("content-type", ""), body


def parse(text, open_metrics):
    """The samples of a page, {(name, labels): value}; what breaks the format's rules is raised."""
    lines = text.split("\n")
    assert lines.pop() == "", "the last line ends"
    if open_metrics:
        assert lines.pop() == "# EOF", "OpenMetrics ends with # EOF"
    helped, typed, family, samples = set(), {}, None, {}
    for line in lines:
        m = re.match(rf"^# (HELP|TYPE) ({NAME}) (.+)$", line)
        if m and m[1] == "HELP":
            assert m[2] not in helped, f"{m[2]} is told twice"
            helped.add(m[2])
        elif m:
            assert m[2] in helped and m[2] not in typed and m[3] in SUFFIXES, line
            typed[m[2]], family = m[3], m[2]
        else:
            s = SAMPLE.match(line)
            assert s, f"no sample: {line}"
            suffixes = SUFFIXES[typed[family]]
            assert any(s[1] == family + x for x in suffixes), f"{s[1]} is not of family {family}"
            if open_metrics and typed[family] == "counter":
                assert s[1].endswith("_total"), line
            key = (s[1], s[2] or "")
            assert key not in samples, f"{key} comes twice"
            samples[key] = float(s[3])
    for name, kind in typed.items():
        if kind == "histogram":
            buckets = [v for (n, _), v in samples.items() if n == name + "_bucket"]
            assert buckets == sorted(buckets), f"{name} is not cumulative"
            assert samples[(name + "_bucket", 'le="+Inf"')] == samples[(name + "_count", "")]
    return samples


def page(desk, open_metrics=False):
    accept = "application/openmetrics-text; version=1.0.0" if open_metrics else None
    status, kind, body = get(desk, "/metrics", accept=accept)
    need(status == 200, "metrics are there", body)
    check(kind.startswith("application/openmetrics-text" if open_metrics else "text/plain"),
          "the content type", kind)
    return parse(body, open_metrics)


def open_policy(desk):
    return desk.make_policy("open", ("iot:*", "*"))


@case
def metrics(scene):
    """both formats follow their rules, and the numbers are those of what happened"""
    desk = scene.desk()
    device = desk.make_device("kitchen", open_policy(desk))
    before = page(desk)
    with mqtt.client_of(desk, device) as c:
        c.connect("kitchen")
        c.subscribe(("t", 1))
        for i in range(5):
            c.publish("t", b"x" * 10, qos=1)
            c.message()
        now = page(desk)
        c.disconnect()

    def grew(name, labels=""):
        return now[(name, labels)] - before[(name, labels)]

    check(grew("awsiot_connections") == 1, "one connection more")
    check(grew("awsiot_connect_total", 'protocol="mqtt",result="success"') == 1, "one CONNECT")
    check(grew("awsiot_publish_in_total", 'protocol="mqtt",result="success"') == 5,
          "five messages in")
    check(grew("awsiot_publish_out_total", 'result="success"') == 5, "five messages out")
    check(grew("awsiot_subscribe_total", 'result="success"') == 1, "one subscription")
    check(grew("awsiot_bytes_total", 'direction="in"') > 5 * 10, "bytes in")
    check([grew("awsiot_publish_bytes_total", f'direction="{d}"') for d in ("in", "out")] ==
          [50, 50], "50 bytes of payload each way")
    check(grew("awsiot_tls_handshake_seconds_count") == 1, "one handshake")
    check(now[("process_open_fds", "")] > 5, "descriptors are counted")
    check(now[("process_resident_memory_bytes", "")] > 1e6, "memory is counted")
    after = page(desk, open_metrics=True)
    version = scene.elo("--version").out.split()[1]
    build = [labels for name, labels in after if name == "awsiot_build_info"]
    check(len(build) == 1 and re.fullmatch(f'version="{re.escape(version)}",'
                                           r'commit="([0-9a-f]{12,40}|unknown)"', build[0]),
          f"version {version} and its commit", build)
    desk.wait_record(eventType="Disconnect")
    ended = page(desk)
    check(ended[("awsiot_disconnect_total", 'reason="CLIENT_INITIATED_DISCONNECT"')] == 1,
          "one has said goodbye")
    check(ended[("awsiot_connections", "")] == 0, "and is gone")
    told = set(re.findall(r"`(awsiot_\w+)`", (ROOT / "docs/seeing.md").read_text()))
    there = {re.sub("_(bucket|sum|count)$", "", n) for n, _ in ended if n.startswith("awsiot_")}
    check(told == there, "docs/seeing.md names these and no others", told ^ there)
    calls = [v for (n, l), v in ended.items() if n == "awsiot_http_requests_total" and
             'operation="CreatePolicy",code="200"' in l]
    check(calls == [1], "the API's calls", calls)


@case
def who_came_how(scene):
    """CONNECTs and messages by protocol and result; sessions that persist; calls by their status"""
    desk = scene.desk()
    own = desk.make_policy("own", ("iot:Connect", desk.arn("client/kitchen")),
                           ("iot:Publish", desk.arn("topic/t")))
    kitchen = desk.make_device("kitchen", own)
    asleep = desk.make_device("asleep", own, status="INACTIVE")
    before = page(desk)

    def connect(device, client_id, **options):
        since = desk.log_mark()
        try:
            client = mqtt.client_of(desk, device)
            client.connect(client_id, **options)
        except (mqtt.Closed, ssl.SSLError):
            client = None
        desk.wait_record(since, eventType="Connect")
        return client

    here = connect(kitchen, "kitchen", clean=False)
    need(here is not None, "a persistent session")
    here.publish("t", b"x", qos=1)
    check(connect(asleep, "asleep") is None, "a certificate that is not ACTIVE is refused")
    connect(None, "nobody")  # TLS 1.3: the refusal comes after the client's handshake
    check(connect(kitchen, "oven") is None, "a client id that the policy does not allow is refused")
    host = f"127.0.0.1:{desk.http_port}"
    with websocket.Socket(desk.http_port, websocket.presign(desk, host), host) as ws:
        ws.send(mqtt.packet(mqtt.CONNECT, 0, mqtt.text("MQTT") + b"\x04\x02\x00\x3c" +
                            mqtt.text("page")))
        need(ws.read()[2][:1] == b"\x20", "a client by WebSocket")
        for _ in range(2):
            ws.send(mqtt.packet(mqtt.PUBLISH, 2, mqtt.text("w") + b"\0\1xyz"))
            need(ws.read()[2][:1] == b"\x40", "publishes")
        desk.must("POST", "/topics/h?qos=1", b"four")
        check(desk.call("GET", "/things/none").status == 404, "a thing that is not there")
        now = page(desk)

    def grew(name, labels=""):
        return now[(name, labels)] - before.get((name, labels), 0)

    def by(protocol, result):
        return f'protocol="{protocol}",result="{result}"'

    name = "awsiot_connect_total"
    check(grew(name, by("mqtt", "success")) == 1 and grew(name, by("wss", "success")) == 1,
          "one CONNECT of each protocol")
    check(grew(name, by("mqtt", "authn_error")) == 2, "two whose certificate is none or no good")
    check(grew(name, by("mqtt", "auth_error")) == 1, "one that the policy does not allow")
    check(grew("awsiot_sessions_persistent") == 1 and grew("awsiot_sessions") == 2,
          "two sessions, one persists")
    check([grew("awsiot_publish_in_total", by(p, "success")) for p in ("mqtt", "wss", "http")] ==
          [1, 2, 1], "messages by protocol")
    check(grew("awsiot_publish_bytes_total", 'direction="in"') == 1 + 2 * 3 + 4, "their bytes")
    name = "awsiot_http_requests_total"
    check(grew(name, 'operation="Publish",code="200"') == 1 and
          grew(name, 'operation="DescribeThing",code="404"') == 1, "calls by status")
    calls = sum(v for (n, _), v in now.items() if n == name)
    check(now[("awsiot_http_request_duration_seconds_count", "")] == calls > 0,
          "how long each call took")


@case
def health_and_memory(scene):
    """health in JSON, memory by module, the same in the log by SIGUSR1"""
    desk = scene.desk()
    status, kind, body = get(desk, "/health")
    h = json.loads(body)
    check(status == 200 and kind == "application/json" and h["status"] == "ok" and
          h["store"] == "writable" and h["uptimeSeconds"] >= 0 and h["loopLagMs"] >= 0, "health", h)
    m = json.loads(get(desk, "/elo/memory")[2])
    check(m["residentBytes"] > 1e6 and m["modules"]["broker"]["bytes"] > 1000 and
          m["modules"]["openssl"]["bytes"] > 10000, "memory", m)
    since = desk.log_mark()
    desk.send_signal(signal.SIGUSR1)
    desk.expect_record("memory in the log", since, eventType="Server",
                       details=re.compile(r"^memory: openssl \d+ bytes in \d+ blocks$"))


@case
def only_for_this_machine(scene):
    """another Host name, another port, another method"""
    desk = scene.desk()
    check(get(desk, "/metrics", host="evil.example")[0] == 403, "a name that is not this machine's")
    check(get(desk, "/metrics", host="localhost:1")[0] == 200, "localhost, whatever the port")
    check(get(desk, "/metrics", host="127.0.0.1.evil.example")[0] == 403, "nor one like it")
    check(get(desk, "/metrics", method="POST")[0] == 405, "they are only read")
    context = ssl.create_default_context(cafile=str(desk.ca))
    c = http.client.HTTPSConnection("localhost", desk.https_port, context=context,
                                    timeout=PATIENCE)
    c.request("GET", "/metrics")
    check(c.getresponse().status in (403, 404), "not on the port for everybody")
    c.close()
    check(get(desk, "/elo/timeline")[0] == 400, "a timeline of nobody")
    check(get(desk, "/elo/timeline?device=%zz")[0] == 400, "a name that is badly encoded")
    check(get(desk, "/elo/timeline?device=" + "x" * 300)[0] == 400, "a name that is too long")


def why(scene, desk, name, code, *options):
    done = subprocess.run([str(scene.elo_path), "why", name, *options, "--data", str(desk.data)],
                          text=True, capture_output=True, timeout=PATIENCE,
                          env={**scene.env, "NO_COLOR": "1"})
    check(done.returncode == code, f"elo why {name} ends with {code}", done)
    return done.stdout + done.stderr


@case
def why_not(scene):
    """each way not to connect is told by name, with cause and cure"""
    desk = scene.desk()
    policy = desk.make_policy("own", ("iot:Connect", desk.arn("client/kitchen")))
    kitchen = desk.make_device("kitchen", policy)
    check("seen nothing of 'kitchen'" in why(scene, desk, "kitchen", 4), "nothing is known yet")
    check('"moments":[]' in why(scene, desk, "kitchen", 4, "--json"), "also as JSON: 4")

    # TCP, and then no TLS: known by its address only.
    with socket.create_connection(("127.0.0.1", desk.mqtts_port)) as s:
        s.sendall(b"GET / HTTP/1.1\r\n\r\n")
        s.recv(100)
    desk.wait_record(protocol="TLS")
    text = why(scene, desk, "127.0.0.1", 5)
    check("Accept" in text and "E-TLS" in text and "What to do:" in text, "no TLS", text)

    # A wrong client id: the policy, explained; found by thing and by client id.
    def attempt(client_id):
        try:
            with mqtt.client_of(desk, kitchen) as c:
                c.connect(client_id)
                return c
        except mqtt.Closed:
            return None

    since = desk.log_mark()
    attempt("oven")
    desk.wait_record(since, code="E-POLICY-CONNECT")
    for name in ("oven", "kitchen", kitchen.id):
        text = why(scene, desk, name, 5)
        check("E-POLICY-CONNECT" in text and "client/oven" in text, f"the policy, by {name}", text)
    check("E-POLICY-CONNECT" in why(scene, desk, "oven", 5, "--json"), "as JSON: 5")
    attempt("oven")
    attempt("oven")
    desk.wait_record(since, code="E-POLICY-CONNECT")
    check("(3 times)" in why(scene, desk, "oven", 5) or "(2 times)" in why(scene, desk, "oven", 5),
          "the same again is counted")

    # Somebody else at that address fails otherwise: it is told, and is not taken for the answer.
    since = desk.log_mark()
    with socket.create_connection(("127.0.0.1", desk.mqtts_port)) as s:
        s.sendall(b"not TLS at all")
        s.recv(100)
    desk.wait_record(since, code="E-TLS")
    answer = why(scene, desk, "oven", 5).split("\n\n", 1)[1]
    check("iot:Connect allows" in answer.splitlines()[1], "its own failure is the answer", answer)
    check("perhaps it" in answer and "TLS" in answer.split("perhaps it")[1], "then the other's", answer)

    with mqtt.client_of(desk, kitchen) as c:
        c.connect("kitchen")
        text = why(scene, desk, "kitchen", 0)
        check("is connected" in text and "E-POLICY-CONNECT" in text, "it works now", text)
        desk.must("PUT", f"/certificates/{kitchen.id}?newStatus=INACTIVE")
        try:
            c.message()
        except mqtt.Closed:
            pass
    text = why(scene, desk, "kitchen", 5)
    check("E-CERT-INACTIVE" in text and "ended" in text, "its certificate was taken away", text)
    page_ = json.loads(get(desk, "/elo/timeline?device=kitchen")[2])
    check(page_["isThing"] and [m["eventType"] for m in page_["moments"]].count("Connect") >= 2 and
          all(m["count"] >= 1 and m["timestamp"] >= m["firstTimestamp"] for m in page_["moments"]),
          "as JSON", page_)


@case
def quotas(scene):
    """as AWS throttles, by default; and without"""
    desk = scene.desk("--limits", "aws")
    device = desk.make_device("kitchen", open_policy(desk))
    since = desk.log_mark()
    with mqtt.client_of(desk, device) as one, mqtt.client_of(desk, device) as other:
        codes = []
        for c in (one, other):  # no handshake in between: it may take its second
            c.send(mqtt.packet(mqtt.CONNECT, 0, mqtt.text("MQTT") + b"\x04\x02\x00\x3c" +
                               mqtt.text("kitchen")))
        for c in (one, other):
            with contextlib.suppress(mqtt.Closed):
                codes.append(c.expect(mqtt.CONNACK)[1])
        check(codes == [0], "of two CONNECTs in a second one is refused", codes)
    desk.expect_record("E-THROTTLED", since, code="E-THROTTLED", eventType="Connect",
                       reason="THROTTLED")
    check("E-THROTTLED" in why(scene, desk, "kitchen", 5), "and `elo why` tells it")


if __name__ == "__main__":
    main()
