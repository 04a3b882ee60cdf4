#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""Paho for C: both of its APIs."""
import os

import puppet
from desk import case, main


def run(scene, api, version, transport, **quirks):
    program = os.path.join(os.path.dirname(scene.elo_path), "tests", "clients", f"paho_{api}")
    puppet.Scenario(scene, [program], version, transport, **quirks).run()


@case
def async_3(scene):
    """asynchronous, 3.1.1, mutual TLS on 8883"""
    run(scene, "async", 4, "mtls")


@case
def async_3_alpn(scene):
    """asynchronous, 3.1.1, ALPN x-amzn-mqtt-ca"""
    run(scene, "async", 4, "alpn")


@case
def sync_3(scene):
    """synchronous, 3.1.1, mutual TLS on 8883"""
    run(scene, "sync", 4, "mtls")


@case
def async_5(scene):
    """asynchronous, 5, mutual TLS on 8883"""
    run(scene, "async", 5, "mtls")


@case
def sync_5(scene):
    """synchronous, 5, mutual TLS on 8883"""
    run(scene, "sync", 5, "mtls", tells_refusals=False, tells_session=False)


if __name__ == "__main__":
    main()
