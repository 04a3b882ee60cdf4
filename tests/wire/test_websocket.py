#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""MQTT over WebSocket, opened by SigV4: by hand, frame by frame; by paho with our own signer and
with botocore's; beside devices on mutual TLS. And what is refused, in AWS's words."""
import datetime
import json
import re
import ssl
import threading

import mqtt
from desk import case, check, main, need, skip
from mqtt import packet, text
from websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Refused, Socket, presign

CONNECT = packet(1, 0, text("MQTT") + bytes([4, 2]) + b"\0\x3c" + text("ws-1"))
CONNACK = b"\x20\x02\0\0"
MISMATCH = ("The request signature we calculated does not match the signature you provided. Check your AWS "
            "Secret Access Key and signing method. Consult the service documentation for details.")
CORS = [("access-control-allow-origin", "*"), ("access-control-expose-headers", "x-amzn-ErrorMessage"),
        ("access-control-expose-headers", "x-amzn-RequestId"),
        ("access-control-expose-headers", "x-amzn-ErrorType"),
        ("access-control-expose-headers", "Date")]


def publish(topic, payload, qos=0, number=1):
    return packet(3, qos << 1, text(topic) + (number.to_bytes(2, "big") if qos else b"") + payload)


def subscribe(*filters, number=7):
    return packet(8, 2, number.to_bytes(2, "big") + b"".join(text(f) + b"\0" for f in filters))


def local(desk, **options):
    host = f"127.0.0.1:{desk.http_port}"
    target = options.pop("target", None) or presign(desk, host)
    return Socket(desk.http_port, target, host, **options)


def connected(desk, **options):
    ws = local(desk, **options)
    ws.send(CONNECT)
    need(ws.read() == (BINARY, True, CONNACK), "CONNACK in a frame of its own")
    return ws


def closes(ws, code, why):
    frame = ws.read()
    good = frame is not None and frame[0] == CLOSE and int.from_bytes(frame[2][:2], "big") == code
    check(good and ws.read() is None, f"{why}: close frame {code}, and the end", frame)


@case
def by_hand(scene):
    """the upgrade, and packets in frames of every kind"""
    desk = scene.desk()
    with local(desk) as ws:
        check(len(ws.raw_headers) < 400 and ws.raw_headers == ws.raw_headers.lower().replace(
            dict(ws.headers)["sec-websocket-accept"].lower().encode(),
            dict(ws.headers)["sec-websocket-accept"].encode()),
              "a short answer, its names in lower case", ws.raw_headers)
        check("sec-websocket-extensions" not in dict(ws.headers) and ws.protocol == "mqtt",
              "mqtt is agreed on, and no extension")
        ws.send(CONNECT)
        check(ws.read() == (BINARY, True, CONNACK), "CONNACK")
        ws.send(subscribe("a/+", "b"))
        check(ws.read() == (BINARY, True, b"\x90\4\0\7\0\0"), "SUBACK")
        ws.send(publish("a/1", b"one") + publish("a/2", b"two", 1) + publish("b", b"three"))
        got = [ws.read() for _ in range(4)]
        check(sorted(f[2] for f in got) == sorted(
            [publish("a/1", b"one"), publish("a/2", b"two"), publish("b", b"three"), b"\x40\2\0\1"]),
              "three packets in one frame; each answer in a frame of its own", got)
        whole = publish("a/3", b"x" * 100)
        ws.send(whole[:1], fin=False)
        ws.send(b"ping", PING)
        ws.send(whole[1:50], CONTINUATION, fin=False)
        ws.send(whole[50:], CONTINUATION)
        check(ws.read() == (PONG, True, b"ping"), "a ping between the parts of a message: pong")
        check(ws.read() == (BINARY, True, whole), "a packet in three fragments")
        for i in range(len(whole)):
            ws.send(whole[i:i + 1])
        check(ws.read() == (BINARY, True, whole), "a packet in as many messages as it has bytes")
        for size in (100, 125 - 6, 126 - 6, 60000, 65535 - 8, 65536 - 8, 131072):
            big = publish("a/4", b"y" * size)
            ws.send(big)
            check(ws.read() == (BINARY, True, big), f"a payload of {size} bytes")
        for part in (lambda f: [f[i:i + 1] for i in range(len(f))])(ws.frame(BINARY, whole)):
            ws.raw(part)
        check(ws.read() == (BINARY, True, whole), "a frame in as many writes as it has bytes")
        ws.send(packet(12, 0, b""))
        check(ws.read() == (BINARY, True, b"\xd0\0"), "PINGRESP")
        ws.send(packet(14, 0, b""))
        closes(ws, 1000, "DISCONNECT")
    for protocol, answer in (("mqttv3.1", "mqttv3.1"), ("x, mqtt", "mqtt"), ("mqttv3.1, mqtt", "mqtt"),
                             (None, None)):
        with connected(desk, protocol=protocol) as ws:
            check(ws.protocol == answer, f"{protocol} is offered: {answer}")
    with local(desk, extra=["Sec-WebSocket-Extensions: permessage-deflate"],
               behind=Socket.frame(BINARY, CONNECT)) as ws:
        check(ws.read() == (BINARY, True, CONNACK), "CONNECT right behind the request")
    desk.expect_record("the IAM user in AWS's shape", eventType="Connect", status="Success",
                       principalId=re.compile(rf"^{desk.account}/AIDA\w+:desk/AIDA\w+:desk$"))


@case
def broken_rules(scene):
    """what RFC 6455 and MQTT forbid ends the connection, and the will is published"""
    desk = scene.desk()
    with connected(desk) as watcher:
        watcher.send(subscribe("will/#"))
        watcher.read()
        frame = Socket.frame
        will = packet(1, 0, text("MQTT") + bytes([4, 6]) + b"\0\x3c" + text("ws-2") + text("will/x") +
                      text("gone"))
        for code, why, data in (
                (1003, "a text frame", frame(TEXT, b"hello")),
                (1002, "a frame that is not masked", frame(BINARY, b"\xc0\0", mask=False)),
                (1002, "a reserved bit", frame(BINARY, b"\xc0\0", rsv=4)),
                (1002, "a continuation of nothing", frame(CONTINUATION, b"\xc0\0")),
                (1002, "a message in a message", frame(BINARY, b"\xc0", fin=False) + frame(BINARY, b"\0")),
                (1009, "a frame of 2 MiB", frame(BINARY, b"x", length=2 << 20)),
                (1008, "a broken MQTT packet", frame(BINARY, b"\xf0\0")),
                (None, "a fragmented ping", frame(PING, b"", fin=False)),
                (None, "a ping of 126 bytes", frame(PING, b"x" * 126)),
                (None, "an endless length", frame(BINARY, b"x", length=1 << 63)),
                (None, "the end of the stream", None)):
            mark = desk.log_mark()
            with local(desk) as ws:
                ws.send(will)
                ws.read()
                if data is None:
                    ws.close()
                else:
                    ws.raw(data)
                    if code:
                        closes(ws, code, why)
                    else:
                        check((ws.read() or (CLOSE,))[0] == CLOSE, f"{why} ends it")
            check(watcher.read() == (BINARY, True, publish("will/x", b"gone")), "and the will comes")
            desk.expect_record(why, mark, eventType="Disconnect", status="Failure",
                               reason="CONNECTION_LOST" if data is None else "CLIENT_ERROR")
        mark = desk.log_mark()
        with local(desk) as ws:
            ws.send(will)
            ws.read()
            ws.send(b"\x03\xe8bye", CLOSE)
            closes(ws, 1000, "a close frame of the client's")
        desk.expect_record("it is the client's own disconnect", mark, eventType="Disconnect",
                           status="Success", reason="CLIENT_INITIATED_DISCONNECT")
        watcher.send(publish("will/end", b""))
        check(watcher.read()[2] == publish("will/end", b""), "and its will does not come")


@case
def refusals(scene):
    """failed upgrades, as captured from AWS"""
    desk = scene.desk()
    host = f"127.0.0.1:{desk.http_port}"
    now = datetime.datetime.now(datetime.timezone.utc)
    old = datetime.datetime(1970, 1, 1, 8, 0, 4, tzinfo=datetime.timezone.utc)
    cases = ((403, "ForbiddenException:", "^" + re.escape(MISMATCH) + "$", presign(desk, host, secret="x")),
             (403, "ForbiddenException:", r"^Signature expired: 19700101T080004Z is now earlier than "
              r"\d{8}T\d{6}Z \(\d{8}T\d{6}Z - 5 min\.\)$", presign(desk, host, expires=86400, at=old)),
             (403, "ForbiddenException:", "^Missing Authentication Token$", "/mqtt"),
             (403, "ForbiddenException:", r"^Credential should be scoped to a valid region, not ''\. $",
              presign(desk, host, region="")),
             (400, "InvalidRequestException:", "Credential must have exactly 5",
              presign(desk, host).replace("%2Faws4_request", "")),
             (403, "ForbiddenException:", "^Signature expired", presign(
                 desk, host, at=now - datetime.timedelta(seconds=330))))
    for status, name, message, target in cases:
        try:
            local(desk, target=target).close()
            check(False, f"{message} is refused")
        except Refused as r:
            names = [h[0] for h in r.headers]
            wanted = ["content-type", "content-length", "date", "x-amzn-RequestId", "connection",
                      "x-amzn-ErrorType"] + [h[0] for h in CORS]
            fields, body = dict(r.headers), json.loads(r.body)
            check(r.status == status and fields["x-amzn-ErrorType"] == name, f"{status} {name}", r)
            check(re.search(message, body["message"]) and list(body) == ["message", "traceId"] and
                  body["traceId"] == fields["x-amzn-RequestId"], message, r.body)
            check(names == wanted and r.headers[6:] == CORS and fields["connection"] == "keep-alive",
                  "the headers are AWS's, in their order", names)
    desk.expect_record("a signature", 0, eventType="Connect", status="Failure", reason="ForbiddenException")
    for why, options in (("version 8", {"version": "8"}), ("another subprotocol", {"protocol": "chat"})):
        try:
            local(desk, **options).close()
            check(False, f"{why} is refused")
        except Refused as r:
            check(r.status == 400, f"{why}: 400", r)


@case
def lenient_and_strict(scene):
    """the switches"""
    desk = scene.desk("--compat", "websocket-split-packet=close", "--compat", "presigned-expires=ignored",
                      "--compat", "websocket-subprotocol=needed")
    host = f"127.0.0.1:{desk.http_port}"
    with connected(desk) as ws:
        ws.send(b"\xc0")
        closes(ws, 1008, "a packet split over two messages")
    hour_ago = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)
    hour_old = presign(desk, host, expires=86400, at=hour_ago)
    for status, why, options in ((403, "an hour old", {"target": hour_old}),
                                 (400, "no subprotocol", {"protocol": None})):
        try:
            local(desk, **options).close()
            check(False, f"{why} is refused")
        except Refused as r:
            check(r.status == status, f"{why}: {status}", r)
    desk.stop()
    desk = scene.desk("--compat", "presigned-time=off", data=scene.path("second"))
    host = f"127.0.0.1:{desk.http_port}"
    with connected(desk, target=presign(desk, host, at=datetime.datetime(1970, 1, 1))):
        check(True, "with presigned-time=off a board without a clock comes in")


@case
def secure(scene):
    """on the TLS port, with devices on mutual TLS on the other side"""
    desk = scene.desk()
    desk.make_policy("all", ("iot:*", "*"))
    device = desk.make_device("kitchen", "all")
    host = f"localhost:{desk.https_port}"
    for alpn in (None, "http/1.1"):
        context = mqtt.tls_context(desk.ca, alpn=alpn)
        with Socket(desk.https_port, presign(desk, host), host, context) as ws:
            ws.send(CONNECT)
            check(ws.read() == (BINARY, True, CONNACK), f"WSS with ALPN {alpn}")
            ws.send(subscribe("t/#"))
            ws.read()
            result = desk.pub(device, "t/1", "from the device", "-q", "1")
            check(result.code == 0 and ws.read()[2] == publish("t/1", b"from the device"),
                  "a device's message comes", result.err)
            sub = desk.sub(device, "cmd", "-C", "1")
            ws.send(publish("cmd", b"on"))
            check(sub.wait_line("^MSG cmd 0 0 on$"), "and goes", sub.text())
    context = mqtt.tls_context(desk.ca, device=device)
    try:
        Socket(desk.https_port, "/mqtt", host, context).close()
        check(False, "a certificate alone opens no WebSocket")
    except Refused as r:
        check(r.status == 403 and "Missing Authentication Token" in r.body,
              "a certificate alone opens no WebSocket", r.body)


def paho_client(desk, target, name, port, tls):
    import paho.mqtt.client as paho
    version = {}
    if hasattr(paho, "CallbackAPIVersion"):
        version["callback_api_version"] = paho.CallbackAPIVersion.VERSION1
    client = paho.Client(client_id=name, transport="websockets", **version)
    client.ws_set_options(path=target)
    if tls:
        client.tls_set(str(desk.ca), tls_version=ssl.PROTOCOL_TLS_CLIENT)
    events = {"connected": threading.Event(), "message": threading.Event(), "subscribed": threading.Event(),
              "published": threading.Event(), "gone": threading.Event()}
    client.on_connect = lambda *a: events["connected"].set()
    client.on_subscribe = lambda *a: events["subscribed"].set()
    client.on_publish = lambda *a: events["published"].set()
    client.on_disconnect = lambda *a: events["gone"].set()
    client.got = []
    client.on_message = lambda c, u, m: (c.got.append((m.topic, m.payload, m.qos)), events["message"].set())
    client.events = events
    client.connect("localhost", port, 30)
    client.loop_start()
    return client


BOTOCORE = """
import sys
try:
    import awscli  # Debian's: it makes the botocore inside it importable
except ImportError:
    pass
import botocore.session
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
url, key, secret, region = sys.argv[1:]
request = AWSRequest("GET", url)
SigV4QueryAuth(Credentials(key, secret), "iotdevicegateway", region, expires=3600).add_auth(request)
print(request.url)
"""


def botocore_target(desk, host):
    """Signed by the AWS CLI's own botocore, in a process of its own; None: it is not installed."""
    done = desk.scene.run("/usr/bin/python3", "-c", BOTOCORE, f"https://{host}/mqtt", desk.key_id,
                          desk.secret, desk.region)
    return done.out.strip().split(host, 1)[1] if done.code == 0 else None


@case
def paho(scene):
    """Eclipse paho for Python, over ws and wss, signed by us and by botocore"""
    try:
        import paho.mqtt.client  # noqa: F401
    except ImportError:
        skip("python3-paho-mqtt is not installed")
        return
    desk = scene.desk()
    signers = [("our signer", presign), ("botocore", botocore_target)]
    if botocore_target(desk, "x") is None:
        skip("botocore is not installed")
        signers.pop()
    for name, signer in signers:
        for port, tls in ((desk.http_port, False), (desk.https_port, True)):
            # paho sends no port in Host when it is the default one only.
            client = paho_client(desk, signer(desk, f"localhost:{port}"), f"paho-{port}", port, tls)
            events = client.events
            need(events["connected"].wait(40), f"paho connects, {name}, {'wss' if tls else 'ws'}")
            client.subscribe("p/#", 1)
            need(events["subscribed"].wait(40), "subscribes")
            client.publish("p/1", b"z" * 100000, 1)
            check(events["message"].wait(40) and events["published"].wait(40) and
                  client.got == [("p/1", b"z" * 100000, 1)], "and gets its own 100 kB", client.got[:1])
            client.disconnect()
            check(events["gone"].wait(40), "and leaves")
            client.loop_stop()
    check(not [r for r in desk.records if r.get("status") == "Failure"], "the log has no failure",
          [r for r in desk.records if r.get("status") == "Failure"])


main()
