// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What may be said to the server: MQTT's rules, and the AWS IoT Core quotas for which AWS would
 * close the connection without a word ("AWS IoT Core endpoints and quotas"). Private to the client.
 */
#ifndef ELO_CLIENT_LIMITS_H
#define ELO_CLIENT_LIMITS_H

#include "elo/client/client.h"

ELO_MUST_USE elo_err elo__check_config(const struct elo_client_config *config);
ELO_MUST_USE elo_err elo__check_message(const struct elo_client_message *message, bool aws);
ELO_MUST_USE elo_err elo__check_filter(elo_span filter, uint8_t qos, bool aws);

#endif
