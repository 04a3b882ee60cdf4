// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The road that the figures are of: mutual TLS with the server's chain checked, an MQTT session,
 * telemetry up with QoS 1, a command down. The least device there can be on lib/, with an ESP8266's
 * buffers.
 *
 *      probe DIR HOST PORT NAME [count=N] [commands=N] [now=UNIX] [ca=FILE] [name=SERVER]
 *
 * DIR has ca.pem, cert.pem and key.pem. It publishes N messages of 100 bytes on elo/NAME/telemetry,
 * each when the one before is acknowledged, answers commands on elo/NAME/cmd with elo/NAME/reply,
 * and ends with 0 when the messages are acknowledged and `commands` commands answered; with 1 when
 * a connection fails. Each thing that happens is a line on the serial line.
 */
#include <string.h>

#include "elo/client/client.h"
#include "elo/tls/tls.h"
#include "ports/qemu-lx106/board.h"

enum { FRAGMENT = 512, PATH_MAX_LEN = 200, TEXT_MAX = 4096, TOPIC_MAX = 80, PAYLOAD = 100 };
enum phase { IDLE, CONNECTING, SHAKING, OPEN };

/* What is needed at the same time as a connection, and what is only before it. */
static union {
    struct {
        struct elo_tls tls;
        uint8_t input[ELO_TLS_INPUT_BYTES(FRAGMENT)];
        uint8_t output[ELO_TLS_OUTPUT_BYTES(FRAGMENT)];
    } link;
    struct {
        struct elo_tls_work work;
        uint8_t text[2][TEXT_MAX];
    } reading;
} probe_memory;

static struct elo_tls_identity probe_identity;
static uint8_t probe_identity_bytes[ELO_TLS_IDENTITY_BYTES];
static struct elo_tls_anchors probe_anchors;
static br_x509_trust_anchor probe_anchor_table[1];
static uint8_t probe_anchor_bytes[ELO_TLS_ANCHOR_BYTES];
static struct elo_client probe_client;
static uint8_t probe_rx[512], probe_tx[192], probe_outbox[512];
static struct elo_client_sub probe_subs[1];

static struct {
    const char *host, *server_name, *name, *dir, *ca;
    uint32_t count, commands, now;
    uint16_t port;
    uint8_t phase;
    bool over, publishing;
    uint32_t sent, acknowledged, answered;
    uint32_t shaking_stack, loop_stack;
    elo_err reason;
    char telemetry[TOPIC_MAX], cmd[TOPIC_MAX], reply[TOPIC_MAX];
} probe;

/* --- arguments and files --------------------------------------------------------------------- */

static uint32_t number_of(const char *text)
{
    uint32_t value = 0;
    for (; *text >= '0' && *text <= '9'; text++) {
        value = value * 10 + (uint32_t)(*text - '0');
    }
    return value;
}

static void join(char *out, size_t cap, const char *a, const char *b, const char *c)
{
    const char *parts[3] = {a, b, c};
    size_t len = 0;
    for (size_t i = 0; i < 3; i++) {
        for (const char *p = parts[i]; *p != '\0' && len + 1 < cap; p++) {
            out[len++] = *p;
        }
    }
    out[len] = '\0';
}

static const char *value_of(const char *arg, const char *key)
{
    size_t len = strlen(key);
    return strncmp(arg, key, len) == 0 ? arg + len : NULL;
}

static bool parse(int argc, char **argv)
{
    if (argc < 5) {
        return false;
    }
    probe.dir = argv[1];
    probe.host = probe.server_name = argv[2];
    probe.port = (uint16_t)number_of(argv[3]);
    probe.name = argv[4];
    probe.ca = "ca.pem";
    probe.count = 1;
    for (int i = 5; i < argc; i++) {
        const char *v;
        if ((v = value_of(argv[i], "count=")) != NULL) {
            probe.count = number_of(v);
        } else if ((v = value_of(argv[i], "commands=")) != NULL) {
            probe.commands = number_of(v);
        } else if ((v = value_of(argv[i], "now=")) != NULL) {
            probe.now = number_of(v);
        } else if ((v = value_of(argv[i], "ca=")) != NULL) {
            probe.ca = v;
        } else if ((v = value_of(argv[i], "name=")) != NULL) {
            probe.server_name = v;
        } else {
            return false;
        }
    }
    return true;
}

static elo_span read_text(const char *name, uint8_t *text)
{
    char path[PATH_MAX_LEN];
    join(path, sizeof path, probe.dir, "/", name);
    long len = board_file_read(path, text, TEXT_MAX);
    return elo_span_of(text, len > 0 ? (size_t)len : 0);
}

static elo_err load_credentials(void)
{
    uint8_t *certificate = probe_memory.reading.text[0], *key = probe_memory.reading.text[1];
    struct elo_tls_work *work = &probe_memory.reading.work;
    elo_tls_anchors_init(&probe_anchors, probe_anchor_table, 1, probe_anchor_bytes,
                         sizeof probe_anchor_bytes);
    elo_span ca_text = read_text(probe.ca, certificate);
    board_begin(BOARD_DECODE);
    elo_err err = elo_tls_anchors_add(&probe_anchors, ca_text, work);
    board_end(BOARD_DECODE);
    if (err == ELO_OK) {
        elo_span cert_text = read_text("cert.pem", certificate);
        elo_span key_text = read_text("key.pem", key);
        board_begin(BOARD_DECODE);
        err = elo_tls_identity_init(&probe_identity, cert_text, key_text, probe_identity_bytes,
                                    sizeof probe_identity_bytes, work);
        board_end(BOARD_DECODE);
    }
    memset(&probe_memory, 0, sizeof probe_memory);
    return err;
}

/* --- the session ------------------------------------------------------------------------------
 */

static elo_err start_client(void)
{
    struct elo_client_config config;
    elo_client_defaults(&config);
    config.client_id = elo_span_str(probe.name);
    config.rx = probe_rx;
    config.rx_size = sizeof probe_rx;
    config.tx = probe_tx;
    config.tx_size = sizeof probe_tx;
    config.outbox = probe_outbox;
    config.outbox_size = sizeof probe_outbox;
    config.subs = probe_subs;
    config.subs_count = 1;
    config.random = board_random;
    elo_err err = elo_client_init(&probe_client, &config);
    if (err == ELO_OK) {
        elo_client_start(&probe_client, board_ms());
        err = elo_client_subscribe(&probe_client, elo_span_str(probe.cmd), 1);
    }
    return err;
}

static elo_err publish(const char *topic, elo_span payload, uint32_t token)
{
    struct elo_client_message message = {0};
    message.topic = elo_span_str(topic);
    message.payload = payload;
    message.qos = 1;
    message.token = token;
    return elo_client_publish(&probe_client, &message);
}

static void publish_telemetry(void)
{
    uint8_t payload[PAYLOAD];
    memset(payload, 'x', sizeof payload);
    memcpy(payload, "{\"seq\":0,\"pad\":\"", 16);
    payload[7] = (uint8_t)('0' + (probe.sent + 1) % 10);
    payload[PAYLOAD - 2] = '"';
    payload[PAYLOAD - 1] = '}';
    board_begin(BOARD_PUBLISH);
    probe.reason = publish(probe.telemetry, elo_span_of(payload, sizeof payload), 1);
    probe.publishing = true;
    probe.sent++;
}

static void line(const char *what, const char *more)
{
    board_print(what);
    board_print(more);
    board_print("\n");
}

static void line_number(const char *what, uint32_t value)
{
    board_print(what);
    board_print_number(value);
    board_print("\n");
}

static void on_event(const struct elo_client_event *e)
{
    switch (e->type) {
    case ELO_CLIENT_CONNECTED:
        line("online ", probe.name);
        break;
    case ELO_CLIENT_DISCONNECTED:
        probe.over = true;
        if (e->u.disconnected.reason != ELO_OK) {
            probe.reason = e->u.disconnected.reason;
        }
        break;
    case ELO_CLIENT_MESSAGE:
        board_print("command ");
        board_print_span(e->u.message.payload);
        board_print("\n");
        probe.answered++;
        probe.reason = publish(probe.reply, ELO_SPAN("{\"ok\":true}"), 2);
        break;
    case ELO_CLIENT_OVERSIZE:
        line_number("oversize ", e->u.oversize.size);
        probe.answered++;
        break;
    case ELO_CLIENT_PUBLISHED:
        if (e->u.published.token == 1) {
            board_end(BOARD_PUBLISH);
            probe.publishing = false;
            line_number("published ", ++probe.acknowledged);
        }
        break;
    default:
        break;
    }
}

/* --- the pump: one thing at a time ------------------------------------------------------------
 */

static void fail(elo_err reason)
{
    board_net_close(NULL);
    probe.phase = IDLE;
    elo_client_transport_closed(&probe_client, reason, board_ms());
}

static elo_err setup_tls(void)
{
    uint8_t entropy[ELO_TLS_ENTROPY_MIN];
    struct elo_tls_config config;
    memset(&config, 0, sizeof config);
    config.host = probe.server_name;
    config.anchors = &probe_anchors;
    config.identity = &probe_identity;
    config.now_unix = probe.now != 0 ? probe.now : board_unix();
    config.input = probe_memory.link.input;
    config.input_cap = sizeof probe_memory.link.input;
    config.output = probe_memory.link.output;
    config.output_cap = sizeof probe_memory.link.output;
    elo_err err = board_entropy(NULL, entropy, sizeof entropy);
    config.entropy = elo_span_of(entropy, err == ELO_OK ? sizeof entropy : 0);
    board_begin(BOARD_SETUP);
    err = elo_tls_init(&probe_memory.link.tls, &config);
    board_end(BOARD_SETUP);
    return err;
}

static void open_transport(void)
{
    elo_err err = setup_tls();
    if (err == ELO_OK) {
        err = board_net_open(NULL, probe.host, probe.port);
    }
    if (err == ELO_OK || err == ELO_NEED_MORE) {
        probe.phase = CONNECTING;
    } else {
        fail(err);
    }
}

/* A server that refuses us says why, then closes, and our own sending may trip over the close: so
 * look whether an alert came before it. */
static void fail_broken(elo_err reason)
{
    struct elo_tls *tls = &probe_memory.link.tls;
    size_t cap, got;
    uint8_t *in;
    while ((in = elo_tls_input_buf(tls, &cap)) != NULL &&
           board_net_recv(NULL, in, cap, &got) == ELO_OK) {
        elo_tls_input_ack(tls, got);
    }
    fail(elo_tls_error(tls) != ELO_OK ? elo_tls_error(tls) : reason);
}

/* false: nothing could be done. */
static bool send_records(void)
{
    struct elo_tls *tls = &probe_memory.link.tls;
    size_t len, taken;
    const uint8_t *out = elo_tls_output_buf(tls, &len);
    if (out == NULL) {
        return false;
    }
    elo_err err = board_net_send(NULL, elo_span_of(out, len), &taken);
    if (err == ELO_OK) {
        elo_tls_output_ack(tls, taken);
    } else if (err != ELO_NEED_ROOM) {
        fail_broken(err);
    }
    return err == ELO_OK;
}

static bool receive_records(void)
{
    struct elo_tls *tls = &probe_memory.link.tls;
    size_t cap, got;
    uint8_t *in = elo_tls_input_buf(tls, &cap);
    if (in == NULL) {
        return false;
    }
    elo_err err = board_net_recv(NULL, in, cap, &got);
    if (err == ELO_OK) {
        elo_tls_input_ack(tls, got);
    } else if (err == ELO_END) {
        elo_tls_input_end(tls);
    } else if (err != ELO_NEED_MORE) {
        fail(err);
    }
    return err == ELO_OK;
}

static bool feed_client(void)
{
    struct elo_tls *tls = &probe_memory.link.tls;
    size_t len;
    const uint8_t *in = elo_tls_read_buf(tls, &len);
    if (in == NULL) {
        return false;
    }
    size_t taken = elo_client_input(&probe_client, elo_span_of(in, len), board_ms());
    elo_tls_read_ack(tls, taken);
    return taken > 0;
}

static bool drain_client(void)
{
    struct elo_tls *tls = &probe_memory.link.tls;
    size_t cap;
    elo_span out = elo_client_output_buf(&probe_client);
    uint8_t *to = elo_tls_write_buf(tls, &cap);
    if (out.len == 0 || to == NULL) {
        return false;
    }
    size_t n = out.len < cap ? out.len : cap;
    memcpy(to, out.ptr, n);
    elo_tls_write_ack(tls, n);
    elo_client_output_ack(&probe_client, n, board_ms());
    elo_tls_flush(tls);
    return true;
}

static void check_tls(void)
{
    unsigned state = elo_tls_state(&probe_memory.link.tls);
    if ((state & ELO_TLS_CLOSED) != 0) {
        while (send_records()) {
        }
        elo_err reason = elo_tls_error(&probe_memory.link.tls);
        fail(reason != ELO_OK ? reason : ELO_E_TCP_CLOSED);
    } else if (probe.phase == SHAKING && (state & ELO_TLS_READY) != 0) {
        board_end(BOARD_HANDSHAKE);
        probe.shaking_stack = board_stack_used();
        board_stack_paint();
        probe.phase = OPEN;
        line_number("handshake done, fragments of ",
                    elo_tls_fragment_bytes(&probe_memory.link.tls));
        elo_client_transport_open(&probe_client, board_ms());
    }
}

static bool shake(void)
{
    board_begin(BOARD_STEP);
    bool moved = send_records() || receive_records();
    board_end(BOARD_STEP);
    if (probe.phase == SHAKING) {
        check_tls();
    }
    return moved;
}

static bool talk(void)
{
    bool moved = feed_client() || drain_client() || send_records() || receive_records();
    if (probe.phase == OPEN) {
        check_tls();
    }
    return moved;
}

static bool connect_on(void)
{
    elo_err err = board_net_step(NULL);
    if (err == ELO_OK) {
        probe.phase = SHAKING;
        board_stack_paint();
        board_begin(BOARD_HANDSHAKE);
    } else if (err != ELO_NEED_MORE) {
        fail(err);
    }
    return err == ELO_OK;
}

static bool turn(void)
{
    elo_client_tick(&probe_client, board_ms());
    bool open = elo_client_wants(&probe_client) == ELO_CLIENT_WANTS_OPEN;
    if (open && probe.phase == IDLE) {
        open_transport();
        return true;
    }
    if (!open && probe.phase != IDLE) {
        while (probe.phase == OPEN && send_records()) {
        }
        fail(ELO_OK);
        return true;
    }
    switch (probe.phase) {
    case CONNECTING:
        return connect_on();
    case SHAKING:
        return shake();
    case OPEN:
        return talk();
    default:
        return false;
    }
}

static void act(void)
{
    if (probe.phase != OPEN || elo_client_get_state(&probe_client) != ELO_CLIENT_ONLINE ||
        probe.publishing) {
        return;
    }
    if (probe.sent < probe.count) {
        publish_telemetry();
    } else if (probe.answered >= probe.commands && elo_client_pending(&probe_client) == 0) {
        probe.loop_stack = board_stack_used();
        elo_client_stop(&probe_client, board_ms());
    }
}

static void run(void)
{
    struct elo_client_event event;
    while (!probe.over) {
        bool moved = turn();
        while (elo_client_next_event(&probe_client, &event)) {
            on_event(&event);
            moved = true;
        }
        act();
        if (!moved && !probe.over) {
            board_wait(1000, probe.phase == CONNECTING ? WIRE_CAN_SEND : WIRE_CAN_RECEIVE);
        }
    }
}

int app_main(int argc, char **argv)
{
    if (!parse(argc, argv)) {
        line("usage: ", "probe DIR HOST PORT NAME [count=N] [commands=N] [now=UNIX] [ca=FILE] "
                        "[name=SERVER]");
        return 2;
    }
    join(probe.telemetry, TOPIC_MAX, "elo/", probe.name, "/telemetry");
    join(probe.cmd, TOPIC_MAX, "elo/", probe.name, "/cmd");
    join(probe.reply, TOPIC_MAX, "elo/", probe.name, "/reply");
    probe.reason = load_credentials();
    if (probe.reason == ELO_OK) {
        probe.reason = start_client();
    }
    if (probe.reason == ELO_OK) {
        run();
    }
    line_number("stack handshake ", probe.shaking_stack);
    line_number("stack loop ", probe.loop_stack);
    if (probe.reason != ELO_OK) {
        board_print("failed -");
        line_number("", (uint32_t) - (int32_t)probe.reason);
        return 1;
    }
    line("done", "");
    return 0;
}
