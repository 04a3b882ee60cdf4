// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The emulated board from outside: runs an image for the ESP8266's CPU in qemu-system-xtensa and is
 * its network, its serial line, its pins and sensors, and its sense of time
 * (ports/qemu-lx106/wire.h has the words).
 *
 * Life cycle: posix_emulator_start, then posix_emulator_step until it says ELO_END, then
 * posix_emulator_stop, which is also for ending it sooner. The emulator never outlives this
 * program.
 *
 *      while ((err = posix_emulator_step(&e, 1000, NULL, 0)) == ELO_OK) {
 *      }
 *      code = posix_emulator_stop(&e);
 *
 * What the board prints and switches comes by callback, in the middle of a step; they may call
 * posix_emulator_serial, nothing else of this header.
 *
 * The image may open any file that we may: give it none but one's own.
 *
 * Memory: the struct, and a list of addresses while connected. Blocking: a name look-up. One thread
 * at a time.
 */
#ifndef PORTS_POSIX_EMULATOR_H
#define PORTS_POSIX_EMULATOR_H

#include "elo/base/err.h"
#include "elo/base/span.h"
#include "ports/posix/tcp.h"
#include "ports/qemu-lx106/wire.h"

#include <poll.h>
#include <sys/types.h>

/* Further descriptors that may be waited for. */
#define POSIX_EMULATOR_EXTRA_MAX 15

/* Serial input that the board has not taken yet. */
#define POSIX_EMULATOR_SERIAL_MAX 8192

#define POSIX_EMULATOR_ARGS_MAX 24

/* Kept by reference while the emulator runs. Whatever is NULL or 0 is not there. */
struct posix_emulator_config {
    const char *qemu;  /* NULL: qemu-system-xtensa, looked for on the PATH */
    const char *image; /* an ELF file for lx106 */
    const char *const *args;
    size_t args_count;  /* at most POSIX_EMULATOR_ARGS_MAX, of 1 KB together */
    const char *plugin; /* a TCG plugin with its options, as for -plugin */

    /* Where every connection goes, whatever the board asks for: a test, a proxy. */
    const char *address;
    uint16_t port;

    /* The board's waits pass this many times faster; 0: as long as they take. */
    uint32_t speed;

    void (*on_serial)(void *ctx, elo_span bytes);
    void (*on_pin)(void *ctx, unsigned pin, uint32_t value);
    bool (*on_sensor)(void *ctx, elo_span name, int32_t *out_value);
    void *ctx;
};

struct posix_emulator {
    struct {
        struct posix_emulator_config config;
        pid_t pid; /* 0: none runs */
        int fd;
        struct posix_tcp tcp;
        bool connecting, connected, network_down;
        bool waiting; /* the board waits, since_ms, for wait_ms or news of `interest` */
        uint8_t interest;
        uint64_t since_ms;
        uint32_t wait_ms;
        uint8_t in[WIRE_HEAD + WIRE_PAYLOAD_MAX];
        size_t in_len;
        uint8_t serial[POSIX_EMULATOR_SERIAL_MAX];
        size_t serial_len;
    } _internal;
};

/* Is there a qemu to run it in? */
bool posix_emulator_available(const char *qemu);

/* ELO_E_NOT_FOUND: no such image, or no qemu; ELO_E_TOO_LARGE: arguments; ELO_E_IO, ELO_E_NO_MEMORY
 * ... errno tells. */
ELO_MUST_USE elo_err posix_emulator_start(struct posix_emulator *e,
                                          const struct posix_emulator_config *config);

/*
 * One round: waits at most `timeout_ms` (-1: until something happens) for the board, its network or
 * one of the `extra` descriptors (as for poll()), and answers.
 * ELO_END: the emulator has ended. ELO_E_MALFORMED: the image speaks something else.
 */
ELO_MUST_USE elo_err posix_emulator_step(struct posix_emulator *e,
                                         int timeout_ms,
                                         struct pollfd *extra,
                                         size_t extra_count);

/* Serial input for the board; what is over the bound is lost, as on a real line. */
void posix_emulator_serial(struct posix_emulator *e, elo_span bytes);

/* The board's network goes away, with its connection, or comes back. It is there at the start. */
void posix_emulator_network(struct posix_emulator *e, bool up);

/* Ends it if it runs (SIGKILL: there is nothing to save) and collects it. Its exit code, which is
 * the application's; 128 + the signal if one ended it; 0 if none runs. */
int posix_emulator_stop(struct posix_emulator *e);

#endif
