// links: server_net
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * HTTP over real sockets: each request has its one answer, whatever it is and in whatever pieces it
 * comes, and a certificate is judged with each; what is too much is refused while it comes; a reply
 * waits for its commit, or for a key that is made elsewhere, and nobody else waits with it.
 */
#include "tests/support/net_tests.h"

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
    const struct CMUnitTest tests[] = {
        WITH_RIG(each_request_has_its_answer),
        WITH_RIG(too_much_is_refused_while_it_comes),
        WITH_RIG(headers_up_to_the_limit_are_taken),
        WITH_RIG(who_sends_and_never_reads_is_not_read_either),
        WITH_RIG(a_reply_waits_for_its_commit),
        WITH_RIG(who_has_said_all_still_gets_the_answer),
        WITH_RIG(who_goes_while_the_reply_waits_is_forgotten),
        WITH_RIG(a_certificate_is_judged_with_each_request),
        WITH_RIG(keys_are_made_in_turn_and_only_for_who_waits),
        WITH_RIG(a_key_keeps_nobody_waiting),
    };
    const struct CMUnitTest shaken[] = {
        WITH_RIG(who_has_said_all_still_gets_the_answer),
    };
    return RUN_EACH_WAY(tests, shaken);
}
