// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#ifndef PRINT_DECLARED_H
#define PRINT_DECLARED_H

#include <Arduino.h>

class Print;

class Printable
{
  public:
    virtual ~Printable() = default;
    virtual size_t printTo(Print &out) const = 0;
};

class Print
{
  public:
    virtual ~Print() = default;
    virtual int availableForWrite()
    {
        return 0;
    }
    virtual size_t write(uint8_t c) = 0;
    virtual size_t write(const uint8_t *bytes, size_t len);
    size_t write(const char *text);
    size_t write(const char *text, size_t len);
    size_t print(const char *text);
    size_t print(const __FlashStringHelper *text);
    size_t print(char c);
    size_t print(int n);
    size_t print(unsigned n);
    size_t print(long n);
    size_t print(unsigned long n);
    size_t print(const Printable &what);
    size_t println();
    size_t println(const char *text);
    size_t println(const __FlashStringHelper *text);
    size_t println(int n);
    size_t println(unsigned n);
    size_t println(unsigned long n);
    size_t println(const Printable &what);
    size_t printf(const char *format, ...) __attribute__((format(printf, 2, 3)));
    size_t printf_P(const char *format, ...) __attribute__((format(printf, 2, 3)));
};

#endif
