/* Which workers there should be, and how one takes the place of another. */
#include <uv.h>

#include "../../executor/error.h"
#include "back_off.h"
#include "serve_log.h"
#include "supervisor.h"

/* A connection whose handshake began before it was steered away has come by then. */
#define STEER_MS 1000

bool yk__slots_all_ready(const yk__supervisor *s)
{
    for (unsigned i = 0; i < s->n_slots; i++)
        if (!s->slots[i].current || s->slots[i].current->stage != YK__STAGE_READY)
            return false;
    return true;
}

/* ---- The last slot goes ---------------------------------------------------------------------- */

static bool has_emptied_its_sockets(const yk__supervisor *s, const yk__worker *w)
{
    return atomic_load_explicit(&yk__worker_page(s, w)->phase, memory_order_acquire) >=
           YK__PHASE_DRAINING;
}

static bool has_left_for_good(const yk__supervisor *s, const yk__worker *w)
{
    return s->leaves_at && w == s->slots[s->n_slots - 1].current && w->stage == YK__STAGE_LEAVING &&
           has_emptied_its_sockets(s, w);
}

static void remove_last(yk__supervisor *s)
{
    s->slots[--s->n_slots] = (yk__slot){ 0 };
    yk__sockets_shrink(&s->sockets);
    yk__sockets_steer(&s->sockets, 0);
    s->leaves_at = 0;
    s->is_growing = false;
    yk__serve_log("%u worker%s", s->n_slots, s->n_slots == 1 ? "" : "s");
}

/* ---- What has happened ----------------------------------------------------------------------- */

void yk__slots_ready(yk__supervisor *s, yk__worker *w)
{
    yk__slot *slot = &s->slots[w->slot];
    if (slot->next == w) {
        slot->next = NULL;
        if (slot->current)
            yk__worker_leave(s, slot->current);
        slot->current = w;
    }
    if (s->is_growing && w->slot == s->n_slots - 1) {
        s->is_growing = false;
        yk__sockets_steer(&s->sockets, 0);
        yk__serve_log("%u workers", s->n_slots);
    }
}

/* Its successor, if one is on its way, has its place at once. */
static void vacate(yk__slot *slot)
{
    slot->current = slot->next;
    slot->next = NULL;
}

void yk__slots_left(yk__supervisor *s, yk__worker *w)
{
    yk__slot *slot = &s->slots[w->slot];
    if (slot->current == w) {
        vacate(slot);
        slot->start_at = s->now;
    }
}

static void back_off(yk__supervisor *s, yk__slot *slot, const yk__worker *w)
{
    bool was_healthy = w->stage == YK__STAGE_READY && s->now - w->ready >= YK__HEALTHY_NS;
    slot->failures = was_healthy ? 1 : slot->failures + 1;
    uint64_t pause = yk__back_off(slot->failures, yk__chance());
    slot->start_at = s->now + pause;
    if (pause > 0)
        yk__serve_log("worker %u is started again in %.1f s", w->slot, (double)pause / 1e9);
}

static void give_up_roll(yk__supervisor *s)
{
    for (unsigned i = 0; i < s->n_slots; i++)
        s->slots[i].is_stale = false;
    yk__serve_log("the new worker could not start: those that are there go on");
}

void yk__slots_gone(yk__supervisor *s, yk__worker *w, bool failed)
{
    yk__slot *slot = &s->slots[w->slot];
    bool was_current = slot->current == w, was_next = slot->next == w;
    if (!was_current && !was_next)
        return;
    if (has_left_for_good(s, w)) {
        remove_last(s);
        return;
    }
    s->cannot_start |= failed && !s->is_up;
    if (was_current)
        vacate(slot);
    else
        slot->next = NULL;
    if (failed && s->stopping == 0)
        back_off(s, slot, w);
    if (was_next && s->stopping == 0)
        give_up_roll(s);
}

/* ---- Filling and replacing ------------------------------------------------------------------- */

static yk__worker *start(yk__supervisor *s, yk__slot *slot)
{
    yk__worker *w = yk__worker_fork(s, (unsigned)(slot - s->slots));
    if (w) {
        slot->starts++;
        yk__look_by(s, w->deadline);
        return w;
    }
    slot->failures++;
    slot->start_at = s->now + yk__back_off(slot->failures + 1, yk__chance());
    yk__look_by(s, slot->start_at);
    return NULL;
}

static void fill(yk__supervisor *s, yk__slot *slot)
{
    if (slot->current)
        return;
    if (s->now >= slot->start_at)
        slot->current = start(s, slot);
    else
        yk__look_by(s, slot->start_at);
    slot->is_stale = false;
}

void yk__slots_roll(yk__supervisor *s)
{
    for (unsigned i = 0; i < s->n_slots; i++)
        s->slots[i].is_stale = true;
}

static bool is_replacing(const yk__supervisor *s)
{
    for (unsigned i = 0; i < s->n_slots; i++)
        if (s->slots[i].next)
            return true;
    return false;
}

/* One at a time, the lowest slot first. */
static void replace_one(yk__supervisor *s)
{
    for (unsigned i = 0; i < s->n_slots; i++) {
        yk__slot *slot = &s->slots[i];
        if (!slot->is_stale || !slot->current || slot->current->stage != YK__STAGE_READY)
            continue;
        if (s->now < slot->start_at) {
            yk__look_by(s, slot->start_at);
            continue;
        }
        slot->next = start(s, slot);
        slot->is_stale = !slot->next;
        return;
    }
}

/* ---- More and fewer slots -------------------------------------------------------------------- */

/* Nothing comes to the new sockets before there is somebody to accept it. */
static void grow(yk__supervisor *s)
{
    yk__sockets_steer(&s->sockets, s->n_slots);
    if (yk__sockets_grow(&s->sockets)) {
        yk__sockets_steer(&s->sockets, 0);
        s->wanted = s->n_slots;
        return;
    }
    s->is_growing = true;
    s->slots[s->n_slots++] = (yk__slot){ .start_at = s->now };
}

static void begin_to_shrink(yk__supervisor *s)
{
    yk__sockets_steer(&s->sockets, s->n_slots - 1);
    s->leaves_at = s->now + STEER_MS * YK__MS;
}

/* Its worker empties the sockets; only then they are closed. */
static void shrink(yk__supervisor *s)
{
    yk__slot *last = &s->slots[s->n_slots - 1];
    yk__worker *w = last->current;
    if (s->now < s->leaves_at)
        yk__look_by(s, s->leaves_at);
    if (s->now < s->leaves_at || last->next || !w || w->stage == YK__STAGE_STARTING)
        return;
    if (w->stage == YK__STAGE_READY) {
        atomic_store(&yk__worker_page(s, w)->is_last, 1);
        yk__worker_leave(s, w);
    }
    if (has_left_for_good(s, w))
        remove_last(s);
}

/* Nothing was ever steered to its sockets. */
static void give_up_growing(yk__supervisor *s)
{
    const yk__slot *last = &s->slots[s->n_slots - 1];
    if (last->current)
        yk__worker_kill(last->current);
    remove_last(s);
}

static void resize(yk__supervisor *s)
{
    if (s->leaves_at)
        shrink(s);
    else if (s->is_growing && s->wanted < s->n_slots)
        give_up_growing(s);
    else if (s->is_growing || s->wanted == s->n_slots)
        return;
    else if (s->wanted > s->n_slots)
        grow(s);
    else
        begin_to_shrink(s);
    if (s->wanted != s->n_slots && !s->leaves_at)
        yk__look_by(s, s->now);
}

void yk__slots_step(yk__supervisor *s)
{
    if (s->is_up)
        resize(s);
    for (unsigned i = 0; i < s->n_slots; i++)
        fill(s, &s->slots[i]);
    if (s->is_up && !is_replacing(s))
        replace_one(s);
}
