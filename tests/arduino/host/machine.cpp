// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* Its chip: time, pins, resets, RTC memory, flash; and how the surroundings are asked. */
#include "fake.h"

#include <Arduino.h>
#include <coredecls.h>
#include <fcntl.h>
#include <flash_hal.h>
#include <string>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <user_interface.h>

EspClass ESP;

std::string fake_text(const char *name)
{
    const char *value = getenv(name);
    return value != nullptr ? value : "";
}

const char *fake_env(const char *name)
{
    const char *value = getenv(name);
    return value != nullptr && *value != '\0' ? value : nullptr;
}

void fake_say(const char *format, ...)
{
    FILE *out = fake_env("FAKE_LINE") != nullptr ? stderr : stdout;
    va_list args;
    va_start(args, format);
    vfprintf(out, format, args);
    va_end(args);
    fflush(out);
}

/* --- time ----------------------------------------------------------------------------------------
 */

static uint64_t monotonic_us()
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static uint64_t since_start_us()
{
    static const uint64_t start = monotonic_us();
    static const uint64_t fast =
        fake_text("FAKE_FAST").empty() ? 1 : strtoull(getenv("FAKE_FAST"), nullptr, 10);
    return (monotonic_us() - start) * fast;
}

unsigned long millis(void)
{
    return (uint32_t)(since_start_us() / 1000);
}

unsigned long micros(void)
{
    return (uint32_t)since_start_us();
}

static int64_t shift_s; /* of the wall clock: the board starts in 1970 */
static bool time_known, asked;

static int64_t real_time()
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec;
}

static void set_clock(int64_t unix_s)
{
    shift_s = unix_s - (int64_t)(since_start_us() / 1000000);
}

/* In place of the C library's: the board's clock is not the PC's. */
extern "C" time_t time(time_t *out)
{
    time_t now = (time_t)(shift_s + (int64_t)(since_start_us() / 1000000));
    if (out != nullptr) {
        *out = now;
    }
    return now;
}

extern "C" int settimeofday(const struct timeval *tv, const struct timezone *) noexcept
{
    set_clock(tv->tv_sec);
    return 0;
}

void fake_time_known()
{
    time_known = true;
    if (asked) {
        set_clock(real_time());
    }
}

bool fake_time(int64_t *out_unix_s)
{
    *out_unix_s = real_time();
    return fake_text("FAKE_CLOCK").empty() || time_known;
}

void configTime(int, int, const char *server1, const char *, const char *)
{
    fake_say("time of %s\n", server1);
    asked = true;
    if (fake_text("FAKE_CLOCK").empty() || time_known) {
        fake_time_known();
    }
}

void yield(void)
{
    fake_network_turn(0);
}

void delay(unsigned long ms)
{
    uint64_t until = since_start_us() + ms * 1000u;
    do {
        fake_network_turn(1);
    } while (since_start_us() < until);
}

void delayMicroseconds(unsigned us)
{
    uint64_t until = monotonic_us() + us;
    while (monotonic_us() < until) {
    }
}

void noInterrupts(void)
{
}

void interrupts(void)
{
}

/* --- pins, chip ----------------------------------------------------------------------------------
 */

volatile uint32_t GPES, GPEC, GPI = 0xFFFFFFFF; /* all lines rest high, nobody pulls one */

void pinMode(uint8_t, uint8_t)
{
}

void digitalWrite(uint8_t pin, uint8_t value)
{
    fake_say("pin %u %s\n", pin, value == LOW ? "low" : "high");
}

int digitalRead(uint8_t)
{
    return HIGH;
}

void attachInterrupt(uint8_t, void (*)(void), int)
{
}

void detachInterrupt(uint8_t)
{
}

int analogRead(uint8_t)
{
    return 512;
}

uint32_t fake_random_register(void)
{
    uint32_t word;
    if (getrandom(&word, sizeof word, 0) != (ssize_t)sizeof word) {
        abort();
    }
    return word;
}

uint32_t EspClass::getFreeHeap()
{
    return 40000;
}

uint32_t EspClass::getFreeContStack()
{
    return 2000;
}

uint32_t EspClass::getMaxFreeBlockSize()
{
    return 30000;
}

uint32_t EspClass::getCycleCount()
{
    return (uint32_t)monotonic_us() * 80u;
}

uint32_t EspClass::getChipId()
{
    return 0x123456;
}

struct rst_info *EspClass::getResetInfoPtr()
{
    static struct rst_info info;
    info.reason = !fake_text("FAKE_WOKE").empty()         ? REASON_DEEP_SLEEP_AWAKE
                  : fake_text("FAKE_RESET") == "software" ? REASON_SOFT_RESTART
                  : fake_text("FAKE_RESET") == "pin"      ? REASON_EXT_SYS_RST
                                                          : REASON_DEFAULT_RST;
    return &info;
}

void EspClass::deepSleep(uint64_t microseconds)
{
    fake_say("deep sleep %llu\n", (unsigned long long)(microseconds / 1000000u));
    exit(0);
}

void fake_restart(const char *reset)
{
    fake_say("restart\n");
    if (fake_env("FAKE_LINE") == nullptr) {
        exit(0);
    }
    setenv("FAKE_RESET", reset, 1);
    execl("/proc/self/exe", "sketch", (char *)nullptr);
    abort();
}

void EspClass::restart()
{
    fake_restart("software");
}

static uint8_t rtc[512];

static bool rtc_place(uint32_t word, size_t bytes)
{
    return word * 4 + bytes <= sizeof rtc && bytes > 0 && bytes % 4 == 0;
}

bool EspClass::rtcUserMemoryRead(uint32_t word, uint32_t *data, size_t bytes)
{
    if (!rtc_place(word, bytes)) {
        return false;
    }
    FILE *file = fopen(fake_text("FAKE_RTC").c_str(), "rb");
    if (file != nullptr) {
        (void)!fread(rtc, 1, sizeof rtc, file);
        fclose(file);
    }
    memcpy(data, rtc + word * 4, bytes);
    return true;
}

bool EspClass::rtcUserMemoryWrite(uint32_t word, uint32_t *data, size_t bytes)
{
    if (!rtc_place(word, bytes)) {
        return false;
    }
    memcpy(rtc + word * 4, data, bytes);
    FILE *file = fopen(fake_text("FAKE_RTC").c_str(), "wb");
    if (file != nullptr) {
        fwrite(rtc, 1, sizeof rtc, file);
        fclose(file);
    }
    return true;
}

/* The flash chip: 4 MB in the file FAKE_FLASH, which is made erased; without one in memory. */
uint32_t fake_fs_start = 0x200000;
static uint8_t *chip()
{
    static const size_t size = 0x400000;
    static uint8_t *bytes;
    if (bytes != nullptr) {
        return bytes;
    }
    int fd = ::open(fake_text("FAKE_FLASH").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    bool fresh = fd < 0 || lseek(fd, 0, SEEK_END) == 0;
    if (fd >= 0 && ftruncate(fd, (off_t)size) != 0) {
        abort();
    }
    bytes = (uint8_t *)mmap(nullptr, size, PROT_READ | PROT_WRITE,
                            fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);
    if (fresh) {
        memset(bytes, 0xff, size);
    }
    return bytes;
}

bool EspClass::flashRead(uint32_t address, uint32_t *data, size_t bytes)
{
    memcpy(data, chip() + address, bytes);
    return address % 4 == 0 && bytes % 4 == 0;
}

bool EspClass::flashWrite(uint32_t address, const uint32_t *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        chip()[address + i] &= ((const uint8_t *)data)[i];
    }
    return address % 4 == 0 && bytes % 4 == 0;
}

bool EspClass::flashEraseSector(uint32_t sector)
{
    memset(chip() + sector * 4096u, 0xff, 4096);
    return true;
}

uint32_t crc32(const void *data, size_t len, uint32_t crc)
{
    const uint8_t *p = (const uint8_t *)data;
    while (len-- > 0) {
        crc ^= *p++;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1u)));
        }
    }
    return crc;
}
