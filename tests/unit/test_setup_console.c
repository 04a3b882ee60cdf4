// links: elo_setup
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* The serial line: frames, the line editor, a desk's session with repeats, losses and resets. */
#include "elo/setup/code.h"
#include "elo/setup/console.h"
#include "tests/support/guard.h"
#include "tests/support/setup_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs those above */
#include <cmocka.h>

static struct setup_world world;
static struct elo_console console;
static char heard[20000];
static uint8_t csr[300];
static uint32_t now;

static void hear(void)
{
    size_t len = 0, n;
    while ((n = elo_console_output(&console, (uint8_t *)heard + len, 7)) > 0) {
        len += n;
        assert_true(len < sizeof heard - 8);
    }
    heard[len] = '\0';
}

static int start(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof csr; i++) {
        csr[i] = (uint8_t)(i * 7);
    }
    now = 1000;
    setup_world_init(&world, ELO_OK, elo_span_of(csr, sizeof csr));
    world.step_ms = 10;
    elo_console_init(&console, &world.setup);
    hear();
    return 0;
}

static const char *type(const char *text)
{
    elo_console_input(&console, elo_span_str(text), now);
    hear();
    return heard;
}

static void run(void)
{
    static char all[8000];
    size_t len = 0;
    for (uint32_t end = now + 1000; now < end; now += 10) {
        setup_world_step(&world, now);
        elo_console_tick(&console, now);
        hear();
        len += (size_t)snprintf(all + len, sizeof all - len, "%s", heard);
    }
    memcpy(heard, all, len + 1);
}

static bool says(const char *words)
{
    return strstr(heard, words) != NULL;
}

/* --- frames --------------------------------------------------------------------------------------
 */

static void frames_there_and_back(void **state)
{
    (void)state;
    for (size_t words = 0; words <= ELO_FRAME_MAX - ELO_FRAME_EDGES; words += 3) {
        char out[ELO_FRAME_MAX], text[ELO_FRAME_MAX];
        struct elo_frame back, f = {0xBEEF, 999999999, elo_span_of(text, words)};
        memset(text, 'w', sizeof text);
        size_t n = elo_frame_write(&f, '<', out, sizeof out);
        assert_true(n > 0 && n <= ELO_FRAME_MAX && out[n - 1] == '\n');
        assert_true(elo_frame_read(elo_span_of(out, n - 1), '<', &back));
        assert_int_equal(back.nonce, 0xBEEF);
        assert_int_equal(back.seq, 999999999);
        assert_true(elo_span_eq(back.words, f.words));
        assert_false(elo_frame_read(elo_span_of(out, n - 1), '>', &back));
        for (size_t i = 0; i < n - 2; i++) { /* any one bit */
            out[i] ^= 4;
            assert_false(elo_frame_read(elo_span_of(out, n - 1), '<', &back));
            out[i] ^= 4;
            assert_false(elo_frame_read(elo_span_of(out, i), '<', &back));
        }
    }
    struct elo_frame big = {1, 1, elo_span_of(heard, ELO_FRAME_MAX - ELO_FRAME_EDGES + 1)};
    char out[400];
    assert_int_equal(elo_frame_write(&big, '<', out, sizeof out), 0);
}

/* --- a desk --------------------------------------------------------------------------------------
 */

static uint32_t seq;
static uint16_t nonce = 0x1234;
static char answer[ELO_FRAME_MAX];

static const char *frame(const char *words)
{
    static char line[ELO_FRAME_MAX + 1];
    struct elo_frame f = {nonce, seq, elo_span_str(words)};
    line[elo_frame_write(&f, '>', line, sizeof line)] = '\0';
    return line;
}

/* What the board answers to `bytes`; empty: nothing. */
static const char *send(const char *bytes)
{
    struct elo_frame f;
    answer[0] = '\0';
    type(bytes);
    char *last = strstr(heard, "elo<");
    if (last != NULL) {
        size_t len = strcspn(last, "\r\n");
        assert_true(elo_frame_read(elo_span_of(last, len), '<', &f));
        assert_int_equal(f.nonce, nonce);
        assert_int_equal(f.seq, seq);
        memcpy(answer, f.words.ptr, f.words.len);
        answer[f.words.len] = '\0';
    }
    return answer;
}

static const char *ask(const char *words)
{
    seq++;
    return send(frame(words));
}

static void hello(void **state)
{
    start(state);
    assert_string_equal(ask("csr 0"), "lost");
    assert_string_equal(ask("hello 1"), "board 1 elo-4f22a1 station-0.1.0 key");
    assert_non_null(strstr(ask("hello 2"), "no -10 "));
    assert_non_null(strstr(ask("hello"), "no -10 "));
    assert_non_null(strstr(ask("dance"), "no -10 "));
    nonce++;
    assert_string_equal(ask("result"), "lost");
    nonce--;
    assert_string_equal(ask("result"), "idle");
}

static void rubbish_around_frames(void **state)
{
    char line[1200];
    start(state);
    seq++;
    snprintf(line, sizeof line, "\x1c\x80l\x9c elo> \xff elo>%s", frame("hello 1"));
    assert_non_null(strstr(send(line), "board 1"));
    memset(line, 'x', 900); /* longer than the line, then a frame without a newline between */
    snprintf(line + 900, sizeof line - 900, "%s", frame("hello 1"));
    assert_non_null(strstr(send(line), "board 1"));
    const char *good = frame("hello 1");
    for (size_t i = 0; i + 2 < strlen(good); i++) { /* each byte lost */
        snprintf(line, sizeof line, "%.*s%s", (int)i, good, good + i + 1);
        assert_string_equal(send(line), "");
        assert_string_equal(send(good), "board 1 elo-4f22a1 station-0.1.0 key");
    }
}

static void the_signing_request(void **state)
{
    uint8_t got[sizeof csr];
    size_t at = 0;
    start(state);
    ask("hello 1");
    while (at < sizeof csr) {
        char words[32];
        unsigned offset = 0, total = 0;
        char base64[200];
        size_t len = 0;
        snprintf(words, sizeof words, "csr %zu", at);
        assert_int_equal(sscanf(ask(words), "csr %u %u %199s", &offset, &total, base64), 3);
        assert_int_equal(offset, at);
        assert_int_equal(total, sizeof csr);
        assert_true(elo_base64_get(elo_span_str(base64), got + at, sizeof got - at, &len));
        at += len;
    }
    assert_memory_equal(got, csr, sizeof csr);
    assert_string_equal(ask("csr 300"), "csr 300 300 ");
    assert_non_null(strstr(ask("csr 301"), "no "));
    assert_non_null(strstr(ask("csr x"), "no "));
    world.csr = elo_span_of(csr, 0);
    assert_string_equal(ask("csr 0"), "wait");
}

static char bundle[9000];
static size_t bundle_len;

static void read_bundle(const char *config)
{
    static const char *const names[] = {"ca.pem", "cert.pem"};
    bundle_len = (size_t)snprintf(bundle, sizeof bundle, "%s\n", config);
    for (size_t i = 0; i < 2; i++) {
        char path[300];
        snprintf(path, sizeof path, ELO_SOURCE_DIR "/tests/vectors/setup/bundle/%s", names[i]);
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        bundle_len += fread(bundle + bundle_len, 1, sizeof bundle - bundle_len - 1, f);
        fclose(f);
    }
}

#define CONFIG                                                                                     \
    "{\"thingName\":\"kitchen\",\"host\":\"10.0.0.2\",\"wifiSsid\":\"Casa da Ana\","               \
    "\"wifiPassphrase\":\"segredo-bom\"}"

static void begin(void)
{
    char words[64];
    snprintf(words, sizeof words, "begin %zu %08x", bundle_len,
             elo_crc32(0, elo_span_of(bundle, bundle_len)));
    assert_string_equal(ask(words), "next 0");
}

static unsigned put(size_t at)
{
    char words[200];
    unsigned next = 0;
    size_t n = bundle_len - at < ELO_FRAME_PIECE ? bundle_len - at : ELO_FRAME_PIECE;
    int len = snprintf(words, sizeof words, "put %zu ", at);
    len += (int)elo_base64_put(elo_span_of(bundle + at, n), words + len);
    words[len] = '\0';
    assert_int_equal(sscanf(ask(words), "next %u", &next), 1);
    return next;
}

static void put_all(void)
{
    for (size_t at = 0; at < bundle_len;) {
        at = put(at);
    }
}

static void a_whole_session(void **state)
{
    start(state);
    read_bundle(CONFIG);
    ask("hello 1");
    begin();
    assert_string_equal(send(heard), "");      /* its own words are none of a desk's */
    assert_int_equal(put(ELO_FRAME_PIECE), 0); /* too early */
    assert_int_equal(put(0), ELO_FRAME_PIECE);
    assert_int_equal(put(0), ELO_FRAME_PIECE);        /* twice */
    assert_non_null(strstr(ask("hello 1"), "board")); /* also late: the session goes on */
    assert_non_null(strstr(ask("end"), "next 120"));
    assert_non_null(strstr(ask("commit"), "no -2"));
    put_all();
    assert_string_equal(ask("end"), "good");
    assert_string_equal(ask("end"), "good");
    assert_string_equal(ask("commit"), "testing joining the Wi-Fi");
    assert_string_equal(send(frame("commit")), "testing joining the Wi-Fi"); /* the same again */
    run();
    assert_string_equal(ask("result"), "saved");
    assert_int_equal(world.saves, 1);
    assert_string_equal(world.stored.client_id, "kitchen");
    assert_string_equal(world.stored.passphrase, "segredo-bom");
}

static void reasons_reach_the_desk(void **state)
{
    start(state);
    ask("hello 1");
    read_bundle("{\"thingName\":\"kitchen\",\"host\":\"h\",\"wifiSsid\":\"nowhere\"}");
    begin();
    put_all();
    assert_string_equal(ask("end"), "good");
    ask("commit");
    run();
    assert_non_null(strstr(ask("result"), "failed -141 No Wi-Fi of this name"));
    read_bundle("{\"thingName\":\"kitchen\",\"host\":\"h\"}"); /* and the board has none */
    begin();
    put_all();
    assert_string_equal(ask("end"), "good");
    assert_non_null(strstr(ask("commit"), "failed -145 wifiSsid: It must not be empty."));
    read_bundle("{\"host\":5}");
    begin();
    put_all();
    assert_non_null(strstr(ask("end"), "bad -145 host: "));
    read_bundle("no json");
    begin();
    put_all();
    assert_non_null(strstr(ask("end"), "bad -146 The config.json is missing."));
    bundle_len = 0;
    begin();
    assert_non_null(strstr(ask("end"), "bad -1 "));
    read_bundle(CONFIG);
    assert_string_equal(ask("begin 5 00000000"), "next 0");
    assert_string_equal(ask("put 0 e319IQ=="), "next 4");
    assert_string_equal(ask("put 4 IQ=="), "next 5");
    assert_non_null(strstr(ask("end"), "bad -105 ")); /* another CRC */
    assert_non_null(strstr(ask("put 0 !!!!"), "no "));
    assert_int_equal(world.saves, 0);
}

static void a_reset_in_between(void **state)
{
    start(state);
    read_bundle(CONFIG);
    ask("hello 1");
    begin();
    assert_int_equal(put(0), ELO_FRAME_PIECE);
    start(state);
    assert_string_equal(ask("put 120 QUJD"), "lost");
    assert_string_equal(ask("commit"), "lost");
}

/* --- a person ------------------------------------------------------------------------------------
 */

static void editing(void **state)
{
    start(state);
    assert_string_equal(type("s"), "s");
    assert_string_equal(type("tx\b"), "tx\b \b");
    assert_string_equal(type("\x1b[A"), ""); /* an arrow key */
    assert_true(strstr(type("atus\r\n"), "atus\r\nboard     elo-4f22a1") != NULL);
    assert_string_equal(type("\n"), "\r\n> ");
    assert_string_equal(type("\b\b\x7f"), "");
    assert_string_equal(type("wi\x15"), "wi\r\n> ");
    assert_string_equal(type("el"), ""); /* it may become a frame */
    assert_string_equal(type("f"), "elf");
    assert_true(strstr(type("\r"), "no such command") != NULL);
    assert_string_equal(type("elo"), "");
    assert_true(strstr(type("\r"), "no such command") != NULL);
    assert_string_equal(type("e\b"), ""); /* nothing is taken away that was not there */
    assert_string_equal(type("elx\b"), "elx\b \b");
    assert_string_equal(type("s"), "s"); /* and nothing comes twice */
    assert_string_equal(type("\b\b\b"), "\b \b\b \b\b \b");
    assert_string_equal(type("elo\b"), "");
    assert_string_equal(type(">"), "el>"); /* this is no frame */
    assert_true(strstr(type("\r"), "no such command") != NULL);
}

static void commands(void **state)
{
    start(state);
    assert_true(strstr(type("help\r"), "forget yes") != NULL && says("\r\n> "));
    assert_true(strstr(type("why\r"), "Nothing has failed.") != NULL);
    type("scan\r");
    run();
    assert_true(says("-49 dBm        Casa da Ana\r\n") && says("open  Caf\xC3\xA9"));
    type("wifi \"Casa da Ana\" wrong-pass\r");
    run();
    assert_true(says("does not accept this passphrase"));
    assert_true(strstr(type("why\r"), "(-140)") != NULL);
    assert_true(strstr(type("wifi \"Casa da Ana\"\r"), "open network): ") != NULL);
    assert_string_equal(type("abc"), "***");
    assert_string_equal(type("\x15"), "\r\n> ");
    type("wifi \"Casa da Ana\"\r");
    assert_string_equal(type("elf"), "***"); /* one for each */
    assert_string_equal(type("\xC3\xA7\b"), "*\b \b");
    assert_string_equal(type("\x15"), "\r\n> ");
    type("wifi \"Casa da Ana\"\r");
    type("abc");
    assert_true(strstr(type("\r"), "8 to 63") != NULL);
    assert_true(strstr(type("interval 0\r"), "outside its range") != NULL);
    assert_true(strstr(type("set nose 1\r"), "no such setting") != NULL);
    assert_true(strstr(type("set relayPin 6\r"), "flash memory") != NULL);
    assert_true(strstr(type("forget\r"), "forget yes") != NULL);
    assert_true(strstr(type("wifi\r"), "Which network") != NULL);
    type("interval 42\r");
    run();
    assert_true(says("works and is saved"));
    assert_int_equal(world.stored.interval_s, 42);
    assert_true(strstr(type("interval 43\r"), "test is running") != NULL);
}

static void forgetting(void **state)
{
    start(state);
    assert_true(strstr(type("forget yes\r"), "Forgotten") != NULL);
    run();
    assert_true(world.forgotten);
    type("reset\r");
    run();
    assert_true(world.restarted);
}

static void hostile_names_on_a_terminal(void **state)
{
    start(state);
    world.network_kind = 2;
    elo_setup_heard(&world.setup, ELO_SPAN("x"), -1, false);
    type("scan\r");
    run();
    for (const char *p = heard; *p != '\0'; p++) {
        assert_true((uint8_t)*p >= 0x20 || *p == '\r' || *p == '\n' || *p == '\b');
        assert_false((uint8_t)p[0] == 0xC2 && (uint8_t)p[1] < 0xA0);
    }
}

static void long_lines_and_rubbish(void **state)
{
    start(state);
    for (unsigned i = 0; i < 600; i++) {
        type("y");
    }
    assert_true(strstr(type("\r"), "too long") != NULL);
    assert_string_equal(type("\x01\x02help\r"), "");
    assert_string_equal(type("\xff\xfe\r"), "\xff\xfe");
    for (unsigned i = 0; i < 20000; i++) { /* whatever comes: bounded, and it recovers */
        uint8_t byte = (uint8_t)((i * 2654435761u) >> 13);
        elo_console_input(&console, elo_span_of(&byte, 1), now);
        hear();
    }
    type("\r");
    assert_true(strstr(type("\rhelp\r"), "forget yes") != NULL);
}

static void nobody_reads(void **state)
{
    start(state);
    for (unsigned i = 0; i < 500; i++) {
        elo_console_input(&console, ELO_SPAN("status\rhelp\r"), now);
    }
    hear();
    seq++;
    assert_non_null(strstr(send(frame("hello 1")), "board"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_there_and_back),
        cmocka_unit_test(hello),
        cmocka_unit_test(rubbish_around_frames),
        cmocka_unit_test(the_signing_request),
        cmocka_unit_test(a_whole_session),
        cmocka_unit_test(reasons_reach_the_desk),
        cmocka_unit_test(a_reset_in_between),
        cmocka_unit_test(editing),
        cmocka_unit_test(commands),
        cmocka_unit_test(forgetting),
        cmocka_unit_test(hostile_names_on_a_terminal),
        cmocka_unit_test(long_lines_and_rubbish),
        cmocka_unit_test(nobody_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
