// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A whole world in one process: devices (the real client engine), the real server core over a real
 * registry, and between them a network that delays, splits, stalls and cuts. Time is a number. All
 * that happens follows from one 64-bit seed, so every failure can be had again.
 *
 *     world_house   the registry, made once for many runs
 *     world         one run: a stretch of trouble, then the network heals, and everything has to
 *                   come to rest; then the devices say goodbye
 *
 * A run is judged while it goes on, by world_model.c: a second, simple broker that hears what the
 * real one hears and says what must come of it. What the real one routes is seen by a witness, a
 * subscriber inside the server room whose line never fails.
 *
 *     world.c         time, dice, the run               world_net.c     links and their troubles
 *     world_device.c  engines and their applications    world_desk.c    the server's side, witness
 *     world_model.c   the judge                         world_house.c   registry, who may do what
 *
 * What these call in each other is in world_parts.h.
 *
 * A run that breaks a rule stops there, and `failure` says which, when and to whom. Nothing here
 * asserts by cmocka: the test decides.
 */
#ifndef TESTS_SUPPORT_WORLD_H
#define TESTS_SUPPORT_WORLD_H

#include "elo/client/client.h"
#include "elo/client/mqtt5.h"
#include "server/broker/broker.h"

#define WORLD_NEVER    INT64_MAX
#define WORLD_DEVICES  6u
#define WORLD_LINKS    40u
#define WORLD_MESSAGES 700u
#define WORLD_DUES     900u
#define WORLD_FILTERS  6u
#define WORLD_TOPIC    32u
#define WORLD_PIPE     2048u
#define WORLD_TAP      4096u
#define WORLD_PAYLOAD  1200u

/* --- who there is (world_house.c) --------------------------------------------------------------
 */

/* The clients. Each has a thing and a certificate of its own. */
enum world_client {
    WORLD_PUMP_1, /* pumps tell data, and hear each other's and their commands */
    WORLD_PUMP_2,
    WORLD_PUMP_3,
    WORLD_PUMP_4,
    WORLD_STATION, /* commands the pumps, watches them */
    WORLD_MALLORY, /* breaks a rule */
    WORLD_CLIENTS
};

/* Whose certificate a connection shows. */
enum world_certificate {
    /* first those of the clients */
    WORLD_BARE = WORLD_CLIENTS, /* has no policy */
    WORLD_INACTIVE,
    WORLD_STRANGER, /* is not registered */
    WORLD_WITNESS,
    WORLD_CERTIFICATES
};

struct world_house {
    char folder[128];
    struct store *store;
    struct registry *registry;
    struct authorizer *auth;
    uint64_t seed;
    char ids[WORLD_CERTIFICATES][65];
};

/* Ends the program if that cannot be done. */
void world_house_open(struct world_house *h, const char *parent);
void world_house_close(struct world_house *h);
void world_house_set_status(struct world_house *h, unsigned certificate, bool active);

const char *world_name(unsigned client);

/*
 * The rules once more, written by hand instead of as policy documents: what a certificate may do.
 */
bool world_may_connect(unsigned certificate, elo_span client_id);
bool world_may_publish(unsigned certificate, elo_span topic, bool retain);
bool world_may_subscribe(unsigned certificate, elo_span filter);
bool world_may_receive(unsigned certificate, elo_span topic);

/* Does the filter match? Plain, for the few filters used here. */
bool world_matches(elo_span filter, elo_span topic);

/* --- links (world_net.c) -----------------------------------------------------------------------
 */

struct world_pipe {
    uint8_t bytes[WORLD_PIPE];
    size_t len;
    size_t cap;
    int64_t ready_at;  /* when the reader can take the next piece */
    int64_t dies_at;   /* from then on nothing comes out */
    uint64_t carried;  /* bytes that came out */
    uint64_t break_at; /* after so many the line breaks */
    bool fin;          /* the writer has closed: the end follows the bytes */
};

/* A stream cut into packets. */
struct world_tap {
    uint8_t bytes[WORLD_TAP];
    size_t len;
};

/* What the model thinks of a connection. */
struct world_standing {
    bool accepted; /* a CONNECT was good */
    bool present;  /* CONNACK's session present */
    bool ended;    /* the broker wants to close it */
    bool refused;  /* its certificate was no good when it came */
    unsigned client;
    int64_t heard_ms;
    int64_t patience_ms;
};

struct world_link {
    bool used;
    bool device_side; /* open, or being opened, as the device sees it */
    bool server_side; /* likewise the server */
    bool broken;
    unsigned serial;
    unsigned certificate;
    struct world_device *device;
    struct broker_conn *conn;
    int64_t accept_at; /* by the edge; then, when it comes back from its worker */
    int64_t open_at;
    bool shaking;     /* a worker has it: the core knows nothing of it yet */
    bool shake_fails; /* and never will */
    elo_err open_err;
    int64_t break_at;
    int64_t stall_at; /* nothing moves from then on for stall_ms */
    int64_t stall_ms;
    int64_t stalled_until;
    int64_t device_told_at; /* of the break */
    int64_t server_told_at;
    int64_t linger_until; /* the server waits with closing until its output is out */
    size_t piece;         /* the largest piece that comes out at a time */
    int64_t delay_ms;     /* the longest */
    struct world_pipe up; /* device to server */
    struct world_pipe down;
    struct world_tap sent;  /* by the device */
    struct world_tap heard; /* by the broker */
    struct world_standing is;
};

/* --- devices (world_device.c) ------------------------------------------------------------------
 */

enum world_crime {
    CRIME_NONE,
    CRIME_CLIENT_ID, /* connects as another thing */
    CRIME_PUBLISH,   /* publishes to another's topic */
    CRIME_RETAIN,    /* retains where it may only publish */
    CRIME_SUBSCRIBE, /* subscribes to another's commands */
    CRIME_WILL,      /* has a will on another's topic */
    CRIME_BARE,      /* certificate without a policy */
    CRIME_INACTIVE,  /* certificate not active */
    CRIME_STRANGER,  /* certificate not registered */
    CRIME_COUNT
};

struct world_device {
    struct elo_client client;
    struct elo_client_config config;
    struct elo_client_mqtt5 mqtt5; /* with config.mqtt5 */
    struct world_link *link;
    unsigned who; /* enum world_client */
    enum world_crime crime;
    unsigned certificate;
    int64_t clock_offset; /* device clock = low 32 bits of (now + offset) */
    int64_t app_at;       /* when the application next looks at events */
    int64_t app_lazy_ms;  /* it lets up to so much time pass */
    int64_t act_at;       /* when it next does something by itself */
    int64_t start_at;     /* stopped until then */
    int64_t dial_from;    /* not before that, says the backoff */
    int64_t online_since; /* engine time would wrap; this is the world's */
    uint32_t wait_ms;     /* the backoff chosen last */
    unsigned fails;       /* attempts since the last stable connection */
    unsigned session;     /* grows with each session that the broker began anew */
    unsigned ticks;       /* in the present second */
    int64_t ticks_second;
    bool begun_once; /* a packet had been begun when a link ended: DUP may come early */
    bool started;
    bool saw_online;
    bool present;                  /* was the session, when it connected last, by the model */
    uint16_t wants[WORLD_FILTERS]; /* 0: not; else QoS + 1 */
    char texts[WORLD_FILTERS][WORLD_TOPIC];
    char will_topic[WORLD_TOPIC];
    struct elo_client_sub subs[WORLD_FILTERS];
    uint8_t rx[2048];
    uint8_t tx[256];
    uint8_t outbox[8192];
};

/* --- messages and the model (world_model.c) ----------------------------------------------------
 */

enum world_fate {
    FATE_OPEN,     /* in the outbox */
    FATE_ACKED,    /* PUBLISHED has come */
    FATE_DROPPED,  /* DROPPED has come */
    FATE_FORGOTTEN /* the device lost its memory */
};

enum world_kind {
    KIND_DATA,
    KIND_WILL, /* one entry a client, routed any number of times */
    KIND_CLEAR /* no payload: takes a retained message away; its entry is the client's */
};

/* The number of a message is its token, and stands in its payload. */
struct world_message {
    enum world_kind kind;
    enum world_fate fate;
    unsigned who;
    uint8_t qos;
    bool retain;
    bool published; /* by elo_client_publish(), else a will's or a clear's entry */
    char topic[WORLD_TOPIC];
    size_t len;
    unsigned routed;      /* times, all broker lives */
    unsigned routed_then; /* KIND_CLEAR: when it was published */
    unsigned life;        /* the broker life in which it was routed last */
    unsigned sent_session;
    uint16_t sent_id;
    bool sent; /* wholly written by the device */
};

/* Something that a session is owed. */
struct world_due {
    uint16_t message;
    bool retain;
    bool must;
    bool done; /* delivered since it was routed last */
    bool ever; /* delivered at all */
};

struct world_session {
    bool exists;
    bool persistent;
    struct world_link *link; /* NULL: offline */
    int64_t offline_since;
    size_t filter_count;
    struct {
        char text[WORLD_TOPIC];
        uint8_t qos;
    } filters[WORLD_FILTERS];
    size_t due_count;
    struct world_due dues[WORLD_DUES];
};

struct world_given { /* how often a message was sent to a client, and came */
    uint16_t sent[2];
    uint16_t sent_retained;
    uint16_t came[2];
};

struct world_model {
    unsigned life;
    struct world_session sessions[WORLD_CLIENTS];
    struct world_given given[WORLD_CLIENTS][WORLD_MESSAGES];
    unsigned newest[WORLD_CLIENTS];   /* message of each routed first in this life */
    unsigned retained[WORLD_CLIENTS]; /* by topic status/NAME: message + 1, 0: none */
    unsigned expected[64];            /* what the witness must see now */
    size_t expected_count;
    uint64_t connects;
    uint64_t publishes;
};

/* What happened in a run, or in many: to see that the troubles are really made. */
#define WORLD_TALLY_LIST(X)                                                                        \
    X(published)                                                                                   \
    X(acked)                                                                                       \
    X(dropped)                                                                                     \
    X(forgotten)                                                                                   \
    X(refused)                                                                                     \
    X(routed)                                                                                      \
    X(delivered)                                                                                   \
    X(again)                                                                                       \
    X(links)                                                                                       \
    X(shaken)                                                                                      \
    X(shaken_late)                                                                                 \
    X(shaken_dead)                                                                                 \
    X(shakes_failed)                                                                               \
    X(overtaken)                                                                                   \
    X(twins)                                                                                       \
    X(breaks)                                                                                      \
    X(stalls)                                                                                      \
    X(dial_failures)                                                                               \
    X(resumed)                                                                                     \
    X(fresh)                                                                                       \
    X(takeovers)                                                                                   \
    X(silences)                                                                                    \
    X(unfinished)                                                                                  \
    X(wills)                                                                                       \
    X(byes)                                                                                        \
    X(retained)                                                                                    \
    X(oversize)                                                                                    \
    X(denied)                                                                                      \
    X(expired)                                                                                     \
    X(restarts)                                                                                    \
    X(revocations)                                                                                 \
    X(reboots)                                                                                     \
    X(wraps)                                                                                       \
    X(dup)                                                                                         \
    X(backpressure)                                                                                \
    X(calm)                                                                                        \
    X(bursts)                                                                                      \
    X(floods)                                                                                      \
    X(mqtt5)                                                                                       \
    X(events)

struct world_tally {
#define WORLD_TALLY_FIELD(name) uint64_t name;
    WORLD_TALLY_LIST(WORLD_TALLY_FIELD)
#undef WORLD_TALLY_FIELD
};

/* --- a run (world.c) ---------------------------------------------------------------------------
 */

/* What becomes of the notes of a run: nothing, a digest, or lines on the standard error. */
enum world_telling { WORLD_SILENT, WORLD_DIGEST, WORLD_TRACE };

struct world {
    struct world_house *house;
    enum world_telling telling;
    uint64_t seed;
    uint64_t dice;
    uint64_t digest; /* of all that was noted: two runs of one seed have the same */
    int64_t now;
    char failure[512]; /* empty: none */

    /* the character of this run */
    bool flood;  /* a burst that meets one device which does not hear */
    bool burst;  /* many messages in a short time */
    bool calm;   /* nothing goes wrong */
    bool healed; /* nothing goes wrong any more */
    int64_t heal_at;
    size_t device_count;
    size_t budget;         /* messages still to be published */
    int64_t pace_ms;       /* between two actions of a device */
    unsigned break_one_in; /* links */
    int64_t restart_at;
    int64_t down_until; /* the server is not there */
    int64_t revoke_at;
    int64_t restore_at;
    unsigned revoked; /* client + 1 */

    struct broker *broker;
    struct broker_conn *witness;
    struct world_tap witness_tap;
    int64_t witness_spoke;
    unsigned broker_ticks;
    int64_t broker_second;
    struct log log;

    struct world_device devices[WORLD_DEVICES];
    struct world_link links[WORLD_LINKS];
    size_t links_high; /* above it none was used yet */
    unsigned link_serial;
    struct world_message messages[WORLD_MESSAGES];
    size_t message_count;
    struct world_model model;
    struct world_tally tally;
};

/* Runs one seed; false: a rule was broken. `w` is overwritten; large, so make it static. */
bool world_run(struct world *w, struct world_house *h, uint64_t seed, enum world_telling telling);

/* Adds up. */
void world_tally_add(struct world_tally *sum, const struct world_tally *one);

#endif
