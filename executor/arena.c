/* The arena: one shared mapping, handed out in power-of-two blocks of pages by a buddy allocator.
 *
 * All bookkeeping lies in private memory of the process that called yk_init(), so nothing that a
 * worker does can damage it. Buddies, because splitting and merging need no search: a block of 2^k
 * pages starts at a multiple of 2^k, and its buddy's number differs in bit k alone (Knuth, The Art
 * of Computer Programming, volume 1, 2.5). Rounding up costs addresses, not memory: pages that
 * nobody touches are not there.
 */
#include "arena.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <uv.h>

#include "arena_internal.h"
#include "internal.h"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#define PAGE_SHIFT      12
#define PAGE            ((size_t)1 << PAGE_SHIFT)
#define MAX_ORDERS      40
#define NONE            UINT32_MAX
#define WORTH_RELEASING ((size_t)64 << 10)

enum { IS_FREE = 0x80 }; /* in `heads`: the rest is the order plus 1, 0 where no block begins */

static struct {
    unsigned char *base;
    size_t size;
    unsigned orders; /* the whole arena is one block of order `orders` - 1 */

    pthread_mutex_t lock;  /* guards all below */
    uint8_t *heads;        /* by page */
    uint32_t *next, *prev; /* by page: the free list of its order; `next` of the first page of a
                              block in use: its references */
    uint32_t first[MAX_ORDERS];
    size_t used, idle;
    size_t keep; /* bytes of freed blocks that stay in memory for reuse */
} arena = { .lock = PTHREAD_MUTEX_INITIALIZER, .keep = (size_t)64 << 20 };

/* ---- Free lists ----------------------------------------------------------------------------- */

static void list_add(uint32_t page, unsigned order)
{
    uint32_t head = arena.first[order];
    arena.next[page] = head;
    arena.prev[page] = NONE;
    if (head != NONE)
        arena.prev[head] = page;
    arena.first[order] = page;
    arena.heads[page] = (uint8_t)(IS_FREE | (order + 1));
}

static void list_remove(uint32_t page, unsigned order)
{
    uint32_t next = arena.next[page], prev = arena.prev[page];
    if (next != NONE)
        arena.prev[next] = prev;
    if (prev != NONE)
        arena.next[prev] = next;
    else
        arena.first[order] = next;
    arena.heads[page] = 0;
}

static unsigned order_for(size_t size)
{
    size_t pages = (size + PAGE - 1) >> PAGE_SHIFT;
    return pages <= 1 ? 0 : 64 - (unsigned)__builtin_clzll(pages - 1);
}

static uint32_t take_block(unsigned order)
{
    unsigned k = order;
    while (k < arena.orders && arena.first[k] == NONE)
        k++;
    if (k >= arena.orders)
        return NONE;
    uint32_t page = arena.first[k];
    list_remove(page, k);
    while (k > order) {
        k--;
        list_add(page + ((uint32_t)1 << k), k);
    }
    arena.heads[page] = (uint8_t)(order + 1);
    arena.next[page] = 1;
    return page;
}

static void give_block(uint32_t page, unsigned order)
{
    arena.heads[page] = 0;
    while (order + 1 < arena.orders) {
        uint32_t buddy = page ^ ((uint32_t)1 << order);
        if (arena.heads[buddy] != (IS_FREE | (order + 1)))
            break;
        list_remove(buddy, order);
        page &= buddy;
        order++;
    }
    list_add(page, order);
}

/* ---- Life ----------------------------------------------------------------------------------- */

static size_t arena_size(void)
{
    /* Its search for leaks reads all memory there is, and a page of shared memory that is read
     * exists from then on. */
    if (RUNNING_ON_VALGRIND)
        return (size_t)256 << 20;
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    size_t ram = pages > 0 && page > 0 ? (size_t)pages * (size_t)page : 0, size = (size_t)1 << 30;
    while (size < ram && size < (size_t)1 << 42)
        size *= 2;
    return size;
}

static void *map_shared(size_t size)
{
    int fd = memfd_create("yoke-arena", MFD_CLOEXEC);
    if (fd < 0)
        return MAP_FAILED;
    void *base = MAP_FAILED;
    if (ftruncate(fd, (off_t)size) == 0)
        base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    close(fd);
    return base;
}

static void *map_private(size_t size)
{
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                0);
}

int yk__arena_start(void)
{
    if (arena.base)
        return 0;
    /* As much as there is memory; less where a limit on address space forbids it. */
    size_t size = arena_size();
    unsigned char *base;
    while ((base = map_shared(size)) == MAP_FAILED && size > ((size_t)64 << 20))
        size /= 2;
    if (base == MAP_FAILED)
        return UV_ENOMEM;
    size_t pages = size >> PAGE_SHIFT, per_page = sizeof(uint8_t) + 2 * sizeof(uint32_t);
    unsigned char *books = map_private(pages * per_page);
    if (books == MAP_FAILED) {
        munmap(base, size);
        return UV_ENOMEM;
    }
    arena.next = (uint32_t *)books;
    arena.prev = arena.next + pages;
    arena.heads = (uint8_t *)(arena.prev + pages);
    arena.base = base;
    arena.size = size;
    arena.orders = order_for(size) + 1;
    madvise(base, size, MADV_DONTDUMP); /* a crashed worker's core is about the worker */
    memset(arena.first, 0xff, sizeof arena.first);
    list_add(0, arena.orders - 1);
    return 0;
}

static void unmap(void)
{
    size_t pages = arena.size >> PAGE_SHIFT;
    munmap(arena.next, pages * (sizeof(uint8_t) + 2 * sizeof(uint32_t)));
    munmap(arena.base, arena.size);
    arena.base = NULL;
    arena.size = 0;
}

void yk__arena_stop(void)
{
    pthread_mutex_lock(&arena.lock);
    if (arena.base && arena.used == 0) /* else a result outlives its pool */
        unmap();
    pthread_mutex_unlock(&arena.lock);
}

/* ---- Blocks --------------------------------------------------------------------------------- */

void *yk_arena_alloc(size_t size)
{
    if (yk__in_worker || size == 0 || size > (size_t)1 << 42)
        return NULL;
    unsigned order = order_for(size);
    size_t bytes = PAGE << order;
    pthread_mutex_lock(&arena.lock);
    uint32_t page = arena.base ? take_block(order) : NONE;
    if (page != NONE) {
        arena.used += bytes;
        arena.idle -= bytes < arena.idle ? bytes : arena.idle;
    }
    pthread_mutex_unlock(&arena.lock);
    return page == NONE ? NULL : arena.base + ((size_t)page << PAGE_SHIFT);
}

void *yk_arena_calloc(size_t n, size_t size)
{
    size_t bytes;
    void *block = __builtin_mul_overflow(n, size, &bytes) ? NULL : yk_arena_alloc(bytes);
    return block ? memset(block, 0, bytes) : NULL;
}

/* The first page of the block in use that has this page; NONE. Blocks of order k begin at multiples
 * of 2^k, and the first head below a page is that of the block around it. */
static uint32_t block_around(uint32_t page)
{
    for (unsigned k = 0; k < arena.orders; k++) {
        uint32_t first = page & ~(((uint32_t)1 << k) - 1);
        if (arena.heads[first] != 0)
            return arena.heads[first] & IS_FREE ? NONE : first;
    }
    return NONE;
}

void *yk_arena_ref(const void *p)
{
    if (yk__in_worker || !yk_arena_contains(p))
        return NULL;
    size_t offset = (size_t)((const unsigned char *)p - arena.base);
    pthread_mutex_lock(&arena.lock);
    uint32_t first = block_around((uint32_t)(offset >> PAGE_SHIFT));
    /* The free that is on its way, of the last reference, is not undone. */
    bool there = first != NONE && arena.next[first] > 0 && arena.next[first] < UINT32_MAX;
    if (there)
        arena.next[first]++;
    pthread_mutex_unlock(&arena.lock);
    return there ? arena.base + ((size_t)first << PAGE_SHIFT) : NULL;
}

void yk_arena_free(void *block)
{
    if (!block || yk__in_worker)
        return;
    uint32_t page = (uint32_t)((size_t)((unsigned char *)block - arena.base) >> PAGE_SHIFT);
    pthread_mutex_lock(&arena.lock);
    if (--arena.next[page] > 0) {
        pthread_mutex_unlock(&arena.lock);
        return;
    }
    unsigned order = arena.heads[page] - 1u;
    size_t bytes = PAGE << order;
    bool release = bytes >= WORTH_RELEASING && arena.idle + bytes > arena.keep;
    if (release) {
        pthread_mutex_unlock(&arena.lock);
        madvise(block, bytes, MADV_REMOVE); /* before it is free: then it is somebody else's */
        pthread_mutex_lock(&arena.lock);
    }
    give_block(page, order);
    arena.used -= bytes;
    if (!release)
        arena.idle += bytes;
    pthread_mutex_unlock(&arena.lock);
}

/* Pages that are in no block. */
static void release_free_blocks(void)
{
    for (unsigned order = 0; order < arena.orders; order++)
        for (uint32_t page = arena.first[order]; page != NONE; page = arena.next[page])
            madvise(arena.base + ((size_t)page << PAGE_SHIFT), PAGE << order, MADV_REMOVE);
    arena.idle = 0;
}

size_t yk_arena_keep(size_t bytes)
{
    pthread_mutex_lock(&arena.lock);
    size_t before = arena.keep;
    arena.keep = bytes;
    if (arena.base && !yk__in_worker && arena.idle > bytes)
        release_free_blocks();
    pthread_mutex_unlock(&arena.lock);
    return before;
}

bool yk_arena_contains(const void *p)
{
    const unsigned char *c = p;
    return arena.base && c >= arena.base && c < arena.base + arena.size;
}

uint32_t yk__arena_page(const void *block)
{
    return (uint32_t)((size_t)((const unsigned char *)block - arena.base) >> PAGE_SHIFT) + 1;
}

void *yk__arena_at(uint32_t page)
{
    return arena.base + ((size_t)(page - 1) << PAGE_SHIFT);
}

size_t yk_arena_used(void)
{
    pthread_mutex_lock(&arena.lock);
    size_t used = arena.used;
    pthread_mutex_unlock(&arena.lock);
    return used;
}
