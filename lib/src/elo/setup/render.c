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

/* Pins are counted from 1; 0 is "none". */
static unsigned pin_of(const struct elo_portal_conn *c)
{
    return c->_internal.pin == 0 ? ELO_PIN_NONE : c->_internal.pin - 1u;
}

static bool is_open(const struct elo_portal_conn *c)
{
    return elo_setup_open(setup_of(c));
}

static bool is_searching(const struct elo_portal_conn *c)
{
    return is_open(c) && setup_of(c)->scanning;
}

static bool heard_none(const struct elo_portal_conn *c)
{
    const struct elo_setup *s = setup_of(c);
    return is_open(c) && s->scanned && !s->scanning && s->network_count == 0;
}

static bool is_other(const struct elo_portal_conn *c)
{
    return is_open(c) && none_chosen(c);
}

static bool has_passphrase(const struct elo_portal_conn *c)
{
    return is_open(c) && setup_of(c)->config.draft->passphrase[0] != '\0';
}

static bool has_bundle(const struct elo_portal_conn *c)
{
    return is_open(c) && elo_setup_has_bundle(setup_of(c));
}

static bool was_swapped(const struct elo_portal_conn *c)
{
    return has_bundle(c) && setup_of(c)->bundle.swapped;
}

static bool row_is_chosen(const struct elo_portal_conn *c)
{
    return is_chosen(c, c->_internal.row);
}

static bool row_is_locked(const struct elo_portal_conn *c)
{
    const struct elo_setup_network *n = network(c, c->_internal.row);
    return n != NULL && n->locked;
}

static bool row_is_free(const struct elo_portal_conn *c)
{
    const struct elo_setup_network *n = network(c, c->_internal.row);
    return n != NULL && !n->locked;
}

static bool row_is_sensor(const struct elo_portal_conn *c)
{
    return c->_internal.row == setup_of(c)->config.draft->sensor;
}

static bool pin_is_chosen(const struct elo_portal_conn *c)
{
    return pin_of(c) == setup_of(c)->config.draft->pins[c->_internal.role];
}

static bool is_redirect(const struct elo_portal_conn *c)
{
    return c->_internal.answer == ELO__ANSWER_REDIRECT;
}

static bool is_wrong_method(const struct elo_portal_conn *c)
{
    return c->_internal.status == 405;
}

static bool is_testing(const struct elo_portal_conn *c)
{
    const struct elo_setup *s = setup_of(c);
    return s->state == ELO_SETUP_TESTING || s->state == ELO_SETUP_SAVING;
}

static bool is_saved(const struct elo_portal_conn *c)
{
    return setup_of(c)->state == ELO_SETUP_SAVED;
}

static bool has_failed(const struct elo_portal_conn *c)
{
    const struct elo_setup *s = setup_of(c);
    return s->state == ELO_SETUP_FAILED || (s->state == ELO_SETUP_IDLE && s->reason != ELO_OK);
}

static bool took_bundle(const struct elo_portal_conn *c)
{
    const struct elo_setup *s = setup_of(c);
    return s->state == ELO_SETUP_IDLE && s->reason == ELO_OK && elo_setup_has_bundle(s);
}

static bool is_waiting(const struct elo_portal_conn *c)
{
    return is_testing(c) || setup_of(c)->scanning;
}

struct condition {
    uint32_t mark;
    bool (*holds)(const struct elo_portal_conn *c);
};

static const struct condition CONDITIONS[] ELO_FLASH = {
    {'i', is_open},        {'s', is_searching},    {'e', heard_none},    {'m', is_other},
    {'p', has_passphrase}, {'b', has_bundle},      {'w', was_swapped},   {'c', row_is_chosen},
    {'k', row_is_locked},  {'o', row_is_free},     {'h', row_is_sensor}, {'j', pin_is_chosen},
    {'l', is_redirect},    {'a', is_wrong_method}, {'t', is_testing},    {'d', is_saved},
    {'f', has_failed},     {'g', took_bundle},     {'z', is_waiting}};

static bool holds(const struct elo_portal_conn *c, uint8_t mark)
{
    struct condition row;
    for (size_t i = 0; i < sizeof CONDITIONS / sizeof CONDITIONS[0]; i++) {
        elo_flash_copy(&row, &CONDITIONS[i], sizeof row);
        if (row.mark == mark) {
            return row.holds(c);
        }
    }
    return false;
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

static void put_hex(struct elo_portal_conn *c)
{
    const struct elo_setup_network *n = network(c, c->_internal.row);
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

static void put_ssid(struct elo_portal_conn *c)
{
    const struct elo_setup_network *n = network(c, c->_internal.row);
    put_escaped(c, n != NULL ? elo_span_of(n->ssid, n->ssid_len) : elo_span_of(NULL, 0));
}

static void put_bars(struct elo_portal_conn *c)
{
    put_number(c, bars(network(c, c->_internal.row)));
}

static void put_sensor(struct elo_portal_conn *c)
{
    put_text(c, elo_sensor_name((elo_sensor)c->_internal.row));
}

static void put_sensor_label(struct elo_portal_conn *c)
{
    bool none = c->_internal.row == ELO_SENSOR_NONE;
    put_text(c, none ? elo__page_words('N', c->http.lang)
                     : elo_sensor_name((elo_sensor)c->_internal.row));
}

static void put_role_label(struct elo_portal_conn *c)
{
    push(c, elo__role_words(c->_internal.role, c->http.lang), ONCE);
}

static void put_pin_number(struct elo_portal_conn *c)
{
    put_pin(c, false);
}

static void put_pin_label(struct elo_portal_conn *c)
{
    put_pin(c, true);
}

static void list_networks(struct elo_portal_conn *c)
{
    c->_internal.row = 0;
    if (setup_of(c)->network_count > 0) {
        push(c, elo__template(ELO__TEMPLATE_NETWORK), NETWORKS);
    }
}

static void list_sensors(struct elo_portal_conn *c)
{
    c->_internal.row = 0;
    push(c, elo__template(ELO__TEMPLATE_SENSOR), SENSORS);
}

static void list_roles(struct elo_portal_conn *c)
{
    c->_internal.role = 0;
    push(c, elo__template(ELO__TEMPLATE_ROLE), ROLES);
}

static void list_pins(struct elo_portal_conn *c)
{
    c->_internal.pin = 0;
    push(c, elo__template(ELO__TEMPLATE_PIN), PINS);
}

static void put_stage(struct elo_portal_conn *c)
{
    push(c, elo_setup_stage_words(setup_of(c)->stage, c->http.lang), ONCE);
}

static void put_draft_ssid(struct elo_portal_conn *c)
{
    const struct elo_settings *d = setup_of(c)->config.draft;
    put_escaped(c, elo_span_of(d->ssid, d->ssid_len));
}

static void put_thing(struct elo_portal_conn *c)
{
    const struct elo_settings *d = setup_of(c)->config.draft;
    put_escaped(c, elo_span_str(d->thing[0] != '\0' ? d->thing : d->client_id));
}

static void put_interval(struct elo_portal_conn *c)
{
    put_number(c, setup_of(c)->config.draft->interval_s);
}

static void put_status(struct elo_portal_conn *c)
{
    put_number(c, c->_internal.status);
    put(c, ELO_SPAN(" "));
    put_text(c, elo_http_reason(c->_internal.status));
}

static void put_type(struct elo_portal_conn *c)
{
    static const char HTML[] ELO_FLASH = "text/html";
    static const char JSON[] ELO_FLASH = "application/json";
    static const char PLAIN[] ELO_FLASH = "text/plain";
    put_text(c, c->_internal.answer == ELO__ANSWER_PAGE     ? HTML
                : c->_internal.answer == ELO__ANSWER_STATUS ? JSON
                                                            : PLAIN);
}

/* Seen from our own page the path is enough. */
static void put_origin(struct elo_portal_conn *c)
{
    static const char HTTP[] ELO_FLASH = "http://";
    if (c->_internal.status != 303) {
        put_text(c, HTTP);
        put(c, elo_span_str(c->portal->_internal.host));
    }
}

static void put_methods(struct elo_portal_conn *c)
{
    static const char GET[] ELO_FLASH = "GET, HEAD";
    static const char POST[] ELO_FLASH = "POST";
    put_text(c, c->http.method == ELO_HTTP_POST ? GET : POST);
}

static void put_nonce(struct elo_portal_conn *c)
{
    put(c, elo_span_str(c->portal->_internal.nonce));
}

static void put_token(struct elo_portal_conn *c)
{
    put(c, elo_span_str(c->portal->_internal.token));
}

static void put_language(struct elo_portal_conn *c)
{
    static const char EN[] ELO_FLASH = "en";
    static const char PT[] ELO_FLASH = "pt-BR";
    put_text(c, c->http.lang == ELO_LANG_PT ? PT : EN);
}

static void put_id(struct elo_portal_conn *c)
{
    put_escaped(c, elo_span_str(setup_of(c)->config.id));
}

static void put_state(struct elo_portal_conn *c)
{
    put_text(c, state_name(setup_of(c)));
}

static void put_scanning(struct elo_portal_conn *c)
{
    static const char TRUE[] ELO_FLASH = "true";
    static const char FALSE[] ELO_FLASH = "false";
    put_text(c, setup_of(c)->scanning ? TRUE : FALSE);
}

static void put_style(struct elo_portal_conn *c)
{
    push(c, elo__template(ELO__TEMPLATE_STYLE), ONCE);
}

static void put_form(struct elo_portal_conn *c)
{
    push(c, elo__template(ELO__TEMPLATE_FORM), ONCE);
}

static void put_script(struct elo_portal_conn *c)
{
    push(c, elo__template(ELO__TEMPLATE_SCRIPT), ONCE);
}

struct value {
    uint32_t mark;
    void (*put)(struct elo_portal_conn *c);
};

static const struct value VALUES[] ELO_FLASH = {
    {'S', put_status},     {'C', put_type},         {'A', put_origin},     {'a', put_methods},
    {'N', put_nonce},      {'T', put_token},        {'L', put_language},   {'I', put_id},
    {'D', put_state},      {'B', put_scanning},     {'1', put_style},      {'2', put_form},
    {'3', put_script},     {'F', put_failure},      {'G', put_where},      {'H', put_stage},
    {'M', put_draft_ssid}, {'E', put_thing},        {'J', put_interval},   {'R', list_networks},
    {'X', put_hex},        {'Y', put_ssid},         {'Z', put_bars},       {'K', list_sensors},
    {'V', put_sensor},     {'v', put_sensor_label}, {'P', list_roles},     {'r', put_role_label},
    {'n', put_role_name},  {'O', list_pins},        {'W', put_pin_number}, {'w', put_pin_label}};

static void put_value(struct elo_portal_conn *c, uint8_t mark)
{
    struct value row;
    for (size_t i = 0; i < sizeof VALUES / sizeof VALUES[0]; i++) {
        elo_flash_copy(&row, &VALUES[i], sizeof row);
        if (row.mark == mark) {
            row.put(c);
            return;
        }
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
        put_value(c, read_byte(c));
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
