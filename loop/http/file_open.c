/* Opening files beneath a folder, and nowhere else.
 *
 * The kernel can be told to stay there (openat2 with RESOLVE_BENEATH), and to fail rather than wait
 * for the disk (RESOLVE_CACHED): then a thread waits. Where there is no openat2 (some sandboxes
 * forbid it), the path is gone step by step, and no symbolic link is followed at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <uv.h>

#include "../../executor/clock.h"
#include "../errand.h"
#include "files_internal.h"

#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20 /* Linux 5.12 */
#endif

/* A FIFO that somebody has put there must not hold us up, either. */
#define FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

static int result_of(long fd)
{
    return fd < 0 ? uv_translate_sys_error(errno) : (int)fd;
}

static int open_beneath(int root, const char *path, uint64_t resolve)
{
    struct open_how how = { .flags = FLAGS, .resolve = resolve };
    if (root != AT_FDCWD)
        how.resolve |= RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    return result_of(syscall(SYS_openat2, root, path, &how, sizeof how));
}

/* ---- Step by step ---------------------------------------------------------------------------- */

/* One step from `dir`, which is given back unless it is the root. */
static int step(int root, int dir, const char *name, int flags)
{
    int fd = strcmp(name, "..") == 0 ? UV_EXDEV
                                     : result_of(openat(dir, name, flags | O_NOFOLLOW | O_CLOEXEC));
    if (dir != root)
        close(dir);
    return fd;
}

int yk__file_walk(int root, const char *path)
{
    char *copy = strdup(path), *at = copy;
    int dir = copy ? root : UV_ENOMEM;
    if (*path == '/')
        dir = UV_EXDEV;
    for (char *slash; dir >= 0 && (slash = strchr(at, '/')); at = slash + 1) {
        *slash = '\0';
        if (*at)
            dir = step(root, dir, at, O_PATH | O_DIRECTORY);
    }
    if (dir >= 0)
        dir = step(root, dir, *at ? at : ".", FLAGS);
    free(copy);
    return dir;
}

/* ---- On a thread ----------------------------------------------------------------------------- */

typedef struct opening {
    yk__errand errand;
    int root, fd;
    char path[];
} opening;

static int open_there(yk__errand *e, yk_job *job)
{
    opening *o = (opening *)e;
    (void)job;
    o->fd = open_beneath(o->root, o->path, 0);
    if (o->fd == UV_ENOSYS || o->fd == UV_EPERM)
        o->fd =
            o->root == AT_FDCWD ? result_of(open(o->path, FLAGS)) : yk__file_walk(o->root, o->path);
    return o->fd < 0 ? o->fd : 0;
}

static void free_opening(yk__errand *e)
{
    opening *o = (opening *)e;
    if (o->fd >= 0)
        close(o->fd);
    free(o);
}

static int open_on_thread(int root, const char *path)
{
    size_t len = strlen(path) + 1;
    opening *o = malloc(sizeof *o + len);
    if (!o)
        return UV_ENOMEM;
    *o = (opening){ .errand = { .run = open_there, .free = free_opening }, .root = root, .fd = -1 };
    memcpy(o->path, path, len);
    int result = yk__errand_run(&o->errand, YK_FOREVER);
    if (!result) {
        result = o->fd;
        o->fd = -1;
    }
    yk__errand_unref(&o->errand);
    return result;
}

int yk__file_open_in(int root, const char *path)
{
    int fd = open_beneath(root, path, RESOLVE_CACHED);
    bool undecided = fd == UV_EAGAIN || fd == UV_EINVAL /* an older kernel */ || fd == UV_ENOSYS ||
                     fd == UV_EPERM;
    return undecided ? open_on_thread(root, path) : fd;
}
