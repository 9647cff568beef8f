/* A server for test_serve_pool.c, whose workers share a process pool ("private": each has its own).
 *
 * A connection is asked in lines. Each is answered with one:
 *   who           "PID SLOT"
 *   square N      by a job
 *   zygote        the process that the job's process is a child of
 *   crash         the error's message, by a job that crashes
 *   block FILE    by a job that makes FILE, waits until it is cancelled, and makes FILE.cancelled;
 *                 the error's message
 *   full FILE     as block; the names of the errors of two more jobs: one that may wait, one not
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "executor/error.h"
#include "executor/wait.h"
#include "loop/offload.h"
#include "loop/serve/serve.h"

/* ---- Jobs ------------------------------------------------------------------------------------ */

static int square(yk_job *job)
{
    int n = *(const int *)yk_job_arg(job);
    n *= n;
    return yk_job_return(job, &n, sizeof n);
}

static int zygote(yk_job *job)
{
    int parent = (int)getppid();
    return yk_job_return(job, &parent, sizeof parent);
}

static int crash(yk_job *job)
{
    (void)job;
    raise(SIGKILL);
    return 0;
}

static void touch(const char *file, const char *suffix)
{
    char path[300];
    snprintf(path, sizeof path, "%s%s", file, suffix);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

static int block(yk_job *job)
{
    const char *file = yk_job_arg(job);
    touch(file, "");
    while (!yk_job_cancelled(job))
        usleep(1000);
    touch(file, ".cancelled");
    return YK_ECANCELED;
}

/* ---- A connection ---------------------------------------------------------------------------- */

static yk_future *submit(yk_job_fn fn, const void *arg, size_t len, bool no_wait)
{
    return yk_submit_with(yk_loop_default_executor(yk_loop_current()), fn, arg, len,
                          .kind = YK_ISOLATED, .no_wait = no_wait);
}

static void answer_number(yk_job_fn fn, int n, char *answer, size_t size)
{
    yk_future *f = submit(fn, &n, sizeof n, false);
    int err = yk_await_into(f, &n, sizeof n);
    if (err)
        snprintf(answer, size, "%s", yk_future_error(f)->message);
    else
        snprintf(answer, size, "%d", n);
    yk_future_unref(f);
}

static void answer_error(yk_future *f, char *answer, size_t size)
{
    yk_await(f);
    const yk_error *e = yk_future_error(f);
    snprintf(answer, size, "%s", e ? e->message : "none");
    yk_future_unref(f);
}

/* One worker, room for one that waits. */
static void fill(const char *file, char *answer, size_t size)
{
    yk_future *runs = submit(block, file, strlen(file) + 1, false);
    while (yk_future_state(runs) == YK_PENDING)
        yk_sleep_ms(1);
    yk_future *waits = submit(square, &(int){ 3 }, sizeof(int), false);
    yk_future *refused = submit(square, &(int){ 3 }, sizeof(int), true);
    int err = yk_await(refused);
    yk_future_cancel(runs);
    yk_await(runs);
    snprintf(answer, size, "%s %s", yk_errname(yk_await(waits)), yk_errname(err));
    yk_future_unref(runs);
    yk_future_unref(waits);
    yk_future_unref(refused);
}

static void obey(const char *line, char *answer, size_t size)
{
    if (strcmp(line, "who") == 0)
        snprintf(answer, size, "%d %d", (int)getpid(), yk_serve_slot());
    else if (strncmp(line, "square ", 7) == 0)
        answer_number(square, atoi(line + 7), answer, size);
    else if (strcmp(line, "zygote") == 0)
        answer_number(zygote, 0, answer, size);
    else if (strcmp(line, "crash") == 0)
        answer_error(submit(crash, NULL, 0, false), answer, size);
    else if (strncmp(line, "block ", 6) == 0)
        answer_error(submit(block, line + 6, strlen(line + 6) + 1, false), answer, size);
    else if (strncmp(line, "full ", 5) == 0)
        fill(line + 5, answer, size);
}

static int talk(yk_stream *s, void *arg)
{
    char line[256], answer[300] = "?";
    int err;
    (void)arg;
    while ((err = yk_stream_read_line(s, line, sizeof line, NULL, YK_FOREVER)) == 0) {
        obey(line, answer, sizeof answer - 1);
        strcat(answer, "\n");
        yk_stream_write(s, answer, strlen(answer), YK_FOREVER);
    }
    return err;
}

static void ready(const char *const *addresses, void *arg)
{
    (void)arg;
    printf("ready %s\nall ready\n", *addresses);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    alarm(240);
    return yk_serve(argc, argv, .listen = YK_ADDRESSES("127.0.0.1:0"), .name = "test", .workers = 2,
                    .connection = talk, .ready = ready, .drain_ms = 5000,
                    .processes = { .workers = 1, .queue_limit = 1 },
                    .shared_processes = argc < 2 || strcmp(argv[1], "private") != 0);
}
