// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Every limit of the server in one place. AWS's quotas are AWS's ("AWS IoT Core endpoints and
 * quotas", AWS General Reference); the others bound what outsiders can make us hold.
 */
#ifndef ELO_SERVER_BASE_LIMITS_H
#define ELO_SERVER_BASE_LIMITS_H

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
#define LIMIT_SESSION_EXPIRY_MS        3600000 /* a disconnected persistent session lives 1 h */

/* AWS quotas: identity and registry */
#define LIMIT_POLICY_CHARS             2048u /* white space not counted */
#define LIMIT_POLICY_VERSIONS          5u
#define LIMIT_POLICIES_PER_CERTIFICATE 10u
#define LIMIT_NAME_BYTES               128u
#define LIMIT_ATTRIBUTES_WITHOUT_TYPE  3u
#define LIMIT_ATTRIBUTE_NAME_BYTES     128u
#define LIMIT_ATTRIBUTE_VALUE_BYTES    800u

/* AWS API */
#define LIMIT_PAGE_MAX           250u
#define LIMIT_PAGE_DEFAULT       50u
#define LIMIT_HTTP_HEADER_BYTES  16384u
#define LIMIT_HTTP_HEADERS       64u
#define LIMIT_HTTP_BODY_BYTES    524288u
#define LIMIT_SIGV4_SKEW_S       900 /* 15 minutes */
#define LIMIT_SIGV4_QUERY_SKEW_S 300
#define LIMIT_SIGV4_EXPIRES_S    604800

/* Our own */
#define LIMIT_OUTPUT_BYTES      (4u * 1024u * 1024u) /* unsent bytes a slow consumer may hold */
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

#endif
