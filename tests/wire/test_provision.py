#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""From blank flash to telemetry: the firmware's set-up and Station behind a pseudo-terminal, `elo
add --port` at the other end, the real desk in between. The key is the board's own; what does not
work is not saved; what is saved survives the power."""
from desk import case, check, main, need
from line import Line, Person
from station import wait_seq


def board(scene):
    folder = scene.path("board")
    folder.mkdir(exist_ok=True)
    return Line(scene, ["station_board", folder])


def add(scene, desk, line, *options, name="kitchen", password="segredo-bom"):
    secret = scene.path("pass")
    secret.write_text(password + "\n")
    return scene.elo("add", name, "--data", desk.data, "--port", line.path, "--host", "127.0.0.1",
                     "--wifi", "Casa da Ana", "--wifi-pass-file", secret, "--interval", "1s",
                     *options)



@case
def from_nothing(scene):
    """blank flash, elo add --port, telemetry at a subscriber; then the power goes"""
    desk, line = scene.desk(), board(scene)
    line.wait_said("^boot set-up", "blank flash: it waits to be set up")
    laptop = desk.make_device("laptop", desk.make_policy("watcher", ("iot:*", "*")))
    sub = desk.sub(laptop, "elo/kitchen/telemetry", "-q", "1")
    result = add(scene, desk, line)
    need(result.code == 0 and result.out == "elo-4f22a1\n", "elo add --port: 0", result)
    at = line.wait_said("^restart\nboot run", "it restarts as the desk asks and runs")
    line.wait_said("^online\n(.*\n)*delivered", "it is online, telemetry is delivered", at)
    check(wait_seq(sub, 2), "and arrives at a subscriber", sub.text())
    line.end(power_cut=True)
    line = board(scene)
    at = line.wait_said("^boot run\n(.*\n)*delivered", "after a power cut it goes on by itself")
    who = Person(line)
    who.types(b"\rstatus\r")
    who.sees(rb"thing +kitchen\r\n(?s:.*)wifi: joined, -55 dBm\r\n(?s:.*)mqtt: online",
             "status, in run mode")
    who.types(b"why\r")
    who.sees(rb"Nothing has failed", "why")
    who.types(b"interval 2\r")
    who.sees(rb"saved", "interval")
    at = line.wait_said("^restart\nboot run\n(.*\n)*delivered", "saved, and it restarts", at)
    who.types(b"wifi Other wrong-pass\r")
    who.sees(rb"does not accept this passphrase", "another Wi-Fi that does not work")
    at = line.wait_said("^offline 0\n(.*\n)*online", "it goes back to the old one", at)
    who.types(b"forget yes\r")
    who.sees(rb"Forgotten", "forget")
    at = line.wait_said("^restart\n(.*\n)*boot set-up", "it is blank again", at)
    result = add(scene, desk, line, name="again")
    check(result.code == 0, "and can be added again", result)
    line.wait_said("^restart\nboot run\n(.*\n)*delivered", "and works", at)
    line.end()


@case
def bad_endings(scene):
    """what does not work is told and not saved; the key stays the same"""
    desk, line = scene.desk(), board(scene)
    result = add(scene, desk, line, password="wrong-pass")
    check(result.code == 6 and "E-WIFI-PASSPHRASE" in result.err, "wrong passphrase", result)
    result = scene.elo("add", "kitchen", "--data", desk.data, "--port", line.path, "--host",
                       "127.0.0.2", "--wifi", "A", "--wifi-pass-file", scene.path("pass"))
    check(result.code != 0, "an endpoint where nobody is", result)
    line.wait_said("^boot set-up", "nothing was saved")
    check("boot run" not in line.board_said(), "nothing was saved", line.board_said())
    result = add(scene, desk, line)
    check(result.code == 0, "then the right one", result)
    line.wait_said("^boot run\n(.*\n)*delivered", "works")
    line.end()


@case
def recovery(scene):
    """five short starts open set-up; the key and the settings stay"""
    desk, line = scene.desk(), board(scene)
    result = add(scene, desk, line)
    need(result.code == 0, "set up", result)
    at = line.wait_said("^boot run", "it runs")
    for _ in range(4):
        line.order("reset")
        at = line.wait_said("^boot run", "a short start", at)
    line.order("reset")
    line.wait_said("^boot set-up", "the fifth opens set-up", at)
    line.end(power_cut=True)
    line = board(scene)
    line.wait_said("^boot run\n(.*\n)*delivered", "nothing was lost")
    line.end()


main()
