/* yoke/loop/loop.h - the event loop.
 *
 * A loop rides on a libuv loop: one of its own, or one that the program already has, whose other
 * handles keep working; tasks that are always ready do not keep them waiting. It belongs to the
 * thread that made it: on any other thread, and in a child forked from it, its calls return
 * UV_EINVAL and no task runs.
 *
 * While a thread has a loop it does not block: outside a task, waits return YK_EONLOOP, and
 * yk_loop_run_until() is the way to wait.
 *
 * The shortest program:
 *
 *   static int app(void *arg) { ... may await ...; return 0; }
 *   int main(int argc, char **argv) { return yk_main(argc, argv, app, NULL); }
 *
 * On a uv_loop_t of one's own:
 *
 *   yk_init();
 *   uv_loop_t *uv = uv_default_loop();
 *   yk_loop *loop = yk_loop_new(.uv = uv);
 *   yk_future *t = yk_task_start(app, NULL);      (tasks keep uv_run going, as handles do)
 *   uv_run(uv, UV_RUN_DEFAULT);
 *   yk_future_unref(t);
 *   yk_loop_close(loop);
 */
#ifndef YOKE_LOOP_LOOP_H
#define YOKE_LOOP_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "task.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct yk_loop yk_loop;
struct uv_loop_s;

typedef struct yk_loop_options {
    struct uv_loop_s
        *uv;    /* the program's own libuv loop, which must outlive this one; NULL: make one */
    bool debug; /* also where the environment does not say YOKE_DEBUG=1: see debug.h */
    uint64_t slow_ms; /* in debug mode: what holds the loop for so long is reported; 0: 100, or what
                         YOKE_SLOW_MS says in the environment */
} yk_loop_options;

/* A loop for the calling thread, which may have one at a time and closes it before it ends. NULL:
 * out of memory or descriptors, or the thread has one.
 *
 * uv_run() goes on while there are tasks, or jobs of a process pool that this loop drives. A job on
 * a thread pool that nobody but a callback waits for does not count: its callback runs on the
 * pool's thread and needs no loop. */
yk_loop *yk_loop_new_opts(const yk_loop_options *options);
#define yk_loop_new(...) yk_loop_new_opts(&(yk_loop_options){ __VA_ARGS__ })

/* The calling thread's loop, or NULL. */
yk_loop *yk_loop_current(void);

/* The libuv loop beneath, for handles of one's own. */
struct uv_loop_s *yk_loop_uv(yk_loop *loop);

/* The loop's tasks that have not ended, the oldest first: up to `max` of them to `tasks`, each with
 * a reference that is now the caller's. Returns how many there are; on another thread 0. */
size_t yk_loop_tasks(yk_loop *loop, yk_future **tasks, size_t max);

/* Runs the loop until `f` has ended; returns what yk_await would. Not from within a task or
 * callback: UV_EBUSY. Tasks that are left stand still until the loop is run again, or closed. */
int yk_loop_run_until(yk_loop *loop, yk_future *f);

/* Cancels the tasks that are left, runs the loop until they have ended, and frees it. A task that
 * catches its cancellation is waited for as long as it takes; new tasks are refused (YK_ECLOSED).
 * Process pools that the loop drives end with it, and their jobs with YK_ECLOSED: close them first.
 * The program's own libuv loop is run a little, so that our handles can be closed, and is left
 * without a trace of us; one of ours is closed with whatever handles are still on it. Returns how
 * many tasks there were. UV_EBUSY from within a task or callback of this loop. Takes NULL. */
int yk_loop_close(yk_loop *loop);

/* A whole program: yk_init(), a loop, app(arg) as its main task, until that ends; then the tasks
 * that are left are cancelled and the loop is closed. Call it first thing in main(). Returns the
 * exit status: app's result (255 if it is more), 128 + the signal if a signal cancelled it, 1 for
 * any other error. argc and argv are for yk_args().
 *
 * SIGINT and SIGTERM cancel the main task; a second one ends the program at once, even one that is
 * stuck in a computation. One that was ignored when the program began stays ignored; one that the
 * program opens itself (signal.h) is the program's.
 *
 * A task that overflows its stack is named on standard error ("yoke: stack overflow in task
 * 'NAME'") before the program dies of SIGSEGV. Every other SIGSEGV goes to the handler that was
 * there before. */
int yk_main(int argc, char **argv, yk_task_fn app, void *arg);

/* What yk_main was given. */
int yk_args(char ***argv);

#ifdef __cplusplus
}
#endif
#endif
