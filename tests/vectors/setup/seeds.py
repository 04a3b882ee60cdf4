#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""Writes what the tests of set-up know as seeds into fuzz/corpus/. Run it after a change."""
import base64
import binascii
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
CORPUS = HERE.parents[2] / "fuzz/corpus"


def seed(target, name, data):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / re.sub(r"\W+", "_", name)).write_bytes(data)


def from_hex(text):
    out = b""
    for quoted, digits in re.findall(r'"([^"]*)"|([0-9a-f]+)', text):
        out += quoted.encode() if quoted else bytes.fromhex(digits)
    return out


def portal():
    name = None
    for line in (HERE / "http.txt").read_text().splitlines():
        if line.startswith("["):
            name = line[1:-1]
        elif line.startswith("hex"):
            seed("portal", name, b"\x1f" + from_hex(line[3:]))
    form = b"t=~&net=&ssid=Home&pass=segredo-bom&bundle=%7B%7D&sensor=dht22&relayPin=14&interval=60"
    # The length counts the token that stands for '~'.
    head = b"POST %s HTTP/1.1\r\nHost: 192.168.4.1\r\n%sContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
    kind = b"application/x-www-form-urlencoded"
    seed("portal", "a form", b"\xbf" + head % (b"/try", b"", kind, len(form) + 15) + form +
         b"\0GET /status HTTP/1.1\r\nHost: 192.168.4.1\r\n\r\n")
    text = whole()
    seed("portal", "a bundle", b"\xbf" + head % (b"/bundle", b"X-Elo-Token: ~\r\n", b"text/plain",
                                                 len(text)) + text)


def whole():
    return b"".join((HERE / "bundle" / n).read_bytes() for n in ("config.json", "ca.pem", "cert.pem"))


def bundle_text():
    parts = {n: (HERE / "bundle" / n).read_bytes()
             for n in ("config.json", "ca.pem", "cert.pem", "key.pem")}
    seed("bundle_text", "whole", b"\xff" + whole())
    seed("bundle_text", "with key", b"\xff" + b"".join(parts.values()))
    seed("bundle_text", "crlf", b"\xff" + whole().replace(b"\n", b"\r\n"))
    seed("bundle_text", "swapped", b"\xff==> ca.pem <==\n" + parts["cert.pem"] + b"==> cert.pem <==\n" +
         parts["ca.pem"] + parts["config.json"])
    seed("bundle_text", "unknown", b"\xff-----BEGIN FOO-----\nAAAA\n-----END FOO-----\n")
    seed("bundle_text", "settings", b'\xff{"wifiSsid":"a","wifiSsidHex":"ff00","wifiPassphrase":"12345678",'
         b'"thingName":"t","clientId":"c","host":"h","port":1,"serverName":"s","prefix":"p/q","interval":1,'
         b'"sensor":"bme280","sensorPin":4,"sclPin":5,"relayPin":null,"ledPin":2,"buttonPin":0}')
    stored = b"ELO\x01\x00\x04\x09\x02\x00\x0a"
    seed("bundle_text", "stored", b"\xff" + stored + binascii.crc32(stored).to_bytes(4, "big"))


def console():
    text = whole()
    frames = [b"hello 1", b"csr 0", b"csr 120", b"begin %d %08x" % (len(text), binascii.crc32(text))]
    frames += [b"put %d " % i + base64.b64encode(text[i:i + 120]) for i in range(0, len(text), 120)]
    frames += [b"end", b"commit", b"result", b"restart"]
    seed("console", "a session", b"\x40~" + b"~~".join(frames) + b"~")
    seed("console", "a person", b"\x05help\rscan\nwifi \"Casa da Ana\" wrong-pass\r\nwhy\rwifi X\rabcdefgh\r"
         b"interval 10\rset sensor dht22\rstatus\rforget yes\rreset\r\x1b[A\x08\x7f\x15\x03")
    seed("console", "rubbish", b"\x11\x1c\x00\x82l\x9c|\x00\x8c$\xe2\x0c\xff elo> 0007 1 hello 1 *00000000\r\n")


def dns():
    name = b"\x01a\x02bc\x00"
    for kind in (1, 28, 255, 65):
        seed("dns", f"type {kind}", b"\xff\x12\x34\x01\x00\x00\x01" + bytes(6) + name + bytes([0, kind, 0, 1]))
    seed("dns", "edns", b"\xff\x12\x34\x01\x00\x00\x01" + bytes(5) + b"\x01" + name + b"\0\x01\0\x01" +
         b"\0\0\x29" + bytes(8))
    seed("dns", "update", b"\xff\x12\x34\x28\x00\x00\x01" + bytes(6) + name + b"\0\x06\0\x01")


portal()
bundle_text()
console()
dns()
