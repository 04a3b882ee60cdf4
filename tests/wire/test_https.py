#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""The data plane over HTTPS: by a client certificate, as a device calls it, and by signature, as
the AWS CLI does."""
import base64
import json
import re
import time

import awscli
from desk import case, check, main
from https import request


def is_error(reply, status, name, message, text):
    got, headers, body = reply
    check(got == status and headers.get("x-amzn-ErrorType") == name + ":" and
          re.search(message, body["message"] or "") and body["traceId"] == headers["x-amzn-RequestId"] and
          headers["access-control-allow-origin"] == "*", f"{text}: {status} {name}", reply)


@case
def by_certificate(scene):
    """Publish with mutual TLS: the certificate's policies decide, the log says why not"""
    desk = scene.desk()
    desk.make_policy("some", ("iot:Connect", "*"), ("iot:Publish", desk.arn("topic/kitchen/*")),
                     ("iot:RetainPublish", desk.arn("topic/kitchen/kept")))
    desk.make_policy("all", ("iot:*", "*"))
    device, watcher = desk.make_device("kitchen", "some"), desk.make_device("watcher", "all")
    sub = desk.sub(watcher, "#")
    for alpn in (None, "x-amzn-http-ca", "http/1.1"):
        status, headers, body = request(desk, device, "POST", "/topics/kitchen%2Ft?qos=1", b"21", alpn=alpn)
        check(status == 200 and body["message"] == "OK" and body["traceId"] == headers["x-amzn-RequestId"],
              f"allowed, with ALPN {alpn}", (status, headers, body))
        check(sub.wait_for(lambda: len(sub.matching("^MSG kitchen/t 0 0 21$")) > 0), "and delivered")
        sub.lines.clear()
    mark = desk.log_mark()
    is_error(request(desk, device, "POST", "/topics/garage/t", b"x"), 403, "ForbiddenException",
             "^Forbidden$", "another topic")
    record = desk.expect_record("which statement allows what", mark, eventType="Publish", status="Failure",
                                principalId=device.id, topicName="garage/t", code="E-POLICY-PUBLISH",
                                details=re.compile("policy some v1 allows topic/kitchen"))
    check(record.get("reason") == "ForbiddenException", "in AWS's word", record)
    is_error(request(desk, device, "POST", "/topics/kitchen/t?retain=true", b"x"), 403,
             "ForbiddenException", "^Forbidden$", "RETAIN without iot:RetainPublish")
    check(request(desk, device, "POST", "/topics/kitchen/kept?retain=true", b"x")[0] == 200, "and with it")
    is_error(request(desk, None, "POST", "/topics/kitchen/t", b"x"), 403, "ForbiddenException",
             "^Missing Authentication Token$", "no certificate and no signature")
    is_error(request(desk, desk.make_device("new"), "POST", "/topics/kitchen/t", b"x"), 403,
             "ForbiddenException", "^Forbidden$", "a certificate without a policy")
    for status in ("INACTIVE", "REVOKED"):
        other = desk.make_device(f"is-{status}", "all", status=status)
        mark = desk.log_mark()
        is_error(request(desk, other, "POST", "/topics/a", b"x"), 403, "ForbiddenException", "^Forbidden$",
                 f"a certificate that is {status}")
        desk.expect_record("the certificate", mark, eventType="Publish", status="Failure",
                           code=re.compile("E-CERT"))
    status = request(desk, device, "GET", "/things/kitchen")[0]
    check(status == 403, "the control plane is not for devices", status)
    desk.stop()
    desk = scene.desk("--compat", "http-denied=401", data=desk.data)
    is_error(request(desk, device, "POST", "/topics/garage/t", b"x"), 401, "UnauthorizedException", "",
             "by the switch")


def packed(value):
    return base64.b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).decode()


@case
def retained(scene):
    """Publish with MQTT 5 properties, GetRetainedMessage and ListRetainedMessages"""
    desk = scene.desk()
    desk.make_policy("some", ("iot:Publish", "*"), ("iot:RetainPublish", "*"),
                     ("iot:GetRetainedMessage", desk.arn("topic/bench/*")))
    device = desk.make_device("bench", "some")
    users = [{"site": "desk"}, {"n": "3"}]
    headers = {"x-amz-mqtt5-user-properties": packed(users), "x-amz-mqtt5-correlation-data": packed(b"c1"),
               "x-amz-mqtt5-payload-format-indicator": "UTF8_DATA"}
    reply = request(desk, device, "POST", "/topics/bench%2F7%2Fcfg?qos=1&retain=true&contentType=text%2Fplain"
                    "&responseTopic=bench%2Fr&messageExpiry=600", b'{"rate":5}', headers)
    check(reply[0] == 200, "a retained message with every property", reply)
    _, _, got = request(desk, device, "GET", "/retainedMessage/bench%2F7%2Fcfg")
    at = got.pop("lastModifiedTime")
    check(got == {"topic": "bench/7/cfg", "payload": packed(b'{"rate":5}'), "qos": 1,
                  "userProperties": packed(b'[{"site":"desk"},{"n":"3"}]')} and
          abs(at / 1000 - time.time()) < 60, "and it is as it was published", got)
    is_error(request(desk, device, "GET", "/retainedMessage/bench/none"), 404, "ResourceNotFoundException", "",
             "none there")
    is_error(request(desk, device, "GET", "/retainedMessage/other"), 403, "ForbiddenException", "Forbidden",
             "a topic beside the policy")
    is_error(request(desk, device, "GET", "/retainedMessage"), 403, "ForbiddenException", "Forbidden",
             "listing without iot:ListRetainedMessages")
    for name, value, says in (("x-amz-mqtt5-user-properties", "%%", "base64"),
                              ("x-amz-mqtt5-user-properties", packed({"a": "b"}), "array"),
                              ("x-amz-mqtt5-user-properties", packed(["a"]), "objects"),
                              ("x-amz-mqtt5-user-properties", packed([{"a": "b" * 9000}]), "longer"),
                              ("x-amz-mqtt5-correlation-data", "=", "base64"),
                              ("x-amz-mqtt5-payload-format-indicator", "UTF8", "UNSPECIFIED_BYTES")):
        is_error(request(desk, device, "POST", "/topics/bench/x", b"x", {name: value}), 400,
                 "InvalidRequestException", says, f"{name}: {value[:10]}")
    for i in range(5):
        desk.must("POST", f"/topics/bench/{i}?retain=true", b"x" * i + b"y", service="iotdata")
    cli = awscli.Cli(scene, desk, "/usr/bin/aws")
    cli.ok("publish", "--topic", "cli/1", "--qos", "1", "--retain", "--payload", "aGVsbG8=", service="iot-data")
    got = cli.ok("get-retained-message", "--topic", "cli/1", service="iot-data")
    check(got["payload"] == "aGVsbG8=" and got["qos"] == 1, "the AWS CLI reads what it published", got)
    got = cli.ok("list-retained-messages", "--page-size", "2", service="iot-data")["retainedTopics"]
    check([(m["topic"], m["payloadSize"]) for m in got] ==
          [(f"bench/{i}", i + 1) for i in range(5)] + [("bench/7/cfg", 10), ("cli/1", 5)],
          "and lists all, two to a page, by topic", got)
    cli.refused("ResourceNotFoundException", "get-retained-message", "--topic", "no/such", service="iot-data")
    desk.must("POST", "/topics/bench/0?retain=true", service="iotdata")
    reply = desk.call("GET", "/retainedMessage/bench%2F0", service="iotdata")
    check(reply.status == 404, "an empty payload deletes it", reply)
    check(desk.call("GET", "/retainedMessage?maxResults=201", service="iotdata").status == 400, "at most 200")


main()
