// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Messages with numbers, as fast as the outbox takes them but ten a second; a number that was
 * refused is offered again. Handlers with wildcards, one of which publishes.
 */
#include <EloDevice.h>

EloDeviceSized<512, 128, 512, 3> elo;
static unsigned seq, refused;

static void onAny(EloMessage &message)
{
    Serial.print("any ");
    Serial.print(message.topic());
    Serial.print(" ");
    Serial.println(message.payload());
}

static void onEcho(EloMessage &message)
{
    bool taken = elo.publish("~/reply", message.text());
    Serial.printf("echo %u bytes, taken %d\n", (unsigned)message.length(), taken);
    elo.loop(); // does nothing in here
}

void setup()
{
    elo.on("~/cmd", onEcho);
    elo.on("~/+", onAny);
    if (!elo.begin()) {
        Serial.print("cannot begin: ");
        Serial.println(elo.why());
    }
}

void loop()
{
    static const __FlashStringHelper *status;
    static elo_err error;
    static unsigned long sent;
    elo.loop();
    if (elo.status() != status || elo.error() != error) {
        status = elo.status();
        error = elo.error();
        Serial.print("status ");
        Serial.print(status);
        Serial.print(" / ");
        Serial.println(elo.why());
    }
    if (seq < 100000 && millis() - sent >= 100) {
        char json[32];
        snprintf(json, sizeof json, "{\"seq\":%u}", seq + 1);
        sent = millis();
        if (elo.publish("~/telemetry", json)) {
            seq++;
            if (seq % 50 == 0) {
                Serial.printf("made %u\n", seq);
            }
        } else if (refused++ == 0) {
            Serial.print("refused: ");
            Serial.println(elo.why());
        }
    }
}
