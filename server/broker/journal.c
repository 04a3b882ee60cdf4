// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: three counters number the rows; nothing is read back while the server runs. What
 * cannot be put is refused by whoever asked for it. What cannot be deleted for lack of memory stays
 * behind: after a restart a message may come once more, which QoS 1 allows.
 */
#include "server/broker/journal.h"

#include "server/broker/internal.h"

static size_t bytes_waiting(const struct journal *j)
{
    return j->sent_bytes + (j->batch != NULL ? store_batch_bytes(j->batch) : 0);
}

bool broker__journal_has_slack(const struct journal *j)
{
    return bytes_waiting(j) < JOURNAL_BYTES_MAX / 2;
}

/* The turn's batch with room in it; NULL: out of memory, or the disk does not keep up. */
static struct store_batch *batch(struct journal *j)
{
    if (j->batch == NULL) {
        j->batch = store_begin_kept(j->store);
    }
    return bytes_waiting(j) < JOURNAL_BYTES_MAX ? j->batch : NULL;
}

/* The outcome of a put. */
static bool note(struct journal *j, bool put)
{
    j->touched = true;
    j->lost = j->lost || !put;
    return put;
}

/* --- messages that wait -------------------------------------------------------------------------
 */

/* Time is stored as people count it: the clock of a process ends with it. */
static struct store_message row_of(const struct journal *j, const struct message *m)
{
    bool for_ever = m->expires_ms == MESSAGE_FOREVER;
    return (struct store_message){
        .topic = broker__message_topic(m),
        .payload = broker__message_payload(m),
        .properties = broker__message_props(m),
        .qos = m->qos,
        .expires_ms = for_ever ? 0 : m->expires_ms - j->now->mono_ms + j->now->wall_ms};
}

/* Gives the message its row. */
static elo_err store_content(struct journal *j, struct store_batch *b, struct message *m)
{
    size_t bytes = broker__message_bytes(m);
    if (m->rows > 0) {
        return ELO_OK;
    }
    if (j->bytes >= j->bytes_max || bytes > j->bytes_max - j->bytes) {
        return ELO_E_QUOTA; /* what was restored may be more: the limit was another one then */
    }
    const struct store_message row = row_of(j, m);
    if (!store_put_message(b, j->next_message, &row)) {
        return ELO_E_NO_MEMORY;
    }
    m->row = j->next_message++;
    j->bytes += bytes;
    return ELO_OK;
}

void broker__journal_unwanted(struct journal *j, const struct message *m)
{
    if (m->rows > 0) {
        return;
    }
    struct store_batch *b = batch(j);
    j->bytes -= broker__message_bytes(m);
    if (b != NULL) {
        (void)store_delete_message(b, m->row);
    }
}

elo_err broker__journal_wait(const struct journal_owner *owner,
                             struct message *m,
                             bool retain,
                             int64_t *out_row)
{
    struct journal *j = owner->journal;
    *out_row = 0;
    if (owner->session == 0 || j->store == NULL) {
        return ELO_OK;
    }
    struct store_batch *b = batch(j);
    elo_err err = b == NULL ? ELO_E_NO_MEMORY : store_content(j, b, m);
    if (err != ELO_OK) {
        j->lost = j->lost || err == ELO_E_NO_MEMORY;
        return err;
    }
    const struct store_queued row = {.id = j->next_queued,
                                     .session = owner->session,
                                     .message = m->row,
                                     .flags = retain ? JOURNAL_RETAIN : 0};
    if (!note(j, store_put_queued(b, &row))) {
        broker__journal_unwanted(j, m);
        return ELO_E_NO_MEMORY;
    }
    m->rows++;
    *out_row = j->next_queued++;
    return ELO_OK;
}

void broker__journal_done(struct journal *j, struct message *m, int64_t row)
{
    if (row == 0 || j->store == NULL) {
        return;
    }
    struct store_batch *b = batch(j);
    if (b != NULL) {
        (void)store_delete_queued(b, row);
    }
    m->rows--;
    broker__journal_unwanted(j, m);
}

void broker__journal_orphan(struct journal *j, int64_t queued_row)
{
    struct store_batch *b = batch(j);
    if (b != NULL) {
        (void)store_delete_queued(b, queued_row);
    }
}

/* --- sessions -----------------------------------------------------------------------------------
 */

bool broker__journal_session(struct session *s, bool online)
{
    struct journal *j = &s->broker->journal;
    if (j->store == NULL || (s->row == 0 && !broker__persistent(s))) {
        return true;
    }
    struct store_batch *b = batch(j);
    const struct store_session row = {
        .id = s->row != 0 ? s->row : j->next_session,
        .client_id = broker__client_id(s),
        .level = s->version,
        .expiry_ms = (int64_t)s->expiry_s * 1000,
        .offline_ms = online ? 0 : s->broker->now.wall_ms,
    };
    if (!note(j, b != NULL && store_put_session(b, &row))) {
        return false;
    }
    if (s->row == 0) {
        broker__journal_adopt(s, j->next_session++);
        s->changed = j->epoch;
    }
    return true;
}

void broker__journal_adopt(struct session *s, int64_t row)
{
    s->row = row;
    s->queue.owner = s->inflight.owner = (struct journal_owner){&s->broker->journal, row};
}

void broker__journal_session_gone(struct session *s)
{
    struct journal *j = &s->broker->journal;
    if (j->store != NULL && s->row != 0) {
        struct store_batch *b = batch(j);
        struct known *client = broker__known_get(&s->broker->known, broker__client_id(s));
        if (note(j, b != NULL && store_delete_session(b, s->row))) {
            *(client != NULL ? &client->session_ended : &j->ended) = j->epoch;
        }
    }
}

bool broker__journal_subscribed(const struct subscription *sub)
{
    struct session *s = sub->session;
    struct journal *j = &s->broker->journal;
    if (j->store == NULL || s->row == 0) {
        return true;
    }
    struct store_batch *b = batch(j);
    const struct store_subscription row = {.session = s->row,
                                           .filter = broker__subscription_filter(sub),
                                           .qos = sub->qos,
                                           .options =
                                               (sub->no_local ? SUBSCRIPTION_NO_LOCAL : 0) |
                                               (sub->as_published ? SUBSCRIPTION_AS_PUBLISHED : 0)};
    s->changed = b != NULL ? j->epoch : s->changed;
    return note(j, b != NULL && store_put_subscription(b, &row));
}

bool broker__journal_unsubscribed(const struct subscription *sub)
{
    struct session *s = sub->session;
    struct journal *j = &s->broker->journal;
    if (j->store == NULL || s->row == 0) {
        return true;
    }
    struct store_batch *b = batch(j);
    elo_span filter = broker__subscription_filter(sub);
    s->changed = b != NULL ? j->epoch : s->changed;
    return note(j, b != NULL && store_delete_subscription(b, s->row, filter));
}

/* --- retained messages --------------------------------------------------------------------------
 */

int64_t broker__journal_group(struct journal *j, const struct subscription *member)
{
    struct store_batch *b = batch(j);
    const struct store_session row = {.id = j->next_session,
                                      .client_id = broker__subscription_filter(member),
                                      .level = JOURNAL_LEVEL_GROUP};
    bool put = note(j, b != NULL && store_put_session(b, &row));
    return put ? j->next_session++ : 0;
}

void broker__journal_group_gone(struct journal *j, int64_t row)
{
    if (j->store != NULL && row != 0) {
        struct store_batch *b = batch(j);
        (void)note(j, b != NULL && store_delete_session(b, row));
    }
}

bool broker__journal_retained(struct journal *j, const struct message *m)
{
    if (j->store == NULL) {
        return true;
    }
    struct store_batch *b = batch(j);
    const struct store_message row = row_of(j, m);
    return note(j, b != NULL && store_put_retained(b, &row, j->now->wall_ms));
}

bool broker__journal_forgotten(struct journal *j, elo_span topic)
{
    if (j->store == NULL) {
        return true;
    }
    struct store_batch *b = batch(j);
    bool put = note(j, b != NULL && store_delete_retained(b, topic));
    j->forgotten = put ? j->epoch : j->forgotten;
    return put;
}

/* --- the end of a turn --------------------------------------------------------------------------
 */

void broker__journal_free(struct journal *j)
{
    if (j->batch != NULL && store_submit(j->batch) == 0) {
        store_abandon(j->batch);
    }
    j->batch = NULL;
    j->store = NULL;
}

void broker__journal_drop(struct journal *j)
{
    store_abandon(j->batch);
    j->batch = NULL;
    j->store = NULL;
}

/* Remembers that the epoch went out as `seq`; the last entry takes what has no place. */
static void remember(struct journal *j, uint64_t seq, size_t bytes)
{
    bool full = j->sent_count == JOURNAL_SENT_MAX;
    struct journal_sent *at = &j->sent[full ? JOURNAL_SENT_MAX - 1 : j->sent_count++];
    size_t before = full ? at->bytes : 0;
    *at = (struct journal_sent){.epoch = j->epoch++, .seq = seq, .bytes = before + bytes};
    j->sent_bytes += bytes;
    j->batch = NULL;
}

/* An empty batch stays: the store would have nothing to tell of it. */
static void submit(struct journal *j)
{
    size_t bytes = j->batch != NULL ? store_batch_bytes(j->batch) : 0;
    uint64_t seq = bytes > 0 ? store_submit(j->batch) : 0;
    if (seq != 0) {
        remember(j, seq, bytes);
    }
}

void broker_commit(struct broker *b)
{
    struct journal *j = &b->journal;
    if (!j->halted && j->sent_count < JOURNAL_SENT_MAX) {
        submit(j);
    }
}

uint64_t broker_after(struct broker *b)
{
    struct journal *j = &b->journal;
    if (j->changed <= j->durable) {
        return 0;
    }
    if (!j->halted) {
        submit(j);
    }
    for (size_t i = 0; i < j->sent_count; i++) {
        if (j->sent[i].epoch >= j->changed) {
            return j->sent[i].seq;
        }
    }
    return BROKER_NEVER;
}

/* Forgets what was sent up to `seq`; the last epoch among it, 0: none. */
static uint64_t settle_sent(struct journal *j, uint64_t seq)
{
    uint64_t epoch = 0;
    size_t gone = 0;
    while (gone < j->sent_count && j->sent[gone].seq <= seq) {
        j->sent_bytes -= j->sent[gone].bytes;
        epoch = j->sent[gone++].epoch;
    }
    j->sent_count -= gone;
    memmove(j->sent, j->sent + gone, j->sent_count * sizeof j->sent[0]);
    return epoch;
}

static void recover(struct broker *b)
{
    struct journal *j = &b->journal;
    if (j->halted) {
        j->halted = false;
        log_line(b->log, LOG_WARN, ELO_OK,
                 "the store takes changes again: what could not be written is written now");
    }
}

static void halt(struct broker *b, elo_err err)
{
    struct journal *j = &b->journal;
    if (!j->halted) {
        log_line(b->log, LOG_ERROR, err,
                 "sessions and messages could not be written: publishers are closed without an "
                 "acknowledgement and send again; it is tried again every second");
    }
    j->halted = true;
    j->err = err;
    broker__timers_set(&b->timers, &j->retry, b->now.mono_ms + JOURNAL_RETRY_MS);
}

void broker__journal_retry(struct broker *b)
{
    struct journal *j = &b->journal;
    submit(j);
    if (j->halted) { /* until the store has said how it went */
        broker__timers_set(&b->timers, &j->retry, b->now.mono_ms + JOURNAL_RETRY_MS);
    }
}

void broker_stored(struct broker *b, const struct store_progress *progress, struct core_time now)
{
    struct journal *j = &b->journal;
    b->now = now;
    uint64_t durable = settle_sent(j, progress->durable);
    if (durable != 0) {
        j->durable = b->known.durable = durable;
        recover(b);
        broker__hold_release(b, durable);
    }
    struct store_batch *returned = progress->returned;
    if (returned != NULL) {
        store_append(&returned, j->batch);
        j->batch = returned;
        uint64_t failed = settle_sent(j, progress->failed);
        halt(b, progress->err);
        broker__hold_fail(b, failed, progress->err);
    }
    b->stored = progress->failed > progress->durable ? progress->failed : progress->durable;
    broker__contacts_stored(b, progress->durable, progress->failed);
    broker__settle(b);
}
