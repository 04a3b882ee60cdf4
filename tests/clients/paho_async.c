// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* Paho for C, its asynchronous API (libpaho-mqtt-dev). The library calls back on threads of its
 * own; with MQTT 5 it has callbacks of their own, too. */
#include "tests/clients/puppet.h"

#include <MQTTAsync.h>
#include <string.h>

static MQTTAsync client;
static int version;

// --- what the library tells

static void connected(void *context, MQTTAsync_successData *data)
{
    (void)context;
    puppet_tell_connected(data->alt.connect.sessionPresent != 0);
}

static void connected5(void *context, MQTTAsync_successData5 *data)
{
    (void)context;
    puppet_tell_connected(data->alt.connect.sessionPresent != 0);
}

static void failed(void *context, MQTTAsync_failureData *data)
{
    (void)context;
    puppet_tell("failed", data->code, data->message);
}

static void failed5(void *context, MQTTAsync_failureData5 *data)
{
    (void)context;
    puppet_tell("failed", data->reasonCode != 0 ? (int)data->reasonCode : data->code,
                data->message);
}

static void refused(void *context, MQTTAsync_failureData *data)
{
    (void)context;
    puppet_tell("refused", data->code, data->message);
}

static void refused5(void *context, MQTTAsync_failureData5 *data)
{
    (void)context;
    puppet_tell("refused", (int)data->reasonCode, data->message);
}

static void subscribed(void *context, MQTTAsync_successData *data)
{
    (void)context;
    puppet_tell_subscribed(data->alt.qos);
}

static void subscribed5(void *context, MQTTAsync_successData5 *data)
{
    (void)context;
    puppet_tell_subscribed((int)data->reasonCode);
}

static void published(void *context, MQTTAsync_successData *data)
{
    (void)context;
    (void)data;
    puppet_tell("published", 0, NULL);
}

static void published5(void *context, MQTTAsync_successData5 *data)
{
    (void)context;
    puppet_tell("published", (int)data->reasonCode, NULL);
}

static void disconnected(void *context, MQTTAsync_successData *data)
{
    (void)context;
    (void)data;
    puppet_tell("disconnected", 0, NULL);
}

static void disconnected5(void *context, MQTTAsync_successData5 *data)
{
    (void)context;
    puppet_tell("disconnected", (int)data->reasonCode, NULL);
}

static void lost(void *context, char *cause)
{
    (void)context;
    puppet_tell("lost", 0, cause);
}

static int arrived(void *context, char *topic, int topic_len, MQTTAsync_message *message)
{
    (void)context;
    puppet_tell_message(topic, topic_len > 0 ? (size_t)topic_len : strlen(topic), message->payload,
                        (size_t)message->payloadlen, message->qos, message->retained != 0);
    MQTTAsync_freeMessage(&message);
    MQTTAsync_free(topic);
    return 1;
}

// --- what it is told

static MQTTAsync_SSLOptions tls_of(const struct puppet_config *config)
{
    MQTTAsync_SSLOptions tls = MQTTAsync_SSLOptions_initializer;
    tls.trustStore = config->ca;
    tls.keyStore = config->cert;
    tls.privateKey = config->key;
    tls.verify = 1;
    if (config->alpn) {
        tls.protos = PUPPET_ALPN;
        tls.protos_len = sizeof PUPPET_ALPN - 1;
    }
    return tls;
}

static MQTTAsync_connectOptions connect_options(const struct puppet_command *command,
                                                MQTTProperties *properties)
{
    MQTTAsync_connectOptions three = MQTTAsync_connectOptions_initializer;
    MQTTAsync_connectOptions five = MQTTAsync_connectOptions_initializer5;
    if (version != MQTTVERSION_5) {
        three.cleansession = command->clean;
        three.MQTTVersion = MQTTVERSION_3_1_1;
        three.onSuccess = connected;
        three.onFailure = failed;
        return three;
    }
    five.cleanstart = command->clean;
    five.onSuccess5 = connected5;
    five.onFailure5 = failed5;
    if (!command->clean) {
        MQTTProperty expiry = {.identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL};
        expiry.value.integer4 = 600;
        MQTTProperties_add(properties, &expiry);
        five.connectProperties = properties;
    }
    return five;
}

static void do_connect(const struct puppet_config *config, const struct puppet_command *command)
{
    MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer;
    version = config->version == 5 ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
    create.MQTTVersion = version;
    int code = MQTTAsync_createWithOptions(&client, config->url, command->id,
                                           MQTTCLIENT_PERSISTENCE_NONE, NULL, &create);
    if (code != MQTTASYNC_SUCCESS) {
        puppet_tell("failed", code, "MQTTAsync_createWithOptions");
        return;
    }
    MQTTAsync_setCallbacks(client, NULL, lost, arrived, NULL);
    MQTTAsync_SSLOptions tls = tls_of(config);
    MQTTAsync_willOptions will = MQTTAsync_willOptions_initializer;
    MQTTProperties properties = MQTTProperties_initializer;
    MQTTAsync_connectOptions options = connect_options(command, &properties);
    options.ssl = &tls;
    if (command->will_topic != NULL) {
        will.topicName = command->will_topic;
        will.message = command->will_payload;
        will.qos = 1;
        options.will = &will;
    }
    code = MQTTAsync_connect(client, &options);
    MQTTProperties_free(&properties);
    if (code != MQTTASYNC_SUCCESS) {
        puppet_tell("failed", code, "MQTTAsync_connect");
    }
}

static void do_subscribe(const struct puppet_command *command)
{
    MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
    if (version == MQTTVERSION_5) {
        options.onSuccess5 = subscribed5;
        options.onFailure5 = refused5;
    } else {
        options.onSuccess = subscribed;
        options.onFailure = refused;
    }
    int code = MQTTAsync_subscribe(client, command->filter, 1, &options);
    if (code != MQTTASYNC_SUCCESS) {
        puppet_tell("refused", code, "MQTTAsync_subscribe");
    }
}

static void do_publish(const struct puppet_command *command)
{
    MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
    if (version == MQTTVERSION_5) {
        options.onSuccess5 = published5;
        options.onFailure5 = refused5;
    } else {
        options.onSuccess = published;
        options.onFailure = refused;
    }
    int code = MQTTAsync_send(client, command->topic, (int)strlen(command->payload),
                              command->payload, command->qos, command->retain, &options);
    if (code != MQTTASYNC_SUCCESS) {
        puppet_tell("refused", code, "MQTTAsync_send");
    }
}

static void do_disconnect(const struct puppet_command *command)
{
    (void)command;
    MQTTAsync_disconnectOptions three = MQTTAsync_disconnectOptions_initializer;
    MQTTAsync_disconnectOptions five = MQTTAsync_disconnectOptions_initializer5;
    MQTTAsync_disconnectOptions *options = version == MQTTVERSION_5 ? &five : &three;
    options->timeout = 5000;
    if (version == MQTTVERSION_5) {
        five.onSuccess5 = disconnected5;
    } else {
        three.onSuccess = disconnected;
    }
    MQTTAsync_disconnect(client, options);
}

static void end(void)
{
    MQTTAsync_destroy(&client);
}

int main(int argc, char **argv)
{
    static const struct puppet puppet = {.connect = do_connect,
                                         .subscribe = do_subscribe,
                                         .publish = do_publish,
                                         .disconnect = do_disconnect,
                                         .end = end};
    return puppet_main(argc, argv, &puppet);
}
