// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* What an honest time server says (RFC 5905, 7.3). In a header: it is two functions. */
#ifndef TESTS_SUPPORT_SNTP_ANSWER_H
#define TESTS_SUPPORT_SNTP_ANSWER_H

#include "elo/base/bytes.h"
#include "elo/time/sntp.h"

#include <string.h>

/* Milliseconds since 1970 as a timestamp of NTP: 8 bytes. */
static inline void sntp_put_time(uint8_t *p, int64_t unix_ms)
{
    elo_wr32be(p, (uint32_t)(unix_ms / 1000 + 2208988800));
    elo_wr32be(p + 4, (uint32_t)((uint64_t)(unix_ms % 1000) * 4294967296u / 1000u + 1));
}

/* ELO_SNTP_BYTES: the answer to a question that came and was answered at `unix_ms`. */
static inline void sntp_answer(const uint8_t *question, int64_t unix_ms, uint8_t *out)
{
    memset(out, 0, ELO_SNTP_BYTES);
    out[0] = 0x24; /* version 4, server */
    out[1] = 2;    /* stratum */
    memcpy(out + 24, question + 40, 8);
    sntp_put_time(out + 32, unix_ms);
    sntp_put_time(out + 40, unix_ms);
}

#endif
