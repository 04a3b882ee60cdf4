// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "tests/clients/puppet.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const unsigned char PUPPET_ALPN[16] = "\x0ex-amzn-mqtt-ca";

static void tell(json_t *what)
{
    char *line = json_dumps(what, JSON_COMPACT);
    if (line == NULL) { // a payload that is not UTF-8
        abort();
    }
    flockfile(stdout);
    puts(line);
    fflush(stdout);
    funlockfile(stdout);
    free(line);
    json_decref(what);
}

void puppet_tell(const char *event, int code, const char *why)
{
    tell(json_pack("{ss si ss}", "event", event, "code", code, "why", why == NULL ? "" : why));
}

void puppet_tell_connected(bool session)
{
    tell(json_pack("{ss sb}", "event", "connected", "session", session));
}

void puppet_tell_subscribed(int qos)
{
    tell(json_pack("{ss si}", "event", "subscribed", "qos", qos));
}

void puppet_tell_message(
    const char *topic, size_t topic_len, const void *payload, size_t len, int qos, bool retain)
{
    tell(json_pack("{ss ss% ss% si sb}", "event", "message", "topic", topic, topic_len, "payload",
                   len == 0 ? "" : (const char *)payload, len, "qos", qos, "retain", retain));
}

static const char *text_of(json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static struct puppet_config read_config(json_t *file)
{
    struct puppet_config config = {
        .ca = text_of(file, "ca"),
        .cert = text_of(file, "cert"),
        .key = text_of(file, "key"),
        .alpn = strcmp(text_of(file, "transport"), "alpn") == 0,
        .version = (int)json_integer_value(json_object_get(file, "version")),
    };
    snprintf(config.url, sizeof config.url, "ssl://%s:%d", text_of(file, "host"),
             (int)json_integer_value(json_object_get(file, "port")));
    return config;
}

static void obey(const struct puppet *puppet, const struct puppet_config *config, json_t *line)
{
    json_t *will = json_object_get(line, "will");
    const struct puppet_command command = {
        .id = text_of(line, "id"),
        .filter = text_of(line, "filter"),
        .topic = text_of(line, "topic"),
        .payload = text_of(line, "payload"),
        .will_topic = text_of(will, "topic"),
        .will_payload = text_of(will, "payload"),
        .qos = (int)json_integer_value(json_object_get(line, "qos")),
        .retain = json_is_true(json_object_get(line, "retain")),
        .clean = json_is_true(json_object_get(line, "clean")),
    };
    const char *what = text_of(line, "do");
    if (strcmp(what, "connect") == 0) {
        puppet->connect(config, &command);
    } else if (strcmp(what, "subscribe") == 0) {
        puppet->subscribe(&command);
    } else if (strcmp(what, "publish") == 0) {
        puppet->publish(&command);
    } else {
        puppet->disconnect(&command);
    }
}

int puppet_main(int argc, char **argv, const struct puppet *puppet)
{
    json_error_t error;
    json_t *file = json_load_file(argc > 1 ? argv[1] : "", 0, &error);
    if (file == NULL) {
        fprintf(stderr, "usage: %s CONFIG.json (%s)\n", argv[0], error.text);
        return 2;
    }
    const struct puppet_config config = read_config(file);
    char *text = NULL;
    size_t capacity = 0;
    while (getline(&text, &capacity, stdin) > 0) {
        json_t *line = json_loads(text, 0, &error);
        if (line == NULL) {
            fprintf(stderr, "not JSON: %s: %s\n", error.text, text);
            break;
        }
        obey(puppet, &config, line);
        json_decref(line);
    }
    free(text);
    puppet->end();
    json_decref(file);
    return 0;
}
