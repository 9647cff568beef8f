/* Chunks: how inputs travel together, are run one by one, and how their results come back.
 *
 * Both ways it is a row of records, each a head of 16 bytes and its data, padded to 16 bytes, so
 * that the data is aligned for any type.
 */
#include "map_chunk.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "internal.h"

#define ALIGN 16u

struct chunk_head {
    yk_job_fn fn;
    uint64_t unused;
};

struct record {
    uint64_t len;
    int32_t code;
    uint32_t unused;
};

_Static_assert(sizeof(struct chunk_head) == ALIGN && sizeof(struct record) == ALIGN, "alignment");

static size_t padded(size_t len)
{
    return (len + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

static int grow(yk__pack *pack, size_t need)
{
    size_t cap = need < 2048 ? 4096 : 2 * need;
    unsigned char *bytes = realloc(pack->bytes, cap);
    if (!bytes)
        return UV_ENOMEM;
    pack->bytes = bytes;
    pack->cap = cap;
    return 0;
}

static inline int append(yk__pack *pack, const void *head, const void *data, size_t len)
{
    size_t room = padded(len);
    if (room < len || room > SIZE_MAX / 4 || pack->len > SIZE_MAX / 4)
        return UV_ENOMEM;
    size_t need = pack->len + ALIGN + room;
    if (need > pack->cap && grow(pack, need))
        return UV_ENOMEM;
    unsigned char *at = pack->bytes + pack->len;
    memcpy(at, head, ALIGN);
    if (len > 0) {
        memset(at + room, 0, ALIGN); /* what pads it lies in the last of these */
        memcpy(at + ALIGN, data, len);
    }
    pack->len = need;
    return 0;
}

int yk__pack_begin(yk__pack *pack, yk_job_fn fn)
{
    struct chunk_head head = { fn, 0 };
    pack->len = 0;
    return append(pack, &head, NULL, 0);
}

int yk__pack_input(yk__pack *pack, const void *input, size_t len)
{
    struct record head = { .len = len };
    return append(pack, &head, input, len);
}

/* ---- In the worker -------------------------------------------------------------------------- */

static int pack_outcome(yk__pack *results, const yk_job *job, int code)
{
    struct record head = { .len = job->result_len, .code = code };
    if (code == 0)
        return append(results, &head, job->result, head.len);
    const char *message = job->message[0] ? job->message : yk_strerror(code);
    head.len = strlen(message) + 1;
    return append(results, &head, message, head.len);
}

/* The job's own inputs and results go through the running job itself, one after the other, so that
 * whatever a job can ask about itself is answered as ever. */
static int run_each(yk_job *job, unsigned char *at, const unsigned char *end, yk_job_fn fn,
                    yk__pack *results)
{
    while (at < end) {
        struct record head;
        memcpy(&head, at, sizeof head);
        job->arg = at + ALIGN;
        job->arg_len = head.len;
        job->result_len = 0;
        job->message[0] = '\0';
        at += ALIGN + padded(head.len);
        if (yk_job_cancelled(job))
            return YK_ECANCELED;
        int err = pack_outcome(results, job, yk__job_run(job, fn));
        if (err)
            return err;
    }
    job->message[0] = '\0';
    return 0;
}

int yk__map_chunk_job(yk_job *job)
{
    unsigned char *chunk = job->arg;
    size_t len = job->arg_len;
    struct chunk_head head;
    memcpy(&head, chunk, sizeof head);
    yk__pack results = { 0 };
    int err = run_each(job, chunk + ALIGN, chunk + len, head.fn, &results);
    job->arg = chunk;
    job->arg_len = len;
    if (!err)
        err = yk_job_return(job, results.bytes, results.len);
    free(results.bytes);
    return err;
}

/* ---- Back again ----------------------------------------------------------------------------- */

int yk__unpack_result(const void *results, size_t len, size_t *at, yk__chunk_result *result)
{
    const unsigned char *bytes = results;
    struct record head;
    if (*at > len || len - *at < ALIGN)
        return YK_EFORMAT;
    memcpy(&head, bytes + *at, sizeof head);
    const unsigned char *data = bytes + *at + ALIGN;
    size_t left = len - *at - ALIGN;
    if (head.code > 0 || head.len > left || padded(head.len) > left)
        return YK_EFORMAT;
    if (head.code < 0 && (head.len == 0 || data[head.len - 1] != '\0'))
        return YK_EFORMAT;
    *at += ALIGN + padded(head.len);
    *result = (yk__chunk_result){ head.code, data, head.len };
    return 0;
}
