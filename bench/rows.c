/* bench/rows.c - how fast rows are folded, beside counting the LFs of the same bytes.
 *
 *   rows [FILE] [REPEATS]     FILE: rows of version 2 or 3, plain; default a made-up 128 MiB
 *
 * Prints MB/s and rows/s (best of REPEATS, 5) of folding runs (ngram_rows_next), of single entries
 * (ngram_rows_next_entry) and of memchr(LF) on the same memory in the same run, and the ratio.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>

#include "data/generate.h"
#include "data/rows.h"
#include "executor/clock.h"

typedef struct measure {
    uint64_t rows, sum, ns;
} measure;

static measure count_lines(const char *begin, const char *end)
{
    measure m = { 0 };
    for (const char *p = begin; p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++)
        m.rows++;
    return m;
}

static measure fold_runs(const char *begin, const char *end)
{
    measure m = { 0 };
    ngram_rows rows;
    ngram_group group;
    ngram_rows_init(&rows, begin, end, (ngram_years){ 0, 0 });
    int got;
    while ((got = ngram_rows_next(&rows, &group)) > 0)
        m.sum += group.match_count + group.volume_count;
    if (got < 0)
        fprintf(stderr, "line %" PRIu64 ": %s\n", rows.bad.line + 1, rows.bad.reason);
    m.rows = rows.lines;
    return m;
}

static measure each_entry(const char *begin, const char *end)
{
    measure m = { 0 };
    ngram_rows rows;
    ngram_entry entry;
    ngram_rows_init(&rows, begin, end, (ngram_years){ 0, 0 });
    while (ngram_rows_next_entry(&rows, &entry) > 0)
        m.sum += entry.match_count + entry.volume_count;
    m.rows = rows.lines;
    return m;
}

static measure best_of(int repeats, measure (*run)(const char *, const char *), const char *begin,
                       size_t size)
{
    measure best = { .ns = UINT64_MAX };
    for (int i = 0; i < repeats; i++) {
        uint64_t start = yk_now();
        measure m = run(begin, begin + size);
        m.ns = yk_now() - start;
        if (m.ns < best.ns)
            best = m;
    }
    return best;
}

static void show(const char *what, measure m, size_t size, measure peer)
{
    printf("%-24s %8.0f MB/s %8.1f M rows/s   %.2f of memchr(LF)   sum %" PRIu64 "\n", what,
           (double)size * 1e3 / (double)m.ns, (double)m.rows * 1e3 / (double)m.ns,
           (double)peer.ns / (double)m.ns, m.sum);
}

/* The file to measure, or a made-up one that has no name any more. */
static FILE *open_rows(const char *path)
{
    if (path)
        return fopen(path, "rb");
    FILE *f = tmpfile();
    ngram_generate_options options = { .bytes = 128 << 20, .seed = 7 };
    if (f && ngram_generate_fd(&options, fileno(f), NULL) < 0)
        return NULL;
    return f;
}

int main(int argc, char **argv)
{
    FILE *f = open_rows(argc > 1 ? argv[1] : NULL);
    int repeats = argc > 2 ? atoi(argv[2]) : 5;
    if (!f) {
        perror("rows");
        return 1;
    }
    size_t size = (size_t)lseek(fileno(f), 0, SEEK_END);
    char *begin = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fileno(f), 0);
    if (begin == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    measure lines = best_of(repeats, count_lines, begin, size);
    show("memchr(LF)", lines, size, lines);
    show("ngram_rows_next", best_of(repeats, fold_runs, begin, size), size, lines);
    show("ngram_rows_next_entry", best_of(repeats, each_entry, begin, size), size, lines);
    return 0;
}
