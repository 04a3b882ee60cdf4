#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""Paho for Python."""
import puppet
from desk import case, main


def run(scene, version, transport):
    puppet.Scenario(scene, ["/usr/bin/python3", puppet.HERE / "paho_python.py"], version, transport,
                    tells_refusals=version != 5).run()


@case
def v3(scene):
    """3.1.1, mutual TLS on 8883"""
    run(scene, 4, "mtls")


@case
def v3_alpn(scene):
    """3.1.1, ALPN x-amzn-mqtt-ca"""
    run(scene, 4, "alpn")


@case
def v3_wss(scene):
    """3.1.1, WebSocket, SigV4"""
    run(scene, 4, "wss")


@case
def v5(scene):
    """5, mutual TLS on 8883"""
    run(scene, 5, "mtls")


@case
def v5_wss(scene):
    """5, WebSocket, SigV4"""
    run(scene, 5, "wss")


if __name__ == "__main__":
    main()
