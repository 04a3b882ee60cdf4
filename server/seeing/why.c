// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * /elo/timeline: everything known of one device, newest last.
 *
 * How this works: a name is looked for as a client id, a certificate id and an address, and as a
 * thing: then the certificates attached to it count too. From all trails found the moments are
 * gathered, each once, in their order. What came from the address that the device was last seen at
 * and got no further belongs perhaps to it: it is added, and marked.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "elo/base/utf8.h"
#include "elo/json/write.h"
#include "errors/explain.h"
#include "server/base/mem.h"
#include "server/seeing/internal.h"

#define NAME_MAX_BYTES 256u
#define GATHERED_MAX   128u

struct found {
    const struct moment *moment;
    bool by_address; /* perhaps another device's */
};

struct gathering {
    const struct seeing *s;
    elo_span name;
    struct found found[GATHERED_MAX];
    size_t count;
    bool is_thing;
};

static bool has(const struct gathering *g, const struct moment *m)
{
    for (size_t i = 0; i < g->count; i++) {
        if (g->found[i].moment == m) {
            return true;
        }
    }
    return false;
}

static void gather(struct gathering *g, const struct trail *trail, bool by_address)
{
    for (uint32_t i = 0; trail != NULL && i < trail->count && g->count < GATHERED_MAX; i++) {
        if (!has(g, trail->moments[i])) {
            g->found[g->count++] = (struct found){trail->moments[i], by_address};
        }
    }
}

static void sort(struct gathering *g)
{
    for (size_t i = 1; i < g->count; i++) { /* nearly sorted, and few */
        struct found f = g->found[i];
        size_t at = i;
        for (; at > 0 && g->found[at - 1].moment->order > f.moment->order; at--) {
            g->found[at] = g->found[at - 1];
        }
        g->found[at] = f;
    }
}

/* The certificates of a thing that have left a trail. */
static void gather_thing(struct gathering *g)
{
    const struct registry *reg = g->s->config.registry;
    g->is_thing = registry_thing(reg, g->name) != NULL;
    const struct trail *trail;
    TAILQ_FOREACH(trail, &g->s->timeline.ages, age)
    {
        if (!g->is_thing || trail->key[0] != TRAIL_PRINCIPAL) {
            continue;
        }
        const struct certificate *c =
            registry_certificate(reg, elo_span_of(trail->key + 1, trail->key_len - 1));
        if (c != NULL && registry_is_attached(reg, g->name, c->arn)) {
            gather(g, trail, false);
        }
    }
}

static void gather_all(struct gathering *g)
{
    const struct timeline *t = &g->s->timeline;
    gather(g, timeline_trail(t, TRAIL_CLIENT, g->name), false);
    gather(g, timeline_trail(t, TRAIL_PRINCIPAL, g->name), false);
    gather(g, timeline_trail(t, TRAIL_ADDRESS, g->name), false);
    gather_thing(g);
    sort(g);
    if (g->count > 0) {
        const struct moment *last = g->found[g->count - 1].moment;
        gather(g, timeline_trail(t, TRAIL_ADDRESS, moment_text(last, MOMENT_IP)), true);
        sort(g);
    }
}

/* --- writing ------------------------------------------------------------------------------------
 */

static void put(struct elo_json_writer *w, const char *name, elo_span value)
{
    if (value.len > 0) {
        elo_json_key(w, elo_span_str(name));
        elo_json_string(w, value);
    }
}

static void put_number(struct elo_json_writer *w, const char *name, int64_t number)
{
    elo_json_key(w, elo_span_str(name));
    elo_json_int(w, number);
}

/* Of a character above ASCII: a C1 control, or one that turns the direction of writing. */
static bool steers(const uint8_t *c, size_t left)
{
    return (c[0] == 0xc2 && left > 1 && c[1] < 0xa0) ||
           (c[0] == 0xe2 && left > 2 &&
            ((c[1] == 0x80 && c[2] >= 0xa8 && c[2] <= 0xae) ||
             (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9)));
}

/* Outsiders chose it: what is no UTF-8, or would steer a terminal, becomes question marks. */
static void put_foreign(struct elo_json_writer *w, const char *name, elo_span value)
{
    char room[MOMENT_TEXT_MAX];
    bool is_utf8 = elo_utf8_valid(value);
    for (size_t i = 0; i < value.len; i++) {
        uint8_t c = value.ptr[i];
        bool shown = c < 0x80 ? c >= 0x20 && c != 0x7f : is_utf8;
        room[i] = shown ? (char)c : '?';
        if (shown && steers(value.ptr + i, value.len - i)) {
            size_t len = c == 0xc2 ? 2 : 3;
            memset(room + i, '?', len);
            i += len - 1;
        }
    }
    put(w, name, elo_span_of(room, value.len));
}

static void put_reason(struct elo_json_writer *w, elo_err err)
{
    elo_json_key(w, ELO_SPAN("status"));
    elo_json_string(w, err == ELO_OK ? ELO_SPAN("Success") : ELO_SPAN("Failure"));
    if (err != ELO_OK) {
        const struct elo_reason *why = elo_explain(err);
        put(w, "code", elo_span_str(why->slug));
        put(w, "cause", elo_span_str(why->cause));
        put(w, "cure", elo_span_str(why->cure));
    }
}

static void put_moment(struct elo_json_writer *w, const struct found *f)
{
    static const char *const names[MOMENT_TEXTS] = {"clientId",  "principalId", "sourceIp",
                                                    "topicName", "reason",      "details"};
    const struct moment *m = f->moment;
    elo_json_begin_object(w);
    put_number(w, "timestamp", m->last_ms);
    put_number(w, "firstTimestamp", m->first_ms);
    put_number(w, "count", m->count);
    put(w, "eventType", elo_span_str(m->event));
    put_reason(w, m->err);
    for (int i = 0; i < MOMENT_TEXTS; i++) {
        put_foreign(w, names[i], moment_text(m, (enum moment_text)i));
    }
    put_number(w, "sourcePort", m->port);
    elo_json_key(w, ELO_SPAN("sameAddressOnly"));
    elo_json_bool(w, f->by_address);
    elo_json_end_object(w);
}

static void write_all(struct elo_json_writer *w, const struct gathering *g)
{
    elo_json_begin_object(w);
    put_foreign(w, "device", g->name);
    elo_json_key(w, ELO_SPAN("isThing"));
    elo_json_bool(w, g->is_thing);
    elo_json_key(w, ELO_SPAN("moments"));
    elo_json_begin_array(w);
    for (size_t i = 0; i < g->count; i++) {
        put_moment(w, &g->found[i]);
    }
    elo_json_end_array(w);
    elo_json_end_object(w);
}

/* --- the request --------------------------------------------------------------------------------
 */

static int hex_digit(uint8_t c)
{
    return c >= '0' && c <= '9'                     ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
}

/* "device=NAME", percent-encoded. false: it is not there, or is none. */
static bool device_of(elo_span query, uint8_t room[NAME_MAX_BYTES], elo_span *out)
{
    if (!elo_span_starts_with(query, ELO_SPAN("device="))) {
        return false;
    }
    size_t len = 0;
    for (size_t i = strlen("device="); i < query.len && query.ptr[i] != '&'; i++) {
        uint8_t c = query.ptr[i];
        if (c == '%') {
            int high = i + 2 < query.len ? hex_digit(query.ptr[i + 1]) : -1;
            int low = i + 2 < query.len ? hex_digit(query.ptr[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return false;
            }
            c = (uint8_t)(high << 4 | low);
            i += 2;
        }
        if (len == NAME_MAX_BYTES) {
            return false;
        }
        room[len++] = c;
    }
    *out = elo_span_of(room, len);
    return len > 0;
}

int seeing__timeline(struct seeing *s, elo_span query, struct buf *out)
{
    uint8_t room[NAME_MAX_BYTES];
    struct gathering g = {.s = s};
    if (!device_of(query, room, &g.name)) {
        buf_text(out, "{\"message\":\"Name a device: /elo/timeline?device=NAME, which is a thing, "
                      "a client id, a certificate id or an address\"}\n");
        return 400;
    }
    gather_all(&g);
    struct elo_json_writer w;
    size_t len = 0;
    elo_json_writer_init(&w, NULL, 0);
    write_all(&w, &g);
    if (elo_json_finish(&w, &len) != ELO_E_NO_SPACE) {
        return 500;
    }
    uint8_t *at = buf_room(out, len);
    if (at == NULL) {
        return 500;
    }
    elo_json_writer_init(&w, at, len);
    write_all(&w, &g);
    if (elo_json_finish(&w, &len) == ELO_OK) {
        buf_wrote(out, len);
    }
    return 200;
}
