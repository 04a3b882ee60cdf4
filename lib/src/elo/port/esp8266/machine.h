// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What the chip and the core give besides the network: random bytes, the time, files.
 *
 * Random bytes come from the chip's generator, which is fed by the noise of the radio's receiver;
 * with the radio off it is much weaker, so ask after Wi-Fi was switched on. Elo mixes what it gets
 * (the TLS engine's HMAC-DRBG), with the chip's cycle counter beside it.
 *
 * Time comes from the core's SNTP client (configTime), which asks in the background every hour.
 * Until a first answer, and if it says something before ELO_TLS_CLOCK_FLOOR, the time is not known:
 * 0. Nothing waits for it.
 */
#ifndef ELO_PORT_ESP8266_MACHINE_H
#define ELO_PORT_ESP8266_MACHINE_H

#if defined(ARDUINO) && defined(ESP8266)

#include "elo/base/err.h"
#include "elo/base/span.h"
#include "elo/station/board.h"

/* As link.h and client.h want them; `ctx` is not used. */
elo_err elo_esp8266_entropy(void *ctx, uint8_t *out, size_t len);
uint32_t elo_esp8266_random(void *ctx);
uint32_t elo_esp8266_now_unix(void *ctx);

/* Begins to ask for the time, of up to three servers (NULL: none); the names must stay. */
void elo_esp8266_ask_time(const char *server1, const char *server2, const char *server3);

/* The time is known from elsewhere, e.g. from before a sleep: until a server says better. */
void elo_esp8266_set_time(uint32_t unix_s);

/*
 * The whole of a LittleFS file. The file system must be mounted.
 * ELO_E_NOT_FOUND; ELO_E_NO_SPACE: longer than `cap`; ELO_E_IO
 */
elo_err elo_esp8266_read_file(const char *path, uint8_t *out, size_t cap, size_t *out_len);

/* The chip began to run because a deep sleep was over. */
bool elo_esp8266_woke(void);

/* Why the chip began to run, as the station wants it. */
elo_reset elo_esp8266_reset(void);

/* Why the chip began to run, in words, in flash. */
const char *elo_esp8266_reset_words(void);

#endif
#endif
