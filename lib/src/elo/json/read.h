// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A pull reader for JSON (RFC 8259): one token a call, no tree, no heap, no recursion.
 *
 *     struct elo_json_reader r;
 *     elo_json_reader_init(&r, text);
 *     while ((err = elo_json_next(&r, &tok)) == ELO_OK) { ... }
 *     if (err != ELO_END) -> refused, r.error_at tells where
 *
 * Strict: what RFC 8259 does not allow is refused - a trailing comma, a leading zero, NaN, single
 * quotes, a comment, a raw control character in a string, an escape that is none, a lone surrogate
 * escape, bytes that are not UTF-8, anything after the value, an empty text, a byte order mark.
 * Numbers stay text: a token's `raw` is what stood there, so 1.10 and 9007199254740993 come back
 * as they were. Depth is bounded by ELO_JSON_MAX_DEPTH, the state is a few dozen bytes.
 *
 * Duplicate keys are delivered as they come; whoever builds an object decides.
 *
 * A text that is refused at its end has delivered tokens before: act on what was read only after
 * ELO_END, or call elo_json_validate() first.
 *
 * All spans point into the text and live as long as it does. Once an error was returned, every
 * later call returns the same error; a token and other outputs are written on ELO_OK only.
 */
#ifndef ELO_JSON_READ_H
#define ELO_JSON_READ_H

#include "elo/base/err.h"
#include "elo/base/span.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Arrays and objects one inside the other; one more is ELO_E_DEPTH. */
#define ELO_JSON_MAX_DEPTH 32u

typedef enum elo_json_type {
    ELO_JSON_OBJECT_BEGIN,
    ELO_JSON_OBJECT_END,
    ELO_JSON_ARRAY_BEGIN,
    ELO_JSON_ARRAY_END,
    ELO_JSON_KEY, /* a member's name; its value is the next token */
    ELO_JSON_STRING,
    ELO_JSON_NUMBER,
    ELO_JSON_TRUE,
    ELO_JSON_FALSE,
    ELO_JSON_NULL
} elo_json_type;

struct elo_json_token {
    elo_json_type type;
    uint8_t depth;    /* containers around this token; a BEGIN and its END carry the same depth */
    bool has_escapes; /* KEY and STRING: `raw` holds backslashes; see elo_json_unescape() */
    elo_span raw;     /* the bytes as they stand; without the quotes for KEY and STRING */
};

struct elo_json_reader {
    elo_span text;
    /*
     * After an error, the offset of the faulty byte (of a bad UTF-8 sequence its first, of a lone
     * surrogate escape its backslash), or the text's length if that ends too early.
     */
    size_t error_at;
    size_t _at;
    uint32_t _is_array; /* one bit a level */
    uint8_t _depth;
    uint8_t _state;
    elo_err _err;
};

void elo_json_reader_init(struct elo_json_reader *r, elo_span text);

/*
 * ELO_OK           `out` is the next token
 * ELO_END          the text was one value and is over
 * ELO_E_MALFORMED  not JSON, or the text ends too early
 * ELO_E_UTF8       a string is not UTF-8, or an escape is a lone surrogate
 * ELO_E_DEPTH      nested deeper than ELO_JSON_MAX_DEPTH
 */
ELO_MUST_USE elo_err elo_json_next(struct elo_json_reader *r, struct elo_json_token *out);

/*
 * Skips the value that `tok` begins (all of an object or array, nothing more for a scalar) or, for
 * a KEY, the value after it. `tok` is the token that elo_json_next() gave last, and no END.
 * `*out_raw` (may be NULL) becomes the value's whole text, quotes and brackets included: how to
 * take over a sub-document unchanged. Errors as elo_json_next().
 */
ELO_MUST_USE elo_err elo_json_skip(struct elo_json_reader *r,
                                   const struct elo_json_token *tok,
                                   elo_span *out_raw);

/* Is this KEY or STRING equal to `text` once unescaped? Reads no byte outside the token. */
bool elo_json_token_is(const struct elo_json_token *tok, elo_span text);

/*
 * Writes the unescaped text of a KEY or STRING at `buf`: never longer than tok->raw.len, and a
 * \u0000 becomes a NUL byte. ELO_E_NO_SPACE with `*out_len` = the size it takes if `cap` is small,
 * and nothing written; ELO_E_MALFORMED if the token is neither. `buf` may be NULL with `cap` 0.
 */
ELO_MUST_USE elo_err elo_json_unescape(const struct elo_json_token *tok,
                                       uint8_t *buf,
                                       size_t cap,
                                       size_t *out_len);

/*
 * A NUMBER as an integer: ELO_E_MALFORMED if the token is not a NUMBER or has a fraction or an
 * exponent, ELO_E_TOO_LARGE if it does not fit 64 bits signed.
 */
ELO_MUST_USE elo_err elo_json_int64(const struct elo_json_token *tok, int64_t *out);

/* One whole valid JSON text? As elo_json_next() would answer to the end: ELO_OK or the error. */
ELO_MUST_USE elo_err elo_json_validate(elo_span text);

#ifdef __cplusplus
}
#endif

#endif
