/* What all contenders share: orders, answers, quantiles. */
#include "contender.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "executor/error.h"

/* Byte by byte: a contender that forks must not leave half an order in a buffer. */
static bool read_line(char *line, size_t size)
{
    size_t n = 0;
    while (n + 1 < size && read(STDIN_FILENO, &line[n], 1) == 1)
        if (line[n++] == '\n') {
            line[n] = '\0';
            return true;
        }
    return false;
}

bool bench_next(bench_round *r)
{
    char line[80];
    unsigned ms;
    memset(r, 0, sizeof *r);
    if (!read_line(line, sizeof line) || sscanf(line, "%u %u %zu", &r->window, &ms, &r->bytes) != 3)
        return false;
    r->sample_every = r->window == 1 ? 1 : 16;
    r->begin = yk_now();
    r->until = r->begin + (uint64_t)ms * 1000000u;
    return true;
}

void bench_record(bench_round *r, uint64_t ns)
{
    unsigned shift = ns < 32 ? 0 : 58u - (unsigned)__builtin_clzll(ns);
    size_t bucket = (size_t)shift * 32 + (size_t)(ns >> shift);
    r->histogram[bucket < BENCH_BUCKETS ? bucket : BENCH_BUCKETS - 1]++;
    r->samples++;
}

static uint64_t quantile(const bench_round *r, double q)
{
    double seen = 0;
    for (size_t b = 0; b < BENCH_BUCKETS; b++) {
        seen += r->histogram[b];
        if (seen > 0 && seen >= q * (double)r->samples)
            return b < 64 ? b : (uint64_t)(b % 32 + 32) << (b / 32 - 1);
    }
    return 0;
}

void bench_answer(const bench_round *r)
{
    dprintf(STDOUT_FILENO, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", r->ended,
            yk_now() - r->begin, quantile(r, 0.5), quantile(r, 0.99));
}

void bench_give_up(const char *what, int err)
{
    fprintf(stderr, "bench: %s: %s\n", what, yk_strerror(err));
    _exit(1);
}
