# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""Will messages."""
from suite import same, test


def watcher(b, topic):
    watch = b.client()
    watch.subscribe((topic, 1))
    return watch


@test(v3="3.1.2-8 3.1.2-10 3.1.2-16 3.1.2-12", v5="3.1.2-7 3.1.2-8 3.1.2-10 3.1.2-14")
def will_when_the_transport_breaks(b):
    """once, not retained, with its QoS; a client without a will leaves in silence"""
    topic = b.topic()
    watch = watcher(b, topic)
    name = b.client_id()
    b.client(name, will=(topic, b"gone", 1, False)).drop()
    m = watch.message()
    same((m.topic, m.payload, m.qos, m.retain), (topic, b"gone", 1, False), "the will")
    b.client(name).drop()  # the same client, without a will now
    same(watch.messages(), [], "messages after the will")
    same(b.retained(topic), [], "retained messages")


@test(v3="3.1.2-17", v5="3.1.2-15")
def will_that_is_retained(b):
    topic = b.topic()
    watch = watcher(b, topic)
    b.client(will=(topic, b"gone", 1, True)).drop()
    m = watch.message()
    same((m.payload, m.retain), (b"gone", False), "the will")
    same([(m.payload, m.retain) for m in b.retained(topic)], [(b"gone", True)], "retained")


@test(v3="3.14.4-3 3.1.2-10", v5="3.14.4-3 3.1.2-10")
def no_will_after_disconnect(b):
    topic = b.topic()
    watch = watcher(b, topic)
    b.client(will=(topic, b"gone", 1, True)).disconnect()
    same(watch.messages(), [], "messages")
    same(b.retained(topic), [], "retained messages")


@test(v3="3.1.2-8", v5="3.1.2-8")
def will_after_a_violation(b):
    topic = b.topic()
    watch = watcher(b, topic)
    c = b.client(will=(topic, b"gone", 0, False))
    c.send(b"\xf1\0")
    c.refused(0x81, 0x82)
    same(watch.message().payload, b"gone", "the will")


@test(v3="3.1.4-2 3.1.2-8", v5="3.1.4-3 3.1.2-8")
def will_when_taken_over(b):
    topic = b.topic()
    watch = watcher(b, topic)
    name = b.client_id()
    old = b.client(name, will=(topic, b"gone", 1, False))
    new = b.client(name)
    old.refused(0x8E)
    b.settle(new)
    if b.deviates("no_will_when_taken_over"):
        same(watch.messages(), [], "messages")
    else:
        same(watch.message().payload, b"gone", "the will")


@test(v5="3.1.2-8 3.14.2-1")
def will_on_request(b):
    """DISCONNECT 04: the client leaves in order and wants its will published"""
    topic = b.topic()
    watch = watcher(b, topic)
    b.client(will=(topic, b"gone", 1, False)).disconnect(0x04)
    same(watch.message().payload, b"gone", "the will")


@test(v5="3.1.3-9")
def no_will_when_the_client_is_back_in_time(b):
    topic, name = b.topic(), b.client_id()
    watch = watcher(b, topic)
    will = (topic, b"gone", 1, False, [("will_delay", 300)])
    b.session(name, will=will).drop()
    c = b.session(name)
    b.settle(c)
    c.disconnect()
    same(watch.messages(), [], "messages")


@test(v5="3.1.2-8 4.1.0-2")
def will_when_the_session_ends_before_its_delay(b):
    """and then the session is gone"""
    topic, name = b.topic(), b.client_id()
    watch = watcher(b, topic)
    will = (topic, b"gone", 1, False, [("will_delay", 300)])
    b.session(name, expiry=1, will=will).drop()
    same(watch.message().payload, b"gone", "the will")
    c = b.dial()
    same(c.connect(name, clean=False).session_present, False, "session present")


@test(v5="3.1.2-8")
def will_when_a_clean_start_ends_the_session(b):
    topic, name = b.topic(), b.client_id()
    watch = watcher(b, topic)
    will = (topic, b"gone", 1, False, [("will_delay", 300)])
    b.session(name, will=will).drop()
    b.client(name, clean=True)
    if b.deviates("no_will_when_a_clean_start_ends_the_session"):
        same(watch.messages(), [], "messages")
    else:
        same(watch.message().payload, b"gone", "the will")


@test(v5="3.1.3-10 3.3.2-4 3.3.2-15 3.3.2-16 3.3.2-20")
def will_with_properties(b):
    topic = b.topic()
    watch = watcher(b, topic)
    user = [("b", "1"), ("a", "2"), ("b", "1")]
    b.client(will=(topic, b"gone", 1, False, [
        ("payload_format", 1), ("content_type", "text/plain"), ("response_topic", "r/t"),
        ("correlation_data", b"\0\xff"), *(("user", pair) for pair in user)])).drop()
    m = watch.message()
    same(m.props, {"payload_format": 1, "content_type": "text/plain", "response_topic": "r/t",
                   "correlation_data": b"\0\xff", "user": user}, "the will's properties")
