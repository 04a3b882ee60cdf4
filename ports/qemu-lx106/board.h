// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The emulated board: what an application on the lx106 under QEMU has beside its CPU. The same
 * questions as on an ESP8266 - time, network, serial line, pins, flash, random bytes - answered by
 * the program around the emulator (ports/posix/emulator.h, wire.h) and by files of the host.
 *
 * Life cycle: start.S sets up memory and stack, then app_main() runs; what it returns is the exit
 * code of the emulator. There is one stack, of the size a sketch and BearSSL's second one have
 * together; below it lies a canary: an application that has grown over it ends with
 * BOARD_EXIT_STACK. An exception prints its cause and registers on stderr and ends with
 * BOARD_EXIT_EXCEPTION.
 *
 * Time: the CPU counts its own instructions, one a cycle at 80 MHz (QEMU runs with -icount
 * shift=5), and the program around it says how long each wait has lasted. So arithmetic costs the
 * same on any host, and waiting takes as long as it takes.
 *
 * Memory: the board's own variables lie in the SDK's share of the data RAM and its code in the ROM:
 * an application's figures are its own (lx106.ld).
 */
#ifndef PORTS_QEMU_LX106_BOARD_H
#define PORTS_QEMU_LX106_BOARD_H

#include "elo/base/err.h"
#include "elo/base/span.h"
#include "elo/link/net.h"
#include "elo/store/flash.h"
#include "ports/qemu-lx106/wire.h"

enum {
    BOARD_EXIT_EXCEPTION = 70,
    BOARD_EXIT_STACK = 71,
    BOARD_EXIT_HOST = 72,
    BOARD_EXIT_POWER = 73,  /* cut, see board_flash_cut() */
    BOARD_EXIT_RESTART = 74 /* for an application that restarts itself: to be run again */
};

/* For functions that are there to try an application, not for it - arguments, measuring: they are
 * laid beside the board's, and left out of an application's figures. */
#define BOARD_HARNESS __attribute__((section(".harness.text"), noinline))

/* Ends the emulator; app_main() may return instead. */
void board_exit(int code) __attribute__((noreturn));

/* The application's. */
int app_main(int argc, char **argv);

/* --- time ------------------------------------------------------------------------------------ */

/* Milliseconds since the start; wraps after 49.7 days. */
uint32_t board_ms(void);

/* Seconds since 1970, as the host says; what a board asks SNTP for. */
uint32_t board_unix(void);

/* Waits for at most `ms` milliseconds for one of the wire_news in `interest`; returns those there
 * are. Serial input always ends it. */
unsigned board_wait(uint32_t ms, unsigned interest);

/* Is there a network, as the last wait has said? */
bool board_network_is_up(void);

/* --- network: one connection --------------------------------------------------------------------
 */

/* All of them, as a link wants it. */
extern const struct elo_net board_net;

elo_err board_net_open(void *ctx, const char *host, uint16_t port);
elo_err board_net_step(void *ctx);
elo_err board_net_give_up(void *ctx);
elo_err board_net_send(void *ctx, elo_span bytes, size_t *out_len);
elo_err board_net_recv(void *ctx, uint8_t *out, size_t cap, size_t *out_len);
void board_net_finish(void *ctx);
void board_net_close(void *ctx);
int board_net_error(void *ctx); /* always 0: the board has no numbers of its own */
void board_net_address(void *ctx, char *out, size_t cap);

/* --- serial line, pins, sensors -----------------------------------------------------------------
 */

void board_serial_write(elo_span bytes);
size_t board_serial_read(uint8_t *out, size_t cap); /* 0: nothing has come */

/* Text and numbers for the serial line, in the order they are given. */
void board_print(const char *text);
void board_print_number(uint32_t value);
void board_print_span(elo_span text);

/* A line for who tries the board, on stderr: not for the serial line. */
void board_tell(const char *what, elo_span more);

/* The decimal digits of `value`; how many. */
#define BOARD_NUMBER_MAX 10u
size_t board_number_put(uint32_t value, uint8_t out[BOARD_NUMBER_MAX]);

void board_pin_write(unsigned pin, uint32_t value);

/* A value that the outside has: "celsius", "analog", "button" ... false: it has no such. */
bool board_sensor_read(const char *name, int32_t *out_value);

/* --- random bytes, files, flash -----------------------------------------------------------------
 */

/* Of the host's kernel. ELO_E_ENTROPY when there are none. */
elo_err board_entropy(void *ctx, uint8_t *out, size_t len);
uint32_t board_random(void *ctx);

/* A file of the host into `out`: how many bytes, -1 when it cannot be read or is larger. */
long board_file_read(const char *path, void *out, size_t cap);

/* The same for the file `name` in the folder `dir`; empty when it cannot be read. */
elo_span board_folder_read(const char *dir, const char *name, void *out, size_t cap);

/* For arguments: the number at the start of `text`, and what follows `key` in `arg` (NULL: it does
 * not begin so). */
uint32_t board_number(const char *text);
const char *board_option(const char *arg, const char *key);

/*
 * The flash chip: a file of the host, made (all 0xFF) or made longer if need be; `size` is a
 * multiple of ELO_FLASH_SECTOR. ELO_E_IO: it cannot be had. A region of it, from `at` on, is what
 * the store wants.
 */
elo_err board_flash_open(const char *path, uint32_t size);
void board_flash_region(struct elo_flash_dev *dev, uint32_t at, uint32_t size);

/* The power goes in the middle of the `words`-th word that is programmed from now on (an erase
 * counts as one): some of its bits are turned, and the board ends with BOARD_EXIT_POWER. */
void board_flash_cut(uint32_t words);

/* --- measuring
 * ------------------------------------------------------------------------------------ */

/*
 * The sections that the plugin counts apart; a section may be entered again, not into itself. The
 * mark is a store to an address that means nothing to the program.
 */
enum board_section {
    BOARD_HANDSHAKE, /* from opening the connection until it stands, but for the waiting */
    BOARD_STEP,      /* one step of it */
    BOARD_PUBLISH,   /* from elo_client_publish() to PUBLISHED, but for the waiting */
    BOARD_SECTIONS
};
void board_begin(enum board_section section);
void board_end(enum board_section section);

/* Paints what is below the caller's frame, and tells how far down it was used since, in bytes from
 * the top. */
void board_stack_paint(void);
uint32_t board_stack_used(void);

/* The stack's size. */
uint32_t board_stack_size(void);

#endif
