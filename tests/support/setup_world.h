// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A board being set up, played on the PC for tests: settings, networks that it hears, and a script
 * of what a test of a connection comes to. Time is what its owner says.
 *
 * The passphrase decides what happens: "wrong-pass" is refused by the access point, "no-address"
 * gets none, "no-internet" finds no name, "bad-root" fails in TLS; any other works. A network
 * called "nowhere" is not found.
 */
#ifndef TESTS_SUPPORT_SETUP_WORLD_H
#define TESTS_SUPPORT_SETUP_WORLD_H

#include "elo/setup/setup.h"

struct setup_world {
    struct elo_setup setup;
    struct elo_settings stored, draft;
    uint8_t bundle_mem[ELO_BUNDLE_TEXT_BYTES];
    struct elo_setup_network networks[20];
    elo_span csr;
    unsigned network_kind; /* 0: a few, 1: twenty, 2: hostile ones, 3: none */
    uint32_t step_ms;      /* how long each stage takes */
    uint32_t scan_at, stage_at;
    bool listening, restarted, forgotten;
    elo_err save_result;
    unsigned saves;
    bool saved_bundle;
};

void setup_world_init(struct setup_world *w, elo_err last_failure, elo_span csr);

/* Fulfils wishes; call it often. */
void setup_world_step(struct setup_world *w, uint32_t now);

#endif
