/* mapreduce/ngram/case_variants.c - case folding backwards: a table of all characters that it
 * changes, some 1,500, by their folded form. Made when it is first needed, in a few milliseconds.
 */
#include "case_variants.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "case_fold.h"

enum { MOST = 2000, FIRST = 'A', LAST = 0x1ffff };

static ngram_variant table[MOST + 1]; /* ends with one of no size */
static size_t count;

static size_t shorter(size_t a, size_t b)
{
    return a < b ? a : b;
}

static int by_folded(const void *left, const void *right)
{
    const ngram_variant *a = left, *b = right;
    int order = memcmp(a->folded, b->folded, shorter(a->folded_size, b->folded_size));
    return order ? order : a->folded_size - b->folded_size;
}

static void add(utf8proc_int32_t c)
{
    ngram_variant *v = &table[count];
    char folded[NGRAM_FOLDED(4)];
    if (!utf8proc_codepoint_valid(c))
        return;
    v->size = (unsigned char)utf8proc_encode_char(c, (utf8proc_uint8_t *)v->text);
    size_t len = ngram_case_fold(folded, v->text, v->size);
    if (len > sizeof v->folded || (len == v->size && memcmp(folded, v->text, len) == 0))
        return;
    memcpy(v->folded, folded, len);
    v->folded_size = (unsigned char)len;
    count++;
}

static void make_table(void)
{
    for (utf8proc_int32_t c = FIRST; c <= LAST && count < MOST; c++)
        add(c);
    table[count] = (ngram_variant){ 0 };
    qsort(table, count, sizeof *table, by_folded);
}

size_t ngram_character_size(const char *text, size_t len)
{
    utf8proc_int32_t c;
    utf8proc_ssize_t n =
        utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)shorter(len, 4), &c);
    return n > 0 ? (size_t)n : 1;
}

/* From `v` on, the first whose folded form the text begins with. They stand together, among those
 * that begin with the text's first character. */
static const ngram_variant *find(const ngram_variant *v, const char *text, size_t len)
{
    size_t first = ngram_character_size(text, len);
    for (; v->size > 0; v++) {
        if (v->folded_size < first || memcmp(v->folded, text, first) != 0)
            return NULL;
        if (v->folded_size <= len && memcmp(v->folded, text, v->folded_size) == 0)
            return v;
    }
    return NULL;
}

const ngram_variant *ngram_first_variant(const char *text, size_t len)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_table);
    if (len == 0)
        return NULL;
    size_t low = 0, high = count, first = ngram_character_size(text, len);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const ngram_variant *v = &table[middle];
        int order = memcmp(v->folded, text, shorter(v->folded_size, first));
        if (order < 0 || (order == 0 && v->folded_size < first))
            low = middle + 1;
        else
            high = middle;
    }
    return find(&table[low], text, len);
}

const ngram_variant *ngram_next_variant(const ngram_variant *v, const char *text, size_t len)
{
    return find(v + 1, text, len);
}
