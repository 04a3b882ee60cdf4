// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include <stdio.h>
#include <time.h>

#include "server/auth/sigv4_canonical.h"

static bool digits(elo_span text, size_t from, size_t count, int *out)
{
    *out = 0;
    for (size_t i = from; i < from + count; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
        *out = *out * 10 + (text.ptr[i] - '0');
    }
    return true;
}

bool sigv4__date_format(int64_t time_s, char out[17])
{
    struct tm tm;
    time_t t = (time_t)time_s;
    return gmtime_r(&t, &tm) != NULL && tm.tm_year >= -1900 && tm.tm_year < 10000 - 1900 &&
           strftime(out, 17, "%Y%m%dT%H%M%SZ", &tm) == 16;
}

bool sigv4__date_parse(elo_span text, int64_t *out_s)
{
    struct tm tm = {.tm_isdst = 0};
    char again[17];
    if (text.len != 16 || text.ptr[8] != 'T' || text.ptr[15] != 'Z' ||
        !digits(text, 0, 4, &tm.tm_year) || !digits(text, 4, 2, &tm.tm_mon) ||
        !digits(text, 6, 2, &tm.tm_mday) || !digits(text, 9, 2, &tm.tm_hour) ||
        !digits(text, 11, 2, &tm.tm_min) || !digits(text, 13, 2, &tm.tm_sec)) {
        return false;
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *out_s = timegm(&tm);
    /* timegm() takes the 31st of February for the 3rd of March; the text then differs. */
    return sigv4__date_format(*out_s, again) && memcmp(again, text.ptr, 16) == 0;
}

bool sigv4__http_date_parse(elo_span text, int64_t *out_s)
{
    static const char *const zones[] = {"GMT", "UTC", "+0000", "-0000"};
    struct tm tm = {.tm_isdst = 0};
    char copy[40];
    if (text.len == 0 || text.len >= sizeof copy) {
        return false;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    const char *zone = strptime(copy, "%a, %d %b %Y %H:%M:%S ", &tm);
    for (size_t i = 0; zone != NULL && i < sizeof zones / sizeof zones[0]; i++) {
        if (strcmp(zone, zones[i]) == 0) {
            *out_s = timegm(&tm);
            return true;
        }
    }
    return false;
}
