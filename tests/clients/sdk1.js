// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
// aws-iot-device-sdk (version 1 for JavaScript)
'use strict';
const { device } = require('aws-iot-device-sdk');
const { config, emit, why, run } = require('./puppet');

let client;

function transport() {
    if (config.transport === 'wss') {
        // The CA comes in NODE_EXTRA_CA_CERTS: the SDK has no option for it here.
        return { protocol: 'wss', accessKeyId: config.keyId, secretKey: config.secret };
    }
    return { protocol: 'mqtts', keyPath: config.key, certPath: config.cert, caPath: config.ca,
             ...(config.transport === 'alpn' ? { ALPNProtocols: ['x-amzn-mqtt-ca'] } : {}) };
}

run({
    connect(command) {
        let up = false;
        client = device({
            ...transport(), host: config.host, port: config.port, region: config.region,
            clientId: command.id, clean: command.clean, debug: false, baseReconnectTimeMs: 60000,
            maximumReconnectTimeMs: 120000,
            minimumConnectionTimeMs: 90000, autoResubscribe: false, offlineQueueing: false,
            ...(command.will ? { will: { ...command.will, qos: 1, retain: false } } : {}),
        });
        client.on('connect', (connack) => {
            up = true;
            emit('connected', { session: connack.sessionPresent });
        });
        client.on('message', (topic, payload, packet) => emit('message', {
            topic, payload: payload.toString(), qos: packet.qos, retain: packet.retain }));
        client.on('error', (error) => emit(up ? 'error' : 'failed', why(error)));
        client.on('close', () => emit(up ? 'lost' : 'failed', { why: 'close' }));
    },
    subscribe(command) {
        client.subscribe(command.filter, { qos: 1 }, (error, granted) => {
            if (error) emit('refused', why(error));
            else emit('subscribed', { qos: granted[0].qos });
        });
    },
    publish(command) {
        client.publish(command.topic, command.payload,
                       { qos: command.qos, retain: !!command.retain }, (error) => {
                           if (error) emit('refused', why(error));
                           else emit('published');
                       });
    },
    disconnect() {
        client.end(false, () => emit('disconnected'));
    },
});
