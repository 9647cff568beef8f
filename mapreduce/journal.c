/* mapreduce/journal.c - the directory of a job that can be resumed. */
#include "journal.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>
#include <zstd.h>

#include "engine.h"
#include "job_text.h"
#include "run_file.h"
#include "spill_tasks.h"

static const char magic[8] = "YKJRN01\n";

enum { LARGEST_TEXT = 1 << 28 };

static int negative_errno(void)
{
    return uv_translate_sys_error(errno);
}

static char *path_in(const char *folder, const char *name)
{
    char *path;
    return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

static int explain(yk__engine *e, int err)
{
    return yk__explain(e, err, "%s: %s", e->o.journal, yk_strerror(err));
}

/* ---- The file `job` ------------------------------------------------------------------------ */

static char *pack_text(const char *text, size_t *size)
{
    size_t len = strlen(text), cap = ZSTD_compressBound(len);
    char *bytes = malloc(sizeof magic + cap);
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    size_t packed = 0;
    if (bytes && zstd) {
        memcpy(bytes, magic, sizeof magic);
        ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
        packed = ZSTD_compress2(zstd, bytes + sizeof magic, cap, text, len);
    }
    ZSTD_freeCCtx(zstd);
    if (packed > 0 && !ZSTD_isError(packed)) {
        *size = sizeof magic + packed;
        return bytes;
    }
    free(bytes);
    return NULL;
}

/* The text, or NULL: it is none, or there is no memory. */
static char *unpack_text(const char *bytes, size_t size)
{
    if (size < sizeof magic || memcmp(bytes, magic, sizeof magic) != 0)
        return NULL;
    bytes += sizeof magic;
    size -= sizeof magic;
    unsigned long long len = ZSTD_getFrameContentSize(bytes, size);
    if (len > LARGEST_TEXT) /* or unknown, or damaged */
        return NULL;
    char *text = malloc(len + 1);
    if (!text || ZSTD_decompress(text, len, bytes, size) != len) {
        free(text);
        return NULL;
    }
    text[len] = '\0';
    return text;
}

static int write_whole(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno != EINTR)
            return negative_errno();
        bytes += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return fsync(fd) == 0 ? 0 : negative_errno();
}

/* Under another name first, so that it is there whole or not at all. */
static int write_job(const char *folder, const char *text)
{
    size_t size = 0;
    char *bytes = pack_text(text, &size), *temp = path_in(folder, "job.tmp"),
         *path = path_in(folder, "job");
    int err = bytes && temp && path ? 0 : UV_ENOMEM, fd = -1;
    if (!err) {
        fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        err = fd < 0 ? negative_errno() : write_whole(fd, bytes, size);
    }
    if (fd >= 0)
        close(fd);
    if (!err && rename(temp, path) != 0)
        err = negative_errno();
    if (!err)
        err = yk__sync_folder(folder);
    free(bytes);
    free(temp);
    free(path);
    return err;
}

static int read_job(int fd, char **text)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return negative_errno();
    size_t size = st.st_size < LARGEST_TEXT ? (size_t)st.st_size : 0;
    char *bytes = malloc(size + 1);
    ssize_t n = bytes ? pread(fd, bytes, size, 0) : -1;
    *text = n == (ssize_t)size ? unpack_text(bytes, size) : NULL;
    free(bytes);
    return *text ? 0 : YK_ECORRUPT;
}

/* ---- Opening ------------------------------------------------------------------------------- */

static bool is_numbered(const char *name, const char *what)
{
    size_t len = strlen(what);
    return strncmp(name, what, len) == 0 && isdigit((unsigned char)name[len]) &&
           name[len + strspn(name + len, "0123456789-.tmp")] == '\0';
}

/* But for the lock. */
static bool is_ours(const char *name)
{
    return strcmp(name, "job") == 0 || strcmp(name, "job.tmp") == 0 || strcmp(name, "work") == 0 ||
           is_numbered(name, "run-") || is_numbered(name, "early-");
}

static bool is_run(const char *name)
{
    return is_numbered(name, "run-") && !strchr(name, '.');
}

/* A folder with something else in it was named by mistake. */
static int refuse_strange_folder(yk__engine *e)
{
    DIR *dir = opendir(e->journal.folder);
    if (!dir)
        return explain(e, negative_errno());
    bool strange = false;
    for (struct dirent *d; (d = readdir(dir)) != NULL;)
        strange |= d->d_name[0] != '.' && !is_ours(d->d_name) && strcmp(d->d_name, "lock") != 0;
    closedir(dir);
    return strange
               ? yk__explain(e, UV_ENOTEMPTY, "%s: is not empty and has no journal", e->o.journal)
               : 0;
}

/* `job` goes first: what is left without it is no journal, and is removed before there is one. */
static void remove_ours(const char *folder)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return;
    unlinkat(dirfd(dir), "job", 0);
    for (struct dirent *d; (d = readdir(dir)) != NULL;)
        if (is_ours(d->d_name))
            unlinkat(dirfd(dir), d->d_name, 0);
    closedir(dir);
}

/* What cannot be read twice cannot be resumed. */
static int refuse_pipes(yk__engine *e)
{
    for (size_t i = 0; i < e->n_files; i++)
        if (!e->files[i].about.regular)
            return yk__explain(e, UV_EINVAL,
                               "%s: cannot be read again, so the job cannot be resumed",
                               e->files[i].name);
    return 0;
}

static int compare_jobs(yk__engine *e, int fd, char *now)
{
    char *then = NULL;
    unsigned long long seed = 0;
    int err = read_job(fd, &then);
    if (!err)
        err = yk__job_text_chosen(then, &e->journal.piece, &seed);
    const char *what = err ? NULL : yk__job_text_differs(then, now);
    e->seed = seed;
    free(then);
    if (err)
        return yk__explain(e, err, "%s/job: %s; remove the directory to begin again", e->o.journal,
                           yk_strerror(err));
    if (what)
        return yk__explain(e, UV_EINVAL,
                           "%s: is the journal of another job (%s); remove it to begin again",
                           e->o.journal, what);
    return 0;
}

/* Until it is locked nothing is touched. A lock without a name is that of a job which is just
 * ending. */
static int lock(yk__engine *e)
{
    char *path = path_in(e->journal.folder, "lock");
    if (!path)
        return UV_ENOMEM;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int err = fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0 ? negative_errno() : 0;
    struct stat st;
    free(path);
    if (!err && (fstat(fd, &st) != 0 || st.st_nlink == 0))
        err = UV_EAGAIN;
    if (!err) {
        e->journal.fd = fd;
        return 0;
    }
    if (fd >= 0)
        close(fd);
    return err == UV_EAGAIN ? yk__explain(e, UV_EBUSY, "%s: another job is using it", e->o.journal)
                            : explain(e, err);
}

static int open_job(yk__engine *e, char *text)
{
    char *path = path_in(e->journal.folder, "job");
    if (!path)
        return UV_ENOMEM;
    int err = access(path, F_OK) == 0 ? 0 : refuse_strange_folder(e), fd = -1;
    if (!err)
        err = lock(e);
    if (!err && (fd = open(path, O_RDONLY | O_CLOEXEC)) < 0 && errno != ENOENT)
        err = explain(e, negative_errno());
    free(path);
    if (!err && fd >= 0) {
        err = compare_jobs(e, fd, text);
    } else if (!err) {
        remove_ours(e->journal.folder);
        err = write_job(e->journal.folder, text);
        err = err ? explain(e, err) : 0;
    }
    if (fd >= 0)
        close(fd);
    return err;
}

int yk__journal_open(yk__engine *e, size_t piece_now)
{
    int err = refuse_pipes(e);
    if (err)
        return err;
    if (mkdir(e->o.journal, 0700) != 0 && errno != EEXIST)
        return explain(e, negative_errno());
    e->journal = (yk__journal){ .on = true, .fd = -1, .folder = realpath(e->o.journal, NULL) };
    if (!e->journal.folder)
        return explain(e, negative_errno());
    char *text = yk__job_text(e, piece_now);
    err = text ? open_job(e, text) : UV_ENOMEM;
    if (!err && e->journal.piece == 0)
        e->journal.piece = piece_now;
    free(text);
    return err;
}

/* ---- Loading ------------------------------------------------------------------------------- */

/* Takes bytes out of a note; false: there are not so many. */
static bool take(const char **at, const char *end, void *to, size_t size)
{
    if ((size_t)(end - *at) < size)
        return false;
    memcpy(to, *at, size);
    *at += size;
    return true;
}

static bool next_finished(const char **at, const char *end, yk__finished *f, yk__flaw *bad,
                          yk__counters *counters)
{
    if (!take(at, end, f, sizeof *f) || f->counters > YK_MAPREDUCE_COUNTERS)
        return false;
    counters->n = f->counters;
    if (f->has_bad && !take(at, end, bad, sizeof *bad))
        return false;
    if (f->has_bad)
        yk__clean_flaw(bad);
    return take(at, end, counters->at, f->counters * sizeof *counters->at);
}

static int remember(yk__engine *e, const yk__finished *piece, const yk__flaw *bad)
{
    if (piece->file >= e->n_files || piece->piece >= YK__PIECES_MAX || piece->early > YK__EARLY_MAX)
        return YK_ECORRUPT;
    yk__file *f = &e->files[piece->file];
    if (piece->piece < f->n_done && f->done[piece->piece].is)
        return YK_ECORRUPT; /* it would count twice */
    if (piece->piece >= f->n_done) {
        size_t n = (size_t)piece->piece * 2 + 64;
        yk__done *done = realloc(f->done, n * sizeof *done);
        if (!done)
            return UV_ENOMEM;
        memset(done + f->n_done, 0, (n - f->n_done) * sizeof *done);
        f->done = done;
        f->n_done = n;
    }
    f->done[piece->piece] = (yk__done){ .is = true, .piece = *piece };
    if (piece->has_bad)
        yk__note_bad(e, (yk__where){ piece->file, piece->piece }, bad);
    int err = 0;
    for (uint32_t i = 0; !err && i < piece->early; i++)
        err = yk__spill_add_run(e, yk__early_path(e->journal.folder, piece->number, i));
    if (piece->number >= e->spill.next)
        e->spill.next = piece->number + 1;
    return err;
}

static int load_note(yk__engine *e, const char *note, size_t len)
{
    yk__finished piece;
    yk__flaw bad;
    yk__counters counters;
    int err = 0;
    for (const char *at = note; !err && at < note + len;) {
        if (!next_finished(&at, note + len, &piece, &bad, &counters))
            return YK_ECORRUPT;
        err = remember(e, &piece, &bad);
        if (!err)
            err = yk__count_all(e, &counters);
    }
    return err;
}

static int load_run(yk__engine *e, yk__run_tools *tools, const char *name)
{
    char *path = path_in(e->journal.folder, name), *note = NULL;
    size_t len = 0;
    yk__run_reader reader;
    if (!path)
        return UV_ENOMEM;
    int err = yk__run_open(&reader, tools, path, e->form, &note, &len);
    if (!err) {
        err = load_note(e, note, len);
        yk__run_close(&reader);
    }
    free(note);
    unsigned long long number = strtoull(name + 4, NULL, 10);
    if (number >= e->spill.next)
        e->spill.next = number + 1;
    if (!err)
        return yk__spill_add_run(e, path);
    yk__explain(e, err, "%s: %s; remove the directory to begin again", path, yk_strerror(err));
    free(path);
    return err;
}

static int load_runs(yk__engine *e, DIR *dir)
{
    yk__run_tools tools;
    int err = yk__run_tools_init(&tools);
    for (struct dirent *d; !err && (d = readdir(dir)) != NULL;)
        if (is_run(d->d_name))
            err = load_run(e, &tools, d->d_name);
    yk__run_tools_free(&tools);
    return err;
}

/* What was begun and does not count. */
static void remove_leftovers(const yk__engine *e, DIR *dir)
{
    const yk__spill *s = &e->spill;
    rewinddir(dir);
    for (struct dirent *d; (d = readdir(dir)) != NULL;) {
        bool counts = is_run(d->d_name) || !is_ours(d->d_name) || strcmp(d->d_name, "job") == 0;
        for (size_t i = 0; !counts && i < s->n_runs; i++)
            counts = strcmp(strrchr(s->runs[i], '/') + 1, d->d_name) == 0;
        if (!counts)
            unlinkat(dirfd(dir), d->d_name, 0);
    }
}

int yk__journal_load(yk__engine *e)
{
    DIR *dir = opendir(e->journal.folder);
    if (!dir)
        return explain(e, negative_errno());
    int err = load_runs(e, dir);
    if (!err)
        remove_leftovers(e, dir);
    closedir(dir);
    for (size_t i = 0; !err && i < e->n_files; i++)
        for (size_t k = 0; !err && k < e->files[i].n_pieces; k++)
            err = yk__journal_restore(e, &(yk__where){ i, k });
    e->stats.spilled_runs = e->stats.spilled_bytes = 0; /* by this process */
    return err;
}

int yk__journal_restore(yk__engine *e, const yk__where *where)
{
    yk__file *f = &e->files[where->file];
    yk__piece *piece = &f->pieces[where->piece];
    if (where->piece >= f->n_done || !f->done[where->piece].is)
        return 0;
    const yk__finished *done = &f->done[where->piece].piece;
    if (piece->chunk.at && piece->chunk.len != done->text)
        return yk__explain(e, UV_EINVAL, "%s: is not what it was when the journal was begun",
                           f->name);
    piece->mapped = true;
    piece->text = done->text;
    piece->records = done->records;
    e->stats.text += done->text;
    e->stats.stored += done->stored;
    e->stats.records += done->records;
    e->stats.bad_records += done->bad_records;
    e->stats.resumed_splits++;
    return 0;
}

/* ---- Notes --------------------------------------------------------------------------------- */

static char *put(char *to, const void *bytes, size_t size)
{
    memcpy(to, bytes, size);
    return to + size;
}

static char *put_finished(char *to, const yk__map_head *head, const yk__where *where)
{
    yk__finished f = { .file = (uint32_t)where->file,
                       .piece = (uint32_t)where->piece,
                       .text = head->text,
                       .stored = head->stored,
                       .records = head->records,
                       .bad_records = head->bad_records,
                       .number = head->number,
                       .early = head->early,
                       .has_bad = head->first_bad.code != 0,
                       .counters = (uint16_t)head->counters.n };
    to = put(to, &f, sizeof f);
    if (f.has_bad)
        to = put(to, &head->first_bad, sizeof head->first_bad);
    return put(to, head->counters.at, f.counters * sizeof *head->counters.at);
}

int yk__journal_note(yk_future *const *results, const yk__where *places, size_t n, char **note,
                     size_t *len)
{
    yk__map_head head;
    size_t size = 1, ignored;
    *note = NULL;
    for (size_t i = 0; i < n; i++) {
        memcpy(&head, yk_future_result(results[i], &ignored), sizeof head);
        if (head.counters.n > YK_MAPREDUCE_COUNTERS)
            return YK_EFORMAT;
        size += sizeof(yk__finished) + head.counters.n * sizeof *head.counters.at;
        size += head.first_bad.code ? sizeof head.first_bad : 0;
    }
    *note = malloc(size);
    char *to = *note;
    if (!to)
        return UV_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        memcpy(&head, yk_future_result(results[i], &ignored), sizeof head);
        to = put_finished(to, &head, &places[i]);
    }
    *len = (size_t)(to - *note);
    return 0;
}

/* ---- The end ------------------------------------------------------------------------------- */

static bool has_runs(const char *folder)
{
    bool found = false;
    DIR *dir = opendir(folder);
    for (struct dirent *d; dir && (d = readdir(dir)) != NULL;)
        found |= is_run(d->d_name);
    if (dir)
        closedir(dir);
    return found;
}

static void remove_lock(const char *folder)
{
    char *path = path_in(folder, "lock");
    if (path)
        unlink(path);
    free(path);
}

void yk__journal_close(yk__engine *e, bool well)
{
    yk__journal *j = &e->journal;
    if (j->fd >= 0 && j->on && (well || !has_runs(j->folder))) {
        remove_ours(j->folder);
        remove_lock(j->folder);
        rmdir(j->folder);
    }
    if (j->on && j->fd >= 0)
        close(j->fd);
    free(j->folder);
    *j = (yk__journal){ 0 };
}
