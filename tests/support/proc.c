#include "proc.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_PROCESSES = 4096 };

static ssize_t read_file(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = read(fd, text, size - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n;
}

bool proc_look(pid_t pid, proc_entry *out)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (read_file(path, text, sizeof text) <= 0)
        return false;
    char *open_paren = strchr(text, '('), *close_paren = strrchr(text, ')');
    int parent, group;
    if (!open_paren || !close_paren ||
        sscanf(close_paren + 1, " %c %d %d", &out->state, &parent, &group) != 3)
        return false;
    *close_paren = '\0';
    out->pid = pid;
    out->parent = parent;
    out->group = group;
    snprintf(out->name, sizeof out->name, "%s", open_paren + 1);
    return true;
}

static size_t all_processes(proc_entry *out, size_t max)
{
    DIR *dir = opendir("/proc");
    size_t n = 0;
    struct dirent *e;
    while (dir && n < max && (e = readdir(dir)) != NULL) {
        int pid = atoi(e->d_name);
        if (pid > 0 && proc_look(pid, &out[n]))
            n++;
    }
    if (dir)
        closedir(dir);
    return n;
}

static bool descends(const proc_entry *all, size_t n, pid_t pid, pid_t root)
{
    for (int depth = 0; depth < 64 && pid > 1; depth++) {
        size_t i = 0;
        while (i < n && all[i].pid != pid)
            i++;
        if (i == n)
            return false;
        if (all[i].parent == root)
            return true;
        pid = all[i].parent;
    }
    return false;
}

size_t proc_descendants(pid_t root, proc_entry *out, size_t max)
{
    proc_entry *all = malloc(MAX_PROCESSES * sizeof *all);
    if (!all)
        return 0;
    size_t n = all_processes(all, MAX_PROCESSES), found = 0;
    for (size_t i = 0; i < n; i++)
        if (descends(all, n, all[i].pid, root)) {
            if (found < max)
                out[found] = all[i];
            found++;
        }
    free(all);
    return found;
}

pid_t proc_zygote(void)
{
    proc_entry e[256];
    size_t n = proc_descendants(getpid(), e, 256);
    pid_t zygote = 0;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(e[i].name, "yoke-zygote") != 0 || e[i].state == 'Z')
            continue;
        bool has_children = false;
        for (size_t k = 0; k < n; k++)
            has_children |= e[k].parent == e[i].pid;
        if (!zygote || has_children)
            zygote = e[i].pid;
    }
    return zygote;
}

static int count_entries(pid_t pid, const char *what)
{
    char path[64];
    if (pid)
        snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, what);
    else
        snprintf(path, sizeof path, "/proc/self/%s", what);
    DIR *dir = opendir(path);
    if (!dir)
        return -1;
    int n = 0;
    struct dirent *e;
    while ((e = readdir(dir)) != NULL)
        n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

int proc_fds(pid_t pid)
{
    int n = count_entries(pid, "fd");
    return n > 0 && (pid == 0 || pid == getpid()) ? n - 1 : n; /* without the one that looks */
}

int proc_threads(pid_t pid)
{
    return count_entries(pid, "task");
}

int proc_links(pid_t pid, const char *what)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)(pid ? pid : getpid()));
    DIR *dir = opendir(path);
    if (!dir)
        return -1;
    int n = 0;
    struct dirent *e;
    while ((e = readdir(dir)) != NULL) {
        char link[512];
        ssize_t len = readlinkat(dirfd(dir), e->d_name, link, sizeof link - 1);
        link[len > 0 ? len : 0] = '\0';
        n += strstr(link, what) != NULL;
    }
    closedir(dir);
    return n;
}

int proc_mappings(pid_t pid, const char *what)
{
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%d/maps", (int)(pid ? pid : getpid()));
    FILE *file = fopen(path, "re");
    if (!file)
        return -1;
    int n = 0;
    while (fgets(line, sizeof line, file))
        n += strstr(line, what) != NULL;
    fclose(file);
    return n;
}

void proc_kill_descendants(pid_t root)
{
    proc_entry e[256];
    for (int round = 0; round < 100; round++) {
        size_t n = proc_descendants(root, e, 256), alive = 0;
        for (size_t i = 0; i < n && i < 256; i++) {
            if (e[i].state != 'Z') {
                kill(e[i].pid, SIGKILL);
                alive++;
            } else if (e[i].parent == getpid()) {
                waitpid(e[i].pid, NULL, WNOHANG);
            }
        }
        if (alive == 0)
            return;
    }
}

static void dump_thread(const char *base, const char *tid, int fd)
{
    static const char *const files[] = { "comm", "wchan", "syscall", "stack" };
    dprintf(fd, "  thread %s:", tid);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[512], text[600];
        snprintf(path, sizeof path, "%s/%s/%s", base, tid, files[i]);
        ssize_t n = read_file(path, text, sizeof text);
        if (n <= 0)
            continue;
        for (char *c = text; *c; c++)
            if (*c == '\n')
                *c = ' ';
        dprintf(fd, " %s=%s", files[i], text);
    }
    dprintf(fd, "\n");
}

void proc_dump(pid_t pid, int fd)
{
    proc_entry e;
    if (!proc_look(pid, &e))
        return;
    dprintf(fd, "process %d '%s' state %c parent %d\n", (int)pid, e.name, e.state, (int)e.parent);
    char base[64];
    snprintf(base, sizeof base, "/proc/%d/task", (int)pid);
    DIR *dir = opendir(base);
    struct dirent *t;
    while (dir && (t = readdir(dir)) != NULL)
        if (t->d_name[0] != '.')
            dump_thread(base, t->d_name, fd);
    if (dir)
        closedir(dir);
}
