// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "cli/chip.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"

/* --- memory --------------------------------------------------------------------------------------
 */

static elo_err ram_read(void *ctx, uint32_t at, void *out, size_t len)
{
    memcpy(out, (const uint8_t *)ctx + at, len);
    return ELO_OK;
}

static elo_err ram_program(void *ctx, uint32_t at, const void *data, size_t len)
{
    uint8_t *to = (uint8_t *)ctx + at;
    for (size_t i = 0; i < len; i++) {
        to[i] &= ((const uint8_t *)data)[i];
    }
    return ELO_OK;
}

static elo_err ram_erase(void *ctx, uint32_t at)
{
    memset((uint8_t *)ctx + at, 0xFF, ELO_FLASH_SECTOR);
    return ELO_OK;
}

static elo_err open_ram(struct chip *c, uint32_t size)
{
    void *bytes = malloc(size);
    if (bytes == NULL) {
        return ELO_E_NO_MEMORY;
    }
    memset(bytes, 0xFF, size);
    c->ram = (struct elo_flash_dev){bytes, size, ram_read, ram_program, ram_erase};
    c->dev = &c->ram;
    return ELO_OK;
}

/* --- a region ------------------------------------------------------------------------------------
 */

static elo_err region_read(void *ctx, uint32_t at, void *out, size_t len)
{
    const struct chip_region *r = ctx;
    return r->chip->read(r->chip->ctx, r->base + at, out, len);
}

static elo_err region_program(void *ctx, uint32_t at, const void *data, size_t len)
{
    const struct chip_region *r = ctx;
    return r->chip->program(r->chip->ctx, r->base + at, data, len);
}

static elo_err region_erase(void *ctx, uint32_t at)
{
    const struct chip_region *r = ctx;
    return r->chip->erase(r->chip->ctx, r->base + at);
}

void chip_take(const struct chip *c, uint32_t at, uint32_t size, struct chip_region *out)
{
    out->chip = c->dev;
    out->base = at;
    out->dev = (struct elo_flash_dev){out, size, region_read, region_program, region_erase};
}

/* --- the chip ------------------------------------------------------------------------------------
 */

elo_err chip_open(struct chip *c, const char *path, uint32_t size)
{
    struct stat st;
    memset(c, 0, sizeof *c);
    c->file.fd = -1;
    if (path == NULL) {
        return open_ram(c, size);
    }
    if (stat(path, &st) == 0 && st.st_size > 0 && st.st_size <= INT32_MAX &&
        st.st_size % ELO_FLASH_SECTOR == 0) {
        size = (uint32_t)st.st_size;
    }
    c->dev = &c->file.dev;
    errno = 0;
    return posix_flash_open(&c->file, path, size);
}

int chip_complain(elo_err err, const char *path)
{
    const char *cure = "\n     Let it end, or give --flash FILE";
    if (err == ELO_E_CONFLICT) {
        say_error("%s is another board's flash now%s", path, cure);
    } else if (err == ELO_E_CORRUPT) {
        say_error("%s is no flash: its size is none that a flash has\n"
                  "     Move it away, or give --flash FILE",
                  path);
    } else {
        say_error("cannot use %s as flash: %s", path,
                  errno != 0 ? strerror(errno) : "it is no file");
    }
    return exit_code_of(err);
}

bool chip_is_file(const struct chip *c)
{
    return c->file.fd >= 0;
}

void chip_close(struct chip *c)
{
    posix_flash_close(&c->file);
    free(c->ram.ctx);
    memset(c, 0, sizeof *c);
    c->file.fd = -1;
}
