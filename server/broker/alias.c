// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a client of MQTT 5 may give up to 8 topics a number and then send the number
 * alone ("MQTT", Topic aliases). They belong to the connection [MQTT5-3.3.2-7]; the topic's hash is
 * kept with it, so that it costs no more than a topic in full.
 */
#include "server/base/mem.h"
#include "server/broker/internal.h"

static bool refuse(struct broker_conn *c, uint8_t code, const char *details)
{
    const struct report r = {.event = "Publish-In",
                             .err = ELO_E_PROTOCOL,
                             .reason = "CLIENT_ERROR",
                             .details = details,
                             .code5 = code};
    broker__fail(c, &r);
    return false;
}

bool broker__alias_resolve(struct broker_conn *c, struct elo_mqtt_publish *in, uint32_t *hash)
{
    if (in->alias == 0 || in->alias > LIMIT_TOPIC_ALIASES) { /* [MQTT5-3.3.2-9] */
        return refuse(c, ELO_MQTT_RC_ALIAS_INVALID, "a topic alias is 1 to 8");
    }
    if (in->topic.len > 0) {
        *hash = map_hash(in->topic);
        return true;
    }
    const struct alias *alias = c->aliases == NULL ? NULL : &c->aliases[in->alias - 1];
    if (alias == NULL || alias->text == NULL) {
        return refuse(c, ELO_MQTT_RC_PROTOCOL_ERROR, "a topic alias that stands for no topic");
    }
    in->topic = elo_span_of(alias->text, alias->len);
    *hash = alias->hash;
    return true;
}

bool broker__alias_set(struct broker_conn *c, const struct elo_mqtt_publish *in, uint32_t hash)
{
    if (c->aliases == NULL) {
        c->aliases = mem_zero(LIMIT_TOPIC_ALIASES * sizeof *c->aliases);
    }
    struct alias *alias = c->aliases == NULL ? NULL : &c->aliases[in->alias - 1];
    if (alias != NULL && elo_span_eq(elo_span_of(alias->text, alias->len), in->topic)) {
        return true; /* also when it is what resolve() has found here */
    }
    uint8_t *text = alias == NULL ? NULL : mem_alloc(in->topic.len);
    if (text == NULL) {
        broker__end(c, ELO_E_NO_MEMORY, NULL);
        return false;
    }
    memcpy(text, in->topic.ptr, in->topic.len);
    mem_free(alias->text);
    *alias = (struct alias){.text = text, .hash = hash, .len = (uint16_t)in->topic.len};
    return true;
}

void broker__aliases_free(struct broker_conn *c)
{
    for (unsigned i = 0; c->aliases != NULL && i < LIMIT_TOPIC_ALIASES; i++) {
        mem_free(c->aliases[i].text);
    }
    mem_free(c->aliases);
    c->aliases = NULL;
}
