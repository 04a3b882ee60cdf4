// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Which Elo this is. The project's own builds say it on the command line too, and the same.
 */
#ifndef ELO_BASE_VERSION_H
#define ELO_BASE_VERSION_H

#define ELO_VERSION "0.1.0"

#endif
