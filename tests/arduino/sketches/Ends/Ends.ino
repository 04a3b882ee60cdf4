// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* A sketch that thinks better of it: end() before there was a network. */
#include <EloDevice.h>

EloDevice elo;

void setup()
{
    elo.begin();
    elo.end();
}

void loop()
{
    static const __FlashStringHelper *status;
    elo.loop();
    if (elo.status() != status) {
        status = elo.status();
        Serial.print("status ");
        Serial.println(status);
    }
}
