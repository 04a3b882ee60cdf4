// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What the files of this folder share. Private to it.
 */
#ifndef ELO_SETUP_INTERNAL_H
#define ELO_SETUP_INTERNAL_H

#include "elo/setup/settings.h"

/* --- fields.c: the table of members --------------------------------------------------------- */

enum elo__kind {
    ELO__KIND_TEXT,
    ELO__KIND_SSID,
    ELO__KIND_SSID_HEX,
    ELO__KIND_U16,
    ELO__KIND_SENSOR,
    ELO__KIND_PIN
};

/* Words, so that a row can be read from flash. */
struct elo__field {
    elo_text name;
    uint32_t tag;       /* in the stored form; never changes meaning */
    uint32_t kind;      /* enum elo__kind */
    uint32_t at;        /* offset in the struct; PIN: the role */
    uint32_t low, high; /* TEXT: `high` is the longest; U16: the range */
};

#define ELO__FIELD_COUNT 16u

void elo__field_at(size_t i, struct elo__field *out);

/* Its index, or ELO__FIELD_COUNT. */
size_t elo__field_find(elo_span name);

/* Sets a member; text as a person types it. Judges the value itself. */
elo_why elo__field_set(struct elo_settings *s, const struct elo__field *f, elo_span value);

/* Judges what is there. */
elo_why elo__field_judge(const struct elo_settings *s, const struct elo__field *f);

/* A run of decimal digits that fits 32 bits. */
bool elo__number(elo_span text, uint32_t *out);

elo_err elo__fault(struct elo_settings_fault *fault, elo_text field, elo_why why);

/* --- look.c: what a DER object is ------------------------------------------------------------ */

/* One whole DER element of this tag, no byte more? */
bool elo__der_whole(elo_span der);

struct elo__look {
    bool certificate; /* it reads as an X.509 certificate */
    bool authority;   /* it may issue others, or (version 1) issued itself */
};
void elo__look_at(elo_span der, struct elo__look *out);

/* Overwrites secrets in a way that the compiler keeps. */
void elo__setup_wipe(void *mem, size_t len);

#endif
