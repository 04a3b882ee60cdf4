// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
// MQTT.js
'use strict';
const fs = require('fs');
const mqtt = require('mqtt');
const { config, emit, why, run } = require('./puppet');

let client;

run({
    connect(command) {
        const five = config.version === 5;
        client = mqtt.connect({
            protocol: 'mqtts', host: config.host, port: config.port, protocolVersion: config.version,
            ca: fs.readFileSync(config.ca), cert: fs.readFileSync(config.cert),
            key: fs.readFileSync(config.key), reconnectPeriod: 0, clientId: command.id,
            clean: command.clean, rejectUnauthorized: true,
            ...(config.transport === 'alpn' ? { ALPNProtocols: ['x-amzn-mqtt-ca'] } : {}),
            ...(five && !command.clean ? { properties: { sessionExpiryInterval: 600 } } : {}),
            ...(command.will ? { will: { ...command.will, payload: Buffer.from(command.will.payload),
                                         qos: 1, retain: false } } : {}),
        });
        let up = false;
        client.on('connect', (connack) => {
            up = true;
            emit('connected', { session: connack.sessionPresent });
        });
        client.on('message', (topic, payload, packet) => emit('message', {
            topic, payload: payload.toString(), qos: packet.qos, retain: packet.retain }));
        client.on('error', (error) => { if (!up) emit('failed', why(error)); up = up || 'failed'; });
        client.on('close', () => emit(up === true ? 'lost' : 'failed', { why: 'close' }));
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
        client.removeAllListeners('close');
        client.end(false, {}, () => emit('disconnected'));
    },
});
