# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""One HTTPS request as a device makes it."""
import http.client
import json

import mqtt


def request(desk, device, method, target, body=b"", headers=(), alpn=None):
    """One request over mutual TLS (device None: TLS alone): (status, headers, parsed body)."""
    context = mqtt.tls_context(desk.ca, device, alpn)
    connection = http.client.HTTPSConnection("localhost", desk.https_port, context=context, timeout=40)
    try:
        connection.request(method, target, body, dict(headers))
        reply = connection.getresponse()
        text = reply.read().decode()
        return reply.status, dict(reply.getheaders()), json.loads(text) if text else None
    finally:
        connection.close()
