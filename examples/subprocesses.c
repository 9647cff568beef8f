/* Starts 200 programs, eight at a time, and collects what they write. One of them hangs, does not
 * listen to SIGTERM, and is killed when its time is over. */
#include <stdio.h>
#include <stdlib.h>

#include <yoke/yoke.h>

enum { PROGRAMS = 200, AT_ONCE = 8, SECONDS = 5 };

static int next = 1, running, most, answered, killed;
static long total;

static const char answers[] = "echo $((N * N))";
static const char hangs[] = "trap '' TERM; while :; do sleep 1; done";

static void note(int n, int err, const yk_output *o)
{
    if (err == 0 && o->exit.code == 0) {
        answered++;
        total += strtol(o->out, NULL, 10);
    } else {
        killed += o->exit.signal != 0;
        printf("program %d: %s, signal %d\n", n, yk_strerror(err), o->exit.signal);
    }
}

/* One of eight tasks: takes the next program until there are no more. */
static int run_some(void *unused)
{
    (void)unused;
    while (next <= PROGRAMS) {
        char number[16];
        int n = next++;
        snprintf(number, sizeof number, "N=%d", n);
        const char *const environment[] = { number, "PATH=/bin:/usr/bin", NULL };
        most = ++running > most ? running : most;
        yk_output o;
        int err = yk_run(&o, yk_after_ms(SECONDS * 1000), .shell = n == 100 ? hangs : answers,
                         .environment = environment);
        running--;
        if (err != YK_ECANCELED)
            note(n, err, &o);
        yk_output_free(&o);
        if (err == YK_ECANCELED)
            return err; /* Ctrl-C: the child is gone already */
    }
    return 0;
}

static int app(void *unused)
{
    (void)unused;
    yk_task_fn tasks[AT_ONCE];
    for (int i = 0; i < AT_ONCE; i++)
        tasks[i] = run_some;
    int err = yk_gather(tasks, NULL, AT_ONCE);
    printf("%d answered, %d killed, at most %d at once; the squares add up to %ld\n", answered,
           killed, most, total);
    return err;
}

int main(int argc, char **argv)
{
    return yk_main(argc, argv, app, NULL);
}
