// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Who calls. The control plane is the administrator's, who signs with the desk's key. The data
 * plane is also the devices': whoever has shown a certificate and signs nothing is judged by its
 * policies ("Device communication protocols", AWS IoT Developer Guide).
 *
 * The two planes refuse in different words. The data plane's gateway has one exception for
 * whatever is wrong with a signature, ForbiddenException, and InvalidRequestException for one that
 * is malformed; seen in failed WebSocket upgrades that users have published.
 */
#include "server/api/internal.h"

#include <stdio.h>

#include "server/auth/custom.h"

/*
 * The service names that clients sign with. Older CLIs and SDKs sign AWS IoT as "execute-api"; the
 * shadow pages of the Developer Guide sign the data plane as "iotdevicegateway", and so do those
 * who open a WebSocket.
 */
static const char *const control_names[] = {"execute-api", "iot", NULL};
static const char *const data_names[] = {"iotdata", "iotdevicegateway", NULL};
static const char *const gateway_names[] = {"iotdevicegateway", "iotdata", NULL};
static const char *const sts_names[] = {"sts", NULL};
static const char *const all_names[] = {"execute-api",      "iot", "iotdata",
                                        "iotdevicegateway", "sts", NULL};

static const char *const *service_names(const struct route *route)
{
    static const char *const *const names[] = {
        [PLANE_CONTROL] = control_names, [PLANE_DATA] = data_names, [PLANE_STS] = sts_names};
    return route ? names[route->plane] : all_names;
}

static aws_error verify(struct call *c)
{
    struct sigv4_scope scope;
    const struct api *api = c->api;
    const struct sigv4_request *http = &c->request->http;
    /* STS is asked in whichever region the client prefers for it, often us-east-1. */
    bool any_region = c->route != NULL && c->route->plane == PLANE_STS;
    const char *region = any_region ? NULL : registry_region(api->registry);
    int64_t now_s = c->now.wall_ms / 1000;
    elo_span header;
    bool is_data = c->route != NULL && c->route->plane == PLANE_DATA;
    if (is_data && !api__header(c, "authorization", &header) && sigv4_is_in_query(http)) {
        struct sigv4_times times = {api->compat.presigned_expires != 0,
                                    api->compat.presigned_time != 0};
        return sigv4_verify_query(http, &api->key, gateway_names, region, now_s, times, c->fault);
    }
    return sigv4_verify(http, &api->key, service_names(c->route), region, now_s, &scope, c->fault);
}

/* The message stays, the exception becomes the gateway's. */
static aws_error as_gateway(struct call *c, aws_error error)
{
    static const struct {
        aws_error control, data;
    } names[] = {
        {AWS_IncompleteSignatureException, AWS_InvalidRequestException},
        {AWS_MissingAuthenticationTokenException, AWS_ForbiddenException},
        {AWS_InvalidSignatureException, AWS_ForbiddenException},
        {AWS_UnrecognizedClientException, AWS_ForbiddenException},
    };
    for (size_t i = 0; i < API_COUNT(names); i++) {
        if (names[i].control == error) {
            c->cause = ELO_E_SIGNATURE;
            c->fault->error = names[i].data;
            return names[i].data;
        }
    }
    return error;
}

static bool is_signed(const struct call *c)
{
    elo_span header;
    return api__header(c, "authorization", &header) || sigv4_is_in_query(&c->request->http);
}

bool api__wants_custom(const struct call *c)
{
    return !is_signed(c) && custom_is_wanted(c->api->authorizer, &c->request->http);
}

bool api__shows_later(const struct call *c)
{
    return c->request->may_show_later && c->api->compat.websocket_credentials == 0 &&
           !is_signed(c) && registry_has_authorizer(c->api->registry);
}

/* "Forbidden" is all that AWS says; the log has the reason. */
static aws_error forbid(struct call *c, elo_err cause)
{
    bool is_401 = c->api->compat.http_denied != 0;
    c->cause = cause;
    return is_401 ? aws_fault_set(c->fault, AWS_UnauthorizedException, "Unauthorized")
                  : aws_fault_set(c->fault, AWS_ForbiddenException, "Forbidden");
}

aws_error api__authenticate(struct call *c)
{
    bool is_data = c->route != NULL && c->route->plane == PLANE_DATA;
    if (!is_data) {
        return verify(c);
    }
    if (c->request->device == NULL || is_signed(c)) {
        return as_gateway(c, verify(c));
    }
    c->device = c->request->device;
    elo_err refused = c->request->device_refused;
    if (refused != ELO_OK && c->request->device_why != NULL) {
        (void)snprintf(c->why, sizeof c->why, "%s", c->request->device_why);
    }
    return refused == ELO_OK ? AWS_OK : forbid(c, refused);
}

static elo_err cause_of(const struct call *c, enum policy_action action)
{
    return !auth_has_policy(c->device)                                  ? ELO_E_NO_POLICY
           : action == POLICY_Publish || action == POLICY_RetainPublish ? ELO_E_POLICY_PUBLISH
                                                                        : ELO_E_POLICY_RECEIVE;
}

aws_error api__authorize(struct call *c, enum policy_action action, elo_span name)
{
    if (c->device == NULL || auth_allows(c->device, action, name)) {
        return AWS_OK;
    }
    (void)auth_explain(c->device, action, name, c->why, sizeof c->why);
    return forbid(c, cause_of(c, action));
}
