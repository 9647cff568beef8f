/* A tour of the loop: what asyncio has and the other examples do not use, each in a few lines. The
 * table is docs/asyncio.md. */
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <yoke/yoke.h>

/* ---- Tasks ----------------------------------------------------------------------------------- */

/* Sleeps for so many milliseconds and returns their number. */
static int nap(void *ms)
{
    int err = yk_sleep_ms((uint64_t)(uintptr_t)ms);
    return err ? err : (int)(uintptr_t)ms;
}

static yk_future *start_nap(int ms)
{
    return yk_task_start_with(nap, (void *)(uintptr_t)ms, .name = "nap");
}

static int result_of(yk_future *f)
{
    int ms = 0;
    yk_await_into(f, &ms, sizeof ms);
    return ms;
}

static int waits(void)
{
    yk_future *f[] = { start_nap(30), start_nap(1), start_nap(15) }, *next;
    printf("tasks: %zu on this loop\n", yk_loop_tasks(yk_loop_current(), NULL, 0));
    yk_wait(f, 3, YK_FIRST_ENDED, YK_FOREVER);
    printf("wait: the first has ended: %d\n", result_of(f[1]));
    yk_as_completed *each = yk_as_completed_new(f, 3);
    printf("as_completed:");
    while (yk_as_completed_next(each, &next, YK_FOREVER) == 0)
        printf(" %d", result_of(next));
    printf("\n");
    yk_as_completed_free(each);
    for (int i = 0; i < 3; i++)
        yk_future_unref(f[i]);
    return 0;
}

static int await_shielded(void *f)
{
    return yk_shield(f);
}

static int shields(void)
{
    yk_future *work = start_nap(10), *waiter = yk_task_start(await_shielded, work);
    yk_yield(); /* lets it begin */
    yk_future_cancel(waiter);
    printf("shield: who waited was %s, ", yk_await(waiter) == YK_ECANCELED ? "cancelled" : "left");
    printf("what was awaited ended with %d\n", result_of(work));
    yk_future_unref(waiter);
    yk_future_unref(work);
    return 0;
}

static int at_once(void *x)
{
    return *(int *)x * 2;
}

static int eager(void)
{
    yk_future *f = yk_task_start_with(at_once, &(int){ 21 }, .eager = true);
    printf("eager: it %s: %d\n", yk_future_ended(f) ? "has ended already" : "waits", result_of(f));
    yk_future_unref(f);
    return 0;
}

/* ---- Calls ----------------------------------------------------------------------------------- */

static void say(void *what)
{
    printf("call: %s\n", (char *)what);
}

static void *on_another_thread(void *loop)
{
    yk_loop_call_threadsafe(loop, say, "asked for by another thread");
    yk_future *f = yk_task_start_on(loop, nap, (void *)5);
    printf("task_start_on: a thread waited for a task: %d\n", result_of(f));
    yk_future_unref(f);
    yk_loop_unref(loop);
    return NULL;
}

static int calls(void)
{
    pthread_t thread;
    yk_call *never;
    yk_call_later_ms(10, say, "after 10 ms", NULL);
    yk_call_soon(say, "soon", NULL);
    yk_call_at(yk_after_ms(5), say, "never", &never);
    yk_call_cancel(never);
    yk_sleep_ms(20);
    if (pthread_create(&thread, NULL, on_another_thread, yk_loop_ref(yk_loop_current())))
        return UV_EAGAIN;
    yk_sleep_ms(30); /* not pthread_join yet, which would hold the loop up */
    pthread_join(thread, NULL);
    return 0;
}

/* ---- Jobs on the default executor, and values that go along ---------------------------------- */

static const yk_context_key user = { 16 };

static int count_letters(yk_job *job)
{
    char name[16] = "nobody";
    yk_context_get(&user, name);
    int n = (int)strlen(yk_job_arg(job));
    printf("to_thread: for %s, %s\n", name, (char *)yk_job_arg(job));
    return yk_job_return(job, &n, sizeof n);
}

static int offloads(void)
{
    int n = 0;
    yk_context_set(&user, &(char[16]){ "ann" });
    int err = yk_to_thread_into(count_letters, "letters", 8, &n, sizeof n);
    printf("to_thread: %d\n", n);
    yk_context_reset(&user);
    return err;
}

/* ---- Names, files, signals ------------------------------------------------------------------- */

static int names_and_files(void)
{
    struct addrinfo *found;
    int err = yk_getaddrinfo("127.0.0.1", "80", NULL, &found, yk_after_ms(5000));
    if (err)
        return err;
    freeaddrinfo(found);
    printf("getaddrinfo: found\n");
    char path[] = "/tmp/yoke-tour-XXXXXX", *text;
    size_t len;
    close(mkstemp(path));
    err = yk_write_file(path, "a file", 6, 0600, YK_FOREVER);
    if (!err)
        err = yk_read_file(path, 100, &text, &len, YK_FOREVER);
    if (err)
        return err;
    printf("read_file: %s\n", text);
    free(text);
    return yk_fs_unlink(path, YK_FOREVER);
}

static int signals(void)
{
    yk_signal *hangup;
    int err = yk_signal_open(&hangup, SIGHUP);
    if (err)
        return err;
    kill(getpid(), SIGHUP);
    printf("signal: came %d time\n", yk_signal_next(hangup, yk_after_ms(5000)));
    yk_signal_close(hangup);
    return 0;
}

/* ---- Connections with callbacks, and TLS ----------------------------------------------------- */

static void echo(yk_transport *t, const void *data, size_t len, void *arg)
{
    (void)arg;
    yk_transport_write(t, data, len);
}

static int transports(void)
{
    static const yk_protocol echoing = { .data = echo };
    int ends[2];
    yk_transport *t;
    yk_stream *s;
    char line[20];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
        return UV_EMFILE;
    int err = yk_transport_open(&t, ends[0], &echoing, NULL);
    if (!err)
        err = yk_stream_open(&s, ends[1]);
    if (err)
        return err;
    yk_stream_write(s, "echo\n", 5, YK_FOREVER);
    err = yk_stream_read_line(s, line, sizeof line, NULL, yk_after_ms(5000));
    printf("transport: %s\n", line);
    yk_stream_close(s);
    return err;
}

/* Nobody answers as TLS does: the handshake fails, and says so. */
static int encrypted(void)
{
    yk_tls *tls;
    yk_stream *pair[2];
    int err = yk_tls_client(&tls);
    if (!err)
        err = yk_stream_pair(pair);
    if (err)
        return err;
    yk_stream_write(pair[1], "hello\n", 6, YK_FOREVER);
    printf("tls: %s\n", yk_strerror(yk_stream_start_tls(pair[0], tls, "localhost", YK_FOREVER)));
    yk_stream_close(pair[0]);
    yk_stream_close(pair[1]);
    yk_tls_free(tls);
    return 0;
}

static int app(void *unused)
{
    (void)unused;
    static int (*const stops[])(void) = { waits,           shields, eager,      calls,    offloads,
                                          names_and_files, signals, transports, encrypted };
    int err = 0;
    for (size_t i = 0; !err && i < sizeof stops / sizeof *stops; i++)
        err = stops[i]();
    yk_loop_print_tasks(yk_loop_current(), stdout);
    return err;
}

int main(int argc, char **argv)
{
    return yk_main(argc, argv, app, NULL);
}
