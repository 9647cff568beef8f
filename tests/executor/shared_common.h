/* What the jobs of a test share, and how they are given it. */
#ifndef TESTS_EXECUTOR_SHARED_COMMON_H
#define TESTS_EXECUTOR_SHARED_COMMON_H

#include "support/backends.h"

#include "executor/held.h"
#include "executor/shared.h"

enum { RETURNS, FAILS, SEGV, KILLED };

struct common {
    yk_mutex lock;
    uint32_t begun, go; /* words; see word_at */
    uint32_t pid[8];    /* of the jobs that have begun, in that order; they are words, too */
    yk_counter done;
    uint64_t a, b; /* under the lock: they are equal */
    _Atomic uint64_t plain, each[16];
    yk_mutex many[YK__HELD_MAX + 1];
    int kind, code; /* what the job is to do */
};

static inline struct common *common_new(void)
{
    struct common *c = yk_arena_calloc(1, sizeof *c);
    assert_non_null(c);
    return c;
}

static inline bool is_free(const struct common *c)
{
    void *there = yk_arena_ref(c);
    yk_arena_free(there);
    return !there;
}

static inline word *word_at(uint32_t *w)
{
    return (word *)w;
}

static inline uint32_t get(uint32_t *w)
{
    return word_get(word_at(w));
}

static inline yk_future *start_opts(const backend *b, yk_executor *ex, yk_job_fn fn,
                                    struct common *c, yk_job_options options)
{
    options.uses = YK_USES(c);
    return backend_submit_opts(b, ex, fn, &c, sizeof c, options);
}

static inline yk_future *start(const backend *b, yk_executor *ex, yk_job_fn fn, struct common *c)
{
    return start_opts(b, ex, fn, c, (yk_job_options){ 0 });
}

static inline struct common *common_of(yk_job *job)
{
    return *(struct common **)yk_job_arg(job);
}

static inline void expect_end(yk_future *f, int code)
{
    assert_int_equal(yk_await(f), code);
    yk_future_unref(f);
}

#endif
