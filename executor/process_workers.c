/* The driver's dealings with the zygote, and what the remotes report. */
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "arena.h"
#include "process_pool.h"
#include "process_terms.h"
#include "zygote.h"

/* ---- Workers -------------------------------------------------------------------------------- */

static void zygote_speaks(yk__watch *watch);

static int connect_zygote(struct process_pool *p)
{
    if (p->zygote.fd >= 0)
        return 0;
    int fd;
    int err = yk__zygote_connect(&fd);
    if (err)
        return err;
    p->zygote = (yk__watch){ .fd = fd, .readable = zygote_speaks };
    err = yk__reactor_watch(p->reactor, &p->zygote);
    if (err) {
        close(fd);
        p->zygote.fd = -1;
    }
    return err;
}

static const remote_ops worker_ops;

remote *yk__pool_start_worker(struct process_pool *p)
{
    unsigned i;
    int err = yk__pool_slot(p, &i) ? connect_zygote(p) : UV_ENOMEM;
    remote *r =
        err ? NULL
            : yk__remote_new(p, &worker_ops, p->reactor, p->zygote.fd, yk__pool_next_index(p),
                             ++p->last_serial, p->ex.name, p->spec, &err);
    if (!r) {
        yk__pool_start_failed(p, NULL, err);
        return NULL;
    }
    r->grace = p->grace;
    r->slot = i;
    yk__pool_let_spin(p, r);
    yk__remote_say_cpu(r, p->on_cpu);
    yk__pool_life_begins(p, r);
    yk__remote_set_cells(r, p->cells[i]);
    yk__remote_announce(r, atomic_load_explicit(&p->reactor->parked, memory_order_relaxed));
    p->remotes[i] = r;
    p->n_remotes++;
    yk__pool_count(&p->started, 1);
    yk__pool_count(&p->alive, 1);
    yk__pool_worker_made(p, r);
    return r;
}

static remote *by_serial(struct process_pool *p, uint32_t serial)
{
    for (unsigned i = 0; i < p->n_slots; i++)
        if (p->remotes[i] && p->remotes[i]->serial == serial)
            return p->remotes[i];
    return NULL;
}

static void zygote_gone(struct process_pool *p)
{
    yk__reactor_unwatch(p->reactor, &p->zygote);
    close(p->zygote.fd);
    p->zygote.fd = -1;
    /* First mark, then tell: telling may start workers, of another zygote. */
    for (unsigned i = 0; i < p->n_slots; i++)
        if (p->remotes[i])
            p->remotes[i]->zygote_gone = true;
    for (unsigned i = 0; i < p->n_slots; i++)
        if (p->remotes[i] && p->remotes[i]->zygote_gone)
            yk__remote_orphaned(p->remotes[i]);
    yk__pool_moved(p);
}

static void zygote_said(struct process_pool *p, const yk__zygote_message *m, int fd)
{
    remote *r = by_serial(p, m->serial);
    if (!r || m->type != YK__ZYGOTE_SPAWNED) {
        if (fd >= 0)
            close(fd);
    }
    if (!r)
        return;
    if (m->type == YK__ZYGOTE_SPAWNED) {
        yk__remote_spawned(r, m->value, fd);
        yk__pool_worker_there(p, r);
    } else if (m->type == YK__ZYGOTE_EXITED)
        yk__remote_exited(r, m->value, m->index);
    else if (m->type == YK__ZYGOTE_REFUSED)
        yk__remote_refused(r, m->value);
}

/* An error that is not its end, for lack of memory, leaves the message where it is. */
static int hear(struct process_pool *p, yk__zygote_message *m, int *fd)
{
    int err = UV_EOF;
    for (int tries = 0; tries < 3; tries++) {
        err = yk__zygote_receive(p->zygote.fd, m, fd, 1);
        if (err == 0 || err == UV_EAGAIN || err == UV_EOF)
            break;
    }
    return err;
}

static void zygote_speaks(yk__watch *watch)
{
    struct process_pool *p =
        (struct process_pool *)((char *)watch - offsetof(struct process_pool, zygote));
    yk__executor_hold(&p->ex);
    yk__zygote_message m;
    int fd, err = 0;
    while (p->zygote.fd >= 0 && (err = hear(p, &m, &fd)) == 0)
        zygote_said(p, &m, fd);
    if (p->zygote.fd >= 0 && err != UV_EAGAIN)
        zygote_gone(p);
    yk__executor_release(&p->ex);
}

/* ---- What the remotes report ---------------------------------------------------------------- */

/* A worker runs one job at a time: those behind it in the ring have not begun. */
void yk__pool_left_ring(struct process_pool *p, remote *r, const process_job *job)
{
    p->open--;
    if (p->by_priority)
        p->ringed[job->place.class_]--;
    if (r->open > 0)
        return;
    yk__pool_busy_changed(p, -1);
    if (r->retires)
        yk__pool_vacated(p, r);
}

static void worker_result(remote *r, process_job *job, const yk__result_slot *slot, void *room)
{
    struct process_pool *p = r->pool;
    yk__pool_left_ring(p, r, job);
    yk__pool_life_goes_on(p);
    yk__pool_measured(p, r, job, slot);
    if (yk__future_claim(&job->work.future)) {
        char message[YK__MESSAGE_MAX];
        size_t len = slot->len < sizeof message ? slot->len : sizeof message - 1;
        if (slot->code == 0) {
            yk__pool_end_done(job, slot, room);
        } else {
            memcpy(message, slot->inline_result, len);
            message[len] = '\0';
            int code = slot->code < 0 ? slot->code : YK_EJOB;
            yk__pool_end_failed(job, code, len ? message : yk_strerror(code), NULL);
        }
    } else {
        yk_arena_free(room);
    }
    yk__pool_let_go(job);
}

/* It died, or did not start in time. Counted before its job's future ends: who awaits that finds it
 * in the statistics. */
static void count_death(struct process_pool *p, remote *r)
{
    if (r->counted)
        return;
    r->counted = true;
    yk__pool_count(&p->crashed, 1);
}

static void worker_lost(remote *r, process_job *job, int code, const char *message,
                        yk__death *death)
{
    char text[224];
    if (!r->stopping && r->ladder == AT_PEACE)
        count_death(r->pool, r);
    yk__pool_left_ring(r->pool, r, job);
    yk__pool_measured_loss(r->pool, r, job, code);
    if (code == YK_ECRASHED && job->terms && yk__terms_try_again(job))
        return;
    if (yk__future_claim(&job->work.future))
        yk__pool_end_failed(job, code, yk__terms_story(job, message, text, sizeof text), death);
    yk__pool_let_go(job);
}

static void worker_returned(remote *r, process_job *job)
{
    struct process_pool *p = r->pool;
    yk__pool_left_ring(p, r, job);
    yk_future *f = &job->work.future;
    if (yk_future_cancel_requested(f)) {
        yk__pool_fail_job(job, YK_ECANCELED, "cancelled before it began");
        return;
    }
    yk__future_advance(f, YK_RUNNING, YK_PENDING);
    yk__future_hand(f, false);
    yk__pool_requeue(p, job);
}

static void worker_ended(remote *r, bool unasked, int refused)
{
    struct process_pool *p = r->pool;
    bool useless = refused || ((unasked || r->late || r->start_failed) && r->ended_jobs == 0);
    p->remotes[r->slot] = NULL;
    p->n_remotes--;
    yk__pool_life_ends(p, r);
    yk__pool_count(&p->alive, -1);
    yk__pool_worker_gone(p, r, unasked || r->late);
    if (unasked || r->late)
        count_death(p, r);
    if (refused)
        yk__pool_count(&p->started, -1);
    if (useless)
        yk__pool_start_failed(p, r, refused);
    yk__remote_free(r);
    yk__pool_moved(p);
}

static void worker_moved(remote *r)
{
    yk__pool_moved(r->pool);
}

static const remote_ops worker_ops = { worker_result, worker_lost, worker_returned, worker_moved,
                                       worker_ended };
