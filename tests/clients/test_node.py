#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""MQTT.js, and both of AWS's SDKs for JavaScript."""
import puppet
from desk import case, main


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


if __name__ == "__main__":
    main()
