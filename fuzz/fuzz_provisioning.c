// links: server_provisioning server_registry server_store server_pki server_base
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Two things that come from outside: a provisioning template (the first byte even), run with
 * parameters against a registry, and a certificate (odd), as a device shows it at its first contact
 * with a desk that knows a CA. Whatever happens, a failure leaves the registry as it was.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/provisioning/provisioning.h"

enum { NOW = 1767323045 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct store *store;
static struct registry *reg;
static struct pki_ca *ca;
static struct aws_fault fault;

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void fill(void *ctx, void *out, size_t len)
{
    static uint64_t state = 1;
    (void)ctx;
    for (size_t i = 0; i < len; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        ((uint8_t *)out)[i] = (uint8_t)(state >> 56);
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    char dir[] = "/tmp/elo-fuzz-XXXXXX";
    char path[64];
    char why[256];
    must(mkdtemp(dir) != NULL);
    must(pki_ca_open(dir, NOW, &ca, NULL, 0) == ELO_OK);
    snprintf(path, sizeof path, "%s/elo.db", dir);
    const struct store_config config = {.path = path};
    must(store_open(&config, &store, why, sizeof why) == ELO_OK);
    const struct registry_config about = {
        .region = "eu-west-1", .account = "123456789012", .random = {.fill = fill}};
    must(registry_create(&about, store, &reg) == ELO_OK);
    const struct thing_type_properties bare = {.searchable_count = 0};
    const struct thing_group_change plain = {.has_description = false};
    must(!registry_create_thing_type(reg, ELO_SPAN("Lamp"), &bare, 1, NULL, &fault));
    must(!registry_create_thing_group(reg, ELO_SPAN("field"), ELO_SPAN(""), &plain, 1, NULL,
                                      &fault));
    must(!registry_create_policy(reg, ELO_SPAN("base"), ELO_SPAN("{}"), 1, NULL, &fault));
    struct pki_certificate info;
    must(pki_certificate_read(pki_ca_pem(ca), &info, why, sizeof why) == ELO_OK);
    const struct ca_certificate row = {.id = elo_span_str(info.id),
                                       .pem = pki_ca_pem(ca),
                                       .mode = ELO_SPAN("DEFAULT"),
                                       .subject = elo_span_str(info.subject),
                                       .active = true,
                                       .auto_registration = true};
    must(!registry_register_ca(reg, &row, 1, NULL, &fault));
    return 0;
}

static void run_template(elo_span body)
{
    const struct provisioning_parameter parameters[] = {{ELO_SPAN("Name"), ELO_SPAN("bench-7")},
                                                        {ELO_SPAN("Room"), ELO_SPAN("lab")}};
    const struct provisioning_request request = {
        .body = body, .parameters = parameters, .parameter_count = 2, .now_ms = NOW};
    struct provisioning_result result;
    provisioning_result_init(&result);
    must(registry_begin(reg));
    aws_error error = provisioning_run(reg, &request, &result, &fault);
    must(error != AWS_OK || provisioning_check(body, &fault) == AWS_OK);
    registry_rollback(reg);
    must(registry_thing(reg, ELO_SPAN("bench-7")) == NULL);
    provisioning_result_free(&result);
}

static void first_contact(elo_span der)
{
    struct first_contact_result result;
    const struct compat compat = {0};
    provisioning_first_contact(reg, der, compat, (int64_t)NOW * 1000, &result);
    must(result.outcome == FIRST_CONTACT_NONE || result.ca_id[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct store_progress progress;
    if (size > 0) {
        elo_span rest = elo_span_of(data + 1, size - 1);
        if (data[0] % 2 == 0) {
            run_template(rest);
        } else {
            first_contact(rest);
        }
    }
    store_poll(store, &progress);
    return 0;
}
