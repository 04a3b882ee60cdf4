// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
// What the puppets in JavaScript share; puppet.py tells the protocol.
'use strict';
const fs = require('fs');
const readline = require('readline');

const config = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));

function emit(event, fields) {
    process.stdout.write(JSON.stringify({ event, ...fields }) + '\n');
}

function why(error) {
    return { why: String((error && (error.message || error.toString())) || error),
             code: error && (error.code || error.error_code) };
}

// actions: {connect, subscribe, publish, disconnect}; each is given the command, may be async.
function run(actions) {
    const lines = readline.createInterface({ input: process.stdin });
    lines.on('line', async (line) => {
        const command = JSON.parse(line);
        try {
            await actions[command.do](command);
        } catch (error) {
            emit(command.do === 'connect' ? 'failed' : 'refused', why(error));
        }
    });
    lines.on('close', () => process.exit(0));
}

module.exports = { config, emit, why, run };
