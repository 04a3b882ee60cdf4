// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* What the kernel tells of this process: proc(5). What it does not tell is 0. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "server/seeing/internal.h"

static uint64_t open_descriptors(void)
{
    uint64_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL) {
        return 0;
    }
    while (readdir(dir) != NULL) {
        count++;
    }
    closedir(dir);
    return count > 3 ? count - 3 : 0; /* ".", "..", and the folder itself */
}

/* Field `n` of /proc/self/stat, whose second is a name in parentheses; the third is 1 here. */
static unsigned long long stat_field(const char *after_name, int n)
{
    const char *at = after_name;
    for (int i = 0; i < n && at != NULL; i++) {
        at = strchr(at + 1, ' ');
    }
    return at != NULL ? strtoull(at, NULL, 10) : 0;
}

static int64_t boot_time_s(void)
{
    struct timespec wall, boot;
    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_BOOTTIME, &boot);
    return (int64_t)wall.tv_sec - (int64_t)boot.tv_sec;
}

static void read_stat(struct seeing_process *out)
{
    char line[1024];
    FILE *in = fopen("/proc/self/stat", "r");
    if (in == NULL) {
        return;
    }
    const char *at = fgets(line, sizeof line, in) != NULL ? strrchr(line, ')') : NULL;
    fclose(in);
    if (at == NULL) {
        return;
    }
    long ticks = sysconf(_SC_CLK_TCK);
    at++; /* the space before field 3 */
    out->threads = stat_field(at, 17);
    out->started_s = boot_time_s() + (int64_t)stat_field(at, 19) / ticks;
    out->virtual_bytes = stat_field(at, 20);
    out->resident_bytes = stat_field(at, 21) * (uint64_t)sysconf(_SC_PAGESIZE);
}

void seeing__process(struct seeing_process *out)
{
    struct rusage usage;
    struct rlimit limit;
    *out = (struct seeing_process){.open_fds = open_descriptors()};
    read_stat(out);
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        out->cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                     (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        out->max_fds = limit.rlim_cur;
    }
}
