// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "server/base/limits.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct row {
    size_t offset;
    struct limit_row told;
};

static const struct row rows[] = {
#define ROW(field, name, aws, off, least, most, about)                                             \
    {offsetof(struct limits, field), {name, about, aws, off, least, most, (least) == LIMIT_NONE}},
    LIMIT_LIST(ROW)
#undef ROW
};

enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

static uint32_t *field_of(struct limits *limits, const struct row *row)
{
    return (uint32_t *)(void *)((char *)limits + row->offset);
}

void limits_aws(struct limits *limits)
{
    for (unsigned i = 0; i < ROW_COUNT; i++) {
        *field_of(limits, &rows[i]) = rows[i].told.aws;
    }
}

void limits_off(struct limits *limits)
{
    for (unsigned i = 0; i < ROW_COUNT; i++) {
        *field_of(limits, &rows[i]) = rows[i].told.off;
    }
}

static void set_throttles(struct limits *limits, bool on)
{
    for (unsigned i = 0; i < ROW_COUNT; i++) {
        if (rows[i].told.throttle) {
            *field_of(limits, &rows[i]) = on ? rows[i].told.aws : LIMIT_NONE;
        }
    }
}

void limits_unthrottled(struct limits *limits)
{
    limits_aws(limits);
    set_throttles(limits, false);
}

static elo_err value_of(const char *text, const struct limit_row *row, uint32_t *out)
{
    if (strcmp(text, "aws") == 0) {
        *out = row->aws;
        return ELO_OK;
    }
    if (row->throttle && strcmp(text, "none") == 0) {
        *out = LIMIT_NONE;
        return ELO_OK;
    }
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    long least = row->least > 0 ? (long)row->least : 1;
    if (errno != 0 || end == text || *end != '\0' || value < least || value > (long)row->most) {
        return ELO_E_USAGE;
    }
    *out = (uint32_t)value;
    return ELO_OK;
}

elo_err limits_set(struct limits *limits, const char *assignment)
{
    const char *equals = strchr(assignment, '=');
    if (equals == NULL) {
        return ELO_E_USAGE;
    }
    size_t len = (size_t)(equals - assignment);
    if (len == strlen("throttles") && memcmp(assignment, "throttles", len) == 0) {
        bool on = strcmp(equals + 1, "aws") == 0;
        if (!on && strcmp(equals + 1, "none") != 0) {
            return ELO_E_USAGE;
        }
        set_throttles(limits, on);
        return ELO_OK;
    }
    for (unsigned i = 0; i < ROW_COUNT; i++) {
        const struct limit_row *row = &rows[i].told;
        if (strlen(row->name) == len && memcmp(row->name, assignment, len) == 0) {
            return value_of(equals + 1, row, field_of(limits, &rows[i]));
        }
    }
    return ELO_E_NOT_FOUND;
}

bool limits_at(unsigned i, struct limit_row *out)
{
    if (i >= ROW_COUNT) {
        return false;
    }
    *out = rows[i].told;
    return true;
}
