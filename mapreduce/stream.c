/* mapreduce/stream.c - reading what cannot be cut.
 *
 * The thread of a stream has chunks of its own and fills one after the other. When a job brings an
 * empty one, it gets a full one for it. While one is full and nobody has come yet, the thread fills
 * the next; so neither the job's waking up, nor its way back to the loop, nor the next job's way
 * from there costs it anything.
 */
#include "stream.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "../executor/arena.h"
#include "../executor/quiet_thread.h"
#include "records.h"

enum { LOOK_MS = 50 };

/* ---- Memory -------------------------------------------------------------------------------- */

void *yk__shared_block(size_t size)
{
    void *block = yk_arena_alloc(size ? size : 1);
    if (block)
        return block;
    void *probe = yk_arena_alloc(1); /* is there no arena, or no room in it? */
    yk_arena_free(probe);
    return probe ? NULL : malloc(size ? size : 1);
}

void yk__shared_block_free(void *block)
{
    if (yk_arena_contains(block))
        yk_arena_free(block);
    else
        free(block);
}

int yk__chunk_make(yk__chunk *chunk, size_t cap)
{
    *chunk = (yk__chunk){ yk__shared_block(cap), 0, cap };
    return chunk->at ? 0 : UV_ENOMEM;
}

void yk__chunk_free(yk__chunk *chunk)
{
    yk__shared_block_free(chunk->at);
    *chunk = (yk__chunk){ 0 };
}

static int grow_chunk(yk__chunk *chunk)
{
    yk__chunk larger;
    int err = yk__chunk_make(&larger, chunk->cap * 2);
    if (err)
        return err;
    memcpy(larger.at, chunk->at, chunk->len);
    larger.len = chunk->len;
    yk__chunk_free(chunk);
    *chunk = larger;
    return 0;
}

void yk__stream_init(yk__stream *s, const char *path, const char *name, int fd, size_t target,
                     const yk_splitter *splitter)
{
    *s = (yk__stream){ .path = path,
                       .name = name,
                       .fd = fd,
                       .splitter = *splitter,
                       .target = target < YK__LARGEST_CHUNK ? target : YK__LARGEST_CHUNK };
}

/* ---- Reading, on the thread ---------------------------------------------------------------- */

/* A full chunk, and how the stream stands behind it. */
typedef struct reading {
    yk__chunk chunk;
    bool ended;
    uint64_t stored;
    yk__flaw flaw;
} reading;

struct yk__ahead {
    const char *name, *path; /* the stream's, like the two below */
    int fd;
    size_t target;
    yk_splitter splitter;

    /* The thread's. */
    yk_reader *reader;
    char *carry; /* the beginning of a record, for the next chunk */
    size_t carry_len, carry_cap;
    yk__chunk chunk; /* that it fills */
    bool ended;
    uint64_t stored;
    yk__flaw flaw;

    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under the lock: its chunks, but for the one that is filled. */
    yk__chunk empty[YK__CHUNKS_AHEAD];
    reading ready[YK__CHUNKS_AHEAD]; /* the oldest first */
    unsigned n_empty, n_ready;
    _Atomic bool stop;
};

static int end_with(yk__ahead *s, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The stream ends here, for damage. */
static int end_with(yk__ahead *s, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    s->flaw.code = code;
    vsnprintf(s->flaw.reason, sizeof s->flaw.reason, format, args);
    va_end(args);
    s->ended = true;
    return 0;
}

/* Waits until something can be read without blocking, or the thread is to stop. */
static int wait_for_input(int fd, void *arg)
{
    const yk__ahead *s = arg;
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
    for (;;) {
        if (s->stop)
            return YK_ECANCELED;
        int n = poll(&poll_fd, 1, LOOK_MS);
        if (n > 0 || (n < 0 && errno != EINTR))
            return 0; /* what is wrong, if anything, reading will tell */
    }
}

static int take_carry(yk__ahead *s)
{
    while (s->chunk.cap < s->carry_len + s->target / 2) {
        int err = grow_chunk(&s->chunk);
        if (err)
            return err;
    }
    if (s->carry_len > 0)
        memcpy(s->chunk.at, s->carry, s->carry_len);
    s->chunk.len = s->carry_len;
    s->carry_len = 0;
    return 0;
}

/* Cuts the chunk behind its last whole record and keeps what follows. False: there is none. */
static int keep_tail(yk__ahead *s, bool *cut)
{
    size_t whole = yk__whole_records(&s->splitter, s->chunk.at, s->chunk.len, false);
    size_t rest = s->chunk.len - whole;
    *cut = whole > 0;
    if (!whole)
        return 0;
    if (rest > s->carry_cap) {
        char *carry = realloc(s->carry, rest);
        if (!carry)
            return UV_ENOMEM;
        s->carry = carry;
        s->carry_cap = rest;
    }
    if (rest > 0)
        memcpy(s->carry, s->chunk.at + whole, rest);
    s->carry_len = rest;
    s->chunk.len = whole;
    return 0;
}

/* Reads until the chunk is full. Sets `ended` at the end of the stream. */
static int fill_chunk(yk__ahead *s)
{
    while (s->chunk.len < s->chunk.cap) {
        if (s->stop)
            return YK_ECANCELED;
        int64_t n =
            yk_reader_read(s->reader, s->chunk.at + s->chunk.len, s->chunk.cap - s->chunk.len);
        s->stored = yk_reader_taken(s->reader);
        if (n == YK_ECANCELED)
            return YK_ECANCELED;
        if (n < 0)
            return end_with(s, (int)n, "%s", yk_reader_error(s->reader));
        if (n == 0) {
            s->ended = true;
            return 0;
        }
        s->chunk.len += (size_t)n;
    }
    return 0;
}

/* The last chunk: whole records, or the file is not. */
static int end_whole(yk__ahead *s)
{
    size_t whole = yk__whole_records(&s->splitter, s->chunk.at, s->chunk.len, true);
    if (whole == s->chunk.len)
        return 0;
    s->chunk.len = whole;
    return end_with(s, YK_ETRUNCATED, "%s: ends within a record", s->name);
}

static int read_chunk(yk__ahead *s)
{
    int err = take_carry(s);
    for (bool cut = false; !err && !cut;) {
        err = fill_chunk(s);
        if (err)
            return err;
        if (s->ended && s->flaw.code == 0)
            return end_whole(s);
        err = keep_tail(s, &cut);
        if (s->ended) { /* damage: what is no whole record is lost with it */
            s->chunk.len = cut ? s->chunk.len : 0;
            return err;
        }
        if (!err && !cut && s->chunk.cap >= YK_RECORD_MAX) {
            s->chunk.len = 0;
            return end_with(s, YK_EFORMAT, "%s: a record is longer than %zu bytes", s->name,
                            YK_RECORD_MAX);
        }
        if (!err && !cut)
            err = grow_chunk(&s->chunk);
    }
    return err;
}

static int open_reader(yk__ahead *s)
{
    if (s->reader)
        return 0;
    int err = s->fd < 0 ? yk_reader_open(&s->reader, s->path)
                        : yk_reader_open_ready(&s->reader, s->fd, s->name, wait_for_input, s);
    if (!err)
        yk_reader_read_ahead(s->reader); /* or it reads itself */
    return err;
}

static void fill(yk__ahead *s)
{
    int err = open_reader(s);
    if (!err)
        err = read_chunk(s);
    if (!err || err == YK_ECANCELED)
        return;
    s->chunk.len = 0;
    end_with(s, err, "%s: %s", s->name, yk_strerror(err));
}

static void *read_ahead(void *arg)
{
    yk__ahead *s = arg;
    pthread_mutex_lock(&s->lock);
    while (!s->stop) {
        if (s->ended || s->n_empty == 0) {
            pthread_cond_wait(&s->changed, &s->lock);
            continue;
        }
        s->chunk = s->empty[--s->n_empty];
        pthread_mutex_unlock(&s->lock);
        fill(s);
        pthread_mutex_lock(&s->lock);
        s->ready[s->n_ready++] = (reading){ s->chunk, s->ended, s->stored, s->flaw };
        s->chunk = (yk__chunk){ 0 };
        pthread_cond_broadcast(&s->changed);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- The thread's life --------------------------------------------------------------------- */

static void free_ahead(yk__ahead *s)
{
    yk_reader_close(s->reader);
    while (s->n_empty > 0)
        yk__chunk_free(&s->empty[--s->n_empty]);
    while (s->n_ready > 0)
        yk__chunk_free(&s->ready[--s->n_ready].chunk);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
    free(s->carry);
    free(s);
}

static void stop_ahead(yk__stream *stream)
{
    yk__ahead *s = stream->ahead;
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    free_ahead(s);
    stream->ahead = NULL;
}

static int start_ahead(yk__stream *stream)
{
    yk__ahead *s = calloc(1, sizeof *s);
    if (!s)
        return UV_ENOMEM;
    s->name = stream->name;
    s->path = stream->path;
    s->fd = stream->fd;
    s->target = stream->target;
    s->splitter = stream->splitter;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    int err = 0;
    while (!err && s->n_empty < YK__CHUNKS_AHEAD) {
        err = yk__chunk_make(&s->empty[s->n_empty], s->target);
        s->n_empty += !err;
    }
    if (!err)
        err = yk__quiet_thread(&s->thread, read_ahead, s, "yk-read");
    if (err)
        free_ahead(s);
    else
        stream->ahead = s;
    return err;
}

void yk__stream_free(yk__stream *s)
{
    stop_ahead(s);
    yk__chunk_free(&s->chunk);
    *s = (yk__stream){ 0 };
}

/* ---- The job ------------------------------------------------------------------------------- */

static int wait_until_ready(yk__ahead *s, const yk_job *job)
{
    while (s->n_ready == 0) {
        struct timespec until;
        if (yk_job_cancelled(job))
            return YK_ECANCELED;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += LOOK_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&s->changed, &s->lock, &until);
    }
    return 0;
}

/* Gives the empty chunk for the oldest full one. */
static void exchange(yk__stream *stream, yk__ahead *s)
{
    reading r = s->ready[0];
    memmove(s->ready, s->ready + 1, --s->n_ready * sizeof s->ready[0]);
    s->empty[s->n_empty++] = stream->chunk;
    stream->chunk = r.chunk;
    stream->ended = r.ended;
    stream->stored = r.stored;
    stream->flaw = r.flaw;
    pthread_cond_broadcast(&s->changed);
}

int yk__read_job(yk_job *job)
{
    yk__stream *s = *(yk__stream **)yk_job_arg(job);
    int err = s->ahead ? 0 : start_ahead(s);
    if (err) {
        s->ended = true;
        s->flaw.code = err;
        snprintf(s->flaw.reason, sizeof s->flaw.reason, "%s: %s", s->name, yk_strerror(err));
        return 0;
    }
    yk__ahead *ahead = s->ahead;
    pthread_mutex_lock(&ahead->lock);
    err = wait_until_ready(ahead, job);
    if (!err)
        exchange(s, ahead);
    pthread_mutex_unlock(&ahead->lock);
    if (s->ended)
        stop_ahead(s);
    return err;
}
