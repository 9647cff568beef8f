#include "streams.h"

struct call {
    yk_task_fn fn;
    void *arg;
};

static bool pause_in_task(void)
{
    if (!yk_task_current())
        return false;
    yk_sleep_ms(1);
    return true;
}

void on_loop(yk_task_fn fn, void *arg)
{
    support_pause_in_task = pause_in_task;
    assert_int_equal(run_task(fn, arg), 0);
    support_pause_in_task = NULL;
}

char *pattern(size_t len)
{
    char *bytes = malloc(len);
    assert_non_null(bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = byte_at(i);
    return bytes;
}

void plain_pair(int fds[2])
{
    assert_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds));
}

size_t drain_plain(int fd, int *err)
{
    static char buffer[65536];
    size_t total = 0;
    for (;;) {
        ssize_t n = read(fd, buffer, sizeof buffer);
        if (n < 0 && errno == EAGAIN) {
            yk_sleep_ms(1);
            continue;
        }
        if (n <= 0) {
            if (err)
                *err = n < 0 ? errno : 0;
            return total;
        }
        for (ssize_t i = 0; i < n; i++)
            if (buffer[i] != byte_at(total + (size_t)i))
                fail_msg("byte %zu is wrong", total + (size_t)i);
        total += (size_t)n;
    }
}

int nameless_file(void)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    int fd = fcntl(fileno(file), F_DUPFD_CLOEXEC, 3);
    fclose(file);
    assert_true(fd >= 0);
    return fd;
}

static void nothing(uv_work_t *work)
{
    (void)work;
}

static void nothing_after(uv_work_t *work, int status)
{
    (void)work;
    (void)status;
}

static int first_work(void *unused)
{
    (void)unused;
    static uv_work_t work;
    uv_queue_work(yk_loop_uv(yk_loop_current()), &work, nothing, nothing_after);
    return 0;
}

/* libuv keeps a pipe for signals from its first loop on, and its threads from the first work on. */
void support_warm_up(void)
{
    run_task(first_work, NULL);
}
