// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a JSON reply is written twice, once to measure, once into room of exactly that
 * size; the JSON writer wants its buffer in one piece. Room for headers is taken at the beginning
 * of the call, room for the body by whoever is about to change something: after the change nothing
 * is allocated, so a change is never answered with "out of memory".
 */
#include "server/api/internal.h"

#include <inttypes.h>
#include <stdio.h>

#include "elo/base/utf8.h"

#define HEADER_ROOM 1024u

void api__reply_begin(struct call *c)
{
    struct api_response *out = c->out;
    bool is_xml = c->route != NULL && c->route->plane == PLANE_STS;
    out->status = 200;
    out->after_seq = 0;
    out->custom = NULL;
    out->wants_key = false;
    out->ticket = 0;
    out->operation = c->route != NULL ? c->route->operation : "Api";
    buf_init(&out->headers, LIMIT_HTTP_HEADER_BYTES);
    buf_init(&out->body, LIMIT_HTTP_REPLY_BYTES);
    core_uuid(&c->api->random, out->request_id);
    (void)buf_room(&out->headers, HEADER_ROOM);
    buf_format(&out->headers, "content-type: %s\r\nx-amzn-RequestId: %s\r\n",
               is_xml ? "text/xml" : "application/json", out->request_id);
}

aws_error api__reserve(struct call *c, size_t len)
{
    if (len > 0) {
        (void)buf_room(&c->out->body, len);
    }
    bool ok = buf_err(&c->out->headers) == ELO_OK && buf_err(&c->out->body) == ELO_OK;
    return ok ? AWS_OK : api__out_of_memory(c);
}

size_t api__json_len(elo_span text)
{
    struct elo_json_writer w;
    size_t len = 0;
    elo_json_writer_init(&w, NULL, 0);
    elo_json_string(&w, text);
    /* The error says that there is no room; it is the length that is asked for. */
    elo_err err = elo_json_finish(&w, &len);
    return err == ELO_E_NO_SPACE ? len : 0;
}

aws_error api__reply(struct call *c, writer *write, void *ctx)
{
    struct elo_json_writer w;
    size_t len = 0;
    elo_json_writer_init(&w, NULL, 0);
    aws_error error = write(c, &w, ctx);
    if (error != AWS_OK) {
        return error;
    }
    elo_err err = elo_json_finish(&w, &len);
    if (err != ELO_E_NO_SPACE || len > LIMIT_HTTP_REPLY_BYTES) {
        return aws_fault_set(c->fault, AWS_InternalFailureException,
                             err == ELO_E_NO_SPACE ? "The answer is larger than %u bytes"
                                                   : "The answer cannot be written as JSON",
                             LIMIT_HTTP_REPLY_BYTES);
    }
    error = api__reserve(c, len);
    if (error != AWS_OK) {
        return error;
    }
    elo_json_writer_init(&w, buf_room(&c->out->body, len), len);
    error = write(c, &w, ctx);
    if (error == AWS_OK && elo_json_finish(&w, &len) != ELO_OK) {
        error = api__out_of_memory(c);
    }
    if (error == AWS_OK) {
        buf_wrote(&c->out->body, len);
    }
    return error;
}

aws_error api__reply_text(struct call *c, const char *text)
{
    buf_text(&c->out->body, text);
    return buf_err(&c->out->body) == ELO_OK ? AWS_OK : api__out_of_memory(c);
}

/* --- faults ------------------------------------------------------------------------------ */

/* A message quotes what the caller sent and is cut where its buffer ends: back to ASCII, if that
 * has left it in pieces. */
static void mend_message(char *message)
{
    if (elo_utf8_valid(elo_span_str(message))) {
        return;
    }
    for (char *at = message; *at != '\0'; at++) {
        if ((unsigned char)*at >= 0x80) {
            *at = '?';
        }
    }
}

static aws_error write_ok(struct call *c, struct elo_json_writer *w, void *ctx)
{
    (void)ctx;
    elo_json_begin_object(w);
    api__put_text(w, "message", ELO_SPAN("OK"));
    api__put_text(w, "traceId", elo_span_str(c->out->request_id));
    elo_json_end_object(w);
    return AWS_OK;
}

aws_error api__reply_ok(struct call *c)
{
    return api__reply(c, write_ok, NULL);
}

static aws_error write_fault(struct call *c, struct elo_json_writer *w, void *ctx)
{
    const struct aws_fault *fault = ctx;
    elo_json_begin_object(w);
    api__put_text(w, "message", elo_span_str(fault->message));
    if (fault->resource_id[0] != '\0') {
        api__put_text(w, "resourceId", elo_span_str(fault->resource_id));
    }
    if (fault->resource_arn[0] != '\0') {
        api__put_text(w, "resourceArn", elo_span_str(fault->resource_arn));
    }
    if (c->route != NULL && c->route->plane == PLANE_DATA) {
        api__put_text(w, "traceId", elo_span_str(c->out->request_id));
    }
    elo_json_end_object(w);
    return AWS_OK;
}

static bool is_data(const struct call *c)
{
    return c->route != NULL && c->route->plane == PLANE_DATA;
}

/* Web pages may call the data plane; captured from AWS. */
void api__allow_origins(struct call *c)
{
    buf_text(&c->out->headers, "access-control-allow-origin: *\r\n"
                               "access-control-expose-headers: x-amzn-ErrorMessage\r\n"
                               "access-control-expose-headers: x-amzn-RequestId\r\n"
                               "access-control-expose-headers: x-amzn-ErrorType\r\n"
                               "access-control-expose-headers: Date\r\n");
}

void api__reply_fault(struct call *c)
{
    mend_message(c->fault->message); /* the log reads it too */
    c->out->status = aws_error_status(c->fault->error);
    buf_clear(&c->out->body);
    buf_format(&c->out->headers, "x-amzn-ErrorType: %s%s\r\n", aws_error_name(c->fault->error),
               is_data(c) ? ":" : ""); /* so AWS's gateway writes it; clients cut it off */
    if (is_data(c)) {
        api__allow_origins(c);
    }
    if (c->route != NULL && c->route->plane == PLANE_STS) {
        api__reply_xml_fault(c);
        return;
    }
    struct aws_fault fault = *c->fault; /* writing it can be a fault of its own */
    if (api__reply(c, write_fault, &fault) != AWS_OK) {
        c->out->status = aws_error_status(AWS_InternalFailureException);
        buf_clear(&c->out->body);
    }
}

/* --- members ----------------------------------------------------------------------------- */

void api__put_text(struct elo_json_writer *w, const char *name, elo_span value)
{
    elo_json_key(w, elo_span_str(name));
    elo_json_string(w, value);
}

void api__put_int(struct elo_json_writer *w, const char *name, int64_t value)
{
    elo_json_key(w, elo_span_str(name));
    elo_json_int(w, value);
}

void api__put_bool(struct elo_json_writer *w, const char *name, bool value)
{
    elo_json_key(w, elo_span_str(name));
    elo_json_bool(w, value);
}

void api__put_time(struct elo_json_writer *w, const char *name, int64_t unix_ms)
{
    char text[32];
    uint64_t ms = unix_ms < 0 ? 0 - (uint64_t)unix_ms : (uint64_t)unix_ms;
    int len = snprintf(text, sizeof text, "%s%" PRIu64 ".%03u", unix_ms < 0 ? "-" : "", ms / 1000,
                       (unsigned)(ms % 1000));
    elo_json_key(w, elo_span_str(name));
    elo_json_number_text(w, elo_span_of(text, (size_t)len));
}

void api__put_arn(const struct call *c,
                  struct elo_json_writer *w,
                  const char *name,
                  const char *kind,
                  elo_span resource)
{
    char arn[REGISTRY_ARN_BYTES];
    size_t len = registry_arn(c->api->registry, kind, resource, arn);
    api__put_text(w, name, elo_span_of(arn, len));
}

void api__put_attributes(struct elo_json_writer *w,
                         const struct thing_attribute *attributes,
                         size_t count)
{
    elo_json_key(w, ELO_SPAN("attributes"));
    elo_json_begin_object(w);
    for (size_t i = 0; i < count; i++) {
        elo_json_key(w, attributes[i].name);
        elo_json_string(w, attributes[i].value);
    }
    elo_json_end_object(w);
}
