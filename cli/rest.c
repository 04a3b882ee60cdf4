// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* Signed calls of the AWS API, over libcurl. The signature is ours: older libcurl gets IoT's wrong.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/desk.h"
#include "server/auth/sigv4.h"

enum { CALL_TIMEOUT_S = 15 };

struct call {
    struct sigv4_header headers[4];
    size_t header_count;
    struct sigv4_signed signature;
    char host[300];
    char url[2048];
};

static size_t on_reply(char *bytes, size_t size, size_t count, void *reply)
{
    buf_add(reply, elo_span_of(bytes, size * count));
    return buf_err(reply) == ELO_OK ? size * count : 0;
}

static bool sign(const struct desk_info *desk,
                 const char *service,
                 const char *method,
                 const char *target,
                 const char *body,
                 const char *principal,
                 struct call *call)
{
    const char *host = strstr(desk->http, "://");
    snprintf(call->host, sizeof call->host, "%s", host ? host + 3 : desk->http);
    int n = snprintf(call->url, sizeof call->url, "%s%s", desk->http, target);
    if (n < 0 || (size_t)n >= sizeof call->url) {
        return false;
    }
    call->headers[call->header_count++] =
        (struct sigv4_header){ELO_SPAN("host"), elo_span_str(call->host)};
    if (body != NULL) {
        call->headers[call->header_count++] =
            (struct sigv4_header){ELO_SPAN("content-type"), ELO_SPAN("application/json")};
    }
    if (principal != NULL) {
        call->headers[call->header_count++] =
            (struct sigv4_header){ELO_SPAN("x-amzn-principal"), elo_span_str(principal)};
    }
    const char *mark = strchr(target, '?');
    struct sigv4_request request = {
        .method = elo_span_str(method),
        .path = elo_span_of(target, mark ? (size_t)(mark - target) : strlen(target)),
        .query = elo_span_str(mark ? mark + 1 : ""),
        .headers = call->headers,
        .header_count = call->header_count,
        .body = elo_span_str(body),
    };
    struct sigv4_key key = {.access_key_id = elo_span_str(desk->access_key_id),
                            .secret = elo_span_str(desk->secret)};
    return sigv4_sign(&request, &key, service, desk->region, (int64_t)time(NULL),
                      &call->signature) == ELO_OK;
}

static struct curl_slist *header_list(const struct call *call, bool has_body)
{
    struct curl_slist *list = NULL;
    char line[900];
    for (size_t i = 1; i < call->header_count; i++) { /* the first is host, which curl sends */
        const struct sigv4_header *h = &call->headers[i];
        snprintf(line, sizeof line, "%.*s: %.*s", (int)h->name.len, (const char *)h->name.ptr,
                 (int)h->value.len, (const char *)h->value.ptr);
        list = curl_slist_append(list, line);
    }
    snprintf(line, sizeof line, "X-Amz-Date: %s", call->signature.date);
    list = curl_slist_append(list, line);
    snprintf(line, sizeof line, "Authorization: %s", call->signature.authorization);
    list = curl_slist_append(list, line);
    list = curl_slist_append(list, "Expect:");
    /* What was not signed must not be sent: curl would add a Content-Type of its own. */
    return has_body ? list : curl_slist_append(list, "Content-Type:");
}

/* The HTTP status; -1: none, and `*out_rc` tells why. */
static int perform(const struct call *call,
                   const char *method,
                   const char *body,
                   long timeout_s,
                   struct buf *reply,
                   CURLcode *out_rc)
{
    long status = -1;
    *out_rc = CURLE_OUT_OF_MEMORY;
    CURL *curl = curl_easy_init();
    if (curl == NULL) {
        return -1;
    }
    struct curl_slist *headers = header_list(call, body != NULL);
    curl_easy_setopt(curl, CURLOPT_URL, call->url);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* the desk is on this machine */
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, timeout_s);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_reply);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, reply);
    if (body != NULL || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body ? body : "");
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, body ? (long)strlen(body) : 0L);
    }
    *out_rc = curl_easy_perform(curl);
    if (*out_rc == CURLE_OK) {
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return (int)status;
}

static void say_no_answer(const struct desk_info *desk, CURLcode rc)
{
    struct buf option;
    if (rc == CURLE_COULDNT_CONNECT) {
        say_error("the desk does not answer on %s\n"
                  "     It may have ended without tidying up: start it again with `elo up%s`.",
                  desk->http, data_option(desk->dir, &option));
        buf_free(&option);
    } else {
        say_error("the call to %s failed: %s", desk->http, curl_easy_strerror(rc));
    }
}

int desk_call(const struct desk_info *desk,
              const char *service,
              const char *method,
              const char *target,
              const char *body,
              const char *principal,
              struct buf *reply)
{
    struct call call = {.header_count = 0};
    CURLcode rc = CURLE_OK;
    buf_init(reply, 4u << 20);
    if (!sign(desk, service, method, target, body, principal, &call)) {
        say_error("the request could not be signed");
        return -1;
    }
    int status = perform(&call, method, body, CALL_TIMEOUT_S, reply, &rc);
    if (status < 0) {
        say_no_answer(desk, rc);
    }
    return status;
}

bool desk_answers(const struct desk_info *desk)
{
    struct call call = {.header_count = 0};
    struct buf reply;
    CURLcode rc;
    buf_init(&reply, 65536);
    bool ok = sign(desk, "iot", "GET", "/things?maxResults=1", NULL, NULL, &call) &&
              perform(&call, "GET", NULL, 2, &reply, &rc) == 200;
    buf_free(&reply);
    return ok;
}
