/* mapreduce/ngram/case_variants.h - case folding backwards: which characters become what stands
 * there. */
#ifndef NGRAM_CASE_VARIANTS_H
#define NGRAM_CASE_VARIANTS_H

#include <stdbool.h>
#include <stddef.h>

/* A character that case folding changes: "K" becomes "k", and so does the sign of Kelvin; "ß"
 * becomes "ss". */
typedef struct ngram_variant {
    unsigned char size, folded_size;
    char text[4], folded[12];
} ngram_variant;

/* The first of those whose folded form `text` begins with, and the next one; NULL: no more. Any
 * thread. */
const ngram_variant *ngram_first_variant(const char *text, size_t len);
const ngram_variant *ngram_next_variant(const ngram_variant *v, const char *text, size_t len);

/* The bytes of the character that `text` begins with; 1 where that is not UTF-8. */
size_t ngram_character_size(const char *text, size_t len);

#endif
