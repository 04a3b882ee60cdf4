// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/port/esp8266/rtc.h"

#if defined(ARDUINO) && defined(ESP8266)

#include <Arduino.h>
#include <coredecls.h>

static_assert(sizeof(struct elo_esp8266_rtc) == ELO_RTC_BYTES, "fills its place");

static const uint32_t MAGIC = 0x456c6f01; /* "Elo", layout 1 */

static uint32_t checksum(const struct elo_esp8266_rtc *rtc)
{
    return crc32((const uint8_t *)rtc + sizeof rtc->crc, sizeof *rtc - sizeof rtc->crc);
}

bool elo_esp8266_rtc_load(struct elo_esp8266_rtc *rtc)
{
    /* The core counts in words. */
    if (ESP.rtcUserMemoryRead(ELO_RTC_OFFSET / 4, (uint32_t *)rtc, sizeof *rtc) &&
        rtc->magic == MAGIC && rtc->crc == checksum(rtc)) {
        return true;
    }
    memset(rtc, 0, sizeof *rtc);
    return false;
}

void elo_esp8266_rtc_save(struct elo_esp8266_rtc *rtc)
{
    rtc->magic = MAGIC;
    rtc->crc = checksum(rtc);
    ESP.rtcUserMemoryWrite(ELO_RTC_OFFSET / 4, (uint32_t *)rtc, sizeof *rtc);
}

#endif
