// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: everything is said in terms of levels, the parts between slashes, cut off one by
 * one from the left. A filter is valid if each of its levels is; a name matches if filter and name
 * agree level by level until one of them ends or the filter says `#`.
 */
#include "elo/mqtt/topic.h"

#include "elo/base/assert.h"

#define MAX_BYTES 65535u /* what the two length bytes of a string can say [MQTT-4.7.3-3] */

static bool has(elo_span s, char byte)
{
    return s.len != 0 && memchr(s.ptr, byte, s.len) != NULL;
}

/* Is the level this one wildcard and nothing else? */
static bool is(elo_span level, char wildcard)
{
    return level.len == 1 && level.ptr[0] == (uint8_t)wildcard;
}

bool elo_topic_next_level(elo_span *rest, bool *done, elo_span *out_level)
{
    if (*done) {
        return false;
    }
    const uint8_t *slash = rest->len != 0 ? memchr(rest->ptr, '/', rest->len) : NULL;
    size_t len = slash ? (size_t)(slash - rest->ptr) : rest->len;
    *out_level = elo_span_first(*rest, len);
    *rest = elo_span_from(*rest, slash ? len + 1 : len);
    *done = slash == NULL;
    return true;
}

static bool length_valid(elo_span topic)
{
    return topic.len != 0 && topic.len <= MAX_BYTES;
}

bool elo_topic_filter_is_wild(elo_span filter)
{
    return has(filter, '+') || has(filter, '#');
}

bool elo_topic_name_valid(elo_span name)
{
    return length_valid(name) && !elo_topic_filter_is_wild(name) && !has(name, '\0');
}

/* The rules of a filter that is not, or no longer, a shared one. */
static bool levels_valid(elo_span filter)
{
    elo_span level;
    bool done = false;
    while (elo_topic_next_level(&filter, &done, &level)) {
        if (has(level, '#') && !(is(level, '#') && done)) {
            return false; /* [MQTT-4.7.1-2] */
        }
        if (has(level, '+') && !is(level, '+')) {
            return false; /* [MQTT-4.7.1-3] */
        }
    }
    return true;
}

/* Cuts `topic` = PREFIX NAME "/" REST; false if it is not made so, or NAME or REST is empty. */
static bool cut(elo_span topic, elo_span prefix, elo_span *out_name, elo_span *out_rest)
{
    if (!elo_span_starts_with(topic, prefix)) {
        return false;
    }
    elo_span rest = elo_span_from(topic, prefix.len);
    elo_span name;
    bool done = false;
    (void)elo_topic_next_level(&rest, &done, &name);
    if (name.len == 0 || rest.len == 0) {
        return false;
    }
    *out_name = name;
    *out_rest = rest;
    return true;
}

bool elo_topic_split_share(elo_span shared, elo_span *out_name, elo_span *out_filter)
{
    return cut(shared, ELO_SPAN("$share/"), out_name, out_filter);
}

bool elo_topic_filter_valid(elo_span filter)
{
    if (!length_valid(filter) || has(filter, '\0')) {
        return false;
    }
    if (!elo_span_starts_with(filter, ELO_SPAN("$share/"))) {
        return levels_valid(filter);
    }
    elo_span share;
    elo_span shared;
    return elo_topic_split_share(filter, &share, &shared) && !elo_topic_filter_is_wild(share) &&
           levels_valid(shared);
}

size_t elo_topic_slashes(elo_span topic)
{
    size_t slashes = 0;
    for (size_t i = 0; i < topic.len; i++) {
        slashes += topic.ptr[i] == '/';
    }
    return slashes;
}

bool elo_topic_within_quota(elo_span topic)
{
    elo_span name;
    elo_span counted = topic;
    if (!elo_topic_split_share(topic, &name, &counted)) {
        (void)cut(topic, ELO_SPAN("$aws/rules/"), &name, &counted);
    }
    return counted.len <= ELO_TOPIC_MAX_BYTES &&
           elo_topic_slashes(counted) <= ELO_TOPIC_MAX_SLASHES;
}

/* [MQTT-4.7.2-1]: names that start with `$` are the server's; a wildcard does not reach them. */
static bool hidden_from(elo_span filter, elo_span name)
{
    return name.ptr[0] == '$' && (filter.ptr[0] == '+' || filter.ptr[0] == '#');
}

bool elo_topic_matches(elo_span filter, elo_span name, bool parent_too)
{
    ELO_ASSERT(filter.len != 0 && name.len != 0);
    if (hidden_from(filter, name)) {
        return false;
    }
    bool filter_done = false;
    bool name_done = false;
    for (;;) {
        elo_span want;
        elo_span level;
        bool more_filter = elo_topic_next_level(&filter, &filter_done, &want);
        bool more_name = elo_topic_next_level(&name, &name_done, &level);
        if (more_filter && is(want, '#')) {
            return more_name || parent_too;
        }
        if (!more_filter || !more_name) {
            return more_filter == more_name;
        }
        if (!is(want, '+') && !elo_span_eq(want, level)) {
            return false;
        }
    }
}
