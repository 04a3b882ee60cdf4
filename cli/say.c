// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "errors/explain.h"
#include "server/base/buf.h"

bool say_colour(int fd)
{
    const char *no = getenv("NO_COLOR"), *force = getenv("CLICOLOR_FORCE"), *term = getenv("TERM");
    if (no != NULL && no[0] != '\0') {
        return false;
    }
    if (force != NULL && force[0] != '\0' && strcmp(force, "0") != 0) {
        return true;
    }
    return isatty(fd) && term != NULL && strcmp(term, "dumb") != 0;
}

static void prefix(void)
{
    fputs(say_colour(STDERR_FILENO) ? "\033[31melo:\033[0m " : "elo: ", stderr);
}

void say_line(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

void say_error(const char *format, ...)
{
    va_list args;
    prefix();
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

int say_reason(elo_err err, const char *particulars)
{
    const struct elo_reason *why = elo_explain(err);
    prefix();
    fprintf(stderr, "%s: %s\n", why->slug, why->cause);
    if (particulars != NULL && particulars[0] != '\0') {
        fprintf(stderr, "     %s\n", particulars);
    }
    fprintf(stderr, "     %s\n", why->cure);
    return exit_code_of(err);
}

int say_usage(const char *verb, const char *format, ...)
{
    va_list args;
    prefix();
    fprintf(stderr, "%s: ", verb);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "; see `elo %s --help`\n", verb);
    return EXIT_USAGE;
}

static bool reader_is_gone(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    return poll(&out, 1, 0) == 1 && (out.revents & (POLLERR | POLLHUP)) != 0;
}

bool say_is_deaf(void)
{
    return ferror(stdout) != 0 || reader_is_gone();
}

int say_end(int code)
{
    errno = 0;
    bool good = fflush(stdout) == 0 && ferror(stdout) == 0;
    if (good || errno == EPIPE || reader_is_gone()) {
        return code;
    }
    say_error("cannot write to standard output%s%s", errno != 0 ? ": " : "",
              errno != 0 ? strerror(errno) : "");
    return code == EXIT_OK ? EXIT_FAILED : code;
}

const char *shell_word(const char *text, struct buf *out)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789%+,-./:=@_";
    buf_init(out, 65536);
    if (text[0] != '\0' && strspn(text, plain) == strlen(text)) {
        buf_text(out, text);
    } else {
        buf_byte(out, '\'');
        for (const char *p = text; *p != '\0'; p++) {
            buf_text(out, *p == '\'' ? "'\\''" : (char[2]){*p, '\0'});
        }
        buf_byte(out, '\'');
    }
    buf_byte(out, 0);
    return buf_err(out) == ELO_OK ? (const char *)buf_span(out).ptr : "";
}

/* Reasons of a kind lie together in err.h; the first of each range decides. */
int exit_code_of(elo_err err)
{
    static const struct {
        elo_err first, last; /* from -first down to -last */
        int code;
    } ranges[] = {
        {ELO_E_DUPLICATE, ELO_E_DUPLICATE, EXIT_CONFLICT},
        {ELO_E_NOT_FOUND, ELO_E_NOT_FOUND, EXIT_ABSENT},
        {ELO_E_TCP_TIMEOUT, ELO_E_TCP_TIMEOUT, EXIT_TIMEOUT},
        {ELO_E_DNS, ELO_E_NETWORK, EXIT_NETWORK},
        {ELO_E_TLS_CERT_REFUSED, ELO_E_TLS_CERT_REFUSED, EXIT_REFUSED},
        {ELO_E_CLOCK, ELO_E_ENTROPY, EXIT_TLS},
        {ELO_E_CONNACK_TIMEOUT, ELO_E_CONNACK_TIMEOUT, EXIT_TIMEOUT},
        {ELO_E_PING_TIMEOUT, ELO_E_PING_TIMEOUT, EXIT_NETWORK},
        {ELO_E_ACK_TIMEOUT, ELO_E_ACK_TIMEOUT, EXIT_TIMEOUT},
        {ELO_E_CONNACK_VERSION, ELO_E_CLIENTID_TAKEN, EXIT_REFUSED},
        {ELO_E_SERVER_GONE, ELO_E_SERVER_GONE, EXIT_NETWORK},
        {ELO_E_PUBACK_REFUSED, ELO_E_SERVER_REFUSED, EXIT_REFUSED},
        {ELO_E_CERT_UNKNOWN, ELO_E_TAKEN_OVER, EXIT_REFUSED},
        {ELO_E_CREDENTIALS, ELO_E_SIGNATURE, EXIT_REFUSED},
        {ELO_E_USAGE, ELO_E_USAGE, EXIT_USAGE},
        {ELO_E_CONFLICT, ELO_E_CONFLICT, EXIT_CONFLICT},
        {ELO_E_WIFI_PASSPHRASE, ELO_E_WIFI_LOST, EXIT_NETWORK},
        {ELO_E_SERIAL, ELO_E_SERIAL, EXIT_DEVICE},
    };
    if (err >= ELO_OK) {
        return EXIT_OK;
    }
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        if (err <= ranges[i].first && err >= ranges[i].last) {
            return ranges[i].code;
        }
    }
    return EXIT_FAILED;
}
