/* Jobs that compute: how they do one after the other, and on libuv's pool. And what a plain fork()
 * costs from a large parent. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "contender.h"

/* Steps that each wait for the one before: some 4 cycles. */
#define STEPS 460000u

static unsigned steps;

__attribute__((constructor)) static void choose_steps(void)
{
    const char *chosen = getenv("BENCH_STEPS");
    int n = chosen ? atoi(chosen) : 0;
    steps = n > 0 ? (unsigned)n : STEPS;
}

void bench_compute(void)
{
    static _Thread_local unsigned runs;
    volatile uint64_t out;
    uint64_t x = runs;
    for (unsigned left = steps + runs++ % 8 * (steps / 13); left > 0; left--)
        x = x * 6364136223846793005u + 1;
    out = x;
    (void)out;
}

void bench_serial_compute(void)
{
    static bench_round round;
    while (bench_next(&round)) {
        uint64_t start;
        round.sample_every = 1;
        do {
            start = bench_start(&round);
            bench_compute();
        } while (bench_end(&round, start));
        bench_answer(&round);
    }
}

/* What the machine has to give: as many processes as workers, that share nothing. */
void bench_apart_compute(void)
{
    static bench_round round;
    while (bench_next(&round)) {
        int fds[2];
        uint64_t ended;
        if (pipe(fds))
            bench_give_up("pipe", UV_EIO);
        for (int i = 0; i < BENCH_WORKERS; i++) {
            pid_t pid = fork();
            if (pid < 0)
                bench_give_up("fork", UV_EAGAIN);
            if (pid > 0)
                continue;
            for (ended = 0; yk_now() < round.until; ended++)
                bench_compute();
            _exit(write(fds[1], &ended, sizeof ended) != sizeof ended);
        }
        close(fds[1]);
        while (read(fds[0], &ended, sizeof ended) == sizeof ended)
            round.ended += ended;
        bench_answer(&round);
        close(fds[0]);
        while (waitpid(-1, NULL, 0) > 0)
            continue;
    }
}

/* ---- A large parent -------------------------------------------------------------------------- */

void bench_grow(void)
{
    static char *large;
    const size_t bytes = (size_t)1 << 30;
    if (large)
        return;
    large = malloc(bytes);
    if (!large)
        bench_give_up("1 GiB", UV_ENOMEM);
    memset(large, 1, bytes);
}

static void fork_once(bench_round *r)
{
    int fds[2];
    char byte = 0;
    if (pipe(fds))
        bench_give_up("pipe", UV_EIO);
    uint64_t start = bench_start(r);
    pid_t pid = fork();
    if (pid < 0)
        bench_give_up("fork", UV_EAGAIN);
    if (pid == 0)
        _exit(write(fds[1], &byte, 1) != 1);
    if (read(fds[0], &byte, 1) != 1)
        bench_give_up("fork", UV_EIO);
    bench_end(r, start);
    waitpid(pid, NULL, 0);
    close(fds[0]);
    close(fds[1]);
}

void bench_fork_large(void)
{
    static bench_round round;
    while (bench_next(&round)) {
        bench_grow();
        while (!round.over)
            fork_once(&round);
        bench_answer(&round);
    }
}
