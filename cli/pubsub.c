// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* `elo sub` and `elo pub`: watching and publishing, as the desk's operator or as a bundle. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/message.h"
#include "cli/session.h"
#include "cli/stop.h"
#include "ports/posix/clock.h"
#include "ports/posix/entropy.h"

const char help_sub[] =
    "elo sub FILTER... [options]\n\n"
    "  elo sub '#'                         everything on the desk\n"
    "  elo sub 'elo/+/telemetry' -C 10     ten messages, then end\n"
    "  elo sub elo/kitchen/reply -C 1 -W 5 one within five seconds, or exit code 9\n"
    "  elo sub '#' --json | jq .payload    one JSON object a line\n\n"
    "  -C, --count N      end with 0 after N messages\n"
    "  -W, --wait T       end with 9 after T: 500ms, 5s, 1m (with 0 if -C is not given)\n"
    "  -q, --qos 0|1      at most this QoS (default 1)\n"
    "  --json             objects with time, topic, qos, retain, payload\n"
    "  --raw              payloads only, as they came\n"
    "  --bundle DIR       connect as this device instead of as the desk's operator\n"
    "  --client-id ID     with this client id\n"
    "  --mqtt5            speak MQTT 5: the server says why it refuses\n"
    "  --data DIR         the desk's data folder\n"
    "\"Subscribed\" is said on stderr when the server has agreed to every filter. A connection "
    "that\n"
    "was lost is made again; one that is refused ends with 5, 6 (network), 7 (TLS) or 9 (time).\n";

const char help_pub[] =
    "elo pub TOPIC (-m TEXT | -f FILE | -) [options]\n\n"
    "  elo pub elo/kitchen/cmd -m '{\"id\":\"1\",\"led\":\"on\"}'\n"
    "  elo pub backup/config -f config.json --retain\n"
    "  date | elo pub clock -              standard input is the message\n\n"
    "  -m, --message TEXT   -f, --file FILE   -   where the message comes from\n"
    "  -q, --qos 0|1      1 (the default) waits until the server has it\n"
    "  -r, --retain       the server keeps it for later subscribers\n"
    "  --bundle DIR       connect as this device instead of as the desk's operator\n"
    "  --client-id ID     with this client id\n"
    "  --mqtt5            speak MQTT 5: the server says why it refuses\n"
    "  --data DIR         the desk's data folder\n"
    "Exits with 0 only if the server has it (QoS 1), or has read it and not hung up (QoS 0); with\n"
    "5 if it refused, 6 (network), 7 (TLS), 9 (no answer in 15 s).\n";

enum { MAX_FILTERS = SESSION_SUBS, MAX_PAYLOAD = 131072, PUB_TIMEOUT_MS = 15000 };

struct request {
    const char *verb;
    const char *data, *bundle, *client_id;
    const char *message, *file;
    const char *words[MAX_FILTERS];
    size_t word_count;
    long count, wait_ms, qos;
    bool json, raw, retain, mqtt5;
};

static struct session session;
static struct bundle bundle;

/* As whom to speak: the bundle named, or the operator with a client id of its own. */
static int connect_as(struct request *r)
{
    static char own_id[64];
    int code;
    stop_watch();
    if (r->bundle != NULL) {
        code = bundle_load(r->bundle, &bundle);
    } else {
        struct desk_info desk;
        code = desk_find(r->data, &desk);
        if (code == EXIT_OK) {
            code = bundle_operator(&desk, &bundle);
        }
        snprintf(own_id, sizeof own_id, "elo-%s-%08x", r->verb, (unsigned)posix_entropy_u32(NULL));
        r->client_id = r->client_id ? r->client_id : own_id;
    }
    if (code != EXIT_OK) {
        return code;
    }
    struct session_options options = {.client_id = r->client_id, .mqtt5 = r->mqtt5};
    return session_open(&session, &bundle, &options);
}

/* --- sub -----------------------------------------------------------------------------------------
 */

struct watch {
    const struct request *request;
    enum message_format format;
    size_t agreed; /* filters subscribed on this connection */
    bool complete; /* all of them were, once */
    long seen;
    elo_err lost; /* why there is no connection now; ELO_OK: there is, or none has failed yet */
    int code;     /* GO_ON, or how it ends */
};

static void on_sub_message(struct watch *w, const struct elo_client_event *e)
{
    struct shown_message m = {e->u.message.topic, e->u.message.payload, e->u.message.qos,
                              e->u.message.retain};
    message_show(stdout, w->format, &m);
    w->seen++;
    if (w->request->count > 0 && w->seen >= w->request->count) {
        w->code = EXIT_OK;
    }
}

static void on_subscribed(struct watch *w, const struct elo_client_event *e)
{
    if (e->u.subscribed.result != ELO_OK) {
        session_heard(&session, e);
        w->code = session_complain(&session, &bundle, e->u.subscribed.result);
    } else if (++w->agreed == w->request->word_count) {
        w->complete = true;
        fputs("Subscribed\n", stderr);
    }
}

/* What never worked is an error; what once did is tried again, unless it is refused. */
static void on_sub_lost(struct watch *w, const struct elo_client_event *e)
{
    uint32_t wait_ms = e->u.disconnected.wait_ms;
    session_heard(&session, e);
    int code = session_complain(&session, &bundle, e->u.disconnected.reason);
    w->lost = e->u.disconnected.reason;
    w->agreed = 0;
    if (!w->complete || code == EXIT_REFUSED) {
        w->code = code;
    } else {
        fprintf(stderr, "     Trying again in %u.%u s\n", (unsigned)(wait_ms / 1000),
                (unsigned)(wait_ms % 1000 / 100));
    }
}

static void on_sub_event(struct watch *w, const struct elo_client_event *e)
{
    if (e->type == ELO_CLIENT_MESSAGE) {
        on_sub_message(w, e);
    } else if (e->type == ELO_CLIENT_OVERSIZE) {
        say_error("a message of %u bytes was too large to show", (unsigned)e->u.oversize.size);
    } else if (e->type == ELO_CLIENT_CONNECTED) {
        w->lost = ELO_OK;
        w->agreed = e->u.connected.session_present ? w->request->word_count : 0;
    } else if (e->type == ELO_CLIENT_SUBSCRIBED) {
        on_subscribed(w, e);
    } else if (e->type == ELO_CLIENT_DISCONNECTED) {
        on_sub_lost(w, e);
    }
}

/* The time is over. It is 0 only if everything was watched, to the end, and no message missed. */
static int out_of_time(const struct watch *w)
{
    if (w->lost != ELO_OK) {
        return exit_code_of(w->lost);
    }
    if (!w->complete) {
        say_error("%s:%d did not answer in time", bundle.host, bundle.port);
        return EXIT_TIMEOUT;
    }
    return w->request->count > 0 ? EXIT_TIMEOUT : EXIT_OK;
}

static int watch(const struct request *r)
{
    struct watch w = {.request = r, .code = GO_ON};
    struct elo_client *client = &session.link.client;
    struct elo_client_event event;
    uint32_t end = posix_clock_ms() + (uint32_t)r->wait_ms;
    w.format = r->json                 ? MESSAGE_JSON
               : r->raw                ? MESSAGE_RAW
               : isatty(STDOUT_FILENO) ? MESSAGE_TIMED
                                       : MESSAGE_LINE;
    while (w.code == GO_ON && !stop_asked() && !say_is_deaf()) {
        int32_t left = (int32_t)(end - posix_clock_ms());
        if (r->wait_ms > 0 && left <= 0) {
            return out_of_time(&w);
        }
        /* The second one tells when the reader of a pipe goes away. */
        struct pollfd extra[] = {{.fd = stop_fd(), .events = POLLIN}, {.fd = STDOUT_FILENO}};
        if (posix_link_step(&session.link, r->wait_ms > 0 ? left : -1, extra, 2) != ELO_OK) {
            return say_reason(ELO_E_IO, "poll");
        }
        while (w.code == GO_ON && elo_client_next_event(client, &event)) {
            on_sub_event(&w, &event);
        }
    }
    /* With nobody to talk to it is 0 here; say_end() knows whether that is a failure. */
    return w.code != GO_ON ? w.code : stop_exit_code();
}

static int parse_sub(struct request *r, int argc, char **argv)
{
    const struct option_spec options[] = {
        {"--count", 'C', OPTION_NUMBER, &r->count, 1, 1000000000},
        {"--wait", 'W', OPTION_TIME, &r->wait_ms, 1, 2000000000},
        {"--qos", 'q', OPTION_NUMBER, &r->qos, 0, 1},
        {"--json", 0, OPTION_FLAG, &r->json, 0, 0},
        {"--raw", 0, OPTION_FLAG, &r->raw, 0, 0},
        {"--bundle", 0, OPTION_TEXT, &r->bundle, 0, 0},
        {"--client-id", 0, OPTION_TEXT, &r->client_id, 0, 0},
        {"--mqtt5", 0, OPTION_FLAG, &r->mqtt5, 0, 0},
        {"--data", 0, OPTION_TEXT, &r->data, 0, 0},
    };
    const struct syntax syntax = {help_sub, options, sizeof options / sizeof options[0], r->words,
                                  MAX_FILTERS};
    return options_parse(&syntax, argc, argv, &r->word_count);
}

int verb_sub(int argc, char **argv)
{
    struct request r = {.verb = "sub", .qos = 1};
    int code = parse_sub(&r, argc, argv);
    if (code != GO_ON) {
        return code;
    }
    if (r.word_count == 0) {
        return say_usage("sub", "which topics? A filter such as '#'");
    }
    code = connect_as(&r);
    if (code != EXIT_OK) {
        return code;
    }
    for (size_t i = 0; code == EXIT_OK && i < r.word_count; i++) {
        elo_err err =
            elo_client_subscribe(&session.link.client, elo_span_str(r.words[i]), (uint8_t)r.qos);
        code = err == ELO_OK ? EXIT_OK : say_reason(err, r.words[i]);
    }
    if (code == EXIT_OK) {
        code = watch(&r);
    }
    session_finish(&session, 500);
    session_close(&session);
    bundle_free(&bundle);
    return code;
}

/* --- pub -----------------------------------------------------------------------------------------
 */

/* All of a stream, which may be a pipe. */
static int read_stream(FILE *in, const char *name, struct buf *out)
{
    char piece[4096];
    size_t n;
    errno = 0;
    while ((n = fread(piece, 1, sizeof piece, in)) > 0 && buf_err(out) == ELO_OK) {
        buf_add(out, elo_span_of(piece, n));
    }
    if (ferror(in)) {
        say_error("cannot read %s: %s", name, strerror(errno));
        return EXIT_FAILED;
    }
    return EXIT_OK;
}

static int read_message(const struct request *r, struct buf *out)
{
    int code = EXIT_OK;
    buf_init(out, MAX_PAYLOAD);
    if (r->message != NULL) {
        buf_text(out, r->message);
    } else if (r->file == NULL || strcmp(r->file, "-") == 0) {
        code = read_stream(stdin, "standard input", out);
    } else {
        FILE *f = fopen(r->file, "rbe");
        if (f == NULL) {
            say_error("cannot read %s: %s", r->file, strerror(errno));
            return EXIT_FAILED;
        }
        code = read_stream(f, r->file, out);
        fclose(f);
    }
    if (code == EXIT_OK && buf_err(out) != ELO_OK) {
        code = say_reason(buf_err(out), "the message");
    }
    return code;
}

/*
 * One message on its way. With QoS 1 its PUBACK is waited for. QoS 0 has no answer: what tells that
 * it was let through is that the server, having read it, still answers a ping.
 */
struct delivery {
    const struct request *request;
    const struct elo_client_message *message;
    bool published, pinged;
    unsigned steps; /* since it was published and not yet written */
    int code;       /* GO_ON, or how it ends */
};

static void on_pub_event(struct delivery *d, const struct elo_client_event *e)
{
    elo_err err = ELO_OK;
    session_heard(&session, e);
    if (e->type == ELO_CLIENT_DISCONNECTED) {
        d->code = session_complain(&session, &bundle, e->u.disconnected.reason);
    } else if (e->type == ELO_CLIENT_PUBLISHED && e->u.published.result != ELO_OK) {
        d->code = session_complain(&session, &bundle, e->u.published.result);
    } else if (e->type == ELO_CLIENT_PUBLISHED || e->type == ELO_CLIENT_PONG) {
        d->code = EXIT_OK;
    } else if (e->type == ELO_CLIENT_CONNECTED && !d->published) {
        d->published = true;
        err = elo_client_publish(&session.link.client, d->message);
    }
    if (err != ELO_OK) {
        d->code = say_reason(err, d->request->words[0]);
    }
}

/* Runs the link for a moment. A QoS 0 message is written without an event to tell of it; when it
 * is, the ping is asked for. */
static elo_err step(struct delivery *d, int32_t left_ms)
{
    struct elo_client *client = &session.link.client;
    struct pollfd extra = {.fd = stop_fd(), .events = POLLIN};
    bool writing = d->published && d->message->qos == 0 && !d->pinged;
    if (writing && elo_client_pending(client) == 0) {
        d->pinged = elo_client_ping(client, posix_clock_ms()) == ELO_OK;
        writing = false;
    }
    return posix_link_step(&session.link, writing ? (d->steps++ > 0 ? 10 : 0) : left_ms, &extra, 1);
}

static int deliver(const struct request *r, const struct elo_client_message *message)
{
    struct delivery d = {.request = r, .message = message, .code = GO_ON};
    struct elo_client_event event;
    uint32_t end = posix_clock_ms() + PUB_TIMEOUT_MS;
    int32_t left;
    while (!stop_asked() && (left = (int32_t)(end - posix_clock_ms())) > 0) {
        if (step(&d, left) != ELO_OK) {
            return say_reason(ELO_E_IO, "poll");
        }
        while (d.code == GO_ON && elo_client_next_event(&session.link.client, &event)) {
            on_pub_event(&d, &event);
        }
        if (d.code != GO_ON) {
            return d.code;
        }
    }
    if (stop_asked()) {
        return stop_exit_code();
    }
    return session_complain(&session, &bundle, d.published ? ELO_E_ACK_TIMEOUT : ELO_E_TCP_TIMEOUT);
}

static int parse_pub(struct request *r, int argc, char **argv)
{
    const struct option_spec options[] = {
        {"--message", 'm', OPTION_TEXT, &r->message, 0, 0},
        {"--file", 'f', OPTION_TEXT, &r->file, 0, 0},
        {"--qos", 'q', OPTION_NUMBER, &r->qos, 0, 1},
        {"--retain", 'r', OPTION_FLAG, &r->retain, 0, 0},
        {"--bundle", 0, OPTION_TEXT, &r->bundle, 0, 0},
        {"--client-id", 0, OPTION_TEXT, &r->client_id, 0, 0},
        {"--mqtt5", 0, OPTION_FLAG, &r->mqtt5, 0, 0},
        {"--data", 0, OPTION_TEXT, &r->data, 0, 0},
    };
    const struct syntax syntax = {help_pub, options, sizeof options / sizeof options[0], r->words,
                                  2};
    return options_parse(&syntax, argc, argv, &r->word_count);
}

int verb_pub(int argc, char **argv)
{
    struct request r = {.verb = "pub", .qos = 1};
    struct buf payload;
    int code = parse_pub(&r, argc, argv);
    if (code != GO_ON) {
        return code;
    }
    bool from_stdin = r.word_count == 2 && strcmp(r.words[1], "-") == 0;
    int sources = (r.message != NULL) + (r.file != NULL) + from_stdin;
    if (r.word_count != 1u + from_stdin || sources != 1) {
        return say_usage("pub", "one topic and one message: -m TEXT, -f FILE or -");
    }
    code = read_message(&r, &payload);
    if (code == EXIT_OK) {
        code = connect_as(&r);
    }
    if (code == EXIT_OK) {
        struct elo_client_message message = {.topic = elo_span_str(r.words[0]),
                                             .payload = buf_span(&payload),
                                             .qos = (uint8_t)r.qos,
                                             .retain = r.retain};
        code = deliver(&r, &message);
        session_finish(&session, 500);
        session_close(&session);
    }
    bundle_free(&bundle);
    buf_free(&payload);
    return code;
}
