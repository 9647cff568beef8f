/* Talking to a child in one call: its input and its two outputs are a task each, in one scope, so
 * that none of the pipes can hold up another.
 */
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../executor/error.h"
#include "scope.h"
#include "subprocess.h"
#include "task.h"

#define LIMIT       ((size_t)16 << 20)
#define AT_ONCE     ((size_t)64 << 10)
#define FIRST_ROOM  ((size_t)4 << 10)
#define ROOM_NEEDED ((size_t)1 << 10)

struct input {
    yk_stream *to;
    const char *data;
    size_t len;
    uint64_t deadline;
};

struct collected {
    yk_stream *from;
    char **data;
    size_t *len;
    size_t room, limit;
    uint64_t deadline;
};

/* ---- The tasks ------------------------------------------------------------------------------- */

static bool child_reads_no_more(int err)
{
    return err == UV_EPIPE || err == UV_ECONNRESET || err == YK_ECLOSED;
}

static int write_input(void *arg)
{
    struct input *in = arg;
    int err = 0;
    while (!err && in->len > 0) {
        size_t n = in->len < AT_ONCE ? in->len : AT_ONCE;
        err = yk_stream_write(in->to, in->data, n, in->deadline);
        in->data += n;
        in->len -= n;
    }
    if (!err)
        err = yk_stream_drain(in->to, in->deadline);
    yk_stream_end_writing(in->to);
    return child_reads_no_more(err) ? 0 : err;
}

/* Room for some more and a NUL; one byte more than the limit shows that it is too much. */
static int make_room(struct collected *c)
{
    if (c->room - *c->len > ROOM_NEEDED)
        return 0;
    size_t room = c->room ? 2 * c->room : FIRST_ROOM;
    char *data = realloc(*c->data, room);
    if (!data)
        return UV_ENOMEM;
    *c->data = data;
    c->room = room;
    return 0;
}

static int collect(void *arg)
{
    struct collected *c = arg;
    for (;;) {
        int err = make_room(c);
        size_t left = c->limit - *c->len + 1, n = 0;
        if (!err) {
            size_t room = c->room - 1 - *c->len;
            err = yk_stream_read_some(c->from, *c->data + *c->len, room < left ? room : left, &n,
                                      c->deadline);
        }
        if (*c->data)
            (*c->data)[*c->len + n] = 0;
        if (err)
            return err == YK_END ? 0 : err;
        *c->len += n;
        if (*c->len > c->limit)
            return YK_ETOOBIG;
    }
}

/* ---- Together -------------------------------------------------------------------------------- */

int yk_subprocess_communicate(yk_subprocess *p, const void *input, size_t len, size_t limit,
                              yk_output *o, uint64_t deadline)
{
    *o = (yk_output){ 0 };
    if (limit == 0)
        limit = LIMIT;
    if (limit > SIZE_MAX / 8)
        limit = SIZE_MAX / 8;
    struct input in = { yk_subprocess_in(p), input, len, deadline };
    struct collected out = { yk_subprocess_out(p), &o->out, &o->out_len, 0, limit, deadline };
    struct collected err_out = { yk_subprocess_err(p), &o->err, &o->err_len, 0, limit, deadline };
    if (!yk_task_current())
        return YK_EONLOOP;
    yk_scope *scope = yk_scope_begin();
    if (!scope)
        return UV_ENOMEM;
    if (in.to)
        yk_scope_start(scope, write_input, &in);
    if (out.from)
        yk_scope_start(scope, collect, &out);
    if (err_out.from)
        yk_scope_start(scope, collect, &err_out);
    int err = yk_scope_end(scope, 0);
    return err ? err : yk_subprocess_wait(p, &o->exit, deadline);
}

void yk_output_free(yk_output *o)
{
    free(o->out);
    free(o->err);
    *o = (yk_output){ 0 };
}

/* ---- In one call ----------------------------------------------------------------------------- */

/* Down the ladder; who is cancelled once more does not wait for the grace. */
static void end(yk_subprocess *p, yk_exit *how)
{
    yk_subprocess_stop(p);
    yk_subprocess_wait(p, how, YK_FOREVER);
}

int yk_run_opts(yk_output *o, uint64_t deadline, const yk_subprocess_options *options)
{
    *o = (yk_output){ 0 };
    if (!yk_task_current())
        return YK_EONLOOP;
    yk_subprocess_options with = *options;
    if (with.in == YK_IO_INHERIT)
        with.in = with.input_len ? YK_IO_PIPE : YK_IO_NULL;
    if (with.out == YK_IO_INHERIT)
        with.out = YK_IO_PIPE;
    if (with.err == YK_IO_INHERIT)
        with.err = YK_IO_PIPE;
    yk_subprocess *p;
    int err = yk_subprocess_start_opts(&p, &with);
    if (err)
        return err;
    err = yk_subprocess_communicate(p, with.input, with.input_len, with.limit, o, deadline);
    if (err)
        end(p, &o->exit);
    yk_subprocess_free(p);
    return err;
}
