// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What is in flash.
 *
 *     KEY           the board's own, 32 bytes
 *     VALID         a version and the bits of `valid`: what counts. Written last
 *     SETTINGS      two places, as elo_settings_store() has it
 *     CERTIFICATE   two places, DER; with it in the same place
 *     BROUGHT       the key that came with it, 32 bytes; none: the board's own
 *     ROOT ...      up to three, DER
 */
#include "elo/base/flash.h"
#include "elo/station/provision_internal.h"

#define SLOT(n)          ((uint16_t)(ELO_PROVISION_SLOT + (n)))
#define SLOT_KEY         SLOT(0)
#define SLOT_VALID       SLOT(1)
#define SLOT_SETTINGS(b) SLOT(2 + (b))
#define SLOT_CERT(b)     SLOT(4 + (b))
#define SLOT_BROUGHT(b)  SLOT(6 + (b))
#define SLOT_ROOT(b, i)  SLOT(8 + 3 * (b) + (i))

#define VERSION      1u
#define ENTROPY_SIZE 48u

/* Overwrites secrets in a way that the compiler keeps. */
void elo__provision_wipe(void *mem, size_t len)
{
    volatile uint8_t *p = (volatile uint8_t *)mem;
    while (len-- > 0) {
        *p++ = 0;
    }
}

static struct elo_slots *slots_of(const struct elo_provision *p)
{
    return p->_internal.config->slots;
}

static unsigned place(uint8_t valid, uint8_t bit)
{
    return (valid & bit) != 0 ? 1 : 0;
}

/* ELO_OK too if there is nothing. */
static elo_err
read_slot(const struct elo_provision *p, uint16_t slot, void *out, size_t cap, size_t *n)
{
    elo_err err = elo_slots_read(slots_of(p), slot, out, cap, n);
    if (err == ELO_E_NOT_FOUND) {
        *n = 0;
        return ELO_OK;
    }
    return err;
}

/* --- tidying -------------------------------------------------------------------------------------
 */

static elo_err erase_credentials(const struct elo_provision *p, unsigned b)
{
    elo_err err = elo_slots_erase(slots_of(p), SLOT_BROUGHT(b));
    if (err == ELO_OK) {
        err = elo_slots_erase(slots_of(p), SLOT_CERT(b));
    }
    for (unsigned i = 0; i < ELO_BUNDLE_ROOTS_MAX && err == ELO_OK; i++) {
        err = elo_slots_erase(slots_of(p), SLOT_ROOT(b, i));
    }
    return err;
}

/* Erases what does not count. */
static elo_err tidy(const struct elo_provision *p)
{
    uint8_t valid = p->_internal.valid;
    elo_err err = ELO_OK;
    for (unsigned b = 0; b < 2 && err == ELO_OK; b++) {
        if ((valid & ELO__HAS_SETTINGS) == 0 || place(valid, ELO__SETTINGS_IN_B) != b) {
            err = elo_slots_erase(slots_of(p), SLOT_SETTINGS(b));
        }
        if (err == ELO_OK &&
            ((valid & ELO__HAS_CREDENTIALS) == 0 || place(valid, ELO__CREDENTIALS_IN_B) != b)) {
            err = erase_credentials(p, b);
        }
    }
    return err;
}

/* --- loading -------------------------------------------------------------------------------------
 */

static elo_err load_valid(struct elo_provision *p)
{
    uint8_t bytes[2] = {0, 0};
    size_t n = 0;
    elo_err err = read_slot(p, SLOT_VALID, bytes, sizeof bytes, &n);
    if (err == ELO_OK) {
        p->_internal.valid = n == sizeof bytes && bytes[0] == VERSION ? bytes[1] : 0;
    }
    return err;
}

elo_err elo__provision_load(struct elo_provision *p)
{
    const struct elo_station_config *station = p->_internal.config->station;
    size_t n = 0;
    elo_settings_defaults(&p->stored);
    p->_internal.valid = 0;
    elo_err err = load_valid(p);
    if (err != ELO_OK) {
        return err;
    }
    err = tidy(p);
    if (err != ELO_OK || (p->_internal.valid & ELO__HAS_SETTINGS) == 0) {
        return err;
    }
    err = read_slot(p, SLOT_SETTINGS(place(p->_internal.valid, ELO__SETTINGS_IN_B)),
                    station->scratch, station->scratch_size, &n);
    if (err == ELO_OK) {
        err = elo_settings_load(&p->stored, elo_span_of(station->scratch, n));
        elo__provision_wipe(station->scratch, n);
    }
    if (err == ELO_E_CORRUPT || err == ELO_E_NO_SPACE) {
        elo_settings_defaults(&p->stored); /* as if there were none: it can be set up anew */
        return ELO_OK;
    }
    return err;
}

/* --- credentials ---------------------------------------------------------------------------------
 */

bool elo__provision_has_key(const struct elo_provision *p)
{
    uint8_t key[ELO_TLS_P256_KEY_BYTES];
    size_t n = 0;
    bool has =
        elo_slots_read(slots_of(p), SLOT_KEY, key, sizeof key, &n) == ELO_OK && n == sizeof key;
    elo__provision_wipe(key, sizeof key);
    return has;
}

static void drop(struct elo_provision *p)
{
    p->_internal.has_identity = false;
    elo__provision_wipe(p->_internal.key, sizeof p->_internal.key);
    elo_tls_anchors_init(&p->_internal.anchors, p->_internal.table, ELO_BUNDLE_ROOTS_MAX,
                         p->_internal.roots, sizeof p->_internal.roots);
}

static elo_err read_key(struct elo_provision *p, uint16_t slot)
{
    size_t n = 0;
    elo_err err = read_slot(p, slot, p->_internal.key, sizeof p->_internal.key, &n);
    return err == ELO_OK && n != sizeof p->_internal.key ? ELO_E_NOT_FOUND : err;
}

static elo_err read_roots(struct elo_provision *p, unsigned b)
{
    size_t n = 0;
    elo_err err = ELO_OK;
    for (unsigned i = 0; i < ELO_BUNDLE_ROOTS_MAX && err == ELO_OK; i++) {
        err = read_slot(p, SLOT_ROOT(b, i), p->_internal.certificate,
                        sizeof p->_internal.certificate, &n);
        if (err == ELO_OK && n > 0) {
            err = elo_tls_anchors_add_der(&p->_internal.anchors,
                                          elo_span_of(p->_internal.certificate, n));
        }
    }
    return err;
}

elo_err elo__provision_use_stored(struct elo_provision *p)
{
    unsigned b = place(p->_internal.valid, ELO__CREDENTIALS_IN_B);
    size_t n = 0;
    drop(p);
    if ((p->_internal.valid & ELO__HAS_CREDENTIALS) == 0) {
        return ELO_E_NOT_FOUND;
    }
    elo_err err = read_roots(p, b);
    if (err == ELO_OK) {
        err = read_slot(p, SLOT_CERT(b), p->_internal.certificate, sizeof p->_internal.certificate,
                        &n);
    }
    if (err == ELO_OK) {
        err = read_key(p, SLOT_BROUGHT(b));
    }
    if (err == ELO_E_NOT_FOUND) {
        err = read_key(p, SLOT_KEY);
        err = err == ELO_E_NOT_FOUND ? ELO_E_KEYPAIR : err;
    }
    if (err == ELO_OK) {
        err = elo_tls_identity_ec(&p->_internal.identity, elo_span_of(p->_internal.certificate, n),
                                  p->_internal.key);
    }
    p->_internal.has_identity = err == ELO_OK;
    return err;
}

/* The private value in a key's DER, SEC 1 alone or within PKCS #8: behind "version 1, 32 bytes".
 * Whether it is one, the proof tells. */
static bool find_key(elo_span der, uint8_t out[ELO_TLS_P256_KEY_BYTES])
{
    static const uint8_t MARK[] ELO_FLASH = {2, 1, 1, 4, ELO_TLS_P256_KEY_BYTES};
    uint8_t mark[sizeof MARK];
    elo_flash_copy(mark, MARK, sizeof mark);
    for (size_t at = 0; at + sizeof mark + ELO_TLS_P256_KEY_BYTES <= der.len; at++) {
        if (memcmp(der.ptr + at, mark, sizeof mark) == 0) {
            memcpy(out, der.ptr + at + sizeof mark, ELO_TLS_P256_KEY_BYTES);
            return true;
        }
    }
    return false;
}

elo_err elo__provision_use_bundle(struct elo_provision *p)
{
    const struct elo_bundle_text *b = &p->setup.bundle;
    elo_err err = ELO_OK;
    drop(p);
    if (b->cert.len > ELO_PROVISION_CERTIFICATE_MAX) {
        return ELO_E_TOO_LARGE;
    }
    for (size_t i = 0; i < b->root_count && err == ELO_OK; i++) {
        err = b->roots[i].len > ELO_PROVISION_CERTIFICATE_MAX
                  ? ELO_E_TOO_LARGE
                  : elo_tls_anchors_add_der(&p->_internal.anchors, b->roots[i]);
    }
    if (err == ELO_OK && b->key.len > 0) {
        err = find_key(b->key, p->_internal.key) ? ELO_OK : ELO_E_UNSUPPORTED;
    } else if (err == ELO_OK) {
        err = read_key(p, SLOT_KEY);
        err = err == ELO_E_NOT_FOUND ? ELO_E_KEYPAIR : err;
    }
    if (err == ELO_OK) {
        err = elo_tls_identity_ec(&p->_internal.identity, b->cert, p->_internal.key);
    }
    if (err == ELO_OK) {
        err = elo_tls_identity_check(&p->_internal.identity);
    }
    p->_internal.has_identity = err == ELO_OK;
    return err;
}

/* --- saving --------------------------------------------------------------------------------------
 */

static elo_err save_settings(const struct elo_provision *p, unsigned b)
{
    const struct elo_station_config *station = p->_internal.config->station;
    size_t n = 0;
    elo_err err =
        elo_settings_store(&p->_internal.draft, station->scratch, station->scratch_size, &n);
    if (err == ELO_OK) {
        err = elo_slots_write(slots_of(p), SLOT_SETTINGS(b), elo_span_of(station->scratch, n));
    }
    elo__provision_wipe(station->scratch, n);
    return err;
}

static elo_err save_brought(const struct elo_provision *p, unsigned b)
{
    uint8_t key[ELO_TLS_P256_KEY_BYTES];
    elo_err err = ELO_E_UNSUPPORTED;
    if (find_key(p->setup.bundle.key, key)) {
        err = elo_slots_write(slots_of(p), SLOT_BROUGHT(b), elo_span_of(key, sizeof key));
    }
    elo__provision_wipe(key, sizeof key);
    return err;
}

static elo_err save_bundle(const struct elo_provision *p, unsigned b)
{
    const struct elo_bundle_text *bundle = &p->setup.bundle;
    elo_err err = erase_credentials(p, b);
    if (err == ELO_OK) {
        err = elo_slots_write(slots_of(p), SLOT_CERT(b), bundle->cert);
    }
    for (unsigned i = 0; i < bundle->root_count && err == ELO_OK; i++) {
        err = elo_slots_write(slots_of(p), SLOT_ROOT(b, i), bundle->roots[i]);
    }
    return err == ELO_OK && bundle->key.len > 0 ? save_brought(p, b) : err;
}

/* When this fails the flash decides what counts: it may be the new. ELO_END: it does not say. */
static elo_err write_valid(struct elo_provision *p, uint8_t valid)
{
    uint8_t bytes[2] = {VERSION, valid};
    elo_err err = elo_slots_write(slots_of(p), SLOT_VALID, elo_span_of(bytes, sizeof bytes));
    if (err == ELO_OK) {
        p->_internal.valid = valid;
        return ELO_OK;
    }
    if (load_valid(p) != ELO_OK) {
        return ELO_END;
    }
    return p->_internal.valid == valid ? ELO_OK : err;
}

elo_err elo__provision_save(struct elo_provision *p)
{
    uint8_t valid = (uint8_t)((p->_internal.valid | ELO__HAS_SETTINGS) ^ ELO__SETTINGS_IN_B);
    elo_err err = save_settings(p, place(valid, ELO__SETTINGS_IN_B));
    if (err == ELO_OK && elo_setup_has_bundle(&p->setup)) {
        valid = (uint8_t)((valid | ELO__HAS_CREDENTIALS) ^ ELO__CREDENTIALS_IN_B);
        err = save_bundle(p, place(valid, ELO__CREDENTIALS_IN_B));
    }
    if (err == ELO_OK) {
        err = write_valid(p, valid);
    }
    if (err == ELO_END) {
        return ELO_E_IO; /* nothing is erased that may count */
    }
    (void)(tidy(p) == ELO_OK); /* else the next start does it */
    return err;
}

elo_err elo__provision_forget(struct elo_provision *p)
{
    elo_err err = write_valid(p, 0);
    if (err == ELO_END) {
        return ELO_E_IO;
    }
    return err == ELO_OK ? tidy(p) : err;
}

/* --- the key -------------------------------------------------------------------------------------
 */

static elo_err make_key(struct elo_provision *p)
{
    const struct elo_board *board = p->_internal.config->station->board;
    uint8_t entropy[ENTROPY_SIZE], key[ELO_TLS_P256_KEY_BYTES];
    elo_err err = board->entropy(board->ctx, entropy, sizeof entropy);
    if (err == ELO_OK) {
        err = elo_tls_key_make(elo_span_of(entropy, sizeof entropy), key);
    }
    if (err == ELO_OK) {
        err = elo_slots_write(slots_of(p), SLOT_KEY, elo_span_of(key, sizeof key));
    }
    elo__provision_wipe(entropy, sizeof entropy);
    elo__provision_wipe(key, sizeof key);
    p->setup.config.has_key = err == ELO_OK;
    return err;
}

static elo_err make_request(struct elo_provision *p)
{
    uint8_t key[ELO_TLS_P256_KEY_BYTES];
    size_t n = 0;
    elo_err err = elo_slots_read(slots_of(p), SLOT_KEY, key, sizeof key, &n);
    if (err == ELO_OK) {
        err = elo_tls_csr(elo_span_str(p->_internal.config->id), key, p->_internal.csr,
                          sizeof p->_internal.csr, &n);
    }
    elo__provision_wipe(key, sizeof key);
    p->_internal.csr_len = err == ELO_OK ? (uint16_t)n : 0;
    return err;
}

elo_err elo__provision_make_csr(struct elo_provision *p)
{
    return p->setup.config.has_key ? make_request(p) : make_key(p);
}
