/* What a shutdown did not see the end of. */
#include <stdlib.h>

#include "clock.h"
#include "internal.h"
#include "stats.h"
#include "text.h"

static void add_worker(yk__text *t, const yk_worker_stats *row)
{
    yk__text_add(t, "worker %u (%s%s%s %d)", row->worker, row->part, row->part[0] ? ", " : "",
                 row->tid ? "tid" : "pid", (int)(row->tid ? row->tid : row->pid));
}

static void add_running(yk__text *t, const yk_worker_stats *row)
{
    uint64_t now = yk_now();
    double seconds = now > row->since ? (double)(now - row->since) / 1e9 : 0;
    if (row->job[0])
        yk__text_add(t, "job '%s' on ", row->job);
    else
        yk__text_add(t, "a job on ");
    add_worker(t, row);
    yk__text_add(t, " for %.*f s\n", seconds < 10 ? 3 : 1, seconds);
}

/* Those that start hold up what waits for them; those that are idle only if nothing else does. */
static void add_rows(yk__text *t, const yk_worker_stats *rows, size_t n)
{
    size_t before = t->len;
    for (size_t i = 0; i < n; i++)
        if (rows[i].since)
            add_running(t, &rows[i]);
    for (size_t i = 0; i < n; i++)
        if (rows[i].state == YK_WORKER_STARTING) {
            add_worker(t, &rows[i]);
            yk__text_add(t, " is being started\n");
        }
    bool nobody_else = t->len == before;
    for (size_t i = 0; i < n && nobody_else; i++)
        if (rows[i].state != YK_WORKER_NONE) {
            add_worker(t, &rows[i]);
            yk__text_add(t, " has not left\n");
        }
}

void yk__stuck_report(yk_executor *ex, char *buffer, size_t size)
{
    yk__text t;
    yk__text_start(&t, buffer, size);
    size_t max = yk_executor_workers(ex, NULL, 0);
    yk_worker_stats *rows = max ? malloc(max * sizeof *rows) : NULL;
    size_t n = rows ? yk_executor_workers(ex, rows, max) : 0;
    add_rows(&t, rows, n < max ? n : max);
    free(rows);
    yk_executor_stats s;
    yk_executor_get_stats(ex, &s);
    if (s.pending)
        yk__text_add(&t, "%llu waiting\n", (unsigned long long)s.pending);
}
