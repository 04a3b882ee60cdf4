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

static uint8_t tag_of(elo_span in)
{
    return in.len > 0 ? elo_flash_read8(in.ptr) : 0;
}

/* Length of the tag and length octets at `in`, 0: none that fit; lengths up to 65535. */
static size_t header(elo_span in, size_t *out_body)
{
    if (in.len < 2) {
        return 0;
    }
    size_t head = 2, body = elo_flash_read8(in.ptr + 1);
    if (body >= 0x80) {
        size_t bytes = body & 0x7F;
        head += bytes;
        if (bytes < 1 || bytes > 2 || in.len < head) {
            return 0;
        }
        body = elo_flash_read8(in.ptr + 2);
        if (bytes == 2) {
            body = body << 8 | elo_flash_read8(in.ptr + 3);
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

/* Takes the element `tag` off the front of `in`; its contents. */
static bool take(elo_span *in, uint8_t tag, elo_span *out_body)
{
    elo_span whole;
    size_t body;
    if (tag_of(*in) != tag || !elo__tls_der_next(in, &whole)) {
        return false;
    }
    *out_body = elo_span_from(whole, header(whole, &body));
    return true;
}

static bool is_oid(elo_span body, const uint8_t *oid)
{
    if (body.len != elo_flash_read8(oid)) {
        return false;
    }
    for (size_t i = 0; i < body.len; i++) {
        if (elo_flash_read8(body.ptr + i) != elo_flash_read8(oid + 1 + i)) {
            return false;
        }
    }
    return true;
}

static elo_span without_zeros(elo_span integer)
{
    while (integer.len > 0 && elo_flash_read8(integer.ptr) == 0) {
        integer = elo_span_from(integer, 1);
    }
    return integer;
}

static elo_err read_rsa(elo_span bits, struct elo__tls_certificate *out)
{
    elo_span numbers;
    if (!take(&bits, TAG_SEQUENCE, &numbers) || !take(&numbers, TAG_INTEGER, &out->key) ||
        !take(&numbers, TAG_INTEGER, &out->exponent)) {
        return ELO_E_BAD_PEM;
    }
    out->key_type = BR_KEYTYPE_RSA;
    out->key = without_zeros(out->key);
    out->exponent = without_zeros(out->exponent);
    return ELO_OK;
}

static elo_err read_key(elo_span info, struct elo__tls_certificate *out)
{
    elo_span algorithm, oid, curve, bits;
    if (!take(&info, TAG_SEQUENCE, &algorithm) || !take(&algorithm, TAG_OID, &oid) ||
        !take(&info, TAG_BIT_STRING, &bits) || tag_of(bits) != 0 || bits.len < 2) {
        return ELO_E_BAD_PEM;
    }
    bits = elo_span_from(bits, 1); /* no bits unused */
    if (is_oid(oid, RSA_ENCRYPTION)) {
        return read_rsa(bits, out);
    }
    if (!is_oid(oid, EC_PUBLIC_KEY) || !take(&algorithm, TAG_OID, &curve) ||
        !is_oid(curve, PRIME256V1)) {
        return ELO_E_UNSUPPORTED;
    }
    out->key_type = BR_KEYTYPE_EC;
    out->key = bits;
    return bits.len == ELO_TLS_P256_POINT_BYTES ? ELO_OK : ELO_E_BAD_PEM;
}

/* Do the extensions say "CA" (RFC 5280, 4.2.1.9)? */
static bool says_ca(elo_span extensions)
{
    elo_span extension, oid, ignored, value, constraints, ca;
    while (take(&extensions, TAG_SEQUENCE, &extension)) {
        if (!take(&extension, TAG_OID, &oid) || !is_oid(oid, BASIC_CONSTRAINTS)) {
            continue;
        }
        (void)take(&extension, TAG_BOOLEAN, &ignored); /* critical, or not */
        return take(&extension, TAG_OCTET_STRING, &value) &&
               take(&value, TAG_SEQUENCE, &constraints) && take(&constraints, TAG_BOOLEAN, &ca) &&
               ca.len == 1 && elo_flash_read8(ca.ptr) != 0;
    }
    return false;
}

elo_err elo__tls_der_certificate(elo_span der, struct elo__tls_certificate *out)
{
    elo_span certificate, tbs, ignored, info, extensions;
    memset(out, 0, sizeof *out);
    if (!take(&der, TAG_SEQUENCE, &certificate) || der.len > 0 ||
        !take(&certificate, TAG_SEQUENCE, &tbs)) {
        return ELO_E_BAD_PEM;
    }
    (void)take(&tbs, TAG_VERSION, &ignored);
    if (!take(&tbs, TAG_INTEGER, &ignored) ||  /* serial number */
        !take(&tbs, TAG_SEQUENCE, &ignored) || /* signature */
        !take(&tbs, TAG_SEQUENCE, &ignored) || /* issuer */
        !take(&tbs, TAG_SEQUENCE, &ignored) || /* validity */
        tag_of(tbs) != TAG_SEQUENCE || !elo__tls_der_next(&tbs, &out->subject) ||
        !take(&tbs, TAG_SEQUENCE, &info)) {
        return ELO_E_BAD_PEM;
    }
    (void)take(&tbs, TAG_ISSUER_ID, &ignored);
    (void)take(&tbs, TAG_SUBJECT_ID, &ignored);
    if (take(&tbs, TAG_EXTENSIONS, &ignored) && take(&ignored, TAG_SEQUENCE, &extensions)) {
        out->is_ca = says_ca(extensions);
    }
    return read_key(info, out);
}
