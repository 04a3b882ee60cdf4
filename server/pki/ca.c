// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: ca.key is written before ca.pem, and the subject of the certificate is made from
 * the key alone. So of the four things that can be found at a start
 *
 *   neither        a first start: make both
 *   ca.key only    a crash between the two, or a lost certificate: certify the key again; what was
 *                  issued under it stays valid, as the issuer's name and key identifier are the
 * same both           check them ca.pem only    the key is lost: refuse, because a new CA would be
 * a stranger to every device
 */
#include <inttypes.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdio.h>

#include "server/base/env.h"
#include "server/base/limits.h"
#include "server/base/mem.h"
#include "server/pki/internal.h"

static const int64_t CA_LIFE_S = INT64_C(20) * 36525 * 864; /* 20 years of 365.25 days */

/* Devices' clocks may trail ours, and certificates of the first minute must not be too new. */
static const int64_t CA_HEAD_START_S = 86400;

static const char CA_KEY[] = "ca.key";
static const char CA_PEM[] = "ca.pem";

/* What pki_ca_open() works with. */
struct opening {
    struct pki__dir dir;
    struct pki__why why;
    int64_t now_s;
    struct buf key_pem; /* secret */
    struct buf certificate_pem;
    bool has_key;
    bool has_certificate;
};

static elo_err
load(const struct opening *o, const char *name, struct buf *out, bool *has, mode_t *mode)
{
    elo_err err = pki__dir_read(&o->dir, name, out, mode, o->why);
    *has = err == ELO_OK;
    return err == ELO_E_NOT_FOUND ? ELO_OK : err;
}

static elo_err load_both(struct opening *o)
{
    mode_t mode = 0;
    elo_err err = load(o, CA_PEM, &o->certificate_pem, &o->has_certificate, &mode);
    if (err == ELO_OK) {
        err = load(o, CA_KEY, &o->key_pem, &o->has_key, &mode);
    }
    if (err == ELO_OK && o->has_key && (mode & 077) != 0) {
        return pki__fail(o->why, ELO_E_PERMISSION,
                         "%s/%s is open to other users (mode %04o): chmod 600 it, and if somebody "
                         "may have read it, start with a new CA",
                         o->dir.path, CA_KEY, (unsigned)mode);
    }
    return err;
}

static elo_err make_key(struct opening *o, struct pki_ca *ca)
{
    ca->key = pki__key_make_p256();
    elo_err err =
        ca->key != NULL ? pki__key_to_pem(ca->key, PKI_KEY_PKCS8, &o->key_pem) : ELO_E_NO_MEMORY;
    if (err != ELO_OK) {
        return pki__fail_openssl(o->why, "the CA's key");
    }
    return pki__dir_write(&o->dir, CA_KEY, buf_span(&o->key_pem), 0600, o->why);
}

static elo_err read_key(const struct opening *o, struct pki_ca *ca)
{
    ca->key = pki__key_from_pem(buf_span(&o->key_pem));
    if (ca->key == NULL) {
        return pki__fail(o->why, ELO_E_CORRUPT,
                         "%s/%s is not a readable private key: put it back from a backup%s",
                         o->dir.path, CA_KEY,
                         o->has_certificate ? "" : ", or remove it to start with a new CA");
    }
    return ELO_OK;
}

/* "Elo desk CA 1a2b3c4d": the digits are of the key, so two desks are told apart. */
static X509_NAME *subject_of(EVP_PKEY *key)
{
    unsigned char *spki = NULL;
    int len = i2d_PUBKEY(key, &spki);
    if (len < 0) {
        return NULL;
    }
    uint8_t hash[32];
    char digits[9];
    char common_name[32];
    pki_sha256(elo_span_of(spki, (size_t)len), hash);
    OPENSSL_free(spki);
    core_hex(hash, 4, digits);
    snprintf(common_name, sizeof common_name, "Elo desk CA %s", digits);
    return pki__name("Elo", common_name);
}

static elo_err make_certificate(struct opening *o, struct pki_ca *ca)
{
    X509_NAME *subject = subject_of(ca->key);
    const struct pki__profile profile = {
        .kind = PKI_KIND_CA,
        .subject = subject,
        .subject_key = ca->key,
        .issuer_key = ca->key,
        .not_before_s = o->now_s - CA_HEAD_START_S,
        .not_after_s = o->now_s + CA_LIFE_S,
    };
    ca->certificate = subject != NULL ? pki__issue(&profile) : NULL;
    X509_NAME_free(subject);
    if (ca->certificate == NULL || pki__x509_to_pem(ca->certificate, &o->certificate_pem)) {
        return pki__fail_openssl(o->why, "the CA's certificate");
    }
    return pki__dir_write(&o->dir, CA_PEM, buf_span(&o->certificate_pem), 0644, o->why);
}

static elo_err read_certificate(const struct opening *o, struct pki_ca *ca)
{
    char detail[160] = "";
    elo_err err = pki__x509_from_pem(buf_span(&o->certificate_pem), &ca->certificate,
                                     (struct pki__why){detail, sizeof detail});
    if (err == ELO_E_BAD_PEM) {
        return pki__fail(o->why, ELO_E_CORRUPT,
                         "%s/%s: %s; put it back from a backup, or remove it: it is made again "
                         "from %s",
                         o->dir.path, CA_PEM, detail, CA_KEY);
    }
    return err == ELO_OK ? ELO_OK : pki__fail(o->why, err, "%s", detail);
}

static elo_err check_pair(const struct opening *o, const struct pki_ca *ca)
{
    const char *path = o->dir.path;
    if (X509_check_private_key(ca->certificate, ca->key) != 1) {
        return pki__fail(o->why, ELO_E_CORRUPT,
                         "%s/%s and %s do not belong together: put both back from one backup", path,
                         CA_PEM, CA_KEY);
    }
    if (X509_check_ca(ca->certificate) != 1) {
        return pki__fail(o->why, ELO_E_CORRUPT,
                         "%s/%s is not the certificate of a CA: put it back from a backup, or "
                         "remove it: it is made again from %s",
                         path, CA_PEM, CA_KEY);
    }
    bool is_self_issued = X509_NAME_cmp(X509_get_subject_name(ca->certificate),
                                        X509_get_issuer_name(ca->certificate)) == 0;
    if (is_self_issued && X509_verify(ca->certificate, ca->key) != 1) {
        return pki__fail(o->why, ELO_E_CORRUPT,
                         "%s/%s is damaged, its signature is wrong: put it back from a backup, or "
                         "remove it: it is made again from %s",
                         path, CA_PEM, CA_KEY);
    }
    return ELO_OK;
}

static elo_err check_dates(const struct opening *o, const struct pki_ca *ca)
{
    struct pki_certificate info;
    elo_err err = pki__x509_info(ca->certificate, &info);
    if (err != ELO_OK) {
        return pki__fail(o->why, err == ELO_E_BAD_PEM ? ELO_E_CORRUPT : err,
                         "the dates of %s/%s cannot be read", o->dir.path, CA_PEM);
    }
    if (o->now_s > info.not_after_s) {
        return pki__fail(o->why, ELO_E_CA_EXPIRED,
                         "%s/%s ended %" PRId64 " days ago: move %s and %s away to start with a "
                         "new CA, then give devices the new %s",
                         o->dir.path, CA_PEM, (o->now_s - info.not_after_s) / 86400, CA_PEM, CA_KEY,
                         CA_PEM);
    }
    if (o->now_s < info.not_before_s) {
        return pki__fail(o->why, ELO_E_CLOCK,
                         "this machine's clock is %" PRId64 " days before the start of %s/%s: set "
                         "the clock",
                         (info.not_before_s - o->now_s) / 86400, o->dir.path, CA_PEM);
    }
    return ELO_OK;
}

static elo_err fill(struct opening *o, struct pki_ca *ca)
{
    elo_err err = load_both(o);
    if (err != ELO_OK) {
        return err;
    }
    if (o->has_certificate && !o->has_key) {
        return pki__fail(o->why, ELO_E_CORRUPT,
                         "%s/%s is there but %s is missing: put it back from a backup, or move %s "
                         "away to start with a new CA (devices will need it)",
                         o->dir.path, CA_PEM, CA_KEY, CA_PEM);
    }
    err = o->has_key ? read_key(o, ca) : make_key(o, ca);
    if (err == ELO_OK) {
        err = o->has_certificate ? read_certificate(o, ca) : make_certificate(o, ca);
    }
    if (err == ELO_OK) {
        err = check_pair(o, ca);
    }
    if (err == ELO_OK) {
        err = check_dates(o, ca);
    }
    if (err == ELO_OK && pki__x509_to_pem(ca->certificate, &ca->pem) != ELO_OK) {
        err = pki__fail_openssl(o->why, "the CA's certificate");
    }
    return err;
}

elo_err pki_ca_open(const char *dir, int64_t now_s, struct pki_ca **out, char *why, size_t why_cap)
{
    struct opening o = {.why = {why, why_cap}, .now_s = now_s};
    buf_init(&o.key_pem, LIMIT_PEM_BYTES);
    buf_init(&o.certificate_pem, LIMIT_PEM_BYTES);
    struct pki_ca *ca = mem_zero(sizeof *ca);
    if (ca == NULL) {
        return pki__fail_openssl(o.why, "the CA");
    }
    buf_init(&ca->pem, LIMIT_PEM_BYTES);
    elo_err err = pki__dir_open(&o.dir, dir, o.why);
    if (err == ELO_OK) {
        err = fill(&o, ca);
    }
    pki__dir_close(&o.dir);
    pki__buf_wipe(&o.key_pem);
    buf_free(&o.certificate_pem);
    if (err != ELO_OK) {
        pki_ca_close(ca);
        return err;
    }
    *out = ca;
    return ELO_OK;
}

void pki_ca_close(struct pki_ca *ca)
{
    if (ca == NULL) {
        return;
    }
    X509_free(ca->certificate);
    EVP_PKEY_free(ca->key);
    buf_free(&ca->pem);
    mem_free(ca);
}

elo_span pki_ca_pem(const struct pki_ca *ca)
{
    return buf_span(&ca->pem);
}
