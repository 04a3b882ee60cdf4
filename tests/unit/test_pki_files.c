// links: server_pki server_base
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The files of the CA and of the server's certificate: made once, kept, checked, and whole whatever
 * fails while they are written. System calls fail by a seccomp filter in a child process.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>

#include "server/base/mem.h"
#include "server/pki/pki.h"
#include "tests/support/desk_dir.h"

enum { NOW = 1767323045 /* 2026-01-02T03:04:05Z */, DAY = 86400 };

static const int64_t CA_END = NOW + INT64_C(631152000); /* 20 years of 365.25 days */

static elo_err try_open(const struct desk_dir *dir, int64_t now_s, char why[256])
{
    struct pki_ca *ca = NULL;
    elo_err err = pki_ca_open(dir->path, now_s, &ca, why, 256);
    assert_int_equal(ERR_peek_error(), 0);
    pki_ca_close(ca);
    return err;
}

static struct pki_ca *open_ca(const struct desk_dir *dir)
{
    struct pki_ca *ca = NULL;
    char why[256] = "";
    if (pki_ca_open(dir->path, NOW, &ca, why, sizeof why) != ELO_OK) {
        fail_msg("%s", why);
    }
    return ca;
}

/* A folder with a CA in it. */
static struct desk_dir make_desk(void)
{
    struct desk_dir dir = desk_dir_make();
    pki_ca_close(open_ca(&dir));
    return dir;
}

static bool same_file(const struct desk_dir *dir, const char *name, const struct buf *content)
{
    struct buf now = desk_read(dir, name);
    bool same = elo_span_eq(buf_span(&now), buf_span(content));
    buf_free(&now);
    return same;
}

/* --- the CA ---------------------------------------------------------------------------------- */

static void makes_a_ca_once(void **state)
{
    (void)state;
    static const char *const facts[] = {
        "Version: 3 (0x2)",
        "Issuer: O = Elo, CN = Elo desk CA ",
        "Subject: O = Elo, CN = Elo desk CA ",
        "Not Before: Jan  1 03:04:05 2026 GMT",
        "Not After : Jan  2 03:04:05 2046 GMT",
        "ASN1 OID: prime256v1",
        "Basic Constraints: critical\n                CA:TRUE, pathlen:0",
        "Key Usage: critical\n                Certificate Sign, CRL Sign",
        "Signature Algorithm: ecdsa-with-SHA256",
    };
    struct desk_dir dir = desk_dir_make();
    mode_t mask = umask(0077);
    struct pki_ca *ca = open_ca(&dir);
    umask(mask);
    struct buf pem = desk_read(&dir, "ca.pem");
    assert_int_equal(desk_dir_count(&dir), 2);
    assert_int_equal(desk_mode(&dir, "ca.key"), 0600);
    assert_int_equal(desk_mode(&dir, "ca.pem"), 0644);
    assert_true(elo_span_eq(buf_span(&pem), pki_ca_pem(ca)));
    pki_ca_close(ca);
    desk_expect(&dir, "head -1 ca.key", "-----BEGIN PRIVATE KEY-----");
    desk_expect(&dir, "openssl verify -attime 1767323045 -CAfile ca.pem ca.pem", "ca.pem: OK");
    for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++) {
        desk_expect(&dir, "openssl x509 -noout -text -nameopt oneline,-esc_msb -in ca.pem",
                    facts[i]);
    }
    ca = open_ca(&dir);
    assert_true(elo_span_eq(buf_span(&pem), pki_ca_pem(ca)));
    assert_true(same_file(&dir, "ca.pem", &pem));
    pki_ca_close(ca);
    buf_free(&pem);
    desk_dir_remove(&dir);
}

/* A crash between the two files, or a lost certificate: what was issued before stays good. */
static void certifies_a_lone_key_again(void **state)
{
    (void)state;
    struct desk_dir dir = desk_dir_make();
    struct pki_ca *ca = open_ca(&dir);
    struct buf first = desk_read(&dir, "ca.pem");
    struct buf key = desk_read(&dir, "ca.key");
    static const char *const names[] = {"localhost"};
    char why[256];
    assert_int_equal(pki_server_certificate(ca, dir.path, names, 1, NOW, why, sizeof why), ELO_OK);
    pki_ca_close(ca);
    desk_remove(&dir, "ca.pem");
    desk_write(&dir, "ca.pem.new", ELO_SPAN("half of a certif")); /* as a crash leaves it */
    desk_write(&dir, "ca.key.new", ELO_SPAN("-----BEGIN PRIV"));
    pki_ca_close(open_ca(&dir));
    assert_true(same_file(&dir, "ca.key", &key));
    assert_false(same_file(&dir, "ca.pem", &first)); /* another serial number */
    assert_false(desk_has(&dir, "ca.pem.new"));
    desk_expect(&dir, "openssl verify -attime 1767323045 -CAfile ca.pem server.pem", "OK");
    buf_free(&first);
    buf_free(&key);
    desk_dir_remove(&dir);
}

static elo_span junk(const char *kind, struct buf *whole)
{
    if (strcmp(kind, "half") == 0) {
        return elo_span_first(buf_span(whole), buf_span(whole).len / 2);
    }
    return elo_span_str(kind);
}

static void refuses_damaged_files(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        const char *content; /* NULL: removed; "half": cut */
        const char *why[3];
    } cases[] = {
        {"ca.key", NULL, {"ca.pem is there but ca.key is missing", "backup", "new CA"}},
        {"ca.key", "", {"ca.key is not a readable private key", "backup"}},
        {"ca.key", "half", {"ca.key is not a readable private key", "backup"}},
        {"ca.key", "garbage\n", {"ca.key is not a readable private key", "backup"}},
        {"ca.pem", "", {"ca.pem: the PEM text of the certificate is empty", "made again"}},
        {"ca.pem", "half", {"ca.pem: ", "cut short", "backup"}},
        {"ca.pem", "garbage\n", {"ca.pem: no certificate in PEM form", "backup"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct desk_dir dir = make_desk();
        struct buf whole = desk_read(&dir, cases[i].file);
        char why[256] = "";
        if (cases[i].content == NULL) {
            desk_remove(&dir, cases[i].file);
        } else {
            desk_write(&dir, cases[i].file, junk(cases[i].content, &whole));
        }
        assert_int_equal(try_open(&dir, NOW, why), ELO_E_CORRUPT);
        for (size_t j = 0; j < 3 && cases[i].why[j] != NULL; j++) {
            if (strstr(why, cases[i].why[j]) == NULL) {
                fail_msg("%s %s: %s", cases[i].file, cases[i].content, why);
            }
        }
        assert_non_null(strstr(why, dir.path));
        desk_write(&dir, cases[i].file, buf_span(&whole)); /* the backup */
        assert_int_equal(try_open(&dir, NOW, why), ELO_OK);
        buf_free(&whole);
        desk_dir_remove(&dir);
    }
}

static void refuses_a_key_of_another(void **state)
{
    (void)state;
    struct desk_dir dir = make_desk();
    struct desk_dir other = make_desk();
    struct buf key = desk_read(&other, "ca.key");
    char why[256];
    desk_write(&dir, "ca.key", buf_span(&key));
    assert_int_equal(try_open(&dir, NOW, why), ELO_E_CORRUPT);
    assert_non_null(strstr(why, "do not belong together"));
    buf_free(&key);
    desk_dir_remove(&other);
    desk_dir_remove(&dir);
}

/* The last day in ca.pem, of 2046, becomes one of 2049; nothing else changes. */
static void prolong_ca(const struct desk_dir *dir)
{
    static const char old[] = "460102030405Z";
    char command[128];
    snprintf(command, sizeof command, "openssl x509 -in %s/ca.pem -outform DER", dir->path);
    struct buf der = desk_run(command);
    elo_span all = buf_span(&der);
    const uint8_t *at = memmem(all.ptr, all.len, old, strlen(old));
    assert_non_null(at);
    size_t before = (size_t)(at - all.ptr) + 1;
    struct buf altered;
    buf_init(&altered, all.len);
    buf_add(&altered, elo_span_first(all, before));
    buf_byte(&altered, '9');
    buf_add(&altered, elo_span_from(all, before + 1));
    desk_write(dir, "ca.der", buf_span(&altered));
    desk_expect(dir, "openssl x509 -inform DER -in ca.der -out ca.pem && echo done", "done");
    buf_free(&altered);
    buf_free(&der);
}

static void refuses_what_is_no_ca_or_was_altered(void **state)
{
    (void)state;
    static const char *const names[] = {"localhost"};
    struct desk_dir dir = desk_dir_make();
    struct pki_ca *ca = open_ca(&dir);
    char why[256];
    struct buf pem = desk_read(&dir, "ca.pem");
    struct buf key = desk_read(&dir, "ca.key");
    assert_int_equal(pki_server_certificate(ca, dir.path, names, 1, NOW, why, sizeof why), ELO_OK);
    pki_ca_close(ca);
    desk_expect(&dir, "cp server.key ca.key; cp server.pem ca.pem; echo done", "done");
    assert_int_equal(try_open(&dir, NOW, why), ELO_E_CORRUPT);
    assert_non_null(strstr(why, "not the certificate of a CA"));
    desk_write(&dir, "ca.key", buf_span(&key));
    desk_write(&dir, "ca.pem", buf_span(&pem));
    prolong_ca(&dir);
    assert_false(same_file(&dir, "ca.pem", &pem));
    assert_int_equal(try_open(&dir, NOW, why), ELO_E_CORRUPT);
    assert_non_null(strstr(why, "its signature is wrong"));
    buf_free(&pem);
    buf_free(&key);
    desk_dir_remove(&dir);
}

static void minds_the_dates(void **state)
{
    (void)state;
    struct desk_dir dir = make_desk();
    char why[256];
    assert_int_equal(try_open(&dir, CA_END, why), ELO_OK);
    assert_int_equal(try_open(&dir, CA_END + 1, why), ELO_E_CA_EXPIRED);
    assert_int_equal(try_open(&dir, CA_END + 3 * DAY, why), ELO_E_CA_EXPIRED);
    assert_non_null(strstr(why, "ca.pem ended 3 days ago"));
    assert_int_equal(try_open(&dir, NOW - DAY, why), ELO_OK);
    assert_int_equal(try_open(&dir, NOW - DAY - 1, why), ELO_E_CLOCK);
    assert_int_equal(try_open(&dir, 0, why), ELO_E_CLOCK);
    assert_non_null(strstr(why, "set the clock"));
    desk_dir_remove(&dir);
}

static void refuses_a_key_that_others_can_read(void **state)
{
    (void)state;
    static const mode_t modes[] = {0640, 0604, 0620, 0666, 0777};
    struct desk_dir dir = make_desk();
    char path[128];
    char why[256];
    desk_path(&dir, "ca.key", path);
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        assert_int_equal(chmod(path, modes[i]), 0);
        assert_int_equal(try_open(&dir, NOW, why), ELO_E_PERMISSION);
        assert_non_null(strstr(why, "chmod 600"));
    }
    assert_int_equal(chmod(path, 0400), 0);
    assert_int_equal(try_open(&dir, NOW, why), ELO_OK);
    desk_dir_remove(&dir);
}

static void names_the_folder_it_cannot_use(void **state)
{
    (void)state;
    struct desk_dir dir = make_desk();
    struct desk_dir wrong = {.path = "/tmp/elo-pki-no-such-dir"};
    char why[256];
    char path[128];
    assert_int_equal(try_open(&wrong, NOW, why), ELO_E_IO);
    assert_non_null(strstr(why, "cannot open the folder /tmp/elo-pki-no-such-dir: No such file"));
    struct pki_ca *ca = NULL;
    desk_path(&dir, "ca.pem", path);
    assert_int_equal(pki_ca_open(path, NOW, &ca, why, sizeof why), ELO_E_IO);
    desk_remove(&dir, "ca.pem");
    assert_int_equal(mkfifo(path, 0644), 0);
    assert_int_equal(try_open(&dir, NOW, why), ELO_E_IO);
    desk_remove(&dir, "ca.pem");
    char *large = calloc(1, LIMIT_PEM_BYTES + 1);
    desk_write(&dir, "ca.pem", elo_span_of(large, LIMIT_PEM_BYTES + 1));
    assert_int_equal(try_open(&dir, NOW, why), ELO_E_CORRUPT);
    assert_non_null(strstr(why, "far too long"));
    free(large);
    desk_dir_remove(&dir);
}

/* --- faults of the machine ------------------------------------------------------------------- */

/* Runs `work` in a child; its answer is the child's exit status. */
static int
in_child(int (*work)(const struct desk_dir *dir, int arg), const struct desk_dir *dir, int arg)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(work(dir, arg));
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int open_as_nobody(const struct desk_dir *dir, int arg)
{
    (void)arg;
    char why[256];
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) {
        return 100;
    }
    return -try_open(dir, NOW, why);
}

static void needs_a_folder_it_may_write(void **state)
{
    (void)state;
    struct desk_dir dir = desk_dir_make();
    assert_int_equal(chmod(dir.path, 0555), 0);
    assert_int_equal(in_child(open_as_nobody, &dir, 0), -ELO_E_PERMISSION);
    assert_int_equal(desk_dir_count(&dir), 0);
    assert_int_equal(chmod(dir.path, 0700), 0);
    desk_dir_remove(&dir);
}

/* From now on one or two system calls answer `action`. */
static bool filter(long first, long second, uint32_t action)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)first, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)second, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static const struct fault {
    long call;
    long twin; /* the same call by its other name */
    uint32_t action;
    int outcome; /* exit status of the child, or its signal, negative */
} faults[] = {
    {SYS_write, SYS_write, SECCOMP_RET_ERRNO | ENOSPC, -ELO_E_DISK_FULL},
    {SYS_write, SYS_write, SECCOMP_RET_ERRNO | EDQUOT, -ELO_E_DISK_FULL},
    {SYS_write, SYS_write, SECCOMP_RET_ERRNO | EIO, -ELO_E_IO},
    {SYS_fsync, SYS_fdatasync, SECCOMP_RET_ERRNO | EIO, -ELO_E_IO},
    {SYS_fchmod, SYS_fchmod, SECCOMP_RET_ERRNO | EPERM, -ELO_E_PERMISSION},
    {SYS_renameat, SYS_renameat2, SECCOMP_RET_ERRNO | EROFS, -ELO_E_PERMISSION},
    {SYS_flock, SYS_flock, SECCOMP_RET_ERRNO | EIO, -ELO_E_IO},
    {SYS_flock, SYS_flock, SECCOMP_RET_ERRNO | ENOLCK, 0}, /* goes on without */
    {SYS_write, SYS_write, SECCOMP_RET_KILL_PROCESS, -SIGSYS},
    {SYS_fsync, SYS_fdatasync, SECCOMP_RET_KILL_PROCESS, -SIGSYS},
    {SYS_renameat, SYS_renameat2, SECCOMP_RET_KILL_PROCESS, -SIGSYS},
};

static int open_with_fault(const struct desk_dir *dir, int which)
{
    const struct fault *f = &faults[which];
    char why[256];
    if (!filter(f->call, f->twin, f->action)) {
        return 100;
    }
    return -try_open(dir, NOW, why);
}

static void leaves_nothing_half_written(void **state)
{
    (void)state;
    for (int i = 0; i < (int)(sizeof faults / sizeof faults[0]); i++) {
        for (int has_key = 0; has_key < 2; has_key++) {
            struct desk_dir dir = desk_dir_make();
            char why[256];
            if (has_key) {
                pki_ca_close(open_ca(&dir));
                desk_remove(&dir, "ca.pem");
            }
            int outcome = in_child(open_with_fault, &dir, i);
            if (outcome != faults[i].outcome) {
                fail_msg("fault %d: %d", i, outcome);
            }
            /* Killed: a NAME.new may lie there; failed: nothing but whole files. */
            assert_true(outcome < 0 ||
                        (!desk_has(&dir, "ca.key.new") && !desk_has(&dir, "ca.pem.new")));
            assert_true(outcome == 0 || !desk_has(&dir, "ca.pem") || faults[i].call == SYS_fsync);
            assert_int_equal(try_open(&dir, NOW, why), ELO_OK);
            assert_int_equal(desk_dir_count(&dir), 2);
            desk_dir_remove(&dir);
        }
    }
}

static int open_in_company(const struct desk_dir *dir, int arg)
{
    (void)arg;
    char why[256];
    return -try_open(dir, NOW, why);
}

/* Eight servers start in one empty folder: the lock makes one of them first. */
static void starts_in_company(void **state)
{
    (void)state;
    struct desk_dir dir = desk_dir_make();
    char why[256];
    pid_t children[8];
    for (int i = 0; i < 8; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            _exit(open_in_company(&dir, i));
        }
    }
    for (int i = 0; i < 8; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(desk_dir_count(&dir), 2);
    assert_int_equal(try_open(&dir, NOW, why), ELO_OK);
    desk_dir_remove(&dir);
}

static void survives_each_failing_allocation(void **state)
{
    (void)state;
    static const char *const names[] = {"localhost"};
    long failures = 0;
    struct desk_dir dir = desk_dir_make();
    elo_err err = ELO_E_NO_MEMORY;
    char why[256];
    for (long n = 1; n < 100 && err != ELO_OK; n++) {
        struct pki_ca *ca = NULL;
        mem_fail_at(n);
        err = pki_ca_open(dir.path, NOW, &ca, why, sizeof why);
        if (err == ELO_OK) {
            err = pki_server_certificate(ca, dir.path, names, 1, NOW, why, sizeof why);
        }
        mem_fail_at(0);
        pki_ca_close(ca);
        assert_true(err == ELO_OK || err == ELO_E_NO_MEMORY);
        failures += err != ELO_OK;
        /* Again from the start, as each step that succeeded would shorten the way. */
        desk_expect(&dir, "rm -f ca.* server.*; echo done", "done");
    }
    assert_int_equal(err, ELO_OK);
    assert_in_range(failures, 6, 80);
    desk_dir_remove(&dir);
}

/* --- the server's certificate ---------------------------------------------------------------- */

struct desk {
    struct desk_dir dir;
    struct pki_ca *ca;
};

static struct desk open_desk(void)
{
    struct desk d = {.dir = desk_dir_make()};
    d.ca = open_ca(&d.dir);
    return d;
}

static void close_desk(struct desk *d)
{
    pki_ca_close(d->ca);
    desk_dir_remove(&d->dir);
}

static void make_server(struct desk *d, const char *const *names, size_t count, int64_t now_s)
{
    char why[256] = "";
    if (pki_server_certificate(d->ca, d->dir.path, names, count, now_s, why, sizeof why) !=
        ELO_OK) {
        fail_msg("%s", why);
    }
    assert_int_equal(ERR_peek_error(), 0);
}

static const char *const hosts[] = {"localhost", "desk.example.org", "127.0.0.1",
                                    "::1",       "*.iot.local",      "localhost"};

static void makes_the_servers_certificate(void **state)
{
    (void)state;
    static const char *const checks[] = {"-verify_hostname localhost",
                                         "-verify_hostname desk.EXAMPLE.org",
                                         "-verify_hostname a.iot.local",
                                         "-verify_ip 127.0.0.1",
                                         "-verify_ip ::1",
                                         "-purpose sslserver",
                                         "-x509_strict"};
    static const char *const facts[] = {
        "Issuer: O = Elo, CN = Elo desk CA ",
        "Subject: O = Elo, CN = localhost",
        "Not Before: Jan  1 03:04:05 2026 GMT",
        "Not After : Jan  2 03:04:05 2027 GMT",
        "CA:FALSE",
        "Key Usage: critical\n                Digital Signature\n",
        "Extended Key Usage: \n                TLS Web Server Authentication\n",
        "DNS:localhost, DNS:desk.example.org, IP Address:127.0.0.1, IP Address:0:0",
        ":0:0:0:0:0:1, DNS:*.iot.local\n", /* and not localhost twice */
    };
    struct desk d = open_desk();
    char command[256];
    make_server(&d, hosts, 6, NOW);
    assert_int_equal(desk_mode(&d.dir, "server.key"), 0600);
    assert_int_equal(desk_mode(&d.dir, "server.pem"), 0644);
    assert_int_equal(desk_dir_count(&d.dir), 4);
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        snprintf(command, sizeof command,
                 "openssl verify -attime 1767323045 -CAfile ca.pem %s server.pem", checks[i]);
        desk_expect(&d.dir, command, "server.pem: OK");
    }
    for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++) {
        desk_expect(&d.dir, "openssl x509 -noout -text -nameopt oneline,-esc_msb -in server.pem",
                    facts[i]);
    }
    close_desk(&d);
}

static void spoil_nothing(struct desk *d)
{
    (void)d;
}

static void spoil_key(struct desk *d)
{
    desk_write(&d->dir, "server.key", ELO_SPAN("garbage"));
}

static void spoil_certificate(struct desk *d)
{
    desk_write(&d->dir, "server.pem", ELO_SPAN(""));
}

static void lose_key(struct desk *d)
{
    desk_remove(&d->dir, "server.key");
}

static void mix_keys(struct desk *d)
{
    struct buf key = desk_read(&d->dir, "ca.key");
    desk_write(&d->dir, "server.key", buf_span(&key));
    buf_free(&key);
}

static void open_key(struct desk *d)
{
    char path[128];
    desk_path(&d->dir, "server.key", path);
    assert_int_equal(chmod(path, 0644), 0);
}

static void change_ca(struct desk *d)
{
    desk_remove(&d->dir, "ca.key");
    desk_remove(&d->dir, "ca.pem");
    pki_ca_close(d->ca);
    d->ca = open_ca(&d->dir);
}

static void keeps_a_good_pair_and_replaces_others(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        void (*spoil)(struct desk *d);
        int days; /* later */
        size_t first_hosts;
        size_t hosts;
        bool is_kept;
    } cases[] = {
        {"nothing changed", spoil_nothing, 0, 4, 4, true},
        {"fewer names", spoil_nothing, 0, 4, 2, true},
        {"another name", spoil_nothing, 0, 4, 5, false},
        {"30 days left", spoil_nothing, 335, 4, 4, true},
        {"29 days left", spoil_nothing, 336, 4, 4, false},
        {"long over", spoil_nothing, 999, 4, 4, false},
        {"not yet begun", spoil_nothing, -2, 4, 4, false},
        {"a damaged key", spoil_key, 0, 4, 4, false},
        {"an empty certificate", spoil_certificate, 0, 4, 4, false},
        {"no key", lose_key, 0, 4, 4, false},
        {"another key", mix_keys, 0, 4, 4, false},
        {"a key open to others", open_key, 0, 4, 4, false},
        {"another CA", change_ca, 0, 4, 4, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct desk d = open_desk();
        int64_t later = NOW + (int64_t)cases[i].days * DAY;
        make_server(&d, hosts, cases[i].first_hosts, NOW);
        struct buf before = desk_read(&d.dir, "server.pem");
        cases[i].spoil(&d);
        make_server(&d, hosts, cases[i].hosts, later);
        if (same_file(&d.dir, "server.pem", &before) != cases[i].is_kept) {
            fail_msg("%s: %s", cases[i].name, cases[i].is_kept ? "replaced" : "kept");
        }
        assert_int_equal(desk_mode(&d.dir, "server.key"), 0600);
        desk_expect(
            &d.dir,
            "openssl verify -no_check_time -CAfile ca.pem server.pem; openssl pkey -pubout -in "
            "server.key > a; openssl x509 -noout -pubkey -in server.pem | cmp a - && echo same",
            "server.pem: OK\nsame\n");
        buf_free(&before);
        close_desk(&d);
    }
}

static void refuses_what_is_no_name(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",          "a b",          "caf\xc3\xa9.example", ".",  "a..b", "*", "*.", "a*.b", "x\ny",
        "1.2.3.4/8", "fe80::1%eth0", "DNS:localhost",       "a,b"};
    struct desk d = open_desk();
    char why[256];
    char endless[300];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *const names[] = {"localhost", bad[i]};
        assert_int_equal(pki_server_certificate(d.ca, d.dir.path, names, 2, NOW, why, sizeof why),
                         ELO_E_USAGE);
        assert_non_null(strstr(why, "is no host name and no IP address"));
    }
    memset(endless, 'a', sizeof endless);
    endless[254] = '\0';
    const char *const names[] = {endless};
    assert_int_equal(pki_server_certificate(d.ca, d.dir.path, names, 1, NOW, why, sizeof why),
                     ELO_E_USAGE);
    assert_int_equal(pki_server_certificate(d.ca, d.dir.path, names, 0, NOW, why, sizeof why),
                     ELO_E_USAGE);
    assert_int_equal(desk_dir_count(&d.dir), 2);
    endless[253] = '\0'; /* too long for a common name, not for an alternative name */
    make_server(&d, names, 1, NOW);
    desk_expect(&d.dir, "openssl x509 -noout -subject -nameopt oneline -in server.pem",
                "CN = Elo server");
    close_desk(&d);
}

static void ends_no_later_than_the_ca(void **state)
{
    (void)state;
    struct desk d = open_desk();
    make_server(&d, hosts, 1, CA_END - 40 * DAY);
    desk_expect(&d.dir, "openssl x509 -noout -enddate -in server.pem", "Jan  2 03:04:05 2046 GMT");
    close_desk(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_a_ca_once),
        cmocka_unit_test(certifies_a_lone_key_again),
        cmocka_unit_test(refuses_damaged_files),
        cmocka_unit_test(refuses_a_key_of_another),
        cmocka_unit_test(refuses_what_is_no_ca_or_was_altered),
        cmocka_unit_test(minds_the_dates),
        cmocka_unit_test(refuses_a_key_that_others_can_read),
        cmocka_unit_test(names_the_folder_it_cannot_use),
        cmocka_unit_test(needs_a_folder_it_may_write),
        cmocka_unit_test(leaves_nothing_half_written),
        cmocka_unit_test(starts_in_company),
        cmocka_unit_test(survives_each_failing_allocation),
        cmocka_unit_test(makes_the_servers_certificate),
        cmocka_unit_test(keeps_a_good_pair_and_replaces_others),
        cmocka_unit_test(refuses_what_is_no_name),
        cmocka_unit_test(ends_no_later_than_the_ca),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
