/* A terminal program that stays responsive while it computes: a worker process counts primes, a bar
 * shows how far it is, and keys are heard at once.
 *
 *   s   starts the job        c   cancels it        q   ends the program
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <yoke/yoke.h>

enum { WIDTH = 40 };

static const uint64_t LIMIT = 20000000;

static struct {
    yk_executor *pool;
    yk_stream *keys;
    yk_future *job; /* NULL: none runs */
    char what[60];  /* came of the last one */
} app;

/* ---- The job, in a worker process ------------------------------------------------------------ */

static bool is_prime(uint64_t n)
{
    for (uint64_t i = 2; i * i <= n; i++)
        if (n % i == 0)
            return false;
    return n > 1;
}

/* It need not look whether it is cancelled: its process ends then. */
static int count_primes(yk_job *job)
{
    uint64_t count = 0;
    for (uint64_t n = 0; n < LIMIT; n++) {
        if (n % 10000 == 0)
            yk_job_progress(job, n, LIMIT);
        count += is_prime(n);
    }
    return yk_job_return(job, &count, sizeof count);
}

static int wait_for_job(void *unused)
{
    (void)unused;
    uint64_t count;
    int err = yk_await_into(app.job, &count, sizeof count);
    if (err)
        snprintf(app.what, sizeof app.what, "%s", yk_strerror(err));
    else
        snprintf(app.what, sizeof app.what, "%" PRIu64 " primes", count);
    yk_future_unref(app.job);
    app.job = NULL;
    return 0;
}

static void start_job(yk_scope *scope)
{
    if (app.job)
        return;
    app.job = yk_submit(app.pool, count_primes, NULL, 0);
    yk_scope_start(scope, wait_for_job, NULL);
}

/* ---- The screen ------------------------------------------------------------------------------ */

static void draw(void)
{
    uint64_t done = 0, total = 0;
    if (!app.job) {
        printf("\r\033[Kidle; %s [s c q]", app.what);
    } else {
        yk_future_progress(app.job, &done, &total);
        int full = total ? (int)(done * WIDTH / total) : 0;
        printf("\r\033[K[%.*s%*s] %d %% [s c q]", full, "########################################",
               WIDTH - full, "", total ? (int)(100 * done / total) : 0);
    }
    fflush(stdout);
}

static int keep_drawing(void *unused)
{
    (void)unused;
    int err;
    do
        draw();
    while ((err = yk_sleep_ms(50)) == 0);
    return err;
}

/* ---- Keys ------------------------------------------------------------------------------------ */

static int hear_keys(yk_scope *scope)
{
    char key;
    size_t len;
    int err;
    while ((err = yk_stream_read_some(app.keys, &key, 1, &len, YK_FOREVER)) == 0) {
        if (key == 's')
            start_job(scope);
        else if (key == 'c' && app.job)
            yk_future_cancel(app.job);
        else if (key == 'q' || key == 3) /* Ctrl-C comes as a key */
            return 0;
        draw();
    }
    return err == YK_END ? 0 : err;
}

static int run(void *unused)
{
    (void)unused;
    int err = yk_stream_stdin(&app.keys);
    if (!err)
        err = yk_terminal_set_raw(app.keys, true);
    if (err) {
        fprintf(stderr, "this is for a terminal: %s\n", yk_strerror(err));
        return 1;
    }
    snprintf(app.what, sizeof app.what, "nothing yet");
    app.pool = yk_process_pool(.workers = 1);
    yk_scope *scope = yk_scope_begin();
    yk_scope_start(scope, keep_drawing, NULL);
    err = hear_keys(scope);
    if (app.job)
        yk_future_cancel(app.job);
    yk_scope_cancel(scope); /* the drawing */
    err = yk_scope_end(scope, err);
    yk_executor_close(app.pool);
    yk_terminal_set_raw(app.keys, false);
    yk_stream_close(app.keys);
    printf("\r\n");
    return err == YK_ECANCELED ? 0 : err;
}

int main(int argc, char **argv)
{
    return yk_main(argc, argv, run, NULL);
}
