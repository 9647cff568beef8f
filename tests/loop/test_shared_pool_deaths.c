/* The shared pool, when one of its processes dies, or says what no process of it says. The pool has
 * a process of its own here, so this program has no zygote and no threads.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "common.h"
#include "executor/wait.h"
#include "loop/serve/pool_messages.h"
#include "shared_pools.h"
#include "support/proc.h"

static yk__pool_door door;
static nursery ward;
static pid_t pool;

static void start_pool(void)
{
    pool = nursery_serve(&ward);
}

static void kill_pool(void)
{
    assert_int_equal(kill(pool, SIGKILL), 0);
}

/* ---- Around each test ------------------------------------------------------------------------ */

static int fds_before;

static int before(void **state)
{
    (void)state;
    yk_loop_close(yk_loop_new()); /* libuv keeps a pipe from its first loop on */
    fds_before = proc_fds(0);
    assert_int_equal(yk__pool_door_open(&door), 0);
    ward = nursery_start(&door, &(yk_pool_options){ .workers = 2 });
    return 0;
}

/* The pool ends by itself; orphans of those that were killed come here, and end as well. */
static int after(void **state)
{
    (void)state;
    yk__pool_door_close(&door);
    nursery_end(&ward);
    while (waitpid(-1, NULL, 0) > 0)
        ;
    assert_int_equal(proc_fds(0), fds_before);
    return 0;
}

static void expect_error(yk_future *f, int code, const char *part_of_message)
{
    assert_int_equal(yk_await(f), code);
    if (!strstr(yk_future_error(f)->message, part_of_message))
        fail_msg("'%s' is not in '%s'", part_of_message, yk_future_error(f)->message);
    yk_future_unref(f);
}

static void expect_square(yk_executor *ex)
{
    int nine = 9, square = 0;
    yk_future *f = yk_submit(ex, job_square, &nine, sizeof nine);
    assert_int_equal(yk_await_into(f, &square, sizeof square), 0);
    assert_int_equal(square, 81);
    yk_future_unref(f);
}

/* ---- The pool's process dies ----------------------------------------------------------------- */

static void pool_dies_under_jobs(yk_executor *ex)
{
    word *w = shared_words();
    block b = { .begun = &w[0] };
    yk_future *lost = yk_submit_with(ex, job_block, &b, sizeof b, .name = "unlucky");
    eventually(yk_future_state(lost) == YK_RUNNING);
    kill_pool();
    expect_error(lost, YK_ECRASHED, "job 'unlucky' was in the shared pool, whose process died");
    /* While there is none, jobs wait, and may be cancelled. */
    int nine = 9, square = 0;
    yk_future *waits = yk_submit(ex, job_square, &nine, sizeof nine);
    yk_future *given_up = yk_submit(ex, job_nothing, NULL, 0);
    for (int i = 0; i < 10; i++)
        yk_sleep_ms(1);
    assert_int_equal(yk_future_state(waits), YK_PENDING);
    assert_int_equal(yk_future_cancel(given_up), 0);
    yk_future_unref(given_up);
    start_pool();
    assert_int_equal(yk_await_into(waits, &square, sizeof square), 0);
    assert_int_equal(square, 81);
    yk_future_unref(waits);
    yk_executor_stats s = stats_of(ex);
    assert_int_equal(s.failed, 1);
    assert_int_equal(s.cancelled, 1);
    assert_int_equal(s.done, 1);
}

static void test_a_pool_that_dies_fails_its_jobs_and_its_successor_goes_on(void **state)
{
    (void)state;
    start_pool();
    with_shared_pool(&door, NULL, pool_dies_under_jobs);
}

static void killed_again_and_again(yk_executor *ex)
{
    for (size_t i = 0; i < support_rounds(12); i++) {
        yk_future *f[8];
        for (int k = 0; k < 8; k++)
            f[k] = yk_submit(ex, job_square, &k, sizeof k);
        kill_pool(); /* before, while, or after it has had them */
        start_pool();
        for (int k = 0; k < 8; k++) {
            int square = 0, err = yk_await_into(f[k], &square, sizeof square);
            assert_true(err == 0 ? square == k * k : err == YK_ECRASHED);
            yk_future_unref(f[k]);
        }
        expect_square(ex);
    }
}

static void test_a_pool_that_is_killed_at_any_moment_strands_no_job(void **state)
{
    (void)state;
    start_pool();
    with_shared_pool(&door, NULL, killed_again_and_again);
}

/* ---- A client dies --------------------------------------------------------------------------- */

static void leave_a_job(yk_executor *ex)
{
    word *w = shared_words();
    block b = { .begun = &w[0], .ended = &w[1] };
    yk_future *f = yk_submit(ex, job_block, &b, sizeof b);
    yk_await(f);
}

static pid_t start_client(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        alarm(200);
        yk__pool_door_stay_outside(&door);
        with_shared_pool(&door, NULL, leave_a_job);
        _exit(0);
    }
    assert_true(pid > 0);
    return pid;
}

static void other_client_goes_on(yk_executor *ex)
{
    word *w = shared_words();
    block b = { .begun = &w[2], .go = &w[3] };
    yk_future *own = yk_submit(ex, job_block, &b, sizeof b);
    eventually(word_get(&w[2]) == 1);
    pid_t client = start_client();
    eventually(word_get(&w[0]) == 1);
    kill(client, SIGKILL);
    eventually(word_get(&w[1]) == 1); /* its job was asked to stop, and did */
    expect_square(ex);
    word_set(&w[3], 1);
    assert_int_equal(yk_await(own), 0);
    yk_future_unref(own);
}

static void test_a_client_that_dies_has_its_job_cancelled_and_no_other(void **state)
{
    (void)state;
    start_pool();
    with_shared_pool(&door, NULL, other_client_goes_on);
}

/* ---- What no process of ours says ------------------------------------------------------------ */

static uint32_t seed = 1;

static uint32_t lot(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

static void send_all(int fd, const void *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* the other end has had enough */
        bytes = (const char *)bytes + n;
        len -= (size_t)n;
    }
}

static void greet(int fd, const yk__image *image)
{
    yk__frame hello = { .type = YK__HELLO, .len = sizeof *image };
    send_all(fd, &hello, sizeof hello);
    send_all(fd, image, sizeof *image);
}

/* Anything but a function that could be called. */
static void babble(int fd)
{
    unsigned char bytes[600];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)lot(256);
    for (int n = 0; n < 20; n++) {
        yk__frame frame = { .type = lot(12), .job = lot(4) ? lot(3) : lot(UINT32_MAX), .len = 0 };
        frame.len = lot(8) ? lot(40) : lot(2) ? lot(600) : UINT64_MAX - lot(1000);
        if (lot(3) && frame.type == YK__SUBMIT) {
            frame.len = sizeof(yk__submit_frame) + lot(100);
            memset(bytes, 0, 8);
        }
        send_all(fd, &frame, sizeof frame);
        send_all(fd, bytes, frame.len < sizeof bytes ? frame.len : sizeof bytes);
    }
}

/* Until the other end has closed it. */
static void wait_for_the_end(int fd)
{
    char bytes[4096];
    struct timeval patience = { 60, 0 };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ssize_t n;
    while ((n = recv(fd, bytes, sizeof bytes, 0)) > 0)
        ;
    assert_true(n == 0 || errno == ECONNRESET);
}

static int knock_as_anybody(void)
{
    int fd = -1;
    assert_int_equal(yk__pool_door_knock(&door, &fd), 0);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    return fd;
}

static void test_clients_that_break_the_protocol_are_cut(void **state)
{
    (void)state;
    start_pool();
    for (size_t i = 0; i < support_rounds(60); i++) {
        yk__image image = door.image;
        bool stranger = i % 4 == 0;
        if (stranger)
            image.lot[lot(sizeof image.lot)] ^= 1;
        int fd = knock_as_anybody();
        greet(fd, &image);
        if (!stranger)
            babble(fd);
        shutdown(fd, stranger ? SHUT_RD : SHUT_WR);
        wait_for_the_end(fd);
        close(fd);
    }
    with_shared_pool(&door, NULL, expect_square);
}

/* ---- What no pool says ----------------------------------------------------------------------- */

static int answer(void)
{
    int fd, err;
    while ((err = yk__pool_door_answer(&door, &fd)) == UV_EAGAIN)
        poll(&(struct pollfd){ .fd = door.inside, .events = POLLIN }, 1, -1);
    if (err)
        _exit(0);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    return fd;
}

static pid_t start_impostor(bool stranger)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    alarm(200);
    close(ward.fd);
    yk__pool_door_stay_inside(&door);
    yk__image image = door.image;
    image.function += stranger;
    for (;;) {
        int fd = answer();
        greet(fd, &image);
        char first;
        if (!stranger && recv(fd, &first, 1, 0) == 1)
            babble(fd);
        close(fd);
    }
}

static void ask_a_stranger(yk_executor *ex)
{
    expect_error(yk_submit(ex, job_nothing, NULL, 0), UV_EPROTO, "cannot be reached");
}

static void test_a_pool_of_another_program_is_refused(void **state)
{
    (void)state;
    start_impostor(true);
    with_shared_pool(&door, NULL, ask_a_stranger);
}

static void ask_a_liar(yk_executor *ex)
{
    yk_future *f[3];
    for (size_t i = 0; i < support_rounds(60); i++) {
        for (int k = 0; k < 3; k++)
            f[k] = yk_submit_with(ex, job_nothing, NULL, 0, .stream = k ? 0 : 100);
        for (int k = 0; k < 3; k++) {
            yk_await(f[k]); /* with whatever it has been told */
            yk_future_error(f[k]);
            yk_future_unref(f[k]);
        }
    }
}

static void test_a_pool_that_breaks_the_protocol_fails_its_jobs(void **state)
{
    (void)state;
    start_impostor(false);
    with_shared_pool(&door, NULL, ask_a_liar);
}

static void ask_in_vain(yk_executor *ex)
{
    yk__pool_door_stay_outside(&door);
    nursery_end(&ward); /* the last who had the inside */
    yk_future *f = yk_submit(ex, job_nothing, NULL, 0);
    expect_error(f, YK_ECLOSED, "cannot be reached");
}

static void test_where_nobody_will_ever_answer_jobs_fail(void **state)
{
    (void)state;
    with_shared_pool(&door, NULL, ask_in_vain);
    ward = nursery_start(&door, NULL); /* for those who clean up */
}

#define TEST_HERE(fn) cmocka_unit_test_setup_teardown(fn, before, after)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST_HERE(test_a_pool_that_dies_fails_its_jobs_and_its_successor_goes_on),
        TEST_HERE(test_a_pool_that_is_killed_at_any_moment_strands_no_job),
        TEST_HERE(test_a_client_that_dies_has_its_job_cancelled_and_no_other),
        TEST_HERE(test_clients_that_break_the_protocol_are_cut),
        TEST_HERE(test_a_pool_of_another_program_is_refused),
        TEST_HERE(test_a_pool_that_breaks_the_protocol_fails_its_jobs),
        TEST_HERE(test_where_nobody_will_ever_answer_jobs_fail),
    };
    arm_watchdog();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    shared_words_make();
    return cmocka_run_group_tests_name("shared_pool_deaths", tests, NULL, NULL);
}
