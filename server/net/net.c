// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: libuv polls; each readiness callback hands bytes to the core; after all of them
 * (uv_check) the core is asked once which connections have something to send. Timers and the
 * store's wake-up end the same way, in net_flush().
 */
#include "server/net/net.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "server/base/limits.h"
#include "server/base/mem.h"
#include "server/net/internal.h"

enum {
    STOP_GRACE_MS = 2000,
    DAY_MS = 86400000,
    TIDY_MS = 60000,
    CROWD = 100,
    OWN_DESCRIPTORS = 64, /* database, listeners, wake-ups */
    ENOUGH_DESCRIPTORS = 10240
};

struct core_time net_time(const struct net *net)
{
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    return (struct core_time){.mono_ms = (int64_t)uv_now(&net->loop),
                              .wall_ms = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000};
}

static void on_timer(uv_timer_t *timer)
{
    struct net *net = timer->data;
    struct core_time now = net_time(net);
    net->edge.loop_lag_ms = now.mono_ms > net->deadline ? now.mono_ms - net->deadline : 0;
    net->deadline = INT64_MAX;
    broker_tick(net->config.broker, now);
    conn_expire(net, now.mono_ms);
    net_flush(net);
}

static int64_t earliest(const struct net *net)
{
    int64_t broker = broker_deadline(net->config.broker);
    int64_t conns = conn_deadline(net);
    return broker < conns ? broker : conns;
}

static void set_timer(struct net *net)
{
    int64_t at = earliest(net);
    if (at == net->deadline) {
        return;
    }
    net->deadline = at;
    if (at == INT64_MAX) {
        uv_timer_stop(&net->timer);
        return;
    }
    int64_t now = (int64_t)uv_now(&net->loop);
    uv_timer_start(&net->timer, on_timer, at > now ? (uint64_t)(at - now) : 0, 0);
}

static void on_idle(uv_idle_t *idle)
{
    conn_read_more(idle->data);
}

/* What the core wants of others: replies to requests, calls of functions, the disk. */
static void pass_on(struct net *net)
{
    http_receipts(net);
    lambda_pump(net);
    broker_commit(net->config.broker);
}

/*
 * Everything that the core has to say leaves here, once per turn of the loop. A connection that
 * ends meanwhile may leave more of it, a will for one; nobody knows when there is a next turn, so
 * it is asked again until there is nothing.
 */
void net_flush(struct net *net)
{
    struct broker_conn *ready;
    pass_on(net);
    while ((ready = broker_next_ready(net->config.broker)) != NULL) {
        do {
            conn_flush(broker_user(ready));
        } while ((ready = broker_next_ready(net->config.broker)) != NULL);
        pass_on(net);
    }
    shakers_send(net);
    if (!net->stopping) {
        set_timer(net);
    }
    if (net->more != NULL) {
        uv_idle_start(&net->idle, on_idle); /* poll, but do not sleep: there is more to read */
    } else {
        uv_idle_stop(&net->idle);
    }
}

static void on_turn(uv_check_t *check)
{
    net_flush(check->data);
}

static void on_wake(uv_async_t *wake)
{
    struct net *net = wake->data;
    if (!net->open) {
        return;
    }
    struct store_progress progress;
    store_poll(net->config.store, &progress);
    net->edge.store_broken =
        progress.failed != 0 || (net->edge.store_broken && progress.durable <= net->settled);
    if (progress.failed != 0) {
        net->edge.commits_failed++;
    }
    if (progress.lost) { /* else what failed is the broker's, who keeps it and tells of it */
        log_line(net->config.log, LOG_ERROR, progress.err,
                 "a change could not be written and was taken back");
        net->config.commit_failed(net->config.ctx, progress.err);
    }
    /* What failed is settled too: a reply that reads memory now shows the reloaded state. Settled
     * before the replies leave, because each may make room for a next request: held for what has
     * happened already, its reply would wait for a wake-up that never comes. */
    net->settled = progress.failed > progress.durable ? progress.failed : progress.durable;
    broker_stored(net->config.broker, &progress, net_time(net));
    http_release(net, &progress);
}

void net_wake(void *net)
{
    uv_async_send(&((struct net *)net)->wake);
}

/* --- stopping ------------------------------------------------------------------------------------
 */

static void close_all(struct net *net, bool idle_only)
{
    for (struct conn *c = net->all, *next; c != NULL; c = next) {
        next = c->all_next;
        if (!idle_only || c->phase != CONN_OPEN || http_is_idle(c)) {
            conn_close(c, ELO_OK);
        }
    }
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

static void on_grace_over(uv_timer_t *timer)
{
    struct net *net = timer->data;
    close_all(net, false);
    uv_stop(&net->loop);
}

static void on_turn_while_stopping(uv_check_t *check)
{
    struct net *net = check->data;
    net_flush(net);
    close_all(net, true);
    if (net->all == NULL) {
        uv_stop(&net->loop);
    }
}

void net_stop(struct net *net)
{
    if (net->stopping) {
        on_grace_over(&net->grace); /* told twice: at once */
        return;
    }
    net->stopping = true;
    listen_stop(net);
    shakers_stop(net);
    uv_timer_stop(&net->timer);
    uv_timer_stop(&net->daily);
    uv_timer_stop(&net->tidy);
    broker_shutdown(net->config.broker, net_time(net));
    uv_check_stop(&net->check);
    uv_check_start(&net->check, on_turn_while_stopping);
    uv_timer_start(&net->grace, on_grace_over, STOP_GRACE_MS, 0);
    uv_async_send(&net->wake); /* a turn of the loop, so that the check runs */
}

static void on_signal(uv_signal_t *handle, int signum)
{
    struct net *net = handle->data;
    log_line(net->config.log, LOG_INFO, ELO_OK, "stopping (%s)",
             signum == SIGTERM ? "SIGTERM" : "SIGINT");
    net_stop(net);
}

/* Told in the log, for whoever cannot ask /elo/memory. */
static void on_sigusr1(uv_signal_t *handle, int signum)
{
    struct net *net = handle->data;
    struct mem_room_use use;
    (void)signum;
    for (unsigned i = 0; mem_room_at(i, &use); i++) {
        log_line(net->config.log, LOG_INFO, ELO_OK, "memory: %s %zu bytes in %zu blocks", use.name,
                 use.bytes, use.blocks);
    }
}

/* --- life ----------------------------------------------------------------------------------------
 */

static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

unsigned long long net_descriptors(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (unsigned long long)limit.rlim_cur : 0;
}

/* Better said at the start than when the ten-thousandth device is sent away. */
static void tell_of_few_descriptors(const struct net *net)
{
    unsigned long long most = net_descriptors();
    if (most < ENOUGH_DESCRIPTORS) {
        log_line(net->config.log, LOG_WARN, ELO_OK,
                 "this process may open %llu files, and so take %llu connections at most: raise "
                 "the hard limit to %d (`ulimit -Hn`, LimitNOFILE= of systemd)",
                 most, most > OWN_DESCRIPTORS ? most - OWN_DESCRIPTORS : 0, ENOUGH_DESCRIPTORS);
    }
}

/* libuv asks the environment when its pool begins, with the first use; what a user has set stays.
 */
static void size_the_pool(void)
{
    char count[12];
    (void)snprintf(count, sizeof count, "%d", NET_POOL);
    (void)setenv("UV_THREADPOOL_SIZE", count, 0);
}

static int init_loop(struct net *net)
{
    uv_loop_t *loop = &net->loop;
    uv_check_init(loop, &net->check); /* these cannot fail */
    uv_idle_init(loop, &net->idle);
    uv_timer_init(loop, &net->timer);
    uv_timer_init(loop, &net->grace);
    uv_timer_init(loop, &net->daily);
    uv_timer_init(loop, &net->tidy);
    net->tidy.data = net->tidying.data = net->wake.data = net->check.data = net->idle.data =
        net->timer.data = net->grace.data = net->daily.data = net->sigterm.data = net->sigint.data =
            net->sigusr1.data = net;
    int rc = uv_async_init(loop, &net->wake, on_wake);
    rc = rc == 0 ? uv_signal_init(loop, &net->sigterm) : rc;
    rc = rc == 0 ? uv_signal_init(loop, &net->sigusr1) : rc;
    return rc == 0 ? uv_signal_init(loop, &net->sigint) : rc;
}

static void free_loop(struct net *net)
{
    uv_walk(&net->loop, close_handle, NULL);
    while (uv_run(&net->loop, UV_RUN_DEFAULT) != 0) {
        /* The close callbacks free what they own; a stop that nobody has run into ends it early. */
    }
    uv_loop_close(&net->loop);
}

elo_err net_create(struct net **out, char *why, size_t why_cap)
{
    struct net *net = mem_zero(sizeof *net);
    if (net == NULL) {
        snprintf(why, why_cap, "not enough memory to start");
        return ELO_E_NO_MEMORY;
    }
    net->spare_fd = -1;
    map_init(&net->crowd.by_ip);
    buf_init(&net->spare, LIMIT_OUTPUT_BYTES);
    STAILQ_INIT(&net->keys_waiting);
    net->deadline = INT64_MAX;
    raise_descriptors();
    size_the_pool();
    signal(SIGPIPE, SIG_IGN); /* a peer that is gone, */
    signal(SIGXFSZ, SIG_IGN); /* a file too large (ulimit -f): errors to be told, no ends */
    int rc = uv_loop_init(&net->loop);
    if (rc == 0 && (rc = init_loop(net)) != 0) {
        free_loop(net);
    }
    if (rc != 0) {
        snprintf(why, why_cap, "cannot make an event loop: %s; raise `ulimit -n`", uv_strerror(rc));
        mem_free(net);
        return ELO_E_IO;
    }
    *out = net;
    return ELO_OK;
}

elo_err net_open(struct net *net, const struct net_config *config, char *why, size_t why_cap)
{
    net->config = *config;
    if (config->limits != NULL) {
        net->limits = *config->limits;
    } else {
        limits_aws(&net->limits);
    }
    net->settled = store_issued(config->store); /* what was loaded is on disk */
    if (tls_policy(config->tls_policy) == NULL) {
        snprintf(why, why_cap,
                 "--tls-policy %s is none of IoTSecurityPolicy_TLS13_1_2_2022_10 (TLS 1.2 and 1.3, "
                 "the default), IoTSecurityPolicy_TLS13_1_3_2022_10 (1.3 only), "
                 "IoTSecurityPolicy_TLS12_1_2_2022_10 (1.2 only)",
                 config->tls_policy);
        return ELO_E_USAGE;
    }
    elo_err err = net_reload_certificate(net, why, why_cap);
    unsigned threads = config->io_threads == NET_FROM_CORES ? uv_available_parallelism()
                                                            : (unsigned)config->io_threads;
    if (err == ELO_OK && threads > 0 && config->compat.unregistered_certificate == 0) {
        net->shakers = shakers_start(net, threads, why, why_cap);
        err = net->shakers != NULL ? ELO_OK : ELO_E_IO;
    }
    if (err == ELO_OK) {
        err = listen_all(net, why, why_cap);
    }
    net->open = err == ELO_OK;
    if (net->open) {
        tell_of_few_descriptors(net);
        /* From here on: whoever is told that the desk is ready may end it at once. */
        uv_signal_start(&net->sigterm, on_signal, SIGTERM);
        uv_signal_start(&net->sigint, on_signal, SIGINT);
        uv_signal_start(&net->sigusr1, on_sigusr1, SIGUSR1);
    }
    return err;
}

elo_err net_reload_certificate(struct net *net, char *why, size_t why_cap)
{
    SSL_CTX *fresh = NULL;
    elo_err err = tls_context(net, &fresh, why, why_cap);
    if (err == ELO_OK) {
        SSL_CTX_free(net->tls); /* connections under way keep it alive */
        net->tls = fresh;
    }
    return err;
}

static void on_day(uv_timer_t *timer)
{
    struct net *net = timer->data;
    if (net->config.renew != NULL) {
        net->config.renew(net->config.ctx);
    }
}

/* A handshake takes 100 KB for a moment. Many at a time leave the heap full of holes, whose pages
 * malloc keeps; it can be told to give them back. Not on the loop: it takes milliseconds. */
static void give_back(uv_work_t *work)
{
    (void)work;
    malloc_trim(0);
}

static void given_back(uv_work_t *work, int status)
{
    struct net *net = work->data;
    (void)status;
    net->tidying_now = false;
}

static void on_tidy(uv_timer_t *timer)
{
    struct net *net = timer->data;
    if (net->edge.accepted - net->tidied_at >= CROWD && !net->tidying_now) {
        net->tidied_at = net->edge.accepted;
        net->tidying_now = uv_queue_work(&net->loop, &net->tidying, give_back, given_back) == 0;
    }
}

int net_mqtts_port(const struct net *net)
{
    return net->ports[LISTEN_MQTTS];
}

int net_https_port(const struct net *net)
{
    return net->ports[LISTEN_HTTPS];
}

int net_http_port(const struct net *net)
{
    return net->ports[LISTEN_HTTP];
}

int net_plain_port(const struct net *net)
{
    return net->ports[LISTEN_PLAIN];
}

void net_start(struct net *net)
{
    uv_check_start(&net->check, on_turn);
    uv_timer_start(&net->daily, on_day, DAY_MS, DAY_MS);
    uv_timer_start(&net->tidy, on_tidy, TIDY_MS, TIDY_MS);
    set_timer(net);
}

void net_run(struct net *net)
{
    net_start(net);
    uv_run(&net->loop, UV_RUN_DEFAULT);
}

void net_set_seeing(struct net *net, struct seeing *seeing)
{
    net->seeing = seeing;
}

void net_edge(const struct net *net, struct seeing_edge *out)
{
    *out = net->edge;
    out->transports = net->conn_count;
}

void net_set_api(struct net *net, struct api *api)
{
    net->api = api;
}

void net_close_connections(struct net *net)
{
    if (net != NULL) {
        net->open = false; /* what the store says from now on concerns nobody */
        listen_stop(net);
        shakers_stop(net);
        close_all(net, false);
        lambda_stop(net);
    }
}

void net_destroy(struct net *net)
{
    if (net == NULL) {
        return;
    }
    net_close_connections(net);
    free_loop(net);
    SSL_CTX_free(net->tls);
    crowd_free(net);
    buf_free(&net->spare);
    if (net->spare_fd >= 0) {
        close(net->spare_fd);
    }
    mem_free(net);
}
