/* Contexts: see context.h and carried.h. */
#include "context.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "carried.h"
#include "park.h"

/* The block: this, then the values, each where its entry says. */
struct yk__context {
    _Atomic uint32_t refs; /* release when one is given back, acquire when it was the last */
    uint32_t count;
    size_t size; /* of it all, in bytes */
    struct entry {
        const yk_context_key *key;
        size_t at; /* from the beginning of the block */
    } entries[];
};

#define ALIGNED(size) \
    (((size) + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t))

/* ---- References ------------------------------------------------------------------------------ */

yk__context *yk__context_share(yk__context *c)
{
    if (c)
        atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

yk__context *yk__context_take(void)
{
    return yk__context_share(*yk__parker_context());
}

void yk__context_unref(yk__context *c)
{
    if (c && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1)
        free(c);
}

yk__context *yk__context_enter(yk__context *c)
{
    yk__context **mine = yk__parker_context(), *before = *mine;
    *mine = c;
    return before;
}

void yk__context_leave(yk__context *before)
{
    yk__context **mine = yk__parker_context(), *c = *mine;
    *mine = before;
    yk__context_unref(c);
}

/* A plain thread's own goes with the thread. */
static pthread_key_t at_end;
static bool has_key;

static void thread_ends(void *unused)
{
    (void)unused;
    yk__context_leave(NULL);
}

static void make_key(void)
{
    has_key = pthread_key_create(&at_end, thread_ends) == 0;
}

static void drop_at_the_end(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_key);
    if (has_key)
        pthread_setspecific(at_end, &at_end);
}

/* ---- Blocks ---------------------------------------------------------------------------------- */

size_t yk__context_size(const yk__context *c)
{
    return c->size;
}

/* All but the count of references, which others may be changing. */
void yk__context_put(const yk__context *from, void *to)
{
    yk__context *c = to;
    atomic_init(&c->refs, 1);
    c->count = from->count;
    c->size = from->size;
    memcpy(c->entries, from->entries, from->size - offsetof(yk__context, entries));
}

yk__context *yk__context_copy(const void *bytes)
{
    const yk__context *from = bytes;
    yk__context *c = malloc(from->size);
    if (c)
        yk__context_put(from, c);
    return c;
}

static bool is_whole(const yk__context *c)
{
    size_t room = c->size - sizeof *c;
    if (c->count > room / sizeof(struct entry))
        return false;
    for (uint32_t i = 0; i < c->count; i++)
        if (c->entries[i].at > c->size || c->entries[i].at % alignof(max_align_t))
            return false;
    return true;
}

int yk__context_read(yk__context **out, const void *bytes, size_t len)
{
    if (len < sizeof(yk__context))
        return UV_EPROTO;
    yk__context *c = malloc(len);
    if (!c)
        return UV_ENOMEM;
    memcpy(c, bytes, len);
    atomic_init(&c->refs, 1);
    if (c->size != len || !is_whole(c)) {
        free(c);
        return UV_EPROTO;
    }
    *out = c;
    return 0;
}

static void *value_of(const yk__context *c, const yk_context_key *key)
{
    for (uint32_t i = 0; c && i < c->count; i++)
        if (c->entries[i].key == key)
            return (char *)c + c->entries[i].at;
    return NULL;
}

static size_t head_of(uint32_t count)
{
    return ALIGNED(sizeof(yk__context) + count * sizeof(struct entry));
}

static void append(yk__context *c, const yk_context_key *key, const void *value)
{
    c->entries[c->count++] = (struct entry){ key, c->size };
    memcpy((char *)c + c->size, value, key->size);
    c->size += ALIGNED(key->size);
}

/* Those of `from`, but for `key`; and then that one, if there is a value for it. */
static yk__context *made_from(const yk__context *from, const yk_context_key *key, const void *value)
{
    uint32_t most = (from ? from->count : 0) + 1;
    size_t old = from ? from->size : 0;
    /* With zeroes between the values: other processes will see them. */
    yk__context *c = calloc(1, head_of(most) + old + ALIGNED(key->size));
    if (!c)
        return NULL;
    atomic_init(&c->refs, 1);
    c->count = 0;
    c->size = head_of(most);
    for (uint32_t i = 0; from && i < from->count; i++)
        if (from->entries[i].key != key)
            append(c, from->entries[i].key, (const char *)from + from->entries[i].at);
    if (value)
        append(c, key, value);
    return c;
}

static int replace(const yk__context *from, const yk_context_key *key, const void *value)
{
    yk__context *c = made_from(from, key, value);
    if (!c)
        return UV_ENOMEM;
    yk__context_unref(yk__context_enter(c));
    return 0;
}

/* ---- Values ---------------------------------------------------------------------------------- */

bool yk_context_get(const yk_context_key *key, void *value)
{
    const void *from = value_of(*yk__parker_context(), key);
    if (from)
        memcpy(value, from, key->size);
    return from != NULL;
}

int yk_context_set(const yk_context_key *key, const void *value)
{
    if (!key || !value || key->size > SIZE_MAX / 4)
        return UV_EINVAL;
    yk__context *c = *yk__parker_context();
    void *at = value_of(c, key);
    if (at && atomic_load_explicit(&c->refs, memory_order_acquire) == 1) {
        memcpy(at, value, key->size);
        return 0;
    }
    if (!c)
        drop_at_the_end();
    return replace(c, key, value);
}

int yk_context_reset(const yk_context_key *key)
{
    const yk__context *c = *yk__parker_context();
    if (!value_of(c, key))
        return 0;
    if (c->count > 1)
        return replace(c, key, NULL);
    yk__context_leave(NULL);
    return 0;
}
