// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: two tables give each variable's word its place in a certificate, and every source
 * of values offers them one after the other to a picker, which counts them and copies the wanted
 * one out. What is no text (undecodable, or with a NUL inside, the classic trick against readers of
 * C strings) is not offered at all.
 *
 * Words, the decimal serial number and the spelling of directory names are those of "Using X.509
 * certificate policy variables" (AWS IoT Developer Guide). Words match in any case, as condition
 * keys do; the page itself writes "Subject.initials" and "Subject.Initials".
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "server/base/text.h"
#include "server/pki/internal.h"

struct word {
    const char *name;
    int id; /* NID of an attribute, or GEN_ type of an alternative name */
};

static const struct word attributes[] = {
    {"DistinguishedNameQualifier", NID_dnQualifier},
    {"Country", NID_countryName},
    {"Organization", NID_organizationName},
    {"OrganizationalUnit", NID_organizationalUnitName},
    {"State", NID_stateOrProvinceName},
    {"CommonName", NID_commonName},
    {"SerialNumber", NID_serialNumber},
    {"Title", NID_title},
    {"Surname", NID_surname},
    {"GivenName", NID_givenName},
    {"Initials", NID_initials},
    {"Pseudonym", NID_pseudonym},
    {"GenerationQualifier", NID_generationQualifier},
};

static const struct word alternatives[] = {
    {"RFC822Name", GEN_EMAIL},      {"DNSName", GEN_DNS},
    {"DirectoryName", GEN_DIRNAME}, {"UniformResourceIdentifier", GEN_URI},
    {"IPAddress", GEN_IPADD},
};

/* The two parties of a certificate; the alternative names are extensions. */
static const struct party {
    const char *name;
    X509_NAME *(*of)(const X509 *certificate);
    int alternative_nid;
} parties[] = {
    {"Subject", X509_get_subject_name, NID_subject_alt_name},
    {"Issuer", X509_get_issuer_name, NID_issuer_alt_name},
};

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

struct picker {
    size_t wanted;
    size_t count;
    struct buf *scratch;
};

static void offer(struct picker *p, elo_span value)
{
    if (p->count++ == p->wanted) {
        buf_clear(p->scratch);
        buf_add(p->scratch, value);
    }
}

/* --- values ---------------------------------------------------------------------------------- */

static void offer_string(struct picker *p, const ASN1_STRING *string)
{
    unsigned char *text = NULL;
    int len = ASN1_STRING_to_UTF8(&text, string);
    if (len >= 0 && memchr(text, '\0', (size_t)len) == NULL) {
        offer(p, elo_span_of(text, (size_t)len));
    }
    OPENSSL_free(text);
}

static void offer_attributes(struct picker *p, const X509_NAME *name, int nid)
{
    for (int at = -1; (at = X509_NAME_get_index_by_NID(name, nid, at)) >= 0;) {
        offer_string(p, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    }
}

static void offer_address(struct picker *p, const ASN1_STRING *bytes)
{
    char text[INET6_ADDRSTRLEN];
    int len = ASN1_STRING_length(bytes);
    int family = len == 4 ? AF_INET : AF_INET6;
    if ((len == 4 || len == 16) &&
        inet_ntop(family, ASN1_STRING_get0_data(bytes), text, sizeof text) != NULL) {
        offer(p, elo_span_str(text));
    }
}

static void print_type(BIO *out, const X509_NAME_ENTRY *entry)
{
    char type[80];
    const ASN1_OBJECT *object = X509_NAME_ENTRY_get_object(entry);
    int nid = OBJ_obj2nid(object);
    if (nid != NID_undef) {
        for (const char *c = OBJ_nid2sn(nid); *c != '\0'; c++) {
            BIO_printf(out, "%c", tolower((unsigned char)*c));
        }
    } else if (OBJ_obj2txt(type, sizeof type, object, 1) > 0) {
        BIO_printf(out, "%s", type);
    }
}

/* "cn=LightBulbCert,ou=SmartHome,o=IoT,c=US": the last part first, types in lower case. */
static void offer_directory_name(struct picker *p, const X509_NAME *name)
{
    BIO *out = BIO_new(BIO_s_mem());
    if (out == NULL) {
        return;
    }
    for (int i = X509_NAME_entry_count(name) - 1; i >= 0; i--) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
        print_type(out, entry);
        BIO_printf(out, "=");
        ASN1_STRING_print_ex(out, X509_NAME_ENTRY_get_data(entry),
                             ASN1_STRFLGS_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
        BIO_printf(out, "%s", i > 0 ? "," : "");
    }
    char *text = NULL;
    long len = BIO_get_mem_data(out, &text);
    offer(p, elo_span_of(text, len > 0 ? (size_t)len : 0));
    BIO_free(out);
}

static void offer_alternatives(struct picker *p, const X509 *certificate, int extension, int type)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, extension, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int found;
        void *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &found);
        if (found != type) {
            continue;
        }
        if (type == GEN_DIRNAME) {
            offer_directory_name(p, value);
        } else if (type == GEN_IPADD) {
            offer_address(p, value);
        } else {
            offer_string(p, value);
        }
    }
    GENERAL_NAMES_free(names);
}

/* "AWS IoT Core treats the certificate serial number as the string representation of a decimal
 * integer." */
static void offer_serial(struct picker *p, const X509 *certificate)
{
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
    char *text = number != NULL ? BN_bn2dec(number) : NULL;
    if (text != NULL) {
        offer(p, elo_span_str(text));
    }
    OPENSSL_free(text);
    BN_free(number);
}

/* --- names ----------------------------------------------------------------------------------- */

/* Takes "word." off the front. */
static bool take_word(elo_span *text, const char *word)
{
    size_t len = strlen(word);
    if (text->len <= len || text->ptr[len] != '.' ||
        !text_same(elo_span_first(*text, len), elo_span_str(word))) {
        return false;
    }
    *text = elo_span_from(*text, len + 1);
    return true;
}

static const struct word *find(const struct word *table, size_t count, elo_span name)
{
    for (size_t i = 0; i < count; i++) {
        if (text_same(name, elo_span_str(table[i].name))) {
            return &table[i];
        }
    }
    return NULL;
}

static void
offer_party(struct picker *p, const X509 *certificate, const struct party *party, elo_span name)
{
    const struct word *word;
    if (take_word(&name, "AlternativeName")) {
        word = find(alternatives, COUNT(alternatives), name);
        if (word != NULL) {
            offer_alternatives(p, certificate, party->alternative_nid, word->id);
        }
        return;
    }
    word = find(attributes, COUNT(attributes), name);
    if (word != NULL) {
        offer_attributes(p, party->of(certificate), word->id);
    }
}

static void offer_variable(struct picker *p, const X509 *certificate, elo_span name)
{
    for (size_t i = 0; i < COUNT(parties); i++) {
        if (take_word(&name, parties[i].name)) {
            offer_party(p, certificate, &parties[i], name);
            return;
        }
    }
    if (text_same(name, ELO_SPAN("SerialNumber"))) {
        offer_serial(p, certificate);
    }
}

/* One key if it has a value; `path` is the text between party and word. */
static void offer_key(struct picker *p,
                      const X509 *certificate,
                      const char *party,
                      const char *path,
                      const char *word)
{
    char key[96];
    static const char prefix[] = "iot:Certificate.";
    snprintf(key, sizeof key, "%s%s%s%s", prefix, party, path, word);
    struct picker counter = {.wanted = SIZE_MAX};
    offer_variable(&counter, certificate, elo_span_str(key + sizeof prefix - 1));
    if (counter.count > 0) {
        offer(p, elo_span_str(key));
    }
}

static void offer_available_keys(struct picker *p, const X509 *certificate)
{
    for (size_t i = 0; i < COUNT(parties); i++) {
        for (size_t j = 0; j < COUNT(attributes); j++) {
            offer_key(p, certificate, parties[i].name, ".", attributes[j].name);
        }
        for (size_t j = 0; j < COUNT(alternatives); j++) {
            offer_key(p, certificate, parties[i].name, ".AlternativeName.", alternatives[j].name);
        }
    }
    offer_key(p, certificate, "", "", "SerialNumber");
}

size_t pki_certificate_variable(
    elo_span pem_or_der, elo_span name, size_t index, struct buf *scratch, elo_span *out)
{
    X509 *certificate = pki__x509_from_any(pem_or_der);
    if (certificate == NULL) {
        return 0;
    }
    struct picker picker = {.wanted = index, .scratch = scratch};
    if (text_same(name, ELO_SPAN("AvailableKeys"))) {
        offer_available_keys(&picker, certificate);
    } else {
        offer_variable(&picker, certificate, name);
    }
    if (index < picker.count) {
        *out = buf_span(scratch);
    }
    X509_free(certificate);
    ERR_clear_error();
    return picker.count;
}
