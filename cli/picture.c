// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "cli/picture.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/desk.h"
#include "cli/message.h"

enum { WHO_AT = 3, WHAT_AT = 12, WHAT_WIDTH = 12, NARROWEST = 20 };

#define BOLD "\033[1m"
#define DIM  "\033[2m"
#define OFF  "\033[0m"

static int headings;
static bool at_gap = true;

static const char *paint(const char *code)
{
    return say_colour(STDOUT_FILENO) ? code : "";
}

static const char *paint_of(const char *who)
{
    static const struct {
        const char *who, *code;
    } paints[] = {{"desk", "\033[36m"},
                  {"device", "\033[33m"},
                  {"you", "\033[32m"},
                  {"visitor", "\033[31m"},
                  {"demo", "\033[1m"}};
    for (size_t i = 0; i < sizeof paints / sizeof paints[0]; i++) {
        if (strcmp(who, paints[i].who) == 0) {
            return paint(paints[i].code);
        }
    }
    return "";
}

/* Columns of the window; 0: there is no end. */
static size_t width(void)
{
    struct winsize window;
    long columns = 0;
    const char *text = getenv("COLUMNS");
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0) {
        columns = window.ws_col;
    } else if (text == NULL || !parse_number(text, 1, 10000, &columns)) {
        return 0;
    }
    return columns < NARROWEST ? NARROWEST : (size_t)columns;
}

/* How much of `text` to write on a line of `room` characters: up to the last space or comma that
 * fits, else whatever fits. Not through the middle of a UTF-8 sequence. */
static size_t piece(elo_span text, size_t room)
{
    if (text.len <= room) {
        return text.len;
    }
    for (size_t n = room; n > room / 2; n--) {
        if (text.ptr[n - 1] == ' ' || text.ptr[n - 1] == ',') {
            return n;
        }
    }
    while (room > 1 && (text.ptr[room] & 0xc0) == 0x80) {
        room--;
    }
    return room;
}

/* `words` from `column` on, where the cursor is, wrapped under themselves; in a window too narrow
 * for that, under the beginning of the line. */
static void put_wrapped(size_t column, elo_span words)
{
    size_t columns = width();
    size_t indent = columns < column + NARROWEST ? WHO_AT : column;
    size_t room = columns > column + 8 ? columns - column : 8;
    for (;;) {
        size_t n = columns == 0 ? words.len : piece(words, room);
        bool last = n == words.len;
        fwrite(words.ptr, 1, !last && words.ptr[n - 1] == ' ' ? n - 1 : n, stdout);
        if (last) {
            break;
        }
        printf("\n%*s", (int)indent, "");
        room = columns - indent;
        words = elo_span_from(words, n);
    }
    putchar('\n');
    fflush(stdout);
    at_gap = false;
}

static void put_who(const char *who)
{
    printf("%*s%s%-*s%s", WHO_AT, "", paint_of(who), WHAT_AT - WHO_AT, who,
           paint_of(who)[0] != '\0' ? OFF : "");
}

void picture_heading(const char *text)
{
    picture_gap();
    printf("%s%d. ", paint(BOLD), ++headings);
    put_wrapped(3, elo_span_str(text));
    fputs(paint(OFF), stdout);
    fflush(stdout);
}

void picture_gap(void)
{
    if (!at_gap) {
        putchar('\n');
        fflush(stdout);
    }
    at_gap = true;
}

void picture_line(const char *who, elo_span words)
{
    struct buf safe;
    buf_init(&safe, 65536);
    message_escape(words, &safe);
    put_who(who);
    put_wrapped(WHAT_AT, buf_span(&safe));
    buf_free(&safe);
}

static void put_what(const char *who, elo_span what, elo_span words)
{
    struct buf safe;
    buf_init(&safe, 1u << 20);
    message_escape(what, &safe);
    size_t len = buf_span(&safe).len, column = WHAT_AT + (len < WHAT_WIDTH ? WHAT_WIDTH : len + 1);
    put_who(who);
    printf("%.*s%*s", (int)len, (const char *)buf_span(&safe).ptr, (int)(column - WHAT_AT - len),
           "");
    put_wrapped(column, words);
    buf_free(&safe);
}

void picture_pair(const char *who, const char *what, const char *words)
{
    put_what(who, elo_span_str(what), elo_span_str(words));
}

void picture_message(const char *who, elo_span topic, elo_span payload, const char *note)
{
    struct buf words;
    buf_init(&words, 1u << 20);
    message_escape(payload, &words);
    if (note[0] != '\0') {
        buf_format(&words, "  %s", note);
    }
    put_what(who, topic, buf_span(&words));
    buf_free(&words);
}

/* A member of the record, behind `before`. */
static void add_member(elo_span record, const char *key, const char *before, struct buf *out)
{
    struct buf text;
    if (json_text(record, key, &text)) {
        buf_text(out, before);
        message_escape(buf_span(&text), out);
        buf_free(&text);
    }
}

void picture_record(elo_span record)
{
    struct buf words, cure;
    char code[40] = "";
    buf_init(&words, 65536);
    buf_init(&cure, 65536);
    if (json_field(record, "code", code, sizeof code)) {
        add_member(record, "code", "refused ", &words);
        add_member(record, "details", ": ", &words);
        add_member(record, "cure", "", &cure);
    } else {
        add_member(record, "eventType", "", &words);
        add_member(record, "clientId", "  ", &words);
        add_member(record, "topicName", "  ", &words);
        add_member(record, "details", "  ", &words);
    }
    put_who("desk");
    put_wrapped(WHAT_AT, buf_span(&words));
    if (buf_span(&cure).len > 0) {
        printf("%*s%s", WHAT_AT, "", paint(DIM));
        put_wrapped(WHAT_AT, buf_span(&cure));
        fputs(paint(OFF), stdout);
    }
    buf_free(&words);
    buf_free(&cure);
}

void picture_command(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("   ", stdout);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    at_gap = false;
    fflush(stdout);
}
