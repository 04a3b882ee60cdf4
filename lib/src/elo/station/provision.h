// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A whole board: the Station (station.h) and how it is set up (elo/setup), from blank flash on.
 *
 * Purpose
 *   It reads settings and credentials from flash and starts the Station with them; without any, it
 *   waits for a person or for `elo add --port`. What they ask for it does: listens for networks,
 *   tries new settings out, saves them, forgets them, restarts. The serial line is served always,
 *   the portal's connections as long as the board offers any. One source on the ESP8266, on a PC
 *   and on the emulated board; sans-I/O, everything goes through a struct elo_board.
 *
 * Life cycle
 *   Slots and queue are mounted; a struct elo_station_config has its memory, its board, its net.
 *
 *     elo_provision_init(&p, &config, now_ms), then for ever
 *     busy = elo_provision_step(&p, now_ms);
 *     on a machine that can sleep, if (!busy): wait for the link, the serial line and the portal,
 *     at most elo_provision_wait_ms(&p, now_ms)
 *
 * The key
 *   Is made on the board when its signing request is first asked for, from the board's entropy, and
 *   is in flash before the request is shown: no certificate is ever made for a key that a power cut
 *   took away. It never leaves the board. Forgetting, recovery and new bundles do not touch it. A
 *   bundle may bring a key of its own, which then goes with that bundle's certificate.
 *
 * A trial
 *   The Station says goodbye; the drafted Wi-Fi is joined; with certificates at hand the time is
 *   asked for, and the Station's own link and client connect and subscribe to their commands. That
 *   is the whole road: a bad policy shows here. Nothing is measured or sent. If it fails, the
 *   reason is the person's, and the board goes on with what it had. If it works, it is saved, and
 *   the board restarts some seconds later.
 *
 * Saving
 *   Settings and certificates each have two places in flash; the new ones go to those not in use,
 *   then one word says which count. A power cut leaves the old set or the new one, whole; what is
 *   not in use is erased after, or with the next start.
 *
 * Memory: struct elo_provision, 6.5 KiB on the ESP8266, the bundle's buffer, and what the station's
 * config points to. No heap. Not to be moved. Stack: as the Station's; making the request takes as
 * much as a handshake's signature, and so does the proof that a new pair belongs together. Flash:
 * four sectors of slots hold two roots, certificate and key twice. Keys ELO_PROVISION_SLOT to
 * ELO_PROVISION_SLOT + 15 are used; others are the owner's.
 */
#ifndef ELO_STATION_PROVISION_H
#define ELO_STATION_PROVISION_H

#include "elo/setup/console.h"
#include "elo/setup/portal.h"
#include "elo/station/station.h"
#include "elo/store/slots.h"
#include "elo/tls/csr.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ELO_PROVISION_SLOT     16u
#define ELO_PROVISION_NETWORKS 12u

/* The longest certificate or root, and all roots as the validator wants them: one of RSA-4096. */
#define ELO_PROVISION_CERTIFICATE_MAX 1280u
#define ELO_PROVISION_ROOTS_BYTES     (ELO_TLS_ANCHOR_BYTES_MAX + 2 * ELO_TLS_ANCHOR_BYTES)

/* Kept by reference while it runs. */
struct elo_provision_config {
    /*
     * Filled in but for who and where: is_set_up, tls.host, tls.anchors, tls.identity, address,
     * port, client_id, prefix, interval_s, again, trial, tell are set here. `scratch` has
     * ELO_SETTINGS_BYTES_MAX or more.
     */
    struct elo_station_config *station;
    struct elo_station *memory; /* the Station itself */
    struct elo_slots *slots;    /* mounted */

    const char *id;       /* "elo-4f22a1": plain RAM text without spaces, 1 to 64 bytes */
    const char *firmware; /* "station-0.1.0", the same */

    void *bundle; /* ELO_BUNDLE_TEXT_BYTES, in use while a bundle comes and is tried */
    size_t bundle_size;

    struct elo_portal_conn *conns; /* as many as the board offers at a time; or NULL */
    unsigned conn_count;

    /* NULL: nobody listens. See elo_station_config. */
    void (*tell)(void *ctx, const struct elo_station_news *news);
    void *tell_ctx;
};

struct elo_provision {
    struct elo_setup setup;
    struct elo_console console;
    struct elo_portal portal;
    struct elo_settings stored; /* as of the last start; all defaults: nothing was */
    struct {
        const struct elo_provision_config *config;
        struct elo_station *station;
        struct elo_settings draft;
        struct elo_setup_network networks[ELO_PROVISION_NETWORKS];

        struct elo_tls_anchors anchors;
        struct elo_tls_identity identity;
        br_x509_trust_anchor table[ELO_BUNDLE_ROOTS_MAX];
        uint32_t roots[ELO_PROVISION_ROOTS_BYTES / 4];
        uint8_t certificate[ELO_PROVISION_CERTIFICATE_MAX];
        uint8_t key[ELO_TLS_P256_KEY_BYTES];
        uint8_t csr[ELO_TLS_CSR_BYTES];
        uint16_t csr_len;

        uint32_t trial_ms, leave_ms;
        uint8_t trial;     /* enum in provision_internal.h */
        uint8_t valid;     /* bits, there too */
        elo_err outcome;   /* of a trial; ELO_NEED_MORE: not known yet */
        bool csr_wanted;   /* by a desk */
        bool was_setup;    /* before the trial */
        bool leaving;      /* it restarts at leave_ms */
        bool scanning;     /* the radio listens */
        bool has_identity; /* roots, certificate and key are loaded */
        uint8_t out[64];   /* for the serial line */
        uint8_t out_len, out_at;
        uint16_t conns_open; /* bits */
    } _internal;
};

/*
 * Reads the flash and starts. Any former content of `*p` is forgotten. Errors are those of the
 * slots, of elo_station_init, and ELO_E_NO_SPACE: scratch or bundle are too small. Credentials that
 * cannot be used are no error: then the board waits to be set up, and `why` has the reason.
 */
ELO_MUST_USE elo_err elo_provision_init(struct elo_provision *p,
                                        const struct elo_provision_config *config,
                                        uint32_t now_ms);

/* One step; true: there is more to do at once. */
bool elo_provision_step(struct elo_provision *p, uint32_t now_ms);

/* Milliseconds until something is to be done without input. */
uint32_t elo_provision_wait_ms(const struct elo_provision *p, uint32_t now_ms);

/* Has the board what it takes to connect? */
bool elo_provision_is_set_up(const struct elo_provision *p);

#ifdef __cplusplus
}
#endif

#endif
