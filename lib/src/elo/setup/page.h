// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The portal's templates: texts in flash with marks that portal.c acts upon. Private to it.
 *
 *   \001X   something of the moment: a name, a number, another template
 *   \002X   words of the language asked for
 *   \004X   if the condition X holds, what follows until \003; no nesting
 */
#ifndef ELO_SETUP_PAGE_H
#define ELO_SETUP_PAGE_H

#include "elo/setup/text.h"

enum elo__mark { ELO__MARK_VALUE = 1, ELO__MARK_WORDS = 2, ELO__MARK_FI = 3, ELO__MARK_IF = 4 };

enum elo__template {
    ELO__TEMPLATE_HEAD, /* of every answer */
    ELO__TEMPLATE_PAGE,
    ELO__TEMPLATE_STYLE,
    ELO__TEMPLATE_FORM,
    ELO__TEMPLATE_SCRIPT,
    ELO__TEMPLATE_STATUS,
    ELO__TEMPLATE_REFUSAL,
    ELO__TEMPLATE_NETWORK, /* one row of the list */
    ELO__TEMPLATE_SENSOR,  /* one option */
    ELO__TEMPLATE_ROLE,    /* one select */
    ELO__TEMPLATE_PIN,     /* one option of it */
    ELO__TEMPLATE_COUNT
};

elo_text elo__template(enum elo__template which);

/* The words behind \002 `mark`, NULL if there are none. */
elo_text elo__page_words(uint8_t mark, elo_lang lang);

/* The label of a role's select; the name that boards print beside a pin, "D2"; NULL: none. */
elo_text elo__role_words(unsigned role, elo_lang lang);
elo_text elo__pin_label(unsigned pin);

#endif
