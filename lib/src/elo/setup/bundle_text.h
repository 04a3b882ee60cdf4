// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A whole bundle in one text: the config.json and the PEM blocks that `elo add` wrote, one after
 * the other, as a person pastes them or a program sends them.
 *
 *     {"thingName":"kitchen","host":"192.168.1.20","port":8883, ...}
 *     -----BEGIN CERTIFICATE-----        the root, or several
 *     -----BEGIN CERTIFICATE-----        the device's own
 *     -----BEGIN EC PRIVATE KEY-----     only if the board has not made its own
 *
 * Purpose
 *   Streaming: bytes in any split, decoded as they come into the caller's memory: the JSON as text,
 *   everything else as DER. Certificates are told apart by what is in them - the root may issue
 *   others, the device's may not - so the order does not matter.
 *
 * What is forgiven: CRLF, a missing last newline, lines of any length, spaces for newlines,
 *   indentation, a byte order mark, text between the parts, "EC PARAMETERS", the same block twice.
 *   Lines between the parts that name a file ("ca.pem", as `tail -n +1 *.pem` writes them) are
 *   believed for one thing: if they say the root is the device's certificate and the other way
 *   round, `swapped` tells so; it has been put right.
 * What is refused: blocks of other names, which `name` tells; damaged ones; two different
 *   certificates for the device; a text that ends inside a part.
 *
 * Life cycle: init, input ... input, finish; then the spans, until the next init. Nothing is kept
 *   after a failure. The memory holds a key perhaps: elo_bundle_text_wipe() when it is not needed.
 *
 * Memory: `mem` holds the decoded parts: about 900 bytes each for root and certificate, 140 for a
 *   key, the JSON as it stands. ELO_BUNDLE_TEXT_BYTES is enough for every bundle of `elo add`.
 */
#ifndef ELO_SETUP_BUNDLE_TEXT_H
#define ELO_SETUP_BUNDLE_TEXT_H

#include "elo/base/err.h"
#include "elo/setup/text.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ELO_BUNDLE_TEXT_BYTES 3584u
#define ELO_BUNDLE_ROOTS_MAX  3u

typedef enum elo_bundle_why {
    ELO_BUNDLE_FINE,
    ELO_BUNDLE_EMPTY,       /* nothing of a bundle in the text */
    ELO_BUNDLE_TOO_LARGE,   /* more than `mem` holds */
    ELO_BUNDLE_UNFINISHED,  /* ends inside a part */
    ELO_BUNDLE_DAMAGED,     /* a block is not base64, or not what it says inside */
    ELO_BUNDLE_UNKNOWN,     /* a block of another name */
    ELO_BUNDLE_ENCRYPTED,   /* a key with a password */
    ELO_BUNDLE_TWO_CONFIGS, /* two JSON texts */
    ELO_BUNDLE_TWO_CERTS,   /* two different certificates of devices */
    ELO_BUNDLE_TWO_KEYS,    /* two different keys */
    ELO_BUNDLE_MANY_ROOTS,  /* more than ELO_BUNDLE_ROOTS_MAX */
    ELO_BUNDLE_NO_CONFIG,   /* the JSON is missing */
    ELO_BUNDLE_NO_ROOT,     /* the root is missing */
    ELO_BUNDLE_NO_CERT,     /* the device's certificate is missing */
    ELO_BUNDLE_NO_KEY,      /* the key is missing, and the board has none */
    ELO_BUNDLE_WHY_COUNT
} elo_bundle_why;

struct elo_bundle_text {
    /* After elo_bundle_text_finish() said ELO_OK; DER, but for the JSON. `key` may be empty. */
    elo_span config;
    elo_span roots[ELO_BUNDLE_ROOTS_MAX];
    size_t root_count;
    elo_span cert;
    elo_span key;
    bool swapped;

    /* After a failure. */
    elo_bundle_why why;
    uint32_t line; /* counted from 1; 0: the text as a whole */
    char name[33]; /* of the block, as far as it fits; empty: none */

    struct {
        uint8_t *mem;
        size_t cap, used, start;
        uint32_t line, group;
        uint16_t depth;
        uint8_t state, digits, pads, announced, block, bom;
        bool quoted, escaped, something, cert_as_root, root_as_cert;
        uint8_t text_len;
        char text[64];
        elo_err err;
    } _internal;
};

void elo_bundle_text_init(struct elo_bundle_text *b, void *mem, size_t cap);

/*
 * More of the text. ELO_OK, or the failure, which stays and which finish tells again:
 * ELO_E_TOO_LARGE, ELO_E_BAD_PEM (damaged), ELO_E_UNSUPPORTED (a block of another name, an
 * encrypted key), ELO_E_BUNDLE (one part too many).
 */
elo_err elo_bundle_text_input(struct elo_bundle_text *b, elo_span bytes);

/*
 * The text is over. `board_has_key`: the board made its own, so none need come. Further failures:
 * ELO_E_MALFORMED (the text is empty or ends too early), ELO_E_BUNDLE (a part is missing).
 */
ELO_MUST_USE elo_err elo_bundle_text_finish(struct elo_bundle_text *b, bool board_has_key);

/* Has anything of a bundle been seen? */
bool elo_bundle_text_begun(const struct elo_bundle_text *b);

/* Overwrites the memory and starts anew. */
void elo_bundle_text_wipe(struct elo_bundle_text *b);

/* What is wrong in words, one sentence. */
elo_text elo_bundle_words(elo_bundle_why why, elo_lang lang);

#ifdef __cplusplus
}
#endif

#endif
