#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""MQTT.js, and both of AWS's SDKs for JavaScript."""
import puppet
import authorizer
from desk import case, check, main


def run(scene, program, version, transport):
    puppet.Scenario(scene, [puppet.node(), puppet.HERE / program], version, transport).run()


@case
def mqttjs_3(scene):
    """MQTT.js, 3.1.1, mutual TLS on 8883"""
    run(scene, "mqttjs.js", 4, "mtls")


@case
def mqttjs_3_alpn(scene):
    """MQTT.js, 3.1.1, ALPN x-amzn-mqtt-ca"""
    run(scene, "mqttjs.js", 4, "alpn")


@case
def sdk1(scene):
    """aws-iot-device-sdk, mutual TLS on 8883"""
    run(scene, "sdk1.js", 4, "mtls")


@case
def sdk1_alpn(scene):
    """aws-iot-device-sdk, ALPN x-amzn-mqtt-ca"""
    run(scene, "sdk1.js", 4, "alpn")


@case
def sdk1_wss(scene):
    """aws-iot-device-sdk, WebSocket, SigV4"""
    run(scene, "sdk1.js", 4, "wss")


@case
def sdk2_3(scene):
    """aws-iot-device-sdk-v2, its MQTT 3.1.1 client, mutual TLS on 8883"""
    run(scene, "sdk2.js", 4, "mtls")


@case
def sdk2_3_alpn(scene):
    """aws-iot-device-sdk-v2, its MQTT 3.1.1 client, ALPN x-amzn-mqtt-ca"""
    run(scene, "sdk2.js", 4, "alpn")


@case
def sdk2_3_wss(scene):
    """aws-iot-device-sdk-v2, its MQTT 3.1.1 client, WebSocket, SigV4"""
    run(scene, "sdk2.js", 4, "wss")


@case
def mqttjs_5(scene):
    """MQTT.js, 5, mutual TLS on 8883"""
    run(scene, "mqttjs.js", 5, "mtls")


@case
def sdk2_5(scene):
    """aws-iot-device-sdk-v2, its MQTT 5 client, mutual TLS on 8883"""
    run(scene, "sdk2.js", 5, "mtls")


@case
def sdk2_5_alpn(scene):
    """aws-iot-device-sdk-v2, its MQTT 5 client, ALPN x-amzn-mqtt-ca"""
    run(scene, "sdk2.js", 5, "alpn")


@case
def sdk2_5_wss(scene):
    """aws-iot-device-sdk-v2, its MQTT 5 client, WebSocket, SigV4"""
    run(scene, "sdk2.js", 5, "wss")


def run_custom(scene, version):
    function, desk, key = authorizer.start(scene)
    function.answer = lambda event: function.yes(policyDocuments=[{
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]}])
    scenario = puppet.Scenario(
        scene, [puppet.node(), puppet.HERE / "sdk2.js"], version, "custom", desk=desk,
        authorizer="DeskAuth", tokenKey="x-token", token="tok-91",
        signature=authorizer.sign(scene, key, "tok-91"))
    scenario.both_ways()
    check(function.events and function.events[0]["token"] == "tok-91" and
          function.events[0]["signatureVerified"], "the function was asked", function.events)
    asked = len(function.events)
    scenario.does_not_connect("a token with another's signature", token="tok-92")
    check(len(function.events) == asked, "and the function was not")


@case
def sdk2_3_custom(scene):
    """aws-iot-device-sdk-v2, its MQTT 3.1.1 client, custom authorizer"""
    run_custom(scene, 4)


@case
def sdk2_5_custom(scene):
    """aws-iot-device-sdk-v2, its MQTT 5 client, custom authorizer"""
    run_custom(scene, 5)


if __name__ == "__main__":
    main()
