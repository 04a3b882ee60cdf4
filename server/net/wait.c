// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Waiting with a deadline. Each kind has a list of its own, ordered because all on it wait equally
 * long: joining, leaving and the next deadline take constant time.
 */
#include "server/base/limits.h"
#include "server/net/internal.h"

static const struct {
    int64_t ms;
    elo_err err;          /* of the log record */
    enum log_level level; /* idle keep-alive connections end this way every day */
    const char *in_words;
} kinds[WAIT_KINDS] = {
    [WAIT_HANDSHAKE] = {LIMIT_HANDSHAKE_WAIT_MS, ELO_E_TLS_HANDSHAKE, LOG_WARN,
                        "the TLS handshake was not done in 10 seconds"},
    [WAIT_HTTP] = {LIMIT_HTTP_IDLE_MS, ELO_E_TCP_TIMEOUT, LOG_DEBUG,
                   "no complete HTTP request came in 60 seconds, or its answer was not read"},
    [WAIT_LAST_WORDS] = {LIMIT_LAST_WORDS_MS, ELO_E_SLOW_CONSUMER, LOG_DEBUG,
                         "the client did not read what was to be sent before the end"},
    [WAIT_LINGER] = {LIMIT_LINGER_MS, ELO_OK, LOG_DEBUG, NULL},
};

void conn_wait(struct conn *c, enum wait_kind kind)
{
    struct conn_list *list = &c->net->waiting[kind];
    conn_wait_end(c);
    c->waiting = true;
    c->wait = kind;
    c->deadline = net_time(c->net).mono_ms + kinds[kind].ms;
    c->next = NULL;
    c->prev = list->last;
    if (list->last != NULL) {
        list->last->next = c;
    } else {
        list->first = c;
    }
    list->last = c;
}

void conn_wait_end(struct conn *c)
{
    struct conn_list *list = &c->net->waiting[c->wait];
    if (!c->waiting) {
        return;
    }
    c->waiting = false;
    *(c->prev ? &c->prev->next : &list->first) = c->next;
    *(c->next ? &c->next->prev : &list->last) = c->prev;
}

void conn_expire(struct net *net, int64_t now_ms)
{
    for (int kind = 0; kind < WAIT_KINDS; kind++) {
        struct conn *c;
        while ((c = net->waiting[kind].first) != NULL && c->deadline <= now_ms) {
            if (kinds[kind].in_words != NULL) {
                conn_log(c, kinds[kind].level, kinds[kind].err, NULL, kinds[kind].in_words);
            }
            conn_close(c, ELO_E_TCP_TIMEOUT);
        }
    }
}

int64_t conn_deadline(const struct net *net)
{
    int64_t at = INT64_MAX;
    for (int kind = 0; kind < WAIT_KINDS; kind++) {
        const struct conn *c = net->waiting[kind].first;
        at = c != NULL && c->deadline < at ? c->deadline : at;
    }
    return at;
}
