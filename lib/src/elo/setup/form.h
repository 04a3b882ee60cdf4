// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * application/x-www-form-urlencoded, streaming (WHATWG URL, section 5.1). Private to the portal.
 * Short values are collected; a value that the owner wants as it comes - the bundle - flows by.
 */
#ifndef ELO_SETUP_FORM_H
#define ELO_SETUP_FORM_H

#include "elo/base/span.h"

struct elo__form {
    uint8_t state, nibble;
    uint8_t name_len, value_len;
    bool cut;   /* name or value did not fit */
    bool flows; /* set by the owner at BEGIN: bytes instead of a value */
    char name[16];
    char value[72];
};

enum elo__form_event {
    ELO__FORM_BEGIN, /* the name is known */
    ELO__FORM_BYTE,  /* one byte of a value that flows, at value[0] */
    ELO__FORM_END    /* the value is over */
};

/* false: the owner wants no more. */
typedef bool (*elo__form_fn)(void *ctx, struct elo__form *form, enum elo__form_event event);

void elo__form_init(struct elo__form *f);

/* false: an escape that is none, or the owner's word. */
bool elo__form_input(struct elo__form *f, elo_span bytes, elo__form_fn fn, void *ctx);
bool elo__form_finish(struct elo__form *f, elo__form_fn fn, void *ctx);

#endif
