/* mapreduce/records.h - where records end, whoever says so. Not installed. */
#ifndef YOKE_MAPREDUCE_RECORDS_H
#define YOKE_MAPREDUCE_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "split.h"

static inline bool yk__are_lines(const yk_splitter *s)
{
    return !s->record_size && !s->record;
}

/* Behind the record at p, in text of whole records. */
const char *yk__record_end(const yk_splitter *s, const char *p, const char *end);

/* Behind `n` records. */
const char *yk__pass_records(const yk_splitter *s, const char *p, const char *end, uint64_t n);

/* How many records begin in a text. */
uint64_t yk__count_records(const yk_splitter *s, const char *p, const char *end);

/* How many bytes of a text of which more may follow, or not (`is_end`), are whole records. */
size_t yk__whole_records(const yk_splitter *s, const char *text, size_t len, bool is_end);

#endif
