/* Workers that are killed for lack of memory: told from what the kernel counts, and never guessed.
 * First the decision, on a directory of files such as the kernel's; then true control groups, where
 * this machine lets the test make one. */
#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "executor/oom.h"

/* ---- A directory in the kernel's place ------------------------------------------------------ */

static char root[200];
static char made[64][256]; /* what is in it, parents first */
static size_t n_made;

static void note(const char *path)
{
    for (size_t i = 0; i < n_made; i++)
        if (strcmp(made[i], path) == 0)
            return;
    assert_in_range(n_made, 0, COUNT_OF(made) - 1);
    snprintf(made[n_made++], sizeof made[0], "%s", path);
}

/* Writes a file below the root, and makes the directories that it needs. */
static void put(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s%s", root, name);
    for (char *c = path + strlen(root) + 1; (c = strchr(c, '/')) != NULL; c++) {
        *c = '\0';
        if (mkdir(path, 0700) == 0)
            note(path);
        *c = '/';
    }
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    note(path);
}

static void take(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s%s", root, name);
    unlink(path);
}

static int make_root(void **state)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(root, sizeof root, "%s/yoke-test-XXXXXX", tmp ? tmp : "/tmp");
    n_made = 0;
    return mkdtemp(root) ? support_before(state) : -1;
}

static int remove_root(void **state)
{
    while (n_made > 0)
        remove(made[--n_made]);
    rmdir(root);
    return support_after(state);
}

/* ---- P10: reading --------------------------------------------------------------------------- */

static yk__oom_mark counted(pid_t pid)
{
    yk__oom_mark mark;
    yk__oom_read(&mark, root, pid);
    return mark;
}

static yk__oom_mark counted_dead(pid_t pid, yk__oom_mark start)
{
    yk__oom_mark mark;
    yk__oom_read_dead(&mark, root, pid, &start);
    return mark;
}

static bool was_it(yk__oom_book *book, yk__oom_mark start, yk__oom_mark end)
{
    return yk__oom_was_it(book, &start, &end);
}

static void assert_counts(pid_t pid, uint64_t kills)
{
    yk__oom_mark mark = counted(pid);
    assert_true(mark.file[0]);
    assert_int_equal(mark.kills, kills);
}

static void test_P10_version_2_counts_in_memory_events(void **state)
{
    (void)state;
    put("/proc/7/cgroup", "0::/a/b\n");
    put("/sys/fs/cgroup/a/b/memory.events", "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\n");
    assert_counts(7, 2);
    put("/sys/fs/cgroup/a/b/memory.events", "oom_kill 18446744073709551615\n");
    assert_counts(7, UINT64_MAX);
    /* In a container the path may be that of the host. */
    put("/proc/8/cgroup", "0::/docker/1234\n");
    put("/sys/fs/cgroup/memory.events", "oom_kill 5\n");
    assert_counts(8, 5);
    put("/proc/9/cgroup", "0::/\n");
    assert_counts(9, 5);
}

static void test_P10_version_1_counts_in_oom_control(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "9:name=systemd:/x\n5:cpu,cpuacct:/x\n4:hugetlb,memory:/x\n0::/\n");
    put("/sys/fs/cgroup/memory/x/memory.oom_control",
        "oom_kill_disable 0\nunder_oom 1\noom_kill 4\n");
    assert_counts(0, 4);
    /* The dead are in the root group by the kernel's word; they are looked up where they began. */
    yk__oom_mark start = counted(0);
    put("/proc/7/cgroup", "4:hugetlb,memory:/\n");
    put("/sys/fs/cgroup/memory/memory.oom_control", "oom_kill 0\n");
    put("/sys/fs/cgroup/memory/x/memory.oom_control", "oom_kill 5\n");
    assert_int_equal(counted_dead(7, start).kills, 5);
    yk__oom_book book = { 0 };
    assert_true(was_it(&book, start, counted_dead(7, start)));
}

static void test_P10_without_a_group_the_system_counts(void **state)
{
    (void)state;
    put("/proc/vmstat", "nr_free_pages 1\noom_kill 11\nnuma_hit 3\n");
    assert_counts(123, 11); /* no such process */
    put("/proc/7/cgroup", "0::/a\n2:cpu:/a\n");
    assert_counts(7, 11); /* no memory control */
    put("/proc/7/cgroup", "garbage\n:\n0:\n");
    assert_counts(7, 11);
}

static void test_P10_what_cannot_be_read_is_no_evidence(void **state)
{
    (void)state;
    static const char *const nonsense[] = { "",           "oom_kill\n",    "oom_kill -1\n",
                                            "oom_kill x", "oom_kill 1x\n", "oom_kill_disable 1\n",
                                            "oom 1\n" };
    put("/proc/7/cgroup", "0::/a\n");
    for (size_t i = 0; i < COUNT_OF(nonsense); i++) {
        put("/sys/fs/cgroup/a/memory.events", nonsense[i]);
        assert_false(counted(7).file[0]);
    }
    yk__oom_mark none = { 0 }, some = { "", 0, 9 };
    yk__oom_book book = { 0 };
    assert_false(was_it(&book, none, none));
    assert_false(was_it(&book, none, some));
}

/* ---- P10: deciding -------------------------------------------------------------------------- */

static void test_P10_only_a_count_that_rose_since_the_start_is_evidence(void **state)
{
    (void)state;
    yk__oom_book book = { 0 };
    put("/proc/7/cgroup", "0::/a\n");
    put("/sys/fs/cgroup/a/memory.events", "oom_kill 3\n");
    yk__oom_mark start = counted(7);
    assert_false(was_it(&book, start, counted_dead(7, start))); /* somebody else's */
    put("/sys/fs/cgroup/a/memory.events", "oom_kill 4\n");
    yk__oom_mark end = counted(7);
    assert_true(was_it(&book, start, end));
    assert_false(was_it(&book, start, end)); /* one kill, one death */
    put("/sys/fs/cgroup/a/memory.events", "oom_kill 6\n");
    end = counted(7);
    assert_true(was_it(&book, start, end));
    assert_true(was_it(&book, start, end));
    assert_false(was_it(&book, start, end));
    assert_false(was_it(&book, end, end)); /* it started after all of them */
}

/* The kernel counts, the victim takes its time to die, and meanwhile others start and die. */
static void test_P10_deaths_are_heard_of_in_any_order(void **state)
{
    (void)state;
    yk__oom_book book = { 0 };
    yk__oom_mark at[200];
    for (uint64_t i = 0; i < COUNT_OF(at); i++)
        at[i] = (yk__oom_mark){ "f", 1, i };
    assert_true(was_it(&book, at[5], at[6]));  /* the sixth; it began when the fifth dies still */
    assert_false(was_it(&book, at[5], at[6])); /* is not also another's */
    assert_true(was_it(&book, at[3], at[6]));
    assert_true(was_it(&book, at[3], at[6])); /* the fourth and the fifth */
    assert_false(was_it(&book, at[3], at[6]));
    for (uint64_t i = 6; i + 1 < COUNT_OF(at); i++) {
        assert_true(was_it(&book, at[i], at[i + 1]));
        assert_false(was_it(&book, at[i], at[i + 1]));
    }
    assert_false(was_it(&book, at[3], at[199]));
    assert_false(was_it(&book, at[0], at[0]));
    yk__oom_mark again[2] = { { "f", 2, 0 }, { "f", 2, 1 } }; /* another group of the same name */
    assert_false(was_it(&book, at[0], again[1]));
    assert_true(was_it(&book, again[0], again[1]));
    assert_false(was_it(&book, again[0], again[1]));
}

static void test_P10_who_was_moved_to_another_group_is_not_judged(void **state)
{
    (void)state;
    yk__oom_book book = { 0 };
    put("/proc/7/cgroup", "0::/a\n");
    put("/sys/fs/cgroup/a/memory.events", "oom_kill 0\n");
    put("/sys/fs/cgroup/b/memory.events", "oom_kill 9\n");
    yk__oom_mark start = counted(7);
    put("/proc/7/cgroup", "0::/b\n");
    assert_false(was_it(&book, start, counted_dead(7, start)));
    take("/sys/fs/cgroup/b/memory.events");
    assert_false(was_it(&book, start, counted_dead(7, start)));
}

/* ---- True control groups -------------------------------------------------------------------- */

enum { LIMIT = 96 << 20 };

static struct {
    char dir[128];  /* "": could not be made */
    char home[256]; /* where the zygote came from */
    const char *why_not;
} group;

static bool write_to(const char *dir, const char *name, const char *text)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool move_to(const char *dir, pid_t pid)
{
    char text[32];
    snprintf(text, sizeof text, "%d", (int)pid);
    return write_to(dir, "cgroup.procs", text);
}

/* Finds the group of this process in the hierarchy that `key` marks in /proc/self/cgroup. */
static bool own_group(const char *key, const char *mount, char *dir, size_t size)
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    char line[200];
    bool found = false;
    while (file && !found && fgets(line, sizeof line, file)) {
        char *at = strstr(line, key);
        line[strcspn(line, "\n")] = '\0';
        if (at)
            found = snprintf(dir, size, "%s%s", mount, at + strlen(key)) < (int)size;
    }
    if (file)
        fclose(file);
    return found && access(dir, W_OK) == 0;
}

static bool limit_version_1(void)
{
    char limit[32];
    snprintf(limit, sizeof limit, "%d", LIMIT);
    snprintf(group.dir, sizeof group.dir, "/sys/fs/cgroup/memory/yoke-test-%d", (int)getpid());
    if (!own_group(":memory:", "/sys/fs/cgroup/memory", group.home, sizeof group.home) ||
        mkdir(group.dir, 0755))
        return false;
    bool ok = write_to(group.dir, "memory.limit_in_bytes", limit);
    write_to(group.dir, "memory.memsw.limit_in_bytes", limit); /* where swap is counted */
    return ok;
}

static bool limit_version_2(void)
{
    char limit[32];
    snprintf(limit, sizeof limit, "%d", LIMIT);
    snprintf(group.dir, sizeof group.dir, "/sys/fs/cgroup/yoke-test-%d", (int)getpid());
    if (!own_group("0::", "/sys/fs/cgroup", group.home, sizeof group.home) ||
        mkdir(group.dir, 0755))
        return false;
    bool ok = write_to(group.dir, "memory.max", limit); /* only where memory is controlled */
    write_to(group.dir, "memory.swap.max", "0");
    return ok;
}

/* Moves the zygote, and with it all workers to come, into a group with little memory. */
static bool enter_group(void)
{
    if (support_under_valgrind()) {
        print_message("skipped: valgrind needs more memory than the group may have\n");
        return false;
    }
    bool made_one = limit_version_1();
    if (!made_one) {
        rmdir(group.dir);
        made_one = limit_version_2();
    }
    if (made_one && move_to(group.dir, proc_zygote()))
        return true;
    rmdir(group.dir);
    print_message("skipped: no control group of memory can be made here (%s)\n", strerror(errno));
    return false;
}

static void leave_group(void)
{
    assert_true(move_to(group.home, proc_zygote()));
    eventually(rmdir(group.dir) == 0);
}

/* Takes more than there is, and says how it went if nobody minds. */
static int job_hog(yk_job *job)
{
    size_t size = (size_t)4 * LIMIT;
    char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return UV_ENOMEM;
    for (size_t i = 0; i < size; i += 4096)
        at[i] = 1;
    munmap(at, size);
    return yk_job_arg(job) != NULL;
}

static void out_of_memory(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    word *w = words_new(2);
    struct pid_block arg = { { .begun = &w[0] }, (_Atomic pid_t *)&w[1] };
    yk_future *bystander = backend_submit(b, ex, job_pid_block, &arg, sizeof arg);
    eventually(word_get(&w[0]) == 1);
    yk_future *hog =
        backend_submit_opts(b, ex, job_hog, NULL, 0, (yk_job_options){ .name = "hog" });
    assert_int_equal(yk_await(hog), YK_ECRASHED);
    const yk_error *e = yk_future_error(hog);
    assert_int_equal(e->signal, SIGKILL);
    assert_string_equal(e->message,
                        "job 'hog' was killed by SIGKILL, probably out of memory (worker 1)");
    assert_null(yk_error_backtrace(e));
    /* Somebody else's kill is not put down to that. */
    kill((pid_t)word_get(&w[1]), SIGKILL);
    assert_int_equal(yk_await(bystander), YK_ECRASHED);
    assert_string_equal(yk_future_error(bystander)->message,
                        "the job was killed by SIGKILL (worker 0)");
    assert_works(b, ex);
    yk_future_unref(hog);
    yk_future_unref(bystander);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_P10_killed_for_lack_of_memory_says_so(void **state)
{
    (void)state;
    if (!enter_group())
        return;
    on_processes(out_of_memory);
    leave_group();
}

static void ten_of_a_hundred(const backend *b)
{
    enum { N = 100, EVERY = 10 };
    yk_executor *ex = OPEN(b, .workers = 2);
    yk_future *f[N];
    for (int i = 0; i < N; i++)
        f[i] = i % EVERY == 3 ? backend_submit(b, ex, job_hog, NULL, 0) : square(b, ex, i);
    assert_int_equal(yk_wait(f, N, YK_ALL_ENDED, YK_FOREVER), N);
    for (int i = 0; i < N; i++) {
        int out = -1;
        if (i % EVERY == 3) {
            assert_int_equal(yk_await(f[i]), YK_ECRASHED);
            const char *message = yk_future_error(f[i])->message;
            if (!strstr(message, "probably out of memory"))
                fail_msg("job %d: '%s'", i, message);
        } else {
            assert_int_equal(yk_await_into(f[i], &out, sizeof out), 0);
            assert_int_equal(out, i * i);
        }
        yk_future_unref(f[i]);
    }
    yk_executor_stats s = stats_of(ex);
    assert_int_equal(s.done, N - N / EVERY);
    assert_int_equal(s.failed, N / EVERY);
    backend_close(ex);
}

static void test_P11_ten_of_a_hundred_run_out_of_memory(void **state)
{
    (void)state;
    if (!enter_group())
        return;
    on_processes(ten_of_a_hundred);
    leave_group();
}

/* Who is made to stop was not out of memory, whatever the kernel counts meanwhile. */
static void killed_on_request(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 1);
    yk_future *f =
        backend_submit_opts(b, ex, job_ignore_term, NULL, 0, (yk_job_options){ .timeout_ms = 20 });
    assert_int_equal(yk_await(f), YK_EJOBTIMEOUT);
    assert_null(strstr(yk_future_error(f)->message, "memory"));
    yk_future_unref(f);
    f = backend_submit(b, ex, job_kill_self, NULL, 0);
    assert_int_equal(yk_await(f), YK_ECRASHED);
    assert_string_equal(yk_future_error(f)->message, "the job was killed by SIGKILL (worker 0)");
    yk_future_unref(f);
    backend_close(ex);
}

static void test_P10_other_kills_are_not_guessed_at(void **state)
{
    (void)state;
    on_processes(killed_on_request);
}

#define IN_ROOT(fn)                                              \
    {                                                            \
#fn, fn, make_root, remove_root, (void *)(uintptr_t) #fn \
    }

int main(void)
{
    static const struct CMUnitTest tests[] = {
        IN_ROOT(test_P10_version_2_counts_in_memory_events),
        IN_ROOT(test_P10_version_1_counts_in_oom_control),
        IN_ROOT(test_P10_without_a_group_the_system_counts),
        IN_ROOT(test_P10_what_cannot_be_read_is_no_evidence),
        IN_ROOT(test_P10_only_a_count_that_rose_since_the_start_is_evidence),
        IN_ROOT(test_P10_deaths_are_heard_of_in_any_order),
        IN_ROOT(test_P10_who_was_moved_to_another_group_is_not_judged),
        TEST(test_P10_killed_for_lack_of_memory_says_so),
        TEST(test_P11_ten_of_a_hundred_run_out_of_memory),
        TEST(test_P10_other_kills_are_not_guessed_at),
    };
    return RUN_TESTS("oom", tests);
}
