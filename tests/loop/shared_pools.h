/* A shared pool for the tests: its server on a thread, or in a process, and clients on loops. */
#ifndef TESTS_LOOP_SHARED_POOLS_H
#define TESTS_LOOP_SHARED_POOLS_H

#include "loop/serve/pool_door.h"
#include "loop/serve/pool_server.h"
#include "loop/serve/shared_pool.h"
#include "support/backends.h"

/* Words that every process sees, also those that were forked before a pool. In main(), first
 * thing. */
void shared_words_make(void);
word *shared_words(void); /* zeroed again: for the next test */

/* Serves the door on a thread of its own, until nobody can knock any more. */
void serve_on_a_thread(yk__pool_door *door, const yk_pool_options *options);
void stop_serving(yk__pool_door *door);

/* A process that forks others which serve the door: as a supervisor has it, none of them has
 * anything of a client's. Not while this process has other threads, or a zygote. */
typedef struct nursery {
    int fd;
    pid_t pid;
} nursery;
nursery nursery_start(yk__pool_door *door, const yk_pool_options *options);
pid_t nursery_serve(const nursery *n); /* one more process that does */
void nursery_end(nursery *n);

/* body(ex) in a task of a new loop, where ex is a shared pool of these options; then closes it. */
void with_shared_pool(const yk__pool_door *door, const yk_pool_options *options,
                      void (*body)(yk_executor *ex));

#endif
