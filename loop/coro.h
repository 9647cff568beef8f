/* loop/coro.h - coroutines: one thread, many stacks. Not installed.
 *
 *   1. yk__coro host = { 0 }: where the thread itself stands while a coroutine runs;
 *   2. yk__coro_make(&c, stack, size, fn, arg): nothing runs yet;
 *   3. yk__coro_switch(&host, &c) suspends the one and continues the other, as often as one likes,
 *      in any direction, on one and the same thread;
 *   4. fn's last act is yk__coro_exit(&c, &host): it must not return;
 *   5. yk__coro_destroy(&c), from another stack; only then may the stack be used again.
 *
 * A switch keeps what a C function keeps: the callee-saved general registers, the stack, and the
 * control words of the floating-point units (rounding, masks), which the ABI makes callee-saved
 * too: a task that sets a rounding mode would otherwise set it for every other. The signal mask is
 * the thread's, not the coroutine's: that would be a system call a switch.
 */
#ifndef YOKE_LOOP_CORO_H
#define YOKE_LOOP_CORO_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define YK__CORO_ANNOTATED 1
#else
#define YK__CORO_ANNOTATED 0
#endif

typedef struct yk__coro {
    void *sp; /* where it stands while it is suspended */
    void (*fn)(void *);
    void *arg;

    /* For the sanitizers; see coro.c. */
    const void *bottom;
    size_t size;
    void *fake_stack;
    void *fiber;
    struct yk__coro *came_from;
#ifdef __SANITIZE_THREAD__
    sigset_t signals; /* the thread's mask, which is closed during a switch */
#endif
} yk__coro;

/* `stack` is the low end of `size` bytes that the caller owns. */
void yk__coro_make(yk__coro *c, void *stack, size_t size, void (*fn)(void *), void *arg);
void yk__coro_destroy(yk__coro *c);

/* Leaves `from` for good. */
void yk__coro_exit(yk__coro *from, yk__coro *to) __attribute__((noreturn));

/* The machine's part. yk__coro_jump stores where the caller stands in *save and goes on at `to`;
 * it returns when somebody jumps to what it stored. yk__coro_frame lays out a stack so that a jump
 * to what it returns calls fn(arg). */
void yk__coro_jump(void **save, void *to);
void *yk__coro_frame(void *stack, size_t size, void (*fn)(void *), void *arg);

/* The sanitizers' part. */
void yk__coro_before_switch(yk__coro *from, yk__coro *to, bool for_good);
void yk__coro_after_switch(yk__coro *now_running);

/* Inline: each `ret` on the way out of a switch is one that the processor predicts wrongly. */
static inline void yk__coro_switch(yk__coro *from, yk__coro *to)
{
#if YK__CORO_ANNOTATED
    yk__coro_before_switch(from, to, false);
#endif
    yk__coro_jump(&from->sp, to->sp);
#if YK__CORO_ANNOTATED
    yk__coro_after_switch(from);
#endif
}

#endif
