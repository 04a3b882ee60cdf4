// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Integer arithmetic that the compiler calls for and libgcc leaves out for this CPU, because the
 * ESP8266 has it in its mask ROM. Dividing by zero gives all ones, as a shift-and-subtract divider
 * does.
 */
#include <stdint.h>

uint32_t __udivsi3(uint32_t n, uint32_t d);
uint32_t __umodsi3(uint32_t n, uint32_t d);
int32_t __divsi3(int32_t n, int32_t d);
int32_t __modsi3(int32_t n, int32_t d);
uint64_t __umulsidi3(uint32_t a, uint32_t b);
uint64_t __muldi3(uint64_t a, uint64_t b);
uint64_t __udivdi3(uint64_t n, uint64_t d);
uint64_t __umoddi3(uint64_t n, uint64_t d);

static uint32_t divide32(uint32_t n, uint32_t d, uint32_t *rest)
{
    uint32_t quotient = 0;
    int shift = 0;
    if (d == 0) {
        *rest = n;
        return UINT32_MAX;
    }
    while ((int32_t)d > 0 && d < n) {
        d <<= 1;
        shift++;
    }
    for (; shift >= 0; shift--) {
        quotient <<= 1;
        if (n >= d) {
            n -= d;
            quotient |= 1;
        }
        d >>= 1;
    }
    *rest = n;
    return quotient;
}

static uint64_t divide64(uint64_t n, uint64_t d, uint64_t *rest)
{
    uint64_t quotient = 0;
    int shift = 0;
    if (d == 0) {
        *rest = n;
        return UINT64_MAX;
    }
    while ((int64_t)d > 0 && d < n) {
        d <<= 1;
        shift++;
    }
    for (; shift >= 0; shift--) {
        quotient <<= 1;
        if (n >= d) {
            n -= d;
            quotient |= 1;
        }
        d >>= 1;
    }
    *rest = n;
    return quotient;
}

static uint32_t magnitude(int32_t value)
{
    return value < 0 ? 0u - (uint32_t)value : (uint32_t)value;
}

uint32_t __udivsi3(uint32_t n, uint32_t d)
{
    uint32_t rest;
    return divide32(n, d, &rest);
}

uint32_t __umodsi3(uint32_t n, uint32_t d)
{
    uint32_t rest;
    divide32(n, d, &rest);
    return rest;
}

int32_t __divsi3(int32_t n, int32_t d)
{
    uint32_t rest;
    uint32_t quotient = divide32(magnitude(n), magnitude(d), &rest);
    return (int32_t)((n < 0) != (d < 0) ? 0u - quotient : quotient);
}

int32_t __modsi3(int32_t n, int32_t d)
{
    uint32_t rest;
    divide32(magnitude(n), magnitude(d), &rest);
    return (int32_t)(n < 0 ? 0u - rest : rest);
}

/* Four products of 16 bits: the CPU has no upper half of a 32-bit product. */
uint64_t __umulsidi3(uint32_t a, uint32_t b)
{
    uint32_t al = a & 0xffff, ah = a >> 16, bl = b & 0xffff, bh = b >> 16;
    uint32_t low = al * bl;
    uint32_t middle = ah * bl + (low >> 16);
    uint32_t cross = al * bh + (middle & 0xffff);
    uint32_t high = ah * bh + (middle >> 16) + (cross >> 16);
    return (uint64_t)high << 32 | (cross << 16 | (low & 0xffff));
}

uint64_t __muldi3(uint64_t a, uint64_t b)
{
    uint32_t al = (uint32_t)a, bl = (uint32_t)b;
    uint32_t high = al * (uint32_t)(b >> 32) + (uint32_t)(a >> 32) * bl;
    return __umulsidi3(al, bl) + ((uint64_t)high << 32);
}

uint64_t __udivdi3(uint64_t n, uint64_t d)
{
    uint64_t rest;
    return divide64(n, d, &rest);
}

uint64_t __umoddi3(uint64_t n, uint64_t d)
{
    uint64_t rest;
    divide64(n, d, &rest);
    return rest;
}
