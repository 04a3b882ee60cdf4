// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Certificates and keys: the desk's CA, what it issues, and what is read out of what others bring.
 * Besides server/net the only user of OpenSSL. Also the hashes that SigV4 needs.
 *
 * PEM goes in and out as text; the caller owns every buffer. Errors are elo_err with a sentence in
 * `why`. RSA keys take long to make: pki_key_make() is for another thread than the core's.
 */
#ifndef ELO_SERVER_PKI_H
#define ELO_SERVER_PKI_H

#include "elo/base/err.h"
#include "elo/base/span.h"
#include "server/base/buf.h"

struct pki_ca;
struct pki_key;

/* SHA-256 and HMAC-SHA-256. Should OpenSSL have no memory for its context, the process ends: no
 * caller could go on without the hash. Keys are at most INT32_MAX bytes. */
void pki_sha256(elo_span data, uint8_t out[32]);
void pki_hmac_sha256(elo_span key, elo_span data, uint8_t out[32]);

/* Equal-time comparison. */
bool pki_equal(elo_span a, elo_span b);

/* Is it the PEM of an RSA public key of at least 2048 bits? */
bool pki_rsa_public_key_ok(elo_span pem);
/* Is `signature` (RSA, PKCS #1 v1.5, SHA-256; in base64) this key's, of `data`? false also without
 * memory. */
bool pki_rsa_verify_base64(elo_span public_key_pem, elo_span data, elo_span signature);

/* Appends `data` in base64. */
void pki_base64(elo_span data, struct buf *out);

/* The kernel's random bytes through OpenSSL; false only if there are none. */
bool pki_random(void *out, size_t len);

/*
 * The desk's CA: P-256, made at first start, kept in `dir` as ca.pem (certificate, world-readable)
 * and ca.key (PKCS#8 PEM, 0600), valid 20 years. Opening an existing one checks that key and
 * certificate belong together and that it has not expired. A key without certificate (a crash at
 * the first start) is certified again, to the same name; a certificate without key is refused.
 * `dir` exists; it is locked (flock) during the call. Files appear whole or not at all.
 * ELO_E_CORRUPT, ELO_E_CA_EXPIRED, ELO_E_CLOCK (before its first day), ELO_E_PERMISSION (also: the
 * key is open to other users), ELO_E_DISK_FULL, ELO_E_IO with `why`, which names the file and the
 * cure.
 */
ELO_MUST_USE elo_err
pki_ca_open(const char *dir, int64_t now_s, struct pki_ca **out, char *why, size_t why_cap);
void pki_ca_close(struct pki_ca *ca);
elo_span pki_ca_pem(const struct pki_ca *ca);

/* The facts of a certificate that registry, policies and API use. */
struct pki_certificate {
    char id[65]; /* SHA-256 of the DER, lower-case hex, NUL-terminated: AWS's certificateId */
    int64_t not_before_s;
    int64_t not_after_s;
    char
        subject[9]; /* short hashes of the two names, 8 hex: a CA's subject is the issuer of what */
    char issuer[9]; /* it has signed; the signature is what proves it */
};

/* From PEM text (the first certificate in it). ELO_E_BAD_PEM, also for a block that is not DER. */
ELO_MUST_USE elo_err pki_certificate_read(elo_span pem,
                                          struct pki_certificate *out,
                                          char *why,
                                          size_t why_cap);
/* ELO_E_BAD_PEM: not exactly one certificate in DER. */
ELO_MUST_USE elo_err pki_certificate_der_to_id(elo_span der, char out_id[65]);

/* The same facts from DER. ELO_E_BAD_PEM. */
ELO_MUST_USE elo_err pki_certificate_read_der(elo_span der, struct pki_certificate *out);

/*
 * Has `ca_pem` signed `pem_or_der`: issuer and subject agree, and the signature is of its key?
 * Dates are not looked at. The one way by which a device's certificate is traced to a registered
 * CA.
 */
bool pki_certificate_signed_by(elo_span pem_or_der, elo_span ca_pem);

/* Is it a CA's (basicConstraints CA:TRUE), within its dates? ELO_E_UNSUPPORTED, ELO_E_CERT_EXPIRED,
 * ELO_E_BAD_PEM with `why`. */
ELO_MUST_USE elo_err pki_ca_check(elo_span pem, int64_t now_s, char *why, size_t why_cap);

/* The certificate alone, as canonical PEM (what the registry keeps). `out` is emptied first. */
ELO_MUST_USE elo_err pki_certificate_to_pem(elo_span pem_or_der, struct buf *out);

/*
 * May AWS register it? ELO_E_UNSUPPORTED if its signature is of an algorithm that AWS IoT does not
 * take ("X.509 client certificates", AWS IoT Developer Guide): SHA-1, Ed25519 ... ELO_E_BAD_PEM.
 */
ELO_MUST_USE elo_err pki_certificate_check(elo_span pem, char *why, size_t why_cap);

/*
 * Policy variables of a certificate: "Subject.CommonName", "Issuer.Organization",
 * "Subject.AlternativeName.DNSName", "SerialNumber" (decimal, as on AWS), "AvailableKeys" (full
 * names): the text after "iot:Certificate.", in any case.
 *
 * The number of values; for index < number `*out` is set, valid while `scratch` is unchanged (empty
 * if scratch had no room for the value). Values are as in the certificate: AWS's rules on using
 * them (five values at most, no wildcards, the suffixes ".1" and ".List") are the policy's to
 * apply.
 */
size_t pki_certificate_variable(
    elo_span pem_or_der, elo_span name, size_t index, struct buf *scratch, elo_span *out);

/* What AWS issues: subject as given, not before two minutes ago, until 2049-12-31T23:59:59Z. */
struct pki_issued {
    struct buf certificate_pem;
    struct buf public_key_pem;  /* only with a generated key */
    struct buf private_key_pem; /* only with a generated key */
    struct pki_certificate info;
};
void pki_issued_init(struct pki_issued *issued);
void pki_issued_free(struct pki_issued *issued); /* wipes the private key */

/* An RSA-2048 key: a tenth of a second, at times a whole one. On any thread. NULL: out of memory.
 */
struct pki_key *pki_key_make(void);
void pki_key_free(struct pki_key *key); /* NULL is allowed */

/* CreateKeysAndCertificate: RSA-2048, private key as PKCS#1 PEM, subject CN=AWS IoT Certificate.
 * `key` NULL: it is made here. */
ELO_MUST_USE elo_err pki_issue_with_key(struct pki_ca *ca,
                                        const struct pki_key *key,
                                        int64_t now_s,
                                        struct pki_issued *out,
                                        char *why,
                                        size_t why_cap);

/*
 * CreateCertificateFromCsr: the CSR's signature is checked, its subject kept, its key must be RSA
 * of at least 2048 bits or P-256, P-384, P-521. ELO_E_BAD_PEM, ELO_E_UNSUPPORTED with `why`.
 */
ELO_MUST_USE elo_err pki_issue_from_csr(struct pki_ca *ca,
                                        elo_span csr_pem,
                                        int64_t now_s,
                                        struct pki_issued *out,
                                        char *why,
                                        size_t why_cap);

/*
 * For `elo add`: a fresh P-256 key (PKCS#8 PEM) and a CSR for it with CN = `common_name`.
 * ELO_E_UTF8: empty or not UTF-8; ELO_E_TOO_LARGE: over 64 characters (X.520). The caller wipes the
 * key's buffer.
 */
ELO_MUST_USE elo_err pki_make_key_and_csr(const char *common_name,
                                          struct buf *out_key_pem,
                                          struct buf *out_csr_pem);

/*
 * The server's own TLS certificate, signed by the CA: P-256, one year, for `names` (DNS names and
 * IP addresses as text). Written to `dir`/server.pem (certificate) and server.key (0600); an
 * existing pair is kept while it is valid for 30 more days, signed by this CA and covers every
 * name.
 */
ELO_MUST_USE elo_err pki_server_certificate(struct pki_ca *ca,
                                            const char *dir,
                                            const char *const *names,
                                            size_t name_count,
                                            int64_t now_s,
                                            char *why,
                                            size_t why_cap);

#endif
