/* executor/map_chunk.h - several inputs in one job, several results in its result. Not installed.
 */
#ifndef YOKE_EXECUTOR_MAP_CHUNK_H
#define YOKE_EXECUTOR_MAP_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#include "job.h"

/* A head and what follows it: see map_chunk.c. Zeroed: empty. */
typedef struct yk__pack {
    unsigned char *bytes;
    size_t len, cap;
    size_t n;          /* how many are in it */
    size_t each, step; /* of a row; else 0 */
} yk__pack;

/* Begins a chunk for fn; adds an input to it. 0 or UV_ENOMEM. */
int yk__pack_begin(yk__pack *pack, yk_job_fn fn);
int yk__pack_input(yk__pack *pack, const void *input, size_t len);

/* The job that runs fn over the inputs of a chunk. */
int yk__map_chunk_job(yk_job *job);

/* Where a reader of results stands. */
typedef struct yk__unpack {
    const unsigned char *bytes;
    size_t len, at;
    size_t each, step; /* of a row of equal ones; step 0: records */
} yk__unpack;

/* One result of a chunk. */
typedef struct yk__chunk_result {
    int code;         /* 0: done */
    const void *data; /* the result; or the error's message, which ends with a NUL */
    size_t len;
} yk__chunk_result;

/* Begins with what a chunk's job has given; takes the next result. YK_EFORMAT if that is not what a
 * chunk gives: a worker wrote it. */
int yk__unpack_begin(yk__unpack *unpack, const void *results, size_t len);
int yk__unpack_record(yk__unpack *unpack, yk__chunk_result *result);

static inline int yk__unpack_next(yk__unpack *u, yk__chunk_result *result)
{
    if (!u->step)
        return yk__unpack_record(u, result);
    if (u->len - u->at < u->step)
        return YK_EFORMAT;
    result->code = 0;
    result->data = u->bytes + u->at;
    result->len = u->each;
    u->at += u->step;
    return 0;
}

#endif
