// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a token is the base64 of "OPERATION:KEY", where KEY is the registry's own mark of
 * where the next page begins. It holds all there is to know, so it neither expires nor costs
 * memory; one of another listing, or one that is no token at all, is refused.
 */
#include "server/api/internal.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#define TOKEN_BYTES (40u + REGISTRY_KEY_BYTES)

static size_t encode(elo_span bytes, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t n = bytes.len - i < 3 ? bytes.len - i : 3;
        uint32_t group = 0;
        for (size_t k = 0; k < 3; k++) {
            group = group << 8 | (k < n ? bytes.ptr[i + k] : 0);
        }
        for (size_t k = 0; k < 4; k++) {
            out[len++] = k <= n ? digits[group >> (18 - 6 * k) & 63] : '=';
        }
    }
    return len;
}

static bool decode(elo_span text, char *out, size_t cap, size_t *out_len)
{
    size_t len = 0;
    if (text.len == 0 || text.len % 4 != 0 || text.len / 4 * 3 > cap) {
        return false;
    }
    size_t padding = text.ptr[text.len - 2] == '=' ? 2 : text.ptr[text.len - 1] == '=';
    for (size_t i = 0; i < text.len; i += 4) {
        uint32_t group = 0;
        for (size_t k = 0; k < 4; k++) {
            uint8_t ch = text.ptr[i + k];
            bool is_padding = i + k >= text.len - padding;
            const char *digit = ch != '\0' ? strchr(digits, ch) : NULL;
            if (is_padding ? ch != '=' : digit == NULL) {
                return false;
            }
            group = group << 6 | (is_padding ? 0 : (uint32_t)(digit - digits));
        }
        for (size_t k = 0; k < 3; k++) {
            out[len++] = (char)(group >> (16 - 8 * k) & 255);
        }
    }
    *out_len = len - padding;
    return true;
}

static aws_error take_token(struct call *c, struct paging *p, const char *parameter)
{
    elo_span token;
    char text[TOKEN_BYTES + 3];
    size_t len;
    if (!api__query(c, parameter, &token)) {
        return AWS_OK;
    }
    size_t head = strlen(c->route->operation);
    bool ok = decode(token, text, sizeof text, &len) && len > head + 1 &&
              memcmp(text, c->route->operation, head) == 0 && text[head] == ':' &&
              len - head - 1 <= sizeof p->key;
    if (!ok) {
        return api__invalid(c, "Value '%s' at '%s' is not a token of %s", text_quote(token).text,
                            parameter, c->route->operation);
    }
    memcpy(p->key, text + head + 1, len - head - 1);
    p->page.after = elo_span_of(p->key, len - head - 1);
    return AWS_OK;
}

static aws_error
begin(struct call *c, struct paging *p, const char *token, const char *size, const char *member)
{
    int64_t max = LIMIT_PAGE_DEFAULT;
    *p = (struct paging){.member = member};
    aws_error error = api__query_int(c, size, 1, LIMIT_PAGE_MAX, &max, NULL);
    p->page.max = (size_t)max;
    return error ? error : take_token(c, p, token);
}

aws_error api__page_token(struct call *c, struct paging *p)
{
    return begin(c, p, "nextToken", "maxResults", "nextToken");
}

aws_error api__page_marker(struct call *c, struct paging *p, bool ordered)
{
    bool ascending = !ordered;
    aws_error error = begin(c, p, "marker", "pageSize", "nextMarker");
    if (error == AWS_OK && ordered) {
        error = api__query_bool(c, "isAscendingOrder", &ascending);
    }
    p->page.descending = !ascending;
    return error;
}

void api__page_end(const struct call *c, const struct paging *p, struct elo_json_writer *w)
{
    char text[TOKEN_BYTES];
    char token[TOKEN_BYTES / 3 * 4 + 8];
    size_t head = strlen(c->route->operation);
    if (p->next.len == 0) {
        return;
    }
    memcpy(text, c->route->operation, head);
    text[head] = ':';
    memcpy(text + head + 1, p->next.key, p->next.len);
    size_t len = encode(elo_span_of(text, head + 1 + p->next.len), token);
    api__put_text(w, p->member, elo_span_of(token, len));
}

aws_error api__base64(struct call *c, elo_span text, const char *member, elo_span *out)
{
    size_t len = 0;
    char *room = api__alloc(c, text.len + 1);
    if (room == NULL) {
        return api__out_of_memory(c);
    }
    if (text.len > 0 && !decode(text, room, text.len + 1, &len)) {
        return api__invalid(c, "Value at '%s' is not base64", member);
    }
    *out = elo_span_of(room, len);
    return AWS_OK;
}
