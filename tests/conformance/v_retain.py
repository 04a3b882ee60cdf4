# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""Retained messages."""
from suite import same, test


def shown(messages):
    return [(m.topic, m.payload, m.qos, m.retain) for m in messages]


@test(v3="3.3.1-5 3.3.1-6 3.3.1-8", v5="3.3.1-5 3.3.1-9")
def retained_with_its_qos(b):
    """kept with its QoS, given to a new subscription with RETAIN 1 and the smaller QoS"""
    c = b.client()
    for qos in (0, 1):
        topic = b.topic(f"q{qos}")
        c.publish(topic, b"first", qos=1, retain=True)
        c.publish(topic, b"kept", qos=qos, retain=True)
        same(shown(b.retained(topic, 1)), [(topic, b"kept", qos, True)], "with QoS 1")
        same(shown(b.retained(topic, 0)), [(topic, b"kept", 0, True)], "with QoS 0")


@test(v3="3.3.1-7", v5="3.3.1-5")
def retained_qos_0_replaces(b):
    topic = b.topic()
    c = b.client()
    c.publish(topic, b"old", qos=1, retain=True)
    c.publish(topic, b"new", qos=0, retain=True)
    same(shown(b.retained(topic)), [(topic, b"new", 0, True)], "retained")


@test(v3="3.3.1-9", v5="3.3.1-12")
def retained_to_an_established_subscription(b):
    topic = b.topic()
    c, sender = b.client(), b.client()
    c.subscribe((topic, 1))
    sender.publish(topic, b"live", qos=1, retain=True)
    same(shown(c.messages()), [(topic, b"live", 1, False)], "messages")


@test(v3="3.3.1-10 3.3.1-11", v5="3.3.1-6 3.3.1-7")
def retained_and_removed(b):
    topic = b.topic()
    c, sender = b.client(), b.client()
    sender.publish(topic, b"kept", qos=1, retain=True)
    c.subscribe((topic, 1))
    same(shown(c.messages()), [(topic, b"kept", 1, True)], "retained")
    sender.publish(topic, b"", qos=1, retain=True)
    same(shown(c.messages()), [(topic, b"", 1, False)], "the empty one")
    same(b.retained(topic), [], "retained after that")
    sender.publish(topic, b"", qos=0, retain=True)
    same(b.retained(topic), [], "an empty one is never kept")


@test(v3="3.3.1-12", v5="3.3.1-8")
def not_retained(b):
    topic = b.topic()
    sender = b.client()
    sender.publish(topic, b"plain", qos=1)
    same(b.retained(topic), [], "retained")
    sender.publish(topic, b"kept", qos=1, retain=True)
    sender.publish(topic, b"plain", qos=1)
    sender.publish(topic, b"", qos=1)
    same(shown(b.retained(topic)), [(topic, b"kept", 1, True)], "retained after that")


@test(v3="3.3.1-6", v5="3.3.1-9")
def retained_for_wildcards(b):
    """each matching topic's last one"""
    sender = b.client()
    for name in ("a", "b", "c/d"):
        sender.publish(b.topic(name), b"old", qos=1, retain=True)
        sender.publish(b.topic(name), name.encode(), qos=1, retain=True)
    c = b.client()
    for pattern, names in (("#", ["a", "b", "c/d"]), ("+", ["a", "b"]), ("+/d", ["c/d"])):
        c.subscribe((b.topic(pattern), 1))
        want = [] if b.deviates("retained_only_for_exact_filters") else names
        same(sorted(m.payload.decode() for m in c.messages()), want, f"retained for {pattern}")


@test(v3="3.8.4-3", v5="3.8.4-3 3.8.4-4")
def retained_again_when_subscribed_again(b):
    """subscribing again gives it again; the new QoS counts; one subscription is left"""
    topic = b.topic()
    c, sender = b.client(), b.client()
    sender.publish(topic, b"kept", qos=1, retain=True)
    c.subscribe((topic, 0))
    same(shown(c.messages()), [(topic, b"kept", 0, True)], "the first time")
    c.subscribe((topic, 1))
    same(shown(c.messages()), [(topic, b"kept", 1, True)], "the second time")
    sender.publish(topic, b"live", qos=1)
    same(shown(c.messages()), [(topic, b"live", 1, False)], "one copy, with the new QoS")
    c.subscribe((topic, 0))
    c.messages()
    sender.publish(topic, b"live", qos=1)
    same(shown(c.messages()), [(topic, b"live", 0, False)], "and with the smaller one again")


@test(v5="3.3.1-9 3.3.1-10 3.3.1-11")
def retain_handling(b):
    """0 always, 1 for a new subscription, 2 never"""
    topic = b.topic()
    b.client().publish(topic, b"kept", qos=1, retain=True)
    c = b.client()
    for options, want in ((0x00, 1), (0x00, 1), (0x10, 0), (0x20, 0)):
        c.subscribe((topic, options))
        same(len(c.messages()), want, f"retained with options {options:#04x}")
    c.unsubscribe(topic)
    c.subscribe((topic, 0x20))
    same(len(c.messages()), 0, "retained with handling 2, new")
    c.unsubscribe(topic)
    c.subscribe((topic, 0x10))
    same(len(c.messages()), 1, "retained with handling 1, new")


@test(v5="3.3.1-12 3.3.1-13")
def retain_as_published(b):
    topic = b.topic()
    plain, faithful, sender = b.client(), b.client(), b.client()
    plain.subscribe((topic, 1))
    faithful.subscribe((topic, 1 | 8))
    sender.publish(topic, b"r", qos=1, retain=True)
    sender.publish(topic, b"n", qos=1)
    same([m.retain for m in plain.messages()], [False, False], "RETAIN without the option")
    same([m.retain for m in faithful.messages()], [True, False], "RETAIN with the option")


@test(v5="3.3.2-5 3.3.2-6 3.3.2-4 3.3.2-16 3.3.2-17 3.3.2-20")
def retained_with_properties(b):
    topic = b.topic()
    b.client().publish(topic, b"kept", qos=1, retain=True, props=[
        ("message_expiry", 100), ("payload_format", 1), ("content_type", "c"),
        ("correlation_data", b"d"), ("user", ("k", "v"))])
    (m,) = b.retained(topic)
    left = m.props.pop("message_expiry")
    same(90 < left <= 100, True, f"an expiry of {left} s")
    same(m.props, {"payload_format": 1, "content_type": "c", "correlation_data": b"d",
                   "user": [("k", "v")]}, "properties")
