/* loop/guest.h - what lives on a loop beside its tasks and holds on to libuv: transports, servers'
 * sockets. Not installed.
 *
 * A guest is embedded in what it belongs to. The loop's end asks each to leave, and runs until all
 * have said farewell, so nothing of libuv's outlives the loop and nobody is left with a handle on
 * one that is gone. For the loop's thread.
 */
#ifndef YOKE_LOOP_GUEST_H
#define YOKE_LOOP_GUEST_H

#include <stddef.h>
#include <uv.h>

#include "loop.h"

typedef struct yk__guest {
    struct yk__guest *prev, *next;
    yk_loop *loop;
    /* The loop ends. To be followed by a farewell, from a callback of libuv's. Called once. */
    void (*leave)(struct yk__guest *guest);
} yk__guest;

/* YK_ECLOSED: the loop is ending. */
int yk__guest_welcome(yk__guest *guest, yk_loop *loop);
void yk__guest_farewell(yk__guest *guest);

/* Of the loop's end. */
void yk__guests_leave(yk_loop *loop);

/* Room for what is read, shared by all that read on this loop: good until the callback that it is
 * handed to returns. NULL: no memory. */
#define YK__SCRATCH ((size_t)64 << 10)
char *yk__loop_scratch(yk_loop *loop);

#endif
