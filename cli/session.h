// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A bundle, connected: the device library (lib/) over the POSIX port, with the memory that a person
 * wants. `elo device` shares what reads a bundle, and has an ESP8266's memory.
 */
#ifndef ELO_CLI_SESSION_H
#define ELO_CLI_SESSION_H

#include "cli/bundle.h"
#include "elo/client/mqtt5.h"
#include "ports/posix/link.h"

enum {
    SESSION_FRAGMENT = 4096,
    SESSION_RX = 160 * 1024,
    SESSION_OUTBOX = 256 * 1024,
    SESSION_SUBS = 8,
    SESSION_ALIASES = 8, /* as many as AWS IoT takes */
    SESSION_ALIAS_SLOT = 66
};

struct session_options {
    const char *client_id; /* NULL: the bundle's */
    bool persistent;
    bool mqtt5; /* else 3.1.1 */
};

/* Who we are and whom we trust, out of a bundle. */
struct credentials {
    struct elo_tls_identity identity;
    struct elo_tls_anchors anchors;
    br_x509_trust_anchor roots[4];
    struct elo_tls_work work;
    uint8_t identity_mem[ELO_TLS_IDENTITY_BYTES * 2];
    uint8_t anchor_mem[ELO_TLS_ANCHOR_BYTES_MAX * 4];
};

/* An exit code, said. */
int credentials_read(struct credentials *c, const struct bundle *bundle);
void credentials_wipe(struct credentials *c);

/* MQTT 5, with memory for as many aliases as AWS IoT takes. */
struct speaking_5 {
    struct elo_client_mqtt5 mqtt5;
    uint8_t aliases_out[SESSION_ALIASES * SESSION_ALIAS_SLOT];
    uint8_t aliases_in[SESSION_ALIASES * SESSION_ALIAS_SLOT];
};
void speaking_5_init(struct speaking_5 *five);

/* What the server said of its reasons (MQTT 5): "reason 0x87", with its Reason String; empty if the
 * event has none. */
#define SAID_SIZE 160
void server_said(const struct elo_client_event *e, char said[SAID_SIZE]);

struct session {
    struct posix_link link;
    struct credentials who;
    struct elo_client_sub subs[SESSION_SUBS];
    uint8_t tls_in[ELO_TLS_INPUT_BYTES(SESSION_FRAGMENT)];
    uint8_t tls_out[ELO_TLS_OUTPUT_BYTES(SESSION_FRAGMENT)];
    uint8_t tx[1024];
    uint8_t rx[SESSION_RX];
    uint8_t outbox[SESSION_OUTBOX];
    char client_id[130];
    bool speaks_5;
    struct speaking_5 five;
    char said[SAID_SIZE]; /* see session_heard() */
};

/*
 * Reads the identity and starts connecting. `s` is large: make it static. The bundle must outlive
 * the session. An exit code, said.
 */
int session_open(struct session *s,
                 const struct bundle *bundle,
                 const struct session_options *options);
void session_close(struct session *s);

/* Keeps what the server said of its reasons (MQTT 5), for session_complain(): "reason 0x87", with
 * its Reason String. Give it each event that has some; `said` is empty if there was none. */
void session_heard(struct session *s, const struct elo_client_event *e);

/* A failed connection in words: the reason and what the link knows beyond it. Its exit code. */
int session_complain(const struct session *s, const struct bundle *bundle, elo_err reason);

/* Says goodbye and waits until the outbox is empty, at most `ms`. true: everything is delivered. */
bool session_finish(struct session *s, int ms);

#endif
