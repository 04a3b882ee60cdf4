// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Between console.c (lines), commands.c (a person's) and desk.c (a program's). Private to them.
 */
#ifndef ELO_SETUP_CONSOLE_INTERNAL_H
#define ELO_SETUP_CONSOLE_INTERNAL_H

#include "elo/setup/console.h"

enum elo__asking { ELO__ASKS_NOTHING, ELO__ASKS_PASSPHRASE };
enum elo__listing { ELO__LISTS_NOTHING, ELO__LISTS_HELP, ELO__LISTS_STATUS, ELO__LISTS_NETWORKS };

/* --- console.c: output; what does not fit is dropped ----------------------------------------- */
void elo__say(struct elo_console *c, elo_span text);
void elo__say_text(struct elo_console *c, elo_text text);
void elo__say_number(struct elo_console *c, int32_t number);
void elo__say_plain(struct elo_console *c,
                    elo_span text);          /* a stranger's: nothing a terminal obeys */
void elo__say_reason(struct elo_console *c); /* of setup->reason, in words */
void elo__say_end(struct elo_console *c);    /* end of line */
void elo__prompt(struct elo_console *c);

/* --- commands.c ------------------------------------------------------------------------------- */
void elo__command(struct elo_console *c, elo_span line);
void elo__answer_passphrase(struct elo_console *c, elo_span line);
bool elo__list_row(struct elo_console *c); /* false: that was the last */

/* --- desk.c ----------------------------------------------------------------------------------- */
void elo__on_frame(struct elo_console *c, const struct elo_frame *frame);

#endif
