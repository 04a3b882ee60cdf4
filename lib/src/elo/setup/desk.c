// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What a desk asks in frames; frame.h is the manual. An answer is put together behind the room for
 * its head and sent as a frame; every request may come again.
 */
#include "elo/base/flash.h"
#include "elo/setup/code.h"
#include "elo/setup/console_internal.h"
#include "elo/setup/internal.h"

/* The words of an answer are said into `out` and made a frame in place. */
struct answer {
    size_t from;
};

static void begin_answer(struct elo_console *c, struct answer *a)
{
    a->from = c->_internal.out_len;
}

/* Most of what does not fit is a person's text that nobody read: let it go. */
static void make_room(struct elo_console *c)
{
    size_t left = (size_t)(c->_internal.out_len - c->_internal.out_at);
    if (c->_internal.out_at > 0) {
        memmove(c->_internal.out, c->_internal.out + c->_internal.out_at, left);
        c->_internal.out_at = 0;
        c->_internal.out_len = (uint16_t)left;
    }
    if (sizeof c->_internal.out - left < ELO_FRAME_MAX + 2) {
        c->_internal.out_len = 0;
    }
    if (c->_internal.out_len > 0) {
        elo__say_end(c); /* a frame has its line for itself */
    }
}

static void end_answer(struct elo_console *c, const struct answer *a, const struct elo_frame *asked)
{
    char *at = c->_internal.out + a->from;
    size_t n = c->_internal.out_len - a->from, most = ELO_FRAME_MAX - ELO_FRAME_EDGES;
    struct elo_frame frame = {asked->nonce, asked->seq, elo_span_of(at, n < most ? n : most)};
    size_t len = elo_frame_write(&frame, '<', at, sizeof c->_internal.out - a->from);
    c->_internal.out_len = (uint16_t)(a->from + len);
}

static void say_word(struct elo_console *c, elo_text word, int32_t number)
{
    elo__say_text(c, word);
    elo__say(c, ELO_SPAN(" "));
    elo__say_number(c, number);
}

/* --- requests ------------------------------------------------------------------------------------
 */

static void refuse(struct elo_console *c, elo_err err)
{
    static const char NO[] ELO_FLASH = "no";
    say_word(c, NO, err);
    elo__say(c, ELO_SPAN(" "));
    elo__say_text(c, elo_setup_words(err, ELO_LANG_EN));
}

static void on_hello(struct elo_console *c, const struct elo_frame *f, elo_span rest)
{
    static const char BOARD[] ELO_FLASH = "board";
    uint32_t version = 0;
    elo_span word = elo_frame_word(&rest);
    if (!elo_frame_number(word, &version) || version != ELO_FRAME_PROTOCOL) {
        refuse(c, ELO_E_UNSUPPORTED);
        return;
    }
    if (!c->_internal.in_session || c->_internal.nonce != f->nonce) {
        c->_internal.in_session = true;
        c->_internal.nonce = f->nonce;
        c->_internal.begun = c->_internal.committed = c->_internal.ended = false;
        c->_internal.total = c->_internal.got = 0;
    }
    say_word(c, BOARD, (int32_t)ELO_FRAME_PROTOCOL);
    elo__say(c, ELO_SPAN(" "));
    elo__say(c, elo_span_str(c->setup->config.id));
    elo__say(c, ELO_SPAN(" "));
    elo__say(c, elo_span_str(c->setup->config.firmware));
    elo__say(c, c->setup->config.csr != NULL ? ELO_SPAN(" key") : ELO_SPAN(" nokey"));
}

static void say_base64(struct elo_console *c, elo_span bytes)
{
    enum { GROUP = 30 };
    char text[ELO_BASE64_SIZE(GROUP)];
    while (bytes.len > 0) {
        size_t n = bytes.len < GROUP ? bytes.len : GROUP;
        elo__say(c, elo_span_of(text, elo_base64_put(elo_span_first(bytes, n), text)));
        bytes = elo_span_from(bytes, n);
    }
}

static void on_csr(struct elo_console *c, elo_span rest)
{
    static const char CSR[] ELO_FLASH = "csr";
    const struct elo_setup_config *config = &c->setup->config;
    uint32_t offset = 0;
    elo_span word = elo_frame_word(&rest);
    if (config->csr == NULL || !elo_frame_number(word, &offset)) {
        refuse(c, config->csr == NULL ? ELO_E_UNSUPPORTED : ELO_E_PROTOCOL);
        return;
    }
    elo_span csr = config->csr(config->csr_ctx);
    if (csr.len == 0) {
        elo__say(c, ELO_SPAN("wait"));
        return;
    }
    if (offset > csr.len) {
        refuse(c, ELO_E_PROTOCOL);
        return;
    }
    elo_span piece = elo_span_from(csr, offset);
    piece = elo_span_first(piece, piece.len < ELO_FRAME_PIECE ? piece.len : ELO_FRAME_PIECE);
    say_word(c, CSR, (int32_t)offset);
    elo__say(c, ELO_SPAN(" "));
    elo__say_number(c, (int32_t)csr.len);
    elo__say(c, ELO_SPAN(" "));
    say_base64(c, piece);
}

static void say_next(struct elo_console *c)
{
    static const char NEXT[] ELO_FLASH = "next";
    say_word(c, NEXT, (int32_t)c->_internal.got);
}

static void on_begin(struct elo_console *c, const struct elo_frame *f, elo_span rest)
{
    uint32_t total = 0, crc = 0;
    elo_span first = elo_frame_word(&rest);
    elo_span second = elo_frame_word(&rest);
    if (c->_internal.begun && c->_internal.begin_seq == f->seq) {
        say_next(c); /* it came twice */
        return;
    }
    if (!elo_setup_open(c->setup) || !elo_frame_number(first, &total) || second.len != 8 ||
        !elo_hex_get(second, &crc)) {
        refuse(c, ELO_E_PROTOCOL);
        return;
    }
    elo_setup_new_bundle(c->setup, false);
    c->_internal.begun = true;
    c->_internal.ended = c->_internal.committed = false;
    c->_internal.begin_seq = f->seq;
    c->_internal.total = total;
    c->_internal.crc = crc;
    c->_internal.got = c->_internal.got_crc = 0;
    say_next(c);
}

/* Decodes in small groups, so that no frame on the stack has to hold a piece. With `feeds` the
 * bytes go to the bundle. false: it is not base64, or more than `most` bytes. */
static bool decode(struct elo_console *c, elo_span text, size_t most, bool feeds)
{
    uint8_t bytes[30];
    bool good = text.len % 4 == 0;
    while (good && text.len > 0) {
        size_t n = text.len < 40 ? text.len : 40, len = 0;
        bool last = n == text.len;
        good = elo_base64_get(elo_span_first(text, n), bytes, sizeof bytes, &len) && len <= most &&
               (last || len == sizeof bytes);
        most -= good ? len : 0;
        if (good && feeds) {
            elo_bundle_text_input(&c->setup->bundle, elo_span_of(bytes, len)); /* `end` tells */
            c->_internal.got += (uint32_t)len;
            c->_internal.got_crc = elo_crc32(c->_internal.got_crc, elo_span_of(bytes, len));
        }
        text = elo_span_from(text, n);
    }
    elo__setup_wipe(bytes, sizeof bytes);
    return good;
}

static void on_put(struct elo_console *c, elo_span rest)
{
    uint32_t offset = 0;
    elo_span first = elo_frame_word(&rest);
    elo_span second = elo_frame_word(&rest);
    if (!c->_internal.begun || c->_internal.ended || !elo_setup_open(c->setup) ||
        !elo_frame_number(first, &offset) || !decode(c, second, ELO_FRAME_MAX, false)) {
        refuse(c, ELO_E_PROTOCOL);
        return;
    }
    size_t left = c->_internal.total - c->_internal.got;
    if (offset == c->_internal.got && decode(c, second, left, false)) {
        (void)decode(c, second, left, true);
    }
    say_next(c);
}

static void say_failed(struct elo_console *c, elo_text word, elo_err err)
{
    elo_err kept = c->setup->reason;
    c->setup->reason = err;
    say_word(c, word, err);
    elo__say(c, ELO_SPAN(" "));
    elo__say_reason(c);
    c->setup->reason = kept;
}

static void on_end(struct elo_console *c)
{
    static const char BAD[] ELO_FLASH = "bad";
    if (!c->_internal.begun) {
        refuse(c, ELO_E_PROTOCOL);
        return;
    }
    if (c->_internal.got != c->_internal.total) {
        say_next(c);
        return;
    }
    if (!c->_internal.ended) {
        bool whole = c->_internal.got_crc == c->_internal.crc;
        c->_internal.ended = true;
        c->_internal.end_result = whole ? elo_setup_take_bundle(c->setup) : ELO_E_CORRUPT;
        if (whole && !elo_setup_has_bundle(c->setup) && c->_internal.end_result == ELO_OK) {
            c->_internal.end_result = ELO_E_MALFORMED; /* an empty text */
        }
    }
    if (c->_internal.end_result == ELO_OK) {
        elo__say(c, ELO_SPAN("good"));
    } else {
        say_failed(c, BAD, c->_internal.end_result);
    }
}

static void say_result(struct elo_console *c)
{
    static const char TESTING[] ELO_FLASH = "testing ";
    static const char SAVING[] ELO_FLASH = "saving";
    static const char SAVED[] ELO_FLASH = "saved";
    static const char FAILED[] ELO_FLASH = "failed";
    static const char IDLE[] ELO_FLASH = "idle";
    const struct elo_setup *s = c->setup;
    switch (s->state) {
    case ELO_SETUP_TESTING:
        elo__say_text(c, TESTING);
        elo__say_text(c, elo_setup_stage_words(s->stage, ELO_LANG_EN));
        break;
    case ELO_SETUP_FAILED:
        say_failed(c, FAILED, s->reason);
        break;
    case ELO_SETUP_SAVING:
        elo__say_text(c, SAVING);
        break;
    case ELO_SETUP_SAVED:
        elo__say_text(c, SAVED);
        break;
    default:
        elo__say_text(c, IDLE);
    }
}

static void on_commit(struct elo_console *c, const struct elo_frame *f)
{
    bool again = c->_internal.committed && c->_internal.commit_seq == f->seq;
    if (!again && (!c->_internal.ended || c->_internal.end_result != ELO_OK)) {
        refuse(c, ELO_E_PROTOCOL);
        return;
    }
    if (!again) {
        elo_err err = elo_setup_test(c->setup);
        c->_internal.committed = true;
        c->_internal.commit_seq = f->seq;
        if (err != ELO_OK) {
            elo_setup_refuse(c->setup, err);
        }
    }
    say_result(c);
}

static void on_request(struct elo_console *c, const struct elo_frame *f)
{
    static const char HELLO[] ELO_FLASH = "hello";
    static const char CSR[] ELO_FLASH = "csr";
    static const char BEGIN[] ELO_FLASH = "begin";
    static const char PUT[] ELO_FLASH = "put";
    static const char END[] ELO_FLASH = "end";
    static const char COMMIT[] ELO_FLASH = "commit";
    static const char RESULT[] ELO_FLASH = "result";
    static const char RESTART[] ELO_FLASH = "restart";
    elo_span rest = f->words, verb = elo_frame_word(&rest);
    if (elo_text_is(HELLO, verb)) {
        on_hello(c, f, rest);
    } else if (!c->_internal.in_session || c->_internal.nonce != f->nonce) {
        elo__say(c, ELO_SPAN("lost"));
    } else if (elo_text_is(CSR, verb)) {
        on_csr(c, rest);
    } else if (elo_text_is(BEGIN, verb)) {
        on_begin(c, f, rest);
    } else if (elo_text_is(PUT, verb)) {
        on_put(c, rest);
    } else if (elo_text_is(END, verb)) {
        on_end(c);
    } else if (elo_text_is(COMMIT, verb)) {
        on_commit(c, f);
    } else if (elo_text_is(RESULT, verb)) {
        say_result(c);
    } else if (elo_text_is(RESTART, verb)) {
        elo_setup_wish_for(c->setup, ELO_SETUP_WISH_RESTART);
        elo__say(c, ELO_SPAN("bye"));
    } else {
        refuse(c, ELO_E_UNSUPPORTED);
    }
}

void elo__on_frame(struct elo_console *c, const struct elo_frame *frame)
{
    struct answer a;
    make_room(c);
    begin_answer(c, &a);
    on_request(c, frame);
    end_answer(c, &a, frame);
}
