// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: what the client has shown is looked for where AWS looks for it - the headers and
 * the query of an HTTP request, the query that a CONNECT's user name ends with - under the names
 * "x-amz-customauthorizer-name", "x-amz-customauthorizer-signature" and the authorizer's own token
 * key. From it the event is written; it stays with the connection, to be sent again when the
 * policies are to be refreshed. The answer is custom_answer.c's.
 *
 *     IDLE -> WAITING (in the authorizer's queue) -> CALLED (the edge has it) -> IDLE
 */
#include "server/auth/custom_internal.h"

#include <stdarg.h>
#include <stdio.h>

#include "elo/base/utf8.h"
#include "elo/json/write.h"
#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/pki/pki.h"

enum { TOKEN_MAX = 6144, SIGNATURE_MAX = 2560, EVENT_MAX = 262144, HTTP_MAX = 65536 };

static const char name_key[] = "x-amz-customauthorizer-name";
static const char signature_key[] = "x-amz-customauthorizer-signature";

elo_err custom__fail(struct custom *c, elo_err err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(c->why, sizeof c->why, format, args);
    va_end(args);
    return err;
}

bool custom_was_called(const struct custom *c)
{
    return c->was_called;
}

const char *custom_why(const struct custom *c)
{
    return c->why;
}

/* --- looking for what the client has shown ---------------------------------------------------- */

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decoded; what is no escape stays, for signatures come encoded and not. */
static void add_decoded(elo_span text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        int high = text.ptr[i] == '%' && text.len - i > 2 ? hex_digit(text.ptr[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text.ptr[i + 2]) : -1;
        buf_byte(out, low >= 0 ? (uint8_t)(high * 16 + low) : text.ptr[i]);
        i += low >= 0 ? 2 : 0;
    }
}

static bool in_query(elo_span query, elo_span key, struct buf *out)
{
    while (query.len > 0) {
        elo_span value = text_cut(&query, '&');
        if (text_same(text_cut(&value, '='), key)) {
            add_decoded(value, out);
            return true;
        }
    }
    return false;
}

/* A header, a parameter of the request's query, one of the user name's. */
static bool look(const struct custom *c, elo_span user_query, elo_span key, struct buf *out)
{
    for (elo_span rest = buf_span(&c->headers); rest.len > 0;) {
        elo_span value = text_cut(&rest, '\n');
        if (text_same(text_cut(&value, '\0'), key)) {
            add_decoded(value, out);
            return true;
        }
    }
    return in_query(buf_span(&c->query), key, out) || in_query(user_query, key, out);
}

static elo_span user_query(const struct custom_mqtt *mqtt)
{
    elo_span rest = mqtt != NULL ? mqtt->username : elo_span_of(NULL, 0);
    (void)text_cut(&rest, '?');
    return rest;
}

bool custom_is_wanted(const struct authorizer *a, const struct sigv4_request *http)
{
    struct custom c = {.headers = {0}};
    struct buf value;
    buf_init(&value, HTTP_MAX);
    buf_init(&c.headers, HTTP_MAX);
    buf_init(&c.query, HTTP_MAX);
    custom__keep_http(&c, http);
    bool named = look(&c, elo_span_of(NULL, 0), elo_span_str(name_key), &value);
    buf_free(&value);
    buf_free(&c.headers);
    buf_free(&c.query);
    return named || registry_authorizer(a->registry, elo_span_of(NULL, 0)) != NULL;
}

/* --- life ------------------------------------------------------------------------------------- */

/* One line each, a NUL between name and value: neither can be in them. */
void custom__keep_http(struct custom *c, const struct sigv4_request *http)
{
    for (size_t i = 0; i < http->header_count; i++) {
        buf_add(&c->headers, http->headers[i].name);
        buf_byte(&c->headers, '\0');
        buf_add(&c->headers, http->headers[i].value);
        buf_byte(&c->headers, '\n');
    }
    buf_add(&c->query, http->query);
}

struct custom *
custom_create(struct authorizer *a, const struct sigv4_request *http, elo_span server_name)
{
    struct custom *c = mem_zero(sizeof *c);
    if (c == NULL) {
        return NULL;
    }
    c->authorizer = a;
    struct buf *const bufs[] = {&c->headers, &c->query,    &c->server_name, &c->name,
                                &c->event,   &c->function, &c->texts};
    for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++) {
        buf_init(bufs[i], bufs[i] == &c->event ? EVENT_MAX : HTTP_MAX);
    }
    c->has_http = http != NULL;
    if (http != NULL) {
        custom__keep_http(c, http);
    }
    buf_add(&c->server_name, server_name);
    if (buf_err(&c->headers) != ELO_OK || buf_err(&c->query) != ELO_OK ||
        buf_err(&c->server_name) != ELO_OK) {
        custom_destroy(c);
        return NULL;
    }
    return c;
}

static void release(struct custom *c)
{
    struct buf *const bufs[] = {&c->headers, &c->query,    &c->server_name, &c->name,
                                &c->event,   &c->function, &c->texts};
    for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++) {
        buf_free(bufs[i]);
    }
    mem_free(c);
}

void custom_destroy(struct custom *c)
{
    if (c == NULL) {
        return;
    }
    if (c->state == CUSTOM_CALLED) {
        c->answered = NULL; /* the edge still reads from it: custom_call_done() frees it */
        return;
    }
    if (c->state == CUSTOM_WAITING) {
        STAILQ_REMOVE(&c->authorizer->calls, c, custom, link);
        c->authorizer->call_count--;
    }
    release(c);
}

/* --- the event -------------------------------------------------------------------------------- */

static void put(struct elo_json_writer *w, const char *name, elo_span value)
{
    elo_json_key(w, elo_span_str(name));
    elo_json_string(w, value);
}

/* In lower case, as AWS hands them on; what is no text is left out. */
static void put_headers(const struct custom *c, struct elo_json_writer *w)
{
    elo_json_key(w, ELO_SPAN("headers"));
    elo_json_begin_object(w);
    for (elo_span rest = buf_span(&c->headers); rest.len > 0;) {
        elo_span value = text_cut(&rest, '\n');
        elo_span name = text_cut(&value, '\0');
        uint8_t key[256];
        if (name.len > sizeof key || !elo_utf8_valid(name) || !elo_utf8_valid(value)) {
            continue;
        }
        for (size_t i = 0; i < name.len; i++) {
            key[i] = text_lower(name.ptr[i]);
        }
        elo_json_key(w, elo_span_of(key, name.len));
        elo_json_string(w, value);
    }
    elo_json_end_object(w);
}

static void put_http(const struct custom *c, struct elo_json_writer *w)
{
    elo_span query = buf_span(&c->query);
    char mark[HTTP_MAX < 4098 ? HTTP_MAX : 4098] = "?";
    size_t len = query.len < sizeof mark - 1 ? query.len : sizeof mark - 1;
    if (len > 0) {
        memcpy(mark + 1, query.ptr, len);
    }
    elo_json_key(w, ELO_SPAN("http"));
    elo_json_begin_object(w);
    put_headers(c, w);
    put(w, "queryString", elo_span_of(mark, len > 0 ? len + 1 : 0));
    elo_json_end_object(w);
}

static void
put_mqtt(struct elo_json_writer *w, const struct custom_mqtt *mqtt, elo_span password_base64)
{
    elo_json_key(w, ELO_SPAN("mqtt"));
    elo_json_begin_object(w);
    if (mqtt->has_username) {
        put(w, "username", mqtt->username);
    }
    if (mqtt->has_password) {
        put(w, "password", password_base64);
    }
    put(w, "clientId", mqtt->client_id);
    elo_json_end_object(w);
}

struct facts {
    const struct custom_mqtt *mqtt;
    elo_span token;
    bool verified;
    elo_span password_base64;
    const char *id;
};

static void write_event(const struct custom *c, const struct facts *f, struct elo_json_writer *w)
{
    elo_span server_name = buf_span(&c->server_name);
    const struct {
        bool there;
        const char *name;
    } protocols[] = {
        {server_name.len > 0, "tls"}, {c->has_http, "http"}, {f->mqtt != NULL, "mqtt"}};
    elo_json_begin_object(w);
    if (f->token.len > 0) {
        put(w, "token", f->token);
    }
    elo_json_key(w, ELO_SPAN("signatureVerified"));
    elo_json_bool(w, f->verified);
    elo_json_key(w, ELO_SPAN("protocols"));
    elo_json_begin_array(w);
    for (size_t i = 0; i < 3; i++) {
        if (protocols[i].there) {
            elo_json_string(w, elo_span_str(protocols[i].name));
        }
    }
    elo_json_end_array(w);
    elo_json_key(w, ELO_SPAN("protocolData"));
    elo_json_begin_object(w);
    if (server_name.len > 0) {
        elo_json_key(w, ELO_SPAN("tls"));
        elo_json_begin_object(w);
        put(w, "serverName", server_name);
        elo_json_end_object(w);
    }
    if (c->has_http) {
        put_http(c, w);
    }
    if (f->mqtt != NULL) {
        put_mqtt(w, f->mqtt, f->password_base64);
    }
    elo_json_end_object(w);
    elo_json_key(w, ELO_SPAN("connectionMetadata"));
    elo_json_begin_object(w);
    put(w, "id", elo_span_str(f->id));
    elo_json_end_object(w);
    elo_json_end_object(w);
}

static elo_err make_event(struct custom *c, const struct facts *f)
{
    struct elo_json_writer w;
    size_t len = 0;
    elo_json_writer_init(&w, NULL, 0);
    write_event(c, f, &w);
    elo_err err = elo_json_finish(&w, &len);
    buf_clear(&c->event);
    uint8_t *room = err == ELO_E_NO_SPACE ? buf_room(&c->event, len) : NULL;
    if (room == NULL) {
        return custom__fail(c, err == ELO_E_NO_SPACE ? ELO_E_NO_MEMORY : ELO_E_AUTHORIZER,
                            "what the client sent cannot be handed to the authorizer's function: "
                            "it is not UTF-8, or too long");
    }
    elo_json_writer_init(&w, room, len);
    write_event(c, f, &w);
    err = elo_json_finish(&w, &len);
    buf_wrote(&c->event, err == ELO_OK ? len : 0);
    return err;
}

/* --- asking ----------------------------------------------------------------------------------- */

static elo_err enqueue(struct custom *c)
{
    struct authorizer *a = c->authorizer;
    if (a->call_count == LIMIT_CUSTOM_CALLS) {
        return custom__fail(c, ELO_E_QUOTA, "%u calls of authorizers' functions are under way",
                            LIMIT_CUSTOM_CALLS);
    }
    a->call_count++;
    c->state = CUSTOM_WAITING;
    STAILQ_INSERT_TAIL(&a->calls, c, link);
    return ELO_OK;
}

static elo_err find(struct custom *c, const struct authorizer_record **out)
{
    elo_span name = buf_span(&c->name);
    const struct authorizer_record *r = registry_authorizer(c->authorizer->registry, name);
    if (r == NULL && name.len == 0) {
        return custom__fail(c, ELO_E_AUTHORIZER,
                            "no authorizer is named (%s), and there is no default", name_key);
    }
    if (r == NULL || !r->active) {
        return custom__fail(c, ELO_E_AUTHORIZER, "the authorizer %.*s %s", (int)name.len,
                            (const char *)name.ptr, r == NULL ? "does not exist" : "is INACTIVE");
    }
    *out = r;
    return ELO_OK;
}

/* Whom to ask, and what to call: from here on the default is known by its name, too. */
static elo_err choose(struct custom *c, const struct authorizer_record *r)
{
    buf_clear(&c->name);
    buf_add(&c->name, r->name);
    buf_clear(&c->function);
    buf_add(&c->function, r->function_arn);
    return buf_err(&c->name) == ELO_OK && buf_err(&c->function) == ELO_OK
               ? ELO_OK
               : custom__fail(c, ELO_E_NO_MEMORY, "no memory");
}

static elo_err
check_token(struct custom *c, const struct authorizer_record *r, elo_span token, elo_span signature)
{
    if (r->signing_disabled) {
        return ELO_OK;
    }
    if (token.len == 0 || signature.len == 0) {
        return custom__fail(c, ELO_E_AUTHORIZER,
                            "authorizer %.*s wants a signed token: %.*s and %s must be there",
                            (int)r->name.len, (const char *)r->name.ptr, (int)r->token_key_name.len,
                            (const char *)r->token_key_name.ptr, signature_key);
    }
    for (size_t i = 0; i < r->key_count; i++) {
        if (pki_rsa_verify_base64(r->keys[i].value, token, signature)) {
            return ELO_OK;
        }
    }
    return custom__fail(c, ELO_E_AUTHORIZER,
                        "the token's signature is of none of authorizer %.*s's keys: it must be "
                        "RSA-SHA256 of the token, in base64",
                        (int)r->name.len, (const char *)r->name.ptr);
}

struct shown {
    struct buf token, signature, password;
};

static elo_err prepare(struct custom *c,
                       const struct custom_mqtt *mqtt,
                       const struct custom_test *test,
                       const char *id,
                       struct shown *s)
{
    const struct authorizer_record *r = NULL;
    elo_span query = user_query(mqtt);
    if (test != NULL) {
        buf_add(&c->name, test->authorizer);
    } else {
        (void)look(c, query, elo_span_str(name_key), &c->name);
    }
    if (buf_err(&c->name) != ELO_OK) {
        return custom__fail(c, ELO_E_NO_MEMORY, "no memory, or a name that is too long");
    }
    elo_err err = find(c, &r);
    err = err != ELO_OK ? err : choose(c, r);
    if (err != ELO_OK) {
        return err;
    }
    if (test != NULL) {
        buf_add(&s->token, test->token);
        buf_add(&s->signature, test->signature);
    } else {
        (void)(r->token_key_name.len > 0 && look(c, query, r->token_key_name, &s->token));
        (void)look(c, query, elo_span_str(signature_key), &s->signature);
    }
    if (mqtt != NULL && mqtt->password_is_base64) {
        buf_add(&s->password, mqtt->password);
    } else if (mqtt != NULL && mqtt->has_password) {
        pki_base64(mqtt->password, &s->password);
    }
    if (buf_err(&s->token) != ELO_OK || buf_err(&s->signature) != ELO_OK) {
        return custom__fail(c, ELO_E_AUTHORIZER, "the token or its signature is too long");
    }
    if (buf_err(&s->password) != ELO_OK) {
        return custom__fail(c, ELO_E_NO_MEMORY, "no memory");
    }
    err = check_token(c, r, buf_span(&s->token), buf_span(&s->signature));
    struct facts f = {.mqtt = mqtt,
                      .token = buf_span(&s->token),
                      .verified = !r->signing_disabled,
                      .password_base64 = buf_span(&s->password),
                      .id = id};
    return err != ELO_OK ? err : make_event(c, &f);
}

elo_err custom_ask(struct custom *c,
                   const struct custom_mqtt *mqtt,
                   const struct custom_test *test,
                   const char *id,
                   custom_answered *answered,
                   void *ctx)
{
    struct shown s;
    buf_init(&s.token, TOKEN_MAX);
    buf_init(&s.signature, SIGNATURE_MAX);
    buf_init(&s.password, 90000);
    buf_clear(&c->name);
    c->answered = answered;
    c->ctx = ctx;
    elo_err err = prepare(c, mqtt, test, id, &s);
    buf_free(&s.token);
    buf_free(&s.signature);
    buf_free(&s.password);
    return err != ELO_OK ? err : enqueue(c);
}

elo_err custom_ask_again(struct custom *c)
{
    const struct authorizer_record *r = NULL;
    elo_err err = find(c, &r);
    err = err != ELO_OK ? err : choose(c, r);
    return err != ELO_OK ? err : enqueue(c);
}

/* --- the edge --------------------------------------------------------------------------------- */

struct custom *custom_next_call(struct authorizer *a)
{
    struct custom *c = STAILQ_FIRST(&a->calls);
    if (c != NULL) {
        STAILQ_REMOVE_HEAD(&a->calls, link);
        c->state = CUSTOM_CALLED;
    }
    return c;
}

elo_span custom_call_function(const struct custom *c)
{
    return buf_span(&c->function);
}

elo_span custom_call_event(const struct custom *c)
{
    return buf_span(&c->event);
}

void custom_call_done(struct custom *c, elo_err err, elo_span answer, const char *why)
{
    c->authorizer->call_count--;
    c->state = CUSTOM_IDLE;
    if (c->answered == NULL) { /* destroyed meanwhile */
        release(c);
        return;
    }
    c->was_called = err == ELO_OK;
    if (err == ELO_OK) {
        err = custom_read_answer(c, answer);
    } else {
        err = custom__fail(c, err, "%s", why);
    }
    c->answered(c->ctx, err);
}
