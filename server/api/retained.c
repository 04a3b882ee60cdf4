// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* GetRetainedMessage and ListRetainedMessages, AWS IoT Data Plane API Reference. */
#include "elo/mqtt/property.h"
#include "server/api/internal.h"

enum { PAGE_MAX = 200, PAGE_DEFAULT = 50 };

/* base64 that lives as long as the call. */
static aws_error encode(struct call *c, elo_span data, elo_span *out)
{
    struct buf text;
    buf_init(&text, LIMIT_HTTP_REPLY_BYTES);
    pki_base64(data, &text);
    uint8_t *room = api__alloc(c, buf_span(&text).len + 1);
    if (room == NULL || buf_err(&text) != ELO_OK) {
        buf_free(&text);
        return api__out_of_memory(c);
    }
    size_t len = buf_span(&text).len;
    if (len > 0) {
        memcpy(room, buf_span(&text).ptr, len);
    }
    *out = elo_span_of(room, len);
    buf_free(&text);
    return AWS_OK;
}

static void write_pairs(elo_span properties, struct elo_json_writer *w)
{
    struct elo_mqtt_property p;
    elo_json_begin_array(w);
    while (elo_mqtt_next_property(&properties, &p)) {
        if (p.id == ELO_MQTT_PROP_USER) {
            elo_json_begin_object(w);
            elo_json_key(w, p.name);
            elo_json_string(w, p.text);
            elo_json_end_object(w);
        }
    }
    elo_json_end_array(w);
}

/* base64 of [{"name":"value"}]; empty: there are none. */
static aws_error user_properties(struct call *c, elo_span properties, elo_span *out)
{
    struct elo_mqtt_property p;
    struct elo_json_writer w;
    size_t len = 0;
    if (!elo_mqtt_find_property(properties, ELO_MQTT_PROP_USER, &p)) {
        return AWS_OK;
    }
    elo_json_writer_init(&w, NULL, 0);
    write_pairs(properties, &w);
    uint8_t *room = elo_json_finish(&w, &len) == ELO_E_NO_SPACE ? api__alloc(c, len) : NULL;
    if (room == NULL) {
        return api__out_of_memory(c);
    }
    elo_json_writer_init(&w, room, len);
    write_pairs(properties, &w);
    return elo_json_finish(&w, &len) == ELO_OK ? encode(c, elo_span_of(room, len), out)
                                               : api__out_of_memory(c);
}

struct retained_reply {
    struct broker_retained message;
    elo_span payload, users; /* base64 */
};

static aws_error write_message(struct call *c, struct elo_json_writer *w, void *ctx)
{
    const struct retained_reply *r = ctx;
    (void)c;
    elo_json_begin_object(w);
    api__put_text(w, "topic", r->message.topic);
    api__put_text(w, "payload", r->payload);
    api__put_int(w, "qos", r->message.qos);
    api__put_int(w, "lastModifiedTime", r->message.modified_ms);
    elo_json_key(w, ELO_SPAN("userProperties"));
    if (r->users.len > 0) {
        elo_json_string(w, r->users);
    } else {
        elo_json_null(w);
    }
    elo_json_end_object(w);
    return AWS_OK;
}

aws_error api__GetRetainedMessage(struct call *c)
{
    struct retained_reply r = {.users = elo_span_of(NULL, 0)};
    elo_span topic = c->vars[0];
    c->topic = topic;
    aws_error error = api__authorize(c, POLICY_GetRetainedMessage, topic);
    if (error != AWS_OK) {
        return error;
    }
    if (!broker_retained(c->api->broker, topic, &r.message)) {
        return aws_fault_set(c->fault, AWS_ResourceNotFoundException,
                             "There is no retained message on %s", text_quote(topic).text);
    }
    error = encode(c, r.message.payload, &r.payload);
    error = error ? error : user_properties(c, r.message.properties, &r.users);
    return error ? error : api__reply(c, write_message, &r);
}

struct retained_list {
    struct paging paging;
    struct broker_retained item[PAGE_MAX + 1];
    size_t count;
};

static aws_error write_list(struct call *c, struct elo_json_writer *w, void *ctx)
{
    struct retained_list *list = ctx;
    size_t max = list->paging.page.max;
    elo_json_begin_object(w);
    elo_json_key(w, ELO_SPAN("retainedTopics"));
    elo_json_begin_array(w);
    for (size_t i = 0; i < list->count && i < max; i++) {
        const struct broker_retained *m = &list->item[i];
        elo_json_begin_object(w);
        api__put_text(w, "topic", m->topic);
        api__put_int(w, "payloadSize", (int64_t)m->payload.len);
        api__put_int(w, "qos", m->qos);
        api__put_int(w, "lastModifiedTime", m->modified_ms);
        elo_json_end_object(w);
    }
    elo_json_end_array(w);
    if (list->count > max) { /* the key of the last that was shown */
        elo_span last = list->item[max - 1].topic;
        size_t len = last.len < REGISTRY_KEY_BYTES ? last.len : REGISTRY_KEY_BYTES;
        memcpy(list->paging.next.key, last.ptr, len);
        list->paging.next.len = len;
    }
    api__page_end(c, &list->paging, w);
    elo_json_end_object(w);
    return AWS_OK;
}

aws_error api__ListRetainedMessages(struct call *c)
{
    struct retained_list *list = api__alloc(c, sizeof *list);
    if (list == NULL) {
        return api__out_of_memory(c);
    }
    aws_error error = api__authorize(c, POLICY_ListRetainedMessages, ELO_SPAN("*"));
    error = error ? error : api__page_token(c, &list->paging);
    if (error == AWS_OK && list->paging.page.max > PAGE_MAX) {
        error = api__invalid(c, "Value at 'maxResults' must be 1 to %d", PAGE_MAX);
    }
    if (error != AWS_OK) {
        return error;
    }
    list->count = broker_list_retained(c->api->broker, list->paging.page.after, list->item,
                                       list->paging.page.max + 1);
    return api__reply(c, write_list, list);
}
