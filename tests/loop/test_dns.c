/* Names and addresses. Nothing here asks a server: what is asked for stands in numbers. */
#include <arpa/inet.h>
#include <semaphore.h>
#include <string.h>

#include "common.h"
#include "executor/executor.h"
#include "loop/dns.h"
#include "loop/offload.h"

static const struct addrinfo numeric = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                                         .ai_socktype = SOCK_STREAM };

static void test_the_loops_thread_is_not_to_wait(void **state)
{
    (void)state;
    struct addrinfo *found = NULL;
    struct sockaddr_in in = { .sin_family = AF_INET };
    char host[64] = "untouched";
    assert_int_equal(yk_getaddrinfo("127.0.0.1", "80", &numeric, &found, YK_FOREVER), UV_EINVAL);
    yk_loop *loop = yk_loop_new();
    assert_int_equal(yk_getaddrinfo("127.0.0.1", "80", &numeric, &found, YK_FOREVER), YK_EONLOOP);
    assert_int_equal(yk_getnameinfo((struct sockaddr *)&in, sizeof in, host, sizeof host, NULL, 0,
                                    NI_NUMERICHOST, YK_FOREVER),
                     YK_EONLOOP);
    assert_null(found);
    assert_string_equal(host, "untouched");
    yk_loop_close(loop);
}

static int find_nobody(void *arg)
{
    (void)arg;
    struct addrinfo *found = NULL;
    struct addrinfo bad = { .ai_flags = -1 };
    assert_int_equal(yk_getaddrinfo("no number", NULL, &numeric, &found, YK_FOREVER),
                     UV_EAI_NONAME);
    assert_int_equal(yk_getaddrinfo(NULL, NULL, NULL, &found, YK_FOREVER), UV_EAI_NONAME);
    assert_int_equal(yk_getaddrinfo("127.0.0.1", NULL, &bad, &found, YK_FOREVER), UV_EAI_BADFLAGS);
    struct sockaddr unknown = { .sa_family = 255 };
    char host[64];
    assert_int_equal(
        yk_getnameinfo(&unknown, sizeof unknown, host, sizeof host, NULL, 0, 0, YK_FOREVER),
        UV_EAI_FAMILY);
    assert_int_equal(yk_getnameinfo(&unknown, 4096, host, sizeof host, NULL, 0, 0, YK_FOREVER),
                     UV_EINVAL);
    assert_int_equal(yk_getnameinfo(NULL, 16, host, sizeof host, NULL, 0, 0, YK_FOREVER),
                     UV_EINVAL);
    assert_null(found);
    return 0;
}

static void test_what_is_not_found(void **state)
{
    (void)state;
    assert_int_equal(run_task(find_nobody, NULL), 0);
}

static int hold_the_thread(yk_job *job)
{
    sem_t **held = yk_job_arg(job);
    sem_post(held[0]);
    while (sem_wait(held[1]))
        ;
    return 0;
}

static int give_up(void *arg)
{
    (void)arg;
    struct addrinfo *found = NULL;
    assert_int_equal(yk_getaddrinfo("127.0.0.1", "80", &numeric, &found, 0), UV_ETIMEDOUT);
    assert_int_equal(yk_getaddrinfo("127.0.0.1", "80", &numeric, &found, yk_after_ms(1)),
                     UV_ETIMEDOUT);
    yk_future_cancel(yk_task_current());
    int err = yk_getaddrinfo("127.0.0.1", "80", &numeric, &found, YK_FOREVER);
    assert_int_equal(err, YK_ECANCELED);
    assert_null(found);
    return 0;
}

/* The only thread is busy, so nothing is found meanwhile. */
static int give_up_beside_a_busy_thread(void *arg)
{
    yk_executor *pool = yk_thread_pool(.workers = 1);
    sem_t begun, release, *held[] = { &begun, &release };
    sem_init(&begun, 0, 0);
    sem_init(&release, 0, 0);
    assert_int_equal(yk_loop_set_default_executor(yk_loop_current(), pool), 0);
    yk_future *job = yk_submit(pool, hold_the_thread, held, sizeof held);
    sem_wait(&begun);
    give_up(arg);
    sem_post(&release);
    assert_int_equal(yk_await(job), 0);
    yk_future_unref(job);
    return yk_executor_close(pool);
}

static void test_a_look_up_that_is_given_up_leaves_nothing(void **state)
{
    (void)state;
    assert_int_equal(run_task(give_up_beside_a_busy_thread, NULL), 0);
}

static int there_and_back(void *arg)
{
    const char *address = arg;
    struct addrinfo *found;
    assert_int_equal(yk_getaddrinfo(address, "8080", &numeric, &found, YK_FOREVER), 0);
    assert_int_equal(found->ai_socktype, SOCK_STREAM);
    char host[64], service[8], small[2] = "x";
    assert_int_equal(yk_getnameinfo(found->ai_addr, found->ai_addrlen, host, sizeof host, service,
                                    sizeof service, NI_NUMERICHOST | NI_NUMERICSERV, YK_FOREVER),
                     0);
    assert_string_equal(host, address);
    assert_string_equal(service, "8080");
    assert_int_equal(yk_getnameinfo(found->ai_addr, found->ai_addrlen, small, sizeof small, NULL, 0,
                                    NI_NUMERICHOST, YK_FOREVER),
                     UV_EAI_OVERFLOW);
    assert_string_equal(small, "x");
    assert_int_equal(yk_getnameinfo(found->ai_addr, found->ai_addrlen, NULL, 0, service,
                                    sizeof service, NI_NUMERICSERV, YK_FOREVER),
                     0);
    freeaddrinfo(found);
    return 0;
}

static int many_at_once(void *arg)
{
    (void)arg;
    enum { N = 20 };
    yk_task_fn fns[N];
    void *addresses[N];
    for (int i = 0; i < N; i++) {
        fns[i] = there_and_back;
        addresses[i] = i % 2 ? (char *)"::1" : (char *)"127.0.0.1";
    }
    return yk_gather(fns, addresses, N);
}

static void test_addresses_there_and_back_many_at_once(void **state)
{
    (void)state;
    assert_int_equal(run_task(many_at_once, NULL), 0);
}

int main(void)
{
    arm_watchdog();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_loops_thread_is_not_to_wait),
        cmocka_unit_test(test_what_is_not_found),
        cmocka_unit_test(test_a_look_up_that_is_given_up_leaves_nothing),
        cmocka_unit_test(test_addresses_there_and_back_many_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
