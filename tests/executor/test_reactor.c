/* The reactor: posts, timers, descriptors, sources, sleeping and waking. */
#include "support/backends.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "executor/reactor.h"

static void open_reactor(yk__reactor *r)
{
    assert_int_equal(yk__reactor_init(r), 0);
}

/* One turn, and a sleep where there was nothing to do, as a host of a reactor does it. */
static void host_once(yk__reactor *r)
{
    bool busy = yk__reactor_turn(r);
    if (!busy && yk__reactor_park(r)) {
        struct pollfd fds[2] = { { .fd = r->wake_fd, .events = POLLIN },
                                 { .fd = r->poll_fd, .events = POLLIN } };
        poll(fds, 2, -1);
        yk__reactor_unpark(r);
        if (fds[0].revents)
            yk__reactor_clear_wake(r);
        if (fds[1].revents)
            yk__reactor_dispatch(r);
        return;
    }
    yk__reactor_unpark(r);
    yk__reactor_dispatch(r);
}

/* ---- Timers ---------------------------------------------------------------------------------- */

enum { TIMERS = 500 };

static struct fired {
    yk__timer timer;
    bool fired;
} timers[TIMERS];
static uint64_t last_deadline;
static size_t fired_count;
static bool out_of_order;

static void note_fired(yk__timer *t)
{
    struct fired *f = (struct fired *)t;
    out_of_order |= t->deadline < last_deadline || f->fired;
    last_deadline = t->deadline;
    f->fired = true;
    fired_count++;
}

static void reset_timers(void)
{
    fired_count = 0;
    last_deadline = 0;
    out_of_order = false;
    for (size_t i = 0; i < TIMERS; i++)
        timers[i] = (struct fired){ .timer = { .fired = note_fired } };
}

static void test_timers_fire_in_the_order_of_their_deadlines(void **state)
{
    (void)state;
    yk__reactor r;
    open_reactor(&r);
    unsigned seed = 7;
    for (size_t round = 0; round < support_rounds(20) + 1; round++) {
        reset_timers();
        for (size_t i = 0; i < TIMERS; i++)
            assert_int_equal(
                yk__reactor_timer_set(&r, &timers[i].timer, 1 + (uint64_t)rand_r(&seed)), 0);
        size_t stopped = 0;
        for (size_t i = 0; i < TIMERS; i++) {
            int what = rand_r(&seed) % 4;
            if (what == 0) /* moved */
                yk__reactor_timer_set(&r, &timers[i].timer, 1 + (uint64_t)rand_r(&seed));
            if (what == 1) { /* stopped, twice */
                if (i % 2)
                    yk__reactor_timer_stop(&r, &timers[i].timer);
                else
                    yk__reactor_timer_set(&r, &timers[i].timer, YK_FOREVER);
                yk__reactor_timer_stop(&r, &timers[i].timer);
                stopped++;
            }
        }
        assert_true(yk__reactor_turn(&r)); /* all of them are long past */
        assert_int_equal(fired_count, TIMERS - stopped);
        assert_false(out_of_order);
        assert_false(yk__reactor_turn(&r));
    }
    yk__reactor_destroy(&r);
}

static void test_timers_wake_a_reactor_that_sleeps(void **state)
{
    (void)state;
    yk__reactor r;
    open_reactor(&r);
    reset_timers();
    uint64_t now = yk_now();
    for (size_t i = 0; i < 10; i++)
        yk__reactor_timer_set(&r, &timers[i].timer, now + (10 - i) * 2000000);
    yk__reactor_timer_set(&r, &timers[10].timer, YK_FOREVER - 1);
    yk__reactor_timer_stop(&r, &timers[9].timer); /* the earliest: it may ring for nothing */
    while (fired_count < 9)
        host_once(&r);
    assert_false(out_of_order);
    assert_true(yk_now() >= now + 20000000); /* none was early */
    yk__reactor_timer_stop(&r, &timers[10].timer);
    yk__reactor_destroy(&r);
}

static yk__reactor *of_chain;

static void set_next(yk__timer *t)
{
    note_fired(t);
    size_t i = (size_t)((struct fired *)t - timers);
    if (i + 2 < TIMERS)
        yk__reactor_timer_stop(of_chain, &timers[i + 2].timer); /* another that is due as well */
    timers[i].fired = false;
    if (fired_count < 100)
        yk__reactor_timer_set(of_chain, t, yk_now() + 1);
}

static void test_a_timer_that_fires_sets_and_stops_others(void **state)
{
    (void)state;
    yk__reactor r;
    open_reactor(&r);
    of_chain = &r;
    reset_timers();
    for (size_t i = 0; i < 3; i++) {
        timers[i].timer.fired = set_next;
        yk__reactor_timer_set(&r, &timers[i].timer, 1 + i);
    }
    while (fired_count < 100)
        host_once(&r);
    assert_false(timers[2].fired);
    for (size_t i = 0; i < 3; i++)
        yk__reactor_timer_stop(&r, &timers[i].timer);
    yk__reactor_destroy(&r);
}

/* ---- Posts ----------------------------------------------------------------------------------- */

enum { POSTERS = 4, POSTS = 20000 };

struct numbered {
    yk__post post;
    unsigned from, number;
};

static struct poster {
    yk__reactor *r;
    unsigned index;
    struct numbered *posts;
    size_t n;
} posters[POSTERS];

static unsigned next_number[POSTERS];
static size_t posts_run, posts_wrong;

static void run_numbered(yk__post *post)
{
    struct numbered *n = (struct numbered *)post;
    posts_wrong += n->number != next_number[n->from]++;
    posts_run++;
    *n = (struct numbered){ { NULL, NULL }, 99, 99 }; /* it is the poster's again */
}

static void *post_many(void *arg)
{
    struct poster *p = arg;
    for (size_t i = 0; i < p->n; i++) {
        p->posts[i] = (struct numbered){ { NULL, run_numbered }, p->index, (unsigned)i };
        yk__reactor_post(p->r, &p->posts[i].post);
        if (i % 64 == 0)
            support_pause(); /* let it fall asleep now and then */
    }
    return NULL;
}

static void test_posts_of_many_threads_run_in_the_order_of_each(void **state)
{
    (void)state;
    yk__reactor r;
    open_reactor(&r);
    pthread_t threads[POSTERS];
    size_t each = support_rounds(POSTS);
    posts_run = posts_wrong = 0;
    for (unsigned i = 0; i < POSTERS; i++) {
        next_number[i] = 0;
        posters[i] = (struct poster){ &r, i, calloc(each, sizeof(struct numbered)), each };
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &posters[i]), 0);
    }
    while (posts_run < POSTERS * each) /* a wake-up that is lost hangs here */
        host_once(&r);
    assert_int_equal(posts_wrong, 0);
    for (unsigned i = 0; i < POSTERS; i++) {
        pthread_join(threads[i], NULL);
        free(posters[i].posts);
    }
    assert_int_equal(posts_run, POSTERS * each);
    yk__reactor_destroy(&r);
}

static void post_again(yk__post *post)
{
    if (++posts_run < 1000)
        yk__reactor_post(of_chain, post);
}

static void test_a_post_posts_itself(void **state)
{
    (void)state;
    yk__reactor r;
    open_reactor(&r);
    of_chain = &r;
    posts_run = 0;
    yk__post post = { NULL, post_again };
    yk__reactor_post(&r, &post);
    while (posts_run < 1000)
        host_once(&r);
    assert_false(yk__reactor_turn(&r));
    yk__reactor_destroy(&r);
}

static void run_nothing(yk__post *post)
{
    (void)post;
    posts_run++;
}

/* park() refuses when there is something, and never loses what comes between its look and poll. */
static void test_park_sees_what_was_posted_before(void **state)
{
    (void)state;
    yk__reactor r;
    open_reactor(&r);
    posts_run = 0;
    yk__post first = { NULL, run_nothing }, second = { NULL, run_nothing };
    yk__reactor_post(&r, &first);
    assert_false(yk__reactor_park(&r));
    yk__reactor_unpark(&r);
    assert_true(yk__reactor_turn(&r));
    assert_true(yk__reactor_park(&r));
    yk__reactor_post(&r, &second);
    struct pollfd p = { .fd = r.wake_fd, .events = POLLIN };
    assert_int_equal(poll(&p, 1, 0), 1);
    yk__reactor_unpark(&r);
    yk__reactor_clear_wake(&r);
    assert_int_equal(poll(&p, 1, 0), 0);
    assert_true(yk__reactor_turn(&r));
    yk__reactor_post(&r, &first); /* awake: no system call, so nothing to read */
    assert_int_equal(poll(&p, 1, 0), 0);
    assert_true(yk__reactor_turn(&r));
    assert_int_equal(posts_run, 3);
    yk__reactor_destroy(&r);
}

/* ---- Dozing ---------------------------------------------------------------------------------- */

enum { RESULTS = 1000 };

/* Until results have come fast enough, each with a backlog behind it. */
static void fall_into_a_doze(yk__reactor *r)
{
    static yk__post posts[RESULTS];
    static yk__debt debt;
    yk__reactor_post_lazily(&debt);
    for (;;) {
        for (int i = 0; i < RESULTS; i++) {
            posts[i].run = run_nothing;
            yk__reactor_post(r, &posts[i]);
        }
        assert_true(yk__reactor_turn(r));
        assert_true(yk__reactor_park(r));
        if (atomic_load(&r->parked) & YK__DOZES)
            break;
        yk__reactor_unpark(r);
    }
    yk__reactor_post_lazily(NULL);
}

static bool is_readable(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    return poll(&p, 1, 0) == 1;
}

static void wake_up_again(yk__reactor *r)
{
    yk__reactor_unpark(r);
    assert_int_equal(atomic_load(&r->parked) & (YK__DOZES | 1), 0);
    yk__reactor_clear_wake(r);
    yk__reactor_dispatch(r);
}

static void post_lazily(yk__reactor *r, yk__post *post, yk__debt *debt)
{
    yk__reactor_post_lazily(debt);
    yk__reactor_post(r, post);
    yk__reactor_post_lazily(NULL);
}

static void test_who_dozes_is_woken_by_all_but_results_with_a_backlog(void **state)
{
    (void)state;
    yk__reactor r;
    yk__post post = { NULL, run_nothing };
    yk__debt debt = 0;
    open_reactor(&r);
    for (int lazily = 0; lazily < 2; lazily++) {
        fall_into_a_doze(&r);
        post_lazily(&r, &post, lazily ? &debt : NULL);
        assert_int_equal(is_readable(r.wake_fd), !lazily);
        yk__doze_pay(&debt); /* the backlog is gone */
        assert_true(is_readable(r.wake_fd));
        wake_up_again(&r);
        assert_true(yk__reactor_turn(&r));
    }
    yk__reactor_destroy(&r);
}

static void test_a_pool_that_owes_another_puts_nothing_off(void **state)
{
    (void)state;
    yk__reactor r, other;
    yk__post posts[2] = { { NULL, run_nothing }, { NULL, run_nothing } };
    yk__debt debt = 0;
    open_reactor(&r);
    open_reactor(&other);
    fall_into_a_doze(&r);
    fall_into_a_doze(&other);
    post_lazily(&other, &posts[0], &debt);
    post_lazily(&r, &posts[1], &debt);
    assert_false(is_readable(other.wake_fd));
    assert_true(is_readable(r.wake_fd));
    wake_up_again(&other);
    yk__reactor_destroy(&other); /* and the debt is nobody's */
    wake_up_again(&r);
    yk__doze_pay(&debt);
    yk__reactor_destroy(&r);
}

/* Reactors come and go while others pay their debts. */
static _Atomic bool all_gone;

static void *pay(void *of)
{
    yk__debt *debt = of;
    while (!atomic_load(&all_gone))
        yk__doze_pay(debt);
    return NULL;
}

static void test_a_debt_outlives_its_reactor(void **state)
{
    (void)state;
    yk__debt debt = 0;
    pthread_t thread;
    atomic_store(&all_gone, false);
    assert_int_equal(pthread_create(&thread, NULL, pay, &debt), 0);
    for (size_t i = 0; i < support_rounds(5000); i++) {
        yk__reactor r;
        yk__post post = { NULL, run_nothing };
        open_reactor(&r);
        fall_into_a_doze(&r);
        post_lazily(&r, &post, &debt);
        yk__reactor_destroy(&r);
    }
    atomic_store(&all_gone, true);
    pthread_join(thread, NULL);
}

static void test_who_dozes_wakes_by_himself(void **state)
{
    (void)state;
    yk__reactor r;
    open_reactor(&r);
    fall_into_a_doze(&r);
    struct pollfd p = { .fd = r.poll_fd, .events = POLLIN };
    assert_int_equal(poll(&p, 1, -1), 1); /* the test's watchdog tells if it does not */
    wake_up_again(&r);
    yk__reactor_destroy(&r);
}

/* The timer set for the end of a doze that somebody cut short must not end the next one. */
static void test_a_doze_does_not_end_with_the_one_before(void **state)
{
    (void)state;
    yk__reactor r;
    open_reactor(&r);
    fall_into_a_doze(&r);
    uint64_t end = r.timer_set_for;
    yk__reactor_unpark(&r);
    while (yk_now() < end - YK__DOZE / 8)
        ;
    uint64_t begin = yk_now();
    fall_into_a_doze(&r);
    assert_true(r.timer_set_for >= begin + YK__DOZE / 2);
    wake_up_again(&r);
    yk__reactor_destroy(&r);
}

/* Not even when results come fast. */
static void test_nobody_dozes_without_a_backlog(void **state)
{
    (void)state;
    yk__reactor r;
    open_reactor(&r);
    fall_into_a_doze(&r);
    wake_up_again(&r);
    for (int i = 0; i < 10; i++) {
        yk__post posts[100];
        for (size_t k = 0; k < COUNT_OF(posts); k++) {
            posts[k].run = run_nothing;
            yk__reactor_post(&r, &posts[k]);
        }
        assert_true(yk__reactor_turn(&r));
        assert_true(yk__reactor_park(&r));
        assert_int_equal(atomic_load(&r.parked) & YK__DOZES, 0);
        yk__reactor_unpark(&r);
    }
    yk__reactor_destroy(&r);
}

/* ---- Descriptors ----------------------------------------------------------------------------- */

struct pipe_watch {
    yk__watch watch;
    yk__reactor *r;
    struct pipe_watch *other;
    int writer, calls;
};

static void readable(yk__watch *w)
{
    struct pipe_watch *p = (struct pipe_watch *)w;
    char c;
    assert_int_equal(read(w->fd, &c, 1), 1);
    p->calls++;
    if (p->other && p->calls == 2) /* an event that is there already must not be delivered */
        yk__reactor_unwatch(p->r, &p->other->watch);
}

static void test_descriptors_are_watched_until_they_are_not(void **state)
{
    (void)state;
    yk__reactor r;
    open_reactor(&r);
    struct pipe_watch p[2];
    for (int i = 0; i < 2; i++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        p[i] = (struct pipe_watch){ { .fd = ends[0], .readable = readable }, &r, NULL, ends[1], 0 };
        assert_int_equal(yk__reactor_watch(&r, &p[i].watch), 0);
    }
    yk__reactor_dispatch(&r); /* nothing there */
    assert_int_equal(p[0].calls + p[1].calls, 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(write(p[i].writer, "a", 1), 1);
    host_once(&r);
    assert_int_equal(p[0].calls, 1);
    assert_int_equal(p[1].calls, 1);
    p[0].other = &p[1];
    p[1].other = &p[0];
    for (int i = 0; i < 2; i++)
        assert_int_equal(write(p[i].writer, "a", 1), 1);
    host_once(&r);
    assert_int_equal(p[0].calls + p[1].calls, 3);
    for (int i = 0; i < 2; i++) {
        yk__reactor_unwatch(&r, &p[i].watch);
        close(p[i].watch.fd);
        close(p[i].writer);
    }
    assert_int_not_equal(yk__reactor_watch(&r, &p[0].watch), 0); /* a closed one is refused */
    yk__reactor_destroy(&r);
}

/* ---- Sources --------------------------------------------------------------------------------- */

struct counted {
    yk__source source;
    yk__reactor *r;
    struct counted *victim;
    _Atomic uint32_t pending; /* of another thread */
    _Atomic uint32_t parked;
    int turns, drained, abandoned;
};

static bool counted_turn(yk__source *s)
{
    struct counted *c = (struct counted *)s;
    c->turns++;
    if (c->victim) {
        yk__reactor_remove_source(c->r, &c->victim->source);
        c->victim = NULL;
    }
    uint32_t n = atomic_exchange(&c->pending, 0);
    c->drained += (int)n;
    return n > 0;
}

static bool counted_announce(yk__source *s, uint32_t parked)
{
    struct counted *c = (struct counted *)s;
    atomic_store(&c->parked, parked);
    return atomic_load(&c->pending) > 0;
}

static void counted_abandon(yk__source *s)
{
    ((struct counted *)s)->abandoned++;
}

static bool counted_look(const yk__source *s)
{
    return atomic_load(&((const struct counted *)s)->pending) > 0;
}

static void add_counted(struct counted *c, yk__reactor *r)
{
    *c = (struct counted){ .source = { .turn = counted_turn,
                                       .announce = counted_announce,
                                       .abandon = counted_abandon },
                           .r = r };
    yk__reactor_add_source(r, &c->source);
}

static void test_a_source_may_remove_any_in_its_turn(void **state)
{
    (void)state;
    for (int victim = 0; victim < 3; victim++) {
        yk__reactor r;
        open_reactor(&r);
        struct counted c[3];
        for (int i = 0; i < 3; i++)
            add_counted(&c[i], &r);
        c[1].victim = &c[victim];
        yk__reactor_turn(&r);
        yk__reactor_turn(&r);
        for (int i = 0; i < 3; i++)
            assert_in_range(c[i].turns, i == victim ? 0 : 2, i == victim ? 1 : 2);
        yk__reactor_destroy(&r); /* tells those that are left */
        for (int i = 0; i < 3; i++)
            assert_int_equal(c[i].abandoned, i != victim);
    }
}

static void *signal_source(void *arg)
{
    struct counted *c = arg;
    uint32_t woken = 0;
    for (size_t i = 0; i < support_rounds(POSTS); i++) {
        atomic_fetch_add(&c->pending, 1);
        uint32_t parked = atomic_load(&c->parked);
        if ((parked & 1) && parked != woken) {
            woken = parked;
            uint64_t one = 1;
            assert_int_equal(write(c->r->wake_fd, &one, sizeof one), sizeof one);
        }
        if (i % 64 == 0)
            support_pause();
    }
    return NULL;
}

/* The protocol by which workers wake the reactor: what is published is never slept over. */
static void test_a_source_wakes_the_reactor_that_sleeps(void **state)
{
    (void)state;
    yk__reactor r;
    open_reactor(&r);
    struct counted c;
    add_counted(&c, &r);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, signal_source, &c), 0);
    while (c.drained < (int)support_rounds(POSTS))
        host_once(&r);
    pthread_join(thread, NULL);
    yk__reactor_remove_source(&r, &c.source);
    yk__reactor_destroy(&r);
    assert_int_equal(c.abandoned, 0);
}

/* While it does not want to sleep it looks, and says nothing of a sleep to those who would wake it.
 */
static void test_a_reactor_that_stays_awake_looks_for_more(void **state)
{
    (void)state;
    yk__reactor r;
    open_reactor(&r);
    struct counted c;
    add_counted(&c, &r);
    c.source.look = counted_look;
    atomic_store(&c.pending, 1);
    assert_false(yk__reactor_again(&r)); /* it need not */
    assert_false(yk__reactor_park(&r));
    assert_int_equal(atomic_load(&c.parked), 0);
    assert_true(yk__reactor_turn(&r));

    yk__reactor_stay_awake(&r, 3000000000u);
    assert_false(yk__reactor_again(&r));
    assert_false(yk__reactor_park(&r));
    atomic_store(&c.pending, 1);
    assert_true(yk__reactor_again(&r));
    assert_true(yk__reactor_turn(&r));
    atomic_store(&c.pending, 1);
    while (yk__reactor_again(&r)) /* not for ever: descriptors want to be looked at */
        ;
    assert_true(yk__reactor_turn(&r));
    assert_int_equal(atomic_load(&c.parked), 0);

    yk__reactor_stay_awake(&r, 1000000);
    while (!yk__reactor_park(&r))
        ;
    assert_int_equal(atomic_load(&c.parked) & 1, 1);
    yk__reactor_unpark(&r);
    assert_int_equal(atomic_load(&c.parked) & 1, 0);
    yk__reactor_destroy(&r);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_timers_fire_in_the_order_of_their_deadlines),
        TEST(test_timers_wake_a_reactor_that_sleeps),
        TEST(test_a_timer_that_fires_sets_and_stops_others),
        TEST(test_posts_of_many_threads_run_in_the_order_of_each),
        TEST(test_a_post_posts_itself),
        TEST(test_park_sees_what_was_posted_before),
        TEST(test_who_dozes_is_woken_by_all_but_results_with_a_backlog),
        TEST(test_a_pool_that_owes_another_puts_nothing_off),
        TEST(test_a_debt_outlives_its_reactor),
        TEST(test_who_dozes_wakes_by_himself),
        TEST(test_a_doze_does_not_end_with_the_one_before),
        TEST(test_nobody_dozes_without_a_backlog),
        TEST(test_descriptors_are_watched_until_they_are_not),
        TEST(test_a_source_may_remove_any_in_its_turn),
        TEST(test_a_source_wakes_the_reactor_that_sleeps),
        TEST(test_a_reactor_that_stays_awake_looks_for_more),
    };
    return RUN_TESTS("reactor", tests);
}
