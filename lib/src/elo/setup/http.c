// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a state machine over single bytes of the head. Names and values are collected in
 * fields of fixed size, a longer one is cut; a header is acted upon at the end of its line.
 */
#include "elo/setup/http.h"

#include "elo/base/flash.h"

enum state { METHOD, TARGET, VERSION, LINE_START, NAME, VALUE, BODY, OVER };

void elo_http_init(struct elo_http *h, uint32_t limit)
{
    memset(h, 0, sizeof *h);
    h->_internal.limit = limit;
}

static void refuse(struct elo_http *h, uint16_t status)
{
    h->status = status;
    h->_internal.state = OVER;
}

/* --- letters -------------------------------------------------------------------------------------
 */

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

/* RFC 9110, 5.6.2 */
static bool is_token(uint8_t c)
{
    static const char MARKS[] ELO_FLASH = "!#$%&'*+-.^_`|~";
    uint8_t l = lower(c);
    if ((l >= 'a' && l <= 'z') || (c >= '0' && c <= '9')) {
        return true;
    }
    for (size_t i = 0; i < sizeof MARKS - 1; i++) {
        if (elo_flash_read8((const uint8_t *)MARKS + i) == c) {
            return true;
        }
    }
    return false;
}

static elo_span name_of(const struct elo_http *h)
{
    return elo_span_of(h->_internal.name, h->_internal.name_len);
}

static elo_span value_of(const struct elo_http *h)
{
    size_t n = h->_internal.value_len;
    while (n > 0 && (h->_internal.value[n - 1] == ' ' || h->_internal.value[n - 1] == '\t')) {
        n--;
    }
    return elo_span_of(h->_internal.value, n);
}

static void add_name(struct elo_http *h, uint8_t c)
{
    if (h->_internal.name_len < sizeof h->_internal.name) {
        h->_internal.name[h->_internal.name_len++] = (char)c;
    }
}

static void add_value(struct elo_http *h, uint8_t c)
{
    if (h->_internal.value_len < sizeof h->_internal.value) {
        h->_internal.value[h->_internal.value_len++] = (char)c;
    } else {
        h->_internal.value_cut = true;
    }
}

/* Into a field of a request; true if all of it fits. */
static bool keep(elo_span text, char *out, size_t cap)
{
    size_t n = text.len < cap ? text.len : cap - 1;
    if (n > 0) {
        memcpy(out, text.ptr, n);
    }
    out[n] = '\0';
    return n == text.len;
}

/* --- the request line ----------------------------------------------------------------------------
 */

static void end_method(struct elo_http *h)
{
    elo_span m = name_of(h);
    if (m.len == 0) {
        refuse(h, 400);
    } else if (elo_span_eq(m, ELO_SPAN("GET"))) {
        h->method = ELO_HTTP_GET;
    } else if (elo_span_eq(m, ELO_SPAN("HEAD"))) {
        h->method = ELO_HTTP_HEAD;
    } else if (elo_span_eq(m, ELO_SPAN("POST"))) {
        h->method = ELO_HTTP_POST;
    } else {
        refuse(h, 501);
    }
    if (h->status == 0) {
        h->_internal.state = TARGET;
    }
}

static void on_method(struct elo_http *h, uint8_t c)
{
    if (c == ' ') {
        end_method(h);
    } else if ((c == '\r' || c == '\n') && h->_internal.name_len == 0) {
        return; /* empty lines before a request are passed over: RFC 9112, 2.2 */
    } else if (is_token(c)) {
        add_name(h, c);
    } else {
        refuse(h, 400);
    }
}

/* "http://host/path" is as good as "/path" and a Host (RFC 9112, 3.2.2); it was collected as a
 * path.
 */
static void split_absolute(struct elo_http *h)
{
    elo_span all = elo_span_str(h->path), start = ELO_SPAN("http://");
    if (!elo_span_starts_with(all, start)) {
        refuse(h, 400);
        return;
    }
    elo_span rest = elo_span_from(all, start.len);
    size_t n = 0;
    while (n < rest.len && rest.ptr[n] != '/') {
        n++;
    }
    h->host_cut = !keep(elo_span_first(rest, n), h->host, sizeof h->host) || n == rest.len;
    h->_internal.absolute = true;
    memmove(h->path, rest.ptr + n, rest.len - n);
    h->path[rest.len - n] = '\0';
}

static void end_target(struct elo_http *h)
{
    h->path[h->_internal.path_len] = '\0';
    if (h->_internal.path_len == 0) {
        refuse(h, 400);
    } else if (h->path[0] != '/') {
        split_absolute(h);
    }
    if (h->status == 0) {
        h->_internal.state = VERSION;
        h->_internal.value_len = 0;
    }
}

static void on_target(struct elo_http *h, uint8_t c)
{
    if (c == ' ') {
        end_target(h);
    } else if (c <= 0x20 || c >= 0x7F) {
        refuse(h, 400);
    } else if (c == '?' || h->_internal.query) {
        h->_internal.query = true;
    } else if (h->_internal.path_len < sizeof h->path - 1) {
        h->path[h->_internal.path_len++] = (char)c;
    } else {
        h->path_cut = true;
    }
}

static void end_version(struct elo_http *h)
{
    elo_span v = value_of(h);
    h->_internal.minor_0 = elo_span_eq(v, ELO_SPAN("HTTP/1.0"));
    if (h->_internal.minor_0 || elo_span_eq(v, ELO_SPAN("HTTP/1.1"))) {
        h->_internal.state = LINE_START;
    } else {
        refuse(h, elo_span_starts_with(v, ELO_SPAN("HTTP/")) ? 505 : 400);
    }
}

/* --- headers -------------------------------------------------------------------------------------
 */

static void on_host(struct elo_http *h, elo_span value)
{
    if (h->_internal.has_host) {
        refuse(h, 400);
    } else if (!h->_internal.absolute) {
        h->host_cut = !keep(value, h->host, sizeof h->host) || h->_internal.value_cut;
    }
    h->_internal.has_host = true;
}

static void on_length(struct elo_http *h, elo_span value)
{
    uint32_t n = 0;
    bool good = value.len > 0 && value.len <= 9 && !h->_internal.has_length;
    for (size_t i = 0; i < value.len && good; i++) {
        good = value.ptr[i] >= '0' && value.ptr[i] <= '9';
        n = n * 10 + (uint32_t)(value.ptr[i] - '0');
    }
    if (!good) {
        refuse(h, value.len > 9 ? 413 : 400);
    }
    h->_internal.has_length = true;
    h->body_len = n;
}

static void on_type(struct elo_http *h, elo_span value)
{
    size_t n = 0;
    while (n < value.len && value.ptr[n] != ';' && value.ptr[n] != ' ') {
        h->_internal.value[n] = (char)lower(value.ptr[n]);
        n++;
    }
    static const char FORM[] ELO_FLASH = "application/x-www-form-urlencoded";
    static const char TEXT[] ELO_FLASH = "text/plain";
    elo_span type = elo_span_first(value, n);
    h->type = elo_text_is(FORM, type)   ? ELO_HTTP_FORM
              : elo_text_is(TEXT, type) ? ELO_HTTP_TEXT
                                        : ELO_HTTP_NO_TYPE;
}

/* Browsers list languages by preference; the first that we speak is taken. */
static void on_language(struct elo_http *h, elo_span v)
{
    for (size_t i = 0; i + 1 < v.len; i++) {
        bool first = i == 0 || v.ptr[i - 1] == ',' || v.ptr[i - 1] == ' ';
        uint8_t a = lower(v.ptr[i]), b = lower(v.ptr[i + 1]);
        bool ends = i + 2 == v.len || !is_token(v.ptr[i + 2]) || v.ptr[i + 2] == '-';
        if (first && ends && ((a == 'p' && b == 't') || (a == 'e' && b == 'n'))) {
            h->lang = a == 'p' ? ELO_LANG_PT : ELO_LANG_EN;
            return;
        }
    }
}

static void end_header(struct elo_http *h)
{
    static const char HOST[] ELO_FLASH = "host";
    static const char LENGTH[] ELO_FLASH = "content-length";
    static const char TYPE[] ELO_FLASH = "content-type";
    static const char CODING[] ELO_FLASH = "transfer-encoding";
    static const char EXPECT[] ELO_FLASH = "expect";
    static const char LANGUAGE[] ELO_FLASH = "accept-language";
    static const char TOKEN[] ELO_FLASH = "x-elo-token";
    elo_span name = name_of(h), value = value_of(h);
    h->_internal.state = LINE_START;
    if (elo_text_is(HOST, name)) {
        on_host(h, value);
    } else if (elo_text_is(LENGTH, name)) {
        on_length(h, value);
    } else if (elo_text_is(TYPE, name)) {
        on_type(h, value);
    } else if (elo_text_is(CODING, name)) {
        refuse(h, 501);
    } else if (elo_text_is(EXPECT, name)) {
        refuse(h, 417);
    } else if (elo_text_is(LANGUAGE, name)) {
        on_language(h, value);
    } else if (elo_text_is(TOKEN, name) && !keep(value, h->token, sizeof h->token)) {
        h->token[0] = '\0';
    }
}

static void end_head(struct elo_http *h)
{
    bool post = h->method == ELO_HTTP_POST;
    if (!h->_internal.has_host && !h->_internal.minor_0) {
        refuse(h, 400);
    } else if (post && !h->_internal.has_length) {
        refuse(h, 411);
    } else if (!post && h->body_len > 0) {
        refuse(h, 400);
    } else if (h->body_len > h->_internal.limit) {
        refuse(h, 413);
    } else if (post && h->body_len > 0 && h->type == ELO_HTTP_NO_TYPE) {
        refuse(h, 415);
    } else {
        h->head_done = true;
        h->_internal.left = h->body_len;
        h->done = h->body_len == 0;
        h->_internal.state = h->done ? OVER : BODY;
    }
}

static void begin_line(struct elo_http *h, uint8_t c)
{
    if (!is_token(c)) { /* also the space of a folded line */
        refuse(h, 400);
        return;
    }
    h->_internal.name_len = h->_internal.value_len = 0;
    h->_internal.value_cut = false;
    h->_internal.state = NAME;
    add_name(h, lower(c));
}

static void on_name(struct elo_http *h, uint8_t c)
{
    if (c == ':') {
        h->_internal.state = VALUE;
    } else if (is_token(c)) {
        add_name(h, lower(c));
    } else {
        refuse(h, 400);
    }
}

static void on_value(struct elo_http *h, uint8_t c)
{
    if (c != '\t' && (c < 0x20 || c == 0x7F)) {
        refuse(h, 400);
    } else if (h->_internal.value_len > 0 || (c != ' ' && c != '\t')) {
        add_value(h, c);
    }
}

static void end_line(struct elo_http *h)
{
    switch (h->_internal.state) {
    case VERSION:
        end_version(h);
        break;
    case VALUE:
        end_header(h);
        break;
    case LINE_START:
        end_head(h);
        break;
    case METHOD:
        if (h->_internal.name_len == 0) {
            break;
        }
        refuse(h, 400);
        break;
    default:
        refuse(h, 400);
    }
}

static void on_plain(struct elo_http *h, uint8_t c)
{
    switch (h->_internal.state) {
    case METHOD:
        on_method(h, c);
        break;
    case TARGET:
        on_target(h, c);
        break;
    case LINE_START:
        begin_line(h, c);
        break;
    case NAME:
        on_name(h, c);
        break;
    default:
        on_value(h, c);
    }
}

static void on_head(struct elo_http *h, uint8_t c)
{
    bool in_line = h->_internal.state <= VERSION;
    h->_internal.head++;
    if (in_line && h->_internal.head > ELO_HTTP_LINE_MAX) {
        refuse(h, 414);
    } else if (h->_internal.head > ELO_HTTP_HEAD_MAX) {
        refuse(h, 431);
    } else if (h->_internal.after_cr && c != '\n') {
        refuse(h, 400);
    } else if (c == '\r') {
        h->_internal.after_cr = true;
    } else if (c == '\n') {
        h->_internal.after_cr = false;
        end_line(h);
    } else {
        on_plain(h, c);
    }
}

size_t elo_http_input(struct elo_http *h, elo_span bytes, elo_span *body)
{
    size_t at = 0;
    *body = elo_span_of(bytes.ptr, 0);
    while (at < bytes.len && h->_internal.state < BODY) {
        on_head(h, bytes.ptr[at++]);
    }
    if (h->_internal.state == BODY && at < bytes.len) {
        elo_span rest = elo_span_from(bytes, at);
        *body = elo_span_first(rest, rest.len < h->_internal.left ? rest.len : h->_internal.left);
        h->_internal.left -= (uint32_t)body->len;
        at += body->len;
        h->done = h->_internal.left == 0;
        h->_internal.state = h->done ? OVER : BODY;
    }
    return at;
}

/* --- reasons -------------------------------------------------------------------------------------
 */

#define REASON(status, text) static const char R##status[] ELO_FLASH = text
REASON(200, "OK");
REASON(302, "Found");
REASON(303, "See Other");
REASON(400, "Bad Request");
REASON(403, "Forbidden");
REASON(404, "Not Found");
REASON(405, "Method Not Allowed");
REASON(408, "Request Timeout");
REASON(409, "Conflict");
REASON(411, "Length Required");
REASON(413, "Content Too Large");
REASON(414, "URI Too Long");
REASON(415, "Unsupported Media Type");
REASON(417, "Expectation Failed");
REASON(431, "Request Header Fields Too Large");
REASON(501, "Not Implemented");
REASON(505, "HTTP Version Not Supported");

struct reason {
    uint32_t status;
    elo_text text;
};

elo_text elo_http_reason(unsigned status)
{
    static const struct reason TABLE[] ELO_FLASH = {
        {200, R200}, {302, R302}, {303, R303}, {400, R400}, {403, R403}, {404, R404},
        {405, R405}, {408, R408}, {409, R409}, {411, R411}, {413, R413}, {414, R414},
        {415, R415}, {417, R417}, {431, R431}, {501, R501}, {505, R505}};
    struct reason r;
    for (size_t i = 0; i < sizeof TABLE / sizeof TABLE[0]; i++) {
        elo_flash_copy(&r, &TABLE[i], sizeof r);
        if (r.status == status) {
            return r.text;
        }
    }
    return NULL;
}
