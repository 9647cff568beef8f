/* data/scan.c - ranges of a file, or chunks of a stream, through a pipeline. */
#include "data/scan.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "executor/error.h"

#define TARGET  ((uint64_t)4 << 20) /* text in a range */
#define CHUNK   ((size_t)1 << 20)   /* of a stream */
#define LOOK_MS 50

typedef struct scan {
    const yk_input *input;
    yk__scan_options o;
    char *message;
    size_t size;
    uint64_t stored;
} scan;

typedef struct extra {
    yk_range range; /* of a file that can be cut; else the text is in the slot */
    int err;
    char message[512];
    yk__stretch stretch;
    max_align_t user[];
} extra;

/* ---- a helper's work ---- */

static void free_blocks(void *blocks)
{
    yk_blocks_free(blocks);
}

static int look_at_block(const scan *s, extra *x, const yk_block *block)
{
    int err = s->o.block(&x->stretch, block, s->o.arg);
    x->stretch.text += (uint64_t)(block->end - block->begin);
    return err;
}

static int look_at_range(const scan *s, extra *x, void **state)
{
    if (!*state)
        *state = yk_blocks_new();
    yk_blocks *blocks = *state;
    if (!blocks)
        return UV_ENOMEM;
    yk_block block;
    int err =
        yk_blocks_open_fd(blocks, yk_input_fd(s->input), yk_input_about(s->input)->name, &x->range);
    while (!err) {
        int got = yk_blocks_next(blocks, &block);
        if (got <= 0) {
            err = got;
            break;
        }
        err = look_at_block(s, x, &block);
    }
    snprintf(x->message, sizeof x->message, "%s", yk_blocks_error(blocks));
    yk_blocks_close(blocks);
    return err;
}

/* What goes wrong is told when its turn comes. */
static int work(yk__pipe_slot *slot, void **state, void *arg)
{
    const scan *s = arg;
    extra *x = slot->extra;
    x->stretch = (yk__stretch){ .extra = x->user, .out = &slot->out };
    x->message[0] = '\0';
    memset(x->user, 0, s->o.extra_size);
    if (slot->in.len == 0)
        x->err = look_at_range(s, x, state);
    else
        x->err = look_at_block(s, x, &(yk_block){ slot->in.at, slot->in.at + slot->in.len, 0 });
    return 0;
}

/* ---- the caller's ---- */

static int tell(scan *s, int err, const char *message)
{
    if (s->message)
        snprintf(s->message, s->size, "%s", message);
    return err;
}

static int take(yk__pipe_slot *slot, void *arg)
{
    scan *s = arg;
    extra *x = slot->extra;
    int err = s->o.take(&x->stretch, s->o.arg); /* what came before the damage, too */
    if (x->range.end)
        s->stored = x->range.end;
    if (err)
        return err;
    return x->err ? tell(s, x->err, x->message) : 0;
}

static int tick(scan *s)
{
    return s->o.tick && s->o.tick(s->stored, s->o.arg) ? YK_ECANCELED : 0;
}

static int scan_ranges(scan *s, yk__pipeline *p)
{
    yk_range *ranges = NULL;
    size_t count = 0;
    int err = yk_input_ranges(s->input, TARGET, &ranges, &count);
    for (size_t i = 0; !err && i < count; i++) {
        extra *x = yk__pipeline_slot(p)->extra;
        x->range = ranges[i];
        err = yk__pipeline_submit(p);
        err = err ? err : tick(s);
    }
    free(ranges);
    return err;
}

static int wait_for_input(int fd, void *arg)
{
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
    for (;;) {
        int n = poll(&poll_fd, 1, LOOK_MS);
        if (n > 0 || (n < 0 && errno != EINTR))
            return 0; /* what is wrong, if anything, reading will tell */
        int err = tick(arg);
        if (err)
            return err;
    }
}

/* Fills the slot up to a chunk, or more for a longer row. 1; 0: the end; an error. */
static int fill_chunk(scan *s, yk_reader *reader, yk__buffer *in, size_t *whole)
{
    const char *lf = NULL;
    *whole = 0;
    for (;;) {
        size_t searched = in->len, room = in->len < CHUNK ? CHUNK - in->len : CHUNK;
        if (yk__buffer_reserve(in, room))
            return UV_ENOMEM;
        int64_t got = yk_reader_read(reader, in->at + in->len, room);
        s->stored = yk_reader_taken(reader);
        if (got <= 0)
            return (int)got;
        in->len += (size_t)got;
        if (in->len < CHUNK)
            continue;
        lf = memrchr(in->at + searched, '\n', in->len - searched);
        lf = lf ? lf : memrchr(in->at, '\n', searched);
        if (lf)
            break;
        if (in->len >= YK_RECORD_MAX)
            return YK_EFORMAT;
    }
    *whole = (size_t)(lf + 1 - in->at);
    return 1;
}

/* The rest: up to the end, or before damage what is whole of it. */
static int end_stream(scan *s, yk_reader *reader, yk__pipeline *p, int err)
{
    yk__buffer *in = &yk__pipeline_slot(p)->in;
    const char *lf = in->len ? memrchr(in->at, '\n', in->len) : NULL;
    if (err < 0)
        in->len = lf ? (size_t)(lf + 1 - in->at) : 0;
    int failed = in->len ? yk__pipeline_submit(p) : 0;
    failed = failed ? failed : yk__pipeline_finish(p);
    if (failed || err >= 0)
        return failed;
    char long_row[400];
    snprintf(long_row, sizeof long_row, "%.300s: a row is longer than %zu MiB (no line ends?)",
             yk_input_about(s->input)->name, YK_RECORD_MAX >> 20);
    return tell(s, err, err == YK_EFORMAT ? long_row : yk_reader_error(reader));
}

static int scan_stream(scan *s, yk__pipeline *p)
{
    yk_reader *reader;
    const yk_input_info *about = yk_input_about(s->input);
    int err = yk_reader_open_ready(&reader, yk_input_fd(s->input), about->name, wait_for_input, s);
    if (err)
        return err;
    for (;;) {
        size_t whole;
        err = fill_chunk(s, reader, &yk__pipeline_slot(p)->in, &whole);
        if (err <= 0)
            break;
        err = yk__pipeline_submit_first(p, whole);
        err = err ? err : tick(s);
        if (err) {
            yk_reader_close(reader);
            return err;
        }
    }
    err = end_stream(s, reader, p, err);
    yk_reader_close(reader);
    return err;
}

int yk__scan(const yk_input *input, const yk__scan_options *options, char *message, size_t size)
{
    scan s = { .input = input, .o = *options, .message = message, .size = size };
    yk__pipeline *p;
    if (message)
        message[0] = '\0';
    int err = yk__pipeline_new(
        &p, &(yk__pipeline_options){ .name = "yk-scan",
                                     .threads = (unsigned)options->threads,
                                     .extra_size = sizeof(extra) + options->extra_size,
                                     .work = work,
                                     .free_state = free_blocks,
                                     .take = take,
                                     .arg = &s });
    if (err)
        return err;
    err = yk_input_about(input)->splittable ? scan_ranges(&s, p) : scan_stream(&s, p);
    int finished = err ? err : yk__pipeline_finish(p);
    if (!finished)
        finished = tick(&s);
    yk__pipeline_free(p);
    return finished;
}
