// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* The table of verbs and the way into them. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static const struct verb verbs[] = {
    {"demo", "show it all: a desk, a device, telemetry up, a command down", help_demo, verb_demo},
    {"up", "start the desk in this terminal, in words for people", help_up, verb_up},
    {"add", "make a device: thing, key, certificate, policy, one folder", help_add, verb_add},
    {"device", "run a virtual device from such a folder", help_device, verb_device},
    {"sub", "watch topics", help_sub, verb_sub},
    {"pub", "publish a message", help_pub, verb_pub},
    {"aws", "run the AWS CLI against the desk", help_aws, verb_aws},
    {"env", "print the environment for AWS CLI and SDKs", help_env, verb_env},
    {"serve", "start the desk as a daemon, in JSON for machines", help_serve, verb_serve},
    {"explain", "explain an error code, or list them all", help_explain, verb_explain},
};

enum { VERB_COUNT = sizeof verbs / sizeof verbs[0] };

static void print_help(FILE *out)
{
    fputs("elo: AWS IoT Core on the desk, and the devices that talk to it\n\n"
          "  elo demo                       see it work, now\n"
          "  elo up                         start the desk\n"
          "  elo add kitchen                make a device\n"
          "  elo device --bundle kitchen    run it\n"
          "  elo sub '#'                    watch everything\n\n"
          "Verbs:\n",
          out);
    for (size_t i = 0; i < VERB_COUNT; i++) {
        fprintf(out, "  %-9s %s\n", verbs[i].name, verbs[i].summary);
    }
    fputs("\n`elo VERB --help` tells more, with examples. `elo --version` tells the version.\n",
          out);
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return true;
        }
    }
    return false;
}

/* How many single-letter edits make one word the other; for "did you mean". */
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

static int unknown(const char *name)
{
    const struct verb *nearest = NULL;
    size_t best = 3;
    for (size_t i = 0; i < VERB_COUNT; i++) {
        size_t d = distance(name, verbs[i].name);
        if (d < best) {
            best = d;
            nearest = &verbs[i];
        }
    }
    if (nearest != NULL) {
        say_error("there is no verb '%s'; did you mean `elo %s`?", name, nearest->name);
    } else {
        say_error("there is no verb '%s'; `elo --help` lists them", name);
    }
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "--help";
    if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
        puts("elo " ELO_VERSION);
        return EXIT_OK;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_help(stdout);
        return EXIT_OK;
    }
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (strcmp(name, verbs[i].name) != 0) {
            continue;
        }
        /* `elo aws` hands everything on, --help of the AWS CLI included. */
        if (verbs[i].run == verb_aws ? argc == 3 && asks_for_help(2, argv + 1)
                                     : asks_for_help(argc - 1, argv + 1)) {
            fputs(verbs[i].help, stdout);
            return EXIT_OK;
        }
        return verbs[i].run(argc - 1, argv + 1);
    }
    return unknown(name);
}
