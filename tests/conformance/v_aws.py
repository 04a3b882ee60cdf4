# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""What AWS IoT Core does beyond the specifications: limits at the limit, quotas, reason codes. These
run against the desk only, with AWS's quotas. Sources: docs/COMPAT.md."""
import re

import wire
from suite import Closed, same, test, true


def aws(behaviour, v3=True, v5=True):
    return test(v3="-" if v3 else "", v5="-" if v5 else "", aws=behaviour)


def closed(b, raw, *codes):
    c = b.client()
    c.send(raw)
    code = c.refused(*codes)
    true(not b.v5 or code in codes, f"DISCONNECT {code} where one of {codes} should be")


def refused_publish(b, topic, code):
    """3.1.1: closed. 5: QoS 1 is answered, QoS 0 ends the connection."""
    closed(b, wire.publish(b.version, topic, b"x"), code)
    c = b.client()
    c.send(wire.publish(b.version, topic, b"x", 1, packet_id=1))
    if b.v5:
        same(c.expect(wire.PUBACK).code, code, "the PUBACK's code")
        c.sync()
    else:
        c.refused()


# --- connecting


@aws("client ids of 1 to 128 bytes; none that begins with `$`")
def client_ids(b):
    tail = b.client_id()  # one CONNECT a second for each
    for name in (tail.rjust(128, "x"), tail + "é" * ((128 - len(tail)) // 2), f"a/b+#{tail}"):
        b.client(name).disconnect()
    for name in ("x" * 129, "$aws"):
        c = b.dial()
        c.hello(name)
        code = c.refused(0x85)
        same(code, 0x85 if b.v5 else None, "CONNACK's code")


@aws("an empty client id becomes `$GEN/` and a UUID", v3=False)
def generated_client_id(b):
    c = b.client("")
    true(re.fullmatch(r"\$GEN/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
                      c.connack.props.get("assigned_client_id", "")), f"{c.connack}")


@aws("CONNACK tells AWS's limits", v3=False)
def connack_properties(b):
    have = b.client(keep_alive=600).connack.props
    want = {"server_keep_alive": 600, "receive_maximum": 100, "topic_alias_maximum": 8,
            "maximum_qos": 1, "retain_available": 1, "maximum_packet": 149504,
            "wildcard_available": 1, "subscription_id_available": 0, "shared_available": 1}
    same({k: have.get(k) for k in want}, want, "properties")


@aws("keep-alive is 30 to 1200 s; 0 is 1200", v3=False)
def keep_alive_clamps(b):
    for asked, told in ((0, 1200), (1, 30), (29, 30), (30, 30), (31, 31), (900, 900),
                        (1200, 1200), (1201, 1200), (65535, 1200)):
        have = b.client(keep_alive=asked).connack.props.get("server_keep_alive")
        same(have, told, f"Server Keep Alive for {asked}")


@aws("session expiry is an hour at most, and CONNACK says so", v3=False)
def session_expiry_clamp(b):
    for asked, told in ((3601, 3600), (0xFFFFFFFF, 3600)):
        c = b.client(props=[("session_expiry", asked)])
        same(c.connack.props.get("session_expiry"), told, f"Session Expiry for {asked}")
    c = b.client(props=[("session_expiry", 600)])
    true(c.connack.props.get("session_expiry", 600) == 600, "600 s stay")


@aws("a packet before the CONNACK has left ends the connection")
def packet_before_connack(b):
    c = b.dial()
    c.send(wire.connect(b.version, b.client_id()) + wire.PING)
    true(all(p.kind in (wire.CONNACK, wire.DISCONNECT) for p in c.read_all()), "no PINGRESP")


@aws("a will of QoS 2 refuses the CONNECT")
def will_of_qos_2(b):
    c = b.dial()
    c.hello(b.client_id(), will=(b.topic(), b"x", 2, False))
    same(c.refused(0x9B), 0x9B if b.v5 else None, "CONNACK's code")


@aws("Will Delay Interval is not in AWS's list of properties: the will is published at once (a switch)",
     v3=False)
def will_delay(b):
    watch = b.client()
    watch.subscribe(b.topic())
    will = (b.topic(), b"gone", 0, False, [("will_delay", 300)])
    b.session(b.client_id(), will=will).drop()
    same(watch.message().payload, b"gone", "the will")


@aws("one CONNECT a second for a client id")
def connects_per_second(b):
    """five at once: one gets in, the others do not"""
    name, outcomes = b.client_id(), []
    conns = [b.dial() for _ in range(5)]
    for c in conns:
        c.hello(name)
    for c in conns:
        try:
            outcomes.append(c.expect(wire.CONNACK).code)
        except Closed:
            outcomes.append(None)
    same(outcomes.count(0), 1, f"how many of {outcomes} get in")
    same(outcomes.count(0x97 if b.v5 else None), 4, f"how many of {outcomes} are refused")


# --- publishing


@aws("topics of 256 bytes and 7 slashes")
def topic_limits(b):
    root = b.topic()
    good = [f"{root}/" + "x" * (255 - len(root)), f"{root}/" + "é" * ((255 - len(root)) // 2),
            root + "/" * 7, "/".join([root] + ["y"] * 7)]
    c = b.client()
    c.subscribe(*good)
    for topic in good:
        c.publish(topic, b"x", qos=1)
    same([m.topic for m in c.messages()], good, "topics at the limit")
    for topic in ("x" * 257, "é" * 129, root + "/" * 8):
        refused_publish(b, topic, 0x90)


@aws("payloads of 131072 bytes")
def payload_limit(b):
    c = b.client()
    c.subscribe((b.topic(), 1))
    c.publish(b.topic(), b"x" * 131072, qos=1)
    same([len(m.payload) for m in c.messages()], [131072], "payloads")
    c = b.client()
    c.send(wire.publish(b.version, b.topic(), b"x" * 131073, 1, packet_id=1))
    c.refused()
    b.client().sync()


@aws("QoS 2: ignored (3.1.1), DISCONNECT 9B (5)")
def publish_with_qos_2(b):
    c = b.client()
    c.send(wire.publish(b.version, b.topic(), b"x", 2, packet_id=1))
    if not b.v5:
        same(c.messages(), [], "what comes")
        return
    same(c.refused(0x9B), 0x9B, "DISCONNECT's code")
    for topic in ("a/+", "$SYS/x", "a/b/c/d/e/f/g/h/i", "x" * 257):  # a PUBACK is for QoS 1
        c = b.client()
        c.send(wire.publish(5, topic, b"x", 2, packet_id=1))
        same(c.refused(0x9B), 0x9B, f"DISCONNECT's code on {topic[:20]}")


@aws("reserved topics: those AWS lists for clients are taken, others end the connection")
def reserved_topics(b):
    for topic in ("$aws/things/t/shadow/update", "$aws/things/t/jobs/get", "$aws/rules/r/a/b",
                  "$aws/rules/r/" + "x" * 256, "$aws/rules/r/a/b/c/d/e/f/g/h"):
        c = b.client()
        same(c.publish(topic, b"{}", qos=1).codes, [0], f"PUBACK for {topic}")
    for topic in ("$SYS/broker/version", "$aws/things/t/shadow/update/accepted", "$x", "$aws/x"):
        c = b.client()
        c.send(wire.publish(b.version, topic, b"{}", 1, packet_id=1))
        answer_or_end(b, c, wire.PUBACK)


def answer_or_end(b, c, kind):
    """3.1.1: closed. 5: an answer with a code of 80 or more, or DISCONNECT."""
    try:
        packet = c.read()
    except Closed:
        return
    true(b.v5 and packet.kind in (kind, wire.DISCONNECT) and min(packet.codes) >= 0x80,
         f"{packet}")


@aws("100 PUBLISH packets a second from a connection; more are thrown away (5: PUBACK 97)")
def publishes_per_second(b):
    c = b.client()
    c.send(b"".join(wire.publish(b.version, b.topic(), b"x", 1, packet_id=n) +
                    (wire.PING if n % 50 == 0 else b"") for n in range(1, 301)))
    codes, pings = [], 0
    while pings < 6:
        packet = c.read()
        pings += packet.kind == wire.PINGRESP
        codes += packet.codes if packet.kind == wire.PUBACK else []
    taken = codes.count(0)
    true(100 <= taken < 250, f"{taken} of 300 taken at once")
    same(codes.count(0x97), 300 - taken if b.v5 else 0, "PUBACK 97")


@aws("100 unacknowledged deliveries; the 101st waits for a PUBACK")
def deliveries_in_flight(b):
    topic, name = b.topic(), b.client_id()
    c = b.client(name)
    c.subscribe((topic, 1))
    senders = [b.client() for _ in range(3)]
    for i in range(120):
        senders[i % 3].publish(topic, b"%d" % i, qos=1)
    first = c.messages(acknowledge=False)
    same(len(first), 100, "messages before a PUBACK")


@aws("topic aliases 1 to 8", v3=False)
def topic_aliases(b):
    c = b.client()
    for alias in (1, 8):
        c.publish(b.topic(), b"x", props=[("topic_alias", alias)])
    for alias in (0, 9):
        closed(b, wire.publish(5, b.topic(), b"x", props=[("topic_alias", alias)]), 0x94)


@aws("message expiry 0 is 1, more than 604800 is 604800", v3=False)
def message_expiry_clamp(b):
    c = b.client()
    c.subscribe(b.topic())
    for asked, told in ((604800, 604800), (604801, 604800), (0xFFFFFFFF, 604800)):
        c.publish(b.topic(), b"x", props=[("message_expiry", asked)])
        (m,) = c.messages()
        true(told - 2 <= m.props.get("message_expiry", 0) <= told, f"{m.props} for {asked}")
    c.publish(b.topic(), b"x", props=[("message_expiry", 0)])
    same(len(c.messages()), 1, "a message with expiry 0 arrives")


# --- subscribing


@aws("8 filters in a SUBSCRIBE and in an UNSUBSCRIBE")
def filters_in_a_packet(b):
    names = [b.topic(str(i)) for i in range(9)]
    c = b.client()
    same(c.subscribe(*names[:8]), [0] * 8, "codes of 8")
    c.unsubscribe(*names[:8])
    for raw in (wire.subscribe(b.version, 9, [(n, 0) for n in names]),
                wire.unsubscribe(b.version, 9, names)):
        c = b.client()
        c.send(raw)
        answer_or_end(b, c, wire.SUBACK if raw[0] >> 4 == wire.SUBSCRIBE else wire.UNSUBACK)


@aws("50 subscriptions of a client")
def subscriptions_of_a_client(b):
    c = b.client()
    for i in range(50):
        same(c.subscribe(b.topic(str(i))), [0], f"codes of subscription {i + 1}")
    same(c.subscribe(b.topic("more")), [0x97 if b.v5 else 0x80], "codes of the 51st")
    same(c.subscribe(b.topic("7")), [0], "one that is there already")
    c.unsubscribe(b.topic("0"))
    same(c.subscribe(b.topic("more")), [0], "and one for one that was given up")


@aws("filters of 256 bytes and 7 slashes; `$share/NAME/` does not count; names of 128 characters")
def filter_limits(b):
    root = b.topic()
    good = [f"{root}/" + "x" * (255 - len(root)), root + "/+" * 7, root + "/" * 7,
            f"$share/{'g' * 128}/{root}/" + "x" * (255 - len(root)), f"$share/g/{root}" + "/+" * 7]
    for name in good:
        same(b.client().subscribe(name), [0], f"codes for {name}")
    bad = ["x" * 257, root + "/+" * 8, f"$share/{'g' * 129}/{root}", f"$share/g/{root}" + "/+" * 8]
    for name in bad:
        c = b.client()
        c.send(wire.subscribe(b.version, 1, [(name, 0)]))
        answer_or_end(b, c, wire.SUBACK)


@aws("AWS's list of UNSUBACK codes has no 11: 0 where nothing was subscribed (a switch)", v3=False)
def unsubscribe_from_nothing_in_aws(b):
    same(b.client().unsubscribe(b.topic()), [0], "codes")


@aws("`$SYS/#`, `$aws/rules/...` and unknown `$` filters are refused; AWS's own are not")
def reserved_filters(b):
    for name in ("$SYS/#", "$aws/rules/r/a", "$unknown/a"):
        c = b.client()
        c.send(wire.subscribe(b.version, 1, [(name, 0)]))
        answer_or_end(b, c, wire.SUBACK)
    for name in ("$aws/things/+/shadow/#", "$aws/events/presence/connected/+"):
        same(b.client().subscribe(name), [0], f"codes for {name}")


@aws("a subscription identifier: DISCONNECT A1", v3=False)
def subscription_identifier(b):
    closed(b, wire.subscribe(5, 1, [(b.topic(), 0)], [("subscription_id", 1)]), 0xA1)


@aws("overlapping subscriptions: one copy, the highest QoS")
def one_copy(b):
    c = b.client()
    c.subscribe((b.topic("#"), 0), (b.topic("a"), 1), (b.topic("+"), 0))
    c.publish(b.topic("a"), b"x", qos=1)
    same([m.qos for m in c.messages()], [1], "copies")


@aws("user properties are taken in every packet that may have them", v3=False)
def user_properties_everywhere(b):
    user = [("user", ("k", "v")), ("user", ("k", "w"))]
    c = b.client(props=user)
    c.subscribe((b.topic(), 1), props=user)
    c.publish(b.topic(), b"x", qos=1, props=user)
    same(c.message().props, {"user": [("k", "v"), ("k", "w")]}, "properties")
    c.unsubscribe(b.topic(), props=user)
    c.disconnect(0, user)
