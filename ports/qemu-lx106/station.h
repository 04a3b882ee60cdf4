// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What the image `station` (station.c) and who runs it (`elo device --emulate`) agree on.
 *
 *      station FLASH DIR HOST PORT NAME PREFIX [interval=S] [cut=WORDS]
 *
 * FLASH is the file that is the flash chip. DIR has ca.der, cert.der and key.bin (32 bytes, P-256).
 * LED and relay are pins; temperature, humidity and the analog input are the sensors "celsius",
 * "humidity" (in hundredths) and "analog". With `cut` the power goes in the middle of that word of
 * flash.
 *
 * On the serial line a `q` ends it, `m` measures no more, `s` tells the status. It says one line
 * for each thing that happens, in these words:
 *
 *      online | offline SLUG | subscribe SLUG | telemetry JSON | state JSON
 *      command accepted | command refused | delivered SLUG | unsent SLUG | dropped NUMBER
 *      failed SLUG | done
 */
#ifndef PORTS_QEMU_LX106_STATION_H
#define PORTS_QEMU_LX106_STATION_H

/* The flash: the queue (elo/store/queue.h), and behind it what a restart must not lose. */
enum {
    STATION_SECTOR = 4096,
    STATION_QUEUE_BYTES = 16 * STATION_SECTOR,
    STATION_SLOTS_BYTES = 4 * STATION_SECTOR,
    STATION_FLASH_BYTES = STATION_QUEUE_BYTES + STATION_SLOTS_BYTES
};

/* The largest cert.der. */
enum { STATION_CERTIFICATE_MAX = 900 };

enum { STATION_PIN_LED = 2, STATION_PIN_RELAY = 5 };

#endif
