// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Every limit of the server in one place. AWS's quotas are AWS's ("AWS IoT Core endpoints and
 * quotas", AWS General Reference); the others bound what outsiders can make us hold.
 *
 * The constants are fixed: what can exist at all (a topic's length, a payload's), and our own caps
 * on memory. The table LIMIT_LIST is what a start can change:
 *
 *     elo serve --limits off                        only the hard caps
 *     elo serve --limit publishes-in-per-second=20  one of them; `--limit list` lists all
 */
#ifndef ELO_SERVER_BASE_LIMITS_H
#define ELO_SERVER_BASE_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "elo/base/err.h"

/* AWS quotas: message broker */
#define LIMIT_CLIENT_ID_BYTES          128u
#define LIMIT_PAYLOAD_BYTES            131072u                             /* 128 KB */
#define LIMIT_PACKET_BYTES             (LIMIT_PAYLOAD_BYTES + 18u * 1024u) /* 146 KB */
#define LIMIT_TOPIC_BYTES              256u
#define LIMIT_TOPIC_SLASHES            7u
#define LIMIT_FILTERS_PER_SUBSCRIBE    8u
#define LIMIT_SUBSCRIPTIONS_PER_CLIENT 50u
#define LIMIT_INFLIGHT                 100u /* unacknowledged QoS 1, each way */
#define LIMIT_KEEP_ALIVE_MIN_S         30u
#define LIMIT_KEEP_ALIVE_MAX_S         1200u
#define LIMIT_REDELIVERY_MS            30000
#define LIMIT_TOPIC_ALIASES            8u
#define LIMIT_MESSAGE_EXPIRY_S         604800u
#define LIMIT_USER_PROPERTY_BYTES      8192u   /* of one packet, names and values together */
#define LIMIT_SESSION_EXPIRY_MS        3600000 /* a disconnected persistent session lives 1 h */
#define LIMIT_SUBSCRIPTIONS_MAX        250u    /* with --limits off */

/* AWS quotas: identity and registry */
#define LIMIT_POLICY_CHARS             2048u /* white space not counted */
#define LIMIT_POLICY_VERSIONS          5u
#define LIMIT_POLICIES_PER_CERTIFICATE 10u
#define LIMIT_NAME_BYTES               128u
#define LIMIT_POLICIES_PER_GROUP       2u
#define LIMIT_ATTRIBUTES_WITHOUT_TYPE  3u
#define LIMIT_ATTRIBUTES               50u /* of a thing with a type, of a group */
#define LIMIT_SEARCHABLE_ATTRIBUTES    3u
#define LIMIT_DESCRIPTION_CHARS        2028u
#define LIMIT_GROUPS_PER_THING         10u
#define LIMIT_GROUP_DEPTH              7u
#define LIMIT_GROUP_CHILDREN           100u
#define LIMIT_CAS_PER_SUBJECT          10u
#define LIMIT_TEMPLATE_BYTES           10240u
#define LIMIT_TEMPLATE_NAME_BYTES      36u
#define LIMIT_TEMPLATE_VERSIONS        5u
#define LIMIT_ROLE_ARN_BYTES           2048u
#define LIMIT_ATTRIBUTE_NAME_BYTES     128u
#define LIMIT_ATTRIBUTE_VALUE_BYTES    800u

/* AWS API */
#define LIMIT_PAGE_MAX           250u
#define LIMIT_PAGE_DEFAULT       50u
#define LIMIT_RESOURCE_BYTES     2048u /* of TestAuthorization */
#define LIMIT_HTTP_HEADER_BYTES  16384u
#define LIMIT_HTTP_HEADERS       64u
#define LIMIT_HTTP_BODY_BYTES    524288u
#define LIMIT_SIGV4_SKEW_S       900 /* 15 minutes */
#define LIMIT_SIGV4_QUERY_SKEW_S 300
#define LIMIT_SIGV4_EXPIRES_S    604800

/* Our own */
#define LIMIT_OUTPUT_BYTES      (4u * 1024u * 1024u)   /* unsent bytes a slow consumer may hold */
#define LIMIT_OUTPUT_ALL_BYTES  (256u * 1024u * 1024u) /* memory of all unsent output */
#define LIMIT_QUEUED_MESSAGES   10000u /* QoS 1 messages an offline session may hold */
#define LIMIT_QUEUED_BYTES      (16u * 1024u * 1024u)
#define LIMIT_RETAINED_MESSAGES 50000u
#define LIMIT_CONNECTIONS       20000u
#define LIMIT_CONNECT_WAIT_MS   10000 /* TLS done to CONNECT complete */
#define LIMIT_HANDSHAKE_WAIT_MS 10000
#define LIMIT_HANDSHAKES        4096u /* not yet done: beyond, the newest are refused */
#define LIMIT_HANDSHAKES_PER_IP 2048u
#define LIMIT_IO_THREADS        64u
#define LIMIT_HTTP_IDLE_MS      60000 /* a request begins and is complete within this */
#define LIMIT_LAST_WORDS_MS     10000 /* what is to be sent before a close is taken within this */
#define LIMIT_LINGER_MS         2000  /* after our end, until the other side's */
#define LIMIT_TRANSPORTS        (LIMIT_CONNECTIONS + 1000u) /* sockets of every kind */
#define LIMIT_HTTP_REPLY_BYTES  (4u * 1024u * 1024u)
#define LIMIT_PEM_BYTES         65536u

/* Other transports than MQTT over TLS */
#define LIMIT_WEBSOCKET_FRAME_BYTES (1024u * 1024u)
#define LIMIT_CUSTOM_CALLS          256u /* of authorizers' functions, at one time */
#define LIMIT_CUSTOM_CALL_MS        5000 /* AWS: a Lambda function's time */
#define LIMIT_CUSTOM_ANSWER_BYTES   131072u
#define LIMIT_WEBSOCKET_LIFE_MS     86400000 /* AWS: 24 h */

/* --- what a start can change -------------------------------------------------------------------
 */

#define LIMIT_NONE 0u /* of a rate: as fast as it goes */

/*
 * X(field, "name", AWS's value, value with --limits off, smallest, largest, "what it is about").
 * Names that end in -per-second are throttles: LIMIT_NONE ("none") switches one off.
 */
#define LIMIT_LIST(X)                                                                              \
    X(publishes_in, "publishes-in-per-second", 100, 0, 0, 1000000,                                 \
      "PUBLISH packets taken from one connection; more are thrown away")                           \
    X(publishes_out, "publishes-out-per-second", 100, 0, 0, 1000000,                               \
      "PUBLISH packets sent on one connection; QoS 1 of a persistent session waits, others are "   \
      "dropped")                                                                                   \
    X(bytes_in, "bytes-in-per-second", 524288, 0, 0, 1000000000,                                   \
      "bytes read from one connection; more wait to be read")                                      \
    X(bytes_out, "bytes-out-per-second", 524288, 0, 0, 1000000000,                                 \
      "bytes sent on one connection; more wait to be sent")                                        \
    X(stored_out, "stored-messages-per-second", 10, 0, 0, 1000000,                                 \
      "messages stored while a client was away, sent when it is back")                             \
    X(shared_out, "shared-messages-per-second", 20, 0, 0, 1000000,                                 \
      "messages stored for a shared subscription, sent to each of its members")                    \
    X(connects, "connects-per-second-per-client", 1, 0, 0, 1000000,                                \
      "CONNECT packets with one client id; more are refused")                                      \
    X(account_connects, "account-connects-per-second", 500, 0, 0, 1000000,                         \
      "CONNECT packets of all clients; more are refused")                                          \
    X(account_publishes_in, "account-publishes-in-per-second", 20000, 0, 0, 1000000,               \
      "PUBLISH packets of all clients; more are thrown away")                                      \
    X(account_publishes_out, "account-publishes-out-per-second", 20000, 0, 0, 1000000,             \
      "PUBLISH packets to all clients; treated as publishes-out-per-second")                       \
    X(account_subscribes, "account-subscribes-per-second", 500, 0, 0, 1000000,                     \
      "SUBSCRIBE packets of all clients; the filters of more are refused")                         \
    X(account_queued, "account-queued-per-second", 500, 0, 0, 1000000,                             \
      "messages stored for clients that are away; more are dropped")                               \
    X(connections, "connections", LIMIT_CONNECTIONS, LIMIT_CONNECTIONS, 1, LIMIT_CONNECTIONS,      \
      "connections at one time (AWS: 500,000)")                                                    \
    X(sockets, "sockets", LIMIT_TRANSPORTS, LIMIT_TRANSPORTS, 1, LIMIT_TRANSPORTS,                 \
      "connections of every kind, MQTT and HTTP, those that are no more than begun, too")          \
    X(handshakes, "handshakes", LIMIT_HANDSHAKES, LIMIT_HANDSHAKES, 1, LIMIT_HANDSHAKES,           \
      "TLS handshakes that are not done; beyond, the newest are refused")                          \
    X(handshakes_per_ip, "handshakes-per-address", LIMIT_HANDSHAKES_PER_IP,                        \
      LIMIT_HANDSHAKES_PER_IP, 1, LIMIT_HANDSHAKES, "likewise, of one address")                    \
    X(subscriptions, "subscriptions", 500000, 1000000, 1, 1000000, "subscriptions of all clients") \
    X(subscriptions_per_client, "subscriptions-per-client", LIMIT_SUBSCRIPTIONS_PER_CLIENT,        \
      LIMIT_SUBSCRIPTIONS_MAX, 1, LIMIT_SUBSCRIPTIONS_MAX, "subscriptions of one client")          \
    X(retained, "retained-messages", 5000, LIMIT_RETAINED_MESSAGES, 1, LIMIT_RETAINED_MESSAGES,    \
      "retained messages kept; a new one more is thrown away")                                     \
    X(queued_messages, "queued-messages", LIMIT_QUEUED_MESSAGES, 1000000, 1, 1000000,              \
      "messages that wait for one client, or one shared subscription; newer ones are dropped")     \
    X(stored_mb, "stored-megabytes", 512, 2048, 1, 65536,                                          \
      "of messages that wait for all clients together; newer ones are dropped")                    \
    X(keep_alive_min_s, "keep-alive-min-seconds", LIMIT_KEEP_ALIVE_MIN_S, 1, 1, 65535,             \
      "the shortest keep-alive; a shorter one is made this")                                       \
    X(keep_alive_max_s, "keep-alive-max-seconds", LIMIT_KEEP_ALIVE_MAX_S, 65535, 1, 65535,         \
      "the longest keep-alive; a longer one, or none, is made this")                               \
    X(session_expiry_s, "session-expiry-seconds", LIMIT_SESSION_EXPIRY_MS / 1000, 604800, 1,       \
      604800, "how long a persistent session lives without its client, at most")

struct limits {
#define LIMIT_FIELD(field, name, aws, off, least, most, about) uint32_t field;
    LIMIT_LIST(LIMIT_FIELD)
#undef LIMIT_FIELD
};

void limits_aws(struct limits *limits);
void limits_off(struct limits *limits);

/* AWS's quotas, but nothing per second: for tests of anything else. */
void limits_unthrottled(struct limits *limits);

/*
 * Sets one limit from "name=value"; value is a number, "none" (throttles only) or "aws". The name
 * "throttles" stands for all that are per second, with the values "none" and "aws".
 * ELO_E_NOT_FOUND: no such limit; ELO_E_USAGE: no such value.
 */
ELO_MUST_USE elo_err limits_set(struct limits *limits, const char *assignment);

/* A row for listings. */
struct limit_row {
    const char *name, *about;
    uint32_t aws, off, least, most;
    bool throttle; /* 0 is "none" */
};

bool limits_at(unsigned i, struct limit_row *out); /* false past the end */

#endif
