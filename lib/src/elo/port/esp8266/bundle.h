// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A bundle's config.json, as `elo add` writes it, and what a sketch's folder `data` may add to it:
 *
 *     {"thingName":"kitchen","clientId":"kitchen","host":"192.168.1.7","port":8883,
 *      "serverName":"elo-desk","prefix":"elo/kitchen","ssid":"home","password":"..."}
 *
 * Members in any order; further ones are passed over, so that a bundle may say more than this
 * library knows. Texts are copied, with a NUL at their end, into memory of the caller's.
 */
#ifndef ELO_PORT_ESP8266_BUNDLE_H
#define ELO_PORT_ESP8266_BUNDLE_H

#include "elo/base/err.h"
#include "elo/base/span.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A run of texts in the caller's memory. */
struct elo_texts {
    char *ptr;
    size_t cap, used;
};

/* Copies `text` and puts a NUL behind it; NULL when it does not fit. */
const char *elo_texts_add(struct elo_texts *texts, elo_span text);

/* NULL and 0: not said. */
struct elo_bundle {
    const char *host;        /* where to connect: a name or an address */
    const char *server_name; /* for SNI and the certificate; NULL: `host` */
    const char *client_id;
    const char *prefix; /* of the device's topics, no slash at its end */
    const char *ssid;
    const char *password;
    uint16_t port;
};

/*
 * Reads `json` into `bundle`: members that are there replace what it held.
 *
 * ELO_E_MALFORMED, ELO_E_UTF8, ELO_E_DEPTH  not JSON; a text with a NUL character in it; a port
 *                                           that is none
 * ELO_E_NO_SPACE                            the texts do not fit
 * On failure `bundle` may hold some of the members, and whole ones only.
 */
ELO_MUST_USE elo_err elo_bundle_read(struct elo_bundle *bundle,
                                     elo_span json,
                                     struct elo_texts *texts);

#ifdef __cplusplus
}
#endif

#endif
