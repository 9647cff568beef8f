/* executor/promise.h - a future from the side of those who end it: pools, tasks. Not installed.
 *
 * A job or task embeds a yk_future as its first member, so that one allocation holds both.
 *
 * The state word decides every race. It holds a yk_state and seven flags:
 *
 *   YK__HANDED   pending, but somebody else (a worker process) may take it at any moment: whether a
 *                cancellation comes in time is decided by ops->cancel, not by this word;
 *   YK__ASKED    a cancellation was asked for while it was handed or running;
 *   YK__SETTLING one thread has won the right to end it and is writing result or error;
 *   YK__COMMITTED the job has passed its commit point: nobody asks it to stop any more;
 *   YK__BY_POOL  with YK__ASKED: it was the pool that asked (a limit, a shutdown), by
 *                yk__future_ask(), so that ops->cancel is not called;
 *   YK__SEEN     it has ended, and somebody has looked at its error;
 *   YK__WAITED   somebody waits, or did: the list of places must be looked at when it ends.
 *
 * Whoever wants to end a future claims it (one successful compare-and-swap to YK__SETTLING), writes
 * result or error, which nobody else touches, and publishes with yk__future_publish(): the final
 * state with release, against the acquire load of everybody who reads result or error.
 */
#ifndef YOKE_EXECUTOR_PROMISE_H
#define YOKE_EXECUTOR_PROMISE_H

#include <stdatomic.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "future.h"

enum {
    YK__STATE_MASK = 0x7,
    YK__HANDED = 0x8,
    YK__ASKED = 0x10,
    YK__SETTLING = 0x20,
    YK__COMMITTED = 0x40,
    YK__BY_POOL = 0x80,
    YK__SEEN = 0x100,
    YK__WAITED = 0x200,
};

#define YK__INLINE_RESULT 64 /* bytes of a result that need no allocation */

typedef struct yk__future_ops {
    /* Somebody asked for the end of a future that is handed or running; called once, on the asking
     * thread, which holds a reference. NULL: only the flag is set. */
    void (*cancel)(yk_future *f);
    /* A pending future was cancelled at once: it never begins. Called after publication, on the
     * asking thread. NULL: nobody cares. */
    void (*dropped)(yk_future *f);
    /* The last reference is gone; result and error have been freed. Frees the memory. */
    void (*free)(yk_future *f);
    bool job;           /* it is a job's: the first member of a yk__work */
    const char *runner; /* what a job runs on */
} yk__future_ops;

/* One place in the list of those who wait for a future. It belongs to the future, which frees it at
 * its own end; so a waiter may be gone while its place is still there. `state` passes from the
 * waiter to the settling thread by compare-and-swap: FREE <-> ARMED by waiters, anything -> FIRED
 * by the settling thread, once. */
typedef struct yk__place {
    struct yk__place *next;  /* the older one; fixed once the place is in the list */
    struct yk__place *later; /* the settling thread's: the newer one */
    _Atomic uint32_t state;
    void (*notify)(yk_future *f, void *arg); /* on the settling thread, once; NULL: `callback` */
    yk_future_fn callback;
    void *arg;
} yk__place;

/* Those who run it and those who look at its result need the first two cache lines, those who wait
 * for it the third one. */
struct yk_future {
    _Atomic uint32_t state;
    _Atomic uint32_t refs;
    const yk__future_ops *ops;
    void **uses;  /* of a job: see uses.h; belongs to whoever created it, runs it or claimed it */
    void *result; /* NULL, inline_result, or to be freed with free_result */
    size_t result_len;
    void (*free_result)(void *result);
    yk_error *error;           /* NULL, or made by yk__error_new */
    struct yk__stream *stream; /* of a job that streams, or NULL; constant */
    alignas(max_align_t) unsigned char inline_result[YK__INLINE_RESULT];
    _Atomic(struct yk__reason *) reason; /* why to cancel it, the newest first: future_error.c */
    _Atomic(yk__place *) places; /* newest first; ends with `first`; closed when the future ends */
    yk__place *fired;            /* the settling thread's: the list, once it was closed */
    yk__place first;
};

/* Makes an embedded future: pending, one reference, no result. Before it is seen by others, more
 * references are had for a plain store to `refs`. */
void yk__future_init(yk_future *f, const yk__future_ops *ops);

/* Moves from one state to the next while nobody has ended it. False: it has ended, is being ended,
 * or is not in `from`. Flags that are set stay. */
bool yk__future_advance(yk_future *f, yk_state from, yk_state to);

/* Marks a pending future as handed over, or takes that back. False: it has ended. */
bool yk__future_hand(yk_future *f, bool handed);

/* Wins the right to end it, whatever state it is in. */
bool yk__future_claim(yk_future *f);

/* The same, but only while it is pending. */
bool yk__future_claim_pending(yk_future *f);

/* Passes the commit point of a running future. False: somebody has asked for its end. */
bool yk__future_commit(yk_future *f);

/* The pool asks a running future to stop. False: somebody has asked before, it has committed, or
 * does not run (any more). */
bool yk__future_ask(yk_future *f);

/* Whether somebody has claimed it, or has ended it. */
bool yk__future_is_claimed(const yk_future *f);

/* After a claim, of a future whose ops have a cancel function: whether that was called, or is about
 * to be. */
bool yk__future_cancel_is_due(const yk_future *f);

/* After a claim: sets the result to a copy (UV_ENOMEM), or to memory to be freed with
 * `free_result`. */
int yk__future_copy_result(yk_future *f, const void *result, size_t len);
void yk__future_give_result(yk_future *f, void *result, size_t len, void (*free_result)(void *));

/* After a claim: ends it as `end` and runs everything that waits. `error` (made by yk__error_new)
 * passes to the future; NULL for YK_DONE. */
void yk__future_publish(yk_future *f, yk_state end, yk_error *error);

/* The same, for a caller whose own reference outlives the call. */
void yk__future_publish_held(yk_future *f, yk_state end, yk_error *error);

/* The same without a claim, for a caller who knows that nobody else will claim it any more. Returns
 * whether ops->cancel was called, or is about to be (see yk__future_cancel_is_due). */
bool yk__future_settle_held(yk_future *f, yk_state end, yk_error *error);

/* Claim and publish in one: false if it had ended. The state follows from the code. The message is
 * copied; NULL stands for yk_strerror(code). */
bool yk__future_fail(yk_future *f, int code, const char *message);

/* A future that has failed already; never NULL (without memory: one that cannot be freed and says
 * so). */
yk_future *yk__future_failed(int code, const char *message);

/* An error to hand to a future. Never NULL: without memory, a constant one that says UV_ENOMEM's
 * story with the given code. */
yk_error *yk__error_new(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
yk_error *yk__error_named(int code, const char *job, const char *message); /* job: "" for none */
void yk__error_free(yk_error *error);

/* Cancels f for the reason that `own` (a task's future, or NULL) is being cancelled for. */
int yk__future_cancel_like(yk_future *f, const yk_future *own);

/* Of future.c and future_error.c: the error of a future that is about to end as cancelled, with its
 * reason, if it has one; and what is done with both when it is freed. */
yk_error *yk__future_with_reason(yk_future *f, yk_error *error);
void yk__future_bury_error(yk_future *f);
void yk__future_bury_reasons(yk_future *f);

/* Whether it is one that yk_future_new made: nobody's job and nobody's task. */
bool yk__future_is_promise(const yk_future *f);

/* ---- Waiting -------------------------------------------------------------------------------- */

/* Has notify(f, arg) called when f ends. *place is where (for yk__future_withdraw). 0; YK_EDONE if
 * it has ended and notify will not be called; UV_ENOMEM. `in_order` keeps the order of additions
 * (callbacks). */
int yk__future_wait_for(yk_future *f, void (*notify)(yk_future *, void *), void *arg, bool in_order,
                        yk__place **place);

/* As yk_await_until, but it neither looks at how f has ended (0: it has), nor cancels f with its
 * caller. */
int yk__wait_for_end(yk_future *f, uint64_t deadline);

/* Takes a place back. False: too late, notify has been called or is about to be. */
bool yk__future_withdraw(yk__place *place);

/* Whether a loop of this process is, or was, in debug mode. Set once; relaxed. */
extern _Atomic bool yk__debugging;

/* Says a line to the log hook, if there is one. */
void yk__log(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
