#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""kill -9 on the desk under QoS 1 load, five hundred times (KILLS=N: as many). Acknowledged means
durable: every message with a PUBACK comes to every persistent session that had subscribed, in the
order in which it was published; no session, subscription or retained message that was acknowledged
is lost, and none that was taken away comes back.

Several desks are killed at a time, each with clients of its own: publishers that keep a window of
messages on their way, sessions that are now and then connected, and one that changes its mind.
After each kill some of the sessions are emptied and held against what they are owed; the others
keep their messages over further kills.
"""
import itertools
import os
import random
import signal
import struct
import threading
import time

from desk import Failure, PATIENCE, case, check, main, need, note
from mqtt import (CONNACK, CONNECT, PINGREQ, PINGRESP, PUBACK, PUBLISH, SUBACK, SUBSCRIBE, UNSUBACK,
                  UNSUBSCRIBE, Client, Closed, packet, text)

KILLS = int(os.environ.get("KILLS", 500))
WORLDS = 4  # desks at a time
SESSIONS, PUBLISHERS, WINDOW = 4, 2, 10
MINDS = [f"mind/{n}" for n in range(8)]
SEED = int(os.environ.get("SEED", random.randrange(1 << 30)))


class Session:
    """A persistent session as it must be, by what its client was answered."""

    def __init__(self, name):
        self.name, self.topics = name, {f"to/{name}", "all"}
        self.there = self.subscribed = False
        self.owed, self.seen, self.latest = set(), set(), {}

    def takes(self, payload):
        """A message came. What is wrong with it, or None."""
        publisher, number = payload.decode().split(":")
        token = publisher, int(number)
        if token in self.seen:
            return None  # at least once
        self.seen.add(token)
        self.owed.discard(token)
        before, self.latest[publisher] = self.latest.get(publisher, -1), token[1]
        return (f"{self.name}: {token} came after number {before}" if token[1] < before else None)


class Publisher(threading.Thread):
    """Keeps WINDOW messages unacknowledged until the desk is gone."""

    def __init__(self, world, name, on_ack):
        super().__init__(daemon=True)
        self.world, self.name_, self.on_ack, self.fault = world, name, on_ack, None
        self.random = random.Random(world.chance.random())

    def choose(self):
        """(topic, retain)"""
        roll = self.random.random()
        if roll < 0.1:
            return f"kept/{self.name_}", True
        if roll < 0.3:
            return "all", False
        return f"to/{self.random.choice(self.world.sessions).name}", False

    def run(self):
        try:
            with self.world.client() as client:
                client.connect(f"{self.name_}-{self.world.life}")
                self.publish_for_ever(client)
        except (Closed, OSError):
            pass  # the desk is gone
        except Exception as error:
            self.fault = repr(error)

    def publish_for_ever(self, client):
        waiting = []  # (packet id, number, topic, owed to), in order
        while True:
            while len(waiting) < WINDOW:
                number = self.world.next_number(self.name_)
                topic, retain = self.choose()
                owed_to = [s for s in self.world.sessions if s.subscribed and topic in s.topics]
                waiting.append((client.packet_id(), number, topic, owed_to))
                if retain:
                    self.world.retained_sent[topic] = number
                client.send(packet(PUBLISH, 2 | retain, text(topic) + waiting[-1][0] +
                                   f"{self.name_}:{number}".encode()))
            kind, _, body = client.read()
            packet_id, number, topic, owed_to = waiting.pop(0)
            if kind != PUBACK or body != packet_id:
                raise AssertionError(f"{kind} {body} instead of the PUBACK {packet_id}")
            self.world.acknowledged(self.name_, number, topic, owed_to)
            self.on_ack()


class Listener(threading.Thread):
    """A session that is connected while the desk dies."""

    def __init__(self, world, session):
        super().__init__(daemon=True)
        self.world, self.session, self.fault = world, session, None

    def run(self):
        try:
            with self.world.client() as client:
                self.world.attach(client, self.session)
                while self.fault is None:
                    topic, payload, *_ = client.message()
                    with self.world.lock:
                        self.fault = self.session.takes(payload)
        except (Closed, OSError):
            pass
        except Exception as error:
            self.fault = repr(error)


class Fickle(threading.Thread):
    """Subscribes and unsubscribes, one filter after the other: `wants` is what the desk agreed to
    last, `doubt` the filter that it was asked about and has not answered for."""

    def __init__(self, world):
        super().__init__(daemon=True)
        self.world, self.fault = world, None

    def run(self):
        try:
            with self.world.client() as client:
                _, present = client.connect("fickle", clean=False)
                if self.world.fickle_there and not present:
                    self.fault = "fickle: the session is gone"
                    return
                self.world.fickle_there = True
                self.change_for_ever(client)
        except (Closed, OSError):
            pass
        except Exception as error:
            self.fault = repr(error)

    def change_for_ever(self, client):
        for topic in itertools.cycle(MINDS):
            self.change(client, topic)

    def change(self, client, topic):
        subscribe = topic not in self.world.wants
        self.world.doubt = topic
        kind, answer = (SUBSCRIBE, SUBACK) if subscribe else (UNSUBSCRIBE, UNSUBACK)
        client.send(packet(kind, 2, client.packet_id() + text(topic) +
                           (b"\1" if subscribe else b"")))
        client.expect(answer)
        self.world.wants ^= {topic}
        self.world.doubt = None


class World(threading.Thread):
    """One desk with its clients, killed over and over."""

    def __init__(self, scene, number, kills):
        super().__init__(daemon=True)
        self.scene, self.number, self.kills = scene, number, kills
        self.chance = random.Random(SEED + number)
        self.lock = threading.Lock()
        self.sessions = [Session(f"s{i}") for i in range(SESSIONS)]
        self.numbers, self.retained_sent, self.retained_acked = {}, {}, {}
        self.wants, self.doubt, self.fickle_there, self.minds_checked = set(), None, False, 0
        self.life = self.acks = self.delivered = 0
        self.fault = self.desk = None
        self.slowest = 0.0

    # What the clients tell.

    def client(self):
        return Client("127.0.0.1", self.port, None)

    def next_number(self, publisher):
        self.numbers[publisher] = self.numbers.get(publisher, 0) + 1
        return self.numbers[publisher]

    def acknowledged(self, publisher, number, topic, owed_to):
        with self.lock:
            self.acks += 1
            if topic.startswith("kept/"):
                self.retained_acked[topic] = number
            for session in owed_to:
                if (publisher, number) not in session.seen:
                    session.owed.add((publisher, number))

    def attach(self, client, session):
        code, present = client.connect(session.name, clean=False)
        if code != 0 or (session.there and not present):
            raise AssertionError(f"{session.name}: the session is gone (code {code})")
        session.there = True
        if not session.subscribed:
            client.subscribe(*[(topic, 1) for topic in sorted(session.topics)])
            session.subscribed = True

    # One life.

    def start_desk(self):
        begin = time.monotonic()
        self.desk = self.scene.desk("--plain-port", "0",
                                    data=self.scene.path(f"desk-{self.number}"), ready=False)
        if not self.desk.wait_ready():
            raise Failure(f"the desk does not start after a kill:\n{self.desk.text()}")
        self.slowest = max(self.slowest, time.monotonic() - begin)
        self.port = int(self.desk.endpoints["mqtt"].rsplit(":", 1)[1])

    def drain(self, session):
        """Empties the session and holds it against what it is owed."""
        with self.client() as client:
            self.attach(client, session)
            while True:  # what an acknowledgement makes room for stands before the PINGRESP
                client.send(packet(PINGREQ, 0, b""))
                came = 0
                while True:
                    kind, flags, body = client.read()
                    if kind == PINGRESP:
                        break
                    came += 1
                    length = struct.unpack(">H", body[:2])[0]
                    client.send(packet(PUBACK, 0, body[2 + length:4 + length]))
                    wrong = session.takes(body[4 + length:])
                    if wrong:
                        raise Failure(wrong)
                if came == 0:
                    break
                self.delivered += came
        if session.owed:
            raise Failure(f"{session.name} never got {len(session.owed)} acknowledged messages: "
                          f"{sorted(session.owed)[:5]}")

    def check_retained(self):
        with self.client() as client:
            client.connect(f"reader-{self.life}")
            for topic, number in self.retained_acked.items():
                client.subscribe((topic, 1))
                _, payload, _, retained, _ = client.message()
                has = int(payload.decode().split(":")[1])
                if not retained or not number <= has <= self.retained_sent[topic]:
                    raise Failure(f"{topic} retains {has}, acknowledged was {number}")

    def check_fickle(self):
        if not self.fickle_there:
            return
        with self.client() as client, self.client() as other:
            _, present = client.connect("fickle", clean=False)
            other.connect(f"asker-{self.life}")
            for topic in MINDS:
                other.publish(topic, str(self.life).encode(), qos=1)
            client.send(packet(PINGREQ, 0, b""))
            has = set()
            while (got := client.read())[0] != PINGRESP:
                length = struct.unpack(">H", got[2][:2])[0]
                client.send(packet(PUBACK, 0, got[2][2 + length:4 + length]))
                if int(got[2][4 + length:]) == self.life:  # else of a check before, once more
                    has.add(got[2][2:2 + length].decode())
        if not present or (has ^ self.wants) - {self.doubt}:
            raise Failure(f"fickle was told {sorted(self.wants)}, asked about {self.doubt}, has "
                          f"{sorted(has)}, session present: {present}")
        self.minds_checked += len(MINDS) - (self.doubt is not None)
        self.wants, self.doubt = has, None

    def live_and_die(self):
        enough = threading.Event()
        left = [self.chance.randrange(1, 200)]

        def on_ack():
            left[0] -= 1
            if left[0] <= 0:
                enough.set()
        online = [s for s in self.sessions if self.chance.random() < 0.4]
        clients = [Publisher(self, f"p{i}", on_ack) for i in range(PUBLISHERS)]
        clients += [Listener(self, s) for s in online] + [Fickle(self)]
        for c in clients:
            c.start()
        came = enough.wait(PATIENCE)
        threading.Event().wait(self.chance.random() * 0.004)  # the moment of death, not a pause
        self.desk.end(signal.SIGKILL)
        for c in clients:
            c.join(PATIENCE)
        self.desk.kill()
        faults = [c.fault for c in clients if c.fault]
        if faults or not came:
            raise Failure(f"life {self.life}: {faults or 'no acknowledgements'}\n"
                          f"{self.desk.text()}")
        if self.desk.noise:
            raise Failure(f"life {self.life}: {self.desk.text()}")
        self.scene.processes.remove(self.desk)

    def inspect(self, everything=False):
        self.check_fickle()
        for session in self.sessions:
            if everything or not session.subscribed or self.chance.random() < 0.4:
                self.drain(session)
        self.check_retained()

    def run(self):
        try:
            for self.life in range(self.kills):
                self.start_desk()
                self.inspect()
                self.live_and_die()
            self.life += 1
            self.start_desk()
            self.inspect(everything=True)
        except (Failure, AssertionError, Closed, OSError) as error:
            self.fault = f"desk {self.number}, life {self.life}: {error!r}"
            if self.desk is not None:
                self.fault += "\n" + self.desk.text()[-2000:]


@case
def killed_under_load(scene):
    """QoS 1 to persistent sessions, and kill -9 at any moment"""
    note(f"SEED={SEED}")
    begin = time.monotonic()
    worlds = [World(scene, i, (KILLS + WORLDS - 1 - i) // WORLDS) for i in range(WORLDS)]
    for w in worlds:
        w.start()
    for w in worlds:
        w.join()
    for w in worlds:
        need(w.fault is None, f"desk {w.number}: {w.kills} kills, {w.acks} PUBACKs, all of them "
             f"kept; slowest start {w.slowest:.2f} s", w.fault)
    check(sum(w.delivered for w in worlds) > KILLS, f"{sum(w.acks for w in worlds)} messages "
          f"acknowledged, {sum(w.delivered for w in worlds)} found stored after a kill, "
          f"{sum(w.kills for w in worlds)} kills in {time.monotonic() - begin:.0f} s")
    minds = sum(w.minds_checked for w in worlds)
    check(minds > KILLS, f"{minds} times a filter was, or was not, subscribed as was last agreed")
    for w in worlds:
        need(w.desk.stop() == 0, "the last life ends politely")


def in_crowds(port, count, speak):
    """speak(client, number) for so many clients, a few hundred connected at a time."""
    for start in range(0, count, 250):
        crowd = [(n, Client("127.0.0.1", port, None)) for n in range(start, min(start + 250, count))]
        for answers in speak:
            for n, client in crowd:
                client.send(answers[0](n))
            for n, client in crowd:
                client.expect(answers[1])
        for _, client in crowd:
            client.close()


@case
def ten_thousand(scene):
    """10,000 retained messages and 10,000 persistent sessions: ready after less than 2 s of work"""
    many = 10000
    options = ["--plain-port", "0", "--limit", "retained-messages=20000", "--limit",
               "throttles=none", "--log-level", "info"]
    desk = scene.desk(*options)
    port = int(desk.endpoints["mqtt"].rsplit(":", 1)[1])
    in_crowds(port, many, [
        (lambda n: packet(CONNECT, 0, text("MQTT") + b"\x04\x00\x00\x3c" + text(f"client-{n}")),
         CONNACK),
        (lambda n: packet(SUBSCRIBE, 2, b"\0\1" + text(f"to/{n}") + b"\1"), SUBACK)])
    with Client("127.0.0.1", port, None) as client:
        client.connect("writer")
        for n in range(many):
            client.send(packet(PUBLISH, 3, text(f"kept/{n}") + struct.pack(">H", n + 1) + b"x" * 100))
            client.send(packet(PUBLISH, 2, text(f"to/{n}") + struct.pack(">H", n + 20001) + b"y" * 100))
            if n % 50 == 49:
                for _ in range(100):
                    client.expect(PUBACK)
    desk.end(signal.SIGKILL)
    desk.kill()
    scene.processes.remove(desk)
    begin = time.monotonic()
    desk = scene.desk(*options, ready=False)
    need(desk.wait_ready(), "the desk starts again", desk.text())
    took, used = time.monotonic() - begin, desk.cpu()
    check(used < 2, f"ready {took:.2f} s after the start, {used:.2f} s of them at work, with {many} "
          "of both", used)
    with Client("127.0.0.1", int(desk.endpoints["mqtt"].rsplit(":", 1)[1]), None) as client:
        code, present = client.connect("client-9876", clean=False)
        check((code, present) == (0, True), "a session is there", (code, present))
        check(client.message()[:2] == ("to/9876", b"y" * 100), "and its message")
        client.subscribe(("kept/1234", 1))
        check(client.message()[:2] == ("kept/1234", b"x" * 100), "and a retained one")
    need(desk.stop() == 0, "it ends politely")


if __name__ == "__main__":
    main()
