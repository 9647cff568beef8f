/* yoke/data/store.h - a store of n-grams: their years, found in a fraction of a millisecond.
 *
 * A store is one file, an LMDB database with checksums behind it (docs/formats.md). It is written
 * once, in the order of the n-grams' bytes, and read by any number of threads and processes at
 * once. There is no lock file. A store is replaced by renaming another over it: who has the old
 * one open goes on reading that.
 *
 * Writing:
 *   1. ngram_store_begin()    into an empty file
 *   2. ngram_store_put()      n-gram after n-gram
 *   3. ngram_store_finish()   it is a store now, and on the disk; or
 *      ngram_store_abandon()  the file holds nothing of use
 *
 * Reading:
 *   1. ngram_store_open()
 *   2. ngram_store_get()      the years of one n-gram, or
 *      ngram_cursor_seek()    n-grams in their order, from any place on
 *   3. ngram_store_close()
 *
 * Nothing that is read from the file is believed: a damaged store gives YK_ECORRUPT, one that was
 * cut YK_ETRUNCATED, a file that is none YK_EFORMAT, a disk that fails UV_EIO.
 */
#ifndef YOKE_DATA_STORE_H
#define YOKE_DATA_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "series.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Writing ------------------------------------------------------------------------------- */

/* All calls for one writer come from one thread. */
typedef struct ngram_store_writer ngram_store_writer;

/* What a store says of itself; NULL stands for "". */
typedef struct ngram_store_origin {
    const char *release;        /* "20200217" */
    const char *language;       /* "eng" */
    const char *const *sources; /* names of the files it was made from; ends with NULL */
} ngram_store_origin;

/* Begins a store in the file `fd`: regular, empty, and one that may be opened for reading and
 * writing again. It stays the caller's, open until the end. Errors: UV_EINVAL for another file,
 * UV_E..., UV_ENOMEM. */
int ngram_store_begin(ngram_store_writer **writer, int fd);

/* Puts the packed series of an n-gram, which comes behind the one before in the order of bytes.
 * Errors: UV_EINVAL for an n-gram that does not or is empty, YK_EFORMAT for a series that is none,
 * YK_EOVERFLOW where the sum of a year over all n-grams passes 64 bits, UV_ENOSPC and other UV_E...
 * of writing, UV_ENOMEM. Only ngram_store_abandon() may follow an error. */
int ngram_store_put(ngram_store_writer *writer, const char *ngram, size_t length,
                    const void *packed, size_t size);

/* Completes the store, waits until the disk has it, and frees the writer, also on failure. */
int ngram_store_finish(ngram_store_writer *writer, const ngram_store_origin *origin);

void ngram_store_abandon(ngram_store_writer *writer); /* frees it; NULL is allowed */

/* ---- Reading ------------------------------------------------------------------------------- */

/* Immutable: any thread may use it, also in a process forked later. */
typedef struct ngram_store ngram_store;

typedef struct ngram_store_info {
    uint64_t ngrams; /* how many */
    const char *release, *language;
    const char *sources;       /* a name a line */
    const ngram_series *years; /* the sums over all n-grams */
} ngram_store_info;

/* Opens the store at `path`. With `message` (which may be NULL) of `size` bytes, an error is told
 * there in one line that names the file. */
int ngram_store_open(ngram_store **store, const char *path, char *message, size_t size);
void ngram_store_close(ngram_store *store); /* NULL is allowed */

/* Lives as long as the store. */
const ngram_store_info *ngram_store_about(const ngram_store *store);

/* The years of one n-gram; `*series` is the caller's, to be freed with free(). UV_ENOENT: the store
 * has no such n-gram; the errors of a damaged store; UV_ENOMEM. */
int ngram_store_get(const ngram_store *store, const char *ngram, size_t length,
                    ngram_series **series);

/* Reads all of the store: every n-gram is behind the one before, has a good series, and together
 * they are as many, and have the sums, that the store says. `look` (which may be NULL) is called
 * now and then with the n-grams read so far; what it returns other than 0 ends it with
 * YK_ECANCELED. 0 or the errors of a damaged store. */
int ngram_store_verify(const ngram_store *store, int (*look)(uint64_t ngrams, void *arg),
                       void *arg);

/* A place in a store, which must stay open. One thread at a time. */
typedef struct ngram_cursor ngram_cursor;

int ngram_cursor_new(ngram_cursor **cursor, const ngram_store *store); /* UV_ENOMEM */
void ngram_cursor_free(ngram_cursor *cursor);                          /* NULL is allowed */

/* An n-gram with its packed series, good until the cursor moves. */
typedef struct ngram_item {
    const char *ngram; /* not terminated */
    size_t length;
    const void *packed; /* ngram_unpack_begin() reads it */
    size_t size;
} ngram_item;

/* Moves to the first n-gram whose bytes are not less than these (length 0: to the first of all),
 * and gives it. 1, 0 if there is none, or an error. */
int ngram_cursor_seek(ngram_cursor *cursor, const char *ngram, size_t length, ngram_item *item);

/* Moves to the next one. The same; only after a call that returned 1. */
int ngram_cursor_next(ngram_cursor *cursor, ngram_item *item);

#ifdef __cplusplus
}
#endif
#endif
