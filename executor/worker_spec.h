/* executor/worker_spec.h - worker options as a pool keeps and a worker applies them. Not installed.
 *
 * A spec is a deep copy of the options in one block, so that it may be freed with one call, and may
 * lie in the arena, where worker processes read it by the same pointer. It is written before any
 * worker sees it and never after.
 */
#ifndef YOKE_EXECUTOR_WORKER_SPEC_H
#define YOKE_EXECUTOR_WORKER_SPEC_H

#include <stddef.h>

#include "worker_options.h"

typedef struct yk__worker_spec {
    yk_worker_options options; /* what it points to is behind it, but for the functions */
    size_t size;               /* of the block */
} yk__worker_spec;

/* What YK_SCHED_DEFAULT becomes where a loop is to be yielded to. A pool hands it on to its parts.
 */
enum { YK__SCHED_YIELDING = YK_SCHED_IDLE + 1 };

/* NULL, or what is wrong with them: a constant string. */
const char *yk__worker_options_invalid(const yk_worker_options *options);

/* For a pool that is made now, by this thread: on a loop's, workers yield if nothing else is said.
 * *spec is NULL when all members are zero. The block is alloc'ed, the caller's to free. UV_ENOMEM.
 */
int yk__worker_spec_copy(const yk_worker_options *options, void *(*alloc)(size_t),
                         yk__worker_spec **spec);

/* ---- In the worker: for the thread that will run its jobs ----------------------------------- */

/* Nice value, scheduling class and CPUs of the calling thread; then what belongs to its process.
 * Return 0 or UV_E...; then yk__worker_complaint() says what it was about. `spec` may be NULL. */
int yk__worker_schedule(const yk__worker_spec *spec);
int yk__worker_schedule_from(const yk__worker_spec *spec, int nice); /* added to this nice value */
int yk__worker_confine(const yk__worker_spec *spec);

/* Resident memory of this process that it shares with nobody, in bytes; 0: not known. */
uint64_t yk__worker_rss(void);

/* Calls the initializer on `arg`, its own copy. */
int yk__worker_initialize(const yk__worker_spec *spec, void *arg);

/* The message of the last of these three that failed on this thread. Never NULL. */
const char *yk__worker_complaint(void);

#endif
