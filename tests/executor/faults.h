/* What the tests of worker processes that die have in common. */
#ifndef TESTS_EXECUTOR_FAULTS_H
#define TESTS_EXECUTOR_FAULTS_H

#include "support/backends.h"
#include "support/proc.h"

/* Submits job_square. */
yk_future *square(const backend *b, yk_executor *ex, int n);

/* One job more is done as it should be. */
void assert_works(const backend *b, yk_executor *ex);

/* Of the worker that takes the next job. */
pid_t pid_of_worker(const backend *b, yk_executor *ex);

bool is_gone(pid_t pid);
char state_of(pid_t pid); /* as proc_entry's; 0: there is no such process */

/* Tells its process, then as job_block. */
struct pid_block {
    block block;
    _Atomic pid_t *pid;
};
int job_pid_block(yk_job *job);

/* Kills the zygote, which has a standby: whoever kills both is not recovered from. A zygote forks
 * its standby first thing, and a standby turns into a zygote when it is first needed; so between
 * two of these calls there must be a worker started. */
void kill_the_zygote(void);

#endif
