// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* What Arduino's network libraries agree on: a connection. */
#ifndef CLIENT_DECLARED_H
#define CLIENT_DECLARED_H

#include "IPAddress.h"
#include "Stream.h"

class Client : public Stream
{
  public:
    virtual int connect(IPAddress ip, uint16_t port) = 0;
    virtual int connect(const char *host, uint16_t port) = 0;
    virtual size_t write(uint8_t c) override = 0;
    virtual size_t write(const uint8_t *bytes, size_t len) override = 0;
    virtual int available() override = 0;
    virtual int read() override = 0;
    virtual int read(uint8_t *out, size_t cap) = 0;
    virtual int peek() override = 0;
    virtual void flush() override = 0;
    virtual void stop() = 0;
    virtual uint8_t connected() = 0;
    virtual operator bool() = 0;
};

#endif
