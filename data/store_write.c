/* data/store_write.c - writes a store: LMDB's bulk load, key after key.
 *
 * LMDB keeps the pages of a transaction in memory, and may enlarge its map only between two. So the
 * load is cut into transactions of some megabytes, and the map grows ahead of them. Nothing reaches
 * the disk by force before the end, for until then the file has no name.
 */
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "data/lmdb_pages.h"
#include "data/store.h"
#include "data/store_form.h"
#include "executor/error.h"

#define BATCH    ((size_t)8 << 20)  /* bytes of records in a transaction */
#define HEADROOM ((size_t)64 << 20) /* of the map, for a transaction */

struct ngram_store_writer {
    int fd; /* its own: the caller's may be for writing alone */
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi ngrams;
    size_t map, in_batch;
    uint64_t count;
    ngram_sums *sums;
    char *last; /* the last n-gram */
    size_t last_length, last_room;
    uint8_t *group; /* the value of long n-grams with one beginning, not yet put */
    size_t group_size, group_room;
};

static int error_of(int code)
{
    switch (code) {
    case 0:
        return 0;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
        return UV_ENOSPC;
    case MDB_KEYEXIST:
    case MDB_BAD_VALSIZE:
        return UV_EINVAL;
    default:
        return code > 0 ? uv_translate_sys_error(code) : UV_EIO;
    }
}

/* LMDB says EIO of a write that was cut short. The next one says why: there is no room, say. */
static int why_cut_short(int fd)
{
    static const char page[4096];
    off_t end = lseek(fd, 0, SEEK_END);
    for (size_t done = 0; done < sizeof page;) {
        ssize_t n = pwrite(fd, page + done, sizeof page - done, end + (off_t)done);
        if (n < 0)
            return uv_translate_sys_error(errno);
        done += (size_t)n;
    }
    return UV_EIO;
}

static int result_of(const ngram_store_writer *w, int code)
{
    return code == EIO ? why_cut_short(w->fd) : error_of(code);
}

/* ---- Transactions -------------------------------------------------------------------------- */

static int begin_batch(ngram_store_writer *w)
{
    MDB_stat stat;
    MDB_envinfo info;
    mdb_env_info(w->env, &info);
    mdb_env_stat(w->env, &stat);
    size_t used = (info.me_last_pgno + 1) * stat.ms_psize;
    int code = 0;
    if (used + HEADROOM > w->map) {
        w->map = 2 * (used + HEADROOM);
        code = mdb_env_set_mapsize(w->env, w->map);
    }
    w->in_batch = 0;
    if (!code)
        code = mdb_txn_begin(w->env, NULL, 0, &w->txn);
    return error_of(code);
}

static int end_batch(ngram_store_writer *w)
{
    MDB_txn *txn = w->txn;
    w->txn = NULL;
    return result_of(w, mdb_txn_commit(txn));
}

static int open_env(ngram_store_writer *w, const char *path)
{
    int code = mdb_env_create(&w->env);
    if (!code)
        code = mdb_env_set_maxdbs(w->env, 2);
    if (!code)
        code = mdb_env_set_mapsize(w->env, w->map = HEADROOM);
    if (!code)
        code = mdb_env_open(w->env, path, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOSYNC | MDB_NORDAHEAD,
                            0600);
    int err = code ? error_of(code) : begin_batch(w);
    return err ? err : error_of(mdb_dbi_open(w->txn, NGRAM__NGRAMS, MDB_CREATE, &w->ngrams));
}

/* Ends a transaction that was not committed, and lets LMDB go. */
static void close_env(ngram_store_writer *w)
{
    if (w->txn)
        mdb_txn_abort(w->txn);
    if (w->env)
        mdb_env_close(w->env);
    w->txn = NULL;
    w->env = NULL;
}

static void free_writer(ngram_store_writer *w)
{
    close_env(w);
    ngram_sums_free(w->sums);
    free(w->last);
    free(w->group);
    if (w->fd >= 0)
        close(w->fd);
    free(w);
}

int ngram_store_begin(ngram_store_writer **writer, int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return UV_EBADF;
    if (!S_ISREG(st.st_mode) || st.st_size != 0)
        return UV_EINVAL;
    ngram_store_writer *w = calloc(1, sizeof *w);
    if (!w)
        return UV_ENOMEM;
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    w->fd = open(path, O_RDWR | O_CLOEXEC);
    w->sums = ngram_sums_new();
    int err = w->sums ? 0 : UV_ENOMEM;
    if (w->fd < 0)
        err = uv_translate_sys_error(errno);
    if (!err)
        err = open_env(w, path);
    if (err) {
        free_writer(w);
        return err;
    }
    *writer = w;
    return 0;
}

void ngram_store_abandon(ngram_store_writer *w)
{
    if (w)
        free_writer(w);
}

/* ---- Records ------------------------------------------------------------------------------- */

static int put_record(ngram_store_writer *w, const char *key, size_t key_size, const void *value,
                      size_t size)
{
    int err = 0;
    if (w->in_batch > BATCH) {
        err = end_batch(w);
        if (!err)
            err = begin_batch(w);
    }
    w->in_batch += key_size + size;
    MDB_val k = { key_size, (void *)(uintptr_t)key }, v = { size, (void *)(uintptr_t)value };
    return err ? err : result_of(w, mdb_put(w->txn, w->ngrams, &k, &v, MDB_APPEND));
}

static int make_room(void *buffer, size_t *room, size_t size)
{
    char **bytes = buffer;
    if (size <= *room)
        return 0;
    char *more = realloc(*bytes, 2 * size);
    if (!more)
        return UV_ENOMEM;
    *bytes = more;
    *room = 2 * size;
    return 0;
}

/* Puts the record of the long n-grams that begin as the last one does, if it is one. */
static int put_group(ngram_store_writer *w)
{
    int err = 0;
    if (w->group_size > 0)
        err = put_record(w, w->last, NGRAM__LONG, w->group, w->group_size);
    w->group_size = 0;
    return err;
}

static int add_to_group(ngram_store_writer *w, const char *rest, size_t length, const void *packed,
                        size_t size)
{
    uint32_t head[2] = { (uint32_t)length, (uint32_t)size };
    if (length > UINT32_MAX / 4 || size > UINT32_MAX / 4 || w->group_size > UINT32_MAX / 4)
        return UV_E2BIG;
    int err = make_room(&w->group, &w->group_room, w->group_size + sizeof head + length + size);
    if (err)
        return err;
    uint8_t *to = w->group + w->group_size;
    memcpy(to, head, sizeof head);
    memcpy(to + sizeof head, rest, length);
    memcpy(to + sizeof head + length, packed, size);
    w->group_size += sizeof head + length + size;
    return 0;
}

static yk__bytes bytes_of(const char *at, size_t size)
{
    return (yk__bytes){ (const uint8_t *)at, size };
}

static int remember(ngram_store_writer *w, const char *ngram, size_t length)
{
    int err = make_room(&w->last, &w->last_room, length);
    if (err)
        return err;
    memcpy(w->last, ngram, length);
    w->last_length = length;
    return 0;
}

int ngram_store_put(ngram_store_writer *w, const char *ngram, size_t length, const void *packed,
                    size_t size)
{
    bool is_long = length >= NGRAM__LONG;
    if (length == 0 ||
        yk__compare_bytes(bytes_of(w->last, w->last_length), bytes_of(ngram, length)) >= 0)
        return UV_EINVAL;
    int err = ngram_sums_add(w->sums, packed, size);
    if (!err && (!is_long || (w->group_size > 0 && memcmp(w->last, ngram, NGRAM__LONG) != 0)))
        err = put_group(w);
    if (!err)
        err = remember(w, ngram, length);
    w->count++;
    if (err)
        return err;
    return is_long ? add_to_group(w, ngram + NGRAM__LONG, length - NGRAM__LONG, packed, size)
                   : put_record(w, ngram, length, packed, size);
}

/* ---- The end ------------------------------------------------------------------------------- */

static int put_about(ngram_store_writer *w, MDB_dbi about, const char *name, const void *value,
                     size_t size)
{
    MDB_val k = { strlen(name), (void *)(uintptr_t)name }, v = { size, (void *)(uintptr_t)value };
    return result_of(w, mdb_put(w->txn, about, &k, &v, 0));
}

static int put_text(ngram_store_writer *w, MDB_dbi about, const char *name, const char *text)
{
    return put_about(w, about, name, text ? text : "", text ? strlen(text) : 0);
}

static int put_sources(ngram_store_writer *w, MDB_dbi about, const char *const *names)
{
    size_t size = 0, room = 0;
    char *text = NULL;
    int err = 0;
    for (; !err && names && *names; names++) {
        size_t length = strlen(*names);
        err = make_room(&text, &room, size + length + 1);
        if (err)
            break;
        memcpy(text + size, *names, length);
        text[size + length] = '\n';
        size += length + 1;
    }
    if (!err)
        err = put_about(w, about, NGRAM__SOURCES, text ? text : "", size);
    free(text);
    return err;
}

static int put_years(ngram_store_writer *w, MDB_dbi about)
{
    size_t n = ngram_sums_count(w->sums);
    ngram_point *points = malloc((n + 1) * sizeof *points);
    uint8_t *packed = malloc(NGRAM_PACKED_MAX(n));
    int err = UV_ENOMEM;
    if (points && packed) {
        ngram_sums_points(w->sums, points);
        err = put_about(w, about, NGRAM__YEARS, packed, ngram_series_pack(packed, points, n));
    }
    free(points);
    free(packed);
    return err;
}

static int put_all_about(ngram_store_writer *w, const ngram_store_origin *origin)
{
    MDB_dbi about;
    char count[24];
    snprintf(count, sizeof count, "%llu", (unsigned long long)w->count);
    int err = error_of(mdb_dbi_open(w->txn, NGRAM__ABOUT, MDB_CREATE, &about));
    if (!err)
        err = put_text(w, about, NGRAM__FORMAT, NGRAM__FORMAT_VERSION);
    if (!err)
        err = put_text(w, about, NGRAM__RELEASE, origin->release);
    if (!err)
        err = put_text(w, about, NGRAM__LANGUAGE, origin->language);
    if (!err)
        err = put_text(w, about, NGRAM__COUNT, count);
    if (!err)
        err = put_sources(w, about, origin->sources);
    return err ? err : put_years(w, about);
}

int ngram_store_finish(ngram_store_writer *w, const ngram_store_origin *origin)
{
    int err = put_group(w);
    if (!err)
        err = put_all_about(w, origin);
    if (!err)
        err = end_batch(w);
    close_env(w);
    if (!err)
        err = yk__pages_seal(w->fd);
    if (!err && fsync(w->fd) < 0)
        err = uv_translate_sys_error(errno);
    free_writer(w);
    return err;
}
