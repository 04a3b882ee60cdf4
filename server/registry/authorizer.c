// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: there are at most ten, so each is one setting of the store, "authorizer/NAME",
 * whose value is its members one after the other with a unit separator (U+001F) between them, which
 * none of them may contain. In memory that text is what the record's spans point into.
 *
 *     function, token key, active, signing disabled, caching, created, modified, { key, PEM }
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/base/mem.h"
#include "server/pki/pki.h"
#include "server/registry/internal.h"

#define PREFIX      "authorizer/"
#define DEFAULT     ELO_SPAN("default-authorizer")
#define SEPARATOR   0x1f
#define FUNCTION    2048u
#define KEY_BYTES   5120u
#define ROW_BYTES   (FUNCTION + REGISTRY_AUTHORIZER_KEYS * (KEY_BYTES + 130u) + 512u)
#define FIXED_PARTS 7u

struct authorizer_entry {
    struct authorizer_record pub;
    uint8_t text[]; /* the name, then the row */
};

static elo_span key_of(const void *item)
{
    return ((const struct authorizer_entry *)item)->pub.name;
}

void registry__authorizers_init(struct state *state)
{
    registry__index_init(&state->authorizers, key_of);
    state->default_authorizer[0] = '\0';
}

void registry__authorizers_free(struct state *state)
{
    for (size_t i = 0; i < state->authorizers.len; i++) {
        mem_free(state->authorizers.items[i]);
    }
    registry__index_free(&state->authorizers);
}

/* --- rows -------------------------------------------------------------------------------- */

static void put_number(struct buf *row, int64_t number)
{
    buf_format(row, "%" PRId64 "%c", number, SEPARATOR);
}

static void put_text(struct buf *row, elo_span text)
{
    buf_add(row, text);
    buf_byte(row, SEPARATOR);
}

static void write_row(const struct authorizer_record *a, struct buf *row)
{
    put_text(row, a->function_arn);
    put_text(row, a->token_key_name);
    put_number(row, a->active);
    put_number(row, a->signing_disabled);
    put_number(row, a->caching_for_http);
    put_number(row, a->created_ms);
    put_number(row, a->modified_ms);
    for (size_t i = 0; i < a->key_count; i++) {
        put_text(row, a->keys[i].name);
        put_text(row, a->keys[i].value);
    }
}

static bool next_part(elo_span *rest, elo_span *out)
{
    const uint8_t *end = rest->len > 0 ? memchr(rest->ptr, SEPARATOR, rest->len) : NULL;
    if (end == NULL) {
        return false;
    }
    *out = elo_span_first(*rest, (size_t)(end - rest->ptr));
    *rest = elo_span_from(*rest, out->len + 1);
    return true;
}

static int64_t number_of(elo_span text)
{
    char digits[24] = "";
    if (text.len < sizeof digits && text.len > 0) {
        memcpy(digits, text.ptr, text.len);
    }
    return strtoll(digits, NULL, 10);
}

static elo_err read_row(struct authorizer_record *a, elo_span row)
{
    elo_span part[FIXED_PARTS];
    for (size_t i = 0; i < FIXED_PARTS; i++) {
        if (!next_part(&row, &part[i])) {
            return ELO_E_CORRUPT;
        }
    }
    a->function_arn = part[0];
    a->token_key_name = part[1];
    a->active = number_of(part[2]) != 0;
    a->signing_disabled = number_of(part[3]) != 0;
    a->caching_for_http = number_of(part[4]) != 0;
    a->created_ms = number_of(part[5]);
    a->modified_ms = number_of(part[6]);
    for (; row.len > 0; a->key_count++) {
        if (a->key_count == REGISTRY_AUTHORIZER_KEYS ||
            !next_part(&row, &a->keys[a->key_count].name) ||
            !next_part(&row, &a->keys[a->key_count].value)) {
            return ELO_E_CORRUPT;
        }
    }
    return ELO_OK;
}

static elo_err new_entry(elo_span name, elo_span row, struct authorizer_entry **out)
{
    struct authorizer_entry *entry = mem_alloc(sizeof *entry + name.len + row.len);
    if (entry == NULL) {
        return ELO_E_NO_MEMORY;
    }
    memcpy(entry->text, name.ptr, name.len);
    if (row.len > 0) {
        memcpy(entry->text + name.len, row.ptr, row.len);
    }
    entry->pub = (struct authorizer_record){.name = elo_span_of(entry->text, name.len)};
    elo_err err = read_row(&entry->pub, elo_span_of(entry->text + name.len, row.len));
    if (err != ELO_OK) {
        mem_free(entry);
        return err;
    }
    *out = entry;
    return ELO_OK;
}

elo_err registry__load_authorizer(struct state *state, elo_span setting, elo_span value)
{
    struct authorizer_entry *entry = NULL;
    if (elo_span_eq(setting, DEFAULT)) {
        if (value.len > LIMIT_NAME_BYTES) {
            return ELO_E_CORRUPT;
        }
        memcpy(state->default_authorizer, value.ptr, value.len);
        state->default_authorizer[value.len] = '\0';
        return ELO_OK;
    }
    if (!elo_span_starts_with(setting, ELO_SPAN(PREFIX)) || setting.len == strlen(PREFIX)) {
        return ELO_OK;
    }
    elo_err err = new_entry(elo_span_from(setting, strlen(PREFIX)), value, &entry);
    if (err == ELO_OK && !registry__index_reserve(&state->authorizers)) {
        mem_free(entry);
        err = ELO_E_NO_MEMORY;
    }
    if (err == ELO_OK) {
        registry__index_insert(&state->authorizers, entry);
    }
    return err;
}

/* --- checks ------------------------------------------------------------------------------ */

static bool is_made_of(elo_span text, const char *others)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        bool word = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '_';
        if (!word && (c == '\0' || strchr(others, c) == NULL)) {
            return false;
        }
    }
    return true;
}

/* "[\w=,@-]+", as the service model has it. */
static aws_error check_name(elo_span name, struct aws_fault *fault)
{
    if (name.len > 0 && name.len <= LIMIT_NAME_BYTES && is_made_of(name, "=,@-")) {
        return AWS_OK;
    }
    return aws_fault_set(fault, AWS_InvalidRequestException,
                         "1 validation error detected: Value at 'authorizerName' failed to satisfy "
                         "constraint: Member must satisfy regular expression pattern: [\\w=,@-]+, "
                         "1 to %u characters",
                         LIMIT_NAME_BYTES);
}

static aws_error check_key(const struct thing_attribute *key, struct aws_fault *fault)
{
    bool named =
        key->name.len > 0 && key->name.len <= LIMIT_NAME_BYTES && is_made_of(key->name, "-:");
    if (!named || key->value.len > KEY_BYTES || memchr(key->value.ptr, SEPARATOR, key->value.len) ||
        !pki_rsa_public_key_ok(key->value)) {
        return aws_fault_set(fault, AWS_InvalidRequestException,
                             "tokenSigningPublicKeys: '%.*s' must be the PEM of an RSA public key "
                             "of at least 2048 bits",
                             named ? (int)key->name.len : 0, (const char *)key->name.ptr);
    }
    return AWS_OK;
}

/* A whole record, as it would be. */
static aws_error check(const struct authorizer_record *a, struct aws_fault *fault)
{
    if (a->function_arn.len == 0 || a->function_arn.len > FUNCTION ||
        !elo_span_starts_with(a->function_arn, ELO_SPAN("arn:aws:lambda:")) ||
        !is_made_of(a->function_arn, ":-$")) {
        return aws_fault_set(fault, AWS_InvalidRequestException,
                             "authorizerFunctionArn must be the ARN of a Lambda function");
    }
    if (a->token_key_name.len > LIMIT_NAME_BYTES || !is_made_of(a->token_key_name, "-")) {
        return aws_fault_set(fault, AWS_InvalidRequestException,
                             "tokenKeyName must match [a-zA-Z0-9_-]{1,%u}", LIMIT_NAME_BYTES);
    }
    if (!a->signing_disabled && (a->token_key_name.len == 0 || a->key_count == 0)) {
        return aws_fault_set(fault, AWS_InvalidRequestException,
                             "tokenKeyName and tokenSigningPublicKeys are required unless "
                             "signingDisabled is true");
    }
    aws_error error = AWS_OK;
    for (size_t i = 0; error == AWS_OK && i < a->key_count; i++) {
        error = check_key(&a->keys[i], fault);
    }
    return error;
}

static aws_error not_found(elo_span name, struct aws_fault *fault)
{
    return aws_fault_set(fault, AWS_ResourceNotFoundException, "Authorizer %.*s does not exist",
                         REGISTRY_TEXT(name));
}

/* --- changes ----------------------------------------------------------------------------- */

static struct authorizer_entry *find(const struct registry *reg, elo_span name)
{
    return registry__index_get(&reg->state.authorizers, name);
}

/* Among keys of one name the last counts. */
static aws_error apply_keys(struct authorizer_record *a,
                            const struct thing_attribute *keys,
                            size_t count,
                            struct aws_fault *fault)
{
    a->key_count = 0;
    for (size_t i = 0; i < count; i++) {
        size_t at = 0;
        while (at < a->key_count && !elo_span_eq(a->keys[at].name, keys[i].name)) {
            at++;
        }
        if (at == REGISTRY_AUTHORIZER_KEYS) {
            return aws_fault_set(fault, AWS_InvalidRequestException,
                                 "At most %u tokenSigningPublicKeys are taken",
                                 REGISTRY_AUTHORIZER_KEYS);
        }
        a->key_count += at == a->key_count;
        a->keys[at] = keys[i];
    }
    return AWS_OK;
}

static aws_error
apply(struct authorizer_record *a, const struct authorizer_change *given, struct aws_fault *fault)
{
    a->function_arn = given->function_arn.len > 0 ? given->function_arn : a->function_arn;
    a->token_key_name = given->token_key_name.len > 0 ? given->token_key_name : a->token_key_name;
    a->active = given->active != NULL ? *given->active : a->active;
    a->caching_for_http =
        given->caching_for_http != NULL ? *given->caching_for_http : a->caching_for_http;
    return given->has_keys ? apply_keys(a, given->keys, given->key_count, fault) : AWS_OK;
}

/* Stores the record and puts its entry in the place of `old` (NULL: there is none). */
static aws_error put(struct registry *reg,
                     const struct authorizer_record *a,
                     struct authorizer_entry *old,
                     const struct authorizer_record **out,
                     struct aws_fault *fault)
{
    struct buf row, setting;
    struct authorizer_entry *entry = NULL;
    struct store_batch *b = NULL;
    buf_init(&row, ROW_BYTES);
    buf_init(&setting, 256);
    write_row(a, &row);
    buf_text(&setting, PREFIX);
    buf_add(&setting, a->name);
    bool ok = buf_err(&row) == ELO_OK && buf_err(&setting) == ELO_OK &&
              new_entry(a->name, buf_span(&row), &entry) == ELO_OK &&
              registry__index_reserve(&reg->state.authorizers);
    if (ok && (b = store_begin(reg->store)) != NULL) {
        store_put_setting(b, buf_span(&setting), buf_span(&row));
    }
    ok = ok && registry__submit(reg, b);
    buf_free(&row);
    buf_free(&setting);
    if (!ok) {
        mem_free(entry);
        return registry__out_of_memory(fault);
    }
    if (old != NULL) {
        registry__index_remove(&reg->state.authorizers, old);
        mem_free(old);
    }
    registry__index_insert(&reg->state.authorizers, entry);
    *out = &entry->pub;
    return AWS_OK;
}

aws_error registry_create_authorizer(struct registry *reg,
                                     elo_span name,
                                     const struct authorizer_change *given,
                                     int64_t now_ms,
                                     const struct authorizer_record **out,
                                     struct aws_fault *fault)
{
    struct authorizer_record a = {
        .name = name, .active = true, .created_ms = now_ms, .modified_ms = now_ms};
    a.signing_disabled = given->signing_disabled != NULL && *given->signing_disabled;
    aws_error error = check_name(name, fault);
    error = error ? error : apply(&a, given, fault);
    error = error ? error : check(&a, fault);
    if (error) {
        return error;
    }
    if (find(reg, name) != NULL) {
        return registry__exists(fault, reg, "authorizer", name, name, "Authorizer already exists.");
    }
    if (reg->state.authorizers.len == REGISTRY_AUTHORIZERS) {
        return aws_fault_set(fault, AWS_LimitExceededException,
                             "There are %u authorizers already, as many as an account may have",
                             REGISTRY_AUTHORIZERS);
    }
    return put(reg, &a, NULL, out, fault);
}

aws_error registry_update_authorizer(struct registry *reg,
                                     elo_span name,
                                     const struct authorizer_change *given,
                                     int64_t now_ms,
                                     const struct authorizer_record **out,
                                     struct aws_fault *fault)
{
    aws_error error = check_name(name, fault);
    struct authorizer_entry *old = error ? NULL : find(reg, name);
    if (old == NULL) {
        return error ? error : not_found(name, fault);
    }
    struct authorizer_record a = old->pub;
    a.modified_ms = now_ms;
    error = apply(&a, given, fault);
    error = error ? error : check(&a, fault);
    return error ? error : put(reg, &a, old, out, fault);
}

aws_error registry_delete_authorizer(struct registry *reg, elo_span name, struct aws_fault *fault)
{
    aws_error error = check_name(name, fault);
    struct authorizer_entry *entry = error ? NULL : find(reg, name);
    if (entry == NULL) {
        return error ? error : not_found(name, fault);
    }
    bool is_default = elo_span_eq(name, elo_span_str(reg->state.default_authorizer));
    if (entry->pub.active || is_default) {
        return aws_fault_set(fault, AWS_DeleteConflictException,
                             "Authorizer %.*s cannot be deleted while it is %s",
                             REGISTRY_TEXT(name), is_default ? "the default" : "ACTIVE");
    }
    char setting[sizeof PREFIX + LIMIT_NAME_BYTES];
    int len = snprintf(setting, sizeof setting, PREFIX "%.*s", REGISTRY_TEXT(name));
    struct store_batch *b = store_begin(reg->store);
    if (b) {
        store_delete_setting(b, elo_span_of(setting, (size_t)len));
    }
    if (!registry__submit(reg, b)) {
        return registry__out_of_memory(fault);
    }
    registry__index_remove(&reg->state.authorizers, entry);
    mem_free(entry);
    return AWS_OK;
}

/* --- the default ------------------------------------------------------------------------- */

aws_error registry_set_default_authorizer(struct registry *reg,
                                          elo_span name,
                                          const struct authorizer_record **out,
                                          struct aws_fault *fault)
{
    aws_error error = registry_describe_authorizer(reg, name, out, fault);
    elo_span now = elo_span_str(reg->state.default_authorizer);
    if (error || elo_span_eq(now, name)) {
        return error;
    }
    if (now.len > 0) {
        return registry__exists(fault, reg, "authorizer", now, now,
                                "There is a default authorizer already: clear it first.");
    }
    struct store_batch *b = store_begin(reg->store);
    if (b) {
        store_put_setting(b, DEFAULT, name);
    }
    if (!registry__submit(reg, b)) {
        return registry__out_of_memory(fault);
    }
    memcpy(reg->state.default_authorizer, name.ptr, name.len);
    reg->state.default_authorizer[name.len] = '\0';
    return AWS_OK;
}

aws_error registry_clear_default_authorizer(struct registry *reg, struct aws_fault *fault)
{
    if (reg->state.default_authorizer[0] == '\0') {
        return aws_fault_set(fault, AWS_ResourceNotFoundException,
                             "There is no default authorizer");
    }
    struct store_batch *b = store_begin(reg->store);
    if (b) {
        store_delete_setting(b, DEFAULT);
    }
    if (!registry__submit(reg, b)) {
        return registry__out_of_memory(fault);
    }
    reg->state.default_authorizer[0] = '\0';
    return AWS_OK;
}

/* --- reading ----------------------------------------------------------------------------- */

const struct authorizer_record *registry_authorizer(const struct registry *reg, elo_span name)
{
    name = name.len > 0 ? name : elo_span_str(reg->state.default_authorizer);
    const struct authorizer_entry *entry = name.len > 0 ? find(reg, name) : NULL;
    return entry != NULL ? &entry->pub : NULL;
}

aws_error registry_describe_authorizer(const struct registry *reg,
                                       elo_span name,
                                       const struct authorizer_record **out,
                                       struct aws_fault *fault)
{
    aws_error error = check_name(name, fault);
    *out = error ? NULL : registry_authorizer(reg, name);
    return error || *out != NULL ? error : not_found(name, fault);
}

static bool has_status(const void *ctx, const void *item)
{
    const bool *active = ctx;
    return active == NULL || ((const struct authorizer_entry *)item)->pub.active == *active;
}

bool registry_has_authorizer(const struct registry *reg)
{
    const struct index *all = &reg->state.authorizers;
    for (size_t i = 0; i < all->len; i++) {
        if (((const struct authorizer_entry *)all->items[i])->pub.active) {
            return true;
        }
    }
    return false;
}

void registry_list_authorizers(const struct registry *reg,
                               const bool *active,
                               const struct registry_page *page,
                               registry_each_authorizer *each,
                               void *ctx,
                               struct registry_next *next)
{
    struct walk walk = registry__walk(&reg->state.authorizers, page, next);
    const struct authorizer_entry *entry;
    while ((entry = registry__walk_next(&walk, has_status, active)) != NULL) {
        each(ctx, &entry->pub);
    }
}
