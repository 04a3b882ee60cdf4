// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "server/store/batch.h"

#include "server/base/mem.h"

struct store_batch *store_begin(struct store *store)
{
    struct store_batch *b = mem_zero(sizeof *b);
    if (b) {
        b->store = store;
    }
    return b;
}

static void free_batch(struct store_batch *b)
{
    for (struct store_op *op = b->first, *next; op; op = next) {
        next = op->next;
        mem_free(op);
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

static struct store_value text(elo_span span)
{
    return (struct store_value){.is_text = true, .text = span};
}

static struct store_value number(int64_t value)
{
    return (struct store_value){.number = value};
}

/* Copies the values; texts move behind them. */
static void fill(struct store_op *op, const struct store_value *values, unsigned count)
{
    uint8_t *at = (uint8_t *)&op->values[count];
    for (unsigned i = 0; i < count; i++) {
        op->values[i] = values[i];
        if (values[i].is_text) {
            if (values[i].text.len > 0) {
                memcpy(at, values[i].text.ptr, values[i].text.len);
            }
            op->values[i].text.ptr = at;
            at += values[i].text.len;
        }
    }
}

static void add(struct store_batch *b,
                enum store_statement statement,
                const struct store_value *values,
                unsigned count)
{
    size_t bytes = sizeof(struct store_op) + count * sizeof *values;
    for (unsigned i = 0; i < count; i++) {
        bytes += values[i].text.len;
    }
    struct store_op *op = mem_alloc(bytes);
    if (!op) {
        b->failed = true;
        return;
    }
    *op = (struct store_op){.statement = statement, .count = count};
    fill(op, values, count);
    if (b->last) {
        b->last->next = op;
    } else {
        b->first = op;
    }
    b->last = op;
    b->bytes += bytes;
}

/* The values in the order of the statement's question marks. */
#define ADD(b, statement, ...)                                                                     \
    do {                                                                                           \
        const struct store_value values_[] = {__VA_ARGS__};                                        \
        add((b), (statement), values_, (unsigned)(sizeof values_ / sizeof *values_));              \
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
