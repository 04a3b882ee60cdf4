#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""Custom authorizers: their API by the AWS CLI, and devices they let in - over MQTT by the ALPN name
"mqtt", over WebSocket and over HTTPS. Their functions are small servers of the test's."""
import base64
import json
import re
import struct
import threading
import urllib.parse

import awscli
import mqtt
from authorizer import POLICY, Lambda, make_signer, sign, start
from desk import case, check, main, need
from mqtt import packet, text
from https import request
from websocket import BINARY, Refused, Socket


def connect_packet(client_id, username=None, password=None):
    flags = 2 | (0x80 if username is not None else 0) | (0x40 if password is not None else 0)
    tail = b"".join(text(x) for x in (username, password) if x is not None)
    return packet(1, 0, text("MQTT") + bytes([4, flags]) + struct.pack(">H", 60) + text(client_id) + tail)


def device(desk, *fields):
    """An MQTT client on the port of AWS's 443, ALPN "mqtt", after its CONNECT; the CONNACK's code, or
    None if it was closed instead."""
    client = mqtt.Client("localhost", desk.https_port, mqtt.tls_context(desk.ca, alpn="mqtt"))
    client.send(connect_packet(*fields))
    try:
        return client, client.expect(mqtt.CONNACK)[1]
    except mqtt.Closed:
        client.close()
        return client, None


@case
def by_mqtt(scene):
    """MQTT by the ALPN name "mqtt": token, signature and name in the user name"""
    function, desk, key = start(scene)
    token = "tok-91"
    signature = sign(scene, key, token)
    name = f"bench?x-amz-customauthorizer-name=DeskAuth&x-token={token}&x-amz-customauthorizer-signature="
    for text_, username in (("encoded", name + urllib.parse.quote(signature, safe="")),
                            ("not encoded", name + signature)):
        client, code = device(desk, "bench-7", username, "secret")
        need(code == 0, f"let in, the signature {text_}", desk.text())
        check(client.subscribe(("mine/#", 0)) == [0], "may subscribe as the answer's policy says")
        client.publish("mine/1", b"hello")
        check(client.message()[:2] == ("mine/1", b"hello"), "and publish")
        client.close()
    event = function.events[0]
    ident = event["connectionMetadata"].pop("id")
    check(re.match(r"^[0-9a-f]{8}-[0-9a-f-]{27}$", ident) and event == {
        "token": token, "signatureVerified": True, "protocols": ["tls", "mqtt"],
        "protocolData": {"tls": {"serverName": "localhost"}, "mqtt": {
            "username": name + urllib.parse.quote(signature, safe=""),
            "password": base64.b64encode(b"secret").decode(), "clientId": "bench-7"}},
        "connectionMetadata": {}}, "the event is exactly AWS's", json.dumps(event, indent=1))
    desk.expect_record("who it is", eventType="Connect", status="Success", principalId="Desk01")
    called = len(function.events)
    for why, username, says in (
            ("another signature", name + sign(scene, key, "other"), "none of authorizer DeskAuth's keys"),
            ("no signature", name, "wants a signed token"),
            ("another authorizer", name.replace("DeskAuth", "Nobody") + signature, "Nobody does not exist"),
            ("no authorizer", "bench", "there is no default")):
        mark = desk.log_mark()
        check(device(desk, "bench-7", username, "x")[1] is None, f"{why}: closed without a word")
        desk.expect_record(why, mark, eventType="Connect", status="Failure", code="E-AUTHORIZER",
                           reason="AUTHORIZATION_FAILURE", details=re.compile(says), clientId="bench-7")
    check(len(function.events) == called, "and the function was never asked")
    client, code = device(desk, "bench-7", name + signature)
    mark = desk.log_mark()
    client.send(packet(8, 2, b"\0\1" + text("theirs/#") + b"\0"))
    try:
        client.read()
        check(False, "a filter beside the policy")
    except mqtt.Closed:
        check(True, "a filter beside the policy: closed")
    desk.expect_record("which document", mark, eventType="Subscribe", status="Failure",
                       details=re.compile("1 of authorizer DeskAuth"))


@case
def wrong_answers(scene):
    """whatever a function can do wrong"""
    function, desk, _ = start(scene)
    desk.must("POST", "/authorizer/Open", {
        "authorizerFunctionArn": f"arn:aws:lambda:{desk.region}:{desk.account}:function:desk-auth:3",
        "signingDisabled": True})
    desk.must("POST", "/authorizer/Nowhere", {
        "authorizerFunctionArn": f"arn:aws:lambda:{desk.region}:{desk.account}:function:nowhere",
        "signingDisabled": True})
    desk.must("POST", "/default-authorizer", {"authorizerName": "Open"})
    yes = Lambda.yes
    check(device(desk, "a", "user", "pw")[1] == 0, "the default authorizer lets in")
    check(function.events[-1]["protocolData"]["mqtt"]["username"] == "user" and
          function.events[-1]["signatureVerified"] is False, "without a token", function.events[-1])
    for why, code, says, answer in (
            ("not authenticated", "E-AUTHORIZER", "not authenticated", {"isAuthenticated": False}),
            ("an empty object", "E-LAMBDA", "isAuthenticated must", {}),
            ("no JSON", "E-LAMBDA", "no JSON object", (200, {}, b"yes")),
            ("an error's status", "E-LAMBDA", "HTTP 500", (500, {}, b"{}")),
            ("a failed function", "E-LAMBDA", "failed: .*boom",
             (200, {"X-Amz-Function-Error": "Unhandled"}, b'{"errorMessage":"boom"}')),
            ("a principal with a dash", "E-LAMBDA", "principalId must", yes(principalId="a-b")),
            ("a principal of 129", "E-LAMBDA", "principalId must", yes(principalId="a" * 129)),
            ("too short", "E-LAMBDA", "disconnectAfterInSeconds must", yes(disconnectAfterInSeconds=299)),
            ("too long", "E-LAMBDA", "refreshAfterInSeconds must", yes(refreshAfterInSeconds=86401)),
            ("11 policies", "E-LAMBDA", "more than 10", yes(policyDocuments=[POLICY] * 11)),
            ("a broken policy", "E-LAMBDA", "policy document 2", yes(policyDocuments=[POLICY, {"a": 1}])),
            ("too much", "E-LAMBDA", "cannot be asked", (200, {}, b" " * 200000)),
            ("no policy at all", "E-NO-POLICY", "", yes(policyDocuments=[]))):
        function.answer = lambda event, a=answer: a
        mark = desk.log_mark()
        check(device(desk, "a", "user")[1] is None, f"{why}: closed")
        desk.expect_record(why, mark, eventType="Connect", status="Failure", code=code,
                           details=re.compile(says) if says else None or re.compile(""))
    mark = desk.log_mark()
    check(device(desk, "a", "u?x-amz-customauthorizer-name=Nowhere")[1] is None, "a function without a URL")
    desk.expect_record("what to do about it", mark, code="E-LAMBDA",
                       details=re.compile("--lambda nowhere=http"))
    function.answer = lambda event: yes(policyDocuments=[json.dumps(POLICY)], principalId="a" * 128,
                                        disconnectAfterInSeconds=300, refreshAfterInSeconds=86400)
    check(device(desk, "a", "user")[1] == 0, "documents may be strings; the limits themselves are good")
    desk.must("PUT", "/authorizer/Open", {"status": "INACTIVE"})
    mark = desk.log_mark()
    check(device(desk, "a", "user")[1] is None, "an INACTIVE authorizer")
    desk.expect_record("INACTIVE", mark, code="E-AUTHORIZER")


@case
def a_slow_function(scene):
    """others are served while one waits; who leaves meanwhile is forgotten; the desk still ends"""
    function, desk, key = start(scene)
    name = f"?x-amz-customauthorizer-name=DeskAuth&x-token=t&x-amz-customauthorizer-signature={sign(scene, key, 't')}"
    gate, asked = threading.Event(), threading.Event()

    def slow(event):
        asked.set()
        gate.wait(40)
        return Lambda.yes()
    function.answer = slow
    context = mqtt.tls_context(desk.ca, alpn="mqtt")
    # The handshakes come first: the desk waits for a function 5 s and no longer.
    waiting, leaving, early = (mqtt.Client("localhost", desk.https_port, context) for _ in range(3))
    mark = desk.log_mark()
    waiting.send(connect_packet("w", name))
    need(asked.wait(40), "the function is being asked")
    leaving.send(connect_packet("l", name))
    leaving.close()
    early.send(connect_packet("e", name) + packet(12, 0, b""))
    try:
        early.read()
        check(False, "a packet before the CONNACK")
    except mqtt.Closed:
        check(True, "a packet before the CONNACK: closed")
    desk.expect_record("that it did not wait", mark, status="Failure", code="E-PROTOCOL")
    check(desk.call("GET", "/things").status == 200, "the API answers meanwhile")
    gate.set()
    check(waiting.expect(mqtt.CONNACK)[1] == 0, "and the one that waited is let in")
    gate.clear()
    asked.clear()
    last = mqtt.Client("localhost", desk.https_port, context)
    last.send(connect_packet("z", name))
    need(asked.wait(40), "another one waits")
    desk.stop()
    gate.set()


def in_connect(desk, signature, host):
    """A WebSocket without credentials, which then come with CONNECT."""
    username = f"?x-amz-customauthorizer-name=DeskAuth&x-token=t1&x-amz-customauthorizer-signature={signature}"
    context = mqtt.tls_context(desk.ca, alpn="http/1.1")
    with Socket(desk.https_port, "/mqtt", host, context) as ws:
        ws.send(connect_packet("ws-2", username))
        check(ws.read() == (BINARY, True, b"\x20\2\0\0"), "WebSocket, credentials in CONNECT", desk.text())
    mark = desk.log_mark()
    with Socket(desk.https_port, "/mqtt", host, context) as ws:
        ws.send(connect_packet("ws-3", "nobody"))
        check(ws.read()[0] != BINARY, "none there either: closed without a CONNACK")
    desk.expect_record("why", mark, eventType="Connect", status="Failure", code="E-AUTHORIZER")


@case
def late_credentials_refused(scene):
    """the switch: credentials in the upgrade or not at all"""
    _, desk, key = start(scene, "--compat", "websocket-credentials-in-connect=refuse")
    try:
        Socket(desk.https_port, "/mqtt", f"localhost:{desk.https_port}",
               mqtt.tls_context(desk.ca, alpn="http/1.1")).close()
        check(False, "no credentials")
    except Refused as r:
        check(r.status == 403, "403", r)


@case
def by_websocket_and_https(scene):
    """name, token and signature in headers or in the query"""
    function, desk, key = start(scene)
    signature = sign(scene, key, "t1")
    host = f"localhost:{desk.https_port}"
    headers = [f"X-Amz-CustomAuthorizer-Name: DeskAuth", "X-Token: t1",
               f"X-Amz-CustomAuthorizer-Signature: {signature}"]
    query = urllib.parse.urlencode({"x-amz-customauthorizer-name": "DeskAuth", "x-token": "t1",
                                    "x-amz-customauthorizer-signature": signature})
    for text_, target, extra in (("headers", "/mqtt", headers), ("the query", f"/mqtt?{query}", [])):
        with Socket(desk.https_port, target, host, mqtt.tls_context(desk.ca), extra=extra) as ws:
            ws.send(connect_packet("ws-1"))
            check(ws.read() == (BINARY, True, b"\x20\2\0\0"), f"WebSocket, credentials in {text_}", desk.text())
    event = function.events[-1]
    check(event["protocols"] == ["tls", "http", "mqtt"] and
          event["protocolData"]["http"]["queryString"] == "?" + query and
          event["protocolData"]["http"]["headers"]["upgrade"] == "websocket" and
          event["protocolData"]["mqtt"] == {"clientId": "ws-1"}, "the event has both", event)
    try:
        Socket(desk.https_port, "/mqtt", host, mqtt.tls_context(desk.ca)).close()
        check(False, "no credentials")
    except Refused as r:
        check(r.status == 403 and "Missing Authentication Token" in r.body, "no credentials: 403", r)
    in_connect(desk, signature, host)
    fields = dict(h.split(": ") for h in headers)
    reply = request(desk, None, "POST", "/topics/mine/1", b"x", fields)
    check(reply[0] == 200 and reply[2]["message"] == "OK", "HTTPS publish, credentials in headers", reply)
    check(function.events[-1]["protocols"] == ["tls", "http"], "and its event", function.events[-1])
    reply = request(desk, None, "POST", f"/topics/mine/1?qos=1&{query}", b"x")
    check(reply[0] == 200, "HTTPS publish, credentials in the query", reply)
    function.answer = lambda event: {"isAuthenticated": False}
    mark = desk.log_mark()
    reply = request(desk, None, "POST", "/topics/mine/1", b"x", fields)
    check(reply[0] == 403 and reply[2]["message"] == "Forbidden", "refused: 403", reply)
    desk.expect_record("the authorizer", mark, eventType="Publish", status="Failure", code="E-AUTHORIZER",
                       details=re.compile("not authenticated"))


@case
def api(scene):
    """the nine operations, by the AWS CLI"""
    function, desk, key = start(scene)
    cli = awscli.Cli(scene, desk, "/usr/bin/aws")
    public = desk.must("GET", "/authorizer/DeskAuth")["authorizerDescription"]["tokenSigningPublicKeys"]
    arn = f"arn:aws:lambda:{desk.region}:{desk.account}:function:desk-auth"
    mine = desk.arn("authorizer/Second=1,@-")
    second = ["--authorizer-name", "Second=1,@-"]
    named = {"authorizerName": "Second=1,@-", "authorizerArn": mine}
    made = cli.ok("create-authorizer", *second, "--authorizer-function-arn", arn, "--token-key-name", "k",
                  "--token-signing-public-keys", json.dumps(public), "--status", "INACTIVE")
    check(made == named, "create answers name and ARN", made)
    cli.refused("ResourceAlreadyExistsException", "create-authorizer", *second, "--authorizer-function-arn",
                arn, "--signing-disabled")
    cli.refused("InvalidRequestException", "create-authorizer", "--authorizer-name", "x",
                "--authorizer-function-arn", arn)
    cli.refused("InvalidRequestException", "create-authorizer", "--authorizer-name", "x",
                "--authorizer-function-arn", arn, "--token-key-name", "k", "--token-signing-public-keys",
                "a=nokey")
    got = cli.ok("describe-authorizer", *second)["authorizerDescription"]
    check(got["status"] == "INACTIVE" and got["tokenKeyName"] == "k" and got["signingDisabled"] is False and
          got["authorizerFunctionArn"] == arn and got["tokenSigningPublicKeys"] == public and
          got["enableCachingForHttp"] is False, "describe", got)
    check(cli.ok("update-authorizer", *second, "--status", "ACTIVE", "--token-key-name", "k2") == named, "update")
    got = cli.ok("list-authorizers", "--ascending-order")["authorizers"]
    check([a["authorizerName"] for a in got] == ["DeskAuth", "Second=1,@-"], "list", got)
    check(cli.ok("list-authorizers", "--status", "INACTIVE")["authorizers"] == [], "list by status")
    cli.refused("ResourceNotFoundException", "describe-default-authorizer")
    check(cli.ok("set-default-authorizer", *second) == named, "set the default")
    cli.refused("ResourceAlreadyExistsException", "set-default-authorizer", "--authorizer-name", "DeskAuth")
    check(cli.ok("describe-default-authorizer")["authorizerDescription"]["authorizerArn"] == mine, "describe it")
    cli.ok("update-authorizer", *second, "--status", "INACTIVE")
    cli.refused("DeleteConflictException", "delete-authorizer", *second)
    cli.silent("clear-default-authorizer")
    cli.silent("delete-authorizer", *second)
    cli.refused("ResourceNotFoundException", "delete-authorizer", *second)
    cli.refused("DeleteConflictException", "delete-authorizer", "--authorizer-name", "DeskAuth")
    signature = sign(scene, key, "t1")
    asked = ["test-invoke-authorizer", "--authorizer-name", "DeskAuth", "--token", "t1"]
    got = cli.ok(*asked, "--token-signature", signature, "--mqtt-context", "username=u,clientId=c",
                 "--tls-context", "serverName=desk")
    check(got["isAuthenticated"] is True and got["principalId"] == "Desk01" and
          json.loads(got["policyDocuments"][0]) == POLICY and got["refreshAfterInSeconds"] == 600 and
          got["disconnectAfterInSeconds"] == 3600, "test-invoke shows the answer", got)
    check(function.events[-1]["protocolData"] == {"tls": {"serverName": "desk"},
                                                  "mqtt": {"username": "u", "clientId": "c"}}, "and the event")
    cli.refused("InvalidRequestException", *asked, "--token-signature", sign(scene, key, "t2"))
    function.answer = lambda event: {"isAuthenticated": True}
    cli.refused("InvalidResponseException", *asked, "--token-signature", signature)
    function.answer = lambda event: {"isAuthenticated": False}
    check(cli.ok(*asked, "--token-signature", signature) == {"isAuthenticated": False}, "not authenticated")
    for i in range(9):
        desk.must("POST", f"/authorizer/n{i}", {"authorizerFunctionArn": arn, "signingDisabled": True})
    cli.refused("LimitExceededException", "create-authorizer", "--authorizer-name", "eleventh",
                "--authorizer-function-arn", arn, "--signing-disabled")
    before = desk.must("GET", "/authorizer/DeskAuth")
    desk.must("POST", "/default-authorizer", {"authorizerName": "n3"})
    desk.stop()
    desk = scene.desk(data=desk.data)
    check(desk.must("GET", "/authorizer/DeskAuth") == before and
          desk.must("GET", "/default-authorizer")["authorizerDescription"]["authorizerName"] == "n3",
          "all of it survives a restart")


main()
