/* mapreduce/ngram/arrival.c - reads a file behind its download. */
#include "arrival.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "../../data/packer.h"
#include "../../data/reader.h"
#include "../../data/totals.h"
#include "../../executor/wait.h"
#include "../output.h"

enum { PIECE = 1 << 18, PACKERS = 1 };

struct ngram_arrival {
    char *path, *packed;
    bool totals;
    yk_future *future;
    int fd;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t size; /* under the lock, like the two below */
    bool whole, stop;

    _Atomic bool failed;
    char message[600]; /* the thread's, until it has ended */
    const yk_job *job;
    yk__output out;
};

/* ---- The thread ----------------------------------------------------------------------------- */

/* Before every read: until there is something behind the place, or the end. */
static int wait_for_bytes(int fd, void *arg)
{
    ngram_arrival *a = arg;
    uint64_t place = (uint64_t)lseek(fd, 0, SEEK_CUR);
    pthread_mutex_lock(&a->lock);
    while (!a->stop && !a->whole && a->size <= place)
        pthread_cond_wait(&a->changed, &a->lock);
    bool stop = a->stop;
    pthread_mutex_unlock(&a->lock);
    return stop ? YK_ECANCELED : 0;
}

static int explain(ngram_arrival *a, int err, const char *what)
{
    if (err && err != YK_ECANCELED && !a->message[0])
        snprintf(a->message, sizeof a->message, "%s", what);
    return err;
}

static int write_output(void *arg, const void *bytes, size_t size)
{
    ngram_arrival *a = arg;
    int err = yk__output_write(&a->out, bytes, size, a->job);
    char what[500];
    snprintf(what, sizeof what, "%.300s: %s", a->packed, yk_strerror(err));
    return explain(a, err, what);
}

static int pack_all(yk_reader *reader, yk__packer *packer)
{
    for (;;) {
        size_t wanted = yk__packer_wanted(packer);
        char *room = yk__packer_room(packer, wanted);
        if (!room)
            return yk__packer_finish(packer, NULL);
        int64_t got = yk_reader_read(reader, room, wanted);
        if (got <= 0)
            return got < 0 ? (int)got : yk__packer_finish(packer, NULL);
        int err = yk__packer_wrote(packer, (size_t)got);
        if (err)
            return err;
    }
}

static int pack_into_file(ngram_arrival *a, yk_reader *reader)
{
    yk__packer *packer = NULL;
    int err = yk__output_open(&a->out, a->packed);
    if (err) {
        char what[500];
        snprintf(what, sizeof what, "%.300s: %s", a->packed, yk_strerror(err));
        return explain(a, err, what);
    }
    err = yk__packer_new(
        &packer, &(yk__packer_options){
                     .packing = YK_ZSTD, .threads = PACKERS, .write = write_output, .arg = a });
    if (!err)
        err = pack_all(reader, packer);
    yk__packer_free(packer);
    if (err)
        yk__output_abandon(&a->out);
    return err ? err : yk__output_commit(&a->out);
}

static int only_read(yk_reader *reader)
{
    char *piece = malloc(PIECE);
    if (!piece)
        return UV_ENOMEM;
    int64_t got;
    while ((got = yk_reader_read(reader, piece, PIECE)) > 0)
        ;
    free(piece);
    return (int)got;
}

static int check_gzip(ngram_arrival *a)
{
    yk_reader *reader;
    int err = yk__reader_open_growing(&reader, a->fd, a->path, wait_for_bytes, a);
    if (err)
        return err;
    if (yk_reader_packing(reader) != YK_GZIP)
        err = explain(a, YK_EFORMAT, "what came is no gzip file");
    else
        err = a->packed ? pack_into_file(a, reader) : only_read(reader);
    if (err)
        explain(a, err, *yk_reader_error(reader) ? yk_reader_error(reader) : yk_strerror(err));
    yk_reader_close(reader);
    return err;
}

/* They are small: nothing is done before all are there. */
static int check_totals(ngram_arrival *a)
{
    ngram_totals *totals = NULL;
    pthread_mutex_lock(&a->lock);
    while (!a->stop && !a->whole)
        pthread_cond_wait(&a->changed, &a->lock);
    bool stop = a->stop;
    pthread_mutex_unlock(&a->lock);
    int err =
        stop ? YK_ECANCELED : ngram_totals_read(&totals, a->path, a->message, sizeof a->message);
    free(totals);
    return err;
}

static int check_job(yk_job *job)
{
    ngram_arrival *a = *(ngram_arrival **)yk_job_arg(job);
    a->job = job;
    int err = a->totals ? check_totals(a) : check_gzip(a);
    if (err)
        atomic_store(&a->failed, true);
    return err;
}

/* ---- The loop's side ------------------------------------------------------------------------ */

static void free_arrival(ngram_arrival *a)
{
    yk_future_unref(a->future);
    if (a->fd >= 0)
        close(a->fd);
    pthread_mutex_destroy(&a->lock);
    pthread_cond_destroy(&a->changed);
    free(a->path);
    free(a->packed);
    free(a);
}

ngram_arrival *ngram_arrival_start(yk_executor *threads, const char *path, const char *packed,
                                   bool totals)
{
    ngram_arrival *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->changed, NULL);
    a->totals = totals;
    a->path = strdup(path);
    a->packed = packed ? strdup(packed) : NULL;
    a->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (!a->path || (packed && !a->packed) || a->fd < 0) {
        free_arrival(a);
        return NULL;
    }
    a->future =
        yk_submit_with(threads, check_job, &a, sizeof a, .kind = YK_BLOCKING, .name = "check");
    return a;
}

static void tell(ngram_arrival *a, uint64_t size, bool whole, bool stop)
{
    pthread_mutex_lock(&a->lock);
    a->size = size > a->size ? size : a->size;
    a->whole |= whole;
    a->stop |= stop;
    pthread_cond_signal(&a->changed);
    pthread_mutex_unlock(&a->lock);
}

void ngram_arrival_grew(ngram_arrival *a, uint64_t size, bool whole)
{
    tell(a, size, whole, false);
}

bool ngram_arrival_failed(const ngram_arrival *a)
{
    return atomic_load(&a->failed);
}

int ngram_arrival_end(ngram_arrival *a, bool stop, char *message, size_t size)
{
    int err = 0;
    if (stop)
        tell(a, 0, false, true);
    while (!yk_future_ended(a->future)) {
        err = yk_await_until(a->future, YK_FOREVER);
        if (!yk_future_ended(a->future)) /* the task was cancelled */
            tell(a, 0, false, true);
    }
    const yk_error *error = yk_future_error(a->future);
    err = error ? error->code : 0;
    if (err)
        snprintf(message, size, "%s", a->message[0] ? a->message : error->message);
    free_arrival(a);
    return err;
}
