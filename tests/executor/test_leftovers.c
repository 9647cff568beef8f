/* What every test program looks for after each of its tests: a worker, a thread, a descriptor,
 * shared memory that is left. Here something is left on purpose, to see that it is seen: by the
 * check itself; and in programs of their own (this one, with an argument), each with one test that
 * leaves something and has to fail for it. */
#include "support/backends.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- Leaks ----------------------------------------------------------------------------------- */

static pid_t child;
static int fd = -1;
static void *memory;
static const size_t size = 4096;
static pthread_t thread;
static _Atomic bool thread_ends;

static void leave_process(void)
{
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
}

static void mend_process(void)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void *stay(void *unused)
{
    (void)unused;
    while (!thread_ends)
        support_pause();
    return NULL;
}

static void leave_thread(void)
{
    thread_ends = false;
    assert_int_equal(pthread_create(&thread, NULL, stay, NULL), 0);
}

static void mend_thread(void)
{
    thread_ends = true;
    pthread_join(thread, NULL);
}

static void leave_descriptor(void)
{
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
}

static void mend_descriptor(void)
{
    close(fd);
}

static void leave_channel(void)
{
    int file = memfd_create("yoke-channel", MFD_CLOEXEC);
    assert_true(file >= 0);
    assert_int_equal(ftruncate(file, (off_t)size), 0);
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    assert_true(memory != MAP_FAILED);
    close(file);
}

static void mend_channel(void)
{
    munmap(memory, size);
}

static void leave_block(void)
{
    memory = yk_arena_alloc(100);
    assert_non_null(memory);
}

static void mend_block(void)
{
    yk_arena_free(memory);
}

static yk_executor *executor;

static void leave_worker(void)
{
    executor = yk_process_pool(.workers = 1);
    yk_future *f = yk_submit(executor, job_nothing, NULL, 0);
    assert_int_equal(yk_await(f), 0);
    yk_future_unref(f);
}

static void mend_worker(void)
{
    backend_close(executor);
}

static const struct leak {
    const char *name, *is_called;
    void (*leave)(void), (*mend)(void);
} leaks[] = {
    { "process", "process", leave_process, mend_process },
    { "thread", "threads, there were", leave_thread, mend_thread },
    { "descriptor", "descriptors, there were", leave_descriptor, mend_descriptor },
    { "channel", "channels are mapped", leave_channel, mend_channel },
    { "block", "bytes of the arena", leave_block, mend_block },
    { "worker", "is left", leave_worker, mend_worker },
};

/* ---- The check ------------------------------------------------------------------------------- */

static void test_S19_the_check_sees_whatever_is_left(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(leaks); i++) {
        assert_null(support_leftovers());
        leaks[i].leave();
        const char *left = support_leftovers_within(0);
        if (!left || !strstr(left, leaks[i].is_called))
            fail_msg("%s: it says %s", leaks[i].name, left ? left : "nothing");
        leaks[i].mend();
        assert_null(support_leftovers());
    }
}

static void alive(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    yk_future *f = backend_submit(b, ex, job_nothing, NULL, 0);
    assert_int_equal(yk_await(f), 0);
    yk_future_unref(f);
    assert_true(stats_of(ex).workers > 0);
    assert_non_null(support_leftovers_within(0));
    backend_close(ex);
}

static void test_S19_a_pool_is_seen_until_it_is_closed(void **state)
{
    (void)state;
    on_every_backend(alive);
}

/* ---- A test that leaves something ------------------------------------------------------------ */

static const struct leak *chosen;

static void leave_it(void **state)
{
    (void)state;
    if (chosen)
        chosen->leave();
}

static int leave_and_be_found_out(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(leaks); i++)
        if (strcmp(leaks[i].name, name) == 0)
            chosen = &leaks[i];
    const struct CMUnitTest tests[] = { TEST(leave_it) };
    int failed = RUN_TESTS("leaves", tests);
    _exit(failed ? 1 : 0); /* what was left is nobody else's business */
}

struct program {
    pid_t pid;
    int out;
};

static struct program start(const char *leak)
{
    struct program p;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    char *argv[] = { (char *)"leaves", (char *)leak, NULL };
    assert_int_equal(posix_spawn(&p.pid, support_self(), &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    p.out = ends[0];
    return p;
}

/* Its exit status; `said` becomes what it said. */
static int end_of(struct program p, char *said, size_t max)
{
    size_t len = 0;
    for (ssize_t n; len + 1 < max && (n = read(p.out, said + len, max - len - 1)) > 0;)
        len += (size_t)n;
    said[len] = '\0';
    close(p.out);
    int status;
    assert_int_equal(waitpid(p.pid, &status, 0), p.pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_S19_a_test_that_leaves_something_fails(void **state)
{
    (void)state;
    struct program p[COUNT_OF(leaks) + 1];
    static char said[1 << 16];
    for (size_t i = 0; i < COUNT_OF(leaks); i++)
        p[i] = start(leaks[i].name); /* all at once: each waits for some seconds */
    p[COUNT_OF(leaks)] = start("nothing");
    for (size_t i = 0; i < COUNT_OF(leaks); i++) {
        int status = end_of(p[i], said, sizeof said);
        if (status != 1 || !strstr(said, "after leave_it") || !strstr(said, leaks[i].is_called))
            fail_msg("%s: status %d, and it said: %s", leaks[i].name, status, said);
    }
    assert_int_equal(end_of(p[COUNT_OF(leaks)], said, sizeof said), 0);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return leave_and_be_found_out(argv[1]);
    static const struct CMUnitTest tests[] = {
        TEST(test_S19_the_check_sees_whatever_is_left),
        TEST(test_S19_a_pool_is_seen_until_it_is_closed),
        TEST(test_S19_a_test_that_leaves_something_fails),
    };
    return RUN_TESTS("leftovers", tests);
}
