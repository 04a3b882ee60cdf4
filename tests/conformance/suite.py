# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""What the conformance tests are written with: @test, a Bench to work on, connections.

A test is a function of one argument, its Bench, marked with the statements that it proves:

    @test(v3="3.12.4-1", v5="3.12.4-1")
    def ping_is_answered(b): ...

It runs once for each protocol version named and each server. `b.version` is 4 or 5. Where a server
is known to do otherwise, `b.deviates("name")` is true: the test then proves that other behaviour.
Every such name is a row of deviations.txt with its reason; a row that no test used is an error.

Nothing sleeps. To show that something does not come, a test does something whose answer comes after
it: PINGREQ here, after a PUBACK or PINGRESP there (Bench.settle).
"""
import itertools
import socket

import wire
from desk import PATIENCE


class Failure(Exception):
    """A test found the server to do what it should not."""


class Closed(Exception):
    """The server ended the connection."""


class Test:
    def __init__(self, function, statements, servers):
        self.function, self.name = function, function.__name__
        self.statements, self.servers = statements, servers
        self.module = function.__module__


TESTS = []


def test(v3="", v5="", aws="", only=()):
    """v3, v5: the statements of either specification; "-" runs it there for none of them.
    aws: a behaviour of AWS IoT Core, not of the specification; runs against elo's own limits."""
    def register(function):
        # Statement ids come as "3.1.0-1 3.1.4-1".
        statements = {4: v3.split(), 5: v5.split()}
        chosen = Test(function, statements, only)
        chosen.aws = aws
        if any(t.name == chosen.name for t in TESTS):
            raise ValueError(f"two tests are called {chosen.name}")
        TESTS.append(chosen)
        return function
    return register


class Conn:
    """One connection. Reads are strict (wire.py), and hold the server to what CONNECT said."""

    def __init__(self, bench, version, server=None):
        self.bench, self.version = bench, version
        self.socket = (server or bench.server).dial()
        self.socket.settimeout(PATIENCE)
        if self.socket.family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input, self.held, self.ended = b"", [], False
        self.ids = itertools.count(1)
        self.connack = None
        self.alias_maximum, self.receive_maximum, self.packet_maximum = 0, 65535, 1 << 28
        self.problem_information = 1
        self.unacknowledged = set()
        self.aliases = {}

    # The stream.

    def send(self, raw):
        try:
            self.socket.sendall(raw)
        except (ConnectionError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise Failure("the server does not read") from error
            self.ended = True

    def raw_rest(self):
        """The bytes until the server closes, not looked into."""
        raw = self.input
        try:
            while more := self.socket.recv(65536):
                raw += more
        except TimeoutError as error:
            raise Failure(f"not closed after {PATIENCE:.0f} s") from error
        except ConnectionError:
            pass
        return raw

    def drop(self):
        """The transport breaks: no DISCONNECT. Returns when the server has closed, too."""
        self.socket.shutdown(socket.SHUT_WR)
        self.read_all()

    def close(self):
        self.socket.close()

    def read(self):
        """The next packet; Closed when the server has ended the connection."""
        while True:
            packet, self.input = wire.split(self.input, self.version)
            if packet:
                self._judge(packet)
                return packet
            try:
                more = self.socket.recv(65536)
            except TimeoutError as error:
                raise Failure(f"nothing came for {PATIENCE:.0f} s") from error
            except ConnectionError:
                more = b""
            if not more:
                self.ended = True
                if self.input:
                    raise wire.Illegal("the connection ends in the middle of a packet")
                raise Closed
            self.input += more

    def _judge(self, packet):
        """What holds for every packet, given what this client said in CONNECT."""
        kind = packet.kind
        if (kind == wire.CONNACK) != (self.connack is None) and kind != wire.AUTH:
            raise wire.Illegal(f"[MQTT-3.2.0-1/2] {packet} where "
                               f"{'no' if self.connack else 'a'} CONNACK may come")
        if kind == wire.CONNACK:
            self.connack = packet
        if packet.size > self.packet_maximum:
            raise wire.Illegal(f"[MQTT-3.1.2-24] {packet.size} bytes are more than the maximum")
        if not self.problem_information and kind not in (wire.PUBLISH, wire.CONNACK,
                                                         wire.DISCONNECT):
            if "reason_string" in packet.props or "user" in packet.props:
                raise wire.Illegal(f"[MQTT-3.1.2-29] {packet} explains itself unasked")
        if kind == wire.PUBLISH:
            self._judge_publish(packet)

    def _judge_publish(self, packet):
        alias = packet.props.get("topic_alias")
        if alias is not None:
            if not 0 < alias <= self.alias_maximum:
                raise wire.Illegal(f"[MQTT-3.3.2-11] topic alias {alias}")
            if packet.topic:
                self.aliases[alias] = packet.topic
            packet.topic = self.aliases.get(alias, "")
        if not packet.topic:
            raise wire.Illegal("[MQTT-4.7.3-1] a PUBLISH without a topic")
        if packet.qos:
            if packet.id in self.unacknowledged and not packet.dup:
                raise wire.Illegal(f"[MQTT-2.2.1-4] packet identifier {packet.id} is in use")
            self.unacknowledged.add(packet.id)
            if len(self.unacknowledged) > self.receive_maximum:
                raise wire.Illegal(f"[MQTT-3.3.4-9] {packet}: {sorted(self.unacknowledged)} are more than "
                                   f"Receive Maximum {self.receive_maximum}")

    def expect(self, *kinds):
        """The next packet that is no PUBLISH (those are held); it must be one of these."""
        while True:
            packet = self.read()
            if packet.kind in kinds:
                return packet
            if packet.kind != wire.PUBLISH or wire.PUBLISH in kinds:
                raise Failure(f"{packet} came where {[wire.NAMES[k] for k in kinds]} should")
            self.held.append(packet)

    def read_all(self):
        """Everything until the server closes."""
        packets = []
        try:
            while True:
                packets.append(self.read())
        except Closed:
            return packets

    # What clients say.

    def hello(self, client_id="", clean=True, keep_alive=60, props=None, **more):
        """Sends CONNECT and remembers what it promised."""
        if self.version == 5:
            said = dict(p for p in (props.items() if isinstance(props, dict) else props or ())
                        if p[0] != "user")
            self.alias_maximum = said.get("topic_alias_maximum", 0)
            self.receive_maximum = said.get("receive_maximum", 65535)
            self.packet_maximum = said.get("maximum_packet", 1 << 28)
            self.problem_information = said.get("request_problem", 1)
        self.client_id = client_id
        self.send(wire.connect(self.version, client_id, clean, keep_alive, props, **more))

    def connect(self, client_id="", clean=True, keep_alive=60, props=None, **more):
        self.hello(client_id, clean, keep_alive, props, **more)
        return self.expect(wire.CONNACK)

    def new_id(self):
        return next(self.ids)

    def subscribe(self, *filters, props=None):
        """Strings (QoS 0) or (filter, options); the codes."""
        pairs = [f if isinstance(f, tuple) else (f, 0) for f in filters]
        number = self.new_id()
        self.send(wire.subscribe(self.version, number, pairs, props))
        answer = self.expect(wire.SUBACK)
        same(answer.id, number, "the SUBACK's packet identifier")
        same(len(answer.codes), len(pairs), "codes in the SUBACK")
        return answer.codes

    def unsubscribe(self, *filters, props=None):
        number = self.new_id()
        self.send(wire.unsubscribe(self.version, number, filters, props))
        answer = self.expect(wire.UNSUBACK)
        same(answer.id, number, "the UNSUBACK's packet identifier")
        same(len(answer.codes), len(filters) if self.version == 5 else 0, "codes in the UNSUBACK")
        return answer.codes

    def publish(self, topic, payload=b"", qos=0, retain=False, dup=False, props=None,
                packet_id=None):
        """Until the server has taken it: QoS 1 waits for PUBACK, QoS 2 for PUBCOMP, QoS 0 for a
        PINGRESP. Gives the acknowledgement."""
        number = (packet_id or self.new_id()) if qos else None
        self.send(wire.publish(self.version, topic, payload, qos, retain, dup, number, props))
        if qos == 0:
            self.sync()
            return None
        answer = self.expect(wire.PUBACK if qos == 1 else wire.PUBREC)
        same(answer.id, number, "the acknowledgement's packet identifier")
        if qos == 2 and answer.code < 0x80:
            self.send(wire.acknowledge(wire.PUBREL, number))
            same(self.expect(wire.PUBCOMP).id, number, "the PUBCOMP's packet identifier")
        return answer

    def sync(self):
        """PINGREQ, and everything until its answer; messages are held."""
        self.send(wire.PING)
        self.expect(wire.PINGRESP)

    def alive(self):
        """The connection goes on, whatever else is answered."""
        self.send(wire.PING)
        while self.read().kind != wire.PINGRESP:
            pass

    def acknowledge(self, message):
        if message.qos == 1:
            self.unacknowledged.discard(message.id)
            self.send(wire.acknowledge(wire.PUBACK, message.id))
        elif message.qos == 2:
            self.send(wire.acknowledge(wire.PUBREC, message.id))
            same(self.expect(wire.PUBREL).id, message.id, "the PUBREL's packet identifier")
            self.unacknowledged.discard(message.id)
            self.send(wire.acknowledge(wire.PUBCOMP, message.id))

    def message(self, acknowledge=True):
        """The next message, waited for."""
        packet = self.held.pop(0) if self.held else self.read()
        if packet.kind != wire.PUBLISH:
            raise Failure(f"{packet} came where a message should")
        if acknowledge:
            self.acknowledge(packet)
        return packet

    def messages(self, acknowledge=True):
        """Every message that has come by now (a barrier, no wait)."""
        self.sync()
        found, self.held = self.held, []
        for packet in found:
            if acknowledge:
                self.acknowledge(packet)
        return found

    def disconnect(self, code=None, props=None):
        self.send(wire.disconnect(self.version, code, props))
        same(self.read_all(), [], "what comes after DISCONNECT")

    def refused(self, *codes):
        """The server must close. In MQTT 5 it may say why first: with one of these codes, if any
        are given. Returns the reason code, or None."""
        last = None
        try:
            while True:
                packet = self.read()
                if packet.kind == wire.PUBLISH and last is None:
                    continue
                wanted = wire.CONNACK if self.connack in (None, packet) else wire.DISCONNECT
                if last is not None or self.version != 5 and not packet.codes or (
                        packet.kind != wanted or self.version != 5 and wanted != wire.CONNACK):
                    raise Failure(f"{packet} came where the server should close")
                last = packet
                if last.codes[0] < (0x80 if self.version == 5 else 1):
                    raise Failure(f"{last} is no refusal")
                if codes and last.code not in codes:
                    raise Failure(f"{last}, where a reason of "
                                  f"{', '.join(f'{c:#x}' for c in codes)} should be")
        except Closed:
            return last.code if last is not None else None


def same(have, want, what):
    if have != want:
        raise Failure(f"{what}: {have!r}, where {want!r} should be")


def true(good, what):
    if not good:
        raise Failure(what)


class Bench:
    """What one run of one test has to work with."""

    serial = itertools.count(1)

    def __init__(self, server, version, used, deviations=True):
        self.server, self.version, self.used = server, version, used
        self.deviations = deviations
        self.number = next(self.serial)
        self.conns = []
        self.names = itertools.count(1)

    v5 = property(lambda self: self.version == 5)

    def deviates(self, name):
        """Whether this server is known to do otherwise here (a row of deviations.txt)."""
        if not self.deviations or not self.server.deviates(name, self.version):
            return False
        self.used.add((self.server.name, name, self.version))
        return True

    def topic(self, rest=""):
        """A topic of this run's own."""
        return f"t{self.number}" + (f"/{rest}" if rest else "")

    def client_id(self):
        return f"c{self.number}n{next(self.names)}"

    def dial(self, version=None, server=None):
        conn = Conn(self, version or self.version, server)
        self.conns.append(conn)
        return conn

    def client(self, client_id=None, clean=True, version=None, server=None, **more):
        """A connected client."""
        conn = self.dial(version, server)
        answer = conn.connect(self.client_id() if client_id is None else client_id, clean, **more)
        same(answer.codes, [0], "the CONNACK's code")
        return conn

    def session(self, client_id, clean=False, expiry=600, props=None, **more):
        """A client whose session outlives the connection, in either version's way."""
        if self.v5:
            props = [("session_expiry", expiry), *(props or ())]
        return self.client(client_id, clean, props=props, **more)

    def settle(self, *conns):
        """When it returns, what these clients have sent is done."""
        for conn in conns:
            conn.sync()

    def retained(self, topic, qos=1):
        """What a new subscriber of exactly this topic is given."""
        with_it = self.client()
        with_it.subscribe((topic, qos))
        found = with_it.messages()
        with_it.disconnect()
        return found

    def moment(self, seconds=2):
        """So long and a half of the server's own clock: a client that is silent beyond its
        keep-alive is ended, and its will told."""
        topic = self.topic("moment")
        watch = self.client(keep_alive=0)
        watch.subscribe(topic)
        self.client(keep_alive=seconds, will=(topic, b"", 0, False))
        watch.message()

    def clean_up(self):
        for conn in self.conns:
            conn.close()
