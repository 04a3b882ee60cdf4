// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* `elo add`: a device from nothing, in one command, with least privilege. */
#include <stdio.h>
#include <string.h>

#include "cli/add_port.h"
#include "cli/bundle.h"
#include "cli/cli.h"
#include "cli/stop.h"

const char help_add[] =
    "elo add NAME [--out DIR | --port DEV [--wifi SSID]] [--data DIR]\n\n"
    "  elo add kitchen                      makes the thing and the folder ./kitchen\n"
    "  elo add kitchen --out /safe/kitchen  the folder elsewhere\n"
    "  elo add kitchen --port /dev/ttyUSB0 --wifi Home\n"
    "                                       sets up the board on this serial line\n\n"
    "Makes a thing, a P-256 key (it never leaves this machine), a certificate for it and attaches\n"
    "a policy that lets the device connect as NAME, publish elo/NAME/telemetry, /state and /reply\n"
    "and receive elo/NAME/cmd - nothing else. A thing that has no certificate yet gets one.\n"
    "The folder has ca.pem, cert.pem, key.pem, config.json; its name is printed on stdout.\n\n"
    "With --port there is no folder: the board makes its key itself and keeps it. It is given the\n"
    "certificate, the address and the Wi-Fi, tries them, and saves them if they work; if not, "
    "what\n"
    "was made is taken back, and the reason is told.\n\n"
    "  -o, --out DIR      the folder to make (default: ./NAME)\n"
    "  --port DEV         the serial line of a board: /dev/ttyUSB0\n"
    "  --wifi SSID        the Wi-Fi it shall join; its passphrase is asked for\n"
    "  --wifi-pass-file FILE  where the passphrase is the first line (empty: an open network)\n"
    "  --host HOST        where the board finds the desk, if the desk cannot know\n"
    "  --interval TIME    between telemetry (default: 10s)\n"
    "  --sensor KIND      dht22, dht11, ds18b20, bme280 or none\n"
    "  --reset            resets the board first, by DTR and RTS\n"
    "  --data DIR         the desk's data folder\n";

static bool name_valid(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= 128 &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_-") == len;
}

static void say_step(const char *operation, const char *what)
{
    fprintf(stderr, "  %-29s %s\n", operation, what);
}

static void say_next(const struct desk_info *desk, const char *name, const char *out)
{
    char host[256];
    int port = 0;
    struct buf dir, data;
    const char *d = shell_word(out, &dir);
    if (!split_host_port(desk->mqtts, host, sizeof host, &port)) {
        return;
    }
    fprintf(stderr,
            "\n  next:  elo device --bundle %s\n"
            "         elo sub 'elo/%s/#'%s\n"
            "         mosquitto_pub -h %s -p %d --cafile %s/ca.pem --cert %s/cert.pem \\\n"
            "           --key %s/key.pem -i %s -t elo/%s/telemetry -m '{\"celsius\":21.5}' -q 1\n",
            d, name, data_option(desk->dir, &data), host, port, d, d, d, name, name);
    buf_free(&dir);
    buf_free(&data);
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
                               .policy_document = (const char *)buf_span(&document).ptr,
                               .step = say_step};
    stop_watch();
    code = bundle_make(&desk, &wish);
    buf_free(&document);
    if (code == EXIT_OK) {
        printf("%s\n", out);
        fflush(stdout);
        say_next(&desk, name, out);
    }
    return code;
}

static int add_folder(const char *name, const char *out, const char *data)
{
    char dir[PATH_MAX];
    size_t len = strlen(out ? out : name);
    if (len == 0 || len >= sizeof dir) {
        return say_usage("add", "the path of the folder is empty or too long");
    }
    memcpy(dir, out ? out : name, len + 1);
    for (; len > 1 && dir[len - 1] == '/'; len--) {
        dir[len - 1] = '\0'; /* the folder is made beside its place, not in it */
    }
    return add(name, dir, data);
}

int verb_add(int argc, char **argv)
{
    const char *name = NULL, *out = NULL, *data = NULL;
    struct add_port port = {.interval_ms = 0};
    const struct option_spec options[] = {
        {"--out", 'o', OPTION_TEXT, &out, 0, 0},
        {"--port", 'p', OPTION_TEXT, &port.path, 0, 0},
        {"--wifi", 0, OPTION_TEXT, &port.ssid, 0, 0},
        {"--wifi-pass-file", 0, OPTION_TEXT, &port.passphrase_file, 0, 0},
        {"--host", 0, OPTION_TEXT, &port.host, 0, 0},
        {"--interval", 0, OPTION_TIME, &port.interval_ms, 1000, 3600000},
        {"--sensor", 0, OPTION_TEXT, &port.sensor, 0, 0},
        {"--reset", 0, OPTION_FLAG, &port.reset, 0, 0},
        {"--data", 0, OPTION_TEXT, &data, 0, 0}};
    const struct syntax syntax = {help_add, options, sizeof options / sizeof options[0], &name, 1};
    int code = options_parse(&syntax, argc, argv, NULL);
    if (code != GO_ON) {
        return code;
    }
    if (name == NULL) {
        return say_usage("add", "which name?");
    }
    if (!name_valid(name)) {
        return say_usage("add", "'%s' is no thing name: 1 to 128 of a-z A-Z 0-9 : _ -", name);
    }
    if (port.path == NULL && (port.ssid || port.passphrase_file || port.host || port.sensor ||
                              port.reset || port.interval_ms)) {
        return say_usage("add", "that is for a board: which --port?");
    }
    if (port.interval_ms % 1000 != 0) {
        return say_usage("add", "--interval is in whole seconds");
    }
    if (port.path != NULL && out != NULL) {
        return say_usage("add", "--out is for a folder, --port for a board: one of them");
    }
    return port.path != NULL ? add_port(name, &port, data, say_step) : add_folder(name, out, data);
}
