// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Decisions and near misses in words: one sentence, no full stop, the policy's name first where
 * there is one, and what to write instead where that is known.
 */
#include "server/auth/policy_miss.h"
#include "server/base/text.h"

#include <stdio.h>

/* --- the sentence ------------------------------------------------------------------------------
 */

/* Adds what fits; control characters, which would garble a log line, become `?`. */
static void add(struct sentence *s, elo_span text)
{
    size_t room = s->cap - 1 - s->len;
    size_t n = text.len;
    if (n > room) {
        for (n = room; n > 0 && (text.ptr[n] & 0xc0) == 0x80;) {
            n--;
        }
    }
    for (size_t i = 0; i < n; i++) {
        uint8_t c = text.ptr[i];
        s->buf[s->len++] = (char)(c < 0x20 || c == 0x7f ? '?' : c);
    }
    s->buf[s->len] = '\0';
    if (n < text.len) {
        s->cap = s->len + 1; /* full: nothing comes after a cut */
    }
}

static void say(struct sentence *s, const char *text)
{
    add(s, elo_span_str(text));
}

static void say_number(struct sentence *s, size_t number)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%zu", number);
    say(s, text);
}

static void say_policy(struct sentence *s, const struct question *q, size_t policy)
{
    say(s, "policy ");
    add(s, q->names[policy]);
}

static void say_statement(struct sentence *s, const struct statement *statement)
{
    say(s, "statement ");
    say_number(s, statement->index + 1);
    if (statement->sid.len > 0) {
        say(s, " (");
        add(s, statement->sid);
        say(s, ")");
    }
}

/* Without the ARN around it: topic/a. */
static void say_request(struct sentence *s, const struct question *q)
{
    elo_span resource = arn_resource(q->arn);
    add(s, resource.len > 0 ? resource : q->arn);
}

static void
say_segment(struct sentence *s, const struct segment *segment, const struct policy_variables *vars)
{
    elo_span text = segment->text;
    bool filled = segment->kind != SEGMENT_VARIABLE || variable_text(vars, segment->text, &text);
    say(s, filled ? "" : "${");
    add(s, filled ? text : segment->text);
    say(s, filled ? "" : "}");
}

static void say_filled(struct sentence *s, const struct question *q, const struct pattern *p)
{
    for (size_t i = 0; i < p->count; i++) {
        say_segment(s, &p->segments[i], q->vars);
    }
}

/* The pattern with its variables filled in; without the ARN around it if that is the request's. */
static void say_pattern(struct sentence *s, const struct question *q, const struct pattern *p)
{
    char text[1024];
    struct sentence whole = {text, sizeof text, 0};
    text[0] = '\0';
    say_filled(&whole, q, p);
    elo_span full = elo_span_of(text, whole.len);
    elo_span resource = arn_resource(full);
    elo_span asked = arn_resource(q->arn);
    elo_span head = elo_span_first(full, full.len - resource.len);
    bool same =
        resource.len > 0 && elo_span_eq(head, elo_span_first(q->arn, q->arn.len - asked.len));
    add(s, same ? resource : full);
}

/* --- why a key has no value --------------------------------------------------------------------
 */

struct missing_row {
    const char *prefix;
    const char *because;
};

static const struct missing_row MISSING[] = {
    {"iot:Connection.Thing.",
     "the certificate is not attached to a thing named like the client id"},
    {"iot:Certificate.",
     "the certificate has no such field, or its text has one of * $ + ? # in it"},
    {"iot:ClientId", "the connection has no client id"},
    {"iot:ConnectAttributes", "neither a persistent session nor a will was asked for"},
    {"iot:LastWillTopic", "the client has no will"},
    {"iot:DomainName", "the client named no server in its TLS handshake"},
};

static bool has_value(const struct question *q, elo_span key)
{
    return variable_count(q->vars, key) > 0;
}

static bool is_list(elo_span key)
{
    return text_ends(key, ELO_SPAN(".List"));
}

static void say_because(struct sentence *s, const struct question *q, elo_span key)
{
    if (is_list(key) && has_value(q, key)) {
        say(s, ": a list is for conditions with ForAllValues or ForAnyValue");
        return;
    }
    const elo_span thing = ELO_SPAN("iot:Connection.Thing.ThingName");
    elo_span name;
    if (text_begins(key, ELO_SPAN("iot:Connection.Thing.")) && has_value(q, thing) &&
        variable_text(q->vars, thing, &name)) {
        say(s, ": thing ");
        add(s, name);
        say(s, " has no such attribute or type");
        return;
    }
    for (size_t i = 0; i < sizeof MISSING / sizeof MISSING[0]; i++) {
        if (text_begins(key, elo_span_str(MISSING[i].prefix))) {
            say(s, ": ");
            say(s, MISSING[i].because);
            return;
        }
    }
}

/* --- decisions ---------------------------------------------------------------------------------
 */

void say_nothing_attached(struct sentence *out)
{
    say(out, "no policy is attached to the certificate");
}

static const struct statement *statement_at(const struct policy *policy, size_t index)
{
    const struct statement *s = policy->statements;
    while (s->index != index) {
        s = s->next;
    }
    return s;
}

void say_decision(struct sentence *out,
                  const struct question *q,
                  const struct policy_decision *decision)
{
    bool denied = decision->effect == POLICY_EXPLICIT_DENY;
    say_policy(out, q, decision->policy);
    say(out, denied ? " denies " : " allows ");
    say(out, policy_action_name(q->action));
    say(out, " on ");
    say_request(out, q);
    say(out, " in ");
    say_statement(out, statement_at(q->policies[decision->policy], decision->statement));
    say(out, denied ? "; an explicit Deny wins over every Allow" : "");
}

/* --- misses ------------------------------------------------------------------------------------
 */

static const char *const ASKED[POLICY_ACTION_COUNT] = {
    [POLICY_Connect] = "you sent ",
    [POLICY_Publish] = "you sent ",
    [POLICY_RetainPublish] = "you sent ",
    [POLICY_Subscribe] = "you asked for ",
    [POLICY_Receive] = "the message is on ",
    [POLICY_GetRetainedMessage] = "you asked for ",
    [POLICY_ListRetainedMessages] = "you asked for ",
    [POLICY_GetConnection] = "you asked for ",
    [POLICY_DeleteConnection] = "you asked for ",
    [POLICY_ListSubscriptions] = "you asked for ",
    [POLICY_SendDirectMessage] = "you asked for ",
};

static void say_allows(struct sentence *s, const struct question *q, const struct miss *m)
{
    say_policy(s, q, m->policy);
    say(s, m->statement->not_resource ? " allows everything but " : " allows ");
    say_pattern(s, q, m->pattern);
}

static void say_asked(struct sentence *s, const struct question *q)
{
    say(s, ", ");
    say(s, ASKED[q->action]);
    say_request(s, q);
}

static void say_other(struct sentence *s, const struct question *q, const struct miss *m)
{
    say_allows(s, q, m);
    say_asked(s, q);
}

static void say_literal(struct sentence *s, const struct question *q, const struct miss *m)
{
    say_allows(s, q, m);
    say(s, ", where * and ? out of a variable or an escape are literal characters");
    say_asked(s, q);
}

static void say_case(struct sentence *s, const struct question *q, const struct miss *m)
{
    say_other(s, q, m);
    say(s, ": capital and small letters differ");
}

static void say_place(struct sentence *s, const struct question *q, const struct miss *m)
{
    say_policy(s, q, m->policy);
    say(s, " allows it for another partition, region or account: it names ");
    say_filled(s, q, m->pattern);
    say(s, ", here it is ");
    add(s, q->arn);
}

/* The resource as it should be written: the right type, `*` for `+` and `#` unless in a filter. */
static void
say_cure(struct sentence *s, const struct question *q, const struct miss *m, bool keep_mqtt)
{
    char text[1024];
    struct sentence cure = {text, sizeof text, 0};
    text[0] = '\0';
    say_pattern(&cure, q, m->pattern);
    for (size_t i = 0; i < cure.len && !keep_mqtt; i++) {
        text[i] = (char)(text[i] == '+' || text[i] == '#' ? '*' : text[i]);
    }
    elo_span whole = elo_span_of(text, cure.len);
    elo_span resource = arn_resource(whole).len > 0 ? arn_resource(whole) : whole;
    const uint8_t *slash = resource.len > 0 ? memchr(resource.ptr, '/', resource.len) : NULL;
    say(s, "write ");
    if (slash == NULL) {
        add(s, whole);
        return;
    }
    add(s, elo_span_first(whole, whole.len - resource.len));
    say(s, policy_action_resource(q->action));
    add(s, elo_span_from(resource, (size_t)(slash - resource.ptr)));
}

static void say_type(struct sentence *s, const struct question *q, const struct miss *m)
{
    say_allows(s, q, m);
    say(s, ", but ");
    say(s, policy_action_name(q->action));
    say(s, " is checked against ");
    say_request(s, q);
    say(s, ": ");
    say_cure(s, q, m, q->action == POLICY_Subscribe);
}

static void say_wildcard(struct sentence *s, const struct question *q, const struct miss *m)
{
    say_allows(s, q, m);
    say(s, ", where + and # are literal characters");
    say_asked(s, q);
    say(s, ": ");
    say_cure(s, q, m, false);
}

static void say_version(struct sentence *s, const struct question *q, const struct miss *m)
{
    say_allows(s, q, m);
    say(s, ", where ${ is literal: variables need \"Version\": \"2012-10-17\"");
}

static void say_unresolved(struct sentence *s, const struct question *q, const struct miss *m)
{
    say_allows(s, q, m);
    say(s, ", but ${");
    add(s, m->variable->text);
    say(s, "} has no value");
    say_because(s, q, m->variable->text);
}

static void say_values(struct sentence *s, const struct question *q, const struct condition *c)
{
    size_t more = 0;
    for (const struct pattern *p = c->values; p != NULL; p = p->next) {
        if (more++ < 3) {
            say(s, more == 1 ? " " : " or ");
            say_filled(s, q, p);
        }
    }
    say(s, more == 0 ? " (nothing)" : more > 3 ? " ..." : "");
}

static void say_condition(struct sentence *s, const struct question *q, const struct miss *m)
{
    const struct condition *c = m->condition;
    struct variable_value value;
    say_policy(s, q, m->policy);
    say(s, " allows ");
    say_request(s, q);
    say(s, " only if ");
    add(s, c->key);
    say(s, " is ");
    add(s, c->name);
    say_values(s, q, c);
    if (!has_value(q, c->key)) {
        say(s, ", but it has no value");
        say_because(s, q, c->key);
        return;
    }
    say(s, ", but it is ");
    for (size_t i = 0; i < variable_count(q->vars, c->key); i++) {
        say(s, i == 0 ? "" : " and ");
        if (variable_value(q->vars, c->key, i, &value)) {
            add(s, elo_span_of(value.bytes, value.len));
        }
    }
}

/* Actions that are forgotten because another one seems to include them. */
static const char *forgotten(enum policy_action action)
{
    if (action == POLICY_RetainPublish) {
        return ", which a message with RETAIN needs besides iot:Publish";
    }
    if (action == POLICY_Receive) {
        return ", which every delivered message needs besides iot:Subscribe";
    }
    return "";
}

static void say_none(struct sentence *s, const struct question *q, const struct miss *m)
{
    (void)m;
    for (size_t i = 0; i < q->count; i++) {
        say(s, i == 0 ? "" : i + 1 == q->count ? " and " : ", ");
        say_policy(s, q, i);
    }
    say(s, q->count == 1 ? " does not allow " : " do not allow ");
    say(s, policy_action_name(q->action));
    say(s, " at all");
    say(s, forgotten(q->action));
}

typedef void say_miss_fn(struct sentence *s, const struct question *q, const struct miss *m);

static say_miss_fn *const SAY[] = {
    [MISS_NONE] = say_none,           [MISS_OTHER] = say_other,
    [MISS_LITERAL] = say_literal,     [MISS_EXCLUDED] = say_other,
    [MISS_CASE] = say_case,           [MISS_TYPE] = say_type,
    [MISS_PLACE] = say_place,         [MISS_WILDCARD] = say_wildcard,
    [MISS_VERSION] = say_version,     [MISS_UNRESOLVED] = say_unresolved,
    [MISS_CONDITION] = say_condition,
};

void say_miss(struct sentence *out, const struct question *q, const struct miss *miss)
{
    SAY[miss->kind](out, q, miss);
}
