// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* `elo why`: what the desk has seen of a device, and what to do about it. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/desk.h"
#include "elo/json/read.h"

const char help_why[] =
    "elo why NAME [--data DIR] [--json]\n\n"
    "  elo why kitchen            what the desk has seen of the thing or client id 'kitchen':\n"
    "                             connections taken, refused and ended, the reasons, the cure\n"
    "  elo why 192.168.1.20       of a device that never got as far as to tell its name\n"
    "  elo why CERTIFICATE-ID     of whoever came with this certificate\n\n"
    "The newest comes last. It is the desk's memory since its start: the last 16 events of each\n"
    "device. Exit code 0: it is connected or ended well; 5: it was refused; 4: nothing is "
    "known.\n\n"
    "  --data DIR    the desk's folder (default: $ELO_DATA, or ~/.local/share/elo)\n"
    "  --json        as the desk tells it\n";

#define TEXT_BYTES 640u

struct moment {
    int64_t last_ms, count;
    bool failed, by_address;
    char event[48], code[32], cause[TEXT_BYTES], cure[TEXT_BYTES], details[TEXT_BYTES],
        reason[TEXT_BYTES], ip[64], client[TEXT_BYTES], topic[TEXT_BYTES];
};

static void field(elo_span json, const char *key, char *out, size_t cap)
{
    if (!json_field(json, key, out, cap)) {
        out[0] = '\0';
    }
}

/* A number or a truth of the object; 0: it is not there. */
static int64_t number(elo_span json, const char *key)
{
    struct elo_json_reader r;
    struct elo_json_token token;
    int64_t value = 0;
    elo_json_reader_init(&r, json);
    bool ours = false;
    while (elo_json_next(&r, &token) == ELO_OK) {
        if (ours) {
            return token.type == ELO_JSON_TRUE || elo_json_int64(&token, &value) != ELO_OK
                       ? token.type == ELO_JSON_TRUE
                       : value;
        }
        ours = token.type == ELO_JSON_KEY && elo_json_token_is(&token, elo_span_str(key));
    }
    return 0;
}

static void read_moment(elo_span json, struct moment *m)
{
    char status[16];
    m->last_ms = number(json, "timestamp");
    m->count = number(json, "count");
    m->by_address = number(json, "sameAddressOnly") != 0;
    field(json, "status", status, sizeof status);
    m->failed = strcmp(status, "Failure") == 0;
    field(json, "eventType", m->event, sizeof m->event);
    field(json, "code", m->code, sizeof m->code);
    field(json, "cause", m->cause, sizeof m->cause);
    field(json, "cure", m->cure, sizeof m->cure);
    field(json, "details", m->details, sizeof m->details);
    field(json, "reason", m->reason, sizeof m->reason);
    field(json, "sourceIp", m->ip, sizeof m->ip);
    field(json, "clientId", m->client, sizeof m->client);
    field(json, "topicName", m->topic, sizeof m->topic);
}

/* --- in words -----------------------------------------------------------------------------------
 */

static void print_time(int64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    char text[32] = "";
    if (localtime_r(&seconds, &tm) != NULL) {
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm);
    }
    printf("  %s  ", text);
}

static const char *outcome(const struct moment *m)
{
    bool end = strcmp(m->event, "Disconnect") == 0;
    return m->failed ? (end ? "ended" : "refused") : end ? "ended well" : "ok";
}

static void print_moment(const struct moment *m, bool colour)
{
    print_time(m->last_ms);
    printf("%-11s %s%-10s%s", m->event, colour ? (m->failed ? "\033[31m" : "\033[32m") : "",
           outcome(m), colour ? "\033[0m" : "");
    const char *words = m->details[0] != '\0' ? m->details : m->failed ? m->cause : m->reason;
    printf(" %s%s%s%s%s", m->code, m->code[0] != '\0' ? ": " : "", m->topic,
           m->topic[0] != '\0' ? ": " : "", words);
    if (m->client[0] != '\0') {
        printf("  [%s]", m->client);
    }
    if (m->ip[0] != '\0') {
        printf("  from %s", m->ip);
    }
    if (m->count > 1) {
        printf("  (%lld times)", (long long)m->count);
    }
    fputs(m->by_address ? "  (perhaps another device at that address)\n" : "\n", stdout);
}

/* What the newest that counts means for the person who asks. */
static void conclude(const char *name, const struct moment *last)
{
    if (last->failed) {
        printf("\n%s\nWhat to do: %s\n", last->cause, last->cure);
    } else if (strcmp(last->event, "Connect") == 0) {
        printf("\n%s is connected: nothing is wrong.\n", name);
    } else if (strcmp(last->event, "Accept") == 0) {
        puts("\nIt has opened a connection and said nothing more: is TLS under way, or does it "
             "speak "
             "to the wrong port?");
    } else {
        printf("\n%s has said goodbye: nothing is wrong.\n", name);
    }
}

/* Who was refused at the same address since, and did not get as far as to tell its name. */
static void conclude_nearby(const struct moment *m)
{
    printf("\nSince then somebody at that address, perhaps it, was refused: %s\n"
           "What to do: %s\n",
           m->cause, m->cure);
}

/* The newest of its own that counts, and of others at its address since. */
struct story {
    struct moment own, nearby;
};

static void read_all(elo_span json, bool show, struct story *s)
{
    struct elo_json_reader r;
    struct elo_json_token token;
    struct moment m;
    bool colour = say_colour(1);
    memset(s, 0, sizeof *s);
    elo_json_reader_init(&r, json);
    while (elo_json_next(&r, &token) == ELO_OK) {
        elo_span object;
        if (token.type == ELO_JSON_OBJECT_BEGIN && token.depth == 2) {
            if (elo_json_skip(&r, &token, &object) != ELO_OK) {
                break;
            }
            read_moment(object, &m);
            if (show) {
                print_moment(&m, colour);
            }
            if (m.by_address) {
                s->nearby = m.failed ? m : s->nearby;
            } else if (strcmp(m.event, "Accept") != 0 || s->own.event[0] == '\0') {
                s->own = m;
                s->nearby.failed = false; /* it was before */
            }
        }
    }
}

static bool is_refused_nearby(const struct story *s)
{
    return s->nearby.failed && (s->own.failed || strcmp(s->own.event, "Connect") != 0);
}

static int code_of(const struct story *s)
{
    return s->own.failed || is_refused_nearby(s) ? EXIT_REFUSED
           : s->own.event[0] == '\0'             ? EXIT_ABSENT
                                                 : EXIT_OK;
}

static void nothing_known(const char *name)
{
    say_error("the desk has seen nothing of '%s' since it was started", name);
    fputs(
        "     It never got here: check the endpoint and the port in its configuration, that it is\n"
        "     on this network, and that the desk listens there (`elo up --listen 0.0.0.0`).\n",
        stderr);
}

static int tell(const char *name, elo_span reply, bool json)
{
    static struct story s; /* too large for a stack */
    read_all(reply, !json, &s);
    if (json) {
        fwrite(reply.ptr, 1, reply.len, stdout);
        putchar('\n');
        return code_of(&s);
    }
    if (s.own.event[0] != '\0') {
        conclude(name, &s.own);
    }
    if (is_refused_nearby(&s)) {
        conclude_nearby(&s.nearby);
    }
    if (code_of(&s) == EXIT_ABSENT) {
        nothing_known(name);
    }
    return code_of(&s);
}

int verb_why(int argc, char **argv)
{
    const char *data = NULL, *name = NULL;
    bool json = false;
    const struct option_spec options[] = {
        {"--data", 0, OPTION_TEXT, &data, 0, 0},
        {"--json", 0, OPTION_FLAG, &json, 0, 0},
    };
    const struct syntax syntax = {help_why, options, 2, &name, 1};
    struct desk_info desk;
    int code = options_parse(&syntax, argc, argv, NULL);
    if (code == GO_ON && name == NULL) {
        code = say_usage(argv[0], "name a device");
    }
    if (code != GO_ON) {
        return code;
    }
    code = desk_find(data, &desk);
    if (code != EXIT_OK) {
        return code;
    }
    struct buf target, reply;
    buf_init(&target, 4096);
    buf_init(&reply, 4u * 1024u * 1024u);
    buf_text(&target, "/elo/timeline?device=");
    url_encode(name, &target);
    buf_byte(&target, '\0');
    int status = buf_err(&target) != ELO_OK
                     ? 400
                     : desk_call(&desk, "iot", "GET", (const char *)buf_span(&target).ptr, NULL,
                                 NULL, &reply);
    buf_free(&target);
    if (status != 200) {
        buf_free(&reply);
        if (status > 0) {
            say_error("the desk answered %d: its version may be older, or the name too long",
                      status);
        }
        return status > 0 ? EXIT_FAILED : EXIT_NETWORK;
    }
    code = tell(name, buf_span(&reply), json);
    buf_free(&reply);
    return code;
}
