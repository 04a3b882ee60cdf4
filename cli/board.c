// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "cli/board.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/stop.h"
#include "elo/setup/code.h"
#include "ports/posix/clock.h"
#include "ports/posix/entropy.h"

enum {
    ANSWER_MS = 700,    /* a handshake holds a board up for half a second */
    SILENCE_MS = 15000, /* without any answer: nobody is there */
    POLL_MS = 400,      /* between questions for the result */
    RESULT_MS = 150000, /* a test's time-outs, all of them */
    KEY_MS = 60000,     /* until a board has made its key */
    BEGINNINGS = 6,     /* greetings of a board that is reset again and again */
    RESET_MS = 100
};

/* In the place of an exit code: the board does not know this session. */
enum { LOST = -2 };

/* --- frames --------------------------------------------------------------------------------------
 */

static int gone(const struct board *b, elo_err err)
{
    if (err == ELO_END) {
        say_error("the serial line %s is gone: was it unplugged?", b->path);
    } else {
        say_error("the serial line %s: %s", b->path, strerror(errno));
    }
    return EXIT_DEVICE;
}

static int wait_for(const struct board *b, short events, uint64_t until)
{
    uint64_t now = posix_clock_ms64();
    struct pollfd polls[2] = {{.fd = b->port.fd, .events = events},
                              {.fd = stop_fd(), .events = POLLIN}};
    int ms = until > now ? (int)(until - now) : 0;
    if (poll(polls, 2, ms) < 0 && errno != EINTR) {
        return gone(b, ELO_E_IO);
    }
    return stop_asked() ? stop_exit_code() : EXIT_OK;
}

static int send_all(struct board *b, elo_span bytes)
{
    int code = EXIT_OK;
    uint64_t until = posix_clock_ms64() + SILENCE_MS;
    while (code == EXIT_OK && bytes.len > 0) {
        size_t n = 0;
        elo_err err = posix_serial_send(&b->port, bytes, &n);
        bytes = elo_span_from(bytes, n);
        if (err == ELO_NEED_ROOM && posix_clock_ms64() < until) {
            code = wait_for(b, POLLOUT, until);
        } else if (err != ELO_OK) {
            code = err == ELO_NEED_ROOM ? say_reason(ELO_E_SERIAL, b->path) : gone(b, err);
        }
    }
    return code;
}

/* Is the line that has just ended the answer? */
static bool is_answer(struct board *b)
{
    struct elo_frame f;
    bool is = elo_frame_read(elo_span_of(b->line, b->line_len), '<', &f) && f.nonce == b->nonce &&
              f.seq == b->seq && f.words.len < sizeof b->answer;
    if (is) {
        for (size_t i = 0; i < f.words.len; i++) { /* nothing that a terminal obeys */
            uint8_t c = f.words.ptr[i];
            b->answer[i] = (char)(c >= 0x20 && c < 0x7F ? c : '?');
        }
        b->answer[f.words.len] = '\0';
    }
    b->line_len = 0;
    return is;
}

/* Feeds bytes; true at the answer. Rubbish longer than a line loses its front: a frame is last. */
static bool feed(struct board *b, elo_span bytes)
{
    bool is = false;
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.ptr[i] == '\n') {
            is = is_answer(b) || is;
            continue;
        }
        if (b->line_len == sizeof b->line) {
            b->line_len -= sizeof b->line / 2;
            memmove(b->line, b->line + sizeof b->line / 2, b->line_len);
        }
        b->line[b->line_len++] = (char)bytes.ptr[i];
    }
    return is;
}

/* EXIT_OK with an answer, GO_ON without one in time, or a failure. */
static int hear(struct board *b, uint64_t until)
{
    uint8_t in[256];
    for (;;) {
        size_t n = 0;
        elo_err err = posix_serial_recv(&b->port, in, sizeof in, &n);
        if (err == ELO_OK && feed(b, elo_span_of(in, n))) {
            return EXIT_OK;
        }
        if (err != ELO_OK && err != ELO_NEED_MORE) {
            return gone(b, err);
        }
        if (posix_clock_ms64() >= until) {
            return GO_ON;
        }
        int code = err == ELO_NEED_MORE ? wait_for(b, POLLIN, until) : EXIT_OK;
        if (code != EXIT_OK) {
            return code;
        }
    }
}

/* Asks until there is an answer: b->answer. */
static int ask(struct board *b, const char *words)
{
    char frame[ELO_FRAME_MAX + 2] = "\n"; /* ends whatever half line the board has */
    struct elo_frame f = {b->nonce, ++b->seq, elo_span_str(words)};
    size_t len = 1 + elo_frame_write(&f, '>', frame + 1, sizeof frame - 1);
    uint64_t end = posix_clock_ms64() + SILENCE_MS;
    int code = GO_ON;
    while (code == GO_ON && posix_clock_ms64() < end) {
        code = send_all(b, elo_span_of(frame, len));
        code = code == EXIT_OK ? hear(b, posix_clock_ms64() + ANSWER_MS) : code;
    }
    explicit_bzero(frame, sizeof frame); /* a piece of a bundle has a passphrase perhaps */
    if (code == GO_ON) {
        return say_reason(ELO_E_SERIAL, b->path);
    }
    return code == EXIT_OK && strcmp(b->answer, "lost") == 0 ? LOST : code;
}

static bool answered(const struct board *b, const char *word, elo_span *rest)
{
    *rest = elo_span_str(b->answer);
    return elo_span_eq(elo_frame_word(rest), elo_span_str(word));
}

/* "no -2 WORDS", "bad -126 WORDS", "failed -120 WORDS": in words; its exit code. */
static int say_refusal(const struct board *b)
{
    elo_span rest = elo_span_str(b->answer);
    (void)elo_frame_word(&rest);
    elo_span number = elo_frame_word(&rest);
    char digits[12] = "0";
    long code = 0;
    if (number.len > 0 && number.len < sizeof digits) {
        memcpy(digits, number.ptr, number.len);
        digits[number.len] = '\0';
    }
    if (!parse_number(digits, -9999, -1, &code)) {
        say_error("the board answers: %s", b->answer);
        return EXIT_DEVICE;
    }
    char words[ELO_FRAME_MAX + 32];
    snprintf(words, sizeof words, "the board %s says:%.*s", b->id, (int)rest.len,
             (const char *)rest.ptr);
    return say_reason((elo_err)code, words);
}

static int pause_ms(const struct board *b, unsigned ms)
{
    int code = EXIT_OK;
    uint64_t until = posix_clock_ms64() + ms;
    while (code == EXIT_OK && posix_clock_ms64() < until) {
        code = wait_for(b, 0, until);
    }
    return code;
}

/* --- the session ---------------------------------------------------------------------------------
 */

/* A text of the board's as one plain word. */
static void keep_word(elo_span word, char *out, size_t cap)
{
    size_t n = word.len < cap - 1 ? word.len : cap - 1;
    for (size_t i = 0; i < n; i++) {
        out[i] = (char)(word.ptr[i] > 0x20 && word.ptr[i] < 0x7F ? word.ptr[i] : '?');
    }
    out[n] = '\0';
}

static int greet(struct board *b)
{
    elo_span rest;
    b->nonce = (uint16_t)posix_entropy_u32(NULL);
    int code = ask(b, "hello 1");
    if (code != EXIT_OK) {
        return code == LOST ? EXIT_DEVICE : code;
    }
    if (!answered(b, "board", &rest)) {
        return say_refusal(b);
    }
    (void)elo_frame_word(&rest);
    keep_word(elo_frame_word(&rest), b->id, sizeof b->id);
    keep_word(elo_frame_word(&rest), b->firmware, sizeof b->firmware);
    b->has_key = elo_span_eq(elo_frame_word(&rest), ELO_SPAN("key"));
    return EXIT_OK;
}

static int say_port(const char *path, elo_err err)
{
    const char *why = err == ELO_E_CONFLICT      ? "another program uses it"
                      : err == ELO_E_UNSUPPORTED ? "it is no serial line"
                                                 : strerror(errno);
    say_error("cannot open %s: %s%s", path, why,
              err == ELO_E_PERMISSION
                  ? "\n     Your user needs the group of the port: sudo adduser $USER dialout"
                  : "");
    return err == ELO_E_CONFLICT ? EXIT_CONFLICT : EXIT_DEVICE;
}

int board_open(struct board *b, const char *path, bool reset)
{
    memset(b, 0, sizeof *b);
    posix_serial_init(&b->port);
    b->path = path;
    elo_err err = posix_serial_open(&b->port, path);
    if (err != ELO_OK) {
        return say_port(path, err);
    }
    int code = EXIT_OK;
    if (reset) {
        posix_serial_reset(&b->port, true);
        code = pause_ms(b, RESET_MS);
        posix_serial_reset(&b->port, false);
    }
    return code == EXIT_OK ? greet(b) : code;
}

void board_close(struct board *b)
{
    posix_serial_close(&b->port);
}

/* Does `work` until the board was not reset in between. */
static int steadily(struct board *b, int (*work)(struct board *b, void *ctx), void *ctx)
{
    char id[sizeof b->id];
    memcpy(id, b->id, sizeof id);
    int code = work(b, ctx);
    for (unsigned i = 0; code == LOST && i < BEGINNINGS; i++) {
        fprintf(stderr, "  the board was reset; once more\n");
        code = greet(b);
        if (code == EXIT_OK && strcmp(id, b->id) != 0) {
            say_error("another board answers now: %s, not %s", b->id, id);
            return EXIT_CONFLICT;
        }
        code = code == EXIT_OK ? work(b, ctx) : code;
    }
    if (code == LOST) {
        say_error("the board %s resets again and again: is its power supply good enough?", b->id);
        return EXIT_DEVICE;
    }
    return code;
}

/* --- the signing request -------------------------------------------------------------------------
 */

static int odd_answer(const struct board *b)
{
    say_error("the board %s gives an answer that makes no sense here: %s", b->id, b->answer);
    return EXIT_DEVICE;
}

/* "csr OFFSET TOTAL BASE64" */
static int take_piece(struct board *b, struct buf *der, uint32_t *total)
{
    uint8_t piece[ELO_FRAME_PIECE];
    uint32_t offset = 0;
    size_t len = 0;
    elo_span rest;
    if (!answered(b, "csr", &rest)) {
        return say_refusal(b);
    }
    elo_span at = elo_frame_word(&rest), all = elo_frame_word(&rest);
    if (!elo_frame_number(at, &offset) || !elo_frame_number(all, total) ||
        offset != buf_span(der).len || *total > 4096 ||
        !elo_base64_get(elo_frame_word(&rest), piece, sizeof piece, &len) ||
        (len == 0 && offset < *total)) {
        return odd_answer(b);
    }
    buf_add(der, elo_span_of(piece, len));
    return EXIT_OK;
}

static int read_csr(struct board *b, void *ctx)
{
    struct buf *der = ctx;
    uint32_t total = 1;
    uint64_t patience = posix_clock_ms64() + KEY_MS;
    int code = EXIT_OK;
    buf_clear(der);
    while (code == EXIT_OK && buf_span(der).len < total) {
        char words[32];
        snprintf(words, sizeof words, "csr %zu", buf_span(der).len);
        code = ask(b, words);
        if (code == EXIT_OK && strcmp(b->answer, "wait") == 0) {
            bool late = posix_clock_ms64() > patience;
            code = late ? say_reason(ELO_E_SERIAL, "it does not finish its key")
                        : pause_ms(b, POLL_MS);
        } else if (code == EXIT_OK) {
            code = take_piece(b, der, &total);
        }
    }
    return code;
}

static void put_pem(elo_span der, struct buf *out)
{
    buf_text(out, "-----BEGIN CERTIFICATE REQUEST-----\n");
    while (der.len > 0) {
        char line[ELO_BASE64_SIZE(48)];
        size_t n = der.len < 48 ? der.len : 48;
        buf_add(out, elo_span_of(line, elo_base64_put(elo_span_first(der, n), line)));
        buf_text(out, "\n");
        der = elo_span_from(der, n);
    }
    buf_text(out, "-----END CERTIFICATE REQUEST-----\n");
}

int board_csr(struct board *b, struct buf *out_pem)
{
    struct buf der;
    if (!b->has_key) {
        say_error("the firmware of board %s makes no key of its own\n"
                  "     Make a bundle with `elo add NAME` and give it to the board's set-up page.",
                  b->id);
        return EXIT_DEVICE;
    }
    buf_init(&der, 8192);
    int code = steadily(b, read_csr, &der);
    if (code == EXIT_OK) {
        put_pem(buf_span(&der), out_pem);
    }
    buf_free(&der);
    return code;
}

/* --- the bundle ----------------------------------------------------------------------------------
 */

struct handing {
    elo_span text;
    void (*stage)(const char *words);
    char said[ELO_FRAME_MAX];
};

static int put_piece(struct board *b, elo_span text, uint32_t at)
{
    char words[32 + ELO_BASE64_SIZE(ELO_FRAME_PIECE)];
    elo_span piece = elo_span_from(text, at);
    piece = elo_span_first(piece, piece.len < ELO_FRAME_PIECE ? piece.len : ELO_FRAME_PIECE);
    int n = snprintf(words, 32, "put %u ", at);
    n += (int)elo_base64_put(piece, words + n);
    words[n] = '\0';
    int code = ask(b, words);
    explicit_bzero(words, sizeof words);
    return code;
}

/* The board's "next" says where to go on; it never goes back. */
static int send_text(struct board *b, elo_span text)
{
    char words[64];
    elo_span rest;
    uint32_t next = 0;
    unsigned idle = 0;
    snprintf(words, sizeof words, "begin %zu %08x", text.len, elo_crc32(0, text));
    int code = ask(b, words);
    while (code == EXIT_OK) {
        uint32_t before = next;
        if (!answered(b, "next", &rest)) {
            return say_refusal(b);
        }
        if (!elo_frame_number(elo_frame_word(&rest), &next) || next > text.len || next < before) {
            return odd_answer(b);
        }
        if (next == text.len) {
            break;
        }
        idle = next > before ? 0 : idle + 1;
        if (idle > 20) {
            return odd_answer(b);
        }
        code = put_piece(b, text, next);
    }
    return code;
}

static void tell_stage(const struct board *b, struct handing *h)
{
    if (strcmp(h->said, b->answer) != 0) {
        snprintf(h->said, sizeof h->said, "%s", b->answer);
        h->stage(b->answer);
    }
}

static int wait_result(struct board *b, struct handing *h)
{
    elo_span rest;
    uint64_t until = posix_clock_ms64() + RESULT_MS;
    int code = ask(b, "commit");
    while (code == EXIT_OK) {
        if (answered(b, "saved", &rest)) {
            return EXIT_OK;
        }
        if (!answered(b, "testing", &rest) && !answered(b, "saving", &rest)) {
            return say_refusal(b);
        }
        if (posix_clock_ms64() > until) {
            return say_reason(ELO_E_ACK_TIMEOUT, "the board does not finish its test");
        }
        tell_stage(b, h);
        code = pause_ms(b, POLL_MS);
        code = code == EXIT_OK ? ask(b, "result") : code;
    }
    return code;
}

static int hand_over(struct board *b, void *ctx)
{
    struct handing *h = ctx;
    elo_span rest;
    int code = send_text(b, h->text);
    if (code == EXIT_OK) {
        code = ask(b, "end");
    }
    if (code == EXIT_OK && !answered(b, "good", &rest)) {
        code = say_refusal(b);
    }
    return code == EXIT_OK ? wait_result(b, h) : code;
}

int board_set_up(struct board *b, elo_span text, void (*stage)(const char *words))
{
    struct handing h = {.text = text, .stage = stage};
    return steadily(b, hand_over, &h);
}
