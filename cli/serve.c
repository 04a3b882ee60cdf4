// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* `elo serve` and `elo up`: the desk, for machines and for people. */
#include <limits.h>
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
    "  --plain-port N      MQTT without TLS, certificate or policies, on loopback only: for\n"     \
    "                      protocol tests and tools; AWS has no such door (default: none)\n"       \
    "  --io-threads N      threads for TLS handshakes (default: one a core; 0: none)\n"            \
    "  --tls-policy NAME   IoTSecurityPolicy_TLS13_1_2_2022_10 (TLS 1.2 and 1.3, the default),\n"  \
    "                      ..._TLS13_1_3_2022_10 (1.3 only), ..._TLS12_1_2_2022_10 (1.2 only)\n"   \
    "  --tls-records R     own (default), or openssl: OpenSSL seals and opens records after the\n" \
    "                      handshake, too; slower, and 16 KB more a connection\n"                  \
    "  --listen ADDR       listen on this address instead of loopback: 0.0.0.0 for a board on\n"   \
    "                      the LAN; the certificate then carries this machine's names\n"           \
    "  --endpoint NAME     what DescribeEndpoint answers\n"                                        \
    "  --region R          the region in ARNs (default us-east-1; fixed by the first start)\n"     \
    "  --account N         the account in ARNs (default 000000000000; fixed by the first start)\n" \
    "  --lambda NAME=URL   where the function of a custom authorizer lives; `--lambda list`\n"     \
    "  --compat NAME=VALUE behaviour of AWS that is not known for certain; `--compat list`\n"      \
    "  --limits aws|off    AWS's quotas (default), or only the hard caps on memory\n"              \
    "  --limit NAME=VALUE  one quota; `--limit list`, `--limit throttles=none`\n"                  \
    "  --log-format F      auto (default), json or text; auto is text on a terminal\n"             \
    "  --log-level L       debug, info (default), warn or error\n"

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

/* What the command line says, before it is checked. */
struct wishes {
    const char *data, *log, *level, *records;
    long mqtts_port, https_port, http_port, plain_port, io_threads;
};

static int list_compat(void)
{
    const char *name, *normal, *other, *about;
    for (unsigned i = 0; compat_at(i, &name, &normal, &other, &about); i++) {
        printf("%s=%s (default) or %s\n    %s\n", name, normal, other, about);
    }
    return EXIT_OK;
}

/* The place of a word in a list; -1: it is not there. */
static int place_of(const char *word, const char *const *list, int count)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(word, list[i]) == 0) {
            return i;
        }
    }
    return -1;
}

static void print_limit(uint32_t value, bool throttle)
{
    if (throttle && value == LIMIT_NONE) {
        fputs("none", stdout);
    } else {
        printf("%u", value);
    }
}

static int list_limits(void)
{
    struct limit_row row;
    for (unsigned i = 0; limits_at(i, &row); i++) {
        printf("%s=%u (AWS), ", row.name, row.aws);
        print_limit(row.off, row.throttle);
        printf(" (--limits off)\n    %s\n", row.about);
    }
    puts("throttles=aws or none\n    all that are per second");
    return EXIT_OK;
}

static int set_log(const char *verb, const struct wishes *w, struct serve_config *c)
{
    static const char *const formats[] = {"json", "text", "auto"};
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    int format = w->log ? place_of(w->log, formats, 3) : (int)c->log_format;
    int level = w->level ? place_of(w->level, levels, 4) : (int)c->log_level;
    if (format < 0) {
        return say_usage(verb, "--log-format is auto, json or text, not '%s'", w->log);
    }
    if (level < 0) {
        return say_usage(verb, "--log-level is debug, info, warn or error, not '%s'", w->level);
    }
    bool terminal = format == 2 && isatty(fileno(c->log)) == 1;
    c->log_format =
        format == 2 ? (terminal ? SERVE_LOG_TEXT : SERVE_LOG_JSON) : (enum serve_log)format;
    c->log_colour = c->log_format == SERVE_LOG_TEXT && say_colour(fileno(c->log));
    c->log_level = (enum log_level)level;
    return GO_ON;
}

/* Where a function of a custom authorizer lives. */
static elo_err add_lambda(struct serve_config *c, const char *value)
{
    static const char *lambdas[SERVE_LAMBDAS];
    const char *equals = strchr(value, '=');
    bool good = equals != NULL && equals != value && strncmp(equals + 1, "http", 4) == 0;
    if (!good || c->lambda_count == SERVE_LAMBDAS) {
        return ELO_E_USAGE;
    }
    lambdas[c->lambda_count++] = value;
    c->lambdas = lambdas;
    return ELO_OK;
}

static int list_lambda(void)
{
    puts("--lambda NAME=URL, or --lambda ARN=URL, as often as there are functions: the event of a\n"
         "custom authorizer is posted there as AWS Lambda's Invoke does it. With AWS's runtime\n"
         "interface emulator URL is http://HOST:9000/2015-03-31/functions/function/invocations");
    return EXIT_OK;
}

static elo_err set_compat(struct serve_config *c, const char *value)
{
    return compat_set(&c->compat, value);
}

static elo_err set_limit(struct serve_config *c, const char *value)
{
    return limits_set(&c->limits, value);
}

static elo_err set_limits(struct serve_config *c, const char *value)
{
    if (strcmp(value, "off") == 0) {
        limits_off(&c->limits);
    } else if (strcmp(value, "aws") == 0) {
        limits_aws(&c->limits);
    } else {
        return ELO_E_USAGE;
    }
    return ELO_OK;
}

/* Options that may be there more than once and count in their order, which options_parse() does
 * not do. */
static const struct repeated {
    const char *name;
    elo_err (*set)(struct serve_config *c, const char *value);
    int (*list)(void);
    const char *cure;
} repeated[] = {
    {"--compat", set_compat, list_compat, "is no switch, or has no such value"},
    {"--lambda", add_lambda, list_lambda, "is not NAME=http://..., or there are too many"},
    {"--limit", set_limit, list_limits, "is no limit, or has no such value"},
    {"--limits", set_limits, list_limits, "is not aws or off"},
};

/* Is the argument this option? Its value, if it is in the same word. */
static bool is_option(const char *argument, const char *name, const char **out_value)
{
    size_t len = strlen(name);
    if (strncmp(argument, name, len) != 0 || (argument[len] != '\0' && argument[len] != '=')) {
        return false;
    }
    *out_value = argument[len] == '=' ? argument + len + 1 : NULL;
    return true;
}

static const struct repeated *find_repeated(const char *argument, const char **out_value)
{
    for (size_t i = 0; i < sizeof repeated / sizeof repeated[0]; i++) {
        if (is_option(argument, repeated[i].name, out_value)) {
            return &repeated[i];
        }
    }
    return NULL;
}

/* They are taken out of argv. GO_ON, or an exit code. */
static int take_repeated(int *argc, char **argv, struct serve_config *c)
{
    int kept = 1;
    for (int i = 1; i < *argc; i++) {
        const char *value = NULL;
        const struct repeated *option = find_repeated(argv[i], &value);
        if (option == NULL) {
            argv[kept++] = argv[i];
            continue;
        }
        if (value == NULL && i + 1 == *argc) {
            return say_usage(argv[0], "%s needs a value", option->name);
        }
        value = value != NULL ? value : argv[++i];
        if (strcmp(value, "list") == 0) {
            return option->list();
        }
        if (option->set(c, value) != ELO_OK) {
            return say_usage(argv[0], "'%s' %s; `elo %s %s list`", value, option->cure, argv[0],
                             option->name);
        }
    }
    *argc = kept;
    return GO_ON;
}

static int set_records(const char *verb, const struct wishes *w, struct serve_config *c)
{
    bool own = w->records == NULL || strcmp(w->records, "own") == 0;
    c->openssl_records = !own;
    return own || strcmp(w->records, "openssl") == 0
               ? GO_ON
               : say_usage(verb, "--tls-records is own or openssl, not '%s'", w->records);
}

static int parse(int argc, char **argv, const char *help, struct serve_config *c, const char **data)
{
    struct wishes w = {.mqtts_port = c->mqtts_port,
                       .https_port = c->https_port,
                       .http_port = c->http_port,
                       .plain_port = c->plain_port,
                       .io_threads = c->io_threads};
    const struct option_spec options[] = {
        {"--data", 0, OPTION_TEXT, &w.data, 0, 0},
        {"--mqtts-port", 0, OPTION_NUMBER, &w.mqtts_port, 0, 65535},
        {"--https-port", 0, OPTION_NUMBER, &w.https_port, 0, 65535},
        {"--http-port", 0, OPTION_NUMBER, &w.http_port, 0, 65535},
        {"--plain-port", 0, OPTION_NUMBER, &w.plain_port, 0, 65535},
        {"--io-threads", 0, OPTION_NUMBER, &w.io_threads, 0, 64},
        {"--tls-policy", 0, OPTION_TEXT, &c->tls_policy, 0, 0},
        {"--tls-records", 0, OPTION_TEXT, &w.records, 0, 0},
        {"--listen", 0, OPTION_TEXT, &c->listen, 0, 0},
        {"--endpoint", 0, OPTION_TEXT, &c->endpoint, 0, 0},
        {"--region", 0, OPTION_TEXT, &c->region, 0, 0},
        {"--account", 0, OPTION_TEXT, &c->account, 0, 0},
        {"--log-format", 0, OPTION_TEXT, &w.log, 0, 0},
        {"--log", 0, OPTION_TEXT, &w.log, 0, 0}, /* its older name */
        {"--log-level", 0, OPTION_TEXT, &w.level, 0, 0},
    };
    const struct syntax syntax = {help, options, sizeof options / sizeof options[0], NULL, 0};
    int code = take_repeated(&argc, argv, c);
    if (code == GO_ON) {
        code = options_parse(&syntax, argc, argv, NULL);
    }
    c->mqtts_port = (int)w.mqtts_port;
    c->https_port = (int)w.https_port;
    c->http_port = (int)w.http_port;
    c->plain_port = (int)w.plain_port;
    c->io_threads = (int)w.io_threads;
    *data = w.data;
    code = code == GO_ON ? set_records(argv[0], &w, c) : code;
    return code == GO_ON ? set_log(argv[0], &w, c) : code;
}

static int serve(int argc, char **argv, const char *help, struct serve_config *c)
{
    static char dir[PATH_MAX];
    const char *data = NULL;
    char why[1024] = "";
    int code = parse(argc, argv, help, c, &data);
    if (code != GO_ON) {
        return code;
    }
    if (!data_folder(data, dir, sizeof dir)) {
        return EXIT_USAGE;
    }
    c->dir = dir;
    elo_err err = serve_run(c, why, sizeof why);
    if (err != ELO_OK) {
        say_error("%s", why);
    }
    return exit_code_of(err);
}

int verb_serve(int argc, char **argv)
{
    struct serve_config c;
    serve_defaults(&c);
    c.log_format = SERVE_LOG_AUTO;
    return serve(argc, argv, help_serve, &c);
}

/* A command to try, and what it does. */
static void
propose(FILE *out, const char *verb, const char *data, const char *rest, const char *about)
{
    int width = (int)(strlen(verb) + strlen(data) + strlen(rest));
    fprintf(out, "    elo %s%s%s%*s  %s\n", verb, data, rest, width < 32 ? 32 - width : 0, "",
            about);
}

static void banner(void *ctx, const struct serve_endpoints *at)
{
    const struct serve_config *c = ctx;
    const char *bold = c->log_colour ? "\033[1m" : "", *off = c->log_colour ? "\033[0m" : "";
    struct buf option;
    const char *data = data_option(c->dir, &option);
    fprintf(c->log,
            "\n  %selo %s%s   region %s   account %s\n\n"
            "  MQTT     %s  (mutual TLS; CA %s/ca.pem)\n"
            "  HTTPS    %s\n"
            "  AWS API  %s\n\n"
            "  In another terminal:\n",
            bold, ELO_VERSION, off, at->region, at->account, at->mqtts, c->dir, at->https,
            at->http);
    propose(c->log, "add kitchen", data, "", "a device: thing, key, certificate, policy");
    propose(c->log, "device --bundle kitchen", "", "", "run it here");
    propose(c->log, "sub '#'", data, "", "watch everything");
    propose(c->log, "aws", data, " iot list-things", "the AWS CLI against this desk");
    fputs("\n  Ctrl-C ends it. What happens, and why something is refused:\n\n", c->log);
    buf_free(&option);
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
    return serve(argc, argv, help_up, &c);
}
