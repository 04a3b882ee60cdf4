// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * /metrics: Prometheus text format 0.0.4, and OpenMetrics 1.0, which differ here in three things:
 * the HELP and TYPE of a counter leave "_total" out, build_info is of type info, and "# EOF" ends
 * the page. Labels are few and bounded: never a client id or a topic.
 */
#include <inttypes.h>
#include <string.h>

#include "server/seeing/internal.h"

struct page {
    struct buf *out;
    bool open_metrics;
    const char *name; /* of the family that is being written */
};

enum type { COUNTER, GAUGE, HISTOGRAM, INFO };

static void family(struct page *p, const char *name, enum type type, const char *help)
{
    static const char *const types[] = {"counter", "gauge", "histogram", "info"};
    size_t len = strlen(name);
    const char *suffix = type == COUNTER ? "_total" : type == INFO ? "_info" : "";
    if (p->open_metrics && len > strlen(suffix)) {
        len -= strlen(suffix);
    }
    const char *word = type == INFO && !p->open_metrics ? "gauge" : types[type];
    buf_format(p->out, "# HELP %.*s %s\n# TYPE %.*s %s\n", (int)len, name, help, (int)len, name,
               word);
    p->name = name;
}

static void sample(struct page *p, const char *label, const char *value, uint64_t number)
{
    if (label != NULL) {
        buf_format(p->out, "%s{%s=\"%s\"} %" PRIu64 "\n", p->name, label, value, number);
    } else {
        buf_format(p->out, "%s %" PRIu64 "\n", p->name, number);
    }
}

static void
single(struct page *p, const char *name, enum type type, const char *help, uint64_t number)
{
    family(p, name, type, help);
    sample(p, NULL, NULL, number);
}

static void seconds(struct page *p, const char *name, const char *help, const struct histogram *h)
{
    uint64_t count = 0;
    family(p, name, HISTOGRAM, help);
    for (size_t i = 0; i < HISTOGRAM_COUNT; i++) {
        count += h->steps[i];
        buf_format(p->out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name,
                   (double)histogram_end_us(i) / 1e6, count);
    }
    count += h->over;
    buf_format(p->out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum %.6f\n%s_count %" PRIu64 "\n",
               name, count, name, (double)h->sum_us / 1e6, name, count);
}

static void
results(struct page *p, const char *name, const char *help, const uint64_t numbers[RESULTS])
{
    family(p, name, COUNTER, help);
    for (int i = 0; i < RESULTS; i++) {
        sample(p, "result", seeing__result_names[i], numbers[i]);
    }
}

/* The first `carriers` of them. */
static void by_carrier(
    struct page *p, const char *name, const char *help, uint64_t numbers[][RESULTS], int carriers)
{
    family(p, name, COUNTER, help);
    for (int c = 0; c < carriers; c++) {
        for (int i = 0; i < RESULTS; i++) {
            buf_format(p->out, "%s{protocol=\"%s\",result=\"%s\"} %" PRIu64 "\n", p->name,
                       seeing__carrier_names[c], seeing__result_names[i], numbers[c][i]);
        }
    }
}

/* --- what there is ------------------------------------------------------------------------------
 */

static void connections(struct page *p, const struct seeing *s, const struct broker_stats *b)
{
    single(p, "awsiot_connections", GAUGE, "MQTT connections open now.", b->connections);
    uint64_t connects[CARRIERS][RESULTS];
    memcpy(connects, s->connects, sizeof connects);
    by_carrier(p, "awsiot_connect_total", "CONNECT packets by how they were answered.", connects,
               CARRIER_http);
    family(p, "awsiot_disconnect_total", COUNTER, "Connections that have ended, by AWS's reason.");
    for (int i = 0; i < ENDINGS; i++) {
        sample(p, "reason", seeing__ending_names[i], s->endings[i]);
    }
    single(p, "awsiot_sessions", GAUGE, "Sessions, connected and stored.", b->sessions);
    single(p, "awsiot_sessions_persistent", GAUGE, "Those that outlive their connections.",
           b->sessions_persistent);
    single(p, "awsiot_subscriptions", GAUGE, "Subscriptions of all sessions.", b->subscriptions);
    results(p, "awsiot_subscribe_total", "Topic filters of SUBSCRIBE packets.", s->subscribes);
    single(p, "awsiot_unsubscribe_total", COUNTER, "Topic filters of UNSUBSCRIBE packets.",
           s->unsubscribes);
}

/* What came in, less what was refused, is what was taken. */
static void messages_in(struct page *p, const struct seeing *s, const struct broker_stats *b)
{
    uint64_t in[CARRIERS][RESULTS];
    const uint64_t all[CARRIERS] = {b->publish_in - b->publish_in_wss - b->publish_in_http,
                                    b->publish_in_wss, b->publish_in_http};
    memcpy(in, s->publishes_in, sizeof in);
    in[CARRIER_mqtt][RESULT_throttle] =
        b->publish_in_throttled - b->publish_in_wss_throttled - b->publish_in_http_throttled;
    in[CARRIER_wss][RESULT_throttle] = b->publish_in_wss_throttled;
    in[CARRIER_http][RESULT_throttle] = b->publish_in_http_throttled;
    in[CARRIER_http][RESULT_server_error] = b->publish_in_http_failed;
    for (int c = 0; c < CARRIERS; c++) {
        uint64_t bad = 0;
        for (int i = 0; i < RESULTS; i++) {
            bad += i != RESULT_success ? in[c][i] : 0;
        }
        in[c][RESULT_success] = all[c] > bad ? all[c] - bad : 0;
    }
    by_carrier(p, "awsiot_publish_in_total", "Messages from clients and the API.", in, CARRIERS);
}

static void messages(struct page *p, const struct seeing *s, const struct broker_stats *b)
{
    uint64_t out[RESULTS];
    memcpy(out, s->publishes_out, sizeof out);
    out[RESULT_throttle] = b->publish_out_throttled;
    out[RESULT_success] = b->publish_out;
    messages_in(p, s, b);
    results(p, "awsiot_publish_out_total",
            "Messages to clients; auth_error counts what was told in the log.", out);
    family(p, "awsiot_publish_bytes_total", COUNTER, "Bytes of the messages' payloads.");
    sample(p, "direction", "in", b->publish_bytes_in);
    sample(p, "direction", "out", b->publish_bytes_out);
    family(p, "awsiot_bytes_total", COUNTER, "Bytes of MQTT, without TLS.");
    sample(p, "direction", "in", b->bytes_in);
    sample(p, "direction", "out", b->bytes_out);
    single(p, "awsiot_retained_messages", GAUGE, "Retained messages.", b->retained);
    single(p, "awsiot_queue_messages", GAUGE, "QoS 1 messages that wait for their client.",
           b->queued);
    family(p, "awsiot_queue_dropped_total", COUNTER, "Messages that were not kept or sent.");
    sample(p, "cause", "expired", b->expired);
    sample(p, "cause", "refused_or_full", b->dropped);
    family(p, "awsiot_delayed_total", COUNTER,
           "Times a client over its bytes a second was made to wait.");
    sample(p, "direction", "in", b->reads_delayed);
    sample(p, "direction", "out", b->writes_delayed);
}

static void edge(struct page *p, const struct seeing *s)
{
    struct seeing_edge e = {0};
    if (s->config.edge != NULL) {
        s->config.edge(s->config.ctx, &e);
    }
    single(p, "awsiot_transports", GAUGE, "Sockets of every kind, open now.", e.transports);
    single(p, "awsiot_accepted_total", COUNTER, "Sockets accepted.", e.accepted);
    seconds(p, "awsiot_tls_handshake_seconds", "From accept() to the end of the TLS handshake.",
            &e.handshakes);
    single(p, "awsiot_tls_handshake_failures_total", COUNTER, "TLS handshakes that failed.",
           e.handshakes_failed);
    single(p, "awsiot_store_commit_failures_total", COUNTER,
           "Commits that failed and were taken back.", e.commits_failed);
    family(p, "awsiot_loop_lag_seconds", GAUGE, "How late the event loop was at its last timer.");
    buf_format(p->out, "%s %.3f\n", p->name, (double)e.loop_lag_ms / 1000);
}

static void api(struct page *p, const struct seeing *s)
{
    family(p, "awsiot_http_requests_total", COUNTER, "Calls of the AWS API by HTTP status.");
    for (size_t i = 0; i < s->answer_count; i++) {
        buf_format(p->out, "%s{operation=\"%s\",code=\"%d\"} %" PRIu64 "\n", p->name,
                   s->answers[i].operation, s->answers[i].status, s->answers[i].count);
    }
    seconds(p, "awsiot_http_request_duration_seconds",
            "From the whole request to its reply, the disk's time in it.", &s->answers_took);
}

static void process(struct page *p)
{
    struct seeing_process now;
    seeing__process(&now);
    single(p, "process_resident_memory_bytes", GAUGE, "Resident memory.", now.resident_bytes);
    single(p, "process_virtual_memory_bytes", GAUGE, "Virtual memory.", now.virtual_bytes);
    single(p, "process_open_fds", GAUGE, "Open file descriptors.", now.open_fds);
    single(p, "process_max_fds", GAUGE, "File descriptors that may be open.", now.max_fds);
    single(p, "process_threads", GAUGE, "Threads.", now.threads);
    family(p, "process_cpu_seconds_total", COUNTER, "User and system time spent.");
    buf_format(p->out, "%s %.6f\n", p->name, now.cpu_s);
    family(p, "process_start_time_seconds", GAUGE, "When it was started, Unix time.");
    buf_format(p->out, "%s %" PRId64 "\n", p->name, now.started_s);
}

void seeing__metrics(struct seeing *s, bool open_metrics, struct core_time now, struct buf *out)
{
    struct page p = {.out = out, .open_metrics = open_metrics};
    struct broker_stats b;
    broker_stats(s->config.broker, &b);
    family(&p, "awsiot_build_info", INFO,
           "The version of this desk, and the commit it was built of.");
    buf_format(out, "%s{version=\"%s\",commit=\"%s\"} 1\n", p.name, s->config.version,
               s->config.commit != NULL ? s->config.commit : "unknown");
    family(&p, "awsiot_uptime_seconds", GAUGE, "Since the desk was started.");
    buf_format(out, "%s %.3f\n", p.name, (double)(now.mono_ms - s->config.started.mono_ms) / 1000);
    connections(&p, s, &b);
    messages(&p, s, &b);
    edge(&p, s);
    api(&p, s);
    process(&p);
    if (open_metrics) {
        buf_text(out, "# EOF\n");
    }
}
