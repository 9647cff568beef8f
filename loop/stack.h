/* loop/stack.h - stacks for coroutines. Not installed.
 *
 * Stacks are cut from slabs: one mapping for many, of which only what is touched costs memory. At
 * the low end of each lies a guard of 16 KiB, so that a stack that grows too far hits it instead of
 * its neighbour. How the guard is made depends on the kernel:
 *
 *   Linux 6.13 and later: MADV_GUARD_INSTALL, which leaves the mapping whole;
 *   before: mprotect, which splits it in two. A process may have vm.max_map_count mappings (65,530
 *           by default), and stacks take at most half of them: some 16,000 guards;
 *   beyond that: no guard but a canary, looked at when the stack is given back. An overflow is then
 *           noticed late, and the process ended.
 *
 * Stacks are used again, the last one given back first, since its memory is warm. What free stacks
 * keep is bounded: see yk__stack_give. A pool belongs to one thread.
 */
#ifndef YOKE_LOOP_STACK_H
#define YOKE_LOOP_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define YK__STACK_DEFAULT  ((size_t)256 << 10)
#define YK__STACK_SMALLEST ((size_t)16 << 10)
#define YK__STACK_GUARD    ((size_t)16 << 10)

/* The memory that the free stacks of a pool may keep. */
#define YK__STACK_CACHE ((size_t)64 << 20)

typedef enum yk__guard {
    YK__GUARD_INSTALLED, /* where that does not work, the next one */
    YK__GUARD_MPROTECT,  /* likewise */
    YK__GUARD_CANARY,
} yk__guard;

typedef struct yk__stack {
    struct yk__stack *next; /* in a list of free ones */
    char *low;              /* above the guard */
    size_t size;
    size_t kept; /* while it is free: what it counts for in the cache */
    uint32_t guard_size;
    uint8_t class;
    uint8_t guard; /* of yk__guard: which one it has */
    unsigned valgrind_id;
} yk__stack;

struct yk__slab;

/* All stacks of a class have the same size, a power of two. */
#define YK__STACK_CLASSES 20

typedef struct yk__stack_pool {
    yk__guard guard;
    struct yk__slab *slabs; /* the newest first */
    struct {
        struct yk__slab *filling; /* the slab that still has stacks that were never used */
        yk__stack *warm, *cold;
    } class[YK__STACK_CLASSES];
    size_t kept; /* by the warm ones, at most YK__STACK_CACHE */
    size_t in_use;
} yk__stack_pool;

void yk__stack_pool_init(yk__stack_pool *pool, yk__guard guard);

/* Unmaps everything; every stack must have been given back. */
void yk__stack_pool_destroy(yk__stack_pool *pool);

/* A stack of at least `size` bytes (0: the default); NULL: no memory, or too large. */
yk__stack *yk__stack_take(yk__stack_pool *pool, size_t size);

/* Gives it back. False: the canary is dead, the stack has overflown, and others' memory with it. */
bool yk__stack_give(yk__stack_pool *pool, yk__stack *stack);

/* Whether the address lies in the guard of this stack. Safe in a signal handler. */
bool yk__stack_guard_hit(const yk__stack *stack, const void *address);

#endif
