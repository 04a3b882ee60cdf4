// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Bytes into lines, text into bytes. A frame is known by its mark wherever it begins: from "elo>"
 * on a line starts anew, so that neither noise before it nor its length matters.
 */
#include "elo/setup/console.h"

#include "elo/base/flash.h"
#include "elo/base/utf8.h"
#include "elo/setup/console_internal.h"
#include "elo/setup/internal.h"

/* --- output --------------------------------------------------------------------------------------
 */

void elo__say(struct elo_console *c, elo_span text)
{
    size_t room = sizeof c->_internal.out - c->_internal.out_len;
    size_t n = text.len < room ? text.len : room;
    if (n > 0) {
        memcpy(c->_internal.out + c->_internal.out_len, text.ptr, n);
        c->_internal.out_len = (uint16_t)(c->_internal.out_len + n);
    }
}

void elo__say_text(struct elo_console *c, elo_text text)
{
    for (size_t i = 0; text != NULL; i++) {
        uint8_t byte = elo_flash_read8((const uint8_t *)text + i);
        if (byte == 0) {
            return;
        }
        elo__say(c, elo_span_of(&byte, 1));
    }
}

void elo__say_number(struct elo_console *c, int32_t number)
{
    char digits[12];
    size_t at = sizeof digits;
    uint32_t v = number < 0 ? 0u - (uint32_t)number : (uint32_t)number;
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    if (number < 0) {
        digits[--at] = '-';
    }
    elo__say(c, elo_span_of(digits + at, sizeof digits - at));
}

void elo__say_plain(struct elo_console *c, elo_span text)
{
    bool good = elo_utf8_valid(text);
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.ptr[i];
        bool control = byte < 0x20 || byte == 0x7F || (byte >= 0x80 && !good);
        control = control || (byte == 0xC2 && i + 1 < text.len && text.ptr[i + 1] < 0xA0);
        if (control && byte == 0xC2 && good) {
            i++; /* U+0080 to U+009F: terminals obey some */
        }
        elo__say(c, control ? ELO_SPAN("?") : elo_span_of(&byte, 1));
    }
}

void elo__say_end(struct elo_console *c)
{
    elo__say(c, ELO_SPAN("\r\n"));
}

void elo__prompt(struct elo_console *c)
{
    elo__say(c, ELO_SPAN("> "));
}

static bool of_bundle(const struct elo_setup *s)
{
    return s->bundle.why != ELO_BUNDLE_FINE && s->reason != ELO_E_SETTING;
}

void elo__say_reason(struct elo_console *c)
{
    const struct elo_setup *s = c->setup;
    if (s->reason == ELO_E_SETTING && s->fault.field != NULL) {
        elo__say_text(c, s->fault.field);
        elo__say(c, ELO_SPAN(": "));
        elo__say_text(c, elo_settings_why(s->fault.why, ELO_LANG_EN));
    } else if (of_bundle(s)) {
        elo__say_text(c, elo_bundle_words(s->bundle.why, ELO_LANG_EN));
        if (s->bundle.name[0] != '\0') {
            elo__say(c, ELO_SPAN(" ("));
            elo__say(c, elo_span_str(s->bundle.name));
            elo__say(c, ELO_SPAN(")"));
        }
    } else {
        elo__say_text(c, elo_setup_words(s->reason, ELO_LANG_EN));
    }
}

static void refill(struct elo_console *c)
{
    c->_internal.out_at = c->_internal.out_len = 0;
    if (c->_internal.listing != ELO__LISTS_NOTHING && !elo__list_row(c)) {
        c->_internal.listing = ELO__LISTS_NOTHING;
        elo__prompt(c);
    }
}

size_t elo_console_output(struct elo_console *c, uint8_t *buf, size_t cap)
{
    if (c->_internal.out_at == c->_internal.out_len) {
        refill(c);
    }
    size_t left = (size_t)(c->_internal.out_len - c->_internal.out_at);
    size_t n = left < cap ? left : cap;
    if (n > 0) {
        memcpy(buf, c->_internal.out + c->_internal.out_at, n);
        c->_internal.out_at = (uint16_t)(c->_internal.out_at + n);
    }
    if (c->_internal.out_at == c->_internal.out_len) {
        c->_internal.out_at = c->_internal.out_len = 0;
    }
    return n;
}

void elo_console_say(struct elo_console *c, elo_span line)
{
    if (!c->_internal.quiet && sizeof c->_internal.out - c->_internal.out_len >= line.len + 2u) {
        elo__say_plain(c, line);
        elo__say_end(c);
    }
}

/* --- echo ----------------------------------------------------------------------------------------
 */

static bool may_be_frame(const struct elo_console *c, size_t len)
{
    static const char MARK[] ELO_FLASH = "elo>";
    for (size_t i = 0; i < len && i < 4; i++) {
        if (elo_flash_read8((const uint8_t *)MARK + i) != (uint8_t)c->_internal.line[i]) {
            return false;
        }
    }
    return true;
}

static bool begins_character(uint8_t byte)
{
    return (byte & 0xC0) != 0x80;
}

/* What may become a frame is held back until it cannot. */
static void echo(struct elo_console *c)
{
    size_t len = c->_internal.len;
    bool held = c->_internal.shown == 0 && may_be_frame(c, len);
    if (c->_internal.quiet || c->_internal.noisy || held) {
        return;
    }
    for (; c->_internal.shown < len; c->_internal.shown++) {
        elo_span byte = elo_span_of(c->_internal.line + c->_internal.shown, 1);
        if (c->_internal.asking != ELO__ASKS_PASSPHRASE) {
            elo__say(c, byte);
        } else if (begins_character(byte.ptr[0])) {
            elo__say(c, ELO_SPAN("*"));
        }
    }
}

/* --- lines ---------------------------------------------------------------------------------------
 */

static void clear(struct elo_console *c)
{
    elo__setup_wipe(c->_internal.line, sizeof c->_internal.line);
    c->_internal.len = c->_internal.shown = 0;
    c->_internal.cut = c->_internal.noisy = false;
    c->_internal.last_four = 0;
}

static void on_words(struct elo_console *c, elo_span line)
{
    static const char LONG[] ELO_FLASH = "That line is too long.\r\n";
    if (c->_internal.noisy || !elo_utf8_valid(line)) {
        return;
    }
    if (!c->_internal.quiet) {
        elo__say_end(c);
    }
    if (c->_internal.cut) {
        elo__say_text(c, LONG);
    } else if (c->_internal.asking == ELO__ASKS_PASSPHRASE) {
        elo__answer_passphrase(c, line);
    } else {
        elo__command(c, line);
    }
    if (c->_internal.listing == ELO__LISTS_NOTHING && c->_internal.asking == ELO__ASKS_NOTHING) {
        elo__prompt(c);
    }
}

static void end_line(struct elo_console *c, uint32_t now)
{
    struct elo_frame frame;
    elo_span line = elo_span_of(c->_internal.line, c->_internal.len);
    if (!c->_internal.cut && elo_frame_read(line, '>', &frame)) {
        c->_internal.quiet = true;
        c->_internal.quiet_until = now + ELO_CONSOLE_QUIET_MS;
        c->_internal.listing = ELO__LISTS_NOTHING;
        c->_internal.asking = ELO__ASKS_NOTHING;
        elo__on_frame(c, &frame);
    } else if (line.len < 4 || !may_be_frame(c, line.len)) { /* else a frame that was hurt */
        on_words(c, line);
    }
    clear(c);
}

static void erase(struct elo_console *c)
{
    if (c->_internal.len == 0) {
        return;
    }
    do { /* a character of several bytes goes as one */
        c->_internal.len--;
    } while (c->_internal.len > 0 &&
             !begins_character((uint8_t)c->_internal.line[c->_internal.len]));
    c->_internal.last_four = 0;
    if (c->_internal.shown > c->_internal.len) {
        c->_internal.shown = c->_internal.len;
        elo__say(c, ELO_SPAN("\b \b"));
    }
}

static void add(struct elo_console *c, uint8_t byte)
{
    c->_internal.last_four = c->_internal.last_four << 8 | byte;
    if (c->_internal.last_four == 0x656C6F3Eu) { /* "elo>" */
        clear(c);
        memcpy(c->_internal.line, "elo>", 4);
        c->_internal.len = 4;
    } else if (c->_internal.len == sizeof c->_internal.line) {
        c->_internal.cut = true;
    } else {
        c->_internal.line[c->_internal.len++] = (char)byte;
        echo(c);
    }
}

/* Keys that send more than one byte: ESC [ ... letter. */
static bool in_escape(struct elo_console *c, uint8_t byte)
{
    bool inside = c->_internal.escape > 0;
    if (byte == 0x1B) {
        c->_internal.escape = 1;
        return true;
    }
    if (inside) {
        bool opens = c->_internal.escape == 1 && (byte == '[' || byte == 'O');
        bool goes_on = c->_internal.escape > 1 && byte >= 0x20 && byte < 0x40;
        c->_internal.escape = opens || goes_on ? (uint8_t)2 : (uint8_t)0;
    }
    return inside;
}

static void on_byte(struct elo_console *c, uint8_t byte, uint32_t now)
{
    bool second = byte == '\n' && c->_internal.after_cr;
    c->_internal.after_cr = byte == '\r';
    if (byte == '\r' || byte == '\n') {
        c->_internal.escape = 0;
        if (!second) {
            end_line(c, now);
        }
    } else if (in_escape(c, byte)) {
        return;
    } else if (byte == 0x08 || byte == 0x7F) {
        erase(c);
    } else if (byte == 0x03 || byte == 0x15) { /* Ctrl-C, Ctrl-U */
        clear(c);
        c->_internal.asking = ELO__ASKS_NOTHING;
        elo__say_end(c);
        elo__prompt(c);
    } else if (byte < 0x20 && byte != '\t') {
        c->_internal.noisy = true;
    } else {
        add(c, byte == '\t' ? ' ' : byte);
    }
}

void elo_console_input(struct elo_console *c, elo_span bytes, uint32_t now)
{
    elo_console_tick(c, now);
    for (size_t i = 0; i < bytes.len; i++) {
        on_byte(c, bytes.ptr[i], now);
    }
}

/* --- what happens meanwhile ----------------------------------------------------------------------
 */

static void say_state(struct elo_console *c)
{
    static const char SAVED[] ELO_FLASH = "It works and is saved. The board restarts.";
    static const char FAILED[] ELO_FLASH = "It failed: ";
    const struct elo_setup *s = c->setup;
    if (s->state == ELO_SETUP_TESTING) {
        elo__say(c, ELO_SPAN("... "));
        elo__say_text(c, elo_setup_stage_words(s->stage, ELO_LANG_EN));
    } else if (s->state == ELO_SETUP_SAVED) {
        elo__say_text(c, SAVED);
    } else if (s->state == ELO_SETUP_FAILED) {
        elo__say_text(c, FAILED);
        elo__say_reason(c);
    } else {
        return;
    }
    elo__say_end(c);
}

void elo_console_tick(struct elo_console *c, uint32_t now)
{
    const struct elo_setup *s = c->setup;
    if (c->_internal.quiet && (int32_t)(now - c->_internal.quiet_until) >= 0) {
        c->_internal.quiet = false;
    }
    if (c->_internal.listening && !s->scanning) {
        c->_internal.listening = false;
        c->_internal.listing = ELO__LISTS_NETWORKS;
        c->_internal.row = 0;
    }
    bool news = c->_internal.said_state != s->state ||
                (s->state == ELO_SETUP_TESTING && c->_internal.said_stage != s->stage);
    c->_internal.said_state = (uint8_t)s->state;
    c->_internal.said_stage = (uint8_t)s->stage;
    if (news && !c->_internal.quiet) {
        say_state(c);
    }
}

void elo_console_init(struct elo_console *c, struct elo_setup *setup)
{
    static const char HELLO[] ELO_FLASH = " - type help\r\n> ";
    memset(c, 0, sizeof *c);
    c->setup = setup;
    c->_internal.said_state = (uint8_t)setup->state;
    elo__say_end(c);
    elo__say(c, elo_span_str(setup->config.id));
    elo__say(c, ELO_SPAN(" "));
    elo__say(c, elo_span_str(setup->config.firmware));
    elo__say_text(c, HELLO);
}
