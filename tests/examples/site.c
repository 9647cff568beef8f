/* tests/examples/site.c - a small web site for the examples to ask: pages that link each other, and
 * most of what can go wrong with a server.
 *
 *   site             prints its port, and serves until its standard input is closed
 *   site COMMAND     runs a shell command, which finds the site's address in $SITE, and ends with
 * it
 *
 *   /  /a  /b        pages that link each other in a circle, and all of the following
 *   /deep?n=1        links /deep?n=2, which links /deep?n=3, and so on without end
 *   /many            links twenty pages of /work
 *   /missing         is not there: 404
 *   /moved           is elsewhere: 301, /a
 *   /stalls          never answers
 *   /breaks          hangs up in the middle of its body
 *   /work?ms=20      answers after so many milliseconds
 *   /flaky           fails (503) when it is asked first, and every second time from then on
 *   /stats           "connections 3 requests 40 now 2 most 8": how many requests there were, there
 *                    are, and were at most at one time; those for /stats do not count
 *
 * A thread a connection, which stays for further requests. */
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static atomic_uint connections, requests, now, most, flaky_asked;

/* ---- Answers: each returns whether the connection stays -------------------------------------- */

static bool send_page(int fd, const char *status, const char *headers, const char *body)
{
    char text[8192];
    int n = snprintf(text, sizeof text,
                     "HTTP/1.1 %s\r\nContent-Type: text/html\r\nContent-Length: %zu\r\n%s\r\n%s",
                     status, strlen(body), headers, body);
    return send(fd, text, (size_t)n, MSG_NOSIGNAL) == n;
}

/* From here on the request does not count as one that is served now: who has the answer may ask
 * the next. */
static bool answer(int fd, const char *status, const char *headers, const char *body)
{
    now--;
    return send_page(fd, status, headers, body);
}

static bool ok(int fd, const char *body)
{
    return answer(fd, "200 OK", "", body);
}

static bool home(int fd, const char *query)
{
    (void)query;
    return ok(fd, "<h1>Home</h1> <a href=\"/a\">a</a> <a href='b'>b</a> <a href=\"#top\">top</a>\n"
                  "<a href=\"/missing\">1</a> <a href=\"/moved\">2</a> <a href=\"/stalls\">3</a>\n"
                  "<a href=\"/breaks\">4</a> <a href=\"deep?n=1\">5</a> <a href=\"/many\">6</a>\n"
                  "<a href=\"http://elsewhere.invalid/\">another host</a> <a href=\"mailto:x\">\n");
}

static bool page_a(int fd, const char *query)
{
    (void)query;
    return ok(fd, "<h1>A</h1> <a class=\"next\" href=\"b\">b</a> <a href=\"/a#here\">a</a>\n");
}

static bool page_b(int fd, const char *query)
{
    (void)query;
    return ok(fd, "<h1>B</h1> <a href=\"./\">home</a> <a href=\"/a\">a again</a>\n");
}

static bool deep(int fd, const char *query)
{
    char body[80];
    int n = 0;
    sscanf(query, "n=%d", &n);
    snprintf(body, sizeof body, "<h1>%d</h1> <a href=\"deep?n=%d\">deeper</a>\n", n, n + 1);
    return ok(fd, body);
}

static bool many(int fd, const char *query)
{
    char body[2048] = "";
    (void)query;
    for (int i = 1, at = 0; i <= 20; i++)
        at += snprintf(body + at, sizeof body - (size_t)at, "<a href=\"work?ms=20&amp;i=%d\">", i);
    return ok(fd, body);
}

static bool missing(int fd, const char *query)
{
    (void)query;
    return answer(fd, "404 Not Found", "", "<h1>There is no such page</h1>\n");
}

static bool moved(int fd, const char *query)
{
    (void)query;
    return answer(fd, "301 Moved Permanently", "Location: /a\r\n", "");
}

static bool stalls(int fd, const char *query)
{
    char byte;
    (void)query;
    while (recv(fd, &byte, 1, 0) > 0)
        ;
    now--;
    return false;
}

static bool breaks(int fd, const char *query)
{
    const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<h1>This page is";
    (void)query;
    now--;
    send(fd, text, sizeof text - 1, MSG_NOSIGNAL);
    return false;
}

static bool work(int fd, const char *query)
{
    unsigned ms = 0;
    sscanf(query, "ms=%u", &ms);
    usleep(ms * 1000);
    return ok(fd, "done\n");
}

static bool flaky(int fd, const char *query)
{
    (void)query;
    if (atomic_fetch_add(&flaky_asked, 1) % 2 == 0)
        return answer(fd, "503 Service Unavailable", "", "try again\n");
    return ok(fd, "done\n");
}

static bool stats(int fd)
{
    char body[128];
    snprintf(body, sizeof body, "connections %u requests %u now %u most %u\n", connections,
             requests, now, most);
    return send_page(fd, "200 OK", "", body);
}

/* ---- Requests -------------------------------------------------------------------------------- */

static const struct {
    const char *path;
    bool (*answer)(int fd, const char *query);
} pages[] = {
    { "/", home },     { "/a", page_a },    { "/b", page_b },      { "/deep", deep },
    { "/many", many }, { "/moved", moved }, { "/stalls", stalls }, { "/breaks", breaks },
    { "/work", work }, { "/flaky", flaky },
};

static bool serve_page(int fd, const char *path, const char *query)
{
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++)
        if (strcmp(path, pages[i].path) == 0)
            return pages[i].answer(fd, query);
    return missing(fd, query);
}

static bool serve_request(int fd, char *path)
{
    char *query = strchr(path, '?');
    if (query)
        *query++ = '\0';
    if (strcmp(path, "/stats") == 0)
        return stats(fd);
    requests++;
    unsigned n = atomic_fetch_add(&now, 1) + 1, old = most;
    while (n > old && !atomic_compare_exchange_weak(&most, &old, n))
        ;
    return serve_page(fd, path, query ? query : "");
}

/* Reads the head of a request, a byte at a time so that nothing of the next one is read. */
static bool read_head(int fd, char *head, size_t size)
{
    for (size_t n = 0; n < size - 1; n++) {
        if (recv(fd, head + n, 1, 0) != 1)
            return false;
        head[n + 1] = '\0';
        if (n >= 3 && memcmp(head + n - 3, "\r\n\r\n", 4) == 0)
            return true;
    }
    return false;
}

static void *serve_connection(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char head[4096], path[1024];
    bool stays = true;
    connections++;
    while (stays && read_head(fd, head, sizeof head) && sscanf(head, "GET %1000s", path) == 1)
        stays = serve_request(fd, path) && !strcasestr(head, "\r\nConnection: close\r\n");
    close(fd);
    return NULL;
}

static void *accept_all(void *arg)
{
    int listener = (int)(intptr_t)arg;
    for (;;) {
        pthread_t thread;
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        if (pthread_create(&thread, NULL, serve_connection, (void *)(intptr_t)fd) == 0)
            pthread_detach(thread);
        else
            close(fd);
    }
    return NULL;
}

/* ---- The program ----------------------------------------------------------------------------- */

static int listen_somewhere(unsigned *port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, SOMAXCONN) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return -1;
    *port = ntohs(address.sin_port);
    return fd;
}

static int run(const char *command, unsigned port)
{
    char address[64];
    snprintf(address, sizeof address, "http://127.0.0.1:%u", port);
    setenv("SITE", address, 1);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
    unsigned port;
    pthread_t thread;
    int listener = listen_somewhere(&port);
    if (listener < 0 ||
        pthread_create(&thread, NULL, accept_all, (void *)(intptr_t)listener) != 0) {
        perror("site");
        return 1;
    }
    pthread_detach(thread);
    if (argc > 1)
        return run(argv[1], port);
    printf("%u\n", port);
    fflush(stdout);
    while (getchar() != EOF)
        ;
    return 0;
}
