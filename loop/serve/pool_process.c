/* The process that has the pool which all workers share, as the supervisor sees it. */
#include "pool_server.h"
#include "supervisor.h"
#include "worker.h"

#define GRACE_MS 5000 /* to end its workers */

static void be_pool(yk__supervisor *s)
{
    static yk__pool_service service;
    service = (yk__pool_service){ &s->pool.door, &s->options.processes };
    yk__sockets_close(&s->status_sockets, false);
    yk__pool_door_stay_inside(&s->pool.door);
    yk__run_child(yk__pool_serve, &service);
}

int yk__pool_process_open(yk__supervisor *s)
{
    s->pool.helper = (yk__helper){ .name = "pool", .run = be_pool };
    return s->options.shared_processes ? yk__pool_door_open(&s->pool.door) : 0;
}

void yk__pool_process_close(yk__supervisor *s)
{
    yk__pool_door_close(&s->pool.door);
}

/* It ends by itself when nobody is left who could knock. */
static void let_go(yk__supervisor *s)
{
    yk__pool_process *p = &s->pool;
    if (!p->deadline) {
        yk__pool_door_close(&p->door);
        p->deadline = s->now + GRACE_MS * YK__MS;
        p->helper.may_end = true;
    }
    if (p->helper.pid > 0 && s->now >= p->deadline)
        yk__helper_kill(&p->helper);
    else if (p->helper.pid > 0)
        yk__look_by(s, p->deadline);
}

void yk__pool_process_step(yk__supervisor *s)
{
    if (!s->options.shared_processes)
        return;
    if (s->stopping && yk__workers_alive(s) == 0)
        let_go(s);
    else
        yk__helper_step(s, &s->pool.helper);
}
