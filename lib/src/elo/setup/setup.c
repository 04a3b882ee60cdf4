// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/setup/setup.h"

#include <stddef.h>

#include "elo/base/flash.h"
#include "elo/setup/internal.h"

void elo_setup_init(struct elo_setup *s, const struct elo_setup_config *config)
{
    memset(s, 0, sizeof *s);
    s->config = *config;
    s->reason = config->last_failure;
    *s->config.draft = *s->config.stored;
    elo_bundle_text_init(&s->bundle, s->config.bundle_mem, s->config.bundle_cap);
}

/* --- wishes --------------------------------------------------------------------------------------
 */

void elo_setup_wish_for(struct elo_setup *s, elo_setup_wish wish)
{
    s->_internal.wishes |= (uint8_t)(1u << wish);
    if (wish == ELO_SETUP_WISH_SCAN) {
        s->scanning = true;
    }
}

elo_setup_wish elo_setup_next_wish(struct elo_setup *s)
{
    for (unsigned w = ELO_SETUP_WISH_SCAN; w <= ELO_SETUP_WISH_FORGET; w++) {
        if ((s->_internal.wishes >> w & 1u) != 0) {
            s->_internal.wishes &= (uint8_t) ~(1u << w);
            if (w == ELO_SETUP_WISH_SCAN) {
                s->network_count = 0;
            }
            return (elo_setup_wish)w;
        }
    }
    return ELO_SETUP_WISH_NONE;
}

void elo_setup_tick(struct elo_setup *s, uint32_t now)
{
    if (s->_internal.restarting && (int32_t)(now - s->_internal.restart_at) >= 0) {
        s->_internal.restarting = false;
        elo_setup_wish_for(s, ELO_SETUP_WISH_RESTART);
    }
}

/* --- networks ------------------------------------------------------------------------------------
 */

static bool is_named(const struct elo_setup_network *n, elo_span ssid)
{
    return elo_span_eq(elo_span_of(n->ssid, n->ssid_len), ssid);
}

static void remove_at(struct elo_setup *s, size_t i)
{
    struct elo_setup_network *list = s->config.networks;
    s->network_count--;
    memmove(list + i, list + i + 1, (s->network_count - i) * sizeof *list);
}

/* Room for one at `i`; the weakest falls off a full list. */
static void open_at(struct elo_setup *s, size_t i)
{
    struct elo_setup_network *list = s->config.networks;
    if (s->network_count == s->config.network_cap) {
        s->network_count--;
    }
    memmove(list + i + 1, list + i, (s->network_count - i) * sizeof *list);
    s->network_count++;
}

void elo_setup_heard(struct elo_setup *s, elo_span ssid, int rssi, bool locked)
{
    struct elo_setup_network *list = s->config.networks;
    if (ssid.len == 0 || ssid.len > ELO_SSID_MAX) {
        return;
    }
    rssi = rssi < -127 ? -127 : rssi > 0 ? 0 : rssi;
    for (size_t i = 0; i < s->network_count; i++) {
        if (is_named(&list[i], ssid)) {
            if (list[i].rssi >= rssi) {
                return;
            }
            remove_at(s, i);
            break;
        }
    }
    size_t at = 0;
    while (at < s->network_count && list[at].rssi >= rssi) {
        at++;
    }
    if (at == s->config.network_cap) {
        return;
    }
    open_at(s, at);
    memcpy(list[at].ssid, ssid.ptr, ssid.len);
    list[at].ssid_len = (uint8_t)ssid.len;
    list[at].rssi = (int8_t)rssi;
    list[at].locked = locked;
}

void elo_setup_scanned(struct elo_setup *s)
{
    s->scanning = false;
    s->scanned = true;
}

/* --- draft, test, save ---------------------------------------------------------------------------
 */

static bool is_busy(const struct elo_setup *s)
{
    return s->state != ELO_SETUP_IDLE && s->state != ELO_SETUP_FAILED;
}

bool elo_setup_open(const struct elo_setup *s)
{
    return !is_busy(s);
}

/* The members at the front of the settings are the Wi-Fi. */
struct wifi {
    uint8_t ssid[ELO_SSID_MAX];
    uint8_t ssid_len;
    char passphrase[ELO_PASSPHRASE_MAX + 1];
};

static void keep_wifi(const struct elo_settings *s, struct wifi *kept)
{
    memcpy(kept->ssid, s->ssid, sizeof kept->ssid);
    memcpy(kept->passphrase, s->passphrase, sizeof kept->passphrase);
    kept->ssid_len = s->ssid_len;
}

static void put_back_wifi(const struct elo_setup *s, struct wifi *kept)
{
    struct elo_settings *d = s->config.draft;
    if (s->_internal.wifi_given) {
        memcpy(d->ssid, kept->ssid, sizeof kept->ssid);
        memcpy(d->passphrase, kept->passphrase, sizeof kept->passphrase);
        d->ssid_len = kept->ssid_len;
    }
    elo__setup_wipe(kept, sizeof *kept);
}

void elo_setup_new_bundle(struct elo_setup *s, bool keep)
{
    struct wifi kept;
    s->_internal.wifi_given = s->_internal.wifi_given && keep;
    keep_wifi(s->config.draft, &kept);
    *s->config.draft = *s->config.stored;
    put_back_wifi(s, &kept);
    elo_bundle_text_wipe(&s->bundle);
    s->_internal.has_bundle = false;
}

void elo_setup_wifi_given(struct elo_setup *s)
{
    s->_internal.wifi_given = true;
}

/* Who and where: a bundle says it anew, and what it leaves out follows from that. */
static void forget_endpoint(struct elo_settings *d)
{
    enum { FROM = offsetof(struct elo_settings, thing), TO = offsetof(struct elo_settings, port) };
    memset((uint8_t *)d + FROM, 0, TO - FROM);
    d->port = ELO_SETTINGS_PORT;
}

elo_err elo_setup_take_bundle(struct elo_setup *s)
{
    struct elo_settings *d = s->config.draft;
    struct wifi kept;
    if (s->_internal.has_bundle ||
        (!elo_bundle_text_begun(&s->bundle) && s->bundle.why == ELO_BUNDLE_FINE)) {
        return ELO_OK;
    }
    elo_err err = elo_bundle_text_finish(&s->bundle, s->config.has_key);
    if (err != ELO_OK) {
        return err;
    }
    keep_wifi(d, &kept);
    forget_endpoint(d);
    err = elo_settings_from_json(d, s->bundle.config, &s->fault);
    if (err != ELO_OK) {
        *d = *s->config.stored; /* the next test is not to go with half of it */
    }
    put_back_wifi(s, &kept);
    s->_internal.has_bundle = err == ELO_OK;
    return err;
}

bool elo_setup_has_bundle(const struct elo_setup *s)
{
    return s->_internal.has_bundle;
}

static elo_err judge(struct elo_setup *s, bool needs_wifi)
{
    static const char WIFI_SSID[] ELO_FLASH = "wifiSsid";
    elo_err err = elo_settings_check(s->config.draft, &s->fault);
    if (err == ELO_OK && needs_wifi && s->config.draft->ssid_len == 0) {
        err = elo__fault(&s->fault, WIFI_SSID, ELO_WHY_EMPTY);
    }
    if (err == ELO_OK && s->_internal.has_bundle) {
        err = elo_settings_complete(s->config.draft, &s->fault);
    }
    return err;
}

static elo_err go_to(struct elo_setup *s, elo_setup_state state, elo_setup_wish wish)
{
    if (is_busy(s)) {
        return ELO_E_PROTOCOL;
    }
    elo_err err = judge(s, state == ELO_SETUP_TESTING);
    if (err == ELO_OK) {
        s->state = state;
        s->stage = ELO_SETUP_STAGE_WIFI;
        s->reason = ELO_OK;
        elo_setup_wish_for(s, wish);
    }
    return err;
}

elo_err elo_setup_test(struct elo_setup *s)
{
    return go_to(s, ELO_SETUP_TESTING, ELO_SETUP_WISH_TEST);
}

elo_err elo_setup_keep(struct elo_setup *s)
{
    return go_to(s, ELO_SETUP_SAVING, ELO_SETUP_WISH_SAVE);
}

void elo_setup_refuse(struct elo_setup *s, elo_err reason)
{
    if (!is_busy(s)) {
        s->state = ELO_SETUP_FAILED;
        s->reason = reason;
    }
}

void elo_setup_progress(struct elo_setup *s, elo_setup_stage stage)
{
    s->stage = stage;
}

void elo_setup_tested(struct elo_setup *s, elo_err result)
{
    if (s->state != ELO_SETUP_TESTING) {
        return;
    }
    s->reason = result;
    s->state = result == ELO_OK ? ELO_SETUP_SAVING : ELO_SETUP_FAILED;
    if (result == ELO_OK) {
        elo_setup_wish_for(s, ELO_SETUP_WISH_SAVE);
    }
}

void elo_setup_saved(struct elo_setup *s, elo_err result, uint32_t now)
{
    if (s->state != ELO_SETUP_SAVING) {
        return;
    }
    s->reason = result;
    s->state = result == ELO_OK ? ELO_SETUP_SAVED : ELO_SETUP_FAILED;
    s->_internal.restarting = result == ELO_OK;
    s->_internal.restart_at = now + ELO_SETUP_RESTART_MS;
}

void elo_setup_wipe(struct elo_setup *s)
{
    elo__setup_wipe(s->config.draft, sizeof *s->config.draft);
    elo_bundle_text_wipe(&s->bundle);
    s->_internal.has_bundle = false;
}
