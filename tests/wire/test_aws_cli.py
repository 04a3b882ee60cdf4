#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""Every operation of the REST API through Debian's AWS CLI: what it answers, what it refuses."""
import json

import mqtt
from awscli import ARN, HEX64, UUID, Cli, is_, recent
from desk import case, check, main, policy_document


@case
def things(scene):
    """CreateThing DescribeThing UpdateThing ListThings DeleteThing"""
    aws = Cli(scene, scene.desk(), "/usr/bin/aws")
    made = aws.ok("create-thing", "--thing-name", "garden-7", "--attribute-payload",
                  json.dumps({"attributes": {"room": "shed", "floor": "1"}}))
    is_(ARN.match(made["thingArn"]).groups(), ("thing", "garden-7"), "name and ARN")
    check(UUID.match(made["thingId"]), "thingId is a UUID", made)
    again = aws.ok("create-thing", "--thing-name", "garden-7", "--attribute-payload",
                   json.dumps({"attributes": {"floor": "1", "room": "shed"}}))
    is_(again, made, "the same again is the same thing")
    aws.refused("ResourceAlreadyExistsException", "create-thing", "--thing-name", "garden-7")
    is_(aws.ok("describe-thing", "--thing-name", "garden-7"),
        {"defaultClientId": "garden-7", "thingName": "garden-7", "thingId": made["thingId"],
         "thingArn": made["thingArn"], "attributes": {"room": "shed", "floor": "1"}, "version": 1},
        "describe-thing tells everything")
    aws.silent("update-thing", "--thing-name", "garden-7", "--attribute-payload",
               json.dumps({"attributes": {"floor": "", "wall": "2"}, "merge": True}),
               "--expected-version", "1")
    thing = aws.ok("describe-thing", "--thing-name", "garden-7")
    is_((thing["attributes"], thing["version"]), ({"room": "shed", "wall": "2"}, 2),
        "merged, one taken away, version 2")
    aws.refused("VersionConflictException", "update-thing", "--thing-name", "garden-7",
                "--attribute-payload", '{"attributes":{"a":"b"}}', "--expected-version", "1")
    for name in ("jobs", "shadow", "principals", "a:b_c-D"):
        aws.ok("create-thing", "--thing-name", name)
    is_(aws.ok("describe-thing", "--thing-name", "jobs")["thingName"], "jobs",
        "a thing may be called jobs")
    is_([t["thingName"] for t in aws.ok("list-things")["things"]],
        sorted(["jobs", "shadow", "principals", "a:b_c-D", "garden-7"]), "list-things lists all")
    found = aws.ok("list-things", "--attribute-name", "room", "--attribute-value", "shed")
    is_([t["thingName"] for t in found["things"]], ["garden-7"], "and by attribute")
    is_(aws.ok("list-things", "--attribute-name", "room", "--attribute-value", "she")["things"],
        [], "exactly")
    aws.refused("InvalidRequestException", "create-thing", "--thing-name", "a b")
    aws.refused("InvalidRequestException", "create-thing", "--thing-name", "four",
                "--attribute-payload", '{"attributes":{"a":"1","b":"2","c":"3","d":"4"}}')
    aws.refused("ResourceNotFoundException", "describe-thing", "--thing-name", "nobody")
    aws.refused("ResourceNotFoundException", "update-thing", "--thing-name", "nobody")
    aws.silent("delete-thing", "--thing-name", "jobs")
    aws.refused("ResourceNotFoundException", "describe-thing", "--thing-name", "jobs")
    aws.silent("delete-thing", "--thing-name", "jobs")


@case
def certificates(scene):
    """CreateKeysAndCertificate ... DeleteCertificate"""
    aws = Cli(scene, scene.desk(), "/usr/bin/aws")
    keys = aws.ok("create-keys-and-certificate")
    check(HEX64.match(keys["certificateId"]) and
          ARN.match(keys["certificateArn"]).groups() == ("cert", keys["certificateId"]),
          "id and ARN", keys)
    text = scene.openssl("x509", "-noout", "-subject", "-issuer", "-enddate", "-text",
                         stdin=keys["certificatePem"]).out
    check("CN=AWS IoT Certificate" in text.replace(" = ", "=") and "Public-Key: (2048 bit)" in text,
          "an RSA 2048 certificate as AWS makes them", text)
    check("notAfter=Dec 31 23:59:59 2049 GMT" in text, "good until the end of 2049", text)
    check(keys["keyPair"]["PrivateKey"].startswith("-----BEGIN RSA PRIVATE KEY-----\n"),
          "the private key is PKCS#1")
    described = aws.ok("describe-certificate", "--certificate-id", keys["certificateId"])
    d = described["certificateDescription"]
    is_((d["status"], d["certificateMode"], d["ownedBy"], d["customerVersion"], d["transferData"],
         d["certificatePem"]), ("INACTIVE", "DEFAULT", "000000000000", 1, {},
                                keys["certificatePem"]), "without --set-as-active it is INACTIVE")
    check(recent(d["creationDate"]) and recent(d["lastModifiedDate"]) and
          UUID.match(d["generationId"]) and "2049" in str(d["validity"]["notAfter"]),
          "with dates and generation", d)
    aws.silent("update-certificate", "--certificate-id", keys["certificateId"], "--new-status",
               "ACTIVE")
    d = aws.ok("describe-certificate", "--certificate-id",
               keys["certificateId"])["certificateDescription"]
    is_((d["status"], d["customerVersion"]), ("ACTIVE", 2), "ACTIVE, version 2")
    aws.refused("InvalidRequestException", "update-certificate", "--certificate-id",
                keys["certificateId"], "--new-status", "PENDING_TRANSFER")
    aws.refused("CertificateStateException", "delete-certificate", "--certificate-id",
                keys["certificateId"])
    key = scene.make_key("csr")
    csr = scene.make_csr("csr", key, "/O=Garden/CN=pump")
    of_csr = [aws.ok("create-certificate-from-csr", "--certificate-signing-request",
                     f"file://{csr}", "--set-as-active") for _ in range(2)]
    check(of_csr[0]["certificateId"] != of_csr[1]["certificateId"],
          "the same CSR gives another certificate each time")
    text = scene.openssl("x509", "-noout", "-subject", "-text", stdin=of_csr[0]["certificatePem"])
    check("O=Garden, CN=pump" in text.out.replace(" = ", "=") and "prime256v1" in text.out,
          "with the CSR's subject and key", text.out)
    desk_ca = scene.path("desk", "ca.pem")
    pem = scene.path("of-csr.pem")
    pem.write_text(of_csr[0]["certificatePem"])
    check(scene.openssl("verify", "-CAfile", desk_ca, pem).code == 0, "openssl verifies the chain")
    (scene.path("bad.csr")).write_text("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n"
                                       "-----END CERTIFICATE REQUEST-----\n")
    aws.refused("InvalidRequestException", "create-certificate-from-csr",
                "--certificate-signing-request", f"file://{scene.path('bad.csr')}")
    own, _ = scene.make_self_signed("own")
    registered = aws.ok("register-certificate-without-ca", "--certificate-pem", f"file://{own}",
                        "--status", "ACTIVE")
    d = aws.ok("describe-certificate", "--certificate-id",
               registered["certificateId"])["certificateDescription"]
    is_((d["status"], d["certificateMode"]), ("ACTIVE", "SNI_ONLY"), "registered without a CA")
    aws.refused("ResourceAlreadyExistsException", "register-certificate-without-ca",
                "--certificate-pem", f"file://{own}")
    aws.refused("CertificateValidationException", "register-certificate-without-ca",
                "--certificate-pem", f"file://{scene.path('bad.csr')}")
    listed = aws.ok("list-certificates", "--ascending-order")["certificates"]
    is_([c["certificateId"] for c in listed],
        [keys["certificateId"], of_csr[0]["certificateId"], of_csr[1]["certificateId"],
         registered["certificateId"]], "list-certificates lists all by creation date")
    is_(set(listed[0]), {"certificateArn", "certificateId", "status", "certificateMode",
                         "creationDate"}, "with what AWS lists of each")
    is_([c["certificateId"] for c in aws.ok("list-certificates")["certificates"]],
        [c["certificateId"] for c in listed[::-1]], "newest first unless told")
    aws.silent("update-certificate", "--certificate-id", registered["certificateId"],
               "--new-status", "REVOKED")
    aws.silent("delete-certificate", "--certificate-id", registered["certificateId"])
    aws.refused("ResourceNotFoundException", "delete-certificate", "--certificate-id",
                registered["certificateId"])
    aws.refused("ResourceNotFoundException", "describe-certificate", "--certificate-id", "0" * 64)


@case
def policies(scene):
    """CreatePolicy ... DeletePolicy, and versions"""
    desk = scene.desk()
    aws = Cli(scene, desk, "/usr/bin/aws")
    documents = [policy_document(("iot:Connect", desk.arn(f"client/{i}"))) for i in range(6)]
    made = aws.ok("create-policy", "--policy-name", "p", "--policy-document", documents[0])
    is_(made, {"policyName": "p", "policyArn": desk.arn("policy/p"),
               "policyDocument": documents[0], "policyVersionId": "1"}, "create-policy answers")
    aws.refused("ResourceAlreadyExistsException", "create-policy", "--policy-name", "p",
                "--policy-document", documents[0])
    for bad in ("{", "{}", '{"Version":"2012-10-17","Statement":[{"Effect":"Perhaps",'
                           '"Action":"iot:Connect","Resource":"*"}]}'):
        aws.refused("MalformedPolicyException", "create-policy", "--policy-name", "bad",
                    "--policy-document", bad)
    got = aws.ok("get-policy", "--policy-name", "p")
    is_((got["policyName"], got["policyArn"], got["policyDocument"], got["defaultVersionId"]),
        ("p", desk.arn("policy/p"), documents[0], "1"), "get-policy answers")
    check(recent(got["creationDate"]) and recent(got["lastModifiedDate"]), "with dates", got)
    for i in (1, 2, 3, 4):
        version = aws.ok("create-policy-version", "--policy-name", "p", "--policy-document",
                         documents[i], *(["--set-as-default"] if i == 2 else []))
        is_((version["policyVersionId"], version["isDefaultVersion"]), (str(i + 1), i == 2),
            f"version {i + 1}")
    aws.refused("VersionsLimitExceededException", "create-policy-version", "--policy-name", "p",
                "--policy-document", documents[5])
    listed = aws.ok("list-policy-versions", "--policy-name", "p")["policyVersions"]
    is_(sorted((v["versionId"], v["isDefaultVersion"]) for v in listed),
        [("1", False), ("2", False), ("3", True), ("4", False), ("5", False)], "five versions")
    one = aws.ok("get-policy-version", "--policy-name", "p", "--policy-version-id", "2")
    is_((one["policyDocument"], one["isDefaultVersion"]), (documents[1], False),
        "get-policy-version answers")
    aws.refused("InvalidRequestException", "delete-policy-version", "--policy-name", "p",
                "--policy-version-id", "3")
    aws.silent("set-default-policy-version", "--policy-name", "p", "--policy-version-id", "5")
    is_(aws.ok("get-policy", "--policy-name", "p")["policyDocument"], documents[4],
        "the new default's document")
    aws.silent("delete-policy-version", "--policy-name", "p", "--policy-version-id", "3")
    version = aws.ok("create-policy-version", "--policy-name", "p", "--policy-document",
                     documents[5])
    is_(version["policyVersionId"], "6", "numbers are not used again")
    aws.refused("ResourceNotFoundException", "get-policy-version", "--policy-name", "p",
                "--policy-version-id", "3")
    aws.refused("DeleteConflictException", "delete-policy", "--policy-name", "p")
    is_([p["policyName"] for p in aws.ok("list-policies")["policies"]], ["p"], "list-policies")
    for v in ("1", "2", "4", "6"):
        aws.silent("delete-policy-version", "--policy-name", "p", "--policy-version-id", v)
    aws.silent("delete-policy", "--policy-name", "p")
    aws.refused("ResourceNotFoundException", "get-policy", "--policy-name", "p")


@case
def attachments(scene):
    """Attach, Detach, and every listing of both sides"""
    desk = scene.desk()
    aws = Cli(scene, desk, "/usr/bin/aws")
    desk.make_policy("one", ("iot:*", "*"))
    desk.make_policy("two", ("iot:*", "*"))
    cert = desk.make_device("pump", thing=False)
    desk.must("POST", "/things/pump", {})
    aws.silent("attach-policy", "--policy-name", "one", "--target", cert.arn)
    aws.silent("attach-policy", "--policy-name", "one", "--target", cert.arn)
    aws.silent("attach-principal-policy", "--policy-name", "two", "--principal", cert.arn)
    aws.refused("ResourceNotFoundException", "attach-policy", "--policy-name", "three", "--target",
                cert.arn)
    is_(sorted(p["policyName"] for p in aws.ok("list-attached-policies", "--target",
                                               cert.arn)["policies"]), ["one", "two"],
        "list-attached-policies")
    is_(sorted(p["policyArn"] for p in aws.ok("list-principal-policies", "--principal",
                                              cert.arn)["policies"]),
        [desk.arn("policy/one"), desk.arn("policy/two")], "list-principal-policies")
    is_(aws.ok("list-targets-for-policy", "--policy-name", "one"), {"targets": [cert.arn]},
        "list-targets-for-policy")
    is_(aws.ok("list-policy-principals", "--policy-name", "two"), {"principals": [cert.arn]},
        "list-policy-principals")
    aws.silent("attach-thing-principal", "--thing-name", "pump", "--principal", cert.arn)
    aws.refused("ResourceNotFoundException", "attach-thing-principal", "--thing-name", "nobody",
                "--principal", cert.arn)
    is_(aws.ok("list-thing-principals", "--thing-name", "pump"), {"principals": [cert.arn]},
        "list-thing-principals")
    is_(aws.ok("list-principal-things", "--principal", cert.arn), {"things": ["pump"]},
        "list-principal-things")
    aws.refused("InvalidRequestException", "delete-thing", "--thing-name", "pump")
    aws.silent("detach-thing-principal", "--thing-name", "pump", "--principal", cert.arn)
    is_(aws.ok("list-thing-principals", "--thing-name", "pump"), {"principals": []},
        "no principals any more")
    aws.refused("DeleteConflictException", "delete-policy", "--policy-name", "two")
    aws.silent("detach-principal-policy", "--policy-name", "two", "--principal", cert.arn)
    aws.silent("detach-policy", "--policy-name", "one", "--target", cert.arn)
    is_(aws.ok("list-attached-policies", "--target", cert.arn), {"policies": []},
        "no policies any more")
    aws.silent("attach-policy", "--policy-name", "one", "--target", cert.arn)
    aws.silent("update-certificate", "--certificate-id", cert.id, "--new-status", "INACTIVE")
    aws.silent("delete-certificate", "--certificate-id", cert.id, "--force-delete")
    is_(aws.ok("list-targets-for-policy", "--policy-name", "one"), {"targets": []},
        "--force-delete takes the policies off")


@case
def endpoint_publish_identity(scene):
    """DescribeEndpoint, iot-data Publish, sts GetCallerIdentity"""
    desk = scene.desk()
    aws = Cli(scene, desk, "/usr/bin/aws")
    is_(aws.ok("describe-endpoint", "--endpoint-type", "iot:Data-ATS"),
        {"endpointAddress": desk.endpoints["mqtts"]}, "iot:Data-ATS is the MQTT endpoint")
    aws.refused("InvalidRequestException", "describe-endpoint", "--endpoint-type", "iot:Nothing")
    is_(aws.ok("get-caller-identity", service="sts")["Account"], "000000000000",
        "get-caller-identity tells the account")
    policy = desk.make_policy("all", ("iot:*", "*"))
    device = desk.make_device("ear", policy)
    with mqtt.client_of(desk, device) as c:
        c.connect("ear")
        c.subscribe(("#", 1))
        raw = ("--cli-binary-format", "raw-in-base64-out", "--payload")
        aws.silent("publish", "--topic", "a/b c/ü", *raw, '{"hi":1}', "--qos", "1",
                   service="iot-data")
        is_(c.message()[:3], ("a/b c/ü", b'{"hi":1}', 1), "the message arrives, topic and all")
        aws.silent("publish", "--topic", "kept", *raw, "x", "--qos", "0", "--retain",
                   service="iot-data")
        is_(c.message()[:3], ("kept", b"x", 0), "QoS 0 too")
    with mqtt.client_of(desk, device) as c:
        c.connect("ear")
        c.subscribe(("kept", 1))
        is_(c.message()[:4], ("kept", b"x", 0, True), "and --retain retains")
    for topic in ("a/#", "$aws/things/x/shadow/update", "/".join("abcdefghi"), "x" * 257):
        aws.refused("InvalidRequestException", "publish", "--topic", topic, service="iot-data")
    big = scene.path("big")
    big.write_bytes(b"x" * 131073)
    aws.refused("RequestEntityTooLargeException", "publish", "--topic", "a", "--payload",
                f"fileb://{big}", service="iot-data")

if __name__ == "__main__":
    main()
