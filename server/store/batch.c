// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "server/store/batch.h"

#include "server/base/mem.h"

#define FIRST_CHUNK   2048u
#define LARGEST_CHUNK 262144u

struct store_chunk {
    struct store_chunk *next;
    size_t used;
    size_t cap;
    _Alignas(struct store_op) uint8_t room[];
};

struct store_batch *store_begin(struct store *store)
{
    struct store_batch *b = mem_zero(sizeof *b);
    if (b) {
        b->store = store;
    }
    return b;
}

struct store_batch *store_begin_kept(struct store *store)
{
    struct store_batch *b = store_begin(store);
    if (b) {
        b->kept = true;
    }
    return b;
}

static void free_batch(struct store_batch *b)
{
    for (struct store_chunk *chunk = b->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        mem_free(chunk);
    }
    mem_free(b);
}

void store__batches_free(struct store_batch *first)
{
    for (struct store_batch *b = first, *next; b; b = next) {
        next = b->next;
        free_batch(b);
    }
}

void store_abandon(struct store_batch *b)
{
    if (b) {
        free_batch(b);
    }
}

size_t store_batch_bytes(const struct store_batch *b)
{
    return b->bytes;
}

static void join(struct store_batch *b, struct store_batch *later)
{
    *(b->last ? &b->last->next : &b->first) = later->first;
    b->last = later->last ? later->last : b->last;
    struct store_chunk **end = &later->chunks; /* the later one's is the one to go on filling */
    while (*end) {
        end = &(*end)->next;
    }
    *end = b->chunks;
    b->chunks = later->chunks;
    b->bytes += later->bytes;
    mem_free(later);
}

struct store_batch *store__join(struct store_batch *first)
{
    for (struct store_batch *later; first && (later = first->next) != NULL;) {
        first->next = later->next;
        join(first, later);
    }
    return first;
}

void store_append(struct store_batch **to, struct store_batch *later)
{
    if (*to && later) {
        join(*to, later);
    } else if (later) {
        *to = later;
    }
}

/* Room for an operation of so many bytes; NULL: out of memory. */
static void *make_room(struct store_batch *b, size_t bytes)
{
    struct store_chunk *chunk = b->chunks;
    bytes = (bytes + sizeof(void *) - 1) & ~(sizeof(void *) - 1);
    if (!chunk || bytes > chunk->cap - chunk->used) {
        size_t cap = !chunk                           ? FIRST_CHUNK
                     : chunk->cap * 4 < LARGEST_CHUNK ? chunk->cap * 4
                                                      : LARGEST_CHUNK;
        cap = cap < bytes ? bytes : cap;
        chunk = mem_alloc(sizeof *chunk + cap);
        if (!chunk) {
            return NULL;
        }
        *chunk = (struct store_chunk){.next = b->chunks, .cap = cap};
        b->chunks = chunk;
    }
    void *at = chunk->room + chunk->used;
    chunk->used += bytes;
    return at;
}

static struct store_value text(elo_span span)
{
    return (struct store_value){STORE_TEXT, (uint32_t)span.len, {.bytes = span.ptr}};
}

static struct store_value blob(elo_span span)
{
    return (struct store_value){STORE_BLOB, (uint32_t)span.len, {.bytes = span.ptr}};
}

static struct store_value number(int64_t value)
{
    return (struct store_value){STORE_NUMBER, 0, {.number = value}};
}

/* Copies the values; texts move behind them. */
static void fill(struct store_op *op, const struct store_value *values, unsigned count)
{
    uint8_t *at = (uint8_t *)&op->values[count];
    for (unsigned i = 0; i < count; i++) {
        op->values[i] = values[i];
        if (values[i].kind == STORE_NUMBER) {
            continue;
        }
        if (values[i].len > 0) {
            memcpy(at, values[i].as.bytes, values[i].len);
        }
        op->values[i].as.bytes = at;
        at += values[i].len;
    }
}

/* false: out of memory, nothing was added. */
static bool add(struct store_batch *b,
                enum store_statement statement,
                const struct store_value *values,
                unsigned count)
{
    size_t bytes = sizeof(struct store_op) + count * sizeof *values;
    for (unsigned i = 0; i < count; i++) {
        bytes += values[i].len;
    }
    struct store_op *op = make_room(b, bytes);
    if (!op) {
        return false;
    }
    *op = (struct store_op){.statement = (uint16_t)statement, .count = (uint16_t)count};
    fill(op, values, count);
    *(b->last ? &b->last->next : &b->first) = op;
    b->last = op;
    b->bytes += bytes;
    return true;
}

/* The values in the order of the statement's question marks. */
#define TRY(b, statement, ...)                                                                     \
    add((b), (statement), (const struct store_value[]){__VA_ARGS__},                               \
        (unsigned)(sizeof((const struct store_value[]){__VA_ARGS__}) /                             \
                   sizeof(struct store_value)))

/* The same for a batch that is all or nothing: what does not fit spoils it. */
#define ADD(b, statement, ...)                                                                     \
    do {                                                                                           \
        (b)->failed = !TRY(b, statement, __VA_ARGS__) || (b)->failed;                              \
    } while (0)

void store_put_thing(struct store_batch *b, const struct store_thing *row)
{
    ADD(b, STORE_PUT_THING, text(row->name), text(row->id), text(row->type_name),
        text(row->attributes), number(row->version), number(row->created_ms));
}

void store_delete_thing(struct store_batch *b, elo_span name)
{
    ADD(b, STORE_DELETE_THING, text(name));
}

void store_put_certificate(struct store_batch *b, const struct store_certificate *row)
{
    ADD(b, STORE_PUT_CERTIFICATE, text(row->id), text(row->pem), text(row->status), text(row->mode),
        text(row->ca_id), text(row->generation_id), number(row->created_ms),
        number(row->modified_ms), number(row->not_before_s), number(row->not_after_s),
        number(row->customer_version));
}

void store_delete_certificate(struct store_batch *b, elo_span id)
{
    ADD(b, STORE_DELETE_CERTIFICATE, text(id));
}

void store_put_policy(struct store_batch *b, const struct store_policy *row)
{
    ADD(b, STORE_PUT_POLICY, text(row->name), text(row->generation_id),
        number(row->default_version), number(row->next_version), number(row->created_ms),
        number(row->modified_ms));
}

void store_delete_policy(struct store_batch *b, elo_span name)
{
    ADD(b, STORE_DELETE_POLICY, text(name));
}

void store_put_policy_version(struct store_batch *b, const struct store_policy_version *row)
{
    ADD(b, STORE_PUT_POLICY_VERSION, text(row->policy), number(row->version), text(row->document),
        text(row->generation_id), number(row->created_ms));
}

void store_delete_policy_version(struct store_batch *b, elo_span policy, int64_t version)
{
    ADD(b, STORE_DELETE_POLICY_VERSION, text(policy), number(version));
}

void store_put_policy_target(struct store_batch *b, elo_span policy, elo_span target_arn)
{
    ADD(b, STORE_PUT_POLICY_TARGET, text(policy), text(target_arn));
}

void store_delete_policy_target(struct store_batch *b, elo_span policy, elo_span target_arn)
{
    ADD(b, STORE_DELETE_POLICY_TARGET, text(policy), text(target_arn));
}

void store_put_thing_principal(struct store_batch *b,
                               elo_span thing,
                               elo_span principal_arn,
                               bool exclusive)
{
    ADD(b, STORE_PUT_THING_PRINCIPAL, text(thing), text(principal_arn), number(exclusive));
}

void store_delete_thing_principal(struct store_batch *b, elo_span thing, elo_span principal_arn)
{
    ADD(b, STORE_DELETE_THING_PRINCIPAL, text(thing), text(principal_arn));
}

void store_put_thing_type(struct store_batch *b, const struct store_thing_type *row)
{
    ADD(b, STORE_PUT_THING_TYPE, text(row->name), text(row->id), text(row->description),
        text(row->searchable), number(row->created_ms), number(row->deprecated_ms));
}

void store_delete_thing_type(struct store_batch *b, elo_span name)
{
    ADD(b, STORE_DELETE_THING_TYPE, text(name));
}

void store_put_thing_group(struct store_batch *b, const struct store_thing_group *row)
{
    ADD(b, STORE_PUT_THING_GROUP, text(row->name), text(row->id), text(row->parent),
        text(row->description), text(row->attributes), number(row->version),
        number(row->created_ms));
}

void store_delete_thing_group(struct store_batch *b, elo_span name)
{
    ADD(b, STORE_DELETE_THING_GROUP, text(name));
}

void store_put_group_member(struct store_batch *b, elo_span group, elo_span thing)
{
    ADD(b, STORE_PUT_GROUP_MEMBER, text(group), text(thing));
}

void store_delete_group_member(struct store_batch *b, elo_span group, elo_span thing)
{
    ADD(b, STORE_DELETE_GROUP_MEMBER, text(group), text(thing));
}

void store_put_ca(struct store_batch *b, const struct store_ca *row)
{
    ADD(b, STORE_PUT_CA, text(row->id), text(row->pem), text(row->status), text(row->mode),
        text(row->subject), number(row->auto_registration), text(row->template_name),
        text(row->template_body), text(row->role_arn), text(row->generation_id),
        number(row->created_ms), number(row->modified_ms), number(row->not_before_s),
        number(row->not_after_s), number(row->customer_version));
}

void store_delete_ca(struct store_batch *b, elo_span id)
{
    ADD(b, STORE_DELETE_CA, text(id));
}

void store_put_template(struct store_batch *b, const struct store_template *row)
{
    ADD(b, STORE_PUT_TEMPLATE, text(row->name), text(row->type), text(row->description),
        text(row->role_arn), text(row->hook), number(row->enabled), number(row->default_version),
        number(row->next_version), number(row->created_ms), number(row->modified_ms));
}

void store_delete_template(struct store_batch *b, elo_span name)
{
    ADD(b, STORE_DELETE_TEMPLATE, text(name));
}

void store_put_template_version(struct store_batch *b, const struct store_template_version *row)
{
    ADD(b, STORE_PUT_TEMPLATE_VERSION, text(row->template_name), number(row->version),
        text(row->body), number(row->created_ms));
}

void store_delete_template_version(struct store_batch *b, elo_span name, int64_t version)
{
    ADD(b, STORE_DELETE_TEMPLATE_VERSION, text(name), number(version));
}

void store_put_setting(struct store_batch *b, elo_span name, elo_span value)
{
    ADD(b, STORE_PUT_SETTING, text(name), text(value));
}

void store_delete_setting(struct store_batch *b, elo_span name)
{
    ADD(b, STORE_DELETE_SETTING, text(name));
}

bool store_batch_ok(const struct store_batch *b)
{
    return !b->failed;
}

/* --- the broker's rows -------------------------------------------------------------------- */

bool store_put_session(struct store_batch *b, const struct store_session *row)
{
    return TRY(b, STORE_PUT_SESSION, number(row->id), text(row->client_id), number(row->level),
               number(row->expiry_ms), number(row->offline_ms));
}

bool store_delete_session(struct store_batch *b, int64_t id)
{
    return TRY(b, STORE_DELETE_SUBSCRIPTIONS, number(id)) &&
           TRY(b, STORE_DELETE_SESSION, number(id));
}

bool store_put_subscription(struct store_batch *b, const struct store_subscription *row)
{
    return TRY(b, STORE_PUT_SUBSCRIPTION, number(row->session), text(row->filter), number(row->qos),
               number(row->options));
}

bool store_delete_subscription(struct store_batch *b, int64_t session, elo_span filter)
{
    return TRY(b, STORE_DELETE_SUBSCRIPTION, number(session), text(filter));
}

bool store_put_message(struct store_batch *b, int64_t id, const struct store_message *row)
{
    return TRY(b, STORE_PUT_MESSAGE, number(id), text(row->topic), blob(row->payload),
               blob(row->properties), number(row->qos), number(row->expires_ms));
}

bool store_delete_message(struct store_batch *b, int64_t id)
{
    return TRY(b, STORE_DELETE_MESSAGE, number(id));
}

bool store_put_queued(struct store_batch *b, const struct store_queued *row)
{
    return TRY(b, STORE_PUT_QUEUED, number(row->id), number(row->session), number(row->message),
               number(row->flags));
}

bool store_delete_queued(struct store_batch *b, int64_t id)
{
    return TRY(b, STORE_DELETE_QUEUED, number(id));
}

bool store_put_retained(struct store_batch *b, const struct store_message *row, int64_t modified_ms)
{
    return TRY(b, STORE_PUT_RETAINED, text(row->topic), blob(row->payload), blob(row->properties),
               number(row->qos), number(row->expires_ms), number(modified_ms));
}

bool store_delete_retained(struct store_batch *b, elo_span topic)
{
    return TRY(b, STORE_DELETE_RETAINED, text(topic));
}
