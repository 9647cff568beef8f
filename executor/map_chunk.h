/* executor/map_chunk.h - several inputs in one job, several results in its result. Not installed.
 */
#ifndef YOKE_EXECUTOR_MAP_CHUNK_H
#define YOKE_EXECUTOR_MAP_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#include "job.h"

/* Bytes that grow. Zeroed: empty. */
typedef struct yk__pack {
    unsigned char *bytes;
    size_t len, cap;
} yk__pack;

/* Begins a chunk for fn; adds an input to it. 0 or UV_ENOMEM. */
int yk__pack_begin(yk__pack *pack, yk_job_fn fn);
int yk__pack_input(yk__pack *pack, const void *input, size_t len);

/* The job that runs fn over the inputs of a chunk. */
int yk__map_chunk_job(yk_job *job);

/* One result of a chunk. */
typedef struct yk__chunk_result {
    int code;         /* 0: done */
    const void *data; /* the result; or the error's message, which ends with a NUL */
    size_t len;
} yk__chunk_result;

/* The result at *at, which moves on to the next. YK_EFORMAT if the `len` bytes at `results` are not
 * what a chunk gives: a worker wrote them. */
int yk__unpack_result(const void *results, size_t len, size_t *at, yk__chunk_result *result);

#endif
