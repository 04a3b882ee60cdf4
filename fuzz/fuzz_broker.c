// links: server_broker
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A few connections at once, of both versions of MQTT, each sending bytes of the fuzzer's choice
 * and whole packets built from its choices; transports that break, stop reading, take output in
 * pieces; time that passes; allocations that fail. Whatever happens: no crash, what comes out is
 * MQTT that a server may send, the counts agree, and nothing is left when everybody has gone and
 * the stored sessions expired.
 *
 * The input is a list of steps: one byte which connection (low bits) and what (high bits), then
 * what that step reads. It reads zeros behind its end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "elo/mqtt/decode.h"
#include "elo/mqtt/encode.h"
#include "elo/mqtt/property.h"
#include "server/base/mem.h"
#include "server/broker/broker.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { CONNECTIONS = 4, STEPS_MAX = 400 };

struct client {
    struct broker_conn *conn;
    bool deaf;
    uint8_t *bytes; /* output that is no whole packet yet */
    size_t len;
    uint16_t last_id;
    uint8_t level;       /* 0 before CONNECT */
    bool wild;           /* it has sent raw bytes, and may have said anything of itself */
    uint32_t packet_max; /* what it has said that it takes */
    uint16_t receive_max;
    uint16_t waiting[4096]; /* identifiers it has not acknowledged */
    unsigned waiting_count;
};

struct table {
    struct broker *broker;
    struct core_time now;
    elo_span in;
    struct client clients[CONNECTIONS];
};

static struct authorizer *auth;
static char certificate_id[65];
static char folder[] = "/tmp/elo-fuzz-XXXXXX";
static struct store *store;
static struct registry *registry;

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            fprintf(stderr, "not true: %s (line %d)\n", #x, __LINE__);                             \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static void fill(void *ctx, void *out, size_t len)
{
    (void)ctx;
    memset(out, 0x5a, len);
}

/* --- the world around -------------------------------------------------------------------------
 */

static void leave(void)
{
    char path[64];
    static const char *const files[] = {"", "-wal", "-shm"};
    authorizer_destroy(auth);
    registry_destroy(registry);
    store_close(store);
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/db%s", folder, files[i]);
        unlink(path);
    }
    rmdir(folder);
}

/* One certificate: it may do nearly everything, so that denials are met as well. */
static void make_certificate(void)
{
    static const char document[] =
        "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"iot:*\","
        "\"Resource\":\"*\"},{\"Effect\":\"Deny\",\"Action\":\"iot:*\",\"Resource\":\"*denied*\"}]"
        "}";
    struct aws_fault fault;
    memset(certificate_id, 'a', 64);
    struct certificate_new fresh = {.id = elo_span_of(certificate_id, 64),
                                    .pem = ELO_SPAN("-----BEGIN CERTIFICATE-----\n"),
                                    .mode = ELO_SPAN("DEFAULT"),
                                    .not_after_s = 4102444800};
    const struct certificate *made;
    CHECK(registry_register_certificate(registry, &fresh, 0, &made, &fault) == AWS_OK);
    CHECK(registry_create_policy(registry, ELO_SPAN("p"), elo_span_str(document), 0, NULL,
                                 &fault) == AWS_OK);
    CHECK(registry_attach_policy(registry, ELO_SPAN("p"), made->arn, &fault) == AWS_OK);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    char path[64];
    char why[256];
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/db", folder);
    struct store_config config = {.path = path};
    CHECK(store_open(&config, &store, why, sizeof why) == ELO_OK);
    struct registry_config names = {
        .region = "eu-west-1", .account = "111122223333", .random = {.fill = fill}};
    CHECK(registry_create(&names, store, &registry) == ELO_OK);
    auth = authorizer_create(registry);
    CHECK(auth != NULL);
    make_certificate();
    atexit(leave);
    return 0;
}

/* --- choices ----------------------------------------------------------------------------------
 */

static unsigned choice(struct table *t)
{
    if (t->in.len == 0) {
        return 0;
    }
    unsigned byte = t->in.ptr[0];
    t->in = elo_span_from(t->in, 1);
    return byte;
}

static elo_span topic_of(unsigned pick)
{
    static const char *const topics[] = {
        "a", "a/b", "a/b/c", "b", "a//c", "$aws/things/t/shadow/update", "$aws/rules/r/x", "denied",
    };
    return elo_span_str(topics[pick % 8]);
}

static elo_span filter_of(unsigned pick)
{
    static const char *const filters[] = {
        "a",          "a/b",
        "a/#",        "+/b",
        "#",          "$share/g/a/+",
        "$share/g/a", "$aws/things/+/shadow/#",
        "a/+/c",      "+",
        "denied",     "b",
        "$share/h/#", "a/b/#",
        "+/+",        "$SYS/#",
    };
    return elo_span_str(filters[pick % 16]);
}

static uint8_t big[140000];

static elo_span payload_of(unsigned pick)
{
    static const size_t sizes[] = {0, 1, 5, 100, 4095, 4096, 20000, 131072};
    return elo_span_of(big, sizes[pick % 8]);
}

/* --- what clients do --------------------------------------------------------------------------
 */

/* QoS 1 messages, each identifier once: not more of them than the client takes. */
static void count_in(struct client *c, uint16_t id)
{
    unsigned i = 0;
    c->last_id = id;
    while (i < c->waiting_count && c->waiting[i] != id) {
        i++;
    }
    if (i == c->waiting_count) {
        c->waiting[c->waiting_count++] = id;
    }
    CHECK((c->wild || c->waiting_count <= c->receive_max) && c->waiting_count <= 100);
}

static void count_out(struct client *c, uint16_t id)
{
    for (unsigned i = 0; i < c->waiting_count; i++) {
        if (c->waiting[i] == id) {
            c->waiting[i] = c->waiting[--c->waiting_count];
            return;
        }
    }
}

static void watch(struct client *c, elo_span packet)
{
    struct elo_mqtt_packet in;
    if (packet.ptr[0] >> 4 == ELO_MQTT_CONNACK) { /* of MQTT 5 it has properties, if only none */
        c->level = packet.len == 4 ? ELO_MQTT_3_1_1 : ELO_MQTT_5;
    }
    bool five = c->level == ELO_MQTT_5;
    CHECK(elo_mqtt_decode_as(c->level, packet, &in) == ELO_OK);
    CHECK(in.type == ELO_MQTT_CONNACK || in.type == ELO_MQTT_PUBLISH ||
          in.type == ELO_MQTT_PUBACK || in.type == ELO_MQTT_SUBACK ||
          in.type == ELO_MQTT_UNSUBACK || in.type == ELO_MQTT_PINGRESP ||
          (five && in.type == ELO_MQTT_DISCONNECT));
    if (in.type == ELO_MQTT_PUBLISH) {
        CHECK(in.u.publish.qos < 2 && !in.u.publish.dup && in.u.publish.topic.len > 0);
        CHECK((in.u.publish.has & (ELO_MQTT_HAS_ALIAS | ELO_MQTT_HAS_SUBSCRIPTION_ID)) == 0);
        CHECK(c->wild || packet.len <= c->packet_max); /* [MQTT5-3.1.2-24] */
        if (in.u.publish.qos > 0) {
            count_in(c, in.u.publish.packet_id);
        }
    }
}

static void receive(struct client *c, elo_span bytes)
{
    c->bytes = realloc(c->bytes, c->len + bytes.len);
    CHECK(c->bytes != NULL);
    memcpy(c->bytes + c->len, bytes.ptr, bytes.len);
    c->len += bytes.len;
    elo_span rest = elo_span_of(c->bytes, c->len);
    struct elo_mqtt_frame frame;
    while (elo_mqtt_frame(rest, UINT32_MAX, &frame) == ELO_OK && frame.total <= rest.len) {
        watch(c, elo_span_first(rest, frame.total));
        rest = elo_span_from(rest, frame.total);
    }
    memmove(c->bytes, rest.ptr, rest.len);
    c->len = rest.len;
}

static void fetch(struct table *t, struct client *c, unsigned rounds)
{
    elo_span pieces[2];
    size_t count;
    while (rounds-- > 0 && (count = broker_output(c->conn, pieces, 2)) > 0) {
        size_t sent = 0;
        for (size_t i = 0; i < count; i++) {
            size_t len = i + 1 == count ? (pieces[i].len + 1) / 2 : pieces[i].len;
            receive(c, elo_span_first(pieces[i], len));
            sent += len;
        }
        CHECK(sent > 0 && sent <= broker_output_bytes(c->conn));
        broker_output_ack(c->conn, sent, t->now);
    }
}

static void close_client(struct table *t, struct client *c, elo_err why)
{
    if (c->conn != NULL) {
        broker_closed(c->conn, why, t->now);
        free(c->bytes);
        *c = (struct client){0};
    }
}

static void pump(struct table *t)
{
    struct broker_conn *conn;
    while ((conn = broker_next_ready(t->broker)) != NULL) {
        struct client *c = broker_user(conn);
        if (!c->deaf) {
            fetch(t, c, UINT32_MAX);
        }
        if (broker_wants_close(conn)) {
            close_client(t, c, ELO_OK);
        }
    }
}

static void step_open(struct table *t, struct client *c)
{
    unsigned pick = choice(t);
    struct auth_peer peer = {.certificate_id = elo_span_of(certificate_id, 64),
                             .source_ip = ELO_SPAN("192.0.2.1"),
                             .source_port = 1};
    if (c->conn != NULL) {
        return;
    }
    c->conn = broker_open(t->broker, &peer, pick == 255 ? ELO_E_CERT_UNKNOWN : ELO_OK, t->now);
    if (c->conn != NULL) {
        broker_set_user(c->conn, c);
    }
}

#define NONE elo_span_of(NULL, 0)

static uint8_t packet[200000];

static void send_packet(struct table *t, struct client *c, elo_err err, size_t len)
{
    if (err == ELO_OK && c->conn != NULL) {
        unsigned cut = choice(t) % 3 == 0 ? choice(t) : 0;
        cut = cut < len ? cut : 0;
        broker_input(c->conn, elo_span_of(packet, cut), t->now);
        broker_input(c->conn, elo_span_of(packet + cut, len - cut), t->now);
    }
}

static uint8_t rooms[2][70000];

static void put_number(struct elo_mqtt_property_writer *w, bool wanted, uint8_t id, uint32_t number)
{
    if (wanted) {
        elo_mqtt_put_number(w, id, number);
    }
}

static elo_span connect_properties(struct table *t, struct client *c, uint8_t *room)
{
    static const uint32_t lives[] = {0, 1, 60, UINT32_MAX};
    unsigned pick = choice(t);
    struct elo_mqtt_property_writer w = elo_mqtt_properties_into(room, sizeof rooms[0]);
    put_number(&w, (pick & 1) != 0, ELO_MQTT_PROP_SESSION_EXPIRY, lives[pick >> 1 & 3]);
    c->receive_max = (pick & 8) != 0 ? (uint16_t)(1 + (pick >> 6)) : UINT16_MAX;
    put_number(&w, (pick & 8) != 0, ELO_MQTT_PROP_RECEIVE_MAXIMUM, c->receive_max);
    c->packet_max = (pick & 16) != 0 ? 10 + 50 * (pick >> 5) : UINT32_MAX;
    put_number(&w, (pick & 16) != 0, ELO_MQTT_PROP_MAXIMUM_PACKET, c->packet_max);
    put_number(&w, (pick & 32) != 0, ELO_MQTT_PROP_REQUEST_PROBLEM_INFO, 0);
    return elo_mqtt_properties_done(&w);
}

/* Of a PUBLISH, or with `will` of one. */
static elo_span message_properties(struct table *t, uint8_t *room, bool will)
{
    static const uint32_t lives[] = {0, 1, 60, UINT32_MAX};
    unsigned pick = choice(t);
    struct elo_mqtt_property_writer w = elo_mqtt_properties_into(room, sizeof rooms[0]);
    put_number(&w, (pick & 1) != 0, ELO_MQTT_PROP_MESSAGE_EXPIRY, lives[pick >> 1 & 3]);
    put_number(&w, will && (pick & 8) != 0, ELO_MQTT_PROP_WILL_DELAY, pick >> 4);
    put_number(&w, !will && (pick & 8) != 0, ELO_MQTT_PROP_ALIAS, pick >> 4 & 3);
    if ((pick & 64) != 0) {
        elo_mqtt_put_user(&w, ELO_SPAN("name"), elo_span_of(big, pick == 255 ? 8190 : 9));
    }
    if ((pick & 128) != 0) {
        elo_mqtt_put_text(&w, ELO_MQTT_PROP_CORRELATION_DATA, elo_span_of(big, pick));
    }
    return elo_mqtt_properties_done(&w);
}

static void begin(struct client *c, uint8_t level)
{
    if (c->level == 0) {
        c->level = level;
        c->packet_max = UINT32_MAX;
        c->receive_max = UINT16_MAX;
    }
}

static void step_connect(struct table *t, struct client *c)
{
    static const char *const ids[] = {"x", "y", "", "denied"};
    unsigned pick = choice(t);
    bool five = (choice(t) & 1) != 0;
    bool first = c->level == 0;
    struct client said = {0};
    struct elo_mqtt_connect connect = {.level = five ? ELO_MQTT_5 : ELO_MQTT_3_1_1,
                                       .client_id = elo_span_str(ids[pick & 3]),
                                       .clean_session = (pick & 4) != 0,
                                       .has_will = (pick & 8) != 0,
                                       .keep_alive_s = (uint16_t)(pick & 16 ? 0 : 30)};
    connect.will = (struct elo_mqtt_will){.topic = topic_of(pick >> 5),
                                          .payload = payload_of(pick >> 6),
                                          .qos = (uint8_t)(pick >> 7),
                                          .retain = (pick & 64) != 0};
    step_open(t, c);
    begin(c, connect.level);
    if (five) {
        connect.properties = connect_properties(t, &said, rooms[0]);
        connect.will.properties = message_properties(t, rooms[1], true);
        c->packet_max = first ? said.packet_max : c->packet_max;
        c->receive_max = first ? said.receive_max : c->receive_max;
    }
    size_t len = 0;
    elo_err err = five ? elo_mqtt5_encode_connect(&connect, NONE, packet, sizeof packet, &len)
                       : elo_mqtt_encode_connect(&connect, packet, sizeof packet, &len);
    if (err != ELO_OK || c->conn == NULL) {
        c->level = first ? 0 : c->level; /* it has not said that */
        return;
    }
    send_packet(t, c, err, len);
}

static void step_publish(struct table *t, struct client *c)
{
    unsigned pick = choice(t);
    unsigned more = choice(t);
    struct elo_mqtt_publish publish = {.topic = topic_of(pick),
                                       .payload = payload_of(pick >> 3),
                                       .qos = (uint8_t)(more & 3) % 3,
                                       .retain = (more & 4) != 0,
                                       .packet_id = (uint16_t)(more + 1)};
    bool five = c->level == ELO_MQTT_5;
    if (five) {
        publish.properties = message_properties(t, rooms[0], false);
        publish.topic.len = pick % 16 == 15 ? 0 : publish.topic.len; /* by its alias */
    }
    size_t len = 0;
    elo_err err = five ? elo_mqtt5_encode_publish(&publish, NONE, packet, sizeof packet, &len)
                       : elo_mqtt_encode_publish(&publish, packet, sizeof packet, &len);
    for (unsigned i = 0; i <= (more >> 5) * 8; i++) {
        send_packet(t, c, err, len);
    }
}

static void step_subscribe(struct table *t, struct client *c)
{
    struct elo_mqtt_subscription subs[10];
    unsigned count = 1 + choice(t) % 10;
    for (unsigned i = 0; i < count; i++) {
        unsigned pick = choice(t);
        subs[i] = (struct elo_mqtt_subscription){.filter = filter_of(pick),
                                                 .qos = pick > 250 ? 2 : pick >> 4 & 1,
                                                 .no_local = (pick & 0x60) == 0x60,
                                                 .retain_as_published = (pick & 0x40) != 0,
                                                 .retain_handling = (pick >> 5 & 3) % 3};
    }
    size_t len = 0;
    elo_err err =
        c->level == ELO_MQTT_5
            ? elo_mqtt5_encode_subscribe(1, NONE, subs, count, packet, sizeof packet, &len)
            : elo_mqtt_encode_subscribe(1, subs, count, packet, sizeof packet, &len);
    send_packet(t, c, err, len);
}

static void step_unsubscribe(struct table *t, struct client *c)
{
    elo_span filter = filter_of(choice(t));
    size_t len = 0;
    elo_err err =
        c->level == ELO_MQTT_5
            ? elo_mqtt5_encode_unsubscribe(1, NONE, &filter, 1, packet, sizeof packet, &len)
            : elo_mqtt_encode_unsubscribe(1, &filter, 1, packet, sizeof packet, &len);
    send_packet(t, c, err, len);
}

static void step_puback(struct table *t, struct client *c)
{
    unsigned pick = choice(t);
    uint16_t id = pick < 200 && c->last_id != 0 ? c->last_id : (uint16_t)(pick + 1);
    size_t len = 0;
    elo_err err = elo_mqtt_encode_ack(ELO_MQTT_PUBACK, id, packet, sizeof packet, &len);
    count_out(c, id);
    send_packet(t, c, err, len);
}

static void step_disconnect(struct table *t, struct client *c)
{
    unsigned pick = choice(t);
    struct elo_mqtt_property_writer w = elo_mqtt_properties_into(rooms[0], sizeof rooms[0]);
    struct elo_mqtt_disconnect disconnect = {.code = (pick & 1) != 0 ? 4 : 0};
    put_number(&w, (pick & 2) != 0, ELO_MQTT_PROP_SESSION_EXPIRY, pick >> 2);
    disconnect.properties = elo_mqtt_properties_done(&w);
    size_t len = 0;
    elo_err err = c->level == ELO_MQTT_5
                      ? elo_mqtt5_encode_disconnect(ELO_MQTT_DISCONNECT, &disconnect, packet,
                                                    sizeof packet, &len)
                      : elo_mqtt_encode_empty(ELO_MQTT_DISCONNECT, packet, sizeof packet, &len);
    send_packet(t, c, err, len);
}

static void step_empty(struct table *t, struct client *c)
{
    elo_mqtt_type type = choice(t) % 8 == 0 ? ELO_MQTT_DISCONNECT : ELO_MQTT_PINGREQ;
    size_t len = 0;
    elo_err err = elo_mqtt_encode_empty(type, packet, sizeof packet, &len);
    send_packet(t, c, err, len);
}

static void step_raw(struct table *t, struct client *c)
{
    size_t len = choice(t);
    len = len < t->in.len ? len : t->in.len;
    if (c->conn != NULL) {
        c->wild = true;
        broker_input(c->conn, elo_span_first(t->in, len), t->now);
    }
    t->in = elo_span_from(t->in, len);
}

static void step_break(struct table *t, struct client *c)
{
    close_client(t, c, ELO_E_TCP_CLOSED);
}

static void step_deaf(struct table *t, struct client *c)
{
    c->deaf = !c->deaf;
    if (c->conn != NULL) {
        fetch(t, c, choice(t));
    }
}

static void step_time(struct table *t, struct client *c)
{
    static const int64_t spans[] = {1, 1000, 30000, 45000, 600000, 3600000, 10, 0};
    (void)c;
    t->now.mono_ms += spans[choice(t) % 8];
    broker_tick(t->broker, t->now);
    CHECK(broker_deadline(t->broker) > t->now.mono_ms);
}

static void step_api(struct table *t, struct client *c)
{
    unsigned pick = choice(t);
    (void)c;
    (void)!broker_publish(t->broker, topic_of(pick), payload_of(pick >> 3), (uint8_t)(pick >> 7),
                          (pick & 64) != 0, t->now);
}

static void step_memory(struct table *t, struct client *c)
{
    (void)c;
    mem_fail_at((long)choice(t) % 16);
}

static void (*const steps[])(struct table *t, struct client *c) = {
    step_connect, step_publish, step_subscribe, step_unsubscribe, step_puback,
    step_empty,   step_raw,     step_break,     step_deaf,        step_time,
    step_api,     step_memory,  step_open,      step_disconnect,
};

/* --- one input --------------------------------------------------------------------------------
 */

static void check_counts(struct table *t)
{
    struct broker_stats stats;
    uint64_t open = 0;
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        open += t->clients[i].conn != NULL;
    }
    broker_stats(t->broker, &stats);
    CHECK(stats.connections == open);
    CHECK(stats.subscriptions <= stats.sessions * 50);
    CHECK(stats.retained <= 8);
}

static void everybody_leaves(struct table *t)
{
    struct broker_stats stats;
    mem_fail_at(0);
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        close_client(t, &t->clients[i], ELO_E_TCP_CLOSED);
    }
    t->now.mono_ms += 3600000;
    broker_tick(t->broker, t->now);
    t->now.mono_ms += 604800000; /* the longest that a retained message with an end lives */
    broker_tick(t->broker, t->now);
    broker_stats(t->broker, &stats);
    CHECK(stats.connections == 0 && stats.sessions == 0 && stats.subscriptions == 0);
    CHECK(broker_deadline(t->broker) == INT64_MAX);
    CHECK(broker_next_ready(t->broker) == NULL);
    broker_destroy(t->broker);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct table t = {.in = elo_span_of(data, len), .now = {.mono_ms = 1, .wall_ms = 1}};
    struct limits limits;
    struct broker_config config = {.random = {.fill = fill}, .limits = &limits};
    unsigned first = choice(&t);
    limits_unthrottled(&limits);
    limits.stored_out = first & 3;
    limits.shared_out = first >> 2 & 3;
    config.compat.will_delay = (first & 16) != 0;
    t.broker = broker_create(&config, auth);
    CHECK(t.broker != NULL);
    for (unsigned i = 0; i < STEPS_MAX && t.in.len > 0; i++) {
        unsigned what = choice(&t);
        struct client *c = &t.clients[what % CONNECTIONS];
        steps[what / CONNECTIONS % (sizeof steps / sizeof steps[0])](&t, c);
        pump(&t);
        check_counts(&t);
    }
    everybody_leaves(&t);
    return 0;
}
