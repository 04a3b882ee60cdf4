// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* The inside of server/auth/custom*.c. */
#ifndef ELO_SERVER_AUTH_CUSTOM_INTERNAL_H
#define ELO_SERVER_AUTH_CUSTOM_INTERNAL_H

#include "server/auth/authorizer_internal.h"
#include "server/auth/custom.h"

enum custom_state { CUSTOM_IDLE, CUSTOM_WAITING, CUSTOM_CALLED };

struct custom {
    struct authorizer *authorizer;
    STAILQ_ENTRY(custom) link;
    enum custom_state state;
    custom_answered *answered; /* NULL while CUSTOM_CALLED: it was destroyed */
    void *ctx;

    /* what the client has shown */
    bool has_http;
    struct buf headers; /* "name\0value\n" */
    struct buf query;
    struct buf server_name;
    struct buf name; /* of the authorizer: the named one, or what was the default then */

    /* the call */
    struct buf function;
    struct buf event;
    char why[320];

    /* the answer */
    bool was_called;
    bool authenticated;
    char principal[129];
    struct buf texts; /* the policies, one after the other */
    size_t ends[CUSTOM_POLICIES];
    size_t policy_count;
    int64_t disconnect_s, refresh_s;
};

void custom__keep_http(struct custom *c, const struct sigv4_request *http);
elo_err custom__fail(struct custom *c, elo_err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
