#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""Writes every vector of this folder as a seed: fuzz/corpus/mqtt5_decode/ for those of v5_*.txt,
fuzz/corpus/mqtt_decode/ for the others.

A seed is named after its vector's bytes, so that running this again changes nothing. Vectors over
1 KiB are left out: a fuzzer finds no new path in the 65,000th byte of a run, and pays for each.
"""
import hashlib
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
CORPUS = HERE.parents[2] / "fuzz" / "corpus"
TOKEN = re.compile(r'"([^"]*)"|([0-9a-fA-F]{2})(?:\*(\d+))?|\s+|(.)')


def parse_hex(text):
    out = b""
    for quoted, pair, times, wrong in TOKEN.findall(text):
        if wrong:
            raise ValueError(f"not hex: {text}")
        out += bytes.fromhex(pair) * int(times or 1) if pair else quoted.encode("ascii")
    return out


def vectors(path):
    """The (name, bytes) pairs of a vector file."""
    found = []
    for line in path.read_text(encoding="ascii").splitlines():
        if line.startswith("["):
            found.append([line[1:-1], b""])
        elif line.split()[:1] == ["hex"]:
            found[-1][1] += parse_hex(line[3:])
    return found


def main():
    for path in sorted(HERE.glob("*.txt")):
        corpus = CORPUS / ("mqtt5_decode" if path.name.startswith("v5_") else "mqtt_decode")
        corpus.mkdir(parents=True, exist_ok=True)
        for _, data in vectors(path):
            if len(data) <= 1024:
                (corpus / hashlib.sha1(data).hexdigest()[:16]).write_bytes(data)


if __name__ == "__main__":
    main()
