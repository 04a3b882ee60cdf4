// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The device's identity and the roots it trusts, from LittleFS or from texts in the sketch.
 *
 *     /cert.pem   its certificate       the files of a bundle (`elo add`), as the folder `data` of
 * a /key.pem    its key               sketch carries them /ca.pem     roots; without it: Amazon's
 * (AWS IoT Core's ATS endpoints)
 *
 * Decoding needs some kilobytes for its duration: `work` and `text` are the caller's, and may lie
 * where his connection will be later.
 */
#ifndef ELO_PORT_ESP8266_CREDENTIALS_H
#define ELO_PORT_ESP8266_CREDENTIALS_H

#if defined(ARDUINO) && defined(ESP8266)

#include "elo/port/esp8266/bundle.h"
#include "elo/tls/credentials.h"

#define ELO_ESP8266_ROOTS 2

/* Room for a PEM certificate and a PEM key as AWS hands them out, RSA-2048 included. */
#define ELO_ESP8266_TEXT_BYTES 3072

/* PEM texts, in RAM or flash (PROGMEM), or NULL: the file. */
struct elo_esp8266_sources {
    const char *ca;
    const char *certificate;
    const char *key;
};

struct elo_esp8266_credentials {
    struct elo_tls_identity identity;
    struct elo_tls_anchors anchors;
    br_x509_trust_anchor table[ELO_ESP8266_ROOTS];
    uint8_t roots[ELO_ESP8266_ROOTS * ELO_TLS_ANCHOR_BYTES];
};

/* What decoding needs besides. */
struct elo_esp8266_decoding {
    struct elo_tls_work work;
    uint8_t text[ELO_ESP8266_TEXT_BYTES];
};

/*
 * /config.json, and /wifi.json over it: the same names, for what a bundle does not know. A file
 * that is not there is no failure. Errors of elo_bundle_read, and ELO_E_NO_SPACE for a file longer
 * than the scratch.
 */
ELO_MUST_USE elo_err elo_esp8266_bundle_load(struct elo_bundle *bundle,
                                             struct elo_texts *texts,
                                             struct elo_esp8266_decoding *scratch);

/*
 * `mem`: as for elo_tls_identity_init, kept. LittleFS must be mounted if a file is to be read.
 * Errors of elo_tls_identity_init and elo_tls_anchors_add, and ELO_E_NOT_FOUND (no certificate or
 * key file).
 */
ELO_MUST_USE elo_err elo_esp8266_credentials_init(struct elo_esp8266_credentials *c,
                                                  const struct elo_esp8266_sources *sources,
                                                  void *mem,
                                                  size_t mem_cap,
                                                  struct elo_esp8266_decoding *scratch);

/* A number that tells identities, their roots and endpoints apart, for elo_esp8266_rtc.identity: a
 * TLS session is good for those that it was made with. */
uint32_t elo_esp8266_fingerprint(const struct elo_esp8266_credentials *c, const char *host);

#endif
#endif
