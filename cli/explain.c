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

int verb_explain(int argc, char **argv)
{
    if (argc > 2) {
        return say_usage("explain", "one code at a time");
    }
    if (argc == 2 && strcmp(argv[1], "--markdown") == 0) {
        return print_markdown();
    }
    long number = 0;
    bool by_number = argc == 2 && parse_number(argv[1], -10000, 10000, &number);
    unsigned found = 0;
    for (unsigned i = 0; elo_reason_at(i) != NULL; i++) {
        const struct elo_reason *r = elo_reason_at(i);
        if (argc == 1 ||
            (by_number ? r->code == (elo_err)number : strcasecmp(r->slug, argv[1]) == 0)) {
            print(r);
            found++;
        }
    }
    if (found == 0) {
        say_error("there is no code '%s'; `elo explain` lists them", argv[1]);
        return EXIT_ABSENT;
    }
    return EXIT_OK;
}
