// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* What the puppets in C share; puppet.py tells the protocol.
 *
 * A puppet is a program around one client library: puppet_main() reads the configuration and then a
 * command a line, and calls the puppet's functions. They tell what happens with puppet_tell(),
 * which any thread may call. Strings of a command live until its function returns, those of the
 * configuration until puppet_main() does. */
#ifndef TESTS_CLIENTS_PUPPET_H
#define TESTS_CLIENTS_PUPPET_H

#include <stdbool.h>
#include <stddef.h>

struct puppet_config {
    char url[128]; // ssl://HOST:PORT
    const char *ca, *cert, *key;
    bool alpn;   // offer x-amzn-mqtt-ca
    int version; // 4 or 5
};

struct puppet_command {
    const char *id, *filter, *topic, *payload, *will_topic, *will_payload; // NULL: not given
    int qos;
    bool retain, clean;
};

struct puppet {
    void (*connect)(const struct puppet_config *config, const struct puppet_command *command);
    void (*subscribe)(const struct puppet_command *command);
    void (*publish)(const struct puppet_command *command);
    void (*disconnect)(const struct puppet_command *command);
    void (*end)(void); // no more commands: gives everything back
};

// x-amzn-mqtt-ca as TLS wants it; and a 0 at the end, for Paho copies it as text.
extern const unsigned char PUPPET_ALPN[16];

// The exit code of main().
int puppet_main(int argc, char **argv, const struct puppet *puppet);

// {"event": event, "code": code, "why": why}; why may be NULL.
void puppet_tell(const char *event, int code, const char *why);

void puppet_tell_connected(bool session);
void puppet_tell_subscribed(int qos);
void puppet_tell_message(
    const char *topic, size_t topic_len, const void *payload, size_t len, int qos, bool retain);
#endif
