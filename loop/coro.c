/* Coroutines: what is the same on every processor, and what the sanitizers must be told.
 *
 * AddressSanitizer keeps for each stack its bounds and, where it looks for uses after return, a
 * second "fake" stack. It is told before a switch where the next stack lies and after it that the
 * switch has happened; a fake stack of NULL at the end frees it. The bounds of the thread's own
 * stack are learnt from the first switch away from it. ThreadSanitizer keeps a "fiber" for each
 * stack and is told which one runs; a switch orders what was done before it against what is done
 * after it.
 */
#include "coro.h"

#include <stdint.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef __SANITIZE_THREAD__
#include <pthread.h>
#include <sanitizer/tsan_interface.h>
#endif

static void begin(void *coro)
{
    yk__coro *c = coro;
#if YK__CORO_ANNOTATED
    yk__coro_after_switch(c);
#endif
    c->fn(c->arg);
    __builtin_trap();
}

void yk__coro_make(yk__coro *c, void *stack, size_t size, void (*fn)(void *), void *arg)
{
    *c = (yk__coro){ .fn = fn, .arg = arg, .bottom = stack, .size = size };
#ifdef __SANITIZE_ADDRESS__
    ASAN_UNPOISON_MEMORY_REGION(stack, size); /* left by the last one that used this stack */
#endif
#ifdef __SANITIZE_THREAD__
    c->fiber = __tsan_create_fiber(0);
#endif
    c->sp = yk__coro_frame(stack, size, begin, c);
}

void yk__coro_destroy(yk__coro *c)
{
#ifdef __SANITIZE_THREAD__
    if (c->fiber)
        __tsan_destroy_fiber(c->fiber);
#endif
    *c = (yk__coro){ 0 };
}

void yk__coro_before_switch(yk__coro *from, yk__coro *to, bool for_good)
{
    to->came_from = from;
    (void)for_good;
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_start_switch_fiber(for_good ? NULL : &from->fake_stack, to->bottom, to->size);
#endif
#ifdef __SANITIZE_THREAD__
    if (!from->fiber)
        from->fiber = __tsan_get_current_fiber();
    /* A signal that finds a fiber outside a blocking call is put off to the fiber's next
     * intercepted call: those of one that is left for the last time would never be handled, and a
     * loop would wait for a SIGCHLD that came. This call is such a one, and what comes after it
     * waits in the kernel until the next fiber runs. */
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &from->signals);
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
}

void yk__coro_after_switch(yk__coro *now_running)
{
    (void)now_running;
#ifdef __SANITIZE_ADDRESS__
    yk__coro *from = now_running->came_from;
    __sanitizer_finish_switch_fiber(now_running->fake_stack, &from->bottom, &from->size);
#endif
#ifdef __SANITIZE_THREAD__
    pthread_sigmask(SIG_SETMASK, &now_running->came_from->signals, NULL);
#endif
}

void yk__coro_exit(yk__coro *from, yk__coro *to)
{
#if YK__CORO_ANNOTATED
    yk__coro_before_switch(from, to, true);
#endif
    yk__coro_jump(&from->sp, to->sp);
    __builtin_unreachable();
}
