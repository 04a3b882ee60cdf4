# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""What only MQTT 5 has: properties, reason codes, flow control, shared subscriptions."""
import wire
from suite import same, test, true
from wire import properties

EVERYTHING = [("payload_format", 1), ("content_type", "text/plain; charset=é"),
              ("response_topic", "answers/here"), ("correlation_data", bytes(range(256))),
              ("user", ("z", "1")), ("user", ("a", "")), ("user", ("z", "1")), ("user", ("", "2"))]


@test(v5="3.3.2-4 3.3.2-15 3.3.2-16 3.3.2-17 3.3.2-18 3.3.2-20 2.2.2-1")
def properties_are_passed_on(b):
    """unaltered, user properties in their order; none is added"""
    c, sender = b.client(), b.client()
    c.subscribe((b.topic(), 1))
    for qos in (0, 1):
        sender.publish(b.topic(), b"x", qos=qos, props=EVERYTHING)
        sender.publish(b.topic(), b"y", qos=qos)
        sender.publish(b.topic(), b"z", qos=qos, props=[("payload_format", 0)])
        first, second, third = c.messages()
        same(first.props, {"payload_format": 1, "content_type": "text/plain; charset=é",
                           "response_topic": "answers/here", "correlation_data": bytes(range(256)),
                           "user": [p[1] for p in EVERYTHING if p[0] == "user"]}, "properties")
        same(second.props, {}, "properties of a message without any")
        same(third.props.get("payload_format", 0), 0, "payload format indicator")


@test(v3="-", v5="3.3.2-17")
def versions_talk_to_each_other(b):
    """3.1.1 to 5 and back; what 3.1.1 cannot carry is left out"""
    other = 4 if b.v5 else 5
    if b.server.speaks(other):
        here, there = b.client(), b.client(version=other)
        here.subscribe((b.topic("here"), 1))
        there.subscribe((b.topic("there"), 1))
        here.publish(b.topic("there"), b"to there", qos=1, props=EVERYTHING if b.v5 else None)
        there.publish(b.topic("here"), b"to here", qos=1, props=None if b.v5 else EVERYTHING)
        m = here.message()
        same((m.payload, len(m.props)), (b"to here", 0), "the message here")
        m = there.message()
        same((m.payload, len(m.props)), (b"to there", 0 if b.v5 else 0), "the message there")


# PUBLISH properties that break the format.
BAD = [
    ("response_topic_with_a_wildcard", "3.3.2-14", properties([("response_topic", "a/#")])),
    ("response_topic_not_utf8", "3.3.2-13", properties([("response_topic", b"\xff")])),
    ("content_type_not_utf8", "3.3.2-19", properties([("content_type", b"a\xc0\x80")])),
    ("user_property_not_utf8", "1.5.7-1", properties([("user", ("k", b"\xed\xa0\x80"))])),
    ("user_property_with_u0000", "1.5.7-1 1.5.4-2", properties([("user", ("k\0", "v"))])),
    ("payload_format_2", "4.13.1-1", properties([("payload_format", 2)])),
    ("payload_format_twice", "4.13.1-1", properties([("payload_format", 1)] * 2)),
    ("message_expiry_twice", "4.13.1-1", properties([("message_expiry", 9)] * 2)),
    ("property_of_connect", "4.13.1-1", properties([("session_expiry", 9)])),
    ("unknown_property", "4.13.1-1", b"\x02\x04\0"),
    ("cut_off", "4.13.1-1", b"\x02\x02\0"),
    ("longer_than_the_packet", "4.13.1-1", b"\x7f\x01\0"),
    ("length_of_five_bytes", "1.5.5-1 4.13.1-1", b"\xff\xff\xff\xff\x01"),
    ("topic_alias_0", "3.3.2-8", properties([("topic_alias", 0)])),
    ("subscription_id", "3.3.4-6", properties([("subscription_id", 1)])),
]


def _register(name, statements, raw):
    name = f"publish_{name}"

    @test(v5=statements)
    def bad(b):
        c = b.client()
        c.send(wire.publish(5, b.topic(), b"x", 1, packet_id=1, props=raw))
        if b.deviates(name):
            c.alive()
        else:
            c.refused(0x81, 0x82, 0x90, 0x94, 0x99)
    from suite import TESTS
    TESTS[-1].name = name


for row in BAD:
    _register(*row)


@test(v5="3.3.2-12 3.3.2-7 3.2.2-17")
def topic_aliases_to_the_server(b):
    """every alias up to the maximum; used, changed, gone with the connection"""
    c = b.client()
    maximum = c.connack.props.get("topic_alias_maximum", 0)
    true(maximum > 0, "a Topic Alias Maximum")
    watch = b.client()
    watch.subscribe(b.topic("#"))
    for alias in range(1, maximum + 1):
        c.publish(b.topic(f"a{alias}"), b"set", props=[("topic_alias", alias)])
        c.publish("", b"used", props=[("topic_alias", alias)])
    c.publish(b.topic("new"), b"set", qos=1, props=[("topic_alias", maximum)])
    c.publish("", b"used", qos=1, props=[("topic_alias", maximum)])
    same([(m.topic, m.payload) for m in watch.messages()],
         [(b.topic(f"a{a}"), p) for a in range(1, maximum + 1) for p in (b"set", b"used")] +
         [(b.topic("new"), b"set"), (b.topic("new"), b"used")], "messages")
    c.send(wire.publish(5, b.topic(), b"x", props=[("topic_alias", maximum + 1)]))
    c.refused(0x94)
    c = b.client()
    c.send(wire.publish(5, "", b"x", props=[("topic_alias", 1)]))
    c.refused(0x82, 0x94)


@test(v5="3.1.2-26 3.1.2-27 3.3.2-11 3.3.2-7")
def topic_aliases_from_the_server(b):
    """within the client's maximum (each read judges that), and the topics can be resolved"""
    for maximum in (0, 1, 3):
        name = b.client_id()
        for _ in "12":  # a second connection of the same session: no alias is carried over
            c = b.session(name, props=[("topic_alias_maximum", maximum)])
            c.subscribe((b.topic("#"), 1))
            sender = b.client()
            topics = [b.topic(f"m{i % 5}") for i in range(20)]
            for topic in topics:
                sender.publish(topic, b"x", qos=1)
            same([m.topic for m in c.messages()], topics, "topics")
            c.disconnect()


@test(v5="3.3.2-5 3.3.2-6")
def message_expiry(b):
    """what waits longer than its expiry is gone; what does not has less of it left"""
    topic, name = b.topic(), b.client_id()
    c = b.session(name)
    c.subscribe((topic, 1))
    c.drop()
    sender = b.client()
    sender.publish(topic, b"short", qos=1, props=[("message_expiry", 1)])
    sender.publish(topic, b"long", qos=1, props=[("message_expiry", 1000)])
    sender.publish(topic, b"for ever", qos=1)
    b.moment()
    c = b.session(name)
    found = {m.payload: m.props.get("message_expiry") for m in c.messages()}
    same(set(found), {b"long", b"for ever"}, "messages")
    same(found[b"for ever"], None, "the expiry of a message without one")
    true(900 < found[b"long"] <= 999, f"an expiry of {found[b'long']} s after a second or more")


@test(v5="3.8.3-3")
def no_local(b):
    c, other = b.client(), b.client()
    c.subscribe((b.topic(), 1 | 4))
    other.subscribe((b.topic(), 1))
    c.publish(b.topic(), b"own", qos=1)
    other.publish(b.topic(), b"other's", qos=1)
    same([m.payload for m in c.messages()], [b"other's"], "messages with no local")
    same([m.payload for m in other.messages()], [b"own", b"other's"], "messages without")


@test(v5="3.3.4-3 3.3.4-4 3.3.4-5")
def subscription_identifiers(b):
    """they come with the messages; one copy has all, several have one each"""
    c, sender = b.client(), b.client()
    if b.deviates("no_subscription_identifiers"):
        same(c.connack.props.get("subscription_id_available"), 0, "Subscription Ids Available")
        c.send(wire.subscribe(5, 1, [(b.topic(), 0)], [("subscription_id", 1)]))
        c.refused(0xA1)
        return
    c.subscribe((b.topic("a"), 0), props=[("subscription_id", 1)])
    c.subscribe((b.topic("+"), 0), props=[("subscription_id", 268435455)])
    c.subscribe((b.topic("#"), 0))
    sender.publish(b.topic("a"), b"x")
    found = c.messages()
    ids = sorted(i for m in found for i in m.props.get("subscription_id", []))
    same(ids, [1, 268435455], "identifiers of all copies")
    c.subscribe((b.topic("a"), 0))  # without one now
    sender.publish(b.topic("a"), b"x")
    ids = [i for m in c.messages() for i in m.props.get("subscription_id", [])]
    same(ids, [268435455], "identifiers after subscribing again without")
    c.send(wire.subscribe(5, 9, [(b.topic(), 0)], [("subscription_id", 0)]))
    c.refused(0x81, 0x82)


@test(v5="3.3.4-9 3.3.4-10 4.9.0-1 4.9.0-2 4.9.0-3")
def receive_maximum_of_the_client(b):
    """so many unacknowledged and no more, everything else goes on; each PUBACK lets one come"""
    topic = b.topic()
    c, sender = b.client(props=[("receive_maximum", 3)]), b.client()
    c.subscribe((topic, 1))
    for i in range(8):
        sender.publish(topic, b"%d" % i, qos=1)
    sender.publish(topic, b"q0", qos=0)
    first = c.messages(acknowledge=False)
    same([m.payload for m in first if m.qos], [b"0", b"1", b"2"], "messages before a PUBACK")
    if b.deviates("receive_maximum_after_a_puback"):
        c.receive_maximum = 65535
    same(c.subscribe(b.topic("else")), [0], "codes of a SUBSCRIBE at quota 0")
    same(c.publish(b.topic("else"), b"up", qos=1).codes, [0], "codes of a PUBLISH at quota 0")
    waiting, got = [m for m in first if m.qos], []
    while waiting:
        got.append(waiting.pop(0))
        c.acknowledge(got[-1])
        waiting += [m for m in c.messages(acknowledge=False) if m.qos and m.topic == topic]
        true(len(waiting) <= c.receive_maximum, "never more than three")
    same([m.payload for m in got], [b"%d" % i for i in range(8)], "all messages")


@test(v5="3.3.4-7 3.2.2-8")
def receive_maximum_of_the_server(b):
    """what it promised in CONNACK it takes: so many in one write"""
    c = b.client()
    maximum = min(c.connack.props.get("receive_maximum", 65535), 200)
    c.send(b"".join(wire.publish(5, b.topic(), b"x", 1, packet_id=i + 1)
                    for i in range(maximum)))
    same([c.expect(wire.PUBACK).id for _ in range(maximum)], list(range(1, maximum + 1)),
         "PUBACKs")


@test(v5="3.1.2-24 3.1.2-25")
def maximum_packet_size_of_the_client(b):
    """what is larger is dropped as if it had been sent, what is as large comes"""
    topic = b.topic()
    c, sender = b.client(props=[("maximum_packet", 100)]), b.client()
    c.subscribe((topic, 1))
    head = len(wire.publish(5, topic, b"", 1, packet_id=1))
    for size in (100 - head, 101 - head, 5000, 1):
        sender.publish(topic, b"x" * size, qos=1)
    if b.deviates("maximum_packet_is_one_more"):
        c.packet_maximum += 1
        same([len(m.payload) for m in c.messages()], [100 - head, 101 - head, 1], "payloads")
    else:
        same([len(m.payload) for m in c.messages()], [100 - head, 1], "payloads")


@test(v5="3.1.2-24 3.2.2-19 3.2.2-20 3.4.2-2 3.4.2-3 3.9.2-1 3.9.2-2 3.11.2-1 3.11.2-2 3.14.2-3 "
      "3.14.2-4")
def maximum_packet_size_and_reasons(b):
    """refusals of every kind to a client that takes few bytes (each read judges their size)"""
    smallest = 60  # room for CONNACK's own properties
    c = b.client(props=[("maximum_packet", smallest)])
    c.subscribe((b.topic(), 1))
    c.unsubscribe(b.topic(), b.topic("none"))
    c.publish(b.topic(), b"x", qos=1)
    c.send(wire.subscribe(5, 9, [("a/#/b", 0), ("", 0), ("+b", 0)]))
    try:
        c.sync()
    except Exception as error:
        if type(error).__name__ not in ("Failure", "Closed"):
            raise
    for raw in (wire.publish(5, "a/#", b"x", 1, packet_id=1), b"\xf1\0",
                wire.packet(wire.SUBSCRIBE, 0, b"")):
        c = b.client(props=[("maximum_packet", smallest)])
        c.send(raw)
        c.send(wire.disconnect(5))
        c.read_all()


@test(v5="3.1.2-24")
def maximum_packet_size_below_connack(b):
    """(each read judges it) whom no CONNACK can be sent to is refused: in few words, or in none"""
    for size, client_id in ((1, b.client_id()), (4, b.client_id()), (4, "$x"), (8, b.client_id())):
        c = b.dial()
        c.hello(client_id, props=[("maximum_packet", size)])
        c.refused()


@test(v5="3.5.2-2 3.5.2-3 3.6.2-2 3.6.2-3 3.7.2-2 3.7.2-3")
def maximum_packet_size_and_qos_2(b):
    """PUBREC, PUBREL and PUBCOMP to a client that takes few bytes (each read judges their size)"""
    c = b.client(props=[("maximum_packet", 60)])
    if b.deviates("no_qos2"):
        c.send(wire.publish(5, b.topic(), b"x", 2, packet_id=1))
        c.refused(0x9B)
        return
    c.subscribe((b.topic(), 2))
    c.publish(b.topic(), b"x", qos=2)
    c.message()
    for kind in (wire.PUBREL, wire.PUBREC):  # of nothing: perhaps 92, with a reason
        c.send(wire.acknowledge(kind, 777))
        c.alive()


@test(v5="3.1.2-29")
def no_problem_information(b):
    """(each read judges it) refusals to a client that wants no explanations"""
    for raw in (wire.subscribe(5, 9, [("$share/x/", 0)]), wire.subscribe(5, 9, [("a/#/b", 0)]),
                wire.unsubscribe(5, 9, ["a/#/b"]), wire.publish(5, "a/#", b"", 1, packet_id=1)):
        c = b.client(props=[("request_problem", 0)])
        c.send(raw)
        c.send(wire.disconnect(5))
        c.read_all()


@test(v5="3.1.2-23 4.1.0-1 4.1.0-2")
def session_expiry(b):
    """0: gone with the connection; more: kept; DISCONNECT may change it"""
    def present(name):
        c = b.dial()
        answer = c.connect(name, clean=False)
        c.disconnect()
        return answer.session_present
    name = b.client_id()
    b.client(name, props=[("session_expiry", 0)]).disconnect()
    same(present(name), False, "session present after expiry 0")
    b.client(name, props=[("session_expiry", 600)]).drop()
    same(present(name), True, "session present after expiry 600")
    same(present(name), False, "session present: the last connection had none")
    b.client(name, props=[("session_expiry", 600)]).disconnect(0, [("session_expiry", 0)])
    same(present(name), False, "session present after DISCONNECT made it 0")
    b.client(name, props=[("session_expiry", 1)]).disconnect(0, [("session_expiry", 600)])
    same(present(name), True, "session present after DISCONNECT made it 600")


@test(v5="4.1.0-2")
def session_expiry_passes(b):
    name = b.client_id()
    b.client(name, props=[("session_expiry", 1)]).drop()
    b.moment()
    c = b.dial()
    same(c.connect(name, clean=False).session_present, False, "session present")


@test(v5="3.2.2-9 3.2.2-10 3.2.2-12 3.2.2-13")
def a_server_without_qos_2(b):
    """says so, grants less, refuses a will of QoS 2, and a retained one where nothing is"""
    server = b.server.without_qos2
    c = b.client(server=server)
    same(c.connack.props.get("maximum_qos"), 1, "Maximum QoS")
    c.send(wire.subscribe(5, 1, [(b.topic(), 2)]))
    if b.deviates("no_suback_for_qos_2"):
        same(c.refused(0x9B), 0x9B, "DISCONNECT's code")
    else:
        same(c.expect(wire.SUBACK).codes, [1], "codes")
    c = b.dial(server=server)
    c.hello(b.client_id(), will=(b.topic(), b"x", 2, False))
    same(c.refused(0x9B), 0x9B, "the CONNACK's code")
    if server is not b.server:
        c = b.dial(server=server)
        c.hello(b.client_id(), will=(b.topic(), b"x", 0, True))
        same(c.refused(0x9A), 0x9A, "the CONNACK's code")


@test(v5="4.3.3-7 4.3.3-13")
def qos_2_goes_on_after_expiry(b):
    topic = b.topic()
    if b.deviates("no_qos2"):
        same(b.client().connack.props.get("maximum_qos"), 1, "Maximum QoS")
        return
    c, sender = b.client(), b.client()
    c.subscribe((topic, 2))
    sender.publish(topic, b"x", qos=2, props=[("message_expiry", 1)])
    m = c.message(acknowledge=False)
    b.moment()
    c.acknowledge(m)
    c.sync()


# --- shared subscriptions


@test(v3="-", v5="4.8.2-3 4.5.0-1")
def shared_subscription(b):
    """each message to one member, with the QoS granted to it; other subscribers get all"""
    topic = b.topic()
    members = [b.client(), b.client()]
    group = f"$share/g{b.number}/{topic}"
    for qos, member in enumerate(members):
        same(member.subscribe((group, qos)), [qos], "codes")
    other, sender = b.client(), b.client()
    other.subscribe((topic, 1))
    if not b.v5 and b.deviates("no_shared_subscriptions_in_3_1_1"):
        return
    for i in range(20):
        sender.publish(topic, b"%d" % i, qos=1)
    found = [m.messages() for m in members]
    same(sorted(int(m.payload) for f in found for m in f), list(range(20)), "messages")
    true(all(found), "both members get some")
    same([{m.qos for m in f} for f in found], [{0}, {1}], "QoS of the members")
    same(len(other.messages()), 20, "messages of another subscriber")
    members[0].unsubscribe(group)
    sender.publish(topic, b"x", qos=1)
    same([len(m.messages()) for m in members], [0, 1], "messages after one has left")


def share_is_refused(b, name, but=None):
    """`but`: the deviation of a server that takes it for a subscription."""
    c = b.client()
    c.send(wire.subscribe(5, 1, [(name, 0)]))
    if b.deviates("suback_says_8f"):
        same(c.expect(wire.SUBACK).codes, [0x8F], f"codes for {name}")
    elif but is not None and b.deviates(but):
        same(c.expect(wire.SUBACK).codes, [0], f"codes for {name}")
    else:
        c.refused(0x81, 0x82, 0x8F)


@test(v5="4.8.2-1 4.8.2-2")
def shared_subscription_without_filter(b):
    for name in ("$share/", "$share/g", "$share/g/", "$share/#"):
        share_is_refused(b, name, "shares_need_no_filter")


@test(v5="4.8.2-1 4.8.2-2")
def shared_subscription_malformed(b):
    for name in ("$share//a", "$share/+/a"):
        share_is_refused(b, name, "share_names_are_not_judged")
    for name in ("$share/g+/a", "$share/g#/a"):
        share_is_refused(b, name)


@test(v5="3.8.3-4")
def shared_subscription_with_no_local(b):
    c = b.client()
    c.send(wire.subscribe(5, 1, [(f"$share/g/{b.topic()}", 4)]))
    if b.deviates("share_with_no_local"):
        same(c.expect(wire.SUBACK).codes, [0], "codes")
    else:
        c.refused(0x82)


@test(v5="4.8.2-4 4.8.2-5")
def shared_subscription_and_qos_2(b):
    """a QoS 2 delivery that has begun is finished with its member, and goes to no other"""
    topic, names = b.topic(), [b.client_id(), b.client_id()]
    if b.deviates("no_qos2"):
        same(b.client().connack.props.get("maximum_qos"), 1, "Maximum QoS")
        return
    group = f"$share/g{b.number}/{topic}"
    members = [b.session(n) for n in names]
    for member in members:
        member.subscribe((group, 2))
    b.client().publish(topic, b"x", qos=2)
    found = [m.messages(acknowledge=False) for m in members]
    chosen = 0 if found[0] else 1
    members[chosen].drop()
    same(members[1 - chosen].messages(), [], "messages of the other")
    again = b.session(names[chosen])
    same([m.payload for m in again.messages(acknowledge=False)], [b"x"], "messages of the chosen")
    again.drop()
    b.client(names[chosen]).disconnect()  # its session ends
    same(members[1 - chosen].messages(), [], "messages of the other after that")


@test(v5="4.8.2-6")
def shared_subscription_and_a_refusal(b):
    """a message that a member refuses goes to no other"""
    topic = b.topic()
    members = [b.client(), b.client()]
    for member in members:
        member.subscribe((f"$share/g{b.number}/{topic}", 1))
    b.client().publish(topic, b"x", qos=1)
    found = [m.messages(acknowledge=False) for m in members]
    same(sorted(len(f) for f in found), [0, 1], "messages")
    chosen = 0 if found[0] else 1
    members[chosen].send(wire.acknowledge(wire.PUBACK, found[chosen][0].id, 0x83))
    members[chosen].alive()
    same(members[1 - chosen].messages(), [], "messages of the other")
