// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Provisioning templates, and what happens when a device shows a certificate that nobody has
 * registered.
 *
 * A template (JSON) says which thing, certificate and policies a device gets; its parameters come
 * from the device's certificate (JITP), the caller (RegisterThing) or the device (fleet
 * provisioning). provisioning_run() does all of it within one change of the registry, so that a
 * device is provisioned whole or not at all.
 *
 * Facts: "Provisioning templates", "Just-in-time provisioning", "Automatic client registration"
 * (AWS IoT Developer Guide), RegisterThing (AWS IoT API Reference). Core thread only. Nothing is
 * kept between calls.
 */
#ifndef ELO_SERVER_PROVISIONING_H
#define ELO_SERVER_PROVISIONING_H

#include "server/base/aws_error.h"
#include "server/base/buf.h"
#include "server/base/limits.h"
#include "server/pki/pki.h"
#include "server/registry/registry.h"

/* Is `body` a template? InvalidRequest with the fault and its place. */
aws_error provisioning_check(elo_span body, struct aws_fault *fault);

struct provisioning_parameter {
    elo_span name;
    elo_span value;
};

struct provisioning_request {
    elo_span body;
    const struct provisioning_parameter *parameters;
    size_t parameter_count;
    elo_span certificate_id; /* AWS::IoT::Certificate::Id, registered; empty: the template's own */
    struct pki_ca *ca;       /* issues for a CertificateSigningRequest; NULL: there is none */
    struct compat compat;
    int64_t now_ms;
};

#define PROVISIONING_RESOURCES 12u

struct provisioning_resource {
    char name[LIMIT_NAME_BYTES + 1]; /* the template's word for it */
    char arn[REGISTRY_ARN_BYTES];
};

struct provisioning_result {
    char thing_name[LIMIT_NAME_BYTES + 1]; /* empty: no thing */
    struct buf certificate_pem;            /* empty: no certificate */
    char certificate_id[65];               /* the same one's: its status may have changed */
    struct buf configuration;              /* DeviceConfiguration, a JSON object; empty: none */
    struct provisioning_resource resources[PROVISIONING_RESOURCES];
    size_t resource_count;
};
void provisioning_result_init(struct provisioning_result *result);
void provisioning_result_free(struct provisioning_result *result);

/*
 * Runs a template inside an open change (registry_begin); on anything but AWS_OK the caller rolls
 * it back. InvalidRequest: the template or its parameters; ConflictingResourceUpdate: something
 * exists and OverrideSettings say FAIL; ResourceRegistrationFailure: the registry refuses it.
 */
aws_error provisioning_run(struct registry *reg,
                           const struct provisioning_request *request,
                           struct provisioning_result *out,
                           struct aws_fault *fault);

/* --- the first connection of an unknown certificate ----------------------------------------- */

enum first_contact {
    FIRST_CONTACT_NONE,        /* no CA of ours has signed it: it is just not welcome */
    FIRST_CONTACT_PENDING,     /* JITR: it waits as PENDING_ACTIVATION; the event is due */
    FIRST_CONTACT_PROVISIONED, /* JITP: thing, policies, certificate: all there and ACTIVE */
    FIRST_CONTACT_FAILED       /* JITP or the registry failed, nothing was changed: see `why` */
};

struct first_contact_result {
    enum first_contact outcome;
    char ca_id[65];
    char why[640]; /* a sentence for the log: what was done, or why not */
};

/*
 * A CONNECT has come on a certificate that is not registered, or is PENDING_ACTIVATION. When an
 * ACTIVE CA with auto-registration has signed it (server/pki checks the signature; the chain that
 * the client sent is not needed), it is registered: PENDING_ACTIVATION, or as the CA's template
 * says. The connection is closed in every case.
 */
void provisioning_first_contact(struct registry *reg,
                                elo_span certificate_der,
                                struct compat compat,
                                int64_t now_ms,
                                struct first_contact_result *out);

/*
 * The payload of $aws/events/certificates/registered/CA for the certificate, as JSON; its length,
 * never over `cap`.
 */
#define PROVISIONING_EVENT_BYTES 512u
size_t provisioning_event(const struct registry *reg,
                          elo_span certificate_id,
                          elo_span ca_id,
                          elo_span source_ip,
                          int64_t now_ms,
                          uint8_t out[PROVISIONING_EVENT_BYTES]);

#endif
