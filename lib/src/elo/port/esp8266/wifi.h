// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Joining a Wi-Fi network and staying there, without waiting, and saying why not; and what setting
 * a board up wants besides: a network of its own, and who else is in the air.
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

#include "elo/setup/setup.h"
#include "elo/station/board.h"

#define ELO_WIFI_SHORT_MS 4000u

struct elo_wifi_hint {
    uint8_t channel; /* 0: none */
    uint8_t bssid[6];
};

/* `ssid` NULL: the sketch sees to Wi-Fi itself, and this only watches. The texts must stay. */
void elo_wifi_begin(const char *ssid, const char *password, const struct elo_wifi_hint *hint);

/* The radio is on, though nothing is joined. */
void elo_wifi_on(void);

/* Leaves it, and forgets why it was lost. */
void elo_wifi_end(void);

/* Has an address. */
bool elo_wifi_up(void);

/* How it stands, as the Station wants it; `out_rssi`: dBm, 0 if not known. */
elo_wifi elo_wifi_status(int *out_rssi);

/* A network of the board's own, beside the one that it joins: WPA2 with a password of 8 to 63
 * characters, on 192.168.4.1. False: the core refused. */
bool elo_wifi_host(const char *ssid, const char *password);
void elo_wifi_host_end(void);

/* Listens for networks, some seconds. Then one after the other: ELO_OK; ELO_NEED_MORE: it listens
 * still; ELO_END: that was the last. */
void elo_wifi_scan(void);
elo_err elo_wifi_heard(struct elo_setup_network *out);

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
