/* mapreduce/ngram/stats.c - the lines of --stats: "name: figures". */
#include "stats.h"

#include <stdio.h>

#include "units.h"

void ngram_print_stats(const yk_mapreduce_stats *s, uint64_t memory, size_t files)
{
    char a[27], b[27], text[16], rows[16], used[16];
    double seconds = (double)s->elapsed_ns / 1e9, per = seconds > 0 ? 1 / seconds : 0;
    ngram_group_digits(a, s->stored);
    ngram_group_digits(b, s->text);
    fprintf(stderr, "input:       %s bytes, %s of text, in %zu file%s\n", a, b, files,
            files == 1 ? "" : "s");
    ngram_group_digits(a, s->records);
    ngram_group_digits(b, s->bad_records);
    fprintf(stderr, "rows:        %s, %s of them skipped\n", a, b);
    ngram_group_digits(a, s->keys);
    fprintf(stderr, "ngrams:      %s\n", a);
    fprintf(stderr, "seconds:     %.3f\n", seconds);
    fprintf(stderr, "throughput:  %sB/s, %s rows/s\n",
            ngram_short_number(text, (double)s->text * per),
            ngram_short_number(rows, (double)s->records * per));
    fprintf(stderr, "splits:      %llu\n", (unsigned long long)s->splits);
    fprintf(stderr, "retries:     %llu\n", (unsigned long long)s->retries);
    if (s->resumed_splits)
        fprintf(stderr, "resumed:     %llu splits, which the journal had\n",
                (unsigned long long)s->resumed_splits);
    if (s->spilled_runs)
        fprintf(stderr, "spilled:     %sB in %llu runs, merged in %llu passes\n",
                ngram_short_number(used, (double)s->spilled_bytes),
                (unsigned long long)s->spilled_runs, (unsigned long long)s->merge_passes);
    for (unsigned i = 0; i < s->workers; i++)
        fprintf(stderr, "worker %-4u  %.3f seconds busy, %llu splits\n", i,
                (double)s->worker[i].busy_ns / 1e9, (unsigned long long)s->worker[i].splits);
    if (memory)
        fprintf(stderr, "memory:      %sB at the most, of all processes\n",
                ngram_short_number(used, (double)memory));
}
