// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What survives a deep sleep: 512 bytes of the chip's RTC keep their content while it sleeps and
 * through resets, not through a loss of power. The first 128 belong to the core's updater; this
 * uses ELO_RTC_BYTES from ELO_RTC_OFFSET on, and leaves 256 to the sketch.
 *
 * Kept: the TLS session (so that the next handshake may be short), the access point's channel and
 * address (so that Wi-Fi need not scan), the time, and counters. A checksum tells whether it is
 * ours; `identity` ties the session to the endpoint and certificate it came from.
 *
 * The session holds a secret as valuable as the connection it is of. Whoever can read this memory
 * has the board in hand, and its key.
 */
#ifndef ELO_PORT_ESP8266_RTC_H
#define ELO_PORT_ESP8266_RTC_H

#if defined(ARDUINO) && defined(ESP8266)

#include "elo/tls/tls.h"

#define ELO_RTC_OFFSET 128u
#define ELO_RTC_BYTES  128u

struct elo_esp8266_rtc {
    uint32_t crc;   /* of the rest */
    uint32_t magic; /* and of the layout's version */
    uint32_t identity;
    uint32_t unix_s;     /* the time when it was saved, 0: not known */
    uint16_t sleep_s;    /* and for how long it went to sleep, capped; 0: it did not */
    uint16_t handshakes; /* since power came */
    uint16_t resumed;    /* of these */
    uint8_t bssid[6];
    uint8_t channel; /* 0: not known */
    uint8_t has_session;
    uint8_t session[sizeof(struct elo_tls_session)];
    uint8_t spare[12];
};

/* False, and `rtc` empty, when there is nothing of ours. */
bool elo_esp8266_rtc_load(struct elo_esp8266_rtc *rtc);
void elo_esp8266_rtc_save(struct elo_esp8266_rtc *rtc);

#endif
#endif
