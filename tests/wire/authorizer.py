# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""A custom authorizer and its function, which is a small server of the test's."""
import base64
import http.server
import json
import threading

POLICY = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": ["iot:Connect", "iot:Publish", "iot:Receive"], "Resource": "*"},
    {"Effect": "Allow", "Action": "iot:Subscribe", "Resource": "arn:aws:iot:*:*:topicfilter/mine/*"}]}


class Lambda(http.server.ThreadingHTTPServer):
    """What posts get is what `answer` makes of the event: (status, headers, bytes), or a dictionary.
    Events are kept."""
    daemon_threads = True

    def __init__(self, scene):
        self.events, self.answer = [], lambda event: self.yes()
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/2015-03-31/functions/function/invocations"
        threading.Thread(target=self.serve_forever, daemon=True).start()
        scene.undo.callback(self.shutdown)

    @staticmethod
    def yes(**more):
        return {"isAuthenticated": True, "principalId": "Desk01", "disconnectAfterInSeconds": 3600,
                "refreshAfterInSeconds": 600, "policyDocuments": [POLICY], **more}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        event = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.events.append(event)
        answer = self.server.answer(event)
        status, headers, body = answer if isinstance(answer, tuple) else (
            200, {}, json.dumps(answer).encode())
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def make_signer(scene):
    """(path of a private key, PEM of its public key)"""
    key = scene.path("token.key")
    scene.openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key)
    return key, scene.openssl("pkey", "-in", key, "-pubout").out


def sign(scene, key, token):
    scene.path("token").write_text(token)
    scene.openssl("dgst", "-sha256", "-sign", key, "-out", scene.path("token.sig"), scene.path("token"))
    return base64.b64encode(scene.path("token.sig").read_bytes()).decode()


def start(scene, *more):
    """A desk, its function, and the authorizer DeskAuth with signed tokens."""
    function = Lambda(scene)
    desk = scene.desk("--lambda", f"desk-auth={function.url}", *more)
    key, public = make_signer(scene)
    desk.must("POST", "/authorizer/DeskAuth", {
        "authorizerFunctionArn": f"arn:aws:lambda:{desk.region}:{desk.account}:function:desk-auth",
        "tokenKeyName": "x-token", "tokenSigningPublicKeys": {"first": public}})
    return function, desk, key
