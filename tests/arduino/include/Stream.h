// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#ifndef STREAM_DECLARED_H
#define STREAM_DECLARED_H

#include "Print.h"

class Stream : public Print
{
  public:
    virtual int available() = 0;
    virtual int read() = 0;
    virtual int peek() = 0;
    virtual void flush() = 0;
    void setTimeout(unsigned long ms);

  protected:
    unsigned long _timeout = 1000;
};

#endif
