// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "server/broker/known.h"

#include "server/base/mem.h"

void broker__known_init(struct known_clients *k)
{
    map_init(&k->by_id);
    TAILQ_INIT(&k->gone);
}

static elo_span id_of(const struct known *client)
{
    return elo_span_of(client->client_id, client->client_id_len);
}

static void forget(struct known_clients *k, struct known *client)
{
    TAILQ_REMOVE(&k->gone, client, gone);
    k->gone_count--;
    (void)map_remove(&k->by_id, id_of(client));
    mem_free(client);
}

void broker__known_free(struct known_clients *k)
{
    struct known *client;
    for (size_t i = 0; (client = map_next(&k->by_id, &i)) != NULL;) {
        mem_free(client);
    }
    map_free(&k->by_id);
}

struct known *broker__known_get(const struct known_clients *k, elo_span client_id)
{
    return map_get(&k->by_id, client_id);
}

/* If it came again, its CONNACK would have to wait for the disk: that must not be forgotten. */
static void put_off(struct known_clients *k, struct known *client, int64_t mono_ms)
{
    client->ended_mono_ms = mono_ms;
    TAILQ_REMOVE(&k->gone, client, gone);
    TAILQ_INSERT_TAIL(&k->gone, client, gone);
}

static void expire(struct known_clients *k, int64_t mono_ms)
{
    struct known *oldest;
    for (size_t looks = k->gone_count;
         looks > 0 && (oldest = TAILQ_FIRST(&k->gone)) != NULL &&
         (k->gone_count > KNOWN_MAX || mono_ms - oldest->ended_mono_ms >= KNOWN_MS);
         looks--) {
        if (oldest->session_ended > k->durable) {
            put_off(k, oldest, mono_ms);
        } else {
            forget(k, oldest);
        }
    }
}

struct known *broker__known_add(struct known_clients *k, elo_span client_id, int64_t mono_ms)
{
    expire(k, mono_ms);
    struct known *client = map_get(&k->by_id, client_id);
    if (client != NULL) {
        return client;
    }
    client = mem_zero(sizeof *client + client_id.len);
    if (client == NULL) {
        return NULL;
    }
    client->client_id_len = client_id.len;
    memcpy(client->client_id, client_id.ptr, client_id.len);
    if (!map_put(&k->by_id, id_of(client), client)) {
        mem_free(client);
        return NULL;
    }
    client->ended_mono_ms = mono_ms;
    client->is_gone = true;
    TAILQ_INSERT_TAIL(&k->gone, client, gone);
    k->gone_count++;
    return client;
}

void broker__known_here(struct known_clients *k, struct known *client)
{
    if (client->is_gone) {
        client->is_gone = false;
        TAILQ_REMOVE(&k->gone, client, gone);
        k->gone_count--;
    }
}

void broker__known_gone(struct known_clients *k, struct known *client, int64_t mono_ms)
{
    broker__known_here(k, client);
    client->is_gone = true;
    client->ended_mono_ms = mono_ms;
    TAILQ_INSERT_TAIL(&k->gone, client, gone);
    k->gone_count++;
    expire(k, mono_ms);
}
