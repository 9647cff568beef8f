/* The bare mechanism: 8 bytes to a forked child through one pipe and back through another.
 *
 * Whoever wakes up takes all that lies in its pipe at once and answers it with one write, so a
 * window costs few system calls. Each message is the time at which it was sent.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "contender.h"

#define MOST 4096 /* messages in flight with one child: half of what a pipe holds */

struct child {
    int to, from;
};

static size_t read_some(int fd, uint64_t *messages)
{
    ssize_t n = read(fd, messages, MOST * sizeof *messages);
    if (n < 0)
        bench_give_up("pipe", -errno);
    return (size_t)n / sizeof *messages; /* writes of up to 4096 bytes are whole; see write_all */
}

/* A pipe's writes stay whole, and so aligned to messages, since its size is a multiple of 8. */
static void write_all(int fd, const uint64_t *messages, size_t n)
{
    if (n > 0 && write(fd, messages, n * sizeof *messages) != (ssize_t)(n * sizeof *messages))
        bench_give_up("pipe", UV_EIO);
}

static _Noreturn void echo(int from, int to)
{
    static uint64_t messages[MOST];
    for (;;) {
        size_t n = read_some(from, messages);
        if (n == 0)
            _exit(0);
        write_all(to, messages, n);
    }
}

static struct child start_child(const struct child *others, unsigned n)
{
    int down[2], up[2];
    if (pipe(down) || pipe(up))
        bench_give_up("pipe", -errno);
    pid_t pid = fork();
    if (pid < 0)
        bench_give_up("fork", -errno);
    if (pid == 0) {
        close(down[1]);
        close(up[0]);
        for (unsigned i = 0; i < n; i++) {
            close(others[i].to); /* else that child never sees the end of its pipe */
            close(others[i].from);
        }
        echo(down[0], up[1]);
    }
    close(down[0]);
    close(up[1]);
    return (struct child){ down[1], up[0] };
}

static void send_many(bench_round *r, const struct child *c, size_t n)
{
    static uint64_t messages[MOST];
    uint64_t now = yk_now();
    for (size_t i = 0; i < n; i++)
        messages[i] = now;
    r->started += n;
    write_all(c->to, messages, n);
}

/* Takes what a child has sent, and sends as much again unless the round is over. */
static size_t turn_round(bench_round *r, const struct child *c)
{
    static uint64_t messages[MOST];
    size_t n = read_some(c->from, messages);
    uint64_t now = yk_now();
    r->ended += n;
    for (size_t i = 0; i < n; i += r->sample_every)
        bench_record(r, now - messages[i]);
    if (now < r->until)
        send_many(r, c, n);
    return n;
}

static void run_round(bench_round *r, const struct child *children)
{
    unsigned both = r->window > 1 ? BENCH_WORKERS : 1;
    struct pollfd fds[BENCH_WORKERS];
    for (unsigned i = 0; i < both; i++) {
        fds[i] = (struct pollfd){ .fd = children[i].from, .events = POLLIN };
        send_many(r, &children[i], r->window / both);
    }
    while (r->ended < r->started) {
        if (both > 1)
            poll(fds, both, -1);
        else
            fds[0].revents = POLLIN;
        for (unsigned i = 0; i < both; i++)
            if (fds[i].revents & POLLIN)
                turn_round(r, &children[i]);
    }
}

void bench_bare_pipe(void)
{
    static bench_round round;
    struct child children[BENCH_WORKERS];
    for (unsigned i = 0; i < BENCH_WORKERS; i++)
        children[i] = start_child(children, i);
    while (bench_next(&round)) {
        run_round(&round, children);
        bench_answer(&round);
    }
    for (unsigned i = 0; i < BENCH_WORKERS; i++)
        close(children[i].to);
}
