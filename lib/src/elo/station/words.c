// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/base/flash.h"
#include "elo/station/internal.h"

static char flash_char(const char *flash, size_t i)
{
    return (char)elo_flash_read8((const uint8_t *)flash + i);
}

elo_span elo__word(struct elo__word *w, const char *flash)
{
    w->len = 0;
    while (w->len < sizeof w->text && (w->text[w->len] = flash_char(flash, w->len)) != '\0') {
        w->len++;
    }
    return elo_span_of(w->text, w->len);
}

void elo__key(struct elo_json_writer *w, const char *flash)
{
    struct elo__word word;
    elo_json_key(w, elo__word(&word, flash));
}

void elo__value(struct elo_json_writer *w, const char *flash)
{
    struct elo__word word;
    elo_json_string(w, elo__word(&word, flash));
}

bool elo__is_word(elo_span text, const char *flash)
{
    size_t i = 0;
    while (i < text.len && flash_char(flash, i) != '\0' &&
           (uint8_t)flash_char(flash, i) == text.ptr[i]) {
        i++;
    }
    return i == text.len && flash_char(flash, i) == '\0';
}

/* --- lines ---------------------------------------------------------------------------------------
 */

void elo__line_init(struct elo__line *l, char *out, size_t cap)
{
    l->out = out;
    l->cap = cap;
    l->len = 0;
    if (cap > 0) {
        out[0] = '\0';
    }
}

static void put(struct elo__line *l, char c)
{
    if (l->len + 1 < l->cap) {
        l->out[l->len++] = c;
        l->out[l->len] = '\0';
    }
}

void elo__line_word(struct elo__line *l, const char *flash)
{
    char c;
    for (size_t i = 0; (c = flash_char(flash, i)) != '\0'; i++) {
        put(l, c);
    }
}

void elo__line_text(struct elo__line *l, elo_span text)
{
    for (size_t i = 0; i < text.len; i++) {
        put(l, (char)text.ptr[i]);
    }
}

void elo__line_int(struct elo__line *l, int32_t value)
{
    char digits[10];
    size_t n = 0;
    uint32_t left = value < 0 ? 0u - (uint32_t)value : (uint32_t)value;
    if (value < 0) {
        put(l, '-');
    }
    do {
        digits[n++] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    while (n > 0) {
        put(l, digits[--n]);
    }
}

/* --- slugs ---------------------------------------------------------------------------------------
 */

/* The reasons that a device meets; tests/unit/test_station.c holds them to errors.def. */
#define SLUGS(X)                                                                                   \
    X(ELO_E_MALFORMED, "MALFORMED")                                                                \
    X(ELO_E_PROTOCOL, "PROTOCOL")                                                                  \
    X(ELO_E_TOO_LARGE, "QUOTA-SIZE")                                                               \
    X(ELO_E_NO_SPACE, "BUFFER")                                                                    \
    X(ELO_E_DNS, "DNS")                                                                            \
    X(ELO_E_TCP_REFUSED, "PORT-REFUSED")                                                           \
    X(ELO_E_TCP_TIMEOUT, "PORT-BLOCKED")                                                           \
    X(ELO_E_TCP_CLOSED, "CLOSED")                                                                  \
    X(ELO_E_NETWORK, "NETWORK")                                                                    \
    X(ELO_E_CLOCK, "CLOCK")                                                                        \
    X(ELO_E_SERVER_EXPIRED, "SERVER-EXPIRED")                                                      \
    X(ELO_E_ROOT, "ROOT")                                                                          \
    X(ELO_E_SERVER_NAME, "SERVER-NAME")                                                            \
    X(ELO_E_KEYPAIR, "KEYPAIR")                                                                    \
    X(ELO_E_TLS_ALERT, "TLS-ALERT")                                                                \
    X(ELO_E_TLS_HANDSHAKE, "TLS")                                                                  \
    X(ELO_E_TLS_RECORD, "TLS-RECORD")                                                              \
    X(ELO_E_TLS_CERT_REFUSED, "CERT-REFUSED")                                                      \
    X(ELO_E_ALPN, "ALPN")                                                                          \
    X(ELO_E_BAD_PEM, "PEM")                                                                        \
    X(ELO_E_ENTROPY, "ENTROPY")                                                                    \
    X(ELO_E_CONNACK_VERSION, "VERSION")                                                            \
    X(ELO_E_CONNACK_CLIENTID, "CLIENTID")                                                          \
    X(ELO_E_CONNACK_SERVER, "SERVER")                                                              \
    X(ELO_E_CONNACK_PASSWORD, "PASSWORD")                                                          \
    X(ELO_E_CONNACK_AUTH, "NOT-AUTHORIZED")                                                        \
    X(ELO_E_CONNACK_TIMEOUT, "CONNACK-TIMEOUT")                                                    \
    X(ELO_E_CLOSED_AFTER_CONNECT, "REFUSED")                                                       \
    X(ELO_E_CLOSED_AFTER_PUBLISH, "POLICY-TOPIC")                                                  \
    X(ELO_E_CLOSED_AFTER_SUBSCRIBE, "POLICY-FILTER")                                               \
    X(ELO_E_PING_TIMEOUT, "PING")                                                                  \
    X(ELO_E_SUBACK_REFUSED, "SUBACK")                                                              \
    X(ELO_E_CLIENTID_TAKEN, "CLIENTID-TAKEN")                                                      \
    X(ELO_E_ACK_TIMEOUT, "ACK")                                                                    \
    X(ELO_E_PUBACK_REFUSED, "PUBACK")                                                              \
    X(ELO_E_SERVER_GONE, "SERVER-GONE")                                                            \
    X(ELO_E_SERVER_REFUSED, "SERVER-REASON")                                                       \
    X(ELO_E_OUTBOX_FULL, "OUTBOX-FULL")                                                            \
    X(ELO_E_IO, "IO")

/* All of them in one text, number and name in one piece of 20 bytes: flash is read by bytes. */
struct slug {
    int32_t reason;
    char name[16];
};
static const struct slug slugs[] ELO_FLASH = {
#define ROW(code, name) {code, name},
    SLUGS(ROW)
#undef ROW
};

void elo_station_slug(elo_err reason, char out[ELO_SLUG_MAX])
{
    struct elo__line l;
    struct slug row;
    elo__line_init(&l, out, ELO_SLUG_MAX);
    elo__line_text(&l, ELO_SPAN("E-"));
    for (size_t i = 0; i < sizeof slugs / sizeof slugs[0]; i++) {
        elo_flash_copy(&row, &slugs[i], sizeof row);
        if (row.reason == (int32_t)reason) {
            elo__line_text(&l, elo_span_str(row.name));
            return;
        }
    }
    elo__line_int(&l, (int32_t)reason);
}
