# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""SUBSCRIBE, UNSUBSCRIBE, what topics match."""
import wire
from suite import same, test, true


def broken(b, raw, *codes):
    c = b.client()
    c.send(raw)
    c.refused(*(codes or (0x81, 0x82, 0x8F)))


def refused_filter(b, name):
    """A SUBSCRIBE with this filter is closed, or (MQTT 5) answered 8F."""
    c = b.client()
    c.send(wire.subscribe(b.version, 1, [(name, 0)]))
    if b.v5 and b.deviates("suback_says_8f"):
        same(c.expect(wire.SUBACK).codes, [0x8F], f"codes for {name!r}")
    else:
        c.refused(0x81, 0x82, 0x8F)


@test(v3="3.8.4-1 3.8.4-2 3.8.4-5 3.9.3-1 3.9.3-2 2.3.1-7 3.8.4-4",
      v5="3.8.4-1 3.8.4-2 3.8.4-5 3.8.4-6 3.8.4-7 3.9.3-1 3.9.3-2 2.2.1-6")
def suback(b):
    """one SUBACK with the identifier, a code for each filter, in order"""
    c, sender = b.client(), b.client()
    filters = [(b.topic("a"), 1), (b.topic("b"), 0), (b.topic("c/+"), 1), (b.topic("a"), 0)]
    same(c.subscribe(*filters), [1, 0, 1, 0], "codes")
    for name in ("a", "b", "c/d"):
        sender.publish(b.topic(name), name.encode(), qos=1)
    found = [(m.payload, m.qos) for m in c.messages()]
    same(found, [(b"a", 0), (b"b", 0), (b"c/d", 1)], "messages")


@test(v3="3.8.4-5 3.9.3-2", v5="3.8.4-7 3.2.2-10")
def subscribe_with_qos_2(b):
    c = b.client()
    c.send(wire.subscribe(b.version, 1, [(b.topic(), 2)]))
    if b.deviates("no_suback_for_qos_2"):
        c.refused(0x9B)
    else:
        same(c.expect(wire.SUBACK).codes, [2], "codes")


@test(v3="3.8.4-6", v5="3.8.4-8")
def the_smaller_qos(b):
    sender = b.client()
    for granted in (0, 1):
        c = b.client()
        c.subscribe((b.topic(f"g{granted}"), granted))
        for qos in (0, 1):
            sender.publish(b.topic(f"g{granted}"), b"x", qos=qos)
        same([m.qos for m in c.messages()], [min(granted, q) for q in (0, 1)], "QoS")


@test(v3="3.3.5-1", v5="3.3.4-2")
def overlapping_subscriptions(b):
    """one copy or several; the highest QoS is among them"""
    c, sender = b.client(), b.client()
    c.subscribe((b.topic("a/#"), 0), (b.topic("a/b"), 1), (b.topic("+/b"), 0))
    sender.publish(b.topic("a/b"), b"x", qos=1)
    found = c.messages()
    true(1 <= len(found) <= 3 and max(m.qos for m in found) == 1, f"{found}")


@test(v3="3.8.3-3", v5="3.8.3-2")
def subscribe_without_filters(b):
    broken(b, wire.subscribe(b.version, 1, []))


@test(v3="3.8.3-4", v5="3.8.3-5")
def subscription_options_reserved(b):
    """QoS 3, and the reserved bits (in MQTT 5 the upper two, and retain handling 3)"""
    for options in (3, 0x40, 0x80, 0x30) + (() if b.v5 else (4, 8, 16)):
        broken(b, wire.subscribe(b.version, 1, [(b.topic(), options)]))


@test(v3="3.8.3-1 1.5.3-1 1.5.3-2 4.7.3-2", v5="3.8.3-1 1.5.4-1 1.5.4-2 4.7.3-2")
def filter_not_utf8(b):
    for name in (b"t/\xff", b"t/\xed\xa0\x80", b"t/\0"):
        broken(b, wire.subscribe(b.version, 1, [(name, 0)]))


@test(v3="4.7.1-2", v5="4.7.1-1")
def multi_level_wildcard_out_of_place(b):
    for name in ("a#", "a/b#", "#/a", "a/#/b", "##"):
        refused_filter(b, name)


@test(v3="4.7.1-3", v5="4.7.1-2")
def single_level_wildcard_out_of_place(b):
    for name in ("a+", "+a", "a/b+/c", "++", "a/+#"):
        refused_filter(b, name)


@test(v3="4.7.3-1", v5="4.7.3-1")
def empty_filter(b):
    refused_filter(b, "")


# Filters and topics, and whether they match. What differs in AWS has the deviation's name.
MATCHES = [
    ("a/b", "a/b", True), ("a/b", "a/B", False), ("a/b", "a/b/", False), ("a/b", "/a/b", False),
    ("a/+", "a/b", True), ("a/+", "a/", True), ("a/+", "a", False), ("a/+", "a/b/c", False),
    ("a/+/c", "a/b/c", True), ("a/+/c", "a//c", True), ("a/+/+", "a/b", False),
    ("a/#", "a/b/c", True), ("a/#", "a/", True), ("a/#", "a", "hash_does_not_match_the_parent"),
    ("a/#", "ab", False), ("a/+/#", "a/b", "hash_does_not_match_the_parent"),
    ("a/+/#", "a/b/c", True), ("a//b", "a//b", True), ("a//b", "a/b", False),
    ("a/ b", "a/ b", True), ("a/ b", "a/b", False), ("a/é", "a/é", True),
    ("a/é", "a/e\u0301", False), ("a/\u00c5", "a/\u212b", False), ("a/$x", "a/$x", True),
    ("a/+", "a/$x", True), ("a/*", "a/b", False), ("a/?", "a/b", False), ("a/%62", "a/b", False),
]


@test(v3="3.3.2-3 4.7.1-2 4.7.1-3 4.7.3-4", v5="3.3.2-3 4.7.1-1 4.7.1-2 4.7.3-4")
def matching(b):
    """a table of filters and topics"""
    c, sender = b.client(), b.client()
    for number, (pattern, topic, want) in enumerate(MATCHES):
        if isinstance(want, str):
            want = not b.deviates(want)
        root = b.topic(str(number))
        c.subscribe(f"{root}/{pattern}")
        sender.publish(f"{root}/{topic}", b"x")
        found = [m.topic for m in c.messages()]
        same(found, [f"{root}/{topic}"] if want else [], f"{pattern} for {topic}")
        c.unsubscribe(f"{root}/{pattern}")


@test(v3="4.7.2-1", v5="4.7.2-1")
def wildcards_and_dollar(b):
    """# and + at the front do not see names that begin with $"""
    topic = "$aws/rules/r/x" if b.deviates("dollar_names_are_a_list") else f"$dollar{b.number}/x"
    c, sender = b.client(), b.client()
    c.subscribe("#", "+/x", "+/rules/r/x", "+/#")
    c.messages()  # what others left retained
    sender.publish(topic, b"x", qos=1)
    sender.publish(b.topic("x"), b"y", qos=1)
    same({m.topic for m in c.messages()}, {b.topic("x")}, "topics")


@test(v3="3.10.4-1 3.10.4-2 3.10.4-4 3.10.4-6 2.3.1-7",
      v5="3.10.4-1 3.10.4-2 3.10.4-4 3.10.4-5 3.10.4-6 3.11.3-1 3.11.3-2 2.2.1-6")
def unsubscribe(b):
    """only what is the same byte for byte; several at once; nothing comes after it"""
    c, sender = b.client(), b.client()
    c.subscribe(b.topic("a"), b.topic("b"), b.topic("c/+"), b.topic("d/e"))
    codes = c.unsubscribe(b.topic("A"), b.topic("a"), b.topic("+"), b.topic("c/+"), b.topic("d/+"))
    same(codes, [0x11, 0, 0x11, 0, 0x11] if b.v5 else [], "codes")
    for name in ("a", "b", "c/x", "d/e"):
        sender.publish(b.topic(name), name.encode())
    same([m.payload for m in c.messages()], [b"b", b"d/e"], "messages")


@test(v3="3.10.4-5", v5="3.10.4-5 3.11.3-2")
def unsubscribe_from_nothing(b):
    c = b.client()
    same(c.unsubscribe(b.topic()), [0x11] if b.v5 else [], "codes")


@test(v3="3.10.4-3", v5="3.10.4-3")
def unsubscribe_during_a_delivery(b):
    """a QoS 1 delivery that has begun is finished: it comes again when the session is resumed"""
    topic, name = b.topic(), b.client_id()
    c, sender = b.session(name), b.client()
    c.subscribe((topic, 1))
    sender.publish(topic, b"x", qos=1)
    same(len(c.messages(acknowledge=False)), 1, "messages")
    c.unsubscribe(topic)
    c.drop()
    c = b.session(name)
    same([m.payload for m in c.messages()], [b"x"], "messages of the resumed session")


@test(v3="3.10.3-2", v5="3.10.3-2")
def unsubscribe_without_filters(b):
    broken(b, wire.unsubscribe(b.version, 1, []))


@test(v3="3.10.3-1 1.5.3-1 1.5.3-2", v5="3.10.3-1 1.5.4-1 1.5.4-2")
def unsubscribe_filter_not_utf8(b):
    for name in (b"t/\xff", b"t/\0"):
        broken(b, wire.unsubscribe(b.version, 1, [name]))


@test(v3="4.5.0-1", v5="4.5.0-1")
def everybody_gets_it(b):
    """twenty subscribers by name and by wildcard, the sender among them"""
    topic = b.topic("x")
    clients = [b.client() for _ in range(20)]
    for n, c in enumerate(clients):
        c.subscribe((topic if n % 2 else b.topic("+"), 1))
    clients[0].publish(topic, b"x", qos=1)
    for n, c in enumerate(clients):
        same([m.payload for m in c.messages()], [b"x"], f"messages of client {n}")
