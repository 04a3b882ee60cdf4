// links: server_main
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* server/main: the small files of the data folder, and by which names a server can be reached. */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/main/files.h"
#include "server/main/names.h"

static char root[64];
static char dir[128]; /* with a space and a letter that is not ASCII */
static char why[512];

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void put(const char *name, const char *text)
{
    FILE *out = fopen(path_of(name), "wb");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static void expect_content(const char *name, const char *text)
{
    char have[1024];
    FILE *in = fopen(path_of(name), "rb");
    assert_non_null(in);
    have[fread(have, 1, sizeof have - 1, in)] = '\0';
    fclose(in);
    assert_string_equal(have, text);
}

static unsigned mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 0777;
}

static int setup(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/elo-files-XXXXXX");
    assert_non_null(mkdtemp(root));
    snprintf(dir, sizeof dir, "%s/a desk/s\xc3\xa3o", root);
    umask(0);
    assert_int_equal(desk_folder(dir, why, sizeof why), ELO_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", root);
    return system(command);
}

static void folders_are_made_for_their_owner_alone(void **state)
{
    (void)state;
    assert_int_equal(mode_of(dir), 0700);
    assert_int_equal(desk_folder(dir, why, sizeof why), ELO_OK);
}

static void what_cannot_be_a_folder_is_said(void **state)
{
    (void)state;
    char path[8192];
    put("file", "");
    assert_int_equal(desk_folder(path_of("file"), why, sizeof why), ELO_E_USAGE);
    assert_non_null(strstr(why, "is a file, not a folder; choose another --data"));
    assert_int_not_equal(desk_folder(path_of("file/below"), why, sizeof why), ELO_OK);
    assert_non_null(strstr(why, "choose another --data"));
    assert_int_equal(desk_folder("", why, sizeof why), ELO_E_USAGE);
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_int_equal(desk_folder(path, why, sizeof why), ELO_E_USAGE);
    assert_int_not_equal(desk_folder("/proc/1/nothing", why, sizeof why), ELO_OK);
    assert_non_null(strstr(why, "/proc/1/nothing"));
    assert_non_null(strstr(why, "choose another --data"));
}

static void files_are_written_whole_with_their_mode(void **state)
{
    (void)state;
    assert_int_equal(desk_write(dir, "x", ELO_SPAN("one"), 0600, why, sizeof why), ELO_OK);
    assert_int_equal(mode_of(path_of("x")), 0600);
    assert_int_equal(desk_write(dir, "x", ELO_SPAN("two"), 0644, why, sizeof why), ELO_OK);
    assert_int_equal(mode_of(path_of("x")), 0644);
    expect_content("x", "two");
    desk_remove(dir, "x");
    desk_remove(dir, "x"); /* harmless */
    assert_int_not_equal(access(path_of("x"), F_OK), 0);
}

static void a_failed_write_leaves_the_old_file_and_nothing_else(void **state)
{
    (void)state;
    char large[2000] = {0};
    assert_int_equal(desk_write(dir, "x", ELO_SPAN("kept"), 0600, why, sizeof why), ELO_OK);
    struct rlimit limit, none;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &none), 0);
    limit = (struct rlimit){1000, none.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    errno = ENOENT; /* what an earlier call has left is not the reason */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    elo_err err = desk_write(dir, "x", elo_span_of(large, sizeof large), 0600, why, sizeof why);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    assert_int_equal(err, ELO_E_IO);
    assert_non_null(strstr(why, "File too large"));
    expect_content("x", "kept");
    assert_int_not_equal(access(path_of(".x.new"), F_OK), 0);
}

static elo_err identity(const char *region, const char *account, struct desk_identity *out)
{
    why[0] = '\0';
    return desk_identity(dir, region, account, out, why, sizeof why);
}

static void an_identity_is_made_once_and_kept(void **state)
{
    (void)state;
    struct desk_identity id;
    desk_remove(dir, "desk.json");
    assert_int_equal(identity("us-east-1", "000000000000", &id), ELO_OK);
    assert_int_not_equal(access(path_of("desk.json"), F_OK), 0); /* nothing is settled yet */
    assert_int_equal(identity("eu-west-1", "123456789012", &id), ELO_OK);
    assert_int_equal(desk_identity_keep(dir, &id, why, sizeof why), ELO_OK);
    assert_int_equal(identity(NULL, NULL, &id), ELO_OK);
    assert_string_equal(id.region, "eu-west-1");
    assert_string_equal(id.account, "123456789012");
    assert_int_equal(identity("eu-west-1", NULL, &id), ELO_OK);
    assert_int_equal(identity("us-east-1", NULL, &id), ELO_E_USAGE);
    assert_non_null(strstr(why, "things of region eu-west-1"));
    assert_int_equal(identity(NULL, "000000000000", &id), ELO_E_USAGE);
    assert_non_null(strstr(why, "start without --account"));
    put("desk.json", "{\"account\": \"123456789012\", \"region\": \"eu-west-1\"}");
    assert_int_equal(identity(NULL, NULL, &id), ELO_OK);
    assert_int_equal(desk_identity_keep(dir, &id, why, sizeof why), ELO_OK); /* as it is */
    expect_content("desk.json", "{\"account\": \"123456789012\", \"region\": \"eu-west-1\"}");
}

static void wishes_that_are_none_make_no_file(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"EU", NULL}, {"", NULL}, {"a b", NULL}, {NULL, "1"}, {NULL, "12345678901x"}, {NULL, ""}};
    struct desk_identity id;
    desk_remove(dir, "desk.json");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(identity(wrong[i][0], wrong[i][1], &id), ELO_E_USAGE);
        assert_int_not_equal(access(path_of("desk.json"), F_OK), 0);
    }
}

static void a_damaged_identity_is_not_guessed(void **state)
{
    (void)state;
    static const char good[] = "{\"account\":\"123456789012\",\"more\":{\"region\":[1]},"
                               "\"region\":\"eu-west-1\"}";
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "{\"region\":\"eu-west-1\"}",
        "{\"region\":\"eu-west-1\",\"account\":123456789012}",
        "{\"region\":\"eu-west-1\",\"account\":\"123456789012\"",
        "{\"region\":\"eu-west-1\",\"account\":\"123456789012\"}}",
        "{\"region\":\"eu-west-1\",\"account\":\"1234567890123\"}",
        "{\"region\":\"eu-west-1\\u0000\",\"account\":\"123456789012\"}",
        "{\"region\":\"eu-west-1\",\"region\":\"us-east-1\",\"account\":\"123456789012\"}",
        "{\"region\":\"eu-west-1\",\"account\":\"123456789012\"} and so on",
    };
    struct desk_identity id;
    put("desk.json", good);
    assert_int_equal(identity(NULL, NULL, &id), ELO_OK);
    assert_string_equal(id.region, "eu-west-1");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        put("desk.json", bad[i]);
        if (identity(NULL, NULL, &id) != ELO_E_CORRUPT) {
            fail_msg("taken: %s", bad[i]);
        }
        assert_non_null(strstr(why, "desk.json"));
        expect_content("desk.json", bad[i]);
    }
}

static elo_err credentials(struct desk_credentials *out)
{
    why[0] = '\0';
    return desk_credentials(dir, "eu-west-1", out, why, sizeof why);
}

static void credentials_are_made_once_and_kept_secret(void **state)
{
    (void)state;
    struct desk_credentials first, second;
    desk_remove(dir, "credentials");
    assert_int_equal(credentials(&first), ELO_OK);
    assert_int_equal(mode_of(path_of("credentials")), 0600);
    assert_int_equal(strlen(first.access_key_id), 20);
    assert_int_equal(strlen(first.secret), 40);
    assert_int_equal(credentials(&second), ELO_OK);
    assert_string_equal(first.access_key_id, second.access_key_id);
    assert_string_equal(first.secret, second.secret);
}

static void credentials_are_found_among_other_profiles(void **state)
{
    (void)state;
    struct desk_credentials c;
    put("credentials", "[default]\r\naws_access_key_id = NO\r\naws_secret_access_key=NO\r\n"
                       "[elo]\r\naws_access_key_id=AKIA2\r\naws_secret_access_key = s/+=\r\n"
                       "[more]\naws_access_key_id = NO\n");
    assert_int_equal(credentials(&c), ELO_OK);
    assert_string_equal(c.access_key_id, "AKIA2");
    assert_string_equal(c.secret, "s/+=");
}

static void credentials_that_cannot_be_are_said(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "[elo]\n",
        "[elo]\naws_access_key_id = A\n",
        "aws_access_key_id=A\n",
        "[elo]\naws_access_key_id = A\naws_secret_access_key =\n",
        "[elo]\naws_access_key_id = ABCDEFGHIJKLMNOPQRSTUVWXYZ\naws_secret_access_key = s\n"};
    struct desk_credentials c;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        put("credentials", bad[i]);
        if (credentials(&c) != ELO_E_CORRUPT) {
            fail_msg("taken: %s", bad[i]);
        }
        assert_non_null(strstr(why, "move it away"));
    }
    FILE *out = fopen(path_of("credentials"), "wb");
    for (int i = 0; i < 20000; i++) {
        fputc('#', out);
    }
    fclose(out);
    assert_int_equal(credentials(&c), ELO_E_CORRUPT);
}

/* --- names --------------------------------------------------------------------------------------
 */

static bool has(const struct server_names *names, const char *text)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->name[i], text) == 0) {
            return true;
        }
    }
    return false;
}

enum { INTERFACES = 40 };
static struct ifaddrs interfaces[INTERFACES];
static struct sockaddr_in addresses[INTERFACES];

/* 10.0.0.0, 10.0.0.1 ...; the first is a loopback, the second is down. */
static const struct ifaddrs *many_interfaces(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        addresses[i] = (struct sockaddr_in){.sin_family = AF_INET,
                                            .sin_addr.s_addr = htonl(0x0a000000u + (uint32_t)i)};
        interfaces[i] = (struct ifaddrs){.ifa_next = i + 1 < count ? &interfaces[i + 1] : NULL,
                                         .ifa_flags = i == 0   ? IFF_UP | IFF_LOOPBACK
                                                      : i == 1 ? 0
                                                               : IFF_UP,
                                         .ifa_addr = (struct sockaddr *)&addresses[i]};
    }
    return interfaces;
}

static void loopback_alone_has_its_names(void **state)
{
    (void)state;
    struct server_names names;
    server_names_of(&names, NULL, NULL, "host", many_interfaces(5));
    assert_int_equal(names.count, 4);
    assert_string_equal(names.best, "localhost");
    assert_true(has(&names, "::1"));
}

static void what_the_user_named_has_room_before_the_machine(void **state)
{
    (void)state;
    struct server_names names;
    server_names_of(&names, "192.0.2.1", "desk.example:8883", "host.lan", many_interfaces(40));
    assert_int_equal(names.count, SERVER_NAMES);
    assert_true(has(&names, "192.0.2.1"));
    assert_true(has(&names, "desk.example"));
    assert_true(has(&names, "host.lan"));
    assert_true(has(&names, "host"));
    assert_true(has(&names, "host.local"));
    assert_false(has(&names, "10.0.0.0"));
    assert_false(has(&names, "10.0.0.1"));
    assert_true(has(&names, "10.0.0.2"));
    assert_string_equal(names.best, "desk.example");
}

static void all_addresses_are_told_by_one_that_can_be_reached(void **state)
{
    (void)state;
    struct server_names names;
    server_names_of(&names, "0.0.0.0", NULL, "my host", many_interfaces(4));
    assert_string_equal(names.best, "10.0.0.2");
    assert_false(has(&names, "my host")); /* no name for a certificate */
    assert_false(has(&names, "0.0.0.0"));
    server_names_of(&names, "::", NULL, "host", NULL);
    assert_string_equal(names.best, "localhost");
    server_names_of(&names, "fe80::1", NULL, "host", NULL);
    assert_string_equal(names.best, "fe80::1");
}

static void an_endpoint_may_have_a_port(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"a.b:443", "a.b"},
                                           {"a.b", "a.b"},
                                           {"[2001:db8::1]:8883", "2001:db8::1"},
                                           {"2001:db8::2", "2001:db8::2"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct server_names names;
        server_names_of(&names, NULL, cases[i][0], "host", NULL);
        assert_string_equal(names.best, cases[i][1]);
        assert_true(has(&names, cases[i][1]));
    }
}

static void this_machine_has_names(void **state)
{
    (void)state;
    struct server_names names;
    server_names_find(&names, "0.0.0.0", NULL);
    assert_true(names.count >= 4);
    assert_non_null(names.best);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders_are_made_for_their_owner_alone),
        cmocka_unit_test(what_cannot_be_a_folder_is_said),
        cmocka_unit_test(files_are_written_whole_with_their_mode),
        cmocka_unit_test(a_failed_write_leaves_the_old_file_and_nothing_else),
        cmocka_unit_test(an_identity_is_made_once_and_kept),
        cmocka_unit_test(wishes_that_are_none_make_no_file),
        cmocka_unit_test(a_damaged_identity_is_not_guessed),
        cmocka_unit_test(credentials_are_made_once_and_kept_secret),
        cmocka_unit_test(credentials_are_found_among_other_profiles),
        cmocka_unit_test(credentials_that_cannot_be_are_said),
        cmocka_unit_test(loopback_alone_has_its_names),
        cmocka_unit_test(what_the_user_named_has_room_before_the_machine),
        cmocka_unit_test(all_addresses_are_told_by_one_that_can_be_reached),
        cmocka_unit_test(an_endpoint_may_have_a_port),
        cmocka_unit_test(this_machine_has_names),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
