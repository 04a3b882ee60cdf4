// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The functions of custom authorizers. On AWS they are Lambda functions; on the desk each lives at
 * a URL (`elo serve --lambda NAME=URL`), to which the event is posted as Lambda's Invoke is
 * ("Invoke", AWS Lambda API Reference), so that AWS's runtime interface emulator answers it, or any
 * small server. A function that fails says so in X-Amz-Function-Error.
 *
 * How this works: the core queues calls; net_flush() takes them and gives each to a thread of
 * libuv's pool (NET_POOL of them), where libcurl does it. Waiting for a thread counts: every call
 * is over within LIMIT_CUSTOM_CALL_MS. The answer comes back on the loop's thread. What a call
 * needs is copied or stays untouched by the core until then (custom.h).
 */
#include <stdatomic.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "server/auth/custom.h"
#include "server/base/limits.h"
#include "server/base/mem.h"
#include "server/net/internal.h"

struct lambda_call {
    uv_work_t work;
    struct net *net;
    struct custom *custom;
    const char *url;   /* of the configuration */
    uint64_t asked_ns; /* uv_hrtime(): its time runs from here on, also while no thread is free */
    struct buf answer;
    bool function_error;
    elo_err err;
    char why[256];
};

/* "arn:aws:lambda:REGION:ACCOUNT:function:NAME" or the same with ":VERSION": NAME. */
static elo_span name_of(elo_span arn)
{
    for (int i = 0; i < 6; i++) {
        const uint8_t *colon = arn.len > 0 ? memchr(arn.ptr, ':', arn.len) : NULL;
        arn = elo_span_from(arn, colon ? (size_t)(colon - arn.ptr) + 1 : arn.len);
    }
    const uint8_t *colon = arn.len > 0 ? memchr(arn.ptr, ':', arn.len) : NULL;
    return elo_span_first(arn, colon ? (size_t)(colon - arn.ptr) : arn.len);
}

static const char *url_of(const struct net *net, elo_span arn)
{
    elo_span name = name_of(arn);
    for (size_t i = 0; i < net->config.lambda_count; i++) {
        elo_span key = net->config.lambdas[i].name;
        if (elo_span_eq(key, arn) || elo_span_eq(key, name)) {
            return net->config.lambdas[i].url;
        }
    }
    return NULL;
}

/* --- on a thread -------------------------------------------------------------------------------
 */

static size_t on_body(char *bytes, size_t size, size_t count, void *user)
{
    struct lambda_call *call = user;
    buf_add(&call->answer, elo_span_of(bytes, size * count));
    return buf_err(&call->answer) == ELO_OK ? size * count : 0;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *user)
{
    static const char name[] = "x-amz-function-error:";
    struct lambda_call *call = user;
    size_t len = size * count;
    if (len > sizeof name && strncasecmp(bytes, name, sizeof name - 1) == 0) {
        call->function_error = true;
    }
    return len;
}

static int on_progress(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct lambda_call *call = user;
    (void)a, (void)b, (void)c, (void)d;
    return atomic_load(&call->net->calls_stop);
}

static void fail(struct lambda_call *call, const char *what)
{
    call->err = ELO_E_LAMBDA;
    (void)snprintf(call->why, sizeof call->why, "the function at %.120s %s", call->url, what);
}

static void judge(struct lambda_call *call, CURL *curl, CURLcode rc)
{
    long status = 0;
    char text[96];
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (rc == CURLE_OPERATION_TIMEDOUT) {
        fail(call, "did not answer in 5 seconds");
    } else if (rc != CURLE_OK) {
        (void)snprintf(text, sizeof text, "cannot be asked: %.70s", curl_easy_strerror(rc));
        fail(call, text);
    } else if (status != 200) {
        (void)snprintf(text, sizeof text, "answered HTTP %ld", status);
        fail(call, text);
    } else if (call->function_error) {
        elo_span said =
            elo_span_first(buf_span(&call->answer),
                           buf_span(&call->answer).len < 70 ? buf_span(&call->answer).len : 70);
        (void)snprintf(text, sizeof text, "failed: %.*s", (int)said.len, (const char *)said.ptr);
        fail(call, text);
    }
}

/* What is left of its time; 0: nothing. */
static long patience(const struct lambda_call *call)
{
    uint64_t waited_ms = (uv_hrtime() - call->asked_ns) / 1000000;
    return waited_ms < LIMIT_CUSTOM_CALL_MS ? LIMIT_CUSTOM_CALL_MS - (long)waited_ms : 0;
}

static void post(uv_work_t *work)
{
    struct lambda_call *call = work->data;
    long left_ms = patience(call);
    if (left_ms == 0) {
        fail(call, "was not asked in 5 seconds: the calls before it took too long");
        return;
    }
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    headers = headers ? curl_slist_append(headers, "Expect:") : NULL;
    if (curl == NULL || headers == NULL) {
        fail(call, "cannot be asked: no memory");
    } else {
        elo_span event = custom_call_event(call->custom);
        curl_easy_setopt(curl, CURLOPT_URL, call->url);
        curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, left_ms);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, (const char *)event.ptr);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)event.len);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, call);
        curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
        curl_easy_setopt(curl, CURLOPT_HEADERDATA, call);
        curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
        curl_easy_setopt(curl, CURLOPT_XFERINFODATA, call);
        judge(call, curl, curl_easy_perform(curl));
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
}

/* --- on the loop -------------------------------------------------------------------------------
 */

static void done(uv_work_t *work, int status)
{
    struct lambda_call *call = work->data;
    struct net *net = call->net;
    if (status != 0) {
        fail(call, "was not asked: the desk stops");
    }
    if (net->open) {
        broker_tick(net->config.broker,
                    net_time(net)); /* the core's clock, for what the answer sets */
    }
    net->calls--;
    custom_call_done(call->custom, call->err, buf_span(&call->answer), call->why);
    buf_free(&call->answer);
    mem_free(call);
}

static void refuse(struct custom *custom, const char *why)
{
    custom_call_done(custom, ELO_E_LAMBDA, elo_span_of(NULL, 0), why);
}

static void start(struct net *net, struct custom *custom)
{
    elo_span arn = custom_call_function(custom);
    const char *url = url_of(net, arn);
    if (url == NULL) {
        char why[300];
        elo_span name = name_of(arn);
        (void)snprintf(why, sizeof why,
                       "nobody has said where the function %.*s lives: start the desk with "
                       "--lambda %.*s=http://...",
                       (int)name.len, (const char *)name.ptr, (int)name.len,
                       (const char *)name.ptr);
        refuse(custom, why);
        return;
    }
    struct lambda_call *call = mem_zero(sizeof *call);
    if (call == NULL) {
        refuse(custom, "the desk is out of memory");
        return;
    }
    call->work.data = call;
    call->net = net;
    call->custom = custom;
    call->url = url;
    call->asked_ns = uv_hrtime();
    buf_init(&call->answer, LIMIT_CUSTOM_ANSWER_BYTES);
    net->calls++;
    if (uv_queue_work(&net->loop, &call->work, post, done) != 0) {
        net->calls--;
        mem_free(call);
        refuse(custom, "the desk could not start a thread");
    }
}

void lambda_pump(struct net *net)
{
    struct custom *custom;
    while ((custom = custom_next_call(net->config.authorizer)) != NULL) {
        start(net, custom);
    }
}

void lambda_stop(struct net *net)
{
    atomic_store(&net->calls_stop, 1);
    while (net->calls > 0) {
        uv_run(&net->loop, UV_RUN_ONCE);
    }
}
