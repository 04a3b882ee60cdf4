// links: elo_mqtt
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A filter and a name, with a newline between them. Matching is held against a second opinion that
 * is made as differently as can be: byte by byte and recursive.
 */
#include "elo/base/utf8.h"
#include "elo/mqtt/topic.h"

#include <stdlib.h>

#define LONGEST 600u /* the second opinion recurses once a byte */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

static bool second_opinion(
    const uint8_t *f, const uint8_t *f_end, const uint8_t *n, const uint8_t *n_end, bool parent_too)
{
    if (f == f_end) {
        return n == n_end;
    }
    if (*f == '#') {
        return true;
    }
    if (*f == '+') {
        return second_opinion(f + 1, f_end, n, n_end, parent_too) ||
               (n != n_end && *n != '/' && second_opinion(f, f_end, n + 1, n_end, parent_too));
    }
    if (n == n_end) {
        return parent_too && f_end - f == 2 && f[0] == '/' && f[1] == '#';
    }
    return *f == *n && second_opinion(f + 1, f_end, n + 1, n_end, parent_too);
}

static void check_levels(elo_span topic)
{
    elo_span rest = topic;
    elo_span level;
    bool done = false;
    size_t levels = 0;
    size_t bytes = 0;
    while (elo_topic_next_level(&rest, &done, &level)) {
        levels++;
        bytes += level.len;
        require(elo_topic_slashes(level) == 0);
    }
    require(levels == elo_topic_slashes(topic) + 1);
    require(bytes + levels - 1 == topic.len);
}

static void check_match(elo_span filter, elo_span name)
{
    elo_span share;
    (void)elo_topic_split_share(filter, &share, &filter);
    bool wild_start = filter.ptr[0] == '+' || filter.ptr[0] == '#';
    bool hidden = name.ptr[0] == '$' && wild_start;
    for (int parent_too = 0; parent_too < 2; parent_too++) {
        bool want = !hidden && second_opinion(filter.ptr, filter.ptr + filter.len, name.ptr,
                                              name.ptr + name.len, parent_too);
        require(elo_topic_matches(filter, name, parent_too) == want);
    }
}

static void check(elo_span filter, elo_span name)
{
    check_levels(filter);
    check_levels(name);
    (void)elo_topic_within_quota(filter);
    if (elo_topic_name_valid(name)) {
        require(!elo_topic_filter_is_wild(name));
        require(elo_topic_filter_valid(name) || elo_span_starts_with(name, ELO_SPAN("$share/")));
    }
    require(!elo_utf8_valid_mqtt(name) || elo_utf8_valid(name));
    if (elo_topic_filter_valid(filter) && elo_topic_name_valid(name)) {
        check_match(filter, name);
    }
}

/* A copy of its own size, so that the sanitizer sees the first byte read past it. */
static elo_span copy_of(const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(len != 0 ? len : 1);
    require(copy != NULL);
    memcpy(copy, bytes, len);
    return elo_span_of(copy, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = size != 0 ? memchr(data, '\n', size) : NULL;
    if (!newline || size > LONGEST) {
        return 0;
    }
    size_t filter_len = (size_t)(newline - data);
    elo_span filter = copy_of(data, filter_len);
    elo_span name = copy_of(newline + 1, size - filter_len - 1);
    check(filter, name);
    free((void *)(uintptr_t)filter.ptr);
    free((void *)(uintptr_t)name.ptr);
    return 0;
}
