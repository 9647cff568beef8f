/* bench/words.c - counting words through the public API, for bench/words.sh.
 *
 *   bench_words make BYTES                        text to standard output, always the same
 *   bench_words words threads|processes N FILE    its words counted by N workers
 *   bench_words rows  threads|processes N FILE    match counts of n-grams, row by row: a map
 * function that knows nothing of runs */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "yoke.h"

/* ---- Text ---------------------------------------------------------------------------------- */

enum { WORDS = 300 * 1000, LONGEST = 14 };

static uint64_t state = 1;

static uint64_t random_u64(void) /* splitmix64 (Steele, Lea, Flood 2014) */
{
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* Frequent words are short ones. */
static void make_word(char *word, size_t rank)
{
    size_t len = 1 + random_u64() % 3 + (size_t)(log2((double)rank + 1) / 2);
    len = len < LONGEST ? len : LONGEST;
    for (size_t i = 0; i < len; i++)
        word[i] = "etaoinshrdlucmfwypvbgkjqxz"[(random_u64() % 26 * (random_u64() % 26)) / 26];
    word[len] = '\0';
}

/* Words in Zipf's shape: half of the text is a few hundred of them. */
static int make_text(size_t bytes)
{
    char(*words)[LONGEST + 1] = malloc(sizeof *words * WORDS);
    if (!words)
        return 1;
    for (size_t i = 0; i < WORDS; i++)
        make_word(words[i], i);
    for (size_t done = 0, n = 1; done < bytes; n++) {
        double u = (double)(random_u64() >> 11) * 0x1p-53;
        const char *word = words[(size_t)(exp(u * log(WORDS)) - 1)];
        done += strlen(word) + 1;
        fputs(word, stdout);
        putchar(n % 12 ? ' ' : '\n');
    }
    free(words);
    return fflush(stdout) != 0;
}

/* ---- Counting ------------------------------------------------------------------------------ */

static int map_words(yk_split *split, yk_emitter *out, void *arg)
{
    (void)arg;
    for (yk_str word; yk_split_next_word(split, &word);)
        yk_emit_u64(out, word, 1);
    return 0;
}

/* ngram TAB year TAB match_count TAB volume_count */
static int map_rows(yk_split *split, yk_emitter *out, void *arg)
{
    (void)arg;
    for (yk_str field[3]; yk_split_next_fields(split, '\t', field, 3) >= 3;)
        yk_emit_u64(out, field[0], yk_str_u64(field[2]));
    return 0;
}

static int count(void *arg)
{
    char **argv = arg;
    int workers = atoi(argv[3]);
    yk_executor *pool = strcmp(argv[2], "threads") == 0 ? yk_thread_pool(.workers = workers)
                                                        : yk_process_pool(.workers = workers);
    bool rows = strcmp(argv[1], "rows") == 0;
    yk_mapreduce_report report;
    int err =
        yk_mapreduce(.inputs = (const char *[]){ argv[4], NULL },
                     .map = rows ? map_rows : map_words, .fold = YK_SUM_U64, .top = rows ? 10 : 0,
                     .executor = pool, .workers = workers, .report = &report);
    if (err)
        fprintf(stderr, "bench_words: %s\n", report.message);
    yk_executor_close(pool);
    return err;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "make") == 0)
        return make_text(strtoull(argv[2], NULL, 10));
    if (argc == 5)
        return yk_main(argc, argv, count, argv);
    fprintf(stderr, "usage: bench_words make BYTES | words|rows threads|processes N FILE\n");
    return 2;
}
