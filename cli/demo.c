// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * `elo demo`: the whole chain in one terminal. How this works: three processes - the desk
 * (`elo serve`), a virtual ESP8266 (`elo device`, on request --emulate) and this one, which watches
 * as the desk's operator - and a short play in phases:
 *
 *     READING    until telemetry has come
 *     ASKING     a command is sent; until its answer has come
 *     REFUSING   a second device does what its policy does not allow; until it was turned away
 *     PLAYING    all has been shown; goes on until Ctrl-C or the end of --for
 *
 * It succeeds (0) only if PLAYING was reached. What is shown is what happened: the device's
 * messages as they came through the desk, the desk's own log, the children's own words.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/bundle.h"
#include "cli/child.h"
#include "cli/cli.h"
#include "cli/picture.h"
#include "cli/session.h"
#include "cli/stop.h"
#include "elo/json/read.h"
#include "ports/posix/clock.h"
#include "ports/posix/entropy.h"

const char help_demo[] =
    "elo demo [--for T] [--emulate] [--data DIR]\n\n"
    "  elo demo               until Ctrl-C\n"
    "  elo demo --for 20s     for twenty seconds\n\n"
    "Starts a desk (or uses the one that runs), makes the device demo-esp8266, runs it as a "
    "process\n"
    "of its own with this machine's sensors, shows its telemetry, sends it commands and shows the\n"
    "answers. Then a second device tries what its policy does not allow. Off a terminal it ends\n"
    "after 30 s. Exits with 0 only if telemetry came, a command was answered and the refusal was "
    "one.\n\n"
    "  --for T            end after this time, at the earliest when everything has been shown\n"
    "  --emulate          the device is the firmware's image on an ESP8266's CPU, in QEMU, as "
    "`elo\n"
    "                     device --emulate` runs it; if it does not start, the usual device does\n"
    "  --data DIR         where the desk keeps everything (default: as for `elo up`)\n";

#define DEVICE  "demo-esp8266"
#define VISITOR "demo-visitor"

enum {
    START_MS = 20000,    /* for the desk to be ready */
    PATIENCE_MS = 30000, /* for everything to have been shown */
    PACE_MS = 1500,      /* between two things to look at */
    COMMAND_EVERY_MS = 8000
};

enum phase { READING, ASKING, REFUSING, PLAYING };

struct demo {
    char dir[PATH_MAX];
    char device_dir[PATH_MAX], visitor_dir[PATH_MAX];
    int lock; /* one demo at a time on a desk */
    struct child desk, device, visitor;
    bool desk_is_ours;
    bool emulated; /* the device runs in QEMU */
    int steps;     /* told while a device was made */
    struct desk_info info;
    struct bundle operator_bundle;
    struct session session;
    char client_id[40];
    enum phase phase;
    uint32_t start_ms, next_ms; /* when the next thing of the phase is due */
    long telemetry, commands, answers;
    int64_t sent_us, answer_total_us;
    char last_id[32];
    bool explained, ending;
    int code; /* a failure that ends it, or GO_ON */
};

static struct demo demo = {
    .lock = -1, .desk = {.fd = -1}, .device = {.fd = -1}, .visitor = {.fd = -1}};

static int64_t clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static bool is_due(uint32_t at_ms)
{
    return (int32_t)(posix_clock_ms() - at_ms) >= 0;
}

/* --- what the children say -----------------------------------------------------------------------
 */

/* The desk tells of a refusal and then of the end of the connection, for the same reason: once is
 * enough. */
static bool is_told(const char *client_id, const char *code)
{
    static char last_client[130], last_code[40];
    bool told =
        code[0] != '\0' && strcmp(client_id, last_client) == 0 && strcmp(code, last_code) == 0;
    snprintf(last_client, sizeof last_client, "%s", client_id);
    snprintf(last_code, sizeof last_code, "%s", code);
    return told;
}

/* Failures always; once all has been shown also what people do in other terminals. */
static bool is_news(elo_span record, const char *client_id)
{
    char event[40] = "", code[40] = "", level[16] = "";
    json_field(record, "eventType", event, sizeof event);
    json_field(record, "code", code, sizeof code);
    json_field(record, "logLevel", level, sizeof level);
    bool is_ours = strncmp(client_id, "elo-demo-", 9) == 0 || strcmp(event, "Server") == 0;
    bool trouble = strcmp(level, "WARN") == 0 || strcmp(level, "ERROR") == 0;
    return trouble ? !is_told(client_id, code) : demo.phase == PLAYING && !demo.ending && !is_ours;
}

static elo_span without_name(elo_span line)
{
    elo_span name = ELO_SPAN("elo: ");
    return elo_span_starts_with(line, name) ? elo_span_from(line, name.len) : line;
}

/* A record of the desk's log, as JSON; anything else is shown as it is. */
static void on_desk_line(elo_span line)
{
    char client_id[130] = "";
    if (elo_json_validate(line) != ELO_OK) {
        picture_line("desk", without_name(line));
        return;
    }
    json_field(line, "clientId", client_id, sizeof client_id);
    if (is_news(line, client_id)) {
        picture_record(line);
        demo.explained = demo.explained || strcmp(client_id, VISITOR) == 0;
    }
}

static void on_device_line(elo_span line)
{
    picture_line("device", without_name(line));
}

/* Of `elo pub` the first line, with the reason, is all that AWS would tell. */
static void on_visitor_line(elo_span line)
{
    elo_span words = without_name(line);
    if (words.len < line.len) {
        picture_line("visitor", words);
    }
}

/* --- the desk ------------------------------------------------------------------------------------
 */

static bool port_is_free(int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool free = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                bind(fd, (struct sockaddr *)&at, sizeof at) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return free;
}

static const char *port_or_any(int port, char text[8])
{
    snprintf(text, 8, "%d", port_is_free(port) ? port : 0);
    return text;
}

/* Which endpoints.json is there; .st_ino 0: none. A desk that was killed leaves one behind. */
static struct stat endpoints_file(void)
{
    char path[PATH_MAX];
    struct stat file;
    if (!bundle_path(demo.dir, "endpoints.json", path) || stat(path, &file) != 0) {
        memset(&file, 0, sizeof file);
    }
    return file;
}

static bool is_another(const struct stat *before, const struct stat *now)
{
    return now->st_ino != 0 &&
           (now->st_ino != before->st_ino || now->st_mtim.tv_sec != before->st_mtim.tv_sec ||
            now->st_mtim.tv_nsec != before->st_mtim.tv_nsec);
}

/* Waits until the new desk has written an endpoints.json of its own. */
static int await_desk(const struct stat *before)
{
    uint32_t end = posix_clock_ms() + START_MS;
    struct stat now = endpoints_file();
    while (!is_another(before, &now)) {
        struct pollfd fds[] = {{.fd = demo.desk.fd, .events = POLLIN},
                               {.fd = stop_fd(), .events = POLLIN}};
        poll(fds, 2, 100);
        if (stop_asked()) {
            return stop_exit_code();
        }
        if (!child_relay(&demo.desk)) {
            int code = child_collect(&demo.desk);
            say_error("the desk did not start; what it said is above");
            return code != EXIT_OK ? code : EXIT_FAILED;
        }
        if (is_due(end)) {
            say_error("the desk was not ready after %d s", START_MS / 1000);
            return EXIT_TIMEOUT;
        }
        now = endpoints_file();
    }
    return desk_find(demo.dir, &demo.info);
}

static int start_desk(void)
{
    char mqtts[8], https[8], http[8];
    struct stat before = endpoints_file();
    picture_heading(
        "The desk: broker, certificates, policies and API of AWS IoT Core, on this machine");
    if (before.st_ino != 0 && desk_find(demo.dir, &demo.info) == EXIT_OK &&
        desk_answers(&demo.info)) {
        picture_pair("desk", "runs already", demo.dir);
    } else {
        const char *args[] = {"serve",
                              "--data",
                              demo.dir,
                              "--mqtts-port",
                              port_or_any(8883, mqtts),
                              "--https-port",
                              port_or_any(8443, https),
                              "--http-port",
                              port_or_any(8080, http),
                              NULL};
        if (!child_start(&demo.desk, args, on_desk_line)) {
            say_error("the desk could not be started: %s", strerror(errno));
            return EXIT_FAILED;
        }
        demo.desk_is_ours = true;
        int code = await_desk(&before);
        if (code != EXIT_OK) {
            return code;
        }
    }
    picture_pair("desk", "MQTT, TLS", demo.info.mqtts);
    picture_pair("desk", "AWS API", demo.info.http);
    return EXIT_OK;
}

/* Two demos would run the same device twice and throw each other out. */
static int take_turn(void)
{
    char path[PATH_MAX];
    struct buf option;
    if (!bundle_path(demo.dir, "demo.lock", path) ||
        (demo.lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0) {
        say_error("cannot write in %s: %s", demo.dir, strerror(errno));
        return EXIT_FAILED;
    }
    if (flock(demo.lock, LOCK_EX | LOCK_NB) == 0) {
        return EXIT_OK;
    }
    say_error(
        "a demo runs on this desk already\n"
        "     Watch it with `elo sub 'elo/#'%s`, or give this one a folder of its own: --data DIR",
        data_option(demo.dir, &option));
    buf_free(&option);
    return EXIT_CONFLICT;
}

/* --- the devices ---------------------------------------------------------------------------------
 */

static void show_step(const char *operation, const char *what)
{
    char line[200];
    size_t prefix = strncmp(operation, "iot:", 4) == 0 ? 4 : 0;
    demo.steps++;
    /* A certificate's id is 64 digits long: the beginning will do. */
    snprintf(line, sizeof line, "%-26s%.20s%s", operation + prefix, what,
             strlen(what) > 20 ? "..." : "");
    picture_line("you", elo_span_str(line));
}

static int make_device(const char *name, char dir[PATH_MAX], bool quiet)
{
    struct buf document;
    struct bundle bundle;
    if (!bundle_path(demo.dir, name, dir)) {
        return EXIT_USAGE;
    }
    device_policy(&demo.info, &document);
    struct bundle_wish wish = {.dir = dir,
                               .thing = name,
                               .client_id = name,
                               .policy = DEVICE_POLICY,
                               .policy_document = (const char *)buf_span(&document).ptr,
                               .one_more = true,
                               .step = quiet ? NULL : show_step};
    int code = bundle_ensure(&demo.info, &wish, &bundle);
    if (code == EXIT_OK) {
        bundle_free(&bundle);
    }
    buf_free(&document);
    return code;
}

static int make_devices(void)
{
    picture_heading(
        "A device: a thing with its own key and certificate, and a policy of least privilege");
    int code = make_device(DEVICE, demo.device_dir, false);
    if (code == EXIT_OK && demo.steps == 0) {
        picture_pair("you", DEVICE, "is there from an earlier demo");
    }
    return code == EXIT_OK ? make_device(VISITOR, demo.visitor_dir, true) : code;
}

/* GO_ON, or why not (said). */
static int run_device(void)
{
    const char *args[] = {"device",
                          "--bundle",
                          demo.device_dir,
                          "--interval",
                          "2s",
                          "--quiet",
                          demo.emulated ? "--emulate" : NULL,
                          NULL};
    if (!child_start(&demo.device, args, on_device_line)) {
        say_error("the device did not start: %s", strerror(errno));
        return EXIT_FAILED;
    }
    return GO_ON;
}

static int start_device(void)
{
    picture_heading(
        "Telemetry goes up, a command comes down, its answer goes up (topics elo/" DEVICE "/...)");
    return run_device();
}

/* An emulated board that has ended before it has shown anything: this machine is the device. */
static bool is_replaced(void)
{
    if (!demo.emulated || demo.phase != READING || demo.device.pid <= 0 ||
        child_relay(&demo.device)) {
        return false;
    }
    child_collect(&demo.device);
    demo.emulated = false;
    picture_pair("device", "instead", "the same firmware as a program on this machine");
    return run_device() == GO_ON;
}

/* --- watching ------------------------------------------------------------------------------------
 */

static void send_command(void)
{
    static const char *const wishes[] = {"\"led\":\"on\"", "\"relay\":\"on\"", "\"interval\":1",
                                         "\"led\":\"off\",\"relay\":\"off\",\"interval\":2"};
    char text[140];
    snprintf(demo.last_id, sizeof demo.last_id, "demo-%ld", ++demo.commands);
    int len = snprintf(text, sizeof text, "{\"id\":\"%s\",%s}", demo.last_id,
                       wishes[(demo.commands - 1) % 4]);
    struct elo_client_message message = {.topic = ELO_SPAN("elo/" DEVICE "/cmd"),
                                         .payload = elo_span_of(text, (size_t)len),
                                         .qos = 1};
    demo.next_ms = posix_clock_ms() + COMMAND_EVERY_MS;
    demo.sent_us = clock_us();
    if (elo_client_publish(&demo.session.link.client, &message) == ELO_OK) {
        picture_pair("you", "cmd", text);
    }
}

/* The answer to our last command, not to somebody else's; the time it took, else -1. */
static int64_t judge_reply(elo_span payload)
{
    char id[24];
    if (!json_field(payload, "id", id, sizeof id) || strcmp(id, demo.last_id) != 0) {
        return -1;
    }
    int64_t took = clock_us() - demo.sent_us;
    demo.last_id[0] = '\0';
    demo.answers++;
    demo.answer_total_us += took;
    if (demo.phase == ASKING) {
        demo.phase = REFUSING;
        demo.next_ms = posix_clock_ms() + PACE_MS;
    }
    return took;
}

static void on_device_message(elo_span kind, elo_span payload)
{
    char id[24], note[40] = "";
    int64_t took = -1;
    if (elo_span_eq(kind, ELO_SPAN("describe"))) {
        return; /* for programs, not for people */
    }
    if (elo_span_eq(kind, ELO_SPAN("telemetry"))) {
        demo.telemetry++;
        if (demo.phase == READING) {
            demo.phase = ASKING;
            demo.next_ms = posix_clock_ms() + PACE_MS;
        }
    } else if (elo_span_eq(kind, ELO_SPAN("reply"))) {
        took = judge_reply(payload);
    } else if (elo_span_eq(kind, ELO_SPAN("cmd")) && json_field(payload, "id", id, sizeof id) &&
               strncmp(id, "demo-", 5) == 0) {
        return; /* our own */
    }
    if (took >= 0) {
        snprintf(note, sizeof note, "there and back in %.1f ms", (double)took / 1000.0);
    }
    picture_message(elo_span_eq(kind, ELO_SPAN("cmd")) ? "you" : "device", kind, payload, note);
}

static void on_message(const struct elo_client_event *e)
{
    elo_span topic = e->u.message.topic, prefix = ELO_SPAN("elo/" DEVICE "/");
    if (elo_span_starts_with(topic, prefix)) {
        on_device_message(elo_span_from(topic, prefix.len), e->u.message.payload);
    } else {
        picture_message("other", topic, e->u.message.payload, "");
    }
}

/* Only now, so that nothing it says is missed. */
static void on_subscribed(elo_err result)
{
    demo.code = result != ELO_OK       ? say_reason(result, "elo/#")
                : demo.device.pid == 0 ? start_device()
                                       : GO_ON;
}

static void on_event(const struct elo_client_event *e)
{
    if (e->type == ELO_CLIENT_MESSAGE) {
        on_message(e);
    } else if (e->type == ELO_CLIENT_SUBSCRIBED) {
        on_subscribed(e->u.subscribed.result);
    } else if (e->type == ELO_CLIENT_DISCONNECTED && !stop_asked()) {
        demo.code =
            session_complain(&demo.session, &demo.operator_bundle, e->u.disconnected.reason);
    }
}

static int start_watching(void)
{
    int code = bundle_operator(&demo.info, &demo.operator_bundle);
    if (code != EXIT_OK) {
        return code;
    }
    snprintf(demo.client_id, sizeof demo.client_id, "elo-demo-%08x",
             (unsigned)posix_entropy_u32(NULL));
    struct session_options options = {.client_id = demo.client_id};
    code = session_open(&demo.session, &demo.operator_bundle, &options);
    if (code == EXIT_OK) {
        elo_err err = elo_client_subscribe(&demo.session.link.client, ELO_SPAN("elo/#"), 1);
        code = err == ELO_OK ? EXIT_OK : say_reason(err, "elo/#");
    }
    return code;
}

/* --- the refusal ---------------------------------------------------------------------------------
 */

static void start_refusal(void)
{
    static const char topic[] = "elo/" DEVICE "/cmd";
    const char *args[] = {
        "pub", topic, "-m", "{\"id\":\"x\",\"relay\":\"on\"}", "--bundle", demo.visitor_dir, NULL};
    picture_heading(
        "What AWS would refuse is refused, and the desk says why: a device commands another");
    picture_pair("visitor", "publish", topic);
    if (!child_start(&demo.visitor, args, on_visitor_line)) {
        say_error("the visitor did not start: %s", strerror(errno));
        demo.code = EXIT_FAILED;
    }
}

/* Where the shell would find `program`; false: nowhere. */
static bool on_path(const char *program, char out[PATH_MAX])
{
    const char *p = getenv("PATH");
    while (p != NULL && *p != '\0') {
        size_t len = strcspn(p, ":");
        int n = snprintf(out, PATH_MAX, "%.*s/%s", (int)len, p, program);
        if (n > 0 && n < PATH_MAX && access(out, X_OK) == 0) {
            return true;
        }
        p += len + (p[len] == ':');
    }
    return false;
}

/* How to call this very program: by its name only if that is what the shell would run. */
static const char *own_name(struct buf *out)
{
    char found[PATH_MAX], self[PATH_MAX] = "elo";
    struct stat a, b;
    bool same = on_path("elo", found) && stat(found, &a) == 0 && stat("/proc/self/exe", &b) == 0 &&
                a.st_ino == b.st_ino && a.st_dev == b.st_dev;
    ssize_t n = same ? 0 : readlink("/proc/self/exe", self, sizeof self - 1);
    if (n > 0) {
        self[n] = '\0';
    }
    return shell_word(self, out);
}

/* Each line can be pasted as it is: it names this very program, and the data folder if need be. */
static void show_next_steps(void)
{
    char host[256], found[PATH_MAX];
    int port = 0;
    struct buf elo, data, dir;
    const char *e = own_name(&elo), *d = data_option(demo.dir, &data);
    const char *v = shell_word(demo.visitor_dir, &dir);
    picture_heading("Your turn, in another terminal; Ctrl-C here ends the demo");
    picture_command("%s pub elo/" DEVICE "/cmd -m '{\"id\":\"me\",\"led\":\"on\"}'%s", e, d);
    picture_command("%s sub 'elo/#'%s", e, d);
    if (on_path("aws", found)) {
        picture_command("%s aws%s iot list-things", e, d);
    }
    if (on_path("mosquitto_pub", found) &&
        split_host_port(demo.info.mqtts, host, sizeof host, &port)) {
        picture_command("mosquitto_pub -h %s -p %d --cafile %s/ca.pem \\", host, port, v);
        picture_command("  --cert %s/cert.pem --key %s/key.pem -i " VISITOR " \\", v, v);
        picture_command("  -t elo/" VISITOR "/telemetry -m '{\"celsius\":21.5}' -q 1");
    }
    picture_gap();
    buf_free(&elo);
    buf_free(&data);
    buf_free(&dir);
}

/* The visitor has ended: was it refused? */
static void judge_refusal(void)
{
    int code = child_collect(&demo.visitor);
    if (code != EXIT_REFUSED) {
        say_error("the visitor was not refused (exit code %d)", code);
        demo.code = EXIT_FAILED;
        return;
    }
    if (!demo.desk_is_ours) {
        picture_pair("desk", "says why", "in the terminal or log where it runs");
    }
    demo.phase = PLAYING;
    demo.next_ms = posix_clock_ms() + COMMAND_EVERY_MS;
    show_next_steps();
}

/* --- the play ------------------------------------------------------------------------------------
 */

static void go_on(void)
{
    bool visiting = demo.visitor.pid > 0;
    if (visiting && !child_relay(&demo.visitor) && (demo.explained || !demo.desk_is_ours)) {
        judge_refusal();
        return;
    }
    if (visiting || demo.phase == READING || !is_due(demo.next_ms)) {
        return;
    }
    if (demo.phase == REFUSING) {
        start_refusal();
    } else {
        send_command();
    }
}

static bool child_gone(struct child *c, const char *name)
{
    if (c->pid <= 0 || child_relay(c)) {
        return false;
    }
    say_error("the %s has ended; what it said is above", name);
    return true;
}

static bool is_over(uint32_t for_ms)
{
    uint32_t limit = demo.phase == PLAYING ? for_ms : for_ms > PATIENCE_MS ? for_ms : PATIENCE_MS;
    return demo.code != GO_ON || stop_asked() || say_is_deaf() ||
           (limit > 0 && is_due(demo.start_ms + limit));
}

static void play(uint32_t for_ms)
{
    struct elo_client_event event;
    demo.start_ms = posix_clock_ms();
    while (!is_over(for_ms)) {
        struct pollfd extra[] = {{.fd = stop_fd(), .events = POLLIN},
                                 {.fd = STDOUT_FILENO},
                                 {.fd = demo.device.fd, .events = POLLIN},
                                 {.fd = demo.desk.fd, .events = POLLIN},
                                 {.fd = demo.visitor.fd, .events = POLLIN}};
        if (posix_link_step(&demo.session.link, 100, extra, 5) != ELO_OK) {
            demo.code = say_reason(ELO_E_IO, "poll");
        }
        if (child_gone(&demo.desk, "desk") ||
            (!is_replaced() && child_gone(&demo.device, "device"))) {
            demo.code = EXIT_FAILED;
        }
        while (demo.code == GO_ON && elo_client_next_event(&demo.session.link.client, &event)) {
            on_event(&event);
        }
        if (demo.code == GO_ON) {
            go_on();
        }
    }
}

static int verdict(void)
{
    static const char *const missing[] = {[READING] = "no telemetry came",
                                          [ASKING] = "no command was answered",
                                          [REFUSING] = "the refusal was not shown"};
    char line[200];
    picture_gap();
    if (demo.phase == PLAYING && demo.code == GO_ON) {
        snprintf(line, sizeof line,
                 "telemetry %ld, commands %ld, answered %ld in %.1f ms on average: the chain works",
                 demo.telemetry, demo.commands, demo.answers,
                 (double)demo.answer_total_us / 1000.0 / (double)demo.answers);
        picture_line("demo", elo_span_str(line));
        return EXIT_OK;
    }
    if (demo.phase != PLAYING && !say_is_deaf()) {
        say_error("the demo is not complete: %s", missing[demo.phase]);
    }
    return demo.code != GO_ON ? demo.code : stop_asked() ? stop_exit_code() : EXIT_FAILED;
}

static void end_children(void)
{
    demo.ending = true;
    child_end(&demo.visitor);
    child_end(&demo.device);
    child_end(&demo.desk);
}

static int parse(int argc, char **argv, uint32_t *out_for_ms, const char **out_data)
{
    long for_ms = isatty(STDOUT_FILENO) ? 0 : 30000;
    const struct option_spec options[] = {{"--for", 0, OPTION_TIME, &for_ms, 1, 0x7fffffffL},
                                          {"--emulate", 0, OPTION_FLAG, &demo.emulated, 0, 0},
                                          {"--data", 0, OPTION_TEXT, out_data, 0, 0}};
    const struct syntax syntax = {help_demo, options, 3, NULL, 0};
    int code = options_parse(&syntax, argc, argv, NULL);
    *out_for_ms = (uint32_t)for_ms;
    return code;
}

int verb_demo(int argc, char **argv)
{
    uint32_t for_ms = 0;
    const char *data = NULL;
    int code = parse(argc, argv, &for_ms, &data);
    if (code != GO_ON) {
        return code;
    }
    if (!data_folder(data, demo.dir, sizeof demo.dir)) {
        return EXIT_USAGE;
    }
    demo.code = GO_ON;
    stop_watch();
    int (*const steps[])(void) = {start_desk, take_turn, make_devices, start_watching};
    code = EXIT_OK;
    for (size_t i = 0; code == EXIT_OK && i < sizeof steps / sizeof steps[0]; i++) {
        code = stop_asked() ? stop_exit_code() : steps[i]();
    }
    if (code == EXIT_OK) {
        play(for_ms);
        session_finish(&demo.session, 500);
        session_close(&demo.session);
    }
    bundle_free(&demo.operator_bundle);
    end_children();
    return code == EXIT_OK ? verdict() : code;
}
