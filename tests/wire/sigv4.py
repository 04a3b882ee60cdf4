# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""AWS Signature Version 4 over http.client: written from AWS's description of the algorithm, apart
from the project's own signer and verifier, so that the two can be held against each other."""
import collections
import datetime
import hashlib
import hmac
import http.client
import json
import urllib.parse


class Reply(collections.namedtuple("Reply", "status headers text")):
    @property
    def json(self):
        return json.loads(self.text) if self.text.strip() else {}

    @property
    def error(self):
        """The exception's name, as botocore finds it."""
        return (self.headers.get("x-amzn-errortype") or "").split(":")[0]

    @property
    def message(self):
        try:
            return self.json.get("message", "")
        except ValueError:
            return ""


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def canonical_query(query):
    pairs = [p.partition("=") for p in query.split("&") if p]
    return "&".join(f"{k}={v}" for k, v in sorted((k, v) for k, _, v in pairs))


def sign(method, target, headers, body, key_id, secret, region, service, now):
    """The headers to add: X-Amz-Date and Authorization. `headers` has every header to be signed."""
    path, _, query = target.partition("?")
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    signed = {k.lower(): " ".join(v.split()) for k, v in headers.items()}
    signed["x-amz-date"] = stamp
    names = sorted(signed)
    canonical = "\n".join([
        method,
        urllib.parse.quote(path, safe="/~"),  # the encoded path, encoded once more
        canonical_query(query),
        "".join(f"{n}:{signed[n]}\n" for n in names),
        ";".join(names),
        hashlib.sha256(body).hexdigest(),
    ])
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope,
                      hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return {"X-Amz-Date": stamp,
            "Authorization": f"AWS4-HMAC-SHA256 Credential={key_id}/{scope}, "
                             f"SignedHeaders={';'.join(names)}, Signature={signature}"}


class Caller:
    """Signed requests to one desk. keep=True: over one connection, which close() ends."""

    def __init__(self, host, port, key_id, secret, region, keep=False, timeout=40):
        self.host, self.port = host, port
        self.key_id, self.secret, self.region = key_id, secret, region
        self.keep, self.timeout, self.connection = keep, timeout, None

    def prepare(self, method, target, body=None, headers=None, service="iot", now=None):
        """Headers and body bytes of a signed request."""
        raw = body if isinstance(body, bytes) else b"" if body is None else \
            json.dumps(body).encode()
        all_headers = {"Host": f"{self.host}:{self.port}", **(headers or {})}
        if body is not None:
            all_headers.setdefault("Content-Type", "application/json")
        now = now or datetime.datetime.now(datetime.timezone.utc)
        all_headers.update(sign(method, target, all_headers, raw, self.key_id, self.secret,
                                self.region, service, now))
        return all_headers, raw

    def call(self, method, target, body=None, headers=None, service="iot", now=None):
        return self.send(method, target,
                         *self.prepare(method, target, body, headers, service, now))

    def send(self, method, target, headers, raw):
        """As it is given: signed well, badly or not at all."""
        if self.connection is None:
            self.connection = http.client.HTTPConnection(self.host, self.port,
                                                         timeout=self.timeout)
        try:
            self.connection.request(method, target, body=raw or None, headers=headers)
            response = self.connection.getresponse()
            text = response.read().decode("utf-8", "backslashreplace")
            names = {k.lower(): v for k, v in response.getheaders()}
            return Reply(response.status, names, text)
        finally:
            if not self.keep:
                self.close()

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None
