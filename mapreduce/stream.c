/* mapreduce/stream.c - reading what cannot be cut. */
#include "stream.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../executor/arena.h"
#include "records.h"

enum { LOOK_MS = 50, LARGEST_CHUNK = 1 << 20 };

/* ---- Memory -------------------------------------------------------------------------------- */

void *yk__shared_alloc(size_t size)
{
    void *block = yk_arena_alloc(size ? size : 1);
    if (block)
        return block;
    void *probe = yk_arena_alloc(1); /* is there no arena, or no room in it? */
    yk_arena_free(probe);
    return probe ? NULL : malloc(size ? size : 1);
}

void yk__shared_free(void *block)
{
    if (yk_arena_contains(block))
        yk_arena_free(block);
    else
        free(block);
}

int yk__chunk_make(yk__chunk *chunk, size_t cap)
{
    *chunk = (yk__chunk){ yk__shared_alloc(cap), 0, cap };
    return chunk->at ? 0 : UV_ENOMEM;
}

void yk__chunk_free(yk__chunk *chunk)
{
    yk__shared_free(chunk->at);
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
                       .target = target < LARGEST_CHUNK ? target : LARGEST_CHUNK };
}

void yk__stream_free(yk__stream *s)
{
    yk_reader_close(s->reader);
    yk__chunk_free(&s->chunk);
    free(s->carry);
    *s = (yk__stream){ 0 };
}

/* ---- Reading ------------------------------------------------------------------------------- */

static int end_with(yk__stream *s, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The stream ends here, for damage. */
static int end_with(yk__stream *s, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    s->flaw.code = code;
    vsnprintf(s->flaw.reason, sizeof s->flaw.reason, format, args);
    va_end(args);
    s->ended = true;
    return 0;
}

/* Waits until something can be read without blocking, or the job is to stop. */
static int wait_for_input(int fd, void *arg)
{
    const yk__stream *s = arg;
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
    for (;;) {
        if (yk_job_cancelled(s->job))
            return YK_ECANCELED;
        int n = poll(&poll_fd, 1, LOOK_MS);
        if (n > 0 || (n < 0 && errno != EINTR))
            return 0; /* what is wrong, if anything, reading will tell */
    }
}

static int take_carry(yk__stream *s)
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
static int keep_tail(yk__stream *s, bool *cut)
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
static int fill_chunk(yk__stream *s)
{
    while (s->chunk.len < s->chunk.cap) {
        if (yk_job_cancelled(s->job))
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
static int end_whole(yk__stream *s)
{
    size_t whole = yk__whole_records(&s->splitter, s->chunk.at, s->chunk.len, true);
    if (whole == s->chunk.len)
        return 0;
    s->chunk.len = whole;
    return end_with(s, YK_ETRUNCATED, "%s: ends within a record", s->name);
}

static int read_chunk(yk__stream *s)
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

static int open_reader(yk__stream *s)
{
    if (s->reader)
        return 0;
    if (s->fd < 0)
        return yk_reader_open(&s->reader, s->path);
    return yk_reader_open_ready(&s->reader, s->fd, s->name, wait_for_input, s);
}

/* A stream that has ended lets go of its descriptor and buffers. */
static void close_reader(yk__stream *s)
{
    yk_reader_close(s->reader);
    s->reader = NULL;
    free(s->carry);
    s->carry = NULL;
    s->carry_len = s->carry_cap = 0;
}

int yk__read_job(yk_job *job)
{
    yk__stream *s = *(yk__stream **)yk_job_arg(job);
    s->job = job;
    int err = open_reader(s);
    if (!err)
        err = read_chunk(s);
    s->job = NULL;
    if (err == YK_ECANCELED)
        return err;
    if (err) {
        s->chunk.len = 0;
        end_with(s, err, "%s: %s", s->name, yk_strerror(err));
    }
    if (s->ended)
        close_reader(s);
    return 0;
}
