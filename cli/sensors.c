// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "cli/sensors.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ports/posix/entropy.h"

static char source[80];

static bool read_line(const char *path, char *out, size_t cap)
{
    FILE *f = fopen(path, "r");
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

/* The first thermometer under `base` whose folder begins with `prefix`. */
static bool search(
    const char *base, const char *prefix, const char *value, const char *name, int32_t *out_centi)
{
    DIR *dir = opendir(base);
    if (dir == NULL) {
        return false;
    }
    bool found = false;
    struct dirent *entry;
    while (!found && (entry = readdir(dir)) != NULL) {
        char path[512];
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0) {
            continue;
        }
        snprintf(path, sizeof path, "%s/%s/%s", base, entry->d_name, value);
        found = read_millidegrees(path, out_centi);
        if (found) {
            char what[48] = "thermometer";
            snprintf(path, sizeof path, "%s/%s/%s", base, entry->d_name, name);
            read_line(path, what, sizeof what);
            snprintf(source, sizeof source, "%s", what);
        }
    }
    closedir(dir);
    return found;
}

/* A room over a day in hundredths of a degree: coolest at six, warmest at eighteen; a triangle is
 * near enough to a curve, and a little noise is what a DHT22 has. */
static void simulate_dht22(int64_t now_s, struct station_reading *out)
{
    int32_t second = (int32_t)((now_s + 18 * 3600) % 86400); /* 0 at six in the morning */
    int32_t rise = second < 43200 ? second : 86400 - second;
    int32_t noise = (int32_t)(posix_entropy_u32(NULL) % 21u) - 10;
    out->has_celsius = out->has_humidity = true;
    out->centi_celsius = (1900 + rise * 600 / 43200 + noise) / 10 * 10;
    out->centi_percent = (6500 - rise * 2000 / 43200 - noise) / 10 * 10;
    snprintf(source, sizeof source, "simulated DHT22");
}

static void read_load(struct station_reading *out)
{
    char text[64];
    int whole = 0, hundredths = 0;
    if (read_line("/proc/loadavg", text, sizeof text) &&
        sscanf(text, "%d.%2d", &whole, &hundredths) == 2 && whole >= 0 && whole < 100000) {
        out->has_load = true;
        out->centi_load = whole * 100 + hundredths;
    }
}

static void read_memory(struct station_reading *out)
{
    FILE *f = fopen("/proc/meminfo", "r");
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

void sensors_read(int64_t now_s, struct station_reading *out)
{
    memset(out, 0, sizeof *out);
    out->has_celsius =
        search("/sys/class/hwmon", "hwmon", "temp1_input", "name", &out->centi_celsius) ||
        search("/sys/class/thermal", "thermal_zone", "temp", "type", &out->centi_celsius);
    if (!out->has_celsius) {
        simulate_dht22(now_s, out);
    }
    out->source = source;
    read_load(out);
    read_memory(out);
}
