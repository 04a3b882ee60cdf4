// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "cli/message.h"

#include <time.h>

#include "elo/base/utf8.h"
#include "elo/json/write.h"

/* How many bytes at `p` make a character that could steer a terminal: C0 and C1 controls, DEL, and
 * what ends a line or turns the direction of writing (U+2028 to U+202E, U+2066 to U+2069). */
static size_t steering(const uint8_t *p, size_t left)
{
    if (p[0] < 0x20 || p[0] == 0x7f) {
        return 1;
    }
    if (left >= 2 && p[0] == 0xc2 && p[1] < 0xa0) {
        return 2;
    }
    bool turns = left >= 3 && p[0] == 0xe2 &&
                 ((p[1] == 0x80 && p[2] >= 0xa8 && p[2] <= 0xae) ||
                  (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9));
    return turns ? 3 : 0;
}

void message_escape(elo_span text, struct buf *out)
{
    bool utf8 = elo_utf8_valid(text);
    size_t escape = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (escape == 0) {
            escape = steering(text.ptr + i, text.len - i);
        }
        if (escape > 0 || (c >= 0x80 && !utf8)) {
            buf_format(out, "\\x%02x", c);
            escape -= escape > 0;
        } else {
            buf_byte(out, c);
        }
    }
}

static void print_safely(FILE *out, elo_span text)
{
    struct buf safe;
    buf_init(&safe, 4 * text.len + 1);
    message_escape(text, &safe);
    fwrite(buf_span(&safe).ptr, 1, buf_span(&safe).len, out);
    buf_free(&safe);
}

static int now(struct tm *tm, struct tm *(*split)(const time_t *, struct tm *))
{
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    split(&at.tv_sec, tm);
    return (int)(at.tv_nsec / 1000000);
}

static void print_json_text(FILE *out, elo_span text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c == '"' || c == '\\') {
            fprintf(out, "\\%c", c);
        } else if (c < 0x20 || c == 0x7f) {
            fprintf(out, "\\u%04x", c);
        } else {
            putc(c, out);
        }
    }
}

static void print_base64(FILE *out, elo_span bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t group = (uint32_t)bytes.ptr[i] << 16;
        group |= left > 1 ? (uint32_t)bytes.ptr[i + 1] << 8 : 0;
        group |= left > 2 ? (uint32_t)bytes.ptr[i + 2] : 0;
        putc(digits[group >> 18], out);
        putc(digits[group >> 12 & 63], out);
        putc(left > 1 ? digits[group >> 6 & 63] : '=', out);
        putc(left > 2 ? digits[group & 63] : '=', out);
    }
}

static void show_json(FILE *out, const struct shown_message *m)
{
    struct tm tm;
    char when[24];
    int ms = now(&tm, gmtime_r);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
    fprintf(out, "{\"time\":\"%s.%03dZ\",\"topic\":\"", when, ms);
    print_json_text(out, m->topic);
    fprintf(out, "\",\"qos\":%u,\"retain\":%s,", m->qos, m->retain ? "true" : "false");
    if (elo_utf8_valid(m->payload)) {
        fputs("\"payload\":\"", out);
        print_json_text(out, m->payload);
    } else {
        fputs("\"payloadBase64\":\"", out);
        print_base64(out, m->payload);
    }
    fputs("\"}\n", out);
}

static void show_time(FILE *out)
{
    struct tm tm;
    char when[16];
    int ms = now(&tm, localtime_r);
    strftime(when, sizeof when, "%H:%M:%S", &tm);
    fprintf(out, "%s.%03d  ", when, ms);
}

void message_show(FILE *out, enum message_format format, const struct shown_message *m)
{
    if (format == MESSAGE_JSON) {
        show_json(out, m);
    } else if (format == MESSAGE_RAW) {
        fwrite(m->payload.ptr, 1, m->payload.len, out);
        putc('\n', out);
    } else {
        if (format == MESSAGE_TIMED) {
            show_time(out);
        }
        print_safely(out, m->topic);
        fputs(m->retain ? " (retained) " : " ", out);
        print_safely(out, m->payload);
        putc('\n', out);
    }
    fflush(out);
}
