// links: elo_posix PkgConfig::OPENSSL
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A device on real sockets against an OpenSSL server in the same thread: the server's sockets are
 * the link's extra descriptors, so one poll() serves both.
 */
#include "tests/support/tls_peer.h"

#include "ports/posix/clock.h"
#include "ports/posix/entropy.h"
#include "ports/posix/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOST "localhost"

/* Steps that any of these conversations may need; more means running round for nothing. */
#define STEPS_MAX 200

static struct {
    struct test_cert root, other_root, server, device;
} pki;

static int make_pki(void **state)
{
    (void)state;
    pki.root = test_ca_make("Root", TEST_P256);
    pki.other_root = test_ca_make("Other root", TEST_P256);
    pki.server = test_leaf_make(HOST, TEST_P256, &pki.root);
    pki.device = test_leaf_make("thing-1", TEST_P256, &pki.root);
    return 0;
}

static int free_pki(void **state)
{
    (void)state;
    test_cert_free(&pki.root);
    test_cert_free(&pki.other_root);
    test_cert_free(&pki.server);
    test_cert_free(&pki.device);
    return 0;
}

/* --- the server: accepts, handshakes, answers MQTT packets of less than 128 bytes ----------------
 */

enum manner { POLITE, HANGS_UP_ON_CONNECT, RESETS_ON_PUBLISH, NEVER_SPEAKS };

struct server {
    struct test_peer peer; /* its context only */
    enum manner manner;
    int listener, fd;
    uint16_t port;
    SSL *ssl;
    uint8_t in[256];
    size_t in_len;
    unsigned accepted, publishes;
    bool saw_disconnect, saw_close_notify;
};

static void server_init(struct server *s, enum manner manner, const struct test_cert *client_root)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    memset(s, 0, sizeof *s);
    test_peer_init(&s->peer, &pki.server, NULL, client_root);
    SSL_CTX_set_max_proto_version(s->peer.ctx, TLS1_2_VERSION);
    s->manner = manner;
    s->fd = -1;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(s->listener, 4), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&a, &len), 0);
    s->port = ntohs(a.sin_port);
}

static void server_hang_up(struct server *s)
{
    SSL_free(s->ssl);
    s->ssl = NULL;
    close(s->fd);
    s->fd = -1;
    s->in_len = 0;
}

static void server_deinit(struct server *s)
{
    if (s->fd >= 0) {
        server_hang_up(s);
    }
    close(s->listener);
    test_peer_deinit(&s->peer);
}

static void server_say(struct server *s, const char *bytes, int len)
{
    assert_int_equal(SSL_write(s->ssl, bytes, len), len);
}

static void server_packet(struct server *s, const uint8_t *p)
{
    struct linger now = {1, 0};
    char puback[] = {0x40, 2, 0, 0};
    switch (p[0] >> 4) {
    case 1: /* CONNECT */
        if (s->manner == HANGS_UP_ON_CONNECT) {
            server_hang_up(s);
        } else {
            server_say(s, "\x20\x02\x00\x00", 4);
        }
        break;
    case 3: /* PUBLISH, QoS 1: the packet id follows the topic */
        s->publishes++;
        if (s->manner == RESETS_ON_PUBLISH) {
            setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
            server_hang_up(s);
            break;
        }
        memcpy(puback + 2, p + 4 + p[3], 2);
        server_say(s, puback, 4);
        server_say(s, "\x30\x06\x00\x01zhey", 8); /* and a message for the device */
        break;
    case 14: /* DISCONNECT */
        s->saw_disconnect = true;
        break;
    default:
        fail_msg("packet %02x", p[0]);
    }
}

static void server_read(struct server *s)
{
    int n = 0;
    if (!SSL_is_init_finished(s->ssl) && SSL_accept(s->ssl) != 1) {
        int why = SSL_get_error(s->ssl, -1);
        ERR_clear_error();
        if (why != SSL_ERROR_WANT_READ) {
            server_hang_up(s);
        }
        return;
    }
    while (s->ssl != NULL &&
           (n = SSL_read(s->ssl, s->in + s->in_len, (int)(sizeof s->in - s->in_len))) > 0) {
        s->in_len += (size_t)n;
        while (s->ssl != NULL && s->in_len >= 2 && s->in_len >= 2u + s->in[1]) {
            size_t size = 2u + s->in[1];
            server_packet(s, s->in);
            if (s->ssl == NULL) {
                break;
            }
            s->in_len -= size;
            memmove(s->in, s->in + size, s->in_len);
        }
    }
    if (s->ssl != NULL && SSL_get_error(s->ssl, n) != SSL_ERROR_WANT_READ) {
        s->saw_close_notify = (SSL_get_shutdown(s->ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
        server_hang_up(s);
    }
    ERR_clear_error();
}

static void server_work(struct server *s, const struct pollfd *fds)
{
    if (fds[0].revents) {
        s->fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        assert_true(s->fd >= 0);
        s->accepted++;
        s->peer.alert = -1;
        if (s->manner != NEVER_SPEAKS) {
            s->ssl = SSL_new(s->peer.ctx);
            SSL_set_app_data(s->ssl, &s->peer);
            SSL_set_fd(s->ssl, s->fd);
        }
    } else if (fds[1].revents && s->ssl != NULL) {
        server_read(s);
    } else if (fds[1].revents && read(s->fd, s->in, sizeof s->in) <= 0) {
        server_hang_up(s);
    }
}

/* --- the device ----------------------------------------------------------------------------------
 */

struct device {
    struct posix_link link;
    struct posix_link_config config;
    struct elo_client_config client;
    struct elo_tls_identity identity;
    struct elo_tls_anchors anchors;
    struct elo_tls_work work;
    br_x509_trust_anchor table[1];
    uint8_t anchor_mem[ELO_TLS_ANCHOR_BYTES], identity_mem[ELO_TLS_IDENTITY_BYTES];
    uint8_t input[ELO_TLS_INPUT_BYTES(1024)], output[ELO_TLS_OUTPUT_BYTES(512)];
    uint8_t rx[256], tx[256], outbox[1024];
    struct elo_client_sub subs[1];

    unsigned connected, published, messages, disconnected;
    elo_err reason;
};

static struct device *device_make(const struct server *s, const struct test_cert *root)
{
    struct device *d = calloc(1, sizeof *d);
    struct test_text cert, key;
    test_cert_pem(root, &cert);
    elo_tls_anchors_init(&d->anchors, d->table, 1, d->anchor_mem, sizeof d->anchor_mem);
    assert_int_equal(elo_tls_anchors_add(&d->anchors, elo_span_of(cert.ptr, cert.len), &d->work),
                     ELO_OK);
    test_cert_pem(&pki.device, &cert);
    test_key_pem(&pki.device, &key);
    assert_int_equal(elo_tls_identity_init(&d->identity, elo_span_of(cert.ptr, cert.len),
                                           elo_span_of(key.ptr, key.len), d->identity_mem,
                                           sizeof d->identity_mem, &d->work),
                     ELO_OK);
    d->config.tls.profile = &elo_tls_profile_full;
    d->config.tls.host = HOST;
    d->config.tls.anchors = &d->anchors;
    d->config.tls.identity = &d->identity;
    d->config.tls.now_unix = (uint32_t)TEST_NOW;
    d->config.tls.input = d->input;
    d->config.tls.input_cap = sizeof d->input;
    d->config.tls.output = d->output;
    d->config.tls.output_cap = sizeof d->output;
    d->config.address = "127.0.0.1";
    d->config.port = s->port;
    elo_client_defaults(&d->client);
    d->client.client_id = ELO_SPAN("thing-1");
    d->client.backoff_floor_ms = 0; /* again at once */
    d->client.backoff_base_ms = 1;
    d->client.backoff_cap_ms = 1;
    d->client.rx = d->rx;
    d->client.rx_size = sizeof d->rx;
    d->client.tx = d->tx;
    d->client.tx_size = sizeof d->tx;
    d->client.outbox = d->outbox;
    d->client.outbox_size = sizeof d->outbox;
    d->client.subs = d->subs;
    d->client.subs_count = 1;
    d->client.random = posix_entropy_u32;
    return d;
}

static void device_start(struct device *d)
{
    assert_int_equal(posix_link_init(&d->link, &d->config, &d->client), ELO_OK);
    elo_client_start(&d->link.client, posix_clock_ms());
}

static void device_free(struct device *d)
{
    posix_link_deinit(&d->link);
    free(d);
}

static void device_events(struct device *d)
{
    struct elo_client_event e;
    while (elo_client_next_event(&d->link.client, &e)) {
        if (e.type == ELO_CLIENT_CONNECTED) {
            d->connected++;
        }
        if (e.type == ELO_CLIENT_PUBLISHED) {
            d->published++;
        }
        if (e.type == ELO_CLIENT_MESSAGE) {
            d->messages += elo_span_eq(e.u.message.payload, ELO_SPAN("hey"));
        }
        if (e.type == ELO_CLIENT_DISCONNECTED) {
            d->disconnected++;
            d->reason = e.u.disconnected.reason;
        }
    }
}

/* Runs both until `*counter` reaches `value`. */
static void run_until(struct device *d, struct server *s, const unsigned *counter, unsigned value)
{
    for (unsigned step = 0; *counter < value; step++) {
        struct pollfd fds[2] = {{s->listener, POLLIN, 0}, {s->fd, POLLIN, 0}};
        if (step == STEPS_MAX) {
            fail_msg("not after %u steps", step);
        }
        assert_int_equal(posix_link_step(&d->link, 10000, fds, 2), ELO_OK);
        server_work(s, fds);
        device_events(d);
    }
}

static void device_publish(struct device *d)
{
    struct elo_client_message m = {
        .topic = ELO_SPAN("a/b"), .payload = ELO_SPAN("hello"), .qos = 1};
    assert_int_equal(elo_client_publish(&d->link.client, &m), ELO_OK);
}

/* --- the tests -----------------------------------------------------------------------------------
 */

static void connect_publish_receive_and_leave(void **state)
{
    (void)state;
    struct server s;
    server_init(&s, POLITE, &pki.root);
    struct device *d = device_make(&s, &pki.root);
    device_start(d);
    run_until(d, &s, &d->connected, 1);
    assert_int_equal(elo_tls_cipher_suite(posix_link_tls(&d->link)), 0xC02B);
    assert_memory_equal(posix_link_diagnosis(&d->link)->address, "127.0.0.1:", 10);
    for (unsigned i = 1; i <= 20; i++) {
        device_publish(d);
        run_until(d, &s, &d->published, i);
    }
    run_until(d, &s, &d->messages, 20);
    elo_client_stop(&d->link.client, posix_clock_ms());
    run_until(d, &s, &d->disconnected, 1);
    assert_int_equal(d->reason, ELO_OK);
    assert_true(s.saw_disconnect);
    assert_true(s.saw_close_notify);
    assert_int_equal(posix_link_diagnosis(&d->link)->reason, ELO_OK);
    assert_int_equal(s.accepted, 1);
    device_free(d);
    server_deinit(&s);
}

static void failures_come_with_their_reason(void **state)
{
    (void)state;
    static const struct {
        enum manner manner;
        bool good_root, good_device;
        elo_err err;
        int alert, seen; /* alert received; alert that the server has seen */
    } cases[] = {
        {POLITE, false, true, ELO_E_ROOT, -1, SSL_AD_UNKNOWN_CA},
        {POLITE, true, false, ELO_E_TLS_CERT_REFUSED, SSL_AD_UNKNOWN_CA, -1},
        {HANGS_UP_ON_CONNECT, true, true, ELO_E_CLOSED_AFTER_CONNECT, -1, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct server s;
        server_init(&s, cases[i].manner, cases[i].good_device ? &pki.root : &pki.other_root);
        struct device *d = device_make(&s, cases[i].good_root ? &pki.root : &pki.other_root);
        d->client.backoff_floor_ms = 60000; /* one attempt is enough */
        device_start(d);
        run_until(d, &s, &d->disconnected, 1);
        assert_int_equal(d->reason, cases[i].err);
        assert_int_equal(posix_link_diagnosis(&d->link)->tls_alert, cases[i].alert);
        if (cases[i].seen >= 0 && s.ssl != NULL) {
            server_read(&s);
        }
        assert_int_equal(s.peer.alert, cases[i].seen);
        device_free(d);
        server_deinit(&s);
    }
}

static void nobody_listens(void **state)
{
    (void)state;
    struct server s;
    server_init(&s, POLITE, NULL);
    struct device *d = device_make(&s, &pki.root);
    int silent = dup(s.listener);
    shutdown(silent, SHUT_RDWR); /* the port stays ours, but refuses */
    d->client.backoff_floor_ms = 60000;
    device_start(d);
    for (int step = 0; d->disconnected == 0 && step < STEPS_MAX; step++) {
        assert_int_equal(posix_link_step(&d->link, 10000, NULL, 0), ELO_OK);
        device_events(d);
    }
    assert_int_equal(d->reason, ELO_E_TCP_REFUSED);
    assert_int_equal(posix_link_diagnosis(&d->link)->error, ECONNREFUSED);
    close(silent);
    device_free(d);
    server_deinit(&s);
}

static void a_wrong_clock_makes_no_connection(void **state)
{
    (void)state;
    struct server s;
    server_init(&s, POLITE, &pki.root);
    struct device *d = device_make(&s, &pki.root);
    d->config.tls.now_unix = 1;
    d->client.backoff_floor_ms = 60000;
    device_start(d);
    run_until(d, &s, &d->disconnected, 1);
    assert_int_equal(d->reason, ELO_E_CLOCK);
    assert_int_equal(s.accepted, 0);
    device_free(d);
    server_deinit(&s);
}

static void a_silent_server_is_a_timeout(void **state)
{
    (void)state;
    struct server s;
    server_init(&s, NEVER_SPEAKS, &pki.root);
    struct device *d = device_make(&s, &pki.root);
    d->config.handshake_timeout_ms = 20;
    d->client.backoff_floor_ms = 60000;
    device_start(d);
    run_until(d, &s, &d->disconnected, 1);
    assert_int_equal(d->reason, ELO_E_TCP_TIMEOUT);
    device_free(d);
    server_deinit(&s);
}

/* A process that sends warnings as fast as it can and never a handshake. */
static pid_t flood(int listener)
{
    static const uint8_t warning[] = {21, 3, 3, 0, 2, 1, 112};
    static uint8_t many[sizeof warning * 4096];
    for (size_t i = 0; i < sizeof many; i++) {
        many[i] = warning[i % sizeof warning];
    }
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)fcntl(listener, F_SETFL, 0);
        int fd = accept(listener, NULL, NULL);
        while (send(fd, many, sizeof many, MSG_NOSIGNAL) == (ssize_t)sizeof many) {
        }
        _exit(0);
    }
    return child;
}

/* However much there is to receive, a step ends and the time-out of the handshake is kept. */
static void a_flood_does_not_hold_a_step(void **state)
{
    (void)state;
    struct server s;
    server_init(&s, NEVER_SPEAKS, &pki.root);
    pid_t child = flood(s.listener);
    struct device *d = device_make(&s, &pki.root);
    d->config.handshake_timeout_ms = 100;
    d->client.backoff_floor_ms = 60000;
    device_start(d);
    alarm(20); /* what ends the test if it is held */
    struct elo_client_event e = {.type = ELO_CLIENT_PONG};
    do {
        assert_int_equal(posix_link_step(&d->link, 1000, NULL, 0), ELO_OK);
    } while (!elo_client_next_event(&d->link.client, &e));
    alarm(0);
    assert_int_equal(e.type, ELO_CLIENT_DISCONNECTED);
    assert_int_equal(e.u.disconnected.reason, ELO_E_TCP_TIMEOUT);
    device_free(d);
    server_deinit(&s);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

/* The server resets in the middle: no signal, and the message arrives over the next connection. */
static void a_reset_is_survived(void **state)
{
    (void)state;
    for (int keep = 0; keep <= 1; keep++) {
        struct server s;
        server_init(&s, RESETS_ON_PUBLISH, &pki.root);
        struct device *d = device_make(&s, &pki.root);
        d->config.keep_session = keep != 0;
        device_start(d);
        run_until(d, &s, &d->connected, 1);
        device_publish(d);
        run_until(d, &s, &d->disconnected, 1);
        assert_int_equal(s.publishes, 1);
        s.manner = POLITE;
        run_until(d, &s, &d->published, 1);
        assert_int_equal(s.accepted, 2);
        device_free(d);
        server_deinit(&s);
    }
}

static void on_alarm(int signo)
{
    (void)signo;
}

static void a_signal_and_an_extra_descriptor_end_the_wait(void **state)
{
    (void)state;
    struct server s;
    server_init(&s, POLITE, &pki.root);
    struct device *d = device_make(&s, &pki.root);
    struct sigaction act, old;
    assert_int_equal(posix_link_init(&d->link, &d->config, &d->client), ELO_OK);

    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct pollfd extra = {ends[0], POLLIN, 0};
    assert_int_equal(posix_link_step(&d->link, 0, &extra, 1), ELO_OK);
    assert_int_equal(extra.revents, 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(posix_link_step(&d->link, -1, &extra, 1), ELO_OK);
    assert_int_equal(extra.revents, POLLIN);
    close(ends[0]);
    close(ends[1]);

    memset(&act, 0, sizeof act);
    act.sa_handler = on_alarm; /* without SA_RESTART */
    sigaction(SIGALRM, &act, &old);
    struct itimerval soon = {{0, 1000}, {0, 1000}}; /* again and again: none can be missed */
    setitimer(ITIMER_REAL, &soon, NULL);
    assert_int_equal(posix_link_step(&d->link, -1, NULL, 0), ELO_OK);
    memset(&soon, 0, sizeof soon);
    setitimer(ITIMER_REAL, &soon, NULL);
    sigaction(SIGALRM, &old, NULL);
    device_free(d);
    server_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connect_publish_receive_and_leave),
        cmocka_unit_test(failures_come_with_their_reason),
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(a_wrong_clock_makes_no_connection),
        cmocka_unit_test(a_silent_server_is_a_timeout),
        cmocka_unit_test(a_flood_does_not_hold_a_step),
        cmocka_unit_test(a_reset_is_survived),
        cmocka_unit_test(a_signal_and_an_extra_descriptor_end_the_wait),
    };
    return cmocka_run_group_tests(tests, make_pki, free_pki);
}
