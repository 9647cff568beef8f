/* What lives on a loop and must be gone before it. */
#include "guest.h"

#include <stdlib.h>

#include "internal.h"

int yk__guest_welcome(yk__guest *guest, yk_loop *loop)
{
    if (loop->closing)
        return YK_ECLOSED;
    guest->loop = loop;
    guest->prev = NULL;
    guest->next = loop->guests;
    if (guest->next)
        guest->next->prev = guest;
    loop->guests = guest;
    return 0;
}

void yk__guest_farewell(yk__guest *guest)
{
    yk_loop *loop = guest->loop;
    if (guest->prev)
        guest->prev->next = guest->next;
    else
        loop->guests = guest->next;
    if (guest->next)
        guest->next->prev = guest->prev;
}

/* None is freed before libuv runs, and none comes. */
void yk__guests_leave(yk_loop *loop)
{
    for (yk__guest *g = loop->guests; g; g = g->next)
        g->leave(g);
    while (loop->guests)
        uv_run(loop->uv, UV_RUN_ONCE);
    free(loop->scratch);
    loop->scratch = NULL;
}

char *yk__loop_scratch(yk_loop *loop)
{
    if (!loop->scratch)
        loop->scratch = malloc(YK__SCRATCH);
    return loop->scratch;
}
