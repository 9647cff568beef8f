/* One function over many inputs.
 *
 * Inputs are pulled from a source, one by one, and sent off in jobs of `chunk` inputs each. A job
 * on its way is a flight; there are as many as the window has room for. The results are taken from
 * the flights in line (in the order of the inputs), or as they land: then each flight waits for its
 * future with a place of its own, and the one who ends the future puts it on the stack `landed`.
 *
 * A place may still be firing when the map is freed; so a map is counted: its owner has one
 * reference, each armed place another.
 */
#include "map.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "internal.h"
#include "map_chunk.h"
#include "park.h"
#include "wait.h"

#define LEAST_FLIGHTS      32u
#define FLIGHTS_PER_WORKER 4u

struct flight {
    yk_map *map;
    yk_future *f;
    yk__place *place;    /* as completed: armed or fired, until it is taken; else NULL */
    size_t first, n;     /* its inputs */
    struct flight *next; /* free, in line, or landed */
};

struct yk_map {
    _Atomic size_t refs;
    yk_executor *ex;
    yk_job_fn fn;
    uint64_t deadline;
    yk_job_options job;
    size_t chunk;
    bool as_completed;

    /* The source: a callback, or an array of n inputs of `size` bytes. `over`: 0, or what the
     * source said at its end, as long as nobody has been told. */
    yk_map_input_fn next;
    void *next_arg;
    const unsigned char *inputs;
    size_t n, size;
    size_t pulled;
    int over;

    /* A job for which there was no room: held_n inputs, packed or as they are. */
    yk__pack pack;
    const void *held;
    size_t held_len, held_n;

    struct flight *free, *line, **line_end;
    size_t flying;
    /* As completed. Pushed by whoever ends a future, taken by the reader; sequentially consistent
     * against `sleeper`, which the reader sets before it looks once more. */
    _Atomic(struct flight *) landed;
    _Atomic(yk__parker *) sleeper;

    /* What the results are taken from now, and the one that was taken last. */
    yk_future *current;
    size_t current_left, index;
    yk__unpack results;      /* of `current`, which is a chunk */
    yk__chunk_result result; /* the last one of these */
    int broken;              /* or why it is not one */
    yk_future *last;

    struct flight flights[];
};

static void map_unref(yk_map *m)
{
    if (atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) == 1)
        free(m);
}

/* ---- Flights -------------------------------------------------------------------------------- */

static void in_line(yk_map *m, struct flight *flight)
{
    flight->next = NULL;
    *m->line_end = flight;
    m->line_end = &flight->next;
}

static struct flight *first_in_line(yk_map *m)
{
    struct flight *flight = m->line;
    if (flight) {
        m->line = flight->next;
        if (!m->line)
            m->line_end = &m->line;
    }
    return flight;
}

static void push_landed(struct flight *flight)
{
    yk_map *m = flight->map;
    flight->next = atomic_load_explicit(&m->landed, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(&m->landed, &flight->next, flight))
        ;
}

static void flight_landed(yk_future *f, void *arg)
{
    (void)f;
    struct flight *flight = arg;
    yk_map *m = flight->map;
    push_landed(flight);
    yk__parker *sleeper = atomic_exchange(&m->sleeper, NULL);
    if (sleeper)
        sleeper->unpark(sleeper);
    map_unref(m);
}

/* Moves what has landed into the line, the first first. */
static bool line_up_landed(yk_map *m)
{
    struct flight *stack = atomic_exchange(&m->landed, NULL), *queue = NULL;
    while (stack) {
        struct flight *next = stack->next;
        stack->next = queue;
        queue = stack;
        stack = next;
    }
    for (struct flight *next; queue; queue = next) {
        next = queue->next;
        in_line(m, queue);
    }
    return m->line != NULL;
}

static void take_off(yk_map *m, yk_future *f, size_t n)
{
    struct flight *flight = m->free;
    m->free = flight->next;
    *flight = (struct flight){ .map = m, .f = f, .first = m->pulled - n, .n = n };
    m->flying++;
    if (!m->as_completed) {
        in_line(m, flight);
        return;
    }
    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    if (yk__future_wait_for(f, flight_landed, flight, false, &flight->place) != 0) {
        /* It has ended; or there is no memory, and the reader will have to wait for this one. */
        flight->place = NULL;
        push_landed(flight);
        map_unref(m);
    }
}

/* ---- The source ----------------------------------------------------------------------------- */

static int pull(yk_map *m, const void **input, size_t *len)
{
    int err = 0;
    if (m->next)
        err = m->next(m->next_arg, input, len);
    else if (m->pulled == m->n)
        err = YK_END;
    else
        *input = m->inputs + m->pulled * m->size, *len = m->size;
    if (err < 0)
        m->over = err;
    else
        m->pulled++;
    return err < 0 ? err : 0;
}

/* The next job's inputs, into `held`. False: there are none. An input that there is no memory for
 * ends the source. */
static bool gather(yk_map *m)
{
    const void *input;
    size_t len;
    m->held_n = 0;
    if (m->chunk == 1) {
        m->held_n = pull(m, &m->held, &m->held_len) == 0;
        return m->held_n > 0;
    }
    int err = yk__pack_begin(&m->pack, m->fn);
    while (!err && m->held_n < m->chunk && pull(m, &input, &len) == 0) {
        err = yk__pack_input(&m->pack, input, len);
        if (!err)
            m->held_n++;
        else
            m->pulled--;
    }
    if (err)
        m->over = err;
    m->held = m->pack.bytes;
    m->held_len = m->pack.len;
    return m->held_n > 0;
}

/* ---- Sending off ---------------------------------------------------------------------------- */

/* What came of waiting for room, if that is why there is no job; such a future is nobody's job. */
static int kept_out(const yk_future *f)
{
    /* Not yk_future_error: that would be a look, and it is the reader of the results who looks. */
    bool refused = yk__future_is_promise(f) && yk_future_state(f) > YK_DONE;
    int code = refused ? f->error->code : 0;
    bool door = code == YK_EFULL || code == UV_ETIMEDOUT || code == YK_ECANCELED ||
                code == YK_EONLOOP || code == YK_EDEADLK;
    return door ? code : 0;
}

/* Sends off what is held. 0, or why there was no room for it. */
static int send_off(yk_map *m, bool wait)
{
    yk_job_options options = m->job;
    options.no_wait = !wait;
    options.submit_deadline = m->deadline == YK_FOREVER ? 0 : m->deadline;
    yk_future *f = yk_submit_opts(m->ex, m->chunk == 1 ? m->fn : yk__map_chunk_job, m->held,
                                  m->held_len, &options);
    int err = kept_out(f);
    if (err) {
        yk_future_error(f); /* seen, and dealt with */
        yk_future_unref(f);
        return err;
    }
    take_off(m, f, m->held_n);
    m->held_n = 0;
    return 0;
}

static void fill_window(yk_map *m)
{
    while (m->free && (m->held_n > 0 || (!m->over && gather(m))))
        if (send_off(m, false) != 0)
            break;
}

/* ---- Life ----------------------------------------------------------------------------------- */

static size_t most_flights(const yk_executor *ex, const yk_map_options *options, size_t chunk,
                           size_t n)
{
    size_t flights = options->window / chunk;
    if (options->window == 0) {
        size_t workers = (size_t)(ex->workers > 0 ? ex->workers : yk_cpu_count());
        flights = FLIGHTS_PER_WORKER * workers;
        if (flights < LEAST_FLIGHTS)
            flights = LEAST_FLIGHTS;
    }
    return n / chunk < flights ? n / chunk + 1 : flights; /* no more than the inputs need */
}

static yk_map *map_new(yk_executor *ex, yk_job_fn fn, size_t n, const yk_map_options *options)
{
    static const yk_map_options none;
    options = options ? options : &none;
    size_t chunk = options->chunk > 1 ? (size_t)options->chunk : 1;
    if (options->window && chunk > options->window)
        chunk = options->window;
    size_t flights = most_flights(ex, options, chunk, n);
    if (flights > (SIZE_MAX - sizeof(yk_map)) / sizeof(struct flight))
        return NULL;
    yk_map *m = malloc(sizeof *m + flights * sizeof *m->flights);
    if (!m)
        return NULL;
    *m = (yk_map){ .refs = 1,
                   .ex = yk_executor_ref(ex),
                   .fn = fn,
                   .deadline = options->deadline ? options->deadline : YK_FOREVER,
                   .job = options->job,
                   .chunk = chunk,
                   .as_completed = options->as_completed,
                   .n = n,
                   .over = options->chunk < 0 ? UV_EINVAL : 0 };
    m->line_end = &m->line;
    for (size_t i = flights; i-- > 0; m->free = &m->flights[i])
        m->flights[i] = (struct flight){ .map = m, .next = m->free };
    return m;
}

yk_map *yk_map_start_opts(yk_executor *ex, yk_job_fn fn, const void *inputs, size_t n, size_t size,
                          const yk_map_options *options)
{
    yk_map *m = map_new(ex, fn, n, options);
    if (!m)
        return NULL;
    m->inputs = inputs;
    m->size = size;
    fill_window(m);
    return m;
}

yk_map *yk_map_from_opts(yk_executor *ex, yk_job_fn fn, yk_map_input_fn next, void *arg,
                         const yk_map_options *options)
{
    yk_map *m = map_new(ex, fn, SIZE_MAX, options);
    if (!m)
        return NULL;
    m->next = next;
    m->next_arg = arg;
    fill_window(m);
    return m;
}

static void abandon(yk_map *m, struct flight *flight)
{
    if (flight->place && yk__future_withdraw(flight->place))
        map_unref(m);
    if (yk_future_state(flight->f) == YK_PENDING)
        yk_future_cancel(flight->f);
    yk_future_unref(flight->f);
}

void yk_map_free(yk_map *m)
{
    if (!m)
        return;
    for (size_t i = 0; m->flying > 0; i++)
        if (m->flights[i].f) {
            abandon(m, &m->flights[i]);
            m->flying--;
        }
    yk_future_unref(m->current);
    yk_future_unref(m->last);
    free(m->pack.bytes);
    yk_executor_unref(m->ex);
    map_unref(m);
}

/* ---- Taking results ------------------------------------------------------------------------- */

static const yk__wait_kind for_result = { "the next result of a map", NULL };

static int sleep_till_one_lands(yk_map *m)
{
    yk__parker *parker = yk__parker_current();
    if (!parker)
        return YK_EONLOOP;
    yk__parker_waits(parker, &for_result, m);
    atomic_store(&m->sleeper, parker);
    if (atomic_load(&m->landed)) {
        if (!atomic_exchange(&m->sleeper, NULL))
            parker->park(parker, YK_FOREVER, false);
        return 0;
    }
    int err = parker->park(parker, m->deadline, true);
    if (err && !atomic_exchange(&m->sleeper, NULL))
        parker->park(parker, YK_FOREVER, false); /* the wake-up that is on its way */
    return err;
}

/* Waits until the first flight in line has ended. */
static int await_flight(yk_map *m)
{
    while (m->as_completed && !line_up_landed(m)) {
        int err = sleep_till_one_lands(m);
        if (err && (err == YK_ECANCELED || !line_up_landed(m)))
            return err;
    }
    return yk__wait_for_end(m->line->f, m->deadline);
}

static int code_of(const yk_future *f)
{
    const yk_error *error = yk_future_error(f);
    return error ? error->code : 0;
}

static int begin_chunk(yk_map *m)
{
    size_t len;
    const void *results = yk_future_result(m->current, &len);
    int err = code_of(m->current);
    return err ? err : yk__unpack_begin(&m->results, results, len);
}

/* What is taken next is in `current`; YK_END; or an error of the source or the wait. */
static int next_current(yk_map *m)
{
    fill_window(m);
    if (m->flying == 0 && m->held_n > 0) {
        int err = send_off(m, true);
        if (err)
            return err;
    }
    if (m->flying == 0) {
        int err = m->over;
        m->over = YK_END; /* said once */
        return err;
    }
    int err = await_flight(m);
    if (err)
        return err;
    struct flight *flight = first_in_line(m);
    m->current = flight->f;
    m->current_left = flight->n;
    m->index = flight->first;
    m->broken = m->chunk > 1 ? begin_chunk(m) : 0;
    flight->f = NULL;
    flight->place = NULL;
    flight->next = m->free;
    m->free = flight;
    m->flying--;
    return 0;
}

static int copy_out(const void *result, size_t len, void *out, size_t size)
{
    if (len != size)
        return len > size ? YK_ETOOBIG : YK_EFORMAT;
    if (size > 0)
        memcpy(out, result, size);
    return 0;
}

/* The next result of a chunk. */
static int take_from_chunk(yk_map *m, void *out, size_t size)
{
    m->result = (yk__chunk_result){ 0 };
    if (!m->broken)
        m->broken = yk__unpack_next(&m->results, &m->result);
    if (m->broken || m->result.code)
        return m->broken ? m->broken : m->result.code;
    return copy_out(m->result.data, m->result.len, out, size);
}

int yk_map_next(yk_map *m, void *out, size_t size)
{
    if (m->current && m->current_left == 0) {
        yk_future_unref(m->current);
        m->current = NULL;
    }
    bool first = !m->current;
    int err = first ? next_current(m) : 0;
    if (err)
        return err;
    yk_future_unref(m->last);
    m->last = NULL;
    m->index += !first;
    m->current_left--;
    if (m->chunk == 1) {
        m->last = yk_future_ref(m->current);
        err = yk_await_into(m->current, out, size);
    } else {
        err = take_from_chunk(m, out, size);
    }
    if (!m->next) /* a callback may wait, and the result should not wait with it */
        fill_window(m);
    return err;
}

/* The worker that wrote the message may change it still: it is read as far as was looked at. */
static void fail_with(yk_future *f, int code, const yk__chunk_result *result)
{
    char message[YK__MESSAGE_MAX];
    size_t most = result->len < sizeof message ? result->len : sizeof message;
    snprintf(message, sizeof message, "%.*s", (int)most,
             result->data ? (const char *)result->data : "");
    yk_future_set_error(f, code, result->data ? message : NULL);
}

/* A future for one result of a chunk. */
static yk_future *future_of(const yk_map *m)
{
    if (code_of(m->current))
        return yk_future_ref(m->current);
    yk_future *f = yk_future_new();
    if (!f)
        return NULL;
    int err = 0;
    if (m->broken || m->result.code) {
        fail_with(f, m->broken ? m->broken : m->result.code, &m->result);
        yk_future_error(f); /* yk_map_next has told the reader */
    } else {
        err = yk_future_set_result(f, m->result.data, m->result.len);
    }
    if (err) {
        yk_future_unref(f);
        return NULL;
    }
    return f;
}

yk_future *yk_map_last(yk_map *m)
{
    if (!m->last && m->current)
        m->last = future_of(m);
    return m->last;
}

size_t yk_map_index(const yk_map *m)
{
    return m->index;
}
