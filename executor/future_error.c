/* What is said about futures that did not end well: why one was cancelled, and the errors that
 * nobody looked at. Futures that are done pay nothing for it. */
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "future.h"
#include "internal.h"

/* ---- Errors that nobody looked at ----------------------------------------------------------- */

const yk_error *yk_future_error(const yk_future *f)
{
    uint32_t state = atomic_load_explicit(&f->state, memory_order_acquire);
    if ((state & YK__STATE_MASK) <= YK_DONE)
        return NULL;
    /* A look is noted in the future, which is as it was otherwise. Relaxed: read at its end, which
     * comes after all references. */
    if (!(state & YK__SEEN))
        atomic_fetch_or_explicit(&((yk_future *)f)->state, YK__SEEN, memory_order_relaxed);
    return f->error;
}

/* The name of the job that it is the future of, if it has one that the message does not say. */
static const char *name_of(const yk_future *f)
{
    const char *name = f->ops->job ? ((const yk__work *)f)->name : "";
    return strstr(f->error->message, name) ? "" : name;
}

void yk__future_bury_error(yk_future *f)
{
    uint32_t state = atomic_load_explicit(&f->state, memory_order_relaxed);
    if ((state & YK__STATE_MASK) == YK_FAILED && !(state & YK__SEEN)) {
        const char *name = name_of(f);
        yk__log("an error that nobody looked at: %s%s%s%s: %s", name[0] ? "job '" : "", name,
                name[0] ? "': " : "", yk_errname(f->error->code), f->error->message);
    }
    yk__error_free(f->error);
}

/* ---- Reasons for a cancellation ------------------------------------------------------------- */

/* Kept until the future is freed, so that whoever holds a reference may read what it has found. */
struct yk__reason {
    struct yk__reason *older;
    char text[];
};

int yk_future_cancel_with(yk_future *f, const char *reason)
{
    if (!reason || yk_future_ended(f))
        return yk_future_cancel(f);
    size_t size = strlen(reason) + 1;
    struct yk__reason *r = malloc(sizeof *r + size);
    if (!r)
        return yk_future_cancel(f); /* without a word is better than not at all */
    memcpy(r->text, reason, size);
    r->older = atomic_load_explicit(&f->reason, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&f->reason, &r->older, r, memory_order_release,
                                                  memory_order_relaxed))
        ;
    return yk_future_cancel(f);
}

static const char *reason_of(const yk_future *f)
{
    struct yk__reason *r = f ? atomic_load_explicit(&f->reason, memory_order_acquire) : NULL;
    return r ? r->text : NULL;
}

int yk__future_cancel_like(yk_future *f, const yk_future *own)
{
    return yk_future_cancel_with(f, reason_of(own));
}

yk_error *yk__future_with_reason(yk_future *f, yk_error *error)
{
    const char *reason = reason_of(f);
    if (!reason)
        return error;
    yk__error_free(error);
    return yk__error_new(YK_ECANCELED, "%s", reason);
}

void yk__future_bury_reasons(yk_future *f)
{
    struct yk__reason *r = atomic_load_explicit(&f->reason, memory_order_relaxed);
    while (r) {
        struct yk__reason *older = r->older;
        free(r);
        r = older;
    }
}
