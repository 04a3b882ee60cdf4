// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The yardstick for probe.c: the same publish over the same TLS in the style of small MQTT clients
 * for Arduino (PubSubClient is the known one; none of its code is here). One buffer; a packet is
 * assembled in it and written at once; what comes is read byte by byte, asking before each whether
 * there is one; nothing is kept, so nothing can be sent again. Such clients publish with QoS 0
 * only; this one waits for the PUBACK, or there would be nothing to compare.
 *
 *      plain DIR HOST PORT NAME [count=N]
 */
#include <string.h>

#include "elo/tls/tls.h"
#include "ports/qemu-lx106/board.h"

enum { FRAGMENT = 512, CERTIFICATE_MAX = 900, BUFFER = 256, HEADER = 5, PAYLOAD = 100 };

static struct elo_tls tls;
static struct elo_tls_handshake validator;
static struct elo_tls_identity identity;
static uint8_t input[ELO_TLS_INPUT_BYTES(FRAGMENT)], output[ELO_TLS_OUTPUT_BYTES(FRAGMENT)];
static uint8_t certificate[CERTIFICATE_MAX], key[ELO_TLS_P256_KEY_BYTES];
static struct elo_tls_anchors anchors;
static br_x509_trust_anchor anchor_table[1];
static uint8_t anchor_bytes[ELO_TLS_ANCHOR_BYTES];
static uint8_t buffer[BUFFER];
static uint16_t last_id;
static uint32_t last_in_ms, last_out_ms;

/* --- the transport: what a secure Client is to such a library ------------------------------------
 */

/* Moves records as far as that goes without waiting; true: something moved. */
static bool move(void)
{
    size_t len, done;
    const uint8_t *out = elo_tls_output_buf(&tls, &len);
    if (out != NULL && board_net_send(NULL, elo_span_of(out, len), &done) == ELO_OK) {
        elo_tls_output_ack(&tls, done);
        return true;
    }
    uint8_t *in = elo_tls_input_buf(&tls, &len);
    if (in == NULL) {
        return false;
    }
    elo_err err = board_net_recv(NULL, in, len, &done);
    if (err == ELO_OK) {
        elo_tls_input_ack(&tls, done);
    } else if (err != ELO_NEED_MORE) {
        elo_tls_input_end(&tls);
    }
    return err == ELO_OK;
}

static bool connected(void)
{
    return (elo_tls_state(&tls) & ELO_TLS_CLOSED) == 0;
}

static size_t available(void)
{
    size_t len = 0;
    while (elo_tls_read_buf(&tls, &len) == NULL && move()) {
    }
    return len;
}

static uint8_t read_one(void)
{
    size_t len;
    const uint8_t *in = elo_tls_read_buf(&tls, &len);
    uint8_t byte = *in;
    elo_tls_read_ack(&tls, 1);
    return byte;
}

static void write_all(const uint8_t *bytes, size_t len)
{
    while (len > 0 && connected()) {
        size_t cap;
        uint8_t *to = elo_tls_write_buf(&tls, &cap);
        if (to != NULL) {
            size_t n = len < cap ? len : cap;
            memcpy(to, bytes, n);
            elo_tls_write_ack(&tls, n);
            bytes += n;
            len -= n;
        } else if (!move()) {
            board_wait(100, WIRE_CAN_SEND);
        }
    }
    elo_tls_flush(&tls);
    while (elo_tls_output_buf(&tls, &len) != NULL && move()) {
    }
}

static elo_err load_credentials(const char *dir)
{
    elo_span root = board_folder_read(dir, "ca.der", &validator, sizeof validator);
    elo_span own = board_folder_read(dir, "cert.der", certificate, sizeof certificate);
    board_folder_read(dir, "key.bin", key, sizeof key);
    elo_tls_anchors_init(&anchors, anchor_table, 1, anchor_bytes, sizeof anchor_bytes);
    elo_err err = elo_tls_anchors_add_der(&anchors, root);
    return err == ELO_OK ? elo_tls_identity_ec(&identity, own, key) : err;
}

static elo_err connect_tls(const char *host, uint16_t port)
{
    uint8_t entropy[ELO_TLS_ENTROPY_MIN];
    struct elo_tls_config config;
    memset(&config, 0, sizeof config);
    config.profile = &elo_tls_profile_aws_small;
    config.host = host;
    config.anchors = &anchors;
    config.identity = &identity;
    config.now_unix = board_unix();
    config.input = input;
    config.input_cap = sizeof input;
    config.output = output;
    config.output_cap = sizeof output;
    config.handshake = &validator;
    elo_err err = board_entropy(NULL, entropy, sizeof entropy);
    config.entropy = elo_span_of(entropy, sizeof entropy);
    err = err == ELO_OK ? elo_tls_init(&tls, &config) : err;
    err = err == ELO_OK ? board_net_open(NULL, host, port) : err;
    while (err == ELO_NEED_MORE) {
        board_wait(1000, WIRE_CAN_SEND);
        err = board_net_step(NULL);
    }
    while (err == ELO_OK && connected() && (elo_tls_state(&tls) & ELO_TLS_READY) == 0) {
        if (!move()) {
            board_wait(1000, WIRE_CAN_RECEIVE);
        }
    }
    return err == ELO_OK && !connected() ? elo_tls_error(&tls) : err;
}

/* --- MQTT
 * -----------------------------------------------------------------------------------------
 */

static size_t put_text(const char *text, size_t at)
{
    size_t begin = at;
    at += 2;
    while (*text != '\0') {
        buffer[at++] = (uint8_t)*text++;
    }
    buffer[begin] = (uint8_t)((at - begin - 2) >> 8);
    buffer[begin + 1] = (uint8_t)(at - begin - 2);
    return at;
}

/* The packet lies behind HEADER; its header is put right before it. */
static void write_packet(uint8_t type, size_t end)
{
    uint8_t digits[4];
    size_t n = 0, len = end - HEADER;
    do {
        digits[n] = (uint8_t)(len % 128);
        len /= 128;
        digits[n++] |= len > 0 ? 0x80 : 0;
    } while (len > 0);
    buffer[HEADER - n - 1] = type;
    for (size_t i = 0; i < n; i++) {
        buffer[HEADER - n + i] = digits[i];
    }
    write_all(buffer + HEADER - n - 1, end - HEADER + n + 1);
    last_out_ms = board_ms();
}

static bool read_byte(uint8_t *out)
{
    while (available() == 0) {
        if (!connected()) {
            return false;
        }
        board_wait(1000, WIRE_CAN_RECEIVE);
    }
    *out = read_one();
    return true;
}

/* A packet into the buffer: its length, 0 when the connection is gone. */
static size_t read_packet(void)
{
    size_t len = 0, left = 0;
    unsigned shift = 0;
    uint8_t byte = 0;
    if (!read_byte(&buffer[len++])) {
        return 0;
    }
    do {
        if (!read_byte(&byte)) {
            return 0;
        }
        buffer[len++] = byte;
        left |= (size_t)(byte & 0x7f) << shift;
        shift += 7;
    } while ((byte & 0x80) != 0 && shift < 28);
    for (; left > 0; left--) {
        if (!read_byte(&byte)) {
            return 0;
        }
        if (len < BUFFER) {
            buffer[len++] = byte;
        }
    }
    return len;
}

static bool connect_mqtt(const char *id)
{
    static const uint8_t start[] = {0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60};
    memcpy(buffer + HEADER, start, sizeof start);
    write_packet(0x10, put_text(id, HEADER + sizeof start));
    return read_packet() == 4 && buffer[0] == 0x20 && buffer[3] == 0;
}

static void publish(const char *topic, const uint8_t *payload, size_t len)
{
    size_t at = put_text(topic, HEADER);
    last_id = (uint16_t)(last_id + 1);
    buffer[at++] = (uint8_t)(last_id >> 8);
    buffer[at++] = (uint8_t)last_id;
    for (size_t i = 0; i < len; i++) {
        buffer[at++] = payload[i];
    }
    write_packet(0x32, at);
}

/* One turn of loop(): the keep-alive, then a packet if there is one. true: the PUBACK. */
static bool loop(void)
{
    if (!connected()) {
        return false;
    }
    uint32_t now = board_ms();
    if (now - last_in_ms > 60000 || now - last_out_ms > 60000) {
        write_packet(0xc0, HEADER);
    }
    if (available() == 0) {
        return false;
    }
    size_t len = read_packet();
    last_in_ms = now;
    return len == 4 && buffer[0] == 0x40 && buffer[3] == (uint8_t)last_id;
}

int app_main(int argc, char **argv)
{
    uint8_t payload[PAYLOAD];
    if (argc < 5 || strlen(argv[4]) > 64) {
        return 2;
    }
    const char *count = argc > 5 ? board_option(argv[5], "count=") : NULL;
    elo_err err = load_credentials(argv[1]);
    err = err == ELO_OK ? connect_tls(argv[2], (uint16_t)board_number(argv[3])) : err;
    if (err != ELO_OK || !connect_mqtt(argv[4])) {
        return 1;
    }
    memset(payload, 'x', sizeof payload);
    for (uint32_t left = count != NULL ? board_number(count) : 1; left > 0; left--) {
        board_begin(BOARD_PUBLISH);
        publish("elo/thing/telemetry", payload, sizeof payload);
        while (connected() && !loop()) {
            board_wait(1000, WIRE_CAN_RECEIVE);
        }
        board_end(BOARD_PUBLISH);
    }
    write_packet(0xe0, HEADER);
    return connected() ? 0 : 1;
}
