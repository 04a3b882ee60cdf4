// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * EloSecureClient as an MQTT library uses it, its packets made by lib/'s codec. It publishes to a
 * topic that it has subscribed to, expects each message back, byte for byte through read() and
 * peek(), and connects anew after every third.
 */
#include <ESP8266WiFi.h>
#include <EloSecureClient.h>

EloSecureClient net;
static uint8_t in[512], out[512];
static char topic[96];
static size_t have, len;
static unsigned number;

static bool put(elo_err err)
{
    return err == ELO_OK && net.write(out, len) == len;
}

static bool hello()
{
    struct elo_mqtt_connect c = {};
    c.level = ELO_MQTT_3_1_1;
    c.clean_session = true;
    c.keep_alive_s = 60;
    c.client_id = elo_span_str(net.clientId());
    return put(elo_mqtt_encode_connect(&c, out, sizeof out, &len));
}

static bool ask()
{
    struct elo_mqtt_subscription s = {};
    s.filter = elo_span_str(topic);
    return put(elo_mqtt_encode_subscribe(1, &s, 1, out, sizeof out, &len));
}

static bool say()
{
    char payload[200];
    memset(payload, '.', sizeof payload);
    struct elo_mqtt_publish p = {};
    p.topic = elo_span_str(topic);
    p.payload = elo_span_of(payload, (size_t)snprintf(payload, sizeof payload, "%u", number) + 100);
    return put(elo_mqtt_encode_publish(&p, out, sizeof out, &len));
}

static void start_over(const char *why)
{
    Serial.println(why);
    net.stop();
    have = 0;
}

static void take(const struct elo_mqtt_packet &packet)
{
    if (packet.type == ELO_MQTT_CONNACK) {
        Serial.printf("connack %u, %s handshake\n", packet.u.connack.code,
                      net.resumed() ? "short" : "whole");
        ask();
    } else if (packet.type == ELO_MQTT_SUBACK) {
        say();
    } else if (packet.type == ELO_MQTT_PUBLISH) {
        unsigned back = (unsigned)strtoul((const char *)packet.u.publish.payload.ptr, nullptr, 10);
        Serial.printf("back %u\n", back);
        number = back + 1;
        if (number % 3 == 0) {
            start_over("again");
        } else {
            say();
        }
    }
}

static void receive()
{
    while (have < sizeof in && net.available() > 0) {
        int seen = net.peek();
        int got = have % 7 == 0 ? net.read() : net.read(in + have, 5);
        if (have % 7 == 0) {
            in[have++] = (uint8_t)got;
            if (got != seen) {
                start_over("peek and read differ");
            }
        } else if (got > 0) {
            have += (size_t)got;
        }
        struct elo_mqtt_frame frame;
        struct elo_mqtt_packet packet;
        while (elo_mqtt_frame(elo_span_of(in, have), sizeof in, &frame) == ELO_OK &&
               frame.total <= have) {
            uint8_t whole[sizeof in];
            size_t total = frame.total;
            memcpy(whole, in, total);
            have -= total;
            memmove(in, in + total, have);
            if (elo_mqtt_decode(elo_span_of(whole, total), &packet) != ELO_OK) {
                start_over("not MQTT");
                return;
            }
            take(packet);
        }
    }
}

void setup()
{
    if (!net.begin()) {
        Serial.print("cannot begin: ");
        net.explain(Serial);
    }
    snprintf(topic, sizeof topic, "elo/%s/cmd", net.clientId());
    WiFi.begin(net.ssid(), net.password());
}

void loop()
{
    static unsigned long tried;
    if (WiFi.status() != WL_CONNECTED) {
        return;
    }
    if (!net.connected()) {
        if (have > 0) {
            start_over("cut");
        }
        if (tried != 0 && millis() - tried < 300) {
            return;
        }
        tried = millis() | 1;
        if (!net.connect(net.host(), net.port())) {
            net.explain(Serial);
            return;
        }
        hello();
    }
    receive();
}
