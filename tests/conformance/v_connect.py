# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""CONNECT and CONNACK."""
import wire
from suite import same, test, true
from wire import data, packet, properties, u16


@test(v3="3.1.0-1 4.8.0-1", v5="3.1.0-1 3.14.0-1 4.13.1-1")
def connect_comes_first(b):
    """every other packet ends a connection that has not begun, without an answer"""
    first = [wire.publish(b.version, b.topic(), b"x"), wire.subscribe(b.version, 1, [("a", 0)]),
             wire.unsubscribe(b.version, 1, ["a"]), wire.PING, wire.disconnect(b.version),
             wire.acknowledge(wire.PUBACK, 1), wire.acknowledge(wire.PUBREC, 1),
             wire.acknowledge(wire.PUBREL, 1), wire.acknowledge(wire.PUBCOMP, 1),
             packet(wire.CONNACK, 0, b"\0\0"), packet(15, 0, b""), packet(0, 0, b"")]
    for raw in first:
        c = b.dial()
        c.send(raw)
        same(c.read_all(), [], f"the answer to {raw[:2].hex()}")


@test(v3="3.1.0-2 4.8.0-1", v5="3.1.0-2 4.13.1-1 4.13.2-1 3.2.0-2")
def second_connect(b):
    c = b.client()
    c.send(wire.connect(b.version, b.client_id()))
    c.refused(0x82)


@test(v3="3.1.2-1", v5="3.1.2-1")
def protocol_name(b):
    for name in ("MQTU", "mqtt", "", "MQTTMQTT"):
        c = b.dial()
        c.send(wire.connect(b.version, "a", name=name))
        refused_version(c)


@test(v3="3.1.2-2", v5="3.1.2-2 3.2.2-7")
def protocol_level(b):
    for level in (6, 0, 127, 255):
        c = b.dial()
        c.send(wire.connect(b.version, b.client_id(), level=level))
        code = refused_version(c)
        true(b.v5 or code == 1, f"CONNACK {code}, where 1 should be, for level {level}")


def refused_version(c):
    """A refusal of either version's form; its code."""
    raw = c.raw_rest()
    true(raw == b"" or raw in (b"\x20\x02\0\x01", b"\x20\x02\0\x84", b"\x20\x03\0\x84\0",
                               b"\x20\x03\0\x01\0"), f"closed, or CONNACK 1 or 84, not {raw.hex()}")
    return raw[3] if raw else None


# CONNECT packets that break the format: what is wrong, the statements, the packet.
def _raw(flags, *fields, level=None):
    def build(version):
        head = data("MQTT") + bytes([level or version, flags]) + u16(60)
        props = b"\0" if version == 5 else b""
        return packet(wire.CONNECT, 0, head + props + b"".join(
            f(version) if callable(f) else f for f in fields))
    return build


def _will_props(version):
    return b"\0" if version == 5 else b""


BROKEN = [
    ("reserved_connect_flag", "3.1.2-3", "3.1.2-3", _raw(3, data("a"))),
    ("will_qos_3", "3.1.2-14", "3.1.2-12",
     _raw(2 | 4 | 24, data("a"), _will_props, data("w"), data("m"))),
    ("will_qos_without_will", "3.1.2-13 3.1.2-11", "3.1.2-11", _raw(2 | 8, data("a"))),
    ("will_retain_without_will", "3.1.2-15 3.1.2-11", "3.1.2-13", _raw(2 | 32, data("a"))),
    ("will_fields_without_will", "3.1.2-11", "3.1.4-1",
     _raw(2, data("a"), _will_props, data("w"), data("m"))),
    ("will_without_its_fields", "3.1.2-9", "3.1.2-9", _raw(2 | 4, data("a"))),
    ("will_without_its_message", "3.1.2-9", "3.1.2-9",
     _raw(2 | 4, data("a"), _will_props, data("w"))),
    ("user_name_without_its_flag", "3.1.2-18", "3.1.2-16", _raw(2, data("a"), data("u"))),
    ("user_name_missing", "3.1.2-19", "3.1.2-17", _raw(2 | 128, data("a"))),
    ("password_without_its_flag", "3.1.2-20", "3.1.2-18",
     _raw(2 | 128, data("a"), data("u"), data("p"))),
    ("password_missing", "3.1.2-21", "3.1.2-19", _raw(2 | 128 | 64, data("a"), data("u"))),
    ("client_id_missing", "3.1.3-3", "3.1.3-3", _raw(2)),
    ("client_id_cut_off", "3.1.3-3", "3.1.3-3", _raw(2, b"\0\x05ab")),
    ("client_id_not_utf8", "3.1.3-4 1.5.3-1", "3.1.3-4 1.5.4-1", _raw(2, data(b"a\xff\xfe"))),
    ("client_id_with_a_surrogate", "3.1.3-4 1.5.3-1", "3.1.3-4 1.5.4-1",
     _raw(2, data(b"a\xed\xa0\x80"))),
    ("client_id_with_u0000", "3.1.3-4 1.5.3-2", "3.1.3-4 1.5.4-2", _raw(2, data(b"a\0b"))),
    ("will_topic_not_utf8", "3.1.3-10 1.5.3-1", "3.1.3-11 1.5.4-1",
     _raw(2 | 4, data("a"), _will_props, data(b"\xc3\x28"), data("m"))),
    ("will_topic_with_u0000", "3.1.3-10 1.5.3-2", "3.1.3-11 1.5.4-2",
     _raw(2 | 4, data("a"), _will_props, data(b"w\0"), data("m"))),
    ("will_topic_with_a_wildcard", "4.7.1-1", "4.7.0-1",
     _raw(2 | 4, data("a"), _will_props, data("w/#"), data("m"))),
    ("will_topic_empty", "4.7.3-1", "4.7.3-1",
     _raw(2 | 4, data("a"), _will_props, data(""), data("m"))),
    ("user_name_not_utf8", "3.1.3-11 1.5.3-1", "3.1.3-12 1.5.4-1",
     _raw(2 | 128, data("a"), data(b"\xf8\x88\x80\x80\x80"))),
    ("user_name_with_u0000", "3.1.3-11 1.5.3-2", "3.1.3-12 1.5.4-2",
     _raw(2 | 128, data("a"), data(b"\0"))),
    ("connect_with_flags", "2.2.2-1 2.2.2-2", "2.1.3-1",
     lambda version: b"\x11" + wire.connect(version, "a")[1:]),
    ("connect_without_a_payload_or_level", "3.1.4-1", "3.1.4-1",
     lambda version: packet(wire.CONNECT, 0, data("MQTT"))),
    ("connect_of_no_bytes", "3.1.4-1", "3.1.4-1", lambda version: packet(wire.CONNECT, 0, b"")),
    ("connect_longer_than_its_fields", "3.1.4-1", "3.1.4-1",
     lambda version: wire.connect(version, "a", tail=b"zzz")),
]


def _register(name, v3, v5, build):
    @test(v3=f"{v3} 3.1.4-1 3.2.2-6", v5=f"{v5} 3.1.4-1 3.14.0-1")
    def broken(b):
        if b.deviates(name):  # the server is more tolerant than it may be
            c = b.dial()
            c.send(build(b.version))
            same(c.expect(wire.CONNACK).code, 0, "the CONNACK's code")
            return
        c = b.dial()
        c.send(build(b.version))
        code = c.refused()
        true(b.v5 or code is None, f"CONNACK {code}, where none should be")
    from suite import TESTS
    TESTS[-1].name = name


for row in BROKEN:
    _register(*row)


@test(v3="3.1.2-22", v5="-")
def password_without_a_user_name(b):
    """MQTT 5 allows it"""
    c = b.dial()
    c.send(wire.connect(b.version, b.client_id(), password=b"p"))
    if b.v5 or b.deviates("password_without_a_user_name"):
        same(c.expect(wire.CONNACK).code, 0, "the CONNACK's code")
    else:
        c.refused()


@test(v3="3.1.3-5 3.1.4-4 3.2.0-1 4.1.0-2", v5="3.1.3-5 3.1.4-5 3.2.0-1 3.2.2-1 3.2.2-8")
def plain_client_ids(b):
    """1 to 23 letters and digits are taken, and answered by CONNACK 0 before anything else"""
    letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    for name in [letters[i:i + 23] for i in range(0, 62, 23)] + ["Z", "ab"]:
        c = b.client(name)
        c.sync()
        c.disconnect()


@test(v3="1.5.3-3 4.7.3-4", v5="1.5.4-3 4.7.3-4")
def byte_order_mark_is_kept(b):
    """U+FEFF is a character of a topic, at its front, too"""
    c = b.client("\ufeff" + b.client_id())
    with_mark, without = "\ufeff" + b.topic(), b.topic()
    c.subscribe(with_mark)
    c.publish(without, b"no")
    c.publish(with_mark, b"yes")
    same([(m.topic, m.payload) for m in c.messages()], [(with_mark, b"yes")], "messages")


@test(v3="3.1.3-6", v5="3.1.3-6 3.1.3-7 3.2.2-16")
def empty_client_id(b):
    """two clients without an identifier are two clients"""
    one, two = b.dial(), b.dial()
    answers = [one.connect(""), two.connect("")]
    same([a.code for a in answers], [0, 0], "codes")
    if b.v5:
        ids = [a.props.get("assigned_client_id") for a in answers]
        true(all(ids) and ids[0] != ids[1], f"assigned client identifiers {ids}")
    b.settle(one, two)


@test(v3="3.1.3-8 3.1.3-9 3.2.2-4 3.2.2-5", v5="3.1.3-8")
def empty_client_id_that_is_to_be_kept(b):
    c = b.dial()
    if not b.v5:
        same(c.connect("", clean=False).code, 2, "the CONNACK's code")
        c.refused()
        return
    # MQTT 5 lets a server take it: an assigned identifier then, or a refusal.
    c.hello("", clean=False)
    answer = c.read()
    true(answer.code in (0, 0x85), f"{answer}")
    if answer.code == 0:
        true(answer.props.get("assigned_client_id"), "an assigned client identifier")
    else:
        c.refused()


@test(v3="3.1.4-2 3.1.3-2", v5="3.1.4-3 3.1.3-2 4.13.2-1")
def taken_over(b):
    """a second connection of a client identifier ends the first; another identifier does not"""
    name = b.client_id()
    old, other = b.client(name), b.client()
    new = b.client(name)
    code = old.refused(0x8E)
    true(not b.v5 or code == 0x8E or b.deviates("takeover_without_reason"), "DISCONNECT 8E comes")
    b.settle(new, other)


@test(v3="3.1.4-5 3.2.2-5", v5="3.1.4-6 3.2.2-7")
def nothing_after_a_refused_connect(b):
    """what came with a CONNECT that is refused has no effect"""
    topic = b.topic()
    watch = b.client()
    watch.subscribe(topic)
    for connect in (wire.connect(b.version, b.client_id(), level=9),
                    wire.connect(b.version, b.client_id(), flags=3)):
        c = b.dial()
        c.send(connect + wire.publish(b.version, topic, b"bad", retain=True))
        c.raw_rest()
    same(watch.messages(), [], "messages")
    same(b.retained(topic), [], "retained messages")


@test(v3="3.2.2-1 3.2.2-2 3.2.2-3 3.1.2-4 3.1.2-6 3.1.4-3 4.1.0-1",
      v5="3.2.2-2 3.2.2-3 3.1.2-4 3.1.2-5 3.1.2-6 3.1.2-23 3.1.4-4")
def session_present(b):
    name = b.client_id()
    expiry = [("session_expiry", 600)] if b.v5 else None

    def present(clean):
        c = b.dial()
        answer = c.connect(name, clean, props=expiry)
        same(answer.code, 0, "the CONNACK's code")
        c.disconnect()
        return answer.session_present
    same(present(clean=True), False, "session present of the first, clean")
    before = True if b.v5 else False  # MQTT 5: clean start with an expiry leaves a session
    same(present(clean=False), before, "session present of the second")
    same(present(clean=False), True, "session present of the third")
    same(present(clean=True), False, "session present of a clean one")


@test(v3="3.1.2-4 3.1.2-5 3.1.3-2 4.1.0-1 4.5.0-1", v5="3.1.2-5 3.1.2-23 3.1.3-2 4.5.0-1")
def session_keeps_subscriptions_and_messages(b):
    name, topic = b.client_id(), b.topic()
    c = b.session(name, clean=True) if b.v5 else b.session(name)
    c.subscribe((topic, 1))
    c.disconnect()
    sender = b.client()
    sender.publish(topic, b"one", qos=1)
    sender.publish(topic, b"two", qos=1)
    c = b.session(name)
    same([c.message().payload for _ in "12"], [b"one", b"two"], "what waited")
    sender.publish(topic, b"three", qos=1)
    same([m.payload for m in c.messages()], [b"three"], "the subscription still works")


@test(v3="3.1.2-6 3.1.4-3", v5="3.1.2-4 3.1.4-4 4.1.0-2")
def clean_session_forgets(b):
    name, topic = b.client_id(), b.topic()
    c = b.session(name)
    c.subscribe((topic, 1))
    c.disconnect()
    sender = b.client()
    sender.publish(topic, b"one", qos=1)
    c = b.client(name)  # clean, and in MQTT 5 without an expiry
    sender.publish(topic, b"two", qos=1)
    same(c.messages(), [], "messages after a clean start")
    c.subscribe((topic, 1))
    c.disconnect()
    c = b.dial()
    same(c.connect(name, clean=False).session_present, False, "session present")
    sender.publish(topic, b"three", qos=1)
    same(c.messages(), [], "messages: a clean session leaves nothing")


@test(v3="-", v5="-")
def session_of_the_other_version(b):
    """the specifications do not speak of it"""
    name, other = b.client_id(), 4 if b.v5 else 5
    if b.server.speaks(other):
        b.session(name).disconnect()
        present = b.dial(other).connect(name, clean=False).session_present
        same(present, not b.deviates("sessions_end_with_their_version"), "session present")


@test(v3="3.1.2-7", v5="3.1.2-4")
def retained_messages_outlive_sessions(b):
    topic = b.topic()
    c = b.client()
    c.publish(topic, b"kept", qos=1, retain=True)
    c.disconnect()
    same([m.payload for m in b.retained(topic)], [b"kept"], "retained messages")


@test(v3="3.1.3-1 3.1.2-19 3.1.2-21 3.1.2-9", v5="3.1.3-1 3.1.2-17 3.1.2-19 3.1.2-9")
def all_fields_in_their_order(b):
    """a CONNECT with everything: the will arrives, so each field was found where it belongs"""
    topic = b.topic()
    watch = b.client()
    watch.subscribe((topic, 1))
    will = (topic, b"last", 1, False, [("content_type", "w")])
    c = b.client(will=will, user="user", password=b"\x00\xffpass")
    c.drop()
    m = watch.message()
    same((m.payload, m.qos, m.retain), (b"last", 1, False), "the will")


@test(v3="3.12.4-1", v5="3.12.4-1")
def ping_is_answered(b):
    c = b.client()
    c.send(wire.PING * 20)
    for _ in range(20):
        same(c.read().kind, wire.PINGRESP, "the answer")


@test(v3="3.1.2-24", v5="3.1.2-22 3.2.2-22")
def keep_alive(b):
    """one and a half seconds in silence end the connection, and the will is published; a client
    that pings stays"""
    topic = b.topic()
    watch = b.client(keep_alive=0)
    watch.subscribe(topic)
    c = b.client(keep_alive=1, will=(topic, b"gone", 0, False))
    if b.v5:
        same(c.connack.props.get("server_keep_alive", 1), 1, "Server Keep Alive")
    same(watch.message().payload, b"gone", "the will")
    c.refused(0x8D)


@test(v5="3.2.2-9 3.2.2-8")
def what_the_server_offers(b):
    """MQTT 5: a server without QoS 2 says so"""
    c = b.client()
    props = c.connack.props
    if b.v5 and b.deviates("no_qos2"):
        same(props.get("maximum_qos"), 1, "Maximum QoS")
    elif b.v5:
        true("maximum_qos" not in props, "no Maximum QoS with QoS 2")
    true(props.get("receive_maximum", 1) > 0, "a Receive Maximum")
    true(props.get("maximum_packet", 1) > 0, "a Maximum Packet Size")


@test(v5="4.12.0-1 4.12.0-6 3.1.4-2 3.2.2-6")
def authentication_method(b):
    """an unknown method is refused; a client without one is told of none"""
    c = b.dial()
    c.hello(b.client_id(), props=[("auth_method", "SCRAM-SHA-1"), ("auth_data", b"n,,n=u")])
    code = c.refused(0x8C, 0x87)
    true(code in (None, 0x8C, 0x87), f"CONNACK {code}")
    c = b.client()
    true("auth_method" not in c.connack.props, "no authentication method")


@test(v5="3.15.1-1 4.13.1-1")
def auth_out_of_place(b):
    for raw in (packet(wire.AUTH, 1, b""), packet(wire.AUTH, 0, b"\x19\0"),
                packet(wire.AUTH, 0, b"")):
        c = b.client()
        c.send(raw)
        c.refused(0x81, 0x82, 0x8C)


@test(v5="3.1.2-28")
def response_information(b):
    for props in ([("request_response", 0)], None):
        c = b.client(props=props)
        true("response_information" not in c.connack.props, "no response information")


# CONNECT properties that break the format.
BAD_PROPERTIES = [
    ("receive_maximum_0", properties([("receive_maximum", 0)])),
    ("maximum_packet_0", properties([("maximum_packet", 0)])),
    ("request_problem_2", properties([("request_problem", 2)])),
    ("request_response_2", properties([("request_response", 2)])),
    ("property_twice", properties([("session_expiry", 1), ("session_expiry", 1)])),
    ("property_of_publish", properties([("topic_alias", 1)])),
    ("property_unknown", b"\x02\x7f\0"),
    ("property_cut_off", b"\x03\x11\0\0"),
    ("property_length_too_long", b"\x7f"),
    ("auth_data_without_a_method", properties([("auth_data", b"x")])),
    ("user_property_not_utf8", properties([("user", (b"\xff", b"v"))])),
    ("user_property_with_half_a_pair", b"\x04\x26\0\x01a"),
]


def _register_property(name, raw):
    statements = "3.1.4-1 4.13.1-1" + (" 1.5.7-1" if name.startswith("user_") else "")

    @test(v5=statements)
    def bad(b):
        c = b.dial()
        c.send(wire.connect(5, b.client_id(), props=raw))
        if b.deviates(f"connect_{name}"):
            same(c.expect(wire.CONNACK).code, 0, "the CONNACK's code")
        else:
            c.refused(0x81, 0x82)
    from suite import TESTS
    TESTS[-1].name = f"connect_{name}"


for row in BAD_PROPERTIES:
    _register_property(*row)


@test(v5="1.5.7-1 3.1.4-5")
def connect_with_every_property(b):
    """all that a client may say, user properties twice"""
    c = b.client(props=[("session_expiry", 30), ("receive_maximum", 10), ("maximum_packet", 5000),
                        ("topic_alias_maximum", 4), ("request_response", 1),
                        ("request_problem", 1), ("user", ("a", "1")), ("user", ("a", "1"))])
    c.sync()
