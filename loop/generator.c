/* Generators: a ring of values between two tasks of one loop. Who waits for the other leaves its
 * parker, and whoever changes what is waited for takes it and wakes. */
#include "generator.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "internal.h"

struct yk_generator {
    yk_loop *loop;
    yk_future *task; /* NULL: not begun */
    yk_task_fn fn;
    void *arg;
    yk_generator_options options;
    size_t size, room;   /* of a value; values that the ring has room for, at least 1 */
    size_t first, count; /* those that wait */
    bool freed;          /* nobody will read any more */
    bool detached;       /* and its end frees the rest of it */
    yk__parker *reader, *writer, *owner; /* asleep: for a value, for a reader, for the end */
    unsigned char values[];
};

static void wake(yk__parker **sleeper)
{
    yk__parker *p = *sleeper;
    *sleeper = NULL;
    if (p)
        p->unpark(p);
}

/* *sleeper is NULL again when it returns. */
static int sleep_as(yk__parker **sleeper, const yk__wait_kind *kind, const yk_generator *g,
                    uint64_t deadline, bool interruptible)
{
    yk__parker *me = &g->loop->running->parker;
    yk__parker_waits(me, kind, g);
    *sleeper = me;
    int err = me->park(me, deadline, interruptible);
    *sleeper = NULL;
    return err;
}

static void tell_task(const void *generator, void (*tell)(const yk_future *f, void *arg), void *arg)
{
    tell(((const yk_generator *)generator)->task, arg);
}

static const yk__wait_kind for_value = { "a generator's value", tell_task };
static const yk__wait_kind for_end = { "a generator's end", tell_task };
static const yk__wait_kind for_reader = { "a generator's reader", NULL };

static void *value_at(yk_generator *g, size_t i)
{
    return g->values + (g->first + i) % g->room * g->size;
}

/* ---- The generator's side -------------------------------------------------------------------- */

static int run_generator(void *arg)
{
    yk_generator *g = arg;
    return g->fn(g->arg);
}

static yk_generator *current(void)
{
    yk_loop *loop = yk_loop_current();
    yk__task *t = loop ? loop->running : NULL;
    return t && t->fn == run_generator ? t->arg : NULL;
}

static bool is_wanted(const yk_generator *g)
{
    return !g->freed && (g->count < g->options.ahead || (g->count == 0 && g->reader));
}

int yk_generate(const void *value)
{
    yk_generator *g = current();
    if (!g || (!value && g->size > 0))
        return UV_EINVAL;
    while (!is_wanted(g)) {
        if (g->freed && !g->loop->running->cancel_wanted) /* it was told */
            return YK_ECLOSED;
        int err = sleep_as(&g->writer, &for_reader, g, YK_FOREVER, true);
        if (err)
            return err;
    }
    memcpy(value_at(g, g->count++), value, g->size);
    wake(&g->reader);
    return 0;
}

static void bury(yk_generator *g)
{
    yk_future_unref(g->task);
    free(g);
}

/* Outside any task. */
static int ended(yk_future *f, void *arg)
{
    yk_generator *g = arg;
    (void)f;
    wake(&g->reader);
    wake(&g->owner);
    if (g->detached)
        bury(g);
    return 0;
}

static int begin(yk_generator *g)
{
    if (g->loop->closing)
        return YK_ECLOSED;
    g->task = yk_task_start_opts(run_generator, g, &g->options.task);
    return yk_future_on_end(g->task, ended, g);
}

/* ---- The reader's side ----------------------------------------------------------------------- */

yk_generator *yk_generator_new_opts(yk_task_fn fn, void *arg, size_t size,
                                    const yk_generator_options *options)
{
    yk_loop *loop = yk_loop_current();
    size_t room = options && options->ahead > 0 ? options->ahead : 1;
    if (!loop || !fn || (size > 0 && room > SIZE_MAX / 2 / size))
        return NULL;
    yk_generator *g = calloc(1, sizeof *g + room * size);
    if (!g)
        return NULL;
    g->loop = loop;
    g->fn = fn;
    g->arg = arg;
    g->size = size;
    g->room = room;
    if (options)
        g->options = *options;
    g->options.task.eager = false;
    return g;
}

static void take(yk_generator *g, void *value)
{
    memcpy(value, value_at(g, 0), g->size);
    g->first = (g->first + 1) % g->room;
    g->count--;
    if (is_wanted(g))
        wake(&g->writer);
}

static int why_it_ended(const yk_generator *g)
{
    const yk_error *error = yk_future_error(g->task);
    return error ? error->code : YK_END;
}

static int wait_for_value(yk_generator *g, uint64_t deadline)
{
    if (deadline == 0)
        return UV_ETIMEDOUT;
    if (!g->loop->running)
        return YK_EONLOOP;
    if (current() == g)
        return YK_EDEADLK;
    if (g->reader)
        return UV_EBUSY;
    if (g->writer && g->count == 0)
        wake(&g->writer); /* which will find us asleep */
    return sleep_as(&g->reader, &for_value, g, deadline, true);
}

int yk_generator_next(yk_generator *g, void *value, uint64_t deadline)
{
    if (!g || !yk__loop_is_mine(g->loop))
        return UV_EINVAL;
    int err = g->task ? 0 : begin(g);
    while (!err && g->count == 0) {
        if (yk_future_ended(g->task))
            return why_it_ended(g);
        err = wait_for_value(g, deadline);
    }
    if (err)
        return err;
    take(g, value);
    return 0;
}

static bool may_wait(const yk_generator *g)
{
    return g->loop->running && current() != g;
}

void yk_generator_free(yk_generator *g)
{
    if (!g)
        return;
    g->freed = true;
    if (g->task)
        yk_future_cancel(g->task);
    if (g->task && !yk_future_ended(g->task) && !may_wait(g)) {
        g->detached = true;
        return;
    }
    while (g->task && !yk_future_ended(g->task))
        sleep_as(&g->owner, &for_end, g, YK_FOREVER, false);
    bury(g);
}
