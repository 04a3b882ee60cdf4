// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a pattern's text is cut once into segments: literal, one, any, variable.
 *
 *     topic/${iot:ClientId}/?-*   ->   "topic/"  ${iot:ClientId}  "/"  one  "-"  any
 *
 * Matching walks segments and text side by side. When they part, only the last `any` seen takes
 * one character more and the walk goes on behind it. Going back to an earlier one could never help:
 * what lies between two of them is matched as far left as it can be, which leaves the later one the
 * most. So the work is at most pattern times text, whatever the pattern.
 *
 * A variable's value is compared byte by byte where it stands. It is never looked at for wildcards:
 * a client that calls itself `*` is allowed what a client called `*` is allowed, no more.
 */
#include "server/auth/policy_compiled.h"

/* --- compiling ---------------------------------------------------------------------------------
 */

static bool is_escapable(uint8_t c)
{
    return c == '*' || c == '?' || c == '$';
}

/*
 * `${*}` (IAM) or `$(*)` (AWS IoT Developer Guide, "AWS IoT Core policy variables"): the character
 * itself. The length of the escape; 0: it is none.
 */
static size_t escape_length(elo_span text)
{
    if (text.len < 4 || !is_escapable(text.ptr[2])) {
        return 0;
    }
    bool braces = text.ptr[1] == '{' && text.ptr[3] == '}';
    bool rounds = text.ptr[1] == '(' && text.ptr[3] == ')';
    return braces || rounds ? 4 : 0;
}

/* `${name}`: the length of all of it; 0: it is none, such as a `$` alone. */
static size_t variable_length(elo_span text)
{
    if (text.len < 4 || text.ptr[1] != '{' || text.ptr[2] == '}') {
        return 0;
    }
    const uint8_t *end = memchr(text.ptr, '}', text.len);
    return end != NULL ? (size_t)(end - text.ptr) + 1 : 0;
}

static bool is_special(uint8_t c, unsigned meaning)
{
    return ((meaning & PATTERN_WILDCARDS) && (c == '*' || c == '?')) ||
           ((meaning & PATTERN_VARIABLES) && c == '$');
}

/* A literal run takes its first byte as it is and stops before the next that may mean something. */
static size_t literal_length(elo_span text, unsigned meaning)
{
    size_t n = 1;
    while (n < text.len && !is_special(text.ptr[n], meaning)) {
        n++;
    }
    return n;
}

/* Cuts the first segment off `text`, which is not empty; the bytes it took. */
static size_t cut_segment(elo_span text, unsigned meaning, struct segment *out)
{
    uint8_t c = text.ptr[0];
    if ((meaning & PATTERN_WILDCARDS) && (c == '*' || c == '?')) {
        *out = (struct segment){c == '*' ? SEGMENT_ANY : SEGMENT_ONE, elo_span_first(text, 1)};
        return 1;
    }
    if ((meaning & PATTERN_VARIABLES) && c == '$') {
        size_t escape = escape_length(text);
        if (escape > 0) {
            *out = (struct segment){SEGMENT_LITERAL, elo_span_of(text.ptr + 2, 1)};
            return escape;
        }
        size_t variable = variable_length(text);
        if (variable > 0) {
            *out = (struct segment){SEGMENT_VARIABLE, elo_span_of(text.ptr + 2, variable - 3)};
            return variable;
        }
    }
    size_t literal = literal_length(text, meaning);
    *out = (struct segment){SEGMENT_LITERAL, elo_span_first(text, literal)};
    return literal;
}

bool pattern_cut(
    elo_span text, unsigned meaning, struct segment *out, size_t cap, size_t *out_count)
{
    *out_count = 0;
    while (text.len > 0) {
        struct segment segment;
        text = elo_span_from(text, cut_segment(text, meaning, &segment));
        if (*out_count < cap) {
            out[*out_count] = segment;
        }
        (*out_count)++;
    }
    return *out_count <= cap;
}

bool pattern_compile(struct arena *arena, elo_span text, unsigned meaning, struct pattern *out)
{
    size_t count = 0;
    (void)pattern_cut(text, meaning, NULL, 0, &count);
    struct segment *segments = arena_alloc(arena, count * sizeof *segments);
    if (segments == NULL) {
        return false;
    }
    out->segments = segments;
    return pattern_cut(text, meaning, segments, count, &out->count);
}

/* --- matching ----------------------------------------------------------------------------------
 */

static uint8_t fold(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

static bool same(elo_span a, elo_span b, enum match_mode mode)
{
    if (mode != MATCH_IGNORE_CASE || a.len != b.len) {
        return elo_span_eq(a, b);
    }
    for (size_t i = 0; i < a.len; i++) {
        if (fold(a.ptr[i]) != fold(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

/* The bytes of the UTF-8 character that begins `text`, which is not empty. */
static size_t character(elo_span text)
{
    size_t n = 1;
    while (n < text.len && (text.ptr[n] & 0xc0) == 0x80) {
        n++;
    }
    return n;
}

/* Where an ARN's sixth field begins: before it a wildcard matches no colon. 0 for other texts. */
static size_t arn_fence(elo_span text, enum match_mode mode)
{
    size_t colons = 0;
    for (size_t i = 0; mode == MATCH_ARN && i < text.len; i++) {
        if (text.ptr[i] == ':' && ++colons == 5) {
            return i;
        }
    }
    return mode == MATCH_ARN ? text.len : 0;
}

struct matcher {
    elo_span text;
    enum match_mode mode;
    size_t fence; /* no wildcard takes a colon at or before it */
    const struct policy_variables *vars;
};

/* Bytes that a wildcard takes at `at` for one character; 0: none can be taken. */
static size_t wild_step(const struct matcher *m, size_t at)
{
    if (at >= m->text.len || (m->fence > 0 && at <= m->fence && m->text.ptr[at] == ':')) {
        return 0;
    }
    return character(elo_span_from(m->text, at));
}

/* Does the segment (not an `any`) stand at `at`? `*step` is what it takes. */
static bool
segment_stands(const struct matcher *m, const struct segment *s, size_t at, size_t *step)
{
    if (s->kind == SEGMENT_ONE) {
        *step = wild_step(m, at);
        return *step > 0;
    }
    elo_span want = s->text;
    if (s->kind == SEGMENT_VARIABLE && !variable_text(m->vars, s->text, &want)) {
        return false;
    }
    *step = want.len;
    return want.len <= m->text.len - at &&
           same(elo_span_first(elo_span_from(m->text, at), want.len), want, m->mode);
}

/*
 * The shortest text the pattern can match, so that most misses cost no search; false: a variable
 * has no value, and the pattern matches nothing.
 */
static bool shortest(const struct pattern *p, const struct policy_variables *vars, size_t *out)
{
    *out = 0;
    for (size_t i = 0; i < p->count; i++) {
        elo_span text = p->segments[i].text;
        switch (p->segments[i].kind) {
        case SEGMENT_ANY:
            break;
        case SEGMENT_ONE:
            *out += 1;
            break;
        case SEGMENT_VARIABLE:
            if (!variable_text(vars, p->segments[i].text, &text)) {
                return false;
            }
            *out += text.len;
            break;
        case SEGMENT_LITERAL:
            *out += text.len;
            break;
        }
    }
    return true;
}

static bool walk(const struct matcher *m, const struct pattern *p)
{
    const size_t none = SIZE_MAX;
    size_t at = 0;
    size_t i = 0;
    size_t any = none; /* the last `any` seen, and where its match ends */
    size_t any_end = 0;
    for (;;) {
        size_t step = 0;
        if (i == p->count && at == m->text.len) {
            return true;
        }
        if (i < p->count && p->segments[i].kind == SEGMENT_ANY) {
            any = i++;
            any_end = at;
        } else if (i < p->count && segment_stands(m, &p->segments[i], at, &step)) {
            i++;
            at += step;
        } else {
            step = any == none ? 0 : wild_step(m, any_end);
            if (step == 0) {
                return false;
            }
            any_end += step;
            at = any_end;
            i = any + 1;
        }
    }
}

bool pattern_match(const struct pattern *pattern,
                   elo_span text,
                   enum match_mode mode,
                   const struct policy_variables *vars)
{
    size_t least = 0;
    if (!shortest(pattern, vars, &least) || least > text.len) {
        return false;
    }
    if (pattern->count == 1 && pattern->segments[0].kind == SEGMENT_ANY) {
        return true;
    }
    struct matcher m = {text, mode, arn_fence(text, mode), vars};
    return walk(&m, pattern);
}

const struct segment *pattern_unresolved(const struct pattern *pattern,
                                         const struct policy_variables *vars)
{
    for (size_t i = 0; i < pattern->count; i++) {
        const struct segment *s = &pattern->segments[i];
        elo_span value;
        if (s->kind == SEGMENT_VARIABLE && !variable_text(vars, s->text, &value)) {
            return s;
        }
    }
    return NULL;
}

bool pattern_text(const struct pattern *pattern,
                  const struct policy_variables *vars,
                  char *buf,
                  size_t cap,
                  size_t *out_len)
{
    size_t len = 0;
    for (size_t i = 0; i < pattern->count; i++) {
        const struct segment *s = &pattern->segments[i];
        elo_span text = s->text;
        if (s->kind == SEGMENT_VARIABLE && !variable_text(vars, s->text, &text)) {
            return false;
        }
        if (text.len > cap - len) {
            return false;
        }
        if (text.len > 0) {
            memcpy(buf + len, text.ptr, text.len);
        }
        len += text.len;
    }
    *out_len = len;
    return true;
}
