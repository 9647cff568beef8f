/* data/generate.c - makes up n-gram files: options, shards, layouts, and the size that was asked.
 */
#include "data/generate.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "data/made_up.h"
#include "data/packer.h"
#include "executor/error.h"

/* ---- options ---- */

static ngram_generate_options with_defaults(const ngram_generate_options *options)
{
    ngram_generate_options o = *options;
    o.bytes = o.bytes ? o.bytes : 64 << 20;
    o.version = o.version ? o.version : 2;
    o.max_words = o.max_words ? o.max_words : 5;
    o.shards = o.shards ? o.shards : 1;
    o.packing = o.packing ? o.packing : YK_PLAIN;
    o.level = o.level ? o.level : o.packing == YK_GZIP ? 6 : 3;
    o.threads = o.threads ? o.threads : 2;
    return o;
}

const char *ngram_generate_check(const ngram_generate_options *options)
{
    ngram_generate_options o = with_defaults(options);
    if (o.bytes > (uint64_t)1 << 50)
        return "bytes must be at most 1 PiB";
    if (o.version != 2 && o.version != 3)
        return "version must be 2 or 3";
    if (o.max_words < 1 || o.max_words > 5)
        return "max_words must be 1 to 5";
    if (o.shards < 1 || o.shards > 4096)
        return "shards must be 1 to 4096";
    if (o.packing != YK_PLAIN && o.packing != YK_GZIP && o.packing != YK_ZSTD)
        return "packing must be plain, gzip or zstd";
    if (o.packing == YK_GZIP && (o.level < 1 || o.level > 9))
        return "level must be 1 to 9 for gzip";
    if (o.packing == YK_ZSTD && (o.level < 1 || o.level > 19))
        return "level must be 1 to 19 for zstd";
    if (o.threads < 1 || o.threads > 64)
        return "threads must be 1 to 64";
    return NULL;
}

/* ---- rows ---- */

typedef struct generator {
    const ngram_generate_options *options;
    yk__packer *packer;
    yk__chance chance;   /* of years and counts */
    uint64_t shard;      /* the present one, from 0 */
    uint64_t begin, end; /* where in the text the shard's rows lie */
    uint64_t told;       /* when progress() is told next */
    yk__common_word common[YK__COMMON_MAX];
    unsigned common_count, common_done; /* of this shard */
    ngram_generated made;
} generator;

static char *put_number(char *p, uint64_t n)
{
    if (n < 10) { /* most are */
        *p = (char)('0' + n);
        return p + 1;
    }
    char digits[20];
    unsigned i = sizeof digits;
    do
        digits[--i] = (char)('0' + n % 10);
    while (n /= 10);
    memcpy(p, digits + i, sizeof digits - i);
    return p + sizeof digits - i;
}

static char *put_counts(char *p, const yk__year *year, char separator)
{
    p = put_number(p, (uint64_t)year->year);
    *p++ = separator;
    p = put_number(p, year->match_count);
    *p++ = separator;
    return put_number(p, year->volume_count);
}

/* Writes the n-gram's rows, until the shard's end is reached; returns their bytes. */
static size_t put_rows(generator *g, char *room, const char *ngram, size_t length,
                       const yk__year *years, unsigned count)
{
    char *p = room;
    uint64_t left = g->end - g->made.text_bytes;
    for (unsigned i = 0; i < count && (uint64_t)(p - room) < left; i++) {
        memcpy(p, ngram, length);
        p += length;
        *p++ = '\t';
        p = put_counts(p, &years[i], '\t');
        *p++ = '\n';
        g->made.rows++;
    }
    return (size_t)(p - room);
}

static size_t put_long_row(generator *g, char *room, const char *ngram, size_t length,
                           const yk__year *years, unsigned count)
{
    uint64_t left = g->end - g->made.text_bytes;
    memcpy(room, ngram, length);
    char *p = room + length;
    for (unsigned i = 0; i < count && (i == 0 || (uint64_t)(p - room) < left); i++) {
        *p++ = '\t';
        p = put_counts(p, &years[i], ',');
    }
    *p++ = '\n';
    g->made.rows++;
    return (size_t)(p - room);
}

static int tell(generator *g)
{
    const ngram_generate_options *o = g->options;
    if (!o->progress || g->made.text_bytes < g->told)
        return 0;
    g->told = g->made.text_bytes + YK__CHUNK;
    return o->progress(g->made.text_bytes, o->bytes, o->arg) ? YK_ECANCELED : 0;
}

/* Every shard of several has two thirds of the n-grams, so that most return in another one. */
static bool is_in_shard(generator *g)
{
    return g->options->shards == 1 || yk__below(&g->chance, 3) > 0;
}

static int put_ngram(generator *g, const char *ngram, size_t length, const yk__year *years,
                     unsigned count)
{
    char *room = yk__packer_room(g->packer, YK__ROWS_MAX);
    if (!room)
        return UV_EIO; /* which one, yk__packer_finish() knows */
    size_t size = g->options->version == 2 ? put_rows(g, room, ngram, length, years, count)
                                           : put_long_row(g, room, ngram, length, years, count);
    g->made.text_bytes += size;
    g->made.ngrams++;
    yk__packer_wrote(g->packer, size);
    return tell(g);
}

static int compare(const char *word, const char *ngram, size_t length)
{
    size_t n = strlen(word);
    int order = memcmp(word, ngram, n < length ? n : length);
    return order ? order : (n > length) - (n < length);
}

/* Writes the common words that come before the n-gram; *is_common: it is the next of them. */
static int put_common(generator *g, const char *ngram, size_t length, bool *is_common)
{
    int err = 0;
    *is_common = false;
    while (!err && !*is_common && g->common_done < g->common_count) {
        const yk__common_word *c = &g->common[g->common_done];
        int order = compare(c->word, ngram, length);
        if (order > 0)
            break;
        g->common_done++;
        *is_common = order == 0;
        yk__year years[YK__YEARS];
        unsigned count = yk__made_up_common_years(years, c->rank, &g->chance);
        err = put_ngram(g, c->word, strlen(c->word), years, count);
    }
    return err;
}

static int take_ngram(void *arg, const char *ngram, size_t length)
{
    generator *g = arg;
    if (g->made.text_bytes >= g->end)
        return YK_END; /* the size is reached */
    bool is_common;
    int err = put_common(g, ngram, length, &is_common);
    if (err || is_common || !is_in_shard(g))
        return err;
    if (g->made.text_bytes >= g->end)
        return YK_END;
    yk__year years[YK__YEARS];
    unsigned count = yk__made_up_years(years, &g->chance);
    return put_ngram(g, ngram, length, years, count);
}

/* ---- size ---- */

/* More words are made up than needed, and those that would be ahead of an even progress through
 * the shard are left out: so the letters from A to the last script all get their part. */
static int is_wanted(void *arg, uint64_t word, uint64_t words)
{
    generator *g = arg;
    uint64_t bytes = g->made.text_bytes;
    if (bytes >= g->end)
        return YK_END;
    uint64_t due = g->begin + (uint64_t)((unsigned __int128)(g->end - g->begin) * word / words);
    return bytes <= due;
}

/* First words to make up, with some to spare. */
static uint64_t words_for(const ngram_generate_options *o, uint64_t bytes)
{
    uint64_t each = o->version == 2 ? 1700 : 900;
    if (o->max_words == 1)
        each = each * 3 / 4;
    if (o->shards > 1)
        each = each * 2 / 3;
    return bytes / each + 100;
}

static int fill_up(generator *g)
{
    int err = 0;
    for (uint64_t i = 0; !err; i++) {
        char ngram[YK__NGRAM_MAX];
        size_t length = yk__last_words(ngram, i);
        err = take_ngram(g, ngram, length);
    }
    return err;
}

static int make_shard(generator *g)
{
    const ngram_generate_options *o = g->options;
    uint64_t shards = (uint64_t)o->shards;
    g->begin = g->made.text_bytes;
    g->end = o->bytes / shards * (g->shard + 1) + o->bytes % shards * (g->shard + 1) / shards;
    g->common_count = yk__common_words(g->common, g->end - g->begin);
    g->common_done = 0;
    g->chance.state = (o->seed + 1) * 0x2545f4914f6cdd1d + g->shard;
    yk__made_up_words_job words = {
        .seed = o->seed,
        .words = words_for(o, o->bytes / shards),
        .max_words = o->max_words,
        .wanted = is_wanted,
        .take = take_ngram,
        .arg = g,
    };
    int err = yk__made_up_words(&words);
    if (err == 0)
        err = fill_up(g);
    return err == YK_END ? 0 : err;
}

static int write_all(void *arg, const void *data, size_t size)
{
    const char *bytes = data;
    while (size > 0) {
        ssize_t put = write(*(int *)arg, bytes, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return uv_translate_sys_error(errno);
        bytes += put;
        size -= (size_t)put;
    }
    return 0;
}

static int generate(const ngram_generate_options *o, int fd, ngram_generated *made)
{
    generator g = { .options = o };
    int err = yk__packer_new(&g.packer, &(yk__packer_options){ .packing = o->packing,
                                                               .level = o->level,
                                                               .threads = o->threads,
                                                               .write = write_all,
                                                               .arg = &fd });
    if (err)
        return err;
    for (; !err && g.shard < (uint64_t)o->shards; g.shard++)
        err = make_shard(&g);
    if (err != YK_ECANCELED) {
        yk__packed packed = { 0 };
        int finished = yk__packer_finish(g.packer, &packed);
        err = finished ? finished : err;
        g.made.stored_bytes = packed.stored;
    }
    yk__packer_free(g.packer);
    if (!err && o->progress && o->progress(g.made.text_bytes, g.made.text_bytes, o->arg))
        err = YK_ECANCELED;
    if (!err && made)
        *made = g.made;
    return err;
}

int ngram_generate_fd(const ngram_generate_options *options, int fd, ngram_generated *made)
{
    if (ngram_generate_check(options))
        return UV_EINVAL;
    ngram_generate_options o = with_defaults(options);
    return generate(&o, fd, made);
}

/* ---- files ---- */

static bool ends_with(const char *s, const char *end)
{
    size_t a = strlen(s), b = strlen(end);
    return a >= b && strcmp(s + a - b, end) == 0;
}

static yk_packing packing_of_name(const char *path)
{
    if (ends_with(path, ".gz"))
        return YK_GZIP;
    return ends_with(path, ".zst") ? YK_ZSTD : YK_PLAIN;
}

/* Creates a file beside `path`, and writes its name. */
static int create_beside(const char *path, char name[PATH_MAX])
{
    for (unsigned i = 0;; i++) {
        int size = snprintf(name, PATH_MAX, "%s.%ld-%u.tmp", path, (long)getpid(), i);
        if (size >= PATH_MAX)
            return UV_ENAMETOOLONG;
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0)
            return fd;
        if (errno != EEXIST)
            return uv_translate_sys_error(errno);
    }
}

static int close_after(int fd, int err)
{
    return close(fd) < 0 && !err ? uv_translate_sys_error(errno) : err;
}

/* A terminal, a pipe or /dev/null is written to and not replaced. */
static int generate_in_place(const ngram_generate_options *o, const char *path,
                             ngram_generated *made)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return uv_translate_sys_error(errno);
    return close_after(fd, ngram_generate_fd(o, fd, made));
}

static int generate_and_rename(const ngram_generate_options *o, const char *path,
                               ngram_generated *made)
{
    char name[PATH_MAX];
    int fd = create_beside(path, name);
    if (fd < 0)
        return fd;
    int err = close_after(fd, ngram_generate_fd(o, fd, made));
    if (!err && rename(name, path) < 0)
        err = uv_translate_sys_error(errno);
    if (err)
        unlink(name);
    return err;
}

int ngram_generate_file(const ngram_generate_options *options, const char *path,
                        ngram_generated *made)
{
    ngram_generate_options o = *options;
    if (o.packing == YK_UNKNOWN)
        o.packing = packing_of_name(path);
    if (ngram_generate_check(&o))
        return UV_EINVAL;
    struct stat status;
    if (stat(path, &status) < 0 || S_ISREG(status.st_mode))
        return generate_and_rename(&o, path, made);
    if (S_ISDIR(status.st_mode))
        return UV_EISDIR;
    return generate_in_place(&o, path, made);
}
