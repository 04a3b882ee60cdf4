// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* Runs a sketch: setup() once, loop() for ever, and between two turns what the board's system does.
 */
#include "fake.h"

#include <Arduino.h>
#include <poll.h>
#include <string>
#include <unistd.h>

static bool orders_open = true;

/* An order, if there is one. */
static void obey()
{
    static std::string line;
    const int fd = fake_env("FAKE_LINE") != nullptr ? 3 : STDIN_FILENO;
    struct pollfd p = {fd, POLLIN, 0};
    char c;
    while (orders_open && poll(&p, 1, 0) == 1) {
        if (read(fd, &c, 1) != 1) {
            orders_open = false;
        } else if (c != '\n') {
            line += c;
        } else {
            if (line == "wifi down" || line == "wifi up") {
                fake_wifi(line == "wifi up");
            } else if (line == "time") {
                fake_time_known();
            } else if (line == "reset") {
                fake_restart("pin");
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
