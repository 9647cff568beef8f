/* executor/carried.h - a context on its way: the values of context.h. Not installed.
 *
 * All values of a task are one block of memory with a count of references. A block with more than
 * one is never changed: who sets a value makes a new one. Nothing in it points into itself, so
 * that a copy of its bytes is one as well. NULL is the empty one.
 */
#ifndef YOKE_EXECUTOR_CARRIED_H
#define YOKE_EXECUTOR_CARRIED_H

#include <stddef.h>

typedef struct yk__context yk__context;

/* The caller's own, with a reference more. */
yk__context *yk__context_take(void);
yk__context *yk__context_share(yk__context *c); /* with a reference more; takes NULL */
void yk__context_unref(yk__context *c);         /* takes NULL */

/* Makes `c` the caller's, with its reference. Returns what was, for the leave() that follows, which
 * drops the one that there is then. */
yk__context *yk__context_enter(yk__context *c);
void yk__context_leave(yk__context *before);

/* Of one that is not NULL: how many bytes it takes; those to memory that is shared with a worker
 * process; and there a copy of it (NULL: no memory). */
size_t yk__context_size(const yk__context *c);
void yk__context_put(const yk__context *c, void *to);
yk__context *yk__context_copy(const void *bytes);

/* A copy of `len` bytes that came from elsewhere, if they are one. 0, UV_EPROTO, UV_ENOMEM. */
int yk__context_read(yk__context **c, const void *bytes, size_t len);

#endif
