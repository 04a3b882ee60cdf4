// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "tests/support/broker_script.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "elo/mqtt/encode.h"
#include "errors/explain.h"
#include "tests/support/broker_text.h"

#define WORDS_MAX  40u
#define PACKET_MAX 400000u

struct run {
    struct desk *desk;
    struct house *house;
    const struct script_options *options;
    struct compat compat;
    struct limits limits;
    bool open;
    char *complaint; /* the first; NULL: none */
    char *words[WORDS_MAX];
    size_t count;
    struct peer *peer; /* whom the line is about */
};

/* --- loading ------------------------------------------------------------------------------------
 */

static void *must(void *p)
{
    if (p == NULL) {
        perror("broker_script");
        abort();
    }
    return p;
}

static void add_case(struct script *s, const char *line, size_t number)
{
    s->cases = must(realloc(s->cases, (s->count + 1) * sizeof *s->cases));
    struct script_case *c = &s->cases[s->count++];
    *c = (struct script_case){.first_line = number + 1};
    snprintf(c->name, sizeof c->name, "%.*s", (int)strcspn(line + 1, "]\n"), line + 1);
}

static void add_line(struct script *s, const char *line)
{
    struct script_case *c = &s->cases[s->count - 1];
    c->lines = must(realloc(c->lines, (c->count + 1) * sizeof *c->lines));
    c->lines[c->count++] = must(strndup(line, strcspn(line, "\n")));
}

void script_load(struct script *s, const char *path)
{
    *s = (struct script){0};
    FILE *in = must(fopen(path, "r"));
    char line[2000];
    for (size_t number = 1; fgets(line, sizeof line, in) != NULL; number++) {
        if (line[0] == '[') {
            add_case(s, line, number);
        } else if (s->count > 0) {
            add_line(s, line);
        }
    }
    fclose(in);
}

void script_free(struct script *s)
{
    for (size_t i = 0; i < s->count; i++) {
        for (size_t j = 0; j < s->cases[i].count; j++) {
            free(s->cases[i].lines[j]);
        }
        free(s->cases[i].lines);
    }
    free(s->cases);
}

/* --- words --------------------------------------------------------------------------------------
 */

static void complain(struct run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void complain(struct run *r, const char *format, ...)
{
    if (r->complaint != NULL || r->options->lenient) {
        return;
    }
    va_list args;
    va_start(args, format);
    if (vasprintf(&r->complaint, format, args) < 0) {
        abort();
    }
    va_end(args);
}

static const char *word(const struct run *r, size_t i)
{
    return i < r->count ? r->words[i] : "";
}

static unsigned number(const struct run *r, size_t i)
{
    return (unsigned)strtoul(word(r, i), NULL, 10);
}

static bool has_word(const struct run *r, const char *text)
{
    for (size_t i = 0; i < r->count; i++) {
        if (strcmp(r->words[i], text) == 0) {
            return true;
        }
    }
    return false;
}

/* What follows "NAME=" in some word; NULL: there is none. */
static const char *option(const struct run *r, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < r->count; i++) {
        if (strncmp(r->words[i], name, len) == 0 && r->words[i][len] == '=') {
            return r->words[i] + len + 1;
        }
    }
    return NULL;
}

/* "-" is nothing, "x*300" is 300 times x, anything else is itself. Lives as long as the run's line:
 * there are few, and each keeps a buffer of its own. */
static elo_span text_of(const char *text)
{
    static uint8_t rooms[16][PACKET_MAX];
    static unsigned turn;
    size_t len = strlen(text);
    if (strcmp(text, "-") == 0) {
        return elo_span_of(NULL, 0);
    }
    if (len < 3 || text[1] != '*') {
        return elo_span_of(text, len);
    }
    uint8_t *room = rooms[turn++ % 16];
    size_t n = strtoul(text + 2, NULL, 10);
    memset(room, text[0], n);
    return elo_span_of(room, n);
}

static elo_err error_of(const char *name)
{
    const struct elo_reason *reason;
    for (unsigned i = 0; (reason = elo_reason_at(i)) != NULL; i++) {
        if (strcmp(reason->name, name) == 0) {
            return reason->code;
        }
    }
    return ELO_OK;
}

/* --- what peers send ----------------------------------------------------------------------------
 */

#define NONE elo_span_of(NULL, 0)

static uint8_t packet[PACKET_MAX];

static bool speaks_5(const struct run *r)
{
    return r->peer->level == ELO_MQTT_5;
}

static void send_packet(struct run *r, elo_err err, size_t len)
{
    if (err != ELO_OK) {
        complain(r, "no packet could be made of it");
        return;
    }
    peer_send(r->peer, elo_span_of(packet, len));
}

/* will=TOPIC:PAYLOAD:QOS:RETAIN */
static void read_will(const char *text, struct elo_mqtt_connect *c, char room[4][600])
{
    for (unsigned i = 0; i < 4; i++) {
        size_t len = strcspn(text, ":");
        snprintf(room[i], 600, "%.*s", (int)len, text);
        text += len + (text[len] != '\0');
    }
    c->has_will = true;
    c->will.topic = text_of(room[0]);
    c->will.payload = text_of(room[1]);
    c->will.qos = (uint8_t)strtoul(room[2], NULL, 10);
    c->will.retain = room[3][0] == '1';
}

/* The properties that the words from `first` on mean; in `room`. */
static elo_span properties_of(const struct run *r, size_t first, uint8_t *room, size_t cap)
{
    struct elo_mqtt_property_writer w = elo_mqtt_properties_into(room, cap);
    for (size_t i = first; i < r->count; i++) {
        (void)broker_text_property(&w, r->words[i]);
    }
    return elo_mqtt_properties_done(&w);
}

/* Words that begin with "will_" mean properties of the will. */
static elo_span will_properties_of(const struct run *r, uint8_t *room, size_t cap)
{
    struct elo_mqtt_property_writer w = elo_mqtt_properties_into(room, cap);
    for (size_t i = 2; i < r->count; i++) {
        if (strncmp(r->words[i], "will_", 5) == 0) {
            (void)broker_text_property(&w, r->words[i] + 5);
        }
    }
    return elo_mqtt_properties_done(&w);
}

static uint8_t rooms[2][PACKET_MAX / 2];

static void do_connect(struct run *r)
{
    char room[4][600];
    const char *keep_alive = option(r, "keep_alive");
    bool five = has_word(r, "v5");
    struct elo_mqtt_connect c = {.level = five ? ELO_MQTT_5 : ELO_MQTT_3_1_1,
                                 .clean_session = !has_word(r, "persistent"),
                                 .keep_alive_s = 1200,
                                 .client_id = text_of(word(r, 2))};
    if (keep_alive != NULL) {
        c.keep_alive_s = (uint16_t)strtoul(keep_alive, NULL, 10);
    }
    if (option(r, "will") != NULL) {
        read_will(option(r, "will"), &c, room);
        c.will.properties = will_properties_of(r, rooms[1], sizeof rooms[1]);
    }
    if (option(r, "username") != NULL) {
        c.has_username = c.has_password = true;
        c.username = c.password = elo_span_str(option(r, "username"));
    }
    c.properties = properties_of(r, 3, rooms[0], sizeof rooms[0]);
    size_t len;
    elo_err err = five ? elo_mqtt5_encode_connect(&c, NONE, packet, sizeof packet, &len)
                       : elo_mqtt_encode_connect(&c, packet, sizeof packet, &len);
    send_packet(r, err, len);
}

/* PUBLISH TOPIC PAYLOAD [qos1=ID] [qos2=ID] [retain] [dup] [PROPERTY=VALUE ...] */
static void do_publish(struct run *r)
{
    struct elo_mqtt_publish p = {.topic = text_of(word(r, 2)),
                                 .payload = text_of(word(r, 3)),
                                 .retain = has_word(r, "retain"),
                                 .dup = has_word(r, "dup")};
    for (uint8_t qos = 1; qos <= 2; qos++) {
        const char *id = option(r, qos == 1 ? "qos1" : "qos2");
        if (id != NULL) {
            p.qos = qos;
            p.packet_id = (uint16_t)strtoul(id, NULL, 10);
        }
    }
    p.properties = properties_of(r, 4, rooms[0], sizeof rooms[0]);
    size_t len;
    elo_err err = speaks_5(r) ? elo_mqtt5_encode_publish(&p, NONE, packet, sizeof packet, &len)
                              : elo_mqtt_encode_publish(&p, packet, sizeof packet, &len);
    send_packet(r, err, len);
}

/* QOS[,no-local][,as-published][,if-new|,never] */
static struct elo_mqtt_subscription subscription_of(const char *filter, const char *how)
{
    struct elo_mqtt_subscription s = {.filter = text_of(filter),
                                      .qos = (uint8_t)strtoul(how, NULL, 10)};
    s.no_local = strstr(how, ",no-local") != NULL;
    s.retain_as_published = strstr(how, ",as-published") != NULL;
    s.retain_handling = strstr(how, ",if-new") != NULL  ? ELO_MQTT_RETAINED_IF_NEW
                        : strstr(how, ",never") != NULL ? ELO_MQTT_RETAINED_NEVER
                                                        : ELO_MQTT_RETAINED_ALWAYS;
    return s;
}

/* SUBSCRIBE ID FILTER QOS [FILTER QOS ...] [PROPERTY=VALUE ...] */
static void do_subscribe(struct run *r)
{
    struct elo_mqtt_subscription subs[WORDS_MAX];
    size_t count = 0;
    size_t i = 3;
    for (; i + 1 < r->count && strchr(word(r, i), '=') == NULL; i += 2) {
        subs[count++] = subscription_of(word(r, i), word(r, i + 1));
    }
    elo_span properties = properties_of(r, i, rooms[0], sizeof rooms[0]);
    uint16_t id = (uint16_t)number(r, 2);
    size_t len;
    elo_err err =
        speaks_5(r)
            ? elo_mqtt5_encode_subscribe(id, properties, subs, count, packet, sizeof packet, &len)
            : elo_mqtt_encode_subscribe(id, subs, count, packet, sizeof packet, &len);
    send_packet(r, err, len);
}

/* UNSUBSCRIBE ID FILTER ... [PROPERTY=VALUE ...] */
static void do_unsubscribe(struct run *r)
{
    elo_span filters[WORDS_MAX];
    size_t count = 0;
    size_t i = 3;
    for (; i < r->count && strchr(word(r, i), '=') == NULL; i++) {
        filters[count++] = text_of(word(r, i));
    }
    elo_span properties = properties_of(r, i, rooms[0], sizeof rooms[0]);
    uint16_t id = (uint16_t)number(r, 2);
    size_t len;
    elo_err err =
        speaks_5(r) ? elo_mqtt5_encode_unsubscribe(id, properties, filters, count, packet,
                                                   sizeof packet, &len)
                    : elo_mqtt_encode_unsubscribe(id, filters, count, packet, sizeof packet, &len);
    send_packet(r, err, len);
}

/* PUBACK: the oldest that has not been acknowledged; PUBACK ID: this one. */
static void do_puback(struct run *r)
{
    if (r->count > 2) {
        size_t len;
        elo_err err = elo_mqtt_encode_ack(ELO_MQTT_PUBACK, (uint16_t)number(r, 2), packet,
                                          sizeof packet, &len);
        send_packet(r, err, len);
    } else if (r->peer->ack_done < r->peer->ack_count) {
        peer_puback(r->peer);
    } else {
        complain(r, "nothing to acknowledge");
    }
}

static void do_pingreq(struct run *r)
{
    peer_send(r->peer, elo_span_of("\xC0\x00", 2));
}

/* DISCONNECT [code=HEX] [PROPERTY=VALUE ...] */
static void do_disconnect(struct run *r)
{
    const char *code = option(r, "code");
    struct elo_mqtt_disconnect d = {.code = 0};
    if (!speaks_5(r)) {
        peer_send(r->peer, elo_span_of("\xE0\x00", 2));
        return;
    }
    d.code = (uint8_t)(code != NULL ? strtoul(code, NULL, 16) : 0);
    d.properties = properties_of(r, 2, rooms[0], sizeof rooms[0]);
    size_t len;
    elo_err err = elo_mqtt5_encode_disconnect(ELO_MQTT_DISCONNECT, &d, packet, sizeof packet, &len);
    send_packet(r, err, len);
}

/* Hex, words together. */
static void do_raw(struct run *r)
{
    size_t len = 0;
    for (size_t i = 2; i < r->count; i++) {
        for (const char *at = r->words[i]; at[0] != '\0' && at[1] != '\0'; at += 2) {
            char pair[3] = {at[0], at[1], '\0'};
            packet[len++] = (uint8_t)strtoul(pair, NULL, 16);
        }
    }
    send_packet(r, ELO_OK, len);
}

static void say(struct run *r)
{
    static const struct {
        const char *name;
        void (*send)(struct run *r);
    } table[] = {
        {"CONNECT", do_connect},         {"PUBLISH", do_publish}, {"SUBSCRIBE", do_subscribe},
        {"UNSUBSCRIBE", do_unsubscribe}, {"PUBACK", do_puback},   {"PINGREQ", do_pingreq},
        {"DISCONNECT", do_disconnect},   {"raw", do_raw},
    };
    if (r->peer->conn == NULL) {
        complain(r, "%s is closed", r->peer->name);
        return;
    }
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(table[i].name, word(r, 1)) == 0) {
            table[i].send(r);
            return;
        }
    }
    complain(r, "what is '%s'?", word(r, 1));
}

/* --- what is expected ---------------------------------------------------------------------------
 */

/* `rest`: the line after "NAME< ". */
static void expect(struct run *r, const char *rest)
{
    const char *got = peer_take(r->peer);
    if (got == NULL || strcmp(got, rest) != 0) {
        complain(r, "expected '%s', got '%s'", rest, got != NULL ? got : "nothing");
    }
}

static void expect_nothing(struct run *r, const struct peer *p)
{
    if (p->inbox_taken < p->inbox_count) {
        complain(r, "%s got '%s' as well", p->name, p->inbox[p->inbox_taken].text);
    }
}

static void expect_end(struct run *r)
{
    expect_nothing(r, r->peer);
    if (!r->peer->closed_by_broker) {
        complain(r, "%s is still connected", r->peer->name);
    } else if (r->peer->left > 0) {
        complain(r, "%zu bytes of output were left", r->peer->left);
    } else if (r->peer->reason != error_of(word(r, 1))) {
        complain(r, "%s was closed with %s", r->peer->name,
                 r->peer->reason == ELO_OK ? "ELO_OK" : elo_explain(r->peer->reason)->name);
    }
}

static uint64_t stat_of(const struct broker_stats *s, const char *name)
{
    const struct {
        const char *name;
        uint64_t value;
    } table[] = {
        {"connections", s->connections},
        {"sessions", s->sessions},
        {"subscriptions", s->subscriptions},
        {"retained", s->retained},
        {"connects", s->connects},
        {"connects_refused", s->connects_refused},
        {"publish_in", s->publish_in},
        {"publish_out", s->publish_out},
        {"dropped", s->dropped},
        {"expired", s->expired},
        {"publish_in_throttled", s->publish_in_throttled},
        {"publish_out_throttled", s->publish_out_throttled},
        {"connects_throttled", s->connects_throttled},
        {"subscribes_throttled", s->subscribes_throttled},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(table[i].name, name) == 0) {
            return table[i].value;
        }
    }
    return UINT64_MAX;
}

static void expect_stat(struct run *r)
{
    struct broker_stats stats = desk_stats(r->desk);
    uint64_t value = stat_of(&stats, word(r, 1));
    if (value != number(r, 2)) {
        complain(r, "%s is %llu", word(r, 1), (unsigned long long)value);
    }
}

static void expect_log(struct run *r, const char *rest)
{
    if (desk_logged(r->desk, rest)) {
        return;
    }
    size_t last = r->desk->record_count;
    complain(r, "not in the log: '%s'; the last is '%s'", rest,
             last > 0 ? r->desk->records[(last - 1) % DESK_RECORDS].text : "");
}

/* --- lines --------------------------------------------------------------------------------------
 */

static enum certificate_name certificate_of(const char *name)
{
    static const char *const names[] = {
#define CERTIFICATE_TEXT(name) #name,
        CERTIFICATE_LIST(CERTIFICATE_TEXT)
#undef CERTIFICATE_TEXT
    };
    enum certificate_name who = CERTIFICATE_all;
    for (unsigned i = 0; i < CERTIFICATES; i++) {
        who = strcmp(names[i], name) == 0 ? (enum certificate_name)i : who;
    }
    return who;
}

/* open NAME [CERTIFICATE] [refused=ERROR] */
static struct peer *open_peer(struct run *r, const char *name)
{
    struct peer *p = peer_find(r->desk, name);
    bool again = strcmp(word(r, 1), "CONNECT") == 0 || strcmp(word(r, 0), "open") == 0;
    if (p != NULL && (p->conn != NULL || !again)) {
        return p;
    }
    if (p != NULL) {
        expect_nothing(r, p);
        peer_forget(p);
    }
    const char *refused = option(r, "refused");
    p = peer_open(r->desk, name, certificate_of(word(r, 2)),
                  refused != NULL ? error_of(refused) : ELO_OK);
    if (p == NULL) {
        complain(r, "%s could not be opened", name);
        return NULL;
    }
    p->chop = r->options->chop;
    return p;
}

static void ensure_desk(struct run *r)
{
    if (!r->open) {
        desk_open_limited(r->desk, r->house, &r->compat, &r->limits);
        r->open = true;
        if (r->options->ready != NULL) {
            r->options->ready(r->desk);
        }
    }
}

static void set_certificate(struct run *r)
{
    enum certificate_status status = CERTIFICATE_ACTIVE;
    enum certificate_name who = certificate_of(word(r, 1));
    (void)certificate_status_parse(elo_span_str(word(r, 2)), &status);
    house_set_status(r->house, who, status);
    broker_certificate_changed(r->desk->broker, elo_span_str(r->house->ids[who]), r->desk->now);
    desk_pump(r->desk);
}

/* api TOPIC PAYLOAD QOS RETAIN */
static void publish_by_api(struct run *r)
{
    elo_err err = broker_publish(r->desk->broker, text_of(word(r, 1)), text_of(word(r, 2)),
                                 (uint8_t)number(r, 3), number(r, 4) != 0, r->desk->now);
    desk_pump(r->desk);
    const char *wanted = option(r, "is");
    if (err != (wanted != NULL ? error_of(wanted) : ELO_OK)) {
        complain(r, "the answer is %s", err == ELO_OK ? "ELO_OK" : elo_explain(err)->name);
    }
}

static void set_policy(struct run *r)
{
    static const char deny[] = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\","
                               "\"Action\":[\"iot:Connect\",\"iot:Subscribe\"],"
                               "\"Resource\":\"*\"}]}";
    house_set_policy(r->house, "lamp",
                     strcmp(word(r, 2), "deaf-mute") == 0 ? deny : house_policy_lamp);
}

static void shut_down(struct run *r)
{
    broker_shutdown(r->desk->broker, r->desk->now);
    desk_pump(r->desk);
}

static void delete_connection(struct run *r)
{
    elo_err err =
        broker_delete_connection(r->desk->broker, text_of(word(r, 1)), has_word(r, "clean"),
                                 has_word(r, "no-will"), r->desk->now);
    if (err != ELO_OK) {
        complain(r, "there is no %s", word(r, 1));
    }
    desk_pump(r->desk);
}

static void wait_ms(struct run *r)
{
    desk_wait(r->desk, number(r, 1));
}

static void flood(struct run *r)
{
    r->peer = peer_find(r->desk, word(r, 1));
    for (unsigned i = 0; i < 200000 && r->peer != NULL && r->peer->conn != NULL; i++) {
        do_pingreq(r);
    }
}

static bool command(struct run *r)
{
    static const struct {
        const char *name;
        void (*run)(struct run *r);
    } table[] = {
        {"wait", wait_ms},       {"stat", expect_stat},         {"certificate", set_certificate},
        {"api", publish_by_api}, {"policy", set_policy},        {"shutdown", shut_down},
        {"flood", flood},        {"delete", delete_connection},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(table[i].name, word(r, 0)) == 0) {
            table[i].run(r);
            return true;
        }
    }
    return false;
}

/* "NAME> ...", "NAME< ...", "NAME! ERROR", "NAME~" and so on. */
static void about_peer(struct run *r, const char *rest)
{
    char *name = r->words[0];
    char sign = name[strlen(name) - 1];
    name[strlen(name) - 1] = '\0';
    r->peer = sign == '>' ? open_peer(r, name) : peer_find(r->desk, name);
    if (r->peer == NULL) {
        complain(r, "who is '%s'?", name);
    } else if (sign == '>') {
        say(r);
    } else if (sign == '<') {
        expect(r, rest);
    } else if (sign == '!') {
        expect_end(r);
    } else if (sign == '~') {
        peer_drop(r->peer);
    } else if (sign == '*') {
        peer_clear(r->peer);
    } else if (sign == ')') {
        r->peer->deaf = true;
    } else if (sign == '(') {
        peer_hear(r->peer);
    } else {
        complain(r, "what is '%c'?", sign);
    }
}

static void split(struct run *r, char *line)
{
    r->count = 0;
    char *at;
    while ((at = strsep(&line, " ")) != NULL && r->count < WORDS_MAX) {
        if (*at != '\0') {
            r->words[r->count++] = at;
        }
    }
}

/* limit NAME=VALUE */
static void set_limit(struct run *r)
{
    if (limits_set(&r->limits, word(r, 1)) != ELO_OK) {
        complain(r, "no such limit");
    }
}

static void run_line(struct run *r, const char *text)
{
    char *line = must(strdup(text));
    const char *space = strchr(text, ' ');
    const char *rest = space != NULL ? space + 1 : "";
    split(r, line);
    const char *first = word(r, 0);
    if (r->count == 0 || first[0] == '#' || strcmp(first, "why") == 0) {
        free(line);
        return;
    }
    if (strcmp(first, "compat") == 0) {
        if (compat_set(&r->compat, word(r, 1)) != ELO_OK) {
            complain(r, "no such switch");
        }
        free(line);
        return;
    }
    if (strcmp(first, "limit") == 0) {
        set_limit(r);
        free(line);
        return;
    }
    ensure_desk(r);
    if (strcmp(first, "reasons") == 0) {
        r->desk->reasons = true;
    } else if (strcmp(first, "log") == 0) {
        expect_log(r, rest);
    } else if (strcmp(first, "open") == 0) {
        (void)open_peer(r, word(r, 1));
    } else if (!command(r)) {
        about_peer(r, rest);
    }
    free(line);
}

/* The line with every %d the number. */
static char *numbered(const char *line, unsigned n)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = must(open_memstream(&text, &size));
    for (; *line != '\0'; line++) {
        if (line[0] == '%' && line[1] == 'd') {
            fprintf(out, "%u", n);
            line++;
        } else {
            fputc(*line, out);
        }
    }
    fclose(out);
    return text;
}

/* "repeat N LINE" */
static void run_repeated(struct run *r, const char *line)
{
    if (strncmp(line, "repeat ", 7) != 0) {
        run_line(r, line);
        return;
    }
    char *rest;
    unsigned long times = strtoul(line + 7, &rest, 10);
    for (unsigned n = 1; n <= times && r->complaint == NULL; n++) {
        char *text = numbered(rest + 1, n);
        run_line(r, text);
        free(text);
    }
}

static char *located(struct run *r, const struct script_case *c, size_t line)
{
    char *text = NULL;
    if (r->complaint != NULL) {
        if (asprintf(&text, "[%s] line %zu: %s: %s", c->name, c->first_line + line, c->lines[line],
                     r->complaint) < 0) {
            abort();
        }
    }
    free(r->complaint);
    return text;
}

static void restore(struct run *r)
{
    if (registry_certificate(r->house->registry, elo_span_str(r->house->ids[CERTIFICATE_lamp]))
            ->status != CERTIFICATE_ACTIVE) {
        house_set_status(r->house, CERTIFICATE_lamp, CERTIFICATE_ACTIVE);
    }
}

char *script_run(struct house *h, const struct script_case *c, const struct script_options *options)
{
    struct desk desk;
    struct run r = {.desk = &desk, .house = h, .options = options};
    limits_unthrottled(&r.limits);
    size_t line = 0;
    for (; line < c->count && r.complaint == NULL; line++) {
        run_repeated(&r, c->lines[line]);
    }
    line -= line > 0;
    ensure_desk(&r);
    for (struct peer *p = desk.peers; p != NULL; p = p->next) {
        expect_nothing(&r, p);
    }
    if (options->ending != NULL) {
        options->ending(&desk);
    }
    desk_close(&desk);
    restore(&r);
    return located(&r, c, line);
}
