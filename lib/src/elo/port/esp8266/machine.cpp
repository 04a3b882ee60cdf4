// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/port/esp8266/machine.h"

#if defined(ARDUINO) && defined(ESP8266)

#include "elo/tls/tls.h"

#include <Arduino.h>
#include <LittleFS.h>
#include <sys/time.h>
#include <time.h>

extern "C" {
#include <user_interface.h>
}

elo_err elo_esp8266_entropy(void *ctx, uint8_t *out, size_t len)
{
    (void)ctx;
    for (size_t i = 0; i < len; i++) {
        /* The generator wants time between two readings; a word for each byte gives it. */
        out[i] = (uint8_t)(RANDOM_REG32 ^ (RANDOM_REG32 >> 8) ^ ESP.getCycleCount());
    }
    return ELO_OK;
}

uint32_t elo_esp8266_random(void *ctx)
{
    (void)ctx;
    return RANDOM_REG32;
}

uint32_t elo_esp8266_now_unix(void *ctx)
{
    (void)ctx;
    time_t now = time(nullptr);
    return now >= (time_t)ELO_TLS_CLOCK_FLOOR ? (uint32_t)now : 0;
}

void elo_esp8266_ask_time(const char *server1, const char *server2, const char *server3)
{
    configTime(0, 0, server1, server2, server3);
}

void elo_esp8266_set_time(uint32_t unix_s)
{
    struct timeval now = {};
    now.tv_sec = (time_t)unix_s;
    settimeofday(&now, nullptr);
}

elo_err elo_esp8266_read_file(const char *path, uint8_t *out, size_t cap, size_t *out_len)
{
    *out_len = 0;
    File file = LittleFS.open(path, "r");
    if (!file) {
        return ELO_E_NOT_FOUND;
    }
    size_t size = file.size();
    elo_err err = size > cap ? ELO_E_NO_SPACE : ELO_OK;
    if (err == ELO_OK && file.read(out, size) != (int)size) {
        err = ELO_E_IO;
    }
    file.close();
    *out_len = err == ELO_OK ? size : 0;
    return err;
}

bool elo_esp8266_woke(void)
{
    return ESP.getResetInfoPtr()->reason == REASON_DEEP_SLEEP_AWAKE;
}

elo_reset elo_esp8266_reset(void)
{
    switch (ESP.getResetInfoPtr()->reason) {
    case REASON_DEFAULT_RST:
        return ELO_RESET_POWER;
    case REASON_EXT_SYS_RST:
        return ELO_RESET_PIN;
    case REASON_SOFT_RESTART:
        return ELO_RESET_SOFTWARE;
    case REASON_WDT_RST:
    case REASON_SOFT_WDT_RST:
        return ELO_RESET_WATCHDOG;
    case REASON_EXCEPTION_RST:
        return ELO_RESET_CRASH;
    case REASON_DEEP_SLEEP_AWAKE:
        return ELO_RESET_WAKE;
    default:
        return ELO_RESET_UNKNOWN;
    }
}

const char *elo_esp8266_reset_words(void)
{
    switch (ESP.getResetInfoPtr()->reason) {
    case REASON_DEFAULT_RST:
        return PSTR("power came on");
    case REASON_WDT_RST:
        return PSTR("the hardware watchdog bit: something kept interrupts off, or hung");
    case REASON_EXCEPTION_RST:
        return PSTR("the program crashed");
    case REASON_SOFT_WDT_RST:
        return PSTR("the watchdog bit: loop() did not return or yield for seconds");
    case REASON_SOFT_RESTART:
        return PSTR("restarted by the program");
    case REASON_DEEP_SLEEP_AWAKE:
        return PSTR("woke from deep sleep");
    case REASON_EXT_SYS_RST:
        return PSTR("the reset button or pin");
    default:
        return PSTR("not known");
    }
}

#endif
