// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* The inside of the authorizer, shared by the authorizer*.c files. Nobody else includes it. */
#ifndef ELO_SERVER_AUTH_AUTHORIZER_INTERNAL_H
#define ELO_SERVER_AUTH_AUTHORIZER_INTERNAL_H

#include <sys/queue.h>

#include "server/auth/authorizer.h"
#include "server/base/buf.h"
#include "server/base/limits.h"
#include "server/base/map.h"

/* --- compiled documents, shared by all sessions ------------------------------------------------
 */

/*
 * Found by the document's text, so that a session never sees an outdated one, whatever was deleted
 * and made again under the same name, and equal documents are compiled once.
 */
struct compiled {
    size_t users;
    struct policy *policy;
    elo_span document; /* into `text` */
    uint8_t text[];
};

STAILQ_HEAD(custom_calls, custom);

struct authorizer {
    struct custom_calls calls; /* of functions of custom authorizers, that wait for the edge */
    size_t call_count;         /* and with it */
    struct registry *registry;
    struct map compiled; /* struct compiled by document */
    size_t sweep_at;     /* entries at which those without users are thrown out */
};

/* ELO_OK and a user more; else the error of policy_parse() with `why`. */
elo_err authorizer_compiled(
    struct authorizer *a, elo_span document, struct compiled **out, char *why, size_t why_cap);

/* --- decisions of a session --------------------------------------------------------------------
 */

/* Caps of one session's cache. A session that asks for more starts afresh, it is not refused. */
#define AUTH_CACHE_DECISIONS 1024u
#define AUTH_CACHE_BYTES     65536u

struct decision_slot {
    uint32_t hash; /* 0: empty */
    uint32_t name_at;
    uint16_t name_len;
    uint8_t action;
    bool allowed;
};

struct decision_cache {
    struct decision_slot *slots;
    size_t cap; /* a power of two, or 0 */
    size_t len;
    struct buf names; /* of all decisions, one after the other */
};

void decision_cache_init(struct decision_cache *cache);
void decision_cache_free(struct decision_cache *cache);
void decision_cache_clear(struct decision_cache *cache);

/*
 * NULL: not decided yet. Valid until the next call of decision_cache_put(). `hash` is
 * map_hash(name) here and below.
 */
const struct decision_slot *decision_cache_get(const struct decision_cache *cache,
                                               enum policy_action action,
                                               elo_span name,
                                               uint32_t hash);

/* Remembers if there is memory for it; if not, the question is decided again next time. */
void decision_cache_put(struct decision_cache *cache,
                        enum policy_action action,
                        elo_span name,
                        uint32_t hash,
                        bool allowed);

/* --- a session ---------------------------------------------------------------------------------
 */

enum { AUTH_ARN_BYTES = 1024, AUTH_LABEL_BYTES = LIMIT_NAME_BYTES + 24 };

/* The policies that count for a session, in the order of the registry. */
struct grants {
    size_t count;
    struct compiled **compiled;
    struct policy *policies[]; /* then the above */
};

/* The last thing asked about the certificate: reading it again takes OpenSSL microseconds. */
struct certificate_answer {
    char key[96];
    size_t key_len; /* 0: none yet */
    size_t index;
    size_t count;
    elo_span value;
    struct buf scratch; /* holds `value` */
};

struct auth_session {
    struct authorizer *authorizer;

    /* what TLS and CONNECT said */
    struct auth_peer peer;
    void *peer_text;
    bool connected;
    bool persistent;
    bool has_will;
    elo_span client_id;
    elo_span will_arn;
    void *connect_text;

    /* what the registry said at `generation` */
    bool fresh;
    uint64_t generation;
    const struct thing *thing; /* borrowed from the registry until its generation moves */
    struct grants *grants;     /* NULL: no policy */
    char *fault;               /* not NULL: why everything is denied */
    struct decision_cache decisions;

    /* while a question is answered */
    enum policy_action asking;
    bool starved; /* a value could not be had for want of memory: the answer is no */
    struct certificate_answer *answer; /* made when first asked */
    uint64_t available_keys; /* of the certificate: a bit each; see authorizer_variables.c */
    bool available_known;
};

/* The `get` of struct policy_variables; `ctx` is the session. */
size_t auth_session_variable(void *ctx, elo_span key, size_t index, elo_span *out);

/* "arn:aws:iot:REGION:ACCOUNT:TYPE/name"; an empty span if it does not fit. */
elo_span auth_resource_arn(const struct authorizer *a,
                           const char *type,
                           elo_span name,
                           char out[AUTH_ARN_BYTES]);

#endif
