/* tests/e2e/tool.c - runs the built ngram and looks at what it does. */
#include "tool.h"

#include <dirent.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <zlib.h>
#include <zstd.h>

#include "support/proc.h"

static char folder[256];

/* ---- The watchdog -------------------------------------------------------------------------- */

enum { WATCHDOG_S = 200 };

static tool running; /* the last one started; pid 0: it has been waited for */

/* What is known of the hang: our stack, the tool's threads, the folder and what is free there. */
static void on_alarm(int sig)
{
    (void)sig;
    void *frames[64];
    char said[1024];
    struct statvfs space = { 0 };
    statvfs(folder, &space);
    dprintf(STDERR_FILENO, "watchdog: %d s are over; in %s: %d names, %llu MiB free\n", WATCHDOG_S,
            folder, count_entries(),
            (unsigned long long)space.f_bavail * space.f_frsize / (1 << 20));
    backtrace_symbols_fd(frames, backtrace(frames, 64), STDERR_FILENO);
    if (running.pid > 0) {
        ssize_t n = pread(running.err_fd, said, sizeof said, 0);
        dprintf(STDERR_FILENO, "the tool, %d, said: %.*s\n", running.pid, n > 0 ? (int)n : 0, said);
        proc_dump(running.pid, STDERR_FILENO);
        kill(running.pid, SIGKILL);
    }
    _exit(70);
}

static void start_watchdog(void)
{
    void *frames[1];
    backtrace(frames, 1); /* the first one loads a library, which a handler must not */
    signal(SIGALRM, on_alarm);
    alarm(WATCHDOG_S);
}

/* ---- Files --------------------------------------------------------------------------------- */

int make_folder(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%.200s/yoke-e2e-XXXXXX", tmp && tmp[0] ? tmp : "/tmp");
    start_watchdog();
    return mkdtemp(folder) ? 0 : -1;
}

int empty_folder(void **state)
{
    (void)state;
    DIR *dir = opendir(folder);
    char path[600];
    for (struct dirent *e; dir && (e = readdir(dir));) {
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (unlink(path) != 0 && errno == EISDIR)
            rmdir(path);
    }
    return dir ? closedir(dir) : -1;
}

int remove_folder(void **state)
{
    empty_folder(state);
    return rmdir(folder);
}

const char *in_folder(const char *name)
{
    static char paths[64][300];
    char path[300];
    snprintf(path, sizeof path, "%.200s/%.64s", folder, name);
    for (int i = 0; i < 64; i++) {
        if (!paths[i][0])
            memcpy(paths[i], path, sizeof path);
        if (strcmp(paths[i], path) == 0)
            return paths[i];
    }
    fail_msg("too many names");
    return NULL;
}

int count_entries(void)
{
    int n = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n - 2;
}

const char *write_bytes(const char *name, const void *bytes, size_t len)
{
    const char *path = in_folder(name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
    return path;
}

const char *write_text(const char *name, const char *text)
{
    return write_bytes(name, text, strlen(text));
}

static void append_gzip(FILE *to, const char *bytes, size_t len)
{
    static unsigned char out[1 << 16];
    z_stream z = { .next_in = (unsigned char *)(uintptr_t)bytes, .avail_in = (unsigned)len };
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    for (int got = Z_OK; got != Z_STREAM_END;) {
        z.next_out = out;
        z.avail_out = sizeof out;
        got = deflate(&z, Z_FINISH);
        fwrite(out, 1, sizeof out - z.avail_out, to);
    }
    deflateEnd(&z);
}

static void append_zstd(FILE *to, const char *bytes, size_t len)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    size_t cap = ZSTD_compressBound(len);
    char *out = malloc(cap);
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    size_t n = ZSTD_compress2(context, out, cap, bytes, len);
    assert_false(ZSTD_isError(n));
    fwrite(out, 1, n, to);
    free(out);
    ZSTD_freeCCtx(context);
}

static const char *pack(void (*append)(FILE *, const char *, size_t), const char *name,
                        const char *bytes, size_t len, size_t piece)
{
    const char *path = in_folder(name);
    FILE *to = fopen(path, "we");
    assert_non_null(to);
    piece = piece ? piece : len;
    for (size_t at = 0; at < len; at += piece)
        append(to, bytes + at, len - at < piece ? len - at : piece);
    assert_int_equal(fclose(to), 0);
    return path;
}

const char *pack_gzip(const char *name, const char *bytes, size_t len, size_t piece)
{
    return pack(append_gzip, name, bytes, len, piece);
}

const char *pack_zstd(const char *name, const char *bytes, size_t len, size_t piece)
{
    return pack(append_zstd, name, bytes, len, piece);
}

static char *read_stream(FILE *f, size_t *len)
{
    size_t cap = 1 << 16, have = 0;
    char *bytes = malloc(cap);
    for (size_t n; (n = fread(bytes + have, 1, cap - have - 1, f)) > 0;) {
        have += n;
        if (cap - have < 2)
            bytes = realloc(bytes, cap *= 2);
    }
    bytes[have] = '\0';
    fclose(f);
    *len = have;
    return bytes;
}

char *read_bytes(const char *path, size_t *len)
{
    FILE *f = fopen(path, "re");
    if (!f)
        fail_msg("%s: %s", path, strerror(errno));
    return read_stream(f, len);
}

void shell(const char *format, ...)
{
    char command[4096];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(command, sizeof command, format, args);
    va_end(args);
    assert_in_range(n, 1, sizeof command - 1);
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

/* ---- The tool ------------------------------------------------------------------------------ */

static void become_tool(const tool *t, const tool_options *o, const char *const *args)
{
    const char *argv[MOST_ARGS + 2] = { "ngram" };
    int n = 0;
    while (args[n] && n < MOST_ARGS) {
        argv[n + 1] = args[n];
        n++;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that is killed leaves no tool behind */
    if (o->terminal_fd) {
        setsid();
        ioctl(o->terminal_fd, TIOCSCTTY, 0);
    } else {
        setpgid(0, 0);
    }
    int in = o->in_fd ? o->in_fd : open(o->in ? o->in : "/dev/null", O_RDONLY | O_CLOEXEC);
    dup2(in, STDIN_FILENO);
    dup2(t->out_fd, STDOUT_FILENO);
    dup2(t->err_fd, STDERR_FILENO);
    /* Whatever the test's own parent ignores. */
    const int signals[] = { SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT };
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        signal(signals[i], SIG_DFL);
    alarm(0);
    execv(YOKE_BUILD_DIR "/ngram", (char *const *)argv);
    _exit(127);
}

tool tool_start_opts(const tool_options *o, const char *const *args)
{
    tool t = { .out_fd = o->out_fd ? o->out_fd : memfd_create("out", MFD_CLOEXEC),
               .err_fd = o->err_fd ? o->err_fd : memfd_create("err", MFD_CLOEXEC) };
    fflush(NULL);
    t.pid = fork();
    assert_true(t.pid >= 0);
    if (t.pid == 0)
        become_tool(&t, o, args);
    running = t;
    return t;
}

static char *read_memory_file(int fd, size_t *len)
{
    if (lseek(fd, 0, SEEK_SET) != 0) { /* the caller's own: a terminal, a pipe */
        *len = 0;
        return strdup("");
    }
    return read_stream(fdopen(fd, "r"), len);
}

void tool_wait(tool *t)
{
    int status;
    size_t len;
    while (waitpid(t->pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    running.pid = 0;
    t->status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    t->out = read_memory_file(t->out_fd, &t->out_len);
    t->err = read_memory_file(t->err_fd, &len);
}

void tool_look_again(const tool *t)
{
    siginfo_t info = { 0 };
    assert_int_equal(waitid(P_PID, (id_t)t->pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
    if (info.si_pid != 0)
        fail_msg("the tool has ended: %d %d", info.si_code, info.si_status);
    usleep(1000);
}

void tool_free(tool *t)
{
    free(t->out);
    free(t->err);
    *t = (tool){ 0 };
}

tool tool_run_opts(const tool_options *o, const char *const *args)
{
    tool t = tool_start_opts(o, args);
    tool_wait(&t);
    return t;
}

void assert_failed(const tool *t, int status, const char *message)
{
    if (!strstr(t->err, message))
        fail_msg("said: %s", t->err);
    assert_int_equal(t->status, status);
    assert_string_equal(t->out, "");
}

void assert_wrote(const tool *t, const char *out)
{
    assert_string_equal(t->err, "");
    assert_int_equal(t->status, 0);
    if (strcmp(t->out, out) != 0)
        fail_msg("wrote %zu bytes, wanted %zu; begins: %.200s", t->out_len, strlen(out), t->out);
}

/* ---- Its processes ------------------------------------------------------------------------- */

static void add_children(family *f, pid_t pid, int depth)
{
    char path[64];
    int child;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    FILE *file = fopen(path, "re");
    while (file && fscanf(file, "%d", &child) == 1) {
        int pidfd = (int)syscall(SYS_pidfd_open, child, 0);
        if (pidfd < 0)
            continue; /* gone already */
        assert_in_range(f->n, 0, MOST_PROCESSES - 1);
        f->member[f->n].pid = child;
        f->member[f->n].pidfd = pidfd;
        f->member[f->n].worker = depth == 1;
        f->workers += depth == 1;
        f->n++;
        add_children(f, child, depth + 1);
    }
    if (file)
        fclose(file);
}

family family_of(const tool *t)
{
    family f = { 0 };
    add_children(&f, t->pid, 0);
    return f;
}

family family_with_workers(const tool *t, int workers)
{
    for (;;) {
        family f = family_of(t);
        if (f.workers >= workers)
            return f;
        family_close(&f);
        tool_look_again(t);
    }
}

void family_wait_gone(family *f)
{
    for (int i = 0; i < f->n; i++) {
        struct pollfd poll_fd = { .fd = f->member[i].pidfd, .events = POLLIN };
        while (poll(&poll_fd, 1, -1) < 0)
            assert_int_equal(errno, EINTR);
    }
    family_close(f);
}

void family_close(family *f)
{
    for (int i = 0; i < f->n; i++)
        close(f->member[i].pidfd);
    f->n = 0;
}

/* ---- Data ---------------------------------------------------------------------------------- */

char *make_rows(size_t bytes, unsigned seed)
{
    char *rows = malloc(bytes + 4096), *to = rows;
    for (unsigned word = 0; (size_t)(to - rows) < bytes; word++) {
        unsigned years = 1 + (seed = seed * 1103515245u + 12345u) % 30;
        for (unsigned i = 0; i < years; i++) {
            seed = seed * 1103515245u + 12345u;
            unsigned name = word * 7919 % 5000; /* names return, far apart */
            to += sprintf(to, "w\xc3\xb6rd%u_NOUN\t%u\t%u\t%u\n", name, 1800 + i,
                          (seed >> 8) % 100000, (seed >> 20) + 1);
        }
    }
    return rows;
}
