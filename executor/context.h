/* yoke/executor/context.h - values that go with a task, and with all that it starts.
 *
 * A request's number, a user, a deadline for the log: what many functions deep down want to know
 * and nobody wants to pass through all those above.
 *
 *   static const yk_context_key request_id = { sizeof(uint64_t) };
 *
 *   yk_context_set(&request_id, &id);
 *   ...
 *   uint64_t id;
 *   if (yk_context_get(&request_id, &id))
 *       ...
 *
 * Every task and every plain thread has values of its own. A task begins with those of whoever
 * started it, as they were then; so does a job, on a thread or in a worker process, with those of
 * whoever submitted it (of a map, whoever starts it and takes its results); so does a call
 * (loop/call.h). What it sets afterwards nobody else sees. Callbacks of futures see those of the
 * thread that they run on.
 *
 * Values are bytes and are copied. A pointer among them means something in this process alone.
 * What no value was ever set for costs nothing.
 */
#ifndef YOKE_EXECUTOR_CONTEXT_H
#define YOKE_EXECUTOR_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Its address is what counts, in worker processes too: a key is static, and constant. */
typedef struct yk_context_key {
    size_t size; /* of its values, in bytes */
} yk_context_key;

/* Copies the value to `value`. False, and nothing is copied: there is none. */
bool yk_context_get(const yk_context_key *key, void *value);

/* Sets it for the calling task, job or thread. 0, UV_EINVAL or UV_ENOMEM. */
int yk_context_set(const yk_context_key *key, const void *value);

/* There is no value any more. 0, also if there was none, or UV_ENOMEM. */
int yk_context_reset(const yk_context_key *key);

#ifdef __cplusplus
}
#endif
#endif
