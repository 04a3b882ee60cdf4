// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The emulated board (board.h) as the Station wants its machine (elo/station/board.h): pins,
 * sensors, time, entropy, the network, and the flash with what a restart must not lose. The images
 * `station` and `firmware` are this and an application each.
 *
 * Wi-Fi is played: what is joined is the network that the program around the emulator lends. LED
 * and relay are pins; temperature, humidity, the analog input and the button are the sensors
 * "celsius", "humidity" (in hundredths), "analog" and "button".
 */
#ifndef PORTS_QEMU_LX106_MACHINE_H
#define PORTS_QEMU_LX106_MACHINE_H

#include "elo/station/station.h"
#include "elo/store/slots.h"
#include "ports/qemu-lx106/board.h"
#include "ports/qemu-lx106/station.h"

struct machine {
    struct elo_queue queue;
    struct elo_slots slots;
};

/* Opens the flash, a file (its layout: station.h), and mounts both of its regions; errors are
 * theirs. */
ELO_MUST_USE elo_err machine_mount(struct machine *m, const char *path);

/* Members that concern set-up only are NULL, the reset is by power. `m` is kept by reference. */
void machine_board(struct elo_board *board, struct machine *m);

/* Everything of a Station's config that is the board's: board, queue, network, TLS without identity
 * and roots, buffers. `scratch` and `outbox` differ between the images and are the caller's. The
 * rest of the memory is one for the program. */
void machine_configure(struct elo_station_config *config,
                       const struct elo_board *board,
                       struct machine *m);

/* Waits for the station's link (`linked`: it has one), the serial line, or `ms`; the wire_news. */
unsigned machine_wait(struct elo_station *s, bool linked, uint32_t ms);

/* "WHAT SLUG" for a reason, and "WHAT MORE", as a line by `say`. */
typedef void machine_say(const char *what, elo_span more);
void machine_say_reason(machine_say *say, const char *what, elo_err reason);

/* What the station tells, in the words of station.h. */
void machine_say_news(machine_say *say, const struct elo_station_news *news);

#endif
