// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Who we are and whom we trust: the client's key with its certificate chain (an identity) and the
 * roots a server's chain may end at (anchors), read from PEM or DER.
 *
 * Two ways lead there. Any form of key and certificate: elo_tls_identity_init, elo_tls_anchors_add;
 * a PC's way, 17 KiB more code on the ESP8266. Or what a small device keeps, a raw P-256 key and
 * DER: elo_tls_identity_ec, elo_tls_anchors_add_der (or a table of roots made elsewhere). The
 * linker drops the way that is not called.
 *
 * Life cycle: decode at start-up, or before each connection, and keep them, with their memory,
 * until its handshake is over (ELO_TLS_READY or ELO_TLS_CLOSED); an engine does not look at them
 * again. Both may serve several connections, one after the other or at once: engines only read
 * them.
 *
 * Memory, all from the caller:
 *   - mem: a run of bytes that keeps the decoded key, certificates and names. It must live as long
 *     as the identity or anchors; neither may be moved by copying only the struct.
 *   - work: a struct elo_tls_work, about 3 KiB, needed only during the call and wiped at its end.
 *     It may overlay memory that is not in use yet, such as a struct elo_tls or its buffers.
 *   - the text itself (PEM or DER) is only read during the call. On the ESP8266 it may lie in
 *     flash (ELO_FLASH, PROGMEM): it is read with aligned 32-bit loads.
 *
 * Formats: DER when the first byte is 0x30, else PEM. PEM lines may end in LF or CRLF, the last
 * line needs no end, a UTF-8 byte order mark and text between objects are skipped. Keys: PKCS#8
 * "PRIVATE KEY", PKCS#1 "RSA PRIVATE KEY", SEC1 "EC PRIVATE KEY", or any of the three in DER.
 */
#ifndef ELO_TLS_CREDENTIALS_H
#define ELO_TLS_CREDENTIALS_H

#include "elo/base/err.h"
#include "elo/base/span.h"
#include "elo/tls/bearssl.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Certificates an identity may hold: the client's own and its intermediates. */
#define ELO_TLS_CHAIN_MAX 4

/* The largest RSA modulus of a client key or root, in bytes: 4096 bits. */
#define ELO_TLS_RSA_MAX 512

/* `mem` that is enough for one P-256 or RSA-2048 key and one certificate as AWS IoT issues them
 * (about 900 bytes of DER). A chain needs the size of its further certificates on top. */
#define ELO_TLS_IDENTITY_BYTES 2048

/* `mem` that is enough for one root: its name, and a key of up to RSA-2048 or RSA-4096. */
#define ELO_TLS_ANCHOR_BYTES     448
#define ELO_TLS_ANCHOR_BYTES_MAX 768

/* A raw private key on P-256 (big-endian), and a point of the curve (0x04, x, y). */
#define ELO_TLS_P256_KEY_BYTES   32
#define ELO_TLS_P256_POINT_BYTES 65

/* Decoder state, needed only while a call below runs. */
struct elo_tls_work {
    struct {
        br_pem_decoder_context pem;
        union {
            br_skey_decoder_context key;
            br_x509_decoder_context x509;
        } of;
        uint8_t public_key[ELO_TLS_RSA_MAX];
    } _internal;
};

/* A client key and its certificate chain. */
struct elo_tls_identity {
    struct {
        uint32_t not_before, not_after;
        uint8_t key_type; /* BR_KEYTYPE_RSA or BR_KEYTYPE_EC */
        uint8_t chain_len;
        uint8_t issuer_key_type;
        union {
            br_rsa_private_key rsa;
            br_ec_private_key ec;
        } key;
        br_x509_certificate chain[ELO_TLS_CHAIN_MAX];
    } _internal;
};

/*
 * Decodes `certificate` (the client's own first, then its intermediates; the root is not needed)
 * and `key`, and proves that they belong together by computing the key's public half.
 *
 * Accepted keys: RSA of 2048 to 4096 bits, EC on P-256 or P-384.
 *
 * ELO_E_BAD_PEM      not PEM or DER, damaged, or without a certificate (or key) in it
 * ELO_E_KEYPAIR      the key is not the one of the first certificate
 * ELO_E_UNSUPPORTED  an encrypted key, another curve, RSA below 2048 or above 4096 bits
 * ELO_E_TOO_LARGE    more than ELO_TLS_CHAIN_MAX certificates
 * ELO_E_NO_SPACE     `mem` is too small
 * On failure `identity` is empty and `mem` holds no key.
 */
ELO_MUST_USE elo_err elo_tls_identity_init(struct elo_tls_identity *identity,
                                           elo_span certificate,
                                           elo_span key,
                                           void *mem,
                                           size_t mem_cap,
                                           struct elo_tls_work *work);

/*
 * The same from a raw P-256 key and certificates in DER, one behind the other: the client's own,
 * then its intermediates. Nothing is copied: `certificates` and `key` are kept by reference and
 * must lie in RAM. The pair is not proven here, for that is the dearest
 * part: elo_tls_identity_check does it, once, when the pair is new.
 *
 * ELO_E_BAD_PEM    no certificates, or damaged ones
 * ELO_E_KEYPAIR    not a private key of P-256, such as one never written
 * ELO_E_TOO_LARGE  more than ELO_TLS_CHAIN_MAX certificates
 * On failure `identity` is empty.
 */
ELO_MUST_USE elo_err elo_tls_identity_ec(struct elo_tls_identity *identity,
                                         elo_span certificates,
                                         uint8_t key[ELO_TLS_P256_KEY_BYTES]);

/*
 * Do key and certificate belong together? For P-256: computes the key's public half, 10 million
 * instructions on the ESP8266.
 *
 * ELO_E_KEYPAIR      no: it is the certificate of another key
 * ELO_E_BAD_PEM      the certificate is damaged
 * ELO_E_UNSUPPORTED  an empty identity, or one of another kind
 */
ELO_MUST_USE elo_err elo_tls_identity_check(const struct elo_tls_identity *identity);

/* The dates of the client's own certificate, unix seconds; years after 2105 read UINT32_MAX. For
 * warnings such as "expires in 12 days": the engine leaves judging them to the server. */
uint32_t elo_tls_identity_not_before(const struct elo_tls_identity *identity);
uint32_t elo_tls_identity_not_after(const struct elo_tls_identity *identity);

/* The client's own certificate in DER, e.g. to fingerprint it; valid as long as its `mem`. */
elo_span elo_tls_identity_certificate(const struct elo_tls_identity *identity);

/* The raw private key, for a device that keeps it so (elo_tls_identity_ec). To be wiped after use.
 * ELO_E_UNSUPPORTED: an empty identity, or a key that is not on P-256; `out` is not touched. */
ELO_MUST_USE elo_err elo_tls_identity_p256_key(const struct elo_tls_identity *identity,
                                               uint8_t out[ELO_TLS_P256_KEY_BYTES]);

/* Overwrites the key in memory and empties the identity. */
void elo_tls_identity_wipe(struct elo_tls_identity *identity);

/* Trusted roots. */
struct elo_tls_anchors {
    struct {
        br_x509_trust_anchor *table;
        size_t cap, count;
        uint8_t *mem;
        size_t mem_cap, mem_used;
    } _internal;
};

/* An empty list with room for `cap` roots in `table` and their bytes in `mem`, see
 * ELO_TLS_ANCHOR_BYTES. An empty list trusts nobody. */
void elo_tls_anchors_init(struct elo_tls_anchors *anchors,
                          br_x509_trust_anchor *table,
                          size_t cap,
                          void *mem,
                          size_t mem_cap);

/*
 * Adds the root in `certificates`: one in DER, any number in PEM. All of them or, on failure, none.
 * As everywhere, a root's own dates are not looked at: it is trusted by being here.
 *
 * ELO_E_BAD_PEM      not PEM or DER, damaged, or without a certificate in it
 * ELO_E_UNSUPPORTED  not a CA certificate: trusting a server's own certificate ("pinning") is not
 *                    offered, for it breaks at the next renewal
 * ELO_E_NO_SPACE     `table` or `mem` is full
 */
ELO_MUST_USE elo_err elo_tls_anchors_add(struct elo_tls_anchors *anchors,
                                         elo_span certificates,
                                         struct elo_tls_work *work);

/*
 * Adds one root in DER, RSA of 2048 to 4096 bits or P-256, without a decoder and its work memory;
 * `certificate` may lie in flash. Errors as above; ELO_E_UNSUPPORTED also for another kind of key.
 */
ELO_MUST_USE elo_err elo_tls_anchors_add_der(struct elo_tls_anchors *anchors, elo_span certificate);

/* Names and keys of all that was added, one behind the other, e.g. to fingerprint them; valid until
 * the next call. */
elo_span elo_tls_anchors_bytes(const struct elo_tls_anchors *anchors);

/* A list of `count` roots that is complete already: BearSSL's own table, such as its tool `brssl
 * ta` writes. Kept by reference with all it points to, in RAM. Nothing can be added to it. */
void elo_tls_anchors_table(struct elo_tls_anchors *anchors,
                           const br_x509_trust_anchor *table,
                           size_t count);

size_t elo_tls_anchors_count(const struct elo_tls_anchors *anchors);

/*
 * The roots of AWS IoT Core's ATS endpoints (AWS IoT Developer Guide, "Server authentication"), in
 * DER, in flash on the ESP8266: to be given to elo_tls_anchors_add, not read byte by byte.
 * CA 1 is RSA 2048, CA 3 is EC P-256. The endpoints' chains end at CA 1 today; AWS asks devices to
 * trust CA 3 as well.
 */
elo_span elo_tls_amazon_root_ca_1(void);
elo_span elo_tls_amazon_root_ca_3(void);

#ifdef __cplusplus
}
#endif

#endif
