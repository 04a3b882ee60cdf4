// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* `elo env` and `elo aws`: the AWS tools, pointed at the desk. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/desk.h"

const char help_env[] =
    "elo env [--data DIR] [--unset]\n\n"
    "  eval \"$(elo env)\"              then the AWS CLI and SDKs of this shell talk to the desk\n"
    "  eval \"$(elo env --unset)\"      and back\n\n"
    "Debian 12's AWS CLI (2.9) does not read AWS_ENDPOINT_URL: use `elo aws ...` there, or give\n"
    "it --endpoint-url \"$AWS_ENDPOINT_URL\" on every call.\n";

const char help_aws[] =
    "elo aws [--data DIR] ARGUMENTS...\n\n"
    "  elo aws iot list-things\n"
    "  elo aws iot create-keys-and-certificate --set-as-active\n"
    "  elo aws iot-data publish --topic hello --cli-binary-format raw-in-base64-out \\\n"
    "          --payload '{\"hi\":1}'\n\n"
    "Runs the AWS CLI with the desk's endpoint, keys and region; --data comes first. Its exit "
    "code\n"
    "is passed on: 254 when the desk refuses, 252 when the CLI does not understand.\n";

/* What sends the AWS tools to the desk, and what would send them elsewhere. */
static const char *const names[] = {
    "AWS_ENDPOINT_URL",   "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
    "AWS_DEFAULT_REGION", "AWS_REGION",        "AWS_EC2_METADATA_DISABLED"};
static const char *const astray[] = {"AWS_SESSION_TOKEN",
                                     "AWS_PROFILE",
                                     "AWS_DEFAULT_PROFILE",
                                     "AWS_ENDPOINT_URL_IOT",
                                     "AWS_ENDPOINT_URL_IOT_DATA_PLANE",
                                     "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"};
enum { NAMES = sizeof names / sizeof names[0], ASTRAY = sizeof astray / sizeof astray[0] };

static const char *value_of(const struct desk_info *desk, size_t i)
{
    const char *values[NAMES] = {desk->http,   desk->access_key_id, desk->secret,
                                 desk->region, desk->region,        "true"};
    return values[i];
}

int verb_env(int argc, char **argv)
{
    const char *data = NULL;
    bool unset = false;
    const struct option_spec options[] = {{"--data", 0, OPTION_TEXT, &data, 0, 0},
                                          {"--unset", 0, OPTION_FLAG, &unset, 0, 0}};
    const struct syntax syntax = {help_env, options, 2, NULL, 0};
    struct desk_info desk;
    int code = options_parse(&syntax, argc, argv, NULL);
    if (code != GO_ON) {
        return code;
    }
    code = unset ? EXIT_OK : desk_find(data, &desk);
    for (size_t i = 0; code == EXIT_OK && i < NAMES; i++) {
        if (unset) {
            printf("unset %s\n", names[i]);
        } else {
            struct buf word;
            printf("export %s=%s\n", names[i], shell_word(value_of(&desk, i), &word));
            buf_free(&word);
        }
    }
    for (size_t i = 0; code == EXIT_OK && i < ASTRAY; i++) {
        printf("unset %s\n", astray[i]);
    }
    return code;
}

/* The desk is on this machine: no proxy can reach it. */
static void add_no_proxy(const char *name)
{
    char text[4096];
    const char *old = getenv(name);
    bool has = old != NULL && old[0] != '\0';
    int n = snprintf(text, sizeof text, "%s%s127.0.0.1,localhost", has ? old : "", has ? "," : "");
    if (n > 0 && (size_t)n < sizeof text) {
        setenv(name, text, 1);
    }
}

static void set_environment(const struct desk_info *desk)
{
    for (size_t i = 0; i < NAMES; i++) {
        setenv(names[i], value_of(desk, i), 1);
    }
    for (size_t i = 0; i < ASTRAY; i++) {
        unsetenv(astray[i]);
    }
    add_no_proxy("NO_PROXY");
    add_no_proxy("no_proxy");
    if (getenv("AWS_PAGER") == NULL) {
        setenv("AWS_PAGER", "", 1); /* a pager would hold a script up */
    }
}

static int run_aws(const char *endpoint, int argc, char **argv)
{
    char **args = calloc((size_t)argc + 4, sizeof *args);
    if (args == NULL) {
        return say_reason(ELO_E_NO_MEMORY, NULL);
    }
    args[0] = (char *)"aws";
    args[1] = (char *)"--endpoint-url";
    args[2] = (char *)(uintptr_t)endpoint;
    memcpy(args + 3, argv, (size_t)argc * sizeof *args);
    execvp("aws", args);
    if (errno == ENOENT) {
        say_error("the AWS CLI is not installed\n     On Debian: sudo apt install awscli");
    } else {
        say_error("cannot run aws: %s", strerror(errno));
    }
    free(args);
    return EXIT_ABSENT;
}

/* Not read by options_parse(): but for --data in front, everything is the AWS CLI's. */
int verb_aws(int argc, char **argv)
{
    const char *data = NULL;
    int first = 1;
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(help_aws, stdout);
        return EXIT_OK;
    }
    if (argc > 2 && strcmp(argv[1], "--data") == 0) {
        data = argv[2];
        first = 3;
    } else if (argc > 1 && strncmp(argv[1], "--data=", 7) == 0) {
        data = argv[1] + 7;
        first = 2;
    }
    if (argc == first) {
        return say_usage("aws", "what is the AWS CLI to do?");
    }
    struct desk_info desk;
    int code = desk_find(data, &desk);
    if (code != EXIT_OK) {
        return code;
    }
    set_environment(&desk);
    return run_aws(desk.http, argc - first, argv + first);
}
