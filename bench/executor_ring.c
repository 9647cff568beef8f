/* The bare mechanism of the pools: 8 bytes to a forked child through a ring in shared memory and
 * back through another; a futex wakes the child, an eventfd the parent, and only if they sleep.
 * No futures, no errors, no deaths: what nothing with features can beat.
 */
#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include <uv.h>

#include "contender.h"
#include "executor/park.h"

#define SLOTS 1024 /* no window is larger */

/* One writer, one reader. `written` and `asleep` form Dekker's pattern: sequentially consistent. */
struct ring {
    alignas(64) _Atomic uint32_t written;
    alignas(64) uint32_t read; /* the reader's own */
    alignas(64) uint64_t slots[SLOTS];
};

struct lane {
    struct ring down, up;
    alignas(64) _Atomic uint32_t child_asleep;
};

static struct shared {
    struct lane lanes[BENCH_WORKERS];
    alignas(64) _Atomic uint32_t parent_asleep;
} * shared;
static int parent_wake = -1;

static uint32_t waiting(struct ring *ring)
{
    return atomic_load(&ring->written) - ring->read;
}

static void put(struct ring *ring, const uint64_t *messages, uint32_t n)
{
    uint32_t at = atomic_load_explicit(&ring->written, memory_order_relaxed);
    for (uint32_t i = 0; i < n; i++)
        ring->slots[(at + i) % SLOTS] = messages[i];
    atomic_store(&ring->written, at + n);
}

static uint32_t get(struct ring *ring, uint64_t *messages)
{
    uint32_t n = waiting(ring);
    for (uint32_t i = 0; i < n; i++)
        messages[i] = ring->slots[(ring->read + i) % SLOTS];
    ring->read += n;
    return n;
}

/* ---- Child ----------------------------------------------------------------------------------- */

static void wake_parent(void)
{
    uint64_t one = 1;
    if (atomic_load(&shared->parent_asleep) && atomic_exchange(&shared->parent_asleep, 0) &&
        write(parent_wake, &one, sizeof one) < 0)
        _exit(1);
}

static _Noreturn void echo(struct lane *lane)
{
    static uint64_t messages[SLOTS];
    for (;;) {
        uint32_t n = get(&lane->down, messages);
        if (n == 0) {
            atomic_store(&lane->child_asleep, 1);
            if (waiting(&lane->down) == 0)
                yk__futex_wait(&lane->child_asleep, 1, YK_FOREVER, true);
            atomic_store(&lane->child_asleep, 0);
            continue;
        }
        if (messages[n - 1] == 0)
            _exit(0);
        put(&lane->up, messages, n);
        wake_parent();
    }
}

/* ---- Parent ---------------------------------------------------------------------------------- */

static void send_same(struct lane *lane, uint64_t message, uint32_t n)
{
    static uint64_t messages[SLOTS];
    for (uint32_t i = 0; i < n; i++)
        messages[i] = message;
    put(&lane->down, messages, n);
    if (atomic_load(&lane->child_asleep) && atomic_exchange(&lane->child_asleep, 0))
        yk__futex_wake(&lane->child_asleep, 1, true);
}

static bool anything(unsigned lanes)
{
    for (unsigned i = 0; i < lanes; i++)
        if (waiting(&shared->lanes[i].up))
            return true;
    return false;
}

static void sleep_parent(unsigned lanes)
{
    uint64_t times;
    atomic_store(&shared->parent_asleep, 1);
    if (anything(lanes) && atomic_exchange(&shared->parent_asleep, 0))
        return;
    if (read(parent_wake, &times, sizeof times) < 0)
        bench_give_up("eventfd", -errno);
}

static bool turn_round(bench_round *r, struct lane *lane)
{
    static uint64_t messages[SLOTS];
    uint32_t n = get(&lane->up, messages);
    if (n == 0)
        return false;
    uint64_t now = yk_now();
    r->ended += n;
    for (uint32_t i = 0; i < n; i += r->sample_every)
        bench_record(r, now - messages[i]);
    if (now < r->until) {
        r->started += n;
        send_same(lane, now, n);
    }
    return true;
}

static void run_round(bench_round *r)
{
    unsigned lanes = r->window > 1 ? BENCH_WORKERS : 1;
    for (unsigned i = 0; i < lanes; i++) {
        r->started += r->window / lanes;
        send_same(&shared->lanes[i], yk_now(), r->window / lanes);
    }
    while (r->ended < r->started) {
        bool busy = false;
        for (unsigned i = 0; i < lanes; i++)
            busy |= turn_round(r, &shared->lanes[i]);
        if (!busy)
            sleep_parent(lanes);
    }
}

void bench_bare_ring(void)
{
    static bench_round round;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    parent_wake = eventfd(0, EFD_CLOEXEC);
    if (shared == MAP_FAILED || parent_wake < 0)
        bench_give_up("ring", -errno);
    for (unsigned i = 0; i < BENCH_WORKERS; i++) {
        pid_t pid = fork();
        if (pid < 0)
            bench_give_up("fork", -errno);
        if (pid == 0)
            echo(&shared->lanes[i]);
    }
    while (bench_next(&round)) {
        run_round(&round);
        bench_answer(&round);
    }
    for (unsigned i = 0; i < BENCH_WORKERS; i++)
        send_same(&shared->lanes[i], 0, 1);
}
