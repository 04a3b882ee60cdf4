// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The words for every reason (elo/base/err.h): slug, cause, cure. Not for a device's image: a
 * device reports the number, whoever has room for text explains it.
 */
#ifndef ELO_ERRORS_EXPLAIN_H
#define ELO_ERRORS_EXPLAIN_H

#include "elo/base/err.h"

struct elo_reason {
    elo_err code;
    const char *name;  /* "ELO_E_CLOCK" */
    const char *slug;  /* "E-CLOCK" */
    const char *cause; /* one sentence */
    const char *cure;  /* one sentence or two */
};

/* Never NULL: an unknown number has a reason of its own. Static storage. */
const struct elo_reason *elo_explain(elo_err code);

/* The i-th reason of the list, NULL past its end. */
const struct elo_reason *elo_reason_at(unsigned i);

#endif
