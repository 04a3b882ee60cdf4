// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: the text is copied in small chunks (it may lie in flash) into BearSSL's PEM
 * decoder, which stops at every "event": an object begins, ends, or is damaged. Between begin and
 * end its bytes flow to the sink, if the sink wanted the object.
 *
 * Every object must be one DER element, neither shorter nor longer than its header says: what
 * follows would be sent to servers as part of a certificate, and BearSSL's decoders must not be fed
 * beyond their end.
 */
#include "elo/tls/internal.h"

#include "elo/base/flash.h"

#define CHUNK 48

void elo__tls_begin_x509(br_x509_decoder_context *decoder,
                         void (*subject)(void *ctx, const void *data, size_t len),
                         void *ctx)
{
#ifdef ELO_TLS_BEARSSL_CORE
    br_x509_decoder_init(decoder, subject, ctx, NULL, NULL);
#else
    br_x509_decoder_init(decoder, subject, ctx);
#endif
}

void elo__tls_push_x509(br_x509_decoder_context *decoder, const void *data, size_t len)
{
    if (br_x509_decoder_last_error(decoder) == BR_ERR_X509_TRUNCATED) {
        br_x509_decoder_push(decoder, data, len);
    }
}

bool elo__tls_is_certificate(const char *name)
{
    return name == NULL || strcmp(name, "CERTIFICATE") == 0;
}

/* Where we are in a text. */
struct reader {
    br_pem_decoder_context *pem;
    const struct elo__tls_sink *sink;
    void *ctx;
    bool inside, taking, taken; /* PEM: an object, that we want; and had one */
    uint8_t header;             /* DER: bytes of tag and length still to come */
    uint32_t seen, total;       /* DER: bytes so far, and as the header says */
};

/* --- DER ---------------------------------------------------------------------------------------
 */

static void begin_element(struct reader *r)
{
    r->header = 2;
    r->seen = 0;
    r->total = 0;
}

/* One more byte of tag and length; lengths of up to 3 bytes are enough for any certificate. */
static void read_header(struct reader *r, uint8_t byte)
{
    r->header--;
    r->seen++;
    if (r->seen == 1) {
        return;
    }
    if (r->seen > 2) {
        r->total = r->total << 8 | byte;
    } else if (byte < 0x80) {
        r->total = byte;
    } else if (byte > 0x80 && byte <= 0x83) {
        r->header = byte & 0x7F;
    }
    if (r->header == 0) {
        r->total += r->seen;
    }
}

/* Hands on what belongs to the element; `seen` counts what follows it as well. */
static void put_bytes(void *ctx, const void *data, size_t len)
{
    struct reader *r = (struct reader *)ctx;
    const uint8_t *p = (const uint8_t *)data;
    uint32_t before = r->seen;
    size_t at = 0, wanted = len;
    while (at < len && r->header > 0) {
        read_header(r, p[at++]);
    }
    r->seen += (uint32_t)(len - at);
    if (r->header == 0 && r->seen > r->total) {
        wanted = before < r->total ? r->total - before : 0;
    }
    if (wanted > 0) {
        r->sink->put(r->ctx, p, wanted);
    }
}

static elo_err end_element(struct reader *r)
{
    if (r->header > 0 || r->seen != r->total) {
        return ELO_E_BAD_PEM;
    }
    return r->sink->end(r->ctx);
}

static elo_err read_der(elo_span der, struct reader *r)
{
    elo_err err = r->sink->begin(r->ctx, NULL);
    uint8_t chunk[CHUNK];
    begin_element(r);
    for (size_t at = 0; err == ELO_OK && at < der.len;) {
        size_t n = der.len - at < CHUNK ? der.len - at : CHUNK;
        elo_flash_copy(chunk, der.ptr + at, n);
        put_bytes(r, chunk, n);
        at += n;
    }
    elo__tls_wipe(chunk, sizeof chunk);
    return err == ELO_OK ? end_element(r) : err;
}

/* --- PEM ---------------------------------------------------------------------------------------
 */

static elo_err on_event(struct reader *r, int event)
{
    if (event == BR_PEM_BEGIN_OBJ) {
        elo_err err = r->sink->begin(r->ctx, br_pem_decoder_name(r->pem));
        if (err < 0) {
            return err;
        }
        r->inside = true;
        r->taking = err == ELO_OK;
        begin_element(r);
        br_pem_decoder_setdest(r->pem, r->taking ? put_bytes : 0, r);
        return ELO_OK;
    }
    if (event == BR_PEM_END_OBJ) {
        r->inside = false;
        if (!r->taking) {
            return ELO_OK;
        }
        r->taken = true;
        return end_element(r);
    }
    /* Damage in an object that is not ours is not ours to judge: "EC PARAMETERS", comments ... */
    r->inside = false;
    return r->taking ? ELO_E_BAD_PEM : ELO_OK;
}

static elo_err push(struct reader *r, const uint8_t *data, size_t len)
{
    while (len > 0) {
        size_t n = br_pem_decoder_push(r->pem, data, len);
        data += n;
        len -= n;
        int event = br_pem_decoder_event(r->pem);
        elo_err err = event != 0 ? on_event(r, event) : ELO_OK;
        if (err != ELO_OK) {
            return err;
        }
        if (event == 0 && n == 0) {
            return ELO_E_BAD_PEM; /* cannot be; never spin */
        }
    }
    return ELO_OK;
}

/* Takes out carriage returns: BearSSL ignores them between objects' bytes, but one at the end of a
 * BEGIN line leaves the line's dashes in the object's name. */
static size_t without_cr(uint8_t *chunk, size_t len)
{
    size_t kept = 0;
    for (size_t i = 0; i < len; i++) {
        if (chunk[i] != '\r') {
            chunk[kept++] = chunk[i];
        }
    }
    return kept;
}

static elo_err read_pem(elo_span text, struct reader *r)
{
    uint8_t chunk[CHUNK];
    elo_err err = ELO_OK;
    br_pem_decoder_init(r->pem);
    for (size_t at = 0; err == ELO_OK && at < text.len;) {
        size_t n = text.len - at < CHUNK ? text.len - at : CHUNK;
        elo_flash_copy(chunk, text.ptr + at, n);
        err = push(r, chunk, without_cr(chunk, n));
        at += n;
    }
    elo__tls_wipe(chunk, sizeof chunk);
    if (err == ELO_OK) { /* the END line is complete only with its end of line */
        err = push(r, (const uint8_t *)"\n", 1);
    }
    if (err == ELO_OK && (r->inside || !r->taken)) {
        err = ELO_E_BAD_PEM;
    }
    return err;
}

static elo_span without_bom(elo_span text)
{
    if (text.len >= 3 && elo_flash_read8(text.ptr) == 0xEF &&
        elo_flash_read8(text.ptr + 1) == 0xBB && elo_flash_read8(text.ptr + 2) == 0xBF) {
        return elo_span_from(text, 3);
    }
    return text;
}

elo_err elo__tls_read_objects(elo_span text,
                              br_pem_decoder_context *pem,
                              const struct elo__tls_sink *sink,
                              void *ctx)
{
    struct reader r = {pem, sink, ctx, false, false, false, 0, 0, 0};
    if (text.len > 0 && elo_flash_read8(text.ptr) == 0x30) {
        return read_der(text, &r);
    }
    return read_pem(without_bom(text), &r);
}
