// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "fake.h"

#include <Arduino.h>
#include <ESP8266WiFi.h>
#include <LittleFS.h>
#include <coredecls.h>
#include <fcntl.h>
#include <flash_hal.h>
#include <poll.h>
#include <string>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <user_interface.h>

HardwareSerial Serial;
EspClass ESP;
FS LittleFS;
ESP8266WiFiClass WiFi;

static std::string env(const char *name)
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
#define say fake_say

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
        env("FAKE_FAST").empty() ? 1 : strtoull(getenv("FAKE_FAST"), nullptr, 10);
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
    return env("FAKE_CLOCK").empty() || time_known;
}

void configTime(int, int, const char *server1, const char *, const char *)
{
    say("time of %s\n", server1);
    asked = true;
    if (env("FAKE_CLOCK").empty() || time_known) {
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
    say("pin %u %s\n", pin, value == LOW ? "low" : "high");
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
    info.reason = !env("FAKE_WOKE").empty()         ? REASON_DEEP_SLEEP_AWAKE
                  : env("FAKE_RESET") == "software" ? REASON_SOFT_RESTART
                  : env("FAKE_RESET") == "pin"      ? REASON_EXT_SYS_RST
                                                    : REASON_DEFAULT_RST;
    return &info;
}

void EspClass::deepSleep(uint64_t microseconds)
{
    say("deep sleep %llu\n", (unsigned long long)(microseconds / 1000000u));
    exit(0);
}

void fake_restart(const char *reset)
{
    say("restart\n");
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
    FILE *file = fopen(env("FAKE_RTC").c_str(), "rb");
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
    FILE *file = fopen(env("FAKE_RTC").c_str(), "wb");
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
    int fd = ::open(env("FAKE_FLASH").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
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

/* --- Wi-Fi ---------------------------------------------------------------------------------------
 */

static struct {
    bool in_the_air = true, wanted, up, told, hosting;
    std::string ssid, password;
    void (*lost)(const WiFiEventStationModeDisconnected &event);
    void (*linked)(const WiFiEventStationModeConnected &event);
    unsigned scanning; /* turns that a scan still takes */
} air;

void fake_wifi(bool in_the_air)
{
    air.in_the_air = in_the_air;
    air.told = false;
}

static void lose(WiFiDisconnectReason reason)
{
    WiFiEventStationModeDisconnected event = {reason};
    air.up = false;
    air.told = true;
    fake_network_up(false);
    if (air.lost != nullptr) {
        air.lost(event);
    }
}

/* As the SDK does it: it goes on trying by itself. */
void fake_wifi_turn()
{
    if (!air.wanted || (!air.up && air.told)) {
        return;
    }
    if (!air.in_the_air || air.ssid != env("FAKE_SSID")) {
        lose(air.up ? WIFI_DISCONNECT_REASON_BEACON_TIMEOUT : WIFI_DISCONNECT_REASON_NO_AP_FOUND);
    } else if (air.password != env("FAKE_PASSWORD")) {
        lose(WIFI_DISCONNECT_REASON_AUTH_FAIL);
    } else if (!air.up) {
        if (air.linked != nullptr) {
            air.linked({6});
        }
        air.up = true;
        fake_network_up(true);
    }
}

void ESP8266WiFiClass::persistent(bool)
{
}

bool ESP8266WiFiClass::mode(WiFiMode_t mode)
{
    if (air.hosting && (mode & WIFI_AP) == 0) {
        say("access point closed\n");
        air.hosting = false;
    }
    return true;
}

bool ESP8266WiFiClass::setAutoReconnect(bool)
{
    return true;
}

wl_status_t ESP8266WiFiClass::begin(
    const char *ssid, const char *password, int32_t channel, const uint8_t *, bool)
{
    say("wifi begin %s channel %d\n", ssid, channel);
    air.ssid = ssid;
    air.password = password != nullptr ? password : "";
    air.wanted = true;
    air.told = false;
    return WL_DISCONNECTED;
}

bool ESP8266WiFiClass::disconnect(bool)
{
    air.wanted = air.up = false;
    fake_network_up(false);
    return true;
}

wl_status_t ESP8266WiFiClass::status()
{
    return air.up ? WL_CONNECTED : WL_DISCONNECTED;
}

uint8_t *ESP8266WiFiClass::BSSID()
{
    static uint8_t bssid[6] = {2, 0, 0, 0, 0, 1};
    return bssid;
}

int32_t ESP8266WiFiClass::channel()
{
    return 6;
}

int8_t ESP8266WiFiClass::RSSI()
{
    return -60;
}

IPAddress ESP8266WiFiClass::localIP()
{
    return IPAddress(127, 0, 0, 1);
}

WiFiEventHandler ESP8266WiFiClass::onStationModeConnected(
    void (*callback)(const WiFiEventStationModeConnected &event))
{
    air.linked = callback;
    return this;
}

bool ESP8266WiFiClass::softAP(const char *ssid, const char *password)
{
    say("access point %s %s\n", ssid, password);
    air.hosting = true;
    return true;
}

int8_t ESP8266WiFiClass::scanNetworks(bool)
{
    air.scanning = 20;
    return WIFI_SCAN_RUNNING;
}

int8_t ESP8266WiFiClass::scanComplete()
{
    return air.scanning > 0 ? (int8_t)(--air.scanning, WIFI_SCAN_RUNNING) : (int8_t)2;
}

void ESP8266WiFiClass::scanDelete()
{
}

/* The network in the air, and one of a neighbour. */
const bss_info *ESP8266WiFiClass::getScanInfoByIndex(int index)
{
    static bss_info info;
    std::string name = index == 0 ? env("FAKE_SSID") : "neighbour";
    memset(&info, 0, sizeof info);
    info.ssid_len = (uint8_t)name.size();
    memcpy(info.ssid, name.data(), name.size());
    info.rssi = (int8_t)(-60 - 10 * index);
    info.authmode = index == 0 ? AUTH_WPA2_PSK : AUTH_OPEN;
    return index < 2 ? &info : nullptr;
}

WiFiEventHandler ESP8266WiFiClass::onStationModeDisconnected(
    void (*callback)(const WiFiEventStationModeDisconnected &event))
{
    air.lost = callback;
    return this;
}

IPAddress::IPAddress(uint8_t a, uint8_t b, uint8_t c, uint8_t d) : _bytes{a, b, c, d}
{
}

uint8_t IPAddress::operator[](int index) const
{
    return _bytes[index];
}

size_t IPAddress::printTo(Print &out) const
{
    return out.printf("%u.%u.%u.%u", _bytes[0], _bytes[1], _bytes[2], _bytes[3]);
}

/* --- files ---------------------------------------------------------------------------------------
 */

void LittleFSConfig::setAutoFormat(bool)
{
}

bool FS::setConfig(const LittleFSConfig &)
{
    return true;
}

bool FS::begin()
{
    return !env("FAKE_FS").empty();
}

void FS::end()
{
}

File FS::open(const char *path, const char *mode)
{
    File file;
    file._file = fopen((env("FAKE_FS") + path).c_str(), mode);
    return file;
}

bool FS::exists(const char *path)
{
    return access((env("FAKE_FS") + path).c_str(), F_OK) == 0;
}

bool FS::rename(const char *from, const char *to)
{
    return ::rename((env("FAKE_FS") + from).c_str(), (env("FAKE_FS") + to).c_str()) == 0;
}

bool FS::remove(const char *path)
{
    return ::remove((env("FAKE_FS") + path).c_str()) == 0;
}

File::operator bool() const
{
    return _file != nullptr;
}

size_t File::size() const
{
    struct stat st;
    return fstat(fileno(_file), &st) == 0 ? (size_t)st.st_size : 0;
}

int File::read(uint8_t *out, size_t cap)
{
    return (int)fread(out, 1, cap, _file);
}

size_t File::write(const uint8_t *bytes, size_t len)
{
    return fwrite(bytes, 1, len, _file);
}

void File::close()
{
    if (_file != nullptr) {
        fclose(_file);
    }
    _file = nullptr;
}

/* --- printing ------------------------------------------------------------------------------------
 */

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
