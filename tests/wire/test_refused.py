#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""Whom the desk turns away, what the client sees of it (what AWS would show: mostly nothing, a
closed connection), and what the log says (which AWS would not). Every refusal stands beside the
same thing done right, so that a desk that refuses everything fails here too."""
import re
import ssl

import mqtt
from desk import Device, case, check, main, need

CONNECT_AS_SELF = "client/${iot:Connection.Thing.ThingName}"


def standard_policy(desk, name="standard"):
    return desk.make_policy(
        name,
        ("iot:Connect", desk.arn(CONNECT_AS_SELF)),
        ("iot:Publish", [desk.arn("topic/room/*"), desk.arn("topic/deaf/*")]),
        ("iot:Subscribe", [desk.arn("topicfilter/room/*"), desk.arn("topicfilter/deaf/*")]),
        ("iot:Receive", desk.arn("topic/room/*")))


def works(desk, device):
    """The counterpart of every refusal: this device can connect, subscribe and publish."""
    with mqtt.client_of(desk, device) as c:
        good = c.connect(device.name) == (0, False) and c.subscribe(("room/#", 1)) == [1]
        c.publish("room/door", b"open", qos=1)
        good = good and c.message() == ("room/door", b"open", 1, False, False)
        c.disconnect()
    return check(good, f"{device.name} connects, subscribes, publishes and receives")


def refused_at_connect(desk, device, code, client_id=None):
    """The TCP connection and TLS are fine; CONNECT is answered by nothing but the end."""
    since = desk.log_mark()
    try:
        with mqtt.client_of(desk, device) as c:
            answer = c.connect(client_id or device.name)
        check(False, f"{device.name} is turned away", answer)
    except mqtt.Closed:
        check(True, f"{device.name} is turned away without a CONNACK")
    record = desk.expect_record(code, since, code=code, status="Failure", eventType="Connect",
                                protocol="MQTT", clientId=client_id or device.name)
    check(all(record.get(k) for k in ("cause", "cure", "sourceIp", "sourcePort")),
          "with cause, cure and address", record)
    return record


def mosquitto_refused(desk, device, code, client_id=None):
    since = desk.log_mark()
    sent = desk.pub(device, "room/door", "open", "-q", "1", client_id=client_id)
    check(sent.code != 0, f"mosquitto_pub as {client_id or device.name} ends with {sent.code}",
          sent.out)
    desk.expect_record(code, since, code=code, eventType="Connect")


@case
def certificates(scene):
    """the certificate's status decides whether it may connect at all"""
    desk = scene.desk()
    policy = standard_policy(desk)
    good = desk.make_device("good", policy)
    inactive = desk.make_device("inactive", policy, status="INACTIVE")
    revoked = desk.make_device("revoked", policy, status="REVOKED")
    cert, key = scene.make_self_signed("stranger")
    stranger = Device("stranger", cert, key, "", "")
    works(desk, good)
    refused_at_connect(desk, inactive, "E-CERT-INACTIVE")
    mosquitto_refused(desk, inactive, "E-CERT-INACTIVE")
    refused_at_connect(desk, revoked, "E-CERT-REVOKED")
    mosquitto_refused(desk, revoked, "E-CERT-REVOKED")
    refused_at_connect(desk, stranger, "E-CERT-UNKNOWN")
    mosquitto_refused(desk, stranger, "E-CERT-UNKNOWN")
    desk.must("PUT", f"/certificates/{inactive.id}?newStatus=ACTIVE")
    works(desk, inactive)
    works(desk, good)


@case
def allowed(scene):
    """with --log-level debug the log tells which statement allowed, too"""
    desk = scene.desk("--log-level", "debug")
    device = desk.make_device("kitchen", standard_policy(desk))
    works(desk, device)
    for event, words in (("Connect", "iot:Connect on client/kitchen in statement 1"),
                         ("Subscribe", "iot:Subscribe on topicfilter/room/# in statement 3"),
                         ("Publish-In", "iot:Publish on topic/room/door in statement 2")):
        desk.expect_record(event, eventType=event, status="Success",
                           details=re.compile(f"^policy standard v1 allows {words}"))
    desk.stop()
    desk = scene.desk(data=scene.path("quiet"))
    works(desk, desk.make_device("kitchen", standard_policy(desk)))
    desk.stop()
    check(desk.wait_record(0, 0, eventType="Connect", details=re.compile("allows")) is None,
          "otherwise not: it takes time")


@case
def no_certificate(scene):
    """without a client certificate TLS itself ends the connection"""
    desk = scene.desk()
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        since = desk.log_mark()
        try:
            context = mqtt.tls_context(desk.ca, maximum=version)
            with mqtt.Client(desk.host, desk.mqtts_port, context) as c:
                answer = c.connect("nobody")
            check(False, f"nobody is turned away with {version.name}", answer)
        except (ssl.SSLError, mqtt.Closed, ConnectionError) as error:
            check(True, f"nobody is turned away with {version.name}: {error}")
        desk.expect_record("E-CERT-MISSING", since, code="E-CERT-MISSING", status="Failure",
                           protocol="TLS")
    since = desk.log_mark()
    result = scene.run("mosquitto_pub", "-h", desk.host, "-p", str(desk.mqtts_port), "--cafile",
                       desk.ca, "-i", "nobody", "-t", "room/door", "-m", "open", "-q", "1")
    check(result.code != 0, f"mosquitto_pub without a certificate ends with {result.code}")
    desk.expect_record("E-CERT-MISSING", since, code="E-CERT-MISSING")


@case
def wrong_key(scene):
    """a certificate alone proves nothing: who has not its key does not get in"""
    desk = scene.desk()
    good = desk.make_device("good", standard_policy(desk))
    other = scene.make_key("other")
    sent = desk.pub(good._replace(key=other), "room/door", "open", "-q", "1")
    check(sent.code != 0, f"mosquitto_pub with another key ends with {sent.code}", sent.err)
    works(desk, good)


@case
def client_ids(scene):
    """iot:Connect binds a certificate to its thing's name"""
    desk = scene.desk()
    policy = standard_policy(desk)
    a, b = desk.make_device("a", policy), desk.make_device("b", policy)
    unattached = desk.make_device("unattached", policy, thing=False)
    works(desk, a)
    record = refused_at_connect(desk, a, "E-POLICY-CONNECT", client_id="b")
    check("standard" in record.get("details", ""), "the record names the policy", record)
    refused_at_connect(desk, a, "E-POLICY-CONNECT", client_id="nobody")
    refused_at_connect(desk, unattached, "E-POLICY-CONNECT")
    mosquitto_refused(desk, a, "E-POLICY-CONNECT", client_id="b")
    works(desk, b)


@case
def no_policy(scene):
    """a certificate without a policy"""
    desk = scene.desk()
    policy = standard_policy(desk)
    bare = desk.make_device("bare")
    refused_at_connect(desk, bare, "E-NO-POLICY")
    desk.must("PUT", f"/target-policies/{policy}", {"target": bare.arn})
    works(desk, bare)
    desk.must("POST", f"/target-policies/{policy}", {"target": bare.arn})
    refused_at_connect(desk, bare, "E-NO-POLICY")


@case
def publishing(scene):
    """a topic that the policy does not have ends the connection"""
    desk = scene.desk()
    policy = standard_policy(desk)
    good, watcher = desk.make_device("good", policy), desk.make_device("watcher", policy)
    with mqtt.client_of(desk, watcher) as w:
        w.connect("watcher")
        w.subscribe(("room/#", 1))
        for qos in (0, 1):
            since = desk.log_mark()
            with mqtt.client_of(desk, good) as c:
                c.connect("good")
                try:
                    c.publish("roof/door", b"open", qos=qos)
                except mqtt.Closed:
                    pass
                packets = c.wait_closed()
            check(packets == [], f"QoS {qos} to a foreign topic: closed, no PUBACK", packets)
            record = desk.expect_record("E-POLICY-PUBLISH", since, code="E-POLICY-PUBLISH",
                                        eventType="Publish-In", clientId="good",
                                        topicName="roof/door", status="Failure")
            check("topic/room/" in record.get("details", ""), "and says what is allowed", record)
        since = desk.log_mark()
        with mqtt.client_of(desk, good) as c:  # iot:Publish is there, iot:RetainPublish is not
            c.connect("good")
            try:
                c.publish("room/door", b"kept", qos=1, retain=True)
                check(False, "retained without iot:RetainPublish is refused")
            except mqtt.Closed:
                check(True, "retained without iot:RetainPublish is refused")
        desk.expect_record("E-POLICY-PUBLISH", since, code="E-POLICY-PUBLISH",
                           eventType="Publish-In", clientId="good", topicName="room/door")
        with mqtt.client_of(desk, good) as c:
            c.connect("good")
            c.publish("room/door", b"last", qos=1)
        check(w.message()[:2] == ("room/door", b"last"),
              "the watcher has got what was allowed, and nothing that was not")
    mosquitto = desk.pub(good, "roof/door", "open", "-q", "1")
    check(mosquitto.code != 0, f"mosquitto_pub to a foreign topic ends with {mosquitto.code}")


@case
def subscribing(scene):
    """a filter that the policy does not have ends the connection"""
    desk = scene.desk()
    policy = standard_policy(desk)
    good, stubborn = desk.make_device("good", policy), desk.make_device("stubborn", policy)
    for wish in ("#", "roof/#", "roof/door", "+/door"):
        since = desk.log_mark()
        with mqtt.client_of(desk, good) as c:
            c.connect("good")
            try:
                answer = c.subscribe((wish, 0))
            except mqtt.Closed:
                answer = "closed"
        check(answer == "closed", f"SUBSCRIBE {wish}: closed, no SUBACK", answer)
        # The Disconnect that follows has the same code, and may be read after the next mark.
        record = desk.expect_record("E-POLICY-SUBSCRIBE", since, code="E-POLICY-SUBSCRIBE",
                                    eventType="Subscribe", clientId="good", status="Failure")
        check("topicfilter/" in record.get("details", ""), "and says what is allowed", record)
    since = desk.log_mark()
    sub = desk.sub(stubborn, "roof/#", ready=False)
    desk.expect_record("E-POLICY-SUBSCRIBE", since, code="E-POLICY-SUBSCRIBE",
                       eventType="Subscribe", clientId="stubborn")
    sub.kill()  # while it waits to connect again, mosquitto_sub does not hear a SIGTERM
    check(not sub.matching("^Subscribed"), "mosquitto_sub was never subscribed", sub.text())
    works(desk, good)


@case
def receiving(scene):
    """iot:Subscribe without iot:Receive: the subscription stands, nothing comes"""
    desk = scene.desk()
    policy = standard_policy(desk)
    ear, mouth = desk.make_device("ear", policy), desk.make_device("mouth", policy)
    with mqtt.client_of(desk, ear) as e, mqtt.client_of(desk, mouth) as m:
        e.connect("ear")
        m.connect("mouth")
        answer = e.subscribe(("deaf/#", 1), ("room/#", 1))
        need(answer == [1, 1], "both subscriptions are granted", answer)
        since = desk.log_mark()
        m.publish("deaf/one", b"not for you", qos=1)
        m.publish("room/two", b"for you", qos=1)
        got = e.message()
        check(got[:2] == ("room/two", b"for you"), "only what iot:Receive allows arrives", got)
        desk.expect_record("E-POLICY-RECEIVE", since, code="E-POLICY-RECEIVE", clientId="ear",
                           topicName="deaf/one")
        e.ping()
        check(True, "and the connection lives on")


@case
def live_connections(scene):
    """taking a certificate or a policy away counts for who is connected already"""
    desk = scene.desk()
    policy = standard_policy(desk)
    changes = {"INACTIVE": "E-CERT-INACTIVE", "REVOKED": "E-CERT-REVOKED"}
    for status, code in changes.items():
        device = desk.make_device(f"live-{status.lower()}", policy)
        with mqtt.client_of(desk, device) as c:
            c.connect(device.name)
            c.subscribe(("room/#", 1))
            since = desk.log_mark()
            desk.must("PUT", f"/certificates/{device.id}?newStatus={status}")
            check(c.wait_closed() == [], f"{status} ends the live connection")
        desk.expect_record(code, since, code=code, eventType="Disconnect", clientId=device.name)
        refused_at_connect(desk, device, code)
    device = desk.make_device("live-policy", policy)
    with mqtt.client_of(desk, device) as c:
        c.connect(device.name)
        c.publish("room/door", b"1", qos=1)
        desk.must("POST", f"/target-policies/{policy}", {"target": device.arn})
        since = desk.log_mark()
        try:
            c.publish("room/door", b"2", qos=1)
            check(False, "a policy detached counts for the next publish")
        except mqtt.Closed:
            check(True, "a policy detached counts for the next publish")
        desk.expect_record("publish refused", since, clientId=device.name, topicName="room/door",
                           status="Failure")


@case
def same_client_id(scene):
    """the newer connection takes over, the older one is told goodbye"""
    desk = scene.desk()
    device = desk.make_device("twin", standard_policy(desk))
    with mqtt.client_of(desk, device) as first, mqtt.client_of(desk, device) as second:
        first.connect("twin")
        since = desk.log_mark()
        check(second.connect("twin")[0] == 0, "the second connection is accepted")
        check(first.wait_closed() == [], "the first is ended")
        desk.expect_record("E-TAKEN-OVER", since, clientId="twin", reason="DUPLICATE_CLIENT_ID")
        second.ping()
        check(True, "the second lives on")


@case
def expired(scene):
    """a registered certificate whose dates are over"""
    desk = scene.desk()
    policy = standard_policy(desk)
    key = scene.make_key("old")
    pem = scene.path("old.pem")
    ca = scene.path("ca-conf")
    ca.mkdir()
    (ca / "index.txt").touch()
    (ca / "serial").write_text("01\n")
    (ca / "openssl.cnf").write_text(
        f"[ca]\ndefault_ca=d\n[d]\ndir={ca}\ndatabase={ca}/index.txt\nnew_certs_dir={ca}\n"
        f"serial={ca}/serial\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n")
    csr = scene.make_csr("old", key)
    scene.openssl("ca", "-batch", "-config", ca / "openssl.cnf", "-selfsign", "-keyfile", key,
                  "-in", csr, "-out", pem, "-notext", "-startdate", "20200101000000Z",
                  "-enddate", "20210101000000Z")
    made = desk.must("POST", "/certificate/register-no-ca",
                     {"certificatePem": pem.read_text(), "status": "ACTIVE"})
    old = Device("old", pem, key, made["certificateId"], made["certificateArn"])
    desk.must("POST", "/things/old", {})
    desk.must("PUT", "/things/old/principals", headers={"x-amzn-principal": old.arn})
    desk.must("PUT", f"/target-policies/{policy}", {"target": old.arn})
    refused_at_connect(desk, old, "E-CERT-EXPIRED")


@case
def compat_alert(scene):
    """--compat unregistered-certificate=alert refuses in the handshake instead"""
    desk = scene.desk("--compat", "unregistered-certificate=alert")
    policy = standard_policy(desk)
    good = desk.make_device("good", policy)
    inactive = desk.make_device("inactive", policy, status="INACTIVE")
    works(desk, good)
    try:
        with mqtt.client_of(desk, inactive) as c:
            c.connect("inactive")
        check(False, "an inactive certificate gets a TLS alert")
    except (ssl.SSLError, mqtt.Closed) as error:
        check("alert" in str(error).lower(), f"an inactive certificate gets a TLS alert: {error}")


if __name__ == "__main__":
    main()
