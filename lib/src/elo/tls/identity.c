// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works, in this order: the key is decoded and copied; its public half is computed into
 * the work memory; then the certificates stream through a decoder and into the caller's memory,
 * and at the end of the first one its public key is compared with ours. So a key that belongs to
 * another certificate is found here and not by a server that hangs up.
 */
#include "elo/tls/credentials.h"

#include "elo/base/assert.h"
#include "elo/base/flash.h"
#include "elo/tls/internal.h"

struct reader {
    struct elo_tls_identity *identity;
    struct elo_tls_work *work;
    struct elo__tls_arena arena;
    struct elo__tls_validity validity;
    size_t public_len; /* of work->public_key: RSA modulus or EC point */
    size_t certificate_at;
    bool have_key;
};

/* --- the key -----------------------------------------------------------------------------------
 */

/* "PRIVATE KEY" with "", "RSA ", "EC " or "ENCRYPTED " before it. */
static elo_err key_begin(void *ctx, const char *name)
{
    struct reader *r = (struct reader *)ctx;
    static const char SUFFIX[] = "PRIVATE KEY";
    if (name != NULL) {
        size_t len = strlen(name);
        if (len < sizeof SUFFIX - 1 || strcmp(name + len - (sizeof SUFFIX - 1), SUFFIX) != 0) {
            return ELO_END;
        }
        if (strncmp(name, "ENC", 3) == 0) {
            return ELO_E_UNSUPPORTED;
        }
    }
    if (r->have_key) {
        return ELO_END;
    }
    br_skey_decoder_init(&r->work->_internal.of.key);
    return ELO_OK;
}

static void key_put(void *ctx, const void *data, size_t len)
{
    br_skey_decoder_context *decoder = &((struct reader *)ctx)->work->_internal.of.key;
    if (br_skey_decoder_last_error(decoder) == BR_ERR_X509_TRUNCATED) { /* as for certificates */
        br_skey_decoder_push(decoder, data, len);
    }
}

/* BearSSL's arithmetic wants factors that its buffers hold; the decoder does not check. */
static bool rsa_is_sane(const br_rsa_private_key *key)
{
    const size_t half = ELO_TLS_RSA_MAX / 2;
    return key->plen > 0 && key->plen <= half && key->qlen > 0 && key->qlen <= half &&
           key->dplen <= key->plen && key->dqlen <= key->qlen && key->iqlen <= key->plen &&
           key->plen + key->qlen == ((size_t)key->n_bitlen + 7) / 8 &&
           (key->p[key->plen - 1] & 1) != 0 && (key->q[key->qlen - 1] & 1) != 0;
}

static elo_err keep_rsa(struct reader *r, const br_rsa_private_key *key)
{
    if (key->n_bitlen < 2048 || key->n_bitlen > ELO_TLS_RSA_MAX * 8) {
        return ELO_E_UNSUPPORTED;
    }
    if (!rsa_is_sane(key)) {
        return ELO_E_BAD_PEM;
    }
    br_rsa_private_key *to = &r->identity->_internal.key.rsa;
    *to = *key;
    to->p = elo__tls_arena_add(&r->arena, key->p, key->plen);
    to->q = elo__tls_arena_add(&r->arena, key->q, key->qlen);
    to->dp = elo__tls_arena_add(&r->arena, key->dp, key->dplen);
    to->dq = elo__tls_arena_add(&r->arena, key->dq, key->dqlen);
    to->iq = elo__tls_arena_add(&r->arena, key->iq, key->iqlen);
    if (r->arena.full) {
        return ELO_E_NO_SPACE;
    }
    r->public_len = br_rsa_compute_modulus_get_default()(r->work->_internal.public_key, to);
    return r->public_len != 0 ? ELO_OK : ELO_E_BAD_PEM;
}

static elo_err keep_ec(struct reader *r, const br_ec_private_key *key)
{
    if (key->curve != BR_EC_secp256r1 && key->curve != BR_EC_secp384r1) {
        return ELO_E_UNSUPPORTED;
    }
    br_ec_private_key *to = &r->identity->_internal.key.ec;
    to->curve = key->curve;
    to->x = elo__tls_arena_add(&r->arena, key->x, key->xlen);
    to->xlen = key->xlen;
    if (r->arena.full) {
        return ELO_E_NO_SPACE;
    }
    r->public_len = br_ec_compute_pub(br_ec_get_default(), NULL, r->work->_internal.public_key, to);
    return r->public_len != 0 ? ELO_OK : ELO_E_BAD_PEM; /* 0, or not below the curve's order */
}

static elo_err key_end(void *ctx)
{
    struct reader *r = (struct reader *)ctx;
    const br_skey_decoder_context *decoder = &r->work->_internal.of.key;
    int bear = br_skey_decoder_last_error(decoder);
    if (bear != 0) {
        return bear == BR_ERR_X509_UNSUPPORTED ? ELO_E_UNSUPPORTED : ELO_E_BAD_PEM;
    }
    r->have_key = true;
    r->identity->_internal.key_type = (uint8_t)br_skey_decoder_key_type(decoder);
    if (r->identity->_internal.key_type == BR_KEYTYPE_RSA) {
        return keep_rsa(r, br_skey_decoder_get_rsa(decoder));
    }
    return keep_ec(r, br_skey_decoder_get_ec(decoder));
}

/* --- the certificates --------------------------------------------------------------------------
 */

static elo_err certificate_begin(void *ctx, const char *name)
{
    struct reader *r = (struct reader *)ctx;
    if (!elo__tls_is_certificate(name)) {
        return ELO_END;
    }
    if (r->identity->_internal.chain_len == ELO_TLS_CHAIN_MAX) {
        return ELO_E_TOO_LARGE;
    }
    r->certificate_at = r->arena.used;
    elo__tls_begin_x509(&r->work->_internal.of.x509, NULL, NULL);
    elo__tls_validity_init(&r->validity);
    return ELO_OK;
}

static void certificate_put(void *ctx, const void *data, size_t len)
{
    struct reader *r = (struct reader *)ctx;
    elo__tls_arena_add(&r->arena, data, len);
    elo__tls_validity_feed(&r->validity, (const uint8_t *)data, len);
    elo__tls_push_x509(&r->work->_internal.of.x509, data, len);
}

/* For RSA the modulus decides: BearSSL cannot compute the public exponent of every key (its factors
 * must be 3 mod 4), and no two keys share a modulus. */
static bool key_belongs(const struct reader *r, const br_x509_pkey *theirs)
{
    const uint8_t *ours = r->work->_internal.public_key;
    if (theirs->key_type != r->identity->_internal.key_type) {
        return false;
    }
    if (theirs->key_type == BR_KEYTYPE_RSA) {
        return elo_span_eq(elo_span_of(ours, r->public_len),
                           elo_span_of(theirs->key.rsa.n, theirs->key.rsa.nlen));
    }
    return theirs->key.ec.curve == r->identity->_internal.key.ec.curve &&
           elo_span_eq(elo_span_of(ours, r->public_len),
                       elo_span_of(theirs->key.ec.q, theirs->key.ec.qlen));
}

static elo_err certificate_end(void *ctx)
{
    struct reader *r = (struct reader *)ctx;
    struct elo_tls_identity *identity = r->identity;
    br_x509_decoder_context *x509 = &r->work->_internal.of.x509;
    const br_x509_pkey *key = br_x509_decoder_get_pkey(x509);
    if (key == NULL || !elo__tls_validity_known(&r->validity)) {
        return ELO_E_BAD_PEM;
    }
    if (r->arena.full) {
        return ELO_E_NO_SPACE;
    }
    if (identity->_internal.chain_len == 0) {
        if (!key_belongs(r, key)) {
            return ELO_E_KEYPAIR;
        }
        identity->_internal.not_before = r->validity.not_before;
        identity->_internal.not_after = r->validity.not_after;
        identity->_internal.issuer_key_type = (uint8_t)br_x509_decoder_get_signer_key_type(x509);
    }
    br_x509_certificate *to = &identity->_internal.chain[identity->_internal.chain_len++];
    to->data = r->arena.ptr + r->certificate_at;
    to->data_len = r->arena.used - r->certificate_at;
    return ELO_OK;
}

/* --- the whole ---------------------------------------------------------------------------------
 */

elo_err elo_tls_identity_init(struct elo_tls_identity *identity,
                              elo_span certificate,
                              elo_span key,
                              void *mem,
                              size_t mem_cap,
                              struct elo_tls_work *work)
{
    ELO_ASSERT(identity != NULL && work != NULL && (mem != NULL || mem_cap == 0));
    static const struct elo__tls_sink KEY ELO_FLASH = {key_begin, key_put, key_end};
    static const struct elo__tls_sink CERTIFICATE ELO_FLASH = {certificate_begin, certificate_put,
                                                               certificate_end};
    struct reader r;
    memset(&r, 0, sizeof r);
    memset(identity, 0, sizeof *identity);
    r.identity = identity;
    r.work = work;
    r.arena.ptr = (uint8_t *)mem;
    r.arena.cap = mem_cap;
    elo_err err = elo__tls_read_objects(key, &work->_internal.pem, &KEY, &r);
    if (err == ELO_OK) {
        err = elo__tls_read_objects(certificate, &work->_internal.pem, &CERTIFICATE, &r);
    }
    if (err != ELO_OK) {
        elo__tls_wipe(mem, r.arena.used);
        memset(identity, 0, sizeof *identity);
    }
    elo__tls_wipe(work, sizeof *work);
    return err;
}

uint32_t elo_tls_identity_not_before(const struct elo_tls_identity *identity)
{
    return identity->_internal.not_before;
}

uint32_t elo_tls_identity_not_after(const struct elo_tls_identity *identity)
{
    return identity->_internal.not_after;
}

elo_span elo_tls_identity_certificate(const struct elo_tls_identity *identity)
{
    return elo_span_of(identity->_internal.chain[0].data, identity->_internal.chain[0].data_len);
}

void elo_tls_identity_wipe(struct elo_tls_identity *identity)
{
    if (identity->_internal.key_type == BR_KEYTYPE_RSA) {
        br_rsa_private_key *key = &identity->_internal.key.rsa;
        elo__tls_wipe(key->p, key->plen);
        elo__tls_wipe(key->q, key->qlen);
        elo__tls_wipe(key->dp, key->dplen);
        elo__tls_wipe(key->dq, key->dqlen);
        elo__tls_wipe(key->iq, key->iqlen);
    } else if (identity->_internal.key_type == BR_KEYTYPE_EC) {
        elo__tls_wipe(identity->_internal.key.ec.x, identity->_internal.key.ec.xlen);
    }
    memset(identity, 0, sizeof *identity);
}
