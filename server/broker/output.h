// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Private to server/broker: what waits to be sent on one connection.
 *
 * One contiguous growable run of bytes: copying a small packet is cheaper than describing it. A big
 * payload is not copied but referred to where it belongs in the stream, so that a thousand
 * subscribers of a 128 KB message hold it once.
 *
 * The owner drains it in big pieces. A drained output owns no memory: its buffer goes back to the
 * pool all connections share, so an idle connection costs nothing and a busy one seldom allocates.
 */
#ifndef ELO_SERVER_BROKER_OUTPUT_H
#define ELO_SERVER_BROKER_OUTPUT_H

#include "server/broker/message.h"

/* A payload from this size on is referred to instead of copied. */
#define OUTPUT_REFER_BYTES 4096u

#define OUTPUT_POOL_BUFFERS 64u

struct output_pool {
    struct {
        uint8_t *ptr;
        size_t cap;
    } spare[OUTPUT_POOL_BUFFERS];
    size_t count;
    size_t held; /* bytes of memory that outputs hold; a payload they share counts once */
};

void broker__output_pool_free(struct output_pool *pool);

struct output_ref {
    size_t at;   /* the payload goes in before this byte */
    size_t sent; /* bytes of it that are gone */
    struct message *m;
};

struct output {
    uint8_t *ptr;
    size_t len;
    size_t cap;
    size_t sent; /* bytes at `ptr` that are gone */
    struct output_ref *refs;
    uint32_t ref_first; /* the oldest that is not gone */
    uint32_t ref_count; /* end of the used part of `refs` */
    uint32_t ref_cap;
    size_t bytes; /* unsent, with what is referred to */
};

/* The parts of a packet; any of them may be empty. */
struct output_packet {
    elo_span head;
    elo_span props;
    elo_span payload;
    struct message *keep; /* whose payload it is: a big one is referred to; NULL: always copied */
};

/* Appends a packet. All or nothing; false: out of memory. */
bool broker__output_packet(struct output *o,
                           struct output_pool *pool,
                           const struct output_packet *packet);

size_t broker__output_pieces(const struct output *o, elo_span *out, size_t max);

/* Forgets the first `sent` unsent bytes. */
void broker__output_ack(struct output *o, struct output_pool *pool, size_t sent);

/* Forgets everything and gives the memory back. */
void broker__output_free(struct output *o, struct output_pool *pool);

#endif
