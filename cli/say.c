// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "errors/explain.h"

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
    fprintf(stderr, "%s: ", why->slug);
    if (particulars != NULL && particulars[0] != '\0') {
        fprintf(stderr, "%s\n     ", particulars);
    }
    fprintf(stderr, "%s\n     %s\n", why->cause, why->cure);
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
        {ELO_E_CERT_UNKNOWN, ELO_E_TAKEN_OVER, EXIT_REFUSED},
        {ELO_E_CREDENTIALS, ELO_E_SIGNATURE, EXIT_REFUSED},
        {ELO_E_USAGE, ELO_E_USAGE, EXIT_USAGE},
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
