// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The road that the figures are of: mutual TLS with the server's chain checked, an MQTT session,
 * telemetry up with QoS 1, a command down. The least device there can be on lib/, with an ESP8266's
 * buffers.
 *
 *      probe DIR HOST PORT NAME [count=N] [commands=N] [now=UNIX] [ca=FILE] [name=SERVER] [serial]
 *
 * DIR has ca.der, cert.der and key.bin (32 bytes, P-256). It publishes N messages of 100 bytes on
 * elo/NAME/telemetry, each when the one before is acknowledged, answers commands on elo/NAME/cmd
 * with elo/NAME/reply, and ends with 0 when the messages are acknowledged and `commands` commands
 * answered; with 1 when a connection fails. With `serial` it publishes for each `p` on the serial
 * line, connected or not, comes back when a connection fails, and ends after a `q`. Each thing that
 * happens is a line on the serial line.
 *
 * Memory: what begins with rest_ is needed as long as there is a connection, what begins with
 * shake_ only until its handshake is over; tools/figures adds them up by these names. On a chip the
 * second kind comes from the heap and goes back to it.
 */
#include <string.h>

#include "elo/client/client.h"
#include "elo/tls/tls.h"
#include "ports/qemu-lx106/board.h"

enum { FRAGMENT = 512, PATH_LEN = 200, CERTIFICATE_MAX = 900, TOPIC_MAX = 80, PAYLOAD = 100 };
enum phase { IDLE, CONNECTING, SHAKING, OPEN };

static struct elo_tls rest_tls;
static uint8_t rest_input[ELO_TLS_INPUT_BYTES(FRAGMENT)],
    rest_output[ELO_TLS_OUTPUT_BYTES(FRAGMENT)];
static struct elo_client rest_client;
static uint8_t rest_outbox[512];
static struct elo_client_sub rest_subs[1];

/* The client's buffers are idle before the connection stands: until then they hold the roots and
 * the key, which the handshake alone looks at. */
static union {
    uint8_t bytes[512];
    struct {
        struct elo_tls_anchors list;
        br_x509_trust_anchor table[1];
        uint8_t bytes[ELO_TLS_ANCHOR_BYTES];
    } anchors;
} rest_rx;
static union {
    uint8_t bytes[192];
    struct {
        struct elo_tls_identity identity;
        uint8_t key[ELO_TLS_P256_KEY_BYTES];
    } own;
} rest_tx;

static struct elo_tls_handshake shake_validator;
static uint8_t shake_certificate[CERTIFICATE_MAX];

static struct {
    const char *host, *server_name, *name, *dir, *ca;
    uint32_t count, commands, now;
    uint16_t port;
    uint8_t phase;
    bool over, publishing, serial;
    uint32_t sent, acknowledged, answered;
    uint32_t shaking_stack, loop_stack, client_stack; /* the deepest so far */
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
    probe.ca = "ca.der";
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
        } else if (strcmp(argv[i], "serial") == 0) {
            probe.serial = true;
            probe.count = 0;
            probe.commands = UINT32_MAX;
        } else {
            return false;
        }
    }
    return true;
}

static elo_span read_file(const char *name, void *out, size_t cap)
{
    char path[PATH_LEN];
    join(path, sizeof path, probe.dir, "/", name);
    long len = board_file_read(path, out, cap);
    return elo_span_of(out, len > 0 ? (size_t)len : 0);
}

static elo_err load_credentials(void)
{
    /* Only to be looked at, in memory that is not in use yet. */
    elo_span root = read_file(probe.ca, &shake_validator, sizeof shake_validator);
    elo_span certificate = read_file("cert.der", shake_certificate, sizeof shake_certificate);
    elo_span key = read_file("key.bin", rest_tx.own.key, sizeof rest_tx.own.key);
    elo_tls_anchors_init(&rest_rx.anchors.list, rest_rx.anchors.table, 1, rest_rx.anchors.bytes,
                         sizeof rest_rx.anchors.bytes);
    board_begin(BOARD_DECODE);
    elo_err err = elo_tls_anchors_add_der(&rest_rx.anchors.list, root);
    if (err == ELO_OK) {
        err = elo_tls_identity_ec(&rest_tx.own.identity, certificate, rest_tx.own.key);
    }
    board_end(BOARD_DECODE);
    return err == ELO_OK && key.len != sizeof rest_tx.own.key ? ELO_E_KEYPAIR : err;
}

/* --- the session ------------------------------------------------------------------------------
 */

static elo_err start_client(void)
{
    struct elo_client_config config;
    elo_client_defaults(&config);
    config.client_id = elo_span_str(probe.name);
    config.rx = rest_rx.bytes;
    config.rx_size = sizeof rest_rx.bytes;
    config.tx = rest_tx.bytes;
    config.tx_size = sizeof rest_tx.bytes;
    config.outbox = rest_outbox;
    config.outbox_size = sizeof rest_outbox;
    config.subs = rest_subs;
    config.subs_count = 1;
    config.random = board_random;
    elo_err err = elo_client_init(&rest_client, &config);
    if (err == ELO_OK) {
        elo_client_start(&rest_client, board_ms());
        err = elo_client_subscribe(&rest_client, elo_span_str(probe.cmd), 1);
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
    return elo_client_publish(&rest_client, &message);
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
        probe.over = !probe.serial || !e->u.disconnected.will_retry;
        line_number("offline ", (uint32_t) - (int32_t)e->u.disconnected.reason);
        if (probe.over && e->u.disconnected.reason != ELO_OK) {
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

/* --- measuring the stack: of what is TLS, and of what is not, once connected
 * ----------------------
 */

static void note_stack(uint32_t *deepest)
{
    uint32_t used = board_stack_used();
    *deepest = used > *deepest ? used : *deepest;
    board_stack_paint();
}

static void tls_begins(void)
{
    if (probe.phase == OPEN) {
        note_stack(&probe.client_stack);
    }
}

static void tls_ends(void)
{
    if (probe.phase == OPEN) {
        note_stack(&probe.loop_stack);
    }
}

/* --- the pump: one thing at a time ------------------------------------------------------------
 */

static void fail(elo_err reason)
{
    board_net_close(NULL);
    probe.phase = IDLE;
    elo_client_transport_closed(&rest_client, reason, board_ms());
}

static elo_err setup_tls(void)
{
    uint8_t entropy[ELO_TLS_ENTROPY_MIN];
    struct elo_tls_config config;
    elo_err err = load_credentials();
    if (err != ELO_OK) {
        return err;
    }
    memset(&config, 0, sizeof config);
    config.profile = &elo_tls_profile_aws_small;
    config.stepwise = true;
    config.handshake = &shake_validator;
    config.host = probe.server_name;
    config.anchors = &rest_rx.anchors.list;
    config.identity = &rest_tx.own.identity;
    config.now_unix = probe.now != 0 ? probe.now : board_unix();
    config.input = rest_input;
    config.input_cap = sizeof rest_input;
    config.output = rest_output;
    config.output_cap = sizeof rest_output;
    err = board_entropy(NULL, entropy, sizeof entropy);
    config.entropy = elo_span_of(entropy, err == ELO_OK ? sizeof entropy : 0);
    board_begin(BOARD_SETUP);
    err = elo_tls_init(&rest_tls, &config);
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
    struct elo_tls *tls = &rest_tls;
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
    struct elo_tls *tls = &rest_tls;
    size_t len, taken;
    const uint8_t *out = elo_tls_output_buf(tls, &len);
    if (out == NULL) {
        return false;
    }
    elo_err err = board_net_send(NULL, elo_span_of(out, len), &taken);
    if (err == ELO_OK) {
        tls_begins();
        elo_tls_output_ack(tls, taken);
        tls_ends();
    } else if (err != ELO_NEED_ROOM) {
        fail_broken(err);
    }
    return err == ELO_OK;
}

static bool receive_records(void)
{
    struct elo_tls *tls = &rest_tls;
    size_t cap, got;
    uint8_t *in = elo_tls_input_buf(tls, &cap);
    if (in == NULL) {
        return false;
    }
    elo_err err = board_net_recv(NULL, in, cap, &got);
    if (err == ELO_OK) {
        tls_begins();
        elo_tls_input_ack(tls, got);
        tls_ends();
    } else if (err == ELO_END) {
        elo_tls_input_end(tls);
    } else if (err != ELO_NEED_MORE) {
        fail(err);
    }
    return err == ELO_OK;
}

static bool feed_client(void)
{
    struct elo_tls *tls = &rest_tls;
    size_t len;
    const uint8_t *in = elo_tls_read_buf(tls, &len);
    if (in == NULL) {
        return false;
    }
    size_t taken = elo_client_input(&rest_client, elo_span_of(in, len), board_ms());
    tls_begins();
    elo_tls_read_ack(tls, taken);
    tls_ends();
    return taken > 0;
}

static bool drain_client(void)
{
    struct elo_tls *tls = &rest_tls;
    size_t cap;
    elo_span out = elo_client_output_buf(&rest_client);
    uint8_t *to = elo_tls_write_buf(tls, &cap);
    if (out.len == 0 || to == NULL) {
        return false;
    }
    size_t n = out.len < cap ? out.len : cap;
    memcpy(to, out.ptr, n);
    elo_client_output_ack(&rest_client, n, board_ms());
    tls_begins();
    elo_tls_write_ack(tls, n);
    elo_tls_flush(tls);
    tls_ends();
    return true;
}

static void check_tls(void)
{
    unsigned state = elo_tls_state(&rest_tls);
    if ((state & ELO_TLS_CLOSED) != 0) {
        while (send_records()) {
        }
        elo_err reason = elo_tls_error(&rest_tls);
        fail(reason != ELO_OK ? reason : ELO_E_TCP_CLOSED);
    } else if (probe.phase == SHAKING && (state & ELO_TLS_READY) != 0) {
        board_end(BOARD_HANDSHAKE);
        note_stack(&probe.shaking_stack);
        probe.phase = OPEN;
        line_number("handshake done, fragments of ", elo_tls_fragment_bytes(&rest_tls));
        elo_client_transport_open(&rest_client, board_ms());
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
    elo_client_tick(&rest_client, board_ms());
    bool open = elo_client_wants(&rest_client) == ELO_CLIENT_WANTS_OPEN;
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

static void obey_serial(void)
{
    uint8_t key;
    while (board_serial_read(&key, 1) == 1) {
        if (key == 'p') {
            publish_telemetry();
        } else if (key == 'q') {
            probe.commands = 0;
        }
    }
}

static void act(void)
{
    if (probe.serial) {
        obey_serial();
    }
    if (probe.phase != OPEN || elo_client_get_state(&rest_client) != ELO_CLIENT_ONLINE ||
        probe.publishing) {
        return;
    }
    if (probe.sent < probe.count) {
        publish_telemetry();
    } else if (probe.answered >= probe.commands && elo_client_pending(&rest_client) == 0) {
        note_stack(&probe.client_stack);
        elo_client_stop(&rest_client, board_ms());
    }
}

static void run(void)
{
    struct elo_client_event event;
    while (!probe.over) {
        bool moved = turn();
        while (elo_client_next_event(&rest_client, &event)) {
            on_event(&event);
            moved = true;
        }
        act();
        if (!moved && !probe.over) {
            board_wait(1000, probe.phase == CONNECTING ? WIRE_CAN_SEND
                             : probe.phase == IDLE     ? 0
                                                       : WIRE_CAN_RECEIVE);
        }
    }
}

int app_main(int argc, char **argv)
{
    if (!parse(argc, argv)) {
        line("usage: ", "probe DIR HOST PORT NAME [count=N] [commands=N] [now=UNIX] [ca=FILE] "
                        "[name=SERVER] [serial]");
        return 2;
    }
    join(probe.telemetry, TOPIC_MAX, "elo/", probe.name, "/telemetry");
    join(probe.cmd, TOPIC_MAX, "elo/", probe.name, "/cmd");
    join(probe.reply, TOPIC_MAX, "elo/", probe.name, "/reply");
    probe.reason = start_client();
    if (probe.reason == ELO_OK) {
        run();
    }
    line_number("stack handshake ", probe.shaking_stack);
    line_number("stack loop ", probe.loop_stack);
    line_number("stack client ", probe.client_stack);
    if (probe.reason != ELO_OK) {
        board_print("failed -");
        line_number("", (uint32_t) - (int32_t)probe.reason);
        return 1;
    }
    line("done", "");
    return 0;
}
