// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* EloSecureClient to one server by its name, twice, then under a name that its certificate has not.
 */
#include <ESP8266WiFi.h>
#include <EloSecureClient.h>

EloSecureClient net;

static void reach(const char *name)
{
    net.setServerName(name);
    if (net.connect(net.host(), net.port()) == 0) {
        Serial.println(net.why());
    } else {
        Serial.println(net.resumed() ? "short" : "whole");
    }
    net.stop();
}

void setup()
{
    net.begin();
    WiFi.begin(net.ssid(), net.password());
}

void loop()
{
    static int tried;
    if (WiFi.status() == WL_CONNECTED && tried < 3) {
        tried++;
        reach(tried < 3 ? nullptr : "elsewhere");
    }
}
