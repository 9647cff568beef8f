/* The one family of errors: names, messages, and the log hook. */
#include "error.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "crash.h"
#include "promise.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof *(a))

static const struct {
    int code;
    const char *name, *meaning;
} own[] = {
    { YK_ECANCELED, "YK_ECANCELED", "cancelled" },
    { YK_ECRASHED, "YK_ECRASHED", "the worker process died" },
    { YK_EJOBTIMEOUT, "YK_EJOBTIMEOUT", "the job ran longer than its limit" },
    { YK_ECLOSED, "YK_ECLOSED", "closed, or shut down" },
    { YK_ENOINIT, "YK_ENOINIT",
      "process pools need yk_init() as the first thing in main(), before any thread exists" },
    { YK_EONLOOP, "YK_EONLOOP", "this would block the loop; await from a task instead" },
    { YK_EDONE, "YK_EDONE", "the future has ended already" },
    { YK_ETOOBIG, "YK_ETOOBIG", "it is larger than the room for it" },
    { YK_EOVERFLOW, "YK_EOVERFLOW", "a sum passed 64 bits" },
    { YK_EFORMAT, "YK_EFORMAT", "not in the expected format" },
    { YK_ECORRUPT, "YK_ECORRUPT", "compressed data is damaged" },
    { YK_ETRUNCATED, "YK_ETRUNCATED", "the data ends too early" },
    { YK_EJOB, "YK_EJOB", "the job failed with an unknown error number" },
    { YK_ENOWORKER, "YK_ENOWORKER", "no worker process could be started" },
    { YK_EDEADLK, "YK_EDEADLK", "a job would wait for its own executor" },
    { YK_EFULL, "YK_EFULL", "the executor's queue is full" },
    { YK_EEXPIRED, "YK_EEXPIRED", "the job did not begin in time" },
    { YK_EINIT, "YK_EINIT", "a worker's initializer failed" },
    { YK_EOWNERDEAD, "YK_EOWNERDEAD", "the mutex's last owner died holding it" },
    { YK_ENOSTREAM, "YK_ENOSTREAM", "the job was submitted without the option 'stream'" },
    { YK_EBROKEN, "YK_EBROKEN", "the barrier was reset or aborted" },
    { YK_ETLS, "YK_ETLS", "TLS failed" },
    { YK_ECERTIFICATE, "YK_ECERTIFICATE", "the peer's certificate cannot be trusted" },
    { YK_END, "YK_END", "nothing more follows" },
};

static int index_of(int code)
{
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        if (own[i].code == code)
            return (int)i;
    return -1;
}

static char *scratch(void)
{
    static _Thread_local char text[64];
    return text;
}

const char *yk_strerror(int code)
{
    int i = index_of(code);
    if (i >= 0)
        return own[i].meaning;
    return code == 0 ? "no error" : uv_strerror_r(code, scratch(), 64);
}

const char *yk_errname(int code)
{
    int i = index_of(code);
    if (i >= 0)
        return own[i].name;
    return code == 0 ? "OK" : uv_err_name_r(code, scratch(), 64);
}

/* ---- yk_error ------------------------------------------------------------------------------- */

#define MESSAGE_MAX 480

/* The error that needs no memory, for when there is none. */
static yk_error no_memory = { .code = UV_ENOMEM, .message = "not enough memory" };

yk_error *yk__error_named(int code, const char *job, const char *text)
{
    size_t size = strlen(text) + 1, name_size = job[0] ? strlen(job) + 1 : 0;
    yk_error *error = malloc(sizeof *error + size + name_size);
    if (!error)
        return &no_memory;
    char *message = (char *)(error + 1);
    memcpy(message, text, size);
    memcpy(message + size, job, name_size);
    *error =
        (yk_error){ .code = code, .message = message, .job = name_size ? message + size : NULL };
    return error;
}

yk_error *yk__error_new(int code, const char *format, ...)
{
    char text[MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return yk__error_named(code, "", text);
}

void yk__error_free(yk_error *error)
{
    if (!error || error == &no_memory)
        return;
    yk__crash_free(error->crash);
    free(error);
}

/* ---- The log hook --------------------------------------------------------------------------- */

/* Set and called from any thread. The two words are published together through a pointer to an
 * immutable pair; old pairs are few and are kept, since a caller may be using one. */
struct hook {
    yk_log_fn fn;
    void *arg;
    struct hook *older;
};
static _Atomic(struct hook *) hook; /* release by yk_set_log, acquire by yk__log */

void yk_set_log(yk_log_fn fn, void *arg)
{
    struct hook *next = malloc(sizeof *next);
    if (!next)
        return;
    *next = (struct hook){ fn, arg, atomic_load_explicit(&hook, memory_order_relaxed) };
    while (!atomic_compare_exchange_weak_explicit(&hook, &next->older, next, memory_order_release,
                                                  memory_order_relaxed))
        ;
}

void yk__log(const char *format, ...)
{
    struct hook *h = atomic_load_explicit(&hook, memory_order_acquire);
    if (!h || !h->fn)
        return;
    char line[MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    h->fn(line, h->arg);
}
