// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "ports/qemu-lx106/board.h"

#include "ports/qemu-lx106/host.h"

#define PAINT         0xA5A5A5A5u
#define CANARY_BYTES  64u
#define CYCLES_PER_MS 102400u /* 80 000 instructions: 32 ns each in QEMU, 40 MHz the counter */
#define ARGV_BYTES    1024
#define TO_HOST       1
#define FROM_HOST     0
#define ERRORS        2
#define MARKS         ((volatile uint32_t *)0x3FFE8000)

struct frame {
    uint32_t a[6], cause, pc, address;
};

extern uint32_t board_stack_top[], board_stack_bottom[], board_bss_end[];

struct frame board_frame;

static struct {
    uint32_t cycles, fraction; /* as of the last look */
    uint32_t ms;
    uint32_t unix_time, unix_ms; /* what the host said, and when */
    uint8_t message[WIRE_HEAD + WIRE_PAYLOAD_MAX];
    uint32_t argv[ARGV_BYTES / 4];
    bool network_up;
    int flash_fd;
    uint32_t flash_cut; /* words until the power goes; 0: it stays */
    uint32_t flash_words[ELO_FLASH_SECTOR / 4];
} board;

void board_main(void) __attribute__((noreturn));
void board_panic(const struct frame *frame) __attribute__((noreturn));

/* --- the end ---------------------------------------------------------------------------------- */

static size_t length_of(const char *text)
{
    size_t len = 0;
    while (text[len] != '\0') {
        len++;
    }
    return len;
}

static void say(const char *text)
{
    host_write(ERRORS, text, length_of(text));
}

static void say_hex(const char *name, uint32_t value)
{
    char text[9];
    for (int i = 0; i < 8; i++) {
        uint32_t digit = value >> (28 - 4 * i) & 15;
        text[i] = (char)(digit < 10 ? '0' + digit : 'a' + digit - 10);
    }
    text[8] = '\0';
    say(name);
    say(text);
}

static const char *cause_name(uint32_t cause)
{
    switch (cause) {
    case 0:
        return "illegal instruction";
    case 2:
        return "instruction fetch";
    case 3:
        return "load or store";
    case 6:
        return "division by zero";
    case 9:
        return "unaligned load or store";
    case 14:
    case 15:
    case 28:
    case 29:
        return "no such address";
    case 20:
        return "no code at this address";
    default:
        return "exception";
    }
}

void board_panic(const struct frame *frame)
{
    say("board: ");
    say(cause_name(frame->cause));
    say_hex(", cause ", frame->cause);
    say_hex(", pc ", frame->pc);
    say_hex(", address ", frame->address);
    say_hex(", a0 ", frame->a[0]);
    say_hex(", a1 ", frame->a[1]);
    say("\n");
    host_exit(BOARD_EXIT_EXCEPTION);
}

static void give_up(const char *why, int code)
{
    say("board: ");
    say(why);
    say("\n");
    host_exit(code);
}

static void check_canary(void)
{
    for (uint32_t i = 0; i < CANARY_BYTES / 4; i++) {
        if (board_stack_bottom[i] != PAINT) {
            give_up("the stack has grown over its end", BOARD_EXIT_STACK);
        }
    }
}

void board_main(void)
{
    if (!host_argv(board.argv, sizeof board.argv)) {
        give_up("too many arguments", BOARD_EXIT_HOST);
    }
    board.cycles = host_cycles();
    board.flash_fd = -1;
    board_wait(0, 0);
    board_exit(app_main(host_argc(), (char **)(uintptr_t)board.argv));
}

void board_exit(int code)
{
    check_canary();
    host_exit(code);
}

/* --- asking the program around the emulator
 * -------------------------------------------------------
 */

static uint32_t get32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put16(uint8_t *p, size_t value)
{
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *p, uint32_t value)
{
    put16(p, value);
    put16(p + 2, value >> 16);
}

static uint8_t *payload(void)
{
    return board.message + WIRE_HEAD;
}

static void copy(void *to, const void *from, size_t len)
{
    uint8_t *out = to;
    const uint8_t *in = from;
    while (len-- > 0) {
        *out++ = *in++;
    }
}

/* Sends the `len` bytes of payload and waits for the answer: its length; `*arg` in and out. */
static size_t ask(enum wire_op op, uint8_t *arg, size_t len)
{
    uint8_t *m = board.message;
    m[0] = (uint8_t)op;
    m[1] = arg != NULL ? *arg : 0;
    put16(m + 2, len);
    if (!host_write(TO_HOST, m, WIRE_HEAD + len) || !host_read(FROM_HOST, m, WIRE_HEAD)) {
        give_up("the program around the emulator is gone", BOARD_EXIT_HOST);
    }
    len = m[2] | (size_t)m[3] << 8;
    if (m[0] != (uint8_t)op || len > WIRE_PAYLOAD_MAX || !host_read(FROM_HOST, payload(), len)) {
        give_up("an answer that makes no sense", BOARD_EXIT_HOST);
    }
    if (arg != NULL) {
        *arg = m[1];
    }
    check_canary();
    return len;
}

/* --- time ------------------------------------------------------------------------------------ */

uint32_t board_ms(void)
{
    uint32_t now = host_cycles();
    uint32_t passed = now - board.cycles;
    board.cycles = now;
    board.fraction += passed % CYCLES_PER_MS;
    board.ms += passed / CYCLES_PER_MS;
    if (board.fraction >= CYCLES_PER_MS) {
        board.fraction -= CYCLES_PER_MS;
        board.ms++;
    }
    return board.ms;
}

uint32_t board_unix(void)
{
    return board.unix_time + (board_ms() - board.unix_ms) / 1000u;
}

unsigned board_wait(uint32_t ms, unsigned interest)
{
    uint8_t arg = (uint8_t)interest;
    put32(payload(), ms);
    if (ask(WIRE_WAIT, &arg, 4) != 8) {
        give_up("an answer that makes no sense", BOARD_EXIT_HOST);
    }
    board.ms += get32(payload());
    board.unix_time = get32(payload() + 4);
    board.unix_ms = board_ms();
    board.network_up = (arg & WIRE_NET_UP) != 0;
    return arg;
}

bool board_network_is_up(void)
{
    return board.network_up;
}

/* --- network --------------------------------------------------------------------------------- */

static elo_err answered(size_t len)
{
    return len >= 4 ? (elo_err)(int32_t)get32(payload()) : ELO_E_IO;
}

elo_err board_net_open(void *ctx, const char *host, uint16_t port)
{
    (void)ctx;
    size_t len = length_of(host);
    if (len > 255) {
        return ELO_E_DNS;
    }
    put16(payload(), port);
    copy(payload() + 2, host, len);
    return answered(ask(WIRE_NET_OPEN, NULL, 2 + len));
}

elo_err board_net_step(void *ctx)
{
    (void)ctx;
    return answered(ask(WIRE_NET_STEP, NULL, 0));
}

elo_err board_net_give_up(void *ctx)
{
    (void)ctx;
    return answered(ask(WIRE_NET_GIVE_UP, NULL, 0));
}

elo_err board_net_send(void *ctx, elo_span bytes, size_t *out_len)
{
    (void)ctx;
    size_t len = bytes.len < WIRE_PAYLOAD_MAX ? bytes.len : WIRE_PAYLOAD_MAX;
    copy(payload(), bytes.ptr, len);
    size_t answer = ask(WIRE_NET_SEND, NULL, len);
    *out_len = answer >= 6 ? payload()[4] | (size_t)payload()[5] << 8 : 0;
    return answered(answer);
}

elo_err board_net_recv(void *ctx, uint8_t *out, size_t cap, size_t *out_len)
{
    (void)ctx;
    put16(payload(), cap < WIRE_PAYLOAD_MAX - 4 ? cap : WIRE_PAYLOAD_MAX - 4);
    size_t answer = ask(WIRE_NET_RECV, NULL, 2);
    *out_len = answer > 4 && answer - 4 <= cap ? answer - 4 : 0;
    copy(out, payload() + 4, *out_len);
    return answered(answer);
}

void board_net_finish(void *ctx)
{
    (void)ctx;
    ask(WIRE_NET_FINISH, NULL, 0);
}

void board_net_close(void *ctx)
{
    (void)ctx;
    ask(WIRE_NET_CLOSE, NULL, 0);
}

int board_net_error(void *ctx)
{
    (void)ctx;
    return 0;
}

void board_net_address(void *ctx, char *out, size_t cap)
{
    (void)ctx;
    size_t len = ask(WIRE_NET_ADDRESS, NULL, 0);
    len = len < cap ? len : cap - 1;
    copy(out, payload(), len);
    out[len] = '\0';
}

const struct elo_net board_net = {.open = board_net_open,
                                  .step = board_net_step,
                                  .give_up = board_net_give_up,
                                  .send = board_net_send,
                                  .recv = board_net_recv,
                                  .finish = board_net_finish,
                                  .close = board_net_close,
                                  .error = board_net_error,
                                  .address = board_net_address};

/* --- serial line, pins, sensors -----------------------------------------------------------------
 */

void board_serial_write(elo_span bytes)
{
    while (bytes.len > 0) {
        size_t len = bytes.len < WIRE_PAYLOAD_MAX ? bytes.len : WIRE_PAYLOAD_MAX;
        copy(payload(), bytes.ptr, len);
        ask(WIRE_SERIAL_OUT, NULL, len);
        bytes = elo_span_of(bytes.ptr + len, bytes.len - len);
    }
}

size_t board_serial_read(uint8_t *out, size_t cap)
{
    put16(payload(), cap < WIRE_PAYLOAD_MAX ? cap : WIRE_PAYLOAD_MAX);
    size_t len = ask(WIRE_SERIAL_IN, NULL, 2);
    len = len < cap ? len : cap;
    copy(out, payload(), len);
    return len;
}

void board_print_span(elo_span text)
{
    board_serial_write(text);
}

void board_print(const char *text)
{
    board_serial_write(elo_span_of((const uint8_t *)text, length_of(text)));
}

size_t board_number_put(uint32_t value, uint8_t out[BOARD_NUMBER_MAX])
{
    uint8_t text[BOARD_NUMBER_MAX];
    size_t at = sizeof text;
    do {
        text[--at] = (uint8_t)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    copy(out, text + at, sizeof text - at);
    return sizeof text - at;
}

void board_print_number(uint32_t value)
{
    uint8_t text[BOARD_NUMBER_MAX];
    board_serial_write(elo_span_of(text, board_number_put(value, text)));
}

void board_tell(const char *what, elo_span more)
{
    say(what);
    host_write(ERRORS, more.ptr, more.len);
    say("\n");
}

void board_pin_write(unsigned pin, uint32_t value)
{
    uint8_t arg = (uint8_t)pin;
    put32(payload(), value);
    ask(WIRE_PIN, &arg, 4);
}

bool board_sensor_read(const char *name, int32_t *out_value)
{
    uint8_t known = 0;
    size_t len = length_of(name);
    len = len < 64 ? len : 64;
    copy(payload(), name, len);
    if (ask(WIRE_SENSOR, &known, len) < 4 || known == 0) {
        return false;
    }
    *out_value = (int32_t)get32(payload());
    return true;
}

/* --- random bytes, files
 * --------------------------------------------------------------------------
 */

long board_file_read(const char *path, void *out, size_t cap)
{
    int fd = host_open(path, HOST_READ);
    if (fd < 0) {
        return -1;
    }
    uint8_t more;
    long len = host_read_some(fd, out, cap);
    if (len == (long)cap && host_read_some(fd, &more, 1) != 0) {
        len = -1;
    }
    host_close(fd);
    return len;
}

elo_span board_folder_read(const char *dir, const char *name, void *out, size_t cap)
{
    char path[256];
    size_t dir_len = length_of(dir), name_len = length_of(name);
    if (dir_len + name_len + 2 > sizeof path) {
        return elo_span_of(out, 0);
    }
    copy(path, dir, dir_len);
    path[dir_len] = '/';
    copy(path + dir_len + 1, name, name_len + 1);
    long len = board_file_read(path, out, cap);
    return elo_span_of(out, len > 0 ? (size_t)len : 0);
}

uint32_t board_number(const char *text)
{
    uint32_t value = 0;
    for (; *text >= '0' && *text <= '9'; text++) {
        value = value * 10 + (uint32_t)(*text - '0');
    }
    return value;
}

const char *board_option(const char *arg, const char *key)
{
    while (*key != '\0' && *arg == *key) {
        arg++;
        key++;
    }
    return *key == '\0' ? arg : NULL;
}

elo_err board_entropy(void *ctx, uint8_t *out, size_t len)
{
    (void)ctx;
    int fd = host_open("/dev/urandom", HOST_READ);
    bool good = fd >= 0 && host_read(fd, out, len);
    if (fd >= 0) {
        host_close(fd);
    }
    return good ? ELO_OK : ELO_E_ENTROPY;
}

uint32_t board_random(void *ctx)
{
    uint32_t value = 0;
    if (board_entropy(ctx, (uint8_t *)&value, sizeof value) != ELO_OK) {
        value = host_cycles() * 2654435761u; /* spread over all 32 bits */
    }
    return value;
}

/* --- flash ----------------------------------------------------------------------------------- */

/* `ctx` is where the region begins. */
static long place(void *ctx, uint32_t at)
{
    return (long)((uintptr_t)ctx + at);
}

static elo_err flash_read(void *ctx, uint32_t at, void *out, size_t len)
{
    if (((at | len | (uintptr_t)out) & 3) != 0 ||
        host_seek(board.flash_fd, place(ctx, at), false) < 0 ||
        !host_read(board.flash_fd, out, len)) {
        return ELO_E_IO;
    }
    return ELO_OK;
}

static elo_err flash_put(void *ctx, uint32_t at, size_t len)
{
    if (host_seek(board.flash_fd, place(ctx, at), false) < 0 ||
        !host_write(board.flash_fd, board.flash_words, len)) {
        return ELO_E_IO;
    }
    return ELO_OK;
}

/* How many of `words` are still programmed, when the power goes meanwhile. */
static size_t until_cut(size_t words)
{
    if (board.flash_cut == 0) {
        return words;
    }
    size_t left = board.flash_cut;
    board.flash_cut -= words < left ? (uint32_t)words : board.flash_cut;
    return words < left ? words : left;
}

static void cut_power(void *ctx, uint32_t at, size_t words)
{
    flash_put(ctx, at, words * 4);
    give_up("the power is cut", BOARD_EXIT_POWER);
}

/* NOR: bits only fall. */
static elo_err flash_program(void *ctx, uint32_t at, const void *data, size_t len)
{
    const uint32_t *from = data;
    elo_err err = ELO_OK;
    if (((uintptr_t)data & 3) != 0) {
        return ELO_E_IO;
    }
    while (len > 0 && err == ELO_OK) {
        size_t n = (len < ELO_FLASH_SECTOR ? len : ELO_FLASH_SECTOR) / 4;
        bool armed = board.flash_cut != 0;
        size_t whole = until_cut(n);
        bool cut = armed && board.flash_cut == 0;
        err = flash_read(ctx, at, board.flash_words, n * 4);
        for (size_t i = 0; i < whole; i++) {
            board.flash_words[i] &= cut && i + 1 == whole ? from[i] | 0xFFFF00FFu : from[i];
        }
        if (cut && err == ELO_OK) {
            cut_power(ctx, at, whole);
        }
        err = err == ELO_OK ? flash_put(ctx, at, n * 4) : err;
        at += (uint32_t)n * 4;
        from += n;
        len -= n * 4;
    }
    return err;
}

static elo_err flash_erase(void *ctx, uint32_t at)
{
    if (at % ELO_FLASH_SECTOR != 0) {
        return ELO_E_IO;
    }
    for (size_t i = 0; i < ELO_FLASH_SECTOR / 4; i++) {
        board.flash_words[i] = UINT32_MAX;
    }
    if (board.flash_cut != 0 && --board.flash_cut == 0) {
        cut_power(ctx, at, ELO_FLASH_SECTOR / 8);
    }
    return flash_put(ctx, at, ELO_FLASH_SECTOR);
}

void board_flash_region(struct elo_flash_dev *dev, uint32_t at, uint32_t size)
{
    dev->ctx = (void *)(uintptr_t)at;
    dev->size = size;
    dev->read = flash_read;
    dev->program = flash_program;
    dev->erase = flash_erase;
}

elo_err board_flash_open(const char *path, uint32_t size)
{
    if (board.flash_fd >= 0) {
        host_close(board.flash_fd);
    }
    board.flash_fd = host_open(path, HOST_READ_WRITE | HOST_CREATE);
    long have = board.flash_fd < 0 ? -1 : host_seek(board.flash_fd, 0, true);
    if (have < 0 || have % (long)ELO_FLASH_SECTOR != 0) {
        return ELO_E_IO;
    }
    for (uint32_t at = (uint32_t)have; at < size; at += ELO_FLASH_SECTOR) {
        elo_err err = flash_erase(NULL, at);
        if (err != ELO_OK) {
            return err;
        }
    }
    return ELO_OK;
}

void board_flash_cut(uint32_t words)
{
    board.flash_cut = words;
}

/* --- measuring -------------------------------------------------------------------------------- */

void board_begin(enum board_section section)
{
    MARKS[2 * section] = 1;
}

void board_end(enum board_section section)
{
    MARKS[2 * section + 1] = 1;
}

__attribute__((noinline)) void board_stack_paint(void)
{
    uint32_t *here = __builtin_frame_address(0);
    here -= 16; /* our own frame */
    for (uint32_t *p = board_stack_bottom; p < here; p++) {
        *p = PAINT;
    }
}

uint32_t board_stack_used(void)
{
    const uint32_t *p = board_stack_bottom;
    while (p < board_stack_top && *p == PAINT) {
        p++;
    }
    return (uint32_t)(board_stack_top - p) * 4;
}

uint32_t board_stack_size(void)
{
    return (uint32_t)(board_stack_top - board_stack_bottom) * 4;
}
