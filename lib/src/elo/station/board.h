// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What the Station application (station.h) wants of the machine it runs on. An ESP8266, a PC and
 * the emulated board each fill in one of these; everything else is the same source.
 *
 * Nothing here may wait for something outside the board, and none of it may call the station.
 * Functions marked "or NULL" need not exist. `ctx` is handed to each of them.
 */
#ifndef ELO_STATION_BOARD_H
#define ELO_STATION_BOARD_H

#include "elo/base/err.h"
#include "elo/base/span.h"
#include "elo/setup/setup.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Why the board started. Only the first two can be a person's doing with the plug: see "Recovery"
 * in station.h. */
typedef enum elo_reset {
    ELO_RESET_POWER,    /* power came */
    ELO_RESET_PIN,      /* the reset button or a dip of the supply */
    ELO_RESET_SOFTWARE, /* restarted by itself */
    ELO_RESET_WATCHDOG, /* loop() hung */
    ELO_RESET_CRASH,    /* an exception */
    ELO_RESET_WAKE,     /* out of deep sleep */
    ELO_RESET_UNKNOWN
} elo_reset;

typedef enum elo_wifi {
    ELO_WIFI_OFF,
    ELO_WIFI_JOINING,
    ELO_WIFI_JOINED,         /* with an address: packets can go */
    ELO_WIFI_NO_NETWORK,     /* the network is not in sight */
    ELO_WIFI_WRONG_PASSWORD, /* it does not take the password */
    ELO_WIFI_NO_ADDRESS,     /* joined, but DHCP does not answer */
    ELO_WIFI_FAILED          /* anything else */
} elo_wifi;

/* One reading of the sensors. Values that the machine does not have are absent. */
struct elo_board_reading {
    bool has_celsius, has_humidity, has_pressure, has_load, has_free, has_analog;
    int32_t centi_celsius; /* 2150 is 21.50 degrees */
    int32_t centi_percent; /* relative humidity */
    int32_t deci_hpa;      /* 10133 is 1013.3 hPa */
    int32_t centi_load;    /* of a PC: the load average */
    int32_t analog;        /* 0 ... 1023 */
    int64_t free_kib;      /* of a PC: memory */
    const char *source;    /* where the temperature comes from; "simulated DHT22" says so. In RAM */
};

/* Numbers for diagnosis; 0: not known. */
struct elo_board_health {
    uint32_t heap_free;  /* bytes */
    uint32_t heap_block; /* the largest piece of it */
    uint32_t stack_free; /* bytes of loop()'s stack that were never used */
};

struct elo_board {
    void *ctx;
    const char *name; /* "esp8266" */
    elo_reset reset;

    /* Outputs, or NULL. `led` is called when the LED has to change, a few times a second; with
     * `led_is_level` it shows no patterns (led.h), only what commands made of it. */
    void (*relay)(void *ctx, bool on);
    void (*led)(void *ctx, bool on);
    bool led_is_level;

    /* Is the button down? Or NULL. */
    bool (*button)(void *ctx);

    /* What the sensors showed last; takes no new measurement that would take longer than a
     * millisecond. */
    void (*read)(void *ctx, struct elo_board_reading *out);

    /* Wi-Fi, as it has been set up. Or all NULL: the network is always there. Joining goes on by
     * itself until it is left. `rssi`: dBm, 0 if not known. */
    void (*wifi_join)(void *ctx);
    void (*wifi_leave)(void *ctx);
    elo_wifi (*wifi_status)(void *ctx, int *out_rssi);

    /* A wall clock of the machine's own, unix seconds, 0 if it is not set; or NULL: the station
     * asks time servers by the next four. */
    uint32_t (*wall)(void *ctx);

    /* Looks up time server number `server`: ELO_OK, ELO_NEED_MORE (ask again), or why not. */
    elo_err (*time_resolve)(void *ctx, uint8_t server);
    /* Sends it one datagram from a fresh port. */
    elo_err (*time_send)(void *ctx, elo_span datagram);
    /* A datagram that has come from it: ELO_OK, or ELO_NEED_MORE. */
    elo_err (*time_recv)(void *ctx, uint8_t *out, size_t cap, size_t *out_len);
    void (*time_close)(void *ctx);

    /* Fills `out` with random bytes from the hardware: ELO_OK or ELO_E_ENTROPY. */
    elo_err (*entropy)(void *ctx, uint8_t *out, size_t len);

    void (*health)(void *ctx, struct elo_board_health *out); /* or NULL */

    /* A few bytes (64 at most) that survive the power, replaced whole or not at all. `recall` gives
     * what was kept last: ELO_OK, or ELO_E_NOT_FOUND. */
    elo_err (*keep)(void *ctx, elo_span bytes);
    elo_err (*recall)(void *ctx, uint8_t *out, size_t cap, size_t *out_len);

    /* Opens (or closes) the ways of setting the board up: its access point and portal; harmless
     * when they are. Or NULL: there is only the serial line, which is always open. */
    void (*portal)(void *ctx, bool open);

    /* Restarts. Does not come back on a board; in a test it may. */
    void (*restart)(void *ctx);

    /* --- for provision.h only; whatever is NULL is not there -----------------------------------
     */

    /* The network that wifi_join() joins from now on. Both are copied; an empty passphrase: an open
     * network. Does not join, and forgets what became of the last one. */
    void (*wifi_use)(void *ctx, elo_span ssid, const char *passphrase);

    /* Listens for networks. Then one after the other: ELO_OK; ELO_NEED_MORE: it listens still;
     * ELO_END: that was the last. */
    void (*wifi_scan)(void *ctx);
    elo_err (*wifi_heard)(void *ctx, struct elo_setup_network *out);

    /* The serial line: what has come, and what of `bytes` was taken; how many, 0: none now. */
    size_t (*console_read)(void *ctx, uint8_t *out, size_t cap);
    size_t (*console_write)(void *ctx, elo_span bytes);

    /* The portal's connections, while there are such, by number from 0. Reading: ELO_OK;
     * ELO_NEED_MORE: there is one, but nothing has come; ELO_END: there is none, or it has gone. */
    elo_err (*portal_read)(void *ctx, unsigned conn, uint8_t *out, size_t cap, size_t *out_len);
    size_t (*portal_room)(void *ctx, unsigned conn); /* what it takes now; then so much */
    void (*portal_write)(void *ctx, unsigned conn, elo_span bytes);
    void (*portal_close)(void *ctx, unsigned conn); /* once what was written is sent */
    uint8_t portal_address[4];                      /* the access point's own */

    /* Datagrams to its port 53: ELO_OK or ELO_NEED_MORE. The answer goes to who asked last. */
    elo_err (*dns_read)(void *ctx, uint8_t *out, size_t cap, size_t *out_len);
    void (*dns_write)(void *ctx, elo_span bytes);
};

#ifdef __cplusplus
}
#endif

#endif
