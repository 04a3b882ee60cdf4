// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Words that live in flash. An elo_text is a NUL-terminated string that may lie in flash: on the
 * ESP8266 it must not be read byte by byte as usual, but with the functions here. Elsewhere it is a
 * plain string.
 */
#ifndef ELO_SETUP_TEXT_H
#define ELO_SETUP_TEXT_H

#include "elo/base/span.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef const char *elo_text;

/* The languages that set-up speaks. */
typedef enum elo_lang { ELO_LANG_EN, ELO_LANG_PT, ELO_LANG_COUNT } elo_lang;

/* Bytes before the NUL; 0 for NULL. */
size_t elo_text_len(elo_text text);

/* Copies as much as fits and a NUL, if `cap` > 0; the length copied. NULL is empty. */
size_t elo_text_copy(elo_text text, char *out, size_t cap);

/* Are these bytes this text? */
bool elo_text_is(elo_text text, elo_span bytes);

#ifdef __cplusplus
}
#endif

#endif
