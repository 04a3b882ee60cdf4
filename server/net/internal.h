// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The inside of the edge: one loop, its listeners, its connections, and what a protocol is.
 *
 * A struct conn lives from accept() to the close callback of its poll handle. Its transport is a
 * socket, with TLS around it or not; its protocol is the broker's or HTTP, chosen when the
 * transport is ready. Everything here runs on the loop's thread, except net_wake().
 */
#ifndef ELO_SERVER_NET_INTERNAL_H
#define ELO_SERVER_NET_INTERNAL_H

#include <stdatomic.h>
#include <sys/queue.h>

#include <openssl/ssl.h>
#include <uv.h>

#include "server/base/buf.h"
#include "server/base/limits.h"
#include "server/base/map.h"
#include "server/net/net.h"
#include "server/net/record.h"

struct conn;
struct http;
struct key_order;

/* What speaks over a ready transport. Bytes go in, pieces to send come out. */
struct protocol {
    const char *name;
    bool answers_after_end; /* who has nothing more to say may still be waiting for the answer */
    void (*input)(struct conn *c, elo_span bytes);
    size_t (*output)(struct conn *c, elo_span *out, size_t max);
    void (*sent)(struct conn *c, size_t len);
    bool (*wants_close)(const struct conn *c);
    bool (*is_held)(const struct conn *c);     /* what output() keeps back comes yet; NULL: never */
    bool (*wants_input)(const struct conn *c); /* NULL: unless it holds its input itself */
    void (*closed)(struct conn *c, elo_err why); /* the transport is gone: free what is yours */
};

enum listener_kind { LISTEN_MQTTS, LISTEN_HTTPS, LISTEN_HTTP, LISTEN_PLAIN, LISTEN_KINDS };

struct listener {
    uv_poll_t poll;
    struct net *net;
    enum listener_kind kind;
    int fd;
};

/* What a connection can wait for, and so how long. */
enum wait_kind {
    WAIT_HANDSHAKE,  /* for TLS to be done */
    WAIT_HTTP,       /* for a request to be complete, or for its answer to be taken */
    WAIT_LAST_WORDS, /* for what is to be sent before the end to be taken */
    WAIT_LINGER,     /* for the other side to end too */
    WAIT_KINDS
};

/* A list ordered by deadline: all its members wait equally long. */
struct conn_list {
    struct conn *first, *last;
};

enum conn_phase {
    CONN_HANDSHAKE, /* TLS is not done */
    CONN_OPEN,      /* the protocol speaks */
    CONN_LINGER,    /* we have ended; what still comes is thrown away, see conn_close() */
    CONN_CLOSED     /* the poll handle is closing */
};

/* What TLS has shown of the other side. */
struct tls_peer {
    char certificate_id[65]; /* empty: no certificate */
    char server_name[256];   /* SNI; empty: none */
    char alpn[16];           /* what was chosen; empty: nothing was offered */
    size_t der_len;
    uint8_t der[];
};

/* How a handshake has come out: read when it is done or has failed. */
struct shaken {
    struct tls_peer *peer; /* NULL: failed */
    elo_err err;
    enum log_level level; /* of the record that tells the failure */
    char why[200];        /* empty: it has been told */
    struct record_secrets secrets;
};

/* What a transport answers instead of a number of bytes. */
enum transport {
    TRANSPORT_WANTS_READ = -1,
    TRANSPORT_WANTS_WRITE = -2,
    TRANSPORT_END = -3, /* the other side has nothing more to say */
    TRANSPORT_GONE = -4 /* nothing goes either way any more */
};

struct conn {
    uv_poll_t poll;
    struct net *net;
    SSL *ssl;              /* while the handshake lasts, and after it without `record` */
    struct record *record; /* TLS by our own record layer; neither: plain */
    struct buf kept;       /* the beginning of a record whose rest has not come */
    struct buf unsent;     /* sealed, but the socket was full */
    int last_word;         /* TRANSPORT_END or _GONE: to be answered to the next read; 0: none */
    int fd;
    int events; /* what the poll handle waits for */
    enum listener_kind kind;
    enum conn_phase phase;
    const struct protocol *protocol;
    void *speaker; /* the protocol's own: struct broker_conn or struct http */

    bool hold_input;   /* do not read now: the speaker is busy */
    bool read_blocked; /* TLS must write before it can read on (a KeyUpdate) */
    bool ended;        /* the other side has nothing more to say */
    bool broken;       /* nothing goes either way any more */
    bool reset;        /* it is polled no more: what is left is read to its end */
    bool told;         /* the log has been told why the handshake fails */
    bool counted;      /* as an unfinished handshake of its address, see crowd.c */
    bool shaking;      /* a worker has it: nobody else touches it */
    struct conn *hop;  /* next in a queue between the loop and a worker */
    unsigned shaker;   /* which worker */
    SSL_CTX *tls;      /* for the worker to make `ssl` of; NULL after that */
    struct shaken *shaken;
    struct tls_peer *peer; /* until mqtt_begin() has taken it in; with HTTP until the end */
    bool in_more;          /* on net->more: there is input left from the last read */
    struct conn *more;     /* next on net->more */
    bool waiting;          /* on net->waiting[wait] with `deadline` */
    enum wait_kind wait;
    int64_t deadline;
    struct conn *prev, *next; /* on net->waiting */
    struct conn *all_prev, *all_next;

    int64_t born_ms; /* loop time of accept() */
    char ip[46];
    uint16_t port;
};

enum {
    NET_LISTENERS = 2 * LISTEN_KINDS,
    NET_POOL = 32, /* threads for what takes long, once there is any: lambda.c, keys.c */
    NET_NICENESS =
        1, /* of threads that messages go before, added: more, and a busy machine starves them */
    NET_SCRATCH = 65536,
    NET_RECORD = RECORD_TEXT_MAX,
    NET_WIRE = NET_SCRATCH + RECORD_WIRE_MAX,
    /* One NET_RECORD, sealed: as one record, or as many of 512 bytes. */
    NET_SEALED = NET_RECORD + (NET_RECORD / 512 + 2) * RECORD_OVERHEAD
};

/* Refusals of one kind: all are counted, and told once per second at most. */
struct refusals {
    uint64_t count; /* since the last word about it */
    uint64_t ever;
    int64_t told_ms;
};

/* Unfinished handshakes, in all and of each address. */
struct crowd {
    struct map by_ip;
    size_t count;
    struct refusals refused;
};

struct net {
    uv_loop_t loop;
    uv_async_t wake;
    uv_check_t check;
    uv_idle_t idle; /* runs while `more` is not empty */
    uv_timer_t timer;
    uv_timer_t grace; /* after a stop: how long replies under way may take */
    uv_timer_t daily;
    uv_timer_t tidy; /* gives memory back that a crowd has left */
    uv_work_t tidying;
    uint64_t tidied_at; /* edge.accepted then */
    bool tidying_now;
    uv_signal_t sigterm, sigint, sigusr1;
    struct net_config config;
    struct api *api;
    struct seeing *seeing;
    struct seeing_edge edge; /* counted here; see net_edge() */
    bool open;
    bool stopping;
    SSL_CTX *tls;
    struct listener listeners[NET_LISTENERS];
    size_t listener_count;
    int ports[LISTEN_KINDS];
    int spare_fd;      /* given up to accept and refuse when descriptors run out */
    bool short_of_fds; /* told once, until a descriptor is free again */
    struct conn *all;
    size_t conn_count;
    struct conn *more;
    struct shakers *shakers; /* NULL: handshakes are done on the loop */
    struct conn *to_shake;   /* accepted in this turn */
    struct crowd crowd;
    struct refusals no_socket; /* of more connections than may be */
    struct limits limits;
    struct conn_list waiting[WAIT_KINDS];
    uint64_t settled;      /* every batch up to here is on disk or was taken back */
    struct http *held;     /* HTTP replies that wait for the store */
    int64_t deadline;      /* of the timer, mono_ms; INT64_MAX: it does not run */
    size_t calls;          /* on threads of libuv's pool: lambda.c, keys.c */
    atomic_int calls_stop; /* not 0: they give up */
    size_t keys_making;    /* of `calls` */
    STAILQ_HEAD(, key_order) keys_waiting;
    struct buf spare; /* see websocket.c */
    bool spare_lent;
    uint8_t scratch[NET_SCRATCH];
    uint8_t record[NET_RECORD];
    uint8_t wire[NET_WIRE];
    uint8_t sealed[NET_SEALED];
};

/* listen.c */
ELO_MUST_USE elo_err listen_all(struct net *net, char *why, size_t why_cap);
void listen_stop(struct net *net);
void listen_descriptor_free(struct net *net, int fd); /* closes it: it may be asked for */

/* tls_policy.c */
struct tls_policy {
    const char *name;
    int oldest, newest; /* TLS1_2_VERSION ... */
};

/* NULL: no such policy. The name NULL is AWS's default. */
const struct tls_policy *tls_policy(const char *name);
bool tls_obey_policy(SSL_CTX *ctx, const struct tls_policy *policy);

/* tls.c */
/* A context for net->config; to be freed. ELO_E_BAD_PEM, ELO_E_NO_MEMORY. */
ELO_MUST_USE elo_err tls_context(struct net *net, SSL_CTX **out, char *why, size_t why_cap);

/* Makes c->ssl, of `ctx`. false: out of memory. */
bool tls_begin(struct conn *c, SSL_CTX *ctx);

/*
 * Goes on with the handshake. SSL_ERROR_WANT_READ or SSL_ERROR_WANT_WRITE: to be called again then;
 * SSL_ERROR_NONE: it is over, `out` tells how. On the thread that has the connection.
 */
int tls_shake(struct conn *c, struct shaken *out);

/* The protocol that ALPN and listener call for, when c->peer is known. */
enum listener_kind tls_protocol(const struct conn *c);

bool tls_wants_custom(const struct conn *c);    /* MQTT, but a custom authorizer decides */
elo_span tls_server_name(const struct conn *c); /* SNI; empty: none */

/* shake.c: handshakes on threads of their own */
/* NULL with `why`: none could be started. */
struct shakers *shakers_start(struct net *net, unsigned threads, char *why, size_t why_cap);
void shakers_take(struct conn *c); /* handed over by shakers_send(), once per turn */
void shakers_send(struct net *net);
/* Ends the threads. What they had comes back as failed. NULL is allowed. */
void shakers_stop(struct net *net);

/* crowd.c: who may begin a handshake */
bool crowd_enter(struct conn *c); /* false: there are too many; it is counted and told */
void crowd_leave(struct conn *c); /* the handshake is over; harmless if it did not enter */
void crowd_free(struct net *net);

/* One more. How many have to be told now, this one among them; 0: it is not the time. */
uint64_t refusals_add(struct net *net, struct refusals *r);

/* transport.c: bytes, or one of enum transport */
ssize_t transport_receive(struct conn *c, uint8_t *buf, size_t cap);
ssize_t transport_transmit(struct conn *c, elo_span bytes);
bool transport_has_more(const struct conn *c); /* input that no poll will tell of */
void transport_end(struct conn *c);            /* a farewell if there can be one; TLS is freed */

/* Sends what an earlier transmit took and could not send. 0: nothing is left; or as transmit. */
ssize_t transport_push(struct conn *c);
bool transport_has_unsent(const struct conn *c);

/* conn.c */
void conn_accept(struct net *net, enum listener_kind kind, int fd);

/* A worker gives it back, its handshake over: c->shaken tells how. `c` may be gone after it. */
void conn_return(struct conn *c);

/* Sends what there is to send, and closes if the protocol wants to: `c` may be closed after it. */
void conn_flush(struct conn *c);

/*
 * Tells the protocol and ends. If the other side may still be sending, the socket lingers for a
 * moment, read and ignored: a socket that is closed with input unread answers with a reset, which
 * would take our last words - an HTTP status, a TLS alert - away from the other side.
 */
void conn_close(struct conn *c, elo_err why);
void conn_resume(struct conn *c); /* reading may go on */
void conn_read_more(struct net *net);
void conn_log(const struct conn *c,
              enum log_level level,
              elo_err err,
              const char *certificate_id,
              const char *why);

/* wait.c: closes it unless conn_wait_end() comes, or another conn_wait() */
void conn_wait(struct conn *c, enum wait_kind kind);
void conn_wait_end(struct conn *c);
void conn_expire(struct net *net, int64_t now_ms);
int64_t conn_deadline(const struct net *net); /* mono_ms, or INT64_MAX */

/* net.c */
void net_flush(struct net *net);
unsigned long long net_descriptors(void); /* how many this process may have */
void net_start(struct net *net); /* net_run() without the loop: the tests turn it themselves */

/* mqtt.c, http.c: begin to speak; false: out of memory, the caller closes. */
bool mqtt_begin(struct conn *c);
bool http_begin(struct conn *c);

/* mqtt.c: whoever has shown a certificate, made if `*device` is not there yet, and whether it is
 * good now. NULL: nobody, or no memory. */
void mqtt_device(const struct conn *c, struct auth_session **device, elo_err *out_refused);

/*
 * websocket.c: speaks MQTT in WebSocket frames from now on, in the name of `peer`; `answer`, to
 * the upgrade, goes out first. false: out of memory; peer->custom is freed in any case.
 */
bool websocket_begin(struct conn *c, const struct auth_peer *peer, elo_span answer);

/* lambda.c: calls the functions that the core asks for; waits for those under way, soon over. */
void lambda_pump(struct net *net);
void lambda_stop(struct net *net);

/* keys.c: RSA keys that others make. NULL: out of memory. `key` may be NULL for the same reason,
 * and is the caller's from then on. What is cancelled (NULL is allowed) is not heard of again. */
typedef void keys_ready(void *ctx, struct pki_key *key);
struct key_order *keys_order(struct net *net, keys_ready *ready, void *ctx);
void keys_cancel(struct key_order *o);

/* shake.c: this thread's work is less urgent than the loop's, whatever priority that has. */
void net_give_way(void);

/* http_status.c */
struct http_fault {
    int status; /* 400, 413, 414, 431, 503 */
    const char *exception, *message;
};
const char *http_status_text(int status);
const struct http_fault *http_fault_of(int status); /* as AWS's gateway calls it */

/* upgrade.c: is the request one for MQTT over WebSocket? */
bool upgrade_wanted(const struct sigv4_request *request);

/*
 * Its answer in `out`, all of it; `must_offer`: a subprotocol must be offered. false: it is no
 * handshake that RFC 6455 allows, and `*why` says why.
 */
bool upgrade_accept(const struct sigv4_request *request,
                    bool must_offer,
                    struct buf *out,
                    const char **why);

/* The store has moved: replies that waited leave, or become failures. */
void http_release(struct net *net, const struct store_progress *progress);

/* Replies that waited for a client's PUBACK leave. */
void http_receipts(struct net *net);

/* Nothing is being answered on this connection. */
bool http_is_idle(const struct conn *c);

#endif
