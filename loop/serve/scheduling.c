/* The scheduling class of a worker's loop. */
#include "scheduling.h"

#include <sched.h>
#include <time.h>

static uint64_t thread_cpu(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void change(yk__scheduling *s, bool batch)
{
    struct sched_param param = { 0 };
    int now = sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
    if (now == (s->batch ? SCHED_BATCH : SCHED_OTHER) &&
        sched_setscheduler(0, (batch ? SCHED_BATCH : SCHED_OTHER) | SCHED_RESET_ON_FORK, &param) ==
            0)
        s->batch = batch;
}

void yk__scheduling_look(yk__scheduling *s, uint64_t now)
{
    uint64_t cpu = thread_cpu(), ran = cpu - s->cpu, passed = now - s->at;
    bool first = s->at == 0;
    s->cpu = cpu;
    s->at = now;
    if (!first && (s->batch ? ran < passed / 8 : ran > passed / 4))
        change(s, !s->batch);
}
