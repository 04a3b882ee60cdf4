// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: typed values of conditions. Numbers are decimals ("15", "-0.5", "1e3"), dates are
 * W3C's profile of ISO 8601 ("2026-03-01", "2026-03-01T12:30:00.5+02:00") or seconds since 1970,
 * addresses are IPv4 or IPv6 with an optional prefix length. What is none of these compares false.
 */
#include "server/auth/policy_compiled.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool relation_holds(int order, enum relation relation)
{
    switch (relation) {
    case EQUAL:
        return order == 0;
    case LESS:
        return order < 0;
    case LESS_OR_EQUAL:
        return order <= 0;
    case GREATER:
        return order > 0;
    case GREATER_OR_EQUAL:
        return order >= 0;
    }
    return false;
}

/* --- numbers -----------------------------------------------------------------------------------
 */

enum { NUMBER_BYTES = 64 };

static size_t digits(elo_span text, size_t at)
{
    size_t n = 0;
    while (at + n < text.len && text.ptr[at + n] >= '0' && text.ptr[at + n] <= '9') {
        n++;
    }
    return n;
}

static bool is_at(elo_span text, size_t at, const char *any_of)
{
    return at < text.len && text.ptr[at] != '\0' && strchr(any_of, text.ptr[at]) != NULL;
}

/* [+-] digits [. digits] [e [+-] digits], and nothing else: strtold() alone takes "nan" and hex. */
static bool is_number(elo_span text)
{
    size_t at = is_at(text, 0, "+-") ? 1 : 0;
    size_t whole = digits(text, at);
    at += whole;
    if (whole > 0 && is_at(text, at, ".")) {
        size_t part = digits(text, ++at);
        if (part == 0) {
            return false;
        }
        at += part;
    }
    if (whole > 0 && is_at(text, at, "eE")) {
        at += is_at(text, at + 1, "+-") ? 2 : 1;
        size_t power = digits(text, at);
        if (power == 0) {
            return false;
        }
        at += power;
    }
    return whole > 0 && at == text.len;
}

static bool read_number(elo_span text, long double *out)
{
    char copy[NUMBER_BYTES];
    if (text.len >= sizeof copy || !is_number(text)) {
        return false;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    *out = strtold(copy, NULL);
    return true;
}

bool compare_numbers(elo_span have, enum relation relation, elo_span want)
{
    long double a;
    long double b;
    if (!read_number(have, &a) || !read_number(want, &b)) {
        return false;
    }
    return relation_holds((a > b) - (a < b), relation);
}

/* --- dates -------------------------------------------------------------------------------------
 */

/* Exactly `width` digits at `*at`, which moves on. */
static bool take_digits(elo_span text, size_t *at, size_t width, int64_t *out)
{
    if (width > text.len - *at || digits(text, *at) < width) {
        return false;
    }
    *out = 0;
    for (size_t i = 0; i < width; i++) {
        *out = *out * 10 + (text.ptr[*at + i] - '0');
    }
    *at += width;
    return true;
}

static bool take_char(elo_span text, size_t *at, char c)
{
    if (*at >= text.len || text.ptr[*at] != (uint8_t)c) {
        return false;
    }
    (*at)++;
    return true;
}

/*
 * Days from 1970-01-01 to a day of the Gregorian calendar. Years are counted from March, so that
 * the leap day is a year's last; 153 days are five months from March on.
 */
static int64_t days_to(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t m = month > 2 ? month - 3 : month + 9;
    int64_t leap_days = y / 4 - y / 100 + y / 400;
    const int64_t epoch = 719468; /* the same count for 1970-01-01 */
    return y * 365 + leap_days + (153 * m + 2) / 5 + day - 1 - epoch;
}

static int64_t month_length(int64_t year, int64_t month)
{
    if (month == 2) {
        return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
    }
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

static bool take_day(elo_span text, size_t *at, int64_t *out_ms)
{
    int64_t year;
    int64_t month;
    int64_t day;
    if (!take_digits(text, at, 4, &year) || !take_char(text, at, '-') ||
        !take_digits(text, at, 2, &month) || !take_char(text, at, '-') ||
        !take_digits(text, at, 2, &day)) {
        return false;
    }
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > month_length(year, month)) {
        return false;
    }
    *out_ms = days_to(year, month, day) * 86400000;
    return true;
}

/* .5, .25, .123456: milliseconds count, the rest is read over. */
static bool take_fraction(elo_span text, size_t *at, int64_t *out_ms)
{
    *out_ms = 0;
    if (!take_char(text, at, '.')) {
        return true;
    }
    size_t count = digits(text, *at);
    int64_t scale = 100;
    for (size_t i = 0; i < count && i < 3; i++, scale /= 10) {
        *out_ms += (text.ptr[*at + i] - '0') * scale;
    }
    *at += count;
    return count > 0;
}

static bool take_time(elo_span text, size_t *at, int64_t *out_ms)
{
    int64_t hour;
    int64_t minute;
    int64_t second = 0;
    int64_t fraction = 0;
    if (!take_digits(text, at, 2, &hour) || !take_char(text, at, ':') ||
        !take_digits(text, at, 2, &minute)) {
        return false;
    }
    if (take_char(text, at, ':') &&
        (!take_digits(text, at, 2, &second) || !take_fraction(text, at, &fraction))) {
        return false;
    }
    *out_ms = ((hour * 60 + minute) * 60 + second) * 1000 + fraction;
    return hour < 24 && minute < 60 && second < 61;
}

/* Z, +hh:mm or -hh:mm. */
static bool take_zone(elo_span text, size_t *at, int64_t *out_ms)
{
    *out_ms = 0;
    if (take_char(text, at, 'Z')) {
        return true;
    }
    bool west = is_at(text, *at, "-");
    int64_t hours;
    int64_t minutes;
    if (!is_at(text, (*at)++, "+-") || !take_digits(text, at, 2, &hours) ||
        !take_char(text, at, ':') || !take_digits(text, at, 2, &minutes)) {
        return false;
    }
    *out_ms = (hours * 60 + minutes) * 60000 * (west ? -1 : 1);
    return hours < 24 && minutes < 60;
}

static bool read_iso_date(elo_span text, int64_t *out_ms)
{
    size_t at = 0;
    int64_t day;
    int64_t time = 0;
    int64_t zone = 0;
    if (!take_day(text, &at, &day)) {
        return false;
    }
    if (at < text.len && (!take_char(text, &at, 'T') || !take_time(text, &at, &time) ||
                          !take_zone(text, &at, &zone))) {
        return false;
    }
    *out_ms = day + time - zone;
    return at == text.len;
}

static bool read_date(elo_span text, int64_t *out_ms)
{
    size_t count = digits(text, 0);
    size_t at = 0;
    if (count > 0 && count == text.len && count <= 15) {
        if (!take_digits(text, &at, count, out_ms)) {
            return false;
        }
        *out_ms *= 1000;
        return true;
    }
    return read_iso_date(text, out_ms);
}

bool compare_dates(elo_span have, enum relation relation, elo_span want)
{
    int64_t a;
    int64_t b;
    if (!read_date(have, &a) || !read_date(want, &b)) {
        return false;
    }
    return relation_holds((a > b) - (a < b), relation);
}

/* --- addresses ---------------------------------------------------------------------------------
 */

struct address {
    uint8_t bytes[16]; /* an IPv4 address is ::ffff:a.b.c.d */
    bool v4;
};

static bool read_address(elo_span text, struct address *out)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    char copy[INET6_ADDRSTRLEN];
    if (text.len == 0 || text.len >= sizeof copy || memchr(text.ptr, 0, text.len) != NULL) {
        return false;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    memcpy(out->bytes, mapped, sizeof mapped);
    out->v4 = inet_pton(AF_INET, copy, out->bytes + sizeof mapped) == 1;
    if (out->v4) {
        return true;
    }
    if (inet_pton(AF_INET6, copy, out->bytes) != 1) {
        return false;
    }
    out->v4 = memcmp(out->bytes, mapped, sizeof mapped) == 0;
    return true;
}

static bool read_prefix(elo_span text, unsigned most, unsigned *out)
{
    size_t at = 0;
    int64_t bits;
    if (text.len == 0 || text.len > 3 || !take_digits(text, &at, text.len, &bits)) {
        return false;
    }
    *out = (unsigned)bits;
    return *out <= most;
}

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    size_t whole = bits / 8;
    if (memcmp(a, b, whole) != 0) {
        return false;
    }
    uint8_t mask = (uint8_t)(0xff00u >> bits % 8);
    return bits % 8 == 0 || ((a[whole] ^ b[whole]) & mask) == 0;
}

bool compare_address(elo_span address, elo_span cidr)
{
    const uint8_t *slash = cidr.len > 0 ? memchr(cidr.ptr, '/', cidr.len) : NULL;
    size_t net_len = slash != NULL ? (size_t)(slash - cidr.ptr) : cidr.len;
    struct address have;
    struct address net;
    if (!read_address(address, &have) || !read_address(elo_span_first(cidr, net_len), &net)) {
        return false;
    }
    bool dotted = memchr(cidr.ptr, ':', net_len) == NULL;
    unsigned bits = dotted ? 32 : 128;
    if (slash != NULL && !read_prefix(elo_span_from(cidr, net_len + 1), bits, &bits)) {
        return false;
    }
    if (have.v4 != net.v4) {
        return false;
    }
    return same_bits(have.bytes, net.bytes, dotted ? bits + 96 : bits);
}

/* --- truth -------------------------------------------------------------------------------------
 */

static bool read_bool(elo_span text, bool *out)
{
    *out = text.len == 4 && strncasecmp((const char *)text.ptr, "true", 4) == 0;
    return *out || (text.len == 5 && strncasecmp((const char *)text.ptr, "false", 5) == 0);
}

bool compare_bools(elo_span have, elo_span want)
{
    bool a;
    bool b;
    return read_bool(have, &a) && read_bool(want, &b) && a == b;
}
