#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""Paho for Python (python3-paho-mqtt; 1.6 in Debian 12, 2.1 in Debian 13)."""
import datetime
import hashlib
import hmac
import json
import ssl
import sys
import threading
import urllib.parse

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

with open(sys.argv[1], encoding="utf-8") as file:
    config = json.load(file)
FIVE = config["version"] == 5
lock = threading.Lock()
client, leaving, up = None, False, False


def emit(event, **fields):
    with lock:
        print(json.dumps({"event": event, **fields}), flush=True)


def number(code):
    """A reason code: a number in 3.1.1 of version 1, an object else."""
    return code if isinstance(code, int) else code.value


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signed_path():
    """/mqtt with AWS's signature in the query: what users of Paho put together themselves."""
    stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{config['region']}/iotdevicegateway/aws4_request"
    query = urllib.parse.urlencode([
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", f"{config['keyId']}/{scope}"), ("X-Amz-Date", stamp),
        ("X-Amz-SignedHeaders", "host")])
    request = (f"GET\n/mqtt\n{query}\nhost:{config['host']}:{config['port']}\n\nhost\n" +
               hashlib.sha256(b"").hexdigest())
    key = ("AWS4" + config["secret"]).encode()
    for part in scope.split("/"):
        key = mac(key, part)
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    return f"/mqtt?{query}&X-Amz-Signature={mac(key, text).hex()}"


def on_connect(_, __, flags, code, *___):
    global up
    session = flags["session present"] if isinstance(flags, dict) else flags.session_present
    if number(code):
        emit("failed", code=number(code), why=paho.connack_string(code) if not FIVE else str(code))
    else:
        up = True
        emit("connected", session=bool(session))


def on_disconnect(_, __, *codes):
    """(code) of Paho 1, with 3.1.1; (code, properties) with 5."""
    if leaving:
        emit("disconnected")
    else:
        emit("lost" if up else "failed", why=f"rc={codes[0]}", code=number(codes[0]))


def on_message(_, __, message):
    emit("message", topic=message.topic, payload=message.payload.decode(), qos=message.qos,
         retain=message.retain)


def on_subscribe(_, __, ___, codes, *____):
    code = number(codes[0])
    emit("subscribed" if code < 0x80 else "refused", qos=code, code=code)


def make(client_id, clean):
    version = paho.MQTTv5 if FIVE else paho.MQTTv311
    options = {"client_id": client_id, "protocol": version, "reconnect_on_failure": False,
               "transport": "websockets" if config["transport"] == "wss" else "tcp"}
    if not FIVE:
        options["clean_session"] = clean
    if hasattr(paho, "CallbackAPIVersion"):
        options["callback_api_version"] = paho.CallbackAPIVersion.VERSION1
    made = paho.Client(**options)
    context = ssl.create_default_context(cafile=config["ca"])
    if config["transport"] == "wss":
        made.ws_set_options(path=signed_path())
    else:
        context.load_cert_chain(config["cert"], config["key"])
    if config["transport"] == "alpn":
        context.set_alpn_protocols(["x-amzn-mqtt-ca"])
    made.tls_set_context(context)
    made.on_connect, made.on_disconnect = on_connect, on_disconnect
    made.on_message, made.on_subscribe = on_message, on_subscribe
    return made


def connect(command):
    global client
    client = make(command["id"], command["clean"])
    if will := command.get("will"):
        client.will_set(will["topic"], will["payload"], qos=1)
    options = {}
    if FIVE:
        options["clean_start"] = command["clean"]
        if not command["clean"]:
            options["properties"] = Properties(PacketTypes.CONNECT)
            options["properties"].SessionExpiryInterval = 600
    client.connect(config["host"], config["port"], **options)
    client.loop_start()


def subscribe(command):
    client.subscribe(command["filter"], qos=1)


def publish(command):
    told = client.publish(command["topic"], command["payload"], qos=command["qos"],
                          retain=command.get("retain", False))
    told.wait_for_publish(timeout=30)
    if told.is_published():
        emit("published")


def disconnect(_):
    global leaving
    leaving = True
    client.disconnect()


DO = {"connect": connect, "subscribe": subscribe, "publish": publish, "disconnect": disconnect}
for line in sys.stdin:
    told = json.loads(line)
    try:
        DO[told["do"]](told)
    except Exception as error:
        emit("failed" if told["do"] == "connect" else "refused", why=repr(error))
