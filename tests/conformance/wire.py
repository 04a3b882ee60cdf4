# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""MQTT 3.1.1 and 5 on the wire, written from the OASIS specifications and nothing else.

Encoding is permissive: every builder can be told to build what no client may send. Decoding is
strict: a packet of the server's that breaks the format in any way is an `Illegal`, whatever test
happens to read it. So each test that reads a packet also holds the server to chapters 2 and 3.
"""
import struct

(CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK, UNSUBSCRIBE,
 UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH) = range(1, 16)
NAMES = dict(enumerate(
    "CONNECT CONNACK PUBLISH PUBACK PUBREC PUBREL PUBCOMP SUBSCRIBE SUBACK UNSUBSCRIBE UNSUBACK "
    "PINGREQ PINGRESP DISCONNECT AUTH".split(), 1))

# Properties of MQTT 5: identifier -> (name, form, packets of a server that may carry it).
PROPERTIES = {
    0x01: ("payload_format", "byte", {PUBLISH}),
    0x02: ("message_expiry", "u32", {PUBLISH}),
    0x03: ("content_type", "text", {PUBLISH}),
    0x08: ("response_topic", "text", {PUBLISH}),
    0x09: ("correlation_data", "data", {PUBLISH}),
    0x0B: ("subscription_id", "varint", {PUBLISH}),
    0x11: ("session_expiry", "u32", {CONNACK}),  # [MQTT-3.14.2-2]: never in a server's DISCONNECT
    0x12: ("assigned_client_id", "text", {CONNACK}),
    0x13: ("server_keep_alive", "u16", {CONNACK}),
    0x15: ("auth_method", "text", {CONNACK, AUTH}),
    0x16: ("auth_data", "data", {CONNACK, AUTH}),
    0x17: ("request_problem", "byte", set()),
    0x18: ("will_delay", "u32", set()),
    0x19: ("request_response", "byte", set()),
    0x1A: ("response_information", "text", {CONNACK}),
    0x1C: ("server_reference", "text", {CONNACK, DISCONNECT}),
    0x1F: ("reason_string", "text", {CONNACK, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK,
                                     DISCONNECT, AUTH}),
    0x21: ("receive_maximum", "u16", {CONNACK}),
    0x22: ("topic_alias_maximum", "u16", {CONNACK}),
    0x23: ("topic_alias", "u16", {PUBLISH}),
    0x24: ("maximum_qos", "byte", {CONNACK}),
    0x25: ("retain_available", "byte", {CONNACK}),
    0x26: ("user", "pair", {CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK,
                            DISCONNECT, AUTH}),
    0x27: ("maximum_packet", "u32", {CONNACK}),
    0x28: ("wildcard_available", "byte", {CONNACK}),
    0x29: ("subscription_id_available", "byte", {CONNACK}),
    0x2A: ("shared_available", "byte", {CONNACK}),
}
BY_NAME = {name: (key, form) for key, (name, form, _) in PROPERTIES.items()}

# The reason codes that the specification gives each packet of a server.
CODES = {
    CONNACK: {0, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90,
              0x95, 0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F},
    PUBACK: {0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99},
    PUBREC: {0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99},
    PUBREL: {0, 0x92},
    PUBCOMP: {0, 0x92},
    SUBACK: {0, 1, 2, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2},
    UNSUBACK: {0, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91},
    DISCONNECT: {0, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94,
                 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1,
                 0xA2},
    AUTH: {0, 0x18},
}


class Illegal(Exception):
    """The server sent what the specification forbids."""


# --- encoding ------------------------------------------------------------------------------------


def varint(value):
    out = b""
    while True:
        value, digit = divmod(value, 128)
        out += bytes([digit | (0x80 if value else 0)])
        if not value:
            return out


def data(value):
    raw = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
    return struct.pack(">H", len(raw)) + raw


text = data


def u16(value):
    return struct.pack(">H", value)


def packet(kind, flags, body):
    return bytes([kind << 4 | flags]) + varint(len(body)) + body


def properties(pairs):
    """[(name, value)...], a dict, or bytes that are taken as they are (with their length)."""
    if isinstance(pairs, bytes):
        return pairs
    body = b""
    for name, value in pairs.items() if isinstance(pairs, dict) else pairs or ():
        key, form = BY_NAME[name]
        body += bytes([key]) + {
            "byte": lambda v: bytes([v]), "u16": u16, "u32": lambda v: struct.pack(">I", v),
            "varint": varint, "text": data, "data": data,
            "pair": lambda v: data(v[0]) + data(v[1])}[form](value)
    return varint(len(body)) + body


def connect(version, client_id="", clean=True, keep_alive=60, props=None, will=None, user=None,
            password=None, name="MQTT", level=None, flags=None, tail=b""):
    """will: (topic, payload, qos, retain[, properties]). flags: instead of what follows from it."""
    payload = data(client_id)
    bits = 2 if clean else 0
    if will is not None:
        topic, message, qos, retain = will[:4]
        bits |= 4 | qos << 3 | (32 if retain else 0)
        payload += properties(will[4] if len(will) > 4 else None) if version == 5 else b""
        payload += data(topic) + data(message)
    if user is not None:
        bits |= 128
        payload += data(user)
    if password is not None:
        bits |= 64
        payload += data(password)
    head = data(name) + bytes([version if level is None else level,
                               bits if flags is None else flags]) + u16(keep_alive)
    return packet(CONNECT, 0, head + (properties(props) if version == 5 else b"") + payload + tail)


def publish(version, topic, payload=b"", qos=0, retain=False, dup=False, packet_id=None,
            props=None):
    body = data(topic) + (u16(packet_id) if packet_id is not None else b"")
    body += properties(props) if version == 5 else b""
    flags = (8 if dup else 0) | qos << 1 | (1 if retain else 0)
    return packet(PUBLISH, flags, body + (payload if isinstance(payload, bytes)
                                          else payload.encode()))


def subscribe(version, packet_id, filters, props=None, flags=2):
    body = u16(packet_id) + (properties(props) if version == 5 else b"")
    return packet(SUBSCRIBE, flags, body + b"".join(data(f) + bytes([o]) for f, o in filters))


def unsubscribe(version, packet_id, filters, props=None, flags=2):
    body = u16(packet_id) + (properties(props) if version == 5 else b"")
    return packet(UNSUBSCRIBE, flags, body + b"".join(map(data, filters)))


def acknowledge(kind, packet_id, code=None):
    return packet(kind, 2 if kind == PUBREL else 0,
                  u16(packet_id) + (b"" if code is None else bytes([code])))


def disconnect(version, code=None, props=None):
    if version != 5 or code is None:
        return packet(DISCONNECT, 0, b"")
    return packet(DISCONNECT, 0, bytes([code]) + (b"" if props is None else properties(props)))


PING = packet(PINGREQ, 0, b"")


# --- decoding what a server sends ----------------------------------------------------------------


class Reader:
    def __init__(self, raw):
        self.raw, self.at = raw, 0

    def take(self, count):
        if self.at + count > len(self.raw):
            raise Illegal("a packet ends in the middle of a field")
        piece = self.raw[self.at:self.at + count]
        self.at += count
        return piece

    def left(self):
        return len(self.raw) - self.at

    def rest(self):
        return self.take(self.left())

    def byte(self):
        return self.take(1)[0]

    def u16(self):
        return struct.unpack(">H", self.take(2))[0]

    def u32(self):
        return struct.unpack(">I", self.take(4))[0]

    def varint(self):
        value = 0
        for shift in (0, 7, 14, 21):
            digit = self.byte()
            value |= (digit & 0x7F) << shift
            if not digit & 0x80:
                if shift and not digit:
                    raise Illegal("[MQTT-1.5.5-1] a variable byte integer longer than needed")
                return value
        raise Illegal("a variable byte integer of more than four bytes")

    def data(self):
        return self.take(self.u16())

    def text(self):
        raw = self.data()
        try:
            value = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Illegal(f"[MQTT-1.5.4-1] not UTF-8: {raw!r}") from error
        if "\0" in value:
            raise Illegal("[MQTT-1.5.4-2] U+0000 in a string")
        return value

    def pair(self):
        return self.text(), self.text()

    def properties(self, kind):
        """{name: value}; user properties are a list of pairs, subscription ids a list."""
        inner, found = Reader(self.take(self.varint())), {}
        while inner.left():
            key = inner.varint()
            name, form, allowed = PROPERTIES.get(key, (None, None, ()))
            if kind not in allowed:
                raise Illegal(f"property {key:#x} ({name}) in a server's {NAMES[kind]}")
            value = getattr(inner, form)()
            if name in ("user", "subscription_id"):
                found.setdefault(name, []).append(value)
            elif name in found:
                raise Illegal(f"property {name} twice")
            else:
                found[name] = value
        return found


class Packet:
    """What a server sent. `props` is {} where there are none."""

    def __init__(self, first, body, version):
        self.kind, self.flags, self.props, self.codes = first >> 4, first & 15, {}, []
        self.size = 1 + len(varint(len(body))) + len(body)
        self.version = version
        reader = Reader(body)
        parse = {CONNACK: self._connack, PUBLISH: self._publish, PUBACK: self._ack,
                 PUBREC: self._ack, PUBREL: self._ack, PUBCOMP: self._ack, SUBACK: self._suback,
                 UNSUBACK: self._unsuback, PINGRESP: self._nothing, DISCONNECT: self._disconnect,
                 AUTH: self._disconnect}.get(self.kind)
        if parse is None or version != 5 and self.kind in (DISCONNECT, AUTH):
            raise Illegal(f"a server may not send packet type {self.kind}")
        wanted = 2 if self.kind == PUBREL else 0
        if self.kind != PUBLISH and self.flags != wanted:
            raise Illegal(f"[MQTT-2.2.2-1] flags {self.flags:04b} in {NAMES[self.kind]}")
        parse(reader)
        if reader.left():
            raise Illegal(f"{reader.left()} bytes too many in {NAMES[self.kind]}")
        allowed = CODES.get(self.kind, set()) if version == 5 else (
            {CONNACK: set(range(6)), SUBACK: {0, 1, 2, 0x80}}.get(self.kind, {0}))
        if any(code not in allowed for code in self.codes):
            raise Illegal(f"reason codes {self.codes} in {NAMES[self.kind]}")

    def _properties(self, reader):
        if self.version == 5:
            self.props = reader.properties(self.kind)

    def _nothing(self, reader):
        pass

    def _connack(self, reader):
        flags = reader.byte()
        if flags > 1:
            raise Illegal(f"[MQTT-3.2.2-1] CONNACK flags {flags:#x}")
        self.session_present = bool(flags)
        self.codes = [reader.byte()]
        if self.version == 5 and not (reader.left() == 0 and self.codes[0]):
            self._properties(reader)
        if self.codes[0] and flags:
            raise Illegal("[MQTT-3.2.2-4/6] session present in a refusal")

    def _publish(self, reader):
        self.dup, self.qos = bool(self.flags & 8), self.flags >> 1 & 3
        self.retain = bool(self.flags & 1)
        if self.qos == 3:
            raise Illegal("[MQTT-3.3.1-4] QoS 3")
        if self.dup and not self.qos:
            raise Illegal("[MQTT-3.3.1-2] DUP with QoS 0")
        self.topic = reader.text()
        if set(self.topic) & set("#+"):
            raise Illegal("[MQTT-3.3.2-2] a wildcard in a topic name")
        self.id = reader.u16() if self.qos else None
        if self.id == 0:
            raise Illegal("[MQTT-2.3.1-1] packet identifier 0")
        self._properties(reader)
        self.payload = reader.rest()

    def _ack(self, reader):
        self.id, self.codes = reader.u16(), [0]
        if self.version == 5 and reader.left():
            self.codes = [reader.byte()]
            if reader.left():
                self._properties(reader)

    def _suback(self, reader):
        self.id = reader.u16()
        self._properties(reader)
        self.codes = list(reader.rest())

    def _unsuback(self, reader):
        self.id = reader.u16()
        if self.version == 5:
            self._suback(Reader(u16(self.id) + reader.rest()))

    def _disconnect(self, reader):
        self.codes = [0]
        if reader.left():
            self.codes = [reader.byte()]
            if reader.left():
                self._properties(reader)

    @property
    def code(self):
        return self.codes[0]

    def __repr__(self):
        shown = {k: v for k, v in vars(self).items() if k not in ("kind", "version", "flags")}
        return f"{NAMES[self.kind]} {shown}"


def split(stream, version):
    """(packet or None, what is left) of the bytes that came so far."""
    length = 0
    for at in range(1, 5):
        if len(stream) <= at:
            return None, stream
        length |= (stream[at] & 0x7F) << 7 * (at - 1)
        if not stream[at] & 0x80:
            break
    else:
        raise Illegal("a remaining length of more than four bytes")
    if at > 1 and not stream[at]:
        raise Illegal("[MQTT-1.5.5-1] a remaining length longer than needed")
    end = at + 1 + length
    if len(stream) < end:
        return None, stream
    return Packet(stream[0], stream[at + 1:end], version), stream[end:]
