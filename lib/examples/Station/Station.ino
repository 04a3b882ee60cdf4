// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The whole firmware: flash it once, and tell the board the rest later. Everything that was
 * measured is kept in flash until it is delivered, also over a loss of power; relay and LED obey.
 *
 * Choose the flash layout "4MB (FS:2MB OTA:~1019KB)". Then, with the board on USB:
 *
 *     elo add kitchen --port /dev/ttyUSB0 --wifi NAME --sensor dht22
 *
 * or join the Wi-Fi that it opens and go to http://192.168.4.1; the serial line tells the password
 * (115200 baud; type "help" there).
 *
 * Commands: elo pub elo/kitchen/cmd -m '{"id":"1","relay":"on","interval":5}'
 * Watch:    elo sub 'elo/#'
 */
#include <EloStation.h>

EloStation station;

void setup()
{
    Serial.begin(115200);
    if (!station.begin(Serial)) {
        Serial.println(station.why());
    }
}

void loop()
{
    station.loop();
}
