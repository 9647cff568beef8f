/* data/lmdb_pages.c - the records of a file that LMDB wrote, read without trust.
 *
 * The form is that of LMDB 0.9 (MDB_DATA_VERSION 1) on a little-endian machine with 64 bits:
 *
 *     page    u64 number | u16 - | u16 flags | u16 lower | u16 upper | u16 offsets of nodes ...
 *     node    u16 low | u16 high | u16 flags | u16 key size | key | value
 *             leaf: low and high are the value's size; branch: with flags, the child's number
 *     large   u64 number | u16 - | u16 flags | u32 pages | value, on as many pages
 *     meta    page header, then magic | version | address | map size | the databases "free" and
 *             "main" | u64 last page | u64 transaction: pages 0 and 1, the later transaction counts
 *     tree    u32 - (of "free": the page size) | u16 flags | u16 depth | u64 branch, leaf and large
 *             pages | u64 records | u64 root
 */
#include "data/lmdb_pages.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>
#include <zlib.h>

#include "executor/error.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "stores are read on little-endian machines only"
#endif

enum {
    PAGE_HEADER = 16,
    NODE_HEADER = 8,
    SMALLEST_PAGE = 512,
    LARGEST_PAGE = 1 << 16,
    META_SIZE = 136,
    TREE_SIZE = 48,
    FREE_TREE = PAGE_HEADER + 24,
    MAIN_TREE = FREE_TREE + TREE_SIZE,
    LAST_PAGE = MAIN_TREE + TREE_SIZE,
    TRANSACTION = LAST_PAGE + 8,

    IS_BRANCH = 1,
    IS_LEAF = 2,
    IS_LARGE = 4,
    IS_META = 8,
    NODE_LARGE = 1,
    NODE_TREE = 2,

    MAGIC = (int)0xBEEFC0DE,
    DATA_VERSION = 1,
};

static uint16_t u16_at(const uint8_t *p)
{
    uint16_t n;
    memcpy(&n, p, sizeof n);
    return n;
}

static uint32_t u32_at(const uint8_t *p)
{
    uint32_t n;
    memcpy(&n, p, sizeof n);
    return n;
}

static uint64_t u64_at(const uint8_t *p)
{
    uint64_t n;
    memcpy(&n, p, sizeof n);
    return n;
}

uint32_t yk__page_checksum(const void *page, size_t size)
{
    return (uint32_t)crc32(0, page, (uInt)size);
}

int yk__compare_bytes(yk__bytes a, yk__bytes b)
{
    size_t least = a.size < b.size ? a.size : b.size;
    int by_bytes = least ? memcmp(a.at, b.at, least) : 0;
    return by_bytes ? by_bytes : (a.size > b.size) - (a.size < b.size);
}

/* ---- The file ------------------------------------------------------------------------------ */

static int read_at(int fd, void *to, size_t size, uint64_t offset)
{
    for (uint8_t *at = to; size > 0;) {
        ssize_t n = pread(fd, at, size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? uv_translate_sys_error(errno) : YK_ETRUNCATED;
        at += n;
        offset += (uint64_t)n;
        size -= (size_t)n;
    }
    return 0;
}

static int write_at(int fd, const void *from, size_t size, uint64_t offset)
{
    for (const uint8_t *at = from; size > 0;) {
        ssize_t n = pwrite(fd, at, size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return uv_translate_sys_error(errno);
        at += n;
        offset += (uint64_t)n;
        size -= (size_t)n;
    }
    return 0;
}

/* Reads `n` pages from `first` on, and holds them against their checksums. */
static int read_pages(const yk__pages *p, uint64_t first, uint64_t n, uint8_t *to)
{
    if (first >= p->count || n > p->count - first)
        return YK_ECORRUPT;
    int err = read_at(p->fd, to, n * p->size, first * p->size);
    for (uint64_t i = 0; !err && i < n; i++) {
        uint32_t sum;
        err = read_at(p->fd, &sum, sizeof sum, p->count * p->size + (first + i) * sizeof sum);
        if (!err && sum != yk__page_checksum(to + i * p->size, p->size))
            err = YK_ECORRUPT;
    }
    return err;
}

/* Which of the two meta pages counts, or NULL. */
static const uint8_t *choose_meta(const uint8_t *first, const uint8_t *second)
{
    const uint8_t *meta = NULL, *both[] = { first, second };
    for (int i = 0; i < 2; i++) {
        const uint8_t *m = both[i];
        if ((u16_at(m + 10) & IS_META) && u32_at(m + PAGE_HEADER) == (uint32_t)MAGIC &&
            u32_at(m + PAGE_HEADER + 4) == DATA_VERSION &&
            (!meta || u64_at(m + TRANSACTION) > u64_at(meta + TRANSACTION)))
            meta = m;
    }
    return meta;
}

static yk__tree tree_at(const uint8_t *p)
{
    return (yk__tree){ .depth = u16_at(p + 6), .records = u64_at(p + 32), .root = u64_at(p + 40) };
}

/* A tree that cannot be as it says is none. Each record takes at least 10 bytes somewhere. */
static int check_tree(const yk__pages *p, const yk__tree *t)
{
    if (t->depth > YK__TREE_DEPTH || t->records > p->count * (p->size / (NODE_HEADER + 2)))
        return YK_ECORRUPT;
    return t->depth > 0 && (t->root < 2 || t->root >= p->count) ? YK_ECORRUPT : 0;
}

static bool is_page_size(uint32_t size)
{
    return size >= SMALLEST_PAGE && size <= LARGEST_PAGE && (size & (size - 1)) == 0;
}

/* Reads both meta pages, without their checksums, for where those are is not known yet. */
static int read_meta(int fd, uint8_t meta[META_SIZE + PAGE_HEADER], uint32_t *page_size)
{
    uint8_t first[META_SIZE + PAGE_HEADER], second[META_SIZE + PAGE_HEADER];
    int err = read_at(fd, first, sizeof first, 0);
    if (err)
        return err == YK_ETRUNCATED ? YK_EFORMAT : err;
    *page_size = u32_at(first + FREE_TREE);
    if (u32_at(first + PAGE_HEADER) != (uint32_t)MAGIC || !is_page_size(*page_size))
        return YK_EFORMAT;
    err = read_at(fd, second, sizeof second, *page_size);
    if (err)
        return err;
    const uint8_t *chosen = choose_meta(first, second);
    if (!chosen || u32_at(chosen + FREE_TREE) != *page_size)
        return YK_EFORMAT;
    memcpy(meta, chosen, sizeof first);
    return 0;
}

/* The file's size tells at once whether a part is missing. */
static int check_size(const yk__pages *p)
{
    struct stat st;
    char magic[YK__STORE_MAGIC_SIZE];
    uint64_t sums_end = p->count * (p->size + sizeof(uint32_t));
    if (fstat(p->fd, &st) < 0)
        return uv_translate_sys_error(errno);
    if ((uint64_t)st.st_size < sums_end + sizeof magic)
        return YK_ETRUNCATED;
    int err = read_at(p->fd, magic, sizeof magic, sums_end);
    if (err)
        return err;
    bool whole = (uint64_t)st.st_size == sums_end + sizeof magic;
    return whole && memcmp(magic, YK__STORE_MAGIC, sizeof magic) == 0 ? 0 : YK_EFORMAT;
}

static int check_meta_pages(const yk__pages *p)
{
    uint8_t *both = malloc(2 * p->size);
    int err = both ? read_pages(p, 0, 2, both) : UV_ENOMEM;
    free(both);
    return err;
}

int yk__pages_open(yk__pages *pages, int fd, yk__tree *main)
{
    uint8_t meta[META_SIZE + PAGE_HEADER];
    yk__pages p = { .fd = fd };
    int err = read_meta(fd, meta, &p.size);
    if (err)
        return err;
    p.count = u64_at(meta + LAST_PAGE) + 1;
    if (p.count < 2 || p.count > (UINT64_C(1) << 62) / p.size)
        return YK_ECORRUPT;
    err = check_size(&p);
    if (!err)
        err = check_meta_pages(&p);
    yk__tree t = tree_at(meta + MAIN_TREE);
    if (!err)
        err = check_tree(&p, &t);
    if (err)
        return err;
    *pages = p;
    *main = t;
    return 0;
}

/* ---- A page -------------------------------------------------------------------------------- */

static const uint8_t *node_of(const uint8_t *page, unsigned i)
{
    return page + u16_at(page + PAGE_HEADER + 2 * i);
}

static size_t value_size(const uint8_t *node)
{
    return u16_at(node) | (size_t)u16_at(node + 2) << 16;
}

static uint64_t child_of(const uint8_t *node)
{
    return u16_at(node) | (uint64_t)u16_at(node + 2) << 16 | (uint64_t)u16_at(node + 4) << 32;
}

static yk__bytes key_of(const uint8_t *node)
{
    return (yk__bytes){ node + NODE_HEADER, u16_at(node + 6) };
}

/* Does node `i` lie within its page, behind the offsets? */
static bool node_fits(const yk__pages *p, const uint8_t *page, unsigned i, bool leaf)
{
    size_t at = u16_at(page + PAGE_HEADER + 2 * i), lower = u16_at(page + 12);
    if (at < lower || at + NODE_HEADER > p->size)
        return false;
    const uint8_t *node = page + at;
    size_t room = p->size - at - NODE_HEADER, key = key_of(node).size;
    if (key > room || key > YK__LMDB_KEY_MAX)
        return false;
    if (!leaf)
        return true;
    size_t value = u16_at(node + 4) & NODE_LARGE ? sizeof(uint64_t) : value_size(node);
    return key > 0 && value <= room - key;
}

/* Checks a page of a tree; the number of its nodes, or 0. */
static unsigned check_page(const yk__pages *p, const uint8_t *page, uint64_t number, bool leaf)
{
    size_t lower = u16_at(page + 12);
    if (u64_at(page) != number || u16_at(page + 10) != (leaf ? IS_LEAF : IS_BRANCH) ||
        lower < PAGE_HEADER + 2 || lower % 2 || lower > p->size)
        return 0;
    unsigned n = (unsigned)(lower - PAGE_HEADER) / 2;
    for (unsigned i = 0; i < n; i++)
        if (!node_fits(p, page, i, leaf))
            return 0;
    return n;
}

/* ---- A walk -------------------------------------------------------------------------------- */

static int load_level(yk__walk *w, unsigned depth, uint64_t number)
{
    const yk__pages *p = w->pages;
    if (!w->level[depth].page)
        w->level[depth].page = malloc(p->size);
    uint8_t *page = w->level[depth].page;
    int err = page ? read_pages(p, number, 1, page) : UV_ENOMEM;
    if (err)
        return err;
    w->level[depth].at = 0;
    w->level[depth].count = check_page(p, page, number, depth == w->tree.depth - 1);
    return w->level[depth].count ? 0 : YK_ECORRUPT;
}

/* The first node from `first` on whose key is not less than `key`. */
static unsigned find_node(const uint8_t *page, unsigned first, unsigned end, yk__bytes key)
{
    while (first < end) {
        unsigned middle = first + (end - first) / 2;
        if (yk__compare_bytes(key_of(node_of(page, middle)), key) < 0)
            first = middle + 1;
        else
            end = middle;
    }
    return first;
}

/* Has a level stand at the first node whose key is not less than `key`; in a branch, at the child
 * that would hold it. The first key of a branch stands for whatever is less than the second. */
static void choose_node(yk__walk *w, unsigned depth, yk__bytes key)
{
    const uint8_t *page = w->level[depth].page;
    unsigned n = w->level[depth].count;
    if (depth + 1 == w->tree.depth) {
        w->level[depth].at = find_node(page, 0, n, key);
        return;
    }
    unsigned at = find_node(page, 1, n, key);
    bool equal = at < n && yk__compare_bytes(key_of(node_of(page, at)), key) == 0;
    w->level[depth].at = equal ? at : at - 1;
}

/* Goes down to a leaf from the node at which `depth` stands: by `key`, or to the left (NULL). */
static int go_down(yk__walk *w, unsigned depth, const yk__bytes *key)
{
    for (; depth + 1 < w->tree.depth; depth++) {
        const uint8_t *node = node_of(w->level[depth].page, w->level[depth].at);
        int err = load_level(w, depth + 1, child_of(node));
        if (err)
            return err;
        if (key)
            choose_node(w, depth + 1, *key);
    }
    return 0;
}

/* A value on pages of its own. */
static int load_large(yk__walk *w, uint64_t number, size_t size)
{
    const yk__pages *p = w->pages;
    uint64_t n = (PAGE_HEADER + (uint64_t)size + p->size - 1) / p->size;
    if (number >= p->count || n > p->count - number)
        return YK_ECORRUPT;
    if (w->large_room < n * p->size) {
        uint8_t *more = realloc(w->large, n * p->size);
        if (!more)
            return UV_ENOMEM;
        w->large = more;
        w->large_room = n * p->size;
    }
    int err = read_pages(p, number, n, w->large);
    if (err)
        return err;
    if (u64_at(w->large) != number || u16_at(w->large + 10) != IS_LARGE ||
        u32_at(w->large + 12) != n)
        return YK_ECORRUPT;
    w->value = (yk__bytes){ w->large + PAGE_HEADER, size };
    return 0;
}

/* Reads the record at which the walk stands; goes on to the next leaf first, if it must. */
static int arrive(yk__walk *w)
{
    unsigned leaf = w->tree.depth - 1;
    while (w->level[leaf].at == w->level[leaf].count) {
        unsigned up = leaf;
        while (up > 0 && w->level[up].at + 1 >= w->level[up].count)
            up--;
        if (up == 0 && w->level[0].at + 1 >= w->level[0].count)
            return 0;
        w->level[up].at++;
        int err = go_down(w, up, NULL);
        if (err)
            return err;
    }
    if (w->steps++ >= w->tree.records)
        return YK_ECORRUPT;
    const uint8_t *node = node_of(w->level[leaf].page, w->level[leaf].at);
    w->key = key_of(node);
    w->value = (yk__bytes){ w->key.at + w->key.size, value_size(node) };
    if (u16_at(node + 4) & NODE_LARGE) {
        int err = load_large(w, u64_at(w->value.at), w->value.size);
        if (err)
            return err;
    }
    return 1;
}

int yk__walk_seek(yk__walk *w, const void *key, size_t size)
{
    yk__bytes k = { key, size };
    w->steps = 0;
    if (w->tree.depth == 0)
        return 0;
    int err = load_level(w, 0, w->tree.root);
    if (err)
        return err;
    choose_node(w, 0, k);
    err = go_down(w, 0, &k);
    return err ? err : arrive(w);
}

int yk__walk_next(yk__walk *w)
{
    w->level[w->tree.depth - 1].at++;
    return arrive(w);
}

void yk__walk_end(yk__walk *w)
{
    for (unsigned i = 0; i < YK__TREE_DEPTH; i++)
        free(w->level[i].page);
    free(w->large);
    *w = (yk__walk){ 0 };
}

int yk__tree_find(const yk__pages *pages, const yk__tree *main, const char *name, yk__tree *tree)
{
    yk__walk w = { .pages = pages, .tree = *main };
    yk__bytes wanted = { (const uint8_t *)name, strlen(name) };
    int got = yk__walk_seek(&w, name, wanted.size);
    if (got == 1 && yk__compare_bytes(w.key, wanted) != 0)
        got = 0;
    int err = got == 1 ? 0 : got == 0 ? UV_ENOENT : got;
    if (!err) {
        const uint8_t *node = w.key.at - NODE_HEADER;
        yk__tree t = { 0 };
        if (w.value.size != TREE_SIZE || !(u16_at(node + 4) & NODE_TREE))
            err = YK_ECORRUPT;
        else
            t = tree_at(w.value.at);
        err = err ? err : check_tree(pages, &t);
        if (!err)
            *tree = t;
    }
    yk__walk_end(&w);
    return err;
}

/* ---- Sealing ------------------------------------------------------------------------------- */

enum { SUMS_AT_ONCE = 16384 };

static int seal_pages(const yk__pages *p, uint8_t *page, uint32_t *sums)
{
    uint64_t at = p->count * p->size;
    int err = ftruncate(p->fd, (off_t)at) < 0 ? uv_translate_sys_error(errno) : 0;
    for (uint64_t i = 0, n; !err && i < p->count; i += n) {
        n = p->count - i < SUMS_AT_ONCE ? p->count - i : SUMS_AT_ONCE;
        for (uint64_t k = 0; !err && k < n; k++) {
            err = read_at(p->fd, page, p->size, (i + k) * p->size);
            sums[k] = yk__page_checksum(page, p->size);
        }
        if (!err)
            err = write_at(p->fd, sums, n * sizeof *sums, at + i * sizeof *sums);
    }
    at += p->count * sizeof *sums;
    return err ? err : write_at(p->fd, YK__STORE_MAGIC, YK__STORE_MAGIC_SIZE, at);
}

int yk__pages_seal(int fd)
{
    uint8_t meta[META_SIZE + PAGE_HEADER];
    yk__pages p = { .fd = fd };
    int err = read_meta(fd, meta, &p.size);
    if (err)
        return err;
    p.count = u64_at(meta + LAST_PAGE) + 1;
    uint8_t *page = malloc(p.size);
    uint32_t *sums = malloc(SUMS_AT_ONCE * sizeof *sums);
    err = page && sums ? seal_pages(&p, page, sums) : UV_ENOMEM;
    free(page);
    free(sums);
    return err;
}
