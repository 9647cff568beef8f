/* yoke/mapreduce/split.h - what a map function sees: a piece of the input, and where to put what
 * it finds.
 *
 *   static int map_words(yk_split *split, yk_emitter *out, void *arg)
 *   {
 *       for (yk_str word; yk_split_next_word(split, &word);)
 *           yk_emit_u64(out, word, 1);
 *       return 0;
 *   }
 *
 * A split is whole records (lines) of one file. A map function is called for many of them, in any
 * order, on threads or in worker processes, and for the same one again if a worker died. So it
 * uses its arguments and nothing else, and everything here is good until it returns.
 */
#ifndef YOKE_MAPREDUCE_SPLIT_H
#define YOKE_MAPREDUCE_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes somewhere else: not terminated, not owned. */
typedef struct yk_str {
    const char *at;
    size_t len;
} yk_str;

/* Cuts off what stands before the first `at`, and takes both from the rest; without one, all. */
static inline yk_str yk_str_cut(yk_str *rest, char at)
{
    const char *end = rest->len > 0 ? (const char *)memchr(rest->at, at, rest->len) : NULL;
    yk_str head = { rest->at, end ? (size_t)(end - rest->at) : rest->len };
    size_t taken = head.len + (end != NULL);
    rest->at += taken;
    rest->len -= taken;
    return head;
}

/* The number that it begins with, in decimal digits; the largest if it is larger. */
static inline uint64_t yk_str_u64(yk_str digits)
{
    uint64_t n = 0;
    size_t i = 0, short_of = digits.len < 19 ? digits.len : 19; /* so many fit whatever they are */
    for (; i < short_of && (unsigned char)(digits.at[i] - '0') < 10; i++)
        n = n * 10 + (uint64_t)(digits.at[i] - '0');
    for (; i < digits.len && (unsigned char)(digits.at[i] - '0') < 10; i++)
        if (__builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(digits.at[i] - '0'), &n))
            return UINT64_MAX;
    return n;
}

/* What a record is, if it is no line. Such files are read by one thread each, and mapped by all
 * workers. Zero: lines. */
typedef struct yk_splitter {
    size_t record_size; /* all have so many bytes; or */
    /* The length of the record at `text`, of which `len` bytes are known (one at least); 0: that is
     * not enough to tell, or not all of it. `is_end`: there are no more, so that 0 means that the
     * file ends within a record (YK_ETRUNCATED). It is called often, here and in workers. */
    size_t (*record)(const char *text, size_t len, bool is_end);
} yk_splitter;

typedef struct yk_split yk_split;
typedef struct yk_emitter yk_emitter;

/* Returns 0; a negative error fails the job. `arg` is the worker's copy of the options' arg. */
typedef int (*yk_map_fn)(yk_split *split, yk_emitter *out, void *arg);

/* ---- What is in it ------------------------------------------------------------------------- */

/* The next line, without its LF, or what the job's splitter says; false behind the last one, and
 * when the job is to stop. */
bool yk_split_next_record(yk_split *split, yk_str *record);

/* The next word: bytes between blanks (space, TAB, LF, VT, FF, CR). False as above. Continues where
 * next_record stands, and the other way round. */
bool yk_split_next_word(yk_split *split, yk_str *word);

/* The next line, cut at each `separator`: how many fields it has, of which the first `max` are
 * stored, each without its separator; an empty line is one empty field. 0 where next_record returns
 * false. */
size_t yk_split_next_fields(yk_split *split, char separator, yk_str *fields, size_t max);

/* All of it, for a map function with a scanner of its own: whole lines, each with its LF, but for
 * the last line of a file perhaps. */
yk_str yk_split_text(const yk_split *split);

/* The input that it is of: its path, or "standard input". */
const char *yk_split_name(const yk_split *split);

/* Where in the input's text, unpacked, the byte at `at` of the split is, counted from 0. UINT64_MAX
 * where only reading all of it would tell: in zstd frames that do not say their size. */
uint64_t yk_split_place(const yk_split *split, const char *at);

/* Says how many records the split has, which a scanner of one's own knows anyway; it saves the
 * engine from counting line ends. */
void yk_split_set_records(yk_split *split, uint64_t records);

/* Whether the job is to stop; next_record and next_word ask by themselves. Then return
 * YK_ECANCELED. */
bool yk_split_cancelled(const yk_split *split);

/* Reports the record of `len` bytes at `at` (its first byte, within the split) as malformed.
 * Returns 0 if the job skips such records (they are counted): go on with the next. Else
 * YK_EFORMAT, to be returned: the job ends with file, line, byte offset, reason and the record's
 * beginning. Call it in the order of the records. */
int yk_split_bad_record(yk_split *split, const char *at, size_t len, const char *reason);

/* ---- What comes out ------------------------------------------------------------------------ */

/* Folds a value (fold.h: of fold->value_size bytes) into the key's, which is copied. Returns 0 or
 * UV_ENOMEM; it may be ignored, for the job then fails all the same. */
int yk_emit(yk_emitter *out, yk_str key, const void *value);

/* The same for a fold of uint64_t values (YK_SUM_U64); UV_EINVAL for another. */
int yk_emit_u64(yk_emitter *out, yk_str key, uint64_t value);

/* For a job with a reduce function (reduce.h): adds a value of any length to the key's; both are
 * copied. In a reduce function: a record of the result. UV_E2BIG: a key over 2 GiB, or values of
 * one key in one piece over 4 GiB. */
int yk_emit_bytes(yk_emitter *out, yk_str key, yk_str value);

/* Adds n to a number of the job's report, in map, combine and reduce. A name has up to 31 bytes,
 * and a job up to 32 of them: else UV_EINVAL, UV_E2BIG, which as above fails the job. */
int yk_count(yk_emitter *out, const char *name, uint64_t n);

/* Marks the key as failed, as a fold that returns `code` does; in a reduce function, the key that
 * is being reduced. */
int yk_emit_error(yk_emitter *out, yk_str key, int code);

#ifdef __cplusplus
}
#endif
#endif
