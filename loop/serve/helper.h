/* loop/serve/helper.h - processes beside the workers: the shared pool, the status. Not installed.
 *
 * One that dies is started again, at once and then less and less often, as a worker is.
 */
#ifndef YOKE_LOOP_SERVE_HELPER_H
#define YOKE_LOOP_SERVE_HELPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct yk__supervisor;

typedef struct yk__helper {
    const char *name;                      /* in the log, and of the process */
    void (*run)(struct yk__supervisor *s); /* in the process, which ends with it */
    pid_t pid;                             /* 0: there is none */
    int lifeline;
    unsigned failures; /* in a row */
    uint64_t forked, start_at;
    bool may_end; /* it is to go: its end is nothing to speak of, nor is it started again */
} yk__helper;

/* Starts it if it is not there, and it is time. */
void yk__helper_step(struct yk__supervisor *s, yk__helper *h);

/* Whether that was it. */
bool yk__helper_ended(struct yk__supervisor *s, yk__helper *h, pid_t pid, int status);
void yk__helper_kill(yk__helper *h);

#endif
