// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: OpenSSL finds the block (any text around it, LF or CRLF, other blocks before it),
 * we get its DER, decode that, and insist that nothing follows it and that it is DER indeed: the
 * certificate's id is a hash over those bytes, and a TLS connection shows them re-encoded.
 *
 * When the wrong thing comes, the sentence names what came: people paste the request, the key, or a
 * text whose line ends became the two characters "\n".
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>

#include "server/base/limits.h"
#include "server/pki/internal.h"

struct der {
    unsigned char *ptr;
    long len;
};

int pki__no_password(char *out, int cap, int writing, void *ctx)
{
    (void)out;
    (void)cap;
    (void)writing;
    (void)ctx;
    return -1;
}

static bool contains(elo_span text, const char *word)
{
    return text.len > 0 && memmem(text.ptr, text.len, word, strlen(word)) != NULL;
}

static elo_err fail_no_block(elo_span pem, const char *label, const char *what, struct pki__why why)
{
    static const struct {
        const char *mark;
        const char *is;
    } known[] = {
        {"-----\\n", "has the two characters \\n where lines should end"},
        {"PRIVATE KEY-----", "is a private key"},
        {"CERTIFICATE REQUEST-----", "is a certificate signing request"},
        {"-----BEGIN CERTIFICATE-----", "is a certificate"},
        {"PUBLIC KEY-----", "is a public key"},
        {"-----BEGIN ", "is of another kind"},
    };
    char begin[64];
    snprintf(begin, sizeof begin, "-----BEGIN %s-----", label);
    if (pem.len == 0) {
        return pki__fail(why, ELO_E_BAD_PEM, "the PEM text of the %s is empty", what);
    }
    if (contains(pem, begin) && !contains(pem, known[0].mark)) {
        return pki__fail(why, ELO_E_BAD_PEM, "the PEM block of the %s is cut short or damaged",
                         what);
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (contains(pem, known[i].mark)) {
            return pki__fail(why, ELO_E_BAD_PEM, "no readable %s in PEM form: the text %s", what,
                             known[i].is);
        }
    }
    return pki__fail(why, ELO_E_BAD_PEM,
                     "no %s in PEM form: the text has no line \"-----BEGIN ...-----\"", what);
}

/* The DER of the first block that OpenSSL takes for `label`; the caller frees it. */
static elo_err
find_block(elo_span pem, const char *label, const char *what, struct der *out, struct pki__why why)
{
    if (pem.len > LIMIT_PEM_BYTES) {
        return pki__fail(why, ELO_E_BAD_PEM, "the PEM text of the %s is longer than %u bytes", what,
                         LIMIT_PEM_BYTES);
    }
    if (pem.len == 0) {
        return fail_no_block(pem, label, what, why);
    }
    BIO *in = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    if (in == NULL) {
        return pki__fail(why, ELO_E_NO_MEMORY, "no memory to read the %s", what);
    }
    int found = PEM_bytes_read_bio(&out->ptr, &out->len, NULL, label, in, pki__no_password, NULL);
    BIO_free(in);
    ERR_clear_error();
    return found == 1 ? ELO_OK : fail_no_block(pem, label, what, why);
}

/* Is the DER of `len` bytes at `again` the same as `der`? Frees `again`. */
static bool same_der(elo_span der, unsigned char *again, int len)
{
    bool same = len >= 0 && elo_span_eq(der, elo_span_of(again, (size_t)len));
    OPENSSL_free(again);
    return same;
}

X509 *pki__x509_from_der(elo_span der)
{
    const unsigned char *at = der.ptr;
    X509 *certificate = NULL;
    if (der.len > 0 && der.len <= LIMIT_PEM_BYTES) {
        certificate = d2i_X509(NULL, &at, (long)der.len);
    }
    if (certificate != NULL) {
        unsigned char *again = NULL;
        int len = i2d_X509(certificate, &again);
        if (!same_der(der, again, len)) {
            X509_free(certificate);
            certificate = NULL;
        }
    }
    ERR_clear_error();
    return certificate;
}

elo_err pki__x509_from_pem(elo_span pem, X509 **out, struct pki__why why)
{
    struct der der = {NULL, 0};
    elo_err err = find_block(pem, PEM_STRING_X509, "certificate", &der, why);
    if (err != ELO_OK) {
        return err;
    }
    *out = pki__x509_from_der(elo_span_of(der.ptr, (size_t)der.len));
    OPENSSL_free(der.ptr);
    if (*out == NULL) {
        return pki__fail(why, ELO_E_BAD_PEM,
                         "the PEM block is there, but what is in it is no X.509 certificate");
    }
    return ELO_OK;
}

elo_err pki__csr_from_pem(elo_span pem, X509_REQ **out, struct pki__why why)
{
    struct der der = {NULL, 0};
    elo_err err = find_block(pem, PEM_STRING_X509_REQ, "certificate signing request", &der, why);
    if (err != ELO_OK) {
        return err;
    }
    const unsigned char *at = der.ptr;
    *out = d2i_X509_REQ(NULL, &at, der.len);
    if (*out != NULL && at != der.ptr + der.len) {
        X509_REQ_free(*out);
        *out = NULL;
    }
    OPENSSL_free(der.ptr);
    ERR_clear_error();
    if (*out == NULL) {
        return pki__fail(why, ELO_E_BAD_PEM,
                         "the PEM block is there, but what is in it is no signing request");
    }
    return ELO_OK;
}

/* Moves what was written to `bio` into `out` and frees `bio`. */
static elo_err take(BIO *bio, bool written, struct buf *out)
{
    elo_err err = ELO_E_NO_MEMORY;
    char *text = NULL;
    long len = bio != NULL && written ? BIO_get_mem_data(bio, &text) : 0;
    if (len > 0) {
        buf_clear(out);
        buf_add(out, elo_span_of(text, (size_t)len));
        err = buf_err(out);
    }
    BIO_free(bio);
    ERR_clear_error();
    return err;
}

elo_err pki__x509_to_pem(X509 *certificate, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    return take(bio, bio != NULL && PEM_write_bio_X509(bio, certificate) == 1, out);
}

elo_err pki__csr_to_pem(X509_REQ *csr, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    return take(bio, bio != NULL && PEM_write_bio_X509_REQ(bio, csr) == 1, out);
}
