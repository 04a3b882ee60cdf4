// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/client/limits.h"

#include "elo/base/utf8.h"
#include "elo/mqtt/topic.h"

#define CLIENT_ID_MAX_BYTES 128u
#define PAYLOAD_MAX_BYTES   131072u

/* `topic` without its first `levels` levels; unchanged if it has no more than these. */
static elo_span without_levels(elo_span topic, unsigned levels)
{
    elo_span rest = topic;
    elo_span level;
    bool done = false;
    while (levels > 0 && elo_topic_next_level(&rest, &done, &level)) {
        levels--;
    }
    return done ? topic : rest;
}

/*
 * The quotas on length and slashes leave out the prefix of Basic Ingest, `$aws/rules/NAME/`, and
 * that of a shared subscription, `$share/NAME/`.
 */
static bool within_quotas(elo_span topic)
{
    if (elo_span_starts_with(topic, ELO_SPAN("$aws/rules/"))) {
        topic = without_levels(topic, 3);
    } else if (elo_span_starts_with(topic, ELO_SPAN("$share/"))) {
        topic = without_levels(topic, 2);
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

static elo_err check_will(const struct elo_mqtt_will *will, bool aws)
{
    if (will->qos > 1) {
        return ELO_E_UNSUPPORTED;
    }
    return will->payload.len > UINT16_MAX ? ELO_E_TOO_LARGE : check_name(will->topic, aws);
}

static elo_err check_client_id(const struct elo_client_config *config)
{
    elo_span id = config->client_id;
    if (id.len > (config->aws_limits ? CLIENT_ID_MAX_BYTES : UINT16_MAX)) {
        return ELO_E_TOO_LARGE;
    }
    if (id.len == 0 && config->persistent) {
        return ELO_E_UNSUPPORTED; /* [MQTT-3.1.3-7] */
    }
    if (config->aws_limits && elo_span_starts_with(id, ELO_SPAN("$"))) {
        return ELO_E_UNSUPPORTED;
    }
    return elo_utf8_valid_mqtt(id) ? ELO_OK : ELO_E_UTF8;
}

static elo_err check_credentials(const struct elo_client_config *config)
{
    if (config->password.ptr != NULL && config->username.ptr == NULL) {
        return ELO_E_UNSUPPORTED; /* [MQTT-3.1.2-22] */
    }
    if (config->username.len > UINT16_MAX || config->password.len > UINT16_MAX) {
        return ELO_E_TOO_LARGE;
    }
    return elo_utf8_valid_mqtt(config->username) ? ELO_OK : ELO_E_UTF8;
}

elo_err elo__check_config(const struct elo_client_config *config)
{
    elo_err err = check_client_id(config);
    if (err == ELO_OK) {
        err = check_credentials(config);
    }
    if (err == ELO_OK && config->has_will) {
        err = check_will(&config->will, config->aws_limits);
    }
    if (err == ELO_OK && config->rx_size < ELO_CLIENT_MIN_RX) {
        err = ELO_E_NO_SPACE;
    }
    return err;
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
