/* yoke/executor/map.h - one function over many inputs.
 *
 *   yk_map *m = yk_map_start(pool, fn, inputs, n, sizeof *inputs);
 *   struct output out;
 *   int err;
 *   while ((err = yk_map_next(m, &out, sizeof out)) != YK_END)
 *       ... out, in the order of the inputs; or, if err is not 0, the error of this one ...
 *   yk_map_free(m);
 *
 * The inputs are an array, or whatever a callback hands out one by one, without an end if need be
 * (yk_map_from). However many there are, only so many are on their way at once: the window. A map
 * reads ahead of whoever takes the results as far as the window goes and no further, and a result
 * is freed when the next one is taken; so a map over a million inputs needs the memory of a
 * few.
 *
 * Inputs that cost less than a hundred microseconds each are better sent several in one job: the
 * option `chunk`. A chunk is run one input after the other by one worker; each input has its own
 * result or error, but if the worker process dies, or the job is timed out or cancelled, that is
 * the error of all inputs in it. A time limit is for the chunk.
 *
 * One thread or task at a time may use a map.
 */
#ifndef YOKE_EXECUTOR_MAP_H
#define YOKE_EXECUTOR_MAP_H

#include "executor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct yk_map yk_map;

typedef struct yk_map_options {
    size_t window;      /* inputs on their way at most, counting results not yet taken; 0: four jobs
                           for each worker of the executor, and at least 32 */
    int chunk;          /* inputs in one job; 0: 1. Not more than the window; negative: UV_EINVAL */
    bool as_completed;  /* results in the order in which they are ready; see yk_map_index */
    uint64_t deadline;  /* for the whole map; 0: none. Past it yk_map_next returns UV_ETIMEDOUT */
    yk_job_options job; /* for every job. An executor's bounded queue: the map sends as much as
                           there is room for, and waits for room, until the deadline, only where
                           none of its own jobs is on its way; no_wait and submit_deadline are not
                           looked at */
} yk_map_options;

/* Starts on `n` inputs of `size` bytes: submits as many jobs as the window allows, without waiting.
 * The inputs must stay until the map is freed. NULL: out of memory. */
yk_map *yk_map_start_opts(yk_executor *ex, yk_job_fn fn, const void *inputs, size_t n, size_t size,
                          const yk_map_options *options);
#define yk_map_start(ex, fn, inputs, n, size) yk_map_start_opts(ex, fn, inputs, n, size, NULL)
#define yk_map_start_with(ex, fn, inputs, n, size, ...) \
    yk_map_start_opts((ex), (fn), (inputs), (n), (size), &(yk_map_options){ __VA_ARGS__ })

/* Hands out the next input: sets *input and *len and returns 0; what *input points to stays until
 * the next call. YK_END when there is none; any other negative number when it has failed, and it is
 * not called again either. Called by yk_map_from and yk_map_next, on their caller's thread, when
 * the window has room; it may wait. */
typedef int (*yk_map_input_fn)(void *arg, const void **input, size_t *len);

/* Starts on the inputs of a callback. Where that fails, yk_map_next gives the results of the inputs
 * before, then its error, once, and then YK_END. NULL: out of memory. */
yk_map *yk_map_from_opts(yk_executor *ex, yk_job_fn fn, yk_map_input_fn next, void *arg,
                         const yk_map_options *options);
#define yk_map_from(ex, fn, next, arg) yk_map_from_opts(ex, fn, next, arg, NULL)
#define yk_map_from_with(ex, fn, next, arg, ...) \
    yk_map_from_opts((ex), (fn), (next), (arg), &(yk_map_options){ __VA_ARGS__ })

/* Waits for the result of the next input and copies it to `out` (exactly `size` bytes, as in
 * yk_await_into; NULL and 0 for none). YK_END after the last one. If the job failed on that input,
 * its code: the map goes on with the next one when called again. So it does after an error of the
 * wait itself (UV_ETIMEDOUT, YK_EONLOOP; YK_ECANCELED, which leaves the jobs alone): nothing is
 * lost by it. */
int yk_map_next(yk_map *m, void *out, size_t size);

/* The future of the result that yk_map_next returned last; belongs to the map, until the next call.
 * NULL before the first, and where there is no memory for one (an input in a chunk has none before
 * it is asked for). */
yk_future *yk_map_last(yk_map *m);

/* Which input it was: 0 for the first, in the order in which they were handed out. */
size_t yk_map_index(const yk_map *m);

/* Cancels what has not begun, and frees the map. Does not wait. Takes NULL. */
void yk_map_free(yk_map *m);

#ifdef __cplusplus
}
#endif
#endif
