// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Settings in flash: "ELO" and the version, length of the rest (16 bits), then tag, length and
 * bytes of each member, and a CRC-32 over all before it. Integers are big-endian.
 */
#include "elo/base/bytes.h"
#include "elo/setup/code.h"
#include "elo/setup/internal.h"

enum { HEADER = 6, VERSION = 1, CRC = 4 };

/* --- writing -------------------------------------------------------------------------------------
 */

static elo_span value_of(const struct elo_settings *s, const struct elo__field *f, uint8_t small[2])
{
    const uint8_t *at = (const uint8_t *)s + f->at;
    uint16_t number;
    switch (f->kind) {
    case ELO__KIND_SSID:
        return elo_span_of(s->ssid, s->ssid_len);
    case ELO__KIND_TEXT:
        return elo_span_str((const char *)at);
    case ELO__KIND_U16:
        memcpy(&number, at, sizeof number);
        elo_wr16be(small, number);
        return elo_span_of(small, 2);
    case ELO__KIND_SENSOR:
        small[0] = s->sensor;
        return elo_span_of(small, 1);
    case ELO__KIND_PIN:
        small[0] = s->pins[f->at];
        return elo_span_of(small, 1);
    default:
        return elo_span_of(NULL, 0);
    }
}

elo_err elo_settings_store(const struct elo_settings *s, uint8_t *out, size_t cap, size_t *out_len)
{
    struct elo__field f;
    uint8_t small[2];
    size_t n = HEADER;
    if (cap < HEADER + CRC) {
        return ELO_E_NO_SPACE;
    }
    memcpy(out, "ELO", 3);
    out[3] = VERSION;
    for (size_t i = 0; i < ELO__FIELD_COUNT; i++) {
        elo__field_at(i, &f);
        elo_span v = value_of(s, &f, small);
        if (v.len == 0) {
            continue;
        }
        if (cap - n < 2 + v.len + CRC) {
            return ELO_E_NO_SPACE;
        }
        out[n++] = (uint8_t)f.tag;
        out[n++] = (uint8_t)v.len;
        memcpy(out + n, v.ptr, v.len);
        n += v.len;
    }
    elo_wr16be(out + 4, (uint16_t)(n - HEADER));
    elo_wr32be(out + n, elo_crc32(0, elo_span_of(out, n)));
    *out_len = n + CRC;
    return ELO_OK;
}

/* --- reading -------------------------------------------------------------------------------------
 */

static bool take(struct elo_settings *s, const struct elo__field *f, elo_span v)
{
    uint16_t number;
    switch (f->kind) {
    case ELO__KIND_U16:
        if (v.len != 2) {
            return false;
        }
        number = elo_rd16be(v.ptr);
        memcpy((uint8_t *)s + f->at, &number, sizeof number);
        return true;
    case ELO__KIND_SENSOR:
        s->sensor = v.len == 1 ? v.ptr[0] : ELO_SENSOR_COUNT;
        return true;
    case ELO__KIND_PIN:
        s->pins[f->at] = v.len == 1 ? v.ptr[0] : ELO_PIN_NONE;
        return true;
    default:
        return elo__field_set(s, f, v) == ELO_WHY_NONE;
    }
}

static bool take_tag(struct elo_settings *s, uint8_t tag, elo_span v)
{
    struct elo__field f;
    for (size_t i = 0; i < ELO__FIELD_COUNT; i++) {
        elo__field_at(i, &f);
        if (f.tag == tag && f.kind != ELO__KIND_SSID_HEX) {
            return take(s, &f, v);
        }
    }
    return true; /* a later version's */
}

static bool is_whole(elo_span b)
{
    if (b.len < HEADER + CRC || memcmp(b.ptr, "ELO", 3) != 0 || b.ptr[3] == 0) {
        return false;
    }
    size_t n = (size_t)HEADER + elo_rd16be(b.ptr + 4);
    return b.len == n + CRC && elo_rd32be(b.ptr + n) == elo_crc32(0, elo_span_first(b, n));
}

elo_err elo_settings_load(struct elo_settings *s, elo_span bytes)
{
    elo_settings_defaults(s);
    if (!is_whole(bytes)) {
        return ELO_E_CORRUPT;
    }
    elo_span rest = elo_span_from(elo_span_first(bytes, bytes.len - CRC), HEADER);
    while (rest.len > 0) {
        if (rest.len < 2 || rest.len - 2 < rest.ptr[1] ||
            !take_tag(s, rest.ptr[0], elo_span_of(rest.ptr + 2, rest.ptr[1]))) {
            return ELO_E_CORRUPT;
        }
        rest = elo_span_from(rest, 2u + rest.ptr[1]);
    }
    return elo_settings_check(s, NULL) == ELO_OK ? ELO_OK : ELO_E_CORRUPT;
}
