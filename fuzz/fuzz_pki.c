// links: server_pki server_base
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What strangers bring: the bytes as PEM, as DER and as a signing request. A certificate that is
 * read has one id in all its shapes; what is issued is a certificate; no error stays behind in
 * OpenSSL's queue, where the next TLS call would find it.
 */
#include <openssl/err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/limits.h"
#include "server/pki/pki.h"

enum { NOW = 1767323045 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pki_ca *ca;

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    char dir[] = "/tmp/elo-fuzz-XXXXXX";
    char path[64];
    must(mkdtemp(dir) != NULL);
    must(pki_ca_open(dir, NOW, &ca, NULL, 0) == ELO_OK);
    snprintf(path, sizeof path, "%s/ca.key", dir);
    unlink(path);
    snprintf(path, sizeof path, "%s/ca.pem", dir);
    unlink(path);
    rmdir(dir);
    return 0;
}

static void read_variables(elo_span der)
{
    static const char *const names[] = {"Subject.CommonName",
                                        "Issuer.OrganizationalUnit",
                                        "Subject.AlternativeName.DirectoryName",
                                        "Subject.AlternativeName.IPAddress",
                                        "Issuer.AlternativeName.RFC822Name",
                                        "SerialNumber",
                                        "AvailableKeys"};
    struct buf scratch;
    buf_init(&scratch, 4096);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        elo_span name = elo_span_str(names[i]);
        elo_span value;
        size_t count = pki_certificate_variable(der, name, 0, &scratch, &value);
        if (count > 0) {
            must(pki_certificate_variable(der, name, count - 1, &scratch, &value) == count);
            must(value.len == 0 || memchr(value.ptr, '\0', value.len) == NULL);
        }
    }
    buf_free(&scratch);
}

static void read_certificate(elo_span input)
{
    struct pki_certificate info;
    struct pki_certificate again;
    struct buf pem;
    char why[160];
    char id[65];
    buf_init(&pem, 4 * LIMIT_PEM_BYTES);
    bool is_der = pki_certificate_der_to_id(input, id) == ELO_OK;
    if (pki_certificate_to_pem(input, &pem) == ELO_OK &&
        pki_certificate_read(buf_span(&pem), &info, why, sizeof why) == ELO_OK) {
        must(!is_der || strcmp(id, info.id) == 0);
        must(is_der || pki_certificate_read(input, &again, why, sizeof why) == ELO_OK);
        must(is_der || strcmp(again.id, info.id) == 0);
        must(pki_certificate_check(buf_span(&pem), why, sizeof why) != ELO_E_BAD_PEM);
    }
    buf_free(&pem);
}

static void issue(elo_span input)
{
    struct pki_issued issued;
    struct pki_certificate info;
    char why[160];
    pki_issued_init(&issued);
    if (pki_issue_from_csr(ca, input, NOW, &issued, why, sizeof why) == ELO_OK) {
        must(pki_certificate_read(buf_span(&issued.certificate_pem), &info, why, sizeof why) ==
             ELO_OK);
        must(strcmp(info.id, issued.info.id) == 0);
    }
    pki_issued_free(&issued);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    elo_span input = elo_span_of(data, size);
    read_certificate(input);
    read_variables(input);
    issue(input);
    must(ERR_peek_error() == 0);
    return 0;
}
