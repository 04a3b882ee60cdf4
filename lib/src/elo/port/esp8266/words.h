// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Reasons in words, for a device: the part of errors/errors.def that it can meet. About 9 KB of
 * flash for a program that asks for both, none for one that does not.
 *
 * The texts are in flash: on the ESP8266 read them with the core's functions for that, e.g.
 * Serial.println(FPSTR(elo_words(err))), or with elo/base/flash.h.
 */
#ifndef ELO_PORT_ESP8266_WORDS_H
#define ELO_PORT_ESP8266_WORDS_H

#include "elo/base/err.h"

#ifdef __cplusplus
extern "C" {
#endif

/* "E-DNS: The endpoint's name has no address." */
const char *elo_words(elo_err err);

/* "Check the spelling of the endpoint and that the network has a DNS server." Empty: none known. */
const char *elo_cure(elo_err err);

#ifdef __cplusplus
}
#endif

#endif
