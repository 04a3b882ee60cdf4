// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a state machine over single bytes. Between parts a line is collected (its first
 * 63 bytes count) and looked at; a BEGIN line ends with its dashes, newline or not. In a block
 * base64 flows into `mem` until a dash begins the END line. JSON is copied until its braces close.
 */
#include "elo/setup/bundle_text.h"

#include "elo/base/flash.h"
#include "elo/setup/code.h"
#include "elo/setup/internal.h"

enum state { BETWEEN, LINE, JSON, BLOCK, END_LINE };
enum block { NO_BLOCK, A_CERTIFICATE, A_KEY, PASSED_OVER };
enum announced { NOTHING, AS_ROOT, AS_CERT };

static elo_err fail(struct elo_bundle_text *b, elo_err err, elo_bundle_why why)
{
    b->why = why;
    b->line = b->_internal.line;
    b->_internal.err = err;
    if (b->_internal.mem != NULL) {
        elo__setup_wipe(b->_internal.mem, b->_internal.cap);
    }
    b->config = b->cert = b->key = elo_span_of(NULL, 0);
    b->root_count = 0;
    return err;
}

void elo_bundle_text_init(struct elo_bundle_text *b, void *mem, size_t cap)
{
    memset(b, 0, sizeof *b);
    b->_internal.mem = (uint8_t *)mem;
    b->_internal.cap = cap;
    b->_internal.line = 1;
}

void elo_bundle_text_wipe(struct elo_bundle_text *b)
{
    void *mem = b->_internal.mem;
    size_t cap = b->_internal.cap;
    if (mem != NULL) {
        elo__setup_wipe(mem, cap);
    }
    elo_bundle_text_init(b, mem, cap);
}

bool elo_bundle_text_begun(const struct elo_bundle_text *b)
{
    return b->_internal.something;
}

static elo_err put(struct elo_bundle_text *b, uint8_t byte)
{
    if (b->_internal.used == b->_internal.cap) {
        return fail(b, ELO_E_TOO_LARGE, ELO_BUNDLE_TOO_LARGE);
    }
    b->_internal.mem[b->_internal.used++] = byte;
    return ELO_OK;
}

/* --- lines ---------------------------------------------------------------------------------------
 */

static elo_span text_of(const struct elo_bundle_text *b)
{
    return elo_span_of(b->_internal.text, b->_internal.text_len);
}

static void collect(struct elo_bundle_text *b, uint8_t byte)
{
    if (b->_internal.text_len < sizeof b->_internal.text) {
        b->_internal.text[b->_internal.text_len++] = (char)byte;
    }
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

static bool mentions(elo_span line, elo_span word)
{
    for (size_t i = 0; i + word.len <= line.len; i++) {
        size_t n = 0;
        while (n < word.len && lower(line.ptr[i + n]) == word.ptr[n]) {
            n++;
        }
        if (n == word.len) {
            return true;
        }
    }
    return false;
}

/* A line between the parts may say what comes next. */
static void announce(struct elo_bundle_text *b)
{
    elo_span line = text_of(b);
    if (mentions(line, ELO_SPAN("ca.pem")) || mentions(line, ELO_SPAN("root"))) {
        b->_internal.announced = AS_ROOT;
    } else if (mentions(line, ELO_SPAN("cert"))) {
        b->_internal.announced = AS_CERT;
    }
}

/* "-----BEGIN X-----" or "-----END X-----": is the line complete, and what is X? */
static bool dashed(elo_span line, elo_span word, elo_span *name)
{
    size_t edges = 5 + word.len + 5;
    if (line.len <= edges || !elo_span_starts_with(line, ELO_SPAN("-----")) ||
        !elo_span_eq(elo_span_first(elo_span_from(line, 5), word.len), word) ||
        !elo_span_eq(elo_span_from(line, line.len - 5), ELO_SPAN("-----"))) {
        return false;
    }
    *name = elo_span_of(line.ptr + 5 + word.len, line.len - edges);
    return true;
}

static void keep_name(struct elo_bundle_text *b, elo_span name)
{
    size_t n = name.len < sizeof b->name - 1 ? name.len : sizeof b->name - 1;
    for (size_t i = 0; i < n; i++) { /* a stranger's text, perhaps to be shown on a page */
        uint8_t c = name.ptr[i], l = lower(c);
        bool plain = (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == ' ' || c == '-';
        b->name[i] = plain ? (char)c : '?';
    }
    b->name[n] = '\0';
}

static bool one_of(elo_span name, elo_text a, elo_text b, elo_text c)
{
    return elo_text_is(a, name) || elo_text_is(b, name) || elo_text_is(c, name);
}

static elo_err begin_block(struct elo_bundle_text *b, elo_span name)
{
    static const char CERT[] ELO_FLASH = "CERTIFICATE";
    static const char X509[] ELO_FLASH = "X509 CERTIFICATE";
    static const char PARAMETERS[] ELO_FLASH = "EC PARAMETERS";
    static const char KEY[] ELO_FLASH = "PRIVATE KEY";
    static const char EC[] ELO_FLASH = "EC PRIVATE KEY";
    static const char RSA[] ELO_FLASH = "RSA PRIVATE KEY";
    keep_name(b, name);
    b->_internal.something = true;
    if (one_of(name, CERT, X509, X509)) {
        b->_internal.block = A_CERTIFICATE;
    } else if (one_of(name, KEY, EC, RSA)) {
        b->_internal.block = A_KEY;
    } else if (elo_text_is(PARAMETERS, name)) {
        b->_internal.block = PASSED_OVER;
    } else {
        bool locked = mentions(name, ELO_SPAN("encrypted"));
        return fail(b, ELO_E_UNSUPPORTED, locked ? ELO_BUNDLE_ENCRYPTED : ELO_BUNDLE_UNKNOWN);
    }
    b->_internal.state = BLOCK;
    b->_internal.start = b->_internal.used;
    b->_internal.digits = b->_internal.pads = 0;
    b->_internal.group = 0;
    return ELO_OK;
}

/* --- objects -------------------------------------------------------------------------------------
 */

static void drop_object(struct elo_bundle_text *b)
{
    uint8_t *at = b->_internal.mem + b->_internal.start;
    elo__setup_wipe(at, b->_internal.used - b->_internal.start);
    b->_internal.used = b->_internal.start;
}

/* One of a kind: the same again is dropped, another one refused. */
static elo_err keep_one(struct elo_bundle_text *b, elo_span *slot, elo_span der, elo_bundle_why why)
{
    if (slot->len == 0) {
        *slot = der;
        return ELO_OK;
    }
    bool same = elo_span_eq(*slot, der);
    drop_object(b);
    return same ? ELO_OK : fail(b, ELO_E_BUNDLE, why);
}

static elo_err keep_root(struct elo_bundle_text *b, elo_span der)
{
    for (size_t i = 0; i < b->root_count; i++) {
        if (elo_span_eq(b->roots[i], der)) {
            drop_object(b);
            return ELO_OK;
        }
    }
    if (b->root_count == ELO_BUNDLE_ROOTS_MAX) {
        return fail(b, ELO_E_BUNDLE, ELO_BUNDLE_MANY_ROOTS);
    }
    b->roots[b->root_count++] = der;
    return ELO_OK;
}

static elo_err keep_certificate(struct elo_bundle_text *b, elo_span der)
{
    struct elo__look look;
    elo__look_at(der, &look);
    if (!look.certificate) {
        return fail(b, ELO_E_BAD_PEM, ELO_BUNDLE_DAMAGED);
    }
    if (look.authority) {
        b->_internal.root_as_cert |= b->_internal.announced == AS_CERT;
        return keep_root(b, der);
    }
    b->_internal.cert_as_root |= b->_internal.announced == AS_ROOT;
    return keep_one(b, &b->cert, der, ELO_BUNDLE_TWO_CERTS);
}

static elo_err end_block(struct elo_bundle_text *b)
{
    elo_span der =
        elo_span_of(b->_internal.mem + b->_internal.start, b->_internal.used - b->_internal.start);
    uint8_t block = b->_internal.block;
    elo_err err = ELO_OK;
    if (b->_internal.digits != 0) {
        return fail(b, ELO_E_BAD_PEM, ELO_BUNDLE_DAMAGED);
    }
    if (block == PASSED_OVER) {
        drop_object(b);
    } else if (!elo__der_whole(der)) {
        return fail(b, ELO_E_BAD_PEM, ELO_BUNDLE_DAMAGED);
    } else {
        err = block == A_KEY ? keep_one(b, &b->key, der, ELO_BUNDLE_TWO_KEYS)
                             : keep_certificate(b, der);
    }
    if (err == ELO_OK) {
        b->name[0] = '\0';
        b->_internal.block = NO_BLOCK;
        b->_internal.announced = NOTHING;
        b->_internal.state = BETWEEN;
    }
    return err;
}

/* --- bytes ---------------------------------------------------------------------------------------
 */

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void start_line(struct elo_bundle_text *b, uint8_t state, uint8_t byte)
{
    b->_internal.state = state;
    b->_internal.text_len = 0;
    collect(b, byte);
}

static elo_err on_json(struct elo_bundle_text *b, uint8_t c)
{
    bool quoted = b->_internal.quoted;
    if (quoted && b->_internal.escaped) {
        b->_internal.escaped = false;
    } else if (quoted) {
        b->_internal.escaped = c == '\\';
        b->_internal.quoted = c != '"';
    } else if (c == '"') {
        b->_internal.quoted = true;
    } else if (c == '{' && b->_internal.depth < 64) {
        b->_internal.depth++;
    } else if (c == '}') {
        b->_internal.depth--;
    }
    elo_err err = put(b, c);
    if (err == ELO_OK && b->_internal.depth == 0) {
        size_t start = b->_internal.start;
        b->config = elo_span_of(b->_internal.mem + start, b->_internal.used - start);
        b->_internal.state = BETWEEN;
    }
    return err;
}

static elo_err begin_json(struct elo_bundle_text *b, uint8_t c)
{
    if (b->config.len > 0) {
        return fail(b, ELO_E_BUNDLE, ELO_BUNDLE_TWO_CONFIGS);
    }
    b->_internal.something = true;
    b->_internal.state = JSON;
    b->_internal.start = b->_internal.used;
    b->_internal.depth = 0;
    b->_internal.quoted = b->_internal.escaped = false;
    return on_json(b, c);
}

static elo_err on_between(struct elo_bundle_text *b, uint8_t c)
{
    static const uint8_t BOM[] = {0xEF, 0xBB, 0xBF};
    if (b->_internal.bom < sizeof BOM) {
        bool is = c == BOM[b->_internal.bom];
        b->_internal.bom = is ? (uint8_t)(b->_internal.bom + 1) : (uint8_t)sizeof BOM;
        if (is) {
            return ELO_OK;
        }
    }
    if (c == '{') {
        return begin_json(b, c);
    }
    if (!is_space(c)) {
        start_line(b, LINE, c);
    }
    return ELO_OK;
}

static elo_err on_line(struct elo_bundle_text *b, uint8_t c)
{
    elo_span name;
    if (c == '\n' || c == '\r') {
        announce(b);
        b->_internal.state = BETWEEN;
        return ELO_OK;
    }
    collect(b, c);
    return dashed(text_of(b), ELO_SPAN("BEGIN "), &name) ? begin_block(b, name) : ELO_OK;
}

static elo_err on_base64(struct elo_bundle_text *b, uint8_t c)
{
    uint8_t v = elo_base64_value(c);
    if (v == 255 || (v == 64 && b->_internal.digits < 2) || (v != 64 && b->_internal.pads > 0)) {
        return fail(b, ELO_E_BAD_PEM, ELO_BUNDLE_DAMAGED);
    }
    b->_internal.pads = (uint8_t)(b->_internal.pads + (v == 64));
    b->_internal.group = b->_internal.group << 6 | (v & 63u);
    if (++b->_internal.digits < 4) {
        return ELO_OK;
    }
    elo_err err = ELO_OK;
    for (unsigned i = 0; err == ELO_OK && i < 3u - b->_internal.pads; i++) {
        err = put(b, (uint8_t)(b->_internal.group >> (16 - 8 * i)));
    }
    b->_internal.digits = 0;
    b->_internal.group = 0;
    return err;
}

static elo_err on_block(struct elo_bundle_text *b, uint8_t c)
{
    if (c == '-') {
        start_line(b, END_LINE, c);
        return ELO_OK;
    }
    return is_space(c) ? ELO_OK : on_base64(b, c);
}

static elo_err on_end_line(struct elo_bundle_text *b, uint8_t c)
{
    elo_span name;
    bool too_long = b->_internal.text_len == sizeof b->_internal.text;
    if (c == '\n' || c == '\r' || too_long) {
        return fail(b, ELO_E_BAD_PEM, ELO_BUNDLE_DAMAGED);
    }
    collect(b, c);
    if (!dashed(text_of(b), ELO_SPAN("END "), &name)) {
        return ELO_OK;
    }
    return elo_span_eq(name, elo_span_str(b->name)) ? end_block(b)
                                                    : fail(b, ELO_E_BAD_PEM, ELO_BUNDLE_DAMAGED);
}

static elo_err on_byte(struct elo_bundle_text *b, uint8_t c)
{
    switch (b->_internal.state) {
    case BETWEEN:
        return on_between(b, c);
    case LINE:
        return on_line(b, c);
    case JSON:
        return on_json(b, c);
    case BLOCK:
        return on_block(b, c);
    default:
        return on_end_line(b, c);
    }
}

elo_err elo_bundle_text_input(struct elo_bundle_text *b, elo_span bytes)
{
    for (size_t i = 0; b->_internal.err == ELO_OK && i < bytes.len; i++) {
        (void)on_byte(b, bytes.ptr[i]);
        b->_internal.line += bytes.ptr[i] == '\n';
    }
    return b->_internal.err;
}

elo_err elo_bundle_text_finish(struct elo_bundle_text *b, bool board_has_key)
{
    if (b->_internal.err != ELO_OK) {
        return b->_internal.err;
    }
    if (b->_internal.state > LINE) {
        return fail(b, ELO_E_MALFORMED, ELO_BUNDLE_UNFINISHED);
    }
    b->_internal.line = 0;
    b->swapped = b->_internal.cert_as_root && b->_internal.root_as_cert;
    if (!b->_internal.something) {
        return fail(b, ELO_E_MALFORMED, ELO_BUNDLE_EMPTY);
    }
    if (b->config.len == 0) {
        return fail(b, ELO_E_BUNDLE, ELO_BUNDLE_NO_CONFIG);
    }
    if (b->root_count == 0) {
        return fail(b, ELO_E_BUNDLE, ELO_BUNDLE_NO_ROOT);
    }
    if (b->cert.len == 0) {
        return fail(b, ELO_E_BUNDLE, ELO_BUNDLE_NO_CERT);
    }
    if (b->key.len == 0 && !board_has_key) {
        return fail(b, ELO_E_BUNDLE, ELO_BUNDLE_NO_KEY);
    }
    return ELO_OK;
}
