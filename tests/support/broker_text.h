// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Packets of the broker as lines of text, as tests/vectors/broker has them, and MQTT 5 properties
 * from such text.
 */
#ifndef TESTS_SUPPORT_BROKER_TEXT_H
#define TESTS_SUPPORT_BROKER_TEXT_H

#include <stdio.h>

#include "elo/mqtt/property.h"

/*
 * The line for a packet. `reasons`: reason strings in full, else just the word. Returns the packet
 * identifier if the packet wants a PUBACK, else 0.
 */
uint16_t broker_text(FILE *out, const struct elo_mqtt_packet *p, uint8_t level, bool reasons);

/* Writes the property that a word such as "expiry=60" or "user=a:b" means; false: it means none. */
bool broker_text_property(struct elo_mqtt_property_writer *w, const char *word);

#endif
