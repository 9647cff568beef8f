#include "serving.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "executor/clock.h"
#include "support/proc.h"
#include "support/support.h"

const char *serving_program;
static char folder[64];

int serving_before(void **state)
{
    (void)state;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    snprintf(folder, sizeof folder, "/tmp/yoke-serve-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

/* No process of the server's may be left. */
static int nobody_left(void)
{
    proc_entry left[64];
    for (int i = 0; i < 5000; i++) {
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        if (proc_descendants(getpid(), left, 64) == 0)
            return 0;
        poll(NULL, 0, 2);
    }
    print_error("process %d '%s' is left\n", (int)left[0].pid, left[0].name);
    proc_kill_descendants(getpid());
    return -1;
}

int serving_after(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    int removed = system(command);
    return nobody_left() | removed;
}

const char *in_folder(const char *name)
{
    static char paths[4][128];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

/* ---- The server ------------------------------------------------------------------------------ */

void served_start(served *s, const char *const *args)
{
    int ends[2], n = 1;
    char *argv[32] = { (char *)serving_program };
    for (; *args && n < 31; args++)
        argv[n++] = (char *)*args;
    *s = (served){ .text = calloc(1, 1) };
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    s->pid = fork();
    if (s->pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execv(serving_program, argv);
        _exit(127);
    }
    close(ends[1]);
    s->out = ends[0];
}

static bool read_more(served *s)
{
    char bytes[4096];
    ssize_t n = read(s->out, bytes, sizeof bytes);
    if (n <= 0)
        return false;
    s->text = realloc(s->text, s->len + (size_t)n + 1);
    memcpy(s->text + s->len, bytes, (size_t)n);
    s->len += (size_t)n;
    s->text[s->len] = '\0';
    return true;
}

int served_said(const served *s, const char *text)
{
    int n = 0;
    for (const char *at = s->text; (at = strstr(at, text)) != NULL; at += strlen(text))
        n++;
    return n;
}

void served_says(served *s, const char *text, int times)
{
    while (served_said(s, text) < times)
        if (!read_more(s))
            fail_msg("it never said '%s' %d times, but\n%s", text, times, s->text);
}

void served_ready(served *s)
{
    served_says(s, "all ready\n", 1);
    assert_int_equal(sscanf(strstr(s->text, "ready /")    ? "x"
                            : strstr(s->text, "\nready ") ? strstr(s->text, "\nready ")
                                                          : s->text,
                            " ready %127s", s->address),
                     1);
}

int served_end(served *s)
{
    int status;
    while (read_more(s))
        ;
    close(s->out);
    assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
    if (getenv("SERVE_SHOW"))
        fprintf(stderr, "%s", s->text);
    assert_null(strstr(s->text, "Sanitizer"));
    assert_null(strstr(s->text, "LEAK"));
    return status;
}

void served_exits(served *s, int expected)
{
    int status = served_end(s);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != expected)
        fail_msg("status 0x%x, after it said\n%s", (unsigned)status, s->text);
    free(s->text);
}

void served_signal(served *s, int sig)
{
    assert_int_equal(kill(s->pid, sig), 0);
}

pid_t served_latest(const served *s)
{
    int pid = 0;
    for (const char *at = s->text; (at = strstr(at, "test[")) != NULL; at++) {
        const char *line_end = strchr(at, '\n'), *serves = strstr(at, "serves on");
        if (serves && line_end && serves < line_end)
            pid = atoi(at + 5);
    }
    return pid;
}

void served_follow(served *s)
{
    int status;
    assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    s->pid = served_latest(s);
}

/* ---- Connections ----------------------------------------------------------------------------- */

static socklen_t address_of(const char *text, struct sockaddr_storage *address)
{
    struct sockaddr_un *local = (struct sockaddr_un *)address;
    struct sockaddr_in *four = (struct sockaddr_in *)address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;
    char host[64] = "";
    unsigned port = 0;
    memset(address, 0, sizeof *address);
    if (strncmp(text, "unix:", 5) == 0) {
        local->sun_family = AF_UNIX;
        snprintf(local->sun_path, sizeof local->sun_path, "%s", text + 5);
        return sizeof *local;
    }
    if (sscanf(text, "[%63[^]]]:%u", host, &port) == 2) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((uint16_t)port);
        inet_pton(AF_INET6, host, &six->sin6_addr);
        return sizeof *six;
    }
    assert_int_equal(sscanf(text, "%63[^:]:%u", host, &port), 2);
    four->sin_family = AF_INET;
    four->sin_port = htons((uint16_t)port);
    inet_pton(AF_INET, host, &four->sin_addr);
    return sizeof *four;
}

int dial(const char *text)
{
    struct sockaddr_storage address;
    socklen_t len = address_of(text, &address);
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, len) == 0)
        return fd;
    int err = errno;
    close(fd);
    errno = err;
    return -1;
}

bool ask(int fd, const char *line, char *answer, size_t size)
{
    char text[300];
    int n = snprintf(text, sizeof text, "%s\n", line);
    size_t len = 0;
    if (send(fd, text, (size_t)n, MSG_NOSIGNAL) != n)
        return false;
    while (len + 1 < size) {
        ssize_t got = recv(fd, answer + len, 1, 0);
        if (got <= 0)
            return false;
        if (answer[len] == '\n')
            break;
        len++;
    }
    answer[len] = '\0';
    return true;
}

/* Up to the length that the head says; how many bytes, or -1. */
static ssize_t receive_answer(int fd, char *text, size_t size)
{
    size_t len = 0, whole = size;
    while (len < whole && len + 1 < size) {
        ssize_t n = recv(fd, text + len, size - 1 - len, 0);
        if (n <= 0)
            return -1;
        len += (size_t)n;
        text[len] = '\0';
        const char *end = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "content-length:");
        if (end && length)
            whole = (size_t)(end + 4 - text) + strtoul(length + 15, NULL, 10);
    }
    return (ssize_t)len;
}

bool get(int fd, const char *path, char *body, size_t size, bool *last)
{
    char text[8192];
    int n = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: test\r\n\r\n", path);
    if (send(fd, text, (size_t)n, MSG_NOSIGNAL) != n || receive_answer(fd, text, sizeof text) < 0)
        return false;
    *last = strcasestr(text, "connection: close") != NULL;
    snprintf(body, size, "%s", strstr(text, "\r\n\r\n") + 4);
    return strncmp(text, "HTTP/1.1 200 ", 13) == 0;
}

pid_t who(int fd, int *slot)
{
    char answer[64];
    int pid, number;
    assert_true(ask(fd, "who", answer, sizeof answer));
    assert_int_equal(sscanf(answer, "%d %d", &pid, &number), 2);
    if (slot)
        *slot = number;
    return pid;
}

bool is_over(int fd)
{
    char byte;
    return recv(fd, &byte, 1, 0) <= 0;
}

int dial_slot(const char *address, int slot)
{
    for (int i = 0; i < 1000; i++) {
        int fd = dial(address), is;
        assert_true(fd >= 0);
        who(fd, &is);
        if (is == slot)
            return fd;
        close(fd);
    }
    fail_msg("never slot %d", slot);
    return -1;
}

/* ---- Load ------------------------------------------------------------------------------------ */

#define MOST_THREADS 8
#define MOST_DEATHS  256

struct load {
    char address[128]; /* a test that fails leaves it running */
    unsigned n;
    bool http;
    pthread_t threads[MOST_THREADS];
    _Atomic bool stop;
    _Atomic uint64_t done, failed, held;
    _Atomic int dying[MOST_DEATHS]; /* processes */
    _Atomic int deaths;
    char first[128]; /* failure */
};

static const char *one_request(const char *address)
{
    char answer[64];
    int fd = dial(address);
    if (fd < 0)
        return "connect";
    bool fine = ask(fd, "hello", answer, sizeof answer) && strcmp(answer, "hello") == 0;
    int err = errno;
    close(fd);
    errno = err;
    return fine ? NULL : "answer";
}

static void count(load *l, const char *failure)
{
    if (failure && atomic_fetch_add(&l->failed, 1) == 0)
        snprintf(l->first, sizeof l->first, "%s: %s", failure, strerror(errno));
    atomic_fetch_add(&l->done, 1);
    if (failure)
        poll(NULL, 0, 10); /* it may not pass at once */
}

/* Whether its worker was to be killed. One that has not answered yet may be anybody's. */
static bool was_to_die(load *l, int pid)
{
    int n = atomic_load(&l->deaths);
    bool yes = n > 0 && pid == 0;
    for (int i = 0; i < n; i++)
        yes |= atomic_load(&l->dying[i]) == pid;
    return yes;
}

static void one_connection_of_http(load *l)
{
    int holder = 0;
    char body[64];
    bool last = false, fine = true;
    int fd = dial(l->address);
    if (fd < 0)
        count(l, "connect");
    for (int i = 0; fd >= 0 && fine && !last && !atomic_load(&l->stop); i++) {
        char what[32];
        errno = 0;
        fine = get(fd, "/who", body, sizeof body, &last);
        snprintf(what, sizeof what, "request %d", i);
        bool held = !fine && was_to_die(l, holder);
        if (held)
            atomic_fetch_add(&l->held, 1);
        count(l, fine || held ? NULL : what);
        holder = fine ? atoi(body) : 0;
    }
    if (fd >= 0)
        close(fd);
}

static void *put_load(void *arg)
{
    load *l = arg;
    while (!atomic_load(&l->stop))
        if (l->http) {
            one_connection_of_http(l);
        } else {
            count(l, one_request(l->address));
            poll(NULL, 0, 1); /* each leaves a port unusable for a minute */
        }
    return NULL;
}

load *load_start(const char *address, unsigned threads, bool http)
{
    load *l = calloc(1, sizeof *l);
    snprintf(l->address, sizeof l->address, "%s", address);
    l->n = threads;
    l->http = http;
    for (unsigned i = 0; i < threads; i++)
        assert_int_equal(pthread_create(&l->threads[i], NULL, put_load, l), 0);
    return l;
}

uint64_t load_done(load *l)
{
    return atomic_load(&l->done);
}

void load_expect_death(load *l, pid_t pid)
{
    int n = atomic_load(&l->deaths);
    assert_true(n < MOST_DEATHS);
    atomic_store(&l->dying[n], pid);
    atomic_store(&l->deaths, n + 1);
}

uint64_t load_held(load *l)
{
    return atomic_load(&l->held);
}

uint64_t load_stop(load *l, char *first_failure, size_t size)
{
    eventually(load_done(l) > 10);
    atomic_store(&l->stop, true);
    for (unsigned i = 0; i < l->n; i++)
        pthread_join(l->threads[i], NULL);
    snprintf(first_failure, size, "%s", l->first);
    uint64_t failed = atomic_load(&l->failed);
    free(l);
    return failed;
}
