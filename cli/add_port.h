// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* `elo add NAME --port DEV`: the board on a serial line becomes a thing of the desk. */
#ifndef ELO_CLI_ADD_PORT_H
#define ELO_CLI_ADD_PORT_H

#include <stdbool.h>

struct add_port {
    const char *path;            /* of the serial line */
    const char *ssid;            /* NULL: the Wi-Fi that the board has */
    const char *passphrase_file; /* NULL: asked for, if there is an ssid */
    const char *host;            /* NULL: where the desk listens */
    const char *sensor;          /* NULL: as it is */
    long interval_ms;            /* 0: as it is */
    bool reset;
};

/* An exit code; everything has been said. */
int add_port(const char *name,
             const struct add_port *port,
             const char *data,
             void (*step)(const char *operation, const char *what));

#endif
