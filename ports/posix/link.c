// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a small state machine above three engines that never block.
 *
 *      IDLE --client wants OPEN--> CONNECTING --TCP--> SHAKING --TLS ready--> OPEN
 *        ^                             |                  |                    |
 *        |<---- failed: the client is told why, and decides when to try again--+
 *        |                                                                     |
 *        +<-- peer is done, or 1 s --- CLOSING <--- client wants CLOSED -------+
 *
 * A step is work(), poll(), work(). The first work leaves nothing undone that could be done without
 * waiting, so poll may sleep; what it wakes for is done by the second. As soon as the client has
 * been given something it may have events, so the step goes back to the owner without sleeping.
 *
 * CLOSING sends what TLS still holds, then half-closes and waits for the peer: closing a socket
 * with unread bytes in it would reset the connection and could take the MQTT DISCONNECT along.
 */
#include "ports/posix/link.h"

#include "elo/base/assert.h"
#include "ports/posix/clock.h"
#include "ports/posix/entropy.h"

#include <errno.h>

enum state { IDLE, CONNECTING, SHAKING, OPEN, CLOSING };

#define CONNECT_TIMEOUT_MS   10000u
#define HANDSHAKE_TIMEOUT_MS 20000u
#define CLOSING_MS           1000u
#define NO_TIMEOUT           UINT32_MAX

/* Receptions in one go: a peer that sends faster than we read must not hold a step, for then no
 * time-out would ever be looked at. */
#define ROUNDS_MAX 64

/* --- states ------------------------------------------------------------------------------------
 */

static void enter(struct posix_link *link, enum state state)
{
    link->_internal.state = (uint8_t)state;
    link->_internal.since_ms = posix_clock_ms();
}

static void note_address(struct posix_link *link)
{
    char *address = link->_internal.diagnosis.address;
    char now[sizeof link->_internal.diagnosis.address];
    posix_tcp_address(&link->_internal.tcp, now, sizeof now);
    if (now[0] != '\0') {
        memcpy(address, now, sizeof now);
    }
}

/* The transport is gone; the client decides what next. */
static void drop(struct posix_link *link, elo_err reason)
{
    posix_tcp_close(&link->_internal.tcp);
    enter(link, IDLE);
    elo_client_transport_closed(&link->client, reason, posix_clock_ms());
}

static void fail(struct posix_link *link, elo_err reason)
{
    struct posix_link_diagnosis *d = &link->_internal.diagnosis;
    note_address(link);
    d->reason = reason;
    d->error = posix_tcp_errno(&link->_internal.tcp);
    d->tls_error = elo_tls_error_number(&link->_internal.tls);
    d->tls_alert = elo_tls_alert(&link->_internal.tls);
    if (link->_internal.state == SHAKING) {
        link->_internal.has_session = false;
    }
    drop(link, reason);
}

static elo_err prepare_tls(struct posix_link *link)
{
    uint8_t entropy[2 * ELO_TLS_ENTROPY_MIN];
    struct elo_tls_config config = link->_internal.config.tls;
    if (config.now_unix == 0) {
        config.now_unix = posix_clock_unix();
    }
    config.handshake = &link->_internal.handshake;
    config.resume = link->_internal.has_session ? &link->_internal.session : NULL;
    elo_err entropy_err = posix_entropy(entropy, sizeof entropy);
    config.entropy = elo_span_of(entropy, entropy_err == ELO_OK ? sizeof entropy : 0);
    elo_err err = elo_tls_init(&link->_internal.tls, &config);
    explicit_bzero(entropy, sizeof entropy);
    return err;
}

static void after_connect(struct posix_link *link, elo_err err)
{
    note_address(link);
    if (err == ELO_OK) {
        enter(link, SHAKING);
    } else if (err == ELO_NEED_MORE) {
        enter(link, CONNECTING);
    } else {
        fail(link, err);
    }
}

static void open_transport(struct posix_link *link)
{
    const struct posix_link_config *config = &link->_internal.config;
    memset(&link->_internal.diagnosis, 0, sizeof link->_internal.diagnosis);
    link->_internal.diagnosis.tls_alert = -1;
    /* First TLS: a wrong clock or a missing root is found without a connection. */
    elo_err err = prepare_tls(link);
    if (err != ELO_OK) {
        fail(link, err);
        return;
    }
    const char *address = config->address != NULL ? config->address : config->tls.host;
    after_connect(link, posix_tcp_start(&link->_internal.tcp, address, config->port));
}

static void close_transport(struct posix_link *link)
{
    if (link->_internal.state != OPEN) {
        drop(link, ELO_OK);
        return;
    }
    elo_tls_close(&link->_internal.tls);
    enter(link, CLOSING);
}

/* Does what the client wants; true if that was anything. */
static bool obey(struct posix_link *link)
{
    elo_client_wish wish = elo_client_wants(&link->client);
    if (wish == ELO_CLIENT_WANTS_OPEN && link->_internal.state == IDLE) {
        open_transport(link);
        return true;
    }
    if (wish == ELO_CLIENT_WANTS_CLOSED && link->_internal.state != IDLE &&
        link->_internal.state != CLOSING) {
        close_transport(link);
        return true;
    }
    return false;
}

/* --- time --------------------------------------------------------------------------------------
 */

static uint32_t or_default(uint32_t value, uint32_t otherwise)
{
    return value != 0 ? value : otherwise;
}

/* How long the present state may last. */
static uint32_t patience_ms(const struct posix_link *link)
{
    const struct posix_link_config *config = &link->_internal.config;
    switch (link->_internal.state) {
    case CONNECTING:
        return or_default(config->connect_timeout_ms, CONNECT_TIMEOUT_MS);
    case SHAKING:
        return or_default(config->handshake_timeout_ms, HANDSHAKE_TIMEOUT_MS);
    case CLOSING:
        return CLOSING_MS;
    default:
        return NO_TIMEOUT;
    }
}

/* Milliseconds until something must be done without input; 0: now; NO_TIMEOUT: never. */
static uint32_t time_left(const struct posix_link *link)
{
    uint32_t now = posix_clock_ms(), at, left = NO_TIMEOUT;
    uint32_t patience = patience_ms(link), passed = now - link->_internal.since_ms;
    if (patience != NO_TIMEOUT) {
        left = passed >= patience ? 0 : patience - passed;
    }
    if (elo_client_next_deadline(&link->client, &at)) {
        uint32_t client = (int32_t)(at - now) <= 0 ? 0 : at - now;
        left = client < left ? client : left;
    }
    return left;
}

static bool tick(struct posix_link *link)
{
    uint32_t now = posix_clock_ms(), at;
    bool done = false;
    if (elo_client_next_deadline(&link->client, &at) && (int32_t)(now - at) >= 0) {
        elo_client_tick(&link->client, now);
        done = true;
    }
    if (patience_ms(link) == NO_TIMEOUT || now - link->_internal.since_ms < patience_ms(link)) {
        return done;
    }
    if (link->_internal.state == CONNECTING) {
        after_connect(link, posix_tcp_give_up(&link->_internal.tcp));
    } else if (link->_internal.state == SHAKING) {
        fail(link, ELO_E_TCP_TIMEOUT);
    } else {
        drop(link, ELO_OK);
    }
    return true;
}

/* --- moving bytes ------------------------------------------------------------------------------
 */

/* Sends what TLS has; ELO_OK when all is gone, ELO_NEED_ROOM when the socket is full. */
static elo_err send_records(struct posix_link *link)
{
    size_t len, sent;
    const uint8_t *out;
    while ((out = elo_tls_output_buf(&link->_internal.tls, &len)) != NULL) {
        elo_err err = posix_tcp_send(&link->_internal.tcp, elo_span_of(out, len), &sent);
        if (err != ELO_OK) {
            return err;
        }
        elo_tls_output_ack(&link->_internal.tls, sent);
    }
    return ELO_OK;
}

/* Receives once, if TLS has room; ELO_NEED_MORE when there is nothing to take or no room. */
static elo_err recv_records(struct posix_link *link)
{
    size_t cap, len;
    uint8_t *in = elo_tls_input_buf(&link->_internal.tls, &cap);
    if (in == NULL) {
        return ELO_NEED_MORE;
    }
    elo_err err = posix_tcp_recv(&link->_internal.tcp, in, cap, &len);
    if (err == ELO_OK) {
        elo_tls_input_ack(&link->_internal.tls, len);
    } else if (err == ELO_END) {
        elo_tls_input_end(&link->_internal.tls);
    }
    return err;
}

/* The socket is broken. A server that refuses us says why, then closes; our own sending may trip
 * over the close first. So look whether an alert came before it. */
static void fail_broken(struct posix_link *link, elo_err err)
{
    for (int rounds = 0; rounds < ROUNDS_MAX && recv_records(link) == ELO_OK; rounds++) {
    }
    elo_err tls = elo_tls_error(&link->_internal.tls);
    fail(link, tls != ELO_OK && tls != ELO_E_TCP_CLOSED ? tls : err);
}

/* TLS is over: tell the server why, if there is something to tell. */
static void fail_tls(struct posix_link *link)
{
    elo_err reason = elo_tls_error(&link->_internal.tls);
    if (send_records(link) == ELO_OK) {
        posix_tcp_finish(&link->_internal.tcp);
    }
    fail(link, reason != ELO_OK ? reason : ELO_E_TCP_CLOSED);
}

/* Plaintext to the client; true if it took any, and so may have events. */
static bool feed_client(struct posix_link *link)
{
    size_t len;
    const uint8_t *in = elo_tls_read_buf(&link->_internal.tls, &len);
    if (in == NULL) {
        return false;
    }
    size_t taken = elo_client_input(&link->client, elo_span_of(in, len), posix_clock_ms());
    elo_tls_read_ack(&link->_internal.tls, taken);
    return taken > 0;
}

/* The client's bytes to TLS, as long as it takes them; true if any. */
static bool drain_client(struct posix_link *link)
{
    bool moved = false;
    for (;;) {
        size_t cap;
        elo_span out = elo_client_output_buf(&link->client);
        uint8_t *to = elo_tls_write_buf(&link->_internal.tls, &cap);
        if (out.len == 0 || to == NULL) {
            break;
        }
        size_t n = out.len < cap ? out.len : cap;
        memcpy(to, out.ptr, n);
        elo_tls_write_ack(&link->_internal.tls, n);
        elo_client_output_ack(&link->client, n, posix_clock_ms());
        moved = true;
    }
    elo_tls_flush(&link->_internal.tls);
    return moved;
}

static void become_open(struct posix_link *link)
{
    enter(link, OPEN);
    if (link->_internal.config.keep_session) {
        link->_internal.has_session =
            elo_tls_session_get(&link->_internal.tls, &link->_internal.session) == ELO_OK;
    }
    elo_client_transport_open(&link->client, posix_clock_ms());
}

/* SHAKING or OPEN. Moves bytes until nothing moves without waiting; true, at once, when the client
 * was given something, and after ROUNDS_MAX. */
static bool pump(struct posix_link *link)
{
    for (int rounds = 0; rounds < ROUNDS_MAX; rounds++) {
        bool moved = false;
        if (link->_internal.state == OPEN) {
            if (feed_client(link)) {
                return true;
            }
            moved = drain_client(link);
        }
        elo_err sent = send_records(link);
        if (sent < 0) {
            fail_broken(link, sent);
            return true;
        }
        elo_err got = recv_records(link);
        if ((elo_tls_state(&link->_internal.tls) & ELO_TLS_CLOSED) != 0) {
            fail_tls(link);
            return true;
        }
        if (got < 0) {
            fail(link, got);
            return true;
        }
        if (link->_internal.state == SHAKING &&
            (elo_tls_state(&link->_internal.tls) & ELO_TLS_READY) != 0) {
            become_open(link);
            moved = true;
        }
        if (!moved && got != ELO_OK) {
            return false;
        }
    }
    return true;
}

/* Out with the rest, then wait for the peer's end; true when it is done, or there is more to
 * receive. */
static bool pump_closing(struct posix_link *link)
{
    elo_err sent = send_records(link);
    if (sent == ELO_OK) {
        posix_tcp_finish(&link->_internal.tcp);
    }
    elo_err got = recv_records(link);
    for (int rounds = 1; rounds < ROUNDS_MAX && got == ELO_OK; rounds++) {
        got = recv_records(link);
    }
    if (sent < 0 || (got != ELO_OK && got != ELO_NEED_MORE) ||
        (elo_tls_state(&link->_internal.tls) & ELO_TLS_CLOSED) != 0) {
        drop(link, ELO_OK);
        return true;
    }
    return got == ELO_OK;
}

/* All that can be done without waiting; true when the owner should have a look at the client. */
static bool work(struct posix_link *link)
{
    bool busy = tick(link);
    busy = obey(link) || busy;
    if (link->_internal.state == SHAKING || link->_internal.state == OPEN) {
        busy = pump(link) || busy;
    } else if (link->_internal.state == CLOSING) {
        busy = pump_closing(link) || busy;
    }
    return busy || obey(link);
}

/* --- waiting -----------------------------------------------------------------------------------
 */

/* What to wait for on the socket; fd -1 makes poll() pass over it. */
static struct pollfd interest(const struct posix_link *link)
{
    struct pollfd p = {link->_internal.tcp.fd, 0, 0};
    if (link->_internal.state == CONNECTING) {
        p.events = POLLOUT;
    } else if (link->_internal.state != IDLE) {
        unsigned tls = elo_tls_state(&link->_internal.tls);
        p.events =
            (short)(((tls & ELO_TLS_INPUT) ? POLLIN : 0) | ((tls & ELO_TLS_OUTPUT) ? POLLOUT : 0));
    }
    return p;
}

static int wait_ms(const struct posix_link *link, int timeout_ms, bool busy)
{
    uint32_t left = time_left(link);
    if (busy || left == 0) {
        return 0;
    }
    if (timeout_ms >= 0 && (uint32_t)timeout_ms < left) {
        return timeout_ms;
    }
    if (left == NO_TIMEOUT) {
        return timeout_ms;
    }
    return left > INT32_MAX ? INT32_MAX : (int)left;
}

elo_err
posix_link_step(struct posix_link *link, int timeout_ms, struct pollfd *extra, size_t extra_count)
{
    ELO_ASSERT(extra_count <= POSIX_LINK_EXTRA_MAX);
    struct pollfd fds[1 + POSIX_LINK_EXTRA_MAX];
    bool busy = work(link);
    fds[0] = interest(link);
    for (size_t i = 0; i < extra_count; i++) {
        fds[1 + i] = extra[i];
        fds[1 + i].revents = 0;
        extra[i].revents = 0;
    }
    int n = poll(fds, 1 + extra_count, wait_ms(link, timeout_ms, busy));
    if (n < 0) {
        return errno == EINTR ? ELO_OK : ELO_E_IO;
    }
    for (size_t i = 0; i < extra_count; i++) {
        extra[i].revents = fds[1 + i].revents;
    }
    if (busy) {
        return ELO_OK;
    }
    if (link->_internal.state == CONNECTING && fds[0].revents != 0) {
        after_connect(link, posix_tcp_step(&link->_internal.tcp));
    }
    work(link);
    return ELO_OK;
}

/* --- the rest ----------------------------------------------------------------------------------
 */

elo_err posix_link_init(struct posix_link *link,
                        const struct posix_link_config *config,
                        const struct elo_client_config *client)
{
    memset(link, 0, sizeof *link);
    link->_internal.config = *config;
    link->_internal.diagnosis.tls_alert = -1;
    posix_tcp_init(&link->_internal.tcp);
    return elo_client_init(&link->client, client);
}

const struct elo_tls *posix_link_tls(const struct posix_link *link)
{
    return &link->_internal.tls;
}

const struct posix_link_diagnosis *posix_link_diagnosis(const struct posix_link *link)
{
    return &link->_internal.diagnosis;
}

void posix_link_deinit(struct posix_link *link)
{
    posix_tcp_close(&link->_internal.tcp);
    explicit_bzero(&link->_internal.session, sizeof link->_internal.session);
    link->_internal.has_session = false;
    link->_internal.state = IDLE;
}
