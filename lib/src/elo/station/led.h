// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What the LED says. One pattern at a time, a pure function of pattern and time:
 *
 *     set-up          on and off, half a second each
 *     Wi-Fi           quick: five times a second
 *     time            two short flashes every second
 *     connecting      three short flashes every second (TCP, TLS, MQTT)
 *     online          what the last command said; off at first
 *     offline         one short flash every three seconds: the connection was lost, messages wait,
 *                     it will be tried again
 *     error           that many flashes, slowly, then a pause of two seconds:
 *                       2  Wi-Fi: not in sight, or the wrong password
 *                       3  network: no name, no answer, nobody there
 *                       4  time: no server gives it
 *                       5  TLS: certificates, names, keys
 *                       6  MQTT: refused by the server, a policy, the client id
 *                       7  this board: its flash, its random numbers, its memory
 *     identify        ten times a second, as long as was asked for
 */
#ifndef ELO_STATION_LED_H
#define ELO_STATION_LED_H

#include "elo/base/err.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum elo_led {
    ELO_LED_SETUP,
    ELO_LED_WIFI,
    ELO_LED_TIME,
    ELO_LED_CONNECTING,
    ELO_LED_ONLINE,
    ELO_LED_OFFLINE,
    ELO_LED_ERROR,
    ELO_LED_IDENTIFY
} elo_led;

/* Is it lit, `ms` after the pattern began? `flashes`: of ELO_LED_ERROR, 1 ... 15; of
 * ELO_LED_ONLINE, 0 or 1: the level. */
bool elo_led_is_lit(elo_led pattern, unsigned flashes, uint32_t ms);

/* The flashes of a failure, 2 ... 7; 1 for a connection that was simply lost (ELO_LED_OFFLINE), 0
 * for ELO_OK. */
unsigned elo_led_flashes(elo_err reason);

#ifdef __cplusplus
}
#endif

#endif
