#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""The AWS API by hand, with a signer of our own: pages under inserts and deletes, and what no CLI
would send - requests unsigned, badly signed, late, cut short, or for routes that are not there."""
import datetime
import re

from awscli import UUID, Cli, is_
from desk import Failure, case, check, main, need, note


@case
def six_hundred_things(scene):
    """pages, by the CLI and by hand, while things come and go"""
    desk = scene.desk()
    names = [f"thing-{i:03d}" for i in range(600)]
    caller = desk.caller()
    caller.keep = True
    for name in names:
        if caller.call("POST", f"/things/{name}", {}).status != 200:
            raise Failure(f"create {name}")
    aws = Cli(scene, desk, "/usr/bin/aws")
    is_([t["thingName"] for t in aws.ok("list-things")["things"]], names,
        "the CLI pages through all 600 by itself")
    is_([t["thingName"] for t in aws.ok("list-things", "--page-size", "250")["things"]], names,
        "also in pages of 250")
    first = aws.ok("list-things", "--max-items", "7")
    rest = aws.ok("list-things", "--starting-token", first["NextToken"])
    is_([t["thingName"] for t in first["things"] + rest["things"]], names,
        "--max-items and --starting-token")
    token, got, turn = None, [], 0
    while True:
        query = "maxResults=7" + (f"&nextToken={token}" if token else "")
        page = caller.call("GET", f"/things?{query}").json
        got += [t["thingName"] for t in page["things"]]
        token = page.get("nextToken")
        if token is None:
            break
        token = token.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
        # What comes behind us is not seen, what goes before us is gone; nothing else moves.
        caller.call("POST", f"/things/a-{turn:03d}", {})
        caller.call("DELETE", f"/things/thing-{599 - turn:03d}")
        turn += 1
    here = [n for n in got if n.startswith("thing-")]
    check(here == sorted(set(here)) and set(names[:600 - turn]) <= set(here),
          f"{turn} pages under inserts and deletes: nothing twice, nothing lost", here)
    for bad, error in (("maxResults=0", "InvalidRequestException"),
                       ("maxResults=251", "InvalidRequestException"),
                       ("maxResults=x", "InvalidRequestException"),
                       ("nextToken=%21%21", "InvalidRequestException")):
        reply = caller.call("GET", f"/things?{bad}")
        is_((reply.status, reply.error), (400, error), f"?{bad} is refused")
    caller.close()


def refused_reply(reply, status, error):
    good = (reply.status, reply.error) == (status, error)
    return good and reply.message and reply.headers.get("x-amzn-requestid") and \
        reply.headers.get("content-type", "").startswith("application/json")


@case
def signatures(scene):
    """unsigned, badly signed, with another key, too early, too late"""
    desk = scene.desk()
    now = datetime.datetime.now(datetime.timezone.utc)
    since = desk.log_mark()

    def attempt(text, status, error, change=lambda h: h, target="/things/x", body=b"{}",
                sent=None, **options):
        caller = desk.caller()
        headers, raw = caller.prepare("POST", target, body, **options)
        reply = caller.send("POST", sent or target, change(headers), raw)
        check(refused_reply(reply, status, error), f"{text}: {status} {error}", reply)

    def without(*names):
        return lambda h: {k: v for k, v in h.items() if k not in names}

    def altered(name, old, new):
        return lambda h: {**h, name: re.sub(old, new, h[name])}

    attempt("no Authorization", 403, "MissingAuthenticationTokenException",
            without("Authorization"))
    attempt("no date", 403, "IncompleteSignatureException", without("X-Amz-Date"))
    attempt("nonsense", 403, "IncompleteSignatureException",
            lambda h: {**h, "Authorization": "AWS4-HMAC-SHA256 nonsense"})
    attempt("another scheme", 403, "IncompleteSignatureException",
            lambda h: {**h, "Authorization": "Basic YTpi"})
    attempt("no Signature", 403, "IncompleteSignatureException",
            altered("Authorization", ", Signature=.*", ""))
    attempt("a wrong signature", 403, "InvalidSignatureException",
            altered("Authorization", "Signature=....", "Signature=0000"))
    attempt("a short signature", 403, "InvalidSignatureException",
            altered("Authorization", "(Signature=.{10}).*", r"\1"))
    attempt("another target", 403, "InvalidSignatureException", sent="/things/y")
    attempt("another query", 403, "InvalidSignatureException", sent="/things/x?a=b")
    attempt("another host", 403, "InvalidSignatureException",
            lambda h: {**h, "Host": "iot.us-east-1.amazonaws.com"})
    attempt("another content type", 403, "InvalidSignatureException",
            lambda h: {**h, "Content-Type": "text/plain"})
    attempt("host not signed", 403, "InvalidSignatureException",
            altered("Authorization", "SignedHeaders=content-type;host;", "SignedHeaders="
                    "content-type;"))
    attempt("a key nobody has", 403, "UnrecognizedClientException",
            altered("Authorization", "Credential=[^/]+", "Credential=AKIDEXAMPLEEXAMPLE00"))
    attempt("another service", 403, "InvalidSignatureException", service="s3")
    attempt("the data plane's name on the control plane", 403, "InvalidSignatureException",
            service="iotdata")
    minute = datetime.timedelta(minutes=1)
    attempt("20 minutes late", 403, "InvalidSignatureException", now=now - 20 * minute)
    attempt("20 minutes early", 403, "InvalidSignatureException", now=now + 20 * minute)
    attempt("a day late", 403, "InvalidSignatureException", now=now - 1440 * minute)
    caller = desk.caller()
    headers, _ = caller.prepare("POST", "/things/x", b"{}")
    reply = caller.send("POST", "/things/x", headers, b'{"attributePayload":{}}')
    check(refused_reply(reply, 403, "InvalidSignatureException"), "another body: 403", reply)
    caller.region = "eu-west-1"
    check(refused_reply(caller.call("POST", "/things/x", {}), 403, "InvalidSignatureException"),
          "another region: 403")
    caller = desk.caller()
    caller.secret = ("y" if caller.secret[0] == "x" else "x") + caller.secret[1:]
    check(refused_reply(caller.call("POST", "/things/x", {}), 403, "InvalidSignatureException"),
          "another secret: 403")
    is_(desk.must("GET", "/things"), {"things": []}, "and nothing was made")
    desk.expect_record("E-SIGNATURE", since, code="E-SIGNATURE", status="Failure")
    check(not any(desk.secret in line for line in desk.lines), "the log does not tell the secret")
    for text, shift in (("10 minutes late", -10), ("10 minutes early", 10)):
        reply = desk.call("GET", "/things", now=now + shift * minute)
        is_(reply.status, 200, f"{text} is in time")
    for service in ("iot", "execute-api"):
        is_(desk.call("GET", "/things", service=service).status, 200, f"signed for {service}")


@case
def routes_and_bodies(scene):
    """paths that are not there, methods that are not, bodies that are none"""
    desk = scene.desk()
    for method, target, status, error in (
            ("GET", "/nothing", 404, "UnknownOperationException"),
            ("GET", "/things/x/y/z", 404, "UnknownOperationException"),
            ("PUT", "/things/x", 405, "MethodNotAllowedException"),
            ("GET", "/things/%zz", 400, "InvalidRequestException"),
            ("GET", "/things/a%00b", 400, "InvalidRequestException"),
            ("GET", "/things/a%2Fb", 400, "InvalidRequestException"),
            ("GET", "/things/" + "a" * 129, 400, "InvalidRequestException")):
        reply = desk.call(method, target)
        check(refused_reply(reply, status, error), f"{method} {target[:30]}: {status} {error}",
              reply)
    good = '{"attributePayload":{"attributes":{"a":"b"}}}'
    for end in range(1, len(good)):
        reply = desk.call("POST", "/things/x", good[:end].encode())
        if not refused_reply(reply, 400, "InvalidRequestException"):
            check(False, f"a body cut at {end} is refused", reply)
    check(True, f"{len(good) - 1} bodies, each cut one byte later, are refused")
    for body in ("[]", "1", '"x"', "null", '{"attributePayload":1}',
                 '{"attributePayload":{"attributes":[]}}',
                 '{"attributePayload":{"attributes":{"a":1}}}', '{"thingTypeName":"none"}',
                 "[" * 10000, '{"a":"\ud800"}'.encode("utf-8", "surrogatepass")):
        reply = desk.call("POST", "/things/x", body if isinstance(body, bytes) else body.encode())
        check(reply.status in (400, 404) and reply.error, f"the body {body[:45]!r} is refused",
              reply)
    is_(desk.must("GET", "/things"), {"things": []}, "and nothing was made")
    reply = desk.call("POST", "/things/x", good.encode())
    is_(reply.status, 200, "the whole body is taken")
    check(UUID.match(reply.headers.get("x-amzn-requestid", "")), "replies have a request id",
          reply.headers)


@case
def wrong_endpoint_type(scene):
    """what AWS does not answer any more"""
    desk = scene.desk()
    for kind in ("iot%3AData-ATS", "IOT%3ADATA-ATS", "iot:Data-ATS"):
        is_(desk.must("GET", f"/endpoint?endpointType={kind}"),
            {"endpointAddress": desk.endpoints["mqtts"]}, f"endpointType={kind}")
    check(refused_reply(desk.call("GET", "/endpoint?endpointType=nothing"), 400,
                        "InvalidRequestException"), "endpointType=nothing is refused")
    reply = desk.call("GET", "/endpoint")
    note(f"without a type: {reply.status} {reply.text}")
    check(reply.status in (200, 400), "without a type it answers one way or the other", reply)


@case
def endpoint_option(scene):
    """--endpoint decides what DescribeEndpoint answers"""
    desk = scene.desk("--endpoint", "desk.example")
    need(desk.must("GET", "/endpoint?endpointType=iot:Data-ATS") ==
         {"endpointAddress": "desk.example"}, "DescribeEndpoint answers it")
    text = scene.openssl("x509", "-in", scene.path("desk", "server.pem"), "-noout", "-ext",
                         "subjectAltName").out
    check("DNS:desk.example" in text, "and the server's certificate carries it", text)

if __name__ == "__main__":
    main()
