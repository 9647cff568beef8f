/* Open files. What an errand does with one, it does under a reference to it: a call that was left
 * to its thread never finds the descriptor closed, or open to something else.
 */
#include "file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "../executor/error.h"
#include "errand.h"
#include "file_io.h"

#define MOST_AT_ONCE ((size_t)1 << 20)

struct yk_file {
    _Atomic uint32_t refs;
    int fd;
    uint64_t position; /* the loop's thread's */
};

/* Of the last reference: what close() returned. */
static int file_unref(yk_file *f)
{
    if (!f || atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1)
        return 0;
    int err = f->fd >= 0 && close(f->fd) ? -errno : 0;
    free(f);
    return err;
}

/* One call on a file. */
struct file_call {
    yk__errand errand;
    yk_file *file;
    int (*fn)(struct file_call *c); /* of those that are only passed on */
    uint64_t offset;
    size_t len;
    union {
        struct stat stat;
        struct {
            int flags;
            mode_t mode;
        } open;
    };
    char bytes[]; /* read, or to be written; a path */
};

static void free_call(yk__errand *e)
{
    struct file_call *c = (struct file_call *)e;
    file_unref(c->file);
    free(c);
}

static int run_call(yk__errand *e, yk_job *job)
{
    struct file_call *c = (struct file_call *)e;
    (void)job;
    return c->fn(c);
}

static struct file_call *new_call(yk_file *f, int (*fn)(struct file_call *c), size_t room)
{
    struct file_call *c = room < SIZE_MAX / 2 ? malloc(sizeof *c + room) : NULL;
    if (!c)
        return NULL;
    *c = (struct file_call){ .file = f, .fn = fn, .len = room };
    c->errand = (yk__errand){ .run = run_call, .free = free_call };
    if (f)
        atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
    return c;
}

/* ---- Opening and closing --------------------------------------------------------------------- */

static int open_it(struct file_call *c)
{
    c->file->fd = open(c->bytes, c->open.flags | O_CLOEXEC, c->open.mode);
    return c->file->fd < 0 ? -errno : 0;
}

int yk_file_open(yk_file **file, const char *path, int flags, mode_t mode, uint64_t deadline)
{
    yk_file *f = calloc(1, sizeof *f);
    struct file_call *c = f ? new_call(NULL, open_it, strlen(path) + 1) : NULL;
    if (!c) {
        free(f);
        return UV_ENOMEM;
    }
    atomic_init(&f->refs, 1);
    f->fd = -1;
    memcpy(c->bytes, path, c->len);
    c->file = f;
    c->open.flags = flags;
    c->open.mode = mode;
    int err = yk__errand_run(&c->errand, deadline);
    if (err == 0) {
        *file = f;
        c->file = NULL;
    }
    yk__errand_unref(&c->errand);
    return err;
}

static int close_it(struct file_call *c)
{
    yk_file *f = c->file;
    c->file = NULL;
    return file_unref(f);
}

int yk_file_close(yk_file *f, uint64_t deadline)
{
    if (!f)
        return 0;
    struct file_call *c = new_call(NULL, close_it, 0);
    if (!c) {
        file_unref(f);
        return UV_ENOMEM;
    }
    c->file = f; /* with the caller's reference */
    int err = yk__errand_run(&c->errand, deadline);
    yk__errand_unref(&c->errand);
    return err;
}

/* ---- Reading and writing --------------------------------------------------------------------- */

static int read_it(struct file_call *c)
{
    return yk__read_at(c->file->fd, c->bytes, c->len, c->offset, &c->len);
}

int yk_file_pread(yk_file *f, void *out, size_t cap, uint64_t offset, size_t *len,
                  uint64_t deadline)
{
    if (!f || cap == 0)
        return UV_EINVAL;
    struct file_call *c = new_call(f, read_it, cap < MOST_AT_ONCE ? cap : MOST_AT_ONCE);
    if (!c)
        return UV_ENOMEM;
    c->offset = offset;
    int err = yk__errand_run(&c->errand, deadline);
    if (err == 0 && c->len == 0)
        err = YK_END;
    if (err == 0) {
        memcpy(out, c->bytes, c->len);
        *len = c->len;
    }
    yk__errand_unref(&c->errand);
    return err;
}

int yk_file_read(yk_file *f, void *out, size_t cap, size_t *len, uint64_t deadline)
{
    if (!f)
        return UV_EINVAL;
    size_t n;
    int err = yk_file_pread(f, out, cap, f->position, &n, deadline);
    if (err)
        return err;
    f->position += n;
    *len = n;
    return 0;
}

static int write_it(struct file_call *c)
{
    return yk__write_at(c->file->fd, c->bytes, c->len, c->offset);
}

int yk_file_pwrite(yk_file *f, const void *data, size_t len, uint64_t offset, uint64_t deadline)
{
    if (!f)
        return UV_EINVAL;
    struct file_call *c = new_call(f, write_it, len);
    if (!c)
        return UV_ENOMEM;
    memcpy(c->bytes, data, len);
    c->offset = offset;
    int err = yk__errand_run(&c->errand, deadline);
    yk__errand_unref(&c->errand);
    return err;
}

int yk_file_write(yk_file *f, const void *data, size_t len, uint64_t deadline)
{
    if (!f)
        return UV_EINVAL;
    int err = yk_file_pwrite(f, data, len, f->position, deadline);
    if (err == 0)
        f->position += len;
    return err;
}

/* ---- The rest -------------------------------------------------------------------------------- */

static int sync_it(struct file_call *c)
{
    return fsync(c->file->fd) ? -errno : 0;
}

int yk_file_sync(yk_file *f, uint64_t deadline)
{
    struct file_call *c = f ? new_call(f, sync_it, 0) : NULL;
    if (!c)
        return f ? UV_ENOMEM : UV_EINVAL;
    int err = yk__errand_run(&c->errand, deadline);
    yk__errand_unref(&c->errand);
    return err;
}

static int stat_it(struct file_call *c)
{
    return fstat(c->file->fd, &c->stat) ? -errno : 0;
}

int yk_file_stat(yk_file *f, struct stat *out, uint64_t deadline)
{
    struct file_call *c = f ? new_call(f, stat_it, 0) : NULL;
    if (!c)
        return f ? UV_ENOMEM : UV_EINVAL;
    int err = yk__errand_run(&c->errand, deadline);
    if (err == 0)
        *out = c->stat;
    yk__errand_unref(&c->errand);
    return err;
}
