# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""PUBLISH, its acknowledgements, QoS 0 to 2, sending again."""
import wire
from suite import Closed, same, test, true


def broken(b, raw, *codes):
    """The packet ends the connection of a client that was well connected."""
    c = b.client()
    c.send(raw)
    c.refused(*(codes or (0x81, 0x82)))


@test(v3="3.3.1-4 4.8.0-1", v5="3.3.1-4 4.13.1-1")
def qos_3(b):
    broken(b, wire.publish(b.version, b.topic(), b"x", qos=3, packet_id=1))


@test(v3="3.3.1-2", v5="3.3.1-2")
def dup_with_qos_0(b):
    raw = wire.publish(b.version, b.topic(), b"x", dup=True)
    if b.deviates("dup_with_qos_0_is_taken"):
        c = b.client()
        c.send(raw)
        c.sync()
    else:
        broken(b, raw)


@test(v3="2.3.1-1", v5="2.2.1-3 4.13.1-1")
def packet_identifier_0(b):
    for raw in (wire.publish(b.version, b.topic(), b"x", qos=1, packet_id=0),
                wire.subscribe(b.version, 0, [(b.topic(), 0)]),
                wire.unsubscribe(b.version, 0, [b.topic()])):
        broken(b, raw)


@test(v3="3.3.2-1 1.5.3-1 1.5.3-2 4.7.3-2", v5="3.3.2-1 1.5.4-1 1.5.4-2 4.7.3-2")
def topic_not_utf8(b):
    """ill-formed UTF-8 of every kind, surrogates, U+0000"""
    for topic in (b"t/\xff", b"t/\xc0\xaf", b"t/\xe0\x80\xaf", b"t/\xed\xa0\x80", b"t/\xf4\x90\x80\x80",
                  b"t/\xe2\x82", b"t/\x80", b"t/\0", b"\0"):
        broken(b, wire.publish(b.version, topic, b"x"), 0x81, 0x82, 0x90, 0x99)


@test(v3="3.3.2-2 4.7.1-1", v5="3.3.2-2 4.7.0-1")
def wildcards_in_a_topic(b):
    for topic in ("#", "+", b.topic("#"), b.topic("+"), b.topic("a+"), b.topic("#a")):
        for qos in (0, 1):
            broken_or_refused(b, topic, qos)


def broken_or_refused(b, topic, qos):
    """Closed, or (MQTT 5, QoS 1) refused with PUBACK 90."""
    c = b.client()
    c.send(wire.publish(b.version, topic, b"x", qos, packet_id=7 if qos else None))
    if b.v5 and qos and b.deviates("puback_says_90"):
        same(c.expect(wire.PUBACK).code, 0x90, "the PUBACK's code")
    else:
        c.refused(0x81, 0x82, 0x90)


@test(v3="4.7.3-1", v5="4.7.3-1")
def empty_topic(b):
    """(in MQTT 5 without an alias)"""
    broken(b, wire.publish(b.version, "", b"x"), 0x81, 0x82, 0x90)


@test(v3="4.8.0-1", v5="4.13.1-1")
def truncated_packets(b):
    """a packet whose fields do not fit into its length"""
    for body in (b"", b"\0", b"\0\x05ab"):
        broken(b, wire.packet(wire.PUBLISH, 0, body))
    broken(b, wire.packet(wire.PUBLISH, 2, b"\0\x01a\0"))
    broken(b, wire.packet(wire.PUBACK, 0, b"\0"))


@test(v3="4.8.0-1", v5="1.5.5-1 4.13.1-1")
def remaining_length_of_five_bytes(b):
    broken(b, b"\x30\xff\xff\xff\xff\x01")


# Fixed headers whose reserved bits are wrong: kind, the right flags, the rest.
RESERVED = [
    (wire.PUBACK, 0, b"\0\x01", "2.2.2-1 2.2.2-2", "2.1.3-1"),
    (wire.PUBREC, 0, b"\0\x01", "2.2.2-1 2.2.2-2", "2.1.3-1"),
    (wire.PUBREL, 2, b"\0\x01", "3.6.1-1 2.2.2-2", "3.6.1-1 2.1.3-1"),
    (wire.PUBCOMP, 0, b"\0\x01", "2.2.2-1 2.2.2-2", "2.1.3-1"),
    (wire.SUBSCRIBE, 2, b"\0\x01{}\0\x01a\0", "3.8.1-1 2.2.2-2", "3.8.1-1 2.1.3-1"),
    (wire.UNSUBSCRIBE, 2, b"\0\x01{}\0\x01a", "3.10.1-1 2.2.2-2", "3.10.1-1 2.1.3-1"),
    (wire.PINGREQ, 0, b"", "2.2.2-1 2.2.2-2", "2.1.3-1"),
    (wire.DISCONNECT, 0, b"", "3.14.1-1 2.2.2-2", "3.14.1-1 2.1.3-1"),
]


def _register(kind, right, body, v3, v5):
    name = f"flags_of_{wire.NAMES[kind].lower()}"

    @test(v3=v3, v5=v5)
    def flags(b):
        for wrong in range(16):
            if wrong == right:
                continue
            raw = body.replace(b"{}", b"\0" if b.v5 else b"")
            c = b.client()
            c.send(wire.packet(kind, wrong, raw))
            if b.deviates(name):
                c.alive()
            else:
                c.refused(0x81, 0x82)
    from suite import TESTS
    TESTS[-1].name = name


for row in RESERVED:
    _register(*row)


@test(v3="4.8.0-1", v5="4.13.1-1")
def packets_only_servers_send(b):
    for raw in (wire.packet(wire.CONNACK, 0, b"\0\0" + (b"\0" if b.v5 else b"")),
                wire.packet(wire.SUBACK, 0, b"\0\x01" + (b"\0" if b.v5 else b"") + b"\0"),
                wire.packet(wire.UNSUBACK, 0, b"\0\x01" + (b"\0\0" if b.v5 else b"")),
                wire.packet(wire.PINGRESP, 0, b""), wire.packet(0, 0, b"")):
        if b.deviates("packets_only_servers_send_are_ignored") and raw[0] >> 4 not in (0, 2):
            c = b.client()
            c.send(raw)
            c.alive()
        else:
            broken(b, raw)
    if not b.v5:
        broken(b, wire.packet(15, 0, b""))


@test(v3="2.3.1-5 4.3.1-1 4.5.0-1", v5="2.2.1-2 2.2.2-1 4.3.1-1 4.5.0-1")
def qos_0(b):
    """arrives as it was sent, with QoS 0 and DUP 0, once, without an identifier"""
    topic = b.topic()
    c, sender = b.client(), b.client()
    c.subscribe((topic, 1))
    payloads = [b"", b"\0\x01", bytes(range(256)), b"x" * 100_000]
    for payload in payloads:
        sender.publish(topic, payload)
    found = [(m.topic, m.payload, m.qos, m.retain, m.props) for m in c.messages()]
    same(found, [(topic, p, 0, False, {}) for p in payloads], "messages")


@test(v3="3.3.4-1 4.3.2-2 2.3.1-6 4.6.0-2", v5="3.3.4-1 4.3.2-4 2.2.1-5 3.4.2-1")
def qos_1_is_acknowledged(b):
    """PUBACKs with the identifiers of their PUBLISH packets, in their order"""
    c = b.client()
    numbers = [5, 1, 65535, 300, 2]
    c.send(b"".join(wire.publish(b.version, b.topic(), b"x", 1, packet_id=n) for n in numbers))
    found = [c.expect(wire.PUBACK) for _ in numbers]
    same([p.id for p in found], numbers, "identifiers")
    true(all(p.code in (0, 0x10) for p in found), f"codes {found}")


@test(v3="4.3.2-2 3.3.1-3", v5="4.3.2-5 3.3.1-3")
def an_identifier_is_free_after_puback(b):
    """the same identifier again, even with DUP, is another message"""
    topic = b.topic()
    c, sender = b.client(), b.client()
    c.subscribe((topic, 1))
    sender.publish(topic, b"one", qos=1, packet_id=9)
    sender.publish(topic, b"two", qos=1, packet_id=9, dup=True)
    found = [(m.payload, m.dup) for m in c.messages()]
    same(found, [(b"one", False), (b"two", False)], "messages")


@test(v3="2.3.1-4 4.3.2-1", v5="2.2.1-4 4.3.2-1 4.3.2-2 4.3.2-3")
def the_servers_identifiers(b):
    """20 messages that are not acknowledged have 20 identifiers, none 0, DUP 0; once acknowledged,
    the next come"""
    topic = b.topic()
    c, sender = b.client(), b.client()
    c.subscribe((topic, 1))
    for i in range(20):
        sender.publish(topic, b"%d" % i, qos=1)
    found = c.messages(acknowledge=False)
    same([m.payload for m in found], [b"%d" % i for i in range(20)], "messages")
    same(len({m.id for m in found}), 20, "different identifiers")
    true(all(m.id and not m.dup for m in found), "no identifier 0, no DUP")
    for m in found:
        c.acknowledge(m)
    sender.publish(topic, b"next", qos=1)
    same([m.payload for m in c.messages()], [b"next"], "messages after that")


@test(v3="4.8.0-1", v5="4.13.1-1")
def puback_of_nothing(b):
    """an acknowledgement that nobody waits for: ignored or closed, but the server goes on"""
    c = b.client()
    c.send(wire.acknowledge(wire.PUBACK, 77))
    try:
        c.sync()
    except Closed:
        true(b.deviates("puback_of_nothing_closes"), "the connection lives")
    b.client().sync()


@test(v3="3.3.1-1 4.4.0-1 4.6.0-1 4.3.2-1", v5="3.3.1-1 4.4.0-1 4.3.2-3 2.2.1-5")
def sent_again_when_resumed(b):
    """what is not acknowledged comes again in order, DUP 1, the same identifiers; then what is new"""
    topic, name = b.topic(), b.client_id()
    c, sender = b.session(name), b.client()
    c.subscribe((topic, 1))
    for i in range(5):
        sender.publish(topic, b"%d" % i, qos=1)
    first = c.messages(acknowledge=False)
    c.acknowledge(first[2])
    c.sync()
    c.drop()
    sender.publish(topic, b"new", qos=1)
    c = b.session(name)
    again = [c.message() for _ in range(5)]
    kept = [m for m in first if m is not first[2]]
    same([m.payload for m in again], [m.payload for m in kept] + [b"new"], "what comes again")
    dup = not b.deviates("dup_is_never_set")
    same([m.dup for m in again], [dup] * 4 + [False], "DUP")
    if not b.deviates("sent_again_with_other_identifiers"):
        same([m.id for m in again[:4]], [m.id for m in kept], "identifiers")
    same(c.messages(), [], "nothing more")


@test(v5="4.4.0-1")
def nothing_is_sent_again_while_connected(b):
    """not at once, that is: nobody waits here for the 30 s of AWS"""
    b.deviates("sent_again_after_30_s")
    topic = b.topic()
    c, sender = b.client(), b.client()
    c.subscribe((topic, 1))
    sender.publish(topic, b"x", qos=1)
    same(len(c.messages(acknowledge=False)), 1, "messages")
    for _ in range(20):
        same(c.messages(), [], "messages again")


@test(v3="4.6.0-5 4.6.0-6", v5="4.6.0-5 4.6.0-6")
def order(b):
    """300 messages of two clients, QoS 0 and 1 in turns: each keeps its order within a QoS"""
    topic = b.topic()
    c = b.client()
    c.subscribe((topic, 1))
    senders, found = [b.client(), b.client()], []
    for i in range(150):
        for n, sender in enumerate(senders):
            qos = i % 2
            sender.send(wire.publish(b.version, topic, b"%d %d" % (n, i), qos,
                                     packet_id=i + 1 if qos else None))
        if i % 10 == 9:
            found += c.messages()
    for sender in senders:
        for _ in range(75):
            sender.expect(wire.PUBACK)
        sender.sync()
    found += c.messages()
    for n in (0, 1):
        for qos in (0, 1):
            got = [int(m.payload.split()[1]) for m in found
                   if m.payload.split()[0] == b"%d" % n and m.qos == qos]
            same(got, list(range(qos, 150, 2)), f"messages of sender {n} with QoS {qos}")


@test(v3="3.3.4-1 4.3.3-2 2.3.1-6 4.6.0-3",
      v5="3.3.4-1 4.3.3-8 4.3.3-10 4.3.3-11 4.3.3-12 2.2.1-5 3.5.2-1 3.7.2-1")
def qos_2_from_a_client(b):
    """PUBREC, PUBREL, PUBCOMP; the PUBLISH again before PUBREL is no second message, after PUBCOMP
    it is one"""
    topic = b.topic()
    c, sender = b.client(), b.client()
    c.subscribe((topic, 1))
    if b.deviates("no_qos2"):
        sender.send(wire.publish(b.version, topic, b"x", 2, packet_id=3))
        if b.v5:
            sender.refused(0x9B)
        else:
            sender.sync()  # no PUBREC
        same(c.messages(), [], "messages")
        return
    for n in (3, 4):
        sender.send(wire.publish(b.version, topic, b"%d" % n, 2, packet_id=n))
    same([sender.expect(wire.PUBREC).id for _ in "34"], [3, 4], "PUBRECs")
    sender.send(wire.publish(b.version, topic, b"3", 2, packet_id=3, dup=True))
    same(sender.expect(wire.PUBREC).id, 3, "the PUBREC again")
    for n in (3, 4):
        sender.send(wire.acknowledge(wire.PUBREL, n))
        same(sender.expect(wire.PUBCOMP).id, n, "the PUBCOMP")
    sender.publish(topic, b"3 again", qos=2, packet_id=3)
    same([m.payload for m in c.messages()], [b"3", b"4", b"3 again"], "messages")


@test(v3="4.3.3-1 4.4.0-1 4.6.0-4 2.3.1-6",
      v5="4.3.3-1 4.3.3-2 4.3.3-3 4.3.3-4 4.3.3-5 4.3.3-6 4.4.0-1 2.2.1-5 3.6.2-1")
def qos_2_to_a_client(b):
    """each half of it is taken up again when the session is resumed"""
    topic, name = b.topic(), b.client_id()
    if b.deviates("no_qos2"):
        c = b.client()
        c.send(wire.subscribe(b.version, 1, [(topic, 2)]))
        c.refused(0x9B)
        return
    c, sender = b.session(name), b.client()
    c.subscribe((topic, 2))
    sender.publish(topic, b"x", qos=2)
    first = c.message(acknowledge=False)
    same((first.qos, first.dup), (2, False), "QoS and DUP")
    c.drop()
    c = b.session(name)  # before PUBREC: the PUBLISH again
    again = c.message(acknowledge=False)
    same((again.id, again.dup, again.payload), (first.id, True, b"x"), "the PUBLISH again")
    c.send(wire.acknowledge(wire.PUBREC, again.id))
    same(c.expect(wire.PUBREL).id, again.id, "the PUBREL")
    c.drop()
    c = b.session(name)  # before PUBCOMP: the PUBREL again, not the PUBLISH
    same(c.read().kind, wire.PUBREL, "what comes again")
    c.send(wire.acknowledge(wire.PUBCOMP, again.id))
    sender.publish(topic, b"y", qos=2)
    same([m.payload for m in c.messages()], [b"y"], "messages after that")


@test(v5="4.4.0-2 4.8.2-6 3.4.2-1")
def a_puback_that_refuses(b):
    """counts as an answer: the message does not come again when the session is resumed"""
    topic, name = b.topic(), b.client_id()
    c, sender = b.session(name), b.client()
    c.subscribe((topic, 1))
    sender.publish(topic, b"x", qos=1)
    m = c.message(acknowledge=False)
    c.send(wire.acknowledge(wire.PUBACK, m.id, 0x80))
    c.sync()
    c.drop()
    c = b.session(name)
    same(c.messages(), [], "messages")


@test(v3="2.3.1-7 3.14.4-3", v5="3.14.2-1 3.14.4-1 3.14.4-2 3.14.2-2")
def disconnect(b):
    """the server closes, and says nothing more"""
    c = b.client()
    c.disconnect()
    if b.v5:
        b.client().disconnect(0)
        b.client().disconnect(0, [("reason_string", "done"), ("user", ("a", "b"))])


@test(v5="3.14.1-1 4.13.1-1 4.13.2-1")
def disconnect_that_is_malformed(b):
    broken(b, wire.packet(wire.DISCONNECT, 0, b"\0\x05\x11"))
    # A session that was to end with its connection cannot be given an expiry when it ends.
    c = b.client()
    c.send(wire.disconnect(5, 0, [("session_expiry", 100)]))
    code = c.refused(0x82)
    true(code in (None, 0x82), f"DISCONNECT {code}")
