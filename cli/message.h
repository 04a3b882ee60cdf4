// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* How a message is shown: one line for people, one JSON object for programs. */
#ifndef ELO_CLI_MESSAGE_H
#define ELO_CLI_MESSAGE_H

#include <stdio.h>

#include "elo/base/span.h"
#include "server/base/buf.h"

struct shown_message {
    elo_span topic, payload;
    unsigned qos;
    bool retain;
};

enum message_format { MESSAGE_LINE, MESSAGE_TIMED, MESSAGE_JSON, MESSAGE_RAW };

/* Appends `text` with everything escaped that could steer a terminal, or is not UTF-8. */
void message_escape(elo_span text, struct buf *out);

/*
 * LINE: topic, a space, the payload.  TIMED: the same after the local time.  JSON: an object with
 * time, topic, qos, retain, payload (or payloadBase64 when it is not UTF-8).  RAW: the payload's
 * bytes as they are and a newline. In LINE and TIMED what could steer a terminal is escaped.
 */
void message_show(FILE *out, enum message_format format, const struct shown_message *message);

#endif
