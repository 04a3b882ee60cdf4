// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Between provision.c (wishes, trials), provision_store.c (flash, credentials, the key) and
 * provision_lines.c (serial line, portal). Private to them.
 */
#ifndef ELO_STATION_PROVISION_INTERNAL_H
#define ELO_STATION_PROVISION_INTERNAL_H

#include "elo/station/internal.h"
#include "elo/station/provision.h"

enum {
    ELO__TRIAL_NONE,
    ELO__TRIAL_LEAVES, /* the Station says goodbye */
    ELO__TRIAL_WIFI,   /* joining */
    ELO__TRIAL_LINK,   /* the Station tries to connect */
    ELO__TRIAL_OVER    /* it worked: another goodbye, then the restart */
};

/* Bits of `valid`, which is in flash: what there is, and in which of its two places. */
enum {
    ELO__HAS_SETTINGS = 1,
    ELO__HAS_CREDENTIALS = 2,
    ELO__SETTINGS_IN_B = 4,
    ELO__CREDENTIALS_IN_B = 8
};

/* --- provision_store.c --------------------------------------------------------------------------
 */

/* Settings from flash into `stored`, and what a power cut left is cleaned up. */
elo_err elo__provision_load(struct elo_provision *p);

/* Credentials into memory, from flash or from the bundle of the draft, where they are proven to
 * belong together. */
elo_err elo__provision_use_stored(struct elo_provision *p);
elo_err elo__provision_use_bundle(struct elo_provision *p);

/* The draft and, if there is one, its bundle. */
elo_err elo__provision_save(struct elo_provision *p);
elo_err elo__provision_forget(struct elo_provision *p);

/* Secrets are overwritten where a compiler would leave them: memset() of what dies is nothing. */
void elo__provision_wipe(void *mem, size_t len);

/* Is there a key of the board's own? */
bool elo__provision_has_key(const struct elo_provision *p);

/* The key if there is none, then the request, each in a call of its own. */
elo_err elo__provision_make_csr(struct elo_provision *p);

/* --- provision_lines.c --------------------------------------------------------------------------
 */

/* true: bytes came or went. */
bool elo__provision_console(struct elo_provision *p, uint32_t now);
bool elo__provision_portal(struct elo_provision *p, uint32_t now);

#endif
