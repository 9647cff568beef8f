/* The memory of tasks. A loop keeps what its tasks leave behind for those to come: it is warm, and
 * the allocator neither looks for room nor gives pages back to the system between two waves of
 * tasks. Under the sanitizers nothing is kept, so that they see each use after the end. */
#include "internal.h"

#include <stdlib.h>

#define MOST_KEPT (YK__CORO_ANNOTATED ? 0 : (size_t)1 << 20) /* bytes */

yk__task *yk__task_take_room(yk_loop *loop)
{
    if (!yk__loop_is_mine(loop) || !loop->rooms)
        return malloc(sizeof(yk__task));
    yk__task *t = loop->rooms;
    loop->rooms = t->next;
    loop->room_count--;
    return t;
}

/* The loop whose task it was may be gone; this thread's own takes it, if there is one. */
void yk__task_give_room(yk__task *t)
{
    yk_loop *loop = yk_loop_current();
    if (!loop || (loop->room_count + 1) * sizeof *t > MOST_KEPT) {
        free(t);
        return;
    }
    t->next = loop->rooms;
    loop->rooms = t;
    loop->room_count++;
}

void yk__task_free_rooms(yk_loop *loop)
{
    while (loop->rooms) {
        yk__task *t = loop->rooms;
        loop->rooms = t->next;
        free(t);
    }
}
