/* The arena: blocks that do not overlap, memory that comes back whole, many threads. */
#include "support/backends.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { SLOTS = 300 };

struct piece {
    unsigned char *at;
    size_t size;
    unsigned char mark;
};

static size_t random_size(unsigned *seed)
{
    size_t most = (size_t)1 << (rand_r(seed) % 22);
    return 1 + (size_t)rand_r(seed) % most;
}

static void mark(struct piece *p)
{
    p->at[0] = p->mark;
    p->at[p->size / 2] = p->mark;
    p->at[p->size - 1] = p->mark;
}

static bool is_marked(const struct piece *p)
{
    return p->at[0] == p->mark && p->at[p->size / 2] == p->mark && p->at[p->size - 1] == p->mark;
}

static bool overlaps(const struct piece *all, const struct piece *p)
{
    for (const struct piece *q = all; q < all + SLOTS; q++)
        if (q != p && q->at && p->at < q->at + q->size && q->at < p->at + p->size)
            return true;
    return false;
}

/* The largest block that can be had tells how whole the arena is. */
static size_t largest(void)
{
    size_t size = (size_t)1 << 44;
    void *all;
    while ((all = yk_arena_alloc(size)) == NULL && size > 1)
        size /= 2;
    yk_arena_free(all);
    return size;
}

static void test_blocks_do_not_overlap_and_come_back_whole(void **state)
{
    (void)state;
    static struct piece all[SLOTS];
    size_t whole = largest(), used = 0;
    unsigned seed = 3;
    assert_true(whole >= (size_t)64 << 20);
    for (size_t step = 0; step < support_rounds(40000); step++) {
        struct piece *p = &all[(size_t)rand_r(&seed) % SLOTS];
        if (p->at) {
            assert_true(is_marked(p));
            yk_arena_free(p->at);
            used -= p->size;
            p->at = NULL;
            continue;
        }
        p->size = random_size(&seed);
        p->at = yk_arena_alloc(p->size);
        p->mark = (unsigned char)rand_r(&seed);
        assert_non_null(p->at);
        assert_int_equal((uintptr_t)p->at % 4096, 0);
        assert_true(yk_arena_contains(p->at) && yk_arena_contains(p->at + p->size - 1));
        assert_false(overlaps(all, p));
        mark(p);
        used += p->size;
        assert_true(yk_arena_used() >= used);
    }
    assert_true(largest() < whole);
    for (struct piece *p = all; p < all + SLOTS; p++) {
        assert_true(!p->at || is_marked(p));
        yk_arena_free(p->at);
        p->at = NULL;
    }
    assert_int_equal(yk_arena_used(), 0);
    assert_int_equal(largest(), whole); /* every block has found its buddy again */
}

static void test_sizes_at_the_edges(void **state)
{
    (void)state;
    assert_null(yk_arena_alloc(0));
    assert_null(yk_arena_alloc(SIZE_MAX));
    assert_null(yk_arena_alloc(SIZE_MAX / 2 + 1));
    yk_arena_free(NULL);
    size_t whole = largest();
    char *all = yk_arena_alloc(whole);
    assert_non_null(all);
    assert_null(yk_arena_alloc(1)); /* nothing is left */
    assert_int_equal(yk_arena_used(), whole);
    assert_false(yk_arena_contains(all - 1));
    assert_false(yk_arena_contains(all + whole));
    all[0] = all[whole - 1] = 1;
    yk_arena_free(all);
    static const size_t sizes[] = { 1, 4095, 4096, 4097, 8192, 8193, 1 << 20, (1 << 20) + 1 };
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        unsigned char *p = yk_arena_alloc(sizes[i]);
        memset(p, 1, sizes[i]);
        assert_in_range(yk_arena_used(), sizes[i], 2 * sizes[i] + 4095);
        yk_arena_free(p);
    }
    int on_the_stack;
    assert_false(yk_arena_contains(&on_the_stack));
    assert_false(yk_arena_contains(NULL));
}

struct allocator {
    unsigned seed;
    int wrong;
};

static void *allocate_and_free(void *arg)
{
    struct allocator *a = arg;
    struct piece p[16] = { { 0 } };
    for (size_t step = 0; step < support_rounds(20000); step++) {
        struct piece *q = &p[(size_t)rand_r(&a->seed) % 16];
        if (q->at) {
            a->wrong += !is_marked(q);
            yk_arena_free(q->at);
            q->at = NULL;
            continue;
        }
        q->size = random_size(&a->seed);
        q->at = yk_arena_alloc(q->size);
        q->mark = (unsigned char)(a->seed + step);
        if (q->at)
            mark(q);
        else
            a->wrong++;
    }
    for (int i = 0; i < 16; i++)
        yk_arena_free(p[i].at);
    return NULL;
}

static void test_many_threads_allocate_and_free(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    struct allocator a[THREADS];
    pthread_t threads[THREADS];
    size_t whole = largest();
    for (unsigned i = 0; i < THREADS; i++) {
        a[i] = (struct allocator){ 17 * i, 0 };
        assert_int_equal(pthread_create(&threads[i], NULL, allocate_and_free, &a[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(a[i].wrong, 0);
    }
    assert_int_equal(yk_arena_used(), 0);
    assert_int_equal(largest(), whole);
}

/* ---- From a job
 * ---------------------------------------------------------------------------------- */

struct image {
    unsigned char *pixels;
    size_t n;
};

static int job_negative(yk_job *job)
{
    const struct image *image = yk_job_arg(job);
    for (size_t i = 0; i < image->n; i++)
        image->pixels[i] = (unsigned char)~image->pixels[i];
    return yk_job_return(job, image, sizeof *image);
}

static int job_allocates(yk_job *job)
{
    struct image image = *(const struct image *)yk_job_arg(job);
    int said[3] = { yk_arena_alloc(100) != NULL, yk_arena_contains(image.pixels), 0 };
    yk_arena_free(image.pixels); /* is not its to free: nothing happens */
    return yk_job_return(job, said, sizeof said);
}

static void in_place(const backend *b)
{
    struct image image = { yk_arena_alloc(3 << 20), 3 << 20 }, back;
    for (size_t i = 0; i < image.n; i++)
        image.pixels[i] = (unsigned char)(i * 13);
    yk_executor *ex = OPEN(b, .workers = 2);
    yk_future *f = backend_submit(b, ex, job_negative, &image, sizeof image);
    assert_int_equal(yk_await_into(f, &back, sizeof back), 0);
    yk_future_unref(f);
    assert_ptr_equal(back.pixels, image.pixels); /* the same address everywhere */
    size_t wrong = 0;
    for (size_t i = 0; i < image.n; i++)
        wrong += image.pixels[i] != (unsigned char)~(i * 13);
    assert_int_equal(wrong, 0);
    if (b->processes) {
        size_t used = yk_arena_used();
        int said[3];
        f = backend_submit(b, ex, job_allocates, &image, sizeof image);
        assert_int_equal(yk_await_into(f, said, sizeof said), 0);
        yk_future_unref(f);
        assert_int_equal(said[0], 0);
        assert_int_equal(said[1], 1);
        assert_int_equal(yk_arena_used(), used);
    }
    yk_arena_free(image.pixels);
    backend_close(ex);
}

static void test_a_job_works_in_place(void **state)
{
    (void)state;
    on_every_backend(in_place);
}

/* A result outlives its executor in the arena. */
static void result_outlives(const backend *b)
{
    static char large[100000];
    memset(large, 'r', sizeof large);
    yk_executor *ex = OPEN(b, .workers = 1);
    yk_future *f = backend_submit(b, ex, job_echo, large, sizeof large);
    assert_int_equal(yk_await(f), 0);
    backend_close(ex);
    size_t len;
    assert_memory_equal(yk_future_result(f, &len), large, sizeof large);
    yk_future_unref(f);
}

static void test_a_large_result_outlives_its_executor(void **state)
{
    (void)state;
    on_every_backend(result_outlives);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_blocks_do_not_overlap_and_come_back_whole),
        TEST(test_sizes_at_the_edges),
        TEST(test_many_threads_allocate_and_free),
        TEST(test_a_job_works_in_place),
        TEST(test_a_large_result_outlives_its_executor),
    };
    return RUN_TESTS("arena", tests);
}
