// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* Private to tests/support/world*.c: what they call in each other. */
#ifndef TESTS_SUPPORT_WORLD_PARTS_H
#define TESTS_SUPPORT_WORLD_PARTS_H

#include "tests/support/world.h"

uint64_t world_roll(struct world *w, uint64_t sides); /* 0 ... sides - 1; sides > 0 */
bool world_one_in(struct world *w, uint64_t n);
int64_t world_within(struct world *w, int64_t low, int64_t high); /* both included */

void world_note(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
void world_fail(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline bool world_failed(const struct world *w)
{
    return w->failure[0] != '\0';
}

static inline struct core_time world_time(const struct world *w)
{
    return (struct core_time){.mono_ms = w->now, .wall_ms = w->now + 1767323045000};
}

/* Adds bytes; false: more than any packet here. Then the next packet, until there is none. */
bool world_tap_add(struct world_tap *t, elo_span bytes);
bool world_tap_next(struct world_tap *t, elo_span *out_packet); /* valid until world_tap_drop() */
void world_tap_drop(struct world_tap *t, size_t len);

/* world_net.c */
struct world_link *world_dial(struct world *w, struct world_device *d);
int64_t world_link_next(const struct world_link *l);
void world_link_run(struct world *w, struct world_link *l);
size_t world_write(struct world *w, struct world_link *l, struct world_pipe *p, elo_span bytes);
void world_hang_up(struct world *w, struct world_link *l, struct world_pipe *p);
void world_link_forget(struct world *w, struct world_link *l); /* the server ends */
void world_link_tidy(struct world_link *l); /* frees it when neither end is open */

/* world_device.c */
void world_devices_make(struct world *w);
int64_t world_device_next(const struct world *w, const struct world_device *d);
void world_device_run(struct world *w, struct world_device *d);
void world_device_opened(struct world *w, struct world_device *d, elo_err err);
void world_device_closed(struct world *w, struct world_device *d, elo_err why);
size_t world_device_read(struct world *w, struct world_device *d, elo_span bytes);
void world_device_start(struct world *w, struct world_device *d);
void world_device_stop(struct world *w, struct world_device *d);
uint32_t world_device_clock(const struct world *w, const struct world_device *d);

/* world_desk.c */
void world_desk_open(struct world *w);
void world_desk_shut(struct world *w);
void world_desk_restart(struct world *w);
int64_t world_desk_next(const struct world *w);
void world_desk_run(struct world *w);
void world_desk_accept(struct world *w, struct world_link *l);
void world_desk_read(struct world *w, struct world_link *l, elo_span bytes);
void world_desk_write(struct world *w, struct world_link *l);
void world_desk_close(struct world *w, struct world_link *l, elo_err why);
void world_desk_revoke(struct world *w, unsigned client, bool active);
void world_desk_check(struct world *w); /* its statistics against the model's */

/* world_model.c: what the broker hears, in order; then what the witness sees, then settle. */
void world_model_begin(struct world *w);
void world_model_hears(struct world *w, struct world_link *l, elo_span packet);
void world_model_ends(struct world *w, struct world_link *l, bool will);
void world_model_passes(struct world *w); /* time */
void world_model_sees(struct world *w, const struct elo_mqtt_publish *p);
void world_model_settle(struct world *w);
void world_model_restart(struct world *w);
bool world_model_present(struct world *w, unsigned client);

/* What devices do and hear. */
unsigned world_message_new(struct world *w, enum world_kind kind, unsigned who);
elo_span world_message_payload(const struct world *w, unsigned message, uint8_t *room);
void world_model_written(struct world *w, struct world_device *d, elo_span packet);
void world_model_hands(struct world *w,
                       struct world_device *d,
                       const struct elo_client_event *event);

/* Does anything remain to be done? Says what, in `why`. */
bool world_model_quiet(struct world *w, char *why, size_t cap);

#endif
