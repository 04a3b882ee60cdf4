// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a small state machine above three engines that never block.
 *
 *      IDLE --client wants OPEN--> CONNECTING --TCP--> SHAKING --TLS ready--> OPEN
 *        ^                             |                  |                    |
 *        |<- FAILED: the client is told why, and decides when to try again ----+
 *        |                                                                     |
 *        +<-- peer is done, or 1 s --- CLOSING <--- client wants CLOSED -------+
 *
 * A step does everything that can be done without waiting. As soon as the client has been given
 * something it may have events, so the step goes back to the owner.
 *
 * Times: an `open` may have blocked in a name look-up and a handshake's arithmetic takes its while,
 * so `now` may be old when a phase begins. Its time runs from the first step in it, and a failure
 * is told to the client with the next step: both know the time.
 *
 * CLOSING sends what TLS still holds, then half-closes and waits for the peer: closing a socket
 * with unread bytes in it would reset the connection and could take the MQTT DISCONNECT along.
 */
#include "elo/link/link.h"

#define CONNECT_TIMEOUT_MS   10000u
#define HANDSHAKE_TIMEOUT_MS 20000u
#define CLOSING_MS           1000u
#define NEVER                UINT32_MAX

/* Rounds in one step: a peer that sends faster than we read must not hold it, for then no time-out
 * would ever be looked at. */
#define ROUNDS_MAX       64
#define SMALL_ROUNDS_MAX 4

/* --- states ------------------------------------------------------------------------------------
 */

static const struct elo_link_config *config_of(const struct elo_link *link)
{
    return link->_internal.config;
}

static void enter(struct elo_link *link, elo_link_phase phase)
{
    link->_internal.phase = (uint8_t)phase;
    link->_internal.timed = false;
}

/* Overwrites a secret in a way that the compiler keeps. */
static void wipe(void *mem, size_t len)
{
    volatile uint8_t *p = (volatile uint8_t *)mem;
    while (len-- > 0) {
        *p++ = 0;
    }
}

static void forget_session(struct elo_link *link)
{
    wipe(&link->_internal.session, sizeof link->_internal.session);
    link->_internal.has_session = false;
}

static void note_address(struct elo_link *link)
{
    const struct elo_net *net = &link->_internal.net;
    char *address = link->_internal.diagnosis.address;
    char now[ELO_NET_ADDRESS_MAX];
    net->address(net->ctx, now, sizeof now);
    if (now[0] != '\0') {
        memcpy(address, now, sizeof now);
    }
}

/* The stream is gone; with the next step the client hears of it and decides what next. */
static void drop(struct elo_link *link, elo_err reason)
{
    link->_internal.net.close(link->_internal.net.ctx);
    link->_internal.diagnosis.reason = reason;
    enter(link, ELO_LINK_FAILED);
}

static void fail(struct elo_link *link, elo_err reason)
{
    struct elo_link_diagnosis *d = &link->_internal.diagnosis;
    note_address(link);
    d->error = link->_internal.net.error(link->_internal.net.ctx);
    d->tls_error = elo_tls_error_number(&link->_internal.tls);
    d->tls_alert = elo_tls_alert(&link->_internal.tls);
    if (link->_internal.phase == ELO_LINK_SHAKING && reason != ELO_E_NETWORK) {
        forget_session(link);
    }
    drop(link, reason);
}

static elo_err prepare_tls(struct elo_link *link)
{
    const struct elo_link_config *config = config_of(link);
    uint8_t entropy[ELO_TLS_ENTROPY_MIN + 16];
    struct elo_tls_config tls = config->tls;
    if (tls.now_unix == 0) {
        tls.now_unix = config->now_unix(config->ctx);
    }
    link->_internal.diagnosis.resumed = link->_internal.has_session;
    tls.stepwise = tls.stepwise || config->small_steps;
    tls.resume = link->_internal.has_session ? &link->_internal.session : NULL;
    elo_err have = config->entropy(config->ctx, entropy, sizeof entropy);
    tls.entropy = elo_span_of(entropy, have == ELO_OK ? sizeof entropy : 0);
    elo_err err = elo_tls_init(&link->_internal.tls, &tls);
    link->_internal.lent = err == ELO_OK;
    wipe(entropy, sizeof entropy);
    return err;
}

static void after_connect(struct elo_link *link, elo_err err)
{
    note_address(link);
    if (err == ELO_OK) {
        enter(link, ELO_LINK_SHAKING);
    } else if (err != ELO_NEED_MORE) {
        fail(link, err);
    }
}

static void open_stream(struct elo_link *link)
{
    const struct elo_link_config *config = config_of(link);
    struct elo_link_diagnosis *d = &link->_internal.diagnosis;
    d->reason = ELO_OK;
    d->error = d->tls_error = 0;
    d->tls_alert = -1;
    d->address[0] = '\0';
    /* First TLS: a wrong clock or a missing root is found without a connection. */
    elo_err err = prepare_tls(link);
    if (err != ELO_OK) {
        fail(link, err);
        return;
    }
    const char *address = config->address != NULL ? config->address : config->tls.host;
    enter(link, ELO_LINK_CONNECTING);
    after_connect(link, link->_internal.net.open(link->_internal.net.ctx, address, config->port));
}

static void close_stream(struct elo_link *link)
{
    if (link->_internal.phase != ELO_LINK_OPEN) {
        drop(link, ELO_OK);
        return;
    }
    elo_tls_close(&link->_internal.tls);
    enter(link, ELO_LINK_CLOSING);
}

/* Does what the client wants; true if that was anything. */
static bool obey(struct elo_link *link)
{
    elo_client_wish wish = elo_client_wants(config_of(link)->client);
    elo_link_phase phase = elo_link_get_phase(link);
    if (wish == ELO_CLIENT_WANTS_OPEN && phase == ELO_LINK_IDLE) {
        open_stream(link);
        return true;
    }
    if (wish == ELO_CLIENT_WANTS_CLOSED &&
        (phase == ELO_LINK_CONNECTING || phase == ELO_LINK_SHAKING || phase == ELO_LINK_OPEN)) {
        close_stream(link);
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

/* How long the present phase may last. */
static uint32_t patience_ms(const struct elo_link *link)
{
    const struct elo_link_config *config = config_of(link);
    switch (link->_internal.phase) {
    case ELO_LINK_CONNECTING:
        return or_default(config->connect_timeout_ms, CONNECT_TIMEOUT_MS);
    case ELO_LINK_SHAKING:
        return or_default(config->handshake_timeout_ms, HANDSHAKE_TIMEOUT_MS);
    case ELO_LINK_CLOSING:
        return CLOSING_MS;
    default:
        return NEVER;
    }
}

uint32_t elo_link_wait_ms(const struct elo_link *link, uint32_t now_ms)
{
    uint32_t at, left = patience_ms(link);
    if (link->_internal.phase == ELO_LINK_FAILED) {
        return 0;
    }
    if (left != NEVER && link->_internal.timed) {
        uint32_t passed = now_ms - link->_internal.since_ms;
        left = passed >= left ? 0 : left - passed;
    }
    if (elo_client_next_deadline(config_of(link)->client, &at)) {
        uint32_t client = (int32_t)(at - now_ms) <= 0 ? 0 : at - now_ms;
        left = client < left ? client : left;
    }
    return left;
}

static bool tick_client(struct elo_link *link, uint32_t now)
{
    uint32_t at;
    if (elo_client_next_deadline(config_of(link)->client, &at) && (int32_t)(now - at) >= 0) {
        elo_client_tick(config_of(link)->client, now);
        return true;
    }
    return false;
}

/* A phase that has lasted too long ends; true if so. */
static bool tick_phase(struct elo_link *link, uint32_t now)
{
    if (!link->_internal.timed) {
        link->_internal.timed = true;
        link->_internal.since_ms = now;
    }
    if (patience_ms(link) == NEVER || now - link->_internal.since_ms < patience_ms(link)) {
        return false;
    }
    if (link->_internal.phase == ELO_LINK_CONNECTING) {
        enter(link, ELO_LINK_CONNECTING);
        after_connect(link, link->_internal.net.give_up(link->_internal.net.ctx));
    } else if (link->_internal.phase == ELO_LINK_SHAKING) {
        fail(link, ELO_E_TCP_TIMEOUT);
    } else {
        drop(link, ELO_OK);
    }
    return true;
}

static bool tell_client(struct elo_link *link, uint32_t now)
{
    if (link->_internal.phase != ELO_LINK_FAILED) {
        return false;
    }
    enter(link, ELO_LINK_IDLE);
    elo_client_transport_closed(config_of(link)->client, link->_internal.diagnosis.reason, now);
    return true;
}

/* --- moving bytes ------------------------------------------------------------------------------
 */

/* Sends what TLS has; ELO_OK when all is gone, ELO_NEED_ROOM when the stream is full. */
static elo_err send_records(struct elo_link *link)
{
    const struct elo_net *net = &link->_internal.net;
    size_t len, sent;
    const uint8_t *out;
    while ((out = elo_tls_output_buf(&link->_internal.tls, &len)) != NULL) {
        elo_err err = net->send(net->ctx, elo_span_of(out, len), &sent);
        if (err != ELO_OK) {
            return err;
        }
        elo_tls_output_ack(&link->_internal.tls, sent);
    }
    return ELO_OK;
}

/* Tells the owner when the handshake's memory is his again. */
static elo_err give_back(struct elo_link *link)
{
    const struct elo_link_config *config = config_of(link);
    if (!link->_internal.lent || elo_tls_borrows(&link->_internal.tls)) {
        return ELO_OK;
    }
    link->_internal.lent = false;
    if (config->proven == NULL || elo_tls_error(&link->_internal.tls) != ELO_OK) {
        return ELO_OK;
    }
    return config->proven(config->ctx, &link->_internal.tls);
}

/* Receives once, if TLS has room; ELO_NEED_MORE when there is nothing to take or no room. */
static elo_err recv_records(struct elo_link *link)
{
    const struct elo_net *net = &link->_internal.net;
    size_t cap, len;
    uint8_t *in = elo_tls_input_buf(&link->_internal.tls, &cap);
    if (in == NULL) {
        return ELO_NEED_MORE;
    }
    elo_err err = net->recv(net->ctx, in, cap, &len);
    if (err == ELO_OK) {
        elo_tls_input_ack(&link->_internal.tls, len);
        err = give_back(link);
    } else if (err == ELO_END) {
        elo_tls_input_end(&link->_internal.tls);
    }
    return err;
}

/* TLS is over: tell the server why, if there is something to tell. */
static void fail_tls(struct elo_link *link)
{
    elo_err reason = elo_tls_error(&link->_internal.tls);
    if (send_records(link) == ELO_OK) {
        link->_internal.net.finish(link->_internal.net.ctx);
    }
    fail(link, reason != ELO_OK ? reason : ELO_E_TCP_CLOSED);
}

/* Plaintext to the client; true if it took any, and so may have events. */
static bool feed_client(struct elo_link *link, uint32_t now)
{
    size_t len;
    const uint8_t *in = elo_tls_read_buf(&link->_internal.tls, &len);
    if (in == NULL) {
        return false;
    }
    size_t taken = elo_client_input(config_of(link)->client, elo_span_of(in, len), now);
    elo_tls_read_ack(&link->_internal.tls, taken);
    return taken > 0;
}

/* The client's bytes to TLS, as long as it takes them; true if any. */
static bool drain_client(struct elo_link *link, uint32_t now)
{
    struct elo_client *client = config_of(link)->client;
    bool moved = false;
    for (;;) {
        size_t cap;
        elo_span out = elo_client_output_buf(client);
        uint8_t *to = elo_tls_write_buf(&link->_internal.tls, &cap);
        if (out.len == 0 || to == NULL) {
            break;
        }
        size_t n = out.len < cap ? out.len : cap;
        memcpy(to, out.ptr, n);
        elo_tls_write_ack(&link->_internal.tls, n);
        elo_client_output_ack(client, n, now);
        moved = true;
    }
    elo_tls_flush(&link->_internal.tls);
    return moved;
}

static void become_open(struct elo_link *link, uint32_t now)
{
    uint32_t took = link->_internal.timed ? now - link->_internal.since_ms : 0;
    link->_internal.diagnosis.handshake_ms = took != 0 ? took : 1;
    enter(link, ELO_LINK_OPEN);
    if (config_of(link)->keep_session) {
        link->_internal.has_session =
            elo_tls_session_get(&link->_internal.tls, &link->_internal.session) == ELO_OK;
    }
    elo_client_transport_open(config_of(link)->client, now);
}

/* SHAKING or OPEN: one round. ELO_NEED_MORE: nothing moves without waiting; ELO_END: the owner
 * should look at the client; ELO_OK: something moved. */
static elo_err pump_round(struct elo_link *link, uint32_t now)
{
    bool moved = false;
    if (link->_internal.phase == ELO_LINK_OPEN) {
        if (feed_client(link, now)) {
            return ELO_END;
        }
        moved = drain_client(link, now);
    }
    elo_err sent = send_records(link);
    elo_err got = recv_records(link);
    if ((elo_tls_state(&link->_internal.tls) & ELO_TLS_CLOSED) != 0) {
        fail_tls(link);
        return ELO_END;
    }
    /* A server that refuses us says why, then closes; our own sending may trip over the close
     * first. So it counts only when nothing came before it any more. */
    if (got < 0 || (sent < 0 && got != ELO_OK)) {
        fail(link, sent < 0 ? sent : got);
        return ELO_END;
    }
    if (link->_internal.phase == ELO_LINK_SHAKING &&
        (elo_tls_state(&link->_internal.tls) & ELO_TLS_READY) != 0) {
        become_open(link, now);
        moved = true;
    }
    return moved || got == ELO_OK ? ELO_OK : ELO_NEED_MORE;
}

/* A small step does one round while the handshake's arithmetic may be in it. Of the connection that
 * stands it sees a record through, which BearSSL asks for in two pieces, and the answer to it. */
static int rounds_max(const struct elo_link *link)
{
    if (!config_of(link)->small_steps) {
        return ROUNDS_MAX;
    }
    return link->_internal.phase == ELO_LINK_OPEN ? SMALL_ROUNDS_MAX : 1;
}

/* SHAKING or OPEN. Moves bytes until nothing moves without waiting; true, at once, when the client
 * was given something, and after the last round. */
static bool pump(struct elo_link *link, uint32_t now)
{
    for (int rounds = rounds_max(link); rounds > 0; rounds--) {
        elo_err err = pump_round(link, now);
        if (err != ELO_OK) {
            return err == ELO_END;
        }
    }
    return true;
}

/* Out with the rest, then wait for the peer's end; true when it is done, or there is more to
 * receive. */
static bool pump_closing(struct elo_link *link)
{
    elo_err sent = send_records(link);
    if (sent == ELO_OK) {
        link->_internal.net.finish(link->_internal.net.ctx);
    }
    elo_err got = recv_records(link);
    for (int rounds = rounds_max(link); rounds > 1 && got == ELO_OK; rounds--) {
        got = recv_records(link);
    }
    if (sent < 0 || (got != ELO_OK && got != ELO_NEED_MORE) ||
        (elo_tls_state(&link->_internal.tls) & ELO_TLS_CLOSED) != 0) {
        drop(link, ELO_OK);
        return true;
    }
    return got == ELO_OK;
}

/* Connecting: is there news? */
static bool pump_connecting(struct elo_link *link)
{
    elo_err err = link->_internal.net.step(link->_internal.net.ctx);
    if (err == ELO_NEED_MORE) {
        return false;
    }
    after_connect(link, err);
    return true;
}

static bool work(struct elo_link *link, uint32_t now)
{
    switch (link->_internal.phase) {
    case ELO_LINK_CONNECTING:
        return pump_connecting(link);
    case ELO_LINK_SHAKING:
    case ELO_LINK_OPEN:
        return pump(link, now);
    case ELO_LINK_CLOSING:
        return pump_closing(link);
    default:
        return false;
    }
}

bool elo_link_step(struct elo_link *link, uint32_t now_ms)
{
    bool told = tell_client(link, now_ms);
    bool ticked = tick_client(link, now_ms);
    bool busy = tick_phase(link, now_ms) || told || ticked;
    if (obey(link)) {
        return true;
    }
    busy = work(link, now_ms) || busy;
    return obey(link) || busy;
}

/* --- the rest ----------------------------------------------------------------------------------
 */

void elo_link_init(struct elo_link *link, const struct elo_link_config *config)
{
    memset(link, 0, sizeof *link);
    link->_internal.config = config;
    link->_internal.net = config->net;
    link->_internal.diagnosis.tls_alert = -1;
}

void elo_link_cut(struct elo_link *link, elo_err reason)
{
    elo_link_phase phase = elo_link_get_phase(link);
    if (phase != ELO_LINK_IDLE && phase != ELO_LINK_FAILED) {
        fail(link, phase == ELO_LINK_CLOSING ? ELO_OK : reason);
    }
}

unsigned elo_link_interest(const struct elo_link *link)
{
    switch (link->_internal.phase) {
    case ELO_LINK_CONNECTING:
        return ELO_LINK_SEND;
    case ELO_LINK_SHAKING:
    case ELO_LINK_OPEN:
    case ELO_LINK_CLOSING: {
        unsigned tls = elo_tls_state(&link->_internal.tls);
        return ((tls & ELO_TLS_INPUT) != 0 ? (unsigned)ELO_LINK_RECEIVE : 0u) |
               ((tls & ELO_TLS_OUTPUT) != 0 ? (unsigned)ELO_LINK_SEND : 0u);
    }
    default:
        return 0;
    }
}

elo_link_phase elo_link_get_phase(const struct elo_link *link)
{
    return (elo_link_phase)link->_internal.phase;
}

const struct elo_tls *elo_link_tls(const struct elo_link *link)
{
    return &link->_internal.tls;
}

const struct elo_link_diagnosis *elo_link_diagnosis(const struct elo_link *link)
{
    return &link->_internal.diagnosis;
}

elo_err elo_link_session(const struct elo_link *link, struct elo_tls_session *out)
{
    if (!link->_internal.has_session) {
        return ELO_E_NOT_FOUND;
    }
    *out = link->_internal.session;
    return ELO_OK;
}

void elo_link_resume(struct elo_link *link, const struct elo_tls_session *session)
{
    forget_session(link);
    if (session != NULL) {
        link->_internal.session = *session;
        link->_internal.has_session = true;
    }
}

void elo_link_deinit(struct elo_link *link)
{
    link->_internal.net.close(link->_internal.net.ctx);
    forget_session(link);
    enter(link, ELO_LINK_IDLE);
}
