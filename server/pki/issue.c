// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a certificate is a profile (who, by whom, how long) and the extensions of its
 * kind, which are a table. The order of a row matters: the authority's identifier of a self-signed
 * certificate is copied out of its subject's.
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "server/pki/internal.h"

struct extension {
    int nid;
    const char *value;
};

static const struct extension ca_extensions[] = {
    {NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
    {NID_key_usage, "critical,keyCertSign,cRLSign"},
    {NID_subject_key_identifier, "hash"},
    {NID_authority_key_identifier, "keyid:always"},
    {NID_undef, NULL},
};

/* What AWS puts into the certificates it issues. */
static const struct extension device_extensions[] = {
    {NID_authority_key_identifier, "keyid:always"},
    {NID_subject_key_identifier, "hash"},
    {NID_basic_constraints, "critical,CA:FALSE"},
    {NID_key_usage, "critical,digitalSignature"},
    {NID_undef, NULL},
};

static const struct extension server_extensions[] = {
    {NID_authority_key_identifier, "keyid:always"},
    {NID_subject_key_identifier, "hash"},
    {NID_basic_constraints, "critical,CA:FALSE"},
    {NID_key_usage, "critical,digitalSignature"},
    {NID_ext_key_usage, "serverAuth"},
    {NID_undef, NULL},
};

static const struct extension *const extensions_of[] = {
    [PKI_KIND_CA] = ca_extensions,
    [PKI_KIND_DEVICE] = device_extensions,
    [PKI_KIND_SERVER] = server_extensions,
};

static bool add_extensions(X509 *certificate, const struct pki__profile *profile)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    /* The context is read only, but its setter wants the issuer without const. */
    X509 *issuer = profile->issuer != NULL ? (X509 *)(uintptr_t)profile->issuer : certificate;
    X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
    for (const struct extension *e = extensions_of[profile->kind]; e->nid != NID_undef; e++) {
        X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, e->nid, e->value);
        bool added = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
        X509_EXTENSION_free(extension);
        if (!added) {
            return false;
        }
    }
    if (profile->alt_names == NULL) {
        return true;
    }
    void *names = (void *)(uintptr_t)profile->alt_names;
    return X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1;
}

/* Random, positive, 159 bits: at most 20 bytes as RFC 5280, 4.1.2.2 asks. */
static bool set_serial(X509 *certificate)
{
    BIGNUM *number = BN_new();
    bool ok = number != NULL && BN_rand(number, 159, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
              BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
    BN_free(number);
    return ok;
}

static bool fill(X509 *certificate, const struct pki__profile *profile)
{
    const X509_NAME *issuer =
        profile->issuer != NULL ? X509_get_subject_name(profile->issuer) : profile->subject;
    return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
           X509_set_subject_name(certificate, profile->subject) == 1 &&
           X509_set_issuer_name(certificate, issuer) == 1 &&
           ASN1_TIME_set(X509_getm_notBefore(certificate), profile->not_before_s) != NULL &&
           ASN1_TIME_set(X509_getm_notAfter(certificate), profile->not_after_s) != NULL &&
           X509_set_pubkey(certificate, profile->subject_key) == 1 &&
           add_extensions(certificate, profile) &&
           X509_sign(certificate, profile->issuer_key, EVP_sha256()) > 0;
}

X509 *pki__issue(const struct pki__profile *profile)
{
    X509 *certificate = X509_new();
    if (certificate != NULL && !fill(certificate, profile)) {
        X509_free(certificate);
        certificate = NULL;
    }
    ERR_clear_error();
    return certificate;
}

static bool add_to_name(X509_NAME *name, int nid, const char *text)
{
    return X509_NAME_add_entry_by_NID(name, nid, MBSTRING_UTF8, (const unsigned char *)text, -1, -1,
                                      0) == 1;
}

X509_NAME *pki__name(const char *organization, const char *common_name)
{
    X509_NAME *name = X509_NAME_new();
    bool ok = name != NULL && common_name[0] != '\0' &&
              (organization == NULL || add_to_name(name, NID_organizationName, organization)) &&
              add_to_name(name, NID_commonName, common_name);
    if (!ok) {
        X509_NAME_free(name);
        name = NULL;
    }
    ERR_clear_error();
    return name;
}
