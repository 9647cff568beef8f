/* The jobs of the soak: what they do, what may become of them, and that it did. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "executor/arena.h"
#include "executor/stream.h"
#include "soak.h"

enum deed {
    DOES_NOTHING,
    GIVES_BACK,
    LONG_RESULT,
    FAILS,
    IN_PLACE, /* fills a block of the arena */
    COMPUTES, /* a little */
    WAITS,    /* until it is asked to stop, or some milliseconds */
    STREAMS,  /* emits records */
    SUBMITS,  /* on threads: a job of another executor, and awaits it */
    STICKS,   /* on threads: past its limit, deaf to everybody */
    CRASHES,  /* from here on in processes only */
    EXITS,
    KILLS_ITSELF,
    HANGS, /* the three from here on have a limit */
    IGNORES_TERM,
    STOPS_ITSELF,
    DEEDS
};

struct order {
    enum deed deed;
    unsigned number; /* how long, which way, which pattern */
    size_t size;
    unsigned char *block;
    yk_executor *friend;
};

struct errand {
    errand *next;
    errands *all;
    yk_future *future; /* the session's reference is another */
    struct order order;
    bool processes, limited, may_expire, may_be_refused, may_not_start;
    bool read;              /* its stream has been */
    _Atomic bool cancelled; /* somebody asked for it, or may have: set before the asking */
    _Atomic uint32_t ends;
};

/* ---- What they do --------------------------------------------------------------------------- */

static unsigned char pattern(unsigned number, size_t i)
{
    return (unsigned char)(number * 31 + i * 7);
}

static void fill(unsigned char *to, const struct order *o)
{
    for (size_t i = 0; i < o->size; i++)
        to[i] = pattern(o->number, i);
}

static bool filled(const unsigned char *from, const struct order *o)
{
    for (size_t i = 0; i < o->size; i++)
        if (from[i] != pattern(o->number, i))
            return false;
    return true;
}

static int compute_us(unsigned us)
{
    uint64_t end = yk_now() + us * (uint64_t)1000;
    while (yk_now() < end)
        ;
    return 0;
}

static int wait_ms(yk_job *job, unsigned ms)
{
    struct timespec moment = { 0, 500000 };
    for (unsigned i = 0; i < 2 * ms; i++) {
        if (yk_job_cancelled(job))
            return YK_ECANCELED;
        nanosleep(&moment, NULL);
    }
    return 0;
}

static int crash(unsigned way)
{
    static const int signals[] = { SIGSEGV, SIGABRT, SIGFPE, SIGBUS, SIGILL, SIGTERM };
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
    raise(signals[way % (sizeof signals / sizeof *signals)]);
    return 0;
}

static int nothing(yk_job *job)
{
    (void)job;
    return 0;
}

static int submit_to_friend(yk_executor *friend)
{
    yk_future *f = yk_submit(friend, nothing, NULL, 0);
    int err = yk_await(f);
    yk_future_unref(f);
    return err;
}

/* What a job emits. */
struct record {
    uint32_t number, of;
    unsigned char bytes[40];
};
enum { WIDE = 4096, NARROW = 160 }; /* all of them fit in; a few do */

static uint32_t records_of(const struct order *o)
{
    return o->number % 40;
}

static int emit_records(yk_job *job, const struct order *o)
{
    struct record r = { .of = records_of(o) };
    for (; r.number < r.of; r.number++) {
        for (size_t i = 0; i < sizeof r.bytes; i++)
            r.bytes[i] = pattern(r.number, i);
        yk_job_progress(job, r.number + 1, r.of);
        int err = yk_job_emit(job, &r, sizeof r);
        if (err)
            return err;
    }
    return 0;
}

static int stick(unsigned ms)
{
    struct timespec rest = { 0, 1000000 };
    for (unsigned i = 0; i < ms; i++)
        nanosleep(&rest, NULL);
    return 0;
}

static _Noreturn void hang(void)
{
    for (volatile unsigned i = 0;; i++)
        ;
}

static int in_processes_only(const struct order *o)
{
    switch (o->deed) {
    case CRASHES:
        return crash(o->number);
    case EXITS:
        if (o->number % 2)
            _exit((int)(o->number % 100));
        exit((int)(o->number % 100));
    case KILLS_ITSELF:
        raise(SIGKILL);
        return 0;
    case IGNORES_TERM:
        signal(SIGTERM, SIG_IGN);
        hang();
    case HANGS:
        hang();
    case STOPS_ITSELF:
        raise(SIGSTOP);
        return 0;
    default:
        return YK_EJOB;
    }
}

static int run_errand(yk_job *job)
{
    const struct order *o = yk_job_arg(job);
    unsigned char *to;
    switch (o->deed) {
    case DOES_NOTHING:
        return 0;
    case GIVES_BACK:
        return yk_job_return(job, o + 1, o->size);
    case LONG_RESULT:
        to = yk_job_result(job, o->size);
        if (!to)
            return UV_ENOMEM;
        fill(to, o);
        return 0;
    case FAILS:
        return yk_job_fail(job, UV_EINVAL, "error %u", o->number);
    case IN_PLACE:
        fill(o->block, o);
        return 0;
    case COMPUTES:
        return compute_us(o->number % 1500);
    case WAITS:
        return wait_ms(job, o->number % 12);
    case STREAMS:
        return emit_records(job, o);
    case SUBMITS:
        return submit_to_friend(o->friend);
    case STICKS:
        return stick(o->number % 150);
    default:
        return in_processes_only(o);
    }
}

/* ---- What became of them -------------------------------------------------------------------- */

static enum outcome outcome_of(const yk_future *f)
{
    const yk_error *error = yk_future_error(f);
    switch (error ? error->code : 0) {
    case 0:
        return DONE;
    case YK_ECANCELED:
        return CANCELLED;
    case YK_ECRASHED:
        return CRASHED;
    case YK_EJOBTIMEOUT:
        return TIMED_OUT;
    case YK_EEXPIRED:
        return EXPIRED;
    case YK_EFULL:
    case UV_ETIMEDOUT:
        return REFUSED;
    case YK_ENOWORKER:
    case YK_EINIT:
        return NOWORKER;
    default:
        return FAILED;
    }
}

static bool right_result(const errand *e)
{
    const struct order *o = &e->order;
    size_t len;
    const unsigned char *result = yk_future_result(e->future, &len);
    if (o->deed == GIVES_BACK || o->deed == LONG_RESULT)
        return len == o->size && filled(result, o);
    if (o->deed == IN_PLACE)
        return len == 0 && filled(o->block, o);
    return len == 0 && o->deed != FAILS && (o->deed < CRASHES || o->deed == STOPS_ITSELF);
}

static bool may_end_so(const errand *e, enum outcome outcome, int code)
{
    switch (outcome) {
    case DONE:
        return right_result(e);
    case FAILED: /* SUBMITS: nobody can be had to stand in for the one who waits */
        return (e->order.deed == FAILS && code == UV_EINVAL) ||
               (e->order.deed == SUBMITS && e->may_not_start && code == YK_EDEADLK);
    case CRASHED:
        return e->processes || e->order.deed == SUBMITS;
    case NOWORKER:
        return e->processes || e->order.deed == SUBMITS || e->may_not_start;
    case TIMED_OUT:
        return e->limited;
    case CANCELLED:
        return atomic_load(&e->cancelled);
    case EXPIRED:
        return e->may_expire;
    case REFUSED:
        return e->may_be_refused;
    default:
        return false;
    }
}

static int ended(yk_future *f, void *arg)
{
    errand *e = arg;
    enum outcome outcome = outcome_of(f);
    const yk_error *error = yk_future_error(f);
    if (!may_end_so(e, outcome, error ? error->code : 0))
        wrong("a job of kind %d (%s) ended as %s: %s", (int)e->order.deed,
              e->processes ? "processes" : "threads", outcome_names[outcome],
              error ? error->message : "with another result");
    if (atomic_fetch_add(&e->ends, 1) > 0)
        wrong("a future ended twice");
    count(&total.outcomes[outcome], 1);
    count(&total.ended, 1);
    count(&e->all->outcomes[outcome], 1);
    atomic_fetch_add(&e->all->ended, 1);
    return 0;
}

/* ---- Sending them out ----------------------------------------------------------------------- */

static enum deed choose_deed(dice *d, bool processes, bool friend)
{
    uint64_t p = dice_below(d, 1000);
    if (p < 500)
        return DOES_NOTHING;
    if (p < 800)
        return GIVES_BACK;
    if (p < 880)
        return FAILS;
    if (p < 910)
        return LONG_RESULT;
    if (p < 940)
        return IN_PLACE;
    if (p < 955)
        return COMPUTES;
    if (p < 970)
        return STREAMS;
    if (p < 980)
        return WAITS;
    if (p < 983)
        return STICKS;
    if (processes)
        return p < 992 ? (enum deed)(CRASHES + dice_below(d, 3))
                       : (enum deed)(HANGS + dice_below(d, 3));
    return friend ? SUBMITS : DOES_NOTHING;
}

static bool prepare(errand *e, dice *d)
{
    struct order *o = &e->order;
    o->number = (unsigned)dice_below(d, 1 << 20);
    if (o->deed == GIVES_BACK)
        o->size = dice_percent(d, 10) ? dice_below(d, 3000) : dice_below(d, 160);
    if (o->deed == LONG_RESULT)
        o->size = dice_below(d, 120000);
    if (o->deed == IN_PLACE) {
        o->size = 1 + dice_below(d, 20000);
        o->block = yk_arena_alloc(o->size);
        return o->block;
    }
    return true;
}

static yk_job_options choose_options(errand *e, const counter *where, dice *d)
{
    yk_job_options options = { .kind = YK_CPU };
    bool bad = e->order.deed >= CRASHES;
    if (where->hybrid)
        options.kind =
            bad || dice_percent(d, 40) ? YK_ISOLATED : (yk_job_kind)dice_below(d, YK_ISOLATED);
    e->processes = where->processes && (!where->hybrid || options.kind == YK_ISOLATED);
    if (e->processes && (e->order.deed == SUBMITS || e->order.deed == STICKS))
        e->order.deed = DOES_NOTHING;
    if (e->order.deed == STREAMS)
        options.stream = dice_percent(d, 30) ? NARROW : WIDE;
    else if (dice_percent(d, 10))
        options.retries = 1 + (unsigned)dice_below(d, 2);
    if (e->order.deed >= HANGS || e->order.deed == STICKS || dice_percent(d, 5))
        options.timeout_ms = 10 + dice_below(d, 40);
    options.priority = (int)dice_below(d, 3) - 1;
    if (dice_percent(d, 3))
        options.start_by = yk_after_ms(dice_below(d, 30));
    options.no_wait = dice_percent(d, 10);
    if (!options.no_wait && dice_percent(d, 10))
        options.submit_deadline = yk_after_ms(dice_below(d, 10));
    e->may_expire = options.start_by != 0;
    e->may_be_refused = options.no_wait || options.submit_deadline;
    e->limited |= options.timeout_ms != 0;
    return options;
}

static yk_future *submit(errand *e, const counter *where, const yk_job_options *options)
{
    unsigned char arg[sizeof(struct order) + 4096];
    memcpy(arg, &e->order, sizeof e->order);
    size_t len = sizeof e->order;
    if (e->order.deed == GIVES_BACK) {
        fill(arg + len, &e->order);
        len += e->order.size;
    }
    return yk_submit_opts(where->ex, run_errand, arg, len, options);
}

yk_future *errand_run(errands *all, const counter *where, dice *d, yk_executor *friend)
{
    errand *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->all = all;
    e->order.deed = choose_deed(d, where->processes, friend);
    e->order.friend = friend;
    e->limited = where->limited;
    e->may_not_start = where->may_not_start;
    if (!prepare(e, d)) {
        free(e);
        return NULL;
    }
    yk_job_options options = choose_options(e, where, d);
    e->next = all->first;
    all->first = e;
    atomic_fetch_add(&all->n, 1);
    count(&total.submitted, 1);
    e->future = submit(e, where, &options);
    if (yk_future_on_end(yk_future_ref(e->future), ended, e))
        wrong("no memory for a callback");
    if (options.stream == NARROW)
        errand_read(e); /* until then it keeps a worker */
    return e->future;
}

void errand_read(errand *e)
{
    if (e->order.deed != STREAMS || e->read)
        return;
    e->read = true;
    yk_future *f = e->future;
    struct record r;
    size_t len;
    uint32_t n = 0;
    int err;
    while ((err = yk_stream_next(f, &r, sizeof r, &len, YK_FOREVER)) == 0) {
        bool right = len == sizeof r && r.number == n && n < r.of;
        for (size_t i = 0; i < sizeof r.bytes; i++)
            right &= r.bytes[i] == pattern(n, i);
        if (!right)
            wrong("record %u of a stream is wrong", n);
        n++;
    }
    if (err != YK_END)
        wrong("a stream ended with %s", yk_strerror(err));
    uint64_t done, of;
    if (yk_future_state(f) == YK_DONE && (yk_future_progress(f, &done, &of) || of != n))
        wrong("a stream has %u records, and not %u", n, (unsigned)of);
    count(&total.records, n);
}

void errand_cancel(errand *e)
{
    atomic_store(&e->cancelled, true);
    count(&total.cancels, 1);
    yk_future_cancel(e->future);
}

errand *errands_newest(errands *all)
{
    return all->first;
}

void errands_closing(errands *all)
{
    for (errand *e = all->first; e; e = e->next)
        atomic_store(&e->cancelled, true);
}

void errands_end(errands *all)
{
    for (errand *e = all->first, *next; e; e = next) {
        next = e->next;
        if (atomic_load(&e->ends) != 1)
            wrong("a future ended %u times", atomic_load(&e->ends));
        yk_arena_free(e->order.block);
        yk_future_unref(e->future);
        free(e);
    }
}
