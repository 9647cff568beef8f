/* yoke/executor/init.h - the first line of main.
 *
 * Worker processes must not be forked from a process that has threads: a lock that some other
 * thread holds at that instant stays locked in the child for ever. So yk_init() forks a small,
 * single-threaded process before any thread exists, the zygote, and all workers are forked from it,
 * at a tenth of a millisecond each however large this process has grown.
 *
 * Hence what a worker sees: memory as it was when yk_init() ran. What main() sets up after it, a
 * worker does not know; pass it with the job, or in the arena.
 *
 *   int main(int argc, char **argv)
 *   {
 *       yk_init();
 *       ...
 *
 * yk_main() (loop/loop.h) does this for you.
 */
#ifndef YOKE_EXECUTOR_INIT_H
#define YOKE_EXECUTOR_INIT_H

#ifdef __cplusplus
extern "C" {
#endif

/* Prepares this process for process pools. Call it before starting any thread. Calling it again
 * does nothing. Errors: YK_ENOINIT if the process has other threads already; UV_ENOMEM, UV_EMFILE,
 * UV_EAGAIN,
 * ... from the system. Whatever it returns, thread pools and loops work. */
int yk_init(void);

/* Ends the zygote. All process pools must be closed. Optional: the end of the process does the
 * same. */
void yk_fini(void);

#ifdef __cplusplus
}
#endif
#endif
