// links: elo_link PkgConfig::OPENSSL
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The pump against an OpenSSL server in memory: a stream that does as it is told, a clock that is a
 * variable.
 */
#include "tests/support/tls_peer.h"

#include "elo/link/link.h"

#include <stdlib.h>

#define HOST      "desk.test"
#define STEPS_MAX 2000

static struct {
    struct test_cert root, server, device;
} pki;

static int make_pki(void **state)
{
    (void)state;
    pki.root = test_ca_make("Root", TEST_P256);
    pki.server = test_leaf_make(HOST, TEST_P256, &pki.root);
    pki.device = test_leaf_make("thing-1", TEST_P256, &pki.root);
    return 0;
}

static int free_pki(void **state)
{
    (void)state;
    test_cert_free(&pki.root);
    test_cert_free(&pki.server);
    test_cert_free(&pki.device);
    return 0;
}

/* --- a stream and the server at its end ----------------------------------------------------------
 */

struct world {
    struct test_peer peer;
    struct elo_client client;
    struct elo_link link;
    struct elo_link_config config;
    struct elo_tls_identity identity;
    struct elo_tls_anchors anchors;
    struct elo_tls_work work;
    struct elo_tls_handshake handshake;
    br_x509_trust_anchor table[1];
    uint8_t anchor_mem[ELO_TLS_ANCHOR_BYTES], identity_mem[ELO_TLS_IDENTITY_BYTES];
    uint8_t input[ELO_TLS_INPUT_BYTES(1024)], output[ELO_TLS_OUTPUT_BYTES(512)];
    uint8_t rx[256], tx[256], outbox[1024];
    uint8_t heard[512]; /* by the server */
    size_t heard_len;

    /* The stream. */
    elo_err open_says, step_says, give_up_says, send_says; /* ELO_OK: works */
    size_t send_max, recv_max;
    bool open, finished, silent;
    unsigned opens, steps, give_ups, sends, recvs;

    uint32_t now, unix_now;
    bool no_entropy;
    unsigned provens;
    elo_err proven_says;

    unsigned connected, disconnected, published;
    struct elo_client_event last;
};

static elo_err net_open(void *ctx, const char *host, uint16_t port)
{
    struct world *w = ctx;
    w->opens++;
    assert_string_equal(host, "192.0.2.1");
    assert_int_equal(port, 8883);
    assert_false(w->open);
    if (w->open_says >= 0) {
        w->open = true;
        w->finished = false;
        test_peer_start(&w->peer);
    }
    return w->open_says;
}

static elo_err net_step(void *ctx)
{
    struct world *w = ctx;
    w->steps++;
    assert_true(w->open);
    return w->step_says;
}

static elo_err net_give_up(void *ctx)
{
    struct world *w = ctx;
    w->give_ups++;
    return w->give_up_says;
}

static elo_err net_send(void *ctx, elo_span bytes, size_t *out_len)
{
    struct world *w = ctx;
    w->sends++;
    assert_true(w->open && bytes.len > 0 && !w->finished);
    *out_len = 0;
    if (w->send_says != ELO_OK) {
        return w->send_says;
    }
    *out_len = bytes.len < w->send_max ? bytes.len : w->send_max;
    BIO_write(w->peer.from_client, bytes.ptr, (int)*out_len);
    return ELO_OK;
}

static elo_err net_recv(void *ctx, uint8_t *out, size_t cap, size_t *out_len)
{
    struct world *w = ctx;
    w->recvs++;
    assert_true(w->open && cap > 0);
    int n = BIO_read(w->peer.to_client, out, (int)(cap < w->recv_max ? cap : w->recv_max));
    *out_len = n > 0 ? (size_t)n : 0;
    return n > 0 ? ELO_OK : w->peer.ssl == NULL ? ELO_END : ELO_NEED_MORE;
}

static void net_finish(void *ctx)
{
    ((struct world *)ctx)->finished = true;
}

static void net_close(void *ctx)
{
    struct world *w = ctx;
    if (w->open) { /* else OpenSSL would not offer the session again */
        SSL_set_shutdown(w->peer.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    }
    w->open = false;
}

static int net_error(void *ctx)
{
    (void)ctx;
    return 42;
}

static void net_address(void *ctx, char *out, size_t cap)
{
    snprintf(out, cap, "%s", ((struct world *)ctx)->open ? "192.0.2.1:8883" : "");
}

/* Answers CONNECT and QoS 1 PUBLISH, and close_notify with its own. */
static void server_work(struct world *w)
{
    char puback[] = {0x40, 2, 0, 0};
    int n;
    if (!w->open || w->silent ||
        (!SSL_is_init_finished(w->peer.ssl) && SSL_accept(w->peer.ssl) != 1)) {
        ERR_clear_error();
        return;
    }
    while ((n = SSL_read(w->peer.ssl, w->heard + w->heard_len,
                         (int)(sizeof w->heard - w->heard_len))) > 0) {
        w->heard_len += (size_t)n;
        while (w->heard_len >= 2 && w->heard_len >= 2u + w->heard[1]) {
            const uint8_t *p = w->heard;
            size_t size = 2u + p[1];
            if (p[0] >> 4 == 1) {
                assert_int_equal(SSL_write(w->peer.ssl, "\x20\x02\x00\x00", 4), 4);
            } else if (p[0] >> 4 == 3) {
                memcpy(puback + 2, p + 4 + p[3], 2);
                assert_int_equal(SSL_write(w->peer.ssl, puback, 4), 4);
            }
            w->heard_len -= size;
            memmove(w->heard, w->heard + size, w->heard_len);
        }
    }
    if (SSL_get_shutdown(w->peer.ssl) & SSL_RECEIVED_SHUTDOWN) {
        SSL_shutdown(w->peer.ssl);
    }
    ERR_clear_error();
}

/* --- the device ----------------------------------------------------------------------------------
 */

static elo_err entropy(void *ctx, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        out[i] = (uint8_t)(i * 7 + 1);
    }
    return ((struct world *)ctx)->no_entropy ? ELO_E_ENTROPY : ELO_OK;
}

static uint32_t unix_now(void *ctx)
{
    return ((struct world *)ctx)->unix_now;
}

/* The identity comes into the memory that has come back. */
static elo_err present_late(void *ctx, struct elo_tls *tls)
{
    struct world *w = ctx;
    w->provens++;
    assert_false(elo_tls_borrows(tls));
    memset(&w->handshake, 0xA5, sizeof w->handshake);
    return w->proven_says != ELO_OK ? w->proven_says : elo_tls_present(tls, &w->identity);
}

static uint32_t no_chance(void *ctx)
{
    (void)ctx;
    return 0;
}

static void identify(struct world *w)
{
    struct test_text cert, key;
    test_cert_pem(&pki.root, &cert);
    elo_tls_anchors_init(&w->anchors, w->table, 1, w->anchor_mem, sizeof w->anchor_mem);
    assert_int_equal(elo_tls_anchors_add(&w->anchors, elo_span_of(cert.ptr, cert.len), &w->work),
                     ELO_OK);
    test_cert_pem(&pki.device, &cert);
    test_key_pem(&pki.device, &key);
    assert_int_equal(elo_tls_identity_init(&w->identity, elo_span_of(cert.ptr, cert.len),
                                           elo_span_of(key.ptr, key.len), w->identity_mem,
                                           sizeof w->identity_mem, &w->work),
                     ELO_OK);
}

static struct world *world_make(uint32_t now)
{
    struct world *w = calloc(1, sizeof *w);
    struct elo_client_config c;
    test_peer_init(&w->peer, &pki.server, NULL, &pki.root);
    SSL_CTX_set_max_proto_version(w->peer.ctx, TLS1_2_VERSION);
    identify(w);
    w->send_max = w->recv_max = 100000;
    w->now = now;
    w->unix_now = (uint32_t)TEST_NOW;
    w->config.tls = (struct elo_tls_config){.profile = &elo_tls_profile_aws_small,
                                            .handshake = &w->handshake,
                                            .host = HOST,
                                            .anchors = &w->anchors,
                                            .identity = &w->identity,
                                            .input = w->input,
                                            .input_cap = sizeof w->input,
                                            .output = w->output,
                                            .output_cap = sizeof w->output};
    w->config.net = (struct elo_net){.ctx = w,
                                     .open = net_open,
                                     .step = net_step,
                                     .give_up = net_give_up,
                                     .send = net_send,
                                     .recv = net_recv,
                                     .finish = net_finish,
                                     .close = net_close,
                                     .error = net_error,
                                     .address = net_address};
    w->config.client = &w->client;
    w->config.address = "192.0.2.1";
    w->config.port = 8883;
    w->config.entropy = entropy;
    w->config.now_unix = unix_now;
    w->config.ctx = w;
    elo_client_defaults(&c);
    c.client_id = ELO_SPAN("thing-1");
    c.rx = w->rx;
    c.rx_size = sizeof w->rx;
    c.tx = w->tx;
    c.tx_size = sizeof w->tx;
    c.outbox = w->outbox;
    c.outbox_size = sizeof w->outbox;
    c.random = no_chance;
    c.backoff_floor_ms = 1000;
    assert_int_equal(elo_client_init(&w->client, &c), ELO_OK);
    elo_link_init(&w->link, &w->config);
    elo_client_start(&w->client, w->now);
    return w;
}

static void world_free(struct world *w)
{
    elo_link_deinit(&w->link);
    assert_false(w->open);
    test_peer_deinit(&w->peer);
    free(w);
}

static bool step(struct world *w)
{
    bool busy = elo_link_step(&w->link, w->now);
    server_work(w);
    while (elo_client_next_event(&w->client, &w->last)) {
        w->connected += w->last.type == ELO_CLIENT_CONNECTED;
        w->disconnected += w->last.type == ELO_CLIENT_DISCONNECTED;
        w->published += w->last.type == ELO_CLIENT_PUBLISHED;
        if (w->last.type == ELO_CLIENT_DISCONNECTED) {
            break;
        }
    }
    return busy;
}

/* Steps, a millisecond each, until `*counter` is `value`; the steps needed. */
static unsigned run_until(struct world *w, const unsigned *counter, unsigned value)
{
    unsigned steps = 0;
    while (*counter < value) {
        if (++steps > STEPS_MAX) {
            fail_msg("not after %u steps", steps);
        }
        w->now++;
        step(w);
    }
    return steps;
}

static void publish(struct world *w)
{
    struct elo_client_message m = {
        .topic = ELO_SPAN("a/b"), .payload = ELO_SPAN("hello"), .qos = 1};
    assert_int_equal(elo_client_publish(&w->client, &m), ELO_OK);
}

/* --- the tests -----------------------------------------------------------------------------------
 */

static void conversation(struct world *w)
{
    run_until(w, &w->connected, 1);
    assert_int_equal(elo_link_get_phase(&w->link), ELO_LINK_OPEN);
    assert_string_equal(elo_link_diagnosis(&w->link)->address, "192.0.2.1:8883");
    assert_true(elo_link_diagnosis(&w->link)->handshake_ms > 0);
    assert_false(elo_link_diagnosis(&w->link)->resumed);
    for (unsigned i = 1; i <= 10; i++) {
        publish(w);
        run_until(w, &w->published, i);
    }
    assert_int_equal(elo_link_interest(&w->link), ELO_LINK_RECEIVE);
    elo_client_stop(&w->client, w->now);
    run_until(w, &w->disconnected, 1);
    assert_int_equal(w->last.u.disconnected.reason, ELO_OK);
    assert_int_equal(elo_link_get_phase(&w->link), ELO_LINK_IDLE);
    assert_int_equal(elo_link_interest(&w->link), 0);
    assert_true(w->finished && !w->open);
}

static void connects_publishes_and_leaves(void **state)
{
    (void)state;
    for (int small = 0; small <= 1; small++) {
        struct world *w = world_make(1000);
        w->config.small_steps = small != 0;
        conversation(w);
        world_free(w);
    }
}

/* Every byte alone, in both directions, and the clock passes zero meanwhile. */
static void bytes_may_come_one_by_one(void **state)
{
    (void)state;
    struct world *w = world_make(UINT32_MAX - 20);
    w->send_max = w->recv_max = 1;
    w->step_says = ELO_OK;
    w->open_says = ELO_NEED_MORE;
    conversation(w);
    assert_true(w->now < INT32_MAX);
    world_free(w);
}

static void a_small_step_receives_once(void **state)
{
    (void)state;
    struct world *w = world_make(0);
    w->config.small_steps = true;
    unsigned before_opens, before_recvs;
    for (unsigned steps = 0; elo_link_get_phase(&w->link) != ELO_LINK_OPEN; steps++) {
        assert_true(steps < STEPS_MAX);
        before_opens = w->opens;
        before_recvs = w->recvs;
        w->now++;
        step(w);
        assert_true(w->opens - before_opens + w->recvs - before_recvs <= 1);
    }
    world_free(w);
}

/* Once the connection stands a small step may do more, but not without end. */
static void a_small_step_of_an_open_link_is_bounded(void **state)
{
    (void)state;
    struct world *w = world_make(0);
    w->config.small_steps = true;
    run_until(w, &w->connected, 1);
    w->recv_max = 1;
    publish(w);
    unsigned most = 0;
    for (unsigned steps = 0; w->published == 0; steps++) {
        assert_true(steps < STEPS_MAX);
        unsigned before = w->recvs;
        w->now++;
        step(w);
        most = w->recvs - before > most ? w->recvs - before : most;
    }
    assert_int_equal(most, 4);
    world_free(w);
}

static void an_identity_may_come_late(void **state)
{
    (void)state;
    struct world *w = world_make(0);
    w->config.small_steps = true;
    w->config.tls.identity = NULL;
    w->config.proven = present_late;
    conversation(w);
    assert_int_equal(w->provens, 1);
    world_free(w);

    w = world_make(0);
    w->config.small_steps = true;
    w->config.tls.identity = NULL;
    w->config.proven = present_late;
    w->proven_says = ELO_E_BAD_PEM; /* it cannot be read */
    run_until(w, &w->disconnected, 1);
    assert_int_equal(w->last.u.disconnected.reason, ELO_E_BAD_PEM);
    world_free(w);
}

static void an_idle_step_is_not_busy(void **state)
{
    (void)state;
    struct world *w = world_make(0);
    run_until(w, &w->connected, 1);
    while (step(w)) {
    }
    unsigned recvs = w->recvs;
    assert_false(step(w));
    assert_int_equal(w->recvs, recvs + 1);
    /* The first thing to come by itself: the keep-alive. */
    assert_in_range(elo_link_wait_ms(&w->link, w->now), 50000, 60000);
    world_free(w);
}

static void failures_before_a_connection(void **state)
{
    (void)state;
    static const struct {
        bool no_entropy, no_clock;
        elo_err open_says, reason;
        unsigned opens;
    } cases[] = {
        {true, false, ELO_OK, ELO_E_ENTROPY, 0},
        {false, true, ELO_OK, ELO_E_CLOCK, 0},
        {false, false, ELO_E_DNS, ELO_E_DNS, 1},
        {false, false, ELO_E_TCP_REFUSED, ELO_E_TCP_REFUSED, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world *w = world_make(0);
        w->no_entropy = cases[i].no_entropy;
        w->unix_now = cases[i].no_clock ? 0 : w->unix_now;
        w->open_says = cases[i].open_says;
        assert_true(step(w));
        assert_int_equal(elo_link_get_phase(&w->link), ELO_LINK_FAILED);
        assert_int_equal(elo_link_wait_ms(&w->link, w->now), 0);
        assert_int_equal(w->disconnected, 0);
        w->now += 7000; /* the look-up has blocked: the wait counts from when it was over */
        step(w);
        assert_int_equal(w->disconnected, 1);
        assert_int_equal(w->last.u.disconnected.reason, cases[i].reason);
        assert_int_equal(elo_link_diagnosis(&w->link)->reason, cases[i].reason);
        assert_int_equal(w->opens, cases[i].opens);
        assert_true(elo_link_wait_ms(&w->link, w->now) >= 1000);
        world_free(w);
    }
}

static void each_address_has_its_time(void **state)
{
    (void)state;
    struct world *w = world_make(UINT32_MAX - 5000);
    w->open_says = w->step_says = w->give_up_says = ELO_NEED_MORE;
    w->config.connect_timeout_ms = 3000;
    step(w);
    step(w); /* its time begins */
    assert_int_equal(elo_link_wait_ms(&w->link, w->now), 3000);
    w->now += 2999;
    step(w);
    assert_int_equal(w->give_ups, 0);
    w->now += 1;
    step(w);
    assert_int_equal(w->give_ups, 1);
    step(w);
    w->now += 2999;
    step(w);
    assert_int_equal(w->give_ups, 1);
    w->give_up_says = ELO_E_TCP_TIMEOUT;
    w->now += 1;
    step(w);
    step(w);
    assert_int_equal(w->give_ups, 2);
    assert_int_equal(w->last.u.disconnected.reason, ELO_E_TCP_TIMEOUT);
    assert_int_equal(elo_link_diagnosis(&w->link)->error, 42);
    world_free(w);
}

static void a_silent_server_is_given_up(void **state)
{
    (void)state;
    struct world *w = world_make(0);
    w->silent = true;
    step(w);
    while (step(w)) {
    }
    assert_int_equal(elo_link_get_phase(&w->link), ELO_LINK_SHAKING);
    assert_int_equal(elo_link_wait_ms(&w->link, w->now), 20000);
    w->now += 19999;
    assert_false(step(w));
    w->now += 1;
    assert_true(step(w));
    step(w);
    assert_int_equal(w->last.u.disconnected.reason, ELO_E_TCP_TIMEOUT);
    world_free(w);
}

/* The peer's goodbye does not come: a second is enough. */
static void a_goodbye_without_answer_ends(void **state)
{
    (void)state;
    struct world *w = world_make(0);
    run_until(w, &w->connected, 1);
    w->silent = true;
    elo_client_stop(&w->client, w->now);
    while (elo_link_get_phase(&w->link) != ELO_LINK_CLOSING) {
        step(w);
    }
    while (step(w)) {
    }
    assert_true(w->finished && w->open);
    w->now += 1000;
    step(w);
    step(w);
    assert_false(w->open);
    assert_int_equal(w->disconnected, 1);
    world_free(w);
}

static void a_broken_stream_is_told_and_mended(void **state)
{
    (void)state;
    struct world *w = world_make(0);
    run_until(w, &w->connected, 1);
    w->send_says = ELO_E_TCP_CLOSED;
    publish(w);
    run_until(w, &w->disconnected, 1);
    w->send_says = ELO_OK;
    run_until(w, &w->published, 1);
    assert_int_equal(w->opens, 2);
    world_free(w);
}

/* The server's last words have come when our own sending finds that it is gone. */
static void last_words_are_heard(void **state)
{
    (void)state;
    for (int small = 0; small <= 1; small++) {
        struct world *w = world_make(0);
        w->config.small_steps = small != 0;
        run_until(w, &w->connected, 1);
        while (step(w)) {
        }
        unsigned sends = w->sends;
        publish(w);
        while (w->sends == sends) {
            step(w); /* the PUBACK is on its way to us */
        }
        assert_int_equal(w->published, 0);
        w->send_says = ELO_E_TCP_CLOSED;
        publish(w);
        run_until(w, &w->disconnected, 1);
        assert_int_equal(w->published, 1);
        assert_int_equal(elo_client_pending(&w->client), 1);
        world_free(w);
    }
}

static void a_lost_network_cuts_every_phase(void **state)
{
    (void)state;
    struct world *w = world_make(0);
    elo_link_cut(&w->link, ELO_E_NETWORK); /* nothing to cut */
    w->open_says = w->step_says = ELO_NEED_MORE;
    step(w);
    elo_link_cut(&w->link, ELO_E_NETWORK);
    run_until(w, &w->disconnected, 1);
    assert_int_equal(w->last.u.disconnected.reason, ELO_E_NETWORK);
    w->open_says = w->step_says = ELO_OK;
    run_until(w, &w->opens, 2);
    assert_int_equal(elo_link_get_phase(&w->link), ELO_LINK_SHAKING);
    elo_link_cut(&w->link, ELO_E_NETWORK);
    assert_false(w->open);
    run_until(w, &w->connected, 1);
    elo_link_cut(&w->link, ELO_E_NETWORK);
    elo_link_cut(&w->link, ELO_E_DNS); /* the first counts */
    run_until(w, &w->disconnected, 3);
    assert_int_equal(w->last.u.disconnected.reason, ELO_E_NETWORK);
    run_until(w, &w->connected, 2);
    world_free(w);
}

static void reconnect(struct world *w)
{
    unsigned connected = w->connected;
    w->send_says = ELO_E_TCP_CLOSED;
    publish(w);
    run_until(w, &w->disconnected, w->disconnected + 1);
    w->send_says = ELO_OK;
    run_until(w, &w->connected, connected + 1);
}

static void a_session_is_kept_and_carried_over(void **state)
{
    (void)state;
    struct elo_tls_session session, other;
    struct world *w = world_make(0);
    w->config.keep_session = true;
    assert_int_equal(elo_link_session(&w->link, &session), ELO_E_NOT_FOUND);
    run_until(w, &w->connected, 1);
    assert_false(SSL_session_reused(w->peer.ssl));
    reconnect(w);
    assert_true(SSL_session_reused(w->peer.ssl));
    assert_true(elo_link_diagnosis(&w->link)->resumed);
    assert_int_equal(elo_link_session(&w->link, &session), ELO_OK);

    /* A deep sleep: everything but the session is new. */
    elo_link_deinit(&w->link);
    assert_int_equal(elo_link_session(&w->link, &other), ELO_E_NOT_FOUND);
    elo_link_init(&w->link, &w->config);
    elo_link_resume(&w->link, &session);
    elo_client_transport_closed(&w->client, ELO_E_TCP_CLOSED, w->now);
    run_until(w, &w->connected, 3);
    assert_true(SSL_session_reused(w->peer.ssl));

    elo_link_resume(&w->link, NULL);
    reconnect(w);
    assert_false(SSL_session_reused(w->peer.ssl));
    world_free(w);
}

static void a_session_that_fails_is_forgotten(void **state)
{
    (void)state;
    struct elo_tls_session session;
    struct world *w = world_make(0);
    w->config.keep_session = true;
    run_until(w, &w->connected, 1);
    w->silent = true;
    elo_client_transport_closed(&w->client, ELO_E_TCP_CLOSED, w->now);
    elo_link_deinit(&w->link);
    elo_link_init(&w->link, &w->config);
    memset(&session, 1, sizeof session);
    elo_link_resume(&w->link, &session);
    w->now += 5000;
    run_until(w, &w->opens, 2);
    step(w);
    w->now += 20000;
    step(w);
    assert_int_equal(elo_link_session(&w->link, &session), ELO_E_NOT_FOUND);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connects_publishes_and_leaves),
        cmocka_unit_test(bytes_may_come_one_by_one),
        cmocka_unit_test(a_small_step_receives_once),
        cmocka_unit_test(a_small_step_of_an_open_link_is_bounded),
        cmocka_unit_test(an_identity_may_come_late),
        cmocka_unit_test(an_idle_step_is_not_busy),
        cmocka_unit_test(failures_before_a_connection),
        cmocka_unit_test(each_address_has_its_time),
        cmocka_unit_test(a_silent_server_is_given_up),
        cmocka_unit_test(a_goodbye_without_answer_ends),
        cmocka_unit_test(a_broken_stream_is_told_and_mended),
        cmocka_unit_test(last_words_are_heard),
        cmocka_unit_test(a_lost_network_cuts_every_phase),
        cmocka_unit_test(a_session_is_kept_and_carried_over),
        cmocka_unit_test(a_session_that_fails_is_forgotten),
    };
    return cmocka_run_group_tests(tests, make_pki, free_pki);
}
