// links: elo_setup
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* HTTP requests: the vectors in every split, the limits, and what the portal answers to each. */
#include "elo/setup/portal.h"
#include "tests/support/setup_world.h"
#include "tests/support/vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs those above */
#include <cmocka.h>

static void describe(const struct elo_http *h, char *out, size_t cap)
{
    static const char *const methods[] = {"GET", "HEAD", "POST"};
    if (h->status != 0) {
        snprintf(out, cap, "refused %u", h->status);
    } else {
        snprintf(out, cap, "%s %s %s %s %u", methods[h->method], h->path,
                 h->host[0] ? h->host : "-", h->lang == ELO_LANG_PT ? "pt" : "en", h->body_len);
    }
}

/* In pieces of `first`, then `second` bytes, then the rest. The bytes of the body that came. */
static size_t feed(struct elo_http *h, elo_span all, size_t first, size_t second)
{
    size_t body_len = 0, sizes[3] = {first, second, all.len - first - second};
    elo_http_init(h, ELO_PORTAL_BODY_MAX);
    for (size_t i = 0; i < 3; i++) {
        elo_span body, piece = elo_span_first(all, sizes[i]);
        size_t used = elo_http_input(h, piece, &body);
        assert_true(used <= piece.len);
        assert_true(used == piece.len || h->done || h->status != 0);
        body_len += body.len;
        all = elo_span_from(all, sizes[i]);
    }
    return body_len;
}

static void check_splits(const struct vector *v, const char *is)
{
    struct elo_http h;
    char got[200];
    elo_span all = vector_bytes(v);
    for (size_t i = 0; i <= all.len; i++) {
        size_t body = feed(&h, all, i, i < all.len ? 1 : 0);
        describe(&h, got, sizeof got);
        if (strcmp(got, is) != 0) {
            fail_msg("%s:%u [%s] split at %zu: %s", v->file, v->line, v->name, i, got);
        }
        assert_true(h.status != 0 || (h.done && body == h.body_len));
    }
}

static void check_prefixes(const struct vector *v)
{
    struct elo_http h;
    for (size_t n = 0; n < v->len; n++) {
        feed(&h, elo_span_of(v->bytes, n), 0, 0);
        assert_true(h.status != 0 || !h.done || h.body_len == 0);
    }
}

static unsigned answer_of(elo_span request)
{
    static struct setup_world world;
    static struct elo_portal portal;
    static struct elo_portal_conn conn;
    static const uint8_t address[4] = {192, 168, 4, 1}, random[16] = {1, 2, 3};
    uint8_t out[32] = {0};
    setup_world_init(&world, ELO_OK, elo_span_of("\x30", 1));
    elo_portal_init(&portal, &world.setup, address, random);
    elo_portal_open(&conn, &portal, 0);
    assert_int_equal(elo_portal_output(&conn, out, sizeof out), 0);
    (void)elo_portal_input(&conn, request, 0);
    elo_portal_output(&conn, out, 12);
    elo_portal_close(&conn);
    assert_memory_equal(out, "HTTP/1.1 ", 9);
    return (unsigned)strtoul((const char *)out + 9, NULL, 10);
}

static void vectors(void **state)
{
    struct vectors all = {0};
    (void)state;
    vectors_add(&all, ELO_SOURCE_DIR "/tests/vectors/setup/http.txt");
    assert_true(all.count > 40);
    for (size_t i = 0; i < all.count; i++) {
        const struct vector *v = &all.items[i];
        const char *answer = vector_get(v, "answer");
        check_splits(v, vector_get(v, "is"));
        check_prefixes(v);
        if (answer != NULL && answer_of(vector_bytes(v)) != (unsigned)strtoul(answer, NULL, 10)) {
            fail_msg("%s:%u [%s] answered %u", v->file, v->line, v->name,
                     answer_of(vector_bytes(v)));
        }
    }
    vectors_free(&all);
}

static void a_head_without_end(void **state)
{
    struct elo_http h;
    elo_span body;
    (void)state;
    elo_http_init(&h, 10);
    (void)elo_http_input(&h, ELO_SPAN("GET /"), &body);
    for (size_t i = 0; i < ELO_HTTP_LINE_MAX && h.status == 0; i++) {
        (void)elo_http_input(&h, ELO_SPAN("a"), &body);
    }
    assert_int_equal(h.status, 414);
    elo_http_init(&h, 10);
    (void)elo_http_input(&h, ELO_SPAN("GET / HTTP/1.1\r\nHost: a\r\nX: "), &body);
    size_t n = 0;
    for (; n < ELO_HTTP_HEAD_MAX && h.status == 0; n++) {
        (void)elo_http_input(&h, ELO_SPAN("y"), &body);
    }
    assert_int_equal(h.status, 431);
    assert_int_equal(n, ELO_HTTP_HEAD_MAX - 28 + 1);
    assert_int_equal(elo_http_input(&h, ELO_SPAN("more"), &body), 0);
}

static void long_paths_and_hosts_are_cut(void **state)
{
    struct elo_http h;
    elo_span body;
    char text[400];
    (void)state;
    snprintf(text, sizeof text,
             "GET /%0100d HTTP/1.1\r\nHost: %0100d\r\nX-Elo-Token: %0100d\r\n\r\n", 1, 2, 3);
    elo_http_init(&h, 10);
    (void)elo_http_input(&h, elo_span_str(text), &body);
    assert_true(h.done && h.path_cut && h.host_cut);
    assert_int_equal(strlen(h.path), sizeof h.path - 1);
    assert_int_equal(strlen(h.host), sizeof h.host - 1);
    assert_string_equal(h.token, "");
}

static void every_status_has_words(void **state)
{
    static const unsigned all[] = {200, 302, 303, 400, 403, 404, 405, 408, 409,
                                   411, 413, 414, 415, 417, 431, 501, 505};
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        assert_non_null(elo_http_reason(all[i]));
    }
    assert_null(elo_http_reason(299));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(a_head_without_end),
        cmocka_unit_test(long_paths_and_hosts_are_cut),
        cmocka_unit_test(every_status_has_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
