/* mapreduce/ngram/text.h - text as JSON, CSV and a terminal want it. */
#ifndef NGRAM_TEXT_H
#define NGRAM_TEXT_H

#include "../sink.h"

/* In quotes; what is not UTF-8 becomes U+FFFD. */
void ngram_write_json(yk_writer *to, yk_str text);

/* By RFC 4180: in quotes where it has a comma, a quote, CR or LF. */
void ngram_write_csv(yk_writer *to, yk_str text);

/* The columns that the text takes in a table, where \x1b stands for what no terminal must get. */
size_t ngram_shown_width(yk_str text);

/* The text in `width` columns, padded; one that is too long ends in an ellipsis. */
void ngram_write_padded(yk_writer *to, yk_str text, size_t width);

void ngram_write_spaces(yk_writer *to, size_t n);

#endif
