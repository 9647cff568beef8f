/* Slabs of guarded stacks; see stack.h. */
#include "stack.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND                0
#define VALGRIND_STACK_REGISTER(low, high) 0
#define VALGRIND_STACK_DEREGISTER(id)      (void)(id)
#endif

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

#define SLAB_BYTES   ((size_t)64 << 20) /* a slab has at least one stack, however large */
#define CANARY       UINT64_C(0x796f6b6520737461)
#define CANARY_WORDS 8

struct yk__slab {
    struct yk__slab *next;
    char *memory;
    size_t count, used; /* stacks; how many of them were ever handed out */
    size_t stride, guard_size;
    uint8_t class;
    yk__stack stacks[];
};

void yk__stack_pool_init(yk__stack_pool *pool, yk__guard guard)
{
    *pool = (yk__stack_pool){ .guard = guard };
}

/* ---- Guards ---------------------------------------------------------------------------------- */

/* Guards made by mprotect, in the whole process. A count and nothing more; relaxed. */
static _Atomic long split_mappings;

static long read_max_map_count(void)
{
    long count = 65530;
    FILE *f = fopen("/proc/sys/vm/max_map_count", "re");
    if (f) {
        if (fscanf(f, "%ld", &count) != 1)
            count = 65530;
        fclose(f);
    }
    return count;
}

static long max_splits(void)
{
    static _Atomic long max; /* 0: not read yet. Whoever reads it first stores the same; relaxed */
    long m = atomic_load_explicit(&max, memory_order_relaxed);
    if (m == 0) {
        /* Half of the mappings; each guard makes two of one. Valgrind has room for 30,000. */
        m = RUNNING_ON_VALGRIND ? 5000 : read_max_map_count() / 2 / 2;
        atomic_store_explicit(&max, m, memory_order_relaxed);
    }
    return m;
}

static bool split(char *guard, size_t size)
{
    if (atomic_fetch_add_explicit(&split_mappings, 1, memory_order_relaxed) < max_splits() &&
        mprotect(guard, size, PROT_NONE) == 0)
        return true;
    atomic_fetch_sub_explicit(&split_mappings, 1, memory_order_relaxed);
    return false;
}

static void set_canary(char *low)
{
    uint64_t words[CANARY_WORDS];
    for (size_t i = 0; i < CANARY_WORDS; i++)
        words[i] = CANARY;
    memcpy(low, words, sizeof words);
}

static bool canary_lives(const char *low)
{
    uint64_t words[CANARY_WORDS];
    memcpy(words, low, sizeof words);
    for (size_t i = 0; i < CANARY_WORDS; i++)
        if (words[i] != CANARY)
            return false;
    return true;
}

static yk__guard best_guard(yk__stack_pool *pool, char *at, size_t size)
{
    if (pool->guard == YK__GUARD_INSTALLED) {
        if (madvise(at, size, MADV_GUARD_INSTALL) == 0)
            return YK__GUARD_INSTALLED;
        pool->guard = YK__GUARD_MPROTECT; /* this kernel has no such thing */
    }
    if (pool->guard == YK__GUARD_MPROTECT && split(at, size))
        return YK__GUARD_MPROTECT;
    return YK__GUARD_CANARY;
}

bool yk__stack_guard_hit(const yk__stack *s, const void *address)
{
    const char *at = address;
    return at >= s->low - s->guard_size && at < s->low;
}

/* ---- Slabs ----------------------------------------------------------------------------------- */

static int class_of(size_t size)
{
    if (size == 0)
        size = YK__STACK_DEFAULT;
    int class = 0;
    for (size_t c = YK__STACK_SMALLEST; c < size; c *= 2)
        if (++class == YK__STACK_CLASSES)
            return -1;
    return class;
}

static size_t at_least_a_page(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return size < page ? page : size;
}

static struct yk__slab *slab_new(uint8_t class)
{
    size_t guard_size = at_least_a_page(YK__STACK_GUARD);
    size_t stride = at_least_a_page(YK__STACK_SMALLEST << class) + guard_size;
    size_t count = stride < SLAB_BYTES ? SLAB_BYTES / stride : 1;
    struct yk__slab *slab = calloc(1, sizeof *slab + count * sizeof slab->stacks[0]);
    if (!slab)
        return NULL;
    void *memory = mmap(NULL, count * stride, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) {
        free(slab);
        return NULL;
    }
    /* A huge page would make the first touch of one stack pay for several. */
    madvise(memory, count * stride, MADV_NOHUGEPAGE);
    slab->memory = memory;
    slab->count = count;
    slab->stride = stride;
    slab->guard_size = guard_size;
    slab->class = class;
    return slab;
}

static yk__stack *first_use(yk__stack_pool *pool, struct yk__slab *slab)
{
    size_t i = slab->used++;
    yk__stack *s = &slab->stacks[i];
    char *at = slab->memory + i * slab->stride;
    s->guard_size = (uint32_t)slab->guard_size;
    s->low = at + s->guard_size;
    s->size = slab->stride - s->guard_size;
    s->class = slab->class;
    s->guard = (uint8_t)best_guard(pool, at, s->guard_size);
    s->valgrind_id = VALGRIND_STACK_REGISTER(s->low, s->low + s->size - 1);
    return s;
}

static yk__stack *from_slab(yk__stack_pool *pool, uint8_t class)
{
    struct yk__slab *slab = pool->class[class].filling;
    if (!slab || slab->used == slab->count) {
        slab = slab_new(class);
        if (!slab)
            return NULL;
        slab->next = pool->slabs;
        pool->slabs = slab;
        pool->class[class].filling = slab;
    }
    return first_use(pool, slab);
}

static void slab_free(struct yk__slab *slab)
{
    long splits = 0;
    for (size_t i = 0; i < slab->used; i++) {
        VALGRIND_STACK_DEREGISTER(slab->stacks[i].valgrind_id);
        splits += slab->stacks[i].guard == YK__GUARD_MPROTECT;
    }
    munmap(slab->memory, slab->count * slab->stride);
    atomic_fetch_sub_explicit(&split_mappings, splits, memory_order_relaxed);
    free(slab);
}

void yk__stack_pool_destroy(yk__stack_pool *pool)
{
    while (pool->slabs) {
        struct yk__slab *slab = pool->slabs;
        pool->slabs = slab->next;
        slab_free(slab);
    }
    *pool = (yk__stack_pool){ 0 };
}

/* ---- Taking and giving back ------------------------------------------------------------------ */

static yk__stack *pop(yk__stack **list)
{
    yk__stack *s = *list;
    if (s)
        *list = s->next;
    return s;
}

static void push(yk__stack **list, yk__stack *s)
{
    s->next = *list;
    *list = s;
}

yk__stack *yk__stack_take(yk__stack_pool *pool, size_t size)
{
    int class = class_of(size);
    if (class < 0)
        return NULL;
    yk__stack *s = pop(&pool->class[class].warm);
    if (s)
        pool->kept -= s->kept;
    else if (!(s = pop(&pool->class[class].cold)))
        s = from_slab(pool, (uint8_t) class);
    if (!s)
        return NULL;
    pool->in_use++;
    if (s->guard == YK__GUARD_CANARY)
        set_canary(s->low);
    return s;
}

/* How much of a stack has been touched. Where the system does not tell: all of it. */
static size_t touched(const yk__stack *s)
{
    unsigned char pages[64];
    size_t page = (size_t)sysconf(_SC_PAGESIZE), sum = 0;
    for (size_t done = 0; done < s->size; done += sizeof pages * page) {
        size_t part = s->size - done < sizeof pages * page ? s->size - done : sizeof pages * page;
        if (mincore(s->low + done, part, pages) != 0)
            return s->size;
        for (size_t i = 0; i < part / page; i++)
            sum += (pages[i] & 1) ? page : 0;
    }
    return sum;
}

/* Free stacks keep at most YK__STACK_CACHE bytes of memory. Up to half of that each counts in full,
 * without a look; the other half is for those that really touched as little as was measured, at a
 * system call each. What would be more than that goes back to the system at once. */
static bool worth_keeping(yk__stack_pool *pool, yk__stack *s)
{
    s->kept = s->size;
    if (pool->kept + s->kept <= YK__STACK_CACHE / 2)
        return true;
    s->kept = touched(s);
    return pool->kept + s->kept <= YK__STACK_CACHE;
}

bool yk__stack_give(yk__stack_pool *pool, yk__stack *s)
{
    if (s->guard == YK__GUARD_CANARY && !canary_lives(s->low))
        return false;
    pool->in_use--;
    if (worth_keeping(pool, s)) {
        pool->kept += s->kept;
        push(&pool->class[s->class].warm, s);
    } else {
        s->kept = 0;
        madvise(s->low, s->size, MADV_DONTNEED);
        push(&pool->class[s->class].cold, s);
    }
    return true;
}
