// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A device that uses all of elo_client, to be linked and measured by tools/check-lib; it is never
 * run. With MQTT5 defined it speaks version 5.
 */
#include "elo/client/client.h"
#ifdef MQTT5
#include "elo/client/mqtt5.h"
#endif

void device(struct elo_client *c, struct elo_client_config *config, elo_span in);

void device(struct elo_client *c, struct elo_client_config *config, elo_span in)
{
    struct elo_client_event event;
    struct elo_client_message message = {0};
    uint32_t at = 0;
    elo_client_defaults(config);
#ifdef MQTT5
    static struct elo_client_mqtt5 mqtt5;
    elo_client_mqtt5_defaults(&mqtt5);
    config->mqtt5 = &mqtt5;
#endif
    elo_err err = elo_client_init(c, config);
    elo_client_start(c, at);
    elo_client_retry_now(c, at);
    elo_client_transport_open(c, at);
    at += (uint32_t)elo_client_input(c, in, at);
    while (elo_client_next_event(c, &event)) {
        err = elo_client_publish(c, &message);
        err = elo_client_subscribe(c, in, 1);
        err = elo_client_unsubscribe(c, in);
        err = elo_client_ping(c, at);
    }
    elo_client_output_ack(c, elo_client_output_buf(c).len, at);
    (void)elo_client_next_deadline(c, &at);
    elo_client_tick(c, at + (uint32_t)elo_client_wants(c) + (uint32_t)elo_client_get_state(c));
    at += (uint32_t)(elo_client_pending(c) + elo_client_room(c)) + (uint32_t)err;
    elo_client_transport_closed(c, ELO_OK, at);
    elo_client_stop(c, at);
}
