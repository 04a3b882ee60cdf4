#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""AWS's own way from nothing to a connected device - "Create AWS IoT resources" and "Connecting to
AWS IoT Core" of its guide - typed as a person would: openssl, the AWS CLI through `elo aws`, and
mosquitto's clients. Then each thing that can be taken away is, and the same command is refused."""
import json

from desk import Device, Failure, case, check, main, need, note, policy_document


class Person:
    """Types `elo aws iot ...`, reads JSON."""

    def __init__(self, desk):
        self.desk = desk

    def types(self, *args):
        result = self.desk.elo_aws("iot", *args)
        if not check(result.code == 0, f"elo aws iot {args[0]}", result.err):
            raise Failure(args[0])
        return json.loads(result.out) if result.out.strip() else {}

    def is_refused(self, error, *args):
        result = self.desk.elo_aws("iot", *args)
        check(result.code == 254 and f"({error})" in result.err,
              f"elo aws iot {args[0]} is refused with {error}", f"{result.code}\n{result.err}")


def guide_policy(desk, *topics):
    """Connect as oneself; publish, subscribe and receive on these topics."""
    def names(kind):
        return [desk.arn(f"{kind}/{t}") for t in topics]
    return policy_document(
        ("iot:Connect", desk.arn("client/${iot:Connection.Thing.ThingName}")),
        (["iot:Publish", "iot:RetainPublish", "iot:Receive"], names("topic")),
        ("iot:Subscribe", names("topicfilter")))


def describe_endpoint(person, desk):
    answer = person.types("describe-endpoint", "--endpoint-type", "iot:Data-ATS")
    check(answer.get("endpointAddress") == desk.endpoints["mqtts"],
          "describe-endpoint answers where the MQTT port is", answer)


def make_from_csr(person, scene, name):
    """openssl makes key and CSR; the key never leaves. Returns the Device."""
    key = scene.make_key(name)
    csr = scene.make_csr(name, key)
    pem = scene.path(f"{name}.pem")
    made = person.types("create-certificate-from-csr", "--certificate-signing-request",
                        f"file://{csr}", "--set-as-active", "--certificate-pem-outfile", pem)
    subject = scene.openssl("x509", "-in", pem, "-noout", "-subject").out
    check(f"CN={name}" in subject.replace(" = ", "="), "the certificate keeps the CSR's subject", subject)
    fingerprint = scene.openssl("x509", "-in", pem, "-noout", "-fingerprint", "-sha256").out
    check(fingerprint.split("=")[1].strip().replace(":", "").lower() == made["certificateId"],
          "the certificate id is its SHA-256 fingerprint", fingerprint)
    return Device(name, pem, key, made["certificateId"], made["certificateArn"])


def make_with_keys(person, scene, name):
    """AWS makes the key pair."""
    pem, public, private = (scene.path(f"{name}.{x}") for x in ("pem", "pub", "key"))
    made = person.types("create-keys-and-certificate", "--set-as-active",
                        "--certificate-pem-outfile", pem, "--public-key-outfile", public,
                        "--private-key-outfile", private)
    of_private = scene.openssl("rsa", "-in", private, "-pubout").out
    check(of_private == public.read_text() == made["keyPair"]["PublicKey"],
          "the key pair is a pair", of_private)
    of_certificate = scene.openssl("x509", "-in", pem, "-noout", "-pubkey").out
    check(of_certificate == public.read_text(), "and the certificate is for it", of_certificate)
    return Device(name, pem, private, made["certificateId"], made["certificateArn"])


def messages_pass(desk, watcher_device, device):
    """What mosquitto_pub publishes, mosquitto_sub receives: QoS 0 and 1, and retained."""
    watcher = desk.sub(watcher_device, "guide/#", "-q", "1")
    for qos in ("0", "1"):
        sent = desk.pub(device, "guide/hello", f"word {qos}", "-q", qos)
        check(sent.code == 0, f"mosquitto_pub with QoS {qos} ends with 0", sent.out + sent.err)
        need(watcher.wait_line(f"^MSG guide/hello {qos} 0 word {qos}$"),
             f"mosquitto_sub has it with QoS {qos}", watcher.text())
    sent = desk.pub(device, "guide/kept", "kept", "-q", "1", "-r")
    check(sent.code == 0, "mosquitto_pub -r ends with 0", sent.out + sent.err)
    check(watcher.wait_line("^MSG guide/kept 1 0 kept$"),
          "to who was there a retained message comes as any other", watcher.text())
    watcher.end()
    later = desk.sub(watcher_device, "guide/kept", "-q", "1")
    check(later.wait_line("^MSG guide/kept 1 1 kept$"),
          "who comes later gets it, marked retained", later.text())
    later.end()
    desk.pub(device, "guide/kept", "", "-q", "1", "-r", "-n")
    empty = desk.sub(watcher_device, "guide/#", "-q", "1")
    desk.pub(device, "guide/fence", "fence", "-q", "1")
    check(empty.wait_line("^MSG guide/fence 1 0 fence$") and not empty.matching("^MSG guide/kept"),
          "an empty retained message has cleared it", empty.text())
    empty.end()


def policy_taken_away(person, desk, device):
    """detach-policy, and the very same command is refused; the log says why."""
    person.types("detach-policy", "--policy-name", "guide", "--target", device.arn)
    since = desk.log_mark()
    sent = desk.pub(device, "guide/hello", "again", "-q", "1")
    check(sent.code != 0, f"without a policy the same mosquitto_pub ends with {sent.code}",
          sent.out)
    desk.expect_record("E-NO-POLICY", since, code="E-NO-POLICY", clientId=device.name,
                       principalId=device.id, status="Failure", eventType="Connect")
    person.types("attach-policy", "--policy-name", "guide", "--target", device.arn)
    sent = desk.pub(device, "guide/hello", "again", "-q", "1")
    check(sent.code == 0, "attached again, it works again", sent.out + sent.err)


def policy_narrowed(person, desk, device):
    """A new default version of the policy counts at once."""
    person.types("create-policy-version", "--policy-name", "guide", "--set-as-default",
                 "--policy-document", guide_policy(desk, "elsewhere/*"))
    since = desk.log_mark()
    sent = desk.pub(device, "guide/hello", "again", "-q", "1")
    check(sent.code != 0, f"outside the narrower policy mosquitto_pub ends with {sent.code}",
          sent.out)
    record = desk.expect_record("E-POLICY-PUBLISH", since, code="E-POLICY-PUBLISH",
                                clientId=device.name, topicName="guide/hello")
    check("guide" in record.get("details", ""), "and names the policy", record)
    person.types("set-default-policy-version", "--policy-name", "guide", "--policy-version-id",
                 "1")
    sent = desk.pub(device, "guide/hello", "again", "-q", "1")
    check(sent.code == 0, "with version 1 the default again, it works again", sent.out + sent.err)


def clean_up(person, device, other):
    """In AWS's order; out of order is refused as AWS refuses it."""
    person.is_refused("InvalidRequestException", "delete-thing", "--thing-name", device.name)
    person.types("detach-thing-principal", "--thing-name", device.name, "--principal", device.arn)
    person.is_refused("DeleteConflictException", "delete-policy", "--policy-name", "guide")
    person.is_refused("CertificateStateException", "delete-certificate", "--certificate-id",
                      device.id)
    person.types("update-certificate", "--certificate-id", device.id, "--new-status", "INACTIVE")
    person.is_refused("DeleteConflictException", "delete-certificate", "--certificate-id",
                      device.id)
    person.types("detach-policy", "--policy-name", "guide", "--target", device.arn)
    person.types("delete-certificate", "--certificate-id", device.id)
    person.is_refused("ResourceNotFoundException", "describe-certificate", "--certificate-id",
                      device.id)
    person.types("delete-thing", "--thing-name", device.name)
    person.is_refused("ResourceNotFoundException", "describe-thing", "--thing-name", device.name)
    for d in (other,):
        person.types("detach-thing-principal", "--thing-name", d.name, "--principal", d.arn)
        person.types("detach-policy", "--policy-name", "guide", "--target", d.arn)
        person.types("update-certificate", "--certificate-id", d.id, "--new-status", "INACTIVE")
        person.types("delete-certificate", "--certificate-id", d.id)
        person.types("delete-thing", "--thing-name", d.name)
    person.is_refused("DeleteConflictException", "delete-policy", "--policy-name", "guide")
    person.types("delete-policy-version", "--policy-name", "guide", "--policy-version-id", "2")
    person.types("delete-policy", "--policy-name", "guide")
    things = person.types("list-things")
    certificates = person.types("list-certificates")
    policies = person.types("list-policies")
    check((things["things"], certificates["certificates"], policies["policies"]) == ([], [], []),
          "nothing is left", (things, certificates, policies))


@case
def guide(scene):
    """from an empty desk to messages, refusals, and an empty desk again"""
    desk = scene.desk("--region", "eu-west-1", "--account", "123456789012")
    person = Person(desk)
    describe_endpoint(person, desk)
    made = person.types("create-thing", "--thing-name", "garden")
    check(made["thingArn"] == "arn:aws:iot:eu-west-1:123456789012:thing/garden",
          "the thing's ARN has region and account", made)
    device = make_from_csr(person, scene, "garden")
    person.types("create-thing", "--thing-name", "watcher")
    watcher = make_with_keys(person, scene, "watcher")
    person.types("create-policy", "--policy-name", "guide", "--policy-document",
                 guide_policy(desk, "guide/*", "guide/#"))
    for d in (device, watcher):
        person.types("attach-policy", "--policy-name", "guide", "--target", d.arn)
        person.types("attach-thing-principal", "--thing-name", d.name, "--principal", d.arn)
    note(f"mosquitto_pub {' '.join(map(str, desk.mosquitto(device)))} ...")
    messages_pass(desk, watcher, device)
    policy_taken_away(person, desk, device)
    policy_narrowed(person, desk, device)
    clean_up(person, device, watcher)


if __name__ == "__main__":
    main()
