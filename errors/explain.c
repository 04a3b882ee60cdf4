// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "errors/explain.h"

#include <stddef.h>

static const struct elo_reason reasons[] = {
#define ELO_REASON(code, slug, cause, cure) {code, #code, slug, cause, cure},
#include "errors/errors.def"
#undef ELO_REASON
};

enum { REASON_COUNT = sizeof reasons / sizeof reasons[0] };

static const struct elo_reason unknown = {
    ELO_OK,
    "?",
    "E-UNKNOWN",
    "A number that is not in the list.",
    "It may come from a newer version: update this one.",
};

static const struct elo_reason fine = {ELO_OK, "ELO_OK", "OK", "Nothing is wrong.", "Nothing."};

const struct elo_reason *elo_reason_at(unsigned i)
{
    return i < REASON_COUNT ? &reasons[i] : NULL;
}

const struct elo_reason *elo_explain(elo_err code)
{
    for (unsigned i = 0; i < REASON_COUNT; i++) {
        if (reasons[i].code == code) {
            return &reasons[i];
        }
    }
    return code >= 0 ? &fine : &unknown;
}
