// links: server_net
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * server/net over real sockets: what clients do that send too much, too little, too slowly, nothing
 * at all or at the wrong time, and that no answer is lost, doubled or waited for in vain. What has
 * to do with handshakes is done with them on the loop and with one worker and two.
 */
#include "tests/support/net_rig.h"

#include <sys/resource.h>

static const struct compat normal;

#define GET       "GET /things HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_CLOSE "GET /things HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

/* How often `text` stands behind `*from`, which moves behind the last of them. */
static size_t count_after(const struct buf *b, const char *text, size_t *from)
{
    elo_span all = buf_span(b);
    size_t count = 0;
    const uint8_t *at;
    while (*from < all.len &&
           (at = memmem(all.ptr + *from, all.len - *from, text, strlen(text))) != NULL) {
        *from = (size_t)(at - all.ptr) + strlen(text);
        count++;
    }
    return count;
}

static size_t count_in(const struct buf *b, const char *text)
{
    size_t from = 0;
    return count_after(b, text, &from);
}

/* A signed request with the body {}. */
static const char *post(const char *path)
{
    static char text[2048];
    struct sigv4_signed sig;
    struct sigv4_header host = {ELO_SPAN("host"), ELO_SPAN("a")};
    struct sigv4_request request = {.method = ELO_SPAN("POST"),
                                    .path = elo_span_str(path),
                                    .headers = &host,
                                    .header_count = 1,
                                    .body = ELO_SPAN("{}")};
    struct sigv4_key key = {.access_key_id = ELO_SPAN("AKID"), .secret = ELO_SPAN("secret")};
    assert_int_equal(sigv4_sign(&request, &key, "iot", "eu-west-1", (int64_t)time(NULL), &sig),
                     ELO_OK);
    snprintf(text, sizeof text,
             "POST %s HTTP/1.1\r\nHost: a\r\nX-Amz-Date: %s\r\nAuthorization: %s\r\n"
             "Content-Length: 2\r\n\r\n{}",
             path, sig.date, sig.authorization);
    return text;
}

/* MQTT over WebSocket, please. */
static const char *upgrade(void)
{
    static char text[2048];
    struct sigv4_signed sig;
    struct sigv4_header host = {ELO_SPAN("host"), ELO_SPAN("a")};
    struct sigv4_request request = {
        .method = ELO_SPAN("GET"), .path = ELO_SPAN("/mqtt"), .headers = &host, .header_count = 1};
    struct sigv4_key key = {.access_key_id = ELO_SPAN("AKID"), .secret = ELO_SPAN("secret")};
    assert_int_equal(sigv4_sign(&request, &key, "iotdata", "eu-west-1", (int64_t)time(NULL), &sig),
                     ELO_OK);
    snprintf(text, sizeof text,
             "GET /mqtt HTTP/1.1\r\nHost: a\r\nX-Amz-Date: %s\r\nAuthorization: %s\r\n"
             "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n",
             sig.date, sig.authorization);
    return text;
}

static const char *make_thing(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "/things/%s", name);
    return post(path);
}

/* --- HTTP: requests -----------------------------------------------------------------------------
 */

/* What comes on port 8080, and the statuses that go back before the end. */
static const struct {
    const char *request;
    const char *statuses;
} requests[] = {
    {GET_CLOSE, "403"},
    {GET GET GET_CLOSE GET, "403 403 403"}, /* nothing after the one that says close */
    {"GET / HTTP/1.0\r\n\r\n", "403"},
    {"garbage\r\n\r\n", "400"},
    {GET "garbage\r\n\r\n", "403 400"},
    {"\x16\x03\x01\x02", "400"}, /* TLS on the plain port */
    {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHo st: a\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\n: a\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nX-Empty:\r\nConnection: close\r\n\r\n", "403"},
    {"GET / HTTP/3.0\r\n\r\n", "400"},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400"},
    /* Two lengths, or a length and chunks: whoever stands between might read it another way. */
    {"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "400"},
    {"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
    {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", "400"},
    {"POST / HTTP/1.1\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n", "400"},
    {"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "400"},
    {"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", "400"},
    {"POST / HTTP/1.1\r\nContent-Length: 524289\r\n\r\n", "413"}, /* before the body */
    {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n", NULL},
    /* Trailers are no headers: this one would close. */
    {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: "
     "1\r\n\r\n" GET_CLOSE,
     "403 403"},
    {"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc" GET_CLOSE,
     "100 403 403"},
    /* Of HTTP/1.0 it must be ignored (RFC 9110, 10.1.1). */
    {"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc", "403"},
    {"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 999999\r\n\r\n", "413"},
    {"CONNECT a:1 HTTP/1.1\r\nConnection: close\r\n\r\n", "403"},
    /* An upgrade is declined; each request is answered once. */
    {"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" GET_CLOSE, "403 403"},
    {"GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n" GET_CLOSE,
     "403 403"},
};

static void statuses_of(const struct buf *got, char out[256])
{
    elo_span rest = buf_span(got);
    const uint8_t *at;
    size_t len = 0;
    out[0] = '\0';
    while (rest.len > 0 && (at = memmem(rest.ptr, rest.len, "HTTP/1.1 ", 9)) != NULL) {
        len += (size_t)snprintf(out + len, 256 - len, "%s%.3s", len > 0 ? " " : "", at + 9);
        rest = elo_span_from(rest, (size_t)(at - rest.ptr) + 9);
    }
}

static void each_request_has_its_answer(void **state)
{
    struct rig *rig = *state;
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        for (int in_pieces = 0; in_pieces < 2; in_pieces++) {
            struct peer p;
            char statuses[256];
            const char *text = requests[i].request;
            peer_connect(rig, &p, LISTEN_HTTP);
            for (size_t at = 0, step = in_pieces ? 1 : strlen(text); at < strlen(text);
                 at += step) {
                (void)peer_send_some(&p, text + at, step);
            }
            if (requests[i].statuses != NULL) {
                bool ended = peer_wait_end(&p) && p.ended;
                statuses_of(&p.got, statuses);
                if (!ended || strcmp(statuses, requests[i].statuses) != 0) {
                    fail_msg("%s (%d): '%s' instead of '%s', %s", text, in_pieces, statuses,
                             requests[i].statuses,
                             p.reset ? "reset"
                             : ended ? "ended"
                                     : "open");
                }
            }
            peer_close(&p);
        }
    }
}

static void too_much_is_refused_while_it_comes(void **state)
{
    struct rig *rig = *state;
    static char filler[1 << 20];
    static const struct {
        const char *start, *status;
    } cases[] = {{"GET /", "414"},
                 {"GET / HTTP/1.1\r\nAccept: */*\r\nX: ", "431"},
                 {"GET / HTTP/1.1\r\nExpect: ", "431"},
                 {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n", "413"},
                 {"POST / HTTP/1.1\r\nContent-Length: 5000000\r\n\r\n", "413"}};
    memset(filler, 'a', sizeof filler);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct peer p;
        char statuses[256];
        peer_connect(rig, &p, LISTEN_HTTP);
        peer_say(&p, cases[i].start);
        (void)peer_send_some(&p, filler, sizeof filler);
        assert_true(peer_wait_end(&p));
        statuses_of(&p.got, statuses);
        assert_string_equal(statuses, cases[i].status);
        assert_true(p.ended && !p.reset); /* an answer that a reset overtakes may be lost */
        peer_close(&p);
    }
}

static void headers_up_to_the_limit_are_taken(void **state)
{
    struct rig *rig = *state;
    for (unsigned extra = 0; extra < 2; extra++) {
        struct peer p;
        peer_connect(rig, &p, LISTEN_HTTP);
        peer_say(&p, "GET / HTTP/1.1\r\n");
        for (unsigned i = 0; i < LIMIT_HTTP_HEADERS - 1 + extra; i++) {
            peer_say(&p, "A:b\r\n");
        }
        peer_say(&p, "Connection: close\r\n\r\n");
        assert_true(peer_wait_end(&p));
        assert_true(peer_has(&p, extra ? "HTTP/1.1 431" : "HTTP/1.1 403"));
        peer_close(&p);
    }
}

static void who_sends_and_never_reads_is_not_read_either(void **state)
{
    struct rig *rig = *state;
    static char many[200 * sizeof GET];
    struct peer p;
    size_t sent = 0, n;
    int little = 16384; /* for the kernel to keep, each way */
    many[0] = '\0';
    for (int i = 0; i < 200; i++) {
        memcpy(many + (size_t)i * (sizeof GET - 1), GET, sizeof GET);
    }
    peer_connect(rig, &p, LISTEN_HTTP);
    rig_rest(rig);
    setsockopt(p.fd, SOL_SOCKET, SO_SNDBUF, &little, sizeof little);
    setsockopt(rig->net->all->fd, SOL_SOCKET, SO_SNDBUF, &little, sizeof little);
    do {
        n = peer_send_some(&p, many, strlen(many));
        sent += n;
        assert_true(sent < 100000000);
    } while (n == strlen(many));
    size_t whole = sent / strlen(GET);
    assert_true(whole > 1000);
    /* Every one of them is answered once it reads. */
    size_t from = 0, seen = 0;
    for (int i = 0; i < RIG_TURNS_MAX && seen < whole; i++) {
        assert_true(peer_read(&p));
        rig_rest(rig);
        seen += count_after(&p.got, "HTTP/1.1 403", &from);
    }
    assert_int_equal(seen, whole);
    peer_close(&p);
}

/* --- HTTP: replies that wait for the store ------------------------------------------------------
 */

static void a_reply_waits_for_its_commit(void **state)
{
    struct rig *rig = *state;
    struct peer p;
    peer_connect(rig, &p, LISTEN_HTTP);
    peer_say(&p, make_thing("one"));
    peer_say(&p, GET);               /* not looked at before */
    peer_say(&p, make_thing("two")); /* and this one waits for a commit of its own */
    rig_rest(rig);
    assert_true(peer_read(&p));
    assert_int_equal(buf_span(&p.got).len, 0);
    rig_commit(rig);
    assert_true(peer_read(&p));
    assert_int_equal(count_in(&p.got, "HTTP/1.1 200"), 1);
    assert_int_equal(count_in(&p.got, "HTTP/1.1 403"), 1);
    rig_commit(rig);
    assert_true(peer_read(&p));
    assert_int_equal(count_in(&p.got, "HTTP/1.1 200"), 2);
    peer_close(&p);
}

static void who_has_said_all_still_gets_the_answer(void **state)
{
    struct rig *rig = *state;
    for (int secure = 0; secure < 2; secure++) {
        struct peer p;
        peer_connect(rig, &p, secure ? LISTEN_HTTPS : LISTEN_HTTP);
        if (secure) {
            peer_secure(&p, TLS1_3_VERSION, NULL, NULL);
            assert_true(peer_shake(&p));
        }
        peer_say(&p, make_thing(secure ? "half-secure" : "half"));
        if (secure) {
            SSL_shutdown(p.ssl);
        }
        shutdown(p.fd, SHUT_WR);
        rig_rest(rig);
        rig_commit(rig);
        assert_true(peer_wait_end(&p) && p.ended);
        assert_true(peer_has(&p, "HTTP/1.1 200"));
        peer_close(&p);
    }
    rig_expect_left(rig, 0);
}

static void who_goes_while_the_reply_waits_is_forgotten(void **state)
{
    struct rig *rig = *state;
    struct peer p[3];
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "gone-%d", i);
        peer_connect(rig, &p[i], LISTEN_HTTP);
        peer_say(&p[i], make_thing(name));
    }
    rig_rest(rig);
    struct linger at_once = {1, 0};
    setsockopt(p[1].fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    peer_close(&p[1]);
    rig_commit(rig);
    assert_true(peer_wait(&p[0], 100) && peer_wait(&p[2], 100));
    peer_close(&p[0]);
    peer_close(&p[2]);
    assert_int_equal(rig->net->conn_count, 0);
    assert_null(rig->net->held);
}

/* --- time ---------------------------------------------------------------------------------------
 */

static void a_request_that_drips_is_cut_off(void **state)
{
    struct rig *rig = *state;
    struct peer p;
    peer_connect(rig, &p, LISTEN_HTTP);
    rig_rest(rig);
    int64_t due = rig->net->waiting[WAIT_HTTP].first->deadline;
    for (const char *c = "GET / HTTP/1.1\r\nX: "; *c != '\0'; c++) {
        peer_send(&p, c, 1);
        assert_int_equal(rig->net->waiting[WAIT_HTTP].first->deadline, due);
    }
    rig_pass(rig, LIMIT_HTTP_IDLE_MS);
    assert_true(peer_wait_end(&p));
    assert_int_equal(rig->net->conn_count, 0);
    peer_close(&p);
}

static void a_reply_that_is_not_read_is_given_up(void **state)
{
    struct rig *rig = *state;
    struct peer p;
    int small = 4096;
    peer_connect(rig, &p, LISTEN_HTTP);
    setsockopt(p.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    while (peer_send_some(&p, GET, strlen(GET)) == strlen(GET)) {
    }
    assert_non_null(rig->net->waiting[WAIT_HTTP].first);
    rig_pass(rig, LIMIT_HTTP_IDLE_MS);
    assert_int_equal(rig->net->conn_count, 0);
    peer_close(&p);
}

static void a_handshake_that_does_not_come_is_told(void **state)
{
    struct rig *rig = *state;
    struct peer p;
    peer_connect(rig, &p, LISTEN_MQTTS);
    rig_rest(rig);
    peer_send(&p, "\x16", 1);
    rig_pass(rig, LIMIT_HANDSHAKE_WAIT_MS - 1000);
    assert_int_equal(rig->net->conn_count, 1);
    rig_pass(rig, LIMIT_HANDSHAKE_WAIT_MS);
    assert_int_equal(rig->net->conn_count, 0);
    rig_expect_told(rig, "the TLS handshake was not done in 10 seconds");
    rig_expect_told(rig, "\"code\":\"E-TLS\"");
    peer_close(&p);
}

static void a_socket_does_not_linger_for_ever(void **state)
{
    struct rig *rig = *state;
    struct peer p;
    peer_connect(rig, &p, LISTEN_HTTP);
    peer_say(&p, "garbage\r\n\r\n");
    assert_true(peer_wait_end(&p));
    assert_int_equal(rig->net->conn_count, 1); /* the peer has not ended */
    peer_say(&p, "more");
    assert_int_equal(rig->net->conn_count, 1);
    rig_pass(rig, LIMIT_LINGER_MS);
    assert_int_equal(rig->net->conn_count, 0);
    peer_close(&p);
}

/* --- TLS ----------------------------------------------------------------------------------------
 */

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static void a_missing_certificate_is_told(void **state)
{
    struct rig *rig = *state;
    for (size_t i = 0; i < 2; i++) {
        struct peer p;
        buf_clear(&rig->told);
        peer_connect(rig, &p, LISTEN_MQTTS);
        peer_secure(&p, versions[i], NULL, NULL);
        bool done = peer_shake(&p);
        assert_int_equal(done, versions[i] == TLS1_3_VERSION); /* there it learns of it later */
        (void)peer_send_some(&p, "\x10", done ? 1 : 0);
        (void)peer_wait_end(&p);
        rig_expect_told(rig, "\"code\":\"E-CERT-MISSING\"");
        rig_expect_told(rig, "\"sourceIp\":\"127.0.0.1\"");
        assert_int_equal(p.alert, versions[i] == TLS1_3_VERSION ? 116 : SSL_AD_HANDSHAKE_FAILURE);
        peer_close(&p);
    }
}

static void an_unknown_certificate_may_be_refused_by_alert(void **state)
{
    (void)state;
    struct rig rig;
    struct buf key, csr;
    struct pki_issued issued;
    char why[200];
    rig_open(&rig, (struct compat){.unregistered_certificate = 1});
    buf_init(&key, LIMIT_PEM_BYTES);
    buf_init(&csr, LIMIT_PEM_BYTES);
    pki_issued_init(&issued);
    assert_int_equal(pki_make_key_and_csr("x", &key, &csr), ELO_OK);
    assert_int_equal(
        pki_issue_from_csr(rig.ca, buf_span(&csr), rig_now_ms() / 1000, &issued, why, sizeof why),
        ELO_OK);
    for (size_t i = 0; i < 2; i++) {
        struct peer p;
        buf_clear(&rig.told);
        peer_connect(&rig, &p, LISTEN_MQTTS);
        peer_secure(&p, versions[i], &issued.certificate_pem, &key);
        if (peer_shake(&p)) {
            (void)peer_wait_end(&p);
        }
        assert_int_equal(p.alert, SSL_AD_CERTIFICATE_UNKNOWN);
        rig_expect_told(&rig, "\"code\":\"E-CERT-UNKNOWN\"");
        rig_expect_told(&rig, issued.info.id);
        assert_int_equal(count_in(&rig.told, "\n"), 1); /* told once */
        peer_close(&p);
    }
    struct peer good;
    peer_device(&rig, &good, "good");
    peer_close(&good);
    buf_free(&key);
    buf_free(&csr);
    pki_issued_free(&issued);
    rig_close(&rig);
}

static void plain_bytes_on_a_tls_port_are_told(void **state)
{
    struct rig *rig = *state;
    static const struct {
        const char *sent, *told;
    } cases[] = {{"GET / HTTP/1.1\r\n\r\n", "a plain HTTP request came to a TLS port"},
                 {"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02id", "does not speak TLS"}};
    for (size_t i = 0; i < 2; i++) {
        struct peer p;
        peer_connect(rig, &p, LISTEN_MQTTS);
        (void)peer_send_some(&p, cases[i].sent, i == 0 ? strlen(cases[i].sent) : 16);
        assert_true(peer_wait_end(&p));
        rig_expect_told(rig, cases[i].told);
        peer_close(&p);
    }
}

static void mqtt_by_alpn_needs_a_certificate_too(void **state)
{
    struct rig *rig = *state;
    static const unsigned char alpn[] = "\x0ex-amzn-mqtt-ca";
    struct peer p;
    peer_connect(rig, &p, LISTEN_HTTPS);
    peer_secure(&p, TLS1_3_VERSION, NULL, NULL);
    SSL_set_alpn_protos(p.ssl, alpn, sizeof alpn - 1);
    if (peer_shake(&p)) {
        (void)peer_wait_end(&p);
    }
    assert_int_equal(p.alert, 116);
    rig_expect_told(rig, "\"code\":\"E-CERT-MISSING\"");
    peer_close(&p);
}

static void key_updates_are_answered_and_cannot_spin_the_server(void **state)
{
    struct rig *rig = *state;
    struct peer p;
    peer_connect(rig, &p, LISTEN_HTTPS);
    peer_secure(&p, TLS1_3_VERSION, NULL, NULL);
    assert_true(peer_shake(&p));
    for (int i = 0; i < 20; i++) {
        assert_int_equal(SSL_key_update(p.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        peer_say(&p, GET);
    }
    while (count_in(&p.got, "HTTP/1.1 403") < 20) {
        assert_true(peer_wait(&p, buf_span(&p.got).len + 1));
    }
    peer_close(&p);
}

/* Of input that is not wanted now no more than a part of one record is kept in memory; the rest
 * stays in the socket. */
static void what_is_kept_of_coalesced_records_is_bounded(void **state)
{
    struct rig *rig = *state;
    struct peer p;
    static char filler[2048];
    size_t most = 0;
    peer_connect(rig, &p, LISTEN_HTTPS);
    peer_secure(&p, TLS1_3_VERSION, NULL, NULL);
    assert_true(peer_shake(&p));
    snprintf(filler, sizeof filler, "GET /things HTTP/1.1\r\nHost: a\r\nX-Filler: %01500d\r\n\r\n",
             0);
    for (int i = 0; i < 200; i++) { /* written behind the server's back */
        if (SSL_write(p.ssl, filler, (int)strlen(filler)) <= 0) {
            break;
        }
    }
    for (int i = 0; i < 400; i++) {
        rig_turn(rig);
        peer_read(&p);
        size_t kept = rig->net->all ? buf_span(&rig->net->all->kept).len : 0;
        most = kept > most ? kept : most;
    }
    assert_true(count_in(&p.got, "HTTP/1.1 403") > 20);
    assert_true(most < RECORD_WIRE_MAX);
    peer_close(&p);
}

static void a_new_certificate_is_for_new_connections(void **state)
{
    struct rig *rig = *state;
    static const char *const names[] = {"localhost", "127.0.0.1", "renewed.example"};
    char why[300];
    struct peer old, early, fresh;
    peer_device(rig, &old, "old");
    peer_connect(rig, &early, LISTEN_MQTTS);
    rig_rest(rig); /* its handshake has begun, wherever that is done */
    assert_int_equal(
        pki_server_certificate(rig->ca, rig->dir, names, 3, rig_now_ms() / 1000, why, sizeof why),
        ELO_OK);
    assert_int_equal(net_reload_certificate(rig->net, why, sizeof why), ELO_OK);
    peer_device(rig, &fresh, "fresh");
    X509 *a = SSL_get1_peer_certificate(old.ssl), *b = SSL_get1_peer_certificate(fresh.ssl);
    assert_int_not_equal(X509_cmp(a, b), 0);
    X509_free(b);
    peer_secure(&early, TLS1_3_VERSION, &rig->device_cert, &rig->device_key);
    assert_true(peer_shake(&early));
    b = SSL_get1_peer_certificate(early.ssl);
    assert_int_equal(X509_cmp(a, b), 0);
    X509_free(a);
    X509_free(b);
    peer_close(&early);
    peer_send(&old, "\xc0\x00", 2);
    assert_true(peer_wait(&old, 2));
    /* What cannot be used is not used. */
    FILE *damaged = fopen(rig->cert, "w");
    fclose(damaged);
    assert_int_equal(net_reload_certificate(rig->net, why, sizeof why), ELO_E_BAD_PEM);
    assert_non_null(strstr(why, "server.pem"));
    peer_close(&fresh);
    peer_device(rig, &fresh, "fresh");
    peer_close(&fresh);
    peer_close(&old);
    assert_int_equal(unlink(rig->cert), 0);
}

/* --- handshakes elsewhere -----------------------------------------------------------------------
 */

/* Its deadline is past when the worker takes it. */
static void a_worker_gives_up_a_handshake_that_does_not_come(void **state)
{
    struct rig *rig = *state;
    struct peer p;
    peer_connect(rig, &p, LISTEN_MQTTS);
    uv_check_stop(&rig->net->check); /* or it is handed over in the turn of its accept() */
    for (int i = 0; i < RIG_TURNS_MAX && rig->net->to_shake == NULL; i++) {
        rig_turn(rig);
    }
    assert_non_null(rig->net->to_shake);
    rig->net->to_shake->deadline = 0;
    net_start(rig->net);
    rig_expect_told(rig, "the TLS handshake was not done in 10 seconds");
    rig_expect_told(rig, "\"code\":\"E-TLS\"");
    assert_true(peer_wait_end(&p));
    peer_close(&p);
    rig_expect_left(rig, 0);
}

/* The same dice in each run. */
static unsigned roll(unsigned *dice, unsigned sides)
{
    *dice = *dice * 1664525u + 1013904223u;
    return (*dice >> 8) % sides;
}

enum fate { GOOD, NAKED, NONSENSE, RESET, FATES };

static void reset_peer(struct peer *p)
{
    struct linger at_once = {1, 0};
    setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    peer_close(p);
}

/* A step of one of many. true: it has come to its end, and what is not GOOD is closed. */
static bool suffer(struct peer *p, enum fate fate, unsigned *dice)
{
    if (fate == RESET && roll(dice, 3) == 0) {
        reset_peer(p);
        return true;
    }
    if (fate == NONSENSE && roll(dice, 3) == 0) {
        (void)send(p->fd, "\x17\x03\x03\x00\x03no!", 8, MSG_NOSIGNAL);
        peer_close(p);
        return true;
    }
    int rc = peer_shake_step(p);
    if (rc == -1) {
        return false;
    }
    if (fate == GOOD) {
        assert_int_equal(rc, 1);
    } else {
        peer_close(p);
    }
    return true;
}

static void begin_crowd(struct rig *rig, struct peer *p, const enum fate *fates, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool shows = fates[i] != NAKED;
        peer_connect(rig, &p[i], LISTEN_MQTTS);
        peer_secure(&p[i], i % 2 ? TLS1_2_VERSION : TLS1_3_VERSION,
                    shows ? &rig->device_cert : NULL, shows ? &rig->device_key : NULL);
    }
}

static void handshakes_end_in_any_order(void **state)
{
    struct rig *rig = *state;
    enum { PEERS = 16, STEPS = 100000 };
    static struct peer p[PEERS];
    enum fate fates[PEERS];
    bool over[PEERS] = {false};
    size_t left = PEERS, good = 0;
    unsigned dice = 7;
    char id[16];
    for (size_t i = 0; i < PEERS; i++) {
        fates[i] = i < FATES ? (enum fate)i : (enum fate)roll(&dice, FATES);
        good += fates[i] == GOOD;
    }
    begin_crowd(rig, p, fates, PEERS);
    for (int step = 0; step < STEPS && left > 0; step++) {
        size_t i = roll(&dice, PEERS);
        if (!over[i]) {
            over[i] = suffer(&p[i], fates[i], &dice);
            left -= over[i];
            rig_turn(rig);
            rig_await(rig, -1);
        }
    }
    assert_int_equal(left, 0);
    for (size_t i = 0; i < PEERS; i++) {
        snprintf(id, sizeof id, "any-%zu", i);
        if (fates[i] == GOOD) { /* with TLS 1.3 a worker may still have it */
            peer_say_connect(&p[i], id);
            assert_true(peer_wait(&p[i], 4));
            assert_memory_equal(buf_span(&p[i].got).ptr, "\x20\x02\x00\x00", 4);
        }
    }
    rig_expect_left(rig, good);
    for (size_t i = 0; i < PEERS; i++) {
        if (fates[i] == GOOD) {
            peer_close(&p[i]);
        }
    }
    rig_expect_left(rig, 0);
}

/* Both have sent their CONNECT before the server has looked; one of them stays, and is served. */
static void of_one_client_id_one_stays(void **state)
{
    struct rig *rig = *state;
    static const enum fate fates[] = {GOOD, GOOD};
    struct peer p[2];
    bool done[2] = {false, false};
    unsigned dice = 3;
    begin_crowd(rig, p, fates, 2);
    for (int step = 0; step < RIG_TURNS_MAX && !(done[0] && done[1]); step++) {
        size_t i = roll(&dice, 2);
        if (!done[i] && peer_shake_step(&p[i]) == 1) {
            done[i] = true;
            peer_say_connect(&p[i], "twin");
        }
        rig_turn(rig);
        rig_await(rig, -1);
    }
    bool open[2] = {true, true};
    for (int step = 0; step < RIG_TURNS_MAX && open[0] && open[1]; step++) {
        open[0] = peer_read(&p[0]);
        open[1] = peer_read(&p[1]);
        rig_turn(rig);
        rig_await(rig, -1);
    }
    assert_int_equal(open[0] + open[1], 1);
    struct peer *stays = &p[open[1]];
    assert_true(peer_wait(stays, 4));
    peer_send(stays, "\xc0\x00", 2);
    assert_true(peer_wait(stays, 6));
    assert_memory_equal(buf_span(&stays->got).ptr, "\x20\x02\x00\x00\xd0\x00", 6);
    rig_expect_told(rig, "DUPLICATE_CLIENT_ID");
    peer_close(&p[0]);
    peer_close(&p[1]);
    rig_expect_left(rig, 0);
}

static void a_server_can_be_taken_down_in_the_middle_of_handshakes(void **state)
{
    enum { PEERS = 6, CUTS = 5 };
    static const enum fate fates[PEERS] = {GOOD, GOOD, NAKED, NAKED, GOOD, GOOD};
    (void)state;
    for (int cut = 0; cut < CUTS; cut++) {
        struct rig rig;
        struct peer p[PEERS];
        rig_open(&rig, normal);
        begin_crowd(&rig, p, fates, PEERS);
        for (int step = 0; step < cut; step++) {
            for (size_t i = 0; i < PEERS; i++) {
                (void)peer_shake_step(&p[i]);
                rig_turn(&rig);
                rig_await(&rig, -1);
            }
        }
        if (cut % 2) {
            net_stop(rig.net);
            rig_expect_left(&rig, 0);
        }
        rig_close(&rig);
        for (size_t i = 0; i < PEERS; i++) {
            SSL_free(p[i].ssl);
            close(p[i].fd);
            buf_free(&p[i].got);
        }
    }
}

/* --- MQTT ---------------------------------------------------------------------------------------
 */

static void subscribe_to_t(struct peer *p)
{
    peer_send(p, "\x82\x06\x00\x01\x00\x01t\x00", 8);
    assert_true(peer_wait(p, 5));
    assert_memory_equal(buf_span(&p->got).ptr, "\x90\x03\x00\x01\x00", 5);
    buf_clear(&p->got);
}

static void what_came_before_a_reset_counts(void **state)
{
    struct rig *rig = *state;
    struct peer subscriber, publisher;
    peer_device(rig, &subscriber, "subscriber");
    subscribe_to_t(&subscriber);
    peer_device(rig, &publisher, "publisher");
    assert_int_equal(SSL_write(publisher.ssl, "\x30\x05\x00\x01tab\xe0\x00", 9), 9);
    struct linger at_once = {1, 0};
    setsockopt(publisher.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    peer_close(&publisher); /* a reset, before the server has looked */
    assert_true(peer_wait(&subscriber, 7));
    assert_memory_equal(buf_span(&subscriber.got).ptr, "\x30\x05\x00\x01tab", 7);
    rig_expect_told(rig, "CLIENT_INITIATED_DISCONNECT");
    peer_close(&subscriber);
}

/* Its end is noticed while the others are written to; its will is stored in the same turn, because
 * nobody knows when there is a next one. */
static void what_comes_of_a_flush_is_stored_in_its_turn(void **state)
{
    struct rig *rig = *state;
    struct peer mortal, publisher;
    struct broker_stats stats;
    peer_connect(rig, &mortal, LISTEN_MQTTS);
    peer_secure(&mortal, TLS1_3_VERSION, &rig->device_cert, &rig->device_key);
    assert_true(peer_shake(&mortal));
    peer_send(&mortal, "\x10\x13\x00\x04MQTT\x04\x26\x00\x3c\x00\x01m\x00\x01w\x00\x01x", 21);
    assert_true(peer_wait(&mortal, 4));
    buf_clear(&mortal.got);
    subscribe_to_t(&mortal);
    peer_device(rig, &publisher, "publisher");
    rig_commit(rig);
    assert_int_equal(shutdown(peer_conn(&mortal)->fd, SHUT_WR), 0); /* nothing can be written */
    uint64_t issued = store_issued(rig->store);
    assert_int_equal(SSL_write(publisher.ssl, "\x30\x05\x00\x01tab", 7), 7);
    do {
        assert_int_equal(store_issued(rig->store), issued);
        rig_turn(rig);
        broker_stats(rig->broker, &stats);
    } while (stats.connections == 2);
    assert_true(store_issued(rig->store) > issued);
    peer_close(&publisher);
    peer_close(&mortal);
}

/* A device whose certificate is judged with each request, not once for all that come. */
static void a_certificate_is_judged_with_each_request(void **state)
{
    struct rig *rig = *state;
    static const unsigned char alpn[] = "\x0ex-amzn-http-ca";
    static const char publish[] =
        "POST /topics/t HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx";
    static const struct {
        enum certificate_status status;
        const char *answer;
    } steps[] = {{CERTIFICATE_ACTIVE, "HTTP/1.1 200 "},
                 {CERTIFICATE_INACTIVE, "HTTP/1.1 403 "},
                 {CERTIFICATE_ACTIVE, "HTTP/1.1 200 "}};
    struct aws_fault fault;
    struct peer p;
    peer_connect(rig, &p, LISTEN_HTTPS);
    peer_secure(&p, TLS1_3_VERSION, &rig->device_cert, &rig->device_key);
    SSL_set_alpn_protos(p.ssl, alpn, sizeof alpn - 1);
    assert_true(peer_shake(&p));
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(registry_update_certificate(rig->registry, elo_span_str(rig->device_id),
                                                     steps[i].status, rig_now_ms(), &fault),
                         AWS_OK);
        buf_clear(&p.got);
        peer_say(&p, publish);
        rig_commit(rig);
        assert_true(peer_wait(&p, 13));
        assert_true(peer_has(&p, steps[i].answer));
        rig_rest(rig);
    }
    peer_close(&p);
}

/* CONNECT of MQTT 5 with a session that is stored; a subscription, and a message with QoS 2. */
#define CONNECT_STORED "\x10\x13\x00\x04MQTT\x05\x02\x00\x3c\x05\x11\x00\x00\x00\x3c\x00\x01p"
#define SUBSCRIBE_AND_ERR                                                                          \
    "\x82\x07\x00\x01\x00\x00\x01t\x00"                                                            \
    "\x34\x07\x00\x01t\x00\x02\x00x"
#define NO_MASK "\x00\x00\x00\x00"

static void say_and_commit(struct peer *p, const char *bytes, size_t len)
{
    buf_clear(&p->got);
    peer_send(p, bytes, len);
    rig_rest(p->rig);
    rig_commit(p->rig);
}

/* A SUBACK waits for the store, and behind it what the end is for: the connection ends after both.
 */
static void last_words_may_wait_for_the_store(void **state)
{
    struct rig *rig = *state;
    struct peer p;
    peer_connect(rig, &p, LISTEN_MQTTS);
    peer_secure(&p, TLS1_3_VERSION, &rig->device_cert, &rig->device_key);
    assert_true(peer_shake(&p));
    say_and_commit(&p, CONNECT_STORED, sizeof CONNECT_STORED - 1);
    assert_true(peer_wait(&p, 4));
    assert_memory_equal(buf_span(&p.got).ptr + 2, "\x00\x00", 2);
    say_and_commit(&p, SUBSCRIBE_AND_ERR, sizeof SUBSCRIBE_AND_ERR - 1);
    assert_true(peer_wait_end(&p));
    assert_in_range(buf_span(&p.got).len, 9, 200);
    assert_memory_equal(buf_span(&p.got).ptr, "\x90\x04\x00\x01\x00\x00\xe0", 7);
    assert_int_equal(buf_span(&p.got).ptr[8], 0x9b);
    peer_close(&p);
}

/* The same, and behind both the close frame. */
static void a_close_frame_waits_for_the_last_words(void **state)
{
    struct rig *rig = *state;
    struct peer p;
    peer_connect(rig, &p, LISTEN_HTTP);
    peer_say(&p, upgrade());
    assert_true(peer_wait(&p, 12));
    assert_true(peer_has(&p, "HTTP/1.1 101 "));
    say_and_commit(&p, "\x82\x95" NO_MASK CONNECT_STORED, 6 + sizeof CONNECT_STORED - 1);
    assert_true(peer_wait(&p, 6));
    assert_memory_equal(buf_span(&p.got).ptr + 4, "\x00\x00", 2);
    say_and_commit(&p, "\x82\x92" NO_MASK SUBSCRIBE_AND_ERR, 6 + sizeof SUBSCRIBE_AND_ERR - 1);
    assert_true(peer_wait_end(&p));
    elo_span got = buf_span(&p.got);
    assert_in_range(got.len, 17, 200);
    assert_memory_equal(got.ptr, "\x82\x06\x90\x04\x00\x01\x00\x00\x82", 9);
    assert_int_equal(got.ptr[10], 0xe0);
    assert_int_equal(got.ptr[12], 0x9b);
    assert_memory_equal(got.ptr + got.len - 4, "\x88\x02\x03\xf0", 4); /* 1008 */
    peer_close(&p);
}

static void large_messages_arrive_whole(void **state)
{
    struct rig *rig = *state;
    enum { PAYLOAD = 100000, MESSAGES = 30 };
    static uint8_t packet[PAYLOAD + 7];
    struct peer subscriber, publisher;
    size_t rest = PAYLOAD + 3;
    packet[0] = 0x30;
    packet[1] = (uint8_t)(rest % 128 + 128);
    packet[2] = (uint8_t)(rest / 128 % 128 + 128);
    packet[3] = (uint8_t)(rest / 16384);
    memcpy(packet + 4, "\x00\x01t", 3);
    for (size_t i = 0; i < PAYLOAD; i++) {
        packet[7 + i] = (uint8_t)(i * 7 + i / 251);
    }
    peer_device(rig, &subscriber, "subscriber");
    subscribe_to_t(&subscriber);
    peer_device(rig, &publisher, "publisher");
    for (int i = 0; i < MESSAGES; i++) { /* the subscriber's socket fills: records are retried */
        peer_send(&publisher, packet, sizeof packet);
    }
    assert_true(peer_wait(&subscriber, MESSAGES * sizeof packet));
    for (size_t i = 0; i < MESSAGES; i++) {
        assert_memory_equal(buf_span(&subscriber.got).ptr + i * sizeof packet, packet,
                            sizeof packet);
    }
    peer_close(&publisher);
    peer_close(&subscriber);
}

/* It floods itself, then breaks a rule, and reads nothing: the end does not wait for it for ever.
 */
static void who_does_not_read_its_last_words_is_let_go(void **state)
{
    struct rig *rig = *state;
    static uint8_t packet[60000];
    struct peer p;
    int small = 4096;
    memcpy(packet, "\x30\xdc\xd4\x03\x00\x01t", 7);
    peer_device(rig, &p, "deaf");
    setsockopt(p.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    subscribe_to_t(&p);
    for (int i = 0; i < 120; i++) {
        (void)peer_send_some(&p, packet, sizeof packet);
    }
    (void)peer_send_some(&p, "\xf0\x00", 2); /* no packet of MQTT 3.1.1 */
    for (int i = 0; i < RIG_TURNS_MAX && rig->net->waiting[WAIT_LAST_WORDS].first == NULL; i++) {
        rig_turn(rig);
    }
    assert_int_equal(rig->net->conn_count, 1);
    assert_non_null(rig->net->waiting[WAIT_LAST_WORDS].first);
    rig_pass(rig, LIMIT_LAST_WORDS_MS);
    assert_int_equal(rig->net->conn_count, 0);
    peer_close(&p);
}

/* --- running short ------------------------------------------------------------------------------
 */

/* Every descriptor but `count` of those allowed from now on is taken by somebody else. */
static struct rlimit leave_descriptors(int count)
{
    struct rlimit old, fresh;
    int next = dup(0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    fresh = (struct rlimit){(rlim_t)(next + count), old.rlim_max};
    close(next);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &fresh), 0);
    return old;
}

static void without_descriptors_clients_are_sent_away_not_kept_waiting(void **state)
{
    struct rig *rig = *state;
    struct peer p[6];
    struct rlimit old = leave_descriptors(6); /* for six clients' own ends */
    for (int i = 0; i < 6; i++) {
        peer_connect(rig, &p[i], LISTEN_HTTP);
    }
    rig_rest(rig);
    for (int i = 0; i < 6; i++) {
        assert_true(peer_wait_end(&p[i]));
    }
    rig_expect_told(rig, "no file descriptors left");
    assert_int_equal(count_in(&rig->told, "no file descriptors left"), 1);
    assert_int_equal(rig->net->conn_count, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    for (int i = 0; i < 6; i++) {
        peer_close(&p[i]);
    }
    peer_connect(rig, &p[0], LISTEN_HTTP);
    peer_say(&p[0], GET_CLOSE);
    assert_true(peer_wait_end(&p[0]));
    assert_true(peer_has(&p[0], "HTTP/1.1 403"));
    peer_close(&p[0]);
}

static void open_limited(struct rig *rig, struct limits *limits, const char *assignment)
{
    limits_aws(limits);
    assert_int_equal(limits_set(limits, assignment), ELO_OK);
    rig_limits = limits;
    rig_open(rig, normal);
    rig_limits = NULL;
}

/* Sent away without a word: what it has to be told is in the log. */
static void expect_sent_away(struct peer *p)
{
    assert_true(peer_wait_end(p));
    assert_int_equal(buf_span(&p->got).len, 0);
    peer_close(p);
}

static void there_are_as_many_sockets_as_may_be(void **state)
{
    (void)state;
    struct rig rig;
    struct limits limits;
    struct peer p[3], one_more;
    open_limited(&rig, &limits, "sockets=3");
    peer_connect(&rig, &p[0], LISTEN_HTTP);
    peer_connect(&rig, &p[1], LISTEN_MQTTS);
    peer_device(&rig, &p[2], "third");
    assert_int_equal(rig.net->conn_count, 3);
    assert_false(rig_has_told(&rig, "refused"));
    for (int i = 0; i < 3; i++) {
        peer_connect(&rig, &one_more, i == 0 ? LISTEN_HTTP : LISTEN_MQTTS);
        expect_sent_away(&one_more);
        assert_int_equal(rig.net->conn_count, 3);
    }
    rig_expect_told(&rig,
                    "1 connections refused: 3 of every kind, MQTT and HTTP, are the most that "
                    "are taken (--limit sockets)");
    rig_expect_told(&rig, "\"code\":\"E-OVERLOAD\"");
    assert_int_equal(count_in(&rig.told, "connections refused"), 1); /* once a second */
    rig.net->no_socket.told_ms -= 1000;
    peer_connect(&rig, &one_more, LISTEN_HTTP);
    expect_sent_away(&one_more);
    rig_expect_told(&rig, "3 connections refused: 3 of every kind");
    peer_send(&p[2], "\xc0\x00", 2); /* who is there is served */
    assert_true(peer_wait(&p[2], 2));
    peer_close(&p[1]);
    rig_expect_left(&rig, 2);
    peer_device(&rig, &p[1], "again"); /* and one more when there is room */
    for (int i = 0; i < 3; i++) {
        peer_close(&p[i]);
    }
    rig_close(&rig);
}

static void there_are_as_many_handshakes_as_may_be(void **state)
{
    (void)state;
    struct rig rig;
    struct limits limits;
    struct peer p[3], one_more, plain;
    open_limited(&rig, &limits, "handshakes=3");
    for (int i = 0; i < 2; i++) {
        peer_connect(&rig, &p[i], i == 0 ? LISTEN_HTTPS : LISTEN_MQTTS);
        rig_rest(&rig);
    }
    peer_device(&rig, &p[2], "third"); /* done: it is no handshake any more */
    peer_connect(&rig, &one_more, LISTEN_MQTTS);
    rig_rest(&rig);
    assert_int_equal(rig.net->crowd.count, 3);
    assert_false(rig_has_told(&rig, "refused"));
    peer_close(&p[2]);
    peer_connect_from(&rig, &p[2], LISTEN_MQTTS, 2);
    expect_sent_away(&p[2]);
    rig_expect_told(&rig, "1 connections refused, the last from 127.0.0.2: 3 unfinished TLS "
                          "handshakes in all are the most that are taken (--limit handshakes)");
    rig_expect_told(&rig, "\"code\":\"E-OVERLOAD\"");
    peer_connect(&rig, &plain, LISTEN_HTTP); /* has none */
    peer_say(&plain, GET_CLOSE);
    assert_true(peer_wait_end(&plain));
    assert_true(peer_has(&plain, "HTTP/1.1 403"));
    peer_close(&plain);
    peer_close(&one_more); /* gives its place up */
    for (int i = 0; i < RIG_TURNS_MAX && rig.net->crowd.count == 3; i++) {
        rig_turn(&rig);
        rig_await(&rig, -1);
    }
    peer_device(&rig, &p[2], "at last");
    for (int i = 0; i < 3; i++) {
        peer_close(&p[i]);
    }
    rig_close(&rig);
}

static void there_are_as_many_handshakes_of_one_address_as_may_be(void **state)
{
    (void)state;
    struct rig rig;
    struct limits limits;
    struct peer p[2], one_more, other;
    open_limited(&rig, &limits, "handshakes-per-address=2");
    for (int i = 0; i < 2; i++) {
        peer_connect(&rig, &p[i], LISTEN_MQTTS);
        rig_rest(&rig);
    }
    assert_int_equal(rig.net->crowd.count, 2);
    assert_false(rig_has_told(&rig, "refused"));
    peer_connect(&rig, &one_more, LISTEN_MQTTS);
    expect_sent_away(&one_more);
    rig_expect_told(&rig, "from 127.0.0.1: 2 unfinished TLS handshakes of one address are the most "
                          "that are taken (--limit handshakes-per-address)");
    peer_connect_from(&rig, &other, LISTEN_MQTTS, 2); /* not theirs to suffer */
    peer_secure(&other, TLS1_3_VERSION, &rig.device_cert, &rig.device_key);
    assert_true(peer_shake(&other));
    peer_close(&other);
    for (int i = 0; i < 2; i++) { /* who began in time is not taken anything from */
        peer_secure(&p[i], TLS1_3_VERSION, &rig.device_cert, &rig.device_key);
        assert_true(peer_shake(&p[i]));
        peer_close(&p[i]);
    }
    rig_close(&rig);
}

/* A client's whole visit; how it goes does not matter, when memory fails. */
static void visit(struct rig *rig, const char *thing)
{
    static const char connect[] = "\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02id";
    struct peer p;
    peer_connect(rig, &p, LISTEN_HTTP);
    const char *request = make_thing(thing);
    (void)peer_send_some(&p, request, strlen(request));
    (void)peer_send_some(&p, GET_CLOSE, strlen(GET_CLOSE));
    rig_commit(rig);
    (void)peer_read(&p);
    peer_close(&p);
    peer_connect(rig, &p, LISTEN_MQTTS);
    peer_secure(&p, TLS1_3_VERSION, &rig->device_cert, &rig->device_key);
    if (peer_shake(&p)) {
        (void)peer_send_some(&p, connect, sizeof connect - 1);
        (void)peer_send_some(&p, "\x82\x06\x00\x01\x00\x01t\x00\x30\x05\x00\x01tab\xe0\x00", 17);
        rig_rest(rig);
        (void)peer_read(&p);
    }
    peer_close(&p);
}

/* TLS alone: nothing that is signed, no certificate. */
static void visit_https(struct rig *rig, const char *unused)
{
    struct peer p;
    (void)unused;
    peer_connect(rig, &p, LISTEN_HTTPS);
    peer_secure(&p, TLS1_3_VERSION, NULL, NULL);
    if (peer_shake(&p)) {
        (void)peer_send_some(&p, GET, strlen(GET));
        (void)peer_send_some(&p, GET_CLOSE, strlen(GET_CLOSE));
        (void)peer_read(&p);
    }
    peer_close(&p);
}

/* The n-th allocation of a visit fails, for every n; whatever becomes of the visitor, the server
 * is left without a trace of it. */
static void fail_each(struct rig *rig, void (*come)(struct rig *, const char *))
{
    come(rig, "warm");
    long before = mem_count();
    come(rig, "counted");
    long count = mem_count() - before;
    assert_true(count > 30);
    for (long n = 1; n <= count; n += n < 100 ? 1 : 11) {
        char name[32];
        snprintf(name, sizeof name, "n-%ld", n);
        buf_clear(&rig->told);
        rig->fail_at = n;
        come(rig, name);
        rig->fail_at = 0;
        rig_commit(rig);
        rig_pass(rig, LIMIT_HTTP_IDLE_MS);
        assert_int_equal(rig->net->conn_count, 0);
        assert_null(rig->net->held);
    }
}

static void any_allocation_may_fail(void **state)
{
    struct rig *rig = *state;
    struct peer p;
    fail_each(rig, visit);
    rig->fail_openssl = true;
    fail_each(rig, visit_https);
    rig->fail_openssl = false;
    peer_device(rig, &p, "as-before");
    peer_close(&p);
}

/* --- the end ------------------------------------------------------------------------------------
 */

static void a_stop_ends_what_is_idle_and_waits_for_replies(void **state)
{
    (void)state;
    struct rig rig;
    struct peer idle, shaking, asking, device;
    rig_open(&rig, normal);
    peer_connect(&rig, &idle, LISTEN_HTTP);
    peer_connect(&rig, &shaking, LISTEN_MQTTS);
    peer_connect(&rig, &asking, LISTEN_HTTP);
    peer_device(&rig, &device, "device");
    peer_say(&asking, make_thing("last"));
    rig_rest(&rig);
    net_stop(rig.net);
    rig_rest(&rig);
    assert_true(peer_wait_end(&idle) && peer_wait_end(&shaking) && peer_wait_end(&device));
    assert_true(peer_wait_end(&asking));
    assert_true(peer_has(&asking, "HTTP/1.1 200"));
    assert_true(peer_has(&asking, "connection: close"));
    assert_int_equal(rig.net->conn_count, 0);
    peer_close(&idle);
    peer_close(&shaking);
    peer_close(&asking);
    peer_close(&device);
    rig_close(&rig);
}

static void a_server_can_be_taken_down_in_the_middle_of_everything(void **state)
{
    (void)state;
    struct rig rig;
    struct peer idle, shaking, asking, device, refused;
    static char flood[300000];
    rig_open(&rig, normal);
    peer_connect(&rig, &idle, LISTEN_HTTPS);
    peer_connect(&rig, &shaking, LISTEN_MQTTS);
    peer_secure(&shaking, TLS1_2_VERSION, NULL, NULL);
    (void)SSL_do_handshake(shaking.ssl);
    peer_connect(&rig, &asking, LISTEN_HTTP);
    peer_device(&rig, &device, "device");
    peer_connect(&rig, &refused, LISTEN_HTTP);
    peer_say(&refused, "garbage\r\n\r\n"); /* it lingers */
    peer_say(&asking, make_thing("lost"));
    memset(flood, 0xc0, sizeof flood);
    for (size_t i = 1; i < sizeof flood; i += 2) {
        flood[i] = 0; /* PINGREQ after PINGREQ: more than one read takes */
    }
    (void)SSL_write(device.ssl, flood, sizeof flood);
    rig_turn(&rig);
    net_stop(rig.net);
    net_stop(rig.net); /* told twice: at once */
    rig_close(&rig);
    assert_false(peer_read(&asking)); /* and never will */
    assert_int_equal(buf_span(&asking.got).len, 0);
    struct peer *all[] = {&idle, &shaking, &asking, &device, &refused};
    for (size_t i = 0; i < 5; i++) {
        SSL_free(all[i]->ssl);
        close(all[i]->fd);
        buf_free(&all[i]->got);
    }
}

static struct rig the_rig;

static int open_rig(void **state)
{
    rig_open(&the_rig, normal);
    *state = &the_rig;
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    rig_close(&the_rig);
    return 0;
}

#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, open_rig, close_rig)

/* --- keys, made elsewhere -----------------------------------------------------------------------
 */

static void key_is_ready(void *ctx, struct pki_key *key)
{
    assert_non_null(key);
    pki_key_free(key);
    ++*(int *)ctx;
}

static void wait_for_keys(struct rig *rig)
{
    while (rig->net->keys_making > 0) {
        (void)uv_run(&rig->net->loop, UV_RUN_ONCE);
    }
}

static void keys_are_made_in_turn_and_only_for_who_waits(void **state)
{
    struct rig *rig = *state;
    int ready[4] = {0};
    struct key_order *o[4];
    for (int i = 0; i < 4; i++) {
        o[i] = keys_order(rig->net, key_is_ready, &ready[i]);
        assert_non_null(o[i]);
    }
    assert_int_equal(rig->net->keys_making, 2);
    keys_cancel(o[0]); /* a thread has it */
    keys_cancel(o[2]); /* it waits */
    wait_for_keys(rig);
    assert_true(!ready[0] && ready[1] && !ready[2] && ready[3]);
}

static void a_key_keeps_nobody_waiting(void **state)
{
    struct rig *rig = *state;
    struct peer leaves, stays, other;
    peer_connect(rig, &leaves, LISTEN_HTTP);
    peer_connect(rig, &stays, LISTEN_HTTP);
    peer_connect(rig, &other, LISTEN_HTTP);
    peer_say(&leaves, post("/keys-and-certificate"));
    peer_say(&stays, post("/keys-and-certificate"));
    peer_say(&stays, make_thing("after-the-key")); /* sent ahead: its turn comes later */
    peer_close(&leaves);
    peer_say(&other, GET_CLOSE);
    assert_true(peer_wait_end(&other));
    wait_for_keys(rig);
    rig_commit(rig);
    assert_true(peer_read(&stays));
    assert_true(peer_has(&stays, "-----END RSA PRIVATE KEY-----"));
    assert_false(peer_has(&stays, "after-the-key"));
    rig_rest(rig);
    rig_commit(rig);
    assert_true(peer_read(&stays));
    assert_true(peer_has(&stays, "after-the-key"));
    peer_close(&stays);
    peer_close(&other);
}

int main(void)
{
    rig_take_allocations();
    const struct CMUnitTest tests[] = {
        WITH_RIG(each_request_has_its_answer),
        WITH_RIG(too_much_is_refused_while_it_comes),
        WITH_RIG(headers_up_to_the_limit_are_taken),
        WITH_RIG(who_sends_and_never_reads_is_not_read_either),
        WITH_RIG(a_reply_waits_for_its_commit),
        WITH_RIG(who_has_said_all_still_gets_the_answer),
        WITH_RIG(who_goes_while_the_reply_waits_is_forgotten),
        WITH_RIG(a_request_that_drips_is_cut_off),
        WITH_RIG(a_reply_that_is_not_read_is_given_up),
        WITH_RIG(a_handshake_that_does_not_come_is_told),
        WITH_RIG(a_socket_does_not_linger_for_ever),
        WITH_RIG(a_missing_certificate_is_told),
        cmocka_unit_test(an_unknown_certificate_may_be_refused_by_alert),
        WITH_RIG(plain_bytes_on_a_tls_port_are_told),
        WITH_RIG(mqtt_by_alpn_needs_a_certificate_too),
        WITH_RIG(key_updates_are_answered_and_cannot_spin_the_server),
        WITH_RIG(what_is_kept_of_coalesced_records_is_bounded),
        WITH_RIG(a_new_certificate_is_for_new_connections),
        WITH_RIG(handshakes_end_in_any_order),
        WITH_RIG(of_one_client_id_one_stays),
        cmocka_unit_test(a_server_can_be_taken_down_in_the_middle_of_handshakes),
        WITH_RIG(what_came_before_a_reset_counts),
        WITH_RIG(what_comes_of_a_flush_is_stored_in_its_turn),
        WITH_RIG(a_certificate_is_judged_with_each_request),
        WITH_RIG(last_words_may_wait_for_the_store),
        WITH_RIG(a_close_frame_waits_for_the_last_words),
        WITH_RIG(large_messages_arrive_whole),
        WITH_RIG(who_does_not_read_its_last_words_is_let_go),
        WITH_RIG(without_descriptors_clients_are_sent_away_not_kept_waiting),
        cmocka_unit_test(there_are_as_many_sockets_as_may_be),
        cmocka_unit_test(there_are_as_many_handshakes_as_may_be),
        cmocka_unit_test(there_are_as_many_handshakes_of_one_address_as_may_be),
        WITH_RIG(keys_are_made_in_turn_and_only_for_who_waits),
        WITH_RIG(a_key_keeps_nobody_waiting),
        WITH_RIG(any_allocation_may_fail),
        cmocka_unit_test(a_stop_ends_what_is_idle_and_waits_for_replies),
        cmocka_unit_test(a_server_can_be_taken_down_in_the_middle_of_everything),
    };
    /* What has to do with handshakes, for when they are elsewhere. */
    const struct CMUnitTest shaken[] = {
        WITH_RIG(who_has_said_all_still_gets_the_answer),
        WITH_RIG(a_missing_certificate_is_told),
        WITH_RIG(plain_bytes_on_a_tls_port_are_told),
        WITH_RIG(mqtt_by_alpn_needs_a_certificate_too),
        WITH_RIG(key_updates_are_answered_and_cannot_spin_the_server),
        WITH_RIG(a_new_certificate_is_for_new_connections),
        WITH_RIG(a_worker_gives_up_a_handshake_that_does_not_come),
        WITH_RIG(handshakes_end_in_any_order),
        WITH_RIG(of_one_client_id_one_stays),
        cmocka_unit_test(a_server_can_be_taken_down_in_the_middle_of_handshakes),
        WITH_RIG(what_came_before_a_reset_counts),
        WITH_RIG(large_messages_arrive_whole),
        cmocka_unit_test(there_are_as_many_sockets_as_may_be),
        cmocka_unit_test(there_are_as_many_handshakes_as_may_be),
        cmocka_unit_test(there_are_as_many_handshakes_of_one_address_as_may_be),
        cmocka_unit_test(a_stop_ends_what_is_idle_and_waits_for_replies),
        cmocka_unit_test(a_server_can_be_taken_down_in_the_middle_of_everything),
    };
    int failed = cmocka_run_group_tests_name("own records", tests, NULL, NULL);
    rig_openssl_records = true;
    failed += cmocka_run_group_tests_name("OpenSSL's records", tests, NULL, NULL);
    rig_openssl_records = false;
    rig_workers = 1;
    failed += cmocka_run_group_tests_name("one worker", shaken, NULL, NULL);
    rig_workers = 2;
    return failed + cmocka_run_group_tests_name("two workers", shaken, NULL, NULL);
}
