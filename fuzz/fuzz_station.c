// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
// links: elo_station
/*
 * Any bytes as a command. What is answered is JSON that carries the command's id; what is refused
 * has an error and asks for nothing; what is accepted is within its ranges.
 */
#include "elo/json/read.h"
#include "elo/station/internal.h"

#include <stdlib.h>

#define CHECK(cond) ((cond) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void set_nothing(void *ctx, bool on)
{
    (void)ctx;
    (void)on;
}

static void read_nothing(void *ctx, struct elo_board_reading *out)
{
    (void)ctx;
    out->source = "";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t scratch[ELO_STATION_SCRATCH_MIN];
    static struct elo_station s;
    const struct elo_board board = {
        .name = "fuzz", .led = set_nothing, .relay = set_nothing, .read = read_nothing};
    struct elo_station_config config;
    struct elo__command c;
    elo_station_defaults(&config);
    config.board = &board;
    config.scratch = scratch;
    config.scratch_size = sizeof scratch;
    s._internal.config = &config;
    s._internal.interval_s = 10;

    uint8_t *text = malloc(size + 1); /* so that a byte beyond is seen */
    CHECK(text != NULL);
    if (size > 0) {
        memcpy(text, data, size);
    }
    elo__command_read(&s, elo_span_of(text, size), &c);
    if (c.id.len > 0) {
        CHECK(elo_json_validate(elo_span_of(text, size)) == ELO_OK);
        CHECK(c.id.ptr >= text && c.id.ptr + c.id.len <= text + size && c.id.len <= 66);
        size_t len = elo__write_reply(&s, c.id, c.error, c.describe && c.error == NULL);
        CHECK(len > 0 && elo_json_validate(elo_span_of(scratch, len)) == ELO_OK);
    }
    if (c.id.len > 0 && c.error == NULL) {
        CHECK(c.interval_s >= 1 && c.interval_s <= ELO_STATION_INTERVAL_MAX_S);
        CHECK(c.identify_s <= ELO_STATION_IDENTIFY_MAX_S);
    }
    free(text);
    return 0;
}
