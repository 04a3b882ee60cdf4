// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#ifndef LWIP_IP_DECLARED_H
#define LWIP_IP_DECLARED_H

#define SOF_REUSEADDR 4

/* In lwIP a macro for control blocks of every kind. */
#ifdef __cplusplus
extern "C"
#endif
    void
    ip_set_option(struct tcp_pcb *pcb, int option);

#endif
