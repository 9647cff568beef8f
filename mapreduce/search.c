/* mapreduce/search.c - the search for a record that kills its worker. */
#include "search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

static yk__piece *piece_at(yk__engine *e, yk__where where)
{
    return &e->files[where.file].pieces[where.piece];
}

/* Submits the job of the present step. */
static int submit(yk__engine *e, yk__where where)
{
    const yk__search *s = piece_at(e, where)->search;
    size_t size;
    yk__map_arg *arg = yk__make_map_arg(e, where, &size);
    int err = arg ? yk__reserve_flight(e) : UV_ENOMEM;
    if (!err) {
        arg->look = s->step == YK__COUNT || s->step == YK__DESCRIBE;
        arg->end_record = s->step == YK__COUNT      ? UINT64_MAX
                          : s->step == YK__DESCRIBE ? s->low
                          : s->step == YK__PROBE    ? s->middle
                                                    : s->high;
        yk_future *f =
            yk_submit_with(e->executor, yk__map_job, arg, size, .kind = YK_CPU, .name = "map");
        err = yk__add_flight(e, (yk__flight){ .future = f, .where = where, .searches = true });
    }
    free(arg);
    return err;
}

static void note_death(yk__search *s, const yk_error *error)
{
    snprintf(s->how, sizeof s->how, "%s", error->message);
}

int yk__search_begin(yk__engine *e, yk__where where, const yk_error *error)
{
    yk__piece *piece = piece_at(e, where);
    if (!piece->search)
        piece->search = calloc(1, sizeof *piece->search);
    yk__search *s = piece->search;
    if (!s)
        return UV_ENOMEM;
    s->step = YK__COUNT;
    s->low = s->high = s->all = 0;
    note_death(s, error);
    return submit(e, where);
}

/* ---- What was found ------------------------------------------------------------------------ */

/* The record is passed over from now on. */
static void skip(yk__search *s, uint64_t record)
{
    unsigned i = s->n_skipped++;
    for (; i > 0 && s->skipped[i - 1] > record; i--)
        s->skipped[i] = s->skipped[i - 1];
    s->skipped[i] = record;
}

static void found(yk__engine *e, yk__where where, const yk__map_head *head)
{
    yk__piece *piece = piece_at(e, where);
    yk__search *s = piece->search;
    bool too_many = s->n_skipped == YK__SKIPPED_MAX;
    if (e->o.skip_crashing_records && !too_many) {
        skip(s, s->low);
        piece->deaths = YK__SEARCH_AFTER - 1; /* the next one is another record's */
        yk__map_again(e, where);
        return;
    }
    yk__flaw flaw = head->first_bad;
    flaw.code = YK_ECRASHED;
    snprintf(flaw.reason, sizeof flaw.reason, "%s%s", s->how,
             too_many ? ", and too many before it" : "");
    yk__fail_with(e, where, yk__clean_flaw(&flaw));
}

/* It was not a record. */
static void acquit(yk__engine *e, yk__where where)
{
    yk__piece *piece = piece_at(e, where);
    piece->search->acquittals++;
    piece->deaths = 0;
    yk__map_again(e, where);
}

/* ---- Steps --------------------------------------------------------------------------------- */

static void next_step(yk__engine *e, yk__where where)
{
    yk__search *s = piece_at(e, where)->search;
    if (s->high - s->low > 1) {
        s->step = YK__PROBE;
        s->middle = s->low + (s->high - s->low) / 2;
    } else {
        s->step = s->step == YK__CONFIRM ? YK__DESCRIBE : YK__CONFIRM;
    }
    int err = submit(e, where);
    if (err)
        yk__fail_at(e, where, err, NULL);
}

static void take_death(yk__engine *e, yk__where where, const yk_error *error)
{
    yk__search *s = piece_at(e, where)->search;
    if (s->step == YK__PROBE)
        s->high = s->middle;
    if (s->step == YK__PROBE || s->step == YK__CONFIRM) {
        note_death(s, error);
        next_step(e, where);
        return;
    }
    int err = ++s->lost < YK__TRIES ? submit(e, where) : YK_ECRASHED;
    if (err)
        yk__fail_at(e, where, err, err == YK_ECRASHED ? error->message : NULL);
}

static void take_survival(yk__engine *e, yk__where where, const yk__map_head *head)
{
    yk__search *s = piece_at(e, where)->search;
    if (s->step == YK__COUNT)
        s->all = s->high = head->records;
    if (s->step == YK__PROBE)
        s->low = s->middle;
    if (s->step == YK__CONFIRM || s->all == 0)
        acquit(e, where);
    else if (s->step == YK__DESCRIBE)
        found(e, where, head);
    else
        next_step(e, where);
}

void yk__search_step(yk__engine *e, yk__where where, yk_future *future)
{
    const yk_error *error = yk_future_error(future);
    yk__map_head head;
    size_t len;
    if (yk_future_state(future) != YK_DONE) {
        if (error->code == YK_ECRASHED)
            take_death(e, where, error);
        else
            yk__fail_at(e, where, error->code, error->message);
        return;
    }
    const void *result = yk_future_result(future, &len);
    if (!result || len < sizeof head) {
        yk__fail_at(e, where, YK_EFORMAT, "a worker returned no result");
        return;
    }
    memcpy(&head, result, sizeof head);
    if (head.flaw.code)
        yk__fail_with(e, where, yk__clean_flaw(&head.flaw)); /* what stands before the record */
    else
        take_survival(e, where, &head);
}
