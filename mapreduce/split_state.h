/* mapreduce/split_state.h - what stands behind a split. Not installed. */
#ifndef YOKE_MAPREDUCE_SPLIT_STATE_H
#define YOKE_MAPREDUCE_SPLIT_STATE_H

#include "map_job.h"

enum { YK__LOOK_EVERY = 256 }; /* records or words between two looks at the cancellation */

struct yk_split {
    const char *begin, *end;
    const char *next;       /* where next_record and next_word stand */
    const char *limit;      /* of next_fields; NULL at first */
    const char *counted_to; /* a record's beginning: `records` are before it, in this block */
    uint64_t records;
    bool records_known; /* the map function said how many there are: */
    uint64_t all_records;
    bool are_lines; /* its records */
    bool skip_bad;
    unsigned until_look;
    const yk__map_arg *arg;
    uint64_t offset;         /* of `begin` in the piece */
    uint64_t records_before; /* of this block in the piece */
    const yk_job *job;
    yk__map_head *head;
};

/* Counts the records before `at`. */
void yk__split_count_to(yk_split *split, const char *at);

#endif
