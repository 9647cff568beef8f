/* tests/examples/program.c - starts programs, talks with them, and sees them end. */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 16, WATCHDOG_S = 100 };

static program programs[MOST];

/* ---- Start ----------------------------------------------------------------------------------- */

static void become(const program *p, int in, int out, const char *const *argv)
{
    char path[1024];
    snprintf(path, sizeof path, "%s%s", strchr(argv[0], '/') ? "" : YOKE_BUILD_DIR "/", argv[0]);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(p->err_fd, STDERR_FILENO);
    const int signals[] = { SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGALRM };
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        signal(signals[i], SIG_DFL); /* whatever the test's own parent ignores */
    alarm(0);
    execv(path, (char *const *)argv);
    dprintf(STDERR_FILENO, "%s: %s\n", path, strerror(errno));
    _exit(127);
}

program *program_start_args(const char *const *argv)
{
    int in[2], out[2];
    program *p = programs;
    while (p->used)
        assert_in_range(++p - programs, 0, MOST - 1);
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    *p = (program){ .used = true, .input = in[1], .output = out[0] };
    p->err_fd = memfd_create("err", MFD_CLOEXEC);
    assert_true(p->err_fd >= 0);
    fflush(NULL);
    p->pid = fork();
    if (p->pid == 0)
        become(p, in[0], out[1], argv);
    close(in[0]);
    close(out[1]);
    assert_true(p->pid > 0);
    setpgid(p->pid, p->pid); /* whoever comes first */
    return p;
}

/* ---- What it says ---------------------------------------------------------------------------- */

/* Whether more has come. */
static bool hear(program *p)
{
    p->said = realloc(p->said, p->len + 4097);
    assert_non_null(p->said);
    ssize_t n;
    do
        n = read(p->output, p->said + p->len, 4096);
    while (n < 0 && errno == EINTR);
    p->len += n > 0 ? (size_t)n : 0;
    p->said[p->len] = '\0';
    return n > 0;
}

const char *program_line(program *p)
{
    char *newline;
    while (!(newline = p->said ? strchr(p->said + p->read, '\n') : NULL))
        if (!hear(p))
            return NULL;
    free(p->line);
    p->line = strndup(p->said + p->read, (size_t)(newline - p->said) - p->read);
    p->read = (size_t)(newline - p->said) + 1;
    return p->line;
}

const char *program_line_with(program *p, const char *text)
{
    const char *line;
    while ((line = program_line(p)))
        if (strstr(line, text))
            return line;
    fail_msg("never said '%s', but:\n%s%s", text, p->said, program_errors(p));
    return NULL;
}

const char *program_errors(program *p)
{
    off_t len = lseek(p->err_fd, 0, SEEK_END);
    free(p->errors);
    p->errors = calloc(1, (size_t)len + 1);
    assert_non_null(p->errors);
    return pread(p->err_fd, p->errors, (size_t)len, 0) < 0 ? "" : p->errors;
}

/* ---- What it is told ------------------------------------------------------------------------- */

void program_write(program *p, const char *text)
{
    assert_int_equal(write(p->input, text, strlen(text)), strlen(text));
}

void program_close_input(program *p)
{
    if (p->input >= 0)
        close(p->input);
    p->input = -1;
}

void program_signal(program *p, int sig)
{
    assert_true(p->pid > 0);
    assert_int_equal(kill(p->pid, sig), 0);
}

/* ---- Its end --------------------------------------------------------------------------------- */

static int reap(program *p)
{
    int status;
    while (waitpid(p->pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    p->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int program_wait(program *p)
{
    while (hear(p))
        ;
    return reap(p);
}

void program_must_succeed(program *p)
{
    int status = program_wait(p);
    if (status != 0)
        fail_msg("ended with %d, and had said:\n%s%s", status, p->said, program_errors(p));
}

void program_forget(program *p)
{
    if (p->pid > 0) {
        kill(-p->pid, SIGKILL);
        reap(p);
    }
    fputs(program_errors(p), stderr);
    program_close_input(p);
    close(p->output);
    close(p->err_fd);
    free(p->said);
    free(p->line);
    free(p->errors);
    *p = (program){ 0 };
}

int end_programs(void **state)
{
    (void)state;
    for (int i = 0; i < MOST; i++)
        if (programs[i].used)
            program_forget(&programs[i]);
    return 0;
}

/* ---- The test program ------------------------------------------------------------------------ */

static void on_alarm(int sig)
{
    (void)sig;
    dprintf(STDERR_FILENO, "watchdog: %d s are over\n", WATCHDOG_S);
    for (int i = 0; i < MOST; i++) {
        char text[4096];
        if (!programs[i].used)
            continue;
        ssize_t n = pread(programs[i].err_fd, text, sizeof text, 0);
        dprintf(STDERR_FILENO, "program %d said: %s\nand: %.*s\n", programs[i].pid,
                programs[i].said ? programs[i].said : "", n > 0 ? (int)n : 0, text);
        if (programs[i].pid > 0)
            kill(-programs[i].pid, SIGKILL);
    }
    _exit(70);
}

int before_programs(void **state)
{
    (void)state;
    signal(SIGALRM, on_alarm);
    signal(SIGPIPE, SIG_IGN);
    alarm(WATCHDOG_S);
    return prctl(PR_SET_CHILD_SUBREAPER, 1);
}

int after_programs(void **state)
{
    (void)state;
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
    return 0;
}
