// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Setting up a board: what the captive portal (portal.h) and the serial line (console.h) share.
 *
 * Purpose
 *   A draft of the settings, the bundle that is coming in, the networks that were heard, and one
 *   way for all of it: draft -> test -> save -> restart. Nothing is saved that did not work. Sans-
 *   I/O: the owner has the radio, the flash and the clock; this engine has wishes, he fulfils them:
 *
 *     elo_setup_tick(s, now);
 *     switch (elo_setup_next_wish(s)) {
 *     case ELO_SETUP_WISH_SCAN:    start listening; later elo_setup_heard() each and, at the end,
 *                                  elo_setup_scanned()
 *     case ELO_SETUP_WISH_TEST:    join Wi-Fi with s->draft; go on to the endpoint if
 *                                  elo_settings_complete() says that there is one, with the
 *                                  certificates of s->bundle if elo_setup_has_bundle(), else those
 *                                  stored. On the way elo_setup_progress(), at the end
 *                                  elo_setup_tested() with ELO_OK or the reason
 *     case ELO_SETUP_WISH_SAVE:    store s->draft and, if elo_setup_has_bundle(), roots,
 *                                  certificate and key; then elo_setup_saved()
 *     case ELO_SETUP_WISH_RESTART: restart
 *     case ELO_SETUP_WISH_FORGET:  erase settings and certificates (not the board's own key), then
 *                                  restart
 *     case ELO_SETUP_WISH_NONE:    nothing to do
 *     }
 *
 * Memory: everything is the owner's, given in the config: two struct elo_settings (what is stored
 *   and the draft), the bundle's buffer, the list of networks. They stay his and in place. The
 *   draft and the bundle hold secrets: elo_setup_wipe() when set-up ends.
 *
 * Times are uint32_t milliseconds of a clock that never jumps and may wrap.
 */
#ifndef ELO_SETUP_SETUP_H
#define ELO_SETUP_SETUP_H

#include "elo/setup/bundle_text.h"
#include "elo/setup/settings.h"

#ifdef __cplusplus
extern "C" {
#endif

/* From "saved" until the wish to restart: time for a page to say so. */
#define ELO_SETUP_RESTART_MS 8000u

struct elo_setup_network {
    uint8_t ssid[ELO_SSID_MAX];
    uint8_t ssid_len;
    int8_t rssi; /* dBm */
    bool locked;
};

typedef enum elo_setup_state {
    ELO_SETUP_IDLE,    /* nothing tried since the start */
    ELO_SETUP_TESTING, /* `stage` tells where */
    ELO_SETUP_FAILED,  /* `reason` tells why */
    ELO_SETUP_SAVING,  /* the test has passed */
    ELO_SETUP_SAVED    /* it restarts soon */
} elo_setup_state;

typedef enum elo_setup_stage {
    ELO_SETUP_STAGE_WIFI,    /* looking for the network, joining it */
    ELO_SETUP_STAGE_ADDRESS, /* waiting for an address */
    ELO_SETUP_STAGE_CLOCK,   /* asking for the time */
    ELO_SETUP_STAGE_REACH,   /* name look-up, TCP */
    ELO_SETUP_STAGE_TLS,
    ELO_SETUP_STAGE_MQTT,
    ELO_SETUP_STAGE_COUNT
} elo_setup_stage;

typedef enum elo_setup_wish {
    ELO_SETUP_WISH_NONE,
    ELO_SETUP_WISH_SCAN,
    ELO_SETUP_WISH_TEST,
    ELO_SETUP_WISH_SAVE,
    ELO_SETUP_WISH_RESTART,
    ELO_SETUP_WISH_FORGET
} elo_setup_wish;

struct elo_setup_config {
    const char *id;       /* the board's: "elo-4f22a1". Plain RAM text without spaces */
    const char *firmware; /* "station-0.4.0", the same */

    /* The certificate signing request in DER, for the key made on this board; an empty span while
     * it is not made yet. NULL: this board makes no key. Valid until the next call. */
    elo_span (*csr)(void *ctx);
    void *csr_ctx;

    /* What else the console's `status` and `why` say, or NULL. Into `out`, NUL-terminated, 80 bytes
     * are there; false: there is nothing (more). `row` counts from 0. */
    bool (*status)(void *ctx, unsigned row, char *out, size_t cap);
    bool (*why)(void *ctx, char *out, size_t cap);
    void *status_ctx; /* of both */

    const struct elo_settings *stored;
    struct elo_settings *draft;
    void *bundle_mem; /* ELO_BUNDLE_TEXT_BYTES */
    size_t bundle_cap;
    struct elo_setup_network *networks; /* a dozen are enough */
    size_t network_cap;

    bool has_key;         /* the board has its own key */
    elo_err last_failure; /* of the connection before set-up began; ELO_OK: none is known */
};

struct elo_setup {
    struct elo_setup_config config;
    struct elo_bundle_text bundle;
    elo_setup_state state;
    elo_setup_stage stage;
    elo_err reason;                  /* FAILED: of the test. IDLE: config.last_failure */
    struct elo_settings_fault fault; /* reason ELO_E_SETTING: which and why */
    bool scanning, scanned;
    size_t network_count; /* strongest first */
    struct {
        uint8_t wishes;
        bool has_bundle, wifi_given, restarting;
        uint32_t restart_at;
    } _internal;
};

void elo_setup_init(struct elo_setup *s, const struct elo_setup_config *config);

/* --- for the owner --------------------------------------------------------------------------- */

/* The next thing to do; each is told once. */
elo_setup_wish elo_setup_next_wish(struct elo_setup *s);
void elo_setup_tick(struct elo_setup *s, uint32_t now);

/* A network that was heard: the strongest of a name counts, nameless ones do not. */
void elo_setup_heard(struct elo_setup *s, elo_span ssid, int rssi, bool locked);
void elo_setup_scanned(struct elo_setup *s);

void elo_setup_progress(struct elo_setup *s, elo_setup_stage stage);
void elo_setup_tested(struct elo_setup *s, elo_err result);
void elo_setup_saved(struct elo_setup *s, elo_err result, uint32_t now);

/* There is a complete bundle in s->bundle to be used and saved. */
bool elo_setup_has_bundle(const struct elo_setup *s);

/* Overwrites the draft and the bundle. */
void elo_setup_wipe(struct elo_setup *s);

/* --- for portal and console ------------------------------------------------------------------- */

/* May the draft be changed? Not while a test runs, nor after SAVED: it is in use. */
bool elo_setup_open(const struct elo_setup *s);

/* A new bundle begins: the draft becomes what is stored, but for a Wi-Fi that was given, if that is
 * to be kept. */
void elo_setup_new_bundle(struct elo_setup *s, bool keep);

/* The Wi-Fi of the draft was chosen by a person: a bundle's is not to replace it. */
void elo_setup_wifi_given(struct elo_setup *s);

/* Finishes s->bundle and takes its config.json into the draft: who and where as a whole, of the
 * rest what is there. ELO_OK if none was begun; with an error nothing of it is in the draft. */
ELO_MUST_USE elo_err elo_setup_take_bundle(struct elo_setup *s);

/* Judges the draft and begins the test. ELO_E_SETTING: s->fault; ELO_E_PROTOCOL: one runs. */
ELO_MUST_USE elo_err elo_setup_test(struct elo_setup *s);

/* Judges the draft and saves it as it is: for what no test can tell, such as an interval. Errors as
 * elo_setup_test(). */
ELO_MUST_USE elo_err elo_setup_keep(struct elo_setup *s);

/* What failed before a test could begin, to be shown: state FAILED. */
void elo_setup_refuse(struct elo_setup *s, elo_err reason);

void elo_setup_wish_for(struct elo_setup *s, elo_setup_wish wish);

/* --- words -------------------------------------------------------------------------------------
 */

/* A reason for people who hold the board: cause and cure, one or two short sentences. Never NULL.*/
elo_text elo_setup_words(elo_err reason, elo_lang lang);
elo_text elo_setup_stage_words(elo_setup_stage stage, elo_lang lang);

#ifdef __cplusplus
}
#endif

#endif
