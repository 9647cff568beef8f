/* The supervisor's side of the status. */
#include "board.h"

static void store(uint64_t *to, uint64_t value)
{
    __atomic_store_n(to, value, __ATOMIC_RELAXED);
}

void yk__board_write(yk__supervisor *s)
{
    yk__board *b = s->board;
    if (!b)
        return;
    store(&b->workers, s->n_slots);
    for (unsigned i = 0; i < s->n_slots; i++)
        store(&b->slots[i].starts, s->slots[i].starts);
    for (unsigned i = 0; i < YK__SEATS; i++) {
        const yk__worker *w = &s->workers[i];
        if (w->stage == YK__STAGE_NONE && b->rows[i].stage == YK__STAGE_NONE)
            continue;
        store(&b->rows[i].pid, (uint64_t)w->pid);
        store(&b->rows[i].slot, w->slot);
        store(&b->rows[i].forked, w->forked);
        store(&b->rows[i].stage, w->stage);
    }
}

void yk__board_bury(yk__supervisor *s, const yk__worker *w)
{
    if (!s->board)
        return;
    uint64_t *past = (uint64_t *)&s->board->slots[w->slot].past;
    const uint64_t *count = (const uint64_t *)&yk__worker_page(s, w)->http;
    for (size_t i = 1; i < sizeof(yk_http_counters) / sizeof *past; i++) /* not those open now */
        store(&past[i], past[i] + __atomic_load_n(&count[i], __ATOMIC_RELAXED));
    store(&s->board->rows[w - s->workers].stage, YK__STAGE_NONE);
}
