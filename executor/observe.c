/* The list of what is watched in shared memory. See observe.h. */
#include "observe.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <uv.h>

#include "arena.h"
#include "internal.h"
#include "worker.h"

/* The list holds one reference to each future that is in it. */
typedef struct watcher {
    yk_future future;
    struct watcher *next, **prev; /* under the lock; prev is NULL when it is not in the list */
    void *on;
    uint64_t target;
    yk__observe_fn has_come;
    void *block; /* a reference, or NULL */
} watcher;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static watcher *watchers;     /* under the lock */
static _Atomic size_t number; /* of these; seq_cst: whoever finds a mark finds it counted */

static void link_in(watcher *w)
{
    w->next = watchers;
    w->prev = &watchers;
    if (w->next)
        w->next->prev = &w->next;
    watchers = w;
    atomic_fetch_add(&number, 1);
}

static void unlink_from(watcher *w)
{
    *w->prev = w->next;
    if (w->next)
        w->next->prev = w->prev;
    w->prev = NULL;
    atomic_fetch_sub(&number, 1);
}

/* It was in the list. */
static void let_go(watcher *w)
{
    yk_arena_free(w->block);
    w->block = NULL;
    yk_future_unref(&w->future);
}

/* The future was cancelled. Unless a look has taken it out of the list, and will let it go. */
static void dropped(yk_future *f)
{
    watcher *w = (watcher *)f;
    pthread_mutex_lock(&lock);
    bool mine = w->prev;
    if (mine)
        unlink_from(w);
    pthread_mutex_unlock(&lock);
    if (mine)
        let_go(w);
}

static void free_watcher(yk_future *f)
{
    free(f);
}

static const yk__future_ops watcher_ops = { .dropped = dropped, .free = free_watcher };

static watcher *take_out_those_that_came(void)
{
    watcher *came = NULL, *next;
    pthread_mutex_lock(&lock);
    for (watcher *w = watchers; w; w = next) {
        next = w->next;
        if (!w->has_come(w->on, w->target))
            continue;
        unlink_from(w);
        w->next = came;
        came = w;
    }
    pthread_mutex_unlock(&lock);
    return came;
}

void yk__observed_look(void)
{
    watcher *came = atomic_load(&number) ? take_out_those_that_came() : NULL;
    while (came) {
        watcher *w = came;
        came = w->next;
        if (yk__future_claim_pending(&w->future))
            yk__future_publish_held(&w->future, YK_DONE, NULL);
        let_go(w);
    }
}

void yk__observed_tell(void)
{
    if (yk__in_worker)
        yk__worker_call_attention();
    else
        yk__observed_look();
}

yk_future *yk__observe(void *on, uint64_t target, yk__observe_fn has_come)
{
    if (yk__in_worker)
        return yk__future_failed(UV_ENOTSUP, "a worker process has no futures");
    watcher *w = malloc(sizeof *w);
    if (!w)
        return yk__future_failed(UV_ENOMEM, NULL);
    yk__future_init(&w->future, &watcher_ops);
    atomic_store_explicit(&w->future.refs, 2, memory_order_relaxed); /* the caller's, the list's */
    w->on = on;
    w->target = target;
    w->has_come = has_come;
    w->block = yk_arena_ref(on);
    pthread_mutex_lock(&lock);
    link_in(w);
    pthread_mutex_unlock(&lock);
    yk__observed_look();
    return &w->future;
}
