// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The edge on the bench: real sockets, real TLS, the whole core behind it, and one thread. The loop
 * is turned by whoever waits (rig_turn()), commits happen when the test says so (rig_commit()),
 * deadlines when it says that time has passed (rig_pass()): so nothing sleeps and every run is the
 * same. A peer is a client on a non-blocking socket that turns the server's loop when it must wait.
 *
 * With rig_workers handshakes are on threads of their own, as in the real server. Whoever waits
 * then waits for a thread as well: for what it writes to the peer, or gives back to the loop
 * (rig_await()); a handshake that is over for the peer is over for the server (peer_shake()). The
 * time of a handshake in a worker's hands is the worker's: rig_pass() does not reach it.
 *
 * rig.fail_at fails the server's n-th allocation; with rig.fail_openssl OpenSSL's are counted too,
 * as far as the server makes them. (Not for requests that are signed or come with a certificate:
 * pki_sha256() ends the process when OpenSSL has no memory for it.)
 */
#ifndef TESTS_SUPPORT_NET_RIG_H
#define TESTS_SUPPORT_NET_RIG_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>

#include "server/base/limits.h"
#include "server/base/mem.h"
#include "server/net/internal.h"

#define RIG_TURNS_MAX 20000 /* more than that without an event: it does not come */
#define RIG_AWAIT_MS  1     /* a turn, while a worker may have something for us */

struct rig {
    char dir[64];
    char cert[96], key[96];
    struct log log;
    struct buf told; /* the log, JSON lines */
    struct net *net;
    struct store *store;
    struct registry *registry;
    struct authorizer *authorizer;
    struct broker *broker;
    struct pki_ca *ca;
    struct api *api;
    char device_id[65]; /* a certificate that may do everything */
    struct buf device_cert, device_key;
    bool fail_openssl;
    long fail_at; /* the server's n-th allocation from now fails; 0: none */
};

/* --- allocation: the server's can be made to fail -----------------------------------------------
 */

static atomic_bool rig_in_openssl; /* its allocations are the server's, and count */

static void *rig_malloc(size_t len, const char *file, int line)
{
    (void)file;
    (void)line;
    return rig_in_openssl ? mem_alloc(len) : malloc(len);
}

static void *rig_realloc(void *ptr, size_t len, const char *file, int line)
{
    (void)file;
    (void)line;
    return rig_in_openssl ? mem_grow(ptr, len) : realloc(ptr, len);
}

static void rig_free(void *ptr, const char *file, int line)
{
    (void)file;
    (void)line;
    free(ptr);
}

/* Before OpenSSL is used in any way. */
static inline void rig_take_allocations(void)
{
    assert_int_equal(CRYPTO_set_mem_functions(rig_malloc, rig_realloc, rig_free), 1);
}

/* --- the desk -----------------------------------------------------------------------------------
 */

static inline void rig_sink(void *ctx, const struct log_record *record)
{
    struct rig *rig = ctx;
    log_format_json(record, 0, "", &rig->told);
}

static inline void rig_random(void *ctx, void *out, size_t len)
{
    (void)ctx;
    assert_true(pki_random(out, len));
}

static inline void rig_commit_failed(void *ctx, elo_err err)
{
    struct rig *rig = ctx;
    (void)err;
    assert_int_equal(registry_reload(rig->registry), ELO_OK);
}

static inline int64_t rig_now_ms(void)
{
    return (int64_t)time(NULL) * 1000;
}

static inline const char *rig_path(const struct rig *rig, const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", rig->dir, name);
    return path;
}

static inline void rig_make_device(struct rig *rig)
{
    static const char policy[] = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\","
                                 "\"Action\":\"iot:*\",\"Resource\":\"*\"}]}";
    struct aws_fault fault = {0};
    struct buf csr;
    struct pki_issued issued;
    const struct certificate *certificate;
    const struct policy_record *record;
    char why[256];
    buf_init(&csr, LIMIT_PEM_BYTES);
    pki_issued_init(&issued);
    assert_int_equal(pki_make_key_and_csr("rig", &rig->device_key, &csr), ELO_OK);
    assert_int_equal(
        pki_issue_from_csr(rig->ca, buf_span(&csr), rig_now_ms() / 1000, &issued, why, sizeof why),
        ELO_OK);
    buf_add(&rig->device_cert, buf_span(&issued.certificate_pem));
    snprintf(rig->device_id, sizeof rig->device_id, "%s", issued.info.id);
    struct certificate_new fresh = {.id = elo_span_str(issued.info.id),
                                    .pem = buf_span(&issued.certificate_pem),
                                    .status = CERTIFICATE_ACTIVE,
                                    .mode = ELO_SPAN("DEFAULT"),
                                    .not_before_s = issued.info.not_before_s,
                                    .not_after_s = issued.info.not_after_s};
    assert_int_equal(
        registry_register_certificate(rig->registry, &fresh, rig_now_ms(), &certificate, &fault),
        AWS_OK);
    assert_int_equal(registry_create_policy(rig->registry, ELO_SPAN("all"), elo_span_str(policy),
                                            rig_now_ms(), &record, &fault),
                     AWS_OK);
    assert_int_equal(
        registry_attach_policy(rig->registry, ELO_SPAN("all"), certificate->arn, &fault), AWS_OK);
    buf_free(&csr);
    pki_issued_free(&issued);
}

/* For each rig that is opened. */
static bool rig_openssl_records;
static int rig_workers;                 /* threads for handshakes; 0: they are done on the loop */
static const struct limits *rig_limits; /* of the edge; NULL: AWS's */

static inline void rig_open(struct rig *rig, struct compat compat)
{
    static const char *const names[] = {"localhost", "127.0.0.1"};
    char why[512] = "";
    *rig = (struct rig){.dir = "/tmp/elo-net-XXXXXX"};
    rig->log = (struct log){.sink = rig_sink, .ctx = rig, .level = LOG_DEBUG};
    buf_init(&rig->told, 1 << 24);
    buf_init(&rig->device_cert, LIMIT_PEM_BYTES);
    buf_init(&rig->device_key, LIMIT_PEM_BYTES);
    assert_non_null(mkdtemp(rig->dir));
    snprintf(rig->cert, sizeof rig->cert, "%s/server.pem", rig->dir);
    snprintf(rig->key, sizeof rig->key, "%s/server.key", rig->dir);
    struct store_config store = {.path = rig_path(rig, "elo.db")};
    assert_int_equal(store_open(&store, &rig->store, why, sizeof why), ELO_OK);
    assert_int_equal(pki_ca_open(rig->dir, rig_now_ms() / 1000, &rig->ca, why, sizeof why), ELO_OK);
    assert_int_equal(
        pki_server_certificate(rig->ca, rig->dir, names, 2, rig_now_ms() / 1000, why, sizeof why),
        ELO_OK);
    struct core_random random = {rig_random, NULL};
    struct registry_config registry = {
        .region = "eu-west-1", .account = "123456789012", .random = random};
    assert_int_equal(registry_create(&registry, rig->store, &rig->registry), ELO_OK);
    rig->authorizer = authorizer_create(rig->registry);
    struct broker_config broker = {
        .compat = compat, .log = &rig->log, .random = random, .store = rig->store};
    rig->broker = broker_create(&broker, rig->authorizer);
    struct api_config api = {
        .key = {.access_key_id = ELO_SPAN("AKID"), .secret = ELO_SPAN("secret")},
        .endpoint = "localhost",
        .random = random,
        .log = &rig->log};
    rig->api = api_create(&api, rig->registry, rig->broker, rig->ca);
    rig_make_device(rig);
    struct store_progress progress;
    store_poll(rig->store, &progress);
    assert_int_equal(net_create(&rig->net, why, sizeof why), ELO_OK);
    struct net_config net = {.openssl_records = rig_openssl_records,
                             .io_threads = rig_workers,
                             .limits = rig_limits,
                             .cert_file = rig->cert,
                             .key_file = rig->key,
                             .log = &rig->log,
                             .compat = compat,
                             .broker = rig->broker,
                             .authorizer = rig->authorizer,
                             .store = rig->store,
                             .commit_failed = rig_commit_failed,
                             .ctx = rig};
    assert_int_equal(net_open(rig->net, &net, why, sizeof why), ELO_OK);
    net_set_api(rig->net, rig->api);
    net_start(rig->net);
}

static inline void rig_close(struct rig *rig)
{
    static const char *const files[] = {"elo.db", "elo.db-wal", "elo.db-shm", "ca.pem",
                                        "ca.key", "server.pem", "server.key"};
    net_close_connections(rig->net);
    api_destroy(rig->api);
    broker_destroy(rig->broker);
    authorizer_destroy(rig->authorizer);
    registry_destroy(rig->registry);
    store_close(rig->store);
    pki_ca_close(rig->ca);
    net_destroy(rig->net);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        (void)unlink(rig_path(rig, files[i]));
    }
    assert_int_equal(rmdir(rig->dir), 0);
    buf_free(&rig->told);
    buf_free(&rig->device_cert);
    buf_free(&rig->device_key);
}

/* One turn of the server's loop, without waiting. */
static inline void rig_turn(struct rig *rig)
{
    long before = mem_count();
    rig_in_openssl = rig->fail_openssl;
    mem_fail_at(rig->fail_at);
    (void)uv_run(&rig->net->loop, UV_RUN_NOWAIT);
    mem_fail_at(0);
    rig_in_openssl = false;
    long made = mem_count() - before;
    rig->fail_at = made < rig->fail_at ? rig->fail_at - made : 0;
}

/* Until nothing more happens by itself. */
static inline void rig_rest(struct rig *rig)
{
    for (int i = 0; i < 50; i++) {
        rig_turn(rig);
    }
}

/* Until a worker, if one has anything, may have done something: `fd` (a peer's; -1: nobody's) can
 * be read, or the loop has something to do. */
static inline void rig_await(const struct rig *rig, int fd)
{
    if (rig->net->shakers != NULL && rig->net->crowd.count > 0) {
        struct pollfd of[] = {{uv_backend_fd(&rig->net->loop), POLLIN, 0}, {fd, POLLIN, 0}};
        (void)poll(of, 2, uv_backend_timeout(&rig->net->loop) == 0 ? 0 : RIG_AWAIT_MS);
    }
}

/* Until so many connections are left. */
static inline void rig_expect_left(struct rig *rig, size_t count)
{
    for (int i = 0; i < RIG_TURNS_MAX && rig->net->conn_count != count; i++) {
        rig_turn(rig);
        rig_await(rig, -1);
    }
    assert_int_equal(rig->net->conn_count, count);
}

/* What was submitted becomes durable, and the edge hears of it. */
static inline void rig_commit(struct rig *rig)
{
    net_wake(rig->net);
    rig_rest(rig);
}

/* So many milliseconds pass for whoever waits. */
static inline void rig_pass(struct rig *rig, int64_t ms)
{
    conn_expire(rig->net, net_time(rig->net).mono_ms + ms);
    rig_rest(rig);
}

static inline bool rig_has_told(const struct rig *rig, const char *text)
{
    elo_span told = buf_span(&rig->told);
    return told.len > 0 && memmem(told.ptr, told.len, text, strlen(text)) != NULL;
}

/* Of a failed handshake the peer may know before the loop does. */
static inline void rig_expect_told(struct rig *rig, const char *text)
{
    for (int i = 0; i < RIG_TURNS_MAX && rig->net->crowd.count > 0 && !rig_has_told(rig, text);
         i++) {
        rig_turn(rig);
        rig_await(rig, -1);
    }
    if (!rig_has_told(rig, text)) {
        fail_msg("the log has no %s:\n%.*s", text, (int)buf_span(&rig->told).len,
                 (const char *)buf_span(&rig->told).ptr);
    }
}

/* --- peers --------------------------------------------------------------------------------------
 */

struct peer {
    struct rig *rig;
    int fd;
    SSL *ssl;       /* NULL: plain */
    struct buf got; /* everything received */
    bool ended;     /* the server has ended, in good order */
    bool reset;     /* or with a reset */
    int alert;      /* the TLS alert received; 0: none */
};

/* From 127.0.0.`host`. */
static inline void
peer_connect_from(struct rig *rig, struct peer *p, enum listener_kind kind, uint8_t host)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)rig->net->ports[kind]),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl((INADDR_LOOPBACK & ~0xffu) | host)};
    *p = (struct peer){.rig = rig, .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    buf_init(&p->got, 1 << 27);
    assert_true(p->fd >= 0);
    if (host != 1) {
        assert_int_equal(bind(p->fd, (struct sockaddr *)&from, sizeof from), 0);
    }
    assert_int_equal(connect(p->fd, (struct sockaddr *)&at, sizeof at), 0);
    int on = 1; /* or the kernel waits before it sends, and we turn in vain */
    assert_int_equal(setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
    assert_int_equal(fcntl(p->fd, F_SETFL, O_NONBLOCK), 0);
}

static inline void peer_connect(struct rig *rig, struct peer *p, enum listener_kind kind)
{
    peer_connect_from(rig, p, kind, 1);
}

static inline void peer_note(const SSL *ssl, int where, int value)
{
    struct peer *p = SSL_get_app_data(ssl);
    if ((where & SSL_CB_READ) && (where & SSL_CB_ALERT) && (value & 0xff) != SSL_AD_CLOSE_NOTIFY) {
        p->alert = value & 0xff;
    }
}

/* A TLS client; with `certificate` it shows one (and `key`). The handshake is not done yet. */
static inline void
peer_secure(struct peer *p, int version, const struct buf *certificate, const struct buf *key)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    assert_non_null(ctx);
    SSL_CTX_set_min_proto_version(ctx, version);
    SSL_CTX_set_max_proto_version(ctx, version);
    if (certificate != NULL) {
        elo_span pem = buf_span(certificate), key_pem = buf_span(key);
        BIO *in = BIO_new_mem_buf(pem.ptr, (int)pem.len);
        X509 *x = PEM_read_bio_X509(in, NULL, NULL, NULL);
        assert_int_equal(SSL_CTX_use_certificate(ctx, x), 1);
        X509_free(x);
        BIO_free(in);
        in = BIO_new_mem_buf(key_pem.ptr, (int)key_pem.len);
        EVP_PKEY *k = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
        assert_int_equal(SSL_CTX_use_PrivateKey(ctx, k), 1);
        EVP_PKEY_free(k);
        BIO_free(in);
    }
    p->ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    SSL_set_app_data(p->ssl, p);
    SSL_set_info_callback(p->ssl, peer_note);
    SSL_set_fd(p->ssl, p->fd);
    SSL_set_tlsext_host_name(p->ssl, "localhost");
    SSL_set_connect_state(p->ssl);
}

/* >= 0: bytes; -1: later; -2: never. */
static inline ssize_t peer_answer(struct peer *p, ssize_t n, bool reading)
{
    if (p->ssl != NULL && n <= 0) {
        int error = SSL_get_error(p->ssl, (int)n);
        if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
            return -1;
        }
        p->ended = error == SSL_ERROR_ZERO_RETURN;
        p->reset = error == SSL_ERROR_SYSCALL && errno == ECONNRESET;
        ERR_clear_error();
        return -2;
    }
    if (n < 0 && errno == EAGAIN) {
        return -1;
    }
    p->reset = n < 0 && errno == ECONNRESET;
    p->ended = n == 0 && reading;
    return n > 0 ? n : -2;
}

/* How many bytes went out before the server took no more. */
static inline size_t peer_send_some(struct peer *p, const void *bytes, size_t len)
{
    size_t sent = 0;
    for (int idle = 0; sent < len && idle < 200;) {
        const uint8_t *at = (const uint8_t *)bytes + sent;
        errno = 0;
        ssize_t n = p->ssl ? SSL_write(p->ssl, at, (int)(len - sent))
                           : send(p->fd, at, len - sent, MSG_NOSIGNAL);
        n = peer_answer(p, n, false);
        if (n == -2) {
            break;
        }
        sent += n > 0 ? (size_t)n : 0;
        idle = n > 0 ? 0 : idle + 1;
        rig_turn(p->rig);
    }
    return sent;
}

static inline void peer_send(struct peer *p, const void *bytes, size_t len)
{
    assert_int_equal(peer_send_some(p, bytes, len), len);
}

static inline void peer_say(struct peer *p, const char *text)
{
    peer_send(p, text, strlen(text));
}

/* Reads what is there. false: there will never be more. */
static inline bool peer_read(struct peer *p)
{
    uint8_t bytes[16384];
    for (;;) {
        errno = 0;
        ssize_t n =
            p->ssl ? SSL_read(p->ssl, bytes, sizeof bytes) : recv(p->fd, bytes, sizeof bytes, 0);
        n = peer_answer(p, n, true);
        if (n < 0) {
            return n == -1;
        }
        buf_add(&p->got, elo_span_of(bytes, (size_t)n));
    }
}

static inline bool peer_has(const struct peer *p, const char *text)
{
    elo_span got = buf_span(&p->got);
    return got.len > 0 && memmem(got.ptr, got.len, text, strlen(text)) != NULL;
}

/* Waits until `len` bytes have come in all; false: they do not come. */
static inline bool peer_wait(struct peer *p, size_t len)
{
    for (int i = 0; i < RIG_TURNS_MAX; i++) {
        bool open = peer_read(p);
        if (buf_span(&p->got).len >= len) {
            return true;
        }
        if (!open) {
            return false;
        }
        rig_turn(p->rig);
        rig_await(p->rig, p->fd);
    }
    return false;
}

/* Waits for the server's end; false: it does not come. */
static inline bool peer_wait_end(struct peer *p)
{
    return !peer_wait(p, SIZE_MAX) && (p->ended || p->reset || p->alert != 0);
}

/* The server's side of it; NULL: it is gone, or not yet accepted. */
static inline struct conn *peer_conn(const struct peer *p)
{
    struct sockaddr_in at;
    socklen_t len = sizeof at;
    assert_int_equal(getsockname(p->fd, (struct sockaddr *)&at, &len), 0);
    struct conn *c = p->rig->net->all;
    while (c != NULL && c->port != ntohs(at.sin_port)) {
        c = c->all_next;
    }
    return c;
}

/* One step of the handshake. 1: it is done; -1: later; -2: it has failed. */
static inline int peer_shake_step(struct peer *p)
{
    errno = 0;
    int rc = SSL_do_handshake(p->ssl);
    return rc == 1 ? 1 : peer_answer(p, rc, true) == -2 ? -2 : -1;
}

/* Until no worker has it any more. */
static inline void peer_settle(struct peer *p)
{
    struct conn *c;
    for (int i = 0; i < RIG_TURNS_MAX && (c = peer_conn(p)) != NULL && c->shaking; i++) {
        rig_turn(p->rig);
        rig_await(p->rig, -1);
    }
}

static inline bool peer_shake(struct peer *p)
{
    for (int i = 0; i < RIG_TURNS_MAX; i++) {
        int rc = peer_shake_step(p);
        if (rc == 1) {
            peer_settle(p);
            return true;
        }
        if (rc == -2) {
            return false;
        }
        rig_turn(p->rig);
        rig_await(p->rig, p->fd);
    }
    return false;
}

static inline void peer_close(struct peer *p)
{
    SSL_free(p->ssl);
    if (p->fd >= 0) {
        close(p->fd);
    }
    buf_free(&p->got);
    rig_rest(p->rig);
}

/* Sends a CONNECT; the answer is not waited for. */
static inline void peer_say_connect(struct peer *p, const char *client_id)
{
    uint8_t packet[160] = {0x10, 0, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60, 0, 0};
    size_t len = strlen(client_id);
    packet[1] = (uint8_t)(12 + len);
    packet[13] = (uint8_t)len;
    memcpy(packet + 14, client_id, len);
    peer_send(p, packet, 14 + len);
}

/* A device with a good certificate, connected by MQTT and acknowledged. */
static inline void peer_device(struct rig *rig, struct peer *p, const char *client_id)
{
    peer_connect(rig, p, LISTEN_MQTTS);
    peer_secure(p, TLS1_3_VERSION, &rig->device_cert, &rig->device_key);
    assert_true(peer_shake(p));
    peer_say_connect(p, client_id);
    assert_true(peer_wait(p, 4));
    assert_memory_equal(buf_span(&p->got).ptr, "\x20\x02\x00\x00", 4);
    buf_clear(&p->got);
}

#endif
