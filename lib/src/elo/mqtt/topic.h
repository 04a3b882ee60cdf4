// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Topic names and topic filters [MQTT-4.7]: what is valid, and what matches what.
 *
 * Topics are read left to right, level by level. UTF-8 is the codec's business; here bytes are
 * compared. Re-entrant; no state.
 */
#ifndef ELO_MQTT_TOPIC_H
#define ELO_MQTT_TOPIC_H

#include "elo/base/err.h"
#include "elo/base/span.h"

#ifdef __cplusplus
extern "C" {
#endif

/* AWS IoT Core's quotas ("AWS IoT Core endpoints and quotas", message broker). */
#define ELO_TOPIC_MAX_BYTES   256u
#define ELO_TOPIC_MAX_SLASHES 7u

/* Not empty, no `+` `#`, no NUL, at most 65,535 bytes [MQTT-4.7.3-1] [MQTT-3.3.2-2]. */
bool elo_topic_name_valid(elo_span name);

/*
 * Not empty, no NUL; `+` alone in its level, `#` alone in the last [MQTT-4.7.1-2] [MQTT-4.7.1-3].
 * A shared filter `$share/NAME/FILTER` is valid when NAME is not empty, holds no wildcard, and
 * FILTER is valid.
 */
bool elo_topic_filter_valid(elo_span filter);

/* true if the filter holds `+` or `#`. */
bool elo_topic_filter_is_wild(elo_span filter);

/* Slashes in a name or filter, all of them. */
size_t elo_topic_slashes(elo_span topic);

/*
 * Would AWS take a name or filter of this size? At most ELO_TOPIC_MAX_BYTES and
 * ELO_TOPIC_MAX_SLASHES, to which `$share/NAME/` of a filter and `$aws/rules/RULE/` of a name
 * (Basic Ingest) do not count.
 */
bool elo_topic_within_quota(elo_span topic);

/*
 * Takes a shared filter `$share/NAME/FILTER` apart. false, and the outputs untouched, if it is not
 * one: another beginning, or an empty NAME or FILTER. The outputs are parts of `shared`.
 *
 * FILTER is a plain filter whatever it looks like: `$share/a/$share/b/c` shares the topic
 * `$share/b/c`, to which no one can publish.
 */
bool elo_topic_split_share(elo_span shared, elo_span *out_name, elo_span *out_filter);

/*
 * Does `name` match `filter`? Both must be valid, the filter not a shared one.
 *
 * A filter that starts with a wildcard does not match names that start with `$` [MQTT-4.7.2-1].
 * AWS deviates from [MQTT-4.7.1-2] in one point, and so does this: `a/#` does not match `a`
 * ("MQTT", AWS IoT Developer Guide). Pass `parent_too` = true for the standard's behaviour.
 */
bool elo_topic_matches(elo_span filter, elo_span name, bool parent_too);

/*
 * Cuts the next level off `*rest`. Levels may be empty ("a//b" has three). Start with `*done` =
 * false; returns false when there are no more.
 */
bool elo_topic_next_level(elo_span *rest, bool *done, elo_span *out_level);

#ifdef __cplusplus
}
#endif

#endif
