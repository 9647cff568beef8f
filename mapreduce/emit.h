/* mapreduce/emit.h - what user's functions emit to. Not installed. */
#ifndef YOKE_MAPREDUCE_EMIT_H
#define YOKE_MAPREDUCE_EMIT_H

#include "batch.h"
#include "counters.h"
#include "reducer.h"
#include "split.h"
#include "table.h"

struct yk_emitter {
    yk__table *table;     /* of map and combine; or */
    yk__results *results; /* of reduce */
    yk__counters *counters;
    int err;         /* the first error; it fails the piece or the key */
    yk__batch batch; /* of map */
    /* When the table takes more than `limit` bytes, this empties it. NULL: there is no limit. */
    int (*relieve)(yk_emitter *out);
    size_t limit;
};

#endif
