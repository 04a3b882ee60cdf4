# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""One scenario for every client library: what a user of AWS IoT Core does with it.

Each library has a puppet: a program that is given a JSON file (where to connect, as whom) and then
does what it is told, one JSON object a line, and tells what happens, one JSON object a line.

    {"do": "connect", "id": ..., "clean": ..., "will": {"topic", "payload"}}   connected | failed
    {"do": "subscribe", "filter": ...}                                         subscribed | refused
    {"do": "publish", "topic": ..., "payload": ..., "qos": ..., "retain": ...} published | refused
    {"do": "disconnect"}                                                       disconnected

and without being asked {"event": "message", ...} and {"event": "lost", "why": ...}. The other side is
tests/wire/mqtt.py on a connection of its own.
"""
import json
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "wire"))

import mqtt  # noqa: E402
from desk import check, need, note  # noqa: E402

NODE_MODULES = HERE.parent.parent / "build" / "clients" / "node_modules"


class Puppet:
    def __init__(self, scene, argv, config):
        path = scene.path(f"puppet-{len(scene.processes)}.json")
        path.write_text(json.dumps(config))
        # What the libraries do not give back when they end is not ours to judge.
        asan = ":".join(filter(None, (scene.env.get("ASAN_OPTIONS"), "detect_leaks=0")))
        env = {"NODE_PATH": str(NODE_MODULES), "NODE_EXTRA_CA_CERTS": config["ca"],
               "ASAN_OPTIONS": asan}
        self.process = scene.start(*argv, path, env=env, stdin=subprocess.PIPE)
        self.seen, self.told = 0, []

    def tell(self, do, **fields):
        self.process.popen.stdin.write(json.dumps({"do": do, **fields}) + "\n")
        self.process.popen.stdin.flush()

    def _next(self, events):
        lines = self.process.lines
        self.told += [json.loads(line) for line in lines[self.seen:] if line.startswith("{")]
        self.seen = len(lines)
        found = next((told for told in self.told if told["event"] in events), None)
        if found:
            self.told.remove(found)
        return found

    def wait(self, *events):
        """The first of these events that nobody has waited for yet."""
        told = self.process.wait_for(lambda: self._next(events))
        if told is None:
            need(False, f"the client tells: {' or '.join(events)}", self.process.text())
        return told

    def do(self, command, *events, **fields):
        self.tell(command, **fields)
        return self.wait(*events)

    def connect(self, client_id, clean=True, **fields):
        told = self.do("connect", "connected", "failed", id=client_id, clean=clean, **fields)
        need(told["event"] == "connected", f"{client_id} connects", told)
        return told

    def messages(self, count):
        return [(m["topic"], m["payload"], m["qos"], bool(m["retain"]))
                for m in (self.wait("message") for _ in range(count))]

    def kill(self):
        self.process.popen.kill()
        self.process.wait_end()

    def end(self):
        self.process.popen.stdin.close()
        code = self.process.wait_end()
        check(code == 0, "the client's program ends with 0", f"{code}\n{self.process.text()}")


def make_identities(desk, name):
    """A device that may do what is its own, and an observer that may do everything."""
    desk.make_policy(
        f"p-{name}", ("iot:Connect", desk.arn(f"client/{name}*")),
        (["iot:Publish", "iot:RetainPublish", "iot:Receive"], desk.arn(f"topic/lab/{name}/*")),
        ("iot:Subscribe", desk.arn(f"topicfilter/lab/{name}/*")))
    desk.make_policy(f"o-{name}", ("iot:*", "*"))
    return (desk.make_device(name, f"p-{name}"),
            desk.make_device(f"observer-{name}", f"o-{name}", thing=False))


def configuration(desk, device, version, transport):
    """What a puppet is told. transport: mtls (8883), alpn (8443 as 443), wss (SigV4), custom (an
    authorizer's token, on 8443 as 443)."""
    return {"host": "localhost", "ca": str(desk.ca), "cert": str(device.cert),
            "key": str(device.key), "version": version, "transport": transport,
            "port": desk.mqtts_port if transport == "mtls" else desk.https_port,
            "region": desk.region, "keyId": desk.key_id, "secret": desk.secret}


class Scenario:
    """Run one puppet through everything.

    tells_refusals: whether the library tells what a PUBACK says; tells_session: whether it tells
    that a session was resumed. more: goes into the puppet's configuration."""

    def __init__(self, scene, argv, version, transport="mtls", tells_refusals=True,
                 tells_session=True, desk=None, **more):
        self.tells_refusals, self.tells_session = tells_refusals, tells_session
        self.scene, self.argv, self.version, self.transport = scene, argv, version, transport
        self.desk = desk or scene.desk()
        self.name = "dev"
        self.device, self.watcher = make_identities(self.desk, self.name)
        self.config = {**configuration(self.desk, self.device, version, transport), **more}
        self.observer = mqtt.client_of(self.desk, self.watcher)
        self.observer.connect("observer")

    def puppet(self, **changes):
        return Puppet(self.scene, self.argv, {**self.config, **changes})

    def topic(self, rest):
        return f"lab/{self.name}/{rest}"

    def run(self):
        self.both_ways()
        self.retained()
        self.persistent_session()
        self.will()
        if self.transport != "wss":  # its principal is the account, which may do everything
            self.denied_publish()
            self.denied_connect()
        else:
            self.bad_signature()
        self.observer.disconnect()

    def both_ways(self):
        p = self.puppet()
        p.connect(self.name)
        told = p.do("subscribe", "subscribed", filter=self.topic("in"))
        check(told["qos"] == 1, "SUBACK grants QoS 1", told)
        for qos in (0, 1):
            self.observer.publish(self.topic("in"), f"down {qos}".encode(), qos)
        self.observer.publish(self.topic("in"), "é\n".encode() * 1000, 1)
        got = p.messages(3)
        want = [(self.topic("in"), f"down {q}", q, False) for q in (0, 1)]
        check(got[:2] == want and got[2][1] == "é\n" * 1000, "messages come down", got)
        check(self.observer.subscribe((self.topic("out"), 1)) == [1], "the observer listens")
        for qos in (0, 1):
            p.do("publish", "published", topic=self.topic("out"), payload=f"up {qos}", qos=qos)
        got = [self.observer.message()[:3] for _ in "01"]
        check(got == [(self.topic("out"), f"up {q}".encode(), q) for q in (0, 1)],
              "messages go up", got)
        p.do("disconnect", "disconnected")
        p.end()

    def retained(self):
        p = self.puppet()
        p.connect(self.name)
        p.do("publish", "published", topic=self.topic("kept"), payload="kept", qos=1, retain=True)
        self.observer.subscribe((self.topic("kept"), 1))
        got = self.observer.message()
        check(got[:4] == (self.topic("kept"), b"kept", 1, True), "it is retained for others", got)
        p.do("subscribe", "subscribed", filter=self.topic("kept"))
        got = p.messages(1)
        check(got == [(self.topic("kept"), "kept", 1, True)], "and for itself", got)
        p.do("disconnect", "disconnected")
        p.end()

    def persistent_session(self):
        p = self.puppet()
        told = p.connect(self.name, clean=False)
        check(not told["session"], "the first connection finds no session", told)
        p.do("subscribe", "subscribed", filter=self.topic("queue"))
        p.do("disconnect", "disconnected")
        p.end()
        for n in range(3):
            self.observer.publish(self.topic("queue"), b"%d" % n, 1)
        p = self.puppet()
        told = p.connect(self.name, clean=False)
        check(told["session"] or not self.tells_session, "the second connection resumes it", told)
        got = p.messages(3)
        check([m[1] for m in got] == ["0", "1", "2"], "what waited comes, in order", got)
        p.do("disconnect", "disconnected")
        p.end()

    def will(self):
        self.observer.subscribe((self.topic("will"), 1))
        p = self.puppet()
        p.connect(self.name, will={"topic": self.topic("will"), "payload": "gone"})
        p.kill()
        got = self.observer.message()
        check(got[:2] == (self.topic("will"), b"gone"), "its will is published when it dies", got)

    def denied_publish(self):
        p = self.puppet()
        p.connect(self.name)
        told = p.do("publish", "refused", "lost", "published", topic="not/allowed", payload="x",
                    qos=1)
        note(f"a publish that is denied: {told}")
        self.desk.expect_record("the publish is denied", status="Failure", eventType="Publish-In",
                                clientId=self.name)
        if self.version == 5:
            if self.tells_refusals:
                check(told["event"] == "refused" and told.get("code") == 0x87,
                      "a denied publish is answered 87", told)
            else:
                check(told["event"] == "published", "the library does not look at PUBACK's code")
            p.do("publish", "published", topic=self.topic("out"), payload="after", qos=1)
            check(self.observer.message()[1] == b"after", "and the connection goes on")
        else:
            if told["event"] == "refused":  # the library fails the publish, then tells of the end
                told = p.wait("lost")
            check(told["event"] == "lost", "a denied publish ends the connection", told)
        p.kill()

    def denied_connect(self):
        p = self.puppet()
        told = p.do("connect", "connected", "failed", id="somebody-else", clean=True)
        note(f"a connect that is denied: {told}")
        check(told["event"] == "failed", "a client id that is not allowed does not connect", told)
        if self.version == 5 and "code" in told:
            check(told["code"] == 0x87, "CONNACK 87", told)
        p.kill()

    def bad_signature(self):
        self.does_not_connect("a signature that is wrong", secret="not the secret")

    def does_not_connect(self, what, **changes):
        p = self.puppet(**changes)
        told = p.do("connect", "connected", "failed", id=self.name, clean=True)
        note(f"{what}: {told}")
        check(told["event"] == "failed", f"{what} does not connect", told)
        p.kill()


def node():
    found = shutil.which("node")
    need(found, "node is there (tools/setup all)")
    need(NODE_MODULES.is_dir(), f"{NODE_MODULES} is there (tests/clients/install)")
    return found
