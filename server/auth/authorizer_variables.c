// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The values of policy variables and condition keys for one connection ("Basic policy variables",
 * "Thing policy variables", "X.509 certificate policy variables", AWS IoT Developer Guide).
 *
 * What concerns the client id and the thing has values only on an MQTT connection that has said
 * CONNECT; what CONNECT asked for (will, persistent session) only while CONNECT is decided.
 *
 * Names of keys match in any case ("IAM JSON policy elements: Condition", IAM User Guide); the name
 * of a thing's attribute in brackets is the registry's, where `room` and `Room` are two.
 */
#include "server/auth/authorizer_internal.h"
#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/pki/pki.h"

#include <stdio.h>

#define CERTIFICATE "iot:Certificate."

typedef size_t value_fn(struct auth_session *s, elo_span rest, size_t index, elo_span *out);

/* One value, if it is there at all. */
static size_t one(bool there, elo_span value, elo_span *out)
{
    if (there) {
        *out = value;
    }
    return there ? 1 : 0;
}

static size_t client_id(struct auth_session *s, elo_span rest, size_t index, elo_span *out)
{
    (void)rest;
    (void)index;
    return one(s->connected, s->client_id, out);
}

static size_t source_ip(struct auth_session *s, elo_span rest, size_t index, elo_span *out)
{
    (void)rest;
    (void)index;
    return one(s->peer.source_ip.len > 0, s->peer.source_ip, out);
}

static size_t domain_name(struct auth_session *s, elo_span rest, size_t index, elo_span *out)
{
    (void)rest;
    (void)index;
    return one(s->peer.server_name.len > 0, s->peer.server_name, out);
}

static size_t certificate_id(struct auth_session *s, elo_span rest, size_t index, elo_span *out)
{
    (void)rest;
    (void)index;
    return one(s->peer.certificate_id.len > 0, s->peer.certificate_id, out);
}

static size_t thing_name(struct auth_session *s, elo_span rest, size_t index, elo_span *out)
{
    (void)rest;
    (void)index;
    return s->thing != NULL ? one(true, s->thing->name, out) : 0;
}

static size_t thing_type(struct auth_session *s, elo_span rest, size_t index, elo_span *out)
{
    (void)rest;
    (void)index;
    return s->thing != NULL ? one(s->thing->type_name.len > 0, s->thing->type_name, out) : 0;
}

static size_t is_attached(struct auth_session *s, elo_span rest, size_t index, elo_span *out)
{
    (void)rest;
    (void)index;
    return one(s->connected, s->thing != NULL ? ELO_SPAN("true") : ELO_SPAN("false"), out);
}

/* `rest` is "room]". */
static size_t thing_attribute(struct auth_session *s, elo_span rest, size_t index, elo_span *out)
{
    (void)index;
    if (s->thing == NULL || rest.len == 0 || rest.ptr[rest.len - 1] != ']') {
        return 0;
    }
    elo_span name = elo_span_first(rest, rest.len - 1);
    for (size_t i = 0; i < s->thing->attribute_count; i++) {
        if (elo_span_eq(s->thing->attributes[i].name, name)) {
            return one(true, s->thing->attributes[i].value, out);
        }
    }
    return 0;
}

static size_t connect_attributes(struct auth_session *s, elo_span rest, size_t index, elo_span *out)
{
    elo_span values[2];
    size_t count = 0;
    (void)rest;
    if (!s->connected || s->asking != POLICY_Connect) {
        return 0;
    }
    if (s->persistent) {
        values[count++] = ELO_SPAN("PersistentConnect");
    }
    if (s->has_will) {
        values[count++] = ELO_SPAN("LastWill");
    }
    if (index < count) {
        *out = values[index];
    }
    return count;
}

static size_t last_will_topic(struct auth_session *s, elo_span rest, size_t index, elo_span *out)
{
    (void)rest;
    (void)index;
    return one(s->connected && s->has_will && s->asking == POLICY_Connect, s->will_arn, out);
}

/* --- the certificate ---------------------------------------------------------------------------
 */

/* NULL: out of memory, and then nothing is allowed. */
static struct certificate_answer *answer_of(struct auth_session *s)
{
    if (s->answer == NULL) {
        s->answer = mem_zero(sizeof *s->answer);
        if (s->answer == NULL) {
            s->starved = true;
            return NULL;
        }
        buf_init(&s->answer->scratch, LIMIT_PEM_BYTES);
    }
    return s->answer;
}

static size_t certificate_field(struct auth_session *s, elo_span name, size_t index, elo_span *out)
{
    if (s->peer.certificate_der.len == 0 || name.len == 0 || name.len > sizeof s->answer->key) {
        return 0;
    }
    struct certificate_answer *answer = answer_of(s);
    if (answer == NULL) {
        return 0;
    }
    if (!elo_span_eq(name, elo_span_of(answer->key, answer->key_len)) || index != answer->index) {
        memcpy(answer->key, name.ptr, name.len);
        answer->key_len = name.len;
        answer->index = index;
        answer->count = pki_certificate_variable(s->peer.certificate_der, name, index,
                                                 &answer->scratch, &answer->value);
    }
    if (index < answer->count) {
        *out = answer->value;
    }
    return answer->count;
}

static const char *const PARTIES[] = {"Subject.", "Issuer."};

static const char *const FIELDS[] = {
    "DistinguishedNameQualifier",
    "Country",
    "Organization",
    "OrganizationalUnit",
    "State",
    "CommonName",
    "SerialNumber",
    "Title",
    "Surname",
    "GivenName",
    "Initials",
    "Pseudonym",
    "GenerationQualifier",
    "AlternativeName.RFC822Name",
    "AlternativeName.DNSName",
    "AlternativeName.DirectoryName",
    "AlternativeName.UniformResourceIdentifier",
    "AlternativeName.IPAddress",
};

enum { FIELD_COUNT = sizeof FIELDS / sizeof FIELDS[0], KEY_COUNT = 2 * FIELD_COUNT + 1 };

/* The i-th variable of a certificate by name, without its prefix. */
static elo_span key_at(size_t i, char buf[64])
{
    if (i == 2 * FIELD_COUNT) {
        return ELO_SPAN("SerialNumber");
    }
    int len = snprintf(buf, 64, "%s%s", PARTIES[i / FIELD_COUNT], FIELDS[i % FIELD_COUNT]);
    return elo_span_of(buf, (size_t)len);
}

static void find_available(struct auth_session *s)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        char buf[64];
        elo_span value;
        if (certificate_field(s, key_at(i, buf), 0, &value) > 0) {
            s->available_keys |= (uint64_t)1 << i;
        }
    }
    s->available_known = true;
}

/* The names of all variables of the certificate that have a value. */
static size_t available_keys(struct auth_session *s, elo_span rest, size_t index, elo_span *out)
{
    size_t count = 0;
    (void)rest;
    if (!s->available_known) {
        find_available(s);
    }
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if ((s->available_keys & (uint64_t)1 << i) != 0 && count++ == index) {
            char buf[64];
            elo_span key = key_at(i, buf);
            struct buf *scratch = &s->answer->scratch; /* it was made to find them */
            buf_clear(scratch);
            s->answer->key_len = 0; /* the scratch is no longer that answer's */
            buf_text(scratch, CERTIFICATE);
            buf_add(scratch, key);
            *out = buf_span(scratch);
            if (buf_err(scratch) != ELO_OK) {
                s->starved = true;
                return 0;
            }
        }
    }
    return count;
}

/* --- all of them -------------------------------------------------------------------------------
 */

struct row {
    const char *key;
    bool prefix; /* what follows `key` is the function's `rest` */
    value_fn *value;
};

static const struct row ROWS[] = {
    {"iot:ClientId", false, client_id},
    {"aws:SourceIp", false, source_ip},
    {"iot:DomainName", false, domain_name},
    {"iot:Connection.Thing.ThingName", false, thing_name},
    {"iot:Connection.Thing.ThingTypeName", false, thing_type},
    {"iot:Connection.Thing.IsAttached", false, is_attached},
    {"iot:Connection.Thing.Attributes[", true, thing_attribute},
    {"iot:ConnectAttributes", false, connect_attributes},
    {"iot:LastWillTopic", false, last_will_topic},
    {"iot:CertificateId", false, certificate_id},
    {CERTIFICATE "AvailableKeys", false, available_keys},
    {CERTIFICATE, true, certificate_field},
};

size_t auth_session_variable(void *ctx, elo_span key, size_t index, elo_span *out)
{
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        elo_span name = elo_span_str(ROWS[i].key);
        bool is_it = ROWS[i].prefix ? text_begins(key, name) : text_same(key, name);
        if (is_it) {
            return ROWS[i].value(ctx, elo_span_from(key, name.len), index, out);
        }
    }
    return 0;
}
