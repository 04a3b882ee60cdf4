// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: each call leaves what it wants in the struct and runs a function of one argument
 * on the second stack. `reason` is the answer; once it is a failure or ELO_END it stays.
 */
#include "elo/port/esp8266/stream.h"

#if defined(ARDUINO) && defined(ESP8266)

#include "elo/port/esp8266/machine.h"
#include "elo/port/esp8266/stack.h"

enum { CLOSED, CONNECTING, SHAKING, OPEN };

static void shut(struct elo_esp8266_stream *s, elo_err reason)
{
    s->net.close(s->net.ctx);
    s->_internal.phase = CLOSED;
    s->_internal.reason = reason;
}

/* TLS is over, or the wire is. */
static void fail(struct elo_esp8266_stream *s, elo_err err)
{
    struct elo_tls *tls = &s->_internal.tls;
    elo_err reason = elo_tls_error(tls);
    if (reason == ELO_OK) {
        reason = (elo_tls_state(tls) & ELO_TLS_CLOSED) != 0 ? ELO_END : err;
    }
    shut(s, reason);
}

static elo_err send_records(struct elo_esp8266_stream *s)
{
    size_t len, sent;
    const uint8_t *out;
    while ((out = elo_tls_output_buf(&s->_internal.tls, &len)) != NULL) {
        elo_err err = s->net.send(s->net.ctx, elo_span_of(out, len), &sent);
        if (err != ELO_OK) {
            return err;
        }
        elo_tls_output_ack(&s->_internal.tls, sent);
    }
    return ELO_OK;
}

static elo_err recv_records(struct elo_esp8266_stream *s)
{
    size_t cap, len;
    uint8_t *in = elo_tls_input_buf(&s->_internal.tls, &cap);
    if (in == NULL) {
        return ELO_NEED_MORE;
    }
    elo_err err = s->net.recv(s->net.ctx, in, cap, &len);
    if (err == ELO_OK) {
        elo_tls_input_ack(&s->_internal.tls, len);
    } else if (err == ELO_END) {
        elo_tls_input_end(&s->_internal.tls);
    }
    return err;
}

static void pump(struct elo_esp8266_stream *s)
{
    elo_err sent = send_records(s);
    elo_err got = recv_records(s); /* also when sending failed: an alert may say why */
    if ((elo_tls_state(&s->_internal.tls) & ELO_TLS_CLOSED) != 0) {
        (void)send_records(s); /* our own alert */
        fail(s, ELO_END);
    } else if (sent < 0 || got < 0) {
        fail(s, sent < 0 ? sent : got);
    } else if ((elo_tls_state(&s->_internal.tls) & ELO_TLS_READY) != 0) {
        s->_internal.phase = OPEN;
        s->_internal.reason = ELO_OK;
    }
}

static void connecting(struct elo_esp8266_stream *s)
{
    elo_err err = s->net.step(s->net.ctx);
    if (err == ELO_OK) {
        s->_internal.phase = SHAKING;
    } else if (err != ELO_NEED_MORE) {
        shut(s, err);
    }
}

extern "C" {

void elo__esp8266_stream_open(struct elo_esp8266_stream *s)
{
    uint8_t entropy[ELO_TLS_ENTROPY_MIN];
    struct elo_tls_config config = *s->config;
    elo_esp8266_entropy(NULL, entropy, sizeof entropy);
    config.entropy = elo_span_of(entropy, sizeof entropy);
    s->_internal.reason = elo_tls_init(&s->_internal.tls, &config);
    if (s->_internal.reason != ELO_OK) {
        return;
    }
    elo_err err = s->net.open(s->net.ctx, s->_internal.host, s->_internal.port);
    if (err != ELO_OK && err != ELO_NEED_MORE) {
        shut(s, err);
        return;
    }
    s->_internal.phase = CONNECTING;
    s->_internal.reason = ELO_NEED_MORE;
}

void elo__esp8266_stream_step(struct elo_esp8266_stream *s)
{
    switch (s->_internal.phase) {
    case CONNECTING:
        connecting(s);
        break;
    case SHAKING:
    case OPEN:
        pump(s);
        break;
    default:
        break;
    }
}

void elo__esp8266_stream_write(struct elo_esp8266_stream *s)
{
    size_t cap;
    uint8_t *to = elo_tls_write_buf(&s->_internal.tls, &cap);
    s->_internal.len = to == NULL ? 0 : s->_internal.len < cap ? s->_internal.len : cap;
    if (s->_internal.len > 0) {
        memcpy(to, s->_internal.bytes, s->_internal.len);
        elo_tls_write_ack(&s->_internal.tls, s->_internal.len);
        elo_tls_flush(&s->_internal.tls);
    }
}

void elo__esp8266_stream_taken(struct elo_esp8266_stream *s)
{
    elo_tls_read_ack(&s->_internal.tls, s->_internal.len);
}

void elo__esp8266_stream_close(struct elo_esp8266_stream *s)
{
    elo_tls_close(&s->_internal.tls);
    (void)send_records(s);
    s->net.finish(s->net.ctx);
}
}

#ifdef __XTENSA__

#include <StackThunk.h>

extern "C" {
make_stack_thunk(elo__esp8266_stream_open);
make_stack_thunk(elo__esp8266_stream_step);
make_stack_thunk(elo__esp8266_stream_write);
make_stack_thunk(elo__esp8266_stream_taken);
make_stack_thunk(elo__esp8266_stream_close);
void thunk_elo__esp8266_stream_open(struct elo_esp8266_stream *s);
void thunk_elo__esp8266_stream_step(struct elo_esp8266_stream *s);
void thunk_elo__esp8266_stream_write(struct elo_esp8266_stream *s);
void thunk_elo__esp8266_stream_taken(struct elo_esp8266_stream *s);
void thunk_elo__esp8266_stream_close(struct elo_esp8266_stream *s);
}
#define ON_SECOND_STACK(f) thunk_##f

#else

#define ON_SECOND_STACK(f) f

#endif

elo_err elo_esp8266_stream_open(struct elo_esp8266_stream *s, const char *host, uint16_t port)
{
    s->_internal.host = host;
    s->_internal.port = port;
    s->_internal.phase = CLOSED;
    ON_SECOND_STACK(elo__esp8266_stream_open)(s);
    return s->_internal.reason;
}

elo_err elo_esp8266_stream_step(struct elo_esp8266_stream *s)
{
    ON_SECOND_STACK(elo__esp8266_stream_step)(s);
    return s->_internal.reason;
}

size_t elo_esp8266_stream_write(struct elo_esp8266_stream *s, const uint8_t *bytes, size_t len)
{
    if (s->_internal.phase != OPEN) {
        return 0;
    }
    s->_internal.bytes = (uint8_t *)(uintptr_t)bytes; /* only read */
    s->_internal.len = len;
    ON_SECOND_STACK(elo__esp8266_stream_write)(s);
    return s->_internal.len;
}

size_t elo_esp8266_stream_available(struct elo_esp8266_stream *s)
{
    size_t len = 0;
    if (s->_internal.phase == OPEN) {
        (void)elo_tls_read_buf(&s->_internal.tls, &len);
    }
    return len;
}

size_t elo_esp8266_stream_read(struct elo_esp8266_stream *s, uint8_t *out, size_t cap, bool take)
{
    size_t len = 0;
    const uint8_t *in = NULL;
    if (s->_internal.phase == OPEN) {
        in = elo_tls_read_buf(&s->_internal.tls, &len);
    }
    len = len < cap ? len : cap;
    if (in == NULL || len == 0) {
        return 0;
    }
    memcpy(out, in, len);
    if (take) {
        s->_internal.len = len;
        ON_SECOND_STACK(elo__esp8266_stream_taken)(s);
    }
    return len;
}

bool elo_esp8266_stream_unsent(const struct elo_esp8266_stream *s)
{
    return s->_internal.phase == OPEN && (elo_tls_state(&s->_internal.tls) & ELO_TLS_OUTPUT) != 0;
}

void elo_esp8266_stream_close(struct elo_esp8266_stream *s)
{
    if (s->_internal.phase == OPEN) {
        ON_SECOND_STACK(elo__esp8266_stream_close)(s);
    }
    shut(s, ELO_END);
}

#endif
