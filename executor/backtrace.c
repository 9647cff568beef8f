/* Where a thread is. The unwinder is libgcc's, of which crash.c says why a handler may use it. */
#include "backtrace.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unwind.h>

#include "promise.h"

#if defined(__x86_64__)
#define PC_OF(u) ((uintptr_t)(u)->uc_mcontext.gregs[REG_RIP])
#elif defined(__aarch64__)
#define PC_OF(u) ((uintptr_t)(u)->uc_mcontext.pc)
#else
#error "where does this processor keep its program counter?"
#endif

struct walk {
    yk__backtrace *to;
    uintptr_t skip_to; /* frames before this address are the handler's own; 0: no more of them */
};

static _Unwind_Reason_Code visit(struct _Unwind_Context *at, void *arg)
{
    struct walk *walk = arg;
    int exact = 0;
    uintptr_t ip = _Unwind_GetIPInfo(at, &exact);
    if (walk->skip_to && ip != walk->skip_to)
        return _URC_NO_REASON;
    walk->skip_to = 0;
    yk__backtrace *b = walk->to;
    if (ip == 0 || b->n == YK__CRASH_FRAMES)
        return _URC_END_OF_STACK;
    /* What is kept is an address inside of the call, not behind it. */
    b->frames[b->n++] = (yk__crash_frame){ .address = exact ? ip : ip - 1 };
    return _URC_NO_REASON;
}

void yk__backtrace_take(yk__backtrace *b, void *context)
{
    struct walk walk = { b, context ? PC_OF((ucontext_t *)context) : 0 };
    b->n = 0;
    _Unwind_Backtrace(visit, &walk);
}

void yk__backtrace_prepare(void)
{
    yk__backtrace unused;
    yk__backtrace_take(&unused, NULL);
}

char *yk__backtrace_text(const yk__backtrace *b)
{
    yk__backtrace located = *b;
    char paths[YK__CRASH_PATHS] = "";
    yk__crash_locate(located.frames, located.n, paths);
    char *plain = yk__symbolize(located.frames, located.n, paths), *text = NULL;
    size_t size;
    FILE *to = plain ? open_memstream(&text, &size) : NULL;
    for (size_t i = 0, n; to && plain[i]; i += n + (plain[i + n] == '\n')) {
        n = strcspn(plain + i, "\n");
        fprintf(to, "    %.*s\n", (int)n, plain + i);
    }
    if (to)
        fclose(to);
    free(plain);
    return text;
}

void yk__log_lines(const char *text)
{
    for (size_t n; *text; text += n + (text[n] == '\n')) {
        n = strcspn(text, "\n");
        yk__log("%.*s", (int)n, text);
    }
}

bool yk__backtrace_is_in(const yk__backtrace *b, void (*function)(void))
{
    for (uint32_t i = 0; i < b->n; i++) {
        void *address = (void *)(uintptr_t)b->frames[i].address;                   /* NOLINT */
        if (_Unwind_FindEnclosingFunction(address) == (void *)(uintptr_t)function) /* NOLINT */
            return true;
    }
    return false;
}
