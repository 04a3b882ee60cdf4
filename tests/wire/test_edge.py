#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""The edge: ports, transports, and what it takes from peers that are many, slow or hostile."""
import re
import socket

import mqtt
from desk import case, check, main


@case
def plain_port(s):
    """Off unless asked for; then on loopback only, for everybody and every topic, and shouted."""
    desk = s.desk()
    check("mqtt" not in desk.endpoints, "by default there is no plain port", desk.endpoints)
    desk.stop()

    desk = s.desk("--plain-port", "0", "--listen", "0.0.0.0")
    host, port = desk.endpoints["mqtt"].rsplit(":", 1)
    check(host == "127.0.0.1", "endpoints.json names it, on loopback", desk.endpoints)
    desk.expect_record("what it opens and for what it is", logLevel="WARN",
                       details=re.compile("^--plain-port: every program on this machine may.*tools only$"))
    with socket.socket() as other:
        other.settimeout(5)
        refused = other.connect_ex((own_address(), int(port))) != 0
    check(refused, f"{own_address()} has no such port")

    policy = desk.make_policy("all", ("iot:*", "*"))
    device = desk.make_device("kitchen", policy)
    context = mqtt.tls_context(desk.ca, device)
    with mqtt.Client("127.0.0.1", int(port), None) as plain, \
            mqtt.Client("localhost", desk.mqtts_port, context) as secure:
        check(plain.connect("anybody") == (0, False), "a client without a certificate is taken")
        check(secure.connect("kitchen") == (0, False), "and a device beside it")
        check(plain.subscribe(("#", 1)) == [1], "every topic may be subscribed")
        secure.publish("any/topic", b"21.5", 1)
        got = plain.message()
        check(got[:2] == ("any/topic", b"21.5"), "they share one broker", got)
    desk.stop()


def own_address():
    """An address of this machine that is not loopback's, or a loopback address but 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))
            return s.getsockname()[0]
        except OSError:
            return "127.0.0.2"


if __name__ == "__main__":
    main()
