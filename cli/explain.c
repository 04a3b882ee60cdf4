// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli/cli.h"
#include "errors/explain.h"

const char help_explain[] =
    "elo explain [CODE]\n\n"
    "  elo explain E-CLOCK     what it means and what to do\n"
    "  elo explain -30         the same by the number that a device reports\n"
    "  elo explain             every code\n"
    "  elo explain --markdown  every code, as docs/errors.md has them\n";

static void print(const struct elo_reason *r)
{
    printf("%s (%d, %s)\n  cause: %s\n  cure:  %s\n", r->slug, r->code, r->name, r->cause, r->cure);
}

static int print_markdown(void)
{
    puts("# Error codes\n\n"
         "One list for firmware, server and command line; this page is written by\n"
         "`elo explain --markdown`. A device reports the number, `elo explain` tells the rest.\n\n"
         "| code | number | cause | cure |\n|---|---|---|---|");
    for (unsigned i = 0; elo_reason_at(i) != NULL; i++) {
        const struct elo_reason *r = elo_reason_at(i);
        printf("| `%s` | %d | %s | %s |\n", r->slug, r->code, r->cause, r->cure);
    }
    return EXIT_OK;
}

static bool is_asked_for(const struct elo_reason *r, const char *word)
{
    long number;
    return parse_number(word, -10000, 10000, &number)
               ? r->code == (elo_err)number
               : strcasecmp(r->slug, word) == 0 || strcasecmp(r->name, word) == 0;
}

static const char *slug_at(const void *list, size_t i)
{
    (void)list;
    const struct elo_reason *r = elo_reason_at((unsigned)i);
    return r != NULL ? r->slug : NULL;
}

static int print_one(const char *word)
{
    for (unsigned i = 0; elo_reason_at(i) != NULL; i++) {
        if (is_asked_for(elo_reason_at(i), word)) {
            print(elo_reason_at(i));
            return EXIT_OK;
        }
    }
    const char *meant = did_you_mean(word, slug_at, NULL);
    say_error("there is no code '%s'; %s%s%s", word, meant ? "did you mean " : "`elo explain`",
              meant ? meant : " lists them", meant ? "?" : "");
    return EXIT_ABSENT;
}

/* Not read by options_parse(): a code may be a negative number. */
int verb_explain(int argc, char **argv)
{
    if (argc > 2) {
        return say_usage("explain", "one code at a time");
    }
    const char *word = argc == 2 ? argv[1] : NULL;
    if (word != NULL && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)) {
        fputs(help_explain, stdout);
        return EXIT_OK;
    }
    if (word != NULL && strcmp(word, "--markdown") == 0) {
        return print_markdown();
    }
    if (word != NULL) {
        return print_one(word);
    }
    for (unsigned i = 0; elo_reason_at(i) != NULL; i++) {
        print(elo_reason_at(i));
    }
    return EXIT_OK;
}
