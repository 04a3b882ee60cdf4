// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Elo, the device library, in one include. Each header below is the manual of its part:
 *
 *     client/client.h        the MQTT session: start here
 *     tls/tls.h              the connection under it
 *     tls/credentials.h      who we are and whom we trust
 *     link/link.h            the pump between the two, over a stream of the machine's
 *     time/clock.h           what time it is, and how sure that is
 *     station/station.h      the whole firmware above the machine; with it
 *     station/provision.h    the same with how it is set up, from blank flash on
 *     sensor/...             DHT, DS18B20, BME280 and the analog input
 *     json/read.h, write.h   what is said over it
 *     setup/setup.h          how a person gives a board its Wi-Fi and credentials; with it
 *     setup/portal.h, dns.h  the captive portal, and setup/console.h the serial line
 *     mqtt/...               single packets and topics, for those who need them
 *     base/...               spans, the list of errors, text and bytes
 *
 * What holds for all of them:
 *   - No heap, no I/O, no clock, no globals: memory, bytes, time and random numbers are the
 *     caller's. What is passed by pointer must not be NULL unless it says so.
 *   - Structs are complete so that they can be placed anywhere; fields in `_internal`, or with a
 *     leading underscore, and names with two underscores (elo__) are private and may change.
 *   - Errors are elo_err (base/err.h). A bug in the caller is an ELO_ASSERT (base/assert.h).
 *   - C99, and to be included from C++ as it is.
 */
#ifndef ELO_H
#define ELO_H

#include "elo/base/assert.h"
#include "elo/base/bytes.h"
#include "elo/base/err.h"
#include "elo/base/flash.h"
#include "elo/base/span.h"
#include "elo/base/utf8.h"
#include "elo/base/version.h"

#include "elo/mqtt/decode.h"
#include "elo/mqtt/encode.h"
#include "elo/mqtt/packet.h"
#include "elo/mqtt/property.h"
#include "elo/mqtt/topic.h"

#include "elo/json/read.h"
#include "elo/json/write.h"

#include "elo/store/flash.h"
#include "elo/store/queue.h"
#include "elo/store/slots.h"

#include "elo/client/client.h"
#include "elo/client/mqtt5.h"

#include "elo/setup/bundle_text.h"
#include "elo/setup/code.h"
#include "elo/setup/console.h"
#include "elo/setup/dns.h"
#include "elo/setup/frame.h"
#include "elo/setup/http.h"
#include "elo/setup/portal.h"
#include "elo/setup/settings.h"
#include "elo/setup/setup.h"
#include "elo/setup/text.h"

#include "elo/tls/bearssl.h"
#include "elo/tls/credentials.h"
#include "elo/tls/csr.h"
#include "elo/tls/tls.h"

#include "elo/link/link.h"
#include "elo/link/net.h"
#include "elo/station/board.h"
#include "elo/station/led.h"
#include "elo/station/provision.h"
#include "elo/station/station.h"

#include "elo/time/clock.h"
#include "elo/time/sntp.h"

#include "elo/sensor/analog.h"
#include "elo/sensor/bme280.h"
#include "elo/sensor/dht.h"
#include "elo/sensor/ds18b20.h"
#include "elo/sensor/onewire.h"
#include "elo/sensor/reading.h"

#endif
