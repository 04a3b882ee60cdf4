// links: server_api server_base jansson
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* The AWS API: the scenarios of tests/vectors/api, whose README.md is the format's manual. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "server/api/internal.h"
#include "tests/support/api_rig.h"

#define VECTORS ELO_SOURCE_DIR "/tests/vectors/"

static char where[256]; /* the step at hand, for messages */

/* --- what was kept, and its use ---------------------------------------------------------- */

static void add_encoded(struct buf *out, elo_span text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t ch = text.ptr[i];
        bool plain = (ch >= '0' && ch <= '9') || (ch >= 'A' && ch <= 'Z') ||
                     (ch >= 'a' && ch <= 'z') || (ch != '\0' && strchr("-._~", ch));
        if (plain) {
            buf_byte(out, ch);
        } else {
            buf_format(out, "%%%02X", ch);
        }
    }
}

static void add_file(struct buf *out, const char *name)
{
    char path[512];
    char bytes[4096];
    size_t len;
    snprintf(path, sizeof path, VECTORS "%s", name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fail_msg("%s: no file %s", where, path);
    }
    while ((len = fread(bytes, 1, sizeof bytes, file)) > 0) {
        buf_add(out, elo_span_of(bytes, len));
    }
    fclose(file);
}

static void add_named(struct buf *out, const char *name, const json_t *kept)
{
    if (strncmp(name, "pki/", 4) == 0) {
        add_file(out, name);
    } else if (strcmp(name, "ARN") == 0) {
        buf_text(out, RIG_ARN);
    } else if (name[0] == '%') {
        struct buf plain;
        buf_init(&plain, RIG_MAX_BODY);
        add_named(&plain, name + 1, kept);
        add_encoded(out, buf_span(&plain));
        buf_free(&plain);
    } else {
        const char *value = json_string_value(json_object_get(kept, name));
        if (value == NULL) {
            fail_msg("%s: nothing was kept as %s", where, name);
        }
        buf_text(out, value);
    }
}

/* `text` with its ${...} filled in, to be freed by the caller. */
static char *expand(const char *text, size_t len, const json_t *kept, size_t *out_len)
{
    struct buf out;
    buf_init(&out, RIG_MAX_BODY);
    for (size_t i = 0; i < len; i++) {
        const char *end = text[i] == '$' && text[i + 1] == '{' ? strchr(text + i, '}') : NULL;
        if (end == NULL) {
            buf_byte(&out, (uint8_t)text[i]);
            continue;
        }
        char name[128];
        snprintf(name, sizeof name, "%.*s", (int)(end - text - (ptrdiff_t)i - 2), text + i + 2);
        add_named(&out, name, kept);
        i = (size_t)(end - text);
    }
    char *result = mem_text(buf_span(&out));
    *out_len = buf_span(&out).len;
    buf_free(&out);
    return result;
}

static json_t *expand_json(const json_t *value, const json_t *kept)
{
    if (json_is_string(value)) {
        size_t len;
        char *text = expand(json_string_value(value), json_string_length(value), kept, &len);
        json_t *result = json_stringn(text, len);
        mem_free(text);
        return result;
    }
    if (json_is_object(value)) {
        json_t *result = json_object();
        const char *key;
        json_t *member;
        json_object_foreach((json_t *)(uintptr_t)value, key, member)
        {
            json_object_set_new(result, key, expand_json(member, kept));
        }
        return result;
    }
    if (json_is_array(value)) {
        json_t *result = json_array();
        for (size_t i = 0; i < json_array_size(value); i++) {
            json_array_append_new(result, expand_json(json_array_get(value, i), kept));
        }
        return result;
    }
    return json_deep_copy(value);
}

/* --- comparing --------------------------------------------------------------------------- */

static bool same(const json_t *wanted, const json_t *given)
{
    if (json_is_string(wanted)) {
        const char *text = json_string_value(wanted);
        if (strcmp(text, "#") == 0) {
            return json_is_number(given);
        }
        if (!json_is_string(given)) {
            return false;
        }
        if (text[0] == '~') {
            return strstr(json_string_value(given), text + 1) != NULL;
        }
        return strcmp(text, "*") == 0 || strcmp(text, json_string_value(given)) == 0;
    }
    if (json_is_object(wanted) && json_is_object(given)) {
        const char *key;
        json_t *member;
        json_object_foreach((json_t *)(uintptr_t)wanted, key, member)
        {
            if (!same(member, json_object_get(given, key))) {
                return false;
            }
        }
        return json_object_size(wanted) == json_object_size(given);
    }
    if (json_is_array(wanted) && json_is_array(given)) {
        bool ok = json_array_size(wanted) == json_array_size(given);
        for (size_t i = 0; ok && i < json_array_size(wanted); i++) {
            ok = same(json_array_get(wanted, i), json_array_get(given, i));
        }
        return ok;
    }
    return json_equal(wanted, given);
}

static void check_gives(const json_t *wanted, const struct api_response *response, json_t *body)
{
    elo_span text = buf_span(&response->body);
    if (response->status != 200) {
        fail_msg("%s: %d %.*s", where, response->status, (int)text.len, (const char *)text.ptr);
    }
    bool ok = json_is_string(wanted)
                  ? (json_string_length(wanted) == 0 ? text.len == 0
                     : json_string_value(wanted)[0] == '~'
                         ? memmem(text.ptr, text.len, json_string_value(wanted) + 1,
                                  json_string_length(wanted) - 1) != NULL
                         : elo_span_eq(text, elo_span_of(json_string_value(wanted),
                                                         json_string_length(wanted))))
                  : same(wanted, body);
    if (!ok) {
        char *shown = json_dumps(wanted, JSON_ENCODE_ANY);
        fail_msg("%s:\n wanted %s\n    got %.*s", where, shown, (int)text.len,
                 (const char *)text.ptr);
    }
}

static void check_is(const json_t *wanted,
                     const json_t *more,
                     bool is_data,
                     const struct api_response *response,
                     const json_t *body)
{
    char line[128];
    int status = (int)json_integer_value(json_array_get(wanted, 0));
    const char *name = json_string_value(json_array_get(wanted, 1));
    const char *part = json_string_value(json_array_get(wanted, 2));
    elo_span text = buf_span(&response->body);
    const char *message = json_string_value(json_object_get(body, "message"));
    /* The data plane's gateway ends the name with a colon. */
    snprintf(line, sizeof line, "x-amzn-ErrorType: %s%s", name,
             is_data && status != 405 ? ":" : "");
    if (response->status != status || !rig_has_header(response, line) || message == NULL ||
        strstr(message, part) == NULL) {
        fail_msg("%s: wanted %d %s '%s', got %d %.*s\n%.*s", where, status, name, part,
                 response->status, (int)text.len, (const char *)text.ptr,
                 (int)buf_span(&response->headers).len,
                 (const char *)buf_span(&response->headers).ptr);
    }
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)(uintptr_t)more, key, member)
    {
        if (!same(member, json_object_get(body, key))) {
            fail_msg("%s: %s is not as wanted: %.*s", where, key, (int)text.len,
                     (const char *)text.ptr);
        }
    }
}

/* --- running ----------------------------------------------------------------------------- */

static char *body_of(const json_t *with, size_t *out_len)
{
    if (with == NULL) {
        *out_len = 0;
        return NULL;
    }
    if (json_is_string(with)) {
        *out_len = json_string_length(with);
        return mem_text(elo_span_of(json_string_value(with), *out_len));
    }
    char *text = json_dumps(with, JSON_COMPACT);
    *out_len = strlen(text);
    char *copy = mem_text(elo_span_str(text));
    free(text);
    return copy;
}

static void check_always(const struct api_response *response, bool xml)
{
    char line[128];
    snprintf(line, sizeof line, "x-amzn-RequestId: %s", response->request_id);
    assert_int_equal(strlen(response->request_id), 36);
    assert_true(rig_has_header(response, line));
    assert_true(rig_has_header(response,
                               xml ? "content-type: text/xml" : "content-type: application/json"));
}

static void keep(const json_t *names, const json_t *body, json_t *kept)
{
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)(uintptr_t)names, key, member)
    {
        json_t *value = json_object_get(body, json_string_value(member));
        if (!json_is_string(value)) {
            fail_msg("%s: there is no %s to keep", where, json_string_value(member));
        }
        json_object_set(kept, key, value);
    }
}

static void run_step(struct rig *rig, const json_t *raw, json_t *kept)
{
    json_t *step = expand_json(raw, kept);
    const char *line = json_string_value(json_object_get(step, "do"));
    char method[16];
    int at = 0;
    assert_int_equal(sscanf(line, "%15s %n", method, &at), 1);
    const char *target = line + at;
    bool is_xml = strcmp(target, "/") == 0 && strcmp(method, "POST") == 0;
    const char *as = json_string_value(json_object_get(step, "as"));
    bool is_data =
        strncmp(target, "/topics/", 8) == 0 || strncmp(target, "/retainedMessage", 16) == 0;
    const char *usual = is_data ? "iotdata" : is_xml ? "sts" : "iot";
    size_t len;
    char *body = body_of(json_object_get(step, "with"), &len);
    struct rig_request ask = {.method = method,
                              .target = target,
                              .body = elo_span_of(body, len),
                              .service = as ? as : usual};
    const char *key;
    json_t *member;
    json_object_foreach(json_object_get(step, "head"), key, member)
    {
        ask.headers[ask.header_count++] = (struct sigv4_header){
            elo_span_str(key), elo_span_of(json_string_value(member), json_string_length(member))};
    }
    struct api_response response;
    rig_call(rig, &ask, &response);
    check_always(&response, is_xml);
    elo_span text = buf_span(&response.body);
    json_t *reply = text.len > 0 ? json_loadb((const char *)text.ptr, text.len, 0, NULL) : NULL;
    const json_t *gives = json_object_get(step, "gives");
    const json_t *is = json_object_get(step, "is");
    assert_true((gives != NULL) != (is != NULL));
    if (gives != NULL) {
        check_gives(gives, &response, reply);
    } else {
        check_is(is, json_object_get(step, "more"), is_data, &response, reply);
    }
    keep(json_object_get(step, "keeps"), reply, kept);
    json_decref(reply);
    json_decref(step);
    mem_free(body);
    api_response_free(&response);
}

/* Which operations have been answered with success, by any scenario. */
static struct {
    const char *name;
    bool succeeded;
} operations[] = {
#define ROW(method, path, plane, operation) {#operation, false},
    API_ROUTES(ROW)
#undef ROW
};

static void note_operation(struct rig *rig, const struct log_record *record)
{
    (void)rig;
    if (record->protocol == NULL || strcmp(record->protocol, "HTTP") != 0) {
        return;
    }
    assert_true((record->err == ELO_OK) == (record->reason.len == 0));
    assert_true((record->err == ELO_OK) == (record->details.len == 0));
    for (size_t i = 0; i < API_COUNT(operations); i++) {
        if (strcmp(record->event_type, operations[i].name) == 0 && record->err == ELO_OK) {
            operations[i].succeeded = true;
        }
    }
}

static void run_scenario(const char *file, const json_t *scenario)
{
    struct rig rig;
    rig_open(&rig);
    rig.on_log = note_operation;
    json_t *kept = json_object();
    const json_t *steps = json_object_get(scenario, "steps");
    assert_true(json_array_size(steps) > 0);
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *step = json_array_get(steps, i);
        snprintf(where, sizeof where, "%s: %s, step %zu: %s", file,
                 json_string_value(json_object_get(scenario, "name")), i + 1,
                 json_string_value(json_object_get(step, "do")));
        run_step(&rig, step, kept);
    }
    json_decref(kept);
    rig_close(&rig);
}

static void run_file(void **state)
{
    const char *file = *state;
    char path[512];
    json_error_t error;
    snprintf(path, sizeof path, VECTORS "api/%s.json", file);
    json_t *root = json_load_file(path, JSON_ALLOW_NUL, &error);
    if (root == NULL) {
        fail_msg("%s:%d: %s", path, error.line, error.text);
    }
    for (size_t i = 0; i < json_array_size(root); i++) {
        run_scenario(file, json_array_get(root, i));
    }
    json_decref(root);
}

/* The answer comes from outside (tests/wire/test_authorizer.py), or it takes a client that is
 * connected (tests/wire/test_connections.py). */
static bool is_elsewhere(const char *operation)
{
    static const char *const names[] = {"TestInvokeAuthorizer", "GetConnection", "DeleteConnection",
                                        "ListSubscriptions", "SendDirectMessage"};
    for (size_t i = 0; i < API_COUNT(names); i++) {
        if (strcmp(operation, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Last: the scenarios above have called every operation with success, and each was logged. */
static void every_operation_was_seen(void **state)
{
    (void)state;
    for (size_t i = 0; i < API_COUNT(operations); i++) {
        if (!operations[i].succeeded && !is_elsewhere(operations[i].name)) {
            fail_msg("no scenario lets %s succeed", operations[i].name);
        }
    }
}

#define FILE_TEST(name) cmocka_unit_test_prestate(run_file, (void *)(uintptr_t)(name))

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST("things"),
        FILE_TEST("certificates"),
        FILE_TEST("policies"),
        FILE_TEST("attachments"),
        FILE_TEST("authorizers"),
        FILE_TEST("requests"),
        FILE_TEST("publish"),
        FILE_TEST("endpoint"),
        FILE_TEST("groups"),
        FILE_TEST("provisioning"),
        cmocka_unit_test(every_operation_was_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
