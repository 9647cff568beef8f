/* tests/fuzz/fuzz_channel.c - hostile workers, driven by any bytes at all.
 *
 * A whole process pool runs here, but for the processes: the target hosts the pool's reactor, holds
 * its clock, and sits at the other end of its socket to the zygote, where it plays zygote and
 * workers. The bytes are a little program: submit, cancel, let time pass, have a worker work, have
 * it write anything anywhere into its channel, have it die with or without a report.
 *
 * Whatever the bytes: nothing crashes and nothing hangs. When they are at their end, the pool is
 * shut down and must come to its end in bounded time by its own clock, every job's future must have
 * ended exactly once, the statistics must add up, and no descriptor and no block of the arena may
 * be left over.
 *
 * Linked with --wrap for yk_now, syscall and the three calls that make a zygote (CMakeLists.txt).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <uv.h>

#include "executor/arena.h"
#include "executor/channel.h"
#include "executor/executor.h"
#include "executor/init.h"
#include "executor/process_pool.h"
#include "executor/shared.h"
#include "executor/wait.h"
#include "executor/zygote.h"
#include "fuzz.h"

#define MS         ((uint64_t)1000000)
#define MAX_JOBS   96
#define MAX_ALIVE  4
#define MAX_SPAWNS 200
#define MAX_TURNS  5000 /* of a reactor that always has more to do: it would never sleep */
#define MAX_ROUNDS 4000 /* of 50 ms each, for a pool to come to its end */

int __real_yk__zygote_connect(int *fd);
uint64_t __wrap_yk_now(void);
int __wrap_yk__zygote_start(void);
void __wrap_yk__zygote_stop(void);
int __wrap_yk__zygote_connect(int *fd);
long __wrap_syscall(long number, ...);
long __real_syscall(long number, ...);

/* ---- The input ------------------------------------------------------------------------------ */

static const uint8_t *input, *input_end;

static uint8_t byte(void)
{
    return input < input_end ? *input++ : 0;
}

static uint32_t word32(void)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++)
        v = v << 8 | byte();
    return v;
}

/* Small numbers, numbers about `near`, the ends of the range, powers of two, anything. */
static uint64_t value(uint64_t near)
{
    uint8_t b = byte();
    switch (b >> 5) {
    case 0:
        return b & 31;
    case 1:
        return near + (b & 31) - 15;
    case 2:
        return UINT64_MAX - (b & 31);
    case 3:
        return (uint64_t)1 << (2 * (b & 31));
    case 4:
        return UINT32_MAX - (b & 31);
    case 5:
        return (uint64_t)INT32_MAX + (b & 31) - 15;
    default:
        return word32();
    }
}

/* ---- The clock ------------------------------------------------------------------------------ */

static uint64_t now;

uint64_t __wrap_yk_now(void)
{
    return now;
}

/* ---- Zygote and workers, as the pool sees them ---------------------------------------------- */

/* A worker's life is a pipe: the pool gets the reading end for a pidfd, and the end of the writing
 * end is the end of the process. */
typedef struct actor {
    bool alive, deaf, mute; /* deaf: ignores SIGTERM; mute: nobody reports its end, as
                              when the zygote is gone that forked it */
    uint32_t serial;
    yk__channel *ch;
    int life, wake, lifeline;
    int unsaid;     /* the reading end, while the zygote has not spoken of it; else -1 */
    unsigned delay; /* for so many rounds */
    ino_t pidfd;
    uint32_t taken, position;
    bool running;
} actor;

static actor actors[MAX_ALIVE];
static int zygote = -1; /* the zygote's end of the socket */
static unsigned spawns, refuse, delay;

int __wrap_yk__zygote_start(void)
{
    return 0;
}

void __wrap_yk__zygote_stop(void)
{
}

int __wrap_yk__zygote_connect(int *fd)
{
    int pair[2];
    if (zygote >= 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair))
        return YK_ENOWORKER;
    zygote = pair[0];
    *fd = pair[1];
    return 0;
}

static void say(uint32_t type, uint32_t serial, int32_t what, int fd)
{
    yk__zygote_message m = { .type = type, .serial = serial, .value = what };
    if (zygote >= 0)
        yk__zygote_send(zygote, &m, &fd, fd >= 0);
}

/* A worker may work, or die, before the pool knows its number; and a zygote die with its answer. */
static void answer(actor *a)
{
    if (a->unsaid < 0 || a->delay-- > 0)
        return;
    say(YK__ZYGOTE_SPAWNED, a->serial, 1000000 + (int)a->serial, a->unsaid);
    close(a->unsaid);
    a->unsaid = -1;
}

static void die(actor *a, int status, bool reported)
{
    if (!a->alive)
        return;
    a->delay = 0;
    answer(a);
    if (reported && !a->mute)
        say(YK__ZYGOTE_EXITED, a->serial, status, -1);
    yk__channel_unmap(a->ch);
    if (a->life >= 0)
        close(a->life);
    if (a->unsaid >= 0)
        close(a->unsaid);
    close(a->wake);
    close(a->lifeline);
    *a = (actor){ .unsaid = -1 };
}

static void be_signalled(actor *a, int sig)
{
    if (sig == SIGKILL || (sig == SIGTERM && !a->deaf))
        die(a, sig, true);
}

/* Reads as many arguments as there can be, as the one in the C library does. */
__attribute__((no_sanitize("address"))) long __wrap_syscall(long number, ...)
{
    va_list args;
    va_start(args, number);
    long a[6];
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    if (number != SYS_pidfd_send_signal)
        return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    struct stat st;
    require(fstat((int)a[0], &st) == 0);
    for (int i = 0; i < MAX_ALIVE; i++)
        if (actors[i].alive && actors[i].pidfd == st.st_ino)
            be_signalled(&actors[i], (int)a[1]);
    return 0;
}

static actor *free_actor(void)
{
    for (int i = 0; i < MAX_ALIVE; i++)
        if (!actors[i].alive)
            return &actors[i];
    return NULL;
}

static void spawn(const yk__zygote_message *m, const int *fds)
{
    actor *a = free_actor();
    int life[2];
    if (refuse > 0 || !a || ++spawns > MAX_SPAWNS || pipe2(life, O_CLOEXEC)) {
        refuse -= refuse > 0;
        say(YK__ZYGOTE_REFUSED, m->serial, UV_EAGAIN, -1);
        return;
    }
    *a = (actor){ .alive = true, .serial = m->serial, .life = life[1] };
    a->ch = yk__channel_map(fds[YK__FD_CHANNEL]);
    a->wake = fcntl(fds[YK__FD_WAKE], F_DUPFD_CLOEXEC, 3);
    a->lifeline = fcntl(fds[YK__FD_LIFELINE], F_DUPFD_CLOEXEC, 3);
    struct stat st;
    require(a->ch && a->wake >= 0 && a->lifeline >= 0 && fstat(life[0], &st) == 0);
    a->pidfd = st.st_ino;
    a->unsaid = life[0];
    a->delay = delay;
    delay = 0;
    answer(a);
}

static void hear(const yk__zygote_message *m, int *fds)
{
    if (m->type == YK__ZYGOTE_SPAWN)
        spawn(m, fds);
    for (int i = 0; m->type == YK__ZYGOTE_SIGNAL && i < MAX_ALIVE; i++)
        if (actors[i].alive && actors[i].serial == m->serial)
            be_signalled(&actors[i], m->value);
    for (int i = 0; i < YK__SPAWN_FDS; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static void zygote_ends(void)
{
    if (zygote >= 0)
        close(zygote);
    zygote = -1;
    for (int i = 0; i < MAX_ALIVE; i++) {
        actor *a = &actors[i];
        if (a->alive && a->unsaid >= 0)
            close(a->unsaid);
        a->unsaid = -1;
        a->mute = true;
    }
}

/* What the kernel and the zygote do while the pool sleeps. */
static void others_run(void)
{
    yk__zygote_message m;
    int fds[YK__SPAWN_FDS], err;
    while (zygote >= 0 && (err = yk__zygote_receive(zygote, &m, fds, YK__SPAWN_FDS)) != UV_EAGAIN) {
        if (err == 0) {
            hear(&m, fds);
            continue;
        }
        zygote_ends(); /* the pool has closed it: its workers are killed */
        for (int i = 0; i < MAX_ALIVE; i++)
            die(&actors[i], SIGKILL, false);
    }
    for (int i = 0; i < MAX_ALIVE; i++) {
        struct pollfd p = { .fd = actors[i].lifeline, .events = POLLIN };
        if (actors[i].alive && poll(&p, 1, 0) == 1 && (p.revents & POLLHUP))
            die(&actors[i], SIGKILL, true);
        else if (actors[i].alive)
            answer(&actors[i]);
    }
}

/* ---- The host of the pool ------------------------------------------------------------------- */

static yk__reactor reactor;

static void run_until_idle(void)
{
    for (int k = 0; k < 3; k++) {
        int turns = 0;
        while (yk__reactor_turn(&reactor))
            require(++turns < MAX_TURNS);
        yk__reactor_park(&reactor);
        yk__reactor_unpark(&reactor);
        yk__reactor_dispatch(&reactor);
        others_run();
    }
}

/* ---- Jobs ----------------------------------------------------------------------------------- */

static struct {
    yk_future *future;
    unsigned ends;
} jobs[MAX_JOBS];
static unsigned n_jobs;

/* What the program shares with its workers. */
static struct bait {
    yk_mutex lock;
    yk_counter counter;
} * bait;

static int job_nothing(yk_job *job)
{
    (void)job;
    return 0;
}

static int count_end(yk_future *f, void *arg)
{
    unsigned *ends = arg;
    require(yk_future_ended(f));
    ++*ends;
    return 0;
}

static void submit(yk_executor *pool)
{
    static const unsigned char argument[3 * YK__SLOT_INLINE];
    if (n_jobs == MAX_JOBS)
        return;
    uint8_t b = byte();
    size_t len = b & 3 ? (b & 3) * (size_t)100 : 0;
    yk_future *f =
        yk_submit_with(pool, job_nothing, len ? argument : NULL, len, .timeout_ms = b & 4 ? 100 : 0,
                       .name = b & 8 ? "fuzz" : NULL, .uses = b & 16 ? YK_USES(bait) : NULL);
    jobs[n_jobs].future = f;
    jobs[n_jobs].ends = 0;
    require(yk_future_on_end(f, count_end, &jobs[n_jobs].ends) == 0);
    n_jobs++;
}

/* What the pool has taken from a worker is read as a program would read it. */
static void read_end(yk_future *f)
{
    size_t len;
    volatile unsigned char sum = 0;
    const unsigned char *result = yk_future_result(f, &len);
    for (size_t i = 0; i < len && i < 4096; i++)
        sum = (unsigned char)(sum + result[i]);
    const yk_error *error = yk_future_error(f);
    require((yk_future_state(f) == YK_DONE) == !error);
    require(!error || (error->code < 0 && strlen(error->message) < 4096));
}

/* ---- What workers do ------------------------------------------------------------------------ */

static void take(actor *a)
{
    if (a->running || atomic_load(&a->ch->down.submitted) == a->taken)
        return;
    yk__job_slot *slot = &a->ch->jobs[a->taken % YK__RING];
    a->position = a->taken++;
    uint32_t state = yk__slot_state(a->position, YK__SLOT_QUEUED);
    a->running = atomic_compare_exchange_strong(&slot->state, &state,
                                                yk__slot_state(a->position, YK__SLOT_TAKEN));
    if (a->running)
        atomic_store(&a->ch->up.started, now);
}

static void finish(actor *a)
{
    if (!a->running)
        return;
    a->running = false;
    uint8_t b = byte();
    uint32_t finished = atomic_load(&a->ch->up.finished);
    yk__result_slot *r = &a->ch->results[finished % YK__RING];
    memset(r, 0, sizeof *r);
    r->position = a->position;
    r->code = b & 1 ? UV_EINVAL : 0;
    r->in_room = (b & 2) != 0;
    r->len = r->in_room ? a->ch->down.rooms[byte() % YK__ROOMS].size : b;
    atomic_store(&a->ch->up.finished, finished + 1);
}

static void want(actor *a)
{
    uint64_t size = value(70000);
    /* The bounds of the arena are tested elsewhere; here its size would only cost time. */
    atomic_store(&a->ch->up.want_size, size < ((uint64_t)1 << 30) ? size : size | 1ull << 62);
    atomic_fetch_add(&a->ch->up.wanted, (uint32_t)value(1));
}

static void write_result(actor *a)
{
    uint32_t finished = atomic_load(&a->ch->up.finished);
    yk__result_slot *r = &a->ch->results[(finished + byte() % 4) % YK__RING];
    r->position = (uint32_t)value(a->position);
    r->code = (int32_t)value(0);
    r->in_room = byte() & 1;
    r->len = value(YK__SLOT_INLINE);
    memset(r->inline_result, byte(), sizeof r->inline_result);
}

static void write_word(actor *a, void *base, size_t size)
{
    size_t at = word32() % (size / sizeof(uint32_t));
    atomic_store((_Atomic uint32_t *)base + at,
                 (uint32_t)value(atomic_load(&a->ch->down.submitted)));
}

static void scribble(actor *a)
{
    size_t at = word32() % sizeof *a->ch, n = byte();
    unsigned char *to = (unsigned char *)a->ch;
    for (size_t i = 0; i < n && at + i < sizeof *a->ch; i++)
        to[at + i] = byte();
}

static void write_state(actor *a)
{
    _Atomic uint32_t *state = &a->ch->jobs[value(a->position) % YK__RING].state;
    uint8_t b = byte();
    atomic_store(state, b & 4 ? (uint32_t)value(0) : (atomic_load(state) & ~3u) | (b & 3));
}

/* Says that it owns the mutex, or something else in the arena, or anything. */
static void own(actor *a)
{
    uint8_t b = byte();
    if (b & 128)
        bait->lock.word = (uint32_t)value(a->ch->down.identity);
    uint64_t at = b & 64 ? value(0) : (uintptr_t)bait + (b & 32 ? value(0) : 0);
    atomic_store(&a->ch->up.held.at[b % YK__HELD_MAX], at);
}

static void count(actor *a)
{
    uint8_t b = byte();
    if (b & 1)
        bait->counter.value = value(5);
    if (b & 2)
        bait->counter.wanted = value(5);
    if (b & 4)
        atomic_fetch_add(&a->ch->up.attention, b);
}

static void act(actor *a, uint8_t what)
{
    switch (what) {
    case 0:
        take(a);
        break;
    case 1:
        take(a);
        finish(a);
        break;
    case 2:
        finish(a);
        break;
    case 3:
        want(a);
        break;
    case 4:
        write_result(a);
        break;
    case 5:
        atomic_store(&a->ch->up.finished, (uint32_t)value(atomic_load(&a->ch->up.finished)));
        break;
    case 6:
        write_word(a, &a->ch->up, sizeof a->ch->up);
        break;
    case 7:
        write_word(a, a->ch, sizeof *a->ch);
        break;
    case 8:
        write_state(a);
        break;
    case 9:
        atomic_store(&a->ch->up.started, value(now));
        break;
    case 10:
        atomic_store(&a->ch->up.asleep, (uint32_t)value(1));
        break;
    case 11:
        scribble(a);
        break;
    case 12:
        a->deaf = true;
        break;
    case 13:
        a->mute = true;
        break;
    case 14:
        die(a, (int)value(SIGSEGV), true);
        break;
    case 15:
        die(a, SIGSEGV, false);
        break;
    }
}

/* ---- The program ---------------------------------------------------------------------------- */

static void step(yk_executor *pool)
{
    uint8_t op = byte();
    actor *a = &actors[op >> 5 & 1];
    switch (op & 31) {
    case 16:
    case 17:
        submit(pool);
        break;
    case 18:
        if (n_jobs)
            yk_future_cancel(jobs[byte() % n_jobs].future);
        break;
    case 19:
        now += byte() * MS;
        break;
    case 20:
        run_until_idle();
        break;
    case 21:
        refuse = byte() % 8;
        break;
    case 22:
        delay = 1 + byte() % 8;
        break;
    case 23:
        zygote_ends();
        break;
    case 24:
        others_run();
        break;
    case 25:
        yk__reactor_turn(&reactor);
        break;
    case 26:
        say(YK__ZYGOTE_EXITED, (uint32_t)value(1), (int)value(0), -1); /* late, or twice */
        break;
    case 27: /* a stopped program: time passes, and nobody turns */
        now += (uint64_t)byte() * 1000 * MS;
        break;
    case 28:
        if (a->alive)
            own(a);
        break;
    case 29:
        if (a->alive)
            count(a);
        break;
    default:
        if (a->alive)
            act(a, op & 15);
        break;
    }
}

static void end_pool(yk_executor *pool)
{
    int rounds = 0;
    while (yk_executor_shutdown(pool, .cancel_running = true, .deadline = 1) == UV_ETIMEDOUT) {
        require(++rounds < MAX_ROUNDS);
        now += 50 * MS;
        run_until_idle();
    }
    yk_executor_stats s;
    yk_executor_get_stats(pool, &s);
    require(s.received == s.done + s.failed + s.cancelled && s.pending == 0 && s.running == 0);
    require(s.workers == 0);
}

static void check_jobs(void)
{
    for (unsigned i = 0; i < n_jobs; i++) {
        require(yk_future_ended(jobs[i].future) && jobs[i].ends == 1);
        read_end(jobs[i].future);
        yk_future_unref(jobs[i].future);
    }
    n_jobs = 0;
}

static int lowest_free_descriptor(void)
{
    int fd = dup(STDERR_FILENO);
    require(fd >= 0);
    close(fd);
    return fd;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    require(yk_init() == 0);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int descriptors = lowest_free_descriptor();
    input = data;
    input_end = data + size;
    now = (uint64_t)1000000 * 1000 * MS;
    spawns = refuse = delay = 0;

    require(yk__reactor_init(&reactor) == 0);
    yk__reactor_set_current(&reactor);
    uint8_t b = byte();
    yk_executor *pool = yk_process_pool(.workers = 1 + (b & 1), .job_timeout_ms = b & 2 ? 1000 : 0);
    bait = yk_arena_calloc(1, sizeof *bait);
    require(!yk_executor_error(pool) && bait);
    yk_future *watch = yk_counter_reaches(&bait->counter, 5);
    for (int steps = 0; input < input_end && steps < 4000; steps++)
        step(pool);
    end_pool(pool);
    check_jobs();
    int err = yk_mutex_lock(&bait->lock, 0);
    require(err == 0 || err == YK_EOWNERDEAD || err == UV_ETIMEDOUT || err == YK_EDEADLK);
    yk_future_cancel(watch);
    yk_future_unref(watch);
    yk_arena_free(bait);
    yk_executor_unref(pool);
    yk__reactor_destroy(&reactor);
    yk__reactor_set_current(NULL);

    for (int i = 0; i < MAX_ALIVE; i++)
        die(&actors[i], 0, false);
    zygote_ends();
    require(yk_arena_used() == 0);
    require(lowest_free_descriptor() == descriptors);
    return 0;
}
