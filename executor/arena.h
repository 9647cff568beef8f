/* yoke/executor/arena.h - memory that has the same address in every process.
 *
 * yk_init() maps one region before it forks; this process and all its workers see the same bytes at
 * the same addresses. Put something large there, put the pointer to it into a job's argument, and
 * no byte of it is copied, whatever its size.
 *
 *   float *image = yk_arena_alloc(bytes);
 *   ... fill it ...
 *   yk_future *f = yk_submit(pool, blur, &(struct blur_arg){ image, width, height }, sizeof ...);
 *   yk_await(f);                              (the job worked in place)
 *   yk_arena_free(image);
 *
 * A block is counted: it is there until all references are given back. A job that names it in its
 * option `uses` (executor.h) has one while it needs it; so whoever submitted that job may give its
 * own back at once. What lies in it and is shared at work: shared.h.
 *
 * Only this process allocates and frees, so a worker that dies in the middle of anything leaves the
 * arena whole. A job may write into memory that was given to it for writing; nothing but good
 * manners keeps it from writing elsewhere.
 */
#ifndef YOKE_EXECUTOR_ARENA_H
#define YOKE_EXECUTOR_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* At least `size` bytes, aligned to a page, contents undefined. The caller owns one reference. Any
 * thread of the process that called yk_init(). NULL: not initialised, in a worker, or no memory
 * left. */
void *yk_arena_alloc(size_t size);

/* Zeroed room for `n` things of `size` bytes each. */
void *yk_arena_calloc(size_t n, size_t size);

/* One more reference to the block that p points into, wherever in it; returns the block. NULL: p
 * points into no block, or this is a worker, which has no references of its own. */
void *yk_arena_ref(const void *p);

/* Gives a reference back; the last one frees the block. Takes NULL. */
void yk_arena_free(void *block);

/* Whether p points into the arena. Any process. */
bool yk_arena_contains(const void *p);

/* How many bytes of freed blocks stay in memory for reuse, instead of going back to the system:
 * 64 MiB at first. What is too many now goes at once. Returns what it was. */
size_t yk_arena_keep(size_t bytes);

/* Bytes in blocks that are allocated now. */
size_t yk_arena_used(void);

#ifdef __cplusplus
}
#endif
#endif
