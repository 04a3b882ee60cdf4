// links: server_api server_base
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The API over any request, on one desk that lives as long as the process. The input is
 *
 *     S PUT /things/a/principals?x=y          S: signed by us; anything else: as it stands
 *     name: value                             headers
 *                                             an empty line
 *     body
 *
 * Whatever comes, there is one well-formed reply; a request that is not signed is refused and
 * changes nothing. It is forbidden (403); only the data plane's gateway calls a signature that is
 * no whole one an invalid request (400).
 */
#include "elo/json/read.h"
#include "server/api/internal.h"
#include "tests/support/api_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rig rig;

static void close_rig(void)
{
    rig_close(&rig);
}

static elo_span cut(elo_span *rest, uint8_t divider)
{
    const uint8_t *at = rest->len > 0 ? memchr(rest->ptr, divider, rest->len) : NULL;
    size_t len = at ? (size_t)(at - rest->ptr) : rest->len;
    elo_span first = elo_span_first(*rest, len);
    *rest = elo_span_from(*rest, at ? len + 1 : len);
    return first;
}

static size_t take_headers(elo_span *rest, struct sigv4_header *headers, size_t max)
{
    size_t count = 0;
    while (rest->len > 0 && count < max) {
        elo_span value = cut(rest, '\n');
        if (value.len == 0) {
            break;
        }
        headers[count].name = cut(&value, ':');
        headers[count++].value = value;
    }
    return count;
}

static void check_headers(elo_span text)
{
    rig_require(text.len > 2 && text.ptr[text.len - 1] == '\n', "headers end with a line");
    while (text.len > 0) {
        elo_span line = cut(&text, '\n');
        rig_require(line.len > 3 && line.ptr[line.len - 1] == '\r', "a header line");
        for (size_t i = 0; i + 1 < line.len; i++) {
            rig_require(line.ptr[i] >= ' ' && line.ptr[i] <= '~', "a printable header");
        }
    }
}

static void check_reply(const struct api_response *reply, bool is_sts)
{
    elo_span body = buf_span(&reply->body);
    check_headers(buf_span(&reply->headers));
    rig_require(strlen(reply->request_id) == 36, "a request id");
    rig_require(reply->status == 200 || (reply->status >= 400 && reply->status < 500),
                "a refusal, but no failure of ours");
    rig_require(body.len > 0 || reply->status == 200, "a refusal says why");
    rig_require(body.len == 0 || is_sts || elo_json_validate(body) == ELO_OK, "JSON");
}

static bool claims_signature(const struct sigv4_request *http)
{
    bool claims = sigv4_is_in_query(http);
    for (size_t i = 0; i < http->header_count; i++) {
        claims = claims || text_same(http->headers[i].name, ELO_SPAN("authorization"));
    }
    return claims;
}

static void check_stranger(const struct sigv4_request *http, const struct api_response *reply)
{
    elo_span vars[API_VARS];
    size_t count;
    const struct route *route = api__route(http->method, http->path, vars, &count);
    bool is_data = route != NULL && route->plane == PLANE_DATA;
    bool is_malformed = is_data && claims_signature(http) && reply->status == 400;
    rig_require(is_malformed || reply->status == 403, "a stranger is refused");
}

static bool is_slow(elo_span target)
{
    static int keys; /* an RSA key takes its time: a few will do */
    return elo_span_starts_with(target, ELO_SPAN("/keys-and-certificate")) && keys++ > 20;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (rig.api == NULL) {
        rig_open(&rig);
        rig_require(atexit(close_rig) == 0, "atexit");
    }
    elo_span rest = elo_span_of(data, size);
    elo_span line = cut(&rest, '\n');
    bool is_signed = elo_span_eq(cut(&line, ' '), ELO_SPAN("S"));
    elo_span method = cut(&line, ' ');
    elo_span path = line;
    struct sigv4_header headers[RIG_HEADERS + 3];
    size_t count = take_headers(&rest, headers, RIG_HEADERS);
    elo_span target = path;
    elo_span query = path;
    path = cut(&query, '?');
    if (is_slow(target)) {
        return 0;
    }
    struct api_request request = {.http = {method, path, query, headers, count, rest}};
    bool is_sts = elo_span_eq(method, ELO_SPAN("POST")) && elo_span_eq(path, ELO_SPAN("/"));
    struct sigv4_signed sig;
    if (is_signed) {
        struct sigv4_key key = {ELO_SPAN("AKIDBENCH"), ELO_SPAN("bench secret"), ELO_SPAN("")};
        bool is_data = elo_span_starts_with(path, ELO_SPAN("/topics/"));
        headers[count++] = (struct sigv4_header){ELO_SPAN("host"), ELO_SPAN("localhost")};
        request.http.header_count = count;
        if (sigv4_sign(&request.http, &key,
                       is_data  ? "iotdata"
                       : is_sts ? "sts"
                                : "iot",
                       RIG_REGION, rig.now.wall_ms / 1000, &sig) != ELO_OK) {
            return 0;
        }
        headers[count++] = (struct sigv4_header){ELO_SPAN("x-amz-date"), elo_span_str(sig.date)};
        headers[count++] =
            (struct sigv4_header){ELO_SPAN("authorization"), elo_span_str(sig.authorization)};
        request.http.header_count = count;
    }
    uint64_t generation = registry_generation(rig.registry);
    struct api_response reply;
    api_handle(rig.api, &request, rig.now, &reply);
    check_reply(&reply, is_sts);
    rig_require(reply.after_seq <= rig_commit(&rig), "a batch that comes");
    if (!is_signed) {
        check_stranger(&request.http, &reply);
        rig_require(registry_generation(rig.registry) == generation, "and changes nothing");
    }
    api_response_free(&reply);
    rig.now.wall_ms += 1;
    return 0;
}
