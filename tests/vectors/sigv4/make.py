#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""Makes vectors.json: requests signed by botocore, the AWS CLI's and Python SDK's own signer.

    tests/vectors/sigv4/make.py > tests/vectors/sigv4/vectors.json

Needs botocore: Debian's package awscli carries one, or python3-botocore. The result is committed;
the C tests need neither. Two signatures of AWS's own documentation guard against a strange botocore.
"""

import datetime
import email.utils
import json
import sys
from urllib.parse import urlsplit

try:
    import awscli  # noqa: F401  Debian's: it makes the botocore inside it importable
except ImportError:
    pass
import botocore.session  # noqa: F401  first, or Debian's imports go in a circle
from botocore import auth, awsrequest, credentials

DESK = ("AKIDDESKTOP000000001", "deskSecretKey/0123456789abcdefghijklmnop", None)
SESSION = ("ASIADESKTOP000000002", "another+Secret/Key=0123456789abcdefghij", "IQoJb3JpZ2luX2VjE+/==token")
EXAMPLE = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None)
HOST = "localhost:8080"
IOT = "iot.eu-west-1.amazonaws.com"
JSON = [("Content-Type", "application/json")]
CERT = "arn%3Aaws%3Aiot%3Aeu-west-1%3A123456789012%3Acert%2F" + "ab" * 32

# name, method, host, path and query as on the wire, headers, body, service; the rest has defaults.
REQUESTS = [
    ("list things", "GET", HOST, "/things", [], "", "iot"),
    ("list things, an older CLI", "GET", HOST, "/things", [], "", "execute-api"),
    ("create thing", "POST", HOST, "/things/garden-7", JSON, '{"thingTypeName":"pump"}', "iot"),
    ("create thing with UTF-8 in the body", "POST", HOST, "/things/jardim", JSON,
     '{"attributePayload":{"attributes":{"nome":"irrigação ☔"}}}', "iot"),
    ("keys and certificate", "POST", HOST, "/keys-and-certificate?setAsActive=true", [], "", "iot"),
    ("ARN in the path", "POST", HOST, "/attached-policies/" + CERT, JSON, "{}", "iot"),
    ("ARN in a header", "PUT", HOST, "/things/garden-7/principals",
     [("x-amzn-principal", "arn:aws:iot:eu-west-1:123456789012:cert/" + "cd" * 32)], "", "iot"),
    ("policy header", "GET", HOST, "/policy-principals", [("X-Amzn-Iot-Policy", "Blink  it")], "", "iot"),
    ("topic with slashes and spaces", "POST", HOST, "/topics/a%2Fb%20c%2F%2Bx?qos=1", JSON, "hello", "iotdata"),
    ("topic with a plain slash", "POST", HOST, "/topics/garden/7/soil?qos=0", [], '{"moisture":31}', "iotdata"),
    ("dollar encoded", "POST", HOST, "/topics/%24aws%2Fthings%2Fg%2Fshadow%2Fget", [], "", "iotdata"),
    ("dollar bare", "PUT", HOST, "/things/garden-7/jobs/$next", JSON, "{}", "iot-jobs-data"),
    ("shadow named", "GET", HOST, "/things/garden-7/shadow?name=valve", [], "", "iotdata"),
    ("shadow by the gateway's name", "GET", IOT, "/things/garden-7/shadow", [], "", "iotdevicegateway"),
    ("query out of order", "GET", HOST, "/things?thingTypeName=pump&maxResults=25&attributeName=room&nextToken=AbC",
     [], "", "iot"),
    ("query with one name thrice", "GET", HOST, "/tags?tagKeys=b&tagKeys=a&tagKeys=B&resourceArn=x", [], "", "iot"),
    ("query with empty values", "GET", HOST, "/things?maxResults=&attributeName&nextToken==", [], "", "iot"),
    ("query with names that are prefixes", "GET", HOST, "/things?a-b=1&a=2&a.b=3&a1=4&a=10", [], "", "iot"),
    ("query encoded", "GET", HOST, "/policies?marker=a%2Fb%2B%3D&pageSize=250&isAscendingOrder=true", [], "", "iot"),
    ("query with a hole", "GET", HOST, "/things?a=1&&b=2", [], "", "iot"),
    ("query in UTF-8, encoded", "GET", HOST, "/things?attributeValue=%C3%A1gua&attributeName=%E2%98%94", [], "", "iot"),
    ("time in the query", "GET", HOST, "/audit/tasks?startTime=2026-01-02T03%3A04%3A05Z&endTime=2026-01-03T00%3A00%3A00Z",
     [], "", "iot"),
    ("trailing slash", "GET", HOST, "/authorizers/", [], "", "iot"),
    ("root", "POST", HOST, "/", [("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")],
     "Action=GetCallerIdentity&Version=2011-06-15", "sts"),
    ("dots and double slashes", "GET", HOST, "/a/./b/../c//d/%2E%2E/e/..", [], "", "iot"),
    ("dots above the root", "GET", HOST, "/../../x/", [], "", "iot"),
    ("unreserved and not", "GET", HOST, "/things/a-b.c_d~e!f*g'h(i)j:k@l=m+n,o;p", [], "", "iot"),
    ("spaces in a header", "GET", HOST, "/things", [("x-amz-note", "  a   b \t c  "), ("X-Amz-Empty", "")], "", "iot"),
    ("quotes in a header", "GET", HOST, "/things", [("x-amz-note", '"a   b"')], "", "iot"),
    ("header twice", "GET", HOST, "/things", [("x-amz-note", "z"), ("x-amz-note", " a  b ")], "", "iot"),
    ("MQTT 5 headers", "POST", HOST, "/topics/t?contentType=text%2Fplain&messageExpiry=60",
     [("x-amz-mqtt5-user-properties", "W3sic2l0ZSI6ImRlc2sifV0="),
      ("x-amz-mqtt5-payload-format-indicator", "UTF8_DATA")], "ol\u00e1", "iotdata"),
    ("hash of the body in a header", "POST", HOST, "/topics/t", [("x-amz-content-sha256",
     "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")], "hello", "iotdata"),
    ("default port", "DELETE", IOT, "/policies/Blink?x=1", [], "", "iot"),
]

MORE = [
    dict(name="session token", key=SESSION, method="GET", host=HOST, target="/things?maxResults=5"),
    dict(name="session token and body", key=SESSION, method="POST", host=HOST, target="/policies/P",
         headers=JSON, body='{"policyDocument":"{}"}'),
    dict(name="the last second of a year", method="GET", host=HOST, target="/things", now="20261231T235959Z"),
    dict(name="a leap day", method="GET", host=HOST, target="/things", now="20280229T000000Z"),
    dict(name="a Date header", method="GET", host=HOST, target="/things", http_date=True),
    dict(name="another region", method="GET", host=HOST, target="/things", region="us-gov-west-1"),
    # The shapes of AWS's published test suite.
    dict(name="suite: get-vanilla", key=EXAMPLE, method="GET", host="example.amazonaws.com", target="/",
         service="service", region="us-east-1", now="20150830T123600Z",
         published="5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    dict(name="suite: query order", key=EXAMPLE, method="GET", host="example.amazonaws.com",
         target="/?Param2=value2&Param1=value1", service="service", region="us-east-1", now="20150830T123600Z",
         published="b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
    dict(name="suite: post-vanilla", key=EXAMPLE, method="POST", host="example.amazonaws.com", target="/",
         service="service", region="us-east-1", now="20150830T123600Z",
         published="5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    dict(name="suite: header values", key=EXAMPLE, method="GET", host="example.amazonaws.com", target="/",
         headers=[("My-Header1", " value1"), ("My-Header2", ' "a   b   c"')], service="service",
         region="us-east-1", now="20150830T123600Z"),
    dict(name="suite: header order", key=EXAMPLE, method="GET", host="example.amazonaws.com", target="/",
         headers=[("My-Header1", "value4"), ("My-Header1", "value1"), ("My-Header1", "value3")],
         service="service", region="us-east-1", now="20150830T123600Z"),
    dict(name="IAM User Guide: ListUsers", key=EXAMPLE, method="GET", host="iam.amazonaws.com",
         target="/?Action=ListUsers&Version=2010-05-08",
         headers=[("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")],
         service="iam", region="us-east-1", now="20150830T123600Z",
         published="5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"),
]


def sign(name, method, host, target, headers=(), body="", service="iot", region="eu-west-1",
         now="20260102T030405Z", key=DESK, http_date=False, published=None):
    time = datetime.datetime.strptime(now, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    request = awsrequest.AWSRequest(method=method, url="http://" + host + target, data=body.encode())
    request.headers["Host"] = host
    for header, value in headers:
        request.headers.add_header(header, value)
    if http_date:
        request.headers["Date"] = email.utils.format_datetime(time, usegmt=True)
    request.context["timestamp"] = now
    signer = auth.SigV4Auth(credentials.Credentials(*key), service, region)
    signer._modify_request_before_signing(request)
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    signer._inject_signature_to_request(request, signature)
    assert published in (None, signature), name
    parts = urlsplit(target)
    assert parts.path + ("?" + parts.query if parts.query else "") == target, name
    return {
        "name": name, "now": now, "unix": int(time.timestamp()), "region": region, "service": service,
        "access_key_id": key[0], "secret": key[1], "session_token": key[2] or "",
        "method": method, "path": parts.path, "query": parts.query,
        "headers": [[n, v] for n, v in request.headers.items()],
        "body": body, "canonical": canonical, "signature": signature,
    }


def main():
    vectors = [sign(*r[:3], r[3], r[4], r[5], r[6]) for r in REQUESTS] + [sign(**m) for m in MORE]
    json.dump(vectors, sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")


main()
