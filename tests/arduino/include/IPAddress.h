// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#ifndef IPADDRESS_DECLARED_H
#define IPADDRESS_DECLARED_H

#include "Print.h"

class IPAddress : public Printable
{
  public:
    IPAddress() = default;
    IPAddress(uint8_t a, uint8_t b, uint8_t c, uint8_t d);
    uint8_t operator[](int index) const;
    size_t printTo(Print &out) const override;

  private:
    uint8_t _bytes[4] = {};
};

#endif
