// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * `elo demo`: the whole chain in one terminal. Three processes: the desk (`elo serve`), a virtual
 * ESP8266 (`elo device`) and this one, which watches as the desk's operator, sends a command and
 * checks the answer. What each says is shown behind its name.
 *
 * It succeeds (0) only if telemetry arrived and the command was answered.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/bundle.h"
#include "cli/cli.h"
#include "cli/message.h"
#include "cli/session.h"
#include "cli/stop.h"
#include "elo/json/read.h"
#include "ports/posix/clock.h"
#include "ports/posix/entropy.h"

const char help_demo[] =
    "elo demo [--for T] [--data DIR]\n\n"
    "  elo demo               until Ctrl-C\n"
    "  elo demo --for 20s     for twenty seconds\n\n"
    "Starts a desk (or uses the one that runs), makes the device demo-esp8266, runs it as a "
    "process\n"
    "of its own with this machine's sensors, shows its telemetry, sends commands and shows the\n"
    "answers. Off a terminal it ends after 30 s. Exits with 0 only if telemetry arrived and a\n"
    "command was answered.\n";

#define THING "demo-esp8266"

enum { COMMAND_EVERY_MS = 8000, FIRST_COMMAND_MS = 3000, START_MS = 20000, LINE = 1024 };

/* A child and its output, line by line. */
struct child {
    const char *label;
    const char *paint;
    pid_t pid;
    int fd;
    char line[LINE];
    size_t len;
};

struct demo {
    char self[PATH_MAX];
    char dir[PATH_MAX];
    char bundle_dir[PATH_MAX];
    bool colour;
    struct child desk, device;
    struct desk_info info;
    struct bundle operator_bundle;
    struct session session;
    char client_id[40];
    uint32_t start_ms, command_ms, sent_ms;
    long telemetry, commands, answers;
    uint32_t answer_total_ms;
    char last_id[24];
    bool online;
    int code; /* a failure that ends it; -1: none */
};

static struct demo demo;

/* --- showing -------------------------------------------------------------------------------------
 */

static void show(const char *label, const char *paint, const char *text, size_t len)
{
    printf("%s%-8s%s %.*s\n", demo.colour ? paint : "", label, demo.colour ? "\033[0m" : "",
           (int)len, text);
    fflush(stdout);
}

static void show_text(const char *label, const char *paint, const char *text)
{
    show(label, paint, text, strlen(text));
}

#define PAINT_DESK   "\033[36m"
#define PAINT_DEVICE "\033[33m"
#define PAINT_YOU    "\033[32m"
#define PAINT_CLOUD  "\033[35m"

/* --- children ------------------------------------------------------------------------------------
 */

static bool spawn(struct child *c, const char *label, const char *paint, const char *const *args)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return false;
    }
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        setpgid(0, 0); /* Ctrl-C is for the parent, which then ends its children in order */
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        execv(demo.self, (char *const *)(uintptr_t)args);
        _exit(127);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return false;
    }
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    *c = (struct child){.label = label, .paint = paint, .pid = pid, .fd = ends[0]};
    return true;
}

/* Shows the complete lines that have come. false: the child has closed its output. */
static bool relay(struct child *c)
{
    ssize_t n;
    while ((n = read(c->fd, c->line + c->len, LINE - c->len)) > 0) {
        c->len += (size_t)n;
        char *end;
        while ((end = memchr(c->line, '\n', c->len)) != NULL || c->len == LINE) {
            size_t len = end ? (size_t)(end - c->line) : c->len;
            show(c->label, c->paint, c->line, len);
            len += end != NULL;
            c->len -= len;
            memmove(c->line, c->line + len, c->len);
        }
    }
    return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* Ends a child and waits for it; its exit status. */
static void end_child(struct child *c)
{
    int status = 0;
    if (c->pid <= 0) {
        return;
    }
    kill(c->pid, SIGTERM);
    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR) {
    }
    relay(c);
    close(c->fd);
    c->pid = 0;
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

/* Does a desk answer at this folder's addresses? A crash leaves endpoints.json behind. */
static bool desk_answers(void)
{
    char path[PATH_MAX];
    struct stat there;
    snprintf(path, sizeof path, "%.*s/endpoints.json", PATH_MAX - 32, demo.dir);
    if (stat(path, &there) != 0 || desk_find(demo.dir, &demo.info) != EXIT_OK) {
        return false;
    }
    char host[256];
    int port = 0;
    const char *at = strstr(demo.info.http, "://");
    return at != NULL && split_host_port(at + 3, host, sizeof host, &port) && !port_is_free(port);
}

/* Waits until the new desk has written endpoints.json, showing what it says meanwhile. */
static bool await_desk(void)
{
    char path[PATH_MAX];
    struct stat there;
    uint32_t start = posix_clock_ms();
    snprintf(path, sizeof path, "%.*s/endpoints.json", PATH_MAX - 32, demo.dir);
    while (stat(path, &there) != 0) {
        struct pollfd fds[] = {{.fd = demo.desk.fd, .events = POLLIN},
                               {.fd = stop_fd(), .events = POLLIN}};
        poll(fds, 2, 100);
        bool alive = relay(&demo.desk);
        if (!alive || stop_asked() || (int32_t)(posix_clock_ms() - start) > START_MS) {
            return false;
        }
    }
    return true;
}

static int start_desk(void)
{
    if (desk_answers()) {
        show_text("demo", PAINT_YOU, "using the desk that runs already");
        return EXIT_OK;
    }
    char stale[PATH_MAX], mqtts[8], https[8], http[8];
    snprintf(stale, sizeof stale, "%.*s/endpoints.json", PATH_MAX - 32, demo.dir);
    unlink(stale);
    const char *args[] = {demo.self,
                          "serve",
                          "--data",
                          demo.dir,
                          "--log",
                          "text",
                          "--mqtts-port",
                          port_or_any(8883, mqtts),
                          "--https-port",
                          port_or_any(8443, https),
                          "--http-port",
                          port_or_any(8080, http),
                          NULL};
    if (!spawn(&demo.desk, "desk", PAINT_DESK, args) || !await_desk()) {
        if (!stop_asked()) {
            say_error("the desk did not start; what it said is above");
        }
        return stop_asked() ? stop_exit_code() : EXIT_FAILED;
    }
    return desk_find(demo.dir, &demo.info);
}

/* --- the device ----------------------------------------------------------------------------------
 */

static int make_device(void)
{
    struct stat there;
    struct buf document;
    char config[PATH_MAX];
    snprintf(demo.bundle_dir, sizeof demo.bundle_dir, "%.*s/" THING, PATH_MAX - 32, demo.dir);
    snprintf(config, sizeof config, "%.*s/config.json", PATH_MAX - 16, demo.bundle_dir);
    if (stat(config, &there) == 0) {
        /* Made by an earlier demo; the ports may be others today. */
        int code = bundle_readdress(demo.bundle_dir, &demo.info);
        show_text("demo", PAINT_YOU, "the device " THING " is there from an earlier demo");
        return code;
    }
    device_policy(&demo.info, &document);
    show_text("demo", PAINT_YOU, "making the device " THING ":");
    struct bundle_wish wish = {.dir = demo.bundle_dir,
                               .thing = THING,
                               .client_id = THING,
                               .policy = DEVICE_POLICY,
                               .policy_document = (const char *)buf_span(&document).ptr};
    int code = bundle_make(&demo.info, &wish);
    buf_free(&document);
    return code;
}

static int start_device(void)
{
    int code = make_device();
    if (code != EXIT_OK) {
        return code;
    }
    const char *args[] = {demo.self,    "device", "--bundle", demo.bundle_dir,
                          "--interval", "2s",     NULL};
    if (!spawn(&demo.device, "device", PAINT_DEVICE, args)) {
        say_error("the device did not start: %s", strerror(errno));
        return EXIT_FAILED;
    }
    return EXIT_OK;
}

/* --- watching ------------------------------------------------------------------------------------
 */

static void send_command(uint32_t now)
{
    static const char *const wishes[] = {"\"led\":\"on\"", "\"relay\":\"on\"", "\"interval\":1",
                                         "\"led\":\"off\",\"relay\":\"off\",\"interval\":2"};
    char text[140], line[200];
    snprintf(demo.last_id, sizeof demo.last_id, "c%ld", ++demo.commands);
    int len = snprintf(text, sizeof text, "{\"id\":\"%s\",%s}", demo.last_id,
                       wishes[(demo.commands - 1) % 4]);
    struct elo_client_message message = {.topic = ELO_SPAN("elo/" THING "/cmd"),
                                         .payload = elo_span_of(text, (size_t)len),
                                         .qos = 1};
    if (elo_client_publish(&demo.session.link.client, &message) == ELO_OK) {
        snprintf(line, sizeof line, "sends  elo/" THING "/cmd %s", text);
        show_text("you", PAINT_YOU, line);
        demo.sent_ms = now;
    }
    demo.command_ms = now + COMMAND_EVERY_MS;
}

static void judge_reply(elo_span payload)
{
    struct buf id;
    if (!json_text(payload, "id", &id)) {
        return;
    }
    if (elo_span_eq(buf_span(&id), elo_span_str(demo.last_id))) {
        char line[80];
        uint32_t took = posix_clock_ms() - demo.sent_ms;
        demo.answers++;
        demo.answer_total_ms += took;
        snprintf(line, sizeof line, "the command was answered in %u ms", (unsigned)took);
        show_text("you", PAINT_YOU, line);
    }
    buf_free(&id);
}

static bool ends_with(elo_span topic, const char *end)
{
    size_t len = strlen(end);
    return topic.len >= len && memcmp(topic.ptr + topic.len - len, end, len) == 0;
}

static void on_message(const struct elo_client_event *e)
{
    elo_span topic = e->u.message.topic;
    if (ends_with(topic, "/cmd")) {
        return; /* our own */
    }
    fputs(demo.colour ? PAINT_CLOUD "desk ->\033[0m  " : "desk ->  ", stdout);
    struct shown_message m = {topic, e->u.message.payload, e->u.message.qos, e->u.message.retain};
    message_show(stdout, MESSAGE_LINE, &m);
    if (ends_with(topic, "/telemetry")) {
        demo.telemetry++;
    } else if (ends_with(topic, "/reply")) {
        judge_reply(e->u.message.payload);
    }
}

static void on_event(const struct elo_client_event *e)
{
    if (e->type == ELO_CLIENT_MESSAGE) {
        on_message(e);
    } else if (e->type == ELO_CLIENT_CONNECTED) {
        demo.online = true;
        demo.command_ms = posix_clock_ms() + FIRST_COMMAND_MS;
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
    if (code == EXIT_OK &&
        elo_client_subscribe(&demo.session.link.client, ELO_SPAN("elo/" THING "/#"), 1) != ELO_OK) {
        code = EXIT_FAILED;
    }
    return code;
}

static void print_next_steps(void)
{
    char host[256];
    int port = 0;
    if (!split_host_port(demo.info.mqtts, host, sizeof host, &port)) {
        return;
    }
    const char *b = demo.bundle_dir;
    printf(
        "\n  Try, in another terminal:\n"
        "    %s aws --data %s iot list-things\n"
        "    %s sub '#' --data %s\n"
        "    %s pub elo/" THING "/cmd -m '{\"id\":\"me\",\"led\":\"on\"}' --data %s\n"
        "    mosquitto_sub -h %s -p %d --cafile %s/ca.pem --cert %s/cert.pem \\\n"
        "      --key %s/key.pem -i " THING " -t elo/" THING "/cmd -v\n"
        "      (this takes the device's name, as AWS allows: watch it lose the connection and come "
        "back)\n"
        "  Ctrl-C ends the demo.\n\n",
        demo.self, demo.dir, demo.self, demo.dir, demo.self, demo.dir, host, port, b, b, b);
    fflush(stdout);
}

static bool child_gone(struct child *c)
{
    if (c->pid <= 0 || relay(c)) {
        return false;
    }
    say_error("the %s has ended; what it said is above", c->label);
    return true;
}

static void run(uint32_t for_ms)
{
    struct elo_client_event event;
    bool told = for_ms > 0;
    demo.start_ms = posix_clock_ms();
    while (demo.code < 0 && !stop_asked()) {
        uint32_t now = posix_clock_ms();
        if (for_ms > 0 && (int32_t)(now - demo.start_ms - for_ms) >= 0) {
            return;
        }
        struct pollfd extra[] = {{.fd = stop_fd(), .events = POLLIN},
                                 {.fd = demo.device.fd, .events = POLLIN},
                                 {.fd = demo.desk.pid > 0 ? demo.desk.fd : -1, .events = POLLIN}};
        if (posix_link_step(&demo.session.link, 250, extra, 3) != ELO_OK) {
            demo.code = say_reason(ELO_E_IO, "poll");
        }
        if (child_gone(&demo.desk) || child_gone(&demo.device)) {
            demo.code = EXIT_FAILED;
        }
        while (demo.code < 0 && elo_client_next_event(&demo.session.link.client, &event)) {
            on_event(&event);
        }
        now = posix_clock_ms();
        if (demo.online && demo.telemetry > 0 && (int32_t)(now - demo.command_ms) >= 0) {
            send_command(now);
        }
        if (!told && demo.answers > 0) {
            told = true;
            print_next_steps();
        }
    }
}

static int verdict(void)
{
    char line[200];
    bool ok = demo.telemetry > 0 && demo.answers > 0 && demo.code < 0;
    snprintf(line, sizeof line,
             "%ld telemetry messages, %ld commands, %ld answers (mean %ld ms): %s", demo.telemetry,
             demo.commands, demo.answers,
             demo.answers > 0 ? (long)demo.answer_total_ms / demo.answers : 0L,
             ok ? "the chain works" : "NOT what it should be");
    show_text("demo", PAINT_YOU, line);
    return ok ? EXIT_OK : demo.code > 0 ? demo.code : EXIT_FAILED;
}

static int parse(int argc, char **argv, uint32_t *out_for_ms, const char **out_data)
{
    static const struct option options[] = {{"for", required_argument, NULL, 1},
                                            {"data", required_argument, NULL, 2},
                                            {NULL, 0, NULL, 0}};
    int option;
    long for_ms = isatty(STDOUT_FILENO) ? 0 : 30000;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 2) {
            *out_data = optarg;
        } else if (option != 1 || !parse_duration(optarg, &for_ms) || for_ms > 0x7fffffffL) {
            return say_usage("demo", "'%s' is not known, or its value is not usable",
                             argv[optind - 1]);
        }
    }
    *out_for_ms = (uint32_t)for_ms;
    return optind == argc ? EXIT_OK : say_usage("demo", "'%s' is one word too many", argv[optind]);
}

int verb_demo(int argc, char **argv)
{
    uint32_t for_ms = 0;
    const char *data = NULL;
    int code = parse(argc, argv, &for_ms, &data);
    ssize_t n = readlink("/proc/self/exe", demo.self, sizeof demo.self - 1);
    if (code != EXIT_OK || !data_folder(data, demo.dir, sizeof demo.dir)) {
        return code != EXIT_OK ? code : EXIT_USAGE;
    }
    if (n <= 0 || strlen(demo.dir) + 64 > PATH_MAX) {
        say_error("cannot find out where this program is, or the data folder's path is too long");
        return EXIT_FAILED;
    }
    demo.colour = say_colour(STDOUT_FILENO);
    demo.code = -1;
    stop_watch();
    int (*const steps[])(void) = {start_desk, start_device, start_watching};
    for (size_t i = 0; code == EXIT_OK && i < sizeof steps / sizeof steps[0]; i++) {
        code = steps[i]();
    }
    if (code == EXIT_OK) {
        run(for_ms);
        session_finish(&demo.session, 500);
        session_close(&demo.session);
        bundle_free(&demo.operator_bundle);
    }
    end_child(&demo.device);
    end_child(&demo.desk);
    return code == EXIT_OK ? verdict() : code;
}
