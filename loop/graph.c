/* Who waits for whom: the tree of a loop's tasks, as text. On the loop's thread, so that nothing
 * that is told changes meanwhile but the states of futures.
 *
 * A first pass marks the tasks that others wait for; those without a mark come first, each with
 * what it waits for below it. What is left then waits in a circle, or deeper than DEEPEST.
 */
#include <stdlib.h>
#include <unistd.h>

#include "../executor/internal.h"
#include "debug.h"
#include "interrupt.h"
#include "watchdog.h"

#define DEEPEST 40

struct tree {
    FILE *to;
    const yk_loop *loop;
    uint64_t now;
    int depth;
};

/* ---- A task in a line ------------------------------------------------------------------------ */

static double seconds(uint64_t from, uint64_t to)
{
    return to > from ? (double)(to - from) / 1e9 : 0;
}

static void write_name(FILE *to, const yk__task *t)
{
    if (t->name[0])
        fprintf(to, "task '%s'", t->name);
    else
        fprintf(to, "task %p", (const void *)t);
}

static void write_time_outs(FILE *to, const yk__task *t, uint64_t now)
{
    for (const yk__interrupt *in = t->interrupts; in; in = in->outer)
        if (in->timer && in->timer->heap_index)
            fprintf(to, ", in a time-out of %.3f s more", seconds(now, in->timer->deadline));
}

static void write_wait(FILE *to, const yk__task *t, uint64_t now)
{
    const yk__parker *p = &t->parker;
    fprintf(to, " waits for %s", p->waits ? p->waits->what : "something");
    if (p->waits && !p->waits->each && p->waits_on)
        fprintf(to, " (%p)", p->waits_on);
    if (t->parked_at)
        fprintf(to, ", for %.3f s", seconds(t->parked_at, now));
    if (t->timer.heap_index)
        fprintf(to, ", at most %.3f s more", seconds(now, t->timer.deadline));
}

static void write_task(FILE *to, const yk__task *t, uint64_t now)
{
    write_name(to, t);
    if (t == t->loop->running)
        fputs(" runs", to);
    else if (!t->stack)
        fputs(" has not begun", to);
    else if (!t->parked)
        fputs(" is ready", to);
    else
        write_wait(to, t, now);
    if (t->future.state & YK__ASKED)
        fputs(", being cancelled", to);
    write_time_outs(to, t, now);
}

/* ---- What it waits for ----------------------------------------------------------------------- */

static void write_tree(struct tree *tree, yk__task *t);

static void indent(const struct tree *tree)
{
    fprintf(tree->to, "%*s", 2 * tree->depth, "");
}

static const char *state_of(const yk_future *f)
{
    static const char *const names[] = { "waiting", "running", "done", "failed", "cancelled" };
    return names[yk_future_state(f)];
}

static void write_future(struct tree *tree, const yk_future *f)
{
    indent(tree);
    const yk__task *t = yk__task_of(f);
    if (t) {
        write_name(tree->to, t);
        fputs(" of another loop", tree->to);
    } else if (f->ops->job) {
        const char *name = ((const yk__work *)f)->name;
        fprintf(tree->to, name[0] ? "job '%s' on %s" : "job%s on %s", name, f->ops->runner);
    } else {
        fprintf(tree->to, "future %p", (const void *)f);
    }
    fprintf(tree->to, ", %s\n", state_of(f));
}

static void write_awaited(const yk_future *f, void *arg)
{
    struct tree *tree = arg;
    yk__task *t = yk__task_of(f);
    if (!t || t->loop != tree->loop || yk_future_ended(f)) {
        write_future(tree, f);
    } else if (t->told || tree->depth >= DEEPEST) {
        indent(tree);
        write_name(tree->to, t);
        fputs(t->told ? ", see above\n" : ", see below\n", tree->to);
    } else {
        write_tree(tree, t);
    }
}

static void each_awaited(const yk__task *t, void (*tell)(const yk_future *, void *), void *arg)
{
    if (t->parked && t->parker.waits && t->parker.waits->each)
        t->parker.waits->each(t->parker.waits_on, tell, arg);
}

static void write_tree(struct tree *tree, yk__task *t)
{
    t->told = true;
    indent(tree);
    write_task(tree->to, t, tree->now);
    fputc('\n', tree->to);
    tree->depth++;
    each_awaited(t, write_awaited, tree);
    tree->depth--;
}

/* ---- All of them ----------------------------------------------------------------------------- */

static void mark(const yk_future *f, void *arg)
{
    const yk_loop *loop = arg;
    yk__task *t = yk__task_of(f);
    if (t && t->loop == loop)
        t->awaited = true;
}

/* The list has the newest first; told is from the oldest. */
static yk__task *oldest(const yk_loop *loop)
{
    yk__task *t = loop->tasks;
    while (t && t->next)
        t = t->next;
    return t;
}

static void write_tasks(const yk_loop *loop, FILE *to)
{
    struct tree tree = { .to = to, .loop = loop, .now = yk_now() };
    for (yk__task *t = loop->tasks; t; t = t->next)
        t->awaited = t->told = false;
    for (yk__task *t = loop->tasks; t; t = t->next)
        each_awaited(t, mark, (void *)(uintptr_t)loop);
    for (yk__task *t = oldest(loop); t; t = t->prev)
        if (!t->awaited && !yk_future_ended(&t->future))
            write_tree(&tree, t);
    for (yk__task *t = oldest(loop); t; t = t->prev)
        if (!t->told && !yk_future_ended(&t->future))
            write_tree(&tree, t);
}

int yk_loop_print_tasks(yk_loop *loop, FILE *to)
{
    if (!loop || !to)
        return UV_EINVAL;
    if (!yk__loop_is_mine(loop)) {
        yk__debug_wrong_thread(__func__);
        return UV_EINVAL;
    }
    fprintf(to, "loop of thread %d: %zu task%s\n", (int)gettid(), loop->task_count,
            loop->task_count == 1 ? "" : "s");
    write_tasks(loop, to);
    return ferror(to) ? UV_EIO : 0;
}

/* ---- As text --------------------------------------------------------------------------------- */

char *yk__tasks_text(yk_loop *loop)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    if (!to)
        return NULL;
    yk_loop_print_tasks(loop, to);
    fclose(to);
    return text;
}

char *yk__task_text(const yk__task *t)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    if (!to)
        return NULL;
    write_task(to, t, yk_now());
    fclose(to);
    return text;
}
