/* Reads the kernel's counts of processes killed for lack of memory: in version 2 of control groups
 * memory.events, in version 1 memory.oom_control, for the whole system /proc/vmstat. All have had a
 * line "oom_kill" since Linux 4.13; yoke needs 5.3 as it is. */
#include "oom.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The number behind "oom_kill " in the file; false: no file, no such line. */
static bool read_kills(const char *path, uint64_t *kills)
{
    static const char key[] = "oom_kill ";
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    char line[256], *end;
    bool found = false;
    while (!found && fgets(line, sizeof line, file)) {
        const char *digits = line + sizeof key - 1;
        if (strncmp(line, key, sizeof key - 1) != 0 || *digits < '0' || *digits > '9')
            continue;
        *kills = strtoull(digits, &end, 10);
        found = *end == '\n' || *end == '\0';
    }
    fclose(file);
    return found;
}

static uint64_t hash(const char *text)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 1099511628211u;
    return h ? h : 1;
}

static bool read_mark(const char *path, yk__oom_mark *mark)
{
    if (!read_kills(path, &mark->kills))
        return false;
    mark->group = hash(path);
    return true;
}

/* In a container the group's own path may not be there, but one above it is, as the mount. */
static bool read_upwards(const char *root, const char *mount, char *group, const char *name,
                         yk__oom_mark *mark)
{
    for (;;) {
        char path[PATH_MAX];
        int n = snprintf(path, sizeof path, "%s%s%s/%s", root, mount,
                         strcmp(group, "/") == 0 ? "" : group, name);
        if (n > 0 && (size_t)n < sizeof path && read_mark(path, mark))
            return true;
        char *slash = strrchr(group, '/');
        if (!slash)
            return false;
        *slash = '\0';
    }
}

/* A line of /proc/PID/cgroup: "0::/path" (version 2) or "4:memory:/path". */
static bool read_of_line(const char *root, char *line, yk__oom_mark *mark)
{
    line[strcspn(line, "\n")] = '\0';
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group)
        return false;
    *group++ = '\0';
    if (controllers[1] == '\0')
        return read_upwards(root, "/sys/fs/cgroup", group, "memory.events", mark);
    for (char *save, *c = strtok_r(controllers + 1, ",", &save); c; c = strtok_r(NULL, ",", &save))
        if (strcmp(c, "memory") == 0)
            return read_upwards(root, "/sys/fs/cgroup/memory", group, "memory.oom_control", mark);
    return false;
}

yk__oom_mark yk__oom_read(const char *root, pid_t pid)
{
    char path[PATH_MAX], line[PATH_MAX + 64];
    yk__oom_mark mark = { 0, 0 };
    if (pid)
        snprintf(path, sizeof path, "%s/proc/%d/cgroup", root, (int)pid);
    else
        snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    bool found = false;
    while (file && !found && fgets(line, sizeof line, file))
        found = read_of_line(root, line, &mark);
    if (file)
        fclose(file);
    if (!found) {
        snprintf(path, sizeof path, "%s/proc/vmstat", root);
        read_mark(path, &mark);
    }
    return mark;
}

bool yk__oom_was_it(yk__oom_mark *explained, yk__oom_mark start, yk__oom_mark end)
{
    if (start.group == 0 || start.group != end.group)
        return false;
    bool same = explained->group == end.group && explained->kills > start.kills;
    uint64_t before = same ? explained->kills : start.kills;
    if (end.kills <= before)
        return false;
    *explained = (yk__oom_mark){ end.group, before + 1 };
    return true;
}
