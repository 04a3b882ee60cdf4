// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The Station: the whole firmware above the machine. Sensors go up, commands come down, nothing
 * that was measured is lost, and at every moment it can say in words what it is doing and why not
 * more.
 *
 * One source on the ESP8266, on a PC (`elo device`) and on the emulated board. It is told the time
 * and asks for what it needs through a struct elo_board and a struct elo_net; it never waits.
 *
 *     sensors -> telemetry -> queue in flash -> client's outbox in RAM -> TLS -> network
 *                                          (marked as delivered by the PUBACK)
 *     network -> command -> outputs, reply, state
 *
 * Life cycle
 *   elo_station_defaults() -> fill in the config -> elo_station_init(), then for ever
 *
 *     busy = elo_station_step(&s, now_ms);
 *     on a machine that can sleep, if (!busy): wait for elo_link_interest(elo_station_link(&s)), at
 *     most elo_station_wait_ms(&s, now_ms)
 *
 *   A step is bounded: one step of the link, at most one reading, one message into flash and one
 * out of it. With config.small_steps that is what a watchdog wants.
 *
 * Topics, PREFIX being the config's, all QoS 1 but `describe`
 *   PREFIX/telemetry  {"seq":3,"celsius":21.50,"source":"DHT22","humidity":45.00}; "time" (unix
 *                     seconds) on what was measured while offline; every `health_s` also "health"
 *   PREFIX/state      {"led":"on","relay":"off","interval":5} on connecting and when it changes
 *   PREFIX/cmd        {"id":"a1","led":"on","relay":"off","interval":5,"identify":10,
 *                     "restart":true,"describe":true}: any of them beside the id, which is a string
 *                     or number of up to 64 bytes
 *   PREFIX/reply      {"id":"a1","ok":true} or {"id":"a1","ok":false,"error":"..."}; asked to
 *                     describe, with "describe" in it
 *   PREFIX/describe   what there is to see and to turn, with ranges and units, so that an interface
 *                     can build itself. Retained, on connecting and when a sensor shows what none
 *                     has shown since the start. A server that closes the connection for it (a
 *                     policy without iot:RetainPublish and iot:Publish there) does so once: it is
 *                     not sent again before the next restart, and commands still get it
 *
 * Commands are obeyed whole or not at all. One that comes again - the same id with the same words,
 * as QoS 1 allows - is answered again and not executed again; the last ELO_STATION_IDS are known,
 * and the last that restarted the board over that restart. The same id with other words is another
 * command. Interval and outputs begin with their defaults after a restart: a relay stays off until
 * someone wants it on.
 *
 * Telemetry is numbered from 1; the number goes on over a restart while messages wait. What
 * elo_queue_append() took is delivered at least once, in order, over any number of connections,
 * restarts and power cuts, unless the queue's policy gives the oldest up, which is counted
 * ("dropped" in health). `window` messages are on their way at a time. A message that the server
 * refuses for good (MQTT 5) is counted as delivered, and told.
 *
 * Time. Certificates need it. A board asks time servers (elo/time/clock.h); while it does not know
 * the time it measures, queues and blinks, and does not connect. The floor is kept over restarts.
 *
 * Recovery. Five starts in a row by power or reset button, each followed by less than 10 s of
 * running, open the portal: for who cannot reach the board any more because the Wi-Fi has changed.
 * Nothing is erased: a board that has its settings goes back to them after 10 minutes, or when they
 * are saved anew. The same when the button is held for 5 s. The key is never touched.
 *
 * Memory: struct elo_station, about 4.7 KiB on the ESP8266 with the TLS engine in it, and the
 * config's buffers. No heap. Not to be moved once initialised. `now_ms` wraps and starts anywhere.
 * Stack: as elo_link; outside the handshake under 1 KiB.
 */
#ifndef ELO_STATION_STATION_H
#define ELO_STATION_STATION_H

#include "elo/client/client.h"
#include "elo/link/link.h"
#include "elo/station/board.h"
#include "elo/store/queue.h"
#include "elo/time/clock.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ELO_STATION_INTERVAL_MAX_S 3600
#define ELO_STATION_IDENTIFY_MAX_S 60
#define ELO_STATION_IDS            8u   /* commands remembered */
#define ELO_STATION_CAUSES         6u   /* reasons of reconnections counted one by one */
#define ELO_STATION_TOPIC_MAX      160u /* prefix and "/telemetry" */

/* The least that the config's buffers must be. The outbox holds at least one message of scratch's
 * size and a reply. */
#define ELO_STATION_SCRATCH_MIN           640u
#define ELO_STATION_OUTBOX_BYTES(scratch) ((scratch) + ELO_STATION_TOPIC_MAX + 288u)
#define ELO_STATION_OUTBOX_MIN            ELO_STATION_OUTBOX_BYTES(ELO_STATION_SCRATCH_MIN)

typedef enum elo_station_mode {
    ELO_STATION_SETUP, /* waits for a person: portal, serial line */
    ELO_STATION_RUN,
    ELO_STATION_STOPPED /* after elo_station_stop() has said goodbye */
} elo_station_mode;

/* What the station tells its machine, for a log or a screen. Spans are valid during the call. */
typedef enum elo_station_news_type {
    ELO_STATION_NEWS_TELEMETRY, /* u.text: measured and queued, or why it could not be (err) */
    ELO_STATION_NEWS_STATE,     /* u.text: published */
    ELO_STATION_NEWS_COMMAND,   /* u.command */
    ELO_STATION_NEWS_DROPPED,   /* u.count: older messages were given up */
    ELO_STATION_NEWS_UNSENT,    /* err: a reply or state found no room, or (u.client) was refused */
    ELO_STATION_NEWS_DELIVERED, /* err: ELO_OK, or the server refused it; u.client. Of telemetry */
    ELO_STATION_NEWS_CLIENT,    /* u.client: CONNECTED, DISCONNECTED, SUBSCRIBED, OVERSIZE */
    ELO_STATION_NEWS_MODE       /* the mode is another */
} elo_station_news_type;

struct elo_station_news {
    elo_station_news_type type;
    elo_err err;
    union {
        elo_span text;
        uint32_t count;
        struct {
            bool is_one;   /* false: no JSON object with an id; ignored */
            bool again;    /* seen before: only answered */
            bool accepted; /* the reply's "ok" */
        } command;
        const struct elo_client_event *client;
    } u;
};

/* Kept by reference while the station runs, unless marked otherwise. */
struct elo_station_config {
    const struct elo_board *board; /* must */
    struct elo_queue *queue;       /* must: mounted */

    /* Who and where. All of these may be absent: then the station is in SETUP for good. */
    bool is_set_up;
    struct elo_net net;        /* copied */
    struct elo_tls_config tls; /* as elo_link_config has it */
    const char *address;       /* where to connect; NULL: tls.host */
    uint16_t port;
    const char *client_id;
    const char *prefix; /* of the topics, without a slash at its end */
    bool persistent;    /* the server keeps commands while we are away */
    bool keep_session;  /* TLS sessions are resumed */
    bool small_steps;
    bool again; /* not a start of the board: begun anew after a trial. Not counted for recovery */
    bool trial; /* see whether it connects and may subscribe, and nothing else: nothing is measured
                   or sent, no start is counted. The network has been joined already */
    struct elo_client_mqtt5 *mqtt5; /* NULL: MQTT 3.1.1 */

    uint16_t interval_s; /* 10. Between two readings, 1 ... ELO_STATION_INTERVAL_MAX_S */
    uint16_t health_s;   /* 300. Between two that carry "health"; 0: none */
    uint8_t window;      /* 4. Telemetry on its way at a time, 1 ... 32 */
    uint32_t queue_max;  /* 0. Messages that may wait, beside those on their way; 0: what fits */

    /* Read by elo_station_init() only. NULL: for boards with a clock of their own. `random` and
     * `saved_floor` in it are the station's. */
    const struct elo_clock_config *clock;

    /* Memory. rx: the largest command, see elo_client_config; tx: 256; scratch: the largest
     * telemetry, reply or description, ELO_STATION_SCRATCH_MIN or more; outbox: at least
     * ELO_STATION_OUTBOX_BYTES(scratch_size), more for a `window` that is to be used. */
    uint8_t *rx, *tx, *outbox, *scratch;
    size_t rx_size, tx_size, outbox_size, scratch_size;

    /* NULL: nobody listens. May not call the station but for its getters. */
    void (*tell)(void *ctx, const struct elo_station_news *news);
    void *tell_ctx;
};

struct elo_station {
    struct elo_client client;
    union {
        struct elo_link link;
        struct elo_client_config start; /* until the link is made */
    } pump;
    struct elo_clock clock;
    struct {
        const struct elo_station_config *config;
        struct elo_link_config link_config;
        struct elo_client_sub subs[1];
        char cmd[ELO_STATION_TOPIC_MAX];

        uint32_t now_ms;   /* of this step */
        uint32_t uptime_s; /* and its milliseconds */
        uint32_t uptime_ms;

        uint32_t next_ms;   /* the next reading */
        uint32_t health_at; /* uptime of the next health */
        uint32_t seq;
        uint32_t fed;     /* queue id of the last message given to the client */
        uint32_t dropped; /* as last told */
        uint8_t flying;   /* messages of the queue with the client */

        uint32_t wifi_since_ms;
        uint32_t describe_ms;
        uint32_t leave_ms;
        uint32_t button_ms;
        uint32_t setup_ms;
        uint32_t identify_ms;
        uint32_t led_ms;
        uint32_t online_ms;
        uint16_t identify_s;
        uint16_t interval_s;
        elo_err reason; /* of the last disconnection */
        int rssi;

        struct {
            int16_t reason;
            uint16_t count;
        } causes[ELO_STATION_CAUSES];
        uint16_t other_causes;

        struct {
            uint32_t id, words; /* hashes; 0, 0: none */
        } ids[ELO_STATION_IDS];
        uint8_t id_next;
        uint8_t seen; /* bits: what the sensors have shown since the start */

        struct {
            uint32_t boots;
            uint32_t floor;
            uint32_t restart_id, restart_words;
            uint32_t short_boots;
        } kept;

        uint8_t mode;
        uint8_t wifi; /* elo_wifi */
        uint8_t led_pattern, led_flashes;
        uint8_t describe; /* enum in internal.h */
        uint8_t describe_tries;
        uint8_t leaving; /* enum in internal.h */
        bool led, relay;
        bool led_lit;
        bool state_due, describe_due;
        bool was_online;
        bool gate; /* the link may connect */
        bool steady;
        bool paused;
        bool button_down, button_used;
        bool time_open;
        bool time_failed;
    } _internal;
};

/* Sets every field to 0, and to the defaults named above. */
void elo_station_defaults(struct elo_station_config *config);

/*
 * Starts. Any former content of `*s` is forgotten. Errors are those of elo_client_init and
 * elo_clock_init; ELO_E_NO_SPACE also: a buffer below its least; ELO_E_TOPIC: the prefix is empty
 * or too long.
 */
ELO_MUST_USE elo_err elo_station_init(struct elo_station *s,
                                      const struct elo_station_config *config,
                                      uint32_t now_ms);

/* One step. true: there is more to do at once. */
bool elo_station_step(struct elo_station *s, uint32_t now_ms);

/* Milliseconds until something is to be done without input. */
uint32_t elo_station_wait_ms(const struct elo_station *s, uint32_t now_ms);

/* Measure no more (true), or go on. What was measured is still delivered. */
void elo_station_pause(struct elo_station *s, bool paused);

/* Says goodbye to the server; the mode is STOPPED once that is done. */
void elo_station_stop(struct elo_station *s, uint32_t now_ms);

/* Opens the portal, as holding the button does. */
void elo_station_set_up(struct elo_station *s, uint32_t now_ms);

elo_station_mode elo_station_get_mode(const struct elo_station *s);
bool elo_station_is_online(const struct elo_station *s);

/* Messages that wait or are on their way, replies included. */
size_t elo_station_pending(const struct elo_station *s);

/* The outputs as commands have left them, and the seconds between two readings. */
bool elo_station_led(const struct elo_station *s);
bool elo_station_relay(const struct elo_station *s);
uint16_t elo_station_interval_s(const struct elo_station *s);

/* The pump, to wait for what it waits for and for its diagnosis. */
struct elo_link *elo_station_link(struct elo_station *s);

/* --- in words -----------------------------------------------------------------------------------
 */

typedef enum elo_station_layer {
    ELO_STATION_WIFI,
    ELO_STATION_TIME,
    ELO_STATION_TLS,
    ELO_STATION_MQTT,
    ELO_STATION_OUTBOX,
    ELO_STATION_LAYERS
} elo_station_layer;

/* One line about a layer: "wifi: joined, -61 dBm". NUL-terminated, cut if it does not fit; 80 bytes
 * are enough. */
void elo_station_status(const struct elo_station *s,
                        elo_station_layer layer,
                        char *out,
                        size_t cap);

/* The lowest layer that is not as it should be; ELO_STATION_LAYERS: all is well. What a person who
 * asks "why?" wants to see. */
elo_station_layer elo_station_why(const struct elo_station *s);

/* "E-DNS": the name under which a reason is explained (errors/, docs/errors.md). For reasons that a
 * device does not meet "E-" and the number. NUL-terminated, at most ELO_SLUG_MAX bytes. */
#define ELO_SLUG_MAX 24u
void elo_station_slug(elo_err reason, char out[ELO_SLUG_MAX]);

#ifdef __cplusplus
}
#endif

#endif
