/* How many CPUs this process may use: affinity, and the quotas of its control groups. */
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpu.h"
#include "executor.h"

static int affinity_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN); /* more CPUs than a cpu_set_t has */
    return online > 0 && online < INT_MAX ? (int)online : 1;
}

static int quota_to_cpus(long long quota, long long period)
{
    if (quota <= 0 || period <= 0)
        return 0;
    long long cpus = (quota - 1) / period + 1;
    return cpus < INT_MAX ? (int)cpus : 0;
}

/* Reads the first line of DIR/NAME; false if there is none. */
static bool read_line(const char *dir, const char *name, char *line, size_t size)
{
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, name) >= sizeof path)
        return false;
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool ok = fgets(line, (int)size, file) != NULL;
    fclose(file);
    return ok;
}

/* A number that fills the line up to `end`; -1 for anything else ("max", garbage, negative). */
static long long number(const char *text, const char *end)
{
    char *stop;
    if (*text < '0' || *text > '9')
        return -1;
    long long n = strtoll(text, &stop, 10);
    return stop == end || (*stop == '\n' && stop[1] == '\0') || *stop == '\0' ? n : -1;
}

int yk__quota_v2(const char *dir)
{
    char line[128];
    if (!read_line(dir, "cpu.max", line, sizeof line))
        return 0;
    char *space = strchr(line, ' ');
    if (!space)
        return 0;
    return quota_to_cpus(number(line, space), number(space + 1, NULL));
}

int yk__quota_v1(const char *dir)
{
    char quota[64], period[64];
    if (!read_line(dir, "cpu.cfs_quota_us", quota, sizeof quota) ||
        !read_line(dir, "cpu.cfs_period_us", period, sizeof period))
        return 0;
    return quota_to_cpus(number(quota, NULL), number(period, NULL));
}

/* The smallest quota on the way from DIR/group up to DIR. */
static int smallest_upwards(const char *mount, char *group, int (*quota)(const char *dir))
{
    int smallest = 0;
    for (;;) {
        char dir[PATH_MAX];
        if ((size_t)snprintf(dir, sizeof dir, "%s%s", mount, group) < sizeof dir) {
            int q = quota(dir);
            if (q > 0 && (smallest == 0 || q < smallest))
                smallest = q;
        }
        char *slash = strrchr(group, '/');
        if (!slash)
            return smallest;
        *slash = '\0';
    }
}

/* A line of /proc/self/cgroup: "0::/path" (version 2) or "4:cpu,cpuacct:/path". */
static int quota_of_line(char *line)
{
    line[strcspn(line, "\n")] = '\0';
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group)
        return 0;
    *group++ = '\0';
    if (controllers[1] == '\0')
        return smallest_upwards("/sys/fs/cgroup", group, yk__quota_v2);
    for (char *save, *c = strtok_r(controllers + 1, ",", &save); c; c = strtok_r(NULL, ",", &save))
        if (strcmp(c, "cpu") == 0)
            return smallest_upwards("/sys/fs/cgroup/cpu", group, yk__quota_v1);
    return 0;
}

static int quota_count(void)
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (!file)
        return 0;
    int smallest = 0;
    char line[PATH_MAX + 64];
    while (fgets(line, sizeof line, file)) {
        int q = quota_of_line(line);
        if (q > 0 && (smallest == 0 || q < smallest))
            smallest = q;
    }
    fclose(file);
    return smallest;
}

int yk_cpu_count(void)
{
    int cpus = affinity_count();
    int quota = quota_count();
    return quota > 0 && quota < cpus ? quota : cpus;
}
