// links: server_registry
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Memory and store stay one: a seeded sequence of random changes, and after each the registry read
 * back from the store says the same; an allocation failing at every place; commits that fail; and a
 * process killed at any moment, which loses nothing that it acknowledged.
 */
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/base/mem.h"
#include "server/registry/registry.h"
#include "tests/support/faulty_disk.h"

#define OPERATIONS  5000
#define KILLS       100
#define OUTSTANDING 32
#define REPLAY_MAX  4096

static char dir[64];

/* One generator for the choice of operations, one for the ids that the registry makes. */
static uint64_t choice;
static uint64_t ids;

static uint32_t draw(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static void fill(void *ctx, void *out, size_t len)
{
    (void)ctx;
    for (size_t i = 0; i < len; i++) {
        ((uint8_t *)out)[i] = (uint8_t)draw(&ids);
    }
}

static const char *in_dir(const char *name)
{
    static char path[2][96];
    static unsigned turn;
    char *out = path[turn++ % 2];
    (void)snprintf(out, sizeof path[0], "%s/%s", dir, name);
    return out;
}

static int setup(void **state)
{
    (void)state;
    choice = ids = 1;
    (void)snprintf(dir, sizeof dir, "/tmp/elo-durable-XXXXXX");
    assert_non_null(mkdtemp(dir));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    static const char *const names[] = {"elo.db", "elo.db-wal", "twin.db", "twin.db-wal"};
    faulty_disk_heal();
    mem_fail_at(0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        (void)unlink(in_dir(names[i]));
    }
    return rmdir(dir);
}

static const struct registry_config about = {
    .region = "eu-west-1", .account = "123456789012", .random = {.fill = fill}};

struct server {
    struct store *store;
    struct registry *reg;
};

static struct server start_with(const struct store_config *config)
{
    struct server server = {.store = NULL};
    char why[256] = "";
    if (store_open(config, &server.store, why, sizeof why)) {
        fail_msg("%s", why);
    }
    assert_int_equal(registry_create(&about, server.store, &server.reg), ELO_OK);
    return server;
}

static struct server start(const char *name)
{
    return start_with(&(struct store_config){.path = in_dir(name)});
}

static void stop(struct server *server)
{
    registry_destroy(server->reg);
    store_close(server->store);
}

/* --- the whole state as text ------------------------------------------------------------------ */

struct dump {
    FILE *out;
    const struct registry *reg;
};

#define TEXT(span) (int)(span).len, (const char *)(span).ptr

static const struct registry_page all = {.max = 100000};

static void dump_link(void *ctx, elo_span arn, bool exclusive)
{
    struct dump *dump = ctx;
    fprintf(dump->out, "  principal %.*s %d\n", TEXT(arn), exclusive);
}

static void dump_thing(void *ctx, const struct thing *thing)
{
    struct dump *dump = ctx;
    struct registry_next next;
    struct aws_fault fault;
    fprintf(dump->out, "thing %.*s %.*s [%.*s] v%lld %lld\n", TEXT(thing->name), TEXT(thing->id),
            TEXT(thing->type_name), (long long)thing->version, (long long)thing->created_ms);
    for (size_t i = 0; i < thing->attribute_count; i++) {
        fprintf(dump->out, "  %.*s=%.*s\n", TEXT(thing->attributes[i].name),
                TEXT(thing->attributes[i].value));
    }
    assert_int_equal(registry_list_principals_of_thing(dump->reg, thing->name, NULL, &all,
                                                       dump_link, dump, &next, &fault),
                     AWS_OK);
}

static void dump_name(void *ctx, const struct policy_record *policy)
{
    struct dump *dump = ctx;
    fprintf(dump->out, "  policy %.*s\n", TEXT(policy->name));
}

static void dump_bound(void *ctx, const struct thing *thing, bool exclusive)
{
    struct dump *dump = ctx;
    fprintf(dump->out, "  thing %.*s %d\n", TEXT(thing->name), exclusive);
}

static void dump_certificate(void *ctx, const struct certificate *c)
{
    struct dump *dump = ctx;
    struct registry_next next;
    struct aws_fault fault;
    fprintf(dump->out, "certificate %.*s %.*s %s %.*s [%.*s] %.*s %lld %lld %lld %lld %lld\n%.*s\n",
            TEXT(c->id), TEXT(c->arn), certificate_status_name(c->status), TEXT(c->mode),
            TEXT(c->ca_id), TEXT(c->generation_id), (long long)c->created_ms,
            (long long)c->modified_ms, (long long)c->not_before_s, (long long)c->not_after_s,
            (long long)c->customer_version, TEXT(c->pem));
    assert_int_equal(registry_list_policies_of_target(dump->reg, c->arn, false, &all, dump_name,
                                                      dump, &next, &fault),
                     AWS_OK);
    assert_int_equal(registry_list_things_of_principal(dump->reg, c->arn, NULL, &all, dump_bound,
                                                       dump, &next, &fault),
                     AWS_OK);
}

static void dump_target(void *ctx, elo_span arn)
{
    struct dump *dump = ctx;
    fprintf(dump->out, "  target %.*s\n", TEXT(arn));
}

static void dump_policy(void *ctx, const struct policy_record *policy)
{
    struct dump *dump = ctx;
    struct registry_next next;
    struct aws_fault fault;
    fprintf(dump->out, "policy %.*s %.*s default %lld %lld %lld\n", TEXT(policy->name),
            TEXT(policy->generation_id), (long long)policy->default_version,
            (long long)policy->created_ms, (long long)policy->modified_ms);
    for (size_t i = 0; i < policy->version_count; i++) {
        const struct policy_version *v = &policy->versions[i];
        fprintf(dump->out, "  version %lld %.*s %.*s %lld\n", (long long)v->version,
                TEXT(v->document), TEXT(v->generation_id), (long long)v->created_ms);
    }
    assert_int_equal(registry_list_targets_of_policy(dump->reg, policy->name, &all, dump_target,
                                                     dump, &next, &fault),
                     AWS_OK);
}

static void dump_type(void *ctx, const struct thing_type *t)
{
    struct dump *dump = ctx;
    fprintf(dump->out, "type %.*s %.*s [%.*s] %lld %lld\n", TEXT(t->name), TEXT(t->id),
            TEXT(t->description), (long long)t->created_ms, (long long)t->deprecated_ms);
    for (size_t i = 0; i < t->searchable_count; i++) {
        fprintf(dump->out, "  searchable %.*s\n", TEXT(t->searchable[i]));
    }
}

static void dump_member(void *ctx, const struct thing *thing)
{
    fprintf(((struct dump *)ctx)->out, "  member %.*s\n", TEXT(thing->name));
}

static void dump_group(void *ctx, const struct thing_group *g)
{
    struct dump *dump = ctx;
    struct registry_next next;
    struct aws_fault fault;
    fprintf(dump->out, "group %.*s %.*s below [%.*s] [%.*s] v%lld %lld\n", TEXT(g->name),
            TEXT(g->id), TEXT(g->parent_name), TEXT(g->description), (long long)g->version,
            (long long)g->created_ms);
    assert_int_equal(registry_list_things_in_group(dump->reg, g->name, false, &all, dump_member,
                                                   dump, &next, &fault),
                     AWS_OK);
    assert_int_equal(registry_list_policies_of_target(dump->reg, g->arn, false, &all, dump_name,
                                                      dump, &next, &fault),
                     AWS_OK);
}

static void dump_template(void *ctx, const struct provisioning_template *t)
{
    struct dump *dump = ctx;
    fprintf(dump->out, "template %.*s %.*s [%.*s] %.*s %d default %lld %lld %lld\n", TEXT(t->name),
            TEXT(t->type), TEXT(t->description), TEXT(t->role_arn), t->enabled,
            (long long)t->default_version, (long long)t->created_ms, (long long)t->modified_ms);
    for (size_t i = 0; i < t->version_count; i++) {
        fprintf(dump->out, "  version %lld %.*s %lld\n", (long long)t->versions[i].version,
                TEXT(t->versions[i].body), (long long)t->versions[i].created_ms);
    }
}

static void dump_ca(void *ctx, const struct ca_certificate *ca)
{
    fprintf(((struct dump *)ctx)->out, "ca %.*s %.*s %.*s %d %d [%.*s] %lld %lld %lld\n",
            TEXT(ca->id), TEXT(ca->pem), TEXT(ca->subject), ca->active, ca->auto_registration,
            TEXT(ca->template_body), (long long)ca->created_ms, (long long)ca->modified_ms,
            (long long)ca->customer_version);
}

/* To be freed. */
static char *text_of(const struct registry *reg)
{
    char *text = NULL;
    size_t len = 0;
    struct registry_next next;
    struct dump dump = {.out = open_memstream(&text, &len), .reg = reg};
    assert_non_null(dump.out);
    registry_list_things(reg, NULL, &all, dump_thing, &dump, &next);
    registry_list_certificates(reg, &all, dump_certificate, &dump, &next);
    registry_list_policies(reg, &all, dump_policy, &dump, &next);
    registry_list_thing_types(reg, elo_span_of(NULL, 0), &all, dump_type, &dump, &next);
    const struct thing_group_filter every = {.recursive = true};
    struct aws_fault fault;
    assert_int_equal(
        registry_list_thing_groups(reg, &every, &all, dump_group, &dump, &next, &fault), AWS_OK);
    registry_list_templates(reg, &all, dump_template, &dump, &next);
    registry_list_cas(reg, elo_span_of(NULL, 0), &all, dump_ca, &dump, &next);
    fprintf(dump.out, "code %.*s\n", TEXT(registry_registration_code_now(reg)));
    assert_int_equal(fclose(dump.out), 0);
    return text;
}

static void same_as(const struct registry *reg, const char *expected)
{
    char *text = text_of(reg);
    assert_string_equal(text, expected);
    free(text);
}

/* What the store would load now, in a registry of its own. */
static void stored_is(struct store *store, const char *expected)
{
    struct registry *reg = NULL;
    assert_int_equal(registry_create(&about, store, &reg), ELO_OK);
    same_as(reg, expected);
    registry_destroy(reg);
}

static void poll_all(struct store *store)
{
    struct store_progress progress;
    store_poll(store, &progress);
    assert_int_equal(progress.failed, 0);
    assert_int_equal(progress.durable, store_issued(store));
}

/* --- random operations ------------------------------------------------------------------------ */

struct names {
    char thing[16];
    char policy[16];
    char id[65];
    char arn[128];
    char value[64];
};

/* From small pools, so that operations meet each other's results. */
static void draw_names(struct names *names)
{
    (void)snprintf(names->thing, sizeof names->thing, "t%u", draw(&choice) % 8);
    (void)snprintf(names->policy, sizeof names->policy, "p%u", draw(&choice) % 12);
    (void)snprintf(names->id, sizeof names->id, "%064x", draw(&choice) % 6);
    (void)snprintf(names->arn, sizeof names->arn, "arn:aws:iot:eu-west-1:123456789012:cert/%s",
                   names->id);
    (void)snprintf(names->value, sizeof names->value, "v%u", draw(&choice) % 4);
}

static aws_error op_thing(
    struct registry *reg, const struct names *n, uint32_t r, int64_t now, struct aws_fault *fault)
{
    static const char *const keys[] = {"a", "b/c", "d.e", "f#g"};
    const struct thing_attribute attributes[] = {
        {elo_span_str(keys[r % 4]), elo_span_str(n->value)},
        {elo_span_str(keys[r / 4 % 4]), elo_span_str(r & 64 ? "" : "x[1]=y")},
    };
    const struct thing_change change = {.has_attributes = (r & 128) != 0,
                                        .attributes = attributes,
                                        .attribute_count = 1 + r / 16 % 2,
                                        .merge = (r & 256) != 0};
    if (r & 512) {
        return registry_update_thing(reg, elo_span_str(n->thing), &change, NULL, fault);
    }
    return registry_create_thing(reg, elo_span_str(n->thing), &change, now, NULL, fault);
}

static aws_error op_register(
    struct registry *reg, const struct names *n, uint32_t r, int64_t now, struct aws_fault *fault)
{
    const struct certificate_new fresh = {
        .id = elo_span_str(n->id),
        .pem = elo_span_str(n->value),
        .status = r & 1 ? CERTIFICATE_ACTIVE : CERTIFICATE_INACTIVE,
        .mode = elo_span_str(r & 2 ? "DEFAULT" : "SNI_ONLY"),
        .not_before_s = now,
        .not_after_s = now + 5,
    };
    return registry_register_certificate(reg, &fresh, now, NULL, fault);
}

static aws_error op_group(
    struct registry *reg, const struct names *n, uint32_t r, int64_t now, struct aws_fault *fault)
{
    static const char *const names[] = {"g0", "g1", "g2", "g3", "g4"};
    elo_span group = elo_span_str(names[r % 5]);
    elo_span thing = elo_span_str(n->thing);
    elo_span parent = elo_span_str(r / 8 % 2 ? names[r / 16 % 5] : "");
    const struct thing_group_change change = {
        .has_description = true, .description = elo_span_str(n->value), .merge = true};
    char arn[128];
    (void)snprintf(arn, sizeof arn, "arn:aws:iot:eu-west-1:123456789012:thinggroup/%s",
                   names[r % 5]);
    switch (r / 256 % 8) {
    case 0:
    case 1:
        return registry_create_thing_group(reg, group, parent, &change, now, NULL, fault);
    case 2:
        return registry_update_thing_group(reg, group, &change, NULL, fault);
    case 3:
        return registry_delete_thing_group(reg, group, NULL, fault);
    case 4:
        return registry_attach_policy(reg, elo_span_str(n->policy), elo_span_str(arn), fault);
    case 5:
        return registry_remove_from_group(reg, group, thing, fault);
    default:
        return registry_add_to_group(reg, group, thing, fault);
    }
}

static aws_error op_type(
    struct registry *reg, const struct names *n, uint32_t r, int64_t now, struct aws_fault *fault)
{
    static const char *const names[] = {"Lamp", "Pump"};
    const elo_span searchable[] = {ELO_SPAN("a"), ELO_SPAN("b")};
    const struct thing_type_properties properties = {.description = elo_span_str(n->value),
                                                     .searchable = searchable,
                                                     .searchable_count = r / 4 % 3};
    elo_span name = elo_span_str(names[r % 2]);
    switch (r / 16 % 4) {
    case 0:
        return registry_create_thing_type(reg, name, &properties, now, NULL, fault);
    case 1:
        return registry_update_thing_type(reg, name, &properties, fault);
    case 2:
        return registry_deprecate_thing_type(reg, name, r & 64, now, fault);
    default:
        return registry_delete_thing_type(reg, name, now, fault);
    }
}

static aws_error op_template(
    struct registry *reg, const struct names *n, uint32_t r, int64_t now, struct aws_fault *fault)
{
    static const char *const names[] = {"lamps", "pumps"};
    elo_span name = elo_span_str(names[r % 2]);
    elo_span body = elo_span_str(n->value);
    int64_t version;
    const struct provisioning_template fresh = {
        .name = name,
        .type = ELO_SPAN("FLEET_PROVISIONING"),
        .role_arn = ELO_SPAN("arn:aws:iam::123456789012:role/provisioning"),
        .enabled = r & 4};
    const struct template_change change = {.has_enabled = true,
                                           .enabled = r & 8,
                                           .has_default_version = r & 4,
                                           .default_version = 1 + r / 1024 % 5};
    switch (r / 16 % 5) {
    case 0:
        return registry_create_template(reg, &fresh, body, now, NULL, fault);
    case 1:
        return registry_create_template_version(reg, name, body, r & 4, now, &version, fault);
    case 2:
        return registry_update_template(reg, name, &change, now, fault);
    case 3:
        return registry_delete_template_version(reg, name, 1 + r / 1024 % 5, now, fault);
    default:
        return registry_delete_template(reg, name, fault);
    }
}

static aws_error
op_ca(struct registry *reg, const struct names *n, uint32_t r, int64_t now, struct aws_fault *fault)
{
    const struct ca_certificate fresh = {.id = elo_span_str(n->id),
                                         .pem = elo_span_str(n->value),
                                         .mode = ELO_SPAN("DEFAULT"),
                                         .subject = ELO_SPAN("0123abcd"),
                                         .active = r & 1,
                                         .auto_registration = r & 2};
    const struct ca_change change = {.has_status = true,
                                     .active = r & 1,
                                     .has_auto_registration = r & 4,
                                     .auto_registration = r & 2};
    elo_span code;
    switch (r / 16 % 5) {
    case 0:
        return registry_register_ca(reg, &fresh, now, NULL, fault);
    case 1:
        return registry_update_ca(reg, fresh.id, &change, now, fault);
    case 2:
        return registry_delete_ca(reg, fresh.id, fault);
    case 3:
        return registry_registration_code(reg, &code, fault);
    default:
        return registry_delete_registration_code(reg, fault);
    }
}

/* Several operations as one change, kept or taken back. */
static aws_error op_change(
    struct registry *reg, const struct names *n, uint32_t r, int64_t now, struct aws_fault *fault)
{
    if (!registry_begin(reg)) {
        (void)snprintf(fault->message, sizeof fault->message, "out of memory");
        return AWS_InternalFailureException;
    }
    aws_error error = op_register(reg, n, r, now, fault);
    error = error ? error : op_thing(reg, n, r, now, fault);
    error = error ? error
                  : registry_attach_thing_principal(reg, elo_span_str(n->thing),
                                                    elo_span_str(n->arn), false, fault);
    if (error != AWS_OK || r & 1024) {
        registry_rollback(reg);
        return error;
    }
    return registry_commit(reg, fault);
}

/* The k-th random operation: AWS_OK, or AWS's refusal, which is as welcome. */
static aws_error random_operation(struct registry *reg, int64_t now, struct aws_fault *fault)
{
    struct names n;
    draw_names(&n);
    uint32_t r = draw(&choice);
    int64_t version = 1 + r % 9;
    elo_span thing = elo_span_str(n.thing);
    elo_span policy = elo_span_str(n.policy);
    elo_span arn = elo_span_str(n.arn);
    elo_span id = elo_span_str(n.id);
    switch (draw(&choice) % 24) {
    case 0:
        return registry_delete_thing(reg, thing, NULL, fault);
    case 1:
    case 2:
        return op_register(reg, &n, r, now, fault);
    case 3:
        return registry_update_certificate(
            reg, id, r % 20 == 0 ? CERTIFICATE_REVOKED : (enum certificate_status)(r % 2), now,
            fault);
    case 4:
        return registry_delete_certificate(reg, id, r & 1, fault);
    case 5:
        return registry_create_policy(reg, policy, elo_span_str(n.value), now, NULL, fault);
    case 6:
        return registry_create_policy_version(reg, policy, elo_span_str(n.value), r & 1, now, NULL,
                                              NULL, fault);
    case 7:
        return registry_set_default_policy_version(reg, policy, version, now, fault);
    case 8:
        return registry_delete_policy_version(reg, policy, version, now, fault);
    case 9:
        return registry_delete_policy(reg, policy, fault);
    case 10:
    case 11:
        return registry_attach_policy(reg, policy, arn, fault);
    case 12:
        return registry_detach_policy(reg, policy, arn, fault);
    case 13:
        return registry_attach_thing_principal(reg, thing, arn, r % 4 == 0, fault);
    case 14:
        return registry_detach_thing_principal(reg, thing, arn, fault);
    case 15:
    case 16:
    case 17:
        return op_group(reg, &n, r, now, fault);
    case 18:
        return op_type(reg, &n, r, now, fault);
    case 19:
        return op_template(reg, &n, r, now, fault);
    case 20:
        return op_ca(reg, &n, r, now, fault);
    case 21:
        return op_change(reg, &n, r, now, fault);
    default:
        return op_thing(reg, &n, r, now, fault);
    }
}

/* --- reading back ----------------------------------------------------------------------------- */

static void every_change_reads_back(void **state)
{
    (void)state;
    struct aws_fault fault;
    struct server server = start("elo.db");
    unsigned accepted = 0;
    for (int k = 0; k < OPERATIONS; k++) {
        uint64_t before = registry_after(server.reg);
        accepted += random_operation(server.reg, k, &fault) == AWS_OK;
        if (registry_after(server.reg) == before) {
            continue;
        }
        char *text = text_of(server.reg);
        poll_all(server.store);
        stored_is(server.store, text);
        if (k % 50 == 0) {
            stop(&server);
            server = start("elo.db");
            same_as(server.reg, text);
        }
        free(text);
    }
    assert_in_range(accepted, OPERATIONS / 4, OPERATIONS - OPERATIONS / 8); /* both are met */
    stop(&server);
}

/* --- allocations that fail -------------------------------------------------------------------- */

/* Each operation is tried with its first, second ... allocation failing until it goes through. */
static void no_allocation_leaves_half_a_change(void **state)
{
    (void)state;
    struct aws_fault fault;
    struct server server = start("elo.db");
    unsigned failures = 0;
    for (int k = 0; k < 1500; k++) {
        uint64_t same_choice = choice;
        char *before = text_of(server.reg);
        aws_error error = AWS_InternalFailureException;
        for (long n = 1; error == AWS_InternalFailureException; n++) {
            uint64_t issued = store_issued(server.store);
            choice = same_choice;
            mem_fail_at(n);
            error = random_operation(server.reg, k, &fault);
            mem_fail_at(0);
            if (error == AWS_InternalFailureException) {
                assert_non_null(strstr(fault.message, "memory"));
                assert_int_equal(store_issued(server.store), issued);
                same_as(server.reg, before);
                failures++;
            }
        }
        free(before);
        if (k % 20 == 0) {
            char *after = text_of(server.reg);
            poll_all(server.store);
            stored_is(server.store, after);
            free(after);
        }
    }
    assert_true(failures > 1000);

    char *text = text_of(server.reg);
    poll_all(server.store);
    for (long n = 1;; n++) {
        struct registry *other = NULL;
        mem_fail_at(n);
        elo_err err = registry_create(&about, server.store, &other);
        mem_fail_at(n);
        elo_err again = registry_reload(server.reg);
        mem_fail_at(0);
        same_as(server.reg, text);
        if (err == ELO_OK) {
            assert_int_equal(again, ELO_OK);
            registry_destroy(other);
            break;
        }
        assert_int_equal(err, ELO_E_NO_MEMORY);
        assert_true(again == ELO_E_NO_MEMORY || again == ELO_OK); /* one allocation fewer */
    }
    free(text);
    stop(&server);
}

/* --- commits that fail ------------------------------------------------------------------------ */

static void a_failed_commit_is_taken_back(void **state)
{
    (void)state;
    static const int errors[] = {SQLITE_FULL, SQLITE_IOERR_WRITE, SQLITE_IOERR_FSYNC};
    struct aws_fault fault;
    struct server server = start("elo.db");
    char *durable = text_of(server.reg);
    unsigned failed = 0;
    for (int k = 0; k < 500; k++) {
        struct store_progress progress;
        for (uint32_t i = draw(&ids) % 4 + 1; i > 0; i--) {
            (void)random_operation(server.reg, k, &fault);
        }
        if (k % 2) {
            int which = k % 3 == 2 ? FAULTY_SYNC : FAULTY_WRITE;
            faulty_disk_arm(which, 1 + k % 5 % (k % 3 == 2 ? 1 : 5), errors[k % 3], false);
        }
        store_poll(server.store, &progress);
        faulty_disk_heal();
        if (progress.failed) {
            assert_int_equal(registry_reload(server.reg), ELO_OK);
            assert_int_equal(registry_after(server.reg), 0);
            same_as(server.reg, durable);
            failed++;
        } else {
            free(durable);
            durable = text_of(server.reg);
        }
        stored_is(server.store, durable);
    }
    assert_in_range(failed, 50, 250);
    stop(&server);
    server = start("elo.db");
    same_as(server.reg, durable);
    free(durable);
    stop(&server);
}

/* --- killed at any moment --------------------------------------------------------------------- */

static void post(void *ctx)
{
    (void)sem_post(ctx);
}

static bool acknowledge(int fd, uint32_t number)
{
    return write(fd, &number, sizeof number) == (ssize_t)sizeof number;
}

/* Works for ever, writing the number of each operation that is durable. */
static void work(int fd)
{
    static uint64_t after[REPLAY_MAX];
    sem_t woken;
    struct aws_fault fault;
    struct store_progress progress;
    (void)sem_init(&woken, 0, 0);
    struct server server = start_with(&(struct store_config){
        .path = in_dir("elo.db"), .threaded = true, .wake = post, .ctx = &woken});
    uint32_t told = 0;
    for (uint32_t k = 0; k < REPLAY_MAX; k++) {
        (void)random_operation(server.reg, k, &fault);
        after[k] = registry_after(server.reg);
        for (;;) {
            store_poll(server.store, &progress);
            for (; told <= k && after[told] <= progress.durable; told++) {
                if (!acknowledge(fd, told + 1)) {
                    _exit(0);
                }
            }
            if (k - told < OUTSTANDING || told > k) {
                break;
            }
            (void)sem_wait(&woken);
        }
    }
    _exit(0);
}

/* Starts a worker and kills it after `count` acknowledgements; the last one it gave. */
static uint32_t work_and_kill(uint32_t count)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)close(ends[0]);
        work(ends[1]);
    }
    (void)close(ends[1]);
    uint32_t last = 0;
    while (last < count && read(ends[0], &last, sizeof last) == (ssize_t)sizeof last) {
    }
    assert_int_equal(kill(child, SIGKILL), 0);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    while (read(ends[0], &last, sizeof last) == (ssize_t)sizeof last) {
    }
    (void)close(ends[0]);
    assert_true(WIFSIGNALED(status));
    assert_true(last >= count);
    return last;
}

/*
 * A twin does the same operations undisturbed. What is found after the kill must be the twin's
 * state after some operation, and not an earlier one than the last acknowledged.
 */
static void nothing_acknowledged_is_lost(void **state)
{
    (void)state;
    struct aws_fault fault;
    struct server twin = start("twin.db");
    uint64_t moments = 12345;
    for (unsigned round = 0; round < KILLS; round++) {
        uint64_t seed = 1000 + round;
        choice = ids = seed;
        uint32_t acknowledged = work_and_kill(1 + draw(&moments) % 150);

        struct server found = start("elo.db");
        char *text = text_of(found.reg);
        stop(&found);

        choice = ids = seed;
        uint32_t done = 0;
        for (; done < acknowledged; done++) {
            (void)random_operation(twin.reg, done, &fault);
        }
        char *expected = text_of(twin.reg);
        while (strcmp(text, expected) != 0 && done < acknowledged + 2 * OUTSTANDING) {
            free(expected);
            (void)random_operation(twin.reg, done++, &fault);
            expected = text_of(twin.reg);
        }
        assert_string_equal(text, expected);
        free(expected);
        free(text);
        poll_all(twin.store);
    }
    stop(&twin);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    faulty_disk_install();
    const struct CMUnitTest tests[] = {
        TEST(every_change_reads_back),
        TEST(no_allocation_leaves_half_a_change),
        TEST(a_failed_commit_is_taken_back),
        TEST(nothing_acknowledged_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
