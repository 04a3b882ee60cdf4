// links: elo_mqtt openssl
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The load that brokers are measured with: many mutual-TLS connections from one thread, and the
 * broker's own CPU time read from /proc while they run.
 *
 *     bench_load MODE --port N --ca F --cert F --key F --pid PID [options]
 *
 *     fanin     N publishers, one subscriber of everything          --count N      (100)
 *     fanout    one publisher, N subscribers                        --qos 0|1      (0)
 *     pairs     N publishers, each with a subscriber of its own     --window W     (10)
 *     idle      N connections that say nothing                      --seconds S    (5)
 *     connect   full handshakes, CONNECT and DISCONNECT             --tls 1.2|1.3  (1.3)
 *                                                                   --payload B    (100)
 *
 * Closed loop: a publisher has at most W messages that not every subscriber has received yet.
 * Prints one JSON object: messages delivered, CPU microseconds of PID per message, messages a
 * second; for idle the resident kilobytes per connection; for connect the CPU per connection.
 *
 * How this works: a table of connections, epoll, level-triggered. Each connection has an input
 * buffer that frames are cut from and an output buffer that is written when the socket takes it;
 * many packets leave in one record, so the generator is not what is measured.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "elo/base/bytes.h"
#include "elo/mqtt/decode.h"
#include "elo/mqtt/encode.h"

enum { BUFFER = 65536, MAX_PAYLOAD = 4096 };

enum role { PUBLISHER, SUBSCRIBER, QUIET };

struct peer {
    SSL *ssl;
    int fd;
    enum role role;
    unsigned index;
    bool handshaken, ready; /* CONNACK, and SUBACK for subscribers */
    bool wants_write;
    bool again; /* OpenSSL holds bytes that were not read yet */
    long owed;  /* publisher: deliveries of its messages still to come */
    uint16_t next_id;
    uint8_t *in, *out;
    size_t in_len, out_at, out_len;
};

static struct {
    const char *mode, *ca, *cert, *key, *tls;
    long port, pid, count, qos, window, seconds, payload;
} args = {.tls = "1.3", .count = 100, .window = 10, .seconds = 5, .payload = 100};

static struct peer *peers;
static size_t peer_count;
static long fan = 1; /* deliveries per message */
static long delivered;
static size_t ready_count;
static int epoll_fd;
static SSL_CTX *context;
static bool later;              /* some peer has `again` */
static struct peer *publishers; /* the first of them in `peers` */

static void die(const char *what)
{
    fprintf(stderr, "bench_load: %s: %s\n", what, errno ? strerror(errno) : "");
    ERR_print_errors_fp(stderr);
    exit(1);
}

/* --- the measured process ------------------------------------------------------------------------
 */

/* Seconds on a CPU, all threads, in steps of the clock tick (10 ms). */
static double process_cpu_s(void)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%ld/stat", args.pid);
    FILE *f = fopen(path, "r");
    if (f == NULL || fgets(text, sizeof text, f) == NULL) {
        die("cannot read the broker's CPU time");
    }
    fclose(f);
    unsigned long user = 0, system = 0;
    const char *after = strrchr(text, ')');
    if (after == NULL || sscanf(after + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                                &user, &system) != 2) {
        die("cannot understand the broker's CPU time");
    }
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static long process_rss_kb(void)
{
    char path[64], line[256];
    long kb = 0;
    snprintf(path, sizeof path, "/proc/%ld/status", args.pid);
    FILE *f = fopen(path, "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        sscanf(line, "VmRSS: %ld kB", &kb);
    }
    if (f != NULL) {
        fclose(f);
    }
    return kb;
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --- connections ---------------------------------------------------------------------------------
 */

static void watch(struct peer *p, bool write)
{
    if (p->wants_write != write) {
        struct epoll_event e = {.events = write ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = p};
        p->wants_write = write;
        epoll_ctl(epoll_fd, EPOLL_CTL_MOD, p->fd, &e);
    }
}

static void open_peer(struct peer *p, enum role role, unsigned index)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)args.port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int on = 1;
    *p = (struct peer){.role = role, .index = index, .next_id = 1};
    p->in = malloc(BUFFER);
    p->out = malloc(BUFFER);
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (p->in == NULL || p->out == NULL || p->fd < 0 ||
        connect(p->fd, (struct sockaddr *)&at, sizeof at) != 0) {
        die("connect");
    }
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(p->fd, F_SETFL, O_NONBLOCK);
    p->ssl = SSL_new(context);
    if (p->ssl == NULL || SSL_set_fd(p->ssl, p->fd) != 1 ||
        SSL_set_tlsext_host_name(p->ssl, "localhost") != 1) {
        die("SSL");
    }
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT, .data.ptr = p};
    p->wants_write = true;
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, p->fd, &e) != 0) {
        die("epoll");
    }
}

static void close_peer(struct peer *p)
{
    SSL_free(p->ssl);
    close(p->fd);
    free(p->in);
    free(p->out);
}

static void flush(struct peer *p)
{
    while (p->out_at < p->out_len) {
        size_t done = 0;
        ERR_clear_error();
        if (SSL_write_ex(p->ssl, p->out + p->out_at, p->out_len - p->out_at, &done) != 1) {
            if (SSL_get_error(p->ssl, 0) == SSL_ERROR_WANT_WRITE) {
                watch(p, true);
                return;
            }
            die("the broker closed a connection while we wrote");
        }
        p->out_at += done;
    }
    p->out_at = p->out_len = 0;
    watch(p, false);
}

static size_t room(const struct peer *p)
{
    return BUFFER - p->out_len;
}

/* `len` by address: the call that sets it is the argument before it. */
static void wrote(struct peer *p, elo_err err, const size_t *len)
{
    if (err != ELO_OK) {
        errno = 0;
        die("a packet did not fit");
    }
    p->out_len += *len;
}

static void say_connect(struct peer *p)
{
    char id[40];
    size_t len = 0;
    int n = snprintf(id, sizeof id, "bench-%ld-%d-%u", (long)getpid(), (int)p->role, p->index);
    struct elo_mqtt_connect c = {.level = 4,
                                 .clean_session = true,
                                 .keep_alive_s = 1200,
                                 .client_id = elo_span_of(id, (size_t)n)};
    wrote(p, elo_mqtt_encode_connect(&c, p->out + p->out_len, room(p), &len), &len);
}

static void say_subscribe(struct peer *p)
{
    char filter[64];
    size_t len = 0;
    if (strcmp(args.mode, "pairs") == 0) {
        snprintf(filter, sizeof filter, "bench/load/%u", p->index);
    } else {
        snprintf(filter, sizeof filter, "bench/load/#");
    }
    struct elo_mqtt_subscription sub = {elo_span_str(filter), (uint8_t)args.qos};
    wrote(p, elo_mqtt_encode_subscribe(1, &sub, 1, p->out + p->out_len, room(p), &len), &len);
}

/* As many messages as the window allows. The payload begins with the publisher's index. */
static void publish(struct peer *p)
{
    static uint8_t payload[MAX_PAYLOAD];
    char topic[64];
    snprintf(topic, sizeof topic, "bench/load/%u", p->index);
    while (p->owed <= (args.window - 1) * fan && room(p) > (size_t)args.payload + 128) {
        size_t len = 0;
        elo_wr32be(payload, p->index);
        struct elo_mqtt_publish m = {.topic = elo_span_str(topic),
                                     .payload = elo_span_of(payload, (size_t)args.payload),
                                     .qos = (uint8_t)args.qos,
                                     .packet_id = args.qos ? p->next_id : 0};
        wrote(p, elo_mqtt_encode_publish(&m, p->out + p->out_len, room(p), &len), &len);
        p->next_id = p->next_id == 65535 ? 1 : (uint16_t)(p->next_id + 1);
        p->owed += fan;
    }
}

static void on_publish(struct peer *p, const struct elo_mqtt_publish *m)
{
    delivered++;
    struct peer *from = &publishers[elo_rd32be(m->payload.ptr)];
    from->owed--;
    if (m->qos == 1) {
        size_t len = 0;
        wrote(
            p,
            elo_mqtt_encode_ack(ELO_MQTT_PUBACK, m->packet_id, p->out + p->out_len, room(p), &len),
            &len);
    }
    if (from->ready && from->owed <= (args.window - 1) * fan / 2) {
        publish(from); /* half a window at a time, as a busy publisher's socket would have it */
        flush(from);
    }
}

static void on_packet(struct peer *p, const struct elo_mqtt_packet *packet)
{
    switch (packet->type) {
    case ELO_MQTT_CONNACK:
        if (packet->u.connack.code != 0) {
            die("CONNACK says no");
        }
        if (p->role == SUBSCRIBER) {
            say_subscribe(p);
            break;
        }
        p->ready = true;
        ready_count++;
        break;
    case ELO_MQTT_SUBACK:
        if (packet->u.suback.codes.ptr[0] > 1) {
            die("SUBACK says no");
        }
        p->ready = true;
        ready_count++;
        break;
    case ELO_MQTT_PUBLISH:
        on_publish(p, &packet->u.publish);
        break;
    default:
        break; /* PUBACK */
    }
}

static void take_packets(struct peer *p)
{
    elo_span in = elo_span_of(p->in, p->in_len);
    struct elo_mqtt_frame frame;
    struct elo_mqtt_packet packet;
    while (elo_mqtt_frame(in, BUFFER, &frame) == ELO_OK && frame.total <= in.len) {
        if (elo_mqtt_decode(elo_span_first(in, frame.total), &packet) != ELO_OK) {
            die("the broker sent nonsense");
        }
        on_packet(p, &packet);
        in = elo_span_from(in, frame.total);
    }
    memmove(p->in, in.ptr, in.len);
    p->in_len = in.len;
}

static void receive(struct peer *p)
{
    /* Bounded: a broker that sends as fast as we read must not keep the others waiting. */
    for (int round = 0; round < 64; round++) {
        size_t done = 0;
        ERR_clear_error();
        if (SSL_read_ex(p->ssl, p->in + p->in_len, BUFFER - p->in_len, &done) != 1) {
            int error = SSL_get_error(p->ssl, 0);
            if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
                break;
            }
            errno = 0;
            die("the broker closed a connection");
        }
        p->in_len += done;
        take_packets(p);
    }
    flush(p);
    if (SSL_has_pending(p->ssl)) {
        later = true; /* epoll does not know of it */
        p->again = true;
    }
}

static void on_event(struct peer *p)
{
    if (!p->handshaken) {
        ERR_clear_error();
        int rc = SSL_connect(p->ssl);
        if (rc != 1) {
            int error = SSL_get_error(p->ssl, rc);
            if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
                die("handshake");
            }
            watch(p, error == SSL_ERROR_WANT_WRITE);
            return;
        }
        p->handshaken = true;
        say_connect(p);
    }
    if (p->out_len > p->out_at) {
        flush(p);
    }
    receive(p);
}

static void turn(int timeout_ms)
{
    struct epoll_event events[256];
    if (later) {
        later = false;
        timeout_ms = 0;
        for (size_t i = 0; i < peer_count; i++) {
            if (peers[i].again) {
                peers[i].again = false;
                receive(&peers[i]);
            }
        }
    }
    int n = epoll_wait(epoll_fd, events, 256, timeout_ms);
    for (int i = 0; i < n; i++) {
        on_event(events[i].data.ptr);
    }
}

static void until_ready(size_t wanted)
{
    double start = now_s();
    while (ready_count < wanted) {
        turn(1000);
        if (now_s() - start > 120) {
            errno = 0;
            die("not every connection was accepted in two minutes");
        }
    }
}

/* --- the modes -----------------------------------------------------------------------------------
 */

static void measure_flow(void)
{
    bool fanin = strcmp(args.mode, "fanin") == 0, fanout = strcmp(args.mode, "fanout") == 0;
    size_t pubs = fanout ? 1 : (size_t)args.count, subs = fanin ? 1 : (size_t)args.count;
    fan = fanout ? args.count : 1;
    peers = calloc(pubs + subs, sizeof *peers);
    if (peers == NULL) {
        die("memory");
    }
    publishers = peers + subs;
    for (unsigned i = 0; i < subs; i++) {
        open_peer(&peers[i], SUBSCRIBER, i);
        until_ready(++peer_count);
    }
    for (unsigned i = 0; i < pubs; i++) {
        open_peer(&publishers[i], PUBLISHER, i);
        until_ready(++peer_count);
    }
    for (size_t i = 0; i < pubs; i++) {
        publish(&publishers[i]);
        flush(&publishers[i]);
    }
    double warm = now_s() + 1;
    while (now_s() < warm) {
        turn(100);
    }
    double cpu = process_cpu_s(), start = now_s();
    long before = delivered;
    while (now_s() < start + (double)args.seconds) {
        turn(100);
    }
    double elapsed = now_s() - start, used = process_cpu_s() - cpu;
    double messages = (double)(delivered - before);
    if (messages == 0) {
        errno = 0;
        die("no message came through");
    }
    printf("{\"mode\":\"%s\",\"qos\":%ld,\"messages\":%.0f,\"cpu_us_per_message\":%.3f,"
           "\"messages_per_second\":%.0f,\"messages_per_cpu_second\":%.0f}\n",
           args.mode, args.qos, messages, used * 1e6 / messages, messages / elapsed,
           used > 0 ? messages / used : 0);
}

static void measure_idle(void)
{
    peers = calloc((size_t)args.count + 1, sizeof *peers);
    if (peers == NULL) {
        die("memory");
    }
    open_peer(&peers[0], QUIET, 0);
    until_ready(1);
    long before = process_rss_kb();
    for (unsigned i = 1; i <= args.count; i++) {
        open_peer(&peers[i], QUIET, i);
        until_ready(i + 1);
    }
    double rest = now_s() + 1;
    while (now_s() < rest) {
        turn(100);
    }
    long after = process_rss_kb();
    printf("{\"mode\":\"idle\",\"connections\":%ld,\"rss_kb\":%ld,\"kb_per_connection\":%.2f}\n",
           args.count, after, (double)(after - before) / (double)args.count);
}

static void measure_connect(void)
{
    struct peer p;
    double cpu = process_cpu_s(), start = now_s();
    for (unsigned i = 0; i < args.count; i++) {
        open_peer(&p, QUIET, i);
        until_ready(i + 1);
        close_peer(&p);
    }
    double elapsed = now_s() - start, used = process_cpu_s() - cpu;
    printf("{\"mode\":\"connect\",\"connects\":%ld,\"cpu_us_per_connect\":%.1f,"
           "\"connects_per_second\":%.1f}\n",
           args.count, used * 1e6 / (double)args.count, (double)args.count / elapsed);
}

static void parse(int argc, char **argv)
{
    static const struct {
        const char *name;
        long *number;
        const char **text;
    } options[] = {{"--port", &args.port, NULL},       {"--pid", &args.pid, NULL},
                   {"--count", &args.count, NULL},     {"--qos", &args.qos, NULL},
                   {"--window", &args.window, NULL},   {"--seconds", &args.seconds, NULL},
                   {"--payload", &args.payload, NULL}, {"--ca", NULL, &args.ca},
                   {"--cert", NULL, &args.cert},       {"--key", NULL, &args.key},
                   {"--tls", NULL, &args.tls}};
    args.mode = argc > 1 ? argv[1] : "";
    for (int i = 2; i + 1 < argc; i += 2) {
        for (size_t o = 0; o < sizeof options / sizeof options[0]; o++) {
            if (strcmp(argv[i], options[o].name) == 0 && options[o].number != NULL) {
                *options[o].number = strtol(argv[i + 1], NULL, 10);
            } else if (strcmp(argv[i], options[o].name) == 0) {
                *options[o].text = argv[i + 1];
            }
        }
    }
    if (args.port <= 0 || args.pid <= 0 || args.ca == NULL || args.cert == NULL ||
        args.key == NULL || args.payload < 4 || args.payload > MAX_PAYLOAD) {
        fputs("bench_load: see the top of bench/bench_load.c\n", stderr);
        exit(2);
    }
}

static void prepare_tls(void)
{
    int version = strcmp(args.tls, "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
    context = SSL_CTX_new(TLS_client_method());
    if (context == NULL || SSL_CTX_load_verify_locations(context, args.ca, NULL) != 1 ||
        SSL_CTX_use_certificate_chain_file(context, args.cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, args.key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_set_min_proto_version(context, version) != 1 ||
        SSL_CTX_set_max_proto_version(context, version) != 1 ||
        SSL_CTX_set_cipher_list(context, "ECDHE-ECDSA-AES128-GCM-SHA256") != 1 ||
        SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") != 1) {
        errno = 0;
        die("TLS");
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
}

int main(int argc, char **argv)
{
    struct rlimit files;
    parse(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    prepare_tls();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (strcmp(args.mode, "idle") == 0) {
        measure_idle();
    } else if (strcmp(args.mode, "connect") == 0) {
        measure_connect();
    } else {
        measure_flow();
    }
    return 0;
}
