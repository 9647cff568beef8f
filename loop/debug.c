/* Debug mode, on the loop's own thread. */
#include "debug.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "watchdog.h"

#define HANDLER_STACK ((size_t)64 << 10)
#define SLOW_MS       100

/* ---- On and off ------------------------------------------------------------------------------ */

static bool environment_says_so(void)
{
    const char *value = getenv("YOKE_DEBUG");
    return value && value[0] && strcmp(value, "0") != 0;
}

static uint64_t slow_ms(const yk_loop_options *options)
{
    const char *value = getenv("YOKE_SLOW_MS");
    uint64_t ms = options && options->slow_ms ? options->slow_ms
                  : value                     ? strtoull(value, NULL, 10)
                                              : 0;
    return ms == 0 || ms > UINT64_MAX / 1000000u ? SLOW_MS : ms;
}

/* The handler must find more room than a small coroutine's stack has. */
static void give_handler_stack(yk__debug *d)
{
    stack_t now;
    if (sigaltstack(NULL, &now) == 0 && !(now.ss_flags & SS_DISABLE))
        return;
    d->handler_stack = malloc(HANDLER_STACK);
    if (d->handler_stack)
        sigaltstack(&(stack_t){ .ss_sp = d->handler_stack, .ss_size = HANDLER_STACK }, NULL);
}

static void take_handler_stack(yk__debug *d)
{
    stack_t now;
    if (d->handler_stack && sigaltstack(NULL, &now) == 0 && now.ss_sp == d->handler_stack)
        sigaltstack(&(stack_t){ .ss_flags = SS_DISABLE }, NULL);
    free(d->handler_stack);
}

static void tell(yk__post *post)
{
    yk__debug *d = (yk__debug *)((char *)post - offsetof(yk__debug, tell));
    free(atomic_exchange(&d->text, yk__tasks_text(d->loop)));
    atomic_store(&d->told, true);
}

int yk__debug_open(yk_loop *loop, const yk_loop_options *options)
{
    if (!(options && options->debug) && !environment_says_so())
        return 0;
    yk__debug *d = calloc(1, sizeof *d);
    if (!d)
        return UV_ENOMEM;
    d->loop = loop;
    d->slow = slow_ms(options) * 1000000u;
    d->thread = (int)syscall(SYS_gettid);
    d->tell.run = tell;
    atomic_init(&d->told, true);
    uv_loop_configure(loop->uv, UV_METRICS_IDLE_TIME);
    give_handler_stack(d);
    atomic_store_explicit(&yk__debugging, true, memory_order_relaxed);
    loop->debug = d;
    int err = yk__watchdog_add(d);
    if (err) {
        loop->debug = NULL;
        yk__debug_free(d);
    }
    return err;
}

void yk__debug_unwatch(yk__debug *d)
{
    if (d)
        yk__watchdog_remove(d);
}

void yk__debug_free(yk__debug *d)
{
    if (!d)
        return;
    take_handler_stack(d);
    free(atomic_load(&d->text));
    free(d);
}

/* ---- Steps ----------------------------------------------------------------------------------- */

void yk__debug_moves(yk__debug *d)
{
    atomic_fetch_add_explicit(&d->moves, 1, memory_order_relaxed);
}

void yk__debug_step_begins(yk__debug *d, const yk__task *t)
{
    uint64_t name[YK__TASK_NAME / sizeof(uint64_t)];
    memcpy(name, t->name, sizeof name);
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        atomic_store_explicit(&d->name[i], name[i], memory_order_relaxed);
    atomic_store_explicit(&d->step_began, yk_now(), memory_order_relaxed);
    yk__debug_moves(d);
}

void yk__debug_step_ends(yk__debug *d, const yk__task *t)
{
    uint64_t took = yk_now() - atomic_load_explicit(&d->step_began, memory_order_relaxed);
    atomic_store_explicit(&d->step_began, 0, memory_order_relaxed);
    yk__debug_moves(d);
    if (took >= d->slow)
        yk__log("task '%s' held the loop for %llu ms", t->name,
                (unsigned long long)(took / 1000000u));
}

/* ---- Mistakes -------------------------------------------------------------------------------- */

void yk__debug_left_over(const yk__task *t)
{
    char *text = yk__task_text(t);
    yk__log("left when its loop was closed: %s", text ? text : t->name);
    free(text);
}

static void log_caller(void)
{
    yk__backtrace here;
    yk__backtrace_take(&here, NULL);
    char *text = yk__backtrace_text(&here);
    if (text)
        yk__log_lines(text);
    free(text);
}

void yk__debug_wrong_thread(const char *call)
{
    if (!atomic_load_explicit(&yk__debugging, memory_order_relaxed))
        return;
    yk__log("%s was called on a thread that the loop does not belong to:", call);
    log_caller();
}

yk_loop *yk__debug_loop_for(const char *call)
{
    yk_loop *loop = yk_loop_current();
    if (!loop)
        yk__debug_wrong_thread(call);
    return loop;
}

void yk__debug_look_at_waiter(const yk__parker *waiter)
{
    const yk__task *t = yk__task_of(waiter->self);
    if (!t || yk__loop_is_mine(t->loop))
        return;
    yk__log("task '%s' waits for %s, and is woken by a thread that its loop does not belong to:",
            t->name, t->parker.waits ? t->parker.waits->what : "something");
    log_caller();
}
