// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include <string.h>

#include "server/seeing/internal.h"

const char *const seeing__result_names[RESULTS] = {
#define RESULT_NAME(name) #name,
    RESULT_LIST(RESULT_NAME)
#undef RESULT_NAME
};

const char *const seeing__carrier_names[CARRIERS] = {
#define CARRIER_NAME(name) #name,
    CARRIER_LIST(CARRIER_NAME)
#undef CARRIER_NAME
};

const char *const seeing__ending_names[ENDINGS] = {
#define ENDING_NAME(name) #name,
    ENDING_LIST(ENDING_NAME)
#undef ENDING_NAME
};

/* Who it is cannot be told, or is nobody: before any question of what it may. */
static bool is_unknown(elo_err err)
{
    return err == ELO_E_CERT_MISSING || err == ELO_E_CERT_UNKNOWN || err == ELO_E_CERT_INACTIVE ||
           err == ELO_E_CERT_REVOKED || err == ELO_E_CERT_EXPIRED || err == ELO_E_AUTHORIZER;
}

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

static enum carrier carrier_of(const struct log_record *r)
{
    return r->websocket ? CARRIER_wss : CARRIER_mqtt;
}

static void count_connect(struct seeing *s, const struct log_record *r)
{
    enum result result = is_unknown(r->err) ? RESULT_authn_error : result_of(r);
    if (r->protocol != NULL && strcmp(r->protocol, "TLS") == 0) {
        s->tls_failures += r->err != ELO_OK;
        s->connects[CARRIER_mqtt][RESULT_authn_error] += result == RESULT_authn_error;
        return;
    }
    bool by_id =
        result == RESULT_throttle && memmem(r->details.ptr, r->details.len, "client id", 9);
    s->connects[carrier_of(r)][by_id ? RESULT_clientid_throttle : result]++;
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

void seeing_answered(struct seeing *s, const char *operation, int status, uint64_t took_us)
{
    size_t i = 0;
    while (i < s->answer_count &&
           (s->answers[i].status != status || strcmp(s->answers[i].operation, operation) != 0)) {
        i++;
    }
    if (i == ANSWERS_MAX) {
        return;
    }
    if (i == s->answer_count) {
        s->answers[s->answer_count++].operation = operation;
        s->answers[i].status = status;
    }
    s->answers[i].count++;
    histogram_add(&s->answers_took, took_us);
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
        s->publishes_in[carrier_of(r)][result_of(r)] += r->err != ELO_OK;
    } else if (is(r, "Publish-Out")) {
        s->publishes_out[result_of(r)] += r->err != ELO_OK;
    }
}
