# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""The portal without a browser."""
import http.client
import urllib.parse


def ask(url, path, form=None, **headers):
    """Status, headers, text. Redirects are not followed."""
    connection = http.client.HTTPConnection(url.split("//")[1], timeout=40)
    body = urllib.parse.urlencode(form) if form is not None else None
    if body is not None:
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    connection.request("POST" if form is not None else "GET", path, body, headers)
    reply = connection.getresponse()
    text = reply.read().decode()
    connection.close()
    return reply.status, reply.headers, text
