// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * `elo device`: a virtual ESP8266. The device library with an ESP8266's buffers, this machine's
 * sensors, a simulated LED and relay. It prints one line for each thing that happens.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/sensors.h"
#include "cli/session.h"
#include "cli/stop.h"
#include "elo/json/write.h"
#include "errors/explain.h"
#include "ports/posix/clock.h"

const char help_device[] =
    "elo device --bundle DIR [options]\n\n"
    "  elo device --bundle kitchen                    telemetry every 2 s until Ctrl-C\n"
    "  elo device --bundle kitchen --interval 10s --for 1h\n"
    "  elo pub elo/kitchen/cmd -m '{\"id\":\"1\",\"led\":\"on\"}'     a command, from elsewhere\n\n"
    "It publishes elo/NAME/telemetry and elo/NAME/state with QoS 1, obeys elo/NAME/cmd and "
    "answers\n"
    "on elo/NAME/reply. Offline it queues and reconnects by itself, with full-jitter backoff.\n\n"
    "  --bundle DIR      what `elo add` made\n"
    "  --interval T      time between telemetry messages (default 2s)\n"
    "  --count N         end after N telemetry messages are delivered\n"
    "  --for T           end after this time\n"
    "  --outbox BYTES    memory for what is not delivered yet (default 16384, at most 262144)\n"
    "  --persistent      ask the server to keep the session while offline\n"
    "  --mqtt5           speak MQTT 5: reasons, topic aliases, the server's terms\n"
    "  --quiet           no line for each message, only for what changes or fails\n"
    "Exits with 0 when everything was delivered; if no connection was ever made, with the "
    "reason's.\n";

struct device {
    struct session session;
    struct bundle bundle;
    struct station station;
    char telemetry[200], state[200], reply[200], cmd[200];
    long count;       /* 0: no end */
    uint32_t for_ms;  /* 0: no end */
    uint32_t next_ms; /* when the next telemetry is due */
    uint32_t start_ms;
    int64_t delivered; /* telemetry messages with their PUBACK */
    int64_t refused;   /* and those that the server refused, which MQTT 5 lets it say */
    bool quiet;        /* no line for each message */
    bool was_online;
    bool state_due;
    elo_err last_reason;
    elo_err last_refusal;
};

enum { TOKEN_TELEMETRY = 1, TOKEN_OTHER = 2 };

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

static void
publish(struct device *d, const char *topic, const uint8_t *text, size_t len, uint32_t token)
{
    struct elo_client_message message = {
        .topic = elo_span_str(topic), .payload = elo_span_of(text, len), .qos = 1, .token = token};
    elo_err err = elo_client_publish(&d->session.link.client, &message);
    if (err != ELO_OK) {
        say("not sent    %s: %s", elo_explain(err)->slug, elo_explain(err)->cause);
    }
}

static void publish_state(struct device *d)
{
    uint8_t text[128];
    size_t len = station_state(&d->station, text, sizeof text);
    if (!d->quiet) {
        say("state       %.*s", (int)len, (const char *)text);
    }
    publish(d, d->state, text, len, TOKEN_OTHER);
}

static void publish_telemetry(struct device *d)
{
    struct station_reading reading;
    uint8_t text[256];
    sensors_read("", posix_clock_unix(), &reading);
    size_t len = station_telemetry(&d->station, &reading, text, sizeof text);
    bool online = elo_client_get_state(&d->session.link.client) == ELO_CLIENT_ONLINE;
    if (!d->quiet || !online) {
        say("telemetry   %.*s%s", (int)len, (const char *)text,
            online ? "" : "  (queued: offline)");
    }
    publish(d, d->telemetry, text, len, TOKEN_TELEMETRY);
}

static void obey(struct device *d, elo_span command)
{
    uint8_t reply[256];
    bool changed = false;
    size_t len = station_command(&d->station, command, reply, sizeof reply, &changed);
    if (len == 0) {
        say("command     ignored: it is no JSON object with an id");
        return;
    }
    say("command     led %s, relay %s, every %" PRId32 " s", d->station.led ? "on" : "off",
        d->station.relay ? "on" : "off", d->station.interval_s);
    publish(d, d->reply, reply, len, TOKEN_OTHER);
    if (changed) {
        d->next_ms = posix_clock_ms() + (uint32_t)d->station.interval_s * 1000u;
        publish_state(d);
    }
}

static void on_disconnected(struct device *d, elo_err reason, uint32_t wait_ms, bool retry)
{
    if (reason == ELO_OK) {
        say("offline     said goodbye");
        return;
    }
    const struct elo_reason *why = elo_explain(reason);
    const struct elo_link_diagnosis *more = posix_link_diagnosis(&d->session.link);
    d->last_reason = reason;
    say("offline     %s: %s", why->slug, why->cause);
    say("            %s", why->cure);
    if (d->session.said[0] != '\0') {
        say("            the server said: %s", d->session.said);
    }
    if (more->error != 0) {
        say("            %s: %s", more->address, strerror(more->error));
    }
    if (retry) {
        say("            trying again in %" PRIu32 ".%" PRIu32 " s", wait_ms / 1000,
            wait_ms % 1000 / 100);
    }
}

static void on_published(struct device *d, const struct elo_client_event *e)
{
    bool telemetry = e->u.published.token == TOKEN_TELEMETRY;
    if (e->u.published.result == ELO_OK) {
        d->delivered += telemetry;
        return;
    }
    d->refused += telemetry;
    d->last_refusal = e->u.published.result;
    say("not sent    %s: %s %s", elo_explain(d->last_refusal)->slug,
        elo_explain(d->last_refusal)->cause, d->session.said);
}

static void on_event(struct device *d, const struct elo_client_event *e)
{
    session_heard(&d->session, e);
    switch (e->type) {
    case ELO_CLIENT_CONNECTED:
        say("online      %s:%d as %s%s", d->bundle.host, d->bundle.port, d->session.client_id,
            e->u.connected.session_present ? " (session resumed)" : "");
        if (!d->was_online) {
            d->next_ms = posix_clock_ms(); /* no need to queue the first reading */
        }
        d->was_online = true;
        d->state_due = true;
        break;
    case ELO_CLIENT_DISCONNECTED:
        on_disconnected(d, e->u.disconnected.reason, e->u.disconnected.wait_ms,
                        e->u.disconnected.will_retry);
        break;
    case ELO_CLIENT_MESSAGE:
        obey(d, e->u.message.payload);
        break;
    case ELO_CLIENT_OVERSIZE:
        say("command     too large for this device: %" PRIu32 " bytes", e->u.oversize.size);
        break;
    case ELO_CLIENT_PUBLISHED:
        on_published(d, e);
        break;
    case ELO_CLIENT_DROPPED:
        say("outbox      full: %" PRIu32 " older messages dropped", e->u.dropped.count);
        break;
    case ELO_CLIENT_SUBSCRIBED:
        if (e->u.subscribed.result != ELO_OK) {
            say("subscribe   refused: %.*s %s", (int)e->u.subscribed.filter.len,
                (const char *)e->u.subscribed.filter.ptr, d->session.said);
        }
        break;
    case ELO_CLIENT_UNSUBSCRIBED:
    case ELO_CLIENT_PONG:
        break;
    }
}

static bool passed(uint32_t now, uint32_t at)
{
    return (int32_t)(now - at) >= 0;
}

static bool is_over(const struct device *d, uint32_t now)
{
    return stop_asked() || say_is_deaf() ||
           (d->count > 0 && d->delivered + d->refused >= d->count) ||
           (d->for_ms > 0 && passed(now, d->start_ms + d->for_ms));
}

static void make_telemetry(struct device *d, uint32_t now)
{
    if (passed(now, d->next_ms) && (d->count == 0 || d->station.seq < d->count)) {
        publish_telemetry(d);
        d->next_ms += (uint32_t)d->station.interval_s * 1000u;
        if (passed(now, d->next_ms)) {
            d->next_ms = now + (uint32_t)d->station.interval_s * 1000u; /* it was asleep */
        }
    }
}

static void run(struct device *d)
{
    struct elo_client_event event;
    uint32_t now;
    while (!is_over(d, now = posix_clock_ms())) {
        make_telemetry(d, now);
        /* The second one tells when the reader of a pipe goes away. */
        struct pollfd extra[] = {{.fd = stop_fd(), .events = POLLIN}, {.fd = STDOUT_FILENO}};
        int32_t wait = (int32_t)(d->next_ms - posix_clock_ms());
        int32_t left = (int32_t)(d->start_ms + d->for_ms - now);
        wait = wait < 0 || wait > 1000 ? (wait < 0 ? 0 : 1000) : wait;
        wait = d->for_ms > 0 && left < wait ? left : wait;
        if (posix_link_step(&d->session.link, wait, extra, 2) != ELO_OK) {
            say_reason(ELO_E_IO, "poll");
            return;
        }
        while (elo_client_next_event(&d->session.link.client, &event)) {
            on_event(d, &event);
        }
        if (d->state_due) {
            d->state_due = false;
            publish_state(d);
        }
    }
}

static int start(struct device *d, const struct session_options *options)
{
    int code = session_open(&d->session, &d->bundle, options);
    if (code != EXIT_OK) {
        return code;
    }
    const struct {
        char *out;
        const char *name;
    } topics[] = {
        {d->telemetry, "telemetry"}, {d->state, "state"}, {d->reply, "reply"}, {d->cmd, "cmd"}};
    for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++) {
        snprintf(topics[i].out, sizeof d->cmd, "%s/%s", d->bundle.prefix, topics[i].name);
    }
    elo_err err = elo_client_subscribe(&d->session.link.client, elo_span_str(d->cmd), 1);
    if (err != ELO_OK) {
        session_close(&d->session);
        return say_reason(err, d->cmd);
    }
    stop_watch();
    d->start_ms = posix_clock_ms();
    d->next_ms = d->start_ms + (uint32_t)d->station.interval_s * 1000u;
    return EXIT_OK;
}

static int finish(struct device *d)
{
    bool delivered = session_finish(&d->session, 3000);
    size_t left = elo_client_pending(&d->session.link.client);
    session_close(&d->session);
    if (!d->was_online) {
        int code = d->last_reason != ELO_OK ? exit_code_of(d->last_reason) : EXIT_NETWORK;
        return stop_asked() && d->last_reason == ELO_OK ? stop_exit_code() : code;
    }
    if (!delivered) {
        say_error("%zu messages were not delivered", left);
        return d->last_reason != ELO_OK ? exit_code_of(d->last_reason) : EXIT_NETWORK;
    }
    if (d->last_refusal != ELO_OK) {
        return say_reason(d->last_refusal, "some messages");
    }
    return EXIT_OK;
}

static int parse(struct device *d, struct session_options *session, int argc, char **argv)
{
    const char *dir = NULL;
    long interval_ms = 2000, for_ms = 0, outbox = 16384;
    const struct option_spec options[] = {
        {"--bundle", 0, OPTION_TEXT, &dir, 0, 0},
        {"--interval", 0, OPTION_TIME, &interval_ms, 1000, STATION_INTERVAL_MAX_S * 1000L},
        {"--count", 0, OPTION_NUMBER, &d->count, 1, 1000000000},
        {"--for", 0, OPTION_TIME, &for_ms, 1, 0x7fffffffL},
        {"--outbox", 0, OPTION_NUMBER, &outbox, 256, SESSION_OUTBOX},
        {"--persistent", 0, OPTION_FLAG, &session->persistent, 0, 0},
        {"--mqtt5", 0, OPTION_FLAG, &session->mqtt5, 0, 0},
        {"--quiet", 0, OPTION_FLAG, &d->quiet, 0, 0},
    };
    const struct syntax syntax = {help_device, options, sizeof options / sizeof options[0], NULL,
                                  0};
    int code = options_parse(&syntax, argc, argv, NULL);
    if (code != GO_ON) {
        return code;
    }
    if (dir == NULL) {
        return say_usage("device", "which bundle? --bundle DIR");
    }
    if (interval_ms % 1000 != 0) {
        return say_usage("device", "--interval is in whole seconds");
    }
    d->station.interval_s = (int32_t)(interval_ms / 1000);
    d->for_ms = (uint32_t)for_ms;
    session->outbox_bytes = (size_t)outbox;
    code = bundle_load(dir, &d->bundle);
    return code == EXIT_OK ? GO_ON : code;
}

int verb_device(int argc, char **argv)
{
    static struct device d; /* with its buffers too large for a stack */
    struct session_options session = {.device = true};
    int code = parse(&d, &session, argc, argv);
    if (code != GO_ON) {
        return code;
    }
    code = start(&d, &session);
    if (code == EXIT_OK) {
        run(&d);
        code = finish(&d);
    }
    bundle_free(&d.bundle);
    return code;
}
