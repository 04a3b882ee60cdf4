// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/tls/csr.h"

#include "elo/base/assert.h"

#include <string.h>

#define LABEL_MAX  40
#define LINE_BYTES 48 /* of DER, 64 characters */

enum { STEP_BEGIN, STEP_BODY, STEP_DONE };

static char digit(uint32_t value)
{
    value &= 63;
    if (value < 26) {
        return (char)('A' + value);
    }
    if (value < 52) {
        return (char)('a' + value - 26);
    }
    if (value < 62) {
        return (char)('0' + value - 52);
    }
    return value == 62 ? '+' : '/';
}

/* Up to three bytes as four characters. */
static void put_group(const uint8_t *bytes, size_t len, char *to)
{
    uint32_t bits = (uint32_t)bytes[0] << 16 | (len > 1 ? (uint32_t)bytes[1] << 8 : 0) |
                    (len > 2 ? bytes[2] : 0);
    to[0] = digit(bits >> 18);
    to[1] = digit(bits >> 12);
    to[2] = len > 1 ? digit(bits >> 6) : '=';
    to[3] = len > 2 ? digit(bits) : '=';
}

static size_t put_text(char *line, size_t at, const char *text)
{
    while (*text != '\0') {
        line[at++] = *text++;
    }
    return at;
}

static size_t boundary(const struct elo_tls_pem *pem, const char *word, char *line)
{
    size_t n = put_text(line, 0, "-----");
    n = put_text(line, n, word);
    n = put_text(line, n, pem->_internal.label);
    return put_text(line, n, "-----");
}

static size_t body(struct elo_tls_pem *pem, char *line)
{
    elo_span rest = elo_span_from(pem->_internal.der, pem->_internal.at);
    size_t n = rest.len < LINE_BYTES ? rest.len : LINE_BYTES, at = 0;
    for (size_t i = 0; i < n; i += 3, at += 4) {
        put_group(rest.ptr + i, n - i, line + at);
    }
    pem->_internal.at += n;
    return at;
}

void elo_tls_pem_init(struct elo_tls_pem *pem, const char *label, elo_span der)
{
    ELO_ASSERT(strlen(label) <= LABEL_MAX);
    pem->_internal.label = label;
    pem->_internal.der = der;
    pem->_internal.at = 0;
    pem->_internal.step = STEP_BEGIN;
}

size_t elo_tls_pem_line(struct elo_tls_pem *pem, char line[ELO_TLS_PEM_LINE_BYTES])
{
    size_t n = 0;
    line[0] = '\0';
    if (pem->_internal.step == STEP_DONE) {
        return 0;
    }
    if (pem->_internal.step == STEP_BEGIN) {
        n = boundary(pem, "BEGIN ", line);
        pem->_internal.step = STEP_BODY;
    } else if (pem->_internal.at < pem->_internal.der.len) {
        n = body(pem, line);
    } else {
        n = boundary(pem, "END ", line);
        pem->_internal.step = STEP_DONE;
    }
    line[n++] = '\n';
    line[n] = '\0';
    return n;
}
