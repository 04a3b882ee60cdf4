// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The outbox: every message from elo_client_publish() until it is written (QoS 0) or acknowledged
 * (QoS 1), in the order of publication, as ready-made PUBLISH packets in one buffer. Private to the
 * client; in a header of its own because struct elo_client holds one.
 *
 * Times are wrapping milliseconds, as in client.h. Re-entrant; one outbox, one buffer.
 */
#ifndef ELO_CLIENT_OUTBOX_H
#define ELO_CLIENT_OUTBOX_H

#include "elo/mqtt/packet.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of a record before its packet. */
#define ELO__RECORD_SIZE 16u

/* A PUBLISH's fixed header, no topic, and a packet id: what is written instead of its beginning
 * when an alias stands for the topic (MQTT 5). */
#define ELO__HEAD_SIZE 9u

struct elo_client_mqtt5;

struct elo__outbox {
    uint8_t *buf;
    size_t cap;
    size_t end;        /* bytes in use, holes included */
    size_t holes;      /* bytes of records that are done with */
    size_t cur;        /* the record being written, while `busy` */
    size_t written;    /* bytes of its packet that are out */
    size_t live;       /* messages */
    uint32_t retry_ms; /* these three as in elo_client_config */
    uint32_t ack_timeout_ms;
    uint16_t window;
    uint16_t in_flight; /* of these, QoS 1 with a packet id: written, or to be written again */
    uint16_t last_id;   /* packet id given out last */
    bool busy;
    struct elo_client_mqtt5 *mqtt5; /* NULL: the packets are of 3.1.1 */
    size_t first;                   /* no record before it is to be written */
    size_t cut;      /* of the packet being written, `cut` bytes are not; these stand for them */
    size_t head_len; /* of `head`, used with an alias only */
    uint8_t head[ELO__HEAD_SIZE];
};

/* What elo__outbox_written() has finished. */
typedef enum elo__written { ELO__WRITTEN_PART, ELO__WRITTEN_QOS0, ELO__WRITTEN_QOS1 } elo__written;

/* Empty, without window and repetition: set the three fields. */
void elo__outbox_init(struct elo__outbox *o, uint8_t *buf, size_t cap);

/*
 * Appends. `packet_id` of `publish` is ignored. `*out_need`: bytes that it takes, unless TOO_LARGE.
 * ELO_E_NO_SPACE: not now; ELO_E_TOO_LARGE: never.
 */
ELO_MUST_USE elo_err elo__outbox_put(struct elo__outbox *o,
                                     const struct elo_mqtt_publish *publish,
                                     uint32_t token,
                                     size_t *out_need);

/* Changes a packet in place, which grows no longer; returns its size then. 0: it is unfit. */
typedef size_t (*elo__edit_fn)(uint8_t *packet, size_t size, const void *ctx);

/* Lets `edit` change each packet; none is being written. true: some are unfit, and not to be
 * written any more. */
bool elo__outbox_rewrite(struct elo__outbox *o, elo__edit_fn edit, const void *ctx);

/* Drops the first of these, of which there is one; its packet had `*out_size` bytes. true: there
 * are more. */
bool elo__outbox_drop_unfit(struct elo__outbox *o, uint32_t *out_token, size_t *out_size);

/* Messages in flight that were written on this connection. */
size_t elo__outbox_unanswered(const struct elo__outbox *o);

/* Bytes that a record may take now. */
size_t elo__outbox_room(const struct elo__outbox *o);

/* The same after dropping all that elo__outbox_drop() would. */
size_t elo__outbox_room_dropping(const struct elo__outbox *o, bool in_flight_too);

/* Removes the oldest message not in flight, or the oldest of all. false: there is none. */
bool elo__outbox_drop(struct elo__outbox *o, bool in_flight_too, uint32_t *out_token);

/* A packet id that no message in flight has, and not `except` either [MQTT-2.3.1-2]. */
uint16_t elo__outbox_new_id(struct elo__outbox *o, uint16_t except);

/*
 * The rest of the packet being written; when there is none, the next one that is due and allowed
 * by the window is begun, with a packet id other than `except`. Empty: nothing to write. May be a
 * part of it; the next call has the next.
 */
elo_span elo__outbox_output(struct elo__outbox *o, uint16_t except, uint32_t now_ms);

/* `n` bytes of it are out. */
elo__written elo__outbox_written(struct elo__outbox *o, size_t n, uint32_t now_ms);

/* The PUBACK `id`. false: no message in flight has it. */
bool elo__outbox_acked(struct elo__outbox *o, uint16_t id, uint32_t *out_token);

/* The transport is gone, in the middle of a packet or not. */
void elo__outbox_cut(struct elo__outbox *o);

/* Connected again: what was in flight is sent again, under its old id if the session is `present`,
 * as new if not. */
void elo__outbox_resume(struct elo__outbox *o, bool present);

/* Since when has the oldest message written on this connection waited for its PUBACK? */
bool elo__outbox_waiting(const struct elo__outbox *o, uint32_t *out_since_ms);

/* Milliseconds until elo__outbox_tick() has something to do; UINT32_MAX: never. */
uint32_t elo__outbox_left(const struct elo__outbox *o, uint32_t now_ms);

/* Marks what is due for repetition. true: a PUBACK is over `ack_timeout_ms` late. */
bool elo__outbox_tick(struct elo__outbox *o, uint32_t now_ms);

#ifdef __cplusplus
}
#endif

#endif
