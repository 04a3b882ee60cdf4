// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A piece of the board's flash chip for elo/store, safe from everything else that lives there.
 *
 * How the core divides the chip (boards with 4 MB; offsets into the chip):
 *
 *     0x000000   the boot loader's and the sketch's: at most up to 0x0FF000
 *     0x0FF000   *** this region ***
 *     ...        free. An over-the-air update is written here first, so that it ends at FS
 *     FS         LittleFS: the choice "FS:..." in the IDE says how large; ends at 0x3FA000
 *     0x3FB000   EEPROM, 0x3FC000 radio calibration, 0x3FD000 ... the SDK's own settings
 *
 * The region begins where no sketch can reach, and ends before the largest update that it leaves
 * room for: 0x0FF000 + size + ELO_ESP8266_UPDATE_ROOM <= FS. Uploading a sketch, a file system or
 * an update leaves it alone; "erase flash: all" does not.
 *
 * It needs a gap before FS. "4MB (FS:2MB OTA:~1019KB)", which is what most boards are set to, and
 * "4MB (FS:1MB ...)" have it; "4MB (FS:3MB ...)" and boards with 1 or 2 MB have not.
 */
#ifndef ELO_PORT_ESP8266_FLASH_H
#define ELO_PORT_ESP8266_FLASH_H

#if defined(ARDUINO) && defined(ESP8266)

#include "elo/store/flash.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The largest over-the-air update that never touches the region: 768 KB. */
#define ELO_ESP8266_UPDATE_ROOM 0xC0000u

/*
 * A device of `size` bytes, a multiple of ELO_FLASH_SECTOR, that begins `offset` bytes (likewise)
 * into the region, so that several may lie side by side.
 *
 * ELO_E_UNSUPPORTED  the flash layout has no room for it: choose another in the IDE
 */
ELO_MUST_USE elo_err elo_esp8266_flash(struct elo_flash_dev *out, uint32_t offset, uint32_t size);

#ifdef __cplusplus
}
#endif

#endif
#endif
