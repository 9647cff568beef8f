/* An executor is replaced while others submit to it, as executor.h says: whoever submits holds a
 * reference, so none of them meets one that has been shut down. */
#include "support/backends.h"

#include <pthread.h>
#include <uv.h>

#include "loop/loop.h"

struct place {
    const backend *b;
    pthread_mutex_t lock; /* guards `current` */
    yk_executor *current;
    _Atomic bool stop;
    _Atomic int done, refused, left;
};

static yk_executor *reference(struct place *p)
{
    pthread_mutex_lock(&p->lock);
    yk_executor *ex = yk_executor_ref(p->current);
    pthread_mutex_unlock(&p->lock);
    return ex;
}

static void replace(struct place *p, yk_executor *next)
{
    pthread_mutex_lock(&p->lock);
    yk_executor *before = p->current;
    p->current = next;
    pthread_mutex_unlock(&p->lock);
    yk_executor_unref(before);
}

/* The reference goes back before the job is awaited: what was accepted is done all the same. */
static void submit_one(struct place *p, int n)
{
    yk_executor *ex = reference(p);
    if (n % 3 == 0)
        support_pause(); /* it may be replaced now */
    yk_future *f = backend_submit(p->b, ex, job_square, &n, sizeof n);
    yk_executor_unref(ex);
    int out = 0, err = yk_await_into(f, &out, sizeof out);
    atomic_fetch_add(err || out != n * n ? &p->refused : &p->done, 1);
    yk_future_unref(f);
}

static void *submit_as_a_thread(void *arg)
{
    struct place *p = arg;
    for (int n = 0; !p->stop; n++)
        submit_one(p, n % 1000);
    atomic_fetch_sub(&p->left, 1);
    return NULL;
}

static int submit_as_a_task(void *arg)
{
    submit_as_a_thread(arg);
    return 0;
}

static void replaced(const backend *b)
{
    enum { THREADS = 3, TASKS = 3 };
    struct place p = { .b = b,
                       .lock = PTHREAD_MUTEX_INITIALIZER,
                       .current = OPEN(b, .workers = 2),
                       .left = THREADS + (b->on_loop ? TASKS : 0) };
    pthread_t threads[THREADS];
    yk_future *tasks[TASKS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, submit_as_a_thread, &p), 0);
    for (int i = 0; b->on_loop && i < TASKS; i++)
        tasks[i] = yk_task_start(submit_as_a_task, &p);
    size_t rounds = 2 + support_rounds(20);
    for (size_t i = 0; i < rounds; i++) {
        int before = p.done;
        eventually(p.done > before + (int)(i % 7) || p.refused > 0);
        replace(&p, OPEN(b, .workers = 1 + (int)i % 3));
    }
    p.stop = true;
    eventually(p.left == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; b->on_loop && i < TASKS; i++) {
        assert_int_equal(yk_await(tasks[i]), 0);
        yk_future_unref(tasks[i]);
    }
    assert_int_equal(p.refused, 0);
    backend_close(p.current);
    pthread_mutex_destroy(&p.lock);
}

static void test_S18_replaced_while_others_submit_and_nobody_is_refused(void **state)
{
    (void)state;
    on_every_backend(replaced);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_S18_replaced_while_others_submit_and_nobody_is_refused),
    };
    return RUN_TESTS("replace", tests);
}
