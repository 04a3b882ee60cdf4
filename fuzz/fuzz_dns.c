// links: elo_setup
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* Datagrams to the portal's name server. Byte 0: room for the answer (times 4). An answer repeats
 * the question, is an answer to it, and is at most 16 bytes longer than what was asked. */
#include "elo/setup/dns.h"

#include <stdlib.h>
#include <string.h>

static void check(bool truth)
{
    if (!truth)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t address[4] = {192, 168, 4, 1};
    if (size < 1)
        return 0;
    size_t cap = data[0] * 4u;
    uint8_t *query = malloc(size), *out = malloc(cap + 1);
    memcpy(query, data + 1, size - 1);
    size_t n = elo_dns_answer(elo_span_of(query, size - 1), address, out, cap);
    check(n <= cap && n <= size - 1 + 16 && n <= ELO_DNS_ANSWER_MAX);
    if (n > 0) {
        check(n >= 17 && memcmp(out, query, 2) == 0 && (out[2] & 0x80) != 0);
        check(elo_dns_answer(elo_span_of(out, n), address, query, size) == 0);
    }
    free(query);
    free(out);
    return 0;
}
