// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What the load programs have in common: many MQTT 3.1.1 clients over mutual TLS on one thread, and
 * the measured process's CPU time and memory, read from the system while they run.
 *
 * How a program uses it: load_init() reads the command line and makes the TLS context; peer_open()
 * adds a client, which then shakes hands, sends CONNECT and (if it has a filter) SUBSCRIBE by
 * itself; load_turn() lets every client read, and calls `on_publish` and `on_puback` for what came.
 * Writing is peer_publish() and peer_flush(); one turn's packets leave in as few records as they
 * fit in, so that the generator is not what is measured.
 *
 * A program of measurement, not a library: whatever fails ends it with a sentence.
 */
#ifndef ELO_BENCH_PEER_H
#define ELO_BENCH_PEER_H

#include <openssl/ssl.h>

#include "elo/base/span.h"

enum { PEER_BUFFER = 65536, PEER_MAX_PAYLOAD = 4096 };

struct peer {
    SSL *ssl;
    int fd;
    unsigned index;
    const char *client_id; /* NULL: "bench-PID-ROLE-INDEX" */
    char role;             /* 'p', 's', 'q': part of the client id */
    bool persistent;       /* clean session 0 */
    char topic[64];        /* what it publishes to, or the filter it subscribes */
    bool subscribes;
    bool handshaken;
    bool ready; /* CONNACK, and SUBACK if it subscribes */
    bool wants_write;
    bool again; /* OpenSSL holds bytes that were not read yet */
    bool dirty; /* the program's own mark */
    long owed;  /* the program's own count */
    uint16_t next_id;
    uint8_t *in, *out;
    size_t in_len, out_at, out_len;
    uint8_t *packet; /* its PUBLISH, encoded once; only id and stamps change */
    size_t packet_len, id_at, payload_at;
};

/* What the command line said; see load_init(). */
struct load_args {
    const char *mode, *ca, *cert, *key, *tls, *topic;
    long port, pid, count, qos, window, seconds, payload, rate, parallel, messages;
    bool verify; /* the server's certificate; set before load_init() */
};
extern struct load_args args;

/* What came, told by load_turn(). `payload` is valid during the call. */
struct load_events {
    void (*on_publish)(struct peer *p, elo_span payload);
    void (*on_puback)(struct peer *p);
};

/* argv: MODE --port N --ca F --cert F --key F --pid PID and what peer.c's table names. */
void load_init(int argc, char **argv, const struct load_events *events);

/* The peers of this program, allocated once: `count` of them. */
struct peer *load_peers(size_t count);

void peer_open(struct peer *p);  /* role, index, topic... are set */
void peer_close(struct peer *p); /* without a word; the peer may be opened again */

/* Makes its PUBLISH from its topic; the first peer_publish() does it, without RETAIN. */
void peer_prepare(struct peer *p, bool retain);

/* One PUBLISH to its topic into the output; false: no room now. `stamp` is put into the payload. */
bool peer_publish(struct peer *p, uint64_t stamp);
void peer_flush(struct peer *p);
void peer_disconnect(struct peer *p); /* DISCONNECT, flushed */

/* Every peer with something to read reads; waits at most so long for the first. */
void load_turn(int64_t timeout_ns);
/* Turns until so many peers have become ready (in all, since the start). */
void load_until_ready(size_t wanted);
size_t load_ready_count(void);

int64_t load_now_ns(void);
double load_cpu_s(void); /* of args.pid, all its threads, user and system */
long load_rss_kb(void);  /* of args.pid */

/* Prints `what` and errno's words, and exits 1. */
_Noreturn void load_die(const char *what);

#endif
