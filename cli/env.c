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
    "Debian 12's AWS CLI (2.9) does not read AWS_ENDPOINT_URL: use `elo aws ...` there, or give "
    "it\n"
    "--endpoint-url \"$AWS_ENDPOINT_URL\" on every call.\n";

const char help_aws[] =
    "elo aws [--data DIR] ARGUMENTS...\n\n"
    "  elo aws iot list-things\n"
    "  elo aws iot create-keys-and-certificate --set-as-active\n"
    "  elo aws iot-data publish --topic hello --cli-binary-format raw-in-base64-out \\\n"
    "          --payload '{\"hi\":1}'\n\n"
    "Runs the AWS CLI with the desk's endpoint, keys and region. Its exit code is passed on.\n";

static const char *const names[] = {
    "AWS_ENDPOINT_URL",   "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
    "AWS_DEFAULT_REGION", "AWS_REGION",        "AWS_EC2_METADATA_DISABLED"};
enum { NAMES = sizeof names / sizeof names[0] };

static const char *value_of(const struct desk_info *desk, int i)
{
    const char *values[NAMES] = {desk->http,   desk->access_key_id, desk->secret,
                                 desk->region, desk->region,        "true"};
    return values[i];
}

int verb_env(int argc, char **argv)
{
    const char *data = NULL;
    bool unset = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--unset") == 0) {
            unset = true;
        } else if (strcmp(argv[i], "--data") == 0 && i + 1 < argc) {
            data = argv[++i];
        } else {
            return say_usage("env", "'%s' is not known", argv[i]);
        }
    }
    struct desk_info desk;
    int code = unset ? EXIT_OK : desk_find(data, &desk);
    for (int i = 0; code == EXIT_OK && i < NAMES; i++) {
        if (unset) {
            printf("unset %s\n", names[i]);
        } else {
            printf("export %s='%s'\n", names[i], value_of(&desk, i));
        }
    }
    if (code == EXIT_OK) {
        puts(unset ? "unset AWS_SESSION_TOKEN" : "unset AWS_SESSION_TOKEN AWS_PROFILE");
    }
    return code;
}

int verb_aws(int argc, char **argv)
{
    const char *data = NULL;
    int first = 1;
    if (argc > 2 && strcmp(argv[1], "--data") == 0) {
        data = argv[2];
        first = 3;
    }
    struct desk_info desk;
    int code = desk_find(data, &desk);
    if (code != EXIT_OK) {
        return code;
    }
    for (int i = 0; i < NAMES; i++) {
        setenv(names[i], value_of(&desk, i), 1);
    }
    unsetenv("AWS_SESSION_TOKEN");
    unsetenv("AWS_PROFILE");
    if (getenv("AWS_PAGER") == NULL) {
        setenv("AWS_PAGER", "", 1); /* a pager would hold a script up */
    }
    char **args = calloc((size_t)(argc - first) + 4, sizeof *args);
    if (args == NULL) {
        return say_reason(ELO_E_NO_MEMORY, NULL);
    }
    size_t n = 0;
    args[n++] = (char *)"aws";
    args[n++] = (char *)"--endpoint-url";
    args[n++] = desk.http;
    memcpy(args + n, argv + first, (size_t)(argc - first) * sizeof *args);
    execvp("aws", args);
    if (errno == ENOENT) {
        say_error("the AWS CLI is not installed\n     On Debian: sudo apt install awscli");
    } else {
        say_error("cannot run aws: %s", strerror(errno));
    }
    free(args);
    return EXIT_ABSENT;
}
