// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* `elo sub` and `elo pub`: watching and publishing, as the desk's operator or as a bundle. */
#include <getopt.h>
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
    "  -W, --wait S       end with 9 after S seconds (with 0 if -C is not given)\n"
    "  -q, --qos 0|1      at most this QoS (default 1)\n"
    "  --json             objects with time, topic, qos, retain, payload\n"
    "  --raw              payloads only, as they came\n"
    "  --bundle DIR       connect as this device instead of as the desk's operator\n"
    "  --client-id ID     with this client id\n"
    "  --data DIR         the desk's data folder\n"
    "\"Subscribed\" is said on stderr when the server has agreed to every filter.\n";

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
    "  --data DIR         the desk's data folder\n"
    "Exits with 0 only if it was delivered (QoS 1) or sent (QoS 0).\n";

enum { MAX_FILTERS = SESSION_SUBS, MAX_PAYLOAD = 131072, PUB_TIMEOUT_MS = 15000 };

struct request {
    const char *verb;
    const char *data, *bundle, *client_id;
    const char *message, *file;
    const char *words[MAX_FILTERS];
    size_t word_count;
    long count, wait_s, qos;
    bool json, raw, retain;
};

static const struct option long_options[] = {
    {"count", required_argument, NULL, 'C'},  {"wait", required_argument, NULL, 'W'},
    {"qos", required_argument, NULL, 'q'},    {"message", required_argument, NULL, 'm'},
    {"file", required_argument, NULL, 'f'},   {"retain", no_argument, NULL, 'r'},
    {"json", no_argument, NULL, 'j'},         {"raw", no_argument, NULL, 'R'},
    {"bundle", required_argument, NULL, 'b'}, {"client-id", required_argument, NULL, 'i'},
    {"data", required_argument, NULL, 'd'},   {NULL, 0, NULL, 0}};

static bool set_option(struct request *r, int option)
{
    switch (option) {
    case 'C':
        return parse_number(optarg, 1, 1000000000, &r->count);
    case 'W':
        return parse_number(optarg, 1, 2000000, &r->wait_s);
    case 'q':
        return parse_number(optarg, 0, 1, &r->qos);
    case 'm':
        r->message = optarg;
        return true;
    case 'f':
        r->file = optarg;
        return true;
    case 'r':
        r->retain = true;
        return true;
    case 'j':
        r->json = true;
        return true;
    case 'R':
        r->raw = true;
        return true;
    case 'b':
        r->bundle = optarg;
        return true;
    case 'i':
        r->client_id = optarg;
        return true;
    case 'd':
        r->data = optarg;
        return true;
    default:
        return false;
    }
}

static int parse(struct request *r, int argc, char **argv, const char *letters)
{
    int option;
    r->verb = argv[0];
    r->qos = 1;
    opterr = 0;
    while ((option = getopt_long(argc, argv, letters, long_options, NULL)) != -1) {
        bool ours = option != '?' && (strchr(letters, option) != NULL || strchr("jRbid", option));
        if (!ours || !set_option(r, option)) {
            return say_usage(r->verb, "'%s' is not known here, or its value is not usable",
                             argv[optind - 1]);
        }
    }
    for (int i = optind; i < argc; i++) {
        if (r->word_count == MAX_FILTERS) {
            return say_usage(r->verb, "at most %d filters at a time, as AWS IoT", MAX_FILTERS);
        }
        r->words[r->word_count++] = argv[i];
    }
    return EXIT_OK;
}

/* As whom to speak: the bundle named, or the operator with a client id of its own. */
static int connect_as(struct request *r, struct bundle *bundle, struct session *session)
{
    static char own_id[64];
    int code;
    if (r->bundle != NULL) {
        code = bundle_load(r->bundle, bundle);
    } else {
        struct desk_info desk;
        code = desk_find(r->data, &desk);
        if (code == EXIT_OK) {
            code = bundle_operator(&desk, bundle);
        }
        snprintf(own_id, sizeof own_id, "elo-%s-%08x", r->verb, (unsigned)posix_entropy_u32(NULL));
        r->client_id = r->client_id ? r->client_id : own_id;
    }
    if (code != EXIT_OK) {
        return code;
    }
    struct session_options options = {.client_id = r->client_id};
    stop_watch();
    return session_open(session, bundle, &options);
}

static struct session session;
static struct bundle bundle;

/* --- sub -----------------------------------------------------------------------------------------
 */

struct watch {
    const struct request *request;
    enum message_format format;
    size_t agreed; /* filters subscribed */
    long seen;
    bool was_online;
    int code; /* -1: go on */
};

static void on_sub_event(struct watch *w, const struct elo_client_event *e)
{
    if (e->type == ELO_CLIENT_MESSAGE) {
        struct shown_message m = {e->u.message.topic, e->u.message.payload, e->u.message.qos,
                                  e->u.message.retain};
        message_show(stdout, w->format, &m);
        w->seen++;
        if (ferror(stdout) || (w->request->count > 0 && w->seen >= w->request->count)) {
            w->code = EXIT_OK;
        }
    } else if (e->type == ELO_CLIENT_OVERSIZE) {
        say_error("a message of %u bytes was too large to show", (unsigned)e->u.oversize.size);
    } else if (e->type == ELO_CLIENT_CONNECTED) {
        w->was_online = true;
    } else if (e->type == ELO_CLIENT_SUBSCRIBED) {
        if (e->u.subscribed.result != ELO_OK) {
            w->code = session_complain(&session, &bundle, e->u.subscribed.result);
        } else if (++w->agreed == w->request->word_count) {
            fputs("Subscribed\n", stderr);
        }
    } else if (e->type == ELO_CLIENT_DISCONNECTED) {
        int code = session_complain(&session, &bundle, e->u.disconnected.reason);
        /* Refused is refused; what once worked is tried again. */
        if (w->agreed < w->request->word_count || code == EXIT_REFUSED) {
            w->code = code;
        }
    }
}

static int watch(const struct request *r)
{
    struct watch w = {.request = r, .code = -1};
    struct elo_client *client = &session.link.client;
    struct elo_client_event event;
    uint32_t start = posix_clock_ms();
    w.format = r->json                 ? MESSAGE_JSON
               : r->raw                ? MESSAGE_RAW
               : isatty(STDOUT_FILENO) ? MESSAGE_TIMED
                                       : MESSAGE_LINE;
    while (w.code < 0 && !stop_asked()) {
        int32_t left = (int32_t)(start + (uint32_t)r->wait_s * 1000u - posix_clock_ms());
        if (r->wait_s > 0 && left <= 0) {
            return r->count > 0 ? EXIT_TIMEOUT : EXIT_OK;
        }
        struct pollfd extra = {.fd = stop_fd(), .events = POLLIN};
        int wait = r->wait_s > 0 && left < 1000 ? left : 1000;
        if (posix_link_step(&session.link, wait, &extra, 1) != ELO_OK) {
            return say_reason(ELO_E_IO, "poll");
        }
        while (w.code < 0 && elo_client_next_event(client, &event)) {
            on_sub_event(&w, &event);
        }
    }
    return w.code >= 0 ? w.code : stop_exit_code();
}

int verb_sub(int argc, char **argv)
{
    struct request r = {0};
    int code = parse(&r, argc, argv, "C:W:q:");
    if (code != EXIT_OK) {
        return code;
    }
    if (r.word_count == 0) {
        return say_usage("sub", "which topics? A filter such as '#'");
    }
    code = connect_as(&r, &bundle, &session);
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

static bool read_message(const struct request *r, struct buf *out)
{
    char piece[4096];
    size_t n;
    buf_init(out, MAX_PAYLOAD);
    if (r->message != NULL) {
        buf_text(out, r->message);
    } else if (r->file != NULL) {
        return read_file(r->file, MAX_PAYLOAD, out);
    } else {
        while ((n = fread(piece, 1, sizeof piece, stdin)) > 0) {
            buf_add(out, elo_span_of(piece, n));
        }
    }
    if (buf_err(out) != ELO_OK) {
        say_reason(ELO_E_TOO_LARGE, "AWS IoT takes 128 KB of payload");
        return false;
    }
    return true;
}

/* Runs the link until the message is delivered; EXIT_OK, or why not. */
static int deliver(const struct request *r, const struct elo_client_message *message)
{
    struct elo_client *client = &session.link.client;
    struct elo_client_event event;
    uint32_t start = posix_clock_ms();
    bool published = false;
    while (!stop_asked() && (int32_t)(posix_clock_ms() - start) < PUB_TIMEOUT_MS) {
        struct pollfd extra = {.fd = stop_fd(), .events = POLLIN};
        if (posix_link_step(&session.link, 200, &extra, 1) != ELO_OK) {
            return say_reason(ELO_E_IO, "poll");
        }
        while (elo_client_next_event(client, &event)) {
            if (event.type == ELO_CLIENT_DISCONNECTED) {
                return session_complain(&session, &bundle, event.u.disconnected.reason);
            }
            if (event.type == ELO_CLIENT_PUBLISHED) {
                return EXIT_OK;
            }
            if (event.type == ELO_CLIENT_CONNECTED && !published) {
                elo_err err = elo_client_publish(client, message);
                if (err != ELO_OK) {
                    return say_reason(err, r->words[0]);
                }
                published = true;
            }
        }
        if (published && message->qos == 0 && elo_client_pending(client) == 0) {
            return EXIT_OK;
        }
    }
    return stop_asked() ? stop_exit_code() : say_reason(ELO_E_TCP_TIMEOUT, bundle.host);
}

/* QoS 0 has no answer: what tells of a refusal is that the server hangs up. A QoS 1 SUBSCRIBE would
 * need a permission of its own, so the goodbye is what is waited for. */
static int part(const struct request *r, int code)
{
    struct elo_client *client = &session.link.client;
    struct elo_client_event event;
    uint32_t start = posix_clock_ms();
    if (code != EXIT_OK || r->qos != 0) {
        session_finish(&session, 500);
        return code;
    }
    while ((int32_t)(posix_clock_ms() - start) < 100) {
        if (posix_link_step(&session.link, 20, NULL, 0) != ELO_OK) {
            break;
        }
        while (elo_client_next_event(client, &event)) {
            if (event.type == ELO_CLIENT_DISCONNECTED) {
                return session_complain(&session, &bundle, event.u.disconnected.reason);
            }
        }
    }
    session_finish(&session, 500);
    return code;
}

int verb_pub(int argc, char **argv)
{
    struct request r = {0};
    struct buf payload;
    int code = parse(&r, argc, argv, "m:f:q:r");
    if (code != EXIT_OK) {
        return code;
    }
    bool from_stdin = r.word_count == 2 && strcmp(r.words[1], "-") == 0;
    int sources = (r.message != NULL) + (r.file != NULL) + from_stdin;
    if (r.word_count != 1u + from_stdin || sources != 1) {
        return say_usage("pub", "one topic and one message: -m TEXT, -f FILE or -");
    }
    if (!read_message(&r, &payload)) {
        return EXIT_FAILED;
    }
    code = connect_as(&r, &bundle, &session);
    if (code == EXIT_OK) {
        struct elo_client_message message = {.topic = elo_span_str(r.words[0]),
                                             .payload = buf_span(&payload),
                                             .qos = (uint8_t)r.qos,
                                             .retain = r.retain};
        code = part(&r, deliver(&r, &message));
        session_close(&session);
        bundle_free(&bundle);
    }
    buf_free(&payload);
    return code;
}
