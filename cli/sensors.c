// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "cli/sensors.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ports/posix/entropy.h"

static char source[80];

static bool read_line(const char *path, char *out, size_t cap)
{
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        return false;
    }
    bool ok = fgets(out, (int)cap, f) != NULL;
    fclose(f);
    if (ok) {
        out[strcspn(out, "\n")] = '\0';
    }
    return ok;
}

/* Millidegrees from a file of the kernel; false for none, or one no thermometer would show. */
static bool read_millidegrees(const char *path, int32_t *out_centi)
{
    char text[32], *end;
    if (!read_line(path, text, sizeof text)) {
        return false;
    }
    long milli = strtol(text, &end, 10);
    if (end == text || milli < -60000 || milli > 200000 || milli == 0) {
        return false;
    }
    *out_centi = (int32_t)(milli / 10);
    return true;
}

/* What the kernel calls the chip: it goes into JSON, so nothing but plain letters. */
static void read_name(const char *path)
{
    if (!read_line(path, source, sizeof source) || source[0] == '\0') {
        snprintf(source, sizeof source, "thermometer");
    }
    for (char *p = source; *p != '\0'; p++) {
        *p = *p >= ' ' && *p <= '~' ? *p : '?';
    }
}

/* Thermometers of one kind: folders under /sys/class, in each of which one or two files. */
struct kind {
    const char *class, *prefix;
    const char *values[2];
    const char *name;
};

static const struct kind kinds[] = {
    {"/sys/class/hwmon", "hwmon", {"temp1_input", "temp2_input"}, "name"},
    {"/sys/class/thermal", "thermal_zone", {"temp", NULL}, "type"},
};

static bool read_chip(const struct kind *k, const char *root, const char *entry, int32_t *out_centi)
{
    char path[PATH_MAX];
    for (size_t i = 0; i < 2 && k->values[i] != NULL; i++) {
        snprintf(path, sizeof path, "%s%s/%s/%s", root, k->class, entry, k->values[i]);
        if (read_millidegrees(path, out_centi)) {
            snprintf(path, sizeof path, "%s%s/%s/%s", root, k->class, entry, k->name);
            read_name(path);
            return true;
        }
    }
    return false;
}

/* The first of its kind, in the order of their numbers, that shows a temperature. */
static bool search(const struct kind *k, const char *root, int32_t *out_centi)
{
    char path[PATH_MAX];
    struct dirent **entries;
    bool found = false;
    snprintf(path, sizeof path, "%s%s", root, k->class);
    int count = scandir(path, &entries, NULL, versionsort);
    for (int i = 0; i < count; i++) {
        if (!found && strncmp(entries[i]->d_name, k->prefix, strlen(k->prefix)) == 0) {
            found = read_chip(k, root, entries[i]->d_name, out_centi);
        }
        free(entries[i]);
    }
    if (count >= 0) {
        free(entries);
    }
    return found;
}

/* A room over a day in hundredths of a degree: coolest at six, warmest at eighteen; a triangle is
 * near enough to a curve, and a little noise is what a DHT22 has. */
static void simulate_dht22(int64_t now_s, struct elo_board_reading *out)
{
    int32_t second = (int32_t)((now_s + 18 * 3600) % 86400); /* 0 at six in the morning */
    int32_t rise = second < 43200 ? second : 86400 - second;
    int32_t noise = (int32_t)(posix_entropy_u32(NULL) % 21u) - 10;
    out->has_celsius = out->has_humidity = true;
    out->centi_celsius = (1900 + rise * 600 / 43200 + noise) / 10 * 10;
    out->centi_percent = (6500 - rise * 2000 / 43200 - noise) / 10 * 10;
    snprintf(source, sizeof source, "simulated DHT22");
}

static void read_load(const char *path, struct elo_board_reading *out)
{
    char text[64];
    int whole = 0, hundredths = 0;
    if (read_line(path, text, sizeof text) && sscanf(text, "%d.%2d", &whole, &hundredths) == 2 &&
        whole >= 0 && whole < 100000) {
        out->has_load = true;
        out->centi_load = whole * 100 + hundredths;
    }
}

static void read_memory(const char *path, struct elo_board_reading *out)
{
    FILE *f = fopen(path, "re");
    char line[128];
    long kib;
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "MemAvailable: %ld kB", &kib) == 1) {
            out->has_free = true;
            out->free_kib = kib;
        }
    }
    if (f != NULL) {
        fclose(f);
    }
}

void sensors_simulate(int64_t now_s, struct elo_board_reading *out)
{
    memset(out, 0, sizeof *out);
    simulate_dht22(now_s, out);
    out->source = source;
}

void sensors_read(const char *root, int64_t now_s, struct elo_board_reading *out)
{
    char path[PATH_MAX];
    memset(out, 0, sizeof *out);
    for (size_t i = 0; !out->has_celsius && i < sizeof kinds / sizeof kinds[0]; i++) {
        out->has_celsius = search(&kinds[i], root, &out->centi_celsius);
    }
    if (!out->has_celsius) {
        simulate_dht22(now_s, out);
    }
    out->source = source;
    snprintf(path, sizeof path, "%s/proc/loadavg", root);
    read_load(path, out);
    snprintf(path, sizeof path, "%s/proc/meminfo", root);
    read_memory(path, out);
}
