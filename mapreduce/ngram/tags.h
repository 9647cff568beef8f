/* mapreduce/ngram/tags.h - the words of an n-gram and their parts of speech.
 *
 *   run_VERB      a word with one of the twelve tags     foo_, _x, a_b   plain words
 *   _NOUN_        a placeholder: any noun stands there   _START_, _END_  markers
 *
 * Words are divided by blanks, and the two ends of a dependency by "=>". The dataset has every
 * n-gram without tags and, beside it, the same occurrences again with tags on some or all of its
 * words. So a sum over everything counts them several times; a sum over the n-grams without tags,
 * or over those whose words all have tags, counts them once.
 */
#ifndef NGRAM_TAGS_H
#define NGRAM_TAGS_H

#include <stdbool.h>
#include <stddef.h>

#include "../split.h"

typedef enum ngram_word_kind {
    NGRAM_PLAIN,
    NGRAM_TAGGED,
    NGRAM_PLACEHOLDER,
    NGRAM_MARKER
} ngram_word_kind;

typedef struct ngram_word {
    const char *at;
    size_t len;  /* of all of it */
    size_t stem; /* of it without "_TAG" */
    ngram_word_kind kind;
    int tag; /* of a tagged word: an index in ngram_tags; else -1 */
} ngram_word;

typedef enum ngram_tagging {
    NGRAM_UNTAGGED,     /* plain words and markers */
    NGRAM_PARTLY,       /* some words tagged, or a placeholder among them */
    NGRAM_FULLY_TAGGED, /* all words but markers */
} ngram_tagging;

/* "NOUN", ..., "." and "X", ending with NULL. */
extern const char *const ngram_tags[];

/* The tag of this name, or -1. */
int ngram_find_tag(const char *name, size_t len);

/* The word at *next, which is moved to the word behind it, and to NULL behind the last. What is
 * between two words is their divider. */
void ngram_next_word(ngram_word *word, const char **next, const char *end);

/* `tag`: *has tells whether a word has it. */
ngram_tagging ngram_tagging_of(yk_str ngram, int tag, bool *has);

/* Writes the n-gram with its words in one case, without their tags, or both. `to` has room for
 * NGRAM_FOLDED(ngram.len) bytes. Returns the length. */
size_t ngram_rewrite(char *to, yk_str ngram, bool fold, bool strip);

#endif
