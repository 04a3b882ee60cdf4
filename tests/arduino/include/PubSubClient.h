// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* What the example uses of the library PubSubClient 2.8, for compiling it. */
#ifndef PUBSUBCLIENT_DECLARED_H
#define PUBSUBCLIENT_DECLARED_H

#include "Client.h"

class PubSubClient
{
  public:
    explicit PubSubClient(Client &client);
    PubSubClient &setServer(const char *host, uint16_t port);
    PubSubClient &setCallback(void (*callback)(char *topic, uint8_t *payload, unsigned len));
    bool setBufferSize(uint16_t bytes);
    bool connect(const char *client_id);
    bool connected();
    bool loop();
    int state();
    bool publish(const char *topic, const char *payload);
    bool subscribe(const char *filter, uint8_t qos);
};

#endif
