// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: three layers of memory between a message and its policy documents.
 *
 *   authorizer   compiled documents, counted by the sessions that use them (this file)
 *   session      which of them are attached, and to which thing the connection is bound
 *                (authorizer_session.c); forgotten when the registry's generation moves
 *   decisions    answers by action and name (authorizer_cache.c); forgotten with the above
 *
 * A question that was asked before costs one comparison of generations, one hash (none if the asker
 * has it) and one comparison of bytes.
 */
#include "server/auth/authorizer_internal.h"
#include "server/base/mem.h"

#include <stdio.h>

enum { SWEEP_FIRST = 64 };

struct authorizer *authorizer_create(struct registry *reg)
{
    struct authorizer *a = mem_zero(sizeof *a);
    if (a == NULL) {
        return NULL;
    }
    a->registry = reg;
    STAILQ_INIT(&a->calls);
    a->sweep_at = SWEEP_FIRST;
    map_init(&a->compiled);
    return a;
}

static void compiled_free(struct compiled *c)
{
    policy_release(c->policy);
    mem_free(c);
}

void authorizer_destroy(struct authorizer *a)
{
    if (a == NULL) {
        return;
    }
    struct compiled *c;
    for (size_t at = 0; (c = map_next(&a->compiled, &at)) != NULL;) {
        compiled_free(c);
    }
    map_free(&a->compiled);
    mem_free(a);
}

/* Throws out what nobody uses, at sizes that grow with what is used: rarely, and never in vain. */
static void sweep(struct authorizer *a)
{
    struct compiled *c;
    for (size_t at = 0; (c = map_next(&a->compiled, &at)) != NULL;) {
        if (c->users == 0) {
            (void)map_remove(&a->compiled, c->document);
            compiled_free(c);
        }
    }
    a->sweep_at = 2 * map_len(&a->compiled) + SWEEP_FIRST;
}

elo_err authorizer_compiled(
    struct authorizer *a, elo_span document, struct compiled **out, char *why, size_t why_cap)
{
    struct compiled *c = map_get(&a->compiled, document);
    if (c != NULL) {
        c->users++;
        *out = c;
        return ELO_OK;
    }
    struct policy *policy;
    elo_err err = policy_parse(document, &policy, why, why_cap);
    if (err != ELO_OK) {
        return err;
    }
    if (map_len(&a->compiled) >= a->sweep_at) {
        sweep(a);
    }
    c = mem_alloc(sizeof *c + document.len);
    if (c != NULL) {
        memcpy(c->text, document.ptr, document.len);
        c->document = elo_span_of(c->text, document.len);
        c->policy = policy;
        c->users = 1;
    }
    if (c == NULL || !map_put(&a->compiled, c->document, c)) {
        mem_free(c);
        policy_release(policy);
        (void)snprintf(why, why_cap, "out of memory");
        return ELO_E_NO_MEMORY;
    }
    *out = c;
    return ELO_OK;
}

struct registry *authorizer_registry(const struct authorizer *a)
{
    return a->registry;
}

uint64_t authorizer_generation(const struct authorizer *a)
{
    return registry_generation(a->registry);
}

elo_err authorizer_certificate(const struct authorizer *a,
                               elo_span certificate_id,
                               int64_t wall_ms,
                               bool allow_expired)
{
    if (certificate_id.len == 0) {
        return ELO_E_CERT_MISSING;
    }
    const struct certificate *c = registry_certificate(a->registry, certificate_id);
    if (c == NULL) {
        return ELO_E_CERT_UNKNOWN;
    }
    if (c->status != CERTIFICATE_ACTIVE) {
        return c->status == CERTIFICATE_REVOKED ? ELO_E_CERT_REVOKED : ELO_E_CERT_INACTIVE;
    }
    /* notAfter is the last second of validity (RFC 5280, 4.1.2.5). */
    int64_t now_s = wall_ms / 1000 - (wall_ms % 1000 < 0);
    bool valid = now_s >= c->not_before_s && now_s <= c->not_after_s;
    return valid || allow_expired ? ELO_OK : ELO_E_CERT_EXPIRED;
}
