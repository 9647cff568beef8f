/* Tests of ngram fetch against a server that does most of what servers do. */
#include "e2e/tool.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <zstd.h>

/* ---- The server ----------------------------------------------------------------------------- */

static struct {
    pid_t pid;
    int input, port;
    char folder[4096]; /* what it serves */
} host;

static void start_host(void)
{
    int in[2], out[2];
    char port[16];
    snprintf(host.folder, sizeof host.folder, "%s", in_folder("served"));
    assert_int_equal(mkdir(host.folder, 0777), 0);
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    host.pid = fork();
    if (host.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        execl(YOKE_BUILD_DIR "/ngram_host", "ngram_host", host.folder, NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    ssize_t n = read(out[0], port, sizeof port - 1);
    assert_true(n > 0);
    port[n] = '\0';
    close(out[0]);
    host.port = atoi(port);
    host.input = in[1];
}

static void stop_host(void)
{
    int status;
    close(host.input);
    assert_int_equal(waitpid(host.pid, &status, 0), host.pid);
    assert_int_equal(status, 0);
}

typedef struct numbers {
    unsigned requests, ranges, most;
} numbers;

static numbers host_numbers(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)host.port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char text[512];
    numbers n;
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_true(dprintf(fd, "GET /stats HTTP/1.1\r\n\r\n") > 0);
    ssize_t got = read(fd, text, sizeof text - 1);
    assert_true(got > 0);
    text[got] = '\0';
    close(fd);
    const char *body = strstr(text, "\r\n\r\n");
    assert_non_null(body);
    assert_int_equal(
        sscanf(body + 4, "requests %u ranges %u most %u", &n.requests, &n.ranges, &n.most), 3);
    return n;
}

/* ---- What is served and what comes ----------------------------------------------------------- */

static const char part_0[] = "1-00000-of-00024.gz", part_1[] = "1-00001-of-00024.gz";

static char *rows; /* of both parts */
static char *served;
static size_t served_size;

static void serve_bytes(const char *name, const void *bytes, size_t size)
{
    char path[5000];
    snprintf(path, sizeof path, "%s/%s", host.folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    fclose(f);
}

static int make_host(void **state)
{
    int err = make_folder(state);
    if (err)
        return err;
    rows = make_rows(2500000, 9);
    served = read_bytes(pack_gzip("rows.gz", rows, strlen(rows), 0), &served_size);
    return empty_folder(state);
}

static int remove_host(void **state)
{
    free(rows);
    free(served);
    return remove_folder(state);
}

static int before(void **state)
{
    (void)state;
    start_host();
    assert_true(served_size > 300000); /* several of the server's pieces */
    serve_bytes(part_0, served, served_size);
    serve_bytes(part_1, served, served_size);
    serve_bytes("totalcounts-1", " \t1990,1,2,3\t", 13);
    return 0;
}

static int after(void **state)
{
    stop_host();
    shell("rm -rf '%s' '%s'", host.folder, in_folder("got"));
    return empty_folder(state);
}

/* Into the folder "got": ngram fetch eng 1 --only WHAT --base .../FAULT with short pauses. */
static tool fetch(const char *fault, const char *only, const char *more, const char *value)
{
    char base[64];
    snprintf(base, sizeof base, "http://127.0.0.1:%d/%s", host.port, fault);
    const char *const args[] = { "fetch",  "eng",     "1",  "--only",         only,
                                 "--base", base,      "-o", in_folder("got"), "--retries",
                                 "3",      "--pause", "1",  "--stall",        "1",
                                 more,     value,     NULL };
    return tool_start_opts(&(tool_options){ 0 }, args);
}

static const char *got(const char *name)
{
    char path[300];
    snprintf(path, sizeof path, "got/%s", name);
    return in_folder(path);
}

static bool is_there(const char *name)
{
    return access(got(name), F_OK) == 0;
}

static void assert_came(const char *name)
{
    size_t size;
    char *bytes = read_bytes(got(name), &size);
    assert_int_equal(size, served_size);
    assert_memory_equal(bytes, served, size);
    free(bytes);
}

static void assert_nothing_else(int files)
{
    shell("test \"$(ls '%s' | wc -l)\" = %d", in_folder("got"), files);
}

/* It comes, however the server does it. */
static void check_comes(const char *fault)
{
    char expected[5000];
    tool t = fetch(fault, "0", NULL, NULL);
    tool_wait(&t);
    snprintf(expected, sizeof expected, "%s\n", got(part_0));
    assert_wrote(&t, expected);
    tool_free(&t);
    assert_came(part_0);
    assert_nothing_else(1);
}

/* It does not, and `message` says why. */
static void check_fails(const char *fault, const char *message)
{
    tool t = fetch(fault, "0", NULL, NULL);
    tool_wait(&t);
    assert_failed(&t, 1, message);
    tool_free(&t);
    assert_false(is_there(part_0));
}

/* ---- Failures -------------------------------------------------------------------------------- */

static void test_wrong_usage(void **state)
{
    (void)state;
    static const struct {
        const char *args[6], *message;
    } wrong[] = {
        { { "fetch" }, "a language and a number of words are needed" },
        { { "fetch", "eng" }, "a language and a number of words are needed" },
        { { "fetch", "eng", "6" }, "'6': n-grams have 1 to 5 words" },
        { { "fetch", "../x", "1" }, "'../x' is no language" },
        { { "fetch", "eng", "1", "--release", "2019" }, "--release 2019: must be 20200217" },
        { { "fetch", "eng", "1", "--only", "24" }, "there is no part '24': parts are 0 to 23" },
        { { "fetch", "eng", "1", "--only", "a" }, "there is no part 'a': parts are 0 to 23" },
        { { "fetch", "eng", "1", "--only", "" }, "there is no part '': parts are 0 to 23" },
        { { "fetch", "eng", "1", "--rate", "1" }, "--rate 1: must be a size of 1K or more" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *const *a = wrong[i].args;
        tool t = tool_run(a[0], a[1], a[2], a[3], a[4], a[5]);
        assert_failed(&t, 2, wrong[i].message);
        tool_free(&t);
    }
}

static void test_libcurl_that_cannot_be_loaded(void **state)
{
    (void)state;
    write_text("libcurl.so.4", "no library");
    const char *file = write_text("in", "a\t2000\t3\t2\n");
    setenv("LD_LIBRARY_PATH", in_folder("."), 1);
    tool t = tool_run("fetch", "eng", "1", "-o", in_folder("got"));
    tool other = tool_run("top", file, "--format", "tsv");
    unsetenv("LD_LIBRARY_PATH");
    assert_failed(&t, 1, "fetch needs libcurl, which cannot be loaded: ");
    assert_int_equal(other.status, 0);
    tool_free(&t);
    tool_free(&other);
}

static void test_nobody_is_there(void **state)
{
    (void)state;
    int port = host.port;
    host.port = 1; /* nobody listens on it */
    check_fails("good", "; tried 4 times; what came is kept, and the same command goes on");
    host.port = port;
}

static void test_what_the_server_has_not(void **state)
{
    (void)state;
    tool t = fetch("good", "7,0", NULL, NULL);
    tool_wait(&t);
    assert_int_equal(t.status, 1);
    assert_non_null(strstr(t.err, "1-00007-of-00024.gz: HTTP 404: there is no such file at http"));
    assert_came(part_0); /* the other one is loaded all the same */
    tool_free(&t);
    assert_int_equal(host_numbers().requests, 2);
}

static void test_a_server_that_is_down(void **state)
{
    (void)state;
    check_fails("down", "the server answered HTTP 503; tried 4 times; what came is kept");
    assert_int_equal(host_numbers().requests, 4);
}

static void test_a_page_instead_of_the_file(void **state)
{
    (void)state;
    check_fails("page", "what came is no gzip file; tried 4 times, and what came was removed");
    assert_nothing_else(0);
}

static void test_damaged_gzip(void **state)
{
    (void)state;
    check_fails("damaged", "damaged gzip data near byte ");
    assert_nothing_else(0);
}

static void test_lengths_that_are_lies(void **state)
{
    (void)state;
    check_fails("short", "gzip data ends in the middle");
    assert_nothing_else(0);
}

static void test_a_server_that_gets_stuck(void **state)
{
    (void)state;
    check_fails("stuck", "it broke off at byte 100000 of ");
    assert_int_equal(host_numbers().requests, 4);
    assert_true(is_there("1-00000-of-00024.gz.part"));
    tool t = fetch("good", "0", NULL, NULL);
    tool_wait(&t);
    assert_int_equal(t.status, 0);
    tool_free(&t);
    assert_came(part_0);
    assert_int_equal(host_numbers().ranges, 4);
}

static void test_a_range_that_was_not_asked_for(void **state)
{
    (void)state;
    size_t half = served_size / 2;
    assert_int_equal(mkdir(in_folder("got"), 0777), 0);
    write_bytes("got/1-00000-of-00024.gz.part", served, half);
    tool t = fetch("wrongrange", "0", NULL, NULL); /* from the beginning, it is good */
    tool_wait(&t);
    assert_int_equal(t.status, 0);
    tool_free(&t);
    assert_came(part_0);
}

static void test_no_room(void **state)
{
    (void)state;
    if (access("/dev/full", W_OK) != 0)
        skip();
    assert_int_equal(mkdir(in_folder("got"), 0777), 0);
    assert_int_equal(symlink("/dev/full", got("1-00000-of-00024.gz.part")), 0);
    check_fails("good", "no space left on device");
}

/* ---- What comes in the end ------------------------------------------------------------------- */

static void test_a_good_server(void **state)
{
    (void)state;
    check_comes("good");
    assert_int_equal(host_numbers().requests, 1);
    check_comes("good"); /* it is there, nothing is asked */
    assert_int_equal(host_numbers().requests, 1);
}

static void test_servers_with_faults(void **state)
{
    (void)state;
    static const char *const faults[] = { "busy",  "noranges", "nolength", "mends",
                                          "moved", "long",     "breaks" };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        check_comes(faults[i]);
        assert_int_equal(unlink(got(part_0)), 0);
    }
}

static void test_a_server_that_breaks_off_is_asked_for_the_rest(void **state)
{
    (void)state;
    check_comes("breaks");
    numbers n = host_numbers();
    assert_int_equal(n.requests, (served_size + 99999) / 100000);
    assert_int_equal(n.ranges, n.requests - 1);
}

static void test_the_mark_of_an_error_is_not_that_of_the_file(void **state)
{
    (void)state;
    check_comes("errors");
    numbers n = host_numbers();
    assert_int_equal(n.requests, 2 * ((served_size + 99999) / 100000) - 1);
    assert_int_equal(n.ranges, n.requests - 1);
}

static void test_a_server_that_stalls_is_asked_again(void **state)
{
    (void)state;
    check_comes("stalls");
    assert_int_equal(host_numbers().ranges, 1);
}

/* What was begun is of another version: it is not joined with the new one. */
static void test_a_file_that_changes_is_loaded_from_its_beginning(void **state)
{
    (void)state;
    assert_int_equal(mkdir(in_folder("got"), 0777), 0);
    char *other = calloc(1, 200000);
    write_bytes("got/1-00000-of-00024.gz.part", other, 200000);
    write_text("got/1-00000-of-00024.gz.part.tag", "\"v0\"");
    free(other);
    check_comes("good");
    assert_int_equal(host_numbers().ranges, 1);
}

static void test_a_damaged_beginning_is_found_out(void **state)
{
    (void)state;
    assert_int_equal(mkdir(in_folder("got"), 0777), 0);
    char *other = malloc(served_size);
    memcpy(other, served, served_size);
    other[served_size / 4] ^= 1;
    write_bytes("got/1-00000-of-00024.gz.part", other, served_size / 2);
    write_text("got/1-00000-of-00024.gz.part.tag", "\"v1\"");
    free(other);
    check_comes("good");
}

static void test_a_part_that_is_whole_already(void **state)
{
    (void)state;
    assert_int_equal(mkdir(in_folder("got"), 0777), 0);
    write_bytes("got/1-00000-of-00024.gz.part", served, served_size);
    check_comes("good"); /* the server says 416 */
}

static void test_an_interruption_is_gone_on_with(void **state)
{
    (void)state;
    for (int pack = 0; pack < 2; pack++) {
        struct stat status;
        const char *partial = got("1-00000-of-00024.gz.part");
        tool t = fetch("stalls", "0", "--stall", "1000");
        while (stat(partial, &status) != 0 || status.st_size < 100000)
            tool_look_again(&t);
        assert_int_equal(kill(t.pid, SIGINT), 0);
        tool_wait(&t);
        assert_int_equal(t.status, 130);
        assert_string_equal(t.out, "");
        assert_string_equal(t.err, "ngram: interrupted; what was loaded is kept, and the same "
                                   "command goes on\n");
        tool_free(&t);
        numbers first = host_numbers();
        t = fetch("stalls", "0", pack ? "--pack" : NULL, NULL);
        tool_wait(&t);
        assert_int_equal(t.status, 0);
        tool_free(&t);
        assert_int_equal(host_numbers().ranges, first.ranges + 1);
        assert_nothing_else(1);
        shell("rm -r '%s'", in_folder("got"));
        stop_host(); /* which knows that it has stalled */
        shell("rm -r '%s'", host.folder);
        before(NULL);
    }
}

static void test_it_is_packed_while_it_comes(void **state)
{
    (void)state;
    static const char *const faults[] = { "good", "breaks", "noranges", "mends" };
    for (int i = 0; i < 4; i++) {
        tool t = fetch(faults[i], "0", "--pack", NULL);
        tool_wait(&t);
        assert_int_equal(t.status, 0);
        tool_free(&t);
        size_t size, text = strlen(rows);
        char *bytes = read_bytes(got("1-00000-of-00024.zst"), &size), *out = malloc(text + 1);
        assert_int_equal(ZSTD_decompress(out, text + 1, bytes, size), text);
        assert_memory_equal(out, rows, text);
        free(bytes);
        free(out);
        assert_nothing_else(1);
        t = tool_run("verify", "-q", got("1-00000-of-00024.zst"));
        assert_wrote(&t, "");
        tool_free(&t);
        assert_int_equal(unlink(got("1-00000-of-00024.zst")), 0);
    }
    tool t = fetch("damaged", "0", "--pack", NULL);
    tool_wait(&t);
    assert_failed(&t, 1, "damaged gzip data");
    tool_free(&t);
    assert_nothing_else(0);
}

static void test_several_files_and_totals(void **state)
{
    (void)state;
    tool t = fetch("slow", "0,totals,1", "--parallel", "2");
    tool_wait(&t);
    assert_int_equal(t.status, 0);
    assert_string_equal(t.err, "");
    tool_free(&t);
    assert_came(part_0);
    assert_came(part_1);
    assert_true(is_there("totalcounts-1"));
    assert_int_equal(host_numbers().most, 2);
}

static void test_two_at_once_on_one_file(void **state)
{
    (void)state;
    struct stat status;
    tool a = fetch("stalls", "0", "--stall", "1000");
    while (stat(got("1-00000-of-00024.gz.part"), &status) != 0 || status.st_size < 100000)
        tool_look_again(&a);
    tool b = fetch("good", "0", NULL, NULL);
    tool_wait(&b);
    assert_failed(&b, 1, "another ngram fetch is loading it");
    tool_free(&b);
    assert_int_equal(kill(a.pid, SIGINT), 0);
    tool_wait(&a);
    tool_free(&a);
}

static void test_a_rate_is_kept(void **state)
{
    (void)state;
    char rate[32];
    struct timespec begin, end;
    snprintf(rate, sizeof rate, "%zu", served_size / 3);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    tool t = fetch("good", "0", "--rate", rate);
    tool_wait(&t);
    clock_gettime(CLOCK_MONOTONIC, &end);
    assert_int_equal(t.status, 0);
    tool_free(&t);
    assert_came(part_0);
    /* Three seconds' worth, of which the first may come at once; a machine that is busy only makes
     * it longer. */
    double seconds =
        (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
    assert_true(seconds > 1);
}

/* ---- Names ----------------------------------------------------------------------------------- */

static void expect_list(const char *const *args, const char *first, const char *last, int count)
{
    char base[64], expected[300];
    snprintf(base, sizeof base, "http://127.0.0.1:%d/good", host.port);
    tool t = tool_run("fetch", "--list", "--retries", "0", "--base", base, args[0], args[1],
                      "--release", args[2], args[3], args[4]);
    if (t.status)
        fail_msg("%s", t.err);
    snprintf(expected, sizeof expected, "%s/%s\n", base, first);
    assert_memory_equal(t.out, expected, strlen(expected));
    snprintf(expected, sizeof expected, "%s/%s\n", base, last);
    assert_true(t.out_len >= strlen(expected));
    assert_string_equal(t.out + t.out_len - strlen(expected), expected);
    int lines = 0;
    for (const char *p = t.out; (p = strchr(p, '\n')); p++)
        lines++;
    assert_int_equal(lines, count);
    tool_free(&t);
}

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL, NULL })

static void test_names_of_every_release(void **state)
{
    (void)state;
    expect_list(LIST("eng", "5", "20200217"), "20200217/eng/totalcounts-5",
                "20200217/eng/5-19422-of-19423.gz", 19424);
    expect_list(LIST("eng", "1", "20120701"), "googlebooks-eng-all-totalcounts-20120701.txt",
                "googlebooks-eng-all-1gram-20120701-punctuation.gz", 40);
    expect_list(LIST("chi-sim", "3", "20120701", "--only", "aa,totals"),
                "googlebooks-chi-sim-all-3gram-20120701-aa.gz",
                "googlebooks-chi-sim-all-totalcounts-20120701.txt", 2);
    expect_list(LIST("eng", "1", "20200217", "--only", "0,totals,00,1,totals"),
                "20200217/eng/1-00000-of-00024.gz", "20200217/eng/1-00001-of-00024.gz", 3);
    expect_list(LIST("eng-1M", "2", "20090715"), "googlebooks-eng-1M-totalcounts-20090715.txt",
                "googlebooks-eng-1M-2gram-20090715-99.csv.zip", 101);
    static const char page[] = "<a href='http://x/1-00000-of-00006.gz'>1</a> <a href=\"x\">";
    serve_bytes("fre-1-ngrams_exports.html", page, strlen(page));
    expect_list(LIST("fre", "1", "20200217"), "20200217/fre/totalcounts-1",
                "20200217/fre/1-00005-of-00006.gz", 7);
    static const char links[] = "<a href='x/googlebooks-fre-all-2gram-20120701-aa.gz'>aa</a>\n"
                                "<a href='x/googlebooks-fre-all-2gram-20120701-_ADJ_.gz'>"
                                "<a href='x/googlebooks-fre-all-2gram-20120701-zz.gz'>zz</a>\n"
                                "<a href='x/googlebooks-fre-all-2gram-20120701-zz.gz'>zz</a>\n"
                                "<a href='x/googlebooks-fre-all-3gram-20120701-zz.gz'>zz</a>\n";
    serve_bytes("datasetsv2.html", links, strlen(links));
    expect_list(LIST("fre", "2", "20120701"), "googlebooks-fre-all-totalcounts-20120701.txt",
                "googlebooks-fre-all-2gram-20120701-zz.gz", 4);
    expect_list(LIST("fre", "2", "20120701", "--only", "_NOUN_,a_"),
                "googlebooks-fre-all-2gram-20120701-_NOUN_.gz",
                "googlebooks-fre-all-2gram-20120701-a_.gz", 2);
}

static void test_a_release_that_is_not_there(void **state)
{
    (void)state;
    char base[64];
    snprintf(base, sizeof base, "http://127.0.0.1:%d/good", host.port);
    tool t = tool_run("fetch", "xyz", "1", "--base", base, "-o", in_folder("got"));
    assert_failed(&t, 1, "xyz-1-ngrams_exports.html: HTTP 404 (are release and language right?)");
    tool_free(&t);
    assert_false(is_there("."));
}

static void test_zip_files_are_kept_as_they_are(void **state)
{
    (void)state;
    static const char zip[] = "PK\3\4 the file PK\5\6 the directory";
    char base[64];
    const char *name = "googlebooks-eng-all-1gram-20090715-3.csv.zip";
    serve_bytes(name, zip, sizeof zip);
    snprintf(base, sizeof base, "http://127.0.0.1:%d/good", host.port);
    tool t = tool_run("fetch", "eng", "1", "--release", "20090715", "--only", "3", "--base", base,
                      "-o", in_folder("got"), "--pack");
    assert_int_equal(t.status, 0);
    tool_free(&t);
    size_t size;
    char *bytes = read_bytes(got(name), &size);
    assert_int_equal(size, sizeof zip);
    free(bytes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, before, after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_wrong_usage),
        TEST(test_libcurl_that_cannot_be_loaded),
        TEST(test_nobody_is_there),
        TEST(test_what_the_server_has_not),
        TEST(test_a_server_that_is_down),
        TEST(test_a_page_instead_of_the_file),
        TEST(test_damaged_gzip),
        TEST(test_lengths_that_are_lies),
        TEST(test_a_server_that_gets_stuck),
        TEST(test_a_range_that_was_not_asked_for),
        TEST(test_no_room),
        TEST(test_a_good_server),
        TEST(test_servers_with_faults),
        TEST(test_a_server_that_breaks_off_is_asked_for_the_rest),
        TEST(test_the_mark_of_an_error_is_not_that_of_the_file),
        TEST(test_a_server_that_stalls_is_asked_again),
        TEST(test_a_file_that_changes_is_loaded_from_its_beginning),
        TEST(test_a_damaged_beginning_is_found_out),
        TEST(test_a_part_that_is_whole_already),
        TEST(test_an_interruption_is_gone_on_with),
        TEST(test_it_is_packed_while_it_comes),
        TEST(test_several_files_and_totals),
        TEST(test_two_at_once_on_one_file),
        TEST(test_a_rate_is_kept),
        TEST(test_names_of_every_release),
        TEST(test_a_release_that_is_not_there),
        TEST(test_zip_files_are_kept_as_they_are),
    };
    return cmocka_run_group_tests_name("e2e/fetch", tests, make_host, remove_host);
}
