/* data/lmdb_pages.h - the records of a file that LMDB wrote, read without trust; private to data/.
 *
 * LMDB itself maps the file and believes it: a damaged page is a wild read, a file that was cut or
 * a disk that fails a SIGBUS. Here every page is read with pread, its checksum is looked up, and
 * nothing in it is used before it was seen to lie within the page. So any number of processes,
 * threads and forked children read at once, need no lock file, and get an error at worst.
 *
 * A page's checksum stands behind the last page (docs/formats.md); LMDB does not look there.
 *
 *   1. yk__pages_open()     finds the tree of the main database
 *   2. yk__tree_find()      and the tree of a named one
 *   3. yk__walk_seek(), yk__walk_next()   its records, in the order of their keys
 */
#ifndef YOKE_DATA_LMDB_PAGES_H
#define YOKE_DATA_LMDB_PAGES_H

#include <stddef.h>
#include <stdint.h>

enum { YK__TREE_DEPTH = 32, YK__LMDB_KEY_MAX = 511 };

/* What stands behind the checksums. */
#define YK__STORE_MAGIC "ngramLM1"
enum { YK__STORE_MAGIC_SIZE = 8 };

typedef struct yk__pages {
    int fd;
    uint32_t size;  /* of a page */
    uint64_t count; /* of them in the file */
} yk__pages;

typedef struct yk__tree {
    uint64_t root;
    unsigned depth; /* pages from the root to a leaf; 0: it is empty */
    uint64_t records;
} yk__tree;

typedef struct yk__bytes {
    const uint8_t *at;
    size_t size;
} yk__bytes;

/* A place in a tree. Zeroed memory with `pages` and `tree` set is one; `record` is good until it
 * moves. One thread at a time. */
typedef struct yk__walk {
    const yk__pages *pages;
    yk__tree tree;
    uint64_t steps; /* no more of them than there are records, whatever the pages say */
    struct {
        uint8_t *page;
        unsigned at, count; /* of its nodes */
    } level[YK__TREE_DEPTH];
    uint8_t *large; /* a value that has pages of its own */
    size_t large_room;
    yk__bytes key, value;
} yk__walk;

/* Looks at the file `fd`, which stays the caller's. YK_EFORMAT: no store; YK_ETRUNCATED: a part of
 * it is missing; YK_ECORRUPT; UV_E... of reading. */
int yk__pages_open(yk__pages *pages, int fd, yk__tree *main);

/* Finds a named database. UV_ENOENT: there is none. */
int yk__tree_find(const yk__pages *pages, const yk__tree *main, const char *name, yk__tree *tree);

/* Moves to the first record whose key is not less than `key`. 1; 0 where there is none; or an
 * error: YK_ECORRUPT, UV_ENOMEM, UV_E... of reading. */
int yk__walk_seek(yk__walk *walk, const void *key, size_t size);

/* Moves to the next record. The same. Only after a seek or a next that returned 1. */
int yk__walk_next(yk__walk *walk);

void yk__walk_end(yk__walk *walk); /* frees what it holds */

/* The order of keys: by bytes, the shorter first. */
int yk__compare_bytes(yk__bytes a, yk__bytes b);

/* The checksum of a page. */
uint32_t yk__page_checksum(const void *page, size_t size);

/* ---- For the writer ------------------------------------------------------------------------- */

/* Puts the checksums of all pages, and what follows them, behind a file that LMDB has written and
 * closed. Errors: UV_E..., YK_EFORMAT if it is none. */
int yk__pages_seal(int fd);

#endif
