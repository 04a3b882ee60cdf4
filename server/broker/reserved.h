// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Private to server/broker: which topics are topics at all. AWS's lengths, and what a client may do
 * with names that start with `$` ("Reserved topics", AWS IoT Developer Guide).
 */
#ifndef ELO_SERVER_BROKER_RESERVED_H
#define ELO_SERVER_BROKER_RESERVED_H

#include "elo/base/err.h"
#include "elo/base/span.h"

/* NULL: a client may publish to this topic name. Else the reason why not, and `*out_err`. */
const char *broker__publish_fault(elo_span topic, elo_err *out_err);

/*
 * NULL: a client may subscribe to this filter; `*out_share` and `*out_filter` are its parts, the
 * share empty for an ordinary one. Else the reason why not, and `*out_err`.
 */
const char *broker__subscribe_fault(elo_span literal,
                                    elo_span *out_share,
                                    elo_span *out_filter,
                                    elo_err *out_err);

/* $aws/rules/...: for the rules engine, never for a subscriber ("Basic Ingest"). */
bool broker__is_basic_ingest(elo_span topic);

#endif
