// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* Settings as a whole: defaults, one member by name, the judge. */
#include "elo/setup/settings.h"

#include "elo/setup/internal.h"

void elo__setup_wipe(void *mem, size_t len)
{
    volatile uint8_t *p = (volatile uint8_t *)mem;
    for (size_t i = 0; i < len; i++) {
        p[i] = 0;
    }
}

void elo_settings_defaults(struct elo_settings *s)
{
    memset(s, 0, sizeof *s);
    s->port = ELO_SETTINGS_PORT;
    s->interval_s = 10;
    s->pins[ELO_ROLE_SENSOR] = 4;
    s->pins[ELO_ROLE_SCL] = 5;
    s->pins[ELO_ROLE_RELAY] = 14;
    s->pins[ELO_ROLE_LED] = 2;
    s->pins[ELO_ROLE_BUTTON] = 0;
}

elo_err elo_settings_set(struct elo_settings *s,
                         elo_span name,
                         elo_span value,
                         struct elo_settings_fault *fault)
{
    struct elo__field f;
    size_t i = elo__field_find(name);
    if (i == ELO__FIELD_COUNT) {
        return ELO_E_NOT_FOUND;
    }
    elo__field_at(i, &f);
    return elo__fault(fault, f.name, elo__field_set(s, &f, value));
}

elo_err elo_settings_check(const struct elo_settings *s, struct elo_settings_fault *fault)
{
    struct elo__field f;
    for (size_t i = 0; i < ELO__FIELD_COUNT; i++) {
        elo__field_at(i, &f);
        elo_why why = elo__field_judge(s, &f);
        if (why != ELO_WHY_NONE) {
            return elo__fault(fault, f.name, why);
        }
    }
    return ELO_OK;
}

static bool is_empty(const struct elo_settings *s, const struct elo__field *f)
{
    return f->kind == ELO__KIND_SSID ? s->ssid_len == 0 : ((const char *)s)[f->at] == '\0';
}

elo_err elo_settings_complete(const struct elo_settings *s, struct elo_settings_fault *fault)
{
    struct elo__field f;
    elo_err err = elo_settings_check(s, fault);
    for (size_t i = 0; err == ELO_OK && i < ELO__FIELD_COUNT; i++) {
        elo__field_at(i, &f);
        /* An SSID, client id, host and prefix: the tags 1, 4, 5 and 8. */
        bool must = f.kind != ELO__KIND_SSID_HEX && (0x132u >> f.tag & 1u) != 0;
        if (must && is_empty(s, &f)) {
            err = elo__fault(fault, f.name, ELO_WHY_EMPTY);
        }
    }
    return err;
}
