// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* Command lines, read from tables; and the values that people write in them. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "server/base/buf.h"

/* --- values --------------------------------------------------------------------------------------
 */

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

/* --- did you mean --------------------------------------------------------------------------------
 */

/* How many single-letter edits make one word the other. */
static size_t distance(const char *a, const char *b)
{
    size_t row[32], la = strlen(a), lb = strlen(b);
    if (la > 30 || lb > 30) {
        return 99;
    }
    for (size_t j = 0; j <= lb; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= la; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            size_t shift = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = change < shift ? change : shift;
        }
    }
    return row[lb];
}

const char *did_you_mean(const char *word, candidate_fn candidate, const void *list)
{
    const char *best = NULL, *name;
    size_t half = (strlen(word) + 1) / 2; /* of a short word half may be wrong, of a long one two */
    size_t within = half < 2 ? half : 2;
    for (size_t i = 0; (name = candidate(list, i)) != NULL; i++) {
        size_t d = distance(word, name);
        if (d <= within && d > 0) {
            best = name;
            within = d - 1;
        }
    }
    return best;
}

/* --- command lines -------------------------------------------------------------------------------
 */

struct reading {
    const struct syntax *syntax;
    const char *verb;
    int argc, at; /* `at`: the argument being read */
    char **argv;
    size_t words;
};

static const char *option_name(const void *list, size_t i)
{
    const struct syntax *syntax = list;
    return i < syntax->option_count ? syntax->options[i].name : NULL;
}

static int say_unknown(const struct reading *r, const char *given)
{
    const char *meant = did_you_mean(given, option_name, r->syntax);
    return say_usage(r->verb, "there is no option '%s'%s%s%s", given,
                     meant ? "; did you mean " : "", meant ? meant : "", meant ? "?" : "");
}

static int set_number(const struct reading *r, const struct option_spec *o, const char *value)
{
    if (parse_number(value, o->low, o->high, o->to)) {
        return GO_ON;
    }
    return say_usage(r->verb, "%s is a number from %ld to %ld, not '%s'", o->name, o->low, o->high,
                     value);
}

static int set_time(const struct reading *r, const struct option_spec *o, const char *value)
{
    long ms;
    if (!parse_duration(value, &ms)) {
        return say_usage(r->verb, "%s is a time such as 500ms, 20s, 3m or 1h, not '%s'", o->name,
                         value);
    }
    if (ms < o->low || ms > o->high) {
        return say_usage(r->verb, "%s is at least %ld ms and at most %ld s, not '%s'", o->name,
                         o->low, o->high / 1000, value);
    }
    *(long *)o->to = ms;
    return GO_ON;
}

/* `value`: NULL if none was written together with the option; then it is the next argument. */
static int set(struct reading *r, const struct option_spec *o, const char *value)
{
    if (o->kind == OPTION_FLAG) {
        *(bool *)o->to = true;
        return value == NULL ? GO_ON : say_usage(r->verb, "%s takes no value", o->name);
    }
    if (value == NULL && r->at + 1 == r->argc) {
        return say_usage(r->verb, "%s needs a value", o->name);
    }
    value = value != NULL ? value : r->argv[++r->at];
    if (o->kind == OPTION_NUMBER) {
        return set_number(r, o, value);
    }
    if (o->kind == OPTION_TIME) {
        return set_time(r, o, value);
    }
    *(const char **)o->to = value;
    return GO_ON;
}

static int read_long(struct reading *r, const char *given)
{
    size_t len = strcspn(given, "=");
    for (size_t i = 0; i < r->syntax->option_count; i++) {
        const struct option_spec *o = &r->syntax->options[i];
        if (strlen(o->name) == len && memcmp(o->name, given, len) == 0) {
            return set(r, o, given[len] == '=' ? given + len + 1 : NULL);
        }
    }
    return say_unknown(r, given);
}

/* "-C 3", "-C3"; letters without values can stand together. */
static int read_letters(struct reading *r, const char *given)
{
    for (const char *p = given + 1; *p != '\0'; p++) {
        const struct option_spec *o = NULL;
        for (size_t i = 0; o == NULL && i < r->syntax->option_count; i++) {
            o = r->syntax->options[i].letter == *p ? &r->syntax->options[i] : NULL;
        }
        if (o == NULL) {
            return say_unknown(r, given);
        }
        if (o->kind != OPTION_FLAG) {
            return set(r, o, p[1] != '\0' ? p + 1 : NULL);
        }
        set(r, o, NULL);
    }
    return GO_ON;
}

static int read_word(struct reading *r, const char *given)
{
    if (r->words == r->syntax->word_cap) {
        return say_usage(r->verb, "'%s' is one word too many", given);
    }
    r->syntax->words[r->words++] = given;
    return GO_ON;
}

int options_parse(const struct syntax *syntax, int argc, char **argv, size_t *out_words)
{
    struct reading r = {.syntax = syntax, .verb = argv[0], .argc = argc, .argv = argv};
    bool only_words = false;
    int code = GO_ON;
    for (r.at = 1; code == GO_ON && r.at < argc; r.at++) {
        const char *given = argv[r.at];
        if (only_words || given[0] != '-' || given[1] == '\0') {
            code = read_word(&r, given);
        } else if (strcmp(given, "--") == 0) {
            only_words = true;
        } else if (strcmp(given, "--help") == 0 || strcmp(given, "-h") == 0) {
            fputs(syntax->help, stdout);
            code = EXIT_OK;
        } else {
            code = given[1] == '-' ? read_long(&r, given) : read_letters(&r, given);
        }
    }
    if (out_words != NULL) {
        *out_words = r.words;
    }
    return code;
}

/* --- the data folder -----------------------------------------------------------------------------
 */

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
    for (size_t len = (size_t)n; len > 1 && out[len - 1] == '/'; len--) {
        out[len - 1] = '\0';
    }
    return true;
}

/* Where the data are when nobody says: two parts of a path. false: nowhere. */
static bool default_folder(const char **base, const char **rest)
{
    const char *own = getenv("ELO_DATA"), *xdg = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (own != NULL && own[0] != '\0') {
        *base = own;
        *rest = "";
        return true;
    }
    bool has_xdg = xdg != NULL && xdg[0] == '/';
    *base = has_xdg ? xdg : home;
    *rest = has_xdg ? "/elo" : "/.local/share/elo";
    return *base != NULL && (*base)[0] == '/';
}

bool data_folder(const char *given, char *out, size_t cap)
{
    const char *base, *rest;
    if (given != NULL && given[0] != '\0') {
        return absolute(given, "", out, cap);
    }
    if (!default_folder(&base, &rest)) {
        say_error("there is no HOME to keep the data in; give a folder with --data DIR");
        return false;
    }
    return absolute(base, rest, out, cap);
}

const char *data_option(const char *dir, struct buf *out)
{
    char usual[PATH_MAX];
    const char *base, *rest;
    if (default_folder(&base, &rest) && absolute(base, rest, usual, sizeof usual) &&
        strcmp(usual, dir) == 0) {
        buf_init(out, 1);
        return "";
    }
    struct buf word;
    buf_init(out, 65536);
    buf_format(out, " --data %s", shell_word(dir, &word));
    buf_byte(out, 0);
    buf_free(&word);
    return buf_err(out) == ELO_OK ? (const char *)buf_span(out).ptr : "";
}
