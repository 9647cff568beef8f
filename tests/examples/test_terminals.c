/* The examples for people at a terminal, each at a terminal of its own: chat, responsive. */
#include "program.h"

#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- A terminal ------------------------------------------------------------------------------ */

typedef struct terminal {
    pid_t pid;
    int fd;
    char shown[65536]; /* since the last key */
    size_t len;
} terminal;

static terminal terminals[3];
static int open_terminals;

static terminal *at_terminal(const char *const *argv)
{
    char path[500];
    terminal *t = &terminals[open_terminals++];
    struct winsize size = { .ws_row = 24, .ws_col = 80 };
    *t = (terminal){ 0 };
    snprintf(path, sizeof path, "%s/%s", YOKE_BUILD_DIR, argv[0]);
    pid_t pid = forkpty(&t->fd, NULL, NULL, &size);
    if (pid < 0) {
        open_terminals--; /* and no -1 for kill() */
        fail_msg("no terminal: %s", strerror(errno));
    }
    t->pid = pid;
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execv(path, (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    return t;
}
#define AT_TERMINAL(...) at_terminal((const char *const[]){ __VA_ARGS__, NULL })

static void press(terminal *t, const char *keys)
{
    t->len = 0;
    t->shown[0] = '\0';
    assert_int_equal(write(t->fd, keys, strlen(keys)), (ssize_t)strlen(keys));
}

/* False: the program has let go of its terminal. */
static bool look(terminal *t)
{
    if (t->len > sizeof t->shown / 2) { /* a bar that is drawn again and again */
        memmove(t->shown, t->shown + t->len / 2, t->len - t->len / 2);
        t->len -= t->len / 2;
    }
    ssize_t n = read(t->fd, t->shown + t->len, sizeof t->shown - 1 - t->len);
    if (n <= 0)
        return false; /* EIO */
    t->len += (size_t)n;
    t->shown[t->len] = '\0';
    return true;
}

static void must_show(terminal *t, const char *text)
{
    while (!strstr(t->shown, text))
        if (!look(t))
            fail_msg("'%s' was never shown, but: %s", text, t->shown);
}

static int leave(terminal *t)
{
    int status;
    while (look(t))
        ;
    assert_int_equal(waitpid(t->pid, &status, 0), t->pid);
    t->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int close_terminals(void **state)
{
    for (; open_terminals > 0; open_terminals--) {
        terminal *t = &terminals[open_terminals - 1];
        if (t->pid) {
            kill(t->pid, SIGKILL);
            waitpid(t->pid, NULL, 0);
        }
        close(t->fd);
    }
    return end_programs(state);
}

/* ---- chat ------------------------------------------------------------------------------------ */

static void test_two_chat_at_their_terminals(void **state)
{
    (void)state;
    program *server = program_start("example_chat", "serve", "0");
    const char *port = strrchr(program_line_with(server, "listening on "), ':') + 1;
    terminal *ann = AT_TERMINAL("example_chat", "join", "ann", port);
    must_show(ann, "> ");
    terminal *bob = AT_TERMINAL("example_chat", "join", "bob", port);
    must_show(ann, "* bob is here");
    press(ann, "hello\r");
    must_show(bob, "ann: hello\r\n");
    press(bob, "good mo");
    must_show(bob, "> good mo");
    press(ann, "are you there?\r");
    must_show(bob, "ann: are you there?\r\n");
    must_show(bob, "> good mo"); /* what he was typing stands beneath */
    press(bob, "x\177rning\r");
    must_show(ann, "bob: good morning\r\n");
    press(ann, "\4");
    assert_int_equal(leave(ann), 0);
    must_show(bob, "* ann has left");
    program_signal(server, SIGTERM);
    must_show(bob, "the server has gone");
    program_wait(server);
    assert_int_equal(leave(bob), 1);
}

static void test_nobody_to_chat_with(void **state)
{
    (void)state;
    program *p = program_start("example_chat", "join", "ann", "1");
    assert_int_equal(program_wait(p), 1);
    assert_non_null(strstr(program_errors(p), "cannot reach localhost, port 1: "));
}

/* ---- responsive ------------------------------------------------------------------------------ */

static void test_keys_are_heard_while_a_job_runs(void **state)
{
    (void)state;
    terminal *t = AT_TERMINAL("example_responsive");
    must_show(t, "idle; nothing yet");
    press(t, "s");
    must_show(t, "] 0 %");
    must_show(t, "#");
    press(t, "c");
    must_show(t, "idle; cancelled");
    press(t, "s");
    must_show(t, "#");
    press(t, "q"); /* in the middle of it */
    assert_int_equal(leave(t), 0);
}

static void test_responsive_wants_a_terminal(void **state)
{
    (void)state;
    program *p = program_start("example_responsive");
    assert_int_equal(program_wait(p), 1);
    assert_non_null(strstr(program_errors(p), "this is for a terminal"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_two_chat_at_their_terminals, close_terminals),
        cmocka_unit_test_teardown(test_nobody_to_chat_with, close_terminals),
        cmocka_unit_test_teardown(test_keys_are_heard_while_a_job_runs, close_terminals),
        cmocka_unit_test_teardown(test_responsive_wants_a_terminal, close_terminals),
    };
    return RUN_TESTS("terminals", tests);
}
