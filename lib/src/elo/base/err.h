// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The one list of results for firmware, server, command line and dashboard.
 *
 * Three kinds, never mixed:
 *   a bug in the caller     ELO_ASSERT, no code
 *   not yet                 positive (ELO_NEED_MORE): come back with more input or room
 *   a failure               negative: a reason with a cause and a cure
 *
 * Only numbers live here and so in a device image. The texts - one sentence of cause, one of cure,
 * and the slug a person can search for ("E-CLOCK") - are in errors/errors.def, read by everything
 * that has room for them. tests/unit/test_errors.c keeps the two lists in step.
 *
 * Numbers never change meaning once released: they travel in device logs.
 */
#ifndef ELO_BASE_ERR_H
#define ELO_BASE_ERR_H

#if defined(__GNUC__)
#define ELO_MUST_USE __attribute__((warn_unused_result))
#else
#define ELO_MUST_USE
#endif

typedef enum elo_err {
    ELO_OK = 0,
    ELO_NEED_MORE = 1, /* the input ends before the item does: call again with more */
    ELO_NEED_ROOM = 2, /* the output buffer is full for now: drain it and call again */
    ELO_END = 3,       /* nothing more to read */

    /* Data that breaks a rule. */
    ELO_E_MALFORMED = -1,    /* bytes that no reading of the format allows */
    ELO_E_PROTOCOL = -2,     /* well-formed, but not allowed here and now */
    ELO_E_TOO_LARGE = -3,    /* larger than a limit: packet, topic, document */
    ELO_E_UTF8 = -4,         /* a string that is not UTF-8, or has U+0000 */
    ELO_E_TOPIC = -5,        /* a topic name or filter that breaks the rules */
    ELO_E_DEPTH = -6,        /* JSON nested deeper than the reader's limit */
    ELO_E_NO_SPACE = -7,     /* the caller's buffer or table is too small for good */
    ELO_E_DUPLICATE = -8,    /* a key or name that is there already */
    ELO_E_NOT_FOUND = -9,    /* no such item */
    ELO_E_UNSUPPORTED = -10, /* valid, but AWS IoT (and so Elo) does not do it: QoS 2 ... */

    /* Reaching the other side. */
    ELO_E_DNS = -20,         /* the endpoint's name has no address */
    ELO_E_TCP_REFUSED = -21, /* nobody listens on that port */
    ELO_E_TCP_TIMEOUT = -22, /* no answer: a firewall, a blocked port, a wrong address */
    ELO_E_TCP_CLOSED = -23,  /* the peer closed or reset the connection */
    ELO_E_NETWORK = -24,     /* no route, interface down */

    /* TLS. */
    ELO_E_CLOCK = -30, /* our clock is outside the server certificate's validity: not set? */
    ELO_E_SERVER_EXPIRED =
        -31,                   /* the server's certificate has expired, and our clock looks right */
    ELO_E_ROOT = -32,          /* the server's chain ends at no root we trust */
    ELO_E_SERVER_NAME = -33,   /* the certificate is for another name than the endpoint */
    ELO_E_KEYPAIR = -34,       /* private key and certificate do not belong together */
    ELO_E_TLS_ALERT = -35,     /* the server ended the handshake with an alert */
    ELO_E_TLS_HANDSHAKE = -36, /* the handshake failed on our side */
    ELO_E_TLS_RECORD = -37,    /* a record larger than our buffer (fragment length not honoured) */
    ELO_E_TLS_CERT_REFUSED = -38, /* the server's alert says our certificate is unwelcome */
    ELO_E_ALPN = -39,             /* the server chose none of our application protocols */
    ELO_E_BAD_PEM = -40,          /* a certificate or key file that cannot be read */
    ELO_E_ENTROPY = -41,          /* no random bytes */

    /* MQTT, as the device sees it. */
    ELO_E_CONNACK_VERSION = -50,  /* CONNACK 1: protocol version refused */
    ELO_E_CONNACK_CLIENTID = -51, /* CONNACK 2: client id refused */
    ELO_E_CONNACK_SERVER = -52,   /* CONNACK 3: server unavailable */
    ELO_E_CONNACK_PASSWORD = -53, /* CONNACK 4: bad user name or password */
    ELO_E_CONNACK_AUTH = -54,     /* CONNACK 5: not authorized */
    ELO_E_CONNACK_TIMEOUT = -55,  /* no CONNACK in time */
    ELO_E_CLOSED_AFTER_CONNECT =
        -56, /* closed instead of CONNACK: policy, client id, certificate */
    ELO_E_CLOSED_AFTER_PUBLISH = -57, /* closed right after we published: policy on the topic? */
    ELO_E_CLOSED_AFTER_SUBSCRIBE =
        -58,                    /* closed right after we subscribed: policy on the filter? */
    ELO_E_PING_TIMEOUT = -59,   /* no PINGRESP */
    ELO_E_SUBACK_REFUSED = -60, /* SUBACK 0x80 for a filter */
    ELO_E_CLIENTID_TAKEN = -61, /* closed again and again soon after connecting: a twin */
    ELO_E_ACK_TIMEOUT = -62,    /* a PUBACK or SUBACK never came */
    ELO_E_PUBACK_REFUSED = -63, /* a PUBACK whose reason code refuses the message (MQTT 5) */
    ELO_E_SERVER_GONE = -64, /* a DISCONNECT: the server shuts down, is busy, has moved (MQTT 5) */
    ELO_E_SERVER_REFUSED = -65, /* a CONNACK or DISCONNECT of another reason code (MQTT 5) */

    /* The outbox. */
    ELO_E_OUTBOX_FULL = -70,   /* dropped: the outbox is full and the policy keeps the older */
    ELO_E_OUTBOX_OLD = -71,    /* dropped: displaced by a newer message */
    ELO_E_NOT_CONNECTED = -72, /* QoS 0 while offline, or a call that needs a connection */

    /* The desk server's own knowledge: what AWS hides behind a closed connection. */
    ELO_E_CERT_UNKNOWN = -80,   /* this certificate is not registered */
    ELO_E_CERT_INACTIVE = -81,  /* registered, but not ACTIVE */
    ELO_E_CERT_REVOKED = -82,   /* registered and REVOKED */
    ELO_E_CERT_EXPIRED = -83,   /* the client certificate's dates are over or not yet begun */
    ELO_E_CERT_MISSING = -84,   /* the client sent no certificate */
    ELO_E_NO_POLICY = -85,      /* no policy is attached to the certificate */
    ELO_E_POLICY_CONNECT = -86, /* iot:Connect is not allowed for this client id */
    ELO_E_POLICY_PUBLISH = -87, /* iot:Publish (or iot:RetainPublish) is not allowed on the topic */
    ELO_E_POLICY_SUBSCRIBE = -88, /* iot:Subscribe is not allowed on the filter */
    ELO_E_POLICY_RECEIVE = -89,   /* iot:Receive is not allowed on the topic */
    ELO_E_TAKEN_OVER = -90,       /* another connection came with the same client id */
    ELO_E_KEEP_ALIVE = -91,       /* silent for one and a half keep-alive times */
    ELO_E_QUOTA = -92,            /* an AWS IoT quota: filters per SUBSCRIBE, subscriptions ... */
    ELO_E_SLOW_CONSUMER = -93,    /* the client reads too slowly for what it subscribed to */
    ELO_E_THROTTLED = -94,        /* more of something in one second than AWS IoT takes */
    ELO_E_LIFETIME = -95,         /* a connection as old as its kind may become */
    ELO_E_AUTHORIZER = -96,       /* a custom authorizer does not let the client in */
    ELO_E_LAMBDA = -97,           /* a custom authorizer's function gave no usable answer */

    /* The machine. */
    ELO_E_IO = -100, /* a file or socket call failed: errno tells */
    ELO_E_NO_MEMORY = -101,
    ELO_E_PORT_IN_USE = -102,
    ELO_E_PERMISSION = -103,
    ELO_E_DISK_FULL = -104,
    ELO_E_CORRUPT = -105,     /* the database or a key file is damaged */
    ELO_E_CA_EXPIRED = -106,  /* the desk's own CA certificate has expired */
    ELO_E_CREDENTIALS = -107, /* no or unreadable AWS credentials */
    ELO_E_SIGNATURE = -108,   /* SigV4: the signature does not match */
    ELO_E_USAGE = -109,       /* a command line that cannot be understood */
    ELO_E_REQUEST = -110,     /* an API request whose parameters are not valid */
    ELO_E_CONFLICT = -111,    /* an API request that the resource's state does not allow now */
    ELO_E_OVERLOAD = -112,    /* more unfinished work than the server takes on */

    /* Sensors. */
    ELO_E_SENSOR_MISSING = -120,  /* no answer from a sensor */
    ELO_E_SENSOR_FRAME = -121,    /* an answer that is cut short or disturbed */
    ELO_E_SENSOR_CHECKSUM = -122, /* an answer whose checksum is wrong */
    ELO_E_SENSOR_RANGE = -123,    /* a value that the sensor cannot measure */
    ELO_E_SENSOR_KIND = -124,     /* something answers, but it is another chip */
    ELO_E_SENSOR_POWER = -125,    /* the sensor lost its power while it measured */
    ELO_E_SENSOR_BUS = -126,      /* the line never goes high, or the bus is blocked */

    /* Time servers. */
    ELO_E_TIME_KISS = -130,        /* the server asks us to stop, or to ask less (kiss-o'-death) */
    ELO_E_TIME_UNSYNCED = -131,    /* the server does not know the time itself */
    ELO_E_TIME_NOT_OURS = -132,    /* not the answer to our question: late, or forged */
    ELO_E_TIME_IMPLAUSIBLE = -133, /* a time that cannot be, by what we know */
    ELO_E_TIME_TIMEOUT = -134,     /* no time server answered */

    /* Setting up a board. */
    ELO_E_WIFI_PASSPHRASE = -140, /* the access point does not take the passphrase */
    ELO_E_WIFI_NOT_FOUND = -141,  /* no network of that name is heard */
    ELO_E_WIFI_DHCP = -142,       /* joined, but no address came */
    ELO_E_WIFI_LOST = -143,       /* the access point refused or dropped us */
    ELO_E_SERIAL = -144,          /* no board answers on the serial line */
    ELO_E_SETTING = -145,         /* a setting that is not valid */
    ELO_E_BUNDLE = -146           /* a bundle that lacks a part or has one that fits nowhere */
} elo_err;

#endif
