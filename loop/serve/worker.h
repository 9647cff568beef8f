/* loop/serve/worker.h - what runs in a worker process. Not installed. */
#ifndef YOKE_LOOP_SERVE_WORKER_H
#define YOKE_LOOP_SERVE_WORKER_H

#include "../task.h"
#include "supervisor.h"

/* In the process that was just forked. `lifeline`: the reading end. */
_Noreturn void yk__worker_run(yk__supervisor *s, const yk__worker *me, int lifeline);

/* What every process does that is forked from the supervisor: it lets go of what is the
 * supervisor's alone, ignores what a terminal sends to all, and dies when the supervisor does.
 * SIGTERM stays blocked. `name`: "NAME-SUFFIX". */
void yk__become_child(yk__supervisor *s, int lifeline, const char *suffix);

/* A loop of its own, with `app` as its task, and then the end of the process. */
_Noreturn void yk__run_child(yk_task_fn app, void *arg);

#endif
