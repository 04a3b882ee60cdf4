// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#ifndef ESP8266WIFI_DECLARED_H
#define ESP8266WIFI_DECLARED_H

#include "Client.h"

enum wl_status_t { WL_IDLE_STATUS = 0, WL_CONNECTED = 3, WL_DISCONNECTED = 7 };

enum WiFiMode_t { WIFI_OFF = 0, WIFI_STA = 1, WIFI_AP = 2, WIFI_AP_STA = 3 };

enum AUTH_MODE { AUTH_OPEN = 0, AUTH_WPA2_PSK = 3 };

#define WIFI_SCAN_RUNNING (-1)
#define WIFI_SCAN_FAILED  (-2)

/* What the SDK tells of a network; in the core there is more. */
struct bss_info {
    uint8_t ssid[32];
    uint8_t ssid_len;
    int8_t rssi;
    AUTH_MODE authmode;
};

enum WiFiDisconnectReason {
    WIFI_DISCONNECT_REASON_UNSPECIFIED = 1,
    WIFI_DISCONNECT_REASON_AUTH_EXPIRE = 2,
    WIFI_DISCONNECT_REASON_AUTH_LEAVE = 3,
    WIFI_DISCONNECT_REASON_ASSOC_EXPIRE = 4,
    WIFI_DISCONNECT_REASON_ASSOC_TOOMANY = 5,
    WIFI_DISCONNECT_REASON_NOT_AUTHED = 6,
    WIFI_DISCONNECT_REASON_NOT_ASSOCED = 7,
    WIFI_DISCONNECT_REASON_ASSOC_LEAVE = 8,
    WIFI_DISCONNECT_REASON_ASSOC_NOT_AUTHED = 9,
    WIFI_DISCONNECT_REASON_MIC_FAILURE = 14,
    WIFI_DISCONNECT_REASON_4WAY_HANDSHAKE_TIMEOUT = 15,
    WIFI_DISCONNECT_REASON_GROUP_CIPHER_INVALID = 18,
    WIFI_DISCONNECT_REASON_PAIRWISE_CIPHER_INVALID = 19,
    WIFI_DISCONNECT_REASON_AKMP_INVALID = 20,
    WIFI_DISCONNECT_REASON_UNSUPP_RSN_IE_VERSION = 21,
    WIFI_DISCONNECT_REASON_INVALID_RSN_IE_CAP = 22,
    WIFI_DISCONNECT_REASON_802_1X_AUTH_FAILED = 23,
    WIFI_DISCONNECT_REASON_CIPHER_SUITE_REJECTED = 24,
    WIFI_DISCONNECT_REASON_BEACON_TIMEOUT = 200,
    WIFI_DISCONNECT_REASON_NO_AP_FOUND = 201,
    WIFI_DISCONNECT_REASON_AUTH_FAIL = 202,
    WIFI_DISCONNECT_REASON_ASSOC_FAIL = 203,
    WIFI_DISCONNECT_REASON_HANDSHAKE_TIMEOUT = 204
};

struct WiFiEventStationModeConnected {
    uint8_t channel;
};

struct WiFiEventStationModeDisconnected {
    WiFiDisconnectReason reason;
};

/* In the core a shared pointer, and the callback a std::function: a lambda without captures suits
 * both. */
typedef const void *WiFiEventHandler;

class ESP8266WiFiClass
{
  public:
    void persistent(bool on);
    bool mode(WiFiMode_t mode);
    bool setAutoReconnect(bool on);
    wl_status_t begin(const char *ssid,
                      const char *password = nullptr,
                      int32_t channel = 0,
                      const uint8_t *bssid = nullptr,
                      bool connect = true);
    wl_status_t status();
    bool disconnect(bool off = false);
    bool softAP(const char *ssid, const char *password = nullptr);
    int8_t scanNetworks(bool async = false);
    int8_t scanComplete();
    void scanDelete();
    const bss_info *getScanInfoByIndex(int index);
    uint8_t *BSSID();
    int32_t channel();
    int8_t RSSI();
    IPAddress localIP();
    WiFiEventHandler
    onStationModeConnected(void (*callback)(const WiFiEventStationModeConnected &event));
    WiFiEventHandler
    onStationModeDisconnected(void (*callback)(const WiFiEventStationModeDisconnected &event));
};
extern ESP8266WiFiClass WiFi;

#endif
