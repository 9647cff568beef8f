/* tests/e2e/host.c - a server of files, with most of what can go wrong with one.
 *
 *   host FOLDER      prints its port, and serves until it is ended or its standard input is
 *
 *   GET /FAULT/ANY/PATH/NAME     answers FOLDER/NAME, whole or a range of it:
 *
 *   good        as it should
 *   breaks      hangs up after 100,000 bytes of each answer
 *   stuck       sends 100,000 bytes of the first answer, and none of the others, and hangs up
 *   stalls      sends 100,000 bytes of the first answer and then nothing; later ones are good
 *   silent      never answers
 *   noranges    whole, whatever was asked for
 *   nolength    whole, until it hangs up
 *   wrongrange  another range than was asked for
 *   short       says, and sends, 1,000 bytes less than there are
 *   long        says 1,000 bytes more than there are, and hangs up
 *   busy        503 for the first two requests of each file, then good
 *   errors      as breaks, and every second answer is a 503 with a mark (ETag) of its own
 *   down        503
 *   page        200, and a page of HTML
 *   damaged     a byte in the middle is another one
 *   mends       so in the first answer for each file; later ones are good
 *   changes     as breaks, but the file's mark (ETag) is another one each time
 *   slow        100,000 bytes, a nap of 10 ms, and so on
 *   moved       302, to good
 *   /stats      "requests 3 ranges 1 most 2": how many there were, those with a range, and the most
 *               at one time
 *
 * On yoke's loop: a task for each connection. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "loop/loop.h"
#include "loop/net.h"
#include "loop/stream.h"
#include "loop/task.h"

enum { HEAD = 4096, PIECE = 100000, MOST_FILES = 64, NAP_MS = 10 };

static const char *folder;
static unsigned requests, ranges, now, most;

/* How often each file was asked for. */
static struct {
    char path[256];
    unsigned times;
} asked[MOST_FILES];

static unsigned times_asked(const char *path)
{
    for (int i = 0; i < MOST_FILES; i++) {
        if (!asked[i].path[0])
            snprintf(asked[i].path, sizeof asked[i].path, "%s", path);
        if (strcmp(asked[i].path, path) == 0)
            return asked[i].times++;
    }
    return 0;
}

/* ---- Answers: less than 0 hangs up ----------------------------------------------------------- */

typedef struct answer {
    yk_stream *to;
    const char *fault;
    unsigned times; /* that the file was asked for before */
    char *bytes;
    size_t size;
    size_t from; /* of what was asked for */
    bool range;
} answer;

static int say(yk_stream *to, const char *status, const char *headers, const char *body)
{
    char text[1024];
    int n = snprintf(text, sizeof text, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n%s", status,
                     strlen(body), headers, body);
    return yk_stream_write(to, text, (size_t)n, YK_FOREVER);
}

static bool is(const answer *a, const char *fault)
{
    return strcmp(a->fault, fault) == 0;
}

static int send_head(const answer *a, size_t length)
{
    char text[512], range[100] = "", size[60] = "";
    size_t from = a->from + (is(a, "wrongrange") && a->range ? 7 : 0);
    if (a->range)
        snprintf(range, sizeof range, "Content-Range: bytes %zu-%zu/%zu\r\n", from,
                 a->from + length - 1, a->from + length);
    if (!is(a, "nolength"))
        snprintf(size, sizeof size, "Content-Length: %zu\r\n", length);
    int n =
        snprintf(text, sizeof text, "HTTP/1.1 %s\r\n%s%sETag: \"v%u\"\r\nConnection: %s\r\n\r\n",
                 a->range ? "206 Partial Content" : "200 OK", size, range,
                 is(a, "changes") ? a->times : 1, is(a, "nolength") ? "close" : "keep-alive");
    return yk_stream_write(a->to, text, (size_t)n, YK_FOREVER);
}

static int hang_up(const answer *a)
{
    yk_stream_drain(a->to, YK_FOREVER);
    return -1;
}

/* Of a body. */
static size_t most_bytes(const answer *a, size_t length)
{
    bool first = a->times == 0;
    if (is(a, "breaks") || is(a, "changes") || is(a, "errors") ||
        (first && (is(a, "stalls") || is(a, "stuck"))))
        return PIECE;
    return is(a, "stuck") ? 0 : length;
}

static int send_pieces(const answer *a, size_t length)
{
    size_t limit = most_bytes(a, length);
    int err = 0;
    for (size_t done = 0; !err && done < length && done < limit;) {
        size_t n = length - done < PIECE ? length - done : PIECE;
        err = yk_stream_write(a->to, a->bytes + a->from + done, n, YK_FOREVER);
        done += n;
        if (!err && is(a, "slow"))
            err = yk_sleep_ms(NAP_MS);
    }
    if (!err && is(a, "stalls") && a->times == 0)
        err = yk_sleep_until(YK_FOREVER);
    return !err && limit < length ? hang_up(a) : err;
}

static int send_file(answer *a)
{
    size_t length = a->size - a->from, said = length;
    if (a->range && a->from >= a->size) {
        char range[80];
        snprintf(range, sizeof range, "Content-Range: bytes */%zu\r\n", a->size);
        return say(a->to, "416 Range Not Satisfiable", range, "");
    }
    if (is(a, "short"))
        said = length = length > 1000 ? length - 1000 : 0;
    if (is(a, "long"))
        said += 1000;
    if (is(a, "damaged") || (is(a, "mends") && a->times == 0))
        a->bytes[a->size / 2] ^= 0x55;
    int err = send_head(a, said);
    if (!err)
        err = send_pieces(a, length);
    return !err && (is(a, "long") || is(a, "nolength")) ? hang_up(a) : err;
}

static bool load(answer *a, const char *name)
{
    char path[4096];
    struct stat status;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0)
        return false;
    a->size = (size_t)status.st_size;
    a->bytes = malloc(a->size + 1);
    bool good = a->bytes && read(fd, a->bytes, a->size) == (ssize_t)a->size;
    close(fd);
    return good;
}

static int serve_file(answer *a, const char *path, const char *name)
{
    char to[300];
    if (is(a, "silent"))
        return yk_sleep_until(YK_FOREVER);
    if (is(a, "down") || (is(a, "busy") && a->times < 2))
        return say(a->to, "503 Service Unavailable", "", "later\n");
    if (is(a, "errors") && a->times % 2)
        return say(a->to, "503 Service Unavailable", "ETag: \"error\"\r\n", "later\n");
    if (is(a, "page"))
        return say(a->to, "200 OK", "", "<h1>Sign in</h1>\n");
    if (is(a, "moved")) {
        snprintf(to, sizeof to, "Location: /good%s\r\n", strchr(path + 1, '/'));
        return say(a->to, "302 Found", to, "");
    }
    if (is(a, "noranges") || is(a, "nolength")) {
        a->range = false;
        a->from = 0;
    }
    return load(a, name) ? send_file(a) : say(a->to, "404 Not Found", "", "no\n");
}

/* ---- Requests -------------------------------------------------------------------------------- */

/* A range is for the file that is marked so. */
static void read_range(answer *a, const char *head)
{
    const char *range = strcasestr(head, "\r\nRange: bytes="), *mark;
    char expected[32];
    if (!range)
        return;
    ranges++;
    mark = strcasestr(head, "\r\nIf-Range: ");
    snprintf(expected, sizeof expected, "\"v%u\"\r\n", is(a, "changes") ? a->times : 1);
    if (mark && strncmp(mark + 12, expected, strlen(expected)) != 0)
        return;
    a->from = strtoul(range + 15, NULL, 10);
    a->range = true;
}

static int serve(yk_stream *to, char *head)
{
    char path[256], fault[32], text[100];
    if (sscanf(head, "GET %255s", path) != 1)
        return -1;
    if (strcmp(path, "/stats") == 0) {
        snprintf(text, sizeof text, "requests %u ranges %u most %u\n", requests, ranges, most);
        return say(to, "200 OK", "", text);
    }
    const char *name = strrchr(path, '/') + 1;
    answer a = { .to = to, .fault = fault, .times = times_asked(path) };
    if (sscanf(path, "/%31[a-z0-9]/", fault) != 1)
        return say(to, "404 Not Found", "", "no\n");
    requests++;
    read_range(&a, head);
    int err = serve_file(&a, path, name);
    free(a.bytes);
    return err;
}

static int serve_connection(yk_stream *s, void *unused)
{
    char head[HEAD];
    size_t len;
    int err = 0;
    (void)unused;
    while (!err &&
           !yk_stream_read_until(s, "\r\n\r\n", 4, head, sizeof head - 1, &len, YK_FOREVER)) {
        head[len] = '\0';
        now++;
        most = now > most ? now : most;
        err = serve(s, head);
        now--;
    }
    return 0;
}

static int app(void *unused)
{
    char **argv, byte;
    int argc = yk_args(&argv);
    size_t len;
    yk_listener *l;
    yk_stream *input;
    (void)unused;
    if (argc != 2)
        return 2;
    folder = argv[1];
    int err = yk_listen(&l, "127.0.0.1", 0);
    if (err)
        return err;
    yk_server *server = yk_server_start(l, serve_connection, NULL);
    printf("%u\n", yk_listener_port(l));
    fflush(stdout);
    err = yk_stream_open(&input, STDIN_FILENO);
    if (!err)
        yk_stream_read_some(input, &byte, 1, &len, YK_FOREVER);
    yk_stream_close(input);
    yk_server_stop(server, 0);
    yk_listener_close(l);
    return 0;
}

int main(int argc, char **argv)
{
    return yk_main(argc, argv, app, NULL);
}
