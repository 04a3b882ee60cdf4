// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The whole firmware: a DHT22 and the analog input up, a relay and the LED down, everything that
 * was measured kept in flash until it is delivered, also over a loss of power.
 *
 * The device's files are in LittleFS, as for the example Telemetry. Choose the flash layout "4MB
 * (FS:2MB OTA:~1019KB)". Wiring: DHT22 data to D2 (with 10 kOhm to 3V3), relay module to D5.
 *
 * Commands: elo pub elo/kitchen/cmd -m '{"id":"1","relay":"on","interval":5}'
 * Watch:    elo sub 'elo/#'
 *
 * Serial, 115200 baud: what happens; and any key tells the state of every layer.
 */
#include <EloStation.h>

EloStation station;

void setup()
{
    Serial.begin(115200);
    EloParts parts;
    parts.dht22 = D2;
    parts.relay = D5;
    station.log(&Serial);
    if (!station.begin(parts)) {
        Serial.println(station.why());
    }
}

void loop()
{
    station.loop();
    if (Serial.available() > 0) {
        Serial.read();
        station.explain(Serial);
    }
}
