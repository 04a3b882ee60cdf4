// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* `elo add`: a device from nothing, in one command, with least privilege. */
#include <stdio.h>
#include <string.h>

#include "cli/bundle.h"
#include "cli/cli.h"

const char help_add[] =
    "elo add NAME [--out DIR] [--data DIR]\n\n"
    "  elo add kitchen                 makes the thing and the folder ./kitchen\n"
    "  elo add kitchen --out /secure/kitchen\n\n"
    "Makes a thing, a P-256 key (it never leaves this machine), a certificate for it and attaches "
    "a\n"
    "policy that lets the device connect as NAME, publish elo/NAME/telemetry, /state and /reply "
    "and\n"
    "receive elo/NAME/cmd - nothing else. The folder has ca.pem, cert.pem, key.pem, config.json.\n";

static bool name_valid(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= 128 &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_-") == len;
}

static int add(const char *name, const char *out, const char *data)
{
    struct desk_info desk;
    struct buf document;
    int code = desk_find(data, &desk);
    if (code != EXIT_OK) {
        return code;
    }
    device_policy(&desk, &document);
    struct bundle_wish wish = {.dir = out,
                               .thing = name,
                               .client_id = name,
                               .policy = DEVICE_POLICY,
                               .policy_document = (const char *)buf_span(&document).ptr};
    code = bundle_make(&desk, &wish);
    buf_free(&document);
    if (code == EXIT_OK) {
        char host[256];
        int port = 0;
        split_host_port(desk.mqtts, host, sizeof host, &port);
        printf("%s\n", out);
        fprintf(
            stderr,
            "\n  next:  elo device --bundle %s\n"
            "         mosquitto_pub -h %s -p %d --cafile %s/ca.pem --cert %s/cert.pem \\\n"
            "           --key %s/key.pem -i %s -t elo/%s/telemetry -m '{\"celsius\":21.5}' -q 1\n",
            out, host, port, out, out, out, name, name);
    }
    return code;
}

int verb_add(int argc, char **argv)
{
    const char *name = NULL, *out = NULL, *data = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--out") == 0 && i + 1 < argc) {
            out = argv[++i];
        } else if (strcmp(argv[i], "--data") == 0 && i + 1 < argc) {
            data = argv[++i];
        } else if (argv[i][0] == '-' || name != NULL) {
            return say_usage("add", "'%s' is not known, or its value is missing", argv[i]);
        } else {
            name = argv[i];
        }
    }
    if (name == NULL) {
        return say_usage("add", "which name?");
    }
    if (!name_valid(name)) {
        return say_usage("add", "'%s' is no thing name: 1 to 128 of a-z A-Z 0-9 : _ -", name);
    }
    return add(name, out ? out : name, data);
}
