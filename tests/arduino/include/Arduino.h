// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The part of the ESP8266 Arduino core 3.1.2 that lib/ uses, declared for compiling and for the
 * host run of tests/arduino/host, written from the core's documentation. It is not the core: what
 * is not here may well be there, and a sketch is built with the core itself.
 */
#ifndef ARDUINO_DECLARED_H
#define ARDUINO_DECLARED_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGMEM
#define PGM_P             const char *
#define PSTR(text)        (text)
#define strlen_P          strlen
#define strncpy_P         strncpy
#define strcmp_P          strcmp
#define memcpy_P          memcpy
#define snprintf_P        snprintf
#define pgm_read_byte(at) (*(const uint8_t *)(at))

typedef uint8_t byte;

#define LOW          0
#define HIGH         1
#define INPUT        0
#define INPUT_PULLUP 2
#define FALLING      2
#define D2           4
#define D5           14

/* Registers of the pins: output on, output off, input. */
extern volatile uint32_t GPES, GPEC, GPI;

#define IRAM_ATTR
#define digitalPinToInterrupt(pin) (pin)
#define OUTPUT                     1
#define A0                         17
#define LED_BUILTIN                2

#ifdef __cplusplus
extern "C" {
#endif

unsigned long millis(void);
unsigned long micros(void);
void delay(unsigned long ms);
void delayMicroseconds(unsigned us);
void noInterrupts(void);
void interrupts(void);
void yield(void);
void pinMode(uint8_t pin, uint8_t mode);
void digitalWrite(uint8_t pin, uint8_t value);
int digitalRead(uint8_t pin);
int analogRead(uint8_t pin);
void attachInterrupt(uint8_t pin, void (*handler)(void), int mode);
void detachInterrupt(uint8_t pin);

/* The chip's random number register, read as a variable. */
uint32_t fake_random_register(void);
#define RANDOM_REG32 fake_random_register()

#ifdef __cplusplus
}

class __FlashStringHelper;
#define FPSTR(text) (reinterpret_cast<const __FlashStringHelper *>(text))
#define F(text)     (FPSTR(PSTR(text)))

void configTime(int timezone_s,
                int daylight_s,
                const char *server1,
                const char *server2 = nullptr,
                const char *server3 = nullptr);

#include "Print.h"
#include "Stream.h"

class HardwareSerial : public Stream
{
  public:
    void begin(unsigned long baud);
    size_t write(uint8_t c) override;
    size_t write(const uint8_t *bytes, size_t len) override;
    int availableForWrite() override;
    int available() override;
    int read() override;
    int peek() override;
    void flush() override;
    using Print::write;
};
extern HardwareSerial Serial;

struct rst_info {
    uint32_t reason;
};

class EspClass
{
  public:
    uint32_t getFreeHeap();
    uint32_t getFreeContStack();
    uint32_t getMaxFreeBlockSize();
    uint32_t getCycleCount();
    uint32_t getChipId();
    struct rst_info *getResetInfoPtr();
    bool rtcUserMemoryRead(uint32_t word, uint32_t *data, size_t bytes);
    bool rtcUserMemoryWrite(uint32_t word, uint32_t *data, size_t bytes);
    bool flashRead(uint32_t address, uint32_t *data, size_t bytes);
    bool flashWrite(uint32_t address, const uint32_t *data, size_t bytes);
    bool flashEraseSector(uint32_t sector);
    void deepSleep(uint64_t microseconds);
    void restart();
};
extern EspClass ESP;

/* A sketch's own. */
void setup();
void loop();
#endif

#endif
