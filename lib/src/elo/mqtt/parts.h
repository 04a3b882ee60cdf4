// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Private to lib/: what the readers of both versions share, and the reader of properties.
 */
#ifndef ELO_MQTT_PARTS_H
#define ELO_MQTT_PARTS_H

#include "elo/mqtt/cursor.h"
#include "elo/mqtt/decode.h"

/* decode.c */

/* A fixed header whose first byte is there and valid. */
elo_err elo__read_frame(elo_span in, uint32_t max_packet, struct elo_mqtt_frame *out);

/* What the connect flags say into `out`; false if they contradict each other. A password without
 * a user name is for the caller to judge: the versions differ. */
bool elo__read_connect_flags(unsigned flags, struct elo_mqtt_connect *out);

/* Protocol name and level. ELO_E_UNSUPPORTED for a name that is not MQTT's. */
elo_err elo__take_protocol(struct elo__cursor *c, uint8_t *out_level);

/* A CONNECT of 3.1.1 from behind its level. */
elo_err elo__decode_connect4(struct elo__cursor c, struct elo_mqtt_connect *out);

/* For clients: decodes the whole packet `in`, whose fixed header has been read and is `header_len`
 * bytes, of the types that a server sends. `out->type` is not set. */
elo_err elo__decode_answer(elo_span in, size_t header_len, struct elo_mqtt_packet *out);

/* decode5.c: the same of MQTT 5. */
elo_err elo__decode_answer5(elo_span in, size_t header_len, struct elo_mqtt_packet *out);

/* property.c */

/* Where properties stand: a packet of a type, or a will. */
#define ELO__IN_WILL 0u

/*
 * The length of properties and the properties, checked for a packet of the type `where`. If
 * `publish` is not NULL, what its `has`, `alias` and `expiry_s` should say is put there; they are
 * set to 0 by the caller.
 */
elo_err elo__take_properties(struct elo__cursor *c,
                             unsigned where,
                             elo_span *out,
                             struct elo_mqtt_publish *publish);

#endif
