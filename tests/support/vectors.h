// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Golden vectors: bytes and what they must mean, as data. tests/vectors/mqtt/README.md is the
 * format's manual; in short
 *
 *     # a comment
 *     [publish, QoS 1]
 *     hex  32 0a 0003 "a/b" 0001 "hey"
 *     is   PUBLISH qos=1 dup=0 retain=0 id=1 topic=a/b payload=hey
 *
 * A mistake in a vector file ends the program and names the line.
 */
#ifndef TESTS_SUPPORT_VECTORS_H
#define TESTS_SUPPORT_VECTORS_H

#include "elo/base/span.h"

struct vector_field {
    char *key;
    char *value;
};

struct vector {
    const char *file; /* the path as it was given */
    unsigned line;    /* of its [name] */
    char *name;
    uint8_t *bytes;
    size_t len;
    struct vector_field *fields;
    size_t field_count;
};

struct vectors {
    struct vector *items;
    size_t count;
};

/* Adds the vectors of a file to `v`, which starts as {0}. `path` must outlive `v`. */
void vectors_add(struct vectors *v, const char *path);
void vectors_free(struct vectors *v);

/* The value of the field `key`, or NULL. */
const char *vector_get(const struct vector *v, const char *key);

static inline elo_span vector_bytes(const struct vector *v)
{
    return elo_span_of(v->bytes, v->len);
}

/*
 * Reads the notation of a `hex` field into a new block, which the caller frees. false if it is not
 * in that notation.
 */
bool vectors_parse_hex(const char *text, uint8_t **out_bytes, size_t *out_len);

#endif
