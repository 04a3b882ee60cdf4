// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * For a battery: wake, measure, send, sleep for five minutes. Wire GPIO16 (D0) to RST, or it never
 * wakes. The device's files are in LittleFS, as for the example Telemetry.
 *
 * What is kept in RTC memory while asleep makes the next time awake shorter: the access point and
 * its channel, the time, and the TLS session. Whether the session helps is the server's to say: AWS
 * IoT Core, which spreads its guests over many machines, mostly declines it, as the desk does, and
 * then each wake takes a whole handshake. The sketch prints how often it was taken.
 *
 * A message that was not acknowledged when the time is up is lost with the sleep: here it is
 * counted in RTC memory instead, and the next message says how many are missing.
 */
#include <EloDevice.h>

const uint32_t SLEEP_S = 300;
const uint32_t AWAKE_MS = 30000;

// The last 256 bytes of RTC memory are the sketch's.
const uint32_t COUNTERS_AT = 256 / 4;
struct {
    uint32_t magic, sent, lost;
} counters;

EloDevice elo;

void readCounters()
{
    ESP.rtcUserMemoryRead(COUNTERS_AT, (uint32_t *)&counters, sizeof counters);
    if (counters.magic != 0x534c5031) { // power was away
        counters = {0x534c5031, 0, 0};
    }
}

void goToSleep(bool delivered)
{
    delivered ? counters.sent++ : counters.lost++;
    ESP.rtcUserMemoryWrite(COUNTERS_AT, (uint32_t *)&counters, sizeof counters);
    elo.sleep(SLEEP_S);
}

void setup()
{
    Serial.begin(115200);
    readCounters();
    elo.begin();
    char json[64];
    snprintf_P(json, sizeof json, PSTR("{\"analog\":%d,\"sent\":%u,\"lost\":%u}"), analogRead(A0),
               (unsigned)counters.sent, (unsigned)counters.lost);
    elo.publish("~/telemetry", json);
}

void loop()
{
    elo.loop();
    bool delivered = elo.online() && elo.waiting() == 0;
    if (!delivered && millis() < AWAKE_MS) {
        return;
    }
    elo.explain(Serial);
    Serial.printf_P(PSTR("%s after %u ms awake; %u of %u handshakes resumed\r\n"),
                    delivered ? "delivered" : "not delivered", (unsigned)millis(), elo.resumed(),
                    elo.handshakes());
    goToSleep(delivered);
}
