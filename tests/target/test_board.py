#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""The emulated board itself: it starts, it finds faults out, its flash, clock and serial line work,
and what the plugin counts is what was done."""
from lx106 import EXCEPTION, POWER, STACK, Board, check, symbol
from desk import case, main


@case
def starts(scene):
    """an application runs, and its exit code is the emulator's"""
    board = Board(scene)
    check(board.run("faults", "exit").code == 7, "the application's exit code comes through")
    check(board.run("faults", "arithmetic").code == 0, "what the ROM computes is right")
    check(board.run("faults", "nonsense").code == 2, "arguments arrive")
    check(board.run("faults", "a,b").code == 2, "also with commas in them")


@case
def exceptions(scene):
    """a fault ends the program, with its cause and address"""
    board = Board(scene)
    for what, text in (("unaligned", "unaligned load or store, cause 00000009"),
                       ("unmapped", "no such address, cause 0000000f"),
                       ("illegal", "illegal instruction, cause 00000000")):
        result = board.run("faults", what)
        check(result.code == EXCEPTION and text in result.err, f"{what}: {result.err.strip()}",
              result)
        pc = int(result.err.split("pc ")[1].split(",")[0], 16)
        check(symbol("faults", pc) == what, f"the program counter is in {what}()", hex(pc))
    check("address 20000000" in board.run("faults", "unmapped").err, "the address is told")
    result = board.run("faults", "stack")
    check(result.code == STACK and "the stack has grown" in result.err,
          "a stack that grows over its end is found", result)


@case
def clock_and_serial(scene):
    """waiting passes time, computing too; the serial line carries both ways; pins; sensors"""
    board = Board(scene)
    result = board.run("faults", "time")
    check(result.code == 0, f"time passes: {result.out.strip()}", result)
    fast = board.run("faults", "time", options=["--speed", "1000"])
    check(fast.code == 0, f"and a thousand times faster: {fast.out.strip()}", fast)
    result = board.run("faults", "echo", stdin="hello\n")
    check(result.code == 0 and result.out == "hello\n", "a line comes back", result)
    check("pin 2 1\n" in result.err, "a pin is switched", result.err)


@case
def flash(scene):
    """bits fall, an erase lifts them, and the file keeps them"""
    board = Board(scene)
    path = scene.path("flash.bin")
    result = board.run("faults", "flash-device", path)
    check(result.code == 0, "the flash device keeps the rules of NOR", result)
    data = path.read_bytes()
    check(len(data) == 8192 and data[4104:4108] == bytes.fromhex("0f0fff00") and
          data[:4096] == b"\xff" * 4096, "the file has what was programmed", data[4100:4112].hex())
    result = board.run("faults", "flash-device", path, "cut")
    data = path.read_bytes()
    check(result.code == POWER and data[4112:4120] == bytes.fromhex("11111111" "ff22ffff"),
          "power that is cut leaves one word half done", (result, data[4112:4120].hex()))
    check(board.run("faults", "flash-device", scene.path("no/such")).code == 1,
          "a file that cannot be had is said to be so")


@case
def counting(scene):
    """what the chip would not bear is counted, with its place"""
    board = Board(scene)
    for what, expected in (("flash-words", [0, 0, 0]), ("flash-bytes", [5, 0, 0]),
                           ("flash-stores", [0, 1, 0]), ("stray", [0, 0, 1])):
        result, counts = board.run("faults", what, count=True)
        check(result.code == 0 and counts.misuse() == expected,
              f"{what}: narrow flash loads, flash stores, strays: {counts.misuse()}", result)
        names = {symbol("faults", pc) for pc, _, _ in counts.places}
        check(names == ({what.replace("-", "_")} if any(expected) else set()),
              f"in {', '.join(names) or 'no place'}")
    first = board.run("faults", "arithmetic", count=True)[1].numbers["instructions"]
    again = board.run("faults", "arithmetic", count=True)[1].numbers["instructions"]
    check(first == again and first > 100, f"the same program costs the same: {first}", again)


main()
