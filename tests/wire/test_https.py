#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""The data plane over HTTPS: by a client certificate, as a device calls it, and by signature, as
the AWS CLI does."""
import re

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


main()
