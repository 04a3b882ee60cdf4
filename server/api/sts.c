// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * AWS STS GetCallerIdentity, because it is the first thing that people type: a form comes in, XML
 * goes out (the "query" protocol), also for a refusal. The caller holds the desk's own key and is
 * the account itself.
 */
#include "server/api/internal.h"

#define XMLNS "https://sts.amazonaws.com/doc/2011-06-15/"

/* The value of a form's field as it stands; the ones read here need no decoding. */
static elo_span form_field(elo_span form, elo_span name)
{
    while (form.len > 0) {
        const uint8_t *end = memchr(form.ptr, '&', form.len);
        size_t len = end ? (size_t)(end - form.ptr) : form.len;
        elo_span pair = elo_span_first(form, len);
        form = elo_span_from(form, end ? len + 1 : len);
        if (elo_span_starts_with(pair, name) && pair.len > name.len && pair.ptr[name.len] == '=') {
            return elo_span_from(pair, name.len + 1);
        }
    }
    return elo_span_of(NULL, 0);
}

aws_error api__GetCallerIdentity(struct call *c)
{
    elo_span action = form_field(c->request->http.body, ELO_SPAN("Action"));
    if (!elo_span_eq(action, ELO_SPAN("GetCallerIdentity"))) {
        return aws_fault_set(c->fault, AWS_InvalidRequestException,
                             "Could not find operation %s: the desk has GetCallerIdentity only",
                             text_quote(action).text);
    }
    const char *account = registry_account(c->api->registry);
    buf_format(&c->out->body,
               "<GetCallerIdentityResponse xmlns=\"" XMLNS "\"><GetCallerIdentityResult>"
               "<Arn>arn:aws:iam::%s:root</Arn><UserId>%s</UserId><Account>%s</Account>"
               "</GetCallerIdentityResult><ResponseMetadata><RequestId>%s</RequestId>"
               "</ResponseMetadata></GetCallerIdentityResponse>\n",
               account, account, account, c->out->request_id);
    return buf_err(&c->out->body) == ELO_OK ? AWS_OK : api__out_of_memory(c);
}

/* The query protocol has older names for some refusals. */
static const char *query_code(aws_error error)
{
    static const struct {
        aws_error error;
        const char *code;
    } codes[] = {
        {AWS_MissingAuthenticationTokenException, "MissingAuthenticationToken"},
        {AWS_IncompleteSignatureException, "IncompleteSignature"},
        {AWS_InvalidSignatureException, "SignatureDoesNotMatch"},
        {AWS_UnrecognizedClientException, "InvalidClientTokenId"},
        {AWS_InvalidRequestException, "InvalidAction"},
        {AWS_InternalFailureException, "InternalFailure"},
    };
    for (size_t i = 0; i < API_COUNT(codes); i++) {
        if (codes[i].error == error) {
            return codes[i].code;
        }
    }
    return aws_error_name(error);
}

static void add_escaped(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '<':
            buf_text(out, "&lt;");
            break;
        case '>':
            buf_text(out, "&gt;");
            break;
        case '&':
            buf_text(out, "&amp;");
            break;
        default: /* messages quote in printable ASCII; what is beyond it would need a check */
            buf_byte(out, *text >= ' ' && *text <= '~' ? (uint8_t)*text : (uint8_t)'?');
        }
    }
}

void api__reply_xml_fault(struct call *c)
{
    struct buf *out = &c->out->body;
    buf_format(out,
               "<ErrorResponse xmlns=\"" XMLNS "\"><Error><Type>%s</Type><Code>%s</Code><Message>",
               c->out->status < 500 ? "Sender" : "Receiver", query_code(c->fault->error));
    add_escaped(out, c->fault->message);
    buf_format(out, "</Message></Error><RequestId>%s</RequestId></ErrorResponse>\n",
               c->out->request_id);
}
