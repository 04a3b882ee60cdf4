// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* The reason phrases of HTTP (RFC 9110, 15) that the desk says, and what HTTP itself refuses. */
#include "server/net/internal.h"

static const struct {
    int status;
    const char *text;
} texts[] = {
    {200, "OK"},
    {204, "No Content"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {409, "Conflict"},
    {410, "Gone"},
    {413, "Payload Too Large"},
    {414, "URI Too Long"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
};

const char *http_status_text(int status)
{
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].status == status) {
            return texts[i].text;
        }
    }
    return "Status";
}

static const struct http_fault faults[] = {
    {400, "InvalidRequestException", "The request is not HTTP/1.1"},
    {413, "RequestEntityTooLargeException", "The request body is larger than is taken here"},
    {414, "RequestEntityTooLargeException", "The request target is longer than is taken here"},
    {431, "RequestEntityTooLargeException",
     "The request has more headers, or longer ones, than are taken here"},
    {503, "ServiceUnavailableException", "The desk is out of memory"},
};

const struct http_fault *http_fault_of(int status)
{
    size_t i = 0;
    while (faults[i].status != status) {
        i++;
    }
    return &faults[i];
}
