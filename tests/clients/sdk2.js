// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
// aws-iot-device-sdk-v2: its MQTT 3.1.1 client and its MQTT 5 client
'use strict';
const { auth, iot, mqtt, mqtt5 } = require('aws-iot-device-sdk-v2');
const { config, emit, why, run } = require('./puppet');

const decoder = new TextDecoder();
let client;

// --- MQTT 3.1.1

function builder3() {
    if (config.transport === 'wss') {
        return iot.AwsIotMqttConnectionConfigBuilder.new_builder_for_websocket()
            .with_credentials(config.region, config.keyId, config.secret);
    }
    if (config.transport === 'custom') {
        return iot.AwsIotMqttConnectionConfigBuilder.new_default_builder().with_custom_authorizer(
            'bench', config.authorizer, config.signature, '', config.tokenKey, config.token);
    }
    return iot.AwsIotMqttConnectionConfigBuilder.new_mtls_builder_from_path(config.cert, config.key);
}

const three = {
    async connect(command) {
        const made = builder3().with_certificate_authority_from_path(undefined, config.ca)
            .with_endpoint(config.host).with_port(config.port).with_client_id(command.id)
            .with_clean_session(command.clean).with_reconnect_min_sec(60).with_reconnect_max_sec(120);
        if (command.will) {
            made.with_will(new mqtt.MqttWill(command.will.topic, mqtt.QoS.AtLeastOnce,
                                             command.will.payload, false));
        }
        client = new mqtt.MqttClient().new_connection(made.build());
        client.on('message', (topic, payload, dup, qos, retain) => emit('message', {
            topic, payload: decoder.decode(payload), qos, retain }));
        client.on('interrupt', (error) => emit('lost', why(error)));
        client.on('error', () => {}); // connect() tells
        emit('connected', { session: await client.connect() });
    },
    async subscribe(command) {
        const told = await client.subscribe(command.filter, mqtt.QoS.AtLeastOnce);
        if (told.error_code) emit('refused', { why: String(told.error_code) });
        else emit('subscribed', { qos: told.qos });
    },
    async publish(command) {
        await client.publish(command.topic, command.payload, command.qos, !!command.retain);
        emit('published');
    },
    async disconnect() {
        client.removeAllListeners('interrupt');
        await client.disconnect();
        emit('disconnected');
    },
};

// --- MQTT 5

function builder5() {
    const Builder = iot.AwsIotMqtt5ClientConfigBuilder;
    if (config.transport === 'wss') {
        return Builder.newWebsocketMqttBuilderWithSigv4Auth(config.host, {
            region: config.region,
            credentialsProvider: auth.AwsCredentialsProvider.newStatic(config.keyId, config.secret) });
    }
    if (config.transport === 'custom') {
        return Builder.newDirectMqttBuilderWithCustomAuth(config.host, {
            authorizerName: config.authorizer, username: 'bench', tokenKeyName: config.tokenKey,
            tokenValue: config.token, tokenSignature: config.signature });
    }
    return Builder.newDirectMqttBuilderWithMtlsFromPath(config.host, config.cert, config.key);
}

const five = {
    connect(command) {
        const made = builder5().withCertificateAuthorityFromPath(undefined, config.ca)
            .withPort(config.port).withMinReconnectDelayMs(60000).withMaxReconnectDelayMs(120000)
            .withSessionBehavior(command.clean ? mqtt5.ClientSessionBehavior.Clean
                                               : mqtt5.ClientSessionBehavior.RejoinAlways)
            .withConnectProperties({
                clientId: command.id, keepAliveIntervalSeconds: 60,
                ...(command.clean ? {} : { sessionExpiryIntervalSeconds: 600 }),
                ...(command.will ? { will: { topicName: command.will.topic,
                                             payload: command.will.payload,
                                             qos: mqtt5.QoS.AtLeastOnce } } : {}) });
        client = new mqtt5.Mqtt5Client(made.build());
        client.on('connectionSuccess', (told) => emit('connected', {
            session: told.connack.sessionPresent }));
        client.on('connectionFailure', (told) => emit('failed', {
            why: String(told.error), code: told.connack && told.connack.reasonCode }));
        client.on('disconnection', (told) => emit('lost', {
            why: String(told.error), code: told.disconnect && told.disconnect.reasonCode }));
        client.on('messageReceived', ({ message }) => emit('message', {
            topic: message.topicName, payload: decoder.decode(message.payload), qos: message.qos,
            retain: message.retain }));
        client.start();
    },
    async subscribe(command) {
        const told = await client.subscribe({ subscriptions: [
            { topicFilter: command.filter, qos: mqtt5.QoS.AtLeastOnce }] });
        const [code] = told.reasonCodes;
        if (code >= 0x80) emit('refused', { code });
        else emit('subscribed', { qos: code });
    },
    async publish(command) {
        const told = await client.publish({ topicName: command.topic, payload: command.payload,
                                            qos: command.qos, retain: !!command.retain });
        if (told && told.reasonCode >= 0x80) emit('refused', { code: told.reasonCode });
        else emit('published');
    },
    disconnect() {
        client.removeAllListeners('disconnection');
        client.on('stopped', () => emit('disconnected'));
        client.stop({ reasonCode: 0 });
    },
};

run(config.version === 5 ? five : three);
