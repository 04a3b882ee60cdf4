// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A board on a PC, as far as lib/'s Arduino side can tell: the functions declared in
 * tests/arduino/include, over real sockets on loopback, a folder as LittleFS and a file as RTC
 * memory. A sketch is linked with it unchanged.
 *
 * What the board's surroundings are is told by environment variables
 *     FAKE_FS     the folder that LittleFS shows
 *     FAKE_RTC    the file that keeps RTC memory (none: it is lost at the end)
 *     FAKE_FLASH  the file that is the flash chip (none: memory)
 *     FAKE_SSID   the network in the air, FAKE_PASSWORD its password
 *     FAKE_WOKE   set: the board woke from deep sleep
 *     FAKE_CLOCK  set: no time server answers before the line "time"
 *     FAKE_FAST   divides delays of the sketch's own clock: millis() runs that many times as fast
 *     FAKE_HTTP   the port on loopback that is port 80 of the board's own Wi-Fi
 *     FAKE_DNS    the same for its port 53
 *     FAKE_BME280 the registers of the BME280 on I2C (twi.cpp); none: nobody answers there
 *     FAKE_LINE   set: stdin and stdout are the serial line, and nothing else
 * and by lines on stdin (with FAKE_LINE on descriptor 3): "wifi down", "wifi up", "time", "end",
 * and "reset", the button. The end of stdin is no end, but with FAKE_LINE.
 *
 * It prints what the sketch prints, and a line for what it does: "pin 2 low", "deep sleep 300";
 * with FAKE_LINE on stderr, and then it starts anew when it restarts.
 *
 * Time servers are played: every name with "ntp" or "time." in it is one.
 */
#ifndef TESTS_ARDUINO_FAKE_H
#define TESTS_ARDUINO_FAKE_H

#include <stddef.h>
#include <stdint.h>
#include <string>

/* lwip.cpp: lets what has happened on the network happen to the sketch; waits up to `wait_ms` for
 * something. True if something did. */
bool fake_network_turn(int wait_ms);
void fake_network_up(bool up);

/* Makes one of lwIP's buffers. */
struct pbuf;
struct pbuf *fake_pbuf(const char *bytes, size_t len);

/* udp.cpp: what has come for those who listen; waits for nothing. */
bool fake_udp_turn();

/* wifi.cpp */
void fake_wifi(bool in_the_air);
void fake_wifi_turn();

/* machine.cpp. The time that a server would tell; false: none answers yet. */
void fake_time_known();
bool fake_time(int64_t *out_unix_s);
void fake_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *fake_env(const char *name);  /* nullptr: not set, or empty */
std::string fake_text(const char *name); /* the same, empty for nullptr */
void fake_restart(const char *reset);

#endif
