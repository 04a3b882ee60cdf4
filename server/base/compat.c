// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "server/base/compat.h"

#include <stddef.h>
#include <string.h>

struct row {
    size_t offset;
    const char *name, *values[2], *about;
};

static const struct row rows[] = {
#define ROW(field, name, v0, v1, about) {offsetof(struct compat, field), name, {v0, v1}, about},
    COMPAT_LIST(ROW)
#undef ROW
};

enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

elo_err compat_set(struct compat *compat, const char *assignment)
{
    const char *equals = strchr(assignment, '=');
    if (equals == NULL) {
        return ELO_E_USAGE;
    }
    size_t name_len = (size_t)(equals - assignment);
    for (unsigned i = 0; i < ROW_COUNT; i++) {
        if (strlen(rows[i].name) != name_len || memcmp(rows[i].name, assignment, name_len) != 0) {
            continue;
        }
        for (unsigned char v = 0; v < 2; v++) {
            if (strcmp(equals + 1, rows[i].values[v]) == 0) {
                ((unsigned char *)compat)[rows[i].offset] = v;
                return ELO_OK;
            }
        }
        return ELO_E_USAGE;
    }
    return ELO_E_NOT_FOUND;
}

bool compat_at(unsigned i,
               const char **out_name,
               const char **out_default,
               const char **out_other,
               const char **out_about)
{
    if (i >= ROW_COUNT) {
        return false;
    }
    *out_name = rows[i].name;
    *out_default = rows[i].values[0];
    *out_other = rows[i].values[1];
    *out_about = rows[i].about;
    return true;
}
