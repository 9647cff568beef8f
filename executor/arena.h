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

/* At least `size` bytes, aligned to a page, contents undefined. The caller frees them. Any thread
 * of the process that called yk_init(). NULL: not initialised, in a worker, or no memory left. */
void *yk_arena_alloc(size_t size);

/* Gives a block back; nobody may use it any more. Takes NULL. */
void yk_arena_free(void *block);

/* Whether p points into the arena. Any process. */
bool yk_arena_contains(const void *p);

/* Bytes in blocks that are allocated now. */
size_t yk_arena_used(void);

#ifdef __cplusplus
}
#endif
#endif
