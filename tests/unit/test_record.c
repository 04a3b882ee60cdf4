// links: server_net
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The record layer against OpenSSL's own: an OpenSSL client and an OpenSSL server shake hands in
 * memory, then struct record takes the server's place. What one side seals the other must open,
 * for every suite; and what is damaged, too long or out of place must be refused with the right
 * alert, which OpenSSL reads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "elo/base/bytes.h"
#include "server/net/record.h"

struct pair {
    SSL *client;
    struct record *record; /* the server's */
    BIO *to_client, *to_server;
    struct record_secrets secrets;
    uint8_t wire[65536]; /* from the client, not yet opened */
    size_t wire_len;
    int alert; /* that the client was told */
};

static SSL_CTX *server_ctx[2]; /* with an EC key, with an RSA key */

static void note(const SSL *ssl, const char *line)
{
    record_note(SSL_get_app_data(ssl), line);
}

static void note_alert(const SSL *ssl, int where, int value)
{
    struct pair *p = SSL_get_app_data(ssl);
    if ((where & SSL_CB_READ) && (where & SSL_CB_ALERT)) {
        p->alert = value & 0xff;
    }
}

static SSL_CTX *make_server(EVP_PKEY *key)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    X509 *x = X509_new();
    assert_true(ctx != NULL && x != NULL && key != NULL);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    assert_int_equal(SSL_CTX_use_certificate(ctx, x), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
    SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_keylog_callback(ctx, note);
    X509_free(x);
    EVP_PKEY_free(key);
    return ctx;
}

static int make_servers(void **state)
{
    (void)state;
    server_ctx[0] = make_server(EVP_EC_gen("P-256"));
    server_ctx[1] = make_server(EVP_RSA_gen(2048));
    return 0;
}

static int free_servers(void **state)
{
    (void)state;
    SSL_CTX_free(server_ctx[0]);
    SSL_CTX_free(server_ctx[1]);
    return 0;
}

/* A handshake with that suite (NULL: any) and fragment length (0: none asked for). */
static void open_pair(struct pair *p, bool tls13, const char *suite, bool rsa, uint8_t fragment)
{
    memset(p, 0, sizeof *p);
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    int version = tls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
    SSL_CTX_set_min_proto_version(ctx, version);
    SSL_CTX_set_max_proto_version(ctx, version);
    if (suite != NULL) {
        assert_int_equal(
            tls13 ? SSL_CTX_set_ciphersuites(ctx, suite) : SSL_CTX_set_cipher_list(ctx, suite), 1);
    }
    p->client = SSL_new(ctx);
    SSL_CTX_free(ctx);
    SSL *server = SSL_new(server_ctx[rsa]);
    p->to_client = BIO_new(BIO_s_mem());
    p->to_server = BIO_new(BIO_s_mem());
    BIO_up_ref(p->to_client);
    BIO_up_ref(p->to_server);
    BIO_up_ref(p->to_server);
    SSL_set_bio(p->client, p->to_client, p->to_server);
    BIO_up_ref(p->to_client);
    SSL_set_bio(server, p->to_server, p->to_client);
    SSL_set_app_data(server, &p->secrets);
    SSL_set_app_data(p->client, p);
    SSL_set_info_callback(p->client, note_alert);
    if (fragment != 0) {
        assert_int_equal(SSL_set_tlsext_max_fragment_length(p->client, fragment), 1);
    }
    SSL_set_connect_state(p->client);
    SSL_set_accept_state(server);
    int done = 0;
    for (int i = 0; i < 10 && done < 2; i++) {
        done = (SSL_do_handshake(p->client) == 1) + (SSL_do_handshake(server) == 1);
    }
    assert_int_equal(done, 2);
    p->record = record_create(server, &p->secrets);
    SSL_free(server);
}

static void close_pair(struct pair *p)
{
    record_destroy(p->record);
    SSL_free(p->client);
    BIO_free(p->to_client);
    BIO_free(p->to_server);
    ERR_clear_error();
}

/* What the client has sent, into p->wire. */
static void fetch(struct pair *p)
{
    int n = BIO_read(p->to_server, p->wire + p->wire_len, (int)(sizeof p->wire - p->wire_len));
    p->wire_len += n > 0 ? (size_t)n : 0;
}

static enum record_answer open_next(struct pair *p, uint8_t *out, size_t *text)
{
    size_t used;
    fetch(p);
    enum record_answer answer =
        record_open(p->record, elo_span_of(p->wire, p->wire_len), &used, out, text);
    memmove(p->wire, p->wire + used, p->wire_len - used);
    p->wire_len -= used;
    return answer;
}

/* The server's answer to what it opened, read by the client. */
static void answer_client(struct pair *p)
{
    uint8_t sealed[RECORD_OVERHEAD + 8], byte;
    size_t len = record_reply(p->record, sealed);
    assert_true(len > 0 && len <= sizeof sealed);
    assert_int_equal(BIO_write(p->to_client, sealed, (int)len), (int)len);
    assert_true(SSL_read(p->client, &byte, 1) <= 0);
}

static void to_server(struct pair *p, const uint8_t *text, size_t len)
{
    static uint8_t out[RECORD_WIRE_MAX];
    assert_int_equal(SSL_write(p->client, text, (int)len), (int)len);
    for (size_t at = 0, got; at < len; at += got) {
        assert_int_equal(open_next(p, out, &got), RECORD_TEXT);
        assert_memory_equal(out, text + at, got);
    }
    assert_int_equal(p->wire_len, 0);
}

static void to_client(struct pair *p, const uint8_t *text, size_t len)
{
    static uint8_t sealed[RECORD_WIRE_MAX], got[RECORD_TEXT_MAX];
    size_t n = record_seal(p->record, RECORD_DATA, elo_span_of(text, len), sealed);
    assert_true(n > len && n <= len + RECORD_OVERHEAD);
    assert_int_equal(BIO_write(p->to_client, sealed, (int)n), (int)n);
    for (size_t at = 0; at < len;) {
        int read = SSL_read(p->client, got, sizeof got);
        assert_true(read > 0);
        assert_memory_equal(got, text + at, (size_t)read);
        at += (size_t)read;
    }
}

static const struct {
    const char *name;
    bool tls13, rsa, ours;
} suites[] = {
    {"TLS_AES_128_GCM_SHA256", true, false, true},
    {"TLS_AES_256_GCM_SHA384", true, false, true},
    {"TLS_CHACHA20_POLY1305_SHA256", true, false, true},
    {"ECDHE-ECDSA-AES128-GCM-SHA256", false, false, true},
    {"ECDHE-ECDSA-AES256-GCM-SHA384", false, false, true},
    {"ECDHE-RSA-AES128-GCM-SHA256", false, true, true},
    {"ECDHE-RSA-AES256-GCM-SHA384", false, true, true},
    {"AES128-GCM-SHA256", false, true, true},
    {"AES256-GCM-SHA384", false, true, true},
    {"ECDHE-ECDSA-AES128-SHA256", false, false, false},
    {"ECDHE-RSA-AES256-SHA384", false, true, false},
    {"AES128-SHA", false, true, false},
};

static void every_suite_speaks_with_openssl(void **state)
{
    static const size_t lengths[] = {1, 2, 100, 4096, 16383, 16384};
    static uint8_t text[RECORD_TEXT_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (uint8_t)(i * 31);
    }
    for (size_t s = 0; s < sizeof suites / sizeof suites[0]; s++) {
        struct pair p;
        open_pair(&p, suites[s].tls13, suites[s].name, suites[s].rsa, 0);
        assert_int_equal(p.record != NULL, suites[s].ours);
        for (size_t i = 0; p.record != NULL && i < sizeof lengths / sizeof lengths[0]; i++) {
            to_server(&p, text, lengths[i]);
            to_client(&p, text, lengths[i]);
        }
        close_pair(&p);
    }
}

static void keys_are_renewed_when_the_client_asks(void **state)
{
    static const uint8_t text[] = "21.5";
    (void)state;
    struct pair p;
    uint8_t out[RECORD_WIRE_MAX];
    size_t len;
    open_pair(&p, true, NULL, false, 0);
    for (int round = 0; round < 40; round++) { /* more than may come without data between */
        int how = round % 2 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED;
        assert_int_equal(SSL_key_update(p.client, how), 1);
        assert_int_equal(SSL_do_handshake(p.client), 1);
        assert_int_equal(open_next(&p, out, &len), RECORD_QUIET);
        if (round % 2) {
            answer_client(&p);
        } else {
            assert_int_equal(record_reply(p.record, out), 0);
        }
        to_client(&p, text, sizeof text);
        to_server(&p, text, sizeof text);
    }
    close_pair(&p);
}

static void keys_are_renewed_by_us(void **state)
{
    static const uint8_t text[] = "21.5";
    (void)state;
    struct pair p;
    uint8_t sealed[RECORD_OVERHEAD + 8];
    for (int strong = 0; strong < 2; strong++) {
        open_pair(&p, true, strong ? "TLS_AES_256_GCM_SHA384" : NULL, false, 0);
        for (int round = 0; round < 3; round++) {
            assert_false(record_wants_rekey(p.record));
            size_t len = record_rekey(p.record, sealed);
            assert_true(len > 0);
            assert_int_equal(BIO_write(p.to_client, sealed, (int)len), (int)len);
            to_client(&p, text, sizeof text);
            to_server(&p, text, sizeof text);
        }
        close_pair(&p);
    }
}

static void a_flood_of_key_updates_is_refused(void **state)
{
    (void)state;
    struct pair p;
    uint8_t out[RECORD_WIRE_MAX];
    size_t len;
    open_pair(&p, true, NULL, false, 0);
    for (int round = 0; round < 32; round++) {
        assert_int_equal(SSL_key_update(p.client, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(p.client), 1);
        assert_int_equal(open_next(&p, out, &len), RECORD_QUIET);
    }
    SSL_key_update(p.client, SSL_KEY_UPDATE_NOT_REQUESTED);
    SSL_do_handshake(p.client);
    assert_int_equal(open_next(&p, out, &len), RECORD_BROKEN);
    answer_client(&p);
    assert_int_equal(p.alert, SSL_AD_UNEXPECTED_MESSAGE);
    close_pair(&p);
}

static void a_renegotiation_is_declined_and_life_goes_on(void **state)
{
    static const uint8_t text[] = "21.5";
    (void)state;
    struct pair p;
    uint8_t out[RECORD_WIRE_MAX];
    size_t len;
    open_pair(&p, false, NULL, false, 0);
    to_server(&p, text, sizeof text);
    assert_int_equal(SSL_renegotiate(p.client), 1);
    (void)SSL_do_handshake(p.client);
    assert_int_equal(open_next(&p, out, &len), RECORD_QUIET);
    answer_client(&p);
    assert_int_equal(p.alert, SSL_AD_NO_RENEGOTIATION);
    assert_int_equal(record_reply(p.record, out), 0);
    close_pair(&p);
}

static void both_sides_can_say_goodbye(void **state)
{
    static const uint8_t close_notify[] = {1, 0};
    (void)state;
    for (int tls13 = 0; tls13 < 2; tls13++) {
        struct pair p;
        uint8_t out[RECORD_WIRE_MAX];
        size_t len;
        open_pair(&p, tls13 != 0, NULL, false, 0);
        assert_int_equal(SSL_shutdown(p.client), 0);
        assert_int_equal(open_next(&p, out, &len), RECORD_END);
        len = record_seal(p.record, RECORD_ALERT, elo_span_of(close_notify, 2), out);
        assert_int_equal(BIO_write(p.to_client, out, (int)len), (int)len);
        assert_int_equal(SSL_shutdown(p.client), 1);
        close_pair(&p);
    }
}

/* One record of the client: every prefix of it is partial, and with any bit turned it is refused:
 * it never gives another text. */
static void no_damage_goes_unseen(void **state)
{
    (void)state;
    for (int tls13 = 0; tls13 < 2; tls13++) {
        struct pair p;
        uint8_t out[RECORD_WIRE_MAX], damaged[128];
        size_t used, text, whole;
        open_pair(&p, tls13 != 0, NULL, false, 0);
        assert_int_equal(SSL_write(p.client, "21.5", 4), 4);
        fetch(&p);
        whole = p.wire_len;
        for (size_t len = 0; len < whole; len++) {
            enum record_answer answer =
                record_open(p.record, elo_span_of(p.wire, len), &used, out, &text);
            assert_true(answer == RECORD_PARTIAL && used == 0 && text == 0);
            assert_false(record_is_whole(elo_span_of(p.wire, len)));
        }
        memcpy(damaged, p.wire, whole);
        close_pair(&p);
        for (size_t bit = 0; bit < 8 * whole; bit++) {
            if (bit / 8 == 3 || bit / 8 == 4) {
                continue; /* another length is another record: see too_long_is_refused */
            }
            open_pair(&p, tls13 != 0, NULL, false, 0);
            assert_int_equal(SSL_write(p.client, "21.5", 4), 4);
            fetch(&p);
            p.wire[bit / 8] ^= (uint8_t)(1 << bit % 8);
            enum record_answer answer = open_next(&p, out, &text);
            assert_int_equal(answer, RECORD_BROKEN);
            assert_int_equal(text, 0);
            answer_client(&p);
            assert_true(p.alert == SSL_AD_BAD_RECORD_MAC || p.alert == SSL_AD_UNEXPECTED_MESSAGE ||
                        (p.alert == SSL_AD_PROTOCOL_VERSION && !tls13 && bit / 8 == 2));
            close_pair(&p);
        }
    }
}

static void a_record_counts_once(void **state)
{
    (void)state;
    struct pair p;
    uint8_t out[RECORD_WIRE_MAX];
    size_t text, used;
    open_pair(&p, true, NULL, false, 0);
    assert_int_equal(SSL_write(p.client, "21.5", 4), 4);
    fetch(&p);
    elo_span wire = elo_span_of(p.wire, p.wire_len);
    assert_int_equal(record_open(p.record, wire, &used, out, &text), RECORD_TEXT);
    assert_int_equal(record_open(p.record, wire, &used, out, &text), RECORD_BROKEN); /* replayed */
    close_pair(&p);
}

static void too_long_is_refused(void **state)
{
    (void)state;
    struct pair p;
    uint8_t out[RECORD_WIRE_MAX], header[5] = {23, 3, 3};
    size_t text, used;
    static const struct {
        uint16_t len;
        enum record_answer answer;
        int alert;
    } cases[] = {
        {16384 + 256, RECORD_PARTIAL, 0},
        {16384 + 257, RECORD_BROKEN, SSL_AD_RECORD_OVERFLOW},
        {65535, RECORD_BROKEN, SSL_AD_RECORD_OVERFLOW},
        {17, RECORD_PARTIAL, 0},
        {16, RECORD_BROKEN, SSL_AD_DECODE_ERROR},
        {0, RECORD_BROKEN, SSL_AD_DECODE_ERROR},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        open_pair(&p, true, NULL, false, 0);
        elo_wr16be(header + 3, cases[i].len);
        enum record_answer answer =
            record_open(p.record, elo_span_of(header, 5), &used, out, &text);
        assert_int_equal(answer, cases[i].answer);
        if (cases[i].alert != 0) {
            answer_client(&p);
            assert_int_equal(p.alert, cases[i].alert);
        }
        close_pair(&p);
    }
}

static void the_agreed_fragment_length_binds_both(void **state)
{
    static const struct {
        uint8_t code;
        size_t max;
    } lengths[] = {{TLSEXT_max_fragment_length_512, 512},
                   {TLSEXT_max_fragment_length_1024, 1024},
                   {TLSEXT_max_fragment_length_2048, 2048},
                   {TLSEXT_max_fragment_length_4096, 4096}};
    static uint8_t text[RECORD_TEXT_MAX];
    (void)state;
    for (size_t i = 0; i < 8; i++) {
        struct pair p;
        open_pair(&p, i >= 4, NULL, false, lengths[i % 4].code);
        assert_int_equal(record_text_max(p.record), lengths[i % 4].max);
        to_client(&p, text, lengths[i % 4].max);
        to_server(&p, text, 5000); /* OpenSSL cuts it */
        close_pair(&p);
    }
}

/* A handshake message that may not come, an alert that is none, nothing but padding: sealed by a
 * second record with the client's keys, as a client gone wrong would. */
static void what_may_not_come_is_refused(void **state)
{
    static const struct {
        uint8_t type;
        const char *text;
        size_t len;
        enum record_answer answer;
        int alert;
    } cases[] = {
        {22, "\x18\0\0\1\0", 5, RECORD_QUIET, -1},
        {22, "\x18\0\0\1\2", 5, RECORD_BROKEN, SSL_AD_ILLEGAL_PARAMETER},
        {22, "\x18\0\0\1", 4, RECORD_BROKEN, SSL_AD_UNEXPECTED_MESSAGE},
        {22, "\x01\0\0\1\0", 5, RECORD_BROKEN, SSL_AD_UNEXPECTED_MESSAGE},
        {22, "", 0, RECORD_BROKEN, SSL_AD_UNEXPECTED_MESSAGE},
        {21, "\1\0", 2, RECORD_END, -1},
        {21, "\1\x5a", 2, RECORD_QUIET, -1},
        {21, "\1\x2a", 2, RECORD_BROKEN, -1}, /* it gives up: no answer */
        {21, "\2", 1, RECORD_BROKEN, SSL_AD_DECODE_ERROR},
        {20, "\1", 1, RECORD_BROKEN, SSL_AD_UNEXPECTED_MESSAGE},
        {0, "\0\0\0", 3, RECORD_BROKEN, SSL_AD_UNEXPECTED_MESSAGE},
        {23, "", 0, RECORD_QUIET, -1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pair p;
        open_pair(&p, true, "TLS_AES_128_GCM_SHA256", false, 0);
        /* The same keys the other way round. */
        struct record_secrets turned = p.secrets;
        memcpy(turned.client, p.secrets.server, sizeof turned.client);
        memcpy(turned.server, p.secrets.client, sizeof turned.server);
        struct record *client = record_create(p.client, &turned);
        assert_non_null(client);
        uint8_t sealed[64], out[RECORD_WIRE_MAX];
        size_t used, text,
            len = record_seal(client, (enum record_type)cases[i].type,
                              elo_span_of(cases[i].text, cases[i].len), sealed);
        enum record_answer answer =
            record_open(p.record, elo_span_of(sealed, len), &used, out, &text);
        assert_int_equal(answer, cases[i].answer);
        if (cases[i].alert >= 0) {
            answer_client(&p);
            assert_int_equal(p.alert, cases[i].alert);
        } else {
            assert_int_equal(record_reply(p.record, out), 0);
        }
        record_destroy(client);
        close_pair(&p);
    }
}

/* RFC 8446, 5.4: text, type and padding together are 2^14 + 1 bytes at most. */
static void padding_counts(void **state)
{
    (void)state;
    for (size_t over = 0; over < 2; over++) {
        struct pair p;
        static uint8_t inner[RECORD_TEXT_MAX + 1], sealed[RECORD_WIRE_MAX], out[RECORD_WIRE_MAX];
        size_t used, text;
        open_pair(&p, true, "TLS_AES_128_GCM_SHA256", false, 0);
        struct record_secrets turned = p.secrets;
        memcpy(turned.client, p.secrets.server, sizeof turned.client);
        memcpy(turned.server, p.secrets.client, sizeof turned.server);
        struct record *client = record_create(p.client, &turned);
        assert_non_null(client);
        inner[0] = 'x';
        inner[1] = RECORD_DATA; /* and the type that record_seal() puts behind is padding, too */
        size_t len = record_seal(client, (enum record_type)0,
                                 elo_span_of(inner, RECORD_TEXT_MAX + over), sealed);
        assert_int_equal(record_open(p.record, elo_span_of(sealed, len), &used, out, &text),
                         over ? RECORD_BROKEN : RECORD_TEXT);
        assert_int_equal(text, over ? 0 : 1);
        if (over) {
            answer_client(&p);
            assert_int_equal(p.alert, SSL_AD_RECORD_OVERFLOW);
        }
        record_destroy(client);
        close_pair(&p);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_suite_speaks_with_openssl),
        cmocka_unit_test(keys_are_renewed_when_the_client_asks),
        cmocka_unit_test(keys_are_renewed_by_us),
        cmocka_unit_test(a_flood_of_key_updates_is_refused),
        cmocka_unit_test(a_renegotiation_is_declined_and_life_goes_on),
        cmocka_unit_test(both_sides_can_say_goodbye),
        cmocka_unit_test(no_damage_goes_unseen),
        cmocka_unit_test(a_record_counts_once),
        cmocka_unit_test(too_long_is_refused),
        cmocka_unit_test(the_agreed_fragment_length_binds_both),
        cmocka_unit_test(what_may_not_come_is_refused),
        cmocka_unit_test(padding_counts),
    };
    return cmocka_run_group_tests(tests, make_servers, free_servers);
}
