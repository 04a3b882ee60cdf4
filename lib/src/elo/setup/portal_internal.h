// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Between portal.c, which takes requests, and render.c, which makes answers. Private to them.
 */
#ifndef ELO_SETUP_PORTAL_INTERNAL_H
#define ELO_SETUP_PORTAL_INTERNAL_H

#include "elo/setup/page.h"
#include "elo/setup/portal.h"

enum elo__phase { ELO__READING, ELO__ANSWERING, ELO__FINISHED };

enum elo__answer {
    ELO__ANSWER_PAGE,
    ELO__ANSWER_STATUS,
    ELO__ANSWER_REDIRECT,
    ELO__ANSWER_REFUSAL
};

/* Begins to answer; the rest is elo_portal_output()'s. */
void elo__answer(struct elo_portal_conn *c, unsigned status, enum elo__answer answer);

/* The Host of the request is the board; which an empty one of HTTP/1.0 is taken for. */
bool elo__host_is_ours(const struct elo_portal_conn *c);

#endif
