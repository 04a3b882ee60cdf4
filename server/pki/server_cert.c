// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: the server's certificate is worth nothing by itself - any start may make a new
 * one, devices trust the CA. So whatever is wrong with the pair on disk (damaged, half-written, for
 * other names, by another CA, soon over) has one answer: make it again.
 */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <strings.h>

#include "server/base/limits.h"
#include "server/pki/internal.h"

static const int64_t LIFE_S = INT64_C(365) * 86400;
static const int64_t RENEW_BEFORE_S = INT64_C(30) * 86400;
static const int64_t HEAD_START_S = 86400; /* for devices whose clock trails ours */

static const char SERVER_KEY[] = "server.key";
static const char SERVER_PEM[] = "server.pem";

/* A name as it stands in the certificate: a DNS name, or an address of 4 or 16 bytes. */
struct host {
    int type; /* GEN_DNS or GEN_IPADD */
    uint8_t address[16];
    elo_span bytes; /* into `address` or the text */
};

static bool is_dns_name(const char *text)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    if (text[0] == '*' && text[1] == '.') {
        text += 2;
    }
    size_t len = strlen(text);
    return len > 0 && len <= 253 && strspn(text, allowed) == len && text[0] != '.' &&
           strstr(text, "..") == NULL;
}

static bool parse_host(const char *text, struct host *out)
{
    out->type = GEN_IPADD;
    if (inet_pton(AF_INET, text, out->address) == 1) {
        out->bytes = elo_span_of(out->address, 4);
        return true;
    }
    if (inet_pton(AF_INET6, text, out->address) == 1) {
        out->bytes = elo_span_of(out->address, 16);
        return true;
    }
    out->type = GEN_DNS;
    out->bytes = elo_span_str(text);
    return is_dns_name(text);
}

static bool same_name(const struct host *host, int type, const ASN1_STRING *value)
{
    size_t len = (size_t)ASN1_STRING_length(value);
    const char *bytes = (const char *)ASN1_STRING_get0_data(value);
    if (type != host->type || len != host->bytes.len) {
        return false;
    }
    return type == GEN_DNS ? strncasecmp(bytes, (const char *)host->bytes.ptr, len) == 0
                           : memcmp(bytes, host->bytes.ptr, len) == 0;
}

static bool names_host(const GENERAL_NAMES *names, const struct host *host)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int type;
        const ASN1_STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
        if ((type == GEN_DNS || type == GEN_IPADD) && same_name(host, type, value)) {
            return true;
        }
    }
    return false;
}

static bool covers(const X509 *certificate, const char *const *names, size_t count)
{
    GENERAL_NAMES *in = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool ok = in != NULL;
    for (size_t i = 0; ok && i < count; i++) {
        struct host host;
        ok = parse_host(names[i], &host) && names_host(in, &host);
    }
    GENERAL_NAMES_free(in);
    return ok;
}

static bool is_current(X509 *certificate, int64_t now_s)
{
    struct pki_certificate info;
    return pki__x509_info(certificate, &info) == ELO_OK && now_s >= info.not_before_s &&
           info.not_after_s - now_s >= RENEW_BEFORE_S;
}

/* What pki_server_certificate() works with. */
struct making {
    struct pki_ca *ca;
    struct pki__dir dir;
    struct pki__why why;
    const char *const *names;
    size_t name_count;
    int64_t now_s;
    struct buf key_pem; /* secret */
    struct buf certificate_pem;
};

static bool is_good_pair(const struct making *m)
{
    X509 *certificate = NULL;
    elo_err err =
        pki__x509_from_pem(buf_span(&m->certificate_pem), &certificate, (struct pki__why){NULL, 0});
    EVP_PKEY *key = pki__key_from_pem(buf_span(&m->key_pem));
    bool good = err == ELO_OK && key != NULL && X509_check_private_key(certificate, key) == 1 &&
                X509_NAME_cmp(X509_get_issuer_name(certificate),
                              X509_get_subject_name(m->ca->certificate)) == 0 &&
                X509_verify(certificate, m->ca->key) == 1 && is_current(certificate, m->now_s) &&
                covers(certificate, m->names, m->name_count);
    if (err == ELO_OK) {
        X509_free(certificate);
    }
    EVP_PKEY_free(key);
    ERR_clear_error();
    return good;
}

/* Is there a pair that can stay? Files that cannot be read are made again, not complained of. */
static bool can_stay(struct making *m)
{
    const struct pki__why nobody = {NULL, 0};
    mode_t mode;
    return pki__dir_read(&m->dir, SERVER_PEM, &m->certificate_pem, &mode, nobody) == ELO_OK &&
           pki__dir_read(&m->dir, SERVER_KEY, &m->key_pem, &mode, nobody) == ELO_OK &&
           (mode & 077) == 0 && is_good_pair(m);
}

static GENERAL_NAME *general_name(const struct host *host)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value = host->type == GEN_DNS ? ASN1_IA5STRING_new() : ASN1_OCTET_STRING_new();
    if (name == NULL || value == NULL ||
        ASN1_STRING_set(value, host->bytes.ptr, (int)host->bytes.len) != 1) {
        GENERAL_NAME_free(name);
        ASN1_STRING_free(value);
        return NULL;
    }
    GENERAL_NAME_set0_value(name, host->type, value);
    return name;
}

static elo_err make_alt_names(const struct making *m, GENERAL_NAMES *out)
{
    for (size_t i = 0; i < m->name_count; i++) {
        struct host host;
        if (!parse_host(m->names[i], &host)) {
            return pki__fail(m->why, ELO_E_USAGE, "\"%.100s\" is no host name and no IP address",
                             m->names[i]);
        }
        if (names_host(out, &host)) {
            continue; /* given twice */
        }
        GENERAL_NAME *name = general_name(&host);
        if (name == NULL || sk_GENERAL_NAME_push(out, name) == 0) {
            GENERAL_NAME_free(name);
            return pki__fail_openssl(m->why, "the server's certificate");
        }
    }
    return ELO_OK;
}

/* A common name is for people; clients read the alternative names. */
static X509_NAME *subject_of(const struct making *m)
{
    bool fits = m->name_count > 0 && strlen(m->names[0]) <= 64;
    return pki__name("Elo", fits ? m->names[0] : "Elo server");
}

static int64_t end_of(const struct making *m)
{
    struct pki_certificate ca;
    int64_t end = m->now_s + LIFE_S;
    if (pki__x509_info(m->ca->certificate, &ca) == ELO_OK && ca.not_after_s < end) {
        return ca.not_after_s;
    }
    return end;
}

static elo_err issue(struct making *m, EVP_PKEY *key, const GENERAL_NAMES *alt_names)
{
    X509_NAME *subject = subject_of(m);
    const struct pki__profile profile = {
        .kind = PKI_KIND_SERVER,
        .subject = subject,
        .subject_key = key,
        .issuer = m->ca->certificate,
        .issuer_key = m->ca->key,
        .not_before_s = m->now_s - HEAD_START_S,
        .not_after_s = end_of(m),
        .alt_names = alt_names,
    };
    X509 *certificate = subject != NULL && key != NULL ? pki__issue(&profile) : NULL;
    bool ok = certificate != NULL && pki__x509_to_pem(certificate, &m->certificate_pem) == ELO_OK &&
              pki__key_to_pem(key, PKI_KEY_PKCS8, &m->key_pem) == ELO_OK;
    X509_free(certificate);
    X509_NAME_free(subject);
    return ok ? ELO_OK : pki__fail_openssl(m->why, "the server's certificate");
}

static elo_err make(struct making *m)
{
    GENERAL_NAMES *alt_names = sk_GENERAL_NAME_new_null();
    elo_err err = alt_names != NULL ? make_alt_names(m, alt_names)
                                    : pki__fail_openssl(m->why, "the server's certificate");
    if (err == ELO_OK) {
        EVP_PKEY *key = pki__key_make_p256();
        err = issue(m, key, alt_names);
        EVP_PKEY_free(key);
    }
    sk_GENERAL_NAME_pop_free(alt_names, GENERAL_NAME_free);
    return err;
}

static elo_err keep_or_make(struct making *m)
{
    if (can_stay(m)) {
        return ELO_OK;
    }
    elo_err err = make(m);
    if (err == ELO_OK) {
        err = pki__dir_write(&m->dir, SERVER_KEY, buf_span(&m->key_pem), 0600, m->why);
    }
    if (err == ELO_OK) {
        err = pki__dir_write(&m->dir, SERVER_PEM, buf_span(&m->certificate_pem), 0644, m->why);
    }
    return err;
}

elo_err pki_server_certificate(struct pki_ca *ca,
                               const char *dir,
                               const char *const *names,
                               size_t name_count,
                               int64_t now_s,
                               char *why,
                               size_t why_cap)
{
    struct making m = {
        .ca = ca, .why = {why, why_cap}, .names = names, .name_count = name_count, .now_s = now_s};
    if (name_count == 0) {
        return pki__fail(m.why, ELO_E_USAGE, "a server certificate needs at least one name");
    }
    buf_init(&m.key_pem, LIMIT_PEM_BYTES);
    buf_init(&m.certificate_pem, LIMIT_PEM_BYTES);
    elo_err err = pki__dir_open(&m.dir, dir, m.why);
    if (err == ELO_OK) {
        err = keep_or_make(&m);
    }
    pki__dir_close(&m.dir);
    pki__buf_wipe(&m.key_pem);
    buf_free(&m.certificate_pem);
    ERR_clear_error();
    return err;
}
