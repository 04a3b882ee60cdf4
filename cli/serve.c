// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* `elo serve` and `elo up`: the desk, for machines and for people. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "server/main/serve.h"

#define SERVE_OPTIONS                                                                              \
    "  --data DIR          where everything is kept (default: $ELO_DATA, or ~/.local/share/elo)\n" \
    "  --mqtts-port N      MQTT over mutual TLS (default 8883; 0: any free port)\n"                \
    "  --https-port N      HTTPS, and MQTT by ALPN (default 8443)\n"                               \
    "  --http-port N       AWS API, on loopback only (default 8080)\n"                             \
    "  --listen ADDR       listen on this address instead of loopback: 0.0.0.0 for a board on\n"   \
    "                      the LAN; the certificate then carries this machine's names\n"           \
    "  --endpoint NAME     what DescribeEndpoint answers\n"                                        \
    "  --region R          the region in ARNs (default us-east-1; fixed by the first start)\n"     \
    "  --account N         the account in ARNs (default 000000000000; fixed by the first start)\n" \
    "  --compat NAME=VALUE behaviour of AWS that is not known for certain; `--compat list`\n"      \
    "  --log json|text     the log's shape   --log-level debug|info|warn|error\n"

const char help_serve[] =
    "elo serve [--data DIR] [options]\n\n"
    "  elo serve --data /var/lib/elo              the desk as a daemon, logging JSON to stderr\n"
    "  elo serve --data /tmp/desk --mqtts-port 0 --https-port 0 --http-port 0\n"
    "                                             on free ports; DIR/endpoints.json tells which\n\n"
    "When it is ready it writes DIR/endpoints.json; SIGTERM ends it.\n\n" SERVE_OPTIONS;

const char help_up[] =
    "elo up [options]\n\n"
    "  elo up                      the desk in this terminal\n"
    "  elo up --listen 0.0.0.0     for a board on the same network\n\n"
    "The same server as `elo serve`, with words instead of JSON.\n\n" SERVE_OPTIONS;

enum {
    OPT_DATA = 1,
    OPT_MQTTS,
    OPT_HTTPS,
    OPT_HTTP,
    OPT_LISTEN,
    OPT_ENDPOINT,
    OPT_REGION,
    OPT_ACCOUNT,
    OPT_COMPAT,
    OPT_LOG,
    OPT_LEVEL
};

static const struct option options[] = {
    {"data", required_argument, NULL, OPT_DATA},
    {"mqtts-port", required_argument, NULL, OPT_MQTTS},
    {"https-port", required_argument, NULL, OPT_HTTPS},
    {"http-port", required_argument, NULL, OPT_HTTP},
    {"listen", required_argument, NULL, OPT_LISTEN},
    {"endpoint", required_argument, NULL, OPT_ENDPOINT},
    {"region", required_argument, NULL, OPT_REGION},
    {"account", required_argument, NULL, OPT_ACCOUNT},
    {"compat", required_argument, NULL, OPT_COMPAT},
    {"log", required_argument, NULL, OPT_LOG},
    {"log-level", required_argument, NULL, OPT_LEVEL},
    {NULL, 0, NULL, 0},
};

static int list_compat(void)
{
    const char *name, *normal, *other, *about;
    for (unsigned i = 0; compat_at(i, &name, &normal, &other, &about); i++) {
        printf("%s=%s (default) or %s\n    %s\n", name, normal, other, about);
    }
    return EXIT_OK;
}

static int set_port(const char *verb, const char *text, int *out)
{
    long port;
    if (!parse_number(text, 0, 65535, &port)) {
        return say_usage(verb, "'%s' is no port: 0 to 65535", text);
    }
    *out = (int)port;
    return EXIT_OK;
}

static int set_level(const char *verb, const char *text, enum log_level *out)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = (enum log_level)i;
            return EXIT_OK;
        }
    }
    return say_usage(verb, "'%s' is no log level", text);
}

/* One option into the configuration; EXIT_OK or the code to leave with. */
static int set_option(const char *verb, int option, struct serve_config *c, const char **data)
{
    switch (option) {
    case OPT_DATA:
        *data = optarg;
        return EXIT_OK;
    case OPT_MQTTS:
        return set_port(verb, optarg, &c->mqtts_port);
    case OPT_HTTPS:
        return set_port(verb, optarg, &c->https_port);
    case OPT_HTTP:
        return set_port(verb, optarg, &c->http_port);
    case OPT_LISTEN:
        c->listen = optarg;
        return EXIT_OK;
    case OPT_ENDPOINT:
        c->endpoint = optarg;
        return EXIT_OK;
    case OPT_REGION:
        c->region = optarg;
        return EXIT_OK;
    case OPT_ACCOUNT:
        c->account = optarg;
        return EXIT_OK;
    case OPT_COMPAT:
        if (compat_set(&c->compat, optarg) != ELO_OK) {
            return say_usage(verb, "'%s' is no switch; `elo %s --compat list`", optarg, verb);
        }
        return EXIT_OK;
    case OPT_LOG:
        if (strcmp(optarg, "json") != 0 && strcmp(optarg, "text") != 0) {
            return say_usage(verb, "--log is json or text, not '%s'", optarg);
        }
        c->log_format = optarg[0] == 'j' ? SERVE_LOG_JSON : SERVE_LOG_TEXT;
        return EXIT_OK;
    case OPT_LEVEL:
        return set_level(verb, optarg, &c->log_level);
    default:
        return say_usage(verb, "that option is not known");
    }
}

static int serve(int argc, char **argv, struct serve_config *c)
{
    static char dir[4096];
    const char *data = NULL;
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == OPT_COMPAT && strcmp(optarg, "list") == 0) {
            return list_compat();
        }
        if (option == '?') {
            return say_usage(argv[0], "'%s' is not known, or its value is missing",
                             argv[optind - 1]);
        }
        int code = set_option(argv[0], option, c, &data);
        if (code != EXIT_OK) {
            return code;
        }
    }
    if (optind < argc) {
        return say_usage(argv[0], "'%s' is one word too many", argv[optind]);
    }
    if (!data_folder(data, dir, sizeof dir)) {
        return EXIT_USAGE;
    }
    c->dir = dir;
    char why[1024] = "";
    elo_err err = serve_run(c, why, sizeof why);
    if (err != ELO_OK) {
        say_error("%s", why);
        return exit_code_of(err);
    }
    return EXIT_OK;
}

int verb_serve(int argc, char **argv)
{
    struct serve_config c;
    serve_defaults(&c);
    return serve(argc, argv, &c);
}

static void banner(void *ctx, const struct serve_endpoints *at)
{
    const struct serve_config *c = ctx;
    const char *bold = c->log_colour ? "\033[1m" : "", *off = c->log_colour ? "\033[0m" : "";
    fprintf(c->log,
            "\n  %selo %s%s   region %s   account %s\n\n"
            "  MQTT     %s  (mutual TLS; CA %s/ca.pem)\n"
            "  HTTPS    %s\n"
            "  AWS API  %s\n\n"
            "  In another terminal:\n"
            "    elo add kitchen                    a device: thing, key, certificate, policy\n"
            "    elo device --bundle kitchen        run it here\n"
            "    elo sub '#'                        watch everything\n"
            "    elo aws iot list-things            the AWS CLI against this desk\n\n"
            "  Ctrl-C ends it. What happens, and why something is refused:\n\n",
            bold, ELO_VERSION, off, at->region, at->account, at->mqtts, c->dir, at->https,
            at->http);
    fflush(c->log);
}

int verb_up(int argc, char **argv)
{
    struct serve_config c;
    serve_defaults(&c);
    c.log = stdout;
    c.log_format = SERVE_LOG_TEXT;
    c.log_colour = say_colour(STDOUT_FILENO);
    c.ready = banner;
    c.ctx = &c;
    return serve(argc, argv, &c);
}
