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
 * and by lines on stdin: "wifi down", "wifi up", "time", "end". The end of stdin is no end.
 *
 * It prints what the sketch prints, and a line for what it does: "pin 2 low", "deep sleep 300".
 */
#ifndef TESTS_ARDUINO_FAKE_H
#define TESTS_ARDUINO_FAKE_H

/* lwip.cpp: lets what has happened on the network happen to the sketch; waits up to `wait_ms` for
 * something. True if something did. */
bool fake_network_turn(int wait_ms);
void fake_network_up(bool up);

/* wifi.cpp */
void fake_wifi(bool in_the_air);
void fake_wifi_turn();

/* machine.cpp */
void fake_time_known();

#endif
