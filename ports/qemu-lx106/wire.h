// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What the emulated board and the program around it (ports/posix/emulator.h) say to each other,
 * over the descriptors 0 and 1 of the emulator. It is what a chip has beside its CPU, cut down to
 * calls: network, serial line, pins, sensors, and the passing of time while the CPU waits.
 *
 * The board asks, the program answers; one question is open at a time, so neither side needs a
 * queue and what happens in between does not depend on who is faster. Both messages are
 *
 *      op or status (1)   arg (1)   length (2, little-endian)   payload (length)
 *
 * Numbers in payloads are little-endian. An elo_err travels as 4 bytes.
 *
 *   op           arg       payload          answer: arg   payload
 *   WAIT         interest  milliseconds 4   news          milliseconds passed 4, unix time 4
 *   NET_OPEN               port 2, host                   elo_err
 *   NET_STEP                                              elo_err
 *   NET_GIVE_UP                                           elo_err
 *   NET_SEND               bytes                          elo_err, taken 2
 *   NET_RECV               room 2                         elo_err, bytes
 *   NET_FINISH, NET_CLOSE
 *   NET_ADDRESS                                           text
 *   SERIAL_OUT             bytes
 *   SERIAL_IN              room 2                         bytes
 *   PIN          pin       value 4
 *   SENSOR                 name             known         value 4
 *
 * WAIT ends early with news. The answer's status is the op of its question.
 */
#ifndef PORTS_QEMU_LX106_WIRE_H
#define PORTS_QEMU_LX106_WIRE_H

enum { WIRE_HEAD = 4, WIRE_PAYLOAD_MAX = 1500 };

enum wire_op {
    WIRE_WAIT = 'W',
    WIRE_NET_OPEN = 'O',
    WIRE_NET_STEP = 'T',
    WIRE_NET_GIVE_UP = 'G',
    WIRE_NET_SEND = 'S',
    WIRE_NET_RECV = 'R',
    WIRE_NET_FINISH = 'F',
    WIRE_NET_CLOSE = 'C',
    WIRE_NET_ADDRESS = 'A',
    WIRE_SERIAL_OUT = 'P',
    WIRE_SERIAL_IN = 'K',
    WIRE_PIN = 'D',
    WIRE_SENSOR = 'V'
};

/* What a WAIT asks to be woken for, and is told. NET_UP is only told. */
enum wire_news { WIRE_CAN_SEND = 1, WIRE_CAN_RECEIVE = 2, WIRE_SERIAL = 4, WIRE_NET_UP = 8 };

#endif
