/* Reads the kernel's counts of processes killed for lack of memory: in version 2 of control groups
 * memory.events, in version 1 memory.oom_control, for the whole system /proc/vmstat. All have had a
 * line "oom_kill" since Linux 4.13; yoke needs 5.3 as it is. */
#include "oom.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The number behind "oom_kill " in the file; false: no file, no such line. */
static bool read_kills(const char *path, yk__oom_mark *mark)
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
        mark->kills = strtoull(digits, &end, 10);
        found = *end == '\n' || *end == '\0';
    }
    struct stat s;
    mark->inode = fstat(fileno(file), &s) == 0 ? s.st_ino : 0;
    fclose(file);
    return found;
}

static bool read_mark(const char *path, yk__oom_mark *mark)
{
    if (strlen(path) >= sizeof mark->file || !read_kills(path, mark))
        return false;
    strcpy(mark->file, path);
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

void yk__oom_read(yk__oom_mark *mark, const char *root, pid_t pid)
{
    char path[PATH_MAX], line[PATH_MAX + 64];
    *mark = (yk__oom_mark){ 0 };
    if (pid)
        snprintf(path, sizeof path, "%s/proc/%d/cgroup", root, (int)pid);
    else
        snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    bool found = false;
    while (file && !found && fgets(line, sizeof line, file))
        found = read_of_line(root, line, mark);
    if (file)
        fclose(file);
    if (!found) {
        snprintf(path, sizeof path, "%s/proc/vmstat", root);
        read_mark(path, mark);
    }
}

void yk__oom_read_dead(yk__oom_mark *mark, const char *root, pid_t pid, const yk__oom_mark *start)
{
    bool version_1 = strstr(start->file, "/memory.oom_control") != NULL;
    if (version_1 && read_mark(start->file, mark))
        return;
    yk__oom_read(mark, root, pid);
}

static bool is_taken(const yk__oom_book *book, uint64_t kill)
{
    if (kill <= book->base)
        return true;
    return kill - book->base <= 64 && (book->taken >> (kill - book->base - 1) & 1);
}

static void take(yk__oom_book *book, uint64_t kill)
{
    if (kill - book->base > 64) { /* what is that long ago is nobody's any more */
        uint64_t by = kill - book->base - 64;
        book->taken = by < 64 ? book->taken >> by : 0;
        book->base += by;
    }
    book->taken |= (uint64_t)1 << (kill - book->base - 1);
}

bool yk__oom_was_it(yk__oom_book *book, const yk__oom_mark *start, const yk__oom_mark *end)
{
    if (!start->file[0] || start->inode != end->inode || strcmp(start->file, end->file) != 0)
        return false;
    if (book->inode != end->inode || strcmp(book->file, end->file) != 0) {
        *book =
            (yk__oom_book){ .inode = end->inode, .base = end->kills > 64 ? end->kills - 64 : 0 };
        strcpy(book->file, end->file);
    }
    uint64_t kill = start->kills < book->base ? book->base + 1 : start->kills + 1;
    while (kill <= end->kills && is_taken(book, kill))
        kill++;
    if (kill > end->kills)
        return false;
    take(book, kill);
    return true;
}
