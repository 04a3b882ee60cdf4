// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: greet the board and judge what was given before anything is made; then
 * bundle_make() with the board in the place of a folder. Its last step hands the bundle over and
 * waits for the board's own test; when that fails, bundle_make() takes back what it made.
 */
#include "cli/add_port.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/board.h"
#include "cli/bundle.h"
#include "cli/cli.h"
#include "cli/stop.h"
#include "elo/setup/settings.h"
#include "ports/posix/file.h"

struct adding {
    struct board board;
    struct elo_settings settings;
    struct desk_info desk;
};

/* --- the passphrase ------------------------------------------------------------------------------
 */

static void cut_line(char *text)
{
    text[strcspn(text, "\r\n")] = '\0';
}

/* false: Ctrl-C. The terminal must not be left without its echo. */
static bool wait_for_line(void)
{
    struct pollfd polls[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                              {.fd = stop_fd(), .events = POLLIN}};
    while (!stop_asked() && polls[0].revents == 0) {
        poll(polls, 2, -1);
    }
    return !stop_asked();
}

static int ask_passphrase(const char *ssid, char *out, int cap)
{
    struct termios was, quiet;
    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &was) != 0) {
        return say_usage("add",
                         "the passphrase of '%s' cannot be asked for here: give "
                         "--wifi-pass-file",
                         ssid);
    }
    quiet = was;
    quiet.c_lflag &= (tcflag_t)~ECHO;
    fprintf(stderr, "Passphrase of '%s' (empty for an open network): ", ssid);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    bool got = wait_for_line() && fgets(out, cap, stdin) != NULL;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &was);
    fputc('\n', stderr);
    cut_line(out);
    return got ? EXIT_OK : stop_asked() ? stop_exit_code() : say_usage("add", "no passphrase came");
}

static int read_passphrase(const char *path, char *out, size_t cap)
{
    elo_span text;
    if (!read_file(path, 4096, &text)) {
        return EXIT_FAILED;
    }
    size_t n = strcspn((const char *)text.ptr, "\r\n");
    bool fits = n < cap;
    memcpy(out, text.ptr, fits ? n : 0);
    out[fits ? n : 0] = '\0';
    posix_file_free(&text);
    return fits ? EXIT_OK : say_usage("add", "the passphrase in %s is too long", path);
}

/* --- the settings --------------------------------------------------------------------------------
 */

static int set(struct elo_settings *s, const char *option, const char *member, elo_span value)
{
    struct elo_settings_fault fault = {NULL, ELO_WHY_NONE};
    if (elo_settings_set(s, elo_span_str(member), value, &fault) == ELO_OK) {
        return EXIT_OK;
    }
    return say_usage("add", "%s: %s", option, elo_settings_why(fault.why, ELO_LANG_EN));
}

static int set_wifi(struct elo_settings *s, const struct add_port *port)
{
    char passphrase[130] = "";
    if (port->ssid == NULL) {
        return port->passphrase_file ? say_usage("add", "the passphrase of which --wifi?")
                                     : EXIT_OK;
    }
    int code = port->ssid[0] == '\0' ? say_usage("add", "--wifi needs a name") : EXIT_OK;
    if (code == EXIT_OK) {
        code = set(s, "--wifi", "wifiSsid", elo_span_str(port->ssid));
    }
    if (code == EXIT_OK) {
        code = port->passphrase_file
                   ? read_passphrase(port->passphrase_file, passphrase, sizeof passphrase)
                   : ask_passphrase(port->ssid, passphrase, (int)sizeof passphrase);
    }
    if (code == EXIT_OK) {
        code = set(s, "the passphrase", "wifiPassphrase", elo_span_str(passphrase));
    }
    explicit_bzero(passphrase, sizeof passphrase);
    return code;
}

static bool is_loopback(const char *host)
{
    return strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
           strcmp(host, "::1") == 0;
}

static int set_address(struct adding *a, const struct add_port *port)
{
    char host[256];
    int number = 0;
    if (!split_host_port(a->desk.mqtts, host, sizeof host, &number)) {
        return say_reason(ELO_E_MALFORMED, "the desk's endpoints.json");
    }
    if (port->host == NULL && is_loopback(host)) {
        say_error("a board cannot reach %s: that is this machine alone\n"
                  "     Start the desk with --listen for other machines, or say with --host where\n"
                  "     the board finds it: an address or name of this machine in the Wi-Fi.",
                  host);
        return EXIT_USAGE;
    }
    a->settings.port = (uint16_t)number;
    int code = set(&a->settings, "--host", "host", elo_span_str(port->host ? port->host : host));
    /* Every desk's certificate carries this name, whatever its address is today. */
    return code == EXIT_OK ? set(&a->settings, "the name", "serverName", ELO_SPAN(DESK_SERVER_NAME))
                           : code;
}

static int set_all(struct adding *a, const char *name, const struct add_port *port)
{
    char prefix[160];
    struct elo_settings *s = &a->settings;
    elo_settings_defaults(s);
    snprintf(prefix, sizeof prefix, "elo/%s", name);
    int code = set_address(a, port);
    if (code == EXIT_OK) {
        code = set(s, "NAME", "thingName", elo_span_str(name));
    }
    if (code == EXIT_OK) {
        code = set(s, "NAME", "clientId", elo_span_str(name));
    }
    if (code == EXIT_OK) {
        code = set(s, "NAME", "prefix", elo_span_str(prefix));
    }
    if (code == EXIT_OK && port->sensor != NULL) {
        code = set(s, "--sensor", "sensor", elo_span_str(port->sensor));
    }
    if (code == EXIT_OK && port->interval_ms > 0) {
        s->interval_s = (uint16_t)(port->interval_ms / 1000);
    }
    return code == EXIT_OK ? set_wifi(s, port) : code;
}

/* --- the board -----------------------------------------------------------------------------------
 */

static int give_csr(void *ctx, struct buf *out_pem)
{
    struct adding *a = ctx;
    int code = board_csr(&a->board, out_pem);
    if (code == EXIT_OK) {
        fprintf(stderr, "  %-29s its key stays there\n", "signing request of the board");
    }
    return code;
}

static void say_stage(const char *words)
{
    fprintf(stderr, "  %-29s %s\n", "the board", words);
}

static int deliver(void *ctx, elo_span ca, elo_span certificate)
{
    struct adding *a = ctx;
    struct buf text;
    size_t len = 0;
    buf_init(&text, 65536);
    uint8_t *room = buf_room(&text, ELO_SETTINGS_JSON_MAX);
    if (room == NULL ||
        elo_settings_to_json(&a->settings, true, room, ELO_SETTINGS_JSON_MAX, &len) != ELO_OK) {
        buf_free(&text);
        return say_reason(ELO_E_TOO_LARGE, "the board's config.json");
    }
    buf_wrote(&text, len);
    buf_text(&text, "\n");
    buf_add(&text, ca);
    buf_text(&text, "\n");
    buf_add(&text, certificate);
    int code = board_set_up(&a->board, buf_span(&text), say_stage);
    explicit_bzero((void *)(uintptr_t)buf_span(&text).ptr, buf_span(&text).len);
    buf_free(&text);
    return code;
}

static int make(struct adding *a, const char *name, void (*step)(const char *, const char *))
{
    struct buf document;
    const struct bundle_board board = {.csr = give_csr, .deliver = deliver, .ctx = a};
    device_policy(&a->desk, &document);
    struct bundle_wish wish = {.board = &board,
                               .thing = name,
                               .client_id = name,
                               .policy = DEVICE_POLICY,
                               .policy_document = (const char *)buf_span(&document).ptr,
                               .step = step};
    int code = bundle_make(&a->desk, &wish);
    buf_free(&document);
    return code;
}

int add_port(const char *name,
             const struct add_port *port,
             const char *data,
             void (*step)(const char *operation, const char *what))
{
    static struct adding a;
    struct buf option;
    stop_watch();
    int code = desk_find(data, &a.desk);
    if (code == EXIT_OK) {
        code = set_all(&a, name, port);
    }
    if (code != EXIT_OK) {
        return code;
    }
    code = board_open(&a.board, port->path, port->reset);
    if (code == EXIT_OK) {
        fprintf(stderr, "  %-29s %s, %s\n", "board", a.board.id, a.board.firmware);
        code = make(&a, name, step);
    }
    board_close(&a.board);
    explicit_bzero(&a.settings, sizeof a.settings);
    if (code == EXIT_OK) {
        printf("%s\n", a.board.id);
        fflush(stdout);
        fprintf(stderr,
                "\n  The board works and has saved it; it restarts now.\n"
                "  next:  elo sub 'elo/%s/#'%s\n",
                name, data_option(a.desk.dir, &option));
        buf_free(&option);
    }
    return code;
}
