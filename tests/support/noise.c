#include "noise.h"

#include <dlfcn.h>
#include <locale.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

struct noise {
    _Atomic bool end;
    unsigned n;
    size_t bytes;
    char *memory;
    pthread_t threads[];
};

/* ---- What they do --------------------------------------------------------------------------- */

static int memory(unsigned n)
{
    char *some[16];
    int err = 0;
    for (unsigned i = 0; i < 16; i++) {
        some[i] = malloc(1 + (n * 37 + i * 101) % 5000);
        if (some[i])
            some[i][0] = 1;
        else
            err = -1;
    }
    for (unsigned i = 0; i < 16; i++)
        free(some[i]);
    return err;
}

static int stdio(unsigned n)
{
    FILE *file = fopen("/dev/null", "we");
    if (!file)
        return -1;
    int err = fprintf(file, "%u %s\n", n, "noise") < 0;
    fflush(stdout); /* takes the lock of a stream that all share */
    return fclose(file) || err ? -1 : 0;
}

static int locale(unsigned n)
{
    locale_t l = newlocale(LC_ALL_MASK, n % 2 ? "C.UTF-8" : "C", (locale_t)0);
    if (!l)
        return -1;
    struct lconv *c = localeconv();
    freelocale(l);
    return c ? 0 : -1;
}

/* The thread sanitizer does not know the linker's lock: what is loaded there is not unloaded. */
#ifdef __SANITIZE_THREAD__
#define HOW     (RTLD_NOW | RTLD_NOLOAD)
#define LIBRARY "libc.so.6"
#else
#define HOW     RTLD_NOW
#define LIBRARY "libdl.so.2"
#endif

static int linker(unsigned n)
{
    void *library = dlopen(n % 2 ? "libm.so.6" : LIBRARY, HOW);
    if (!library)
        return -1;
    dlsym(library, "cos");
    return dlclose(library);
}

static int resolver(unsigned n)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV }, *found;
    int err = getaddrinfo("localhost", n % 2 ? "80" : "443", &hints, &found);
    if (err == 0)
        freeaddrinfo(found);
    return 0; /* some machines know no localhost; it has been asked for */
}

static int (*const things[])(unsigned) = { memory, stdio, locale, linker, resolver };
enum { THINGS = sizeof things / sizeof *things };

int noise_once(unsigned n)
{
    int err = 0;
    for (unsigned i = 0; i < THINGS; i++)
        err |= things[i](n);
    return err;
}

/* ---- Threads -------------------------------------------------------------------------------- */

struct start {
    noise *n;
    unsigned index;
};

static void *make_noise(void *arg)
{
    struct start s = *(struct start *)arg;
    free(arg);
    struct timespec breath = { 0, 2000000 }; /* or nobody else gets a CPU */
    for (unsigned i = s.index; !atomic_load_explicit(&s.n->end, memory_order_relaxed); i++) {
        things[s.index % THINGS](i / THINGS);
        if (i % 4 == 0)
            nanosleep(&breath, NULL);
    }
    return NULL;
}

static bool start_one(noise *n)
{
    struct start *s = malloc(sizeof *s);
    if (!s)
        return false;
    *s = (struct start){ n, n->n };
    if (pthread_create(&n->threads[n->n], NULL, make_noise, s) == 0) {
        n->n++;
        return true;
    }
    free(s);
    return false;
}

noise *noise_begin(unsigned threads, size_t bytes)
{
    noise *n = calloc(1, sizeof *n + threads * sizeof *n->threads);
    if (!n)
        return NULL;
    n->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (n->memory == MAP_FAILED) {
        free(n);
        return NULL;
    }
    n->bytes = bytes;
    memset(n->memory, 1, bytes);
    while (n->n < threads && start_one(n))
        ;
    if (n->n == threads)
        return n;
    noise_end(n);
    return NULL;
}

void noise_end(noise *n)
{
    atomic_store(&n->end, true);
    for (unsigned i = 0; i < n->n; i++)
        pthread_join(n->threads[i], NULL);
    munmap(n->memory, n->bytes);
    free(n);
}
