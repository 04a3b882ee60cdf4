// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include <string.h>

#include "server/seeing/internal.h"

const char *const seeing__result_names[RESULTS] = {
#define RESULT_NAME(name) #name,
    RESULT_LIST(RESULT_NAME)
#undef RESULT_NAME
};

const char *const seeing__ending_names[ENDINGS] = {
#define ENDING_NAME(name) #name,
    ENDING_LIST(ENDING_NAME)
#undef ENDING_NAME
};

static enum result result_of(const struct log_record *r)
{
    if (r->err == ELO_OK) {
        return RESULT_success;
    }
    if (elo_span_eq(r->reason, ELO_SPAN("AUTHORIZATION_FAILURE"))) {
        return RESULT_auth_error;
    }
    if (elo_span_eq(r->reason, ELO_SPAN("THROTTLED"))) {
        return RESULT_throttle;
    }
    bool ours = r->err == ELO_E_NO_MEMORY || r->err == ELO_E_IO || r->err == ELO_E_DISK_FULL ||
                elo_span_eq(r->reason, ELO_SPAN("SERVER_ERROR"));
    return ours ? RESULT_server_error : RESULT_client_error;
}

static bool is(const struct log_record *r, const char *event)
{
    return strcmp(r->event_type, event) == 0;
}

static void count_connect(struct seeing *s, const struct log_record *r)
{
    if (r->protocol != NULL && strcmp(r->protocol, "TLS") == 0) {
        s->tls_failures += r->err != ELO_OK;
        return;
    }
    enum result result = result_of(r);
    bool by_id =
        result == RESULT_throttle && memmem(r->details.ptr, r->details.len, "client id", 9);
    s->connects[by_id ? RESULT_clientid_throttle : result]++;
}

static void count_ending(struct seeing *s, const struct log_record *r)
{
    enum ending ending = ENDING_OTHER;
    for (int i = 0; i < ENDINGS; i++) {
        if (elo_span_eq(r->reason, elo_span_str(seeing__ending_names[i]))) {
            ending = (enum ending)i;
        }
    }
    s->endings[ending]++;
}

static void count_operation(struct seeing *s, const struct log_record *r)
{
    size_t i = 0;
    while (i < s->operation_count && strcmp(s->operations[i].name, r->event_type) != 0) {
        i++;
    }
    if (i == OPERATIONS_MAX) {
        return;
    }
    if (i == s->operation_count) {
        s->operation_count++;
        s->operations[i].name = r->event_type;
    }
    *(r->err == ELO_OK ? &s->operations[i].done : &s->operations[i].refused) += 1;
}

void seeing__count(struct seeing *s, const struct log_record *r)
{
    if (is(r, "Connect")) {
        count_connect(s, r);
    } else if (is(r, "Disconnect")) {
        count_ending(s, r);
    } else if (is(r, "Subscribe")) {
        s->subscribes[result_of(r)]++;
    } else if (is(r, "Unsubscribe")) {
        s->unsubscribes += r->err == ELO_OK;
    } else if (is(r, "Publish-In")) {
        s->publishes_in[result_of(r)] += r->err != ELO_OK;
    } else if (is(r, "Publish-Out")) {
        s->publishes_out[result_of(r)] += r->err != ELO_OK;
    } else if (r->protocol != NULL && strcmp(r->protocol, "HTTP") == 0) {
        count_operation(s, r);
    }
}
