/* yoke/loop/generator.h - a task that gives values, one by one, to whoever asks for them.
 *
 *   static int count(void *to)
 *   {
 *       for (int n = 0; n < *(int *)to; n++) {
 *           int err = yk_generate(&n);               (waits until somebody wants one)
 *           if (err)
 *               return err;
 *       }
 *       return 0;
 *   }
 *
 *   yk_generator *g = yk_generator_new(count, &to, sizeof(int));
 *   int n, err;
 *   while ((err = yk_generator_next(g, &n, YK_FOREVER)) == 0)
 *       ... n ...
 *   yk_generator_free(g);                            (err is YK_END where all went well)
 *
 * It begins when the first value is asked for, may await what it likes, and goes no further than
 * its reader: one value in its hand, and as many more as `ahead` says. A reader that has had enough
 * frees it.
 *
 * The records of a job are read in the same way: yk_stream_next (executor/stream.h); so are the
 * results of a map: yk_map_next (executor/map.h).
 *
 * A generator is for the tasks of the loop on which it was made.
 */
#ifndef YOKE_LOOP_GENERATOR_H
#define YOKE_LOOP_GENERATOR_H

#include <stddef.h>
#include <stdint.h>

#include "task.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct yk_generator yk_generator;

typedef struct yk_generator_options {
    size_t ahead;         /* how many values may wait unread */
    yk_task_options task; /* of its task; never eager */
} yk_generator_options;

/* A generator of values of `size` bytes. fn(arg) is its task: what it returns is its end, a
 * negative number its error. NULL: no memory, no function, or no loop on this thread. */
yk_generator *yk_generator_new_opts(yk_task_fn fn, void *arg, size_t size,
                                    const yk_generator_options *options);
#define yk_generator_new(fn, arg, size, ...) \
    yk_generator_new_opts((fn), (arg), (size), &(yk_generator_options){ __VA_ARGS__ })

/* In the generator's task: gives a copy of the value to the reader. 0; YK_ECANCELED: the task was
 * cancelled while it waited, and the value is not given; YK_ECLOSED: nobody will read any more, the
 * generator should end; UV_EINVAL in any other task. */
int yk_generate(const void *value);

/* The next value, to `value`. YK_END: there are no more; or the generator's error, after all that
 * it gave; both stay. UV_ETIMEDOUT at the deadline, or YK_ECANCELED: no value is lost, and it may
 * be called again. A deadline of 0 takes what waits. UV_EBUSY: another task is reading; YK_EDEADLK:
 * it is the generator; YK_EONLOOP, UV_EINVAL. */
int yk_generator_next(yk_generator *g, void *value, uint64_t deadline);

/* Cancels the generator, waits for its end, and frees it; nobody may be reading. Values that were
 * given and not read are dropped: those that own something are to be taken before, with a deadline
 * of 0. The wait is not interrupted. Where none is possible (outside a task, in the generator
 * itself) it is freed at its end. Takes NULL. */
void yk_generator_free(yk_generator *g);

#ifdef __cplusplus
}
#endif
#endif
