// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdarg.h>
#include <stdio.h>

#include "server/pki/internal.h"

elo_err pki__fail(struct pki__why why, elo_err err, const char *format, ...)
{
    ERR_clear_error();
    if (why.cap > 0) {
        va_list args;
        va_start(args, format);
        vsnprintf(why.text, why.cap, format, args);
        va_end(args);
    }
    return err;
}

elo_err pki__fail_openssl(struct pki__why why, const char *doing)
{
    if (RAND_status() != 1) {
        return pki__fail(why, ELO_E_ENTROPY, "the machine gave no random bytes for %s", doing);
    }
    return pki__fail(why, ELO_E_NO_MEMORY, "no memory for %s", doing);
}
