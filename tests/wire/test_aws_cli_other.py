#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""The AWS CLI of another version, if there is one on PATH: it signs another service name, encodes
other things and knows newer operations."""
from awscli import Cli, is_, other_cli
from desk import case, check, main, note, policy_document, skip


@case
def another_version(scene):
    """a CLI of another version: it signs another service name and knows newer operations"""
    path = other_cli()
    if path is None:
        skip("there is no AWS CLI of another version on PATH")
        check(True, "nothing to do")
        return
    desk = scene.desk()
    aws = Cli(scene, desk, path)
    note(f"{path}: {aws.version}")
    is_(aws.ok("get-caller-identity", service="sts")["Account"], "000000000000", "who am I")
    is_(aws.ok("describe-endpoint", "--endpoint-type", "iot:Data-ATS")["endpointAddress"],
        desk.endpoints["mqtts"], "describe-endpoint")
    aws.ok("create-thing", "--thing-name", "pump", "--attribute-payload",
           '{"attributes":{"a":"1"}}')
    is_(aws.ok("describe-thing", "--thing-name", "pump")["attributes"], {"a": "1"}, "the thing")
    csr = scene.make_csr("pump", scene.make_key("pump"))
    arn = aws.ok("create-certificate-from-csr", "--certificate-signing-request", f"file://{csr}",
                 "--set-as-active")["certificateArn"]
    aws.ok("create-policy", "--policy-name", "all", "--policy-document",
           policy_document(("iot:*", "*")))
    aws.silent("attach-policy", "--policy-name", "all", "--target", arn)
    is_([p["policyName"] for p in aws.ok("list-attached-policies", "--target", arn)["policies"]],
        ["all"], "list-attached-policies: an ARN in the path")
    aws.silent("attach-thing-principal", "--thing-name", "pump", "--principal", arn,
               "--thing-principal-type", "EXCLUSIVE_THING")
    is_(aws.ok("list-thing-principals-v2", "--thing-name", "pump")["thingPrincipalObjects"],
        [{"principal": arn, "thingPrincipalType": "EXCLUSIVE_THING"}], "list-thing-principals-v2")
    is_(aws.ok("list-principal-things-v2", "--principal", arn)["principalThingObjects"],
        [{"thingName": "pump", "thingPrincipalType": "EXCLUSIVE_THING"}],
        "list-principal-things-v2")
    desk.must("POST", "/things/other", {})
    aws.refused("InvalidRequestException", "attach-thing-principal", "--thing-name", "other",
                "--principal", arn)
    aws.silent("publish", "--topic", "a/b c", "--payload", "hello",
               service="iot-data")
    aws.silent("detach-thing-principal", "--thing-name", "pump", "--principal", arn)
    aws.silent("detach-policy", "--policy-name", "all", "--target", arn)
    aws.silent("update-certificate", "--certificate-id", arn.rsplit("/", 1)[1], "--new-status",
               "INACTIVE")
    aws.silent("delete-certificate", "--certificate-id", arn.rsplit("/", 1)[1])
    aws.silent("delete-policy", "--policy-name", "all")
    aws.silent("delete-thing", "--thing-name", "pump")
    aws.refused("ResourceNotFoundException", "describe-thing", "--thing-name", "pump")

if __name__ == "__main__":
    main()
