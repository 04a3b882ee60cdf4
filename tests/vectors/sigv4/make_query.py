#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""Makes query.json: WebSocket upgrades signed in their query, in every way that AWS's clients do it.

    tests/vectors/sigv4/make_query.py > tests/vectors/sigv4/query.json

Signed here, by hand; the signatures of four of them are known from elsewhere (the Python v1 SDK's
own test, and values computed independently), and the maker stops if it gets others.
"""
import hashlib
import hmac
import json
import sys
from urllib.parse import quote

DESK = ("AKIDDESKTOP000000001", "deskSecretKey/0123456789abcdefghijklmnop", "")
SESSION = ("ASIADESKTOP000000002", "another+Secret/Key=0123456789abcdefghij", "IQoJb3JpZ2luX2VjE+/==token")
SDK = ("TRUSTMETHISIDISFAKE0", "trustMeThisSecretKeyIsSoFakeAaBbCc00Dd11", "")
HOST = "a1b2c3d4e5f6g7-ats.iot.eu-west-1.amazonaws.com"
NOW = 1767323045  # 20260102T030405Z
GATEWAY, DATA = "iotdevicegateway", "iotdata"


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def sign(who, service, host, date="20260102T030405Z", region="eu-west-1", expires=None, token="",
         path="/mqtt", scope=None, names="host", order=False, extra=""):
    """The query. `host` is the one signed; token: "after" the signature or "in" it."""
    scope = scope or f"{date[:8]}/{region}/{service}/aws4_request"
    pairs = [("X-Amz-Algorithm", "AWS4-HMAC-SHA256"), ("X-Amz-Credential", f"{who[0]}/{scope}"),
             ("X-Amz-Date", date)]
    pairs += [("X-Amz-Expires", str(expires))] if expires is not None else []
    pairs += [("X-Amz-SignedHeaders", names)]
    pairs += [("X-Amz-Security-Token", who[2])] if token == "in" else []
    encoded = [f"{k}={quote(v, safe='-_.~')}" for k, v in pairs] + ([extra] if extra else [])
    canonical = "\n".join(["GET", path, "&".join(sorted(encoded)), f"host:{host}", "", names,
                           hashlib.sha256(b"").hexdigest()])
    text = "\n".join(["AWS4-HMAC-SHA256", date, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = b"AWS4" + who[1].encode()
    for part in scope.split("/"):
        key = mac(key, part)
    signature = mac(key, text).hex()
    query = "&".join(reversed(encoded) if order else encoded) + "&X-Amz-Signature=" + signature
    return query + ("&X-Amz-Security-Token=" + quote(who[2], safe="") if token == "after" else "")


OUT = []


def vector(name, query, host=HOST, who=DESK, now=NOW, region="eu-west-1", says="", known=None, times=""):
    if known and known not in query:
        sys.exit(f"{name}: {query} is not signed {known}")
    OUT.append({"name": name, "query": query, "host": host, "access_key_id": who[0], "secret": who[1],
                "session_token": who[2], "now": now, "region": region, "times": times, "says": says})


def altered(query, old, new):
    assert old in query, old
    return query.replace(old, new)


GOOD = sign(DESK, GATEWAY, HOST)
DAY = sign(DESK, GATEWAY, HOST, expires=86400)
vector("no X-Amz-Expires: JavaScript v1, all of v2", GOOD,
       known="1071a788e29d33cae79aabe0f305b51b1c47908a060a459d0ebe0a797de5bc6c")
vector("with X-Amz-Expires", DAY,
       known="7c50a0e6578a2e0b6dbf27a18dea0824ce05132b405ca25586ab93d69dd16112")
vector("as iotdata: Python v1", sign(DESK, DATA, HOST, expires=86400),
       known="fc724dfe432988836b4b26708e89e8de816dfdf6eb9e6566cb5c6c11d3934eb7")
vector("the test of the Python v1 SDK",
       sign(SDK, DATA, "data.iot.us-east-1.amazonaws.com", "20170628T204845Z", "us-east-1", 86400),
       host="data.iot.us-east-1.amazonaws.com", who=SDK, now=1498682925, region="us-east-1",
       known="b79a4d7e31ccbf96b22d93cce1b500b9ee611ec966159547e140ae32e4dcebed")
vector("host with a port, signed as sent", sign(DESK, GATEWAY, "localhost:8443"), host="localhost:8443")
vector("host with a port, signed without", sign(DESK, GATEWAY, "localhost", expires=86400), host="localhost:8443")
vector("host without a port, signed with 443", sign(DESK, GATEWAY, HOST + ":443", expires=86400))
vector("host with another port, signed with 443", sign(DESK, GATEWAY, "localhost:443"), host="localhost:8443")
vector("host in capitals, signed in lower case", sign(DESK, GATEWAY, "desk.lan"), host="Desk.LAN")
vector("an IPv6 address", sign(DESK, GATEWAY, "[::1]"), host="[::1]:8443")
vector("token outside the signature: all of AWS's SDKs", sign(SESSION, GATEWAY, HOST, token="after"), who=SESSION)
vector("token inside the signature", sign(SESSION, GATEWAY, HOST, token="in"), who=SESSION)
vector("token outside, host with 443: an ESP8266 library",
       sign(SESSION, GATEWAY, HOST + ":443", token="after", expires=86400), who=SESSION)
vector("parameters in another order", sign(DESK, GATEWAY, HOST, order=True))
vector("a further parameter, signed", sign(DESK, GATEWAY, HOST, extra="x-desk=1"))
vector("five minutes old", GOOD, now=NOW + 300)
vector("five minutes early", GOOD, now=NOW - 300)
vector("a day old, good for a day", DAY, now=NOW + 86400)
vector("years off, the time not looked at", GOOD, now=NOW + 99999999, times="off")
vector("good for a week", sign(DESK, GATEWAY, HOST, expires=604800), now=NOW + 604800)

MISMATCH = ("The request signature we calculated does not match the signature you provided. Check your AWS "
            "Secret Access Key and signing method. Consult the service documentation for details.")
vector("another signature", altered(GOOD, "Signature=10", "Signature=11"), says=MISMATCH)
vector("another host", GOOD, host="elsewhere", says=MISMATCH)
vector("another secret", sign((DESK[0], "x", ""), GATEWAY, HOST), says=MISMATCH)
vector("Expires changed afterwards", altered(DAY, "86400", "86401"), says=MISMATCH)
vector("a parameter added afterwards", GOOD + "&x=1", says=MISMATCH)
vector("another key", sign(("AKIDOTHER", DESK[1], ""), GATEWAY, HOST),
       says="The security token included in the request is invalid.")
vector("a token that is not the key's", GOOD + "&X-Amz-Security-Token=x",
       says="The security token included in the request is invalid.")
vector("no token where one is needed", sign(SESSION, GATEWAY, HOST), who=SESSION,
       says="The security token included in the request is invalid.")
vector("five minutes and a second old", GOOD, now=NOW + 301,
       says="Signature expired: 20260102T030405Z is now earlier than 20260102T030406Z (20260102T030906Z - 5 min.)")
vector("five minutes and a second early", GOOD, now=NOW - 301,
       says="Signature not yet current: 20260102T030405Z is still later than 20260102T030404Z (20260102T025904Z + 5 min.)")
vector("a day and a second old", DAY, now=NOW + 86401,
       says="Signature expired: 20260102T030405Z is now earlier than 20260103T025906Z (20260103T030406Z - 5 min.)")
vector("Expires, not looked at", DAY, now=NOW + 301, times="ignore-expires",
       says="Signature expired: 20260102T030405Z is now earlier than 20260102T030406Z (20260102T030906Z - 5 min.)")
vector("the clock of a board that was never set, as captured from AWS",
       sign(DESK, GATEWAY, HOST, "19700101T080004Z", expires=86400), now=1550629997,
       says="Signature expired: 19700101T080004Z is now earlier than 20190220T022817Z (20190220T023317Z - 5 min.)")
vector("no region", sign(DESK, GATEWAY, HOST, region=""), says="Credential should be scoped to a valid region, not ''. ")
vector("another region", sign(DESK, GATEWAY, HOST, region="eu-west-2"),
       says="Credential should be scoped to a valid region, not 'eu-west-2'. ")
vector("another service", sign(DESK, "iot", HOST), says="Credential should be scoped to correct service: 'iotdevicegateway'. ")
vector("another day", sign(DESK, GATEWAY, HOST, scope="20260103/eu-west-1/iotdevicegateway/aws4_request"),
       says="Date in Credential scope does not match")
vector("a credential in four parts", sign(DESK, GATEWAY, HOST, scope="20260102/eu-west-1/iotdevicegateway"),
       says="Credential must have exactly 5 slash-delimited elements")
vector("host not signed", altered(GOOD, "SignedHeaders=host", "SignedHeaders=date"), says="'Host' or ':authority' must be")
vector("no date", altered(GOOD, "X-Amz-Date=20260102T030405Z", "y=1"), says="must include 'X-Amz-Date'")
vector("a date in words", altered(GOOD, "X-Amz-Date=20260102T030405Z", "X-Amz-Date=today"), says="Date must be in ISO-8601")
vector("no credential", altered(GOOD, "X-Amz-Credential", "Credential"), says="must include 'X-Amz-Credential'")
vector("two credentials", GOOD + "&X-Amz-Credential=x", says="more than one 'X-Amz-Credential'")
vector("another algorithm", altered(GOOD, "AWS4-HMAC-SHA256", "AWS4-ECDSA"), says="Unsupported AWS 'algorithm'")
vector("Expires in words", altered(DAY, "86400", "soon"), says="X-Amz-Expires must be")
vector("Expires over a week", altered(DAY, "86400", "604801"), says="X-Amz-Expires must be")
vector("a signature cut short", GOOD[:-1], says=MISMATCH)
vector("an empty signature", GOOD[:-64], says="must include 'X-Amz-Signature'")
print(json.dumps(OUT, indent=1))
