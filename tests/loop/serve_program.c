/* A server for test_serve*.c: what it is comes as NAME=VALUE arguments. It writes "ready ADDRESS"
 * for each address to standard output, and its log to standard error.
 *
 * A connection is asked in lines. Each is answered with one:
 *   who         "PID SLOT"
 *   count       the next number, shared by all workers
 *   heard       how many notifications this worker has heard
 *   notify      "ok", and all workers are notified
 *   wait FILE   "ok", when the file is there
 *   stay        "cancelled" when it is cancelled
 *   die, hang   no answer
 *   anything    the same again
 * With "http" it is asked for /who and /wait?file=FILE instead.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "executor/clock.h"
#include "executor/error.h"
#include "loop/serve/serve.h"
#include "loop/task.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

static const char *fail_file; /* where it is, a worker cannot start */
static unsigned heard;

static bool is_there(const char *file)
{
    return file && access(file, F_OK) == 0;
}

static int wait_for(const char *file)
{
    int err = 0;
    while (!err && !is_there(file))
        err = yk_sleep_ms(2);
    return err;
}

static void answer(yk_stream *s, const char *text)
{
    char line[300];
    int n = snprintf(line, sizeof line, "%s\n", text);
    yk_stream_write(s, line, (size_t)n, YK_FOREVER);
}

static void answer_number(yk_stream *s, unsigned long long number)
{
    char text[32];
    snprintf(text, sizeof text, "%llu", number);
    answer(s, text);
}

static void hang(void)
{
    for (volatile int on = 1; on;)
        pause();
}

/* The loop computes, and turns, until the file is there; how often it turned. */
static unsigned long long be_busy(const char *file)
{
    unsigned long long turns = 0;
    while (!is_there(file) && ++turns)
        yk_yield();
    return turns;
}

static void obey(yk_stream *s, const char *line)
{
    char text[64];
    if (strcmp(line, "who") == 0) {
        snprintf(text, sizeof text, "%d %d", (int)getpid(), yk_serve_slot());
        answer(s, text);
    } else if (strcmp(line, "count") == 0) {
        answer_number(s, atomic_fetch_add((_Atomic unsigned long long *)yk_serve_shared(), 1) + 1);
    } else if (strcmp(line, "heard") == 0) {
        answer_number(s, heard);
    } else if (strcmp(line, "notify") == 0) {
        yk_serve_notify();
        answer(s, "ok");
    } else if (strncmp(line, "wait ", 5) == 0) {
        answer(s, wait_for(line + 5) ? "cancelled" : "ok");
    } else if (strcmp(line, "stay") == 0) {
        answer(s, yk_sleep_ms(600000) == YK_ECANCELED ? "cancelled" : "not cancelled");
    } else if (strcmp(line, "die") == 0) {
        raise(SIGKILL);
    } else if (strcmp(line, "hang") == 0) {
        hang();
    } else if (strncmp(line, "busy ", 5) == 0) {
        answer_number(s, be_busy(line + 5));
    } else {
        answer(s, line);
    }
}

static int talk(yk_stream *s, void *arg)
{
    char line[256];
    int err;
    (void)arg;
    while ((err = yk_stream_read_line(s, line, sizeof line, NULL, YK_FOREVER)) == 0)
        obey(s, line);
    return err;
}

static int say_who(yk_http *h, void *arg)
{
    (void)arg;
    return yk_http_sendf(h, 200, "text/plain", "%d %d\n", (int)getpid(), yk_serve_slot());
}

static int wait_then_say(yk_http *h, void *arg)
{
    char file[256];
    (void)arg;
    int err = yk_http_query_value(h, "file", file, sizeof file);
    if (!err)
        err = wait_for(file);
    return err ? err : yk_http_send(h, 200, "text/plain", "ok\n", 3);
}

static const yk_http_route routes[] = {
    { "GET", "/who", say_who, NULL },
    { "GET", "/wait", wait_then_say, NULL },
    { 0 },
};
static const yk_http_service web = { .routes = routes };

static int start(void *arg)
{
    const char *how = arg;
    heard = 0;
    if (is_there(fail_file) || strcmp(how, "fails") == 0)
        return UV_ENOENT;
    if (strcmp(how, "dies") == 0)
        raise(SIGKILL);
    if (strcmp(how, "hangs") == 0)
        hang();
    return 0;
}

static void stop(void *arg)
{
    (void)arg;
    fprintf(stderr, "slot %d stops\n", yk_serve_slot());
#ifdef __SANITIZE_ADDRESS__
    if (__lsan_do_recoverable_leak_check())
        fprintf(stderr, "LEAK\n");
#endif
}

static void notified(void *arg)
{
    (void)arg;
    heard++;
}

static void ready(const char *const *addresses, void *arg)
{
    (void)arg;
    for (; *addresses; addresses++)
        printf("ready %s\n", *addresses);
    printf("all ready\n");
    fflush(stdout);
}

static const char *value_of(const char *arg, const char *name)
{
    size_t len = strlen(name);
    return strncmp(arg, name, len) == 0 && arg[len] == '=' ? arg + len + 1 : NULL;
}

static const struct {
    const char *name;
    size_t offset;
} numbers[] = {
    { "ready_ms", offsetof(yk_serve_options, ready_ms) },
    { "hang_ms", offsetof(yk_serve_options, hang_ms) },
    { "drain_ms", offsetof(yk_serve_options, drain_ms) },
    { "life_ms", offsetof(yk_serve_options, life_ms) },
    { "most_served", offsetof(yk_serve_options, most_served) },
    { "most_memory", offsetof(yk_serve_options, most_memory) },
    { "most_connections", offsetof(yk_serve_options, most_connections) },
};

static void set_number(yk_serve_options *o, const char *arg)
{
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        const char *value = value_of(arg, numbers[i].name);
        if (value)
            *(uint64_t *)((char *)o + numbers[i].offset) = strtoull(value, NULL, 10);
    }
}

int main(int argc, char **argv)
{
    static const char *listen[16];
    size_t n = 0;
    yk_serve_options o = { .listen = listen,
                           .name = "test",
                           .workers = 2,
                           .connection = talk,
                           .arg = (char *)"",
                           .start = start,
                           .stop = stop,
                           .notified = notified,
                           .ready = ready,
                           .shared_size = 4096 };
    alarm(240);
    for (int i = 1; i < argc; i++) {
        const char *value;
        set_number(&o, argv[i]);
        if ((value = value_of(argv[i], "listen")) && n < 15)
            listen[n++] = value;
        if ((value = value_of(argv[i], "workers")))
            o.workers = atoi(value);
        if ((value = value_of(argv[i], "status")))
            o.status = value;
        if ((value = value_of(argv[i], "start")))
            o.arg = (char *)value;
        if ((value = value_of(argv[i], "fail_file")))
            fail_file = value;
        if (strcmp(argv[i], "punctual") == 0)
            o.punctual = true;
        if (strcmp(argv[i], "nothing") == 0 || strcmp(argv[i], "http") == 0)
            o.connection = NULL;
        if (strcmp(argv[i], "http") == 0 || strcmp(argv[i], "both") == 0)
            o.http = &web;
    }
    return yk_serve_opts(argc, argv, &o);
}
