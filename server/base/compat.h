// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What is not known for certain about AWS IoT Core, as named switches. The default is the
 * likeliest behaviour; docs/COMPAT.md tells the evidence and the test that pins each.
 *
 *     elo serve --compat unregistered-certificate=alert
 */
#ifndef ELO_SERVER_BASE_COMPAT_H
#define ELO_SERVER_BASE_COMPAT_H

#include <stdbool.h>

#include "elo/base/err.h"

/* X(field, "name", "value0" (default), "value1", "what it is about") */
#define COMPAT_LIST(X)                                                                             \
    X(unregistered_certificate, "unregistered-certificate", "close-after-connect", "alert",        \
      "an unknown or inactive client certificate: finish the handshake and close after CONNECT, "  \
      "or refuse in the handshake")                                                                \
    X(expired_certificate, "expired-certificate", "refuse", "allow",                               \
      "a registered client certificate outside its validity dates")                                \
    X(subscribe_denied, "subscribe-denied", "close", "suback-80",                                  \
      "an MQTT 3.1.1 SUBSCRIBE that the policy does not allow")                                    \
    X(too_many_subscriptions, "too-many-subscriptions", "suback-80", "close",                      \
      "the 51st subscription of an MQTT 3.1.1 client")                                             \
    X(too_many_filters, "too-many-filters", "close", "ignore",                                     \
      "a SUBSCRIBE or UNSUBSCRIBE with more than 8 filters: close, or never answer it")            \
    X(qos2_publish, "qos2-publish", "ignore", "close", "an MQTT 3.1.1 PUBLISH with QoS 2")         \
    X(missing_sni, "missing-sni", "allow", "refuse", "a TLS ClientHello without server_name")      \
    X(unknown_sni, "unknown-sni", "allow", "refuse",                                               \
      "a TLS ClientHello with a server_name that is not in the server's certificate")              \
    X(empty_id_persistent, "empty-client-id-persistent", "connack-2", "generate",                  \
      "an empty client id with clean session 0 on MQTT 3.1.1")                                     \
    X(packet_before_connack, "packet-before-connack", "close", "take",                             \
      "a packet that comes before the CONNACK has left")                                           \
    X(unknown_version, "unknown-version", "connack-1", "close",                                    \
      "a CONNECT of MQTT 3.1, or of another version that is not spoken here")                      \
    X(empty_username, "empty-username", "ignore", "refuse",                                        \
      "a CONNECT with user name and password that are both empty")                                 \
    X(qos2_subscribe, "qos2-subscribe", "close", "ignore",                                         \
      "an MQTT 3.1.1 SUBSCRIBE that asks for QoS 2: close, or never answer it")                    \
    X(retain_on_reserved, "retain-on-reserved", "close", "not-kept",                               \
      "RETAIN on a topic that starts with $: close, or deliver it and keep nothing")               \
    X(qos0_denied, "v5-qos0-denied", "disconnect", "ignore",                                       \
      "an MQTT 5 PUBLISH with QoS 0 that the policy does not allow")                               \
    X(auth_method, "v5-auth-method", "connack-8c", "connack-87",                                   \
      "an MQTT 5 CONNECT with an Authentication Method")                                           \
    X(connack_defaults, "v5-connack-defaults", "say", "omit",                                      \
      "properties of an MQTT 5 CONNACK that say what their absence says")                          \
    X(connack_maximum_packet, "v5-connack-maximum-packet", "149504", "131072",                     \
      "the Maximum Packet Size in an MQTT 5 CONNACK")                                              \
    X(connect_throttled, "v5-connect-throttled", "connack-97", "close",                            \
      "an MQTT 5 CONNECT that comes sooner than a client id, or the account, may connect again")   \
    X(reason_strings, "v5-reason-strings", "say", "omit",                                          \
      "reason strings of MQTT 5, whose texts are not AWS's")                                       \
    X(subscription_options, "v5-subscription-options", "standard", "ignore",                       \
      "No Local, Retain As Published and Retain Handling of MQTT 5")                               \
    X(unsuback_unknown, "v5-unsuback-unknown", "success", "no-subscription",                       \
      "the reason code for a filter of an UNSUBSCRIBE that was not subscribed")                    \
    X(will_delay, "v5-will-delay", "ignore", "honour", "the Will Delay Interval of MQTT 5")        \
    X(overlapping_subscriptions, "overlapping-subscriptions", "one-copy", "copy-each",             \
      "a message that matches several subscriptions of one client")                                \
    X(lifecycle_event_qos, "lifecycle-event-qos", "1", "0",                                        \
      "the QoS that $aws/events/presence and $aws/events/subscriptions are published with")        \
    X(reattach_principal, "reattach-principal", "update", "keep",                                  \
      "AttachThingPrincipal of what is attached already: the thingPrincipalType given, or the "    \
      "one it has")                                                                                \
    X(provision_existing, "provision-existing", "keep", "fail",                                    \
      "a template whose thing exists already and is another, without OverrideSettings")            \
    X(thing_type_delete, "thing-type-delete", "at-once", "after-5-minutes",                        \
      "DeleteThingType of a type that was deprecated less than five minutes ago")                  \
    X(websocket_split_packet, "websocket-split-packet", "take", "close",                           \
      "an MQTT packet that is split over several WebSocket messages")                              \
    X(websocket_subprotocol, "websocket-subprotocol", "not-needed", "needed",                      \
      "a WebSocket upgrade that offers no subprotocol")                                            \
    X(websocket_credentials, "websocket-credentials-in-connect", "with-alpn", "refuse",            \
      "a WebSocket upgrade without credentials, whose CONNECT may have a custom authorizer's: "    \
      "let "                                                                                       \
      "in if there is an authorizer and the client sent SNI and ALPN")                             \
    X(http_denied, "http-denied", "403", "401",                                                    \
      "the status of an HTTPS request that the device's policies do not allow")                    \
    X(presigned_expires, "presigned-expires", "widens", "ignored",                                 \
      "X-Amz-Expires in the signed query of a WebSocket upgrade: good for as long, or for the 5 "  \
      "minutes that all signatures are good for")                                                  \
    X(presigned_time, "presigned-time", "checked", "off",                                          \
      "the time of a signed query: off is not AWS's way, but lets in boards without a clock")      \
    X(describe_endpoint_data, "describe-endpoint-data", "refuse", "answer",                        \
      "DescribeEndpoint of iot:Data, also when no type is given, and of iot:Jobs")

struct compat {
#define COMPAT_FIELD(field, name, v0, v1, about) unsigned char field; /* 0: default, 1: other */
    COMPAT_LIST(COMPAT_FIELD)
#undef COMPAT_FIELD
};

/* Sets one switch from "name=value". ELO_E_NOT_FOUND: no such switch; ELO_E_USAGE: no such value.
 */
ELO_MUST_USE elo_err compat_set(struct compat *compat, const char *assignment);

/* The i-th switch for listings; false past the end. */
bool compat_at(unsigned i,
               const char **out_name,
               const char **out_default,
               const char **out_other,
               const char **out_about);

#endif
