/* yoke/executor/map.h - one function over many inputs.
 *
 *   yk_map *m = yk_map_start(pool, fn, inputs, n, sizeof *inputs);
 *   struct output out;
 *   int err;
 *   while ((err = yk_map_next(m, &out, sizeof out)) == 0) ... out, in the order of the inputs ...
 *   yk_map_free(m);                     (err is YK_END, or the error of the input it got to)
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
    size_t window;      /* jobs in flight at most, counting results not yet taken; 0: no bound */
    uint64_t deadline;  /* for the whole map; 0: none. Past it yk_map_next returns UV_ETIMEDOUT */
    yk_job_options job; /* for every job */
} yk_map_options;

/* Submits a job for each of `n` inputs of `size` bytes, as far as the window goes, without waiting.
 * The inputs must stay until the map is freed. NULL: out of memory. */
yk_map *yk_map_start_opts(yk_executor *ex, yk_job_fn fn, const void *inputs, size_t n, size_t size,
                          const yk_map_options *options);
#define yk_map_start(ex, fn, inputs, n, size) yk_map_start_opts(ex, fn, inputs, n, size, NULL)
#define yk_map_start_with(ex, fn, inputs, n, size, ...) \
    yk_map_start_opts((ex), (fn), (inputs), (n), (size), &(yk_map_options){ __VA_ARGS__ })

/* Waits for the result of the next input and copies it to `out` (exactly `size` bytes, as in
 * yk_await_into; NULL and 0 for none). YK_END after the last one. If that job failed, its code: the
 * map goes on with the next input when called again. */
int yk_map_next(yk_map *m, void *out, size_t size);

/* The future of the result that yk_map_next returned last; belongs to the map, until the next call.
 */
yk_future *yk_map_last(yk_map *m);

/* Cancels what has not begun, and frees the map. Does not wait. Takes NULL. */
void yk_map_free(yk_map *m);

#ifdef __cplusplus
}
#endif
#endif
