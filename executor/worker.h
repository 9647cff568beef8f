/* executor/worker.h - the life of a worker process. Not installed. */
#ifndef YOKE_EXECUTOR_WORKER_H
#define YOKE_EXECUTOR_WORKER_H

/* What a worker that could not start exits with. */
enum { YK__EXIT_NOT_STARTED = 126 };

struct yk__worker_start {
    int channel_fd, wake_fd, lifeline_fd;
    unsigned index;
    char name[16];
};

/* Runs jobs until it is told to stop; in a process just forked. */
_Noreturn void yk__worker_main(const struct yk__worker_start *start);

/* Has the pool's driver look after the running job's stream and after values that are awaited. On
 * the worker's only thread. */
void yk__worker_call_attention(void);

/* Closes the descriptors first to last. */
void yk__close_range(unsigned first, unsigned last);

#endif
