// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How `elo demo` looks: numbered headings, and under them lines of who, what and the words, in
 * columns. Long words are wrapped at the window's width ($COLUMNS off a terminal; without it they
 * are not), between the members of JSON where possible. Everything goes to stdout at once.
 */
#ifndef ELO_CLI_PICTURE_H
#define ELO_CLI_PICTURE_H

#include "elo/base/span.h"

void picture_heading(const char *text);
void picture_gap(void);

/* "   who      words" */
void picture_line(const char *who, elo_span words);

/* "   who      what        words" */
void picture_pair(const char *who, const char *what, const char *words);

/* The same of a message; `note` is set behind it. */
void picture_message(const char *who, elo_span topic, elo_span payload, const char *note);

/* A record of the desk's log (JSON, server/base/log.h): what, about whom, and why it was refused.
 */
void picture_record(elo_span record);

/* A command to paste: never wrapped. */
void picture_command(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
