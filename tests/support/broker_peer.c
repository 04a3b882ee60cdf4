// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "tests/support/broker_peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "elo/mqtt/decode.h"
#include "elo/mqtt/encode.h"
#include "errors/explain.h"
#include "server/registry/registry.h"
#include "server/store/store.h"
#include "tests/support/broker_text.h"

#define BIG   400000u
#define LARGE 4096u /* packets from here on are chopped coarsely: a test must end */

static void must_aws(aws_error error, const struct aws_fault *fault)
{
    if (error != AWS_OK) {
        fprintf(stderr, "broker_peer: %s: %s\n", aws_error_name(error), fault->message);
        abort();
    }
}

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "broker_peer: %s\n", what);
        abort();
    }
}

/* --- the house ----------------------------------------------------------------------------------
 */

static const char policy_all[] =
    "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"iot:*\","
    "\"Resource\":\"*\"}]}";

#define ARN "arn:aws:iot:eu-west-1:111122223333:"

const char house_policy_lamp[] =
    "{\"Version\":\"2012-10-17\",\"Statement\":["
    "{\"Effect\":\"Allow\",\"Action\":\"iot:Connect\",\"Resource\":\"" ARN "client/lamp*\"},"
    "{\"Effect\":\"Allow\",\"Action\":[\"iot:Publish\",\"iot:Receive\"],"
    "\"Resource\":\"" ARN "topic/lamp/*\"},"
    "{\"Effect\":\"Allow\",\"Action\":\"iot:Subscribe\","
    "\"Resource\":\"" ARN "topicfilter/lamp/*\"},"
    "{\"Effect\":\"Deny\",\"Action\":\"iot:Receive\","
    "\"Resource\":\"" ARN "topic/lamp/secret\"}]}";

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Random that is the same every time. */
static void fill(void *ctx, void *out, size_t len)
{
    uint64_t *seed = ctx;
    uint8_t *at = out;
    for (size_t i = 0; i < len; i++) {
        at[i] = (uint8_t)(next_random(seed) >> 24);
    }
}

static uint64_t house_seed = 0x123456789abcdef;

static void add_certificate(struct house *h, enum certificate_name who, const char *policy)
{
    struct aws_fault fault;
    struct certificate_new fresh = {.id = elo_span_str(h->ids[who]),
                                    .pem = ELO_SPAN("-----BEGIN CERTIFICATE-----\n"),
                                    .status = CERTIFICATE_ACTIVE,
                                    .mode = ELO_SPAN("DEFAULT"),
                                    .not_after_s = INT64_MAX / 1000000};
    const struct certificate *made;
    must_aws(registry_register_certificate(h->registry, &fresh, 0, &made, &fault), &fault);
    if (policy == NULL) {
        return;
    }
    must_aws(registry_attach_policy(h->registry, elo_span_str(policy), made->arn, &fault), &fault);
}

static void add_policy(struct house *h, const char *name, const char *document)
{
    struct aws_fault fault;
    must_aws(registry_create_policy(h->registry, elo_span_str(name), elo_span_str(document), 0,
                                    NULL, &fault),
             &fault);
}

static void open_registry(struct house *h)
{
    char path[96];
    char why[256];
    snprintf(path, sizeof path, "%s/elo.db", h->folder);
    struct store_config store = {.path = path};
    must(store_open(&store, &h->store, why, sizeof why) == ELO_OK, "no store");
    struct registry_config config = {.region = "eu-west-1",
                                     .account = "111122223333",
                                     .random = {.fill = fill, .ctx = &house_seed}};
    must(registry_create(&config, h->store, &h->registry) == ELO_OK, "no registry");
    h->auth = authorizer_create(h->registry);
    must(h->auth != NULL, "no authorizer");
}

void house_open(struct house *h)
{
    memset(h, 0, sizeof *h);
    snprintf(h->folder, sizeof h->folder, "/tmp/elo-broker-XXXXXX");
    must(mkdtemp(h->folder) != NULL, "no folder");
    for (unsigned i = 0; i < CERTIFICATES; i++) {
        memset(h->ids[i], "0123456789abcdef"[i + 10], 64);
    }
    open_registry(h);
    add_policy(h, "all", policy_all);
    add_policy(h, "lamp", house_policy_lamp);
    add_certificate(h, CERTIFICATE_all, "all");
    add_certificate(h, CERTIFICATE_lamp, "lamp");
    add_certificate(h, CERTIFICATE_bare, NULL);
}

void house_shut(struct house *h)
{
    authorizer_destroy(h->auth);
    registry_destroy(h->registry);
    store_close(h->store);
}

void house_open_again(struct house *h)
{
    open_registry(h);
}

void house_close(struct house *h)
{
    static const char *const files[] = {"elo.db", "elo.db-wal", "elo.db-shm"};
    house_shut(h);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[96];
        snprintf(path, sizeof path, "%s/%s", h->folder, files[i]);
        unlink(path);
    }
    rmdir(h->folder);
}

void house_set_policy(struct house *h, const char *policy, const char *document)
{
    struct aws_fault fault;
    elo_span name = elo_span_str(policy);
    const struct policy_record *record = registry_policy(h->registry, name);
    must(record != NULL, "no such policy");
    int64_t old = record->default_version;
    int64_t fresh;
    must_aws(registry_create_policy_version(h->registry, name, elo_span_str(document), true, 0,
                                            NULL, &fresh, &fault),
             &fault);
    must_aws(registry_delete_policy_version(h->registry, name, old, 0, &fault), &fault);
}

void house_set_status(struct house *h, enum certificate_name who, enum certificate_status status)
{
    struct aws_fault fault;
    must_aws(registry_update_certificate(h->registry, elo_span_str(h->ids[who]), status, 0, &fault),
             &fault);
}

/* --- the desk -----------------------------------------------------------------------------------
 */

static void record(void *ctx, const struct log_record *r)
{
    struct desk *d = ctx;
    snprintf(d->records[d->record_count++ % DESK_RECORDS].text, sizeof d->records[0].text,
             "%s %s %.*s %.*s \"%.*s\" %.*s", r->event_type,
             r->err == ELO_OK ? "ELO_OK" : elo_explain(r->err)->name, (int)r->reason.len,
             r->reason.len ? (const char *)r->reason.ptr : "", (int)r->topic.len,
             r->topic.len ? (const char *)r->topic.ptr : "", (int)r->details.len,
             r->details.len ? (const char *)r->details.ptr : "", (int)r->client_id.len,
             r->client_id.len ? (const char *)r->client_id.ptr : "");
}

void desk_open(struct desk *d, struct house *h, const struct compat *compat)
{
    desk_open_limited(d, h, compat, NULL);
}

static void open_desk(struct desk *d,
                      struct house *h,
                      const struct compat *compat,
                      const struct limits *limits,
                      struct store *store)
{
    memset(d, 0, sizeof *d);
    d->house = h;
    d->seed = 0xfeedface;
    d->now = (struct core_time){.mono_ms = 1000, .wall_ms = 1767323045000};
    d->log = (struct log){.sink = record, .ctx = d, .level = LOG_DEBUG};
    struct broker_config config = {.limits = limits,
                                   .log = &d->log,
                                   .random = {.fill = fill, .ctx = &d->seed},
                                   .store = store};
    if (compat != NULL) {
        config.compat = *compat;
    }
    d->broker = broker_create(&config, h->auth);
    must(d->broker != NULL, "no broker");
}

void desk_open_limited(struct desk *d,
                       struct house *h,
                       const struct compat *compat,
                       const struct limits *limits)
{
    open_desk(d, h, compat, limits, NULL);
}

void desk_open_stored(struct desk *d, struct house *h, const struct limits *limits, int64_t wall_ms)
{
    open_desk(d, h, NULL, limits, h->store);
    d->stored = true;
    d->now.wall_ms = wall_ms != 0 ? wall_ms : d->now.wall_ms;
    must(broker_restore(d->broker, d->now) == ELO_OK, "what was stored cannot be read");
    desk_disk(d);
}

void desk_disk(struct desk *d)
{
    struct store_progress progress;
    broker_commit(d->broker);
    store_poll(d->house->store, &progress);
    if (progress.failed != 0) {
        must(registry_reload(d->house->registry) == ELO_OK, "the registry cannot be read");
    }
    broker_stored(d->broker, &progress, d->now);
}

void desk_close(struct desk *d)
{
    while (d->peers != NULL) {
        peer_forget(d->peers);
    }
    broker_destroy(d->broker);
}

bool desk_logged(const struct desk *d, const char *text)
{
    for (size_t i = 0; i < d->record_count && i < DESK_RECORDS; i++) {
        if (strstr(d->records[i].text, text) != NULL) {
            return true;
        }
    }
    return false;
}

struct broker_stats desk_stats(const struct desk *d)
{
    struct broker_stats stats;
    broker_stats(d->broker, &stats);
    return stats;
}

void desk_wait(struct desk *d, int64_t ms)
{
    int64_t until = d->now.mono_ms + ms;
    for (;;) {
        int64_t due = broker_deadline(d->broker);
        int64_t step = due < until ? due : until;
        step = step > d->now.mono_ms ? step - d->now.mono_ms : 0;
        d->now.mono_ms += step;
        d->now.wall_ms += step;
        broker_tick(d->broker, d->now);
        desk_pump(d);
        if (due > until) {
            return;
        }
    }
}

/* --- what peers get -----------------------------------------------------------------------------
 */

static void into_inbox(struct peer *p, elo_span packet)
{
    struct elo_mqtt_packet in;
    must(elo_mqtt_decode_as(p->level, packet, &in) == ELO_OK, "the broker sends what is no packet");
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    must(out != NULL, "no memory");
    uint16_t id = broker_text(out, &in, p->level, p->desk->reasons);
    fclose(out);
    p->inbox = realloc(p->inbox, (p->inbox_count + 1) * sizeof *p->inbox);
    must(p->inbox != NULL, "no memory");
    p->inbox[p->inbox_count].text = text;
    p->inbox[p->inbox_count++].id = id;
    if (id != 0) {
        p->acks[p->ack_count++ % 256] = id;
    }
}

static void receive(struct peer *p, elo_span bytes)
{
    p->bytes = realloc(p->bytes, p->byte_count + bytes.len);
    must(p->bytes != NULL, "no memory");
    memcpy(p->bytes + p->byte_count, bytes.ptr, bytes.len);
    p->byte_count += bytes.len;
    elo_span rest = elo_span_of(p->bytes, p->byte_count);
    struct elo_mqtt_frame frame;
    while (elo_mqtt_frame(rest, UINT32_MAX, &frame) == ELO_OK && frame.total <= rest.len) {
        into_inbox(p, elo_span_first(rest, frame.total));
        rest = elo_span_from(rest, frame.total);
    }
    p->byte_count = rest.len;
    memmove(p->bytes, rest.ptr, rest.len);
}

/* Takes output in few pieces and acknowledges it at odd places, as sockets do. */
static void fetch(struct peer *p)
{
    elo_span pieces[3];
    size_t count;
    while ((count = broker_output(p->conn, pieces, 3)) > 0) {
        size_t sent = 0;
        for (size_t i = 0; i < count; i++) {
            size_t len = i + 1 == count && pieces[i].len > 1 ? pieces[i].len / 2 : pieces[i].len;
            receive(p, elo_span_first(pieces[i], len));
            sent += len;
        }
        broker_output_ack(p->conn, sent, p->desk->now);
    }
}

static void close_by_broker(struct peer *p)
{
    p->reason = broker_close_reason(p->conn);
    p->closed_by_broker = true;
    p->left = broker_output_bytes(p->conn);
    broker_closed(p->conn, ELO_OK, p->desk->now);
    p->conn = NULL;
}

static struct broker_conn *next_ready(struct desk *d)
{
    struct broker_conn *c = broker_next_ready(d->broker);
    if (c == NULL && d->stored && !d->slow) {
        desk_disk(d);
        c = broker_next_ready(d->broker);
    }
    return c;
}

void desk_pump(struct desk *d)
{
    struct broker_conn *c;
    while ((c = next_ready(d)) != NULL) {
        struct peer *p = broker_user(c);
        if (!p->deaf) {
            fetch(p);
        }
        if (broker_wants_close(c)) {
            close_by_broker(p);
        }
    }
}

const char *peer_take(struct peer *p)
{
    return p->inbox_taken < p->inbox_count ? p->inbox[p->inbox_taken++].text : NULL;
}

void peer_clear(struct peer *p)
{
    p->inbox_taken = p->inbox_count;
}

/* --- what peers do ------------------------------------------------------------------------------
 */

struct peer *peer_open(struct desk *d, const char *name, enum certificate_name who, elo_err refused)
{
    struct auth_peer facts = {.certificate_id = elo_span_str(d->house->ids[who]),
                              .source_ip = ELO_SPAN("192.0.2.44"),
                              .source_port = 49152};
    if (who == CERTIFICATE_stranger) {
        facts.certificate_der = d->house->stranger_der;
    }
    return peer_open_as(d, name, &facts, refused);
}

struct peer *
peer_open_as(struct desk *d, const char *name, const struct auth_peer *facts, elo_err refused)
{
    struct broker_conn *conn = broker_open(d->broker, facts, refused, d->now);
    if (conn == NULL) {
        return NULL;
    }
    struct peer *p = calloc(1, sizeof *p);
    must(p != NULL, "no memory");
    p->desk = d;
    p->conn = conn;
    p->next = d->peers;
    d->peers = p;
    snprintf(p->name, sizeof p->name, "%s", name);
    broker_set_user(conn, p);
    return p;
}

struct peer *peer_find(struct desk *d, const char *name)
{
    struct peer *p = d->peers;
    while (p != NULL && strcmp(p->name, name) != 0) {
        p = p->next;
    }
    return p;
}

void peer_drop(struct peer *p)
{
    if (p->conn != NULL) {
        broker_closed(p->conn, ELO_E_TCP_CLOSED, p->desk->now);
        p->conn = NULL;
        desk_pump(p->desk);
    }
}

void peer_forget(struct peer *p)
{
    peer_drop(p);
    struct peer **at = &p->desk->peers;
    while (*at != p) {
        at = &(*at)->next;
    }
    *at = p->next;
    for (size_t i = 0; i < p->inbox_count; i++) {
        free(p->inbox[i].text);
    }
    free(p->inbox);
    free(p->bytes);
    free(p);
}

void peer_hear(struct peer *p)
{
    p->deaf = false;
    if (p->conn != NULL) {
        fetch(p);
        desk_pump(p->desk);
    }
}

/* The first packet says in its CONNECT which version is spoken from now on. */
static void note_level(struct peer *p, elo_span bytes)
{
    const uint8_t *name = memmem(bytes.ptr, bytes.len < 16 ? bytes.len : 16, "\0\4MQTT", 6);
    if (p->level == 0) {
        bool five = name != NULL && name + 6 < bytes.ptr + bytes.len && name[6] == ELO_MQTT_5;
        p->level = five ? ELO_MQTT_5 : ELO_MQTT_3_1_1;
    }
}

void peer_send(struct peer *p, elo_span bytes)
{
    note_level(p, bytes);
    size_t chop = p->chop * (bytes.len > LARGE ? LARGE : 1);
    while (bytes.len > 0 && p->conn != NULL) {
        size_t n = chop > 0 && chop < bytes.len ? chop : bytes.len;
        broker_input(p->conn, elo_span_first(bytes, n), p->desk->now);
        bytes = elo_span_from(bytes, n);
        desk_pump(p->desk);
    }
}

void peer_connect(struct peer *p, const char *client_id, bool clean)
{
    struct elo_mqtt_connect c = {.level = 4,
                                 .clean_session = clean,
                                 .keep_alive_s = 1200,
                                 .client_id = elo_span_str(client_id)};
    uint8_t packet[300];
    size_t len;
    must(elo_mqtt_encode_connect(&c, packet, sizeof packet, &len) == ELO_OK, "no CONNECT");
    peer_send(p, elo_span_of(packet, len));
    (void)peer_take(p);
}

void peer_publish(struct peer *p, const char *topic, const char *payload, unsigned qos, uint16_t id)
{
    struct elo_mqtt_publish m = {.topic = elo_span_str(topic),
                                 .payload = elo_span_str(payload),
                                 .packet_id = id,
                                 .qos = (uint8_t)qos};
    static uint8_t packet[BIG];
    size_t len;
    must(elo_mqtt_encode_publish(&m, packet, sizeof packet, &len) == ELO_OK, "no PUBLISH");
    peer_send(p, elo_span_of(packet, len));
}

void peer_subscribe(struct peer *p, const char *filter, unsigned qos)
{
    struct elo_mqtt_subscription sub = {.filter = elo_span_str(filter), .qos = (uint8_t)qos};
    uint8_t packet[600];
    size_t len;
    must(elo_mqtt_encode_subscribe(1, &sub, 1, packet, sizeof packet, &len) == ELO_OK,
         "no SUBSCRIBE");
    peer_send(p, elo_span_of(packet, len));
    (void)peer_take(p);
}

void peer_puback(struct peer *p)
{
    uint8_t packet[4];
    size_t len;
    must(p->ack_done < p->ack_count, "nothing to acknowledge");
    uint16_t id = p->acks[p->ack_done++ % 256];
    must(elo_mqtt_encode_ack(ELO_MQTT_PUBACK, id, packet, sizeof packet, &len) == ELO_OK,
         "no PUBACK");
    peer_send(p, elo_span_of(packet, len));
}
