// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/port/esp8266/credentials.h"

#if defined(ARDUINO) && defined(ESP8266)

#include "elo/port/esp8266/machine.h"
#include "elo/port/esp8266/stack.h"

#include <Arduino.h>
#include <coredecls.h>

static elo_err load_file(const char *path,
                         struct elo_bundle *bundle,
                         struct elo_texts *texts,
                         struct elo_esp8266_decoding *scratch)
{
    size_t len;
    elo_err err = elo_esp8266_read_file(path, scratch->text, sizeof scratch->text, &len);
    if (err == ELO_OK) {
        err = elo_bundle_read(bundle, elo_span_of(scratch->text, len), texts);
    }
    return err == ELO_E_NOT_FOUND ? ELO_OK : err;
}

elo_err elo_esp8266_bundle_load(struct elo_bundle *bundle,
                                struct elo_texts *texts,
                                struct elo_esp8266_decoding *scratch)
{
    elo_err err = load_file("/config.json", bundle, texts, scratch);
    return err == ELO_OK ? load_file("/wifi.json", bundle, texts, scratch) : err;
}

/* Text that is read into the scratch, one behind the other. */
struct reading {
    uint8_t *ptr;
    size_t cap, used;
};

static elo_err read_text(struct reading *r, const char *given, const char *path, elo_span *out_text)
{
    size_t len = 0;
    if (given != nullptr) {
        *out_text = elo_span_of(given, strlen_P(given));
        return ELO_OK;
    }
    elo_err err = elo_esp8266_read_file(path, r->ptr + r->used, r->cap - r->used, &len);
    *out_text = elo_span_of(r->ptr + r->used, len);
    r->used += len;
    return err;
}

static elo_err add_roots(struct elo_esp8266_credentials *c,
                         const struct elo_esp8266_sources *sources,
                         struct elo_esp8266_decoding *scratch)
{
    struct reading r = {scratch->text, sizeof scratch->text, 0};
    elo_span text;
    elo_tls_anchors_init(&c->anchors, c->table, ELO_ESP8266_ROOTS, c->roots, sizeof c->roots);
    elo_err err = read_text(&r, sources->ca, "/ca.pem", &text);
    if (err == ELO_OK) {
        return elo_esp8266_anchors_add(&c->anchors, &text, &scratch->work);
    }
    if (err != ELO_E_NOT_FOUND) {
        return err;
    }
    text = elo_tls_amazon_root_ca_1();
    err = elo_esp8266_anchors_add(&c->anchors, &text, &scratch->work);
    if (err == ELO_OK) {
        text = elo_tls_amazon_root_ca_3();
        err = elo_esp8266_anchors_add(&c->anchors, &text, &scratch->work);
    }
    return err;
}

elo_err elo_esp8266_credentials_init(struct elo_esp8266_credentials *c,
                                     const struct elo_esp8266_sources *sources,
                                     void *mem,
                                     size_t mem_cap,
                                     struct elo_esp8266_decoding *scratch)
{
    elo_err err = add_roots(c, sources, scratch);
    if (err != ELO_OK) {
        return err;
    }
    struct reading r = {scratch->text, sizeof scratch->text, 0};
    struct elo_esp8266_identity args = {&c->identity, {}, {}, mem, mem_cap, &scratch->work};
    err = read_text(&r, sources->certificate, "/cert.pem", &args.certificate);
    if (err == ELO_OK) {
        err = read_text(&r, sources->key, "/key.pem", &args.key);
    }
    if (err == ELO_OK) {
        err = elo_esp8266_identity_init(&args);
    }
    for (volatile uint8_t *p = scratch->text; p < scratch->text + sizeof scratch->text; p++) {
        *p = 0; /* the key was there */
    }
    return err;
}

uint32_t elo_esp8266_fingerprint(const struct elo_esp8266_credentials *c, const char *host)
{
    elo_span certificate = elo_tls_identity_certificate(&c->identity);
    elo_span roots = elo_tls_anchors_bytes(&c->anchors);
    uint32_t crc = crc32(certificate.ptr, certificate.len);
    return crc32(host, strlen(host), crc32(roots.ptr, roots.len, crc));
}

#endif
