// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Just enough DER to tell a root from a device's certificate (RFC 5280). Nothing is verified here:
 * that is the TLS engine's business.
 */
#include "elo/setup/internal.h"

enum { INTEGER = 0x02, BOOLEAN = 0x01, OCTETS = 0x04, OID = 0x06, SEQUENCE = 0x30 };

/* Takes the element at the front of `in`: its tag, its contents. */
static bool next(elo_span *in, uint8_t *tag, elo_span *body)
{
    if (in->len < 2) {
        return false;
    }
    size_t at = 2, len = in->ptr[1];
    *tag = in->ptr[0];
    if (len >= 0x80) {
        size_t digits = len & 0x7F;
        len = 0;
        if (digits == 0 || digits > 3 || in->len - 2 < digits) {
            return false;
        }
        while (digits-- > 0) {
            len = len << 8 | in->ptr[at++];
        }
    }
    if (in->len - at < len) {
        return false;
    }
    *body = elo_span_of(in->ptr + at, len);
    *in = elo_span_from(*in, at + len);
    return true;
}

static bool expect(elo_span *in, uint8_t wanted, elo_span *body)
{
    uint8_t tag;
    return next(in, &tag, body) && tag == wanted;
}

bool elo__der_whole(elo_span der)
{
    elo_span body;
    return expect(&der, SEQUENCE, &body) && der.len == 0;
}

/* basicConstraints, 2.5.29.19: { cA BOOLEAN DEFAULT FALSE, ... } */
static bool may_issue(elo_span extensions)
{
    elo_span list, one, id, value, inner, flag;
    uint8_t tag;
    if (!expect(&extensions, SEQUENCE, &list)) {
        return false;
    }
    while (expect(&list, SEQUENCE, &one)) {
        if (!expect(&one, OID, &id) || id.len != 3 || id.ptr[0] != 0x55 || id.ptr[1] != 0x1D ||
            id.ptr[2] != 0x13 || !next(&one, &tag, &value)) {
            continue;
        }
        if (tag == BOOLEAN && !next(&one, &tag, &value)) { /* `critical` stood before it */
            return false;
        }
        return tag == OCTETS && expect(&value, SEQUENCE, &inner) &&
               expect(&inner, BOOLEAN, &flag) && flag.len == 1 && flag.ptr[0] != 0;
    }
    return false;
}

void elo__look_at(elo_span der, struct elo__look *out)
{
    elo_span all, tbs, issuer, subject, body;
    uint8_t tag;
    out->certificate = out->authority = false;
    if (!expect(&der, SEQUENCE, &all) || !expect(&all, SEQUENCE, &tbs) ||
        !next(&tbs, &tag, &body)) {
        return;
    }
    if (tag == 0xA0 && !next(&tbs, &tag, &body)) { /* the version; version 1 leaves it out */
        return;
    }
    if (tag != INTEGER || !expect(&tbs, SEQUENCE, &body) || !expect(&tbs, SEQUENCE, &issuer) ||
        !expect(&tbs, SEQUENCE, &body) || !expect(&tbs, SEQUENCE, &subject) ||
        !expect(&tbs, SEQUENCE, &body)) {
        return;
    }
    out->certificate = true;
    bool extended = false;
    while (next(&tbs, &tag, &body)) {
        if (tag == 0xA3) {
            extended = true;
            out->authority = may_issue(body);
        }
    }
    if (!extended) {
        out->authority = elo_span_eq(issuer, subject);
    }
}
