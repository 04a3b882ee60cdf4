// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/setup/form.h"

#include "elo/setup/code.h"

enum { PLAIN, FIRST_DIGIT, SECOND_DIGIT };
enum { IN_VALUE = 4 }; /* a bit of the state */

void elo__form_init(struct elo__form *f)
{
    memset(f, 0, sizeof *f);
}

static bool byte(struct elo__form *f, uint8_t c, elo__form_fn fn, void *ctx)
{
    if ((f->state & IN_VALUE) == 0) {
        f->cut = f->cut || f->name_len == sizeof f->name;
        if (!f->cut) {
            f->name[f->name_len++] = (char)c;
        }
        return true;
    }
    if (f->flows) {
        f->value[0] = (char)c;
        return fn(ctx, f, ELO__FORM_BYTE);
    }
    f->cut = f->cut || f->value_len == sizeof f->value;
    if (!f->cut) {
        f->value[f->value_len++] = (char)c;
    }
    return true;
}

static bool end_pair(struct elo__form *f, elo__form_fn fn, void *ctx)
{
    bool empty = (f->state & IN_VALUE) == 0 && f->name_len == 0;
    bool good = empty || (((f->state & IN_VALUE) != 0 || fn(ctx, f, ELO__FORM_BEGIN)) &&
                          fn(ctx, f, ELO__FORM_END));
    elo__form_init(f);
    return good;
}

static bool on_plain(struct elo__form *f, uint8_t c, elo__form_fn fn, void *ctx)
{
    if (c == '&') {
        return end_pair(f, fn, ctx);
    }
    if (c == '=' && (f->state & IN_VALUE) == 0) {
        f->state = IN_VALUE;
        return fn(ctx, f, ELO__FORM_BEGIN);
    }
    if (c == '%') {
        f->state++;
        return true;
    }
    return byte(f, c == '+' ? ' ' : c, fn, ctx);
}

bool elo__form_input(struct elo__form *f, elo_span bytes, elo__form_fn fn, void *ctx)
{
    bool good = true;
    for (size_t i = 0; good && i < bytes.len; i++) {
        uint8_t c = bytes.ptr[i], step = f->state & 3u, digit = elo_hex_value(c);
        if (step == PLAIN) {
            good = on_plain(f, c, fn, ctx);
        } else if (digit > 15) {
            good = false;
        } else if (step == FIRST_DIGIT) {
            f->nibble = digit;
            f->state++;
        } else {
            f->state &= IN_VALUE;
            good = byte(f, (uint8_t)(f->nibble << 4 | digit), fn, ctx);
        }
    }
    return good;
}

bool elo__form_finish(struct elo__form *f, elo__form_fn fn, void *ctx)
{
    return (f->state & 3u) == PLAIN && end_pair(f, fn, ctx);
}
