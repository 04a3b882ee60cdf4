// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "ports/qemu-lx106/host.h"

/* Numbers of QEMU's target/xtensa/xtensa-semi.c. */
enum {
    SYS_EXIT = 1,
    SYS_READ = 3,
    SYS_WRITE = 4,
    SYS_OPEN = 5,
    SYS_CLOSE = 6,
    SYS_LSEEK = 19,
    SYS_ARGC = 1000,
    SYS_ARGV_SIZE = 1001,
    SYS_ARGV = 1002
};

#define PAGE 4096u

static long simcall(long number, uintptr_t a, uintptr_t b, uintptr_t c)
{
    register long a2 __asm__("a2") = number;
    register uintptr_t a3 __asm__("a3") = a;
    register uintptr_t a4 __asm__("a4") = b;
    register uintptr_t a5 __asm__("a5") = c;
    __asm__ volatile("simcall" : "+r"(a2), "+r"(a3) : "r"(a4), "r"(a5) : "memory");
    return a2;
}

void host_exit(int code)
{
    for (;;) {
        simcall(SYS_EXIT, (uintptr_t)code, 0, 0);
    }
}

int host_open(const char *path, int flags)
{
    return (int)simcall(SYS_OPEN, (uintptr_t)path, (uintptr_t)flags, 0600);
}

void host_close(int fd)
{
    simcall(SYS_CLOSE, (uintptr_t)fd, 0, 0);
}

long host_seek(int fd, long at, bool from_end)
{
    return simcall(SYS_LSEEK, (uintptr_t)fd, (uintptr_t)at, from_end ? 2 : 0);
}

/* QEMU makes one call of the system for each page touched, so one that spans two would wait in the
 * second although the first has given all there is. */
static size_t within_page(const void *at, size_t len)
{
    size_t left = PAGE - ((uintptr_t)at & (PAGE - 1));
    return len < left ? len : left;
}

static long read_once(int fd, uint8_t *to, size_t len)
{
    return simcall(SYS_READ, (uintptr_t)fd, (uintptr_t)to, within_page(to, len));
}

long host_read_some(int fd, void *out, size_t len)
{
    uint8_t *to = out;
    size_t got = 0;
    while (got < len) {
        long n = read_once(fd, to + got, len - got);
        if (n < 0) {
            return -1;
        }
        if (n == 0) {
            break;
        }
        got += (size_t)n;
    }
    return (long)got;
}

bool host_read(int fd, void *out, size_t len)
{
    return host_read_some(fd, out, len) == (long)len;
}

bool host_write(int fd, const void *data, size_t len)
{
    const uint8_t *from = data;
    while (len > 0) {
        long n = simcall(SYS_WRITE, (uintptr_t)fd, (uintptr_t)from, within_page(from, len));
        if (n <= 0) {
            return false;
        }
        from += n;
        len -= (size_t)n;
    }
    return true;
}

int host_argc(void)
{
    return (int)simcall(SYS_ARGC, 0, 0, 0);
}

bool host_argv(void *out, size_t cap)
{
    long size = simcall(SYS_ARGV_SIZE, 0, 0, 0);
    if (size < 0 || (size_t)size > cap) {
        return false;
    }
    simcall(SYS_ARGV, (uintptr_t)out, 0, 0);
    return true;
}

uint32_t host_cycles(void)
{
    uint32_t count;
    __asm__ volatile("rsr.ccount %0" : "=r"(count));
    return count;
}
