/* Coroutine switch for every other processor: ucontext, which costs a system call a switch (about
 * 300 ns) because it keeps a signal mask for each context. A suspended coroutine's sp points to its
 * ucontext_t, which lies on its own stack. */
#include <stdint.h>
#include <ucontext.h>

#include "coro.h"

void yk__coro_jump(void **save, void *to)
{
    ucontext_t here;
    *save = &here;
    swapcontext(&here, to);
}

/* makecontext passes ints; a pointer takes two. */
static void start(unsigned fn_high, unsigned fn_low, unsigned arg_high, unsigned arg_low)
{
    void (*fn)(void *) = (void (*)(void *))(uintptr_t)((uint64_t)fn_high << 32 | fn_low);
    fn((void *)(uintptr_t)((uint64_t)arg_high << 32 | arg_low));
    __builtin_trap();
}

void *yk__coro_frame(void *stack, size_t size, void (*fn)(void *), void *arg)
{
    uintptr_t top = ((uintptr_t)stack + size - sizeof(ucontext_t)) & ~(uintptr_t)63;
    ucontext_t *context = (ucontext_t *)top;
    getcontext(context);
    context->uc_stack.ss_sp = stack;
    context->uc_stack.ss_size = top - (uintptr_t)stack;
    context->uc_link = NULL;
    uint64_t f = (uintptr_t)fn, a = (uintptr_t)arg;
    makecontext(context, (void (*)(void))start, 4, (unsigned)(f >> 32), (unsigned)f,
                (unsigned)(a >> 32), (unsigned)a);
    return context;
}
