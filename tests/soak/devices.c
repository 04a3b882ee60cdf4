// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Many devices that connect, publish, drop and come back, for as long as they are told to, and an
 * account of every message.
 *
 *     soak_devices --port N --ca F --identities DIR [--devices N] [--seconds S] [--seed N]
 *
 * Device i has the certificate DIR/i.pem with DIR/i.key, the client id soak-i and a persistent
 * session; it subscribes to soak/i and publishes to soak/(i+1), QoS 1, so every device is publisher
 * and subscriber. Odd ones speak MQTT 5, every third TLS 1.2. Each stays for a while, then leaves
 * in one of three ways - DISCONNECT, end of stream, reset - stays away for a while and comes back
 * to its session. What it had sent and was not acknowledged it sends again.
 *
 * The account: a device numbers what it publishes; its neighbour notes the numbers it gets. At the
 * end nobody drops any more, and everything must have arrived: a number that never came is *lost*;
 * one that came twice is allowed (QoS 1), one that came early also (AWS promises no order), both
 * are counted. A session that is not there any more on return is a failure of its own.
 *
 * One JSON object a line: every ten seconds how it stands, then the final account ("final": true).
 * Exit status: 0 if nothing is lost. The packets are written by hand here, with no code of the
 * server's or the library's: what both get wrong would show.
 *
 * How this works: one thread, epoll, and every ten milliseconds a walk over all devices for what is
 * due. Random numbers come from the seed, so that the plan of a run can be had again.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
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

enum {
    BUFFER = 16384,
    WINDOW = 16,  /* unacknowledged messages of a device */
    EARLY = 4096, /* how far a number may run ahead of one that is missing */
    TICK_MS = 10,
    REPORT_MS = 10000,
    AWAY_MIN_MS = 1500, /* AWS: one connect a second for a client id */
    QUIET_MS = 30000    /* PINGREQ after so much silence */
};

enum state { AWAY, SHAKING, CONNECTING, SUBSCRIBING, ONLINE };

struct sent {
    uint32_t number;
    uint16_t packet_id;
};

struct device {
    SSL *ssl;
    int fd;
    unsigned index;
    bool v5;
    bool wants_write;
    bool known; /* the server has its session */
    enum state state;
    int64_t due_ms; /* AWAY: to come back; else: to drop */
    int64_t publish_ms;
    int64_t said_ms;
    uint32_t number; /* of the last message it published */
    uint16_t next_id;
    struct sent window[WINDOW];
    size_t in_flight;
    uint32_t got; /* every number up to here has arrived */
    uint8_t early[EARLY / 8];
    uint8_t in[BUFFER], out[BUFFER];
    size_t in_len, out_len;
};

static struct {
    long port, devices, seconds, seed;
    long stay_s, away_s, gap_ms;
    const char *ca, *identities;
} args = {.devices = 2000, .seconds = 60, .seed = 1, .stay_s = 60, .away_s = 10, .gap_ms = 2000};

static struct device *devices;
static SSL_CTX *context;
static int epoll_fd;
static int64_t now_ms;
static uint64_t dice;
static bool dropping = true, publishing;

static struct {
    unsigned long connects, refused, published, acknowledged, received, repeated, early;
    unsigned long left, ended, reset, cut, sessions_lost;
    long online;
} count;

_Noreturn static void die(const char *what)
{
    fprintf(stderr, "soak_devices: %s: %s\n", what, errno ? strerror(errno) : "");
    ERR_print_errors_fp(stderr);
    exit(2);
}

static int64_t clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* splitmix64 */
static uint64_t roll(void)
{
    uint64_t z = dice += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Between a half and one and a half of `mean`. */
static int64_t about(int64_t mean)
{
    return mean / 2 + (int64_t)(roll() % (uint64_t)mean);
}

/* --- output -------------------------------------------------------------------------------------
 */

static void watch(struct device *d, bool write)
{
    if (d->wants_write != write) {
        struct epoll_event e = {.events = write ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = d};
        d->wants_write = write;
        epoll_ctl(epoll_fd, EPOLL_CTL_MOD, d->fd, &e);
    }
}

static void gone(struct device *d);

static void flush(struct device *d)
{
    size_t done = 0;
    if (d->out_len == 0 || d->ssl == NULL || d->state == SHAKING) {
        return;
    }
    ERR_clear_error();
    if (SSL_write_ex(d->ssl, d->out, d->out_len, &done) != 1) {
        if (SSL_get_error(d->ssl, 0) == SSL_ERROR_WANT_WRITE) {
            watch(d, true);
        } else {
            count.cut++;
            gone(d);
        }
        return;
    }
    d->out_len -= done;
    memmove(d->out, d->out + done, d->out_len);
    watch(d, d->out_len > 0);
}

/* One packet: first byte, then `len` bytes of body. false: no room now. */
static bool say(struct device *d, uint8_t first, const uint8_t *body, size_t len)
{
    if (len + 5 > BUFFER - d->out_len) {
        return false;
    }
    uint8_t *at = d->out + d->out_len;
    *at++ = first;
    size_t rest = len;
    do {
        *at++ = (uint8_t)((rest & 127) | (rest > 127 ? 128 : 0));
        rest >>= 7;
    } while (rest > 0);
    if (len > 0) {
        memcpy(at, body, len);
    }
    d->out_len = (size_t)(at - d->out) + len;
    d->said_ms = now_ms;
    return true;
}

static size_t put16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
    return 2;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value & 0xffff);
}

static size_t put_text(uint8_t *at, const char *text)
{
    size_t len = strlen(text);
    put16(at, len);
    memcpy(at + 2, text, len);
    return len + 2;
}

static void say_connect(struct device *d)
{
    uint8_t body[128];
    char id[32];
    size_t len = put_text(body, "MQTT");
    body[len++] = d->v5 ? 5 : 4;
    body[len++] = 0; /* clean session or clean start: no */
    len += put16(body + len, 120);
    if (d->v5) {
        body[len++] = 5;    /* properties: */
        body[len++] = 0x11; /* session expiry interval, one hour */
        put32(body + len, 3600);
        len += 4;
    }
    snprintf(id, sizeof id, "soak-%u", d->index);
    len += put_text(body + len, id);
    say(d, 0x10, body, len);
}

static void say_subscribe(struct device *d)
{
    uint8_t body[128];
    char filter[32];
    size_t len = put16(body, 1);
    if (d->v5) {
        body[len++] = 0; /* no properties */
    }
    snprintf(filter, sizeof filter, "soak/%u", d->index);
    len += put_text(body + len, filter);
    body[len++] = 1;
    say(d, 0x82, body, len);
}

static bool say_publish(struct device *d, const struct sent *message)
{
    uint8_t body[512];
    char topic[32];
    snprintf(topic, sizeof topic, "soak/%u", (d->index + 1) % (unsigned)args.devices);
    size_t len = put_text(body, topic);
    len += put16(body + len, message->packet_id);
    if (d->v5) {
        body[len++] = 0;
    }
    size_t payload = 8 + message->number % 200;
    memset(body + len, 'x', payload);
    put32(body + len, d->index);
    put32(body + len + 4, message->number);
    return say(d, 0x32, body, len + payload);
}

/* --- coming and going ---------------------------------------------------------------------------
 */

static void come(struct device *d)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)args.port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    char cert[4096], key[4096];
    int on = 1;
    snprintf(cert, sizeof cert, "%s/%u.pem", args.identities, d->index);
    snprintf(key, sizeof key, "%s/%u.key", args.identities, d->index);
    d->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (d->fd < 0 ||
        (connect(d->fd, (struct sockaddr *)&at, sizeof at) != 0 && errno != EINPROGRESS)) {
        die("connect");
    }
    setsockopt(d->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    int version = d->index % 3 == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
    d->ssl = SSL_new(context);
    if (d->ssl == NULL || SSL_set_fd(d->ssl, d->fd) != 1 ||
        SSL_set_tlsext_host_name(d->ssl, "localhost") != 1 ||
        SSL_set_min_proto_version(d->ssl, version) != 1 ||
        SSL_set_max_proto_version(d->ssl, version) != 1 ||
        SSL_use_certificate_file(d->ssl, cert, SSL_FILETYPE_PEM) != 1 ||
        SSL_use_PrivateKey_file(d->ssl, key, SSL_FILETYPE_PEM) != 1) {
        die("TLS for a device");
    }
    SSL_set_connect_state(d->ssl);
    d->in_len = d->out_len = 0;
    d->state = SHAKING;
    d->wants_write = true;
    d->due_ms = now_ms + about(args.stay_s * 1000);
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT, .data.ptr = d};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, d->fd, &e) != 0) {
        die("epoll");
    }
}

static void gone(struct device *d)
{
    if (d->state == ONLINE) {
        count.online--;
    }
    SSL_free(d->ssl);
    close(d->fd);
    d->ssl = NULL;
    d->state = AWAY;
    d->due_ms = now_ms + AWAY_MIN_MS + (int64_t)(roll() % (uint64_t)(args.away_s * 2000));
}

static void leave(struct device *d)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    switch (roll() % 3) {
    case 0:
        if (say(d, 0xe0, NULL, 0)) {
            flush(d);
        }
        count.left++;
        break;
    case 1:
        count.ended++;
        break;
    default:
        setsockopt(d->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        count.reset++;
        break;
    }
    if (d->state != AWAY) {
        gone(d);
    }
}

static void is_online(struct device *d)
{
    d->state = ONLINE;
    count.online++;
    for (size_t i = 0; i < d->in_flight; i++) {
        say_publish(d, &d->window[i]);
    }
    d->publish_ms = now_ms + about(args.gap_ms);
}

/* --- input --------------------------------------------------------------------------------------
 */

static void on_connack(struct device *d, const uint8_t *body)
{
    if (body[1] != 0) {
        count.refused++;
        gone(d);
        return;
    }
    count.connects++;
    bool present = body[0] & 1;
    if (d->known && !present) {
        count.sessions_lost++;
        fprintf(stderr, "soak_devices: device %u came back and its session was not there\n",
                d->index);
    }
    if (present) {
        is_online(d);
    } else {
        d->state = SUBSCRIBING;
        say_subscribe(d);
    }
}

static void arrived(struct device *d, uint32_t number)
{
    count.received++;
    if (number <= d->got || d->early[number / 8 % (EARLY / 8)] & 1u << number % 8) {
        count.repeated++;
        return;
    }
    if (number - d->got >= EARLY) {
        errno = 0;
        die("a message ran thousands ahead of one that is missing");
    }
    if (number != d->got + 1) {
        count.early++;
    }
    d->early[number / 8 % (EARLY / 8)] |= (uint8_t)(1u << number % 8);
    for (uint32_t next = d->got + 1; d->early[next / 8 % (EARLY / 8)] & 1u << next % 8; next++) {
        d->early[next / 8 % (EARLY / 8)] &= (uint8_t) ~(1u << next % 8);
        d->got = next;
    }
}

/* false: nonsense. */
static bool on_publish(struct device *d, uint8_t first, const uint8_t *body, size_t len)
{
    size_t at = len >= 2 ? 2u + (size_t)(body[0] << 8 | body[1]) : len;
    size_t id_at = at;
    at += (first & 6) ? 2 : 0;
    if (d->v5 && at < len) {
        at += 1u + body[at]; /* properties: what we publish has none */
    }
    if (at + 8 > len) {
        return false;
    }
    uint32_t from = (uint32_t)body[at] << 24 | (uint32_t)body[at + 1] << 16 |
                    (uint32_t)body[at + 2] << 8 | body[at + 3];
    uint32_t number = (uint32_t)body[at + 4] << 24 | (uint32_t)body[at + 5] << 16 |
                      (uint32_t)body[at + 6] << 8 | body[at + 7];
    if ((from + 1) % (unsigned)args.devices != d->index) {
        return false;
    }
    arrived(d, number);
    return !(first & 6) || say(d, 0x40, body + id_at, 2);
}

static void on_puback(struct device *d, const uint8_t *body)
{
    uint16_t id = (uint16_t)(body[0] << 8 | body[1]);
    for (size_t i = 0; i < d->in_flight; i++) {
        if (d->window[i].packet_id == id) {
            count.acknowledged++;
            d->in_flight--;
            memmove(&d->window[i], &d->window[i + 1], (d->in_flight - i) * sizeof d->window[0]);
            return;
        }
    }
}

/* false: nonsense. */
static bool on_packet(struct device *d, uint8_t first, const uint8_t *body, size_t len)
{
    switch (first >> 4) {
    case 2:
        on_connack(d, body);
        return true;
    case 3:
        return d->state == ONLINE ? on_publish(d, first, body, len) : false;
    case 4:
        if (len > 2 && body[2] >= 0x80) {
            fprintf(stderr, "soak_devices: PUBACK 0x%02x\n", body[2]);
            return false;
        }
        on_puback(d, body);
        return true;
    case 9:
        d->known = true;
        is_online(d);
        return body[len - 1] <= 1;
    case 13:
        return true;
    case 14:
        fprintf(stderr, "soak_devices: device %u was told to go: 0x%02x\n", d->index,
                len > 0 ? body[0] : 0);
        return true;
    default:
        return false;
    }
}

static void take_packets(struct device *d)
{
    size_t at = 0;
    while (d->state != AWAY && d->in_len - at >= 2) {
        size_t len = 0, head = 1, shift = 0;
        bool more = true;
        while (more && at + head < d->in_len && head < 5) {
            len |= (size_t)(d->in[at + head] & 127) << shift;
            more = d->in[at + head] & 128;
            shift += 7;
            head++;
        }
        if (more || d->in_len - at < head + len) {
            break;
        }
        if (!on_packet(d, d->in[at], d->in + at + head, len)) {
            errno = 0;
            die("the server sent nonsense");
        }
        at += head + len;
    }
    if (d->state != AWAY) {
        d->in_len -= at;
        memmove(d->in, d->in + at, d->in_len);
    }
}

static void receive(struct device *d)
{
    while (d->state != AWAY) {
        size_t done = 0;
        ERR_clear_error();
        if (SSL_read_ex(d->ssl, d->in + d->in_len, BUFFER - d->in_len, &done) != 1) {
            int error = SSL_get_error(d->ssl, 0);
            if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
                count.cut++;
                gone(d);
            }
            break;
        }
        d->in_len += done;
        take_packets(d);
    }
    if (d->state != AWAY) {
        flush(d);
    }
}

static void on_event(struct device *d)
{
    if (d->state == SHAKING) {
        ERR_clear_error();
        int rc = SSL_do_handshake(d->ssl);
        if (rc != 1) {
            int error = SSL_get_error(d->ssl, rc);
            if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
                watch(d, error == SSL_ERROR_WANT_WRITE);
                return;
            }
            count.refused++;
            gone(d);
            return;
        }
        d->state = CONNECTING;
        say_connect(d);
    }
    flush(d);
    if (d->state != AWAY) {
        receive(d);
    }
}

/* --- the plan -----------------------------------------------------------------------------------
 */

static void what_is_due(struct device *d)
{
    if (d->state == AWAY && now_ms >= d->due_ms) {
        come(d);
        return;
    }
    if (d->state != AWAY && dropping && now_ms >= d->due_ms) {
        leave(d);
        return;
    }
    if (d->state != ONLINE) {
        return;
    }
    if (publishing && now_ms >= d->publish_ms && d->in_flight < WINDOW) {
        struct sent message = {.number = d->number + 1, .packet_id = d->next_id};
        if (say_publish(d, &message)) {
            d->number++;
            d->next_id = d->next_id == 65535 ? 1 : (uint16_t)(d->next_id + 1);
            d->window[d->in_flight++] = message;
            d->publish_ms = now_ms + about(args.gap_ms);
            count.published++;
        }
    }
    if (now_ms - d->said_ms > QUIET_MS) {
        say(d, 0xc0, NULL, 0);
    }
    flush(d);
}

static void run_until(int64_t end_ms, bool (*enough)(void))
{
    static int64_t tick, report;
    struct epoll_event ready[256];
    while (now_ms < end_ms && (enough == NULL || !enough())) {
        int n = epoll_wait(epoll_fd, ready, 256, TICK_MS);
        now_ms = clock_ms();
        for (int i = 0; i < n; i++) {
            struct device *d = ready[i].data.ptr;
            if (d->state != AWAY) {
                on_event(d);
            }
        }
        if (now_ms - tick >= TICK_MS) {
            tick = now_ms;
            for (long i = 0; i < args.devices; i++) {
                what_is_due(&devices[i]);
            }
        }
        if (now_ms - report >= REPORT_MS) {
            report = now_ms;
            printf("{\"at_ms\":%lld,\"online\":%ld,\"connects\":%lu,\"published\":%lu,"
                   "\"acknowledged\":%lu,\"received\":%lu,\"refused\":%lu,\"cut\":%lu}\n",
                   (long long)now_ms, count.online, count.connects, count.published,
                   count.acknowledged, count.received, count.refused, count.cut);
            fflush(stdout);
        }
    }
}

static bool everyone_is_known(void)
{
    return count.online == args.devices;
}

static bool everything_has_arrived(void)
{
    for (long i = 0; i < args.devices; i++) {
        const struct device *d = &devices[i];
        if (d->in_flight > 0 || devices[(i + 1) % args.devices].got != d->number) {
            return false;
        }
    }
    return true;
}

static unsigned long lost(void)
{
    unsigned long n = 0;
    for (long i = 0; i < args.devices; i++) {
        const struct device *to = &devices[(i + 1) % args.devices];
        for (uint32_t k = to->got + 1; k <= devices[i].number; k++) {
            n += !(to->early[k / 8 % (EARLY / 8)] & 1u << k % 8);
        }
    }
    return n;
}

/* --- the beginning and the end ------------------------------------------------------------------
 */

static void parse(int argc, char **argv)
{
    const struct {
        const char *name;
        long *number;
        const char **text;
    } options[] = {{"--port", &args.port, NULL},
                   {"--devices", &args.devices, NULL},
                   {"--seconds", &args.seconds, NULL},
                   {"--seed", &args.seed, NULL},
                   {"--stay", &args.stay_s, NULL},
                   {"--away", &args.away_s, NULL},
                   {"--gap-ms", &args.gap_ms, NULL},
                   {"--ca", NULL, &args.ca},
                   {"--identities", NULL, &args.identities}};
    for (int i = 1; i + 1 < argc; i += 2) {
        for (size_t o = 0; o < sizeof options / sizeof options[0]; o++) {
            if (strcmp(argv[i], options[o].name) == 0 && options[o].number != NULL) {
                *options[o].number = strtol(argv[i + 1], NULL, 10);
            } else if (strcmp(argv[i], options[o].name) == 0) {
                *options[o].text = argv[i + 1];
            }
        }
    }
    if (args.port <= 0 || args.ca == NULL || args.identities == NULL || args.devices < 2 ||
        args.stay_s < 1 || args.away_s < 1 || args.gap_ms < 2) {
        fputs("soak_devices: see the top of tests/soak/devices.c\n", stderr);
        exit(2);
    }
}

static void prepare(void)
{
    struct rlimit files;
    signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    context = SSL_CTX_new(TLS_client_method());
    if (context == NULL || SSL_CTX_load_verify_locations(context, args.ca, NULL) != 1) {
        die("TLS");
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    devices = calloc((size_t)args.devices, sizeof *devices);
    if (epoll_fd < 0 || devices == NULL) {
        die("memory");
    }
    dice = (uint64_t)args.seed;
    now_ms = clock_ms();
    for (long i = 0; i < args.devices; i++) {
        devices[i] = (struct device){.index = (unsigned)i, .v5 = i & 1, .next_id = 1};
        devices[i].due_ms = now_ms + i * 10; /* a hundred new ones a second */
    }
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    prepare();
    dropping = false;
    run_until(now_ms + 600000, everyone_is_known);
    if (!everyone_is_known()) {
        errno = 0;
        die("not every device got its first connection in ten minutes");
    }
    publishing = dropping = true;
    for (long i = 0; i < args.devices; i++) {
        devices[i].due_ms = now_ms + (int64_t)(roll() % (uint64_t)(args.stay_s * 1000));
        devices[i].publish_ms = now_ms + about(args.gap_ms);
    }
    run_until(now_ms + args.seconds * 1000, NULL);
    publishing = dropping = false;
    run_until(now_ms + 300000, everything_has_arrived);
    unsigned long missing = lost();
    printf("{\"final\":true,\"devices\":%ld,\"connects\":%lu,\"published\":%lu,"
           "\"acknowledged\":%lu,\"received\":%lu,\"repeated\":%lu,\"early\":%lu,"
           "\"disconnects\":%lu,\"ends\":%lu,\"resets\":%lu,\"cut_by_server\":%lu,\"refused\":%lu,"
           "\"sessions_lost\":%lu,\"lost\":%lu}\n",
           args.devices, count.connects, count.published, count.acknowledged, count.received,
           count.repeated, count.early, count.left, count.ended, count.reset, count.cut,
           count.refused, count.sessions_lost, missing);
    return missing == 0 && count.sessions_lost == 0 ? 0 : 1;
}
