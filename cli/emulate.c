// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "cli/emulate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/chip.h"
#include "cli/cli.h"
#include "cli/sensors.h"
#include "cli/session.h"
#include "cli/stop.h"
#include "elo/setup/code.h"
#include "elo/store/queue.h"
#include "errors/explain.h"
#include "ports/posix/clock.h"
#include "ports/posix/emulator.h"
#include "ports/posix/file.h"
#include "ports/qemu-lx106/board.h"
#include "ports/qemu-lx106/station.h"

enum {
    LINE_MAX_BYTES = 1200, /* of the serial line; a longer one comes in pieces */
    ROOT_MAX = 4096,
    GOODBYE_MS = 3000, /* to deliver what waits */
    LEAVING_MS = 2000  /* and then to say goodbye */
};

struct emulation {
    const struct emulate_options *o;
    struct posix_emulator emulator;
    char image[PATH_MAX], flash_path[PATH_MAX];
    struct chip chip; /* its flash: held, so that nobody else uses it, and counted in */

    /* What the image reads when it starts. */
    char folder[PATH_MAX]; /* "": there is none now */
    uint8_t key[ELO_TLS_P256_KEY_BYTES];
    uint8_t certificate[STATION_CERTIFICATE_MAX], root[ROOT_MAX];
    size_t certificate_len, root_len;

    char line[LINE_MAX_BYTES];
    size_t line_len;
    bool started; /* ever: the emulator is to be stopped */
    bool heard;   /* since its start the board has said a word */
    bool led, relay;
    bool online, was_online;
    bool paused; /* it measures no more */
    bool done;   /* it has said goodbye */

    uint32_t start_ms;
    long waiting; /* telemetry that is not delivered yet */
    long landed;
    elo_err last_reason, last_refusal, failed;
};

/* --- the image -----------------------------------------------------------------------------------
 */

bool emulate_image(char out[PATH_MAX])
{
    static const char *const places[] = {"share/elo/station.elf", "lx106/station.elf"};
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    for (int i = 0; i < 2; i++) { /* PREFIX/bin/elo, build/release/elo */
        char *slash = strrchr(self, '/');
        self[slash != NULL ? slash - self : 0] = '\0';
    }
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (bundle_path(self, places[i], out) && access(out, R_OK) == 0) {
            return true;
        }
    }
    return false;
}

/* QEMU would run anything as code, for ever. */
static int check_image(const char *path)
{
    static const uint8_t little_endian_elf32[] = {0x7F, 'E', 'L', 'F', 1, 1};
    uint8_t head[20]; /* e_machine is at 18: 94, Tensilica Xtensa */
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        say_error("cannot read the image %s: %s", path, strerror(errno));
        return EXIT_ABSENT;
    }
    bool ok = fread(head, 1, sizeof head, f) == sizeof head &&
              memcmp(head, little_endian_elf32, sizeof little_endian_elf32) == 0 &&
              head[18] == 94 && head[19] == 0;
    fclose(f);
    if (!ok) {
        say_error("%s is no image for the ESP8266's CPU: no ELF file for Xtensa\n"
                  "     `make image` in Elo's source folder builds one",
                  path);
    }
    return ok ? EXIT_OK : EXIT_FAILED;
}

static int find_image(struct emulation *m)
{
    const char *given = m->o->image;
    if (given != NULL && strlen(given) < sizeof m->image) {
        memcpy(m->image, given, strlen(given) + 1);
        return check_image(m->image);
    }
    if (given == NULL && emulate_image(m->image)) {
        return check_image(m->image);
    }
    say_error("there is no image for the emulated board: %s\n"
              "     `make image` in Elo's source folder builds it; --image FILE names another",
              m->image);
    return EXIT_ABSENT;
}

static int find_qemu(void)
{
    if (posix_emulator_available(NULL)) {
        return EXIT_OK;
    }
    say_error("qemu-system-xtensa, which the emulated board runs in, is not installed\n"
              "     On Debian: sudo apt install qemu-system-misc");
    return EXIT_ABSENT;
}

/* --- key and certificates ------------------------------------------------------------------------
 */

/* The base64 between two lines of PEM, decoded behind `*len` bytes that are there. */
static bool add_base64(elo_span text, uint8_t *out, size_t cap, size_t *len)
{
    struct buf packed;
    size_t got = 0;
    buf_init(&packed, 65536);
    for (size_t i = 0; i < text.len; i++) {
        if (elo_base64_value(text.ptr[i]) != 255) {
            buf_byte(&packed, text.ptr[i]);
        }
    }
    bool ok = buf_err(&packed) == ELO_OK &&
              elo_base64_get(buf_span(&packed), out + *len, cap - *len, &got);
    *len += got;
    buf_free(&packed);
    return ok;
}

/* All certificates of a text that has been read before: how many; 0: they do not fit. In DER one
 * behind the other, as the image wants them. */
static int certificates_of(elo_span text, uint8_t *out, size_t cap, size_t *out_len)
{
    static const char begin[] = "-----BEGIN CERTIFICATE-----", end[] = "-----END";
    const char *at = (const char *)text.ptr; /* with a NUL after its end */
    int count = 0;
    *out_len = 0;
    if (text.len > 0 && text.ptr[0] == 0x30) {
        *out_len = text.len <= cap ? text.len : 0;
        memcpy(out, text.ptr, *out_len);
        return *out_len > 0;
    }
    while ((at = strstr(at, begin)) != NULL) {
        at += sizeof begin - 1;
        const char *stop = strstr(at, end);
        if (stop == NULL || !add_base64(elo_span_of(at, (size_t)(stop - at)), out, cap, out_len)) {
            return 0;
        }
        count++;
    }
    return count;
}

/* What a PC takes and the board has no room for is told here: the board could not. */
static int read_credentials(struct emulation *m)
{
    static struct credentials who; /* proves them, and knows what they are */
    const struct bundle *b = m->o->bundle;
    int code = credentials_read(&who, b);
    if (code != EXIT_OK) {
        return code;
    }
    elo_err err = elo_tls_identity_p256_key(&who.identity, m->key);
    credentials_wipe(&who);
    if (err != ELO_OK) {
        say_error("the key in %s is not on P-256, the only kind that the board's image takes\n"
                  "     `elo add` makes such keys; `elo device` without --emulate takes this one",
                  b->dir);
        return EXIT_FAILED;
    }
    if (certificates_of(b->cert, m->certificate, sizeof m->certificate, &m->certificate_len) == 0) {
        say_error("the certificates in %s/cert.pem are larger than the board's %d bytes", b->dir,
                  STATION_CERTIFICATE_MAX);
        return EXIT_FAILED;
    }
    if (certificates_of(b->ca, m->root, sizeof m->root, &m->root_len) != 1) {
        say_error("%s/ca.pem: the board has room for one root\n"
                  "     Leave the one that the server's certificate is of",
                  b->dir);
        return EXIT_FAILED;
    }
    return EXIT_OK;
}

static const char *const file_names[] = {"ca.der", "cert.der", "key.bin"};

static void remove_folder(struct emulation *m)
{
    char path[PATH_MAX];
    for (size_t i = 0; m->folder[0] != '\0' && i < 3; i++) {
        if (bundle_path(m->folder, file_names[i], path)) {
            unlink(path);
        }
    }
    if (m->folder[0] != '\0') {
        rmdir(m->folder);
    }
    m->folder[0] = '\0';
}

/* A folder that is nobody else's, with what the image reads. */
static int make_folder(struct emulation *m)
{
    const elo_span files[] = {elo_span_of(m->root, m->root_len),
                              elo_span_of(m->certificate, m->certificate_len),
                              elo_span_of(m->key, sizeof m->key)};
    const char *place = getenv("XDG_RUNTIME_DIR"), *tmp = getenv("TMPDIR");
    place = place != NULL && place[0] == '/' && access(place, W_OK) == 0 ? place
            : tmp != NULL && tmp[0] == '/'                               ? tmp
                                                                         : "/tmp";
    char path[PATH_MAX];
    bool ok = bundle_path(place, "elo-board-XXXXXX", path) && mkdtemp(path) != NULL;
    if (ok) {
        memcpy(m->folder, path, sizeof m->folder);
    }
    for (size_t i = 0; ok && i < 3; i++) {
        ok = bundle_path(m->folder, file_names[i], path) &&
             posix_file_write(path, files[i], 0600) == ELO_OK;
    }
    if (!ok) {
        say_error("cannot write what the board reads in %s: %s", place, strerror(errno));
        remove_folder(m);
    }
    return ok ? EXIT_OK : EXIT_FAILED;
}

/* --- its flash -----------------------------------------------------------------------------------
 */

/* Messages in the queue, by the library that the image has, too. The board does not run. */
static long count_waiting(const struct emulation *m)
{
    struct chip_region region;
    struct elo_queue queue;
    chip_take(&m->chip, 0, STATION_QUEUE_BYTES, &region);
    bool ok = elo_queue_mount(&queue, &region.dev, ELO_QUEUE_DROP_OLDEST) == ELO_OK;
    return ok ? (long)elo_queue_count(&queue) : 0;
}

static int open_flash(struct emulation *m)
{
    const char *given = m->o->flash_path;
    bool fits = given == NULL ? bundle_path(m->o->bundle->dir, BUNDLE_FLASH_LX106, m->flash_path)
                              : snprintf(m->flash_path, PATH_MAX, "%s", given) < PATH_MAX;
    elo_err err = fits ? chip_open(&m->chip, m->flash_path, STATION_FLASH_BYTES) : ELO_E_NOT_FOUND;
    if (err == ELO_E_CORRUPT || (err == ELO_OK && m->chip.dev->size != STATION_FLASH_BYTES)) {
        say_error("%s is no emulated board's flash, which has %d bytes\n"
                  "     Move it away, or give --flash FILE",
                  m->flash_path, STATION_FLASH_BYTES);
        return EXIT_FAILED;
    }
    return err == ELO_OK ? EXIT_OK : chip_complain(err, m->flash_path);
}

/* --- what the board says -------------------------------------------------------------------------
 */

static const struct elo_reason *reason_of(elo_span slug)
{
    const struct elo_reason *reason;
    for (unsigned i = 0; (reason = elo_reason_at(i)) != NULL; i++) {
        if (elo_span_eq(slug, elo_span_str(reason->slug))) {
            return reason;
        }
    }
    return NULL; /* "E-0", which is none, or one that has no words */
}

static void press(struct emulation *m, const char *key)
{
    posix_emulator_serial(&m->emulator, elo_span_str(key));
}

static void on_telemetry(struct emulation *m, elo_span text)
{
    m->waiting++;
    if (m->o->count > 0 && m->landed + m->waiting >= m->o->count && !m->paused) {
        m->paused = true;
        press(m, "m");
    }
    if (!m->o->quiet || !m->online) {
        say_line("telemetry   %.*s%s", (int)text.len, (const char *)text.ptr,
                 m->online ? "" : "  (queued: offline)");
    }
}

static void on_state(struct emulation *m, elo_span text)
{
    if (!m->o->quiet) {
        say_line("state       %.*s", (int)text.len, (const char *)text.ptr);
    }
}

static void on_online(struct emulation *m, elo_span text)
{
    (void)text;
    m->online = m->was_online = true;
    say_line("online      %s:%d as %s", m->o->bundle->host, m->o->bundle->port,
             m->o->bundle->client_id);
}

static void on_offline(struct emulation *m, elo_span slug)
{
    const struct elo_reason *why = reason_of(slug);
    m->online = false;
    if (why == NULL) {
        say_line("offline     said goodbye");
        return;
    }
    m->last_reason = why->code;
    say_line("offline     %s: %s", why->slug, why->cause);
    say_line("            %s", why->cure);
}

static void on_accepted(struct emulation *m, elo_span text)
{
    (void)m;
    (void)text;
    say_line("command     obeyed");
}

static void on_refused(struct emulation *m, elo_span text)
{
    (void)m;
    (void)text;
    say_line("command     refused: the reply says why");
}

static void say_unsent(const char *what, elo_span slug)
{
    const struct elo_reason *why = reason_of(slug);
    if (why != NULL) {
        say_line("%-11s %s: %s", what, why->slug, why->cause);
    }
}

static void on_delivered(struct emulation *m, elo_span slug)
{
    const struct elo_reason *why = reason_of(slug);
    m->landed++;
    m->waiting -= m->waiting > 0;
    m->last_refusal = why != NULL ? why->code : m->last_refusal;
    say_unsent("not sent", slug);
}

static void on_unsent(struct emulation *m, elo_span slug)
{
    (void)m;
    say_unsent("not sent", slug);
}

static void on_subscribe(struct emulation *m, elo_span slug)
{
    (void)m;
    say_unsent("subscribe", slug);
}

static void on_dropped(struct emulation *m, elo_span number)
{
    char text[12];
    long count = 0;
    snprintf(text, sizeof text, "%.*s", (int)number.len, (const char *)number.ptr);
    if (parse_number(text, 0, INT32_MAX, &count)) {
        m->waiting -= count < m->waiting ? count : m->waiting;
    }
    say_line("outbox      full: %ld older messages dropped", count);
}

static void on_failed(struct emulation *m, elo_span slug)
{
    const struct elo_reason *why = reason_of(slug);
    m->failed = why != NULL ? why->code : ELO_E_IO;
}

static void on_done(struct emulation *m, elo_span text)
{
    (void)text;
    m->done = true;
}

static void on_line(struct emulation *m, elo_span line)
{
    static const struct {
        const char *word;
        bool more; /* something follows */
        void (*run)(struct emulation *m, elo_span rest);
    } words[] = {{"telemetry ", true, on_telemetry},     {"state ", true, on_state},
                 {"delivered ", true, on_delivered},     {"online", false, on_online},
                 {"offline ", true, on_offline},         {"command accepted", false, on_accepted},
                 {"command refused", false, on_refused}, {"unsent ", true, on_unsent},
                 {"subscribe ", true, on_subscribe},     {"dropped ", true, on_dropped},
                 {"failed ", true, on_failed},           {"done", false, on_done}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        elo_span word = elo_span_str(words[i].word);
        if (words[i].more ? elo_span_starts_with(line, word) : elo_span_eq(line, word)) {
            words[i].run(m, elo_span_from(line, word.len));
            return;
        }
    }
    say_line("serial      %.*s", (int)line.len, (const char *)line.ptr);
}

/* By its first word it has read what it reads. */
static void on_word(struct emulation *m)
{
    m->heard = true;
    remove_folder(m);
}

static void on_serial(void *ctx, elo_span bytes)
{
    struct emulation *m = ctx;
    on_word(m);
    for (size_t i = 0; i < bytes.len; i++) {
        char c = (char)bytes.ptr[i];
        bool end = c == '\n';
        if (!end) {
            m->line[m->line_len++] = c >= ' ' || c < 0 ? c : '.';
        }
        if ((end && m->line_len > 0) || m->line_len == sizeof m->line) {
            size_t len = m->line_len;
            m->line_len = 0;
            on_line(m, elo_span_of(m->line, len));
        }
    }
}

/* They are off when the board starts. */
static void say_pin(struct emulation *m, bool *is, const char *name, unsigned pin, bool on)
{
    if (*is != on && !m->o->quiet) {
        say_line("pin         %s (GPIO%u) %s", name, pin, on ? "on" : "off");
    }
    *is = on;
}

static void on_pin(void *ctx, unsigned pin, uint32_t value)
{
    struct emulation *m = ctx;
    if (pin == STATION_PIN_LED) {
        say_pin(m, &m->led, "LED", pin, value != 0);
    } else if (pin == STATION_PIN_RELAY) {
        say_pin(m, &m->relay, "relay", pin, value != 0);
    }
}

/* The image says that it reads a simulated DHT22, and so it does. */
static bool on_sensor(void *ctx, elo_span name, int32_t *out_value)
{
    (void)ctx;
    struct elo_board_reading reading;
    sensors_simulate(posix_clock_unix(), &reading);
    bool warm = elo_span_eq(name, ELO_SPAN("celsius"));
    *out_value = warm ? reading.centi_celsius : reading.centi_percent;
    return warm || elo_span_eq(name, ELO_SPAN("humidity"));
}

/* --- running -------------------------------------------------------------------------------------
 */

static int start(struct emulation *m)
{
    char port[8], interval[24];
    const struct bundle *b = m->o->bundle;
    int code = make_folder(m);
    if (code != EXIT_OK) {
        return code;
    }
    snprintf(port, sizeof port, "%d", b->port);
    snprintf(interval, sizeof interval, "interval=%u", (unsigned)m->o->interval_s);
    const char *args[] = {m->flash_path, m->folder, b->server_name, port,
                          b->client_id,  b->prefix, interval};
    struct posix_emulator_config config = {.image = m->image,
                                           .args = args,
                                           .args_count = sizeof args / sizeof args[0],
                                           .address = b->host,
                                           .port = (uint16_t)b->port,
                                           .on_serial = on_serial,
                                           .on_pin = on_pin,
                                           .on_sensor = on_sensor,
                                           .ctx = m};
    m->heard = m->online = m->led = m->relay = m->done = false;
    m->line_len = 0;
    m->waiting = count_waiting(m);
    m->started = true;
    elo_err err = posix_emulator_start(&m->emulator, &config);
    if (err == ELO_E_TOO_LARGE) {
        say_error("the path of the flash is too long for the board: %s\n"
                  "     Give a shorter one with --flash FILE",
                  m->flash_path);
        return EXIT_FAILED;
    }
    if (err == ELO_OK && m->paused) {
        press(m, "m");
    }
    return err == ELO_OK ? EXIT_OK : say_reason(err, m->image);
}

/* One round. ELO_OK, or why there is no further one. */
static elo_err step(struct emulation *m, int timeout_ms)
{
    struct pollfd extra[] = {{.fd = stop_asked() ? -1 : stop_fd(), .events = POLLIN},
                             {.fd = STDOUT_FILENO}};
    return posix_emulator_step(&m->emulator, timeout_ms, extra, 2);
}

static bool passed(uint32_t now, uint32_t at)
{
    return (int32_t)(now - at) >= 0;
}

/* What was dropped after the last measurement is not measured anew: the board does not go on. */
static bool is_over(const struct emulation *m, uint32_t now)
{
    return stop_asked() || say_is_deaf() || (m->o->count > 0 && m->landed >= m->o->count) ||
           (m->paused && m->waiting == 0) ||
           (m->o->for_ms > 0 && passed(now, m->start_ms + m->o->for_ms));
}

/* It has ended by itself: GO_ON after a restart that was wanted. */
static int judge_end(struct emulation *m, elo_err err)
{
    int code = posix_emulator_stop(&m->emulator);
    if (err != ELO_END) {
        say_error("%s is not the firmware's image: it speaks otherwise", m->image);
        return EXIT_DEVICE;
    }
    if (code == BOARD_EXIT_RESTART) {
        say_line("restart     as a command asked");
        int started = start(m);
        return started == EXIT_OK ? GO_ON : started;
    }
    if (m->failed != ELO_OK) {
        return say_reason(m->failed, "the emulated board");
    }
    if (!m->heard) {
        say_error("the emulated board did not start: qemu-system-xtensa ended with %d\n"
                  "     What it said is above. It must know the CPU lx106 (QEMU 7.2 or newer), and "
                  "the\n     image must be of this version (`make image`): %s",
                  code, m->image);
        return EXIT_DEVICE;
    }
    say_error("the emulated board ended with %d: %s", code,
              code == BOARD_EXIT_EXCEPTION ? "an exception; it is told above"
              : code == BOARD_EXIT_STACK   ? "its stack was too small"
              : code == BOARD_EXIT_HOST    ? "it could not speak with this program"
                                           : "nobody asked it to");
    return EXIT_DEVICE;
}

/* GO_ON: it runs, and its time is over. */
static int run(struct emulation *m)
{
    uint32_t now;
    while (!is_over(m, now = posix_clock_ms())) {
        int left = m->o->for_ms > 0 ? (int)(m->start_ms + m->o->for_ms - now) : -1;
        elo_err err = step(m, left);
        int code = err == ELO_OK ? GO_ON : judge_end(m, err);
        if (code != GO_ON) {
            return code;
        }
    }
    return GO_ON;
}

/* Steps until `what` is true, it has ended, or `ms` have passed. */
static bool await(struct emulation *m, bool (*what)(const struct emulation *m), uint32_t ms)
{
    uint32_t end = posix_clock_ms() + ms;
    elo_err err = ELO_OK;
    while (err == ELO_OK && !what(m) && !passed(posix_clock_ms(), end)) {
        err = step(m, 50);
    }
    return what(m);
}

static bool is_delivered(const struct emulation *m)
{
    return m->waiting == 0;
}

static bool is_done(const struct emulation *m)
{
    return m->done;
}

static int finish(struct emulation *m)
{
    m->paused = true;
    press(m, "m");
    await(m, is_delivered, GOODBYE_MS);
    press(m, "q");
    await(m, is_done, LEAVING_MS);
    posix_emulator_stop(&m->emulator);
    long left = count_waiting(m);
    if (!m->was_online) {
        int code = m->last_reason != ELO_OK ? exit_code_of(m->last_reason) : EXIT_NETWORK;
        return stop_asked() && m->last_reason == ELO_OK ? stop_exit_code() : code;
    }
    if (left > 0) {
        say_error("%ld messages were not delivered; they wait for the next start", left);
        return m->last_reason != ELO_OK ? exit_code_of(m->last_reason) : EXIT_NETWORK;
    }
    return m->last_refusal != ELO_OK ? say_reason(m->last_refusal, "some messages") : EXIT_OK;
}

static int play(struct emulation *m)
{
    stop_watch();
    m->start_ms = posix_clock_ms();
    int code = start(m);
    if (code != EXIT_OK) {
        return code;
    }
    say_line("board       an ESP8266's CPU (lx106) in QEMU runs %s", m->image);
    if (m->waiting > 0) {
        say_line("outbox      %ld messages wait from before", m->waiting);
    }
    code = run(m);
    return code == GO_ON ? finish(m) : code;
}

int emulate(const struct emulate_options *options)
{
    static struct emulation m; /* with its buffers too large for a stack */
    m.o = options;
    m.chip.file.fd = -1;
    int code = find_image(&m);
    code = code == EXIT_OK ? find_qemu() : code;
    code = code == EXIT_OK ? read_credentials(&m) : code;
    code = code == EXIT_OK ? open_flash(&m) : code;
    code = code == EXIT_OK ? play(&m) : code;
    if (m.started) {
        posix_emulator_stop(&m.emulator);
    }
    remove_folder(&m);
    explicit_bzero(m.key, sizeof m.key);
    chip_close(&m.chip);
    return code;
}
