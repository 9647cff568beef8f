/* mapreduce/budget.c - dividing memory. */
#include "budget.h"

#include <stdint.h>
#include <sys/resource.h>
#include <uv.h>

#include "run_file.h"
#include "stream.h"

enum {
    MB = 1 << 20,
    KB = 1 << 10,
    BASE = 4 * MB,                           /* the program, its zygotes, its loop */
    WORKER = 2 * MB,                         /* a worker, and the block that it reads */
    STREAM = 2 * MB,                         /* a reader of what cannot be cut, beside its chunks */
    RUN = YK__RUN_BLOCK + YK__RUN_BLOCK / 4, /* an open run */
    LEAST_SHARE = 2 * MB,                    /* for each worker */
    LEAST_FAN_IN = 4,
    MOST_FAN_IN = 256,
    LEAST_PIECE = 64 * KB,
    LARGEST_BATCH = 256 * MB,
};

static size_t choose_memory(void)
{
    uint64_t memory = uv_get_total_memory(), limit = uv_get_constrained_memory();
    if (limit > 0 && limit < memory)
        memory = limit;
    return (size_t)(memory / 2);
}

/* Runs of all workers may be open in one process. */
static size_t descriptors_each(size_t workers)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > 1 << 20)
        return MOST_FAN_IN;
    return (size_t)limit.rlim_cur / 2 / workers;
}

static size_t clamp(size_t n, size_t least, size_t most)
{
    return n < least ? least : n > most ? most : n;
}

int yk__budget_make(yk__budget *b, size_t memory, size_t workers, size_t streams)
{
    size_t fixed = BASE + workers * WORKER + streams * STREAM;
    size_t least = fixed + workers * LEAST_SHARE;
    b->total = memory ? memory : choose_memory();
    if (!memory && b->total < least)
        b->total = least;
    if (b->total < least) {
        b->total = least;
        return UV_EINVAL;
    }
    size_t share = b->total - fixed;
    b->held = share / 2;
    b->unspilled = share / 3;
    b->batch = clamp(b->held / (workers + 2), 256 * KB, LARGEST_BATCH);
    b->table = share / 4 / workers;
    b->piece = b->table / 4 < LEAST_PIECE ? LEAST_PIECE : b->table / 4;
    b->fan_in = clamp(b->held / workers / RUN, LEAST_FAN_IN, MOST_FAN_IN);
    b->fan_in = clamp(b->fan_in, LEAST_FAN_IN, clamp(descriptors_each(workers), 2, MOST_FAN_IN));
    return 0;
}

size_t yk__budget_chunks(yk__budget *b, size_t streams, size_t wanted)
{
    size_t chunk = b->piece < YK__LARGEST_CHUNK ? b->piece : YK__LARGEST_CHUNK;
    size_t all = b->held / 4 / chunk / streams;
    size_t chunks = clamp(all - (all < YK__CHUNKS_AHEAD ? all : YK__CHUNKS_AHEAD), 2, wanted);
    b->held -= b->held / 4;
    return chunks;
}
