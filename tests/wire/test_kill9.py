#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""kill -9 on the desk, two hundred times, while two clients change it. Acknowledged means durable:
after each restart everything a client has an answer for is there, and of the one request it had no
answer for, all is there or nothing.

Each client owns some things, certificates and policies, and keeps a model of them. It only asks
for what must succeed, and knows what the world looks like afterwards.
"""
import copy
import http.client
import os
import random
import signal
import sqlite3
import threading

from desk import case, check, main, need, note, policy_document

LIVES = 200
THINGS, CERTIFICATES, POLICIES = 5, 4, 3
SEED = int(os.environ.get("SEED", random.randrange(1 << 30)))


class Client(threading.Thread):
    """One life of one client: changes until the desk is gone."""

    def __init__(self, world, desk, on_answer):
        super().__init__(daemon=True)
        self.world, self.on_answer = world, on_answer
        self.caller = desk.caller()
        self.caller.keep = True
        self.fault = None

    def run(self):
        try:
            while True:
                change = self.world.choose()
                self.world.pending = change.after
                reply = self.caller.call(*change.request, headers=change.headers)
                if reply.status != 200:
                    self.fault = f"{change.request}: {reply.status} {reply.error} {reply.text}"
                    return
                self.world.state, self.world.pending = change.after, None
                self.world.answers += 1
                self.on_answer()
        except (OSError, http.client.HTTPException):
            pass  # the desk is gone; `pending` tells what was asked last
        except Exception as error:
            self.fault = repr(error)
        finally:
            self.caller.close()


class Change:
    def __init__(self, after, method, target, body=None, headers=None):
        self.after, self.request, self.headers = after, (method, target, body), headers


class World:
    """What one client owns, as it must be after every answer so far.

    state: things {name: (version, attributes)}, certificates {id: status},
    policies {name: (default, next, {version: document})}, attached {(policy, certificate id)},
    principals {(thing, certificate id)}
    """

    def __init__(self, desk, scene, letter, seed):
        self.letter, self.random = letter, random.Random(seed)
        self.answers, self.pending = 0, None
        self.arn = {}
        self.pem = {}
        for i in range(CERTIFICATES):
            cert, _ = scene.make_self_signed(f"{letter}{i}")
            identity = fingerprint(scene, cert)
            self.pem[identity], self.arn[identity] = cert.read_text(), desk.arn(f"cert/{identity}")
        self.state = {"things": {}, "certificates": {}, "policies": {}, "attached": set(),
                      "principals": set()}

    def choose(self):
        """A random change that must succeed."""
        while True:
            kind = self.random.choice([self.thing, self.thing, self.certificate, self.policy,
                                       self.policy, self.attach, self.principal])
            change = kind(copy.deepcopy(self.state))
            if change is not None:
                return change

    def thing(self, s):
        name = f"{self.letter}-{self.random.randrange(THINGS)}"
        attributes = {k: str(self.random.randrange(10**12)) for k in "xyz"}
        body = {"attributePayload": {"attributes": attributes}}
        if name not in s["things"]:
            s["things"][name] = (1, attributes)
            return Change(s, "POST", f"/things/{name}", body)
        if self.random.random() < 0.3 and not any(t == name for t, _ in s["principals"]):
            del s["things"][name]
            return Change(s, "DELETE", f"/things/{name}")
        version = s["things"][name][0]
        s["things"][name] = (version + 1, attributes)
        return Change(s, "PATCH", f"/things/{name}", {**body, "expectedVersion": version})

    def certificate(self, s):
        identity = self.random.choice(sorted(self.pem))
        status = self.random.choice(["ACTIVE", "INACTIVE", "REVOKED"])
        have = s["certificates"].get(identity)
        if have is None:
            s["certificates"][identity] = status
            return Change(s, "POST", "/certificate/register-no-ca",
                          {"certificatePem": self.pem[identity], "status": status})
        if have != "ACTIVE" and self.random.random() < 0.4 and \
                not any(c == identity for _, c in s["principals"]):
            # forceDelete takes the policies off and the certificate away: several rows at once
            del s["certificates"][identity]
            s["attached"] = {(p, c) for p, c in s["attached"] if c != identity}
            return Change(s, "DELETE", f"/certificates/{identity}?forceDelete=true")
        if have == "REVOKED":
            return None  # it stays so
        s["certificates"][identity] = status
        return Change(s, "PUT", f"/certificates/{identity}?newStatus={status}")

    def policy(self, s):
        name = f"{self.letter}-policy-{self.random.randrange(POLICIES)}"
        document = policy_document(("iot:Publish", f"arn:aws:iot:*:*:topic/"
                                                   f"{self.random.randrange(10**9)}"))
        if name not in s["policies"]:
            s["policies"][name] = ("1", 2, {"1": document})
            return Change(s, "POST", f"/policies/{name}", {"policyDocument": document})
        default, following, versions = s["policies"][name]
        others = sorted(v for v in versions if v != default)
        roll = self.random.random()
        if roll < 0.4 and len(versions) < 5:
            default = str(following) if roll < 0.2 else default
            versions[str(following)] = document
            s["policies"][name] = (default, following + 1, versions)
            set_default = "true" if roll < 0.2 else "false"
            return Change(s, "POST", f"/policies/{name}/version?setAsDefault={set_default}",
                          {"policyDocument": document})
        if others and roll < 0.6:
            s["policies"][name] = (others[0], following, versions)
            return Change(s, "PATCH", f"/policies/{name}/version/{others[0]}")
        if others:
            del versions[others[-1]]
            return Change(s, "DELETE", f"/policies/{name}/version/{others[-1]}")
        if not any(p == name for p, _ in s["attached"]):
            del s["policies"][name]
            return Change(s, "DELETE", f"/policies/{name}")
        return None

    def attach(self, s):
        if not s["policies"] or not s["certificates"]:
            return None
        pair = self.random.choice(sorted(s["policies"])), self.random.choice(
            sorted(s["certificates"]))
        s["attached"] ^= {pair}
        return Change(s, "PUT" if pair in s["attached"] else "POST",
                      f"/target-policies/{pair[0]}", {"target": self.arn[pair[1]]})

    def principal(self, s):
        if not s["things"] or not s["certificates"]:
            return None
        pair = self.random.choice(sorted(s["things"])), self.random.choice(
            sorted(s["certificates"]))
        s["principals"] ^= {pair}
        return Change(s, "PUT" if pair in s["principals"] else "DELETE",
                      f"/things/{pair[0]}/principals",
                      headers={"x-amzn-principal": self.arn[pair[1]]})

    def settle(self, actual):
        """Holds the desk's word against the model; what is wrong, or None."""
        wanted = [self.state] + ([self.pending] if self.pending is not None else [])
        if actual not in wanted:
            return "\n".join(f"{k}: desk {actual[k]}\n   model {[w[k] for w in wanted]}"
                             for k in actual if all(actual[k] != w[k] for w in wanted)
                             ) or f"a mixture of before and after: {actual}\n{wanted}"
        self.state, self.pending = actual, None
        return None


def fingerprint(scene, cert):
    out = scene.openssl("x509", "-in", cert, "-noout", "-fingerprint", "-sha256").out
    return out.split("=")[1].strip().replace(":", "").lower()


def ask(caller, method, target):
    reply = caller.call(method, target)
    if reply.status != 200:
        raise RuntimeError(f"{method} {target}: {reply.status} {reply.text}")
    return reply.json


def read_world(desk, worlds):
    """Everything on the desk, cut by owner in the shape of World.state."""
    caller = desk.caller()
    caller.keep = True
    states = {w.letter: {"things": {}, "certificates": {}, "policies": {}, "attached": set(),
                         "principals": set()} for w in worlds}
    owner = {identity: w.letter for w in worlds for identity in w.pem}
    for t in ask(caller, "GET", "/things?maxResults=250")["things"]:
        s, name = states[t["thingName"][0]], t["thingName"]
        s["things"][name] = (t["version"], t["attributes"])
        for arn in ask(caller, "GET", f"/things/{name}/principals")["principals"]:
            s["principals"].add((name, arn.rsplit("/", 1)[1]))
    for c in ask(caller, "GET", "/certificates?pageSize=250")["certificates"]:
        s = states[owner[c["certificateId"]]]
        s["certificates"][c["certificateId"]] = c["status"]
        target = c["certificateArn"].replace(":", "%3A").replace("/", "%2F")
        for p in ask(caller, "POST", f"/attached-policies/{target}")["policies"]:
            s["attached"].add((p["policyName"], c["certificateId"]))
    for p in ask(caller, "GET", "/policies?pageSize=250")["policies"]:
        name, versions, default = p["policyName"], {}, None
        for v in ask(caller, "GET", f"/policies/{name}/version")["policyVersions"]:
            number = v["versionId"]
            versions[number] = ask(caller, "GET", f"/policies/{name}/version/{number}"
                                   )["policyDocument"]
            default = number if v["isDefaultVersion"] else default
        states[name[0]]["policies"][name] = (default, versions)
    caller.close()
    return states


def with_next(actual, world):
    """The API does not tell the next version's number; the model it must fit does."""
    for name, (default, versions) in list(actual["policies"].items()):
        candidates = [w["policies"][name][1] for w in (world.state, world.pending)
                      if w is not None and name in w["policies"]]
        fitting = [n for n in candidates if all(int(v) < n for v in versions)]
        actual["policies"][name] = (default, min(fitting, default=None), versions)
    return actual


def live_and_die(scene, desk, worlds, chance):
    """Lets both clients work and kills the desk at a random moment. What went wrong, or None."""
    enough = threading.Event()
    left = [chance.randrange(1, 16)]

    def on_answer():
        left[0] -= 1
        if left[0] <= 0:
            enough.set()
    clients = [Client(w, desk, on_answer) for w in worlds]
    for c in clients:
        c.start()
    if not enough.wait(40):
        return f"no answers: {[c.fault for c in clients]}"
    threading.Event().wait(chance.random() * 0.004)  # the moment of death, not a pause
    desk.end(signal.SIGKILL)
    for c in clients:
        c.join(40)
    desk.kill()
    return next((c.fault for c in clients if c.fault), None)


@case
def two_hundred_lives(scene):
    """two clients, two hundred kills, no answer broken"""
    note(f"SEED={SEED}")
    chance = random.Random(SEED)
    desk = scene.desk()
    worlds = [World(desk, scene, letter, SEED + i) for i, letter in enumerate("ab")]
    undecided = taken = 0
    for life in range(LIVES):
        fault = live_and_die(scene, desk, worlds, chance)
        if fault:
            need(False, f"life {life}: every change succeeds until the desk is killed", fault)
        scene.processes.remove(desk)
        desk = Quiet(scene).desk()
        actual = read_world(desk, worlds)
        for w in worlds:
            undecided += w.pending is not None
            pending = w.pending
            wrong = w.settle(with_next(actual[w.letter], w))
            if wrong:
                need(False, f"life {life}: what client {w.letter} was told is there", wrong)
            taken += pending is not None and w.state == pending
    answers = sum(w.answers for w in worlds)
    check(answers >= LIVES, f"{LIVES} kills, {answers} answers, all of them kept")
    check(undecided > 0, f"{undecided} requests died without an answer; {taken} of them had been "
          "done whole, the others not at all")
    need(desk.stop() == 0, "the last life ends politely")
    look_inside(desk)


class Quiet:
    """A scene whose desks start without a line in the transcript."""

    def __init__(self, scene):
        self.scene = scene

    def desk(self):
        desk = self.scene.desk(ready=False)
        if not desk.wait_ready():
            need(False, "the desk starts after a kill", desk.text())
        return desk


def look_inside(desk):
    """SQLite's own opinion of the file, and rows that belong together."""
    db = sqlite3.connect(desk.data / "elo.db")
    verdict = db.execute("PRAGMA integrity_check").fetchall()
    check(verdict == [("ok",)], "SQLite finds the file good", verdict)
    orphans = {
        "versions without their policy":
            "SELECT count(*) FROM policy_version WHERE policy NOT IN (SELECT name FROM policy)",
        "policies without their default version":
            "SELECT count(*) FROM policy p WHERE NOT EXISTS (SELECT 1 FROM policy_version v "
            "WHERE v.policy = p.name AND v.version = p.default_version)",
        "attachments of no policy":
            "SELECT count(*) FROM policy_target WHERE policy NOT IN (SELECT name FROM policy)",
        "attachments to no certificate":
            "SELECT count(*) FROM policy_target WHERE substr(target_arn, -64) NOT IN "
            "(SELECT id FROM certificate)",
        "principals of no thing":
            "SELECT count(*) FROM thing_principal WHERE thing NOT IN (SELECT name FROM thing)",
        "principals that are no certificate":
            "SELECT count(*) FROM thing_principal WHERE substr(principal_arn, -64) NOT IN "
            "(SELECT id FROM certificate)",
    }
    for what, query in orphans.items():
        count = db.execute(query).fetchone()[0]
        check(count == 0, f"no {what}", count)
    db.close()


@case
def killed_while_starting(scene):
    """kill -9 somewhere in the first start: the next one finds nothing half-made"""
    chance = random.Random(SEED)
    for i in range(25):
        data = scene.path(f"desk-{i}")
        for _ in range(2):
            desk = scene.desk(data=data, ready=False)
            threading.Event().wait(chance.random() * 0.06)  # the moment of death, not a pause
            desk.end(signal.SIGKILL)
            desk.kill()
            if desk.noise:
                need(False, "a start that is killed says nothing strange", desk.text())
            scene.processes.remove(desk)
        desk = scene.desk(data=data, ready=False)
        if not desk.wait_ready():
            need(False, "the desk starts after it was killed while starting", desk.text())
        desk.must("POST", "/things/hello", {})
        code = desk.end()
        if code != 0 or desk.noise:
            need(False, "and ends with 0", f"{code}\n{desk.text()}")
        desk.kill()
        scene.processes.remove(desk)
    check(True, "25 folders, each killed twice in its first start, then good")


if __name__ == "__main__":
    main()
