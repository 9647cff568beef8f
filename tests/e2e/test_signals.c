/* Tests of Ctrl-C, of killed processes, and of the terminal. */
#include "e2e/tool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

static const char *const executors[] = { "threads", "processes", "hybrid" };

/* ---- Pipes that the test holds ------------------------------------------------------------- */

static const char *make_fifo(void)
{
    const char *path = in_folder("fifo");
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    return path;
}

static void write_all(int fd, const char *bytes, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = write(fd, bytes + done, len - done);
        assert_true(n > 0);
        done += (size_t)n;
    }
}

/* Opens the FIFO for the tool and writes rows to it; it stays open. When this returns, the tool
 * has read all but what fits into a pipe, so it is at work. */
static int feed(const char *fifo, size_t bytes)
{
    char *rows = make_rows(bytes, 1);
    int fd = open(fifo, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    write_all(fd, rows, strlen(rows));
    free(rows);
    return fd;
}

/* Whether a process has a file open. */
static bool has_open(pid_t pid, const char *path)
{
    char folder[64], link[400], target[400];
    bool found = false;
    snprintf(folder, sizeof folder, "/proc/%d/fd", pid);
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        snprintf(link, sizeof link, "%s/%.20s", folder, e->d_name);
        ssize_t n = readlink(link, target, sizeof target - 1);
        target[n > 0 ? n : 0] = '\0';
        found |= strcmp(target, path) == 0;
    }
    if (dir)
        closedir(dir);
    return found;
}

static void wait_until_open(const tool *t, const char *path)
{
    while (!has_open(t->pid, path))
        tool_look_again(t);
}

static void assert_interrupted(tool *t, family *f)
{
    tool_wait(t);
    assert_int_equal(t->status, 130);
    assert_string_equal(t->out, "");
    family_wait_gone(f);
}

/* ---- Ctrl-C -------------------------------------------------------------------------------- */

static void test_interrupt_at_work_leaves_nothing(void **state)
{
    (void)state;
    for (int e = 0; e < 3; e++) {
        const char *fifo = make_fifo();
        tool t = tool_start("count", fifo, "-o", in_folder("out"), "--executor", executors[e]);
        int fd = feed(fifo, 3 << 20);
        family f = family_with_workers(&t, e == 1);
        assert_int_equal(kill(t.pid, SIGINT), 0);
        assert_interrupted(&t, &f);
        assert_string_equal(t.err, "ngram: interrupted\n");
        assert_int_equal(count_entries(), 1);
        tool_free(&t);
        close(fd);
    }
}

static void test_interrupt_while_nobody_writes_to_the_pipe(void **state)
{
    (void)state;
    for (int e = 0; e < 3; e++) {
        const char *fifo = make_fifo();
        tool t = tool_start("count", fifo, "--executor", executors[e]);
        wait_until_open(&t, fifo);
        family f = family_of(&t);
        assert_int_equal(kill(t.pid, SIGINT), 0);
        assert_interrupted(&t, &f);
        tool_free(&t);
    }
}

static void test_interrupt_while_nobody_reads_the_output(void **state)
{
    (void)state;
    const char *fifo = make_fifo();
    char *rows = make_rows(3000000, 2);
    tool t = tool_start("count", write_text("in", rows), "-o", fifo);
    free(rows);
    int fd = open(fifo, O_RDONLY | O_CLOEXEC), size = fcntl(fd, F_GETPIPE_SZ), have = 0;
    while (have < size - 8192) { /* until the pipe is as good as full */
        assert_int_equal(ioctl(fd, FIONREAD, &have), 0);
        tool_look_again(&t);
    }
    family f = family_of(&t);
    assert_int_equal(kill(t.pid, SIGINT), 0);
    assert_interrupted(&t, &f);
    assert_int_equal(count_entries(), 2);
    tool_free(&t);
    close(fd);
}

static void test_interrupt_while_making_a_file_leaves_none(void **state)
{
    (void)state;
    tool t = tool_start("gen", "--bytes", "100G", "-o", in_folder("made.zst"));
    while (count_entries() == 0) /* it has begun */
        tool_look_again(&t);
    family f = family_of(&t);
    assert_int_equal(kill(t.pid, SIGINT), 0);
    assert_interrupted(&t, &f);
    assert_int_equal(count_entries(), 0);
    tool_free(&t);
}

/* ---- Killed -------------------------------------------------------------------------------- */

static void test_P37_killed_tool_leaves_no_process_and_no_file(void **state)
{
    (void)state;
    for (int e = 0; e < 3; e++) {
        const char *fifo = make_fifo();
        tool t = tool_start("count", fifo, "-o", in_folder("out"), "--executor", executors[e]);
        int fd = feed(fifo, 3 << 20);
        family f = family_with_workers(&t, e == 1);
        assert_int_equal(kill(t.pid, SIGKILL), 0);
        tool_wait(&t);
        assert_int_equal(t.status, -SIGKILL);
        family_wait_gone(&f);
        assert_int_equal(count_entries(), 1);
        tool_free(&t);
        close(fd);
    }
}

typedef struct feeder {
    const char *fifo, *rows;
} feeder;

static void *feed_and_close(void *arg)
{
    const feeder *fd = arg;
    int pipe = open(fd->fifo, O_WRONLY | O_CLOEXEC);
    write_all(pipe, fd->rows, strlen(fd->rows));
    close(pipe);
    return NULL;
}

/* Stops all workers, so that jobs pile up before them, and kills one. */
static void kill_a_worker(const tool *t)
{
    family f = family_with_workers(t, 1);
    pid_t victim = 0;
    for (int i = 0; i < f.n; i++)
        if (f.member[i].worker)
            kill(victim = f.member[i].pid, SIGSTOP);
    kill(victim, SIGKILL);
    for (int i = 0; i < f.n; i++)
        if (f.member[i].worker)
            kill(f.member[i].pid, SIGCONT);
    family_close(&f);
}

static void test_killed_workers_do_not_change_the_answer(void **state)
{
    (void)state;
    size_t len;
    const char *fifo = make_fifo();
    char *rows = make_rows(24 << 20, 3);
    tool plain = tool_run("count", "--executor", "threads", write_text("in", rows));
    tool t = tool_start("count", fifo, "-o", in_folder("out"), "--workers", "2");
    pthread_t thread;
    feeder arg = { fifo, rows };
    assert_int_equal(pthread_create(&thread, NULL, feed_and_close, &arg), 0);
    for (int i = 0; i < 3; i++)
        kill_a_worker(&t);
    assert_int_equal(pthread_join(thread, NULL), 0);
    tool_wait(&t);
    assert_wrote(&t, "");
    char *out = read_bytes(in_folder("out"), &len);
    assert_wrote(&plain, out);
    free(out);
    free(rows);
    tool_free(&plain);
    tool_free(&t);
}

/* ---- The terminal -------------------------------------------------------------------------- */

typedef struct terminal {
    int master, slave;
    struct termios before;
} terminal;

static terminal open_terminal(int columns)
{
    terminal t;
    struct winsize size = { .ws_row = 24, .ws_col = (unsigned short)columns };
    assert_int_equal(openpty(&t.master, &t.slave, NULL, NULL, &size), 0);
    assert_int_equal(tcgetattr(t.slave, &t.before), 0);
    fcntl(t.master, F_SETFL, O_NONBLOCK);
    fcntl(t.master, F_SETFD, FD_CLOEXEC);
    fcntl(t.slave, F_SETFD, FD_CLOEXEC);
    return t;
}

/* What has been written to it so far; to be freed. */
static char *read_terminal(const terminal *t)
{
    char *text = calloc(1, 1 << 16);
    size_t len = 0;
    for (ssize_t n; (n = read(t->master, text + len, (1 << 16) - 1 - len)) > 0;)
        len += (size_t)n;
    return text;
}

/* It is set as it was before. */
static void close_terminal(terminal *t)
{
    struct termios after;
    assert_int_equal(tcgetattr(t->slave, &after), 0);
    assert_int_equal(after.c_lflag, t->before.c_lflag);
    assert_int_equal(after.c_iflag, t->before.c_iflag);
    assert_int_equal(after.c_oflag, t->before.c_oflag);
    close(t->master);
    close(t->slave);
}

static void test_progress_bar_is_drawn_in_place_and_cleared(void **state)
{
    (void)state;
    static const int columns[] = { 100, 40, 12 };
    char *rows = make_rows(3000000, 2);
    const char *file = write_text("in", rows);
    free(rows);
    for (int i = 0; i < 3; i++) {
        terminal term = open_terminal(columns[i]);
        tool t = tool_run_opts(&(tool_options){ .err_fd = term.slave },
                               (const char *const[]){ "count", file, "-o", "/dev/null", NULL });
        assert_int_equal(t.status, 0);
        char *text = read_terminal(&term);
        size_t len = strlen(text);
        assert_true(len > 8);
        assert_string_equal(text + len - 4, "\r\033[K");
        assert_null(strchr(text, '\n'));
        assert_non_null(strstr(text, " %"));
        for (char *line = strtok(text, "\r"); line; line = strtok(NULL, "\r"))
            assert_true(strcspn(line, "\033") < (size_t)columns[i]);
        free(text);
        tool_free(&t);
        close_terminal(&term);
    }
}

/* The number behind a name in a line of JSON; -1: there is none. */
static double number_in(const char *line, const char *name)
{
    char quoted[40];
    snprintf(quoted, sizeof quoted, "\"%s\":", name);
    const char *at = strstr(line, quoted);
    return at ? strtod(at + strlen(quoted), NULL) : -1;
}

static void test_progress_as_json(void **state)
{
    (void)state;
    char *rows = make_rows(3000000, 2);
    size_t size = strlen(rows);
    const char *file = write_text("in", rows);
    free(rows);
    tool t = tool_run("count", file, "--progress", "json", "-o", in_folder("out"));
    assert_int_equal(t.status, 0);
    char *last = NULL, *rest = NULL;
    for (char *l = strtok_r(t.err, "\n", &rest); l; l = strtok_r(NULL, "\n", &rest)) {
        assert_memory_equal(l, "{\"phase\":\"", 10);
        assert_int_equal(l[strlen(l) - 1], '}');
        last = l;
    }
    assert_non_null(last);
    assert_non_null(strstr(last, "\"phase\":\"ended\""));
    assert_int_equal(number_in(last, "bytes"), size);
    assert_int_equal(number_in(last, "bytes_total"), size);
    assert_true(number_in(last, "rows") > 0);
    assert_true(number_in(last, "splits_done") > 0);
    assert_int_equal(number_in(last, "splits_running"), 0);
    assert_int_equal(number_in(last, "splits_retried"), 0);
    assert_int_equal(number_in(last, "bytes_spilled"), 0);
    tool_free(&t);
}

static void test_progress_is_shown_when_asked_and_not_otherwise(void **state)
{
    (void)state;
    const char *file = write_text("in", "a\t1900\t1\t1\n");
    tool t = tool_run("count", file);
    assert_wrote(&t, "a\t1\t1\n");
    tool_free(&t);
    t = tool_run("count", file, "--progress", "always");
    assert_int_equal(t.status, 0);
    assert_string_equal(t.out, "a\t1\t1\n");
    assert_non_null(strstr(t.err, "%"));
    assert_null(strpbrk(t.err, "\r\033"));
    assert_ptr_equal(strchr(t.err, '\n'), t.err + strlen(t.err) - 1);
    tool_free(&t);
    terminal term = open_terminal(80);
    t = tool_run_opts(&(tool_options){ .err_fd = term.slave },
                      (const char *const[]){ "count", file, "--progress", "never", NULL });
    char *text = read_terminal(&term);
    assert_string_equal(text, "");
    free(text);
    tool_free(&t);
    close_terminal(&term);
}

static void test_table_on_a_terminal_fits_it(void **state)
{
    (void)state;
    const char *file = write_text("in", "a_quite_long_word_that_does_not_fit_at_all\t1900\t1\t1\n"
                                        "\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2\xe5\xad\x97"
                                        "\xe6\xbc\xa2\xe5\xad\x97\t1900\t1234567\t1\n");
    terminal term = open_terminal(40);
    tool t = tool_run_opts(&(tool_options){ .out_fd = term.slave },
                           (const char *const[]){ "top", file, NULL });
    char *text = read_terminal(&term);
    assert_string_equal(text, "ngram          match_count  volume_count\r\n"
                              "\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2\xe5\xad\x97"
                              "\xe6\xbc\xa2\xe5\xad\x97     1,234,567             1\r\n"
                              "a_quite_long\xe2\x80\xa6            1             1\r\n");
    free(text);
    tool_free(&t);
    close_terminal(&term);
}

static void test_P41_control_c_at_the_terminal(void **state)
{
    (void)state;
    for (int e = 0; e < 3; e++) {
        const char *fifo = make_fifo();
        terminal term = open_terminal(80);
        tool t = tool_start_opts(&(tool_options){ .err_fd = term.slave, .terminal_fd = term.slave },
                                 (const char *const[]){ "count", fifo, "-o", in_folder("out"),
                                                        "--executor", executors[e], NULL });
        int fd = feed(fifo, 3 << 20);
        family f = family_with_workers(&t, e == 1);
        assert_int_equal(write(term.master, "\x03", 1), 1);
        assert_interrupted(&t, &f);
        char *text = read_terminal(&term);
        assert_non_null(strstr(text, "\r\033[Kngram: interrupted\r\n"));
        assert_int_equal(count_entries(), 1);
        free(text);
        tool_free(&t);
        close_terminal(&term);
        close(fd);
    }
}

#define TEST(name) cmocka_unit_test_teardown(name, empty_folder)

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        TEST(test_interrupt_at_work_leaves_nothing),
        TEST(test_interrupt_while_nobody_writes_to_the_pipe),
        TEST(test_interrupt_while_nobody_reads_the_output),
        TEST(test_interrupt_while_making_a_file_leaves_none),
        TEST(test_P37_killed_tool_leaves_no_process_and_no_file),
        TEST(test_killed_workers_do_not_change_the_answer),
        TEST(test_progress_bar_is_drawn_in_place_and_cleared),
        TEST(test_progress_as_json),
        TEST(test_progress_is_shown_when_asked_and_not_otherwise),
        TEST(test_table_on_a_terminal_fits_it),
        TEST(test_P41_control_c_at_the_terminal),
    };
    return cmocka_run_group_tests_name("e2e/signals", tests, make_folder, remove_folder);
}
