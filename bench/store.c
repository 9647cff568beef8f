/* bench/store.c - how long a store takes to give the years of an n-gram, beside LMDB's own reader.
 *
 *   store STORE [LOOKUPS]
 *
 * Looks n-grams of the store up, drawn by chance, one after the other (10,000): first with nothing
 * of the file in memory, then again. Prints the median, the 99th percentile and the worst in
 * microseconds; LMDB's reader is given the same n-grams and unpacks the same series.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <lmdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/store.h"
#include "executor/clock.h"

typedef struct word {
    char *name;
    size_t length;
} word;

static word *words;
static size_t n_words, wanted = 10000;
static uint64_t *times;

static void die(const char *what)
{
    fprintf(stderr, "bench_store: %s\n", what);
    exit(1);
}

static uint64_t below(uint64_t limit)
{
    static uint64_t state = 7;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % limit;
}

/* Every n-gram of a length that LMDB has for a key is as likely as any other; in no order. */
static void draw_words(const ngram_store *s)
{
    ngram_cursor *c;
    ngram_item item;
    uint64_t seen = 0;
    words = calloc(wanted, sizeof *words);
    times = calloc(wanted, sizeof *times);
    if (!words || !times || ngram_cursor_new(&c, s))
        die("out of memory");
    int got = ngram_cursor_seek(c, "", 0, &item);
    for (; got == 1; got = ngram_cursor_next(c, &item)) {
        uint64_t at = n_words < wanted ? n_words : below(seen + 1);
        seen++;
        if (at >= wanted || item.length > 510)
            continue;
        free(words[at].name);
        words[at] = (word){ strndup(item.ngram, item.length), item.length };
        n_words += at == n_words;
    }
    ngram_cursor_free(c);
    for (size_t i = n_words; i > 1; i--) {
        size_t k = (size_t)below(i);
        word w = words[i - 1];
        words[i - 1] = words[k];
        words[k] = w;
    }
}

/* ---- The two readers ------------------------------------------------------------------------- */

static bool look_up_yoke(void *arg, const word *w)
{
    ngram_series *series;
    if (ngram_store_get(arg, w->name, w->length, &series))
        return false;
    free(series);
    return true;
}

typedef struct lmdb {
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
} lmdb;

static bool look_up_lmdb(void *arg, const word *w)
{
    lmdb *m = arg;
    MDB_val k = { w->length, w->name }, v;
    ngram_series *series;
    if (mdb_get(m->txn, m->dbi, &k, &v) || ngram_series_unpack(&series, v.mv_data, v.mv_size))
        return false;
    free(series);
    return true;
}

static void open_lmdb(lmdb *m, const char *path)
{
    if (mdb_env_create(&m->env) || mdb_env_set_maxdbs(m->env, 2) ||
        mdb_env_open(m->env, path, MDB_NOSUBDIR | MDB_NOLOCK | MDB_RDONLY, 0) ||
        mdb_txn_begin(m->env, NULL, MDB_RDONLY, &m->txn) ||
        mdb_dbi_open(m->txn, "ngrams", 0, &m->dbi))
        die("LMDB does not open the store");
}

/* ---- Measuring ----------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void measure(const char *what, bool (*look_up)(void *, const word *), void *arg)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n_words; i++) {
        uint64_t began = yk_now();
        if (!look_up(arg, &words[i]))
            die("an n-gram of the store is not found");
        sum += times[i] = yk_now() - began;
    }
    qsort(times, n_words, sizeof *times, ascending);
    printf("%-28s median %7.1f  99 %% %7.1f  worst %8.1f  mean %7.1f us\n", what,
           (double)times[n_words / 2] / 1e3, (double)times[n_words * 99 / 100] / 1e3,
           (double)times[n_words - 1] / 1e3, (double)sum / (double)n_words / 1e3);
}

/* Asks the system to have nothing of the file in memory, which it does where nobody maps it. */
static void forget(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    fsync(fd);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
}

static ngram_store *open_store(const char *path)
{
    char message[400];
    ngram_store *s;
    uint64_t began = yk_now();
    if (ngram_store_open(&s, path, message, sizeof message))
        die(message);
    printf("%-28s %.1f us, %" PRIu64 " n-grams\n", "opening", (double)(yk_now() - began) / 1e3,
           ngram_store_about(s)->ngrams);
    return s;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        die("usage: bench_store STORE [LOOKUPS]");
    if (argc > 2)
        wanted = strtoul(argv[2], NULL, 10);
    ngram_store *s = open_store(argv[1]);
    draw_words(s);
    if (n_words == 0)
        die("the store is empty");
    forget(argv[1]);
    measure("yoke, nothing in memory", look_up_yoke, s);
    measure("yoke", look_up_yoke, s);
    ngram_store_close(s);
    lmdb m = { 0 };
    forget(argv[1]);
    open_lmdb(&m, argv[1]);
    measure("LMDB, nothing in memory", look_up_lmdb, &m);
    measure("LMDB", look_up_lmdb, &m);
    mdb_txn_abort(m.txn);
    mdb_env_close(m.env);
    for (size_t i = 0; i < n_words; i++)
        free(words[i].name);
    free(words);
    free(times);
    return 0;
}
