# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""The virtual device as tests see it: the lines it prints, its telemetry at a subscriber, and the
rule that an outage leaves no gap."""
import json
import signal

from desk import PATIENCE, check, need

# A device that was alone for long waits up to a minute before it tries again (full jitter, so also
# no time at all), and its handshake comes after that.
BACKOFF_PATIENCE = 61 + PATIENCE

SEQ = r'^MSG \S+/telemetry 1 [01] .*"seq":(\d+)[,}]'


def run(scene, bundle, *options):
    return scene.start_elo("device", "--bundle", bundle, "--interval", "1s", *options)


def wait_online(device, since=0):
    need(device.wait_line("^online ", since, BACKOFF_PATIENCE), "the device is online",
         device.text(since))


def seqs(subscriber):
    """The sequence numbers of the telemetry that mosquitto_sub has printed, in order."""
    return [int(m[1]) for m in subscriber.matching(SEQ)]


def heard(subscriber):
    """The same of a subscriber whose broker has gone, which ends it: mosquitto_sub, on its way to
    connect again, may not hear a SIGTERM."""
    subscriber.kill()
    return seqs(subscriber)


def wait_seq(subscriber, number, patience=PATIENCE):
    """Waits until telemetry with this sequence number has come."""
    return subscriber.wait_for(lambda: number in seqs(subscriber), patience)


def made(device):
    """The number of the newest telemetry the device says it has made."""
    return max([int(m[1]) for m in device.matching(r'^telemetry .*"seq":(\d+)')], default=0)


def queued(device, since):
    """Telemetry made while offline, from line number `since` on."""
    pattern = r'^telemetry .*"seq":(\d+).*\(queued: offline\)'
    return [int(m[1]) for m in device.matching(pattern, since)]


def check_unbroken(numbers, first, last, what):
    """QoS 1: every number from first to last, in order. One may come again (its PUBACK was lost),
    but none is skipped and none comes after a later one for the first time."""
    highest = first - 1
    for n in numbers:
        if n > highest + 1:
            check(False, f"{what}: {first} to {last} without a gap", numbers)
            return
        highest = max(highest, n)
    check(highest >= last, f"{what}: {first} to {last} in order, without a gap "
          f"({len(numbers)} messages)", numbers)


def command(fields):
    return json.dumps(fields, separators=(",", ":"))


def freeze(device):
    """Holds the device still while the subscriber of the second half takes its place: what is
    delivered before anyone listens, nobody could count."""
    device.send_signal(signal.SIGSTOP)


def thaw(device):
    device.send_signal(signal.SIGCONT)
