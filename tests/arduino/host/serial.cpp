// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* Printing, and the serial line. */
#include "fake.h"

#include <Arduino.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string>
#include <unistd.h>

HardwareSerial Serial;

size_t Print::write(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        write(bytes[i]);
    }
    return len;
}

size_t Print::write(const char *text)
{
    return write((const uint8_t *)text, strlen(text));
}

size_t Print::write(const char *text, size_t len)
{
    return write((const uint8_t *)text, len);
}

size_t Print::print(const char *text)
{
    return write(text);
}

size_t Print::print(const __FlashStringHelper *text)
{
    return write((const char *)text);
}

size_t Print::print(char c)
{
    return write((uint8_t)c);
}

size_t Print::print(int n)
{
    return write(std::to_string(n).c_str());
}

size_t Print::print(unsigned n)
{
    return write(std::to_string(n).c_str());
}

size_t Print::print(long n)
{
    return write(std::to_string(n).c_str());
}

size_t Print::print(unsigned long n)
{
    return write(std::to_string(n).c_str());
}

size_t Print::print(const Printable &what)
{
    return what.printTo(*this);
}

size_t Print::println()
{
    return write("\r\n");
}

size_t Print::println(const char *text)
{
    return print(text) + println();
}

size_t Print::println(const __FlashStringHelper *text)
{
    return print(text) + println();
}

size_t Print::println(int n)
{
    return print(n) + println();
}

size_t Print::println(unsigned n)
{
    return print(n) + println();
}

size_t Print::println(unsigned long n)
{
    return print(n) + println();
}

size_t Print::println(const Printable &what)
{
    return print(what) + println();
}

static size_t formatted(Print &out, const char *format, va_list args)
{
    char text[1024];
    int len = vsnprintf(text, sizeof text, format, args);
    return out.write((const uint8_t *)text,
                     (size_t)len < sizeof text ? (size_t)len : sizeof text - 1);
}

size_t Print::printf(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t len = formatted(*this, format, args);
    va_end(args);
    return len;
}

size_t Print::printf_P(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t len = formatted(*this, format, args);
    va_end(args);
    return len;
}

void Stream::setTimeout(unsigned long ms)
{
    _timeout = ms;
}

void HardwareSerial::begin(unsigned long)
{
}

size_t HardwareSerial::write(uint8_t c)
{
    if (fake_env("FAKE_LINE") != nullptr) {
        return ::write(STDOUT_FILENO, &c, 1) == 1 ? 1 : 0;
    }
    if (c != '\r') {
        putchar(c);
    }
    if (c == '\n') {
        fflush(stdout);
    }
    return 1;
}

size_t HardwareSerial::write(const uint8_t *bytes, size_t len)
{
    return Print::write(bytes, len);
}

int HardwareSerial::availableForWrite()
{
    return 128;
}

/* Without FAKE_LINE nobody types. */
int HardwareSerial::available()
{
    struct pollfd p = {STDIN_FILENO, POLLIN, 0};
    return fake_env("FAKE_LINE") != nullptr && poll(&p, 1, 0) == 1 ? 1 : 0;
}

int HardwareSerial::read()
{
    uint8_t c;
    if (available() == 0) {
        return -1;
    }
    if (::read(STDIN_FILENO, &c, 1) != 1) {
        exit(0); /* the line is gone */
    }
    return c;
}

int HardwareSerial::peek()
{
    return -1;
}

void HardwareSerial::flush()
{
}
