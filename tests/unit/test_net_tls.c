// links: server_net
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * TLS over real sockets: who shows no certificate, or may be refused for an unknown one, gets the
 * alert for it, and the log says why, also of who speaks no TLS; what one connection sends can
 * neither spin the server nor fill its memory; a new server certificate is for new connections.
 */
#include "tests/support/net_tests.h"

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static void a_missing_certificate_is_told(void **state)
{
    struct rig *rig = *state;
    for (size_t i = 0; i < 2; i++) {
        struct peer p;
        buf_clear(&rig->told);
        peer_connect(rig, &p, LISTEN_MQTTS);
        peer_secure(&p, versions[i], NULL, NULL);
        bool done = peer_shake(&p);
        assert_int_equal(done, versions[i] == TLS1_3_VERSION); /* there it learns of it later */
        (void)peer_send_some(&p, "\x10", done ? 1 : 0);
        (void)peer_wait_end(&p);
        rig_expect_told(rig, "\"code\":\"E-CERT-MISSING\"");
        rig_expect_told(rig, "\"sourceIp\":\"127.0.0.1\"");
        assert_int_equal(p.alert, versions[i] == TLS1_3_VERSION ? 116 : SSL_AD_HANDSHAKE_FAILURE);
        peer_close(&p);
    }
}

static void an_unknown_certificate_may_be_refused_by_alert(void **state)
{
    (void)state;
    struct rig rig;
    struct buf key, csr;
    struct pki_issued issued;
    char why[200];
    rig_open(&rig, (struct compat){.unregistered_certificate = 1});
    buf_init(&key, LIMIT_PEM_BYTES);
    buf_init(&csr, LIMIT_PEM_BYTES);
    pki_issued_init(&issued);
    assert_int_equal(pki_make_key_and_csr("x", &key, &csr), ELO_OK);
    assert_int_equal(
        pki_issue_from_csr(rig.ca, buf_span(&csr), rig_now_ms() / 1000, &issued, why, sizeof why),
        ELO_OK);
    for (size_t i = 0; i < 2; i++) {
        struct peer p;
        buf_clear(&rig.told);
        peer_connect(&rig, &p, LISTEN_MQTTS);
        peer_secure(&p, versions[i], &issued.certificate_pem, &key);
        if (peer_shake(&p)) {
            (void)peer_wait_end(&p);
        }
        assert_int_equal(p.alert, SSL_AD_CERTIFICATE_UNKNOWN);
        rig_expect_told(&rig, "\"code\":\"E-CERT-UNKNOWN\"");
        rig_expect_told(&rig, issued.info.id);
        assert_int_equal(count_in(&rig.told, "\n"), 1); /* told once */
        peer_close(&p);
    }
    struct peer good;
    peer_device(&rig, &good, "good");
    peer_close(&good);
    buf_free(&key);
    buf_free(&csr);
    pki_issued_free(&issued);
    rig_close(&rig);
}

static void plain_bytes_on_a_tls_port_are_told(void **state)
{
    struct rig *rig = *state;
    static const struct {
        const char *sent, *told;
    } cases[] = {{"GET / HTTP/1.1\r\n\r\n", "a plain HTTP request came to a TLS port"},
                 {"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02id", "does not speak TLS"}};
    for (size_t i = 0; i < 2; i++) {
        struct peer p;
        peer_connect(rig, &p, LISTEN_MQTTS);
        (void)peer_send_some(&p, cases[i].sent, i == 0 ? strlen(cases[i].sent) : 16);
        assert_true(peer_wait_end(&p));
        rig_expect_told(rig, cases[i].told);
        peer_close(&p);
    }
}

static void mqtt_by_alpn_needs_a_certificate_too(void **state)
{
    struct rig *rig = *state;
    static const unsigned char alpn[] = "\x0ex-amzn-mqtt-ca";
    struct peer p;
    peer_connect(rig, &p, LISTEN_HTTPS);
    peer_secure(&p, TLS1_3_VERSION, NULL, NULL);
    SSL_set_alpn_protos(p.ssl, alpn, sizeof alpn - 1);
    if (peer_shake(&p)) {
        (void)peer_wait_end(&p);
    }
    assert_int_equal(p.alert, 116);
    rig_expect_told(rig, "\"code\":\"E-CERT-MISSING\"");
    peer_close(&p);
}

static void key_updates_are_answered_and_cannot_spin_the_server(void **state)
{
    struct rig *rig = *state;
    struct peer p;
    peer_connect(rig, &p, LISTEN_HTTPS);
    peer_secure(&p, TLS1_3_VERSION, NULL, NULL);
    assert_true(peer_shake(&p));
    for (int i = 0; i < 20; i++) {
        assert_int_equal(SSL_key_update(p.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        peer_say(&p, GET);
    }
    while (count_in(&p.got, "HTTP/1.1 403") < 20) {
        assert_true(peer_wait(&p, buf_span(&p.got).len + 1));
    }
    peer_close(&p);
}

/* Of input that is not wanted now no more than a part of one record is kept in memory; the rest
 * stays in the socket. */
static void what_is_kept_of_coalesced_records_is_bounded(void **state)
{
    struct rig *rig = *state;
    struct peer p;
    static char filler[2048];
    size_t most = 0;
    peer_connect(rig, &p, LISTEN_HTTPS);
    peer_secure(&p, TLS1_3_VERSION, NULL, NULL);
    assert_true(peer_shake(&p));
    snprintf(filler, sizeof filler, "GET /things HTTP/1.1\r\nHost: a\r\nX-Filler: %01500d\r\n\r\n",
             0);
    for (int i = 0; i < 200; i++) { /* written behind the server's back */
        if (SSL_write(p.ssl, filler, (int)strlen(filler)) <= 0) {
            break;
        }
    }
    for (int i = 0; i < 400; i++) {
        rig_turn(rig);
        peer_read(&p);
        size_t kept = rig->net->all ? buf_span(&rig->net->all->kept).len : 0;
        most = kept > most ? kept : most;
    }
    assert_true(count_in(&p.got, "HTTP/1.1 403") > 20);
    assert_true(most < RECORD_WIRE_MAX);
    peer_close(&p);
}

static void a_new_certificate_is_for_new_connections(void **state)
{
    struct rig *rig = *state;
    static const char *const names[] = {"localhost", "127.0.0.1", "renewed.example"};
    char why[300];
    struct peer old, early, fresh;
    peer_device(rig, &old, "old");
    peer_connect(rig, &early, LISTEN_MQTTS);
    rig_rest(rig); /* its handshake has begun, wherever that is done */
    assert_int_equal(
        pki_server_certificate(rig->ca, rig->dir, names, 3, rig_now_ms() / 1000, why, sizeof why),
        ELO_OK);
    assert_int_equal(net_reload_certificate(rig->net, why, sizeof why), ELO_OK);
    peer_device(rig, &fresh, "fresh");
    X509 *a = SSL_get1_peer_certificate(old.ssl), *b = SSL_get1_peer_certificate(fresh.ssl);
    assert_int_not_equal(X509_cmp(a, b), 0);
    X509_free(b);
    peer_secure(&early, TLS1_3_VERSION, &rig->device_cert, &rig->device_key);
    assert_true(peer_shake(&early));
    b = SSL_get1_peer_certificate(early.ssl);
    assert_int_equal(X509_cmp(a, b), 0);
    X509_free(a);
    X509_free(b);
    peer_close(&early);
    peer_send(&old, "\xc0\x00", 2);
    assert_true(peer_wait(&old, 2));
    /* What cannot be used is not used. */
    FILE *damaged = fopen(rig->cert, "w");
    fclose(damaged);
    assert_int_equal(net_reload_certificate(rig->net, why, sizeof why), ELO_E_BAD_PEM);
    assert_non_null(strstr(why, "server.pem"));
    peer_close(&fresh);
    peer_device(rig, &fresh, "fresh");
    peer_close(&fresh);
    peer_close(&old);
    assert_int_equal(unlink(rig->cert), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RIG(a_missing_certificate_is_told),
        cmocka_unit_test(an_unknown_certificate_may_be_refused_by_alert),
        WITH_RIG(plain_bytes_on_a_tls_port_are_told),
        WITH_RIG(mqtt_by_alpn_needs_a_certificate_too),
        WITH_RIG(key_updates_are_answered_and_cannot_spin_the_server),
        WITH_RIG(what_is_kept_of_coalesced_records_is_bounded),
        WITH_RIG(a_new_certificate_is_for_new_connections),
    };
    const struct CMUnitTest shaken[] = {
        WITH_RIG(a_missing_certificate_is_told),
        WITH_RIG(plain_bytes_on_a_tls_port_are_told),
        WITH_RIG(mqtt_by_alpn_needs_a_certificate_too),
        WITH_RIG(key_updates_are_answered_and_cannot_spin_the_server),
        WITH_RIG(a_new_certificate_is_for_new_connections),
    };
    return RUN_EACH_WAY(tests, shaken);
}
