/* loop/serve/pool_door.h - how processes find the one that has the shared pool. Not installed.
 *
 * A socket pair that the supervisor makes before it forks anybody. Whoever wants a connection to
 * the pool makes one, and sends an end of it through the pair; the pool's process takes it from
 * there. So a connection needs nothing of the supervisor and no name in any file system; and while
 * there is no such process, because it died, those who knock wait for its successor.
 *
 * The pool's process sees the end of the pair when nobody is left who could knock.
 */
#ifndef YOKE_LOOP_SERVE_POOL_DOOR_H
#define YOKE_LOOP_SERVE_POOL_DOOR_H

#include "link.h"

typedef struct yk__pool_door {
    int outside, inside; /* where clients knock, where the pool's process answers; -1: closed */
    yk__image image;
} yk__pool_door;

/* UV_EMFILE, UV_ENFILE, ... */
int yk__pool_door_open(yk__pool_door *door);
void yk__pool_door_close(yk__pool_door *door);

/* In a fork: keeps one of the two. */
void yk__pool_door_stay_outside(yk__pool_door *door);
void yk__pool_door_stay_inside(yk__pool_door *door);

/* *fd: a connection to whoever answers, now or later; non-blocking, the caller's. UV_EAGAIN: many
 * wait, try again; UV_EMFILE, ... */
int yk__pool_door_knock(const yk__pool_door *door, int *fd);

/* The next connection, the caller's. UV_EAGAIN: nobody has knocked; UV_EOF: nobody ever will. */
int yk__pool_door_answer(const yk__pool_door *door, int *fd);

#endif
