/* Files and folders, in a folder of the test's own. */
#include <dirent.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common.h"
#include "executor/executor.h"
#include "loop/file.h"
#include "loop/offload.h"

static char folder[64];

static int make_the_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/yoke-file-XXXXXX");
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

/* How many names there are; removes them. */
static int empty_the_folder(void)
{
    int n = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        n++;
        remove(e->d_name);
    }
    closedir(dir);
    return n;
}

static int remove_the_folder(void **state)
{
    (void)state;
    empty_the_folder();
    return chdir("/") || rmdir(folder);
}

static int open_descriptors(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

/* No descriptor may be left. */
static void run_clean(yk_task_fn app)
{
    int before = open_descriptors();
    assert_int_equal(run_task(app, NULL), 0);
    assert_int_equal(open_descriptors(), before);
    empty_the_folder();
}

/* ---- Failures -------------------------------------------------------------------------------- */

static void test_the_loops_thread_is_not_to_wait(void **state)
{
    (void)state;
    yk_file *f = NULL;
    char *data = NULL;
    size_t len = 7;
    assert_int_equal(yk_file_open(&f, "x", O_RDONLY, 0, YK_FOREVER), UV_EINVAL);
    yk_loop *loop = yk_loop_new();
    assert_int_equal(yk_file_open(&f, "x", O_WRONLY | O_CREAT, 0600, YK_FOREVER), YK_EONLOOP);
    assert_int_equal(yk_read_file("/dev/null", 1, &data, &len, YK_FOREVER), YK_EONLOOP);
    assert_int_equal(yk_write_file("x", "x", 1, 0600, YK_FOREVER), YK_EONLOOP);
    assert_int_equal(yk_file_close(NULL, 0), 0);
    assert_null(f);
    assert_null(data);
    assert_int_equal(len, 7);
    yk_loop_close(loop);
    assert_int_equal(empty_the_folder(), 0);
}

static int fail_all(void *arg)
{
    (void)arg;
    yk_file *f = NULL;
    struct stat st;
    char *data = NULL, **names = NULL;
    size_t len;
    assert_int_equal(yk_file_open(&f, "none", O_RDONLY, 0, YK_FOREVER), UV_ENOENT);
    assert_int_equal(yk_read_file("none", 10, &data, &len, YK_FOREVER), UV_ENOENT);
    assert_int_equal(yk_read_file(".", 10, &data, &len, YK_FOREVER), UV_EISDIR);
    assert_int_equal(yk_write_file("none/x", "x", 1, 0600, YK_FOREVER), UV_ENOENT);
    assert_int_equal(yk_fs_stat("none", &st, YK_FOREVER), UV_ENOENT);
    assert_int_equal(yk_fs_rename("none", "some", YK_FOREVER), UV_ENOENT);
    assert_int_equal(yk_fs_unlink("none", YK_FOREVER), UV_ENOENT);
    assert_int_equal(yk_fs_mkdir("none/x", 0700, YK_FOREVER), UV_ENOENT);
    assert_int_equal(yk_fs_readdir("none", &names, &len, YK_FOREVER), UV_ENOENT);
    assert_int_equal(yk_file_open(&f, ".", O_RDONLY, 0, YK_FOREVER), 0);
    char byte;
    assert_int_equal(yk_file_read(f, &byte, 1, &len, YK_FOREVER), UV_EISDIR);
    assert_int_equal(yk_file_read(f, &byte, 0, &len, YK_FOREVER), UV_EINVAL);
    assert_int_equal(yk_file_write(f, "x", 1, YK_FOREVER), UV_EBADF);
    assert_int_equal(yk_file_close(f, YK_FOREVER), 0);
    assert_null(data);
    assert_null(names);
    return 0;
}

static void test_what_the_system_refuses(void **state)
{
    (void)state;
    run_clean(fail_all);
}

static int write_too_much(void *arg)
{
    (void)arg;
    struct rlimit before, small;
    getrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(yk_write_file("kept", "old", 3, 0600, YK_FOREVER), 0);
    small = (struct rlimit){ .rlim_cur = 10, .rlim_max = before.rlim_max };
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    int err = yk_write_file("kept", "much more than ten bytes", 24, 0600, YK_FOREVER);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);
    assert_int_equal(err, UV_EFBIG);
    char *data;
    size_t len;
    assert_int_equal(yk_read_file("kept", 10, &data, &len, YK_FOREVER), 0);
    assert_string_equal(data, "old");
    free(data);
    assert_int_equal(empty_the_folder(), 1); /* nothing half-written beside it */
    return 0;
}

static void test_a_file_that_cannot_be_written_stays_as_it_was(void **state)
{
    (void)state;
    if (RUNNING_ON_VALGRIND)
        skip(); /* its own files count */
    run_clean(write_too_much);
}

/* A fifo opens when there is somebody at the other end: never. */
static int open_for_ever(void *arg)
{
    (void)arg;
    yk_file *f = NULL;
    assert_int_equal(mkfifo("fifo", 0600), 0);
    assert_int_equal(yk_file_open(&f, "fifo", O_RDONLY, 0, yk_after_ms(1)), UV_ETIMEDOUT);
    assert_int_equal(yk_file_open(&f, "fifo", O_RDONLY, 0, 0), UV_ETIMEDOUT);
    assert_null(f);
    return 0;
}

static void test_a_call_that_takes_for_ever_is_left_to_its_thread(void **state)
{
    (void)state;
    run_clean(open_for_ever);
}

static int open_it(void *arg)
{
    yk_file *f = NULL;
    *(int *)arg = yk_file_open(&f, "fifo", O_RDONLY, 0, YK_FOREVER);
    assert_null(f);
    return *(int *)arg;
}

static int cancel_an_open(void *arg)
{
    (void)arg;
    int err = 0;
    assert_int_equal(mkfifo("fifo", 0600), 0);
    yk_future *task = yk_task_start(open_it, &err);
    yk_yield();
    yk_future_cancel(task);
    assert_int_equal(yk_await(task), YK_ECANCELED);
    assert_int_equal(err, YK_ECANCELED);
    yk_future_unref(task);
    return 0;
}

static void test_a_cancelled_call_is_left_to_its_thread(void **state)
{
    (void)state;
    run_clean(cancel_an_open);
}

static int hold_the_thread(yk_job *job)
{
    sem_t **held = yk_job_arg(job);
    sem_post(held[0]);
    while (sem_wait(held[1]))
        ;
    return 0;
}

/* The only thread is busy, so what is asked for has not begun at its deadline, and never will. */
static int never_begun(void *arg)
{
    (void)arg;
    yk_executor *pool = yk_thread_pool(.workers = 1);
    sem_t begun, release, *held[] = { &begun, &release };
    sem_init(&begun, 0, 0);
    sem_init(&release, 0, 0);
    assert_int_equal(yk_loop_set_default_executor(yk_loop_current(), pool), 0);
    yk_file *f, *made = NULL;
    assert_int_equal(yk_file_open(&f, "f", O_RDWR | O_CREAT, 0600, YK_FOREVER), 0);
    yk_future *job = yk_submit(pool, hold_the_thread, held, sizeof held);
    sem_wait(&begun);
    assert_int_equal(yk_file_write(f, "x", 1, yk_after_ms(1)), UV_ETIMEDOUT);
    assert_int_equal(yk_file_open(&made, "made", O_RDWR | O_CREAT, 0600, 0), UV_ETIMEDOUT);
    assert_int_equal(yk_file_close(f, 0), UV_ETIMEDOUT); /* and closed nonetheless */
    assert_null(made);
    sem_post(&release);
    assert_int_equal(yk_await(job), 0);
    yk_future_unref(job);
    assert_int_equal(yk_executor_close(pool), 0);
    struct stat st;
    assert_int_equal(stat("made", &st), -1);
    assert_int_equal(stat("f", &st), 0);
    assert_int_equal(st.st_size, 0);
    return 0;
}

static void test_what_had_not_begun_at_its_deadline_leaves_nothing(void **state)
{
    (void)state;
    run_clean(never_begun);
}

static int refused(void *arg)
{
    (void)arg;
    yk_file *f, *other = NULL;
    yk_executor *pool = yk_thread_pool(.workers = 1);
    assert_int_equal(yk_loop_set_default_executor(yk_loop_current(), pool), 0);
    assert_int_equal(yk_file_open(&f, "f", O_RDWR | O_CREAT, 0600, YK_FOREVER), 0);
    assert_int_equal(yk_executor_close(pool), 0);
    assert_int_equal(yk_file_write(f, "x", 1, YK_FOREVER), YK_ECLOSED);
    assert_int_equal(yk_file_open(&other, "f", O_RDONLY, 0, YK_FOREVER), YK_ECLOSED);
    assert_int_equal(yk_file_close(f, YK_FOREVER), YK_ECLOSED);
    assert_null(other);
    return 0;
}

static void test_an_executor_that_takes_no_more_is_an_error(void **state)
{
    (void)state;
    run_clean(refused);
}

/* ---- What works ------------------------------------------------------------------------------ */

static int whole_files(void *arg)
{
    (void)arg;
    char *data = NULL;
    size_t len = 0, size = 3 << 20;
    char *big = malloc(size);
    for (size_t i = 0; i < size; i++)
        big[i] = (char)(i * 7);
    assert_int_equal(yk_write_file("big", big, size, 0640, YK_FOREVER), 0);
    assert_int_equal(yk_read_file("big", size - 1, &data, &len, YK_FOREVER), YK_ETOOBIG);
    assert_null(data);
    assert_int_equal(yk_read_file("big", size, &data, &len, YK_FOREVER), 0);
    assert_int_equal(len, size);
    assert_memory_equal(data, big, size);
    free(data);
    free(big);
    struct stat st;
    assert_int_equal(yk_fs_stat("big", &st, YK_FOREVER), 0);
    assert_int_equal(st.st_mode & 0777 & ~0640, 0);

    assert_int_equal(yk_write_file("big", NULL, 0, 0600, YK_FOREVER), 0);
    assert_int_equal(yk_read_file("big", 0, &data, &len, YK_FOREVER), 0);
    assert_int_equal(len, 0);
    assert_string_equal(data, "");
    free(data);
    /* One that says that it is empty. */
    assert_int_equal(yk_read_file("/proc/self/status", 1 << 20, &data, &len, YK_FOREVER), 0);
    assert_true(len > 100);
    free(data);
    assert_int_equal(empty_the_folder(), 1);
    return 0;
}

static void test_whole_files_are_read_and_written(void **state)
{
    (void)state;
    run_clean(whole_files);
}

static int open_file(void *arg)
{
    (void)arg;
    yk_file *f;
    char text[32] = "";
    size_t len;
    assert_int_equal(yk_file_open(&f, "f", O_RDWR | O_CREAT | O_EXCL, 0600, YK_FOREVER), 0);
    assert_int_equal(yk_file_write(f, "hello ", 6, YK_FOREVER), 0);
    assert_int_equal(yk_file_write(f, "world", 5, YK_FOREVER), 0);
    assert_int_equal(yk_file_read(f, text, sizeof text, &len, YK_FOREVER), YK_END);
    assert_int_equal(yk_file_pwrite(f, "W", 1, 6, YK_FOREVER), 0);
    assert_int_equal(yk_file_pread(f, text, sizeof text, 0, &len, YK_FOREVER), 0);
    assert_int_equal(len, 11);
    assert_string_equal(text, "hello World");
    assert_int_equal(yk_file_sync(f, YK_FOREVER), 0);
    struct stat st;
    assert_int_equal(yk_file_stat(f, &st, YK_FOREVER), 0);
    assert_int_equal(st.st_size, 11);
    assert_int_equal(yk_file_close(f, YK_FOREVER), 0);

    assert_int_equal(yk_file_open(&f, "f", O_WRONLY | O_APPEND, 0, YK_FOREVER), 0);
    assert_int_equal(yk_file_write(f, "!", 1, YK_FOREVER), 0);
    assert_int_equal(yk_file_close(f, YK_FOREVER), 0);
    assert_int_equal(yk_file_open(&f, "f", O_RDONLY, 0, YK_FOREVER), 0);
    for (const char *expected = "hello World!"; *expected; expected += len) {
        assert_int_equal(yk_file_read(f, text, 5, &len, YK_FOREVER), 0);
        assert_memory_equal(text, expected, len);
    }
    assert_int_equal(yk_file_read(f, text, 5, &len, YK_FOREVER), YK_END);
    return yk_file_close(f, YK_FOREVER);
}

static void test_a_file_is_read_and_written_in_pieces(void **state)
{
    (void)state;
    run_clean(open_file);
}

static int paths(void *arg)
{
    (void)arg;
    char **names;
    size_t n;
    assert_int_equal(yk_fs_mkdir("d", 0700, YK_FOREVER), 0);
    assert_int_equal(yk_fs_mkdir("d", 0700, YK_FOREVER), UV_EEXIST);
    assert_int_equal(yk_fs_readdir("d", &names, &n, YK_FOREVER), 0);
    assert_int_equal(n, 0);
    free(names);
    static const char *const made[] = { "d/c", "d/a", "d/b" };
    for (int i = 0; i < 3; i++)
        assert_int_equal(yk_write_file(made[i], made[i], 3, 0600, YK_FOREVER), 0);
    assert_int_equal(yk_fs_rename("d/a", "d/z", YK_FOREVER), 0);
    assert_int_equal(yk_fs_readdir("d", &names, &n, YK_FOREVER), 0);
    assert_int_equal(n, 3);
    assert_string_equal(names[0], "b");
    assert_string_equal(names[1], "c");
    assert_string_equal(names[2], "z");
    for (size_t i = 0; i < n; i++) {
        char path[16];
        snprintf(path, sizeof path, "d/%s", names[i]);
        assert_int_equal(yk_fs_unlink(path, YK_FOREVER), 0);
    }
    free(names);
    return 0;
}

static void test_folders(void **state)
{
    (void)state;
    run_clean(paths);
}

static int one_of_many(void *arg)
{
    char path[16], *data, text[32];
    size_t len;
    snprintf(path, sizeof path, "f%d", *(int *)arg);
    snprintf(text, sizeof text, "file %d", *(int *)arg);
    assert_int_equal(yk_write_file(path, text, strlen(text), 0600, YK_FOREVER), 0);
    assert_int_equal(yk_read_file(path, 32, &data, &len, YK_FOREVER), 0);
    assert_string_equal(data, text);
    free(data);
    return yk_fs_unlink(path, YK_FOREVER);
}

static int at_once(void *arg)
{
    (void)arg;
    enum { N = 40 };
    int numbers[N];
    yk_task_fn fns[N];
    void *args[N];
    for (int i = 0; i < N; i++) {
        numbers[i] = i;
        fns[i] = one_of_many;
        args[i] = &numbers[i];
    }
    return yk_gather(fns, args, N);
}

static void test_many_at_once(void **state)
{
    (void)state;
    run_clean(at_once);
}

int main(void)
{
    arm_watchdog();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_loops_thread_is_not_to_wait),
        cmocka_unit_test(test_what_the_system_refuses),
        cmocka_unit_test(test_a_file_that_cannot_be_written_stays_as_it_was),
        cmocka_unit_test(test_a_call_that_takes_for_ever_is_left_to_its_thread),
        cmocka_unit_test(test_a_cancelled_call_is_left_to_its_thread),
        cmocka_unit_test(test_what_had_not_begun_at_its_deadline_leaves_nothing),
        cmocka_unit_test(test_an_executor_that_takes_no_more_is_an_error),
        cmocka_unit_test(test_whole_files_are_read_and_written),
        cmocka_unit_test(test_a_file_is_read_and_written_in_pieces),
        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_many_at_once),
    };
    return cmocka_run_group_tests(tests, make_the_folder, remove_the_folder);
}
