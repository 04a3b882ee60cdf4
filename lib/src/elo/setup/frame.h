// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The machine's half of the serial line: how `elo add --port` and a board talk, and the frames they
 * do it in. The board's side is console.h, the desk's cli/add_port.c.
 *
 * A frame is one line of text, at most ELO_FRAME_MAX bytes with its end:
 *
 *     elo> NONCE SEQ WORDS *CRC\r\n        desk to board
 *     elo< NONCE SEQ WORDS *CRC\r\n        board to desk
 *
 *   NONCE  four hex digits that the desk makes up for a session
 *   SEQ    decimal, the request's number; its answer has the same
 *   CRC    CRC-32 in eight hex digits over everything from "elo" to the blank before '*'
 *
 * A frame begins at the last "elo>" (or "elo<") of a line, so rubbish before it - a boot message at
 * another speed, half an earlier line - does no harm. A line that is no whole frame is passed over
 * without a word. The line is 115200 baud, 8N1, no flow control; a frame fits a board's receive
 * buffer of 256 bytes, and there is one on its way at a time.
 *
 * The desk asks, the board answers each request once. No answer in a second: the desk asks again,
 * with the same SEQ. All requests may be repeated without harm.
 *
 *     hello 1          -> board 1 ID FIRMWARE key|nokey     a session begins; 1: this protocol
 *     csr OFFSET       -> csr OFFSET TOTAL BASE64           a piece of the signing request (DER)
 *                         wait                              the key is being made: ask again
 *     begin TOTAL CRC  -> next 0                            a bundle text follows; CRC-32 of it all
 *     put OFFSET BASE64-> next OFFSET                       where to go on: a piece that came twice
 *                                                           or too early changes nothing
 *     end              -> good | bad NUMBER WORDS           is it whole, is it a bundle?
 *     commit           -> testing STAGE                     the board tries it
 *     result           -> testing STAGE | saving | saved | failed NUMBER WORDS
 *     restart          -> bye
 *     anything in a session that the board does not know (it was reset)  -> lost
 *     anything it cannot do now                                          -> no NUMBER WORDS
 *
 * `lost` makes the desk begin again with `hello` and another nonce. NUMBER is an elo_err; WORDS are
 * for people and go to the end. The key never travels: the board made it and keeps it.
 */
#ifndef ELO_SETUP_FRAME_H
#define ELO_SETUP_FRAME_H

#include "elo/base/span.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ELO_FRAME_MAX      240u
#define ELO_FRAME_PIECE    120u /* bytes of a bundle or CSR in one frame */
#define ELO_FRAME_EDGES    34u  /* what a frame has besides its words, at most */
#define ELO_FRAME_PROTOCOL 1u

struct elo_frame {
    uint16_t nonce;
    uint32_t seq;
    elo_span words; /* in the line */
};

/* '>' or '<': whose frame. Is this line (without its end) one? */
bool elo_frame_read(elo_span line, char direction, struct elo_frame *out);

/* The frame with CR and LF; its length, 0 if `cap` is too small or the words too long. The words
 * may lie in `out`. */
size_t elo_frame_write(const struct elo_frame *frame, char direction, char *out, size_t cap);

/* Cuts the next word off `rest`; empty at the end. */
elo_span elo_frame_word(elo_span *rest);

/* A word as a number; false if it is none. */
bool elo_frame_number(elo_span word, uint32_t *out);

#ifdef __cplusplus
}
#endif

#endif
