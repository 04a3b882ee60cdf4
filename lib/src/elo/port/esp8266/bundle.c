// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/port/esp8266/bundle.h"

#include "elo/json/read.h"

const char *elo_texts_add(struct elo_texts *texts, elo_span text)
{
    char *at = texts->ptr + texts->used;
    if (text.len >= texts->cap - texts->used) {
        return NULL;
    }
    if (text.len > 0) {
        memcpy(at, text.ptr, text.len);
    }
    at[text.len] = '\0';
    texts->used += text.len + 1;
    return at;
}

/* Where the text of this member goes, or NULL. */
static const char **text_of(struct elo_bundle *b, const struct elo_json_token *name)
{
    const char **found = NULL;
    if (elo_json_token_is(name, ELO_SPAN("host"))) {
        found = &b->host;
    } else if (elo_json_token_is(name, ELO_SPAN("serverName"))) {
        found = &b->server_name;
    } else if (elo_json_token_is(name, ELO_SPAN("clientId"))) {
        found = &b->client_id;
    } else if (elo_json_token_is(name, ELO_SPAN("prefix"))) {
        found = &b->prefix;
    } else if (elo_json_token_is(name, ELO_SPAN("ssid"))) {
        found = &b->ssid;
    } else if (elo_json_token_is(name, ELO_SPAN("password"))) {
        found = &b->password;
    }
    return found;
}

static elo_err
take_text(const char **to, const struct elo_json_token *value, struct elo_texts *texts)
{
    size_t len = 0;
    char *at = texts->ptr + texts->used;
    size_t left = texts->cap - texts->used;
    if (value->type != ELO_JSON_STRING) {
        return ELO_E_MALFORMED;
    }
    if (left == 0) {
        return ELO_E_NO_SPACE;
    }
    elo_err err = elo_json_unescape(value, (uint8_t *)at, left - 1, &len);
    if (err != ELO_OK) {
        return err;
    }
    if (len > 0 && memchr(at, '\0', len) != NULL) {
        return ELO_E_MALFORMED;
    }
    at[len] = '\0';
    texts->used += len + 1;
    *to = at;
    return ELO_OK;
}

static elo_err take_port(uint16_t *to, const struct elo_json_token *value)
{
    int64_t port;
    elo_err err = elo_json_int64(value, &port);
    if (err != ELO_OK || port < 1 || port > 65535) {
        return ELO_E_MALFORMED;
    }
    *to = (uint16_t)port;
    return ELO_OK;
}

/* The value of `name`, which is a member of the outermost object. */
static elo_err take_member(struct elo_bundle *b,
                           struct elo_json_reader *r,
                           const struct elo_json_token *name,
                           struct elo_texts *texts)
{
    struct elo_json_token value;
    const char **text = text_of(b, name);
    bool port = elo_json_token_is(name, ELO_SPAN("port"));
    if (text == NULL && !port) {
        return elo_json_skip(r, name, NULL);
    }
    elo_err err = elo_json_next(r, &value);
    if (err != ELO_OK) {
        return err;
    }
    return port ? take_port(&b->port, &value) : take_text(text, &value, texts);
}

elo_err elo_bundle_read(struct elo_bundle *bundle, elo_span json, struct elo_texts *texts)
{
    struct elo_json_reader r;
    struct elo_json_token token;
    elo_err err = elo_json_validate(json);
    if (err != ELO_OK) {
        return err;
    }
    elo_json_reader_init(&r, json);
    if (elo_json_next(&r, &token) != ELO_OK || token.type != ELO_JSON_OBJECT_BEGIN) {
        return ELO_E_MALFORMED;
    }
    while ((err = elo_json_next(&r, &token)) == ELO_OK && token.type == ELO_JSON_KEY) {
        err = take_member(bundle, &r, &token, texts);
        if (err != ELO_OK) {
            return err;
        }
    }
    return err == ELO_OK || err == ELO_END ? ELO_OK : err;
}
