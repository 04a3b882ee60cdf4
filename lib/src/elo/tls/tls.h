// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * TLS 1.2 with mutual authentication, the client's side, as AWS IoT Core asks for it. The work is
 * BearSSL's, on the ESP8266 and on a PC alike; this header is a narrow door to it with the safe
 * choices made and the reasons of failures named.
 *
 * The engine does no I/O: records from the wire go in, records for the wire come out, and so does
 * plaintext on the other side. It keeps no clock and owns no memory.
 *
 *      wire  -> input_buf/ack  --> [ engine ] -->  read_buf/ack  -> plaintext in
 *      wire  <- output_buf/ack <-- [        ] <--  write_buf/ack <- plaintext out (then flush)
 *
 * Each pair works the same way: _buf shows where bytes may be put or taken and how many (NULL and 0
 * when there is nothing to do), _ack tells how many of them were (1 or more, not more than
 * shown; 0 is allowed and does nothing). A pointer from _buf is valid until the next call on the
 * same engine, whichever it is.
 *
 * Life cycle: elo_tls_init for every connection (also to reconnect), drive it until
 * elo_tls_state() says ELO_TLS_CLOSED, look at elo_tls_error(). An owner's loop:
 *
 *      unsigned s = elo_tls_state(&tls);
 *      if (s & ELO_TLS_OUTPUT)  send what elo_tls_output_buf shows, elo_tls_output_ack what went
 *      if (s & ELO_TLS_INPUT)   receive into elo_tls_input_buf, elo_tls_input_ack what came;
 *                               at the end of the stream elo_tls_input_end
 *      if (s & ELO_TLS_READ)    take plaintext from elo_tls_read_buf, elo_tls_read_ack
 *      if (s & ELO_TLS_WRITE)   put plaintext into elo_tls_write_buf, elo_tls_write_ack,
 *                               and at the end of a message elo_tls_flush
 *
 * Serve READ before waiting for input: unread plaintext holds the input buffer.
 *
 * Steps: a handshake is up to four blocks of work with public keys, and BearSSL does a block as
 * soon as its last byte is there. With config.stepwise the engine offers its input buffer in pieces
 * of at most 64 bytes, never beyond a message's end, so that one call of elo_tls_input_ack or
 * elo_tls_output_ack does one block at most, however the server packs its messages into records.
 * A loop with a clock acks until some milliseconds are over; the last ack may take a block longer.
 * The blocks, on the ESP8266 in millions of instructions with elo_tls_profile_aws_small:
 *      a signature of the chain, or of the key exchange   11 (RSA 2048), 27 (P-256)
 *      our key exchange and our own signature             38 (P-256): the longest step
 *
 * What is decided here and cannot be switched off:
 *   - TLS 1.2 only; ECDHE-ECDSA and ECDHE-RSA with AES-128-GCM-SHA256, then AES-256-GCM-SHA384;
 *     a profile may have fewer of these, never others
 *   - SNI is always sent, for AWS IoT picks the account by it ("Transport security in AWS IoT
 *     Core"), and the same name is looked for in the server's certificate
 *   - the server's chain must end at one of the caller's roots and be valid at the caller's clock:
 *     RSA from 2048 bits, EC P-256 and P-384, SHA-256 and SHA-384. There is no insecure mode and no
 *     fingerprint mode
 *   - renegotiation is refused
 *
 * Records: the fragment length is negotiated (RFC 6066, max_fragment_length: 512, 1024, 2048, 4096)
 * from the size of the smaller buffer; buffers for 16384 bytes do without. A server that ignores
 * the extension still works as long as its records fit the input buffer; one that does not fit is
 * ELO_E_TLS_RECORD. Handshake messages may be longer than the buffer, only records may not.
 *
 * Errors: engines fail once and stay failed. The first reason is kept, later calls do nothing.
 * When the failure is ours and the handshake is not yet encrypted, the alert that tells the server
 * why is the last output (ELO_TLS_OUTPUT beside a set error): send it, then close.
 *
 * Stack: a handshake in BearSSL needs up to 5.3 KiB on the ESP8266, application data 1.9 KiB: run
 * it on BearSSL's second stack there. An engine may be used by one thread at a time; several
 * engines share nothing.
 */
#ifndef ELO_TLS_TLS_H
#define ELO_TLS_TLS_H

#include "elo/base/err.h"
#include "elo/base/span.h"
#include "elo/tls/bearssl.h"
#include "elo/tls/credentials.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Buffer sizes for records of `fragment` bytes of plaintext: 512, 1024, 2048, 4096 or 16384.
 * The smallest engine has 837 + 597 bytes of buffers. */
#define ELO_TLS_INPUT_BYTES(fragment)  ((fragment) + 325)
#define ELO_TLS_OUTPUT_BYTES(fragment) ((fragment) + 85)

/* With config.stepwise, what is written of the input buffer until the server is proven. */
#define ELO_TLS_STEP_INPUT_BYTES 72

/* Random bytes that elo_tls_init wants at least. */
#define ELO_TLS_ENTROPY_MIN 32

/* The earliest time a set clock can show: 2026-01-01, after this library was written. */
#define ELO_TLS_CLOCK_FLOOR 1767225600u

/* What the engine is ready for: the flags of elo_tls_state(). */
enum {
    ELO_TLS_CLOSED = 1, /* over, cleanly or not: elo_tls_error() tells; no INPUT, READ or WRITE */
    ELO_TLS_OUTPUT = 2, /* records wait to be sent */
    ELO_TLS_INPUT = 4,  /* records can be taken in */
    ELO_TLS_WRITE = 8,  /* plaintext can be written */
    ELO_TLS_READ = 16,  /* plaintext waits to be read */
    ELO_TLS_READY = 32  /* the handshake is complete (and stays so until CLOSED) */
};

/*
 * What a later connection to the same endpoint needs to skip most of the handshake: 0.7 instead of
 * 74 million instructions on the ESP8266. Opaque bytes without pointers; may be copied. They hold
 * the master secret: keep them in RAM, or for deep sleep in RTC memory (88 of its 512 bytes, in
 * words of four), never in flash, and never show them. What was damaged there ends in a failed
 * handshake, so keep a checksum beside it, and drop a session with which a handshake has failed.
 */
struct elo_tls_session {
    uint8_t bytes[86];
};

/*
 * What is linked: an application names one profile, and the linker drops what the other alone
 * needs. Opaque.
 */
struct elo_tls_profile {
    struct {
        void (*algorithms)(br_ssl_engine_context *engine);
        bool (*present)(br_ssl_client_context *client, const struct elo_tls_identity *identity);
    } _internal;
};

/* All that this header promises: four suites, SHA-384, RSA and EC client keys, P-384. */
extern const struct elo_tls_profile elo_tls_profile_full;

/*
 * For the ESP8266: AES-128-GCM-SHA256 with ECDHE-ECDSA or ECDHE-RSA; chains of RSA 2048 to 4096 and
 * P-256 signed with SHA-256, as Amazon's are below CA 1 and CA 3, and the desk's; a client key on
 * P-256. In constant time throughout. A chain that needs more is ELO_E_TLS_HANDSHAKE.
 */
extern const struct elo_tls_profile elo_tls_profile_aws_small;

/*
 * What only a handshake needs: the validator of the server's chain, 3.1 KiB. Lent to the engine by
 * elo_tls_init as long as elo_tls_borrows() says so: until the server is proven, at the latest
 * until the engine is ELO_TLS_READY or ELO_TLS_CLOSED. From then on the memory is the owner's
 * again, to free or to use for something else. One engine at a time; not to be moved meanwhile.
 */
struct elo_tls_handshake {
    struct {
        const br_x509_class *vtable;
        br_x509_minimal_context minimal;
        struct elo__tls_validity {
            uint32_t not_before, not_after;
            uint32_t body; /* bytes left of the element being read or skipped */
            uint8_t step, phase, tag, length_bytes;
            uint8_t text_len;
            char text[15];
        } validity;
        uint32_t now_unix;
        uint32_t leaf_not_after;
        bool leaf_seen;
        bool not_yet_valid;
    } _internal;
};

struct elo_tls_config {
    /* Which algorithms; see above. */
    const struct elo_tls_profile *profile;

    /* The endpoint's name: 1 to 255 letters, digits, `-`, `_` and dots, without a dot at its end;
     * not an IP address, nor a URL. Copied. */
    const char *host;

    /* Kept by reference until READY or CLOSED. `identity` may be NULL: then no client certificate
     * is sent, as a diagnosis wants it. */
    const struct elo_tls_anchors *anchors;
    const struct elo_tls_identity *identity;

    /* The wall clock, seconds since 1970 UTC (good until 2106), and the earliest time it can
     * honestly show. A floor below ELO_TLS_CLOCK_FLOOR counts as that. */
    uint32_t now_unix;
    uint32_t clock_floor;

    /* Application protocols (ALPN), most wanted first; NULL and 0 for none. Kept by reference,
     * table and strings. AWS: "x-amzn-mqtt-ca" for MQTT with a client certificate on port 443. */
    const char *const *alpn;
    uint8_t alpn_count;
    /* Fail with ELO_E_ALPN if the server chooses none. */
    bool require_alpn;

    /* Record buffers, kept while the engine lives; see ELO_TLS_INPUT_BYTES. Not shared. */
    uint8_t *input;
    size_t input_cap;
    uint8_t *output;
    size_t output_cap;

    /* Memory for the handshake, lent as long as elo_tls_borrows() says so. */
    struct elo_tls_handshake *handshake;

    /* Take the handshake in small steps, see above; for the ESP8266. */
    bool stepwise;

    /* Fresh random bytes, ELO_TLS_ENTROPY_MIN or more. Used during the call only. */
    elo_span entropy;

    /* A session to resume, or NULL (the default) for a full handshake. The server may decline: then
     * the handshake is a full one. A resumed session does not look at certificates again, so give
     * it only to the endpoint it came from, and drop it when roots or identity change. */
    const struct elo_tls_session *resume;
};

/* One connection. About 3.7 KiB on a PC, 3.4 KiB on the ESP8266, without its buffers and its
 * handshake's memory. It points into itself: once initialised it may not be moved. */
struct elo_tls {
    struct {
        br_ssl_client_context client;
        struct elo_tls_handshake *handshake; /* NULL: given back */
        const struct elo_tls_profile *profile;
        struct elo__tls_pace {
            uint32_t message_left;
            uint16_t record_left;
            uint8_t record_at, message_at; /* bytes of the headers so far */
            uint8_t type, message;         /* of the record, of the message */
            bool pieces;                   /* wanted */
            bool proven, over;             /* the server's key exchange; encrypted from here on */
        } pace;
        uint32_t server_not_after;
        elo_err error;
        bool require_alpn, ready, closing, shut;
        uint8_t alert_len, alert_sent;
        uint8_t alert[7];
    } _internal;
};

/*
 * Prepares a connection; the first output is then the ClientHello.
 *
 * Refused before any byte is sent, in this order:
 * ELO_E_SERVER_NAME  `host` is not such a name
 * ELO_E_ROOT         no roots given
 * ELO_E_CLOCK        the clock is before its floor, so no certificate could be judged by it
 * ELO_E_ENTROPY      fewer than ELO_TLS_ENTROPY_MIN random bytes, or all the same
 * ELO_E_NO_SPACE     buffers below 512-byte fragments, or no memory for the handshake
 * ELO_E_UNSUPPORTED  an identity whose key the profile cannot use
 * ELO_E_MALFORMED    `resume` is no session of elo_tls_session_get
 * The engine is then CLOSED with that error.
 */
ELO_MUST_USE elo_err elo_tls_init(struct elo_tls *tls, const struct elo_tls_config *config);

/* ELO_TLS_... flags. */
unsigned elo_tls_state(const struct elo_tls *tls);

/*
 * Is config.handshake still lent? No longer once the server has proven that its key is the one its
 * chain vouches for. With config.stepwise that is before our own key exchange and signature, which
 * need the deepest stack: an owner who frees the memory as soon as it may never has both at once.
 * Ask after each elo_tls_input_ack. config.anchors are not needed any more then either.
 */
bool elo_tls_borrows(const struct elo_tls *tls);

/*
 * Names the client's identity now instead of in config.identity: before the server asks for it, and
 * with config.stepwise that is at any time until the elo_tls_input_ack after the one with which
 * elo_tls_borrows has become false. So its certificate need not be in memory together with the
 * validator; it may be read into the memory that has come back.
 *
 * Whoever counts bytes lays all three over one another, for with config.stepwise only the first
 * ELO_TLS_STEP_INPUT_BYTES of the input buffer are written as long as the engine borrows:
 *
 *      | input, 837                                      |
 *      | 72 | struct elo_tls_handshake                                  |    while it borrows
 *                                                        | certificate  |    then, until READY
 *
 * ELO_E_UNSUPPORTED  a key that the profile cannot use: no certificate will be sent
 */
ELO_MUST_USE elo_err elo_tls_present(struct elo_tls *tls, const struct elo_tls_identity *identity);

/* Records from the wire. */
uint8_t *elo_tls_input_buf(const struct elo_tls *tls, size_t *out_len);
void elo_tls_input_ack(struct elo_tls *tls, size_t len);

/* The wire has ended. Without a close_notify before, that is a cut: ELO_E_TCP_CLOSED. */
void elo_tls_input_end(struct elo_tls *tls);

/* Records to the wire. */
const uint8_t *elo_tls_output_buf(const struct elo_tls *tls, size_t *out_len);
void elo_tls_output_ack(struct elo_tls *tls, size_t len);

/* Plaintext from the server. */
const uint8_t *elo_tls_read_buf(const struct elo_tls *tls, size_t *out_len);
void elo_tls_read_ack(struct elo_tls *tls, size_t len);

/* Plaintext to the server. It is sent when a record is full or on elo_tls_flush. */
uint8_t *elo_tls_write_buf(const struct elo_tls *tls, size_t *out_len);
void elo_tls_write_ack(struct elo_tls *tls, size_t len);

/* Makes a record of what was written so far; nothing if there is nothing. */
void elo_tls_flush(struct elo_tls *tls);

/*
 * Flushes and says close_notify. Drive OUTPUT and INPUT on: the engine is CLOSED when the server
 * has said it too; what it still sends is dropped. An owner in a hurry may stop after OUTPUT is
 * gone. Before the handshake is complete it closes at once.
 */
void elo_tls_close(struct elo_tls *tls);

/*
 * The first failure, ELO_OK if there was none (a clean close_notify is none):
 * ELO_E_CLOCK            a certificate of the server is not yet valid: our clock is behind
 * ELO_E_SERVER_EXPIRED   a certificate of the server has expired
 * ELO_E_ROOT             the server's chain ends at none of our roots
 * ELO_E_SERVER_NAME      the server's certificate is for another name
 * ELO_E_TLS_CERT_REFUSED the server's alert says that our certificate is unwelcome
 * ELO_E_ALPN             the server chose none of our protocols
 * ELO_E_TLS_RECORD       a record larger than our buffer
 * ELO_E_TLS_ALERT        another fatal alert of the server, see elo_tls_alert
 * ELO_E_TLS_HANDSHAKE    the handshake failed on our side: bad signature, old version, damage ...
 * ELO_E_MALFORMED        after the handshake: a damaged record
 * ELO_E_TCP_CLOSED       the wire ended without close_notify
 * and the errors of elo_tls_init.
 */
elo_err elo_tls_error(const struct elo_tls *tls);

/* For logs: BearSSL's error number (BR_ERR_..., 0 if none), and the fatal alert received from the
 * server (RFC 5246, 7.2), -1 if none. */
int elo_tls_error_number(const struct elo_tls *tls);
int elo_tls_alert(const struct elo_tls *tls);

/* The application protocol the server chose, one of the config's strings, or NULL. */
const char *elo_tls_alpn(const struct elo_tls *tls);

/* For logs and diagnosis, once READY: the cipher suite (IANA number, 0xC02B ...). */
uint16_t elo_tls_cipher_suite(const struct elo_tls *tls);

/* The fragment length asked of the server, bytes: 512 ... 4096, or 16384: none was asked for. */
uint16_t elo_tls_fragment_bytes(const struct elo_tls *tls);

/* When the server's own certificate ends, unix seconds (UINT32_MAX: after 2105), 0 before it was
 * seen or in a resumed session. Known also after a failure on it. */
uint32_t elo_tls_server_not_after(const struct elo_tls *tls);

/*
 * The session, for a later config.resume. ELO_E_NOT_FOUND before READY, or when the server gave no
 * session id. Not offered after an error.
 */
ELO_MUST_USE elo_err elo_tls_session_get(const struct elo_tls *tls,
                                         struct elo_tls_session *out_session);

#ifdef __cplusplus
}
#endif

#endif
