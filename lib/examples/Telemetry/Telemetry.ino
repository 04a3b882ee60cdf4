// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The analog input, every ten seconds, to AWS IoT Core or to the desk; and an LED that obeys.
 *
 * Before the first upload, the device's files:
 *     elo add kitchen --out data        (beside this file; or make them as AWS's guide says)
 * and `data/wifi.json`: {"ssid":"your network","password":"its password"}
 * Then upload the folder `data` as LittleFS, and this sketch. No secret is in here.
 *
 * Watch:    elo sub 'elo/#'
 * Command:  elo pub elo/kitchen/cmd -m on
 */
#include <EloDevice.h>

EloDevice elo;

void onCommand(EloMessage &message)
{
    digitalWrite(LED_BUILTIN, message.is("on") ? LOW : HIGH); // the LED lights at LOW
}

void setup()
{
    Serial.begin(115200);
    pinMode(LED_BUILTIN, OUTPUT);
    digitalWrite(LED_BUILTIN, HIGH);
    elo.on("~/cmd", onCommand);
    elo.begin();
}

void loop()
{
    static unsigned long sampled;
    static const __FlashStringHelper *status;
    elo.loop();
    if (millis() - sampled >= 10000) {
        sampled = millis();
        char json[32];
        snprintf_P(json, sizeof json, PSTR("{\"analog\":%d}"), analogRead(A0));
        if (!elo.publish("~/telemetry", json)) {
            Serial.println(elo.why());
        }
    }
    if (elo.status() != status) { // say what is going on, and what went wrong
        status = elo.status();
        Serial.println(status);
        if (elo.error() != ELO_OK) {
            elo.explain(Serial);
        }
    }
}
