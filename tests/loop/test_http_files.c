/* Tests of files as answers: which are sent, which parts of them, and which never are. */
#include <sys/un.h>

#include "certificates.h"
#include "executor/error.h"
#include "http_client.h"
#include "loop/http/files_internal.h"
#include "loop/subprocess.h"
#include "loop/tls.h"

#define HOST "Host: test\r\n"
#define BIG  ((size_t)3 << 20)

/* ---- A folder to serve ----------------------------------------------------------------------- */

static char folder[32], root[48];
static char *big;

static void make(const char *name, const char *bytes, size_t len)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    struct timespec when[2] = { { .tv_sec = 784111777 }, { .tv_sec = 784111777, .tv_nsec = 42 } };
    assert_ok(futimens(fd, when));
    close(fd);
}

static void make_text(const char *name, const char *text)
{
    make(name, text, strlen(text));
}

static int make_folder(void **state)
{
    char path[128];
    strcpy(folder, "/tmp/yoke-www-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(root, sizeof root, "%s/www", folder);
    assert_ok(mkdir(root, 0755));
    snprintf(path, sizeof path, "%s/sub folder", root);
    assert_ok(mkdir(path, 0755));
    snprintf(path, sizeof path, "%s/.well-known", root);
    assert_ok(mkdir(path, 0755));
    big = pattern(BIG);
    make("www/big.bin", big, BIG);
    make_text("www/small.txt", "0123456789");
    make_text("www/empty.txt", "");
    make_text("www/index.html", "<p>home");
    make_text("www/sub folder/index.html", "<p>sub");
    make_text("www/app.js", "plain");
    make_text("www/app.js.gz", "as gzip");
    make_text("www/app.js.zst", "as zstd");
    make_text("www/only.css", "plain");
    make_text("www/only.css.gz", "as gzip");
    make_text("www/.secret", "secret");
    make_text("www/.well-known/x", "well-known");
    make_text("secret.txt", "secret");
    snprintf(path, sizeof path, "%s/out", root);
    assert_ok(symlink("../secret.txt", path));
    snprintf(path, sizeof path, "%s/away", root);
    assert_ok(symlink("/etc/passwd", path));
    snprintf(path, sizeof path, "%s/up", root);
    assert_ok(symlink("..", path));
    snprintf(path, sizeof path, "%s/within.txt", root);
    assert_ok(symlink("small.txt", path));
    snprintf(path, sizeof path, "%s/loop", root);
    assert_ok(symlink("loop", path));
    snprintf(path, sizeof path, "%s/fifo", root);
    assert_ok(mkfifo(path, 0644));
    return support_before(state);
}

static int remove_folder(void **state)
{
    char command[64];
    free(big);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_ok(system(command));
    return support_after(state);
}

#define FILE_TEST(fn)                                                \
    {                                                                \
#fn, fn, make_folder, remove_folder, (void *)(uintptr_t) #fn \
    }

static int one_file(yk_http *h, void *arg)
{
    return yk_http_send_file(h, arg, "text/x-own");
}

/* The folder at / and, as the rest of a route, at /static/. */
typedef struct site {
    yk_http_files *files;
    yk_http_route routes[4];
    char secret[64];
    served *s;
} site;

static site open_site(yk_http_service service)
{
    site w = { 0 };
    assert_ok(yk_http_files_open_with(&w.files, root, .cache_control = "max-age=60"));
    snprintf(w.secret, sizeof w.secret, "%s/secret.txt", folder);
    service.handler = yk_http_serve_files;
    service.arg = w.files;
    w.s = serve_http(&service);
    w.s->service.routes = NULL;
    return w;
}

static void use_routes(site *w)
{
    w->routes[0] = (yk_http_route){ NULL, "/static/{path...}", yk_http_serve_files, w->files };
    w->routes[1] = (yk_http_route){ NULL, "/own", one_file, w->secret };
    w->routes[2] = (yk_http_route){ NULL, "/folder", one_file, folder };
    w->s->service.routes = w->routes;
}

static void close_site(site *w)
{
    serve_no_more(w->s);
    yk_http_files_close(w->files);
}

static answer *get(yk_stream *c, const char *path, const char *fields)
{
    char request[600];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n" HOST "%s\r\n", path, fields);
    say(c, request);
    return hear(c);
}

static void assert_get(yk_stream *c, const char *path, const char *fields, int status,
                       const char *body)
{
    answer *a = get(c, path, fields);
    if (a->status != status || (body && strcmp(a->body, body) != 0))
        fail_msg("%s\n%s: %d '%.200s'", path, fields, a->status, a->body);
    forget(a);
}

/* ---- What is not sent ------------------------------------------------------------------------ */

static int no_folder(void *arg)
{
    yk_http_files *files = NULL;
    char path[64];
    (void)arg;
    snprintf(path, sizeof path, "%s/none", folder);
    assert_int_equal(yk_http_files_open(&files, path), UV_ENOENT);
    snprintf(path, sizeof path, "%s/small.txt", root);
    assert_int_equal(yk_http_files_open(&files, path), UV_ENOTDIR);
    assert_null(files);
    yk_http_files_close(NULL);
    return 0;
}

static void test_a_folder_that_is_none(void **state)
{
    (void)state;
    no_folder(NULL);
}

static int ask_for_others(void *arg)
{
    (void)arg;
    static const char *const others[] = {
        "/none",
        "/small.txt/",
        "/small.txt/x",
        "/out",
        "/away",
        "/up/secret.txt",
        "/up/www/small.txt",
        "/loop",
        "/fifo",
        "/.secret",
        "/.%73ecret",
        "/sub%20folder/.x",
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/x/..%2f..%2fsecret.txt",
        "/sub%20folder/%2e%2e%2f%2e%2e%2fsecret.txt",
        "//etc/passwd",
        "/%2fetc/passwd",
    };
    site w = open_site((yk_http_service){ 0 });
    yk_stream *c = dial(w.s);
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        char path[100];
        w.s->service.routes = NULL;
        assert_get(c, others[i], "", 404, NULL);
        use_routes(&w);
        snprintf(path, sizeof path, "/static%s", others[i]);
        assert_get(c, path, "", 404, NULL);
    }
    assert_get(c, "/folder", "", 404, NULL);
    say(c, "POST /static/small.txt HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n");
    answer *a = hear(c);
    assert_int_equal(a->status, 405);
    assert_string_equal(field_of(a, "Allow"), "GET, HEAD");
    forget(a);
    yk_stream_close(c);
    close_site(&w);
    return 0;
}

static void test_nothing_outside_is_ever_sent(void **state)
{
    (void)state;
    on_loop(ask_for_others, NULL);
}

/* Where the kernel does not keep us in the folder. */
static void test_step_by_step_no_link_is_followed(void **state)
{
    (void)state;
    static const char *const never[] = {
        "/etc/passwd", "../secret.txt", "sub folder/../../secret.txt",
        "out",         "away",          "up/secret.txt",
        "within.txt",  "loop",          "none",
        "//small.txt", "small.txt/",    "small.txt/x",
    };
    int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < COUNT_OF(never); i++)
        if (yk__file_walk(dir, never[i]) >= 0)
            fail_msg("%s was opened", never[i]);
    static const char *const there[] = { "small.txt", "./small.txt", "sub folder//index.html",
                                         "sub folder/" };
    for (size_t i = 0; i < COUNT_OF(there); i++) {
        int fd = yk__file_walk(dir, there[i]);
        if (fd < 0)
            fail_msg("%s: %s", there[i], yk_errname(fd));
        close(fd);
    }
    close(dir);
}

/* It is asked for more often than the system's buffers take. */
static int shrink(void *arg)
{
    (void)arg;
    char path[64], piece[65536];
    size_t n, came = 1000;
    int err;
    site w = open_site((yk_http_service){ .idle_ms = UINT64_MAX });
    yk_stream *c = dial(w.s);
    for (int i = 0; i < 5; i++)
        say(c, "GET /big.bin HTTP/1.1\r\n" HOST "\r\n");
    assert_ok(yk_stream_read_exactly(c, piece, 1000, YK_FOREVER));
    snprintf(path, sizeof path, "%s/big.bin", root);
    assert_ok(truncate(path, 100));
    while ((err = yk_stream_read_some(c, piece, sizeof piece, &n, YK_FOREVER)) == 0)
        came += n;
    assert_true(err == UV_ECONNRESET || err == YK_END);
    assert_true(came < 5 * BIG);
    yk_stream_close(c);
    close_site(&w);
    return 0;
}

static void test_a_file_that_shrinks_is_no_whole_answer(void **state)
{
    (void)state;
    on_loop(shrink, NULL);
}

/* ---- What is --------------------------------------------------------------------------------- */

static void assert_field(answer *a, const char *name, const char *expected)
{
    const char *value = field_of(a, name);
    if (!value != !expected || (value && strcmp(value, expected) != 0))
        fail_msg("%s: %s and not %s", name, value, expected);
}

static int ask(void *arg)
{
    (void)arg;
    site w = open_site((yk_http_service){ 0 });
    yk_stream *c = dial(w.s);
    answer *a = get(c, "/small.txt?x", "");
    assert_int_equal(a->status, 200);
    assert_string_equal(a->body, "0123456789");
    assert_field(a, "Content-Type", "text/plain; charset=utf-8");
    assert_field(a, "Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_field(a, "ETag", "\"2ebc98a1.2a-a\"");
    assert_field(a, "Accept-Ranges", "bytes");
    assert_field(a, "Cache-Control", "max-age=60");
    assert_field(a, "Vary", "Accept-Encoding");
    forget(a);
    say(c, "HEAD /big.bin HTTP/1.1\r\n" HOST "\r\n");
    a = hear_for(c, "HEAD");
    assert_int_equal(a->status, 200);
    assert_field(a, "Content-Length", "3145728");
    assert_field(a, "Vary", NULL);
    forget(a);
    assert_get(c, "/", "", 200, "<p>home");
    assert_get(c, "/empty.txt", "", 200, "");
    if (!RUNNING_ON_VALGRIND) /* it knows no openat2 */
        assert_get(c, "/within.txt", "", 200, "0123456789");
    assert_get(c, "/.well-known/x", "", 200, "well-known");
    assert_get(c, "//small.txt", "", 200, "0123456789");
    assert_get(c, "/sub%20folder/", "", 200, "<p>sub");
    a = get(c, "//sub%20folder?q", "");
    assert_int_equal(a->status, 301);
    assert_field(a, "Location", "/sub%20folder/?q");
    forget(a);
    a = get(c, "/\\other.test/..%2Fsub%20folder", "");
    assert_field(a, "Location", "/other.test/..%2Fsub%20folder/");
    forget(a);
    use_routes(&w);
    assert_get(c, "/static/small.txt", "", 200, "0123456789");
    assert_get(c, "/static/", "", 200, "<p>home");
    assert_get(c, "/small.txt", "", 200, "0123456789");
    a = get(c, "/own", "");
    assert_string_equal(a->body, "secret");
    assert_field(a, "Content-Type", "text/x-own");
    forget(a);
    yk_stream_close(c);
    close_site(&w);
    return 0;
}

static void test_files_and_folders(void **state)
{
    (void)state;
    on_loop(ask, NULL);
}

static int negotiate(void *arg)
{
    (void)arg;
    site w = open_site((yk_http_service){ 0 });
    yk_stream *c = dial(w.s);
    assert_get(c, "/app.js", "", 200, "plain");
    assert_get(c, "/app.js", "Accept-Encoding: br\r\n", 200, "plain");
    assert_get(c, "/app.js", "Accept-Encoding: gzip, zstd;q=0.5\r\n", 200, "as gzip");
    assert_get(c, "/app.js", "Accept-Encoding: gzip\r\nRange: bytes=0-1\r\n", 206, "pl");
    assert_get(c, "/only.css", "Accept-Encoding: zstd;q=1, gzip;q=0.1\r\n", 200, "as gzip");
    assert_get(c, "/only.css", "Accept-Encoding: zstd\r\n", 200, "plain");
    assert_get(c, "/small.txt", "Accept-Encoding: zstd, gzip\r\n", 200, "0123456789");
    answer *a = get(c, "/app.js", "Accept-Encoding: gzip\r\nAccept-Encoding: zstd\r\n");
    assert_string_equal(a->body, "as zstd");
    assert_field(a, "Content-Encoding", "zstd");
    assert_field(a, "Content-Type", "text/javascript; charset=utf-8");
    assert_field(a, "Vary", "Accept-Encoding");
    assert_field(a, "ETag", "\"2ebc98a1.2a-7-zstd\"");
    forget(a);
    yk_stream_close(c);
    close_site(&w);
    return 0;
}

static void test_compressed_ones_beside_it(void **state)
{
    (void)state;
    on_loop(negotiate, NULL);
}

#define TAG "\"2ebc98a1.2a-a\""

static int conditions(void *arg)
{
    (void)arg;
    site w = open_site((yk_http_service){ 0 });
    yk_stream *c = dial(w.s);
    static const struct {
        const char *fields;
        int status;
    } cases[] = {
        { "If-None-Match: \"x\"\r\n", 200 },
        { "If-None-Match: " TAG "\r\n", 304 },
        { "If-None-Match: \"x\"\r\nIf-None-Match: W/" TAG "\r\n", 304 },
        { "If-Match: \"x\"\r\n", 412 },
        { "If-Match: \"x\", " TAG "\r\n", 200 },
        { "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 304 },
        { "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", 200 },
        { "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", 412 },
        { "If-None-Match: " TAG "\r\nRange: bytes=0-1\r\n", 304 },
        { "Range: bytes=0-1\r\nIf-Range: " TAG "\r\n", 206 },
        { "Range: bytes=0-1\r\nIf-Range: \"x\"\r\n", 200 },
        { "Range: bytes=10-\r\nIf-Range: \"x\"\r\n", 200 },
        { "Range: bytes=10-\r\n", 416 },
        { "Range: lines=10-\r\n", 200 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        answer *a = get(c, "/small.txt", cases[i].fields);
        if (a->status != cases[i].status)
            fail_msg("%s: %d", cases[i].fields, a->status);
        if (a->status == 304) {
            assert_field(a, "ETag", TAG);
            assert_field(a, "Cache-Control", "max-age=60");
            assert_int_equal(a->len, 0);
        }
        if (a->status == 416)
            assert_field(a, "Content-Range", "bytes */10");
        forget(a);
    }
    say(c, "HEAD /small.txt HTTP/1.1\r\n" HOST "Range: bytes=0-1\r\n\r\n");
    answer *a = hear_for(c, "HEAD");
    assert_int_equal(a->status, 200);
    forget(a);
    yk_stream_close(c);
    close_site(&w);
    return 0;
}

static void test_conditional_requests(void **state)
{
    (void)state;
    on_loop(conditions, NULL);
}

/* ---- Ranges ---------------------------------------------------------------------------------- */

static int ranges(void *arg)
{
    (void)arg;
    site w = open_site((yk_http_service){ 0 });
    yk_stream *c = dial(w.s);
    answer *a = get(c, "/small.txt", "Range: bytes=2-4\r\n");
    assert_int_equal(a->status, 206);
    assert_string_equal(a->body, "234");
    assert_field(a, "Content-Range", "bytes 2-4/10");
    assert_field(a, "Content-Type", "text/plain; charset=utf-8");
    forget(a);
    assert_get(c, "/small.txt", "Range: bytes=-3\r\n", 206, "789");
    a = get(c, "/big.bin", "Range: bytes=1000000-2999999\r\n");
    assert_int_equal(a->len, 2000000);
    assert_memory_equal(a->body, big + 1000000, 2000000);
    forget(a);
    a = get(c, "/small.txt", "Range: bytes=0-1, -2\r\n");
    assert_int_equal(a->status, 206);
    char boundary[40], expected[600];
    assert_int_equal(
        sscanf(field_of(a, "Content-Type"), "multipart/byteranges; boundary=%39s", boundary), 1);
    snprintf(expected, sizeof expected,
             "\r\n--%s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 0-1/10"
             "\r\n\r\n01\r\n--%s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: "
             "bytes 8-9/10\r\n\r\n89\r\n--%s--",
             boundary, boundary, boundary);
    assert_string_equal(a->body, expected);
    forget(a);
    a = get(c, "/big.bin", "Range: bytes=0-999999, 2000000-2999999\r\n");
    assert_int_equal(a->status, 206);
    assert_non_null(memmem(a->body, a->len, big, 1000000));
    assert_non_null(memmem(a->body, a->len, big + 2000000, 1000000));
    forget(a);
    yk_stream_close(c);
    close_site(&w);
    return 0;
}

static void test_ranges_of_files(void **state)
{
    (void)state;
    on_loop(ranges, NULL);
}

/* ---- Large ones ------------------------------------------------------------------------------ */

static void assert_big(yk_stream *c)
{
    answer *a = get(c, "/big.bin", "");
    assert_int_equal(a->status, 200);
    assert_int_equal(a->len, BIG);
    assert_memory_equal(a->body, big, BIG);
    forget(a);
}

static void forget_cached(void)
{
    char path[64];
    snprintf(path, sizeof path, "%s/big.bin", root);
    int fd = open(path, O_RDONLY);
    assert_ok(fdatasync(fd));
    assert_ok(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
    close(fd);
}

/* Behind another, in front of another, from the cache and from the disk. */
static int large(void *arg)
{
    (void)arg;
    site w = open_site((yk_http_service){ 0 });
    yk_stream *c = dial(w.s);
    for (int i = 0; i < 3; i++) {
        assert_big(c);
        forget_cached();
    }
    say(c, "GET /small.txt HTTP/1.1\r\n" HOST "\r\nGET /big.bin HTTP/1.1\r\n" HOST
           "\r\nGET /small.txt HTTP/1.1\r\n" HOST "\r\n");
    for (int i = 0; i < 3; i++) {
        answer *a = hear(c);
        assert_int_equal(a->len, i == 1 ? BIG : 10);
        assert_memory_equal(a->body, i == 1 ? big : "0123456789", a->len);
        forget(a);
    }
    yk_stream_close(c);
    close_site(&w);
    return 0;
}

static void test_large_files_come_whole(void **state)
{
    (void)state;
    on_loop(large, NULL);
}

static int encrypted(void *arg)
{
    const certificates *k = arg;
    yk_tls *ours, *theirs;
    assert_ok(yk_tls_server(&ours, .certificate = k->good));
    assert_ok(yk_tls_client(&theirs, .ca_file = k->ca));
    site w = open_site((yk_http_service){ .tls = ours });
    yk_stream *c = dial(w.s);
    assert_ok(yk_stream_start_tls(c, theirs, "localhost", YK_FOREVER));
    assert_big(c);
    forget_cached();
    assert_big(c);
    yk_stream_close(c);
    close_site(&w);
    yk_tls_free(ours);
    yk_tls_free(theirs);
    return 0;
}

static void test_large_files_over_tls(void **state)
{
    (void)state;
    certificates k;
    certificates_make(&k);
    on_loop(encrypted, &k);
    certificates_remove(&k);
}

/* Takes a little and nothing more, or goes. */
static int slow_ones(void *arg)
{
    (void)arg;
    char piece[1000];
    site w = open_site((yk_http_service){ .stall_ms = 300 });
    yk_stream *slow = dial(w.s), *gone = dial(w.s), *quick = dial(w.s);
    yk_stream_set_limits(slow, 1000, 0);
    for (int i = 0; i < 5; i++) /* more than the system's buffers take */
        say(slow, "GET /big.bin HTTP/1.1\r\n" HOST "\r\n");
    say(gone, "GET /big.bin HTTP/1.1\r\n" HOST "\r\n");
    assert_ok(yk_stream_read_exactly(slow, piece, sizeof piece, YK_FOREVER));
    assert_ok(yk_stream_read_exactly(gone, piece, sizeof piece, YK_FOREVER));
    yk_stream_abort(gone);
    assert_big(quick);
    eventually(w.s->counters.timed_out == 1);
    assert_big(quick);
    yk_stream_close(gone);
    yk_stream_close(slow);
    yk_stream_close(quick);
    close_site(&w);
    return 0;
}

static void test_who_takes_nothing_is_given_up(void **state)
{
    (void)state;
    on_loop(slow_ones, NULL);
}

/* ---- A client of others' --------------------------------------------------------------------- */

static int with_curl(void *skipped)
{
    yk_output o;
    char command[600];
    int err = yk_run(&o, YK_FOREVER, .shell = "curl --version", .err = YK_IO_NULL);
    *(bool *)skipped = err || o.exit.code;
    if (!err)
        yk_output_free(&o);
    if (*(bool *)skipped)
        return 0;
    site w = open_site((yk_http_service){ 0 });
    snprintf(command, sizeof command,
             "set -e; cd %s; u=http://127.0.0.1:%d; c='curl -sS'; $c -o all $u/big.bin;"
             "$c -r 0-1999999 -o resumed $u/big.bin; $c -C - -o resumed $u/big.bin;"
             "cmp all www/big.bin; cmp resumed www/big.bin;"
             "$c -R --etag-save tag -o one $u/small.txt;"
             "$c --etag-compare tag -w '%%{http_code} ' $u/small.txt;"
             "$c -z one -w '%%{http_code} ' $u/small.txt;"
             "$c -o two -w '%%{http_code} %%{content_type}' -r 0-1,5-6 $u/small.txt;"
             "rm all resumed one two tag",
             folder, yk_listener_port(w.s->listener));
    assert_ok(yk_run(&o, YK_FOREVER, .shell = command));
    assert_string_equal(o.err, "");
    assert_int_equal(o.exit.code, 0);
    assert_int_equal(strncmp(o.out, "304 304 206 multipart/byteranges; boundary=", 43), 0);
    yk_output_free(&o);
    close_site(&w);
    return 0;
}

static void test_curl_resumes_and_revalidates(void **state)
{
    (void)state;
    bool skipped = false;
    on_loop(with_curl, &skipped);
    if (skipped) {
        print_message("there is no curl here\n");
        skip();
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        FILE_TEST(test_a_folder_that_is_none),
        FILE_TEST(test_nothing_outside_is_ever_sent),
        FILE_TEST(test_step_by_step_no_link_is_followed),
        FILE_TEST(test_a_file_that_shrinks_is_no_whole_answer),
        FILE_TEST(test_files_and_folders),
        FILE_TEST(test_compressed_ones_beside_it),
        FILE_TEST(test_conditional_requests),
        FILE_TEST(test_ranges_of_files),
        FILE_TEST(test_large_files_come_whole),
        FILE_TEST(test_large_files_over_tls),
        FILE_TEST(test_who_takes_nothing_is_given_up),
        FILE_TEST(test_curl_resumes_and_revalidates),
    };
    return RUN_TESTS("http_files", tests);
}
