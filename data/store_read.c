/* data/store_read.c - reads a store. What LMDB's pages hold is looked at by lmdb_pages.c; here,
 * what the records say. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "data/lmdb_pages.h"
#include "data/store.h"
#include "data/store_form.h"
#include "executor/error.h"

struct ngram_store {
    int fd;
    yk__pages pages;
    yk__tree ngrams;
    ngram_store_info info;
    char *release, *language, *sources;
    ngram_series *years;
};

/* ---- What it says of itself ---------------------------------------------------------------- */

/* Copies a record of "about", with a NUL behind it. */
static int read_about(const ngram_store *s, const yk__tree *about, const char *name, char **text,
                      size_t *size)
{
    yk__walk w = { .pages = &s->pages, .tree = *about };
    yk__bytes wanted = { (const uint8_t *)name, strlen(name) };
    int got = yk__walk_seek(&w, name, wanted.size), err = got < 0 ? got : 0;
    if (got == 0 || (got == 1 && yk__compare_bytes(w.key, wanted) != 0))
        err = YK_EFORMAT;
    if (!err) {
        *text = malloc(w.value.size + 1);
        err = *text ? 0 : UV_ENOMEM;
    }
    if (!err) {
        memcpy(*text, w.value.at, w.value.size);
        (*text)[w.value.size] = '\0';
        *size = w.value.size;
    }
    yk__walk_end(&w);
    return err;
}

static int read_format(const ngram_store *s, const yk__tree *about)
{
    char *text = NULL;
    size_t size;
    int err = read_about(s, about, NGRAM__FORMAT, &text, &size);
    if (!err && strcmp(text, NGRAM__FORMAT_VERSION) != 0)
        err = YK_EFORMAT;
    free(text);
    return err;
}

static int read_count(ngram_store *s, const yk__tree *about)
{
    char *text = NULL, *end;
    size_t size;
    int err = read_about(s, about, NGRAM__COUNT, &text, &size);
    if (!err) {
        s->info.ngrams = strtoull(text, &end, 10);
        err = size == 0 || *end ? YK_ECORRUPT : 0;
    }
    free(text);
    return err;
}

static int read_years(ngram_store *s, const yk__tree *about)
{
    char *packed = NULL;
    size_t size;
    int err = read_about(s, about, NGRAM__YEARS, &packed, &size);
    if (!err)
        err = ngram_series_unpack(&s->years, packed, size);
    free(packed);
    return err;
}

static int read_all_about(ngram_store *s, const yk__tree *about)
{
    size_t size;
    int err = read_format(s, about);
    if (!err)
        err = read_count(s, about);
    if (!err)
        err = read_years(s, about);
    if (!err)
        err = read_about(s, about, NGRAM__RELEASE, &s->release, &size);
    if (!err)
        err = read_about(s, about, NGRAM__LANGUAGE, &s->language, &size);
    if (!err)
        err = read_about(s, about, NGRAM__SOURCES, &s->sources, &size);
    s->info.release = s->release;
    s->info.language = s->language;
    s->info.sources = s->sources;
    s->info.years = s->years;
    return err;
}

/* ---- Opening ------------------------------------------------------------------------------- */

static int read_trees(ngram_store *s)
{
    yk__tree main, about;
    int err = yk__pages_open(&s->pages, s->fd, &main);
    if (!err)
        err = yk__tree_find(&s->pages, &main, NGRAM__NGRAMS, &s->ngrams);
    if (!err)
        err = yk__tree_find(&s->pages, &main, NGRAM__ABOUT, &about);
    if (err == UV_ENOENT)
        err = YK_EFORMAT;
    return err ? err : read_all_about(s, &about);
}

static int explain(char *message, size_t size, const char *path, int code)
{
    const char *what = code == YK_EFORMAT      ? "this is no store of n-grams"
                       : code == YK_ECORRUPT   ? "the store is damaged"
                       : code == YK_ETRUNCATED ? "a part of the store is missing"
                                               : yk_strerror(code);
    if (message && code)
        snprintf(message, size, "%.300s: %s", path, what);
    return code;
}

int ngram_store_open(ngram_store **store, const char *path, char *message, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return explain(message, size, path, uv_translate_sys_error(errno));
    ngram_store *s = calloc(1, sizeof *s);
    if (!s) {
        close(fd);
        return explain(message, size, path, UV_ENOMEM);
    }
    s->fd = fd;
    int err = read_trees(s);
    if (err) {
        ngram_store_close(s);
        return explain(message, size, path, err);
    }
    *store = s;
    return 0;
}

void ngram_store_close(ngram_store *s)
{
    if (!s)
        return;
    close(s->fd);
    free(s->release);
    free(s->language);
    free(s->sources);
    free(s->years);
    free(s);
}

const ngram_store_info *ngram_store_about(const ngram_store *s)
{
    return &s->info;
}

/* ---- A cursor ------------------------------------------------------------------------------ */

struct ngram_cursor {
    yk__walk walk;
    size_t next; /* in a record of long n-grams: where the one behind this begins */
    char *name;  /* a long n-gram, put together */
    size_t name_room;
};

int ngram_cursor_new(ngram_cursor **cursor, const ngram_store *store)
{
    ngram_cursor *c = calloc(1, sizeof *c);
    if (!c)
        return UV_ENOMEM;
    c->walk.pages = &store->pages;
    c->walk.tree = store->ngrams;
    *cursor = c;
    return 0;
}

void ngram_cursor_free(ngram_cursor *c)
{
    if (!c)
        return;
    yk__walk_end(&c->walk);
    free(c->name);
    free(c);
}

static int put_name_together(ngram_cursor *c, const uint8_t *rest, size_t size)
{
    if (c->name_room < NGRAM__LONG + size) {
        char *more = realloc(c->name, NGRAM__LONG + size);
        if (!more)
            return UV_ENOMEM;
        c->name = more;
        c->name_room = NGRAM__LONG + size;
    }
    memcpy(c->name, c->walk.key.at, NGRAM__LONG);
    memcpy(c->name + NGRAM__LONG, rest, size);
    return 0;
}

/* The long n-gram at c->next of the record's value. */
static int give_long(ngram_cursor *c, ngram_item *item)
{
    yk__bytes v = c->walk.value;
    uint32_t head[2];
    size_t left = v.size - c->next;
    if (left < sizeof head)
        return YK_ECORRUPT;
    const uint8_t *at = v.at + c->next;
    memcpy(head, at, sizeof head);
    left -= sizeof head;
    if (head[0] > left || head[1] > left - head[0])
        return YK_ECORRUPT;
    const uint8_t *rest = at + sizeof head;
    int err = put_name_together(c, rest, head[0]);
    if (err)
        return err;
    *item = (ngram_item){ c->name, NGRAM__LONG + (size_t)head[0], rest + head[0], head[1] };
    c->next += sizeof head + head[0] + head[1];
    return 1;
}

/* The n-gram of the record at which the walk has arrived. */
static int give(ngram_cursor *c, int got, ngram_item *item)
{
    yk__bytes k = c->walk.key, v = c->walk.value;
    c->next = 0;
    if (got != 1)
        return got;
    if (k.size == NGRAM__LONG)
        return give_long(c, item);
    *item = (ngram_item){ (const char *)k.at, k.size, v.at, v.size };
    return 1;
}

int ngram_cursor_next(ngram_cursor *c, ngram_item *item)
{
    if (c->next > 0 && c->next < c->walk.value.size)
        return give_long(c, item);
    return give(c, yk__walk_next(&c->walk), item);
}

static bool is_less(const ngram_item *item, const char *ngram, size_t length)
{
    yk__bytes a = { (const uint8_t *)item->ngram, item->length };
    yk__bytes b = { (const uint8_t *)ngram, length };
    return yk__compare_bytes(a, b) < 0;
}

int ngram_cursor_seek(ngram_cursor *c, const char *ngram, size_t length, ngram_item *item)
{
    size_t key = length < NGRAM__LONG ? length : NGRAM__LONG;
    int got = give(c, yk__walk_seek(&c->walk, ngram, key), item);
    while (got == 1 && is_less(item, ngram, length)) /* among long ones */
        got = ngram_cursor_next(c, item);
    return got;
}

int ngram_store_get(const ngram_store *s, const char *ngram, size_t length, ngram_series **series)
{
    ngram_cursor *c;
    ngram_item item;
    int err = ngram_cursor_new(&c, s);
    if (err)
        return err;
    int got = ngram_cursor_seek(c, ngram, length, &item);
    if (got < 0)
        err = got;
    else if (got == 0 || item.length != length || memcmp(item.ngram, ngram, length) != 0)
        err = UV_ENOENT;
    else
        err = ngram_series_unpack(series, item.packed, item.size);
    ngram_cursor_free(c);
    return err == YK_EFORMAT ? YK_ECORRUPT : err;
}
