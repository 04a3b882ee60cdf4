// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* The table of verbs and the way into them. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
    {"why", "why a device does not connect, as the desk has seen it", help_why, verb_why},
    {"explain", "explain an error code, or list them all", help_explain, verb_explain},
};

enum { VERB_COUNT = sizeof verbs / sizeof verbs[0] };

static void print_help(void)
{
    fputs("elo: AWS IoT Core on the desk, and the devices that talk to it\n\n"
          "  elo demo                       see it work, now\n"
          "  elo up                         start the desk\n"
          "  elo add kitchen                make a device\n"
          "  elo device --bundle kitchen    run it\n"
          "  elo sub '#'                    watch everything\n\n"
          "Verbs:\n",
          stdout);
    for (size_t i = 0; i < VERB_COUNT; i++) {
        printf("  %-9s %s\n", verbs[i].name, verbs[i].summary);
    }
    fputs("\n`elo VERB --help` tells more, with examples. `elo --version` tells the version.\n",
          stdout);
}

static const char *verb_name(const void *list, size_t i)
{
    (void)list;
    return i < VERB_COUNT ? verbs[i].name : NULL;
}

static const struct verb *find(const char *name)
{
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (strcmp(name, verbs[i].name) == 0) {
            return &verbs[i];
        }
    }
    const char *meant = did_you_mean(name, verb_name, NULL);
    if (meant != NULL) {
        say_error("there is no verb '%s'; did you mean `elo %s`?", name, meant);
    } else {
        say_error("there is no verb '%s'; `elo --help` lists them", name);
    }
    return NULL;
}

static int help(const char *name)
{
    const struct verb *verb = name != NULL ? find(name) : NULL;
    if (name == NULL) {
        print_help();
    } else if (verb != NULL) {
        fputs(verb->help, stdout);
    }
    return name == NULL || verb != NULL ? EXIT_OK : EXIT_USAGE;
}

static int run(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "--help";
    if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
        puts("elo " ELO_VERSION);
        return EXIT_OK;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        return help(argc > 2 ? argv[2] : NULL);
    }
    const struct verb *verb = find(name);
    return verb != NULL ? verb->run(argc - 1, argv + 1) : EXIT_USAGE;
}

/* Started with a standard stream closed, the next file opened would take its place, and what is
 * meant for people would be written into it. Opened the wrong way round, writing fails. */
static bool streams_are_open(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        int way = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", way) != fd) {
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    return streams_are_open() ? say_end(run(argc, argv)) : EXIT_FAILED;
}
