// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What the files of server/pki share: sentences for refusals, files, keys, PEM, certificates.
 *
 * OpenSSL keeps a queue of errors per thread, and its TLS functions read that queue. So nothing
 * here may leave an entry behind: pki__fail() empties it, and so does every function that can
 * succeed after an inner failure.
 */
#ifndef ELO_SERVER_PKI_INTERNAL_H
#define ELO_SERVER_PKI_INTERNAL_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/types.h>

#include "server/pki/pki.h"

struct pki_ca {
    X509 *certificate;
    EVP_PKEY *key;
    struct buf pem;
};

/* Where a refusal's sentence goes; cap 0: nobody wants it. */
struct pki__why {
    char *text;
    size_t cap;
};

/* Writes the sentence, empties OpenSSL's error queue and returns `err`. */
elo_err pki__fail(struct pki__why why, elo_err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* For what fails only when memory or random bytes run out. */
elo_err pki__fail_openssl(struct pki__why why, const char *doing);

/* --- files.c: a folder that is locked while it is open -------------------------------------- */

struct pki__dir {
    int fd;
    const char *path;
};

/* Opens and locks; a second process waits. Close also after a failure. */
ELO_MUST_USE elo_err pki__dir_open(struct pki__dir *dir, const char *path, struct pki__why why);
void pki__dir_close(struct pki__dir *dir);

/* ELO_E_NOT_FOUND if there is no such file; `out` is emptied first and capped by its owner. */
ELO_MUST_USE elo_err pki__dir_read(const struct pki__dir *dir,
                                   const char *name,
                                   struct buf *out,
                                   mode_t *out_mode,
                                   struct pki__why why);

/* All or nothing, and durable on return: written beside, flushed, renamed into place. */
ELO_MUST_USE elo_err pki__dir_write(const struct pki__dir *dir,
                                    const char *name,
                                    elo_span content,
                                    mode_t mode,
                                    struct pki__why why);

/* Overwrites the contents, then frees. */
void pki__buf_wipe(struct buf *b);

/* --- key.c ----------------------------------------------------------------------------------- */

enum pki__key_form { PKI_KEY_PKCS8, PKI_KEY_PKCS1, PKI_KEY_PUBLIC };

/* NULL: no memory or no random bytes. */
EVP_PKEY *pki__key_make_p256(void);
EVP_PKEY *pki__key_make_rsa2048(void);

ELO_MUST_USE elo_err pki__key_to_pem(EVP_PKEY *key, enum pki__key_form form, struct buf *out);

/* NULL: not an unencrypted private key. */
EVP_PKEY *pki__key_from_pem(elo_span pem);

/* ELO_E_UNSUPPORTED unless AWS issues certificates for such a key. */
ELO_MUST_USE elo_err pki__key_check(const EVP_PKEY *key, struct pki__why why);

/* --- pem.c ----------------------------------------------------------------------------------- */

/* The first certificate, or the first signing request, of a PEM text. ELO_E_BAD_PEM. */
ELO_MUST_USE elo_err pki__x509_from_pem(elo_span pem, X509 **out, struct pki__why why);
ELO_MUST_USE elo_err pki__csr_from_pem(elo_span pem, X509_REQ **out, struct pki__why why);

/* NULL: not exactly one DER certificate. */
X509 *pki__x509_from_der(elo_span der);

ELO_MUST_USE elo_err pki__x509_to_pem(X509 *certificate, struct buf *out);
ELO_MUST_USE elo_err pki__csr_to_pem(X509_REQ *csr, struct buf *out);

/* A pem_password_cb that has none: without one OpenSSL would ask on the terminal. */
int pki__no_password(char *out, int cap, int writing, void *ctx);

/* --- read.c ---------------------------------------------------------------------------------- */

/* NULL: neither DER nor PEM. */
X509 *pki__x509_from_any(elo_span pem_or_der);

ELO_MUST_USE elo_err pki__x509_info(X509 *certificate, struct pki_certificate *out);

/* --- issue.c --------------------------------------------------------------------------------- */

enum pki__kind { PKI_KIND_CA, PKI_KIND_DEVICE, PKI_KIND_SERVER };

struct pki__profile {
    enum pki__kind kind;
    const X509_NAME *subject;
    EVP_PKEY *subject_key;
    const X509 *issuer; /* NULL: self-signed */
    EVP_PKEY *issuer_key;
    int64_t not_before_s;
    int64_t not_after_s;
    const GENERAL_NAMES *alt_names; /* NULL: none */
};

/* NULL: no memory or no random bytes. */
X509 *pki__issue(const struct pki__profile *profile);

/* A name of O (may be NULL) and CN; NULL if CN is not UTF-8 of 1 to 64 characters, or no memory. */
X509_NAME *pki__name(const char *organization, const char *common_name);

#endif
