/* Whole files, and what is done by path. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include <uv.h>

#include "../executor/error.h"
#include "errand.h"
#include "file.h"
#include "file_io.h"

/* ---- Reading and writing to the end ---------------------------------------------------------- */

int yk__read_at(int fd, char *out, size_t cap, uint64_t offset, size_t *len)
{
    size_t done = 0;
    while (done < cap) {
        ssize_t n = pread(fd, out + done, cap - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    *len = done;
    return 0;
}

int yk__write_at(int fd, const char *data, size_t len, uint64_t offset)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = pwrite(fd, data + done, len - done, (off_t)(offset + done));
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            done += (size_t)n;
    }
    return 0;
}

/* ---- An errand with paths -------------------------------------------------------------------- */

struct path_call {
    yk__errand errand;
    int (*fn)(struct path_call *c, yk_job *job);
    char *path, *to;
    mode_t mode;
    struct stat stat;
    size_t limit;
    char *data; /* read, or to be written; names */
    size_t len;
};

static void free_call(yk__errand *e)
{
    struct path_call *c = (struct path_call *)e;
    free(c->path);
    free(c->to);
    free(c->data);
    free(c);
}

static int run_call(yk__errand *e, yk_job *job)
{
    struct path_call *c = (struct path_call *)e;
    return c->fn(c, job);
}

static struct path_call *new_call(int (*fn)(struct path_call *c, yk_job *job), const char *path,
                                  const char *to)
{
    struct path_call *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->errand = (yk__errand){ .run = run_call, .free = free_call };
    c->fn = fn;
    c->path = strdup(path);
    c->to = to ? strdup(to) : NULL;
    if (c->path && (c->to || !to))
        return c;
    free_call(&c->errand);
    return NULL;
}

/* For calls without results. */
static int run_and_free(struct path_call *c, uint64_t deadline)
{
    if (!c)
        return UV_ENOMEM;
    int err = yk__errand_run(&c->errand, deadline);
    yk__errand_unref(&c->errand);
    return err;
}

/* ---- Reading a whole file -------------------------------------------------------------------- */

/* Room for `size` bytes of text and a NUL. */
static int grow(struct path_call *c, size_t size)
{
    char *data = realloc(c->data, size + 1);
    if (!data)
        return UV_ENOMEM;
    c->data = data;
    return 0;
}

/* The size that a file is said to have is a guess: it may grow, and some files say 0. */
static int read_all(struct path_call *c, int fd, size_t guess)
{
    size_t size = guess < c->limit ? guess + 1 : c->limit + 1; /* one more byte shows the end */
    for (;;) {
        size_t n;
        int err = grow(c, size);
        if (!err)
            err = yk__read_at(fd, c->data + c->len, size - c->len, c->len, &n);
        if (err)
            return err;
        c->len += n;
        if (c->len > c->limit)
            return YK_ETOOBIG;
        if (c->len < size)
            break;
        size = size < c->limit / 2 ? 2 * size + 4096 : c->limit + 1;
    }
    c->data[c->len] = 0;
    return 0;
}

static int read_file(struct path_call *c, yk_job *job)
{
    (void)job;
    int fd = open(c->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    struct stat st;
    int err = fstat(fd, &st) ? -errno : 0;
    if (!err)
        err = read_all(c, fd, st.st_size > 0 ? (size_t)st.st_size : 4095);
    close(fd);
    return err;
}

int yk_read_file(const char *path, size_t limit, char **data, size_t *len, uint64_t deadline)
{
    struct path_call *c = new_call(read_file, path, NULL);
    if (!c)
        return UV_ENOMEM;
    c->limit = limit < SIZE_MAX / 4 ? limit : SIZE_MAX / 4;
    int err = yk__errand_run(&c->errand, deadline);
    if (err == 0) {
        *data = c->data;
        *len = c->len;
        c->data = NULL;
    }
    yk__errand_unref(&c->errand);
    return err;
}

/* ---- Writing a whole file -------------------------------------------------------------------- */

/* Creates PATH.XXXXXXXXXXXXXXXX, whose name is put into `name`. */
static int create_beside(const char *path, mode_t mode, char *name, size_t size)
{
    for (int tries = 0; tries < 100; tries++) {
        uint64_t random;
        if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
            return -errno;
        snprintf(name, size, "%s.%016llx", path, (unsigned long long)random);
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (fd >= 0 || errno != EEXIST)
            return fd >= 0 ? fd : -errno;
    }
    return UV_EEXIST;
}

static int write_and_close(int fd, const char *data, size_t len)
{
    int err = yk__write_at(fd, data, len, 0);
    if (!err && fsync(fd))
        err = -errno;
    if (close(fd) && !err)
        err = -errno;
    return err;
}

/* So that the rename itself survives a crash. */
static void sync_folder_of(char *name)
{
    char *slash = strrchr(name, '/');
    if (slash)
        slash[slash == name ? 1 : 0] = 0;
    int fd = open(slash ? name : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

static int write_file(struct path_call *c, yk_job *job)
{
    size_t size = strlen(c->path) + 18;
    char *name = malloc(size);
    if (!name)
        return UV_ENOMEM;
    int fd = create_beside(c->path, c->mode, name, size), err = fd < 0 ? fd : 0;
    if (!err) {
        err = write_and_close(fd, c->data, c->len);
        if (!err)
            err = yk_job_commit(job); /* nobody waits for it any more: leave all as it was */
        if (!err && rename(name, c->path))
            err = -errno;
        if (err)
            unlink(name);
        else
            sync_folder_of(name);
    }
    free(name);
    return err;
}

int yk_write_file(const char *path, const void *data, size_t len, mode_t mode, uint64_t deadline)
{
    struct path_call *c = new_call(write_file, path, NULL);
    if (c && len > 0 && !(c->data = malloc(len))) {
        free_call(&c->errand);
        c = NULL;
    }
    if (!c)
        return UV_ENOMEM;
    if (len > 0)
        memcpy(c->data, data, len);
    c->len = len;
    c->mode = mode;
    return run_and_free(c, deadline);
}

/* ---- Short ones ------------------------------------------------------------------------------ */

static int stat_path(struct path_call *c, yk_job *job)
{
    (void)job;
    return stat(c->path, &c->stat) ? -errno : 0;
}

int yk_fs_stat(const char *path, struct stat *out, uint64_t deadline)
{
    struct path_call *c = new_call(stat_path, path, NULL);
    if (!c)
        return UV_ENOMEM;
    int err = yk__errand_run(&c->errand, deadline);
    if (err == 0)
        *out = c->stat;
    yk__errand_unref(&c->errand);
    return err;
}

static int rename_path(struct path_call *c, yk_job *job)
{
    (void)job;
    return rename(c->path, c->to) ? -errno : 0;
}

int yk_fs_rename(const char *from, const char *to, uint64_t deadline)
{
    return run_and_free(new_call(rename_path, from, to), deadline);
}

static int unlink_path(struct path_call *c, yk_job *job)
{
    (void)job;
    return unlink(c->path) ? -errno : 0;
}

int yk_fs_unlink(const char *path, uint64_t deadline)
{
    return run_and_free(new_call(unlink_path, path, NULL), deadline);
}

static int make_folder(struct path_call *c, yk_job *job)
{
    (void)job;
    return mkdir(c->path, c->mode) ? -errno : 0;
}

int yk_fs_mkdir(const char *path, mode_t mode, uint64_t deadline)
{
    struct path_call *c = new_call(make_folder, path, NULL);
    if (c)
        c->mode = mode;
    return run_and_free(c, deadline);
}

/* ---- The names in a folder ------------------------------------------------------------------- */

static int is_a_name(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* An array of pointers, and behind it what they point to. */
static char *pack(struct dirent **entries, size_t n)
{
    size_t size = n * sizeof(char *);
    for (size_t i = 0; i < n; i++)
        size += strlen(entries[i]->d_name) + 1;
    char **names = malloc(size ? size : 1);
    if (!names)
        return NULL;
    char *to = (char *)(names + n);
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(entries[i]->d_name) + 1;
        names[i] = memcpy(to, entries[i]->d_name, len);
        to += len;
    }
    return (char *)names;
}

static int list(struct path_call *c, yk_job *job)
{
    (void)job;
    struct dirent **entries;
    int n = scandir(c->path, &entries, is_a_name, by_bytes);
    if (n < 0)
        return -errno;
    c->data = pack(entries, (size_t)n);
    c->len = (size_t)n;
    for (int i = 0; i < n; i++)
        free(entries[i]);
    free(entries);
    return c->data ? 0 : UV_ENOMEM;
}

int yk_fs_readdir(const char *path, char ***names, size_t *n, uint64_t deadline)
{
    struct path_call *c = new_call(list, path, NULL);
    if (!c)
        return UV_ENOMEM;
    int err = yk__errand_run(&c->errand, deadline);
    if (err == 0) {
        *names = (char **)c->data;
        *n = c->len;
        c->data = NULL;
    }
    yk__errand_unref(&c->errand);
    return err;
}
