/* executor/arena_internal.h - mapping and unmapping the arena, for yk_init(). Not installed. */
#ifndef YOKE_EXECUTOR_ARENA_INTERNAL_H
#define YOKE_EXECUTOR_ARENA_INTERNAL_H

#include <stdint.h>

/* Maps the arena, once, before the zygote is forked. 0 or UV_ENOMEM. */
int yk__arena_start(void);

/* Unmaps it, unless a block of it is still in use. */
void yk__arena_stop(void);

/* The number of a block, never 0, and the way back; in every process. */
uint32_t yk__arena_page(const void *block);
void *yk__arena_at(uint32_t page);

#endif
