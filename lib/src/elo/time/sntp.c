// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/time/sntp.h"

#include "elo/base/bytes.h"

/* The header, RFC 5905, figure 8. Byte 0 is leap indicator, version and mode: 2, 3 and 3 bits. */
enum {
    AT_STRATUM = 1,
    AT_ROOT_DELAY = 4,
    AT_ROOT_DISPERSION = 8,
    AT_REFERENCE_ID = 12,
    AT_ORIGIN = 24,
    AT_RECEIVE = 32,
    AT_TRANSMIT = 40
};
enum { MODE_CLIENT = 3, MODE_SERVER = 4 };
enum { VERSION = 4, VERSION_OLDEST = 3 };
enum { LEAP_UNKNOWN = 3, STRATUM_MAX = 15 };

/* From 1900 to 1970, and what RFC 5905 holds for too inexact (MAXDISP), in 16.16 seconds. */
#define EPOCHS_S     2208988800u
#define MAX_DISTANCE (16u << 16)

void elo_sntp_request(const struct elo_sntp_nonce *nonce, uint8_t *out)
{
    memset(out, 0, ELO_SNTP_BYTES);
    out[0] = VERSION << 3 | MODE_CLIENT;
    elo_wr32be(out + AT_TRANSMIT, nonce->high);
    elo_wr32be(out + AT_TRANSMIT + 4, nonce->low);
}

static bool is_ours(const uint8_t *p, const struct elo_sntp_nonce *nonce)
{
    unsigned mode = p[0] & 7u;
    unsigned version = p[0] >> 3 & 7u;
    return mode == MODE_SERVER && version >= VERSION_OLDEST && version <= VERSION &&
           elo_rd32be(p + AT_ORIGIN) == nonce->high && elo_rd32be(p + AT_ORIGIN + 4) == nonce->low;
}

static void read_kiss(const uint8_t *p, char *out)
{
    for (unsigned i = 0; i < 4; i++) {
        char c = (char)p[AT_REFERENCE_ID + i];
        out[i] = (char)((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '?');
    }
    out[4] = '\0';
}

/* Half the way to the reference and its error: how wrong the server may be. */
static bool is_exact(const uint8_t *p)
{
    uint32_t delay = elo_rd32be(p + AT_ROOT_DELAY);
    uint32_t dispersion = elo_rd32be(p + AT_ROOT_DISPERSION);
    return delay < 2 * MAX_DISTANCE && dispersion < MAX_DISTANCE &&
           delay / 2 + dispersion < MAX_DISTANCE;
}

static bool is_synced(const uint8_t *p)
{
    return p[0] >> 6 != LEAP_UNKNOWN && p[AT_STRATUM] <= STRATUM_MAX && is_exact(p) &&
           (elo_rd32be(p + AT_TRANSMIT) != 0 || elo_rd32be(p + AT_TRANSMIT + 4) != 0);
}

/* Of a second in 32 bits, rounded down. */
static uint32_t ms_of(const uint8_t *fraction)
{
    return (uint32_t)elo_rd16be(fraction) * 1000u >> 16;
}

/* From the question's arrival to the answer's departure; 0 where the server is not to be believed:
 * it cannot have held the question longer than we waited. */
static uint32_t held_ms(const uint8_t *p, uint32_t elapsed_ms)
{
    uint32_t seconds = elo_rd32be(p + AT_TRANSMIT) - elo_rd32be(p + AT_RECEIVE);
    if (seconds > 1000000) {
        return 0;
    }
    uint32_t ms = seconds * 1000 + ms_of(p + AT_TRANSMIT + 4) - ms_of(p + AT_RECEIVE + 4);
    return ms > elapsed_ms ? 0 : ms;
}

elo_err elo_sntp_read(elo_span datagram,
                      const struct elo_sntp_nonce *nonce,
                      uint32_t elapsed_ms,
                      struct elo_sntp_reply *out)
{
    const uint8_t *p = datagram.ptr;
    memset(out, 0, sizeof *out);
    if (datagram.len < ELO_SNTP_BYTES) {
        return ELO_E_MALFORMED;
    }
    if (!is_ours(p, nonce)) {
        return ELO_E_TIME_NOT_OURS;
    }
    if (p[AT_STRATUM] == 0) {
        read_kiss(p, out->kiss);
        return ELO_E_TIME_KISS;
    }
    if (!is_synced(p)) {
        return ELO_E_TIME_UNSYNCED;
    }
    out->stratum = p[AT_STRATUM];
    out->round_trip_ms = elapsed_ms - held_ms(p, elapsed_ms);
    /* The answer is taken to have been half the round trip on its way. */
    uint32_t way = out->round_trip_ms / 2;
    uint32_t ms = ms_of(p + AT_TRANSMIT + 4) + way % 1000;
    out->unix_s = elo_rd32be(p + AT_TRANSMIT) - EPOCHS_S + way / 1000 + (ms >= 1000);
    out->ms = (uint16_t)(ms >= 1000 ? ms - 1000 : ms);
    return ELO_OK;
}
