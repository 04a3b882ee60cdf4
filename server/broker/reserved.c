// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: one table of patterns, level by level: a word, words divided by `|`, `+` for any
 * one level, `#` for one or more. A topic name may be published if a pattern marked P matches it. A
 * filter may be subscribed if it could match any topic of a pattern marked S: `$aws/events/#` may,
 * `$aws/rules/#` and `$SYS/#` may not.
 */
#include "server/broker/reserved.h"

#include "elo/mqtt/topic.h"
#include "server/base/limits.h"

enum { P = 1, S = 2 };

struct reserved {
    const char *pattern;
    unsigned may;
};

#define THING    "$aws/things/+/"
#define COMMANDS "$aws/commands/things|clients/+/executions/+/"
#define EVENTS   "$aws/events/"

static const struct reserved table[] = {
    {THING "shadow/get|update|delete", P | S},
    {THING "shadow/get|update|delete/accepted|rejected", S},
    {THING "shadow/update/delta|documents", S},
    {THING "shadow/name/+/get|update|delete", P | S},
    {THING "shadow/name/+/get|update|delete/accepted|rejected", S},
    {THING "shadow/name/+/update/delta|documents", S},
    {THING "jobs/get|start-next", P},
    {THING "jobs/+/get|update", P},
    {THING "jobs/get|start-next/accepted|rejected", S},
    {THING "jobs/+/get|update/accepted|rejected", S},
    {THING "jobs/notify|notify-next", S},
    {THING "defender/metrics/json|cbor", P},
    {THING "defender/metrics/json|cbor/accepted|rejected", S},
    {THING "streams/+/get|describe/json|cbor", P},
    {THING "streams/+/data|description|rejected/json|cbor", S},
    {THING "tunnels/notify", S},
    {"$aws/certificates/create|create-from-csr/json|cbor", P},
    {"$aws/certificates/create|create-from-csr/json|cbor/accepted|rejected", S},
    {"$aws/provisioning-templates/+/provision/json|cbor", P},
    {"$aws/provisioning-templates/+/provision/json|cbor/accepted|rejected", S},
    {COMMANDS "request/json|cbor", S},
    {COMMANDS "response/json|cbor", P},
    {COMMANDS "response/accepted|rejected/json|cbor", S},
    {"$aws/rules/+", P},
    {"$aws/rules/+/#", P},
    {EVENTS "presence/connected|disconnected|connect_failed/+", S},
    {EVENTS "subscriptions/subscribed|unsubscribed/+", S},
    {EVENTS "certificates/registered/+", S},
    {EVENTS "thing|thingGroup|thingType/+/created|updated|deleted", S},
    {EVENTS "thingTypeAssociation/thing/+/thingType/+/added|removed", S},
    {EVENTS "thingGroupMembership/thingGroup/+/thing/+/added|removed", S},
    {EVENTS "thingGroupHierarchy/thingGroup/+/childThingGroup/+/added|removed", S},
    {EVENTS "job/+/completed|canceled|deleted|cancellation_in_progress|deletion_in_progress", S},
    {EVENTS "jobExecution/+/succeeded|failed|rejected|canceled|timed_out|removed|deleted", S},
    {"$aws/sitewise/asset-models/+/assets/+/properties/+", S},
    {"$aws/iotwireless/events/#", S},
    {"$aws/device_location/+/get_position_estimate", P},
    {"$aws/device_location/+/get_position_estimate/accepted|rejected", S},
};

static bool is(elo_span level, char wildcard)
{
    return level.len == 1 && level.ptr[0] == (uint8_t)wildcard;
}

/* Is `word` one of the words of `level`, which are divided by `|`? */
static bool is_one_of(elo_span level, elo_span word)
{
    for (;;) {
        const uint8_t *bar = level.len > 0 ? memchr(level.ptr, '|', level.len) : NULL;
        size_t len = bar ? (size_t)(bar - level.ptr) : level.len;
        if (elo_span_eq(elo_span_first(level, len), word)) {
            return true;
        }
        if (bar == NULL) {
            return false;
        }
        level = elo_span_from(level, len + 1);
    }
}

static bool levels_meet(elo_span pattern, elo_span level)
{
    if (is(level, '+')) {
        return true;
    }
    return is(pattern, '+') ? level.len > 0 : is_one_of(pattern, level);
}

/* Could a topic of the pattern match the name or filter? */
static bool meets(elo_span pattern, elo_span topic)
{
    bool pattern_done = false;
    bool topic_done = false;
    for (;;) {
        elo_span want;
        elo_span level;
        bool more_pattern = elo_topic_next_level(&pattern, &pattern_done, &want);
        bool more_topic = elo_topic_next_level(&topic, &topic_done, &level);
        if (!more_pattern || !more_topic) {
            return more_pattern == more_topic;
        }
        if (is(want, '#') || is(level, '#')) {
            return true;
        }
        if (!levels_meet(want, level)) {
            return false;
        }
    }
}

static bool reserved_for(elo_span topic, unsigned what)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if ((table[i].may & what) != 0 && meets(elo_span_str(table[i].pattern), topic)) {
            return true;
        }
    }
    return false;
}

bool broker__is_basic_ingest(elo_span topic)
{
    return elo_span_starts_with(topic, ELO_SPAN("$aws/rules/"));
}

/* Basic ingest: "$aws/rules/NAME/" does not count; what counts is behind its third slash. */
static elo_span without_rule(elo_span topic)
{
    elo_span level;
    bool done = false;
    for (unsigned i = 0; i < 3; i++) {
        (void)elo_topic_next_level(&topic, &done, &level);
    }
    return topic;
}

static const char *length_fault(elo_span topic, elo_err *out_err)
{
    size_t slashes = LIMIT_TOPIC_SLASHES;
    if (broker__is_basic_ingest(topic)) {
        topic = without_rule(topic);
    } else if (elo_span_starts_with(topic, ELO_SPAN("$aws/commands/"))) {
        slashes++; /* the longest of them have nine levels by AWS's own design */
    }
    *out_err = ELO_E_TOPIC;
    if (topic.len > LIMIT_TOPIC_BYTES) {
        return "a topic may have at most 256 bytes";
    }
    if (elo_topic_slashes(topic) > slashes) {
        return "a topic may have at most 7 slashes";
    }
    *out_err = ELO_OK;
    return NULL;
}

static bool is_reserved(elo_span topic)
{
    return topic.len > 0 && topic.ptr[0] == '$';
}

const char *broker__publish_fault(elo_span topic, elo_err *out_err)
{
    const char *fault = length_fault(topic, out_err);
    if (fault != NULL || !is_reserved(topic) || reserved_for(topic, P)) {
        return fault;
    }
    *out_err = ELO_E_TOPIC;
    return "topics that start with $ are reserved, and a client may not publish to this one";
}

/* Takes "$share/NAME/" off; false: the name is too long. */
static bool split_share(elo_span literal, elo_span *out_share, elo_span *out_filter)
{
    *out_share = elo_span_of(NULL, 0);
    *out_filter = literal;
    if (!elo_span_starts_with(literal, ELO_SPAN("$share/"))) {
        return true;
    }
    bool done = false;
    elo_span rest = elo_span_from(literal, sizeof "$share/" - 1);
    (void)elo_topic_next_level(&rest, &done, out_share);
    *out_filter = rest;
    return out_share->len <= LIMIT_NAME_BYTES;
}

const char *broker__subscribe_fault(elo_span literal,
                                    elo_span *out_share,
                                    elo_span *out_filter,
                                    elo_err *out_err)
{
    *out_err = ELO_E_TOPIC;
    if (!split_share(literal, out_share, out_filter)) {
        return "the name of a shared subscription may have at most 128 bytes";
    }
    const char *fault = length_fault(*out_filter, out_err);
    if (fault != NULL || !is_reserved(*out_filter) || reserved_for(*out_filter, S)) {
        return fault;
    }
    *out_err = ELO_E_TOPIC;
    return "topics that start with $ are reserved, and nobody may subscribe to this one";
}
