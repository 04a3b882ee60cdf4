// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: two tables of bytes in flash, one for BearSSL's own numbers (1..62) and one for
 * alerts received (256 + alert). A reason is stored as its positive number. What is not listed is a
 * failed handshake or, afterwards, a damaged stream.
 */
#include "elo/tls/internal.h"

#include "elo/base/flash.h"

#define REASON(err) ((uint8_t) - (err))

/* Number, reason, and the alert that tells the server (RFC 5246, 7.2.2). Only failures that are
 * found before our ChangeCipherSpec have an alert, for it goes out in the clear. */
static const uint8_t OWN[][3] ELO_FLASH = {
    {BR_ERR_UNSUPPORTED_VERSION, REASON(ELO_E_TLS_HANDSHAKE), BR_ALERT_PROTOCOL_VERSION},
    {BR_ERR_TOO_LARGE, REASON(ELO_E_TLS_RECORD), 0},
    {BR_ERR_NO_RANDOM, REASON(ELO_E_ENTROPY), 0},
    {BR_ERR_BAD_CIPHER_SUITE, REASON(ELO_E_TLS_HANDSHAKE), BR_ALERT_ILLEGAL_PARAMETER},
    {BR_ERR_BAD_SIGNATURE, REASON(ELO_E_TLS_HANDSHAKE), BR_ALERT_DECRYPT_ERROR},
    {BR_ERR_WRONG_KEY_USAGE, REASON(ELO_E_TLS_HANDSHAKE), BR_ALERT_UNSUPPORTED_CERTIFICATE},
    {BR_ERR_X509_TIME_UNKNOWN, REASON(ELO_E_CLOCK), BR_ALERT_CERTIFICATE_EXPIRED},
    {BR_ERR_X509_EXPIRED, REASON(ELO_E_SERVER_EXPIRED), BR_ALERT_CERTIFICATE_EXPIRED},
    {BR_ERR_X509_BAD_SERVER_NAME, REASON(ELO_E_SERVER_NAME), BR_ALERT_BAD_CERTIFICATE},
    {BR_ERR_X509_NOT_TRUSTED, REASON(ELO_E_ROOT), BR_ALERT_UNKNOWN_CA},
};

/* Alerts of the server that speak about our certificate: no_certificate (41, SSL 3 only but still
 * seen), the certificate family, and certificate_required (116, RFC 8446). */
static const uint8_t REFUSALS[] ELO_FLASH = {
    41,
    BR_ALERT_BAD_CERTIFICATE,
    BR_ALERT_UNSUPPORTED_CERTIFICATE,
    BR_ALERT_CERTIFICATE_REVOKED,
    BR_ALERT_CERTIFICATE_EXPIRED,
    BR_ALERT_CERTIFICATE_UNKNOWN,
    BR_ALERT_UNKNOWN_CA,
    BR_ALERT_ACCESS_DENIED,
    116,
};

static elo_err reason_of_alert(int alert)
{
    if (alert == BR_ALERT_NO_APPLICATION_PROTOCOL) {
        return ELO_E_ALPN;
    }
    for (size_t i = 0; i < sizeof REFUSALS; i++) {
        if (elo_flash_read8(&REFUSALS[i]) == alert) {
            return ELO_E_TLS_CERT_REFUSED;
        }
    }
    return ELO_E_TLS_ALERT;
}

elo_err elo__tls_reason(int bear, struct elo__tls_moment moment, uint8_t *out_alert)
{
    *out_alert = 0;
    if (bear >= BR_ERR_RECV_FATAL_ALERT && bear < BR_ERR_SEND_FATAL_ALERT) {
        return reason_of_alert(bear - BR_ERR_RECV_FATAL_ALERT);
    }
    for (size_t i = 0; i < sizeof OWN / sizeof OWN[0]; i++) {
        if (elo_flash_read8(&OWN[i][0]) != bear) {
            continue;
        }
        *out_alert = elo_flash_read8(&OWN[i][2]);
        if (bear == BR_ERR_X509_EXPIRED && moment.not_yet_valid) {
            return ELO_E_CLOCK;
        }
        return (elo_err) - (int)elo_flash_read8(&OWN[i][1]);
    }
    if (bear > BR_ERR_X509_OK && bear < BR_ERR_X509_NOT_TRUSTED) {
        *out_alert = BR_ALERT_BAD_CERTIFICATE;
    }
    return moment.ready ? ELO_E_MALFORMED : ELO_E_TLS_HANDSHAKE;
}
