// links: elo_mqtt
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/mqtt/topic.h"

#include "tests/support/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka.h needs those above */
#include <cmocka.h>

static struct guard guard;
static struct guard second_guard;

static int open_guards(void **state)
{
    (void)state;
    guard_open(&guard, 70000);
    guard_open(&second_guard, 70000);
    return 0;
}

static int close_guards(void **state)
{
    (void)state;
    guard_close(&guard);
    guard_close(&second_guard);
    return 0;
}

static elo_span fenced(const char *text)
{
    return guard_copy(&guard, text, strlen(text));
}

/* Does a filter match a name, by the standard and on AWS? */
static const struct {
    const char *filter;
    const char *name;
    bool standard;
    bool aws;
} matches[] = {
    {"a", "a", true, true},
    {"a", "b", false, false},
    {"a", "A", false, false},
    {"a", "aa", false, false},
    {"aa", "a", false, false},
    {"a/b", "a/b", true, true},
    {"a/b", "a", false, false},
    {"a/b", "a/b/c", false, false},
    {"a", "a/", false, false},
    {"a/", "a", false, false},
    {"a/", "a/", true, true},
    {"/a", "a", false, false},
    {"/", "/", true, true},
    {"//", "/", false, false},
    {"a//b", "a//b", true, true},
    {"a//b", "a/b", false, false},
    {"a b", "a b", true, true},
    {"casa/\xC3\xA3", "casa/\xC3\xA3", true, true},
    {"casa/\xC3\xA3", "casa/\xC3\xA1", false, false},
    {"casa/\xC3\xA3", "casa/a\xCC\x83", false, false}, /* no normalisation */

    {"+", "a", true, true},
    {"+", "a/b", false, false},
    {"+", "/a", false, false},
    {"+", "a/", false, false},
    {"+/+", "/a", true, true},
    {"/+", "/a", true, true},
    {"+/", "a/", true, true},
    {"+/+", "/", true, true},
    {"a/+", "a/b", true, true},
    {"a/+", "a", false, false},
    {"a/+", "a/", true, true},
    {"a/+", "a/b/c", false, false},
    {"a/+/c", "a/b/c", true, true},
    {"a/+/c", "a//c", true, true},
    {"a/+/c", "a/b/b/c", false, false},
    {"+/b/+", "a/b/c", true, true},
    {"+/b", "a/c", false, false},
    {"sport/tennis/+", "sport/tennis/player1", true, true},
    {"sport/tennis/+", "sport/tennis/player1/ranking", false, false},

    {"#", "a", true, true},
    {"#", "a/b/c", true, true},
    {"#", "/", true, true},
    {"#", "/a", true, true},
    {"a/#", "a/b", true, true},
    {"a/#", "a/b/c", true, true},
    {"a/#", "a/", true, true},
    {"a/#", "ab", false, false},
    {"a/#", "b/a", false, false},
    {"a/#", "a", true, false}, /* AWS: the parent level is not included */
    {"a/b/#", "a/b", true, false},
    {"a/b/#", "a", false, false},
    {"a//#", "a/", true, false},
    {"/#", "/", true, true},
    {"/#", "/a", true, true},
    {"/#", "a", false, false},
    {"+/#", "a/b", true, true},
    {"+/#", "a", true, false},
    {"+/#", "/", true, true},
    {"a/+/#", "a/b/c", true, true},
    {"a/+/#", "a/b", true, false},
    {"a/+/#", "a", false, false},
    {"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true, true},

    {"#", "$aws/things/x/shadow/update", false, false},
    {"#", "$", false, false},
    {"+", "$aws", false, false},
    {"+/things", "$aws/things", false, false},
    {"+/#", "$aws/things", false, false},
    {"$aws/#", "$aws/things/x", true, true},
    {"$aws/#", "$aws", true, false},
    {"$aws/things/+/shadow/#", "$aws/things/x/shadow/update/delta", true, true},
    {"$aws/+/x", "$aws/things/x", true, true},
    {"a/#", "a/$b", true, true}, /* only a leading $ is the server's */
    {"a/+", "a/$b", true, true},
    {"/+", "/$aws", true, true},
    {"$SYS/+", "$SYS/a", true, true},
    {"$SYS/+", "$aws/a", false, false},
};

static void test_matches(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof matches / sizeof *matches; i++) {
        elo_span filter = fenced(matches[i].filter);
        elo_span name = guard_copy(&second_guard, matches[i].name, strlen(matches[i].name));
        assert_true(elo_topic_filter_valid(filter));
        assert_true(elo_topic_name_valid(name));
        if (elo_topic_matches(filter, name, true) != matches[i].standard ||
            elo_topic_matches(filter, name, false) != matches[i].aws) {
            fail_msg("%s on %s", matches[i].filter, matches[i].name);
        }
    }
}

/* What a valid string is, as a name and as a filter. */
static const struct {
    const char *text;
    bool name;
    bool filter;
    bool wild;
} valid[] = {
    {"", false, false, false},
    {"a", true, true, false},
    {"/", true, true, false},
    {"//", true, true, false},
    {" ", true, true, false},
    {"a/b/c", true, true, false},
    {"$aws/things", true, true, false},
    {"$", true, true, false},
    {"+", false, true, true},
    {"#", false, true, true},
    {"/+", false, true, true},
    {"/#", false, true, true},
    {"+/", false, true, true},
    {"a/+/b/#", false, true, true},
    {"+/+/+", false, true, true},
    {"#/", false, false, true},
    {"#/a", false, false, true},
    {"a/#/", false, false, true},
    {"a#", false, false, true},
    {"#a", false, false, true},
    {"a/#b", false, false, true},
    {"a/b#", false, false, true},
    {"##", false, false, true},
    {"#/#", false, false, true},
    {"a+", false, false, true},
    {"+a", false, false, true},
    {"a/b+/c", false, false, true},
    {"a/+b/c", false, false, true},
    {"++", false, false, true},
    {"+#", false, false, true},
    {"#+", false, false, true},
    {"$share", true, true, false}, /* a topic like another until a slash follows */
    {"$share/", true, false, false},
    {"$share/g", true, false, false},
    {"$share/g/", true, false, false},
    {"$share//a", true, false, false},
    {"$share/g/a", true, true, false},
    {"$share/g//", true, true, false},
    {"$share/g/+/#", false, true, true},
    {"$share/g/#", false, true, true},
    {"$share/+/a", false, false, true},
    {"$share/#/a", false, false, true},
    {"$share/#", false, false, true},
    {"$share/g+/a", false, false, true},
    {"$share/g#/a", false, false, true},
    {"$share/g/a#", false, false, true},
    {"$share/g/#/a", false, false, true},
    {"$share/g/$share/h/a", true, true, false},
    {"$shared/+", false, true, true},
    {"$SHARE//+", false, true, true},
};

static void test_validity(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof valid / sizeof *valid; i++) {
        elo_span text = fenced(valid[i].text);
        if (elo_topic_name_valid(text) != valid[i].name ||
            elo_topic_filter_valid(text) != valid[i].filter ||
            elo_topic_filter_is_wild(text) != valid[i].wild) {
            fail_msg("%s", valid[i].text);
        }
    }
}

static void test_nul_is_never_valid(void **state)
{
    (void)state;
    const char *const texts[] = {"@", "@a", "a@", "a/@/b", "$share/@/a", "$share/g/@"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char text[16];
        size_t len = strlen(texts[i]);
        memcpy(text, texts[i], len);
        *(char *)memchr(text, '@', len) = '\0';
        assert_false(elo_topic_name_valid(elo_span_of(text, len)));
        assert_false(elo_topic_filter_valid(elo_span_of(text, len)));
    }
}

static void test_length_limit_of_a_string(void **state)
{
    (void)state;
    uint8_t *longest = guard_room(&guard, 65536);
    memset(longest, 'a', 65536);
    assert_true(elo_topic_name_valid(elo_span_of(longest + 1, 65535)));
    assert_true(elo_topic_filter_valid(elo_span_of(longest + 1, 65535)));
    assert_false(elo_topic_name_valid(elo_span_of(longest, 65536)));
    assert_false(elo_topic_filter_valid(elo_span_of(longest, 65536)));
}

static const struct {
    const char *text;
    const char *levels[6]; /* NULL behind the last */
} levels[] = {
    {"", {""}},
    {"a", {"a"}},
    {"/", {"", ""}},
    {"a/", {"a", ""}},
    {"/a", {"", "a"}},
    {"a//b", {"a", "", "b"}},
    {"a/b/c/d", {"a", "b", "c", "d"}},
    {"+/#", {"+", "#"}},
};

static void test_levels(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        elo_span rest = fenced(levels[i].text);
        elo_span level;
        bool done = false;
        size_t n = 0;
        while (elo_topic_next_level(&rest, &done, &level)) {
            assert_non_null(levels[i].levels[n]);
            assert_true(elo_span_eq(level, elo_span_str(levels[i].levels[n])));
            n++;
        }
        assert_null(levels[i].levels[n]);
        assert_true(done && rest.len == 0);
        assert_false(elo_topic_next_level(&rest, &done, &level));
    }
}

static void test_levels_of_nothing(void **state)
{
    (void)state;
    elo_span rest = {NULL, 0};
    elo_span level;
    bool done = false;
    assert_true(elo_topic_next_level(&rest, &done, &level));
    assert_int_equal(level.len, 0);
    assert_false(elo_topic_next_level(&rest, &done, &level));
    assert_false(elo_topic_filter_valid(rest));
    assert_false(elo_topic_name_valid(rest));
    assert_int_equal(elo_topic_slashes(rest), 0);
}

static void test_split_share(void **state)
{
    (void)state;
    elo_span name;
    elo_span filter;
    assert_true(elo_topic_split_share(fenced("$share/group/a/+"), &name, &filter));
    assert_true(elo_span_eq(name, ELO_SPAN("group")));
    assert_true(elo_span_eq(filter, ELO_SPAN("a/+")));
    assert_true(elo_topic_split_share(fenced("$share/g//"), &name, &filter));
    assert_true(elo_span_eq(filter, ELO_SPAN("/")));

    const char *const others[] = {
        "",          "a",        "$share",      "$share/",      "$share/g",    "$share/g/",
        "$share//a", "$share//", "$shared/g/a", "a/$share/g/a", "/$share/g/a", "$SHARE/g/a"};
    name = filter = ELO_SPAN("untouched");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_false(elo_topic_split_share(fenced(others[i]), &name, &filter));
        assert_true(elo_span_eq(name, ELO_SPAN("untouched")));
        assert_true(elo_span_eq(filter, ELO_SPAN("untouched")));
    }
}

/* `prefix` followed by `len` bytes, of which the last `slashes` are slashes. */
static bool within(const char *prefix, size_t len, size_t slashes)
{
    char text[512];
    size_t head = strlen(prefix);
    memcpy(text, prefix, head);
    memset(text + head, 'a', len - slashes);
    memset(text + head + len - slashes, '/', slashes);
    return elo_topic_within_quota(guard_copy(&guard, text, head + len));
}

static void test_quota(void **state)
{
    (void)state;
    const char *const uncounted[] = {"", "$share/workers/", "$aws/rules/store_it/"};
    for (size_t i = 0; i < sizeof uncounted / sizeof *uncounted; i++) {
        assert_true(within(uncounted[i], 256, 0));
        assert_false(within(uncounted[i], 257, 0));
        assert_true(within(uncounted[i], 256, 7));
        assert_false(within(uncounted[i], 256, 8));
        assert_true(within(uncounted[i], 7, 7));
    }
    assert_true(within("$aws/rules/", 245, 0));
    assert_false(within("$aws/rules/", 246, 0));
    assert_false(within("$aws/things/x/", 6, 5));
    assert_true(within("$aws/things/x/", 6, 4));
}

static void test_slashes(void **state)
{
    (void)state;
    assert_int_equal(elo_topic_slashes(fenced("")), 0);
    assert_int_equal(elo_topic_slashes(fenced("a")), 0);
    assert_int_equal(elo_topic_slashes(fenced("/")), 1);
    assert_int_equal(elo_topic_slashes(fenced("a/b/c/d/e/f/g/h")), 7);
    assert_int_equal(elo_topic_slashes(fenced("////////")), 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches),
        cmocka_unit_test(test_validity),
        cmocka_unit_test(test_nul_is_never_valid),
        cmocka_unit_test(test_length_limit_of_a_string),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_levels_of_nothing),
        cmocka_unit_test(test_split_share),
        cmocka_unit_test(test_quota),
        cmocka_unit_test(test_slashes),
    };
    return cmocka_run_group_tests(tests, open_guards, close_guards);
}
