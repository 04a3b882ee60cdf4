// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: BearSSL's client engine does the protocol. This file sets it up,
 * refuses configurations that cannot be safe, and after every step ("settle") looks whether the
 * engine has failed or become ready, once each:
 *
 *      init --refused--> CLOSED with error
 *        |
 *        v                 any failure
 *      handshake ----------------------------> CLOSED with error, perhaps one alert to send
 *        | first time BearSSL takes plaintext        ^
 *        v                                           |
 *      ready  -- close() --> closing -- peer's close_notify, or end of input --> CLOSED
 *
 * Invariant: once _internal.error is set, BearSSL is not called again.
 */
#include "elo/tls/tls.h"

#include "elo/base/assert.h"
#include "elo/tls/internal.h"

#define SECONDS_PER_DAY 86400u
#define DAYS_TO_1970    719528u /* from year 0, where BearSSL begins to count */
#define HOST_MAX        255

/* The public flags are BearSSL's, and one more. */
typedef char elo__tls_flags_match[(int)ELO_TLS_CLOSED == BR_SSL_CLOSED &&
                                          (int)ELO_TLS_OUTPUT == BR_SSL_SENDREC &&
                                          (int)ELO_TLS_INPUT == BR_SSL_RECVREC &&
                                          (int)ELO_TLS_WRITE == BR_SSL_SENDAPP &&
                                          (int)ELO_TLS_READ == BR_SSL_RECVAPP
                                      ? 1
                                      : -1];

/* --- refusals ----------------------------------------------------------------------------------
 */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
}

/*
 * Labels between single dots, none before the first or behind the last, and not digits alone: that
 * is an address, which is no name (RFC 6066, 3). Whatever else is in there has slipped in from a
 * URL or a file's end of line, and no certificate could ever match it.
 */
static bool is_host_name(const char *host)
{
    bool numeric = true;
    char before = '.';
    size_t len = 0;
    for (; host != NULL && host[len] != '\0'; len++) {
        char c = host[len];
        bool digit = c >= '0' && c <= '9';
        if (c == '.' ? before == '.' : !digit && !is_letter(c)) {
            return false;
        }
        numeric = numeric && (digit || c == '.');
        before = c;
    }
    return before != '.' && !numeric && len <= HOST_MAX;
}

static elo_err check(const struct elo_tls_config *config)
{
    uint32_t floor =
        config->clock_floor > ELO_TLS_CLOCK_FLOOR ? config->clock_floor : ELO_TLS_CLOCK_FLOOR;
    if (!is_host_name(config->host)) {
        return ELO_E_SERVER_NAME;
    }
    if (config->anchors == NULL || elo_tls_anchors_count(config->anchors) == 0) {
        return ELO_E_ROOT;
    }
    if (config->now_unix < floor) {
        return ELO_E_CLOCK;
    }
    if (!elo__tls_is_random(config->entropy)) {
        return ELO_E_ENTROPY;
    }
    if (config->input_cap < ELO_TLS_INPUT_BYTES(512) ||
        config->output_cap < ELO_TLS_OUTPUT_BYTES(512) || config->handshake == NULL) {
        return ELO_E_NO_SPACE;
    }
    return ELO_OK;
}

/* --- setting up --------------------------------------------------------------------------------
 */

/* The validator judges by the same algorithms as the engine. */
static void trust(struct elo_tls *tls, const struct elo_tls_config *config)
{
    br_ssl_engine_context *eng = &tls->_internal.client.eng;
    br_x509_minimal_context *minimal = &config->handshake->_internal.minimal;
    br_x509_minimal_init(minimal, br_ssl_engine_get_hash(eng, br_sha256_ID),
                         config->anchors->_internal.table, config->anchors->_internal.count);
    for (int id = br_sha256_ID; id <= br_sha512_ID; id++) {
        br_x509_minimal_set_hash(minimal, id, br_ssl_engine_get_hash(eng, id));
    }
    br_x509_minimal_set_rsa(minimal, br_ssl_engine_get_rsavrfy(eng));
    br_x509_minimal_set_ecdsa(minimal, br_ssl_engine_get_ec(eng), br_ssl_engine_get_ecdsa(eng));
    br_x509_minimal_set_minrsa(minimal, 2048 / 8);
    br_x509_minimal_set_time(minimal, config->now_unix / SECONDS_PER_DAY + DAYS_TO_1970,
                             config->now_unix % SECONDS_PER_DAY);
    elo__tls_x509_init(config->handshake, config->now_unix);
    br_ssl_engine_set_x509(eng, &config->handshake->_internal.vtable);
    tls->_internal.handshake = config->handshake;
}

static void offer_protocols(br_ssl_engine_context *eng, const struct elo_tls_config *config)
{
    uint32_t flags = BR_OPT_NO_RENEGOTIATION;
    /* A choice that was not offered breaks RFC 7301. With require_alpn the check is ours, so that
     * it has its own reason. */
    if (!config->require_alpn) {
        flags |= BR_OPT_FAIL_ON_ALPN_MISMATCH;
    }
    br_ssl_engine_set_all_flags(eng, flags);
    if (config->alpn_count > 0) {
        br_ssl_engine_set_protocol_names(eng, (const char **)(uintptr_t)config->alpn,
                                         config->alpn_count);
    }
}

/* --- sessions ----------------------------------------------------------------------------------
 */

/* bytes: format (1), id length (1), id (32), suite (2), master secret (48), 2 zero bytes. */
enum { SESSION_FORMAT = 1, AT_ID_LEN = 1, AT_ID = 2, AT_SUITE = 34, AT_SECRET = 36 };

static elo_err set_session(br_ssl_engine_context *eng, const struct elo_tls_session *session)
{
    const uint8_t *b = session->bytes;
    if (b[0] != SESSION_FORMAT || b[AT_ID_LEN] == 0 || b[AT_ID_LEN] > 32) {
        return ELO_E_MALFORMED;
    }
    br_ssl_session_parameters p;
    memset(&p, 0, sizeof p);
    p.session_id_len = b[AT_ID_LEN];
    memcpy(p.session_id, b + AT_ID, 32);
    p.version = BR_TLS12;
    p.cipher_suite = (uint16_t)(b[AT_SUITE] << 8 | b[AT_SUITE + 1]);
    memcpy(p.master_secret, b + AT_SECRET, 48);
    br_ssl_engine_set_session_parameters(eng, &p);
    elo__tls_wipe(&p, sizeof p);
    return ELO_OK;
}

elo_err elo_tls_session_get(const struct elo_tls *tls, struct elo_tls_session *out_session)
{
    if (!tls->_internal.ready || tls->_internal.error != ELO_OK) {
        return ELO_E_NOT_FOUND;
    }
    br_ssl_session_parameters p;
    br_ssl_engine_get_session_parameters(&tls->_internal.client.eng, &p);
    if (p.session_id_len == 0) {
        return ELO_E_NOT_FOUND;
    }
    uint8_t *b = out_session->bytes;
    memset(b, 0, sizeof out_session->bytes);
    b[0] = SESSION_FORMAT;
    b[AT_ID_LEN] = p.session_id_len;
    memcpy(b + AT_ID, p.session_id, p.session_id_len);
    b[AT_SUITE] = (uint8_t)(p.cipher_suite >> 8);
    b[AT_SUITE + 1] = (uint8_t)p.cipher_suite;
    memcpy(b + AT_SECRET, p.master_secret, 48);
    elo__tls_wipe(&p, sizeof p);
    return ELO_OK;
}

/* --- failing, becoming ready -------------------------------------------------------------------
 */

/* A fatal alert in the clear: type 21, TLS 1.2, two bytes (RFC 5246, 6.2.1 and 7.2). */
static void queue_alert(struct elo_tls *tls, uint8_t description)
{
    uint8_t *a = tls->_internal.alert;
    a[0] = 21;
    a[1] = 3;
    a[2] = 3;
    a[3] = 0;
    a[4] = 2;
    a[5] = 2;
    a[6] = description;
    tls->_internal.alert_len = sizeof tls->_internal.alert;
}

/* The handshake's memory returns to its owner; what was learnt in it stays. */
static void give_back(struct elo_tls *tls)
{
    if (tls->_internal.handshake != NULL) {
        tls->_internal.server_not_after = tls->_internal.handshake->_internal.leaf_not_after;
        tls->_internal.handshake = NULL;
        elo__tls_x509_none(&tls->_internal.client.eng);
    }
}

static void drop_unread(br_ssl_engine_context *eng)
{
    size_t len;
    while (br_ssl_engine_recvapp_buf(eng, &len) != NULL) {
        br_ssl_engine_recvapp_ack(eng, len);
    }
}

/* `output_clean`: no record was half way out, so an alert may follow. */
static void settle(struct elo_tls *tls, bool output_clean)
{
    br_ssl_engine_context *eng = &tls->_internal.client.eng;
    int bear = br_ssl_engine_last_error(eng);
    if (bear != 0) {
        const struct elo_tls_handshake *h = tls->_internal.handshake;
        struct elo__tls_moment moment = {tls->_internal.ready,
                                         h != NULL && h->_internal.not_yet_valid};
        uint8_t alert;
        tls->_internal.error = elo__tls_reason(bear, moment, &alert);
        if (alert != 0 && output_clean && !tls->_internal.ready) {
            queue_alert(tls, alert);
        }
        give_back(tls);
        return;
    }
    if (!tls->_internal.ready &&
        (br_ssl_engine_current_state(eng) & (BR_SSL_SENDAPP | BR_SSL_RECVAPP)) != 0) {
        tls->_internal.ready = true;
        give_back(tls);
        if (tls->_internal.require_alpn && br_ssl_engine_get_selected_protocol(eng) == NULL) {
            tls->_internal.error = ELO_E_ALPN;
        }
    }
    if (tls->_internal.closing) {
        drop_unread(eng);
    }
}

static bool is_over(const struct elo_tls *tls)
{
    return tls->_internal.error != ELO_OK || tls->_internal.shut;
}

/* --- the interface -----------------------------------------------------------------------------
 */

static elo_err start(struct elo_tls *tls, const struct elo_tls_config *config)
{
    br_ssl_client_context *client = &tls->_internal.client;
    br_ssl_engine_set_versions(&client->eng, BR_TLS12, BR_TLS12);
    tls->_internal.profile = config->profile;
    config->profile->_internal.algorithms(&client->eng);
    trust(tls, config);
    elo_err err = config->identity != NULL ? elo_tls_present(tls, config->identity) : ELO_OK;
    if (err != ELO_OK) {
        return err;
    }
    offer_protocols(&client->eng, config);
    br_ssl_engine_set_buffers_bidi(&client->eng, config->input, config->input_cap, config->output,
                                   config->output_cap);
    br_ssl_engine_inject_entropy(&client->eng, config->entropy.ptr, config->entropy.len);
    if (config->resume != NULL) {
        err = set_session(&client->eng, config->resume);
        if (err != ELO_OK) {
            return err;
        }
    }
    if (!br_ssl_client_reset(client, config->host, config->resume != NULL)) {
        uint8_t alert;
        struct elo__tls_moment moment = {false, false};
        return elo__tls_reason(br_ssl_engine_last_error(&client->eng), moment, &alert);
    }
    return ELO_OK;
}

elo_err elo_tls_init(struct elo_tls *tls, const struct elo_tls_config *config)
{
    ELO_ASSERT(tls != NULL && config != NULL && config->profile != NULL);
    memset(tls, 0, sizeof *tls);
    br_ssl_client_zero(&tls->_internal.client);
    tls->_internal.require_alpn = config->require_alpn;
    tls->_internal.pace.pieces = config->stepwise;
    tls->_internal.error = check(config);
    if (tls->_internal.error == ELO_OK) {
        tls->_internal.error = start(tls, config);
    }
    if (tls->_internal.error != ELO_OK) {
        give_back(tls);
    }
    return tls->_internal.error;
}

unsigned elo_tls_state(const struct elo_tls *tls)
{
    if (tls->_internal.error != ELO_OK) {
        return tls->_internal.alert_sent < tls->_internal.alert_len
                   ? ELO_TLS_CLOSED | ELO_TLS_OUTPUT
                   : ELO_TLS_CLOSED;
    }
    if (tls->_internal.shut) {
        return ELO_TLS_CLOSED;
    }
    unsigned state = br_ssl_engine_current_state(&tls->_internal.client.eng);
    if (tls->_internal.closing) {
        state &= ~(unsigned)(ELO_TLS_READ | ELO_TLS_WRITE);
    }
    if (tls->_internal.ready && (state & ELO_TLS_CLOSED) == 0) {
        state |= ELO_TLS_READY;
    }
    return state;
}

bool elo_tls_borrows(const struct elo_tls *tls)
{
    return tls->_internal.handshake != NULL;
}

elo_err elo_tls_present(struct elo_tls *tls, const struct elo_tls_identity *identity)
{
    if (identity->_internal.chain_len == 0) { /* an empty one */
        return ELO_OK;
    }
    return tls->_internal.profile->_internal.present(&tls->_internal.client, identity)
               ? ELO_OK
               : ELO_E_UNSUPPORTED;
}

uint8_t *elo_tls_input_buf(const struct elo_tls *tls, size_t *out_len)
{
    *out_len = 0;
    if (is_over(tls)) {
        return NULL;
    }
    uint8_t *at = br_ssl_engine_recvrec_buf(&tls->_internal.client.eng, out_len);
    *out_len = elo__tls_pace_limit(&tls->_internal.pace, *out_len);
    return at;
}

void elo_tls_input_ack(struct elo_tls *tls, size_t len)
{
    if (is_over(tls) || len == 0) {
        return;
    }
    br_ssl_engine_context *eng = &tls->_internal.client.eng;
    bool output_clean = (br_ssl_engine_current_state(eng) & BR_SSL_SENDREC) == 0;
    size_t room;
    elo__tls_pace_feed(&tls->_internal.pace, br_ssl_engine_recvrec_buf(eng, &room), len);
    br_ssl_engine_recvrec_ack(eng, len);
    settle(tls, output_clean);
    /* Proven, or past certificates in a resumed session: when BearSSL has not failed on it and has
     * left nothing of it unread. */
    const struct elo__tls_pace *pace = &tls->_internal.pace;
    if ((pace->proven || pace->over) && br_ssl_engine_recvrec_buf(eng, &room) != NULL) {
        give_back(tls);
    }
}

void elo_tls_input_end(struct elo_tls *tls)
{
    if ((elo_tls_state(tls) & ELO_TLS_CLOSED) != 0) {
        return;
    }
    if (tls->_internal.closing) {
        tls->_internal.shut = true;
    } else {
        tls->_internal.error = ELO_E_TCP_CLOSED;
    }
    give_back(tls);
}

const uint8_t *elo_tls_output_buf(const struct elo_tls *tls, size_t *out_len)
{
    *out_len = 0;
    if (tls->_internal.error != ELO_OK) {
        if (tls->_internal.alert_sent == tls->_internal.alert_len) {
            return NULL;
        }
        *out_len = (size_t)(tls->_internal.alert_len - tls->_internal.alert_sent);
        return tls->_internal.alert + tls->_internal.alert_sent;
    }
    if (tls->_internal.shut) {
        return NULL;
    }
    return br_ssl_engine_sendrec_buf(&tls->_internal.client.eng, out_len);
}

void elo_tls_output_ack(struct elo_tls *tls, size_t len)
{
    if (tls->_internal.error != ELO_OK) {
        ELO_ASSERT(len <= (size_t)(tls->_internal.alert_len - tls->_internal.alert_sent));
        tls->_internal.alert_sent = (uint8_t)(tls->_internal.alert_sent + len);
        return;
    }
    if (tls->_internal.shut || len == 0) {
        return;
    }
    br_ssl_engine_sendrec_ack(&tls->_internal.client.eng, len);
    settle(tls, false);
}

const uint8_t *elo_tls_read_buf(const struct elo_tls *tls, size_t *out_len)
{
    *out_len = 0;
    if (is_over(tls)) {
        return NULL;
    }
    return br_ssl_engine_recvapp_buf(&tls->_internal.client.eng, out_len);
}

void elo_tls_read_ack(struct elo_tls *tls, size_t len)
{
    if (is_over(tls) || len == 0) {
        return;
    }
    br_ssl_engine_recvapp_ack(&tls->_internal.client.eng, len);
    settle(tls, false);
}

uint8_t *elo_tls_write_buf(const struct elo_tls *tls, size_t *out_len)
{
    *out_len = 0;
    if (is_over(tls) || tls->_internal.closing) {
        return NULL;
    }
    return br_ssl_engine_sendapp_buf(&tls->_internal.client.eng, out_len);
}

void elo_tls_write_ack(struct elo_tls *tls, size_t len)
{
    if (is_over(tls) || tls->_internal.closing || len == 0) {
        return;
    }
    br_ssl_engine_sendapp_ack(&tls->_internal.client.eng, len);
    settle(tls, false);
}

void elo_tls_flush(struct elo_tls *tls)
{
    if (is_over(tls) || tls->_internal.closing) {
        return;
    }
    br_ssl_engine_flush(&tls->_internal.client.eng, 0);
    settle(tls, false);
}

void elo_tls_close(struct elo_tls *tls)
{
    if (is_over(tls) || tls->_internal.closing) {
        return;
    }
    if (!tls->_internal.ready) {
        tls->_internal.shut = true;
        give_back(tls);
        return;
    }
    elo_tls_flush(tls);
    tls->_internal.closing = true;
    drop_unread(&tls->_internal.client.eng);
    br_ssl_engine_close(&tls->_internal.client.eng);
    settle(tls, false);
}

/* --- what happened -----------------------------------------------------------------------------
 */

elo_err elo_tls_error(const struct elo_tls *tls)
{
    return tls->_internal.error;
}

int elo_tls_error_number(const struct elo_tls *tls)
{
    return br_ssl_engine_last_error(&tls->_internal.client.eng);
}

int elo_tls_alert(const struct elo_tls *tls)
{
    int bear = elo_tls_error_number(tls);
    bool received = bear >= BR_ERR_RECV_FATAL_ALERT && bear < BR_ERR_SEND_FATAL_ALERT;
    return received ? bear - BR_ERR_RECV_FATAL_ALERT : -1;
}

const char *elo_tls_alpn(const struct elo_tls *tls)
{
    /* The accessor does not write, but BearSSL 0.6 declares it without const. */
    br_ssl_engine_context *eng = (br_ssl_engine_context *)(uintptr_t)&tls->_internal.client.eng;
    return tls->_internal.ready ? br_ssl_engine_get_selected_protocol(eng) : NULL;
}

uint16_t elo_tls_cipher_suite(const struct elo_tls *tls)
{
    return tls->_internal.ready ? tls->_internal.client.eng.session.cipher_suite : 0;
}

uint16_t elo_tls_fragment_bytes(const struct elo_tls *tls)
{
    return (uint16_t)(1u << tls->_internal.client.eng.log_max_frag_len);
}

uint32_t elo_tls_server_not_after(const struct elo_tls *tls)
{
    const struct elo_tls_handshake *h = tls->_internal.handshake;
    return h != NULL ? h->_internal.leaf_not_after : tls->_internal.server_not_after;
}
