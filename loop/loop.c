/* The loop: a reactor whose host is a libuv loop.
 *
 *     prepare   a turn: what other threads posted, due timers, sources; then the tasks that are
 *               ready. Then the reactor parks, if nothing is left to do; else an idle handle is
 *               started, with which libuv only looks for input and does not wait for it.
 *     poll      libuv waits. Two of its descriptors are the reactor's.
 *     check     the reactor is awake again.
 *
 * Other callbacks of the program on this libuv loop run outside of turns. What they make ready
 * starts the idle handle, in case libuv has not begun to wait yet.
 *
 * Whether uv_run goes on is decided by the prepare handle alone, which is referenced while there
 * are tasks, a thread in yk_loop_run_until(), or a source that somebody waits for.
 */
#include "loop.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "guest.h"
#include "internal.h"
#include "watchdog.h"

#define LOOP_OF(pointer, member) ((yk_loop *)((char *)(pointer)-offsetof(yk_loop, member)))

_Thread_local yk_loop *yk__loop_here;

/* ---- Whose loop it is ------------------------------------------------------------------------ */

_Atomic unsigned yk__loop_generation;

static void in_forked_child(void)
{
    atomic_fetch_add_explicit(&yk__loop_generation, 1, memory_order_relaxed);
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, in_forked_child);
}

yk_loop *yk_loop_current(void)
{
    yk_loop *loop = yk__loop_here;
    return loop && yk__loop_is_mine(loop) ? loop : NULL;
}

uv_loop_t *yk_loop_uv(yk_loop *loop)
{
    return loop->uv;
}

/* ---- Staying awake and alive ----------------------------------------------------------------- */

static void on_busy(uv_idle_t *handle)
{
    (void)handle;
}

static void stay_awake(yk_loop *loop, bool on)
{
    if (on == loop->idle_on)
        return;
    loop->idle_on = on;
    if (on)
        uv_idle_start(&loop->busy, on_busy);
    else
        uv_idle_stop(&loop->busy);
}

void yk__loop_stir(yk_loop *loop)
{
    stay_awake(loop, true);
}

static bool sources_busy(const yk_loop *loop)
{
    for (const yk__source *s = loop->reactor.sources; s; s = s->next)
        if (s->busy)
            return true;
    return false;
}

void yk__loop_update_alive(yk_loop *loop)
{
    bool alive = loop->task_count > 0 || loop->calls_due.first || loop->calls_timed.first ||
                 loop->sleeping || sources_busy(loop);
    if (alive == loop->kept_alive)
        return;
    loop->kept_alive = alive;
    if (alive)
        uv_ref((uv_handle_t *)&loop->turn);
    else
        uv_unref((uv_handle_t *)&loop->turn);
}

static void on_roused(yk__reactor *reactor)
{
    yk__loop_update_alive(LOOP_OF(reactor, reactor));
}

/* `posters` counts the threads that are in here. They add before they post (the post itself orders
 * it) and subtract with release when they no longer touch the loop; the loop's end waits for 0 with
 * acquire. It lies in the cache line that a post writes anyway. */
void yk__loop_post(yk_loop *loop, yk__post *post)
{
    atomic_fetch_add_explicit(&loop->reactor.posters, 1, memory_order_relaxed);
    yk__reactor_post(&loop->reactor, post);
    atomic_fetch_sub_explicit(&loop->reactor.posters, 1, memory_order_release);
}

/* ---- Those who come from elsewhere ----------------------------------------------------------- */

/* Who enters counts itself in `posters`, then looks at `closed`; the closing thread sets `closed`,
 * then waits until it has seen `posters` at 0. All four sequentially consistent: one of them sees
 * the other. */
int yk__loop_enter(yk_loop *loop)
{
    if (loop->generation != atomic_load_explicit(&yk__loop_generation, memory_order_relaxed))
        return UV_EINVAL;
    atomic_fetch_add(&loop->reactor.posters, 1);
    if (!atomic_load(&loop->closed))
        return 0;
    yk__loop_leave(loop);
    return YK_ECLOSED;
}

void yk__loop_leave(yk_loop *loop)
{
    atomic_fetch_sub_explicit(&loop->reactor.posters, 1, memory_order_release);
}

bool yk__loop_is_closed(const yk_loop *loop)
{
    return atomic_load_explicit(&loop->closed, memory_order_acquire);
}

yk_loop *yk_loop_ref(yk_loop *loop)
{
    atomic_fetch_add_explicit(&loop->refs, 1, memory_order_relaxed);
    return loop;
}

/* Release, so that what the others did is over for the one who frees it (acquire). */
void yk_loop_unref(yk_loop *loop)
{
    if (loop && atomic_fetch_sub_explicit(&loop->refs, 1, memory_order_acq_rel) == 1)
        free(loop);
}

/* ---- A turn ---------------------------------------------------------------------------------- */

static bool nothing_left(const yk_loop *loop)
{
    return loop->task_count == 0 && loop->late_cancels == 0;
}

static bool may_sleep(yk_loop *loop)
{
    if (loop->first_ready || loop->calls_due.first || (loop->sleeping && loop->unparked))
        return false;
    if (loop->closing && nothing_left(loop) && !loop->guests)
        return false;
    return yk__reactor_park(&loop->reactor);
}

static void run_turn_ends(yk_loop *loop)
{
    yk__turn_end *end;
    while ((end = loop->turn_ends) != NULL) {
        yk__turn_end_forget(end);
        end->run(end);
    }
}

static void on_turn(uv_prepare_t *handle)
{
    yk_loop *loop = handle->data;
    if (!yk__loop_is_mine(loop)) {
        yk__log("a loop was run by a thread or process that it does not belong to");
        uv_stop(handle->loop);
        return;
    }
    if (loop->turning || loop->running)
        return; /* a task runs libuv's loop: its mistake, which must not become ours */
    loop->turning = true;
    if (loop->debug)
        yk__debug_moves(loop->debug);
    do {
        yk__reactor_turn(&loop->reactor);
        yk__calls_make(loop);
        yk__task_run_ready(loop);
        if (loop->turn_ends)
            run_turn_ends(loop);
    } while (yk__reactor_again(&loop->reactor));
    loop->turning = false;
    if (loop->debug)
        yk__debug_moves(loop->debug);
    stay_awake(loop, !may_sleep(loop));
    yk__loop_update_alive(loop);
    loop->polling = true;
}

static void on_awake(uv_check_t *handle)
{
    yk_loop *loop = handle->data;
    if (!yk__loop_is_mine(loop) || loop->turning)
        return;
    loop->polling = false;
    yk__reactor_unpark(&loop->reactor);
}

static void on_wake(uv_poll_t *handle, int status, int events)
{
    yk_loop *loop = handle->data;
    (void)status;
    (void)events;
    if (yk__loop_is_mine(loop))
        yk__reactor_clear_wake(&loop->reactor);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    yk_loop *loop = handle->data;
    (void)status;
    (void)events;
    if (yk__loop_is_mine(loop))
        yk__reactor_dispatch(&loop->reactor);
}

/* ---- The thread itself waits: yk_loop_run_until ---------------------------------------------- */

static void loop_unpark_here(yk_loop *loop)
{
    loop->unparked = true;
    if (loop->sleeping)
        uv_stop(loop->uv);
}

static void loop_unpark_posted(yk__post *post)
{
    loop_unpark_here(LOOP_OF(post, wake_post));
}

static void loop_unpark(yk__parker *self)
{
    yk_loop *loop = LOOP_OF(self, parker);
    if (yk__loop_is_mine(loop))
        loop_unpark_here(loop);
    else
        yk__loop_post(loop, &loop->wake_post);
}

static void loop_timer_fired(yk__timer *timer)
{
    yk_loop *loop = LOOP_OF(timer, timer);
    loop->timed_out = true;
    uv_stop(loop->uv);
}

static int loop_park(yk__parker *self, uint64_t deadline, bool interruptible)
{
    yk_loop *loop = LOOP_OF(self, parker);
    (void)interruptible;
    loop->timed_out = false;
    int err = yk__reactor_timer_set(&loop->reactor, &loop->timer, deadline);
    if (err)
        return err;
    yk__parker_set_task(NULL);
    loop->sleeping = true;
    yk__loop_update_alive(loop);
    while (!loop->unparked && !loop->timed_out)
        uv_run(loop->uv, UV_RUN_DEFAULT);
    loop->sleeping = false;
    yk__loop_update_alive(loop);
    yk__parker_set_task(self);
    yk__reactor_timer_stop(&loop->reactor, &loop->timer);
    bool unparked = loop->unparked;
    loop->unparked = false;
    return unparked ? 0 : UV_ETIMEDOUT;
}

static int may_run(const yk_loop *loop, const char *call)
{
    if (!yk__loop_is_mine(loop)) {
        yk__debug_wrong_thread(call);
        return UV_EINVAL;
    }
    return loop->turning || loop->polling || loop->sleeping || loop->running ? UV_EBUSY : 0;
}

int yk_loop_run_until(yk_loop *loop, yk_future *f)
{
    if (!loop || !f)
        return UV_EINVAL;
    int err = may_run(loop, __func__);
    if (err)
        return err;
    yk__parker_set_task(&loop->parker);
    err = yk_await(f);
    yk__parker_set_task(NULL);
    return err;
}

/* ---- Opening --------------------------------------------------------------------------------- */

static void opened(yk_loop *loop, void *handle)
{
    uv_handle_t *h = handle;
    h->data = loop;
    uv_unref(h);
    loop->handles[loop->open_handles++] = h;
}

static int open_poll(yk_loop *loop, uv_poll_t *handle, int fd, uv_poll_cb fn)
{
    int err = uv_poll_init(loop->uv, handle, fd);
    if (err)
        return err;
    opened(loop, handle);
    return uv_poll_start(handle, UV_READABLE, fn);
}

static int open_handles(yk_loop *loop)
{
    int err = open_poll(loop, &loop->wake, loop->reactor.wake_fd, on_wake);
    if (!err)
        err = open_poll(loop, &loop->poll, loop->reactor.poll_fd, on_poll);
    if (err)
        return err;
    uv_prepare_init(loop->uv, &loop->turn);
    opened(loop, &loop->turn);
    uv_prepare_start(&loop->turn, on_turn);
    uv_check_init(loop->uv, &loop->awake);
    opened(loop, &loop->awake);
    uv_check_start(&loop->awake, on_awake);
    uv_idle_init(loop->uv, &loop->busy);
    opened(loop, &loop->busy);
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    yk_loop *loop = handle->data;
    loop->open_handles--;
}

static void close_handles(yk_loop *loop)
{
    for (int i = 0; i < loop->open_handles; i++)
        uv_close(loop->handles[i], on_closed);
    while (loop->open_handles > 0)
        uv_run(loop->uv, UV_RUN_NOWAIT);
}

static void close_left_over(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* A libuv loop of our own may hold handles that the program forgot. */
static void close_own_uv(yk_loop *loop)
{
    if (uv_loop_close(&loop->own_uv) == 0)
        return;
    uv_walk(&loop->own_uv, close_left_over, NULL);
    uv_run(&loop->own_uv, UV_RUN_DEFAULT);
    uv_loop_close(&loop->own_uv);
}

static int open_uv(yk_loop *loop, uv_loop_t *uv)
{
    loop->owns_uv = !uv;
    loop->uv = uv ? uv : &loop->own_uv;
    return uv ? 0 : uv_loop_init(&loop->own_uv);
}

static int open_loop(yk_loop *loop, const yk_loop_options *options)
{
    int err = yk__reactor_init(&loop->reactor);
    if (err)
        return err;
    loop->reactor.roused = on_roused;
    err = open_uv(loop, options ? options->uv : NULL);
    if (!err) {
        err = open_handles(loop);
        if (!err)
            err = yk__debug_open(loop, options);
        if (!err)
            return 0;
        close_handles(loop);
        if (loop->owns_uv)
            close_own_uv(loop);
    }
    yk__reactor_destroy(&loop->reactor);
    return err;
}

static void claim_thread(yk_loop *loop)
{
    yk__loop_here = loop;
    yk__reactor_set_current(loop ? &loop->reactor : NULL);
    yk__parker_forbid(loop != NULL);
}

yk_loop *yk_loop_new_opts(const yk_loop_options *options)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    if (yk_loop_current())
        return NULL;
    yk_loop *loop = calloc(1, sizeof *loop);
    if (!loop)
        return NULL;
    atomic_init(&loop->refs, 1);
    loop->generation = atomic_load_explicit(&yk__loop_generation, memory_order_relaxed);
    loop->parker = (yk__parker){ .park = loop_park, .unpark = loop_unpark };
    loop->wake_post.run = loop_unpark_posted;
    loop->timer.fired = loop_timer_fired;
    loop->under = &loop->host;
    yk__stack_pool_init(&loop->stacks, YK__GUARD_INSTALLED);
    if (open_loop(loop, options) != 0) {
        free(loop);
        return NULL;
    }
    claim_thread(loop);
    return loop;
}

/* ---- Closing --------------------------------------------------------------------------------- */

static size_t cancel_tasks(yk_loop *loop)
{
    size_t n = 0;
    for (yk__task *t = loop->tasks; t; t = t->next) {
        /* One that was cancelled before its first step has ended, and is only still in the list. */
        if (yk_future_ended(&t->future))
            continue;
        n++;
        if (loop->debug)
            yk__debug_left_over(t);
        yk_future_cancel(&t->future);
    }
    return n;
}

/* Cancellations run no code of the tasks; but callbacks of those that had not begun may start
 * anything, so new tasks are refused first. */
static size_t end_tasks(yk_loop *loop)
{
    loop->closing = true;
    size_t n = cancel_tasks(loop);
    loop->sleeping = true;
    yk__loop_update_alive(loop);
    while (!nothing_left(loop))
        uv_run(loop->uv, UV_RUN_ONCE);
    yk__guests_leave(loop);
    loop->sleeping = false;
    return n;
}

static void turn_away_posters(yk_loop *loop)
{
    atomic_store(&loop->closed, true);
    while (atomic_load(&loop->reactor.posters) > 0)
        sched_yield();
}

int yk_loop_close(yk_loop *loop)
{
    if (!loop)
        return 0;
    int err = may_run(loop, __func__);
    if (err)
        return err;
    size_t n = end_tasks(loop);
    if (loop->http)
        loop->http->free(loop->http);
    yk__debug_unwatch(loop->debug);
    close_handles(loop);
    turn_away_posters(loop);
    yk__reactor_destroy(&loop->reactor);
    yk__calls_drop(loop);
    claim_thread(NULL);
    yk__debug_free(loop->debug);
    if (loop->owns_uv)
        close_own_uv(loop);
    yk__stack_pool_destroy(&loop->stacks);
    yk__task_free_rooms(loop);
    yk__loop_close_executor(loop);
    yk_loop_unref(loop);
    return (int)n;
}
