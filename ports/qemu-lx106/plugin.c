// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A TCG plugin for QEMU that holds an image to what the ESP8266 would hold it to, and counts.
 *
 *      -plugin libelo-lx106-plugin.so,out=FILE[,profile=FILE]
 *
 * At the end it writes lines of `name value` to `out`:
 *   instructions                    all of the application's: flash, RAM, and the ROM's arithmetic
 *   board_instructions              those of the emulated board itself
 *   flash_narrow_loads              loads from flash of under 32 bits, or not aligned: each traps
 * on the chip flash_stores                    stores to flash stray_accesses                  loads
 * and stores outside the memory that the chip has there section N entered COUNT all INSTRUCTIONS
 * longest INSTRUCTIONS between board_begin(N) and board_end(N), of the application at PC COUNT KIND
 * where the misuse was, the first 64 places and to `profile` lines of `PC COUNT`, every instruction
 * that ran.
 *
 * Only the CPU that the board has is expected: one. Debian's QEMU packages have no header for
 * plugins, so what is used of the interface is declared here. Version 1 is QEMU 4.2 to 8, version 2
 * and later QEMU 9 and on; what is used here is the same in all, so the number alone is told at
 * compile time (ELO_QEMU_PLUGIN_API).
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef ELO_QEMU_PLUGIN_API
#define ELO_QEMU_PLUGIN_API 1
#endif

#define VISIBLE __attribute__((visibility("default")))

/* --- QEMU's plugin interface, as far as it is used
 * ------------------------------------------------
 */

typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { PLUGIN_CB_NO_REGS = 0, PLUGIN_MEM_RW = 3 };

typedef void (*plugin_tb_trans_fn)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*plugin_exec_fn)(unsigned int cpu, void *data);
typedef void (*plugin_mem_fn)(unsigned int cpu,
                              qemu_plugin_meminfo_t info,
                              uint64_t address,
                              void *data);
typedef void (*plugin_end_fn)(qemu_plugin_id_t id, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, plugin_tb_trans_fn fn);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
                                            plugin_exec_fn fn,
                                            int flags,
                                            void *data);
void qemu_plugin_register_vcpu_mem_cb(
    struct qemu_plugin_insn *insn, plugin_mem_fn fn, int flags, int kinds, void *data);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, plugin_end_fn fn, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
unsigned int qemu_plugin_mem_size_shift(qemu_plugin_meminfo_t info);
bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t info);

extern VISIBLE int qemu_plugin_version;
int qemu_plugin_version = ELO_QEMU_PLUGIN_API;

VISIBLE int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv);

/* --- the chip's map, as in lx106.ld --------------------------------------------------------------
 */

#define MARKS       0x3FFE8000u
#define SECTIONS    8u
#define DRAM_BEGIN  0x3FFE8000u
#define DRAM_END    0x3FFFC000u
#define ROM_BEGIN   0x40000000u
#define ROM_RT      0x40008000u /* from here the ROM's arithmetic, below it the board's own code */
#define IRAM_BEGIN  0x40100000u
#define IRAM_END    0x40108000u
#define FLASH_BEGIN 0x40200000u
#define FLASH_END   0x40300000u
#define RESET       0x50000000u
#define PLACES      64

struct section {
    bool inside;
    uint64_t began, entered, all, longest;
};

struct place {
    uint32_t pc;
    const char *kind;
    uint64_t count;
};

static struct {
    const char *out, *profile;
    uint64_t app, board, narrow, stores, stray;
    struct section sections[SECTIONS];
    struct place places[PLACES];
    uint32_t *counts; /* per byte of ROM, IRAM and flash; NULL: no profile wanted */
} chip;

/* --- counting ------------------------------------------------------------------------------------
 */

static bool is_board(uint32_t pc)
{
    return (pc >= ROM_BEGIN && pc < ROM_RT) || pc >= RESET;
}

static void on_instruction(unsigned int cpu, void *data)
{
    (void)cpu;
    uint32_t pc = (uint32_t)(uintptr_t)data;
    if (is_board(pc)) {
        chip.board++;
    } else {
        chip.app++;
    }
    if (chip.counts != NULL && pc >= ROM_BEGIN && pc < FLASH_END) {
        chip.counts[pc - ROM_BEGIN]++;
    }
}

static void note(uint32_t pc, const char *kind)
{
    for (size_t i = 0; i < PLACES; i++) {
        struct place *p = &chip.places[i];
        if (p->count == 0) {
            p->pc = pc;
            p->kind = kind;
        }
        if (p->pc == pc && p->kind == kind) {
            p->count++;
            return;
        }
    }
}

static void mark(uint32_t number)
{
    struct section *s = &chip.sections[number / 2];
    if (number % 2 == 0) {
        s->inside = true;
        s->began = chip.app;
        s->entered++;
    } else if (s->inside) {
        uint64_t took = chip.app - s->began;
        s->inside = false;
        s->all += took;
        s->longest = took > s->longest ? took : s->longest;
    }
}

static void on_access(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
    (void)cpu;
    uint32_t at = (uint32_t)address, pc = (uint32_t)(uintptr_t)data;
    bool store = qemu_plugin_mem_is_store(info);
    bool word = qemu_plugin_mem_size_shift(info) == 2 && at % 4 == 0;
    if (store && at >= MARKS && at < MARKS + 8 * SECTIONS) {
        mark((at - MARKS) / 4);
    } else if (is_board(pc) || (at >= DRAM_BEGIN && at < DRAM_END)) {
        return;
    } else if (at >= FLASH_BEGIN && at < FLASH_END) {
        if (store) {
            chip.stores++;
            note(pc, "flash_stores");
        } else if (!word) {
            chip.narrow++;
            note(pc, "flash_narrow_loads");
        }
    } else {
        /* Instruction memory answers words only, and the ROM is not written to. */
        bool iram = at >= IRAM_BEGIN && at < IRAM_END;
        bool rom = at >= ROM_BEGIN && at < IRAM_BEGIN && !store;
        if (!word || !(iram || rom)) {
            chip.stray++;
            note(pc, "stray_accesses");
        }
    }
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        void *pc = (void *)(uintptr_t)qemu_plugin_insn_vaddr(insn);
        qemu_plugin_register_vcpu_insn_exec_cb(insn, on_instruction, PLUGIN_CB_NO_REGS, pc);
        qemu_plugin_register_vcpu_mem_cb(insn, on_access, PLUGIN_CB_NO_REGS, PLUGIN_MEM_RW, pc);
    }
}

/* --- the end
 * --------------------------------------------------------------------------------------
 */

static void write_profile(void)
{
    FILE *f = fopen(chip.profile, "w");
    if (f == NULL) {
        perror(chip.profile);
        return;
    }
    for (uint32_t i = 0; i < FLASH_END - ROM_BEGIN; i++) {
        if (chip.counts[i] != 0) {
            fprintf(f, "%08" PRIx32 " %" PRIu32 "\n", ROM_BEGIN + i, chip.counts[i]);
        }
    }
    fclose(f);
}

static void write_out(void)
{
    FILE *f = fopen(chip.out, "w");
    if (f == NULL) {
        perror(chip.out);
        return;
    }
    fprintf(f, "instructions %" PRIu64 "\nboard_instructions %" PRIu64 "\n", chip.app, chip.board);
    fprintf(
        f, "flash_narrow_loads %" PRIu64 "\nflash_stores %" PRIu64 "\nstray_accesses %" PRIu64 "\n",
        chip.narrow, chip.stores, chip.stray);
    for (unsigned i = 0; i < SECTIONS; i++) {
        const struct section *s = &chip.sections[i];
        if (s->entered > 0) {
            fprintf(f, "section %u entered %" PRIu64 " all %" PRIu64 " longest %" PRIu64 "\n", i,
                    s->entered, s->all, s->longest);
        }
    }
    for (size_t i = 0; i < PLACES && chip.places[i].count > 0; i++) {
        const struct place *p = &chip.places[i];
        fprintf(f, "at %08" PRIx32 " %" PRIu64 " %s\n", p->pc, p->count, p->kind);
    }
    fclose(f);
}

static void on_end(qemu_plugin_id_t id, void *data)
{
    (void)id;
    (void)data;
    if (chip.counts != NULL) {
        write_profile();
    }
    write_out();
}

VISIBLE int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "out=", 4) == 0) {
            chip.out = argv[i] + 4;
        } else if (strncmp(argv[i], "profile=", 8) == 0) {
            chip.profile = argv[i] + 8;
        } else {
            fprintf(stderr, "plugin: unknown option %s\n", argv[i]);
            return -1;
        }
    }
    if (chip.out == NULL) {
        fprintf(stderr, "plugin: out=FILE is missing\n");
        return -1;
    }
    if (chip.profile != NULL) {
        chip.counts = calloc(FLASH_END - ROM_BEGIN, sizeof *chip.counts);
        if (chip.counts == NULL) {
            return -1;
        }
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_atexit_cb(id, on_end, NULL);
    return 0;
}
