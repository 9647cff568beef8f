/* mapreduce/feed.c - spans of all results, partition by partition. */
#include "feed.h"

#include <string.h>
#include <uv.h>

#include "../executor/arena.h"
#include "map_job.h"
#include "stream.h"

static const char *runs_of(yk_future *result, yk__parts *parts, size_t *len)
{
    const char *at = yk_future_result(result, len);
    yk__map_head head;
    memcpy(&head, at, sizeof head);
    *parts = head.parts;
    *len -= sizeof head;
    return at + sizeof head;
}

static bool is_visible(const void *runs, bool to_processes)
{
    return !to_processes || yk_arena_contains(runs);
}

static size_t bytes_to_copy(yk_future *const *results, size_t n, bool to_processes)
{
    size_t bytes = 0;
    yk__parts parts;
    for (size_t i = 0; i < n; i++) {
        size_t len;
        const char *runs = runs_of(results[i], &parts, &len);
        bytes += is_visible(runs, to_processes) ? 0 : len;
    }
    return bytes;
}

static void add_runs(yk__feed *feed, const char *runs, const yk__parts *parts)
{
    for (size_t p = 0; p < YK__PARTS; p++)
        if (parts->at[p] < parts->at[p + 1])
            feed->table[p * feed->stride + feed->n[p]++] =
                (yk__span){ runs + parts->at[p], runs + parts->at[p + 1] };
}

int yk__feed_make(yk__feed *feed, yk_future *const *results, size_t n, bool to_processes)
{
    size_t to_copy = bytes_to_copy(results, n, to_processes);
    *feed = (yk__feed){ .stride = n };
    feed->table = yk__shared_block(n * YK__PARTS * sizeof *feed->table);
    feed->copies = to_copy ? yk__shared_block(to_copy) : NULL;
    if (!feed->table || (to_copy && !feed->copies))
        return UV_ENOMEM;
    char *copy = feed->copies;
    for (size_t i = 0; i < n; i++) {
        size_t len;
        yk__parts parts;
        const char *runs = runs_of(results[i], &parts, &len);
        if (!yk__parts_fit(&parts, len))
            return YK_EFORMAT;
        if (!is_visible(runs, to_processes)) {
            memcpy(copy, runs, len);
            runs = copy;
            copy += len;
        }
        add_runs(feed, runs, &parts);
    }
    return 0;
}

void yk__feed_free(yk__feed *feed)
{
    yk__shared_block_free(feed->table);
    yk__shared_block_free(feed->copies);
    *feed = (yk__feed){ 0 };
}
