// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Making answers. How this works: a stack of templates in flash is walked byte by byte; a mark
 * either puts a short text in `scratch`, which goes out first, or lays another template on the
 * stack. A template with a loop is begun anew for each item. So an answer of any length needs a few
 * hundred bytes, and what it tells is what is true while it is being sent.
 */
#include "elo/base/flash.h"
#include "elo/base/utf8.h"
#include "elo/setup/code.h"
#include "elo/setup/portal_internal.h"

enum loop { ONCE, NETWORKS, SENSORS, ROLES, PINS };

static struct elo_setup *setup_of(const struct elo_portal_conn *c)
{
    return c->portal->setup;
}

/* --- scratch -------------------------------------------------------------------------------------
 */

static void put(struct elo_portal_conn *c, elo_span text)
{
    size_t room = sizeof c->_internal.scratch - c->_internal.scratch_len;
    size_t n = text.len < room ? text.len : room;
    if (n > 0) {
        memcpy(c->_internal.scratch + c->_internal.scratch_len, text.ptr, n);
        c->_internal.scratch_len = (uint8_t)(c->_internal.scratch_len + n);
    }
}

static void put_text(struct elo_portal_conn *c, elo_text text)
{
    char *to = c->_internal.scratch + c->_internal.scratch_len;
    size_t n = elo_text_copy(text, to, sizeof c->_internal.scratch - c->_internal.scratch_len);
    c->_internal.scratch_len = (uint8_t)(c->_internal.scratch_len + n);
}

static void put_number(struct elo_portal_conn *c, int32_t value)
{
    char digits[12];
    size_t at = sizeof digits;
    uint32_t v = value < 0 ? 0u - (uint32_t)value : (uint32_t)value;
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    if (value < 0) {
        digits[--at] = '-';
    }
    put(c, elo_span_of(digits + at, sizeof digits - at));
}

static void put_escaped_byte(struct elo_portal_conn *c, uint8_t byte)
{
    static const char AMP[] ELO_FLASH = "&amp;";
    static const char LT[] ELO_FLASH = "&lt;";
    static const char GT[] ELO_FLASH = "&gt;";
    static const char QUOT[] ELO_FLASH = "&quot;";
    static const char APOS[] ELO_FLASH = "&#39;";
    static const char ODD[] ELO_FLASH = "\xEF\xBF\xBD"; /* U+FFFD */
    switch (byte) {
    case '&':
        put_text(c, AMP);
        break;
    case '<':
        put_text(c, LT);
        break;
    case '>':
        put_text(c, GT);
        break;
    case '"':
        put_text(c, QUOT);
        break;
    case '\'':
        put_text(c, APOS);
        break;
    default:
        if (byte < 0x20 || byte == 0x7F) {
            put_text(c, ODD);
        } else {
            put(c, elo_span_of(&byte, 1));
        }
    }
}

/* A stranger's bytes as text of a page; what is not UTF-8 becomes U+FFFD. */
static void put_escaped(struct elo_portal_conn *c, elo_span text)
{
    while (text.len > 0) {
        size_t good = elo_utf8_prefix(text);
        for (size_t i = 0; i < good; i++) {
            put_escaped_byte(c, text.ptr[i]);
        }
        text = elo_span_from(text, good);
        if (text.len > 0) {
            put_escaped_byte(c, 0);
            text = elo_span_from(text, 1);
        }
    }
}

static void push(struct elo_portal_conn *c, elo_text text, enum loop loop)
{
    if (text != NULL &&
        c->_internal.depth < sizeof c->_internal.stack / sizeof c->_internal.stack[0]) {
        c->_internal.stack[c->_internal.depth].text = text;
        c->_internal.stack[c->_internal.depth].at = 0;
        c->_internal.stack[c->_internal.depth].loop = (uint8_t)loop;
        c->_internal.depth++;
    }
}

/* --- what is so ----------------------------------------------------------------------------------
 */

static const struct elo_setup_network *network(const struct elo_portal_conn *c, size_t i)
{
    const struct elo_setup *s = setup_of(c);
    return i < s->network_count ? &s->config.networks[i] : NULL;
}

static bool is_chosen(const struct elo_portal_conn *c, size_t i)
{
    const struct elo_setup_network *n = network(c, i);
    const struct elo_settings *d = setup_of(c)->config.draft;
    return n != NULL && d->ssid_len > 0 &&
           elo_span_eq(elo_span_of(n->ssid, n->ssid_len), elo_span_of(d->ssid, d->ssid_len));
}

static bool none_chosen(const struct elo_portal_conn *c)
{
    for (size_t i = 0; i < setup_of(c)->network_count; i++) {
        if (is_chosen(c, i)) {
            return false;
        }
    }
    return setup_of(c)->config.draft->ssid_len > 0;
}

static bool testing(const struct elo_setup *s)
{
    return s->state == ELO_SETUP_TESTING || s->state == ELO_SETUP_SAVING;
}

static bool failed(const struct elo_setup *s)
{
    return s->state == ELO_SETUP_FAILED || (s->state == ELO_SETUP_IDLE && s->reason != ELO_OK);
}

/* Pins are counted from 1; 0 is "none". */
static unsigned pin_of(const struct elo_portal_conn *c)
{
    return c->_internal.pin == 0 ? ELO_PIN_NONE : c->_internal.pin - 1u;
}

static bool about_form(const struct elo_portal_conn *c, uint8_t mark)
{
    const struct elo_setup *s = setup_of(c);
    bool form = elo_setup_open(s);
    switch (mark) {
    case 'i':
        return form;
    case 's':
        return form && s->scanning;
    case 'e':
        return form && s->scanned && !s->scanning && s->network_count == 0;
    case 'm':
        return form && none_chosen(c);
    case 'p':
        return form && s->config.draft->passphrase[0] != '\0';
    case 'b':
        return form && elo_setup_has_bundle(s);
    case 'w':
        return form && elo_setup_has_bundle(s) && s->bundle.swapped;
    default:
        return false;
    }
}

static bool about_item(const struct elo_portal_conn *c, uint8_t mark)
{
    const struct elo_settings *d = setup_of(c)->config.draft;
    const struct elo_setup_network *n = network(c, c->_internal.row);
    switch (mark) {
    case 'c':
        return is_chosen(c, c->_internal.row);
    case 'k':
        return n != NULL && n->locked;
    case 'o':
        return n != NULL && !n->locked;
    case 'h':
        return c->_internal.row == d->sensor;
    case 'j':
        return pin_of(c) == d->pins[c->_internal.role];
    default:
        return about_form(c, mark);
    }
}

static bool holds(const struct elo_portal_conn *c, uint8_t mark)
{
    const struct elo_setup *s = setup_of(c);
    switch (mark) {
    case 'l':
        return c->_internal.answer == ELO__ANSWER_REDIRECT;
    case 'a':
        return c->_internal.status == 405;
    case 't':
        return testing(s);
    case 'd':
        return s->state == ELO_SETUP_SAVED;
    case 'f':
        return failed(s);
    case 'g':
        return s->state == ELO_SETUP_IDLE && s->reason == ELO_OK && elo_setup_has_bundle(s);
    case 'z':
        return testing(s) || s->scanning;
    default:
        return about_item(c, mark);
    }
}

/* --- values --------------------------------------------------------------------------------------
 */

static elo_text state_name(const struct elo_setup *s)
{
    static const char IDLE[] ELO_FLASH = "idle";
    static const char TESTING[] ELO_FLASH = "testing";
    static const char FAILED[] ELO_FLASH = "failed";
    static const char SAVING[] ELO_FLASH = "saving";
    static const char SAVED[] ELO_FLASH = "saved";
    static const elo_text NAMES[] ELO_FLASH = {IDLE, TESTING, FAILED, SAVING, SAVED};
    return NAMES[s->state];
}

static bool of_bundle(const struct elo_setup *s)
{
    return s->bundle.why != ELO_BUNDLE_FINE &&
           (s->reason == ELO_E_BUNDLE || s->reason == ELO_E_BAD_PEM ||
            s->reason == ELO_E_UNSUPPORTED || s->reason == ELO_E_TOO_LARGE ||
            s->reason == ELO_E_MALFORMED);
}

/* "relayPin: " and why, or the reason. */
static void put_failure(struct elo_portal_conn *c)
{
    const struct elo_setup *s = setup_of(c);
    elo_lang lang = c->http.lang;
    if (s->reason == ELO_E_SETTING && s->fault.field != NULL) {
        put_text(c, s->fault.field);
        put(c, ELO_SPAN(": "));
        push(c, elo_settings_why(s->fault.why, lang), ONCE);
    } else if (of_bundle(s)) {
        push(c, elo_bundle_words(s->bundle.why, lang), ONCE);
    } else {
        push(c, elo_setup_words(s->reason, lang), ONCE);
    }
}

/* " (line 12, EC KEY)" or " (-120)" */
static void put_where(struct elo_portal_conn *c)
{
    const struct elo_setup *s = setup_of(c);
    bool bundle = of_bundle(s);
    if (s->reason == ELO_E_SETTING || (bundle && s->bundle.line == 0)) {
        return;
    }
    put(c, ELO_SPAN(" ("));
    if (!bundle) {
        put_number(c, s->reason);
    } else {
        put_text(c, elo__page_words('Q', c->http.lang));
        put(c, ELO_SPAN(" "));
        put_number(c, (int32_t)s->bundle.line);
        put(c, s->bundle.name[0] != '\0' ? ELO_SPAN(", ") : elo_span_of(NULL, 0));
        put(c, elo_span_str(s->bundle.name));
    }
    put(c, ELO_SPAN(")"));
}

static void put_hex(struct elo_portal_conn *c, const struct elo_setup_network *n)
{
    char two[2];
    for (size_t i = 0; n != NULL && i < n->ssid_len; i++) {
        elo_hex_put(n->ssid[i], 2, two);
        put(c, elo_span_of(two, 2));
    }
}

/* Four bars; from -55 dBm on all of them. */
static int bars(const struct elo_setup_network *n)
{
    int rssi = n != NULL ? n->rssi : -127;
    return rssi >= -55 ? 4 : rssi >= -67 ? 3 : rssi >= -78 ? 2 : 1;
}

static void put_pin(struct elo_portal_conn *c, bool words)
{
    static const char GPIO[] ELO_FLASH = "GPIO ";
    unsigned pin = pin_of(c);
    if (pin == ELO_PIN_NONE) {
        put_text(c, words ? elo__page_words('N', c->http.lang) : elo_sensor_name(ELO_SENSOR_NONE));
        return;
    }
    if (words) {
        put_text(c, GPIO);
    }
    put_number(c, (int32_t)pin);
    if (words) {
        put_text(c, elo__pin_label(pin));
    }
}

static void put_role_name(struct elo_portal_conn *c)
{
    static const char SENSOR_PIN[] ELO_FLASH = "sensorPin";
    static const char SCL_PIN[] ELO_FLASH = "sclPin";
    static const char RELAY_PIN[] ELO_FLASH = "relayPin";
    static const char LED_PIN[] ELO_FLASH = "ledPin";
    static const char BUTTON_PIN[] ELO_FLASH = "buttonPin";
    static const elo_text NAMES[] ELO_FLASH = {SENSOR_PIN, SCL_PIN, RELAY_PIN, LED_PIN, BUTTON_PIN};
    put_text(c, NAMES[c->_internal.role]);
}

static void value_of_item(struct elo_portal_conn *c, uint8_t mark)
{
    const struct elo_setup_network *n = network(c, c->_internal.row);
    switch (mark) {
    case 'X':
        put_hex(c, n);
        break;
    case 'Y':
        put_escaped(c, n != NULL ? elo_span_of(n->ssid, n->ssid_len) : elo_span_of(NULL, 0));
        break;
    case 'Z':
        put_number(c, bars(n));
        break;
    case 'V':
        put_text(c, elo_sensor_name((elo_sensor)c->_internal.row));
        break;
    case 'v':
        put_text(c, c->_internal.row == ELO_SENSOR_NONE
                        ? elo__page_words('N', c->http.lang)
                        : elo_sensor_name((elo_sensor)c->_internal.row));
        break;
    case 'n':
        put_role_name(c);
        break;
    case 'r':
        push(c, elo__role_words(c->_internal.role, c->http.lang), ONCE);
        break;
    case 'W':
    case 'w':
        put_pin(c, mark == 'w');
        break;
    default:
        break;
    }
}

static void begin_loop(struct elo_portal_conn *c, uint8_t mark)
{
    if (mark == 'O') {
        c->_internal.pin = 0;
        push(c, elo__template(ELO__TEMPLATE_PIN), PINS);
        return;
    }
    c->_internal.row = c->_internal.role = 0;
    if (mark == 'K') {
        push(c, elo__template(ELO__TEMPLATE_SENSOR), SENSORS);
    } else if (mark == 'P') {
        push(c, elo__template(ELO__TEMPLATE_ROLE), ROLES);
    } else if (setup_of(c)->network_count > 0) {
        push(c, elo__template(ELO__TEMPLATE_NETWORK), NETWORKS);
    }
}

static void value_of_form(struct elo_portal_conn *c, uint8_t mark)
{
    const struct elo_setup *s = setup_of(c);
    const struct elo_settings *d = s->config.draft;
    switch (mark) {
    case 'F':
        put_failure(c);
        break;
    case 'G':
        put_where(c);
        break;
    case 'H':
        push(c, elo_setup_stage_words(s->stage, c->http.lang), ONCE);
        break;
    case 'M':
        put_escaped(c, elo_span_of(d->ssid, d->ssid_len));
        break;
    case 'E':
        put_escaped(c, elo_span_str(d->thing[0] != '\0' ? d->thing : d->client_id));
        break;
    case 'J':
        put_number(c, d->interval_s);
        break;
    case 'R':
    case 'K':
    case 'P':
    case 'O':
        begin_loop(c, mark);
        break;
    default:
        value_of_item(c, mark);
    }
}

static void put_status(struct elo_portal_conn *c)
{
    put_number(c, c->_internal.status);
    put(c, ELO_SPAN(" "));
    put_text(c, elo_http_reason(c->_internal.status));
}

static void value(struct elo_portal_conn *c, uint8_t mark)
{
    static const char HTML[] ELO_FLASH = "text/html";
    static const char JSON[] ELO_FLASH = "application/json";
    static const char PLAIN[] ELO_FLASH = "text/plain";
    static const char TRUE[] ELO_FLASH = "true";
    static const char FALSE[] ELO_FLASH = "false";
    const struct elo_setup *s = setup_of(c);
    switch (mark) {
    case 'S':
        put_status(c);
        break;
    case 'C':
        put_text(c, c->_internal.answer == ELO__ANSWER_PAGE     ? HTML
                    : c->_internal.answer == ELO__ANSWER_STATUS ? JSON
                                                                : PLAIN);
        break;
    case 'A': /* seen from our own page the path is enough */
        put(c, c->_internal.status == 303 ? elo_span_of(NULL, 0) : ELO_SPAN("http://"));
        put(c, c->_internal.status == 303 ? elo_span_of(NULL, 0)
                                          : elo_span_str(c->portal->_internal.host));
        break;
    case 'a':
        put(c, c->http.method == ELO_HTTP_POST ? ELO_SPAN("GET, HEAD") : ELO_SPAN("POST"));
        break;
    case 'N':
        put(c, elo_span_str(c->portal->_internal.nonce));
        break;
    case 'T':
        put(c, elo_span_str(c->portal->_internal.token));
        break;
    case 'L':
        put(c, c->http.lang == ELO_LANG_PT ? ELO_SPAN("pt-BR") : ELO_SPAN("en"));
        break;
    case 'I':
        put_escaped(c, elo_span_str(s->config.id));
        break;
    case 'D':
        put_text(c, state_name(s));
        break;
    case '1':
    case '2':
    case '3': /* the parts of the page */
        push(c, elo__template((enum elo__template)(ELO__TEMPLATE_STYLE + (mark - '1'))), ONCE);
        break;
    case 'B':
        put_text(c, s->scanning ? TRUE : FALSE);
        break;
    default:
        value_of_form(c, mark);
    }
}

/* --- walking -------------------------------------------------------------------------------------
 */

/* The next item of the loop on top; false: it is over. */
static bool next_item(struct elo_portal_conn *c, uint8_t loop)
{
    switch (loop) {
    case NETWORKS:
        return ++c->_internal.row < setup_of(c)->network_count;
    case SENSORS:
        return ++c->_internal.row < ELO_SENSOR_COUNT;
    case ROLES:
        return ++c->_internal.role < ELO_ROLE_COUNT;
    case PINS:
        do {
            c->_internal.pin++;
        } while (c->_internal.pin <= 17 &&
                 elo_pin_judge((elo_role)c->_internal.role, pin_of(c)) != ELO_WHY_NONE);
        return c->_internal.pin <= 17;
    default:
        return false;
    }
}

static uint8_t read_byte(struct elo_portal_conn *c)
{
    size_t top = c->_internal.depth - 1u;
    elo_text text = c->_internal.stack[top].text;
    uint16_t at = c->_internal.stack[top].at;
    uint8_t byte = elo_flash_read8((const uint8_t *)text + at);
    if (byte != 0) {
        c->_internal.stack[top].at = (uint16_t)(at + 1u);
    }
    return byte;
}

static void end_template(struct elo_portal_conn *c)
{
    size_t top = c->_internal.depth - 1u;
    c->_internal.stack[top].at = 0;
    if (!next_item(c, c->_internal.stack[top].loop)) {
        c->_internal.depth--;
    }
}

static void on_if(struct elo_portal_conn *c)
{
    if (!holds(c, read_byte(c))) {
        uint8_t byte;
        do {
            byte = read_byte(c);
        } while (byte != ELO__MARK_FI && byte != 0);
    }
}

/* One byte of the template on top: true if it is to be sent. */
static bool step(struct elo_portal_conn *c, uint8_t *out)
{
    uint8_t byte = read_byte(c);
    switch (byte) {
    case 0:
        end_template(c);
        return false;
    case ELO__MARK_VALUE:
        c->_internal.scratch_len = c->_internal.scratch_at = 0;
        value(c, read_byte(c));
        return false;
    case ELO__MARK_WORDS:
        push(c, elo__page_words(read_byte(c), c->http.lang), ONCE);
        return false;
    case ELO__MARK_IF:
        on_if(c);
        return false;
    case ELO__MARK_FI:
        return false;
    default:
        *out = byte;
        return true;
    }
}

void elo__answer(struct elo_portal_conn *c, unsigned status, enum elo__answer answer)
{
    enum elo__template body = answer == ELO__ANSWER_PAGE     ? ELO__TEMPLATE_PAGE
                              : answer == ELO__ANSWER_STATUS ? ELO__TEMPLATE_STATUS
                                                             : ELO__TEMPLATE_REFUSAL;
    c->_internal.status = (uint16_t)status;
    c->_internal.answer = (uint8_t)answer;
    c->_internal.phase = ELO__ANSWERING;
    c->_internal.depth = 0;
    if (c->http.method != ELO_HTTP_HEAD) {
        push(c, elo__template(body), ONCE);
    }
    push(c, elo__template(ELO__TEMPLATE_HEAD), ONCE);
}

size_t elo_portal_output(struct elo_portal_conn *c, uint8_t *buf, size_t cap)
{
    size_t n = 0;
    while (c->_internal.phase == ELO__ANSWERING && n < cap) {
        if (c->_internal.scratch_at < c->_internal.scratch_len) {
            buf[n++] = (uint8_t)c->_internal.scratch[c->_internal.scratch_at++];
        } else if (c->_internal.depth == 0) {
            c->_internal.phase = ELO__FINISHED;
        } else if (step(c, &buf[n])) {
            n++;
        }
    }
    return n;
}
