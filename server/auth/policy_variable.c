// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: whoever evaluates hands over raw values by key; the rules of "X.509 Certificate
 * AWS IoT Core policy variables" (AWS IoT Developer Guide) are applied here, in one place:
 *
 *   - a certificate attribute may have several values, of which five count. The plain name is the
 *     first, NAME.1 the second, NAME.2 the third; NAME.List is all of them, in conditions only;
 *   - a value over 1,024 bytes is as good as none;
 *   - a certificate's value with a `*`, `$`, `+`, `?` or `#` is not substituted in a text;
 *   - in a condition a certificate's value is compared with its special characters
 *     `,` `"` `\` `+` `=` `<` `>` `;` preceded by a backslash, as the guide has them written.
 *
 * Names of keys match in any case ("IAM JSON policy elements: Condition", IAM User Guide).
 */
#include "server/auth/policy_compiled.h"
#include "server/base/text.h"

static bool is_certificate(elo_span key)
{
    return text_begins(key, ELO_SPAN("iot:Certificate."));
}

/* The names of a certificate's attributes: a list by nature, not an attribute with values. */
static bool is_key_list(elo_span key)
{
    return text_same(key, ELO_SPAN("iot:Certificate.AvailableKeys"));
}

static size_t ask(const struct policy_variables *vars, elo_span key, size_t index, elo_span *out)
{
    size_t count = vars->get(vars->ctx, key, index, out);
    return is_certificate(key) && !is_key_list(key) && count > VARIABLE_ITEMS ? VARIABLE_ITEMS
                                                                              : count;
}

/* NAME.1 to NAME.4: the attribute's name and the index it asks for. */
static bool cut_index(elo_span name, elo_span *key, size_t *index)
{
    if (!is_certificate(name) || name.len < 2 || name.ptr[name.len - 2] != '.') {
        return false;
    }
    uint8_t digit = name.ptr[name.len - 1];
    if (digit < '1' || digit >= '0' + VARIABLE_ITEMS) {
        return false;
    }
    *key = elo_span_first(name, name.len - 2);
    *index = (size_t)(digit - '0');
    return true;
}

static bool cut_list(elo_span name, elo_span *key)
{
    const elo_span suffix = ELO_SPAN(".List");
    if (!is_certificate(name) || !text_ends(name, suffix)) {
        return false;
    }
    *key = elo_span_first(name, name.len - suffix.len);
    return true;
}

/* The single value that `name` stands for, its index taken into account. */
static bool single(const struct policy_variables *vars, elo_span name, elo_span *out)
{
    elo_span key = name;
    size_t index = 0;
    (void)cut_index(name, &key, &index);
    return ask(vars, key, index, out) > index && out->len <= VARIABLE_BYTES;
}

static bool has_wildcard(elo_span value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (memchr("*$+?#", value.ptr[i], 5) != NULL) {
            return true;
        }
    }
    return false;
}

bool variable_text(const struct policy_variables *vars, elo_span name, elo_span *out)
{
    return single(vars, name, out) && !(is_certificate(name) && has_wildcard(*out));
}

size_t variable_count(const struct policy_variables *vars, elo_span key)
{
    elo_span base;
    elo_span value;
    if (cut_list(key, &base)) {
        return ask(vars, base, 0, &value);
    }
    if (is_certificate(key) && !is_key_list(key)) {
        return single(vars, key, &value) ? 1 : 0;
    }
    return ask(vars, key, 0, &value);
}

static void escape(elo_span value, struct variable_value *out)
{
    out->len = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (memchr(",\"\\+=<>;", value.ptr[i], 8) != NULL) {
            out->bytes[out->len++] = '\\';
        }
        out->bytes[out->len++] = value.ptr[i];
    }
}

bool variable_value(const struct policy_variables *vars,
                    elo_span key,
                    size_t index,
                    struct variable_value *out)
{
    elo_span base = key;
    (void)(cut_list(key, &base) || cut_index(key, &base, &index));
    elo_span value;
    if (ask(vars, base, index, &value) <= index || value.len > VARIABLE_BYTES) {
        return false;
    }
    if (is_certificate(key)) {
        escape(value, out);
        return true;
    }
    out->len = value.len;
    if (value.len > 0) {
        memcpy(out->bytes, value.ptr, value.len);
    }
    return true;
}
