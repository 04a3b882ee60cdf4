// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/client/limits.h"

#include "elo/base/utf8.h"
#include "elo/mqtt/topic.h"

#define CLIENT_ID_MAX_BYTES 128u
#define PAYLOAD_MAX_BYTES   131072u

/*
 * Within the quotas on size, and not a `$` topic of which AWS knows nothing: it closes the
 * connection for `$SYS/...`. Which topics there are below `$aws/` is left to AWS to know.
 */
static bool aws_takes(elo_span topic, bool is_filter)
{
    elo_span name;
    elo_span shared;
    bool known = topic.ptr[0] != '$' || elo_span_starts_with(topic, ELO_SPAN("$aws/")) ||
                 (is_filter && elo_topic_split_share(topic, &name, &shared));
    return known && elo_topic_within_quota(topic);
}

static elo_err check_name(elo_span topic, bool aws)
{
    if (!elo_topic_name_valid(topic) || (aws && !aws_takes(topic, false))) {
        return ELO_E_TOPIC;
    }
    return elo_utf8_valid_mqtt(topic) ? ELO_OK : ELO_E_UTF8;
}

static elo_err check_client_id(const struct elo_client_config *config)
{
    elo_span id = config->client_id;
    if (id.len == 0 && config->persistent) {
        return ELO_E_UNSUPPORTED; /* [MQTT-3.1.3-7] */
    }
    if (config->aws_limits && id.len > CLIENT_ID_MAX_BYTES) {
        return ELO_E_TOO_LARGE;
    }
    if (config->aws_limits && id.len > 0 && id.ptr[0] == '$') {
        return ELO_E_UNSUPPORTED;
    }
    return elo_utf8_valid_mqtt(id) ? ELO_OK : ELO_E_UTF8;
}

elo_err elo__check_config(const struct elo_client_config *config)
{
    elo_err err = check_client_id(config);
    if (err == ELO_OK && config->has_will) {
        err = config->will.qos > 1 ? ELO_E_UNSUPPORTED
                                   : check_name(config->will.topic, config->aws_limits);
    }
    if (err != ELO_OK) {
        return err;
    }
    if (config->password.ptr != NULL && config->username.ptr == NULL) {
        return ELO_E_UNSUPPORTED; /* [MQTT-3.1.2-22] */
    }
    if (!elo_utf8_valid_mqtt(config->username)) {
        return ELO_E_UTF8;
    }
    return config->rx_size < ELO_CLIENT_MIN_RX ? ELO_E_NO_SPACE : ELO_OK;
}

elo_err elo__check_message(const struct elo_client_message *message, bool aws)
{
    if (message->qos > 1) {
        return ELO_E_UNSUPPORTED;
    }
    if (aws && message->payload.len > PAYLOAD_MAX_BYTES) {
        return ELO_E_TOO_LARGE;
    }
    return check_name(message->topic, aws);
}

elo_err elo__check_filter(elo_span filter, uint8_t qos, bool aws)
{
    if (qos > 1) {
        return ELO_E_UNSUPPORTED;
    }
    if (!elo_topic_filter_valid(filter) || (aws && !aws_takes(filter, true))) {
        return ELO_E_TOPIC;
    }
    return elo_utf8_valid_mqtt(filter) ? ELO_OK : ELO_E_UTF8;
}
