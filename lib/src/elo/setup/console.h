// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The serial line: words for a person, frames for `elo add --port` (frame.h is their manual).
 *
 * Purpose
 *   Bytes in, bytes out; what is asked for becomes a wish of the shared engine (setup.h). A line
 *   editor with echo and backspace; CR, LF and CRLF end a line; up to ELO_CONSOLE_LINE_MAX bytes,
 *   longer ones are refused. What is typed as a passphrase, when asked for one, shows as stars.
 *   Rubbish is borne: a line with bytes that nobody types is passed over without an answer.
 *
 *     help                     these commands
 *     status                   who the board is, where it connects, what went wrong last
 *     why                      the reason of the last failure
 *     scan                     networks in reach
 *     wifi NAME [PASSPHRASE]   tries the network, then saves it; asks for what is not given.
 *                              "Names with blanks" stand in quotes
 *     interval SECONDS         between telemetry
 *     set NAME VALUE           any setting of settings.h: set sensor dht22
 *                              What the connection hangs on is tried first
 *     reset                    restarts the board
 *     forget yes               erases Wi-Fi and certificates, not the board's key
 *
 * Use:  n bytes came:     elo_console_input(&c, bytes, now)
 *       from time to time elo_console_tick(&c, now): says how a test goes
 *       room to send:     elo_console_output(&c, buf, cap), until it gives nothing
 *
 * While frames come (and ELO_CONSOLE_QUIET_MS after) nothing is echoed. Frames are never echoed. If
 * output is not taken, it is dropped: a person sees less, a desk asks again.
 *
 * Memory: struct elo_console, some 700 bytes; no other buffers. English only.
 */
#ifndef ELO_SETUP_CONSOLE_H
#define ELO_SETUP_CONSOLE_H

#include "elo/setup/frame.h"
#include "elo/setup/setup.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ELO_CONSOLE_LINE_MAX 240u
#define ELO_CONSOLE_QUIET_MS 5000u

struct elo_console {
    struct elo_setup *setup;
    struct {
        uint32_t last_four, quiet_until;
        uint32_t begin_seq, commit_seq, total, crc, got, got_crc;
        uint16_t nonce, out_len, out_at;
        uint8_t len, shown, escape, asking, listing, row, said_state, said_stage;
        bool cut, noisy, after_cr, quiet, in_session, begun, committed, ended, listening;
        elo_err end_result;
        char line[ELO_CONSOLE_LINE_MAX];
        char out[384];
    } _internal;
};

/* Says who it is. */
void elo_console_init(struct elo_console *c, struct elo_setup *setup);

void elo_console_input(struct elo_console *c, elo_span bytes, uint32_t now);
void elo_console_tick(struct elo_console *c, uint32_t now);
size_t elo_console_output(struct elo_console *c, uint8_t *buf, size_t cap);

/* A line of the owner's for the person at the terminal: a log. Dropped while frames are exchanged
 * or if there is no room. */
void elo_console_say(struct elo_console *c, elo_span line);

#ifdef __cplusplus
}
#endif

#endif
