/* The reactor: inbox, timers, watched descriptors, sources. See reactor.h for the protocol. */
#include "reactor.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>
#include <uv.h>

#include "clock.h"
#include "park.h"

static _Thread_local yk__reactor *current;

yk__reactor *yk__reactor_current(void)
{
    return current;
}

void yk__reactor_set_current(yk__reactor *r)
{
    current = r;
}

/* ---- Life ----------------------------------------------------------------------------------- */

static int open_descriptors(yk__reactor *r)
{
    r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    r->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (r->wake_fd < 0 || r->poll_fd < 0 || r->timer_fd < 0)
        return -errno;
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = NULL }; /* NULL: the timer */
    return epoll_ctl(r->poll_fd, EPOLL_CTL_ADD, r->timer_fd, &e) ? -errno : 0;
}

int yk__reactor_init(yk__reactor *r)
{
    static _Atomic uint64_t last_id; /* only ever added to; relaxed */
    *r = (yk__reactor){ .wake_fd = -1, .poll_fd = -1, .timer_fd = -1 };
    r->id = atomic_fetch_add_explicit(&last_id, 1, memory_order_relaxed) + 1;
    r->timer_set_for = YK_FOREVER;
    yk__doze_join(r);
    int err = open_descriptors(r);
    if (err)
        yk__reactor_destroy(r);
    return err;
}

static void close_if_open(int fd)
{
    if (fd >= 0)
        close(fd);
}

void yk__reactor_destroy(yk__reactor *r)
{
    while (r->sources) {
        yk__source *s = r->sources;
        yk__reactor_remove_source(r, s);
        s->abandon(s);
    }
    while (yk__reactor_turn(r)) /* posts from those who did not know yet */
        ;
    yk__doze_leave(r);
    close_if_open(r->wake_fd);
    close_if_open(r->poll_fd);
    close_if_open(r->timer_fd);
    free(r->heap);
    r->heap = NULL;
    r->wake_fd = r->poll_fd = r->timer_fd = -1;
}

/* ---- Inbox ---------------------------------------------------------------------------------- */

/* Which sleep this thread last ended, so that it writes once for each. */
static _Thread_local struct {
    uint64_t reactor;
    uint32_t parked;
} woken;

/* Where this thread leaves word of what it puts off, NULL: it does not. */
static _Thread_local yk__debt *lazily;

yk__debt *yk__reactor_post_lazily(yk__debt *debt)
{
    yk__debt *before = lazily;
    lazily = debt;
    return before;
}

void yk__reactor_wake(yk__reactor *r)
{
    /* Sequentially consistent against yk__reactor_park(). */
    uint32_t parked = atomic_load(&r->parked);
    if (!(parked & 1) || (woken.reactor == r->id && woken.parked == parked))
        return;
    woken.reactor = r->id;
    woken.parked = parked;
    /* The host's own thread must not block, if a worker gone wild has filled the counter and made
     * writing wait; others it may: the host is about to read. */
    struct pollfd p = { .fd = r->wake_fd, .events = POLLOUT };
    if (r == current && poll(&p, 1, 0) != 1)
        return;
    uint64_t one = 1;
    ssize_t n = write(r->wake_fd, &one, sizeof one);
    (void)n; /* EAGAIN: the counter is full, so it is readable */
}

/* Whether it dozes, and will be woken when the backlog is gone. */
static bool may_doze_on(yk__reactor *r)
{
    yk__reactor_backlog(r);
    return (atomic_load(&r->parked) & YK__DOZES) && yk__doze_owe(lazily, r);
}

void yk__reactor_post(yk__reactor *r, yk__post *post)
{
    post->next = atomic_load_explicit(&r->inbox, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&r->inbox, &post->next, post,
                                                  memory_order_seq_cst, memory_order_relaxed))
        ;
    if (!lazily || !may_doze_on(r))
        yk__reactor_wake(r);
}

static bool drain_inbox(yk__reactor *r)
{
    if (!atomic_load_explicit(&r->inbox, memory_order_relaxed))
        return false;
    yk__post *stack = atomic_exchange_explicit(&r->inbox, NULL, memory_order_acquire);
    yk__post *queue = NULL;
    while (stack) {
        yk__post *next = stack->next;
        stack->next = queue;
        queue = stack;
        stack = next;
    }
    while (queue) {
        yk__post *post = queue;
        queue = post->next;
        r->came++;
        post->run(post);
    }
    return true;
}

/* ---- Timers: a binary heap, the earliest at index 1 ----------------------------------------- */

static void heap_put(yk__reactor *r, size_t i, yk__timer *t)
{
    r->heap[i] = t;
    t->heap_index = i;
}

static void sift_up(yk__reactor *r, size_t i, yk__timer *t)
{
    while (i > 1 && r->heap[i / 2]->deadline > t->deadline) {
        heap_put(r, i, r->heap[i / 2]);
        i /= 2;
    }
    heap_put(r, i, t);
}

static void sift_down(yk__reactor *r, size_t i, yk__timer *t)
{
    for (;;) {
        size_t child = 2 * i;
        if (child > r->heap_len)
            break;
        if (child < r->heap_len && r->heap[child + 1]->deadline < r->heap[child]->deadline)
            child++;
        if (r->heap[child]->deadline >= t->deadline)
            break;
        heap_put(r, i, r->heap[child]);
        i = child;
    }
    heap_put(r, i, t);
}

static void settle_at(yk__reactor *r, size_t i, yk__timer *t)
{
    if (i > 1 && r->heap[i / 2]->deadline > t->deadline)
        sift_up(r, i, t);
    else
        sift_down(r, i, t);
}

void yk__reactor_timer_stop(yk__reactor *r, yk__timer *t)
{
    size_t i = t->heap_index;
    if (i == 0)
        return;
    t->heap_index = 0;
    yk__timer *last = r->heap[r->heap_len--];
    if (last != t)
        settle_at(r, i, last);
}

/* A doze that was cut short leaves the timerfd set for its end: for one that begins now, too early
 * by more than half, and ringing for nothing costs five times what setting it again does. */
static bool would_cut_short(const yk__reactor *r, uint64_t doze, uint64_t earliest)
{
    return doze != YK_FOREVER && earliest > YK__DOZE / 2 &&
           r->timer_set_for < earliest - YK__DOZE / 2;
}

/* Has the timerfd ring at the earliest deadline, or at the doze's end if that is before; a system
 * call only where that has changed for an earlier one. A timer that was stopped lets it ring for
 * nothing, once. */
static void arm_timer_fd(yk__reactor *r, uint64_t doze)
{
    uint64_t earliest = r->heap_len ? r->heap[1]->deadline : YK_FOREVER;
    if (earliest > doze)
        earliest = doze;
    if (earliest >= r->timer_set_for && !would_cut_short(r, doze, earliest))
        return;
    struct itimerspec when = {
        .it_value = { .tv_sec = (time_t)(earliest / 1000000000u),
                      .tv_nsec = (long)(earliest % 1000000000u) },
    };
    if (earliest == 0)
        when.it_value.tv_nsec = 1; /* 0 would disarm it */
    timerfd_settime(r->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
    r->timer_set_for = earliest;
}

/* A host's other callbacks may set a timer after the reactor has parked and before the host polls.
 */
static void arm_if_parked(yk__reactor *r)
{
    if (atomic_load_explicit(&r->parked, memory_order_relaxed) & 1)
        arm_timer_fd(r, YK_FOREVER);
}

/* Makes room for one more beside those that are reserved, whether these are in the heap or not. */
static int heap_grow(yk__reactor *r)
{
    if (r->heap_len + r->heap_reserved + 1 < r->heap_cap)
        return 0;
    size_t cap = r->heap_cap ? 2 * r->heap_cap : 64;
    yk__timer **heap = realloc(r->heap, cap * sizeof *heap);
    if (!heap)
        return UV_ENOMEM;
    r->heap = heap;
    r->heap_cap = cap;
    return 0;
}

int yk__reactor_timer_reserve(yk__reactor *r, yk__timer *t)
{
    int err = heap_grow(r);
    if (err)
        return err;
    r->heap_reserved++;
    t->reserved = true;
    return 0;
}

void yk__reactor_timer_release(yk__reactor *r, yk__timer *t)
{
    yk__reactor_timer_stop(r, t);
    if (t->reserved)
        r->heap_reserved--;
    t->reserved = false;
}

int yk__reactor_timer_set(yk__reactor *r, yk__timer *t, uint64_t deadline)
{
    if (deadline == YK_FOREVER) {
        yk__reactor_timer_stop(r, t);
        return 0;
    }
    t->deadline = deadline;
    if (t->heap_index) {
        settle_at(r, t->heap_index, t);
        arm_if_parked(r);
        return 0;
    }
    int err = t->reserved ? 0 : heap_grow(r);
    if (err)
        return err;
    sift_up(r, ++r->heap_len, t);
    arm_if_parked(r);
    return 0;
}

static bool fire_timers(yk__reactor *r)
{
    if (r->heap_len == 0)
        return false;
    bool fired = false;
    uint64_t now = yk_now();
    while (r->heap_len > 0 && r->heap[1]->deadline <= now) {
        yk__timer *t = r->heap[1];
        yk__reactor_timer_stop(r, t);
        t->fired(t);
        fired = true;
    }
    return fired;
}

/* ---- Watches -------------------------------------------------------------------------------- */

int yk__reactor_watch(yk__reactor *r, yk__watch *w)
{
    struct epoll_event e = { .events = w->events ? w->events : EPOLLIN, .data.ptr = w };
    return epoll_ctl(r->poll_fd, EPOLL_CTL_ADD, w->fd, &e) ? -errno : 0;
}

void yk__reactor_unwatch(yk__reactor *r, yk__watch *w)
{
    epoll_ctl(r->poll_fd, EPOLL_CTL_DEL, w->fd, NULL);
}

#define EVENTS_A_TURN 64 /* what is left is found again by the host's next poll */

/* One event a call: its callback may unwatch any other, whose event must not be delivered after. */
void yk__reactor_dispatch(yk__reactor *r)
{
    struct epoll_event e;
    for (int i = 0; i < EVENTS_A_TURN && epoll_wait(r->poll_fd, &e, 1, 0) == 1; i++) {
        yk__watch *w = e.data.ptr;
        if (w) {
            w->came = e.events;
            w->readable(w);
            continue;
        }
        uint64_t times;
        ssize_t n = read(r->timer_fd, &times, sizeof times);
        (void)n;
        r->timer_set_for = YK_FOREVER;
    }
}

/* ---- Sources -------------------------------------------------------------------------------- */

void yk__reactor_add_source(yk__reactor *r, yk__source *s)
{
    s->next = r->sources;
    r->sources = s;
}

void yk__reactor_remove_source(yk__reactor *r, yk__source *s)
{
    if (r->next_source == s)
        r->next_source = s->next;
    yk__source **at = &r->sources;
    while (*at && *at != s)
        at = &(*at)->next;
    if (*at)
        *at = s->next;
}

void yk__reactor_source_busy(yk__reactor *r, yk__source *s, bool busy)
{
    bool roused = busy && !s->busy;
    s->busy = busy;
    if (roused && r->roused)
        r->roused(r);
}

static bool turn_sources(yk__reactor *r)
{
    bool busy = false;
    for (yk__source *s = r->sources; s; s = r->next_source) {
        r->next_source = s->next; /* a turn may remove any source: see yk__reactor_remove_source */
        busy |= s->turn(s);
    }
    return busy;
}

static bool announce(yk__reactor *r, uint32_t parked)
{
    bool arrived = false;
    for (yk__source *s = r->sources; s; s = s->next)
        arrived |= s->announce(s, parked);
    return arrived;
}

/* ---- A turn --------------------------------------------------------------------------------- */

bool yk__reactor_turn(yk__reactor *r)
{
    r->turns++;
    yk__reactor_catch_up(r);
    bool busy = drain_inbox(r);
    r->luck.saved += busy && r->awake_for;
    busy |= turn_sources(r);
    busy |= fire_timers(r);
    return busy;
}

#define LOOKS  32    /* one after the other; with a pause between them, about a microsecond */
#define ROUNDS 10000 /* nanoseconds, in turns without a look at descriptors */

static bool has_arrived(const yk__reactor *r)
{
    if (atomic_load_explicit(&r->inbox, memory_order_relaxed))
        return true;
    for (yk__source *s = r->sources; s; s = s->next)
        if (s->look && s->look(s))
            return true;
    return false;
}

static bool arrives(const yk__reactor *r)
{
    for (int i = 0; i < LOOKS; i++) {
        if (has_arrived(r))
            return true;
        yk__cpu_relax();
    }
    return false;
}

bool yk__reactor_again(yk__reactor *r)
{
    if (r->awake_for && arrives(r)) {
        uint64_t now = yk_now();
        if (r->rounds_began == 0)
            r->rounds_began = now;
        if (now - r->rounds_began < ROUNDS)
            return true;
    }
    r->rounds_began = 0;
    return false;
}

/* A source expects something at any moment. */
static bool stays_awake(yk__reactor *r)
{
    if (r->awake_for == 0)
        return false;
    uint64_t now = yk_now();
    if (r->awake_until == 0)
        r->awake_until = now + r->awake_for;
    if (now < r->awake_until)
        return true;
    yk__reactor_stay_awake(r, 0);
    return false;
}

/* When a doze would end; YK_FOREVER: it is not the time for one. */
static uint64_t doze_until(yk__reactor *r)
{
    uint32_t came = r->came;
    r->came = 0;
    if (!r->has_place || !atomic_load_explicit(&r->behind, memory_order_relaxed))
        return YK_FOREVER;
    atomic_store_explicit(&r->behind, false, memory_order_relaxed);
    uint64_t now = yk_now(), passed = now - r->counted_at;
    r->counted_at = now;
    return (uint64_t)came * YK__DOZE >= 2 * passed ? now + YK__DOZE : YK_FOREVER;
}

bool yk__reactor_park(yk__reactor *r)
{
    yk__reactor_catch_up(r);
    if (stays_awake(r) || has_arrived(r))
        return false;
    uint64_t until = doze_until(r);
    arm_timer_fd(r, until);
    uint32_t parked = atomic_load_explicit(&r->parked, memory_order_relaxed) + 1;
    if (until != YK_FOREVER)
        parked |= YK__DOZES;
    atomic_store(&r->parked, parked);
    bool arrived = announce(r, parked);
    arrived |= atomic_load(&r->inbox) != NULL;
    if (!arrived && r->submitted) {
        r->submitted = false;
        yk__luck_ends(&r->luck);
    }
    return !arrived;
}

void yk__reactor_unpark(yk__reactor *r)
{
    uint32_t parked = atomic_load_explicit(&r->parked, memory_order_relaxed);
    if (!(parked & 1))
        return;
    parked = (parked | YK__DOZES) + 1;
    atomic_store_explicit(&r->parked, parked, memory_order_relaxed);
    announce(r, parked);
}

/* Worker processes have this descriptor too, and with it the flag O_NONBLOCK of what it is open
 * to: one gone wild might clear the flag and drain the counter. So the read itself says that it
 * must not wait. Kernels before 5.8 do not know that of an eventfd. */
void yk__reactor_clear_wake(yk__reactor *r)
{
    uint64_t count;
    struct iovec to = { &count, sizeof count };
    if (preadv2(r->wake_fd, &to, 1, -1, RWF_NOWAIT) >= 0 || errno != EOPNOTSUPP)
        return;
    struct pollfd p = { .fd = r->wake_fd, .events = POLLIN };
    ssize_t n = poll(&p, 1, 0) == 1 ? read(r->wake_fd, &count, sizeof count) : 0;
    (void)n;
}
