/* mapreduce/merge.c - folding the runs of one partition, and weaving the partitions together.
 *
 * The keys of a partition stay where they are, in the runs. The job's own memory is, for each
 * distinct key, an entry (a pointer and the folded value) and 16 to 32 bytes of index.
 */
#include "merge.h"

#include <endian.h>
#include <stdlib.h>
#include <uv.h>

#include "../executor/error.h"
#include "scratch.h"

enum {
    FIRST_ENTRIES = 1024,
    FIRST_SLOTS = 2048,
    AT_ONCE = 16,
    CACHE_LINE = 64,
    PREFETCH = 32 * CACHE_LINE
};

/* A distinct key; its value follows. */
typedef struct entry {
    const char *key;
    uint32_t len; /* with the flag */
    uint32_t hash;
} entry;

typedef struct slot {
    uint32_t hash;
    uint32_t number; /* 1 + the entry's; 0: free */
} slot;

typedef struct merger {
    const yk__merge_arg *arg;
    size_t stride; /* of an entry with its value */
    char *entries;
    size_t n, cap;
    slot *index; /* half full at the most: fewer steps from slot to slot */
    size_t mask;
    yk__scratch *own; /* whose pools entries and index are */
    const entry **order;
} merger;

uint64_t yk__rank_first(const void *value)
{
    return *(const uint64_t *)value;
}

static entry *entry_at(const merger *m, size_t i)
{
    return (entry *)(m->entries + i * m->stride);
}

/* ---- Folding ------------------------------------------------------------------------------- */

static int grow_entries(merger *m)
{
    yk__pool *pool = &m->own->entries;
    size_t cap = m->cap ? m->cap * 2 : FIRST_ENTRIES;
    if (cap >= UINT32_MAX)
        return UV_ENOMEM;
    if (pool->cap < cap * m->stride) {
        char *at = realloc(pool->at, cap * m->stride);
        if (!at)
            return UV_ENOMEM;
        *pool = (yk__pool){ .at = at, .cap = cap * m->stride };
    }
    m->entries = pool->at;
    m->cap = cap;
    return 0;
}

/* The keys are all among the entries. */
static int make_index(merger *m, size_t n)
{
    yk__pool *pool = &m->own->index;
    if (pool->cap < n * sizeof(slot)) {
        free(pool->at);
        pool->at = malloc(n * sizeof(slot));
        pool->cap = pool->at ? n * sizeof(slot) : 0;
        if (!pool->at)
            return UV_ENOMEM;
    }
    m->index = memset(pool->at, 0, n * sizeof(slot));
    m->mask = n - 1;
    for (size_t i = 0; i < m->n; i++) {
        uint32_t hash = entry_at(m, i)->hash;
        size_t at = hash & m->mask;
        while (m->index[at].number)
            at = (at + 1) & m->mask;
        m->index[at] = (slot){ hash, (uint32_t)i + 1 };
    }
    return 0;
}

/* Partitions are alike: as large as the last one's, if that was kept and there may be so many. */
static int first_index(merger *m)
{
    size_t n = m->own->index.cap / sizeof(slot), bytes = 0;
    for (uint64_t i = 0; i < m->arg->sources; i++)
        bytes += (size_t)(m->arg->from[i].end - m->arg->from[i].begin);
    size_t most = bytes / (sizeof(yk__record) + m->arg->fold->value_size);
    while (n > FIRST_SLOTS && n / 4 > most)
        n /= 2;
    return make_index(m, n ? n : FIRST_SLOTS);
}

static int add_entry(merger *m, const yk__view *v, size_t at)
{
    if (m->n == m->cap) {
        int err = grow_entries(m);
        if (err)
            return err;
    }
    entry *e = entry_at(m, m->n);
    *e = (entry){ v->key, v->head.len, v->head.hash };
    memcpy(e + 1, v->value, m->arg->fold->value_size);
    m->index[at] = (slot){ v->head.hash, (uint32_t)++m->n };
    return m->n * 2 > m->mask ? make_index(m, (m->mask + 1) * 2) : 0;
}

static int fold_record(merger *m, const yk__view *v)
{
    uint64_t value[YK__VALUE_MAX / 8];
    size_t len = v->head.len & YK__KEY_MAX, at = v->head.hash & m->mask;
    for (; m->index[at].number; at = (at + 1) & m->mask) {
        if (m->index[at].hash != v->head.hash)
            continue;
        entry *e = entry_at(m, m->index[at].number - 1);
        if ((e->len & YK__KEY_MAX) != len || memcmp(e->key, v->key, len))
            continue;
        memcpy(value, v->value, m->arg->fold->value_size);
        yk__fold_into(m->arg->fold, e + 1, &e->len, value, v->head.len & YK__POISONED);
        return 0;
    }
    return add_entry(m, v, at);
}

/* Has the CPU fetch the beginning of what was written by another one; it goes on by itself. */
static void prefetch_source(const yk__span *s)
{
    const char *end = s->end - s->begin < PREFETCH ? s->end : s->begin + PREFETCH;
    for (const char *at = s->begin; at < end; at += CACHE_LINE)
        __builtin_prefetch(at);
}

/* A few records at once, so that their slots come while others are folded. */
static int fold_source(merger *m, const yk__span *s)
{
    yk__view views[AT_ONCE];
    const char *at = s->begin;
    for (size_t n = AT_ONCE; n == AT_ONCE;) {
        for (n = 0; n < AT_ONCE && yk__run_next(&at, s->end, m->arg->form, &views[n]); n++)
            __builtin_prefetch(&m->index[views[n].head.hash & m->mask], 1);
        for (size_t i = 0; i < n; i++) {
            int err = fold_record(m, &views[i]);
            if (err)
                return err;
        }
    }
    return at == s->end ? 0 : YK_EFORMAT;
}

/* ---- Order --------------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
    const entry *x = *(const entry *const *)a, *y = *(const entry *const *)b;
    return yk__compare_keys(x->key, x->len & YK__KEY_MAX, y->key, y->len & YK__KEY_MAX);
}

/* Of a top-k: an entry beside its rank. */
typedef struct ranked {
    uint64_t rank;
    const entry *entry;
} ranked;

static ranked rank_of(const merger *m, const entry *e)
{
    return (ranked){ m->arg->rank(e + 1), e };
}

/* Whether x comes before y. */
static bool is_better(ranked x, ranked y)
{
    return x.rank != y.rank
               ? x.rank > y.rank
               : yk__compare_keys(x.entry->key, x.entry->len, y.entry->key, y.entry->len) < 0;
}

/* A heap whose root is the worst: what a better one replaces. */
static void sift_down(ranked *heap, size_t n, size_t i)
{
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && is_better(heap[child], heap[child + 1]))
            child++;
        if (!is_better(heap[i], heap[child]))
            return;
        ranked swap = heap[i];
        heap[i] = heap[child];
        heap[child] = swap;
    }
}

/* The best `top` entries, the best first. */
static int choose_best(const merger *m, size_t *n)
{
    size_t k = m->n < m->arg->top ? m->n : m->arg->top;
    ranked *heap = malloc((k + 1) * sizeof *heap);
    if (!heap)
        return UV_ENOMEM;
    for (size_t i = 0; i < k; i++)
        heap[i] = rank_of(m, entry_at(m, i));
    for (size_t i = k / 2; i-- > 0;)
        sift_down(heap, k, i);
    for (size_t i = k; i < m->n; i++) {
        ranked next = rank_of(m, entry_at(m, i));
        if (!is_better(next, heap[0]))
            continue;
        heap[0] = next;
        sift_down(heap, k, 0);
    }
    for (size_t left = k; left > 1; left--) { /* the worst to the end, again and again */
        ranked worst = heap[0];
        heap[0] = heap[left - 1];
        heap[left - 1] = worst;
        sift_down(heap, left - 1, 0);
    }
    for (size_t i = 0; i < k; i++)
        m->order[i] = heap[i].entry;
    free(heap);
    *n = k;
    return 0;
}

/* An entry beside the beginning of its key, so that most comparisons touch nothing else. */
typedef struct item {
    uint64_t begin;
    const entry *entry;
} item;

static int by_item(const void *a, const void *b)
{
    const item *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return by_key(&x->entry, &y->entry);
}

static uint64_t begin_of(const entry *e)
{
    uint64_t begin = 0;
    size_t len = e->len & YK__KEY_MAX;
    memcpy(&begin, e->key, len < sizeof begin ? len : sizeof begin);
    return be64toh(begin);
}

static int sort_all(const merger *m, size_t *n)
{
    item *items = malloc((m->n + 1) * sizeof *items);
    if (!items)
        return UV_ENOMEM;
    for (size_t i = 0; i < m->n; i++)
        items[i] = (item){ begin_of(entry_at(m, i)), entry_at(m, i) };
    qsort(items, m->n, sizeof *items, by_item);
    for (size_t i = 0; i < m->n; i++)
        m->order[i] = items[i].entry;
    free(items);
    *n = m->n;
    return 0;
}

/* The first poisoned key by bytes, or NULL. */
static const entry *find_poisoned(const merger *m)
{
    const entry *first = NULL;
    for (size_t i = 0; i < m->n; i++) {
        const entry *e = entry_at(m, i);
        if (e->len & YK__POISONED && (!first || by_key(&e, &first) < 0))
            first = e;
    }
    return first;
}

/* ---- Groups --------------------------------------------------------------------------------- */

/* All records of a partition, sorted where they are. */
typedef struct shelf {
    yk__sorted sorted; /* first, so that it leads back here */
    yk__view *views;
    size_t n, cap;
    const yk__view **order;
    size_t next;
} shelf;

static int by_key_and_order(const void *a, const void *b)
{
    const yk__view *x = *(const yk__view *const *)a, *y = *(const yk__view *const *)b;
    int by_bytes =
        yk__compare_keys(x->key, x->head.len & YK__KEY_MAX, y->key, y->head.len & YK__KEY_MAX);
    return by_bytes ? by_bytes : (x->order > y->order) - (x->order < y->order);
}

static int shelve(shelf *s, const yk__merge_arg *arg)
{
    for (uint64_t i = 0; i < arg->sources; i++) {
        const char *at = arg->from[i].begin;
        yk__view view;
        while (yk__run_next(&at, arg->from[i].end, arg->form, &view)) {
            if (s->n == s->cap) {
                size_t cap = s->cap ? s->cap * 2 : 1024;
                yk__view *views = realloc(s->views, cap * sizeof *views);
                if (!views)
                    return UV_ENOMEM;
                s->views = views;
                s->cap = cap;
            }
            s->views[s->n++] = view;
        }
        if (at != arg->from[i].end)
            return YK_EFORMAT;
    }
    s->order = malloc((s->n + 1) * sizeof(const yk__view *));
    if (!s->order)
        return UV_ENOMEM;
    for (size_t i = 0; i < s->n; i++)
        s->order[i] = &s->views[i];
    qsort(s->order, s->n, sizeof *s->order, by_key_and_order);
    return 0;
}

static int next_on_shelf(yk__sorted *sorted, yk__view *view)
{
    shelf *s = (shelf *)sorted;
    if (s->next == s->n)
        return 0;
    *view = *s->order[s->next++];
    return 1;
}

static int reduce_all(yk_job *job, yk__merge_arg *arg)
{
    shelf s = { .sorted.next = next_on_shelf };
    yk__results results = { 0 };
    yk__merged merged = { 0 };
    yk__reduce_call call = { arg->reduce, arg->user_arg, job, &merged.counters };
    int code = 0, err = shelve(&s, arg);
    if (!err)
        err = yk__reduce(&call, &s.sorted, &results, &merged.keys, &code);
    merged.records = results.records;
    merged.code = code;
    char *to = err ? NULL : yk_job_result(job, sizeof(yk__merged) + results.len);
    if (to) {
        memcpy(to, &merged, sizeof merged);
        if (results.len > 0)
            memcpy(to + sizeof(yk__merged), results.at, results.len);
    } else if (!err) {
        err = UV_ENOMEM;
    }
    free(results.at);
    free(s.order);
    free(s.views);
    return err;
}

/* ---- The job ------------------------------------------------------------------------------- */

static int return_records(yk_job *job, const merger *m, size_t n, int64_t code)
{
    yk__form form = m->arg->form;
    size_t size = sizeof(yk__merged);
    for (size_t i = 0; i < n; i++)
        size += yk__packed_size(form, form.value_size, m->order[i]->len);
    char *to = yk_job_result(job, size);
    if (!to)
        return UV_ENOMEM;
    memcpy(to, &(yk__merged){ .records = n, .keys = m->n, .code = code }, sizeof(yk__merged));
    to += sizeof(yk__merged);
    for (size_t i = 0; i < n; i++) {
        const entry *e = m->order[i];
        yk__view view = { .head = { e->hash, e->len },
                          .size = form.value_size,
                          .value = (const char *)(e + 1),
                          .key = e->key };
        to = yk__run_put(to, form, &view, NULL);
    }
    return 0;
}

static int order_and_return(yk_job *job, merger *m)
{
    m->order = malloc((m->n + 1) * sizeof(const entry *));
    if (!m->order)
        return UV_ENOMEM;
    const entry *poisoned = find_poisoned(m);
    if (!poisoned) {
        size_t n = 0;
        int err = m->arg->top ? choose_best(m, &n) : sort_all(m, &n);
        return err ? err : return_records(job, m, n, 0);
    }
    int code;
    memcpy(&code, poisoned + 1, sizeof code);
    m->order[0] = poisoned;
    return return_records(job, m, 1, code);
}

static int fold_all(yk_job *job, const yk__merge_arg *arg)
{
    merger m = { .arg = arg,
                 .stride = sizeof(entry) + arg->fold->value_size,
                 .own = yk__own_scratch() };
    if (!m.own)
        return UV_ENOMEM;
    int err = first_index(&m);
    for (uint64_t i = 0; !err && i < arg->sources; i++) {
        if (i + 1 < arg->sources)
            prefetch_source(&arg->from[i + 1]);
        err = fold_source(&m, &arg->from[i]);
        if (!err && yk_job_cancelled(job))
            err = YK_ECANCELED;
    }
    if (!err)
        err = order_and_return(job, &m);
    free(m.order);
    yk__scratch_keep(&m.own->index);
    yk__scratch_keep(&m.own->entries);
    return err;
}

int yk__merge_job(yk_job *job)
{
    yk__merge_arg *arg = yk_job_arg(job);
    return arg->form.grouped ? reduce_all(job, arg) : fold_all(job, arg);
}

/* ---- Weaving the partitions together -------------------------------------------------------- */

void yk__weave_begin(yk__weave *w, yk__form form, uint64_t (*rank)(const void *value))
{
    w->form = form;
    w->rank = rank;
    w->n = 0;
    w->err = 0;
}

static bool comes_first(const yk__weave *w, unsigned a, unsigned b)
{
    const yk__view *x = &w->head[a], *y = &w->head[b];
    if (w->rank && w->head_rank[a] != w->head_rank[b])
        return w->head_rank[a] > w->head_rank[b];
    return yk__compare_keys(x->key, x->head.len, y->key, y->head.len) < 0;
}

static bool load_head(yk__weave *w, unsigned run)
{
    uint64_t value[YK__VALUE_MAX / 8];
    if (!yk__run_next(&w->at[run], w->end[run], w->form, &w->head[run]))
        return false;
    if (w->rank) {
        memcpy(value, w->head[run].value, w->form.value_size);
        w->head_rank[run] = w->rank(value);
    }
    return true;
}

int yk__weave_add(yk__weave *w, const void *merged, size_t len)
{
    if (len < sizeof(yk__merged) || w->n == YK__PARTS)
        return YK_EFORMAT;
    unsigned run = w->n;
    w->at[run] = (const char *)merged + sizeof(yk__merged);
    w->end[run] = (const char *)merged + len;
    if (w->at[run] == w->end[run])
        return 0;
    if (!load_head(w, run))
        return YK_EFORMAT;
    unsigned i = w->n++;
    for (; i > 0 && comes_first(w, run, w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = run;
    return 0;
}

static void settle_root(yk__weave *w)
{
    unsigned moving = w->heap[0], i = 0;
    for (unsigned child; (child = 2 * i + 1) < w->n; i = child) {
        if (child + 1 < w->n && comes_first(w, w->heap[child + 1], w->heap[child]))
            child++;
        if (!comes_first(w, w->heap[child], moving))
            break;
        w->heap[i] = w->heap[child];
    }
    w->heap[i] = moving;
}

int yk__weave_next(yk__weave *w, yk_str *key, yk_str *value)
{
    if (w->err || w->n == 0)
        return w->err;
    unsigned run = w->heap[0];
    const yk__view view = w->head[run];
    if (w->form.grouped) {
        if (!yk__result_of(&view, key, value))
            return YK_EFORMAT;
    } else {
        memcpy(w->value, view.value, view.size);
        *key = (yk_str){ view.key, view.head.len };
        *value = (yk_str){ (const char *)w->value, view.size };
    }
    if (!load_head(w, run)) {
        w->err = w->at[run] == w->end[run] ? 0 : YK_EFORMAT;
        w->heap[0] = w->heap[--w->n];
    }
    if (w->n > 0)
        settle_root(w);
    return 1;
}
