/* Tests of the output: it is there whole, or not at all. */
#include "mapreduce/helper.h"

#include <fcntl.h>
#include <pthread.h>
#include <uv.h>

#include "mapreduce/output.h"

static void write_all(yk__output *out, const char *text)
{
    assert_int_equal(yk__output_write(out, text, strlen(text), NULL), 0);
}

static void test_abandoned_leaves_nothing_and_the_old_file(void **state)
{
    (void)state;
    yk__output out;
    char *path = strdup(write_file("old", "old\n", 4));
    assert_int_equal(yk__output_open(&out, path), 0);
    write_all(&out, "new\n");
    yk__output_abandon(&out);
    assert_file(path, "old\n");
    assert_int_equal(yk__output_open(&out, in_folder("never")), 0);
    write_all(&out, "new\n");
    yk__output_abandon(&out);
    assert_int_equal(count_entries(), 1);
    unlink(path);
    free(path);
}

static void test_what_cannot_be_written_is_said_at_once(void **state)
{
    (void)state;
    yk__output out;
    assert_int_equal(yk__output_open(&out, folder), UV_EISDIR);
    assert_int_equal(yk__output_open(&out, in_folder("no/such")), UV_ENOENT);
    assert_int_equal(yk__output_open(&out, in_folder("new/")), UV_EISDIR);
    assert_int_equal(yk__output_open(&out, ""), UV_ENOENT);
    write_file("file", "", 0);
    assert_int_equal(yk__output_open(&out, in_folder("file/below")), UV_ENOTDIR);
    if (geteuid() != 0) {
        chmod(in_folder("file"), 0444);
        assert_int_equal(yk__output_open(&out, in_folder("file")), UV_EACCES);
    }
    unlink(in_folder("file"));
    assert_int_equal(count_entries(), 0);
}

static void test_committed_replaces_and_keeps_the_mode(void **state)
{
    (void)state;
    yk__output out;
    struct stat st;
    char *path = strdup(write_file("out", "a longer old text\n", 18));
    chmod(path, 0640);
    assert_int_equal(yk__output_open(&out, path), 0);
    write_all(&out, "new\n");
    assert_file(path, "a longer old text\n");
    assert_int_equal(yk__output_commit(&out), 0);
    assert_file(path, "new\n");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(count_entries(), 1);
    unlink(path);
    free(path);
}

static void test_symbolic_link_stays_one(void **state)
{
    (void)state;
    yk__output out;
    struct stat st;
    char *target = strdup(write_file("target", "old\n", 4)), *link = strdup(in_folder("link"));
    assert_int_equal(symlink("target", link), 0);
    assert_int_equal(yk__output_open(&out, link), 0);
    write_all(&out, "new\n");
    assert_int_equal(yk__output_commit(&out), 0);
    assert_file(target, "new\n");
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    unlink(link);
    unlink(target);
    free(link);
    free(target);
}

static void test_dev_null_is_written_directly(void **state)
{
    (void)state;
    yk__output out;
    struct stat st;
    assert_int_equal(yk__output_open(&out, "/dev/null"), 0);
    write_all(&out, "gone\n");
    assert_int_equal(yk__output_commit(&out), 0);
    assert_int_equal(stat("/dev/null", &st), 0);
    assert_true(S_ISCHR(st.st_mode));
}

static void *read_fifo(void *path)
{
    return read_file(path);
}

static void test_fifo_is_waited_for_and_written_directly(void **state)
{
    (void)state;
    yk__output out;
    pthread_t reader;
    void *text;
    char *path = strdup(in_folder("fifo"));
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(pthread_create(&reader, NULL, read_fifo, path), 0);
    assert_int_equal(yk__output_open(&out, path), 0);
    char *large = malloc(300001);
    memset(large, 'x', 300000);
    large[300000] = '\0';
    write_all(&out, large);
    assert_int_equal(yk__output_commit(&out), 0);
    assert_int_equal(pthread_join(reader, &text), 0);
    assert_string_equal(text, large);
    free(text);
    free(large);
    unlink(path);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_abandoned_leaves_nothing_and_the_old_file),
        cmocka_unit_test(test_what_cannot_be_written_is_said_at_once),
        cmocka_unit_test(test_committed_replaces_and_keeps_the_mode),
        cmocka_unit_test(test_symbolic_link_stays_one),
        cmocka_unit_test(test_dev_null_is_written_directly),
        cmocka_unit_test(test_fifo_is_waited_for_and_written_directly),
    };
    return cmocka_run_group_tests_name("mapreduce/output", tests, make_folder, remove_folder);
}
