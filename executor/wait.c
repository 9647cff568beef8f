/* Waiting for one future, for many, and for each in turn, as the caller's parker sleeps. */
#include "wait.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "park.h"
#include "promise.h"

static int code_of(const yk_future *f)
{
    const yk_error *error = yk_future_error(f);
    return error ? error->code : 0;
}

/* ---- One ------------------------------------------------------------------------------------ */

static void unpark_waiter(yk_future *f, void *arg)
{
    (void)f;
    yk__parker *parker = arg;
    parker->unpark(parker);
}

static void tell_it(const void *f, void (*tell)(const yk_future *, void *), void *arg)
{
    tell(f, arg);
}

static const yk__wait_kind for_one = { "the end of", tell_it };

/* With no memory to be told of the end: looks for it every millisecond. */
static int look_now_and_then(yk_future *f, yk__parker *parker, uint64_t deadline)
{
    for (;;) {
        uint64_t next = yk_after_ms(1);
        int err = yk__park_asleep(parker, next < deadline ? next : deadline);
        if (yk_future_ended(f))
            return 0;
        if (err && (err != UV_ETIMEDOUT || next >= deadline))
            return err;
    }
}

int yk__wait_for_end(yk_future *f, uint64_t deadline)
{
    if (yk_future_ended(f))
        return 0;
    if (deadline == 0)
        return UV_ETIMEDOUT;
    yk__parker *parker = yk__parker_current();
    if (!parker)
        return YK_EONLOOP;
    if (parker->self == f)
        return YK_EDEADLK;
    yk__place *place;
    int err = yk__future_wait_for(f, unpark_waiter, parker, false, &place);
    if (err == YK_EDONE)
        return 0;
    bool told = err != UV_ENOMEM;
    yk__parker_waits(parker, &for_one, f);
    err = told ? parker->park(parker, deadline, true) : look_now_and_then(f, parker, deadline);
    if (err && told && !yk__future_withdraw(place)) {
        /* It ended at the last moment; the wake-up that is on its way must not go astray. */
        parker->park(parker, YK_FOREVER, false);
        if (err == UV_ETIMEDOUT)
            err = 0;
    }
    return err;
}

int yk_await_until(yk_future *f, uint64_t deadline)
{
    if (!f)
        return UV_EINVAL;
    int err = yk__wait_for_end(f, deadline);
    if (err == YK_ECANCELED)
        yk__future_cancel_like(f, yk__parker_current()->self);
    return err ? err : code_of(f);
}

int yk_await(yk_future *f)
{
    return yk_await_until(f, YK_FOREVER);
}

int yk_shield_until(yk_future *f, uint64_t deadline)
{
    if (!f)
        return UV_EINVAL;
    int err = yk__wait_for_end(f, deadline);
    return err ? err : code_of(f);
}

int yk_shield(yk_future *f)
{
    return yk_shield_until(f, YK_FOREVER);
}

int yk_await_into_until(yk_future *f, void *out, size_t size, uint64_t deadline)
{
    int err = yk_await_until(f, deadline);
    if (err)
        return err;
    size_t len;
    const void *result = yk_future_result(f, &len);
    if (len != size)
        return len > size ? YK_ETOOBIG : YK_EFORMAT;
    if (size > 0)
        memcpy(out, result, size);
    return 0;
}

int yk_await_into(yk_future *f, void *out, size_t size)
{
    return yk_await_into_until(f, out, size, YK_FOREVER);
}

/* ---- Many ----------------------------------------------------------------------------------- */

/* A wait on many futures lives on the heap: one that ends while the waiter is leaving may still
 * hold on to it. Each place that is armed counts as one reference, the waiter as another. `missing`
 * is how many ends the waiter still needs; who takes it from 1 to 0 wakes it, once; a waiter that
 * leaves takes it to 0 itself. */
struct many {
    _Atomic int64_t missing;
    _Atomic size_t refs;
    yk_wait_for what;
    yk__parker *parker;
    yk_future *const *futures; /* the waiter's, while it sleeps */
    size_t n;
};

static void tell_many(const void *object, void (*tell)(const yk_future *, void *), void *arg)
{
    const struct many *m = object;
    for (size_t i = 0; i < m->n; i++)
        tell(m->futures[i], arg);
}

static const yk__wait_kind for_many[] = {
    [YK_FIRST_ENDED] = { "the first end of", tell_many },
    [YK_FIRST_FAILED] = { "the first failure of", tell_many },
    [YK_ALL_ENDED] = { "the ends of", tell_many },
};

static void many_unref(struct many *m)
{
    if (atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) == 1)
        free(m);
}

static void one_of_many_ended(yk_future *f, void *arg)
{
    struct many *m = arg;
    bool enough = m->what == YK_FIRST_FAILED && yk_future_state(f) == YK_FAILED;
    int64_t before = enough ? atomic_exchange_explicit(&m->missing, 0, memory_order_acq_rel)
                            : atomic_fetch_sub_explicit(&m->missing, 1, memory_order_acq_rel);
    if (enough ? before > 0 : before == 1)
        m->parker->unpark(m->parker);
    many_unref(m);
}

/* How the futures of a wait stand. */
struct tally {
    size_t distinct, ended, failed;
};

static int by_address(const void *a, const void *b)
{
    const yk_future *x = *(yk_future *const *)a, *y = *(yk_future *const *)b;
    return x < y ? -1 : x > y;
}

/* A copy without duplicates. */
static yk_future **distinct(yk_future *const *futures, size_t n, size_t *count)
{
    yk_future **copy = malloc(n * sizeof *copy);
    if (!copy)
        return NULL;
    memcpy(copy, futures, n * sizeof *copy);
    qsort(copy, n, sizeof *copy, by_address);
    size_t k = 1;
    for (size_t i = 1; i < n; i++)
        if (copy[i] != copy[k - 1])
            copy[k++] = copy[i];
    *count = k;
    return copy;
}

static struct tally count(yk_future *const *futures, size_t n)
{
    struct tally t = { .distinct = n };
    for (size_t i = 0; i < n; i++) {
        yk_state s = yk_future_state(futures[i]);
        t.ended += s >= YK_DONE;
        t.failed += s == YK_FAILED;
    }
    return t;
}

static bool satisfied(struct tally t, yk_wait_for what)
{
    return t.ended == t.distinct || (what == YK_FIRST_ENDED && t.ended > 0) ||
           (what == YK_FIRST_FAILED && t.failed > 0);
}

/* Arms a place on each; a future that has ended meanwhile is counted by hand. */
static int arm_all(struct many *m, yk_future *const *futures, size_t n, yk__place **places)
{
    for (size_t i = 0; i < n; i++) {
        atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
        int err = yk__future_wait_for(futures[i], one_of_many_ended, m, false, &places[i]);
        if (err) {
            places[i] = NULL;
            if (err == YK_EDONE)
                one_of_many_ended(futures[i], m);
            else {
                many_unref(m);
                return err;
            }
        }
    }
    return 0;
}

static void withdraw_all(struct many *m, yk__place **places, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (places[i] && yk__future_withdraw(places[i]))
            many_unref(m);
}

/* Sleeps until the wait is satisfied. `places` has room for n and is all NULL. */
static int sleep_on_many(yk_future *const *futures, size_t n, yk_wait_for what, uint64_t deadline,
                         yk__parker *parker, yk__place **places)
{
    struct many *m = malloc(sizeof *m);
    if (!m)
        return UV_ENOMEM;
    atomic_init(&m->missing, what == YK_FIRST_ENDED ? 1 : (int64_t)n);
    atomic_init(&m->refs, 1);
    m->what = what;
    m->parker = parker;
    m->futures = futures;
    m->n = n;
    int err = arm_all(m, futures, n, places);
    yk__parker_waits(parker, &for_many[what], m);
    if (!err)
        err = parker->park(parker, deadline, true);
    if (err && atomic_exchange_explicit(&m->missing, 0, memory_order_acq_rel) <= 0) {
        parker->park(parker, YK_FOREVER, false);
        if (err == UV_ETIMEDOUT)
            err = 0;
    }
    withdraw_all(m, places, n);
    many_unref(m);
    return err;
}

static int wait_distinct(yk_future *const *futures, size_t n, yk_wait_for what, uint64_t deadline)
{
    struct tally t = count(futures, n);
    if (satisfied(t, what))
        return (int)t.ended;
    if (deadline == 0)
        return UV_ETIMEDOUT;
    yk__parker *parker = yk__parker_current();
    if (!parker)
        return YK_EONLOOP;
    for (size_t i = 0; i < n; i++)
        if (futures[i] == parker->self)
            return YK_EDEADLK;
    yk__place **places = calloc(n, sizeof *places);
    if (!places)
        return UV_ENOMEM;
    int err = sleep_on_many(futures, n, what, deadline, parker, places);
    free(places);
    return err ? err : (int)count(futures, n).ended;
}

int yk_wait(yk_future *const *futures, size_t n, yk_wait_for what, uint64_t deadline)
{
    if (n == 0 || n > INT32_MAX || !futures || (unsigned)what > YK_ALL_ENDED)
        return UV_EINVAL;
    for (size_t i = 0; i < n; i++)
        if (!futures[i])
            return UV_EINVAL;
    size_t k;
    yk_future **each = distinct(futures, n, &k);
    if (!each)
        return UV_ENOMEM;
    int rc = wait_distinct(each, k, what, deadline);
    free(each);
    return rc;
}

int yk_await_all(yk_future *const *futures, size_t n, uint64_t deadline)
{
    if (n == 0)
        return 0;
    int rc = yk_wait(futures, n, YK_ALL_ENDED, deadline);
    if (rc < 0)
        return rc;
    int first = 0;
    for (size_t i = 0; i < n; i++) { /* all of them count as looked at */
        int code = code_of(futures[i]);
        first = first ? first : code;
    }
    return first;
}

/* ---- As completed --------------------------------------------------------------------------- */

/* One future of the iteration. */
struct entry {
    yk_as_completed *each;
    yk_future *f;     /* a reference until it is handed out: the place below lies in it */
    yk__place *place; /* armed, else NULL; the reader's */
    bool had_ended;   /* before the iteration began */
};

/* The order of ends is written by those who end the futures: `order` is filled from the front, each
 * writer taking the next index of `filled` and publishing its entry with release. The reader takes
 * entries in that order and sleeps where the next is empty. The last reference frees all: every
 * armed place holds one, the iterator another. */
struct yk_as_completed {
    _Atomic size_t refs;
    _Atomic size_t filled;
    size_t total, taken;           /* the reader's */
    _Atomic(yk__parker *) sleeper; /* set by a reader that sleeps; taken by who wakes it */
    struct entry *entries;
    _Atomic(struct entry *) *order;
};

static void each_unref(yk_as_completed *each)
{
    if (atomic_fetch_sub_explicit(&each->refs, 1, memory_order_acq_rel) != 1)
        return;
    free(each->entries);
    free(each->order);
    free(each);
}

static void note_end(yk_future *f, void *arg)
{
    (void)f;
    struct entry *entry = arg;
    yk_as_completed *each = entry->each;
    size_t i = atomic_fetch_add_explicit(&each->filled, 1, memory_order_relaxed);
    /* Sequentially consistent with the reader's: it sets `sleeper`, then looks at its entry; this
     * fills the entry, then looks at `sleeper`. */
    atomic_store(&each->order[i], entry);
    yk__parker *sleeper = atomic_exchange(&each->sleeper, NULL);
    if (sleeper)
        sleeper->unpark(sleeper);
    each_unref(each);
}

static yk_as_completed *each_alloc(size_t n)
{
    yk_as_completed *each = calloc(1, sizeof *each);
    if (!each)
        return NULL;
    atomic_init(&each->refs, 1);
    each->entries = calloc(n ? n : 1, sizeof *each->entries);
    each->order = calloc(n ? n : 1, sizeof *each->order);
    if (each->entries && each->order)
        return each;
    each_unref(each);
    return NULL;
}

/* Those that have ended go first, in the order given. */
static void take_all(yk_as_completed *each, yk_future *const *futures, size_t n)
{
    each->total = n;
    for (size_t i = 0; i < n; i++) {
        struct entry *e = &each->entries[i];
        *e = (struct entry){ each, yk_future_ref(futures[i]), NULL, yk_future_ended(futures[i]) };
        if (e->had_ended)
            atomic_store(&each->order[each->filled++], e);
    }
}

static int arm_each(yk_as_completed *each)
{
    for (size_t i = 0; i < each->total; i++) {
        struct entry *e = &each->entries[i];
        if (e->had_ended)
            continue;
        atomic_fetch_add_explicit(&each->refs, 1, memory_order_relaxed);
        int err = yk__future_wait_for(e->f, note_end, e, false, &e->place);
        if (err) {
            e->place = NULL;
            if (err != YK_EDONE) {
                each_unref(each);
                return err;
            }
            note_end(e->f, e);
        }
    }
    return 0;
}

/* Removes duplicates and keeps the order: O(n log n) by way of the sorted copy. */
static size_t unique_in_order(yk_future *const *futures, size_t n, yk_future **sorted, size_t k,
                              yk_future **out)
{
    size_t m = 0;
    bool *seen = calloc(k ? k : 1, sizeof *seen);
    if (!seen)
        return SIZE_MAX;
    for (size_t i = 0; i < n; i++) {
        yk_future **at = bsearch(&futures[i], sorted, k, sizeof *sorted, by_address);
        if (!seen[at - sorted]) {
            seen[at - sorted] = true;
            out[m++] = futures[i];
        }
    }
    free(seen);
    return m;
}

static yk_future **unique(yk_future *const *futures, size_t n, size_t *count)
{
    size_t k = 0;
    yk_future **sorted = distinct(futures, n, &k);
    yk_future **out = malloc(n * sizeof *out);
    if (sorted && out)
        *count = unique_in_order(futures, n, sorted, k, out);
    if (!sorted || !out || *count == SIZE_MAX) {
        free(out);
        out = NULL;
    }
    free(sorted);
    return out;
}

yk_as_completed *yk_as_completed_new(yk_future *const *futures, size_t n)
{
    if (n == 0)
        return each_alloc(0);
    for (size_t i = 0; i < n; i++)
        if (!futures || !futures[i])
            return NULL;
    size_t k = 0;
    yk_future **rest = unique(futures, n, &k);
    yk_as_completed *each = rest ? each_alloc(k) : NULL;
    if (each) {
        take_all(each, rest, k);
        if (arm_each(each) != 0) {
            yk_as_completed_free(each);
            each = NULL;
        }
    }
    free(rest);
    return each;
}

static bool is_left(const yk_as_completed *each, const yk_future *f)
{
    for (size_t i = 0; i < each->total; i++)
        if (each->entries[i].f == f)
            return true;
    return false;
}

static void tell_left(const void *object, void (*tell)(const yk_future *, void *), void *arg)
{
    const yk_as_completed *each = object;
    for (size_t i = 0; i < each->total; i++)
        if (each->entries[i].f)
            tell(each->entries[i].f, arg);
}

static const yk__wait_kind for_next = { "the next end of", tell_left };

static int sleep_for_next(yk_as_completed *each, uint64_t deadline)
{
    yk__parker *parker = yk__parker_current();
    if (!parker)
        return YK_EONLOOP;
    if (parker->self && yk_as_completed_left(each) == 1 && is_left(each, parker->self))
        return YK_EDEADLK;
    yk__parker_waits(parker, &for_next, each);
    atomic_store(&each->sleeper, parker);
    if (atomic_load(&each->order[each->taken])) {
        if (!atomic_exchange(&each->sleeper, NULL))
            parker->park(parker, YK_FOREVER, false);
        return 0;
    }
    int err = parker->park(parker, deadline, true);
    if (err && !atomic_exchange(&each->sleeper, NULL))
        parker->park(parker, YK_FOREVER, false);
    return err;
}

int yk_as_completed_next(yk_as_completed *each, yk_future **f, uint64_t deadline)
{
    if (each->taken == each->total)
        return YK_END;
    struct entry *next;
    while (!(next = atomic_load(&each->order[each->taken]))) {
        if (deadline == 0)
            return UV_ETIMEDOUT;
        int err = sleep_for_next(each, deadline);
        if (err && !atomic_load(&each->order[each->taken]))
            return err;
        if (err == YK_ECANCELED)
            return err;
    }
    each->taken++;
    *f = next->f;
    next->place = NULL; /* it has fired, and goes with its future */
    next->f = NULL;
    yk_future_unref(*f); /* the caller has its own */
    return 0;
}

size_t yk_as_completed_left(const yk_as_completed *each)
{
    return each->total - each->taken;
}

void yk_as_completed_free(yk_as_completed *each)
{
    if (!each)
        return;
    for (size_t i = 0; i < each->total; i++) {
        struct entry *e = &each->entries[i];
        if (e->place && yk__future_withdraw(e->place))
            each_unref(each);
        yk_future_unref(e->f);
    }
    each_unref(each);
}
