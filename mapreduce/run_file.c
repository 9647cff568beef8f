/* mapreduce/run_file.c - writing and reading sorted runs.
 *
 * zstd's checksum covers a block's content, and the content's size is in its frame; so damage of
 * any kind ends in YK_ECORRUPT before a record of the block is handed out.
 */
#include "run_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "../executor/error.h"

static const char magic[8] = "YKRUN01\n", end_magic[8] = "YKRUNEND";

enum {
    LEVEL = 1,
    LARGEST_FRAME = INT32_MAX,
    TRAILER = sizeof(uint64_t) + sizeof end_magic,
};

static int negative_errno(void)
{
    return uv_translate_sys_error(errno);
}

static int reserve(char **buffer, size_t *cap, size_t size)
{
    if (size <= *cap)
        return 0;
    char *larger = realloc(*buffer, size);
    if (!larger)
        return UV_ENOMEM;
    *buffer = larger;
    *cap = size;
    return 0;
}

/* ---- Writing ------------------------------------------------------------------------------- */

static int write_all(yk__run_writer *w, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(w->fd, bytes, len);
        if (n < 0 && errno != EINTR)
            return negative_errno();
        if (n < 0)
            continue;
        bytes += n;
        len -= (size_t)n;
        w->offset += (size_t)n;
    }
    return 0;
}

static int write_block(yk__run_writer *w, const char *raw, size_t len)
{
    uint32_t size;
    int err = reserve(&w->packed, &w->packed_cap, sizeof size + ZSTD_compressBound(len));
    if (err)
        return err;
    size_t packed =
        ZSTD_compress2(w->zstd, w->packed + sizeof size, w->packed_cap - sizeof size, raw, len);
    if (ZSTD_isError(packed) || packed > LARGEST_FRAME)
        return ZSTD_isError(packed) ? UV_ENOMEM : UV_E2BIG;
    size = (uint32_t)packed;
    memcpy(w->packed, &size, sizeof size);
    return write_all(w, w->packed, sizeof size + packed);
}

static int flush_block(yk__run_writer *w)
{
    int err = w->raw_len > 0 ? write_block(w, w->raw, w->raw_len) : 0;
    w->raw_len = 0;
    return err;
}

static int make_file(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

static int make_folder(const char *path)
{
    char *folder = strndup(path, (size_t)(strrchr(path, '/') - path));
    int err = folder ? 0 : UV_ENOMEM;
    if (folder && mkdir(folder, 0700) != 0 && errno != EEXIST)
        err = negative_errno();
    free(folder);
    return err;
}

int yk__run_create(yk__run_writer *w, const char *path, yk__form form)
{
    *w = (yk__run_writer){ .fd = -1, .form = form };
    int err = reserve(&w->raw, &w->raw_cap, YK__RUN_BLOCK);
    w->path = strdup(path);
    w->zstd = ZSTD_createCCtx();
    if (err || !w->path || !w->zstd)
        return UV_ENOMEM;
    ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_compressionLevel, LEVEL);
    ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_checksumFlag, 1);
    w->fd = make_file(path);
    if (w->fd < 0 && errno == ENOENT && strchr(path, '/')) {
        err = make_folder(path);
        if (err)
            return err;
        w->fd = make_file(path);
    }
    return w->fd < 0 ? negative_errno() : write_all(w, magic, sizeof magic);
}

/* The records that follow are of a partition behind the last one's. */
static int end_parts(yk__run_writer *w, unsigned next)
{
    int err = flush_block(w);
    if (w->index.at[0] == 0)
        w->index.at[0] = sizeof magic;
    for (; w->part < next; w->part++)
        w->index.at[w->part + 1] = w->offset;
    return err;
}

int yk__run_add(yk__run_writer *w, const yk__view *view, char **value)
{
    unsigned part = yk__part_of(view->head.hash);
    size_t size = yk__packed_size(w->form, view->size, view->head.len);
    int err = part > w->part ? end_parts(w, part) : 0;
    if (!err && w->raw_len + size > YK__RUN_BLOCK)
        err = flush_block(w);
    if (!err && w->raw_cap > 2 * YK__RUN_BLOCK && size <= YK__RUN_BLOCK) { /* a rare large one */
        free(w->raw);
        w->raw = NULL;
        w->raw_cap = 0;
    }
    if (!err)
        err = reserve(&w->raw, &w->raw_cap, size > YK__RUN_BLOCK ? size : YK__RUN_BLOCK);
    if (err)
        return err;
    yk__run_put(w->raw + w->raw_len, w->form, view, value);
    w->raw_len += size;
    w->index.records[part]++;
    return 0;
}

static int write_end(yk__run_writer *w, const void *note, size_t len)
{
    uint64_t offset = w->offset;
    char trailer[TRAILER], *index = malloc(sizeof w->index + len);
    if (!index)
        return UV_ENOMEM;
    memcpy(index, &w->index, sizeof w->index);
    if (len > 0)
        memcpy(index + sizeof w->index, note, len);
    int err = write_block(w, index, sizeof w->index + len);
    free(index);
    memcpy(trailer, &offset, sizeof offset);
    memcpy(trailer + sizeof offset, end_magic, sizeof end_magic);
    return err ? err : write_all(w, trailer, sizeof trailer);
}

int yk__run_finish(yk__run_writer *w, const void *note, size_t len, bool durable)
{
    int err = end_parts(w, YK__PARTS);
    if (!err)
        err = write_end(w, note, len);
    if (!err && durable && fsync(w->fd) != 0)
        err = negative_errno();
    if (err)
        return err;
    int fd = w->fd;
    w->fd = -1;
    if (close(fd) == 0 || errno == EINTR)
        return 0;
    err = negative_errno();
    unlink(w->path);
    return err;
}

int yk__sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = fd < 0 || fsync(fd) != 0 ? negative_errno() : 0;
    if (fd >= 0)
        close(fd);
    return err;
}

int yk__run_publish(const char *temp, const char *path)
{
    if (rename(temp, path) != 0)
        return negative_errno();
    char *folder = strndup(path, (size_t)(strrchr(path, '/') - path));
    int err = folder ? yk__sync_folder(folder) : UV_ENOMEM;
    free(folder);
    return err;
}

void yk__run_writer_free(yk__run_writer *w)
{
    if (w->fd >= 0) {
        close(w->fd);
        unlink(w->path);
    }
    ZSTD_freeCCtx(w->zstd);
    free(w->path);
    free(w->raw);
    free(w->packed);
}

/* ---- Reading ------------------------------------------------------------------------------- */

int yk__run_tools_init(yk__run_tools *tools)
{
    *tools = (yk__run_tools){ .zstd = ZSTD_createDCtx() };
    return tools->zstd ? 0 : UV_ENOMEM;
}

void yk__run_tools_free(yk__run_tools *tools)
{
    ZSTD_freeDCtx(tools->zstd);
    free(tools->packed);
    *tools = (yk__run_tools){ 0 };
}

/* A file that ends early is damaged. */
static int read_at(const yk__run_reader *r, void *to, size_t len, uint64_t offset)
{
    char *at = to;
    while (len > 0) {
        ssize_t n = pread(r->fd, at, len, (off_t)offset);
        if (n < 0 && errno != EINTR)
            return negative_errno();
        if (n == 0)
            return YK_ECORRUPT;
        if (n < 0)
            continue;
        at += n;
        offset += (size_t)n;
        len -= (size_t)n;
    }
    return 0;
}

/* Unpacks the block at *offset, which ends before `end`, into the reader's, and moves on. */
static int read_block(yk__run_reader *r, uint64_t *offset, uint64_t end, size_t *len)
{
    uint32_t size;
    if (end < *offset || end - *offset < sizeof size)
        return YK_ECORRUPT;
    int err = read_at(r, &size, sizeof size, *offset);
    if (!err && size > end - *offset - sizeof size)
        err = YK_ECORRUPT;
    if (!err)
        err = reserve(&r->tools->packed, &r->tools->cap, size);
    if (!err)
        err = read_at(r, r->tools->packed, size, *offset + sizeof size);
    if (err)
        return err;
    unsigned long long content = ZSTD_getFrameContentSize(r->tools->packed, size);
    if (content == ZSTD_CONTENTSIZE_UNKNOWN || content == ZSTD_CONTENTSIZE_ERROR ||
        content > (unsigned long long)size * 40000) /* more than zstd can pack */
        return YK_ECORRUPT;
    err = reserve(&r->block, &r->cap, content);
    if (err)
        return err;
    *len = ZSTD_decompressDCtx(r->tools->zstd, r->block, r->cap, r->tools->packed, size);
    *offset += sizeof size + size;
    return *len == content ? 0 : YK_ECORRUPT;
}

static bool is_plausible(const yk__run_index *index, uint64_t end)
{
    for (unsigned i = 0; i < YK__PARTS; i++)
        if (index->at[i] > index->at[i + 1])
            return false;
    return index->at[0] == sizeof magic && index->at[YK__PARTS] == end;
}

static int read_index(yk__run_reader *r, char **note, size_t *note_len)
{
    struct stat st;
    char begin[sizeof magic], trailer[TRAILER];
    uint64_t offset, at;
    size_t len;
    if (fstat(r->fd, &st) != 0)
        return negative_errno();
    if (st.st_size < (off_t)(sizeof begin + sizeof trailer))
        return YK_ECORRUPT;
    uint64_t end = (uint64_t)st.st_size - sizeof trailer;
    int err = read_at(r, begin, sizeof begin, 0);
    if (!err)
        err = read_at(r, trailer, sizeof trailer, end);
    if (err)
        return err;
    memcpy(&offset, trailer, sizeof offset);
    if (memcmp(begin, magic, sizeof magic) != 0 ||
        memcmp(trailer + sizeof offset, end_magic, sizeof end_magic) != 0)
        return YK_ECORRUPT;
    at = offset;
    err = read_block(r, &at, end, &len);
    if (err)
        return err;
    if (at != end || len < sizeof r->index)
        return YK_ECORRUPT;
    memcpy(&r->index, r->block, sizeof r->index);
    if (!is_plausible(&r->index, offset))
        return YK_ECORRUPT;
    if (!note)
        return 0;
    *note_len = len - sizeof r->index;
    *note = malloc(*note_len + 1);
    if (!*note)
        return UV_ENOMEM;
    memcpy(*note, r->block + sizeof r->index, *note_len);
    return 0;
}

int yk__run_open(yk__run_reader *r, yk__run_tools *tools, const char *path, yk__form form,
                 char **note, size_t *len)
{
    *r = (yk__run_reader){ .tools = tools, .path = path, .form = form };
    r->fd = open(path, O_RDONLY | O_CLOEXEC);
    int err = r->fd < 0 ? negative_errno() : read_index(r, note, len);
    if (err)
        yk__run_close(r);
    return err;
}

void yk__run_select(yk__run_reader *r, unsigned part)
{
    r->offset = r->index.at[part];
    r->end = r->index.at[part + 1];
    r->next = r->limit = NULL;
}

int yk__run_read(yk__run_reader *r, yk__view *view)
{
    while (r->next == r->limit) {
        size_t len;
        if (r->offset == r->end)
            return 0;
        int err = read_block(r, &r->offset, r->end, &len);
        if (err)
            return err;
        r->next = r->block;
        r->limit = r->block + len;
    }
    return yk__run_next(&r->next, r->limit, r->form, view) ? 1 : YK_ECORRUPT;
}

void yk__run_close(yk__run_reader *r)
{
    if (r->fd >= 0)
        close(r->fd);
    free(r->block);
    r->fd = -1;
    r->block = NULL;
    r->cap = 0;
}
