// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A decoded MQTT packet in one line of text, every field of it, as the vector files' `is` fields
 * have it. tests/vectors/mqtt/README.md tells the notation.
 */
#ifndef TESTS_SUPPORT_MQTT_TEXT_H
#define TESTS_SUPPORT_MQTT_TEXT_H

#include "elo/mqtt/packet.h"

/* `level`: that of the connection it came on. The caller frees the text. */
char *mqtt_text(uint8_t level, const struct elo_mqtt_packet *p);

/* "MALFORMED" and so on, for the results a codec can have. */
const char *mqtt_err_text(elo_err err);

#endif
