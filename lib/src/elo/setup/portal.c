// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* Taking requests: which page, is it allowed, what does the form say. */
#include "elo/setup/portal.h"

#include "elo/base/flash.h"
#include "elo/setup/code.h"
#include "elo/setup/internal.h"
#include "elo/setup/portal_internal.h"

static const char TRY[] ELO_FLASH = "/try";
static const char SCAN[] ELO_FLASH = "/scan";
static const char BUNDLE[] ELO_FLASH = "/bundle";

static size_t put_decimal(unsigned n, char *out)
{
    char digits[3];
    size_t len = 0, at = 0;
    do {
        digits[len++] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    while (len > 0) {
        out[at++] = digits[--len];
    }
    return at;
}

void elo_portal_init(struct elo_portal *p,
                     struct elo_setup *setup,
                     const uint8_t address[4],
                     const uint8_t random[16])
{
    size_t n = 0;
    memset(p, 0, sizeof *p);
    p->setup = setup;
    for (size_t i = 0; i < 4; i++) {
        n += put_decimal(address[i], p->_internal.host + n);
        p->_internal.host[n++] = i < 3 ? '.' : '\0';
    }
    for (size_t i = 0; i < 8; i++) {
        elo_hex_put(random[i], 2, p->_internal.token + 2 * i);
        elo_hex_put(random[8 + i], 2, p->_internal.nonce + 2 * i);
    }
}

void elo_portal_open(struct elo_portal_conn *c, struct elo_portal *p, uint32_t now)
{
    memset(c, 0, sizeof *c);
    c->portal = p;
    c->_internal.deadline = now + ELO_PORTAL_PATIENCE_MS;
    elo_http_init(&c->http, ELO_PORTAL_BODY_MAX);
    elo__form_init(&c->_internal.form);
}

static void release(struct elo_portal_conn *c)
{
    if (c->portal->_internal.writer == c) {
        c->portal->_internal.writer = NULL;
    }
}

void elo_portal_close(struct elo_portal_conn *c)
{
    bool broken = c->portal->_internal.writer == c && c->_internal.phase == ELO__READING;
    if (broken && !elo_setup_has_bundle(c->portal->setup)) {
        elo_bundle_text_wipe(&c->portal->setup->bundle); /* half of one is none */
    }
    release(c);
    elo__setup_wipe(&c->_internal.form, sizeof c->_internal.form);
    c->_internal.phase = ELO__FINISHED;
}

bool elo_portal_finished(const struct elo_portal_conn *c)
{
    return c->_internal.phase == ELO__FINISHED;
}

uint32_t elo_portal_deadline(const struct elo_portal_conn *c)
{
    return c->_internal.deadline;
}

void elo_portal_tick(struct elo_portal_conn *c, uint32_t now)
{
    if ((int32_t)(now - c->_internal.deadline) < 0) {
        return;
    }
    if (c->_internal.phase == ELO__READING) {
        release(c);
        elo__answer(c, 408, ELO__ANSWER_REFUSAL);
        c->_internal.deadline = now + ELO_PORTAL_PATIENCE_MS;
    } else {
        c->_internal.phase = ELO__FINISHED;
    }
}

/* --- may it? -------------------------------------------------------------------------------------
 */

/* In the same time whatever differs. */
static bool is_token(const struct elo_portal_conn *c, elo_span given)
{
    const char *token = c->portal->_internal.token;
    unsigned differ = given.len != sizeof c->portal->_internal.token - 1;
    for (size_t i = 0; i < given.len && token[i] != '\0'; i++) {
        differ |= (unsigned)(given.ptr[i] ^ (uint8_t)token[i]);
    }
    return differ == 0;
}

bool elo__host_is_ours(const struct elo_portal_conn *c)
{
    elo_span host = elo_span_str(c->http.host), ours = elo_span_str(c->portal->_internal.host);
    if (host.len == 0) {
        return true;
    }
    return !c->http.host_cut && elo_span_starts_with(host, ours) &&
           (host.len == ours.len || host.ptr[ours.len] == ':');
}

static bool is_path(const struct elo_portal_conn *c, elo_text path)
{
    return !c->http.path_cut && elo_text_is(path, elo_span_str(c->http.path));
}

/* Takes the right to change the draft; else the answer is under way. */
static bool take_pen(struct elo_portal_conn *c)
{
    if (c->portal->_internal.writer != NULL || !elo_setup_open(c->portal->setup)) {
        elo__answer(c, 409, ELO__ANSWER_REFUSAL);
        return false;
    }
    c->portal->_internal.writer = c;
    return true;
}

/* --- the form ------------------------------------------------------------------------------------
 */

static void choose(struct elo_portal_conn *c, elo_text field, elo_span value)
{
    struct elo_setup *s = c->portal->setup;
    struct elo_settings *d = s->config.draft;
    uint8_t before[ELO_SSID_MAX];
    char name[16];
    size_t len = d->ssid_len;
    memcpy(before, d->ssid, len);
    elo_span wanted = elo_span_of(name, elo_text_copy(field, name, sizeof name));
    elo_err err = elo_settings_set(d, wanted, value, &s->fault);
    c->_internal.bad_field |= err != ELO_OK;
    if (!elo_span_eq(elo_span_of(before, len), elo_span_of(d->ssid, d->ssid_len))) {
        elo__setup_wipe(d->passphrase, sizeof d->passphrase); /* it was the other network's */
    }
    elo_setup_wifi_given(s);
}

static void set_field(struct elo_portal_conn *c, elo_span name, elo_span value)
{
    static const char NET[] ELO_FLASH = "net";
    static const char SSID[] ELO_FLASH = "ssid";
    static const char PASS[] ELO_FLASH = "pass";
    static const char WIFI_SSID[] ELO_FLASH = "wifiSsid";
    static const char WIFI_SSID_HEX[] ELO_FLASH = "wifiSsidHex";
    struct elo_setup *s = c->portal->setup;
    if (elo_text_is(NET, name)) {
        c->_internal.nets = true;
        c->_internal.other_net = value.len == 0;
        if (value.len > 0) {
            choose(c, WIFI_SSID_HEX, value);
        }
    } else if (elo_text_is(SSID, name)) {
        if (c->_internal.other_net || !c->_internal.nets) {
            choose(c, WIFI_SSID, value);
        }
    } else if (elo_text_is(PASS, name)) {
        if (value.len > 0) {
            c->_internal.bad_field |= elo_settings_set(s->config.draft, ELO_SPAN("wifiPassphrase"),
                                                       value, &s->fault) != ELO_OK;
        }
    } else {
        elo_err err = elo_settings_set(s->config.draft, name, value, &s->fault);
        c->_internal.bad_field |= err == ELO_E_SETTING;
    }
}

static void bundle_byte(struct elo_portal_conn *c, uint8_t byte)
{
    struct elo_setup *s = c->portal->setup;
    bool space = byte == ' ' || byte == '\r' || byte == '\n' || byte == '\t';
    if (c->_internal.kind == 0 && !space) { /* the first that counts */
        c->_internal.kind = 1;
        elo_setup_new_bundle(s, true);
    }
    if (c->_internal.kind != 0) {
        elo_bundle_text_input(&s->bundle, elo_span_of(&byte, 1)); /* finish tells */
    }
}

static bool begin_trusted(struct elo_portal_conn *c)
{
    struct elo_setup *s = c->portal->setup;
    bool scan = is_path(c, SCAN);
    c->_internal.trusted = true;
    if (!scan && !take_pen(c)) {
        return false;
    }
    if (!scan && !elo_setup_has_bundle(s)) {
        elo_bundle_text_wipe(&s->bundle); /* what an earlier visitor left half done, or wrong */
    }
    return true;
}

/* The token comes first: nothing is touched before it. */
static bool on_field(void *ctx, struct elo__form *f, enum elo__form_event event)
{
    static const char FIELD_BUNDLE[] ELO_FLASH = "bundle";
    struct elo_portal_conn *c = (struct elo_portal_conn *)ctx;
    elo_span name = elo_span_of(f->name, f->name_len), value = elo_span_of(f->value, f->value_len);
    if (event == ELO__FORM_BYTE) {
        bundle_byte(c, (uint8_t)f->value[0]);
        return true;
    }
    if (!c->_internal.trusted) {
        bool is =
            elo_span_eq(name, ELO_SPAN("t")) && (event == ELO__FORM_BEGIN || is_token(c, value));
        return is && (event == ELO__FORM_BEGIN || begin_trusted(c));
    }
    if (event == ELO__FORM_BEGIN) {
        f->flows = elo_text_is(FIELD_BUNDLE, name) && is_path(c, TRY);
    } else if (is_path(c, TRY) && !f->flows && !f->cut) {
        set_field(c, name, value);
    } else if (f->cut && is_path(c, TRY)) {
        set_field(c, name, elo_span_of(f->value, sizeof f->value)); /* refused as too long */
    }
    return true;
}

static void end_try(struct elo_portal_conn *c)
{
    struct elo_setup *s = c->portal->setup;
    bool pasted = c->_internal.kind != 0; /* then there must be a bundle in it */
    elo_err err = c->_internal.bad_field ? ELO_E_SETTING
                  : pasted && !elo_bundle_text_begun(&s->bundle)
                      ? elo_bundle_text_finish(&s->bundle, true)
                      : elo_setup_take_bundle(s);
    if (err == ELO_OK) {
        err = elo_setup_test(s);
    }
    if (err != ELO_OK) {
        elo_setup_refuse(s, err);
    }
}

/* --- requests ------------------------------------------------------------------------------------
 */

static void on_get(struct elo_portal_conn *c)
{
    static const char ROOT[] ELO_FLASH = "/";
    static const char STATUS[] ELO_FLASH = "/status";
    struct elo_setup *s = c->portal->setup;
    if (is_path(c, ROOT)) {
        if (!s->scanned && !s->scanning && elo_setup_open(s)) {
            elo_setup_wish_for(s, ELO_SETUP_WISH_SCAN);
        }
        elo__answer(c, 200, ELO__ANSWER_PAGE);
    } else if (is_path(c, STATUS)) {
        elo__answer(c, 200, ELO__ANSWER_STATUS);
    } else {
        bool post_only = is_path(c, TRY) || is_path(c, SCAN) || is_path(c, BUNDLE);
        elo__answer(c, post_only ? 405 : 404, ELO__ANSWER_REFUSAL);
    }
}

static void on_post(struct elo_portal_conn *c)
{
    bool bundle = is_path(c, BUNDLE);
    if (!bundle && !is_path(c, TRY) && !is_path(c, SCAN)) {
        bool page = c->http.path[1] == '\0' || is_path(c, "/status");
        elo__answer(c, page ? 405 : 404, ELO__ANSWER_REFUSAL);
    } else if (c->http.body_len > 0 && c->http.type != (bundle ? ELO_HTTP_TEXT : ELO_HTTP_FORM)) {
        elo__answer(c, 415, ELO__ANSWER_REFUSAL);
    } else if (bundle && !is_token(c, elo_span_str(c->http.token))) {
        elo__answer(c, 403, ELO__ANSWER_REFUSAL);
    } else if (bundle && take_pen(c)) {
        elo_setup_new_bundle(c->portal->setup, true);
    }
}

static void on_head(struct elo_portal_conn *c)
{
    bool post = c->http.method == ELO_HTTP_POST;
    if (!elo__host_is_ours(c)) {
        elo__answer(c, post ? 403 : 302, post ? ELO__ANSWER_REFUSAL : ELO__ANSWER_REDIRECT);
    } else if (post) {
        on_post(c);
    } else {
        on_get(c);
    }
}

static void on_body(struct elo_portal_conn *c, elo_span body)
{
    if (c->http.type == ELO_HTTP_TEXT) {
        elo_bundle_text_input(&c->portal->setup->bundle, body); /* finish tells */
    } else if (!elo__form_input(&c->_internal.form, body, on_field, c) &&
               c->_internal.phase == ELO__READING) {
        elo__answer(c, c->_internal.trusted ? 400 : 403, ELO__ANSWER_REFUSAL);
        release(c);
    }
}

static void end_bundle(struct elo_portal_conn *c)
{
    struct elo_setup *s = c->portal->setup;
    elo_err err = elo_bundle_text_begun(&s->bundle) ? elo_setup_take_bundle(s)
                                                    : elo_bundle_text_finish(&s->bundle, true);
    if (err != ELO_OK) {
        elo_setup_refuse(s, err);
    } else {
        s->state = ELO_SETUP_IDLE;
        s->reason = ELO_OK;
    }
    elo__answer(c, 200, ELO__ANSWER_STATUS);
}

static void on_done(struct elo_portal_conn *c)
{
    struct elo_setup *s = c->portal->setup;
    if (is_path(c, BUNDLE)) {
        end_bundle(c);
    } else if (!elo__form_finish(&c->_internal.form, on_field, c) || !c->_internal.trusted) {
        if (c->_internal.phase == ELO__READING) {
            elo__answer(c, c->_internal.trusted ? 400 : 403, ELO__ANSWER_REFUSAL);
        }
    } else if (is_path(c, SCAN)) {
        if (elo_setup_open(s)) {
            elo_setup_wish_for(s, ELO_SETUP_WISH_SCAN);
        }
        elo__answer(c, 303, ELO__ANSWER_REDIRECT);
    } else {
        end_try(c);
        elo__answer(c, 303, ELO__ANSWER_REDIRECT);
    }
    release(c);
}

size_t elo_portal_input(struct elo_portal_conn *c, elo_span bytes, uint32_t now)
{
    elo_span body;
    if (c->_internal.phase != ELO__READING) {
        return bytes.len; /* there is nothing more to hear */
    }
    bool before = c->http.head_done;
    size_t n = elo_http_input(&c->http, bytes, &body);
    if (c->http.status != 0) {
        elo__answer(c, c->http.status, ELO__ANSWER_REFUSAL);
        release(c);
    } else if (c->http.head_done && !before) {
        on_head(c);
    }
    if (body.len > 0 && c->_internal.phase == ELO__READING) {
        on_body(c, body);
    }
    if (c->http.done && c->_internal.phase == ELO__READING) {
        on_done(c);
    }
    if (c->_internal.phase != ELO__READING) {
        elo__setup_wipe(&c->_internal.form, sizeof c->_internal.form);
        c->_internal.deadline = now + ELO_PORTAL_PATIENCE_MS;
    }
    return n;
}
