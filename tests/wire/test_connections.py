#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""The API about connections: GetConnection, DeleteConnection, ListSubscriptions, SendDirectMessage,
signed by hand (the AWS CLIs of the distributions do not know these calls)."""
import threading
import time

import mqtt
from desk import PATIENCE, case, check, main


def everything(desk):
    return desk.make_policy("everything", ("iot:*", "*"))


def data(desk, method, target, body=None, **options):
    return desk.call(method, target, body, service="iotdata", **options)


@case
def get_connection(scene):
    """what is told of a client that is there, that was there, that never was"""
    desk = scene.desk()
    device = desk.make_device("kitchen", everything(desk))
    r = data(desk, "GET", "/connections/kitchen")
    check(r.status == 404 and r.error == "ResourceNotFoundException", "never seen", r)
    with mqtt.client_of(desk, device) as c:
        c.connect("kitchen")
        r = data(desk, "GET", "/connections/kitchen").json
        check(r["connected"] is True and r["clientId"] == "kitchen" and r["cleanSession"] is True and
              r["connectedSince"] > 1.6e12 and r["keepAliveDuration"] >= 30 and "sourceIp" not in r and
              "disconnectReason" not in r, "connected", r)
        r = data(desk, "GET", "/connections/kitchen?includeSocketInformation=true").json
        check(r["sourceIp"] == "127.0.0.1" and r["sourcePort"] > 0, "with its socket", r)
        c.disconnect()
    desk.wait_record(eventType="Disconnect")
    r = data(desk, "GET", "/connections/kitchen").json
    check(r["connected"] is False and r["disconnectReason"] == "CLIENT_INITIATED_DISCONNECT" and
          r["disconnectedSince"] >= r["connectedSince"], "gone", r)
    r = data(desk, "GET", "/connections/%24x")
    check(r.status == 400, "a client id with $", r)
    r = data(desk, "GET", "/connections/" + "x" * 129)
    check(r.status == 400, "a client id that is too long", r)
    r = data(desk, "PUT", "/connections/kitchen")
    check(r.status == 405, "a method that is none", r)


@case
def delete_connection(scene):
    """ends it; the will is published unless prevented; the session stays unless asked"""
    desk = scene.desk()
    policy = everything(desk)
    device, watcher = desk.make_device("kitchen", policy), desk.make_device("watcher", policy)
    with mqtt.client_of(desk, watcher) as w:
        w.connect("watcher")
        w.subscribe(("wills", 0))
        w.subscribe(("$aws/events/presence/disconnected/+", 0))
        for query, will, kept in (("", True, True), ("?preventWillMessage=true", False, True),
                                  ("?cleanSession=TRUE", True, False)):
            with mqtt.client_of(desk, device) as c:
                c.connect("kitchen", clean=False, will=("wills", b"gone", 0, False))
                r = data(desk, "DELETE", "/connections/kitchen" + query)
                check(r.status == 200 and r.text == "", f"deleted{query}", r)
                try:
                    c.message()
                    check(False, "its connection ends")
                except mqtt.Closed:
                    check(True, "its connection ends")
            got = [w.message() for _ in range(1 + will)]
            topics = [m[0] for m in got]
            check(("wills" in topics) == will, f"the will is {'' if will else 'not '}published", got)
            event = [m[1] for m in got if m[0].startswith("$aws")][0]
            check(b'"disconnectReason":"API_INITIATED_DISCONNECT"' in event, "the event", event)
            with mqtt.client_of(desk, device) as c:
                check(c.connect("kitchen", clean=False)[1] == kept,
                      f"its session {'stays' if kept else 'is gone'}")
                c.disconnect()
            w.message()
        r = data(desk, "DELETE", "/connections/kitchen?cleanSession=true")
        check(r.status == 200, "a session without a connection", r)
        r = data(desk, "DELETE", "/connections/kitchen?cleanSession=true")
        check(r.status == 404, "and then there is none", r)


@case
def list_subscriptions(scene):
    """of a session, also offline, in pages"""
    desk = scene.desk()
    device = desk.make_device("kitchen", everything(desk))
    with mqtt.client_of(desk, device) as c:
        c.connect("kitchen", clean=False)
        for i in range(5):
            c.subscribe((f"room/{i}/#", i % 2))
        c.disconnect()
    want = {f"room/{i}/#": i % 2 for i in range(5)}
    got, token, pages = {}, "", 0
    while token is not None:
        r = data(desk, "GET", f"/connections/kitchen/subscriptions?maxResults=2{token}").json
        got.update({s["topicFilter"]: s["qos"] for s in r["subscriptions"]})
        token = "&nextToken=" + r["nextToken"] if "nextToken" in r else None
        pages += 1
    check(got == want and pages == 3, "all of them, two a page", got)
    r = data(desk, "GET", "/connections/oven/subscriptions")
    check(r.status == 404, "of nobody", r)
    r = data(desk, "GET", "/connections/kitchen/subscriptions?maxResults=201")
    check(r.status == 400, "too many a page", r)


@case
def send_direct_message(scene):
    """to one client without a subscription; confirmed by its PUBACK, or 504"""
    desk = scene.desk()
    device = desk.make_device("kitchen", everything(desk))
    deaf = desk.make_device("deaf", desk.make_policy("deaf", ("iot:Connect", "*")))
    r = data(desk, "POST", "/connections/kitchen/messages?topic=t", b"x")
    check(r.status == 404, "to nobody", r)
    with mqtt.client_of(desk, device) as c, mqtt.client_of(desk, deaf) as d:
        c.connect("kitchen")
        d.connect("deaf")
        r = data(desk, "POST", "/connections/kitchen/messages?topic=cmd%2F1", b"on")
        check(r.status == 200 and r.json["message"] == "OK" and r.json["traceId"], "unconfirmed", r)
        check(c.message() == ("cmd/1", b"on", 0, False, False), "it has come, at QoS 0")
        r = data(desk, "POST", "/connections/deaf/messages?topic=t", b"x")
        check(r.status == 403 and r.error.startswith("ForbiddenException"), "iot:Receive is asked", r)
        r = data(desk, "POST", "/connections/kitchen/messages", b"x")
        check(r.status == 400, "no topic", r)
        r = data(desk, "POST", "/connections/kitchen/messages?topic=a/%23", b"x")
        check(r.status == 400, "a filter is no topic", r)
        r = data(desk, "POST", "/connections/kitchen/messages?topic=t", b"x" * 131073)
        check(r.status == 413, "too large", r)
        r = data(desk, "POST", "/connections/kitchen/messages?topic=t&timeout=16", b"x")
        check(r.status == 400, "a timeout that is too long", r)

        # Confirmed: the answer waits for the PUBACK.
        answers = []

        def ask():
            answers.append(data(desk, "POST",
                                "/connections/kitchen/messages?topic=t&confirmation=true&timeout=15", b"y"))

        asking = threading.Thread(target=ask)
        asking.start()
        check(c.message() == ("t", b"y", 1, False, False), "at QoS 1, and acknowledged")
        asking.join(PATIENCE)
        check(answers and answers[0].status == 200, "confirmed", answers)

        begin = time.monotonic()
        r = data(desk, "POST",
                 "/connections/kitchen/messages?topic=t&confirmation=true&timeout=1", b"z")
        took = time.monotonic() - begin
        check(r.status == 504 and r.error.startswith("GatewayTimeoutException") and took >= 1,
              f"no PUBACK: 504 after {took:.1f} s", r)


if __name__ == "__main__":
    main()
