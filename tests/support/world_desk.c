// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: the owner of the real broker. Each call of the broker is made between two of the
 * model: first the model says what must come of it, then the broker does it, then what the witness
 * has seen and which connections want to be closed are compared.
 *
 * The witness is a connection of the broker like any other, with a policy that allows everything
 * and a subscription to `#`; its output is read and acknowledged at once. So whatever the broker
 * routes is seen in the same call.
 */
#include "elo/mqtt/decode.h"
#include "elo/mqtt/encode.h"
#include "server/base/limits.h"
#include "tests/support/world_parts.h"

#define WITNESS_SPEAKS_MS       600000
#define BROKER_TICKS_PER_SECOND 60u
#define PIECES                  8u

/* --- the witness -------------------------------------------------------------------------------
 */

static void witness_says(struct world *w, const uint8_t *packet, size_t len)
{
    w->witness_spoke = w->now;
    broker_input(w->witness, elo_span_of(packet, len), world_time(w));
}

static void witness_acks(struct world *w, uint16_t id)
{
    uint8_t packet[4];
    size_t len = 0;
    if (elo_mqtt_encode_ack(ELO_MQTT_PUBACK, id, packet, sizeof packet, &len) == ELO_OK) {
        witness_says(w, packet, len);
    }
}

static void witness_hears(struct world *w, elo_span packet)
{
    struct elo_mqtt_packet in;
    if (elo_mqtt_decode(packet, &in) != ELO_OK) {
        world_fail(w, "the broker sends the witness what is no packet");
        return;
    }
    if (in.type != ELO_MQTT_PUBLISH) {
        return;
    }
    world_model_sees(w, &in.u.publish);
    if (in.u.publish.qos > 0) {
        witness_acks(w, in.u.publish.packet_id);
    }
}

static void witness_read(struct world *w)
{
    elo_span pieces[PIECES];
    size_t n;
    while (!world_failed(w) && (n = broker_output(w->witness, pieces, PIECES)) > 0) {
        size_t bytes = 0;
        for (size_t i = 0; i < n; i++) {
            elo_span packet;
            if (!world_tap_add(&w->witness_tap, pieces[i])) {
                world_fail(w, "the broker sends the witness what is no packet");
            }
            bytes += pieces[i].len;
            while (!world_failed(w) && world_tap_next(&w->witness_tap, &packet)) {
                uint8_t copy[WORLD_TAP];
                size_t len = packet.len;
                memcpy(copy, packet.ptr, len);
                world_tap_drop(&w->witness_tap, len);
                witness_hears(w, elo_span_of(copy, len));
            }
        }
        broker_output_ack(w->witness, bytes, world_time(w));
    }
    if (broker_wants_close(w->witness)) {
        world_fail(w, "the broker closes the witness (%d)", (int)broker_close_reason(w->witness));
    }
}

static void witness_open(struct world *w)
{
    const struct auth_peer peer = {.certificate_id = elo_span_str(w->house->ids[WORLD_WITNESS]),
                                   .source_ip = ELO_SPAN("192.0.2.1")};
    const struct elo_mqtt_connect connect = {.clean_session = true, .client_id = ELO_SPAN("w")};
    const struct elo_mqtt_subscription all = {.filter = ELO_SPAN("#"), .qos = 1};
    uint8_t packet[64];
    size_t len = 0;
    w->witness_tap.len = 0;
    w->witness = broker_open(w->broker, &peer, ELO_OK, world_time(w));
    if (w->witness == NULL ||
        elo_mqtt_encode_connect(&connect, packet, sizeof packet, &len) != ELO_OK) {
        world_fail(w, "no witness");
        return;
    }
    witness_says(w, packet, len);
    witness_read(w); /* AWS IoT Core wants clients to wait for the CONNACK */
    if (elo_mqtt_encode_subscribe(1, &all, 1, packet, sizeof packet, &len) == ELO_OK) {
        witness_says(w, packet, len);
    }
    witness_read(w);
}

/* --- output and settling -----------------------------------------------------------------------
 */

static struct world_link *link_of(const struct broker_conn *c)
{
    return broker_user(c);
}

static void shut(struct world *w, struct world_link *l, elo_err why)
{
    struct broker_conn *c = l->conn;
    world_note(w, "the desk closes link %u of %s (%d)", l->serial, world_name(l->device->who),
               (int)why);
    world_model_ends(w, l, true);
    l->conn = NULL;
    l->server_side = false;
    l->linger_until = WORLD_NEVER;
    world_hang_up(w, l, &l->down);
    broker_closed(c, why, world_time(w));
}

/* Closes when it is wished and all is out, or after a while. */
static void close_if_wished(struct world *w, struct world_link *l)
{
    if (!broker_wants_close(l->conn)) {
        return;
    }
    if (broker_output_bytes(l->conn) == 0) {
        shut(w, l, ELO_OK);
    } else if (l->linger_until == WORLD_NEVER) {
        l->linger_until = w->now + world_within(w, 0, 5000);
    }
}

static void write_output(struct world *w, struct world_link *l)
{
    elo_span pieces[PIECES];
    size_t n;
    bool full = false;
    while (!full && (n = broker_output(l->conn, pieces, PIECES)) > 0) {
        size_t bytes = 0;
        for (size_t i = 0; i < n && !full; i++) {
            size_t took = world_write(w, l, &l->down, pieces[i]);
            bytes += took;
            full = took < pieces[i].len;
        }
        if (bytes > 0) {
            broker_output_ack(l->conn, bytes, world_time(w));
        }
    }
    close_if_wished(w, l);
}

static void pump(struct world *w)
{
    struct broker_conn *c;
    while (!world_failed(w) && (c = broker_next_ready(w->broker)) != NULL) {
        if (c == w->witness) {
            witness_read(w);
            continue;
        }
        struct world_link *l = link_of(c);
        if (broker_wants_close(c) != l->is.ended) {
            world_fail(w, "link %u of %s: the broker wants it %s (%d), by the rules it is %s",
                       l->serial, world_name(l->device->who),
                       broker_wants_close(c) ? "closed" : "open", (int)broker_close_reason(c),
                       l->is.ended ? "closed" : "open");
            return;
        }
        write_output(w, l);
    }
}

/* The core has those that the workers have given it, and nobody else. */
static void count_connections(struct world *w)
{
    uint64_t there = 1;
    for (size_t i = 0; i < w->links_high; i++) {
        there += w->links[i].used && w->links[i].server_side;
    }
    struct broker_stats have;
    broker_stats(w->broker, &have);
    if (have.connections != there) {
        world_fail(w, "the broker has %llu connections, was given %llu",
                   (unsigned long long)have.connections, (unsigned long long)there);
    }
}

static void settle(struct world *w)
{
    pump(w);
    world_model_settle(w);
    if (!world_failed(w)) {
        count_connections(w);
    }
}

/* --- connections -------------------------------------------------------------------------------
 */

void world_desk_accept(struct world *w, struct world_link *l)
{
    elo_span id = elo_span_str(w->house->ids[l->certificate]);
    struct core_time now = world_time(w);
    const struct auth_peer peer = {.certificate_id = id, .source_ip = ELO_SPAN("192.0.2.7")};
    elo_err refused = authorizer_certificate(w->house->auth, id, now.wall_ms, false);
    l->conn = broker_open(w->broker, &peer, refused, now);
    if (l->conn == NULL) {
        world_fail(w, "the broker has no memory for a connection");
        return;
    }
    broker_set_user(l->conn, l);
    l->server_side = true;
    l->is = (struct world_standing){.client = WORLD_CLIENTS};
    l->is.refused = l->certificate >= WORLD_INACTIVE || w->revoked == l->certificate + 1;
    if (l->is.refused != (refused != ELO_OK)) {
        world_fail(w, "the certificate of %s is judged %d", world_name(l->device->who),
                   (int)refused);
    }
    l->is.heard_ms = w->now;
    l->is.patience_ms = LIMIT_CONNECT_WAIT_MS;
    settle(w);
}

/* Counts packets for the model as the broker will find them. */
static void model_reads(struct world *w, struct world_link *l, elo_span bytes)
{
    elo_span packet;
    if (!world_tap_add(&l->heard, bytes)) {
        world_fail(w, "%s has sent what is no packet", world_name(l->device->who));
    }
    while (!world_failed(w) && world_tap_next(&l->heard, &packet)) {
        size_t len = packet.len;
        world_model_hears(w, l, packet);
        world_tap_drop(&l->heard, len);
    }
}

void world_desk_read(struct world *w, struct world_link *l, elo_span bytes)
{
    if (!l->server_side || bytes.len == 0) {
        return;
    }
    model_reads(w, l, bytes);
    if (!world_failed(w)) {
        broker_input(l->conn, bytes, world_time(w));
        settle(w);
    }
    if (!world_failed(w) && l->server_side && broker_wants_close(l->conn) != l->is.ended) {
        world_fail(w, "link %u of %s should %s", l->serial, world_name(l->device->who),
                   l->is.ended ? "have been closed" : "be open");
    }
}

void world_desk_close(struct world *w, struct world_link *l, elo_err why)
{
    shut(w, l, why);
    settle(w);
}

void world_desk_write(struct world *w, struct world_link *l)
{
    write_output(w, l);
    settle(w);
}

/* --- time --------------------------------------------------------------------------------------
 */

int64_t world_desk_next(const struct world *w)
{
    int64_t at = broker_deadline(w->broker);
    int64_t speak = w->witness_spoke + WITNESS_SPEAKS_MS;
    at = speak < at ? speak : at;
    return at > w->now ? at : w->now;
}

static void speak_up(struct world *w)
{
    static const uint8_t pingreq[] = {0xc0, 0};
    if (w->now - w->witness_spoke >= WITNESS_SPEAKS_MS) {
        witness_says(w, pingreq, sizeof pingreq);
    }
}

void world_desk_run(struct world *w)
{
    speak_up(w);
    if (broker_deadline(w->broker) <= w->now) {
        if (w->now / 1000 != w->broker_second) {
            w->broker_second = w->now / 1000;
            w->broker_ticks = 0;
        }
        if (++w->broker_ticks > BROKER_TICKS_PER_SECOND) {
            world_fail(w, "the broker keeps itself busy: %u ticks in a second", w->broker_ticks);
            return;
        }
        world_model_passes(w);
        broker_tick(w->broker, world_time(w));
    }
    settle(w);
}

/* --- life --------------------------------------------------------------------------------------
 */

static void fill(void *ctx, void *out, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        ((uint8_t *)out)[i] = (uint8_t)world_roll(ctx, 256);
    }
}

static void sink(void *ctx, const struct log_record *r)
{
    struct world *w = ctx;
    if (w->telling == WORLD_TRACE) {
        world_note(w, "log: %s %d %.*s %.*s %.*s", r->event_type, (int)r->err,
                   (int)r->client_id.len, (const char *)r->client_id.ptr, (int)r->topic.len,
                   (const char *)r->topic.ptr, (int)r->details.len, (const char *)r->details.ptr);
    }
}

void world_desk_open(struct world *w)
{
    w->log = (struct log){
        .sink = sink, .ctx = w, .level = w->telling == WORLD_TRACE ? LOG_INFO : LOG_ERROR};
    const struct broker_config config = {.log = &w->log, .random = {.fill = fill, .ctx = w}};
    w->broker = broker_create(&config, w->house->auth);
    if (w->broker == NULL) {
        world_fail(w, "no broker");
        return;
    }
    witness_open(w);
}

/* As the end of a process: nobody is told, what was in memory is gone. */
void world_desk_shut(struct world *w)
{
    for (size_t i = 0; i < w->links_high; i++) {
        struct world_link *l = &w->links[i];
        if (l->used && l->server_side) {
            broker_closed(l->conn, ELO_E_TCP_CLOSED, world_time(w));
            l->conn = NULL;
            l->server_side = false;
            l->linger_until = WORLD_NEVER;
            world_hang_up(w, l, &l->down);
        } else if (l->used) {
            world_link_forget(w, l);
        }
    }
    if (w->witness != NULL) {
        broker_closed(w->witness, ELO_E_TCP_CLOSED, world_time(w));
        w->witness = NULL;
    }
    broker_destroy(w->broker);
    w->broker = NULL;
}

void world_desk_restart(struct world *w)
{
    world_note(w, "the server is started anew");
    world_desk_shut(w);
    world_model_restart(w);
    world_desk_open(w);
    w->tally.restarts++;
}

void world_desk_revoke(struct world *w, unsigned client, bool active)
{
    world_note(w, "the certificate of %s is %s", world_name(client), active ? "good" : "revoked");
    world_house_set_status(w->house, client, active);
    w->revoked = active ? 0 : client + 1;
    for (size_t i = 0; i < w->links_high; i++) {
        struct world_link *l = &w->links[i];
        if (!l->used || !l->server_side || l->certificate != client || l->is.ended) {
            continue;
        }
        if (!l->is.accepted) { /* judged by what it is now */
            l->is.refused = !active;
        } else if (!active) {
            world_model_ends(w, l, true);
        }
    }
    broker_certificate_changed(w->broker, elo_span_str(w->house->ids[client]), world_time(w));
    settle(w);
    w->tally.revocations += !active;
}

void world_desk_check(struct world *w)
{
    struct broker_stats have;
    uint64_t connections = 1;
    uint64_t sessions = 1;
    uint64_t subscriptions = 1;
    uint64_t retained = 0;
    broker_stats(w->broker, &have);
    for (size_t i = 0; i < w->links_high; i++) {
        connections += w->links[i].used && w->links[i].server_side;
    }
    for (unsigned i = 0; i < WORLD_CLIENTS; i++) {
        const struct world_session *s = &w->model.sessions[i];
        bool exists = world_model_present(w, i);
        sessions += exists;
        subscriptions += exists ? s->filter_count : 0;
        retained += w->model.retained[i] != 0;
    }
    const struct {
        const char *what;
        uint64_t is;
        uint64_t should;
    } rows[] = {
        {"connections", have.connections, connections},
        {"sessions", have.sessions, sessions},
        {"subscriptions", have.subscriptions, subscriptions},
        {"retained messages", have.retained, retained},
        {"CONNECTs", have.connects, w->model.connects + 1},
        {"PUBLISHes", have.publish_in, w->model.publishes},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].is != rows[i].should) {
            world_fail(w, "the broker counts %llu %s, there are %llu",
                       (unsigned long long)rows[i].is, rows[i].what,
                       (unsigned long long)rows[i].should);
        }
    }
}
