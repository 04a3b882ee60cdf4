// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "tests/support/vector_file.h"

struct vectors vectors;
struct guard guard;

int vector_file_open(void **state, const char *path, size_t room)
{
    (void)state;
    vectors_add(&vectors, path);
    guard_open(&guard, room);
    return 0;
}

int vector_file_close(void **state)
{
    (void)state;
    guard_close(&guard);
    vectors_free(&vectors);
    return 0;
}

const char *err_name(elo_err err)
{
    static const struct {
        elo_err err;
        const char *name;
    } names[] = {
        {ELO_OK, "ELO_E_OK"},
#define ELO_REASON(code, slug, cause, cure) {code, #code},
#include "errors/errors.def"
#undef ELO_REASON
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].err == err) {
            return names[i].name + sizeof "ELO_E_" - 1;
        }
    }
    return "another";
}
