// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/station/led.h"

#define FLASH_MS 80u /* a short flash */

/* `count` short flashes, one every `gap` ms, from the start of each `period` on. */
static bool is_flash(uint32_t ms, uint32_t period, unsigned count, uint32_t gap)
{
    uint32_t at = ms % period;
    return at / gap < count && at % gap < FLASH_MS;
}

bool elo_led_is_lit(elo_led pattern, unsigned flashes, uint32_t ms)
{
    switch (pattern) {
    case ELO_LED_SETUP:
        return ms % 1000 < 500;
    case ELO_LED_WIFI:
        return ms % 200 < 100;
    case ELO_LED_TIME:
        return is_flash(ms, 1000, 2, 200);
    case ELO_LED_CONNECTING:
        return is_flash(ms, 1000, 3, 200);
    case ELO_LED_ONLINE:
        return flashes != 0;
    case ELO_LED_OFFLINE:
        return is_flash(ms, 3000, 1, 200);
    case ELO_LED_ERROR: {
        uint32_t at = ms % (flashes * 500u + 2000u);
        return at / 500 < flashes && at % 500 < 250;
    }
    case ELO_LED_IDENTIFY:
        return ms % 100 < 50;
    }
    return false;
}

unsigned elo_led_flashes(elo_err reason)
{
    if (reason >= ELO_OK) {
        return 0;
    }
    switch (reason) {
    case ELO_E_TCP_CLOSED:
    case ELO_E_PING_TIMEOUT:
    case ELO_E_ACK_TIMEOUT:
    case ELO_E_SERVER_GONE:
        return 1;
    case ELO_E_CLOCK:
        return 4;
    case ELO_E_ENTROPY:
    case ELO_E_CORRUPT:
    case ELO_E_NO_MEMORY:
    case ELO_E_NO_SPACE:
        return 7;
    default:
        break;
    }
    if (reason <= ELO_E_DNS && reason > ELO_E_CLOCK) {
        return 3;
    }
    if (reason < ELO_E_CLOCK && reason > ELO_E_CONNACK_VERSION) {
        return 5;
    }
    if (reason <= ELO_E_CONNACK_VERSION && reason > ELO_E_IO) {
        return 6;
    }
    return reason <= ELO_E_IO ? 7 : 6;
}
