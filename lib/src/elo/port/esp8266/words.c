// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Written by tools/device-words from errors/errors.def: change that.
 */
#include "elo/port/esp8266/words.h"

#include "elo/base/flash.h"

struct words {
    int32_t code;
    const char *cause;
    const char *cure;
};

static const char MALFORMED[] ELO_FLASH = "E-MALFORMED: The bytes do not follow the format.";
static const char MALFORMED_CURE[] ELO_FLASH = "Check what produced them; a client library that "
                                               "does not speak MQTT 3.1.1 or 5, or broken JSON.";
static const char PROTOCOL[] ELO_FLASH = "E-PROTOCOL: The message is not allowed at this point.";
static const char PROTOCOL_CURE[] ELO_FLASH =
    "Connect first, send one CONNECT only, and nothing before its CONNACK.";
static const char TOO_LARGE[] ELO_FLASH = "E-QUOTA-SIZE: The item is larger than a limit.";
static const char TOO_LARGE_CURE[] ELO_FLASH =
    "AWS IoT takes 128 KB of payload and 256 bytes of topic; a device takes what its buffer holds. "
    "Send less, or give the device a larger buffer.";
static const char UTF8[] ELO_FLASH = "E-UTF8: A text is not UTF-8, or has a NUL character in it.";
static const char UTF8_CURE[] ELO_FLASH = "Encode client ids, topics and JSON as UTF-8.";
static const char TOPIC[] ELO_FLASH = "E-TOPIC: The topic or topic filter is not valid.";
static const char TOPIC_CURE[] ELO_FLASH =
    "No `+` or `#` in a topic to publish to; in a filter, `+` and `#` stand alone in their level "
    "and `#` comes last; at most 7 slashes.";
static const char DEPTH[] ELO_FLASH = "E-JSON-DEPTH: The JSON is nested too deeply.";
static const char DEPTH_CURE[] ELO_FLASH = "Flatten the document.";
static const char NO_SPACE[] ELO_FLASH = "E-BUFFER: The buffer given is too small for this.";
static const char NO_SPACE_CURE[] ELO_FLASH =
    "Give the device larger buffers, or send smaller messages.";
static const char DUPLICATE[] ELO_FLASH = "E-EXISTS: There is one already.";
static const char DUPLICATE_CURE[] ELO_FLASH = "Choose another name, or delete the first.";
static const char NOT_FOUND[] ELO_FLASH = "E-NOT-FOUND: There is no such thing.";
static const char NOT_FOUND_CURE[] ELO_FLASH = "Check the spelling and the region.";
static const char UNSUPPORTED[] ELO_FLASH =
    "E-UNSUPPORTED: AWS IoT Core does not do this, and so Elo does not.";
static const char UNSUPPORTED_CURE[] ELO_FLASH =
    "Use QoS 0 or 1, MQTT 3.1.1 or 5, and of these what AWS documents.";
static const char DNS[] ELO_FLASH = "E-DNS: The endpoint's name has no address.";
static const char DNS_CURE[] ELO_FLASH =
    "Check the spelling of the endpoint and that the network has a DNS server.";
static const char TCP_REFUSED[] ELO_FLASH =
    "E-PORT-REFUSED: Nobody listens on that address and port.";
static const char TCP_REFUSED_CURE[] ELO_FLASH =
    "Start the server (`elo up`), and check host and port in the bundle's config.json.";
static const char TCP_TIMEOUT[] ELO_FLASH =
    "E-PORT-BLOCKED: No answer came from that address and port.";
static const char TCP_TIMEOUT_CURE[] ELO_FLASH =
    "A firewall may block port 8883; check the address, or use port 443 with ALPN.";
static const char TCP_CLOSED[] ELO_FLASH = "E-CLOSED: The other side closed the connection.";
static const char TCP_CLOSED_CURE[] ELO_FLASH =
    "It will be tried again; if it repeats, the server's log says why.";
static const char NETWORK[] ELO_FLASH =
    "E-NETWORK: There is no network, or no route to the endpoint.";
static const char NETWORK_CURE[] ELO_FLASH = "Check the Wi-Fi or the cable.";
static const char CLOCK[] ELO_FLASH =
    "E-CLOCK: This device's clock is before the certificate's time.";
static const char CLOCK_CURE[] ELO_FLASH =
    "Set the clock (SNTP) before connecting: TLS cannot be trusted without the time.";
static const char SERVER_EXPIRED[] ELO_FLASH =
    "E-SERVER-EXPIRED: The server's certificate has expired.";
static const char SERVER_EXPIRED_CURE[] ELO_FLASH =
    "Check this machine's clock; if it is right, the server needs a new certificate.";
static const char ROOT[] ELO_FLASH =
    "E-ROOT: The server's certificate chain ends at no root that is trusted here.";
static const char ROOT_CURE[] ELO_FLASH =
    "Use Amazon Root CA 1 (and 3) for AWS, or the desk's own ca.pem for the desk.";
static const char SERVER_NAME[] ELO_FLASH =
    "E-SERVER-NAME: The server's certificate is for another name.";
static const char SERVER_NAME_CURE[] ELO_FLASH =
    "Connect by the name in the certificate: the full endpoint on AWS; on the desk start with "
    "--listen so that the certificate carries this machine's names.";
static const char KEYPAIR[] ELO_FLASH =
    "E-KEYPAIR: The private key and the certificate do not belong together.";
static const char KEYPAIR_CURE[] ELO_FLASH =
    "Take both from the same bundle, or make a new one with `elo add`.";
static const char TLS_ALERT[] ELO_FLASH =
    "E-TLS-ALERT: The server ended the TLS handshake with an alert.";
static const char TLS_ALERT_CURE[] ELO_FLASH = "See the alert's number and the server's log.";
static const char TLS_HANDSHAKE[] ELO_FLASH = "E-TLS: The TLS handshake failed.";
static const char TLS_HANDSHAKE_CURE[] ELO_FLASH =
    "Check host and port, and that both sides speak TLS there, 1.2 or newer with ECDHE and "
    "AES-GCM.";
static const char TLS_RECORD[] ELO_FLASH =
    "E-TLS-RECORD: The server sent a TLS record larger than the buffer.";
static const char TLS_RECORD_CURE[] ELO_FLASH =
    "Give a larger TLS buffer: this server does not honour the fragment length asked for.";
static const char TLS_CERT_REFUSED[] ELO_FLASH =
    "E-CERT-REFUSED: The server does not accept this device's certificate.";
static const char TLS_CERT_REFUSED_CURE[] ELO_FLASH =
    "Register it and make it ACTIVE: `aws iot describe-certificate`.";
static const char ALPN[] ELO_FLASH =
    "E-ALPN: The server chose none of the offered application protocols.";
static const char ALPN_CURE[] ELO_FLASH =
    "MQTT on port 443 needs ALPN x-amzn-mqtt-ca; port 8883 needs none.";
static const char BAD_PEM[] ELO_FLASH = "E-PEM: The certificate or key cannot be read.";
static const char BAD_PEM_CURE[] ELO_FLASH =
    "It must be PEM text with BEGIN and END lines; do not swap key and certificate.";
static const char ENTROPY[] ELO_FLASH = "E-ENTROPY: There are no random bytes.";
static const char ENTROPY_CURE[] ELO_FLASH = "The port must provide 32 bytes of true randomness.";
static const char CONNACK_VERSION[] ELO_FLASH =
    "E-VERSION: The server refused the protocol version.";
static const char CONNACK_VERSION_CURE[] ELO_FLASH = "Use MQTT 3.1.1 (protocol level 4) or 5.";
static const char CONNACK_CLIENTID[] ELO_FLASH = "E-CLIENTID: The server refused the client id.";
static const char CONNACK_CLIENTID_CURE[] ELO_FLASH =
    "Use 1 to 128 bytes that do not start with `$`, best the thing's name.";
static const char CONNACK_SERVER[] ELO_FLASH = "E-SERVER: The server is not available now.";
static const char CONNACK_SERVER_CURE[] ELO_FLASH = "It will be tried again.";
static const char CONNACK_PASSWORD[] ELO_FLASH =
    "E-PASSWORD: The server refused user name or password.";
static const char CONNACK_PASSWORD_CURE[] ELO_FLASH =
    "AWS IoT with certificates needs none: leave them out.";
static const char CONNACK_AUTH[] ELO_FLASH = "E-NOT-AUTHORIZED: The server says: not authorized.";
static const char CONNACK_AUTH_CURE[] ELO_FLASH = "Check the policy attached to the certificate.";
static const char CONNACK_TIMEOUT[] ELO_FLASH =
    "E-CONNACK-TIMEOUT: The server did not answer CONNECT in time.";
static const char CONNACK_TIMEOUT_CURE[] ELO_FLASH =
    "It will be tried again; if it repeats, the endpoint may be no MQTT server.";
static const char CLOSED_AFTER_CONNECT[] ELO_FLASH =
    "E-REFUSED: The server closed the connection instead of accepting it.";
static const char CLOSED_AFTER_CONNECT_CURE[] ELO_FLASH =
    "AWS does this when the policy does not allow iot:Connect for this client id, or the "
    "certificate is not ACTIVE or has no policy. On the desk `elo up` says which.";
static const char CLOSED_AFTER_PUBLISH[] ELO_FLASH =
    "E-POLICY-TOPIC: The server closed the connection right after a publish.";
static const char CLOSED_AFTER_PUBLISH_CURE[] ELO_FLASH =
    "AWS does this when the policy does not allow iot:Publish on the topic.";
static const char CLOSED_AFTER_SUBSCRIBE[] ELO_FLASH =
    "E-POLICY-FILTER: The server closed the connection right after a subscribe.";
static const char CLOSED_AFTER_SUBSCRIBE_CURE[] ELO_FLASH =
    "AWS does this when the policy does not allow iot:Subscribe on topicfilter/<filter>.";
static const char PING_TIMEOUT[] ELO_FLASH = "E-PING: The server did not answer a ping.";
static const char PING_TIMEOUT_CURE[] ELO_FLASH =
    "The network dropped silently; it will be tried again.";
static const char SUBACK_REFUSED[] ELO_FLASH = "E-SUBACK: The server refused a subscription.";
static const char SUBACK_REFUSED_CURE[] ELO_FLASH =
    "Check iot:Subscribe in the policy; AWS allows 50 subscriptions a connection.";
static const char CLIENTID_TAKEN[] ELO_FLASH =
    "E-CLIENTID-TAKEN: The connection is lost soon after each success: another device uses the "
    "same client id.";
static const char CLIENTID_TAKEN_CURE[] ELO_FLASH =
    "Give every device its own client id (its thing name) and its own certificate.";
static const char ACK_TIMEOUT[] ELO_FLASH = "E-ACK: The server did not acknowledge in time.";
static const char ACK_TIMEOUT_CURE[] ELO_FLASH =
    "A device sends it again by itself; if it repeats, the server's log says why.";
static const char PUBACK_REFUSED[] ELO_FLASH =
    "E-PUBACK: The server refused a message; it is not sent again.";
static const char PUBACK_REFUSED_CURE[] ELO_FLASH =
    "Its reason code says why; 0x87 is the policy: check iot:Publish on the topic.";
static const char SERVER_GONE[] ELO_FLASH =
    "E-SERVER-GONE: The server says goodbye: it shuts down, is busy or has moved.";
static const char SERVER_GONE_CURE[] ELO_FLASH = "It will be tried again.";
static const char SERVER_REFUSED[] ELO_FLASH =
    "E-SERVER-REASON: The server ended the connection with an MQTT 5 reason code.";
static const char SERVER_REFUSED_CURE[] ELO_FLASH =
    "Look the code up in MQTT 5, section 2.4; the server's log may say more.";
static const char OUTBOX_FULL[] ELO_FLASH =
    "E-OUTBOX-FULL: The outbox is full: this message was not taken.";
static const char OUTBOX_FULL_CURE[] ELO_FLASH =
    "Publish less often while offline, or give a larger outbox.";
static const char OUTBOX_OLD[] ELO_FLASH =
    "E-OUTBOX-OLD: The outbox was full: an older message made room.";
static const char OUTBOX_OLD_CURE[] ELO_FLASH =
    "Publish less often while offline, or give a larger outbox.";
static const char NOT_CONNECTED[] ELO_FLASH = "E-OFFLINE: There is no connection now.";
static const char NOT_CONNECTED_CURE[] ELO_FLASH =
    "Use QoS 1, which waits in the outbox, or publish again when connected.";
static const char IO[] ELO_FLASH = "E-IO: A file or socket call failed.";
static const char IO_CURE[] ELO_FLASH = "See the system's message beside this one.";
static const char NO_MEMORY[] ELO_FLASH = "E-HEAP: There is not enough memory.";
static const char NO_MEMORY_CURE[] ELO_FLASH =
    "On a device give smaller TLS buffers; on a machine free some memory.";
static const char CORRUPT[] ELO_FLASH = "E-CORRUPT: A file of the data folder is damaged.";
static const char CORRUPT_CURE[] ELO_FLASH =
    "Restore it from a backup, or move it away to start afresh.";
static const char USAGE[] ELO_FLASH = "E-USAGE: The command line cannot be understood.";
static const char USAGE_CURE[] ELO_FLASH = "See --help.";
static const char SENSOR_MISSING[] ELO_FLASH = "E-SENSOR-MISSING: The sensor does not answer.";
static const char SENSOR_MISSING_CURE[] ELO_FLASH =
    "Check its wires (power, ground, data), the pin in the set-up, and the pull-up resistor: 4.7 "
    "to 10 kOhm from data to 3.3 V.";
static const char SENSOR_FRAME[] ELO_FLASH =
    "E-SENSOR-FRAME: The sensor's answer was cut short or disturbed.";
static const char SENSOR_FRAME_CURE[] ELO_FLASH =
    "Once in a while is normal beside Wi-Fi and it is read again; if it repeats, shorten the cable "
    "or use a stronger pull-up (4.7 kOhm).";
static const char SENSOR_CHECKSUM[] ELO_FLASH =
    "E-SENSOR-CHECKSUM: The checksum of the sensor's answer is wrong.";
static const char SENSOR_CHECKSUM_CURE[] ELO_FLASH =
    "It is read again; if it repeats, shorten the cable, use a stronger pull-up (4.7 kOhm) and put "
    "100 nF across the sensor's power.";
static const char SENSOR_RANGE[] ELO_FLASH =
    "E-SENSOR-RANGE: The sensor reports a value that it cannot measure.";
static const char SENSOR_RANGE_CURE[] ELO_FLASH =
    "Check the kind of sensor in the set-up (a DHT11 read as a DHT22, for one) and its power.";
static const char SENSOR_KIND[] ELO_FLASH =
    "E-SENSOR-KIND: Another chip answers than the one that is set up.";
static const char SENSOR_KIND_CURE[] ELO_FLASH =
    "Choose the chip that is there: a BMP280 is often sold as a BME280, a DS18S20 is no DS18B20.";
static const char SENSOR_POWER[] ELO_FLASH =
    "E-SENSOR-POWER: The sensor lost its power while it measured.";
static const char SENSOR_POWER_CURE[] ELO_FLASH =
    "Connect its power pin to 3.3 V (no parasite power), and check the wire for a loose contact.";
static const char SENSOR_BUS[] ELO_FLASH =
    "E-SENSOR-BUS: The sensor's line stays low, or its bus is blocked.";
static const char SENSOR_BUS_CURE[] ELO_FLASH =
    "Look for a short circuit, a missing pull-up resistor or swapped wires; then cut the sensor's "
    "power for a moment.";
static const char TIME_KISS[] ELO_FLASH =
    "E-TIME-KISS: The time server asks us to stop, or to ask less often.";
static const char TIME_KISS_CURE[] ELO_FLASH =
    "Name other time servers, or one of your own network; many devices behind one address look "
    "like one that asks too often.";
static const char TIME_UNSYNCED[] ELO_FLASH =
    "E-TIME-UNSYNCED: The time server does not know the time itself.";
static const char TIME_UNSYNCED_CURE[] ELO_FLASH =
    "The next server is asked; if it is your own, give it a minute after its start.";
static const char TIME_NOT_OURS[] ELO_FLASH =
    "E-TIME-NOT-OURS: A time message that answers no question of ours.";
static const char TIME_NOT_OURS_CURE[] ELO_FLASH =
    "It is ignored: it came late, or somebody forges answers. If it repeats, look at the network.";
static const char TIME_IMPLAUSIBLE[] ELO_FLASH =
    "E-TIME-IMPLAUSIBLE: The time server's time cannot be.";
static const char TIME_IMPLAUSIBLE_CURE[] ELO_FLASH =
    "It is far from all that this device knows, and no second server agrees with it. Name two "
    "servers or more; if the device's own clock is wrong, set it.";
static const char TIME_TIMEOUT[] ELO_FLASH = "E-TIME-TIMEOUT: No time server answers.";
static const char TIME_TIMEOUT_CURE[] ELO_FLASH =
    "It is tried again by itself. A firewall may block UDP port 123: name a time server inside "
    "your network, most routers are one.";
static const char WIFI_PASSPHRASE[] ELO_FLASH =
    "E-WIFI-PASSPHRASE: The Wi-Fi does not accept the passphrase.";
static const char WIFI_PASSPHRASE_CURE[] ELO_FLASH =
    "Type it again, with its capitals; it is the one on the router's label unless it was changed.";
static const char WIFI_NOT_FOUND[] ELO_FLASH =
    "E-WIFI-NOT-FOUND: No Wi-Fi of that name is in reach.";
static const char WIFI_NOT_FOUND_CURE[] ELO_FLASH =
    "Check the name, and that the network is of 2.4 GHz: the ESP8266 does not hear 5 GHz.";
static const char WIFI_DHCP[] ELO_FLASH = "E-WIFI-DHCP: The Wi-Fi gave the board no address.";
static const char WIFI_DHCP_CURE[] ELO_FLASH =
    "See that DHCP is on in the router and has addresses left; switch the router off and on.";
static const char WIFI_LOST[] ELO_FLASH = "E-WIFI-LOST: The Wi-Fi refused the board or dropped it.";
static const char WIFI_LOST_CURE[] ELO_FLASH =
    "Move it nearer; see that the router takes WPA2 and has no list of allowed devices.";
static const char SERIAL[] ELO_FLASH = "E-SERIAL: No board answers on the serial line.";
static const char SERIAL_CURE[] ELO_FLASH =
    "Check cable and port, close other programs that use it, and press the board's reset.";
static const char SETTING[] ELO_FLASH = "E-SETTING: A setting is not valid.";
static const char SETTING_CURE[] ELO_FLASH =
    "The message names the setting and says what it may be.";
static const char BUNDLE[] ELO_FLASH =
    "E-BUNDLE: The bundle lacks a part, or has one that does not belong.";
static const char BUNDLE_CURE[] ELO_FLASH =
    "Take config.json, ca.pem and cert.pem as `elo add` wrote them, all three.";
static const char NOTHING[] ELO_FLASH = "Nothing has failed.";
static const char OTHER[] ELO_FLASH = "E-OTHER: A reason without words.";
static const char EMPTY[] ELO_FLASH = "";

static const struct words TABLE[] ELO_FLASH = {
    {ELO_E_MALFORMED, MALFORMED, MALFORMED_CURE},
    {ELO_E_PROTOCOL, PROTOCOL, PROTOCOL_CURE},
    {ELO_E_TOO_LARGE, TOO_LARGE, TOO_LARGE_CURE},
    {ELO_E_UTF8, UTF8, UTF8_CURE},
    {ELO_E_TOPIC, TOPIC, TOPIC_CURE},
    {ELO_E_DEPTH, DEPTH, DEPTH_CURE},
    {ELO_E_NO_SPACE, NO_SPACE, NO_SPACE_CURE},
    {ELO_E_DUPLICATE, DUPLICATE, DUPLICATE_CURE},
    {ELO_E_NOT_FOUND, NOT_FOUND, NOT_FOUND_CURE},
    {ELO_E_UNSUPPORTED, UNSUPPORTED, UNSUPPORTED_CURE},
    {ELO_E_DNS, DNS, DNS_CURE},
    {ELO_E_TCP_REFUSED, TCP_REFUSED, TCP_REFUSED_CURE},
    {ELO_E_TCP_TIMEOUT, TCP_TIMEOUT, TCP_TIMEOUT_CURE},
    {ELO_E_TCP_CLOSED, TCP_CLOSED, TCP_CLOSED_CURE},
    {ELO_E_NETWORK, NETWORK, NETWORK_CURE},
    {ELO_E_CLOCK, CLOCK, CLOCK_CURE},
    {ELO_E_SERVER_EXPIRED, SERVER_EXPIRED, SERVER_EXPIRED_CURE},
    {ELO_E_ROOT, ROOT, ROOT_CURE},
    {ELO_E_SERVER_NAME, SERVER_NAME, SERVER_NAME_CURE},
    {ELO_E_KEYPAIR, KEYPAIR, KEYPAIR_CURE},
    {ELO_E_TLS_ALERT, TLS_ALERT, TLS_ALERT_CURE},
    {ELO_E_TLS_HANDSHAKE, TLS_HANDSHAKE, TLS_HANDSHAKE_CURE},
    {ELO_E_TLS_RECORD, TLS_RECORD, TLS_RECORD_CURE},
    {ELO_E_TLS_CERT_REFUSED, TLS_CERT_REFUSED, TLS_CERT_REFUSED_CURE},
    {ELO_E_ALPN, ALPN, ALPN_CURE},
    {ELO_E_BAD_PEM, BAD_PEM, BAD_PEM_CURE},
    {ELO_E_ENTROPY, ENTROPY, ENTROPY_CURE},
    {ELO_E_CONNACK_VERSION, CONNACK_VERSION, CONNACK_VERSION_CURE},
    {ELO_E_CONNACK_CLIENTID, CONNACK_CLIENTID, CONNACK_CLIENTID_CURE},
    {ELO_E_CONNACK_SERVER, CONNACK_SERVER, CONNACK_SERVER_CURE},
    {ELO_E_CONNACK_PASSWORD, CONNACK_PASSWORD, CONNACK_PASSWORD_CURE},
    {ELO_E_CONNACK_AUTH, CONNACK_AUTH, CONNACK_AUTH_CURE},
    {ELO_E_CONNACK_TIMEOUT, CONNACK_TIMEOUT, CONNACK_TIMEOUT_CURE},
    {ELO_E_CLOSED_AFTER_CONNECT, CLOSED_AFTER_CONNECT, CLOSED_AFTER_CONNECT_CURE},
    {ELO_E_CLOSED_AFTER_PUBLISH, CLOSED_AFTER_PUBLISH, CLOSED_AFTER_PUBLISH_CURE},
    {ELO_E_CLOSED_AFTER_SUBSCRIBE, CLOSED_AFTER_SUBSCRIBE, CLOSED_AFTER_SUBSCRIBE_CURE},
    {ELO_E_PING_TIMEOUT, PING_TIMEOUT, PING_TIMEOUT_CURE},
    {ELO_E_SUBACK_REFUSED, SUBACK_REFUSED, SUBACK_REFUSED_CURE},
    {ELO_E_CLIENTID_TAKEN, CLIENTID_TAKEN, CLIENTID_TAKEN_CURE},
    {ELO_E_ACK_TIMEOUT, ACK_TIMEOUT, ACK_TIMEOUT_CURE},
    {ELO_E_PUBACK_REFUSED, PUBACK_REFUSED, PUBACK_REFUSED_CURE},
    {ELO_E_SERVER_GONE, SERVER_GONE, SERVER_GONE_CURE},
    {ELO_E_SERVER_REFUSED, SERVER_REFUSED, SERVER_REFUSED_CURE},
    {ELO_E_OUTBOX_FULL, OUTBOX_FULL, OUTBOX_FULL_CURE},
    {ELO_E_OUTBOX_OLD, OUTBOX_OLD, OUTBOX_OLD_CURE},
    {ELO_E_NOT_CONNECTED, NOT_CONNECTED, NOT_CONNECTED_CURE},
    {ELO_E_IO, IO, IO_CURE},
    {ELO_E_NO_MEMORY, NO_MEMORY, NO_MEMORY_CURE},
    {ELO_E_CORRUPT, CORRUPT, CORRUPT_CURE},
    {ELO_E_USAGE, USAGE, USAGE_CURE},
    {ELO_E_SENSOR_MISSING, SENSOR_MISSING, SENSOR_MISSING_CURE},
    {ELO_E_SENSOR_FRAME, SENSOR_FRAME, SENSOR_FRAME_CURE},
    {ELO_E_SENSOR_CHECKSUM, SENSOR_CHECKSUM, SENSOR_CHECKSUM_CURE},
    {ELO_E_SENSOR_RANGE, SENSOR_RANGE, SENSOR_RANGE_CURE},
    {ELO_E_SENSOR_KIND, SENSOR_KIND, SENSOR_KIND_CURE},
    {ELO_E_SENSOR_POWER, SENSOR_POWER, SENSOR_POWER_CURE},
    {ELO_E_SENSOR_BUS, SENSOR_BUS, SENSOR_BUS_CURE},
    {ELO_E_TIME_KISS, TIME_KISS, TIME_KISS_CURE},
    {ELO_E_TIME_UNSYNCED, TIME_UNSYNCED, TIME_UNSYNCED_CURE},
    {ELO_E_TIME_NOT_OURS, TIME_NOT_OURS, TIME_NOT_OURS_CURE},
    {ELO_E_TIME_IMPLAUSIBLE, TIME_IMPLAUSIBLE, TIME_IMPLAUSIBLE_CURE},
    {ELO_E_TIME_TIMEOUT, TIME_TIMEOUT, TIME_TIMEOUT_CURE},
    {ELO_E_WIFI_PASSPHRASE, WIFI_PASSPHRASE, WIFI_PASSPHRASE_CURE},
    {ELO_E_WIFI_NOT_FOUND, WIFI_NOT_FOUND, WIFI_NOT_FOUND_CURE},
    {ELO_E_WIFI_DHCP, WIFI_DHCP, WIFI_DHCP_CURE},
    {ELO_E_WIFI_LOST, WIFI_LOST, WIFI_LOST_CURE},
    {ELO_E_SERIAL, SERIAL, SERIAL_CURE},
    {ELO_E_SETTING, SETTING, SETTING_CURE},
    {ELO_E_BUNDLE, BUNDLE, BUNDLE_CURE}};

static const struct words *find(elo_err err)
{
    for (size_t i = 0; i < sizeof TABLE / sizeof TABLE[0]; i++) {
        if (TABLE[i].code == (int32_t)err) {
            return &TABLE[i];
        }
    }
    return NULL;
}

const char *elo_words(elo_err err)
{
    const struct words *w = find(err);
    return w != NULL ? w->cause : err == ELO_OK ? NOTHING : OTHER;
}

const char *elo_cure(elo_err err)
{
    const struct words *w = find(err);
    return w != NULL ? w->cure : EMPTY;
}
