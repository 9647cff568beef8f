/* mapreduce/kway.h - many sorted runs read as one. Not installed. */
#ifndef YOKE_MAPREDUCE_KWAY_H
#define YOKE_MAPREDUCE_KWAY_H

#include "run_file.h"

/* A run that takes part, and the partition of it that is read. */
typedef struct yk__kway_source {
    yk__run_reader reader;
    yk__view head;
} yk__kway_source;

typedef struct yk__kway {
    yk__run_tools tools;
    yk__kway_source *sources;
    unsigned *heap; /* those that have a record, the smallest first */
    size_t n, left;
    bool drawn;         /* the root's record was handed out */
    const char *failed; /* the path of the run that could not be read */
} yk__kway;

/* Opens `n` runs. The paths are the caller's, and stay. Errors: UV_E..., YK_ECORRUPT; then `failed`
 * says where. yk__kway_free() is called in any case. */
int yk__kway_open(yk__kway *k, const char *const *paths, size_t n, yk__form form);
void yk__kway_free(yk__kway *k);

/* Goes to the beginning of a partition; of YK__PARTS: of partition i in run i. */
int yk__kway_select(yk__kway *k, unsigned part);

/* The next record by key, then by order; good until the next call. 1, 0 at the end, or an error. */
int yk__kway_next(yk__kway *k, yk__view *view);

#endif
