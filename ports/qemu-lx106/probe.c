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
 * Memory: what begins with rest_ is needed as long as there is a connection; both_input is the
 * record buffer, which is, and lent to the handshake beyond its size; tools/figures adds them up by
 * these names. On a chip the lent part comes from the heap and goes back to it.
 */
#include <string.h>

#include "elo/link/link.h"
#include "ports/qemu-lx106/board.h"

enum { FRAGMENT = 512, CERTIFICATE_MAX = 900, TOPIC_MAX = 80, PAYLOAD = 100 };

static struct elo_link rest_link;
static uint8_t rest_output[ELO_TLS_OUTPUT_BYTES(FRAGMENT)];
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

/* The input buffer, and over it what the handshake needs one after the other, as elo_tls_present()
 * says: until the server is proven, and from then on. */
static union {
    uint8_t input[ELO_TLS_INPUT_BYTES(FRAGMENT)];
    struct {
        uint8_t input[ELO_TLS_STEP_INPUT_BYTES];
        struct elo_tls_handshake validator;
    } proving;
    struct {
        uint8_t input[ELO_TLS_INPUT_BYTES(FRAGMENT)];
        uint8_t certificate[CERTIFICATE_MAX];
    } proven;
} both_input;

static struct {
    const char *host, *server_name, *name, *dir, *ca;
    uint32_t count, commands, now;
    uint16_t port;
    bool over, publishing, serial, was_open;
    uint32_t sent, acknowledged, answered;
    uint32_t shaking_stack, loop_stack; /* the deepest so far */
    elo_err reason;
    char telemetry[TOPIC_MAX], cmd[TOPIC_MAX], reply[TOPIC_MAX];
} probe;

/* --- arguments and files --------------------------------------------------------------------- */

BOARD_HARNESS static void join(char *out, size_t cap, const char *a, const char *b, const char *c)
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

BOARD_HARNESS static bool parse(int argc, char **argv)
{
    if (argc < 5) {
        return false;
    }
    probe.dir = argv[1];
    probe.host = probe.server_name = argv[2];
    probe.port = (uint16_t)board_number(argv[3]);
    probe.name = argv[4];
    probe.ca = "ca.der";
    probe.count = 1;
    for (int i = 5; i < argc; i++) {
        const char *v;
        if ((v = board_option(argv[i], "count=")) != NULL) {
            probe.count = board_number(v);
        } else if ((v = board_option(argv[i], "commands=")) != NULL) {
            probe.commands = board_number(v);
        } else if ((v = board_option(argv[i], "now=")) != NULL) {
            probe.now = board_number(v);
        } else if ((v = board_option(argv[i], "ca=")) != NULL) {
            probe.ca = v;
        } else if ((v = board_option(argv[i], "name=")) != NULL) {
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

/* The root is only to be looked at, in memory that is not in use yet. */
static elo_err load_root(void)
{
    struct elo_tls_handshake *work = &both_input.proving.validator;
    elo_tls_anchors_init(&rest_rx.anchors.list, rest_rx.anchors.table, 1, rest_rx.anchors.bytes,
                         sizeof rest_rx.anchors.bytes);
    return elo_tls_anchors_add_der(&rest_rx.anchors.list,
                                   board_folder_read(probe.dir, probe.ca, work, sizeof *work));
}

/* The server is proven: now it is our turn. */
static elo_err present(void *ctx, struct elo_tls *tls)
{
    (void)ctx;
    struct elo_tls_identity *identity = &rest_tx.own.identity;
    uint8_t *der = both_input.proven.certificate, *key = rest_tx.own.key;
    elo_span certificate = board_folder_read(probe.dir, "cert.der", der, CERTIFICATE_MAX);
    if (board_folder_read(probe.dir, "key.bin", key, ELO_TLS_P256_KEY_BYTES).len == 0) {
        return ELO_E_KEYPAIR;
    }
    elo_err err = elo_tls_identity_ec(identity, certificate, key);
    return err == ELO_OK ? elo_tls_present(tls, identity) : err;
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

BOARD_HARNESS static void make_payload(uint8_t payload[PAYLOAD])
{
    memset(payload, 'x', PAYLOAD);
    memcpy(payload, "{\"seq\":0,\"pad\":\"", 16);
    payload[7] = (uint8_t)('0' + (probe.sent + 1) % 10);
    payload[PAYLOAD - 2] = '"';
    payload[PAYLOAD - 1] = '}';
}

static void publish_telemetry(void)
{
    uint8_t payload[PAYLOAD];
    make_payload(payload);
    board_begin(BOARD_PUBLISH);
    probe.reason = publish(probe.telemetry, elo_span_of(payload, sizeof payload), 1);
    probe.publishing = true;
    probe.sent++;
}

BOARD_HARNESS static void line(const char *what, const char *more)
{
    board_print(what);
    board_print(more);
    board_print("\n");
}

BOARD_HARNESS static void line_number(const char *what, uint32_t value)
{
    board_print(what);
    board_print_number(value);
    board_print("\n");
}

BOARD_HARNESS static void tell(const struct elo_client_event *e)
{
    switch (e->type) {
    case ELO_CLIENT_CONNECTED:
        line("online ", probe.name);
        break;
    case ELO_CLIENT_DISCONNECTED:
        line_number("offline ", (uint32_t) - (int32_t)e->u.disconnected.reason);
        break;
    case ELO_CLIENT_MESSAGE:
        board_print("command ");
        board_print_span(e->u.message.payload);
        board_print("\n");
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

static void on_event(const struct elo_client_event *e)
{
    tell(e);
    if (e->type == ELO_CLIENT_DISCONNECTED) {
        probe.over = !probe.serial || !e->u.disconnected.will_retry;
        if (probe.over && e->u.disconnected.reason != ELO_OK) {
            probe.reason = e->u.disconnected.reason;
        }
    } else if (e->type == ELO_CLIENT_MESSAGE) {
        probe.answered++;
        probe.reason = publish(probe.reply, ELO_SPAN("{\"ok\":true}"), 2);
    }
}

/* --- the pump ---------------------------------------------------------------------------------
 */

static uint32_t now_unix(void *ctx)
{
    (void)ctx;
    return probe.now != 0 ? probe.now : board_unix();
}

static void start_link(void)
{
    static struct elo_link_config config;
    config.tls.profile = &elo_tls_profile_aws_small;
    config.tls.host = probe.server_name;
    config.tls.handshake = &both_input.proving.validator;
    config.tls.anchors = &rest_rx.anchors.list;
    config.tls.input = both_input.input;
    config.tls.input_cap = sizeof both_input.input;
    config.tls.output = rest_output;
    config.tls.output_cap = sizeof rest_output;
    config.net = board_net;
    config.client = &rest_client;
    config.address = probe.host;
    config.port = probe.port;
    config.small_steps = true;
    config.entropy = board_entropy;
    config.now_unix = now_unix;
    config.proven = present;
    elo_link_init(&rest_link, &config);
}

BOARD_HARNESS static void note_stack(uint32_t *deepest)
{
    uint32_t used = board_stack_used();
    *deepest = used > *deepest ? used : *deepest;
    board_stack_paint();
}

/* What lies where the client's buffers are has to be there again for each connection. */
static bool is_about_to_open(uint32_t now)
{
    elo_client_tick(&rest_client, now);
    return elo_link_get_phase(&rest_link) == ELO_LINK_IDLE &&
           elo_client_wants(&rest_client) == ELO_CLIENT_WANTS_OPEN;
}

BOARD_HARNESS static void note_phase(void)
{
    bool open = elo_link_get_phase(&rest_link) == ELO_LINK_OPEN;
    if (open && !probe.was_open) {
        board_end(BOARD_HANDSHAKE);
        note_stack(&probe.shaking_stack);
        line_number("handshake done, fragments of ",
                    elo_tls_fragment_bytes(elo_link_tls(&rest_link)));
    } else if (open) {
        note_stack(&probe.loop_stack);
    }
    probe.was_open = open;
}

/* One step, and whether there is more to do at once. */
static bool turn(uint32_t now)
{
    bool shaking = elo_link_get_phase(&rest_link) == ELO_LINK_SHAKING;
    if (is_about_to_open(now)) {
        board_stack_paint();
        board_begin(BOARD_HANDSHAKE);
        probe.reason = load_root();
    }
    if (shaking) {
        board_begin(BOARD_STEP);
    }
    bool busy = probe.reason == ELO_OK && elo_link_step(&rest_link, now);
    if (shaking) {
        board_end(BOARD_STEP);
    }
    note_phase();
    probe.over = probe.over || probe.reason != ELO_OK;
    return busy;
}

BOARD_HARNESS static void obey_serial(void)
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
    if (elo_client_get_state(&rest_client) != ELO_CLIENT_ONLINE || probe.publishing) {
        return;
    }
    if (probe.sent < probe.count) {
        publish_telemetry();
    } else if (probe.answered >= probe.commands && elo_client_pending(&rest_client) == 0) {
        elo_client_stop(&rest_client, board_ms());
    }
}

static void run(void)
{
    struct elo_client_event event;
    while (!probe.over) {
        uint32_t now = board_ms();
        bool busy = turn(now);
        while (elo_client_next_event(&rest_client, &event)) {
            on_event(&event);
            busy = true;
        }
        act();
        if (!busy && !probe.over) {
            unsigned wanted = elo_link_interest(&rest_link);
            board_wait(elo_link_wait_ms(&rest_link, now),
                       ((wanted & ELO_LINK_SEND) ? (unsigned)WIRE_CAN_SEND : 0u) |
                           ((wanted & ELO_LINK_RECEIVE) ? (unsigned)WIRE_CAN_RECEIVE : 0u));
        }
    }
}

BOARD_HARNESS static void tell_stack(void)
{
    line_number("stack handshake ", probe.shaking_stack);
    line_number("stack loop ", probe.loop_stack);
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
    start_link();
    probe.reason = start_client();
    if (probe.reason == ELO_OK) {
        run();
    }
    tell_stack();
    if (probe.reason != ELO_OK) {
        board_print("failed -");
        line_number("", (uint32_t) - (int32_t)probe.reason);
        return 1;
    }
    line("done", "");
    return 0;
}
