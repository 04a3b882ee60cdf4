// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Joining a Wi-Fi network and staying there, without waiting, and saying why not.
 *
 * The SDK under the core reconnects by itself; this begins the first connection, listens to the
 * core's events, and turns their numbers into words. With a channel and an access point's address
 * remembered (rtc.h) the first try goes straight there, which spares a scan of some seconds; if it
 * has not worked after ELO_WIFI_SHORT_MS, the network is searched for as usual.
 *
 * Life cycle: elo_wifi_begin once, elo_wifi_step in every loop(). One in a program. Nothing is
 * written to flash (WiFi.persistent(false)).
 */
#ifndef ELO_PORT_ESP8266_WIFI_H
#define ELO_PORT_ESP8266_WIFI_H

#if defined(ARDUINO) && defined(ESP8266)

#include <stdbool.h>
#include <stdint.h>

#define ELO_WIFI_SHORT_MS 4000u

struct elo_wifi_hint {
    uint8_t channel; /* 0: none */
    uint8_t bssid[6];
};

/* `ssid` NULL: the sketch sees to Wi-Fi itself, and this only watches. The texts must stay. */
void elo_wifi_begin(const char *ssid, const char *password, const struct elo_wifi_hint *hint);

/* Has an address. */
bool elo_wifi_up(void);

void elo_wifi_step(uint32_t now_ms);

/* The core's number for the last loss or failure (WiFiDisconnectReason), 0: none since the last
 * success; and in words, in flash. */
uint8_t elo_wifi_reason(void);
const char *elo_wifi_words(uint8_t reason);

/* How often a connection was lost. */
uint16_t elo_wifi_losses(void);

/* Where we are connected, for the next time. */
void elo_wifi_hint_get(struct elo_wifi_hint *out);

#endif
#endif
