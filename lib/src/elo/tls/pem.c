// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: the text is copied in small chunks (it may lie in flash) into BearSSL's PEM
 * decoder, which stops at every "event": an object begins, ends, or is damaged. Between begin and
 * end its bytes flow to the sink, if the sink wanted the object. DER goes straight to the sink.
 */
#include "elo/tls/internal.h"

#include "elo/base/flash.h"

#define CHUNK 48

void elo__tls_wipe(void *mem, size_t len)
{
    volatile uint8_t *p = (volatile uint8_t *)mem;
    for (size_t i = 0; i < len; i++)
        p[i] = 0;
}

uint8_t *elo__tls_arena_add(struct elo__tls_arena *arena, const void *data, size_t len)
{
    if (arena->full || len > arena->cap - arena->used) {
        arena->full = true;
        return NULL;
    }
    uint8_t *at = arena->ptr + arena->used;
    if (len > 0)
        memcpy(at, data, len);
    arena->used += len;
    return at;
}

bool elo__tls_is_certificate(const char *name)
{
    return name == NULL || strcmp(name, "CERTIFICATE") == 0;
}

static elo_err read_der(elo_span der, const struct elo__tls_sink *sink, void *ctx)
{
    elo_err err = sink->begin(ctx, NULL);
    uint8_t chunk[CHUNK];
    for (size_t at = 0; err == ELO_OK && at < der.len;) {
        size_t n = der.len - at < CHUNK ? der.len - at : CHUNK;
        elo_flash_copy(chunk, der.ptr + at, n);
        sink->put(ctx, chunk, n);
        at += n;
    }
    elo__tls_wipe(chunk, sizeof chunk);
    return err == ELO_OK ? sink->end(ctx) : err;
}

/* Where we are in a PEM text. */
struct pem_reader {
    br_pem_decoder_context *pem;
    const struct elo__tls_sink *sink;
    void *ctx;
    bool inside, taking, taken;
};

static elo_err on_event(struct pem_reader *r, int event)
{
    if (event == BR_PEM_BEGIN_OBJ) {
        elo_err err = r->sink->begin(r->ctx, br_pem_decoder_name(r->pem));
        if (err < 0)
            return err;
        r->inside = true;
        r->taking = err == ELO_OK;
        br_pem_decoder_setdest(r->pem, r->taking ? r->sink->put : 0, r->ctx);
        return ELO_OK;
    }
    if (event == BR_PEM_END_OBJ) {
        r->inside = false;
        if (!r->taking)
            return ELO_OK;
        r->taken = true;
        return r->sink->end(r->ctx);
    }
    /* Damage in an object that is not ours is not ours to judge: "EC PARAMETERS", comments ... */
    r->inside = false;
    return r->taking ? ELO_E_BAD_PEM : ELO_OK;
}

static elo_err push(struct pem_reader *r, const uint8_t *data, size_t len)
{
    while (len > 0) {
        size_t n = br_pem_decoder_push(r->pem, data, len);
        data += n;
        len -= n;
        int event = br_pem_decoder_event(r->pem);
        elo_err err = event != 0 ? on_event(r, event) : ELO_OK;
        if (err != ELO_OK)
            return err;
        if (event == 0 && n == 0)
            return ELO_E_BAD_PEM; /* cannot be; never spin */
    }
    return ELO_OK;
}

static elo_err read_pem(elo_span text, struct pem_reader *r)
{
    uint8_t chunk[CHUNK];
    elo_err err = ELO_OK;
    br_pem_decoder_init(r->pem);
    for (size_t at = 0; err == ELO_OK && at < text.len;) {
        size_t n = text.len - at < CHUNK ? text.len - at : CHUNK;
        elo_flash_copy(chunk, text.ptr + at, n);
        err = push(r, chunk, n);
        at += n;
    }
    elo__tls_wipe(chunk, sizeof chunk);
    if (err == ELO_OK) /* the END line is complete only with its end of line */
        err = push(r, (const uint8_t *)"\n", 1);
    if (err == ELO_OK && (r->inside || !r->taken))
        err = ELO_E_BAD_PEM;
    return err;
}

static elo_span without_bom(elo_span text)
{
    if (text.len >= 3 && elo_flash_read8(text.ptr) == 0xEF &&
        elo_flash_read8(text.ptr + 1) == 0xBB && elo_flash_read8(text.ptr + 2) == 0xBF)
        return elo_span_from(text, 3);
    return text;
}

elo_err elo__tls_read_objects(elo_span text,
                              br_pem_decoder_context *pem,
                              const struct elo__tls_sink *sink,
                              void *ctx)
{
    if (text.len > 0 && elo_flash_read8(text.ptr) == 0x30)
        return read_der(text, sink, ctx);
    struct pem_reader r = {pem, sink, ctx, false, false, false};
    return read_pem(without_bom(text), &r);
}
