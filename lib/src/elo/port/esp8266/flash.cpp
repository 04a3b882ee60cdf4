// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/port/esp8266/flash.h"

#if defined(ARDUINO) && defined(ESP8266)

#include <Arduino.h>
#include <flash_hal.h>

/* Behind the largest sketch: 1 MB is mapped for code, less the last sector, which the linker
 * script leaves out. */
static const uint32_t REGION = 0xFF000;

static uint32_t place(void *ctx, uint32_t at)
{
    return (uint32_t)(uintptr_t)ctx + at;
}

static elo_err read(void *ctx, uint32_t at, void *out, size_t len)
{
    return ESP.flashRead(place(ctx, at), (uint32_t *)out, len) ? ELO_OK : ELO_E_IO;
}

static elo_err program(void *ctx, uint32_t at, const void *data, size_t len)
{
    return ESP.flashWrite(place(ctx, at), (const uint32_t *)data, len) ? ELO_OK : ELO_E_IO;
}

/* Tens of milliseconds, during which the chip runs nothing else: the watchdogs allow seconds. */
static elo_err erase(void *ctx, uint32_t at)
{
    return ESP.flashEraseSector(place(ctx, at) / ELO_FLASH_SECTOR) ? ELO_OK : ELO_E_IO;
}

elo_err elo_esp8266_flash(struct elo_flash_dev *out, uint32_t offset, uint32_t size)
{
    uint32_t end = FS_PHYS_ADDR;
    uint32_t begin = REGION + offset;
    if (size % ELO_FLASH_SECTOR != 0 || offset % ELO_FLASH_SECTOR != 0 || size > end ||
        begin > end - size || end - size - begin < ELO_ESP8266_UPDATE_ROOM) {
        return ELO_E_UNSUPPORTED;
    }
    out->ctx = (void *)(uintptr_t)begin;
    out->size = size;
    out->read = read;
    out->program = program;
    out->erase = erase;
    return ELO_OK;
}

#endif
