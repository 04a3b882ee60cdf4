// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

static bool absolute(const char *base, const char *rest, char *out, size_t cap)
{
    char here[PATH_MAX] = "";
    if (base[0] != '/' && getcwd(here, sizeof here) == NULL) {
        say_error("the current folder is gone: %s", strerror(errno));
        return false;
    }
    int n = snprintf(out, cap, "%s%s%s%s", here, here[0] ? "/" : "", base, rest);
    if (n < 0 || (size_t)n >= cap) {
        say_error("the path of the data folder is too long");
        return false;
    }
    return true;
}

bool data_folder(const char *given, char *out, size_t cap)
{
    const char *own = getenv("ELO_DATA"), *xdg = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (given != NULL && given[0] != '\0') {
        return absolute(given, "", out, cap);
    }
    if (own != NULL && own[0] != '\0') {
        return absolute(own, "", out, cap);
    }
    if (xdg != NULL && xdg[0] == '/') {
        return absolute(xdg, "/elo", out, cap);
    }
    if (home != NULL && home[0] == '/') {
        return absolute(home, "/.local/share/elo", out, cap);
    }
    say_error("there is no HOME to keep the data in; give a folder with --data DIR");
    return false;
}

bool parse_number(const char *text, long low, long high, long *out)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < low || value > high) {
        return false;
    }
    *out = value;
    return true;
}

bool parse_duration(const char *text, long *out_ms)
{
    static const struct {
        const char *unit;
        long ms;
    } units[] = {{"", 1000}, {"s", 1000}, {"ms", 1}, {"m", 60000}, {"h", 3600000}};
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || end == text || value < 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(end, units[i].unit) == 0 && value <= LONG_MAX / units[i].ms) {
            *out_ms = value * units[i].ms;
            return true;
        }
    }
    return false;
}
