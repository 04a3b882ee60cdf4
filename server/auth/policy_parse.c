// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: every object is read in two steps. First its members are noted as raw text in a
 * small table, which finds unknown and repeated names and does not care about their order (Version
 * may come last and still decides whether `${` means a variable). Then each member is read by a
 * reader of its own. So the whole text is checked to be JSON before anything is compiled, and
 * faults come out in a fixed order.
 *
 * What is refused is what AWS IoT refuses with MalformedPolicyException; `why` begins with AWS's
 * words and goes on with the place: "Policy document is Malformed: statement 2: Resource 1 ...".
 */
#include "elo/json/read.h"
#include "server/auth/policy_compiled.h"
#include "server/base/limits.h"
#include "server/base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

struct parser {
    struct policy *policy;
    size_t statement; /* the one being read, from 1; 0: none */
    char *why;
    size_t why_cap;
};

/* --- saying why --------------------------------------------------------------------------------
 */

/* For "%.*s": the start of a text taken from the document, cut between characters. */
enum { QUOTE_BYTES = 60 };

static int quote_len(elo_span text)
{
    size_t n = text.len;
    if (n > QUOTE_BYTES) {
        for (n = QUOTE_BYTES; n > 0 && (text.ptr[n] & 0xc0) == 0x80;) {
            n--;
        }
    }
    return (int)n;
}

#define QUOTE(text) quote_len(text), (const char *)(text).ptr

static elo_err refuse(const struct parser *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static elo_err refuse(const struct parser *p, const char *format, ...)
{
    char text[320];
    char place[40] = "";
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (p->statement > 0) {
        (void)snprintf(place, sizeof place, "statement %zu: ", p->statement);
    }
    (void)snprintf(p->why, p->why_cap, "Policy document is Malformed: %s%s", place, text);
    return ELO_E_MALFORMED;
}

static elo_err no_memory(const struct parser *p)
{
    (void)snprintf(p->why, p->why_cap, "Out of memory");
    return ELO_E_NO_MEMORY;
}

static elo_err not_json(const struct parser *p, const struct elo_json_reader *r, elo_err err)
{
    if (err == ELO_E_UTF8) {
        return refuse(p, "the text at byte %zu is not UTF-8", r->error_at);
    }
    if (err == ELO_E_DEPTH) {
        return refuse(p, "nested too deeply at byte %zu", r->error_at);
    }
    return refuse(p, "not JSON, at byte %zu", r->error_at);
}

/* --- reading objects ---------------------------------------------------------------------------
 */

struct member {
    const char *name;
    elo_span raw; /* the value's text; empty: not given */
};

static struct member *
find_member(struct member *members, size_t count, const struct elo_json_token *key)
{
    for (size_t i = 0; i < count; i++) {
        if (elo_json_token_is(key, elo_span_str(members[i].name))) {
            return &members[i];
        }
    }
    return NULL;
}

/* Notes the members of the object that `r` has just entered. `what` names it for faults. */
static elo_err note_members(const struct parser *p,
                            struct elo_json_reader *r,
                            struct member *members,
                            size_t count,
                            const char *what)
{
    struct elo_json_token key;
    elo_err err;
    while ((err = elo_json_next(r, &key)) == ELO_OK && key.type == ELO_JSON_KEY) {
        struct member *m = find_member(members, count, &key);
        if (m == NULL) {
            return refuse(p, "\"%.*s\" is no member of a %s", QUOTE(key.raw), what);
        }
        if (m->raw.len > 0) {
            return refuse(p, "%s is given twice", m->name);
        }
        err = elo_json_skip(r, &key, &m->raw);
        if (err != ELO_OK) {
            break;
        }
    }
    return err == ELO_OK ? ELO_OK : not_json(p, r, err);
}

/* The text of a KEY, STRING or scalar, laid down in the arena. */
static bool keep_text(struct arena *arena, const struct elo_json_token *token, elo_span *out)
{
    uint8_t *text = arena_alloc(arena, token->raw.len);
    size_t len = token->raw.len;
    if (text == NULL) {
        return false;
    }
    if (token->type != ELO_JSON_STRING && token->type != ELO_JSON_KEY) {
        memcpy(text, token->raw.ptr, len);
    } else if (elo_json_unescape(token, text, token->raw.len, &len) != ELO_OK) {
        return false;
    }
    *out = elo_span_of(text, len);
    return true;
}

/* --- lists of strings --------------------------------------------------------------------------
 */

/* How the items of one list are read and judged. */
struct list {
    const char *name; /* "Action": for faults */
    unsigned meaning; /* of the patterns made of them */
    bool scalars;     /* numbers and truth values count as text: in conditions */
    bool may_be_empty;
    elo_err (*check)(const struct parser *p, const struct list *list, size_t number, elo_span text);
    struct pattern **tail;
};

static bool is_scalar(elo_json_type type)
{
    return type == ELO_JSON_NUMBER || type == ELO_JSON_TRUE || type == ELO_JSON_FALSE;
}

static elo_err add_item(const struct parser *p,
                        struct list *list,
                        size_t number,
                        const struct elo_json_token *token)
{
    struct arena *arena = &p->policy->arena;
    if (token->type != ELO_JSON_STRING && !(list->scalars && is_scalar(token->type))) {
        return refuse(p, "%s must be a string or a list of strings", list->name);
    }
    elo_span text;
    struct pattern *pattern = arena_alloc(arena, sizeof *pattern);
    if (pattern == NULL || !keep_text(arena, token, &text)) {
        return no_memory(p);
    }
    elo_err err = list->check != NULL ? list->check(p, list, number, text) : ELO_OK;
    if (err != ELO_OK) {
        return err;
    }
    if (!pattern_compile(arena, text, list->meaning, pattern)) {
        return no_memory(p);
    }
    *list->tail = pattern;
    list->tail = &pattern->next;
    return ELO_OK;
}

static elo_err read_list(const struct parser *p, elo_span raw, struct list *list)
{
    struct elo_json_reader r;
    struct elo_json_token token;
    elo_json_reader_init(&r, raw);
    elo_err err = elo_json_next(&r, &token);
    if (err == ELO_OK && token.type != ELO_JSON_ARRAY_BEGIN) {
        return add_item(p, list, 1, &token);
    }
    size_t number = 0;
    while (err == ELO_OK && (err = elo_json_next(&r, &token)) == ELO_OK) {
        if (token.type == ELO_JSON_ARRAY_END) {
            return number > 0 || list->may_be_empty ? ELO_OK : refuse(p, "%s is empty", list->name);
        }
        err = add_item(p, list, ++number, &token);
        if (err != ELO_OK) {
            return err;
        }
    }
    return not_json(p, &r, err);
}

/* --- actions -----------------------------------------------------------------------------------
 */

static bool is_action_name(elo_span name)
{
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '*' && c != '?') {
            return false;
        }
    }
    return name.len > 0;
}

static bool is_service(elo_span prefix)
{
    static const char *const services[] = {"iot", "iotjobsdata", "greengrass"};
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
        if (prefix.len == strlen(services[i]) &&
            strncasecmp((const char *)prefix.ptr, services[i], prefix.len) == 0) {
            return true;
        }
    }
    return false;
}

static elo_err
check_action(const struct parser *p, const struct list *list, size_t number, elo_span text)
{
    if (elo_span_eq(text, ELO_SPAN("*"))) {
        return ELO_OK;
    }
    const uint8_t *colon = text.len > 0 ? memchr(text.ptr, ':', text.len) : NULL;
    size_t prefix = colon != NULL ? (size_t)(colon - text.ptr) : 0;
    if (colon == NULL || !is_service(elo_span_first(text, prefix))) {
        return refuse(p, "%s %zu \"%.*s\" is not an action of AWS IoT, they begin with iot:",
                      list->name, number, QUOTE(text));
    }
    if (!is_action_name(elo_span_from(text, prefix + 1))) {
        return refuse(p, "%s %zu \"%.*s\" is not a valid action name", list->name, number,
                      QUOTE(text));
    }
    return ELO_OK;
}

static unsigned action_mask(const struct pattern *patterns)
{
    unsigned mask = 0;
    for (const struct pattern *p = patterns; p != NULL; p = p->next) {
        for (unsigned a = 0; a < POLICY_ACTION_COUNT; a++) {
            elo_span name = elo_span_str(policy_action_name((enum policy_action)a));
            if (pattern_match(p, name, MATCH_IGNORE_CASE, NULL)) {
                mask |= 1u << a;
            }
        }
    }
    return mask;
}

static elo_err read_actions(const struct parser *p,
                            const struct member *action,
                            const struct member *not_action,
                            struct statement *s)
{
    if (action->raw.len > 0 && not_action->raw.len > 0) {
        return refuse(p, "Action and NotAction exclude each other");
    }
    const struct member *given = action->raw.len > 0 ? action : not_action;
    if (given->raw.len == 0) {
        return refuse(p, "Action is missing");
    }
    struct pattern *patterns = NULL;
    struct list list = {.name = given->name,
                        .meaning = PATTERN_WILDCARDS,
                        .check = check_action,
                        .tail = &patterns};
    elo_err err = read_list(p, given->raw, &list);
    if (err == ELO_OK) {
        s->actions = given == action ? action_mask(patterns) : ~action_mask(patterns);
    }
    return err;
}

/* --- resources ---------------------------------------------------------------------------------
 */

static elo_err
check_resource(const struct parser *p, const struct list *list, size_t number, elo_span text)
{
    if (elo_span_starts_with(text, ELO_SPAN("arn:")) || elo_span_starts_with(text, ELO_SPAN("*"))) {
        return ELO_OK;
    }
    return refuse(p,
                  "%s %zu: The following resources are invalid : \"%.*s\" (an ARN such as "
                  "arn:aws:iot:REGION:ACCOUNT:topic/NAME, or *)",
                  list->name, number, QUOTE(text));
}

static elo_err read_resources(const struct parser *p,
                              const struct member *resource,
                              const struct member *not_resource,
                              struct statement *s)
{
    if (resource->raw.len > 0 && not_resource->raw.len > 0) {
        return refuse(p, "Resource and NotResource exclude each other");
    }
    const struct member *given = resource->raw.len > 0 ? resource : not_resource;
    if (given->raw.len == 0) {
        return refuse(p, "Resource is missing");
    }
    s->not_resource = given == not_resource;
    struct list list = {.name = given->name,
                        .meaning =
                            PATTERN_WILDCARDS | (p->policy->variables ? PATTERN_VARIABLES : 0u),
                        .check = check_resource,
                        .tail = &s->resources};
    return read_list(p, given->raw, &list);
}

/* --- conditions --------------------------------------------------------------------------------
 */

struct condition_list {
    struct condition *first;
    struct condition **tail;
};

static bool has_operator(const struct condition_list *list, elo_span name)
{
    for (const struct condition *c = list->first; c != NULL; c = c->next) {
        if (elo_span_eq(c->name, name)) {
            return true;
        }
    }
    return false;
}

static bool has_key(const struct condition_list *list, elo_span name, elo_span key)
{
    for (const struct condition *c = list->first; c != NULL; c = c->next) {
        if (elo_span_eq(c->name, name) && elo_span_eq(c->key, key)) {
            return true;
        }
    }
    return false;
}

static elo_err add_condition(const struct parser *p,
                             const struct condition *kind,
                             const struct elo_json_token *key,
                             elo_span raw,
                             struct condition_list *list)
{
    struct arena *arena = &p->policy->arena;
    struct condition *c = arena_alloc(arena, sizeof *c);
    if (c == NULL) {
        return no_memory(p);
    }
    *c = *kind;
    if (!keep_text(arena, key, &c->key)) {
        return no_memory(p);
    }
    if (c->key.len == 0) {
        return refuse(p, "Condition %.*s has a key without a name", QUOTE(c->name));
    }
    if (has_key(list, c->name, c->key)) {
        return refuse(p, "Condition %.*s gives %.*s twice", QUOTE(c->name), QUOTE(c->key));
    }
    char name[160];
    (void)snprintf(name, sizeof name, "Condition %.*s %.*s", QUOTE(c->name), QUOTE(c->key));
    struct list values = {.name = name,
                          .meaning = condition_meaning(c) &
                                     (p->policy->variables ? ~0u : ~(unsigned)PATTERN_VARIABLES),
                          .scalars = true,
                          .may_be_empty = true,
                          .tail = &c->values};
    *list->tail = c;
    list->tail = &c->next;
    return read_list(p, raw, &values);
}

/* {"key": values, ...}: what stands after an operator. */
static elo_err read_operator(const struct parser *p,
                             const struct elo_json_token *name,
                             elo_span raw,
                             struct condition_list *list)
{
    struct condition kind = {0};
    elo_span text;
    if (!keep_text(&p->policy->arena, name, &text)) {
        return no_memory(p);
    }
    if (!condition_parse_operator(text, &kind)) {
        return refuse(p, "Condition \"%.*s\" is not a condition operator", QUOTE(text));
    }
    if (has_operator(list, text)) {
        return refuse(p, "Condition %.*s is given twice", QUOTE(text));
    }
    struct elo_json_reader r;
    struct elo_json_token token;
    elo_json_reader_init(&r, raw);
    elo_err err = elo_json_next(&r, &token);
    if (err == ELO_OK && token.type != ELO_JSON_OBJECT_BEGIN) {
        return refuse(p, "Condition %.*s must be an object", QUOTE(text));
    }
    while (err == ELO_OK && (err = elo_json_next(&r, &token)) == ELO_OK) {
        elo_span values;
        if (token.type != ELO_JSON_KEY) {
            return ELO_OK;
        }
        err = elo_json_skip(&r, &token, &values);
        if (err != ELO_OK) {
            break;
        }
        elo_err refused = add_condition(p, &kind, &token, values, list);
        if (refused != ELO_OK) {
            return refused;
        }
    }
    return not_json(p, &r, err);
}

static elo_err read_conditions(const struct parser *p, elo_span raw, struct statement *s)
{
    struct condition_list list = {NULL, NULL};
    struct elo_json_reader r;
    struct elo_json_token token;
    list.tail = &list.first;
    elo_json_reader_init(&r, raw);
    elo_err err = elo_json_next(&r, &token);
    if (err == ELO_OK && token.type != ELO_JSON_OBJECT_BEGIN) {
        return refuse(p, "Condition must be an object");
    }
    while (err == ELO_OK && (err = elo_json_next(&r, &token)) == ELO_OK) {
        elo_span block;
        if (token.type != ELO_JSON_KEY) {
            s->conditions = list.first;
            return ELO_OK;
        }
        err = elo_json_skip(&r, &token, &block);
        if (err != ELO_OK) {
            break;
        }
        elo_err refused = read_operator(p, &token, block, &list);
        if (refused != ELO_OK) {
            return refused;
        }
    }
    return not_json(p, &r, err);
}

/* --- statements --------------------------------------------------------------------------------
 */

enum {
    SID,
    EFFECT,
    ACTION,
    NOT_ACTION,
    RESOURCE,
    NOT_RESOURCE,
    CONDITION,
    PRINCIPAL,
    NOT_PRINCIPAL,
    STATEMENT_MEMBERS
};

/* The one token of a scalar member. */
static elo_err read_token(const struct parser *p, elo_span raw, struct elo_json_token *out)
{
    struct elo_json_reader r;
    elo_json_reader_init(&r, raw);
    elo_err err = elo_json_next(&r, out);
    return err == ELO_OK ? ELO_OK : not_json(p, &r, err);
}

static elo_err read_sid(const struct parser *p, elo_span raw, struct statement *s)
{
    struct elo_json_token token;
    if (raw.len == 0) {
        return ELO_OK;
    }
    elo_err err = read_token(p, raw, &token);
    if (err != ELO_OK) {
        return err;
    }
    if (token.type != ELO_JSON_STRING) {
        return refuse(p, "Sid must be a string");
    }
    return keep_text(&p->policy->arena, &token, &s->sid) ? ELO_OK : no_memory(p);
}

static elo_err read_effect(const struct parser *p, elo_span raw, struct statement *s)
{
    struct elo_json_token token;
    if (raw.len == 0) {
        return refuse(p, "Effect is missing");
    }
    elo_err err = read_token(p, raw, &token);
    if (err != ELO_OK) {
        return err;
    }
    s->allow = token.type == ELO_JSON_STRING && elo_json_token_is(&token, ELO_SPAN("Allow"));
    if (!s->allow &&
        !(token.type == ELO_JSON_STRING && elo_json_token_is(&token, ELO_SPAN("Deny")))) {
        return refuse(p, "Effect is %.*s, it must be \"Allow\" or \"Deny\"", QUOTE(raw));
    }
    return ELO_OK;
}

static elo_err read_statement(const struct parser *p, elo_span raw, struct statement *s)
{
    struct member m[STATEMENT_MEMBERS] = {
        [SID] = {"Sid", {0}},
        [EFFECT] = {"Effect", {0}},
        [ACTION] = {"Action", {0}},
        [NOT_ACTION] = {"NotAction", {0}},
        [RESOURCE] = {"Resource", {0}},
        [NOT_RESOURCE] = {"NotResource", {0}},
        [CONDITION] = {"Condition", {0}},
        [PRINCIPAL] = {"Principal", {0}},
        [NOT_PRINCIPAL] = {"NotPrincipal", {0}},
    };
    struct elo_json_reader r;
    struct elo_json_token token;
    elo_json_reader_init(&r, raw);
    elo_err err = elo_json_next(&r, &token);
    if (err != ELO_OK) {
        return not_json(p, &r, err);
    }
    if (token.type != ELO_JSON_OBJECT_BEGIN) {
        return refuse(p, "a statement must be an object");
    }
    err = note_members(p, &r, m, STATEMENT_MEMBERS, "statement");
    if (err != ELO_OK) {
        return err;
    }
    if (m[PRINCIPAL].raw.len > 0 || m[NOT_PRINCIPAL].raw.len > 0) {
        return refuse(p, "an AWS IoT policy has no Principal, it is attached to one");
    }
    if ((err = read_sid(p, m[SID].raw, s)) != ELO_OK ||
        (err = read_effect(p, m[EFFECT].raw, s)) != ELO_OK ||
        (err = read_actions(p, &m[ACTION], &m[NOT_ACTION], s)) != ELO_OK ||
        (err = read_resources(p, &m[RESOURCE], &m[NOT_RESOURCE], s)) != ELO_OK) {
        return err;
    }
    return m[CONDITION].raw.len > 0 ? read_conditions(p, m[CONDITION].raw, s) : ELO_OK;
}

static elo_err add_statement(struct parser *p, elo_span raw, struct statement ***tail)
{
    struct statement *s = arena_alloc(&p->policy->arena, sizeof *s);
    if (s == NULL) {
        return no_memory(p);
    }
    s->index = p->statement++;
    **tail = s;
    *tail = &s->next;
    return read_statement(p, raw, s);
}

/* One statement, or a list of them. */
static elo_err read_statements(struct parser *p, elo_span raw)
{
    struct statement **tail = &p->policy->statements;
    struct elo_json_reader r;
    struct elo_json_token token;
    elo_json_reader_init(&r, raw);
    elo_err err = elo_json_next(&r, &token);
    if (err == ELO_OK && token.type == ELO_JSON_OBJECT_BEGIN) {
        return add_statement(p, raw, &tail);
    }
    if (err == ELO_OK && token.type != ELO_JSON_ARRAY_BEGIN) {
        return refuse(p, "Statement must be an object or a list of objects");
    }
    while (err == ELO_OK && (err = elo_json_next(&r, &token)) == ELO_OK) {
        if (token.type == ELO_JSON_ARRAY_END) {
            return p->statement > 0 ? ELO_OK : refuse(p, "Statement is empty");
        }
        elo_span item;
        err = elo_json_skip(&r, &token, &item);
        if (err != ELO_OK) {
            break;
        }
        elo_err refused = add_statement(p, item, &tail);
        if (refused != ELO_OK) {
            return refused;
        }
    }
    return not_json(p, &r, err);
}

/* --- the document ------------------------------------------------------------------------------
 */

/* Characters of the document; white space does not count ("AWS IoT Core quotas"). */
static size_t count_characters(elo_span document)
{
    size_t count = 0;
    for (size_t i = 0; i < document.len; i++) {
        uint8_t c = document.ptr[i];
        bool continuation = (c & 0xc0) == 0x80;
        if (!continuation && c != ' ' && c != '\t' && c != '\n' && c != '\r') {
            count++;
        }
    }
    return count;
}

/* Without a Version it is 2008-10-17, in which `${` is text ("Version", IAM User Guide). */
static elo_err read_version(struct parser *p, elo_span raw)
{
    struct elo_json_token token;
    if (raw.len == 0) {
        return ELO_OK;
    }
    elo_err err = read_token(p, raw, &token);
    if (err != ELO_OK) {
        return err;
    }
    bool is_string = token.type == ELO_JSON_STRING;
    p->policy->variables = is_string && elo_json_token_is(&token, ELO_SPAN("2012-10-17"));
    if (!p->policy->variables &&
        !(is_string && elo_json_token_is(&token, ELO_SPAN("2008-10-17")))) {
        return refuse(p, "Version is %.*s, it must be \"2012-10-17\"", QUOTE(raw));
    }
    return ELO_OK;
}

static elo_err read_document(struct parser *p, elo_span document)
{
    enum { VERSION, ID, STATEMENT, MEMBERS };
    struct member m[MEMBERS] = {
        [VERSION] = {"Version", {0}}, [ID] = {"Id", {0}}, [STATEMENT] = {"Statement", {0}}};
    struct elo_json_reader r;
    struct elo_json_token token;
    elo_err err = elo_json_validate(document);
    elo_json_reader_init(&r, document);
    if (err != ELO_OK) {
        while ((err = elo_json_next(&r, &token)) == ELO_OK) {
            /* to the fault */
        }
        return not_json(p, &r, err);
    }
    err = elo_json_next(&r, &token);
    if (err != ELO_OK || token.type != ELO_JSON_OBJECT_BEGIN) {
        return refuse(p, "a policy must be an object");
    }
    err = note_members(p, &r, m, MEMBERS, "policy");
    if (err != ELO_OK) {
        return err;
    }
    err = read_version(p, m[VERSION].raw);
    if (err != ELO_OK) {
        return err;
    }
    if (m[STATEMENT].raw.len == 0) {
        return refuse(p, "Statement is missing");
    }
    return read_statements(p, m[STATEMENT].raw);
}

elo_err policy_parse(elo_span document, struct policy **out, char *why, size_t why_cap)
{
    struct parser p = {.why = why, .why_cap = why_cap};
    size_t characters = count_characters(document);
    if (characters > LIMIT_POLICY_CHARS) {
        (void)snprintf(why, why_cap,
                       "The policy document has %zu characters, white space not counted; the "
                       "limit is %u",
                       characters, LIMIT_POLICY_CHARS);
        return ELO_E_TOO_LARGE;
    }
    p.policy = mem_zero(sizeof *p.policy);
    if (p.policy == NULL) {
        return no_memory(&p);
    }
    p.policy->references = 1;
    elo_err err = read_document(&p, document);
    if (err != ELO_OK) {
        policy_release(p.policy);
        return err;
    }
    *out = p.policy;
    return ELO_OK;
}
