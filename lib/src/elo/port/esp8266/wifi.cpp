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
    uint32_t linked_ms; /* since when the access point has let us in */
    uint16_t losses;
    uint8_t reason;
    int16_t heard; /* of a scan, the next to be told; under 0: none is on */
    bool hosting;  /* a network of our own */
    bool asked;    /* we have left, and shall be told so */
    bool wanted;   /* begun, and not ended */
    bool linked;
    bool hinted; /* the first try goes straight to a remembered access point */
    bool was_up;
} self;

/* How long DHCP may take before its silence is told. */
static const uint32_t DHCP_MS = 10000;

/* Kept, or the core forgets the callbacks. */
static WiFiEventHandler connected, disconnected;

static void set_mode(void)
{
    WiFi.persistent(false);
    WiFi.mode(self.hosting ? WIFI_AP_STA : WIFI_STA);
}

void elo_wifi_begin(const char *ssid, const char *password, const struct elo_wifi_hint *hint)
{
    self.ssid = ssid;
    self.password = password;
    self.since_ms = millis();
    self.reason = 0;
    self.linked = false;
    self.hinted = ssid != nullptr && hint != nullptr && hint->channel != 0;
    connected = WiFi.onStationModeConnected([](const WiFiEventStationModeConnected &) {
        self.linked = true;
        self.asked = false;
        self.linked_ms = millis();
    });
    disconnected =
        WiFi.onStationModeDisconnected([](const WiFiEventStationModeDisconnected &event) {
            self.linked = false;
            bool ours = self.asked && event.reason == WIFI_DISCONNECT_REASON_ASSOC_LEAVE;
            self.asked = false;
            self.reason = ours ? 0 : (uint8_t)event.reason;
        });
    if (ssid == nullptr) {
        return;
    }
    self.wanted = true;
    set_mode();
    WiFi.setAutoReconnect(true);
    if (self.hinted) {
        WiFi.begin(ssid, password, hint->channel, hint->bssid);
    } else {
        WiFi.begin(ssid, password);
    }
}

void elo_wifi_on(void)
{
    set_mode();
}

void elo_wifi_end(void)
{
    self.hinted = false;
    self.was_up = false;
    self.wanted = false;
    self.asked = elo_wifi_up();
    WiFi.disconnect();
    self.reason = 0;
    self.linked = false;
}

bool elo_wifi_up(void)
{
    return WiFi.status() == WL_CONNECTED;
}

elo_wifi elo_wifi_status(int *out_rssi)
{
    *out_rssi = 0;
    if (elo_wifi_up()) {
        *out_rssi = WiFi.RSSI();
        return ELO_WIFI_JOINED;
    }
    if (self.linked) {
        return millis() - self.linked_ms < DHCP_MS ? ELO_WIFI_JOINING : ELO_WIFI_NO_ADDRESS;
    }
    switch (self.reason) {
    case 0:
        return ELO_WIFI_JOINING;
    case WIFI_DISCONNECT_REASON_NO_AP_FOUND:
        return ELO_WIFI_NO_NETWORK;
    case WIFI_DISCONNECT_REASON_AUTH_FAIL:
    case WIFI_DISCONNECT_REASON_4WAY_HANDSHAKE_TIMEOUT:
    case WIFI_DISCONNECT_REASON_HANDSHAKE_TIMEOUT:
        return ELO_WIFI_WRONG_PASSWORD;
    default:
        return ELO_WIFI_FAILED;
    }
}

/* --- set-up --------------------------------------------------------------------------------------
 */

bool elo_wifi_host(const char *ssid, const char *password)
{
    self.hosting = true;
    set_mode();
    return WiFi.softAP(ssid, password);
}

void elo_wifi_host_end(void)
{
    self.hosting = false;
    set_mode(); /* it ends with the mode: an access point without a password never is */
}

void elo_wifi_scan(void)
{
    WiFi.scanDelete();
    self.heard = WiFi.scanNetworks(true) == WIFI_SCAN_RUNNING ? 0 : -1;
}

elo_err elo_wifi_heard(struct elo_setup_network *out)
{
    int8_t count = self.heard < 0 ? (int8_t)WIFI_SCAN_FAILED : WiFi.scanComplete();
    if (count == WIFI_SCAN_RUNNING) {
        return ELO_NEED_MORE;
    }
    bool more = count != WIFI_SCAN_FAILED && self.heard < (uint8_t)count;
    const bss_info *bss = more ? WiFi.getScanInfoByIndex(self.heard) : nullptr;
    if (bss == nullptr) {
        WiFi.scanDelete();
        self.heard = -1;
        if (self.wanted && !elo_wifi_up()) {
            WiFi.begin(self.ssid, self.password); /* the core gave up joining to listen */
        }
        return ELO_END;
    }
    memset(out, 0, sizeof *out);
    out->ssid_len = bss->ssid_len < sizeof out->ssid ? bss->ssid_len : (uint8_t)sizeof out->ssid;
    memcpy(out->ssid, bss->ssid, out->ssid_len);
    out->rssi = bss->rssi;
    out->locked = bss->authmode != AUTH_OPEN;
    self.heard++;
    return ELO_OK;
}

/* --- going on ------------------------------------------------------------------------------------
 */

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
