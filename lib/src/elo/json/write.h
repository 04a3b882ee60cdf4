// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A JSON writer into the caller's buffer: commas, quotes and escapes are its business.
 *
 *     struct elo_json_writer w;
 *     elo_json_writer_init(&w, buf, sizeof buf);
 *     elo_json_begin_object(&w);
 *     elo_json_key(&w, ELO_SPAN("celsius"));
 *     elo_json_number_text(&w, ELO_SPAN("21.50"));
 *     elo_json_end_object(&w);
 *     err = elo_json_finish(&w, &len);
 *
 * The first error sticks; later calls are harmless, elo_json_finish() tells. Nothing is written
 * beyond `cap`, and the needed size is counted on, so a caller may measure with cap = 0 (and `buf`
 * NULL). What elo_json_finish() calls ELO_OK, elo_json_validate() calls ELO_OK. Spans are read
 * during the call only. Equal keys are the caller's business: they are written as they come.
 */
#ifndef ELO_JSON_WRITE_H
#define ELO_JSON_WRITE_H

#include "elo/base/err.h"
#include "elo/base/span.h"

#ifdef __cplusplus
extern "C" {
#endif

struct elo_json_writer {
    uint8_t *_buf;
    size_t _cap;
    size_t _len; /* bytes asked for so far, perhaps more than _cap */
    uint32_t _is_array;
    uint8_t _depth;
    bool _comma;
    bool _after_key;
    elo_err _err;
};

void elo_json_writer_init(struct elo_json_writer *w, uint8_t *buf, size_t cap);

void elo_json_begin_object(struct elo_json_writer *w);
void elo_json_end_object(struct elo_json_writer *w);
void elo_json_begin_array(struct elo_json_writer *w);
void elo_json_end_array(struct elo_json_writer *w);

/* A member's name; the next call writes its value. */
void elo_json_key(struct elo_json_writer *w, elo_span name);

/* `text` must be UTF-8 (else ELO_E_UTF8); control characters, quote and backslash are escaped. */
void elo_json_string(struct elo_json_writer *w, elo_span text);

void elo_json_int(struct elo_json_writer *w, int64_t value);
void elo_json_bool(struct elo_json_writer *w, bool value);
void elo_json_null(struct elo_json_writer *w);

/* A number as text; ELO_E_MALFORMED unless it is a JSON number. */
void elo_json_number_text(struct elo_json_writer *w, elo_span number);

/* value * 10^-decimals, without floating point: (2150, 2) writes 21.50. decimals <= 9. */
void elo_json_fixed(struct elo_json_writer *w, int32_t value, uint8_t decimals);

/*
 * A value that is JSON text already, taken over as it stands; it is validated first. Its containers
 * and those open around it may together be ELO_JSON_MAX_DEPTH deep (read.h), else ELO_E_DEPTH.
 */
void elo_json_raw(struct elo_json_writer *w, elo_span json);

/*
 * ELO_OK          `*out_len` bytes of complete JSON are in the buffer
 * ELO_E_NO_SPACE  the buffer is too small; `*out_len` is the size it takes
 * ELO_E_PROTOCOL  a container is open, a key has no value, or a call came where none may
 * ELO_E_DEPTH, ELO_E_UTF8, ELO_E_MALFORMED  as the calls above say
 */
ELO_MUST_USE elo_err elo_json_finish(struct elo_json_writer *w, size_t *out_len);

#ifdef __cplusplus
}
#endif

#endif
