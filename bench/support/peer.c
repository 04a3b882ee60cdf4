// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a table of peers, epoll, level-triggered. Each peer has an input buffer that
 * frames are cut from and an output buffer that is written when the socket takes it. What comes is
 * read with as little work as a correct client can do, for the generator shares two cores with the
 * process it measures.
 */
#include "bench/support/peer.h"

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

#include "elo/base/bytes.h"
#include "elo/mqtt/decode.h"
#include "elo/mqtt/encode.h"

struct load_args args = {.tls = "1.3",
                         .topic = "bench/load",
                         .count = 100,
                         .window = 10,
                         .seconds = 5,
                         .payload = 100,
                         .rate = 5000,
                         .messages = 100000,
                         .parallel = 1,
                         .verify = 1};

static struct load_events events;
static struct peer *peers;
static size_t peer_count;
static size_t ready_count;
static int epoll_fd;
static SSL_CTX *context;
static bool later; /* some peer has `again` */

_Noreturn void load_die(const char *what)
{
    fprintf(stderr, "bench: %s: %s\n", what, errno ? strerror(errno) : "");
    ERR_print_errors_fp(stderr);
    exit(1);
}

/* --- the measured process -----------------------------------------------------------------------
 */

double load_cpu_s(void)
{
    clockid_t clock;
    struct timespec t;
    if (clock_getcpuclockid((pid_t)args.pid, &clock) != 0 || clock_gettime(clock, &t) != 0) {
        load_die("cannot read the broker's CPU time");
    }
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

long load_rss_kb(void)
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

int64_t load_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* --- connections --------------------------------------------------------------------------------
 */

static void watch(struct peer *p, bool write)
{
    if (p->wants_write != write) {
        struct epoll_event e = {.events = write ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = p};
        p->wants_write = write;
        epoll_ctl(epoll_fd, EPOLL_CTL_MOD, p->fd, &e);
    }
}

struct peer *load_peers(size_t count)
{
    peers = calloc(count, sizeof *peers);
    if (peers == NULL) {
        load_die("memory");
    }
    peer_count = count;
    return peers;
}

void peer_prepare(struct peer *p, bool retain)
{
    static uint8_t payload[PEER_MAX_PAYLOAD];
    size_t len = 0;
    struct elo_mqtt_publish m = {.topic = elo_span_str(p->topic),
                                 .payload = elo_span_of(payload, (size_t)args.payload),
                                 .qos = (uint8_t)args.qos,
                                 .packet_id = args.qos ? 1 : 0,
                                 .retain = retain};
    free(p->packet);
    p->packet = malloc((size_t)args.payload + 128);
    if (p->packet == NULL ||
        elo_mqtt_encode_publish(&m, p->packet, (size_t)args.payload + 128, &len) != ELO_OK) {
        load_die("memory");
    }
    p->packet_len = len;
    p->payload_at = len - (size_t)args.payload;
    p->id_at = p->payload_at - 2;
    elo_wr32be(p->packet + p->payload_at, p->index);
}

void peer_open(struct peer *p)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)args.port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int on = 1;
    p->handshaken = p->ready = p->again = false;
    p->next_id = 1;
    p->in_len = p->out_at = p->out_len = 0;
    p->in = p->in ? p->in : malloc(PEER_BUFFER);
    p->out = p->out ? p->out : malloc(PEER_BUFFER);
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (p->in == NULL || p->out == NULL || p->fd < 0 ||
        connect(p->fd, (struct sockaddr *)&at, sizeof at) != 0) {
        load_die("connect");
    }
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(p->fd, F_SETFL, O_NONBLOCK);
    p->ssl = SSL_new(context);
    if (p->ssl == NULL || SSL_set_fd(p->ssl, p->fd) != 1 ||
        SSL_set_tlsext_host_name(p->ssl, "localhost") != 1) {
        load_die("SSL");
    }
    SSL_set_connect_state(p->ssl);
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT, .data.ptr = p};
    p->wants_write = true;
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, p->fd, &e) != 0) {
        load_die("epoll");
    }
}

void peer_close(struct peer *p)
{
    SSL_free(p->ssl);
    close(p->fd);
    p->ssl = NULL;
    p->again = false;
}

void peer_flush(struct peer *p)
{
    while (p->out_at < p->out_len) {
        size_t done = 0;
        ERR_clear_error();
        if (SSL_write_ex(p->ssl, p->out + p->out_at, p->out_len - p->out_at, &done) != 1) {
            if (SSL_get_error(p->ssl, 0) == SSL_ERROR_WANT_WRITE) {
                watch(p, true);
                return;
            }
            load_die("the broker closed a connection while we wrote");
        }
        p->out_at += done;
    }
    p->out_at = p->out_len = 0;
    watch(p, false);
}

static size_t room(const struct peer *p)
{
    return PEER_BUFFER - p->out_len;
}

/* `len` by address: the call that sets it is the argument before it. */
static void wrote(struct peer *p, elo_err err, const size_t *len)
{
    if (err != ELO_OK) {
        errno = 0;
        load_die("a packet did not fit");
    }
    p->out_len += *len;
}

static void say_connect(struct peer *p)
{
    char id[48];
    size_t len = 0;
    snprintf(id, sizeof id, "bench-%ld-%c-%u", (long)getpid(), p->role, p->index);
    struct elo_mqtt_connect c = {.level = 4,
                                 .clean_session = !p->persistent,
                                 .keep_alive_s = 1200,
                                 .client_id = elo_span_str(p->client_id ? p->client_id : id)};
    wrote(p, elo_mqtt_encode_connect(&c, p->out + p->out_len, room(p), &len), &len);
}

static void say_subscribe(struct peer *p)
{
    size_t len = 0;
    struct elo_mqtt_subscription sub = {.filter = elo_span_str(p->topic), .qos = (uint8_t)args.qos};
    wrote(p, elo_mqtt_encode_subscribe(1, &sub, 1, p->out + p->out_len, room(p), &len), &len);
}

bool peer_publish(struct peer *p, uint64_t stamp)
{
    if (p->packet == NULL) {
        peer_prepare(p, false);
    }
    if (room(p) < p->packet_len) {
        return false;
    }
    if (args.qos != 0) {
        elo_wr16be(p->packet + p->id_at, p->next_id);
        p->next_id = p->next_id == 65535 ? 1 : (uint16_t)(p->next_id + 1);
    }
    if (args.payload >= 12) {
        elo_wr32be(p->packet + p->payload_at + 4, (uint32_t)(stamp >> 32));
        elo_wr32be(p->packet + p->payload_at + 8, (uint32_t)stamp);
    }
    memcpy(p->out + p->out_len, p->packet, p->packet_len);
    p->out_len += p->packet_len;
    return true;
}

void peer_disconnect(struct peer *p)
{
    size_t len = 0;
    wrote(p, elo_mqtt_encode_empty(ELO_MQTT_DISCONNECT, p->out + p->out_len, room(p), &len), &len);
    peer_flush(p);
}

/* --- what comes ---------------------------------------------------------------------------------
 */

static void on_publish(struct peer *p, elo_span packet, const struct elo_mqtt_frame *frame)
{
    elo_span body = elo_span_from(packet, frame->header_len);
    size_t head = 2u + elo_rd16be(body.ptr) + (frame->flags & 6 ? 2u : 0u);
    if (head > body.len) {
        errno = 0;
        load_die("the broker sent nonsense");
    }
    if (frame->flags & 6) {
        if (room(p) < 4) {
            peer_flush(p);
        }
        if (room(p) < 4) {
            errno = 0;
            load_die("no room for a PUBACK");
        }
        uint8_t *ack = p->out + p->out_len;
        ack[0] = ELO_MQTT_PUBACK << 4;
        ack[1] = 2;
        memcpy(ack + 2, body.ptr + head - 2, 2);
        p->out_len += 4;
    }
    events.on_publish(p, elo_span_from(body, head));
}

static void became_ready(struct peer *p)
{
    p->ready = true;
    ready_count++;
}

static void on_packet(struct peer *p, elo_span packet, const struct elo_mqtt_frame *frame)
{
    switch (frame->type) {
    case ELO_MQTT_CONNACK:
        if (packet.ptr[3] != 0) {
            load_die("CONNACK says no");
        }
        if (p->subscribes) {
            say_subscribe(p);
        } else {
            became_ready(p);
        }
        break;
    case ELO_MQTT_SUBACK:
        if (packet.ptr[4] > 1) {
            load_die("SUBACK says no");
        }
        became_ready(p);
        break;
    case ELO_MQTT_PUBLISH:
        on_publish(p, packet, frame);
        break;
    case ELO_MQTT_PUBACK:
        events.on_puback(p);
        break;
    default:
        break;
    }
}

static void take_packets(struct peer *p)
{
    elo_span in = elo_span_of(p->in, p->in_len);
    struct elo_mqtt_frame frame;
    while (elo_mqtt_frame(in, PEER_BUFFER, &frame) == ELO_OK && frame.total <= in.len) {
        on_packet(p, elo_span_first(in, frame.total), &frame);
        in = elo_span_from(in, frame.total);
    }
    if (in.len > 0) {
        memmove(p->in, in.ptr, in.len);
    }
    p->in_len = in.len;
}

static void receive(struct peer *p)
{
    /* Bounded: a broker that sends as fast as we read must not keep the others waiting. */
    for (int round = 0; round < 64; round++) {
        size_t done = 0;
        ERR_clear_error();
        if (SSL_read_ex(p->ssl, p->in + p->in_len, PEER_BUFFER - p->in_len, &done) != 1) {
            int error = SSL_get_error(p->ssl, 0);
            if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
                break;
            }
            errno = 0;
            load_die("the broker closed a connection");
        }
        p->in_len += done;
        take_packets(p);
    }
    peer_flush(p);
    if (SSL_has_pending(p->ssl)) {
        later = true; /* epoll does not know of it */
        p->again = true;
    }
}

static void on_event(struct peer *p)
{
    if (!p->handshaken) {
        ERR_clear_error();
        int rc = SSL_do_handshake(p->ssl);
        if (rc != 1) {
            int error = SSL_get_error(p->ssl, rc);
            if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
                load_die("handshake");
            }
            watch(p, error == SSL_ERROR_WANT_WRITE);
            return;
        }
        p->handshaken = true;
        say_connect(p);
    }
    if (p->out_len > p->out_at) {
        peer_flush(p);
    }
    receive(p);
}

void load_turn(int64_t timeout_ns)
{
    struct epoll_event ready[256];
    if (later) {
        later = false;
        timeout_ns = 0;
        for (size_t i = 0; i < peer_count; i++) {
            if (peers[i].again) {
                peers[i].again = false;
                receive(&peers[i]);
            }
        }
    }
    struct timespec wait = {.tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000};
    int n = epoll_pwait2(epoll_fd, ready, 256, &wait, NULL);
    for (int i = 0; i < n; i++) {
        on_event(ready[i].data.ptr);
    }
}

size_t load_ready_count(void)
{
    return ready_count;
}

void load_until_ready(size_t wanted)
{
    int64_t start = load_now_ns();
    while (ready_count < wanted) {
        load_turn(1000000000);
        if (load_now_ns() - start > 120000000000) {
            errno = 0;
            load_die("not every connection was accepted in two minutes");
        }
    }
}

/* --- the beginning ------------------------------------------------------------------------------
 */

static void parse(int argc, char **argv)
{
    static const struct {
        const char *name;
        long *number;
        const char **text;
    } options[] = {{"--port", &args.port, NULL},         {"--pid", &args.pid, NULL},
                   {"--count", &args.count, NULL},       {"--qos", &args.qos, NULL},
                   {"--window", &args.window, NULL},     {"--seconds", &args.seconds, NULL},
                   {"--payload", &args.payload, NULL},   {"--rate", &args.rate, NULL},
                   {"--parallel", &args.parallel, NULL}, {"--ca", NULL, &args.ca},
                   {"--messages", &args.messages, NULL}, {"--cert", NULL, &args.cert},
                   {"--key", NULL, &args.key},           {"--tls", NULL, &args.tls},
                   {"--topic", NULL, &args.topic}};
    bool known = argc > 1;
    args.mode = argc > 1 ? argv[1] : "";
    for (int i = 2; i < argc; i += 2) {
        size_t o = 0, n = sizeof options / sizeof options[0];
        while (o < n && strcmp(argv[i], options[o].name) != 0) {
            o++;
        }
        if (o == n || i + 1 == argc) {
            known = false;
            break;
        }
        if (options[o].number != NULL) {
            *options[o].number = strtol(argv[i + 1], NULL, 10);
        } else {
            *options[o].text = argv[i + 1];
        }
    }
    if (!known || args.port <= 0 || args.pid <= 0 || args.ca == NULL || args.cert == NULL ||
        args.key == NULL || args.payload < 4 || args.payload > PEER_MAX_PAYLOAD) {
        fprintf(stderr, "bench: see the top of %s.c in bench/\n", argv[0]);
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
        load_die("TLS");
    }
    /* Not checking the server halves what a connect costs the client, and it is the server that is
     * measured; that it can be checked is other programs' business. */
    SSL_CTX_set_verify(context, args.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (args.count > 1000) {
        SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    }
    SSL_CTX_set_read_ahead(context, 1);
}

void load_init(int argc, char **argv, const struct load_events *what)
{
    struct rlimit files;
    parse(argc, argv);
    events = *what;
    signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    prepare_tls();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0) {
        load_die("epoll");
    }
}
