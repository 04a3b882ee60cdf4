// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: one question of the board at a time. All but WAIT are answered as they come; a
 * WAIT stays open until its time is over or there is news, and only then is the network watched:
 * while the CPU computes, nobody could take what comes.
 */
#include "ports/posix/emulator.h"

#include "elo/base/assert.h"
#include "ports/posix/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define QEMU        "qemu-system-xtensa"
#define SEMIHOSTING 2400 /* the longest -semihosting-config */
#define ROUNDS_MAX  256  /* questions in one step: others want their turn, too */
#define BOARD_ARGS_MAX                                                                             \
    1000 /* of the board's arguments; it has room for 1 KB with their pointers                     \
          */

/* --- starting and ending ------------------------------------------------------------------------
 */

bool posix_emulator_available(const char *qemu)
{
    const char *name = qemu != NULL ? qemu : QEMU;
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        execlp(name, name, "--version", (char *)NULL);
        _exit(127);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Appends `text`, every comma twice, as QEMU reads its options. */
static bool add_escaped(char *out, size_t cap, size_t *len, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*len + 2 >= cap) {
            return false;
        }
        out[(*len)++] = *text;
        if (*text == ',') {
            out[(*len)++] = ',';
        }
    }
    out[*len] = '\0';
    return true;
}

static elo_err write_semihosting(const struct posix_emulator_config *config, char *out, size_t cap)
{
    size_t len = 0, board = 0;
    if (config->args_count > POSIX_EMULATOR_ARGS_MAX) {
        return ELO_E_TOO_LARGE;
    }
    len = (size_t)snprintf(out, cap, "enable=on,target=native,arg=board");
    for (size_t i = 0; i < config->args_count; i++) {
        board += strlen(config->args[i]) + 1 + sizeof(uint32_t);
        if (board > BOARD_ARGS_MAX || len + 5 >= cap) {
            return ELO_E_TOO_LARGE;
        }
        memcpy(out + len, ",arg=", 5);
        len += 5;
        if (!add_escaped(out, cap, &len, config->args[i])) {
            return ELO_E_TOO_LARGE;
        }
    }
    return ELO_OK;
}

/* In the child: never returns. What went wrong is written to `report`, which an exec closes. */
static void run(const struct posix_emulator_config *config,
                const char *semihosting,
                int fd,
                int report,
                pid_t parent)
{
    const char *argv[24] = {config->qemu != NULL ? config->qemu : QEMU,
                            "-M",
                            "sim",
                            "-cpu",
                            "lx106",
                            "-display",
                            "none",
                            "-monitor",
                            "none",
                            "-serial",
                            "none",
                            "-icount",
                            "shift=5",
                            "-kernel",
                            config->image,
                            "-semihosting-config",
                            semihosting};
    size_t n = 17;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL); /* what we wait for is not its business */
    if (config->plugin != NULL) {
        argv[n++] = "-plugin";
        argv[n++] = config->plugin;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0); /* Ctrl-C is for us, who end it in order */
    signal(SIGPIPE, SIG_IGN);
    if (getppid() == parent && dup2(fd, STDIN_FILENO) >= 0 && dup2(fd, STDOUT_FILENO) >= 0) {
        execvp(argv[0], (char *const *)(uintptr_t)argv);
    }
    int error = errno;
    if (write(report, &error, sizeof error) < 0) {
        _exit(126);
    }
    _exit(127);
}

/* Did the child become an emulator? Its errno, 0 if so. */
static int reported(int fd)
{
    int error = 0;
    ssize_t n;
    do {
        n = read(fd, &error, sizeof error);
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof error ? error : 0;
}

static elo_err
start_qemu(struct posix_emulator *e, const char *semihosting, int fds[2], int pipe[2])
{
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        run(&e->_internal.config, semihosting, fds[1], pipe[1], parent);
    }
    close(fds[1]);
    close(pipe[1]);
    e->_internal.fd = fds[0];
    e->_internal.pid = pid > 0 ? pid : 0;
    int error = pid > 0 ? reported(pipe[0]) : errno;
    close(pipe[0]);
    if (error != 0) {
        posix_emulator_stop(e);
        errno = error;
        return pid < 0 ? ELO_E_NO_MEMORY : error == ENOENT ? ELO_E_NOT_FOUND : ELO_E_IO;
    }
    return ELO_OK;
}

elo_err posix_emulator_start(struct posix_emulator *e, const struct posix_emulator_config *config)
{
    char semihosting[SEMIHOSTING];
    int fds[2], pipe[2];
    memset(e, 0, sizeof *e);
    e->_internal.config = *config;
    e->_internal.fd = -1;
    posix_tcp_init(&e->_internal.tcp);
    elo_err err = write_semihosting(config, semihosting, sizeof semihosting);
    if (err != ELO_OK) {
        return err;
    }
    if (access(config->image, R_OK) != 0) {
        return ELO_E_NOT_FOUND; /* QEMU without an image would run on for ever */
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
        return ELO_E_IO;
    }
    if (pipe2(pipe, O_CLOEXEC) != 0) {
        close(fds[0]);
        close(fds[1]);
        return ELO_E_IO;
    }
    return start_qemu(e, semihosting, fds, pipe);
}

int posix_emulator_stop(struct posix_emulator *e)
{
    int status = 0;
    posix_tcp_close(&e->_internal.tcp);
    if (e->_internal.pid == 0) {
        return 0;
    }
    /* At the end of its output it is exiting by itself; else it never would. */
    if (e->_internal.fd >= 0) {
        kill(e->_internal.pid, SIGKILL);
        close(e->_internal.fd);
        e->_internal.fd = -1;
    }
    while (waitpid(e->_internal.pid, &status, 0) < 0 && errno == EINTR) {
    }
    e->_internal.pid = 0;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* --- answering -----------------------------------------------------------------------------------
 */

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get32(const uint8_t *p)
{
    return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static void put16(uint8_t *p, size_t value)
{
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *p, uint32_t value)
{
    put16(p, value & 0xffff);
    put16(p + 2, value >> 16);
}

/* The board waits for it, so it is never long in the way. false: the board is gone. */
static bool answer(struct posix_emulator *e, uint8_t arg, const uint8_t *payload, size_t len)
{
    uint8_t out[WIRE_HEAD + WIRE_PAYLOAD_MAX];
    size_t sent = 0;
    out[0] = e->_internal.in[0];
    out[1] = arg;
    put16(out + 2, len);
    if (len > 0) {
        memcpy(out + WIRE_HEAD, payload, len);
    }
    e->_internal.in_len = 0;
    while (sent < WIRE_HEAD + len) {
        ssize_t n = send(e->_internal.fd, out + sent, WIRE_HEAD + len - sent, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        sent += n > 0 ? (size_t)n : 0;
    }
    return true;
}

static bool answer_err(struct posix_emulator *e, elo_err err)
{
    uint8_t payload[4];
    put32(payload, (uint32_t)(int32_t)err);
    return answer(e, 0, payload, sizeof payload);
}

/* What an attempt to connect has come to. */
static bool answer_open(struct posix_emulator *e, elo_err err)
{
    e->_internal.connecting = err == ELO_NEED_MORE;
    e->_internal.connected = err == ELO_OK;
    return answer_err(e, err);
}

static bool net_open(struct posix_emulator *e, const uint8_t *payload, size_t len)
{
    const struct posix_emulator_config *config = &e->_internal.config;
    char host[256];
    if (len < 3 || len - 2 >= sizeof host) {
        return answer_err(e, ELO_E_DNS);
    }
    memcpy(host, payload + 2, len - 2);
    host[len - 2] = '\0';
    if (e->_internal.network_down) {
        return answer_open(e, ELO_E_NETWORK);
    }
    return answer_open(e, posix_tcp_start(&e->_internal.tcp,
                                          config->address != NULL ? config->address : host,
                                          config->port != 0 ? config->port : get16(payload)));
}

static bool net_step(struct posix_emulator *e)
{
    if (e->_internal.network_down) {
        return answer_open(e, ELO_E_NETWORK);
    }
    return answer_open(e, posix_tcp_step(&e->_internal.tcp));
}

static bool net_send(struct posix_emulator *e, const uint8_t *payload, size_t len)
{
    uint8_t out[6] = {0};
    size_t taken = 0;
    elo_err err = ELO_E_TCP_CLOSED;
    if (e->_internal.connected && len > 0) {
        err = posix_tcp_send(&e->_internal.tcp, elo_span_of(payload, len), &taken);
    }
    put32(out, (uint32_t)(int32_t)err);
    put16(out + 4, taken);
    return answer(e, 0, out, sizeof out);
}

static bool net_recv(struct posix_emulator *e, const uint8_t *payload, size_t len)
{
    uint8_t out[WIRE_PAYLOAD_MAX];
    size_t room = len >= 2 ? get16(payload) : 0, got = 0;
    elo_err err = ELO_E_TCP_CLOSED;
    if (e->_internal.connected && room > 0) {
        room = room < sizeof out - 4 ? room : sizeof out - 4;
        err = posix_tcp_recv(&e->_internal.tcp, out + 4, room, &got);
    }
    put32(out, (uint32_t)(int32_t)err);
    return answer(e, 0, out, 4 + got);
}

static void net_close(struct posix_emulator *e)
{
    posix_tcp_close(&e->_internal.tcp);
    e->_internal.connecting = e->_internal.connected = false;
}

static bool net_address(struct posix_emulator *e)
{
    char text[128];
    posix_tcp_address(&e->_internal.tcp, text, sizeof text);
    return answer(e, 0, (const uint8_t *)text, strlen(text));
}

static bool serial_in(struct posix_emulator *e, const uint8_t *payload, size_t len)
{
    size_t n = len >= 2 ? get16(payload) : 0;
    n = n < WIRE_PAYLOAD_MAX ? n : WIRE_PAYLOAD_MAX;
    n = n < e->_internal.serial_len ? n : e->_internal.serial_len;
    uint8_t out[WIRE_PAYLOAD_MAX];
    memcpy(out, e->_internal.serial, n);
    e->_internal.serial_len -= n;
    memmove(e->_internal.serial, e->_internal.serial + n, e->_internal.serial_len);
    return answer(e, 0, out, n);
}

static bool sensor(struct posix_emulator *e, const uint8_t *payload, size_t len)
{
    const struct posix_emulator_config *config = &e->_internal.config;
    int32_t value = 0;
    uint8_t out[4];
    bool known = config->on_sensor != NULL &&
                 config->on_sensor(config->ctx, elo_span_of(payload, len), &value);
    put32(out, (uint32_t)value);
    return answer(e, known, out, sizeof out);
}

static bool serial_out(struct posix_emulator *e, const uint8_t *payload, size_t len)
{
    const struct posix_emulator_config *config = &e->_internal.config;
    if (config->on_serial != NULL) {
        config->on_serial(config->ctx, elo_span_of(payload, len));
    }
    return answer(e, 0, NULL, 0);
}

static bool pin(struct posix_emulator *e, unsigned number, const uint8_t *payload, size_t len)
{
    const struct posix_emulator_config *config = &e->_internal.config;
    if (config->on_pin != NULL && len >= 4) {
        config->on_pin(config->ctx, number, get32(payload));
    }
    return answer(e, 0, NULL, 0);
}

static void begin_wait(struct posix_emulator *e, uint8_t interest, const uint8_t *payload)
{
    e->_internal.waiting = true;
    e->_internal.interest = interest;
    e->_internal.since_ms = posix_clock_ms64();
    e->_internal.wait_ms = get32(payload);
}

/* Answers the whole question in `in`. ELO_OK also for one that is to wait. */
static elo_err serve(struct posix_emulator *e)
{
    const uint8_t *in = e->_internal.in, *payload = in + WIRE_HEAD;
    size_t len = get16(in + 2);
    bool there = true;
    switch ((enum wire_op)in[0]) {
    case WIRE_WAIT:
        if (len < 4) {
            return ELO_E_MALFORMED;
        }
        begin_wait(e, in[1], payload);
        break;
    case WIRE_NET_OPEN:
        there = net_open(e, payload, len);
        break;
    case WIRE_NET_STEP:
        there = net_step(e);
        break;
    case WIRE_NET_GIVE_UP:
        there = answer_open(e, posix_tcp_give_up(&e->_internal.tcp));
        break;
    case WIRE_NET_SEND:
        there = net_send(e, payload, len);
        break;
    case WIRE_NET_RECV:
        there = net_recv(e, payload, len);
        break;
    case WIRE_NET_FINISH:
        posix_tcp_finish(&e->_internal.tcp);
        there = answer(e, 0, NULL, 0);
        break;
    case WIRE_NET_CLOSE:
        net_close(e);
        there = answer(e, 0, NULL, 0);
        break;
    case WIRE_NET_ADDRESS:
        there = net_address(e);
        break;
    case WIRE_SERIAL_OUT:
        there = serial_out(e, payload, len);
        break;
    case WIRE_SERIAL_IN:
        there = serial_in(e, payload, len);
        break;
    case WIRE_PIN:
        there = pin(e, in[1], payload, len);
        break;
    case WIRE_SENSOR:
        there = sensor(e, payload, len);
        break;
    default:
        return ELO_E_MALFORMED;
    }
    return there ? ELO_OK : ELO_END;
}

/* --- waiting -------------------------------------------------------------------------------------
 */

static uint64_t passed_ms(const struct posix_emulator *e)
{
    uint64_t speed = e->_internal.config.speed > 0 ? e->_internal.config.speed : 1;
    return (posix_clock_ms64() - e->_internal.since_ms) * speed;
}

/* Real milliseconds until the board's wait is over; -1: it does not wait. */
static int left_ms(const struct posix_emulator *e)
{
    if (!e->_internal.waiting) {
        return -1;
    }
    uint64_t passed = passed_ms(e);
    uint64_t speed = e->_internal.config.speed > 0 ? e->_internal.config.speed : 1;
    if (passed >= e->_internal.wait_ms) {
        return 0;
    }
    uint64_t left = (e->_internal.wait_ms - passed + speed - 1) / speed;
    return left > INT32_MAX ? INT32_MAX : (int)left;
}

static struct pollfd interest(const struct posix_emulator *e)
{
    struct pollfd p = {-1, 0, 0};
    if (e->_internal.waiting && (e->_internal.connecting || e->_internal.connected)) {
        unsigned wanted = e->_internal.interest;
        p.fd = e->_internal.tcp.fd;
        p.events = (short)(((wanted & WIRE_CAN_SEND) || e->_internal.connecting ? POLLOUT : 0) |
                           ((wanted & WIRE_CAN_RECEIVE) && e->_internal.connected ? POLLIN : 0));
        if (p.events == 0) {
            p.fd = -1; /* or its end would wake us for ever */
        }
    }
    return p;
}

/* Ends the wait if there is news or its time is over. */
static elo_err end_wait(struct posix_emulator *e, short revents)
{
    unsigned news = e->_internal.network_down ? 0 : WIRE_NET_UP;
    uint8_t out[8];
    if (!e->_internal.waiting) {
        return ELO_OK;
    }
    news |= (revents & POLLOUT) || (e->_internal.connecting && revents) ? WIRE_CAN_SEND : 0u;
    news |= (revents & (POLLIN | POLLHUP | POLLERR)) ? WIRE_CAN_RECEIVE : 0u;
    news |= e->_internal.serial_len > 0 ? WIRE_SERIAL : 0u;
    /* A connection that the network took along: to be found out by receiving. */
    if (e->_internal.network_down && (e->_internal.interest & WIRE_CAN_RECEIVE)) {
        news |= WIRE_CAN_RECEIVE;
    }
    if ((news & ~(unsigned)WIRE_NET_UP) == 0 && left_ms(e) > 0) {
        return ELO_OK;
    }
    uint64_t passed = passed_ms(e);
    e->_internal.waiting = false;
    put32(out, (uint32_t)(passed < e->_internal.wait_ms ? passed : e->_internal.wait_ms));
    put32(out + 4, posix_clock_unix());
    return answer(e, (uint8_t)news, out, sizeof out) ? ELO_OK : ELO_END;
}

/* Takes in what the board says; a whole question is served. */
static elo_err hear(struct posix_emulator *e)
{
    uint8_t *in = e->_internal.in;
    size_t have = e->_internal.in_len;
    if (have >= WIRE_HEAD && get16(in + 2) > WIRE_PAYLOAD_MAX) {
        return ELO_E_MALFORMED; /* and stays so */
    }
    size_t want = have < WIRE_HEAD ? WIRE_HEAD : WIRE_HEAD + (size_t)get16(in + 2);
    ssize_t n = recv(e->_internal.fd, in + have, want - have, MSG_DONTWAIT);
    if (n < 0) {
        return errno == EAGAIN || errno == EINTR ? ELO_NEED_MORE : ELO_END;
    }
    if (n == 0) {
        return ELO_END;
    }
    have = e->_internal.in_len += (size_t)n;
    if (have < WIRE_HEAD) {
        return ELO_NEED_MORE;
    }
    if (get16(in + 2) > WIRE_PAYLOAD_MAX) {
        return ELO_E_MALFORMED;
    }
    return have == WIRE_HEAD + (size_t)get16(in + 2) ? serve(e) : ELO_OK;
}

/* All that the board has to say now; it says nothing while it waits for us. */
static elo_err hear_all(struct posix_emulator *e)
{
    elo_err err = ELO_OK;
    for (int i = 0; i < ROUNDS_MAX && err == ELO_OK && !e->_internal.waiting; i++) {
        err = hear(e);
    }
    return err == ELO_NEED_MORE ? ELO_OK : err;
}

static elo_err end(struct posix_emulator *e, elo_err err)
{
    if (err == ELO_END && e->_internal.fd >= 0) {
        close(e->_internal.fd);
        e->_internal.fd = -1;
    }
    return err;
}

elo_err posix_emulator_step(struct posix_emulator *e,
                            int timeout_ms,
                            struct pollfd *extra,
                            size_t extra_count)
{
    ELO_ASSERT(extra_count <= POSIX_EMULATOR_EXTRA_MAX);
    struct pollfd fds[2 + POSIX_EMULATOR_EXTRA_MAX];
    if (e->_internal.fd < 0) {
        return ELO_END;
    }
    elo_err err = end_wait(e, 0);
    int left = left_ms(e);
    int wait = left >= 0 && (timeout_ms < 0 || left < timeout_ms) ? left : timeout_ms;
    fds[0] = (struct pollfd){e->_internal.fd, POLLIN, 0};
    fds[1] = interest(e);
    for (size_t i = 0; i < extra_count; i++) {
        fds[2 + i] = extra[i];
        fds[2 + i].revents = 0;
        extra[i].revents = 0;
    }
    if (err != ELO_OK) {
        return end(e, err);
    }
    if (poll(fds, 2 + extra_count, wait) < 0) {
        return errno == EINTR ? ELO_OK : ELO_E_IO;
    }
    for (size_t i = 0; i < extra_count; i++) {
        extra[i].revents = fds[2 + i].revents;
    }
    if (fds[0].revents != 0) {
        err = hear_all(e);
    }
    if (err == ELO_OK) {
        err = end_wait(e, fds[1].revents);
    }
    return end(e, err);
}

/* --- the rest of the outside ---------------------------------------------------------------------
 */

void posix_emulator_serial(struct posix_emulator *e, elo_span bytes)
{
    size_t room = sizeof e->_internal.serial - e->_internal.serial_len;
    size_t n = bytes.len < room ? bytes.len : room;
    if (n > 0) {
        memcpy(e->_internal.serial + e->_internal.serial_len, bytes.ptr, n);
        e->_internal.serial_len += n;
    }
}

void posix_emulator_network(struct posix_emulator *e, bool up)
{
    e->_internal.network_down = !up;
    if (!up) {
        net_close(e);
    }
}
