/* loop/serve/pool_server_internal.h - the inside of the shared pool's process. Not installed.
 *
 *   pool_server.c          connections, the door, start and stop
 *   pool_server_jobs.c     what clients ask for, and what they are told
 *   pool_server_streams.c  what jobs emit, on its way to the clients
 *
 * All of it is for the loop's thread, which drives the pool, too: futures end here. A connection is
 * cut in the server's turn, after it has broken, and freed there when its last job has ended; so
 * nothing of it goes away while somebody is at it.
 */
#ifndef YOKE_LOOP_SERVE_POOL_SERVER_INTERNAL_H
#define YOKE_LOOP_SERVE_POOL_SERVER_INTERNAL_H

#include "../internal.h"
#include "../sync.h"
#include "link.h"
#include "pool_messages.h"
#include "pool_server.h"

struct yk__pool_server {
    yk_executor *pool;
    yk__reactor *reactor;
    const yk__pool_door *door;
    yk__watch knocks; /* its fd is -1 when nobody can knock any more */
    yk__source source;
    yk__timer progress; /* runs while jobs do */
    struct pool_connection *connections;
    size_t n_connections;
    struct pool_job *begun; /* a list of the jobs that have begun */
    yk_future *over;
    yk_event empty; /* no connection is left */
};

typedef struct pool_connection {
    yk__link link; /* the first member */
    yk__pool_server *server;
    struct pool_connection *prev, *next;
    struct pool_job **jobs; /* [size] by number; NULL: there is none */
    uint32_t size;
    size_t open;
    bool cut; /* the link is down, and the jobs have been cancelled */
} pool_connection;

typedef struct pool_job {
    pool_connection *c;
    uint32_t number;
    yk_future *future; /* with a reference */
    bool begun;
    struct pool_job *prev, *next; /* among those that have begun */
    uint64_t done, total;         /* of its progress, as was told last */

    /* Its stream. */
    uint64_t window; /* 0: it has none */
    uint64_t sent, taken;
    bool unread;      /* nobody reads it any more */
    bool unforwarded; /* there was no memory for it */
    bool unheard;     /* nor to hear of the job's end: it is looked for */
    yk_event room;
} pool_job;

/* ---- pool_server_jobs.c ---------------------------------------------------------------------- */

extern const yk__link_ops yk__pool_link_ops;

/* For yk__process_pool_tell(), and for the timer `progress`. */
void yk__pool_job_began(void *told);
void yk__pool_look_at_progress(yk__timer *timer);

/* Sends a frame about a job. */
void yk__pool_tell(pool_job *j, enum yk__frame_type type, const void *bytes, size_t len);

/* A client that cannot be told must not wait for ever: the next turn sees to the jobs. */
static inline void yk__pool_give_up(pool_connection *c)
{
    yk__link_close(&c->link);
}

/* Its future has ended, and what it emitted is on its way: tells so, and frees it. */
void yk__pool_finish_job(pool_job *j);
int yk__pool_job_ended(yk_future *f, void *job); /* as a callback */

/* It may end, and be freed, at once. */
void yk__pool_cancel(pool_job *j);
void yk__pool_cancel_all(pool_connection *c);

/* Those of a connection that is down whose ends nobody hears of. */
void yk__pool_look_for_ends(pool_connection *c);

/* ---- pool_server_streams.c ------------------------------------------------------------------- */

void yk__pool_start_forwarding(pool_job *j);

/* The client has read so much; NULL: it will read no more. */
void yk__pool_stream_changed(pool_job *j, const yk__taken_frame *taken);

#endif
