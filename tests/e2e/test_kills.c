/* Tests of jobs that are killed at random, in part or as a whole, and resumed.
 *
 * YOKE_KILLS: how many runs (12, with sanitizers 6); YOKE_SEED: of what is chosen by chance. */
#include "e2e/tool.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { KEYS = 80000, RUNS = 6 }; /* they take many times as long */
#else
enum { KEYS = 150000, RUNS = 12 };
#endif
enum { MOST_BATCHES = 6 };

static unsigned number_from(const char *name, unsigned otherwise)
{
    const char *text = getenv(name);
    return text && text[0] ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

static unsigned random_state;

static unsigned random_below(unsigned n)
{
    random_state = random_state * 1103515245u + 12345u;
    return (random_state >> 16) % n;
}

/* ---- The job ------------------------------------------------------------------------------- */

/* A plain file and a packed one that share half of their n-grams. */
static void make_inputs(void)
{
    char *text = malloc(KEYS * 40), *to = text;
    for (unsigned i = 0; i < KEYS; i++)
        to += sprintf(to, "n-gram %u\t%u\t%u\t1\n", i * 7919 % KEYS, 1900 + i % 100, i % 1000 + 1);
    write_bytes("in", text, (size_t)(to - text));
    to = strchr(text + (to - text) / 2, '\n') + 1;
    pack_gzip("in.gz", text, (size_t)(to - text), 0);
    free(text);
}

static tool start(const char *executor)
{
    return tool_start("count", in_folder("in"), in_folder("in.gz"), "-o", in_folder("out"),
                      "--resume", in_folder("journal"), "--memory", "14M", "--workers", "2",
                      "--executor", executor, "--stats");
}

static bool has_ended(const tool *t)
{
    siginfo_t info = { 0 };
    assert_int_equal(waitid(P_PID, (id_t)t->pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
    return info.si_pid != 0;
}

static unsigned runs_in_journal(void)
{
    unsigned n = 0;
    DIR *dir = opendir(in_folder("journal"));
    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;)
        n += strncmp(e->d_name, "run-", 4) == 0 && !strchr(e->d_name, '.');
    if (dir)
        closedir(dir);
    return n;
}

/* Waits until so many batches have been finished. False: the tool has ended before. */
static bool reaches(const tool *t, unsigned runs)
{
    while (runs_in_journal() < runs) {
        if (has_ended(t))
            return false;
        usleep(500); /* nobody tells of a new file */
    }
    return !has_ended(t);
}

/* By its descriptor: the number may be another's when it has died meanwhile. */
static void kill_member(const family *f, int i)
{
    syscall(SYS_pidfd_send_signal, f->member[i].pidfd, SIGKILL, NULL, 0);
}

static void kill_all(tool *t)
{
    family f = family_of(t);
    kill(t->pid, SIGKILL);
    for (int i = 0; i < f.n; i++)
        kill_member(&f, i);
    tool_wait(t);
    assert_int_equal(t->status, -SIGKILL);
    family_wait_gone(&f);
    tool_free(t);
}

static void kill_workers(tool *t, bool all)
{
    family f = family_of(t);
    unsigned chosen = f.workers ? random_below((unsigned)f.workers) : 0;
    for (int i = 0; i < f.n; i++)
        if (f.member[i].worker && (all || chosen-- == 0))
            kill_member(&f, i);
    family_close(&f);
}

static void assert_answer(tool *t)
{
    tool_wait(t);
    if (t->status != 0)
        fail_msg("status %d: %s", t->status, t->err);
    shell("cmp '%s' '%s'", in_folder("out"), in_folder("expected"));
    assert_int_not_equal(access(in_folder("journal"), F_OK), 0);
    assert_int_equal(unlink(in_folder("out")), 0);
    assert_int_equal(count_entries(), 3);
}

static uint64_t resumed_splits(const tool *t)
{
    const char *line = strstr(t->err, "resumed:");
    return line ? strtoull(line + 8, NULL, 10) : 0;
}

static void make_expected(void)
{
    make_inputs();
    tool t = tool_run("count", in_folder("in"), in_folder("in.gz"), "-o", in_folder("expected"));
    assert_int_equal(t.status, 0);
    tool_free(&t);
}

/* ---- Kills --------------------------------------------------------------------------------- */

enum { A_WORKER, ALL_WORKERS, THE_JOB, KINDS };

/* Whether it was killed before its end. */
static bool run_and_kill(int kind)
{
    const char *executor = kind == THE_JOB && random_below(2) ? "threads" : "processes";
    unsigned runs = 1 + random_below(MOST_BATCHES);
    tool t = start(executor);
    bool killed = reaches(&t, runs);
    if (killed && kind == THE_JOB) {
        kill_all(&t);
        assert_true(access(in_folder("out"), F_OK) != 0);
        bool again = random_below(3) == 0;
        t = start(executor);
        if (again && reaches(&t, runs + 1 + random_below(4))) { /* and once more */
            kill_all(&t);
            t = start(executor);
        }
    } else if (killed) {
        kill_workers(&t, kind == ALL_WORKERS);
    }
    assert_answer(&t);
    if (killed && kind == THE_JOB)
        assert_true(resumed_splits(&t) > 0);
    tool_free(&t);
    return killed;
}

static void test_killed_at_random(void **state)
{
    unsigned runs = number_from("YOKE_KILLS", RUNS), seed = number_from("YOKE_SEED", 1);
    unsigned killed[KINDS] = { 0 };
    (void)state;
    random_state = seed;
    make_expected();
    for (unsigned i = 0; i < runs; i++) {
        int kind = (int)(i % KINDS);
        killed[kind] += run_and_kill(kind);
    }
    printf("%u runs, seed %u; killed: a worker %u times, all workers %u, the whole job %u\n", runs,
           seed, killed[A_WORKER], killed[ALL_WORKERS], killed[THE_JOB]);
    assert_true(runs < KINDS || killed[THE_JOB] > 0);
}

/* ---- Ctrl-C -------------------------------------------------------------------------------- */

/* The folder of spilled runs has something in it. */
static bool has_spilled(void)
{
    bool found = false;
    DIR *dir = opendir(in_folder("temp"));
    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;)
        found |= strncmp(e->d_name, "yoke-", 5) == 0;
    if (dir)
        closedir(dir);
    return found;
}

static void test_interrupted_while_it_spills(void **state)
{
    static const char *const executors[] = { "threads", "processes" };
    (void)state;
    make_inputs();
    shell("mkdir '%s'", in_folder("temp"));
    for (int i = 0; i < 2; i++) {
        tool t = tool_start("count", in_folder("in"), in_folder("in.gz"), "-o", in_folder("out"),
                            "--memory", "14M", "--workers", "2", "--executor", executors[i],
                            "--temp-dir", in_folder("temp"));
        while (!has_spilled())
            tool_look_again(&t);
        kill(t.pid, SIGINT);
        tool_wait(&t);
        assert_int_equal(t.status, 130);
        assert_int_equal(rmdir(in_folder("temp")), 0); /* it is empty */
        assert_int_equal(count_entries(), 2);
        shell("mkdir '%s'", in_folder("temp"));
        tool_free(&t);
    }
    shell("rmdir '%s'", in_folder("temp"));
}

/* ---- Journals that do not fit ---------------------------------------------------------------- */

/* A journal with something in it. */
static void leave_journal(void)
{
    tool t;
    do { /* it may be too quick */
        t = start("processes");
        if (reaches(&t, 1)) {
            kill_all(&t);
            return;
        }
        tool_wait(&t);
        tool_free(&t);
    } while (true);
}

#define assert_refused(reason, ...)                                                           \
    do {                                                                                      \
        tool refused = tool_run(__VA_ARGS__, "--memory", "14M", "--workers", "2", "--resume", \
                                in_folder("journal"));                                        \
        assert_failed(&refused, 1, reason);                                                   \
        assert_true(access(in_folder("out"), F_OK) != 0);                                     \
        tool_free(&refused);                                                                  \
    } while (0)

static int lock_journal(void)
{
    int fd = open(in_folder("journal"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int lock = openat(fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), 0);
    close(fd);
    return lock;
}

/* Another job has just begun, and finished nothing yet. */
static void test_journal_in_use_is_left_alone(void **state)
{
    (void)state;
    make_inputs();
    shell("mkdir '%s' && echo job >'%s/job'", in_folder("journal"), in_folder("journal"));
    int lock = lock_journal();
    assert_refused("another job is using it", "count", in_folder("in"), "-o", in_folder("out"));
    shell("rm '%s/job'", in_folder("journal")); /* not even that */
    assert_refused("another job is using it", "count", in_folder("in"), "-o", in_folder("out"));
    shell("test -e '%s/lock'", in_folder("journal"));
    close(lock);
}

static void test_journal_of_another_job(void **state)
{
    (void)state;
    make_expected();
    leave_journal();
    const char *in = in_folder("in"), *gz = in_folder("in.gz"), *out = in_folder("out");
    assert_refused("journal of another job (other options)", "count", in, gz, "-o", out, "--years",
                   "1950:");
    assert_refused("journal of another job (other options)", "top", in, gz, "-o", out);
    assert_refused("journal of another job (other inputs)", "count", in, "-o", out);
    assert_refused("in.gz", "count", gz, in, "-o", out);
    int lock = lock_journal();
    assert_refused("another job is using it", "count", in, gz, "-o", out);
    close(lock);
    tool t = start("threads"); /* none of this has harmed it */
    assert_answer(&t);
    assert_true(resumed_splits(&t) > 0);
    tool_free(&t);
    leave_journal();
    shell("printf 'n\\t1900\\t1\\t1\\n' >>'%s'", in);
    assert_refused("in)", "count", in, gz, "-o", out);
    shell("rm -r '%s'", in_folder("journal"));
}

static void test_damaged_journal(void **state)
{
    (void)state;
    make_expected();
    leave_journal();
    const char *in = in_folder("in"), *gz = in_folder("in.gz"), *out = in_folder("out");
    shell("cp -r '%s' '%s'", in_folder("journal"), in_folder("copy"));
    shell("for f in '%s'/run-*; do truncate -s -3 \"$f\"; done", in_folder("journal"));
    assert_refused("remove the directory to begin again", "count", in, gz, "-o", out);
    shell("rm -r '%s' && cp -r '%s' '%s'", in_folder("journal"), in_folder("copy"),
          in_folder("journal"));
    shell("for f in '%s'/run-*; do cp \"$f\" '%s/run-1000'; done", in_folder("journal"),
          in_folder("journal"));
    assert_refused("remove the directory to begin again", "count", in, gz, "-o", out);
    shell("rm -r '%s' && cp -r '%s' '%s'", in_folder("journal"), in_folder("copy"),
          in_folder("journal"));
    shell("printf x | dd of='%s/job' bs=1 seek=40 conv=notrunc 2>/dev/null", in_folder("journal"));
    assert_refused("remove the directory to begin again", "count", in, gz, "-o", out);
    shell("rm -r '%s' '%s'", in_folder("journal"), in_folder("copy"));
}

static void test_folders_and_inputs_that_cannot_be(void **state)
{
    (void)state;
    make_inputs();
    shell("mkdir '%s' && echo precious >'%s/file'", in_folder("journal"), in_folder("journal"));
    assert_refused("is not empty and has no journal", "count", in_folder("in"), "-o",
                   in_folder("out"));
    shell("grep -q precious '%s/file' && rm '%s/file'", in_folder("journal"), in_folder("journal"));
    shell("echo precious >'%s/run-5k.csv'", in_folder("journal"));
    assert_refused("is not empty and has no journal", "count", in_folder("in"), "-o",
                   in_folder("out"));
    shell("grep -q precious '%s/run-5k.csv' && rm -r '%s'", in_folder("journal"),
          in_folder("journal"));
    shell("mkfifo '%s'", in_folder("fifo"));
    int fd = open(in_folder("fifo"), O_RDWR | O_CLOEXEC);
    assert_refused("cannot be read again", "count", in_folder("fifo"), "-o", in_folder("out"));
    close(fd);
    assert_int_not_equal(access(in_folder("journal"), F_OK), 0);
}

static void test_failed_job_without_anything_finished_leaves_no_journal(void **state)
{
    (void)state;
    write_text("in", "no row\n");
    assert_refused("in:1", "count", in_folder("in"), "-o", in_folder("out"));
    assert_int_equal(count_entries(), 1);
}

static int clean_up(void **state)
{
    shell("rm -rf '%s' '%s' '%s'", in_folder("journal"), in_folder("copy"), in_folder("temp"));
    return empty_folder(state);
}

#define TEST(name) cmocka_unit_test_teardown(name, clean_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_killed_at_random),
        TEST(test_interrupted_while_it_spills),
        TEST(test_journal_of_another_job),
        TEST(test_journal_in_use_is_left_alone),
        TEST(test_damaged_journal),
        TEST(test_folders_and_inputs_that_cannot_be),
        TEST(test_failed_job_without_anything_finished_leaves_no_journal),
    };
    return cmocka_run_group_tests_name("e2e/kills", tests, make_folder, remove_folder);
}
