// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The opening handshake of a WebSocket (RFC 6455, 4.2), for MQTT at /mqtt ("Device communication
 * protocols", AWS IoT Developer Guide). The answer is short and its names are in lower case: AWS's
 * Python SDK reads at most 1024 bytes and looks for "sec-websocket-accept: ". Extensions are never
 * agreed on: the same SDK offers compression and cannot do it.
 */
#include <string.h>

#include <openssl/evp.h>

#include "server/base/text.h"
#include "server/net/internal.h"

#define MAGIC "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

static elo_span header(const struct sigv4_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (text_same(request->headers[i].name, elo_span_str(name))) {
            return text_trim(request->headers[i].value);
        }
    }
    return elo_span_of(NULL, 0);
}

/* A header that is a list, in one line or several. */
static bool lists(const struct sigv4_request *request, const char *name, const char *word)
{
    for (size_t i = 0; i < request->header_count; i++) {
        elo_span list = request->headers[i].value;
        while (text_same(request->headers[i].name, elo_span_str(name)) && list.len > 0) {
            if (text_same(text_trim(text_cut(&list, ',')), elo_span_str(word))) {
                return true;
            }
        }
    }
    return false;
}

bool upgrade_wanted(const struct sigv4_request *request)
{
    return elo_span_eq(request->path, ELO_SPAN("/mqtt")) &&
           elo_span_eq(request->method, ELO_SPAN("GET"));
}

/* 16 bytes in base64. */
static bool is_key(elo_span key)
{
    uint8_t bytes[24];
    return key.len == 24 && EVP_DecodeBlock(bytes, key.ptr, 24) == 18 && key.ptr[23] == '=' &&
           key.ptr[22] == '=' && key.ptr[21] != '=';
}

/* The first of ours that was offered, as it was spelt here; NULL: none. */
static const char *subprotocol(const struct sigv4_request *request)
{
    static const char *const ours[] = {"mqtt", "mqttv3.1"};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        if (lists(request, "sec-websocket-protocol", ours[i])) {
            return ours[i];
        }
    }
    return NULL;
}

static const char *fault_of(const struct sigv4_request *request, bool must_offer)
{
    bool offers = header(request, "sec-websocket-protocol").len > 0;
    if (!lists(request, "upgrade", "websocket") || !lists(request, "connection", "upgrade")) {
        return "MQTT is spoken here over WebSocket: upgrade the connection";
    }
    if (!elo_span_eq(header(request, "sec-websocket-version"), ELO_SPAN("13"))) {
        return "Sec-WebSocket-Version must be 13";
    }
    if (!is_key(header(request, "sec-websocket-key"))) {
        return "Sec-WebSocket-Key must be 16 bytes in base64";
    }
    if ((offers || must_offer) && subprotocol(request) == NULL) {
        return "Sec-WebSocket-Protocol must offer mqtt or mqttv3.1";
    }
    return NULL;
}

bool upgrade_accept(const struct sigv4_request *request,
                    bool must_offer,
                    struct buf *out,
                    const char **why)
{
    *why = fault_of(request, must_offer);
    if (*why != NULL) {
        return false;
    }
    uint8_t text[24 + sizeof MAGIC - 1], hash[EVP_MAX_MD_SIZE];
    char accept[29];
    memcpy(text, header(request, "sec-websocket-key").ptr, 24);
    memcpy(text + 24, MAGIC, sizeof MAGIC - 1);
    if (EVP_Digest(text, sizeof text, hash, NULL, EVP_sha1(), NULL) != 1) {
        *why = "The desk is out of memory";
        return false;
    }
    EVP_EncodeBlock((unsigned char *)accept, hash, 20);
    buf_format(out,
               "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
               "sec-websocket-accept: %s\r\n",
               accept);
    const char *protocol = subprotocol(request);
    if (protocol != NULL) {
        buf_format(out, "sec-websocket-protocol: %s\r\n", protocol);
    }
    buf_text(out, "\r\n");
    return true;
}
