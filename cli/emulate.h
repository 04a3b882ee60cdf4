// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * `elo device --emulate`: the firmware as an image for the ESP8266's CPU, in QEMU, in the place of
 * the same firmware in this process. What the board says on its serial line is shown in the words
 * of `elo device`; a line that is none of these as it is, behind "serial".
 *
 * The board is given the bundle's key and certificates in a folder of its own, which is gone once
 * it has read them. Its flash is a file in the bundle.
 */
#ifndef ELO_CLI_EMULATE_H
#define ELO_CLI_EMULATE_H

#include "cli/bundle.h"

struct emulate_options {
    const struct bundle *bundle;
    const char *image;      /* NULL: the one beside this program (emulate_image) */
    const char *flash_path; /* NULL: the bundle's */
    uint16_t interval_s;
    long count;      /* 0: no end */
    uint32_t for_ms; /* 0: no end */
    bool quiet;
};

/* Until Ctrl-C or what the options say. An exit code, said. */
int emulate(const struct emulate_options *options);

/* Where the image is: built (build/lx106) or installed (share/elo) beside this program. false:
 * there is none; `out` then says where it would be. */
bool emulate_image(char out[PATH_MAX]);

#endif
