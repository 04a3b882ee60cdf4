// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: client and server each write the request down in one agreed form and compare
 * keyed hashes of it.
 *
 *     METHOD \n  path \n  query \n  name:value\n ... \n  names;joined \n  hex(sha256(body))
 *
 * For every service but S3 the path is encoded once more than on the wire, so the "%2F" inside an
 * ARN becomes "%252F". The query is compared as sent. Header values lose outer white space, and
 * inner runs of it become one space.
 */
#include "server/auth/sigv4_canonical.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/env.h"
#include "server/base/mem.h"
#include "server/pki/pki.h"

/* --- path ------------------------------------------------------------------------------------ */

static bool is_unreserved(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/* Percent-encodes `text` at `out`, which has room for three times as much; the bytes written. */
static size_t encode(elo_span text, uint8_t *out)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (is_unreserved(c)) {
            out[n++] = c;
        } else {
            out[n++] = '%';
            out[n++] = (uint8_t)digits[c >> 4];
            out[n++] = (uint8_t)digits[c & 15];
        }
    }
    return n;
}

/* The length of `path` without its last "/segment". */
static size_t parent(const uint8_t *path, size_t len)
{
    while (len > 0 && path[--len] != '/') {
    }
    return len;
}

void sigv4__canonical_path(elo_span path, struct buf *out)
{
    uint8_t *room = buf_room(out, 3 * path.len + 2);
    if (room == NULL) {
        return;
    }
    size_t n = 0;
    for (elo_span rest = path; rest.len > 0;) {
        elo_span segment = text_cut(&rest, '/');
        if (elo_span_eq(segment, ELO_SPAN(".."))) {
            n = parent(room, n);
        } else if (segment.len > 0 && !elo_span_eq(segment, ELO_SPAN("."))) {
            room[n++] = '/';
            n += encode(segment, room + n);
        }
    }
    if (n == 0 || path.ptr[path.len - 1] == '/') {
        room[n++] = '/';
    }
    buf_wrote(out, n);
}

/* --- query ----------------------------------------------------------------------------------- */

struct pair {
    elo_span name;
    elo_span value;
};

static int compare_spans(elo_span a, elo_span b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter > 0 ? memcmp(a.ptr, b.ptr, shorter) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_pairs(const void *a, const void *b)
{
    const struct pair *left = a;
    const struct pair *right = b;
    int order = compare_spans(left->name, right->name);
    return order != 0 ? order : compare_spans(left->value, right->value);
}

static size_t count_of(elo_span text, char separator)
{
    size_t count = 1;
    for (size_t i = 0; i < text.len; i++) {
        count += text.ptr[i] == separator;
    }
    return count;
}

bool sigv4__canonical_query(elo_span query, struct buf *out)
{
    if (query.len == 0) {
        return true;
    }
    size_t count = count_of(query, '&');
    struct pair *pairs = mem_alloc(count * sizeof *pairs);
    if (pairs == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        pairs[i].value = text_cut(&query, '&');
        pairs[i].name = text_cut(&pairs[i].value, '=');
    }
    qsort(pairs, count, sizeof *pairs, compare_pairs);
    for (size_t i = 0; i < count; i++) {
        buf_text(out, i > 0 ? "&" : "");
        buf_add(out, pairs[i].name);
        buf_byte(out, '=');
        buf_add(out, pairs[i].value);
    }
    mem_free(pairs);
    return true;
}

/* --- headers --------------------------------------------------------------------------------- */

bool sigv4__is_named(const struct sigv4_header *header, elo_span name)
{
    if (header->name.len != name.len) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        if (text_lower(header->name.ptr[i]) != name.ptr[i]) {
            return false;
        }
    }
    return true;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* The words of `value`, one space between them. */
static void add_trimmed(elo_span value, struct buf *out)
{
    bool is_first = true;
    for (size_t at = 0; at < value.len;) {
        size_t start = at;
        while (at < value.len && !is_space(value.ptr[at])) {
            at++;
        }
        if (at > start) {
            buf_text(out, is_first ? "" : " ");
            buf_add(out, elo_span_of(value.ptr + start, at - start));
            is_first = false;
        }
        while (at < value.len && is_space(value.ptr[at])) {
            at++;
        }
    }
}

/* "name:value,value\n", the values of all headers of that name in their order. */
static bool
add_header(const struct sigv4_header *headers, size_t count, elo_span name, struct buf *out)
{
    size_t found = 0;
    buf_add(out, name);
    buf_byte(out, ':');
    for (size_t i = 0; i < count; i++) {
        if (sigv4__is_named(&headers[i], name)) {
            buf_text(out, found++ > 0 ? "," : "");
            add_trimmed(headers[i].value, out);
        }
    }
    buf_byte(out, '\n');
    return found > 0;
}

bool sigv4__canonical_headers(const struct sigv4_header *headers,
                              size_t count,
                              elo_span names,
                              struct buf *out)
{
    bool ends_open = names.len > 0 && names.ptr[names.len - 1] == ';';
    elo_span previous = ELO_SPAN("");
    do {
        elo_span name = text_cut(&names, ';');
        /* Ascending also bounds the work: no header can be asked for again and again. */
        if (compare_spans(previous, name) >= 0 || !add_header(headers, count, name, out)) {
            return false;
        }
        previous = name;
    } while (names.len > 0);
    return !ends_open;
}

/* --- the whole ------------------------------------------------------------------------------- */

elo_err sigv4__canonical_head(const struct sigv4_request *request, elo_span names, struct buf *out)
{
    buf_add(out, request->method);
    buf_byte(out, '\n');
    sigv4__canonical_path(request->path, out);
    buf_byte(out, '\n');
    if (!sigv4__canonical_query(request->query, out)) {
        return ELO_E_NO_MEMORY;
    }
    buf_byte(out, '\n');
    if (!sigv4__canonical_headers(request->headers, request->header_count, names, out)) {
        return ELO_E_NOT_FOUND;
    }
    buf_byte(out, '\n');
    buf_add(out, names);
    buf_byte(out, '\n');
    return buf_err(out);
}

static void add_hash(elo_span data, struct buf *out)
{
    uint8_t hash[32];
    char hex[65];
    pki_sha256(data, hash);
    core_hex(hash, sizeof hash, hex);
    buf_text(out, hex);
}

/* HMAC chain: "AWS4" + secret, date, region, service, terminator. */
static bool make_key(const struct sigv4__scope *scope, elo_span secret, uint8_t out[32])
{
    const elo_span links[] = {scope->region, scope->service, ELO_SPAN(SIGV4__TERMINATOR)};
    uint8_t *first = mem_alloc(4 + secret.len);
    if (first == NULL) {
        return false;
    }
    memcpy(first, "AWS4", 4);
    if (secret.len > 0) {
        memcpy(first + 4, secret.ptr, secret.len);
    }
    pki_hmac_sha256(elo_span_of(first, 4 + secret.len), scope->date, out);
    explicit_bzero(first, 4 + secret.len);
    mem_free(first);
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        pki_hmac_sha256(elo_span_of(out, 32), links[i], out);
    }
    return true;
}

elo_err sigv4__signature(elo_span canonical_request,
                         elo_span date,
                         const struct sigv4__scope *scope,
                         elo_span secret,
                         char out[65])
{
    const elo_span parts[] = {ELO_SPAN(SIGV4__ALGORITHM "\n"),
                              date,
                              ELO_SPAN("\n"),
                              scope->date,
                              ELO_SPAN("/"),
                              scope->region,
                              ELO_SPAN("/"),
                              scope->service,
                              ELO_SPAN("/"),
                              ELO_SPAN(SIGV4__TERMINATOR "\n")};
    struct buf to_sign;
    buf_init(&to_sign, SIGV4__CANONICAL_MAX);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        buf_add(&to_sign, parts[i]);
    }
    add_hash(canonical_request, &to_sign);
    elo_err err = buf_err(&to_sign);
    uint8_t key[32];
    if (err == ELO_OK && !make_key(scope, secret, key)) {
        err = ELO_E_NO_MEMORY;
    }
    if (err == ELO_OK) {
        uint8_t signature[32];
        pki_hmac_sha256(elo_span_of(key, sizeof key), buf_span(&to_sign), signature);
        core_hex(signature, sizeof signature, out);
        explicit_bzero(key, sizeof key);
    }
    buf_free(&to_sign);
    return err;
}

elo_err sigv4__sign_request(const struct sigv4_request *request,
                            elo_span names,
                            elo_span date,
                            const struct sigv4__scope *scope,
                            elo_span secret,
                            char out[65])
{
    struct buf canonical;
    buf_init(&canonical, SIGV4__CANONICAL_MAX);
    elo_err err = sigv4__canonical_head(request, names, &canonical);
    if (err == ELO_OK) {
        add_hash(request->body, &canonical);
        err = buf_err(&canonical);
    }
    if (err == ELO_OK) {
        err = sigv4__signature(buf_span(&canonical), date, scope, secret, out);
    }
    buf_free(&canonical);
    return err;
}
