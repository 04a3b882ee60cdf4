// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Private to the client: where MQTT 5 differs from 3.1.1. The table is reached through the config
 * alone, so that a device which never names it does not link it.
 */
#ifndef ELO_CLIENT_MQTT5_HOOKS_H
#define ELO_CLIENT_MQTT5_HOOKS_H

#include "elo/client/mqtt5.h"

struct elo__mqtt5_hooks {
    /* The config is complete: its memory is divided up. */
    void (*init)(struct elo__client *e);

    /* As elo__output_connect(); `connect` is filled in but for what is of 5. */
    elo_err (*connect)(const struct elo_client_config *config,
                       struct elo_mqtt_connect *connect,
                       size_t *out_len);

    /* Encodes a PUBLISH for the outbox. */
    elo_err (*publish)(struct elo_client_mqtt5 *m,
                       const struct elo_mqtt_publish *publish,
                       uint8_t *buf,
                       size_t cap,
                       size_t *out_len);

    /* The packet of `size` bytes is about to be written: its topic may be left out. */
    void (*begin)(struct elo__outbox *o, uint8_t *bytes, size_t size);

    /* May a message of the session not yet be sent again? */
    bool (*window_full)(const struct elo__outbox *o);

    /* Adds to an event what is of 5. */
    void (*event)(struct elo__client *e, struct elo_client_event *out);

    /* SUBSCRIBE, or UNSUBSCRIBE if `filters` is not NULL. ELO_E_NO_SPACE also: with fewer filters
     * it would not be too large for the server. */
    elo_err (*subscribe)(const struct elo_client_mqtt5 *m,
                         uint16_t id,
                         const struct elo_mqtt_subscription *subs,
                         const elo_span *filters,
                         size_t count,
                         uint8_t *buf,
                         size_t cap,
                         size_t *out_len);

    /* The packet in rx. */
    void (*packet)(struct elo__client *e);
};

/* outbox.c: where the topic of a PUBLISH starts, with its length. */
uint8_t *elo__topic_in(uint8_t *bytes);

/* alias.c */

/* Divides `size` bytes into slots. */
void elo__aliases_init(struct elo__aliases *a, uint8_t *buf, size_t size, uint16_t slot_size);

/* Nothing is known to the other side any more; out of reach is what is over `max`. */
void elo__aliases_forget(struct elo__aliases *a);

/* The alias of `topic`, which is given one if there is a free slot under `max`; 0: none. */
uint16_t elo__alias_for(struct elo__aliases *a, elo_span topic, uint16_t max);

/* The other side has said that `alias` stands for `topic`. false: no such alias, or no room. */
bool elo__alias_set(struct elo__aliases *a, uint16_t alias, elo_span topic);

/* The topic that it has said `alias` stands for. */
bool elo__alias_topic(const struct elo__aliases *a, uint16_t alias, elo_span *out_topic);

/* Is it known to the other side? Then, and now, it is. */
bool elo__alias_announced(struct elo__aliases *a, uint16_t alias);

#endif
