// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The key made on the device: a P-256 key that never leaves it, and the certificate signing request
 * (PKCS #10, RFC 2986) by which a CA gives it a certificate. AWS IoT: CreateCertificateFromCsr.
 *
 *      uint8_t key[ELO_TLS_P256_KEY_BYTES], csr[ELO_TLS_CSR_BYTES];
 *      err = elo_tls_key_make(entropy, key);             then store the key
 *      err = elo_tls_csr(name, key, csr, sizeof csr, &len);
 *      struct elo_tls_pem pem;                           then send it, line by line
 *      elo_tls_pem_init(&pem, "CERTIFICATE REQUEST", elo_span_of(csr, len));
 *      while ((n = elo_tls_pem_line(&pem, line)) > 0) ...
 *
 * The certificate that comes back makes an identity with elo_tls_identity_ec, and
 * elo_tls_identity_check proves that it is the key's.
 *
 * Memory: the caller's. Stack: as much as a TLS handshake's own signature, about 4 KiB on the
 * ESP8266, and there as long as 10 (elo_tls_key_point) or 23 (elo_tls_csr) million instructions;
 * elo_tls_key_make takes none of that. The signature is deterministic (RFC 6979): it needs no
 * randomness, and a request made again is the same.
 */
#ifndef ELO_TLS_CSR_H
#define ELO_TLS_CSR_H

#include "elo/base/err.h"
#include "elo/base/span.h"
#include "elo/tls/credentials.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The longest name, in bytes (X.520 has 64 characters), and the longest request with it. */
#define ELO_TLS_CSR_NAME_MAX 64
#define ELO_TLS_CSR_BYTES    267

/* A line of PEM with its LF and a NUL. */
#define ELO_TLS_PEM_LINE_BYTES 66

/*
 * A private key out of `entropy`: ELO_TLS_ENTROPY_MIN bytes or more that nobody can guess, used for
 * this key and nothing else. They seed an HMAC-DRBG with SHA-256. Wipe them afterwards.
 * ELO_E_ENTROPY  fewer, or all the same; `key` is then zero
 */
ELO_MUST_USE elo_err elo_tls_key_make(elo_span entropy, uint8_t key[ELO_TLS_P256_KEY_BYTES]);

/* The public half: 0x04, x, y. ELO_E_KEYPAIR: not a private key of P-256. */
ELO_MUST_USE elo_err elo_tls_key_point(const uint8_t key[ELO_TLS_P256_KEY_BYTES],
                                       uint8_t point[ELO_TLS_P256_POINT_BYTES]);

/*
 * The request, in DER: subject CN = `name` as UTF8String, no attributes, signed ECDSA-SHA256.
 * ELO_E_UTF8       `name` is empty, not UTF-8, or has control characters
 * ELO_E_TOO_LARGE  `name` is longer than ELO_TLS_CSR_NAME_MAX
 * ELO_E_KEYPAIR    not a private key of P-256
 * ELO_E_NO_SPACE   `cap` is too small; ELO_TLS_CSR_BYTES is enough for every name
 * On failure *out_len is 0.
 */
ELO_MUST_USE elo_err elo_tls_csr(elo_span name,
                                 const uint8_t key[ELO_TLS_P256_KEY_BYTES],
                                 uint8_t *out,
                                 size_t cap,
                                 size_t *out_len);

/* DER as PEM text (RFC 7468), a line at a time. Opaque. */
struct elo_tls_pem {
    struct {
        const char *label;
        elo_span der;
        size_t at;
        uint8_t step;
    } _internal;
};

/* `label`: what stands behind BEGIN, up to 40 characters. Label and DER are kept by reference; both
 * in RAM. */
void elo_tls_pem_init(struct elo_tls_pem *pem, const char *label, elo_span der);

/* The next line, with LF and NUL; its length without the NUL, 0 behind the last. */
size_t elo_tls_pem_line(struct elo_tls_pem *pem, char line[ELO_TLS_PEM_LINE_BYTES]);

#ifdef __cplusplus
}
#endif

#endif
