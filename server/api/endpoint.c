// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * DescribeEndpoint, AWS IoT API Reference. AWS refuses iot:Data today, which is also what a call
 * without a type means, and iot:Jobs: their certificates come from a root that nobody trusts any
 * more. A program that passes here would fail there, so the desk refuses them too.
 */
#include "server/api/internal.h"

static aws_error write_endpoint(struct call *c, struct elo_json_writer *w, void *ctx)
{
    (void)ctx;
    elo_json_begin_object(w);
    api__put_text(w, "endpointAddress", elo_span_str(c->api->endpoint));
    elo_json_end_object(w);
    return AWS_OK;
}

aws_error api__DescribeEndpoint(struct call *c)
{
    elo_span type = ELO_SPAN("iot:Data");
    bool is_given = api__query(c, "endpointType", &type);
    if (text_same(type, ELO_SPAN("iot:data-ats"))) {
        return api__reply(c, write_endpoint, NULL);
    }
    bool is_old = text_same(type, ELO_SPAN("iot:data")) || text_same(type, ELO_SPAN("iot:jobs"));
    if (is_old && c->api->compat.describe_endpoint_data != 0) {
        return api__reply(c, write_endpoint, NULL);
    }
    if (is_old) {
        return api__invalid(c,
                            "Endpoint type %s%s is not supported any more. Use iot:Data-ATS: aws "
                            "iot describe-endpoint --endpoint-type iot:Data-ATS",
                            text_quote(type).text, is_given ? "" : " (meant when none is given)");
    }
    if (text_same(type, ELO_SPAN("iot:credentialprovider"))) {
        return api__invalid(c, "There is no credential provider on the desk");
    }
    return api__invalid(c, "Endpoint type %s not recognized.", text_quote(type).text);
}
