// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "tests/support/setup_world.h"

#include <stdio.h>
#include <string.h>

static elo_span give_csr(void *ctx)
{
    const struct setup_world *w = ctx;
    return w->csr;
}

void setup_world_init(struct setup_world *w, elo_err last_failure, elo_span csr)
{
    memset(w, 0, sizeof *w);
    elo_settings_defaults(&w->stored);
    w->csr = csr;
    w->step_ms = 300;
    const struct elo_setup_config config = {
        .id = "elo-4f22a1",
        .firmware = "station-0.1.0",
        .csr = csr.len > 0 ? give_csr : NULL,
        .csr_ctx = w,
        .has_key = csr.len > 0,
        .stored = &w->stored,
        .draft = &w->draft,
        .bundle_mem = w->bundle_mem,
        .bundle_cap = sizeof w->bundle_mem,
        .networks = w->networks,
        .network_cap = 20,
        .last_failure = last_failure,
    };
    elo_setup_init(&w->setup, &config);
}

static void hear(struct setup_world *w, const char *ssid, int rssi, bool locked)
{
    elo_setup_heard(&w->setup, elo_span_str(ssid), rssi, locked);
}

static void hear_all(struct setup_world *w)
{
    char name[33];
    switch (w->network_kind) {
    case 1:
        for (int i = 0; i < 26; i++) {
            snprintf(name, sizeof name, "Neighbour %02d", i);
            hear(w, name, -40 - 2 * i, i % 3 != 0);
        }
        break;
    case 2:
        hear(w, "<script>alert(1)</script>", -48, true);
        hear(w, "\"><img src=x onerror=alert(2)>", -52, true);
        hear(w, "a'b&amp;\\c\x01\x7f\r\n</label>", -60, false);
        hear(w,
             "\xe2\x80\xae"
             "gnp.exe",
             -62, true);
        hear(w, "\xff\xfe not utf-8 \xc3", -66, true);
        hear(w, "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW", -70, true);
        hear(w, "Caf\xc3\xa9 do S\xc3\xa3o Jo\xc3\xa3o \xe2\x98\x95", -80, false);
        break;
    case 3:
        break;
    default:
        hear(w, "Casa da Ana", -49, true);
        hear(w, "Casa da Ana", -71, true);
        hear(w, "Workshop", -63, true);
        hear(w, "Café", -74, false);
        hear(w, "Neighbour", -86, true);
        hear(w, "", -50, true);
    }
}

static elo_err fate(const struct setup_world *w, elo_setup_stage stage)
{
    const struct elo_settings *d = &w->draft;
    static const struct {
        const char *passphrase;
        elo_setup_stage stage;
        elo_err err;
    } fates[] = {
        {"wrong-pass", ELO_SETUP_STAGE_WIFI, ELO_E_WIFI_PASSPHRASE},
        {"no-address", ELO_SETUP_STAGE_ADDRESS, ELO_E_WIFI_DHCP},
        {"no-internet", ELO_SETUP_STAGE_REACH, ELO_E_DNS},
        {"bad-root", ELO_SETUP_STAGE_TLS, ELO_E_ROOT},
        {"bad-policy", ELO_SETUP_STAGE_MQTT, ELO_E_CLOSED_AFTER_CONNECT},
    };
    if (d->ssid_len == 7 && memcmp(d->ssid, "nowhere", 7) == 0 && stage == ELO_SETUP_STAGE_WIFI) {
        return ELO_E_WIFI_NOT_FOUND;
    }
    for (size_t i = 0; i < sizeof fates / sizeof fates[0]; i++) {
        if (strcmp(d->passphrase, fates[i].passphrase) == 0 && stage == fates[i].stage) {
            return fates[i].err;
        }
    }
    return ELO_OK;
}

static void go_on(struct setup_world *w, uint32_t now)
{
    struct elo_setup *s = &w->setup;
    elo_err err = fate(w, s->stage);
    if (err != ELO_OK || s->stage == ELO_SETUP_STAGE_MQTT) {
        elo_setup_tested(s, err);
        return;
    }
    elo_setup_progress(s, (elo_setup_stage)(s->stage + 1));
    w->stage_at = now + w->step_ms;
}

static void save(struct setup_world *w, uint32_t now)
{
    w->saves++;
    w->saved_bundle = elo_setup_has_bundle(&w->setup);
    if (w->save_result == ELO_OK) {
        w->stored = w->draft;
    }
    elo_setup_saved(&w->setup, w->save_result, now);
}

void setup_world_step(struct setup_world *w, uint32_t now)
{
    elo_setup_tick(&w->setup, now);
    if (w->listening && (int32_t)(now - w->scan_at) >= 0) {
        w->listening = false;
        hear_all(w);
        elo_setup_scanned(&w->setup);
    }
    if (w->setup.state == ELO_SETUP_TESTING && w->stage_at != 0 &&
        (int32_t)(now - w->stage_at) >= 0) {
        go_on(w, now);
    }
    switch (elo_setup_next_wish(&w->setup)) {
    case ELO_SETUP_WISH_SCAN:
        w->listening = true;
        w->scan_at = now + 4 * w->step_ms;
        break;
    case ELO_SETUP_WISH_TEST:
        w->stage_at = now + w->step_ms;
        break;
    case ELO_SETUP_WISH_SAVE:
        save(w, now);
        break;
    case ELO_SETUP_WISH_RESTART:
        w->restarted = true;
        break;
    case ELO_SETUP_WISH_FORGET:
        w->forgotten = true;
        break;
    default:
        break;
    }
}
