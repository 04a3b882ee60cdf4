// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/client/limits.h"

#include "elo/base/utf8.h"
#include "elo/mqtt/topic.h"

#define CLIENT_ID_MAX_BYTES 128u
#define PAYLOAD_MAX_BYTES   131072u

/* `topic` from the level `skip` on; nothing if it has no such level. */
static elo_span from_level(elo_span topic, unsigned skip)
{
    while (skip > 0 && topic.len > 0) {
        skip -= topic.ptr[0] == '/';
        topic = elo_span_from(topic, 1);
    }
    return topic;
}

/*
 * The quotas on length and slashes leave out the prefix of Basic Ingest, `$aws/rules/NAME/`, and
 * that of a shared subscription, `$share/NAME/`.
 */
static bool within_quotas(elo_span topic)
{
    if (elo_span_starts_with(topic, ELO_SPAN("$aws/rules/"))) {
        topic = from_level(topic, 3);
    } else if (elo_span_starts_with(topic, ELO_SPAN("$share/"))) {
        topic = from_level(topic, 2);
    }
    return topic.len <= ELO_TOPIC_MAX_BYTES && elo_topic_slashes(topic) <= ELO_TOPIC_MAX_SLASHES;
}

static elo_err check_name(elo_span topic, bool aws)
{
    if (!elo_topic_name_valid(topic) || (aws && !within_quotas(topic))) {
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
    if (!elo_topic_filter_valid(filter) || (aws && !within_quotas(filter))) {
        return ELO_E_TOPIC;
    }
    return elo_utf8_valid_mqtt(filter) ? ELO_OK : ELO_E_UTF8;
}
