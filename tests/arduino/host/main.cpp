// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* Runs a sketch: setup() once, loop() for ever, and between two turns what the board's system does.
 */
#include "fake.h"

#include <Arduino.h>
#include <poll.h>
#include <string>
#include <unistd.h>

static bool stdin_open = true;

/* A line on stdin, if there is one. */
static void obey()
{
    static std::string line;
    struct pollfd p = {STDIN_FILENO, POLLIN, 0};
    char c;
    while (stdin_open && poll(&p, 1, 0) == 1) {
        if (read(STDIN_FILENO, &c, 1) != 1) {
            stdin_open = false;
        } else if (c != '\n') {
            line += c;
        } else {
            if (line == "wifi down" || line == "wifi up") {
                fake_wifi(line == "wifi up");
            } else if (line == "time") {
                fake_time_known();
            } else if (line == "end") {
                exit(0);
            }
            line.clear();
        }
    }
}

int main()
{
    setup();
    for (;;) {
        loop();
        obey();
        fake_wifi_turn();
        fake_network_turn(1);
    }
}
