// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/port/esp8266/wifi.h"

#if defined(ARDUINO) && defined(ESP8266)

#include <Arduino.h>
#include <ESP8266WiFi.h>

/* The core's Wi-Fi is one for the whole program, and so is this. */
static struct {
    const char *ssid;
    const char *password;
    uint32_t since_ms;
    uint16_t losses;
    uint8_t reason;
    bool hinted; /* the first try goes straight to a remembered access point */
    bool was_up;
} self;

/* Kept, or the core forgets the callback. */
static WiFiEventHandler disconnected;

void elo_wifi_begin(const char *ssid, const char *password, const struct elo_wifi_hint *hint)
{
    self.ssid = ssid;
    self.password = password;
    self.since_ms = millis();
    self.hinted = ssid != nullptr && hint != nullptr && hint->channel != 0;
    disconnected = WiFi.onStationModeDisconnected(
        [](const WiFiEventStationModeDisconnected &event) { self.reason = (uint8_t)event.reason; });
    if (ssid == nullptr) {
        return;
    }
    WiFi.persistent(false);
    WiFi.mode(WIFI_STA);
    WiFi.setAutoReconnect(true);
    if (self.hinted) {
        WiFi.begin(ssid, password, hint->channel, hint->bssid);
    } else {
        WiFi.begin(ssid, password);
    }
}

bool elo_wifi_up(void)
{
    return WiFi.status() == WL_CONNECTED;
}

void elo_wifi_step(uint32_t now_ms)
{
    bool up = elo_wifi_up();
    if (up) {
        self.reason = 0;
        self.hinted = false;
    } else if (self.was_up) {
        self.losses++;
    }
    self.was_up = up;
    if (self.hinted && now_ms - self.since_ms >= ELO_WIFI_SHORT_MS) {
        self.hinted = false;
        WiFi.begin(self.ssid, self.password);
    }
}

uint8_t elo_wifi_reason(void)
{
    return self.reason;
}

uint16_t elo_wifi_losses(void)
{
    return self.losses;
}

void elo_wifi_hint_get(struct elo_wifi_hint *out)
{
    memset(out, 0, sizeof *out);
    const uint8_t *bssid = WiFi.BSSID();
    int channel = WiFi.channel();
    if (elo_wifi_up() && bssid != nullptr && channel > 0) {
        memcpy(out->bssid, bssid, sizeof out->bssid);
        out->channel = (uint8_t)channel;
    }
}

const char *elo_wifi_words(uint8_t reason)
{
    switch (reason) {
    case 0:
        return PSTR("no news yet");
    case WIFI_DISCONNECT_REASON_NO_AP_FOUND:
        return PSTR(
            "no network of that name is in reach (2.4 GHz only; upper and lower case count)");
    case WIFI_DISCONNECT_REASON_AUTH_FAIL:
    case WIFI_DISCONNECT_REASON_4WAY_HANDSHAKE_TIMEOUT:
    case WIFI_DISCONNECT_REASON_HANDSHAKE_TIMEOUT:
    case WIFI_DISCONNECT_REASON_MIC_FAILURE:
        return PSTR("the password is wrong, or the signal too weak to tell");
    case WIFI_DISCONNECT_REASON_BEACON_TIMEOUT:
        return PSTR("the access point is out of reach, or was switched off");
    case WIFI_DISCONNECT_REASON_ASSOC_TOOMANY:
        return PSTR("the access point has as many guests as it takes");
    case WIFI_DISCONNECT_REASON_AUTH_EXPIRE:
    case WIFI_DISCONNECT_REASON_ASSOC_EXPIRE:
    case WIFI_DISCONNECT_REASON_ASSOC_FAIL:
    case WIFI_DISCONNECT_REASON_NOT_AUTHED:
    case WIFI_DISCONNECT_REASON_NOT_ASSOCED:
    case WIFI_DISCONNECT_REASON_ASSOC_NOT_AUTHED:
        return PSTR("the access point did not let us in; it may be busy, or know us from before");
    case WIFI_DISCONNECT_REASON_AUTH_LEAVE:
    case WIFI_DISCONNECT_REASON_ASSOC_LEAVE:
        return PSTR("the connection was ended, by the access point or by this sketch");
    case WIFI_DISCONNECT_REASON_802_1X_AUTH_FAILED:
        return PSTR("a company network (802.1X) that wants more than a password");
    case WIFI_DISCONNECT_REASON_GROUP_CIPHER_INVALID:
    case WIFI_DISCONNECT_REASON_PAIRWISE_CIPHER_INVALID:
    case WIFI_DISCONNECT_REASON_AKMP_INVALID:
    case WIFI_DISCONNECT_REASON_UNSUPP_RSN_IE_VERSION:
    case WIFI_DISCONNECT_REASON_INVALID_RSN_IE_CAP:
    case WIFI_DISCONNECT_REASON_CIPHER_SUITE_REJECTED:
        return PSTR(
            "the access point's security is not for this chip: it does WPA2, not WPA3 alone");
    default:
        return PSTR("the access point gave a rare reason");
    }
}

#endif
