#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""Devices that nobody has registered, but whose maker's CA has been: just-in-time registration and
just-in-time provisioning, with CAs and devices made by openssl and connecting with mosquitto."""
import hashlib
import json
import ssl

import mqtt
from desk import Device, case, check, main, need

ROLE = "arn:aws:iam::123456789012:role/provisioning"

TEMPLATE = {
    "Parameters": {
        "AWS::IoT::Certificate::CommonName": {"Type": "String"},
        "AWS::IoT::Certificate::Country": {"Type": "String"},
        "AWS::IoT::Certificate::Id": {"Type": "String"},
        "Line": {"Type": "String", "Default": "lamps"},
    },
    "Resources": {
        "thing": {
            "Type": "AWS::IoT::Thing",
            "Properties": {
                "ThingName": {"Ref": "AWS::IoT::Certificate::CommonName"},
                "ThingTypeName": "Lamp",
                "ThingGroups": ["field"],
                "AttributePayload": {"country": {"Ref": "AWS::IoT::Certificate::Country"},
                                     "line": {"Ref": "Line"}},
            },
        },
        "certificate": {
            "Type": "AWS::IoT::Certificate",
            "Properties": {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"},
                           "Status": "ACTIVE"},
        },
        "policy": {
            "Type": "AWS::IoT::Policy",
            "Properties": {"PolicyDocument": json.dumps({
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": ["iot:Connect", "iot:Publish"],
                               "Resource": "*"}]})},
        },
    },
}


def make_ca(scene, name):
    key = scene.make_key(name)
    path = scene.path(f"{name}.pem")
    scene.openssl("req", "-x509", "-new", "-key", key, "-subj", f"/O=Field/CN={name}", "-days",
                  "30", "-addext", "basicConstraints=critical,CA:TRUE", "-out", path)
    return path, key


def sign(scene, ca, name, subject):
    """A certificate for a fresh key, signed by that CA; (certificate, key)."""
    key = scene.make_key(name)
    csr = scene.make_csr(name, key, subject)
    path = scene.path(f"{name}.pem")
    scene.openssl("x509", "-req", "-in", csr, "-CA", ca[0], "-CAkey", ca[1], "-CAcreateserial",
                  "-days", "30", "-out", path)
    return path, key


def register_ca(scene, desk, ca, query="", config=None):
    """As AWS's guide has it: registration code, verification certificate, registration."""
    code = desk.must("GET", "/registrationcode")["registrationCode"]
    verification = sign(scene, ca, "verification", f"/CN={code}")
    body = {"caCertificate": ca[0].read_text(),
            "verificationCertificate": verification[0].read_text()}
    if config:
        body["registrationConfig"] = config
    return desk.must("POST", f"/cacertificate?setAsActive=true{query}", body)["certificateId"]


def device_of(scene, ca, name, subject=None):
    cert, key = sign(scene, ca, name, subject or f"/C=PT/O=Field/CN={name}")
    der = ssl.PEM_cert_to_DER_cert(cert.read_text())
    return Device(name, cert, key, hashlib.sha256(der).hexdigest(), "")


def dropped(desk, device):
    """TLS is fine; the CONNECT is answered by the end of the connection."""
    try:
        with mqtt.client_of(desk, device) as c:
            answer = c.connect(device.name)
        check(False, f"{device.name} is dropped", answer)
    except mqtt.Closed:
        check(True, f"{device.name} is dropped without a CONNACK")


def knows(desk, device):
    reply = desk.call("GET", f"/certificates/{device.id}")
    return reply.json["certificateDescription"] if reply.status == 200 else None


@case
def registration(scene):
    """JITR: registered as PENDING_ACTIVATION, told by an event, welcome once ACTIVE with a policy"""
    desk = scene.desk()
    all_of_it = desk.make_policy("all", ("iot:*", "*"))
    watcher = desk.make_device("watcher", all_of_it)
    ca = make_ca(scene, "field-ca")
    early = device_of(scene, ca, "early")
    dropped(desk, early)
    check(knows(desk, early) is None, "a CA that is not registered registers nobody")
    ca_id = register_ca(scene, desk, ca)
    dropped(desk, early)
    check(knows(desk, early) is None, "nor does one without auto-registration")
    desk.must("PUT", f"/cacertificate/{ca_id}?newAutoRegistrationStatus=ENABLE")

    events = desk.sub(watcher, "$aws/events/certificates/registered/+")
    since = desk.log_mark()
    sent = desk.pub(early, "a", "b", "-q", "1")
    check(sent.code != 0, "mosquitto_pub is dropped", sent.out)
    pending = knows(desk, early)
    check(pending and pending["status"] == "PENDING_ACTIVATION" and
          pending["caCertificateId"] == ca_id, "the certificate waits for its activation", pending)
    desk.expect_record("just-in-time registration is told", since, code="E-CERT-UNKNOWN",
                       eventType="Connect", clientId="early")
    pattern = rf"^MSG \$aws/events/certificates/registered/{ca_id} \d 0 (.*)$"
    told = events.wait_line(pattern)
    need(told, "the event comes", events.text())
    event = json.loads(told.group(1))
    check({k: event[k] for k in ("certificateId", "caCertificateId", "certificateStatus",
                                 "awsAccountId", "certificateRegistrationTimestamp", "sourceIp")} ==
          {"certificateId": early.id, "caCertificateId": ca_id,
           "certificateStatus": "PENDING_ACTIVATION", "awsAccountId": desk.account,
           "certificateRegistrationTimestamp": None, "sourceIp": "127.0.0.1"},
          "with what was measured on AWS", event)

    mark = events.mark()
    dropped(desk, early)
    check(events.wait_line(pattern, mark), "another try, another event", events.text())
    impostor_key = scene.make_key("impostor-ca")
    impostor = scene.path("impostor-ca.pem")
    scene.openssl("req", "-x509", "-new", "-key", impostor_key, "-subj", "/O=Field/CN=field-ca",
                  "-days", "30", "-addext", "basicConstraints=critical,CA:TRUE", "-out", impostor)
    fake = device_of(scene, (impostor, impostor_key), "fake")
    dropped(desk, fake)
    check(knows(desk, fake) is None, "the name of the CA is not enough, its signature counts")

    desk.must("PUT", f"/certificates/{early.id}?newStatus=ACTIVE")
    dropped(desk, early)
    arn = knows(desk, early)["certificateArn"]
    desk.must("PUT", f"/target-policies/{all_of_it}", {"target": arn})
    sent = desk.pub(early, "a", "b", "-q", "1")
    check(sent.code == 0, "ACTIVE and with a policy it connects", sent.out)
    desk.must("PUT", f"/cacertificate/{ca_id}?newStatus=INACTIVE")
    sent = desk.pub(early, "a", "b", "-q", "1")
    check(sent.code == 0, "also when its CA is made INACTIVE", sent.out)
    late = device_of(scene, ca, "late")
    dropped(desk, late)
    check(knows(desk, late) is None, "which then registers nobody any more")


@case
def one_key_two_cas(scene):
    """RegisterCertificate under two CA certificates of one subject and key: it must be told which"""
    desk = scene.desk()
    ca = make_ca(scene, "field-ca")
    again = scene.path("again.pem")
    scene.openssl("req", "-x509", "-new", "-key", ca[1], "-subj", "/O=Field/CN=field-ca", "-days",
                  "30", "-addext", "basicConstraints=critical,CA:TRUE", "-out", again)
    register_ca(scene, desk, ca)
    second = register_ca(scene, desk, (again, ca[1]))
    device = device_of(scene, ca, "bench-7")
    body = {"certificatePem": device.cert.read_text()}
    reply = desk.call("POST", "/certificate/register", body)
    check(reply.status == 409 and reply.error == "CertificateConflictException",
          "without a hint it is refused", reply.text)
    body["caCertificatePem"] = again.read_text()
    made = desk.must("POST", "/certificate/register", body)
    check(knows(desk, device)["caCertificateId"] == second, "the one that was given counts", made)


@case
def survives(scene):
    """what the first contact registered is there after kill -9"""
    desk = scene.desk()
    ca = make_ca(scene, "field-ca")
    register_ca(scene, desk, ca, "&allowAutoRegistration=true")
    device = device_of(scene, ca, "bench-7")
    dropped(desk, device)
    check(knows(desk, device) is not None, "registered")  # an answer is durable
    desk.kill()
    desk = scene.desk()
    found = knows(desk, device)
    check(found and found["status"] == "PENDING_ACTIVATION", "and still there", found)


@case
def provisioning(scene):
    """JITP: thing, policy, groups, all at once; the first connection is dropped, the next counts"""
    desk = scene.desk()
    desk.must("POST", "/thing-types/Lamp")
    ca = make_ca(scene, "field-ca")
    desk.must("POST", "/provisioning-templates",
              {"templateName": "lamps", "templateBody": json.dumps(TEMPLATE), "type": "JITP",
               "provisioningRoleArn": ROLE, "enabled": True})
    ca_id = register_ca(scene, desk, ca, "&allowAutoRegistration=true",
                        {"templateName": "lamps", "roleArn": ROLE})
    device = device_of(scene, ca, "bench-7")
    since = desk.log_mark()
    dropped(desk, device)
    check(knows(desk, device) is None, "the group is missing: nothing was done")
    check(desk.call("GET", "/things/bench-7").status == 404, "no half of a thing either")
    record = desk.expect_record("the log says why", since, eventType="Connect", clientId="bench-7")
    check("Thing group field not found" in record.get("details", ""), "in words", record)

    desk.must("POST", "/thing-groups/field")
    dropped(desk, device)
    found = knows(desk, device)
    check(found and found["status"] == "ACTIVE" and found["caCertificateId"] == ca_id,
          "the certificate is ACTIVE", found)
    thing = desk.must("GET", "/things/bench-7")
    check(thing["attributes"] == {"country": "PT", "line": "lamps"} and
          thing["thingTypeName"] == "Lamp", "its thing is made", thing)
    check(desk.must("GET", "/things/bench-7/principals")["principals"] ==
          [found["certificateArn"]], "and attached")
    check(desk.must("GET", "/thing-groups/field/things")["things"] == ["bench-7"], "and grouped")
    sent = desk.pub(device, "a", "b", "-q", "1")
    check(sent.code == 0, "the second connection works", sent.out)
    nameless = device_of(scene, ca, "nameless", "/O=Field/CN=nameless")
    since = desk.log_mark()
    dropped(desk, nameless)
    check(knows(desk, nameless) is None, "a subject without the country: nothing")
    record = desk.expect_record("and why", since, eventType="Connect", clientId="nameless")
    check("AWS::IoT::Certificate::Country has no value" in record.get("details", ""), "in words",
          record)


if __name__ == "__main__":
    main()
