// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * TLS as AWS IoT Core offers it ("Transport security in AWS IoT Core"): 1.2 and 1.3, its cipher
 * suites, no session tickets, no resumption, no renegotiation. The client's chain is not built or
 * judged here: possession of the key is proved by the handshake, and whether the certificate is
 * welcome is the registry's answer, given after the handshake as AWS gives it.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "server/base/mem.h"
#include "server/net/internal.h"

/*
 * ALPN names ("Device communication protocols"). They count on either TLS port: clients of AWS
 * offer x-amzn-mqtt-ca on 8883, too.
 */
static const struct alpn {
    const char *name;
    enum listener_kind speaks;
    bool shows_certificate;
} alpn_names[] = {
    {"x-amzn-mqtt-ca", LISTEN_MQTTS, true},
    {"x-amzn-http-ca", LISTEN_HTTPS, true},
    {"http/1.1", LISTEN_HTTPS, false},
    {"mqtt", LISTEN_MQTTS, false}, /* on 443 it means a custom authorizer */
};

static const struct alpn *alpn_of(const unsigned char *name, size_t len)
{
    for (size_t i = 0; i < sizeof alpn_names / sizeof alpn_names[0]; i++) {
        if (strlen(alpn_names[i].name) == len && memcmp(alpn_names[i].name, name, len) == 0) {
            return &alpn_names[i];
        }
    }
    return NULL;
}

/* With some of the names a certificate must be shown, on the HTTPS port too. */
static int select_alpn(SSL *ssl,
                       const unsigned char **out,
                       unsigned char *out_len,
                       const unsigned char *in,
                       unsigned int in_len,
                       void *arg)
{
    (void)arg;
    for (unsigned int i = 0; i < in_len && in[i] < in_len - i; i += 1u + in[i]) {
        const struct alpn *alpn = alpn_of(in + i + 1, in[i]);
        if (alpn != NULL) {
            *out = in + i + 1;
            *out_len = in[i];
            if (alpn->shows_certificate) {
                SSL_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
            }
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

bool tls_wants_custom(const struct conn *c)
{
    return c->kind == LISTEN_HTTPS && strcmp(c->peer->alpn, "mqtt") == 0;
}

enum listener_kind tls_protocol(const struct conn *c)
{
    const struct alpn *alpn = alpn_of((const unsigned char *)c->peer->alpn, strlen(c->peer->alpn));
    return alpn != NULL ? alpn->speaks : c->kind;
}

elo_span tls_server_name(const struct conn *c)
{
    return c->peer ? elo_span_str(c->peer->server_name) : elo_span_of(NULL, 0);
}

static int judge_server_name(SSL *ssl, int *alert, void *arg)
{
    const struct compat *compat = &((const struct net *)arg)->config.compat;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    bool known = name == NULL || compat->unknown_sni == 0 ||
                 X509_check_host(SSL_get_certificate(ssl), name, 0, 0, NULL) == 1;
    if (!known || (name == NULL && compat->missing_sni != 0)) {
        *alert = SSL_AD_UNRECOGNIZED_NAME;
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    return SSL_TLSEXT_ERR_OK;
}

/* NULL: out of memory. Without a certificate an empty one. */
static struct tls_peer *peer_of(const X509 *certificate)
{
    int len =
        certificate ? i2d_X509(certificate, NULL) : 0; /* a copy: it keeps what it was read of */
    struct tls_peer *peer = len >= 0 ? mem_alloc(sizeof *peer + (size_t)len) : NULL;
    if (peer == NULL) {
        return NULL;
    }
    memset(peer, 0, sizeof *peer);
    peer->der_len = (size_t)len;
    if (len > 0) {
        uint8_t hash[32], *at = peer->der;
        (void)i2d_X509(certificate, &at);
        pki_sha256(elo_span_of(peer->der, peer->der_len), hash);
        core_hex(hash, sizeof hash, peer->certificate_id);
    }
    return peer;
}

/* Takes every certificate, unless the switch says that the handshake refuses unwelcome ones. Then
 * the handshake is done on the loop: see net.h. */
static int judge_client(X509_STORE_CTX *ctx, void *arg)
{
    const struct net *net = arg;
    X509_STORE_CTX_set_error(ctx, X509_V_OK);
    if (net->config.compat.unregistered_certificate == 0) {
        return 1;
    }
    struct tls_peer *peer = peer_of(X509_STORE_CTX_get0_cert(ctx));
    elo_err err = ELO_E_NO_MEMORY;
    if (peer != NULL) {
        err = authorizer_certificate(net->config.authorizer, elo_span_str(peer->certificate_id),
                                     net_time(net).wall_ms,
                                     net->config.compat.expired_certificate != 0);
    }
    if (err == ELO_OK) {
        mem_free(peer);
        return 1;
    }
    SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct conn *c = SSL_get_app_data(ssl);
    c->told = true;
    conn_log(c, LOG_WARN, err, peer ? peer->certificate_id : NULL,
             "the client's certificate is refused in the handshake");
    mem_free(peer);
    /* OpenSSL turns what it has no alert for, as this, into certificate_unknown (46): AWS's. */
    X509_STORE_CTX_set_error(ctx, X509_V_ERR_NO_EXPLICIT_POLICY);
    return 0;
}

static void note_secret(const SSL *ssl, const char *line)
{
    const struct conn *c = SSL_get_app_data(ssl);
    if (c->shaken != NULL) {
        record_note(&c->shaken->secrets, line);
    }
}

static bool set_up(struct net *net, SSL_CTX *ctx)
{
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ctx, 0); /* what follows the handshake is not OpenSSL's to read */
    if (!net->config.openssl_records) {
        SSL_CTX_set_keylog_callback(ctx, note_secret);
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(ctx, judge_client, net);
    SSL_CTX_set_alpn_select_cb(ctx, select_alpn, NULL);
    SSL_CTX_set_tlsext_servername_callback(ctx, judge_server_name);
    SSL_CTX_set_tlsext_servername_arg(ctx, net);
    return tls_obey_policy(ctx, tls_policy(net->config.tls_policy)) &&
           SSL_CTX_set_num_tickets(ctx, 0) == 1 &&
           SSL_CTX_use_certificate_chain_file(ctx, net->config.cert_file) == 1 &&
           SSL_CTX_use_PrivateKey_file(ctx, net->config.key_file, SSL_FILETYPE_PEM) == 1 &&
           SSL_CTX_check_private_key(ctx) == 1;
}

elo_err tls_context(struct net *net, SSL_CTX **out, char *why, size_t why_cap)
{
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (ctx != NULL && set_up(net, ctx)) {
        *out = ctx;
        return ELO_OK;
    }
    char reason[200] = "out of memory";
    unsigned long error = ERR_get_error();
    if (error != 0) {
        ERR_error_string_n(error, reason, sizeof reason);
    }
    ERR_clear_error();
    SSL_CTX_free(ctx);
    snprintf(why, why_cap,
             "cannot use %s with %s: %s; move both away and a new pair is made at the next start",
             net->config.cert_file, net->config.key_file, reason);
    return ELO_E_BAD_PEM;
}

/* What people get wrong, in their words. */
static const struct {
    int reason; /* OpenSSL's; alerts received are SSL_AD_REASON_OFFSET + the alert */
    elo_err err;
    const char *text;
} failures[] = {
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, ELO_E_CERT_MISSING, "the client sent no certificate"},
    {SSL_R_NO_SHARED_CIPHER, ELO_E_TLS_HANDSHAKE, "the client offers none of AWS's cipher suites"},
    {SSL_R_UNSUPPORTED_PROTOCOL, ELO_E_TLS_HANDSHAKE,
     "the client offers only TLS older than 1.2, or versions that --tls-policy leaves out"},
    {SSL_R_WRONG_VERSION_NUMBER, ELO_E_TLS_HANDSHAKE, "the client does not speak TLS on this port"},
    {SSL_R_HTTP_REQUEST, ELO_E_TLS_HANDSHAKE, "a plain HTTP request came to a TLS port"},
    {SSL_R_NO_APPLICATION_PROTOCOL, ELO_E_ALPN, "none of the client's ALPN names is known here"},
    {SSL_AD_REASON_OFFSET + SSL_AD_UNKNOWN_CA, ELO_E_ROOT,
     "the client does not trust this server's certificate: give it the desk's ca.pem"},
    {SSL_AD_REASON_OFFSET + SSL_AD_BAD_CERTIFICATE, ELO_E_ROOT,
     "the client does not accept this server's certificate: its name or its CA"},
    {SSL_AD_REASON_OFFSET + SSL_AD_CERTIFICATE_EXPIRED, ELO_E_CLOCK,
     "the client finds this server's certificate expired or not yet valid: is its clock set?"},
    {SSL_AD_REASON_OFFSET + SSL_AD_CERTIFICATE_UNKNOWN, ELO_E_ROOT,
     "the client does not accept this server's certificate"},
};

static elo_err failure(const SSL *ssl, char *why, size_t why_cap)
{
    unsigned long error = ERR_peek_last_error();
    int reason = ERR_GET_REASON(error);
    if (error != 0 && reason == SSL_R_CALLBACK_FAILED) { /* judge_server_name() */
        const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
        snprintf(why, why_cap, "%s%.80s",
                 name != NULL ? "the server name (SNI) is none of this server's: "
                              : "the client sends no server name (SNI)",
                 name != NULL ? name : "");
        return ELO_E_TLS_HANDSHAKE;
    }
    for (size_t i = 0; error != 0 && i < sizeof failures / sizeof failures[0]; i++) {
        if (failures[i].reason == reason) {
            snprintf(why, why_cap, "%s", failures[i].text);
            return failures[i].err;
        }
    }
    const char *text = error != 0 ? ERR_reason_error_string(error) : NULL;
    snprintf(why, why_cap, "TLS handshake: %s", text ? text : "the client went away");
    return error != 0 ? ELO_E_TLS_HANDSHAKE : ELO_E_TCP_CLOSED;
}

bool tls_begin(struct conn *c, SSL_CTX *ctx)
{
    c->ssl = SSL_new(ctx);
    if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1 || SSL_set_app_data(c->ssl, c) != 1) {
        return false;
    }
    if (c->kind == LISTEN_MQTTS) {
        SSL_set_verify(c->ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    return true;
}

static void copy_text(char *out, size_t cap, const char *text, size_t len)
{
    len = len < cap - 1 ? len : cap - 1;
    if (len > 0) {
        memcpy(out, text, len);
    }
    out[len] = '\0';
}

/* What is to be known of the other side. NULL: out of memory. */
static struct tls_peer *meet(const SSL *ssl)
{
    struct tls_peer *peer = peer_of(SSL_get0_peer_certificate(ssl));
    const unsigned char *alpn = NULL;
    unsigned int alpn_len = 0;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    SSL_get0_alpn_selected(ssl, &alpn, &alpn_len);
    if (peer != NULL) {
        copy_text(peer->alpn, sizeof peer->alpn, (const char *)alpn, alpn_len);
        copy_text(peer->server_name, sizeof peer->server_name, name, name ? strlen(name) : 0);
    }
    return peer;
}

/* The handshake is done. From here on our own record layer takes over, see record.h; a connection
 * that it is not for keeps its SSL. */
static void take_over(struct conn *c, struct shaken *out)
{
    /* In TLS 1.3 the client has the last word and we have nothing to say: a client that leaves
     * Nagle's algorithm on would send its CONNECT only when our delayed acknowledgement comes. */
    int on = 1;
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
    struct record_secrets secrets = out->secrets;
    OPENSSL_cleanse(&out->secrets, sizeof out->secrets);
    *out = (struct shaken){.peer = meet(c->ssl)};
    if (out->peer == NULL) {
        out->err = ELO_E_NO_MEMORY;
        out->level = LOG_ERROR;
        snprintf(out->why, sizeof out->why, "out of memory after the TLS handshake");
        return;
    }
    bool ours = !c->net->config.openssl_records && SSL_has_pending(c->ssl) == 0;
    c->record = ours ? record_create(c->ssl, &secrets) : NULL;
    OPENSSL_cleanse(&secrets, sizeof secrets);
    if (c->record != NULL) {
        SSL_free(c->ssl);
        c->ssl = NULL;
    } else {
        SSL_set_read_ahead(c->ssl, 1);
    }
}

int tls_shake(struct conn *c, struct shaken *out)
{
    ERR_clear_error();
    int rc = SSL_accept(c->ssl);
    if (rc == 1) {
        take_over(c, out);
        return SSL_ERROR_NONE;
    }
    int error = SSL_get_error(c->ssl, rc);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        return error;
    }
    OPENSSL_cleanse(out, sizeof *out);
    out->err = failure(c->ssl, out->why, sizeof out->why);
    out->level = out->err == ELO_E_TCP_CLOSED ? LOG_DEBUG : LOG_WARN;
    if (c->told) {
        out->why[0] = '\0';
    }
    return SSL_ERROR_NONE;
}

/* --- memory ------------------------------------------------------------------------------------
 */

static void *openssl_malloc(size_t bytes, const char *file, int line)
{
    (void)file;
    (void)line;
    return mem_foreign_grow(MEM_OPENSSL, NULL, bytes);
}

static void *openssl_realloc(void *ptr, size_t bytes, const char *file, int line)
{
    (void)file;
    (void)line;
    return mem_foreign_grow(MEM_OPENSSL, ptr, bytes);
}

static void openssl_free(void *ptr, const char *file, int line)
{
    (void)file;
    (void)line;
    mem_free_in(MEM_OPENSSL, ptr);
}

void net_count_openssl(void)
{
    /* Too late, it says so, and then nothing is counted. */
    (void)CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free);
}
