// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* Paho for C, its synchronous API (libpaho-mqtt-dev): calls that wait, messages on a thread. */
#include "tests/clients/puppet.h"

#include <MQTTClient.h>
#include <string.h>

enum { PATIENCE_MS = 30000 };

static MQTTClient client;
static int version;

static void lost(void *context, char *cause)
{
    (void)context;
    puppet_tell("lost", 0, cause);
}

static int arrived(void *context, char *topic, int topic_len, MQTTClient_message *message)
{
    (void)context;
    puppet_tell_message(topic, topic_len > 0 ? (size_t)topic_len : strlen(topic), message->payload,
                        (size_t)message->payloadlen, message->qos, message->retained != 0);
    MQTTClient_freeMessage(&message);
    MQTTClient_free(topic);
    return 1;
}

static MQTTClient_SSLOptions tls_of(const struct puppet_config *config)
{
    MQTTClient_SSLOptions tls = MQTTClient_SSLOptions_initializer;
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

static void connect3(MQTTClient_connectOptions *options)
{
    int code = MQTTClient_connect(client, options);
    if (code == MQTTCLIENT_SUCCESS) {
        puppet_tell_connected(options->returned.sessionPresent != 0);
    } else {
        puppet_tell("failed", code, MQTTClient_strerror(code));
    }
}

static void connect5(MQTTClient_connectOptions *options, bool clean)
{
    MQTTProperties properties = MQTTProperties_initializer;
    if (!clean) {
        MQTTProperty expiry = {.identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL};
        expiry.value.integer4 = 600;
        MQTTProperties_add(&properties, &expiry);
    }
    MQTTResponse response = MQTTClient_connect5(client, options, &properties, NULL);
    if (response.reasonCode == MQTTREASONCODE_SUCCESS) {
        puppet_tell_connected(options->returned.sessionPresent != 0);
    } else {
        puppet_tell("failed", (int)response.reasonCode,
                    MQTTReasonCode_toString(response.reasonCode));
    }
    MQTTResponse_free(response);
    MQTTProperties_free(&properties);
}

static void do_connect(const struct puppet_config *config, const struct puppet_command *command)
{
    MQTTClient_createOptions create = MQTTClient_createOptions_initializer;
    version = config->version == 5 ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
    create.MQTTVersion = version;
    int code = MQTTClient_createWithOptions(&client, config->url, command->id,
                                            MQTTCLIENT_PERSISTENCE_NONE, NULL, &create);
    if (code != MQTTCLIENT_SUCCESS) {
        puppet_tell("failed", code, "MQTTClient_createWithOptions");
        return;
    }
    MQTTClient_setCallbacks(client, NULL, lost, arrived, NULL);
    MQTTClient_connectOptions three = MQTTClient_connectOptions_initializer;
    MQTTClient_connectOptions five = MQTTClient_connectOptions_initializer5;
    MQTTClient_connectOptions *options = version == MQTTVERSION_5 ? &five : &three;
    MQTTClient_SSLOptions tls = tls_of(config);
    MQTTClient_willOptions will = MQTTClient_willOptions_initializer;
    options->ssl = &tls;
    if (command->will_topic != NULL) {
        will.topicName = command->will_topic;
        will.message = command->will_payload;
        will.qos = 1;
        options->will = &will;
    }
    if (version == MQTTVERSION_5) {
        five.cleanstart = command->clean;
        connect5(&five, command->clean);
    } else {
        three.MQTTVersion = MQTTVERSION_3_1_1;
        three.cleansession = command->clean;
        connect3(&three);
    }
}

static void do_subscribe(const struct puppet_command *command)
{
    int code = 1; // the QoS granted, where the library does not tell
    if (version == MQTTVERSION_5) {
        MQTTResponse response = MQTTClient_subscribe5(client, command->filter, 1, NULL, NULL);
        code = (int)response.reasonCode;
        MQTTResponse_free(response);
    } else {
        int result = MQTTClient_subscribe(client, command->filter, 1);
        code = result == MQTTCLIENT_SUCCESS ? 1 : result;
    }
    if (code >= 0 && code < 0x80) {
        puppet_tell_subscribed(code);
    } else {
        puppet_tell("refused", code, "MQTTClient_subscribe");
    }
}

static int publish5(const struct puppet_command *command, MQTTClient_deliveryToken *token)
{
    MQTTResponse response =
        MQTTClient_publish5(client, command->topic, (int)strlen(command->payload), command->payload,
                            command->qos, command->retain, NULL, token);
    int code = (int)response.reasonCode;
    MQTTResponse_free(response);
    return code;
}

static void do_publish(const struct puppet_command *command)
{
    MQTTClient_deliveryToken token = 0;
    int code = version == MQTTVERSION_5
                   ? publish5(command, &token)
                   : MQTTClient_publish(client, command->topic, (int)strlen(command->payload),
                                        command->payload, command->qos, command->retain, &token);
    if (code == MQTTCLIENT_SUCCESS) {
        code = MQTTClient_waitForCompletion(client, token, PATIENCE_MS);
    }
    puppet_tell(code == MQTTCLIENT_SUCCESS ? "published" : "refused", code,
                MQTTClient_strerror(code));
}

static void do_disconnect(const struct puppet_command *command)
{
    (void)command;
    int code = version == MQTTVERSION_5
                   ? MQTTClient_disconnect5(client, 5000, MQTTREASONCODE_SUCCESS, NULL)
                   : MQTTClient_disconnect(client, 5000);
    puppet_tell("disconnected", code, NULL);
}

static void end(void)
{
    MQTTClient_destroy(&client);
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
