// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The few fields of a certificate that are needed of one that is trusted already, our own or a
 * root, taken where it lies (RFC 5280, 4.1). Nothing here judges a certificate: chains from the
 * wire are BearSSL's.
 */
#include "elo/tls/internal.h"

#include "elo/base/flash.h"

enum {
    TAG_BOOLEAN = 0x01,
    TAG_INTEGER = 0x02,
    TAG_BIT_STRING = 0x03,
    TAG_OCTET_STRING = 0x04,
    TAG_OID = 0x06,
    TAG_SEQUENCE = 0x30,
    TAG_VERSION = 0xA0,
    TAG_ISSUER_ID = 0x81,
    TAG_SUBJECT_ID = 0x82,
    TAG_EXTENSIONS = 0xA3
};

/* Object identifiers, without tag, behind their length. */
static const uint8_t RSA_ENCRYPTION[] ELO_FLASH = {9,    0x2A, 0x86, 0x48, 0x86,
                                                   0xF7, 0x0D, 0x01, 0x01, 0x01};
static const uint8_t EC_PUBLIC_KEY[] ELO_FLASH = {7, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01};
static const uint8_t PRIME256V1[] ELO_FLASH = {8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07};
static const uint8_t BASIC_CONSTRAINTS[] ELO_FLASH = {3, 0x55, 0x1D, 0x13};

static uint8_t first_of(elo_span in)
{
    return in.len > 0 ? elo_flash_read8(in.ptr) : 0;
}

/* Length of the tag and length octets at `in`, 0: none that fit; contents up to 65535 bytes. */
static size_t header(elo_span in, size_t *out_body)
{
    if (in.len < 2) {
        return 0;
    }
    size_t head = 2, body = elo_flash_read8(in.ptr + 1);
    if (body >= 0x80) {
        head += body & 0x7F;
        if (head < 3 || head > 4 || in.len < head) {
            return 0;
        }
        body = 0;
        for (size_t i = 2; i < head; i++) {
            body = body << 8 | elo_flash_read8(in.ptr + i);
        }
    }
    *out_body = body;
    return body <= in.len - head ? head : 0;
}

bool elo__tls_der_next(elo_span *in, elo_span *out_whole)
{
    size_t body, head = header(*in, &body);
    if (head == 0) {
        return false;
    }
    *out_whole = elo_span_first(*in, head + body);
    *in = elo_span_from(*in, head + body);
    return true;
}

/* Takes the element `tag` off the front of `in`: its contents. Another one is left there, and the
 * answer is NULL and 0, from which nothing can be taken; so a caller need only look at the end. */
static elo_span take(elo_span *in, uint8_t tag)
{
    elo_span whole = {NULL, 0};
    size_t body;
    if (first_of(*in) == tag && elo__tls_der_next(in, &whole)) {
        whole = elo_span_from(whole, header(whole, &body));
    }
    return whole;
}

static bool is_oid(elo_span body, const uint8_t *oid)
{
    size_t at = 0;
    if (body.len != elo_flash_read8(oid)) {
        return false;
    }
    while (at < body.len && elo_flash_read8(body.ptr + at) == elo_flash_read8(oid + 1 + at)) {
        at++;
    }
    return at == body.len;
}

static elo_span take_number(elo_span *in)
{
    elo_span number = take(in, TAG_INTEGER);
    while (number.len > 0 && first_of(number) == 0) {
        number = elo_span_from(number, 1);
    }
    return number;
}

static elo_err read_key(elo_span info, struct elo__tls_certificate *out)
{
    elo_span algorithm = take(&info, TAG_SEQUENCE), oid = take(&algorithm, TAG_OID);
    elo_span bits = take(&info, TAG_BIT_STRING);
    if (bits.len < 2 || first_of(bits) != 0) { /* how many bits are unused */
        return ELO_E_BAD_PEM;
    }
    bits = elo_span_from(bits, 1);
    if (is_oid(oid, RSA_ENCRYPTION)) {
        elo_span numbers = take(&bits, TAG_SEQUENCE);
        out->key_type = BR_KEYTYPE_RSA;
        out->key = take_number(&numbers);
        out->exponent = take_number(&numbers);
        return out->exponent.len > 0 ? ELO_OK : ELO_E_BAD_PEM;
    }
    if (!is_oid(oid, EC_PUBLIC_KEY) || !is_oid(take(&algorithm, TAG_OID), PRIME256V1)) {
        return ELO_E_UNSUPPORTED;
    }
    out->key_type = BR_KEYTYPE_EC;
    out->key = bits;
    return bits.len == ELO_TLS_P256_POINT_BYTES ? ELO_OK : ELO_E_BAD_PEM;
}

/* Do the extensions say "CA" (RFC 5280, 4.2.1.9)? */
static bool says_ca(elo_span extensions)
{
    for (;;) {
        elo_span extension = take(&extensions, TAG_SEQUENCE);
        if (extension.len == 0) {
            return false;
        }
        if (is_oid(take(&extension, TAG_OID), BASIC_CONSTRAINTS)) {
            (void)take(&extension, TAG_BOOLEAN); /* critical, or not */
            elo_span value = take(&extension, TAG_OCTET_STRING);
            elo_span constraints = take(&value, TAG_SEQUENCE);
            return first_of(take(&constraints, TAG_BOOLEAN)) != 0;
        }
    }
}

elo_err elo__tls_der_certificate(elo_span der, struct elo__tls_certificate *out)
{
    /* Serial number, signature, issuer, validity. */
    static const uint8_t PASSED[4] ELO_FLASH = {TAG_INTEGER, TAG_SEQUENCE, TAG_SEQUENCE,
                                                TAG_SEQUENCE};
    elo_span certificate = take(&der, TAG_SEQUENCE), tbs = take(&certificate, TAG_SEQUENCE);
    memset(out, 0, sizeof *out);
    (void)take(&tbs, TAG_VERSION);
    for (size_t i = 0; i < sizeof PASSED; i++) {
        if (take(&tbs, elo_flash_read8(&PASSED[i])).len == 0) {
            return ELO_E_BAD_PEM;
        }
    }
    if (der.len > 0 || first_of(tbs) != TAG_SEQUENCE || !elo__tls_der_next(&tbs, &out->subject)) {
        return ELO_E_BAD_PEM;
    }
    elo_span info = take(&tbs, TAG_SEQUENCE);
    (void)take(&tbs, TAG_ISSUER_ID);
    (void)take(&tbs, TAG_SUBJECT_ID);
    elo_span extensions = take(&tbs, TAG_EXTENSIONS);
    out->is_ca = says_ca(take(&extensions, TAG_SEQUENCE));
    return read_key(info, out);
}
