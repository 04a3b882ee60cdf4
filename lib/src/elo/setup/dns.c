// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/setup/dns.h"

#include "elo/base/bytes.h"

enum { HEADER = 12, RECORD = 16, TYPE_A = 1, TYPE_ANY = 255, CLASS_IN = 1, NOTIMP = 4 };

/* The length of the question that begins at HEADER: a name without pointers, type and class; 0 if
 * it is none. */
static size_t question_len(elo_span query)
{
    size_t at = HEADER;
    while (at < query.len && query.ptr[at] != 0) {
        if (query.ptr[at] > 63) {
            return 0;
        }
        at += 1u + query.ptr[at];
    }
    size_t name = at + 1 - HEADER;
    return at < query.len && name <= 255 && query.len - at >= 5 ? name + 4 : 0;
}

static size_t put_address(uint8_t *out, const uint8_t address[4])
{
    elo_wr16be(out, 0xC000 | HEADER); /* the name of the question */
    elo_wr16be(out + 2, TYPE_A);
    elo_wr16be(out + 4, CLASS_IN);
    elo_wr32be(out + 6, ELO_DNS_LIFE_S);
    elo_wr16be(out + 10, 4);
    memcpy(out + 12, address, 4);
    return RECORD;
}

size_t elo_dns_answer(elo_span query, const uint8_t address[4], uint8_t *out, size_t cap)
{
    if (query.len < HEADER || query.len > ELO_DNS_QUERY_MAX || (query.ptr[2] & 0x80) != 0 ||
        elo_rd16be(query.ptr + 4) != 1 || elo_rd16be(query.ptr + 6) != 0) {
        return 0;
    }
    size_t question = question_len(query);
    if (question == 0 || cap < HEADER + question + RECORD) {
        return 0;
    }
    bool is_query = (query.ptr[2] & 0x78) == 0;
    uint16_t type = elo_rd16be(query.ptr + HEADER + question - 4);
    uint16_t class = elo_rd16be(query.ptr + HEADER + question - 2);
    bool known = is_query && class == CLASS_IN && (type == TYPE_A || type == TYPE_ANY);
    memcpy(out, query.ptr, HEADER + question);
    out[2] = (uint8_t)(0x84 | (query.ptr[2] & 0x79)); /* an answer, with authority */
    out[3] = is_query ? 0 : NOTIMP;
    elo_wr16be(out + 6, known);
    elo_wr16be(out + 8, 0);
    elo_wr16be(out + 10, 0);
    return HEADER + question + (known ? put_address(out + HEADER + question, address) : 0);
}
