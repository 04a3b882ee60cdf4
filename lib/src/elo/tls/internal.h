// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What the files of this folder share. Private to it.
 */
#ifndef ELO_TLS_INTERNAL_H
#define ELO_TLS_INTERNAL_H

#include "elo/tls/tls.h"

/* --- error.c: BearSSL's numbers into reasons ---------------------------------------------- */

/* What was going on when BearSSL failed; it changes what a number means. */
struct elo__tls_moment {
    bool ready;         /* the handshake was complete */
    bool not_yet_valid; /* a certificate of the server begins after our clock */
};

/* The reason for BearSSL's error number `bear`, not 0. `*out_alert` becomes the alert to tell the
 * server while records are still in the clear, 0 for none. */
elo_err elo__tls_reason(int bear, struct elo__tls_moment moment, uint8_t *out_alert);

/* --- validity.c: the dates of a certificate that streams by -------------------------------- */

void elo__tls_validity_init(struct elo__tls_validity *v);
void elo__tls_validity_feed(struct elo__tls_validity *v, const uint8_t *data, size_t len);

/* Both dates were read. */
bool elo__tls_validity_known(const struct elo__tls_validity *v);

/* --- x509.c: chain validation that also remembers dates ------------------------------------- */

/* `minimal` is initialised and has its time set; this wraps it. */
void elo__tls_x509_init(struct elo_tls_handshake *handshake, uint32_t now_unix);

/* From now on `eng` trusts nobody. */
void elo__tls_x509_none(br_ssl_engine_context *eng);

/* --- pace.c: how much of a handshake one step takes in ------------------------------------------
 */

/* Of `len` bytes that the engine could take, how many it should be offered; 1 or more. */
size_t elo__tls_pace_limit(const struct elo__tls_pace *p, size_t len);

/* Bytes that the engine is being given. */
void elo__tls_pace_feed(struct elo__tls_pace *p, const uint8_t *data, size_t len);

/* --- der.c: fields of a certificate, in flash or RAM ---------------------------------------------
 */

/* Spans into the certificate. RSA: modulus and exponent without leading zeros; EC: the point. */
struct elo__tls_certificate {
    elo_span subject; /* the whole element */
    elo_span key, exponent;
    uint8_t key_type; /* BR_KEYTYPE_RSA, or BR_KEYTYPE_EC for a key on P-256 */
    bool is_ca;
};

/* ELO_E_BAD_PEM: no certificate, or more than one; ELO_E_UNSUPPORTED: another kind of key. */
elo_err elo__tls_der_certificate(elo_span der, struct elo__tls_certificate *out);

/* Takes the first element off `in`, its tag and length included; false when there is none whole. */
bool elo__tls_der_next(elo_span *in, elo_span *out_whole);

/* --- identity_ec.c ------------------------------------------------------------------------------
 */

/* Is it 1 to the order of P-256 less 1? In constant time. */
bool elo__tls_is_p256_key(const uint8_t *key);

/* --- pem.c: objects out of PEM or DER ------------------------------------------------------- */

/* Receives objects. `begin` is told the PEM name (upper case; NULL: the input is DER) and answers
 * ELO_OK to get the bytes, ELO_END to pass, or a failure; `end` judges what came. */
struct elo__tls_sink {
    elo_err (*begin)(void *ctx, const char *name);
    void (*put)(void *ctx, const void *data, size_t len);
    elo_err (*end)(void *ctx);
};

/* Feeds every object of `text` to the sink. ELO_E_BAD_PEM when none was taken, or one is damaged or
 * unfinished; else the first failure of the sink. */
elo_err elo__tls_read_objects(elo_span text,
                              br_pem_decoder_context *pem,
                              const struct elo__tls_sink *sink,
                              void *ctx);

/* Is this PEM object a certificate? DER is taken for one. */
bool elo__tls_is_certificate(const char *name);

/* Begins a certificate; `subject` (may be NULL) is given the bytes of its subject's name. */
void elo__tls_begin_x509(br_x509_decoder_context *decoder,
                         void (*subject)(void *ctx, const void *data, size_t len),
                         void *ctx);

/* Pushes into a decoder that has not finished yet: BearSSL 0.6 reads through a null pointer when it
 * is given more after its end. */
void elo__tls_push_x509(br_x509_decoder_context *decoder, const void *data, size_t len);

/* --- memory.c ------------------------------------------------------------------------------- */

/* A growing run of bytes in the caller's memory; `full` sticks. */
struct elo__tls_arena {
    uint8_t *ptr;
    size_t cap, used;
    bool full;
};

/* Appends; where the bytes now are, or NULL when they did not fit. */
uint8_t *elo__tls_arena_add(struct elo__tls_arena *arena, const void *data, size_t len);

/* Enough of it, and not all the same byte. */
bool elo__tls_is_random(elo_span entropy);

/* Overwrites secrets in a way that the compiler keeps. */
void elo__tls_wipe(void *mem, size_t len);

#endif
