// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* The network in the air, as the SDK under the core sees it, and the board's own. */
#include "fake.h"

#include <Arduino.h>
#include <ESP8266WiFi.h>
#include <string.h>

ESP8266WiFiClass WiFi;

static struct {
    bool in_the_air = true, wanted, up, told, hosting;
    std::string ssid, password;
    void (*lost)(const WiFiEventStationModeDisconnected &event);
    void (*linked)(const WiFiEventStationModeConnected &event);
    unsigned scanning; /* turns that a scan still takes */
} air;

void fake_wifi(bool in_the_air)
{
    air.in_the_air = in_the_air;
    air.told = false;
}

static void lose(WiFiDisconnectReason reason)
{
    WiFiEventStationModeDisconnected event = {reason};
    air.up = false;
    air.told = true;
    fake_network_up(false);
    if (air.lost != nullptr) {
        air.lost(event);
    }
}

/* As the SDK does it: it goes on trying by itself. */
void fake_wifi_turn()
{
    if (!air.wanted || (!air.up && air.told)) {
        return;
    }
    if (!air.in_the_air || air.ssid != fake_text("FAKE_SSID")) {
        lose(air.up ? WIFI_DISCONNECT_REASON_BEACON_TIMEOUT : WIFI_DISCONNECT_REASON_NO_AP_FOUND);
    } else if (air.password != fake_text("FAKE_PASSWORD")) {
        lose(WIFI_DISCONNECT_REASON_AUTH_FAIL);
    } else if (!air.up) {
        if (air.linked != nullptr) {
            air.linked({6});
        }
        air.up = true;
        fake_network_up(true);
    }
}

void ESP8266WiFiClass::persistent(bool)
{
}

bool ESP8266WiFiClass::mode(WiFiMode_t mode)
{
    if (air.hosting && (mode & WIFI_AP) == 0) {
        fake_say("access point closed\n");
        air.hosting = false;
    }
    return true;
}

bool ESP8266WiFiClass::setAutoReconnect(bool)
{
    return true;
}

wl_status_t ESP8266WiFiClass::begin(
    const char *ssid, const char *password, int32_t channel, const uint8_t *, bool)
{
    fake_say("wifi begin %s channel %d\n", ssid, channel);
    air.ssid = ssid;
    air.password = password != nullptr ? password : "";
    air.wanted = true;
    air.told = false;
    return WL_DISCONNECTED;
}

bool ESP8266WiFiClass::disconnect(bool)
{
    air.wanted = air.up = false;
    fake_network_up(false);
    return true;
}

wl_status_t ESP8266WiFiClass::status()
{
    return air.up ? WL_CONNECTED : WL_DISCONNECTED;
}

uint8_t *ESP8266WiFiClass::BSSID()
{
    static uint8_t bssid[6] = {2, 0, 0, 0, 0, 1};
    return bssid;
}

int32_t ESP8266WiFiClass::channel()
{
    return 6;
}

int8_t ESP8266WiFiClass::RSSI()
{
    return -60;
}

IPAddress ESP8266WiFiClass::localIP()
{
    return IPAddress(127, 0, 0, 1);
}

WiFiEventHandler ESP8266WiFiClass::onStationModeConnected(
    void (*callback)(const WiFiEventStationModeConnected &event))
{
    air.linked = callback;
    return this;
}

bool ESP8266WiFiClass::softAP(const char *ssid, const char *password)
{
    fake_say("access point %s %s\n", ssid, password);
    air.hosting = true;
    return true;
}

int8_t ESP8266WiFiClass::scanNetworks(bool)
{
    air.scanning = 20;
    return WIFI_SCAN_RUNNING;
}

int8_t ESP8266WiFiClass::scanComplete()
{
    return air.scanning > 0 ? (int8_t)(--air.scanning, WIFI_SCAN_RUNNING) : (int8_t)2;
}

void ESP8266WiFiClass::scanDelete()
{
}

/* The network in the air, and one of a neighbour. */
const bss_info *ESP8266WiFiClass::getScanInfoByIndex(int index)
{
    static bss_info info;
    std::string name = index == 0 ? fake_text("FAKE_SSID") : "neighbour";
    memset(&info, 0, sizeof info);
    info.ssid_len = (uint8_t)name.size();
    memcpy(info.ssid, name.data(), name.size());
    info.rssi = (int8_t)(-60 - 10 * index);
    info.authmode = index == 0 ? AUTH_WPA2_PSK : AUTH_OPEN;
    return index < 2 ? &info : nullptr;
}

WiFiEventHandler ESP8266WiFiClass::onStationModeDisconnected(
    void (*callback)(const WiFiEventStationModeDisconnected &event))
{
    air.lost = callback;
    return this;
}

IPAddress::IPAddress(uint8_t a, uint8_t b, uint8_t c, uint8_t d) : _bytes{a, b, c, d}
{
}

uint8_t IPAddress::operator[](int index) const
{
    return _bytes[index];
}

size_t IPAddress::printTo(Print &out) const
{
    return out.printf("%u.%u.%u.%u", _bytes[0], _bytes[1], _bytes[2], _bytes[3]);
}
