// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a session is fresh while the registry's generation is the one it was read at.
 * Every question first makes it fresh: the thing is resolved, the policies attached to the
 * certificate and to the thing's groups are looked up (and compiled if nobody has yet), all
 * decisions are forgotten.
 *
 * It fails closed. When the policies cannot be read - out of memory, a document that is no policy -
 * `fault` says so, everything is denied, and the next question tries again.
 */
#include "server/auth/authorizer_internal.h"
#include "server/auth/custom.h"
#include "server/base/mem.h"

#include <inttypes.h>
#include <stdio.h>

/* --- life --------------------------------------------------------------------------------------
 */

/* Copies `count` spans into one block and makes them point there. false: out of memory. */
static bool keep(elo_span *const *spans, size_t count, void **out_block)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += spans[i]->len;
    }
    uint8_t *at = mem_alloc(total);
    if (at == NULL) {
        return false;
    }
    *out_block = at;
    for (size_t i = 0; i < count; i++) {
        if (spans[i]->len > 0) {
            memcpy(at, spans[i]->ptr, spans[i]->len);
        }
        spans[i]->ptr = at;
        at += spans[i]->len;
    }
    return true;
}

struct auth_session *auth_session_create(struct authorizer *a, const struct auth_peer *peer)
{
    struct auth_session *s = mem_zero(sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->authorizer = a;
    s->peer = *peer;
    elo_span *const spans[] = {&s->peer.certificate_id, &s->peer.certificate_der,
                               &s->peer.principal, &s->peer.source_ip, &s->peer.server_name};
    if (!keep(spans, 5, &s->peer_text)) {
        mem_free(s);
        return NULL;
    }
    decision_cache_init(&s->decisions);
    return s;
}

static void drop_grants(struct grants *grants)
{
    for (size_t i = 0; grants != NULL && i < grants->count; i++) {
        grants->compiled[i]->users--;
    }
    mem_free(grants);
}

static char out_of_memory[] = "out of memory";

static void set_fault(struct auth_session *s, const char *text)
{
    if (s->fault != out_of_memory) {
        mem_free(s->fault);
    }
    s->fault = text != NULL ? mem_text(elo_span_str(text)) : NULL;
    if (text != NULL && s->fault == NULL) {
        s->fault = out_of_memory;
    }
}

static void let_go(struct auth_session *s)
{
    drop_grants(s->grants);
    s->grants = NULL;
    s->thing = NULL;
    s->fresh = false;
    decision_cache_clear(&s->decisions);
}

void auth_session_destroy(struct auth_session *s)
{
    if (s == NULL) {
        return;
    }
    let_go(s);
    decision_cache_free(&s->decisions);
    if (s->answer != NULL) {
        buf_free(&s->answer->scratch);
        mem_free(s->answer);
    }
    set_fault(s, NULL);
    mem_free(s->peer_text);
    mem_free(s->connect_text);
    mem_free(s);
}

elo_err auth_session_connect(struct auth_session *s, const struct auth_connect *connect)
{
    char arn[AUTH_ARN_BYTES];
    elo_span will_arn = elo_span_of(NULL, 0);
    elo_span id = connect->client_id;
    void *text;
    if (connect->has_will) {
        will_arn = auth_resource_arn(s->authorizer, "topic", connect->will_topic, arn);
    }
    elo_span *const spans[] = {&id, &will_arn};
    if (!keep(spans, 2, &text)) {
        return ELO_E_NO_MEMORY;
    }
    mem_free(s->connect_text);
    s->connect_text = text;
    s->client_id = id;
    s->will_arn = will_arn;
    s->has_will = connect->has_will;
    s->persistent = connect->persistent;
    s->connected = true;
    let_go(s);
    return ELO_OK;
}

elo_span auth_session_certificate_id(const struct auth_session *s)
{
    return s->peer.certificate_id;
}

elo_span auth_session_principal(const struct auth_session *s)
{
    return s->peer.kind == AUTH_PEER_CERTIFICATE ? s->peer.certificate_id
           : s->peer.kind == AUTH_PEER_CUSTOM    ? custom_principal(s->peer.custom)
                                                 : s->peer.principal;
}

elo_span auth_session_source_ip(const struct auth_session *s)
{
    return s->peer.source_ip;
}

elo_span auth_session_exclusive_thing(const struct auth_session *s)
{
    /* Without a client id only an exclusive attachment binds. */
    const struct thing *thing =
        registry_bound_thing(s->authorizer->registry, s->peer.certificate_id, elo_span_of(NULL, 0));
    return thing != NULL ? thing->name : elo_span_of(NULL, 0);
}

elo_span auth_session_certificate_der(const struct auth_session *s)
{
    return s->peer.certificate_der;
}

/* --- what the registry says --------------------------------------------------------------------
 */

struct gathering {
    struct auth_session *session;
    struct grants *grants;
    size_t room;
    elo_err err;
};

/* "kitchen-p v1" */
static void label(const struct policy_record *record, char out[AUTH_LABEL_BYTES])
{
    (void)snprintf(out, AUTH_LABEL_BYTES, "%.*s v%" PRId64, (int)record->name.len,
                   (const char *)record->name.ptr, registry_policy_default(record)->version);
}

static bool count_policy(void *ctx, const struct policy_record *record)
{
    (void)record;
    ++*(size_t *)ctx;
    return true;
}

static bool take_policy(void *ctx, const struct policy_record *record)
{
    struct gathering *g = ctx;
    const struct policy_version *version = registry_policy_default(record);
    char why[256];
    struct compiled *c;
    g->err = authorizer_compiled(g->session->authorizer, version->document, &c, why, sizeof why);
    if (g->err != ELO_OK) {
        char name[AUTH_LABEL_BYTES];
        char text[AUTH_LABEL_BYTES + 288];
        label(record, name);
        (void)snprintf(text, sizeof text, "policy %s cannot be used: %s", name, why);
        set_fault(g->session, text);
        return false;
    }
    g->grants->policies[g->grants->count] = c->policy;
    g->grants->compiled[g->grants->count] = c;
    return ++g->grants->count < g->room;
}

/* The policies that a custom authorizer has answered, for this connection only. */
static elo_err gather_custom(struct auth_session *s)
{
    elo_span documents[CUSTOM_POLICIES];
    size_t count = custom_policies(s->peer.custom, documents);
    struct grants *grants = mem_alloc(
        sizeof *grants + (count + 1) * (sizeof grants->policies[0] + sizeof grants->compiled[0]));
    if (grants == NULL) {
        set_fault(s, out_of_memory);
        return ELO_E_NO_MEMORY;
    }
    grants->count = 0;
    grants->compiled = (struct compiled **)(void *)&grants->policies[count + 1];
    s->grants = grants;
    for (size_t i = 0; i < count; i++) {
        char why[256];
        struct compiled *c;
        elo_err err = authorizer_compiled(s->authorizer, documents[i], &c, why, sizeof why);
        if (err != ELO_OK) {
            set_fault(s, why);
            return err;
        }
        grants->policies[i] = c->policy;
        grants->compiled[i] = c;
        grants->count++;
    }
    return ELO_OK;
}

void auth_session_renew(struct auth_session *s)
{
    let_go(s);
}

/* All policies of the certificate and of the groups of its thing. */
static elo_err gather(struct auth_session *s)
{
    if (s->peer.kind == AUTH_PEER_CUSTOM) {
        return gather_custom(s);
    }
    struct registry *reg = s->authorizer->registry;
    struct gathering g = {.session = s};
    registry_each_effective_policy(reg, s->peer.certificate_id, s->thing, count_policy, &g.room);
    if (g.room == 0) {
        return ELO_OK;
    }
    g.grants = mem_alloc(sizeof *g.grants +
                         g.room * (sizeof g.grants->policies[0] + sizeof g.grants->compiled[0]));
    if (g.grants == NULL) {
        set_fault(s, out_of_memory);
        return ELO_E_NO_MEMORY;
    }
    g.grants->count = 0;
    g.grants->compiled = (struct compiled **)(void *)&g.grants->policies[g.room];
    s->grants = g.grants;
    registry_each_effective_policy(reg, s->peer.certificate_id, s->thing, take_policy, &g);
    return g.err;
}

/* Reads everything anew. After a fault the session is not fresh, so that the next one tries. */
static void refresh(struct auth_session *s)
{
    struct registry *reg = s->authorizer->registry;
    let_go(s);
    set_fault(s, NULL);
    s->generation = registry_generation(reg);
    if (s->connected) {
        s->thing = registry_bound_thing(reg, s->peer.certificate_id, s->client_id);
    }
    s->fresh = gather(s) == ELO_OK;
}

static size_t policy_count(const struct auth_session *s)
{
    return s->grants != NULL ? s->grants->count : 0;
}

static struct policy *const *policies(const struct auth_session *s)
{
    return s->grants != NULL ? s->grants->policies : NULL;
}

static inline bool is_fresh(const struct auth_session *s)
{
    return s->fresh && s->generation == registry_generation(s->authorizer->registry);
}

/* --- questions ---------------------------------------------------------------------------------
 */

elo_span auth_resource_arn(const struct authorizer *a,
                           const char *type,
                           elo_span name,
                           char out[AUTH_ARN_BYTES])
{
    size_t len = registry_arn(a->registry, type, elo_span_of("", 0), out);
    if (name.len > AUTH_ARN_BYTES - len) {
        return elo_span_of(NULL, 0);
    }
    if (name.len > 0) {
        memcpy(out + len, name.ptr, name.len);
    }
    return elo_span_of(out, len + name.len);
}

/* What a question is about, as policies name it; an empty span if it does not fit. */
static elo_span asked_about(const struct auth_session *s,
                            enum policy_action action,
                            elo_span name,
                            char out[AUTH_ARN_BYTES])
{
    const char *type = policy_action_resource(action);
    return strcmp(type, "*") == 0 ? ELO_SPAN("*")
                                  : auth_resource_arn(s->authorizer, type, name, out);
}

static bool decide(struct auth_session *s, enum policy_action action, elo_span name)
{
    char buf[AUTH_ARN_BYTES];
    elo_span arn = asked_about(s, action, name, buf);
    struct policy_variables vars = {auth_session_variable, s};
    struct policy_decision decision;
    if (arn.len == 0) {
        return false;
    }
    s->asking = action;
    s->starved = false;
    policy_eval(policies(s), policy_count(s), action, arn, &vars, &decision);
    return decision.effect == POLICY_ALLOWED && !s->starved;
}

bool auth_allows(struct auth_session *s, enum policy_action action, elo_span name)
{
    return auth_allows_hashed(s, action, name, map_hash(name));
}

bool auth_allows_hashed(struct auth_session *s,
                        enum policy_action action,
                        elo_span name,
                        uint32_t hash)
{
    if (auth_peer_is_free(s->peer.kind)) {
        return true;
    }
    if (!is_fresh(s)) {
        refresh(s);
        if (!s->fresh) {
            return false;
        }
    }
    const struct decision_slot *known = decision_cache_get(&s->decisions, action, name, hash);
    if (known != NULL) {
        return known->allowed;
    }
    bool allowed = decide(s, action, name);
    if (!s->starved) {
        decision_cache_put(&s->decisions, action, name, hash, allowed);
    }
    return allowed;
}

elo_err auth_session_try(struct auth_session *s,
                         elo_span document,
                         enum policy_action action,
                         elo_span resource_arn,
                         enum policy_effect *out,
                         void (*missing)(void *ctx, elo_span key),
                         void *ctx)
{
    char why[320];
    struct compiled *c;
    struct policy_decision decision;
    const struct policy_variables vars = {auth_session_variable, s};
    if (!is_fresh(s)) {
        refresh(s);
    }
    elo_err err = authorizer_compiled(s->authorizer, document, &c, why, sizeof why);
    if (err != ELO_OK) {
        return err;
    }
    s->asking = action;
    s->starved = false;
    policy_eval(&c->policy, 1, action, resource_arn, &vars, &decision);
    policy_missing(c->policy, action, &vars, missing, ctx);
    c->users--; /* it stays where it is until others need the room */
    *out = decision.effect;
    return s->starved ? ELO_E_NO_MEMORY : ELO_OK;
}

bool auth_has_policy(struct auth_session *s)
{
    if (!is_fresh(s)) {
        refresh(s);
    }
    return auth_peer_is_free(s->peer.kind) || policy_count(s) > 0 || s->fault != NULL;
}

/* The names of a fresh session's policies: made for whoever asks why. */
struct labels {
    size_t count;
    size_t room;
    char (*text)[AUTH_LABEL_BYTES];
    elo_span names[];
};

static bool take_label(void *ctx, const struct policy_record *record)
{
    struct labels *labels = ctx;
    label(record, labels->text[labels->count]);
    labels->names[labels->count] = elo_span_str(labels->text[labels->count]);
    return ++labels->count < labels->room;
}

/* "2 of authorizer DeskAuth" */
static void name_documents(const struct auth_session *s, struct labels *labels)
{
    elo_span name = custom_authorizer_name(s->peer.custom);
    for (size_t i = 0; i < labels->room; i++) {
        (void)snprintf(labels->text[i], AUTH_LABEL_BYTES, "%zu of authorizer %.*s", i + 1,
                       (int)name.len, (const char *)name.ptr);
        labels->names[i] = elo_span_str(labels->text[i]);
    }
    labels->count = labels->room;
}

/* NULL: out of memory. */
static struct labels *find_labels(const struct auth_session *s)
{
    size_t room = policy_count(s);
    struct labels *labels =
        mem_alloc(sizeof *labels + room * (sizeof labels->names[0] + sizeof *labels->text));
    if (labels != NULL) {
        labels->count = 0;
        labels->room = room;
        labels->text = (char(*)[AUTH_LABEL_BYTES])(void *)&labels->names[room];
        if (s->peer.kind == AUTH_PEER_CUSTOM) {
            name_documents(s, labels);
        } else if (room > 0) {
            registry_each_effective_policy(s->authorizer->registry, s->peer.certificate_id,
                                           s->thing, take_label, labels);
        }
    }
    return labels;
}

static size_t say(char *buf, size_t cap, const char *text)
{
    if (cap == 0) {
        return 0;
    }
    (void)snprintf(buf, cap, "%s", text);
    return strlen(buf);
}

size_t auth_explain(
    struct auth_session *s, enum policy_action action, elo_span name, char *buf, size_t cap)
{
    char text[AUTH_ARN_BYTES];
    struct policy_variables vars = {auth_session_variable, s};
    if (auth_peer_is_free(s->peer.kind)) {
        return say(buf, cap, "to this user everything is allowed");
    }
    if (!is_fresh(s)) {
        refresh(s);
    }
    if (!s->fresh) {
        return say(buf, cap, s->fault);
    }
    elo_span arn = asked_about(s, action, name, text);
    if (arn.len == 0) {
        return say(buf, cap, "the name is longer than any that AWS allows");
    }
    struct labels *labels = find_labels(s);
    if (labels == NULL) {
        return say(buf, cap, out_of_memory);
    }
    s->asking = action;
    size_t len =
        policy_explain(policies(s), labels->names, labels->count, action, arn, &vars, buf, cap);
    mem_free(labels);
    return len;
}
