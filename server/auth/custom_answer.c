// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What an authorizer's function answers, checked whole before anything of it counts:
 *
 *     { "isAuthenticated": true, "principalId": "Desk01", "disconnectAfterInSeconds": 3600,
 *       "refreshAfterInSeconds": 600, "policyDocuments": [ { ... } or "{ ... }" ] }
 */
#include "server/auth/custom_internal.h"

#include <inttypes.h>

#include "elo/json/read.h"

enum { SECONDS_MIN = 300, SECONDS_MAX = 86400 };

/* What is read, before it is taken over. */
struct answer {
    bool has_verdict, verdict, has_principal;
    struct elo_json_token principal;
    elo_span policies; /* the array's text; empty: none */
    int64_t disconnect_s, refresh_s;
};

static elo_err bad(struct custom *c, const char *what)
{
    return custom__fail(c, ELO_E_LAMBDA, "the authorizer's function answered wrongly: %s", what);
}

static elo_err
take_seconds(struct custom *c, const struct elo_json_token *value, const char *name, int64_t *out)
{
    if (elo_json_int64(value, out) == ELO_OK && *out >= SECONDS_MIN && *out <= SECONDS_MAX) {
        return ELO_OK;
    }
    return custom__fail(c, ELO_E_LAMBDA,
                        "the authorizer's function answered wrongly: %s must be a whole number "
                        "from %d to %d",
                        name, SECONDS_MIN, SECONDS_MAX);
}

static elo_err take_member(struct custom *c,
                           struct elo_json_reader *r,
                           const struct elo_json_token *key,
                           struct answer *a)
{
    struct elo_json_token value;
    elo_span raw = elo_span_of(NULL, 0);
    if (elo_json_next(r, &value) != ELO_OK) {
        return bad(c, "it is not JSON");
    }
    bool is_container = value.type == ELO_JSON_OBJECT_BEGIN || value.type == ELO_JSON_ARRAY_BEGIN;
    if (is_container && elo_json_skip(r, &value, &raw) != ELO_OK) {
        return bad(c, "it is not JSON");
    }
    if (elo_json_token_is(key, ELO_SPAN("isAuthenticated"))) {
        a->has_verdict = value.type == ELO_JSON_TRUE || value.type == ELO_JSON_FALSE;
        a->verdict = value.type == ELO_JSON_TRUE;
    } else if (elo_json_token_is(key, ELO_SPAN("principalId"))) {
        a->has_principal = value.type == ELO_JSON_STRING;
        a->principal = value;
    } else if (elo_json_token_is(key, ELO_SPAN("policyDocuments"))) {
        a->policies = raw;
        return value.type == ELO_JSON_ARRAY_BEGIN || value.type == ELO_JSON_NULL
                   ? ELO_OK
                   : bad(c, "policyDocuments is no array");
    } else if (elo_json_token_is(key, ELO_SPAN("disconnectAfterInSeconds"))) {
        return take_seconds(c, &value, "disconnectAfterInSeconds", &a->disconnect_s);
    } else if (elo_json_token_is(key, ELO_SPAN("refreshAfterInSeconds"))) {
        return take_seconds(c, &value, "refreshAfterInSeconds", &a->refresh_s);
    }
    return ELO_OK;
}

static elo_err read_members(struct custom *c, elo_span json, struct answer *a)
{
    struct elo_json_reader r;
    struct elo_json_token token;
    elo_json_reader_init(&r, json);
    if (elo_json_validate(json) != ELO_OK || elo_json_next(&r, &token) != ELO_OK ||
        token.type != ELO_JSON_OBJECT_BEGIN) {
        return bad(c, "it is no JSON object");
    }
    while (elo_json_next(&r, &token) == ELO_OK && token.type == ELO_JSON_KEY) {
        elo_err err = take_member(c, &r, &token, a);
        if (err != ELO_OK) {
            return err;
        }
    }
    return ELO_OK;
}

/* One to 128 letters and digits. */
static elo_err take_principal(struct custom *c, const struct answer *a)
{
    size_t len = 0;
    bool good = a->has_principal && a->principal.raw.len < sizeof c->principal &&
                elo_json_unescape(&a->principal, (uint8_t *)c->principal, sizeof c->principal - 1,
                                  &len) == ELO_OK &&
                len > 0;
    for (size_t i = 0; good && i < len; i++) {
        char ch = c->principal[i];
        good = (ch >= '0' && ch <= '9') || ((ch | 32) >= 'a' && (ch | 32) <= 'z');
    }
    c->principal[good ? len : 0] = '\0';
    return good ? ELO_OK : bad(c, "principalId must be 1 to 128 letters and digits");
}

/* A document is an object, or a string that holds one. */
static elo_err
take_document(struct custom *c, struct elo_json_reader *r, const struct elo_json_token *value)
{
    elo_span raw = value->raw;
    size_t len = 0;
    if (value->type == ELO_JSON_OBJECT_BEGIN && elo_json_skip(r, value, &raw) == ELO_OK) {
        buf_add(&c->texts, raw);
    } else if (value->type == ELO_JSON_STRING) {
        uint8_t *room = buf_room(&c->texts, raw.len + 1);
        if (room != NULL && elo_json_unescape(value, room, raw.len + 1, &len) == ELO_OK) {
            buf_wrote(&c->texts, len);
        }
    } else {
        return bad(c, "a policy document is neither an object nor a string");
    }
    if (buf_err(&c->texts) != ELO_OK) {
        return bad(c, "the policy documents are too long");
    }
    c->ends[c->policy_count++] = buf_span(&c->texts).len;
    return ELO_OK;
}

static elo_err take_documents(struct custom *c, elo_span array)
{
    struct elo_json_reader r;
    struct elo_json_token token;
    elo_json_reader_init(&r, array);
    if (array.len == 0 || elo_json_next(&r, &token) != ELO_OK) {
        return ELO_OK;
    }
    while (elo_json_next(&r, &token) == ELO_OK && token.type != ELO_JSON_ARRAY_END) {
        if (c->policy_count == CUSTOM_POLICIES) {
            return bad(c, "there are more than 10 policy documents");
        }
        elo_err err = take_document(c, &r, &token);
        if (err != ELO_OK) {
            return err;
        }
    }
    return ELO_OK;
}

/* Each must be a policy: a mistake in one is told now, not at the first message. */
static elo_err check_documents(struct custom *c)
{
    elo_span documents[CUSTOM_POLICIES];
    size_t count = custom_policies(c, documents);
    for (size_t i = 0; i < count; i++) {
        char why[200];
        struct policy *policy = NULL;
        elo_err err = policy_parse(documents[i], &policy, why, sizeof why);
        if (err != ELO_OK) {
            return custom__fail(c, ELO_E_LAMBDA,
                                "the authorizer's function answered wrongly: policy document %zu: "
                                "%s",
                                i + 1, why);
        }
        policy_release(policy);
    }
    return ELO_OK;
}

elo_err custom_read_answer(struct custom *c, elo_span json)
{
    struct answer a = {.disconnect_s = SECONDS_MAX, .refresh_s = SECONDS_MAX};
    buf_clear(&c->texts);
    c->policy_count = 0;
    c->authenticated = false;
    c->principal[0] = '\0';
    elo_err err = read_members(c, json, &a);
    if (err != ELO_OK) {
        return err;
    }
    if (!a.has_verdict) {
        return bad(c, "isAuthenticated must be true or false");
    }
    if (!a.verdict) {
        return custom__fail(c, ELO_E_AUTHORIZER,
                            "the authorizer's function says that the client is not authenticated");
    }
    c->disconnect_s = a.disconnect_s;
    c->refresh_s = a.refresh_s;
    err = take_principal(c, &a);
    err = err != ELO_OK ? err : take_documents(c, a.policies);
    err = err != ELO_OK ? err : check_documents(c);
    c->authenticated = err == ELO_OK;
    return err;
}

bool custom_is_authenticated(const struct custom *c)
{
    return c->authenticated;
}

elo_span custom_principal(const struct custom *c)
{
    return elo_span_str(c->principal);
}

elo_span custom_authorizer_name(const struct custom *c)
{
    return buf_span(&c->name);
}

size_t custom_policies(const struct custom *c, elo_span out[CUSTOM_POLICIES])
{
    elo_span texts = buf_span(&c->texts);
    for (size_t i = 0; i < c->policy_count; i++) {
        size_t from = i > 0 ? c->ends[i - 1] : 0;
        out[i] = elo_span_of(texts.ptr + from, c->ends[i] - from);
    }
    return c->policy_count;
}

int64_t custom_disconnect_s(const struct custom *c)
{
    return c->disconnect_s;
}

int64_t custom_refresh_s(const struct custom *c)
{
    return c->refresh_s;
}
