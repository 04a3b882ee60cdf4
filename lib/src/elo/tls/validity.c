// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The validity dates of an X.509 certificate, read while its DER bytes pass by.
 *
 * BearSSL's validator says "expired or not yet valid" in one number. A person needs to know which:
 * the first is the server's fault, the second is our clock's. So the bytes are read a second time
 * here, with a few bytes of state instead of a second decoder (RFC 5280, 4.1):
 *
 *   Certificate SEQUENCE        enter
 *     TBSCertificate SEQUENCE   enter
 *       [0] version             skip, if there
 *       serialNumber INTEGER    skip
 *       signature SEQUENCE      skip
 *       issuer SEQUENCE         skip
 *       validity SEQUENCE       enter
 *         notBefore             read
 *         notAfter              read   -> done, the rest does not matter
 *
 * Nothing here decides about trust: bytes that do not fit end the reading, and the dates stay
 * unknown.
 */
#include "elo/tls/internal.h"

enum step {
    STEP_CERTIFICATE,
    STEP_TBS,
    STEP_VERSION_OR_SERIAL,
    STEP_SERIAL,
    STEP_SIGNATURE,
    STEP_ISSUER,
    STEP_VALIDITY,
    STEP_NOT_BEFORE,
    STEP_NOT_AFTER,
    STEP_DONE,
    STEP_LOST
};
enum phase { PHASE_TAG, PHASE_LENGTH, PHASE_LENGTH_BYTES, PHASE_SKIP, PHASE_TEXT };

enum { TAG_INTEGER = 0x02, TAG_UTC = 0x17, TAG_GENERALIZED = 0x18, TAG_SEQUENCE = 0x30 };
enum { TAG_VERSION = 0xA0 };

void elo__tls_validity_init(struct elo__tls_validity *v)
{
    memset(v, 0, sizeof *v);
}

bool elo__tls_validity_known(const struct elo__tls_validity *v)
{
    return v->step == STEP_DONE;
}

/* Two digits at `s`, 0..99, or 100 and more when they are none. */
static uint32_t two_digits(const char *s)
{
    unsigned hi = (unsigned)(unsigned char)s[0] - '0';
    unsigned lo = (unsigned)(unsigned char)s[1] - '0';
    return hi > 9 || lo > 9 ? 100 : hi * 10 + lo;
}

/* Days from 1970-01-01 to the given date, year 1970..2105. The year is made to begin in March, so
 * that a leap day is its last; 153 days are five months from there. */
static uint32_t days_since_1970(uint32_t year, uint32_t month, uint32_t day)
{
    uint32_t y = month > 2 ? year : year - 1;
    uint32_t m = month > 2 ? month - 3 : month + 9;
    return y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

/* YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ (RFC 5280, 4.1.2.5), clamped to what 32 bits can say. */
static bool read_time(const struct elo__tls_validity *v, uint32_t *out_unix)
{
    const char *s = v->text;
    uint32_t century;
    if (v->tag == TAG_UTC) {
        century = two_digits(s) >= 50 ? 19 : 20;
    } else {
        century = two_digits(s);
        s += 2;
    }
    uint32_t f[6];
    for (unsigned i = 0; i < 6; i++) {
        f[i] = two_digits(s + 2 * i);
        if (f[i] > 99) {
            return false;
        }
    }
    uint32_t year = century * 100 + f[0];
    if (century > 99 || f[1] < 1 || f[1] > 12 || f[2] < 1 || f[2] > 31 || s[12] != 'Z') {
        return false;
    }
    if (year < 1970) {
        *out_unix = 0;
    } else if (year > 2105) {
        *out_unix = UINT32_MAX;
    } else {
        *out_unix = days_since_1970(year, f[1], f[2]) * 86400 + f[3] * 3600 + f[4] * 60 + f[5];
    }
    return true;
}

/* Is `tag` what may come at this step? */
static bool tag_fits(const struct elo__tls_validity *v, uint8_t tag)
{
    if (v->step == STEP_VERSION_OR_SERIAL) {
        return tag == TAG_VERSION || tag == TAG_INTEGER;
    }
    if (v->step == STEP_SERIAL) {
        return tag == TAG_INTEGER;
    }
    if (v->step == STEP_NOT_BEFORE || v->step == STEP_NOT_AFTER) {
        return tag == TAG_UTC || tag == TAG_GENERALIZED;
    }
    return tag == TAG_SEQUENCE;
}

static void next_element(struct elo__tls_validity *v)
{
    if (v->step == STEP_VERSION_OR_SERIAL && v->tag == TAG_INTEGER) {
        v->step = STEP_SIGNATURE; /* version 1: no [0] before the serial number */
    } else {
        v->step++;
    }
    v->phase = PHASE_TAG;
}

/* Tag and length are known: go into the element, over it, or read it. */
static void begin_body(struct elo__tls_validity *v)
{
    if (v->step == STEP_CERTIFICATE || v->step == STEP_TBS || v->step == STEP_VALIDITY) {
        next_element(v);
    } else if (v->step == STEP_NOT_BEFORE || v->step == STEP_NOT_AFTER) {
        v->text_len = 0;
        v->phase = PHASE_TEXT;
        if (v->body != (v->tag == TAG_UTC ? 13u : 15u)) {
            v->step = STEP_LOST;
        }
    } else if (v->body > 0) {
        v->phase = PHASE_SKIP;
    } else {
        next_element(v);
    }
}

static void feed_length(struct elo__tls_validity *v, uint8_t byte)
{
    if (v->phase == PHASE_LENGTH_BYTES) {
        v->body = v->body << 8 | byte;
        if (--v->length_bytes == 0) {
            begin_body(v);
        }
    } else if (byte < 0x80) {
        v->body = byte;
        begin_body(v);
    } else if (byte > 0x80 && byte <= 0x83) {
        v->body = 0;
        v->length_bytes = byte & 0x7F;
        v->phase = PHASE_LENGTH_BYTES;
    } else {
        v->step = STEP_LOST;
    }
}

static void feed_text(struct elo__tls_validity *v, uint8_t byte)
{
    v->text[v->text_len++] = (char)byte;
    if (--v->body > 0) {
        return;
    }
    uint32_t *date = v->step == STEP_NOT_BEFORE ? &v->not_before : &v->not_after;
    if (read_time(v, date)) {
        next_element(v);
    } else {
        v->step = STEP_LOST;
    }
}

static void feed_byte(struct elo__tls_validity *v, uint8_t byte)
{
    if (v->phase == PHASE_SKIP) {
        if (--v->body == 0) {
            next_element(v);
        }
    } else if (v->phase == PHASE_TEXT) {
        feed_text(v, byte);
    } else if (v->phase != PHASE_TAG) {
        feed_length(v, byte);
    } else if (tag_fits(v, byte)) {
        v->tag = byte;
        v->phase = PHASE_LENGTH;
    } else {
        v->step = STEP_LOST;
    }
}

void elo__tls_validity_feed(struct elo__tls_validity *v, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len && v->step < STEP_DONE; i++) {
        feed_byte(v, data[i]);
    }
}
