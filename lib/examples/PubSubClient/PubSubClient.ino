// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * PubSubClient over Elo's secure transport: for sketches that have PubSubClient already and want
 * AWS IoT Core (or the desk) under it, with certificates, SNI, port 443, time and reasons solved.
 *
 * Needs the library PubSubClient (2.8) from the library manager. The device's files are in LittleFS
 * as for the example Telemetry, `data/wifi.json` included. No secret is in here.
 *
 * What PubSubClient itself leaves out stays out: it publishes with QoS 0 only, waits while it
 * connects, and takes messages of up to setBufferSize() bytes. EloDevice has none of these limits.
 */
#include <ESP8266WiFi.h>
#include <EloSecureClient.h>
#include <PubSubClient.h>

EloSecureClient net;
PubSubClient mqtt(net);

void onMessage(char *topic, byte *payload, unsigned int length)
{
    Serial.printf_P(PSTR("%s: %.*s\r\n"), topic, (int)length, (const char *)payload);
}

void setup()
{
    Serial.begin(115200);
    if (!net.begin()) {
        net.explain(Serial);
    }
    WiFi.persistent(false);
    WiFi.mode(WIFI_STA);
    WiFi.begin(net.ssid(), net.password());
    mqtt.setServer(net.host(), net.port());
    mqtt.setBufferSize(512);
    mqtt.setCallback(onMessage);
}

// Wait longer after each failure, and not the same for every board: a server that comes back
// should not meet all of them at once.
void reconnect()
{
    static unsigned long tried, wait;
    if (WiFi.status() != WL_CONNECTED || millis() - tried < wait) {
        return;
    }
    tried = millis();
    if (mqtt.connect(net.clientId())) {
        wait = 0;
        char filter[80];
        snprintf_P(filter, sizeof filter, PSTR("elo/%s/cmd"), net.clientId());
        mqtt.subscribe(filter, 1);
        return;
    }
    wait = 1000 + RANDOM_REG32 % (wait < 30000 ? 2 * wait + 1000 : 60000);
    Serial.printf_P(PSTR("PubSubClient says %d, Elo says: "), mqtt.state());
    net.explain(Serial);
}

void loop()
{
    static unsigned long sampled;
    if (!mqtt.connected()) {
        reconnect();
    }
    mqtt.loop();
    if (millis() - sampled >= 10000) {
        sampled = millis();
        char topic[80], json[32];
        snprintf_P(topic, sizeof topic, PSTR("elo/%s/telemetry"), net.clientId());
        snprintf_P(json, sizeof json, PSTR("{\"analog\":%d}"), analogRead(A0));
        mqtt.publish(topic, json);
    }
}
